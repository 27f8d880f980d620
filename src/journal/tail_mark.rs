//! The tail mark: where the journal ends, as the last writer left it, kept in `append.lock`.
//!
//! It saves reading the active segment when a writer starts, and tells how far a sync has reached. It is an aid, never
//! the truth: it is written after the sync that it speaks of and without a sync of its own, so it may be old, but
//! what it calls durable is durable.
//!
//! Other writers compare the mark with the one that they left, and go on without a look at the directory if it is the same.
//! So it must never outlive the names that it speaks of: segments are created and removed only with a [`NameChange`] in
//! hand, and to get one the mark is made invalid first. A process that is killed half way leaves an invalid mark, and every
//! other writer looks at the directory again.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::ages::MarkAge;
use super::segment_list::Sealed;
use super::{layout, slot};
use crate::error::Result;
use crate::record::Seq;
use crate::storage::{File, FileId, Open, Store};

/// Smaller than any page (what lies behind it is in `ages`), so that one write never straddles two.
pub(crate) const MARK_BYTES: usize = 1024;

/// Versions before 0.2 wrote so many.
const MARK_BYTES_BEFORE: usize = 512;

/// See the module page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TailMark {
    /// The boot in which it was written; none where the system does not say.
    pub boot: Option<String>,
    /// The lock file itself: in a copied journal it does not match.
    pub home: FileId,
    /// The active segment's first seq, and its file.
    pub segment: Seq,
    pub file: FileId,
    /// Where the last whole commit ended, in bytes, and the seq that comes next.
    pub end: u64,
    pub next: Seq,
    /// The same for what a sync has covered.
    pub durable_end: u64,
    pub durable_next: Seq,
    /// Lifetime counters of the writers: syncs, and bytes written.
    pub syncs: u64,
    pub bytes_written: u64,
    /// How often a sync has failed, so that entries which no sync had covered were cut off.
    #[serde(default)]
    pub cuts: u64,
    /// The age clock at the last commit, where the journal has a limit of age.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age: Option<MarkAge>,

    /// The journal that it speaks of; none in marks of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub journal: Option<Uuid>,
    /// `journal.json` when the mark was written; none in marks of earlier versions. See `origin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<ConfigSeen>,
    /// The segments, so that the next writer need not look at each; none in a mark of an earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<Sealed>,
    /// Names of segments are being changed, or a process was killed while it changed them: only what this mark calls
    /// durable, and the counters, still hold.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub changing: bool,
}

/// `journal.json`, as a writer has left it. Both are durable before they are noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ConfigSeen {
    pub file: FileId,
    /// When anything about it changed last; none where the file system does not keep that, or when the file was made.
    pub changed_ns: Option<i64>,
}

/// Leave to create and remove segments, under the append lock: the mark on disk is invalid.
pub(crate) struct NameChange(());

impl NameChange {
    /// Makes the mark on disk invalid. An error: it may still be valid, and no name may be changed.
    pub fn begin(lock: &File, mark: Option<&mut TailMark>) -> Result<Self> {
        if let Some(mark) = mark {
            mark.changing = true;
            if mark.write(lock).is_ok() {
                return Ok(Self(()));
            }
        }
        // A disk that takes no byte may still cut a file.
        lock.set_len(0)?;
        Ok(Self(()))
    }

    /// Makes a segment's file; it must not exist.
    pub fn create(&self, store: &Store, first: Seq) -> Result<File> {
        store.open(&layout::segment_name(first), Open::CreateNew)
    }

    /// Removes a segment's file.
    pub fn remove(&self, store: &Store, first: Seq) -> Result<()> {
        store.remove(&layout::segment_name(first))
    }
}

impl TailMark {
    /// The mark in a lock file; none if there is none, or it is torn, or it came with a copy.
    pub fn read(lock: &File) -> Result<Option<Self>> {
        let mark = Self::read_from_anywhere(lock)?;
        Ok(mark.filter(|mark| lock.id().is_ok_and(|id| id == mark.home)))
    }

    /// The same, also if it came with a copy: then nothing that it says is true here.
    pub fn read_from_anywhere(lock: &File) -> Result<Option<Self>> {
        let mut bytes = [0; MARK_BYTES];
        let length = lock.read_at(&mut bytes, 0)?;
        let whole = [MARK_BYTES, MARK_BYTES_BEFORE].into_iter().filter(|size| *size <= length);
        Ok(whole.filter_map(|size| slot::decode(&bytes[..size])).next())
    }

    /// The mark of an empty journal.
    #[cfg(test)]
    pub fn for_test(segment: Seq, file: FileId) -> Self {
        let (boot, home, config) = (None, file, None);
        let (next, durable_next) = (segment, segment);
        let (end, durable_end, syncs, bytes_written, cuts) = (0, 0, 0, 0, 0);
        Self {
            boot,
            home,
            segment,
            file,
            end,
            next,
            durable_end,
            durable_next,
            syncs,
            bytes_written,
            cuts,
            journal: None,
            config,
            sealed: None,
            age: None,
            changing: false,
        }
    }

    /// Whether what it says of names and lengths still holds: it was written since the machine started, and no names have
    /// been changed since.
    pub fn holds(&self, store: &Store) -> bool {
        !self.changing && self.boot.is_some() && self.boot == store.boot_id()
    }

    /// Counts a sync, for the statistics. Where counting ends does not matter.
    pub fn count_sync(&mut self) {
        self.syncs = self.syncs.saturating_add(1);
    }

    /// The same for bytes written.
    pub fn count_write(&mut self, bytes: u64) {
        self.bytes_written = self.bytes_written.saturating_add(bytes);
    }

    /// Writes it, without a sync.
    pub fn write(&self, lock: &File) -> Result<()> {
        match slot::encode(self, MARK_BYTES) {
            Some(bytes) => lock.write_at(&bytes, 0),
            // Longer than any real one; without it the next writer scans.
            None => lock.set_len(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_mark_fits() {
        let most = u64::MAX;
        let seq = Seq::new(most).unwrap();
        let id = FileId { inode: most, born_ns: i64::MAX };
        let mark = TailMark {
            boot: Some("8".repeat(36)),
            home: id,
            segment: seq,
            file: id,
            end: most,
            next: seq,
            durable_end: most,
            durable_next: seq,
            syncs: most,
            bytes_written: most,
            cuts: most,
            age: Some(MarkAge::longest()),

            journal: Some(Uuid::max()),
            config: Some(ConfigSeen { file: id, changed_ns: Some(i64::MIN) }),
            sealed: Some(Sealed { oldest: seq, segments: most, bytes: most }),
            changing: true,
        };
        let slot = slot::encode(&mark, MARK_BYTES).unwrap();
        assert_eq!(slot::decode::<TailMark>(&slot), Some(mark));
    }
}
