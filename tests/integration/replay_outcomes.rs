//! What becomes of a batch, answer by answer.

use std::time::{Duration, Instant};

use crate::harness::{Answer, Receiver, Request, Sandbox, UNREACHABLE, readings, sealed_objects};

/// A journal with this many entries.
fn sandbox_with(count: usize) -> (Sandbox, Vec<String>) {
    let sandbox = Sandbox::new();
    let payloads = readings(count, 60);
    sandbox.append(&payloads);
    (sandbox, payloads)
}

fn has_bad_entry(request: &Request) -> bool {
    String::from_utf8_lossy(&request.body).contains("bad")
}

#[test]
fn an_answer_that_means_later_makes_the_same_request_come_again() {
    let (sandbox, payloads) = sandbox_with(5);
    let later = [408, 409, 425, 429, 500, 502, 503, 504, 599];
    let receiver = Receiver::answering(later);
    sandbox.replay_to(&receiver).args(["--retries", "9"]).run().exits(0);
    let requests = receiver.requests();
    assert_eq!(requests.len(), later.len() + 1);
    for request in &requests {
        assert_eq!((request.key(), &request.body), (requests[0].key(), &requests[0].body));
    }
    receiver.assert_in_order_once(&payloads);
    sandbox.stats().shows([("delivered", 5), ("dead_lettered", 0)]);
}

#[test]
fn after_its_retries_the_run_ends_and_everything_still_waits() {
    let (sandbox, _) = sandbox_with(5);
    let receiver = Receiver::always(503);
    sandbox.replay_to(&receiver).run().exits(4).says("503");
    assert_eq!(receiver.request_count(), 4, "three retries are the default");
    sandbox.replay_to(&receiver).args(["--retries", "0"]).run().exits(4);
    assert_eq!(receiver.request_count(), 5);
    sandbox.stats().shows([("delivered", 0), ("pending", 5), ("dead_lettered", 0)]);
}

#[test]
fn an_answer_from_the_sink_starts_the_retries_anew_for_the_next_batch() {
    let (sandbox, payloads) = sandbox_with(4);
    let receiver = Receiver::answering([503, 503, 204, 503, 503, 204]);
    sandbox.replay_to(&receiver).args(["--retries", "2", "--batch-size", "2"]).run().exits(0);
    receiver.assert_in_order_once(&payloads);
}

#[test]
fn where_nobody_listens_everything_waits() {
    let (sandbox, payloads) = sandbox_with(3);
    sandbox.replay_to_url(UNREACHABLE).run().exits(4).says("127.0.0.1:1");
    sandbox.stats().shows([("delivered", 0), ("pending", 3)]);
    let (receiver, output) = sandbox.drain();
    output.exits(0);
    receiver.assert_in_order_once(&payloads);
}

#[test]
fn a_name_that_nobody_knows_means_later() {
    let (sandbox, _) = sandbox_with(1);
    sandbox.replay_to_url("http://edgesync.invalid/ingest").args(["--retries", "0"]).run().exits(4);
    sandbox.stats().shows([("pending", 1)]);
}

#[test]
fn a_connection_that_breaks_off_means_later() {
    let (sandbox, payloads) = sandbox_with(3);
    let receiver = Receiver::hanging_up(2);
    sandbox.replay_to(&receiver).run().exits(0);
    receiver.assert_in_order_once(&payloads);

    let (sandbox, payloads) = sandbox_with(3);
    let broken =
        [Answer::hang_up(), Answer::raw("HTTP/1.1 2"), Answer::raw("\0garbage\r\n\r\n"), Answer::raw("HTTP")];
    let receiver = Receiver::answering(broken);
    sandbox.replay_to(&receiver).args(["--retries", "4"]).run().exits(0);
    receiver.assert_repetitions_are_identical();
    receiver.assert_in_order_once(&payloads);
}

#[test]
fn an_answer_that_takes_too_long_means_later() {
    let (sandbox, payloads) = sandbox_with(3);
    let slow = Answer::new(503).after(Duration::from_secs(3));
    let receiver = Receiver::answering([slow]);
    sandbox.replay_to(&receiver).args(["--timeout", "300ms"]).run().exits(0);
    assert_eq!(receiver.request_count(), 2);
    receiver.assert_in_order_once(&payloads);
}

#[test]
fn retry_after_is_honoured() {
    let (sandbox, _) = sandbox_with(1);
    let receiver = Receiver::answering([Answer::new(503).header("Retry-After", "1")]);
    sandbox.replay_to(&receiver).run().exits(0);
    let requests = receiver.requests();
    let waited = requests[1].at - requests[0].at;
    assert!(waited >= Duration::from_millis(950), "only {waited:?} between the requests");
}

#[test]
fn a_wrong_set_up_stops_the_run_and_costs_no_entry() {
    for status in [401, 403, 404, 405, 407, 410, 415, 300, 301, 302, 303, 307, 308] {
        let (sandbox, _) = sandbox_with(3);
        let receiver = Receiver::always(status);
        sandbox.replay_to(&receiver).args(["--batch-size", "1"]).run().exits(4).says(&status.to_string());
        assert_eq!(receiver.request_count(), 1, "{status} is not tried again");
        sandbox.stats().shows([("delivered", 0), ("pending", 3), ("dead_lettered", 0)]);
    }
}

#[test]
fn a_redirect_is_never_followed() {
    for status in [301, 302, 303, 307, 308] {
        let (sandbox, _) = sandbox_with(1);
        let elsewhere = Receiver::accepting();
        let receiver = Receiver::always(Answer::new(status).header("Location", &elsewhere.url()));
        let replay = sandbox.replay_to(&receiver).args(["--header", "X-Api-Key: k"]);
        replay.run().exits(4).says(&elsewhere.url());
        assert_eq!(elsewhere.connections(), 0, "neither entries nor credentials go where {status} points");
        sandbox.stats().shows([("delivered", 0), ("pending", 1)]);
    }
}

#[test]
fn a_batch_that_is_too_large_is_halved_in_order_until_it_fits() {
    let (sandbox, payloads) = sandbox_with(21);
    let receiver = Receiver::with(|request| {
        let count = request.last() - request.first() + 1;
        Answer::new(if count > 3 { 413 } else { 204 })
    });
    sandbox.replay_to(&receiver).run().exits(0);
    receiver.assert_in_order_once(&payloads);
    sandbox.stats().shows([("delivered", 21), ("dead_lettered", 0)]);
}

#[test]
fn one_entry_that_is_too_large_by_itself_is_refused() {
    let sandbox = Sandbox::new();
    let big = format!("\"{}\"", "x".repeat(5_000));
    sandbox.append(["1", big.as_str(), "3"]);
    let receiver = Receiver::with(|request| Answer::new(if request.body.len() > 1_000 { 413 } else { 204 }));
    sandbox.replay_to(&receiver).run().exits(5);
    assert_eq!(receiver.entries(), [(1, b"1".to_vec()), (3, b"3".to_vec())]);
    let dead = sealed_objects(&sandbox.journal().join("dead-letter.jsonl"));
    assert_eq!((dead[0]["seq"].as_u64(), dead[0]["status"].as_u64()), (Some(2), Some(413)));
    assert_eq!(receiver.accepted().last().unwrap().previous(), 1);
}

#[test]
fn a_refused_entry_is_found_and_kept_and_its_neighbours_are_delivered_in_order() {
    for status in [400, 402, 406, 411, 418, 422, 451] {
        let sandbox = Sandbox::new();
        let mut payloads = readings(16, 60);
        payloads[6] = r#"{"bad":1}"#.to_owned();
        sandbox.append(&payloads);
        let receiver = Receiver::with(move |request| match has_bad_entry(request) {
            true => Answer::new(status).body("field `bad` is not known"),
            false => Answer::new(200),
        });
        sandbox.replay_to(&receiver).run().exits(5);
        let expected: Vec<_> = (1..).zip(&payloads).filter(|(seq, _)| *seq != 7).collect();
        let expected: Vec<_> = expected.into_iter().map(|(seq, it)| (seq, it.clone().into_bytes())).collect();
        assert_eq!(receiver.entries(), expected);

        let dead = sealed_objects(&sandbox.journal().join("dead-letter.jsonl"));
        assert_eq!(dead.len(), 1);
        assert_eq!((dead[0]["seq"].as_u64(), dead[0]["status"].as_u64()), (Some(7), Some(u64::from(status))));
        assert_eq!(dead[0]["data"], serde_json::json!({"bad": 1}));
        assert!(dead[0]["reason"].as_str().unwrap().contains("field `bad` is not known"), "{}", dead[0]);
        assert!(dead[0]["at"].is_string() && dead[0]["refused_at"].is_string(), "{}", dead[0]);
        sandbox.stats().shows([("delivered", 15), ("dead_lettered", 1), ("pending", 0)]);
        // Nothing is left, so nothing is wrong any more.
        sandbox.replay_to(&receiver).run().exits(0);
    }
}

#[test]
fn after_a_dead_letter_the_receiver_is_told_that_it_will_not_come() {
    let sandbox = Sandbox::new();
    sandbox.append(["1", "\"bad\"", "3"]);
    let receiver = Receiver::with(|request| Answer::new(if has_bad_entry(request) { 422 } else { 204 }));
    sandbox.replay_to(&receiver).run().exits(5);
    let last = receiver.accepted().pop().unwrap();
    assert_eq!((last.first(), last.last(), last.previous()), (3, 3, 1));
}

#[test]
fn one_bad_entry_anywhere_in_a_full_batch_does_not_stop_the_run() {
    for place in [0, 1, 255, 498, 499] {
        let sandbox = Sandbox::new();
        let mut payloads = readings(500, 40);
        payloads[place] = "\"bad\"".to_owned();
        sandbox.append(&payloads);
        let receiver = Receiver::with(|request| Answer::new(if has_bad_entry(request) { 422 } else { 204 }));
        sandbox.replay_to(&receiver).run().exits(5);
        assert_eq!(receiver.entries().len(), 499);
        sandbox.stats().shows([("delivered", 499), ("dead_lettered", 1), ("pending", 0)]);
    }
}

#[test]
fn ten_refusals_in_a_row_stop_the_run() {
    let (sandbox, _) = sandbox_with(40);
    let receiver = Receiver::always(422);
    sandbox.replay_to(&receiver).args(["--batch-size", "1"]).run().exits(3);
    assert_eq!(receiver.request_count(), 10);
    let stats = sandbox.stats();
    assert!(stats.count("dead_lettered") <= 10 && stats.count("pending") >= 30, "{stats:?}");

    // In between, something is accepted: so the run goes on.
    let (sandbox, _) = sandbox_with(40);
    let receiver = Receiver::with(|request| Answer::new(if request.first() % 8 == 0 { 204 } else { 422 }));
    sandbox.replay_to(&receiver).args(["--batch-size", "1"]).run().exits(5);
    sandbox.stats().shows([("delivered", 5), ("dead_lettered", 35), ("pending", 0)]);
}

#[test]
fn an_endpoint_that_refuses_everything_does_not_turn_the_backlog_into_dead_letters() {
    let (sandbox, _) = sandbox_with(2_000);
    let receiver = Receiver::always(422);
    sandbox.replay_to(&receiver).run().exits(3);
    let stats = sandbox.stats();
    assert!(stats.count("dead_lettered") <= 10 && stats.count("pending") >= 1_990, "{stats:?}");
}

#[test]
fn on_refused_stop_halts_at_the_entry_and_keeps_it_pending() {
    let sandbox = Sandbox::new();
    sandbox.append(["1", "2", "\"bad\"", "4"]);
    let receiver = Receiver::with(|request| Answer::new(if has_bad_entry(request) { 422 } else { 204 }));
    let replay = || sandbox.replay_to(&receiver).args(["--on-refused", "stop"]).run();
    replay().exits(3).says("3");
    assert_eq!(receiver.entries().len(), 2);
    sandbox.stats().shows([("delivered", 2), ("pending", 2), ("dead_lettered", 0)]);
    replay().exits(4);
    sandbox.stats().shows([("delivered", 2), ("pending", 2), ("dead_lettered", 0)]);
}

#[test]
fn with_an_acked_seq_only_what_was_acknowledged_counts_as_delivered() {
    let (sandbox, _) = sandbox_with(5);
    let receiver =
        Receiver::answering(["2", "5"].map(|seq| Answer::new(200).header("Edgesync-Acked-Seq", seq)));
    sandbox.replay_to(&receiver).run().exits(0);
    let requests = receiver.requests();
    let seqs: Vec<_> = requests.iter().map(|it| (it.first(), it.last(), it.previous())).collect();
    assert_eq!(seqs, [(1, 5, 0), (3, 5, 2)]);
    sandbox.stats().shows([("delivered", 5), ("pending", 0)]);
}

#[test]
fn an_acked_seq_before_the_batch_means_that_nothing_was_taken() {
    let (sandbox, _) = sandbox_with(5);
    let receiver = Receiver::always(Answer::new(200).header("Edgesync-Acked-Seq", "0"));
    sandbox.replay_to(&receiver).run().exits(4);
    sandbox.stats().shows([("delivered", 0), ("pending", 5)]);
}

#[test]
fn an_acked_seq_beyond_the_batch_or_not_a_number_moves_nothing_past_the_batch() {
    for value in ["4000000000", "18446744073709551616", "-1", "two"] {
        let (sandbox, _) = sandbox_with(5);
        let receiver = Receiver::always(Answer::new(200).header("Edgesync-Acked-Seq", value));
        sandbox.replay_to(&receiver).args(["--batch-size", "2"]).run().exits_with_one_of(&[0, 4]);
        receiver.assert_repetitions_are_identical();
        let stats = sandbox.stats();
        assert!(stats.count("delivered") <= 5 && stats.count("cursor") <= 6, "{stats:?}");
    }
}

#[test]
fn no_more_than_the_beginning_of_an_answer_is_read_and_kept() {
    let (sandbox, _) = sandbox_with(1);
    let receiver = Receiver::always(Answer::new(422).body(vec![b'n'; 32 << 20]));
    sandbox.replay_to(&receiver).run().exits_with_one_of(&[4, 5]);
    let dead = sandbox.journal().join("dead-letter.jsonl");
    assert!(dead.metadata().unwrap().len() <= 66 * 1024);
    sealed_objects(&dead);
}

#[test]
fn an_accepting_answer_that_never_ends_does_not_hold_the_run_for_ever() {
    let (sandbox, payloads) = sandbox_with(1);
    let endless = Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\nand so on");
    let receiver = Receiver::answering([endless]);
    let start = Instant::now();
    sandbox.replay_to(&receiver).args(["--timeout", "500ms"]).run().exits(0);
    assert!(start.elapsed() < Duration::from_secs(20));
    let sent: Vec<_> = receiver.requests().iter().flat_map(Request::entries).map(|(_, it)| it).collect();
    assert!(sent.iter().all(|payload| payload == payloads[0].as_bytes()));
}
