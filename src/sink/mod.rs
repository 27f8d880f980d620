//! Where batches go.
//!
//! A [`Sink`] sends one [`Batch`] and says what became of it, as an [`Outcome`]. It knows nothing of journals, cursors or
//! retries, and decides nothing: [`crate::replay`] does, from the outcome. Two sinks are here: an HTTP
//! endpoint ([`HttpSink`]) and a shell command ([`ExecSink`]).

mod body;
mod exec;
#[cfg(feature = "http")]
mod http;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub(crate) use self::body::BodyBuilder;
pub use self::body::{BodyFormat, UnknownBodyFormat};
pub use self::exec::{ExecOptions, ExecSink};
#[cfg(feature = "http")]
pub use self::http::{HttpOptions, HttpSetupError, HttpSink};
use crate::exec_lock::ExecLock;
use crate::record::Seq;

/// Delivers batches, one at a time.
pub trait Sink: Send {
    /// Sends one batch and waits for the answer. `attempt` counts from 1 for each batch.
    ///
    /// Must not panic. What cannot be told apart from a lost answer is [`Outcome::Later`].
    fn send(&mut self, batch: &Batch, attempt: u32) -> Outcome;

    /// What another process is to hold that this sink starts, for as long as it may deliver: should we be killed, nothing is
    /// delivered from the journal until it has ended. Called once, before the first batch. A sink that starts no process has no
    /// use for it; one that wraps another passes it on.
    fn guard(&mut self, _lock: ExecLock) {}

    /// The receiver's name, such as its URL, if the sink delivers to one that something else could answer for.
    ///
    /// Once such a receiver has named the last entry that it took ([`Outcome::Delivered`]'s `through`), a success without
    /// that may come from something else, and does not count; see [`RequireAck`](crate::RequireAck). None, the default: it
    /// always counts.
    fn receiver(&self) -> Option<String> {
        None
    }
}

impl<S: Sink + ?Sized> Sink for &mut S {
    fn send(&mut self, batch: &Batch, attempt: u32) -> Outcome {
        (**self).send(batch, attempt)
    }

    fn guard(&mut self, lock: ExecLock) {
        (**self).guard(lock);
    }

    fn receiver(&self) -> Option<String> {
        (**self).receiver()
    }
}

impl<S: Sink + ?Sized> Sink for Box<S> {
    fn send(&mut self, batch: &Batch, attempt: u32) -> Outcome {
        (**self).send(batch, attempt)
    }

    fn guard(&mut self, lock: ExecLock) {
        (**self).guard(lock);
    }

    fn receiver(&self) -> Option<String> {
        (**self).receiver()
    }
}

/// What a renewed journal was before: a copy, or one that was restored from a backup, gets a new id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormerJournal {
    /// The id under which a receiver may know it.
    pub id: Uuid,
    /// Entries up to this seq are, byte for byte, those of the former journal; the former journal may have used later seqs
    /// for other entries. None: there are no such entries.
    pub last: Option<Seq>,
}

/// A run of consecutive entries that are sent together. Its seqs have no gap: line *i* of the body is entry *first + i*.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The journal's id.
    pub journal: Uuid,
    /// What the journal was before it got this id; only until a batch was accepted under it.
    pub former: Option<FormerJournal>,
    /// The first entry's seq.
    pub first: Seq,
    /// The last entry's seq.
    pub last: Seq,
    /// The last entry that was delivered before this batch; none if nothing was. Entries between it and `first` will not come.
    pub previous: Option<Seq>,
    /// How the body is laid out.
    pub format: BodyFormat,
    /// The bytes to send; the same whenever the batch is sent again.
    pub body: Vec<u8>,
}

impl Batch {
    /// The number of entries.
    pub fn count(&self) -> u64 {
        self.last.since(self.first) + 1
    }

    /// The key under which a receiver can recognise a repetition: `<journal id>:<first>-<last>`.
    pub fn idempotency_key(&self) -> String {
        format!("{}:{}-{}", self.journal, self.first, self.last)
    }
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The receiver has it, all or, where `through` is given, up to and including that entry.
    Delivered {
        /// The last entry taken, if the receiver named one; it may lie before the batch (nothing taken).
        through: Option<u64>,
    },
    /// It may or may not have arrived: send the same bytes again later.
    Later {
        /// For people.
        reason: String,
        /// How long the receiver asked to wait.
        retry_after: Option<Duration>,
    },
    /// The same, but the other end is not what it is meant to be (it does not speak TLS, say), so that a person is to look if it
    /// stays like that: under `-q` this is not silent.
    Suspicious {
        /// For people: what is odd, and what to look at.
        reason: String,
        /// How long the receiver asked to wait.
        retry_after: Option<Duration>,
    },
    /// Sending it again will not help until somebody mends the set-up. Nothing is dead-lettered.
    WrongSetup {
        /// For people: what to mend.
        reason: String,
    },
    /// The receiver takes smaller batches only.
    TooLarge {
        /// For people.
        reason: String,
    },
    /// The receiver will never take it as it is.
    Refused {
        /// The HTTP status or the exit code.
        status: u16,
        /// The beginning of the answer.
        reason: String,
    },
}
