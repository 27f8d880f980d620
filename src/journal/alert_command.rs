//! The alert command itself: what it is told, its environment, and its end.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use serde::Serialize;
use uuid::Uuid;

use super::config::Limits;
use super::{Journal, Stats};
use crate::environment;
use crate::stop::Stop;

/// How long a command that was told to end has before it is killed, and a killed one before it is given up.
const GRACE: Duration = Duration::from_secs(1);
/// Ending a command takes no longer than this.
pub(crate) const ENDING_MAX: Duration = Duration::from_secs(3);
/// A command is looked at soon after it was started, and then less and less often.
const POLL_MIN: Duration = Duration::from_millis(2);
const POLL_MAX: Duration = Duration::from_millis(50);

/// How a command came to its end.
pub(crate) enum End {
    Exited(ExitStatus),
    TimedOut,
    Stopped,
}

/// What an alert says: the statistics, and which journal they are of.
#[derive(Serialize)]
struct Alert<'a> {
    #[serde(flatten)]
    stats: &'a Stats,
    journal: String,
    journal_id: Uuid,
    /// Entries evicted and dead-lettered so far; a multiple of the threshold was passed.
    lost: u64,
    threshold: u64,
    limits: AlertLimits,
}

#[derive(Serialize)]
struct AlertLimits {
    max_bytes: u64,
    max_entries: Option<u64>,
    max_age_s: Option<f64>,
    overflow: String,
}

/// What the command finds on its standard input: one line of JSON.
pub(crate) fn text(journal: &Journal, limits: &Limits, stats: &Stats, lost: u64) -> io::Result<Vec<u8>> {
    let alert = Alert {
        stats,
        journal: std::path::absolute(journal.path())?.to_string_lossy().into_owned(),
        journal_id: journal.current_id().map_err(io::Error::other)?,
        lost,
        threshold: limits.dead_letter_threshold,
        limits: AlertLimits {
            max_bytes: limits.max_bytes,
            max_entries: limits.max_entries,
            max_age_s: limits.max_age.map(|age| age.as_secs_f64()),
            overflow: limits.overflow.to_string(),
        },
    };
    Ok(serde_json::to_vec(&alert)?)
}

/// Runs the command and waits for its end, for `limit` or until `stop` says so; then ends it with its process group.
pub(crate) fn run(
    journal: &Journal,
    command: &str,
    text: &[u8],
    limit: Duration,
    stop: &Stop,
) -> io::Result<End> {
    // A file in memory, not a pipe: nobody has to wait for the command to read it.
    let mut input = File::from(memfd_create("edgesync-alert", MemfdFlags::CLOEXEC)?);
    input.write_all(text)?;
    input.rewind()?;
    // Our standard output may be a stream of entries.
    let output = io::stderr().as_fd().try_clone_to_owned().map_or_else(|_| Stdio::null(), Stdio::from);
    let mut sh = Command::new("sh");
    for name in environment::withheld() {
        sh.env_remove(name);
    }
    sh.args(["-c", command])
        // Not the caller's, which may name another one.
        .env("EDGESYNC_JOURNAL", std::path::absolute(journal.path())?)
        .env("EDGESYNC_JOURNAL_ID", journal.current_id().map_err(io::Error::other)?.to_string())
        .process_group(0)
        .stdin(input)
        .stdout(output);
    let mut child = sh.spawn()?;
    let started = Instant::now();
    let mut pause = POLL_MIN;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(End::Exited(status));
        }
        let end = match started.elapsed() >= limit {
            _ if stop.wait(pause) => End::Stopped,
            true => End::TimedOut,
            false => {
                pause = (pause * 2).min(POLL_MAX);
                continue;
            }
        };
        end_group(&mut child);
        return Ok(end);
    }
}

/// Ends the command and all that it started: asks first, kills what is left after a while.
///
/// The number of a group is not given to another one as long as the group has a member, so that it is safe to signal the
/// group after its first process was reaped.
fn end_group(child: &mut Child) {
    let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else { return };
    // A group that is gone already cannot be signalled, which is all that could fail.
    let _ = kill_process_group(group, Signal::TERM);
    if !is_gone(child, group) {
        let _ = kill_process_group(group, Signal::KILL);
        is_gone(child, group);
    }
}

/// Whether the command and its group end within the grace.
fn is_gone(child: &mut Child, group: Pid) -> bool {
    let end = Instant::now() + GRACE;
    loop {
        let reaped = !matches!(child.try_wait(), Ok(None));
        if reaped && test_kill_process_group(group).is_err() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        std::thread::sleep(POLL_MIN);
    }
}
