//! Opens what a crash has left, and checks it: nothing acknowledged is lost, nothing is invented, everything adds up,
//! and work goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::driver::{Driver, REFUSALS_MAX, Step, cursor_of, each_record};
use super::history::{Bytes, Facts, text};
use super::receiver::Answers;
use crate::journal::{CursorState, Journal, Settings};
use crate::storage::sim::World;

/// What must hold for a world in which a process starts.
pub(super) fn check(world: World, facts: &Facts, settings: &Settings) -> Result<(), String> {
    let mut driver = Driver::new(world, facts.clone(), settings);
    if facts.spoilt {
        step(&mut driver, Step::Repair)?;
    }
    if facts.created {
        Journal::open_in(super::driver::store(&driver.sim), false)
            .map_err(|error| format!("open: {error}"))?;
        step(&mut driver, Step::Inspect)?;
    }
    // Recovery, by whoever comes next.
    step(&mut driver, Step::Sync { writer: 0 })?;
    check_accounts(&mut driver)?;
    check_entries(&mut driver)?;
    check_ages(&mut driver, settings)?;
    drain(&mut driver)?;
    // One fresh entry passes.
    let before = driver.history.with(|facts| facts.acked.len());
    step(&mut driver, Step::Append { writer: 0, count: 1, size: 10, sync: true })?;
    if driver.history.with(|facts| facts.acked.len()) == before {
        return Err("a fresh entry is not taken".into());
    }
    check_ages(&mut driver, settings)?;
    drain(&mut driver)?;
    driver.history.verdict()
}

/// No script writes so much.
const BYTES_OUT_OF_REACH: u64 = 16 << 20;

/// Where age is the only limit, nothing was dropped that is younger by the time that the machine was up.
fn check_ages(driver: &mut Driver, settings: &Settings) -> Result<(), String> {
    let (Some(max_age), None) = (settings.max_age, settings.max_entries) else { return Ok(()) };
    if settings.max_bytes.is_some_and(|bytes| bytes < BYTES_OUT_OF_REACH) {
        return Ok(());
    }
    let dead = dead_letters(driver)?;
    let world = driver.sim.world();
    let cursor = cursor_of(&world).map_err(|error| error.to_string())?.cursor.get();
    driver.history.with(|facts| {
        for (seq, since) in facts.there_since.range(..cursor) {
            let age_ms = world.ran_ms() - since;
            let settled = facts.confirmed.contains(seq) || dead.contains(seq) || facts.ruined.contains(seq);
            if !settled && u128::from(age_ms) <= max_age.as_millis() {
                return Err(format!("seq {seq} was dropped when it was {age_ms} ms old"));
            }
        }
        Ok(())
    })
}

fn step(driver: &mut Driver, step: Step) -> Result<(), String> {
    driver.step(step).map_err(|error| format!("{step:?}: {error}"))
}

fn drain(driver: &mut Driver) -> Result<(), String> {
    step(driver, Step::Replay { batch: 3, answers: Answers::Accept })?;
    check_accounts(driver)?;
    let stats = driver.journal().and_then(|journal| journal.stats()).map_err(|error| error.to_string())?;
    if stats.pending > 0 {
        return Err(format!("{} still wait after everything was delivered", stats.pending));
    }
    driver.history.verdict()
}

/// The sum of promise 4, and each of its terms against what was seen from outside.
fn check_accounts(driver: &mut Driver) -> Result<(), String> {
    step(driver, Step::Inspect)?;
    driver.history.verdict()?;
    let state = cursor_of(&driver.sim.world()).map_err(|error| error.to_string())?;
    let dead = dead_letters(driver)?;
    driver.history.with(|facts| check_counts(&state, &dead, facts))
}

fn check_counts(state: &CursorState, dead: &BTreeSet<u64>, facts: &Facts) -> Result<(), String> {
    let cursor = state.cursor.get();
    if cursor < facts.cursor {
        return Err(format!("the cursor went back from {} to {cursor}", facts.cursor));
    }
    if state.delivered > facts.confirmed.len() as u64 {
        return Err(format!("{} counted as delivered, {} confirmed", state.delivered, facts.confirmed.len()));
    }
    if state.dead_lettered > dead.len() as u64 {
        return Err(format!("{} dead-lettered, {} kept", state.dead_lettered, dead.len()));
    }
    let unexplained = (1..cursor).filter(|seq| !facts.confirmed.contains(seq) && !dead.contains(seq)).count();
    // What was dealt with before a cursor was lost counts as skipped.
    if unexplained as u64 > state.evicted + state.damaged + state.skipped + state.undecided() {
        return Err(format!("{unexplained} below the cursor were never confirmed: {state:?}"));
    }
    if state.damaged > facts.ruined.len() as u64 {
        return Err(format!("{} counted as damaged, {} were", state.damaged, facts.ruined.len()));
    }
    if !facts.was_spoilt {
        check_refusals(state, dead, facts)?;
    }
    Ok(())
}

/// Nothing is skipped but what was to be, and no receiver that refuses everything costs more than the limit, over all runs.
fn check_refusals(state: &CursorState, dead: &BTreeSet<u64>, facts: &Facts) -> Result<(), String> {
    if state.skipped > facts.skipped_max {
        return Err(format!("{} skipped, {} were to be", state.skipped, facts.skipped_max));
    }
    let (mut in_a_row, mut most, mut previous) = (0, 0, 0);
    for seq in dead {
        in_a_row = if facts.confirmed.range(previous + 1..*seq).next().is_some() { 1 } else { in_a_row + 1 };
        most = most.max(in_a_row);
        previous = *seq;
    }
    // One that is kept, but was not counted before a crash, may have been skipped or evicted since.
    let uncounted = dead.len() as u64 - state.dead_lettered;
    if most >= REFUSALS_MAX + uncounted {
        return Err(format!("{most} in a row became dead letters: {dead:?}"));
    }
    Ok(())
}

/// The seqs in `dead-letter.jsonl`.
fn dead_letters(driver: &mut Driver) -> Result<BTreeSet<u64>, String> {
    let journal = driver.journal().map_err(|error| error.to_string())?;
    let mut seqs = BTreeSet::new();
    for letter in journal.dead_letters().map_err(|error| error.to_string())? {
        let (letter, _) = letter.map_err(|error| error.to_string())?;
        let seq = letter.seq.get();
        let handed = driver.history.with(|facts| facts.handed.get(&seq).cloned());
        if handed.as_deref() != Some(letter.data.get().as_bytes()) {
            return Err(format!("dead letter {seq} is not what was refused"));
        }
        if !seqs.insert(seq) {
            return Err(format!("dead letter {seq} is kept twice"));
        }
    }
    Ok(seqs)
}

/// Every acknowledged entry that waits is there, byte for byte; and whatever is there was appended once.
fn check_entries(driver: &mut Driver) -> Result<(), String> {
    let world = driver.sim.world();
    let state = cursor_of(&world).map_err(|error| error.to_string())?;
    let mut there = BTreeMap::new();
    let mut count = 0;
    for (seq, payload) in each_record(world.files()) {
        count += 1;
        if let Some(other) = there.insert(seq, Arc::clone(&payload)) {
            return Err(format!("seq {seq} was given twice: {} and {}", text(&other), text(&payload)));
        }
    }
    driver.history.with(|facts| check_waiting(&state, &there, facts))?;
    check_verified(driver, count)
}

/// `verify` has read every record, or says that something is wrong.
fn check_verified(driver: &mut Driver, count: u64) -> Result<(), String> {
    let journal = driver.journal().map_err(|error| error.to_string())?;
    let found = journal.verify(&mut |_| ()).map_err(|error| error.to_string())?;
    let quiet = found.damaged_places + found.set_aside_places == 0;
    if quiet && found.entries != count {
        return Err(format!("verify finds {} entries and nothing wrong, {count} are there", found.entries));
    }
    Ok(())
}

fn check_waiting(state: &CursorState, there: &BTreeMap<u64, Bytes>, facts: &Facts) -> Result<(), String> {
    for (seq, payload) in facts.acked.range(state.cursor.get()..) {
        if !facts.ruined.contains(seq) && there.get(seq) != Some(payload) {
            let found = there.get(seq).map_or("nothing".into(), |found| text(found));
            return Err(format!("seq {seq}, acknowledged as {}, is {found}", text(payload)));
        }
    }
    let mut once = BTreeSet::new();
    for (seq, payload) in there {
        if !facts.tried.contains(payload) || !once.insert(payload) {
            return Err(format!("seq {seq} is invented: {}", text(payload)));
        }
    }
    Ok(())
}
