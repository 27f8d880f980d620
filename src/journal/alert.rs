//! Alerts: a command of the journal's owner runs when entries are being lost, with the statistics on its standard input.
//!
//! Raised by whoever caused the loss, on a thread of its own: no writer and no delivery waits for the command.
//!
//! - One command runs at a time for a journal: `alert.lock` is held while it does. What is lost meanwhile is told in one further
//!   alert, by the holder: it looks at the counters again once it has given the lock back, so that whoever found the lock
//!   held has nothing left to do.
//! - A command ends after [`RUN_MAX`], and with the process if that waits for it ([`Alerts::finish`]); then with its process
//!   group.
//! - A command that fails is reported, and nothing else comes of it.

use std::fmt;
use std::io;
use std::process::ExitStatus;
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::alert_command::{self, End};
use super::config::Limits;
use super::cursor::{CursorFile, CursorState};
use super::{Journal, layout};
use crate::error::Result;
use crate::printable::excerpt;
use crate::stop::{Stop, Stopper};
use crate::storage::{File, Open};

/// A command that hangs must not keep later alerts from being raised.
const RUN_MAX: Duration = Duration::from_secs(60);
/// How often one that waits for a command looks whether it is to stop waiting.
const POLL: Duration = Duration::from_millis(10);
/// So much of a command is shown.
const SHOWN_CHARS_MAX: usize = 100;

type Report = Box<dyn Fn(&str) + Send + Sync>;

/// The alerts that one process raises for one journal.
#[derive(Default)]
pub(crate) struct Alerts {
    state: Mutex<State>,
    ended: Condvar,
    report: OnceLock<Report>,
}

#[derive(Default)]
struct State {
    running: bool,
    /// Ends the command that is running; none where there were no file descriptors for it.
    stopper: Option<Stopper>,
    /// More was lost since the thread looked.
    again: bool,
}

impl fmt::Debug for Alerts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Alerts").finish_non_exhaustive()
    }
}

impl Alerts {
    /// Has failures reported to this function; the first one that is given counts.
    pub fn on_failure(&self, report: Report) {
        // Given once.
        let _ = self.report.set(report);
    }

    /// Raises an alert if the number of lost entries has passed a multiple of the threshold. Does not wait for the command.
    pub fn consider(&self, journal: &Journal, limits: &Limits, (before, after): (u64, u64)) {
        let Some(command) = &limits.alert_exec else { return };
        if !is_passed(limits.dead_letter_threshold, before, after) {
            return;
        }
        let mut state = self.lock();
        if state.running {
            state.again = true;
            return;
        }
        let (stopper, stop) = match Stop::pair() {
            Ok((stopper, stop)) => (Some(stopper), stop),
            Err(_) => (None, Stop::never()),
        };
        let raiser = Raiser {
            journal: journal.clone(),
            command: command.clone(),
            limits: limits.clone(),
            told: before,
            stop,
        };
        match thread::Builder::new().name("alert".into()).spawn(move || raiser.run()) {
            Ok(_) => {
                state.running = true;
                state.stopper = stopper;
            }
            Err(error) => {
                drop(state);
                self.failed(&format!("cannot start a thread for the alert command: {error}"));
            }
        }
    }

    /// Waits until no command is running, for `bound` or until `stop` says so; then ends the one that is.
    pub fn finish(&self, stop: &Stop, bound: Duration) {
        let end = Instant::now() + bound;
        let mut state = self.lock();
        while state.running && !stop.is_stopped() && Instant::now() < end {
            state = self.ended.wait_timeout(state, POLL).unwrap_or_else(PoisonError::into_inner).0;
        }
        if let Some(stopper) = &state.stopper {
            stopper.stop();
        }
        // Not much longer: the command is killed by then.
        let end = Instant::now() + alert_command::ENDING_MAX;
        while state.running && Instant::now() < end {
            state = self.ended.wait_timeout(state, POLL).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn failed(&self, text: &str) {
        tracing::warn!("{text}");
        if let Some(report) = self.report.get() {
            report(text);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Journal {
    /// Moves the cursor one step, and raises an alert if the step has lost enough entries. Also a step that is meant for
    /// something else can lose entries: it evicts what eviction has passed of a batch in flight.
    ///
    /// Only an evicting writer does without: it holds the append lock, and considers an alert once it has given that back.
    pub(crate) fn step_cursor(
        &self,
        cursor_file: &CursorFile,
        limits: &Limits,
        step: impl FnOnce(&mut CursorState),
    ) -> Result<CursorState> {
        let mut before = 0;
        let state = cursor_file.update(|state| {
            before = state.lost();
            step(state);
        })?;
        self.alerts().consider(self, limits, (before, state.lost()));
        Ok(state)
    }
}

/// Whether a multiple of `threshold` lies above `before` and not above `after`. A threshold of 0 has none.
fn is_passed(threshold: u64, before: u64, after: u64) -> bool {
    threshold > 0 && before / threshold < after / threshold
}

/// Who may run the command.
enum Turn {
    /// This process, as long as the lock lives. None where the lock file cannot be made: on a full disk, say.
    Ours(Option<File>),
    /// Another process, which looks at the counters again when its command has ended.
    Theirs,
}

/// The thread that raises alerts until there is nothing new to tell.
struct Raiser {
    journal: Journal,
    command: String,
    limits: Limits,
    /// The number of lost entries that the last alert knew of.
    told: u64,
    stop: Stop,
}

impl Raiser {
    fn run(mut self) {
        let journal = self.journal.clone();
        let alerts = journal.alerts();
        loop {
            while !self.stop.is_stopped() && self.is_due() {
                match self.take_turn() {
                    Turn::Ours(_lock) => self.raise(),
                    Turn::Theirs => break,
                }
            }
            let mut state = alerts.lock();
            if !state.again || self.stop.is_stopped() {
                *state = State::default();
                alerts.ended.notify_all();
                return;
            }
            state.again = false;
        }
    }

    fn is_due(&self) -> bool {
        let lost = self.journal.lost().unwrap_or(self.told);
        is_passed(self.limits.dead_letter_threshold, self.told, lost)
    }

    fn take_turn(&self) -> Turn {
        let taken = || -> Result<Turn> {
            let lock = self.journal.store().open(layout::ALERT_LOCK, Open::Create)?;
            Ok(if lock.try_lock_for_good()? { Turn::Ours(Some(lock)) } else { Turn::Theirs })
        };
        taken().unwrap_or(Turn::Ours(None))
    }

    fn raise(&mut self) {
        let reason = match self.run_command() {
            Ok(End::Exited(status)) if status.success() => return,
            Ok(End::Exited(status)) => failure(status),
            Ok(End::TimedOut) => format!("was still running after {} s and was ended", RUN_MAX.as_secs()),
            Ok(End::Stopped) => "was ended before it was done".to_owned(),
            Err(error) => format!("could not be run: {error}"),
        };
        let command = excerpt(self.command.as_bytes(), SHOWN_CHARS_MAX);
        self.journal.alerts().failed(&format!("the alert command {reason}: {command}"));
    }

    fn run_command(&mut self) -> io::Result<End> {
        // Whatever fails from here on, this loss is not told again.
        self.told = self.journal.lost().unwrap_or(u64::MAX);
        let stats = self.journal.stats().map_err(io::Error::other)?;
        self.told = self.told.max(stats.evicted.saturating_add(stats.dead_lettered));
        let text = alert_command::text(&self.journal, &self.limits, &stats, self.told)?;
        alert_command::run(&self.journal, &self.command, &text, RUN_MAX, &self.stop)
    }
}

fn failure(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("failed with exit code {code}"),
        None => format!("was killed ({status})"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::super::test_support::{Fixture, append, block};
    use super::super::{Appender, Durability, Settings};
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

    const LONG: Duration = Duration::from_secs(600);

    /// A journal that keeps one entry and raises an alert with each further one; what its command writes goes here.
    fn alerting(command: &str) -> (Fixture, Journal, PathBuf) {
        let (fixture, journal) = Fixture::new(&Settings {
            max_entries: Some(1),
            dead_letter_threshold: Some(1),
            ..Settings::default()
        });
        let outside = fixture.path.parent().unwrap().to_owned();
        let command = format!("cd '{}'; {command}", outside.display());
        let settings = Settings { alert_exec: Some(command), ..Settings::default() };
        drop(journal);
        let journal = Journal::open_or_create(&fixture.path, &settings).unwrap();
        (fixture, journal, outside)
    }

    /// Asks until the answer is there, for at most 20 seconds.
    fn until<T>(what: &str, mut question: impl FnMut() -> Option<T>) -> T {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(answer) = question() {
                return answer;
            }
            assert!(Instant::now() < end, "waited in vain for {what}");
            thread::yield_now();
        }
    }

    /// Entries that are appended one by one; the appender's handle of the journal is the given one.
    fn lose(journal: &Journal, count: u64) {
        let mut appender = Appender::open(journal).unwrap();
        for number in 0..count {
            appender.commit(&mut block([number.to_string()]), Durability::Sync).unwrap();
        }
    }

    #[test]
    fn one_command_runs_at_a_time_and_what_is_lost_meanwhile_is_told_in_one_more() {
        let go = "while ! test -e go; do sleep 0.01; done";
        let (fixture, journal, outside) =
            alerting(&format!("echo begin >> log; {go}; cat >> log; echo >> log; echo end >> log"));
        append(&journal, 1, 1);
        lose(&journal, 3);
        let log = outside.join("log");
        until("the first alert", || log.exists().then_some(()));
        // As another process does.
        let other = Journal::open(&fixture.path).unwrap();
        lose(&other, 5);
        other.finish_alerts(&Stop::never(), LONG);
        fs::write(outside.join("go"), "").unwrap();
        journal.finish_alerts(&Stop::never(), LONG);
        let log = fs::read_to_string(log).unwrap();
        let marks: Vec<_> = log.lines().filter(|line| !line.starts_with('{')).collect();
        assert_eq!(marks, ["begin", "end", "begin", "end"], "{log}");
        assert!(log.lines().rfind(|line| line.starts_with('{')).unwrap().contains("\"lost\":8,"), "{log}");
    }

    #[test]
    fn a_command_that_fails_is_reported_once() {
        let (_fixture, journal, _) = alerting("exit 3");
        let (reports, heard) = std::sync::mpsc::channel();
        journal.on_alert_failure(move |text| reports.send(text.to_owned()).unwrap());
        lose(&journal, 2);
        journal.finish_alerts(&Stop::never(), LONG);
        let heard: Vec<_> = heard.try_iter().collect();
        assert_eq!(heard.len(), 1, "{heard:?}");
        assert!(heard[0].contains("exit code 3"), "{heard:?}");
    }

    #[test]
    fn a_command_knows_its_journal_and_none_of_our_secrets() {
        let (fixture, journal, outside) = alerting("cat > told; env > env");
        lose(&journal, 2);
        journal.finish_alerts(&Stop::never(), LONG);
        let told = fs::read_to_string(outside.join("told")).unwrap();
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        assert_eq!(told["journal"].as_str(), fixture.path.to_str());
        assert_eq!(told["journal_id"], journal.id().to_string());
        assert_eq!((&told["limits"]["max_entries"], &told["threshold"]), (&1.into(), &1.into()));
        let env = fs::read_to_string(outside.join("env")).unwrap();
        for line in [
            format!("EDGESYNC_JOURNAL={}", fixture.path.display()),
            format!("EDGESYNC_JOURNAL_ID={}", journal.id()),
        ] {
            assert!(env.lines().any(|other| other == line), "{line} in {env}");
        }
    }

    #[test]
    fn a_command_that_hangs_ends_with_its_group_when_the_wait_for_it_is_over() {
        let (_fixture, journal, outside) =
            alerting("trap '' TERM; sleep 600 & echo $$ > pid; wait; sleep 600");
        lose(&journal, 2);
        let pid = until("the command", || {
            let pid = fs::read_to_string(outside.join("pid")).ok()?;
            pid.ends_with('\n').then(|| pid.trim().parse().unwrap())
        });
        journal.finish_alerts(&Stop::never(), Duration::ZERO);
        let group = rustix::process::Pid::from_raw(pid).unwrap();
        assert!(!journal.alerts().lock().running);
        // What was killed may have to be reaped by another process yet; then it is a zombie, and soon gone.
        let gone = || rustix::process::test_kill_process_group(group).is_err().then_some(());
        until("the whole group to end", gone);
    }
}
