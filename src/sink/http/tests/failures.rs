//! What can go wrong on the way.

use std::io::{BufReader, Read, Write};
use std::net::TcpListener;
use std::thread;

use super::server::{Server, read_request};
use super::*;
use crate::stop::Stop;

#[test]
fn nobody_listening_is_tried_later() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let reason = later(sink(options(&format!("http://127.0.0.1:{port}/"), PATIENT)).send(&batch(b"1\n"), 1));
    assert!(reason.contains("nothing listens") && reason.contains(&port.to_string()), "{reason}");
}

#[test]
fn a_name_without_an_address_is_tried_later() {
    let reason = later(sink(options("http://edgesync.invalid/", PATIENT)).send(&batch(b"1\n"), 1));
    assert!(reason.contains("edgesync.invalid"), "{reason}");
}

#[test]
fn a_silent_receiver_is_given_up_when_the_time_is_over() {
    let server =
        Server::start(|stream, _| while (&stream).read(&mut [0; 4096]).is_ok_and(|count| count > 0) {});
    assert!(later(send_to(&server, IMPATIENT)).contains("within 300ms"));
}

#[test]
fn a_receiver_that_reads_nothing_is_given_up_when_the_time_is_over() {
    let server = Server::start(|stream, requests| {
        thread::spawn({
            let requests = requests.clone();
            move || {
                // Kept open, unread, until the test is over.
                while requests.send(server::Request { head: Vec::new(), body: Vec::new() }).is_ok() {
                    thread::sleep(IMPATIENT);
                }
                drop(stream);
            }
        });
    });
    let outcome = sink(options(&server.url, IMPATIENT)).send(&batch(&vec![b'x'; 32 << 20]), 1);
    assert!(later(outcome).contains("within 300ms"));
}

#[test]
fn a_header_that_drips_is_given_up_when_the_time_is_over() {
    let server = Server::start(|stream, _| {
        let mut reader = BufReader::new(stream);
        read_request(&mut reader).unwrap();
        let stream = reader.get_mut();
        let mut drops = b"HTTP/1.1 200 OK\r\nX-Drip: ".iter().chain(std::iter::repeat(&b'x'));
        while stream.write_all(&[*drops.next().unwrap()]).is_ok() {
            thread::sleep(Duration::from_millis(20));
        }
    });
    assert!(later(send_to(&server, IMPATIENT)).contains("within 300ms"));
}

#[test]
fn a_body_that_drips_does_not_hold_up_a_success() {
    let server = Server::start(|stream, _| {
        let mut reader = BufReader::new(stream);
        read_request(&mut reader).unwrap();
        let stream = reader.get_mut();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n").unwrap();
        while stream.write_all(b"x").is_ok() {
            thread::sleep(Duration::from_millis(20));
        }
    });
    assert_eq!(send_to(&server, Duration::from_secs(2)), delivered());
}

#[test]
fn a_receiver_that_hangs_up_is_tried_later() {
    let at_once = Server::start(|stream, _| drop(stream));
    assert!(later(send_to(&at_once, PATIENT)).contains("connection"));

    let after_the_request = Server::start(|stream, _| {
        read_request(&mut BufReader::new(stream)).unwrap();
    });
    assert!(later(send_to(&after_the_request, PATIENT)).contains("closed the connection"));

    let in_the_middle = Server::start(|mut stream, _| stream.read_exact(&mut [0; 10_000]).unwrap());
    let outcome = sink(options(&in_the_middle.url, PATIENT)).send(&batch(&vec![b'x'; 8 << 20]), 1);
    assert!(later(outcome).contains("connection"));

    let in_the_header = Server::blurting(b"HTTP/1.1 200 OK\r\nContent-Le".to_vec());
    assert!(later(send_to(&in_the_header, PATIENT)).contains("connection"));
}

#[test]
fn an_answer_that_is_not_http_is_tried_later() {
    for garbage in [
        &b"SSH-2.0-OpenSSH_9.6\r\n"[..],
        b"\x15\x03\x01\x00\x02\x02\x50",
        b"HTTP/1.1 two hundred OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
        b"\r\n\r\n\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
    ] {
        later(send_to(&Server::blurting(garbage.to_vec()), PATIENT));
    }
}

#[test]
fn a_header_without_measure_is_tried_later() {
    let one_line = [b"HTTP/1.1 200 OK\r\nX: ".to_vec(), vec![b'x'; 1 << 20], b"\r\n\r\n".to_vec()].concat();
    assert!(later(send_to(&Server::blurting(one_line), PATIENT)).contains("16 KiB"));
    let many_lines = [b"HTTP/1.1 200 OK\r\n".to_vec(), b"X: y\r\n".repeat(5000), b"\r\n".to_vec()].concat();
    later(send_to(&Server::blurting(many_lines), PATIENT));
}

#[test]
fn a_request_to_stop_cuts_a_silent_request_short() {
    let server = Server::start(|stream, requests| {
        let mut reader = BufReader::new(stream);
        while let Some(request) = read_request(&mut reader) {
            let _ = requests.send(request);
        }
    });
    let (stopper, stop) = Stop::pair().unwrap();
    let mut options = options(&server.url, PATIENT);
    options.stop = stop;
    let mut sink = sink(options);
    let stopping = thread::spawn(move || {
        let first = server.requests.recv().unwrap();
        stopper.stop();
        (first, server)
    });
    assert!(later(sink.send(&batch(b"1\n"), 1)).contains("stopped"));
    let (_, server) = stopping.join().unwrap();
    assert!(later(sink.send(&batch(b"1\n"), 2)).contains("stopped"));
    assert_eq!(server.connections(), 1, "nothing is sent after the request to stop");
}
