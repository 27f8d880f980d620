//! What a request looks like: headers, bodies, credentials, TLS.

use std::fs;

use crate::harness::{Authority, Receiver, Sandbox, readings, records};

fn journal_id(sandbox: &Sandbox) -> String {
    let text = fs::read_to_string(sandbox.journal().join("journal.json")).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    value["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_request_has_the_documented_headers_and_body() {
    let sandbox = Sandbox::new();
    sandbox.append([r#"{"a": 1}"#, "2", "3"]);
    let receiver = Receiver::accepting();
    let url = receiver.url() + "?site=7";
    sandbox.replay_to_url(&url).args(["--batch-size", "2"]).run().exits(0);
    let id = journal_id(&sandbox);
    let requests = receiver.requests();
    assert_eq!(requests.len(), 2);
    for (request, first, last, body) in [(&requests[0], 1, 2, "{\"a\": 1}\n2\n"), (&requests[1], 3, 3, "3\n")]
    {
        assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/ingest?site=7"));
        assert_eq!(request.header("Content-Type"), Some("application/x-ndjson"));
        assert_eq!(request.header("Idempotency-Key"), Some(format!("\"{id}:{first}-{last}\"").as_str()));
        assert_eq!(request.header("Edgesync-Journal"), Some(id.as_str()));
        assert_eq!((request.first(), request.last()), (first, last));
        assert_eq!(String::from_utf8_lossy(&request.body), body);
    }
    assert_eq!(requests[0].previous(), 0);
    assert_eq!(requests[1].previous(), 2);
}

/// The bodies of a replay of `1` and `{"a":2}` in this format, and their content types.
fn bodies(sandbox: &Sandbox, format: &str) -> Vec<(String, String)> {
    sandbox.append(["1", r#"{"a":2}"#]);
    let receiver = Receiver::accepting();
    sandbox.replay_to(&receiver).args(["--body", format]).run().exits(0);
    let body_and_type = |request: crate::harness::Request| {
        let kind = request.header("Content-Type").expect("a content type").to_owned();
        (String::from_utf8(request.body).unwrap(), kind)
    };
    receiver.requests().into_iter().map(body_and_type).collect()
}

#[test]
fn a_body_of_records_has_whole_records_line_by_line() {
    let sandbox = Sandbox::new();
    let sent = bodies(&sandbox, "records");
    let expected: Vec<u8> =
        records(&sandbox.journal()).iter().flat_map(|it| [&it.line[..], b"\n"].concat()).collect();
    assert_eq!(sent, [(String::from_utf8(expected).unwrap(), "application/x-ndjson".to_owned())]);
}

#[test]
fn a_body_array_is_one_json_array() {
    let sent = bodies(&Sandbox::new(), "array");
    assert_eq!(sent.len(), 1);
    let value: serde_json::Value = serde_json::from_str(&sent[0].0).unwrap();
    assert_eq!(value, serde_json::json!([1, {"a": 2}]));
    assert_eq!(sent[0].1, "application/json");
}

#[test]
fn a_body_single_is_one_payload_and_nothing_else() {
    let sent = bodies(&Sandbox::new(), "single");
    let json = || "application/json".to_owned();
    assert_eq!(sent, [("1".to_owned(), json()), (r#"{"a":2}"#.to_owned(), json())]);
}

#[test]
fn an_array_keeps_the_bytes_of_its_payloads() {
    let sandbox = Sandbox::new();
    let payloads = [r#"{"b":1e400,"b":1.10}"#, r#""\u00e9\/""#];
    sandbox.append(payloads);
    let receiver = Receiver::accepting();
    sandbox.replay_to(&receiver).args(["--body", "array"]).run().exits(0);
    let body = String::from_utf8(receiver.requests().remove(0).body).unwrap();
    for payload in payloads {
        assert!(body.contains(payload), "{payload} in {body}");
    }
}

#[test]
fn batch_bytes_hold_for_every_body_format() {
    for format in ["ndjson", "records", "array", "single"] {
        let sandbox = Sandbox::new();
        sandbox.append(readings(50, 100));
        let receiver = Receiver::accepting();
        sandbox.replay_to(&receiver).args(["--body", format, "--batch-bytes", "1000"]).run().exits(0);
        let requests = receiver.requests();
        assert!(requests.iter().all(|request| request.body.len() <= 1000), "--body {format}");
        assert!(requests.iter().map(|it| it.last() - it.first() + 1).sum::<u64>() == 50, "--body {format}");
    }
}

#[test]
fn headers_come_from_the_command_line_from_a_file_and_from_a_token_file() {
    let sandbox = Sandbox::new();
    sandbox.append(["1"]);
    let headers = sandbox.path("headers");
    fs::write(&headers, "X-Api-Key: s3cret-key\nX-Site: north\n").unwrap();
    let token = sandbox.path("token");
    fs::write(&token, "s3cret-token\n").unwrap();
    let receiver = Receiver::accepting();
    let replay = sandbox.replay_to(&receiver).args(["-v", "--header", "X-Device: cam 7"]);
    let output = replay.arg_path("--header-file", &headers).arg_path("--token-file", &token).run();
    output.exits(0).does_not_say("s3cret");
    let request = &receiver.requests()[0];
    assert_eq!(request.header("X-Device"), Some("cam 7"));
    assert_eq!(request.header("X-Api-Key"), Some("s3cret-key"));
    assert_eq!(request.header("X-Site"), Some("north"));
    assert_eq!(request.header("Authorization"), Some("Bearer s3cret-token"));
}

#[test]
fn a_certificate_is_verified_and_an_authority_can_be_named() {
    let sandbox = Sandbox::new();
    sandbox.append(["1", "2"]);
    let authority = Authority::new();
    let receiver = Receiver::accepting_tls(&authority);
    sandbox.replay_to(&receiver).args(["--retries", "1"]).run().exits(4).says("certificate");
    assert_eq!(receiver.request_count(), 0);
    sandbox.stats().shows([("pending", 2), ("dead_lettered", 0)]);

    let certificate = authority.write_certificate(sandbox.path("ca.pem"));
    sandbox.replay_to(&receiver).arg_path("--ca-cert", &certificate).run().exits(0);
    receiver.assert_in_order_once(&["1", "2"]);

    let stranger = Receiver::accepting_tls(&Authority::new());
    sandbox.append(["3"]);
    let other = sandbox.replay_to(&stranger).args(["--retries", "0"]).arg_path("--ca-cert", &certificate);
    other.run().exits(4);
    assert_eq!(stranger.request_count(), 0);
}
