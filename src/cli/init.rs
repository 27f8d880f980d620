//! `edgesync init`.

use clap::builder::FalseyValueParser;
use edgesync::Settings;

use super::args::GlobalArgs;
use super::exit_code::ExitCode;
use super::journal_path::JournalPath;
use super::limits::{self, LimitArgs};
use super::report::Voice;
use super::{journal_path, output, signals, values};

/// Creates a journal, or changes the limits of one
///
/// What is not named stays as it is. Without any limit it creates the journal if there is none, and shows what holds. A limit that is
/// lowered drops nothing by itself: the next append drops what is too much, by --max-bytes whole segments at a time.
#[derive(Debug, clap::Args)]
pub struct InitArgs {
    /// Give the journal a new id, as a copy or a restored backup needs that has not got one by itself
    ///
    /// Receivers then do not mistake its new entries for those that the original has sent under the same seqs.
    #[arg(long, env = "EDGESYNC_NEW_ID", value_parser = FalseyValueParser::new())]
    new_id: bool,
    #[command(flatten)]
    limits: LimitArgs,
}

pub fn run(args: &InitArgs, global: &GlobalArgs, voice: Voice) -> anyhow::Result<ExitCode> {
    let path = JournalPath::of(global)?;
    signals::outlive_file_limit()?;
    path.prepare()?;
    let settings = Settings { new_id: args.new_id, ..args.limits.settings() };
    let journal = journal_path::open_or_create(&path, &settings, voice)?;
    if !voice.quiet {
        let config = journal.config();
        let segment_bytes = limits::segment_bytes_effective(config, journal.path());
        let mut lines = vec![
            format!("journal  {}", journal.path().display()),
            format!("id       {}", config.id),
            format!("created  {}", config.created),
            format!("limits   {}", limits::describe(config)),
            format!("segments {}", values::human_size(segment_bytes)),
        ];
        lines.extend(limits::alert_of(config).map(|alert| format!("alert    {alert}")));
        output::show(lines)?;
    }
    Ok(ExitCode::Done)
}
