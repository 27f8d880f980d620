//! How entries become the body of a batch.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::record::Record;

/// How a batch's body is laid out.
///
/// Stored with a batch in flight, so that it is sent again with the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BodyFormat {
    /// The payloads, one a line.
    #[default]
    Ndjson,
    /// Whole records, one a line, as they lie in a segment.
    Records,
    /// One JSON array of the payloads.
    Array,
    /// One payload alone. The batch has one entry.
    Single,
}

impl BodyFormat {
    /// Every format, in the order in which they are explained to people.
    pub const ALL: [Self; 4] = [Self::Ndjson, Self::Records, Self::Array, Self::Single];

    /// The name: `ndjson`, `records`, `array` or `single`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Records => "records",
            Self::Array => "array",
            Self::Single => "single",
        }
    }

    /// The media type of such a body.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Ndjson | Self::Records => "application/x-ndjson",
            Self::Array | Self::Single => "application/json",
        }
    }
}

impl fmt::Display for BodyFormat {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A name that is no body format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no such body format: {0:?}; there are ndjson, records, array and single")]
pub struct UnknownBodyFormat(String);

impl FromStr for BodyFormat {
    type Err = UnknownBodyFormat;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|format| format.as_str() == name)
            .ok_or_else(|| UnknownBodyFormat(name.into()))
    }
}

/// Puts a body together, entry by entry.
#[derive(Debug)]
pub(crate) struct BodyBuilder {
    format: BodyFormat,
    body: Vec<u8>,
}

impl BodyBuilder {
    /// Builds into `buffer`, whose content goes and whose room is used again.
    pub fn with_buffer(format: BodyFormat, mut buffer: Vec<u8>) -> Self {
        buffer.clear();
        Self { format, body: buffer }
    }

    /// Whether no entry has been added.
    pub fn is_empty(&self) -> bool {
        self.body.is_empty()
    }

    /// The size of the finished body if this entry were added, in bytes.
    pub fn len_with(&self, record: &Record<'_>) -> usize {
        let added = match self.format {
            BodyFormat::Ndjson => record.payload.len() + 1,
            BodyFormat::Records => record.line.len(),
            // The comma, or the opening bracket before the first; the closing bracket.
            BodyFormat::Array => record.payload.len() + 2,
            BodyFormat::Single => record.payload.len(),
        };
        self.body.len() + added
    }

    /// Adds an entry.
    pub fn push(&mut self, record: &Record<'_>) {
        match self.format {
            BodyFormat::Ndjson => {
                self.body.extend_from_slice(record.payload);
                self.body.push(b'\n');
            }
            BodyFormat::Records => self.body.extend_from_slice(record.line),
            BodyFormat::Array => {
                self.body.push(if self.body.is_empty() { b'[' } else { b',' });
                self.body.extend_from_slice(record.payload);
            }
            BodyFormat::Single => {
                debug_assert!(self.body.is_empty(), "a body of one entry takes no second one");
                self.body.extend_from_slice(record.payload);
            }
        }
    }

    /// The body. That of no entries is meant for nobody.
    pub fn finish(mut self) -> Vec<u8> {
        debug_assert!(!self.is_empty(), "a batch has at least one entry");
        if self.format == BodyFormat::Array {
            self.body.push(b']');
        }
        self.body
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Block, Seq, Timestamp, decode};

    fn lines(payloads: &[&str]) -> Vec<Vec<u8>> {
        let mut block = Block::new();
        block.restart(Seq::FIRST, Timestamp::now());
        for payload in payloads {
            block.push(payload.as_bytes(), 1);
        }
        (0..payloads.len()).map(|index| block.records(index, index + 1).to_vec()).collect()
    }

    fn build(format: BodyFormat, lines: &[Vec<u8>], buffer: Vec<u8>) -> Vec<u8> {
        let mut builder = BodyBuilder::with_buffer(format, buffer);
        assert!(builder.is_empty());
        for line in lines {
            let record = decode(line).unwrap();
            let promised = builder.len_with(&record);
            builder.push(&record);
            let finished = BodyBuilder { format, body: builder.body.clone() }.finish();
            assert_eq!(finished.len(), promised, "{format}");
            assert!(!builder.is_empty());
        }
        builder.finish()
    }

    #[test]
    fn each_format_has_its_documented_layout_and_the_promised_size() {
        let lines = lines(&[r#"{"a" : 1e2}"#, "null", r#""x""#]);
        let cases: [(BodyFormat, usize, &[u8]); 4] = [
            (BodyFormat::Ndjson, 3, b"{\"a\" : 1e2}\nnull\n\"x\"\n"),
            (BodyFormat::Records, 3, &lines.concat()),
            (BodyFormat::Array, 3, b"[{\"a\" : 1e2},null,\"x\"]"),
            (BodyFormat::Single, 1, br#"{"a" : 1e2}"#),
        ];
        for (format, count, body) in cases {
            assert_eq!(build(format, &lines[..count], Vec::new()), body, "{format}");
            assert_eq!(build(format, &lines[..count], b"left over".to_vec()), body, "{format}, used buffer");
        }
    }

    #[test]
    fn a_reused_buffer_is_not_allocated_again() {
        let buffer = Vec::with_capacity(4096);
        let address = buffer.as_ptr();
        let body = build(BodyFormat::Ndjson, &lines(&["1", "2"]), buffer);
        assert_eq!(body.as_ptr(), address);
    }

    #[test]
    fn a_format_has_one_name_everywhere() {
        for format in BodyFormat::ALL {
            assert_eq!(format.to_string().parse(), Ok(format));
            assert_eq!(serde_json::to_string(&format).unwrap(), format!("\"{format}\""));
        }
        let error = "NDJSON".parse::<BodyFormat>().unwrap_err().to_string();
        assert!(error.contains("NDJSON") && error.contains("single"), "{error}");
    }
}
