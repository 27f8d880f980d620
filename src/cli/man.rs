//! `edgesync man`: the manual pages, from the clap definitions and [`man_text`](super::man_text).

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{ArgAction, Command, ValueHint};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, italic, roman};

use super::exit_code::{ExitCode, ExitText};
use super::man_text::{ALL, PageText, Part};
use super::report::Usage;
use super::{args, output};

/// The date of the pages: that of the last change to what they say. A build must not put its own date in.
const DATE: &str = "2026-11-25";

/// Prints a manual page
///
/// To read one: edgesync man replay | man -l -
#[derive(Debug, clap::Args)]
pub struct ManArgs {
    /// A command, like replay or dead list; without it the page of edgesync itself
    #[arg(num_args = 0.., conflicts_with = "dir")]
    page: Vec<String>,
    /// Write all pages into this directory instead
    #[arg(long, value_name = "DIR", env = "EDGESYNC_MAN_DIR", value_hint = ValueHint::DirPath)]
    dir: Option<PathBuf>,
}

/// A page under its name, like `edgesync-replay`.
struct Page {
    name: String,
    roff: Vec<u8>,
}

pub fn run(args: &ManArgs) -> anyhow::Result<ExitCode> {
    let pages = pages()?;
    if let Some(directory) = &args.dir {
        std::fs::create_dir_all(directory)
            .with_context(|| format!("cannot create {}", directory.display()))?;
        for page in pages {
            let path = directory.join(format!("{}.1", page.name));
            std::fs::write(&path, page.roff).with_context(|| format!("cannot write {}", path.display()))?;
        }
        return Ok(ExitCode::Done);
    }
    let name = page_name(&args.page);
    let Some(page) = pages.iter().find(|page| page.name == name) else {
        let known: Vec<_> = pages.iter().map(|page| page.name.trim_start_matches("edgesync-")).collect();
        return Err(Usage::new(format!("there is no page {name}"))
            .hint(format!("one of {}", known.join(", ")))
            .into());
    };
    output::print(&page.roff)?;
    Ok(ExitCode::Done)
}

/// `edgesync-dead-list` from "dead list", "dead-list" or "edgesync-dead-list".
fn page_name(words: &[String]) -> String {
    let words = words.iter().flat_map(|word| word.split_whitespace()).collect::<Vec<_>>().join("-");
    match words.as_str() {
        "" | "edgesync" => "edgesync".into(),
        name if name.starts_with("edgesync-") => words,
        name => format!("edgesync-{name}"),
    }
}

fn pages() -> anyhow::Result<Vec<Page>> {
    let mut command = args::command();
    command.build();
    let mut commands = Vec::new();
    flatten(&command, &mut commands);
    commands.into_iter().map(page).collect()
}

fn flatten(command: &Command, found: &mut Vec<Command>) {
    found.push(command.clone());
    for subcommand in command.get_subcommands() {
        flatten(subcommand, found);
    }
}

fn page(command: Command) -> anyhow::Result<Page> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let text =
        ALL.iter().find(|text| text.name == name).with_context(|| format!("no text for page {name}"))?;
    let source = format!("edgesync {}", env!("CARGO_PKG_VERSION"));
    let man = Man::new(without_first_line(command.clone())).date(DATE).source(source).manual("User Commands");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    let mut options = Vec::new();
    man.render_options_section(&mut options)?;
    page.extend(one_space_before_values(&String::from_utf8(options)?).into_bytes());
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    let mut roff = Roff::new();
    for (heading, parts) in text.sections {
        section(&mut roff, heading, parts);
    }
    exit_status(&mut roff, text.exit);
    environment(&mut roff, &command, text);
    section(&mut roff, "FILES", text.files);
    section(&mut roff, "EXAMPLES", text.examples);
    see_also(&mut roff, text.see_also);
    roff.to_writer(&mut page)?;
    Ok(Page { name, roff: page })
}

/// The first line of the help is in NAME already.
fn without_first_line(command: Command) -> Command {
    let about = command.get_long_about().map(ToString::to_string).unwrap_or_default();
    match about.split_once("\n\n") {
        Some((_, rest)) => command.long_about(rest.to_owned()),
        None => command,
    }
}

/// clap_mangen sets the possible values off with line breaks around an empty line; mandoc wants one or the other.
fn one_space_before_values(options: &str) -> String {
    options.replace("\n.br\n\n.br\n", "\n.sp\n")
}

fn section(roff: &mut Roff, heading: &str, parts: &[Part]) {
    roff.control("SH", [heading]);
    let mut first = true;
    for part in parts {
        match part {
            Part::Text(text) => {
                if !first {
                    roff.control("PP", []);
                }
                roff.text([roman(*text)]);
            }
            Part::Term(term, text) => {
                roff.control("TP", []);
                roff.text([bold(*term)]);
                roff.text([roman(*text)]);
            }
            Part::Code(code) => {
                roff.control("PP", []);
                roff.control("RS", ["4"]);
                roff.control("nf", []);
                for line in code.lines() {
                    roff.text([roman(line)]);
                }
                roff.control("fi", []);
                roff.control("RE", []);
            }
        }
        first = false;
    }
}

fn exit_status(roff: &mut Roff, texts: &[ExitText]) {
    roff.control("SH", ["EXIT STATUS"]);
    for ExitText { code, meaning, what_to_do } in texts {
        roff.control("TP", []);
        roff.text([bold(code.number().to_string())]);
        // The backquote is a quotation mark here.
        let what_to_do = what_to_do.replace('`', "");
        roff.text([roman(format!("{meaning}. What to do: {what_to_do}."))]);
    }
    let order: Vec<_> = ExitCode::by_rank(texts).iter().map(u8::to_string).collect();
    if order.len() > 2 {
        roff.control("PP", []);
        roff.text([roman(format!("When several apply, the first of {} is taken.", order.join(", ")))]);
    }
}

fn environment(roff: &mut Roff, command: &Command, text: &PageText) {
    roff.control("SH", ["ENVIRONMENT"]);
    roff.text([roman(
        "Every option has a variable. What the command line says wins; an empty variable counts as unset.",
    )]);
    for arg in command.get_arguments() {
        let (Some(env), Some(long)) = (arg.get_env(), arg.get_long()) else { continue };
        roff.control("TP", []);
        roff.text([bold(env.to_string_lossy())]);
        let switch = matches!(arg.get_action(), ArgAction::SetTrue);
        let means = if switch { "1 or true means" } else { "The value of" };
        roff.text([roman(format!("{means} ")), bold(format!("--{long}")), roman(".")]);
    }
    for (name, meaning) in text.environment {
        roff.control("TP", []);
        roff.text([bold(*name)]);
        roff.text([roman(*meaning)]);
    }
}

fn see_also(roff: &mut Roff, pages: &[&str]) {
    roff.control("SH", ["SEE ALSO"]);
    let mut line = Vec::new();
    for (index, page) in pages.iter().enumerate() {
        if index > 0 {
            line.push(roman(", "));
        }
        line.extend([italic(*page), roman("(1)")]);
    }
    roff.text(line);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_page_for_every_command_and_no_text_without_one() {
        let pages = pages().unwrap();
        let names: Vec<_> = pages.iter().map(|page| page.name.as_str()).collect();
        for text in ALL {
            assert!(names.contains(&text.name), "{} is no command", text.name);
            for page in text.see_also.iter().filter(|page| page.starts_with("edgesync")) {
                assert!(names.contains(page), "{} sends the reader to {page}, which is not there", text.name);
            }
        }
        assert!(names.contains(&"edgesync-dead-list"), "{names:?}");
    }

    #[test]
    fn every_command_says_what_exit_code_0_means_for_it() {
        for text in ALL.iter().filter(|text| text.name != "edgesync") {
            let done = text.exit.iter().find(|exit| exit.code == ExitCode::Done).unwrap();
            assert!(
                done.meaning != ExitCode::Done.meaning() && done.meaning.len() > "done".len(),
                "{}",
                text.name
            );
        }
    }

    #[test]
    fn pages_are_found_by_the_words_of_the_command() {
        let name = |words: &[&str]| page_name(&words.iter().map(|word| word.to_string()).collect::<Vec<_>>());
        assert_eq!(name(&[]), "edgesync");
        assert_eq!(name(&["edgesync"]), "edgesync");
        assert_eq!(name(&["dead", "list"]), "edgesync-dead-list");
        assert_eq!(name(&["dead-list"]), "edgesync-dead-list");
        assert_eq!(name(&["edgesync-dead-list"]), "edgesync-dead-list");
    }
}
