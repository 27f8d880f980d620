//! `edgesync verify`.

use clap::builder::FalseyValueParser;
use edgesync::Journal;

use super::args::GlobalArgs;
use super::exit_code::ExitCode;
use super::journal_path::{self, JournalPath};
use super::output::Output;
use super::report::Voice;
use super::{signals, values};

/// Reads every entry and every line of the side files; says what is damaged, and where
///
/// The side files are dead-letter.jsonl, rejected.jsonl and damaged.jsonl. Without --repair nothing is changed. A repair deletes nothing:
/// it gives unreadable files another name, and puts damaged and missing entries on the record in damaged.jsonl, so that delivery goes
/// on around them.
#[derive(Debug, clap::Args)]
pub struct VerifyArgs {
    /// Make a damaged journal usable again, and say what was done
    #[arg(long, env = "EDGESYNC_REPAIR", value_parser = FalseyValueParser::new())]
    repair: bool,
}

pub fn run(args: &VerifyArgs, global: &GlobalArgs, voice: Voice) -> anyhow::Result<ExitCode> {
    let path = JournalPath::of(global)?;
    if args.repair {
        signals::outlive_file_limit()?;
        let repaired =
            Journal::repair(path.as_path(), &mut |done| voice.problem(format_args!("repaired: {done}")))?;
        journal_path::tell_if_renewed(&repaired, false, voice);
    }
    let journal = Journal::open_read_only(path.as_path())?;
    let mut output = Output::open()?;
    let mut unwritten = None;
    let result = journal.verify(&mut |finding| {
        if unwritten.is_none() {
            unwritten = output.show(&finding.to_string()).err();
        }
    })?;
    unwritten.map_or(Ok(()), Err)?;
    output.flush()?;
    let read = format!(
        "{}: read {} in {}, {} of payload",
        journal.path().display(),
        values::counted(result.entries, "entry"),
        values::counted(result.segments, "segment"),
        values::human_size(result.payload_bytes)
    );
    if result.damaged_places > 0 {
        let places = values::counted(result.damaged_places, "damaged place");
        let entries = values::counted(result.damaged_entries, "entry");
        voice.act(format_args!("{read}; {places}, {entries} lost"));
        return Ok(ExitCode::Unsound);
    }
    voice.remark(format_args!("{read}; all sound"));
    Ok(ExitCode::Done)
}
