//! Stand-in until the real one is merged.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Mutex;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// A request to stop.
#[derive(Debug)]
pub struct Stop {
    read: OwnedFd,
    write: Mutex<Option<OwnedFd>>,
}

impl Stop {
    /// Not stopped yet.
    pub fn new() -> std::io::Result<Self> {
        let (read, write) = rustix::pipe::pipe()?;
        Ok(Self { read, write: Mutex::new(Some(write)) })
    }

    /// Asks for it.
    pub fn stop(&self) {
        if let Ok(mut write) = self.write.lock() {
            write.take();
        }
    }

    /// Whether it was asked for.
    pub fn is_stopped(&self) -> bool {
        self.wait(Duration::ZERO)
    }

    /// Waits that long, or until it is asked for; says which.
    pub fn wait(&self, time: Duration) -> bool {
        let time = Timespec { tv_sec: time.as_secs() as i64, tv_nsec: i64::from(time.subsec_nanos()) };
        let mut fds = [PollFd::new(&self.read, PollFlags::IN)];
        poll(&mut fds, Some(&time)).is_ok_and(|ready| ready > 0)
    }
}

impl AsFd for Stop {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.read.as_fd()
    }
}
