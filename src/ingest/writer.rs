//! The writing side: commit, acknowledge, next.

use std::io::Write;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::check::kept;
use super::dropped::Dropped;
use super::handoff::{Handoff, Parcel, Task};
use super::notice::{NotTaken, Notice};
use super::tee::Tee;
use super::{IngestReport, SyncPolicy};
use crate::error::{Error, Result};
use crate::journal::{Appender, Committed, Durability, Evicted, Overflow, RejectedLine, Renewal};
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
    /// The journal's new id and what it was before, if a backup has come back since this was asked last.
    fn take_renewed(&mut self) -> Option<(Uuid, Renewal)>;
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

    fn take_renewed(&mut self) -> Option<(Uuid, Renewal)> {
        Appender::take_renewed(self)
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
            let first_line = parcel.first_line();
            self.reject(&mut parcel.rejected, first_line)?;
        }
        while !parcel.block.is_empty() {
            let is_full = self.gave_up || self.commit(&mut parcel.block)?;
            if is_full && !self.waits_for_room(parcel.block.line(0))? {
                for index in 0..parcel.block.count() {
                    self.not_taken.add(parcel.block.line(index));
                }
                break;
            }
        }
        Ok(())
    }

    /// Keeps these lines aside. `first_line` is the first that is not safe if that fails.
    fn reject(&mut self, rejected: &mut Vec<RejectedLine>, first_line: u64) -> Result<()> {
        let kept = self.committer.reject(rejected);
        self.or_tell(kept, first_line)?;
        self.report.rejected += rejected.len() as u64;
        for RejectedLine { line, reason, .. } in rejected.drain(..) {
            (self.notice)(Notice::Rejected { line, reason });
        }
        Ok(())
    }

    /// Commits as many entries as there is room for, acknowledges them, also those before one that failed, and takes them off
    /// the block. Says whether the journal is full.
    fn commit(&mut self, block: &mut Block) -> Result<bool> {
        let durability = if self.sync == SyncPolicy::Always { Durability::Sync } else { Durability::NoSync };
        let committed = self.committer.commit(block, durability);
        if let Some((id, renewal)) = self.committer.take_renewed() {
            let Renewal { former_id, alert_exec } = renewal;
            (self.notice)(Notice::Renewed { id, former_id, alert_exec });
        }
        if let Some(notice) = self.dropped.add(self.committer.take_evicted(), Instant::now()) {
            (self.notice)(notice);
        }
        let Committed { taken, failure } =
            committed.unwrap_or_else(|error| Committed { taken: 0, failure: Some(error) });
        if taken > 0 {
            self.accept(block, taken)?;
        }
        match failure {
            // The limits were narrowed since the line was checked.
            Some(error @ Error::EntryTooLarge { .. }) => {
                let (line, payload) = (block.line(taken), block.payload(taken));
                let (length, reason) = (payload.len() as u64, error.to_string());
                let rejected = RejectedLine { line, length, reason, bytes: kept(payload) };
                self.reject(&mut vec![rejected], line)?;
                block.drop_front(taken + 1);
                Ok(false)
            }
            Some(error) => self.or_tell(Err(error), block.line(taken)),
            None => {
                block.drop_front(taken);
                Ok(!block.is_empty())
            }
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
