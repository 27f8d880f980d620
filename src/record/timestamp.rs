//! The time at which an entry was written: for people and for `--max-age`, never for order.

use std::fmt;
use std::time::{Duration, SystemTime};

/// A point in time, RFC 3339 in UTC with six fraction digits, always 27 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Timestamp([u8; Self::LEN]);

impl Timestamp {
    /// The length of the text, in bytes.
    pub const LEN: usize = 27;

    /// The wall clock now. A clock outside the years 0 to 9999 reads as the epoch: the time is context, not order.
    pub fn now() -> Self {
        let now = jiff::Timestamp::try_from(SystemTime::now()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        Self::from_text(format!("{now:.6}").as_bytes()).unwrap_or(Self(*b"1970-01-01T00:00:00.000000Z"))
    }

    /// Takes the text as it stands in a record; the checksum has vouched for it.
    pub(crate) fn from_text(text: &[u8]) -> Option<Self> {
        Some(Self(text.try_into().ok()?))
    }

    /// The text.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("?")
    }

    /// How long ago it was by the clock of today: 0 if the clock has been set back since, none if it is no time.
    pub fn age(&self) -> Option<Duration> {
        let then: jiff::Timestamp = self.as_str().parse().ok()?;
        let now = jiff::Timestamp::try_from(SystemTime::now()).ok()?;
        Some(Duration::try_from(now.duration_since(then)).unwrap_or(Duration::ZERO))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn now_has_the_fixed_length_and_no_age() {
        let now = Timestamp::now();
        assert_eq!(now.as_bytes().len(), Timestamp::LEN);
        assert!(now.as_str().ends_with('Z') && now.as_bytes()[19] == b'.', "{now}");
        assert!(now.age().unwrap() < Duration::from_secs(60));
    }

    #[test]
    fn a_time_in_the_future_has_age_zero() {
        assert_eq!(Timestamp::from_text(b"2999-01-01T00:00:00.000000Z").unwrap().age(), Some(Duration::ZERO));
    }
}
