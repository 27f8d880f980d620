//! `replay`: what is delivered, in which order, in which batches, and when it does not start at all.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use crate::harness::{Answer, Receiver, Request, Sandbox, UNREACHABLE, readings, until};

fn boundaries(requests: &[Request]) -> Vec<(u64, u64)> {
    requests.iter().map(|request| (request.first(), request.last())).collect()
}

#[test]
fn what_is_pending_is_delivered_once_and_in_order() {
    let sandbox = Sandbox::new();
    let payloads = readings(2_345, 100);
    sandbox.append(&payloads);
    let (receiver, output) = sandbox.drain();
    output.exits(0);
    receiver.assert_in_order_once(&payloads);
    assert_eq!(receiver.in_flight_max(), 1, "one request in flight");
    assert_eq!(receiver.connections(), 1, "the connection is kept");
    sandbox.stats().shows([("delivered", 2_345), ("pending", 0), ("cursor", 2_346)]);

    sandbox.append(["\"later\""]);
    sandbox.replay_to(&receiver).run().exits(0);
    let request = receiver.requests().pop().unwrap();
    assert_eq!((request.first(), request.last(), request.previous()), (2_346, 2_346, 2_345));
}

#[test]
fn where_nothing_is_pending_the_network_is_not_touched() {
    let sandbox = Sandbox::new();
    sandbox.edgesync(["init"]).run().exits(0);
    let receiver = Receiver::accepting();
    sandbox.replay_to(&receiver).run().exits(0);
    sandbox.replay_to_url(UNREACHABLE).run().exits(0);
    sandbox.append(["1"]);
    sandbox.replay_to(&receiver).run().exits(0);
    assert_eq!(receiver.connections(), 1);
    sandbox.replay_to(&receiver).run().exits(0);
    sandbox.replay_to_url(UNREACHABLE).run().exits(0);
    assert_eq!(receiver.connections(), 1);
}

#[test]
fn a_batch_has_at_most_batch_size_entries() {
    for (size, expected) in [
        ("3", vec![(1, 3), (4, 6), (7, 8)]),
        ("8", vec![(1, 8)]),
        ("7", vec![(1, 7), (8, 8)]),
        ("1", (1..=8).map(|seq| (seq, seq)).collect()),
    ] {
        let sandbox = Sandbox::new();
        let payloads = readings(8, 60);
        sandbox.append(&payloads);
        let receiver = Receiver::accepting();
        sandbox.replay_to(&receiver).args(["--batch-size", size]).run().exits(0);
        assert_eq!(boundaries(&receiver.requests()), expected);
        receiver.assert_in_order_once(&payloads);
    }
}

#[test]
fn by_default_a_batch_has_500_entries() {
    let sandbox = Sandbox::new();
    sandbox.append(readings(1_001, 40));
    let (receiver, output) = sandbox.drain();
    output.exits(0);
    assert_eq!(boundaries(&receiver.requests()), [(1, 500), (501, 1_000), (1_001, 1_001)]);
    let previous: Vec<_> = receiver.requests().iter().map(Request::previous).collect();
    assert_eq!(previous, [0, 500, 1_000]);
}

#[test]
fn a_batch_has_at_most_batch_bytes_but_at_least_one_entry() {
    let sandbox = Sandbox::new();
    let mut payloads = readings(7, 99);
    payloads[3] = format!("\"{}\"", "x".repeat(2_000));
    sandbox.append(&payloads);
    let receiver = Receiver::accepting();
    sandbox.replay_to(&receiver).args(["--batch-bytes", "300"]).run().exits(0);
    assert_eq!(boundaries(&receiver.requests()), [(1, 3), (4, 4), (5, 7)]);
    receiver.assert_in_order_once(&payloads);
}

#[test]
fn nothing_overtakes_an_entry_that_cannot_be_delivered_yet() {
    let sandbox = Sandbox::new();
    let payloads = readings(9, 60);
    sandbox.append(&payloads);
    let receiver = Receiver::with(|request| Answer::new(if request.first() == 4 { 503 } else { 204 }));
    let replay = sandbox.replay_to(&receiver).args(["--batch-size", "3", "--retries", "2"]).run();
    replay.exits(3);
    assert_eq!(boundaries(&receiver.requests()), [(1, 3), (4, 6), (4, 6), (4, 6)]);
    receiver.assert_in_order_once(&payloads[..3]);
    sandbox.stats().shows([("delivered", 3), ("pending", 6), ("cursor", 4)]);

    let (receiver, output) = sandbox.drain();
    output.exits(0);
    assert_eq!(
        boundaries(&receiver.requests())[0],
        (4, 6),
        "a batch that may have arrived keeps its boundaries"
    );
}

#[test]
fn a_batch_that_may_have_arrived_is_repeated_by_the_next_run_though_it_is_told_another_size() {
    let sandbox = Sandbox::new();
    let payloads = readings(20, 60);
    sandbox.append(&payloads);
    let lost = Receiver::always(Answer::hang_up());
    sandbox.replay_to(&lost).args(["--batch-size", "7", "--retries", "1"]).run().exits(4);
    let first_run = lost.requests();
    assert_eq!(boundaries(&first_run), [(1, 7), (1, 7)]);

    let receiver = Receiver::accepting();
    sandbox.replay_to(&receiver).args(["--batch-size", "3"]).run().exits(0);
    let again = &receiver.requests()[0];
    assert_eq!((again.key(), &again.body), (first_run[0].key(), &first_run[0].body));
    receiver.assert_in_order_once(&payloads);
}

#[test]
fn entries_that_arrive_during_the_run_do_not_keep_it_from_ending() {
    let sandbox = Sandbox::new();
    sandbox.append(["1"]);
    let output = sandbox.replay_exec(r#"cat >/dev/null; echo 2 | "$EDGESYNC" append"#);
    output.env("EDGESYNC", env!("CARGO_BIN_EXE_edgesync")).within(Duration::from_secs(20)).run().exits(0);
    let stats = sandbox.stats();
    assert!(stats.count("delivered") >= 1 && stats.count("written") >= 2, "{stats:?}");
}

/// A door that the test opens.
#[derive(Default)]
struct Gate(Mutex<bool>, Condvar);

impl Gate {
    fn open(&self) {
        *self.0.lock().unwrap() = true;
        self.1.notify_all();
    }

    fn pass(&self) {
        let guard = self.0.lock().unwrap();
        let bound = Duration::from_secs(20);
        drop(self.1.wait_timeout_while(guard, bound, |open| !*open).unwrap());
    }
}

#[test]
fn a_second_deliverer_is_turned_away_and_writers_and_readers_are_not() {
    let sandbox = Sandbox::new();
    sandbox.append(["1", "2"]);
    let gate = Arc::new(Gate::default());
    let theirs = Arc::clone(&gate);
    let receiver = Receiver::with(move |_| {
        theirs.pass();
        Answer::new(204)
    });
    let first = sandbox.replay_to(&receiver).spawn();
    until("the first request", || (receiver.request_count() == 1).then_some(()));

    let other = Receiver::accepting();
    sandbox.replay_to(&other).run().exits(7);
    sandbox.replay_exec("cat").run().exits(7);
    assert_eq!(other.connections(), 0);
    sandbox.append(["3"]);
    assert_eq!(sandbox.cat(), ["1", "2", "3"]);
    sandbox.stats().shows([("written", 3), ("delivered", 0), ("pending", 3)]);

    gate.open();
    first.wait().exits(0);
    sandbox.replay_to(&other).run().exits(0);
}

#[test]
fn what_a_lazy_writer_has_not_synced_is_synced_before_it_is_sent() {
    let sandbox = Sandbox::new();
    let mut sensor = sandbox.edgesync(["append", "--sync", "never"]).spawn();
    sensor.feed("1");
    until("the line to be written", || {
        let written = sandbox.journal().join("journal.json").exists() && sandbox.cat() == ["1"];
        written.then_some(())
    });
    let (receiver, output) = sandbox.drain();
    output.exits(0);
    receiver.assert_in_order_once(&["1"]);
    sensor.feed("2");
    sensor.wait().exits(0);
    sandbox.replay_to(&receiver).run().exits(0);
    receiver.assert_in_order_once(&["1", "2"]);
}

#[test]
fn memory_does_not_grow_with_the_backlog() {
    let sandbox = Sandbox::new();
    sandbox.append(readings(60_000, 900));
    let gate = Arc::new(Gate::default());
    let theirs = Arc::clone(&gate);
    let receiver = Receiver::with(move |request| {
        if request.last() == 60_000 {
            theirs.pass();
        }
        Answer::new(204)
    });
    let replay = sandbox.replay_to(&receiver).spawn();
    until("the last request", || (receiver.request_count() == 120).then_some(()));
    let peak = replay.peak_memory_kib();
    gate.open();
    replay.wait().exits(0);
    assert!(peak < 32 * 1024, "{peak} KiB were held for a backlog of 54 MB");
}
