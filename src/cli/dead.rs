//! `edgesync dead`.

use clap::ValueEnum;
use edgesync::{DeadLetter, Journal};

use super::args::GlobalArgs;
use super::exit_code::ExitCode;
use super::journal_path::JournalPath;
use super::output::Output;

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

pub fn run(args: &DeadArgs, global: &GlobalArgs) -> anyhow::Result<ExitCode> {
    let DeadCommand::List(list) = &args.command;
    let path = JournalPath::of(global)?;
    let journal = Journal::open_read_only(path.as_path())?;
    let mut output = Output::open()?;
    let letters = journal.dead_letters()?;
    for letter in letters {
        let (letter, line) = letter?;
        match list.format {
            Format::Json => output.line(line.trim_ascii_end())?,
            Format::Text => output.write(describe(&letter))?,
        }
    }
    output.flush()?;
    Ok(ExitCode::Done)
}

fn describe(letter: &DeadLetter) -> String {
    let DeadLetter { seq, data, refused_at, status, reason, .. } = letter;
    let (reason, payload) = (printable(reason), printable(data.get()));
    format!("seq {seq}  refused {refused_at}  status {status}  {reason}\n    {payload}\n")
}

/// A receiver's answer must not be able to move a terminal's cursor about.
fn printable(text: &str) -> String {
    text.trim().chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_receiver_answered_cannot_control_the_terminal() {
        let stored = r#"{"seq":1,"at":"2026-11-22T18:10:00.123456Z","data":{"a":1},"#.to_owned()
            + r#""refused_at":"2026-11-22T18:11:00.123456Z","status":422,"reason":"no\u001b[2Jgood\n"}"#;
        let letter: DeadLetter = serde_json::from_str(&stored).unwrap();
        let shown = describe(&letter);
        assert!(!shown.contains('\x1b') && shown.contains("seq 1") && shown.contains("422"), "{shown}");
        assert_eq!(shown.lines().count(), 2, "{shown}");
    }
}
