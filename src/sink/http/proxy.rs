//! Which proxy the environment names for a URL.
//!
//! ureq's own choice is not used: it would take `HTTPS_PROXY` for an `http` URL too, and pass over a value that
//! it cannot read, so that requests would go out directly where somebody meant them not to.

use ureq::http::Uri;
use ureq::http::uri::Scheme;
use ureq::{Proxy, ProxyProtocol};

use super::HttpSetupError;

const FOR_HTTPS: [&str; 4] = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
const FOR_HTTP: [&str; 4] = ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];
const EXCEPT: [&str; 2] = ["no_proxy", "NO_PROXY"];

/// The proxy for `uri`, if there is to be one. `env` looks up an environment variable.
pub(super) fn select(
    uri: &Uri,
    env: impl Fn(&str) -> Option<String>,
) -> Result<Option<Proxy>, HttpSetupError> {
    let set = |names: &[&'static str]| {
        names.iter().find_map(|name| Some((*name, env(name).filter(|value| !value.trim().is_empty())?)))
    };
    let names = if uri.scheme() == Some(&Scheme::HTTPS) { &FOR_HTTPS } else { &FOR_HTTP };
    let Some((variable, value)) = set(names) else {
        return Ok(None);
    };
    let unusable = |reason| HttpSetupError::Proxy { variable, reason };
    let named = Proxy::new(value.trim()).map_err(|_| unusable("not a proxy's URL"))?;
    if !matches!(named.protocol(), ProxyProtocol::Http | ProxyProtocol::Https) {
        return Err(unusable("SOCKS is not supported"));
    }
    let exceptions = set(&EXCEPT).map_or(String::new(), |(_, value)| value);
    let proxy = with_exceptions(&named, &exceptions).map_err(|_| unusable("not a proxy's URL"))?;
    Ok(if proxy.is_no_proxy(uri) { None } else { Some(proxy) })
}

/// The same proxy, which knows for which hosts it is not meant. A bare domain stands for its subdomains too, as with curl.
fn with_exceptions(named: &Proxy, exceptions: &str) -> Result<Proxy, ureq::Error> {
    let mut builder = Proxy::builder(named.protocol()).host(named.host()).port(named.port());
    if let Some(username) = named.username() {
        builder = builder.username(username);
    }
    if let Some(password) = named.password() {
        builder = builder.password(password);
    }
    for host in exceptions.split([',', ' ']).map(str::trim).filter(|host| !host.is_empty()) {
        builder = builder.no_proxy(host);
        if !host.starts_with(['.', '*']) {
            builder = builder.no_proxy(&format!(".{host}"));
        }
    }
    builder.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(url: &str, env: &[(&str, &str)]) -> Result<Option<String>, HttpSetupError> {
        let lookup =
            |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let proxy = select(&url.parse().unwrap(), lookup)?;
        Ok(proxy.map(|proxy| format!("{}:{}", proxy.host(), proxy.port())))
    }

    #[test]
    fn the_scheme_decides_which_variable_counts() {
        let both = [("HTTP_PROXY", "http://plain:1"), ("HTTPS_PROXY", "tls:2")];
        assert_eq!(selected("http://x/", &both).unwrap().unwrap(), "plain:1");
        assert_eq!(selected("https://x/", &both).unwrap().unwrap(), "tls:2");
        assert_eq!(selected("http://x/", &both[1..]).unwrap(), None);
        assert_eq!(selected("http://x/", &[("ALL_PROXY", "any:3")]).unwrap().unwrap(), "any:3");
        assert_eq!(selected("http://x/", &[("http_proxy", "")]).unwrap(), None);
        assert_eq!(selected("http://x/", &[]).unwrap(), None);
    }

    #[test]
    fn no_proxy_names_hosts_that_are_reached_directly() {
        for (exceptions, direct) in [
            ("example.org", true),
            ("a.org, EXAMPLE.org", true),
            (".example.org", true),
            ("*", true),
            ("other.org", false),
            ("ample.org", false),
            ("", false),
        ] {
            let env = [("http_proxy", "http://user:p%40ss@proxy:1"), ("NO_PROXY", exceptions)];
            let proxy = selected("http://www.example.org/", &env).unwrap();
            assert_eq!(proxy.is_none(), direct, "{exceptions:?}");
        }
        let env = [("http_proxy", "proxy:1"), ("no_proxy", "127.0.0.1,localhost")];
        assert_eq!(selected("http://127.0.0.1:8080/", &env).unwrap(), None);
    }

    #[test]
    fn the_proxys_credentials_are_kept() {
        let env = |name: &str| (name == "http_proxy").then(|| "http://user:p%40ss@proxy:1".to_owned());
        let proxy = select(&"http://x/".parse().unwrap(), env).unwrap().unwrap();
        assert_eq!((proxy.username(), proxy.password()), (Some("user"), Some("p@ss")));
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_an_error_and_never_passed_over() {
        for value in ["socks5://secret@x:1", "ftp://secret@x", "http://sec ret@x", "http://"] {
            let error = selected("http://x/", &[("http_proxy", value)]).unwrap_err();
            assert!(matches!(error, HttpSetupError::Proxy { variable: "http_proxy", .. }), "{value}");
            assert!(!format!("{error} {error:?}").contains("sec"), "{error}");
        }
    }
}
