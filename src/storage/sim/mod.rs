//! A simulated disk: what a crash leaves of it is chosen, and any call on it can be made to fail.
//!
//! Every file and every name has a *live* state, which a running system sees, and a *durable* one. What was written,
//! cut, created, renamed or removed since the last sync is a list of pending operations, in order. [`World::crash`] gives
//! the world after a power cut: the durable state and what it is told of each pending operation ([`Fate`]).
//!
//! A sync that fails takes the file's pending bytes with it: they stay visible, but their pages count as clean, so that no
//! later sync makes them durable. Their length may become durable without them.
//!
//! A [`Sim`] is one process's view of the machine: [`Sim::another_process`] gives the view of another one. A process can be
//! killed before or in the middle of any of its calls ([`Sim::kill_at`]). Then its locks are free, as the kernel would have it,
//! and whatever its code still tries, in `Drop` too, fails without a trace. The other processes go on.

mod faults;
mod handle;
mod world;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use self::faults::Effect;
pub(crate) use self::faults::{Call, Fault, Plan};
use self::handle::Handle;
pub(crate) use self::world::{Fate, Pending, Restore, World};
use super::{Open, Storage, StorageFile, Uptime};

/// Longer than any lock is held in a test: whoever waits so long waits for ever.
const DEADLOCK: Duration = Duration::from_secs(20);

/// One process's view of a simulated machine's one directory. Clones are of the same process.
#[derive(Clone)]
pub(crate) struct Sim {
    machine: Arc<Machine>,
    process: Arc<Process>,
}

struct Process {
    id: u64,
    calls: AtomicU64,
    /// The call at which it is killed; 0: none.
    killed_at: AtomicU64,
    /// Whether half of that call is done, if it is a write.
    half: AtomicBool,
    dead: AtomicBool,
    /// Whether that was in, or before, a write.
    died_writing: AtomicBool,
}

impl Process {
    fn new(id: u64) -> Arc<Self> {
        let (calls, killed_at) = (AtomicU64::new(0), AtomicU64::new(0));
        let [half, dead, died_writing] = [(); 3].map(|()| AtomicBool::new(false));
        Arc::new(Self { id, calls, killed_at, half, dead, died_writing })
    }
}

/// Who holds a lock: an open file of a process.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Holder {
    process: u64,
    handle: u64,
}

struct Machine {
    state: Mutex<State>,
    /// Told when a lock is given back.
    unlocked: Condvar,
    /// How much the test had noted when a snapshot was taken.
    moment: AtomicUsize,
    next_handle: AtomicU64,
    next_process: AtomicU64,
}

struct State {
    world: World,
    /// Which open file holds the lock of which file.
    locks: HashMap<u64, Holder>,
    calls: u64,
    /// How many there were of each kind.
    counts: HashMap<Call, u64>,
    plan: Option<Plan>,
    fired: bool,
    snapshots: Option<Vec<Snapshot>>,
}

/// The world after a call that changed it.
pub(crate) struct Snapshot {
    pub world: World,
    /// What [`Sim::set_moment`] was told last.
    pub moment: usize,
    /// How many calls there had been.
    pub calls: u64,
}

impl fmt::Debug for Sim {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Sim")
    }
}

impl Sim {
    pub fn new(world: World) -> Self {
        let state = State {
            world,
            locks: HashMap::new(),
            calls: 0,
            counts: HashMap::new(),
            plan: None,
            fired: false,
            snapshots: None,
        };
        let machine = Arc::new(Machine {
            state: Mutex::new(state),
            unlocked: Condvar::new(),
            moment: AtomicUsize::new(0),
            next_handle: AtomicU64::new(1),
            next_process: AtomicU64::new(1),
        });
        Self { machine, process: Process::new(0) }
    }

    /// The view of another process on the same machine.
    pub fn another_process(&self) -> Self {
        let id = self.machine.next_process.fetch_add(1, Ordering::SeqCst);
        Self { machine: Arc::clone(&self.machine), process: Process::new(id) }
    }

    /// How many calls this process has made.
    pub fn own_calls(&self) -> u64 {
        self.process.calls.load(Ordering::SeqCst)
    }

    /// Kills this process before its call number `call`, or, if `half` and that is a write, when half of it is done.
    pub fn kill_at(&self, call: u64, half: bool) {
        self.process.killed_at.store(call, Ordering::SeqCst);
        self.process.half.store(half, Ordering::SeqCst);
    }

    /// Whether it was a write that this process was killed before or in.
    pub fn died_writing(&self) -> bool {
        self.process.died_writing.load(Ordering::SeqCst)
    }

    pub fn is_dead(&self) -> bool {
        self.process.dead.load(Ordering::SeqCst)
    }

    /// Keeps a snapshot after every call that changes something.
    pub fn record(&self) {
        self.state().snapshots = Some(Vec::new());
    }

    pub fn recorded(&self) -> Vec<Snapshot> {
        self.state().snapshots.take().unwrap_or_default()
    }

    pub fn set_moment(&self, moment: usize) {
        self.machine.moment.store(moment, Ordering::SeqCst);
    }

    pub fn world(&self) -> World {
        self.state().world.clone()
    }

    /// Replaces the world, as a crash or a person with an editor does. Open files are those of the old one.
    pub fn set_world(&self, world: World) {
        self.state().world = world;
    }

    /// Time goes by.
    pub fn wait(&self, ms: u64) {
        self.state().world.wait(ms);
    }

    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// How many calls of this kind there have been.
    pub fn count(&self, call: Call) -> u64 {
        self.state().counts.get(&call).copied().unwrap_or(0)
    }

    pub fn fail(&self, plan: Option<Plan>) {
        let mut state = self.state();
        state.plan = plan;
        state.fired = false;
    }

    /// Whether the planned fault has met a call.
    pub fn fired(&self) -> bool {
        self.state().fired
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.machine.state.lock().unwrap()
    }

    /// One call: `work` does what it does, or what the planned fault makes of it.
    fn call<T>(&self, call: Call, work: impl FnOnce(&mut World, Effect) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.state();
        let effect = self.effect_of(&mut state, call)?;
        let result = work(&mut state.world, effect);
        if call.changes() {
            let moment = self.machine.moment.load(Ordering::SeqCst);
            let calls = state.calls;
            let world = state.snapshots.is_some().then(|| state.world.clone());
            if let (Some(snapshots), Some(world)) = (&mut state.snapshots, world) {
                snapshots.push(Snapshot { world, moment, calls });
            }
        }
        result
    }

    /// Counts a call. An error if it is to do nothing: because the process is dead, or because the call is to fail.
    fn effect_of(&self, state: &mut State, call: Call) -> io::Result<Effect> {
        let number = self.process.calls.fetch_add(1, Ordering::SeqCst) + 1;
        if self.is_dead() {
            return Fault::Killed.effect_on(call);
        }
        let due = self.process.killed_at.load(Ordering::SeqCst);
        if due == 0 || number < due {
            return state.effect_of(call);
        }
        self.process.dead.store(true, Ordering::SeqCst);
        self.process.died_writing.store(call == Call::Write, Ordering::SeqCst);
        state.locks.retain(|_, holder| holder.process != self.process.id);
        self.machine.unlocked.notify_all();
        let half = call == Call::Write && self.process.half.load(Ordering::SeqCst);
        if half { Fault::Io } else { Fault::Killed }.effect_on(call)
    }
}

impl State {
    /// Counts a call. An error if it is to fail and to do nothing.
    fn effect_of(&mut self, call: Call) -> io::Result<Effect> {
        self.calls += 1;
        *self.counts.entry(call).or_default() += 1;
        let Some(plan) = self.plan.filter(|plan| plan.meets(self.calls, call)) else {
            return Ok(Effect::Whole);
        };
        self.fired = true;
        plan.fault.effect_on(call)
    }
}

impl Storage for Sim {
    fn open(&self, name: &str, how: Open) -> io::Result<Box<dyn StorageFile>> {
        let inode = self.call(Call::Open, |world, _| match (world.inode(name), how) {
            (Some(_), Open::CreateNew) => Err(io::ErrorKind::AlreadyExists.into()),
            (Some(inode), _) => Ok(inode),
            (None, Open::Create | Open::CreateNew) => Ok(world.create(name)),
            (None, _) => Err(io::ErrorKind::NotFound.into()),
        })?;
        let id = self.machine.next_handle.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(Handle::new(self.clone(), inode, id)))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.call(Call::List, |world, _| Ok(world.names()))
    }

    fn size(&self, name: &str) -> io::Result<u64> {
        self.call(Call::Look, |world, _| {
            let inode = world.inode(name).ok_or(io::ErrorKind::NotFound)?;
            Ok(world.live(inode).len() as u64)
        })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.call(Call::Rename, |world, _| world.rename(from, to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.call(Call::Remove, |world, _| world.remove(name))
    }

    fn sync_names(&self) -> io::Result<()> {
        self.call(Call::SyncNames, |world, effect| match effect {
            Effect::Whole => {
                world.sync_names();
                Ok(())
            }
            Effect::Half(error) => Err(error.into()),
        })
    }

    fn boot_id(&self) -> Option<String> {
        Some(format!("boot-{}", self.state().world.boot()))
    }

    /// The more demanding kind.
    fn copies_on_write(&self) -> bool {
        true
    }

    fn uptime(&self) -> Option<Uptime> {
        Some(Uptime { namespace: 1, ms: self.state().world.uptime_ms() })
    }
}
