//! Runs a script of steps as a process would, and as the next process would after it has died. Several drivers on one
//! machine are processes that live at the same time.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::history::{Bytes, Event, Facts, History};
use super::receiver::{Answers, Receiver, Tee};
use crate::error::{Error, Result};
use crate::ingest::{IngestOptions, SyncPolicy, ingest};
use crate::journal::{
    Appender, Committed, CursorFile, CursorState, Durability, Journal, RejectedLine, Settings, repair_in,
};
use crate::record::{Block, Seq, Timestamp, decode};
use crate::replay::{ReplayOptions, Replayer};
use crate::stop::Stop;
use crate::storage::sim::{Restore, Sim, World};
use crate::storage::{Open, Store};

/// Of the runs in a script: few, so that they are met.
pub(super) const REFUSALS_MAX: u64 = 3;

/// What a script consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// One commit by one of two appenders.
    Append {
        writer: usize,
        count: u64,
        size: usize,
        sync: bool,
    },
    Sync {
        writer: usize,
    },
    Reject {
        writer: usize,
    },
    /// Lines through the whole way in, some of them bad.
    Ingest {
        lines: u64,
        sync: bool,
    },
    Replay {
        batch: u64,
        answers: Answers,
    },
    Compact,
    /// Gives up so many of the entries that wait.
    Skip(u64),
    /// Changes a limit.
    MaxEntries(u64),
    Inspect,
    /// Flips a bit of the n-th waiting durable entry.
    Damage(usize),
    /// The tail mark is gone.
    LoseMark,
    /// Flips bits of a file without which a journal does not open.
    Spoil(&'static str),
    Repair,
    /// So many milliseconds go by.
    Wait(u64),
    /// The processes are killed.
    Kill,
    /// A person copies the files, while no process runs.
    Backup,
    /// A person puts the last backup back.
    Restore(Restore),
}

pub(super) struct Driver {
    pub sim: Sim,
    pub history: History,
    settings: Settings,
    backup: Option<World>,
    journal: Option<Journal>,
    writers: [Option<Appender>; 2],
    unsynced: [Vec<(u64, Bytes)>; 2],
}

impl Driver {
    pub fn new(world: World, facts: Facts, settings: &Settings) -> Self {
        let sim = Sim::new(world);
        let history = History::new(&sim, facts);
        let settings = settings.clone();
        let (journal, backup) = (None, None);
        Self { sim, history, settings, backup, journal, writers: [None, None], unsynced: Default::default() }
    }

    /// Another process, which lives beside this one and works on the same journal.
    pub fn another_process(&self) -> Self {
        let (sim, history) = (self.sim.another_process(), self.history.clone());
        let settings = self.settings.clone();
        let (journal, backup) = (None, None);
        Self { sim, history, settings, backup, journal, writers: [None, None], unsynced: Default::default() }
    }

    /// The process that comes after this one, which was killed.
    pub fn next_process(mut self) -> Self {
        Self { backup: self.backup.take(), ..self.another_process() }
    }

    /// Runs steps; after an error the process dies and the next step is another's. The errors.
    pub fn run(&mut self, steps: &[Step]) -> Vec<Error> {
        let mut errors = Vec::new();
        for step in steps {
            if let Err(error) = self.step(*step) {
                self.kill();
                errors.push(error);
            }
        }
        errors
    }

    pub fn kill(&mut self) {
        self.writers = [None, None];
        self.journal = None;
        self.unsynced = Default::default();
    }

    /// Opens the journal, or makes it.
    pub fn journal(&mut self) -> Result<Journal> {
        if let Some(journal) = &self.journal {
            return Ok(journal.clone());
        }
        let was_there = self.sim.world().inode("journal.json").is_some();
        let journal = Journal::open_or_create_in(store(&self.sim), &self.settings)?;
        if !was_there {
            self.history.note(Event::Created);
        }
        Ok(self.journal.insert(journal).clone())
    }

    pub fn step(&mut self, step: Step) -> Result<()> {
        if step != Step::Repair && self.history.with(|facts| facts.spoilt) {
            self.step(Step::Repair)?;
        }
        match step {
            Step::Append { writer, count, size, sync } => self.append(writer, count, size, sync),
            Step::Sync { writer } => {
                let synced = self.writer(writer)?.sync();
                self.or_try_again(writer, synced)?;
                self.acknowledge_unsynced(writer);
                Ok(())
            }
            Step::Reject { writer } => {
                let line =
                    RejectedLine { line: 1, length: 4, reason: "not JSON".into(), bytes: b"oops".to_vec() };
                let rejected = self.writer(writer)?.reject(&[line]);
                self.or_try_again(writer, rejected)?;
                if !self.sim.is_dead() {
                    self.history.note(Event::Rejected);
                }
                Ok(())
            }
            Step::Ingest { lines, sync } => self.ingest(lines, sync),
            Step::Replay { batch, answers } => self.replay(batch, answers),
            Step::Compact => self.journal()?.compact(false).map(drop),
            Step::Skip(count) => self.skip(count),
            Step::MaxEntries(most) => {
                self.journal()?;
                let settings = Settings { max_entries: Some(most), ..Settings::default() };
                let journal = Journal::open_or_create_in(store(&self.sim), &settings)?;
                self.history.note(Event::Opened(journal.id()));
                self.journal = Some(journal);
                Ok(())
            }
            Step::Inspect => self.inspect(),
            Step::Damage(number) => {
                self.damage(number);
                Ok(())
            }
            Step::LoseMark => {
                let mut world = self.sim.world();
                world.put("append.lock", b"");
                self.sim.set_world(world);
                Ok(())
            }
            Step::Spoil(name) => {
                self.spoil(name);
                Ok(())
            }
            Step::Repair if !self.history.with(|facts| facts.created) => Ok(()),
            Step::Repair => {
                self.kill();
                repair_in(store(&self.sim), &mut |_| ())?;
                self.history.note(Event::Repaired);
                Ok(())
            }
            Step::Wait(ms) => {
                self.sim.wait(ms);
                Ok(())
            }
            Step::Kill => {
                self.kill();
                Ok(())
            }
            Step::Backup => {
                self.kill();
                if self.history.with(|facts| facts.created && !facts.spoilt) {
                    self.backup = Some(self.sim.world());
                    self.history.note(Event::BackedUp);
                }
                Ok(())
            }
            Step::Restore(how) => {
                self.kill();
                if let Some(backup) = &self.backup {
                    let mut world = self.sim.world();
                    let put_back = world.restore(backup, how);
                    self.sim.set_world(world);
                    // An older cursor alone repeats what it repeats.
                    let shows = put_back.iter().any(|name| name == "append.lock" || name == "journal.json");
                    self.history.note(Event::Restored { shows });
                }
                Ok(())
            }
        }
    }

    fn writer(&mut self, number: usize) -> Result<&mut Appender> {
        let journal = self.journal()?;
        match &mut self.writers[number] {
            Some(appender) => Ok(appender),
            empty => {
                let appender = empty.insert(Appender::open(&journal)?);
                self.history.note(Event::Opened(journal.id()));
                Ok(appender)
            }
        }
    }

    fn append(&mut self, writer: usize, count: u64, size: usize, sync: bool) -> Result<()> {
        let history = self.history.clone();
        let mut block = fresh_block(&history, count, size);
        let durability = if sync { Durability::Sync } else { Durability::NoSync };
        let committed = self.writer(writer)?.commit(&mut block, durability);
        let Committed { taken, failure } = self.or_try_again(writer, committed)?;
        let entries = (0..taken)
            .map(|index| (block.first().plus(index as u64).get(), Bytes::from(block.payload(index))));
        let entries: Vec<_> = entries.collect();
        for (seq, _) in &entries {
            history.note(Event::WasThere { seq: *seq, ran_ms: self.sim.world().ran_ms() });
        }
        self.unsynced[writer].extend(entries);
        if sync {
            self.acknowledge_unsynced(writer);
        }
        self.or_try_again(writer, failure.map_or(Ok(()), Err))
    }

    /// A stubborn program: after an error it tries something more before it gives up.
    fn or_try_again<T>(&mut self, writer: usize, result: Result<T>) -> Result<T> {
        if result.is_err()
            && let Some(appender) = &mut self.writers[writer]
            && appender.sync().is_ok()
        {
            let history = self.history.clone();
            if let Ok(entries) = commit_fresh(appender, &history, 1, 10) {
                self.acknowledge_unsynced(writer);
                entries.into_iter().for_each(|(seq, payload)| acknowledge(&self.sim, &history, seq, payload));
            }
        }
        result
    }

    fn acknowledge_unsynced(&mut self, writer: usize) {
        for (seq, payload) in std::mem::take(&mut self.unsynced[writer]) {
            acknowledge(&self.sim, &self.history, seq, payload);
        }
    }

    fn ingest(&mut self, lines: u64, sync: bool) -> Result<()> {
        let journal = self.journal()?;
        let (input, mut pipe) = std::io::pipe().unwrap();
        let block = fresh_block(&self.history, lines, 30);
        for index in 0..block.count() {
            pipe.write_all(block.payload(index)).unwrap();
            pipe.write_all(if index % 3 == 1 { b"\n{oops\n" } else { b"\n" }).unwrap();
        }
        drop(pipe);
        let mut tee = Tee { sim: self.sim.clone(), history: self.history.clone(), line: Vec::new() };
        let policy = if sync { SyncPolicy::Always } else { SyncPolicy::Interval(Duration::from_secs(3600)) };
        let options = IngestOptions { sync: policy, ..IngestOptions::default() };
        ingest(&journal, input, Some(&mut tee), &options, &Stop::never(), &mut |_| ())?;
        self.history.note(Event::Opened(journal.id()));
        Ok(())
    }

    fn replay(&mut self, batch: u64, answers: Answers) -> Result<()> {
        let journal = self.journal()?;
        let (sim, history) = (self.sim.clone(), self.history.clone());
        let receiver = Receiver { sim, history, journal: journal.clone(), answers, sent: 0 };
        let options = ReplayOptions {
            batch_size: batch,
            retries: 0,
            backoff: Duration::ZERO,
            refusals_max: REFUSALS_MAX,
            ..ReplayOptions::default()
        };
        Replayer::new(&journal, receiver, &options)?.run(&Stop::never(), &mut |_| ())?;
        let cursor = CursorFile::open(journal.store(), Open::Read)?.load()?.cursor;
        self.history.note(Event::CursorAt(cursor.get()));
        Ok(())
    }

    fn skip(&mut self, count: u64) -> Result<()> {
        let journal = self.journal()?;
        let stats = journal.stats()?;
        let count = count.min(stats.next_seq - stats.cursor);
        if let Some(through) = Seq::new(stats.cursor + count - 1).filter(|_| count > 0) {
            self.history.note(Event::Skipping(count));
            let cursor = journal.skip(through)?.cursor;
            self.history.note(Event::CursorAt(cursor.get()));
        }
        Ok(())
    }

    /// Looks without changing anything, and checks promise 4.
    fn inspect(&mut self) -> Result<()> {
        let journal = self.journal()?;
        let stats = journal.stats()?;
        let counted = stats.delivered + stats.dead_lettered + stats.evicted + stats.damaged + stats.skipped;
        if stats.written != counted + stats.pending {
            self.history.wrong(format!("promise 4: {stats:?}"));
        }
        if stats.rejected_lines < self.history.with(|facts| facts.rejected) {
            self.history.wrong(format!("rejected lines are gone: {stats:?}"));
        }
        let found = journal.verify(&mut |_| ())?;
        if found.damaged_places > 0 && self.history.with(|facts| facts.ruined.is_empty()) {
            self.history.wrong(format!("a crash is reported as damage: {found:?}"));
        }
        Ok(())
    }

    fn damage(&mut self, number: usize) {
        let mut world = self.sim.world();
        let after_a_crash = world.crash(&[]);
        let Ok(state) = cursor_of(&after_a_crash) else { return };
        let mut waiting = Vec::new();
        for (name, bytes) in after_a_crash.files().filter(|(name, _)| is_segment(name)) {
            for (offset, seq, _) in records_in(bytes) {
                if seq >= state.cursor.get() {
                    waiting.push((name.to_owned(), offset, seq));
                }
            }
        }
        if let Some((name, offset, seq)) = waiting.get(number) {
            world.damage(name, offset + 60);
            self.sim.set_world(world);
            self.history.note(Event::Ruined(*seq));
        }
    }

    fn spoil(&mut self, name: &str) {
        self.kill();
        let mut world = self.sim.world();
        if self.history.with(|facts| facts.created) {
            SPOILT_BYTES.iter().for_each(|offset| world.damage(name, *offset));
            self.sim.set_world(world);
            self.history.note(Event::Spoilt);
        }
    }
}

/// A place in each slot of the cursor, and one in `journal.json`.
const SPOILT_BYTES: [usize; 2] = [30, 4096 + 30];

/// The directory as the journal knows it.
pub(super) fn store(sim: &Sim) -> Store {
    Store::new(Path::new("/simulated"), Arc::new(sim.clone()))
}

/// The cursor as it is seen in a world.
pub(super) fn cursor_of(world: &World) -> Result<CursorState> {
    CursorFile::open(&store(&Sim::new(world.clone())), Open::Read)?.load()
}

fn is_segment(name: &str) -> bool {
    name.len() == 26 && name.ends_with(".jsonl")
}

fn records_in(bytes: &[u8]) -> impl Iterator<Item = (usize, u64, Bytes)> {
    let mut offset = 0;
    bytes.split_inclusive(|byte| *byte == b'\n').filter_map(move |line| {
        let start = offset;
        offset += line.len();
        let record = decode(line).ok()?;
        Some((start, record.seq.get(), Bytes::from(record.payload)))
    })
}

/// All whole records in the segments among these files, found without the journal's code.
pub(super) fn records<'a>(files: impl Iterator<Item = (&'a str, &'a [u8])>) -> BTreeMap<u64, Bytes> {
    each_record(files).collect()
}

/// The same, one by one: a seq that was given twice is there twice.
pub(super) fn each_record<'a>(
    files: impl Iterator<Item = (&'a str, &'a [u8])>,
) -> impl Iterator<Item = (u64, Bytes)> {
    let segments = files.filter(|(name, _)| is_segment(name));
    segments.flat_map(|(_, bytes)| records_in(bytes)).map(|(_, seq, payload)| (seq, payload))
}

/// Notes an acknowledgement, and checks that it is true at this moment. A process that was killed says nothing.
pub(super) fn acknowledge(sim: &Sim, history: &History, seq: u64, payload: Bytes) {
    if sim.is_dead() {
        return;
    }
    let after_a_crash = sim.world().crash(&[]);
    let there = records(after_a_crash.files()).get(&seq) == Some(&payload);
    let dealt_with = || cursor_of(&after_a_crash).is_ok_and(|state| seq < state.cursor.get());
    // What another's sync made durable may have been spoilt on the disk before its writer has asked.
    let ruined = || history.with(|facts| facts.ruined.contains(&seq));
    if !there && !dealt_with() && !ruined() {
        history.wrong(format!("seq {seq} is acknowledged but not durable"));
    }
    history.note(Event::WasThere { seq, ran_ms: sim.world().ran_ms() });
    history.note(Event::Acked { seq, payload });
}

/// Entries that nobody has appended before.
fn fresh_block(history: &History, count: u64, size: usize) -> Block {
    let mut block = Block::new();
    block.restart(crate::record::Seq::FIRST, Timestamp::now());
    for line in 1..=count {
        let number = history.with(|facts| facts.tried.len());
        let payload = format!("{{\"id\":{number},\"pad\":\"{}\"}}", "x".repeat(size));
        history.note(Event::Tried(Bytes::from(payload.as_bytes())));
        block.push(payload.as_bytes(), line);
    }
    block
}

/// Appends fresh entries durably; says which they were.
pub(super) fn commit_fresh(
    appender: &mut Appender,
    history: &History,
    count: u64,
    size: usize,
) -> Result<Vec<(u64, Bytes)>> {
    let mut block = fresh_block(history, count, size);
    let taken = appender.commit(&mut block, Durability::Sync)?.taken;
    let entry = |index: usize| (block.first().plus(index as u64).get(), Bytes::from(block.payload(index)));
    Ok((0..taken).map(entry).collect())
}
