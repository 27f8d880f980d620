//! Whether a journal's files are those that its writers have left, or came here in another way: a copy, a restored backup, a
//! snapshot. If they did, the journal is *renewed*: it gets an id of its own before anything is written to it.
//!
//! | file | holds | so it shows |
//! | --- | --- | --- |
//! | `journal.json` | which file it is itself, and in which volume (`home`) | a copy; another volume or snapshot |
//! | the tail mark | which file `journal.json` was, when it was last changed, and which file the mark itself was in | that something else has written it in place since |
//! | `append.lock` | by its two times, that of the last change and that of the last write | that something has set its times, as restores do |
//!
//! All of this is evidence that an original cannot show, whatever crash it has gone through: nothing in the mark is put down
//! before it is durable, and what a mark says of another `journal.json` than the present one does not count. That something
//! is missing proves nothing.
//!
//! A renewal is done when the new `journal.json` is durable. What `append.lock` showed may still come back with a crash: it is
//! overwritten later. So `journal.json` says what of it the renewal has gone by (`lock_seen`).

use uuid::Uuid;

use super::config::{Config, Home, LockSeen};
use super::cursor::{CursorFile, CursorState};
use super::layout;
use super::tail::Tail;
use super::tail_mark::{ConfigSeen, TailMark};
use crate::error::{Error, Result};
use crate::record::Seq;
use crate::storage::{File, Identity, Open, Store};

/// What happened to a journal that was not where its writers had left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Renewal {
    /// The id that it had.
    pub former_id: Uuid,
    /// The alert command that it came with, and that it has no longer.
    pub alert_exec: Option<String>,
}

impl Renewal {
    pub fn of(config: &Config) -> Self {
        Self { former_id: config.id, alert_exec: config.limits.alert_exec.clone() }
    }
}

/// All that speaks for or against.
struct Evidence {
    home: Option<Home>,
    config: Identity,
    mark: Option<TailMark>,
    lock: Identity,
    /// What a renewal has gone by already.
    lock_seen: Option<LockSeen>,
}

impl Evidence {
    fn collect(
        home: Option<Home>,
        config: Identity,
        lock_seen: Option<LockSeen>,
        lock: &File,
    ) -> Result<Self> {
        Ok(Self {
            home,
            config,
            mark: TailMark::read_from_anywhere(lock)?,
            lock: lock.identity()?,
            lock_seen,
        })
    }

    fn is_of_a_copy(&self) -> bool {
        self.home.is_none_or(|home| !home.is_where(&self.config))
            || self.config_was_written()
            || self.has_set_times()
            || self.has_mark_from_elsewhere()
    }

    fn config_was_written(&self) -> bool {
        let seen = self.mark.as_ref().and_then(|mark| mark.config);
        seen.is_some_and(|seen| seen.was_written_since(&self.config))
    }

    /// A write changes both times at once; whoever puts a file back sets one of them.
    fn has_set_times(&self) -> bool {
        let Identity { changed_ns, modified_ns, .. } = self.lock;
        let is_known = self.lock_seen.is_some_and(|seen| seen.changed_ns == changed_ns);
        changed_ns.is_some() && modified_ns.is_some() && changed_ns != modified_ns && !is_known
    }

    fn has_mark_from_elsewhere(&self) -> bool {
        let home = self.mark.as_ref().map(|mark| mark.home);
        let is_known = self.lock_seen.is_some_and(|seen| seen.mark_home == home);
        let (Some(home), Some(file)) = (home, self.lock.file) else { return false };
        file.is_certainly_another_than(&home) && !is_known
    }

    /// Where the journal of this id surely ended when its mark was written: no seq before that was ever given to another entry of
    /// its own. None if its mark did not come along. What follows may be its own, or be left from another one that was here.
    fn end_of(&self, journal: Uuid) -> Option<Seq> {
        self.mark.as_ref().filter(|mark| mark.journal == Some(journal)).map(|mark| mark.durable_next)
    }

    /// What a renewal that goes by this need not look at again.
    fn lock_seen(&self) -> LockSeen {
        let mark_home = self.mark.as_ref().map(|mark| mark.home);
        LockSeen { changed_ns: self.lock.changed_ns, mark_home }
    }
}

/// Whether the journal seems to be a copy. Without the lock this is a guess: [`settle`] decides.
pub(crate) fn is_suspect(store: &Store) -> Result<bool> {
    let Some((config, home, file)) = Config::load_with_origin(store)? else { return Ok(false) };
    match store.open_if_there(layout::APPEND_LOCK, Open::Read)? {
        Some(lock) => Ok(Evidence::collect(home, file, config.lock_seen, &lock)?.is_of_a_copy()),
        None => Ok(home.is_none_or(|home| !home.is_where(&file))),
    }
}

/// Loads `journal.json`, and renews the journal first if it is a copy. Under the append lock.
pub(crate) fn settle(store: &Store, lock: &File) -> Result<(Config, Option<Renewal>)> {
    let (config, home, identity) =
        Config::load_with_origin(store)?.ok_or_else(|| Error::Missing { path: store.path().to_owned() })?;
    let evidence = Evidence::collect(home, identity, config.lock_seen, lock)?;
    if !evidence.is_of_a_copy() {
        return Ok((config, None));
    }
    let next = Tail::find(store, TailMark::read(lock)?, Open::Read)?.next;
    let renewal = Renewal::of(&config);
    let state = cursor_state(store)?;
    // What is below the cursor is not given out any more, whoever's it is.
    let end =
        evidence.end_of(config.id).map(|end| end.min(next)).max(state.as_ref().map(|state| state.cursor));
    let renewed = config.renewed(state.and_then(|state| state.introduced), end.and_then(before));
    let renewed = Config { lock_seen: Some(evidence.lock_seen()), ..renewed };
    replace(&renewed, store, lock)?;
    Ok((renewed, Some(renewal)))
}

/// The same config under a new id, on demand. Of what waits it is not known whether it was written before or after the copy was
/// made, so only what is below the cursor counts as the former journal's.
pub(crate) fn renewed_on_demand(store: &Store, config: Config) -> Result<Config> {
    let state = CursorFile::open(store, Open::Read)?.load()?;
    Ok(config.renewed(state.introduced, before(state.cursor)))
}

/// Writes `journal.json` anew, and notes that it was us. Under the append lock.
pub(crate) fn replace(config: &Config, store: &Store, lock: &File) -> Result<()> {
    let journal = config.id;
    config.store(store)?;
    match TailMark::read(lock)? {
        Some(mark) => {
            let config = Some(ConfigSeen::now(store, mark.config)?);
            TailMark { config, journal: Some(journal), ..mark }.write(lock)?;
        }
        // None, or one that came with a copy.
        None => lock.set_len(0)?,
    }
    // As long as the mark on disk speaks of an earlier `journal.json`, less shows what is put back in place.
    lock.sync_all()
}

/// The cursor, unless it is damaged: its repair comes after this.
fn cursor_state(store: &Store) -> Result<Option<CursorState>> {
    match CursorFile::open(store, Open::Read).and_then(|cursor| cursor.load()) {
        Err(Error::Damaged { .. }) => Ok(None),
        state => state.map(Some),
    }
}

fn before(seq: Seq) -> Option<Seq> {
    Seq::new(seq.get() - 1)
}

impl ConfigSeen {
    /// `journal.json` as it is now; `last` is what was noted before. Whoever put it there may have been killed before it was
    /// durable: unless it was noted, it is made so now, in name, bytes and times, for what is written next relies on it.
    pub fn now(store: &Store, last: Option<Self>) -> Result<Self> {
        let file = store.open(layout::CONFIG, Open::Read)?;
        let id = file.id()?;
        let changed_ns = file.identity()?.changed_ns.filter(|_| id.born_ns != 0);
        let seen = Self { file: id, changed_ns };
        if last != Some(seen) {
            file.sync_all()?;
            store.sync_names()?;
        }
        Ok(seen)
    }

    /// Whether it still is the same file, but something has changed it. Without times of birth an inode may have been given
    /// to another file meanwhile.
    fn was_written_since(&self, now: &Identity) -> bool {
        now.file == Some(self.file)
            && matches!((self.changed_ns, now.changed_ns), (Some(seen), Some(now)) if seen != now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::test_support::seq;
    use crate::storage::FileId;

    const BORN: FileId = FileId { inode: 7, born_ns: 70 };
    const UNBORN: FileId = FileId { inode: 7, born_ns: 0 };

    fn identity(file: Option<FileId>, changed_ns: Option<i64>) -> Identity {
        Identity { file, volume: Some(1), changed_ns, modified_ns: changed_ns }
    }

    fn original(file: FileId) -> Evidence {
        let config = identity(Some(file), Some(100));
        let lock_file = FileId { inode: file.inode + 1, ..file };
        let mark = TailMark {
            home: lock_file,
            config: Some(ConfigSeen { file, changed_ns: Some(100) }),
            ..TailMark::for_test(seq(1), lock_file)
        };
        let lock = identity(Some(lock_file), Some(200));
        let home = Some(Home { file: Some(file), volume: Some(1), modified_ns: None });
        Evidence { home, config, mark: Some(mark), lock, lock_seen: None }
    }

    #[test]
    fn an_original_is_one_whatever_is_missing() {
        for file in [BORN, UNBORN] {
            assert!(!original(file).is_of_a_copy());
            assert!(!Evidence { mark: None, ..original(file) }.is_of_a_copy());
            let mut old = original(file);
            old.mark.as_mut().unwrap().config = None;
            assert!(!old.is_of_a_copy(), "a mark of an earlier version");
            // The mark is not synced: it may know an earlier file, or none.
            old.mark.as_mut().unwrap().config =
                Some(ConfigSeen { file: FileId { born_ns: 60, ..BORN }, changed_ns: Some(90) });
            assert!(!old.is_of_a_copy(), "a mark that speaks of an earlier journal.json");
        }
        let mut reused = original(UNBORN);
        reused.config.changed_ns = Some(101);
        assert!(!ConfigSeen { file: BORN, changed_ns: Some(100) }.was_written_since(&reused.config));
    }

    #[test]
    fn what_a_copy_shows_is_enough_each_by_itself() {
        let another = FileId { inode: 9, born_ns: 90 };
        let mut moved = original(BORN);
        moved.config.file = Some(another);
        let mut snapshot = original(BORN);
        snapshot.config.volume = Some(2);
        let mut in_place = original(BORN);
        in_place.config.changed_ns = Some(101);
        let mut lock_replaced = original(BORN);
        lock_replaced.lock.file = Some(another);
        let mut times_set = original(BORN);
        times_set.lock.modified_ns = Some(1);
        let mut elsewhere = original(BORN);
        elsewhere.config.file = None;
        let mut from_elsewhere = original(BORN);
        from_elsewhere.home = Some(Home { file: None, volume: None, modified_ns: None });
        let mut written = original(UNBORN);
        written.home.as_mut().unwrap().modified_ns = Some(1_000_000_000);
        for (what, evidence) in [
            ("a journal.json that edgesync has not written", Evidence { home: None, ..original(BORN) }),
            ("written in place, where no file has a time of birth", written),
            ("another file", moved),
            ("another volume", snapshot),
            ("written in place", in_place),
            ("another lock file", lock_replaced),
            ("times set", times_set),
            ("a file system that numbers its files anew", elsewhere),
            ("from a file system that numbers its files anew", from_elsewhere),
        ] {
            assert!(evidence.is_of_a_copy(), "{what}");
        }
    }

    #[test]
    fn what_a_renewal_has_gone_by_shows_no_other_copy() {
        let mut times_set = original(BORN);
        times_set.lock.modified_ns = Some(1);
        let mut from_elsewhere = original(BORN);
        from_elsewhere.mark.as_mut().unwrap().home = FileId { inode: 9, born_ns: 90 };
        for evidence in [times_set, from_elsewhere] {
            assert!(evidence.is_of_a_copy());
            let lock_seen = Some(evidence.lock_seen());
            let mut renewed = Evidence { lock_seen, ..evidence };
            assert!(!renewed.is_of_a_copy(), "a crash has brought it back");
            renewed.lock = identity(Some(FileId { inode: 10, born_ns: 100 }), Some(300));
            renewed.lock.modified_ns = Some(1);
            assert!(renewed.is_of_a_copy(), "restored once more");
        }
    }

    #[test]
    fn a_file_system_that_numbers_its_files_anew_at_each_mount_renews_nothing() {
        let unknown = Identity { file: None, volume: None, changed_ns: None, modified_ns: None };
        let mark = TailMark { home: UNBORN, config: None, ..TailMark::for_test(seq(1), UNBORN) };
        let home = Some(Home { file: None, volume: None, modified_ns: None });
        assert!(
            !Evidence { home, config: unknown, mark: Some(mark), lock: unknown, lock_seen: None }
                .is_of_a_copy()
        );
    }
}
