//! `edgesync compact`.

use clap::builder::FalseyValueParser;
use edgesync::{Compaction, Journal};

use super::args::GlobalArgs;
use super::exit_code::ExitCode;
use super::journal_path::JournalPath;
use super::report::Voice;
use super::{journal_path, output, signals, values};

/// Gives back the disk space of settled entries
///
/// Whole segment files are removed; entries that still wait are never rewritten, which spares flash.
#[derive(Debug, clap::Args)]
pub struct CompactArgs {
    /// Say what would be given back, and change nothing
    #[arg(long, env = "EDGESYNC_DRY_RUN", value_parser = FalseyValueParser::new())]
    dry_run: bool,
}

pub fn run(args: &CompactArgs, global: &GlobalArgs, voice: Voice) -> anyhow::Result<ExitCode> {
    let path = JournalPath::of(global)?;
    if args.dry_run {
        let would = Journal::open_read_only(path.as_path())?.compact(true)?;
        output::show([format!("would give back {}", describe(&would))])?;
    } else {
        signals::outlive_file_limit()?;
        let done = journal_path::open(&path, voice)?.compact(false)?;
        voice.remark(format_args!("gave back {}", describe(&done)));
    }
    Ok(ExitCode::Done)
}

fn describe(compaction: &Compaction) -> String {
    let Compaction { segments, entries, bytes, .. } = compaction;
    let (segments, entries) = (values::counted(*segments, "segment"), values::counted(*entries, "entry"));
    format!("{}: {segments} with {entries}", values::human_size(*bytes))
}
