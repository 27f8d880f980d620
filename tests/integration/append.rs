//! `append`: what it takes, what it rejects, and where it puts things.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::harness::{Sandbox, lines, records, sealed_objects, until};

/// JSON that a parser would give back otherwise than it came.
const TRICKY: &[&str] = &[
    r#"{"b":1,"a":2}"#,
    r#"{"a":1,"a":2}"#,
    r#"{ "spaced" :  [ 1 , 2 ] }"#,
    "1e400",
    "-0.0E-0",
    "123456789012345678901234567890.10",
    r#""\u00e9\/\ud800""#,
    "\"é\u{2028}\u{1f600}\"",
    "null",
    "\"\"",
    r#"{"seq":7,"crc":"00000000"}"#,
    r#""},\"crc\":\"00000000\"}""#,
];

#[test]
fn payloads_come_back_byte_for_byte() {
    let sandbox = Sandbox::new();
    sandbox.append(TRICKY);
    assert_eq!(sandbox.cat(), TRICKY);
    let on_disk = records(&sandbox.journal());
    assert_eq!(on_disk.iter().map(|record| record.text()).collect::<Vec<_>>(), TRICKY);
    assert!(on_disk.iter().map(|record| record.seq).eq(1..=TRICKY.len() as u64));
    sandbox.stats().shows([("written", 12), ("pending", 12), ("next_seq", 13), ("cursor", 1)]);
}

#[test]
fn a_journal_is_one_stream_over_many_runs() {
    let sandbox = Sandbox::new();
    for payload in ["1", "2", "3"] {
        sandbox.append([payload]);
    }
    assert_eq!(sandbox.cat(), ["1", "2", "3"]);
}

#[test]
fn empty_input_makes_an_empty_journal() {
    let sandbox = Sandbox::new();
    sandbox.edgesync(["append"]).run().exits(0).says_nothing();
    sandbox.stats().shows([("written", 0), ("pending", 0), ("next_seq", 1)]);
}

#[test]
fn line_ends_byte_order_mark_and_blank_lines_are_no_part_of_an_entry() {
    let sandbox = Sandbox::new();
    let input = "\u{feff}{\"first\":1}\r\n\r\n  \t\r\n\n \t{\"second\":2}  \r\n3\n\n\"no line end\"";
    sandbox.edgesync(["append"]).stdin(input).run().exits(0).says_nothing();
    assert_eq!(sandbox.cat(), [r#"{"first":1}"#, r#"{"second":2}"#, "3", r#""no line end""#]);
}

#[test]
fn a_line_that_is_not_json_is_kept_and_named_and_costs_its_neighbours_nothing() {
    let sandbox = Sandbox::new();
    let input = b"1\n{\"cut\n2\n1 2\n\"\xff\"\n3\n{\"last\":";
    let output = sandbox.edgesync(["append"]).stdin(input).run();
    output.exits(5).says("line 2").says("line 4").says("line 5").says("line 7");
    assert_eq!(sandbox.cat(), ["1", "2", "3"]);
    sandbox.stats().shows([("written", 3), ("rejected_lines", 4)]);

    let rejected = sealed_objects(&sandbox.journal().join("rejected.jsonl"));
    let numbers: Vec<_> = rejected.iter().map(|object| object["line"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [2, 4, 5, 7]);
    assert_eq!(rejected[0]["text"], "{\"cut");
    assert_eq!(rejected[1]["text"], "1 2");
    assert_eq!(BASE64_STANDARD.decode(rejected[2]["base64"].as_str().unwrap()).unwrap(), b"\"\xff\"");
    assert_eq!(rejected[3]["text"], "{\"last\":");
    for object in &rejected {
        assert!(!object["reason"].as_str().unwrap().is_empty() && object["at"].is_string(), "{object}");
    }
    assert_eq!(rejected[0]["length"], 5);
}

#[test]
fn rejected_lines_of_several_runs_are_all_kept() {
    let sandbox = Sandbox::new();
    for input in ["x\n1\n", "2\ny\n"] {
        sandbox.edgesync(["append"]).stdin(input).run().exits(5);
    }
    let rejected = sealed_objects(&sandbox.journal().join("rejected.jsonl"));
    assert_eq!(
        rejected.iter().map(|object| object["text"].as_str().unwrap()).collect::<Vec<_>>(),
        ["x", "y"]
    );
    sandbox.stats().shows([("written", 2), ("rejected_lines", 2)]);
    sandbox.append(["3"]);
}

#[test]
fn a_line_of_the_longest_length_is_taken_and_one_byte_more_is_not() {
    let sandbox = Sandbox::new();
    let fits = format!("\"{}\"", "x".repeat(998));
    let too_long = format!("\"{}\"", "x".repeat(999));
    let input = lines([fits.as_str(), too_long.as_str(), "3"]);
    sandbox.edgesync(["append", "--max-line", "1000"]).stdin(input).run().exits(5).says("line 2");
    assert_eq!(sandbox.cat(), [fits.as_str(), "3"]);
    assert_eq!(sealed_objects(&sandbox.journal().join("rejected.jsonl"))[0]["length"], 1001);
}

#[test]
fn a_line_that_never_ends_is_rejected_without_being_held_in_memory() {
    let sandbox = Sandbox::new();
    let mut sensor = sandbox.edgesync(["append", "--max-line", "64KiB"]).spawn();
    sensor.feed("1");
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..64 {
        sensor.feed_bytes(&piece);
    }
    // All but what the pipe holds has been read by now.
    let peak = sensor.peak_memory_kib();
    assert!(peak < 32 * 1024, "{peak} KiB were held for a line of 64 MiB");
    sensor.feed("");
    sensor.feed("2");
    sensor.wait().exits(5).says("line 2");
    assert_eq!(sandbox.cat(), ["1", "2"]);
    let rejected = sealed_objects(&sandbox.journal().join("rejected.jsonl"));
    assert_eq!(rejected[0]["length"], 64 << 20);
}

#[test]
fn a_default_line_may_have_a_mebibyte() {
    let sandbox = Sandbox::new();
    let long = format!("\"{}\"", "x".repeat((1 << 20) - 2));
    sandbox.append([long.as_str(), "2"]);
    assert_eq!(sandbox.cat(), [long.as_str(), "2"]);
    sandbox.edgesync(["append"]).stdin(lines([format!("{long} ") + "x"])).run().exits(5);
}

#[test]
fn text_lines_become_json_strings() {
    let sandbox = Sandbox::new();
    let input = "Nov 22 kernel: eth0 \"up\"\tnow\\\r\n{\"not\": parsed\n\n42\n";
    sandbox.edgesync(["append", "--text"]).stdin(input).run().exits(0);
    let expected = [r#""Nov 22 kernel: eth0 \"up\"\tnow\\""#, r#""{\"not\": parsed""#, r#""42""#];
    assert_eq!(sandbox.cat(), expected);
}

#[test]
fn every_sync_mode_keeps_every_line() {
    for mode in ["always", "interval=20ms", "interval=1h", "never"] {
        let sandbox = Sandbox::new();
        let payloads: Vec<_> = (0..5000).map(|number| number.to_string()).collect();
        sandbox.edgesync(["append", "--sync", mode]).stdin(lines(&payloads)).run().exits(0);
        assert_eq!(sandbox.cat(), payloads, "--sync {mode}");
        let (receiver, output) = sandbox.drain();
        output.exits(0);
        receiver.assert_in_order_once(&payloads);
    }
}

#[test]
fn only_its_owner_may_look_into_a_journal_whatever_the_umask() {
    let sandbox = Sandbox::new();
    sandbox.shell(r#"umask 0; printf '1\nx\n2\n' | "$EDGESYNC" append"#).run().exits(5);
    sandbox.shell(r#"umask 0; "$EDGESYNC" replay --exec 'exit 65'"#).run();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&sandbox.journal()), 0o700);
    let mut names = Vec::new();
    for entry in fs::read_dir(sandbox.journal()).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        names.push(path.file_name().unwrap().to_string_lossy().into_owned());
    }
    for name in
        ["journal.json", "cursor", "append.lock", "replay.lock", "rejected.jsonl", "dead-letter.jsonl"]
    {
        assert!(names.iter().any(|it| it == name), "{name} is not among {names:?}");
    }
}

#[test]
fn the_journal_is_where_the_option_says_then_the_environment_then_the_home() {
    let sandbox = Sandbox::new();
    let named = sandbox.path("named");
    let append = |words: &[&str]| sandbox.edgesync(["append"]).args(words).stdin("1\n");
    append(&["-j", named.to_str().unwrap()]).run().exits(0);
    assert!(named.join("journal.json").exists() && !sandbox.journal().exists());
    append(&[]).run().exits(0);
    assert!(sandbox.journal().join("journal.json").exists());
    // An empty variable counts as unset, as it does in the XDG rules; an option with no name in it is a mistake.
    append(&[]).env("EDGESYNC_JOURNAL", "").run().exits(0);
    append(&["-j", ""]).run().exits(2).says("--journal");
    assert!(sandbox.path("home/state/edgesync/journal/journal.json").exists());
    append(&[]).without_env("EDGESYNC_JOURNAL").without_env("XDG_STATE_HOME").run().exits(0);
    assert!(sandbox.path("home/.local/state/edgesync/journal/journal.json").exists());
}

#[test]
fn a_slow_sensor_is_durable_line_by_line_while_the_pipe_stays_open() {
    let sandbox = Sandbox::new();
    let mut sensor = sandbox.edgesync(["append"]).spawn();
    let mut expected = Vec::new();
    for reading in ["1", "2", "3", "4", "5"] {
        sensor.feed(reading);
        expected.push(reading.to_owned());
        until("the line to be in the journal", || {
            let output = sandbox.edgesync(["cat"]).run();
            // The journal itself may not be there yet.
            (output.code() == Some(0) && output.lines() == expected).then_some(())
        });
    }
    // Another process may deliver it although the sensor still runs: so it is durable.
    let (receiver, output) = sandbox.drain();
    output.exits(0);
    receiver.assert_in_order_once(&expected);
    sensor.feed("6");
    sensor.wait().exits(0);
    sandbox.stats().shows([("written", 6), ("delivered", 5), ("pending", 1)]);
}
