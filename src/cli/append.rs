//! `edgesync append`.

use std::io::{ErrorKind, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use clap::builder::FalseyValueParser;
use edgesync::{IngestOptions, IngestReport, Journal, Notice, Stop, SyncPolicy};

use super::args::GlobalArgs;
use super::exit_code::{ExitCode, help_section};
use super::journal_path::JournalPath;
use super::limits::LimitArgs;
use super::output;
use super::report::Voice;
use super::{journal_path, man_text, signals, values};

/// Reads JSON lines from standard input and writes them durably
///
/// Each line is one entry: one JSON value, kept byte for byte. Exit code 0 means that all of them are on the disk.
/// The journal is created if there is none. Lines that are not JSON, or too long, are set aside in rejected.jsonl and make the exit
/// code 5. On an existing journal `append` can raise limits, not lower them; use `edgesync init` for that.
#[derive(Debug, clap::Args)]
#[command(after_help = help_section(man_text::APPEND.exit))]
pub struct AppendArgs {
    /// Pass each line on to standard output once it is durable
    #[arg(long, env = "EDGESYNC_TEE", value_parser = FalseyValueParser::new())]
    tee: bool,
    /// Take lines that are not JSON, and store each line as a JSON string
    #[arg(long, env = "EDGESYNC_TEXT", value_parser = FalseyValueParser::new())]
    text: bool,
    /// When to sync: always, interval=DURATION or never
    ///
    /// With always, everything that has arrived is synced before more is read: a slow source is durable line by line. With
    /// interval=2s a crash may lose what came in the last 2 seconds; with never, what the system had not yet written by itself.
    #[arg(long, value_name = "POLICY", env = "EDGESYNC_SYNC", value_parser = values::sync_policy)]
    #[arg(default_value = "always", hide_possible_values = true)]
    sync: SyncPolicy,
    /// Reject lines that are longer; 64MiB is the most
    ///
    /// A line that is longer than an eighth of --max-bytes is rejected too.
    #[arg(long, value_name = "SIZE", env = "EDGESYNC_MAX_LINE", value_parser = values::memory_size)]
    #[arg(default_value = "1MiB")]
    max_line: usize,
    #[command(flatten)]
    limits: LimitArgs,
}

pub fn run(args: AppendArgs, global: &GlobalArgs, voice: Voice) -> anyhow::Result<ExitCode> {
    let path = JournalPath::of(global)?;
    path.prepare()?;
    let (stopper, stop) = Stop::pair().context("cannot prepare for signals")?;
    let reads = Arc::new(AtomicBool::new(false));
    let has_begun = Arc::clone(&reads);
    signals::watch(move |count| match count {
        // Whatever opening waits for (another process's lock, a slow disk): there is nothing yet that would have to be saved.
        1 if !has_begun.load(Ordering::SeqCst) => {
            voice.problem("stopped before anything was read");
            std::process::exit(ExitCode::Failed.number().into());
        }
        1 => stopper.stop(),
        _ => {
            voice.problem("stopped at once: lines that were read but not yet acknowledged may be missing");
            std::process::exit(ExitCode::Failed.number().into());
        }
    })?;
    let journal = journal_path::open_or_widen(&path, &args.limits.settings(), voice)?;
    if output::stdin_is_terminal() {
        voice.remark("reading from the terminal; end with Ctrl-D");
    }
    let options = IngestOptions { text: args.text, max_line: args.max_line, sync: args.sync };
    let input = output::raw_stdin().context("cannot read standard input")?;
    let mut tee = if args.tee { Some(output::Patient::new(&stop)?) } else { None };
    reads.store(true, Ordering::SeqCst);
    let tee = tee.as_mut().map(|stdout| stdout as &mut (dyn Write + Send));
    let mut lost = None;
    let mut say = |notice| match notice {
        // It goes with the error, so that `--quiet` has it too: whoever feeds the lines has to know which to feed again.
        Notice::Failed { .. } => lost = Some(notice.to_string()),
        notice => say(&notice, voice),
    };
    let report = edgesync::ingest(&journal, input, tee, &options, &stop, &mut say);
    journal_path::finish_alerts(&journal, &stop);
    let report = match lost {
        Some(lost) => report.context(lost)?,
        None => report?,
    };
    tell(&report, &journal, voice);
    Ok(code_of(&report))
}

fn say(notice: &Notice, voice: Voice) {
    match notice {
        // It needs a person to make room, or another place for the lines that are passed on.
        Notice::NotTaken(_) | Notice::Renewed { alert_exec: Some(_), .. } => voice.act(notice),
        Notice::TeeFailed { source } if source.kind() != ErrorKind::BrokenPipe => voice.act(notice),
        _ => voice.problem(notice),
    }
}

fn tell(report: &IngestReport, journal: &Journal, voice: Voice) {
    let IngestReport { accepted, rejected, .. } = report;
    let directory = journal.path().display();
    if *rejected > 0 {
        let lines = values::counted(*rejected, "line");
        voice.act(format_args!("{lines} set aside in {directory}/rejected.jsonl"));
    }
    if voice.verbose {
        let entries = values::counted(*accepted, "entry");
        voice.remark(format_args!("{entries} added to {directory}"));
    }
}

fn code_of(report: &IngestReport) -> ExitCode {
    let rejected = (report.rejected > 0).then_some(ExitCode::SetAside);
    let not_taken = (report.not_taken > 0).then_some(ExitCode::Full);
    ExitCode::of_all(rejected.into_iter().chain(not_taken))
}
