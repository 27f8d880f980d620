//! What strangers have written (a receiver, a file name, a file of a foreign journal, a command line) is shown so that it can
//! neither steer a terminal nor read as something else. What programs read comes byte for byte.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use crate::harness::{Answer, Output, Receiver, Sandbox};

/// A clear screen, a line turned around, an invisible space, and a carriage return.
const EVIL: &str = "\u{1b}[2J\u{202e}gpj\u{2066}\u{200b}\u{feff}\r\u{7}\u{9b}1m";

/// Nothing that steers or hides, but for line ends.
#[track_caller]
fn assert_printable(output: &Output) {
    for text in [output.stdout(), output.stderr()] {
        let bad: Vec<_> = text
            .chars()
            .filter(|&c| c != '\n' && (c.is_control() || "\u{202e}\u{2066}\u{200b}\u{feff}".contains(c)))
            .collect();
        assert!(bad.is_empty(), "{bad:?} in\n{text:?}");
    }
}

#[test]
fn what_a_receiver_answered_and_what_it_refused_cannot_steer_a_terminal() {
    let sandbox = Sandbox::new();
    let payload = "\"a\u{202e}b\u{200b}c\u{85}\"";
    sandbox.append([payload, "2"]);
    let refusing = Receiver::with(|request| {
        if request.first() == 1 { Answer::new(422).body(EVIL) } else { Answer::new(503).body(EVIL) }
    });
    let output = sandbox.replay_to(&refusing).args(["--batch-size", "1", "--retries", "0"]).run();
    output.exits_with_one_of(&[3, 4]);
    assert_printable(&output);
    let listed = sandbox.edgesync(["dead", "list"]).run();
    listed.exits(0).prints("\\u{202e}");
    assert_printable(&listed);
    let stats = sandbox.edgesync(["stats"]).run();
    assert_printable(stats.exits(0));
    sandbox.edgesync(["dead", "list", "--format", "json"]).run().exits(0).prints(payload);
    sandbox.edgesync(["cat"]).run().exits(0).prints(payload);
}

#[test]
fn file_names_and_paths_cannot_steer_a_terminal() {
    let sandbox = Sandbox::new();
    sandbox.append(["1"]);
    let name = OsStr::from_bytes(b"x\x1b[2J\n\xe2\x80\xaey\xff");
    fs::write(sandbox.journal().join(name), "").unwrap();
    for words in [&["stats"][..], &["verify"], &["append"], &["replay", "--exec", "cat"]] {
        let output = sandbox.edgesync(words).run();
        output.exits(6).says("\\u{202e}");
        assert_printable(&output);
        assert!(output.stderr().lines().count() <= 2, "{}", output.stderr());
    }
    let journal = sandbox.path(OsStr::from_bytes(b"j\x1b[2J\n\xe2\x80\xae\xff"));
    for words in [&["stats"][..], &["init"], &["stats"], &["append"], &["verify", "-v"], &["cat", "-v"]] {
        let output = sandbox.edgesync(words).arg_path("-j", &journal).stdin("1\noops\n").run();
        assert_printable(&output);
    }
    let file = sandbox.path(OsStr::from_bytes(b"token\x1b[2J\xe2\x80\xae"));
    let output =
        sandbox.edgesync(["replay", "--to", "http://127.0.0.1:1/"]).arg_path("--token-file", &file).run();
    assert_printable(output.exits(2));
}

#[test]
fn arguments_and_the_environment_cannot_steer_a_terminal() {
    let sandbox = Sandbox::new();
    sandbox.append(["1"]);
    for words in [&[EVIL][..], &["cat", EVIL], &["replay", "--to", EVIL], &["append", "--max-bytes", EVIL]] {
        let output = sandbox.edgesync(words).run();
        assert_printable(output.exits(2));
    }
    let output = sandbox.edgesync(["append"]).env("EDGESYNC_MAX_BYTES", EVIL).run();
    assert_printable(output.exits(2));
    let url = format!("http://127.0.0.1:1/{}", EVIL.replace(['\r'], ""));
    assert_printable(&sandbox.replay_to_url(&url).args(["--retries", "0"]).run());
}

#[test]
fn a_foreign_journals_alert_command_cannot_steer_a_terminal() {
    let sandbox = Sandbox::new();
    let output = sandbox.edgesync(["init", "--alert-exec", &format!("echo {EVIL}\nrm -rf x")]).run();
    output.exits(0).prints("\\u{202e}");
    assert_printable(&output);
    assert_eq!(output.lines().len(), 6, "{}", output.stdout());
    let stats = sandbox.edgesync(["stats"]).run();
    assert_printable(stats.exits(0));
}

#[test]
fn input_lines_that_were_rejected_cannot_steer_a_terminal() {
    let sandbox = Sandbox::new();
    let output = sandbox.edgesync(["append"]).stdin(format!("{{\"a\":{EVIL}}}\n{EVIL}\n")).run();
    output.exits(5);
    assert_printable(&output);
}
