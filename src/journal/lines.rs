//! Whole lines of a file, with the offset of each.

use memchr::memchr;

use crate::error::Result;
use crate::record::{ENVELOPE_BYTES_MAX, PAYLOAD_BYTES_MAX};
use crate::storage::File;

/// Longer runs of bytes without a line feed are no record; they are handed out in pieces.
const LINE_BYTES_MAX: usize = PAYLOAD_BYTES_MAX + ENVELOPE_BYTES_MAX;

/// Reads a file line by line, from any offset, without ever holding more than one line and one read.
pub(crate) struct Lines {
    file: File,
    /// The file's bytes from `offset` on are in its first `held` bytes; those before `start` have been handed out.
    buffer: Vec<u8>,
    held: usize,
    start: usize,
    offset: u64,
    read_bytes: usize,
}

impl Lines {
    /// Lines from `offset` on, which must be where a line begins; the file is read in pieces of `read_bytes`.
    pub fn new(file: File, offset: u64, read_bytes: usize) -> Self {
        Self { file, buffer: Vec::new(), held: 0, start: 0, offset, read_bytes }
    }

    pub fn file(&self) -> &File {
        &self.file
    }

    /// Where the next line begins.
    pub fn position(&self) -> u64 {
        self.offset + self.start as u64
    }

    /// The next line with its line feed, and its offset. None if the file holds no further whole line now.
    pub fn next(&mut self) -> Result<Option<(u64, &[u8])>> {
        let mut searched = self.start;
        let end = loop {
            if let Some(found) = memchr(b'\n', &self.buffer[searched..self.held]) {
                break searched + found + 1;
            }
            if self.held - self.start >= LINE_BYTES_MAX {
                break self.held;
            }
            searched = self.held - self.start;
            if !self.fill()? {
                // What was read of an unfinished line may be cut and written anew meanwhile.
                self.go_to(self.position());
                return Ok(None);
            }
        };
        let (start, at) = (self.start, self.position());
        self.start = end;
        Ok(Some((at, &self.buffer[start..end])))
    }

    /// The line that was handed out last, which began at `offset`.
    pub fn last(&self, offset: u64) -> Option<&[u8]> {
        let start = usize::try_from(offset.checked_sub(self.offset)?).ok()?;
        self.buffer.get(start..self.start)
    }

    /// Goes on at another line's beginning.
    pub fn go_to(&mut self, offset: u64) {
        match offset.checked_sub(self.offset) {
            Some(ahead) if ahead < self.start as u64 => {
                self.start = ahead as usize;
            }
            _ => {
                (self.held, self.start) = (0, 0);
                self.offset = offset;
            }
        }
    }

    /// Reads more behind the unread bytes, which move to the front. False at the end of the file.
    fn fill(&mut self) -> Result<bool> {
        self.buffer.copy_within(self.start..self.held, 0);
        self.offset += self.start as u64;
        self.held -= self.start;
        self.start = 0;
        // The buffer stays as large as it was: zeroing it for every read would cost as much as the read.
        let wanted = self.held + self.read_bytes;
        if self.buffer.len() < wanted {
            self.buffer.resize(wanted.max(2 * self.held), 0);
        }
        let count = self.file.read_at(&mut self.buffer[self.held..], self.offset + self.held as u64)?;
        self.held += count;
        Ok(count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_support::Scratch;
    use super::*;
    use crate::storage::Open;

    #[test]
    fn lines_come_whole_and_with_their_offsets_whatever_the_read_size() {
        let text = b"one\n\nthree is longer\nx\nunfinished";
        for read_bytes in 1..40 {
            let scratch = Scratch::new();
            let file = scratch.store.open("cursor", Open::Create).unwrap();
            file.write_at(text, 0).unwrap();
            let mut lines = Lines::new(file, 0, read_bytes);
            let mut found = Vec::new();
            while let Some((offset, line)) = lines.next().unwrap() {
                found.push((offset, line.to_vec()));
            }
            assert_eq!(lines.position(), 23);
            let expected: [(u64, &[u8]); 4] =
                [(0, b"one\n"), (4, b"\n"), (5, b"three is longer\n"), (21, b"x\n")];
            assert_eq!(found, expected.map(|(offset, line)| (offset, line.to_vec())));
        }
    }

    #[test]
    fn a_line_that_was_unfinished_is_read_anew() {
        let scratch = Scratch::new();
        let file = scratch.store.open("cursor", Open::Create).unwrap();
        file.write_at(b"a\nbb", 0).unwrap();
        let mut lines = Lines::new(file.clone(), 0, 64);
        assert_eq!(lines.next().unwrap(), Some((0, &b"a\n"[..])));
        assert_eq!(lines.next().unwrap(), None);
        file.write_at(b"c\n", 2).unwrap();
        assert_eq!(lines.next().unwrap(), Some((2, &b"c\n"[..])));
        lines.go_to(0);
        assert_eq!(lines.next().unwrap(), Some((0, &b"a\n"[..])));
    }
}
