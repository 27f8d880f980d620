//! An answer that looks like success and is none: one that comes before the request was read, and one of somebody else.

use std::io::{Read, Write};
use std::net::TcpListener;

use crate::harness::{Answer, Receiver, Sandbox, readings};

/// Answers 200 to the header of each request and closes with the body unread.
fn answering_before_the_body() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/in", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            stream.read_exact(&mut [0; 200]).unwrap();
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        }
    });
    url
}

#[test]
fn a_success_before_the_request_was_read_delivers_nothing() {
    for batch_bytes in ["1MiB", "64MiB"] {
        let sandbox = Sandbox::new();
        sandbox.append(readings(60, 900_000));
        let replay = sandbox.replay_to_url(&answering_before_the_body());
        replay.args(["--batch-bytes", batch_bytes, "--retries", "1"]).run().exits(4);
        sandbox.stats().shows([("delivered", 0), ("pending", 60)]);
    }
}

#[test]
fn a_captive_portal_does_not_swallow_the_backlog_of_a_receiver_that_acknowledges() {
    let sandbox = Sandbox::new();
    sandbox.append(["1", "2"]);
    let portal = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let in_the_way = std::sync::Arc::clone(&portal);
    let receiver = Receiver::with(move |request| {
        let answer = Answer::new(200);
        match in_the_way.load(std::sync::atomic::Ordering::SeqCst) {
            true => answer.body("<html>Please log in</html>"),
            false => answer.header("Edgesync-Acked-Seq", &request.last().to_string()),
        }
    });
    sandbox.replay_to(&receiver).run().exits(0);
    sandbox.append(["3", "4", "5"]);
    portal.store(true, std::sync::atomic::Ordering::SeqCst);
    sandbox.replay_to(&receiver).args(["-q"]).run().exits(4).says("Edgesync-Acked-Seq");
    sandbox.stats().shows([("delivered", 2), ("pending", 3)]);
}

#[test]
fn an_acknowledgement_can_be_insisted_on_or_forgotten() {
    let sandbox = Sandbox::new();
    sandbox.append(["1", "2", "3"]);
    let silent = Receiver::accepting();
    let always = ["--require-ack", "always", "--retries", "1"];
    sandbox.replay_to(&silent).args(always).run().exits(4).says("--require-ack");
    assert_eq!(silent.request_count(), 2, "it is tried again");
    let receiver = Receiver::answering([Answer::new(200).header("Edgesync-Acked-Seq", "3")]);
    sandbox.replay_to(&receiver).args(always).run().exits(0);
    sandbox.append(["4"]);
    sandbox.replay_to(&receiver).run().exits(4).says("--require-ack never");
    sandbox.replay_to(&receiver).args(["--require-ack", "never"]).run().exits(0);
    sandbox.append(["5"]);
    sandbox.replay_to(&receiver).run().exits(0);
    sandbox.stats().shows([("delivered", 5), ("pending", 0)]);
    sandbox.replay_exec("cat").args(["--require-ack", "always"]).run().exits(2).says("goes with --to");
}
