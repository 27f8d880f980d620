//! For unit tests: a directory of our own on a real disk.

use std::sync::Arc;

use crate::storage::Store;
use crate::storage::disk::Disk;

pub(crate) struct Scratch {
    pub directory: tempfile::TempDir,
    pub store: Store,
}

impl Scratch {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let disk = Disk::open(directory.path(), true).unwrap();
        let store = Store::new(directory.path(), Arc::new(disk));
        Self { directory, store }
    }
}
