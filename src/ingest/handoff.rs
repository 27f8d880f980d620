//! Between the two threads: three parcels that go round, and no more memory than theirs.
//!
//! The reading side fills a parcel, hands it over at once, and takes it back to fill it further as long as the writing
//! side has not come for it. So whatever has arrived is always within the writing side's reach while the reading
//! side waits for input, and everything that arrives during one sync is the next commit.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::journal::RejectedLine;
use crate::record::{Block, ENVELOPE_BYTES_MAX, Seq, Timestamp};

/// One with the writing side, one that is ready, one that is being filled.
const PARCELS: usize = 3;
/// A block has at most so many bytes, unless a single record has more.
const BLOCK_BYTES_MAX: usize = 1 << 20;
/// A parcel has at most so many rejected lines …
const REJECTED_MAX: usize = 4096;
/// … and about so many bytes of them.
const REJECTED_BYTES_MAX: usize = 256 << 10;
/// All entries of a block share one time of writing: after this long a block that waits is not filled further.
const FILLED_FOR_MAX: Duration = Duration::from_secs(1);

/// What is handed over at once: entries, and the lines between them that were rejected.
#[derive(Debug)]
pub(super) struct Parcel {
    pub block: Block,
    pub rejected: Vec<RejectedLine>,
    rejected_bytes: usize,
    begun: Instant,
}

impl Parcel {
    fn new() -> Self {
        Self { block: Block::new(), rejected: Vec::new(), rejected_bytes: 0, begun: Instant::now() }
    }

    fn restart(&mut self, first: Seq) {
        // What one huge record took is not kept for those after it.
        if self.block.capacity() > 2 * BLOCK_BYTES_MAX {
            self.block = Block::new();
        }
        self.block.restart(first, Timestamp::now());
        self.rejected.clear();
        self.rejected_bytes = 0;
        self.begun = Instant::now();
    }

    /// Whether an entry or a rejected line of this length may be added.
    pub fn has_room(&self, length: usize) -> bool {
        let block_bytes = self.block.len() + length + ENVELOPE_BYTES_MAX;
        (block_bytes <= BLOCK_BYTES_MAX || self.block.is_empty())
            && self.rejected.len() < REJECTED_MAX
            && self.rejected_bytes < REJECTED_BYTES_MAX
    }

    pub fn reject(&mut self, rejected: RejectedLine) {
        self.rejected_bytes += rejected.bytes.len() + rejected.reason.len();
        self.rejected.push(rejected);
    }

    /// The number of the first line that it has, good or bad; 0 if it has none.
    pub fn first_line(&self) -> u64 {
        let entry = (!self.block.is_empty()).then(|| self.block.line(0));
        let rejected = self.rejected.first().map(|rejected| rejected.line);
        entry.into_iter().chain(rejected).min().unwrap_or_default()
    }
}

/// What the writing side is to do next.
#[derive(Debug)]
pub(super) enum Task {
    Write(Parcel),
    /// The given time has come.
    Sync,
    /// Nothing more will come.
    Finish,
}

/// The meeting point of the two sides.
#[derive(Debug)]
pub(super) struct Handoff {
    state: Mutex<State>,
    reader: Condvar,
    writer: Condvar,
}

#[derive(Debug)]
struct State {
    ready: VecDeque<Parcel>,
    free: Vec<Parcel>,
    /// The number of entries with the writing side, and the seq after the last commit before them.
    in_commit: u64,
    next_seq: Seq,
    reader_waits: bool,
    writer_waits: bool,
    reader_left: bool,
    writer_left: bool,
}

impl State {
    fn predicted_seq(&self) -> Seq {
        let ready: usize = self.ready.iter().map(|parcel| parcel.block.count()).sum();
        self.next_seq.plus(self.in_commit + ready as u64)
    }
}

impl Handoff {
    pub fn new(next_seq: Seq) -> Self {
        let state = State {
            ready: VecDeque::with_capacity(PARCELS),
            free: (0..PARCELS).map(|_| Parcel::new()).collect(),
            in_commit: 0,
            next_seq,
            reader_waits: false,
            writer_waits: false,
            reader_left: false,
            writer_left: false,
        };
        Self { state: Mutex::new(state), reader: Condvar::new(), writer: Condvar::new() }
    }

    /// For the reading side: a parcel with room for a line of this length. Waits until there is one; none once the writing
    /// side has left.
    pub fn take_up(&self, length: usize) -> Option<Parcel> {
        let mut state = self.lock();
        loop {
            if state.writer_left {
                return None;
            }
            let goes_on = |last: &Parcel| last.has_room(length) && last.begun.elapsed() < FILLED_FOR_MAX;
            if state.ready.back().is_some_and(goes_on) {
                return state.ready.pop_back();
            }
            if let Some(mut parcel) = state.free.pop() {
                parcel.restart(state.predicted_seq());
                return Some(parcel);
            }
            state.reader_waits = true;
            state = self.reader.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.reader_waits = false;
        }
    }

    /// For the reading side: lets the writing side have it.
    pub fn hand_over(&self, parcel: Parcel) {
        let mut state = self.lock();
        state.ready.push_back(parcel);
        self.wake_writer(state);
    }

    /// For the reading side: nothing more will come.
    pub fn reader_leaves(&self) {
        let mut state = self.lock();
        state.reader_left = true;
        self.wake_writer(state);
    }

    /// For the writing side: what to do next. Waits until there is something, or until `due`.
    pub fn next_task(&self, due: Option<Instant>) -> Task {
        let mut state = self.lock();
        loop {
            let left = due.map(|due| due.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Task::Sync;
            }
            if let Some(parcel) = state.ready.pop_front() {
                state.in_commit = parcel.block.count() as u64;
                return Task::Write(parcel);
            }
            if state.reader_left {
                return Task::Finish;
            }
            state.writer_waits = true;
            state = match left {
                Some(left) => self.writer.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.writer.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
            state.writer_waits = false;
        }
    }

    /// For the writing side: the parcel is dealt with, and the journal will give `next_seq` next.
    pub fn give_back(&self, parcel: Parcel, next_seq: Seq) {
        let mut state = self.lock();
        state.free.push(parcel);
        state.in_commit = 0;
        state.next_seq = next_seq;
        self.wake_reader(state);
    }

    /// For the writing side: nothing more will be written.
    pub fn writer_leaves(&self) {
        let mut state = self.lock();
        state.writer_left = true;
        self.wake_reader(state);
    }

    /// Nothing is ever left half done under the lock, so a panic elsewhere does not spoil what it guards.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waking costs a system call: it is done only for one who sleeps, and after the lock is free.
    fn wake_writer(&self, state: MutexGuard<'_, State>) {
        let waits = state.writer_waits;
        drop(state);
        if waits {
            self.writer.notify_one();
        }
    }

    fn wake_reader(&self, state: MutexGuard<'_, State>) {
        let waits = state.reader_waits;
        drop(state);
        if waits {
            self.reader.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handoff() -> Handoff {
        Handoff::new(Seq::FIRST)
    }

    fn push(handoff: &Handoff, payload: &[u8], line: u64) {
        let mut parcel = handoff.take_up(payload.len()).unwrap();
        parcel.block.push(payload, line);
        handoff.hand_over(parcel);
    }

    fn written(handoff: &Handoff) -> Parcel {
        match handoff.next_task(None) {
            Task::Write(parcel) => parcel,
            task => panic!("{task:?}"),
        }
    }

    #[test]
    fn what_is_not_fetched_is_filled_further_under_the_seqs_to_come() {
        let handoff = handoff();
        push(&handoff, b"1", 1);
        let first = written(&handoff);
        push(&handoff, b"2", 2);
        push(&handoff, b"3", 3);
        let second = written(&handoff);
        assert_eq!((first.block.count(), second.block.count()), (1, 2));
        assert_eq!(second.block.first().get(), 2);
        handoff.give_back(first, Seq::new(7).unwrap());
        handoff.give_back(second, Seq::new(10).unwrap());
        push(&handoff, b"4", 4);
        assert_eq!(written(&handoff).block.first().get(), 10);
    }

    #[test]
    fn a_full_parcel_is_left_alone_and_a_large_record_has_one_of_its_own() {
        let handoff = handoff();
        let large = vec![b'1'; BLOCK_BYTES_MAX + 1];
        push(&handoff, &large, 1);
        push(&handoff, b"2", 2);
        assert_eq!(written(&handoff).block.count(), 1);
        assert_eq!(written(&handoff).block.line(0), 2);
    }

    #[test]
    fn the_memory_of_a_huge_record_is_given_back() {
        let mut parcel = Parcel::new();
        parcel.block.push(&vec![b'1'; 9 << 20], 1);
        parcel.block.drop_front(1);
        parcel.restart(Seq::FIRST);
        assert!(parcel.block.capacity() <= 2 * BLOCK_BYTES_MAX);
    }

    #[test]
    fn a_flood_of_rejected_lines_fills_a_parcel() {
        let mut parcel = Parcel::new();
        while parcel.has_room(1) {
            parcel.reject(RejectedLine { line: 1, length: 0, reason: String::new(), bytes: Vec::new() });
        }
        assert_eq!(parcel.rejected.len(), REJECTED_MAX);
        parcel.restart(Seq::FIRST);
        while parcel.has_room(1) {
            parcel.reject(RejectedLine {
                line: 1,
                length: 0,
                reason: String::new(),
                bytes: vec![0; 64 << 10],
            });
        }
        assert_eq!(parcel.rejected.len(), 4);
    }

    #[test]
    fn the_reading_side_waits_for_a_parcel_and_is_let_go_when_the_writing_side_leaves() {
        let handoff = handoff();
        let large = vec![b'1'; BLOCK_BYTES_MAX];
        for line in 1..=3 {
            push(&handoff, &large, line);
        }
        let parcel = written(&handoff);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| handoff.take_up(large.len()).is_some());
            handoff.give_back(parcel, Seq::FIRST);
            assert!(waiting.join().unwrap());
            let waiting = scope.spawn(|| handoff.take_up(large.len()).is_some());
            handoff.writer_leaves();
            assert!(!waiting.join().unwrap());
        });
    }

    #[test]
    fn a_time_that_is_due_comes_before_the_next_parcel_and_leaving_after_the_last() {
        let handoff = handoff();
        push(&handoff, b"1", 1);
        handoff.reader_leaves();
        assert!(matches!(handoff.next_task(Some(Instant::now())), Task::Sync));
        assert!(matches!(handoff.next_task(None), Task::Write(_)));
        assert!(matches!(handoff.next_task(None), Task::Finish));
    }
}
