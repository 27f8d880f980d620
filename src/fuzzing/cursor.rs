//! The cursor file: what is read is consistent, and a step from there is never lost.

use super::{directory, put};
use crate::journal::{CURSOR, CursorFile, CursorState, InFlight};
use crate::record::Seq;
use crate::sink::BodyFormat;
use crate::storage::{Open, Store};

/// How far a step goes, in entries.
const STEP: u64 = 3;

/// What may happen to a cursor.
const STEPS: [fn(&mut CursorState); 7] = [
    |state| state.evict_to(state.cursor.plus(STEP)),
    begin,
    |state| state.delivered(state.in_flight.first().map_or(state.cursor, |batch| batch.last)),
    |state| state.delivered(state.in_flight.first().map_or(state.cursor, |batch| batch.first)),
    |state| state.damaged(state.cursor, STEP),
    CursorState::release,
    CursorState::trim,
];

/// A file is refused, or its state is consistent; then each step is read again as it was done, or has not been done.
pub fn cursor(bytes: &[u8]) {
    for step in STEPS {
        let store = directory();
        put(&store, CURSOR, bytes);
        let Ok(before) = load(&store) else { return };
        assert!(before.is_consistent(), "{before:?}");
        let file = CursorFile::open(&store, Open::Write).expect("it is there");
        match file.update(step) {
            Ok(after) => {
                assert!(after.is_consistent() && after.cursor >= before.cursor, "{before:?} {after:?}");
                assert!(after.generation > before.generation, "{before:?} {after:?}");
                assert_eq!(load(&store).expect("it was just written"), after);
            }
            // It may have outgrown its slot.
            Err(_) => assert_eq!(load(&store).expect("it was not touched"), before),
        }
    }
}

fn load(store: &Store) -> crate::Result<CursorState> {
    CursorFile::open(store, Open::Read)?.load()
}

/// Puts the entries behind all others in flight, if there can be that many.
fn begin(state: &mut CursorState) {
    let first = state.unclaimed();
    let last = first.plus(STEP);
    if last < Seq::END {
        state.begin(InFlight { first, last, body: BodyFormat::Ndjson });
    }
}
