//! The thread that sees to the disk while the link is busy. The ledger is handed to it and back, so that nothing is
//! ever touched from two threads.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Scope;

use super::ledger::Ledger;
use crate::error::Result;
use crate::sink::Batch;

type Prepared = (Box<Ledger>, Result<Option<Batch>>);

/// The calling side.
pub(crate) struct Helper {
    jobs: SyncSender<Box<Ledger>>,
    done: Receiver<Prepared>,
}

impl Helper {
    /// Starts the thread; it ends when the helper is dropped.
    pub fn start<'scope>(scope: &'scope Scope<'scope, '_>) -> Self {
        let (jobs, work) = sync_channel::<Box<Ledger>>(1);
        let (report, done) = sync_channel(1);
        scope.spawn(move || {
            for mut ledger in work {
                let next = ledger.prepare();
                if report.send((ledger, next)).is_err() {
                    break;
                }
            }
        });
        Self { jobs, done }
    }

    /// Has the next batch prepared meanwhile.
    #[expect(
        clippy::expect_used,
        reason = "the thread lives as long as the helper; if it panicked, so do we"
    )]
    pub fn prepare(&self, ledger: Box<Ledger>) {
        self.jobs.send(ledger).map_err(|_| ()).expect("the helper thread is there");
    }

    /// The ledger again, and what it prepared.
    #[expect(
        clippy::expect_used,
        reason = "the thread lives as long as the helper; if it panicked, so do we"
    )]
    pub fn prepared(&self) -> Prepared {
        self.done.recv().expect("the helper thread is there")
    }
}
