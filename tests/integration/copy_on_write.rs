//! A full disk of a file system that never overwrites (btrfs): what waits there can still be delivered.

use std::fs;
use std::process::Command;

use crate::harness::{Receiver, Sandbox, Volume, lines, readings, records, run};

/// The smallest with data and metadata apart, as btrfs is usually made.
const DISK_BYTES: u64 = 160 << 20;

/// A full btrfs with a journal in a subvolume of its own; the payloads that wait there.
fn full_disk(sandbox: &Sandbox) -> (Volume, Vec<String>) {
    let volume = Volume::on_disk(sandbox, "btrfs", DISK_BYTES, &[]);
    run(Command::new("btrfs").args(["subvolume", "create"]).arg(volume.path().join("data")));
    let payloads = readings(3_000, 200);
    append(sandbox, &volume, &payloads).exits(0);
    volume.fill();
    (volume, payloads)
}

fn program(sandbox: &Sandbox, volume: &Volume, words: &[&str]) -> crate::harness::Invocation {
    sandbox.edgesync(words).arg_path("-j", &volume.path().join("data/cam.journal"))
}

fn append(sandbox: &Sandbox, volume: &Volume, payloads: &[String]) -> crate::harness::Output {
    program(sandbox, volume, &["append"]).stdin(lines(payloads)).run()
}

fn snapshot_of(volume: &Volume, name: &str) {
    run(Command::new("btrfs")
        .args(["subvolume", "snapshot"])
        .args([volume.path().join("data"), volume.path().join(name)]));
}

/// Delivers all of it, in small batches: hundreds of moves of the cursor.
fn drain(sandbox: &Sandbox, volume: &Volume, payloads: &[String]) {
    let receiver = Receiver::accepting();
    sandbox
        .replay_to(&receiver)
        .args(["--batch-size", "7"])
        .arg_path("-j", &volume.path().join("data/cam.journal"))
        .run()
        .exits(0);
    let delivered: Vec<_> = receiver.entries().into_iter().map(|(_, data)| data).collect();
    assert!(delivered.iter().eq(payloads.iter().map(|payload| payload.as_bytes())), "each once, in order");
    program(sandbox, volume, &["verify"]).run().exits(0);
}

#[test]
fn a_full_copy_on_write_disk_is_drained_and_writable_again_by_itself() {
    let sandbox = Sandbox::new();
    let (volume, payloads) = full_disk(&sandbox);
    let refused = append(&sandbox, &volume, &readings(50, 200_000));
    refused.exits(1).says("the disk is full");
    let waiting: Vec<_> =
        records(&volume.path().join("data/cam.journal")).iter().map(|it| it.text().to_owned()).collect();
    assert!(waiting.starts_with(&payloads));
    drain(&sandbox, &volume, &waiting);
    program(&sandbox, &volume, &["append"]).stdin("\"room again\"\n").run().exits(0);
    drain(&sandbox, &volume, &["\"room again\"".to_owned()]);
}

#[test]
fn a_full_copy_on_write_disk_is_drained_though_a_snapshot_holds_every_block_of_the_journal() {
    let sandbox = Sandbox::new();
    let (volume, payloads) = full_disk(&sandbox);
    snapshot_of(&volume, "snapshot");
    drain(&sandbox, &volume, &payloads);
    // Nothing that the journal gives back becomes free: that is said, and nothing is lost by trying.
    append(&sandbox, &volume, &["\"more\"".to_owned()]).exits(1).says("the disk is full").says("snapshot");
    program(&sandbox, &volume, &["compact"]).run().exits(0);
    volume.make_room();
    append(&sandbox, &volume, &["\"more\"".to_owned()]).exits(0);
    snapshot_of(&volume, "another");
    drain(&sandbox, &volume, &["\"more\"".to_owned()]);
}

#[test]
fn where_the_cursor_stands_survives_a_power_cut_on_a_full_copy_on_write_disk() {
    let sandbox = Sandbox::new();
    let (volume, payloads) = full_disk(&sandbox);
    snapshot_of(&volume, "snapshot");
    let delivered = program(&sandbox, &volume, &["replay", "--exec", "cat", "--batch-size", "1000"]).run();
    assert_eq!(delivered.exits(0).lines(), payloads);
    // What the disk holds at this moment, without what a system that goes on would still write.
    let after = Sandbox::new();
    fs::copy(sandbox.path("image"), after.path("image")).unwrap();
    drop(volume);
    let place = after.path("volume");
    fs::create_dir(&place).unwrap();
    run(Command::new("mount").args(["-o", "loop"]).arg(after.path("image")).arg(&place));
    let again =
        after.edgesync(["stats", "--format", "json"]).arg_path("-j", &place.join("data/cam.journal")).run();
    let unmounted = Command::new("umount").arg(&place).status();
    again.exits(0).prints("\"pending\":0");
    assert!(unmounted.is_ok_and(|status| status.success()));
}
