//! The power goes: a file system on a loop device is cut off at once, nothing flushed (the shutdown ioctl of ext4 and XFS), while the
//! program appends or delivers. Mounted again, every line that had been passed on is there.
//!
//! Needs root. `EDGESYNC_TEST_CUTS` says how often each (10 times).

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use crate::harness::{Receiver, Sandbox, demand, demand_root, lines, random, records, tally, until};

fn cuts() -> usize {
    std::env::var("EDGESYNC_TEST_CUTS")
        .map_or(10, |text| text.parse().expect("EDGESYNC_TEST_CUTS is a number"))
}

/// Loop devices are few, and a shutdown is felt by the whole machine's journal thread: one at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A file system of its own, in a file.
pub struct Volume {
    image: PathBuf,
    place: PathBuf,
    mounted: bool,
    _turn: MutexGuard<'static, ()>,
}

impl Volume {
    pub fn new(sandbox: &Sandbox, kind: &str) -> Self {
        Self::made_with(sandbox, kind, &[])
    }

    /// With these options of mkfs.
    pub fn made_with(sandbox: &Sandbox, kind: &str, options: &[&str]) -> Self {
        demand_root("mounting a file system");
        demand("xfs_io", "xfsprogs");
        let packages = HashMap::from([("xfs", "xfsprogs"), ("ext4", "e2fsprogs"), ("btrfs", "btrfs-progs")]);
        demand(&format!("mkfs.{kind}"), packages[kind]);
        let turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let (image, place) = (sandbox.path("image"), sandbox.path("volume"));
        let file = fs::File::create(&image).unwrap();
        // XFS is no smaller. The file system must not become short of space: the journal would give segments back, and a test
        // that counts every entry would miss them.
        file.set_len((320 + 2 * cuts() as u64) << 20).unwrap();
        fs::create_dir(&place).unwrap();
        run(Command::new(format!("mkfs.{kind}")).arg("-q").args(options).arg(&image));
        let mut volume = Self { image, place, mounted: false, _turn: turn };
        volume.mount();
        volume
    }

    pub fn mount(&mut self) {
        run(Command::new("mount").args(["-o", "loop"]).arg(&self.image).arg(&self.place));
        self.mounted = true;
    }

    /// Nothing that is not on the disk yet will get there.
    fn cut_off(&self) {
        run(Command::new("xfs_io").args(["-F", "-x", "-c", "shutdown"]).arg(&self.place));
    }

    pub fn unmount(&mut self) {
        run(Command::new("umount").arg(&self.place));
        self.mounted = false;
    }

    pub fn journal(&self) -> PathBuf {
        self.place.join("cam.journal")
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        if self.mounted {
            // Lazily: a test that has failed may still have a child in it.
            let _ = Command::new("umount").arg("-l").arg(&self.place).status();
        }
    }
}

#[track_caller]
pub fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn no_line_is_lost(kind: &str) {
    let sandbox = Sandbox::new();
    let mut volume = Volume::new(&sandbox, kind);
    let journal = volume.journal();
    let mut random = random();
    let mut expected: Vec<String> = Vec::new();
    let receiver = Receiver::accepting();
    let (mut passed_on_in_all, mut number) = (0, 0);
    for _ in 0..cuts() {
        let mut append = sandbox
            .edgesync(["append", "--tee", "--segment-bytes", "64KiB"])
            .arg_path("-j", &journal)
            .spawn();
        let mut stdin = append.take_stdin();
        let new: Vec<_> =
            (number..number + 4_000).map(|it| format!("[{it},\"{}\"]", "x".repeat(it % 300))).collect();
        number += 4_000;
        let text = lines(&new);
        let feeder = thread::spawn(move || {
            for piece in text.as_bytes().chunks(700) {
                if std::io::Write::write_all(&mut stdin, piece).is_err() {
                    return;
                }
            }
        });
        append.next_line_if_any();
        thread::sleep(Duration::from_micros(random.u64(0..60_000)));
        volume.cut_off();
        let output = append.wait();
        feeder.join().unwrap();
        let passed_on = output.whole_lines();
        assert!(passed_on.iter().eq(&new[..passed_on.len()]), "what was passed on is what came in");
        if passed_on.len() < new.len() {
            output.exits(1).says("not taken");
        }
        passed_on_in_all += passed_on.len();
        volume.unmount();
        volume.mount();

        check_after_cut(&sandbox, &journal, &mut expected, &new, passed_on.len());
        deliver_under_a_cut(&sandbox, &mut volume, &receiver, &mut random);
    }
    sandbox.replay_to(&receiver).arg_path("-j", &journal).run().exits(0);
    receiver.assert_in_order_with_repetitions(&expected);
    sandbox.edgesync(["verify"]).arg_path("-j", &journal).run().exits(0);
    volume.unmount();
    tally(&format!("power cuts on {kind}"), cuts() * 2);
    tally(&format!("lines passed on before power cuts on {kind}"), passed_on_in_all);
}

/// What was passed on is there; what came after it may be; nothing else is.
fn check_after_cut(
    sandbox: &Sandbox,
    journal: &Path,
    expected: &mut Vec<String>,
    new: &[String],
    passed_on: usize,
) {
    sandbox.edgesync(["verify"]).arg_path("-j", journal).run().exits(0);
    sandbox.edgesync(["append"]).arg_path("-j", journal).stdin("\"fresh\"\n").run().exits(0);
    let on_disk = records(journal);
    let kept = on_disk.len().checked_sub(expected.len() + 1).expect("nothing from before is missing");
    assert!(kept >= passed_on, "{passed_on} lines were passed on, {kept} are there");
    expected.extend_from_slice(&new[..kept]);
    expected.push("\"fresh\"".into());
    assert!(on_disk.iter().zip(1..).all(|(record, seq)| record.seq == seq), "no seq twice and none left out");
    assert!(on_disk.iter().map(|record| record.text()).eq(expected.iter()), "in order, byte for byte");
}

fn deliver_under_a_cut(
    sandbox: &Sandbox,
    volume: &mut Volume,
    receiver: &Receiver,
    random: &mut fastrand::Rng,
) {
    let before = receiver.request_count();
    let replay =
        sandbox.replay_to(receiver).args(["--batch-size", "7"]).arg_path("-j", &volume.journal()).spawn();
    thread::sleep(Duration::from_micros(random.u64(0..50_000)));
    volume.cut_off();
    replay.wait().exits_with_one_of(&[0, 1]);
    volume.unmount();
    volume.mount();
    // The last request may still be on its way into the receiver's memory.
    until("the receiver to be idle", || {
        let seen = receiver.request_count();
        thread::sleep(Duration::from_millis(20));
        (receiver.request_count() == seen && seen >= before).then_some(())
    });
}

/// The file system gives up between a rename and the sync of its directory: whoever asked for that sync is not told that it
/// worked, since the name is not on the disk.
fn no_name_is_called_durable_that_is_not(kind: &str) {
    let sandbox = Sandbox::new();
    let mut volume = Volume::new(&sandbox, kind);
    let journal = volume.journal();
    let (mut init, program) = sandbox.stopped_after("renameat", &["init", "-j", &journal.to_string_lossy()]);
    volume.cut_off();
    rustix::process::kill_process(program, Signal::CONT).unwrap();
    init.close_stdin();
    let output = init.wait();
    volume.unmount();
    volume.mount();
    if !journal.join("journal.json").exists() {
        output.exits(1).says("sync");
    }
    volume.unmount();
}

#[test]
fn on_ext4_no_name_is_called_durable_when_the_file_system_gives_up() {
    no_name_is_called_durable_that_is_not("ext4");
}

#[test]
fn on_xfs_no_name_is_called_durable_when_the_file_system_gives_up() {
    no_name_is_called_durable_that_is_not("xfs");
}

#[test]
fn on_ext4_no_line_that_was_passed_on_is_lost_when_the_power_goes() {
    no_line_is_lost("ext4");
}

#[test]
fn on_xfs_no_line_that_was_passed_on_is_lost_when_the_power_goes() {
    no_line_is_lost("xfs");
}
