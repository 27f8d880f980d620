//! The processes that hold a lock, and those of their process groups: found by what they have open, and ended.
//!
//! A command is a process group, and what it runs may have closed the descriptor (ssh and sudo close all that they do not know);
//! its shell has it still. Only processes can be found whose open files this user may see. Where `/proc` is missing, or a
//! command has become another user, it is not found, and goes on holding the lock: then its successor stays away until it ends.

use std::fs;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{Stat, fstat, stat};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, getpgrp, getpid, kill_process, pidfd_open, pidfd_send_signal,
};

use crate::error::Result;
use crate::storage::File;

/// How long processes that are asked to end have before they are killed, and killed ones before they are given up.
const GRACE: Duration = Duration::from_secs(2);

/// How often it is looked whether they have ended.
const POLL: Duration = Duration::from_millis(10);

/// What is to end.
struct Orphans {
    file: Stat,
    /// Process groups of which a member has held the lock.
    groups: Vec<Pid>,
}

/// Ends all processes that hold the lock of this file, and their groups: asks first, then kills. False if some are still there.
pub(super) fn end(file: &File) -> Result<bool> {
    let Some(Ok(status)) = file.descriptor().map(|file: BorrowedFd<'_>| fstat(file)) else {
        return Ok(false);
    };
    let mut orphans = Orphans { file: status, groups: Vec::new() };
    for signal in [Signal::TERM, Signal::KILL] {
        let begun = Instant::now();
        let mut found = orphans.find();
        found.iter().for_each(|id| orphans.send(*id, signal));
        while begun.elapsed() < GRACE {
            if found.is_empty() && file.try_lock()?.is_some() {
                return Ok(true);
            }
            thread::sleep(POLL);
            found = orphans.find();
            if signal == Signal::KILL {
                // Also what they have started in the meantime.
                found.iter().for_each(|id| orphans.send(*id, signal));
            }
        }
    }
    Ok(false)
}

impl Orphans {
    /// The processes that are to end. One that cannot be seen is passed over: that the lock is still held tells.
    fn find(&mut self) -> Vec<Pid> {
        let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
        let ids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let ids: Vec<Pid> = ids.filter_map(Pid::from_raw).filter(|id| *id != getpid()).collect();
        for id in &ids {
            // Not our own group: what holds the lock there is no command of ours.
            if self.holds(*id)
                && let Some(group) = group_of(*id).filter(|group| *group != getpgrp())
                && !self.groups.contains(&group)
            {
                self.groups.push(group);
            }
        }
        ids.into_iter().filter(|id| self.is_one(*id)).collect()
    }

    fn is_one(&self, id: Pid) -> bool {
        group_of(id).is_some_and(|group| self.groups.contains(&group)) || self.holds(id)
    }

    fn send(&self, id: Pid, signal: Signal) {
        match pidfd_open(id, PidfdFlags::empty()) {
            // The number may have become another process's before the descriptor was opened, but not after.
            Ok(process) if self.is_one(id) => drop(pidfd_send_signal(&process, signal)),
            // A kernel or a sandbox without pidfd_open(2).
            Err(Errno::NOSYS | Errno::PERM) => drop(kill_process(id, signal)),
            _ => {}
        }
    }

    /// Whether a process has the file open by a descriptor that holds its lock.
    fn holds(&self, id: Pid) -> bool {
        let process = directory_of(id);
        let Ok(descriptors) = fs::read_dir(process.join("fd")) else { return false };
        descriptors.flatten().any(|descriptor| {
            let is_file = stat(descriptor.path())
                .is_ok_and(|found| (found.st_dev, found.st_ino) == (self.file.st_dev, self.file.st_ino));
            is_file && locks(&process.join("fdinfo").join(descriptor.file_name()))
        })
    }
}

fn directory_of(id: Pid) -> PathBuf {
    PathBuf::from(format!("/proc/{}", id.as_raw_nonzero()))
}

/// The process group of a process that runs, which one that only waits for its parent to look does not; proc_pid_stat(5).
fn group_of(id: Pid) -> Option<Pid> {
    let text = fs::read_to_string(directory_of(id).join("stat")).ok()?;
    let mut fields = text.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?;
    let group = fields.nth(1)?.parse().ok()?;
    if matches!(state, "Z" | "X") { None } else { Pid::from_raw(group) }
}

/// Whether this descriptor holds an `flock`; proc_pid_fdinfo(5). Others may have the file open, such as a daemon that an
/// earlier command has left.
fn locks(info: &Path) -> bool {
    let text = fs::read_to_string(info).unwrap_or_default();
    text.lines().any(|line| line.starts_with("lock:") && line.contains("FLOCK"))
}
