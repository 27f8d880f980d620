//! Taking lines in: input → lines → payloads → blocks → commits.
//!
//! ```text
//!  reading thread                                     writing thread
//!  wait, read ─► lines ─► check ─► encode ─► parcel ──► rejected lines ─► commit ─► sync ─► acknowledge, pass on
//!     (input)   (lines)   (check)           (handoff)                      (writer)          (tee)
//!                                    three parcels go round
//! ```
//!
//! What is promised:
//! - Whatever has arrived is one commit. The reading side waits for input only after it has handed over every whole line,
//!   and never for a block to become full: a slow sensor is durable line by line, a bulk load mebibyte by mebibyte.
//! - Lines keep their order, and no good line is lost beside a bad one.
//! - Rejected lines are durable in `rejected.jsonl` before any entry that was handed over with them is acknowledged.
//! - Memory does not grow with the input, nor with a line that never ends, nor with a flood of bad ones.
//! - On a request to stop, what was read is made durable. What is still in the pipe was not read, and a line of which
//!   only a part was read is dropped and named.
//! - After an error nothing more is taken, and the first line that is not known to be safe is named.
//!
//! What is assumed: `input` does not read ahead of its descriptor, or does so in less than 64 KiB at a time and not before (as
//! [`std::io::Stdin`] does); otherwise lines could lie in its buffer while its descriptor shows nothing.

mod check;
mod dropped;
mod handoff;
mod input;
mod lines;
mod notice;
mod tee;
#[cfg(test)]
mod tests;
mod writer;

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::pipe::{PipeFlags, pipe_with};

use self::check::Checker;
use self::handoff::Handoff;
use self::input::{End, ReadReport, Reader, Source};
pub use self::notice::{NotTaken, Notice};
use self::writer::{Committer, Writer};
use crate::error::{Error, Result};
use crate::journal::{Appender, Journal};
use crate::record::PAYLOAD_BYTES_MAX;
use crate::stop::Stop;

/// How lines are taken in.
#[derive(Debug, Clone)]
pub struct IngestOptions {
    /// Lines are text; each becomes a JSON string.
    pub text: bool,
    /// A line may have so many bytes, without its line feed. At most [`MAX_LINE_MAX`], and at most about an eighth of the
    /// journal's limit of bytes.
    pub max_line: usize,
    /// When entries are synced.
    pub sync: SyncPolicy,
}

impl Default for IngestOptions {
    fn default() -> Self {
        Self { text: false, max_line: 1 << 20, sync: SyncPolicy::Always }
    }
}

/// The largest possible `max_line`, in bytes: what a journal takes as a payload.
pub const MAX_LINE_MAX: usize = PAYLOAD_BYTES_MAX;

/// When entries are synced, and so when lines are passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncPolicy {
    /// With every commit. A line is passed on once it is durable.
    Always,
    /// This long after the first entry that is not synced yet, at the end, and before a wait for room. A crash loses what was
    /// taken since. A line is passed on after the sync that covers it; where lines are passed on, a sync also comes
    /// with every mebibyte of them.
    Interval(Duration),
    /// When the system sees fit. A line is passed on once it is written: it survives a crash of the program, not of the
    /// machine.
    Never,
}

/// What became of the lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct IngestReport {
    /// Entries written.
    pub accepted: u64,
    /// Lines put into `rejected.jsonl`.
    pub rejected: u64,
    /// Lines for which there was no room.
    pub not_taken: u64,
    /// Older entries that were dropped to make room, or because of their age.
    pub evicted: u64,
    /// Whether a request to stop ended it before the input did.
    pub stopped: bool,
}

/// Takes lines from `input` into the journal until the input ends or `stop` asks to.
///
/// Each accepted line's payload is passed on to `tee`, with a line feed, once it is as safe as `options.sync` has it. If `tee`
/// fails, that is told once, and the rest goes on; if it blocks, everything waits for it. `notice` is called from one thread
/// at a time.
///
/// # Errors
/// When reading or writing fails. What was acknowledged is safe; [`Notice::Failed`] names the first line that may not be.
pub fn ingest(
    journal: &Journal,
    input: impl Read + AsFd + Send,
    tee: Option<&mut (dyn Write + Send)>,
    options: &IngestOptions,
    stop: &Stop,
    notice: &mut (dyn FnMut(Notice) + Send),
) -> Result<IngestReport> {
    let mut appender = Appender::open(&journal.heeding(stop))?;
    run(&mut appender, input, tee, options, journal.payload_bytes_max(), stop, notice)
}

fn run<C: Committer>(
    committer: &mut C,
    input: impl Read + AsFd,
    tee: Option<&mut (dyn Write + Send)>,
    options: &IngestOptions,
    journal_bytes_max: usize,
    stop: &Stop,
    notice: &mut (dyn FnMut(Notice) + Send),
) -> Result<IngestReport> {
    if !(1..=MAX_LINE_MAX).contains(&options.max_line) {
        let message = format!("a line may have 1 to {MAX_LINE_MAX} bytes, not {}", options.max_line);
        return Err(Error::Invalid(message));
    }
    let io_error = |action| Error::io(action, "standard input");
    // Never written to. When the writing side leaves, its end is closed, which ends the wait for input.
    let (writer_left, writer_here) =
        pipe_with(PipeFlags::CLOEXEC).map_err(|errno| io_error("wait for")(errno.into()))?;
    let handoff = Handoff::new(committer.next_seq());
    let checker = Checker {
        text: options.text,
        // A line that this journal can never hold is rejected; it must not stop those after it.
        line_bytes_max: options.max_line.min(journal_bytes_max),
        is_limit_of_journal: journal_bytes_max < options.max_line,
    };
    let tee = tee.map(|tee| -> &mut (dyn Write + Send) { tee });
    let writer = Writer::new(committer, tee, options.sync, stop, &mut *notice);

    let (read, written) = std::thread::scope(|scope| -> Result<_> {
        let write = || {
            let _here = writer_here;
            let _leaves = OnDrop(|| handoff.writer_leaves());
            writer.run(&handoff)
        };
        let thread = std::thread::Builder::new().name("writer".into());
        let thread = thread.spawn_scoped(scope, write).map_err(io_error("start a thread for"))?;
        let read = {
            let _leaves = OnDrop(|| handoff.reader_leaves());
            Reader::new(checker, &handoff).run(Source::new(input, stop, writer_left.as_fd()))
        };
        Ok((read, thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))))
    })?;

    let ReadReport { end, unfinished } = read;
    let mut report = written?;
    report.stopped = matches!(end, End::Stopped);
    if unfinished > 0 {
        notice(Notice::Unfinished { bytes: unfinished, stopped: report.stopped });
    }
    match end {
        End::Failed(error) => Err(io_error("read")(error)),
        End::Input | End::Stopped | End::WriterLeft => Ok(report),
    }
}

/// Tells the other side also when this one panics: it must not wait for ever.
struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
