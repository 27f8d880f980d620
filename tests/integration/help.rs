//! What the program says of itself, and how it takes a wrong word.

use std::fs::File;
use std::process::{Command, Output, Stdio};

use crate::tools::{edgesync, run, stdout_of};

const COMMANDS: [&[&str]; 12] = [
    &[],
    &["append"],
    &["replay"],
    &["stats"],
    &["cat"],
    &["dead"],
    &["dead", "list"],
    &["compact"],
    &["verify"],
    &["init"],
    &["man"],
    &["completions"],
];

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn every_command_has_help_short_and_long() {
    for words in COMMANDS {
        for option in ["-h", "--help"] {
            let output = edgesync().args(words).arg(option).output().unwrap();
            let help = stdout_of(&output);
            assert!(
                help.contains("Usage: edgesync") && help.contains("--journal"),
                "{words:?} {option}\n{help}"
            );
            assert!(output.stderr.is_empty(), "{words:?} {option}");
        }
    }
}

#[test]
fn help_lists_every_exit_code() {
    let help = stdout_of(&edgesync().arg("--help").output().unwrap());
    let (_, codes) = help.split_once("Exit codes:\n").unwrap();
    let numbers: Vec<_> = codes.lines().map(|line| line.trim().split(' ').next().unwrap()).collect();
    assert_eq!(numbers, ["0", "1", "2", "3", "4", "5", "6", "7", "8"], "{help}");
    for command in ["append", "replay"] {
        assert!(stdout_of(&edgesync().args([command, "--help"]).output().unwrap()).contains("Exit codes:"));
    }
}

#[test]
fn the_version_is_that_of_the_package() {
    let version = stdout_of(&edgesync().arg("--version").output().unwrap());
    assert_eq!(version, format!("edgesync {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn wrong_usage_is_exit_2_with_an_error_and_a_way_out_and_nothing_else() {
    for words in [
        &[][..],
        &["nonsense"],
        &["--nonsense"],
        &["append", "--nonsense"],
        &["append", "--max-bytes", "much"],
        &["append", "--max-line", "0"],
        &["append", "--sync", "sometimes"],
        &["replay", "--to", "http://127.0.0.1:1/", "--batch-size", "0"],
        &["replay", "--to", "http://127.0.0.1:1/", "--timeout", "0s"],
        &["cat", "--from", "x"],
        &["stats", "--format", "xml"],
        &["dead"],
        &["completions"],
    ] {
        let output = edgesync().args(words).output().unwrap();
        let said = said(&output);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {said}");
        assert!(output.stdout.is_empty(), "{words:?}");
        let lines: Vec<_> = said.lines().collect();
        assert!(lines.len() == 2, "{words:?}: {said}");
        assert!(lines[0].starts_with("edgesync: ") && lines[1].starts_with("  hint: "), "{words:?}: {said}");
        assert!(!said.contains('\x1b'), "colour outside a terminal: {said:?}");
    }
}

#[test]
fn replay_says_which_options_name_a_sink() {
    for words in [&["replay"][..], &["replay", "--to", "http://127.0.0.1:1/", "--exec", "cat"]] {
        let output = edgesync().args(words).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let said = said(&output);
        assert!(said.contains("--to") && said.contains("--exec") && said.lines().count() == 1, "{said}");
    }
}

#[test]
fn the_command_line_wins_over_the_environment() {
    let sink = |words: &[&str], variables: &[(&str, &str)]| {
        let output = edgesync()
            .args(["replay", "-j", "/nonexistent/journal"])
            .args(words)
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        said(&output)
    };
    // It gets as far as the journal: the sinks do not contradict each other.
    let (to, exec) = (("EDGESYNC_TO", "http://127.0.0.1:1/"), ("EDGESYNC_EXEC", "cat"));
    for said in [sink(&["--exec", "cat"], &[to]), sink(&["--to", to.1], &[exec]), sink(&[], &[to])] {
        assert!(said.contains("/nonexistent/journal"), "{said}");
    }
    assert!(sink(&[], &[to, exec]).contains("both"));
    assert!(sink(&[], &[("EDGESYNC_TO", "")]).contains("--to URL"), "an empty variable counts as unset");
}

#[test]
fn a_reader_that_goes_away_is_no_failure_and_a_full_disk_is_one() {
    let mut shell = Command::new("sh");
    shell.args(["-c", r#"{ "$0" completions bash; echo "$?" >&2; } | true"#, env!("CARGO_BIN_EXE_edgesync")]);
    let output = run(&mut shell, "dash");
    assert_eq!(said(&output), "0\n");
    for words in [&["--help"][..], &["man"]] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = edgesync().args(words).stdout(full).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        assert!(said(&output).contains("standard output"), "{words:?}: {}", said(&output));
    }
}

#[test]
fn a_stderr_that_takes_nothing_changes_no_exit_code() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let status = edgesync().arg("nonsense").stderr(full).status().unwrap();
    assert_eq!(status.code(), Some(2));
    let mut shell = Command::new("sh");
    shell.args(["-c", r#""$0" nonsense 2>&-; echo "$?""#, env!("CARGO_BIN_EXE_edgesync")]);
    assert_eq!(stdout_of(&run(&mut shell, "dash")), "2\n");
}

#[test]
fn no_home_and_no_journal_named_is_a_usage_error() {
    let output = edgesync().arg("stats").env("HOME", "relative").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("-j DIR"), "{}", said(&output));
}
