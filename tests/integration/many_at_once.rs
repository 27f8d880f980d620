//! Many processes at one journal, some of them killed: nobody waits for ever, nothing is lost, everything is in order.
//!
//! `EDGESYNC_TEST_SECONDS` says for how long (6).

use std::collections::BTreeMap;
use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{Receiver, Sandbox, Stats, demand, random, records, tally, until};

const APPENDERS: usize = 8;

fn duration() -> Duration {
    let seconds = std::env::var("EDGESYNC_TEST_SECONDS")
        .map_or(6, |text| text.parse().expect("EDGESYNC_TEST_SECONDS is a number"));
    Duration::from_secs(seconds)
}

/// What one appender has fed, run by run: which line was the last that was passed on.
#[derive(Default)]
struct Fed {
    runs: Vec<usize>,
}

fn line(appender: usize, run: usize, number: usize) -> String {
    let pad = "x".repeat((appender * 31 + run * 7 + number * 13) % 400);
    format!("[{appender},{run},{number},\"{pad}\"]")
}

/// Appends run after run, each of which is killed now and then.
fn append_on_and_on(
    sandbox: &Sandbox,
    appender: usize,
    ended: &AtomicBool,
    kills: &AtomicUsize,
    mut random: fastrand::Rng,
) -> Fed {
    let mut fed = Fed::default();
    while !ended.load(Ordering::Relaxed) {
        let run = fed.runs.len();
        let mut child = sandbox.edgesync(["append", "--tee"]).spawn();
        let mut passed_on = 0;
        let most = random.usize(1..120);
        while passed_on < most && child.try_feed(&line(appender, run, passed_on)) {
            let Some(text) = child.next_line_if_any() else { break };
            assert_eq!(text, line(appender, run, passed_on));
            passed_on += 1;
        }
        assert_eq!(passed_on, most, "nobody but us ends an appender");
        if random.bool() {
            // In the middle of one more line.
            child.try_feed(&line(appender, run, passed_on));
            thread::sleep(Duration::from_micros(random.u64(0..3_000)));
            child.kill();
            kills.fetch_add(1, Ordering::Relaxed);
        } else {
            child.wait().exits(0);
        }
        fed.runs.push(passed_on);
    }
    fed
}

fn replay_on_and_on(
    sandbox: &Sandbox,
    receiver: &Receiver,
    ended: &AtomicBool,
    kills: &AtomicUsize,
    mut random: fastrand::Rng,
) {
    while !ended.load(Ordering::Relaxed) {
        let size = random.usize(1..60).to_string();
        let child = sandbox.replay_to(receiver).args(["--batch-size", &size]).spawn();
        if random.bool() {
            thread::sleep(Duration::from_micros(random.u64(0..40_000)));
            child.kill();
            kills.fetch_add(1, Ordering::Relaxed);
        } else {
            child.wait().exits(0);
        }
    }
}

fn look_on_and_on(sandbox: &Sandbox, ended: &AtomicBool) {
    let mut written = 0;
    while !ended.load(Ordering::Relaxed) {
        let stats = sandbox.stats();
        assert!(stats.count("written") >= written, "what was written is not unwritten");
        written = stats.count("written");
        stats.shows([("damaged", 0), ("evicted", 0), ("dead_lettered", 0)]);
        sandbox.edgesync(["verify"]).run().exits(0);
        sandbox.edgesync(["cat", "--pending"]).run().exits(0);
    }
}

fn compact_on_and_on(sandbox: &Sandbox, ended: &AtomicBool, kills: &AtomicUsize, mut random: fastrand::Rng) {
    while !ended.load(Ordering::Relaxed) {
        let child = sandbox.edgesync(["compact"]).spawn();
        if random.u8(0..4) == 0 {
            thread::sleep(Duration::from_micros(random.u64(0..8_000)));
            child.kill();
            kills.fetch_add(1, Ordering::Relaxed);
        } else {
            child.wait().exits(0);
        }
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn many_processes_at_one_journal_lose_nothing_and_wait_for_nobody_who_is_dead() {
    let sandbox = Sandbox::new();
    sandbox.edgesync(["init", "--segment-bytes", "16KiB", "--max-bytes", "64MiB"]).run().exits(0);
    let receiver = Receiver::accepting();
    let mut random = random();
    let (ended, kills) = (AtomicBool::new(false), AtomicUsize::new(0));
    let all_fed = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        // Also when one of them has failed, the others come to their end.
        let (sandbox, receiver, ended, kills, all_fed) = (&sandbox, &receiver, &ended, &kills, &all_fed);
        for appender in 0..APPENDERS {
            let random = random.fork();
            scope.spawn(move || {
                let fed = append_on_and_on(sandbox, appender, ended, kills, random);
                all_fed.lock().unwrap().insert(appender, fed);
            });
        }
        let (replayer, compactor) = (random.fork(), random.fork());
        scope.spawn(move || replay_on_and_on(sandbox, receiver, ended, kills, replayer));
        scope.spawn(move || compact_on_and_on(sandbox, ended, kills, compactor));
        scope.spawn(move || look_on_and_on(sandbox, ended));
        scope.spawn(move || {
            let end = Instant::now() + duration();
            while Instant::now() < end {
                thread::sleep(Duration::from_millis(20));
            }
            ended.store(true, Ordering::Relaxed);
        });
    });

    until("the receiver to be idle", || {
        let before = receiver.request_count();
        thread::sleep(Duration::from_millis(50));
        (receiver.request_count() == before).then_some(())
    });
    sandbox.replay_to(&receiver).run().exits(0);
    sandbox.edgesync(["verify"]).run().exits(0);
    receiver.assert_repetitions_are_identical();
    let stats = sandbox.stats();
    stats.shows([("pending", 0), ("damaged", 0), ("evicted", 0)]);
    let entries = check_arrivals(&receiver, &stats, &all_fed.into_inner().unwrap());
    tally("entries through many processes at once", entries);
    tally("kills among many processes", kills.into_inner());
}

/// Every line that was passed on arrived, in the order of its appender; each seq once, none left out.
fn check_arrivals(receiver: &Receiver, stats: &Stats, all_fed: &BTreeMap<usize, Fed>) -> usize {
    let mut arrived: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
    let mut next = 1;
    for request in receiver.requests() {
        assert!(request.first() <= next, "{} came before entry {next}", request.key());
        next = next.max(request.last() + 1);
        arrived.extend(request.entries());
    }
    assert!(arrived.keys().copied().eq(1..=stats.count("written")), "entries are missing");
    let mut counts: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    for payload in arrived.values() {
        let value: serde_json::Value = serde_json::from_slice(payload).unwrap();
        let part = |index: usize| value[index].as_u64().unwrap() as usize;
        let (appender, run, number) = (part(0), part(1), part(2));
        assert_eq!(payload, line(appender, run, number).as_bytes());
        let count = counts.entry((appender, run)).or_default();
        assert_eq!(number, *count, "in the order of appender {appender}'s run {run}");
        *count += 1;
    }
    assert_eq!(all_fed.len(), APPENDERS, "an appender did not come to its end");
    for (appender, fed) in all_fed {
        for (run, passed_on) in fed.runs.iter().enumerate() {
            let kept = counts.get(&(*appender, run)).copied().unwrap_or(0);
            assert!(
                kept >= *passed_on,
                "run {run} of {appender} passed on {passed_on} lines, {kept} arrived"
            );
        }
    }
    arrived.len()
}

#[test]
fn a_killed_process_holds_nobody_up_for_longer_than_its_command_may_take() {
    let sandbox = Sandbox::new();
    sandbox.append(["1"]);
    let replay = sandbox.replay_exec("echo there; sleep 60").args(["--timeout", "1s"]);
    let mut replay = replay.spawn();
    assert_eq!(replay.next_line(), "there");
    sandbox.replay_exec("cat").run().exits(7);
    replay.kill_alone();
    let delivered = until("the command's time to be over", || {
        let output = sandbox.replay_exec("cat").run();
        output.exits_with_one_of(&[0, 7]);
        (output.code() == Some(0)).then_some(output)
    });
    assert_eq!(delivered.lines(), ["1"]);
}

#[test]
fn a_command_that_leaves_something_running_keeps_no_lock() {
    let sandbox = Sandbox::new();
    sandbox.append(["1"]);
    let command = "cat > /dev/null; sleep 20 < /dev/null > /dev/null 2>&1 & echo $! > sleeper";
    sandbox.replay_exec(command).run().exits(0);
    let sleeper = fs::read_to_string(sandbox.path("sleeper")).unwrap();
    let sleeper = sleeper.trim();
    let open = fs::read_dir(format!("/proc/{sleeper}/fd")).unwrap();
    for file in open {
        let target = fs::read_link(file.unwrap().path()).unwrap();
        // It has the file open, and by the time that its command has ended no lock on it.
        let ours = target.starts_with(sandbox.journal()) && !target.ends_with("exec.lock");
        assert!(!ours, "{} was inherited", target.display());
    }
    sandbox.append(["2"]);
    assert_eq!(sandbox.replay_exec("cat").run().exits(0).lines(), ["2"]);
    sandbox.edgesync(["compact"]).run().exits(0);
    let alive = std::path::Path::new("/proc").join(sleeper).exists();
    assert!(alive, "the command was left alone");
    sandbox.shell(&format!("kill {sleeper}")).run().exits(0);
}

#[test]
fn a_clock_that_is_set_back_by_years_changes_nothing_in_order() {
    demand("faketime", "faketime");
    let sandbox = Sandbox::new();
    let mut expected = Vec::new();
    for (number, time) in
        ["2031-01-01", "1999-12-31", "2026-05-05", "1971-01-02", "2099-01-01"].into_iter().enumerate()
    {
        let payload = format!("\"{number}: {time}\"");
        let script = format!("echo '{payload}' | faketime '{time} 12:00:00' \"$EDGESYNC\" append");
        sandbox.shell(&script).run().exits(0);
        expected.push(payload);
        let times = records(&sandbox.journal());
        let line = String::from_utf8_lossy(&times.last().unwrap().line).into_owned();
        assert!(line.contains(&time[..4]), "the clock was not set: {line}");
        sandbox.shell(&format!("faketime '{time} 12:00:00' \"$EDGESYNC\" stats")).run().exits(0);
    }
    assert_eq!(sandbox.cat(), expected);
    let receiver = Receiver::accepting();
    let url = receiver.url();
    let replay = format!("faketime '1985-10-26 01:21:00' \"$EDGESYNC\" replay --to {url} --batch-size 2");
    sandbox.shell(&replay).run().exits(0);
    receiver.assert_in_order_once(&expected);
    sandbox.shell("faketime '1985-10-26 01:21:00' \"$EDGESYNC\" compact").run().exits(0);
    sandbox.append(["\"now\""]);
    sandbox.stats().shows([("written", 6), ("delivered", 5), ("pending", 1)]);
}
