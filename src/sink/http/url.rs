//! Checking the receiver's URL before anything is done with it.

use ureq::http::Uri;

use super::HttpSetupError;

/// The URL as one that can be sent to, or what is wrong with it.
pub(super) fn parse(given: &str) -> Result<Uri, HttpSetupError> {
    let url = || given.to_owned();
    let Some((scheme, rest)) = given.split_once("://").filter(|(scheme, _)| is_scheme(scheme)) else {
        // Even here a message must not repeat `user:secret@host`.
        refuse_credentials(given)?;
        return Err(HttpSetupError::NoScheme { url: url() });
    };
    refuse_credentials(rest)?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err(HttpSetupError::UnknownScheme { url: url(), scheme: scheme.into() });
    }
    let authority = authority_of(rest);
    if authority.is_empty() || authority.starts_with(':') {
        return Err(HttpSetupError::NoHost { url: url() });
    }
    let uri = format!("{}://{rest}", scheme.to_ascii_lowercase())
        .parse::<Uri>()
        .map_err(|error| HttpSetupError::BadUrl { url: url(), reason: error.to_string() })?;
    // An unreadable port would otherwise silently be the default one.
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
    if has_port && uri.port_u16().is_none_or(|port| port == 0) {
        return Err(HttpSetupError::BadPort { url: url() });
    }
    Ok(uri)
}

/// The host for messages, with its port if the URL has one.
pub(super) fn host(uri: &Uri) -> &str {
    uri.authority().map_or("the receiver", |authority| authority.as_str())
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

fn authority_of(rest: &str) -> &str {
    rest.find(['/', '?', '#']).map_or(rest, |end| &rest[..end])
}

fn refuse_credentials(rest: &str) -> Result<(), HttpSetupError> {
    match authority_of(rest).rsplit_once('@') {
        Some((_, host)) => Err(HttpSetupError::CredentialsInUrl { host: host.into() }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_urls_are_taken() {
        for (given, uri) in [
            ("http://127.0.0.1:8080/ingest", "http://127.0.0.1:8080/ingest"),
            ("HTTPS://Example.org", "https://Example.org/"),
            ("https://[::1]:8443/a?b=c@d", "https://[::1]:8443/a?b=c@d"),
            ("https://[::1]/", "https://[::1]/"),
            ("http://h/p://q", "http://h/p://q"),
        ] {
            assert_eq!(parse(given).unwrap().to_string(), uri, "{given}");
        }
    }

    #[test]
    fn bad_urls_are_refused_for_the_reason_that_is_theirs() {
        use HttpSetupError::*;
        type Expected = fn(&HttpSetupError) -> bool;
        let cases: [(&str, Expected); 16] = [
            ("", |error| matches!(error, NoScheme { .. })),
            ("example.org/ingest", |error| matches!(error, NoScheme { .. })),
            ("localhost:8080", |error| matches!(error, NoScheme { .. })),
            ("://x", |error| matches!(error, NoScheme { .. })),
            ("ftp://x/", |error| matches!(error, UnknownScheme { scheme, .. } if scheme == "ftp")),
            ("htps://x/", |error| matches!(error, UnknownScheme { .. })),
            ("http://", |error| matches!(error, NoHost { .. })),
            ("http:///path", |error| matches!(error, NoHost { .. })),
            ("http://:80/", |error| matches!(error, NoHost { .. })),
            ("http://x:99999/", |error| matches!(error, BadPort { .. })),
            ("http://x:0/", |error| matches!(error, BadPort { .. })),
            ("http://x:/", |error| matches!(error, BadPort { .. })),
            ("http://x y/", |error| matches!(error, BadUrl { .. })),
            ("http://x/\r\nHost: y", |error| matches!(error, BadUrl { .. })),
            ("http://u:pw@x/", |error| matches!(error, CredentialsInUrl { host } if host == "x")),
            ("u:pw@x/", |error| matches!(error, CredentialsInUrl { .. })),
        ];
        for (given, expected) in cases {
            let error = parse(given).unwrap_err();
            assert!(expected(&error), "{given:?}: {error:?}");
            assert!(error.hint().is_some(), "{given:?}");
            assert!(!format!("{error} {error:?}").contains("pw"), "{error}");
        }
    }

    #[test]
    fn a_missing_scheme_is_suggested() {
        assert!(parse("example.org/x").unwrap_err().hint().unwrap().contains("https://example.org/x"));
        assert!(parse("localhost:80/x").unwrap_err().hint().unwrap().contains("http://localhost:80/x"));
    }
}
