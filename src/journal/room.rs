//! Space: how much the journal takes up, and how it is got back.
//!
//! What was dealt with goes first and costs nothing. Only then, and only where the policy is to drop the oldest, do
//! pending entries go: the cursor moves past them, durably, before a file is unlinked.

use std::time::{Duration, Instant};

use super::config::Limits;
use super::cursor::{CursorFile, CursorState};
use super::reader::{Item, Reader};
use super::tail_mark::NameChange;
use super::{Journal, layout, segments};
use crate::error::{Error, Result};
use crate::exec_lock::ExecLock;
use crate::record::Seq;
use crate::storage::{Open, Store};

/// Entries do not expire to the second.
const EXPIRY_PERIOD_MAX: Duration = Duration::from_secs(10);

/// What dropping the oldest segment came to.
pub(crate) enum Room {
    Made,
    OnlyActiveLeft,
}

/// A writer's view of the space that its journal takes up.
pub(crate) struct Space {
    store: Store,
    cursor_file: CursorFile,
    /// As last seen; it only grows.
    cursor: Seq,
    /// Entries evicted or dead-lettered, as last seen.
    lost_seen: u64,
    segments: Vec<Seq>,
    bytes: u64,
    last_expiry: Option<Instant>,
    /// Entries lost so far, before and after the evictions that no alert has been considered for.
    lost: Option<(u64, u64)>,
}

impl Space {
    pub fn new(journal: &Journal) -> Result<Self> {
        let store = journal.store().clone();
        let cursor_file = CursorFile::open(&store, Open::Write)?;
        Ok(Self {
            store,
            cursor_file,
            cursor: Seq::FIRST,
            lost_seen: 0,
            segments: Vec::new(),
            bytes: 0,
            last_expiry: None,
            lost: None,
        })
    }

    /// Looks at the directory: others may have added to it or taken from it.
    pub fn look(&mut self) -> Result<()> {
        self.segments = segments::list(&self.store)?;
        self.bytes = segments::bytes(&self.store)?;
        Ok(())
    }

    /// Counts bytes that were written since.
    pub fn grew(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    /// Bytes that may still be written.
    pub fn free(&self, limits: &Limits) -> u64 {
        limits.max_bytes.saturating_sub(self.bytes)
    }

    /// The cursor as it is now.
    pub fn cursor(&mut self) -> Result<Seq> {
        self.seen(&self.cursor_file.load()?)
    }

    /// No more entries than this are pending, without looking.
    pub fn pending_at_most(&self, next: Seq) -> u64 {
        next.since(self.cursor)
    }

    fn seen(&mut self, state: &CursorState) -> Result<Seq> {
        self.cursor = state.cursor;
        self.lost_seen = state.lost();
        Ok(self.cursor)
    }

    /// The cursor, and how many entries were lost to eviction or refusal, as last seen.
    pub fn last_seen(&self) -> (Seq, u64) {
        (self.cursor, self.lost_seen)
    }

    /// A journal must not end before what was dealt with or sent.
    pub fn check_cursor(&mut self, next: Seq) -> Result<()> {
        let state = self.cursor_file.load()?;
        self.seen(&state)?;
        check_cursor(&self.store, &state, next)
    }

    /// Whether there are segments in which nothing is pending.
    pub fn is_reclaimable(&mut self) -> Result<bool> {
        let cursor = self.cursor()?;
        Ok(segments::dealt_with(&self.segments, cursor) > 0)
    }

    /// Unlinks the segments in which nothing is pending, oldest first.
    pub fn reclaim(&mut self, names: &NameChange) -> Result<()> {
        // Whoever moved the cursor may have been cut off before it was durable.
        let cursor = self.cursor_file.load_durable()?.cursor;
        let count = segments::dealt_with(&self.segments, cursor);
        for segment in self.segments.drain(..count) {
            names.remove(&self.store, segment)?;
        }
        self.store.sync_names()?;
        self.look()
    }

    /// Evicts what is pending in the oldest segment.
    pub fn evict_oldest_segment(&mut self) -> Result<Room> {
        let Some(second) = self.segments.get(1).copied() else { return Ok(Room::OnlyActiveLeft) };
        self.evict_to(second)?;
        Ok(Room::Made)
    }

    /// Counts everything pending before `end` as evicted.
    pub fn evict_to(&mut self, end: Seq) -> Result<()> {
        let mut lost = 0;
        let mut state = self.cursor_file.update(|state| {
            lost = state.lost();
            state.evict_to(end);
        })?;
        if state.undecided() > 0 {
            // If nobody delivers, no answer will come: what was passed in flight is evicted. A command that a killed
            // deliverer has left may still deliver it.
            let replay_lock = self.store.open(layout::REPLAY_LOCK, Open::Create)?;
            let exec_lock = ExecLock::new(&self.store, layout::EXEC_LOCK);
            if replay_lock.try_lock_for_good()? && !exec_lock.is_held()? {
                state = self.cursor_file.update(CursorState::trim)?;
            }
        }
        self.lost = Some((self.lost.map_or(lost, |(before, _)| before), state.lost()));
        self.seen(&state)?;
        Ok(())
    }

    /// Entries lost before and after what was evicted since this was asked last.
    pub fn take_lost(&mut self) -> Option<(u64, u64)> {
        self.lost.take()
    }

    /// Whether expiry is due: now and then, not with every commit.
    pub fn is_time_to_expire(&mut self, age: Duration) -> bool {
        let period = (age / 10).min(EXPIRY_PERIOD_MAX);
        let due = self.last_expiry.is_none_or(|last| last.elapsed() >= period);
        if due {
            self.last_expiry = Some(Instant::now());
        }
        due
    }

    /// Evicts pending entries that were written longer than `age` ago, up to the first that was not.
    pub fn expire(&mut self, age: Duration, durable: Seq) -> Result<()> {
        let cursor = self.cursor()?;
        let mut reader = Reader::open(&self.store, cursor, Some(durable))?;
        let mut end = cursor;
        while let Some(item) = reader.read()? {
            match item {
                Item::Entry(record) if record.at.age().is_some_and(|old| old > age) => {
                    end = record.seq.next()
                }
                // Fresh, or damage, which delivery accounts for.
                _ => break,
            }
        }
        if end > cursor { self.evict_to(end) } else { Ok(()) }
    }
}

/// A journal must not end before what was dealt with or sent.
pub(crate) fn check_cursor(store: &Store, state: &CursorState, next: Seq) -> Result<()> {
    let cursor = state.unclaimed();
    if cursor <= next {
        return Ok(());
    }
    Err(Error::CursorBeyondEnd { path: store.path_of(layout::CURSOR), cursor, end: next })
}
