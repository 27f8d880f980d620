//! `edgesync dead`.

use clap::ValueEnum;
use edgesync::{DeadLetter, Journal};

use super::args::GlobalArgs;
use super::exit_code::ExitCode;
use super::journal_path::JournalPath;
use super::output::Output;
use super::report::Voice;
use super::values;

/// Shows the entries that the sink refused for good
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = false)]
pub struct DeadArgs {
    #[command(subcommand)]
    command: DeadCommand,
}

#[derive(Debug, clap::Subcommand)]
enum DeadCommand {
    List(ListArgs),
}

/// Lists dead letters, oldest first, each with the reason
#[derive(Debug, clap::Args)]
struct ListArgs {
    /// How to print
    #[arg(long, value_name = "FORMAT", env = "EDGESYNC_DEAD_FORMAT", value_enum, default_value = "text")]
    format: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// The stored lines, one JSON object each
    Json,
}

pub fn run(args: &DeadArgs, global: &GlobalArgs, voice: Voice) -> anyhow::Result<ExitCode> {
    let DeadCommand::List(list) = &args.command;
    let path = JournalPath::of(global)?;
    let journal = Journal::open_read_only(path.as_path())?;
    let mut output = Output::open()?;
    let mut letters = journal.dead_letters()?;
    for letter in letters.by_ref() {
        let (letter, line) = letter?;
        match list.format {
            Format::Json => output.line(line.trim_ascii_end())?,
            Format::Text => {
                for line in describe(&letter) {
                    output.show(&line)?;
                }
            }
        }
    }
    output.flush()?;
    if letters.dropped() > 0 {
        let dropped = values::counted(letters.dropped(), "older dead letter");
        let were = if letters.dropped() == 1 { "was" } else { "were" };
        voice.problem(format_args!("{dropped} {were} dropped for space"));
    }
    if letters.unreadable() > 0 {
        let lines = values::counted(letters.unreadable(), "line");
        voice.act(format_args!("{lines} of dead-letter.jsonl cannot be read; look there"));
        return Ok(ExitCode::SetAside);
    }
    Ok(ExitCode::Done)
}

fn describe(letter: &DeadLetter) -> [String; 2] {
    let DeadLetter { seq, data, refused_at, status, reason, .. } = letter;
    [
        format!("seq {seq}  refused {refused_at}  status {status}  {}", reason.trim()),
        format!("    {}", data.get().trim()),
    ]
}
