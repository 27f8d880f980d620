//! Delivery: everything that is pending, in order, to a sink.
//!
//! | file | does |
//! | --- | --- |
//! | `batcher` | consecutive entries to a body |
//! | `ledger` | the disk side: boundaries before sending, the cursor after the answer, dead letters |
//! | `read_ahead` | has the next batch put together meanwhile |
//! | `helper` | a thread that something is handed to and back: one for the link, one for the batcher |
//! | `run` | the run itself, and the link: send, hear, decide |
//! | `backoff`, `narrowing`, `acks` | pure decisions: how long to wait; which part of a refused batch comes next; whether a success counts |
//!
//! A crash at any point repeats at most the two batches in flight, each with its old boundaries, body and key.

mod acks;
mod backoff;
mod batcher;
mod helper;
mod ledger;
mod narrowing;
mod read_ahead;
mod run;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::Duration;

use self::acks::Acks;
pub use self::acks::RequireAck;
use self::backoff::Backoff;
use self::batcher::{BatchLimits, Batcher};
use self::helper::Helper;
use self::ledger::Ledger;
use self::read_ahead::ReadAhead;
use self::run::{Link, Run};
use crate::error::{Error, Result};
use crate::journal::Journal;
use crate::record::Seq;
use crate::sink::{BodyFormat, Sink};
use crate::stop::Stop;

/// What happens to an entry that the sink refuses for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnRefused {
    /// It is kept as a dead letter, and delivery goes on.
    #[default]
    DeadLetter,
    /// The run ends there.
    Stop,
}

/// How a run delivers.
#[derive(Debug, Clone)]
pub struct ReplayOptions {
    /// Entries in a batch, at most; at least 1. Default 500.
    pub batch_size: u64,
    /// Bytes in a body, at most; an entry that is larger goes alone. Default 1 MiB.
    pub batch_bytes: usize,
    /// How a body is laid out. A batch that may have been sent before keeps the layout that it had.
    pub body: BodyFormat,
    /// How often a batch is sent again before the run ends. Default 3.
    pub retries: u32,
    /// The wait before the first repetition is drawn from zero to this; doubled each time. Default 1 s.
    pub backoff: Duration,
    /// The longest wait of our own. Default 60 s. A receiver may ask for as long, and for 60 s in any case; if it asks for
    /// more, the run ends.
    pub backoff_max: Duration,
    /// What happens to refused entries.
    pub on_refused: OnRefused,
    /// An endpoint that refuses this many entries in a row, with none accepted in between, refuses everything: what is wrong
    /// then is not the entries. The last of them is not dead-lettered, and the run ends. The count is kept in the journal: at
    /// the limit a run asks about one entry, and goes on only if that is accepted. Default 10; 0 is no limit.
    pub refusals_max: u64,
    /// Whether a success counts for which the receiver does not name the last entry that it took.
    pub require_ack: RequireAck,
}

impl Default for ReplayOptions {
    fn default() -> Self {
        Self {
            batch_size: 500,
            batch_bytes: 1 << 20,
            body: BodyFormat::Ndjson,
            retries: 3,
            backoff: Duration::from_secs(1),
            backoff_max: Duration::from_secs(60),
            on_refused: OnRefused::DeadLetter,
            refusals_max: 10,
            require_ack: RequireAck::Auto,
        }
    }
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Progress {
    /// Entries dealt with in this run.
    pub done: u64,
    /// Entries that were pending when it began.
    pub total: u64,
}

/// Why a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunEnd {
    /// Nothing is left of what was pending when it began.
    Drained,
    /// The sink could not be reached or was not ready.
    Later {
        /// The last reason, for people.
        reason: String,
    },
    /// The same, but the other end is not what it is meant to be: a person is to look.
    Suspicious {
        /// The last reason, for people.
        reason: String,
    },
    /// The set-up has to be mended first.
    WrongSetup {
        /// What to mend.
        reason: String,
    },
    /// An entry was refused and the run was to stop then.
    Refused {
        /// For people.
        reason: String,
    },
    /// Entry after entry was refused, as many as [`ReplayOptions::refusals_max`] allows: the receiver seems to refuse
    /// everything.
    RefusesAll {
        /// Entries refused in a row, in this run and before.
        refusals: u64,
        /// The last of them; it still waits.
        seq: Seq,
        /// The HTTP status or the exit code of its refusal.
        status: u16,
        /// The beginning of the answer.
        reason: String,
    },
    /// The sink reported success, but [`ReplayOptions::require_ack`] does not let it count.
    Unacknowledged {
        /// For people.
        reason: String,
    },
    /// Somebody asked it to stop.
    Stopped,
}

impl RunEnd {
    /// Why it ended before everything was dealt with, for people; none if it did not, or was asked to.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Drained | Self::Stopped => None,
            Self::Later { reason }
            | Self::Suspicious { reason }
            | Self::WrongSetup { reason }
            | Self::Refused { reason }
            | Self::RefusesAll { reason, .. }
            | Self::Unacknowledged { reason } => Some(reason),
        }
    }

    /// Whether a person has to act before another run can get further; otherwise the next one may succeed by itself.
    pub fn needs_a_person(&self) -> bool {
        match self {
            Self::Drained | Self::Stopped | Self::Later { .. } => false,
            Self::Suspicious { .. }
            | Self::WrongSetup { .. }
            | Self::Refused { .. }
            | Self::RefusesAll { .. }
            | Self::Unacknowledged { .. } => true,
        }
    }
}

/// What a run did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplayReport {
    /// Entries that the sink took.
    pub delivered: u64,
    /// Entries that became dead letters.
    pub dead_lettered: u64,
    /// The HTTP statuses or exit codes with which they were refused, each once, in ascending order.
    pub dead_letter_statuses: Vec<u16>,
    /// Entries that could not be read.
    pub damaged: u64,
    /// Entries that were dropped meanwhile because the journal was at its limit.
    pub evicted: u64,
    /// Entries that were pending at the start and still are.
    pub remaining: u64,
    /// Why it ended.
    pub end: RunEnd,
}

/// Delivers from one journal to one sink. While it exists no other process delivers from that journal.
pub struct Replayer<S> {
    ledger: Ledger,
    batcher: Batcher,
    sink: S,
    retries: u32,
    backoff: Backoff,
    on_refused: OnRefused,
    refusals_max: u64,
    require_ack: RequireAck,
}

impl<S: Sink> Replayer<S> {
    /// Takes the right to deliver, and makes durable what has been appended so far.
    ///
    /// # Errors
    /// [`Error::Busy`] if another process delivers, [`Error::CommandRuns`] if what one has left still may; [`Error::Invalid`] for a batch size of 0; I/O errors.
    pub fn new(journal: &Journal, mut sink: S, options: &ReplayOptions) -> Result<Self> {
        if options.batch_size == 0 || options.batch_bytes == 0 {
            return Err(Error::Invalid("a batch has at least one entry and one byte".into()));
        }
        let limits =
            BatchLimits { entries: options.batch_size, bytes: options.batch_bytes, body: options.body };
        let ledger = Ledger::open(journal, sink.receiver().as_deref(), options.body)?;
        let batcher = Batcher::open(journal.store(), ledger.state().cursor, ledger.until(), limits)?;
        let backoff = Backoff { base: options.backoff, max: options.backoff_max };
        let ReplayOptions { retries, on_refused, refusals_max, require_ack, .. } = *options;
        sink.guard(journal.exec_lock());
        Ok(Self { ledger, batcher, sink, retries, backoff, on_refused, refusals_max, require_ack })
    }

    /// Delivers what was pending when the replayer was made, in order, until it is done or cannot go on now.
    ///
    /// Whenever it ends, also by a crash, the cursor stands at the first entry that the sink has not confirmed. The sink is
    /// called from a thread of its own, which has ended when this returns.
    ///
    /// # Errors
    /// I/O errors of the journal. What the sink says is not an error but the report's `end`.
    pub fn run(self, stop: &Stop, progress: &mut dyn FnMut(Progress)) -> Result<ReplayReport> {
        let Self { mut ledger, batcher, sink, retries, backoff, on_refused, refusals_max, require_ack } =
            self;
        let done = Progress { done: 0, total: ledger.remaining() };
        if require_ack == RequireAck::Never {
            ledger.forget_acknowledgement()?;
        }
        let acks = Acks::new(require_ack, sink.receiver().is_some(), ledger.receiver_acknowledges());
        let mut link = Link { sink, stop, retries, backoff, acks, taken_whole: false };
        let mut dead_letter_statuses = BTreeSet::new();
        let path = ledger.journal().path().to_owned();
        let end = std::thread::scope(|scope| {
            let no_thread = |error| Error::io("start a thread for", path.clone())(error);
            let link = Helper::start(scope, "link", move |batch| link.deliver(batch)).map_err(no_thread)?;
            let batches = ReadAhead::start(scope, batcher).map_err(no_thread)?;
            let statuses = &mut dead_letter_statuses;
            Run { link, batches, on_refused, refusals_max, progress, done, statuses }.run(&mut ledger)
        });
        // Also after an error: what was taken is recorded if that can be done.
        let flushed = ledger.flush();
        let end = end.and_then(|end| flushed.map(|()| end));
        ledger.note_end(&end);
        let end = end?;
        let (before, after) = (ledger.initial(), ledger.state());
        Ok(ReplayReport {
            delivered: after.delivered - before.delivered,
            dead_lettered: after.dead_lettered - before.dead_lettered,
            dead_letter_statuses: dead_letter_statuses.into_iter().collect(),
            damaged: after.damaged - before.damaged,
            evicted: after.evicted - before.evicted,
            remaining: ledger.remaining(),
            end,
        })
    }
}
