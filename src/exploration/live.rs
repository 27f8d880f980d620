//! A process is killed in the middle of what it does, and the others go on without opening anything anew. Afterwards the
//! tail mark is as they left it, lost, or an older one; or the journal is a copy; or the power goes, at any moment since.

use std::collections::HashSet;

use super::driver::{Driver, Step};
use super::explore::{Seen, Tally, Told};
use super::history::Facts;
use super::oracle::check;
use super::scenes::{Deed, PROCESSES, Scene, VICTIM};
use crate::error::Error;
use crate::storage::sim::{Fate, Snapshot, World};

/// The file with the tail mark.
const MARK: &str = "append.lock";
/// A mark is one page at most. Behind it something else may have its place.
const MARK_PAGE: usize = 4096;
const COPIED: &str = "copied";

/// How much is tried at each call of the victim.
#[derive(Clone, Copy)]
pub(super) struct Effort {
    /// Every so manieth call of the victim.
    pub stride: usize,
    /// How many older marks are put back.
    pub marks: usize,
    /// At every so manieth moment since, the power goes.
    pub crashes: usize,
    /// In every way, or in a few.
    pub every_way: bool,
    /// Random ways are drawn from this seed; 0: none.
    pub seed: u64,
}

/// The processes of a scene, on one machine.
struct Cast {
    processes: Vec<Driver>,
    has_lost_mark: bool,
}

impl Cast {
    fn new(scene: &Scene) -> Self {
        let first = Driver::new(World::default(), Facts::default(), &scene.settings);
        let mut processes = vec![first];
        while processes.len() < PROCESSES {
            processes.push(processes[0].another_process());
        }
        Self { processes, has_lost_mark: false }
    }

    /// Does these in turn. An error if one fails, or a promise is broken.
    fn act(&mut self, deeds: &[Deed]) -> Result<(), String> {
        for (who, step) in deeds {
            self.has_lost_mark |= *step == Step::LoseMark;
            let process = &mut self.processes[*who];
            match process.step(*step) {
                // Without a mark a writer does not know what has become of its unsynced entries.
                Err(Error::Latched { .. }) if self.has_lost_mark => process.kill(),
                result => result.map_err(|error| format!("process {who}, {step:?}: {error}"))?,
            }
        }
        self.processes[0].history.verdict()
    }

    /// What the victim does before it is killed at this call, or to the end.
    fn kill(&mut self, doing: &[Step], ahead: u64, half: bool) {
        let victim = &mut self.processes[VICTIM];
        victim.sim.kill_at(victim.sim.own_calls() + ahead, half);
        for step in doing {
            // What it runs into once it is dead is of no interest; alive, it may find the journal full.
            if victim.step(*step).is_err() || victim.sim.is_dead() {
                break;
            }
        }
        victim.kill();
    }
}

impl Tally {
    /// Kills the victim of a scene at its calls, one after the other, until it comes to its end unharmed.
    pub fn explore_scene(&self, name: &str, scene: &Scene, effort: Effort) {
        let mut ahead = 1 + effort.seed % effort.stride as u64;
        let mut was_killed = true;
        // Kills one after the other leave much the same.
        let mut seen = Seen::default();
        while was_killed && !self.is_hopeless() {
            let context = format!("{name}, killed before call {ahead}");
            let (killed, writing) = self.survive(&context, scene, (ahead, false), effort, &mut seen);
            was_killed = killed;
            if killed && writing {
                let context = format!("{name}, killed in the middle of call {ahead}");
                self.survive(&context, scene, (ahead, true), effort, &mut seen);
            }
            ahead += effort.stride as u64;
        }
    }

    /// One kill, and everything after it. Whether the victim was killed, and whether in a write.
    fn survive(
        &self,
        context: &str,
        scene: &Scene,
        kill: (u64, bool),
        effort: Effort,
        seen: &mut Seen,
    ) -> (bool, bool) {
        let (ahead, half) = kill;
        let mut cast = Cast::new(scene);
        if let Err(wrong) = cast.act(&scene.before) {
            self.report(context, Err(wrong));
            return (false, false);
        }
        let sim = cast.processes[0].sim.clone();
        let older = mark_in(&sim.world());
        cast.kill(&scene.doing, ahead, half);
        let victim = &cast.processes[VICTIM].sim;
        let killed = (victim.is_dead(), victim.died_writing());
        self.survived();
        sim.record();
        let result = cast.act(&scene.after);
        let snapshots = sim.recorded();
        let history = cast.processes[0].history.clone();
        let failed = result.is_err();
        self.report(context, result);
        drop(cast);
        if !failed {
            let mut marks = vec![older];
            marks.extend(spread(&snapshots, effort.marks).map(|snapshot| mark_in(&snapshot.world)));
            for (how, world) in aftermaths(&sim.world(), &marks) {
                let facts = if how == COPIED { history.facts().of_a_copy() } else { history.facts() };
                self.report(&format!("{context}, {how}"), check(world, &facts, &scene.settings));
            }
        }
        let events = history.events();
        let mut told = Told::new(Facts::default(), &events);
        let mut dice = fastrand::Rng::with_seed(effort.seed + ahead);
        for (number, snapshot) in snapshots.iter().enumerate() {
            if !(number + ahead as usize).is_multiple_of(effort.crashes) {
                continue;
            }
            let all = vec![Fate::Kept; snapshot.world.pending().len()];
            let ways = match effort.every_way {
                true => self.ways(snapshot, (effort.seed > 0).then_some(&mut dice)),
                false => vec![all.clone(), all[..all.len() / 2].to_vec(), Vec::new()],
            };
            let context = format!("{context}, then the power goes after call {}", snapshot.calls);
            self.crash(&context, snapshot, &ways, told.up_to(snapshot.moment), &scene.settings, seen);
        }
        killed
    }
}

/// What may become of the journal once everybody has gone.
fn aftermaths(world: &World, marks: &[Vec<u8>]) -> Vec<(String, World)> {
    let with_mark = |mark: &[u8]| {
        let mut world = world.clone();
        let inode = world.inode(MARK);
        let rest = inode.map_or(&[][..], |inode| world.live(inode)).get(MARK_PAGE..).unwrap_or_default();
        let mut bytes = mark.to_vec();
        if !rest.is_empty() {
            bytes.resize(MARK_PAGE, 0);
            bytes.extend_from_slice(rest);
        }
        world.put(MARK, &bytes);
        world
    };
    let mut worlds = vec![
        ("mark kept".to_owned(), world.clone()),
        ("mark lost".to_owned(), with_mark(b"")),
        (COPIED.to_owned(), world.copied()),
    ];
    let mut tried = HashSet::new();
    for (number, mark) in marks.iter().enumerate() {
        if tried.insert(mark) {
            worlds.push((format!("older mark {number} put back"), with_mark(mark)));
        }
    }
    worlds
}

fn mark_in(world: &World) -> Vec<u8> {
    let bytes = world.inode(MARK).map_or(&[][..], |inode| world.live(inode));
    bytes[..bytes.len().min(MARK_PAGE)].to_vec()
}

/// So many of them, evenly.
fn spread(snapshots: &[Snapshot], count: usize) -> impl Iterator<Item = &Snapshot> {
    snapshots.iter().step_by((snapshots.len() / count.max(1)).max(1)).take(count)
}
