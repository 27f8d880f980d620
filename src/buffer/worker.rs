//! The delivering thread: one run after another, while there is a connection and something to deliver.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::Shared;
use super::link::Job;
use super::upload::{CurrentStop, Unpanicking};
use crate::error::Result;
use crate::replay::{OnRefused, ReplayOptions, ReplayReport, Replayer};
use crate::sink::Sink;
use crate::stop::Stop;

/// What the delivering thread works with.
pub(super) struct Worker<S> {
    shared: Arc<Shared>,
    sink: Unpanicking<S>,
    stop: CurrentStop,
    options: ReplayOptions,
}

impl<S: Sink> Worker<S> {
    pub fn new(shared: Arc<Shared>, sink: S, stop: CurrentStop, limits: (u64, u64)) -> Self {
        let (batch_size, refusals_max) = limits;
        let options = ReplayOptions {
            batch_size,
            refusals_max,
            // The program decides when to try again: after a failure the buffer is offline.
            retries: 0,
            backoff: Duration::ZERO,
            on_refused: OnRefused::DeadLetter,
            ..ReplayOptions::default()
        };
        Self { shared, sink: Unpanicking(sink), stop, options }
    }

    /// Works until the buffer is closed.
    pub fn run(mut self) {
        let _ends = Ends(Arc::clone(&self.shared));
        let shared = Arc::clone(&self.shared);
        // Where that cannot be told, a run finds out, and says what is wrong.
        let others_wrote = || shared.journal.may_have_pending().unwrap_or(true);
        while let Some(job) = shared.link.next_job(others_wrote) {
            let result = self.deliver(&job);
            self.shared.link.finish(job, result);
            if self.shared.intake.not_durable() > 0 {
                self.shared.link.try_again();
            }
        }
    }

    fn deliver(&mut self, job: &Job) -> Result<ReplayReport> {
        *self.stop.lock().unwrap_or_else(PoisonError::into_inner) = job.stop.clone();
        // A disk that is too full to take entries can still be drained.
        let _ = self.shared.intake.flush();
        let journal = &self.shared.journal;
        let run = Replayer::new(journal, &mut self.sink, &self.options)?.run(&job.stop, &mut |_| ());
        if let Ok(report) = &run {
            tracing::debug!(delivered = report.delivered, remaining = report.remaining, "a run ended");
            if report.delivered + report.dead_lettered > 0 {
                self.tidy_up()?;
            }
        }
        run
    }

    /// Says what was lost, and gives space back where whole segments were dealt with.
    fn tidy_up(&self) -> Result<()> {
        let journal = &self.shared.journal;
        self.shared.intake.see_lost(journal.lost()?);
        if journal.compact(true)?.segments > 1 {
            journal.compact(false)?;
        }
        Ok(())
    }
}

/// The alert command has this long to end once the buffer was closed, as it has after a command line's run.
const ALERT_WAIT: Duration = Duration::from_secs(10);

/// Waits for the alert command, and says that the thread has ended, also when it panics.
struct Ends(Arc<Shared>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.journal.finish_alerts(&Stop::never(), ALERT_WAIT);
        self.0.link.end();
    }
}
