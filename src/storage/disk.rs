//! Real files, opened relative to a directory that was checked once.

use std::fs::{File, TryLockError};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::OnceLock;

use rustix::fs::{AtFlags, IFlags, Mode, OFlags, StatxFlags, XattrFlags};
use rustix::io::Errno;

use super::{FileId, Open, Storage, StorageFile, UnsafeFile, Volume};

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
}

impl Disk {
    /// Opens an existing directory; for a writer it must be its own.
    pub fn open(path: &Path, writer: bool) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(path, flags, Mode::empty())?;
        let owner = rustix::fs::fstat(&directory)?.st_uid;
        if writer && owner != rustix::process::geteuid().as_raw() {
            return Err(io::Error::other(UnsafeFile("the directory belongs to another user")));
        }
        // Where the system does not say, it is taken for one that overwrites, as most do.
        let copies_on_write = rustix::fs::fstatfs(&directory)
            .is_ok_and(|found| COPY_ON_WRITE.contains(&(found.f_type as u64 & 0xffff_ffff)));
        Ok(Self { directory, copies_on_write })
    }

    /// Makes a directory that only its owner can enter, whatever the umask says, and opens it.
    pub fn create(path: &Path) -> io::Result<Self> {
        match rustix::fs::mkdir(path, DIRECTORY_MODE) {
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
    File::open(parent)?.sync_all()
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
            rustix::io::Errno::LOOP => io::Error::other(UnsafeFile("it is a symbolic link")),
            rustix::io::Errno::ISDIR => io::Error::other(UnsafeFile("it is a directory")),
            errno => errno.into(),
        })?);
        check(&file, how != Open::Read)?;
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
        Ok(rustix::fs::fsync(&self.directory)?)
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
}

/// A regular file with one name, and for a writer: its own.
fn check(file: &File, writer: bool) -> io::Result<()> {
    let metadata = file.metadata()?;
    let reason = if !metadata.is_file() {
        "it is not a regular file"
    } else if metadata.nlink() > 1 {
        "it is a hard link: the same file has another name"
    } else if writer && metadata.uid() != rustix::process::geteuid().as_raw() {
        "it belongs to another user"
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

    fn set_len(&self, length: u64) -> io::Result<()> {
        Self::set_len(self, length)
    }

    /// fdatasync(2), and then a write of nothing, which changes nothing but may fail (write(2)). It must not: a file system
    /// that gives up while it syncs (ext4 whose journal is aborted, or that is shut down) can say that the sync worked
    /// though its transaction was dropped. It gives up before it drops anything, and refuses every write from then on.
    fn sync_data(&self) -> io::Result<()> {
        Self::sync_data(self)?;
        FileExt::write_at(self, &[], 0).map(drop)
    }

    fn lock(&self) -> io::Result<()> {
        loop {
            match Self::lock(self) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
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

    fn id(&self) -> io::Result<FileId> {
        let wanted = StatxFlags::INO | StatxFlags::BTIME;
        match rustix::fs::statx(self.as_fd(), "", AtFlags::EMPTY_PATH, wanted) {
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

    fn overwrite_in_place(&self) -> io::Result<()> {
        let flags = rustix::fs::ioctl_getflags(self)?;
        Ok(rustix::fs::ioctl_setflags(self, flags | IFlags::NOCOW)?)
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
        assert!(Disk { directory: unsyncable.into(), copies_on_write: false }.sync_names().is_err());
        assert!(sync_parent(Path::new("/proc/journal")).is_err());
    }

    #[test]
    fn a_sync_counts_only_where_a_write_is_still_taken() {
        let path = tempfile::NamedTempFile::new().unwrap();
        let refused = File::open(&path).unwrap();
        assert!(refused.sync_data().is_ok(), "the system itself sees nothing wrong");
        let file: Box<dyn StorageFile> = Box::new(refused);
        assert!(file.sync_data().is_err());
    }
}
