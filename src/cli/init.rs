//! `edgesync init`.

use edgesync::Journal;

use super::args::GlobalArgs;
use super::exit_code::ExitCode;
use super::journal_path::JournalPath;
use super::limits::{self, LimitArgs};
use super::report::Voice;
use super::{output, values};

/// Creates a journal, or changes the limits of one
///
/// What is not named stays as it is. Without any limit it creates the journal if there is none, and shows what holds.
#[derive(Debug, clap::Args)]
pub struct InitArgs {
    #[command(flatten)]
    limits: LimitArgs,
}

pub fn run(args: &InitArgs, global: &GlobalArgs, voice: Voice) -> anyhow::Result<ExitCode> {
    let path = JournalPath::of(global)?;
    path.prepare()?;
    let journal = Journal::open_or_create(path.as_path(), &args.limits.settings())?;
    if !voice.quiet {
        let config = journal.config();
        output::print(format!(
            "journal  {}\nid       {}\ncreated  {}\nlimits   {}\nsegments {}\n",
            journal.path().display(),
            config.id,
            config.created,
            limits::describe(config),
            values::human_size(config.segment_bytes),
        ))?;
    }
    Ok(ExitCode::Done)
}
