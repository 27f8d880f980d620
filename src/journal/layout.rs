//! The names of a journal's files: built and parsed here and nowhere else.

use crate::record::Seq;

pub(crate) const CONFIG: &str = "journal.json";
/// What `journal.json` is written as before it is renamed into place.
pub(crate) const CONFIG_NEW: &str = "journal.json.new";
pub(crate) const CURSOR: &str = "cursor";
pub(crate) const APPEND_LOCK: &str = "append.lock";
pub(crate) const REPLAY_LOCK: &str = "replay.lock";
/// Held by the process whose alert command is running.
pub(crate) const ALERT_LOCK: &str = "alert.lock";
/// Held by a command that delivers.
pub(crate) const EXEC_LOCK: &str = "exec.lock";
pub(crate) const REJECTED: &str = "rejected.jsonl";
pub(crate) const DEAD_LETTER: &str = "dead-letter.jsonl";
pub(crate) const DAMAGED: &str = "damaged.jsonl";

/// What a side file is renamed to when it has grown to its share: `rejected.old.jsonl`.
pub(crate) fn old_name(side_file: &str) -> String {
    format!("{}.old.jsonl", side_file.trim_end_matches(".jsonl"))
}

/// Side files and what they are renamed to: they come and go while others write.
pub(crate) fn side_files() -> impl Iterator<Item = String> {
    [REJECTED, DEAD_LETTER, DAMAGED].into_iter().flat_map(|name| [name.to_owned(), old_name(name)])
}

/// What `verify --repair` renames an unreadable file to: `cursor.bad-1`.
pub(crate) fn bad_name(name: &str, number: u32) -> String {
    format!("{name}.bad-{number}")
}

fn is_bad_name(name: &str) -> bool {
    [CONFIG, CURSOR].iter().any(|ours| {
        name.strip_prefix(ours)
            .and_then(|rest| rest.strip_prefix(".bad-"))
            .is_some_and(|number| number.parse::<u32>().is_ok())
    })
}

const SEGMENT_DIGITS: usize = 20;
const SEGMENT_SUFFIX: &str = ".jsonl";

/// The name of the segment whose first entry has this seq.
pub(crate) fn segment_name(first: Seq) -> String {
    format!("{first:020}{SEGMENT_SUFFIX}", first = first.get())
}

/// The first seq of the segment with this name; none if it is not a segment's name.
pub(crate) fn parse_segment_name(name: &str) -> Option<Seq> {
    let digits = name.strip_suffix(SEGMENT_SUFFIX)?;
    if digits.len() != SEGMENT_DIGITS || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().and_then(Seq::new)
}

/// Whether a name is one of ours that is not a segment's.
pub(crate) fn is_ours(name: &str) -> bool {
    matches!(
        name,
        CONFIG
            | CONFIG_NEW
            | CURSOR
            | APPEND_LOCK
            | REPLAY_LOCK
            | ALERT_LOCK
            | EXEC_LOCK
            | REJECTED
            | DEAD_LETTER
            | DAMAGED
    ) || is_bad_name(name)
        || [REJECTED, DEAD_LETTER, DAMAGED].iter().any(|side_file| old_name(side_file) == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_name_is_parsed_back() {
        for number in [1, 148_213, u64::MAX] {
            let seq = Seq::new(number).unwrap();
            let name = segment_name(seq);
            assert_eq!(name.len(), 26);
            assert_eq!(parse_segment_name(&name), Some(seq));
        }
    }

    #[test]
    fn other_names_are_not_segments() {
        for name in [
            "1.jsonl",
            "00000000000000000000.jsonl",
            "99999999999999999999.jsonl",
            "+0000000000000000001.jsonl",
            "00000000000000000001.json",
            "00000000000000000001.jsonl~",
            "rejected.jsonl",
        ] {
            assert_eq!(parse_segment_name(name), None, "{name}");
        }
    }
}
