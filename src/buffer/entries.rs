//! Reading what waits.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::journal::{Item, Reader};
use crate::record::{Record, Seq, Timestamp, decode};

/// An entry that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry<T> {
    /// Its sequence number.
    pub seq: Seq,
    /// When it was written, by the writer's clock: for context, never for order.
    pub at: Timestamp,
    /// What was written.
    pub item: T,
}

/// Pending entries in order; from [`Buffer::read_buffered`](super::Buffer::read_buffered).
pub struct Buffered<T> {
    reader: Reader,
    /// Entries from here on were written later.
    end: Seq,
    /// Records that the disk has not taken, and how many bytes of them have been handed out.
    kept: Vec<u8>,
    kept_read: usize,
    done: bool,
    item: PhantomData<fn() -> T>,
}

impl<T> Buffered<T> {
    pub(super) fn new(reader: Reader, end: Seq, kept: Vec<u8>) -> Self {
        Self { reader, end, kept, kept_read: 0, done: false, item: PhantomData }
    }
}

impl<T: DeserializeOwned> Buffered<T> {
    fn next_entry(&mut self) -> Result<Option<Entry<T>>> {
        if self.reader.expected() < self.end {
            match self.reader.read()? {
                Some(Item::Entry(record)) => return entry(&record).map(Some),
                Some(Item::Damaged(damage)) => {
                    return Err(Error::Damaged { path: damage.file.clone(), reason: damage.to_string() });
                }
                None => {}
            }
        }
        let rest = &self.kept[self.kept_read..];
        let Some(length) = memchr::memchr(b'\n', rest) else { return Ok(None) };
        self.kept_read += length + 1;
        let record = decode(&rest[..=length]).map_err(|error| Error::Invalid(error.to_string()))?;
        entry(&record).map(Some)
    }
}

fn entry<T: DeserializeOwned>(record: &Record<'_>) -> Result<Entry<T>> {
    let item = serde_json::from_slice(record.payload).map_err(|error| {
        Error::Invalid(format!("seq {}: it is not of the buffer's type: {error}", record.seq))
    })?;
    Ok(Entry { seq: record.seq, at: record.at, item })
}

/// Each entry, or why it cannot be read; after an error of the disk nothing more comes.
impl<T: DeserializeOwned> Iterator for Buffered<T> {
    type Item = Result<Entry<T>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let next = self.next_entry();
        self.done = matches!(next, Ok(None) | Err(Error::Io { .. } | Error::MissingSegment { .. }));
        next.transpose()
    }
}
