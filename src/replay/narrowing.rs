//! Which part of a refused batch to send next: halves, in order, until each part is taken or is one entry.

use crate::record::Seq;

/// The parts of a batch that have not been dealt with, the first of them on top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Narrowing {
    parts: Vec<(Seq, Seq)>,
}

impl Narrowing {
    /// A batch that was refused as a whole.
    pub fn new(first: Seq, last: Seq) -> Self {
        let mut narrowing = Self { parts: Vec::new() };
        narrowing.halve(first, last);
        narrowing
    }

    /// The next part to send; it is then no longer here.
    pub fn next(&mut self) -> Option<(Seq, Seq)> {
        self.parts.pop()
    }

    /// Puts back the halves of a part that was refused, which has more than one entry.
    pub fn halve(&mut self, first: Seq, last: Seq) {
        debug_assert!(first <= last);
        if first == last {
            self.parts.push((first, last));
            return;
        }
        let half = last.since(first).div_ceil(2);
        let second = first.plus(half);
        self.parts.push((second, last));
        self.parts.push((first, first.plus(half - 1)));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Sends everything to a receiver that refuses every part with a bad entry in it.
    fn deal(count: u64, bad: &[u64]) -> (Vec<u64>, Vec<u64>, usize) {
        let (mut taken, mut refused, mut sent) = (Vec::new(), Vec::new(), 1);
        let mut narrowing = Narrowing::new(Seq::FIRST, Seq::FIRST.plus(count - 1));
        while let Some((first, last)) = narrowing.next() {
            sent += 1;
            let part = first.get()..=last.get();
            if !bad.iter().any(|seq| part.contains(seq)) {
                taken.extend(part);
            } else if first == last {
                refused.push(first.get());
            } else {
                narrowing.halve(first, last);
            }
        }
        (taken, refused, sent)
    }

    #[test]
    fn one_bad_entry_among_five_hundred_is_found_with_few_requests() {
        for bad in [1, 2, 250, 251, 499, 500] {
            let (taken, refused, sent) = deal(500, &[bad]);
            assert_eq!(refused, [bad]);
            assert_eq!(taken.len(), 499);
            assert!(sent <= 19, "{sent} requests for seq {bad}");
        }
    }

    proptest! {
        #[test]
        fn each_entry_is_dealt_with_once_and_in_order(count in 1..200_u64, bad in prop::collection::vec(1..200_u64, 0..20)) {
            let (taken, refused, _) = deal(count, &bad);
            prop_assert!(taken.is_sorted() && refused.is_sorted());
            let mut all = [taken, refused.clone()].concat();
            all.sort_unstable();
            prop_assert_eq!(all, (1..=count).collect::<Vec<_>>());
            prop_assert!(refused.iter().all(|seq| bad.contains(seq)));
        }
    }
}
