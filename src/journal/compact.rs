//! Giving back the space of entries that were dealt with: whole files, oldest first. Nothing is rewritten, since
//! flash wears out.

use super::cursor::CursorFile;
use super::tail::Tail;
use super::tail_mark::TailMark;
use super::{Appender, Journal, layout, segments};
use crate::error::Result;
use crate::record::Seq;
use crate::storage::Open;

/// What a compaction gave back, or would.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Compaction {
    /// Segment files.
    pub segments: u64,
    /// The entries' share of the sequence.
    pub entries: u64,
    /// Bytes.
    pub bytes: u64,
}

pub(crate) fn compact(journal: &Journal, dry_run: bool) -> Result<Compaction> {
    let before = dealt_with(journal)?;
    if dry_run || before.segments == 0 {
        return Ok(before);
    }
    Appender::open(journal)?.reclaim()?;
    Ok(before)
}

/// What there is to give back: sealed segments below the cursor, and the active one if nothing in it is pending.
fn dealt_with(journal: &Journal) -> Result<Compaction> {
    let store = journal.store();
    let cursor = CursorFile::open(store, Open::Read)?.load()?.cursor;
    let mark = match store.open_if_there(layout::APPEND_LOCK, Open::Read)? {
        Some(lock) => TailMark::read(&lock)?,
        None => None,
    };
    let tail = Tail::find(store, mark, Open::Read)?;
    let mut segments = segments::list(store)?;
    let mut count = segments::dealt_with(&segments, cursor);
    if cursor >= tail.next && tail.end > 0 {
        count = segments.len();
    }
    let end = segments.get(count).copied().unwrap_or(tail.next);
    let first = segments.first().copied().unwrap_or(Seq::FIRST);
    segments.truncate(count);
    let mut bytes = 0;
    for segment in &segments {
        bytes += store.size(&layout::segment_name(*segment))?;
    }
    Ok(Compaction { segments: count as u64, entries: end.since(first), bytes })
}
