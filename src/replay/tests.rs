//! Whole runs, to a sink that follows a script.

use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::*;
use crate::exec_lock::ExecLock;
use crate::journal::test_support::{Fixture, alerting, alerting_and_passed_in_flight, alerts, append};
use crate::journal::{CursorFile, CursorState, InFlight, Item, Settings, keep_dead_letter};
use crate::record::Seq;
use crate::sink::{Batch, Outcome};
use crate::storage::Open;

type Answer = dyn Fn(&Batch, usize) -> Outcome + Send + Sync;

/// Answers as a function says, and remembers what it was sent.
#[derive(Clone)]
struct Script {
    sent: Arc<Mutex<Vec<Batch>>>,
    answer: Arc<Answer>,
}

impl Script {
    fn new(answer: impl Fn(&Batch, usize) -> Outcome + Send + Sync + 'static) -> Self {
        Self { sent: Arc::default(), answer: Arc::new(answer) }
    }

    fn accepting() -> Self {
        Self::new(|_, _| TAKEN)
    }

    /// Refuses every batch with one of these entries in it.
    fn refusing(bad: &'static [u64]) -> Self {
        Self::new(move |batch, _| {
            let range = batch.first.get()..=batch.last.get();
            if bad.iter().any(|seq| range.contains(seq)) { refused() } else { TAKEN }
        })
    }

    fn ranges(&self) -> Vec<(u64, u64)> {
        let sent = self.sent.lock().unwrap();
        sent.iter().map(|batch| (batch.first.get(), batch.last.get())).collect()
    }
}

impl Sink for Script {
    fn send(&mut self, batch: &Batch, _attempt: u32) -> Outcome {
        let mut sent = self.sent.lock().unwrap();
        sent.push(batch.clone());
        (self.answer)(batch, sent.len())
    }
}

const TAKEN: Outcome = Outcome::Delivered { through: None };

fn refused() -> Outcome {
    Outcome::Refused { status: 422, reason: "no".into() }
}

fn later() -> Outcome {
    Outcome::Later { reason: "not now".into(), retry_after: None }
}

fn options(batch_size: u64) -> ReplayOptions {
    ReplayOptions { batch_size, retries: 0, backoff: Duration::ZERO, ..ReplayOptions::default() }
}

fn run(journal: &Journal, script: &Script, options: &ReplayOptions) -> ReplayReport {
    let replayer = Replayer::new(journal, script.clone(), options).unwrap();
    let report = replayer.run(&Stop::never(), &mut |_| ()).unwrap();
    let stats = journal.stats().unwrap();
    let counted = stats.delivered + stats.dead_lettered + stats.evicted + stats.damaged + stats.skipped;
    assert_eq!(stats.written, counted + stats.pending, "{stats:?}");
    report
}

fn journal(entries: u64) -> (Fixture, Journal) {
    let (fixture, journal) = Fixture::new(&Settings {
        segment_bytes: Some(4096),
        max_bytes: Some(16 << 20),
        ..Settings::default()
    });
    append(&journal, 1, entries);
    (fixture, journal)
}

#[test]
fn everything_pending_is_delivered_in_order_with_its_predecessor_named() {
    let (_fixture, journal) = journal(25);
    let script = Script::accepting();
    let report = run(&journal, &script, &options(10));
    assert_eq!((report.delivered, report.remaining, report.end), (25, 0, RunEnd::Drained));
    assert_eq!(script.ranges(), [(1, 10), (11, 20), (21, 25)]);
    let sent = script.sent.lock().unwrap();
    assert_eq!(sent[0].previous, None);
    assert_eq!(sent[2].previous.unwrap().get(), 20);
    assert_eq!(sent[2].body, b"21\n22\n23\n24\n25\n");
}

#[test]
fn one_cursor_step_a_batch_and_one_at_either_end() {
    let (_fixture, journal) = journal(100);
    let before = CursorSteps::of(&journal);
    run(&journal, &Script::accepting(), &options(10));
    assert_eq!(CursorSteps::of(&journal) - before, 12);
}

#[test]
fn stats_tell_what_the_last_runs_came_to() {
    let (_fixture, journal) = journal(6);
    let told = |script: &Script| {
        run(&journal, script, &options(2));
        let stats = journal.stats().unwrap();
        assert!(stats.last_attempt.is_some());
        (stats.last_success, stats.last_error)
    };
    let (success, error) = told(&Script::new(|_, _| later()));
    assert_eq!((success, error.as_deref()), (None, Some("not now")));
    let (success, error) = told(&Script::new(|_, count| if count == 1 { TAKEN } else { later() }));
    let partial = success.expect("something was taken");
    assert_eq!(error.as_deref(), Some("not now"));
    let (success, error) = told(&Script::refusing(&[3, 4, 5, 6]));
    assert_eq!(success.as_ref(), Some(&partial), "to have everything refused is no success");
    assert_eq!(error.as_deref(), Some("seq 6 was refused with status 422: no"));
    let (success, error) = told(&Script::accepting());
    assert!(success.unwrap() > partial, "nothing was left to deliver");
    assert!(error.is_some(), "the last error stays");
}

#[test]
fn an_odd_receiver_ends_the_run_and_calls_for_a_person() {
    let (_fixture, journal) = journal(3);
    let odd = || Outcome::Suspicious { reason: "not a receiver".into(), retry_after: None };
    let report = run(&journal, &Script::new(move |_, _| odd()), &ReplayOptions { retries: 2, ..options(2) });
    assert_eq!(report.end, RunEnd::Suspicious { reason: "not a receiver".into() });
    assert!(report.end.needs_a_person() && report.remaining == 3);
    let report = run(&journal, &Script::new(|_, _| later()), &options(2));
    assert!(!report.end.needs_a_person(), "{:?}", report.end);
}

#[test]
fn what_lies_before_a_missing_file_is_delivered_once_and_recorded() {
    let (fixture, journal) = journal(200);
    let mut segments: Vec<_> =
        fs::read_dir(&fixture.path).unwrap().map(|entry| entry.unwrap().path()).collect();
    segments.retain(|path| path.file_stem().is_some_and(|stem| stem.len() == 20));
    segments.sort();
    let missing = segments[1].file_stem().unwrap().to_str().unwrap().parse::<u64>().unwrap();
    fs::remove_file(&segments[1]).unwrap();
    for sent in [missing - 1, 0] {
        let script = Script::accepting();
        let replayer = Replayer::new(&journal, script.clone(), &options(7));
        let error = replayer.and_then(|replayer| replayer.run(&Stop::never(), &mut |_| ())).unwrap_err();
        assert!(matches!(error, Error::MissingSegment { first, .. } if first.get() == missing), "{error}");
        assert_eq!(script.ranges().iter().map(|(first, last)| last - first + 1).sum::<u64>(), sent);
        assert_eq!(journal.stats().unwrap().delivered, missing - 1);
    }
}

fn cursor_of(journal: &Journal) -> CursorState {
    CursorFile::open(journal.store(), Open::Read).unwrap().load().unwrap()
}

fn in_flight(journal: &Journal) -> usize {
    cursor_of(journal).in_flight.len()
}

struct CursorSteps;

impl CursorSteps {
    fn of(journal: &Journal) -> u64 {
        cursor_of(journal).syncs
    }
}

#[test]
fn a_batch_that_may_have_arrived_is_sent_again_as_it_was() {
    let (_fixture, journal) = journal(25);
    let unlucky = Script::new(|_, count| if count == 2 { later() } else { TAKEN });
    let report = run(&journal, &unlucky, &options(10));
    assert_eq!((report.delivered, report.remaining), (10, 15));
    assert!(matches!(report.end, RunEnd::Later { .. }));
    append(&journal, 26, 5);
    let script = Script::accepting();
    // Another size now: what was begun keeps its boundaries.
    run(&journal, &script, &options(100));
    assert_eq!(script.ranges(), [(11, 20), (21, 25), (26, 30)]);
    assert_eq!(script.sent.lock().unwrap()[0], unlucky.sent.lock().unwrap()[1]);
}

#[test]
fn refused_entries_become_dead_letters_and_nothing_overtakes_them() {
    let (_fixture, journal) = journal(60);
    let script = Script::refusing(&[1, 7, 8, 9, 30, 60]);
    let report = run(&journal, &script, &options(20));
    assert_eq!((report.delivered, report.dead_lettered, report.remaining), (54, 6, 0));
    let mut dead = Vec::new();
    for letter in journal.dead_letters().unwrap() {
        let (letter, _) = letter.unwrap();
        assert_eq!(letter.data.get(), letter.seq.to_string());
        dead.push(letter.seq.get());
    }
    assert_eq!(dead, [1, 7, 8, 9, 30, 60]);
    let firsts: Vec<u64> = script.ranges().iter().map(|range| range.0).collect();
    assert!(firsts.is_sorted(), "{firsts:?}");
}

#[test]
fn an_endpoint_that_refuses_everything_does_not_get_the_backlog_dead_lettered() {
    let (_fixture, journal) = journal(100);
    let report = run(&journal, &Script::new(|_, _| refused()), &options(20));
    let end =
        RunEnd::RefusesAll { refusals: 10, seq: Seq::new(10).unwrap(), status: 422, reason: "no".into() };
    assert_eq!(report.end, end);
    assert_eq!((report.delivered, report.dead_lettered, report.remaining), (0, 9, 91));
    assert_eq!(report.dead_letter_statuses, [422]);
}

#[test]
fn at_the_limit_of_refusals_every_further_run_asks_once_and_loses_nothing() {
    let (_fixture, journal) = journal(100);
    run(&journal, &Script::new(|_, _| refused()), &options(20));
    for _ in 0..5 {
        let script = Script::new(|_, _| refused());
        let report = run(&journal, &script, &options(20));
        assert_eq!((report.dead_lettered, report.remaining), (0, 91));
        assert_eq!(script.ranges(), [(10, 10)]);
    }
    // The probe is taken: the run goes on, and the count begins anew.
    let report = run(&journal, &Script::refusing(&[50]), &options(20));
    assert_eq!((report.delivered, report.dead_lettered, report.end), (90, 1, RunEnd::Drained));
    assert_eq!(cursor_of(&journal).refusals, 0);
}

#[test]
fn without_a_limit_of_refusals_one_run_goes_past_them_all() {
    let (_fixture, journal) = journal(30);
    let unlimited = ReplayOptions { refusals_max: 0, ..options(20) };
    let report = run(&journal, &Script::new(|_, _| refused()), &unlimited);
    assert_eq!((report.dead_lettered, report.end), (30, RunEnd::Drained));
    append(&journal, 31, 5);
    let report = run(&journal, &Script::new(|_, _| refused()), &options(20));
    assert_eq!((report.dead_lettered, report.remaining), (0, 5), "nothing was accepted in between");
    let first_of_all = ReplayOptions { refusals_max: 1, ..options(20) };
    let (_fixture, journal) = self::journal(3);
    let report = run(&journal, &Script::new(|_, _| refused()), &first_of_all);
    assert_eq!((report.dead_lettered, report.remaining), (0, 3));
}

#[test]
fn a_dead_letter_that_a_crash_left_uncounted_does_not_add_to_the_limit() {
    let (_fixture, journal) = journal(100);
    for _ in 0..30 {
        // A run that dies after it has kept its dead letter and before the cursor moves, again and again.
        let state = cursor_of(&journal);
        if state.refusals < 9 {
            let mut reader = journal.reader(state.cursor).unwrap();
            let Some(Item::Entry(record)) = reader.read().unwrap() else { panic!() };
            keep_dead_letter(&journal, &record, 422, "no").unwrap();
        }
        run(&journal, &Script::new(|_, _| refused()), &ReplayOptions { refusals_max: 10, ..options(20) });
    }
    assert_eq!(journal.stats().unwrap().dead_lettered, 9);
    assert_eq!(journal.dead_letters().unwrap().count(), 9);
}

/// A script whose receiver has a name.
struct Named(Script, &'static str);

impl Sink for Named {
    fn send(&mut self, batch: &Batch, attempt: u32) -> Outcome {
        self.0.send(batch, attempt)
    }

    fn receiver(&self) -> Option<String> {
        Some(self.1.into())
    }
}

fn run_named(
    journal: &Journal,
    script: &Script,
    name: &'static str,
    require_ack: RequireAck,
) -> ReplayReport {
    let options = ReplayOptions { require_ack, ..options(10) };
    let replayer = Replayer::new(journal, Named(script.clone(), name), &options).unwrap();
    replayer.run(&Stop::never(), &mut |_| ()).unwrap()
}

#[test]
fn a_receiver_that_has_once_acknowledged_must_go_on_to() {
    let (_fixture, journal) = journal(10);
    let acknowledging = Script::new(|batch, _| Outcome::Delivered { through: Some(batch.last.get()) });
    assert_eq!(run_named(&journal, &acknowledging, "a", RequireAck::Auto).delivered, 10);
    append(&journal, 11, 10);
    let portal = Script::accepting();
    let report = run_named(&journal, &portal, "a", RequireAck::Auto);
    assert!(matches!(report.end, RunEnd::Unacknowledged { .. }), "{report:?}");
    assert_eq!((report.delivered, report.remaining), (0, 10));
    // Whatever else is delivered to; and once it is forgotten.
    assert_eq!(run_named(&journal, &portal, "b", RequireAck::Auto).delivered, 10);
    append(&journal, 21, 10);
    assert_eq!(run_named(&journal, &portal, "a", RequireAck::Always).delivered, 0);
    assert_eq!(run_named(&journal, &portal, "a", RequireAck::Never).delivered, 10);
    append(&journal, 31, 10);
    assert_eq!(run_named(&journal, &portal, "a", RequireAck::Auto).delivered, 10);
}

#[test]
fn a_batch_that_is_too_large_is_halved_and_later_ones_start_small() {
    let (_fixture, journal) = journal(64);
    let script =
        Script::new(
            |batch, _| {
                if batch.count() > 5 { Outcome::TooLarge { reason: "413".into() } } else { TAKEN }
            },
        );
    let report = run(&journal, &script, &options(32));
    assert_eq!((report.delivered, report.remaining), (64, 0));
    let too_large = script.ranges().iter().filter(|(first, last)| last - first >= 5).count();
    assert!(too_large <= 8, "{:?}", script.ranges());
}

#[test]
fn a_batch_taken_in_part_goes_on_after_the_last_entry_taken() {
    let (_fixture, journal) = journal(20);
    let script = Script::new(|batch, count| Outcome::Delivered {
        through: (count == 1).then(|| batch.first.get() + 2),
    });
    assert_eq!(run(&journal, &script, &options(10)).delivered, 20);
    assert_eq!(script.ranges(), [(1, 10), (4, 13), (14, 20)]);
}

#[test]
fn damage_is_set_aside_counted_and_stepped_over_in_its_turn() {
    let (fixture, journal) = journal(30);
    let path = fixture.path.join("00000000000000000001.jsonl");
    let mut bytes = fs::read(&path).unwrap();
    let record = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for seq in [4, 5, 12] {
        bytes[record * (seq - 1) + 20] ^= 1;
    }
    fs::write(&path, &bytes).unwrap();
    let script = Script::accepting();
    let report = run(&journal, &script, &options(10));
    assert_eq!((report.delivered, report.damaged, report.remaining), (27, 3, 0));
    assert_eq!(script.ranges(), [(1, 3), (6, 11), (13, 22), (23, 30)]);
    assert_eq!(script.sent.lock().unwrap()[1].previous.unwrap().get(), 3);
    let aside = fs::read_to_string(fixture.path.join("damaged.jsonl")).unwrap();
    assert_eq!(aside.lines().count(), 2, "{aside}");
}

#[test]
fn what_is_evicted_in_flight_and_then_taken_counts_as_delivered() {
    let settings = Settings { max_entries: Some(10), ..Settings::default() };
    let (_fixture, journal) = Fixture::new(&settings);
    append(&journal, 1, 10);
    let writer = journal.clone();
    let script = Script::new(move |_, count| {
        if count == 1 {
            // Not before the batch after this one is in flight too.
            let patience = Instant::now() + Duration::from_secs(60);
            while in_flight(&writer) < 2 {
                assert!(Instant::now() < patience, "the next batch never is in flight");
                std::thread::yield_now();
            }
            append(&writer, 11, 12);
        }
        TAKEN
    });
    let report = run(&journal, &script, &options(4));
    assert_eq!(script.ranges(), [(1, 4), (5, 8)]);
    assert_eq!((report.delivered, report.evicted), (8, 4));
    let stats = journal.stats().unwrap();
    assert_eq!((stats.delivered, stats.evicted, stats.pending), (8, 4, 10));
}

#[test]
fn a_loss_that_a_run_finds_when_it_begins_raises_the_alert() {
    let (fixture, journal) = alerting_and_passed_in_flight();
    let report = run(&journal, &Script::accepting(), &options(20));
    assert_eq!((report.evicted, report.delivered), (15, 15));
    assert_eq!(alerts(&fixture, &journal), [15]);
}

#[test]
fn a_loss_that_a_refused_batch_brings_to_light_raises_the_alert() {
    let (fixture, journal) = alerting();
    let writer = journal.clone();
    let script = Script::new(move |_, count| {
        if count > 1 {
            return TAKEN;
        }
        // All that is on the link is passed by eviction, and then refused.
        append(&writer, 16, 15);
        refused()
    });
    let report = run(&journal, &script, &options(20));
    assert_eq!((report.evicted, report.dead_lettered), (15, 0));
    assert_eq!(alerts(&fixture, &journal), [15]);
}

#[test]
fn a_second_replayer_is_told_that_it_is_busy() {
    let (_fixture, journal) = journal(3);
    let held = Replayer::new(&journal, Script::accepting(), &options(10)).unwrap();
    let second = Replayer::new(&journal, Script::accepting(), &options(10));
    assert!(matches!(second.err().unwrap(), Error::Busy { .. }));
    drop(held);
    assert_eq!(run(&journal, &Script::accepting(), &options(10)).delivered, 3);
}

#[test]
fn nothing_is_delivered_while_a_command_of_another_run_may_still_deliver() {
    let (_fixture, journal) = journal(3);
    let orphan = journal.exec_lock().take(Duration::from_secs(600)).unwrap().unwrap();
    let script = Script::accepting();
    let second = Replayer::new(&journal, script.clone(), &options(10));
    assert!(matches!(second.err().unwrap(), Error::CommandRuns { left: Some(_), .. }));
    assert!(matches!(Journal::repair(journal.path(), &mut |_| ()), Err(Error::CommandRuns { .. })));
    drop(orphan);
    assert_eq!(run(&journal, &script, &options(10)).delivered, 3);
}

#[test]
fn what_a_command_of_another_run_may_still_deliver_is_not_counted_as_evicted() {
    let settings = Settings { max_entries: Some(4), ..Settings::default() };
    let (_fixture, journal) = Fixture::new(&settings);
    append(&journal, 1, 3);
    // A run was killed with a batch on the link, which its command has.
    let batch = InFlight { first: Seq::FIRST, last: Seq::FIRST.plus(2), body: BodyFormat::Ndjson };
    let cursor = CursorFile::open(journal.store(), Open::Write).unwrap();
    cursor.update(|state| state.begin(batch)).unwrap();
    let orphan = journal.exec_lock().take(Duration::from_secs(600)).unwrap().unwrap();
    append(&journal, 4, 4);
    let stats = journal.stats().unwrap();
    assert_eq!((stats.evicted, stats.pending), (0, 7));
    drop(orphan);
    append(&journal, 8, 1);
    let stats = journal.stats().unwrap();
    assert_eq!((stats.evicted, stats.pending), (4, 4));
}

#[test]
fn a_sink_is_given_the_lock_that_its_commands_are_to_hold() {
    struct Guarded(Arc<Mutex<Vec<String>>>);
    impl Sink for Guarded {
        fn send(&mut self, _: &Batch, _: u32) -> Outcome {
            TAKEN
        }
        fn guard(&mut self, lock: ExecLock) {
            self.0.lock().unwrap().push(format!("{lock:?}"));
        }
    }
    let (_fixture, journal) = journal(3);
    let given = Arc::default();
    let sink: Box<dyn Sink> = Box::new(Guarded(Arc::clone(&given)));
    Replayer::new(&journal, sink, &options(10)).unwrap().run(&Stop::never(), &mut |_| ()).unwrap();
    let given = given.lock().unwrap();
    assert!(given.len() == 1 && given[0].contains("exec.lock"), "{given:?}");
}

#[test]
fn patience_ends_after_the_retries() {
    let (_fixture, journal) = journal(3);
    let script = Script::new(|_, _| later());
    let report = run(&journal, &script, &ReplayOptions { retries: 2, ..options(10) });
    assert_eq!(script.ranges(), [(1, 3); 3]);
    assert_eq!((report.delivered, report.remaining), (0, 3));
}

#[test]
fn a_request_that_fails_once_the_run_is_to_stop_was_stopped_whatever_its_answer() {
    let (_fixture, journal) = journal(5);
    for answer in [later(), TAKEN, refused()] {
        let (stopper, stop) = Stop::pair().unwrap();
        let said = answer.clone();
        let script = Script::new(move |_, _| {
            stopper.stop();
            said.clone()
        });
        let replayer = Replayer::new(&journal, script.clone(), &options(2)).unwrap();
        let report = replayer.run(&stop, &mut |_| ()).unwrap();
        assert_eq!(report.end, RunEnd::Stopped);
        assert_eq!(script.ranges().len(), 1, "nothing is sent after that");
        assert_eq!(report.delivered, if answer == TAKEN { 2 } else { 0 }, "what was taken counts");
        assert_eq!(report.dead_lettered, 0);
    }
}
