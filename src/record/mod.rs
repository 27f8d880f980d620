//! A record: one entry as one line of a segment file.
//!
//! ```text
//! {"seq":42,"at":"2026-11-22T18:10:00.123456Z","data":<payload>,"crc":"9ae0daaf"}\n
//! ```
//!
//! The layout is fixed byte by byte (docs/design.md, "Record"), so that encoding is copying and decoding is comparing:
//! a payload is never parsed and rebuilt, and comes out exactly as it went in. The checksum is CRC-32 (IEEE 802.3)
//! over every byte before `,"crc"`.

mod block;
mod decode;
mod seq;
mod timestamp;
mod validate;

pub(crate) use self::block::{Block, seal_line};
pub use self::decode::Record;
pub(crate) use self::decode::{decode, is_like_a_record, record_within, unseal_line};
pub use self::seq::Seq;
pub use self::timestamp::Timestamp;
pub(crate) use self::validate::{payload_of, text_payload};

pub(crate) const BEFORE_SEQ: &[u8] = b"{\"seq\":";
pub(crate) const BEFORE_TIME: &[u8] = b",\"at\":\"";
pub(crate) const BEFORE_DATA: &[u8] = b"\",\"data\":";
pub(crate) const BEFORE_CRC: &[u8] = b",\"crc\":\"";
pub(crate) const AFTER_CRC: &[u8] = b"\"}\n";

/// The longest payload that a journal takes, in bytes.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 64 << 20;

/// The bytes that a record has besides its payload, at most.
pub(crate) const ENVELOPE_BYTES_MAX: usize = 7 + 20 + 7 + Timestamp::LEN + 9 + 8 + 8 + 3;

/// The checksum of these bytes as it is written: eight digits, lower case, so that a record has one spelling.
pub(crate) fn crc_digits(bytes: &[u8]) -> [u8; 8] {
    let crc = crc32fast::hash(bytes);
    std::array::from_fn(|place| b"0123456789abcdef"[(crc >> (28 - 4 * place)) as usize & 15])
}
