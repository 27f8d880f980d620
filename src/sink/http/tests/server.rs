//! A scripted server.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

pub const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// A server on the loopback, which serves one connection after another until the tests end.
pub struct Server {
    pub url: String,
    pub port: u16,
    pub requests: Receiver<Request>,
    connections: Arc<AtomicUsize>,
}

/// A request as it came.
pub struct Request {
    /// The request line and the headers, names in lower case.
    pub head: Vec<String>,
    pub body: Vec<u8>,
}

impl Server {
    /// Hands every connection to `serve`, with a place to note requests.
    pub fn start(mut serve: impl FnMut(TcpStream, &Sender<Request>) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let (sender, requests) = channel();
        let counter = Arc::clone(&connections);
        thread::spawn(move || {
            for stream in listener.incoming() {
                counter.fetch_add(1, Ordering::SeqCst);
                serve(stream.unwrap(), &sender);
            }
        });
        Self { url: format!("http://127.0.0.1:{port}/ingest"), port, requests, connections }
    }

    /// Reads each request and answers with the next of `answers`, over and over.
    pub fn answering(answers: &'static [&'static str]) -> Self {
        let mut answers = answers.iter().cycle();
        Self::start(move |stream, requests| {
            let mut reader = BufReader::new(stream);
            while let Some(request) = read_request(&mut reader) {
                let _ = requests.send(request);
                reader.get_mut().write_all(answers.next().unwrap().as_bytes()).unwrap();
            }
        })
    }

    /// Writes `bytes` whatever comes, and hangs up once the client has.
    pub fn blurting(bytes: Vec<u8>) -> Self {
        Self::start(move |mut stream, _| {
            if stream.write_all(&bytes).is_ok() {
                let _ = stream.shutdown(std::net::Shutdown::Write);
                let _ = std::io::copy(&mut stream, &mut std::io::sink());
            }
        })
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// The next request of a connection; none if the client is gone.
pub fn read_request(reader: &mut BufReader<impl Read>) -> Option<Request> {
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        let line = line.trim_end();
        head.push(match line.split_once(": ") {
            Some((name, value)) => format!("{}: {value}", name.to_lowercase()),
            None => line.to_owned(),
        });
    }
    let mut request = Request { head, body: Vec::new() };
    let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
    request.body.resize(length, 0);
    reader.read_exact(&mut request.body).ok()?;
    Some(request)
}
