//! What comes back, and what goes out.

use std::io::{BufReader, Read, Write};

use super::server::{OK, Server, read_request};
use super::*;

#[test]
fn a_batch_goes_out_as_documented() {
    let server = Server::answering(&[OK]);
    let mut options = options(&server.url, PATIENT);
    options.token = Some("s3cret".into());
    options.headers.push(("X-Site".into(), "roof".into()));
    assert_eq!(sink(options).send(&batch(b"1\n2\n"), 1), delivered());
    let request = server.requests.recv().unwrap();
    assert_eq!(request.head[0], "POST /ingest HTTP/1.1");
    for (name, value) in [
        ("content-type", "application/x-ndjson"),
        ("content-length", "4"),
        ("idempotency-key", "\"00000000-0000-0000-0000-000000000000:501-502\""),
        ("edgesync-journal", "00000000-0000-0000-0000-000000000000"),
        ("edgesync-first-seq", "501"),
        ("edgesync-last-seq", "502"),
        ("edgesync-prev-seq", "500"),
        ("authorization", "Bearer s3cret"),
        ("x-site", "roof"),
        ("user-agent", concat!("edgesync/", env!("CARGO_PKG_VERSION"))),
        ("host", &format!("127.0.0.1:{}", server.port)),
    ] {
        assert_eq!(request.header(name), Some(value), "{name} in {:#?}", request.head);
    }
    assert_eq!(request.header("transfer-encoding"), None);
    assert_eq!(request.body, b"1\n2\n");
}

#[test]
fn one_connection_serves_a_whole_run() {
    let server = Server::answering(&[
        OK,
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nthank\r\n3\r\nyou\r\n0\r\n\r\n",
        "HTTP/1.1 503 Unavailable\r\nContent-Length: 4\r\n\r\nlate",
    ]);
    let mut sink = sink(options(&server.url, PATIENT));
    let body = vec![b'7'; 300_000];
    for number in 0..40 {
        let outcome = sink.send(&batch(&body), 1);
        assert_eq!(matches!(outcome, Outcome::Delivered { .. }), number % 4 < 3, "{outcome:?}");
        assert!(server.requests.recv().unwrap().body == body);
    }
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_connection_that_was_closed_meanwhile_is_replaced() {
    let server = Server::start(|stream, _| {
        let mut reader = BufReader::new(stream);
        read_request(&mut reader).unwrap();
        reader.get_mut().write_all(OK.as_bytes()).unwrap();
    });
    let mut sink = sink(options(&server.url, PATIENT));
    let mut delivered = 0;
    for _ in 0..20 {
        // The end of the old connection may arrive before the next request goes out, or after: then it is sent again.
        match sink.send(&batch(b"1\n"), 1) {
            Outcome::Delivered { .. } => delivered += 1,
            outcome => assert!(later(outcome).contains("connection")),
        }
    }
    assert!(delivered > 0);
}

#[test]
fn a_redirect_is_reported_and_followed_by_nothing() {
    let elsewhere = Server::answering(&[OK]);
    for status in ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"] {
        for length in ["0", "2"] {
            let location = elsewhere.url.clone();
            let server = Server::start(move |stream, _| {
                let mut reader = BufReader::new(stream);
                while read_request(&mut reader).is_some() {
                    let head = format!(
                        "HTTP/1.1 {status}\r\nLocation: {location}\r\nContent-Length: {length}\r\n\r\n"
                    );
                    reader.get_mut().write_all(head.as_bytes()).unwrap();
                    reader.get_mut().write_all(&b"ok"[..length.parse().unwrap()]).unwrap();
                }
            });
            match send_to(&server, PATIENT) {
                Outcome::WrongSetup { reason } => assert!(reason.contains(&elsewhere.url), "{reason}"),
                other => panic!("{status}: {other:?}"),
            }
        }
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[test]
fn an_answer_before_the_body_was_read_counts() {
    // The receiver looks at the header, answers, and closes with most of the body unread: the connection is reset.
    for (status, close) in [(413, true), (401, true), (413, false)] {
        let server = Server::start(move |mut stream, _| {
            stream.read_exact(&mut [0; 100]).unwrap();
            let close = if close { "Connection: close\r\n" } else { "" };
            // In one piece: what waits for an acknowledgement when the connection is reset is lost.
            let answer = format!("HTTP/1.1 {status} No\r\n{close}Content-Length: 7\r\n\r\ntoo big");
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let outcome = sink(options(&server.url, PATIENT)).send(&batch(&vec![b'x'; 8 << 20]), 1);
        match (status, outcome) {
            (413, Outcome::TooLarge { reason }) | (401, Outcome::WrongSetup { reason }) => {
                assert!(reason.contains("too big"), "{reason}");
            }
            (_, other) => panic!("{status}: {other:?}"),
        }
    }
}

#[test]
fn informational_answers_are_passed_over() {
    let server = Server::answering(&[
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nEdgesync-Acked-Seq: 501\r\nContent-Length: 0\r\n\r\n",
    ]);
    assert_eq!(send_to(&server, PATIENT), Outcome::Delivered { through: Some(501) });
}

#[test]
fn a_success_is_one_whatever_becomes_of_its_body() {
    for answer in [
        &b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nbroken off"[..],
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnot a chunk\r\n",
        b"HTTP/1.0 200 OK\r\n\r\nuntil the end",
        b"HTTP/1.1 200 OK\r\n\r\n",
    ] {
        let server = Server::start(move |stream, _| {
            let mut reader = BufReader::new(stream);
            read_request(&mut reader).unwrap();
            reader.get_mut().write_all(answer).unwrap();
        });
        assert_eq!(send_to(&server, PATIENT), delivered(), "{}", String::from_utf8_lossy(answer));
    }
}

#[test]
fn an_answer_without_end_is_read_no_further_than_64_kib() {
    let (told, written) = std::sync::mpsc::channel();
    let server = Server::start(move |stream, _| {
        let mut reader = BufReader::new(stream);
        read_request(&mut reader).unwrap();
        let stream = reader.get_mut();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n").unwrap();
        let mut total = 0_u64;
        // Ends when the client hangs up; the buffers of the system take some megabytes at most.
        while stream.write_all(&[b'x'; 4096]).is_ok() {
            total += 4096;
        }
        let _ = told.send(total);
    });
    assert_eq!(send_to(&server, PATIENT), delivered());
    assert!(written.recv().unwrap() < 64 << 20);
}

#[test]
fn a_refusal_shows_the_beginning_of_its_body_and_no_more() {
    let server = Server::start(|stream, _| {
        let mut reader = BufReader::new(stream);
        read_request(&mut reader).unwrap();
        let stream = reader.get_mut();
        stream.write_all(b"HTTP/1.1 422 No\r\n\r\n\x1b[2Jline 2:\n no ").unwrap();
        while stream.write_all(&[b'x'; 4096]).is_ok() {}
    });
    let Outcome::Refused { status: 422, reason } = send_to(&server, PATIENT) else { panic!() };
    assert!(reason.starts_with(r"\u{1b}[2Jline 2: no xxxx"), "{reason}");
    assert_eq!(reason.chars().count(), 200 + r"\u{1b}".len() - 1 + "…".chars().count());
}
