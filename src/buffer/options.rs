//! How a buffer is set up.

use std::fmt;
use std::path::PathBuf;

use super::BufferStats;

/// Entries that may wait where nothing else is said.
pub(super) const CAPACITY: u64 = 100_000;

/// Called when the entries lost pass a multiple of the threshold.
pub(super) type ThresholdCallback = Box<dyn Fn(&BufferStats) + Send>;

/// Called with one line for people when the journal's alert command has failed.
pub(super) type AlertFailureCallback = Box<dyn Fn(&str) + Send + Sync>;

/// What [`Buffer::write`](super::Buffer::write) does when the disk does not take an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnDiskFailure {
    /// It returns an error that hands the item back. After a failed flush the buffer takes nothing more until it is opened
    /// again: nobody knows what the disk holds then.
    #[default]
    ReturnItem,
    /// The entry stays in memory behind all earlier ones, is counted in [`BufferStats::not_durable`], and is written, in
    /// its turn, once the disk works again; that is tried once a second at most. It is not delivered before, and a crash
    /// loses it. Memory holds `max_capacity` such entries and 256 MiB; beyond that `write` is an error again.
    KeepInMemory,
}

/// How a buffer is set up. The default is 100,000 entries in memory.
pub struct BufferOptions {
    /// None: as the journal says, or [`CAPACITY`] if it is made now.
    pub(super) max_capacity: Option<u64>,
    pub(super) batch_size: u64,
    pub(super) refusals_max: u64,
    pub(super) persist_path: Option<PathBuf>,
    pub(super) dead_letter_threshold: u64,
    pub(super) on_disk_failure: OnDiskFailure,
    pub(super) on_threshold: Option<ThresholdCallback>,
    pub(super) on_alert_failure: Option<AlertFailureCallback>,
}

impl Default for BufferOptions {
    fn default() -> Self {
        Self {
            max_capacity: None,
            batch_size: 500,
            refusals_max: 10,
            persist_path: None,
            dead_letter_threshold: 1_000,
            on_disk_failure: OnDiskFailure::ReturnItem,
            on_threshold: None,
            on_alert_failure: None,
        }
    }
}

impl BufferOptions {
    /// The defaults, in a journal directory at `path`: made if it is not there, otherwise gone on with. Its parent must exist.
    pub fn with_persistence(path: impl Into<PathBuf>) -> Self {
        Self { persist_path: Some(path.into()), ..Self::default() }
    }

    /// Entries that may wait, at least 1; default 100,000. One more, and the oldest is evicted. On disk this becomes
    /// the journal's own limit, for all its writers, at once: where more entries wait already, the oldest of them are evicted.
    /// Without it a journal that is there keeps the limit that it has. That of its bytes (1 GiB unless set with `edgesync init`)
    /// holds as well.
    #[must_use]
    pub fn max_capacity(mut self, entries: u64) -> Self {
        self.max_capacity = Some(entries);
        self
    }

    /// Entries in a batch, at most, and at least 1; default 500. A batch also has no more than 1 MiB, or one entry.
    #[must_use]
    pub fn batch_size(mut self, entries: u64) -> Self {
        self.batch_size = entries;
        self
    }

    /// A receiver that refuses this many entries in a row, with none accepted in between, refuses everything: delivery stops,
    /// and asks about one entry each time that it is tried again; default 10; 0 is no limit. See
    /// [`ReplayOptions::refusals_max`](crate::ReplayOptions::refusals_max).
    #[must_use]
    pub fn refusals_max(mut self, entries: u64) -> Self {
        self.refusals_max = entries;
        self
    }

    /// Each time the entries lost (evicted, or refused for good) pass a multiple of this, the callback is called;
    /// default 1,000; 0 turns it off.
    #[must_use]
    pub fn dead_letter_threshold(mut self, entries: u64) -> Self {
        self.dead_letter_threshold = entries;
        self
    }

    /// What to call then. It runs on a thread of its own: however slow it is, and if it panics, no write and no delivery
    /// waits or fails. While 64 calls wait, further ones are left out.
    #[must_use]
    pub fn on_dead_letter_threshold(mut self, callback: impl Fn(&BufferStats) + Send + 'static) -> Self {
        self.on_threshold = Some(Box::new(callback));
        self
    }

    /// What to call when the alert command of a journal on disk (`edgesync init --alert-exec`) fails or is ended: one line for
    /// people. It runs on a thread of its own; if it panics, nothing fails. Without it the failure is only a `tracing` event.
    #[must_use]
    pub fn on_alert_failure(mut self, callback: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.on_alert_failure = Some(Box::new(callback));
        self
    }

    /// What becomes of entries that the disk does not take; default [`OnDiskFailure::ReturnItem`].
    #[must_use]
    pub fn on_disk_failure(mut self, policy: OnDiskFailure) -> Self {
        self.on_disk_failure = policy;
        self
    }
}

impl fmt::Debug for BufferOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("BufferOptions")
            .field("max_capacity", &self.max_capacity)
            .field("batch_size", &self.batch_size)
            .field("refusals_max", &self.refusals_max)
            .field("persist_path", &self.persist_path)
            .field("dead_letter_threshold", &self.dead_letter_threshold)
            .field("on_disk_failure", &self.on_disk_failure)
            .finish_non_exhaustive()
    }
}
