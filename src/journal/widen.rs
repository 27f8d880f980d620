//! What `append` may do to the limits of a journal that exists: widen them.
//!
//! Limits belong to all writers of a journal. A limit that one of them brings along (an option in a forgotten script, a
//! variable in an environment) must neither drop what the journal holds nor keep a sensor from writing. So a wider limit
//! holds from then on, and a narrower one is ignored and named. Which policy of overflow is the wider one cannot be said: one
//! drops entries, another stops the sensor; so another policy is ignored too. How large a segment is, and when an alert
//! is raised, drops nothing, and is taken over. `init` changes everything.

use std::fmt;
use std::time::Duration;

use super::config::{Config, Limits, Overflow, Settings};

/// A limit: what a journal may hold, or what it does then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Limit {
    /// Pending entries.
    Entries(u64),
    /// Size on disk, in bytes.
    Bytes(u64),
    /// Age of pending entries.
    Age(Duration),
    /// What happens at a limit of entries or bytes.
    Overflow(Overflow),
    /// The size at which a segment is sealed, in bytes.
    SegmentBytes(u64),
}

impl fmt::Display for Limit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entries(1) => write!(out, "1 entry"),
            Self::Entries(count) => write!(out, "{count} entries"),
            Self::Bytes(bytes) => write_exactly(out, *bytes, &BINARY, " bytes"),
            Self::Age(age) if age.subsec_nanos() > 0 => write!(out, "{age:?}"),
            Self::Age(age) => write_exactly(out, age.as_secs(), &TIME, "s"),
            Self::Overflow(policy) => policy.fmt(out),
            Self::SegmentBytes(bytes) => write_exactly(out, *bytes, &BINARY, " bytes"),
        }
    }
}

const BINARY: [(u64, &str); 4] = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
const TIME: [(u64, &str); 3] = [(86_400, "d"), (3600, "h"), (60, "min")];

/// In the largest unit that needs no fraction.
fn write_exactly(
    out: &mut fmt::Formatter<'_>,
    number: u64,
    units: &[(u64, &str)],
    smallest: &str,
) -> fmt::Result {
    match units.iter().find(|(size, _)| number > 0 && number.is_multiple_of(*size)) {
        Some((size, name)) => write!(out, "{}{name}", number / size),
        None => write!(out, "{number}{smallest}"),
    }
}

/// The settings without those that would narrow these limits, and the limits that they would have set.
pub(crate) fn widening(settings: &Settings, limits: &Limits) -> (Settings, Vec<Limit>) {
    let mut settings = settings.clone();
    let mut ignored = Vec::new();
    let none_is_most = |limit: Option<u64>| limit.unwrap_or(u64::MAX);
    if let Some(entries) = settings.max_entries
        && none_is_most(Some(entries).filter(|entries| *entries > 0)) < none_is_most(limits.max_entries)
    {
        settings.max_entries = None;
        ignored.push(Limit::Entries(entries));
    }
    if let Some(bytes) = settings.max_bytes
        && bytes < limits.max_bytes
    {
        settings.max_bytes = None;
        ignored.push(Limit::Bytes(bytes));
    }
    if let Some(age) = settings.max_age
        && !age.is_zero()
        && limits.max_age.is_none_or(|longest| age < longest)
    {
        settings.max_age = None;
        ignored.push(Limit::Age(age));
    }
    if let Some(policy) = settings.overflow
        && policy != limits.overflow
    {
        settings.overflow = None;
        ignored.push(Limit::Overflow(policy));
    }
    (settings, ignored)
}

/// The same for a journal as a whole: a segment size and a limit that together make too many segments are ignored too, since
/// each may be sound by itself, and a sensor must not stop because of them.
pub(crate) fn widening_of(config: &Config, settings: &Settings) -> (Settings, Vec<Limit>) {
    let (settings, mut ignored) = widening(settings, &config.limits);
    let sizes_as_they_are = Settings { segment_bytes: None, max_bytes: None, ..settings.clone() };
    let fits = |settings: &Settings| config.clone().with(settings).is_ok();
    if settings.check().is_err() || fits(&settings) || !fits(&sizes_as_they_are) {
        return (settings, ignored);
    }
    ignored.extend(settings.max_bytes.map(Limit::Bytes));
    ignored.extend(settings.segment_bytes.map(Limit::SegmentBytes));
    (sizes_as_they_are, ignored)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_that_make_too_many_segments_together_are_named_and_stop_nobody() {
        let config = |segment_bytes, max_bytes| {
            let sizes = Settings {
                segment_bytes: Some(segment_bytes),
                max_bytes: Some(max_bytes),
                ..Settings::default()
            };
            (Config::new(&sizes).unwrap(), sizes)
        };
        let (large, _) = config(16 << 20, 1 << 30);
        let (small, asked) = config(4 << 10, 64 << 20);
        let expected = [Limit::Bytes(64 << 20), Limit::SegmentBytes(4 << 10)];
        assert_eq!(widening_of(&large, &asked), (Settings::default(), expected.to_vec()));
        let wider = Settings { max_bytes: Some(1 << 30), ..Settings::default() };
        assert_eq!(widening_of(&small, &wider), (Settings::default(), vec![Limit::Bytes(1 << 30)]));
        let senseless = Settings { segment_bytes: Some(0), ..Settings::default() };
        assert_eq!(widening_of(&large, &senseless), (senseless.clone(), Vec::new()), "an error as ever");
    }

    fn limits(settings: Settings) -> Limits {
        Config::new(&settings).unwrap().limits
    }

    #[test]
    fn what_is_wider_is_applied_and_what_is_narrower_is_named() {
        let hour = Duration::from_secs(3600);
        let day = Duration::from_secs(86_400);
        let base = || Settings {
            max_entries: Some(10),
            max_bytes: Some(1 << 20),
            max_age: Some(day),
            ..Settings::default()
        };
        let entries = |count| Settings { max_entries: Some(count), ..Settings::default() };
        let bytes = |bytes| Settings { max_bytes: Some(bytes), ..Settings::default() };
        let age = |age| Settings { max_age: Some(age), ..Settings::default() };
        let overflow = |policy| Settings { overflow: Some(policy), ..Settings::default() };
        for (settings, ignored) in [
            (Settings::default(), None),
            (base(), None),
            (entries(11), None),
            (entries(0), None),
            (entries(9), Some(Limit::Entries(9))),
            (bytes(2 << 20), None),
            (bytes(1 << 19), Some(Limit::Bytes(1 << 19))),
            (age(2 * day), None),
            (age(Duration::ZERO), None),
            (age(hour), Some(Limit::Age(hour))),
            (overflow(Overflow::DropOldest), None),
            (overflow(Overflow::Reject), Some(Limit::Overflow(Overflow::Reject))),
            (overflow(Overflow::Block), Some(Limit::Overflow(Overflow::Block))),
        ] {
            let (applied, found) = widening(&settings, &limits(base()));
            assert_eq!(found, ignored.into_iter().collect::<Vec<_>>(), "{settings:?}");
            let expected = if found.is_empty() { settings } else { Settings::default() };
            assert_eq!(applied, expected);
        }
    }

    #[test]
    fn any_limit_is_narrower_than_none() {
        let settings =
            Settings { max_entries: Some(u64::MAX - 1), max_age: Some(Duration::MAX), ..Settings::default() };
        assert_eq!(widening(&settings, &limits(Settings::default())).1.len(), 2);
    }

    #[test]
    fn a_limit_is_written_in_the_largest_unit_that_needs_no_fraction() {
        for (limit, text) in [
            (Limit::Entries(1000), "1000 entries"),
            (Limit::Bytes(64 << 10), "64KiB"),
            (Limit::Bytes(1 << 30), "1GiB"),
            (Limit::Bytes((1 << 20) + 1), "1048577 bytes"),
            (Limit::Age(Duration::from_secs(7 * 86_400)), "7d"),
            (Limit::Age(Duration::from_secs(90)), "90s"),
            (Limit::Age(Duration::from_millis(5)), "5ms"),
        ] {
            assert_eq!(limit.to_string(), text);
        }
    }
}
