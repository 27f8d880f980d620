//! Telling somebody that entries are being lost: a command of theirs, with the statistics on its standard input.

use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use super::Journal;
use super::config::Limits;
use crate::environment;

/// A command that hangs must not fill the machine with its kind.
const RUNNING_MAX: usize = 4;

/// The alerts that one process has raised.
#[derive(Default)]
pub(crate) struct Alerts {
    running: Vec<Child>,
}

impl Alerts {
    /// Raises an alert if the number of lost entries has passed a multiple of the threshold. Does not wait for the command.
    pub fn consider(&mut self, journal: &Journal, limits: &Limits, (before, after): (u64, u64)) {
        if let Some(command) = &limits.alert_exec
            && is_passed(limits.dead_letter_threshold, before, after)
        {
            self.running.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
            if self.running.len() < RUNNING_MAX {
                // Best effort: that nobody can be told must not keep entries from being written or delivered.
                self.running.extend(raise(journal, command));
            }
        }
    }
}

/// Whether a multiple of `threshold` lies above `before` and not above `after`. A threshold of 0 has none.
fn is_passed(threshold: u64, before: u64, after: u64) -> bool {
    threshold > 0 && before / threshold < after / threshold
}

fn raise(journal: &Journal, command: &str) -> Option<Child> {
    let stats = serde_json::to_vec(&journal.stats().ok()?).ok()?;
    // Our standard output may be a stream of entries.
    let output = std::io::stderr().as_fd().try_clone_to_owned().map_or_else(|_| Stdio::null(), Stdio::from);
    let mut sh = Command::new("sh");
    for name in environment::withheld() {
        sh.env_remove(name);
    }
    let mut child =
        sh.args(["-c", command]).process_group(0).stdin(Stdio::piped()).stdout(output).spawn().ok()?;
    if let Some(mut stdin) = child.stdin.take() {
        // Less than a pipe holds, so this does not wait for the command to read it.
        let _ = stdin.write_all(&stats);
    }
    Some(child)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_multiple_is_passed_once() {
        for (threshold, before, after, passed) in [
            (10, 0, 9, false),
            (10, 9, 10, true),
            (10, 10, 19, false),
            (10, 0, 35, true),
            (1, 4, 5, true),
            (10, 7, 7, false),
            (0, 0, 1000, false),
        ] {
            assert_eq!(is_passed(threshold, before, after), passed, "{before} to {after} by {threshold}");
        }
    }
}
