//! The statistics of a journal as text: for people, and for Prometheus.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use edgesync::{Config, Stats};
use jiff::Timestamp;
use uuid::Uuid;

use super::limits;
use super::values::{counted, human_duration, human_size};

/// For people. The entries are shown as the sum that promise 4 makes: what was written is all accounted for.
pub fn text(path: &Path, config: &Config, stats: &Stats) -> Vec<String> {
    let mut lines = Vec::new();
    let mut row = |name: &str, value: String| {
        lines.push(format!("{name:<16} {value}").trim_end().to_owned());
    };
    row("journal", path.display().to_string());
    row("id", config.id.to_string());
    row("limits", limits::describe(config));
    if let Some(alert) = limits::alert_of(config) {
        row("alert", alert);
    }
    row("", String::new());
    let terms = terms(stats);
    let width = stats.written.to_string().len();
    for (sign, (name, number)) in [" ", "+", "+", "+", "+", "+"].into_iter().zip(terms) {
        row(&format!("{sign} {name}"), format!("{number:>width$}"));
    }
    row("= written", format!("{:>width$}", stats.written));
    row("", String::new());
    row("oldest pending", stats.oldest_pending_age_s.map_or("-".into(), age));
    row("sync rate", percent(stats.sync_rate));
    row("eviction rate", percent(stats.eviction_rate));
    row("rejected lines", with_dropped(stats.rejected_lines, stats.rejected_lines_dropped));
    if stats.dead_letters_dropped > 0 {
        row("dead letters", with_dropped(stats.dead_lettered, stats.dead_letters_dropped));
    }
    row("cursor", format!("{} (next seq is {})", stats.cursor, stats.next_seq));
    row("disk use", format!("{} in {}", human_size(stats.bytes), counted(stats.segments, "segment")));
    row(
        "disk wear",
        format!("{} written, {}", human_size(stats.bytes_written), counted(stats.syncs, "sync")),
    );
    row("", String::new());
    row("last attempt", when(stats.last_attempt.as_deref()));
    row("last success", when(stats.last_success.as_deref()));
    row("last error", when(stats.last_error_at.as_deref()));
    if let Some(error) = &stats.last_error {
        row("", error.clone());
    }
    lines
}

/// `720 (680 of them dropped for space)`
fn with_dropped(number: u64, dropped: u64) -> String {
    match dropped {
        0 => number.to_string(),
        _ => format!("{number} ({dropped} of them dropped for space)"),
    }
}

/// A time, and how long ago that is by today's clock.
fn when(time: Option<&str>) -> String {
    let Some(text) = time else { return "none known".into() };
    let ago = instant(text).map(|then| Timestamp::now().duration_since(then));
    match ago.and_then(|ago| Duration::try_from(ago).ok()) {
        Some(ago) => format!("{text} ({} ago)", human_duration(ago)),
        None => text.to_owned(),
    }
}

fn instant(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

/// Seconds since the epoch; 0 if it never was.
fn epoch_seconds(time: Option<&str>) -> f64 {
    time.and_then(instant).map_or(0.0, |time| time.as_duration().as_secs_f64())
}

fn terms(stats: &Stats) -> [(&'static str, u64); 6] {
    [
        ("delivered", stats.delivered),
        ("pending", stats.pending),
        ("dead-lettered", stats.dead_lettered),
        ("evicted", stats.evicted),
        ("damaged", stats.damaged),
        ("skipped", stats.skipped),
    ]
}

fn percent(rate: f64) -> String {
    format!("{:.1} %", rate * 100.0)
}

fn age(seconds: f64) -> String {
    human_duration(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::ZERO))
}

/// One metric: its name after `edgesync_`, its type, and what it means. The names are an interface: they only grow.
struct Metric(&'static str, Kind, &'static str, fn(&Stats) -> f64);

/// What only ever grows is a counter. Dead letters may be taken back, so they are a gauge.
enum Kind {
    Counter,
    Gauge,
}

const METRICS: [Metric; 22] = {
    use Kind::{Counter, Gauge};
    [
        Metric("written_total", Counter, "Entries written.", |s| s.written as f64),
        Metric("delivered_total", Counter, "Entries delivered.", |s| s.delivered as f64),
        Metric("pending", Gauge, "Entries that wait for delivery.", |s| s.pending as f64),
        Metric("dead_lettered", Gauge, "Entries that the sink refused for good.", |s| s.dead_lettered as f64),
        Metric("evicted_total", Counter, "Entries dropped at the journal's limit.", |s| s.evicted as f64),
        Metric("damaged_total", Counter, "Entries lost to damage on disk.", |s| s.damaged as f64),
        Metric("skipped_total", Counter, "Entries skipped by an operator.", |s| s.skipped as f64),
        Metric("rejected_lines_total", Counter, "Input lines that were not entries.", |s| {
            s.rejected_lines as f64
        }),
        Metric("sync_rate", Gauge, "Share of the written entries that was delivered, 0 to 1.", |s| {
            s.sync_rate
        }),
        Metric("eviction_rate", Gauge, "Share of the written entries that was evicted, 0 to 1.", |s| {
            s.eviction_rate
        }),
        Metric(
            "oldest_pending_age_seconds",
            Gauge,
            "Age of the oldest entry that waits; 0 if none does.",
            |s| s.oldest_pending_age_s.unwrap_or(0.0),
        ),
        Metric("next_seq", Gauge, "The seq that the next entry gets.", |s| s.next_seq as f64),
        Metric("cursor", Gauge, "The first seq that was not dealt with.", |s| s.cursor as f64),
        Metric("segments", Gauge, "Segment files on disk.", |s| s.segments as f64),
        Metric("bytes", Gauge, "Disk space in use.", |s| s.bytes as f64),
        Metric("syncs_total", Counter, "Flushes to the disk.", |s| s.syncs as f64),
        Metric("bytes_written_total", Counter, "Bytes written to the disk.", |s| s.bytes_written as f64),
        Metric("last_attempt_timestamp_seconds", Gauge, "When a run last began; 0 if none did.", |s| {
            epoch_seconds(s.last_attempt.as_deref())
        }),
        Metric("last_success_timestamp_seconds", Gauge, "When a run last succeeded; 0 if none did.", |s| {
            epoch_seconds(s.last_success.as_deref())
        }),
        Metric("dead_letters_dropped_total", Counter, "Dead letters dropped for space.", |s| {
            s.dead_letters_dropped as f64
        }),
        Metric("rejected_lines_dropped_total", Counter, "Rejected lines dropped for space.", |s| {
            s.rejected_lines_dropped as f64
        }),
        Metric("damaged_pieces_dropped_total", Counter, "Pieces of damage dropped for space.", |s| {
            s.damaged_pieces_dropped as f64
        }),
    ]
};

/// The Prometheus text format. The label tells the journals of one machine apart.
pub fn prometheus(journal: Uuid, stats: &Stats) -> String {
    let mut text = String::new();
    for Metric(name, kind, help, value) in METRICS {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        let value = value(stats);
        // Writing to a String does not fail.
        let _ = write!(
            text,
            "# HELP edgesync_{name} {help}\n# TYPE edgesync_{name} {kind}\nedgesync_{name}{{journal=\"{journal}\"}} {value}\n"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use edgesync::{Journal, Settings};
    use tempfile::TempDir;

    use super::*;

    /// The identity of a real journal, with figures of a livelier one.
    fn example() -> (TempDir, Journal, Stats) {
        let directory = tempfile::tempdir().unwrap();
        let settings = Settings {
            max_entries: Some(5000),
            max_age: Some(Duration::from_secs(7 * 86_400)),
            ..Settings::default()
        };
        let journal = Journal::open_or_create(&directory.path().join("j"), &settings).unwrap();
        let mut stats = journal.stats().unwrap();
        stats.written = 1210;
        stats.delivered = 1000;
        stats.pending = 199;
        stats.dead_lettered = 1;
        stats.evicted = 10;
        stats.sync_rate = 1000.0 / 1210.0;
        stats.oldest_pending_age_s = Some(7261.5);
        stats.segments = 2;
        stats.bytes = 1_300_000;
        stats.syncs = 77;
        (directory, journal, stats)
    }

    #[test]
    fn people_see_every_term_and_the_sum() {
        let (_directory, journal, stats) = example();
        let text = text(journal.path(), journal.config(), &stats).join("\n");
        let column = |name: &str| {
            let line =
                text.lines().find(|line| line.get(2..).is_some_and(|rest| rest.starts_with(name))).unwrap();
            line.split_whitespace().last().unwrap().parse::<u64>().unwrap()
        };
        let terms = ["delivered", "pending", "dead-lettered", "evicted", "damaged", "skipped"].map(column);
        assert_eq!(terms, [1000, 199, 1, 10, 0, 0], "{text}");
        assert_eq!(column("written"), terms.iter().sum::<u64>());
        for part in
            ["1.0 GiB, 5000 entries, 7d, drop-oldest", "2h 1m", "82.6 %", "1.2 MiB in 2 segments", "77 syncs"]
        {
            assert!(text.contains(part), "{part} is missing from\n{text}");
        }
    }

    #[test]
    fn prometheus_metrics_are_well_formed() {
        let (_directory, journal, stats) = example();
        let text = prometheus(journal.id(), &stats);
        for chunk in text.lines().collect::<Vec<_>>().chunks(3) {
            let [help, kind, sample] = chunk else { panic!("{chunk:?}") };
            let name = help.split(' ').nth(2).unwrap();
            assert!(name.starts_with("edgesync_") && help.ends_with('.'), "{help}");
            let counter = kind.ends_with(" counter");
            assert_eq!(counter, name.ends_with("_total"), "{kind}");
            assert!(sample.starts_with(&format!("{name}{{journal=\"{}\"}} ", journal.id())), "{sample}");
            assert!(sample.rsplit(' ').next().unwrap().parse::<f64>().is_ok(), "{sample}");
        }
        assert!(text.contains("} 1210\n"), "{text}");
    }

    #[test]
    fn every_key_of_the_json_has_its_metric() {
        let (_directory, _journal, stats) = example();
        let json = serde_json::to_value(stats).unwrap();
        let keys: Vec<&String> = json.as_object().unwrap().keys().collect();
        let texts = ["last_error", "last_error_at"];
        assert_eq!(keys.len(), METRICS.len() + texts.len());
        for key in keys.into_iter().filter(|key| !texts.contains(&key.as_str())) {
            let stem = key.strip_suffix("_s").unwrap_or(key);
            assert!(METRICS.iter().any(|Metric(name, ..)| name.starts_with(stem)), "{key}");
        }
    }
}
