//! The scripted runs: together they do everything that changes a journal.

use std::time::Duration;

use super::driver::Step;
use super::receiver::Answers;
use crate::journal::{Overflow, Settings};
use crate::storage::sim::Restore;

pub(super) struct Script {
    pub name: &'static str,
    pub settings: Settings,
    /// No batch is split, taken in part or evicted in this run.
    pub strict: bool,
    pub steps: Vec<Step>,
}

fn small() -> Settings {
    Settings { segment_bytes: Some(1024), max_bytes: Some(16 << 20), ..Settings::default() }
}

fn append(count: u64, size: usize) -> Step {
    Step::Append { writer: 0, count, size, sync: true }
}

fn append_as(writer: usize, count: u64, sync: bool) -> Step {
    Step::Append { writer, count, size: 60, sync }
}

fn replay(batch: u64, answers: Answers) -> Step {
    Step::Replay { batch, answers }
}

pub(super) fn all() -> Vec<Script> {
    vec![
        deliver(),
        evict_entries(),
        evict_bytes(),
        refuse(),
        refuse_all(),
        skip(),
        in_part(),
        without_sync(),
        ingest(),
        damage(),
        limits(),
        reject_when_full(),
        expire(),
        repair(),
        restore(),
    ]
}

/// Append, rotate, deliver, compact, go on.
fn deliver() -> Script {
    let mut steps = vec![append(3, 100), append(1, 200), append(4, 120), append(2, 10)];
    steps.extend([replay(3, Answers::Later(2)), append(3, 150), replay(3, Answers::Accept)]);
    steps.extend([Step::Compact, append(12, 150), Step::Kill, replay(3, Answers::Later(1))]);
    steps.extend([Step::Compact, append(2, 30), replay(3, Answers::Accept), Step::Compact, append(1, 5)]);
    Script { name: "deliver", settings: small(), strict: true, steps }
}

/// The oldest give way, by number; also those in flight.
fn evict_entries() -> Script {
    let mut steps = vec![append(5, 100), replay(2, Answers::Later(1))];
    steps.extend([append(9, 100), append(2, 100), replay(3, Answers::WhileAppending(5))]);
    steps.extend([append(7, 80), append_as(1, 4, false), append_as(1, 5, false), Step::Kill]);
    steps.extend([append(3, 10), replay(2, Answers::Accept)]);
    let settings = Settings { max_entries: Some(6), ..small() };
    Script { name: "evict by entries", settings, strict: false, steps }
}

/// The oldest give way, by size.
fn evict_bytes() -> Script {
    let mut steps = vec![append(2, 4000), replay(2, Answers::Accept)];
    steps.extend((0..6).map(|_| append(3, 4000)));
    steps.extend([replay(2, Answers::Later(2)), append(4, 5000), replay(4, Answers::Accept)]);
    let settings = Settings { max_bytes: Some(64 << 10), segment_bytes: Some(8 << 10), ..small() };
    Script { name: "evict by bytes", settings, strict: false, steps }
}

/// Dead letters, and batches that are too large.
fn refuse() -> Script {
    let mut steps = vec![append(8, 60), replay(4, Answers::Refuse(3)), append(5, 60)];
    steps.extend([replay(5, Answers::AtMost(2)), append(4, 60), Step::Kill, replay(2, Answers::Refuse(2))]);
    steps.extend([append(3, 60), replay(9, Answers::Refuse(4)), Step::Compact]);
    Script { name: "refuse", settings: small(), strict: false, steps }
}

/// A receiver that refuses everything, run after run; its limit; and what comes after.
fn refuse_all() -> Script {
    let refuse = || replay(3, Answers::RefuseAll);
    let mut steps =
        vec![append(7, 60), replay(2, Answers::Later(1)), refuse(), refuse(), Step::Kill, refuse()];
    steps.extend([Step::Skip(1), refuse(), replay(2, Answers::Later(1)), refuse(), append(3, 60), refuse()]);
    steps.extend([replay(3, Answers::Accept), append(2, 60), refuse(), Step::Compact]);
    Script { name: "refuse all", settings: small(), strict: false, steps }
}

/// Entries are given up: in flight, damaged, in several segments.
fn skip() -> Script {
    let mut steps = vec![append(6, 100), replay(2, Answers::Later(1)), Step::Skip(1), append(4, 100)];
    steps.extend([replay(2, Answers::Later(0)), Step::Damage(2), Step::Skip(5), Step::Kill, append(3, 100)]);
    steps.extend([replay(3, Answers::Later(1)), Step::Skip(99), Step::Compact, append_as(1, 2, false)]);
    steps.extend([Step::Skip(1), replay(2, Answers::Accept), append(1, 10), Step::Skip(0)]);
    let settings = Settings { max_entries: Some(8), ..small() };
    Script { name: "skip", settings, strict: false, steps }
}

/// Batches taken in part.
fn in_part() -> Script {
    let steps = vec![append(9, 60), replay(4, Answers::Half), append(5, 60), replay(5, Answers::Half)];
    Script { name: "in part", settings: small(), strict: false, steps }
}

/// Two appenders in turns, with and without a sync.
fn without_sync() -> Script {
    let mut steps = vec![append_as(0, 2, false), append_as(1, 2, false), append_as(0, 1, false)];
    steps.extend([Step::Sync { writer: 1 }, append_as(1, 3, true), append_as(0, 3, false)]);
    steps.extend([Step::Sync { writer: 0 }, append_as(1, 6, false), append_as(0, 2, true), Step::Kill]);
    steps.extend([append_as(0, 2, false), Step::Kill, append_as(1, 2, false), replay(3, Answers::Accept)]);
    steps.extend([append_as(0, 2, false), append_as(1, 9, false), Step::Compact, Step::Sync { writer: 1 }]);
    Script { name: "without sync", settings: small(), strict: true, steps }
}

/// Lines through the whole way in, some of them rejected.
fn ingest() -> Script {
    let mut steps = vec![Step::Ingest { lines: 5, sync: true }, Step::Ingest { lines: 6, sync: false }];
    steps.extend([Step::Reject { writer: 0 }, append(1, 20), Step::Inspect, Step::Reject { writer: 0 }]);
    steps.extend([Step::Ingest { lines: 12, sync: false }, replay(7, Answers::Accept), Step::Compact]);
    Script { name: "ingest", settings: small(), strict: true, steps }
}

/// Damage in sealed and active segments, stepped over.
fn damage() -> Script {
    let mut steps = vec![append(7, 60), Step::Damage(2), append(9, 60), Step::Damage(6), Step::Damage(14)];
    steps.extend([replay(3, Answers::Later(1)), append(2, 60), replay(3, Answers::Accept), append(3, 60)]);
    steps.extend([Step::Damage(1), Step::Kill, append(2, 60), replay(2, Answers::Accept), Step::Compact]);
    Script { name: "damage", settings: small(), strict: false, steps }
}

/// Limits are changed while others write.
fn limits() -> Script {
    let mut steps = vec![append(6, 60), Step::MaxEntries(4), append(2, 60), Step::MaxEntries(0)];
    steps.extend([append_as(1, 8, true), replay(3, Answers::Accept), Step::MaxEntries(2), append(5, 60)]);
    Script { name: "limits", settings: small(), strict: false, steps }
}

/// A full journal that takes nothing more, until there is room.
fn reject_when_full() -> Script {
    let mut steps = vec![append(4, 60), append(4, 60), replay(2, Answers::Later(1)), append(4, 60)];
    steps.extend([replay(2, Answers::Accept), append(9, 60), Step::Compact]);
    let settings = Settings { max_entries: Some(6), overflow: Some(Overflow::Reject), ..small() };
    Script { name: "reject when full", settings, strict: true, steps }
}

/// What is too old gives way; also what is in flight.
fn expire() -> Script {
    let mut steps = vec![append(4, 60), Step::Wait(700), append(3, 60), replay(2, Answers::Later(1))];
    steps.extend([Step::Wait(400), append(5, 60), Step::Wait(400), append_as(1, 2, true)]);
    steps.extend([replay(3, Answers::WhileAppending(2)), append(2, 60), Step::Wait(900), Step::Kill]);
    steps.extend([
        append_as(1, 3, false),
        append(1, 60),
        Step::Wait(1100),
        append_as(1, 3, false),
        Step::Compact,
    ]);
    let settings = Settings { max_age: Some(Duration::from_secs(1)), ..small() };
    Script { name: "expire", settings, strict: false, steps }
}

/// Everything that `verify --repair` mends.
fn repair() -> Script {
    let mut steps = vec![append(9, 60), replay(3, Answers::Later(1)), Step::Damage(1), Step::Damage(4)];
    steps.extend([Step::Repair, append(3, 60), Step::Spoil("journal.json"), Step::Repair]);
    steps.extend([replay(4, Answers::Later(1)), append(2, 60), Step::Damage(0), Step::Spoil("cursor")]);
    steps.extend([Step::Repair, Step::Compact, replay(3, Answers::Accept), append(1, 60), Step::Repair]);
    Script { name: "repair", settings: small(), strict: false, steps }
}

/// Backups come back in every way, and limits change between: whoever writes next finds a copy, and at no other time.
fn restore() -> Script {
    let mut steps = vec![append(5, 60), replay(2, Answers::Later(1)), Step::Backup, append(3, 60)];
    steps.extend([replay(3, Answers::Accept), Step::Restore(Restore::InPlace), append(2, 60)]);
    steps.extend([replay(3, Answers::Later(1)), Step::MaxEntries(20), append_as(1, 1, false), Step::Backup]);
    steps.extend([append(9, 60), Step::Compact, Step::Restore(Restore::Replaced), append(1, 60)]);
    steps.extend([Step::MaxEntries(0), Step::Kill, append(1, 60), Step::Restore(Restore::InPlaceUntimed)]);
    steps.extend([Step::Inspect, append(2, 60), Step::Restore(Restore::Copied), replay(4, Answers::Accept)]);
    steps.extend([Step::MaxEntries(30), append_as(1, 2, true), append(1, 60)]);
    Script { name: "restore", settings: small(), strict: true, steps }
}
