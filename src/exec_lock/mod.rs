//! `exec.lock`: held by a command that delivers, for as long as it may still deliver.
//!
//! A deliverer that is killed with SIGKILL cannot end the command that it has started. So that the orphan delivers nothing
//! after its successor, the command inherits an open file that holds the lock, and whoever wants to deliver, by whatever sink,
//! first makes sure that nothing holds it ([`ExecLock::clear`]):
//!
//! ```text
//!  free ──────────────────────────────────────────────► go on
//!  held, the command's time is not over, or unknown ──► busy
//!  held, the command's time is over ──────────────────► end the processes that hold it ──► go on, or busy if that fails
//! ```
//!
//! - The lock is an `flock`: it belongs to the open file, which the command and all that it starts inherit, and ends with the
//!   last process that has it open. Only processes are ended that hold it now, and their groups (`holders`); no process number
//!   is ever stored, since it may be another's by the time that it is read.
//! - Each run of the command opens the file anew. Once the command's first process has ended by itself, the lock is given back
//!   whoever still has the file open: what became a daemon on purpose is not an orphan, and does not hold later locks either.
//! - The file says when the lock was taken and for how long, in a line without a sync: it only matters as long as the machine
//!   runs. If it cannot be written (the disk is full) or read, or was written in another time namespace (a container), the time is
//!   unknown, and nothing is ended. A line that cannot be written leaves none of an earlier command either.
//! - It is used under the right to deliver (`replay.lock`), so that one process at a time asks and takes.

mod holders;

use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::record::{seal_line, unseal_line};
use crate::storage::{File, LockGuard, Open, Store, Uptime};

/// The file's one line is shorter.
const LINE_BYTES_MAX: usize = 512;

/// The lock that a command holds while it delivers from one journal. A [`Replayer`](crate::Replayer) gives it to its
/// [`Sink`](crate::Sink); an [`ExecSink`](crate::ExecSink) has its commands hold it.
#[derive(Debug, Clone)]
pub struct ExecLock {
    store: Store,
    name: &'static str,
}

/// The lock, taken for one run of a command.
pub(crate) struct Hold {
    file: File,
    guard: LockGuard,
}

/// When the lock was taken, and how long the command may take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Term {
    boot: String,
    /// No person sets this clock, and it counts the time that a machine sleeps.
    started: Uptime,
    timeout_ms: u64,
}

impl ExecLock {
    pub(crate) fn new(store: &Store, name: &'static str) -> Self {
        Self { store: store.clone(), name }
    }

    /// Whether a command holds it now.
    pub(crate) fn is_held(&self) -> Result<bool> {
        match self.store.open_if_there(self.name, Open::Write)? {
            Some(file) => Ok(file.try_lock()?.is_none()),
            None => Ok(false),
        }
    }

    /// Returns once no command holds it.
    ///
    /// # Errors
    /// [`Error::CommandRuns`] while one does that has time left, or that cannot be ended.
    pub(crate) fn clear(&self) -> Result<()> {
        let Some(file) = self.store.open_if_there(self.name, Open::Write)? else { return Ok(()) };
        if file.try_lock()?.is_some() {
            return Ok(());
        }
        let left = Term::read(&file)
            .and_then(|term| term.left(self.store.boot_id().as_deref(), self.store.uptime()?));
        if left == Some(Duration::ZERO) && holders::end(&file)? {
            return Ok(());
        }
        Err(Error::CommandRuns { path: file.path().to_owned(), left: left.filter(|left| !left.is_zero()) })
    }

    /// Takes it for one run of a command; none where a journal has no files that another process could inherit.
    ///
    /// # Errors
    /// [`Error::CommandRuns`] while another command holds it; [`Error::Io`] if the file cannot be used, or if the term of an earlier
    /// command would stay in it: a successor would end this command by it.
    pub(crate) fn take(&self, timeout: Duration) -> Result<Option<Hold>> {
        self.clear()?;
        let file = self.store.open_to_overwrite(self.name)?;
        if file.descriptor().is_none() {
            return Ok(None);
        }
        let Some(guard) = file.try_lock()? else {
            return Err(Error::CommandRuns { path: file.path().to_owned(), left: None });
        };
        self.note_term(&file, timeout)?;
        Ok(Some(Hold { file, guard }))
    }

    /// Writes until when the command may run; or, if that is unknown or cannot be written, leaves no term at all.
    fn note_term(&self, file: &File, timeout: Duration) -> Result<()> {
        if let (Some(boot), Some(started)) = (self.store.boot_id(), self.store.uptime())
            && let Some(line) = (Term { boot, started, timeout_ms: millis(timeout) }).line()
            && file.write_at(&line, 0).is_ok()
        {
            return Ok(());
        }
        file.set_len(0)
    }
}

impl Hold {
    /// The open file for a command to inherit, under a number of at least `number_min` if the system has one to give.
    pub fn descriptor(&self, number_min: i32) -> std::io::Result<Option<OwnedFd>> {
        let Some(file) = self.file.descriptor() else { return Ok(None) };
        let high = rustix::io::fcntl_dupfd_cloexec(file, number_min);
        Ok(Some(high.or_else(|_| rustix::io::fcntl_dupfd_cloexec(file, 3))?))
    }

    /// The journal's directory.
    pub fn journal(&self) -> Option<&Path> {
        self.file.path().parent()
    }

    /// Leaves the lock to whoever still holds it.
    pub fn leave(self) {
        self.guard.leave();
    }
}

impl Term {
    fn read(file: &File) -> Option<Self> {
        let mut bytes = [0; LINE_BYTES_MAX];
        let length = file.read_at(&mut bytes, 0).ok()?;
        Self::decode(&bytes[..length])
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        // What is left of a longer line may follow.
        let line = bytes.split_inclusive(|byte| *byte == b'\n').next()?;
        let mut object = unseal_line(line).ok()?.to_vec();
        object.push(b'}');
        serde_json::from_slice(&object).ok()
    }

    fn line(&self) -> Option<Vec<u8>> {
        serde_json::to_vec(self).ok().map(seal_line)
    }

    /// How much of the time is left; none if it is unknown. A lock that is held is of this boot: if the line is not, it is an
    /// older one, and says nothing. Clocks of two time namespaces cannot be compared.
    fn left(&self, boot: Option<&str>, now: Uptime) -> Option<Duration> {
        let comparable = boot == Some(&self.boot) && self.started.namespace == now.namespace;
        if !comparable || self.started.ms > now.ms {
            return None;
        }
        let end_ms = self.started.ms.saturating_add(self.timeout_ms);
        Some(Duration::from_millis(end_ms.saturating_sub(now.ms)))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
