//! The alert command itself: what it learns, its environment, and its end.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde::Serialize;
use uuid::Uuid;

use super::config::Limits;
use super::{Journal, Stats};
use crate::command::{end_group, set_environment, stdin_of};
use crate::stop::Stop;

/// How long a command that is asked to end has before it is killed, and a killed one before it is given up.
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
    // Our standard output may be a stream of entries.
    let output = io::stderr().as_fd().try_clone_to_owned().map_or_else(|_| Stdio::null(), Stdio::from);
    let mut sh = Command::new("sh");
    set_environment(&mut sh, Some(journal.path()), journal.current_id().map_err(io::Error::other)?);
    // A file, not a pipe: no thread has to wait for the command to read it.
    sh.args(["-c", command]).process_group(0).stdin(stdin_of(text)?).stdout(output);
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
        end_group(child.id(), GRACE, || !matches!(child.try_wait(), Ok(None)));
        return Ok(end);
    }
}
