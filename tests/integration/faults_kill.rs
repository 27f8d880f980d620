//! SIGKILL before every system call that changes the disk, the link or stdout: whatever had been done by then, every promise
//! holds afterwards.
//!
//! For each kind of call the program is killed before its first, its second, and so on, until a run comes through unharmed.

use std::fs::{self, OpenOptions};
use std::io::Write;

use crate::harness::{Fault, Receiver, Story, records, sealed_objects, segments, tally};

/// The calls before which killing makes a difference, and whether only those count that touch the journal (the program's
/// start opens and reads much else).
const CALLS: [(&str, bool); 14] = [
    ("openat", true),
    ("mkdir", false),
    ("pread64", false),
    ("pwrite64", false),
    ("fdatasync", false),
    ("fsync", false),
    ("ftruncate", false),
    ("flock", false),
    ("renameat", false),
    ("unlinkat", false),
    ("getdents64", true),
    ("write", false),
    ("sendto", false),
    ("close", false),
];

/// Runs `attempt` with a kill before call 1, 2, 3 … of each kind, until it says that the program came through. Returns the
/// number of kills.
fn before_each_call(
    calls: &[(&'static str, bool)],
    mut attempt: impl FnMut(&'static str, bool, Fault) -> bool,
) -> usize {
    let mut kills = 0;
    for (call, within) in calls {
        for number in 1.. {
            assert!(number < 200, "{call} is called without end");
            if !attempt(call, *within, Fault::KillBefore(number)) {
                break;
            }
            kills += 1;
        }
    }
    kills
}

fn but(left_out: &[&str]) -> Vec<(&'static str, bool)> {
    CALLS.into_iter().filter(|(call, _)| !left_out.contains(call)).collect()
}

#[test]
fn a_creation_that_is_killed_before_any_call_loses_no_line_that_was_passed_on() {
    let kills = before_each_call(&but(&["sendto", "close"]), |call, within, fault| {
        let mut story = Story::new(10, Receiver::accepting());
        let new = story.new_lines(2);
        let append = story.sandbox.faulty(call, within, fault, &["append", "--tee"]);
        let (acknowledged, output) = Story::feed(append, &new);
        story.check_appended(&new, acknowledged);
        story.check_delivered();
        output.code().is_none()
    });
    tally("kills of a creation", kills);
}

#[test]
fn an_append_that_is_killed_before_any_call_loses_no_line_that_was_passed_on() {
    let mut story = Story::new(1_500, Receiver::accepting());
    story.append(1);
    let mut runs = 0;
    let kills = before_each_call(&but(&["mkdir", "sendto", "close"]), |call, within, fault| {
        let new = story.new_lines(4);
        let append = story.sandbox.faulty(call, within, fault, &["append", "--tee"]);
        let (acknowledged, output) = Story::feed(append, &new);
        story.check_appended(&new, acknowledged);
        story.drain();
        runs += 1;
        if runs % 10 == 0 {
            story.sandbox.edgesync(["compact"]).run().exits(0);
        }
        output.code().is_none()
    });
    story.check_delivered();
    tally("kills of an append", kills);
}

#[test]
fn a_recovery_that_is_killed_before_any_call_loses_nothing() {
    let mut story = Story::new(200, Receiver::accepting());
    story.append(1);
    let calls = ["openat", "pread64", "pwrite64", "fdatasync", "fsync", "ftruncate", "flock"];
    let calls: Vec<_> = CALLS.into_iter().filter(|(call, _)| calls.contains(call)).collect();
    let kills = before_each_call(&calls, |call, within, fault| {
        let segment = segments(&story.sandbox.journal()).pop().unwrap();
        let torn = b"{\"seq\":9,\"at\":\"2026-11-22T18:1";
        OpenOptions::new().append(true).open(segment).unwrap().write_all(torn).unwrap();
        fs::remove_file(story.sandbox.journal().join("append.lock")).unwrap();
        let new = story.new_lines(2);
        let append = story.sandbox.faulty(call, within, fault, &["append", "--tee"]);
        let (acknowledged, output) = Story::feed(append, &new);
        story.check_appended(&new, acknowledged);
        story.drain();
        output.code().is_none()
    });
    story.check_delivered();
    tally("kills of a recovery", kills);
}

#[test]
fn an_evicting_append_that_is_killed_before_any_call_keeps_the_newest_and_adds_up() {
    let mut story = Story::new(1_500, Receiver::accepting());
    let limits = ["append", "--tee", "--max-entries", "4", "--segment-bytes", "4KiB", "--max-bytes", "16MiB"];
    story.sandbox.edgesync(limits).stdin("1\n").run().exits(0);
    let calls = ["pwrite64", "fdatasync", "fsync", "flock", "renameat", "unlinkat"];
    let calls: Vec<_> = CALLS.into_iter().filter(|(call, _)| calls.contains(call)).collect();
    let kills = before_each_call(&calls, |call, within, fault| {
        let new = story.new_lines(7);
        let append = story.sandbox.faulty(call, within, fault, &limits);
        let (acknowledged, output) = Story::feed(append, &new);
        story.check_sound();
        story.sandbox.append(["\"fresh\""]);
        let on_disk = records(&story.sandbox.journal());
        let number = |text: &str| new.iter().position(|line| line == text);
        let numbers: Vec<_> = on_disk.iter().filter_map(|record| number(record.text())).collect();
        assert!(
            numbers.windows(2).all(|pair| pair[1] == pair[0] + 1),
            "in order, none left out: {numbers:?}"
        );
        let newest = numbers.last().map_or(0, |last| last + 1);
        assert!(newest >= acknowledged, "{acknowledged} were acknowledged, the newest is {newest}");
        let stats = story.sandbox.stats();
        assert!(stats.count("pending") <= 4, "{:?}", stats.value());
        story.sandbox.edgesync(["verify"]).run().exits(0);
        output.code().is_none()
    });
    story.sandbox.replay_to(&story.receiver).run().exits(0);
    tally("kills of an evicting append", kills);
}

#[test]
fn a_change_of_limits_that_is_killed_before_any_call_leaves_the_old_ones_or_the_new_ones() {
    let mut story = Story::new(10, Receiver::accepting());
    story.append(3);
    let mut most = 1_000;
    let kills =
        before_each_call(&but(&["mkdir", "sendto", "pread64", "getdents64"]), |call, within, fault| {
            let (before, after) = (most.to_string(), (most + 1).to_string());
            most += 1;
            story.sandbox.edgesync(["init", "--max-entries", &before]).run().exits(0);
            let output = story.sandbox.faulty(call, within, fault, &["init", "--max-entries", &after]).run();
            let text = fs::read_to_string(story.sandbox.journal().join("journal.json")).unwrap();
            assert!(text.contains(&before) || text.contains(&after), "{text}");
            story.check_sound();
            output.code().is_none()
        });
    story.append(1);
    story.check_delivered();
    tally("kills of a change of limits", kills);
}

#[test]
fn a_replay_that_is_killed_before_any_call_delivers_all_in_order_and_repeats_itself_exactly() {
    let mut story = Story::new(50, Receiver::accepting());
    let url = story.receiver.url();
    let words = ["replay", "--to", &url, "--batch-size", "3"];
    let kills =
        before_each_call(&but(&["mkdir", "renameat", "unlinkat", "ftruncate"]), |call, within, fault| {
            story.append(10);
            let output = story.sandbox.faulty(call, within, fault, &words).run();
            story.check_sound();
            // With another batch size: what has been begun must not care.
            story.drain();
            output.code().is_none()
        });
    story.check_delivered();
    tally("kills of a replay", kills);
}

#[test]
fn a_replay_to_a_command_that_is_killed_before_any_call_delivers_all() {
    let mut story = Story::new(50, Receiver::accepting());
    let words = ["replay", "--exec", "cat >> delivered", "--batch-size", "4"];
    let calls = ["pwrite64", "fdatasync", "flock", "write", "close"];
    let calls: Vec<_> = CALLS.into_iter().filter(|(call, _)| calls.contains(call)).collect();
    let kills = before_each_call(&calls, |call, within, fault| {
        story.append(6);
        // Each thread and process counts its own calls, so a command of ours may be hit instead: then the run goes on.
        let output = story.sandbox.faulty(call, within, fault, &words).run();
        story.check_sound();
        story.sandbox.edgesync(words).run().exits(0);
        output.code() != Some(0)
    });
    let text = fs::read_to_string(story.sandbox.path("delivered")).unwrap();
    let mut next = 0;
    for line in text.lines().filter(|line| line.ends_with('}') && line.starts_with('{')) {
        if next < story.entries.len() && line == story.entries[next] {
            next += 1;
        } else {
            assert!(story.entries[..next].iter().any(|entry| entry == line), "{line} overtook");
        }
    }
    assert_eq!(next, story.entries.len(), "all arrived");
    story.sandbox.stats().shows([("delivered", story.entries.len() as u64), ("pending", 0)]);
    tally("kills of a replay to a command", kills);
}

#[test]
fn a_replay_that_is_killed_while_it_sets_entries_aside_counts_each_once() {
    let refuses = |text: &[u8]| text.windows(6).any(|window| window == b"refuse");
    let receiver =
        Receiver::with(move |request| if refuses(&request.body) { 422.into() } else { 204.into() });
    let mut story = Story::new(20, receiver);
    let url = story.receiver.url();
    let (mut refused, mut spoilt) = (0, 0);
    let calls = ["openat", "pwrite64", "fdatasync", "fsync", "flock", "sendto"];
    let calls: Vec<_> = CALLS.into_iter().filter(|(call, _)| calls.contains(call)).collect();
    let mut good = Vec::new();
    let kills = before_each_call(&calls, |call, within, fault| {
        let new = story.new_lines(5);
        let odd = format!("\"refuse {}\"", new[1].len() * 1_000 + refused);
        let payloads = [&new[0], &odd, &new[1], &new[2], &new[3], &new[4]];
        story.sandbox.append(payloads.map(String::as_str));
        // The disk spoils the third of them.
        let segment = segments(&story.sandbox.journal()).pop().unwrap();
        let bytes = fs::read(&segment).unwrap();
        let at = bytes.windows(new[1].len()).position(|window| window == new[1].as_bytes()).unwrap();
        let mut bad = bytes;
        bad[at + 3] ^= 1;
        fs::write(&segment, bad).unwrap();
        refused += 1;
        spoilt += 1;
        good.extend([&new[0], &new[2], &new[3], &new[4]].map(Clone::clone));
        let output =
            story.sandbox.faulty(call, within, fault, &["replay", "--to", &url, "--batch-size", "4"]).run();
        story.sandbox.stats();
        story.sandbox.replay_to(&story.receiver).run().exits_with_one_of(&[0, 5]);
        let expected = [("dead_lettered", refused as u64), ("damaged", spoilt), ("pending", 0)];
        story.sandbox.stats().shows(expected);
        output.code().is_none()
    });
    for (name, count) in [("dead-letter.jsonl", refused as u64), ("damaged.jsonl", spoilt)] {
        let path = story.sandbox.journal().join(name);
        let kept = sealed_objects(&path);
        assert_eq!(kept.len() as u64, count, "each is kept once in {name}");
    }
    let mut next = 0;
    for (_, payload) in story.receiver.entries() {
        if good.get(next).is_some_and(|entry| entry.as_bytes() == payload) {
            next += 1;
        } else {
            assert!(good[..next].iter().any(|entry| entry.as_bytes() == payload), "an entry overtook");
        }
    }
    assert_eq!(next, good.len(), "all but those set aside arrived");
    tally("kills of a replay that sets aside", kills);
}

#[test]
fn a_compaction_that_is_killed_before_any_call_loses_nothing_that_waits() {
    let mut story = Story::new(1_500, Receiver::accepting());
    let mut partly = false;
    let kills = before_each_call(&but(&["mkdir", "sendto", "close", "renameat"]), |call, within, fault| {
        story.append(6);
        story.drain();
        partly = !partly;
        if partly {
            story.append(1);
        }
        let output = story.sandbox.faulty(call, within, fault, &["compact"]).run();
        story.check_appended(&[], 0);
        story.drain();
        output.code().is_none()
    });
    story.check_delivered();
    tally("kills of a compaction", kills);
}
