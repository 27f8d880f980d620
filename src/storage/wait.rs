//! Waiting for a lock, unless somebody asks to stop.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use super::StorageFile;
use super::interrupted::again;
use crate::stop::Stop;

/// How long a wait goes on once it was asked to stop. Others hold a lock for one commit, so what was read or delivered before can
/// usually still be recorded; a process that was stopped in the middle of its work can hold it for ever.
const GRACE: Duration = Duration::from_secs(2);

/// How often it is looked whether somebody has asked.
const POLL: Duration = Duration::from_millis(20);

/// Takes the exclusive lock, waiting for it if need be. False if the wait was given up: then the file must not be locked again,
/// since the lock may still come, for a moment.
///
/// A blocked flock(2) cannot be called off from another thread, and asking again and again would let others push in; so a
/// thread does the waiting that can be left behind.
pub(super) fn lock(file: &Arc<dyn StorageFile>, stop: &Stop) -> io::Result<bool> {
    if again(|| file.try_lock())? {
        return Ok(true);
    }
    if stop.as_fd().is_none() {
        return again(|| file.lock()).map(|()| true);
    }
    // No room in it: either the lock is handed over, or its waiter learns that nobody wants it any more.
    let (hand_over, handed_over) = sync_channel(0);
    let waiting = Arc::clone(file);
    let wait = move || {
        if let Err(unwanted) = hand_over.send(again(|| waiting.lock()))
            && unwanted.0.is_ok()
        {
            let _ = waiting.unlock();
        }
    };
    if thread::Builder::new().name("lock".into()).spawn(wait).is_err() {
        // The system has no thread to give: better a wait that cannot be called off than none.
        return again(|| file.lock()).map(|()| true);
    }
    while stop.stopped_at().is_none_or(|since| since.elapsed() < GRACE) {
        match handed_over.recv_timeout(POLL) {
            Ok(locked) => return locked.map(|()| true),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(io::Error::other("the waiting thread is gone"));
            }
        }
    }
    Ok(false)
}
