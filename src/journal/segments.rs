//! The segments of a journal, by the names in its directory.

use super::config::Config;
use super::{layout, no_config};
use crate::error::{Error, FOREIGN_FILE, NO_SEGMENT, Result};
use crate::record::Seq;
use crate::storage::Store;

/// The first seqs of all segments, ascending. A file that is not a journal's is an error.
pub(crate) fn list(store: &Store) -> Result<Vec<Seq>> {
    split(store).map(|(segments, _)| segments)
}

/// The first seqs of all segments, ascending, and the names of all other files. A file that is not a journal's is an error.
pub(crate) fn split(store: &Store) -> Result<(Vec<Seq>, Vec<String>)> {
    let (mut segments, mut others, mut foreign) = (Vec::new(), Vec::new(), None);
    for name in store.list()? {
        match layout::parse_segment_name(&name) {
            Some(first) => segments.push(first),
            None if layout::is_ours(&name) => others.push(name),
            None => foreign = Some(name),
        }
    }
    if let Some(name) = foreign {
        let is_journal = !segments.is_empty() || others.iter().any(|name| name == layout::CONFIG);
        return Err(match is_journal {
            true => Error::NotAJournal { path: store.path_of(&name), reason: FOREIGN_FILE.into() },
            false => no_config::error(store)?,
        });
    }
    segments.sort_unstable();
    Ok((segments, others))
}

/// The newest segment. There always is one: its name keeps the numbering.
pub(crate) fn newest(store: &Store) -> Result<Seq> {
    list(store)?.last().copied().ok_or_else(|| none(store))
}

/// There is no segment at all.
pub(crate) fn none(store: &Store) -> Error {
    match Config::load(store) {
        Ok(None) => no_config::error(store).unwrap_or_else(|error| error),
        _ => Error::Damaged { path: store.path().to_owned(), reason: NO_SEGMENT.into() },
    }
}

/// How many segments, from the oldest on, hold nothing at or past the cursor. Never the newest.
pub(crate) fn dealt_with(segments: &[Seq], cursor: Seq) -> usize {
    segments.windows(2).take_while(|pair| pair[1] <= cursor).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sealed_segments_below_the_cursor_are_dealt_with() {
        let seq = |number| Seq::new(number).unwrap();
        let segments = [1, 10, 20].map(seq);
        for (cursor, count) in [(1, 0), (9, 0), (10, 1), (19, 1), (20, 2), (99, 2)] {
            assert_eq!(dealt_with(&segments, seq(cursor)), count, "cursor {cursor}");
        }
        assert_eq!(dealt_with(&[], seq(1)), 0);
    }
}
