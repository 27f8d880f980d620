//! What an answer means: functions over values, no I/O.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::{rfc2822, strtime};
use jiff::tz::TimeZone;
use ureq::http::header::{DATE, LOCATION, RETRY_AFTER};
use ureq::http::{HeaderMap, HeaderName, Response, StatusCode};

use super::super::Outcome;
use super::wire::Departure;
use crate::printable::excerpt;

/// How many characters of an answer are shown to people.
const SHOWN_CHARS_MAX: usize = 200;

const ACKED_SEQ: HeaderName = HeaderName::from_static("edgesync-acked-seq");

/// An answer, reduced to what counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub status: u16,
    pub acked: Acked,
    pub retry_after: Option<Duration>,
    /// Where a redirect points to; printable.
    pub location: Option<String>,
    /// The beginning of the body; printable.
    pub text: String,
}

/// What the receiver says it has taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Acked {
    /// Nothing in particular: all of it.
    All,
    Through(u64),
    /// The header's value, printable, which is no number.
    Unreadable(String),
}

impl Answer {
    pub fn new<T>(response: &Response<T>, body: &[u8]) -> Self {
        let headers = response.headers();
        Self {
            status: response.status().as_u16(),
            acked: acked(headers),
            retry_after: text_of(headers, &RETRY_AFTER).and_then(|value| {
                // Against the receiver's own clock where it shows it: this machine's may be years off.
                let now = text_of(headers, &DATE).and_then(http_date);
                retry_after(value, now.unwrap_or_else(Timestamp::now))
            }),
            location: headers.get(LOCATION).map(|value| printable(value.as_bytes())),
            text: printable(body),
        }
    }

    /// `503 Service Unavailable (be right back)`
    fn described(&self) -> String {
        let name = StatusCode::from_u16(self.status).ok().and_then(|status| status.canonical_reason());
        let mut described = self.status.to_string();
        if let Some(name) = name {
            described.push(' ');
            described.push_str(name);
        }
        if !self.text.is_empty() {
            described.push_str(" (");
            described.push_str(&self.text);
            described.push(')');
        }
        described
    }
}

/// What becomes of a batch that was answered like this, when so much of the request had left. An early answer may only decide
/// for the worse.
pub(super) fn outcome_of(answer: &Answer, departure: Departure) -> Outcome {
    match answer.status {
        200..=299 if departure != Departure::Whole => early_success(answer, departure),
        200..=299 => match &answer.acked {
            Acked::All => Outcome::Delivered { through: None },
            Acked::Through(seq) => Outcome::Delivered { through: Some(*seq) },
            Acked::Unreadable(value) => Outcome::WrongSetup {
                reason: format!(
                    "the receiver's header Edgesync-Acked-Seq is {value:?}; make it the number of the last entry taken"
                ),
            },
        },
        300..=399 => wrong(answer, &redirect_advice(answer)),
        401 | 403 | 404 | 405 | 407 | 410 | 415 => wrong(answer, advice(answer.status)),
        408 | 409 | 425 | 429 | 500..=599 => later(answer),
        413 => Outcome::TooLarge { reason: format!("the receiver answered {}", answer.described()) },
        400..=499 => Outcome::Refused { status: answer.status, reason: refusal(answer) },
        // Nothing that HTTP knows; a later version of the receiver may know better.
        _ => later(answer),
    }
}

/// Whoever says that it has taken something cannot have seen it.
fn early_success(answer: &Answer, departure: Departure) -> Outcome {
    let what = match departure {
        Departure::Early(count) => format!("{count} bytes of it had not reached it"),
        Departure::Broken | Departure::Whole => {
            "the connection broke off before all of it is known to have reached it".into()
        }
    };
    Outcome::Later {
        reason: format!(
            "the receiver answered {} before it had the whole request ({what}): that is no success",
            answer.described()
        ),
        retry_after: answer.retry_after,
    }
}

fn later(answer: &Answer) -> Outcome {
    Outcome::Later {
        reason: format!("the receiver answered {}", answer.described()),
        retry_after: answer.retry_after,
    }
}

fn wrong(answer: &Answer, advice: &str) -> Outcome {
    Outcome::WrongSetup { reason: format!("the receiver answered {}; {advice}", answer.described()) }
}

/// The receiver's own words; where it has none, the status in words.
fn refusal(answer: &Answer) -> String {
    if answer.text.is_empty() { answer.described() } else { answer.text.clone() }
}

fn redirect_advice(answer: &Answer) -> String {
    match &answer.location {
        Some(location) => format!(
            "redirects are not followed, so that entries and credentials go nowhere else; if {location} is right, \
             make it the URL"
        ),
        None => "redirects are not followed; check the URL".into(),
    }
}

fn advice(status: u16) -> &'static str {
    match status {
        401 => "give valid credentials with --token-file or --header-file",
        403 => "the credentials (--token-file, --header-file) do not permit writing here, or there are none",
        404 => "check the path of the URL",
        405 => "the URL does not take POST: check its path",
        407 => "give the proxy's user name and password in HTTPS_PROXY or HTTP_PROXY",
        410 => "the receiver is gone for good: find its new URL",
        _ => "choose another --body, or set Content-Type to what the receiver takes with --header",
    }
}

fn text_of<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

fn acked(headers: &HeaderMap) -> Acked {
    let mut values = headers.get_all(ACKED_SEQ).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return match headers.contains_key(ACKED_SEQ) {
            true => Acked::Unreadable("given more than once".into()),
            false => Acked::All,
        };
    };
    let text = value.to_str().unwrap_or_default().trim();
    match digits(text) {
        Some(seq) => Acked::Through(seq),
        None => Acked::Unreadable(printable(value.as_bytes())),
    }
}

/// A number of digits only: what `parse` takes besides, a plus sign, is not a number in HTTP.
fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// How long to wait: `120`, or until an HTTP date. Nonsense is no wish at all; the caller decides how much is too much.
fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    if let Some(seconds) = digits(value) {
        return Some(Duration::from_secs(seconds));
    }
    let wait = http_date(value)?.duration_since(now);
    Some(Duration::try_from(wait).unwrap_or(Duration::ZERO))
}

/// The three spellings of a date that RFC 9110 (5.6.7) wants recipients to read; the first is the one in use.
fn http_date(value: &str) -> Option<Timestamp> {
    const LENIENT: rfc2822::DateTimeParser = rfc2822::DateTimeParser::new().relaxed_weekday(true);
    LENIENT.parse_timestamp(value).ok().or_else(|| {
        ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"].iter().find_map(|format| {
            let civil = strtime::parse(format, value).ok()?.to_datetime().ok()?;
            Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
        })
    })
}

/// Bytes of the receiver's as one short line.
fn printable(bytes: &[u8]) -> String {
    excerpt(bytes, SHOWN_CHARS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16) -> Answer {
        Answer { status, acked: Acked::All, retry_after: None, location: None, text: String::new() }
    }

    /// What becomes of a batch that had left as a whole.
    fn outcome(answer: &Answer) -> Outcome {
        outcome_of(answer, Departure::Whole)
    }

    fn from_headers(status: u16, headers: &[(&str, &str)]) -> Answer {
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        Answer::new(&response.body(()).unwrap(), b"")
    }

    fn kind(outcome: &Outcome) -> &'static str {
        match outcome {
            Outcome::Delivered { .. } => "delivered",
            Outcome::Later { .. } | Outcome::Suspicious { .. } => "later",
            Outcome::WrongSetup { .. } => "wrong set-up",
            Outcome::TooLarge { .. } => "too large",
            Outcome::Refused { .. } => "refused",
        }
    }

    #[test]
    fn every_status_has_its_outcome() {
        for status in 100..=999 {
            let expected = match status {
                200..=299 => "delivered",
                300..=399 | 401 | 403 | 404 | 405 | 407 | 410 | 415 => "wrong set-up",
                413 => "too large",
                408 | 409 | 425 | 429 => "later",
                400..=499 => "refused",
                _ => "later",
            };
            assert_eq!(kind(&outcome(&answer(status))), expected, "{status}");
        }
    }

    #[test]
    fn an_answer_before_the_whole_request_had_left_decides_only_for_the_worse() {
        for status in 100..=999 {
            for departure in [Departure::Early(7), Departure::Broken] {
                let early = outcome_of(&answer(status), departure);
                match status {
                    200..=299 => assert_eq!(kind(&early), "later", "{status}"),
                    _ => assert_eq!(early, outcome(&answer(status)), "{status}"),
                }
            }
        }
        let Outcome::Later { reason, .. } = outcome_of(&answer(200), Departure::Early(7)) else { panic!() };
        assert!(reason.contains("200 OK") && reason.contains("7 bytes"), "{reason}");
    }

    #[test]
    fn a_wrong_set_up_says_what_to_mend() {
        for (status, word) in [
            (401, "--token-file"),
            (403, "permit"),
            (404, "path"),
            (405, "POST"),
            (407, "PROXY"),
            (410, "gone"),
            (415, "Content-Type"),
            (304, "check the URL"),
        ] {
            let Outcome::WrongSetup { reason } = outcome(&answer(status)) else { panic!("{status}") };
            assert!(reason.contains(word) && reason.contains(&status.to_string()), "{reason}");
        }
        let moved = from_headers(308, &[("Location", "https://new.example.org/in")]);
        let Outcome::WrongSetup { reason } = outcome(&moved) else { panic!() };
        assert!(
            reason.contains("308 Permanent Redirect") && reason.contains("https://new.example.org/in"),
            "{reason}"
        );
    }

    #[test]
    fn a_refusal_carries_the_status_and_the_receivers_words() {
        let worded = Answer { text: "temperature is not a number".into(), ..answer(422) };
        let expected = Outcome::Refused { status: 422, reason: "temperature is not a number".into() };
        assert_eq!(outcome(&worded), expected);
        let Outcome::Refused { status: 400, reason } = outcome(&answer(400)) else { panic!() };
        assert_eq!(reason, "400 Bad Request");
    }

    #[test]
    fn try_later_carries_what_the_receiver_wishes() {
        let busy = Answer { text: "maintenance".into(), ..from_headers(503, &[("Retry-After", "120")]) };
        assert_eq!(
            outcome(&busy),
            Outcome::Later {
                reason: "the receiver answered 503 Service Unavailable (maintenance)".into(),
                retry_after: Some(Duration::from_secs(120)),
            }
        );
    }

    #[test]
    fn an_acknowledged_seq_is_a_number_or_an_error_that_names_it() {
        let acked = |values: &[&str]| {
            let headers: Vec<_> = values.iter().map(|value| ("Edgesync-Acked-Seq", *value)).collect();
            outcome(&from_headers(200, &headers))
        };
        assert_eq!(acked(&[]), Outcome::Delivered { through: None });
        assert_eq!(acked(&["750"]), Outcome::Delivered { through: Some(750) });
        assert_eq!(acked(&["0"]), Outcome::Delivered { through: Some(0) });
        assert_eq!(acked(&["18446744073709551615"]), Outcome::Delivered { through: Some(u64::MAX) });
        for bad in [&[""][..], &["+5"], &["-1"], &["1.0"], &["all"], &["18446744073709551616"], &["5", "6"]] {
            let Outcome::WrongSetup { reason } = acked(bad) else { panic!("{bad:?}") };
            assert!(reason.contains("Edgesync-Acked-Seq"), "{reason}");
        }
        assert_eq!(kind(&outcome(&from_headers(500, &[("Edgesync-Acked-Seq", "x")]))), "later");
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_or_nothing() {
        let now: Timestamp = "1994-11-06T08:49:07Z".parse().unwrap();
        let seconds = |count| Some(Duration::from_secs(count));
        for (value, expected) in [
            ("0", seconds(0)),
            ("120", seconds(120)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", seconds(30)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", seconds(30)),
            ("Sun Nov  6 08:49:37 1994", seconds(30)),
            ("Sat, 05 Nov 1994 08:49:37 GMT", seconds(0)),
            ("Mon, 06 Nov 1994 08:49:37 GMT", seconds(30)),
            ("", None),
            ("soon", None),
            ("-1", None),
            ("+1", None),
            ("1.5", None),
            ("99999999999999999999", None),
            ("Sun, 99 Nov 1994 08:49:37 GMT", None),
        ] {
            let expected = if value.is_empty() { None } else { expected };
            assert_eq!(retry_after(value, now), expected, "{value:?}");
        }
    }

    #[test]
    fn a_date_is_taken_by_the_receivers_own_clock() {
        let headers =
            [("Date", "Sun, 06 Nov 1994 08:49:37 GMT"), ("Retry-After", "Sun, 06 Nov 1994 08:50:37 GMT")];
        assert_eq!(from_headers(503, &headers).retry_after, Some(Duration::from_secs(60)));
    }

    #[test]
    fn an_answers_words_are_one_short_printable_line() {
        assert_eq!(printable(b" {\r\n  \"error\":\t\"no\" }\n"), r#"{ "error": "no" }"#);
        assert_eq!(printable(b"\x1b[31mred\x07\xc2\x9b"), r"\u{1b}[31mred\u{7}\u{9b}");
        assert_eq!(printable("gnp\u{202e}.exe".as_bytes()), r"gnp\u{202e}.exe");
        assert_eq!(printable(b"\xff\xfe"), "\u{fffd}\u{fffd}");
        assert_eq!(printable("zürich".as_bytes()), "zürich");
        let long = printable(&b"x".repeat(1000));
        assert_eq!(long, format!("{}…", "x".repeat(200)));
        assert_eq!(printable(b" \n"), "");
    }
}
