//! A journal from format 1, kept for good in tests/fixtures/journal-v1: whatever comes later must open it.
//!
//! Its story: seven entries, one line rejected; the first two delivered, the third refused (a dead letter), the fourth damaged on
//! the disk and stepped over; the fifth to the seventh in flight, in two batches, when the sender was killed.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use crate::harness::{Receiver, Sandbox, copy_directory, records, sealed_objects, snapshot};
use crate::tools::repository;

/// The fixture in a sandbox, with the modes that git does not keep.
fn old_journal() -> Sandbox {
    let sandbox = Sandbox::new();
    copy_directory(&repository("tests/fixtures/journal-v1"), &sandbox.journal());
    fs::set_permissions(sandbox.journal(), Permissions::from_mode(0o700)).unwrap();
    for entry in fs::read_dir(sandbox.journal()).unwrap() {
        fs::set_permissions(entry.unwrap().path(), Permissions::from_mode(0o600)).unwrap();
    }
    sandbox
}

#[test]
fn a_journal_of_format_1_can_be_inspected_and_is_not_changed_by_it() {
    let sandbox = old_journal();
    let before = snapshot(&sandbox.journal());
    let terms = [
        ("written", 7),
        ("delivered", 2),
        ("pending", 3),
        ("dead_lettered", 1),
        ("damaged", 1),
        ("evicted", 0),
        ("skipped", 0),
        ("rejected_lines", 1),
        ("cursor", 5),
        ("next_seq", 8),
    ];
    sandbox.stats().shows(terms);
    let entries = sandbox.edgesync(["cat"]).run();
    entries.exits_with_one_of(&[5, 6]);
    assert_eq!(
        entries.lines(),
        ["{\"a\":1}", "[2, 2.0, 2e0]", "\"drei\\u00e9\"", "5", "{\"six\":6,\"six\":6}", "null"]
    );
    assert_eq!(sandbox.cat_with(&["--pending"]), ["5", "{\"six\":6,\"six\":6}", "null"]);
    sandbox.edgesync(["verify"]).run().exits(0).prints("seq 4 lost; set aside");
    sandbox.edgesync(["dead", "list"]).run().exits(0).prints("drei");
    assert!(snapshot(&sandbox.journal()) == before);
}

#[test]
fn a_journal_of_format_1_is_delivered_and_goes_on() {
    let sandbox = old_journal();
    sandbox.append(["8"]);
    let receiver = Receiver::accepting();
    sandbox.replay_to(&receiver).run().exits(0);
    let requests = receiver.requests();
    assert_eq!((requests[0].first(), requests[0].last()), (5, 6), "the batch in flight keeps its boundaries");
    let payloads: Vec<_> =
        receiver.entries().into_iter().map(|(seq, bytes)| (seq, String::from_utf8(bytes).unwrap())).collect();
    let expected = [(5, "5"), (6, "{\"six\":6,\"six\":6}"), (7, "null"), (8, "8")]
        .map(|(seq, text)| (seq, text.to_owned()));
    assert_eq!(payloads, expected);
    sandbox.stats().shows([
        ("written", 8),
        ("delivered", 6),
        ("pending", 0),
        ("dead_lettered", 1),
        ("damaged", 1),
    ]);
    sandbox.edgesync(["append"]).stdin("bad\n").run().exits(5);
    assert_eq!(sealed_objects(&sandbox.journal().join("rejected.jsonl")).len(), 2);
    sandbox.edgesync(["compact"]).run().exits(0);
    sandbox.append(["9"]);
    assert_eq!(records(&sandbox.journal()).last().unwrap().seq, 9);
}
