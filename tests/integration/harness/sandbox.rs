//! A place of its own for one test: a directory, a journal path, an environment with nothing in it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{Invocation, Output, Receiver, Stats, lines};

/// A port that nobody listens on: it is privileged, so the system never gives it to another test.
pub const UNREACHABLE: &str = "http://127.0.0.1:1/ingest";

/// Someone who is not root and owns nothing.
const NOBODY: u32 = 65_534;

/// The name of the program where nobody may run it.
const PROGRAM: &str = "edgesync";

pub struct Sandbox {
    directory: TempDir,
}

impl Sandbox {
    pub fn new() -> Self {
        Self::within(&std::env::temp_dir())
    }

    /// In memory where the system has a place for that: for thousands of cases that no power cut is part of.
    pub fn in_memory() -> Self {
        let memory = Path::new("/dev/shm");
        if memory.is_dir() { Self::within(memory) } else { Self::new() }
    }

    fn within(parent: &Path) -> Self {
        let mut builder = tempfile::Builder::new();
        let directory = builder.prefix("edgesync-test-").tempdir_in(parent).expect("a scratch directory");
        fs::create_dir(directory.path().join("home")).unwrap();
        Self { directory }
    }

    /// A path in the sandbox.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Where the journal is, or will be.
    pub fn journal(&self) -> PathBuf {
        self.path("cam.journal")
    }

    /// The program, with these words after its name and the sandbox's journal in its environment.
    pub fn edgesync<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Invocation {
        self.program(env!("CARGO_BIN_EXE_edgesync")).args(words)
    }

    /// A line of shell, in which `"$EDGESYNC"` is the program.
    pub fn shell(&self, script: &str) -> Invocation {
        self.program("sh").args(["-c", script]).env("EDGESYNC", env!("CARGO_BIN_EXE_edgesync"))
    }

    pub fn program(&self, program: impl AsRef<OsStr>) -> Invocation {
        Invocation::new(program.as_ref(), self.directory.path())
            .env("HOME", self.path("home"))
            .env("XDG_STATE_HOME", self.path("home/state"))
            .env("EDGESYNC_JOURNAL", self.journal())
    }

    /// Appends these payloads, all in one go.
    #[track_caller]
    pub fn append<S: AsRef<str>>(&self, payloads: impl IntoIterator<Item = S>) {
        self.edgesync(["append"]).stdin(lines(payloads)).run().exits(0);
    }

    /// Appends these payloads to a new journal with segments of 64 KiB.
    #[track_caller]
    pub fn append_to_small_segments<S: AsRef<str>>(&self, payloads: impl IntoIterator<Item = S>) {
        self.edgesync(["append", "--segment-bytes", "64KiB"]).stdin(lines(payloads)).run().exits(0);
    }

    /// A replay to `url` that does not wait long between its tries.
    pub fn replay_to_url(&self, url: &str) -> Invocation {
        self.edgesync(["replay", "--to", url, "--backoff", "1ms", "--backoff-max", "5ms"])
    }

    /// A replay to this receiver that does not wait long between its tries.
    pub fn replay_to(&self, receiver: &Receiver) -> Invocation {
        self.replay_to_url(&receiver.url())
    }

    /// A replay to this command that does not wait long between its tries.
    pub fn replay_exec(&self, command: &str) -> Invocation {
        self.edgesync(["replay", "--exec", command, "--backoff", "1ms", "--backoff-max", "5ms"])
    }

    /// What `cat` prints, line by line.
    #[track_caller]
    pub fn cat(&self) -> Vec<String> {
        self.edgesync(["cat"]).run().exits(0).lines()
    }

    /// What `cat` prints with these options, line by line.
    #[track_caller]
    pub fn cat_with(&self, options: &[&str]) -> Vec<String> {
        self.edgesync(["cat"]).args(options).run().exits(0).lines()
    }

    /// What `stats` knows. Whoever asks checks promise 4, too: the terms add up.
    #[track_caller]
    pub fn stats(&self) -> Stats {
        Stats::of(&self.edgesync(["stats", "--format", "json"]).run().exits(0).stdout())
    }

    /// A shell script in the sandbox; returns the command that runs it.
    ///
    /// The script is read by sh, not executed, so that no other test's child can hold it open for writing ("text
    /// file busy").
    pub fn fake_command(&self, script: &str) -> String {
        let path = self.path("fake-command");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        format!("sh '{}'", path.display())
    }

    /// The program, run by someone whom file modes bind. Root is bound by none: then the program runs as nobody, and
    /// what is in the sandbox becomes theirs.
    pub fn edgesync_unprivileged<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Invocation {
        if !rustix::process::geteuid().is_root() {
            return self.edgesync(words);
        }
        give_away(self.directory.path());
        let program = self.reachable_program();
        self.program(program).args(words).user(NOBODY)
    }

    /// The program at a path that the user `nobody` may walk: the build directory can be in a home that is closed. A child makes
    /// the copy: no child of another test's can have it open for writing then ("text file busy").
    pub fn reachable_program(&self) -> PathBuf {
        let program = self.path(PROGRAM);
        if !program.exists() {
            let built = env!("CARGO_BIN_EXE_edgesync");
            let copied = std::process::Command::new("cp").arg(built).arg(&program).status().unwrap();
            assert!(copied.success());
        }
        program
    }

    /// Runs a replay of everything into a new receiver and returns both.
    #[track_caller]
    pub fn drain(&self) -> (Receiver, Output) {
        let receiver = Receiver::accepting();
        let output = self.replay_to(&receiver).run();
        (receiver, output)
    }
}

fn give_away(path: &Path) {
    chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    if !path.is_dir() {
        return;
    }
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        // The program can be a link to the one that was built, which stays whose it is.
        if path.file_name() != Some(OsStr::new(PROGRAM)) {
            give_away(&path);
        }
    }
}
