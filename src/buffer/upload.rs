//! An upload closure as a sink.

use std::any::Any;
use std::fmt::Display;
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use serde::de::DeserializeOwned;
use tokio::runtime::Handle;
use uuid::Uuid;

use super::completion::block_on;
use crate::exec_lock::ExecLock;
use crate::record::{Seq, decode};
use crate::sink::{Batch, BodyFormat, FormerJournal, Outcome, Sink};
use crate::stop::Stop;

/// A run of consecutive entries to be sent together: `items[i]` is entry *first + i*.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UploadBatch<T> {
    /// The entries' items, in order; at least one.
    pub items: Vec<T>,
    /// The first entry's seq.
    pub first: Seq,
    /// The last entry's seq.
    pub last: Seq,
    /// The last entry that was delivered before this batch; none if nothing was. Entries between it and `first` will not come.
    pub previous: Option<Seq>,
    /// The journal's id.
    pub journal: Uuid,
    /// What the journal was before it got this id; only until a batch was accepted under it.
    pub former: Option<FormerJournal>,
    /// The key under which a receiver can recognise a repetition: `<journal id>:<first>-<last>`.
    pub idempotency_key: String,
}

/// What became of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum UploadResult {
    /// The receiver has all of it.
    Delivered,
    /// It may or may not have arrived: the buffer goes offline, and sends the same batch again once it is online.
    Later {
        /// For people.
        reason: String,
    },
    /// The receiver will never take it as it is: halves are tried, in order, down to the entry at fault, which becomes a dead
    /// letter. Once [`BufferOptions::refusals_max`](crate::BufferOptions::refusals_max) entries in a row were refused, the
    /// buffer goes offline instead.
    Refused {
        /// For people; kept with the dead letter.
        reason: String,
    },
}

impl UploadResult {
    /// Try later, and why.
    pub fn later(reason: impl Into<String>) -> Self {
        Self::Later { reason: reason.into() }
    }

    /// Never again, and why.
    pub fn refused(reason: impl Into<String>) -> Self {
        Self::Refused { reason: reason.into() }
    }
}

/// An error is "try later".
impl<E: Display> From<Result<(), E>> for UploadResult {
    fn from(result: Result<(), E>) -> Self {
        match result {
            Ok(()) => Self::Delivered,
            Err(error) => Self::later(error.to_string()),
        }
    }
}

/// What a run's stop token is, so that an upload under way hears it.
pub(super) type CurrentStop = Arc<Mutex<Stop>>;

pub(super) struct UploadSink<T, F> {
    upload: F,
    /// The caller's runtime, if there was one when the buffer was made.
    runtime: Option<Handle>,
    stop: CurrentStop,
    item: PhantomData<fn() -> T>,
}

impl<T, F> UploadSink<T, F> {
    pub fn new(upload: F, stop: CurrentStop) -> Self {
        Self { upload, runtime: Handle::try_current().ok(), stop, item: PhantomData }
    }
}

impl<T, F, R> Sink for UploadSink<T, F>
where
    T: DeserializeOwned,
    F: AsyncFnMut(UploadBatch<T>) -> R + Send,
    R: Into<UploadResult>,
{
    fn send(&mut self, batch: &Batch, _attempt: u32) -> Outcome {
        let items = match items(batch) {
            Ok(items) => items,
            Err(reason) => return Outcome::Refused { status: 0, reason },
        };
        let upload = UploadBatch {
            items,
            first: batch.first,
            last: batch.last,
            previous: batch.previous,
            journal: batch.journal,
            former: batch.former,
            idempotency_key: batch.idempotency_key(),
        };
        let stop = self.stop.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let _runtime = self.runtime.as_ref().map(Handle::enter);
        match block_on(unless_stopped((self.upload)(upload), &stop)).map(Into::into) {
            Some(UploadResult::Delivered) => Outcome::Delivered { through: None },
            Some(UploadResult::Later { reason }) => Outcome::Later { reason, retry_after: None },
            Some(UploadResult::Refused { reason }) => Outcome::Refused { status: 0, reason },
            // Not shown: the run sees that it was stopped.
            None => Outcome::Later { reason: "the upload was broken off".into(), retry_after: None },
        }
    }
}

/// The future's output; none if somebody asks to stop before.
async fn unless_stopped<F: Future>(future: F, stop: &Stop) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut stopped = pin!(stop.stopped());
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => stopped.as_mut().poll(context).map(|()| None),
    })
    .await
}

/// The items of a batch, whatever layout an earlier run gave it.
fn items<T: DeserializeOwned>(batch: &Batch) -> Result<Vec<T>, String> {
    let lines = || batch.body.split_inclusive(|byte| *byte == b'\n');
    match batch.format {
        BodyFormat::Ndjson => lines().map(serde_json::from_slice).collect(),
        BodyFormat::Array => serde_json::from_slice(&batch.body),
        BodyFormat::Single => serde_json::from_slice(&batch.body).map(|item| vec![item]),
        BodyFormat::Records => {
            let payloads = lines().map(|line| decode(line).map(|record| record.payload));
            let payloads: Result<Vec<_>, _> = payloads.collect();
            let payloads = payloads.map_err(|error| error.to_string())?;
            payloads.into_iter().map(serde_json::from_slice).collect()
        }
    }
    .map_err(|error| format!("it is not of the buffer's type: {error}"))
}

/// A sink whose panic is "try later".
pub(super) struct Unpanicking<S>(pub S);

impl<S: Sink> Sink for Unpanicking<S> {
    fn send(&mut self, batch: &Batch, attempt: u32) -> Outcome {
        // What the panic left half done is the sink's own.
        catch_unwind(AssertUnwindSafe(|| self.0.send(batch, attempt))).unwrap_or_else(|panic| {
            let reason = format!("the upload panicked: {}", message_of(&*panic));
            // Also where the program has stopped the run by then, and its report says no more than that.
            tracing::error!(reason, "an upload panicked");
            Outcome::Later { reason, retry_after: None }
        })
    }

    fn guard(&mut self, lock: ExecLock) {
        self.0.guard(lock);
    }

    fn receiver(&self) -> Option<String> {
        self.0.receiver()
    }
}

pub(super) fn message_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
