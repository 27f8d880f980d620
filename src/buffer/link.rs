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
/// So often an idle buffer looks whether others have written: seldom enough to cost a small machine nothing, often enough
/// that nobody waits for it.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// Between the program and the delivering thread.
pub(super) struct Link {
    /// Whether others can write to the journal, so that the delivering thread has to look.
    shared: bool,
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
    requests: Vec<Request>,
    not_before: Option<Instant>,
    look_at: Option<Instant>,
    closed: bool,
    /// The delivering thread has ended.
    ended: bool,
    closers: Vec<(Completer<()>, Result<()>)>,
}

/// Somebody waits for what a run comes to.
pub(super) type Request = Completer<ReplayReport>;

/// A run to be made.
pub(super) struct Job {
    pub stop: Stop,
    epoch: u64,
    requests: Vec<Request>,
}

/// What the delivering thread does next.
#[derive(Debug, PartialEq)]
enum Next {
    End,
    Run,
    Look,
    /// For so long, or until something changes.
    Wait(Option<Duration>),
}

impl State {
    fn next(&self, online: bool, shared: bool, now: Instant) -> Next {
        let left = |at: Option<Instant>| at.map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        if self.closed {
            return Next::End;
        }
        if !online {
            return Next::Wait(None);
        }
        let (due, next) = if !self.requests.is_empty() {
            return Next::Run;
        } else if self.dirty {
            (left(self.not_before), Next::Run)
        } else if shared {
            (left(self.look_at), Next::Look)
        } else {
            return Next::Wait(None);
        };
        if due.is_zero() { next } else { Next::Wait(Some(due)) }
    }
}

impl Link {
    /// `shared`: whether others can write to the journal.
    pub fn new(shared: bool) -> Self {
        let (online, state, changed) = Default::default();
        Self { shared, online, state, changed }
    }

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

    /// The program says that there is none. A run under way ends; those who waited for one that has not begun are handed back.
    #[must_use]
    pub fn lost(&self) -> Vec<Request> {
        let mut state = self.lock();
        state.epoch += 1;
        state.dirty = true;
        if self.online.swap(false, Ordering::SeqCst) {
            tracing::info!("connectivity lost");
        }
        if let Some(stopper) = &state.stopper {
            stopper.stop();
        }
        std::mem::take(&mut state.requests)
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

    /// Ends the delivering thread as soon as that can be done; hands over what the last flush came to. Hands back those who
    /// waited for a run that has not begun.
    pub fn close(&self, flushed: Result<()>) -> (Completion<()>, Vec<Request>) {
        let (completer, completion) = Completion::pair();
        let mut state = self.lock();
        if state.ended {
            let _ = completer.send(flushed);
            return (completion, Vec::new());
        }
        state.closed = true;
        state.closers.push((completer, flushed));
        self.online.store(false, Ordering::SeqCst);
        if let Some(stopper) = &state.stopper {
            stopper.stop();
        }
        self.changed.notify_all();
        (completion, std::mem::take(&mut state.requests))
    }

    /// The delivering thread waits for something to do, and looks now and then whether others have written. None: the buffer
    /// was closed.
    pub fn next_job(&self, others_wrote: impl Fn() -> bool) -> Option<Job> {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            state = match state.next(self.is_online(), self.shared, now) {
                Next::End => return None,
                Next::Run => return Some(self.begin(&mut state)),
                Next::Look => {
                    state.look_at = now.checked_add(LOOK_INTERVAL);
                    drop(state);
                    let wrote = others_wrote();
                    let mut state = self.lock();
                    state.dirty |= wrote;
                    state
                }
                Next::Wait(Some(time)) => {
                    self.changed.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner).0
                }
                Next::Wait(None) => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
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
        state.look_at = Instant::now().checked_add(LOOK_INTERVAL);
        match &result {
            Ok(report) => match &report.end {
                RunEnd::Drained => {}
                RunEnd::Stopped => state.dirty = true,
                RunEnd::Later { reason } | RunEnd::Suspicious { reason } => {
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
            // It does our work. Whatever it leaves is found when we look.
            Err(error @ (Error::Busy { .. } | Error::CommandRuns { .. })) => {
                tracing::debug!(%error, "nothing delivered");
                state.look_at = Instant::now().checked_add(RETRY_INTERVAL);
                state.not_before = state.look_at;
            }
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
        self.online.store(false, Ordering::SeqCst);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_buffer_that_is_online_and_idle_looks_for_what_others_wrote() {
        let now = Instant::now();
        let soon = now.checked_add(LOOK_INTERVAL);
        let idle = State { look_at: soon, ..State::default() };
        assert_eq!(idle.next(false, true, now), Next::Wait(None), "offline it sleeps");
        assert_eq!(idle.next(true, false, now), Next::Wait(None), "nobody else writes to its memory");
        assert_eq!(idle.next(true, true, now), Next::Wait(Some(LOOK_INTERVAL)));
        assert_eq!(idle.next(true, true, soon.unwrap()), Next::Look);
        let dirty = State { dirty: true, ..State::default() };
        assert_eq!(dirty.next(true, true, now), Next::Run);
        let failed = State { not_before: soon, ..dirty };
        assert_eq!(
            failed.next(true, true, now),
            Next::Wait(Some(LOOK_INTERVAL)),
            "not too soon after an error"
        );
        let closed = State { closed: true, ..failed };
        assert_eq!(closed.next(true, true, now), Next::End);
    }
}
