//! The link side of a run: send, hear, decide.

use std::collections::BTreeSet;
use std::time::Duration;

use super::acks::Acks;
use super::backoff::Backoff;
use super::helper::Helper;
use super::ledger::Ledger;
use super::narrowing::Narrowing;
use super::read_ahead::ReadAhead;
use super::{OnRefused, Progress, RunEnd};
use crate::error::Result;
use crate::record::Seq;
use crate::sink::{Batch, Outcome, Sink};
use crate::stop::Stop;

/// The way to the receiver, with its patience.
pub(crate) struct Link<'a, S> {
    pub sink: S,
    pub stop: &'a Stop,
    pub retries: u32,
    pub backoff: Backoff,
    /// Which successes count.
    pub acks: Acks,
    /// The batch before was taken whole.
    pub taken_whole: bool,
}

/// A batch for the link.
pub(crate) struct Dispatch {
    batch: Batch,
    /// It is to be sent only if the one before it is taken whole; that was not known yet when it was handed over.
    follows: bool,
}

/// A run under way.
pub(crate) struct Run<'a> {
    /// The thread that sends, and comes back with what the receiver made of it.
    pub link: Helper<Dispatch, Verdict>,
    pub batches: ReadAhead,
    pub on_refused: OnRefused,
    /// So many refusals in a row end the run; 0 is no limit.
    pub refusals_max: u64,
    pub progress: &'a mut dyn FnMut(Progress),
    /// Entries dealt with, and entries there were at the start.
    pub done: Progress,
    /// How entries were refused that became dead letters.
    pub statuses: &'a mut BTreeSet<u16>,
}

/// What to do after a batch.
enum Flow {
    Next(Option<Batch>),
    End(RunEnd),
}

/// What the receiver made of a batch, once it has made up its mind.
pub(crate) enum Verdict {
    /// It has everything up to and including `last`, and may have named that.
    Taken {
        last: Seq,
        named: bool,
    },
    TooLarge {
        reason: String,
    },
    Refused {
        status: u16,
        reason: String,
    },
    End(RunEnd),
    /// It never saw it.
    NotSent,
}

impl Verdict {
    /// Whether the receiver has taken all of the batch.
    fn is_whole(&self, batch: &Batch) -> bool {
        matches!(self, Self::Taken { last, .. } if *last == batch.last)
    }
}

impl Run<'_> {
    /// Delivers until nothing is left or nothing more can be done now.
    pub fn run(&mut self, ledger: &mut Ledger) -> Result<RunEnd> {
        let mut current = ledger.first(&mut self.batches)?;
        while let Some(batch) = current {
            self.link.begin(Dispatch { batch, follows: false });
            current = match self.go_on(ledger)? {
                Flow::Next(next) => next,
                Flow::End(end) => return Ok(end),
            };
        }
        Ok(RunEnd::Drained)
    }

    /// Goes on behind the batch that was begun, for as long as each is taken whole.
    fn go_on(&mut self, ledger: &mut Ledger) -> Result<Flow> {
        loop {
            // While the link is busy with this batch the disk is with its neighbours.
            let followed = self.follow_up(ledger);
            let (batch, verdict) = self.hear();
            let whole = verdict.is_whole(&batch);
            if !whole && matches!(followed, Ok(true)) {
                // The next one comes back as it was.
                self.hear();
            }
            match verdict {
                Verdict::Taken { last, named } => {
                    self.taken(ledger, batch.first, last, named);
                    self.batches.recycle(batch.body);
                    if !(followed? && whole) {
                        ledger.flush()?;
                        return Ok(Flow::Next(ledger.first(&mut self.batches)?));
                    }
                }
                Verdict::End(end) => return followed.map(|_| Flow::End(end)),
                refused => {
                    followed?;
                    return self.narrow(ledger, batch, refused);
                }
            }
        }
    }

    /// Hands over the next batch once its boundaries are durable, so that the link can go on with it by itself. False if
    /// there is none.
    fn follow_up(&mut self, ledger: &mut Ledger) -> Result<bool> {
        let Some(batch) = ledger.prepare(&mut self.batches)? else { return Ok(false) };
        self.link.begin(Dispatch { batch, follows: true });
        Ok(true)
    }

    /// Waits for what became of a batch on the link.
    fn hear(&mut self) -> (Batch, Verdict) {
        let (sent, verdict) = self.link.finish();
        (sent.batch, verdict)
    }

    /// Deals with a refused batch part by part, in order.
    fn narrow(&mut self, ledger: &mut Ledger, batch: Batch, verdict: Verdict) -> Result<Flow> {
        let mut narrowing = Narrowing::new(batch.first, batch.last);
        if batch.first == batch.last {
            narrowing.next();
            if let Some(end) = self.refuse(ledger, batch.first, verdict)? {
                return Ok(Flow::End(end));
            }
        }
        let mut was_too_large = false;
        while let Some((first, last)) = narrowing.next() {
            let Some(part) = ledger.narrow(first, last, batch.format)? else { break };
            self.link.begin(Dispatch { batch: part, follows: false });
            let (part, verdict) = self.hear();
            match verdict {
                Verdict::Taken { last: taken, named } => {
                    if was_too_large {
                        self.batches.limit_bytes(part.body.len());
                    }
                    self.taken(ledger, first, taken, named);
                    if taken < last {
                        break;
                    }
                }
                Verdict::End(end) => return Ok(Flow::End(end)),
                refused if first == last => {
                    if let Some(end) = self.refuse(ledger, first, refused)? {
                        return Ok(Flow::End(end));
                    }
                }
                refused => {
                    was_too_large = matches!(refused, Verdict::TooLarge { .. });
                    narrowing.halve(first, last);
                }
            }
        }
        ledger.flush()?;
        Ok(Flow::Next(ledger.first(&mut self.batches)?))
    }

    /// One entry was refused: it becomes a dead letter, unless that is not to be or seems to befall every entry.
    fn refuse(&mut self, ledger: &mut Ledger, seq: Seq, verdict: Verdict) -> Result<Option<RunEnd>> {
        let (status, reason) = match verdict {
            Verdict::Refused { status, reason } => (status, reason),
            Verdict::TooLarge { reason } => (413, reason),
            Verdict::Taken { .. } | Verdict::End(_) | Verdict::NotSent => return Ok(None),
        };
        if self.on_refused == OnRefused::Stop {
            return Ok(Some(RunEnd::Refused { reason: format!("seq {seq} was refused: {reason}") }));
        }
        let refusals = ledger.refusals().saturating_add(1);
        if self.refusals_max > 0 && refusals >= self.refusals_max {
            return Ok(Some(RunEnd::RefusesAll { refusals, seq, status, reason }));
        }
        if ledger.dead_letter(seq, status, &reason)? {
            self.statuses.insert(status);
        }
        self.advance(1);
        Ok(None)
    }

    fn taken(&mut self, ledger: &mut Ledger, first: Seq, last: Seq, named: bool) {
        ledger.take(last, named);
        self.advance(last.since(first) + 1);
    }

    fn advance(&mut self, entries: u64) {
        self.done.done = (self.done.done + entries).min(self.done.total);
        (self.progress)(self.done);
    }
}

impl<S: Sink> Link<'_, S> {
    /// Sends what was handed over, if it is still to be sent.
    pub fn deliver(&mut self, dispatch: &Dispatch) -> Verdict {
        if dispatch.follows && !self.taken_whole {
            return Verdict::NotSent;
        }
        let verdict = self.send(&dispatch.batch);
        self.taken_whole = verdict.is_whole(&dispatch.batch);
        verdict
    }

    /// The last entry of a batch that was taken; why this run ends unless another attempt goes better, if none was.
    fn taken(&mut self, batch: &Batch, through: Option<u64>) -> std::result::Result<Seq, RunEnd> {
        if let Some(objection) = self.acks.objection(through.is_some()) {
            return Err(RunEnd::Unacknowledged { reason: objection.into() });
        }
        last_taken(batch, through)
            .ok_or_else(|| RunEnd::Later { reason: "the receiver took nothing of the batch".into() })
    }

    /// Sends a batch until the receiver has made up its mind, or the patience of this run is over.
    fn send(&mut self, batch: &Batch) -> Verdict {
        let mut attempt = 0;
        loop {
            if self.stop.is_stopped() {
                return Verdict::End(RunEnd::Stopped);
            }
            attempt += 1;
            let (end, asked) = match self.sink.send(batch, attempt) {
                Outcome::Delivered { through } => match self.taken(batch, through) {
                    Ok(last) => return Verdict::Taken { last, named: through.is_some() },
                    Err(end) => (end, None),
                },
                Outcome::Later { reason, retry_after } => (RunEnd::Later { reason }, retry_after),
                Outcome::Suspicious { reason, retry_after } => (RunEnd::Suspicious { reason }, retry_after),
                Outcome::WrongSetup { reason } => return Verdict::End(RunEnd::WrongSetup { reason }),
                Outcome::TooLarge { reason } => return Verdict::TooLarge { reason },
                Outcome::Refused { status, reason } => return Verdict::Refused { status, reason },
            };
            // Whoever asks to stop ends a request under way with that: it has not failed.
            if self.stop.is_stopped() {
                return Verdict::End(RunEnd::Stopped);
            }
            if attempt > self.retries {
                return Verdict::End(end);
            }
            let Some(wait) = self.backoff.wait_as_asked(attempt, fastrand::f64(), asked) else {
                return Verdict::End(too_long_a_wait(end, asked.unwrap_or(Duration::ZERO)));
            };
            if self.stop.wait(wait) {
                return Verdict::End(RunEnd::Stopped);
            }
        }
    }
}

/// The last entry of the batch that was taken, given the last one that the receiver names, if it does.
fn last_taken(batch: &Batch, through: Option<u64>) -> Option<Seq> {
    let last = through.map_or(Some(batch.last), Seq::new)?.min(batch.last);
    (last >= batch.first).then_some(last)
}

/// The end of a run of which the receiver wishes that it waits longer than it does.
fn too_long_a_wait(end: RunEnd, asked: Duration) -> RunEnd {
    let longer = |reason: &str| format!("{reason}; it asked to wait {} s", asked.as_secs());
    match end {
        RunEnd::Later { reason } => RunEnd::Later { reason: longer(&reason) },
        RunEnd::Suspicious { reason } => RunEnd::Suspicious { reason: longer(&reason) },
        other => other,
    }
}
