//! The ancestor's own nine scenarios.

use std::sync::mpsc::channel;
use std::thread;

use super::support::*;
use crate::{BufferOptions, RunEnd, UploadResult};

#[test]
fn what_is_written_offline_is_delivered_in_order_on_reconnect() {
    let endpoint = Endpoint::accepting();
    let buffer = endpoint.buffer(BufferOptions::default());
    write(&buffer, 1..=1_200);
    assert!(endpoint.taken().is_empty());
    let report = drain(&buffer);
    assert_eq!((report.delivered, report.remaining, report.end), (1_200, 0, RunEnd::Drained));
    assert!(endpoint.taken().into_iter().eq(1..=1_200));
}

#[test]
fn at_capacity_the_oldest_give_way() {
    let endpoint = Endpoint::accepting();
    let buffer = endpoint.buffer(BufferOptions::default().max_capacity(10));
    write(&buffer, 1..=25);
    assert!(pending(&buffer).into_iter().eq(16..=25));
    let stats = buffer.stats().unwrap().journal;
    assert_eq!((stats.written, stats.evicted, stats.pending), (25, 15, 10));
    drain(&buffer);
    assert!(endpoint.taken().into_iter().eq(16..=25));
}

#[test]
fn a_batch_has_no_more_entries_than_it_may() {
    let endpoint = Endpoint::accepting();
    let buffer = endpoint.buffer(BufferOptions::default().batch_size(4));
    write(&buffer, 1..=10);
    drain(&buffer);
    assert_eq!(endpoint.ranges(), [(1, 4), (5, 8), (9, 10)]);
}

#[test]
fn what_is_on_disk_is_there_after_a_restart() {
    let place = Place::new();
    let buffer = Endpoint::accepting().buffer(place.options());
    write(&buffer, 1..=50);
    drop(buffer);
    let endpoint = Endpoint::accepting();
    let buffer = endpoint.buffer(place.options());
    assert!(pending(&buffer).into_iter().eq(1..=50));
    drain(&buffer);
    assert!(endpoint.taken().into_iter().eq(1..=50));
}

#[test]
fn a_failed_upload_keeps_its_entries() {
    let endpoint = Endpoint::new(|_| UploadResult::later("no"));
    let buffer = endpoint.buffer(BufferOptions::default());
    write(&buffer, 1..=5);
    let report = drain(&buffer);
    assert_eq!((report.delivered, report.remaining), (0, 5));
    assert_eq!(report.end, RunEnd::Later { reason: "no".into() });
    assert!(pending(&buffer).into_iter().eq(1..=5));
}

#[test]
fn the_stats_add_up() {
    let endpoint = Endpoint::accepting();
    let buffer = endpoint.buffer(BufferOptions::default().max_capacity(8));
    write(&buffer, 1..=10);
    drain(&buffer);
    buffer.connectivity_lost();
    write(&buffer, 11..=13);
    let stats = buffer.stats().unwrap().journal;
    assert_eq!((stats.written, stats.delivered, stats.evicted, stats.pending), (13, 8, 2, 3));
    assert!((stats.sync_rate - 8.0 / 13.0).abs() < 1e-9 && (stats.eviction_rate - 2.0 / 13.0).abs() < 1e-9);
}

#[test]
fn the_dead_letter_threshold_is_told_every_so_many_evictions() {
    let (told, calls) = channel();
    let options = BufferOptions::default().max_capacity(10).dead_letter_threshold(5);
    let options = options.on_dead_letter_threshold(move |stats| told.send(stats.journal.evicted).unwrap());
    let buffer = Endpoint::accepting().buffer(options);
    write(&buffer, 1..=14);
    assert!(calls.try_recv().is_err(), "four are lost");
    write(&buffer, 15..=15);
    assert_eq!(calls.recv_timeout(PATIENCE), Ok(5));
    write(&buffer, 16..=24);
    assert!(calls.recv_timeout(PATIENCE).unwrap() >= 10);
    write(&buffer, 25..=25);
    assert_eq!(calls.recv_timeout(PATIENCE), Ok(15));
}

#[test]
fn concurrent_writers_lose_nothing_and_never_share_a_seq() {
    let place = Place::new();
    for options in [BufferOptions::default(), place.options()] {
        let endpoint = Endpoint::accepting();
        let buffer = endpoint.buffer(options);
        let mut seqs = thread::scope(|scope| {
            let writer = |from: u64| {
                let buffer = &buffer;
                scope.spawn(move || {
                    let seqs = (from..from + 50).map(|number| buffer.write(event(number)).unwrap().get());
                    let seqs: Vec<_> = seqs.collect();
                    assert!(seqs.is_sorted(), "one thread's entries keep its order");
                    seqs
                })
            };
            let writers: Vec<_> = (0..8).map(|index| writer(index * 50)).collect();
            writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect::<Vec<_>>()
        });
        seqs.sort_unstable();
        assert!(seqs.into_iter().eq(1..=400));
        drain(&buffer);
        let mut taken = endpoint.taken();
        for writer in 0..8 {
            let own = taken.iter().copied().filter(|number| number / 50 == writer);
            assert!(own.eq(writer * 50..writer * 50 + 50));
        }
        taken.sort_unstable();
        assert!(taken.into_iter().eq(0..400));
    }
}

#[test]
fn read_buffered_shows_what_waits_in_the_order_of_seqs() {
    let endpoint = Endpoint::accepting();
    let buffer = endpoint.buffer(BufferOptions::default());
    write(&buffer, 1..=3);
    drain(&buffer);
    buffer.connectivity_lost();
    write(&buffer, [9, 4, 7]);
    let entries: Vec<_> = buffer.read_buffered().unwrap().map(Result::unwrap).collect();
    let seen: Vec<_> = entries.iter().map(|entry| (entry.seq.get(), entry.item.number)).collect();
    assert_eq!(seen, [(4, 9), (5, 4), (6, 7)]);
    assert!(entries.iter().all(|entry| entry.at.age().unwrap().as_secs() < 3_600));
}
