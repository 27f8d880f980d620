//! How old entries are, by the journal's *age clock*: for `--max-age`. Wall time decides nothing here.
//!
//! The age clock grows by differences of CLOCK_BOOTTIME within one boot, and by nothing from one boot to the next: nothing
//! that a person, a GPS receiver or a missing battery does to the time of day moves it, and time without power does not count.
//!
//! What is kept are *facts*: "when the age clock showed V, the journal was durable up to seq N". So every entry before N was
//! written at V or earlier, and its age is at least the age clock now minus V. An entry that no fact speaks of has age 0.
//! A durable seq is never given again, so a fact stays true. Any of them may therefore be dropped: entries then look
//! younger than they are, never older.
//!
//! The facts are in the second slot of `append.lock`, together with a reading of the clock. The tail mark holds a newer
//! reading, of the last commit. Both name the *series* that they belong to: a reading counts only beside the facts of its own
//! series, and where the slot is lost another series begins, at 0. Neither is synced: both are aids.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::slot;
use super::tail_mark::TailMark;
use crate::error::Result;
use crate::record::Seq;
use crate::storage::{File, Store, Uptime};

/// Where the slot lies in `append.lock`, and its size: a page of its own.
const SLOT_OFFSET: u64 = 4096;
const SLOT_BYTES: usize = 4096;
/// So many facts fit into the slot, however long their numbers are.
const FACTS_MAX: usize = 80;
/// Facts are a fiftieth of the limit apart: entries stay that much longer, at most.
const PARTS: u64 = 50;

/// The age clock at one moment, beside the system's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Reading {
    value_ms: u64,
    uptime: Uptime,
}

/// The reading of the last commit that was timed, in the tail mark. The mark goes on to later commits, which may be timed by no one:
/// so all that belongs to the reading stands beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MarkAge {
    series: String,
    /// The boot that the reading is of.
    boot: Option<String>,
    /// Every entry before this one was durable then.
    end: Seq,
    reading: Reading,
}

/// When the clock showed `value_ms`, every entry before `end` was durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Fact {
    end: Seq,
    value_ms: u64,
}

/// See the module page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ages {
    journal: Uuid,
    /// The boot that the reading is of.
    boot: Option<String>,
    series: String,
    reading: Reading,
    /// In order; both parts grow.
    facts: Vec<Fact>,
    /// The last commit, as a fact that is not kept yet.
    latest: Fact,
}

#[derive(Serialize, Deserialize)]
struct OnDisk {
    journal: Uuid,
    boot: Option<String>,
    series: String,
    reading: Reading,
    facts: Vec<(Seq, u64)>,
}

impl Ages {
    /// What is known, under the append lock; `durable_next` is the end of what is durable. Where nothing is known all
    /// entries count as written now.
    pub fn load(
        store: &Store,
        lock: &File,
        journal: Uuid,
        mark: Option<&TailMark>,
        durable_next: Seq,
    ) -> Result<Self> {
        let mut bytes = [0; SLOT_BYTES];
        let whole = lock.read_at(&mut bytes, SLOT_OFFSET)? == SLOT_BYTES;
        let on_disk = whole.then(|| slot::decode::<OnDisk>(&bytes)).flatten();
        let mark = mark.and_then(|mark| mark.age.as_ref());
        let mut ages = match on_disk.filter(|there| there.journal == journal) {
            Some(there) => Self::resume(there, mark, durable_next),
            None => Self::begin(journal, durable_next),
        };
        ages.go_on(store.boot_id(), store.uptime());
        Ok(ages)
    }

    fn begin(journal: Uuid, durable_next: Seq) -> Self {
        Self {
            journal,
            boot: None,
            series: format!("{:08x}", fastrand::u32(..)),
            reading: Reading::default(),
            facts: Vec::new(),
            latest: Fact { end: durable_next, value_ms: 1 },
        }
    }

    fn resume(there: OnDisk, mark: Option<&MarkAge>, durable_next: Seq) -> Self {
        let OnDisk { journal, mut boot, series, mut reading, facts } = there;
        let mut facts: Vec<_> = facts.into_iter().map(|(end, value_ms)| Fact { end, value_ms }).collect();
        // A fact about entries that are not there is of another past, which a backup has undone.
        facts.retain(|fact| fact.end <= durable_next);
        let mut latest = None;
        if let Some(age) = mark
            && age.series == series
            && age.reading.value_ms >= reading.value_ms
        {
            (boot, reading) = (age.boot.clone(), age.reading);
            latest = Some(Fact { end: age.end.min(durable_next), value_ms: reading.value_ms + 1 });
        }
        // Where the mark is lost: what the clock shows when it goes on, which is later than the last commit.
        let latest = latest.unwrap_or(Fact { end: durable_next, value_ms: u64::MAX });
        Self { journal, boot, series, reading, facts, latest }
    }

    /// Brings the reading to this moment. Another boot, or another namespace: no time has passed that is known.
    fn go_on(&mut self, boot: Option<String>, uptime: Option<Uptime>) {
        let value_ms = self.reading.value_ms + self.elapsed_ms(boot.as_deref(), uptime);
        self.reading = Reading { value_ms, uptime: uptime.unwrap_or_default() };
        self.boot = boot;
        self.latest.value_ms = self.latest.value_ms.min(value_ms + 1);
    }

    fn elapsed_ms(&self, boot: Option<&str>, uptime: Option<Uptime>) -> u64 {
        match uptime {
            Some(now)
                if boot.is_some()
                    && self.boot.as_deref() == boot
                    && now.namespace == self.reading.uptime.namespace =>
            {
                now.ms.saturating_sub(self.reading.uptime.ms)
            }
            _ => 0,
        }
    }

    /// Brings the clock to this moment, within the boot in which it was loaded.
    pub fn tick(&mut self, store: &Store) {
        self.go_on(self.boot.clone(), store.uptime());
    }

    /// Keeps the last commit as a fact if the last one that is kept is old enough. Says whether there is something to write.
    pub fn keep_fact(&mut self, max_age: Duration) -> bool {
        let due = self.facts.last().is_none_or(|last| {
            last.end < self.latest.end
                && self.reading.value_ms.saturating_sub(last.value_ms) >= part_ms(max_age)
        });
        if !due {
            return false;
        }
        if self.facts.len() >= FACTS_MAX {
            // Those before the last, each second one: what remains is still true.
            let mut index = 0;
            self.facts.retain(|_| {
                index += 1;
                index % 2 == 0
            });
        }
        self.facts.push(self.latest);
        true
    }

    /// A commit has made entries durable up to here; the reading for the tail mark.
    pub fn committed(&mut self, durable_next: Seq) -> MarkAge {
        // One more than the clock shows: it was rounded down.
        self.latest = Fact { end: durable_next, value_ms: self.reading.value_ms + 1 };
        MarkAge {
            series: self.series.clone(),
            boot: self.boot.clone(),
            end: durable_next,
            reading: self.reading,
        }
    }

    /// The entries before this seq are older than `max_age`; none if none are known to be.
    pub fn expired(&self, max_age: Duration) -> Option<Seq> {
        let max_age_ms = u64::try_from(max_age.as_millis()).unwrap_or(u64::MAX);
        let too_old = |fact: &&Fact| self.reading.value_ms.saturating_sub(fact.value_ms) > max_age_ms;
        self.facts.iter().rev().find(too_old).map(|fact| fact.end)
    }

    /// Facts about entries before the cursor are of no use any more. The last one stays: the next is due by it.
    pub fn forget_before(&mut self, cursor: Seq) {
        let useless = self.facts.iter().take_while(|fact| fact.end <= cursor).count();
        self.facts.drain(..useless.min(self.facts.len().saturating_sub(1)));
    }

    /// Writes the slot, without a sync.
    pub fn write(&self, lock: &File) -> Result<()> {
        let on_disk = OnDisk {
            journal: self.journal,
            boot: self.boot.clone(),
            series: self.series.clone(),
            reading: self.reading,
            facts: self.facts.iter().map(|fact| (fact.end, fact.value_ms)).collect(),
        };
        match slot::encode(&on_disk, SLOT_BYTES) {
            Some(bytes) => lock.write_at(&bytes, SLOT_OFFSET),
            None => Ok(()),
        }
    }
}

fn part_ms(max_age: Duration) -> u64 {
    u64::try_from(max_age.as_millis()).unwrap_or(u64::MAX).div_ceil(PARTS).max(1)
}

#[cfg(test)]
impl MarkAge {
    /// No other is written with more digits.
    pub fn longest() -> Self {
        let uptime = Uptime { namespace: u64::MAX, ms: u64::MAX };
        let (series, boot) = ("8".repeat(8), Some("8".repeat(36)));
        Self { series, boot, end: Seq::END, reading: Reading { value_ms: u64::MAX, uptime } }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::super::test_support::{block, seq};
    use super::super::{Appender, Durability, Journal, Settings, layout};
    use super::*;
    use crate::storage::Open;
    use crate::storage::sim::{Fate, Sim, World};

    const HOUR_MS: u64 = 3_600_000;

    fn store(sim: &Sim) -> Store {
        Store::new(Path::new("/simulated"), Arc::new(sim.clone()))
    }

    fn journal(sim: &Sim, max_age_hours: u64) -> Journal {
        let settings =
            Settings { max_age: Some(Duration::from_millis(max_age_hours * HOUR_MS)), ..Settings::default() };
        Journal::open_or_create_in(store(sim), &settings).unwrap()
    }

    /// One entry by one process; afterwards the cursor.
    fn append(sim: &Sim, max_age_hours: u64) -> u64 {
        let journal = journal(sim, max_age_hours);
        Appender::open(&journal).unwrap().commit(&mut block(["1".to_owned()]), Durability::Sync).unwrap();
        journal.stats().unwrap().cursor
    }

    fn crash(sim: &Sim) {
        let world = sim.world();
        let kept = vec![Fate::Kept; world.pending().len()];
        sim.set_world(world.crash(&kept));
    }

    #[test]
    fn an_entry_expires_by_the_time_that_the_machine_was_up() {
        let sim = Sim::new(World::default());
        assert_eq!(append(&sim, 10), 1);
        for _ in 0..4 {
            sim.wait(2 * HOUR_MS);
            assert_eq!(append(&sim, 10), 1);
        }
        sim.wait(2 * HOUR_MS);
        assert_eq!(append(&sim, 10), 1, "exactly at the limit");
        sim.wait(HOUR_MS);
        // The first alone: the second is 9 hours old.
        assert_eq!(append(&sim, 10), 2);
        sim.wait(100 * HOUR_MS);
        let state = journal(&sim, 10).stats().unwrap();
        append(&sim, 10);
        let after = journal(&sim, 10).stats().unwrap();
        assert_eq!(state.written, after.evicted, "all of what was there before");
    }

    #[test]
    fn time_without_power_does_not_count_and_time_with_it_adds_up() {
        let sim = Sim::new(World::default());
        for boot in 0..10 {
            assert_eq!(append(&sim, 10), 1, "boot {boot}");
            sim.wait(HOUR_MS);
            assert_eq!(append(&sim, 10), 1, "boot {boot}");
            crash(&sim);
        }
        assert_eq!(append(&sim, 10), 1);
        sim.wait(HOUR_MS);
        assert!(append(&sim, 10) > 1, "an hour in each of eleven boots");
    }

    #[test]
    fn entries_from_a_time_without_a_limit_of_age_count_from_when_there_is_one_again() {
        let sim = Sim::new(World::default());
        assert_eq!(append(&sim, 10), 1);
        assert_eq!(append(&sim, 0), 1);
        sim.wait(20 * HOUR_MS);
        assert_eq!(append(&sim, 0), 1);
        assert!(append(&sim, 10) <= 3, "the last two are of this hour");
        sim.wait(11 * HOUR_MS);
        append(&sim, 10);
        let stats = journal(&sim, 10).stats().unwrap();
        assert_eq!((stats.evicted, stats.pending), (4, 1), "they expire, too");
    }

    #[test]
    fn a_commit_that_was_not_timed_is_not_as_old_as_the_one_before_it() {
        let sim = Sim::new(World::default());
        for ahead in 1.. {
            sim.set_world(World::default());
            assert_eq!(append(&sim, 10), 1);
            sim.wait(20 * HOUR_MS);
            let killed = sim.another_process();
            let mut appender = Appender::open(&journal(&killed, 10)).unwrap();
            killed.kill_at(killed.own_calls() + ahead, false);
            let _ = appender.commit(&mut block(["1".to_owned()]), Durability::Sync);
            if !killed.is_dead() {
                break;
            }
            // Another process writes the mark anew.
            Appender::open(&journal(&sim, 10)).unwrap().sync().unwrap();
            assert!(append(&sim, 10) <= 2, "killed before call {ahead}: a new entry has expired");
        }
    }

    #[test]
    fn what_is_known_of_ages_may_be_lost_and_entries_only_look_younger() {
        for lost in [(0, 8192), (0, 1024), (4096, 8192)] {
            let sim = Sim::new(World::default());
            append(&sim, 10);
            sim.wait(9 * HOUR_MS);
            append(&sim, 10);
            let lock = store(&sim).open(layout::APPEND_LOCK, Open::Write).unwrap();
            let (from, to) = lost;
            lock.write_at(&vec![0; to - from], from as u64).unwrap();
            sim.wait(HOUR_MS / 2);
            assert_eq!(append(&sim, 10), 1, "{lost:?}");
            // From where it is known again the time counts.
            sim.wait(11 * HOUR_MS);
            assert!(append(&sim, 10) >= 3, "{lost:?}");
        }
    }

    #[test]
    fn a_limit_that_is_set_later_counts_from_then_on() {
        let sim = Sim::new(World::default());
        append(&sim, 0);
        sim.wait(100 * HOUR_MS);
        assert_eq!(append(&sim, 10), 1);
        sim.wait(9 * HOUR_MS);
        assert_eq!(append(&sim, 10), 1);
        sim.wait(2 * HOUR_MS);
        assert_eq!(append(&sim, 10), 3);
    }

    #[test]
    fn facts_of_a_past_that_a_backup_has_undone_do_not_count() {
        let there = |facts| OnDisk {
            journal: Uuid::nil(),
            boot: None,
            series: "a".into(),
            reading: Reading::default(),
            facts,
        };
        let ages = Ages::resume(there(vec![(seq(5), 1), (seq(500), 2)]), None, seq(100));
        assert_eq!(ages.facts, [Fact { end: seq(5), value_ms: 1 }]);
    }

    #[test]
    fn a_reading_of_another_series_boot_or_namespace_counts_for_nothing() {
        let reading = |value_ms, namespace, ms| Reading { value_ms, uptime: Uptime { namespace, ms } };
        let there = OnDisk {
            journal: Uuid::nil(),
            boot: Some("b".into()),
            series: "a".into(),
            reading: reading(7, 1, 100),
            facts: vec![],
        };
        let reading = reading(HOUR_MS, 1, 0);
        let stray = MarkAge { series: "z".into(), boot: Some("b".into()), end: seq(1), reading };
        let ages = Ages::resume(there, Some(&stray), seq(1));
        assert_eq!(ages.reading.value_ms, 7);
        for (boot, namespace, ms, value_ms) in
            [("b", 1, 150, 57), ("b", 1, 50, 7), ("c", 1, HOUR_MS, 7), ("b", 2, HOUR_MS, 7)]
        {
            let mut ages = ages.clone();
            ages.go_on(Some(boot.into()), Some(Uptime { namespace, ms }));
            assert_eq!(ages.reading.value_ms, value_ms, "{boot} {namespace} {ms}");
        }
        let mut unknown = ages;
        unknown.boot = None;
        unknown.go_on(None, Some(Uptime { namespace: 1, ms: HOUR_MS }));
        assert_eq!(unknown.reading.value_ms, 7);
    }

    #[test]
    fn the_longest_list_fits_into_its_slot() {
        let most = u64::MAX;
        let on_disk = OnDisk {
            journal: Uuid::max(),
            boot: Some("8".repeat(64)),
            series: "8".repeat(8),
            reading: Reading { value_ms: most, uptime: Uptime { namespace: most, ms: most } },
            facts: vec![(seq(most), most); FACTS_MAX + 1],
        };
        assert!(slot::encode(&on_disk, SLOT_BYTES).is_some());
    }

    proptest! {
        /// Against a list without bounds: nothing expires early, and all expires once a part of the limit more has passed.
        #[test]
        fn no_entry_expires_early_and_none_stays_much_longer(
            steps in prop::collection::vec((0..40_u64, 1..5_u64), 1..400),
            max_age_ms in 1..2000_u64,
        ) {
            let max_age = Duration::from_millis(max_age_ms);
            let mut ages = Ages::begin(Uuid::nil(), Seq::FIRST);
            ages.go_on(Some("b".into()), Some(Uptime::default()));
            let (mut now, mut next, mut written) = (0, Seq::FIRST, BTreeMap::new());
            for (wait, count) in steps {
                now += wait;
                ages.go_on(Some("b".into()), Some(Uptime { namespace: 0, ms: now }));
                ages.keep_fact(max_age);
                prop_assert!(ages.facts.len() <= FACTS_MAX);
                let end = ages.expired(max_age).unwrap_or(Seq::FIRST);
                for (entry, at) in &written {
                    let age = now - at;
                    prop_assert!(*entry >= end || age > max_age_ms, "{entry} expired at {age} of {max_age_ms}");
                    prop_assert!(*entry < end || age <= max_age_ms + part_ms(max_age) + 42, "{entry} is still there at {age}");
                }
                written.retain(|entry, _| *entry >= end);
                for _ in 0..count {
                    written.insert(next, now);
                    next = next.next();
                }
                ages.committed(next);
                ages.forget_before(end);
            }
        }
    }
}
