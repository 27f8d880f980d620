//! Small values that are overwritten in place: one line of JSON with a checksum, padded with spaces to a fixed size.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::record::{seal_line, unseal_line};

/// Encodes a value into exactly `size` bytes; none if it does not fit.
pub(crate) fn encode<T: Serialize>(value: &T, size: usize) -> Option<Vec<u8>> {
    let mut line = encode_short(value)?;
    if line.len() > size {
        return None;
    }
    line.pop();
    line.resize(size - 1, b' ');
    line.push(b'\n');
    Some(line)
}

/// The same without padding.
pub(crate) fn encode_short<T: Serialize>(value: &T) -> Option<Vec<u8>> {
    Some(seal_line(serde_json::to_vec(value).ok()?))
}

/// Decodes what [`encode`] or [`encode_short`] made; none if any byte of it is not as it was.
pub(crate) fn decode<T: DeserializeOwned>(slot: &[u8]) -> Option<T> {
    let padded = slot.strip_suffix(b"\n")?;
    let (text, padding) = padded.split_at(memchr::memrchr(b'}', padded)? + 1);
    // Without a way out in the middle, so that many bytes are compared at once.
    if !padding.iter().fold(true, |blank, byte| blank & (*byte == b' ')) {
        return None;
    }
    let mut line = text.to_vec();
    line.push(b'\n');
    let mut object = unseal_line(&line).ok()?.to_vec();
    object.push(b'}');
    serde_json::from_slice(&object).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_survives_and_no_damage_does() {
        let value = std::collections::BTreeMap::from([("a".to_owned(), 1_u64)]);
        let slot = encode(&value, 64).unwrap();
        assert_eq!(slot.len(), 64);
        assert_eq!(decode::<std::collections::BTreeMap<String, u64>>(&slot).unwrap(), value);
        for bit in 0..slot.len() * 8 {
            let mut bad = slot.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(decode::<std::collections::BTreeMap<String, u64>>(&bad).is_none(), "bit {bit}");
        }
    }

    #[test]
    fn a_value_that_does_not_fit_is_not_cut() {
        assert!(encode(&serde_json::json!({"a": "x".repeat(64)}), 64).is_none());
    }
}
