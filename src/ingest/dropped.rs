//! Entries that were dropped because the journal was at its limit: a person is told, but not with every commit.

use std::time::{Duration, Instant};

use super::notice::Notice;
use crate::journal::Evicted;

/// A run that ends soon tells all in one line at its end. One that goes on tells first after this time …
const FIRST_AFTER: Duration = Duration::from_secs(60);
/// … and again after this.
const AGAIN_AFTER: Duration = Duration::from_secs(3600);

/// What was dropped in this run.
#[derive(Debug, Default)]
pub(super) struct Dropped {
    total: Evicted,
    next: Option<Instant>,
}

impl Dropped {
    /// More was dropped. A notice if it is time for one.
    pub fn add(&mut self, evicted: Evicted, now: Instant) -> Option<Notice> {
        if evicted.entries() == 0 {
            return None;
        }
        self.total.add(evicted);
        let next = *self.next.get_or_insert(now + FIRST_AFTER);
        if now < next {
            return None;
        }
        self.next = Some(now + AGAIN_AFTER);
        Some(Notice::Evicted { evicted: self.total.clone(), so_far: true })
    }

    pub fn total(&self) -> &Evicted {
        &self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Limit;

    #[test]
    fn a_long_run_tells_after_a_minute_and_then_every_hour() {
        let mut dropped = Dropped::default();
        let begin = Instant::now();
        let mut told = Vec::new();
        for minute in 0..150 {
            let one = Evicted::of(1, Limit::Entries(7));
            if dropped.add(one, begin + Duration::from_secs(60 * minute)).is_some() {
                told.push(minute);
            }
        }
        assert_eq!(told, [1, 61, 121]);
        assert_eq!(dropped.total().entries(), 150);
        assert!(dropped.add(Evicted::default(), begin + Duration::from_secs(60 * 500)).is_none());
    }
}
