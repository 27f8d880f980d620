//! A command's process group: the command and all that it has started, as far as that stayed in it.

use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};

/// How often a group that was asked to end is looked at.
const POLL: Duration = Duration::from_millis(5);

/// Ends the group whose first process had this number: asks it, kills what is left after `grace`, and then waits for the first
/// process for as long again. `is_reaped` reaps the first process, if it has ended, and says whether it was reaped.
///
/// The kernel gives the number of a group to no other process or group as long as the group has a member. So it is safe to
/// signal the group after its first process was reaped, as long as that happens at once: a group without a member is gone, and
/// the kernel gives a number again only after it has given all others.
pub(crate) fn end(first_process: u32, grace: Duration, mut is_reaped: impl FnMut() -> bool) {
    let Some(group) = i32::try_from(first_process).ok().and_then(Pid::from_raw) else { return };
    // A group that is gone already cannot be signalled, which is all that could fail.
    let _ = kill_process_group(group, Signal::TERM);
    let mut is_gone = || is_reaped() && test_kill_process_group(group).is_err();
    if !within(grace, &mut is_gone) {
        let _ = kill_process_group(group, Signal::KILL);
        // Whatever else was in the group dies in its own time. Where no process reaps orphans, they stay in it as zombies.
        within(grace, &mut is_reaped);
    }
}

/// Asks until the answer is yes, or the time is over. Says whether it was yes.
fn within(limit: Duration, mut question: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    loop {
        if question() {
            return true;
        }
        if begun.elapsed() >= limit {
            return false;
        }
        thread::sleep(POLL);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::process::CommandExt;
    use std::process::{ChildStdout, Command, Stdio};

    use super::*;

    /// A group whose first process has ended and was reaped, and what is left of the group; its standard output ends with it.
    fn without_its_first(script: &str) -> (u32, ChildStdout) {
        let mut command = Command::new("sh");
        command.args(["-c", script]).process_group(0).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let id = child.id();
        let mut output = child.stdout.take().unwrap();
        // One byte: what is to be left behind is ready.
        output.read_exact(&mut [0]).unwrap();
        child.wait().unwrap();
        (id, output)
    }

    #[test]
    fn a_group_ends_though_its_first_process_was_reaped_and_the_rest_heeds_no_sigterm() {
        for script in ["sleep 20 & printf x", "(trap '' TERM; printf x; sleep 20) & exit 0"] {
            let (id, mut output) = without_its_first(script);
            let begun = Instant::now();
            end(id, Duration::from_millis(100), || true);
            // The last member closes it.
            assert_eq!(output.read(&mut [0]).unwrap(), 0, "{script}");
            assert!(begun.elapsed() < Duration::from_secs(15), "{script}: it ended by itself");
        }
    }
}
