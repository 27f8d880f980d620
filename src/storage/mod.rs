//! All file access goes through here.
//!
//! [`Storage`] is one directory, [`StorageFile`] one open file in it; together they are all that the journal asks of an
//! operating system. [`disk`] has the real ones, [`memory`] those of a journal that ends with its program, `sim` those of
//! the tests. What they must do after a crash is written down in docs/design.md,
//! "Assumptions about the disk".
//!
//! [`Store`] and [`File`] are what the journal works with: they add the path to every error, take care of short reads and
//! writes, and make a call again that a signal has broken off (EINTR): no such call ends anything. Waits for a lock end when a
//! [`Stop`](crate::stop::Stop) asks for it, after a grace.

pub(crate) mod disk;
mod interrupted;
pub(crate) mod memory;
#[cfg(test)]
pub(crate) mod sim;
mod store;
#[cfg(test)]
pub(crate) mod test_disk;
mod wait;

use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;

pub(crate) use self::store::{File, LockGuard, Store};

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Open {
    /// For reading; it must exist.
    Read,
    /// For reading and writing; it must exist.
    Write,
    /// For reading and writing; made if it does not exist.
    Create,
    /// For reading and writing; it must not exist.
    CreateNew,
}

/// Tells a file from its copy and from a later file of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct FileId {
    /// The inode number.
    pub inode: u64,
    /// When the inode was made, in nanoseconds since the epoch; 0 where the file system does not say.
    pub born_ns: i64,
}

impl FileId {
    /// Whether both were taken from one file, in whatever mount: some file systems number their files anew each time.
    pub fn is_same_file(&self, other: &Self) -> bool {
        if self.born_ns != 0 && other.born_ns != 0 {
            self.born_ns == other.born_ns
        } else {
            self.inode == other.inode
        }
    }

    /// Whether they were taken from two files, for all that is known.
    pub fn is_certainly_another_than(&self, other: &Self) -> bool {
        self.born_ns != 0 && other.born_ns != 0 && self.born_ns != other.born_ns
    }
}

/// What tells a file from its copy, and from itself after something else has written it: as far as the file system keeps it
/// from one mount to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    /// None where inodes are numbered anew at each mount.
    pub file: Option<FileId>,
    /// Names the file system, and where there are snapshots, the snapshot.
    pub volume: Option<u64>,
    /// When anything about the file changed last, its mode or its names too (ctime), in nanoseconds since the epoch.
    pub changed_ns: Option<i64>,
    /// When its bytes changed last (mtime). A write sets both.
    pub modified_ns: Option<i64>,
}

/// A file system's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Volume {
    pub total_bytes: u64,
    /// What a user without privileges may still write.
    pub available_bytes: u64,
}

/// One directory.
pub(crate) trait Storage: fmt::Debug + Send + Sync {
    /// Opens a regular file of ours; refuses links, devices, and files of others.
    fn open(&self, name: &str, how: Open) -> io::Result<Box<dyn StorageFile>>;
    /// The names of all entries, unordered.
    fn list(&self) -> io::Result<Vec<String>>;
    /// The size of a file in bytes, without opening it.
    fn size(&self, name: &str) -> io::Result<u64>;
    /// Replaces `to` by `from` in one step.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a name.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes names that were added, replaced or removed durable.
    fn sync_names(&self) -> io::Result<()>;
    /// Names this boot of the machine; none where that is unknown.
    fn boot_id(&self) -> Option<String>;
    /// The file system that the directory is on; none where there is no bound, or where it is unknown.
    fn volume(&self) -> Option<Volume> {
        None
    }
    /// Makes the space of removed files usable at once, where the file system would wait with it.
    fn release_space(&self) -> io::Result<()> {
        Ok(())
    }
    /// Whether an overwritten block takes a new one, so that a full file system refuses what changes no length.
    fn copies_on_write(&self) -> bool {
        false
    }
    /// The time since this boot; none where that is unknown.
    fn uptime(&self) -> Option<Uptime>;
}

/// The time since the boot, asleep or awake. No program sets this clock, and it never goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct Uptime {
    /// The time namespace that the reading was taken in: a container may have another offset in the same boot.
    pub namespace: u64,
    /// Milliseconds, rounded down.
    pub ms: u64,
}

impl Uptime {
    /// CLOCK_BOOTTIME, by a system call: what replaces functions of the C library cannot fake it.
    fn of_the_system(namespace: u64) -> Self {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
        let ms = u64::try_from(now.tv_nsec).unwrap_or(0) / 1_000_000;
        Self { namespace, ms: seconds.saturating_mul(1000).saturating_add(ms) }
    }
}

/// One open file. Its locks are those of the open file, not of the process, and end with it.
pub(crate) trait StorageFile: Send + Sync {
    /// Reads at an offset; 0 at the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes at an offset; may write less than asked.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;
    /// The length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Cuts the file, or fills it with zeros.
    fn set_len(&self, length: u64) -> io::Result<()>;
    /// Makes content and length durable (fdatasync).
    fn sync_data(&self) -> io::Result<()>;
    /// Makes all else durable too, like the time of the last change (fsync).
    fn sync_all(&self) -> io::Result<()>;
    /// Waits for the exclusive lock.
    fn lock(&self) -> io::Result<()>;
    /// Takes the exclusive lock if it is free.
    fn try_lock(&self) -> io::Result<bool>;
    /// Gives the lock back.
    fn unlock(&self) -> io::Result<()>;
    /// Whether the file still has a name: no other file has taken its place.
    fn is_linked(&self) -> io::Result<bool> {
        Ok(true)
    }
    /// Which file this is, in this mount.
    fn id(&self) -> io::Result<FileId>;
    /// Which file this is, in whatever mount.
    fn identity(&self) -> io::Result<Identity>;
    /// Sets the time of the last change of the bytes, in nanoseconds since the epoch.
    fn set_modified(&self, _modified_ns: i64) -> io::Result<()> {
        Ok(())
    }
    /// Asks that this file, still empty, be overwritten in place where the file system would copy on write.
    fn overwrite_in_place(&self) -> io::Result<()> {
        Ok(())
    }
    /// A small value kept beside the file's content; empty if there is none. It is replaced whole, in one step, and made
    /// durable by [`StorageFile::sync_data`].
    fn attribute(&self) -> io::Result<Vec<u8>> {
        Ok(Vec::new())
    }
    /// Replaces that value. On a file system that copies on write this needs no block for data.
    fn set_attribute(&self, _value: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
    /// The open file, for another process to inherit; none where only this process has it.
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// Why a writer does not use a file, or a directory, that more than its owner can write to. Whoever can write to a journal decides
/// what its writers run as an alert.
pub(crate) const OTHERS_MAY_WRITE: &str = "others than its owner may write to it";
pub(crate) const OTHERS_MAY_WRITE_HERE: &str = "others than its owner may write to the directory";

/// Why a file is not used: what it leads to may be another person's.
pub(crate) const SYMBOLIC_LINK: &str = "it is a symbolic link";
pub(crate) const HARD_LINK: &str = "it is a hard link: the same file has another name";

/// Inside an [`io::Error`]: a file that must not be used. The text says why.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UnsafeFile(pub &'static str);
