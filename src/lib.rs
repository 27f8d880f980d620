//! Store-and-forward for JSON lines: a crash-safe, sequence-numbered journal, and strictly ordered delivery from it.
//!
//! ```text
//!  lines ──► ingest ──► Journal ──► Replayer ──► Sink
//!            validate   segments    batches      HTTP endpoint, command, or your own
//!            encode     cursor  ◄── outcomes ◄──
//! ```
//!
//! Order comes from sequence numbers that are given at write time, never from clocks. An entry is delivered only once it
//! is durable, in its turn, at least once; and every entry is accounted for: `written = delivered + pending +
//! dead-lettered + evicted + damaged + skipped`.
//!
//! ```
//! use edgesync::{Batch, IngestOptions, Journal, Outcome, ReplayOptions, Replayer, Settings, Sink, Stop, ingest};
//!
//! struct Print;
//!
//! impl Sink for Print {
//!     fn send(&mut self, batch: &Batch, _attempt: u32) -> Outcome {
//!         print!("{}", String::from_utf8_lossy(&batch.body));
//!         Outcome::Delivered { through: None }
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("journal");
//! let journal = Journal::open_or_create(&path, &Settings::default())?;
//! # let (input, mut lines) = std::io::pipe()?;
//! # std::io::Write::write_all(&mut lines, b"{\"t\":21.5}\n")?;
//! # drop(lines);
//! ingest(&journal, input, None, &IngestOptions::default(), &Stop::never(), &mut |notice| eprintln!("{notice}"))?;
//! let report = Replayer::new(&journal, Print, &ReplayOptions::default())?.run(&Stop::never(), &mut |_| ())?;
//! assert_eq!(report.remaining, 0);
//! # assert_eq!(report.delivered, 1);
//! # Ok(())
//! # }
//! ```
//!
//! A program that wants to keep values of its own and not lines uses a [`Buffer`]: the same journal, typed, with a
//! connection that comes and goes. `docs/library.md` shows both.
//!
//! The formats, and what a crash leaves behind: `docs/design.md`.

mod buffer;
mod command;
mod error;
mod exec_lock;
#[cfg(test)]
mod exploration;
#[cfg(all(test, not(fuzzing)))]
mod fuzzing;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod ingest;
mod journal;
mod printable;
mod record;
mod replay;
mod sink;
mod stop;
mod storage;

pub use buffer::{
    Buffer, BufferOptions, BufferStats, Buffered, Completion, Entry, OnDiskFailure, UploadBatch,
    UploadResult, WriteError,
};
pub use error::{Error, Result};
pub use exec_lock::ExecLock;
pub use ingest::{IngestOptions, IngestReport, MAX_LINE_MAX, NotTaken, Notice, SyncPolicy, ingest};
pub use journal::{
    Compaction, Config, Damage, DeadLetter, DeadLetters, Evicted, Finding, Item, Journal, Limit, Limits,
    Overflow, Reader, Settings, Skipped, Stats, Verification,
};
pub use printable::printable;
pub use record::{Record, Seq, Timestamp};
pub use replay::{OnRefused, Progress, ReplayOptions, ReplayReport, Replayer, RequireAck, RunEnd};
pub use sink::{Batch, BodyFormat, ExecOptions, ExecSink, FormerJournal, Outcome, Sink, UnknownBodyFormat};
#[cfg(feature = "http")]
pub use sink::{HttpOptions, HttpSetupError, HttpSink};
pub use stop::{Stop, Stopper};
