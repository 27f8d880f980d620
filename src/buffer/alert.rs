//! Tells the program that entries were lost: on a thread of its own, so that nobody waits for it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{OnceLock, Weak};
use std::thread;

use super::options::{AlertFailureCallback, ThresholdCallback};
use super::upload::message_of;
use super::{BufferStats, Shared};
use crate::error::{Error, Result};

/// Calls that may wait.
const CALLS_MAX: usize = 64;

/// Counts losses, and calls when they pass a multiple of the threshold.
#[derive(Default)]
pub(super) struct Alert {
    threshold: u64,
    calls: OnceLock<SyncSender<()>>,
}

impl Alert {
    pub fn new(threshold: u64) -> Self {
        Self { threshold, calls: OnceLock::new() }
    }

    /// Starts the thread; it ends with this alert. Until then nothing is called.
    pub fn start(&self, callback: ThresholdCallback, shared: Weak<Shared>) -> Result<()> {
        let (calls, wanted) = sync_channel(CALLS_MAX);
        let work = move || {
            for () in wanted {
                let Some(stats) = shared.upgrade().and_then(|shared| shared.stats().ok()) else { continue };
                call(&callback, &stats);
            }
        };
        let thread = thread::Builder::new().name("edgesync-alert".into());
        thread.spawn(work).map_err(Error::io("start a thread for", "the dead-letter callback"))?;
        // Started once.
        let _ = self.calls.set(calls);
        Ok(())
    }

    /// The number of lost entries at which the next call is due, given how many there are.
    pub fn due_after(&self, lost: u64) -> u64 {
        match self.threshold {
            0 => u64::MAX,
            threshold => (lost / threshold + 1).saturating_mul(threshold),
        }
    }

    /// So many entries are lost now, which passes a multiple.
    pub fn raise(&self, lost: u64) {
        tracing::warn!(lost, threshold = self.threshold, "entries were lost");
        if let Some(Err(TrySendError::Full(()))) = self.calls.get().map(|calls| calls.try_send(())) {
            tracing::warn!("the dead-letter callback is slow: a call was left out");
        }
    }
}

/// Says that the journal's alert command has failed. On that command's thread, which a panic must not end.
pub(super) fn report_failure(callback: &AlertFailureCallback, failure: &str) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| callback(failure))) {
        tracing::error!(reason = message_of(&*panic), "the callback for failed alerts panicked");
    }
}

fn call(callback: &ThresholdCallback, stats: &BufferStats) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| callback(stats))) {
        tracing::error!(reason = message_of(&*panic), "the dead-letter callback panicked");
    }
}
