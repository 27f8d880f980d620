//! Stand-in until the real one is merged.

use crate::error::{Error, Result};
use crate::record::{Block, Seq};

/// A journal.
#[derive(Debug)]
pub struct Journal {}

/// What happens at the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overflow {
    /// The oldest entries go.
    DropOldest,
    /// New ones are not taken.
    Reject,
    /// The writer waits.
    Block,
}

/// What a commit survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    Sync,
    NoSync,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RejectedLine {
    pub line: u64,
    pub length: u64,
    pub reason: String,
    pub bytes: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Appender {}

impl Journal {
    pub(crate) fn appender(&self) -> Result<Appender> {
        Ok(Appender {})
    }
}

impl Appender {
    pub fn next_seq(&self) -> Seq {
        Seq::FIRST
    }

    pub fn commit(&mut self, _block: &mut Block, _durability: Durability) -> Result<usize> {
        Err(Error::Invalid("not built yet".into()))
    }

    pub fn overflow(&self) -> Overflow {
        Overflow::DropOldest
    }

    pub fn sync(&mut self) -> Result<()> {
        Ok(())
    }

    pub fn reject(&mut self, _lines: &[RejectedLine]) -> Result<()> {
        Ok(())
    }
}
