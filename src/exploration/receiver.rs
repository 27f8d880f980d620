//! The sink of a simulated run. It checks what it is sent, at the moment at which it is sent, against the disk.

use std::sync::Arc;

use super::driver::{commit_fresh, cursor_of, records};
use super::history::{Bytes, Event, History};
use crate::journal::{Appender, CursorState, Journal};
use crate::sink::{Batch, Outcome, Sink};
use crate::storage::sim::Sim;

/// How a receiver answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answers {
    Accept,
    /// Every batch with an entry whose seq is a multiple of this.
    Refuse(u64),
    /// Every batch.
    RefuseAll,
    /// Takes the first half of a batch.
    Half,
    /// Takes so many batches, and then cannot be reached: the last one may or may not have arrived.
    Later(usize),
    /// Takes so many entries at once.
    AtMost(u64),
    /// Takes everything, but meanwhile this many entries are appended.
    WhileAppending(u64),
}

pub(super) struct Receiver {
    pub sim: Sim,
    pub history: History,
    pub journal: Journal,
    pub answers: Answers,
    pub sent: usize,
}

impl Sink for Receiver {
    fn send(&mut self, batch: &Batch, _attempt: u32) -> Outcome {
        if self.sim.is_dead() {
            return Outcome::Later { reason: "killed".into(), retry_after: None };
        }
        self.sent += 1;
        self.check(batch);
        let lines = batch.body.strip_suffix(b"\n").unwrap_or(&batch.body).split(|byte| *byte == b'\n');
        let payloads: Vec<Bytes> = lines.map(Bytes::from).collect();
        let (first, last) = (batch.first.get(), batch.last.get());
        if payloads.len() as u64 != last - first + 1 {
            self.history.wrong(format!("batch {first}-{last} has {} lines", payloads.len()));
        }
        self.history.note(Event::Handed { first, payloads });
        self.answer(first, last)
    }
}

impl Receiver {
    fn answer(&mut self, first: u64, last: u64) -> Outcome {
        let mut through = last;
        match self.answers {
            Answers::Refuse(every) if (first..=last).any(|seq| seq % every == 0) => {
                return Outcome::Refused { status: 422, reason: "no".into() };
            }
            Answers::RefuseAll => return Outcome::Refused { status: 422, reason: "no".into() },
            Answers::Later(taken) if self.sent > taken => {
                return Outcome::Later { reason: "not now".into(), retry_after: None };
            }
            Answers::AtMost(count) if last - first + 1 > count => {
                return Outcome::TooLarge { reason: "413".into() };
            }
            Answers::Half => through = first + (last - first) / 2,
            Answers::WhileAppending(count) => {
                let appended = Appender::open(&self.journal)
                    .and_then(|mut appender| commit_fresh(&mut appender, &self.history, count, 40));
                // A failing disk fails it too; the run hears of that itself.
                drop(appended);
            }
            _ => {}
        }
        self.history.note(Event::Confirmed { first, last: through });
        Outcome::Delivered { through: (through < last).then_some(through) }
    }

    /// Boundaries and entries are durable before they are sent, and nothing before them still waits.
    fn check(&self, batch: &Batch) {
        let world = self.sim.world();
        let (first, last) = (batch.first.get(), batch.last.get());
        let after_a_crash = world.crash(&[]);
        let begun = |state: &CursorState| {
            state.in_flight.iter().any(|part| part.first == batch.first && part.last == batch.last)
        };
        match cursor_of(&after_a_crash) {
            Ok(state) if begun(&state) => {}
            other => self.history.wrong(format!("batch {first}-{last} is sent, but not durable: {other:?}")),
        }
        let durable = records(after_a_crash.files());
        for (seq, line) in (first..=last).zip(batch.body.split(|byte| *byte == b'\n')) {
            let gone_already = self.history.with(|facts| facts.handed.contains_key(&seq));
            if !gone_already && durable.get(&seq).map(|payload| &**payload) != Some(line) {
                self.history.wrong(format!("seq {seq} is sent before it is durable"));
            }
        }
        if let Ok(state) = cursor_of(&world) {
            let waiting = self.history.with(|facts| {
                let earlier = facts.acked.range(..first);
                earlier.filter(|(seq, _)| !facts.confirmed.contains(seq)).count() as u64
            });
            // What was dealt with before a cursor was lost counts as skipped.
            let accounted = state.evicted + state.damaged + state.dead_lettered + state.skipped;
            if waiting > accounted + state.undecided() {
                self.history.wrong(format!("batch {first}-{last} overtakes"));
            }
        }
    }
}

/// A place for lines that are passed on once they are durable.
pub(super) struct Tee {
    pub sim: Sim,
    pub history: History,
    pub line: Vec<u8>,
}

impl std::io::Write for Tee {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        for byte in bytes {
            if *byte != b'\n' {
                self.line.push(*byte);
                continue;
            }
            let payload: Bytes = Arc::from(std::mem::take(&mut self.line));
            let live = records(self.sim.world().files());
            // If it is not there it has been evicted already: a crash state will tell.
            if let Some((seq, _)) = live.iter().find(|(_, found)| **found == payload) {
                super::driver::acknowledge(&self.sim, &self.history, *seq, payload);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
