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
