//! Answers that come before the whole request was sent, and honest ones that come close to it.

use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::thread;

use super::super::wire::{Departure, Departures};
use super::server::{OK, Request, Server, read_request};
use super::*;

/// More than a receiver's buffer takes unread, and less than ours does: all of it can be written.
const BODY_BYTES: usize = 1_000_000;

/// Keeps a connection open, unread, until the test is over.
fn keep(stream: TcpStream, requests: &std::sync::mpsc::Sender<Request>) {
    let requests = requests.clone();
    thread::spawn(move || {
        while requests.send(Request { head: Vec::new(), body: Vec::new() }).is_ok() {
            thread::sleep(Duration::from_millis(20));
        }
        drop(stream);
    });
}

/// Reads the beginning of each request, answers, and reads nothing more; then hangs up, or does not.
fn early(answer: &'static str, hangs_up: bool) -> Server {
    Server::start(move |mut stream, requests| {
        stream.read_exact(&mut [0; 100]).unwrap();
        stream.write_all(answer.as_bytes()).unwrap();
        if !hangs_up {
            keep(stream, requests);
        }
    })
}

fn send_large(server: &Server) -> Outcome {
    sink(options(&server.url, PATIENT)).send(&batch(&vec![b'x'; BODY_BYTES]), 1)
}

#[test]
fn a_success_before_the_whole_request_had_left_is_tried_later() {
    for answer in
        [OK, "HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 200 OK\r\nEdgesync-Acked-Seq: 502\r\n\r\n"]
    {
        let reason = later(send_large(&early(answer, false)));
        assert!(reason.contains("before it had the whole request"), "{reason}");
    }
}

#[test]
fn a_success_before_the_whole_request_had_left_is_none_if_the_connection_is_reset_then() {
    let server = early(OK, true);
    for _ in 0..20 {
        later(send_large(&server));
    }
}

#[test]
fn a_refusal_before_the_whole_request_had_left_decides() {
    let server = early("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n", false);
    assert!(matches!(send_large(&server), Outcome::TooLarge { .. }));
    let server = early("HTTP/1.1 422 No\r\nContent-Length: 0\r\n\r\n", false);
    assert!(matches!(send_large(&server), Outcome::Refused { status: 422, .. }));
}

#[test]
fn honest_receivers_are_never_taken_for_early_ones() {
    let server = Server::answering(&[OK, "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok"]);
    let mut sink = sink(options(&server.url, PATIENT));
    for number in 0..300_usize {
        let body = vec![b'7'; 1 + number * number * 17];
        assert_eq!(sink.send(&batch(&body), 1), delivered(), "body of {} bytes", body.len());
    }
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_receiver_that_reads_slowly_and_answers_when_it_has_all_is_honest() {
    let server = Server::start(|stream, _| {
        let mut reader = BufReader::new(Slowly(stream));
        while read_request(&mut reader).is_some() {
            // First a part of the header, long before the rest.
            for part in ["HTTP/1.1 200 OK\r\n", "Content-Length: 0\r\n\r\n"] {
                reader.get_mut().0.write_all(part.as_bytes()).unwrap();
                thread::sleep(Duration::from_millis(5));
            }
        }
    });
    let mut sink = sink(options(&server.url, PATIENT));
    for _ in 0..5 {
        assert_eq!(sink.send(&batch(&vec![b'x'; BODY_BYTES]), 1), delivered());
    }
}

/// Reads a few kilobytes at a time.
struct Slowly(TcpStream);

impl Read for Slowly {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        thread::sleep(Duration::from_micros(200));
        let length = buffer.len().min(4096);
        self.0.read(&mut buffer[..length])
    }
}

#[test]
fn an_interim_answer_before_the_body_was_read_counts_neither_way() {
    let server = Server::start(|stream, _| {
        (&stream).write_all(b"HTTP/1.1 103 Early Hints\r\n\r\n").unwrap();
        thread::sleep(Duration::from_millis(20));
        let mut reader = BufReader::new(stream);
        read_request(&mut reader).unwrap();
        reader.get_mut().write_all(OK.as_bytes()).unwrap();
    });
    assert_eq!(send_large(&server), delivered());
}

#[test]
fn a_receiver_that_hangs_up_after_its_answer_has_the_batch() {
    let server = Server::start(|stream, _| {
        let mut reader = BufReader::new(stream);
        read_request(&mut reader).unwrap();
        reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n").unwrap();
    });
    for _ in 0..20 {
        assert_eq!(send_large(&server), delivered());
    }
}

#[test]
fn what_an_earlier_answer_left_noted_is_gone_before_the_next_request() {
    let departures = Departures::default();
    let noted = departures.clone();
    let (found, finds) = std::sync::mpsc::channel();
    let server = Server::start(move |stream, _| {
        let mut reader = BufReader::new(stream);
        read_request(&mut reader).unwrap();
        // Nothing of the answer has been read yet.
        found.send(noted.take()).unwrap();
        reader.get_mut().write_all(OK.as_bytes()).unwrap();
    });
    let mut sink = sink(options(&server.url, PATIENT));
    sink.departures.clone_from(&departures);
    departures.note(Departure::Whole);
    sink.send(&batch(b"1\n"), 1);
    assert_eq!(finds.recv_timeout(PATIENT).unwrap(), Departure::Broken, "nothing is noted");
}
