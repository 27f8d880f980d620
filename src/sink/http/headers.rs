//! Checking the headers that a user adds.

use ureq::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use ureq::http::{HeaderMap, HeaderName, HeaderValue};

use super::HttpSetupError;

/// What frames the request, belongs to the connection, or names the batch. A second opinion about any of these would
/// break the request or, worse, what the receiver makes of it. `Content-Encoding` is one: bodies go as they are.
const RESERVED: [&str; 11] = [
    "connection",
    "content-encoding",
    "content-length",
    "expect",
    "host",
    "idempotency-key",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The prefix of the sink's own headers.
const RESERVED_PREFIX: &str = "edgesync-";

/// What a request can have one of only.
const SINGLE: [HeaderName; 4] = [ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT];

/// More than any receiver takes, and little enough for the client's buffers.
const BYTES_MAX: usize = 32 * 1024;
const COUNT_MAX: usize = 1000;

/// The user's headers and the token, as they are sent.
pub(super) fn check(headers: &[(String, String)], token: Option<&str>) -> Result<HeaderMap, HttpSetupError> {
    let token_bytes = token.map_or(0, str::len);
    let bytes = headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() + token_bytes;
    if bytes > BYTES_MAX || headers.len() > COUNT_MAX {
        return Err(HttpSetupError::HeadersTooLarge);
    }
    let mut map = HeaderMap::with_capacity(headers.len() + 1);
    for (name, value) in headers {
        let (name, value) = header(name.trim(), value.trim())?;
        if SINGLE.contains(&name) && map.contains_key(&name) {
            return Err(HttpSetupError::HeaderTwice { name: name.to_string() });
        }
        map.append(name, value);
    }
    if let Some(token) = token
        && map.insert(AUTHORIZATION, bearer(token.trim())?).is_some()
    {
        return Err(HttpSetupError::AuthorizationTwice);
    }
    Ok(map)
}

fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), HttpSetupError> {
    let key: HeaderName = name.parse().map_err(|_| HttpSetupError::HeaderName { name: name.into() })?;
    if RESERVED.contains(&key.as_str()) || key.as_str().starts_with(RESERVED_PREFIX) {
        return Err(HttpSetupError::HeaderReserved { name: name.into() });
    }
    let bad = || HttpSetupError::HeaderValue { name: name.into() };
    // Beyond ASCII a header has no encoding that both sides would agree on.
    if !value.is_ascii() {
        return Err(bad());
    }
    let mut value = HeaderValue::from_str(value).map_err(|_| bad())?;
    // Any of them may be a credential; marked, none is shown by Debug.
    value.set_sensitive(true);
    Ok((key, value))
}

fn bearer(token: &str) -> Result<HeaderValue, HttpSetupError> {
    if token.is_empty() {
        return Err(HttpSetupError::Token { reason: "empty" });
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(HttpSetupError::Token { reason: "not one word of printable ASCII" });
    }
    let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
        .map_err(|_| HttpSetupError::Token { reason: "not one word of printable ASCII" })?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_one(name: &str, value: &str) -> Result<HeaderMap, HttpSetupError> {
        check(&[(name.into(), value.into())], None)
    }

    #[test]
    fn good_headers_are_taken_in_order() {
        let headers = [("X-Tag", "a"), ("x-tag", " b "), ("Content-Type", "text/plain"), ("X-Empty", "")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let map = check(&headers, Some("s3cret=\n")).unwrap();
        assert_eq!(map.get_all("X-Tag").iter().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(map["content-type"], "text/plain");
        assert_eq!(map["x-empty"], "");
        assert_eq!(map["authorization"], "Bearer s3cret=");
        assert!(!format!("{map:?}").contains("s3cret"));
    }

    #[test]
    fn headers_of_the_sink_itself_are_refused() {
        for name in
            ["Content-Length", "HOST", "transfer-encoding", "Idempotency-Key", "Edgesync-Anything", "Expect"]
        {
            assert!(matches!(check_one(name, "1"), Err(HttpSetupError::HeaderReserved { .. })), "{name}");
        }
    }

    #[test]
    fn headers_that_are_none_are_refused_without_repeating_their_value() {
        for name in ["", "a b", "a:b", "a\r\nb", "é"] {
            assert!(matches!(check_one(name, "1"), Err(HttpSetupError::HeaderName { .. })), "{name:?}");
        }
        for value in ["secret\r\nX: y", "secret\n\tx", "secret\0", "secreté"] {
            let error = check_one("X-Key", value).unwrap_err();
            assert!(matches!(error, HttpSetupError::HeaderValue { .. }), "{value:?}");
            assert!(!format!("{error} {error:?}").contains("secret"));
        }
    }

    #[test]
    fn what_a_request_has_once_is_not_given_twice() {
        let twice = [("Accept".to_owned(), "a".to_owned()), ("accept".to_owned(), "b".to_owned())];
        assert!(matches!(check(&twice, None), Err(HttpSetupError::HeaderTwice { .. })));
        let header = [("Authorization".to_owned(), "Basic eA==".to_owned())];
        assert!(check(&header, None).is_ok());
        assert!(matches!(check(&header, Some("t")), Err(HttpSetupError::AuthorizationTwice)));
    }

    #[test]
    fn headers_without_measure_are_refused() {
        let many = vec![("X".to_owned(), "1".to_owned()); 100_000];
        assert!(matches!(check(&many, None), Err(HttpSetupError::HeadersTooLarge)));
        assert!(matches!(check_one("X", &"x".repeat(1 << 20)), Err(HttpSetupError::HeadersTooLarge)));
        assert!(matches!(check(&[], Some(&"x".repeat(1 << 20))), Err(HttpSetupError::HeadersTooLarge)));
    }

    #[test]
    fn a_token_is_one_word() {
        for token in ["", " \n", "a b", "a\nb", "a\u{e9}"] {
            assert!(matches!(check(&[], Some(token)), Err(HttpSetupError::Token { .. })), "{token:?}");
        }
    }
}
