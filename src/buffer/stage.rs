//! Entries on their way into the journal.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use crate::error::{Error, Result};
use crate::journal::Appender;
use crate::record::{Block, Seq, Timestamp};

/// What became of a group of entries that were committed together.
pub(super) enum Outcome {
    /// The group's first entry has this seq, and so many were taken; why not the rest.
    Taken { first: Seq, count: u64, rest: Option<Error> },
    /// They wait in memory; the group's first entry will have this seq if nobody else appends before.
    Kept { first: Seq },
    /// None of them is known to be safe.
    Failed(Error),
}

impl Outcome {
    /// What it means for the entry with this index in the group.
    pub fn of(&self, index: u64) -> Result<Seq> {
        match self {
            Self::Taken { first, count, .. } if index < *count => Ok(first.plus(index)),
            Self::Taken { rest, .. } => Err(rest.as_ref().map_or(Error::Closed, Error::again)),
            Self::Kept { first } => Ok(first.plus(index)),
            Self::Failed(error) => Err(error.again()),
        }
    }
}

/// Entries that are committed together, and the place where those who wait find out.
pub(super) struct Group {
    pub block: Block,
    pub outcome: Arc<OnceLock<Outcome>>,
}

impl Group {
    /// An empty group, in memory that was used before.
    pub fn new(mut block: Block, first: Seq, at: Timestamp) -> Self {
        block.restart(first, at);
        Self { block, outcome: Arc::default() }
    }
}

/// What all writers share.
pub(super) struct Stage {
    /// The group that is open for entries.
    pub group: Group,
    /// None while a thread commits with it, and after a failure that it does not survive.
    pub appender: Option<Appender>,
    /// Whether a thread commits right now.
    pub leading: bool,
    /// A committing thread panicked: nobody knows how far it was.
    pub broken: bool,
    pub closed: bool,
    /// Entries that the disk has not taken.
    pub kept: Block,
    /// Why not.
    pub failure: Option<Error>,
    /// Not tried again before.
    pub retry_at: Option<Instant>,
    /// Memory of a block that was committed.
    pub spare: Block,
    /// As last seen.
    pub cursor: Seq,
    pub lost: u64,
    /// The number of lost entries at which the program is told.
    pub alert_at: u64,
    /// Bytes committed since space was last given back.
    pub since_reclaim: usize,
    clock: Clock,
}

impl Stage {
    pub fn new(appender: Appender, alert_at: u64) -> Self {
        let (cursor, lost) = appender.last_seen();
        let mut clock = Clock::default();
        let group = Group::new(Block::new(), appender.next_seq(), clock.now());
        Self {
            group,
            appender: Some(appender),
            leading: false,
            broken: false,
            closed: false,
            kept: Block::new(),
            failure: None,
            retry_at: None,
            spare: Block::new(),
            cursor,
            lost,
            alert_at,
            since_reclaim: 0,
            clock,
        }
    }

    /// Adds an entry to the open group and returns its index there.
    pub fn push(&mut self, payload: &[u8]) -> u64 {
        let index = self.group.block.count();
        self.group.block.set_time(self.clock.now());
        self.group.block.push(payload, 0);
        index as u64
    }

    /// Closes the open group and opens the next.
    pub fn take_group(&mut self) -> Group {
        let next = self.group.block.first().plus(self.group.block.count() as u64);
        let fresh = Group::new(std::mem::take(&mut self.spare), next, self.clock.now());
        std::mem::replace(&mut self.group, fresh)
    }

    /// Entries lost if the open group were committed now and nothing had been delivered since the cursor was last seen.
    pub fn lost_at_most(&self, max_entries: u64) -> u64 {
        let end = self.group.block.first().plus(self.group.block.count() as u64);
        self.lost + end.since(self.cursor).saturating_sub(max_entries)
    }
}

/// The time of day, written out once a millisecond at most: writing it out costs more than all the rest of an entry.
#[derive(Default)]
struct Clock(Option<(SystemTime, Timestamp)>);

impl Clock {
    fn now(&mut self) -> Timestamp {
        let now = SystemTime::now();
        if let Some((then, text)) = self.0
            && now.duration_since(then).is_ok_and(|passed| passed < Duration::from_millis(1))
        {
            return text;
        }
        let text = Timestamp::now();
        self.0 = Some((now, text));
        text
    }
}
