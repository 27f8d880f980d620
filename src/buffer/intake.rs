//! Taking entries in, from any number of threads, without a thread of its own.
//!
//! On disk: one of the writing threads commits for all. While it waits for the disk, the others fill the next group, and
//! the first of them commits that. Nobody returns before his own entry is durable.
//!
//! In memory: a group is committed when it is full, when somebody looks, or when its entries make the journal drop so many
//! that the program is to be told. Until then its seqs are known, since nobody else writes.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::alert::Alert;
use super::options::CAPACITY;
use super::stage::{Group, Outcome, Stage};
use super::{BufferOptions, OnDiskFailure};
use crate::error::{Error, Result};
use crate::journal::{Appender, Committed, Durability, Journal};
use crate::record::{Block, PAYLOAD_BYTES_MAX, Seq};

/// A group in memory is committed when it has so many entries or bytes.
const LAZY_ENTRIES: usize = 256;
const LAZY_BYTES: usize = 64 << 10;
/// No more than this and one entry wait for one commit: offsets in a block have 32 bits.
const GROUP_BYTES_MAX: usize = 64 << 20;
/// What the disk does not take is kept up to this size.
const KEPT_BYTES_MAX: usize = 256 << 20;
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// Space of entries that were evicted or delivered is given back after so many new bytes.
const RECLAIM_BYTES: usize = 4 << 20;
/// A block's memory above this is not kept for the next.
const SPARE_BYTES_MAX: usize = 1 << 20;

/// See the module page.
pub(super) struct Intake {
    journal: Journal,
    pub alert: Alert,
    /// Whether entries may wait for others before they are committed.
    lazy: bool,
    /// Whether entries that the disk does not take stay.
    keeps: bool,
    max_entries: u64,
    payload_bytes_max: usize,
    stage: Mutex<Stage>,
    done: Condvar,
}

type Guard<'a> = MutexGuard<'a, Stage>;

impl Intake {
    /// Recovers the journal if need be, and brings it within its capacity.
    pub fn open(journal: &Journal, options: &BufferOptions) -> Result<Self> {
        let mut appender = Appender::open(journal)?;
        appender.commit(&mut Block::new(), Durability::Sync)?;
        let alert = Alert::new(options.dead_letter_threshold);
        let alert_at = alert.due_after(journal.lost()?);
        let lazy = options.persist_path.is_none();
        let capacity = options.max_capacity.or(journal.config().limits.max_entries);
        Ok(Self {
            journal: journal.clone(),
            alert,
            lazy,
            keeps: lazy || options.on_disk_failure == OnDiskFailure::KeepInMemory,
            max_entries: capacity.unwrap_or(CAPACITY),
            payload_bytes_max: PAYLOAD_BYTES_MAX.min(journal.payload_bytes_max()),
            stage: Mutex::new(Stage::new(appender, alert_at)),
            done: Condvar::new(),
        })
    }

    /// Takes one entry. On disk it is durable when this returns.
    pub fn write(&self, payload: &[u8]) -> Result<Seq> {
        if payload.len() > self.payload_bytes_max {
            let (bytes, most) = (payload.len() as u64, self.payload_bytes_max as u64);
            return Err(Error::EntryTooLarge { path: self.journal.path().to_owned(), bytes, most });
        }
        let mut stage = self.admitted()?;
        let index = stage.push(payload);
        if self.lazy {
            let seq = stage.group.block.first().plus(index);
            if self.is_full(&stage.group.block) || stage.lost_at_most(self.max_entries) >= stage.alert_at {
                drop(self.settle(stage));
            }
            return Ok(seq);
        }
        let outcome = Arc::clone(&stage.group.outcome);
        loop {
            if let Some(outcome) = outcome.get() {
                return outcome.of(index);
            }
            stage = self.advance(stage)?;
        }
    }

    /// Commits what waits, also what the disk did not take before if it is time to try that again.
    pub fn flush(&self) -> Result<()> {
        self.flushed(self.lock())
    }

    /// Takes nothing more, and makes a last attempt to commit what waits.
    pub fn close(&self) -> Result<()> {
        let mut stage = self.lock();
        stage.closed = true;
        stage.retry_at = None;
        self.flushed(stage)
    }

    /// Whether others can write to the journal: it is on disk.
    pub fn is_shared(&self) -> bool {
        !self.lazy
    }

    /// Entries that the disk has not taken.
    pub fn not_durable(&self) -> u64 {
        self.lock().kept.count() as u64
    }

    /// Entries in the open group.
    #[cfg(test)]
    pub fn waiting(&self) -> usize {
        self.lock().group.block.count()
    }

    /// Where the journal ends, and a copy of the records that the disk has not taken, at one moment.
    pub fn snapshot(&self) -> Result<(Seq, Vec<u8>)> {
        let mut stage = self.lock();
        while stage.leading {
            stage = self.done.wait(stage).unwrap_or_else(PoisonError::into_inner);
        }
        let end = self.journal.end()?;
        Ok((end, stage.kept.records(0, stage.kept.count()).to_vec()))
    }

    /// So many entries are lost by now: tells the program if they pass a multiple of its threshold.
    pub fn see_lost(&self, lost: u64) {
        self.count_lost(&mut self.lock(), lost);
    }

    fn count_lost(&self, stage: &mut Stage, lost: u64) {
        stage.lost = stage.lost.max(lost);
        if stage.lost >= stage.alert_at {
            stage.alert_at = self.alert.due_after(stage.lost);
            self.alert.raise(stage.lost);
        }
    }

    fn flushed<'a>(&'a self, mut stage: Guard<'a>) -> Result<()> {
        let idle = stage.group.block.is_empty() && stage.kept.is_empty() && !stage.leading;
        let outcome = Arc::clone(&stage.group.outcome);
        while !idle && outcome.get().is_none() {
            stage = self.advance(stage)?;
        }
        match (outcome.get(), &stage.failure) {
            (_, Some(error)) if !stage.kept.is_empty() => Err(error.again()),
            (Some(Outcome::Failed(error)), _) => Err(error.again()),
            _ => Ok(()),
        }
    }

    /// The stage, once it has room for an entry.
    fn admitted(&self) -> Result<Guard<'_>> {
        let mut stage = self.lock();
        while stage.group.block.len() >= GROUP_BYTES_MAX {
            stage = self.advance(stage)?;
        }
        if self.keeps_all_it_can(&stage) && !stage.leading && is_time(&stage) {
            stage = self.lead(stage);
        }
        if stage.closed {
            return Err(Error::Closed);
        }
        if stage.broken {
            return Err(self.latched());
        }
        match &stage.failure {
            Some(error) if self.keeps_all_it_can(&stage) => Err(error.again()),
            _ => Ok(stage),
        }
    }

    fn keeps_all_it_can(&self, stage: &Stage) -> bool {
        stage.kept.count() as u64 >= self.max_entries || stage.kept.len() >= KEPT_BYTES_MAX
    }

    fn is_full(&self, block: &Block) -> bool {
        block.count() >= LAZY_ENTRIES || block.len() >= LAZY_BYTES
    }

    /// Commits the open group unless another thread is at it.
    fn settle<'a>(&'a self, stage: Guard<'a>) -> Guard<'a> {
        if stage.leading { stage } else { self.lead(stage) }
    }

    /// Commits the open group, or waits for the thread that commits the one before.
    fn advance<'a>(&'a self, stage: Guard<'a>) -> Result<Guard<'a>> {
        if stage.broken {
            return Err(self.latched());
        }
        if !stage.leading {
            return Ok(self.lead(stage));
        }
        Ok(self.done.wait(stage).unwrap_or_else(PoisonError::into_inner))
    }

    /// Commits the open group, and before it what the disk has not taken so far.
    fn lead<'a>(&'a self, mut stage: Guard<'a>) -> Guard<'a> {
        stage.leading = true;
        let Group { mut block, outcome } = stage.take_group();
        let before = stage.kept.count();
        if before > 0 {
            let mut kept = std::mem::take(&mut stage.kept);
            kept.join(&block);
            block = kept;
        }
        let mut appender = stage.appender.take();
        let waits = stage.failure.as_ref().filter(|_| !is_time(&stage)).map(Error::again);
        let reclaims = stage.since_reclaim >= RECLAIM_BYTES;
        drop(stage);

        let leaving = Leaving(self);
        let committed = match waits {
            Some(error) => Err(error),
            None => self.commit(&mut appender, &mut block),
        };
        let failed = !matches!(committed, Ok(Committed { failure: None, .. }));
        if failed && self.keeps {
            // We still have the bytes: a new appender finds out what the disk has, and they are written anew.
            appender = None;
        }
        if let (true, Some(appender)) = (reclaims, &mut appender)
            && let Err(error) = appender.reclaim()
        {
            tracing::warn!(%error, "space was not given back");
        }
        std::mem::forget(leaving);

        let mut stage = self.lock();
        if reclaims {
            stage.since_reclaim = 0;
        }
        // Set once, by the thread that took the group.
        let _ = outcome.set(self.outcome(&mut stage, committed, block, before as u64));
        if let Some(appender) = &appender {
            let (cursor, lost) = appender.last_seen();
            stage.cursor = cursor;
            self.count_lost(&mut stage, lost);
        }
        stage.appender = appender;
        stage.leading = false;
        self.done.notify_all();
        stage
    }

    fn commit(&self, appender: &mut Option<Appender>, block: &mut Block) -> Result<Committed> {
        let appender = match appender {
            Some(appender) => appender,
            none => none.insert(Appender::open(&self.journal)?),
        };
        appender.commit(block, Durability::Sync)
    }

    /// What a commit came to for a group whose entries have index `before` and up in the block.
    fn outcome(
        &self,
        stage: &mut Stage,
        committed: Result<Committed>,
        mut block: Block,
        before: u64,
    ) -> Outcome {
        let first = block.first().plus(before);
        let full = || Error::Full {
            path: self.journal.path().to_owned(),
            limit: "it does not drop entries (`edgesync init --overflow`)".into(),
        };
        let (taken, failure) = match committed {
            Ok(Committed { taken, failure: None }) => (taken, (taken < block.count()).then(full)),
            Ok(Committed { taken, failure }) => (taken, failure),
            Err(error) => (0, Some(error)),
        };
        stage.since_reclaim += block.offset(taken);
        match failure {
            None => {
                if stage.failure.take().is_some() {
                    tracing::info!(entries = taken, "the disk works again");
                }
                if block.capacity() <= SPARE_BYTES_MAX {
                    stage.spare = block;
                }
                Outcome::Taken { first, count: u64::MAX, rest: None }
            }
            Some(error) if self.keeps => {
                if is_time(stage) {
                    tracing::error!(%error, entries = block.count(), "not on disk; kept in memory");
                    stage.retry_at = Instant::now().checked_add(RETRY_INTERVAL);
                }
                block.drop_front(taken);
                stage.failure = Some(error);
                stage.kept = block;
                Outcome::Kept { first }
            }
            Some(error) if taken > 0 || matches!(error, Error::Full { .. } | Error::EntryTooLarge { .. }) => {
                Outcome::Taken { first, count: taken as u64, rest: Some(error) }
            }
            Some(error) => {
                tracing::error!(%error, entries = block.count(), "not written");
                Outcome::Failed(error)
            }
        }
    }

    fn latched(&self) -> Error {
        Error::Latched { path: self.journal.path().to_owned() }
    }

    fn lock(&self) -> Guard<'_> {
        // A panic of a writer while it held the lock can have left nothing half done but its own entry.
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_time(stage: &Stage) -> bool {
    stage.retry_at.is_none_or(|at| Instant::now() >= at)
}

/// Dropped only when the committing thread panics: nobody must wait for it for ever.
struct Leaving<'a>(&'a Intake);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        let mut stage = self.0.lock();
        stage.broken = true;
        stage.leading = false;
        self.0.done.notify_all();
    }
}
