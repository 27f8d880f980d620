//! The one place where a request is built.

use ureq::http::header::CONTENT_TYPE;
use ureq::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};

use super::super::Batch;

/// The program and its version.
pub(super) const USER_AGENT: &str = concat!("edgesync/", env!("CARGO_PKG_VERSION"));

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const JOURNAL: HeaderName = HeaderName::from_static("edgesync-journal");
const FIRST_SEQ: HeaderName = HeaderName::from_static("edgesync-first-seq");
const LAST_SEQ: HeaderName = HeaderName::from_static("edgesync-last-seq");
const PREV_SEQ: HeaderName = HeaderName::from_static("edgesync-prev-seq");
const FORMER_JOURNAL: HeaderName = HeaderName::from_static("edgesync-former-journal");
const FORMER_LAST_SEQ: HeaderName = HeaderName::from_static("edgesync-former-last-seq");

/// What all requests have in common.
#[derive(Debug)]
pub(super) struct RequestBuilder {
    uri: Uri,
    headers: HeaderMap,
}

impl RequestBuilder {
    /// `headers` are the user's, checked.
    pub fn new(uri: Uri, headers: HeaderMap) -> Self {
        Self { uri, headers }
    }

    /// The request for one batch. That its body goes with a `Content-Length`, not in chunks, follows from its being a slice.
    pub fn build<'a>(&self, batch: &'a Batch) -> Request<&'a [u8]> {
        let mut request = Request::new(batch.body.as_slice());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        let headers = request.headers_mut();
        *headers = self.headers.clone();
        headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(batch.format.content_type()));
        headers.insert(IDEMPOTENCY_KEY, value(&format!("\"{}\"", batch.idempotency_key())));
        headers.insert(JOURNAL, value(&batch.journal.to_string()));
        headers.insert(FIRST_SEQ, batch.first.get().into());
        headers.insert(LAST_SEQ, batch.last.get().into());
        headers.insert(PREV_SEQ, batch.previous.map_or(0, |seq| seq.get()).into());
        if let Some(former) = &batch.former {
            headers.insert(FORMER_JOURNAL, value(&former.id.to_string()));
            headers.insert(FORMER_LAST_SEQ, former.last.map_or(0, |seq| seq.get()).into());
        }
        request
    }
}

#[expect(clippy::expect_used, reason = "a UUID and numbers have no character that a header cannot carry")]
fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("hexadecimal digits, hyphens, colons and quotes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Seq;
    use crate::sink::BodyFormat;
    use uuid::Uuid;

    fn batch() -> Batch {
        Batch {
            journal: Uuid::from_u128(0x0192_3f6c_8e4b_7d10_9a55_0c1d_2e3f_4a5b),
            first: Seq::new(501).unwrap(),
            last: Seq::new(1000).unwrap(),
            previous: Seq::new(500),
            former: None,
            format: BodyFormat::Ndjson,
            body: b"{}\n".to_vec(),
        }
    }

    fn builder() -> RequestBuilder {
        RequestBuilder::new("http://x/ingest".parse().unwrap(), HeaderMap::new())
    }

    #[test]
    fn a_request_has_the_documented_headers_and_no_others() {
        let batch = batch();
        let request = builder().build(&batch);
        assert_eq!((request.method(), request.uri().path()), (&Method::POST, "/ingest"));
        assert_eq!(*request.body(), b"{}\n");
        let mut headers: Vec<_> =
            request.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        headers.sort_unstable();
        assert_eq!(
            headers,
            [
                ("content-type", "application/x-ndjson"),
                ("edgesync-first-seq", "501"),
                ("edgesync-journal", "01923f6c-8e4b-7d10-9a55-0c1d2e3f4a5b"),
                ("edgesync-last-seq", "1000"),
                ("edgesync-prev-seq", "500"),
                ("idempotency-key", "\"01923f6c-8e4b-7d10-9a55-0c1d2e3f4a5b:501-1000\""),
            ]
        );
    }

    #[test]
    fn a_batch_of_a_renewed_journal_names_the_former_one() {
        let former = crate::sink::FormerJournal { id: Uuid::from_u128(7), last: Seq::new(60) };
        let batch = Batch { former: Some(former), ..batch() };
        let headers = builder().build(&batch).into_parts().0.headers;
        assert_eq!(headers["edgesync-former-journal"], "00000000-0000-0000-0000-000000000007");
        assert_eq!(headers["edgesync-former-last-seq"], "60");
    }

    #[test]
    fn the_first_batch_of_all_follows_seq_0() {
        let batch = Batch { previous: None, format: BodyFormat::Array, ..batch() };
        let headers = builder().build(&batch).into_parts().0.headers;
        assert_eq!(headers["edgesync-prev-seq"], "0");
        assert_eq!(headers["content-type"], "application/json");
    }

    #[test]
    fn a_user_may_name_another_content_type() {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        let batch = batch();
        let request = RequestBuilder::new("http://x/".parse().unwrap(), headers).build(&batch);
        assert_eq!(request.headers().get_all(CONTENT_TYPE).iter().collect::<Vec<_>>(), ["text/plain"]);
    }
}
