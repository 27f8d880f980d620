//! Programs that the tests of the surface run.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The program, with an environment in which nothing steers it.
pub fn edgesync() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_edgesync"));
    without_settings(&mut command);
    command
}

pub fn without_settings(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("EDGESYNC_") || name == "XDG_STATE_HOME" {
            command.env_remove(name);
        }
    }
}

/// Runs a program of this machine. Its absence fails the test, and says what to install.
#[track_caller]
pub fn run(command: &mut Command, package: &str) -> Output {
    match command.output() {
        Ok(output) => output,
        Err(error) if error.kind() == ErrorKind::NotFound => panic!(
            "{} is not installed; this test needs it: apt-get install {package}, or run tests/run as root, which does that",
            command.get_program().display()
        ),
        Err(error) => panic!("cannot run {}: {error}", command.get_program().display()),
    }
}

#[track_caller]
pub fn stdout_of(output: &Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{error}", output.status);
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// A directory of the repository.
pub fn repository(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The files of a directory, by name.
pub fn files(directory: &Path) -> BTreeMap<OsString, String> {
    let entries = fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    entries
        .map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name(), fs::read_to_string(entry.path()).unwrap())
        })
        .collect()
}

/// The committed files are those that the program prints, byte for byte.
#[track_caller]
pub fn assert_committed(committed: &Path, printed: &Path) {
    let (committed_files, printed_files) = (files(committed), files(printed));
    let again = "regenerate: cargo run -- man --dir man && cargo run -- completions --dir completions";
    let names = |files: &BTreeMap<OsString, String>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&committed_files), names(&printed_files), "{again}");
    for (name, text) in &printed_files {
        assert!(committed_files[name] == *text, "{} is out of date; {again}", committed.join(name).display());
    }
}
