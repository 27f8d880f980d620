//! A directory and its files, with the path in every error.

use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::interrupted::{again, again_or_gone};
use super::{FileId, Identity, Open, Storage, StorageFile, UnsafeFile, Uptime, Volume, wait};
use crate::error::{Error, Result};
use crate::stop::Stop;

/// A directory.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    path: PathBuf,
    storage: Arc<dyn Storage>,
    /// Ends waits for locks.
    stop: Stop,
}

impl Store {
    pub fn new(path: &Path, storage: Arc<dyn Storage>) -> Self {
        Self { path: path.to_owned(), storage, stop: Stop::never() }
    }

    /// The same directory; waits for the locks of files that are opened by way of it end when `stop` asks for it.
    pub fn heeding(&self, stop: &Stop) -> Self {
        Self { stop: stop.clone(), ..self.clone() }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub fn open(&self, name: &str, how: Open) -> Result<File> {
        let path = self.path_of(name);
        match again(|| self.storage.open(name, how)) {
            Ok(file) => {
                Ok(File { path, file: Arc::from(file), stop: self.stop.clone(), given_up: Arc::default() })
            }
            Err(error) => Err(unsafe_or_io("open", path, error)),
        }
    }

    /// Opens a small file that is overwritten again and again, or makes it: on a full disk that must go on.
    pub fn open_to_overwrite(&self, name: &str) -> Result<File> {
        let file = self.open(name, Open::Create)?;
        if self.copies_on_write() && file.len()? == 0 {
            file.overwrite_in_place();
        }
        Ok(file)
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
        again(|| self.storage.list()).map_err(Error::io("list", &self.path))
    }

    /// The size of a file in bytes; 0 if it has gone meanwhile.
    pub fn size(&self, name: &str) -> Result<u64> {
        match again(|| self.storage.size(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            result => result.map_err(Error::io("look at", self.path_of(name))),
        }
    }

    /// Whether there is a file of this name.
    pub fn exists(&self, name: &str) -> Result<bool> {
        match again(|| self.storage.size(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            result => result.map(|_| true).map_err(Error::io("look at", self.path_of(name))),
        }
    }

    pub fn rename(&self, from: &str, to: &str) -> Result<()> {
        again_or_gone(|| self.storage.rename(from, to)).map_err(Error::io("rename", self.path_of(from)))
    }

    /// Removes a name; that it has gone already is fine.
    pub fn remove(&self, name: &str) -> Result<()> {
        match again_or_gone(|| self.storage.remove(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result.map_err(Error::io("remove", self.path_of(name))),
        }
    }

    pub fn sync_names(&self) -> Result<()> {
        again(|| self.storage.sync_names()).map_err(Error::io("sync", &self.path))
    }

    pub fn boot_id(&self) -> Option<String> {
        self.storage.boot_id()
    }

    pub fn volume(&self) -> Option<Volume> {
        self.storage.volume()
    }

    /// Makes the space of removed files usable at once.
    pub fn release_space(&self) -> Result<()> {
        again(|| self.storage.release_space()).map_err(Error::io("sync the file system of", &self.path))
    }

    pub fn copies_on_write(&self) -> bool {
        self.storage.copies_on_write()
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
    stop: Stop,
    /// A wait for its lock was given up.
    given_up: Arc<AtomicBool>,
}

impl File {
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads until the buffer is full or the file ends, and returns how many bytes there were.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match again(|| self.file.read_at(&mut buffer[filled..], offset + filled as u64)) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) => return Err(self.error("read", error)),
            }
        }
        Ok(filled)
    }

    /// Writes all bytes. After an error an unknown part of them is there.
    pub fn write_at(&self, bytes: &[u8], offset: u64) -> Result<()> {
        let mut written = 0;
        while written < bytes.len() {
            match again(|| self.file.write_at(&bytes[written..], offset + written as u64)) {
                Ok(0) => return Err(self.error("write", io::ErrorKind::WriteZero.into())),
                Ok(count) => written += count,
                Err(error) => return Err(self.error("write", error)),
            }
        }
        Ok(())
    }

    pub fn len(&self) -> Result<u64> {
        again(|| self.file.len()).map_err(|error| self.error("look at", error))
    }

    pub fn set_len(&self, length: u64) -> Result<()> {
        again(|| self.file.set_len(length)).map_err(|error| self.error("cut", error))
    }

    pub fn sync_data(&self) -> Result<()> {
        again(|| self.file.sync_data()).map_err(|error| self.error("sync", error))
    }

    /// Waits for the exclusive lock; it is given back when the guard is dropped.
    ///
    /// # Errors
    /// [`Error::Stopped`] if the wait was given up because somebody asked to stop.
    pub fn lock(&self) -> Result<LockGuard> {
        if self.given_up.load(Ordering::SeqCst) {
            return Err(Error::Stopped { path: self.path.clone() });
        }
        if wait::lock(&self.file, &self.stop).map_err(|error| self.error("lock", error))? {
            return Ok(LockGuard { file: Some(Arc::clone(&self.file)) });
        }
        self.given_up.store(true, Ordering::SeqCst);
        Err(Error::Stopped { path: self.path.clone() })
    }

    /// Takes the exclusive lock if it is free; it is given back when the guard is dropped.
    pub fn try_lock(&self) -> Result<Option<LockGuard>> {
        let locked = self.try_lock_for_good()?;
        Ok(locked.then(|| LockGuard { file: Some(Arc::clone(&self.file)) }))
    }

    /// Takes the exclusive lock for as long as the file is open; false if somebody else has it.
    pub fn try_lock_for_good(&self) -> Result<bool> {
        again(|| self.file.try_lock()).map_err(|error| self.error("lock", error))
    }

    pub fn sync_all(&self) -> Result<()> {
        again(|| self.file.sync_all()).map_err(|error| self.error("sync", error))
    }

    /// Whether the file still has a name: no other file has taken its place.
    pub fn is_linked(&self) -> Result<bool> {
        again(|| self.file.is_linked()).map_err(|error| self.error("look at", error))
    }

    pub fn identity(&self) -> Result<Identity> {
        again(|| self.file.identity()).map_err(|error| self.error("look at", error))
    }

    /// Sets the time of the last change of the bytes.
    pub fn set_modified(&self, modified_ns: i64) -> Result<()> {
        again(|| self.file.set_modified(modified_ns)).map_err(|error| self.error("set the time of", error))
    }

    pub fn id(&self) -> Result<FileId> {
        again(|| self.file.id()).map_err(|error| self.error("look at", error))
    }

    /// The open file, for another process to inherit; none where only this process has it.
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.file.descriptor()
    }

    /// Asks that the file, still empty, be overwritten in place. Where that cannot be had it is copied on write.
    fn overwrite_in_place(&self) {
        let _ = self.file.overwrite_in_place();
    }

    /// A small value kept beside the file's content; empty if there is none.
    pub fn attribute(&self) -> Result<Vec<u8>> {
        again(|| self.file.attribute()).map_err(|error| self.error("read an attribute of", error))
    }

    pub fn set_attribute(&self, value: &[u8]) -> Result<()> {
        again(|| self.file.set_attribute(value)).map_err(|error| self.error("set an attribute of", error))
    }

    fn error(&self, action: &'static str, source: io::Error) -> Error {
        unsafe_or_io(action, self.path.clone(), source)
    }
}

/// Holds a lock.
pub(crate) struct LockGuard {
    file: Option<Arc<dyn StorageFile>>,
}

impl LockGuard {
    /// Leaves the lock to whatever else has the file open.
    pub fn leave(mut self) {
        self.file = None;
    }
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            // An unlock cannot fail on an open file; if it did, the lock would end with the process.
            let _ = again(|| file.unlock());
        }
    }
}

fn unsafe_or_io(action: &'static str, path: PathBuf, source: io::Error) -> Error {
    match source.get_ref().and_then(|inner| inner.downcast_ref::<UnsafeFile>()) {
        Some(UnsafeFile(reason)) => Error::Unsafe { path, reason: (*reason).to_owned() },
        None => Error::Io { action, path, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::memory::Memory;

    #[test]
    fn a_wait_for_a_lock_ends_when_somebody_asks_and_the_file_is_not_locked_again() {
        let store = Store::new(Path::new("/memory"), Arc::new(Memory::default()));
        let (stopper, stop) = Stop::pair().unwrap();
        let held = store.open("a", Open::Create).unwrap();
        let guard = held.lock().unwrap();
        let waiting = store.heeding(&stop).open("a", Open::Write).unwrap();
        stopper.stop();
        assert!(matches!(waiting.lock(), Err(Error::Stopped { .. })));
        drop(guard);
        assert!(matches!(waiting.clone().lock(), Err(Error::Stopped { .. })), "the lock may still come");
        // The wait that was left behind gives back what it gets.
        drop(held.lock().unwrap());
        let is_free = || store.heeding(&stop).open("a", Open::Write).unwrap().lock().is_ok();
        // It may get the lock only now.
        assert!((0..100).any(|_| is_free()), "it keeps the lock");
    }

    #[test]
    fn a_lock_that_comes_free_is_taken_in_time() {
        let store = Store::new(Path::new("/memory"), Arc::new(Memory::default()));
        let (_stopper, stop) = Stop::pair().unwrap();
        let held = store.open("a", Open::Create).unwrap();
        let guard = held.lock().unwrap();
        let waiting = store.heeding(&stop).open("a", Open::Write).unwrap();
        let taken = std::thread::spawn(move || waiting.lock().map(drop));
        drop(guard);
        taken.join().unwrap().unwrap();
    }
}
