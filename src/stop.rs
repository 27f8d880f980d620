//! A token that says "somebody asked to stop".
//!
//! Whoever hears the request (a signal handler, an embedding program) holds the [`Stopper`]; whatever blocks holds a
//! [`Stop`] and waits on it beside its own business: in a future, in `poll`, or for a while.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::sync::watch;

/// Asks every [`Stop`] of its pair to stop. Once asked there is no way back.
#[derive(Debug, Clone)]
pub struct Stopper(Arc<Shared>);

/// Knows whether somebody asked to stop. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Stop(Option<Arc<Shared>>);

#[derive(Debug)]
struct Shared {
    since: watch::Sender<Option<Instant>>,
    /// Holds one byte once stopped, which nobody reads: it stays readable for good.
    read_end: OwnedFd,
    /// Kept open even when the `Stopper` is gone, since a closed write end would make the other one look readable.
    write_end: OwnedFd,
}

impl Stopper {
    /// Asks to stop. Safe from any thread; asking again changes nothing.
    pub fn stop(&self) {
        let first = self.0.since.send_if_modified(|since| {
            let first = since.is_none();
            since.get_or_insert_with(Instant::now);
            first
        });
        if first {
            // One byte into an empty pipe of which we hold both ends cannot fail otherwise.
            let _ = retry_on_intr(|| rustix::io::write(&self.0.write_end, b"!"));
        }
    }
}

impl Stop {
    /// A stopper and its token.
    ///
    /// # Errors
    /// The process has no file descriptors left for a pipe.
    pub fn pair() -> io::Result<(Stopper, Self)> {
        let (read_end, write_end) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        let shared = Arc::new(Shared { since: watch::Sender::new(None), read_end, write_end });
        Ok((Stopper(Arc::clone(&shared)), Self(Some(shared))))
    }

    /// A token that nobody will ever use, for callers without signals.
    pub fn never() -> Self {
        Self(None)
    }

    /// Whether somebody asked to stop.
    pub fn is_stopped(&self) -> bool {
        self.stopped_at().is_some()
    }

    /// When somebody first asked to stop.
    pub fn stopped_at(&self) -> Option<Instant> {
        *self.0.as_ref()?.since.borrow()
    }

    /// Blocks for `duration`, or until somebody asks to stop. Returns whether somebody did.
    pub fn wait(&self, duration: Duration) -> bool {
        let Some(shared) = &self.0 else {
            thread::sleep(duration);
            return false;
        };
        let start = Instant::now();
        while !self.is_stopped() {
            let left = duration.saturating_sub(start.elapsed());
            if left.is_zero() {
                return false;
            }
            // A duration too long for the system is one without end; a signal only ends this round early.
            let timeout = Timespec::try_from(left).ok();
            let _ = poll(&mut [PollFd::new(&shared.read_end, PollFlags::IN)], timeout.as_ref());
        }
        true
    }

    /// Completes when somebody asks to stop.
    pub async fn stopped(&self) {
        if let Some(shared) = &self.0
            && shared.since.subscribe().wait_for(Option::is_some).await.is_ok()
        {
            return;
        }
        std::future::pending().await
    }

    /// A descriptor that becomes readable, for good, once somebody asks to stop: to be polled, never to be read.
    /// None for [`Stop::never`].
    pub fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.0.as_ref().map(|shared| shared.read_end.as_fd())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readable(stop: &Stop) -> bool {
        let fd = stop.as_fd().unwrap();
        poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap() == 1
    }

    #[test]
    fn nothing_is_stopped_until_somebody_asks() {
        let (stopper, stop) = Stop::pair().unwrap();
        assert!(!stop.is_stopped() && !readable(&stop));
        assert!(!stop.wait(Duration::from_millis(1)));
        drop(stopper);
        assert!(!stop.is_stopped() && !readable(&stop), "losing the stopper is not asking to stop");
    }

    #[test]
    fn asking_reaches_every_clone_and_lasts() {
        let (stopper, stop) = Stop::pair().unwrap();
        let clone = stop.clone();
        stopper.stop();
        let since = stop.stopped_at();
        stopper.clone().stop();
        for stop in [&stop, &clone] {
            assert!(stop.is_stopped() && readable(stop) && readable(stop));
            assert!(stop.wait(Duration::from_secs(3600)));
            assert_eq!(stop.stopped_at(), since, "the first request counts");
        }
    }

    #[test]
    fn a_wait_ends_at_once_when_somebody_asks_from_another_thread() {
        let (stopper, stop) = Stop::pair().unwrap();
        let waiting = thread::spawn(move || stop.wait(Duration::MAX));
        stopper.stop();
        assert!(waiting.join().unwrap());
    }

    #[test]
    fn a_future_completes_when_somebody_asks() {
        let (stopper, stop) = Stop::pair().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let early = tokio::time::timeout(Duration::from_millis(1), stop.stopped()).await;
            assert!(early.is_err());
            let asking = thread::spawn(move || stopper.stop());
            stop.stopped().await;
            stop.stopped().await;
            asking.join().unwrap();
        });
    }

    #[test]
    fn never_is_never() {
        let stop = Stop::never();
        assert!(!stop.is_stopped() && stop.as_fd().is_none());
        assert!(!stop.wait(Duration::from_millis(1)));
    }
}
