//! For unit tests: a directory of our own on a real disk.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{Appender, CursorFile, Durability, InFlight, Journal, Settings};
use crate::record::{Block, Seq, Timestamp};
use crate::sink::BodyFormat;
use crate::stop::Stop;
use crate::storage::disk::Disk;
use crate::storage::{Open, Store};

pub(crate) struct Scratch {
    _directory: tempfile::TempDir,
    pub store: Store,
}

impl Scratch {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let disk = Disk::open(directory.path(), true).unwrap();
        let store = Store::new(directory.path(), Arc::new(disk));
        Self { _directory: directory, store }
    }
}

/// A journal in a directory of its own.
pub(crate) struct Fixture {
    _directory: tempfile::TempDir,
    pub path: PathBuf,
}

impl Fixture {
    pub fn new(settings: &Settings) -> (Self, Journal) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        let journal = Journal::open_or_create(&path, settings).unwrap();
        (Self { _directory: directory, path }, journal)
    }
}

pub(crate) fn seq(number: u64) -> Seq {
    Seq::new(number).unwrap()
}

pub(crate) fn block(payloads: impl IntoIterator<Item = String>) -> Block {
    let mut block = Block::new();
    block.restart(Seq::FIRST, Timestamp::now());
    for (index, payload) in payloads.into_iter().enumerate() {
        block.push(payload.as_bytes(), index as u64 + 1);
    }
    block
}

/// Appends the numbers from `from` on, in one commit, and returns how many were taken.
pub(crate) fn append(journal: &Journal, from: u64, count: u64) -> usize {
    let mut appender = Appender::open(journal).unwrap();
    appender.commit(&mut block((from..from + count).map(|n| n.to_string())), Durability::Sync).unwrap().taken
}

/// A journal that keeps 15 entries and raises an alert each time 10 more are lost.
pub(crate) fn alerting() -> (Fixture, Journal) {
    let (fixture, journal) = Fixture::new(&Settings {
        max_entries: Some(15),
        dead_letter_threshold: Some(10),
        alert_exec: Some("cat >> \"$EDGESYNC_JOURNAL.alerts\"; echo >> \"$EDGESYNC_JOURNAL.alerts\"".into()),
        ..Settings::default()
    });
    append(&journal, 1, 15);
    (fixture, journal)
}

/// The same; its first 15 entries are one batch in flight that eviction has passed, and nobody delivers any more.
pub(crate) fn alerting_and_passed_in_flight() -> (Fixture, Journal) {
    let (fixture, journal) = alerting();
    let batch = InFlight { first: seq(1), last: seq(15), body: BodyFormat::Ndjson };
    let cursor_file = CursorFile::open(journal.store(), Open::Write).unwrap();
    cursor_file.update(|state| state.begin(batch)).unwrap();
    // As long as a command may still deliver the batch, eviction decides nothing about it.
    let command = journal.exec_lock().take(Duration::from_secs(600)).unwrap().unwrap();
    append(&journal, 16, 15);
    drop(command);
    assert!(alerts(&fixture, &journal).is_empty());
    (fixture, journal)
}

/// The number of lost entries that each alert so far was about.
pub(crate) fn alerts(fixture: &Fixture, journal: &Journal) -> Vec<u64> {
    journal.finish_alerts(&Stop::never(), Duration::from_secs(600));
    let text = std::fs::read_to_string(fixture.path.with_extension("alerts")).unwrap_or_default();
    let alerts = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    alerts.map(|alert| alert["lost"].as_u64().unwrap()).collect()
}
