//! What a person is told while lines are taken in.

use std::fmt;
use std::io;

use uuid::Uuid;

use crate::journal::Evicted;

/// Something that happened on the way and did not end the run. Its text is for people: one line, no end.
#[derive(Debug)]
#[non_exhaustive]
pub enum Notice {
    /// A line is not one JSON value, or too long. It is in `rejected.jsonl` by now.
    Rejected {
        /// The line's number, from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The journal is at its limit. Given once.
    Full {
        /// The first line for which there was no room.
        line: u64,
        /// Whether it waits for room, or is not taken.
        waits: bool,
    },
    /// At the end: what was not taken for want of room.
    NotTaken(NotTaken),
    /// The oldest entries were dropped because the journal is at its limit. Given at the end, with the total; a run that lasts
    /// gives it now and then.
    Evicted {
        /// How many in this run, and which limits were reached.
        evicted: Evicted,
        /// The run goes on.
        so_far: bool,
    },
    /// The input broke off within a line.
    Unfinished {
        /// The line's length as far as it was read.
        bytes: u64,
        /// Whether it was a request to stop, or else a failed read.
        stopped: bool,
    },
    /// The reader of what is passed on is gone, or writing to it failed; the journal is not affected. Given once.
    TeeFailed {
        /// What the system said.
        source: io::Error,
    },
    /// A backup has come back while lines were taken in. Entries from here on are the renewed journal's.
    Renewed {
        /// The journal's new id.
        id: Uuid,
        /// The id that it had.
        former_id: Uuid,
        /// The alert command that came back with it and was dropped, since it may be another's.
        alert_exec: Option<String>,
    },
    /// Writing failed, and the run ends with that error.
    Failed {
        /// The first line that is not known to be safe.
        line: u64,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected { line, reason } => write!(out, "line {line}: {reason} (kept in rejected.jsonl)"),
            Self::Full { line, waits: true } => {
                write!(out, "full: line {line} and those after it wait until there is room")
            }
            Self::Full { line, waits: false } => {
                write!(out, "full: line {line} and those after it are not taken until there is room")
            }
            Self::NotTaken(not_taken) => write!(out, "full: {not_taken}"),
            Self::Evicted { evicted, so_far: true } => write!(out, "so far {evicted}"),
            Self::Evicted { evicted, so_far: false } => evicted.fmt(out),
            Self::Unfinished { bytes, stopped } => {
                let event = if *stopped { "the signal came" } else { "reading failed" };
                let bytes = if *bytes == 1 { "1 byte".to_owned() } else { format!("{bytes} bytes") };
                write!(out, "the last line had no end when {event} and was not taken ({bytes})")
            }
            Self::TeeFailed { source } if source.kind() == io::ErrorKind::BrokenPipe => {
                write!(out, "stdout closed; --tee disabled, still writing to the journal")
            }
            Self::TeeFailed { source } => {
                write!(out, "cannot pass lines on for --tee: {source}; journaling goes on")
            }
            Self::Renewed { id, former_id, alert_exec } => {
                write!(
                    out,
                    "the journal was restored while lines were read: it is now journal {id} (it was {former_id}), so that \
                     no receiver takes its new entries for old ones"
                )?;
                match alert_exec {
                    Some(command) => {
                        write!(out, "; the alert command that came with it was dropped: {command}")
                    }
                    None => Ok(()),
                }
            }
            Self::Failed { line } => write!(out, "line {line} and those after it were not taken"),
        }
    }
}

/// So many stretches are named; of the rest only the number and the last line.
const RANGES_MAX: usize = 16;

/// The lines that were not taken: stretches of the input from which no entry was taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NotTaken {
    ranges: Vec<(u64, u64)>,
    in_range: bool,
    lines: u64,
    unnamed: u64,
    last: u64,
}

impl NotTaken {
    /// How many lines with an entry there are.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// The first and the last line of each stretch; of the first 16.
    pub fn ranges(&self) -> &[(u64, u64)] {
        &self.ranges
    }

    /// Adds a line; lines come in order.
    pub(super) fn add(&mut self, line: u64) {
        self.lines += 1;
        self.last = line;
        let named = self.ranges.len();
        match self.ranges.last_mut() {
            Some(range) if self.in_range => range.1 = line,
            _ if named < RANGES_MAX => {
                self.ranges.push((line, line));
                self.in_range = true;
            }
            _ => self.unnamed += 1,
        }
    }

    /// An entry was taken: the stretch has come to its end.
    pub(super) fn interrupt(&mut self) {
        self.in_range = false;
    }
}

impl fmt::Display for NotTaken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.lines == 1 {
            return write!(out, "line {} was not taken", self.last);
        }
        write!(out, "{} lines (", self.lines)?;
        for (index, (first, last)) in self.ranges.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            if first == last {
                write!(out, "{comma}{first}")?
            } else {
                write!(out, "{comma}{first} to {last}")?
            }
        }
        if self.unnamed > 0 {
            write!(out, " and {} more up to line {}", self.unnamed, self.last)?;
        }
        out.write_str(") were not taken")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn not_taken(lines: &[u64]) -> NotTaken {
        let mut not_taken = NotTaken::default();
        for window in lines.windows(2) {
            not_taken.add(window[0]);
            if window[1] > window[0] + 1 {
                not_taken.interrupt();
            }
        }
        not_taken.add(lines[lines.len() - 1]);
        not_taken
    }

    #[test]
    fn what_was_not_taken_is_named_line_by_line() {
        let notice = |lines: &[u64]| Notice::NotTaken(not_taken(lines)).to_string();
        assert_eq!(notice(&[7]), "full: line 7 was not taken");
        assert_eq!(notice(&[11, 12, 13, 20]), "full: 4 lines (11 to 13, 20) were not taken");
    }

    #[test]
    fn the_list_of_what_was_not_taken_is_bounded() {
        let not_taken = not_taken(&(1..2000).step_by(2).collect::<Vec<_>>());
        assert_eq!((not_taken.ranges().len(), not_taken.lines()), (16, 1000));
        assert!(
            not_taken.to_string().ends_with("29, 31 and 984 more up to line 1999) were not taken"),
            "{not_taken}"
        );
    }
}
