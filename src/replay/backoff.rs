//! How long to wait before the same batch is sent again.

use std::time::Duration;

/// Exponential back-off with full jitter: a time drawn evenly from zero to a bound that doubles with every attempt, so that
/// devices that lost the same receiver do not come back in step.
///
/// Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Backoff {
    /// The bound after the first attempt.
    pub base: Duration,
    /// No bound is greater.
    pub max: Duration,
}

impl Backoff {
    /// The wait after attempt number `attempt` (from 1); `random` is drawn evenly from 0 to 1.
    pub fn wait(&self, attempt: u32, random: f64) -> Duration {
        let doublings = attempt.saturating_sub(1).min(31);
        let bound = self.base.saturating_mul(1 << doublings).min(self.max);
        bound.mul_f64(random.clamp(0.0, 1.0))
    }

    /// The longest wait that a receiver may ask for, however short our own are.
    const ASKED_MIN: Duration = Duration::from_secs(60);

    /// The wait if the receiver asked for one: never shorter than that. None if it asked for more than this run waits.
    pub fn wait_as_asked(&self, attempt: u32, random: f64, asked: Option<Duration>) -> Option<Duration> {
        let asked = asked.unwrap_or_default();
        if asked > self.max.max(Self::ASKED_MIN) {
            return None;
        }
        Some(asked.max(self.wait(attempt, random)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff { base: Duration::from_secs(1), max: Duration::from_secs(60) };

    #[test]
    fn the_bound_doubles_up_to_the_maximum() {
        for (attempt, bound_s) in [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (1000, 60)] {
            assert_eq!(BACKOFF.wait(attempt, 1.0), Duration::from_secs(bound_s), "attempt {attempt}");
            assert_eq!(BACKOFF.wait(attempt, 0.0), Duration::ZERO);
        }
    }

    #[test]
    fn a_wait_that_was_asked_for_is_honoured_or_ends_the_run() {
        let asked = |seconds| BACKOFF.wait_as_asked(1, 0.5, Some(Duration::from_secs(seconds)));
        assert_eq!(asked(5), Some(Duration::from_secs(5)));
        assert_eq!(asked(0), Some(Duration::from_millis(500)));
        assert_eq!(asked(61), None);
        let hasty = Backoff { base: Duration::ZERO, max: Duration::ZERO };
        assert_eq!(hasty.wait_as_asked(1, 1.0, Some(Duration::from_secs(2))), Some(Duration::from_secs(2)));
    }
}
