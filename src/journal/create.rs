//! Making a journal. `journal.json` comes last: a directory without it is not one yet.

use std::path::Path;
use std::sync::Arc;

use uuid::Uuid;

use super::config::{Config, Settings};
use super::cursor::{CursorFile, CursorState};
use super::layout;
use super::no_config;
use super::segment_writer::SegmentWriter;
use super::tail::Tail;
use crate::error::{Error, Result};
use crate::record::Seq;
use crate::storage::disk::Disk;
use crate::storage::{File, Open, Store};

/// Makes a journal, or finds that another process has just made it: says which.
pub(crate) fn create(path: &Path, settings: &Settings) -> Result<(Store, Config, bool)> {
    let config = Config::new(settings)?;
    if path.parent().is_some_and(|parent| !parent.as_os_str().is_empty() && !parent.exists()) {
        return Err(Error::MissingParent { path: path.to_owned() });
    }
    let disk = Disk::create(path).map_err(super::open_error(path, "create"))?;
    create_in(Store::new(path, Arc::new(disk)), config)
}

/// The same in a directory that is there.
pub(crate) fn create_in(store: Store, config: Config) -> Result<(Store, Config, bool)> {
    check_nothing_is_lost(&store)?;
    let lock = store.open_to_overwrite(layout::APPEND_LOCK)?;
    let _guard = lock.lock()?;
    if let Some(config) = Config::load(&store)? {
        return Ok((store, config, false));
    }
    check_nothing_is_lost(&store)?;
    let segment = store.open(&layout::segment_name(Seq::FIRST), Open::Create)?;
    segment.sync_data()?;
    store.open_to_overwrite(layout::REPLAY_LOCK)?;
    store.open_to_overwrite(layout::EXEC_LOCK)?;
    CursorFile::create(&store, &CursorState::new())?;
    // A crash may keep one name and lose another: what makes it a journal comes after all else is there.
    store.sync_names()?;
    config.store(&store)?;
    // Best effort: it is a journal without a mark too.
    let _ = first_mark(&store, &lock, config.id);
    Ok((store, config, true))
}

/// A mark from the beginning, so that also a journal to which nothing was ever appended can be told from a restored one.
fn first_mark(store: &Store, lock: &File, journal: Uuid) -> Result<()> {
    let tail = Tail::find(store, None, Open::Read)?;
    SegmentWriter::new(store, lock, journal, tail, None)?.mark.write(lock)?;
    lock.sync_all()
}

/// A directory becomes a journal if it is empty, or holds no more than what an interrupted creation leaves.
fn check_nothing_is_lost(store: &Store) -> Result<()> {
    no_config::obstacle(store)?.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::storage::test_disk;

    #[test]
    fn every_file_that_is_overwritten_again_and_again_is_overwritten_in_place() {
        let directory = tempfile::tempdir().unwrap();
        let (store, knobs) = test_disk::store(directory.path());
        knobs.copies_on_write.store(true, Ordering::SeqCst);
        create_in(store, Config::new(&Settings::default()).unwrap()).unwrap();
        let mut in_place = knobs.in_place.lock().unwrap().clone();
        in_place.sort();
        assert_eq!(in_place, [layout::APPEND_LOCK, layout::CURSOR, layout::EXEC_LOCK, layout::REPLAY_LOCK]);
    }
}
