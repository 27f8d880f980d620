//! What is a payload: one JSON text as RFC 8259 has it, in UTF-8.
//!
//! Nothing is interpreted: numbers of any size, any depth, duplicate keys and lone surrogate escapes are within the
//! grammar and are kept as they came.

use serde::Deserialize;
use serde::de::IgnoredAny;

/// Why a line is not a payload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct InvalidPayload(pub(crate) String);

/// The payload in a line: the line without the white space around it. None if nothing is left, as in a blank line.
///
/// # Errors
/// When what is left is not exactly one JSON value, or not UTF-8.
pub(crate) fn payload_of(line: &[u8]) -> Result<Option<&[u8]>, InvalidPayload> {
    let text = trim(line);
    if text.is_empty() {
        return Ok(None);
    }
    std::str::from_utf8(text)
        .map_err(|error| InvalidPayload(format!("invalid UTF-8 at byte {}", error.valid_up_to())))?;
    let mut parser = serde_json::Deserializer::from_slice(text);
    IgnoredAny::deserialize(&mut parser)
        .and_then(|_| parser.end())
        .map_err(|error| InvalidPayload(format!("not one JSON value: {error}")))?;
    Ok(Some(text))
}

/// A line of plain text as a payload: a JSON string. None for a blank line. Only the line end is dropped.
///
/// # Errors
/// When the line is not UTF-8.
pub(crate) fn text_payload(line: &[u8]) -> Result<Option<String>, InvalidPayload> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if trim(line).is_empty() {
        return Ok(None);
    }
    let text = std::str::from_utf8(line)
        .map_err(|error| InvalidPayload(format!("invalid UTF-8 at byte {}", error.valid_up_to())))?;
    serde_json::to_string(text).map(Some).map_err(|error| InvalidPayload(error.to_string()))
}

/// RFC 8259, section 2: space, tab, line feed, carriage return.
fn trim(line: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    let start = line.iter().position(|byte| !blank(byte)).unwrap_or(line.len());
    let end = line.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last + 1);
    &line[start..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rfc_8259_allows_is_kept_byte_for_byte() {
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        for text in [
            "1e400",
            "123456789012345678901234567890",
            "-0.0E-0",
            r#"{"a":1,"a":2}"#,
            r#""\ud800""#,
            r#""\u0000""#,
            "null",
            "[ 1 , 2 ]",
            "\"\u{2028}\u{feff}\"",
            deep.as_str(),
        ] {
            assert_eq!(payload_of(text.as_bytes()).unwrap(), Some(text.as_bytes()), "{text:.40}");
        }
    }

    #[test]
    fn what_rfc_8259_forbids_is_refused() {
        for text in [
            "{",
            "{}}",
            "1 2",
            "nul",
            "NaN",
            "Infinity",
            "'a'",
            "01",
            "+1",
            ".5",
            "1.",
            "[1,]",
            "{a:1}",
            "\"\t\"",
            "\u{b}1",
            "1 // comment",
            "\u{feff}1",
            "\"\\x\"",
            "\0",
            "1\0",
        ] {
            assert!(payload_of(text.as_bytes()).is_err(), "{text:?}");
        }
        assert!(payload_of(b"\"\xff\"").is_err());
        assert!(payload_of(b"\"\xed\xa0\x80\"").is_err(), "a surrogate in UTF-8");
    }

    #[test]
    fn white_space_around_is_dropped_and_blank_lines_are_nothing() {
        assert_eq!(payload_of(b" \t{\"a\": 1}\r\n").unwrap(), Some(&b"{\"a\": 1}"[..]));
        for blank in [&b""[..], b" ", b"\r\n", b"\t \r"] {
            assert_eq!(payload_of(blank).unwrap(), None);
        }
    }

    #[test]
    fn text_becomes_a_json_string() {
        assert_eq!(text_payload(b"  say \"hi\"\t\r\n").unwrap().unwrap(), r#""  say \"hi\"\t""#);
        assert_eq!(text_payload(b"42").unwrap().unwrap(), r#""42""#);
        assert_eq!(text_payload(b" \r\n").unwrap(), None);
        assert!(text_payload(b"\xff").is_err());
    }
}
