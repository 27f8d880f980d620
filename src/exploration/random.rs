//! Random steps, crashes and faults, against the same oracle.

use proptest::prelude::*;

use super::crashes::random_way;
use super::driver::{Driver, Step};
use super::history::Facts;
use super::oracle::check;
use super::receiver::Answers;
use crate::journal::{Overflow, Settings};
use crate::storage::sim::{Fault, Plan, Restore, World};

/// A script in another order, with some steps twice and some left out.
pub(super) fn shuffled(steps: &[Step], dice: &mut fastrand::Rng) -> Vec<Step> {
    let mut shuffled: Vec<Step> = (0..steps.len()).map(|_| steps[dice.usize(..steps.len())]).collect();
    for step in &mut shuffled {
        if let Step::Append { count, size, sync, .. } = step {
            *count = dice.u64(1..6);
            *size = if *size > 1000 { *size } else { dice.usize(1..200) };
            *sync = *sync && dice.u8(..4) > 0;
        }
    }
    shuffled
}

#[derive(Debug, Clone)]
enum Action {
    Step(Step),
    /// The power goes; what becomes of the pending operations is drawn from the seed.
    Crash(u64),
    /// The process is killed at a call some way ahead, perhaps in the middle of a write; the next one goes on.
    Kill {
        ahead: u64,
        half: bool,
    },
    /// A call some way ahead fails.
    Fault {
        ahead: u64,
        fault: Fault,
        for_good: bool,
    },
}

fn answers() -> impl Strategy<Value = Answers> {
    prop_oneof![
        3 => Just(Answers::Accept),
        1 => (2..5_u64).prop_map(Answers::Refuse),
        1 => Just(Answers::Half),
        1 => Just(Answers::RefuseAll),
        2 => (0..3_usize).prop_map(Answers::Later),
        1 => (1..3_u64).prop_map(Answers::AtMost),
        1 => (1..6_u64).prop_map(Answers::WhileAppending),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let append = (0..2_usize, 1..6_u64, 1..200_usize, any::<bool>());
    prop_oneof![
        6 => append.prop_map(|(writer, count, size, sync)| Step::Append { writer, count, size, sync }),
        2 => (0..2_usize).prop_map(|writer| Step::Sync { writer }),
        1 => (0..2_usize).prop_map(|writer| Step::Reject { writer }),
        1 => (1..8_u64, any::<bool>()).prop_map(|(lines, sync)| Step::Ingest { lines, sync }),
        4 => (1..5_u64, answers()).prop_map(|(batch, answers)| Step::Replay { batch, answers }),
        1 => Just(Step::Compact),
        1 => (1..6_u64).prop_map(Step::Skip),
        1 => (0..8_u64).prop_map(Step::MaxEntries),
        1 => Just(Step::Inspect),
        2 => Just(Step::Kill),
        1 => Just(Step::Backup),
        1 => prop::sample::select(vec![
            Restore::InPlace,
            Restore::InPlaceUntimed,
            Restore::Replaced,
            Restore::Copied,
        ])
        .prop_map(Step::Restore),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    let fault = prop::sample::select(&Fault::ALL[..6]);
    prop_oneof![
        8 => step().prop_map(Action::Step),
        2 => any::<u64>().prop_map(Action::Crash),
        1 => (1..60_u64, any::<bool>()).prop_map(|(ahead, half)| Action::Kill { ahead, half }),
        1 => (1..40_u64, fault, any::<bool>()).prop_map(|(ahead, fault, for_good)| {
            Action::Fault { ahead, fault, for_good: for_good && fault != Fault::Interrupted }
        }),
    ]
}

fn settings() -> impl Strategy<Value = Settings> {
    let overflow = prop::sample::select(vec![Overflow::DropOldest, Overflow::Reject]);
    (prop::sample::select(vec![0_u64, 0, 5, 9]), overflow).prop_map(|(max_entries, overflow)| Settings {
        segment_bytes: Some(1024),
        max_bytes: Some(16 << 20),
        max_entries: Some(max_entries),
        overflow: Some(overflow),
        ..Settings::default()
    })
}

fn run(settings: &Settings, actions: &[Action]) -> Result<(), String> {
    let mut driver = Driver::new(World::default(), Facts::default(), settings);
    for action in actions {
        match action {
            Action::Step(step) => {
                driver.run(&[*step]);
                if driver.sim.is_dead() {
                    driver = driver.next_process();
                }
            }
            Action::Kill { ahead, half } => driver.sim.kill_at(driver.sim.own_calls() + ahead, *half),
            Action::Crash(seed) => {
                driver.kill();
                driver.sim.fail(None);
                let world = driver.sim.world();
                let way = random_way(world.pending(), &mut fastrand::Rng::with_seed(*seed));
                let world = world.crash(&way);
                check(world.clone(), &driver.history.facts(), settings)?;
                driver.sim.set_world(world);
            }
            Action::Fault { ahead, fault, for_good } => {
                let at = driver.sim.calls() + ahead;
                driver.sim.fail(Some(Plan { at, fault: *fault, for_good: *for_good }));
            }
        }
        driver.history.verdict()?;
    }
    driver.kill();
    driver.sim.fail(None);
    check(driver.sim.world(), &driver.history.facts(), settings)
}

proptest! {
    #![proptest_config(ProptestConfig::default())]

    #[test]
    fn whatever_happens_in_whatever_order_every_promise_holds(
        settings in settings(),
        actions in prop::collection::vec(action(), 1..30),
    ) {
        if let Err(wrong) = run(&settings, &actions) {
            return Err(TestCaseError::fail(wrong));
        }
    }
}
