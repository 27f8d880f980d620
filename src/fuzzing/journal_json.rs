//! `journal.json`.

use super::{directory, put};
use crate::journal::{CONFIG, Config};

/// A file is refused, or what it says is the same once it has been written anew.
///
/// The journal is not used with it: `alert_exec` is a command, and these bytes are anybody's.
pub fn journal_json(bytes: &[u8]) {
    let store = directory();
    put(&store, CONFIG, bytes);
    let Ok(config) = Config::load(&store) else { return };
    let config = config.expect("it is there");
    config.store(&store).expect("memory does not fail");
    let again = Config::load(&store).expect("it was just written");
    assert_eq!(again, Some(config));
}
