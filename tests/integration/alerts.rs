//! The alert command: it knows which journal it is about, its failure is reported, one runs at a time, and it does not
//! outlive the process that raised it.

use std::fs;
use std::time::Duration;

use rustix::process::Signal;

use crate::harness::{Answer, Fault, Receiver, Sandbox, copy_directory, lines, until};

/// A journal that keeps ten entries and raises an alert each time five more are lost.
fn limited(command: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let limits = ["init", "--max-entries", "10", "--dead-letter-threshold", "5", "--alert-exec", command];
    sandbox.edgesync(limits).run().exits(0);
    sandbox
}

fn numbers(count: u64) -> String {
    lines((0..count).map(|n| n.to_string()))
}

#[test]
fn an_alert_tells_which_journal_it_is_about_and_why() {
    let sandbox = limited("cat > told; env > environment");
    let append = sandbox.edgesync(["append", "-j", "cam.journal"]);
    append
        .env("EDGESYNC_JOURNAL", "elsewhere")
        .env("EDGESYNC_TOKEN", "secret")
        .stdin(numbers(17))
        .run()
        .exits(0);
    let told: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(sandbox.path("told")).unwrap()).unwrap();
    let journal = fs::canonicalize(sandbox.journal()).unwrap();
    let config = fs::read_to_string(sandbox.journal().join("journal.json")).unwrap();
    let config: serde_json::Value = serde_json::from_str(&config).unwrap();
    assert_eq!(told["journal"].as_str(), journal.to_str(), "{told}");
    assert_eq!(told["journal_id"], config["id"], "{told}");
    assert_eq!(told["limits"]["max_entries"], 10, "{told}");
    assert_eq!(told["limits"]["overflow"], "drop-oldest", "{told}");
    assert_eq!((told["threshold"].as_u64(), told["lost"].as_u64()), (Some(5), Some(7)), "{told}");
    assert_eq!((told["evicted"].as_u64(), told["dead_lettered"].as_u64()), (Some(7), Some(0)), "{told}");

    let environment = fs::read_to_string(sandbox.path("environment")).unwrap();
    let has = |line: String| environment.lines().any(|other| other == line);
    assert!(has(format!("EDGESYNC_JOURNAL={}", journal.display())), "{environment}");
    assert!(has(format!("EDGESYNC_JOURNAL_ID={}", config["id"].as_str().unwrap())), "{environment}");
    assert!(!environment.contains("secret"), "{environment}");
}

#[test]
fn an_alert_has_its_text_also_where_the_system_has_no_files_in_memory() {
    let sandbox = limited("cat > text");
    let append = sandbox.faulty("memfd_create", false, Fault::From("ENOSYS", 1), &["append"]);
    append.stdin(numbers(17)).run().exits(0).does_not_say("alert");
    assert!(sandbox.injected() > 0);
    assert!(fs::read_to_string(sandbox.path("text")).unwrap().contains("\"lost\":7"));
}

#[test]
fn a_failing_alert_command_is_reported_with_its_exit_code() {
    for quiet in [&["append"][..], &["append", "-q"]] {
        let sandbox = limited("exit 3");
        sandbox.edgesync(quiet).stdin(numbers(17)).run().exits(0).says("alert").says("exit code 3");
    }
    let sandbox = limited("exit 4");
    sandbox.edgesync(["init", "--max-entries", "0", "--dead-letter-threshold", "1"]).run().exits(0);
    sandbox.append(["1"]);
    let output = sandbox.replay_to(&Receiver::always(422)).run();
    output.exits(5).says("alert").says("exit code 4");
}

#[test]
fn alerts_run_one_at_a_time_and_the_pending_ones_become_one() {
    // Each run says when it begins and when it ends; the first one waits until it is let go.
    let sandbox = limited(
        "echo begin >> log; while [ ! -e go ]; do sleep 0.02; done; cat >> log; echo >> log; echo end >> log",
    );
    let mut sensor = sandbox.edgesync(["append", "--tee"]).spawn();
    for number in 0..60 {
        sensor.feed(&number.to_string());
        sensor.next_line();
    }
    until("the first alert", || sandbox.path("log").exists().then_some(()));
    // Other processes of the same journal do not add to it.
    sandbox.edgesync(["append"]).stdin(numbers(20)).run().exits(0);
    fs::write(sandbox.path("go"), "").unwrap();
    sensor.wait().exits(0);
    let log = fs::read_to_string(sandbox.path("log")).unwrap();
    let marks: Vec<_> = log.lines().filter(|line| !line.starts_with('{')).collect();
    assert_eq!(marks, ["begin", "end", "begin", "end"], "{log}");
    let last = log.lines().rfind(|line| line.starts_with('{')).unwrap();
    let last: serde_json::Value = serde_json::from_str(last).unwrap();
    assert_eq!(last["lost"], 70, "the last alert knows of everything that was lost");
}

#[test]
fn an_alert_command_does_not_outlive_append() {
    let sandbox = limited("echo $$ > pid; trap '' TERM; sleep 600 & wait; sleep 600");
    let mut sensor = sandbox.edgesync(["append", "--tee"]).spawn();
    sensor.feed_bytes(numbers(17).as_bytes());
    until("the alert", || {
        fs::read_to_string(sandbox.path("pid")).is_ok_and(|pid| pid.ends_with('\n')).then_some(())
    });
    let pid = fs::read_to_string(sandbox.path("pid")).unwrap();
    sensor.signal(Signal::TERM);
    sensor.wait().exits(0).says("alert");
    let group = rustix::process::Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    until("its whole group to end", || {
        rustix::process::test_kill_process_group(group).is_err().then_some(())
    });
}

#[test]
fn append_waits_for_its_alert_command() {
    let sandbox = limited("exec > /dev/null 2>&1; sleep 0.3; echo done > done");
    sandbox.edgesync(["append", "-q"]).stdin(numbers(17)).run().exits(0).says_nothing();
    assert!(sandbox.path("done").exists());
}

#[test]
fn skip_raises_the_alert_for_what_a_killed_replay_left_lost_and_waits_for_it() {
    let sandbox = limited("sleep 0.3; cat > told");
    sandbox.edgesync(["append"]).stdin(numbers(10)).run().exits(0);
    let receiver = Receiver::always(Answer::new(204).after(Duration::from_secs(20)));
    let replay = sandbox.replay_to(&receiver).spawn();
    until("the request", || (receiver.request_count() > 0).then_some(()));
    // Eviction passes what is on the link, and leaves it to the answer.
    sandbox.edgesync(["append"]).stdin(numbers(8)).run().exits(0);
    replay.kill();
    assert!(!sandbox.path("told").exists());
    sandbox.edgesync(["skip", "--through", "9"]).run().exits(0);
    let told: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(sandbox.path("told")).unwrap()).unwrap();
    assert_eq!(told["lost"], 8, "{told}");
}

#[test]
fn repairing_a_copy_says_that_it_is_one_and_that_its_alert_command_was_dropped() {
    let sandbox = limited("true");
    sandbox.append(["1"]);
    let copy = sandbox.path("copy");
    copy_directory(&sandbox.journal(), &copy);
    let repair = |words: [&str; 2]| sandbox.edgesync(words).arg_path("-j", &copy).run();
    repair(["verify", "--repair"]).exits(0).says("is a copy, or was restored").says("alert command");
    repair(["verify", "--repair"]).exits(0).says_nothing();
}
