//! `edgesync skip`.

use anyhow::Context as _;
use edgesync::{Seq, Stop};

use super::args::GlobalArgs;
use super::exit_code::ExitCode;
use super::journal_path::JournalPath;
use super::report::Voice;
use super::{journal_path, output, signals, values};

/// Gives up entries that wait: moves the cursor past them, on the record
///
/// For entries that need not arrive: a receiver refuses them, or what they said no longer matters. No receiver gets them; they
/// are counted as skipped, and stay on disk until `compact` gives their space back. There is no way back.
#[derive(Debug, clap::Args)]
pub struct SkipArgs {
    /// Skip every entry up to and including this seq
    #[arg(long, value_name = "SEQ", env = "EDGESYNC_THROUGH", value_parser = values::count_above_zero)]
    through: u64,
}

pub fn run(args: &SkipArgs, global: &GlobalArgs, voice: Voice) -> anyhow::Result<ExitCode> {
    let path = JournalPath::of(global)?;
    signals::outlive_file_limit()?;
    let (stopper, stop) = Stop::pair().context("cannot prepare for signals")?;
    let journal = journal_path::open(&path, voice)?;
    signals::watch(move |_| stopper.stop())?;
    let skipped = journal.heeding(&stop).skip(Seq::new(args.through).unwrap_or(Seq::FIRST));
    // It raises the alert for what a run that was killed has left lost.
    journal_path::finish_alerts(&journal, &stop);
    let skipped = skipped?;
    let still_waiting = match journal.stats()?.pending {
        0 => "nothing waits now".to_owned(),
        1 => format!("1 still waits, from seq {} on", skipped.cursor),
        pending => format!("{pending} still wait, from seq {} on", skipped.cursor),
    };
    output::print(match skipped.entries {
        0 => format!("nothing to skip: seq {} was settled before; {still_waiting}\n", args.through),
        entries => {
            format!(
                "skipped {} through seq {}; {still_waiting}\n",
                values::counted(entries, "entry"),
                args.through
            )
        }
    })?;
    Ok(ExitCode::Done)
}
