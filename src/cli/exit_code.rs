//! The exit codes: an interface. `--help`, the manual pages and the README's table are made from this one enum.

use std::fmt::Write as _;

use edgesync::Error;

/// What a run came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ExitCode {
    Done = 0,
    Failed = 1,
    Usage = 2,
    Partial = 3,
    NothingDelivered = 4,
    SetAside = 5,
    Unsound = 6,
    Busy = 7,
    Full = 8,
}

impl ExitCode {
    pub const ALL: [Self; 9] = [
        Self::Done,
        Self::Failed,
        Self::Usage,
        Self::Partial,
        Self::NothingDelivered,
        Self::SetAside,
        Self::Unsound,
        Self::Busy,
        Self::Full,
    ];

    /// When several apply, the first of these. `Usage` and `Busy` end a run before it does anything, so they never meet others.
    const MOST_TELLING_FIRST: [Self; 9] = [
        Self::Failed,
        Self::Unsound,
        Self::Full,
        Self::Usage,
        Self::Busy,
        Self::Partial,
        Self::NothingDelivered,
        Self::SetAside,
        Self::Done,
    ];

    pub const fn number(self) -> u8 {
        self as u8
    }

    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Done => {
                "done: all lines durable; nothing that was pending at the start is left; journal sound"
            }
            Self::Failed => "failed: I/O or internal error; what was acknowledged is safe",
            Self::Usage => "wrong usage",
            Self::Partial => "partial: some entries were settled, others still wait",
            Self::NothingDelivered => {
                "nothing settled: the sink cannot be reached or refuses everything; everything still waits"
            }
            Self::SetAside => "done, but entries were set aside: rejected, dead-lettered or damaged",
            Self::Unsound => "the journal is damaged or not a journal",
            Self::Busy => "busy: another process is delivering",
            Self::Full => "full: --overflow reject and no room; what was not taken is named",
        }
    }

    /// What a cron job does about it.
    pub const fn then(self) -> &'static str {
        match self {
            Self::Done => "is happy",
            Self::Failed | Self::SetAside => "looks",
            Self::Usage => "is fixed",
            Self::Partial | Self::NothingDelivered | Self::Busy => "tries again",
            Self::Unsound => "runs `verify`",
            Self::Full => "makes room",
        }
    }

    /// The one code for a run to which several apply.
    pub fn of_all(codes: impl IntoIterator<Item = Self>) -> Self {
        let rank = |code: &Self| Self::MOST_TELLING_FIRST.iter().position(|other| other == code);
        codes.into_iter().min_by_key(rank).unwrap_or(Self::Done)
    }

    /// What a library error comes to.
    pub fn of_error(error: &Error) -> Self {
        match error {
            Error::Missing { .. }
            | Error::MissingParent { .. }
            | Error::EmptyPath
            | Error::NotFinite { .. }
            | Error::Invalid(_) => Self::Usage,
            Error::Io { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => Self::Usage,
            Error::NotAJournal { .. }
            | Error::NewerFormat { .. }
            | Error::Damaged { .. }
            | Error::MissingSegment { .. }
            | Error::CursorBeyondEnd { .. }
            | Error::Unsafe { .. } => Self::Unsound,
            Error::Busy { .. } | Error::CommandRuns { .. } => Self::Busy,
            Error::Full { .. } => Self::Full,
            _ => Self::Failed,
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.number())
    }
}

/// The end of a command's `--help`.
pub fn help_section(codes: &[ExitCode]) -> String {
    let mut text = String::from("Exit codes:");
    for code in codes {
        // Writing to a String does not fail.
        let _ = write!(text, "\n  {}  {}", code.number(), code.meaning());
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io::{Error as IoError, ErrorKind};
    use std::path::PathBuf;

    use edgesync::Seq;

    use super::*;

    #[test]
    fn numbers_are_0_to_8_and_never_change() {
        let numbers: Vec<u8> = ExitCode::ALL.iter().map(|code| code.number()).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(
            (ExitCode::Partial.number(), ExitCode::Unsound.number(), ExitCode::Full.number()),
            (3, 6, 8)
        );
    }

    #[test]
    fn when_several_apply_the_order_is_1_6_8_then_3_4_5() {
        use ExitCode::*;
        let table: &[(&[ExitCode], ExitCode)] = &[
            (&[], Done),
            (&[Done], Done),
            (&[Done, SetAside], SetAside),
            (&[SetAside, Partial], Partial),
            (&[SetAside, NothingDelivered], NothingDelivered),
            (&[NothingDelivered, Partial], Partial),
            (&[SetAside, Full], Full),
            (&[Full, Unsound], Unsound),
            (&[Unsound, Failed], Failed),
            (&[SetAside, NothingDelivered, Partial, Full, Unsound, Failed], Failed),
        ];
        for (codes, one) in table {
            assert_eq!(ExitCode::of_all(codes.iter().copied()), *one, "{codes:?}");
            assert_eq!(ExitCode::of_all(codes.iter().rev().copied()), *one, "{codes:?} reversed");
        }
    }

    #[test]
    fn every_code_has_a_rank() {
        for code in ExitCode::ALL {
            assert!(ExitCode::MOST_TELLING_FIRST.contains(&code), "{code:?}");
        }
    }

    #[test]
    fn library_errors_have_their_codes() {
        let path = || PathBuf::from("j");
        let io = |kind| Error::Io { action: "open", path: path(), source: IoError::from(kind) };
        let text = || String::from("text");
        let table = [
            (Error::Missing { path: path() }, ExitCode::Usage),
            (Error::MissingParent { path: path() }, ExitCode::Usage),
            (Error::Invalid(text()), ExitCode::Usage),
            (Error::EmptyPath, ExitCode::Usage),
            (Error::NotFinite { value: f64::NAN, field: text() }, ExitCode::Usage),
            (io(ErrorKind::PermissionDenied), ExitCode::Usage),
            (io(ErrorKind::StorageFull), ExitCode::Failed),
            (Error::Latched { path: path() }, ExitCode::Failed),
            (Error::NotAJournal { path: path(), reason: text() }, ExitCode::Unsound),
            (Error::NewerFormat { path: path(), found: 2, known: 1 }, ExitCode::Unsound),
            (Error::Damaged { path: path(), reason: text() }, ExitCode::Unsound),
            (Error::MissingSegment { path: path(), first: Seq::FIRST, last: Seq::FIRST }, ExitCode::Unsound),
            (Error::CursorBeyondEnd { path: path(), cursor: Seq::FIRST, end: Seq::FIRST }, ExitCode::Unsound),
            (Error::Unsafe { path: path(), reason: text() }, ExitCode::Unsound),
            (Error::Busy { path: path() }, ExitCode::Busy),
            (Error::Full { path: path(), limit: text() }, ExitCode::Full),
        ];
        for (error, code) in table {
            assert_eq!(ExitCode::of_error(&error), code, "{error}");
        }
    }

    #[test]
    fn the_readme_shows_the_same_table() {
        let mut table = String::from("| code | meaning | a cron job then |\n| --- | --- | --- |\n");
        for code in ExitCode::ALL {
            let meaning = code.meaning().replace("--overflow reject", "`--overflow reject`");
            table.push_str(&format!("| {} | {meaning} | {} |\n", code.number(), code.then()));
        }
        assert!(include_str!("../../README.md").contains(&table), "put this table into README.md:\n{table}");
    }
}
