//! What a directory is that has no `journal.json`: the beginning of a journal, the remains of one, or something else.

use super::layout;
use crate::error::{CONFIG_LOST, Error, Result};
use crate::record::Seq;
use crate::storage::Store;

/// The error for a directory without `journal.json`; none if it can become a journal: it is empty, or holds no more than what
/// an interrupted creation leaves.
pub(crate) fn obstacle(store: &Store) -> Result<Option<Error>> {
    let mut names = store.list()?;
    // Another process may have created it since.
    if names.iter().any(|name| name == layout::CONFIG) {
        return Ok(None);
    }
    names.sort_unstable();
    let mut foreign = None;
    for name in names {
        match layout::parse_segment_name(&name) {
            Some(first) if first == Seq::FIRST && store.size(&name)? == 0 => {}
            Some(_) => return Ok(Some(not_a_journal(store, CONFIG_LOST))),
            None if is_left_by_a_creation(&name) => {}
            None => foreign = foreign.or(Some(name)),
        }
    }
    let reason = foreign.map(|name| format!("it has no {}, but holds {name}", layout::CONFIG));
    Ok(reason.map(|reason| not_a_journal(store, &reason)))
}

/// The error for a directory without `journal.json` that is not to become a journal.
pub(crate) fn error(store: &Store) -> Result<Error> {
    if let Some(error) = obstacle(store)? {
        return Ok(error);
    }
    let reason = match store.list()?.is_empty() {
        true => "the directory is empty".to_owned(),
        false => format!("it has no {}", layout::CONFIG),
    };
    Ok(not_a_journal(store, &reason))
}

fn is_left_by_a_creation(name: &str) -> bool {
    let names =
        [layout::CONFIG_NEW, layout::CURSOR, layout::APPEND_LOCK, layout::REPLAY_LOCK, layout::EXEC_LOCK];
    names.contains(&name)
}

fn not_a_journal(store: &Store, reason: &str) -> Error {
    Error::NotAJournal { path: store.path().to_owned(), reason: reason.to_owned() }
}
