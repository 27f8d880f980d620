//! Bytes that fail their checksum, set aside when delivery steps over them.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::reader::Damage;
use super::rejected::Bytes;
use super::side_file::{self, SideFile, SideLines};
use super::{Journal, layout};
use crate::error::Result;
use crate::record::{Seq, Timestamp};
use crate::storage::{Open, Store};

/// Damage is copied in pieces of this size, so that a ruined segment is never in memory whole.
const PIECE_BYTES_MAX: u64 = 64 << 10;
/// Bytes that a line has besides those of the piece; as base64 or escapes they take up to six times their number.
const ENVELOPE_BYTES: u64 = 256;
const ESCAPED: u64 = 6;

#[derive(Serialize)]
struct Piece<'a> {
    first: Seq,
    entries: u64,
    at: &'a str,
    file: &'a str,
    offset: u64,
    length: u64,
    #[serde(flatten)]
    bytes: Bytes<'a>,
}

#[derive(Deserialize)]
struct Place {
    first: Seq,
    entries: u64,
    file: String,
    offset: u64,
    length: u64,
    #[serde(flatten)]
    rest: serde_json::Map<String, serde_json::Value>,
}

impl Place {
    /// Whether these bytes are those that it keeps.
    fn holds(&self, bytes: &[u8]) -> bool {
        let kept = serde_json::to_value(Bytes::new(bytes)).ok();
        kept.as_ref()
            .and_then(serde_json::Value::as_object)
            .is_some_and(|kept| kept.iter().all(|(name, value)| self.rest.get(name) == Some(value)))
    }
}

/// Where damage is: the file's name, the offset, and the first seq that is missing.
pub(crate) type DamagedPlace = (String, u64, Seq);

/// The place of some damage.
pub(crate) fn place(damage: &Damage) -> DamagedPlace {
    (file_name(damage), damage.offset, damage.first)
}

/// The places that have been set aside.
pub(crate) fn places(store: &Store) -> Result<HashSet<DamagedPlace>> {
    let mut lines = SideLines::open(store, layout::DAMAGED)?;
    let mut places = HashSet::new();
    while let Some(line) = lines.next()? {
        places.extend(side_file::parse::<Place>(&line).map(|place| (place.file, place.offset, place.first)));
    }
    Ok(places)
}

/// Whether it is on the record that entries from `first` on are gone without a trace.
pub(crate) fn is_gap_on_record(store: &Store, first: Seq) -> Result<bool> {
    let mut lines = SideLines::open(store, layout::DAMAGED)?;
    while let Some(line) = lines.next()? {
        if side_file::parse::<Place>(&line).is_some_and(|place| {
            place.length == 0 && place.first <= first && first.since(place.first) < place.entries
        }) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn file_name(damage: &Damage) -> String {
    damage.file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Copies the bad bytes to `damaged.jsonl`. Done again after a crash, it does not add the same place again.
pub(crate) fn set_aside(journal: &Journal, damage: &Damage) -> Result<()> {
    let store = journal.store();
    let mut aside = SideFile::open(store, layout::DAMAGED, &journal.config().limits)?;
    let room = (aside.line_bytes_max() as u64).saturating_sub(ENVELOPE_BYTES);
    let piece_bytes = (room / ESCAPED).clamp(1, PIECE_BYTES_MAX);
    let name = file_name(damage);
    let end = damage.offset + damage.length;
    let source = store.open_if_there(&name, Open::Read)?;
    let mut offset = match aside.last::<Place>() {
        Some(last) if last.first == damage.first && last.file == name && last.offset >= damage.offset => {
            // After a restore, other bytes may have been there.
            let mut there = vec![0; usize::try_from(last.length.min(PIECE_BYTES_MAX)).unwrap_or(0)];
            source.as_ref().map_or(Ok(0), |file| file.read_at(&mut there, last.offset))?;
            match last.holds(&there) {
                true => {
                    aside.confirm_last()?;
                    last.offset + last.length.max(1)
                }
                false => damage.offset,
            }
        }
        _ => damage.offset,
    };
    let mut bytes = Vec::new();
    let at = Timestamp::now();
    // One line at least, even where the entries are missing without a trace.
    while offset < end || offset == damage.offset {
        bytes.resize(usize::try_from(piece_bytes.min(end - offset)).unwrap_or(0), 0);
        let length = source.as_ref().map_or(Ok(0), |file| file.read_at(&mut bytes, offset))?;
        let piece = Piece {
            first: damage.first,
            entries: damage.entries,
            at: at.as_str(),
            file: &name,
            offset,
            length: length as u64,
            bytes: Bytes::new(&bytes[..length]),
        };
        aside.append(&[piece])?;
        offset += piece_bytes;
    }
    Ok(())
}
