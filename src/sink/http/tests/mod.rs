//! [`HttpSink`](super::HttpSink) against real servers on the loopback.

mod answers;
mod early;
mod failures;
mod proxy;
mod server;
mod tls;

use std::time::Duration;

use uuid::Uuid;

use self::server::Server;
use super::{HttpOptions, HttpSink, url};
use crate::record::Seq;
use crate::sink::{Batch, BodyFormat, Outcome, Sink};

/// Long enough never to pass in a test that does not mean to.
const PATIENT: Duration = Duration::from_secs(60);

/// Short enough to be waited for.
const IMPATIENT: Duration = Duration::from_millis(300);

fn batch(body: &[u8]) -> Batch {
    Batch {
        former: None,
        journal: Uuid::nil(),
        first: Seq::new(501).unwrap(),
        last: Seq::new(502).unwrap(),
        previous: Seq::new(500),
        format: BodyFormat::Ndjson,
        body: body.to_vec(),
    }
}

fn options(url: &str, timeout: Duration) -> HttpOptions {
    HttpOptions { timeout, ..HttpOptions::new(url) }
}

/// A sink that takes no proxy from the environment of whoever runs the tests.
fn sink(options: HttpOptions) -> HttpSink {
    let uri = url::parse(&options.url).unwrap();
    HttpSink::with_proxy(options, uri, None).unwrap()
}

fn send_to(server: &Server, timeout: Duration) -> Outcome {
    sink(options(&server.url, timeout)).send(&batch(b"1\n2\n"), 1)
}

fn delivered() -> Outcome {
    Outcome::Delivered { through: None }
}

/// The reason of an outcome that is tried again, without a wish for when.
fn later(outcome: Outcome) -> String {
    match outcome {
        Outcome::Later { reason, retry_after: None } | Outcome::Suspicious { reason, retry_after: None } => {
            reason
        }
        other => panic!("not Later: {other:?}"),
    }
}
