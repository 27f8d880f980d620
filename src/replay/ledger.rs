//! The disk side of a run: it makes the boundaries of batches durable, and records what became of them.
//!
//! Nothing is sent that is not in `cursor` first, and nothing is recorded there that the link has not said.

use uuid::Uuid;

use super::RunEnd;
use super::batcher::{Filled, rebuild};
use super::read_ahead::ReadAhead;
use crate::error::Result;
use crate::journal::{
    Attempts, CursorFile, CursorState, Damage, Ending, InFlight, Item, Journal, Limits, Reader, Route,
    keep_dead_letter, set_aside,
};
use crate::record::Seq;
use crate::sink::{Batch, BodyFormat, FormerJournal};
use crate::storage::{File, Open};

/// One run's hold on the journal.
pub(crate) struct Ledger {
    journal: Journal,
    /// The journal's id, and what it was before.
    id: Uuid,
    former: Option<FormerJournal>,
    /// When an alert is raised, and which command that runs.
    limits: Limits,
    /// Held: it keeps others from delivering. What is in it is only told.
    replay_lock: File,
    attempts: Attempts,
    /// The last refusal, for people.
    refusal: Option<String>,
    cursor_file: CursorFile,
    /// As of the last step.
    state: CursorState,
    /// When the run began; what it did is the difference.
    initial: CursorState,
    /// Taken by the receiver, not yet recorded.
    taken: Option<Seq>,
    /// The receiver has named the last entry that it took; not yet recorded.
    named: bool,
    /// The way to the receiver, if it has a name.
    route: Option<Route>,
    /// How the bodies of new batches are laid out.
    body: BodyFormat,
    /// The run ends before this seq: what is appended later is for the next run.
    until: Seq,
}

impl Ledger {
    /// Takes the right to deliver, and makes durable what has been appended so far.
    pub fn open(journal: &Journal, receiver: Option<&str>, body: BodyFormat) -> Result<Self> {
        let replay_lock = journal.lock_for_delivery()?;
        let until = journal.sync()?;
        let cursor_file = CursorFile::open(journal.store(), Open::Write)?;
        let state = cursor_file.load()?;
        // As it is now: the journal may have been renewed since it was opened.
        let config = journal.current_config()?;
        // Not before: a journal that is not sound is left as it is.
        let attempts = Attempts::begin(&replay_lock, config.id);
        Ok(Self {
            journal: journal.clone(),
            id: config.id,
            former: config.former,
            limits: config.limits,
            replay_lock,
            attempts,
            refusal: None,
            cursor_file,
            initial: state.clone(),
            state,
            taken: None,
            named: false,
            route: receiver.map(|receiver| Route::new(config.id, receiver)),
            body,
            until,
        })
    }

    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The cursor and the counters as last recorded.
    pub fn state(&self) -> &CursorState {
        &self.state
    }

    /// The same when the run began.
    pub fn initial(&self) -> &CursorState {
        &self.initial
    }

    /// The run ends before this seq.
    pub fn until(&self) -> Seq {
        self.until
    }

    /// How many entries of this run's still wait, by what is recorded.
    pub fn remaining(&self) -> u64 {
        self.until.since(self.state.cursor) + self.state.undecided()
    }

    /// Leaves word of what the run came to, for `stats`.
    pub fn note_end(&mut self, end: &Result<RunEnd>) {
        let (before, after) = (&self.initial, &self.state);
        let took = after.delivered > before.delivered;
        let refused = after.dead_lettered > before.dead_lettered;
        let success = took || (matches!(end, Ok(RunEnd::Drained)) && !refused);
        let error = match end {
            Ok(end) => end.reason().map(str::to_owned).or_else(|| self.refusal.take()),
            Err(error) => Some(error.to_string()),
        };
        self.attempts.end(&self.replay_lock, &Ending { success, error: error.as_deref() });
    }

    /// Dead letters since the receiver last took an entry, over all runs.
    pub fn refusals(&self) -> u64 {
        if self.taken.is_some() { 0 } else { self.state.refusals }
    }

    /// Whether this receiver has once named the last entry that it took.
    pub fn receiver_acknowledges(&self) -> bool {
        self.route.is_some() && self.state.acknowledging == self.route
    }

    /// Forgets that it has.
    pub fn forget_acknowledgement(&mut self) -> Result<()> {
        if self.receiver_acknowledges() { self.step(|state| state.acknowledging = None) } else { Ok(()) }
    }

    /// What to send first: batches that may have been sent before, in their old boundaries, or else a new one.
    pub fn first(&mut self, batches: &mut ReadAhead) -> Result<Option<Batch>> {
        if !self.state.in_flight.is_empty() {
            self.step(CursorState::trim)?;
        }
        match self.state.in_flight.first().copied() {
            Some(again) => match self.rebuild(again, self.state.last_delivered)? {
                Some(batch) => Ok(Some(batch)),
                None => {
                    // It cannot be read any more as it was sent.
                    self.step(CursorState::release)?;
                    self.prepare(batches)
                }
            },
            None => self.prepare(batches),
        }
    }

    /// The batch after those in flight, its boundaries durable. None if there is none, or none before the ones in
    /// flight are settled.
    pub fn prepare(&mut self, batches: &mut ReadAhead) -> Result<Option<Batch>> {
        let ahead = self.state.in_flight.iter().filter(|batch| Some(batch.last) <= self.taken).count();
        if let Some(again) = self.state.in_flight.get(ahead + 1).copied() {
            // Begun by an earlier run.
            let previous = self.state.in_flight.get(ahead).map(|batch| batch.last);
            return self.rebuild(again, previous);
        }
        loop {
            match batches.next(self.state.unclaimed())? {
                Filled::Batch { first, last, body } => {
                    if let Some(batch) = self.begin(first, last, body)? {
                        return Ok(Some(batch));
                    }
                }
                // In its turn: only once everything before it is settled.
                Filled::Damaged(_) if self.state.in_flight.len() > ahead => return Ok(None),
                Filled::Damaged(damage) => self.step_over(&damage)?,
                Filled::End => return Ok(None),
            }
        }
    }

    /// The receiver has everything up to and including `last`, and may have named it. Recorded with the next step.
    pub fn take(&mut self, last: Seq, named: bool) {
        debug_assert!(self.taken.is_none_or(|taken| taken < last));
        self.taken = Some(last);
        self.named |= named;
    }

    /// Records what was taken.
    pub fn flush(&mut self) -> Result<()> {
        if self.taken.is_some() { self.step(|_| ()) } else { Ok(()) }
    }

    /// Puts a part of a batch in flight instead of all that is. None if eviction has passed it.
    pub fn narrow(&mut self, first: Seq, last: Seq, body: BodyFormat) -> Result<Option<Batch>> {
        let part = InFlight { first, last, body };
        self.step(|state| {
            state.release();
            if state.cursor == first {
                state.begin(part);
            }
        })?;
        if self.state.in_flight.is_empty() {
            return Ok(None);
        }
        self.rebuild(part, self.state.last_delivered)
    }

    /// Keeps the entry as a dead letter and moves past it. False if it cannot be read any more, and is none.
    pub fn dead_letter(&mut self, seq: Seq, status: u16, reason: &str) -> Result<bool> {
        let mut reader = Reader::open(self.journal.store(), seq, Some(seq.next()))?;
        match reader.read()? {
            Some(Item::Entry(record)) => {
                let journal = &self.journal;
                journal.with_room(|| keep_dead_letter(journal, &record, status, reason))?;
                self.refusal = Some(format!("seq {seq} was refused with status {status}: {reason}"));
                self.step(|state| state.dead_lettered(seq))?;
                Ok(true)
            }
            Some(Item::Damaged(damage)) => self.step_over(&damage).map(|()| false),
            None => Ok(false),
        }
    }

    /// Puts a batch that was just read in flight. None if it is no longer what comes next: eviction has passed it.
    fn begin(&mut self, first: Seq, last: Seq, bytes: Vec<u8>) -> Result<Option<Batch>> {
        let boundaries = InFlight { first, last, body: self.body };
        let mut previous = None;
        let mut begun = false;
        self.step(|state| {
            begun = state.unclaimed() == first;
            if begun {
                previous = state.in_flight.last().map(|batch| batch.last).or(state.last_delivered);
                state.begin(boundaries);
            }
        })?;
        Ok(begun.then(|| self.batch(boundaries, previous, bytes)))
    }

    /// A batch with given boundaries. None if it cannot be read as it was.
    fn rebuild(&mut self, again: InFlight, previous: Option<Seq>) -> Result<Option<Batch>> {
        let body = rebuild(self.journal.store(), again)?;
        Ok(body.map(|bytes| self.batch(again, previous, bytes)))
    }

    fn batch(&self, boundaries: InFlight, previous: Option<Seq>, body: Vec<u8>) -> Batch {
        let InFlight { first, last, body: format } = boundaries;
        let former = self.former.filter(|_| self.state.introduced != Some(self.id));
        Batch { journal: self.id, former, first, last, previous, format, body }
    }

    /// Sets damaged bytes aside and moves past the entries that they were.
    fn step_over(&mut self, damage: &Damage) -> Result<()> {
        self.journal.with_room(|| set_aside(&self.journal, damage))?;
        self.step(|state| {
            if damage.entries > 0 {
                state.damaged(damage.first, damage.entries);
            }
        })
    }

    /// Records what was taken together with one step, in one write and one sync.
    fn step(&mut self, step: impl FnOnce(&mut CursorState)) -> Result<()> {
        let (taken, named) = (self.taken, self.route.filter(|_| self.named));
        let renewed = self.former.map(|_| self.id);
        self.state = self.journal.step_cursor(&self.cursor_file, &self.limits, |state| {
            if let Some(last) = taken {
                state.delivered(last);
                state.introduced = renewed.or(state.introduced);
                state.acknowledging = named.or(state.acknowledging);
            }
            step(state);
        })?;
        self.taken = None;
        self.named = false;
        Ok(())
    }
}
