//! The tools themselves, without the program: a receiver that lied would make every other test worthless.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use super::{Answer, Receiver, Sandbox};

fn connect(receiver: &Receiver) -> BufReader<TcpStream> {
    let url = receiver.url();
    let address = url.strip_prefix("http://").and_then(|rest| rest.strip_suffix("/ingest")).unwrap();
    BufReader::new(TcpStream::connect(address).unwrap())
}

fn send(stream: &mut BufReader<TcpStream>, first: u64, body: &str) {
    let last = first + body.lines().count() as u64 - 1;
    let head = format!(
        "POST /ingest HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\nIdempotency-Key: \"j:{first}-{last}\"\r\n\
         edgesync-first-seq: {first}\r\nEdgesync-Last-Seq: {last}\r\n\r\n",
        body.len()
    );
    stream.get_mut().write_all((head + body).as_bytes()).unwrap();
}

/// The status line of an answer without a body; empty if the connection ended.
fn status_line(stream: &mut BufReader<TcpStream>) -> String {
    let mut status = String::new();
    stream.read_line(&mut status).unwrap();
    let mut header = String::new();
    while !status.is_empty() && stream.read_line(&mut header).unwrap() > 2 {
        header.clear();
    }
    status
}

#[test]
fn the_receiver_answers_by_its_script_and_remembers_every_request() {
    let receiver = Receiver::answering([503, 200]);
    let mut stream = connect(&receiver);
    for (first, body, expected) in [(1, "1\n2\n", "503"), (1, "1\n2\n", "200"), (3, "3\n", "204")] {
        send(&mut stream, first, body);
        assert!(status_line(&mut stream).starts_with(&format!("HTTP/1.1 {expected} ")));
    }
    assert_eq!(receiver.connections(), 1);
    assert_eq!(receiver.requests().len(), 3);
    receiver.assert_in_order_once(&["1", "2", "3"]);
    receiver.assert_repetitions_are_identical();
}

#[test]
fn the_receiver_hangs_up_before_or_after_it_reads() {
    let receiver = Receiver::hanging_up(1);
    let mut nothing = Vec::new();
    // Closed at once: the end of the stream or a reset.
    let _ = connect(&receiver).read_to_end(&mut nothing);
    assert!(nothing.is_empty() && receiver.request_count() == 0);

    let receiver = Receiver::answering([Answer::hang_up(), Answer::raw("garbage")]);
    let mut stream = connect(&receiver);
    send(&mut stream, 1, "1\n");
    assert_eq!(status_line(&mut stream), "");
    let mut stream = connect(&receiver);
    send(&mut stream, 1, "1\n");
    assert_eq!(status_line(&mut stream), "garbage");
    assert_eq!((receiver.requests().len(), receiver.accepted().len()), (2, 0));
}

#[test]
#[should_panic(expected = "overlaps")]
fn the_receiver_notices_other_boundaries() {
    let receiver = Receiver::answering([503]);
    let mut stream = connect(&receiver);
    send(&mut stream, 1, "1\n2\n");
    status_line(&mut stream);
    send(&mut stream, 2, "2\n3\n");
    status_line(&mut stream);
    receiver.assert_repetitions_are_identical();
}

#[test]
#[should_panic(expected = "the bytes of")]
fn the_receiver_notices_other_bytes() {
    let receiver = Receiver::answering([503]);
    let mut stream = connect(&receiver);
    for body in ["1\n2\n", "1\n3\n"] {
        send(&mut stream, 1, body);
        status_line(&mut stream);
    }
    receiver.assert_repetitions_are_identical();
}

#[test]
#[should_panic(expected = "the seq of entry 2")]
fn the_receiver_notices_a_gap() {
    let receiver = Receiver::accepting();
    let mut stream = connect(&receiver);
    for first in [1, 3] {
        send(&mut stream, first, "1\n");
        status_line(&mut stream);
    }
    receiver.assert_in_order_once(&["1", "1"]);
}

#[test]
fn the_sandbox_is_all_that_a_child_sees() {
    let sandbox = Sandbox::new();
    let output = sandbox.shell("env; pwd; cat").stdin("from stdin").run();
    output.exits(0).prints("from stdin").prints("EDGESYNC_JOURNAL=").says_nothing();
    assert!(!output.stdout().contains("CARGO"), "{}", output.stdout());
    let mut child = sandbox.shell("read line; echo \"got $line\"; exit 3").spawn();
    child.feed("one");
    assert_eq!(child.next_line(), "got one");
    child.wait().exits(3);
}
