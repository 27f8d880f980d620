//! From lines to payloads: what is one JSON value, and what is not and why.
//!
//! [`payload_of`] is what counts. Asking it line by line is slow for what it does, so that a run of lines is first tried as
//! one stream of values: UTF-8 is checked once for all, and one parser keeps its scratch memory. That parser takes a
//! line feed for a blank, so each value must end in the line in which it began. Whatever is out of the ordinary, the
//! rest of the run is left to `payload_of`, which decides and words the reason. (Not only that line: a stream that is begun
//! again after each bad line may read to the end of the run each time.)

use std::ops::ControlFlow;

use memchr::memchr_iter;
use serde::de::IgnoredAny;

use super::lines::KEPT_BYTES_MAX;
use crate::journal::RejectedLine;
use crate::record::{PAYLOAD_BYTES_MAX, payload_of, text_payload};

/// Takes what comes of each line that is not blank, in order.
pub(super) trait Verdicts {
    /// A line's payload.
    fn payload(&mut self, payload: &[u8], line: u64) -> ControlFlow<()>;

    /// A line that is not to be had.
    fn rejected(&mut self, rejected: RejectedLine) -> ControlFlow<()>;
}

/// What is asked of a line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Checker {
    /// Lines are text, and become JSON strings.
    pub text: bool,
    /// A line without its line feed has at most this many bytes.
    pub line_bytes_max: usize,
    /// The journal takes no longer ones; otherwise it is the caller who wants none.
    pub is_limit_of_journal: bool,
}

impl Checker {
    /// Goes through a run of lines, of which the first has the number `line`; returns the number after the last.
    pub fn check(&self, run: &[u8], line: u64, verdicts: &mut impl Verdicts) -> ControlFlow<(), u64> {
        let (done, line) = if self.text { (0, line) } else { self.check_stream(run, line, verdicts)? };
        self.check_lines(&run[done..], line, verdicts)
    }

    /// The fast way. Returns how far it came, always at the beginning of a line.
    fn check_stream(
        &self,
        run: &[u8],
        mut line: u64,
        verdicts: &mut impl Verdicts,
    ) -> ControlFlow<(), (usize, u64)> {
        let Ok(text) = std::str::from_utf8(run) else { return ControlFlow::Continue((0, line)) };
        let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
        let mut done = 0;
        for line_end in memchr_iter(b'\n', run) {
            if let Some(blanks) = run[done..line_end].iter().position(|byte| !is_blank(*byte)) {
                if line_end - done > self.line_bytes_max || !matches!(values.next(), Some(Ok(_))) {
                    break;
                }
                let value_end = values.byte_offset();
                if value_end > line_end || !run[value_end..line_end].iter().copied().all(is_blank) {
                    break;
                }
                verdicts.payload(&run[done + blanks..value_end], line)?;
            }
            done = line_end + 1;
            line += 1;
        }
        ControlFlow::Continue((done, line))
    }

    /// The way that decides.
    fn check_lines(&self, run: &[u8], mut line: u64, verdicts: &mut impl Verdicts) -> ControlFlow<(), u64> {
        for bytes in run.split_inclusive(|byte| *byte == b'\n') {
            self.check_line(bytes.strip_suffix(b"\n").unwrap_or(bytes), line, verdicts)?;
            line += 1;
        }
        ControlFlow::Continue(line)
    }

    fn check_line(&self, bytes: &[u8], line: u64, verdicts: &mut impl Verdicts) -> ControlFlow<()> {
        let length = bytes.len() as u64;
        if bytes.len() > self.line_bytes_max {
            return verdicts.rejected(self.overlong(line, length, bytes));
        }
        let invalid = if self.text {
            match text_payload(bytes) {
                // Escapes may make it longer than the line.
                Ok(Some(payload)) if payload.len() > PAYLOAD_BYTES_MAX => {
                    let reason = format!(
                        "longer than a journal takes: {} bytes as a JSON string, at most {PAYLOAD_BYTES_MAX}",
                        payload.len()
                    );
                    return verdicts.rejected(RejectedLine { line, length, reason, bytes: kept(bytes) });
                }
                Ok(Some(payload)) => return verdicts.payload(payload.as_bytes(), line),
                Ok(None) => return ControlFlow::Continue(()),
                Err(invalid) => invalid,
            }
        } else {
            match payload_of(bytes) {
                Ok(Some(payload)) => return verdicts.payload(payload, line),
                Ok(None) => return ControlFlow::Continue(()),
                Err(invalid) => invalid,
            }
        };
        // The parser saw one line only; the line's number is named beside the reason.
        let reason = invalid.to_string().replacen(" line 1 column", " column", 1);
        verdicts.rejected(RejectedLine { line, length, reason, bytes: kept(bytes) })
    }

    /// A line over the limit, of which `bytes` is at least the part to be kept.
    pub fn overlong(&self, line: u64, length: u64, bytes: &[u8]) -> RejectedLine {
        let limit = if self.is_limit_of_journal { "this journal takes" } else { "a line may be" };
        let reason = format!("longer than {limit}: {length} bytes, at most {}", self.line_bytes_max);
        RejectedLine { line, length, reason, bytes: kept(bytes) }
    }
}

/// What is kept of a line.
pub(super) fn kept(bytes: &[u8]) -> Vec<u8> {
    bytes[..bytes.len().min(KEPT_BYTES_MAX)].to_vec()
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Default, PartialEq)]
    struct Seen {
        payloads: Vec<(u64, Vec<u8>)>,
        rejected: Vec<RejectedLine>,
    }

    impl Verdicts for Seen {
        fn payload(&mut self, payload: &[u8], line: u64) -> ControlFlow<()> {
            self.payloads.push((line, payload.to_vec()));
            ControlFlow::Continue(())
        }

        fn rejected(&mut self, rejected: RejectedLine) -> ControlFlow<()> {
            self.rejected.push(rejected);
            ControlFlow::Continue(())
        }
    }

    const CHECKER: Checker = Checker { text: false, line_bytes_max: 40, is_limit_of_journal: false };

    fn seen(checker: Checker, run: &[u8]) -> Seen {
        let mut seen = Seen::default();
        let lines = run.split_inclusive(|byte| *byte == b'\n').count() as u64;
        assert_eq!(checker.check(run, 1, &mut seen), ControlFlow::Continue(lines + 1));
        seen
    }

    /// The slow way alone.
    fn decided(checker: Checker, run: &[u8]) -> Seen {
        let mut seen = Seen::default();
        let _ = checker.check_lines(run, 1, &mut seen);
        seen
    }

    #[test]
    fn good_lines_around_a_bad_one_are_kept_in_order() {
        let seen = seen(CHECKER, b"{\"a\": 1}\r\n\n{oops\n [2] \n3");
        let payloads = vec![(1, b"{\"a\": 1}".to_vec()), (4, b"[2]".to_vec()), (5, b"3".to_vec())];
        assert_eq!(seen.payloads, payloads);
        let reason = "not one JSON value: key must be a string at column 2".into();
        assert_eq!(seen.rejected, [RejectedLine { line: 3, length: 5, reason, bytes: b"{oops".to_vec() }]);
    }

    #[test]
    fn a_value_does_not_go_on_in_the_next_line() {
        for run in ["[1,\n2]\n", "{\"a\":\n1}\n", "\"a\nb\"\n"] {
            let seen = seen(CHECKER, run.as_bytes());
            assert!(seen.rejected.iter().any(|rejected| rejected.line == 1), "{run:?}: {seen:?}");
        }
    }

    #[test]
    fn two_values_in_a_line_are_refused() {
        for run in ["1 2\n", "{}{}\n", "[] 1\n", "1[]\n", "\"a\"\"b\"\n", "truefalse\n"] {
            let seen = seen(CHECKER, run.as_bytes());
            assert_eq!((seen.payloads.len(), seen.rejected.len()), (0, 1), "{run:?}");
        }
    }

    #[test]
    fn a_line_over_the_limit_is_refused_with_its_length() {
        let run = [&b"1\n"[..], &[b'9'; 41], b"\n", &[b'9'; 40], b"\n"].concat();
        let seen = seen(CHECKER, &run);
        assert_eq!(seen.payloads.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [1, 3]);
        assert_eq!(
            (seen.rejected[0].length, seen.rejected[0].reason.as_str()),
            (41, "longer than a line may be: 41 bytes, at most 40")
        );
        let of_journal = Checker { is_limit_of_journal: true, ..CHECKER };
        assert_eq!(
            of_journal.overlong(1, 41, b"9").reason,
            "longer than this journal takes: 41 bytes, at most 40"
        );
    }

    #[test]
    fn text_lines_become_strings() {
        let seen = seen(Checker { text: true, ..CHECKER }, b"say \"hi\"\r\n \n{\"a\":1}\n\xff\n");
        assert_eq!(seen.payloads, [(1, br#""say \"hi\"""#.to_vec()), (3, br#""{\"a\":1}""#.to_vec())]);
        assert_eq!(seen.rejected[0].reason, "invalid UTF-8 at byte 0");
    }

    #[test]
    fn lines_that_open_and_never_close_cost_no_more_than_twice() {
        let run = "[1,\n".repeat(200_000);
        assert_eq!(seen(CHECKER, run.as_bytes()).rejected.len(), 200_000);
    }

    fn words() -> impl Strategy<Value = Vec<u8>> {
        let known: Vec<&[u8]> = vec![
            b"\n",
            b"\n",
            b"\n",
            b"\r\n",
            b" ",
            b"\t",
            b"1",
            b"-",
            b"0.5e3",
            b"true",
            b"null",
            b"\"",
            b"\"a\"",
            b"\\",
            b"\\n",
            b"{",
            b"}",
            b"[",
            b"]",
            b",",
            b":",
            b"{\"a\":1}\n",
            b"[1,2]\n",
            b"\"\xc3\xa9\"\n",
            b"\xc3",
            b"\xef\xbb\xbf",
            b"\0",
            b"{}",
            b"12345678901234567890",
        ];
        let word = prop_oneof![6 => prop::sample::select(known).prop_map(<[u8]>::to_vec), 1 => any::<u8>().prop_map(|byte| vec![byte])];
        prop::collection::vec(word, 0..40).prop_map(|words| words.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

        #[test]
        fn the_fast_way_and_the_slow_way_agree(run in words()) {
            prop_assert_eq!(seen(CHECKER, &run), decided(CHECKER, &run));
        }

        #[test]
        fn they_agree_on_arbitrary_bytes(run: Vec<u8>) {
            prop_assert_eq!(seen(CHECKER, &run), decided(CHECKER, &run));
        }
    }
}
