//! Standard output: buffered, and with errors that can be told from those of the journal.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::os::fd::AsFd as _;

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

/// Writes all of a text and flushes it.
pub fn print(text: impl AsRef<[u8]>) -> Result<(), StdoutError> {
    let mut output = Output::open()?;
    output.write(text)?;
    output.flush()
}
