//! Finding a seq in a segment: by halving the file, since the seqs in it ascend.

use super::lines::Lines;
use crate::error::Result;
use crate::record::{Seq, decode};
use crate::storage::File;

/// Below this size reading on is cheaper than halving.
const READ_BYTES: usize = 64 << 10;

/// An offset at which a line begins, not after the record with this seq and not far before it.
pub(crate) fn offset_of(file: &File, seq: Seq) -> Result<u64> {
    let (mut low, mut high) = (0, file.len()?);
    while high - low > READ_BYTES as u64 {
        let middle = low + (high - low) / 2;
        match first_record_after(file, middle, high)? {
            Some((offset, found)) if found <= seq => low = offset,
            _ => high = middle,
        }
    }
    Ok(low)
}

/// The seq of a segment's last valid record; none if it has none.
pub(crate) fn last_seq(file: &File) -> Result<Option<Seq>> {
    let mut lines = Lines::new(file.clone(), offset_of(file, Seq::END)?, READ_BYTES);
    let mut last = None;
    while let Some((_, line)) = lines.next()? {
        last = decode(line).map(|record| record.seq).ok().max(last);
    }
    Ok(last)
}

/// The first valid record that begins past `offset` and before `high`.
fn first_record_after(file: &File, offset: u64, high: u64) -> Result<Option<(u64, Seq)>> {
    let mut lines = Lines::new(file.clone(), offset, READ_BYTES);
    // The first line has most likely been cut in two.
    lines.next()?;
    while let Some((offset, line)) = lines.next()? {
        if offset >= high {
            break;
        }
        if let Ok(record) = decode(line) {
            return Ok(Some((offset, record.seq)));
        }
    }
    Ok(None)
}
