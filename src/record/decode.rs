//! A record from its bytes: every byte of the envelope is compared, and the checksum covers the rest.

use super::{AFTER_CRC, BEFORE_CRC, BEFORE_DATA, BEFORE_SEQ, BEFORE_TIME, Seq, Timestamp, crc_digits};

/// An entry as it lies in a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// The sequence number.
    pub seq: Seq,
    /// When it was written, by the writer's clock.
    pub at: Timestamp,
    /// The JSON text, byte for byte as it came in.
    pub payload: &'a [u8],
    /// The whole line, with its line feed.
    pub line: &'a [u8],
}

impl<'a> Record<'a> {
    /// A record whose parts are known: `line` has been decoded before.
    pub(crate) fn from_parts(seq: Seq, at: Timestamp, payload_bytes: usize, line: &'a [u8]) -> Option<Self> {
        let end = line.len().checked_sub(AFTER_PAYLOAD)?;
        let payload = line.get(end.checked_sub(payload_bytes)?..end)?;
        Some(Self { seq, at, payload, line })
    }
}

/// Everything behind a payload: `,"crc":"`, eight digits, `"}` and a line feed.
const AFTER_PAYLOAD: usize = BEFORE_CRC.len() + 8 + AFTER_CRC.len();

/// Why bytes are not a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DecodeError {
    #[error("no line end")]
    Torn,
    #[error("not laid out as a record")]
    Layout,
    #[error("checksum does not match")]
    Checksum,
}

/// Decodes one line, which ends with its line feed.
pub(crate) fn decode(line: &[u8]) -> Result<Record<'_>, DecodeError> {
    let covered = unseal_line(line)?;
    parse(covered, line).ok_or(DecodeError::Layout)
}

fn parse<'a>(covered: &'a [u8], line: &'a [u8]) -> Option<Record<'a>> {
    let (seq, rest) = number(covered.strip_prefix(BEFORE_SEQ)?)?;
    let rest = rest.strip_prefix(BEFORE_TIME)?;
    let (at, rest) = rest.split_at_checked(Timestamp::LEN)?;
    let payload = rest.strip_prefix(BEFORE_DATA)?;
    if payload.is_empty() {
        return None;
    }
    let seq = Seq::new(seq).filter(|seq| *seq < Seq::END)?;
    Some(Record { seq, at: Timestamp::from_text(at)?, payload, line })
}

/// The number that the text begins with, without leading zeros, and what follows it.
fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0_u64;
    for (place, byte) in text.iter().enumerate() {
        match byte {
            b'0' if number == 0 => return None,
            b'0'..=b'9' => number = number.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?,
            _ => return Some((number, &text[place..])),
        }
    }
    None
}

/// Whether a line that is no record begins and ends like one: then it was one, unless somebody wrote it by hand.
pub(crate) fn is_like_a_record(line: &[u8]) -> bool {
    line.starts_with(BEFORE_SEQ) && line.ends_with(AFTER_CRC)
}

/// So many places in one line may look like a record's beginning: each is a checksum over what follows it.
const BEGINNINGS_MAX: usize = 8;

/// Where the last record begins in a line that as a whole is none: the line feed before it may be what is damaged. A
/// record as a payload cannot be taken for one, since the line ends with another's checksum.
pub(crate) fn record_within(line: &[u8]) -> Option<usize> {
    let looks_like_a_record = |start: &usize| {
        number(&line[start + BEFORE_SEQ.len()..]).is_some_and(|(_, rest)| rest.starts_with(BEFORE_TIME))
    };
    memchr::memmem::find_iter(line, BEFORE_SEQ)
        .filter(|start| *start > 0)
        .filter(looks_like_a_record)
        .take(BEGINNINGS_MAX)
        .find(|start| decode(&line[*start..]).is_ok())
}

/// The bytes of a line that its checksum covers, if it matches: a JSON object without its end.
pub(crate) fn unseal_line(line: &[u8]) -> Result<&[u8], DecodeError> {
    if line.last() != Some(&b'\n') {
        return Err(DecodeError::Torn);
    }
    let sealed = line.strip_suffix(AFTER_CRC).ok_or(DecodeError::Layout)?;
    let (rest, digits) = sealed.split_last_chunk::<8>().ok_or(DecodeError::Layout)?;
    let covered = rest.strip_suffix(BEFORE_CRC).ok_or(DecodeError::Layout)?;
    if *digits == crc_digits(covered) { Ok(covered) } else { Err(DecodeError::Checksum) }
}

#[cfg(test)]
mod tests {
    use super::super::Block;
    use super::*;

    fn line() -> Vec<u8> {
        let mut block = Block::new();
        block.restart(Seq::new(42).unwrap(), Timestamp::now());
        block.push(br#"{"temperature":21.5}"#, 1);
        block.records(0, 1).to_vec()
    }

    #[test]
    fn what_was_encoded_is_decoded() {
        let line = line();
        let record = decode(&line).unwrap();
        assert_eq!(record.seq.get(), 42);
        assert_eq!(record.payload, br#"{"temperature":21.5}"#);
    }

    #[test]
    fn a_seq_that_nothing_could_follow_is_none() {
        for (number, valid) in [(u64::MAX - 1, true), (u64::MAX, false)] {
            let mut block = Block::new();
            block.restart(Seq::new(number).unwrap(), Timestamp::now());
            block.push(b"1", 1);
            assert_eq!(decode(block.records(0, 1)).is_ok(), valid, "{number}");
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let good = line();
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&bad).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_record_behind_a_damaged_line_feed_is_found_and_one_within_a_payload_is_not() {
        let good = line();
        for joint in [&b" "[..], b"\0", b"\x0b", b"", b"{\"seq\":42,\"at\":\""] {
            let joined = [&good[..good.len() - 1], joint, &good].concat();
            assert_eq!(record_within(&joined), Some(joined.len() - good.len()));
        }
        let inner = std::str::from_utf8(&good).unwrap().trim_end();
        let mut block = Block::new();
        block.restart(Seq::new(43).unwrap(), Timestamp::now());
        block.push(format!("[{inner},{inner}]").as_bytes(), 1);
        let mut outer = block.records(0, 1).to_vec();
        assert!(decode(&outer).is_ok());
        outer[9] ^= 1;
        assert_eq!(record_within(&outer), None);
        assert_eq!(record_within(&good), None, "the line itself is not within it");
    }

    #[test]
    fn every_truncation_is_noticed() {
        let good = line();
        for length in 0..good.len() {
            assert!(decode(&good[..length]).is_err(), "{length} bytes");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_decoded_or_refused_without_a_panic(bytes: Vec<u8>) {
            let _ = decode(&bytes);
        }
    }
}
