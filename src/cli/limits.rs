//! The flags that set what belongs to the journal, so that all its writers agree.

use std::path::Path;
use std::time::Duration;

use clap::ValueEnum;
use edgesync::{Config, Limit, Overflow, Settings};

use super::values;

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Limits (kept in the journal)")]
pub struct LimitArgs {
    /// Keep at most this many entries that wait; 0 for no limit
    #[arg(long, value_name = "COUNT", env = "EDGESYNC_MAX_ENTRIES", value_parser = values::count)]
    max_entries: Option<u64>,
    /// Take at most this much disk; a new journal takes 1GiB
    ///
    /// Space is given back in whole segments, oldest first. After `edgesync init` has lowered the limit, the next append drops segments
    /// until the rest fits. Where one segment is larger than the new limit, its newest entries go too.
    #[arg(long, value_name = "SIZE", env = "EDGESYNC_MAX_BYTES", value_parser = values::journal_size)]
    max_bytes: Option<u64>,
    /// Drop entries that have waited longer than this, counted while the machine is up; 0 for no limit
    ///
    /// Only an append drops them, whatever --overflow says; `replay` still delivers older entries that no append has dropped.
    #[arg(long, value_name = "DURATION", env = "EDGESYNC_MAX_AGE", value_parser = values::duration)]
    max_age: Option<Duration>,
    /// What to do at the limit; a new journal has drop-oldest
    #[arg(long, value_name = "POLICY", env = "EDGESYNC_OVERFLOW", value_enum)]
    overflow: Option<OverflowArg>,
    /// Begin a new segment file at this size; a new journal has 16MiB
    #[arg(long, value_name = "SIZE", env = "EDGESYNC_SEGMENT_BYTES", value_parser = values::segment_size)]
    segment_bytes: Option<u64>,
    /// Raise an alert each time this many more entries were evicted or dead-lettered; a new journal has 1000; 0 for never
    #[arg(long, value_name = "COUNT", env = "EDGESYNC_DEAD_LETTER_THRESHOLD", value_parser = values::count)]
    dead_letter_threshold: Option<u64>,
    /// What an alert runs, with the stats as JSON on its standard input; '' for nothing
    ///
    /// The JSON also names the journal, its id and its limits; EDGESYNC_JOURNAL in its environment is the journal. One command runs at
    /// a time. A run of edgesync that is done waits up to 10 seconds for the command, then ends it.
    #[arg(long, value_name = "COMMAND", env = "EDGESYNC_ALERT_EXEC")]
    alert_exec: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum OverflowArg {
    /// Make room by dropping the oldest entries, and count them
    DropOldest,
    /// Take no more entries, and exit with 8
    Reject,
    /// Wait until there is room
    Block,
}

impl LimitArgs {
    pub fn settings(&self) -> Settings {
        Settings {
            segment_bytes: self.segment_bytes,
            dead_letter_threshold: self.dead_letter_threshold,
            alert_exec: self.alert_exec.clone(),
            new_id: false,
            max_entries: self.max_entries,
            max_bytes: self.max_bytes,
            max_age: self.max_age,
            overflow: self.overflow.map(|overflow| match overflow {
                OverflowArg::DropOldest => Overflow::DropOldest,
                OverflowArg::Reject => Overflow::Reject,
                OverflowArg::Block => Overflow::Block,
            }),
        }
    }
}

/// A limit as the option that sets it.
pub fn option_of(limit: &Limit) -> String {
    match limit {
        Limit::Entries(count) => format!("--max-entries {count}"),
        Limit::Bytes(_) => format!("--max-bytes {limit}"),
        Limit::Age(_) => format!("--max-age {limit}"),
        Limit::Overflow(_) => format!("--overflow {limit}"),
        Limit::SegmentBytes(_) => format!("--segment-bytes {limit}"),
        _ => limit.to_string(),
    }
}

/// The limits of a journal for people: `1.0 GiB, 10000 entries, 7d, drop-oldest`.
pub fn describe(config: &Config) -> String {
    let limits = &config.limits;
    let mut parts = vec![values::human_size(limits.max_bytes)];
    parts.extend(limits.max_entries.map(|entries| format!("{entries} entries")));
    parts.extend(limits.max_age.map(values::human_duration));
    parts.push(limits.overflow.to_string());
    parts.join(", ")
}

/// When an alert runs what: `` `mail-me`, each 1000 entries lost``. None if none does.
pub fn alert_of(config: &Config) -> Option<String> {
    let command = config.limits.alert_exec.as_ref()?;
    match config.limits.dead_letter_threshold {
        0 => None,
        1 => Some(format!("`{command}`, each entry lost")),
        entries => Some(format!("`{command}`, each {entries} entries lost")),
    }
}

/// The size at which segments are sealed in truth: at most an eighth of the journal's limit and a sixteenth of its file system,
/// as the library has it.
pub fn segment_bytes_effective(config: &Config, journal: &Path) -> u64 {
    let bytes = config.segment_bytes.min(config.limits.max_bytes / 8);
    let volume = rustix::fs::statvfs(journal).ok().filter(|volume| volume.f_blocks > 0);
    volume.map_or(bytes, |volume| bytes.min(volume.f_blocks.saturating_mul(volume.f_frsize) / 16).max(1024))
}
