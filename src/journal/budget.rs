//! What a journal's limit of bytes is divided into.
//!
//! | part | holds | of the limit |
//! | --- | --- | --- |
//! | entries | the segments | what the others leave: 28 KiB of 64 KiB, nine tenths of 1 GiB |
//! | dead letters | `dead-letter.jsonl`, old and new | an eighth, at most 66 MiB |
//! | rejected, damaged | `rejected.jsonl`, `damaged.jsonl`, old and new | a thirty-second each, at most 8 MiB |
//! | the rest | `cursor`, `append.lock`, `replay.lock`, `journal.json`, … | 24 KiB |
//!
//! A part is reserved whether it is used or not, so that neither garbage in the input nor refusals ever cost an entry. What
//! has outgrown its part (in a journal of an older version) counts in full, and entries have that much less.
//!
//! An entry may have an eighth of the limit: refused for good, it still fits among the dead letters.

use super::layout;
use crate::error::Result;
use crate::storage::Store;

const REST_BYTES: u64 = 24 << 10;
/// Room for the longest payload in two files of this size.
const DEAD_LETTER_BYTES_MAX: u64 = 33 << 20;
const OTHER_BYTES_MAX: u64 = 4 << 20;
/// An entry may take this part of the limit.
const ENTRY_PART: u64 = 8;

/// A side file grows to this size before it becomes the old one.
pub(crate) fn side_file_bytes_max(name: &str, limit_bytes: u64) -> u64 {
    if name == layout::DEAD_LETTER {
        (limit_bytes / 16).min(DEAD_LETTER_BYTES_MAX)
    } else {
        (limit_bytes / 64).min(OTHER_BYTES_MAX)
    }
}

/// A record of an entry has at most so many bytes.
pub(crate) fn record_bytes_max(limit_bytes: u64) -> u64 {
    limit_bytes / ENTRY_PART
}

/// The sizes of a journal's files that are not segments, by the part that they belong to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sizes {
    side_files: [u64; 3],
    rest: u64,
}

const SIDE_FILES: [&str; 3] = [layout::REJECTED, layout::DEAD_LETTER, layout::DAMAGED];

impl Sizes {
    /// Looks at these files; one that is not there has no size.
    pub fn of(store: &Store, names: &[String]) -> Result<Self> {
        let mut sizes = Self::default();
        for name in names {
            let bytes = store.size(name)?;
            match SIDE_FILES.iter().position(|side| side == name || layout::old_name(side) == *name) {
                Some(kind) => sizes.side_files[kind] += bytes,
                None => sizes.rest += bytes,
            }
        }
        Ok(sizes)
    }

    /// All of them together, in bytes.
    pub fn sum(&self) -> u64 {
        self.side_files.iter().sum::<u64>() + self.rest
    }

    /// Bytes that entries may still take, where they have taken `entry_bytes`.
    pub fn free(&self, limit_bytes: u64, entry_bytes: u64) -> u64 {
        let side_files = SIDE_FILES.iter().zip(self.side_files);
        let reserved = side_files.map(|(name, size)| size.max(2 * side_file_bytes_max(name, limit_bytes)));
        let taken = reserved.sum::<u64>() + self.rest.max(REST_BYTES) + entry_bytes;
        limit_bytes.saturating_sub(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::PAYLOAD_BYTES_MAX;

    #[test]
    fn the_parts_leave_room_for_entries_and_what_is_reserved_is_not_theirs() {
        for (limit, least) in [(64 << 10, 28 << 10), (1 << 20, 800 << 10), (1 << 30, 900 << 20)] {
            let sizes = Sizes::default();
            assert!(sizes.free(limit, 0) >= least, "{limit}: {}", sizes.free(limit, 0));
            assert!(sizes.free(limit, 0) >= 3 * record_bytes_max(limit), "{limit}");
            let used = Sizes { side_files: [1000; 3], rest: 1000, ..sizes };
            assert_eq!(used.free(limit, 0), sizes.free(limit, 0));
            let outgrown = Sizes { side_files: [limit / 4; 3], ..sizes };
            assert!(outgrown.free(limit, 0) < sizes.free(limit, 0));
        }
    }

    #[test]
    fn every_entry_that_is_taken_fits_among_the_dead_letters() {
        for limit in [64 << 10, 1 << 20, 1 << 29, 1 << 40] {
            let longest = record_bytes_max(limit).min(PAYLOAD_BYTES_MAX as u64 + 4096);
            assert!(longest <= 2 * side_file_bytes_max(layout::DEAD_LETTER, limit), "{limit}");
        }
    }
}
