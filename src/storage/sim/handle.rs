//! An open file of the simulated disk. Its lock ends with it.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use super::faults::Effect;
use super::{Call, DEADLOCK, Holder, Sim, State};
use crate::storage::{FileId, Identity, StorageFile};

pub(super) struct Handle {
    sim: Sim,
    inode: u64,
    holder: Holder,
    holds_lock: AtomicBool,
}

impl Handle {
    pub fn new(sim: Sim, inode: u64, id: u64) -> Self {
        let holder = Holder { process: sim.process.id, handle: id };
        Self { sim, inode, holder, holds_lock: AtomicBool::new(false) }
    }

    fn is_taken(&self, state: &State) -> bool {
        state.locks.get(&self.inode).is_some_and(|holder| *holder != self.holder)
    }

    fn take(&self, state: &mut State) {
        state.locks.insert(self.inode, self.holder);
        self.holds_lock.store(true, Ordering::SeqCst);
    }

    fn release(&self) {
        if self.holds_lock.swap(false, Ordering::SeqCst) {
            let mut state = self.sim.state();
            // After its process was killed, another may have it.
            if state.locks.get(&self.inode) == Some(&self.holder) {
                state.locks.remove(&self.inode);
            }
            self.sim.machine.unlocked.notify_all();
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.release();
    }
}

impl StorageFile for Handle {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.sim.call(Call::Read, |world, _| {
            let bytes = world.live(self.inode);
            let rest = bytes.get(offset as usize..).unwrap_or_default();
            let count = rest.len().min(buffer.len());
            buffer[..count].copy_from_slice(&rest[..count]);
            Ok(count)
        })
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.sim.call(Call::Write, |world, effect| match effect {
            Effect::Whole => {
                world.write(self.inode, offset as usize, bytes);
                Ok(bytes.len())
            }
            Effect::Half(failure) => {
                let half = &bytes[..bytes.len().div_ceil(2)];
                world.write(self.inode, offset as usize, half);
                if failure.is_error() { Err(failure.into()) } else { Ok(half.len()) }
            }
        })
    }

    fn len(&self) -> io::Result<u64> {
        self.sim.call(Call::Look, |world, _| Ok(world.live(self.inode).len() as u64))
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.sim.call(Call::SetLen, |world, _| {
            world.set_len(self.inode, length as usize);
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sim.call(Call::Sync, |world, effect| match effect {
            Effect::Whole => {
                world.sync(self.inode);
                Ok(())
            }
            Effect::Half(failure) => {
                world.lose_unsynced(self.inode);
                Err(failure.into())
            }
        })
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sim.call(Call::Sync, |world, effect| match effect {
            Effect::Whole => {
                world.sync_all(self.inode);
                Ok(())
            }
            Effect::Half(failure) => {
                world.lose_unsynced(self.inode);
                Err(failure.into())
            }
        })
    }

    fn lock(&self) -> io::Result<()> {
        let mut state = self.sim.state();
        self.sim.effect_of(&mut state, Call::Lock)?;
        while self.is_taken(&state) {
            let (woken, waited) = self.sim.machine.unlocked.wait_timeout(state, DEADLOCK).unwrap();
            assert!(!waited.timed_out(), "deadlock");
            state = woken;
        }
        self.take(&mut state);
        Ok(())
    }

    fn try_lock(&self) -> io::Result<bool> {
        let mut state = self.sim.state();
        self.sim.effect_of(&mut state, Call::Lock)?;
        let free = !self.is_taken(&state);
        if free {
            self.take(&mut state);
        }
        Ok(free)
    }

    fn unlock(&self) -> io::Result<()> {
        self.release();
        Ok(())
    }

    fn is_linked(&self) -> io::Result<bool> {
        self.sim.call(Call::Look, |world, _| Ok(world.is_linked(self.inode)))
    }

    fn id(&self) -> io::Result<FileId> {
        self.sim.call(Call::Look, |world, _| Ok(world.file_id(self.inode)))
    }

    fn identity(&self) -> io::Result<Identity> {
        self.sim.call(Call::Look, |world, _| Ok(world.identity(self.inode)))
    }

    fn set_modified(&self, modified_ns: i64) -> io::Result<()> {
        self.sim.call(Call::SetLen, |world, _| {
            world.set_modified(self.inode, modified_ns as u64);
            Ok(())
        })
    }

    fn attribute(&self) -> io::Result<Vec<u8>> {
        self.sim.call(Call::Read, |world, _| Ok(world.attribute(self.inode).to_vec()))
    }

    /// Works on a full disk, too.
    fn set_attribute(&self, value: &[u8]) -> io::Result<()> {
        self.sim.call(Call::SetAttribute, |world, _| {
            world.set_attribute(self.inode, value);
            Ok(())
        })
    }
}
