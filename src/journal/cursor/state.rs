//! What a cursor holds, and what each step does to it: pure, without I/O.
//!
//! Every entry below the cursor is accounted for by exactly one counter, or is *undecided*: it belongs to a batch in
//! flight that an evicting appender has passed. It becomes what the answer makes of it.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::record::Seq;
use crate::sink::BodyFormat;

/// A batch whose boundaries are durable: it may have been sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InFlight {
    pub first: Seq,
    pub last: Seq,
    pub body: BodyFormat,
}

impl InFlight {
    /// The first seq after it.
    fn end(&self) -> Seq {
        self.last.next()
    }
}

/// One journal's way to one receiver, as a checksum: a URL may hold what is nobody else's business, and can be long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Route(u32);

impl Route {
    /// The way from the journal with this id to a receiver, as its sink names it.
    pub fn new(journal: Uuid, receiver: &str) -> Self {
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(journal.as_bytes());
        checksum.update(receiver.as_bytes());
        Self(checksum.finalize())
    }
}

/// The cursor, the batches in flight, and the lifetime counters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CursorState {
    pub generation: u64,
    pub cursor: Seq,
    pub last_delivered: Option<Seq>,
    /// In order, with no gap between them but an evicted one.
    pub in_flight: Vec<InFlight>,
    pub delivered: u64,
    pub dead_lettered: u64,
    pub evicted: u64,
    pub damaged: u64,
    pub skipped: u64,
    /// Dead letters since the receiver last took an entry, over all runs.
    #[serde(default)]
    pub refusals: u64,
    /// Where entries went when a receiver last named the last entry that it took (`Edgesync-Acked-Seq`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledging: Option<Route>,
    /// Wear: what moving the cursor has cost so far.
    pub syncs: u64,
    pub bytes_written: u64,
    /// The id under which a batch was accepted last; kept where the journal has been renewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introduced: Option<Uuid>,
}

impl CursorState {
    /// A new journal's.
    pub fn new() -> Self {
        Self {
            generation: 0,
            cursor: Seq::FIRST,
            last_delivered: None,
            in_flight: Vec::new(),
            delivered: 0,
            dead_lettered: 0,
            evicted: 0,
            damaged: 0,
            skipped: 0,
            refusals: 0,
            acknowledging: None,
            syncs: 0,
            bytes_written: 0,
            introduced: None,
        }
    }

    /// Entries of batches in flight that the cursor has passed.
    pub fn undecided(&self) -> u64 {
        self.in_flight.iter().map(|batch| self.cursor.min(batch.end()).since(batch.first)).sum()
    }

    /// Entries that no receiver will get: what `--dead-letter-threshold` counts.
    pub fn lost(&self) -> u64 {
        self.evicted + self.dead_lettered
    }

    /// Promise 4, for what lies below the cursor; and batches in flight in order, with no gap but an evicted one.
    pub fn is_consistent(&self) -> bool {
        let in_order = self.in_flight.iter().all(|batch| batch.first <= batch.last && batch.last < Seq::END)
            && self.in_flight.windows(2).all(|pair| {
                pair[0].end() == pair[1].first
                    || (pair[0].end() < pair[1].first && pair[1].first <= self.cursor)
            })
            && self.in_flight.first().is_none_or(|batch| batch.first <= self.cursor);
        // Only batches that do not overlap can be added up.
        in_order && self.accounted() == Some(self.cursor.since(Seq::FIRST))
    }

    fn accounted(&self) -> Option<u64> {
        let counted = [self.delivered, self.dead_lettered, self.evicted, self.damaged, self.skipped];
        counted.iter().try_fold(self.undecided(), |sum, count| sum.checked_add(*count))
    }

    /// The first seq that belongs to no batch in flight and has not been dealt with.
    pub fn unclaimed(&self) -> Seq {
        self.in_flight.last().map_or(self.cursor, |batch| batch.end().max(self.cursor))
    }

    /// Puts a batch in flight, behind those that are.
    pub fn begin(&mut self, batch: InFlight) {
        debug_assert_eq!(batch.first, self.unclaimed());
        self.in_flight.push(batch);
    }

    /// Takes all batches out of flight: what eviction has passed of them is evicted.
    pub fn release(&mut self) {
        self.evicted += self.undecided();
        self.in_flight.clear();
    }

    /// Takes out of flight what eviction has passed, and leaves the rest of it there: for a run that begins, when no
    /// answer can come any more.
    pub fn trim(&mut self) {
        self.evicted += self.undecided();
        self.leave_behind();
    }

    /// Takes out of flight what the cursor has passed; whoever passed it has counted it.
    fn leave_behind(&mut self) {
        let cursor = self.cursor;
        self.in_flight.retain_mut(|batch| {
            batch.first = batch.first.max(cursor);
            batch.first <= batch.last
        });
    }

    /// The receiver has everything in flight up to and including `last`.
    pub fn delivered(&mut self, last: Seq) {
        self.refusals = 0;
        while let Some(batch) = self.in_flight.first().copied()
            && batch.first <= last
        {
            let taken = batch.last.min(last);
            self.delivered += taken.since(batch.first) + 1;
            self.last_delivered = Some(taken);
            self.cursor = self.cursor.max(taken.next());
            if taken == batch.last {
                self.in_flight.remove(0);
            } else {
                // Taken in part: the rest is no longer the batch that was sent.
                self.in_flight[0].first = taken.next();
                self.release();
            }
        }
    }

    /// The entry at the cursor was refused for good.
    pub fn dead_lettered(&mut self, seq: Seq) {
        self.refusals = self.refusals.saturating_add(1);
        self.settle(seq, 1, |state| &mut state.dead_lettered);
    }

    /// Every entry before `end` that is not settled is skipped, because a person said so. For when no answer can come any
    /// more: what is in flight beyond `end` keeps its boundaries, but for the batch that `end` lies in.
    pub fn skip_to(&mut self, end: Seq) {
        self.trim();
        self.skipped += end.since(self.cursor.min(end));
        self.cursor = self.cursor.max(end);
        self.leave_behind();
    }

    /// `count` entries from `first` on are damaged.
    pub fn damaged(&mut self, first: Seq, count: u64) {
        self.settle(first, count, |state| &mut state.damaged);
    }

    /// Counts entries at the cursor; those that eviction took first stay evicted.
    fn settle(&mut self, first: Seq, count: u64, counter: impl Fn(&mut Self) -> &mut u64) {
        self.release();
        let end = first.plus(count);
        let counted = end.since(self.cursor.max(first));
        debug_assert!(first <= self.cursor || counted == 0);
        *counter(self) += counted;
        self.cursor = self.cursor.max(end);
    }

    /// Everything before `end` that has not been dealt with is dropped; what is in flight is decided by its answer.
    pub fn evict_to(&mut self, end: Seq) {
        if end <= self.cursor {
            return;
        }
        let undecided = self.undecided();
        let passed = end.since(self.cursor);
        self.cursor = end;
        self.evicted += passed - (self.undecided() - undecided);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seq(number: u64) -> Seq {
        Seq::new(number).unwrap()
    }

    fn batch(first: u64, last: u64) -> InFlight {
        InFlight { first: seq(first), last: seq(last), body: BodyFormat::Ndjson }
    }

    #[test]
    fn a_delivered_batch_moves_the_cursor_and_the_count() {
        let mut state = CursorState::new();
        state.begin(batch(1, 10));
        state.begin(batch(11, 20));
        state.delivered(seq(10));
        assert_eq!((state.cursor, state.delivered, state.last_delivered), (seq(11), 10, Some(seq(10))));
        assert_eq!(state.in_flight, [batch(11, 20)]);
        assert!(state.is_consistent());
    }

    #[test]
    fn a_batch_taken_in_part_leaves_the_rest_pending() {
        let mut state = CursorState::new();
        state.begin(batch(1, 10));
        state.begin(batch(11, 20));
        state.delivered(seq(4));
        assert_eq!((state.cursor, state.delivered), (seq(5), 4));
        assert!(state.in_flight.is_empty() && state.is_consistent());
    }

    #[test]
    fn an_entry_evicted_in_flight_counts_once_as_what_it_became() {
        let mut state = CursorState::new();
        state.begin(batch(1, 10));
        state.evict_to(seq(16));
        assert_eq!((state.evicted, state.undecided()), (5, 10));
        let mut answered = state.clone();
        answered.delivered(seq(10));
        assert_eq!((answered.delivered, answered.evicted, answered.cursor), (10, 5, seq(16)));
        let mut lost = state;
        lost.release();
        assert_eq!((lost.delivered, lost.evicted, lost.cursor), (0, 15, seq(16)));
        assert!(answered.is_consistent() && lost.is_consistent());
    }

    #[test]
    fn damage_that_was_evicted_meanwhile_is_not_counted_twice() {
        let mut state = CursorState::new();
        state.evict_to(seq(6));
        state.damaged(seq(4), 4);
        assert_eq!((state.evicted, state.damaged, state.cursor), (5, 2, seq(8)));
        assert!(state.is_consistent());
    }

    #[test]
    fn refusals_in_a_row_are_counted_until_an_entry_is_taken() {
        let mut state = CursorState::new();
        state.dead_lettered(seq(1));
        state.dead_lettered(seq(2));
        state.damaged(seq(3), 1);
        state.evict_to(seq(5));
        state.skip_to(seq(6));
        assert_eq!((state.refusals, state.skipped), (2, 1));
        state.begin(batch(6, 7));
        state.delivered(seq(6));
        assert_eq!(state.refusals, 0);
    }

    #[test]
    fn what_is_skipped_counts_once_and_batches_behind_it_keep_their_boundaries() {
        let mut state = CursorState::new();
        for (first, last) in [(1, 10), (11, 20), (21, 30)] {
            state.begin(batch(first, last));
        }
        state.evict_to(seq(4));
        state.skip_to(seq(16));
        assert_eq!((state.evicted, state.skipped, state.undecided()), (3, 12, 0));
        assert_eq!(
            (state.cursor, state.in_flight.as_slice()),
            (seq(16), &[batch(16, 20), batch(21, 30)][..])
        );
        state.skip_to(seq(9));
        assert_eq!((state.cursor, state.skipped), (seq(16), 12));
        state.skip_to(seq(40));
        assert_eq!((state.cursor, state.skipped, state.in_flight.len()), (seq(40), 36, 0));
        assert!(state.is_consistent());
    }

    #[test]
    fn batches_in_flight_that_overlap_or_never_end_are_not_consistent() {
        let end = u64::MAX;
        for in_flight in [vec![batch(1, end - 1), batch(1, end - 1)], vec![batch(1, end)]] {
            let state = CursorState { cursor: seq(end), in_flight, ..CursorState::new() };
            assert!(!state.is_consistent(), "{state:?}");
        }
    }

    proptest! {
        #[test]
        fn any_steps_keep_every_entry_accounted_for(steps in prop::collection::vec((0..8_u8, 1..20_u64), 0..200)) {
            let mut state = CursorState::new();
            for (kind, size) in steps {
                let before = state.cursor;
                match kind {
                    0 if state.in_flight.len() < 2 => {
                        let first = state.unclaimed();
                        state.begin(InFlight { first, last: first.plus(size - 1), body: BodyFormat::Ndjson });
                    }
                    1 => if let Some(batch) = state.in_flight.first().copied() {
                        state.delivered(batch.last.min(batch.first.plus(size)));
                    },
                    2 => state.dead_lettered(state.cursor),
                    3 => state.damaged(state.cursor, size),
                    4 => state.evict_to(state.cursor.plus(size)),
                    5 => state.trim(),
                    6 => state.skip_to(state.cursor.plus(size)),
                    _ => state.release(),
                }
                prop_assert!(state.is_consistent(), "{state:?}");
                prop_assert!(state.cursor >= before);
            }
        }
    }
}
