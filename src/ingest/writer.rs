//! The writing side: commit, acknowledge, next.

use std::io::Write;
use std::time::{Duration, Instant};

use super::dropped::Dropped;
use super::handoff::{Handoff, Parcel, Task};
use super::notice::{NotTaken, Notice};
use super::tee::Tee;
use super::{IngestReport, SyncPolicy};
use crate::error::Result;
use crate::journal::{Appender, Committed, Durability, Evicted, Overflow, RejectedLine};
use crate::record::{Block, Seq};
use crate::stop::Stop;

/// How often a full journal is asked again under `--overflow block`.
const ROOM_INTERVAL: Duration = Duration::from_millis(100);

/// What the writing side needs of a journal: an [`Appender`], or a fake in tests.
pub(super) trait Committer: Send {
    fn next_seq(&self) -> Seq;
    fn commit(&mut self, block: &mut Block, durability: Durability) -> Result<Committed>;
    fn overflow(&self) -> Overflow;
    fn sync(&mut self) -> Result<()>;
    fn reject(&mut self, lines: &[RejectedLine]) -> Result<()>;
    /// What was dropped since this was asked last.
    fn take_evicted(&mut self) -> Evicted;
}

impl Committer for Appender {
    fn next_seq(&self) -> Seq {
        Appender::next_seq(self)
    }

    fn commit(&mut self, block: &mut Block, durability: Durability) -> Result<Committed> {
        Appender::commit(self, block, durability)
    }

    fn overflow(&self) -> Overflow {
        Appender::overflow(self)
    }

    fn sync(&mut self) -> Result<()> {
        Appender::sync(self)
    }

    fn reject(&mut self, lines: &[RejectedLine]) -> Result<()> {
        Appender::reject(self, lines)
    }

    fn take_evicted(&mut self) -> Evicted {
        Appender::take_evicted(self)
    }
}

/// Entries that were written and wait for the sync of `--sync interval`.
#[derive(Debug, Clone, Copy)]
struct Unsynced {
    since: Instant,
    first_line: u64,
}

/// The writing side and what it remembers. Everything that a person is told goes through it, so that nothing is told
/// from two threads at once.
pub(super) struct Writer<'a, C> {
    committer: &'a mut C,
    tee: Tee<'a>,
    sync: SyncPolicy,
    stop: &'a Stop,
    notice: &'a mut (dyn FnMut(Notice) + Send),
    report: IngestReport,
    not_taken: NotTaken,
    dropped: Dropped,
    unsynced: Option<Unsynced>,
    full_was_told: bool,
    /// A request to stop came while entries waited for room: none of those after them may overtake them.
    gave_up: bool,
}

impl<'a, C: Committer> Writer<'a, C> {
    pub fn new(
        committer: &'a mut C,
        tee: Option<&'a mut (dyn Write + Send)>,
        sync: SyncPolicy,
        stop: &'a Stop,
        notice: &'a mut (dyn FnMut(Notice) + Send),
    ) -> Self {
        Self {
            committer,
            tee: Tee::new(tee),
            sync,
            stop,
            notice,
            report: IngestReport::default(),
            not_taken: NotTaken::default(),
            dropped: Dropped::default(),
            unsynced: None,
            full_was_told: false,
            gave_up: false,
        }
    }

    /// Writes what is handed over until nothing more comes.
    pub fn run(mut self, handoff: &Handoff) -> Result<IngestReport> {
        let written = self.write_all(handoff);
        // Also where the run ends with an error.
        if self.dropped.total().entries() > 0 {
            (self.notice)(Notice::Evicted { evicted: self.dropped.total().clone(), so_far: false });
        }
        written?;
        self.report.not_taken = self.not_taken.lines();
        self.report.evicted = self.dropped.total().entries();
        if self.report.not_taken > 0 {
            (self.notice)(Notice::NotTaken(self.not_taken));
        }
        Ok(self.report)
    }

    fn write_all(&mut self, handoff: &Handoff) -> Result<()> {
        loop {
            match handoff.next_task(self.sync_due()) {
                Task::Write(mut parcel) => {
                    self.write(&mut parcel)?;
                    handoff.give_back(parcel, self.committer.next_seq());
                }
                Task::Sync => self.sync()?,
                Task::Finish => break,
            }
        }
        self.sync()
    }

    fn write(&mut self, parcel: &mut Parcel) -> Result<()> {
        if !parcel.rejected.is_empty() {
            self.reject(parcel)?;
        }
        while !parcel.block.is_empty() {
            let taken = if self.gave_up { 0 } else { self.commit(&mut parcel.block)? };
            parcel.block.drop_front(taken);
            if !parcel.block.is_empty() && !self.waits_for_room(parcel.block.line(0))? {
                for index in 0..parcel.block.count() {
                    self.not_taken.add(parcel.block.line(index));
                }
                break;
            }
        }
        Ok(())
    }

    fn reject(&mut self, parcel: &mut Parcel) -> Result<()> {
        let kept = self.committer.reject(&parcel.rejected);
        self.or_tell(kept, parcel.first_line())?;
        self.report.rejected += parcel.rejected.len() as u64;
        for RejectedLine { line, reason, .. } in parcel.rejected.drain(..) {
            (self.notice)(Notice::Rejected { line, reason });
        }
        Ok(())
    }

    /// Commits as many entries as there is room for, and acknowledges them: also those before one that failed.
    fn commit(&mut self, block: &mut Block) -> Result<usize> {
        let first_line = block.line(0);
        let durability = if self.sync == SyncPolicy::Always { Durability::Sync } else { Durability::NoSync };
        let committed = self.committer.commit(block, durability);
        if let Some(notice) = self.dropped.add(self.committer.take_evicted(), Instant::now()) {
            (self.notice)(notice);
        }
        let Committed { taken, failure } = self.or_tell(committed, first_line)?;
        if taken > 0 {
            self.accept(block, taken)?;
        }
        match failure {
            Some(error) => self.or_tell(Err(error), block.line(taken)),
            None => Ok(taken),
        }
    }

    /// Acknowledges so many entries of the block, at once or after the next sync.
    fn accept(&mut self, block: &Block, taken: usize) -> Result<()> {
        self.not_taken.interrupt();
        self.report.accepted += taken as u64;
        (0..taken).for_each(|index| self.tee.hold(block.payload(index)));
        if matches!(self.sync, SyncPolicy::Interval(_)) {
            let first_line = block.line(0);
            self.unsynced.get_or_insert_with(|| Unsynced { since: Instant::now(), first_line });
            if self.tee.is_full() {
                self.sync()?;
            }
        } else {
            self.acknowledge();
        }
        Ok(())
    }

    /// The journal is full, and `line` is the first for which there was no room. Says whether to try again.
    fn waits_for_room(&mut self, line: u64) -> Result<bool> {
        let waits = self.committer.overflow() == Overflow::Block && !self.gave_up;
        if !self.full_was_told {
            self.full_was_told = true;
            (self.notice)(Notice::Full { line, waits });
        }
        if !waits {
            return Ok(false);
        }
        self.sync()?;
        self.gave_up = self.stop.wait(ROOM_INTERVAL);
        Ok(!self.gave_up)
    }

    fn sync_due(&self) -> Option<Instant> {
        match (self.sync, self.unsynced) {
            // A time that no clock reaches is never due.
            (SyncPolicy::Interval(interval), Some(unsynced)) => unsynced.since.checked_add(interval),
            _ => None,
        }
    }

    /// Syncs what `--sync interval` has left unsynced, and acknowledges it. A sync that failed is never tried again: the
    /// system may say yes the second time although the bytes are gone.
    fn sync(&mut self) -> Result<()> {
        let Some(unsynced) = self.unsynced.take() else { return Ok(()) };
        if let Err(error) = self.committer.sync() {
            (self.notice)(Notice::Failed { line: unsynced.first_line });
            return Err(error);
        }
        self.acknowledge();
        Ok(())
    }

    fn acknowledge(&mut self) {
        if let Err(source) = self.tee.pass_on() {
            (self.notice)(Notice::TeeFailed { source });
        }
    }

    /// After a failed write, saves what was written before if that is still possible, and names the first line
    /// that is not safe.
    fn or_tell<T>(&mut self, result: Result<T>, line: u64) -> Result<T> {
        if result.is_err() && self.sync().is_ok() {
            (self.notice)(Notice::Failed { line });
        }
        result
    }
}
