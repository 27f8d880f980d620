//! What a buffer knows about itself.

use serde::Serialize;

use crate::journal::Stats;

/// The journal's counters, and what only the running program knows.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct BufferStats {
    /// The journal's own: the same that `edgesync stats` shows; they outlive the program where the buffer is on disk.
    #[serde(flatten)]
    pub journal: Stats,
    /// Entries that the disk has not taken and that are kept in memory, see
    /// [`OnDiskFailure::KeepInMemory`](super::OnDiskFailure::KeepInMemory). They are in none of the journal's counters.
    pub not_durable: u64,
    /// Whether the buffer delivers.
    pub online: bool,
}
