//! The wall time at which an entry was written: for people. Neither order nor age depends on it.

use std::fmt;
use std::time::{Duration, SystemTime};

/// A point in time, RFC 3339 in UTC with six fraction digits, always 27 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Timestamp([u8; Self::LEN]);

impl Timestamp {
    /// The length of the text, in bytes.
    pub const LEN: usize = 27;

    /// The wall clock now. A clock outside the years 0 to 9999 reads as the nearest time within them.
    pub fn now() -> Self {
        Self::of(SystemTime::now())
    }

    fn of(time: SystemTime) -> Self {
        let before = time < SystemTime::UNIX_EPOCH;
        let end = if before { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
        let time = jiff::Timestamp::try_from(time).unwrap_or(end);
        let nearest = if before { b"0000-01-01T00:00:00.000000Z" } else { b"9999-12-30T22:00:00.999999Z" };
        Self::from_text(format!("{time:.6}").as_bytes()).unwrap_or(Self(*nearest))
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

/// A clock that shows less was never set: this program is not older.
const CREDIBLE_FROM: &str = "2026-01-01T00:00:00.000000Z";

impl Timestamp {
    /// How long ago it was by the clock of today; none where one of the two times must be wrong.
    pub(crate) fn age_if_credible(&self) -> Option<Duration> {
        let credible = self.as_str() >= CREDIBLE_FROM && self.as_str() <= Self::now().as_str();
        self.age().filter(|_| credible)
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
    fn a_clock_beyond_the_year_9999_stays_in_the_future() {
        let after = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let before = |seconds| SystemTime::UNIX_EPOCH - Duration::from_secs(seconds);
        for (time, text) in [
            (after(253_402_207_200), "9999-12-30T22:00:00.000000Z"),
            (after(253_402_300_800), "9999-12-30T22:00:00.999999Z"),
            (after(1 << 60), "9999-12-30T22:00:00.999999Z"),
            (before(1), "1969-12-31T23:59:59.000000Z"),
            (before(1 << 37), "0000-01-01T00:00:00.000000Z"),
            (before(1 << 60), "0000-01-01T00:00:00.000000Z"),
        ] {
            assert_eq!(Timestamp::of(time).as_str(), text);
            assert!(Timestamp::of(time).as_str().parse::<jiff::Timestamp>().is_ok());
        }
    }

    #[test]
    fn a_time_that_must_be_wrong_has_no_credible_age() {
        for wrong in
            ["1970-01-01T00:00:07.000000Z", "2025-12-31T23:59:59.999999Z", "2999-01-01T00:00:00.000000Z"]
        {
            assert_eq!(Timestamp::from_text(wrong.as_bytes()).unwrap().age_if_credible(), None);
        }
        assert!(Timestamp::now().age_if_credible().is_some());
    }

    #[test]
    fn a_time_in_the_future_has_age_zero() {
        assert_eq!(Timestamp::from_text(b"2999-01-01T00:00:00.000000Z").unwrap().age(), Some(Duration::ZERO));
    }
}
