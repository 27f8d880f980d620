//! One line of a segment.

use crate::record::{Block, decode};

/// What decodes is encoded again to the same bytes: an entry has one spelling.
pub fn record(bytes: &[u8]) {
    let Ok(record) = decode(bytes) else { return };
    assert_eq!(record.line, bytes);
    // Only whole lines are decoded elsewhere, so that a line feed can only be the last byte.
    if memchr::memchr(b'\n', bytes) != Some(bytes.len() - 1) {
        return;
    }
    let mut block = Block::new();
    block.restart(record.seq, record.at);
    block.push(record.payload, 1);
    assert_eq!(block.records(0, 1), bytes);
    assert_eq!(block.time(0), record.at);
    assert_eq!(block.payload(0), record.payload);
}
