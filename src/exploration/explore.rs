//! For every call of every script: the power goes there, in every way; the process is killed there; the call fails.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::crashes::{Prints, random_way, ways};
use super::driver::{Driver, Step};
use super::history::{Event, Facts};
use super::live::Effort;
use super::oracle::check;
use super::receiver::Answers;
use super::scenes;
use super::scripts::{self, Script};
use crate::error::Error;
use crate::journal::Settings;
use crate::storage::sim::{Fate, Fault, Plan, Restore, Snapshot, World};

/// So many distinct crash states are explored instead of the usual number.
const STATES_ENV: &str = "EDGESYNC_CRASH_STATES";
/// The first seed of a long run; to see again what another has found. 1 if it is not given.
const SEED_ENV: &str = "EDGESYNC_CRASH_SEED";
const STATES_MIN: usize = 10_000;
const BROKEN_MAX: usize = 20;
/// In the usual run a process is killed at every so manieth of its calls; a long run takes each.
const SCENE_STRIDE: usize = 5;
const KILLS_MIN: u64 = 200;

/// What was explored, over all scripts.
#[derive(Default)]
pub(super) struct Tally {
    states: Mutex<HashSet<u64>>,
    crashes: AtomicU64,
    kills: AtomicU64,
    survivals: AtomicU64,
    broken: Mutex<Vec<String>>,
}

/// The states of a run that were checked already, and against which history.
#[derive(Default)]
pub(super) struct Seen {
    states: HashSet<(u64, u64)>,
    prints: Prints,
}

/// One run to explore.
pub(super) struct Run<'a> {
    pub name: String,
    pub settings: &'a Settings,
    pub strict: bool,
    pub steps: &'a [Step],
}

impl Tally {
    pub fn distinct(&self) -> usize {
        self.states.lock().unwrap().len()
    }

    pub(super) fn report(&self, context: &str, result: Result<(), String>) {
        if let Err(wrong) = result {
            self.broken.lock().unwrap().push(format!("{context}: {wrong}"));
        }
    }

    /// Enough has been found; more would only take time.
    pub(super) fn is_hopeless(&self) -> bool {
        self.broken.lock().unwrap().len() > BROKEN_MAX
    }

    pub(super) fn panic_if_broken(&self) {
        let broken = self.broken.lock().unwrap();
        let first: Vec<_> = broken.iter().take(12).cloned().collect();
        assert!(broken.is_empty(), "{} broken promises:\n{}", broken.len(), first.join("\n"));
    }

    /// One more process was killed beside others that live.
    pub(super) fn survived(&self) {
        self.survivals.fetch_add(1, Ordering::Relaxed);
    }

    /// Explores the crashes of a run. `depth` says how many of its points are explored twice over.
    pub fn explore(&self, run: &Run<'_>, depth: usize, random: u64) {
        let facts = Facts::new(run.strict);
        let mut driver = Driver::new(World::default(), facts.clone(), run.settings);
        driver.sim.record();
        let errors: Vec<String> = driver.run(run.steps).iter().map(ToString::to_string).collect();
        let errors = if errors.is_empty() { Ok(()) } else { Err(errors.join("; ")) };
        self.report(&run.name, errors.and_then(|()| driver.history.verdict()));
        let snapshots = driver.sim.recorded();
        let events = driver.history.events();
        let mut dice = fastrand::Rng::with_seed(random);
        let stride = (snapshots.len() / depth.max(1)).max(1);
        let mut told = Told::new(facts, &events);
        let mut seen = Seen::default();
        for (number, snapshot) in snapshots.iter().enumerate() {
            if self.is_hopeless() {
                return;
            }
            let facts = told.up_to(snapshot.moment);
            let context = format!("{}, after call {}", run.name, snapshot.calls);
            let ways = self.ways(snapshot, (random > 0).then_some(&mut dice));
            self.crash(&context, snapshot, &ways, facts, run.settings, &mut seen);
            if number % stride == random as usize % stride {
                let everything = vec![Fate::Kept; snapshot.world.pending().len()];
                for (how, world) in [
                    ("killed", snapshot.world.clone()),
                    ("crashed with all", snapshot.world.crash(&everything)),
                    ("crashed with nothing", snapshot.world.crash(&[])),
                ] {
                    self.go_on(&format!("{context}, {how}"), world, facts, run.settings);
                }
            }
        }
    }

    pub(super) fn ways(&self, snapshot: &Snapshot, dice: Option<&mut fastrand::Rng>) -> Vec<Vec<Fate>> {
        let pending = snapshot.world.pending();
        let mut ways = ways(pending, 4);
        if let Some(dice) = dice {
            ways.extend((0..3 * pending.len()).map(|_| random_way(pending, dice)));
        }
        ways
    }

    /// Crashes in these ways, once into each state.
    pub(super) fn crash(
        &self,
        context: &str,
        snapshot: &Snapshot,
        ways: &[Vec<Fate>],
        facts: &Facts,
        settings: &Settings,
        seen: &mut Seen,
    ) {
        let facts_print = facts.fingerprint();
        for way in ways {
            let world = snapshot.world.crash(way);
            let fingerprint = seen.prints.of(&world);
            if !seen.states.insert((fingerprint, facts_print)) {
                continue;
            }
            self.states.lock().unwrap().insert(fingerprint);
            self.crashes.fetch_add(1, Ordering::Relaxed);
            let result = check(world, facts, settings);
            if result.is_err() {
                let ops: Vec<String> = snapshot.world.pending().iter().map(brief).collect();
                self.report(&format!("{context}, {ops:?} come to {way:?}"), result);
            }
        }
    }

    /// A process starts there, works, and the power goes again at every call of it.
    fn go_on(&self, context: &str, world: World, facts: &Facts, settings: &Settings) {
        self.kills.fetch_add(1, Ordering::Relaxed);
        let mut driver = Driver::new(world, facts.clone(), settings);
        driver.sim.record();
        let steps = [
            Step::Append { writer: 0, count: 2, size: 40, sync: true },
            Step::Compact,
            Step::Replay { batch: 4, answers: Answers::Later(1) },
            Step::Compact,
        ];
        let errors: Vec<String> = driver.run(&steps).iter().map(ToString::to_string).collect();
        let errors = if errors.is_empty() { Ok(()) } else { Err(errors.join("; ")) };
        self.report(context, errors.and_then(|()| driver.history.verdict()));
        let events = driver.history.events();
        let mut told = Told::new(facts.clone(), &events);
        let mut seen = Seen::default();
        for snapshot in driver.sim.recorded() {
            let facts = told.up_to(snapshot.moment);
            let all = vec![Fate::Kept; snapshot.world.pending().len()];
            let ways = [all.clone(), all[..all.len() / 2].to_vec(), Vec::new()];
            let context = format!("{context}, then after call {}", snapshot.calls);
            self.crash(&context, &snapshot, &ways, facts, settings, &mut seen);
        }
    }
}

fn brief(op: &impl std::fmt::Debug) -> String {
    let text = format!("{op:?}");
    match text.find("bytes") {
        Some(place) => text[..place].to_owned(),
        None => text,
    }
}

/// The facts at one moment after the other.
pub(super) struct Told<'a> {
    facts: Facts,
    events: std::slice::Iter<'a, Event>,
    count: usize,
}

impl<'a> Told<'a> {
    pub fn new(facts: Facts, events: &'a [Event]) -> Self {
        Self { facts, events: events.iter(), count: 0 }
    }

    pub fn up_to(&mut self, moment: usize) -> &Facts {
        while self.count < moment
            && let Some(event) = self.events.next()
        {
            self.count += 1;
            // What is wrong was told when it happened.
            let _ = self.facts.learn(event);
        }
        &self.facts
    }
}

/// Does something with every script, on two threads.
fn for_each_script(work: impl Fn(&Script) + Sync) {
    let scripts = scripts::all();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(script) = scripts.get(next.fetch_add(1, Ordering::Relaxed)) {
                    work(script);
                }
            });
        }
    });
}

fn run_of(script: &Script) -> Run<'_> {
    let Script { name, settings, strict, steps } = script;
    Run { name: (*name).to_owned(), settings, strict: *strict, steps }
}

/// The scripts and the scenes again and again, their steps in another order each time, until so many states have been seen.
fn explore_further(tally: &Tally, wanted: usize) {
    let (scripts, scenes) = (scripts::all(), scenes::all());
    let both = scripts.len() + scenes.len();
    let first = std::env::var(SEED_ENV).map_or(1, |text| text.parse::<usize>().unwrap());
    let next = AtomicUsize::new((first - 1) * both);
    let work = || {
        while tally.distinct() < wanted && !tally.is_hopeless() {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let round = (number / both + 1) as u64;
            let mut dice = fastrand::Rng::with_seed(round);
            if let Some(script) = scripts.get(number % both) {
                let steps = super::random::shuffled(&script.steps, &mut dice);
                let name = format!("{} (seed {round})", script.name);
                tally.explore(&Run { name, steps: &steps, ..run_of(script) }, 2, round);
            } else {
                let mut scene = scenes::all().swap_remove(number % both - scripts.len());
                // The first round is as they are written, at every call.
                if round > 1 {
                    scene.shuffle(&mut dice);
                }
                let stride = if round > 1 { 7 } else { 1 };
                let effort = Effort { stride, marks: 3, crashes: 3, every_way: round > 1, seed: round };
                tally.explore_scene(&format!("{} (seed {round})", scene.name), &scene, effort);
            }
            if number.is_multiple_of(both / 3) {
                println!("round {round}, {}: {} distinct crash states", number % both, tally.distinct());
            }
        }
    };
    // Most of these threads wait for one that they have started: twice as many as processors keep those busy.
    let threads = 2 * std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
}

/// Kills a process in each scene, on two threads. `stride` says at which of its calls.
fn explore_scenes(tally: &Tally, stride: usize) {
    let scenes = scenes::all();
    let next = AtomicUsize::new(0);
    let effort = Effort { stride, marks: 1, crashes: 11, every_way: false, seed: 0 };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(scene) = scenes.get(next.fetch_add(1, Ordering::Relaxed)) {
                    tally.explore_scene(scene.name, scene, effort);
                }
            });
        }
    });
}

#[test]
fn wherever_the_power_goes_every_promise_holds() {
    let wanted = std::env::var(STATES_ENV).ok().map(|text| text.parse::<usize>().unwrap());
    let tally = Tally::default();
    for_each_script(|script| {
        let began = std::time::Instant::now();
        tally.explore(&run_of(script), 5, 0);
        println!("{}: {:?}, {} crash states so far", script.name, began.elapsed(), tally.distinct());
    });
    tally.panic_if_broken();
    explore_further(&tally, wanted.unwrap_or(0));
    tally.panic_if_broken();
    let beside = tally.survivals.into_inner();
    let (crashes, kills) = (tally.crashes.into_inner(), tally.kills.into_inner());
    let states = tally.states.into_inner().unwrap().len();
    println!(
        "{states} distinct crash states, {crashes} recoveries, {kills} processes that were cut off twice, \
         {beside} that were killed beside others"
    );
    assert!(states >= wanted.unwrap_or(STATES_MIN), "only {states} distinct crash states");
}

#[test]
fn a_restored_journal_has_one_new_id_whoever_is_killed_while_it_gets_it() {
    let tally = Tally::default();
    let effort = Effort { stride: 1, marks: 1, crashes: 2, every_way: false, seed: 0 };
    for how in [Restore::InPlace, Restore::Replaced] {
        tally.explore_scene("renewal", &scenes::renewal(how), effort);
    }
    tally.panic_if_broken();
}

#[test]
fn whichever_process_is_killed_the_others_lose_nothing() {
    let tally = Tally::default();
    explore_scenes(&tally, if std::env::var_os(STATES_ENV).is_some() { 1 } else { SCENE_STRIDE });
    tally.panic_if_broken();
    let (kills, states) = (tally.survivals.into_inner(), tally.states.into_inner().unwrap().len());
    println!("{kills} processes were killed beside others, {states} distinct crash states");
    assert!(kills >= KILLS_MIN, "only {kills} processes were killed beside others");
}

#[test]
fn whatever_call_fails_every_promise_holds() {
    let broken = Tally::default();
    let injected = AtomicU64::new(0);
    for_each_script(|script| {
        let mut healthy = Driver::new(World::default(), Facts::default(), &script.settings);
        healthy.run(&script.steps);
        let calls = healthy.sim.calls();
        let every = if std::env::var_os(STATES_ENV).is_some() { 1 } else { 13 };
        for at in 1..=calls {
            if broken.is_hopeless() {
                return;
            }
            for fault in Fault::ALL {
                for for_good in [false, true] {
                    // Each call is met by some fault, and each fault meets many calls; a long run tries all.
                    if !(at as usize + fault as usize + 2 * usize::from(for_good)).is_multiple_of(every) {
                        continue;
                    }
                    if let Some(result) = fail(script, Plan { at, fault, for_good }) {
                        injected.fetch_add(1, Ordering::Relaxed);
                        let lasting = if for_good { "for good" } else { "once" };
                        broken.report(&format!("{}, {fault:?} at call {at} {lasting}", script.name), result);
                    }
                }
            }
        }
    });
    println!("{} faults", injected.into_inner());
    broken.panic_if_broken();
}

#[test]
fn no_call_that_a_signal_breaks_off_ends_anything() {
    let broken = Tally::default();
    let injected = AtomicU64::new(0);
    for_each_script(|script| {
        let run = |plan| {
            let mut driver = Driver::new(World::default(), Facts::new(script.strict), &script.settings);
            driver.sim.fail(plan);
            let errors = driver.run(&script.steps);
            (errors, driver)
        };
        let (_, healthy) = run(None);
        for at in 1..=healthy.sim.calls() {
            let (errors, driver) = run(Some(Plan { at, fault: Fault::Interrupted, for_good: false }));
            if driver.sim.fired() {
                injected.fetch_add(1, Ordering::Relaxed);
                let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
                let result =
                    if errors.is_empty() { driver.history.verdict() } else { Err(errors.join("; ")) };
                broken.report(&format!("{}, EINTR at call {at}", script.name), result);
            }
        }
    });
    println!("{} calls broken off", injected.into_inner());
    broken.panic_if_broken();
}

/// Runs a script with a fault; then the fault is gone and another process starts, at once or after a power cut.
/// None if the fault met no call.
fn fail(script: &Script, plan: Plan) -> Option<Result<(), String>> {
    let endless = plan.fault == Fault::Interrupted && plan.for_good;
    if endless || (plan.fault == Fault::Killed) != plan.for_good && plan.fault == Fault::Killed {
        return None;
    }
    let facts = Facts::new(script.strict);
    let mut driver = Driver::new(World::default(), facts, &script.settings);
    driver.sim.fail(Some(plan));
    let errors = driver.run(&script.steps);
    if !driver.sim.fired() {
        return None;
    }
    driver.sim.fail(None);
    driver.kill();
    let mistaken = errors.iter().find(|error| {
        !matches!(error, Error::Io { .. } | Error::Latched { .. } | Error::Full { .. } | Error::Busy { .. })
    });
    if let Some(error) = mistaken {
        return Some(Err(format!("taken for something else: {error}")));
    }
    let world = driver.sim.world();
    let facts = driver.history.facts();
    let everything = vec![Fate::Kept; world.pending().len()];
    let result = driver.history.verdict().and_then(|()| {
        for (how, world) in [
            ("at once", world.clone()),
            ("after a crash that kept all", world.crash(&everything)),
            ("after a crash", world.crash(&[])),
        ] {
            check(world, &facts, &script.settings).map_err(|wrong| format!("{how}: {wrong}"))?;
        }
        Ok(())
    });
    Some(result)
}
