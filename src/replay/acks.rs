//! Whether a success counts for which the receiver has not named the last entry that it took: a function over values.
//!
//! Whatever stands in the way (a captive portal, a proxy that has lost its upstream) can answer 200. It does not know
//! `Edgesync-Acked-Seq`. A receiver that has once sent it always does, so that its absence tells.

/// Whether a success counts without the number of the last entry taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum RequireAck {
    /// It counts until the receiver has once named the last entry that it took; that is kept in the journal, together with
    /// the receiver's name ([`Sink::receiver`](crate::Sink::receiver)). A sink without a name is not asked for more.
    #[default]
    Auto,
    /// It never counts.
    Always,
    /// It always counts, and what is kept of this receiver is forgotten.
    Never,
}

/// What is asked of a success in one run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Acks {
    mode: RequireAck,
    /// The receiver has a name, under which what it does can be remembered.
    has_name: bool,
    /// It has named the last entry that it took, once, in this run or before.
    known: bool,
}

impl Acks {
    pub fn new(mode: RequireAck, has_name: bool, known: bool) -> Self {
        Self { mode, has_name, known }
    }

    /// Why a success does not count, if it does not; `named` says whether it names the last entry taken.
    pub fn objection(&mut self, named: bool) -> Option<&'static str> {
        self.known |= named && self.has_name;
        match self.mode {
            _ if named => None,
            RequireAck::Auto if self.known => Some(
                "the answer was a success without Edgesync-Acked-Seq, which this receiver has sent before: something else \
                 may have answered in its place, such as a captive portal",
            ),
            RequireAck::Always => {
                Some("the answer was a success without Edgesync-Acked-Seq, on which this run insists")
            }
            RequireAck::Auto | RequireAck::Never => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What each names, and whether it counts.
    type Successes = &'static [(bool, bool)];

    #[test]
    fn a_success_without_an_acknowledgement_counts_until_there_has_been_one() {
        use RequireAck::{Always, Auto, Never};
        // Mode, has a name, known before; then what each success names, and whether it counts.
        let table: [(RequireAck, bool, bool, Successes); 7] = [
            (Auto, true, false, &[(false, true), (true, true), (false, false), (true, true), (false, false)]),
            (Auto, true, true, &[(false, false), (true, true)]),
            (Auto, false, false, &[(true, true), (false, true)]),
            (Always, true, false, &[(false, false), (true, true), (false, false)]),
            (Always, false, false, &[(false, false), (true, true)]),
            (Never, true, false, &[(true, true), (false, true)]),
            (Never, true, true, &[(false, true)]),
        ];
        for (mode, has_name, known, answers) in table {
            let mut acks = Acks::new(mode, has_name, known);
            for (index, (named, counts)) in answers.iter().enumerate() {
                assert_eq!(acks.objection(*named).is_none(), *counts, "{mode:?} {has_name} {known} {index}");
            }
        }
    }
}
