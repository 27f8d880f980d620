//! `edgesync stats`.

use clap::ValueEnum;
use edgesync::Journal;

use super::args::GlobalArgs;
use super::exit_code::ExitCode;
use super::journal_path::JournalPath;
use super::{output, stats_format};

/// Shows the counters and the backlog
///
/// Changes nothing, works while others write, and takes no longer when the backlog is large.
#[derive(Debug, clap::Args)]
pub struct StatsArgs {
    /// How to print
    #[arg(long, value_name = "FORMAT", env = "EDGESYNC_FORMAT", value_enum, default_value = "text")]
    format: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// One JSON object on one line
    Json,
    /// The Prometheus text format, for a textfile collector
    Prometheus,
}

pub fn run(args: &StatsArgs, global: &GlobalArgs) -> anyhow::Result<ExitCode> {
    let path = JournalPath::of(global)?;
    let journal = Journal::open_read_only(path.as_path())?;
    let stats = journal.stats()?;
    match args.format {
        Format::Text => output::show(stats_format::text(journal.path(), journal.config(), &stats)),
        Format::Json => output::print(serde_json::to_string(&stats)? + "\n"),
        Format::Prometheus => output::print(stats_format::prometheus(journal.id(), &stats)),
    }?;
    Ok(ExitCode::Done)
}
