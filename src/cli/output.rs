//! Standard output: buffered, and with errors that can be told from those of the journal.
//!
//! What programs read (payloads, records, JSON, metrics) goes out byte for byte, by `write`, `line` and `print`. What people read goes out
//! printable, by `show`.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::os::fd::AsFd as _;

use edgesync::printable;

/// Standard output took no more.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output: {0}")]
pub struct StdoutError(#[source] io::Error);

impl StdoutError {
    /// `edgesync cat | head`: the reader has what it wanted, which is no failure.
    pub fn reader_went_away(&self) -> bool {
        self.0.kind() == io::ErrorKind::BrokenPipe
    }
}

/// Buffered standard output. What matters is flushed with [`Output::flush`]: an error on drop would be lost.
pub struct Output(BufWriter<File>);

impl Output {
    pub fn open() -> Result<Self, StdoutError> {
        Ok(Self(BufWriter::with_capacity(64 * 1024, raw()?)))
    }

    pub fn write(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), StdoutError> {
        self.0.write_all(bytes.as_ref()).map_err(StdoutError)
    }

    pub fn line(&mut self, text: impl AsRef<[u8]>) -> Result<(), StdoutError> {
        self.write(text)?;
        self.write(b"\n")
    }

    /// One line for people.
    pub fn show(&mut self, text: &str) -> Result<(), StdoutError> {
        self.line(&*printable(text))
    }

    pub fn flush(&mut self) -> Result<(), StdoutError> {
        self.0.flush().map_err(StdoutError)
    }
}

/// Standard output without a buffer of its own.
pub fn raw() -> Result<File, StdoutError> {
    io::stdout().as_fd().try_clone_to_owned().map(File::from).map_err(StdoutError)
}

/// Standard input without a buffer of its own, so that waiting for it and reading it agree.
pub fn raw_stdin() -> io::Result<File> {
    io::stdin().as_fd().try_clone_to_owned().map(File::from)
}

pub fn stdin_is_terminal() -> bool {
    io::stdin().is_terminal()
}

/// Shows these lines to people and flushes them.
pub fn show<S: AsRef<str>>(lines: impl IntoIterator<Item = S>) -> Result<(), StdoutError> {
    let mut output = Output::open()?;
    for line in lines {
        output.show(line.as_ref())?;
    }
    output.flush()
}

/// Writes all of a text and flushes it, byte for byte.
pub fn print(text: impl AsRef<[u8]>) -> Result<(), StdoutError> {
    let mut output = Output::open()?;
    output.write(text)?;
    output.flush()
}
