//! What a program left: its exit code and what it printed, with checks that can be chained.

use std::process::ExitStatus;

pub struct Output {
    words: String,
    status: ExitStatus,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Output {
    /// No input whatever may make the program panic, so that is checked for every call of it.
    #[track_caller]
    pub(super) fn new(words: String, status: ExitStatus, stdout: Vec<u8>, stderr: Vec<u8>) -> Self {
        let output = Self { words, status, stdout, stderr };
        let panicked = status.code() == Some(101) || output.stderr().contains("panicked at");
        assert!(!panicked, "a panic\n{}", output.report());
        output
    }

    /// The exit code; none if a signal ended the program.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// The lines on stdout. The last one has a line feed, too.
    #[track_caller]
    pub fn lines(&self) -> Vec<String> {
        let text = self.stdout();
        assert!(text.is_empty() || text.ends_with('\n'), "stdout ends within a line\n{}", self.report());
        text.lines().map(str::to_owned).collect()
    }

    /// The whole lines on stdout, of a program that was killed while it may have been writing one.
    pub fn whole_lines(&self) -> Vec<String> {
        let text = self.stdout();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(str::to_owned).collect()
    }

    #[track_caller]
    pub fn exits(&self, code: i32) -> &Self {
        assert!(self.code() == Some(code), "expected exit code {code}\n{}", self.report());
        self
    }

    #[track_caller]
    pub fn exits_with_one_of(&self, codes: &[i32]) -> &Self {
        let fits = self.code().is_some_and(|code| codes.contains(&code));
        assert!(fits, "expected one of the exit codes {codes:?}\n{}", self.report());
        self
    }

    /// This is on stderr, upper or lower case.
    #[track_caller]
    pub fn says(&self, text: &str) -> &Self {
        let found = self.stderr().to_lowercase().contains(&text.to_lowercase());
        assert!(found, "stderr lacks {text:?}\n{}", self.report());
        self
    }

    /// This is not on stderr.
    #[track_caller]
    pub fn does_not_say(&self, text: &str) -> &Self {
        assert!(!self.stderr().contains(text), "stderr has {text:?}\n{}", self.report());
        self
    }

    #[track_caller]
    pub fn says_nothing(&self) -> &Self {
        assert!(self.stderr.is_empty(), "stderr is not empty\n{}", self.report());
        self
    }

    /// This is on stdout.
    #[track_caller]
    pub fn prints(&self, text: &str) -> &Self {
        assert!(self.stdout().contains(text), "stdout lacks {text:?}\n{}", self.report());
        self
    }

    /// This is on stdout or on stderr.
    #[track_caller]
    pub fn says_or_prints(&self, text: &str) -> &Self {
        let found = self.stdout().contains(text) || self.stderr().contains(text);
        assert!(found, "neither stdout nor stderr has {text:?}\n{}", self.report());
        self
    }

    /// The program would not start: wrong usage (2) or not a sound journal (6). Nothing is on stdout; on stderr are the
    /// thing's name and a way out, and nothing more than that.
    #[track_caller]
    pub fn refuses_naming(&self, code: i32, thing: &str) -> &Self {
        self.exits(code).says(thing);
        assert!(self.stdout.is_empty(), "stdout is not empty\n{}", self.report());
        let said = self.stderr().lines().filter(|line| !line.trim().is_empty()).count();
        assert!((1..=2).contains(&said), "expected an error and a hint on stderr\n{}", self.report());
        self
    }

    fn report(&self) -> String {
        let beginning = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(2000)]).into_owned();
        format!(
            "$ {}\n{}\n--- stdout ({} bytes)\n{}\n--- stderr ({} bytes)\n{}\n---",
            self.words,
            self.status,
            self.stdout.len(),
            beginning(&self.stdout),
            self.stderr.len(),
            beginning(&self.stderr)
        )
    }
}
