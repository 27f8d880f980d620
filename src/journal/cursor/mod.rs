//! The cursor file: two slots, overwritten in turn, each with one write and one sync.
//!
//! Replayer and evicting appender both move it. Each step locks the file, reads the newest slot, applies itself and
//! writes the other slot, so that no step is lost. A crash leaves the step done or not done.

mod state;

pub(crate) use self::state::{CursorState, InFlight};
use super::{layout, slot};
use crate::error::{Error, Result};
use crate::storage::{File, Open, Store};

/// One page each: tearing one slot cannot harm the other.
const SLOT_BYTES: usize = 4096;

/// The open cursor file.
pub(crate) struct CursorFile {
    file: File,
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
            Some(file) => Ok(Self { file }),
            None => {
                Err(Error::Damaged { path: store.path_of(layout::CURSOR), reason: "it is missing".into() })
            }
        }
    }

    /// The newest valid state.
    pub fn load(&self) -> Result<CursorState> {
        let mut bytes = vec![0; 2 * SLOT_BYTES];
        let length = self.file.read_at(&mut bytes, 0)?;
        bytes[..length]
            .chunks_exact(SLOT_BYTES)
            .filter_map(slot::decode::<CursorState>)
            .filter(CursorState::is_consistent)
            .max_by_key(|state| state.generation)
            .ok_or_else(|| Error::Damaged {
                path: self.file.path().to_owned(),
                reason: "neither of its two slots is valid".into(),
            })
    }

    /// Applies one step and makes it durable. Returns the state after it.
    pub fn update(&self, step: impl FnOnce(&mut CursorState)) -> Result<CursorState> {
        let _lock = self.file.lock()?;
        let mut state = self.load()?;
        let before = state.cursor;
        step(&mut state);
        debug_assert!(state.cursor >= before && state.is_consistent(), "{state:?}");
        state.generation += 1;
        state.syncs += 1;
        state.bytes_written += SLOT_BYTES as u64;
        let slot = encode(&self.file, &state)?;
        let offset = state.generation % 2 * SLOT_BYTES as u64;
        self.file.write_at(&slot, offset)?;
        self.file.sync_data()?;
        Ok(state)
    }
}

fn encode(file: &File, state: &CursorState) -> Result<Vec<u8>> {
    slot::encode(state, SLOT_BYTES).ok_or_else(|| Error::Damaged {
        path: file.path().to_owned(),
        reason: "its state outgrew its slot".into(),
    })
}
