//! The command line as plain data. Nothing here opens, reads or decides anything.
//!
//! Every option has an environment name: `EDGESYNC_` and the option, upper case. Where two commands mean different things by
//! one word, the less important one has its command in the name (`EDGESYNC_CAT_TO`). An empty variable counts as unset.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::builder::{FalseyValueParser, Resettable, TypedValueParser as _};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueHint};

use super::append::AppendArgs;
use super::cat::CatArgs;
use super::compact::CompactArgs;
use super::completions::CompletionsArgs;
use super::dead::DeadArgs;
use super::exit_code::{ExitCode, help_section};
use super::init::InitArgs;
use super::man::ManArgs;
use super::replay::ReplayArgs;
use super::report::{Usage, Voice};
use super::skip::SkipArgs;
use super::stats::StatsArgs;
use super::verify::VerifyArgs;

/// Keeps JSON lines safe in a local journal, and delivers them in order when the network is back
///
/// Readings that cannot be sent now are appended to a crash-safe, sequence-numbered journal on the local disk. Later they are
/// delivered in the order in which they were written, to an HTTP endpoint or to a command, at least once each.
#[derive(Debug, Parser)]
#[command(name = "edgesync", version, max_term_width = 100, disable_help_subcommand = true)]
#[command(after_help = help_section(&ExitCode::TEXTS), arg_required_else_help = false)]
pub struct Cli {
    #[command(flatten)]
    pub global: GlobalArgs,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, clap::Args)]
pub struct GlobalArgs {
    /// The journal's directory [default: $XDG_STATE_HOME/edgesync/journal]
    ///
    /// If $XDG_STATE_HOME is not set, ~/.local/state takes its place.
    #[arg(short, long, value_name = "DIR", env = "EDGESYNC_JOURNAL", value_hint = ValueHint::DirPath)]
    #[arg(global = true, help_heading = "Global options")]
    pub journal: Option<PathBuf>,
    /// Print nothing where the next run may succeed by itself, and one line where a person has to act
    ///
    /// Made for cron. Silent: no connection, an unknown host, 429, 5xx, another process that delivers, entries that were dropped at the
    /// limit, a new id. Not silent: a URL that cannot be right, answers that mean wrong set-up (401, 404 and the like), TLS that fails,
    /// refused entries, rejected lines, damage, a full journal, a dropped or failed alert command, errors. The exit code is the same.
    #[arg(short, long, env = "EDGESYNC_QUIET", value_parser = FalseyValueParser::new())]
    #[arg(global = true, help_heading = "Global options")]
    pub quiet: bool,
    /// Say how the run went, also where standard error is not a terminal
    #[arg(short, long, env = "EDGESYNC_VERBOSE", value_parser = FalseyValueParser::new())]
    #[arg(global = true, help_heading = "Global options")]
    pub verbose: bool,
}

impl GlobalArgs {
    pub fn voice(&self) -> Voice {
        Voice { quiet: self.quiet, verbose: self.verbose && !self.quiet }
    }
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Append(AppendArgs),
    Replay(ReplayArgs),
    Stats(StatsArgs),
    Cat(CatArgs),
    Dead(DeadArgs),
    Skip(SkipArgs),
    Compact(CompactArgs),
    Verify(VerifyArgs),
    Init(InitArgs),
    Man(ManArgs),
    Completions(CompletionsArgs),
}

/// What the arguments came to, short of running a command.
pub enum Parsed {
    Run(Box<Cli>),
    /// `--help` and `--version`: a text for stdout.
    Show(String),
}

/// The command, its subcommands and options, as help, manual pages and completions show them.
pub fn command() -> clap::Command {
    everywhere(Cli::command(), &|arg| {
        // Then `-1` is a value that the option refuses, and not an unknown option.
        let may_be_negative = arg.get_action().takes_values() && !arg.is_positional();
        arg.hide_env_values(true).allow_negative_numbers(may_be_negative)
    })
}

pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Parsed, Usage> {
    let args: Vec<OsString> = args.into_iter().collect();
    let command = everywhere(command(), &|arg| match arg.get_env() {
        Some(name) if empty(name) => arg.env(Resettable::Reset),
        _ => arg,
    });
    let (meant, its_name) = meant(&command, &args);
    let meant = meant.clone();
    let parsed = command.try_get_matches_from(args).and_then(|matches| cli_of(&matches));
    match parsed {
        Ok(cli) => Ok(Parsed::Run(Box::new(cli))),
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            Ok(Parsed::Show(error.render().to_string()))
        }
        Err(error) => {
            let usage = shorten(&error.render().to_string(), &its_name);
            Err(choices(&meant, &error).into_iter().fold(usage, Usage::hint))
        }
    }
}

/// Whether the arguments or the environment seem to ask for `--quiet`: for arguments that are wrong otherwise.
pub fn asks_for_quiet(args: &[OsString]) -> bool {
    let by_variable = std::env::var_os("EDGESYNC_QUIET").is_some_and(|value| {
        FalseyValueParser::new().parse_ref(&clap::Command::new("edgesync"), None, &value).unwrap_or(false)
    });
    by_variable || args.iter().any(|word| word == "-q" || word == "--quiet")
}

/// The values that a missing argument can have, if they are few.
fn choices(command: &clap::Command, error: &clap::Error) -> Option<String> {
    let (ErrorKind::MissingRequiredArgument, Some(ContextValue::Strings(missing))) =
        (error.kind(), error.get(ContextKind::InvalidArg))
    else {
        return None;
    };
    let is_missing = |arg: &clap::Arg| missing.iter().any(|name| *name == format!("<{}>", value_name(arg)));
    let values = command.get_positionals().find(|arg| is_missing(arg))?.get_possible_values();
    let names: Vec<_> = values.iter().map(|value| value.get_name()).collect();
    (!names.is_empty()).then(|| format!("one of {}", names.join(", ")))
}

fn value_name(arg: &clap::Arg) -> String {
    arg.get_value_names().and_then(<[_]>::first).map_or_else(|| arg.get_id().to_string(), ToString::to_string)
}

/// The command that the arguments seem to mean, and its name, like "edgesync dead list".
fn meant<'a>(command: &'a clap::Command, args: &[OsString]) -> (&'a clap::Command, String) {
    let mut name = command.get_name().to_owned();
    let mut command = command;
    for word in args.iter().skip(1) {
        if let Some(subcommand) = command.find_subcommand(word) {
            command = subcommand;
            name = format!("{name} {}", command.get_name());
        }
    }
    (command, name)
}

fn cli_of(matches: &ArgMatches) -> Result<Cli, clap::Error> {
    let mut cli = Cli::from_arg_matches(matches)?;
    if let (Command::Replay(replay), Some(matches)) = (&mut cli.command, matches.subcommand_matches("replay"))
    {
        replay.let_command_line_win(matches);
    }
    Ok(cli)
}

fn everywhere(command: clap::Command, change: &dyn Fn(clap::Arg) -> clap::Arg) -> clap::Command {
    command.mut_args(change).mut_subcommands(|subcommand| everywhere(subcommand, change))
}

fn empty(variable: &OsStr) -> bool {
    std::env::var_os(variable).is_some_and(|value| value.is_empty())
}

/// One line of what clap says in a paragraph or three: the error, and its tip or where help is.
fn shorten(text: &str, command: &str) -> Usage {
    let mut message = Vec::new();
    let mut hint = format!("see `{command} --help`");
    for line in text.lines().map(str::trim) {
        if line.starts_with("Usage:") || line.starts_with("For more information") {
            break;
        }
        match line.strip_prefix("tip: ") {
            Some(tip) => hint = tip.to_owned(),
            None if line.is_empty() => {}
            None => message.push(line.strip_prefix("error: ").unwrap_or(line)),
        }
    }
    Usage::new(message.join(" ")).hint(hint)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn parse_words(words: &[&str]) -> Result<Parsed, Usage> {
        parse(["edgesync"].iter().chain(words).map(OsString::from))
    }

    fn error_of(words: &[&str]) -> String {
        match parse_words(words) {
            Err(usage) => format!("{:#}", anyhow::Error::from(usage)),
            Ok(_) => panic!("{words:?} was taken"),
        }
    }

    fn commands(command: &clap::Command, path: &str, found: &mut Vec<(String, clap::Command)>) {
        let path = format!("{path}{} ", command.get_name());
        found.push((path.trim().to_owned(), command.clone()));
        for subcommand in command.get_subcommands() {
            commands(subcommand, &path, found);
        }
    }

    fn all_commands() -> Vec<(String, clap::Command)> {
        let mut found = Vec::new();
        commands(&command(), "", &mut found);
        found
    }

    #[test]
    fn clap_finds_nothing_wrong_with_the_definitions() {
        command().debug_assert();
    }

    #[test]
    fn every_option_has_an_environment_name_and_every_command_and_argument_a_help_text() {
        for (path, command) in all_commands() {
            assert!(command.get_about().is_some(), "{path} has no help text");
            for arg in command.get_arguments() {
                assert!(arg.get_help().is_some(), "{path} {} has no help text", arg.get_id());
                if !arg.is_positional() {
                    let env = arg.get_env().and_then(OsStr::to_str).unwrap_or_default();
                    assert!(
                        env.starts_with("EDGESYNC_"),
                        "{path} --{} has no environment name",
                        arg.get_id()
                    );
                }
            }
        }
    }

    #[test]
    fn no_two_options_of_different_meaning_share_an_environment_name() {
        let mut meanings: HashMap<String, (String, String, String)> = HashMap::new();
        for (path, command) in all_commands() {
            for arg in command.get_arguments().filter(|arg| !arg.is_positional()) {
                let env = arg.get_env().unwrap().to_str().unwrap().to_owned();
                let long = arg.get_long().unwrap().to_owned();
                let words: Vec<String> = long.to_uppercase().split('-').map(str::to_owned).collect();
                assert!(env.ends_with(&words.join("_")), "{path} --{long}: {env} does not name the option");
                let help = arg.get_help().unwrap().to_string();
                let (first, other_long, other_help) =
                    meanings.entry(env.clone()).or_insert_with(|| (path.clone(), long.clone(), help.clone()));
                assert_eq!((&long, &help), (&*other_long, &*other_help), "{env}: {path} and {first}");
            }
        }
    }

    #[test]
    fn usage_errors_are_one_line_with_the_way_out() {
        let usage = parse_words(&["cat", "--form", "3"]).err().unwrap();
        let text = format!("{usage:?}");
        assert!(text.contains("unexpected argument '--form' found"), "{text}");
        assert!(text.contains("similar argument exists: '--from'"), "{text}");
        for words in [&["cat", "--bogus"][..], &["nonsense"], &[], &["append", "--max-bytes", "x"], &["dead"]]
        {
            let text = error_of(words);
            assert!(!text.contains('\n') && !text.contains("Usage:"), "{words:?}: {text}");
        }
    }

    #[test]
    fn the_hint_names_the_command_that_was_meant() {
        let name =
            |words: &[&str]| meant(&command(), &words.iter().map(OsString::from).collect::<Vec<_>>()).1;
        assert_eq!(name(&["edgesync"]), "edgesync");
        assert_eq!(name(&["edgesync", "-j", "x", "dead", "list", "--bogus"]), "edgesync dead list");
        assert_eq!(name(&["edgesync", "bogus"]), "edgesync");
    }

    #[test]
    fn values_that_make_no_sense_are_refused() {
        for words in [
            &["replay", "--batch-size", "0"][..],
            &["replay", "--batch-bytes", "0"],
            &["replay", "--timeout", "0s"],
            &["replay", "--retries", "-1"],
            &["replay", "--body", "xml"],
            &["append", "--max-line", "0"],
            &["append", "--max-bytes", "0"],
            &["append", "--overflow", "explode"],
            &["append", "--sync", "sometimes"],
            &["cat", "--from", "0"],
            &["cat", "--pending", "--from", "3"],
        ] {
            error_of(words);
        }
    }

    #[test]
    fn help_and_version_are_shown_not_refused() {
        for words in
            [&["--help"][..], &["-h"], &["--version"], &["replay", "--help"], &["dead", "list", "-h"]]
        {
            assert!(matches!(parse_words(words), Ok(Parsed::Show(_))), "{words:?}");
        }
    }
}
