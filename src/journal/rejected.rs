//! Lines that `append` would not take.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Serialize, Serializer};

use crate::record::Timestamp;

/// A line of input that is no entry, kept in `rejected.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RejectedLine {
    /// Its number in the input, from 1.
    pub line: u64,
    /// Its length in bytes.
    pub length: u64,
    /// Why, for people.
    pub reason: String,
    /// The line, or its beginning if it was too long.
    pub bytes: Vec<u8>,
}

/// What a line has besides the bytes that are kept and the reason.
const ENVELOPE_BYTES: usize = 192;

impl RejectedLine {
    /// The same with fewer bytes of the line, so that it takes at most so many in the file; its length stays known.
    pub fn shortened(&self, bytes_max: usize) -> Self {
        let room = bytes_max.saturating_sub(ENVELOPE_BYTES);
        let text = |text: &str| serde_json::to_vec(text).map_or(usize::MAX, |json| json.len());
        let mut short = self.clone();
        while text(&short.reason) > room / 2 && short.reason.pop().is_some() {}
        let room = room - text(&short.reason).min(room);
        loop {
            let length = match Bytes::new(&short.bytes) {
                Bytes::Text(kept) => text(kept),
                Bytes::Base64(kept) => text(&kept),
            };
            let kept = short.bytes.len();
            if length <= room || kept == 0 {
                return short;
            }
            let fewer = (kept * room / length).min(kept - 1);
            short.bytes.truncate(end_of_character(&short.bytes, fewer));
        }
    }
}

/// The last place up to `end` that is not within a UTF-8 character: text stays text.
fn end_of_character(bytes: &[u8], end: usize) -> usize {
    let begins = |place: &usize| bytes.get(*place).is_none_or(|byte| byte & 0xc0 != 0x80);
    (end.saturating_sub(3)..=end).rev().find(begins).unwrap_or(end)
}

#[derive(Serialize)]
struct OnDisk<'a> {
    line: u64,
    at: &'a str,
    length: u64,
    reason: &'a str,
    #[serde(flatten)]
    bytes: Bytes<'a>,
}

/// Bytes as text where they are text, otherwise as base64, so that none is lost.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Bytes<'a> {
    Text(&'a str),
    Base64(String),
}

impl<'a> Bytes<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text),
            Err(_) => Self::Base64(STANDARD.encode(bytes)),
        }
    }
}

impl Serialize for RejectedLine {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { line, length, reason, bytes } = self;
        let at = Timestamp::now();
        let bytes = Bytes::new(bytes);
        OnDisk { line: *line, at: at.as_str(), length: *length, reason, bytes }.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_cut_to_its_share_and_its_length_stays_known() {
        for bytes in [vec![b'x'; 9000], vec![0; 9000], vec![0xff; 9000], "é".repeat(4500).into_bytes()] {
            let rejected = RejectedLine { line: u64::MAX, length: 9000, reason: "why\n".repeat(500), bytes };
            let short = rejected.shortened(1024);
            let json = serde_json::to_vec(&short).unwrap();
            assert!((700..=1000).contains(&json.len()), "{}", json.len());
            assert!(rejected.bytes.starts_with(&short.bytes) && short.length == 9000);
            let (text, whole) = (std::str::from_utf8(&short.bytes), std::str::from_utf8(&rejected.bytes));
            assert_eq!(text.is_ok(), whole.is_ok());
        }
        let fits = RejectedLine { line: 1, length: 5, reason: "no".into(), bytes: b"{oops".to_vec() };
        assert_eq!(fits.shortened(1024), fits);
    }

    #[test]
    fn bytes_that_are_no_text_are_kept_as_base64() {
        let json = |bytes: &[u8]| {
            let rejected = RejectedLine { line: 3, length: 9, reason: "why".into(), bytes: bytes.into() };
            serde_json::to_value(&rejected).unwrap()
        };
        assert_eq!(json(b"{oops")["text"], "{oops");
        assert_eq!(json(b"\xff\0")["base64"], "/wA=");
        assert_eq!(json(b"x")["line"], 3);
    }
}
