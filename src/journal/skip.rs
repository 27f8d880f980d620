//! Moving the cursor past entries that a person gives up: on the record, and past nothing that was not written.

use super::Journal;
use super::cursor::CursorFile;
use crate::error::{Error, Result};
use crate::record::Seq;
use crate::storage::Open;

/// What was skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Skipped {
    /// Entries that were not settled before; 0 if all of them were.
    pub entries: u64,
    /// The first entry that is not settled now.
    pub cursor: Seq,
}

pub(super) fn skip(journal: &Journal, through: Seq) -> Result<Skipped> {
    // Nothing is on the link meanwhile: what is in flight was begun by a run that is over.
    let _right_to_deliver = journal.lock_for_delivery()?;
    let log_end = journal.sync()?;
    if through >= log_end {
        return Err(Error::Invalid(match log_end.since(Seq::FIRST) {
            0 => {
                format!("there is no seq {through}: nothing was ever written to {}", journal.path().display())
            }
            last => {
                format!("there is no seq {through}: the last one of {} is {last}", journal.path().display())
            }
        }));
    }
    let cursor_file = CursorFile::open(journal.store(), Open::Write)?;
    let limits = journal.current_config()?.limits;
    let before = cursor_file.load()?;
    if through < before.cursor {
        return Ok(Skipped { entries: 0, cursor: before.cursor });
    }
    let after = journal.step_cursor(&cursor_file, &limits, |state| state.skip_to(through.next()))?;
    Ok(Skipped { entries: after.skipped - before.skipped, cursor: after.cursor })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::journal::test_support::{Fixture, alerting_and_passed_in_flight, alerts, append};
    use crate::journal::{InFlight, Settings};
    use crate::sink::BodyFormat;

    fn seq(number: u64) -> Seq {
        Seq::new(number).unwrap()
    }

    fn journal(entries: u64, settings: &Settings) -> (Fixture, Journal) {
        let (fixture, journal) = Fixture::new(settings);
        append(&journal, 1, entries);
        (fixture, journal)
    }

    #[test]
    fn skipped_entries_are_on_the_record_and_nothing_else_moves() {
        let (_fixture, journal) = journal(20, &Settings::default());
        assert_eq!(journal.skip(seq(7)).unwrap(), Skipped { entries: 7, cursor: seq(8) });
        assert_eq!(journal.skip(seq(7)).unwrap(), Skipped { entries: 0, cursor: seq(8) });
        let stats = journal.stats().unwrap();
        assert_eq!((stats.skipped, stats.pending, stats.cursor, stats.delivered), (7, 13, 8, 0));
        assert_eq!(journal.skip(seq(20)).unwrap(), Skipped { entries: 13, cursor: seq(21) });
        assert_eq!(journal.stats().unwrap().pending, 0);
    }

    #[test]
    fn what_was_never_written_cannot_be_skipped() {
        let (_fixture, journal) = journal(20, &Settings::default());
        for number in [21, 22, u64::MAX] {
            let error = journal.skip(seq(number)).unwrap_err();
            assert!(matches!(&error, Error::Invalid(text) if text.contains("last one")), "{error}");
        }
        assert_eq!(journal.stats().unwrap().skipped, 0);
        let (_fixture, empty) = Fixture::new(&Settings::default());
        assert!(matches!(empty.skip(seq(1)).unwrap_err(), Error::Invalid(_)));
    }

    #[test]
    fn while_another_process_delivers_nothing_is_skipped() {
        let (_fixture, journal) = journal(3, &Settings::default());
        let _delivering = journal.lock_for_delivery().unwrap();
        assert!(matches!(journal.skip(seq(1)).unwrap_err(), Error::Busy { .. }));
    }

    #[test]
    fn skipping_passes_damage_eviction_and_batches_in_flight_and_everything_adds_up() {
        let (fixture, journal) = journal(20, &Settings { max_entries: Some(20), ..Settings::default() });
        let path = fixture.path.join("00000000000000000001.jsonl");
        let mut bytes = fs::read(&path).unwrap();
        bytes[100] ^= 1;
        fs::write(&path, &bytes).unwrap();
        let cursor_file = CursorFile::open(journal.store(), Open::Write).unwrap();
        cursor_file
            .update(|state| {
                for (first, last) in [(1, 5), (6, 10), (11, 15)] {
                    state.begin(InFlight { first: seq(first), last: seq(last), body: BodyFormat::Ndjson });
                }
            })
            .unwrap();
        append(&journal, 21, 3);
        let skipped = journal.skip(seq(8)).unwrap();
        let state = cursor_file.load().unwrap();
        let stats = journal.stats().unwrap();
        assert_eq!((skipped.cursor, state.undecided()), (seq(9), 0));
        assert_eq!((stats.evicted + stats.skipped, skipped.entries), (8, stats.skipped));
        assert_eq!(stats.written, stats.evicted + stats.skipped + stats.pending);
        let bounds: Vec<_> =
            state.in_flight.iter().map(|batch| (batch.first.get(), batch.last.get())).collect();
        assert_eq!(bounds, [(9, 10), (11, 15)]);
    }

    #[test]
    fn a_loss_that_a_skip_finds_raises_the_alert_and_what_is_skipped_does_not() {
        let (fixture, journal) = alerting_and_passed_in_flight();
        assert_eq!(journal.skip(seq(16)).unwrap(), Skipped { entries: 1, cursor: seq(17) });
        assert_eq!(journal.stats().unwrap().evicted, 15);
        assert_eq!(alerts(&fixture, &journal), [15]);
        journal.skip(seq(30)).unwrap();
        assert_eq!(alerts(&fixture, &journal), [15]);
    }
}
