//! One signal is enough: whatever the program waits for, it ends in order, and says what is not done.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, getsockname, listen, socket_with};
use rustix::process::Signal;

use crate::harness::{Fault, Receiver, Sandbox, lines, readings, records, tally, until};

/// Far less than any time-out of the program's; far more than it needs.
const SOON: Duration = Duration::from_secs(20);

/// Holds the lock of a journal's file, as a process that was stopped in the middle of its work does.
fn hold(sandbox: &Sandbox, name: &str) -> File {
    let file = File::options().read(true).write(true).open(sandbox.journal().join(name)).unwrap();
    flock(&file, FlockOperation::LockExclusive).unwrap();
    file
}

/// Whether a process waits for a lock: the kernel lists it with an arrow.
fn waits_for_lock(id: u32) -> bool {
    let locks = fs::read_to_string("/proc/locks").unwrap();
    locks.lines().any(|line| line.contains("->") && line.contains(&format!(" {id} ")))
}

#[test]
fn one_signal_ends_an_append_that_waits_for_the_lock_and_the_lines_that_are_not_safe_are_named() {
    let sandbox = Sandbox::new();
    let mut sensor = sandbox.edgesync(["append", "--tee"]).within(SOON).spawn();
    sensor.feed("1");
    assert_eq!(sensor.next_line(), "1");
    let held = hold(&sandbox, "append.lock");
    sensor.feed("2");
    until("the wait for the lock", || waits_for_lock(sensor.id()).then_some(()));
    sensor.signal(Signal::TERM);
    sensor.wait().exits(1).says("line 2").says("append.lock");
    drop(held);
    assert_eq!(sandbox.cat(), ["1"]);
    sandbox.append(["3"]);
}

#[test]
fn one_signal_ends_an_append_that_waits_for_the_lock_before_it_reads_anything() {
    let sandbox = Sandbox::new();
    sandbox.append(["1"]);
    let _held = hold(&sandbox, "append.lock");
    for words in [&["append"][..], &["append", "--max-entries", "7"]] {
        let sensor = sandbox.edgesync(words).within(SOON).spawn();
        until("the wait for the lock", || waits_for_lock(sensor.id()).then_some(()));
        sensor.signal(Signal::TERM);
        sensor.wait().exits(1);
    }
}

#[test]
fn a_line_that_was_read_is_made_durable_also_where_the_lock_comes_free_only_after_the_signal() {
    let sandbox = Sandbox::new();
    let mut sensor = sandbox.edgesync(["append", "--tee"]).within(SOON).spawn();
    sensor.feed("1");
    assert_eq!(sensor.next_line(), "1");
    let held = hold(&sandbox, "append.lock");
    sensor.feed("2");
    until("the wait for the lock", || waits_for_lock(sensor.id()).then_some(()));
    sensor.signal(Signal::TERM);
    drop(held);
    sensor.wait().exits(0);
    assert_eq!(sandbox.cat(), ["1", "2"]);
}

#[test]
fn one_signal_ends_an_append_whose_tee_is_stuck_and_every_line_that_was_read_is_safe() {
    let sandbox = Sandbox::new();
    let (reader, writer) = std::io::pipe().unwrap();
    let payloads = readings(3_000, 120);
    let mut sensor = sandbox.edgesync(["append", "--tee"]).stdout_to(writer).within(SOON).spawn();
    sensor.feed_bytes(lines(&payloads[..2_000]).as_bytes());
    // More than the pipe holds is durable, and the rest is read while the writing side is stuck.
    until("the pipe to be full", || (rustix::io::ioctl_fionread(&reader).unwrap() > 60_000).then_some(()));
    sensor.feed_bytes(lines(&payloads[2_000..]).as_bytes());
    sensor.signal(Signal::TERM);
    let output = sensor.wait();
    output.exits(0).says("standard output");
    let on_disk = records(&sandbox.journal()).len();
    assert!(on_disk >= 2_000, "{on_disk}");
    drop(reader);
}

#[test]
fn one_signal_ends_a_replay_that_waits_for_a_connection() {
    let sandbox = Sandbox::new();
    sandbox.append(["1"]);
    let (address, _full) = endpoint_that_answers_no_knock();
    let url = format!("http://{address}/");
    let replay = sandbox.replay_to_url(&url).args(["--timeout", "600s"]).within(SOON).spawn();
    let port = format!(":{:04X} 02 ", address.port());
    until("the knock", || {
        let table = fs::read_to_string(format!("/proc/{}/net/tcp", replay.id())).unwrap();
        let inodes = sockets(replay.id());
        let knocks = table.lines().filter(|line| line.contains(&port));
        knocks
            .filter_map(|line| line.split_whitespace().nth(9))
            .any(|inode| inodes.contains(inode))
            .then_some(())
    });
    replay.signal(Signal::TERM);
    // Not by way of the grace after which a process ends that does not come to its end by itself.
    replay.wait().exits(4).says("stopped").does_not_say("under way");
}

/// What the open descriptors of a process are, in one text.
fn sockets(id: u32) -> String {
    let entries = fs::read_dir(format!("/proc/{id}/fd")).unwrap();
    entries.filter_map(|entry| Some(format!("{:?} ", fs::read_link(entry.ok()?.path()).ok()?))).collect()
}

/// A listener whose queue is full: the system drops whoever knocks.
fn endpoint_that_answers_no_knock() -> (SocketAddr, Vec<OwnedFd>) {
    let socket = || {
        socket_with(
            AddressFamily::INET,
            SocketType::STREAM,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            None,
        )
        .unwrap()
    };
    let listener = socket();
    bind(&listener, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    listen(&listener, 0).unwrap();
    let address = SocketAddr::try_from(getsockname(&listener).unwrap()).unwrap();
    let mut open = vec![listener];
    for _ in 0..3 {
        let knock = socket();
        let _ = connect(&knock, &address);
        open.push(knock);
    }
    (address, open)
}

#[test]
fn one_signal_ends_a_replay_that_waits_for_a_lock() {
    let sandbox = Sandbox::new();
    sandbox.append(["1", "2"]);
    // The command holds the cursor's lock when the run wants it to record what was delivered.
    let command =
        sandbox.fake_command("cat > /dev/null; echo x >> started; until [ -e go ]; do sleep 0.01; done");
    let replay = sandbox.replay_exec(&command).args(["--batch-size", "2"]).within(SOON).spawn();
    until("the command to start", || sandbox.path("started").exists().then_some(()));
    let _held = hold(&sandbox, "cursor");
    fs::write(sandbox.path("go"), "").unwrap();
    until("the wait for the lock", || waits_for_lock(replay.id()).then_some(()));
    replay.signal(Signal::TERM);
    replay.wait().exits_with_one_of(&[3, 4]).says("cursor").does_not_say("under way");
}

/// Calls that a signal may break off, and whether only those count that touch the journal.
const CALLS: [(&str, bool); 14] = [
    ("openat", true),
    ("read", true),
    ("pread64", false),
    ("write", true),
    ("pwrite64", false),
    ("fdatasync", false),
    ("fsync", false),
    ("flock", false),
    ("poll", false),
    ("ftruncate", false),
    ("statx", true),
    ("getdents64", true),
    ("renameat", false),
    ("unlinkat", false),
];

#[test]
fn a_call_that_a_signal_breaks_off_is_made_again() {
    let mut injected = 0;
    for (call, within) in CALLS {
        for number in 1..=6 {
            let sandbox = Sandbox::new();
            let receiver = Receiver::accepting();
            let url = receiver.url();
            let payloads = readings(9, 900);
            for (words, input) in [
                (
                    &[
                        "append",
                        "--tee",
                        "--max-entries",
                        "9",
                        "--segment-bytes",
                        "4KiB",
                        "--max-bytes",
                        "64MiB",
                    ][..],
                    lines(&payloads),
                ),
                (&["replay", "--to", &url, "--batch-size", "2"], String::new()),
                (&["compact"], String::new()),
            ] {
                let run = || sandbox.edgesync(words).stdin(input.clone()).run();
                let faulty = sandbox.faulty(call, within, Fault::Once("EINTR", number), words);
                let output = faulty.stdin(input.clone()).run();
                if output.stderr().contains("loading shared libraries") {
                    // The dynamic loader's calls are not ours to make again.
                    run().exits(0);
                    continue;
                }
                output.exits(0);
                injected += sandbox.injected();
            }
            sandbox.stats().shows([("written", 9), ("delivered", 9), ("pending", 0)]);
            assert_eq!(receiver.requests().len(), 5, "{call} {number}: nothing is sent twice");
        }
    }
    tally("calls that were broken off", injected);
}
