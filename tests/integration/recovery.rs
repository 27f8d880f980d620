//! Opening a journal that is not as the last writer left it.

use std::fs::{self, OpenOptions};
use std::io::Write;

use crate::harness::{Sandbox, copy_directory, readings, records, segments};

#[test]
fn without_its_tail_mark_a_journal_goes_on_where_it_ended() {
    for mark in [None, Some(""), Some("garbage"), Some("{\"crc\":\"00000000\"}\n")] {
        let sandbox = Sandbox::new();
        let mut payloads = readings(1_000, 200);
        sandbox.append_to_small_segments(&payloads);
        let path = sandbox.journal().join("append.lock");
        match mark {
            None => fs::remove_file(&path).unwrap(),
            Some(text) => fs::write(&path, text).unwrap(),
        }
        assert!(sandbox.cat() == payloads);
        sandbox.append(["\"next\""]);
        payloads.push("\"next\"".to_owned());
        assert!(records(&sandbox.journal()).iter().map(|it| it.text()).eq(payloads.iter()), "{mark:?}");
        let (receiver, output) = sandbox.drain();
        output.exits(0);
        receiver.assert_in_order_once(&payloads);
    }
}

#[test]
fn without_its_tail_mark_a_torn_tail_is_cut_after_the_last_whole_record() {
    let sandbox = Sandbox::new();
    let mut payloads = readings(100, 100);
    sandbox.append(&payloads);
    fs::remove_file(sandbox.journal().join("append.lock")).unwrap();
    let segment = segments(&sandbox.journal()).remove(0);
    OpenOptions::new().append(true).open(segment).unwrap().write_all(b"{\"seq\":101,\"at\":\"2026").unwrap();
    sandbox.append(["\"next\""]);
    payloads.push("\"next\"".to_owned());
    assert_eq!(records(&sandbox.journal()).iter().map(|it| it.text()).collect::<Vec<_>>(), payloads);
    sandbox.stats().shows([("written", 101), ("damaged", 0)]);
}

#[test]
fn a_replay_finds_what_is_durable_without_a_tail_mark() {
    let sandbox = Sandbox::new();
    let payloads = readings(100, 100);
    sandbox.append(&payloads);
    fs::remove_file(sandbox.journal().join("append.lock")).unwrap();
    let (receiver, output) = sandbox.drain();
    output.exits(0);
    receiver.assert_in_order_once(&payloads);
}

#[test]
fn a_copy_of_a_journal_opens_and_has_everything() {
    let sandbox = Sandbox::new();
    let mut payloads = readings(1_000, 200);
    sandbox.append_to_small_segments(&payloads);
    let original = sandbox.path("original");
    fs::rename(sandbox.journal(), &original).unwrap();
    copy_directory(&original, &sandbox.journal());
    assert!(sandbox.cat() == payloads);
    sandbox.edgesync(["verify"]).run().exits(0);
    sandbox.append(["\"next\""]);
    payloads.push("\"next\"".to_owned());
    let (receiver, output) = sandbox.drain();
    output.exits(0);
    receiver.assert_in_order_once(&payloads);
    sandbox.stats().shows([("delivered", 1_001), ("damaged", 0)]);
}

#[test]
fn a_journal_may_be_moved() {
    let sandbox = Sandbox::new();
    sandbox.append(["1"]);
    let moved = sandbox.path("moved");
    fs::rename(sandbox.journal(), &moved).unwrap();
    let moved = moved.to_str().unwrap();
    sandbox.edgesync(["append", "-j", moved]).stdin("2\n").run().exits(0);
    assert_eq!(sandbox.edgesync(["cat", "-j", moved]).run().exits(0).lines(), ["1", "2"]);
}

#[test]
fn a_creation_that_was_cut_off_is_finished_by_the_next_append() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.journal()).unwrap();
    for name in ["00000000000000000001.jsonl", "append.lock"] {
        fs::write(sandbox.journal().join(name), "").unwrap();
    }
    sandbox.append(["1"]);
    assert_eq!(sandbox.cat(), ["1"]);
}

#[test]
fn an_empty_newest_segment_is_the_active_one() {
    let sandbox = Sandbox::new();
    sandbox.append(["1", "2"]);
    // As if the crash had come between the rotation and the first record.
    let empty = sandbox.journal().join("00000000000000000003.jsonl");
    fs::write(&empty, "").unwrap();
    fs::remove_file(sandbox.journal().join("append.lock")).unwrap();
    assert_eq!(sandbox.cat(), ["1", "2"]);
    sandbox.append(["3"]);
    assert!(fs::read_to_string(&empty).unwrap().starts_with("{\"seq\":3,"));
    let (receiver, output) = sandbox.drain();
    output.exits(0);
    receiver.assert_in_order_once(&["1", "2", "3"]);
}
