//! The README: its examples run, and what it names is there.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::tools::{repository, without_settings};

fn readme() -> String {
    fs::read_to_string(repository("README.md")).unwrap()
}

/// The blocks that begin with exactly this fence, with the line on which each begins.
fn blocks(text: &str, fence: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        if line == fence {
            let block = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```");
            blocks.push((index + 1, block.map(|line| format!("{line}\n")).collect()));
        }
    }
    blocks
}

#[test]
fn the_examples_of_the_readme_run() {
    let blocks = blocks(&readme(), "```sh test");
    assert!(blocks.len() >= 5, "README.md has only {} examples that are marked as tests", blocks.len());
    for (line, script) in blocks {
        let sandbox = tempfile::tempdir().unwrap();
        let binaries = Path::new(env!("CARGO_BIN_EXE_edgesync")).parent().unwrap();
        let path = format!("{}:{}", binaries.display(), std::env::var("PATH").unwrap());
        let mut shell = Command::new("sh");
        without_settings(&mut shell);
        let output = shell
            .args(["-eu", "-c", &script])
            .current_dir(sandbox.path())
            .env("HOME", sandbox.path())
            .env("PATH", path)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let (stdout, stderr) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(
            output.status.success(),
            "README.md line {line}: {}\n{script}\n{stdout}\n{stderr}",
            output.status
        );
        for expected in script.lines().filter_map(|line| line.strip_prefix("#> ")) {
            assert!(
                stdout.contains(expected),
                "README.md line {line}: no {expected:?} in\n{stdout}\n{stderr}"
            );
        }
    }
}

#[test]
fn every_file_that_the_readme_links_to_is_there() {
    let readme = readme();
    let links = readme.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let mut local = 0;
    for link in links.filter(|link| !link.contains("://") && !link.starts_with('#')) {
        assert!(repository(link.split('#').next().unwrap()).exists(), "README.md links to {link}");
        local += 1;
    }
    assert!(local >= 5, "only {local} links");
}

#[test]
fn the_units_for_systemd_call_commands_that_there_are() {
    for name in ["edgesync-append.service", "edgesync-replay.service"] {
        let unit = fs::read_to_string(repository("examples/systemd").join(name)).unwrap();
        let start = unit.lines().find(|line| line.starts_with("ExecStart=")).unwrap();
        let words = start.split_whitespace().map(|word| word.trim_end_matches('\''));
        let words: Vec<_> = words.skip_while(|word| !word.ends_with("edgesync")).collect();
        assert!(["append", "replay"].contains(&words[1]), "{start}");
        let help = Command::new(env!("CARGO_BIN_EXE_edgesync")).args([words[1], "--help"]).output().unwrap();
        let help = String::from_utf8(help.stdout).unwrap();
        for option in words.iter().filter(|word| word.starts_with("--")) {
            assert!(help.contains(option), "{name}: {option}");
        }
    }
}
