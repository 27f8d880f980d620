//! Entries that the sink refused for good, kept with the reason.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::side_file::{self, SideFile, SideLines};
use super::{Journal, layout};
use crate::error::{Error, Result};
use crate::record::{Record, Seq, Timestamp};
use crate::storage::Store;

/// A line of `dead-letter.jsonl`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DeadLetter {
    /// The entry's sequence number.
    pub seq: Seq,
    /// When it was written, RFC 3339.
    pub at: String,
    /// The entry's payload, byte for byte.
    pub data: Box<RawValue>,
    /// When it was refused, RFC 3339.
    pub refused_at: String,
    /// The HTTP status or the exit code of the refusal.
    pub status: u16,
    /// The beginning of the answer.
    pub reason: String,
}

/// What a line has besides the payload and the reason.
const ENVELOPE_BYTES: usize = 256;

impl DeadLetter {
    /// Whether it keeps this entry.
    fn is_of(&self, record: &Record<'_>) -> bool {
        self.seq == record.seq
            && self.at == record.at.to_string()
            && self.data.get().as_bytes() == record.payload
    }

    /// The same with less of the reason, so that it fits into two files of this size, if the payload does.
    fn shortened(mut self, bytes_max: usize) -> Self {
        let room = (2 * bytes_max).saturating_sub(self.data.get().len() + ENVELOPE_BYTES);
        // A character may take six bytes as an escape.
        while self.reason.len() > room / 6 && self.reason.len() > REASON_BYTES_MIN {
            self.reason.pop();
        }
        self
    }
}

/// As much of a reason always fits, escaped, beside the longest payload (see `Journal::payload_bytes_max`).
const REASON_BYTES_MIN: usize = 40;

/// Keeps an entry. If it is the one that was kept last, a crash came before it was counted: it is not kept twice. Its seq alone
/// does not say so: after a restore, another entry may have had it.
pub(crate) fn keep(journal: &Journal, record: &Record<'_>, status: u16, reason: &str) -> Result<()> {
    let mut file = SideFile::open(journal.store(), layout::DEAD_LETTER, &journal.config().limits)?;
    if file.last::<DeadLetter>().is_some_and(|last| last.is_of(record)) {
        return file.confirm_last();
    }
    let data = std::str::from_utf8(record.payload)
        .map_err(|error| error.to_string())
        .and_then(|text| RawValue::from_string(text.to_owned()).map_err(|error| error.to_string()))
        .map_err(|error| Error::Invalid(format!("seq {}: its payload is not JSON: {error}", record.seq)))?;
    let letter = DeadLetter {
        seq: record.seq,
        at: record.at.to_string(),
        data,
        refused_at: Timestamp::now().to_string(),
        status,
        reason: reason.to_owned(),
    };
    file.append(&[letter.shortened(file.line_bytes_max())]).map(drop)
}

/// Reads `dead-letter.jsonl` from the beginning.
pub struct DeadLetters(SideLines);

impl DeadLetters {
    pub(crate) fn open(store: &Store) -> Result<Self> {
        SideLines::open(store, layout::DEAD_LETTER).map(Self)
    }

    /// How many older ones are no longer kept, because these needed their space. Known once the first was read.
    pub fn dropped(&self) -> u64 {
        self.0.dropped()
    }

    /// How many lines of the file so far cannot be read: they are damaged, or a crash has cut them off. The file keeps them.
    pub fn unreadable(&self) -> u64 {
        self.0.unreadable()
    }

    fn read(&mut self) -> Result<Option<(DeadLetter, Vec<u8>)>> {
        while let Some(line) = self.0.next()? {
            if let Some(letter) = side_file::parse(&line) {
                return Ok(Some((letter, line)));
            }
        }
        Ok(None)
    }
}

/// Each dead letter, with the line that it stands on.
impl Iterator for DeadLetters {
    type Item = Result<(DeadLetter, Vec<u8>)>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}
