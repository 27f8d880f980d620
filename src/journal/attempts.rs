//! What the runs that delivered, or tried to, have left to be told: kept in `replay.lock`, so that a run that failed quietly can be
//! explained later.
//!
//! One slot, written by whoever holds that lock, when a run begins and when it ends, without a sync: an attempt costs
//! no flush, and a full disk does not hinder one. It decides nothing. Torn, missing, or of another journal (a copy has that of its
//! original, until it gets an id of its own) it counts as unknown.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Journal, layout, slot};
use crate::error::Result;
use crate::printable::excerpt;
use crate::record::Timestamp;
use crate::storage::{File, Open};

/// Within one page, so that a write is seldom torn.
const SLOT_BYTES: usize = 2048;
/// With every character escaped twice it still fits.
const ERROR_CHARS_MAX: usize = 400;
/// A reader has no lock: what it reads while a run writes may be torn.
const READ_TRIES: u32 = 3;

/// Times are RFC 3339.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attempts {
    journal: Uuid,
    /// When a run last began.
    pub last_attempt: Option<String>,
    /// When a run last ended in which the sink took something, or which found nothing left to deliver.
    pub last_success: Option<String>,
    /// Why a run last ended early, or what it dead-lettered last; one printable line.
    pub last_error: Option<String>,
    /// When that run ended.
    pub last_error_at: Option<String>,
}

/// What a run came to.
pub(crate) struct Ending<'a> {
    pub success: bool,
    pub error: Option<&'a str>,
}

impl Attempts {
    /// What is known; read without a lock.
    pub fn read(journal: &Journal) -> Result<Self> {
        let lock = journal.store().open_if_there(layout::REPLAY_LOCK, Open::Read)?;
        let Some(lock) = lock else { return Ok(Self::default()) };
        Ok(Self::load(&lock, journal.current_id()?).unwrap_or_default())
    }

    fn load(lock: &File, journal: Uuid) -> Option<Self> {
        let mut bytes = [0; SLOT_BYTES];
        for _ in 0..READ_TRIES {
            if lock.read_at(&mut bytes, 0).ok()? < SLOT_BYTES {
                return None;
            }
            if let Some(attempts) = slot::decode::<Self>(&bytes) {
                return Some(attempts).filter(|attempts| attempts.journal == journal);
            }
        }
        None
    }

    /// A run begins; `lock` is `replay.lock`, and held.
    pub fn begin(lock: &File, journal: Uuid) -> Self {
        let known = Self::load(lock, journal).unwrap_or_default();
        let attempts = Self { journal, last_attempt: Some(Timestamp::now().to_string()), ..known };
        attempts.write(lock);
        attempts
    }

    /// It ends.
    pub fn end(&mut self, lock: &File, ending: &Ending<'_>) {
        let now = Timestamp::now().to_string();
        if ending.success {
            self.last_success = Some(now.clone());
        }
        if let Some(error) = ending.error {
            let error = excerpt(error.as_bytes(), ERROR_CHARS_MAX);
            self.last_error = Some(error.chars().take(ERROR_CHARS_MAX).collect());
            self.last_error_at = Some(now);
        }
        self.write(lock);
    }

    /// Best effort: that this cannot be told later must not keep entries from being delivered.
    fn write(&self, lock: &File) {
        if let Some(bytes) = slot::encode(self, SLOT_BYTES) {
            let _ = lock.write_at(&bytes, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Settings;
    use super::super::test_support::Fixture;
    use super::*;

    #[test]
    fn the_longest_error_fits_whatever_it_is_made_of() {
        let (_fixture, journal) = Fixture::new(&Settings::default());
        let lock = journal.lock_for_delivery().unwrap();
        for piece in ["\\", "\"", "\u{1b}", "\u{10ffff}", "\u{e0041}", "é", "x"] {
            let mut attempts = Attempts::begin(&lock, journal.id());
            let error = piece.repeat(10_000);
            attempts.end(&lock, &Ending { success: true, error: Some(&error) });
            let read = Attempts::read(&journal).unwrap();
            assert_eq!(read, attempts);
            assert!(read.last_error.unwrap().chars().count() <= ERROR_CHARS_MAX, "{piece:?}");
        }
    }

    #[test]
    fn an_attempt_keeps_what_was_known_and_a_torn_or_foreign_one_is_unknown() {
        let (_fixture, journal) = Fixture::new(&Settings::default());
        assert_eq!(Attempts::read(&journal).unwrap(), Attempts::default());
        let lock = journal.lock_for_delivery().unwrap();
        Attempts::begin(&lock, journal.id()).end(&lock, &Ending { success: false, error: Some("503") });
        Attempts::begin(&lock, journal.id()).end(&lock, &Ending { success: true, error: None });
        let known = Attempts::read(&journal).unwrap();
        assert_eq!(known.last_error.as_deref(), Some("503"));
        assert!(known.last_error_at <= known.last_attempt && known.last_attempt <= known.last_success);
        assert!(Attempts::load(&lock, Uuid::new_v4()).is_none(), "another journal's");
        lock.write_at(b"x", 100).unwrap();
        assert_eq!(Attempts::read(&journal).unwrap(), Attempts::default());
        lock.set_len(17).unwrap();
        assert_eq!(Attempts::read(&journal).unwrap(), Attempts::default());
    }
}
