//! The environment of the commands that we start.

use std::ffi::OsString;

/// Our variables begin with this.
const PREFIX: &str = "EDGESYNC_";

/// The one that commands keep: which journal it is about is no secret, and a command may want to ask about it.
const JOURNAL: &str = "EDGESYNC_JOURNAL";

/// The variables of this process that no command may inherit: all of ours but the journal's path. Several hold secrets
/// (`EDGESYNC_TOKEN`, `EDGESYNC_HEADER`, a key in `EDGESYNC_TO`), and a list of those would be out of date with the next option.
/// None of them is meant for a command, not even for another edgesync that it runs.
pub(crate) fn withheld() -> Vec<OsString> {
    std::env::vars_os().map(|(name, _)| name).filter(|name| is_withheld(name.as_encoded_bytes())).collect()
}

fn is_withheld(name: &[u8]) -> bool {
    name.starts_with(PREFIX.as_bytes()) && name != JOURNAL.as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variable_of_ours_is_withheld_but_the_journals_path() {
        for (name, withheld) in [
            ("EDGESYNC_TOKEN", true),
            ("EDGESYNC_HEADER", true),
            ("EDGESYNC_TO", true),
            ("EDGESYNC_AN_OPTION_OF_LATER", true),
            ("EDGESYNC_JOURNAL", false),
            ("EDGESYNC", false),
            ("PATH", false),
            ("HTTPS_PROXY", false),
        ] {
            assert_eq!(is_withheld(name.as_bytes()), withheld, "{name}");
        }
    }
}
