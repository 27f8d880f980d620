//! A directory in memory: for a journal that ends with its program.
//!
//! It keeps what [`Storage`] promises while the program runs (locks between open files, whole replacement, removed files that
//! stay readable while they are open), and nothing after that: a sync does nothing.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};

use super::{FileId, Identity, Open, Storage, StorageFile, Uptime};

/// A file grows by this many bytes at least, so that a full journal does not copy itself over and over.
const GROWTH_BYTES: usize = 64 << 10;

/// One directory in memory; gone with its last user.
#[derive(Default)]
pub(crate) struct Memory {
    names: Mutex<HashMap<String, Arc<Node>>>,
    /// Numbers files, and open files.
    count: Arc<AtomicU64>,
}

/// What a name stands for.
struct Node {
    inode: u64,
    bytes: RwLock<Vec<u8>>,
    /// The open file that holds the lock.
    holder: Mutex<Option<u64>>,
    released: Condvar,
}

/// A lock that a panic has left behind guards plain bytes: they are as good as before.
fn enter<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Memory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Memory")
    }
}

impl Memory {
    fn next(&self) -> u64 {
        self.count.fetch_add(1, Ordering::Relaxed) + 1
    }
}

impl Storage for Memory {
    fn open(&self, name: &str, how: Open) -> io::Result<Box<dyn StorageFile>> {
        let mut names = enter(&self.names);
        let node = match (names.get(name), how) {
            (Some(_), Open::CreateNew) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Some(node), _) => Arc::clone(node),
            (None, Open::Read | Open::Write) => return Err(io::ErrorKind::NotFound.into()),
            (None, Open::Create | Open::CreateNew) => {
                let node = Arc::new(Node {
                    inode: self.next(),
                    bytes: RwLock::default(),
                    holder: Mutex::default(),
                    released: Condvar::new(),
                });
                names.insert(name.to_owned(), Arc::clone(&node));
                node
            }
        };
        Ok(Box::new(Opened { node, number: self.next() }))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(enter(&self.names).keys().cloned().collect())
    }

    fn size(&self, name: &str) -> io::Result<u64> {
        enter(&self.names).get(name).map(|node| node.len()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut names = enter(&self.names);
        let node = names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        names.insert(to.to_owned(), node);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        enter(&self.names).remove(name).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_names(&self) -> io::Result<()> {
        Ok(())
    }

    /// There is no other boot that could see these files.
    fn boot_id(&self) -> Option<String> {
        Some("memory".to_owned())
    }

    fn uptime(&self) -> Option<Uptime> {
        Some(Uptime::of_the_system(0))
    }
}

impl Node {
    fn len(&self) -> u64 {
        self.bytes.read().unwrap_or_else(PoisonError::into_inner).len() as u64
    }
}

/// One open file.
struct Opened {
    node: Arc<Node>,
    number: u64,
}

impl StorageFile for Opened {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let bytes = self.node.bytes.read().unwrap_or_else(PoisonError::into_inner);
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let count = buffer.len().min(bytes.len() - start);
        buffer[..count].copy_from_slice(&bytes[start..start + count]);
        Ok(count)
    }

    fn write_at(&self, new: &[u8], offset: u64) -> io::Result<usize> {
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let mut bytes = self.node.bytes.write().unwrap_or_else(PoisonError::into_inner);
        if bytes.len() < start {
            bytes.resize(start, 0);
        }
        let over = new.len().min(bytes.len() - start);
        bytes[start..start + over].copy_from_slice(&new[..over]);
        if bytes.capacity() < start + new.len() {
            bytes.reserve((new.len() - over).max(GROWTH_BYTES));
        }
        bytes.extend_from_slice(&new[over..]);
        Ok(new.len())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.node.len())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let length = usize::try_from(length).map_err(|_| io::ErrorKind::FileTooLarge)?;
        self.node.bytes.write().unwrap_or_else(PoisonError::into_inner).resize(length, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self) -> io::Result<()> {
        let mut holder = enter(&self.node.holder);
        while holder.is_some_and(|other| other != self.number) {
            holder = self.node.released.wait(holder).unwrap_or_else(PoisonError::into_inner);
        }
        *holder = Some(self.number);
        Ok(())
    }

    fn try_lock(&self) -> io::Result<bool> {
        let mut holder = enter(&self.node.holder);
        if holder.is_some_and(|other| other != self.number) {
            return Ok(false);
        }
        *holder = Some(self.number);
        Ok(true)
    }

    fn unlock(&self) -> io::Result<()> {
        let mut holder = enter(&self.node.holder);
        if *holder == Some(self.number) {
            *holder = None;
            self.node.released.notify_all();
        }
        Ok(())
    }

    fn sync_all(&self) -> io::Result<()> {
        Ok(())
    }

    fn id(&self) -> io::Result<FileId> {
        Ok(FileId { inode: self.node.inode, born_ns: 0 })
    }

    /// Nobody can copy or restore these files.
    fn identity(&self) -> io::Result<Identity> {
        Ok(Identity { file: self.id().ok(), volume: None, changed_ns: None, modified_ns: None })
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        // Never fails here.
        let _ = self.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_also_past_the_end_and_after_a_cut() {
        let memory = Memory::default();
        let file = memory.open("a", Open::Create).unwrap();
        file.write_at(b"hello", 2).unwrap();
        file.write_at(b"HE", 2).unwrap();
        let mut buffer = [9; 10];
        assert_eq!(file.read_at(&mut buffer, 0).unwrap(), 7);
        assert_eq!(&buffer[..7], b"\0\0HEllo");
        assert_eq!(file.read_at(&mut buffer, 99).unwrap(), 0);
        file.set_len(3).unwrap();
        file.set_len(4).unwrap();
        assert_eq!(file.read_at(&mut buffer, 2).unwrap(), 2);
        assert_eq!(&buffer[..2], b"H\0");
    }

    #[test]
    fn names_are_opened_replaced_and_removed_as_on_a_disk() {
        let memory = Memory::default();
        assert_eq!(memory.open("a", Open::Write).err().unwrap().kind(), io::ErrorKind::NotFound);
        let first = memory.open("a", Open::CreateNew).unwrap();
        assert_eq!(memory.open("a", Open::CreateNew).err().unwrap().kind(), io::ErrorKind::AlreadyExists);
        let second = memory.open("b", Open::Create).unwrap();
        assert_ne!(first.id().unwrap(), second.id().unwrap());
        second.write_at(b"2", 0).unwrap();
        memory.rename("b", "a").unwrap();
        assert_eq!((memory.list().unwrap(), memory.size("a").unwrap()), (vec!["a".to_owned()], 1));
        memory.remove("a").unwrap();
        assert_eq!(second.len().unwrap(), 1, "an open file outlives its name");
    }

    #[test]
    fn a_lock_belongs_to_one_open_file_and_ends_with_it() {
        let memory = Memory::default();
        let first = memory.open("a", Open::Create).unwrap();
        let second = memory.open("a", Open::Create).unwrap();
        assert!(first.try_lock().unwrap() && first.try_lock().unwrap());
        assert!(!second.try_lock().unwrap());
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| second.lock());
            drop(first);
            waiting.join().unwrap().unwrap();
        });
        second.unlock().unwrap();
        assert!(memory.open("a", Open::Read).unwrap().try_lock().unwrap());
    }
}
