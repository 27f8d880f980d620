//! No room: a full disk, no inodes, a read-only disk, small limits of the process, and streams that take nothing.

use std::fs;

use crate::harness::{Receiver, Sandbox, Story, Volume, lines, readings, records, snapshot};

/// A sandbox whose journal lies on a volume.
fn on_a_volume(options: &str) -> (Sandbox, Volume) {
    let sandbox = Sandbox::new();
    let volume = Volume::in_memory(&sandbox, options);
    (sandbox, volume)
}

#[test]
fn on_a_full_disk_append_names_what_it_did_not_take_and_delivering_makes_room() {
    let (sandbox, volume) = on_a_volume("size=1m");
    let journal = volume.journal();
    let program = |words: &[&str]| sandbox.edgesync(words).arg_path("-j", &journal);
    let input = readings(3_000, 1_000);
    let (passed_on, output) = Story::feed(program(&["append", "--tee", "--segment-bytes", "64KiB"]), &input);
    let passed_on = &input[..passed_on];
    assert!(passed_on.len() > 100, "{}", passed_on.len());
    output
        .exits(1)
        .says("full")
        .says(&format!("line {} and those after it were not taken", passed_on.len() + 1));
    // Cut back to the last whole record: nothing torn, nothing extra.
    let on_disk = records(&journal);
    assert!(on_disk.iter().map(|record| record.text()).eq(passed_on));
    program(&["verify"]).run().exits(0).says_nothing();
    program(&["stats"]).run().exits(0);

    // Not one byte is left, and still it is delivered and given back.
    volume.fill();
    for words in [&["append"][..], &["append", "-q"]] {
        program(words)
            .stdin(&*lines(&input[..100]))
            .run()
            .exits(1)
            .says("line 1 and those after it were not taken");
    }
    let receiver = Receiver::accepting();
    sandbox.replay_to(&receiver).arg_path("-j", &journal).run().exits(0);
    receiver.assert_in_order_once(passed_on);
    program(&["compact"]).run().exits(0);
    volume.make_room();
    program(&["append"]).stdin("\"room again\"\n").run().exits(0);
    assert_eq!(records(&journal).last().unwrap().text(), "\"room again\"");
    program(&["verify"]).run().exits(0);
}

#[test]
fn on_a_full_disk_the_lines_of_a_commit_that_fit_are_kept_and_acknowledged() {
    let (sandbox, volume) = on_a_volume("size=256k");
    let journal = volume.journal();
    let program = |words: &[&str]| sandbox.edgesync(words).arg_path("-j", &journal);
    program(&["init"]).run().exits(0);
    // All of it is there at once: one commit, larger than the disk.
    let input = readings(900, 1_000);
    let output = program(&["append", "--tee"]).stdin(lines(&input)).run();
    let passed_on = output.lines();
    assert!(passed_on.len() > 100 && passed_on[..] == input[..passed_on.len()], "{}", passed_on.len());
    output
        .exits(1)
        .says("full")
        .says(&format!("line {} and those after it were not taken", passed_on.len() + 1));
    let on_disk: Vec<_> = records(&journal).into_iter().map(|record| record.text().to_owned()).collect();
    assert_eq!(on_disk, passed_on);
    program(&["verify"]).run().exits(0).says_nothing();
    volume.remount("size=4m");
    program(&["append"]).stdin(lines(&input[passed_on.len()..])).run().exits(0);
    let receiver = Receiver::accepting();
    sandbox.replay_to(&receiver).arg_path("-j", &journal).run().exits(0);
    receiver.assert_in_order_once(&input);
}

#[test]
fn a_full_disk_gives_way_while_append_goes_on() {
    let (sandbox, volume) = on_a_volume("size=1m");
    let journal = volume.journal();
    let program = |words: &[&str]| sandbox.edgesync(words).arg_path("-j", &journal);
    program(&["append", "--segment-bytes", "64KiB"]).stdin("\"first\"\n").run().exits(0);
    volume.fill();
    program(&["append"]).stdin(lines(readings(50, 1_000))).run().exits(1).says("full");
    volume.remount("size=4m");
    let input = readings(50, 1_000);
    program(&["append"]).stdin(lines(&input)).run().exits(0);
    let on_disk: Vec<_> = records(&journal).into_iter().map(|record| record.text().to_owned()).collect();
    // Of the attempt that failed nothing or a whole part was kept; then comes all of this one.
    assert_eq!(on_disk[on_disk.len() - 50..], input);
}

#[test]
fn a_full_disk_has_no_new_journal_and_says_so() {
    let (sandbox, volume) = on_a_volume("size=1m");
    volume.fill();
    let program = |words: &[&str]| sandbox.edgesync(words).arg_path("-j", &volume.journal());
    program(&["append"]).stdin("1\n").run().exits(1).says("full");
    volume.make_room();
    program(&["append"]).stdin("1\n").run().exits(0);
    assert_eq!(program(&["cat"]).run().exits(0).lines(), ["1"]);
}

#[test]
fn without_inodes_the_active_segment_is_filled_and_no_more_is_called_taken() {
    let (sandbox, volume) = on_a_volume("size=16m,nr_inodes=9");
    let journal = volume.journal();
    let program = |words: &[&str]| sandbox.edgesync(words).arg_path("-j", &journal);
    let input = readings(1_000, 1_000);
    let (passed_on, output) = Story::feed(program(&["append", "--tee", "--segment-bytes", "64KiB"]), &input);
    output.exits(1).says(&format!("line {} and those after it were not taken", passed_on + 1));
    assert!(passed_on > 60, "{passed_on}");
    let receiver = Receiver::accepting();
    sandbox.replay_to(&receiver).arg_path("-j", &journal).run().exits(0);
    receiver.assert_in_order_once(&records(&journal).iter().map(|it| it.text()).collect::<Vec<_>>());
    assert!(receiver.entries().len() >= passed_on);
    program(&["verify"]).run().exits(0);
    // A rejected line needs a file: what was delivered is given back for it.
    program(&["append"]).stdin("bad\n").run().exits(5);
    volume.remount("nr_inodes=1000");
    program(&["compact"]).run().exits(0);
    program(&["append"]).stdin(lines(&input)).run().exits(0);
}

#[test]
fn on_a_read_only_disk_inspection_works_and_writers_say_why_they_do_not() {
    let (sandbox, volume) = on_a_volume("size=4m");
    let program = |words: &[&str]| sandbox.edgesync(words).arg_path("-j", &volume.journal());
    program(&["append"]).stdin("1\n2\n3\n").run().exits(0);
    program(&["replay", "--exec", "cat", "--batch-size", "1"]).run().exits(0);
    program(&["append"]).stdin("4\n5\n").run().exits(0);
    volume.remount("ro");
    let before = snapshot(&volume.journal());
    for words in [
        &["stats"][..],
        &["stats", "--format", "json"],
        &["cat"],
        &["cat", "--pending"],
        &["verify"],
        &["dead", "list"],
        &["compact", "--dry-run"],
    ] {
        program(words).run().exits(0);
    }
    for words in [&["append"][..], &["replay", "--exec", "cat"], &["init", "--max-entries", "7"]] {
        program(words).stdin("6\n").run().exits(1).says("read-only");
    }
    sandbox
        .edgesync(["append", "-j"])
        .args([volume.path().join("new")])
        .stdin("6\n")
        .run()
        .exits(1)
        .says("read-only");
    assert!(snapshot(&volume.journal()) == before);
    volume.remount("rw");
    assert_eq!(program(&["replay", "--exec", "cat"]).run().exits(0).lines(), ["4", "5"]);
}

#[test]
fn with_few_descriptors_a_run_works_or_says_so_and_nothing_is_lost() {
    let sandbox = Sandbox::new();
    let mut expected = Vec::new();
    let mut failures = 0;
    for most in 3..26 {
        let payload = format!("\"with {most}\"");
        let script = format!(
            "ulimit -n {most}; echo '{payload}' | \"$EDGESYNC\" append --segment-bytes 1KiB --max-bytes 16MiB"
        );
        let output = sandbox.shell(&script).run();
        // 127: the shell or the loader could not even begin.
        output.exits_with_one_of(&[0, 1, 2, 127]);
        if output.code() == Some(0) {
            expected.push(payload);
        } else {
            failures += 1;
            assert!(!output.stderr().is_empty(), "a failure without a word");
        }
        if sandbox.journal().join("journal.json").exists() {
            assert_eq!(sandbox.cat(), expected, "what was called taken, and nothing else");
        }
    }
    assert!(failures > 0 && expected.len() > 5, "{failures} failures, {} successes", expected.len());
    for most in 3..33 {
        let script = format!("ulimit -n {most}; \"$EDGESYNC\" replay --exec cat --batch-size 1 >> delivered");
        sandbox.shell(&script).run().exits_with_one_of(&[0, 1, 2, 3, 4, 127]);
        sandbox.stats();
    }
    let delivered = fs::read_to_string(sandbox.path("delivered")).unwrap();
    let mut once: Vec<_> = delivered.lines().collect();
    once.dedup();
    assert_eq!(once, expected);
}

#[test]
fn a_limit_on_the_size_of_files_is_an_error_and_not_a_death() {
    let sandbox = Sandbox::new();
    let input = readings(500, 1_000);
    // In units of 512 bytes.
    let script = "ulimit -f 200; \"$EDGESYNC\" append --tee";
    let (passed_on, output) = Story::feed(sandbox.shell(script), &input);
    output.exits(1).says("too large").says(&format!("line {} and those after it", passed_on + 1));
    assert!(passed_on > 50, "{passed_on}");
    sandbox.edgesync(["verify"]).run().exits(0);
    sandbox.append(["\"afterwards\""]);
    let (receiver, output) = sandbox.drain();
    output.exits(0);
    assert_eq!(receiver.entries().len(), passed_on + 1);
    // So small that there cannot even be a journal.
    let script = "ulimit -f 2; echo 1 | \"$EDGESYNC\" append -j new";
    sandbox.shell(script).run().exits(1).says("too large");
    sandbox.shell("ulimit -f 0; \"$EDGESYNC\" init -j newer").run().exits(1).says("too large");
    // These need no room, or next to none; in any case the signal that comes with the limit does not end them.
    for command in ["compact", "verify --repair"] {
        sandbox.append(["\"and more\""]);
        sandbox.shell(&format!("ulimit -f 0; \"$EDGESYNC\" {command}")).run().exits_with_one_of(&[0, 1]);
    }
    sandbox.edgesync(["compact"]).run().exits(0);
    sandbox.drain().1.exits(0);
}

#[test]
fn a_stdout_that_takes_nothing_fails_what_prints_and_not_what_keeps() {
    let sandbox = Sandbox::new();
    sandbox.append(["1", "2"]);
    for words in [
        "cat",
        "stats",
        "stats --format json",
        "verify > /dev/null; \"$EDGESYNC\" dead list; \"$EDGESYNC\" cat",
    ] {
        let script = format!("\"$EDGESYNC\" {words} > /dev/full");
        sandbox.shell(&script).run().exits(1).says("standard output");
    }
    // The lines are kept; that nobody hears of it is told.
    sandbox.shell("printf '3\\n4\\n' | \"$EDGESYNC\" append --tee > /dev/full").run().exits(0).says("--tee");
    assert_eq!(sandbox.cat(), ["1", "2", "3", "4"]);
    sandbox.shell("\"$EDGESYNC\" stats > /dev/full 2> /dev/full").run().exits(1);
    sandbox.shell("printf '5\\nbad\\n' | \"$EDGESYNC\" append 2> /dev/full").run().exits(5);
    assert_eq!(sandbox.cat(), ["1", "2", "3", "4", "5"]);
}

#[test]
fn closed_standard_streams_are_not_mistaken_for_files_of_the_journal() {
    let sandbox = Sandbox::new();
    sandbox.append(["1", "2"]);
    let mut expected = vec!["1", "2"];
    for (script, entry, codes) in [
        ("echo 3 | \"$EDGESYNC\" append --tee >&-", Some("3"), &[0, 1][..]),
        ("printf 'bad\\n4\\n' | \"$EDGESYNC\" append 2>&-", Some("4"), &[5]),
        ("printf 'bad\\n5\\n' | \"$EDGESYNC\" append --tee -v >&- 2>&-", Some("5"), &[5]),
        ("\"$EDGESYNC\" append -v <&-", None, &[0, 1]),
        ("\"$EDGESYNC\" append -v <&- >&- 2>&-", None, &[0, 1]),
        ("\"$EDGESYNC\" cat >&-", None, &[0, 1]),
        ("\"$EDGESYNC\" stats >&- 2>&-", None, &[0, 1]),
        ("\"$EDGESYNC\" verify -v <&- >&- 2>&-", None, &[0, 1]),
        ("\"$EDGESYNC\" compact -v <&- >&- 2>&-", None, &[0]),
    ] {
        sandbox.shell(script).run().exits_with_one_of(codes);
        expected.extend(entry);
        assert_eq!(sandbox.cat(), expected, "{script}");
        sandbox.edgesync(["verify"]).run().exits(0);
    }
    let replay = "\"$EDGESYNC\" replay -v --exec 'cat >> delivered' <&- >&- 2>&-";
    sandbox.shell(replay).run().exits(0);
    let delivered = fs::read_to_string(sandbox.path("delivered")).unwrap();
    assert_eq!(delivered.lines().collect::<Vec<_>>(), expected);
}
