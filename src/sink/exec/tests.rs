//! With the real `sh`.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use rustix::process::{Pid, Signal};
use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::record::Seq;
use crate::sink::BodyFormat;
use crate::storage::Store;
use crate::storage::disk::Disk;

fn batch(body: &[u8]) -> Batch {
    Batch {
        former: None,
        journal: Uuid::nil(),
        first: Seq::new(501).unwrap(),
        last: Seq::new(503).unwrap(),
        previous: Seq::new(499),
        format: BodyFormat::Ndjson,
        body: body.to_vec(),
    }
}

fn sink(command: &str) -> ExecSink {
    ExecSink::new(ExecOptions::new(command)).unwrap()
}

/// Ends commands after `timeout`, and waits only briefly for the rest of their group: where nobody reaps orphans, such as
/// in a container, they stay in it as zombies.
fn impatient(command: &str, timeout: Duration) -> ExecSink {
    let mut options = ExecOptions::new(command);
    options.timeout = timeout;
    let mut sink = ExecSink::new(options).unwrap();
    sink.grace = Duration::from_millis(200);
    sink
}

fn send(command: &str, body: &[u8]) -> Outcome {
    sink(command).send(&batch(body), 1)
}

fn delivered() -> Outcome {
    Outcome::Delivered { through: None }
}

fn reason(outcome: Outcome) -> String {
    match outcome {
        Outcome::Later { reason, retry_after: None } => reason,
        other => panic!("not Later: {other:?}"),
    }
}

/// Whether the process whose number the command wrote into `file` still runs (a zombie does not).
fn runs(file: &Path) -> bool {
    let pid = fs::read_to_string(file).unwrap();
    match fs::read_to_string(format!("/proc/{}/stat", pid.trim())) {
        Ok(stat) => !stat.rsplit_once(") ").unwrap().1.starts_with('Z'),
        Err(_) => false,
    }
}

/// For at most 20 seconds. A child that another test is about to start has all our files open, and their locks, until it becomes
/// what it is to be.
fn wait_until(mut question: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !question() {
        assert!(Instant::now() < end, "waited in vain");
        thread::sleep(Duration::from_millis(1));
    }
}

fn kill(file: &Path) {
    let pid = fs::read_to_string(file).unwrap().trim().parse().unwrap();
    rustix::process::kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
}

fn lock_in(directory: &Path) -> ExecLock {
    let disk = Disk::open(directory, true).unwrap();
    ExecLock::new(&Store::new(directory, Arc::new(disk)), "exec.lock")
}

fn wait_for(file: &Path) {
    while !file.exists() {
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn each_exit_code_has_its_outcome() {
    for code in 0..=255 {
        let outcome = outcome_of(ExitStatus::from_raw(code << 8));
        let expected = match code {
            0 => matches!(outcome, Outcome::Delivered { through: None }),
            65 => matches!(outcome, Outcome::Refused { status: 65, .. }),
            126 | 127 => matches!(outcome, Outcome::WrongSetup { .. }),
            _ => matches!(outcome, Outcome::Later { .. }),
        };
        assert!(expected, "{code}: {outcome:?}");
    }
    assert!(reason(outcome_of(ExitStatus::from_raw(9))).contains("SIGKILL"));
}

#[test]
fn real_commands_have_the_same_outcomes() {
    assert_eq!(send("exit 0", b"x"), delivered());
    assert!(matches!(send("exit 65", b"x"), Outcome::Refused { status: 65, .. }));
    assert!(reason(send("exit 75", b"x")).contains("75"));
    assert!(reason(send("exit 3", b"x")).contains('3'));
    assert!(reason(send("kill -9 $$", b"x")).contains("SIGKILL"));
    assert!(
        matches!(send("edgesync-no-such-command", b"x"), Outcome::WrongSetup { reason } if reason.contains("127"))
    );
    assert!(matches!(send("/", b"x"), Outcome::WrongSetup { reason } if reason.contains("126")));
}

#[test]
fn the_body_arrives_byte_for_byte() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("body");
    let body: Vec<u8> = (0..1_u32 << 20).map(|index| (index * 7 % 251) as u8).collect();
    assert_eq!(send(&format!("cat > '{}'", file.display()), &body), delivered());
    assert!(fs::read(&file).unwrap() == body);
}

#[test]
fn whatever_a_command_does_with_its_stdin_each_attempt_has_the_whole_body_from_its_beginning() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("body");
    for (script, expected) in [
        ("cat", "1\n2\n3\n"),
        ("read -r first; echo \"$first\"; cat", "1\n2\n3\n"),
        ("cat /dev/stdin", "1\n2\n3\n"),
        ("cat | cat", "1\n2\n3\n"),
        ("while read -r line; do echo \"$line\"; done", "1\n2\n3\n"),
        ("head -n 1 > /dev/null; cat < /dev/stdin > /dev/null; echo done", "done\n"),
        ("true # a comment", ""),
        ("true \\", ""),
        ("cat <<END\nhere\nEND", "here\n"),
    ] {
        let mut sink = sink(&format!("exec > '{}'\n{script}", file.display()));
        for attempt in 1..=2 {
            assert_eq!(sink.send(&batch(b"1\n2\n3\n"), attempt), delivered(), "{script}");
            assert_eq!(fs::read_to_string(&file).unwrap(), expected, "{script}");
        }
    }
    assert!(reason(send("false # a comment", b"x")).contains('1'));
}

#[test]
fn a_command_holds_the_lock_of_its_journal_until_it_ends_and_its_daemons_do_not() {
    let directory = TempDir::new().unwrap();
    let lock = lock_in(directory.path());
    let pid = directory.path().join("pid");
    let mut sink = sink(&format!("setsid sleep 600 & echo $! > '{}'; exit 75", pid.display()));
    sink.guard(lock.clone());
    for attempt in 1..=2 {
        assert!(reason(sink.send(&batch(b"x"), attempt)).contains("75"), "an earlier daemon holds nobody up");
        assert!(!lock.is_held().unwrap());
        assert!(runs(&pid), "it is not ours to end");
        kill(&pid);
    }
    let held = lock.take(Duration::from_secs(600)).unwrap();
    assert!(reason(sink.send(&batch(b"x"), 3)).contains("exec.lock"), "another's command");
    drop(held);
}

#[test]
fn what_has_left_the_group_of_a_command_that_had_to_be_ended_is_ended_before_the_next_attempt() {
    let directory = TempDir::new().unwrap();
    let lock = lock_in(directory.path());
    let pid = directory.path().join("pid");
    let script = format!("setsid sh -c 'echo $$ > \"{}\"; exec sleep 600' & wait", pid.display());
    let mut sink = impatient(&script, Duration::from_millis(500));
    sink.guard(lock.clone());
    assert!(reason(sink.send(&batch(b"x"), 1)).contains("500ms"));
    assert!(lock.is_held().unwrap() && runs(&pid), "it may still deliver");
    sink.options.command = "true".into();
    assert_eq!(sink.send(&batch(b"x"), 2), delivered());
    assert!(!runs(&pid));
}

#[test]
fn what_a_killed_command_has_started_delivers_nothing_after_its_next_attempt() {
    let directory = TempDir::new().unwrap();
    let lock = lock_in(directory.path());
    let pid = directory.path().join("pid");
    let dies = format!("sleep 600 & echo $! > '{}'; kill -9 $$", pid.display());
    // The shell itself is killed; or what it runs is, and the shell says so in its exit code.
    for script in [dies.clone(), format!("sh -c \"{}\"", dies.replace('$', "\\$"))] {
        let mut sink = impatient(&script, Duration::from_secs(600));
        sink.guard(lock.clone());
        let reason = reason(sink.send(&batch(b"x"), 1));
        assert!(reason.contains("SIGKILL") || reason.contains("137"), "{reason}");
        assert!(!runs(&pid), "its child goes on: {script}");
        sink.options.command = "true".into();
        wait_until(|| sink.send(&batch(b"x"), 2) == delivered());
    }
}

#[test]
fn what_has_left_the_group_of_a_killed_command_keeps_its_lock() {
    let directory = TempDir::new().unwrap();
    let lock = lock_in(directory.path());
    let pid = directory.path().join("pid");
    let script = format!(
        "setsid sh -c 'echo $$ > \"{0}.new\"; mv \"{0}.new\" \"{0}\"; exec sleep 600' &
        until [ -e '{0}' ]; do sleep 0.01; done; kill -9 $$",
        pid.display()
    );
    let mut sink = sink(&script);
    sink.guard(lock.clone());
    assert!(reason(sink.send(&batch(b"x"), 1)).contains("SIGKILL"));
    assert!(lock.is_held().unwrap() && runs(&pid), "it may still deliver");
    sink.options.command = "true".into();
    assert!(reason(sink.send(&batch(b"x"), 2)).contains("exec.lock"));
    kill(&pid);
    wait_until(|| sink.send(&batch(b"x"), 3) == delivered());
}

#[test]
fn what_a_command_leaves_running_is_left_alone_whatever_its_exit_code() {
    let directory = TempDir::new().unwrap();
    let lock = lock_in(directory.path());
    let pid = directory.path().join("pid");
    for code in [0, 1, 65, 75, 127, 128, 193, 255] {
        let mut sink = sink(&format!("sleep 600 & echo $! > '{}'; exit {code}", pid.display()));
        sink.guard(lock.clone());
        sink.send(&batch(b"x"), 1);
        assert!(!lock.is_held().unwrap(), "{code}");
        assert!(runs(&pid), "{code}: it is not ours to end");
        kill(&pid);
    }
}

#[test]
fn the_environment_says_which_batch_it_is() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("env");
    let mut sink = sink(&format!("env > '{}'", file.display()));
    assert_eq!(sink.send(&batch(b"1\n2\n3\n"), 7), delivered());
    let environment = fs::read_to_string(&file).unwrap();
    for line in [
        "EDGESYNC_JOURNAL_ID=00000000-0000-0000-0000-000000000000",
        "EDGESYNC_FIRST_SEQ=501",
        "EDGESYNC_LAST_SEQ=503",
        "EDGESYNC_PREV_SEQ=499",
        "EDGESYNC_COUNT=3",
        "EDGESYNC_ATTEMPT=7",
        "EDGESYNC_IDEMPOTENCY_KEY=00000000-0000-0000-0000-000000000000:501-503",
    ] {
        assert!(environment.lines().any(|found| found == line), "{line} in\n{environment}");
    }
    let first = Batch { previous: None, ..batch(b"1\n") };
    assert_eq!(sink.send(&first, 1), delivered());
    assert!(fs::read_to_string(&file).unwrap().contains("EDGESYNC_PREV_SEQ=0\n"));
}

#[test]
fn a_command_that_exits_0_without_reading_has_taken_the_batch() {
    let body = vec![b'x'; 1 << 20];
    assert_eq!(send("exit 0", &body), delivered());
    assert_eq!(send("exec <&-; sleep 0.05; exit 0", &body), delivered());
    assert_eq!(send("head -c 10 > /dev/null", &body), delivered());
}

#[test]
fn what_a_command_leaves_running_does_not_hold_up_its_outcome() {
    let directory = TempDir::new().unwrap();
    let pid = directory.path().join("pid");
    // The background process keeps stdin, stdout and stderr open, and the body unread.
    let command = format!("exec 3<&0; sleep 600 <&3 & echo $! > '{}'; exit 0", pid.display());
    assert_eq!(send(&command, &vec![b'x'; 1 << 20]), delivered());
    assert!(runs(&pid), "it is not ours to end");
    kill(&pid);
}

#[test]
fn a_command_that_outlives_the_timeout_is_ended_with_its_group() {
    let directory = TempDir::new().unwrap();
    let pid = directory.path().join("pid");
    let mut sink =
        impatient(&format!("sleep 600 & echo $! > '{}'; wait", pid.display()), Duration::from_secs(1));
    assert!(reason(sink.send(&batch(b"x"), 1)).contains("1s"));
    assert!(!runs(&pid));
}

#[test]
fn a_command_that_will_not_end_is_killed_with_its_group() {
    let directory = TempDir::new().unwrap();
    let pid = directory.path().join("pid");
    let script = format!("trap '' TERM; sleep 600 & echo $! > '{}'; while :; do wait; done", pid.display());
    let mut sink = impatient(&script, Duration::from_secs(1));
    assert!(reason(sink.send(&batch(&vec![b'x'; 1 << 20]), 1)).contains("1s"));
    wait_until(|| !runs(&pid)); // SIGKILL was sent; it works in its own time.
}

#[test]
fn an_exit_0_after_the_timeout_is_not_a_delivery() {
    let mut sink = impatient("trap 'exit 0' TERM; sleep 600 & wait", Duration::from_millis(300));
    assert!(reason(sink.send(&batch(b"x"), 1)).contains("300ms"));
}

#[test]
fn a_request_to_stop_ends_the_command_and_starts_no_other() {
    let directory = TempDir::new().unwrap();
    let pid = directory.path().join("pid");
    let (stopper, stop) = Stop::pair().unwrap();
    let script = format!("sleep 600 & echo $! > '{0}.new'; mv '{0}.new' '{0}'; wait", pid.display());
    let mut sink = impatient(&script, Duration::from_secs(600));
    sink.options.stop = stop;
    let stopping = thread::spawn({
        let pid = pid.clone();
        move || {
            wait_for(&pid);
            stopper.stop();
        }
    });
    assert!(reason(sink.send(&batch(b"x"), 1)).contains("stopped"));
    stopping.join().unwrap();
    assert!(!runs(&pid));
    fs::remove_file(&pid).unwrap();
    assert!(reason(sink.send(&batch(b"x"), 2)).contains("stopped"));
    assert!(!pid.exists());
}

#[test]
fn a_command_inherits_none_of_our_files_and_the_default_sigpipe() {
    let directory = TempDir::new().unwrap();
    let secret = fs::File::create(directory.path().join("ours")).unwrap();
    let listing = directory.path().join("listing");
    let status = directory.path().join("status");
    let command = format!(
        "ls -l /proc/self/fd > '{}'; cat /proc/self/status > '{}'",
        listing.display(),
        status.display()
    );
    assert_eq!(send(&command, b"x"), delivered());
    let listing = fs::read_to_string(listing).unwrap();
    assert!(!listing.contains("ours"), "descriptor {} in\n{listing}", secret.as_raw_fd());
    let status = fs::read_to_string(status).unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap().trim();
    let sigpipe = 1 << (13 - 1);
    assert_eq!(u64::from_str_radix(ignored, 16).unwrap() & sigpipe, 0, "SigIgn {ignored}");
    assert!(status.contains("SigBlk:\t0000000000000000"), "{status}");
}

#[test]
fn a_command_that_cannot_be_one_is_refused_before_anything_runs() {
    for command in ["", "  \n", "echo \0"] {
        let error = ExecSink::new(ExecOptions::new(command)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{command:?}");
    }
}
