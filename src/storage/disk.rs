//! Real files, opened relative to a directory that was checked once.

use std::fs::{File, FileTimes, TryLockError};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, UNIX_EPOCH};

use rustix::fs::{AtFlags, IFlags, Mode, OFlags, StatxFlags, XattrFlags};
use rustix::io::{Errno, retry_on_intr};

use super::interrupted::again;
use super::{
    FileId, HARD_LINK, Identity, OTHERS_MAY_WRITE, OTHERS_MAY_WRITE_HERE, Open, SYMBOLIC_LINK, Storage,
    StorageFile, UnsafeFile, Uptime, Volume,
};

const DIRECTORY_MODE: Mode = Mode::RWXU;
const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);

/// Where a file's attribute is kept: its owner may set it, and a copy by `cp -a` or `rsync -X` takes it along.
const ATTRIBUTE: &str = "user.edgesync";
/// More than any value that we keep there.
const ATTRIBUTE_BYTES_MAX: usize = 4096;

/// File systems that never overwrite a block, by their number in statfs(2): btrfs, bcachefs, ZFS.
const COPY_ON_WRITE: [u64; 3] = [0x9123_683e, 0xca45_1a4e, 0x2fc1_2fc1];

/// A directory of a file system.
#[derive(Debug)]
pub(crate) struct Disk {
    directory: OwnedFd,
    copies_on_write: bool,
    /// Opened by a writer: then nothing in it counts that others could have put there.
    writer: bool,
}

/// Others: whoever is in the group, and everyone.
const WRITABLE_BY_OTHERS: u32 = 0o022;

impl Disk {
    /// Opens an existing directory; for a writer it must be its own or root's, and no one else may write to it: what is in it
    /// decides where entries go and what is run.
    pub fn open(path: &Path, writer: bool) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty()))?;
        let found = retry_on_intr(|| rustix::fs::fstat(&directory))?;
        let reason = if !writer {
            None
        } else if !is_trusted(found.st_uid) {
            Some("the directory belongs to another user")
        } else if found.st_mode & WRITABLE_BY_OTHERS != 0 {
            Some(OTHERS_MAY_WRITE_HERE)
        } else {
            None
        };
        // Where the system does not say, it is taken for one that overwrites, as most do.
        let copies_on_write = rustix::fs::fstatfs(&directory)
            .is_ok_and(|found| COPY_ON_WRITE.contains(&(found.f_type as u64 & 0xffff_ffff)));
        reason.map_or(Ok(Self { directory, writer, copies_on_write }), |reason| {
            Err(io::Error::other(UnsafeFile(reason)))
        })
    }

    /// Makes a directory that only its owner can enter, whatever the umask says, and opens it.
    pub fn create(path: &Path) -> io::Result<Self> {
        match retry_on_intr(|| rustix::fs::mkdir(path, DIRECTORY_MODE)) {
            Ok(()) => sync_parent(path)?,
            Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        Self::open(path, true)
    }
}

/// The new directory's name lives in its parent.
fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let parent = File::open(parent)?;
    again(|| sync_directory(&parent))
}

/// fsync(2) of a directory, and then the questions whether the file system still works: see [`StorageFile::sync_data`].
/// A directory takes no write and no read, so it is synced once more, which ext4 refuses once it has given up, and looked
/// at, which XFS refuses: XFS answers 0 to every fsync of a directory, also long after it was shut down.
fn sync_directory(directory: impl AsFd) -> io::Result<()> {
    rustix::fs::fsync(&directory)?;
    rustix::fs::fsync(&directory)?;
    Ok(rustix::fs::fstat(&directory).map(drop)?)
}

impl Storage for Disk {
    fn open(&self, name: &str, how: Open) -> io::Result<Box<dyn StorageFile>> {
        // NONBLOCK: a FIFO in the place of a file must not make us wait. It has no effect on regular files.
        let safe = OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let flags = match how {
            Open::Read => OFlags::RDONLY,
            Open::Write => OFlags::RDWR,
            Open::Create => OFlags::RDWR | OFlags::CREATE,
            Open::CreateNew => OFlags::RDWR | OFlags::CREATE | OFlags::EXCL,
        };
        let opened = rustix::fs::openat(&self.directory, name, flags | safe, FILE_MODE);
        let file = File::from(opened.map_err(|errno| match errno {
            rustix::io::Errno::LOOP => io::Error::other(UnsafeFile(SYMBOLIC_LINK)),
            rustix::io::Errno::ISDIR => io::Error::other(UnsafeFile("it is a directory")),
            errno => errno.into(),
        })?);
        check(&file, how != Open::Read, self.writer)?;
        Ok(Box::new(file))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.directory)? {
            let entry = entry?;
            let name = entry.file_name();
            if name != c"." && name != c".." {
                names.push(name.to_string_lossy().into_owned());
            }
        }
        Ok(names)
    }

    fn size(&self, name: &str) -> io::Result<u64> {
        let stat = rustix::fs::statat(&self.directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(u64::try_from(stat.st_size).unwrap_or(0))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.directory, from, &self.directory, to)?)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.directory, name, AtFlags::empty())?)
    }

    fn sync_names(&self) -> io::Result<()> {
        sync_directory(&self.directory)
    }

    fn boot_id(&self) -> Option<String> {
        // No process outlives its boot.
        static BOOT_ID: OnceLock<Option<String>> = OnceLock::new();
        let read = || {
            // Linux, proc_sys_kernel(5): a UUID that is made anew at every boot.
            let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
            Some(id.trim().to_owned()).filter(|id| !id.is_empty() && id.len() <= 64)
        };
        BOOT_ID.get_or_init(read).clone()
    }

    fn volume(&self) -> Option<Volume> {
        let found = rustix::fs::fstatvfs(&self.directory).ok()?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        // A file system without a size of its own (an overlay of the network, a FUSE one) says 0.
        (found.f_blocks > 0)
            .then(|| Volume { total_bytes: bytes(found.f_blocks), available_bytes: bytes(found.f_bavail) })
    }

    /// What was freed can be taken again once the transaction in which that happened is committed.
    fn release_space(&self) -> io::Result<()> {
        if self.copies_on_write {
            rustix::fs::syncfs(&self.directory)?;
        }
        Ok(())
    }

    fn copies_on_write(&self) -> bool {
        self.copies_on_write
    }

    fn uptime(&self) -> Option<Uptime> {
        // The inode of the link's target names the namespace (time_namespaces(7)); kernels before 5.6 have one for all.
        let namespace = std::fs::metadata("/proc/self/ns/time").map_or(0, |metadata| metadata.ino());
        Some(Uptime::of_the_system(namespace))
    }
}

/// What a file system keeps from one mount to the next, by its magic number (statfs(2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kept {
    /// Inode numbers and birth times.
    inodes: bool,
    /// Both times of change, to the last digit that it shows.
    times: bool,
    /// Its own number (`f_fsid`): made from its UUID, and on btrfs from the subvolume too. Elsewhere it follows the device's
    /// number, which may be another one after a boot.
    volume: bool,
}

impl Kept {
    fn by(magic: u64) -> Self {
        let (inodes, times, volume) = match magic {
            // ext2, ext3, ext4; btrfs.
            0xEF53 | 0x9123_683E => (true, true, true),
            // XFS; f2fs; tmpfs, which has no next mount.
            0x5846_5342 | 0xF2F5_2010 | 0x0102_1994 => (true, true, false),
            // FAT, exFAT and FUSE number files as they meet them, and cut times off when they write them.
            0x4D44 | 0x2011_BAB0 | 0x6573_5546 => (false, false, false),
            // Nothing is known against its inode numbers.
            _ => (true, false, false),
        };
        Self { inodes, times, volume }
    }
}

/// The caller, or root, who could do anything in any case.
fn is_trusted(owner: u32) -> bool {
    owner == 0 || owner == rustix::process::geteuid().as_raw()
}

/// A regular file with one name; its own if it is to be written to; and for a writer, even if it only reads it, not another
/// user's and not writable by others.
fn check(file: &File, to_write: bool, writer: bool) -> io::Result<()> {
    let metadata = file.metadata()?;
    let reason = if !metadata.is_file() {
        "it is not a regular file"
    } else if metadata.nlink() > 1 {
        HARD_LINK
    } else if (to_write && metadata.uid() != rustix::process::geteuid().as_raw())
        || (writer && !is_trusted(metadata.uid()))
    {
        "it belongs to another user"
    } else if writer && metadata.mode() & WRITABLE_BY_OTHERS != 0 {
        OTHERS_MAY_WRITE
    } else {
        return Ok(());
    };
    Err(io::Error::other(UnsafeFile(reason)))
}

impl StorageFile for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        FileExt::write_at(self, bytes, offset)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn is_linked(&self) -> io::Result<bool> {
        Ok(self.metadata()?.nlink() > 0)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        Self::set_len(self, length)
    }

    /// fdatasync(2), and then a write and a read of nothing, which change nothing but may fail (write(2), read(2)). They must
    /// not: a file system that gives up while it syncs can say that the sync worked though it dropped what it should have
    /// written. It gives up before it drops anything. From then on ext4 (its journal is aborted, or it is shut down) refuses
    /// every write; XFS takes a write of nothing, but refuses every read.
    fn sync_data(&self) -> io::Result<()> {
        Self::sync_data(self)?;
        FileExt::write_at(self, &[], 0)?;
        FileExt::read_at(self, &mut [], 0).map(drop)
    }

    fn sync_all(&self) -> io::Result<()> {
        Self::sync_all(self)?;
        FileExt::read_at(self, &mut [], 0).map(drop)
    }

    fn lock(&self) -> io::Result<()> {
        Self::lock(self)
    }

    fn try_lock(&self) -> io::Result<bool> {
        match Self::try_lock(self) {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn unlock(&self) -> io::Result<()> {
        Self::unlock(self)
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.as_fd())
    }

    fn id(&self) -> io::Result<FileId> {
        let wanted = StatxFlags::INO | StatxFlags::BTIME;
        match retry_on_intr(|| rustix::fs::statx(self.as_fd(), "", AtFlags::EMPTY_PATH, wanted)) {
            Ok(found) => {
                let born = found.stx_btime;
                let known = found.stx_mask & StatxFlags::BTIME.bits() != 0;
                let born_ns =
                    born.tv_sec.saturating_mul(1_000_000_000).saturating_add(i64::from(born.tv_nsec));
                Ok(FileId { inode: found.stx_ino, born_ns: if known { born_ns } else { 0 } })
            }
            // A kernel or a sandbox without statx(2).
            Err(_) => Ok(FileId { inode: self.metadata()?.ino(), born_ns: 0 }),
        }
    }

    fn identity(&self) -> io::Result<Identity> {
        let kept = Kept::by(rustix::fs::fstatfs(self)?.f_type as u64);
        let metadata = self.metadata()?;
        let time = |seconds: i64, ns: i64| seconds.saturating_mul(1_000_000_000).saturating_add(ns);
        Ok(Identity {
            file: kept.inodes.then(|| StorageFile::id(self)).transpose()?,
            volume: kept.volume.then(|| rustix::fs::fstatvfs(self).map(|found| found.f_fsid)).transpose()?,
            changed_ns: kept.times.then(|| time(metadata.ctime(), metadata.ctime_nsec())),
            modified_ns: kept.times.then(|| time(metadata.mtime(), metadata.mtime_nsec())),
        })
    }

    fn set_modified(&self, modified_ns: i64) -> io::Result<()> {
        let seconds = Duration::from_nanos(modified_ns.unsigned_abs());
        let time = if modified_ns < 0 { UNIX_EPOCH - seconds } else { UNIX_EPOCH + seconds };
        self.set_times(FileTimes::new().set_modified(time))
    }

    fn overwrite_in_place(&self) -> io::Result<()> {
        let flags = rustix::fs::ioctl_getflags(self)?;
        rustix::fs::ioctl_setflags(self, flags | IFlags::NOCOW)?;
        // That has set one of the file's two times, as otherwise only restores do: both are set again. See `journal/origin.rs`.
        Self::set_len(self, 1)?;
        Self::set_len(self, 0)
    }

    fn attribute(&self) -> io::Result<Vec<u8>> {
        let mut value = vec![0; ATTRIBUTE_BYTES_MAX];
        match rustix::fs::fgetxattr(self, ATTRIBUTE, &mut value) {
            Ok(length) => {
                value.truncate(length);
                Ok(value)
            }
            // None, none possible, or none of ours.
            Err(Errno::NODATA | Errno::NOTSUP | Errno::RANGE) => Ok(Vec::new()),
            Err(errno) => Err(errno.into()),
        }
    }

    fn set_attribute(&self, value: &[u8]) -> io::Result<()> {
        Ok(rustix::fs::fsetxattr(self, ATTRIBUTE, value, XattrFlags::empty())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sync_is_asked_of_the_system() {
        // It takes any write, and cannot be synced: the system says so when it is asked to.
        let unsyncable = File::options().write(true).open("/dev/null").unwrap();
        assert!(FileExt::write_at(&unsyncable, &[], 0).is_ok());
        let file: Box<dyn StorageFile> = Box::new(unsyncable.try_clone().unwrap());
        assert!(file.sync_data().is_err());
        assert!(
            Disk { directory: unsyncable.into(), writer: true, copies_on_write: false }.sync_names().is_err()
        );
        assert!(sync_parent(Path::new("/proc/journal")).is_err());
    }

    #[test]
    fn a_sync_counts_only_where_a_write_and_a_read_are_still_taken() {
        let path = tempfile::NamedTempFile::new().unwrap();
        for refused in [File::open(&path).unwrap(), File::options().write(true).open(&path).unwrap()] {
            assert!(refused.sync_data().is_ok(), "the system itself sees nothing wrong");
            let file: Box<dyn StorageFile> = Box::new(refused);
            assert!(file.sync_data().is_err());
        }
    }
}
