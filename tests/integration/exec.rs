//! Delivery to a command.

use std::fs;
use std::time::Duration;

use crate::harness::{Sandbox, is_gone, readings, sealed_objects, until};

/// Writes what it gets to files named by the first seq, appending, so that a repetition shows.
const RECORD: &str = r#"
env | grep ^EDGESYNC_ | sort >> "env-$EDGESYNC_FIRST_SEQ"
cat >> "body-$EDGESYNC_FIRST_SEQ"
"#;

fn sandbox_with<S: AsRef<str>>(payloads: impl IntoIterator<Item = S>) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.append(payloads);
    sandbox
}

/// What a fake command wrote in the sandbox.
fn written(sandbox: &Sandbox, name: &str) -> String {
    fs::read_to_string(sandbox.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn a_command_gets_the_body_on_stdin_and_the_rest_in_its_environment() {
    let sandbox = sandbox_with(["1", r#"{"a": 2}"#, "3"]);
    let command = sandbox.fake_command(RECORD);
    sandbox.replay_exec(&command).args(["--batch-size", "2"]).run().exits(0);
    assert_eq!(written(&sandbox, "body-1"), "1\n{\"a\": 2}\n");
    assert_eq!(written(&sandbox, "body-3"), "3\n");
    sandbox.stats().shows([("delivered", 3), ("pending", 0)]);

    let text = fs::read_to_string(sandbox.journal().join("journal.json")).unwrap();
    let id = serde_json::from_str::<serde_json::Value>(&text).unwrap()["id"].as_str().unwrap().to_owned();
    let environment = written(&sandbox, "env-3");
    for line in [
        format!("EDGESYNC_JOURNAL_ID={id}"),
        "EDGESYNC_FIRST_SEQ=3".to_owned(),
        "EDGESYNC_LAST_SEQ=3".to_owned(),
        "EDGESYNC_PREV_SEQ=2".to_owned(),
        "EDGESYNC_COUNT=1".to_owned(),
        "EDGESYNC_ATTEMPT=1".to_owned(),
    ] {
        assert!(environment.lines().any(|it| it == line), "{line} is not in\n{environment}");
    }
    let key =
        environment.lines().find_map(|line| line.strip_prefix("EDGESYNC_IDEMPOTENCY_KEY=")).expect("a key");
    assert_eq!(key.trim_matches('"'), format!("{id}:3-3"));
    assert!(written(&sandbox, "env-1").contains("EDGESYNC_COUNT=2\n"));
}

#[test]
fn any_code_but_a_few_means_later_and_the_same_batch_comes_again() {
    for code in ["75", "1", "2", "64", "255"] {
        let sandbox = sandbox_with(["1", "2"]);
        let script = format!("{RECORD}\n[ \"$EDGESYNC_ATTEMPT\" -ge 3 ] || exit {code}");
        let command = sandbox.fake_command(&script);
        sandbox.replay_exec(&command).run().exits(0);
        assert_eq!(written(&sandbox, "body-1"), "1\n2\n".repeat(3), "exit {code}");
        let environment = written(&sandbox, "env-1");
        for attempt in 1..=3 {
            assert!(environment.contains(&format!("EDGESYNC_ATTEMPT={attempt}\n")), "{environment}");
        }
        sandbox.stats().shows([("delivered", 2), ("dead_lettered", 0)]);
    }
}

#[test]
fn a_command_that_always_fails_leaves_everything_pending() {
    let sandbox = sandbox_with(["1", "2"]);
    let command = sandbox.fake_command("echo x >> tries; exit 75");
    sandbox.replay_exec(&command).args(["--retries", "2"]).run().exits(4).says("75");
    assert_eq!(written(&sandbox, "tries"), "x\n".repeat(3));
    sandbox.stats().shows([("pending", 2), ("dead_lettered", 0)]);
}

#[test]
fn a_command_that_dies_of_a_signal_means_later() {
    let sandbox = sandbox_with(["1"]);
    let command = sandbox.fake_command("[ $EDGESYNC_ATTEMPT -ge 2 ] || kill -9 $$");
    sandbox.replay_exec(&command).run().exits(0);
    sandbox.stats().shows([("delivered", 1)]);
}

#[test]
fn exit_65_is_a_refusal_that_is_narrowed_down_to_one_entry() {
    let sandbox = Sandbox::new();
    let mut payloads = readings(9, 50);
    payloads[4] = "\"bad\"".to_owned();
    sandbox.append(&payloads);
    let command =
        sandbox.fake_command("cat > body; if grep -q bad body; then exit 65; fi; cat body >> taken");
    sandbox.replay_exec(&command).run().exits(5);
    let mut expected = payloads.clone();
    expected.remove(4);
    assert_eq!(written(&sandbox, "taken").lines().collect::<Vec<_>>(), expected);
    let dead = sealed_objects(&sandbox.journal().join("dead-letter.jsonl"));
    assert_eq!((dead[0]["seq"].as_u64(), dead[0]["status"].as_u64()), (Some(5), Some(65)));
    sandbox.stats().shows([("delivered", 8), ("dead_lettered", 1), ("pending", 0)]);
}

#[test]
fn a_command_that_cannot_be_run_is_a_wrong_set_up() {
    for command in ["./there-is-no-such-command", "/", "exit 126", "exit 127"] {
        let sandbox = sandbox_with(["1", "2"]);
        let counted = format!("echo x >> tries; {command}");
        sandbox.replay_exec(&counted).run().exits(4);
        assert_eq!(written(&sandbox, "tries"), "x\n", "{command} is not tried again");
        sandbox.stats().shows([("pending", 2), ("dead_lettered", 0)]);
    }
}

#[test]
fn a_command_that_outlives_its_time_is_ended_with_all_its_children() {
    let sandbox = sandbox_with(["1"]);
    let command = sandbox.fake_command("sleep 600 & echo $! >> children; echo $$ >> children; wait");
    let replay = sandbox.replay_exec(&command).args(["--timeout", "300ms", "--retries", "1"]);
    replay.within(Duration::from_secs(20)).run().exits(4);
    let children = written(&sandbox, "children");
    assert_eq!(children.lines().count(), 4, "two tries with a shell and a child each");
    for id in children.lines() {
        until("the process to be gone", || is_gone(id).then_some(()));
    }
    sandbox.stats().shows([("pending", 1)]);
}

#[test]
fn a_commands_stdout_and_stderr_go_where_ours_go() {
    let sandbox = sandbox_with(["1"]);
    let command = sandbox.fake_command("echo to stdout; echo to stderr >&2");
    sandbox.replay_exec(&command).run().exits(0).prints("to stdout\n").says("to stderr\n");
}

#[test]
fn a_command_that_exits_0_without_reading_has_taken_the_batch() {
    let sandbox = Sandbox::new();
    sandbox.append(readings(5_000, 1_000));
    sandbox.replay_exec("true").run().exits(0);
    sandbox.stats().shows([("delivered", 5_000), ("pending", 0)]);
    sandbox.append(["1"]);
    sandbox.replay_exec("exec <&-; exit 0").run().exits(0);
    sandbox.stats().shows([("delivered", 5_001)]);
}

#[test]
fn an_entrys_bytes_never_reach_a_command_line() {
    let sandbox =
        sandbox_with([r#""$(touch pwned)""#, r#""`touch pwned`""#, r#""'; touch pwned; '""#, "\"%s%n\""]);
    sandbox.replay_exec("cat > body").args(["--batch-size", "1"]).run().exits(0);
    assert!(!sandbox.path("pwned").exists());
    assert_eq!(written(&sandbox, "body"), "\"%s%n\"\n");
}

#[test]
fn a_command_gets_the_body_format_that_was_asked_for() {
    let sandbox = sandbox_with(["1", "2"]);
    sandbox.replay_exec("cat > body").args(["--body", "array"]).run().exits(0);
    let value: serde_json::Value = serde_json::from_str(&written(&sandbox, "body")).unwrap();
    assert_eq!(value, serde_json::json!([1, 2]));
}
