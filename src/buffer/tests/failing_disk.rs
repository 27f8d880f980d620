//! What becomes of entries when the disk fails, and how writers share it.

use std::sync::atomic::Ordering;
use std::thread;

use super::support::*;
use crate::journal::test_support::seq;
use crate::{Error, OnDiskFailure};

#[test]
fn after_a_failed_flush_nothing_is_taken_until_the_buffer_is_opened_again() {
    let (faults, journal) = Faulty::journal();
    let buffer = Endpoint::accepting().buffer_over(journal.clone(), as_on_disk());
    write(&buffer, 1..=2);
    faults.set_syncs(true);
    assert!(matches!(buffer.write(event(3)).unwrap_err().error(), Error::Io { action: "sync", .. }));
    faults.set_syncs(false);
    assert!(matches!(buffer.write(event(3)).unwrap_err().error(), Error::Latched { .. }));
    drop(buffer);
    let buffer = Endpoint::accepting().buffer_over(journal, as_on_disk());
    assert_eq!(pending(&buffer), [1, 2], "what was not acknowledged is not there");
    assert_eq!(buffer.write(event(3)).unwrap(), seq(3));
}

#[test]
fn entries_that_stay_in_memory_are_counted_and_written_in_their_turn_once_the_disk_works() {
    for sync in [false, true] {
        let (faults, journal) = Faulty::journal();
        let options = as_on_disk().on_disk_failure(OnDiskFailure::KeepInMemory);
        let endpoint = Endpoint::accepting();
        let buffer = endpoint.buffer_over(journal, options);
        write(&buffer, 1..=2);
        if sync {
            faults.set_syncs(true)
        } else {
            faults.set_writes(true)
        };
        let seqs: Vec<_> = (3..=5).map(|number| buffer.write(event(number)).unwrap().get()).collect();
        assert_eq!(seqs, [3, 4, 5]);
        let stats = buffer.stats().unwrap();
        assert_eq!((stats.not_durable, stats.journal.written), (3, 2));
        assert_eq!(pending(&buffer), [1, 2, 3, 4, 5]);
        faults.set_syncs(false);
        faults.set_writes(false);
        buffer.close().wait().unwrap();
        let stats = buffer.stats().unwrap();
        assert_eq!((stats.not_durable, stats.journal.written), (0, 5));
        let entries = buffer.read_buffered().unwrap().map(Result::unwrap);
        assert!(entries.map(|entry| (entry.seq.get(), entry.item.number)).eq((1..=5).map(|n| (n, n))));
    }
}

#[test]
fn what_stays_in_memory_is_delivered_once_the_disk_works_though_nothing_else_is_written() {
    let (faults, journal) = Faulty::journal();
    let options = as_on_disk().on_disk_failure(OnDiskFailure::KeepInMemory);
    let endpoint = Endpoint::accepting();
    let buffer = endpoint.buffer_over(journal, options);
    write(&buffer, 1..=2);
    drain(&buffer);
    faults.set_writes(true);
    write(&buffer, 3..=4);
    faults.set_writes(false);
    assert_eq!(endpoint.wait_for(4), [1, 2, 3, 4]);
}

#[test]
fn what_stays_in_memory_has_a_bound_and_a_close_that_loses_it_says_so() {
    let (faults, journal) = Faulty::journal();
    let options = as_on_disk().max_capacity(3).on_disk_failure(OnDiskFailure::KeepInMemory);
    let buffer = Endpoint::accepting().buffer_over(journal, options);
    faults.set_writes(true);
    write(&buffer, 1..=3);
    let failed = buffer.write(event(4)).unwrap_err();
    assert!(matches!(failed.error(), Error::Io { .. }));
    assert_eq!(failed.into_item(), event(4));
    assert!(matches!(buffer.close().wait(), Err(Error::Io { .. })));
}

#[test]
fn threads_that_write_at_the_same_time_share_a_sync() {
    let (faults, journal) = Faulty::journal();
    let buffer = Endpoint::accepting().buffer_over(journal, as_on_disk());
    let before = faults.syncs.load(Ordering::SeqCst);
    // While one thread commits, which needs the journal's lock, the others gather behind it.
    let held = buffer.shared.journal.store().open("append.lock", crate::storage::Open::Write).unwrap();
    let lock = held.lock().unwrap();
    thread::scope(|scope| {
        for number in 1..=9 {
            let buffer = &buffer;
            scope.spawn(move || write(buffer, [number]));
        }
        while buffer.shared.intake.waiting() < 8 {
            thread::yield_now();
        }
        drop(lock);
    });
    assert_eq!(buffer.stats().unwrap().journal.written, 9);
    assert_eq!(faults.syncs.load(Ordering::SeqCst) - before, 2, "one for the first, one for all others");
}
