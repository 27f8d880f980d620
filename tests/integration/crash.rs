//! SIGKILL at random moments: nothing that was promised is lost, nothing is out of order, nothing is invented.
//!
//! `EDGESYNC_TEST_KILLS` says how often (100 times each), `EDGESYNC_TEST_SEED` repeats a run.

use std::collections::BTreeMap;
use std::io::Write;
use std::thread;
use std::time::Duration;

use crate::harness::{Answer, Receiver, Sandbox, random, readings, records, until};

fn kills() -> usize {
    std::env::var("EDGESYNC_TEST_KILLS")
        .map_or(100, |text| text.parse().expect("EDGESYNC_TEST_KILLS is a number"))
}

/// Line `number` of what run `run` feeds, without its line feed.
fn line(run: usize, number: usize) -> String {
    let pad = "x".repeat((run * 7 + number * 13) % 300);
    format!("{{\"run\":{run},\"number\":{number},\"pad\":\"{pad}\"}}")
}

/// Feeds one append as fast as it reads, in pieces that end anywhere, kills it, and returns what it had passed on.
fn append_until_killed(sandbox: &Sandbox, run: usize, random: &mut fastrand::Rng) -> Vec<String> {
    let mut sensor = sandbox.edgesync(["append", "--tee", "--segment-bytes", "64KiB"]).spawn();
    let mut stdin = sensor.take_stdin();
    let mut theirs = random.fork();
    let feeder = thread::spawn(move || {
        let mut waiting = Vec::new();
        for number in 0.. {
            waiting.extend_from_slice(line(run, number).as_bytes());
            waiting.push(b'\n');
            if waiting.len() < theirs.usize(1..20_000) {
                continue;
            }
            if stdin.write_all(&waiting).is_err() {
                return;
            }
            waiting.clear();
        }
    });
    thread::sleep(Duration::from_micros(random.u64(0..20_000)));
    let passed_on = sensor.kill().whole_lines();
    feeder.join().unwrap();
    passed_on
}

#[test]
fn no_line_that_tee_passed_on_is_lost_when_append_is_killed() {
    let sandbox = Sandbox::new();
    let mut random = random();
    let mut passed_on = Vec::new();
    for run in 0..kills() {
        let lines = append_until_killed(&sandbox, run, &mut random);
        for (number, text) in lines.iter().enumerate() {
            assert_eq!(*text, line(run, number), "what run {run} passed on");
        }
        passed_on.push(lines.len());
    }
    assert!(passed_on.iter().any(|&count| count > 0), "every run was killed before its first line");
    // The next writer cuts off what is torn.
    sandbox.append(["\"afterwards\""]);

    let mut kept = vec![0; kills()];
    let mut on_disk = records(&sandbox.journal());
    assert_eq!(on_disk.pop().unwrap().text(), "\"afterwards\"");
    let mut latest = 0;
    for (index, record) in on_disk.iter().enumerate() {
        assert_eq!(record.seq, index as u64 + 1, "no seq twice and none left out");
        let value: serde_json::Value = serde_json::from_slice(&record.data).unwrap();
        let run = value["run"].as_u64().unwrap() as usize;
        assert!(run >= latest, "entry {} of run {run} comes after one of run {latest}", record.seq);
        latest = run;
        assert_eq!(record.text(), line(run, kept[run]), "in order, byte for byte, none left out");
        kept[run] += 1;
    }
    for (run, (kept, passed_on)) in kept.iter().zip(&passed_on).enumerate() {
        assert!(kept >= passed_on, "run {run} passed on {passed_on} lines, {kept} are there");
    }
    let stats = sandbox.stats();
    stats.shows([("written", on_disk.len() as u64 + 1), ("damaged", 0), ("evicted", 0)]);
}

#[test]
fn every_entry_arrives_and_repetitions_are_identical_when_replay_is_killed() {
    let sandbox = Sandbox::new();
    let mut random = random();
    let mut payloads: Vec<String> = Vec::new();
    let answers = std::sync::Mutex::new(random.fork());
    // Now and then the answer is lost on the way back, so that the receiver has what the sender must send again.
    let receiver = Receiver::with(move |_| match answers.lock().unwrap().u8(0..20) {
        0 => Answer::hang_up(),
        1 => Answer::new(503),
        _ => Answer::new(204),
    });
    let mut cut_off = 0;
    for _ in 0..kills() {
        if sandbox.journal().exists() && sandbox.stats().count("pending") > 500 {
            // There is enough to do for a while.
        } else {
            let more = readings(payloads.len() + 2_000, 80).split_off(payloads.len());
            sandbox.edgesync(["append", "--segment-bytes", "64KiB"]).stdin(more.join("\n")).run().exits(0);
            payloads.extend(more);
        }
        // Another size each time: what has been begun must not care.
        let size = random.usize(1..40).to_string();
        let mut replay =
            sandbox.replay_to(&receiver).args(["--batch-size", &size, "--retries", "1000"]).spawn();
        thread::sleep(Duration::from_micros(random.u64(0..25_000)));
        cut_off += usize::from(!replay.has_ended());
        replay.kill();
    }
    assert!(cut_off * 2 > kills(), "only {cut_off} runs were still going when they were killed");
    // The killed sender's last request may still be on its way into the receiver's memory.
    until("the receiver to be idle", || {
        let before = receiver.request_count();
        thread::sleep(Duration::from_millis(50));
        (receiver.request_count() == before).then_some(())
    });
    sandbox.replay_to(&receiver).args(["--retries", "1000"]).run().exits(0);

    let count = payloads.len() as u64;
    sandbox.stats().shows([("written", count), ("delivered", count), ("pending", 0), ("dead_lettered", 0)]);
    assert_first_arrivals_are_in_order(&receiver);
    receiver.assert_repetitions_are_identical();
    let taken: BTreeMap<u64, Vec<u8>> = receiver.requests().iter().flat_map(|it| it.entries()).collect();
    assert!(taken.keys().copied().eq(1..=count), "entries are missing");
    for (payload, taken) in payloads.iter().zip(taken.values()) {
        assert_eq!(payload.as_bytes(), taken);
    }
}

/// Whether the receiver's answer got through or not, nothing overtakes.
#[track_caller]
fn assert_first_arrivals_are_in_order(receiver: &Receiver) {
    let mut next = 1;
    for request in receiver.requests() {
        assert!(request.first() <= next, "{} came before entry {next}", request.key());
        next = next.max(request.last() + 1);
    }
}

#[test]
fn a_journal_whose_creation_was_killed_is_created_by_the_next_run() {
    let mut random = random();
    for _ in 0..kills() / 5 + 1 {
        let sandbox = Sandbox::new();
        let sensor = sandbox.edgesync(["append"]).spawn();
        thread::sleep(Duration::from_micros(random.u64(0..6_000)));
        sensor.kill();
        sandbox.append(["1"]);
        assert_eq!(sandbox.cat(), ["1"]);
    }
}

#[test]
fn counters_add_up_after_evicting_appends_and_replays_were_killed() {
    let sandbox = Sandbox::new();
    let mut random = random();
    let receiver = Receiver::accepting();
    let limits = ["append", "--max-entries", "300", "--segment-bytes", "64KiB"];
    for run in 0..kills() / 4 + 1 {
        let input: String = (0..2_000).map(|number| line(run, number) + "\n").collect();
        let mut sensor = sandbox.edgesync(limits).spawn();
        sensor.feed_in_background(input.into_bytes());
        let replay = sandbox.replay_to(&receiver).args(["--batch-size", "20"]).spawn();
        thread::sleep(Duration::from_micros(random.u64(0..20_000)));
        sensor.kill();
        thread::sleep(Duration::from_micros(random.u64(0..10_000)));
        replay.kill();
    }
    sandbox.append(["\"last\""]);
    let pending = sandbox.stats().count("pending");
    assert!(pending <= 300, "{pending} entries are pending");
    sandbox.replay_to(&receiver).run().exits(0);
    let stats = sandbox.stats();
    stats.shows([("pending", 0), ("dead_lettered", 0), ("damaged", 0), ("skipped", 0)]);
    assert_eq!(receiver.entries().last().unwrap().1, b"\"last\"");
}
