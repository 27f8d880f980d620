//! A block: whole records, encoded one after another, that are committed with one write and one sync.

use super::{
    AFTER_CRC, BEFORE_CRC, BEFORE_DATA, BEFORE_SEQ, BEFORE_TIME, ENVELOPE_BYTES_MAX, Seq, Timestamp,
    crc_digits,
};

/// Where one record of a block lies, and which input line it came from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    /// Offset of the record's first byte in the block.
    pub start: u32,
    /// Offset of its payload.
    pub data: u32,
    /// Number of the line of input, from 1; for messages.
    pub line: u64,
}

/// Encoded records with consecutive seqs.
///
/// The seqs are a prediction: they are right unless another process appends in between. Then [`Block::renumber`]
/// puts them right, under the append lock.
#[derive(Debug)]
pub(crate) struct Block {
    bytes: Vec<u8>,
    marks: Vec<Mark>,
    first: Seq,
    at: Timestamp,
}

/// `,"crc":"` + 8 digits + `"}\n`
const TRAILER: usize = BEFORE_CRC.len() + 8 + AFTER_CRC.len();

impl Block {
    pub fn new() -> Self {
        Self { bytes: Vec::new(), marks: Vec::new(), first: Seq::FIRST, at: Timestamp::now() }
    }

    /// Empties the block for records from `first` on, all written at `at`.
    pub fn restart(&mut self, first: Seq, at: Timestamp) {
        self.bytes.clear();
        self.marks.clear();
        self.first = first;
        self.at = at;
    }

    /// Entries that are added from now on were written at `at`.
    pub fn set_time(&mut self, at: Timestamp) {
        self.at = at;
    }

    /// Adds another block's entries behind these, under the seqs that follow, each with its own time.
    pub fn join(&mut self, other: &Self) {
        let now = self.at;
        self.bytes.reserve(other.len() + other.count());
        for index in 0..other.count() {
            self.at = other.time(index);
            self.push(other.payload(index), other.line(index));
        }
        self.at = now;
    }

    /// Adds an entry. The payload is a validated one without a line feed.
    pub fn push(&mut self, payload: &[u8], line: u64) {
        debug_assert!(!payload.is_empty() && memchr::memchr(b'\n', payload).is_none());
        let start = self.bytes.len();
        self.bytes.reserve(payload.len() + ENVELOPE_BYTES_MAX);
        let seq = self.first.plus(self.marks.len() as u64);
        let data = encode(&mut self.bytes, seq, &self.at, payload);
        self.marks.push(Mark { start: start as u32, data: data as u32, line });
    }

    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// The number of entries.
    pub fn count(&self) -> usize {
        self.marks.len()
    }

    /// The seq of the first entry, or of the one that comes.
    pub fn first(&self) -> Seq {
        self.first
    }

    /// The size of all records together, in bytes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The memory that the records have, used or not, in bytes.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// The bytes of records `from` to `to` (indices; `to` not included).
    pub fn records(&self, from: usize, to: usize) -> &[u8] {
        &self.bytes[self.offset(from)..self.offset(to)]
    }

    /// The payload of the record with this index.
    pub fn payload(&self, index: usize) -> &[u8] {
        &self.bytes[self.marks[index].data as usize..self.offset(index + 1) - TRAILER]
    }

    /// When the entry with this index was written.
    pub fn time(&self, index: usize) -> Timestamp {
        let end = self.marks[index].data as usize - BEFORE_DATA.len();
        Timestamp::from_text(&self.bytes[end - Timestamp::LEN..end]).unwrap_or(self.at)
    }

    /// The input line of the record with this index.
    pub fn line(&self, index: usize) -> u64 {
        self.marks[index].line
    }

    /// Offset of the record with this index, or of the end.
    pub fn offset(&self, index: usize) -> usize {
        self.marks.get(index).map_or(self.bytes.len(), |mark| mark.start as usize)
    }

    /// Drops the first `count` entries; those left keep their seqs.
    pub fn drop_front(&mut self, count: usize) {
        let gone = self.offset(count);
        self.first = self.first.plus(count as u64);
        self.bytes.drain(..gone);
        self.marks.drain(..count);
        for mark in &mut self.marks {
            mark.start -= gone as u32;
            mark.data -= gone as u32;
        }
    }

    /// Gives the entries other seqs, starting with `first`.
    pub fn renumber(&mut self, first: Seq) {
        if first == self.first {
            return;
        }
        let old = std::mem::take(self);
        self.restart(first, old.at);
        self.join(&old);
    }
}

impl Default for Block {
    fn default() -> Self {
        Self::new()
    }
}

/// Appends one record to `bytes` and returns the offset of its payload.
fn encode(bytes: &mut Vec<u8>, seq: Seq, at: &Timestamp, payload: &[u8]) -> usize {
    let start = bytes.len();
    bytes.extend_from_slice(BEFORE_SEQ);
    bytes.extend_from_slice(itoa::Buffer::new().format(seq.get()).as_bytes());
    bytes.extend_from_slice(BEFORE_TIME);
    bytes.extend_from_slice(at.as_bytes());
    bytes.extend_from_slice(BEFORE_DATA);
    let data = bytes.len();
    bytes.extend_from_slice(payload);
    append_crc(bytes, start);
    data
}

/// Closes a JSON object that has been written from `start` on, but for its closing brace, with its checksum.
fn append_crc(bytes: &mut Vec<u8>, start: usize) {
    let digits = crc_digits(&bytes[start..]);
    bytes.extend_from_slice(BEFORE_CRC);
    bytes.extend_from_slice(&digits);
    bytes.extend_from_slice(AFTER_CRC);
}

/// A line like a record's from any JSON object: its closing brace gives way to the checksum.
pub(crate) fn seal_line(mut object: Vec<u8>) -> Vec<u8> {
    debug_assert!(object.starts_with(b"{\"") && object.ends_with(b"}"));
    object.pop();
    append_crc(&mut object, 0);
    object
}

#[cfg(test)]
mod tests {
    use super::super::decode;
    use super::*;

    fn block(first: u64, payloads: &[&str]) -> Block {
        let mut block = Block::new();
        block
            .restart(Seq::new(first).unwrap(), Timestamp::from_text(b"2026-11-22T18:10:00.123456Z").unwrap());
        for (index, payload) in payloads.iter().enumerate() {
            block.push(payload.as_bytes(), index as u64 + 1);
        }
        block
    }

    #[test]
    fn a_record_has_the_documented_bytes() {
        let block = block(42, &[r#"{"t":1}"#]);
        let text = std::str::from_utf8(block.records(0, 1)).unwrap();
        let (covered, rest) = text.split_once(",\"crc\"").unwrap();
        assert_eq!(covered, r#"{"seq":42,"at":"2026-11-22T18:10:00.123456Z","data":{"t":1}"#);
        assert_eq!(rest, format!(":\"{:08x}\"}}\n", crc32fast::hash(covered.as_bytes())));
    }

    #[test]
    fn renumbering_changes_seqs_and_nothing_else() {
        let payloads = ["1", "\"two\"", "[3]"];
        let mut renumbered = block(9, &payloads);
        renumbered.renumber(Seq::new(998).unwrap());
        assert_eq!(renumbered.records(0, 3), block(998, &payloads).records(0, 3));
        assert_eq!(renumbered.line(2), 3);
    }

    #[test]
    fn entries_that_join_a_block_keep_their_times() {
        let mut joined = block(5, &["1"]);
        let mut other = Block::new();
        other.restart(Seq::FIRST, Timestamp::now());
        other.push(b"2", 7);
        joined.join(&other);
        assert_eq!((joined.time(1), joined.payload(1), joined.line(1)), (other.time(0), &b"2"[..], 7));
        joined.renumber(Seq::FIRST);
        assert_eq!(joined.time(1), other.time(0));
        assert_eq!(joined.records(0, 1), block(1, &["1"]).records(0, 1));
    }

    #[test]
    fn dropping_the_front_leaves_the_rest_as_it_was() {
        let payloads = ["1", "\"two\"", "[3]"];
        let mut rest = block(9, &payloads);
        rest.drop_front(1);
        assert_eq!(rest.records(0, 2), block(10, &payloads[1..]).records(0, 2));
        assert_eq!((rest.first().get(), rest.line(0), rest.payload(1)), (10, 2, &b"[3]"[..]));
        rest.drop_front(2);
        assert!(rest.is_empty() && rest.first().get() == 12);
    }

    #[test]
    fn payloads_and_offsets_are_found_again() {
        let block = block(1, &["1", "{\"a\":\"é\"}"]);
        assert_eq!(block.payload(0), b"1");
        assert_eq!(block.payload(1), "{\"a\":\"é\"}".as_bytes());
        assert_eq!(block.offset(2), block.len());
        assert_eq!(decode(block.records(1, 2)).unwrap().seq.get(), 2);
    }
}
