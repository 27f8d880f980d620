//! By way of a proxy.

use std::io::{BufReader, Write};

use ureq::Proxy;

use super::server::{OK, Server, read_request};
use super::*;

/// A proxy that opens a tunnel to a receiver, which is itself.
fn proxy(answer: &'static str) -> Server {
    Server::start(move |stream, requests| {
        let mut reader = BufReader::new(stream);
        for answer in [answer, OK] {
            let Some(request) = read_request(&mut reader) else { return };
            let _ = requests.send(request);
            reader.get_mut().write_all(answer.as_bytes()).unwrap();
        }
    })
}

fn send_through(server: &Server) -> Outcome {
    let options = options("http://receiver.invalid/in", PATIENT);
    let proxy = Proxy::new(&format!("http://user:secret@127.0.0.1:{}", server.port)).unwrap();
    let uri = url::parse(&options.url).unwrap();
    HttpSink::with_proxy(options, uri, Some(proxy)).unwrap().send(&batch(b"1\n"), 1)
}

#[test]
fn a_batch_goes_through_the_tunnel_that_the_proxy_opens() {
    let server = proxy("HTTP/1.1 200 Connection established\r\n\r\n");
    assert_eq!(send_through(&server), delivered());
    let tunnel = server.requests.recv().unwrap();
    assert_eq!(tunnel.head[0], "CONNECT receiver.invalid:80 HTTP/1.1");
    assert!(tunnel.header("proxy-authorization").is_some_and(|value| value.starts_with("Basic ")));
    let request = server.requests.recv().unwrap();
    assert_eq!(request.head[0], "POST /in HTTP/1.1");
    assert_eq!(
        request.header("proxy-authorization"),
        None,
        "the receiver does not learn the proxy's password"
    );
    assert_eq!(request.body, b"1\n");
}

#[test]
fn a_proxy_that_opens_no_tunnel_is_named_and_tried_later() {
    let server = proxy("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
    let reason = later(send_through(&server));
    assert!(
        reason.contains("407") && reason.contains(&format!("proxy 127.0.0.1:{}", server.port)),
        "{reason}"
    );
    assert!(!reason.contains("secret"), "{reason}");
}
