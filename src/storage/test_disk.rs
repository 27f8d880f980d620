//! A real directory on a disk that has faults, copies on write, or has the clock of another time namespace, as a test wants it.

use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::disk::Disk;
use super::{FileId, Identity, Open, Storage, StorageFile, Store, Uptime};

#[derive(Debug)]
pub(crate) struct TestDisk {
    disk: Disk,
    knobs: Arc<Knobs>,
}

/// What is special about the disk; at first nothing is.
#[derive(Debug, Default)]
pub(crate) struct Knobs {
    /// Writes fail, and no byte of them arrives.
    pub refuse_writes: AtomicBool,
    pub refuse_cuts: AtomicBool,
    pub copies_on_write: AtomicBool,
    /// The time namespace of the process that opens the files.
    pub namespace: AtomicU64,
    /// The files that were to be overwritten in place.
    pub in_place: Mutex<Vec<String>>,
}

impl Knobs {
    fn refuse(switch: &AtomicBool) -> io::Result<()> {
        if switch.load(Ordering::SeqCst) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

/// A store in this directory, and what a test may set about it.
pub(crate) fn store(directory: &Path) -> (Store, Arc<Knobs>) {
    let knobs = Arc::new(Knobs::default());
    let disk = TestDisk { disk: Disk::open(directory, true).unwrap(), knobs: Arc::clone(&knobs) };
    (Store::new(directory, Arc::new(disk)), knobs)
}

struct TestFile {
    name: String,
    file: Box<dyn StorageFile>,
    knobs: Arc<Knobs>,
}

impl Storage for TestDisk {
    fn open(&self, name: &str, how: Open) -> io::Result<Box<dyn StorageFile>> {
        let file = self.disk.open(name, how)?;
        Ok(Box::new(TestFile { name: name.to_owned(), file, knobs: Arc::clone(&self.knobs) }))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }

    fn size(&self, name: &str) -> io::Result<u64> {
        self.disk.size(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn sync_names(&self) -> io::Result<()> {
        self.disk.sync_names()
    }

    fn boot_id(&self) -> Option<String> {
        self.disk.boot_id()
    }

    fn copies_on_write(&self) -> bool {
        self.knobs.copies_on_write.load(Ordering::SeqCst)
    }

    fn uptime(&self) -> Option<Uptime> {
        let namespace = self.knobs.namespace.load(Ordering::SeqCst);
        self.disk.uptime().map(|uptime| Uptime { namespace, ..uptime })
    }
}

impl StorageFile for TestFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        Knobs::refuse(&self.knobs.refuse_writes)?;
        self.file.write_at(bytes, offset)
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        Knobs::refuse(&self.knobs.refuse_cuts)?;
        self.file.set_len(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    fn lock(&self) -> io::Result<()> {
        self.file.lock()
    }

    fn try_lock(&self) -> io::Result<bool> {
        self.file.try_lock()
    }

    fn unlock(&self) -> io::Result<()> {
        self.file.unlock()
    }

    fn id(&self) -> io::Result<FileId> {
        self.file.id()
    }

    fn identity(&self) -> io::Result<Identity> {
        self.file.identity()
    }

    fn overwrite_in_place(&self) -> io::Result<()> {
        self.knobs.in_place.lock().unwrap().push(self.name.clone());
        Ok(())
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.file.descriptor()
    }
}
