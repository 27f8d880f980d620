//! The values that flags take, from text and back: sizes, durations, sync policies.

use std::ops::RangeInclusive;
use std::time::Duration;

use edgesync::SyncPolicy;
use jiff::{SignedDuration, Span, SpanRelativeTo};

/// The most that a line or a batch may have: both are held in memory whole.
const MEMORY_BYTES_MAX: usize = 64 << 20;

/// The least that a journal may be limited to, and the sizes that its segments may have: those that the library takes.
const JOURNAL_BYTES_MIN: u64 = 64 << 10;
const SEGMENT_BYTES: RangeInclusive<u64> = 1 << 10..=1 << 30;

const UNITS: [(&str, u64); 9] = [
    ("B", 1),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KIB", 1 << 10),
    ("MIB", 1 << 20),
    ("GIB", 1 << 30),
    ("TIB", 1 << 40),
];

/// A size in bytes: `65536`, `512KiB`, `1.5GiB`, `20MB`. A bare K, M, G or T is binary.
pub fn size(text: &str) -> Result<u64, String> {
    let wrong = || "not a size; write it like 65536, 512KiB, 16MiB or 1GiB".to_owned();
    let text = text.trim();
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let unit = unit.trim().to_ascii_uppercase();
    let unit = match unit.as_str() {
        "" => "B".to_owned(),
        "K" | "M" | "G" | "T" => format!("{unit}IB"),
        _ => unit,
    };
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(*factor).ok_or_else(|| "more than a file can hold".into());
    }
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let bytes = number * *factor as f64;
    if bytes.is_finite() && bytes < 1e18 { Ok(bytes.round() as u64) } else { Err(wrong()) }
}

/// A size that is not 0.
pub fn size_above_zero(text: &str) -> Result<u64, String> {
    above_zero(size(text)?)
}

/// A size of something that is held in memory, not 0.
pub fn memory_size(text: &str) -> Result<usize, String> {
    let bytes = usize::try_from(size_above_zero(text)?).ok().filter(|bytes| *bytes <= MEMORY_BYTES_MAX);
    bytes.ok_or_else(|| "too large; 64MiB is the most".into())
}

/// A journal's limit of bytes.
pub fn journal_size(text: &str) -> Result<u64, String> {
    let bytes = size(text)?;
    if bytes < JOURNAL_BYTES_MIN { Err("64KiB at least".into()) } else { Ok(bytes) }
}

/// The size of a segment.
pub fn segment_size(text: &str) -> Result<u64, String> {
    let bytes = size(text)?;
    if SEGMENT_BYTES.contains(&bytes) { Ok(bytes) } else { Err("1KiB at least, 1GiB at most".into()) }
}

/// A count.
pub fn count(text: &str) -> Result<u64, String> {
    text.trim().parse().map_err(|_| "not a count; write it like 500".into())
}

/// A count of what is done over and over.
pub fn small_count(text: &str) -> Result<u32, String> {
    u32::try_from(count(text)?).map_err(|_| format!("too large; {} is the most", u32::MAX))
}

/// A count that is not 0: of a batch, or a seq, of which 1 is the first.
pub fn count_above_zero(text: &str) -> Result<u64, String> {
    above_zero(count(text)?)
}

fn above_zero(number: u64) -> Result<u64, String> {
    if number == 0 { Err("too small; 1 is the least".into()) } else { Ok(number) }
}

/// A duration: `500ms`, `2s`, `1m 30s`, `1h`, `7d`. `0` needs no unit.
pub fn duration(text: &str) -> Result<Duration, String> {
    if text.trim() == "0" {
        return Ok(Duration::ZERO);
    }
    let wrong = || "not a duration; write it like 500ms, 2s, 5m, 1h or 7d".to_owned();
    let span: Span = text.trim().parse().map_err(|_| wrong())?;
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
    Duration::try_from(duration).map_err(|_| wrong())
}

/// A duration that is not 0.
pub fn duration_above_zero(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("too short; write it like 500ms or 2s".into()),
        duration => Ok(duration),
    }
}

/// A sync policy: `always`, `interval=DURATION`, `never`.
pub fn sync_policy(text: &str) -> Result<SyncPolicy, String> {
    match (text.trim(), text.trim().strip_prefix("interval=")) {
        ("always", _) => Ok(SyncPolicy::Always),
        ("never", _) => Ok(SyncPolicy::Never),
        (_, Some(interval)) => duration_above_zero(interval).map(SyncPolicy::Interval),
        _ => Err("none of always, interval=DURATION (like interval=2s), never".into()),
    }
}

/// Bytes for people: `812 B`, `1.5 MiB`.
pub fn human_size(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    // What would be printed as "1024.0 KiB" is one MiB.
    while value >= 1023.95 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", units[unit])
}

/// A number of things: `1 entry`, `2 entries`.
pub fn counted(number: u64, thing: &str) -> String {
    match (number, thing.strip_suffix('y')) {
        (1, _) => format!("1 {thing}"),
        (_, Some(stem)) => format!("{number} {stem}ies"),
        (_, None) => format!("{number} {thing}s"),
    }
}

/// A duration for people, at most its two largest units: `850ms`, `3m 20s`, `2d 4h`.
pub fn human_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600, seconds / 60);
    if days > 0 {
        return join(days, "d", hours % 24, "h");
    }
    let rounded = match seconds {
        0 => Duration::from_millis(duration.as_millis() as u64),
        1..=3_599 => Duration::from_secs(seconds),
        _ => Duration::from_secs(minutes * 60),
    };
    let rounded = SignedDuration::try_from(rounded).unwrap_or(SignedDuration::MAX);
    format!("{rounded:#}")
}

fn join(large: u64, large_unit: &str, small: u64, small_unit: &str) -> String {
    if small == 0 {
        format!("{large}{large_unit}")
    } else {
        format!("{large}{large_unit} {small}{small_unit}")
    }
}

#[cfg(test)]
mod tests {
    use edgesync::{Journal, Settings};
    use uuid::Uuid;

    use super::*;

    #[test]
    fn sizes_are_read_in_bytes_decimal_and_binary_units() {
        for (text, bytes) in [
            ("0", 0),
            ("65536", 65_536),
            ("1KiB", 1024),
            ("16 MiB", 16 << 20),
            ("1g", 1 << 30),
            ("1.5GiB", 3 << 29),
            ("20MB", 20_000_000),
            ("7b", 7),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn a_wrong_size_is_answered_with_an_example() {
        for text in ["", "x", "1.2.3MiB", "-1", "1PiB", "MiB", "1 2", "99999999999999999999999", "1e3"] {
            let message = size(text).unwrap_err();
            assert!(message.contains("16MiB"), "{text}: {message}");
        }
        assert!(size("18446744073709551615KiB").unwrap_err().contains("more than"));
        assert!(size_above_zero("0MiB").unwrap_err().contains("too small"));
        assert!(memory_size("65MiB").unwrap_err().contains("64MiB"));
        for text in ["0", "10", "65535"] {
            assert_eq!(journal_size(text), Err("64KiB at least".into()), "{text}");
        }
        for text in ["0", "1023", "2GiB"] {
            assert!(segment_size(text).unwrap_err().contains("1KiB"), "{text}");
        }
    }

    #[test]
    fn what_the_options_take_at_the_edges_is_what_the_library_takes() {
        let directory = tempfile::tempdir().unwrap();
        let is_taken = |settings: Settings| {
            Journal::open_or_create(&directory.path().join(Uuid::new_v4().to_string()), &settings).is_ok()
        };
        for bytes in [JOURNAL_BYTES_MIN - 1, JOURNAL_BYTES_MIN] {
            let settings = Settings { max_bytes: Some(bytes), ..Settings::default() };
            assert_eq!(is_taken(settings), journal_size(&bytes.to_string()).is_ok(), "{bytes}");
        }
        let (least, most) = (*SEGMENT_BYTES.start(), *SEGMENT_BYTES.end());
        for bytes in [least - 1, least, most, most + 1] {
            let max_bytes = Some(least * 16_384);
            let settings = Settings { segment_bytes: Some(bytes), max_bytes, ..Settings::default() };
            assert_eq!(is_taken(settings), segment_size(&bytes.to_string()).is_ok(), "{bytes}");
        }
    }

    #[test]
    fn a_wrong_count_is_answered_with_an_example() {
        for text in ["", "x", "-1", "1.5"] {
            assert!(count(text).unwrap_err().contains("like 500"), "{text}");
            assert!(small_count(text).unwrap_err().contains("like 500"), "{text}");
        }
        assert_eq!(small_count("4294967295"), Ok(u32::MAX));
        assert!(small_count("4294967296").unwrap_err().contains("4294967295 is the most"));
    }

    #[test]
    fn durations_are_read_with_their_unit() {
        for (text, milliseconds) in [
            ("0", 0),
            ("0s", 0),
            ("500ms", 500),
            ("2s", 2_000),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("1m 30s", 90_000),
            ("7d", 7 * 86_400_000),
            ("2w", 14 * 86_400_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn a_wrong_duration_is_answered_with_an_example() {
        for text in ["", "5", "x", "1month", "1y", "9999999999999999999s"] {
            let message = duration(text).unwrap_err();
            assert!(message.contains("500ms"), "{text}: {message}");
        }
        assert!(duration("-2s").is_err());
        assert!(duration_above_zero("0s").unwrap_err().contains("too short"));
    }

    #[test]
    fn sync_policies_are_read() {
        assert_eq!(sync_policy("always"), Ok(SyncPolicy::Always));
        assert_eq!(sync_policy("never"), Ok(SyncPolicy::Never));
        assert_eq!(sync_policy("interval=2s"), Ok(SyncPolicy::Interval(Duration::from_secs(2))));
        for text in ["", "sometimes", "interval", "interval=", "interval=0s", "interval=5"] {
            assert!(sync_policy(text).is_err(), "{text}");
        }
    }

    #[test]
    fn one_thing_is_not_things() {
        assert_eq!((counted(1, "entry"), counted(0, "entry")), ("1 entry".into(), "0 entries".into()));
        assert_eq!((counted(1, "line"), counted(2, "line")), ("1 line".into(), "2 lines".into()));
    }

    #[test]
    fn sizes_and_durations_are_shown_short() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            ((1 << 20) - 1, "1.0 MiB"),
            (3 << 29, "1.5 GiB"),
            (u64::MAX, "16777216.0 TiB"),
        ] {
            assert_eq!(human_size(bytes), text);
        }
        for (duration, text) in [
            (Duration::ZERO, "0s"),
            (Duration::from_millis(850), "850ms"),
            (Duration::from_millis(2_850), "2s"),
            (Duration::from_secs(200), "3m 20s"),
            (Duration::from_secs(3_600 * 5 + 61), "5h 1m"),
            (Duration::from_secs(86_400 * 2 + 4 * 3_600), "2d 4h"),
            (Duration::from_secs(86_400 * 7), "7d"),
        ] {
            assert_eq!(human_duration(duration), text);
        }
    }
}
