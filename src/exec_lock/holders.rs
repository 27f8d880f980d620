//! The processes that hold a lock, and those of their process groups: found by what they have open, and ended.
//!
//! A command is a process group, and what it runs may have closed the descriptor (ssh and sudo close all that they do not know);
//! its shell has it still. Only processes can be found whose open files this user may see. Where `/proc` is missing, or a
//! command has become another user, it is not found, and goes on holding the lock: then its successor stays away until it ends.
//!
//! No file is asked for that another process merely has open: it may be on a mount whose server is gone (NFS, FUSE), and then
//! stat(2) never returns. What the kernel knows by itself (`fdinfo`) says which descriptors hold a lock on a file of our number.

use std::fs;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::PathBuf;
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
    /// The file's inode number as the kernel prints it for its locks; none before Linux 5.14.
    inode: Option<u64>,
    /// Process groups of which a member has held the lock.
    groups: Vec<Pid>,
}

/// Ends all processes that hold the lock of this file, and their groups: asks first, then kills. False if some are still there.
pub(super) fn end(file: &File) -> Result<bool> {
    let Some(descriptor) = file.descriptor() else { return Ok(false) };
    let Ok(status) = fstat(descriptor) else { return Ok(false) };
    let mut orphans = Orphans { file: status, inode: inode_of(descriptor), groups: Vec::new() };
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
            let info = process.join("fdinfo").join(descriptor.file_name());
            // The order matters: to look at the file itself is safe only where it is ours, for all that is known.
            self.may_lock(&fs::read_to_string(info).unwrap_or_default())
                && stat(descriptor.path())
                    .is_ok_and(|found| (found.st_dev, found.st_ino) == (self.file.st_dev, self.file.st_ino))
        })
    }

    /// Whether a descriptor of which this is known (proc_pid_fdinfo(5)) holds an `flock` of a file with our inode number. Others
    /// may have our file open without one, such as a daemon that an earlier command has left.
    fn may_lock(&self, info: &str) -> bool {
        // "lock:	1: FLOCK  ADVISORY  WRITE 359 fd:00:1311 0 EOF"
        info.lines().filter_map(|line| line.strip_prefix("lock:")).any(|line| {
            let mut fields = line.split_whitespace();
            let is_flock = fields.nth(1) == Some("FLOCK");
            let inode = fields.nth(3).and_then(|file| file.rsplit(':').next()?.parse::<u64>().ok());
            is_flock && (self.inode.is_none() || inode.is_none() || inode == self.inode)
        })
    }
}

/// The inode number of an open file of ours as the kernel prints it. On some file systems stat(2) shows another one.
fn inode_of(file: BorrowedFd<'_>) -> Option<u64> {
    let info = format!("/proc/self/fdinfo/{}", file.as_raw_fd());
    let info = fs::read_to_string(info).ok()?;
    info.lines().find_map(|line| line.strip_prefix("ino:"))?.trim().parse().ok()
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

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn only_what_locks_a_file_of_our_number_is_looked_at() {
        let file = tempfile::tempfile().unwrap();
        let orphans = |inode| Orphans { file: fstat(&file).unwrap(), inode, groups: Vec::new() };
        let flock = "pos:\t0\nino:\t359\nlock:\t1: FLOCK  ADVISORY  WRITE 99 fd:00:359 0 EOF\n";
        for (inode, info, looked_at) in [
            (Some(359), flock, true),
            (Some(1_359), flock, false),
            (None, flock, true),
            (Some(359), "lock:\t1: POSIX  ADVISORY  WRITE 99 fd:00:359 0 EOF\n", false),
            (Some(359), "lock:\t1: FLOCK  ADVISORY  WRITE 99 <none>:0\n", false),
            (Some(359), "lock:\t1: FLOCK  ADVISORY  WRITE 99 unheard of\n", true),
            (Some(359), "pos:\t0\nino:\t359\n", false),
            (Some(359), "", false),
        ] {
            assert_eq!(orphans(inode).may_lock(info), looked_at, "{inode:?} {info:?}");
        }
    }

    #[test]
    fn the_kernel_prints_one_inode_number_for_a_file_and_its_lock() {
        let file = tempfile::tempfile().unwrap();
        file.lock().unwrap();
        let orphans =
            Orphans { file: fstat(&file).unwrap(), inode: inode_of(file.as_fd()), groups: Vec::new() };
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", file.as_raw_fd())).unwrap();
        assert!(orphans.may_lock(&info), "{:?} {info}", orphans.inode);
    }
}
