//! Faults from outside: system calls that fail or never return, by way of strace.

use std::fmt::Display;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Once;

use rustix::process::Pid;

use super::{Invocation, Live, Sandbox, until};

/// What happens to the system calls of one name.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// The process is gone before its call number N (of each thread).
    KillBefore(usize),
    /// Call number N fails.
    Once(&'static str, usize),
    /// Call number N fails, and each one after it.
    From(&'static str, usize),
}

impl Fault {
    fn option(self, call: &str) -> String {
        match self {
            Self::KillBefore(number) => format!("inject={call}:signal=SIGKILL:when={number}"),
            Self::Once(error, number) => format!("inject={call}:error={error}:when={number}"),
            Self::From(error, number) => format!("inject={call}:error={error}:when={number}+"),
        }
    }
}

/// A program of this machine that a test cannot do without: if it is not there the test fails, and says what to install.
#[track_caller]
pub fn demand(program: &str, package: &str) {
    let found = Command::new(program).arg("-V").stdin(Stdio::null()).output();
    assert!(
        found.is_ok(),
        "{program} is not installed; this test needs it: apt-get install {package}, or run tests/run as root, which does that"
    );
}

/// Mounting needs root.
#[track_caller]
pub fn demand_root(what: &str) {
    assert!(rustix::process::geteuid().is_root(), "{what} needs root: run this test as root, as CI does");
}

/// Says how much a test has tried; not captured, so that every run's log has the numbers.
pub fn tally(test: &str, count: impl Display) {
    let _ = writeln!(io::stderr(), "tally: {test}: {count}");
}

impl Sandbox {
    /// The program, with a fault in its calls of this name; only in those that touch the journal where `within` says so.
    #[track_caller]
    pub fn faulty(&self, call: &str, within: bool, fault: Fault, words: &[&str]) -> Invocation {
        static STRACE: Once = Once::new();
        STRACE.call_once(|| demand("strace", "strace"));
        let trace = self.trace();
        let strace = self.program("strace").args(["-f", "-qq"]).arg_path("-o", &trace);
        let strace = if within { strace.arg_path("-P", &self.journal()) } else { strace };
        let trace = format!("trace={call}");
        strace.args(["-e", &trace, "-e", &fault.option(call), env!("CARGO_BIN_EXE_edgesync")]).args(words)
    }

    /// The program, stopped as it returns from its first call of this name; and its process, to be continued.
    #[track_caller]
    pub fn stopped_after(&self, call: &str, words: &[&str]) -> (Live, Pid) {
        demand("strace", "strace");
        let trace = format!("trace={call}");
        let inject = format!("inject={call}:signal=SIGSTOP:when=1");
        let strace = self.program("strace").args(["-f"]).arg_path("-o", &self.trace());
        let strace = strace.args(["-e", &trace, "-e", &inject, env!("CARGO_BIN_EXE_edgesync")]).args(words);
        let live = strace.spawn();
        let stopped = until("the program to stop", || {
            let log = fs::read_to_string(self.trace()).unwrap_or_default();
            let line = log.lines().find(|line| line.contains("stopped by SIGSTOP"))?;
            line.split_whitespace().next()?.parse().ok().and_then(Pid::from_raw)
        });
        (live, stopped)
    }

    fn trace(&self) -> PathBuf {
        self.path("strace.log")
    }

    /// How many calls the last faulty program had to see fail.
    pub fn injected(&self) -> usize {
        fs::read_to_string(self.trace()).unwrap_or_default().matches("(INJECTED)").count()
    }
}
