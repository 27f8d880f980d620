//! From reads to lines: pure, without a descriptor in sight.
//!
//! [`LineBuffer`] hands out runs of whole lines where they lie, without copying. What follows the last line end
//! stays for the next read. A line that outgrows the limit is not held: its beginning is kept, the rest counted.

use memchr::{memchr, memrchr};

/// What is read at once, at most, when lines are of a common length.
pub(super) const READ_BYTES: usize = 1 << 20;
/// A read gets at least this much room.
const ROOM_BYTES_MIN: usize = 64 << 10;
/// As much of a rejected line is kept.
pub(super) const KEPT_BYTES_MAX: usize = 64 << 10;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// What has become whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// One or more lines, each with its line feed; only the last line of the input may lack it.
    Lines(&'a [u8]),
    /// One line over the limit.
    Overlong(Overlong),
}

/// A line over the limit, as far as it is kept.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Overlong {
    /// Its full length in bytes, without its line feed.
    pub length: u64,
    /// Its beginning.
    pub head: Vec<u8>,
}

impl Overlong {
    fn add(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        let room = KEPT_BYTES_MAX - self.head.len();
        self.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

/// Bytes that were read and are not yet handed out: `bytes[start..end]`, of which `start..searched` has no line feed.
#[derive(Debug)]
pub(super) struct LineBuffer {
    bytes: Vec<u8>,
    start: usize,
    searched: usize,
    end: usize,
    line_bytes_max: usize,
    overlong: Option<Overlong>,
    at_beginning: bool,
    ended: bool,
}

impl LineBuffer {
    /// An empty buffer at the beginning of the input.
    pub fn new(line_bytes_max: usize) -> Self {
        Self {
            // Zeroed by the system, page by page as they are used: a sensor's program stays small.
            bytes: vec![0; READ_BYTES],
            start: 0,
            searched: 0,
            end: 0,
            line_bytes_max,
            overlong: None,
            at_beginning: true,
            ended: false,
        }
    }

    /// Room for a read. Call it when [`LineBuffer::next_piece`] has nothing more.
    pub fn space(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.searched -= self.start;
            self.end -= self.start;
            self.start = 0;
        }
        if self.bytes.len() - self.end < ROOM_BYTES_MIN {
            let most = self.line_bytes_max.saturating_add(READ_BYTES);
            let length = (self.bytes.len() * 2).min(most).max(self.end + ROOM_BYTES_MIN);
            self.bytes.resize(length, 0);
        }
        let end = self.bytes.len().min(self.end + READ_BYTES);
        &mut self.bytes[self.end..end]
    }

    /// Tells how much of the room was filled.
    pub fn filled(&mut self, count: usize) {
        self.end += count;
    }

    /// Tells that nothing more will come: what is left is the last line.
    pub fn finish(&mut self) {
        self.ended = true;
    }

    /// The length of a line that has begun and not ended, as far as it was read.
    pub fn unfinished(&self) -> u64 {
        (self.end - self.start) as u64 + self.overlong.as_ref().map_or(0, |overlong| overlong.length)
    }

    /// The next piece that is whole, if there is one.
    pub fn next_piece(&mut self) -> Option<Piece<'_>> {
        if self.at_beginning && !self.pass_bom() {
            return None;
        }
        if let Some(overlong) = self.overlong.take() {
            return self.skip(overlong);
        }
        let from = self.start;
        if let Some(offset) = memrchr(b'\n', &self.bytes[self.searched..self.end]) {
            self.pass_to(self.searched + offset + 1);
        } else if self.ended {
            self.pass_to(self.end);
        } else {
            self.searched = self.end;
            if self.end - self.start > self.line_bytes_max {
                return self.skip(Overlong::default());
            }
        }
        (self.start > from).then(|| Piece::Lines(&self.bytes[from..self.start]))
    }

    /// Passes over the rest of an overlong line, or over as much of it as is there.
    fn skip(&mut self, mut overlong: Overlong) -> Option<Piece<'_>> {
        let window = &self.bytes[self.start..self.end];
        let line_end = memchr(b'\n', window);
        overlong.add(&window[..line_end.unwrap_or(window.len())]);
        self.pass_to(line_end.map_or(self.end, |offset| self.start + offset + 1));
        if line_end.is_some() || self.ended {
            return Some(Piece::Overlong(overlong));
        }
        self.overlong = Some(overlong);
        None
    }

    fn pass_to(&mut self, start: usize) {
        self.start = start;
        self.searched = start;
    }

    /// Drops a byte order mark. Says no as long as too little was read to tell.
    fn pass_bom(&mut self) -> bool {
        let begun = &self.bytes[self.start..self.end];
        if begun.starts_with(BOM) {
            self.pass_to(self.start + BOM.len());
        } else if BOM.starts_with(begun) && !self.ended {
            return false;
        }
        self.at_beginning = false;
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What comes out, line by line: the bytes kept, and the full length.
    type Split = Vec<(Vec<u8>, u64)>;

    fn split(input: &[u8], reads: &[usize], line_bytes_max: usize) -> Split {
        let mut buffer = LineBuffer::new(line_bytes_max);
        let mut lines = Vec::new();
        let mut rest = input;
        let mut reads = reads.iter().cycle();
        while !rest.is_empty() {
            let space = buffer.space();
            let count = rest.len().min(space.len()).min(*reads.next().unwrap());
            space[..count].copy_from_slice(&rest[..count]);
            buffer.filled(count);
            rest = &rest[count..];
            drain(&mut buffer, line_bytes_max, &mut lines);
        }
        buffer.space();
        buffer.finish();
        drain(&mut buffer, line_bytes_max, &mut lines);
        assert_eq!(buffer.unfinished(), 0);
        lines
    }

    fn drain(buffer: &mut LineBuffer, line_bytes_max: usize, lines: &mut Split) {
        while let Some(piece) = buffer.next_piece() {
            match piece {
                Piece::Lines(run) => lines.extend(run.split_inclusive(|byte| *byte == b'\n').map(line)),
                Piece::Overlong(overlong) => lines.push((overlong.head, overlong.length)),
            }
        }
        assert!(buffer.end - buffer.start <= line_bytes_max.max(2), "more is held than one line may have");
    }

    fn line(bytes: &[u8]) -> (Vec<u8>, u64) {
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        (bytes[..bytes.len().min(KEPT_BYTES_MAX)].to_vec(), bytes.len() as u64)
    }

    fn naive(input: &[u8]) -> Split {
        input.strip_prefix(BOM).unwrap_or(input).split_inclusive(|byte| *byte == b'\n').map(line).collect()
    }

    proptest! {
        #[test]
        fn lines_do_not_depend_on_how_they_arrive(
            bom in prop::sample::select(vec![&b""[..], BOM, b"\xef\xbb", b"\xef\xbb\xbf\xef\xbb\xbf"]),
            words in prop::collection::vec(prop::sample::select(vec![&b"\n"[..], b"\r\n", b"a", b"bcdefghij", BOM]), 0..60),
            reads in prop::collection::vec(1_usize..12, 1..9),
            line_bytes_max in 1_usize..20,
        ) {
            let input = [bom, &words.concat()].concat();
            prop_assert_eq!(split(&input, &reads, line_bytes_max), naive(&input));
        }
    }

    #[test]
    fn an_endless_line_is_counted_and_not_held() {
        let mut buffer = LineBuffer::new(1 << 20);
        for _ in 0..64 {
            let count = buffer.space().len();
            buffer.filled(count);
            assert_eq!(buffer.next_piece(), None);
            assert!(buffer.bytes.len() <= 2 << 20, "{} bytes are held", buffer.bytes.len());
        }
        let unfinished = buffer.unfinished();
        assert!(unfinished > 32 << 20);
        buffer.finish();
        let Some(Piece::Overlong(overlong)) = buffer.next_piece() else { panic!("no piece") };
        assert_eq!((overlong.length, overlong.head.len()), (unfinished, KEPT_BYTES_MAX));
        assert_eq!(buffer.next_piece(), None);
    }

    #[test]
    fn a_line_of_just_the_limit_is_whole_however_long_its_line_end_takes() {
        let input = [&vec![b'x'; 3 << 20][..], b"\n7\n"].concat();
        assert_eq!(split(&input, &[usize::MAX], 3 << 20), naive(&input));
        let mut buffer = LineBuffer::new(4);
        buffer.space()[..4].copy_from_slice(b"1234");
        buffer.filled(4);
        assert_eq!(buffer.next_piece(), None);
        assert_eq!(buffer.unfinished(), 4);
        buffer.space()[..1].copy_from_slice(b"\n");
        buffer.filled(1);
        assert_eq!(buffer.next_piece(), Some(Piece::Lines(b"1234\n")));
    }
}
