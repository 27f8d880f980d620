//! One HTTP request, as the receiver read it.

use std::io::{self, BufRead, Read};
use std::time::Instant;

/// More than any request that a test makes; whoever sends more is at fault.
const HEAD_BYTES_MAX: u64 = 64 * 1024;
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// When the last byte of it had arrived.
    pub at: Instant,
}

impl Request {
    /// Reads the next request of a connection; none if it ends before one begins.
    pub(super) fn read(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut head = reader.by_ref().take(HEAD_BYTES_MAX);
        let Some(first) = read_line(&mut head)? else { return Ok(None) };
        let mut words = first.split(' ').map(str::to_owned);
        let (Some(method), Some(target), Some(_version)) = (words.next(), words.next(), words.next()) else {
            return Err(io::Error::other(format!("not a request line: {first:?}")));
        };
        let mut headers = Vec::new();
        loop {
            let line = read_line(&mut head)?.ok_or(io::ErrorKind::UnexpectedEof)?;
            if line.is_empty() {
                break;
            }
            let (name, value) =
                line.split_once(':').ok_or_else(|| io::Error::other(format!("not a header: {line:?}")))?;
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        let mut request = Self { method, target, headers, body: Vec::new(), at: Instant::now() };
        request.body = vec![0; request.content_length()?];
        reader.read_exact(&mut request.body)?;
        request.at = Instant::now();
        Ok(Some(request))
    }

    fn content_length(&self) -> io::Result<usize> {
        let length = match self.header("Content-Length") {
            Some(text) => text.parse().map_err(io::Error::other)?,
            None if self.header("Transfer-Encoding").is_some() => {
                return Err(io::Error::other("a batch is sent with its length"));
            }
            None => 0,
        };
        if length > BODY_BYTES_MAX {
            return Err(io::Error::other("a body that no test sends"));
        }
        Ok(length)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    #[track_caller]
    fn number(&self, name: &str) -> u64 {
        let value = self.header(name).unwrap_or_else(|| panic!("no {name} in {:?}", self.headers));
        value.parse().unwrap_or_else(|_| panic!("{name} is {value:?}"))
    }

    #[track_caller]
    pub fn first(&self) -> u64 {
        self.number("Edgesync-First-Seq")
    }

    #[track_caller]
    pub fn last(&self) -> u64 {
        self.number("Edgesync-Last-Seq")
    }

    /// The last seq delivered before this batch; 0 if none was.
    #[track_caller]
    pub fn previous(&self) -> u64 {
        if self.header("Edgesync-Prev-Seq").is_some() { self.number("Edgesync-Prev-Seq") } else { 0 }
    }

    #[track_caller]
    pub fn key(&self) -> &str {
        self.header("Idempotency-Key").unwrap_or_else(|| panic!("no Idempotency-Key in {:?}", self.headers))
    }

    /// The payloads of an NDJSON body, each with its seq; as many as the headers say.
    #[track_caller]
    pub fn entries(&self) -> Vec<(u64, Vec<u8>)> {
        let body = self.body.strip_suffix(b"\n").expect("the last line of a body ends with a line feed");
        let lines: Vec<_> = body.split(|&byte| byte == b'\n').collect();
        assert_eq!(lines.len() as u64, self.last() - self.first() + 1, "lines of {}", self.key());
        (self.first()..).zip(lines.into_iter().map(<[u8]>::to_vec)).collect()
    }
}

/// A line without its line end; none if there is nothing more.
fn read_line(reader: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    if !line.ends_with('\n') {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let text = line
        .strip_suffix("\r\n")
        .ok_or_else(|| io::Error::other(format!("a line ends with CRLF: {line:?}")))?;
    Ok(Some(text.to_owned()))
}
