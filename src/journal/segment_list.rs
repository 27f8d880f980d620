//! The files of a journal as one writer knows them: listed once, then kept.
//!
//! A directory of many segments is slow to list and slower to look at file by file. So a writer keeps the names, and the sum
//! of the sealed segments' sizes; the tail mark carries the sum ([`Sealed`]) from one writer to the next. Names change under
//! the append lock only, and a valid mark is as new as the last change; what it cannot tell, the directory does.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::budget::Sizes;
use super::layout;
use super::segments;
use super::tail_mark::{NameChange, TailMark};
use crate::error::Result;
use crate::record::Seq;
use crate::storage::Store;

/// What the tail mark says of the segments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sealed {
    /// The oldest segment's first seq.
    pub oldest: Seq,
    /// How many segments there are, with the active one.
    pub segments: u64,
    /// The size of all but the active one together.
    pub bytes: u64,
}

/// See the module page.
pub(crate) struct SegmentList {
    store: Store,
    /// The first seqs of all segments, ascending. The last one is active.
    firsts: VecDeque<Seq>,
    sealed_bytes: u64,
    /// All other files of the journal that have been seen.
    others: Vec<String>,
}

impl SegmentList {
    /// A list that knows nothing yet.
    pub fn new(store: &Store) -> Self {
        let others = layout::side_files().collect();
        Self { store: store.clone(), firsts: VecDeque::new(), sealed_bytes: 0, others }
    }

    /// Lists the directory. Sizes are looked at only if the mark is not about these segments.
    pub fn load(store: &Store, mark: Option<&TailMark>) -> Result<Self> {
        let (firsts, mut others) = segments::split(store)?;
        others.extend(layout::side_files());
        others.sort_unstable();
        others.dedup();
        let mut list = Self { store: store.clone(), firsts: firsts.into(), sealed_bytes: 0, others };
        let mark = mark.filter(|mark| mark.holds(store) && list.newest() == Some(mark.segment));
        list.sealed_bytes = match mark.and_then(|mark| mark.sealed.as_ref()) {
            Some(sealed) if list.is_described_by(sealed) => sealed.bytes,
            _ => list.sum_of_sealed()?,
        };
        Ok(list)
    }

    fn sum_of_sealed(&self) -> Result<u64> {
        let sealed = self.firsts.iter().rev().skip(1);
        sealed.map(|first| self.store.size(&layout::segment_name(*first))).sum()
    }

    fn is_described_by(&self, sealed: &Sealed) -> bool {
        self.firsts.front() == Some(&sealed.oldest) && self.firsts.len() as u64 == sealed.segments
    }

    /// Follows the names to what a mark says of them, without listing. False if only the directory can tell.
    pub fn follow(&mut self, active: Seq, sealed: &Sealed) -> bool {
        if self.firsts.is_empty() {
            return false;
        }
        while self.firsts.front().is_some_and(|first| *first < sealed.oldest) {
            self.firsts.pop_front();
        }
        if self.firsts.back().is_none_or(|last| *last < active) {
            self.firsts.push_back(active);
        }
        self.sealed_bytes = sealed.bytes;
        self.firsts.back() == Some(&active) && self.is_described_by(sealed)
    }

    /// For the next writer; none if there is no segment.
    pub fn sealed(&self) -> Option<Sealed> {
        let oldest = *self.firsts.front()?;
        Some(Sealed { oldest, segments: self.len(), bytes: self.sealed_bytes })
    }

    pub fn len(&self) -> u64 {
        self.firsts.len() as u64
    }

    /// The active segment.
    pub fn newest(&self) -> Option<Seq> {
        self.firsts.back().copied()
    }

    /// The one before that.
    pub fn before_newest(&self) -> Option<Seq> {
        self.firsts.iter().rev().nth(1).copied()
    }

    /// The one after the oldest.
    pub fn second(&self) -> Option<Seq> {
        self.firsts.get(1).copied()
    }

    pub fn sealed_bytes(&self) -> u64 {
        self.sealed_bytes
    }

    /// The sizes of all files that are not segments.
    pub fn others(&self) -> Result<Sizes> {
        Sizes::of(&self.store, &self.others)
    }

    /// The active segment, of `bytes` bytes, is sealed, and there is a new one.
    pub fn rotate(&mut self, bytes: u64, active: Seq) {
        self.sealed_bytes += bytes;
        self.firsts.push_back(active);
    }

    /// How many segments, from the oldest on, hold nothing at or past the cursor. Never the active one.
    pub fn settled(&self, cursor: Seq) -> usize {
        self.firsts.iter().skip(1).take_while(|next| **next <= cursor).count()
    }

    /// The newest one is gone: it was empty and should not have been made.
    pub fn remove_newest(&mut self) -> Result<()> {
        self.firsts.pop_back();
        self.sealed_bytes = self.sum_of_sealed()?;
        Ok(())
    }

    /// Unlinks the oldest segment.
    pub fn remove_oldest(&mut self, names: &NameChange) -> Result<()> {
        let Some(first) = self.firsts.front() else { return Ok(()) };
        let bytes = self.store.size(&layout::segment_name(*first))?;
        names.remove(&self.store, *first)?;
        self.firsts.pop_front();
        self.sealed_bytes = self.sealed_bytes.saturating_sub(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_support::{Scratch, seq};
    use super::*;
    use crate::storage::Open;

    fn sealed(oldest: u64, segments: u64) -> Sealed {
        Sealed { oldest: seq(oldest), segments, bytes: 7 }
    }

    fn list(firsts: &[u64]) -> SegmentList {
        let scratch = Scratch::new();
        for first in firsts {
            scratch.store.open(&layout::segment_name(seq(*first)), Open::Create).unwrap();
        }
        SegmentList::load(&scratch.store, None).unwrap()
    }

    #[test]
    fn a_mark_is_followed_only_where_it_leaves_no_doubt() {
        for (active, mark, followed) in [
            (20, sealed(1, 3), true),
            (20, sealed(10, 2), true),
            (20, sealed(20, 1), true),
            // Rotated once, with and without something given back.
            (30, sealed(1, 4), true),
            (30, sealed(10, 3), true),
            (30, sealed(30, 1), true),
            // Rotated more than once; an older mark; one of another journal.
            (40, sealed(1, 5), false),
            (10, sealed(1, 2), false),
            (20, sealed(1, 4), false),
            (20, sealed(15, 1), false),
        ] {
            assert_eq!(list(&[1, 10, 20]).follow(seq(active), &mark), followed, "{active} {mark:?}");
        }
    }

    #[test]
    fn only_sealed_segments_below_the_cursor_are_settled() {
        let list = list(&[1, 10, 20]);
        for (cursor, count) in [(1, 0), (9, 0), (10, 1), (19, 1), (20, 2), (99, 2)] {
            assert_eq!(list.settled(seq(cursor)), count, "cursor {cursor}");
        }
    }
}
