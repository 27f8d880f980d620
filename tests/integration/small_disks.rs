//! Disks smaller than a few segments: while a receiver keeps up, what was delivered makes room for what comes, and no
//! write fails. Needs root. `EDGESYNC_TEST_ENTRIES` says how many entries go through each (4,000); with that set, a buffer
//! is tried on ext4, too, which takes a flush for each entry.

use std::sync::{Arc, Mutex};

use edgesync::{Buffer, BufferOptions, UploadBatch, UploadResult};

use crate::harness::{Receiver, Sandbox, Volume, lines, readings, tally};

const ENTRY_BYTES: usize = 4_000;
const SIZES_MIB: [usize; 4] = [1, 4, 12, 64];

fn asked() -> Option<usize> {
    std::env::var("EDGESYNC_TEST_ENTRIES")
        .ok()
        .map(|text| text.parse().expect("EDGESYNC_TEST_ENTRIES is a number"))
}

fn entries() -> usize {
    asked().unwrap_or(4_000)
}

/// Runs a test on a file system of each size and kind.
fn on_each(what: &str, kinds: &[&str], test: impl Fn(&Sandbox, &Volume, usize)) {
    for (mib, kind) in SIZES_MIB.into_iter().flat_map(|mib| kinds.iter().map(move |kind| (mib, *kind))) {
        let sandbox = Sandbox::new();
        let volume = match kind {
            "tmpfs" => Volume::in_memory(&sandbox, &format!("size={mib}m")),
            // The smallest has no room for a journal of its own.
            kind if mib < 4 => Volume::on_disk(&sandbox, kind, (mib as u64) << 20, &["-O", "^has_journal"]),
            kind => Volume::on_disk(&sandbox, kind, (mib as u64) << 20, &[]),
        };
        test(&sandbox, &volume, mib << 20);
        tally(what, format_args!("{} entries on {mib} MiB of {kind}", entries()));
    }
}

/// Entries go in by the eighth part of a disk; then the receiver has its turn.
fn chunk(disk_bytes: usize) -> usize {
    disk_bytes / 8 / ENTRY_BYTES
}

#[test]
fn append_goes_on_for_ever_on_a_small_disk_while_a_receiver_keeps_up() {
    on_each("append on a small disk", &["tmpfs", "ext4"], |sandbox, volume, bytes| {
        let journal = volume.journal();
        let payloads = readings(entries(), ENTRY_BYTES);
        let mut delivered = Vec::new();
        for part in payloads.chunks(chunk(bytes)) {
            sandbox.edgesync(["append"]).arg_path("-j", &journal).stdin(lines(part)).run().exits(0);
            let receiver = Receiver::accepting();
            sandbox.replay_to(&receiver).arg_path("-j", &journal).run().exits(0);
            delivered.extend(receiver.entries());
        }
        assert!(delivered.iter().map(|(seq, _)| *seq).eq(1..=payloads.len() as u64), "none twice");
        assert!(delivered.iter().map(|(_, data)| &data[..]).eq(payloads.iter().map(|it| it.as_bytes())));
    });
}

#[test]
fn a_buffer_goes_on_for_ever_on_a_small_disk_while_a_receiver_keeps_up() {
    let kinds: &[&str] = if asked().is_some() { &["tmpfs", "ext4"] } else { &["tmpfs"] };
    on_each("a buffer on a small disk", kinds, |_, volume, bytes| {
        let delivered = Arc::new(Mutex::new(Vec::<String>::new()));
        let sink = Arc::clone(&delivered);
        let upload = async move |batch: UploadBatch<String>| {
            sink.lock().unwrap().extend(batch.items);
            UploadResult::Delivered
        };
        let options = BufferOptions::with_persistence(volume.journal());
        let buffer = Buffer::with_upload(options, upload).unwrap();
        buffer.connectivity_restored().wait().unwrap();
        let payloads = readings(entries(), ENTRY_BYTES);
        for part in payloads.chunks(chunk(bytes)) {
            for payload in part {
                if let Err(error) = buffer.write(payload.clone()) {
                    panic!("on {bytes} bytes after {} entries: {error}", delivered.lock().unwrap().len());
                }
            }
            buffer.connectivity_restored().wait().unwrap();
        }
        drop(buffer);
        assert!(*delivered.lock().unwrap() == payloads, "each of them once, in order");
    });
}

#[test]
fn rejected_lines_find_room_on_a_small_disk_that_is_full_of_what_was_delivered() {
    let sandbox = Sandbox::new();
    let volume = Volume::in_memory(&sandbox, "size=1m");
    let journal = volume.journal();
    let program = |words: &[&str]| sandbox.edgesync(words).arg_path("-j", &journal);
    program(&["append"]).stdin(lines(readings(100, ENTRY_BYTES))).run().exits(0);
    program(&["replay", "--exec", "cat > /dev/null"]).run().exits(0);
    volume.fill();
    program(&["append"]).stdin("{oops\n\"fine\"\n").run().exits(5);
    assert_eq!(program(&["cat", "--pending"]).run().exits(0).lines(), ["\"fine\""]);
}
