//! Forming batches: consecutive entries, within a number and a size.

use crate::error::Result;
use crate::journal::{Damage, InFlight, Item, Reader};
use crate::record::Seq;
use crate::sink::{BodyBuilder, BodyFormat};
use crate::storage::Store;

/// How batches are formed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchLimits {
    pub entries: u64,
    pub bytes: usize,
    pub body: BodyFormat,
}

/// What the next entries came to.
#[derive(Debug)]
pub(crate) enum Filled {
    /// Entries `first` to `last`.
    Batch { first: Seq, last: Seq, body: Vec<u8> },
    /// The next entries are damaged.
    Damaged(Damage),
    /// There are no more.
    End,
}

/// Reads entries and fills bodies with them.
pub(crate) struct Batcher {
    store: Store,
    reader: Reader,
    limits: BatchLimits,
    /// The run ends before this seq.
    until: Seq,
    /// A body's memory, to be used again.
    spare: Vec<u8>,
}

impl Batcher {
    /// Batches of the entries `from..until`.
    pub fn open(store: &Store, from: Seq, until: Seq, mut limits: BatchLimits) -> Result<Self> {
        if limits.body == BodyFormat::Single {
            limits.entries = 1;
        }
        let reader = Reader::open(store, from, Some(until))?;
        Ok(Self { store: store.clone(), reader, limits, until, spare: Vec::new() })
    }

    /// The seq that the next batch begins with, if nothing is damaged.
    pub fn position(&self) -> Seq {
        self.reader.expected()
    }

    /// Goes on at `seq`.
    pub fn go_to(&mut self, seq: Seq) -> Result<()> {
        if self.position() != seq {
            self.reader = Reader::open(&self.store, seq, Some(self.until))?;
        }
        Ok(())
    }

    pub fn limit_bytes(&mut self, bytes: usize) {
        self.limits.bytes = self.limits.bytes.min(bytes.max(1));
    }

    pub fn recycle(&mut self, body: Vec<u8>) {
        self.spare = body;
    }

    /// Reads the next batch: at least one entry, whatever its size.
    pub fn fill(&mut self) -> Result<Filled> {
        let mut builder = BodyBuilder::with_buffer(self.limits.body, std::mem::take(&mut self.spare));
        let mut range: Option<(Seq, Seq)> = None;
        while range.is_none_or(|(first, last)| last.since(first) + 1 < self.limits.entries) {
            let record = match self.reader.read() {
                Ok(Some(Item::Entry(record))) => record,
                Ok(Some(Item::Damaged(damage))) if range.is_none() => return Ok(Filled::Damaged(damage)),
                Ok(Some(Item::Damaged(damage))) => {
                    self.reader.put_back_damage(&damage);
                    break;
                }
                Ok(None) => break,
                // What lies before it can be delivered; then it is met again.
                Err(_) if range.is_some() => break,
                Err(error) => return Err(error),
            };
            let fits = range.is_none_or(|(_, last)| {
                record.seq == last.next() && builder.len_with(&record) <= self.limits.bytes
            });
            if !fits {
                let (seq, length) = (record.seq, record.line.len());
                self.reader.put_back(seq, length);
                break;
            }
            builder.push(&record);
            range = Some((range.map_or(record.seq, |(first, _)| first), record.seq));
        }
        Ok(match range {
            Some((first, last)) => Filled::Batch { first, last, body: builder.finish() },
            None => Filled::End,
        })
    }
}

/// The body of a batch with given boundaries, as it was; none if any of its entries cannot be read.
pub(crate) fn rebuild(store: &Store, batch: InFlight) -> Result<Option<Vec<u8>>> {
    let mut reader = Reader::open(store, batch.first, Some(batch.last.next()))?;
    let mut builder = BodyBuilder::with_buffer(batch.body, Vec::new());
    let mut wanted = batch.first;
    while wanted <= batch.last {
        match reader.read()? {
            Some(Item::Entry(record)) if record.seq == wanted => builder.push(&record),
            _ => return Ok(None),
        }
        wanted = wanted.next();
    }
    Ok(Some(builder.finish()))
}
