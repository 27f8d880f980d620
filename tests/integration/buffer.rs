//! A program's buffer and the command line, on one journal, at the same time.

use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

use edgesync::{Buffer, BufferOptions, Error, UploadBatch, UploadResult};
use serde::{Deserialize, Serialize};

use crate::harness::{Receiver, Sandbox, records};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Reading {
    celsius: f64,
}

fn buffer(sandbox: &Sandbox) -> Buffer<Reading> {
    let upload = async |_: UploadBatch<Reading>| UploadResult::Delivered;
    Buffer::with_upload(BufferOptions::with_persistence(sandbox.journal()), upload).unwrap()
}

fn write(buffer: &Buffer<Reading>, count: u32) {
    for step in 0..count {
        buffer.write(Reading { celsius: f64::from(step) }).unwrap();
    }
}

#[test]
fn the_command_line_looks_at_a_journal_while_a_program_has_it_open() {
    let sandbox = Sandbox::new();
    let buffer = buffer(&sandbox);
    write(&buffer, 3);
    sandbox.stats().shows([("written", 3), ("delivered", 0), ("pending", 3)]);
    let printed = sandbox.edgesync(["cat"]).run().exits(0).stdout();
    assert_eq!(printed, "{\"celsius\":0.0}\n{\"celsius\":1.0}\n{\"celsius\":2.0}\n");
    sandbox.edgesync(["verify"]).run().exits(0);
    buffer.connectivity_restored().wait().unwrap();
    write(&buffer, 1);
    buffer.connectivity_restored().wait().unwrap();
    sandbox.stats().shows([("written", 4), ("delivered", 4), ("pending", 0)]);
    assert_eq!(buffer.stats().unwrap().journal.written, 4);
}

#[test]
fn the_command_line_appends_to_a_program_s_journal_and_delivers_from_it() {
    let sandbox = Sandbox::new();
    let buffer = buffer(&sandbox);
    write(&buffer, 2);
    sandbox.append(["{\"celsius\":9.0}"]);
    assert_eq!(buffer.write(Reading { celsius: 5.0 }).unwrap().get(), 4, "after what the other appended");
    let receiver = Receiver::accepting();
    sandbox.replay_to(&receiver).run().exits(0);
    let body: Vec<_> = receiver.requests().iter().flat_map(|request| request.body.clone()).collect();
    assert_eq!(
        String::from_utf8(body).unwrap(),
        "{\"celsius\":0.0}\n{\"celsius\":1.0}\n{\"celsius\":9.0}\n{\"celsius\":5.0}\n"
    );
    let stats = buffer.stats().unwrap().journal;
    assert_eq!((stats.delivered, stats.pending), (4, 0), "the program sees it");
    assert_eq!(buffer.connectivity_restored().wait().unwrap().delivered, 0, "nothing is sent twice");
}

#[test]
fn what_append_writes_is_delivered_by_a_program_that_is_online_and_idle() {
    let sandbox = Sandbox::new();
    let (sent, batches) = channel();
    let upload = async move |batch: UploadBatch<Reading>| {
        sent.send(batch.items).unwrap();
        UploadResult::Delivered
    };
    let options = BufferOptions::with_persistence(sandbox.journal());
    let buffer = Buffer::with_upload(options, upload).unwrap();
    buffer.connectivity_restored().wait().unwrap();
    for celsius in [7.5, 8.5] {
        sandbox.append([format!("{{\"celsius\":{celsius}}}")]);
        assert_eq!(batches.recv_timeout(Duration::from_secs(60)).unwrap(), [Reading { celsius }]);
    }
    buffer.close().wait().unwrap();
    sandbox.stats().shows([("written", 2), ("delivered", 2), ("pending", 0)]);
}

#[test]
fn while_a_program_delivers_replay_is_told_so_and_the_other_way_round() {
    let sandbox = Sandbox::new();
    let (go_on, wait) = channel::<()>();
    let (begun, begins) = channel();
    let wait = Mutex::new(wait);
    let upload = async move |_: UploadBatch<Reading>| {
        begun.send(()).unwrap();
        wait.lock().unwrap().recv().unwrap();
        UploadResult::Delivered
    };
    let options = BufferOptions::with_persistence(sandbox.journal());
    let buffer = Buffer::with_upload(options, upload).unwrap();
    write(&buffer, 2);
    let delivering = buffer.connectivity_restored();
    begins.recv().unwrap();
    let receiver = Receiver::accepting();
    sandbox.replay_to(&receiver).run().exits(7);
    go_on.send(()).unwrap();
    assert_eq!(delivering.wait().unwrap().delivered, 2);
    sandbox.replay_to(&receiver).run().exits(0);
    assert!(receiver.requests().is_empty());
}

#[test]
fn what_a_program_left_behind_is_delivered_from_the_command_line() {
    let sandbox = Sandbox::new();
    let left = buffer(&sandbox);
    write(&left, 1_200);
    drop(left);
    let receiver = Receiver::accepting();
    sandbox.replay_to(&receiver).run().exits(0);
    assert_eq!(receiver.requests().len(), 3);
    let reopened = buffer(&sandbox);
    assert_eq!(reopened.stats().unwrap().journal.delivered, 1_200);
    assert_eq!(reopened.write(Reading { celsius: 0.0 }).unwrap().get(), 1_201);
}

#[test]
fn a_journal_that_does_not_drop_entries_hands_the_item_back_when_it_is_full() {
    let sandbox = Sandbox::new();
    let options = || BufferOptions::with_persistence(sandbox.journal()).max_capacity(2);
    let upload = async |_: UploadBatch<Reading>| UploadResult::Delivered;
    drop(Buffer::with_upload(options(), upload).unwrap());
    sandbox.edgesync(["init", "--overflow", "reject"]).run().exits(0);
    let buffer = Buffer::with_upload(options(), upload).unwrap();
    write(&buffer, 2);
    let failed = buffer.write(Reading { celsius: 7.0 }).unwrap_err();
    assert!(matches!(failed.error(), Error::Full { .. }), "{failed}");
    assert_eq!(failed.into_item(), Reading { celsius: 7.0 });
    assert_eq!(records(&sandbox.journal()).len(), 2);
}
