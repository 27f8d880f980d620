//! Times as a table; the rest with real files and processes.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use command_fds::CommandFdExt as _;

use super::*;
use crate::storage::disk::Disk;
use crate::storage::memory::Memory;
use crate::storage::test_disk;

fn lock_in(directory: &Path) -> ExecLock {
    let disk = Disk::open(directory, true).unwrap();
    ExecLock::new(&Store::new(directory, Arc::new(disk)), "exec.lock")
}

fn child_with(hold: &Hold, script: &str) -> Child {
    let mut command = Command::new("sh");
    command.args(["-c", script]).stdin(Stdio::null()).process_group(0);
    command.preserved_fds(vec![hold.descriptor(100).unwrap().unwrap()]);
    command.spawn().unwrap()
}

/// A process that holds the lock, as a command of a run that was killed.
fn orphan(lock: &ExecLock, timeout: Duration, script: &str) -> Child {
    let hold = lock.take(timeout).unwrap().unwrap();
    let child = child_with(&hold, script);
    hold.leave();
    child
}

/// A child that another test is about to start has all our files open, until it becomes what it is to be.
fn until_free(lock: &ExecLock) {
    while lock.clear().is_err() {
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn the_time_that_is_left_is_known_only_within_one_boot_and_time_namespace() {
    let term = Term { boot: "b".into(), started: Uptime { namespace: 1, ms: 1_000 }, timeout_ms: 500 };
    let millis = |ms| Some(Duration::from_millis(ms));
    for (boot, namespace, ms, left) in [
        (Some("b"), 1, 1_000, millis(500)),
        (Some("b"), 1, 1_499, millis(1)),
        (Some("b"), 1, 1_500, millis(0)),
        (Some("b"), 1, u64::MAX, millis(0)),
        (Some("b"), 1, 999, None),
        (Some("b"), 2, 1_500, None),
        (Some("another"), 1, 1_500, None),
        (None, 1, 1_500, None),
    ] {
        assert_eq!(term.left(boot, Uptime { namespace, ms }), left, "{boot:?} {namespace} {ms}");
    }
    let for_ever = Term { timeout_ms: u64::MAX, ..term };
    let now = Uptime { namespace: 1, ms: 2_000 };
    assert!(for_ever.left(Some("b"), now).unwrap() > Duration::from_secs(1 << 40));
}

#[test]
fn the_line_is_read_back_also_over_a_longer_one_and_no_damage_is_believed() {
    let directory = tempfile::tempdir().unwrap();
    let file = lock_in(directory.path()).store.open("exec.lock", Open::Create).unwrap();
    assert_eq!(Term::read(&file), None);
    for number in [u64::MAX, 7] {
        let started = Uptime { namespace: number, ms: number };
        let term = Term { boot: "b".repeat(64), started, timeout_ms: number };
        file.write_at(&term.line().unwrap(), 0).unwrap();
        assert_eq!(Term::read(&file), Some(term));
    }
    let mut bytes = std::fs::read(file.path()).unwrap();
    bytes[10] ^= 1;
    assert_eq!(Term::decode(&bytes), None);
}

#[test]
fn a_hold_that_ends_frees_the_lock_whoever_has_inherited_it() {
    let directory = tempfile::tempdir().unwrap();
    let lock = lock_in(directory.path());
    assert!(!lock.is_held().unwrap());
    let hold = lock.take(Duration::ZERO).unwrap().unwrap();
    let inherited = hold.descriptor(100).unwrap().unwrap();
    assert!(lock.is_held().unwrap());
    drop(hold);
    assert!(!lock.is_held().unwrap());
    let hold = lock.take(Duration::ZERO).unwrap().unwrap();
    let later = hold.descriptor(100).unwrap().unwrap();
    hold.leave();
    assert!(lock.is_held().unwrap());
    drop(inherited);
    assert!(lock.is_held().unwrap(), "the later one is another's");
    drop(later);
    until_free(&lock);
}

#[test]
fn an_orphan_with_time_left_is_waited_for_and_afterwards_ended() {
    let directory = tempfile::tempdir().unwrap();
    let lock = lock_in(directory.path());
    let mut orphan = orphan(&lock, Duration::from_secs(600), "exec sleep 600");
    let error = lock.clear().unwrap_err();
    assert!(matches!(error, Error::CommandRuns { left: Some(_), .. }), "{error}");
    assert!(lock.take(Duration::ZERO).is_err());
    assert!(orphan.try_wait().unwrap().is_none());
    let file = lock.store.open("exec.lock", Open::Write).unwrap();
    let started = Uptime { ms: 0, ..lock.store.uptime().unwrap() };
    let over = Term { boot: lock.store.boot_id().unwrap(), started, timeout_ms: 0 };
    file.write_at(&over.line().unwrap(), 0).unwrap();
    lock.clear().unwrap();
    assert!(!orphan.wait().unwrap().success());
}

#[test]
fn a_process_that_has_closed_the_lock_ends_with_the_group_of_its_shell() {
    let directory = tempfile::tempdir().unwrap();
    let lock = lock_in(directory.path());
    let id = directory.path().join("id");
    // Without the lock, and without an ear for SIGTERM.
    let deaf =
        "trap '' TERM; for fd in {100..120}; do eval \"exec $fd>&-\"; done; echo $$ > id.new; mv id.new id";
    let script = format!(
        "cd '{}'; bash -c '{}; sleep 600; :'; exit 0",
        directory.path().display(),
        deaf.replace('\'', "'\\''")
    );
    let mut orphan = orphan(&lock, Duration::ZERO, &script);
    while !id.exists() {
        std::thread::sleep(Duration::from_millis(1));
    }
    lock.clear().unwrap();
    orphan.wait().unwrap();
    let id = std::fs::read_to_string(id).unwrap();
    let status = std::fs::read_to_string(format!("/proc/{}/stat", id.trim())).unwrap_or_default();
    assert!(status.is_empty() || status.contains(") Z "), "{status}");
}

#[test]
fn whoever_has_the_file_open_without_the_lock_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let lock = lock_in(directory.path());
    let hold = lock.take(Duration::ZERO).unwrap().unwrap();
    let mut daemon = child_with(&hold, "exec sleep 600");
    drop(hold);
    lock.clear().unwrap();
    let mut orphan = orphan(&lock, Duration::ZERO, "exec sleep 600");
    lock.clear().unwrap();
    assert!(!orphan.wait().unwrap().success());
    assert!(daemon.try_wait().unwrap().is_none(), "it was ended for a lock that it did not hold");
    daemon.kill().unwrap();
    daemon.wait().unwrap();
}

#[test]
fn a_lock_whose_time_is_unknown_keeps_others_away_and_nothing_is_ended() {
    let directory = tempfile::tempdir().unwrap();
    let lock = lock_in(directory.path());
    let mut orphan = orphan(&lock, Duration::ZERO, "exec sleep 600");
    std::fs::write(directory.path().join("exec.lock"), "").unwrap();
    let error = lock.clear().unwrap_err();
    assert!(matches!(error, Error::CommandRuns { left: None, .. }), "{error}");
    assert!(orphan.try_wait().unwrap().is_none());
    orphan.kill().unwrap();
    orphan.wait().unwrap();
    until_free(&lock);
}

#[test]
fn a_journal_in_memory_has_no_lock_to_inherit() {
    let store = Store::new(Path::new("/memory"), Arc::new(Memory::default()));
    let lock = ExecLock::new(&store, "exec.lock");
    assert!(lock.take(Duration::ZERO).unwrap().is_none() && !lock.is_held().unwrap());
    lock.clear().unwrap();
}

#[test]
fn a_command_whose_term_could_not_be_written_is_not_ended_by_the_term_of_an_earlier_one() {
    let directory = tempfile::tempdir().unwrap();
    let (store, knobs) = test_disk::store(directory.path());
    let lock = ExecLock::new(&store, "exec.lock");
    drop(lock.take(Duration::ZERO).unwrap());
    knobs.refuse_writes.store(true, Ordering::SeqCst);
    let mut orphan = orphan(&lock, Duration::from_secs(600), "exec sleep 600");
    let error = lock.clear().unwrap_err();
    assert!(matches!(error, Error::CommandRuns { left: None, .. }), "{error}");
    assert!(orphan.try_wait().unwrap().is_none());
    orphan.kill().unwrap();
    orphan.wait().unwrap();
    until_free(&lock);
    knobs.refuse_cuts.store(true, Ordering::SeqCst);
    assert!(
        lock.take(Duration::from_secs(600)).is_err(),
        "an earlier term would be taken for this command's"
    );
}

#[test]
fn a_term_that_was_written_in_another_time_namespace_ends_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (store, knobs) = test_disk::store(directory.path());
    let lock = ExecLock::new(&store, "exec.lock");
    let mut orphan = orphan(&lock, Duration::ZERO, "exec sleep 600");
    knobs.namespace.store(7, Ordering::SeqCst);
    let error = lock.clear().unwrap_err();
    assert!(matches!(error, Error::CommandRuns { left: None, .. }), "{error}");
    assert!(orphan.try_wait().unwrap().is_none());
    knobs.namespace.store(0, Ordering::SeqCst);
    lock.clear().unwrap();
    assert!(!orphan.wait().unwrap().success());
}

#[test]
fn a_lock_file_that_is_made_late_is_overwritten_in_place_too() {
    let directory = tempfile::tempdir().unwrap();
    let (store, knobs) = test_disk::store(directory.path());
    knobs.copies_on_write.store(true, Ordering::SeqCst);
    drop(ExecLock::new(&store, "exec.lock").take(Duration::ZERO).unwrap());
    assert_eq!(*knobs.in_place.lock().unwrap(), ["exec.lock"]);
}
