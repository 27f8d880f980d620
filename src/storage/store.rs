//! A directory and its files, with the path in every error.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{FileId, Identity, Open, Storage, StorageFile, UnsafeFile, Uptime};
use crate::error::{Error, Result};

/// A directory.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    path: PathBuf,
    storage: Arc<dyn Storage>,
}

impl Store {
    pub fn new(path: &Path, storage: Arc<dyn Storage>) -> Self {
        Self { path: path.to_owned(), storage }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub fn open(&self, name: &str, how: Open) -> Result<File> {
        let path = self.path_of(name);
        match self.storage.open(name, how) {
            Ok(file) => Ok(File { path, file: Arc::from(file) }),
            Err(error) => Err(unsafe_or_io("open", path, error)),
        }
    }

    /// Opens a file that may not be there.
    pub fn open_if_there(&self, name: &str, how: Open) -> Result<Option<File>> {
        match self.open(name, how) {
            Ok(file) => Ok(Some(file)),
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub fn list(&self) -> Result<Vec<String>> {
        self.storage.list().map_err(Error::io("list", &self.path))
    }

    /// The size of a file in bytes; 0 if it has gone meanwhile.
    pub fn size(&self, name: &str) -> Result<u64> {
        match self.storage.size(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            result => result.map_err(Error::io("look at", self.path_of(name))),
        }
    }

    pub fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.storage.rename(from, to).map_err(Error::io("rename", self.path_of(from)))
    }

    /// Removes a name; that it has gone already is fine.
    pub fn remove(&self, name: &str) -> Result<()> {
        match self.storage.remove(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result.map_err(Error::io("remove", self.path_of(name))),
        }
    }

    pub fn sync_names(&self) -> Result<()> {
        self.storage.sync_names().map_err(Error::io("sync", &self.path))
    }

    pub fn boot_id(&self) -> Option<String> {
        self.storage.boot_id()
    }

    pub fn uptime(&self) -> Option<Uptime> {
        self.storage.uptime()
    }
}

/// An open file. Clones share it, and its lock.
#[derive(Clone)]
pub(crate) struct File {
    path: PathBuf,
    file: Arc<dyn StorageFile>,
}

impl File {
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads until the buffer is full or the file ends, and returns how many bytes there were.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.file.read_at(&mut buffer[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.error("read", error)),
            }
        }
        Ok(filled)
    }

    /// Writes all bytes. After an error an unknown part of them is there.
    pub fn write_at(&self, bytes: &[u8], offset: u64) -> Result<()> {
        let mut written = 0;
        while written < bytes.len() {
            match self.file.write_at(&bytes[written..], offset + written as u64) {
                Ok(0) => return Err(self.error("write", io::ErrorKind::WriteZero.into())),
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.error("write", error)),
            }
        }
        Ok(())
    }

    pub fn len(&self) -> Result<u64> {
        self.file.len().map_err(|error| self.error("look at", error))
    }

    pub fn set_len(&self, length: u64) -> Result<()> {
        self.file.set_len(length).map_err(|error| self.error("cut", error))
    }

    pub fn sync_data(&self) -> Result<()> {
        self.file.sync_data().map_err(|error| self.error("sync", error))
    }

    /// Waits for the exclusive lock; it is given back when the guard is dropped.
    pub fn lock(&self) -> Result<LockGuard> {
        self.file.lock().map_err(|error| self.error("lock", error))?;
        Ok(LockGuard { file: Arc::clone(&self.file) })
    }

    /// Takes the exclusive lock for as long as the file is open; false if somebody else has it.
    pub fn try_lock_for_good(&self) -> Result<bool> {
        self.file.try_lock().map_err(|error| self.error("lock", error))
    }

    pub fn sync_all(&self) -> Result<()> {
        self.file.sync_all().map_err(|error| self.error("sync", error))
    }

    pub fn identity(&self) -> Result<Identity> {
        self.file.identity().map_err(|error| self.error("look at", error))
    }

    pub fn id(&self) -> Result<FileId> {
        self.file.id().map_err(|error| self.error("look at", error))
    }

    fn error(&self, action: &'static str, source: io::Error) -> Error {
        unsafe_or_io(action, self.path.clone(), source)
    }
}

/// Holds a lock.
pub(crate) struct LockGuard {
    file: Arc<dyn StorageFile>,
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        // An unlock cannot fail on an open file; if it did, the lock would end with the process.
        let _ = self.file.unlock();
    }
}

fn unsafe_or_io(action: &'static str, path: PathBuf, source: io::Error) -> Error {
    match source.get_ref().and_then(|inner| inner.downcast_ref::<UnsafeFile>()) {
        Some(UnsafeFile(reason)) => Error::Unsafe { path, reason: (*reason).to_owned() },
        None => Error::Io { action, path, source },
    }
}
