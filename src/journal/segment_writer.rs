//! The active segment: where records are added, and what is known of it.

use uuid::Uuid;

use super::tail::{Tail, write_again};
use super::tail_mark::{ConfigSeen, NameChange, TailMark};
use crate::error::Result;
use crate::record::Block;
use crate::storage::{File, Store};

/// The active segment, under the append lock.
pub(crate) struct SegmentWriter {
    pub file: File,
    /// How the segment stands; left in `append.lock` after every commit.
    pub mark: TailMark,
    /// Whether a record can be written at the end; otherwise damage without a line end lies there.
    pub joinable: bool,
    /// What no sync is known to have covered was written by this process from here on; before that, by others.
    own_from: u64,
}

impl SegmentWriter {
    /// Goes on where the tail is. The counters come from the last mark, which need not be of this segment.
    pub fn new(
        store: &Store,
        lock: &File,
        journal: Uuid,
        tail: Tail,
        last: Option<TailMark>,
    ) -> Result<Self> {
        let (syncs, bytes_written) = last.as_ref().map_or((0, 0), |mark| (mark.syncs, mark.bytes_written));
        let mark = TailMark {
            boot: store.boot_id(),
            home: lock.id()?,
            segment: tail.segment,
            file: tail.file.id()?,
            end: tail.end,
            next: tail.next,
            durable_end: tail.durable_end,
            durable_next: tail.durable_next,
            syncs,
            bytes_written,
            cuts: last.as_ref().map_or(0, |mark| mark.cuts),
            age: last.as_ref().and_then(|mark| mark.age.clone()),
            journal: Some(journal),
            config: Some(ConfigSeen::now(store, last.and_then(|mark| mark.config))?),
            sealed: None,
            changing: false,
        };
        let own_from = tail.end;
        Ok(Self { file: tail.file, mark, joinable: tail.joinable, own_from })
    }

    /// Adds records `from` to `to` of a block, or, where the disk is full, as many of them as it takes whole: at least one.
    /// Any more of what was written is cut off again. Returns how many there are.
    pub fn write(&mut self, block: &Block, from: usize, to: usize) -> Result<usize> {
        let mut count = to - from;
        if let Err(error) = self.file.write_at(block.records(from, to), self.mark.end) {
            count = if error.is_storage_full() { self.whole_records(block, from, to) } else { 0 };
            // If this fails too, the next writer finds more than the mark says and cuts it.
            let _ = self.file.set_len(self.mark.end + block.records(from, from + count).len() as u64);
            if count == 0 {
                return Err(error);
            }
        }
        let bytes = block.records(from, from + count).len() as u64;
        self.mark.end += bytes;
        self.mark.next = self.mark.next.plus(count as u64);
        self.mark.count_write(bytes);
        Ok(count)
    }

    /// How many of these records the file holds past the mark. Only what a write has accepted is there.
    fn whole_records(&self, block: &Block, from: usize, to: usize) -> usize {
        let there = self.file.len().map_or(0, |length| length.saturating_sub(self.mark.end));
        (from + 1..=to).take_while(|to| block.records(from, *to).len() as u64 <= there).count()
    }

    /// Makes all of it durable. When that fails, the bytes that no sync has covered count as gone and are cut off: the
    /// kernel may have marked their pages clean, and a later sync would vouch for what is not there.
    pub fn sync(&mut self) -> Result<()> {
        if self.mark.durable_end == self.mark.end {
            return Ok(());
        }
        // Of what others have left unsynced nobody knows whether a sync of it has failed.
        write_again(&self.file, self.mark.durable_end, self.own_from)?;
        if let Err(error) = self.file.sync_data() {
            let _ = self.file.set_len(self.mark.durable_end);
            self.mark.end = self.mark.durable_end;
            self.mark.next = self.mark.durable_next;
            self.mark.cuts = self.mark.cuts.wrapping_add(1);
            return Err(error);
        }
        self.own_from = self.mark.end;
        self.mark.durable_end = self.mark.end;
        self.mark.durable_next = self.mark.next;
        self.mark.count_sync();
        Ok(())
    }

    /// Makes all of it durable before the next segment is begun, also where nothing was added since the last sync: what a failed
    /// write had left may have been cut off since, here or by another process. Recovery cuts the newest segment only, so a
    /// crash must not bring that back.
    pub fn seal(&mut self) -> Result<()> {
        if self.mark.durable_end != self.mark.end {
            return self.sync();
        }
        self.file.sync_data()?;
        self.mark.count_sync();
        Ok(())
    }

    /// Makes the next segment's file; this one must be durable.
    pub fn make_next(&self, store: &Store, names: &NameChange) -> Result<File> {
        names.create(store, self.mark.next)
    }

    /// Seals this segment and goes on in the next. If that fails, this writer must not go on in either.
    pub fn rotate(&mut self, store: &Store, file: File) -> Result<()> {
        let segment = self.mark.next;
        store.sync_names()?;
        self.mark.file = file.id()?;
        self.file = file;
        self.joinable = true;
        self.own_from = 0;
        self.mark.segment = segment;
        (self.mark.end, self.mark.durable_end) = (0, 0);
        self.mark.durable_next = segment;
        self.mark.count_sync();
        Ok(())
    }
}
