//! What a failure on the way means: a function over values.

use std::io::ErrorKind;
use std::time::Duration;

use ureq::Error;

use super::super::Outcome;
use super::ANSWER_HEADER_BYTES_MAX;

/// What becomes of a batch for which no answer came. Nobody can tell whether it arrived, so that it is sent again, except
/// where no request can ever come of this set-up.
pub(super) fn outcome_of(error: &Error, receiver: &str, timeout: Duration) -> Outcome {
    let reason = match error {
        Error::Timeout(_) => timed_out(receiver, timeout),
        Error::HostNotFound => format!("{receiver} has no address"),
        Error::Io(error) => match error.kind() {
            ErrorKind::ConnectionRefused => format!("{receiver} refuses connections: nothing listens there"),
            ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
                format!("{receiver} broke the connection off before it answered")
            }
            ErrorKind::UnexpectedEof => format!("{receiver} closed the connection before it answered"),
            ErrorKind::TimedOut => timed_out(receiver, timeout),
            // The only data that is checked below HTTP is TLS.
            ErrorKind::InvalidData => return no_tls(receiver, error),
            _ => format!("cannot reach {receiver}: {error}"),
        },
        Error::Rustls(error) => return no_tls(receiver, error),
        Error::ConnectProxyFailed(answer) => format!("the proxy opened no tunnel to {receiver}: {answer}"),
        Error::Protocol(error) => {
            return suspicious(format!("{receiver} gave an answer that is not HTTP: {error}"));
        }
        Error::LargeResponseHeader(..) => {
            format!("{receiver} answered with a header of more than {} KiB", ANSWER_HEADER_BYTES_MAX / 1024)
        }
        Error::Tls(_) | Error::Pem(_) | Error::Http(_) | Error::BadUri(_) | Error::InvalidProxyUrl => {
            return Outcome::WrongSetup { reason: format!("no request to {receiver} can be made: {error}") };
        }
        _ => format!("no answer from {receiver}: {error}"),
    };
    Outcome::Later { reason, retry_after: None }
}

/// The run is to end, so that the batch is left for the next one.
pub(super) fn stopped(receiver: &str) -> Outcome {
    Outcome::Later { reason: format!("stopped before {receiver} answered"), retry_after: None }
}

fn timed_out(receiver: &str, timeout: Duration) -> String {
    format!("{receiver} did not answer within {timeout:?}")
}

/// It may heal by itself, as a wrong clock does; but it rather is another receiver than the one that is meant.
fn no_tls(receiver: &str, error: &dyn std::error::Error) -> Outcome {
    let reason = in_words(&error.to_string());
    suspicious(format!(
        "no TLS connection to {receiver}: {reason} (--ca-cert trusts a private authority; a wrong clock here makes good \
         certificates invalid)"
    ))
}

/// Why certificates are refused most often, by the names that the TLS library shows.
const REFUSALS: [(&str, &str); 6] = [
    ("UnknownIssuer", "its certificate is from an authority that is not trusted here"),
    ("CaUsedAsEndEntity", "its certificate is an authority's own, not one for a receiver"),
    ("Expired", "its certificate has expired"),
    ("NotValidYet", "its certificate is not valid yet"),
    ("NotValidForName", "its certificate is for another name"),
    ("BadSignature", "the signature of its certificate is wrong"),
];

/// What the TLS library says, without the names of its types: it shows most reasons as Rust values.
fn in_words(error: &str) -> String {
    let innermost = error.rsplit('(').next().unwrap_or_default().trim_end_matches(')');
    let reason =
        error.strip_prefix("invalid peer certificate: ").map(|reason| match reason.contains("Other(") {
            true => innermost,
            false => reason,
        });
    if let Some((_, sentence)) = REFUSALS.iter().find(|(name, _)| Some(*name) == reason) {
        return (*sentence).to_owned();
    }
    let error = match reason {
        Some(reason) => format!("its certificate is refused: {reason}"),
        None => error.to_owned(),
    };
    // Names of hosts are in quotes, and stay as they are.
    let parts = error.split('"').enumerate();
    let parts: Vec<_> = parts
        .map(|(index, part)| if index % 2 == 0 { without_camel_case(part) } else { part.to_owned() })
        .collect();
    parts.join("\"")
}

/// `HandshakeFailure` as "handshake failure".
fn without_camel_case(text: &str) -> String {
    let mut words = String::with_capacity(text.len() + 8);
    for word in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        let inner = word.char_indices().skip(1).any(|(at, c)| {
            c.is_ascii_uppercase() && word[..at].ends_with(|before: char| before.is_ascii_lowercase())
        });
        for (at, c) in word.char_indices() {
            if inner && at > 0 && c.is_ascii_uppercase() {
                words.push(' ');
            }
            words.push(if inner { c.to_ascii_lowercase() } else { c });
        }
    }
    words
}

fn suspicious(reason: String) -> Outcome {
    Outcome::Suspicious { reason, retry_after: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    fn of(error: Error) -> Outcome {
        outcome_of(&error, "example.org", Duration::from_secs(30))
    }

    #[test]
    fn every_failure_on_the_way_is_tried_again_and_says_what_happened() {
        let io = |kind: ErrorKind| Error::Io(io::Error::from(kind));
        for (error, words) in [
            (Error::Timeout(ureq::Timeout::Global), "within 30s"),
            (Error::HostNotFound, "no address"),
            (io(ErrorKind::ConnectionRefused), "nothing listens"),
            (io(ErrorKind::ConnectionReset), "broke the connection off"),
            (io(ErrorKind::BrokenPipe), "broke the connection off"),
            (io(ErrorKind::UnexpectedEof), "closed the connection"),
            (io(ErrorKind::TimedOut), "within 30s"),
            (io(ErrorKind::HostUnreachable), "cannot reach"),
            (Error::ConnectProxyFailed("403".into()), "proxy"),
            (Error::LargeResponseHeader(20_000, 16_384), "16 KiB"),
            (Error::ConnectionFailed, "no answer"),
            (Error::Other("unheard of".into()), "unheard of"),
        ] {
            let name = format!("{error:?}");
            let Outcome::Later { reason, retry_after: None } = of(error) else { panic!("{name}") };
            assert!(reason.contains(words) && reason.contains("example.org"), "{name}: {reason}");
        }
    }

    #[test]
    fn a_receiver_that_is_another_one_is_tried_again_and_a_person_is_told() {
        let error =
            Error::Io(io::Error::new(ErrorKind::InvalidData, "invalid peer certificate: UnknownIssuer"));
        let Outcome::Suspicious { reason, retry_after: None } = of(error) else { panic!() };
        assert!(reason.contains("not trusted here") && reason.contains("example.org"), "{reason}");
    }

    #[test]
    fn what_the_tls_library_says_is_shown_without_the_names_of_its_types() {
        for (said, words) in [
            (
                "invalid peer certificate: Other(OtherError(CaUsedAsEndEntity))",
                "its certificate is an authority's own, not one for a receiver",
            ),
            ("invalid peer certificate: BadEncoding", "its certificate is refused: bad encoding"),
            (
                "invalid peer certificate: Other(OtherError(UnsupportedCertVersion))",
                "its certificate is refused: unsupported cert version",
            ),
            (
                r#"invalid peer certificate: certificate not valid for name "MyHost"; certificate is only valid for one"#,
                r#"its certificate is refused: certificate not valid for name "MyHost"; certificate is only valid for one"#,
            ),
            ("received fatal alert: HandshakeFailure", "received fatal alert: handshake failure"),
            (
                "received corrupt message of type InvalidContentType",
                "received corrupt message of type invalid content type",
            ),
        ] {
            assert_eq!(in_words(said), words);
        }
    }

    #[test]
    fn a_request_that_can_never_be_made_is_a_wrong_set_up() {
        for error in [Error::BadUri("x".into()), Error::Tls("invalid name"), Error::InvalidProxyUrl] {
            let name = format!("{error:?}");
            assert!(matches!(of(error), Outcome::WrongSetup { .. }), "{name}");
        }
    }
}
