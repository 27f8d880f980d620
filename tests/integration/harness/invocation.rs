//! One call of a program, before it runs.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{Live, Output};

/// A program, its arguments, environment and input. Nothing of the test's own environment but PATH and TMPDIR gets in.
pub struct Invocation {
    command: Command,
    words: String,
    input: Vec<u8>,
    limit: Duration,
}

impl Invocation {
    pub fn new(program: &OsStr, directory: &Path) -> Self {
        let mut command = Command::new(program);
        command.env_clear().current_dir(directory);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        for name in ["PATH", "TMPDIR"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        let words = Path::new(program).file_name().unwrap_or(program).to_string_lossy().into_owned();
        Self { command, words, input: Vec::new(), limit: Duration::from_secs(60) }
    }

    pub fn args<S: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = S>) -> Self {
        for word in words {
            self.words.push(' ');
            self.words.push_str(&word.as_ref().to_string_lossy());
            self.command.arg(word);
        }
        self
    }

    /// An option whose value is a path.
    pub fn arg_path(self, option: &str, path: &Path) -> Self {
        self.args([OsStr::new(option), path.as_os_str()])
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub fn without_env(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// All of what the program will find on stdin, when it is [`run`](Self::run).
    pub fn stdin(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// A file or pipe as the program's stdin.
    pub fn stdin_from(mut self, source: impl Into<Stdio>) -> Self {
        self.command.stdin(source);
        self
    }

    /// A file or pipe as the program's stdout.
    pub fn stdout_to(mut self, target: impl Into<Stdio>) -> Self {
        self.command.stdout(target);
        self
    }

    /// Runs the program as this user (the test is root).
    pub fn user(mut self, id: u32) -> Self {
        self.command.uid(id).gid(id);
        self
    }

    /// How long the program may take; 60 seconds if nothing is said.
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Starts the program and leaves it running; its stdin, unless it was given, is ours to feed.
    #[track_caller]
    pub fn spawn(mut self) -> Live {
        let child =
            self.command.spawn().unwrap_or_else(|error| panic!("cannot start {}: {error}", self.words));
        Live::new(child, self.words, self.limit)
    }

    /// Runs the program to its end.
    #[track_caller]
    pub fn run(mut self) -> Output {
        let input = std::mem::take(&mut self.input);
        let mut live = self.spawn();
        live.feed_in_background(input);
        live.wait()
    }
}
