//! Reading ahead: while one batch is recorded and sent, the next one is put together on a thread of its own.
//!
//! What is read ahead is a guess: that all before it will be taken. It counts only if it begins where the next batch is to
//! begin; otherwise that is read anew.

use std::io;
use std::thread::Scope;

use super::batcher::{Batcher, Filled};
use super::helper::Helper;
use crate::error::Result;
use crate::record::Seq;

/// A batcher, and the thread that it works on.
pub(crate) struct ReadAhead {
    thread: Helper<Box<Batcher>, Result<Filled>>,
    /// None while it is on the thread.
    batcher: Option<Box<Batcher>>,
    /// Where the batch begins that is read there.
    guess: Seq,
    /// A body's memory, to be used again.
    spare: Vec<u8>,
}

impl ReadAhead {
    /// # Errors
    /// The system has no thread to give.
    pub fn start<'scope>(scope: &'scope Scope<'scope, '_>, batcher: Batcher) -> io::Result<Self> {
        let guess = batcher.position();
        let thread = Helper::start(scope, "reader", |batcher: &mut Box<Batcher>| batcher.fill())?;
        Ok(Self { thread, batcher: Some(Box::new(batcher)), guess, spare: Vec::new() })
    }

    /// What the entries from `wanted` on come to. If it is a batch, the one behind it is begun.
    pub fn next(&mut self, wanted: Seq) -> Result<Filled> {
        let (mut batcher, guessed) = self.take_back();
        let filled = match guessed {
            Some(filled) if self.guess == wanted => filled,
            _ => batcher.go_to(wanted).and_then(|()| batcher.fill()),
        };
        if let Ok(Filled::Batch { .. }) = filled {
            self.guess = batcher.position();
            batcher.recycle(std::mem::take(&mut self.spare));
            self.thread.begin(batcher);
        } else {
            self.batcher = Some(batcher);
        }
        filled
    }

    /// Batches are to be no larger than this from the next one on; also the one that was read ahead.
    pub fn limit_bytes(&mut self, bytes: usize) {
        let (mut batcher, _) = self.take_back();
        batcher.limit_bytes(bytes);
        self.batcher = Some(batcher);
    }

    /// Gives a body's memory back.
    pub fn recycle(&mut self, body: Vec<u8>) {
        self.spare = body;
    }

    fn take_back(&mut self) -> (Box<Batcher>, Option<Result<Filled>>) {
        match self.batcher.take() {
            Some(batcher) => (batcher, None),
            None => {
                let (batcher, filled) = self.thread.finish();
                (batcher, Some(filled))
            }
        }
    }
}
