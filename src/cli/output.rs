//! Standard output: buffered, and with errors that can be told from those of the journal.
//!
//! What programs read (payloads, records, JSON, metrics) goes out byte for byte, by `write`, `line` and `print`. What people read goes out
//! printable, by `show`.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::os::fd::AsFd as _;
use std::time::Duration;

use edgesync::Stop;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

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

/// Standard output for one who may be asked to stop while its reader does not read.
pub struct Patient {
    output: File,
    stop: Stop,
    /// How much is written at once: what a pipe that is ready takes without a wait.
    piece_bytes_max: usize,
}

/// How long its reader has once somebody has asked to stop.
const GRACE: Duration = Duration::from_secs(2);

/// PIPE_BUF: a pipe is ready once it has room for so much.
const PIPE_PIECE_BYTES: usize = 4096;

impl Patient {
    pub fn new(stop: &Stop) -> Result<Self, StdoutError> {
        let output = raw()?;
        let waits = !output.metadata().is_ok_and(|output| output.is_file());
        let piece_bytes_max = if waits { PIPE_PIECE_BYTES } else { usize::MAX };
        Ok(Self { output, stop: stop.clone(), piece_bytes_max })
    }

    /// Waits until the reader takes more. An error if it does not, and somebody has asked to stop.
    fn wait(&self) -> io::Result<()> {
        loop {
            let left = self.stop.stopped_at().map(|since| GRACE.saturating_sub(since.elapsed()));
            let output = PollFd::new(&self.output, PollFlags::OUT);
            // Once stopped its descriptor is always ready, and would end every wait at once.
            let polled = match (self.stop.as_fd(), left) {
                (Some(stop), None) => {
                    let mut both = [output, PollFd::from_borrowed_fd(stop, PollFlags::IN)];
                    poll(&mut both, None).map(|_| !both[0].revents().is_empty())
                }
                (_, left) => {
                    let left = left.and_then(|left| Timespec::try_from(left).ok());
                    poll(&mut [output], left.as_ref()).map(|ready| ready > 0)
                }
            };
            match polled {
                Ok(true) => return Ok(()),
                Ok(false) if left.is_some_and(|left| left.is_zero()) => {
                    return Err(io::Error::other("stopped while the reader of standard output did not read"));
                }
                Ok(false) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Write for Patient {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.wait()?;
        self.output.write(&bytes[..bytes.len().min(self.piece_bytes_max)])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
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
