//! Where the journal is.

use std::ffi::OsString;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;

use edgesync::{Journal, Settings, Stop};

use super::args::GlobalArgs;
use super::limits;
use super::report::{Usage, Voice};

/// So long a run that is done waits for its alert command.
const ALERT_WAIT: Duration = Duration::from_secs(10);

/// The journal's directory, as named or by default.
pub struct JournalPath {
    path: PathBuf,
    by_default: bool,
}

impl JournalPath {
    pub fn of(global: &GlobalArgs) -> Result<Self, Usage> {
        if let Some(path) = &global.journal {
            return Ok(Self { path: path.clone(), by_default: false });
        }
        let path = default_path(std::env::var_os("XDG_STATE_HOME"), std::env::home_dir());
        let path = path.ok_or_else(|| {
            Usage::new("no journal is named, and there is no home directory to look in")
                .hint("name one with -j DIR")
        })?;
        Ok(Self { path, by_default: true })
    }

    pub fn as_path(&self) -> &Path {
        &self.path
    }

    /// Makes the parents of the default path. Those of a named path must be there: a missing one is more likely a
    /// misspelling, or a disk that is not mounted, than a wish.
    pub fn prepare(&self) -> anyhow::Result<()> {
        match self.path.parent() {
            Some(parent) if self.by_default => std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(parent)
                .with_context(|| format!("cannot create {}", parent.display())),
            _ => Ok(()),
        }
    }
}

/// Opens the journal for writing, or makes it.
pub fn open_or_create(path: &JournalPath, settings: &Settings, voice: Voice) -> anyhow::Result<Journal> {
    let journal = Journal::open_or_create(path.as_path(), settings)?;
    prepare(&journal, settings.new_id, voice);
    Ok(journal)
}

/// Opens the journal for writing, or makes it. Where it exists its limits are widened, never narrowed.
pub fn open_or_widen(path: &JournalPath, settings: &Settings, voice: Voice) -> anyhow::Result<Journal> {
    let (journal, ignored) = Journal::open_or_create_widening(path.as_path(), settings)?;
    prepare(&journal, false, voice);
    if !ignored.is_empty() {
        let options: Vec<_> = ignored.iter().map(limits::option_of).collect();
        voice.problem(format_args!(
            "{} ignored: append only widens the limits of an existing journal ({}); `edgesync init` changes them",
            options.join(" "),
            limits::describe(journal.config()),
        ));
    }
    Ok(journal)
}

/// Opens the journal for writing.
pub fn open(path: &JournalPath, voice: Voice) -> anyhow::Result<Journal> {
    let journal = Journal::open(path.as_path())?;
    prepare(&journal, false, voice);
    Ok(journal)
}

/// Before the program ends: its alert command gets a while to do the same.
pub fn finish_alerts(journal: &Journal, stop: &Stop) {
    journal.finish_alerts(stop, ALERT_WAIT);
}

fn prepare(journal: &Journal, new_id_wanted: bool, voice: Voice) {
    tell_if_renewed(journal, new_id_wanted, voice);
    journal.on_alert_failure(move |failure| voice.act(failure));
}

/// Says that the journal has just got a new id, and what it lost with the old one.
pub fn tell_if_renewed(journal: &Journal, new_id_wanted: bool, voice: Voice) {
    if let Some(former) = journal.former_id() {
        let (path, id) = (journal.path().display(), journal.id());
        match new_id_wanted {
            true => voice.problem(format_args!("{path} has a new id: {id} (it was {former})")),
            false => voice.problem(format_args!(
                "{path} is a copy, or was restored: it is now journal {id} (it was {former}), so that no receiver takes \
                 its new entries for old ones"
            )),
        }
        if let Some(command) = journal.dropped_alert_exec() {
            voice.act(format_args!(
                "the alert command that came with it was dropped, since it may be someone else's: {command}; \
                 `edgesync init --alert-exec` sets one",
            ));
        }
    }
}

/// The XDG base directory rules: a relative `XDG_STATE_HOME` is to be ignored.
fn default_path(state_home: Option<OsString>, home: Option<PathBuf>) -> Option<PathBuf> {
    let state_home = state_home.map(PathBuf::from).filter(|path| path.is_absolute());
    let home = home.filter(|path| path.is_absolute());
    let base = state_home.or_else(|| home.map(|home| home.join(".local/state")))?;
    Some(base.join("edgesync/journal"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_in_the_state_directory() {
        let home = || Some(PathBuf::from("/home/ann"));
        let by_home = Some(PathBuf::from("/home/ann/.local/state/edgesync/journal"));
        assert_eq!(default_path(Some("/state".into()), home()), Some("/state/edgesync/journal".into()));
        assert_eq!(default_path(None, home()), by_home);
        assert_eq!(default_path(Some("relative".into()), home()), by_home);
        assert_eq!(default_path(Some("".into()), home()), by_home);
        assert_eq!(default_path(None, None), None);
    }
}
