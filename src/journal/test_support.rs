//! For unit tests: a directory of our own on a real disk.

use std::path::PathBuf;
use std::sync::Arc;

use super::{Appender, Durability, Journal, Settings};
use crate::record::{Block, Seq, Timestamp};
use crate::storage::Store;
use crate::storage::disk::Disk;

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
