//! What must hold for any bytes that a journal's files may hold: one function a kind of file.
//!
//! The targets in `fuzz/` call these with bytes that nobody has thought of, and the test below with those in `fuzz/corpus/`.
//! Not part of the public interface: without `--cfg fuzzing` it is not there.
#![allow(
    clippy::expect_used,
    reason = "what cannot go on has failed; clippy lets only #[test] functions say so"
)]

mod cursor;
mod journal_json;
mod record;
mod segment;

use std::path::Path;
use std::sync::Arc;

pub use self::cursor::cursor;
pub use self::journal_json::journal_json;
pub use self::record::record;
pub use self::segment::segment;
use crate::journal::{Journal, Settings};
use crate::record::{BEFORE_CRC, crc_digits};
use crate::storage::memory::Memory;
use crate::storage::{Open, Store};

/// Puts the checksum right in each line that has the place for one. Without it hardly any mutation would get past the
/// checksums; one in four goes without.
pub fn reseal(bytes: &mut [u8], seed: u32) {
    if seed.is_multiple_of(4) {
        return;
    }
    for line in bytes.split_inclusive_mut(|byte| *byte == b'\n') {
        let Some(text) = line.strip_suffix(b"\n") else { continue };
        // The slots of a cursor are padded.
        let end = text.trim_ascii_end().len();
        let Some(digits) = end.checked_sub(b"\"}".len() + 8) else { continue };
        if line[..digits].ends_with(BEFORE_CRC) {
            let crc = crc_digits(&line[..digits - BEFORE_CRC.len()]);
            line[digits..digits + 8].copy_from_slice(&crc);
        }
    }
}

/// An empty directory in memory.
fn directory() -> Store {
    Store::new(Path::new("memory"), Arc::new(Memory::default()))
}

/// A new journal in memory.
fn journal() -> Journal {
    Journal::create_in(directory(), &Settings::default()).expect("memory does not fail")
}

/// Makes these bytes all that a file holds.
fn put(store: &Store, name: &str, bytes: &[u8]) {
    let file = store.open(name, Open::Create).expect("memory does not fail");
    file.set_len(0).and_then(|()| file.write_at(bytes, 0)).expect("memory does not fail");
}

/// All that a file holds.
fn get(store: &Store, name: &str) -> Vec<u8> {
    let file = store.open(name, Open::Read).expect("it is there");
    let mut bytes = vec![0; file.len().expect("memory does not fail") as usize];
    file.read_at(&mut bytes, 0).expect("memory does not fail");
    bytes
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Each file of a target's corpus, as it is and with its checksums put right.
    fn run_corpus(target: &str, check: fn(&[u8])) {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
        let files: Vec<_> = fs::read_dir(&directory)
            .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
            .map(|entry| entry.unwrap().path())
            .collect();
        assert!(!files.is_empty(), "{} is empty", directory.display());
        for file in files {
            println!("{}", file.display());
            let mut bytes = fs::read(&file).unwrap();
            check(&bytes);
            reseal(&mut bytes, 1);
            check(&bytes);
        }
    }

    #[test]
    fn the_corpus_of_records_keeps_every_promise() {
        run_corpus("record", record);
    }

    #[test]
    fn the_corpus_of_segments_keeps_every_promise() {
        run_corpus("segment", segment);
    }

    #[test]
    fn the_corpus_of_cursors_keeps_every_promise() {
        run_corpus("cursor", cursor);
    }

    #[test]
    fn the_corpus_of_journal_json_keeps_every_promise() {
        run_corpus("journal_json", journal_json);
    }

    #[test]
    fn a_spoilt_checksum_is_put_right() {
        let good = include_bytes!("../../tests/fixtures/journal-v1/cursor");
        let mut bytes = *good;
        let digit = memchr::memmem::find(&bytes, b",\"crc\":\"").unwrap() + BEFORE_CRC.len();
        bytes[digit] ^= 1;
        reseal(&mut bytes, 0);
        assert_ne!(bytes, *good);
        reseal(&mut bytes, 1);
        assert_eq!(bytes, *good);
    }
}
