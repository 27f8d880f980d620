//! A receiver that remembers, and storage that fails on demand.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::buffer::upload::{CurrentStop, UploadSink};
use crate::storage::memory::Memory;
use crate::storage::{FileId, Identity, Open, Storage, StorageFile, Store};
use crate::{Buffer, BufferOptions, Journal, ReplayReport, Settings, UploadBatch, UploadResult};

/// Long enough for anything that is going to happen.
pub const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub camera: String,
    pub number: u64,
    /// Milliseconds since the epoch by a clock that may be wrong.
    pub taken_at: i64,
}

pub fn event(number: u64) -> Event {
    Event { camera: "yard".into(), number, taken_at: 1_000_000 - number as i64 }
}

pub fn write(buffer: &Buffer<Event>, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        buffer.write(event(number)).unwrap();
    }
}

pub fn drain(buffer: &Buffer<Event>) -> ReplayReport {
    buffer.connectivity_restored().wait().unwrap()
}

pub fn pending(buffer: &Buffer<Event>) -> Vec<u64> {
    buffer.read_buffered().unwrap().map(|entry| entry.unwrap().item.number).collect()
}

type Answer = dyn FnMut(&UploadBatch<Event>) -> UploadResult + Send;

/// What an upload goes to: it answers as it is told, and remembers every batch.
#[derive(Clone)]
pub struct Endpoint {
    batches: Arc<Mutex<Vec<UploadBatch<Event>>>>,
    taken: Arc<Mutex<Vec<u64>>>,
    answer: Arc<Mutex<Box<Answer>>>,
    arrived: Sender<u64>,
    arrivals: Arc<Mutex<Receiver<u64>>>,
}

impl Endpoint {
    pub fn new(answer: impl FnMut(&UploadBatch<Event>) -> UploadResult + Send + 'static) -> Self {
        let (arrived, arrivals) = channel();
        Self {
            batches: Arc::default(),
            taken: Arc::default(),
            answer: Arc::new(Mutex::new(Box::new(answer))),
            arrived,
            arrivals: Arc::new(Mutex::new(arrivals)),
        }
    }

    pub fn accepting() -> Self {
        Self::new(|_| UploadResult::Delivered)
    }

    pub fn answers(&self, answer: impl FnMut(&UploadBatch<Event>) -> UploadResult + Send + 'static) {
        *self.answer.lock().unwrap() = Box::new(answer);
    }

    pub fn buffer(&self, options: BufferOptions) -> Buffer<Event> {
        let endpoint = self.clone();
        Buffer::with_upload(options, async move |batch| endpoint.take(batch)).unwrap()
    }

    /// A buffer on storage of our own making.
    pub fn buffer_over(&self, journal: Journal, options: BufferOptions) -> Buffer<Event> {
        let endpoint = self.clone();
        let stop = CurrentStop::default();
        let upload = async move |batch: UploadBatch<Event>| endpoint.take(batch);
        Buffer::over(journal, options, UploadSink::new(upload, Arc::clone(&stop)), stop).unwrap()
    }

    fn take(&self, batch: UploadBatch<Event>) -> UploadResult {
        self.batches.lock().unwrap().push(batch.clone());
        let answer = (self.answer.lock().unwrap())(&batch);
        if answer == UploadResult::Delivered {
            let numbers: Vec<_> = batch.items.iter().map(|event| event.number).collect();
            self.taken.lock().unwrap().extend(&numbers);
            for number in numbers {
                let _ = self.arrived.send(number);
            }
        }
        answer
    }

    /// The numbers of all events that were taken, in the order of their arrival.
    pub fn taken(&self) -> Vec<u64> {
        self.taken.lock().unwrap().clone()
    }

    /// The boundaries of all batches that were sent, taken or not.
    pub fn ranges(&self) -> Vec<(u64, u64)> {
        self.batches.lock().unwrap().iter().map(|batch| (batch.first.get(), batch.last.get())).collect()
    }

    pub fn batches(&self) -> Vec<UploadBatch<Event>> {
        self.batches.lock().unwrap().clone()
    }

    /// Waits until so many events more have been taken.
    pub fn wait_for(&self, count: usize) -> Vec<u64> {
        let arrivals = self.arrivals.lock().unwrap();
        (0..count).map(|_| arrivals.recv_timeout(PATIENCE).expect("one more event")).collect()
    }
}

/// A journal's directory that lasts as long as the test.
pub struct Place(tempfile::TempDir);

impl Place {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn options(&self) -> BufferOptions {
        BufferOptions::with_persistence(self.path())
    }

    pub fn path(&self) -> std::path::PathBuf {
        self.0.path().join("journal")
    }
}

/// Storage that does as it is told, and counts.
#[derive(Debug, Default, Clone)]
pub struct Faulty {
    memory: Arc<Memory>,
    faults: Arc<Faults>,
}

#[derive(Debug, Default)]
pub struct Faults {
    pub fail_writes: AtomicBool,
    pub fail_syncs: AtomicBool,
    pub syncs: AtomicU64,
    pub writes: AtomicU64,
    pub lists: AtomicU64,
}

impl Faulty {
    pub fn journal() -> (Arc<Faults>, Journal) {
        let faulty = Self::default();
        let faults = Arc::clone(&faulty.faults);
        let store = Store::new(Path::new("faulty"), Arc::new(faulty));
        (faults, Journal::create_in(store, &Settings::default()).unwrap())
    }
}

impl Faults {
    pub fn set_writes(&self, fail: bool) {
        self.fail_writes.store(fail, Ordering::SeqCst);
    }

    pub fn set_syncs(&self, fail: bool) {
        self.fail_syncs.store(fail, Ordering::SeqCst);
    }
}

/// Options for a journal that counts as one on disk.
pub fn as_on_disk() -> BufferOptions {
    BufferOptions::with_persistence("faulty")
}

struct FaultyFile {
    file: Box<dyn StorageFile>,
    faults: Arc<Faults>,
}

impl Storage for Faulty {
    fn open(&self, name: &str, how: Open) -> io::Result<Box<dyn StorageFile>> {
        let file = self.memory.open(name, how)?;
        Ok(Box::new(FaultyFile { file, faults: Arc::clone(&self.faults) }))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.faults.lists.fetch_add(1, Ordering::SeqCst);
        self.memory.list()
    }

    fn size(&self, name: &str) -> io::Result<u64> {
        self.memory.size(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.memory.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.memory.remove(name)
    }

    fn sync_names(&self) -> io::Result<()> {
        self.memory.sync_names()
    }

    fn boot_id(&self) -> Option<String> {
        self.memory.boot_id()
    }

    fn uptime(&self) -> Option<crate::storage::Uptime> {
        self.memory.uptime()
    }
}

impl StorageFile for FaultyFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        if self.faults.fail_writes.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.faults.writes.fetch_add(bytes.len() as u64, Ordering::SeqCst);
        self.file.write_at(bytes, offset)
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn identity(&self) -> io::Result<Identity> {
        self.file.identity()
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.faults.fail_syncs.load(Ordering::SeqCst) {
            return Err(io::Error::other("the disk is gone"));
        }
        self.faults.syncs.fetch_add(1, Ordering::SeqCst);
        self.file.sync_data()
    }

    fn lock(&self) -> io::Result<()> {
        self.file.lock()
    }

    fn try_lock(&self) -> io::Result<bool> {
        self.file.try_lock()
    }

    fn unlock(&self) -> io::Result<()> {
        self.file.unlock()
    }

    fn id(&self) -> io::Result<FileId> {
        self.file.id()
    }
}
