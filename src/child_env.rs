//! The environment of the commands that we run for a person: the alert command, and the one of `--exec`.

use std::process::Command;

/// Variables of ours that hold secrets. No command needs them, and whatever it starts could read them.
const SECRETS: [&str; 2] = ["EDGESYNC_TOKEN", "EDGESYNC_HEADER"];

/// Keeps our secrets from a command.
pub(crate) fn without_secrets(command: &mut Command) -> &mut Command {
    for name in SECRETS {
        command.env_remove(name);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_taken_away_whatever_the_environment_is() {
        let mut command = Command::new("true");
        let removed: Vec<_> = without_secrets(&mut command).get_envs().collect();
        assert!(removed.iter().all(|(_, value)| value.is_none()), "{removed:?}");
        for name in ["EDGESYNC_TOKEN", "EDGESYNC_HEADER"] {
            assert!(removed.iter().any(|(removed, _)| *removed == name), "{name}");
        }
    }
}
