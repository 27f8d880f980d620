//! Forming batches: consecutive entries, within a number and a size.

use super::ledger::BatchLimits;
use crate::error::Result;
use crate::journal::{Damage, InFlight, Item, Reader};
use crate::record::Seq;
use crate::sink::{BodyBuilder, BodyFormat};

/// What a reader's next entries came to.
pub(crate) enum Filled {
    /// Entries `first` to `last`; [`Batcher::finish`] has the body.
    Batch { first: Seq, last: Seq },
    /// The next entries are damaged.
    Damaged(Damage),
    /// There are no more.
    End,
}

/// Fills bodies, using their memory again.
pub(crate) struct Batcher {
    limits: BatchLimits,
    builder: BodyBuilder,
    spare: Vec<u8>,
}

impl Batcher {
    pub fn new(mut limits: BatchLimits) -> Self {
        if limits.body == BodyFormat::Single {
            limits.entries = 1;
        }
        Self { limits, builder: BodyBuilder::with_buffer(limits.body, Vec::new()), spare: Vec::new() }
    }

    pub fn limits(&self) -> BatchLimits {
        self.limits
    }

    pub fn limit_bytes(&mut self, bytes: usize) {
        self.limits.bytes = self.limits.bytes.min(bytes.max(1));
    }

    pub fn recycle(&mut self, buffer: Vec<u8>) {
        self.spare = buffer;
    }

    /// Reads the next batch: at least one entry, whatever its size.
    pub fn fill(&mut self, reader: &mut Reader) -> Result<Filled> {
        self.start(self.limits.body);
        let mut range: Option<(Seq, Seq)> = None;
        while range.is_none_or(|(first, last)| last.since(first) + 1 < self.limits.entries) {
            let Some(item) = reader.read()? else { break };
            let record = match item {
                Item::Entry(record) => record,
                Item::Damaged(damage) if range.is_none() => return Ok(Filled::Damaged(damage)),
                Item::Damaged(damage) => {
                    reader.put_back_damage(&damage);
                    break;
                }
            };
            let fits = range.is_none_or(|(_, last)| {
                record.seq == last.next() && self.builder.len_with(&record) <= self.limits.bytes
            });
            if !fits {
                let (seq, length) = (record.seq, record.line.len());
                reader.put_back(seq, length);
                break;
            }
            self.builder.push(&record);
            range = Some((range.map_or(record.seq, |(first, _)| first), record.seq));
        }
        Ok(range.map_or(Filled::End, |(first, last)| Filled::Batch { first, last }))
    }

    /// The body of the batch that was filled last.
    pub fn finish(&mut self) -> Vec<u8> {
        let empty = BodyBuilder::with_buffer(self.limits.body, Vec::new());
        std::mem::replace(&mut self.builder, empty).finish()
    }

    /// Reads the body of a batch with given boundaries; none if any of its entries cannot be read.
    pub fn fill_exactly(&mut self, reader: &mut Reader, batch: InFlight) -> Result<Option<Vec<u8>>> {
        self.start(batch.body);
        let mut wanted = batch.first;
        while wanted <= batch.last {
            match reader.read()? {
                Some(Item::Entry(record)) if record.seq == wanted => self.builder.push(&record),
                _ => return Ok(None),
            }
            wanted = wanted.next();
        }
        Ok(Some(self.finish()))
    }

    fn start(&mut self, body: BodyFormat) {
        self.builder = BodyBuilder::with_buffer(body, std::mem::take(&mut self.spare));
    }
}
