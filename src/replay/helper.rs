//! A thread that works on what is handed to it and back, so that nothing is ever touched from two threads.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, Scope};

/// The calling side: hands over a `W`, and gets it back with what came of it, in order. Dropping it ends the thread, after
/// the work that it has in hand.
pub(crate) struct Helper<W, R> {
    jobs: SyncSender<W>,
    done: Receiver<(W, R)>,
}

impl<W: Send, R: Send> Helper<W, R> {
    /// Starts the thread. The helper must be dropped within the scope, which waits for the thread.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        name: &str,
        mut work: impl FnMut(&mut W) -> R + Send + 'scope,
    ) -> io::Result<Self>
    where
        W: 'scope,
        R: 'scope,
    {
        let (jobs, to_do) = sync_channel::<W>(1);
        let (report, done) = sync_channel(1);
        Builder::new().name(name.into()).spawn_scoped(scope, move || {
            for mut job in to_do {
                let result = work(&mut job);
                if report.send((job, result)).is_err() {
                    break;
                }
            }
        })?;
        Ok(Self { jobs, done })
    }

    /// Hands it over. One more may be handed over before the one in hand has been taken back.
    #[expect(
        clippy::expect_used,
        reason = "the thread lives as long as the helper; if it panicked, so do we"
    )]
    pub fn begin(&self, job: W) {
        self.jobs.send(job).map_err(|_| ()).expect("the helper thread is there");
    }

    /// Waits for it to come back.
    #[expect(
        clippy::expect_used,
        reason = "the thread lives as long as the helper; if it panicked, so do we"
    )]
    pub fn finish(&self) -> (W, R) {
        self.done.recv().expect("the helper thread is there")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_comes_back_with_its_result_and_the_scope_ends_with_work_in_hand() {
        let mut sum = 0;
        std::thread::scope(|scope| {
            let work = |number: &mut u32| {
                *number *= 2;
                sum += *number;
                *number + 1
            };
            let helper = Helper::start(scope, "doubling", work).unwrap();
            for number in 0..100 {
                helper.begin(number);
                assert_eq!(helper.finish(), (2 * number, 2 * number + 1));
            }
            helper.begin(50);
        });
        assert_eq!(sum, 100 * 99 + 100);
    }
}
