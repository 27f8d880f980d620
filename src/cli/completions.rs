//! `edgesync completions`.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{ValueEnum, ValueHint};
use clap_complete::{Generator, Shell as Known, generate};
use clap_complete_nushell::Nushell;

use super::exit_code::ExitCode;
use super::{args, output};

/// Prints the completion script for a shell
#[derive(Debug, clap::Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum, required_unless_present = "dir", conflicts_with = "dir")]
    shell: Option<Shell>,
    /// Write the scripts for all shells into this directory instead
    #[arg(long, value_name = "DIR", env = "EDGESYNC_COMPLETIONS_DIR", value_hint = ValueHint::DirPath)]
    dir: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Shell {
    Bash,
    Elvish,
    Fish,
    Nushell,
    Powershell,
    Zsh,
}

impl Shell {
    /// The script, and the name that the shell expects of its file.
    fn script(self) -> (String, Vec<u8>) {
        match self {
            Self::Bash => script_by(Known::Bash),
            Self::Elvish => script_by(Known::Elvish),
            Self::Fish => script_by(Known::Fish),
            Self::Nushell => script_by(Nushell),
            Self::Powershell => script_by(Known::PowerShell),
            Self::Zsh => script_by(Known::Zsh),
        }
    }
}

fn script_by(generator: impl Generator) -> (String, Vec<u8>) {
    let file_name = generator.file_name("edgesync");
    let mut script = Vec::new();
    generate(generator, &mut args::command(), "edgesync", &mut script);
    (file_name, script)
}

pub fn run(args: &CompletionsArgs) -> anyhow::Result<ExitCode> {
    if let Some(shell) = args.shell {
        output::print(shell.script().1)?;
    }
    if let Some(directory) = &args.dir {
        std::fs::create_dir_all(directory)
            .with_context(|| format!("cannot create {}", directory.display()))?;
        for shell in Shell::value_variants() {
            let (name, script) = shell.script();
            let path = directory.join(name);
            std::fs::write(&path, script).with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    Ok(ExitCode::Done)
}
