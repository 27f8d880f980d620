//! By way of a proxy.

use std::io::{BufReader, Write};

use ureq::Proxy;

use super::server::{OK, Server, read_request};
use super::*;

const PLAIN: &str = "http://receiver.invalid/in?a=b";
const SECURE: &str = "https://receiver.invalid/in";

/// A proxy that answers the request for a tunnel, and then is the receiver itself.
fn proxy(answer: &'static str) -> Server {
    Server::start(move |stream, requests| {
        let mut reader = BufReader::new(stream);
        let Some(request) = read_request(&mut reader) else { return };
        let _ = requests.send(request);
        reader.get_mut().write_all(answer.as_bytes()).unwrap();
    })
}

fn send_through(server: &Server, url: &str) -> Outcome {
    let options = options(url, PATIENT);
    let proxy = Proxy::new(&format!("http://user:secret@127.0.0.1:{}", server.port)).unwrap();
    let uri = url::parse(&options.url).unwrap();
    HttpSink::with_proxy(options, uri, Some(proxy)).unwrap().send(&batch(b"1\n"), 1)
}

#[test]
fn a_proxy_that_opens_no_tunnel_is_named_and_tried_later() {
    let server = proxy("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
    let reason = later(send_through(&server, SECURE));
    assert!(
        reason.contains("407") && reason.contains(&format!("proxy 127.0.0.1:{}", server.port)),
        "{reason}"
    );
    assert!(!reason.contains("secret"), "{reason}");
}

#[test]
fn a_plain_url_goes_through_a_proxy_in_absolute_form() {
    let server = Server::answering(&[OK]);
    assert_eq!(send_through(&server, PLAIN), delivered());
    let request = server.requests.recv().unwrap();
    assert_eq!(request.head[0], "POST http://receiver.invalid/in?a=b HTTP/1.1");
    assert_eq!(request.header("host"), Some("receiver.invalid"));
    assert!(request.header("proxy-authorization").is_some_and(|value| value.starts_with("Basic ")));
    assert_eq!(request.body, b"1\n");
}

#[test]
fn one_connection_to_the_proxy_serves_a_whole_run_of_plain_requests() {
    let server = Server::answering(&[OK]);
    let options = options("http://receiver.invalid:8080/in", PATIENT);
    let proxy = Proxy::new(&format!("http://127.0.0.1:{}", server.port)).unwrap();
    let uri = url::parse(&options.url).unwrap();
    let mut sink = HttpSink::with_proxy(options, uri, Some(proxy)).unwrap();
    let body = vec![b'7'; 300_000];
    for _ in 0..5 {
        assert_eq!(sink.send(&batch(&body), 1), delivered());
        let request = server.requests.recv().unwrap();
        assert_eq!(request.head[0], "POST http://receiver.invalid:8080/in HTTP/1.1");
        assert_eq!(request.header("host"), Some("receiver.invalid:8080"));
        assert_eq!(request.header("proxy-authorization"), None);
        assert!(request.body == body);
    }
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_secure_url_goes_through_a_tunnel_and_the_receiver_does_not_learn_the_proxys_password() {
    let server = proxy("HTTP/1.1 200 Connection established\r\n\r\n");
    // It hangs up where the receiver would begin with TLS.
    later(send_through(&server, SECURE));
    let tunnel = server.requests.recv().unwrap();
    assert_eq!(tunnel.head[0], "CONNECT receiver.invalid:443 HTTP/1.1");
    assert!(tunnel.header("proxy-authorization").is_some_and(|value| value.starts_with("Basic ")));
}

#[test]
fn a_proxy_that_wants_other_credentials_is_a_wrong_set_up() {
    let server =
        Server::answering(&["HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"]);
    let Outcome::WrongSetup { reason } = send_through(&server, PLAIN) else { panic!() };
    assert!(
        reason.contains("407") && reason.contains("HTTP_PROXY") && !reason.contains("secret"),
        "{reason}"
    );
}
