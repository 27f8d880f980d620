//! The program around the library: parse, call, print. One file a subcommand.

mod append;
mod args;
mod cat;
mod compact;
mod completions;
mod dead;
mod exit_code;
mod headers;
mod init;
mod journal_path;
mod limits;
mod man;
mod man_text;
mod output;
mod replay;
mod report;
mod signals;
mod skip;
mod stats;
mod stats_format;
mod values;
mod verify;

use std::ffi::OsString;

use self::args::{Cli, Command, Parsed};
pub use self::exit_code::ExitCode;
use self::report::Voice;

/// Runs the program and says what it came to.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<_> = args.into_iter().collect();
    // Also of a command line that cannot be understood.
    let mut voice = Voice { quiet: args::asks_for_quiet(&args), verbose: false };
    let result = match args::parse(args) {
        Ok(Parsed::Run(cli)) => {
            voice = cli.global.voice();
            dispatch(*cli, voice)
        }
        Ok(Parsed::Show(text)) => output::print(text).map(|()| ExitCode::Done).map_err(Into::into),
        Err(usage) => Err(usage.into()),
    };
    result.unwrap_or_else(|error| report::fatal(&error, voice))
}

fn dispatch(cli: Cli, voice: Voice) -> anyhow::Result<ExitCode> {
    let Cli { global, command } = cli;
    match command {
        Command::Append(args) => append::run(args, &global, voice),
        Command::Replay(args) => replay::run(args, &global, voice),
        Command::Stats(args) => stats::run(&args, &global),
        Command::Cat(args) => cat::run(args, &global, voice),
        Command::Dead(args) => dead::run(&args, &global, voice),
        Command::Skip(args) => skip::run(&args, &global, voice),
        Command::Compact(args) => compact::run(&args, &global, voice),
        Command::Verify(args) => verify::run(&args, &global, voice),
        Command::Init(args) => init::run(&args, &global, voice),
        Command::Man(args) => man::run(&args),
        Command::Completions(args) => completions::run(&args),
    }
}
