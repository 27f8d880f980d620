//! Each exit code by a command that produces it.

use std::fs;

use crate::harness::{Answer, Receiver, Sandbox, UNREACHABLE, lines, readings, until};

#[test]
fn code_0_when_everything_is_done() {
    let sandbox = Sandbox::new();
    sandbox.edgesync(["append"]).stdin("1\n").run().exits(0);
    sandbox.replay_to(&Receiver::accepting()).run().exits(0);
    for words in
        [&["stats"][..], &["cat"], &["compact"], &["verify"], &["dead", "list"], &["--help"], &["--version"]]
    {
        sandbox.edgesync(words).run().exits(0);
    }
}

#[test]
fn code_1_when_the_disk_takes_no_more_and_what_was_passed_on_is_safe() {
    let sandbox = Sandbox::new();
    sandbox.append(["1"]);
    // No file may grow beyond 64 blocks; with the signal ignored, the write fails as on a full disk.
    let script = r#"trap '' XFSZ; ulimit -f 64; exec "$EDGESYNC" append --tee"#;
    let payloads = readings(2_000, 100);
    let output = sandbox.shell(script).stdin(lines(&payloads)).run();
    output.exits(1).says("00000000000000000001.jsonl");
    let passed_on = output.whole_lines();
    let kept = sandbox.cat();
    assert!(
        kept[1..].starts_with(&passed_on),
        "{} lines were passed on, {} kept",
        passed_on.len(),
        kept.len() - 1
    );
    sandbox.append(["\"afterwards\""]);
}

#[test]
fn code_1_when_stdout_takes_no_more() {
    let sandbox = Sandbox::new();
    sandbox.append(["1"]);
    sandbox.shell(r#""$EDGESYNC" cat > /dev/full"#).run().exits(1);
    sandbox.shell(r#""$EDGESYNC" stats > /dev/full"#).run().exits(1);
}

#[test]
fn code_2_when_the_usage_is_wrong() {
    let sandbox = Sandbox::new();
    for words in [&["apend"][..], &["append", "--no-such-option"], &["replay"], &[]] {
        sandbox.edgesync(words).run().exits(2);
    }
    assert!(!sandbox.journal().exists());
}

#[test]
fn code_3_when_some_entries_still_wait() {
    let sandbox = Sandbox::new();
    sandbox.append(["1", "2"]);
    let receiver = Receiver::with(|request| Answer::new(if request.first() == 1 { 204 } else { 503 }));
    sandbox.replay_to(&receiver).args(["--batch-size", "1"]).run().exits(3);
}

#[test]
fn code_4_when_nothing_could_be_delivered() {
    let sandbox = Sandbox::new();
    sandbox.append(["1"]);
    sandbox.replay_to_url(UNREACHABLE).run().exits(4);
    sandbox.replay_to(&Receiver::always(401)).run().exits(4);
    sandbox.replay_exec("exit 1").run().exits(4);
}

#[test]
fn code_5_when_lines_were_rejected_or_entries_dead_lettered() {
    let sandbox = Sandbox::new();
    sandbox.edgesync(["append"]).stdin("1\nnot json\n2\n").run().exits(5);
    let refusing_the_first =
        Receiver::with(|request| Answer::new(if request.first() == 1 { 422 } else { 204 }));
    sandbox.replay_to(&refusing_the_first).run().exits(5);
}

#[test]
fn code_6_when_it_is_no_journal() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.journal()).unwrap();
    fs::write(sandbox.journal().join("holiday.jpg"), "not ours").unwrap();
    for words in
        [&["append"][..], &["stats"], &["cat"], &["replay", "--exec", "cat"], &["compact"], &["verify"]]
    {
        sandbox.edgesync(words).run().exits(6);
    }
}

#[test]
fn code_7_when_another_process_delivers() {
    let sandbox = Sandbox::new();
    sandbox.append(["1"]);
    let first = sandbox.replay_exec("touch started; while [ ! -e go-on ]; do sleep 0.02; done").spawn();
    until("the first deliverer", || sandbox.path("started").exists().then_some(()));
    sandbox.replay_to_url(UNREACHABLE).run().exits(7);
    fs::write(sandbox.path("go-on"), "").unwrap();
    first.wait().exits(0);
}

#[test]
fn code_8_when_the_journal_is_full_and_says_so() {
    let sandbox = Sandbox::new();
    let append = sandbox.edgesync(["append", "--max-entries", "1", "--overflow", "reject"]);
    append.stdin("1\n2\n").run().exits(8).says("line 2");
}

#[test]
fn a_partial_delivery_outranks_what_was_set_aside() {
    let sandbox = Sandbox::new();
    sandbox.append(["1", "2", "3"]);
    let receiver = Receiver::with(|request| Answer::new([204, 422, 503][request.first() as usize - 1]));
    sandbox.replay_to(&receiver).args(["--batch-size", "1"]).run().exits(3);
    sandbox.stats().shows([("delivered", 1), ("dead_lettered", 1), ("pending", 1)]);
}

#[test]
fn a_full_journal_outranks_a_rejected_line() {
    let sandbox = Sandbox::new();
    let append = sandbox.edgesync(["append", "--max-entries", "1", "--overflow", "reject"]);
    append.stdin("not json\n1\n2\n").run().exits(8);
}

#[test]
fn the_help_lists_every_exit_code() {
    let help = Sandbox::new().edgesync(["--help"]).run().exits(0).stdout();
    for code in 0..=8 {
        let listed = help.lines().any(|line| line.trim_start().starts_with(&format!("{code} ")));
        assert!(listed, "{code} is not in\n{help}");
    }
}
