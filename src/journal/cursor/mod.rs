//! The cursor file: two slots, overwritten in turn, each with one write and one sync.
//!
//! Replayer and evicting appender both move it. Each step locks the file, reads the newest slot, applies itself and
//! writes the other slot, so that no step is lost. A crash leaves the step done or not done.
//!
//! The newest slot that can be read need not be durable: whoever wrote it may have been killed before its sync, or the
//! sync may have failed. Nobody builds on it, and nobody overwrites the slot before it, until it has been written and
//! synced once more.

mod state;

use std::cell::Cell;

pub(crate) use self::state::{CursorState, InFlight, Route};
use super::{layout, slot};
use crate::error::{Error, Result};
use crate::storage::{File, Open, Store};

/// One page each: tearing one slot cannot harm the other.
const SLOT_BYTES: usize = 4096;

/// The open cursor file.
pub(crate) struct CursorFile {
    file: File,
    /// The generation that this process has seen a sync of.
    durable: Cell<Option<u64>>,
}

impl CursorFile {
    /// Writes a new journal's cursor, durably but for its name.
    pub fn create(store: &Store, state: &CursorState) -> Result<()> {
        let file = store.open(layout::CURSOR, Open::Create)?;
        let slot = encode(&file, state)?;
        file.set_len(0)?;
        file.write_at(&slot, 0)?;
        file.write_at(&slot, SLOT_BYTES as u64)?;
        file.sync_data()
    }

    pub fn open(store: &Store, how: Open) -> Result<Self> {
        match store.open_if_there(layout::CURSOR, how)? {
            Some(file) => Ok(Self { file, durable: Cell::new(None) }),
            None => {
                Err(Error::Damaged { path: store.path_of(layout::CURSOR), reason: "it is missing".into() })
            }
        }
    }

    /// The newest valid state.
    pub fn load(&self) -> Result<CursorState> {
        self.newest(&self.slots()?)
    }

    /// Both slots as they are; what is missing of them is zeros.
    fn slots(&self) -> Result<[[u8; SLOT_BYTES]; 2]> {
        let mut slots = [[0; SLOT_BYTES]; 2];
        self.file.read_at(slots.as_flattened_mut(), 0)?;
        Ok(slots)
    }

    fn newest(&self, slots: &[[u8; SLOT_BYTES]; 2]) -> Result<CursorState> {
        let states = slots.iter().filter_map(|slot| slot::decode::<CursorState>(slot));
        states.filter(CursorState::is_consistent).max_by_key(|state| state.generation).ok_or_else(|| {
            Error::Damaged {
                path: self.file.path().to_owned(),
                reason: "neither of its two slots is valid".into(),
            }
        })
    }

    /// The newest valid state, once it is durable.
    pub fn load_durable(&self) -> Result<CursorState> {
        let _lock = self.file.lock()?;
        self.settled(&self.slots()?)
    }

    fn settled(&self, slots: &[[u8; SLOT_BYTES]; 2]) -> Result<CursorState> {
        let mut state = self.newest(slots)?;
        if self.durable.get() != Some(state.generation) {
            self.put(&state)?;
            // Counted with the next step.
            state.count_put();
        }
        Ok(state)
    }

    fn put(&self, state: &CursorState) -> Result<()> {
        let slot = encode(&self.file, state)?;
        self.file.write_at(&slot, offset_of(state))?;
        self.file.sync_data()?;
        self.durable.set(Some(state.generation));
        Ok(())
    }

    /// Applies one step and makes it durable. Returns the state after it.
    pub fn update(&self, step: impl FnOnce(&mut CursorState)) -> Result<CursorState> {
        let _lock = self.file.lock()?;
        let slots = self.slots()?;
        let mut state = self.settled(&slots)?;
        let before = state.cursor;
        step(&mut state);
        debug_assert!(state.cursor >= before && state.is_consistent(), "{state:?}");
        // Begun anew it would be older than the slot that it replaces.
        state.generation = state.generation.checked_add(1).ok_or_else(|| Error::Damaged {
            path: self.file.path().to_owned(),
            reason: "no generation can follow its last".into(),
        })?;
        state.count_put();
        if let Err(error) = self.put(&state) {
            // The step has not been done. If this fails too, whoever comes next makes it durable first.
            let _ = self.file.write_at(&slots[slot_of(&state)], offset_of(&state));
            self.durable.set(None);
            return Err(error);
        }
        Ok(state)
    }
}

impl CursorState {
    /// One slot more was written. Of wear it does not matter where counting ends.
    fn count_put(&mut self) {
        self.syncs = self.syncs.saturating_add(1);
        self.bytes_written = self.bytes_written.saturating_add(SLOT_BYTES as u64);
    }
}

fn slot_of(state: &CursorState) -> usize {
    (state.generation % 2) as usize
}

fn offset_of(state: &CursorState) -> u64 {
    (slot_of(state) * SLOT_BYTES) as u64
}

fn encode(file: &File, state: &CursorState) -> Result<Vec<u8>> {
    slot::encode(state, SLOT_BYTES).ok_or_else(|| Error::Damaged {
        path: file.path().to_owned(),
        reason: "its state outgrew its slot".into(),
    })
}
