//! Scenes with several processes: what they did before, what one of them is killed in, and how the others go on.

use super::driver::Step;
use super::random::shuffled;
use super::receiver::Answers;
use crate::journal::{Overflow, Settings};
use crate::storage::sim::Restore;

/// A step, and the process that takes it.
pub(super) type Deed = (usize, Step);

/// The live writers. Each has its journal and its appender open all the time.
pub(super) const FIRST: usize = 0;
pub(super) const SECOND: usize = 1;
/// The process that is killed.
pub(super) const VICTIM: usize = 2;
/// The processes of a scene.
pub(super) const PROCESSES: usize = 3;

pub(super) struct Scene {
    pub name: &'static str,
    pub settings: Settings,
    /// Everything before; by the victim too, so that it can be a live writer.
    pub before: Vec<Deed>,
    /// What the victim is killed in.
    pub doing: Vec<Step>,
    /// How the others go on, without opening anything anew.
    pub after: Vec<Deed>,
}

impl Scene {
    /// The same scene with its steps in another order, some twice, some left out, and by others of the processes.
    pub fn shuffle(&mut self, dice: &mut fastrand::Rng) {
        for (deeds, others) in [(&mut self.before, PROCESSES), (&mut self.after, VICTIM)] {
            let steps: Vec<Step> = deeds.iter().map(|(_, step)| *step).collect();
            let steps = shuffled(&steps, dice);
            *deeds = steps.into_iter().map(|step| (dice.usize(..others), step)).collect();
        }
        let last = dice.usize(..self.doing.len());
        self.doing.rotate_left(last);
    }
}

fn small() -> Settings {
    Settings { segment_bytes: Some(1024), max_bytes: Some(16 << 20), ..Settings::default() }
}

fn append(who: usize, count: u64, size: usize) -> Deed {
    (who, Step::Append { writer: 0, count, size, sync: true })
}

fn unsynced(who: usize, count: u64) -> Deed {
    (who, Step::Append { writer: 0, count, size: 60, sync: false })
}

fn sync(who: usize) -> Deed {
    (who, Step::Sync { writer: 0 })
}

fn replay(who: usize, batch: u64, answers: Answers) -> Deed {
    (who, Step::Replay { batch, answers })
}

/// What a writer does that knows of nothing: single entries, then enough for a segment of its own.
fn go_on() -> Vec<Deed> {
    vec![
        append(FIRST, 1, 20),
        append(SECOND, 2, 40),
        append(FIRST, 1, 30),
        append(FIRST, 7, 120),
        append(SECOND, 1, 10),
    ]
}

pub(super) fn all() -> Vec<Scene> {
    vec![
        rotation(),
        rotation_twice(),
        unsynced_rotation(),
        compaction(),
        compaction_of_sealed_segments(),
        compaction_while_delivering(),
        eviction_of_entries(),
        eviction_of_segments(),
        change_of_limits(),
        recovery(),
        recovery_of_an_empty_segment(),
        rejected_lines(),
        delivery(),
        refused_delivery(),
        way_in(),
        full(),
        renewal(Restore::InPlace),
        renewal(Restore::Replaced),
    ]
}

/// The active segment is nearly full, and the first survivor was there last: it sees nothing of a change of names.
fn nearly_full() -> Vec<Deed> {
    vec![append(VICTIM, 3, 100), append(SECOND, 1, 60), append(FIRST, 1, 60)]
}

/// A live writer is killed while it changes segments; what the survivor has still fits into the old one.
fn rotation() -> Scene {
    let doing = vec![append(VICTIM, 1, 100).1, append(VICTIM, 6, 120).1];
    Scene { name: "rotation", settings: small(), before: nearly_full(), doing, after: go_on() }
}

/// The same, but the survivor changes segments too.
fn rotation_twice() -> Scene {
    let doing = vec![append(VICTIM, 1, 100).1, append(VICTIM, 1, 900).1];
    let after =
        vec![append(FIRST, 1, 100), append(FIRST, 1, 20), append(SECOND, 1, 800), append(FIRST, 1, 900)];
    Scene { name: "rotation twice", settings: small(), before: nearly_full(), doing, after }
}

/// The survivors have entries that no sync has covered when another changes segments.
fn unsynced_rotation() -> Scene {
    let before = vec![append(VICTIM, 2, 60), unsynced(SECOND, 1), unsynced(FIRST, 3)];
    let doing = vec![unsynced(VICTIM, 3).1, append(VICTIM, 5, 120).1];
    let mut after = vec![append(FIRST, 1, 20), unsynced(FIRST, 1), sync(FIRST), unsynced(SECOND, 1)];
    after.extend([append(FIRST, 1, 60), sync(SECOND), unsynced(SECOND, 9), append(FIRST, 1, 10)]);
    Scene { name: "unsynced rotation", settings: small(), before, doing, after }
}

/// Everything is delivered; the compactor seals the active segment and unlinks all.
fn compaction() -> Scene {
    let mut before = vec![append(FIRST, 3, 100), append(SECOND, 2, 100), append(FIRST, 2, 60)];
    before.push(replay(VICTIM, 3, Answers::Accept));
    let mut after = vec![append(FIRST, 1, 20), append(SECOND, 1, 30), (FIRST, Step::Inspect)];
    after.extend([append(FIRST, 6, 120), replay(SECOND, 2, Answers::Later(2)), append(SECOND, 1, 30)]);
    Scene { name: "compaction", settings: small(), before, doing: vec![Step::Compact], after }
}

/// Some are delivered, some wait.
fn compaction_of_sealed_segments() -> Scene {
    let mut before =
        vec![append(SECOND, 9, 200), append(FIRST, 9, 200), replay(VICTIM, 3, Answers::Later(4))];
    before.push(append(FIRST, 1, 10));
    let mut after = go_on();
    after.extend([(SECOND, Step::Compact), append(FIRST, 2, 30)]);
    Scene {
        name: "compaction of sealed segments",
        settings: small(),
        before,
        doing: vec![Step::Compact],
        after,
    }
}

/// Appended, delivered, compacted, over and over.
fn compaction_while_delivering() -> Scene {
    let mut before = vec![append(FIRST, 4, 60), replay(SECOND, 3, Answers::Accept), (VICTIM, Step::Compact)];
    before.extend([append(FIRST, 1, 60), replay(SECOND, 3, Answers::Accept)]);
    let mut after = vec![append(FIRST, 1, 20), replay(SECOND, 3, Answers::Accept), append(FIRST, 1, 20)];
    after.extend([(SECOND, Step::Compact), append(FIRST, 1, 20), append(SECOND, 1, 20)]);
    Scene {
        name: "compaction while delivering",
        settings: small(),
        before,
        doing: vec![Step::Compact],
        after,
    }
}

/// The oldest give way, by number.
fn eviction_of_entries() -> Scene {
    let before =
        vec![append(FIRST, 3, 100), append(VICTIM, 2, 60), append(SECOND, 1, 60), append(FIRST, 1, 60)];
    let doing = vec![append(VICTIM, 5, 100).1, Step::Compact];
    let settings = Settings { max_entries: Some(6), ..small() };
    Scene { name: "eviction of entries", settings, before, doing, after: go_on() }
}

/// Whole segments give way, by size; the active one too.
fn eviction_of_segments() -> Scene {
    let mut before: Vec<Deed> = (0..5).map(|turn| append(turn % 3, 2, 5000)).collect();
    before.extend([append(SECOND, 1, 4000), append(FIRST, 1, 100)]);
    let doing = vec![append(VICTIM, 2, 6000).1, append(VICTIM, 1, 6000).1];
    let after =
        vec![append(FIRST, 1, 20), append(SECOND, 1, 5000), append(FIRST, 1, 7000), append(SECOND, 2, 20)];
    let settings = Settings { max_bytes: Some(64 << 10), segment_bytes: Some(8 << 10), ..small() };
    Scene { name: "eviction of segments", settings, before, doing, after }
}

/// The limits are changed, which gives `journal.json` another file.
fn change_of_limits() -> Scene {
    let before = vec![append(FIRST, 4, 60), append(SECOND, 1, 60), append(VICTIM, 1, 60)];
    let doing = vec![Step::MaxEntries(4), append(VICTIM, 1, 60).1, Step::MaxEntries(0)];
    Scene { name: "change of limits", settings: small(), before, doing, after: go_on() }
}

/// The mark is lost: whoever comes next looks for the end, and is killed.
fn recovery() -> Scene {
    let before =
        vec![append(SECOND, 2, 60), append(FIRST, 2, 60), unsynced(SECOND, 1), (FIRST, Step::LoseMark)];
    let doing = vec![sync(VICTIM).1, append(VICTIM, 6, 100).1];
    let after = vec![append(FIRST, 1, 60), append(FIRST, 6, 120), append(FIRST, 1, 10)];
    Scene { name: "recovery", settings: small(), before, doing, after }
}

/// The same where the newest segment is empty.
fn recovery_of_an_empty_segment() -> Scene {
    let mut before = vec![append(FIRST, 4, 60), append(SECOND, 1, 60), replay(VICTIM, 9, Answers::Accept)];
    before.extend([(SECOND, Step::Compact), (FIRST, Step::LoseMark)]);
    let doing = vec![Step::Compact, append(VICTIM, 2, 60).1];
    Scene { name: "recovery of an empty segment", settings: small(), before, doing, after: go_on() }
}

/// Lines that are no entries, until their file changes its name.
fn rejected_lines() -> Scene {
    let mut before = vec![append(FIRST, 1, 60), append(SECOND, 1, 60)];
    before.extend((0..17).map(|turn| (turn % 3, Step::Reject { writer: 0 })));
    let doing = vec![Step::Reject { writer: 0 }; 4];
    let mut after = vec![(FIRST, Step::Reject { writer: 0 }), append(SECOND, 1, 60)];
    after.extend([
        (SECOND, Step::Reject { writer: 0 }),
        (FIRST, Step::Reject { writer: 0 }),
        append(FIRST, 1, 60),
    ]);
    let settings = Settings { max_bytes: Some(64 << 10), ..small() };
    Scene { name: "rejected lines", settings, before, doing, after }
}

/// The deliverer is killed; the next one goes on.
fn delivery() -> Scene {
    let before = vec![append(FIRST, 5, 60), append(SECOND, 4, 60), replay(VICTIM, 2, Answers::Later(2))];
    let doing = vec![replay(VICTIM, 3, Answers::Accept).1];
    let mut after = vec![append(FIRST, 2, 60), replay(SECOND, 2, Answers::Later(1)), append(SECOND, 1, 60)];
    after.extend([(FIRST, Step::Compact), append(SECOND, 1, 60), append(FIRST, 1, 60)]);
    Scene { name: "delivery", settings: small(), before, doing, after }
}

/// The same where the receiver does not want everything.
fn refused_delivery() -> Scene {
    let before = vec![append(FIRST, 5, 60), append(SECOND, 4, 60)];
    let doing = vec![replay(VICTIM, 4, Answers::Refuse(3)).1];
    let mut after = vec![append(FIRST, 2, 60), replay(SECOND, 4, Answers::Refuse(3)), (FIRST, Step::Compact)];
    after.extend([append(SECOND, 1, 60), append(FIRST, 1, 60)]);
    Scene { name: "refused delivery", settings: small(), before, doing, after }
}

/// Lines through the whole way in.
fn way_in() -> Scene {
    let before = vec![append(FIRST, 2, 60), append(SECOND, 2, 60)];
    let doing = vec![Step::Ingest { lines: 9, sync: true }, Step::Ingest { lines: 9, sync: false }];
    Scene { name: "way in", settings: small(), before, doing, after: go_on() }
}

/// A journal that takes nothing more: room is made by the deliverer's compaction.
fn full() -> Scene {
    let before = vec![append(FIRST, 4, 60), append(SECOND, 2, 60), replay(VICTIM, 3, Answers::Accept)];
    let doing = vec![Step::Compact, append(VICTIM, 8, 60).1];
    let settings = Settings { max_entries: Some(6), overflow: Some(Overflow::Reject), ..small() };
    Scene { name: "full", settings, before, doing, after: go_on() }
}

/// A backup has come back: whoever opens it first gives it a new id, and is killed.
pub(super) fn renewal(how: Restore) -> Scene {
    let mut before = vec![append(FIRST, 2, 60), (FIRST, Step::Backup), append(FIRST, 1, 60)];
    before.push((FIRST, Step::Restore(how)));
    let doing = vec![append(VICTIM, 1, 60).1];
    let after = vec![append(FIRST, 1, 60), replay(SECOND, 2, Answers::Accept), append(SECOND, 1, 60)];
    Scene { name: "renewal", settings: small(), before, doing, after }
}
