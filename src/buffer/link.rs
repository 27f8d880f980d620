//! Whether there is a connection, what is to be delivered, and who waits for it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::completion::{Completer, Completion};
use crate::error::{Error, Result};
use crate::replay::{ReplayReport, RunEnd};
use crate::stop::{Stop, Stopper};

/// After an error of the journal, or while another process delivers, the next attempt comes this much later.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Between the program and the delivering thread.
#[derive(Default)]
pub(super) struct Link {
    /// Changed under the lock only; read without it.
    online: AtomicBool,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Grows with every word from the program, so that a run that began before it does not overrule it.
    epoch: u64,
    /// Whether something may be pending that no run has looked at.
    dirty: bool,
    /// Ends the run under way.
    stopper: Option<Stopper>,
    requests: Vec<Completer<ReplayReport>>,
    not_before: Option<Instant>,
    closed: bool,
    /// The delivering thread has ended.
    ended: bool,
    closers: Vec<(Completer<()>, Result<()>)>,
}

/// A run to be made.
pub(super) struct Job {
    pub stop: Stop,
    epoch: u64,
    requests: Vec<Completer<ReplayReport>>,
}

impl Link {
    pub fn is_online(&self) -> bool {
        self.online.load(Ordering::SeqCst)
    }

    /// The program says that there is a connection.
    pub fn restored(&self) -> Completion<ReplayReport> {
        let (completer, completion) = Completion::pair();
        let mut state = self.lock();
        if state.closed {
            // Dropped by the caller, or heard.
            let _ = completer.send(Err(Error::Closed));
            return completion;
        }
        state.epoch += 1;
        state.requests.push(completer);
        if !self.online.swap(true, Ordering::SeqCst) {
            tracing::info!("connectivity restored");
        }
        self.changed.notify_all();
        completion
    }

    /// The program says that there is none. A run under way ends.
    pub fn lost(&self) {
        let mut state = self.lock();
        state.epoch += 1;
        state.dirty = true;
        if self.online.swap(false, Ordering::SeqCst) {
            tracing::info!("connectivity lost");
        }
        if let Some(stopper) = &state.stopper {
            stopper.stop();
        }
        let requests = std::mem::take(&mut state.requests);
        drop(state);
        for request in requests {
            let _ = request.send(Ok(nothing(RunEnd::Stopped)));
        }
    }

    /// Something was written.
    pub fn written(&self) {
        if self.is_online() {
            let mut state = self.lock();
            if !state.dirty {
                state.dirty = true;
                self.changed.notify_all();
            }
        }
    }

    /// Ends the delivering thread as soon as that can be done; hands over what the last flush came to.
    pub fn close(&self, flushed: Result<()>) -> Completion<()> {
        let (completer, completion) = Completion::pair();
        let mut state = self.lock();
        if state.ended {
            let _ = completer.send(flushed);
            return completion;
        }
        state.closed = true;
        state.closers.push((completer, flushed));
        self.online.store(false, Ordering::SeqCst);
        if let Some(stopper) = &state.stopper {
            stopper.stop();
        }
        self.changed.notify_all();
        completion
    }

    /// The delivering thread waits for something to do. None: the buffer was closed.
    pub fn next_job(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            let wait = match state.not_before.map(|at| at.saturating_duration_since(Instant::now())) {
                Some(left) if state.requests.is_empty() => left,
                _ => Duration::ZERO,
            };
            let wanted = self.is_online() && (state.dirty || !state.requests.is_empty());
            if wanted && wait.is_zero() {
                return Some(self.begin(&mut state));
            }
            state = if wanted {
                self.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0
            } else {
                self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
            };
        }
    }

    fn begin(&self, state: &mut State) -> Job {
        state.dirty = false;
        state.not_before = None;
        // Without file descriptors a run cannot be stopped early, but for that it goes its way.
        let stop = match Stop::pair() {
            Ok((stopper, stop)) => {
                state.stopper = Some(stopper);
                stop
            }
            Err(_) => Stop::never(),
        };
        Job { stop, epoch: state.epoch, requests: std::mem::take(&mut state.requests) }
    }

    /// The delivering thread tells what a run came to.
    pub fn finish(&self, job: Job, result: Result<ReplayReport>) {
        let mut state = self.lock();
        state.stopper = None;
        match &result {
            Ok(report) => match &report.end {
                RunEnd::Drained => {}
                RunEnd::Stopped => state.dirty = true,
                RunEnd::Later { reason } => {
                    tracing::warn!(reason, remaining = report.remaining, "the upload failed");
                    self.go_offline(&mut state, job.epoch);
                }
                RunEnd::WrongSetup { reason }
                | RunEnd::Refused { reason }
                | RunEnd::RefusesAll { reason, .. }
                | RunEnd::Unacknowledged { reason } => {
                    tracing::error!(reason, remaining = report.remaining, "delivery stopped");
                    self.go_offline(&mut state, job.epoch);
                }
            },
            Err(error) => {
                tracing::error!(%error, "nothing delivered");
                state.dirty = true;
                state.not_before = Instant::now().checked_add(RETRY_INTERVAL);
            }
        }
        drop(state);
        // Those who do not wait any more do not hear it.
        for request in job.requests {
            let _ = request.send(match &result {
                Ok(report) => Ok(report.clone()),
                Err(error) => Err(error.again()),
            });
        }
    }

    /// Has another run made after a while, though nothing is written.
    pub fn try_again(&self) {
        let mut state = self.lock();
        state.dirty = true;
        state.not_before = Instant::now().checked_add(RETRY_INTERVAL);
    }

    fn go_offline(&self, state: &mut State, epoch: u64) {
        state.dirty = true;
        if state.epoch == epoch && self.online.swap(false, Ordering::SeqCst) {
            tracing::info!("gone offline");
        }
    }

    /// The delivering thread has ended.
    pub fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        state.closed = true;
        let closers = std::mem::take(&mut state.closers);
        let requests = std::mem::take(&mut state.requests);
        drop(state);
        for request in requests {
            let _ = request.send(Err(Error::Closed));
        }
        for (closer, flushed) in closers {
            let _ = closer.send(flushed);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The report of a run that was not made.
fn nothing(end: RunEnd) -> ReplayReport {
    ReplayReport {
        delivered: 0,
        dead_lettered: 0,
        dead_letter_statuses: Vec::new(),
        damaged: 0,
        evicted: 0,
        remaining: 0,
        end,
    }
}
