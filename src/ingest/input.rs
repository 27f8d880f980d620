//! The reading side: wait, read, check, hand over.

use std::io::{self, Read};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::event::{PollFd, PollFlags, poll};

use super::check::{Checker, Verdicts};
use super::handoff::{Handoff, Parcel};
use super::lines::{LineBuffer, Piece, READ_BYTES};
use crate::journal::RejectedLine;
use crate::stop::Stop;

/// Where lines come from, and what may end the wait for them.
pub(super) struct Source<'a, R> {
    input: R,
    stop: &'a Stop,
    /// Readable for good once the writing side has left.
    writer_left: BorrowedFd<'a>,
}

/// How the input ended.
#[derive(Debug)]
pub(super) enum End {
    /// Everything was read.
    Input,
    /// A request to stop came.
    Stopped,
    /// The writing side left; it says why.
    WriterLeft,
    /// A read failed.
    Failed(io::Error),
}

/// What the reading side has to say when it is done.
#[derive(Debug)]
pub(super) struct ReadReport {
    pub end: End,
    /// The length of a last line that was dropped because it had no end yet.
    pub unfinished: u64,
}

impl<'a, R: Read + AsFd> Source<'a, R> {
    pub fn new(input: R, stop: &'a Stop, writer_left: BorrowedFd<'a>) -> Self {
        // With a larger pipe its writer is woken less often. If the system says no, nothing is lost.
        #[cfg(target_os = "linux")]
        let _ = rustix::pipe::fcntl_setpipe_size(&input, READ_BYTES);
        Self { input, stop, writer_left }
    }

    /// Waits for input and reads it. A request to stop goes before input that is there.
    fn read(&mut self, space: &mut [u8]) -> Result<usize, End> {
        loop {
            let mut fds = [
                PollFd::from_borrowed_fd(self.stop.as_fd(), PollFlags::IN),
                PollFd::from_borrowed_fd(self.writer_left, PollFlags::IN),
                PollFd::from_borrowed_fd(self.input.as_fd(), PollFlags::IN),
            ];
            match poll(&mut fds, None) {
                Err(rustix::io::Errno::INTR) => continue,
                Err(errno) => return Err(End::Failed(errno.into())),
                Ok(_) if !fds[0].revents().is_empty() => return Err(End::Stopped),
                Ok(_) if !fds[1].revents().is_empty() => return Err(End::WriterLeft),
                Ok(_) => {}
            }
            match self.input.read(space) {
                Ok(0) => return Err(End::Input),
                Ok(count) => return Ok(count),
                // Another process that shares the descriptor may have made it non-blocking and taken what was there.
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {}
                Err(error) => return Err(End::Failed(error)),
            }
        }
    }
}

/// The reading side.
pub(super) struct Reader<'a> {
    lines: LineBuffer,
    checker: Checker,
    filler: Filler<'a>,
    line: u64,
}

impl<'a> Reader<'a> {
    pub fn new(checker: Checker, handoff: &'a Handoff) -> Self {
        let filler = Filler { handoff, parcel: None };
        Self { lines: LineBuffer::new(checker.line_bytes_max), checker, filler, line: 1 }
    }

    /// Takes in lines until the input ends, or something else does.
    pub fn run<R: Read + AsFd>(mut self, mut source: Source<'_, R>) -> ReadReport {
        let end = loop {
            match source.read(self.lines.space()) {
                Ok(count) => {
                    self.lines.filled(count);
                    if self.take_in().is_break() {
                        break End::WriterLeft;
                    }
                }
                Err(End::Input) => {
                    self.lines.finish();
                    break if self.take_in().is_break() { End::WriterLeft } else { End::Input };
                }
                Err(end) => break end,
            }
        };
        ReadReport { end, unfinished: self.lines.unfinished() }
    }

    /// Hands over everything that is whole.
    fn take_in(&mut self) -> ControlFlow<()> {
        while let Some(piece) = self.lines.next_piece() {
            match piece {
                Piece::Lines(run) => self.line = self.checker.check(run, self.line, &mut self.filler)?,
                Piece::Overlong(overlong) => {
                    let rejected = self.checker.overlong(self.line, overlong.length, &overlong.head);
                    self.line += 1;
                    self.filler.rejected(rejected)?;
                }
            }
        }
        self.filler.hand_over();
        ControlFlow::Continue(())
    }
}

/// Fills parcels, and hands over each that is full.
struct Filler<'a> {
    handoff: &'a Handoff,
    parcel: Option<Parcel>,
}

impl Filler<'_> {
    fn hand_over(&mut self) {
        if let Some(parcel) = self.parcel.take() {
            self.handoff.hand_over(parcel);
        }
    }

    /// A parcel with room; breaks once nobody writes any more.
    fn parcel_for(&mut self, length: usize) -> ControlFlow<(), &mut Parcel> {
        if self.parcel.as_ref().is_some_and(|parcel| !parcel.has_room(length)) {
            self.hand_over();
        }
        if self.parcel.is_none() {
            self.parcel = self.handoff.take_up(length);
        }
        match &mut self.parcel {
            Some(parcel) => ControlFlow::Continue(parcel),
            None => ControlFlow::Break(()),
        }
    }
}

impl Verdicts for Filler<'_> {
    fn payload(&mut self, payload: &[u8], line: u64) -> ControlFlow<()> {
        self.parcel_for(payload.len())?.block.push(payload, line);
        ControlFlow::Continue(())
    }

    fn rejected(&mut self, rejected: RejectedLine) -> ControlFlow<()> {
        self.parcel_for(0)?.reject(rejected);
        ControlFlow::Continue(())
    }
}
