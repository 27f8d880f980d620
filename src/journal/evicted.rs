//! What an appender has dropped, and which limits made it do so.

use std::fmt;

use super::widen::Limit;

/// Entries dropped because the journal was at its limit. Its text is for people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evicted {
    entries: u64,
    limits: Vec<Limit>,
}

impl Evicted {
    pub(crate) fn of(entries: u64, limit: Limit) -> Self {
        if entries == 0 { Self::default() } else { Self { entries, limits: vec![limit] } }
    }

    pub(crate) fn add(&mut self, more: Self) {
        self.entries = self.entries.saturating_add(more.entries);
        for limit in more.limits {
            // A limit that was changed meanwhile takes the place of what it was.
            match self.limits.iter_mut().find(|known| is_same_kind(known, &limit)) {
                Some(known) => *known = limit,
                None => self.limits.push(limit),
            }
        }
    }

    /// How many entries.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// The limits that were reached.
    pub fn limits(&self) -> &[Limit] {
        &self.limits
    }
}

fn is_same_kind(one: &Limit, other: &Limit) -> bool {
    std::mem::discriminant(one) == std::mem::discriminant(other)
}

impl fmt::Display for Evicted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noun = if self.entries == 1 { "entry" } else { "entries" };
        write!(out, "{} oldest {noun} dropped: the journal is limited to ", self.entries)?;
        for (index, limit) in self.limits.iter().enumerate() {
            let and = if index > 0 { " and " } else { "" };
            match limit {
                Limit::Age(_) => write!(out, "{and}entries of at most {limit}")?,
                _ => write!(out, "{and}{limit}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_text_has_the_total_and_names_each_limit_once() {
        let mut evicted = Evicted::of(1, Limit::Entries(1000));
        assert_eq!(evicted.to_string(), "1 oldest entry dropped: the journal is limited to 1000 entries");
        evicted.add(Evicted::of(1999, Limit::Entries(1000)));
        assert_eq!(
            evicted.to_string(),
            "2000 oldest entries dropped: the journal is limited to 1000 entries"
        );
        evicted.add(Evicted::of(1, Limit::Bytes(64 << 10)));
        evicted.add(Evicted::of(0, Limit::Age(Duration::from_secs(60))));
        assert!(evicted.to_string().ends_with("limited to 1000 entries and 64KiB"), "{evicted}");
    }
}
