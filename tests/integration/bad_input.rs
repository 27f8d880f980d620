//! What is wrong is named, with a way out, before anything is changed.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::harness::{Receiver, Sandbox, UNREACHABLE, snapshot};

/// A sandbox with a journal of one entry.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.append(["1"]);
    sandbox
}

/// This call is refused with this code, naming this thing, and the whole sandbox stays as it was.
#[track_caller]
fn refused(sandbox: &Sandbox, words: &[&str], code: i32, thing: &str) {
    let before = snapshot(&sandbox.path(""));
    sandbox.edgesync(words).stdin("2\n").run().refuses_naming(code, thing);
    assert!(snapshot(&sandbox.path("")) == before, "{words:?} changed something");
}

const EVERY_COMMAND: [&[&str]; 7] = [
    &["append"],
    &["stats"],
    &["cat"],
    &["replay", "--to", UNREACHABLE],
    &["compact"],
    &["verify"],
    &["dead", "list"],
];

#[test]
fn a_directory_that_is_not_a_journal() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.journal()).unwrap();
    fs::write(sandbox.journal().join("holiday.jpg"), "not ours").unwrap();
    for words in EVERY_COMMAND {
        refused(&sandbox, words, 6, "cam.journal");
    }
    refused(&sandbox, &["init"], 6, "cam.journal");
}

#[test]
fn a_file_in_the_place_of_the_journal() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.journal(), "1\n").unwrap();
    for words in EVERY_COMMAND {
        refused(&sandbox, words, 6, "cam.journal");
    }
}

#[test]
fn a_journal_json_that_is_not_one() {
    for text in ["", "{}", "not json", r#"{"format":"one"}"#, "[1]", "\0\0\0\0"] {
        let sandbox = sandbox();
        fs::write(sandbox.journal().join("journal.json"), text).unwrap();
        for words in EVERY_COMMAND {
            refused(&sandbox, words, 6, "journal.json");
        }
    }
}

#[test]
fn a_damaged_journal_json_is_called_damaged() {
    let sandbox = sandbox();
    let path = sandbox.journal().join("journal.json");
    let text = fs::read_to_string(&path).unwrap().replacen("\"max_bytes\":1", "\"max_bytes\":2", 1);
    fs::write(&path, text).unwrap();
    let said = format!("{} is damaged: its checksum does not match\n", path.display());
    for words in EVERY_COMMAND {
        refused(&sandbox, words, 6, &said);
    }
}

#[test]
fn a_lost_journal_json_has_a_way_out_that_works() {
    let sandbox = sandbox();
    fs::remove_file(sandbox.journal().join("journal.json")).unwrap();
    for words in EVERY_COMMAND {
        refused(&sandbox, words, 6, "is damaged: its journal.json is missing");
        refused(&sandbox, words, 6, "edgesync verify --repair");
    }
    sandbox.edgesync(["verify", "--repair"]).run().exits(0);
    assert_eq!(sandbox.cat(), ["1"]);
}

#[test]
fn an_empty_directory_is_no_damaged_journal() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.journal()).unwrap();
    for words in [&["verify", "--repair"][..], &["verify"], &["stats"]] {
        let before = snapshot(&sandbox.path(""));
        let output = sandbox.edgesync(words).run();
        output.refuses_naming(6, "is not a journal: the directory is empty");
        output.does_not_say("damaged").does_not_say("--repair");
        assert!(snapshot(&sandbox.path("")) == before, "{words:?} changed something");
    }
}

#[test]
fn a_journal_whose_segments_are_lost_is_sent_to_a_repair_that_goes_on_without_them() {
    let sandbox = sandbox();
    fs::remove_file(sandbox.journal().join("00000000000000000001.jsonl")).unwrap();
    sandbox.edgesync(["append"]).stdin("1\n").run().exits(6).says("it has no segment file").says("--repair");
    sandbox.edgesync(["verify", "--repair"]).run().says("the journal goes on at seq");
    sandbox.edgesync(["append"]).stdin("1\n").run().exits(0);
}

#[test]
fn a_file_in_a_journal_that_is_none_of_its_own() {
    let sandbox = sandbox();
    fs::write(sandbox.journal().join("foo"), "theirs").unwrap();
    let said =
        format!("the journal {} holds foo, which is no file of a journal\n", sandbox.journal().display());
    for words in EVERY_COMMAND {
        refused(&sandbox, words, 6, &said);
    }
    refused(&sandbox, &["verify", "--repair"], 6, "move it out of the journal's directory");
}

#[test]
fn a_count_that_is_none_is_answered_with_an_example() {
    let sandbox = sandbox();
    for option in ["--refusals-max", "--retries", "--batch-size"] {
        for value in ["x", "-1", "1.5"] {
            let output = sandbox.edgesync(["replay", "--to", UNREACHABLE, option, value]).run();
            output.refuses_naming(2, option);
            output.says(&format!("'{value}'")).says("not a count; write it like 500");
        }
    }
    let output = sandbox.edgesync(["replay", "--to", UNREACHABLE]).env("EDGESYNC_RETRIES", "x").run();
    output.refuses_naming(2, "--retries");
    output.says("not a count; write it like 500");
}

#[test]
fn a_limit_that_is_too_small_is_answered_with_the_least_and_the_option() {
    let sandbox = sandbox();
    for command in ["append", "init"] {
        for value in ["0", "10", "65535"] {
            refused(&sandbox, &[command, "--max-bytes", value], 2, "'--max-bytes <SIZE>': 64KiB at least");
        }
        for value in ["0", "1023", "2GiB"] {
            refused(
                &sandbox,
                &[command, "--segment-bytes", value],
                2,
                "'--segment-bytes <SIZE>': 1KiB at least",
            );
        }
    }
}

#[test]
fn sizes_that_do_not_fit_together_are_named_in_units_that_people_read() {
    let sandbox = Sandbox::new();
    let output = sandbox.edgesync(["init", "--max-bytes", "1TiB"]).run();
    output.exits(2).says(
        "segments of 16MiB within a limit of 1TiB are 65536 files, more than 16384: use --segment-bytes 64MiB or more, or \
         --max-bytes 256GiB or less",
    );
}

#[test]
fn a_journal_of_a_newer_version() {
    let sandbox = sandbox();
    let path = sandbox.journal().join("journal.json");
    let text = fs::read_to_string(&path).unwrap();
    let newer = text.replacen("\"format\":1", "\"format\":2", 1);
    assert_ne!(text, newer);
    fs::write(&path, newer).unwrap();
    for words in EVERY_COMMAND {
        refused(&sandbox, words, 6, "format 2");
    }
}

#[test]
fn no_permission() {
    let sandbox = sandbox();
    // Whoever runs it next is bound by the modes.
    sandbox.edgesync_unprivileged(["stats"]).run().exits(0);
    fs::set_permissions(sandbox.journal(), fs::Permissions::from_mode(0o000)).unwrap();
    for words in EVERY_COMMAND {
        let output = sandbox.edgesync_unprivileged(words).stdin("2\n").run();
        output.exits_with_one_of(&[2, 6]).says("cam.journal").says("permission denied");
    }
    fs::set_permissions(sandbox.journal(), fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(sandbox.edgesync_unprivileged(["cat"]).run().exits(0).lines(), ["1"]);
}

#[test]
fn a_journal_that_is_not_there() {
    let sandbox = Sandbox::new();
    for words in EVERY_COMMAND.into_iter().filter(|words| words[0] != "append") {
        refused(&sandbox, words, 2, "cam.journal");
    }
    let nowhere = sandbox.path("no/such/parent");
    refused(&sandbox, &["append", "-j", nowhere.to_str().unwrap()], 2, "no/such");
}

#[test]
fn a_file_of_the_journal_that_is_a_symbolic_link() {
    for name in ["cursor", "00000000000000000001.jsonl", "append.lock", "journal.json"] {
        let sandbox = sandbox();
        let elsewhere = sandbox.path("elsewhere");
        fs::rename(sandbox.journal().join(name), &elsewhere).unwrap();
        symlink(&elsewhere, sandbox.journal().join(name)).unwrap();
        refused(&sandbox, &["append"], 6, name);
    }
}

#[test]
fn a_url_that_is_none() {
    let sandbox = sandbox();
    for url in [
        "example.org/ingest",
        "ftp://example.org/ingest",
        "http://",
        "http:///ingest",
        "http://a b/",
        "localhost:80",
        "",
    ] {
        refused(&sandbox, &["replay", "--to", url], 2, "--to");
    }
    refused(&sandbox, &["replay", "--to", "ftp://example.org/ingest"], 2, "ftp");
    refused(&sandbox, &["replay", "--to", "example.org/ingest"], 2, "http");
}

#[test]
fn no_sink_or_two_of_them() {
    let sandbox = sandbox();
    refused(&sandbox, &["replay"], 2, "--exec");
    refused(&sandbox, &["replay"], 2, "--to");
    refused(&sandbox, &["replay", "--to", UNREACHABLE, "--exec", "cat"], 2, "--exec");
}

#[test]
fn a_header_that_is_none() {
    let sandbox = sandbox();
    for header in ["X-Api-Key", ": value", "X Y: value", "X-Api-Key: a\r\nX-Evil: b", "Host\0: x", "É: 1"] {
        // An argument cannot hold a NUL, so it is given as it can be.
        let header = header.replace('\0', "\u{1}");
        refused(&sandbox, &["replay", "--to", UNREACHABLE, "--header", &header], 2, "header");
    }
    fs::write(sandbox.path("headers"), "X-Good: 1\nnot a header\n").unwrap();
    refused(&sandbox, &["replay", "--to", UNREACHABLE, "--header-file", "headers"], 2, "headers");
    fs::write(sandbox.path("headers"), b"X-Key: \xff\xfe\n\0").unwrap();
    refused(&sandbox, &["replay", "--to", UNREACHABLE, "--header-file", "headers"], 2, "headers");
}

#[test]
fn a_secret_in_a_bad_header_is_not_repeated() {
    let sandbox = sandbox();
    fs::write(sandbox.path("headers"), "Authorization Bearer s3cret\n").unwrap();
    let output = sandbox.edgesync(["replay", "--to", UNREACHABLE, "--header-file", "headers"]).run();
    output.exits(2).does_not_say("s3cret");
    let output =
        sandbox.edgesync(["replay", "--to", UNREACHABLE, "--header", "Authorization Bearer s3cret"]).run();
    output.exits(2).does_not_say("s3cret");
}

#[test]
fn a_file_that_cannot_be_read() {
    let sandbox = sandbox();
    for option in ["--token-file", "--header-file", "--ca-cert"] {
        refused(&sandbox, &["replay", "--to", UNREACHABLE, option, "no-such-file"], 2, "no-such-file");
    }
    for empty in ["", "\n"] {
        fs::write(sandbox.path("token"), empty).unwrap();
        refused(&sandbox, &["replay", "--to", UNREACHABLE, "--token-file", "token"], 2, "token");
    }
    fs::write(sandbox.path("ca.pem"), "not a certificate").unwrap();
    refused(&sandbox, &["replay", "--to", UNREACHABLE, "--ca-cert", "ca.pem"], 2, "ca.pem");
}

#[test]
fn numbers_durations_and_sizes_that_make_no_sense() {
    let sandbox = sandbox();
    for (option, values) in [
        ("--batch-size", &["0", "-1", "many", "1.5", ""][..]),
        ("--batch-bytes", &["0", "1 lot", "-1", "99999999999999999999"]),
        ("--timeout", &["0", "0s", "soon", "5", "-1s"]),
        ("--backoff", &["soon", "-1s"]),
        ("--retries", &["-1", "some"]),
        ("--body", &["xml", ""]),
        ("--on-refused", &["explode"]),
    ] {
        for value in values {
            let word = format!("{option}={value}");
            refused(&sandbox, &["replay", "--to", UNREACHABLE, &word], 2, option);
        }
    }
    for (option, values) in [
        ("--max-line", &["0", "huge"][..]),
        ("--sync", &["sometimes", "interval", "interval=", "interval=soon"]),
        ("--max-entries", &["-1", "few"]),
        ("--max-bytes", &["0", "1XiB"]),
        ("--max-age", &["5", "old"]),
        ("--overflow", &["explode"]),
        ("--segment-bytes", &["0", "wide"]),
    ] {
        for value in values {
            let word = format!("{option}={value}");
            refused(&sandbox, &["append", &word], 2, option);
        }
    }
    for word in ["--from=x", "--to=-1", "--limit=x", "--format=xml"] {
        refused(&sandbox, &["cat", word], 2, word.split('=').next().unwrap().trim_end_matches('x'));
    }
}

#[test]
fn wrong_usage_touches_neither_the_network_nor_the_journal() {
    let sandbox = Sandbox::new();
    let receiver = Receiver::accepting();
    sandbox.replay_to(&receiver).args(["--batch-size", "0"]).run().exits(2);
    sandbox.edgesync(["append", "--sync", "sometimes"]).stdin("1\n").run().exits(2);
    assert_eq!(receiver.connections(), 0);
    assert!(!sandbox.journal().exists());
}
