//! Space: how much the journal takes up, and how it is got back.
//!
//! What was dealt with goes first and costs nothing. Only then, and only where the policy is to drop the oldest, do
//! pending entries go: the cursor moves past them, durably, before a file is unlinked.

use super::budget::Sizes;
use super::config::Limits;
use super::cursor::{CursorFile, CursorState};
use super::evicted::Evicted;
use super::segment_list::{Sealed, SegmentList};
use super::tail_mark::{NameChange, TailMark};
use super::widen::Limit;
use super::{Journal, layout, segments};
use crate::error::{Error, Result};
use crate::exec_lock::ExecLock;
use crate::record::Seq;
use crate::storage::{Open, Store};

/// With less than this part of the file system free, what is settled is given back as soon as it can be.
const SHORT: u64 = 8;

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
    segments: SegmentList,
    /// The size of the active segment, and of all files that are not segments.
    active_bytes: u64,
    others: Sizes,
    /// Entries lost so far, before and after the evictions that no alert has been considered for.
    lost: Option<(u64, u64)>,
    /// What was dropped, and no caller has asked about yet.
    evicted: Evicted,
}

impl Space {
    pub fn new(journal: &Journal) -> Result<Self> {
        let store = journal.store().clone();
        let cursor_file = CursorFile::open(&store, Open::Write)?;
        Ok(Self {
            segments: SegmentList::new(&store),
            store,
            cursor_file,
            cursor: Seq::FIRST,
            lost_seen: 0,
            active_bytes: 0,
            others: Sizes::default(),
            lost: None,
            evicted: Evicted::default(),
        })
    }

    /// Follows what another writer's mark says of the segments, without a look at the directory. The active one; none if the
    /// mark does not tell.
    pub fn follow(&mut self, mark: &TailMark) -> Option<Seq> {
        let followed = mark.holds(&self.store)
            && mark.sealed.as_ref().is_some_and(|sealed| self.segments.follow(mark.segment, sealed));
        followed.then_some(mark.segment)
    }

    /// Lists the directory, given the mark that was found. The newest segment, and the one before it.
    pub fn list(&mut self, mark: Option<&TailMark>) -> Result<(Option<Seq>, Seq)> {
        self.segments = SegmentList::load(&self.store, mark)?;
        let active = self.segments.newest().ok_or_else(|| segments::none(&self.store))?;
        Ok((self.segments.before_newest(), active))
    }

    /// An empty newest segment was removed.
    pub fn removed_newest(&mut self) -> Result<()> {
        self.segments.remove_newest()
    }

    /// Looks at the files that grow under other processes' hands; the active segment has this size.
    pub fn measure(&mut self, active_bytes: u64) -> Result<()> {
        self.active_bytes = active_bytes;
        self.others = self.segments.others()?;
        Ok(())
    }

    /// For the next writer's mark.
    pub fn sealed(&self) -> Option<Sealed> {
        self.segments.sealed()
    }

    /// The active segment was sealed, and there is a new one.
    pub fn rotated(&mut self, active: Seq) -> Result<()> {
        self.segments.rotate(self.active_bytes, active);
        self.measure(0)
    }

    /// Counts bytes that were added to the active segment.
    pub fn grew(&mut self, bytes: u64) {
        self.active_bytes += bytes;
    }

    /// Bytes that entries may still take.
    pub fn free(&self, limits: &Limits) -> u64 {
        self.others.free(limits.max_bytes, self.segments.sealed_bytes() + self.active_bytes)
    }

    /// The same if there were none.
    pub fn free_without_entries(&self, limits: &Limits) -> u64 {
        self.others.free(limits.max_bytes, 0)
    }

    /// Whether the file system has little left.
    pub fn is_disk_short(&self) -> bool {
        self.store.volume().is_some_and(|volume| volume.available_bytes < volume.total_bytes / SHORT)
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
        Ok(self.segments.settled(cursor) > 0)
    }

    /// Unlinks the segments in which nothing is pending, oldest first.
    pub fn reclaim(&mut self, names: &NameChange) -> Result<()> {
        // Whoever moved the cursor may have been cut off before it was durable.
        let cursor = self.cursor_file.load_durable()?.cursor;
        for _ in 0..self.segments.settled(cursor) {
            self.segments.remove_oldest(names)?;
        }
        self.store.sync_names()
    }

    /// Evicts what is pending in the oldest segment.
    pub fn evict_oldest_segment(&mut self, limit: Limit) -> Result<Room> {
        let Some(second) = self.segments.second() else { return Ok(Room::OnlyActiveLeft) };
        self.evict_to(second, limit)?;
        Ok(Room::Made)
    }

    /// Counts everything pending before `end` as evicted, because this limit was reached.
    pub fn evict_to(&mut self, end: Seq, limit: Limit) -> Result<()> {
        let (mut lost, mut evicted) = (0, 0);
        let mut state = self.cursor_file.update(|state| {
            lost = state.lost();
            evicted = state.evicted;
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
        self.evicted.add(Evicted::of(state.evicted.saturating_sub(evicted), limit));
        self.seen(&state)?;
        Ok(())
    }

    /// What was dropped since this was asked last.
    pub fn take_evicted(&mut self) -> Evicted {
        std::mem::take(&mut self.evicted)
    }

    /// Entries lost before and after what was evicted since this was asked last.
    pub fn take_lost(&mut self) -> Option<(u64, u64)> {
        self.lost.take()
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
