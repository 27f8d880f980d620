//! What each operation costs does not depend on how many segments there are: shown by counting calls, not by a clock.

use std::path::Path;
use std::sync::Arc;

use super::test_support::{block, seq};
use super::*;
use crate::storage::sim::{Call, Fault, Plan, Sim, World};

const SEGMENT_BYTES: u64 = 1024;
/// In one segment.
const ENTRIES: u64 = 10;

/// A journal on a simulated disk whose segments hold ten entries each.
struct Many {
    sim: Sim,
    journal: Journal,
    appenders: [Appender; 2],
}

impl Many {
    fn new(segments: u64, settings: &Settings) -> Self {
        let sim = Sim::new(World::default());
        let max_bytes = settings.max_bytes.or(Some(16 << 20));
        let settings = Settings { segment_bytes: Some(SEGMENT_BYTES), max_bytes, ..settings.clone() };
        let store = Store::new(Path::new("journal"), Arc::new(sim.clone()));
        let journal = Journal::open_or_create_in(store, &settings).unwrap();
        let appenders = [Appender::open(&journal).unwrap(), Appender::open(&journal).unwrap()];
        let mut many = Self { sim, journal, appenders };
        (0..segments).for_each(|_| many.append(0));
        many
    }

    /// One segment's entries by one of two writers.
    fn append(&mut self, writer: usize) {
        let payload = format!("\"{}\"", "x".repeat(22));
        let mut block = block(std::iter::repeat_n(payload, ENTRIES as usize));
        self.appenders[writer].commit(&mut block, Durability::Sync).unwrap();
    }

    fn settle(&self, entries: u64) {
        let cursor = CursorFile::open(self.journal.store(), Open::Write).unwrap();
        cursor.update(|state| state.evict_to(seq(entries + 1))).unwrap();
    }

    /// Calls that list the directory or look at a file in it, during some work.
    fn looks(&mut self, work: impl FnOnce(&mut Self)) -> (u64, u64) {
        let before = [Call::List, Call::Look].map(|call| self.sim.count(call));
        work(self);
        (self.sim.count(Call::List) - before[0], self.sim.count(Call::Look) - before[1])
    }
}

/// Some work costs the same in a journal of few segments and in one of many.
fn costs_the_same(settings: &Settings, work: impl Fn(&mut Many)) {
    let costs = [30, 300].map(|segments| Many::new(segments, settings).looks(&work));
    assert_eq!(costs[0], costs[1], "(lists, looks) at 30 and at 300 segments");
}

#[test]
fn what_an_append_costs_does_not_grow_with_the_number_of_segments() {
    costs_the_same(&Settings::default(), |many| (0..20).for_each(|_| many.append(0)));
    let mut many = Many::new(3, &Settings::default());
    let (lists, _) = many.looks(|many| (0..20).for_each(|_| many.append(0)));
    assert_eq!(lists, 0, "a writer that is alone never lists the directory again");
}

#[test]
fn what_taking_turns_with_another_writer_costs_does_not_grow_with_the_number_of_segments() {
    costs_the_same(&Settings::default(), |many| (0..20).for_each(|turn| many.append(turn % 2)));
    let mut many = Many::new(3, &Settings::default());
    many.append(1);
    let (lists, _) = many.looks(|many| (0..20).for_each(|turn| many.append(turn % 2)));
    assert_eq!(lists, 0, "what another writer has changed is in its mark");
}

#[test]
fn a_segment_that_the_mark_does_not_know_of_is_found_by_the_next_writer() {
    let mut many = Many::new(3, &Settings::default());
    many.append(1);
    let mark = |many: &Many| {
        let lock = many.journal.store().open(layout::APPEND_LOCK, Open::Write).unwrap();
        TailMark::read(&lock).unwrap().map(|mark| (lock, mark)).unwrap()
    };
    let (lock, before) = mark(&many);
    assert!(Tail::find_known(many.journal.store(), before.segment, &before).unwrap().is_some());
    many.append(1);
    let next = many.appenders[1].next_seq();
    // As a process leaves it that was killed, and whose mark is lost.
    before.write(&lock).unwrap();
    assert!(Tail::find_known(many.journal.store(), before.segment, &before).unwrap().is_none());
    many.append(0);
    assert_eq!(many.appenders[0].next_seq(), next.plus(ENTRIES), "no seq is given twice");
}

#[test]
fn what_opening_a_journal_and_its_stats_cost_does_not_grow_with_the_number_of_segments() {
    costs_the_same(&Settings::default(), |many| {
        let journal = Journal::open_in(many.journal.store().clone(), true).unwrap();
        Appender::open(&journal).unwrap();
        journal.stats().unwrap();
    });
}

#[test]
fn what_reading_costs_does_not_grow_with_the_number_of_segments() {
    costs_the_same(&Settings::default(), |many| {
        let mut reader = many.journal.reader(seq(1)).unwrap();
        (0..20 * ENTRIES).for_each(|_| assert!(reader.read().unwrap().is_some()));
    });
    let mut many = Many::new(20, &Settings::default());
    let (lists, _) = many.looks(|many| {
        let mut reader = many.journal.reader(seq(1)).unwrap();
        (0..20 * ENTRIES).for_each(|_| assert!(reader.read().unwrap().is_some()));
    });
    assert_eq!(lists, 1, "a reader lists the directory once");
}

#[test]
fn what_giving_back_costs_does_not_grow_with_the_number_of_segments_that_stay() {
    costs_the_same(&Settings::default(), |many| {
        many.settle(20 * ENTRIES);
        assert_eq!(many.journal.compact(false).unwrap().segments, 20);
    });
}

#[test]
fn what_dropping_the_oldest_costs_does_not_grow_with_the_number_of_segments() {
    let costs = [64, 256].map(|kib| {
        let settings = Settings { max_bytes: Some(kib << 10), ..Settings::default() };
        let mut many = Many::new(2 * kib, &settings);
        assert!(many.appenders[0].last_seen().0 > seq(1), "it is at its limit");
        many.looks(|many| (0..20).for_each(|_| many.append(0)))
    });
    assert_eq!((costs[0].0, costs[1].0), (0, 0), "lists");
    // How often room is made differs by a few.
    assert!(costs[1].1 <= costs[0].1 * 11 / 10, "looks with limits of 64 KiB and 256 KiB: {costs:?}");
}

#[test]
fn where_everything_is_settled_no_write_fails_for_want_of_disk_space() {
    let many = Many::new(1, &Settings::default());
    many.settle(ENTRIES);
    let world = many.sim.world();
    let mut met = 0;
    for at in 1..80 {
        let sim = Sim::new(world.clone());
        let store = Store::new(Path::new("journal"), Arc::new(sim.clone()));
        let journal = Journal::open_in(store, true).unwrap();
        let mut appender = Appender::open(&journal).unwrap();
        sim.fail(Some(Plan { at: sim.calls() + at, fault: Fault::NoSpaceForData, for_good: false }));
        let committed = appender.commit(&mut block(["1".to_owned()]), Durability::Sync).unwrap();
        assert!(committed.taken == 1 && committed.failure.is_none(), "call {at}: {committed:?}");
        met += u64::from(sim.fired());
        assert_eq!(journal.stats().unwrap().next_seq, ENTRIES + 2);
    }
    assert!(met > 1, "{met}");
}
