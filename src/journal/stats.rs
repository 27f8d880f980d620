//! What a journal knows about itself, at a cost that does not depend on the backlog.

use serde::Serialize;

use super::attempts::Attempts;
use super::cursor::CursorFile;
use super::reader::{Item, Reader};
use super::room::check_cursor;
use super::segment_list::SegmentList;
use super::tail::Tail;
use super::tail_mark::TailMark;
use super::{Journal, layout, side_file};
use crate::error::Result;
use crate::record::Seq;
use crate::storage::Open;

/// The counters and the backlog. `written = delivered + pending + dead_lettered + evicted + damaged + skipped`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Stats {
    /// Entries that were given a seq.
    pub written: u64,
    /// Entries that a sink has taken.
    pub delivered: u64,
    /// Entries that wait.
    pub pending: u64,
    /// Entries that a sink refused for good.
    pub dead_lettered: u64,
    /// Entries that were dropped because the journal was at its limit.
    pub evicted: u64,
    /// Entries that cannot be read.
    pub damaged: u64,
    /// Entries that a person passed over.
    pub skipped: u64,
    /// Lines that were not taken as entries.
    pub rejected_lines: u64,
    /// `delivered / written`, 0 to 1; 0 while nothing was written.
    pub sync_rate: f64,
    /// `evicted / written`, 0 to 1; 0 while nothing was written.
    pub eviction_rate: f64,
    /// Age of the oldest pending entry by the wall clock, in seconds; none if nothing is pending, or where the clock was
    /// plainly wrong when the entry was written or is so now: before 2026, or now before then. No entry expires by it.
    pub oldest_pending_age_s: Option<f64>,
    /// The next seq to be given.
    pub next_seq: u64,
    /// The first seq that has not been dealt with.
    pub cursor: u64,
    /// Segment files.
    pub segments: u64,
    /// Size of all files of the journal, in bytes.
    pub bytes: u64,
    /// Flushes so far, by all who wrote.
    pub syncs: u64,
    /// Bytes written so far, by all who wrote.
    pub bytes_written: u64,
    /// When a run last began to deliver, RFC 3339; none if that is unknown, as in a journal that was copied.
    pub last_attempt: Option<String>,
    /// When a run last ended in which the sink took something, or which found nothing left to deliver.
    pub last_success: Option<String>,
    /// Why a run last ended before everything was delivered, or what it dead-lettered last; one printable line. It stays
    /// when a later run succeeds.
    pub last_error: Option<String>,
    /// When that run ended.
    pub last_error_at: Option<String>,
    /// Dead letters that are no longer kept, because newer ones needed their space.
    pub dead_letters_dropped: u64,
    /// The same for rejected lines.
    pub rejected_lines_dropped: u64,
    /// The same for damaged bytes, in the pieces in which they were set aside.
    pub damaged_pieces_dropped: u64,
}

impl Stats {
    /// Reads the cursor before the tail, so that what is appended meanwhile cannot make it seem to be beyond the end.
    pub(crate) fn collect(journal: &Journal) -> Result<Self> {
        let store = journal.store();
        let state = CursorFile::open(store, Open::Read)?.load()?;
        let mark = match store.open_if_there(layout::APPEND_LOCK, Open::Read)? {
            Some(lock) => TailMark::read(&lock)?,
            None => None,
        };
        let (syncs, bytes_written) = mark.as_ref().map_or((0, 0), |mark| (mark.syncs, mark.bytes_written));
        let segments = SegmentList::load(store, mark.as_ref())?;
        let tail = Tail::find(store, mark, Open::Read)?;
        check_cursor(store, &state, tail.next)?;
        let attempts = Attempts::read(journal)?;
        let written = tail.next.since(Seq::FIRST);
        let rate = |count: u64| if written == 0 { 0.0 } else { count as f64 / written as f64 };
        let pending = tail.next.since(state.cursor) + state.undecided();
        Ok(Self {
            written,
            delivered: state.delivered,
            pending,
            dead_lettered: state.dead_lettered,
            evicted: state.evicted,
            damaged: state.damaged,
            skipped: state.skipped,
            rejected_lines: side_file::count(store, layout::REJECTED)?,
            sync_rate: rate(state.delivered),
            eviction_rate: rate(state.evicted),
            oldest_pending_age_s: oldest_age_s(journal, state.cursor, tail.next)?,
            next_seq: tail.next.get(),
            cursor: state.cursor.get(),
            segments: segments.len(),
            bytes: segments.sealed_bytes() + tail.length + segments.others()?.sum(),
            syncs: syncs.saturating_add(state.syncs),
            bytes_written: bytes_written.saturating_add(state.bytes_written),
            last_attempt: attempts.last_attempt,
            last_success: attempts.last_success,
            last_error: attempts.last_error,
            last_error_at: attempts.last_error_at,
            dead_letters_dropped: side_file::dropped(store, layout::DEAD_LETTER)?,
            rejected_lines_dropped: side_file::dropped(store, layout::REJECTED)?,
            damaged_pieces_dropped: side_file::dropped(store, layout::DAMAGED)?,
        })
    }
}

/// The age of the first entry at or after the cursor that can be read.
fn oldest_age_s(journal: &Journal, cursor: Seq, next: Seq) -> Result<Option<f64>> {
    if cursor >= next {
        return Ok(None);
    }
    let mut reader = Reader::open_tolerant(journal.store(), cursor, None)?;
    // A damaged or missing entry has no time; the one after it is good enough, and one look further bounds the cost.
    for _ in 0..2 {
        if let Some(Item::Entry(record)) = reader.read()? {
            return Ok(record.at.age_if_credible().map(|age| age.as_secs_f64()));
        }
    }
    Ok(None)
}
