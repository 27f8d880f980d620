//! The environment of the commands that we start.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use uuid::Uuid;

/// Our variables begin with this.
const PREFIX: &str = "EDGESYNC_";

/// The journal that a command is about, for an edgesync that it runs, and that journal's id.
const JOURNAL: &str = "EDGESYNC_JOURNAL";
const JOURNAL_ID: &str = "EDGESYNC_JOURNAL_ID";

/// Takes all variables of this process that are ours away from a command, and names the journal that it is about: its id, and
/// its absolute path if it has one that is known.
///
/// The caller's `EDGESYNC_JOURNAL` may name another journal. Several of the others hold secrets (`EDGESYNC_TOKEN`,
/// `EDGESYNC_HEADER`, a key in `EDGESYNC_TO`), and a list of those would be out of date with the next option. None of them is
/// meant for a command, not even for another edgesync that it runs.
pub(crate) fn set(command: &mut Command, journal: Option<&Path>, id: Uuid) {
    let inherited = std::env::vars_os().map(|(name, _)| name);
    for name in inherited.filter(is_ours) {
        command.env_remove(name);
    }
    // Without a working directory a relative path leads nowhere.
    match journal.and_then(|path| std::path::absolute(path).ok()) {
        Some(path) => command.env(JOURNAL, path),
        None => command.env_remove(JOURNAL),
    };
    command.env(JOURNAL_ID, id.to_string());
}

fn is_ours(name: &OsString) -> bool {
    name.as_encoded_bytes().starts_with(PREFIX.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn every_variable_of_ours_is_taken_away() {
        for (name, ours) in [
            ("EDGESYNC_TOKEN", true),
            ("EDGESYNC_HEADER", true),
            ("EDGESYNC_TO", true),
            ("EDGESYNC_AN_OPTION_OF_LATER", true),
            ("EDGESYNC_JOURNAL", true),
            ("EDGESYNC", false),
            ("PATH", false),
            ("HTTPS_PROXY", false),
        ] {
            assert_eq!(is_ours(&name.into()), ours, "{name}");
        }
    }

    #[test]
    fn a_command_sees_the_absolute_path_of_its_journal_or_none() {
        let here = std::env::current_dir().unwrap();
        for (journal, seen) in [
            (Some("cam.journal"), Some(here.join("cam.journal"))),
            (Some("/var/cam.journal"), Some("/var/cam.journal".into())),
            (None, None),
        ] {
            let mut command = Command::new("true");
            set(&mut command, journal.map(Path::new), Uuid::nil());
            let value = |wanted: &str| {
                command.get_envs().find_map(|(name, value)| (name == wanted).then_some(value)).unwrap()
            };
            assert_eq!(value(JOURNAL), seen.as_deref().map(Path::as_os_str), "{journal:?}");
            assert_eq!(value(JOURNAL_ID), Some(OsStr::new("00000000-0000-0000-0000-000000000000")));
        }
    }
}
