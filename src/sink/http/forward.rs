//! Plain `http` by way of a proxy: the request goes to the proxy and names the receiver in its first line, in the absolute
//! form of RFC 9112 (3.2.2). Many proxies open tunnels (`CONNECT`) to port 443 only.
//!
//! ureq knows tunnels only, and sends a request to the host of its URI, with the path alone in its first line. So the URI is
//! made the proxy's, `Host` stays the receiver's, and the first line is put right on its way out, above TLS to the proxy.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ureq::http::uri::{Authority, Scheme};
use ureq::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, Either, NextTimeout, Transport};
use ureq::{Error, Proxy, ProxyProtocol};

const METHOD: &[u8] = b"POST ";

/// A way to a plain receiver by way of a proxy.
#[derive(Debug)]
pub(super) struct Forward {
    /// What the request is sent to: the proxy, with the receiver's path.
    pub uri: Uri,
    /// What comes before the path in the first line: `http://receiver.example`.
    pub origin: Origin,
}

/// The scheme and authority of a URL, to be put in front of the path.
#[derive(Debug, Clone, Default)]
pub(super) struct Origin(Option<String>);

impl Forward {
    /// The way to `receiver`, if its scheme is `http`. Adds the headers that it takes.
    pub fn new(receiver: &Uri, proxy: &Proxy, headers: &mut HeaderMap) -> Option<Self> {
        if receiver.scheme() != Some(&Scheme::HTTP) {
            return None;
        }
        let host = receiver.authority()?;
        headers.insert(header::HOST, HeaderValue::from_str(host.as_str()).ok()?);
        if let Some(credentials) = credentials(proxy) {
            headers.insert(header::PROXY_AUTHORIZATION, credentials);
        }
        headers.insert(HeaderName::from_static("proxy-connection"), HeaderValue::from_static("keep-alive"));
        let origin = Origin(Some(format!("http://{host}")));
        let mut parts = receiver.clone().into_parts();
        parts.scheme = Some(match proxy.protocol() {
            ProxyProtocol::Https => Scheme::HTTPS,
            _ => Scheme::HTTP,
        });
        parts.authority = Some(format!("{}:{}", proxy.host(), proxy.port()).parse::<Authority>().ok()?);
        Some(Self { uri: Uri::from_parts(parts).ok()?, origin })
    }
}

fn credentials(proxy: &Proxy) -> Option<HeaderValue> {
    let (user, password) = (proxy.username(), proxy.password());
    user.or(password)?;
    let both = format!("{}:{}", user.unwrap_or_default(), password.unwrap_or_default());
    let mut value = HeaderValue::from_str(&format!("Basic {}", BASE64_STANDARD.encode(both))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Puts the first lines right, if there is an origin to put in them.
impl<In: Transport> Connector<In> for Origin {
    type Out = Either<In, Forwarding<In>>;

    fn connect(&self, _: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<Self::Out>, Error> {
        Ok(chained.map(|inner| match &self.0 {
            None => Either::A(inner),
            Some(origin) => Either::B(Forwarding { inner, origin: origin.clone(), at_first_line: true }),
        }))
    }
}

/// A connection to a proxy.
#[derive(Debug)]
pub(super) struct Forwarding<T> {
    inner: T,
    origin: String,
    /// What goes out next begins with the first line of a request.
    at_first_line: bool,
}

impl<T: Transport> Transport for Forwarding<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, mut amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        if std::mem::take(&mut self.at_first_line) {
            let (output, origin) = (self.inner.buffers().output(), self.origin.as_bytes());
            let end = amount + origin.len();
            // The header comes first and alone; it is limited to a part of the buffer.
            if !output.starts_with(METHOD) || output.len() < end {
                return Err(Error::Other("the first line of the request cannot be made".into()));
            }
            output.copy_within(METHOD.len()..amount, METHOD.len() + origin.len());
            output[METHOD.len()..][..origin.len()].copy_from_slice(origin);
            amount = end;
        }
        self.inner.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.at_first_line = true;
        self.inner.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}
