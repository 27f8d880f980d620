//! Reading every byte of a journal, and saying what is wrong where. Changes nothing.

use std::fmt;
use std::path::PathBuf;

use super::cursor::CursorFile;
use super::reader::{Damage, Item, Reader};
use super::room::check_cursor;
use super::side_file::SideLines;
use super::tail::Tail;
use super::tail_mark::TailMark;
use super::{Journal, damaged, layout, segments};
use crate::error::Result;
use crate::record::Seq;
use crate::storage::Open;

/// Something that `verify` found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// Bytes that are not the entries which they should be.
    Damaged(Damage),
    /// The same, but it has been set aside already, by delivery or by a repair.
    SetAside(Damage),
    /// The newest segment ends in an unfinished record; harmless: the next append cuts it.
    TornTail {
        /// The segment file.
        file: PathBuf,
        /// Where the unfinished record begins.
        offset: u64,
        /// How many bytes there are of it.
        length: u64,
    },
    /// Lines of a side file fail their checksum: damaged, or what a crash has left of an unfinished one. They stay there.
    Unreadable {
        /// The side file, or the older part of it.
        file: PathBuf,
        /// How many lines.
        lines: u64,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(damage) => damage.fmt(formatter),
            Self::SetAside(damage) => write!(formatter, "{damage}; set aside in {}", layout::DAMAGED),
            Self::TornTail { file, offset, length } => write!(
                formatter,
                "{}: {length} bytes of an unfinished record at offset {offset}: the next append cuts them off",
                file.display()
            ),
            Self::Unreadable { file, lines: 1 } => {
                write!(formatter, "{}: 1 line fails its checksum", file.display())
            }
            Self::Unreadable { file, lines } => {
                write!(formatter, "{}: {lines} lines fail their checksums", file.display())
            }
        }
    }
}

/// What `verify` has read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verification {
    /// Segment files.
    pub segments: u64,
    /// Sound entries.
    pub entries: u64,
    /// Payload bytes of sound entries.
    pub payload_bytes: u64,
    /// Entries that cannot be read and are still on disk as damage.
    pub damaged_entries: u64,
    /// Damaged places, without those that have been set aside.
    pub damaged_places: u64,
    /// Damaged places that have been set aside.
    pub set_aside_places: u64,
}

pub(crate) fn verify(journal: &Journal, found: &mut dyn FnMut(&Finding)) -> Result<Verification> {
    let store = journal.store();
    let state = CursorFile::open(store, Open::Read)?.load()?;
    let mark = match store.open_if_there(layout::APPEND_LOCK, Open::Read)? {
        Some(lock) => TailMark::read(&lock)?,
        None => None,
    };
    let tail = Tail::find(store, mark, Open::Read)?;
    check_cursor(store, &state, tail.next)?;
    let mut verification =
        Verification { segments: segments::list(store)?.len() as u64, ..Verification::default() };
    let known = damaged::places(store)?;
    let mut report = |damage: Damage, verification: &mut Verification| {
        if known.contains(&damaged::place(&damage)) {
            verification.set_aside_places += 1;
            found(&Finding::SetAside(damage));
        } else {
            verification.damaged_entries += damage.entries;
            verification.damaged_places += 1;
            found(&Finding::Damaged(damage));
        }
    };
    let mut reader = Reader::open(store, Seq::FIRST, Some(tail.next))?;
    while let Some(item) = reader.read()? {
        match item {
            Item::Entry(record) => {
                verification.entries += 1;
                verification.payload_bytes += record.payload.len() as u64;
            }
            Item::Damaged(mut damage) => {
                if damage.file == tail.file.path() {
                    // What lies behind that is the torn tail.
                    damage.length = damage.length.min(tail.end.saturating_sub(damage.offset));
                }
                report(damage, &mut verification);
            }
        }
    }
    if let Some(damage) = reader.leftover(&tail.file, tail.end)? {
        report(damage, &mut verification);
    }
    for name in [layout::DEAD_LETTER, layout::REJECTED, layout::DAMAGED] {
        let mut side_file = SideLines::open(store, name)?;
        while side_file.next()?.is_some() {}
        if side_file.unreadable() > 0 {
            found(&Finding::Unreadable { file: store.path_of(name), lines: side_file.unreadable() });
        }
    }
    if tail.end < tail.length {
        found(&Finding::TornTail {
            file: tail.file.path().to_owned(),
            offset: tail.end,
            length: tail.length - tail.end,
        });
    }
    Ok(verification)
}
