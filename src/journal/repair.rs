//! Making a damaged journal usable again. Nothing is deleted and no entry is rewritten: what is bad is set aside under
//! another name or on the record, and delivery goes on around it.

use std::path::Path;
use std::sync::Arc;

use super::config::{Config, Settings};
use super::cursor::{CursorFile, CursorState};
use super::reader::{Damage, Item, Reader};
use super::tail::Tail;
use super::tail_mark::{NameChange, TailMark};
use super::{Appender, Journal, damaged, layout, segments};
use crate::error::{Error, Result};
use crate::record::Seq;
use crate::storage::disk::Disk;
use crate::storage::{File, Open, Store};

/// Repairs the journal in a directory, and tells of each thing done.
pub(crate) fn repair(path: &Path, told: &mut dyn FnMut(&str)) -> Result<Journal> {
    let disk = Disk::open(path, true).map_err(super::open_error(path, "open"))?;
    repair_in(Store::new(path, Arc::new(disk)), told)
}

/// The same for a directory that is open already. Cut off anywhere it can be done again.
pub(crate) fn repair_in(store: Store, told: &mut dyn FnMut(&str)) -> Result<Journal> {
    repair_segments(&store, told)?;
    // A repair that was cut off may have left files whose names are not durable yet.
    store.sync_names()?;
    repair_config(&store, told)?;
    let journal = Journal::open_in(store.clone(), true)?;
    let _delivery = journal.lock_for_delivery()?;
    {
        let lock = store.open(layout::APPEND_LOCK, Open::Create)?;
        let _guard = lock.lock()?;
        repair_cursor(&store, told)?;
        repair_numbering(&store, &lock, told)?;
    }
    // Cuts a torn tail.
    Appender::open(&journal)?;
    set_aside_what_is_damaged(&journal, told)?;
    Ok(journal)
}

/// Without any segment the numbering goes on where cursor and tail mark say that it ended, whichever is later.
fn repair_segments(store: &Store, told: &mut dyn FnMut(&str)) -> Result<()> {
    if !segments::list(store)?.is_empty() {
        return Ok(());
    }
    let Some(lock) = store.open_if_there(layout::APPEND_LOCK, Open::Write)? else {
        return Err(segments::none(store));
    };
    let _guard = lock.lock()?;
    let mut mark = TailMark::read_from_anywhere(&lock)?;
    let marked = mark.as_ref().map(|mark| mark.next);
    let counted = CursorFile::open(store, Open::Read)?.load().ok().map(|state| state.unclaimed());
    let Some(next) = marked.max(counted) else { return Err(segments::none(store)) };
    NameChange::begin(&lock, mark.as_mut())?.create(store, next)?;
    store.sync_names()?;
    told(&format!("there was no segment file: the journal goes on at seq {next}"));
    Ok(())
}

/// A `journal.json` that is no JSON is written anew; the id is lost with it.
fn repair_config(store: &Store, told: &mut dyn FnMut(&str)) -> Result<()> {
    match Config::load(store) {
        Ok(Some(_)) => return Ok(()),
        Ok(None) | Err(Error::NotAJournal { .. }) => {}
        Err(error) => return Err(error),
    }
    let aside = move_aside(store, layout::CONFIG)?;
    Config::new(&Settings::default())?.store(store)?;
    told(&format!("journal.json was not readable ({aside}): a new one has a new id and the default limits"));
    Ok(())
}

/// Without a valid slot the cursor is unknown: everything that is still there counts as pending, and is delivered again.
fn repair_cursor(store: &Store, told: &mut dyn FnMut(&str)) -> Result<()> {
    match CursorFile::open(store, Open::Write).and_then(|cursor| cursor.load()) {
        Ok(_) => return Ok(()),
        Err(Error::Damaged { .. }) => {}
        Err(error) => return Err(error),
    }
    let aside = move_aside(store, layout::CURSOR)?;
    let log_start = segments::list(store)?.first().copied().unwrap_or(Seq::FIRST);
    let mut state = CursorState::new();
    state.skipped = log_start.since(Seq::FIRST);
    state.cursor = log_start;
    CursorFile::create(store, &state)?;
    store.sync_names()?;
    told(&format!(
        "the cursor was not readable ({aside}): everything from seq {log_start} on is pending again, and what was before \
         it counts as skipped"
    ));
    Ok(())
}

/// A journal that ends before its cursor goes on after it: no seq is given twice.
fn repair_numbering(store: &Store, lock: &File, told: &mut dyn FnMut(&str)) -> Result<()> {
    let mut mark = TailMark::read(lock)?;
    let state = CursorFile::open(store, Open::Read)?.load()?;
    let tail = Tail::find(store, mark.clone(), Open::Read)?;
    let next = state.unclaimed();
    if next > tail.next {
        NameChange::begin(lock, mark.as_mut())?.create(store, next)?;
        store.sync_names()?;
        told(&format!("the journal ended at seq {}, before its cursor: it goes on at seq {next}", tail.next));
    }
    Ok(())
}

/// Puts every damaged place, and every missing file, on the record in `damaged.jsonl`.
fn set_aside_what_is_damaged(journal: &Journal, told: &mut dyn FnMut(&str)) -> Result<()> {
    let store = journal.store();
    let known = damaged::places(store)?;
    let tail = Tail::find(store, None, Open::Read)?;
    let mut reader = Reader::open_tolerant(store, Seq::FIRST, Some(tail.next))?;
    let mut set_aside = |damage: &Damage| {
        if !known.contains(&damaged::place(damage)) {
            damaged::set_aside(journal, damage)?;
            told(&format!("{damage}; set aside in {}", layout::DAMAGED));
        }
        Ok(())
    };
    while let Some(item) = reader.read()? {
        if let Item::Damaged(damage) = item {
            set_aside(&damage)?;
        }
    }
    reader.leftover(&tail.file, tail.end)?.iter().try_for_each(set_aside)
}

/// Renames a file to a name that says so, and that nothing has yet. Returns what a person is told.
fn move_aside(store: &Store, name: &str) -> Result<String> {
    let names = store.list()?;
    if !names.iter().any(|there| there == name) {
        return Ok("it was missing".into());
    }
    let free = (1..).map(|number| layout::bad_name(name, number)).find(|bad| !names.contains(bad));
    let bad = free.unwrap_or_else(|| layout::bad_name(name, 0));
    store.rename(name, &bad)?;
    store.sync_names()?;
    Ok(format!("kept as {bad}"))
}
