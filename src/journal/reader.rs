//! Entries in order, across segments; damage is noticed, reported and stepped over.
//!
//! A reader takes no lock and changes nothing. It may run while others append, deliver and compact.

use std::collections::VecDeque;
use std::fmt;
use std::path::PathBuf;

use super::cursor::CursorFile;
use super::lines::Lines;
use super::{damaged, layout, seek, segments};
use crate::error::{Error, Result};
use crate::record::{Record, Seq, Timestamp, decode, record_within};
use crate::storage::{File, Open, Store};

/// A read of the file: what is read is decoded while the processor still has it at hand.
const READ_BYTES: usize = 64 << 10;

/// What a reader comes upon.
#[derive(Debug)]
#[non_exhaustive]
pub enum Item<'a> {
    /// An entry.
    Entry(Record<'a>),
    /// Bytes that are not the entries which they should be.
    Damaged(Damage),
}

/// A place where entries cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damage {
    /// The first entry that is missing.
    pub first: Seq,
    /// How many are missing; 0 if there are only bytes that do not belong there.
    pub entries: u64,
    /// The segment file.
    pub file: PathBuf,
    /// Where the bad bytes begin, from the beginning of the file.
    pub offset: u64,
    /// How many bad bytes there are; 0 if the entries are missing without a trace.
    pub length: u64,
}

impl fmt::Display for Damage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, entries, file, offset, length } = self;
        match length {
            0 => write!(formatter, "{}: nothing is left at offset {offset}: ", file.display())?,
            _ => write!(formatter, "{}: {length} damaged bytes at offset {offset}: ", file.display())?,
        }
        match entries {
            0 => write!(formatter, "no entry lost, before seq {first}"),
            1 => write!(formatter, "seq {first} lost"),
            _ => write!(formatter, "seqs {first} to {} lost", first.plus(entries - 1)),
        }
    }
}

/// Reads entries in order.
pub struct Reader {
    store: Store,
    segment: Seq,
    /// The segments after it, as listed last; what is made later comes behind them.
    following: VecDeque<Seq>,
    lines: Lines,
    /// The seq that should come next.
    expected: Seq,
    /// Reading stops before this one, and everything before it must be there.
    until: Option<Seq>,
    /// Where a run of bytes that are no records began.
    bad_from: Option<u64>,
    /// A missing file is damage too, not an error.
    tolerant: bool,
    /// Still on the way to the entry where reading begins, in the middle of a segment: bad bytes before it were those of
    /// earlier entries.
    on_the_way: bool,
}

impl Reader {
    /// Entries from `from` on, or from the oldest that is still there.
    pub(crate) fn open(store: &Store, from: Seq, until: Option<Seq>) -> Result<Self> {
        Self::open_as(store, from, until, false)
    }

    /// The same, but where a file is missing there is damage, not an error.
    pub(crate) fn open_tolerant(store: &Store, from: Seq, until: Option<Seq>) -> Result<Self> {
        Self::open_as(store, from, until, true)
    }

    fn open_as(store: &Store, from: Seq, until: Option<Seq>, tolerant: bool) -> Result<Self> {
        loop {
            let all = segments::list(store)?;
            let Some(oldest) = all.first().copied() else {
                segments::newest(store)?;
                continue;
            };
            let at = all.iter().rposition(|first| *first <= from).unwrap_or(0);
            let mut segment = all.get(at).copied().unwrap_or(oldest);
            let Some(mut file) = store.open_if_there(&layout::segment_name(segment), Open::Read)? else {
                continue;
            };
            // An empty segment may follow one that reaches into its numbers (see `Tail::find`).
            if file.len()? == 0
                && let Some(before) = at.checked_sub(1).map(|before| all[before])
                && let Some(previous) = store.open_if_there(&layout::segment_name(before), Open::Read)?
                && seek::last_seq(&previous)?.is_some_and(|last| last >= from)
            {
                (segment, file) = (before, previous);
            }
            let expected = match segment > from {
                true => go_on_from(store, from, segment, tolerant)?,
                false => from,
            };
            let offset = seek::offset_of(&file, from)?;
            return Ok(Self {
                store: store.clone(),
                segment,
                following: all.into_iter().filter(|first| *first > segment).collect(),
                lines: Lines::new(file, offset, READ_BYTES),
                expected,
                until,
                bad_from: None,
                tolerant,
                on_the_way: from > segment,
            });
        }
    }

    /// The seq that the next entry has, if nothing is damaged.
    pub(crate) fn expected(&self) -> Seq {
        self.expected
    }

    /// What lies behind the last entry in its file, once everything has been read: no entry is due there. `tail_end` is where
    /// the records of the newest segment end.
    pub(crate) fn leftover(&self, newest: &File, tail_end: u64) -> Result<Option<Damage>> {
        let (file, offset) = (self.lines.file(), self.lines.position());
        let end = if file.path() == newest.path() { tail_end } else { file.len()? };
        let (first, file) = (self.expected, file.path().to_owned());
        Ok((offset < end).then(|| Damage { first, entries: 0, file, offset, length: end - offset }))
    }

    /// Takes back the entry that was handed out last.
    pub(crate) fn put_back(&mut self, seq: Seq, line_bytes: usize) {
        self.lines.go_to(self.lines.position() - line_bytes as u64);
        self.expected = seq;
    }

    /// Takes back the damage that was handed out last: it is found again.
    pub(crate) fn put_back_damage(&mut self, damage: &Damage) {
        self.lines.go_to(damage.offset);
        self.expected = damage.first;
    }

    /// The next entry or damage. None at the end of what has been written; asked again later it goes on from there.
    ///
    /// # Errors
    /// I/O errors, and [`Error::MissingSegment`] where a whole file is gone.
    pub fn read(&mut self) -> Result<Option<Item<'_>>> {
        loop {
            if self.until.is_some_and(|until| self.expected >= until) {
                return Ok(None);
            }
            let at = self.lines.position();
            match self.classify()? {
                Step::Entry(written, payload_bytes) => return Ok(self.entry(at, written, payload_bytes)),
                Step::Gap(seq) => {
                    self.lines.go_to(at);
                    return Ok(Some(Item::Damaged(self.damage(at, seq))));
                }
                Step::Skip => {}
                Step::EndOfFile => match self.next_segment()? {
                    Next::Opened => {}
                    Next::Damaged(damage) => return Ok(Some(Item::Damaged(damage))),
                    Next::None => return Ok(None),
                },
            }
        }
    }

    /// Looks at the next line.
    fn classify(&mut self) -> Result<Step> {
        let (expected, bad_from) = (self.expected, self.bad_from);
        let Some((offset, line)) = self.lines.next()? else { return Ok(Step::EndOfFile) };
        match decode(line) {
            Ok(record) if record.seq == expected && (bad_from.is_none() || self.on_the_way) => {
                self.bad_from = None;
                Ok(Step::Entry(record.at, record.payload.len()))
            }
            Ok(record) if record.seq >= expected => Ok(Step::Gap(record.seq)),
            // On the way to where reading begins. Anywhere else an older record is out of place, and never passed over
            // without a word: its number was given twice.
            Ok(_) if self.on_the_way => {
                self.bad_from = None;
                Ok(Step::Skip)
            }
            decoded => {
                let within = if decoded.is_err() { record_within(line) } else { None };
                self.bad_from = bad_from.or(Some(offset));
                if let Some(start) = within {
                    self.lines.go_to(offset + start as u64);
                }
                Ok(Step::Skip)
            }
        }
    }

    /// Hands out the entry at offset `at`, which was just found to be the expected one.
    fn entry(&mut self, at: u64, written: Timestamp, payload_bytes: usize) -> Option<Item<'_>> {
        let seq = self.expected;
        self.on_the_way = false;
        self.expected = seq.next();
        let line = self.lines.last(at)?;
        Record::from_parts(seq, written, payload_bytes, line).map(Item::Entry)
    }

    /// What is missing or bad before `next`, found at offset `end`.
    fn damage(&mut self, end: u64, next: Seq) -> Damage {
        let next = self.until.map_or(next, |until| next.min(until));
        let offset = self.bad_from.take().unwrap_or(end);
        let damage = Damage {
            first: self.expected,
            entries: next.since(self.expected),
            file: self.lines.file().path().to_owned(),
            offset,
            length: end - offset,
        };
        self.expected = self.expected.max(next);
        damage
    }

    /// Goes on to the segment after this one, when there is one and this one has been read to its end.
    fn next_segment(&mut self) -> Result<Next> {
        if self.following.is_empty() {
            let all = segments::list(&self.store)?;
            self.following.extend(all.into_iter().filter(|first| *first > self.segment));
        }
        let Some(following) = self.following.front().copied() else { return self.at_the_end() };
        // It may have grown before the next one was made.
        let at = self.lines.position();
        if self.lines.next()?.is_some() {
            self.lines.go_to(at);
            return Ok(Next::Opened);
        }
        let length = self.lines.file().len()?;
        if length > at || self.bad_from.is_some() {
            self.bad_from = self.bad_from.or(Some(at));
            self.lines.go_to(length);
            return Ok(Next::Damaged(self.damage(length, following)));
        }
        if following > self.expected {
            let expected = go_on_from(&self.store, self.expected, following, self.tolerant)?;
            if expected < following {
                self.expected = expected;
                return Ok(Next::Damaged(self.damage(length, following)));
            }
        }
        let Some(file) = self.store.open_if_there(&layout::segment_name(following), Open::Read)? else {
            // Given back meanwhile, perhaps with others.
            self.following.clear();
            return Ok(Next::Opened);
        };
        self.following.pop_front();
        self.expected = self.expected.max(following);
        self.segment = following;
        self.lines = Lines::new(file, 0, READ_BYTES);
        self.on_the_way = false;
        Ok(Next::Opened)
    }

    /// The newest segment has no further whole line.
    fn at_the_end(&mut self) -> Result<Next> {
        if let Some(until) = self.until {
            // These entries were durable once.
            let length = self.lines.file().len()?;
            self.lines.go_to(length);
            return Ok(Next::Damaged(self.damage(length, until)));
        }
        // Perhaps a commit that is half way, or a torn one: looked at again next time.
        if let Some(offset) = self.bad_from.take() {
            self.lines.go_to(offset);
        }
        Ok(Next::None)
    }
}

enum Step {
    /// The expected entry: when it was written, and the size of its payload.
    Entry(Timestamp, usize),
    Gap(Seq),
    Skip,
    EndOfFile,
}

enum Next {
    Opened,
    Damaged(Damage),
    None,
}

/// Where reading goes on if no file holds entries `from..next`: at `next` if they were dealt with, at the first that was
/// not if it is on the record that they are gone. Otherwise a file is missing.
fn go_on_from(store: &Store, from: Seq, next: Seq, tolerant: bool) -> Result<Seq> {
    let cursor = CursorFile::open(store, Open::Read)?.load()?.cursor;
    if next <= cursor {
        return Ok(next);
    }
    let first = from.max(cursor);
    if tolerant || damaged::is_gap_on_record(store, first)? {
        return Ok(first);
    }
    // One before `next`, which is greater than `first`.
    let last = first.plus(next.since(first) - 1);
    Err(Error::MissingSegment { path: store.path().to_owned(), first, last })
}
