//! A command's standard input: a file that is complete before the command starts.
//!
//! A pipe would be fed while the command runs: if we are killed meanwhile, the command sees the end of half a body and takes it
//! for the whole. It would also have to be fed by a thread that waits for the command. A file has no such moment. It has no name, so that nothing is left of it, and it is made anew for each
//! attempt, so that no earlier command, which may have moved the place where it is read, can disturb a later one.
//!
//! It is in memory, sealed: nothing can change it any more. Where the system has no such files (a kernel before 3.17, a sandbox)
//! it is an unlinked file in the directory for temporary files, open for reading only.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags, SeekFrom, fcntl_add_seals, memfd_create, open, seek};
use rustix::io::{Errno, retry_on_intr};

const NAME: &str = "edgesync-stdin";

/// Nothing but a reader: mode 0600.
const MODE: Mode = Mode::RUSR.union(Mode::WUSR);

/// A file that holds these bytes, to be read from its beginning.
pub(crate) fn of(body: &[u8]) -> io::Result<OwnedFd> {
    match in_memory(body) {
        Err(error) if is_unsupported(&error) => on_disk(body, &std::env::temp_dir()),
        result => result,
    }
}

/// Whether the system does not have files in memory, or does not let us have one.
fn is_unsupported(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::NOSYS | Errno::PERM | Errno::ACCESS | Errno::INVAL))
}

fn in_memory(body: &[u8]) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Some systems insist that it can never be executed; old kernels do not know that there is such a thing.
    let file = match memfd_create(NAME, flags | MemfdFlags::NOEXEC_SEAL) {
        Err(Errno::INVAL) => memfd_create(NAME, flags)?,
        result => result?,
    };
    let file = written(file.into(), body)?;
    fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL)?;
    for_reading(file)
}

fn on_disk(body: &[u8], directory: &Path) -> io::Result<OwnedFd> {
    let unnamed = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let file = match retry_on_intr(|| open(directory, unnamed, MODE)) {
        Ok(file) => file,
        // A file system that has only files with names.
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => unlinked(directory)?,
        Err(error) => return Err(error.into()),
    };
    for_reading(written(file.into(), body)?)
}

fn unlinked(directory: &Path) -> io::Result<OwnedFd> {
    let path = directory.join(format!("{NAME}-{:016x}", fastrand::u64(..)));
    let ours_alone = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::RDWR | OFlags::CLOEXEC;
    let file = retry_on_intr(|| open(&path, ours_alone, MODE))?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

fn written(mut file: File, body: &[u8]) -> io::Result<File> {
    file.write_all(body)?;
    Ok(file)
}

/// The file, opened anew: at its beginning, and not for writing. Without `/proc` it is the same open file, put back there.
fn for_reading(file: File) -> io::Result<OwnedFd> {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    if let Ok(anew) = retry_on_intr(|| open(&path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())) {
        return Ok(anew);
    }
    seek(&file, SeekFrom::Start(0))?;
    Ok(file.into())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn whatever_it_is_made_of_it_reads_from_its_beginning_and_has_no_name() {
        let directory = tempfile::tempdir().unwrap();
        let body = vec![b'x'; 1 << 20];
        let files = [
            in_memory(&body).unwrap(),
            on_disk(&body, directory.path()).unwrap(),
            for_reading(written(unlinked(directory.path()).unwrap().into(), &body).unwrap()).unwrap(),
        ];
        assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 0);
        for file in files {
            let mut file = File::from(file);
            let mut read = Vec::new();
            file.read_to_end(&mut read).unwrap();
            assert!(read == body);
            assert!((&file).write_all(b"y").is_err(), "a command could change it");
        }
    }

    #[test]
    fn a_sealed_body_cannot_be_changed_by_whoever_opens_it_for_writing() {
        let file = File::from(in_memory(b"body").unwrap());
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let mut writable = File::options().write(true).open(path).unwrap();
        assert!(writable.write_all(b"else").is_err() && writable.set_len(0).is_err());
    }

    #[test]
    fn a_system_without_files_in_memory_is_told_from_one_without_room() {
        for (errno, unsupported) in
            [(Errno::NOSYS, true), (Errno::PERM, true), (Errno::NOMEM, false), (Errno::NOSPC, false)]
        {
            assert_eq!(is_unsupported(&errno.into()), unsupported, "{errno:?}");
        }
    }
}
