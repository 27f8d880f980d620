//! The writer: commits blocks, one lock, one write and one sync each.
//!
//! Between commits it holds nothing: any number of appenders may take turns. Under the lock it first checks that
//! the journal still is as it left it; if not (another writer, a compaction, new limits) it looks again.

use uuid::Uuid;

use super::ages::Ages;
use super::config::{Config, Overflow};
use super::layout;
use super::origin::{self, Renewal};
use super::room::{Room, Space};
use super::side_file::SideFile;
use super::tail::Tail;
use super::tail_mark::{NameChange, TailMark};
use super::widen::Limit;
use super::{Evicted, Journal, RejectedLine, SegmentWriter, segments};
use crate::error::{Error, Result};
use crate::record::{Block, Seq};
use crate::storage::{File, FileId, Open};

/// Whether a commit waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// The entries are durable when the commit returns.
    Sync,
    /// They are durable after a later sync, or never if the power goes first.
    NoSync,
}

/// What a commit came to.
#[derive(Debug)]
pub(crate) struct Committed {
    /// So many entries were taken, from the front.
    pub taken: usize,
    /// Why not the rest. If nothing failed, the journal is full and does not drop entries.
    pub failure: Option<Error>,
}

/// A journal's writer.
pub(crate) struct Appender {
    journal: Journal,
    lock: File,
    /// Identity of the `journal.json` that `config` was read from.
    config_id: Option<FileId>,
    config: Config,
    /// The size at which segments are sealed: it follows the limits and the file system's size.
    segment_bytes: u64,
    space: Space,
    writer: Option<SegmentWriter>,
    /// None where the journal has no limit of age.
    ages: Option<Ages>,
    /// Entries of this appender's wait for a sync: how many cuts there had been when they were written, and the seq behind
    /// them.
    unsynced: Option<(u64, Seq)>,
    latched: bool,
    /// The journal was renewed under this appender: its new id, and what it was.
    renewed: Option<(Uuid, Renewal)>,
}

impl Appender {
    pub fn open(journal: &Journal) -> Result<Self> {
        let lock = journal.store().open_to_overwrite(layout::APPEND_LOCK)?;
        let mut appender = Self {
            journal: journal.clone(),
            lock,
            config_id: None,
            config: journal.config().clone(),
            segment_bytes: 0,
            space: Space::new(journal)?,
            writer: None,
            ages: None,
            unsynced: None,
            latched: false,
            renewed: None,
        };
        let lock = appender.lock.clone();
        let _guard = lock.lock()?;
        appender.reload()?;
        Ok(appender)
    }

    /// The seq that the next entry gets if nobody else appends first.
    pub fn next_seq(&self) -> Seq {
        self.writer.as_ref().map_or(Seq::FIRST, |writer| writer.mark.next)
    }

    /// The cursor, and how many entries were lost to eviction or refusal, as last seen.
    pub fn last_seen(&self) -> (Seq, u64) {
        self.space.last_seen()
    }

    /// What this appender has dropped since it was asked last.
    pub fn take_evicted(&mut self) -> Evicted {
        self.space.take_evicted()
    }

    /// The journal's new id and what it was before, if a backup has come back under this appender since it was asked last.
    pub fn take_renewed(&mut self) -> Option<(Uuid, Renewal)> {
        self.renewed.take()
    }

    pub fn overflow(&self) -> Overflow {
        self.config.limits.overflow
    }

    /// Appends a block, or as much of it as there is room for. What was taken is as safe as `durability` says.
    ///
    /// # Errors
    /// After one, none of the block's entries may be taken for durable, though some may turn out to be.
    pub fn commit(&mut self, block: &mut Block, durability: Durability) -> Result<Committed> {
        let committed = self.locked(|appender| {
            let committed = appender.write_block(block)?;
            if durability == Durability::Sync {
                appender.sync_active()?;
            }
            if committed.taken > 0 {
                appender.note_age()?;
            }
            appender.drop_excess()?;
            Ok(committed)
        });
        if let Some(lost) = self.space.take_lost() {
            self.journal.alerts().consider(&self.journal, &self.config.limits, lost);
        }
        committed
    }

    /// Makes everything that was appended durable, by whomever.
    pub fn sync(&mut self) -> Result<()> {
        self.locked(Self::sync_active)
    }

    /// Keeps lines that are no entries, durably.
    pub fn reject(&mut self, lines: &[RejectedLine]) -> Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        self.locked(|appender| {
            let bytes = match appender.keep_rejected(lines) {
                Err(error) if error.is_storage_full() && appender.give_back()? => {
                    appender.keep_rejected(lines)?
                }
                result => result?,
            };
            let writer = appender.writer()?;
            writer.mark.count_sync();
            writer.mark.count_write(bytes);
            Ok(())
        })
    }

    fn keep_rejected(&self, lines: &[RejectedLine]) -> Result<u64> {
        let mut file = SideFile::open(self.journal.store(), layout::REJECTED, &self.config.limits)?;
        let most = file.line_bytes_max();
        file.append(&lines.iter().map(|line| line.shortened(most)).collect::<Vec<_>>())
    }

    /// Gives back the space of entries that were settled: seals the active segment if all of it was, and unlinks.
    pub fn reclaim(&mut self) -> Result<()> {
        self.locked(|appender| {
            if appender.all_settled()? {
                appender.rotate()?;
            }
            appender.unlink_settled().map(drop)
        })
    }

    /// Unlinks the segments in which nothing is pending. Says whether there were any.
    fn unlink_settled(&mut self) -> Result<bool> {
        if !self.space.is_reclaimable()? {
            return Ok(false);
        }
        self.change_names(|appender, names| appender.space.reclaim(names))?;
        Ok(true)
    }

    /// Changes names while no valid mark is on disk. After an error it stays invalid, so that whoever comes next looks at
    /// the directory; otherwise a new one is written when the lock is given back.
    fn change_names<T>(&mut self, work: impl FnOnce(&mut Self, &NameChange) -> Result<T>) -> Result<T> {
        let lock = self.lock.clone();
        let names = NameChange::begin(&lock, Some(&mut self.writer()?.mark))?;
        let done = work(self, &names)?;
        self.writer()?.mark.changing = false;
        Ok(done)
    }

    /// Runs under the append lock, on the journal as it is now, and leaves a mark of how it is afterwards.
    fn locked<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.latched {
            return Err(Error::Latched { path: self.journal.path().to_owned() });
        }
        loop {
            let lock = self.lock.clone();
            let _guard = lock.lock()?;
            if lock.is_linked()? {
                return self.as_it_is_now(work);
            }
            self.reopen()?;
        }
    }

    fn as_it_is_now<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if !self.is_current()? {
            self.reload()?;
        }
        let result = work(self);
        if let Some(writer) = &mut self.writer {
            writer.mark.sealed = self.space.sealed();
            // Without a mark the next writer reads the segment; on a full disk that is how it is.
            let _ = writer.mark.write(&self.lock);
        }
        result
    }

    /// A backup has come back while this appender was open, and its files have taken the place of those that are open here: what
    /// was written to these would be lost.
    fn reopen(&mut self) -> Result<()> {
        self.lock = self.journal.store().open_to_overwrite(layout::APPEND_LOCK)?;
        self.space = Space::new(&self.journal)?;
        self.writer = None;
        Ok(())
    }

    /// Whether everything is as this appender left it.
    fn is_current(&self) -> Result<bool> {
        let Some(writer) = &self.writer else { return Ok(false) };
        Ok(!writer.mark.changing
            && TailMark::read(&self.lock)?.as_ref() == Some(&writer.mark)
            && self.journal.store().size(&layout::segment_name(writer.mark.segment))? == writer.mark.end
            && self.config_id == Config::identity(self.journal.store())?)
    }

    /// Finds the end of the journal and recovers it if need be.
    fn reload(&mut self) -> Result<()> {
        self.writer = None;
        let store = self.journal.store();
        let (config, renewed) = origin::settle(store, &self.lock)?;
        self.config = config;
        self.config_id = Config::identity(store)?;
        if let Some(renewal) = renewed {
            tracing::warn!(former = %renewal.former_id, id = %self.config.id, "restored while it was written to");
            self.renewed = Some((self.config.id, renewal));
        }
        let mark = TailMark::read(&self.lock)?;
        if self.unsynced.is_some_and(|(cuts, _)| mark.as_ref().is_none_or(|mark| mark.cuts != cuts)) {
            // Another process's sync has failed since, or nobody knows: what this one relied on may be gone.
            self.latched = true;
            return Err(Error::Latched { path: store.path().to_owned() });
        }
        let mut tail = self.find_tail(mark.as_ref())?;
        let store = self.journal.store();
        if self.unsynced.is_some_and(|(_, next)| tail.next < next) {
            // The same, but the process was killed after its sync had failed and before it could count the cut.
            self.latched = true;
            return Err(Error::Latched { path: store.path().to_owned() });
        }
        self.space.check_cursor(tail.next)?;
        if tail.changes_names() {
            let names = NameChange::begin(&self.lock, mark.clone().as_mut())?;
            tail.remove_superfluous(store, &names)?;
            self.space.removed_newest()?;
        }
        if !tail.clean {
            tail.settle(store)?;
        }
        let writer =
            self.writer.insert(SegmentWriter::new(store, &self.lock, self.config.id, tail, mark.clone())?);
        let joinable = writer.joinable;
        let end = writer.mark.end;
        self.space.measure(end)?;
        self.segment_bytes = self.config.segment_bytes_effective(store.volume());
        if !joinable {
            self.begin_next_segment()?;
        }
        let durable = self.writer()?.mark.durable_next;
        self.ages = match self.config.limits.max_age {
            Some(_) => {
                let (store, id) = (self.journal.store(), self.config.id);
                Some(Ages::load(store, &self.lock, id, mark.as_ref(), durable)?)
            }
            None => None,
        };
        // On a full disk there may be no mark; see `locked`.
        let lock = self.lock.clone();
        self.writer()?.mark.sealed = self.space.sealed();
        let _ = self.writer()?.mark.write(&lock);
        Ok(())
    }

    /// Where the journal ends. The directory is listed only where the mark leaves a doubt.
    fn find_tail(&mut self, mark: Option<&TailMark>) -> Result<Tail> {
        let store = self.journal.store();
        if let Some(mark) = mark
            && let Some(active) = self.space.follow(mark)
            && let Some(tail) = Tail::find_known(store, active, mark)?
        {
            return Ok(tail);
        }
        let (before, newest) = self.space.list(mark)?;
        Tail::find_after(store, before, newest, mark.cloned(), Open::Write)?
            .ok_or_else(|| segments::none(store))
    }

    fn writer(&mut self) -> Result<&mut SegmentWriter> {
        self.writer.as_mut().ok_or_else(|| Error::Latched { path: self.journal.path().to_owned() })
    }

    /// Writes as much of the block as there is room for, across segments if it must.
    fn write_block(&mut self, block: &mut Block) -> Result<Committed> {
        self.check_numbering(block)?;
        block.renumber(self.next_seq());
        let mut taken = 0;
        while taken < block.count() {
            match self.write_part(block, taken) {
                Ok(0) => break,
                Ok(count) => taken += count,
                // What was written before the failure is whole, unless it was a sync that failed.
                Err(error) if taken > 0 && !self.latched => {
                    return Ok(Committed { taken, failure: Some(error) });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Committed { taken, failure: None })
    }

    /// Writes records from index `from` on, as many as fit in one place. Returns how many; 0 if the journal is full.
    fn write_part(&mut self, block: &Block, from: usize) -> Result<usize> {
        let count = self.fitting(block, from)?;
        if count == 0 {
            return Ok(0);
        }
        let count = self.write_records(block, from, from + count)?;
        let mark = &self.writer()?.mark;
        self.unsynced = Some((mark.cuts, mark.next));
        self.space.grew(block.records(from, from + count).len() as u64);
        Ok(count)
    }

    /// No journal counts that far: one that is nearly there says so because somebody has written it by hand.
    fn check_numbering(&self, block: &Block) -> Result<()> {
        if Seq::END.since(self.next_seq()) >= block.count() as u64 {
            return Ok(());
        }
        let reason = "there are not enough sequence numbers left".to_owned();
        Err(Error::Damaged { path: self.journal.path().to_owned(), reason })
    }

    /// Writes records, or some of them if the disk is full; if it takes none, what is settled makes room.
    fn write_records(&mut self, block: &Block, from: usize, to: usize) -> Result<usize> {
        loop {
            match self.writer()?.write(block, from, to) {
                Err(error) if error.is_storage_full() && self.give_back()? => {}
                result => return result,
            }
        }
    }

    /// The disk is full: gives back what is settled, also the active segment if all of it is. False if nothing was.
    fn give_back(&mut self) -> Result<bool> {
        let mut made = self.unlink_settled()?;
        if !made && self.all_settled()? {
            self.rotate()?;
            self.unlink_settled()?;
            made = true;
        }
        if made {
            self.journal.store().release_space()?;
        }
        Ok(made)
    }

    /// How many records from index `from` on can be written now; makes room and changes segments as needed.
    fn fitting(&mut self, block: &Block, from: usize) -> Result<usize> {
        let size = self.segment_bytes;
        let first = block.records(from, from + 1).len() as u64;
        let end = self.writer()?.mark.end;
        if end > 0 && end + first > size {
            self.rotate()?;
            return self.fitting(block, from);
        }
        let entries = self.room_for_entries(block.count() - from)?;
        if entries == 0 || !self.make_room(first)? {
            return Ok(0);
        }
        let within = size.saturating_sub(end).min(self.space.free(&self.config.limits)).max(first);
        let start = block.offset(from) as u64;
        let fitting = (from + 1..=block.count()).take_while(|to| block.offset(*to) as u64 - start <= within);
        Ok(fitting.count().min(entries))
    }

    /// How many of `wanted` entries the limit of entries lets in; all of them where the oldest give way.
    fn room_for_entries(&mut self, wanted: usize) -> Result<usize> {
        let Some(most) = self.config.limits.max_entries else { return Ok(wanted) };
        if self.overflow() == Overflow::DropOldest {
            return Ok(wanted);
        }
        let pending = self.next_seq().since(self.space.cursor()?);
        Ok(wanted.min(usize::try_from(most.saturating_sub(pending)).unwrap_or(usize::MAX)))
    }

    /// Makes room for `bytes` bytes. False if there is none and the policy is not to drop entries.
    fn make_room(&mut self, bytes: u64) -> Result<bool> {
        if self.space.free(&self.config.limits) >= bytes {
            return Ok(true);
        }
        let active_bytes = self.writer()?.mark.end;
        self.space.measure(active_bytes)?;
        let most = self.space.free_without_entries(&self.config.limits);
        if bytes > most {
            return Err(Error::EntryTooLarge { path: self.journal.path().to_owned(), bytes, most });
        }
        self.unlink_settled()?;
        if self.space.free(&self.config.limits) < bytes && self.all_settled()? {
            self.rotate()?;
            self.unlink_settled()?;
        }
        let limit = Limit::Bytes(self.config.limits.max_bytes);
        while self.space.free(&self.config.limits) < bytes {
            if self.overflow() != Overflow::DropOldest {
                return Ok(false);
            }
            match self.space.evict_oldest_segment(limit)? {
                Room::Made => drop(self.unlink_settled()?),
                Room::OnlyActiveLeft if self.writer()?.mark.end > 0 => self.rotate()?,
                Room::OnlyActiveLeft => {
                    let limit = format!("no room for {bytes} bytes within {}", self.config.limits.max_bytes);
                    return Err(Error::Full { path: self.journal.path().to_owned(), limit });
                }
            }
        }
        Ok(true)
    }

    /// Whether there is something in the active segment, and no entry of it is pending.
    fn all_settled(&mut self) -> Result<bool> {
        let next = self.next_seq();
        Ok(self.writer()?.mark.end > 0 && self.space.cursor()? >= next)
    }

    /// Evicts what is too much or too old, where the policy is to drop the oldest.
    fn drop_excess(&mut self) -> Result<()> {
        let limits = self.config.limits.clone();
        let next = self.next_seq();
        if limits.overflow == Overflow::DropOldest
            && let Some(most) = limits.max_entries
            && self.space.pending_at_most(next) > most
            && next.since(self.space.cursor()?) > most
        {
            // The cursor never passes what is not durable.
            self.sync_active()?;
            let excess = next.since(self.space.cursor()?).saturating_sub(most);
            let cursor = self.space.cursor()?;
            self.space.evict_to(cursor.plus(excess), Limit::Entries(most))?;
        }
        // Facts of ages are about durable entries only.
        if let Some(max_age) = limits.max_age
            && let Some(ages) = &mut self.ages
            && let Some(end) = ages.expired(max_age)
        {
            let mut cursor = self.space.cursor()?;
            if cursor < end {
                self.space.evict_to(end, Limit::Age(max_age))?;
                cursor = end;
            }
            ages.forget_before(cursor);
        }
        Ok(())
    }

    /// Entries were written: what is known of the ages of those before them is kept, now and then.
    fn note_age(&mut self) -> Result<()> {
        let Some(max_age) = self.config.limits.max_age else { return Ok(()) };
        let durable = self.writer()?.mark.durable_next;
        let Some(ages) = &mut self.ages else { return Ok(()) };
        ages.tick(self.journal.store());
        if ages.keep_fact(max_age) {
            // An aid, as the mark is; see `locked`.
            let _ = ages.write(&self.lock);
        }
        let age = ages.committed(durable);
        self.writer()?.mark.age = Some(age);
        Ok(())
    }

    fn rotate(&mut self) -> Result<()> {
        let sealed = self.writer()?.seal();
        self.latch_on_error(sealed)?;
        self.unsynced = None;
        match self.begin_next_segment() {
            Err(error) if error.is_storage_full() && !self.latched && self.unlink_settled()? => {
                self.begin_next_segment()?;
            }
            result => result?,
        }
        self.segment_bytes = self.config.segment_bytes_effective(self.journal.store().volume());
        if self.space.is_disk_short() {
            self.unlink_settled()?;
        }
        Ok(())
    }

    /// Goes on in a new segment; the one before it is durable.
    fn begin_next_segment(&mut self) -> Result<()> {
        let store = self.journal.store().clone();
        self.change_names(|appender, names| {
            let file = appender.writer()?.make_next(&store, names)?;
            let rotated = appender.writer()?.rotate(&store, file);
            appender.latch_on_error(rotated)?;
            let active = appender.writer()?.mark.segment;
            appender.space.rotated(active)
        })
    }

    fn sync_active(&mut self) -> Result<()> {
        let result = self.writer()?.sync();
        self.latch_on_error(result)?;
        self.unsynced = None;
        Ok(())
    }

    /// After a failed sync this process no longer knows what is on the disk.
    fn latch_on_error(&mut self, result: Result<()>) -> Result<()> {
        self.latched |= result.is_err();
        result
    }
}
