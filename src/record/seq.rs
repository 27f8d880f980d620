//! The sequence number.

use std::fmt;
use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};

/// An entry's sequence number: given at write time, 1, 2, 3 …, never reused, never reordered, independent of every clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seq(NonZeroU64);

impl Seq {
    /// The seq of a journal's first entry.
    pub const FIRST: Self = Self(NonZeroU64::MIN);

    /// No entry has it: what comes next when the last seq has been given.
    pub(crate) const END: Self = Self(NonZeroU64::MAX);

    /// A seq from a number; none for 0, which no entry has.
    pub const fn new(number: u64) -> Option<Self> {
        match NonZeroU64::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0.get()
    }

    /// The seq `count` entries further on. Saturates: at one entry a nanosecond the end is 584 years away.
    #[must_use]
    pub const fn plus(self, count: u64) -> Self {
        Self(self.0.saturating_add(count))
    }

    /// The seq after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        self.plus(1)
    }

    /// How many entries lie from `earlier` up to, not including, this one; 0 if it is not earlier.
    pub const fn since(self, earlier: Self) -> u64 {
        self.get().saturating_sub(earlier.get())
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}
