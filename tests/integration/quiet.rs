//! `-q`, as cron needs it: silent where the next run may succeed by itself, one line where a person has to act. And what
//! `stats` tells later of the runs that were silent.

use std::fs;

use crate::harness::{Answer, Authority, Output, Receiver, Sandbox, UNREACHABLE, lines, until};

/// A journal with three entries that wait.
fn waiting() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.append(["1", "2", "3"]);
    sandbox
}

/// One line on stderr, with this in it.
#[track_caller]
fn says_one_line(output: &Output, code: i32, text: &str) {
    output.exits(code).says(text);
    assert_eq!(output.stderr().lines().count(), 1, "one line on stderr:\n{}", output.stderr());
}

#[test]
fn quiet_replay_is_silent_where_the_next_run_may_succeed() {
    let sandbox = waiting();
    sandbox.replay_to_url(UNREACHABLE).args(["-q"]).run().exits(4).says_nothing();
    for status in [408, 425, 429, 500, 503] {
        let receiver = Receiver::always(status);
        sandbox.replay_to(&receiver).args(["-q", "--retries", "0"]).run().exits(4).says_nothing();
        sandbox.replay_to(&receiver).args(["--retries", "0"]).run().exits(4).says(&status.to_string());
    }
    sandbox.replay_exec("exit 75").args(["-q", "--retries", "0"]).run().exits(4).says_nothing();
    // What was sent once is sent again in its old boundaries.
    let sandbox = waiting();
    let receiver = Receiver::answering([204, 503]);
    let replay = sandbox.replay_to(&receiver).args(["-q", "--batch-size", "1", "--retries", "0"]);
    replay.run().exits(3).says_nothing();
    sandbox.drain().1.exits(0).says_nothing();
}

#[test]
fn quiet_replay_is_silent_while_another_one_delivers() {
    let sandbox = waiting();
    let started = sandbox.path("started");
    let command = format!("touch '{}'; cat > /dev/null; sleep 60", started.display());
    let mut other = sandbox.replay_exec(&command).spawn();
    until("the other replay", || started.exists().then_some(()));
    sandbox.replay_exec("cat").args(["-q"]).run().exits(7).says_nothing();
    sandbox.replay_exec("cat").run().exits(7).says("another process is delivering");
    other.signal(rustix::process::Signal::TERM);
    other.close_stdin();
    other.wait();
}

#[test]
fn quiet_replay_says_in_one_line_what_a_person_has_to_mend() {
    let sandbox = waiting();
    for status in [301, 401, 403, 404, 405, 410, 415] {
        let output = sandbox.replay_to(&Receiver::always(status)).args(["-q"]).run();
        says_one_line(&output, 4, &status.to_string());
    }
    let output = sandbox.replay_exec("nonsense-that-is-not-there 2>/dev/null").args(["-q"]).run();
    says_one_line(&output, 4, "not found");
    let foreign = Receiver::accepting_tls(&Authority::new());
    let output = sandbox.replay_to(&foreign).args(["-q", "--retries", "0"]).run();
    says_one_line(&output, 4, "TLS");
}

#[test]
fn quiet_replay_says_in_one_line_what_was_refused_or_damaged() {
    for status in [400, 413, 422] {
        let sandbox = waiting();
        let receiver = Receiver::with(move |request| {
            Answer::new(if (request.first()..=request.last()).contains(&2) { status } else { 204 })
        });
        let output = sandbox.replay_to(&receiver).args(["-q"]).run();
        says_one_line(&output, 5, "dead-lettered 1");
    }
    let sandbox = waiting();
    let segment = sandbox.journal().join("00000000000000000001.jsonl");
    let text = fs::read_to_string(&segment).unwrap().replacen("\"data\":2", "\"data\":7", 1);
    fs::write(&segment, text).unwrap();
    let output = sandbox.replay_to(&Receiver::accepting()).args(["-q"]).run();
    says_one_line(&output, 5, "damaged 1");
}

#[test]
fn quiet_append_says_in_one_line_what_was_not_taken() {
    let sandbox = Sandbox::new();
    let output = sandbox.edgesync(["append", "-q"]).stdin("1\noops\n2\nalas\n").run();
    says_one_line(&output, 5, "2 lines set aside");

    let sandbox = Sandbox::new();
    let limits = ["append", "-q", "--max-entries", "3", "--overflow", "reject"];
    let output = sandbox.edgesync(limits).stdin(lines(["1", "2", "3", "4", "5"])).run();
    says_one_line(&output, 8, "2 lines (4 to 5)");
}

#[test]
fn quiet_verify_says_in_one_line_that_there_is_damage() {
    let sandbox = waiting();
    let segment = sandbox.journal().join("00000000000000000001.jsonl");
    let text = fs::read_to_string(&segment).unwrap().replacen("\"data\":2", "\"data\":7", 1);
    fs::write(&segment, text).unwrap();
    says_one_line(&sandbox.edgesync(["verify", "-q"]).run(), 6, "1 entry lost");
}

#[test]
fn under_quiet_an_error_and_what_to_do_about_it_are_one_line() {
    let sandbox = Sandbox::new();
    let replay = |words: &[&str]| sandbox.replay_to_url(UNREACHABLE).args(words);
    says_one_line(&replay(&["-q"]).run(), 2, "`edgesync init -j");
    says_one_line(&replay(&["-q", "--bogus"]).run(), 2, "`edgesync replay --help`");
    says_one_line(&replay(&["--bogus", "--quiet"]).run(), 2, "`edgesync replay --help`");
    let by_variable = |value| replay(&["--bogus"]).env("EDGESYNC_QUIET", value).run();
    says_one_line(&by_variable("1"), 2, "`edgesync replay --help`");
    for output in [by_variable("0"), replay(&[]).run()] {
        assert_eq!(output.exits(2).stderr().lines().count(), 2, "{}", output.stderr());
    }

    sandbox.append(["1"]);
    fs::write(sandbox.journal().join("cursor"), "").unwrap();
    says_one_line(&replay(&["-q"]).run(), 6, "`edgesync verify --repair`");
}

/// A text key of the stats; none if it is null.
fn text(sandbox: &Sandbox, key: &str) -> Option<String> {
    let stats = sandbox.stats();
    let value = stats.value().get(key).unwrap_or_else(|| panic!("stats have no {key}: {stats:?}"));
    value.as_str().map(str::to_owned)
}

#[test]
fn stats_explain_a_run_that_failed_quietly() {
    let sandbox = waiting();
    for key in ["last_attempt", "last_success", "last_error", "last_error_at"] {
        assert_eq!(text(&sandbox, key), None, "{key} before the first run");
    }
    sandbox.edgesync(["stats"]).run().exits(0).prints("last attempt").prints("none known");

    sandbox.replay_to(&Receiver::always(503)).args(["-q", "--retries", "0"]).run().exits(4).says_nothing();
    let failed_at = text(&sandbox, "last_error_at").expect("the time of the error");
    assert!(text(&sandbox, "last_error").unwrap().contains("503"));
    assert_eq!(text(&sandbox, "last_success"), None);
    let attempt = text(&sandbox, "last_attempt").expect("the time of the attempt");
    assert!(attempt <= failed_at && failed_at.ends_with('Z'), "{attempt} {failed_at}");
    sandbox.edgesync(["stats"]).run().exits(0).prints("503");

    sandbox.drain().1.exits(0);
    let succeeded_at = text(&sandbox, "last_success").expect("the time of the success");
    assert!(failed_at <= succeeded_at && attempt < text(&sandbox, "last_attempt").unwrap());
    assert_eq!(text(&sandbox, "last_error_at"), Some(failed_at), "the error stays, with its time");

    let metrics = sandbox.edgesync(["stats", "--format", "prometheus"]).run().exits(0).stdout();
    for name in ["edgesync_last_attempt_timestamp_seconds", "edgesync_last_success_timestamp_seconds"] {
        let sample = metrics.lines().find(|line| line.starts_with(name)).expect("a sample");
        let seconds: f64 = sample.rsplit(' ').next().unwrap().parse().unwrap();
        assert!(seconds > 1.7e9, "{sample}");
    }
}

#[test]
fn what_a_receiver_answered_is_kept_as_one_bounded_printable_line() {
    let sandbox = waiting();
    let answer = Answer::new(503).body("\u{1b}[2J\u{202e}evil\n".repeat(2000));
    sandbox.replay_to(&Receiver::always(answer)).args(["-q", "--retries", "0"]).run().exits(4);
    let error = text(&sandbox, "last_error").unwrap();
    assert!(error.chars().count() <= 500 && !error.chars().any(char::is_control), "{error:?}");
    assert!(!error.contains('\u{202e}'), "{error:?}");
}

#[test]
fn a_copy_of_a_journal_has_made_no_attempts() {
    let sandbox = waiting();
    sandbox.drain().1.exits(0);
    let copy = sandbox.path("copy");
    sandbox.shell(&format!("cp -a '{}' '{}'", sandbox.journal().display(), copy.display())).run().exits(0);
    sandbox.edgesync(["append"]).arg_path("-j", &copy).stdin("4\n").run();
    let output = sandbox.edgesync(["stats", "--format", "json"]).arg_path("-j", &copy).run();
    let stats: serde_json::Value = serde_json::from_str(&output.exits(0).stdout()).unwrap();
    for key in ["last_attempt", "last_success", "last_error", "last_error_at"] {
        assert!(stats.get(key).is_some_and(serde_json::Value::is_null), "{key} in {stats}");
    }
}

#[test]
fn a_torn_note_of_the_last_attempt_is_an_unknown_one() {
    let sandbox = waiting();
    sandbox.replay_to(&Receiver::always(503)).args(["-q", "--retries", "0"]).run().exits(4);
    let path = sandbox.journal().join("replay.lock");
    let bytes = fs::read(&path).unwrap();
    assert!(!bytes.is_empty(), "an attempt is noted in replay.lock");
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    assert_eq!(text(&sandbox, "last_attempt"), None);
    sandbox.edgesync(["verify"]).run().exits(0);
    sandbox.drain().1.exits(0);
    assert!(text(&sandbox, "last_success").is_some());
    assert_eq!(text(&sandbox, "last_error"), None);
}
