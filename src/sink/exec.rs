//! Delivery to a command.
//!
//! One `sh -c COMMAND` a batch, the body on its stdin and what the batch is in its environment. Entry bytes never reach a
//! command line. The command has a process group of its own, so that it can be ended with all it started; when
//! it exits, what it left running in the background is left alone. When a signal kills it, what it has started is ended.
//!
//! Should we be killed, the command goes on. So it has the whole body from the start (`command/stdin.rs`), and holds a lock
//! ([`ExecLock`]) by which whoever delivers next knows that it may still deliver.

use std::io;
use std::ops::RangeInclusive;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use command_fds::CommandFdExt as _;
use tokio::process::{Child, Command};
use tokio::runtime::{Builder, Runtime};
use tokio::time::sleep;

use super::{Batch, Outcome, Sink};
use crate::command::{end_group, set_environment, stdin_of};
use crate::exec_lock::{ExecLock, Hold};
use crate::stop::Stop;

/// How long a command that is asked to end has before it is killed, and a killed one before it is given up.
const GRACE: Duration = Duration::from_secs(2);

/// The command has its lock open under a number of at least this: scripts use the low ones for redirections of their own, and
/// would close it so.
const LOCK_NUMBER_MIN: i32 = 100;

/// EX_DATAERR of sysexits.h: the command will never take this input.
const EX_DATAERR: i32 = 65;

/// The exit codes by which a shell says that a signal has killed what it ran: 128 and the signal's number.
const KILLED_BY_A_SIGNAL: RangeInclusive<i32> = 129..=128 + 64;

/// What an [`ExecSink`] runs.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ExecOptions {
    /// The command, for `sh -c`.
    pub command: String,
    /// How long one batch may take; 30 s by default. Then the command is ended with its process group.
    pub timeout: Duration,
    /// Ends a running command early.
    pub stop: Stop,
}

impl ExecOptions {
    /// A command with the default time-out, which nothing ends early.
    pub fn new(command: impl Into<String>) -> Self {
        Self { command: command.into(), timeout: Duration::from_secs(30), stop: Stop::never() }
    }
}

/// Delivers each batch to a run of a shell command.
///
/// | exit code | outcome |
/// | --- | --- |
/// | 0 | delivered, whether or not it read its stdin |
/// | 65 | refused |
/// | 126, 127 | wrong set-up: not executable, not found |
/// | 75 and any other, a signal, the time-out | later |
///
/// The body on stdin is a file that is complete before the command starts: it has the whole batch or nothing, also if this process
/// is killed. What insists on a pipe does not take it (Python's asyncio `connect_read_pipe`); `cat |` before it makes it one.
///
/// Of the environment the command has all but this process's own `EDGESYNC_` variables, several of which hold secrets. If it
/// delivers from a journal on disk, `EDGESYNC_JOURNAL` is the absolute path of that journal; otherwise it has no such variable.
///
/// If a signal kills the command, or what the command runs last (exit code 129 to 192), what it has started is ended as after the
/// time-out: it could otherwise deliver after the next attempt.
///
/// Blocking, on a runtime of its own: not to be used from async code but through `spawn_blocking`.
#[derive(Debug)]
pub struct ExecSink {
    options: ExecOptions,
    grace: Duration,
    runtime: Runtime,
    /// What commands hold, if they deliver from a journal.
    lock: Option<ExecLock>,
}

/// How a run of the command came to its end.
enum End {
    Exited(io::Result<ExitStatus>),
    TimedOut,
    Stopped,
}

impl ExecSink {
    /// Makes ready to run the command; runs nothing yet.
    ///
    /// # Errors
    /// `InvalidInput` if the command is blank or has a NUL byte, or what the system says when it has no
    /// resources for the runtime.
    pub fn new(options: ExecOptions) -> io::Result<Self> {
        if options.command.trim().is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the command is empty"));
        }
        if options.command.contains('\0') {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the command contains a NUL byte"));
        }
        // tokio panics where it finds no descriptors for its signal pipe: too few are found out before.
        (0..4).map(|_| UnixStream::pair()).collect::<io::Result<Vec<_>>>()?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(Self { options, grace: GRACE, runtime, lock: None })
    }

    async fn run(&self, batch: &Batch, attempt: u32) -> Outcome {
        if self.options.stop.is_stopped() {
            return later("stopped before the command was started");
        }
        let hold = match self.lock.as_ref().map(|lock| lock.take(self.options.timeout)).transpose() {
            Ok(hold) => hold.flatten(),
            Err(error) => return later(error.to_string()),
        };
        let mut child = match self.spawn(batch, attempt, hold.as_ref()) {
            Ok(child) => child,
            Err(outcome) => return outcome,
        };
        // It has none any more once it was reaped.
        let number = child.id();
        let end = tokio::select! {
            biased;
            status = child.wait() => End::Exited(status),
            () = self.options.stop.stopped() => End::Stopped,
            () = sleep(self.options.timeout) => End::TimedOut,
        };
        let outcome = match end {
            End::Exited(Ok(status)) if !is_killed(status) => return outcome_of(status),
            End::Exited(Ok(status)) => outcome_of(status),
            End::Exited(Err(error)) => later(format!("lost touch with the command: {error}")),
            End::TimedOut => {
                let limit = self.options.timeout;
                later(format!("the command was still running after {limit:?} and was ended"))
            }
            End::Stopped => later("stopped before the command was done; it was ended"),
        };
        // This blocks the runtime, which has nothing else to do.
        if let Some(number) = number {
            end_group(number, self.grace, || !matches!(child.try_wait(), Ok(None)));
        }
        // Of a command that did not end by itself, what has left its group, or cannot be ended now, may still deliver.
        if let Some(hold) = hold {
            hold.leave();
        }
        outcome
    }

    /// Starts the command; or says why not.
    fn spawn(&self, batch: &Batch, attempt: u32, hold: Option<&Hold>) -> Result<Child, Outcome> {
        let cannot_prepare = |error| later(format!("cannot prepare the command's input: {error}"));
        let body = stdin_of(&batch.body).map_err(cannot_prepare)?;
        let mut sh = command(&self.options.command, body);
        set_environment(sh.as_std_mut(), hold.and_then(Hold::journal), batch.journal);
        set_batch(&mut sh, batch, attempt);
        let lock = hold.map(|hold| hold.descriptor(LOCK_NUMBER_MIN)).transpose().map_err(cannot_prepare)?;
        sh.as_std_mut().preserved_fds(lock.flatten().into_iter().collect());
        sh.spawn().map_err(|error| spawn_failed(&error))
    }
}

impl Sink for ExecSink {
    fn send(&mut self, batch: &Batch, attempt: u32) -> Outcome {
        self.runtime.block_on(self.run(batch, attempt))
    }

    fn guard(&mut self, lock: ExecLock) {
        self.lock = Some(lock);
    }
}

/// The command as it is run. Every file of ours is opened close-on-exec (its lock's flag is taken off between fork and exec, in the
/// child alone, so that no other child inherits it), and the standard library gives the child
/// back the default SIGPIPE and an empty signal mask, so that it starts as from a shell.
fn command(command: &str, body: OwnedFd) -> Command {
    let mut sh = Command::new("sh");
    // The shell stays, to hold the lock: without something to do afterwards it would become the last command, which may close
    // all descriptors that it does not know (ssh does).
    let script = format!("{command}\n\nexit $?\n");
    sh.arg("-c")
        .arg(script)
        .stdin(Stdio::from(body))
        .stdout(Stdio::inherit())
        .stderr(Stdio::inherit())
        .process_group(0);
    sh
}

/// Says in the command's environment which batch it is.
fn set_batch(sh: &mut Command, batch: &Batch, attempt: u32) {
    sh.env("EDGESYNC_FIRST_SEQ", batch.first.to_string())
        .env("EDGESYNC_LAST_SEQ", batch.last.to_string())
        .env("EDGESYNC_PREV_SEQ", batch.previous.map_or(0, |seq| seq.get()).to_string())
        .env("EDGESYNC_COUNT", batch.count().to_string())
        .env("EDGESYNC_ATTEMPT", attempt.to_string())
        .env("EDGESYNC_IDEMPOTENCY_KEY", batch.idempotency_key());
    if let Some(former) = &batch.former {
        sh.env("EDGESYNC_FORMER_JOURNAL", former.id.to_string())
            .env("EDGESYNC_FORMER_LAST_SEQ", former.last.map_or(0, |seq| seq.get()).to_string());
    }
}

/// Whether a signal has killed the command, or, as far as its shell can say, what it ran last. Then nothing has waited for what
/// that had started, which may still deliver.
fn is_killed(status: ExitStatus) -> bool {
    status.code().is_none_or(|code| KILLED_BY_A_SIGNAL.contains(&code))
}

fn spawn_failed(error: &io::Error) -> Outcome {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied | io::ErrorKind::ArgumentListTooLong => {
            Outcome::WrongSetup {
                reason: format!("cannot run sh: {error}; check PATH and the command's length"),
            }
        }
        _ => later(format!("cannot start sh now: {error}")),
    }
}

/// What an exit says about the batch.
fn outcome_of(status: ExitStatus) -> Outcome {
    match status.code() {
        Some(0) => Outcome::Delivered { through: None },
        Some(EX_DATAERR) => Outcome::Refused {
            status: EX_DATAERR as u16,
            reason: "the command exited with 65 (EX_DATAERR)".into(),
        },
        Some(126) => Outcome::WrongSetup {
            reason: "the command cannot be executed (exit code 126); check its file mode and its first line"
                .into(),
        },
        Some(127) => Outcome::WrongSetup {
            reason: "the command was not found (exit code 127); check its spelling and PATH".into(),
        },
        Some(75) => later("the command asked to try later (exit code 75)"),
        Some(code) => later(format!("the command failed with exit code {code}")),
        None => later(format!("the command was killed ({status})")),
    }
}

fn later(reason: impl Into<String>) -> Outcome {
    Outcome::Later { reason: reason.into(), retry_after: None }
}

#[cfg(test)]
mod tests;
