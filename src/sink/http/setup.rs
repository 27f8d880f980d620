//! What can be wrong with the options, and the way out.

use std::path::PathBuf;

/// Why an [`HttpSink`](super::HttpSink) cannot be made. No message repeats a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpSetupError {
    /// The URL does not say how to connect.
    #[error("{url}: the URL has no scheme")]
    NoScheme {
        /// The URL as given.
        url: String,
    },
    /// The URL's scheme is neither http nor https.
    #[error("{url}: cannot deliver to {scheme:?} URLs")]
    UnknownScheme {
        /// The URL as given.
        url: String,
        /// Its scheme.
        scheme: String,
    },
    /// The URL names no host.
    #[error("{url}: the URL names no host")]
    NoHost {
        /// The URL as given.
        url: String,
    },
    /// The URL's port is not one from 1 to 65535.
    #[error("{url}: the port is not a number from 1 to 65535")]
    BadPort {
        /// The URL as given.
        url: String,
    },
    /// The URL cannot be parsed.
    #[error("{url}: not a URL: {reason}")]
    BadUrl {
        /// The URL as given.
        url: String,
        /// What the parser says.
        reason: String,
    },
    /// The URL carries a user name or a password, which any user of the machine could read in the process list.
    #[error("the URL for {host} carries credentials, which other users could read in the process list")]
    CredentialsInUrl {
        /// The host alone.
        host: String,
    },
    /// A header's name is not one.
    #[error("{name:?} cannot be the name of a header")]
    HeaderName {
        /// The name as given.
        name: String,
    },
    /// A header's value has a line break or other characters that a header cannot carry.
    #[error("the value of header {name} is not one line of printable ASCII")]
    HeaderValue {
        /// The header's name.
        name: String,
    },
    /// A header that frames the request or names the batch.
    #[error("the header {name} is set by edgesync itself")]
    HeaderReserved {
        /// The header's name.
        name: String,
    },
    /// A header that may stand in a request once was given twice.
    #[error("the header {name} was given twice")]
    HeaderTwice {
        /// The header's name.
        name: String,
    },
    /// The headers and the token are more than a receiver takes.
    #[error("more than 1000 headers, or headers and token of more than 32 KiB")]
    HeadersTooLarge,
    /// Both a token and a header set `Authorization`.
    #[error("both the token and a header set Authorization")]
    AuthorizationTwice,
    /// The token is empty or has characters that no token has.
    #[error("the token is {reason}")]
    Token {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The file of certificate authorities is unusable.
    #[error("cannot use the CA certificates in {}: {reason}", path.display())]
    CaCert {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The environment names a proxy that cannot be used.
    #[error("cannot use the proxy in the environment variable {variable}: {reason}")]
    Proxy {
        /// The variable's name. Its value may hold a password.
        variable: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// No request can be done in no time.
    #[error("the time-out of a request must be longer than 0")]
    ZeroTimeout,
}

impl HttpSetupError {
    /// What a person can do about it now, in one line.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoScheme { url } => format!("did you mean {}://{url} ?", likely_scheme(url)),
            Self::UnknownScheme { .. } => "use http:// or https://, or deliver with --exec".into(),
            Self::NoHost { .. } | Self::BadPort { .. } => "write it like https://example.org:8443/ingest".into(),
            Self::BadUrl { .. } => "percent-encode spaces and non-ASCII characters; write hosts in ASCII (xn--…)".into(),
            Self::CredentialsInUrl { .. } => {
                "leave them out, and put a line `Authorization: Basic …` into a --header-file, or use --token-file".into()
            }
            Self::HeaderName { .. } | Self::HeaderValue { .. } => "write it like `X-Api-Key: secret`".into(),
            Self::HeadersTooLarge => "check that --header-file and --token-file name the right files".into(),
            Self::HeaderReserved { .. } | Self::HeaderTwice { .. } => "leave it out".into(),
            Self::AuthorizationTwice => "give one of them".into(),
            Self::Token { .. } => "a token file holds the bare token on one line".into(),
            Self::CaCert { .. } => "name a PEM file with lines `-----BEGIN CERTIFICATE-----`".into(),
            Self::Proxy { variable, .. } => format!("set {variable} to http://host:port, or unset it"),
            Self::ZeroTimeout => return None,
        })
    }
}

/// Plain HTTP for what is most likely a test on this machine.
fn likely_scheme(url: &str) -> &'static str {
    let local = ["localhost", "127.", "[::1]"].iter().any(|host| url.starts_with(host));
    if local { "http" } else { "https" }
}
