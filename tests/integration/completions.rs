//! The completion scripts: committed, true, and working in real shells.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::tools::{assert_committed, edgesync, repository, run, stdout_of};

/// A command line, and what a shell must offer for its last word.
const TABLE: [(&str, &str); 5] = [
    ("edgesync rep", "replay"),
    ("edgesync replay --tok", "--token-file"),
    ("edgesync append --overflow drop", "drop-oldest"),
    ("edgesync dead l", "list"),
    ("edgesync stats --format prom", "prometheus"),
];

#[test]
fn the_committed_scripts_are_what_the_program_prints() {
    let directory = tempfile::tempdir().unwrap();
    let status = edgesync().args(["completions", "--dir"]).arg(directory.path()).status().unwrap();
    assert!(status.success());
    assert_committed(&repository("completions"), directory.path());
}

#[test]
fn a_script_alone_is_the_same_as_among_all() {
    for (shell, name) in [
        ("bash", "edgesync.bash"),
        ("elvish", "edgesync.elv"),
        ("fish", "edgesync.fish"),
        ("nushell", "edgesync.nu"),
        ("powershell", "_edgesync.ps1"),
        ("zsh", "_edgesync"),
    ] {
        let script = stdout_of(&edgesync().args(["completions", shell]).output().unwrap());
        assert!(script == fs::read_to_string(script_path(name)).unwrap(), "{name}");
    }
}

#[test]
fn bash_completes() {
    // Calls the function as bash itself does: the command, the word, the word before it.
    const SCRIPT: &str = r#"
        source "$1"
        read -ra COMP_WORDS <<< "$2"
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        _edgesync "${COMP_WORDS[0]}" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    for (line, expected) in TABLE {
        let mut bash = Command::new("bash");
        bash.args(["--norc", "--noprofile", "-c", SCRIPT, "bash"])
            .arg(script_path("edgesync.bash"))
            .arg(line);
        let offered = stdout_of(&run(&mut bash, "bash"));
        assert_eq!(offered.lines().collect::<Vec<_>>(), [expected], "{line}");
    }
}

#[test]
fn fish_completes() {
    for (line, expected) in TABLE {
        let home = TempDir::new().unwrap();
        let mut fish = Command::new("fish");
        fish.args(["--no-config", "-c", "source $argv[1]; complete -C $argv[2]"]);
        fish.arg(script_path("edgesync.fish")).arg(line);
        at_home(&mut fish, home.path());
        let offered = stdout_of(&run(&mut fish, "fish"));
        let words: Vec<_> = offered.lines().filter_map(|line| line.split('\t').next()).collect();
        assert_eq!(words, [expected], "{line}");
    }
}

#[test]
fn zsh_completes() {
    // zsh completes only in a line editor, so it gets a terminal, a line and a TAB, and shows what became of the line.
    const SCRIPT: &str = r#"
        zmodload zsh/zpty
        zpty -b shell zsh -f -i
        wait_for() {
            local all chunk
            repeat 1500; do
                chunk=
                zpty -r -t shell chunk && all+=$chunk || sleep 0.02
                [[ $all == *$~1* ]] && { REPLY=$all; return 0 }
            done
            print -ru2 -- "no $1 in: $all"
            exit 1
        }
        zpty -w shell "PS1=; fpath=($1 \$fpath); autoload -Uz compinit; compinit -u -D"
        # In pieces, so that the echo of these lines is not taken for what they print.
        zpty -w shell 'show() { print -r -- "<""<$BUFFER>"">" }; zle -N show; bindkey "^X" show; print rea""dy'
        wait_for ready
        zpty -w -n shell "$2"$'\t\x18'
        wait_for '<<*>>'
        [[ $REPLY =~ '<<([^>]*)>>' ]] && print -r -- $match[1]
        zpty -d shell
    "#;
    for (line, expected) in TABLE {
        let home = TempDir::new().unwrap();
        fs::copy(script_path("_edgesync"), home.path().join("_edgesync")).unwrap();
        let mut zsh = Command::new("zsh");
        zsh.args(["-f", "-c", SCRIPT, "zsh"]).arg(home.path()).arg(line).env("TERM", "dumb");
        at_home(&mut zsh, home.path());
        let completed = stdout_of(&run(&mut zsh, "zsh"));
        let word = completed.split_whitespace().last().unwrap_or_default().trim_end_matches('=');
        assert_eq!(word, expected, "{line} became {completed}");
    }
}

#[test]
fn a_shell_that_is_not_known_is_a_usage_error_that_lists_those_that_are() {
    let output = edgesync().args(["completions", "tcsh"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("tcsh") && said.contains("nushell"), "{said}");
}

#[test]
fn without_a_shell_those_that_are_known_are_listed() {
    let output = edgesync().arg("completions").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("hint: one of bash, elvish, fish, nushell, powershell, zsh\n"), "{said}");
}

fn script_path(name: &str) -> PathBuf {
    repository("completions").join(name)
}

/// A shell that reads and writes nothing of the person who runs the tests.
fn at_home(shell: &mut Command, home: &Path) {
    shell.env("HOME", home).env("XDG_CONFIG_HOME", home).env("XDG_DATA_HOME", home).env("ZDOTDIR", home);
}
