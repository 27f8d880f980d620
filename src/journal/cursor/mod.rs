//! The cursor file: two slots, overwritten in turn, each with one write and one sync.
//!
//! Replayer and evicting appender both move it. Each step locks the file, reads the newest slot, applies itself and
//! writes the other slot, so that no step is lost. A crash leaves the step done or not done.
//!
//! The newest slot that can be read need not be durable: whoever wrote it may have been killed before its sync, or the
//! sync may have failed. Nobody builds on it, and nobody overwrites the slot before it, until it has been written and
//! synced once more.
//!
//! Where the file system copies on write, a full disk can refuse even what is written over itself. The file asks to be
//! overwritten in place; where that is not granted (the file is older than this rule, or a snapshot holds its blocks) the
//! state goes into the file's *attribute*, a third slot, which needs no block of its own, until a slot can be written again.

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
    /// Whether there may be a third slot.
    has_attribute: bool,
    /// The generation that this process has seen a sync of.
    durable: Cell<Option<u64>>,
}

/// The slots as they are; what is missing of them is zeros.
struct Slots {
    pages: [[u8; SLOT_BYTES]; 2],
    attribute: Vec<u8>,
}

impl CursorFile {
    /// Writes a new journal's cursor, durably but for its name.
    pub fn create(store: &Store, state: &CursorState) -> Result<()> {
        let file = store.open_to_overwrite(layout::CURSOR)?;
        let slot = encode(&file, state)?;
        file.set_len(0)?;
        file.write_at(&slot, 0)?;
        file.write_at(&slot, SLOT_BYTES as u64)?;
        file.sync_data()
    }

    pub fn open(store: &Store, how: Open) -> Result<Self> {
        match store.open_if_there(layout::CURSOR, how)? {
            Some(file) => Ok(Self { file, has_attribute: store.copies_on_write(), durable: Cell::new(None) }),
            None => {
                Err(Error::Damaged { path: store.path_of(layout::CURSOR), reason: "it is missing".into() })
            }
        }
    }

    /// The newest valid state.
    pub fn load(&self) -> Result<CursorState> {
        self.newest(&self.slots()?)
    }

    fn slots(&self) -> Result<Slots> {
        let mut pages = [[0; SLOT_BYTES]; 2];
        self.file.read_at(pages.as_flattened_mut(), 0)?;
        let attribute = if self.has_attribute { self.file.attribute()? } else { Vec::new() };
        Ok(Slots { pages, attribute })
    }

    fn newest(&self, slots: &Slots) -> Result<CursorState> {
        let pages = slots.pages.iter().map(|page| &page[..]);
        let states = pages.chain([&slots.attribute[..]]).filter_map(slot::decode::<CursorState>);
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

    fn settled(&self, slots: &Slots) -> Result<CursorState> {
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
        let written = self.file.write_at(&slot, offset_of(state)).and_then(|()| self.file.sync_data());
        match written {
            Err(error) if self.has_attribute && error.is_storage_full() => self.put_aside(state)?,
            result => {
                result?;
                self.clear_aside();
            }
        }
        self.durable.set(Some(state.generation));
        Ok(())
    }

    /// Puts the state into the third slot: the disk is full.
    fn put_aside(&self, state: &CursorState) -> Result<()> {
        let value = slot::encode_short(state).ok_or_else(|| outgrown(&self.file))?;
        self.file.set_attribute(&value)?;
        self.file.sync_data()
    }

    /// Empties the third slot once a page holds what is newer: should both pages be damaged some day, an old state must
    /// not pass for the cursor. If a crash or an error prevents that, the next put does it.
    fn clear_aside(&self) {
        if self.has_attribute && self.file.attribute().is_ok_and(|value| !value.is_empty()) {
            let _ = self.file.set_attribute(&[]);
        }
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
            let _ = self.file.write_at(&slots.pages[slot_of(&state)], offset_of(&state));
            if self.has_attribute && self.file.attribute().is_ok_and(|value| value != slots.attribute) {
                let _ = self.file.set_attribute(&slots.attribute);
            }
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
    slot::encode(state, SLOT_BYTES).ok_or_else(|| outgrown(file))
}

fn outgrown(file: &File) -> Error {
    Error::Damaged { path: file.path().to_owned(), reason: "its state outgrew its slot".into() }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::super::test_support::seq;
    use super::*;
    use crate::storage::sim::{Fault, Plan, Sim, World};

    fn open(sim: &Sim) -> CursorFile {
        CursorFile::open(&Store::new(Path::new("journal"), Arc::new(sim.clone())), Open::Write).unwrap()
    }

    /// The cursor of a new journal, moved to seq 3 while a page can be written, and from then on on a full disk.
    fn on_a_full_disk() -> (Sim, CursorFile) {
        let sim = Sim::new(World::default());
        let store = Store::new(Path::new("journal"), Arc::new(sim.clone()));
        CursorFile::create(&store, &CursorState::new()).unwrap();
        store.sync_names().unwrap();
        let cursor = open(&sim);
        cursor.update(|state| state.evict_to(seq(3))).unwrap();
        sim.fail(Some(Plan { at: 0, fault: Fault::NoSpaceForData, for_good: true }));
        (sim, cursor)
    }

    #[test]
    fn the_cursor_moves_on_a_full_disk_that_copies_on_write_and_survives_a_crash_there() {
        let (sim, cursor) = on_a_full_disk();
        for to in 4..10 {
            cursor.update(|state| state.evict_to(seq(to))).unwrap();
            assert_eq!(open(&sim).load().unwrap().cursor, seq(to));
        }
        let after = Sim::new(sim.world().crash(&[]));
        assert_eq!(open(&after).load().unwrap().cursor, seq(9));
        open(&after).update(|state| state.evict_to(seq(10))).unwrap();
        let again = Sim::new(after.world().crash(&[]));
        assert_eq!(open(&again).load().unwrap().cursor, seq(10));
    }

    #[test]
    fn an_old_state_that_was_put_aside_never_passes_for_the_cursor() {
        let (sim, cursor) = on_a_full_disk();
        cursor.update(|state| state.evict_to(seq(4))).unwrap();
        sim.fail(None);
        cursor.update(|state| state.evict_to(seq(5))).unwrap();
        let mut world = sim.world();
        world.damage(layout::CURSOR, 10);
        world.damage(layout::CURSOR, SLOT_BYTES + 10);
        let spoilt = Sim::new(world);
        assert!(matches!(open(&spoilt).load(), Err(Error::Damaged { .. })));
    }
}
