//! The journal: one ordered stream of entries in one directory.
//!
//! | file | does |
//! | --- | --- |
//! | `layout` | file names |
//! | `config`, `create`, `no_config` | `journal.json`; making a journal; a directory that is none |
//! | `origin` | whether the files are a copy, and what happens then |
//! | `lines`, `seek`, `segments`, `segment_list`, `tail`, `tail_mark` | finding one's way in and among the files; where the journal ends |
//! | `appender`, `segment_writer`, `room`, `budget`, `evicted`, `widen` | writing: commits, rotation, limits |
//! | `ages` | how old entries are |
//! | `reader` | entries in order, past damage |
//! | `cursor` | what was dealt with, what is in flight, the counters |
//! | `attempts` | when a run last tried to deliver, and what came of it |
//! | `side_file`, `rejected`, `dead_letter`, `damaged` | what could not go the usual way |
//! | `alert`, `alert_command` | the command that runs when entries are being lost |
//! | `stats`, `compact`, `verify`, `repair`, `skip` | inspection and upkeep |
//!
//! What each operation leaves behind when it is cut off: docs/design.md.

mod ages;
mod alert;
mod alert_command;
mod appender;
mod attempts;
mod budget;
mod compact;
mod config;
mod create;
mod cursor;
mod damaged;
mod dead_letter;
mod evicted;
mod layout;
mod lines;
#[cfg(test)]
mod many_segments;
mod no_config;
mod origin;
mod reader;
mod rejected;
mod repair;
mod room;
mod seek;
mod segment_list;
mod segment_writer;
mod segments;
mod side_file;
mod skip;
mod slot;
mod stats;
mod tail;
mod tail_mark;
#[cfg(test)]
pub(crate) mod test_support;
#[cfg(test)]
mod tests;
mod verify;
mod widen;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use self::alert::Alerts;
pub(crate) use self::appender::{Appender, Committed, Durability};
pub(crate) use self::attempts::{Attempts, Ending};
pub use self::compact::Compaction;
pub use self::config::{Config, Limits, Overflow, Settings};
pub(crate) use self::cursor::{CursorFile, CursorState, InFlight, Route};
pub(crate) use self::damaged::set_aside;
pub(crate) use self::dead_letter::keep as keep_dead_letter;
pub use self::dead_letter::{DeadLetter, DeadLetters};
pub use self::evicted::Evicted;
#[cfg(any(test, fuzzing))]
pub(crate) use self::layout::{CONFIG, CURSOR, segment_name};
pub(crate) use self::origin::Renewal;
pub use self::reader::{Damage, Item, Reader};
pub(crate) use self::rejected::RejectedLine;
#[cfg(test)]
pub(crate) use self::repair::repair_in;
use self::segment_writer::SegmentWriter;
pub use self::skip::Skipped;
pub use self::stats::Stats;
use self::tail::Tail;
pub(crate) use self::tail_mark::TailMark;
pub use self::verify::{Finding, Verification};
pub use self::widen::Limit;
use crate::error::{Error, NOT_A_DIRECTORY, Result};
use crate::exec_lock::ExecLock;
use crate::record::Seq;
use crate::stop::Stop;
use crate::storage::disk::Disk;
use crate::storage::{File, Open, Store};

/// How often, and how far apart, the right to deliver is asked for before somebody else is said to deliver.
const DELIVERY_TRIES: u32 = 50;
/// What a dead letter has besides its payload, with a short reason: never less than a record has.
const DEAD_LETTER_ENVELOPE_BYTES: u64 = 512;
const DELIVERY_PAUSE: Duration = Duration::from_millis(20);

/// An existing journal. Cheap to clone; holds no lock.
#[derive(Debug, Clone)]
pub struct Journal(Arc<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    store: Store,
    config: Config,
    /// What was done when it was found to be a copy.
    renewal: Option<Renewal>,
    /// One for all clones: an alert must be waited for wherever it was raised.
    alerts: Arc<Alerts>,
}

impl Journal {
    /// Opens a journal for appending, delivering and compacting. Changes nothing yet.
    ///
    /// # Errors
    /// [`Error::EmptyPath`], [`Error::Missing`], [`Error::NotAJournal`], [`Error::NewerFormat`], [`Error::Unsafe`], or I/O.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_as(path, true)
    }

    /// Opens a journal for inspection only; works on a read-only file system and while others write.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn open_read_only(path: &Path) -> Result<Self> {
        Self::open_as(path, false)
    }

    /// Opens a journal and applies the settings that are given, or creates it with them.
    /// A creation that a crash cut off leaves nothing that is a journal, and is taken up again.
    ///
    /// # Errors
    /// As [`Journal::open`], and [`Error::MissingParent`], [`Error::Invalid`].
    pub fn open_or_create(path: &Path, settings: &Settings) -> Result<Self> {
        match Self::open(path) {
            Ok(journal) => journal.with_settings(settings),
            Err(error @ (Error::Missing { .. } | Error::NotAJournal { .. })) => {
                // What this call has created has its settings, and a new id, already.
                match Self::create_instead_of(path, settings, error)? {
                    (created, true) => Ok(created),
                    (opened, false) => opened.with_settings(settings),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Creates a journal where opening one has failed. Says whether it did, or else another process has just done so.
    fn create_instead_of(path: &Path, settings: &Settings, error: Error) -> Result<(Self, bool)> {
        // A directory with nothing of value in it may become a journal; `create` looks closely.
        match create::create(path, settings) {
            Ok((store, config, is_new)) => Ok((Self::from_parts(store, config), is_new)),
            // The directory of another user. Any other failure is of the disk, and says so.
            Err(Error::Io { source, .. })
                if matches!(error, Error::NotAJournal { .. })
                    && matches!(
                        source.kind(),
                        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
                    ) =>
            {
                Err(error)
            }
            Err(other) => Err(other),
        }
    }

    /// As [`Journal::open_or_create`], but of a journal that exists the limits are only widened: a narrower one could drop
    /// entries of other writers, or keep this one from writing. Returns the limits that were ignored.
    ///
    /// # Errors
    /// As [`Journal::open_or_create`].
    pub fn open_or_create_widening(path: &Path, settings: &Settings) -> Result<(Self, Vec<Limit>)> {
        // Creation takes no settings from two: whoever comes second finds a journal that exists.
        let made = match Self::open(path) {
            Err(error @ (Error::Missing { .. } | Error::NotAJournal { .. })) => {
                let (journal, is_new) = Self::create_instead_of(path, settings, error)?;
                if is_new {
                    return Ok((journal, Vec::new()));
                }
                journal
            }
            opened => opened?,
        };
        made.adapted(|config| widen::widening_of(config, settings))
    }

    /// Creates a journal in any store: the same code on other storage.
    pub(crate) fn create_in(store: Store, settings: &Settings) -> Result<Self> {
        let (store, config, _) = create::create_in(store, Config::new(settings)?)?;
        Ok(Self::from_parts(store, config))
    }

    fn open_as(path: &Path, writer: bool) -> Result<Self> {
        let disk = Disk::open(path, writer).map_err(open_error(path, "open"))?;
        Self::open_in(Store::new(path, Arc::new(disk)), writer)
    }

    /// Opens the journal in a directory.
    pub(crate) fn open_in(store: Store, writer: bool) -> Result<Self> {
        let Some(config) = Config::load(&store)? else {
            return Err(no_config::error(&store)?);
        };
        segments::list(&store)?;
        if writer && origin::is_suspect(&store)? {
            return Self::renew(store);
        }
        Ok(Self::from_parts(store, config))
    }

    /// Opens the journal in a directory, or creates it there; for the simulated storage.
    #[cfg(test)]
    pub(crate) fn open_or_create_in(store: Store, settings: &Settings) -> Result<Self> {
        match Self::open_in(store.clone(), true) {
            Err(Error::NotAJournal { .. }) => {
                let (store, config, is_new) = create::create_in(store, Config::new(settings)?)?;
                let journal = Self::from_parts(store, config);
                if is_new { Ok(journal) } else { journal.with_settings(settings) }
            }
            opened => opened?.with_settings(settings),
        }
    }

    fn from_parts(store: Store, config: Config) -> Self {
        Self(Arc::new(Inner { store, config, renewal: None, alerts: Arc::default() }))
    }

    /// A copy, or what came back from a backup, gets an id of its own: what it gives out from now on must not be taken
    /// for what its original has given out under the same seqs.
    fn renew(store: Store) -> Result<Self> {
        let lock = store.open(layout::APPEND_LOCK, Open::Create)?;
        let guard = lock.lock()?;
        let (config, renewal) = origin::settle(&store, &lock)?;
        drop(guard);
        let journal = Self(Arc::new(Inner { store, config, renewal, alerts: Arc::default() }));
        journal.leave_a_mark();
        Ok(journal)
    }

    /// Recovers a journal that was just renewed, so that its mark says where it ends: a backup of it that comes back gives out less twice. No
    /// more than that: on a full disk there may be no mark.
    fn leave_a_mark(&self) {
        if self.0.renewal.is_some()
            && let Err(error) = Appender::open(self)
        {
            tracing::debug!(%error, "no mark was left");
        }
    }

    /// Changes the limits, for all writers, where they differ.
    fn with_settings(self, settings: &Settings) -> Result<Self> {
        Ok(self.adapted(|_| (settings.clone(), ()))?.0)
    }

    /// The same, with settings that depend on the limits as they are, and what else there is to say of them.
    fn adapted<T>(self, choose: impl Fn(&Config) -> (Settings, T)) -> Result<(Self, T)> {
        let (settings, remarks) = choose(self.config());
        if !settings.new_id && self.config().clone().with(&settings)? == *self.config() {
            return Ok((self, remarks));
        }
        // A new id in the middle of a delivery would name a former end that the receiver has passed.
        let _delivery = settings.new_id.then(|| self.lock_for_delivery()).transpose()?;
        let store = self.store().clone();
        let lock = store.open(layout::APPEND_LOCK, Open::Create)?;
        let guard = lock.lock()?;
        let (mut current, mut renewal) = origin::settle(&store, &lock)?;
        // Another process may have changed them since they were read.
        let (settings, remarks) = choose(&current);
        if settings.new_id {
            renewal = renewal.or_else(|| Some(Renewal::of(&current)));
            current = origin::renewed_on_demand(&store, current)?;
        }
        let changed = current.with(&settings)?;
        origin::replace(&changed, &store, &lock)?;
        drop(guard);
        let renewal = renewal.or_else(|| self.0.renewal.clone());
        let alerts = Arc::clone(&self.0.alerts);
        let journal = Self(Arc::new(Inner { store, config: changed, renewal, alerts }));
        journal.leave_a_mark();
        Ok((journal, remarks))
    }

    /// The journal's directory.
    pub fn path(&self) -> &Path {
        self.store().path()
    }

    /// Names the journal to receivers.
    pub fn id(&self) -> Uuid {
        self.config().id
    }

    /// The id that the journal had until now, if opening it has just found that it is a copy or comes from a backup, or the
    /// settings asked for a new one. It has a new one then, so that no receiver takes its new entries for old ones.
    pub fn former_id(&self) -> Option<Uuid> {
        self.0.renewal.as_ref().map(|renewal| renewal.former_id)
    }

    /// The alert command that the journal came with, if opening it has just given it a new id: it is not run any more, since it
    /// may be another person's.
    pub fn dropped_alert_exec(&self) -> Option<&str> {
        self.0.renewal.as_ref()?.alert_exec.as_deref()
    }

    /// Identity and limits, as they were when the journal was opened.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// A payload has at most so many bytes: what is refused for good must still fit among the dead letters.
    pub(crate) fn payload_bytes_max(&self) -> usize {
        let record = budget::record_bytes_max(self.config().limits.max_bytes);
        let payload = record.saturating_sub(DEAD_LETTER_ENVELOPE_BYTES);
        usize::try_from(payload).unwrap_or(usize::MAX)
    }

    /// The counters and the backlog, at a cost that does not depend on the backlog.
    ///
    /// # Errors
    /// I/O errors, a damaged cursor, [`Error::CursorBeyondEnd`].
    pub fn stats(&self) -> Result<Stats> {
        Stats::collect(self)
    }

    /// The first seq that has not been dealt with.
    ///
    /// # Errors
    /// I/O errors, a damaged cursor.
    pub fn cursor(&self) -> Result<Seq> {
        Ok(CursorFile::open(self.store(), Open::Read)?.load()?.cursor)
    }

    /// Entries in order from `from` on, or from the oldest that is still there.
    ///
    /// # Errors
    /// I/O errors, [`Error::MissingSegment`].
    pub fn reader(&self, from: Seq) -> Result<Reader> {
        Reader::open(self.store(), from, None)
    }

    /// Gives back the space of entries that were dealt with; a dry run only says how much that would be.
    ///
    /// A crash leaves some of it given back. Nothing that waits is touched.
    ///
    /// # Errors
    /// I/O errors.
    pub fn compact(&self, dry_run: bool) -> Result<Compaction> {
        compact::compact(self, dry_run)
    }

    /// Moves the cursor past every entry up to and including `through`, on the record: the entries that were not settled are
    /// counted as skipped, and no receiver gets them. For a person who knows that they need not arrive.
    ///
    /// A crash leaves it done or not done. Entries stay on disk until their space is given back.
    ///
    /// # Errors
    /// [`Error::Busy`] while another process delivers; [`Error::Invalid`] if the journal has no entry `through`; I/O errors.
    pub fn skip(&self, through: Seq) -> Result<Skipped> {
        skip::skip(self, through)
    }

    /// Reads every byte and tells what is wrong where. Changes nothing.
    ///
    /// # Errors
    /// I/O errors, and what cannot be stepped over: a missing file, a damaged cursor.
    pub fn verify(&self, found: &mut dyn FnMut(&Finding)) -> Result<Verification> {
        verify::verify(self, found)
    }

    /// Makes a damaged journal usable again, and tells of each thing done. Nothing is deleted: unreadable files are renamed,
    /// and damaged or missing entries put on the record in `damaged.jsonl`. Done again, it does nothing more.
    ///
    /// Where the cursor is lost, everything that is still there becomes pending and is delivered again.
    ///
    /// # Errors
    /// I/O errors, [`Error::Busy`] while another process delivers, and what cannot be repaired: no segment file, and neither
    /// cursor nor tail mark.
    pub fn repair(path: &Path, told: &mut dyn FnMut(&str)) -> Result<Self> {
        repair::repair(path, told)
    }

    /// Entries that a sink refused for good.
    ///
    /// # Errors
    /// I/O errors.
    pub fn dead_letters(&self) -> Result<DeadLetters> {
        DeadLetters::open(self.store())
    }

    /// Has a failure of the journal's alert command reported to this function, as one line for people; without one it is only a
    /// `tracing` event. The first function that is given to this handle or a clone of it counts. It is called from a thread
    /// of its own.
    pub fn on_alert_failure(&self, report: impl Fn(&str) + Send + Sync + 'static) {
        self.alerts().on_failure(Box::new(report));
    }

    /// Waits for an alert command that this handle or a clone of it has started, for `bound` or until `stop` says so; then
    /// ends it with its process group. To be called before the program ends: otherwise the command goes on without it.
    pub fn finish_alerts(&self, stop: &Stop, bound: Duration) {
        self.alerts().finish(stop, bound);
    }

    pub(crate) fn alerts(&self) -> &Alerts {
        &self.0.alerts
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    /// The next seq to be given.
    pub(crate) fn end(&self) -> Result<Seq> {
        let mark = match self.store().open_if_there(layout::APPEND_LOCK, Open::Read)? {
            Some(lock) => TailMark::read(&lock)?,
            None => None,
        };
        Ok(Tail::find(self.store(), mark, Open::Read)?.next)
    }

    /// Whether anything is pending, for a look now and then: two small reads and the size of a file; nothing is written or
    /// listed. It may say yes where there is nothing; a run finds out. It says no only where the tail mark is that of the
    /// last commit.
    pub(crate) fn may_have_pending(&self) -> Result<bool> {
        let store = self.store();
        let state = CursorFile::open(store, Open::Read)?.load()?;
        let Some(mark) = TailMark::read(&store.open(layout::APPEND_LOCK, Open::Read)?)? else {
            return Ok(true);
        };
        Ok(mark.changing
            || mark.next > state.cursor
            || state.undecided() > 0
            || store.size(&layout::segment_name(mark.segment))? != mark.end)
    }

    /// Entries lost so far: evicted, or refused for good.
    pub(crate) fn lost(&self) -> Result<u64> {
        Ok(CursorFile::open(self.store(), Open::Read)?.load()?.lost())
    }

    /// The same journal, for work that somebody may ask to stop: then a wait for another process's lock ends too, at the latest
    /// 2 s later, with [`Error::Stopped`].
    pub fn heeding(&self, stop: &Stop) -> Self {
        Self(Arc::new(Inner { store: self.store().heeding(stop), ..Inner::clone(&self.0) }))
    }

    /// The lock that a command of a deliverer's holds.
    pub(crate) fn exec_lock(&self) -> ExecLock {
        ExecLock::new(self.store(), layout::EXEC_LOCK)
    }

    /// Takes the right to deliver; it lasts as long as the file is open.
    pub(crate) fn lock_for_delivery(&self) -> Result<File> {
        let lock = self.store().open(layout::REPLAY_LOCK, Open::Create)?;
        for _ in 0..DELIVERY_TRIES {
            if lock.try_lock_for_good()? {
                // Whatever the sink: a command of a run that was killed must not deliver after us.
                self.exec_lock().clear()?;
                return Ok(lock);
            }
            // An evicting writer has it for a moment when it settles what a dead deliverer has left.
            std::thread::sleep(DELIVERY_PAUSE);
        }
        Err(Error::Busy { path: self.path().to_owned() })
    }

    /// Does something that takes disk space: on a full disk once more, after what is settled has been given back.
    pub(crate) fn with_room<T>(&self, work: impl Fn() -> Result<T>) -> Result<T> {
        match work() {
            Err(error) if error.is_storage_full() => {
                Appender::open(self)?.reclaim()?;
                self.store().release_space()?;
                work()
            }
            result => result,
        }
    }

    /// Identity and limits as they are now.
    pub(crate) fn current_config(&self) -> Result<Config> {
        Config::load(self.store())?.ok_or_else(|| Error::Missing { path: self.path().to_owned() })
    }

    /// The id as it is now: a journal may be renewed while a handle of it lives.
    pub(crate) fn current_id(&self) -> Result<Uuid> {
        Ok(self.current_config()?.id)
    }

    /// Makes everything that was appended so far durable, and returns the high watermark after it.
    pub(crate) fn sync(&self) -> Result<Seq> {
        let mut appender = Appender::open(self)?;
        appender.sync()?;
        Ok(appender.next_seq())
    }
}

/// What it means that a journal's directory cannot be opened.
fn open_error(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |error| match error.kind() {
        // To the system a name of no letters is one that does not exist.
        io::ErrorKind::NotFound if path.as_os_str().is_empty() => Error::EmptyPath,
        io::ErrorKind::NotFound => Error::Missing { path },
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            Error::NotAJournal { path, reason: NOT_A_DIRECTORY.into() }
        }
        _ => match error.get_ref().and_then(|inner| inner.downcast_ref::<crate::storage::UnsafeFile>()) {
            Some(reason) => Error::Unsafe { path, reason: reason.to_string() },
            None => Error::Io { action, path, source: error },
        },
    }
}
