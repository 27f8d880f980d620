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

    /// What it means where nothing more is known than the number. A command that does less says less: see [`ExitCode::means`].
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Done => {
                "done: all lines durable; nothing that was pending at the start is left; journal sound"
            }
            Self::Failed => "failed: I/O or internal error; what was acknowledged is safe",
            Self::Usage => "usage error, or settings that cannot work",
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

    /// What a person or a script does about it.
    pub const fn what_to_do(self) -> &'static str {
        match self {
            Self::Done => "nothing",
            Self::Failed | Self::SetAside => "look at the message",
            Self::Usage => "fix the command line",
            Self::Partial | Self::NothingDelivered | Self::Busy => "try again",
            Self::Unsound => "run `edgesync verify`",
            Self::Full => "make room",
        }
    }

    /// The texts of this code as the README's table has them.
    pub const fn text(self) -> ExitText {
        self.means(self.meaning())
    }

    /// The texts of this code for a command for which it means this.
    pub const fn means(self, meaning: &'static str) -> ExitText {
        ExitText { code: self, meaning, what_to_do: self.what_to_do() }
    }

    /// The texts of all codes.
    pub const TEXTS: [ExitText; 9] = {
        let mut texts = [Self::Done.text(); 9];
        let mut index = 0;
        while index < texts.len() {
            texts[index] = Self::ALL[index].text();
            index += 1;
        }
        texts
    };

    /// The numbers of those of these codes of which several may apply to one run, the one that is taken first.
    pub fn by_rank(texts: &[ExitText]) -> Vec<u8> {
        let may_meet = |code: &&Self| !matches!(code, Self::Done | Self::Usage | Self::Busy);
        let codes = Self::MOST_TELLING_FIRST.iter().filter(may_meet);
        codes.filter(|code| texts.iter().any(|text| text.code == **code)).map(|code| code.number()).collect()
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

/// What an exit code of one command means, and what to do about it.
#[derive(Debug, Clone, Copy)]
pub struct ExitText {
    pub code: ExitCode,
    pub meaning: &'static str,
    pub what_to_do: &'static str,
}

impl ExitText {
    /// The same with another thing to do.
    pub const fn so(self, what_to_do: &'static str) -> Self {
        Self { what_to_do, ..self }
    }
}

/// The end of a command's `--help`.
pub fn help_section(texts: &[ExitText]) -> String {
    let mut help = String::from("Exit codes:");
    for ExitText { code, meaning, .. } in texts {
        // Writing to a String does not fail.
        let _ = write!(help, "\n  {}  {meaning}", code.number());
    }
    help
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
    fn a_command_names_the_order_of_those_codes_that_it_has() {
        assert_eq!(ExitCode::by_rank(&ExitCode::TEXTS), [1, 6, 8, 3, 4, 5]);
        assert_eq!(ExitCode::by_rank(&[ExitCode::SetAside.text(), ExitCode::Failed.text()]), [1, 5]);
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
        let mut table = String::from("| code | meaning | what to do |\n| --- | --- | --- |\n");
        for code in ExitCode::ALL {
            let meaning = code.meaning().replace("--overflow reject", "`--overflow reject`");
            table.push_str(&format!("| {} | {meaning} | {} |\n", code.number(), code.what_to_do()));
        }
        assert!(include_str!("../../README.md").contains(&table), "put this table into README.md:\n{table}");
    }
}
