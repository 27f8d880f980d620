//! Where the ancestor breaks: each of these fails there.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::support::*;
use crate::journal::test_support::{block, seq};
use crate::journal::{Appender, Durability, TailMark};
use crate::storage::Open;
use crate::{BufferOptions, Error, Journal, Settings, UploadResult};

#[test]
fn seqs_go_on_after_a_restart() {
    let place = Place::new();
    let buffer = Endpoint::accepting().buffer(place.options());
    write(&buffer, 1..=3);
    drain(&buffer);
    buffer.close().wait().unwrap();
    let buffer = Endpoint::accepting().buffer(place.options());
    assert_eq!(buffer.write(event(4)).unwrap(), seq(4));
}

#[test]
fn a_failed_batch_keeps_its_place_and_its_order_before_newer_entries() {
    let endpoint = Endpoint::new(|_| UploadResult::later("no"));
    let buffer = endpoint.buffer(BufferOptions::default().batch_size(3));
    write(&buffer, 1..=3);
    drain(&buffer);
    write(&buffer, 4..=6);
    assert_eq!(pending(&buffer), [1, 2, 3, 4, 5, 6]);
    endpoint.answers(|_| UploadResult::Delivered);
    drain(&buffer);
    assert_eq!(endpoint.ranges(), [(1, 3), (1, 3), (4, 6)]);
    assert_eq!(endpoint.taken(), [1, 2, 3, 4, 5, 6]);
    let keys: Vec<_> = endpoint.batches().into_iter().map(|batch| batch.idempotency_key).collect();
    assert_eq!(keys[0], keys[1], "the receiver can tell that it is the same");
}

#[test]
fn entries_written_while_online_never_overtake_each_other() {
    let endpoint = Endpoint::new(|batch| {
        if batch.first.get().is_multiple_of(7) {
            thread::yield_now();
        }
        UploadResult::Delivered
    });
    let buffer = endpoint.buffer(BufferOptions::default().batch_size(5));
    drain(&buffer);
    thread::scope(|scope| {
        for writer in 0..4 {
            let buffer = &buffer;
            scope.spawn(move || write(buffer, writer * 250..writer * 250 + 250));
        }
    });
    endpoint.wait_for(1_000);
    let ranges = endpoint.ranges();
    assert_eq!(ranges[0].0, 1);
    assert!(ranges.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0), "one upload at a time, in order");
}

#[test]
fn giving_space_back_while_writers_go_on_loses_nothing() {
    let place = Place::new();
    let settings =
        Settings { segment_bytes: Some(1 << 10), max_bytes: Some(16 << 20), ..Settings::default() };
    Journal::open_or_create(&place.path(), &settings).unwrap();
    let endpoint = Endpoint::accepting();
    let buffer = endpoint.buffer(place.options().batch_size(7));
    drain(&buffer);
    let journal = Journal::open(&place.path()).unwrap();
    let writing = AtomicBool::new(true);
    thread::scope(|scope| {
        scope.spawn(|| {
            while writing.load(Ordering::SeqCst) {
                journal.compact(false).unwrap();
            }
        });
        write(&buffer, 1..=150);
        writing.store(false, Ordering::SeqCst);
    });
    assert!(endpoint.wait_for(150).into_iter().eq(1..=150));
    drain(&buffer);
    assert!(buffer.stats().unwrap().journal.segments <= 2, "space was given back");
}

#[test]
fn evicted_entries_do_not_come_back_after_a_restart() {
    let place = Place::new();
    let options = || place.options().max_capacity(4);
    let buffer = Endpoint::accepting().buffer(options());
    write(&buffer, 1..=10);
    drop(buffer);
    let endpoint = Endpoint::accepting();
    let buffer = endpoint.buffer(options());
    assert_eq!(pending(&buffer), [7, 8, 9, 10]);
    drain(&buffer);
    assert_eq!(endpoint.taken(), [7, 8, 9, 10]);
    assert_eq!(buffer.stats().unwrap().journal.evicted, 6);
}

#[test]
fn recovery_is_over_before_anybody_can_say_that_there_is_a_connection() {
    let place = Place::new();
    let buffer = Endpoint::accepting().buffer(place.options());
    write(&buffer, 1..=5);
    drop(buffer);
    // What a crash in the middle of a write leaves: a torn record, and no word about where the journal ends.
    let segment = place.path().join("00000000000000000001.jsonl");
    let mut bytes = fs::read(&segment).unwrap();
    bytes.extend_from_slice(b"{\"seq\":6,\"at\":\"2026-");
    fs::write(&segment, bytes).unwrap();
    fs::write(place.path().join("append.lock"), b"").unwrap();

    let endpoint = Endpoint::accepting();
    let buffer = endpoint.buffer(place.options());
    assert!(fs::read(&segment).unwrap().ends_with(b"\"}\n"), "the torn record is cut");
    assert_eq!(drain(&buffer).delivered, 5);
    assert_eq!(endpoint.taken(), [1, 2, 3, 4, 5]);
    assert_eq!(buffer.write(event(6)).unwrap(), seq(6));
}

#[test]
fn recovery_respects_the_capacity() {
    let place = Place::new();
    let buffer = Endpoint::accepting().buffer(place.options());
    write(&buffer, 1..=100);
    drop(buffer);
    let buffer = Endpoint::accepting().buffer(place.options().max_capacity(10));
    let stats = buffer.stats().unwrap().journal;
    assert_eq!((stats.pending, stats.evicted), (10, 90));
    assert!(pending(&buffer).into_iter().eq(91..=100));
}

#[test]
fn a_failed_disk_write_fails_the_write_and_hands_the_item_back() {
    let (faults, journal) = Faulty::journal();
    let buffer = Endpoint::accepting().buffer_over(journal, as_on_disk());
    write(&buffer, 1..=2);
    faults.set_writes(true);
    let failed = buffer.write(event(3)).unwrap_err();
    assert!(matches!(failed.error(), Error::Io { action: "write", .. }), "{failed}");
    assert_eq!(failed.into_item(), event(3));
    faults.set_writes(false);
    assert_eq!(
        buffer.write(event(3)).unwrap(),
        seq(3),
        "a full disk that has room again takes entries again"
    );
    assert_eq!(pending(&buffer), [1, 2, 3]);
}

#[test]
fn every_entry_is_synced_before_its_write_returns() {
    let (faults, journal) = Faulty::journal();
    let lock = journal.store().open("append.lock", Open::Read).unwrap();
    let durable = || TailMark::read(&lock).unwrap().unwrap().durable_next;
    let buffer = Endpoint::accepting().buffer_over(journal, as_on_disk());
    for number in 1..=5 {
        let before = faults.syncs.load(Ordering::SeqCst);
        let written = buffer.write(event(number)).unwrap();
        assert!(faults.syncs.load(Ordering::SeqCst) > before);
        assert_eq!(durable(), written.next());
    }
}

#[test]
fn a_batch_rewrites_nothing_of_what_waits() {
    let (faults, journal) = Faulty::journal();
    let mut appender = Appender::open(&journal).unwrap();
    appender.commit(&mut block((1..=20_000).map(|number| number.to_string())), Durability::Sync).unwrap();
    drop(appender);
    let endpoint = Endpoint::accepting();
    // Numbers are no events: they become dead letters one by one, until the tenth in a row.
    let buffer = endpoint.buffer_over(journal.clone(), as_on_disk().batch_size(1));
    let before = faults.writes.load(Ordering::SeqCst);
    let report = drain(&buffer);
    assert_eq!(report.dead_lettered, 9);
    let written = faults.writes.load(Ordering::SeqCst) - before;
    // Some thirty cursor steps of one page each, the dead letters, and two notes of the attempt.
    assert!(written < 33 * 4_096, "{written} bytes, however much waits");
}
