//! Delivery over HTTP.
//!
//! One `POST` a batch, one request in flight, one connection for as long as the receiver keeps it open. Redirects are never
//! followed: neither entries nor credentials go to a host that was not named. What an answer means is
//! decided in [`answer`], what a failure on the way means in [`failure`]; both are functions over values.

mod answer;
mod failure;
mod forward;
mod headers;
mod proxy;
mod request;
mod send_queue;
mod setup;
mod url;
mod wire;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ureq::http::Uri;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::unversioned::transport::{ConnectProxyConnector, Connector, RustlsConnector};
use ureq::{Agent, Body, Proxy};

use self::answer::Answer;
use self::forward::{Forward, Origin};
use self::request::RequestBuilder;
pub use self::setup::HttpSetupError;
use self::wire::{Departures, Unresolved, WireConnector};
use super::{Batch, Outcome, Sink};
use crate::stop::Stop;

/// The most that is read of an answer: 64 KiB, of which the header may take a quarter.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
const ANSWER_HEADER_BYTES_MAX: usize = 16 * 1024;

/// How much of an answer's body is kept to be shown.
const REASON_BYTES_MAX: usize = 1024;

/// How long the rest of an answer is waited for once its header is here. It can only add words to what is known.
const ANSWER_BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// Room for a batch of usual size, so that it leaves in one write.
const OUTPUT_BUFFER_BYTES: usize = 128 * 1024;

/// Larger than the header may be, so that one that is too large is noticed as such.
const INPUT_BUFFER_BYTES: usize = 2 * ANSWER_HEADER_BYTES_MAX;

/// Where and how an [`HttpSink`] sends.
#[derive(Clone)]
#[non_exhaustive]
pub struct HttpOptions {
    /// The receiver: `http://…` or `https://…`, without credentials.
    pub url: String,
    /// Headers to send besides the sink's own. `Content-Type`, `User-Agent` and `Accept` replace the usual ones; those
    /// that frame or name a batch are refused.
    pub headers: Vec<(String, String)>,
    /// Sent as `Authorization: Bearer <token>`.
    pub token: Option<String>,
    /// How long one request may take, from resolving the name to the answer; 30 s by default.
    pub timeout: Duration,
    /// A PEM file of certificate authorities to trust *instead of* the bundled ones, as with curl's `--cacert`: who names
    /// their own authority does not want a hundred others to vouch for the receiver as well.
    pub ca_cert: Option<PathBuf>,
    /// Cuts a request short: once somebody asks to stop, 2 s are left to send it and to get the answer; an attempt to connect
    /// ends at once.
    pub stop: Stop,
}

impl HttpOptions {
    /// A receiver with the defaults: no credentials, bundled authorities, 30 s.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            headers: Vec::new(),
            token: None,
            timeout: Duration::from_secs(30),
            ca_cert: None,
            stop: Stop::never(),
        }
    }
}

/// Delivers each batch with a `POST` request.
///
/// TLS is always verified. A proxy is taken from `HTTPS_PROXY` or `HTTP_PROXY` (whichever is the URL's scheme) or
/// `ALL_PROXY`, unless `NO_PROXY` names the host. It is asked for a tunnel (`CONNECT`) to an `https` receiver, and to pass
/// requests on to an `http` one.
#[derive(Debug)]
pub struct HttpSink {
    agent: Agent,
    request: RequestBuilder,
    /// The receiver, and the proxy if there is one, for messages.
    receiver: String,
    /// The URL, to remember the receiver by.
    url: String,
    timeout: Duration,
    stop: Stop,
    /// What the connection notes of the request under way.
    departures: Departures,
}

impl HttpSink {
    /// Checks the options and makes ready to send; connects to nothing yet.
    ///
    /// # Errors
    /// The URL, a header, the token, the CA file, the time-out or the proxy's environment variable is unusable.
    pub fn new(options: HttpOptions) -> Result<Self, HttpSetupError> {
        let uri = url::parse(&options.url)?;
        let proxy = proxy::select(&uri, |name| std::env::var(name).ok())?;
        Self::with_proxy(options, uri, proxy)
    }

    fn with_proxy(options: HttpOptions, uri: Uri, proxy: Option<Proxy>) -> Result<Self, HttpSetupError> {
        if options.timeout.is_zero() {
            return Err(HttpSetupError::ZeroTimeout);
        }
        let mut headers = headers::check(&options.headers, options.token.as_deref())?;
        let roots = match &options.ca_cert {
            Some(path) => RootCerts::new_with_certs(&read_authorities(path)?),
            None => RootCerts::WebPki,
        };
        let receiver = match &proxy {
            Some(proxy) => {
                format!("{} (by way of the proxy {}:{})", url::host(&uri), proxy.host(), proxy.port())
            }
            None => url::host(&uri).to_owned(),
        };
        let (target, tunnel, origin) =
            match proxy.as_ref().and_then(|proxy| Forward::new(&uri, proxy, &mut headers)) {
                Some(Forward { uri, origin }) => (uri, None, origin),
                None => (uri.clone(), proxy, Origin::default()),
            };
        let departures = Departures::default();
        let wires = WireConnector::new(options.stop.clone(), departures.clone());
        Ok(Self {
            agent: agent(options.timeout, roots, tunnel, wires, origin),
            url: uri.to_string(),
            request: RequestBuilder::new(target, headers),
            receiver,
            timeout: options.timeout,
            stop: options.stop,
            departures,
        })
    }
}

impl Sink for HttpSink {
    fn send(&mut self, batch: &Batch, _attempt: u32) -> Outcome {
        if self.stop.is_stopped() {
            return failure::stopped(&self.receiver);
        }
        // What an earlier request has left there says nothing about this one.
        self.departures.take();
        match self.agent.run(self.request.build(batch)) {
            Ok(mut response) => {
                // Before more is read: the rest may come later, when more has left.
                let departure = self.departures.take();
                let body = beginning_of(response.body_mut());
                answer::outcome_of(&Answer::new(&response, &body), departure)
            }
            Err(ureq::Error::Timeout(_)) if self.stop.is_stopped() => failure::stopped(&self.receiver),
            Err(error) => failure::outcome_of(&error, &self.receiver, self.timeout),
        }
    }

    fn receiver(&self) -> Option<String> {
        Some(self.url.clone())
    }
}

/// The client. Its connections and their addresses are [`wire`]'s; the proxy's tunnel and TLS are ureq's.
fn agent(
    timeout: Duration,
    roots: RootCerts,
    tunnel: Option<Proxy>,
    wires: WireConnector,
    origin: Origin,
) -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_global(Some(timeout))
        .timeout_recv_body(Some(timeout.min(ANSWER_BODY_TIMEOUT)))
        .max_response_header_size(ANSWER_HEADER_BYTES_MAX)
        .input_buffer_size(INPUT_BUFFER_BYTES)
        .output_buffer_size(OUTPUT_BUFFER_BYTES)
        .user_agent(request::USER_AGENT)
        .tls_config(TlsConfig::builder().root_certs(roots).build())
        .proxy(tunnel)
        .build();
    let connector =
        ().chain(ConnectProxyConnector::default())
            .chain(wires)
            .chain(RustlsConnector::default())
            .chain(origin);
    Agent::with_parts(config, connector, Unresolved)
}

/// The beginning of an answer's body. The rest is read too, within limits, since only a connection with nothing left
/// on it can serve the next batch; a body that breaks off, or does not end, changes nothing about the answer.
fn beginning_of(body: &mut Body) -> Vec<u8> {
    let mut beginning = Vec::new();
    let mut reader = body.as_reader();
    let mut chunk = [0; 4096];
    let mut left = ANSWER_BYTES_MAX - ANSWER_HEADER_BYTES_MAX;
    while left > 0 {
        let room = left.min(chunk.len());
        match reader.read(&mut chunk[..room]) {
            Ok(0) | Err(_) => break,
            Ok(count) => {
                let wanted = count.min(REASON_BYTES_MAX - beginning.len());
                beginning.extend_from_slice(&chunk[..wanted]);
                left -= count;
            }
        }
    }
    beginning
}

fn read_authorities(path: &Path) -> Result<Vec<Certificate<'static>>, HttpSetupError> {
    let unusable = |reason: String| HttpSetupError::CaCert { path: path.to_owned(), reason };
    let pem = fs::read(path).map_err(|error| unusable(error.to_string()))?;
    let mut authorities = Vec::new();
    for item in parse_pem(&pem) {
        match item.map_err(|_| unusable("a certificate in it is damaged or cut off".into()))? {
            PemItem::Certificate(certificate) => authorities.push(certificate),
            _ => {
                return Err(unusable("it holds a private key, which belongs to nobody but its owner".into()));
            }
        }
    }
    if authorities.is_empty() {
        return Err(unusable("there is no certificate in it".into()));
    }
    Ok(authorities)
}

#[cfg(test)]
mod tests;
