//! What people read on stderr. Everything the program writes there, but for the progress bar, passes through here, and is made
//! printable here.
//!
//! A stderr that is closed, full or a broken pipe never disturbs a run: the exit code tells the rest.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};

use edgesync::{Error, printable};

use super::exit_code::ExitCode;
use super::output::StdoutError;

/// A mistake on the command line, in the environment, or in a file that either of them names.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Usage {
    message: String,
    hint: Option<String>,
}

impl Usage {
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// What a message is.
#[derive(Clone, Copy)]
enum Style {
    Problem,
    Remark,
}

/// How much to say. With `-q`, which is made for cron: nothing where the next run may succeed by itself, one line where a person
/// has to act.
#[derive(Debug, Clone, Copy)]
pub struct Voice {
    pub quiet: bool,
    pub verbose: bool,
}

impl Voice {
    /// A person has to act, or it will not get better: said also with `-q`, and so in one line a run.
    pub fn act(self, text: impl Display) {
        write(Style::Problem, text, None);
    }

    /// Something went wrong that does not end the run.
    pub fn problem(self, text: impl Display) {
        if !self.quiet {
            write(Style::Problem, text, None);
        }
    }

    /// How it went: for a person who is watching, or who asked. Not for cron, which mails whatever is printed.
    pub fn remark(self, text: impl Display) {
        if self.verbose || (!self.quiet && io::stderr().is_terminal()) {
            write(Style::Remark, text, None);
        }
    }

    /// Whether a progress bar may be drawn.
    pub fn shows_progress(self) -> bool {
        !self.quiet && io::stderr().is_terminal()
    }
}

/// Says why the run ended, and gives the code for it.
pub fn fatal(error: &anyhow::Error, voice: Voice) -> ExitCode {
    if let Some(stdout) = error.downcast_ref::<StdoutError>()
        && stdout.reader_went_away()
    {
        return ExitCode::Done;
    }
    let code = code_of(error);
    // The other process is at it: there is nothing to do but to come again.
    if !(voice.quiet && code == ExitCode::Busy && passes_by_itself(error)) {
        let (line, hint) = (one_line(error), hint_of(error));
        match hint {
            // One line, and the hint may be all that says what to do.
            Some(hint) if voice.quiet => write(Style::Problem, format_args!("{line}; {hint}"), None),
            hint => write(Style::Problem, line, hint.as_deref()),
        }
    }
    code
}

/// Whether the next run may succeed without a person. An orphan whose end is not known may stay for ever.
fn passes_by_itself(error: &anyhow::Error) -> bool {
    let library = error.chain().find_map(|cause| cause.downcast_ref::<Error>());
    !matches!(library, Some(Error::CommandRuns { left: None, .. }))
}

fn code_of(error: &anyhow::Error) -> ExitCode {
    if error.chain().any(|cause| cause.is::<Usage>()) {
        return ExitCode::Usage;
    }
    let library = error.chain().find_map(|cause| cause.downcast_ref::<Error>());
    library.map_or(ExitCode::Failed, ExitCode::of_error)
}

fn hint_of(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(|cause| match cause.downcast_ref::<Usage>() {
        Some(usage) => usage.hint.clone(),
        None => cause.downcast_ref::<Error>().and_then(Error::hint),
    })
}

/// The chain of causes on one line. A cause that the text before it already ends with is not said twice.
fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let text = cause.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        if line.ends_with(&text) {
            continue;
        }
        if !line.is_empty() {
            line.push_str(": ");
        }
        line.push_str(&text);
    }
    line
}

/// Bold red for what went wrong, bold for the rest; only on a terminal.
fn write(style: Style, text: impl Display, hint: Option<&str>) {
    let name = match style {
        Style::Problem => "\x1b[1;31m",
        Style::Remark => "\x1b[1m",
    };
    let (name, dim, plain) = if colour() { (name, "\x1b[36m", "\x1b[0m") } else { ("", "", "") };
    let text = text.to_string();
    let mut message = format!("{name}edgesync:{plain} {}\n", printable(text.trim_end()));
    if let Some(hint) = hint {
        message.push_str(&format!("  {dim}hint:{plain} {}\n", printable(hint)));
    }
    // One write, so that two processes do not mix their lines. If nobody can hear it, that is no reason to fail.
    let _ = io::stderr().lock().write_all(message.as_bytes());
}

fn colour() -> bool {
    let unset = |name| std::env::var_os(name).is_none_or(|value| value.is_empty());
    unset("NO_COLOR")
        && std::env::var_os("TERM").is_some_and(|term| term != "dumb")
        && io::stderr().is_terminal()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use anyhow::Context as _;

    use super::*;

    #[test]
    fn an_error_is_one_line_and_says_nothing_twice() {
        let source = io::Error::other("no\nluck");
        let error = Error::Io { action: "open", path: PathBuf::from("j"), source };
        let error = anyhow::Error::from(error).context("while counting");
        assert_eq!(one_line(&error), "while counting: cannot open j: no luck");
    }

    #[test]
    fn a_usage_error_keeps_its_code_and_hint_under_context() {
        let error = Err::<(), _>(Usage::new("bad").hint("be good")).context("header 1").unwrap_err();
        assert_eq!(code_of(&error), ExitCode::Usage);
        assert_eq!(hint_of(&error).as_deref(), Some("be good"));
    }

    #[test]
    fn a_library_error_keeps_its_code_and_hint_under_context() {
        let error = anyhow::Error::from(Error::Busy { path: PathBuf::from("j") }).context("replay");
        assert_eq!(code_of(&error), ExitCode::Busy);
        assert!(hint_of(&error).unwrap().contains("try again"));
    }

    #[test]
    fn only_what_ends_by_itself_is_passed_over_in_silence() {
        let runs = |left| anyhow::Error::from(Error::CommandRuns { path: PathBuf::from("j"), left });
        assert!(passes_by_itself(&anyhow::Error::from(Error::Busy { path: PathBuf::from("j") })));
        assert!(passes_by_itself(&runs(Some(std::time::Duration::ZERO))) && !passes_by_itself(&runs(None)));
        assert_eq!(code_of(&runs(None)), ExitCode::Busy);
    }

    #[test]
    fn anything_else_is_a_failure() {
        assert_eq!(code_of(&anyhow::anyhow!("odd")), ExitCode::Failed);
    }
}
