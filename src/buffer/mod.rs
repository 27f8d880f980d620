//! A typed, offline-first buffer for programs, on the same journal that the command line works with.
//!
//! ```text
//!  any thread ──► write ──► intake ──► Journal ──► worker: Replayer ──► your closure, or any Sink
//!                           one commit  on disk    one thread, while
//!                           for many    or memory  there is a connection
//! ```
//!
//! | file | does |
//! | --- | --- |
//! | `options`, `error`, `stats`, `entries` | what a program gives and gets |
//! | `intake`, `stage` | from many threads into one commit |
//! | `link` | online or offline; who waits for what |
//! | `worker`, `upload` | the delivering thread; a closure as a sink |
//! | `json` | an item as JSON; what JSON cannot say is refused |
//! | `completion` | waiting, with or without a runtime |
//! | `alert` | the callbacks for losses and for failed alerts |
//!
//! Storage, batches, order, acknowledgement, dead letters and eviction are the journal's and the replayer's; nothing here
//! knows how they work.

mod alert;
mod completion;
mod entries;
mod error;
mod intake;
mod json;
mod link;
mod options;
mod stage;
mod stats;
#[cfg(test)]
mod tests;
mod upload;
mod worker;

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::completion::Completion;
pub use self::entries::{Buffered, Entry};
pub use self::error::WriteError;
use self::intake::Intake;
use self::link::{Link, Request};
pub use self::options::{BufferOptions, OnDiskFailure};
pub use self::stats::BufferStats;
use self::upload::{CurrentStop, UploadSink};
pub use self::upload::{UploadBatch, UploadResult};
use self::worker::Worker;
use crate::error::{Error, Result};
use crate::journal::{Journal, Settings};
use crate::record::Seq;
use crate::replay::{ReplayReport, RunEnd};
use crate::sink::Sink;
use crate::stop::Stop;
use crate::storage::Store;
use crate::storage::memory::Memory;

/// Segments in memory are small, so that the room of what was dealt with is soon free.
const MEMORY_SEGMENT_BYTES: u64 = 1 << 20;
/// Memory for serialising above this is not kept.
const SCRATCH_BYTES_MAX: usize = 1 << 20;

/// A store-and-forward buffer of `T`: what is written is kept, and delivered in the order of its seqs once there is a
/// connection.
///
/// All methods take `&self`: share it between threads with an [`Arc`], or borrow it. A buffer begins offline;
/// [`Buffer::connectivity_restored`] starts delivery.
///
/// On disk ([`BufferOptions::with_persistence`]) an entry is durable when [`Buffer::write`] returns: it survives a crash of
/// the program and of the machine. A batch that was under way in a crash is sent again with the same boundaries and the same
/// key: delivery is at least once. In memory everything ends with the buffer.
///
/// Dropping a buffer closes it without waiting for the delivering thread, or for an alert command.
///
/// ```
/// use edgesync::{Buffer, BufferOptions, UploadBatch, UploadResult};
/// # use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Reading {
///     celsius: f64,
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let buffer = Buffer::with_upload(BufferOptions::default(), async |batch: UploadBatch<Reading>| {
///     println!("{} to {}: {} readings", batch.first, batch.last, batch.items.len());
///     UploadResult::Delivered
/// })?;
/// buffer.write(Reading { celsius: 21.5 })?;
/// let report = buffer.connectivity_restored().wait()?;
/// assert_eq!(report.delivered, 1);
/// # Ok(())
/// # }
/// ```
pub struct Buffer<T> {
    shared: Arc<Shared>,
    item: PhantomData<fn(T) -> T>,
}

/// What the program's threads and the delivering one have in common.
struct Shared {
    journal: Journal,
    intake: Intake,
    link: Link,
}

impl Shared {
    fn stats(&self) -> Result<BufferStats> {
        // That an entry is not on disk is what the stats are to show.
        let _ = self.intake.flush();
        Ok(BufferStats {
            journal: self.journal.stats()?,
            not_durable: self.intake.not_durable(),
            online: self.link.is_online(),
        })
    }

    /// Tells those who waited for a run that the program stopped it before it began.
    fn stopped(&self, requests: Vec<Request>) {
        for request in requests {
            // Those who do not wait any more do not hear it.
            let _ = request.send(self.stats().map(|stats| ReplayReport {
                delivered: 0,
                dead_lettered: 0,
                dead_letter_statuses: Vec::new(),
                damaged: 0,
                evicted: 0,
                remaining: stats.journal.pending,
                end: RunEnd::Stopped,
            }));
        }
    }
}

impl<T> Buffer<T> {
    /// Opens a buffer that delivers through an async closure. A journal that a crash left behind is recovered before this
    /// returns.
    ///
    /// The closure gets one batch at a time, on a thread of the buffer's, and answers with an [`UploadResult`] or a
    /// `Result<(), E>`. If it panics, that is "try later"; if `connectivity_lost` or `close` breaks it off, it is stopped: in
    /// both cases the same batch comes again. While it blocks its thread without an `await` nothing can break it off. If this
    /// is called within a tokio runtime, the closure runs in its context. An item that cannot be read as a `T` becomes a dead
    /// letter.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a capacity or a batch size of 0; [`Error::EmptyPath`] for a path of no letters; what
    /// [`Journal::open_or_create`] says; I/O errors.
    pub fn with_upload<F, R>(options: BufferOptions, upload: F) -> Result<Self>
    where
        T: DeserializeOwned + 'static,
        F: AsyncFnMut(UploadBatch<T>) -> R + Send + 'static,
        R: Into<UploadResult> + 'static,
    {
        let stop = CurrentStop::default();
        Self::open(options, UploadSink::new(upload, Arc::clone(&stop)), stop)
    }

    /// Opens a buffer that delivers to a sink, which gets the items as JSON, one a line. Otherwise as
    /// [`Buffer::with_upload`]; a sink cannot be broken off, but ends what it has begun.
    ///
    /// # Errors
    /// As [`Buffer::with_upload`].
    pub fn with_sink(options: BufferOptions, sink: impl Sink + 'static) -> Result<Self> {
        Self::open(options, sink, Arc::new(Mutex::new(Stop::never())))
    }

    fn open(options: BufferOptions, sink: impl Sink + 'static, stop: CurrentStop) -> Result<Self> {
        if options.max_capacity == Some(0) || options.batch_size == 0 {
            return Err(Error::Invalid("a buffer and a batch have room for one entry at least".into()));
        }
        let journal = journal(&options)?;
        Self::over(journal, options, sink, stop)
    }

    /// Works over any journal.
    fn over(
        journal: Journal,
        mut options: BufferOptions,
        sink: impl Sink + 'static,
        stop: CurrentStop,
    ) -> Result<Self> {
        // Before anything can raise an alert.
        if let Some(callback) = options.on_alert_failure.take() {
            journal.on_alert_failure(move |failure| alert::report_failure(&callback, failure));
        }
        let callback = options.on_threshold.take();
        let intake = Intake::open(&journal, &options)?;
        let link = Link::new(intake.is_shared());
        let shared = Arc::new(Shared { journal, intake, link });
        if let Some(callback) = callback
            && options.dead_letter_threshold > 0
        {
            shared.intake.alert.start(callback, Arc::downgrade(&shared))?;
        }
        let worker = Worker::new(Arc::clone(&shared), sink, stop, (options.batch_size, options.refusals_max));
        let thread = thread::Builder::new().name("edgesync-deliver".into());
        thread.spawn(move || worker.run()).map_err(Error::io("start a thread for", shared.journal.path()))?;
        tracing::debug!(path = %shared.journal.path().display(), id = %shared.journal.id(), "buffer opened");
        Ok(Self { shared, item: PhantomData })
    }

    /// Says that there is a connection: what waits is delivered in order, and from now on whatever is written, at once.
    ///
    /// That includes what other processes and other buffers write to the same journal on disk: while the buffer is online and
    /// idle it looks for it every 500 ms, which is two small reads, and writes nothing. Offline it does not look.
    ///
    /// The completion tells what became of the entries that were pending; it need not be awaited. If the upload fails the
    /// buffer goes offline by itself, and the report's `end` says why. If `connectivity_lost` or `close` ends the run, or
    /// comes before it has begun, `end` is [`RunEnd::Stopped`]: nothing has failed, and `remaining` is what still waits.
    ///
    /// # Errors
    /// The completion's: [`Error::Busy`] while another process delivers from the journal, and I/O errors of the journal (in
    /// both cases the buffer stays online and tries again each second); [`Error::Closed`].
    pub fn connectivity_restored(&self) -> Completion<ReplayReport> {
        self.shared.link.restored()
    }

    /// Says that there is no connection. An upload under way is broken off; it may have arrived, and comes again. That is no
    /// failure: the completions of the runs that this ends say [`RunEnd::Stopped`].
    pub fn connectivity_lost(&self) {
        self.shared.stopped(self.shared.link.lost());
    }

    /// Whether the buffer delivers.
    pub fn is_online(&self) -> bool {
        self.shared.link.is_online()
    }

    /// The counters and the backlog, at a cost that does not depend on the backlog.
    ///
    /// # Errors
    /// As [`Journal::stats`].
    pub fn stats(&self) -> Result<BufferStats> {
        self.shared.stats()
    }

    /// The directory of the journal; `None` in memory.
    pub fn path(&self) -> Option<&Path> {
        self.shared.intake.is_shared().then(|| self.shared.journal.path())
    }

    /// Closes the buffer: it takes and delivers nothing more. What waits on disk is still there when it is opened again;
    /// to have it delivered first, await [`Buffer::connectivity_restored`].
    ///
    /// The completion waits for the delivering thread: an upload under way is broken off, a sink ends what it has begun. As
    /// with [`Buffer::connectivity_lost`], whoever waits for a run hears [`RunEnd::Stopped`]. It also waits for the journal's
    /// alert command if one runs, up to 10 s, and then ends it. A program that exits without waiting leaves that command
    /// behind.
    ///
    /// # Errors
    /// The completion's: what kept entries that the disk did not take before from being written now. They are lost.
    pub fn close(&self) -> Completion<()> {
        let flushed = self.shared.intake.close();
        tracing::debug!("buffer closed");
        let (completion, requests) = self.shared.link.close(flushed);
        self.shared.stopped(requests);
        completion
    }
}

impl<T: Serialize> Buffer<T> {
    /// Writes one item and returns its seq. Needs no connection and no runtime; never waits for the network.
    ///
    /// What the upload gets is equal to the item to the last bit of each number, if `T` reads back what it writes. JSON has
    /// no NaN and no infinity: an item with one in it, at any depth, is refused here. `None` inside of `Some`, and `Some(())`,
    /// become `null` and read back as `None`.
    ///
    /// On disk the item is durable when this returns; threads that write at the same time share one flush. At capacity
    /// the oldest entry gives way. While the disk fails under [`OnDiskFailure::KeepInMemory`] the seq is the one that the
    /// item gets unless another process appends first.
    ///
    /// # Errors
    /// The item comes back with the reason: [`Error::Closed`]; [`Error::NotFinite`], which names the field;
    /// [`Error::Invalid`] if it cannot be serialised, is nested more than 126 levels deep, or is too large (64 MiB, or half the
    /// journal); I/O errors, and after a failed flush [`Error::Latched`]; [`Error::Full`] where the
    /// journal was set up not to drop entries.
    pub fn write(&self, item: T) -> std::result::Result<Seq, WriteError<T>> {
        let written = with_payload(&item, |payload| self.shared.intake.write(payload));
        match written {
            Ok(seq) => {
                tracing::trace!(%seq, "written");
                self.shared.link.written();
                Ok(seq)
            }
            Err(error) => Err(WriteError::new(item, error)),
        }
    }
}

impl<T: DeserializeOwned> Buffer<T> {
    /// The entries that wait now, in order. Delivery and writing go on meanwhile.
    ///
    /// # Errors
    /// I/O errors. The iterator's own concern one entry each: damage, or a payload that is no `T`.
    pub fn read_buffered(&self) -> Result<Buffered<T>> {
        let Shared { journal, intake, .. } = &*self.shared;
        // What the disk does not take is read from memory.
        let _ = intake.flush();
        let (end, kept) = intake.snapshot()?;
        let reader = journal.reader(journal.cursor()?)?;
        Ok(Buffered::new(reader, end, kept))
    }
}

impl<T> Drop for Buffer<T> {
    fn drop(&mut self) {
        // Nobody is left to hear it; what the disk did not take was logged.
        drop(self.close());
    }
}

impl<T> fmt::Debug for Buffer<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Buffer")
            .field("path", &self.path())
            .field("online", &self.is_online())
            .finish_non_exhaustive()
    }
}

/// What stands for a path in messages about a journal in memory.
const MEMORY_PATH: &str = "(memory)";

fn journal(options: &BufferOptions) -> Result<Journal> {
    let capacity = options.max_capacity.unwrap_or(options::CAPACITY);
    let settings = Settings { max_entries: Some(capacity), ..Settings::default() };
    let Some(path) = &options.persist_path else {
        let store = Store::new(Path::new(MEMORY_PATH), Arc::new(Memory::default()));
        let settings = Settings { segment_bytes: Some(MEMORY_SEGMENT_BYTES), ..settings };
        return Journal::create_in(store, &settings);
    };
    if options.max_capacity.is_none() {
        // What nobody has asked for evicts nothing: a default is for a new journal.
        match Journal::open(path) {
            Err(Error::Missing { .. } | Error::NotAJournal { .. }) => {}
            opened => return opened,
        }
    }
    Journal::open_or_create(path, &settings)
}

/// Serialises an item, once, into memory that the thread uses again. Outside of any lock: a `Serialize` that is slow,
/// panics, or itself writes to the buffer is in nobody's way.
fn with_payload<T: Serialize, R>(item: &T, work: impl FnOnce(&[u8]) -> Result<R>) -> Result<R> {
    thread_local!(static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) });
    let mut payload = SCRATCH.take();
    payload.clear();
    let result = match json::to_json(item, &mut payload) {
        Ok(()) => {
            if memchr::memchr(b'\n', &payload).is_some() {
                // Only a raw value can have line feeds in it, and only between tokens.
                payload.iter_mut().filter(|byte| **byte == b'\n').for_each(|byte| *byte = b' ');
            }
            work(&payload)
        }
        Err(error) => Err(error),
    };
    if payload.capacity() <= SCRATCH_BYTES_MAX {
        SCRATCH.set(payload);
    }
    result
}
