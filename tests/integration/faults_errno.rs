//! A disk that says no: EIO and ENOSPC from every kind of call, at every place, once and for good. A run says what it could
//! not do and names the lines that it did not take; it never calls lost lines safe; afterwards the journal is sound.

use crate::harness::{Fault, Output, Receiver, Story, segments, tally};

/// Only what needs space can find none.
fn errors(call: &str) -> &'static [&'static str] {
    match call {
        "pread64" | "flock" | "getdents64" | "unlinkat" | "ftruncate" => &["EIO"],
        _ => &["EIO", "ENOSPC"],
    }
}

/// Runs `attempt` with call 1, 2, 3 … failing, once and for good, with either error, until a run meets no fault. Returns
/// the number of runs that met one.
fn at_each_call(calls: &[&'static str], mut attempt: impl FnMut(&'static str, Fault) -> usize) -> usize {
    let mut faults = 0;
    for call in calls {
        for error in errors(call) {
            for make in [Fault::Once, Fault::From] {
                for number in 1.. {
                    assert!(number < 200, "{call} is called without end");
                    if attempt(call, make(error, number)) == 0 {
                        break;
                    }
                    faults += 1;
                }
            }
        }
    }
    faults
}

/// The dynamic loader met the fault: the program was never there.
fn never_began(output: &Output) -> bool {
    output.code() == Some(127) && output.stderr().contains("loading shared libraries")
}

/// The first line that the program says it did not take.
#[track_caller]
fn first_not_taken(output: &Output) -> Option<usize> {
    let said = output.stderr();
    let line = said.lines().find(|line| line.contains("were not taken"))?;
    let rest = line.split_once("line ").unwrap_or_else(|| panic!("no line is named: {line}")).1;
    Some(rest.split(' ').next().unwrap().parse().unwrap())
}

/// Lines are acknowledged only if they are there; which were not taken is said; the rest of the world is sound.
#[track_caller]
fn check_append(story: &mut Story, new: &[String], acknowledged: usize, output: &Output) {
    match output.code() {
        _ if never_began(output) => assert_eq!(acknowledged, 0),
        Some(0) => assert_eq!(acknowledged, new.len(), "success is said of lines that were not passed on"),
        Some(1) => {
            assert!(!output.stderr().trim().is_empty(), "a failure without a word");
            if let Some(line) = first_not_taken(output) {
                assert!(line > acknowledged, "line {line} was passed on and is called not taken");
                assert_eq!(
                    line,
                    acknowledged + 1,
                    "every line before the first that was not taken was passed on"
                );
            } else {
                assert_eq!(acknowledged, 0, "lines are missing and none is named\n{}", output.stderr());
            }
        }
        code => panic!("exit code {code:?}\n{}", output.stderr()),
    }
    story.check_appended(new, acknowledged);
    story.drain();
}

#[test]
fn an_append_whose_disk_fails_names_what_it_did_not_take_and_leaves_a_sound_journal() {
    let mut story = Story::new(1_500, Receiver::accepting());
    story.append(1);
    let calls = ["openat", "pread64", "pwrite64", "fdatasync", "fsync", "ftruncate", "flock", "getdents64"];
    let mut runs = 0;
    let faults = at_each_call(&calls, |call, fault| {
        let new = story.new_lines(4);
        let append =
            story.sandbox.faulty(call, !matches!(call, "pwrite64" | "pread64"), fault, &["append", "--tee"]);
        let (acknowledged, output) = Story::feed(append, &new);
        let injected = story.sandbox.injected();
        check_append(&mut story, &new, acknowledged, &output);
        runs += 1;
        if runs % 10 == 0 {
            story.sandbox.edgesync(["compact"]).run().exits(0);
        }
        injected
    });
    story.check_delivered();
    tally("failing calls of an append", faults);
}

#[test]
fn a_line_end_that_comes_late_is_named_when_the_disk_fails_in_one_big_commit() {
    let mut story = Story::new(1_500, Receiver::accepting());
    story.append(1);
    let faults = at_each_call(&["pwrite64", "fdatasync", "openat"], |call, fault| {
        let new = story.new_lines(8);
        // All at once: a commit that goes across segments.
        let within = call != "pwrite64";
        let append = story.sandbox.faulty(call, within, fault, &["append", "--tee"]);
        let output = append.stdin(crate::harness::lines(&new)).run();
        let injected = story.sandbox.injected();
        let passed_on = output.lines();
        assert!(passed_on.iter().eq(&new[..passed_on.len()]));
        check_append(&mut story, &new, passed_on.len(), &output);
        if segments(&story.sandbox.journal()).len() > 40 {
            story.sandbox.edgesync(["compact"]).run().exits(0);
        }
        injected
    });
    story.check_delivered();
    tally("failing calls of a big commit", faults);
}

#[test]
fn a_creation_whose_disk_fails_can_be_done_again() {
    let calls = ["mkdir", "openat", "pwrite64", "fdatasync", "fsync", "renameat", "flock", "ftruncate"];
    let faults = at_each_call(&calls, |call, fault| {
        let mut story = Story::new(10, Receiver::accepting());
        let new = story.new_lines(2);
        let within = matches!(call, "openat" | "fdatasync");
        let append = story.sandbox.faulty(call, within, fault, &["append", "--tee"]);
        let (acknowledged, output) = Story::feed(append, &new);
        let injected = story.sandbox.injected();
        check_append(&mut story, &new, acknowledged, &output);
        story.check_delivered();
        injected
    });
    tally("failing calls of a creation", faults);
}

#[test]
fn a_replay_whose_disk_fails_says_so_and_loses_nothing() {
    let mut story = Story::new(50, Receiver::accepting());
    let url = story.receiver.url();
    let words = ["replay", "--to", &url, "--batch-size", "3"];
    let calls = ["openat", "pread64", "pwrite64", "fdatasync", "fsync", "flock", "getdents64"];
    let faults = at_each_call(&calls, |call, fault| {
        story.append(8);
        let output = story.sandbox.faulty(call, call == "openat", fault, &words).run();
        let injected = story.sandbox.injected();
        if output.code() == Some(0) {
            story.sandbox.stats().shows([("pending", 0)]);
        } else if !never_began(&output) {
            output.exits(1).says("cannot");
        }
        story.check_sound();
        story.drain();
        injected
    });
    story.check_delivered();
    tally("failing calls of a replay", faults);
}

#[test]
fn a_replay_whose_disk_fails_while_it_sets_entries_aside_counts_each_once() {
    let receiver =
        Receiver::with(|request| if request.body.starts_with(b"\"refuse") { 422.into() } else { 204.into() });
    let story = Story::new(20, receiver);
    let url = story.receiver.url();
    let mut refused = 0;
    let faults = at_each_call(&["openat", "pwrite64", "fdatasync", "ftruncate"], |call, fault| {
        refused += 1;
        story.sandbox.append([format!("\"refuse {refused}\"").as_str(), "1", "2"]);
        let words = ["replay", "--to", &url, "--batch-size", "1"];
        let output = story.sandbox.faulty(call, call == "openat", fault, &words).run();
        let injected = story.sandbox.injected();
        output.exits_with_one_of(&[1, 5]);
        story.sandbox.replay_to(&story.receiver).run().exits_with_one_of(&[0, 5]);
        story.sandbox.stats().shows([("dead_lettered", refused), ("delivered", 2 * refused), ("pending", 0)]);
        let kept = crate::harness::sealed_objects(&story.sandbox.journal().join("dead-letter.jsonl"));
        assert_eq!(kept.len() as u64, refused, "each dead letter is kept once");
        injected
    });
    tally("failing calls of a replay that sets aside", faults);
}

#[test]
fn a_compaction_whose_disk_fails_says_so_and_loses_nothing() {
    let mut story = Story::new(1_500, Receiver::accepting());
    let calls = ["openat", "pread64", "pwrite64", "fdatasync", "fsync", "unlinkat", "flock", "getdents64"];
    let faults = at_each_call(&calls, |call, fault| {
        story.append(5);
        story.drain();
        let within = matches!(call, "openat" | "getdents64");
        let output = story.sandbox.faulty(call, within, fault, &["compact"]).run();
        let injected = story.sandbox.injected();
        if output.code() != Some(0) && !never_began(&output) {
            output.exits(1).says("cannot");
        }
        story.check_appended(&[], 0);
        story.drain();
        injected
    });
    story.check_delivered();
    tally("failing calls of a compaction", faults);
}

#[test]
fn rejected_lines_that_cannot_be_kept_are_not_passed_over_in_silence() {
    let mut story = Story::new(50, Receiver::accepting());
    story.append(1);
    let mut rejected = 0;
    let faults = at_each_call(&["openat", "pwrite64", "fdatasync"], |call, fault| {
        let new = story.new_lines(2);
        let input = format!("{}\nnot JSON\n{}\n", new[0], new[1]);
        let append = story.sandbox.faulty(call, call == "openat", fault, &["append"]).stdin(input);
        let output = append.run();
        let injected = story.sandbox.injected();
        output.exits_with_one_of(&[1, 5]);
        let count = story.sandbox.stats().count("rejected_lines");
        if output.code() == Some(5) {
            assert_eq!(count, rejected + 1);
            story.check_appended(&new, 2);
        } else {
            assert!(count <= rejected + 1);
            story.check_appended(&new, 0);
        }
        rejected = count;
        injected
    });
    story.check_delivered();
    tally("failing calls of an append with a bad line", faults);
}
