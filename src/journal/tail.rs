//! Where a journal ends: from the tail mark where there is one that fits, otherwise from the newest segment's records.
//!
//! Looking ([`Tail::find`]) changes nothing; only [`Tail::settle`] does: it cuts the torn end and makes the rest durable.
//! What may be cut is decided here, in one place (docs/design.md, "What recovery cuts").

use super::lines::Lines;
use super::tail_mark::{NameChange, TailMark};
use super::{layout, seek, segments};
use crate::error::Result;
use crate::record::{Seq, decode, is_like_a_record, record_within};
use crate::storage::{File, Open, Store};

const READ_BYTES: usize = 64 << 10;

/// The newest segment and where its records end.
pub(crate) struct Tail {
    pub segment: Seq,
    pub file: File,
    /// Where the next record goes, in bytes.
    pub end: u64,
    /// The next seq.
    pub next: Seq,
    /// What a sync is known to have covered.
    pub durable_end: u64,
    pub durable_next: Seq,
    /// The file's length; what lies past `end` is torn.
    pub length: u64,
    /// Whether `end` follows a line feed, so that a record can be written there.
    pub joinable: bool,
    /// Nothing to recover: the mark holds, is of this file, and says where the file ends.
    pub clean: bool,
    /// An empty segment after this one, to be removed: its name belongs to an entry of this one.
    superfluous: Option<Seq>,
}

impl Tail {
    /// Looks for the tail, given what `append.lock` says.
    pub fn find(store: &Store, mark: Option<TailMark>, how: Open) -> Result<Self> {
        loop {
            let segments = segments::list(store)?;
            let segment = *segments.last().ok_or_else(|| segments::none(store))?;
            let before = segments.len().checked_sub(2).map(|index| segments[index]);
            // None: compacted away since it was listed.
            if let Some(tail) = Self::find_after(store, before, segment, mark.clone(), how)? {
                return Ok(tail);
            }
        }
    }

    /// The same where the two newest segments are known; none if the newest one's file is gone.
    pub fn find_after(
        store: &Store,
        before: Option<Seq>,
        segment: Seq,
        mark: Option<TailMark>,
        how: Open,
    ) -> Result<Option<Self>> {
        let Some(file) = store.open_if_there(&layout::segment_name(segment), how)? else { return Ok(None) };
        match before.filter(|_| !is_vouched_for(store, mark.as_ref(), segment)) {
            Some(before) => Self::find_in_both(store, (before, segment), file, mark, how),
            None => Self::find_in(store, segment, file, mark),
        }
        .map(Some)
    }

    /// The same for a writer that knows the newest segment without a look at the directory; none if there is any doubt: its
    /// file is gone, something is to be recovered, or a later segment was made, which would have the name of the next seq.
    pub fn find_known(store: &Store, segment: Seq, mark: &TailMark) -> Result<Option<Self>> {
        let Some(file) = store.open_if_there(&layout::segment_name(segment), Open::Write)? else {
            return Ok(None);
        };
        let tail = Self::find_in(store, segment, file, Some(mark.clone()))?;
        let is_newest = tail.next == segment || !store.exists(&layout::segment_name(tail.next))?;
        Ok(Some(tail).filter(|tail| tail.clean && is_newest))
    }

    /// The same where no mark vouches for the newest segment: the one before it must not reach into its numbers. No process
    /// of this version leaves it so; were it taken as it is, sequence numbers would be given twice.
    fn find_in_both(
        store: &Store,
        (before, segment): (Seq, Seq),
        file: File,
        mark: Option<TailMark>,
        how: Open,
    ) -> Result<Self> {
        let previous = store.open_if_there(&layout::segment_name(before), how)?;
        let end = previous.as_ref().map_or(Ok(None), seek::last_seq)?.map_or(segment, Seq::next);
        match previous {
            Some(previous) if end > segment && file.len()? == 0 => {
                let tail = Self::find_in(store, before, previous, mark)?;
                Ok(Self { superfluous: Some(segment), clean: false, ..tail })
            }
            _ => {
                let tail = Self::find_in(store, segment, file, mark)?;
                Ok(Self { next: tail.next.max(end), clean: tail.clean && tail.next >= end, ..tail })
            }
        }
    }

    fn find_in(store: &Store, segment: Seq, file: File, mark: Option<TailMark>) -> Result<Self> {
        let length = file.len()?;
        let numbering = mark.as_ref().map_or(segment, |mark| mark.durable_next);
        let mark = mark.filter(|mark| mark.segment == segment);
        let fresh = mark.as_ref().is_some_and(|mark| {
            mark.holds(store) && mark.end <= length && file.id().is_ok_and(|id| id == mark.file)
        });
        let (start, covered) = match &mark {
            Some(mark) if fresh => ((mark.end, mark.next), Some(mark.end)),
            // A file that is shorter than what was durable has lost its end: what it still has was durable too.
            Some(mark) => ((0, segment), Some(mark.durable_end.min(length))),
            None => ((0, segment), None),
        };
        let scan = scan(&file, start, covered)?;
        let (durable_end, durable_next) = match &mark {
            Some(mark) if mark.durable_end <= length => (mark.durable_end, mark.durable_next),
            _ => (0, segment),
        };
        let end = scan.end.max(covered.unwrap_or(0));
        let joinable = ends_a_line(&file, end)?;
        let next = scan.next.max(numbering);
        let clean = fresh && start == (length, next);
        let superfluous = None;
        Ok(Self { segment, file, end, next, durable_end, durable_next, length, joinable, clean, superfluous })
    }

    /// Whether a segment has to be removed before anything is written.
    pub fn changes_names(&self) -> bool {
        self.superfluous.is_some()
    }

    /// Removes it.
    pub fn remove_superfluous(&mut self, store: &Store, names: &NameChange) -> Result<()> {
        match self.superfluous.take() {
            Some(segment) => names.remove(store, segment),
            None => Ok(()),
        }
    }

    /// Cuts what is torn and makes what is left durable: name, length and bytes.
    pub fn settle(&mut self, store: &Store) -> Result<()> {
        if self.end < self.length {
            self.file.set_len(self.end)?;
            self.length = self.end;
        }
        write_again(&self.file, self.durable_end, self.end)?;
        self.file.sync_data()?;
        store.sync_names()?;
        (self.durable_end, self.durable_next) = (self.end, self.next);
        Ok(())
    }
}

/// Whether the mark is of this segment, and still holds.
fn is_vouched_for(store: &Store, mark: Option<&TailMark>, segment: Seq) -> bool {
    mark.is_some_and(|mark| mark.segment == segment && mark.holds(store))
}

/// Writes bytes over themselves, so that the next sync covers them whatever has become of earlier ones: if one has
/// failed in another process, the system may hold their pages for clean.
pub(crate) fn write_again(file: &File, from: u64, to: u64) -> Result<()> {
    let mut bytes = vec![0; READ_BYTES.min(usize::try_from(to.saturating_sub(from)).unwrap_or(READ_BYTES))];
    let mut offset = from;
    while offset < to {
        let wanted = bytes.len().min(usize::try_from(to - offset).unwrap_or(READ_BYTES));
        let count = file.read_at(&mut bytes[..wanted], offset)?;
        if count == 0 {
            break;
        }
        file.write_at(&bytes[..count], offset)?;
        offset += count as u64;
    }
    Ok(())
}

fn ends_a_line(file: &File, end: u64) -> Result<bool> {
    let mut last = [0];
    Ok(end == 0 || (file.read_at(&mut last, end - 1)? == 1 && last == *b"\n"))
}

struct Scan {
    /// The end of the last record that counts.
    end: u64,
    next: Seq,
}

/// Reads records from `start` on. Below `covered`, which a sync is known to have covered, anything invalid is damage and
/// stepped over. Past it, or where it is not known, a line with a zero byte in it ends the segment: no record holds one, and
/// where there are some a crash has kept the length of a write but not its bytes. Any other invalid line is damage there
/// too, since the mark is not synced with every commit and may know less than was acknowledged; behind the last valid
/// record it counts as an entry if it begins and ends like one.
fn scan(file: &File, start: (u64, Seq), covered: Option<u64>) -> Result<Scan> {
    let (start, mut next) = start;
    let mut lines = Lines::new(file.clone(), start, READ_BYTES);
    let mut spoilt = Spoilt::behind(start);
    while let Some((offset, line)) = lines.next()? {
        let vouched = covered.is_some_and(|covered| offset < covered);
        match decode(line) {
            Ok(record) if record.seq >= next => {
                next = record.seq.next();
                spoilt = Spoilt::behind(offset + line.len() as u64);
            }
            // A number that was given before: damage, which the reader reports.
            Ok(_) => spoilt.end = offset + line.len() as u64,
            Err(_) if !vouched && memchr::memchr(0, line).is_some() => break,
            Err(_) => match record_within(line) {
                Some(start) => lines.go_to(offset + start as u64),
                None if next.plus(spoilt.count) < Seq::END => spoilt.add(line, offset),
                None => {}
            },
        }
    }
    Ok(Scan { end: spoilt.end, next: next.plus(spoilt.count) })
}

/// Lines directly behind a valid record that were records once.
struct Spoilt {
    count: u64,
    end: u64,
}

impl Spoilt {
    fn behind(end: u64) -> Self {
        Self { count: 0, end }
    }

    fn add(&mut self, line: &[u8], offset: u64) {
        if offset == self.end && is_like_a_record(line) {
            self.count += 1;
            self.end += line.len() as u64;
        }
    }
}
