//! The library's one error type.
//!
//! Each variant carries what a message for a person needs: the path, and where it helps the seq or the byte offset.
//! The text says what happened and where; [`Error::hint`] says what to do now.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::record::Seq;
use crate::storage::{HARD_LINK, OTHERS_MAY_WRITE, OTHERS_MAY_WRITE_HERE, SYMBOLIC_LINK};

/// Why a directory with a file in it that is not ours is not taken for a journal: it may be the one that matters.
pub(crate) const FOREIGN_FILE: &str = "it is no file of a journal";
/// Why a directory with entries in it is not opened: only a repair makes a journal of it again.
pub(crate) const CONFIG_LOST: &str = "its journal.json is missing";
/// Why a journal does not open: only a repair finds a number to go on with.
pub(crate) const NO_SEGMENT: &str = "it has no segment file, so the next sequence number is unknown";
/// What a path leads to that can hold no journal.
pub(crate) const NOT_A_DIRECTORY: &str = "it is not a directory";

/// What can go wrong with a journal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A system call failed. The journal is as it was before, or as after a crash.
    #[error("cannot {action} {path}: {source}", path = path.display())]
    Io {
        /// What was being done, as a verb: "open", "write", "sync".
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is nothing at this path.
    #[error("there is no journal at {}", path.display())]
    Missing {
        /// The journal directory.
        path: PathBuf,
    },
    /// The directory in which a journal was to be created does not exist.
    #[error("cannot create {}: its parent directory does not exist", path.display())]
    MissingParent {
        /// The journal directory.
        path: PathBuf,
    },
    /// Something is there, but it is not a journal.
    #[error("{}", not_a_journal(path, reason))]
    NotAJournal {
        /// The directory or the file in it that tells.
        path: PathBuf,
        /// What was found instead.
        reason: String,
    },
    /// The journal was written by a newer version. Nothing was touched.
    #[error("{} has format {found}; this edgesync knows formats up to {known}", path.display())]
    NewerFormat {
        /// The file that names the format.
        path: PathBuf,
        /// The format that it names.
        found: u64,
        /// The newest format that this version reads.
        known: u64,
    },
    /// A file of the journal is damaged in a way that cannot be stepped over. Nothing was touched.
    #[error("{} is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// One or more whole segment files are gone.
    #[error("{}: entries {first} to {last} are missing: no segment file holds them", path.display())]
    MissingSegment {
        /// The journal directory.
        path: PathBuf,
        /// The first missing seq.
        first: Seq,
        /// The last missing seq.
        last: Seq,
    },
    /// The cursor points past the entries that exist: segments were lost, or an old copy was restored beside it.
    #[error("{}: the cursor is at {cursor}, but the journal ends at {end}", path.display())]
    CursorBeyondEnd {
        /// The cursor file.
        path: PathBuf,
        /// Where the cursor is.
        cursor: Seq,
        /// The next seq that the segments would give.
        end: Seq,
    },
    /// A file that edgesync did not make, or must not follow, is in the place of one of its own.
    #[error("refusing to use {}: {reason}", path.display())]
    Unsafe {
        /// The file.
        path: PathBuf,
        /// Why: a symbolic link, not a regular file, another owner.
        reason: String,
    },
    /// Another process is delivering from this journal.
    #[error("another process is delivering from {}", path.display())]
    Busy {
        /// The journal directory.
        path: PathBuf,
    },
    /// A command that an earlier run has started still runs, and may still deliver.
    #[error("a command that an earlier run started still runs: it holds {}", path.display())]
    CommandRuns {
        /// The lock that it holds.
        path: PathBuf,
        /// How long it may still take; none if that is unknown, or it could not be ended.
        left: Option<Duration>,
    },
    /// Somebody asked to stop during a wait for a lock.
    #[error("stopped while another process held the lock of {}", path.display())]
    Stopped {
        /// The file whose lock was waited for.
        path: PathBuf,
    },
    /// The journal is at its limit and its overflow policy is not to drop entries.
    #[error("{} is full: {limit}", path.display())]
    Full {
        /// The journal directory.
        path: PathBuf,
        /// The limit that was reached, for people.
        limit: String,
    },
    /// An entry is too large for the journal's limit of bytes, however empty the journal is. Nothing was evicted for it.
    #[error("an entry of {bytes} bytes does not fit into {}: {most} bytes at most", path.display())]
    EntryTooLarge {
        /// The journal directory.
        path: PathBuf,
        /// The size of the entry.
        bytes: u64,
        /// The largest size that is possible.
        most: u64,
    },
    /// An earlier write or sync failed; this writer no longer knows what is on the disk and refuses to go on.
    #[error("{}: an earlier write failed, so this process no longer writes to the journal", path.display())]
    Latched {
        /// The journal directory.
        path: PathBuf,
    },
    /// The buffer was closed; it takes no more entries and delivers none.
    #[error("the buffer is closed")]
    Closed,
    /// An item holds a number that JSON does not have: NaN or an infinity. Nothing was written.
    #[error("the item holds {value}{}: JSON has neither NaN nor infinity", in_field(field))]
    NotFinite {
        /// The number.
        value: f64,
        /// The names of the fields that lead to it, with dots between them: `reading.celsius`. Empty where no field does.
        field: String,
    },
    /// The path that was to name the journal's directory is empty. Nothing was touched.
    #[error("the path of the journal is empty")]
    EmptyPath,
    /// A value that the caller gave is out of range.
    #[error("{0}")]
    Invalid(String),
}

impl Error {
    /// What a person can do about it now, in one line.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Io { source, .. } => io_hint(source),
            Self::Missing { path } => {
                Some(format!("`edgesync append -j {0}` or `edgesync init -j {0}` creates it", path.display()))
            }
            Self::MissingParent { path } => {
                let parent = path.parent().unwrap_or(Path::new("."));
                Some(format!(
                    "check the spelling and that the disk is mounted, or: mkdir -p {}",
                    parent.display()
                ))
            }
            Self::NotAJournal { path, reason } => Some(not_a_journal_hint(path, reason).into()),
            Self::NewerFormat { .. } => Some("install the newer edgesync; nothing was changed".into()),
            Self::Damaged { reason, .. } if reason == NO_SEGMENT => {
                Some(
                    "put the segment files back, or `edgesync verify --repair` to go on without them; nothing was changed"
                        .into(),
                )
            }
            Self::Damaged { .. } | Self::CursorBeyondEnd { .. } => Some(
                "put the file back from a backup, or `edgesync verify --repair`; nothing was changed".into(),
            ),
            Self::MissingSegment { .. } => Some(
                "put the missing file back, or `edgesync verify --repair` to go on without it; nothing was changed"
                    .into(),
            ),
            Self::Unsafe { path, reason } => Some(unsafe_hint(path, reason)),
            Self::Busy { .. } => Some("try again when it has finished".into()),
            Self::CommandRuns { left: Some(left), .. } => {
                let seconds = left.as_secs() + 1;
                Some(format!("it may take another {seconds} s; a run after that ends it and goes on"))
            }
            Self::CommandRuns { path, left: None } => {
                Some(format!("wait for its end, or end it: `fuser -v {}` names its processes", path.display()))
            }
            Self::Stopped { path } => {
                Some(format!("`fuser -v {}` names the processes that use it", path.display()))
            }
            Self::Full { .. } => {
                Some("deliver (`edgesync replay`) or raise the limit (`edgesync init --max-bytes`)".into())
            }
            Self::EntryTooLarge { .. } => {
                Some("write smaller entries, or raise the limit (`edgesync init --max-bytes`)".into())
            }
            Self::Latched { .. } => Some("see the first error; start again once the disk is sound".into()),
            Self::Closed => Some("open a buffer again; what it held on disk is still there".into()),
            Self::NotFinite { .. } => Some("write `None` instead, or leave the item out".into()),
            Self::EmptyPath => Some("name a directory; `.` is the current one".into()),
            Self::Invalid(_) => None,
        }
    }

    /// Whether the disk, or what the user may have of it, is full.
    pub(crate) fn is_storage_full(&self) -> bool {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        matches!(self, Self::Io { source, .. } if matches!(source.kind(), StorageFull | QuotaExceeded))
    }

    /// The same error once more, for another caller that it also hits.
    pub(crate) fn again(&self) -> Self {
        match self {
            Self::Io { action, path, source } => {
                let source = match source.raw_os_error() {
                    Some(number) => io::Error::from_raw_os_error(number),
                    None => io::Error::new(source.kind(), source.to_string()),
                };
                Self::Io { action, path: path.clone(), source }
            }
            Self::Missing { path } => Self::Missing { path: path.clone() },
            Self::NotAJournal { path, reason } => {
                Self::NotAJournal { path: path.clone(), reason: reason.clone() }
            }
            Self::Damaged { path, reason } => Self::Damaged { path: path.clone(), reason: reason.clone() },
            Self::Full { path, limit } => Self::Full { path: path.clone(), limit: limit.clone() },
            Self::EntryTooLarge { path, bytes, most } => {
                Self::EntryTooLarge { path: path.clone(), bytes: *bytes, most: *most }
            }
            Self::Latched { path } => Self::Latched { path: path.clone() },
            Self::Busy { path } => Self::Busy { path: path.clone() },
            Self::CommandRuns { path, left } => Self::CommandRuns { path: path.clone(), left: *left },
            Self::Stopped { path } => Self::Stopped { path: path.clone() },
            Self::Closed => Self::Closed,
            other => Self::Invalid(other.to_string()),
        }
    }

    /// Names the action and the path of a failed system call.
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}

fn not_a_journal_hint(path: &Path, reason: &str) -> &'static str {
    match reason {
        _ if is_config(path, reason) || reason == CONFIG_LOST => {
            "put journal.json back from a backup, or `edgesync verify --repair`; nothing was changed"
        }
        FOREIGN_FILE => "move it out of the journal's directory; nothing was changed",
        _ => "name a journal directory with -j, or one that does not exist yet",
    }
}

fn unsafe_hint(path: &Path, reason: &str) -> String {
    let path = path.display();
    match reason {
        OTHERS_MAY_WRITE | OTHERS_MAY_WRITE_HERE => format!(
            "look into it, then: chmod go-w '{path}'; what only looks (stats, cat, verify) still works"
        ),
        _ if reason.contains("another user") => {
            "run edgesync as the journal's owner; what only looks (stats, cat, verify) still works".into()
        }
        HARD_LINK => format!("remove the other name (`find / -samefile '{path}'` shows it)"),
        SYMBOLIC_LINK => "replace the link by the file that it points to".into(),
        _ => "move it away, and put the journal's own file back".into(),
    }
}

/// Whether an error that is not about a directory is about a journal's `journal.json`.
fn is_config(path: &Path, reason: &str) -> bool {
    path.ends_with("journal.json") && reason != NOT_A_DIRECTORY
}

fn not_a_journal(path: &Path, reason: &str) -> String {
    let shown = path.display();
    match (path.parent(), path.file_name()) {
        (Some(directory), Some(name)) if reason == FOREIGN_FILE => {
            let name = Path::new(name).display();
            format!("the journal {} holds {name}, which is no file of a journal", directory.display())
        }
        _ if is_config(path, reason) || reason == CONFIG_LOST => format!("{shown} is damaged: {reason}"),
        _ => format!("{shown} is not a journal: {reason}"),
    }
}

fn in_field(field: &str) -> String {
    if field.is_empty() { String::new() } else { format!(" in `{field}`") }
}

fn io_hint(source: &io::Error) -> Option<String> {
    let hint = match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "the disk is full: free space on it, or deliver (`edgesync replay`): the next append uses the space of delivered \
             entries again, unless a snapshot of the file system holds it"
        }
        io::ErrorKind::PermissionDenied => "run as the owner of the journal, or name another one with -j",
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only: only inspection works",
        _ => return None,
    };
    Some(hint.into())
}

/// A result with the library's error.
pub type Result<T> = std::result::Result<T, Error>;

#[cfg(test)]
mod tests {
    use super::*;

    fn not_a_journal(path: &str, reason: &str) -> (String, String) {
        let error = Error::NotAJournal { path: path.into(), reason: reason.into() };
        (error.to_string(), error.hint().unwrap_or_default())
    }

    #[test]
    fn what_is_a_damaged_journal_is_not_called_none() {
        let (text, hint) = not_a_journal("/j/journal.json", "its checksum does not match");
        assert_eq!(text, "/j/journal.json is damaged: its checksum does not match");
        assert!(hint.contains("verify --repair"), "{hint}");
        let (text, hint) = not_a_journal("/j", CONFIG_LOST);
        assert_eq!(text, "/j is damaged: its journal.json is missing");
        assert!(hint.contains("verify --repair"), "{hint}");
        let (text, hint) = not_a_journal("/j/foo", FOREIGN_FILE);
        assert_eq!(text, "the journal /j holds foo, which is no file of a journal");
        assert!(hint.contains("move it out"), "{hint}");
        let (text, hint) = not_a_journal("/j/journal.json", NOT_A_DIRECTORY);
        assert_eq!(text, "/j/journal.json is not a journal: it is not a directory");
        assert!(hint.contains("name a journal directory"), "{hint}");
    }
}
