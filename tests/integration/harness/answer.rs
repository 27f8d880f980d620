//! What the receiver answers.

use std::io::{self, Write};
use std::time::Duration;

#[derive(Debug, Clone)]
pub struct Answer {
    pub(super) status: Option<u16>,
    pub(super) delay: Duration,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    raw: Option<Vec<u8>>,
}

impl Answer {
    pub fn new(status: u16) -> Self {
        Self { status: Some(status), delay: Duration::ZERO, headers: Vec::new(), body: Vec::new(), raw: None }
    }

    /// Reads the request and closes the connection: the sender cannot know whether it arrived.
    pub fn hang_up() -> Self {
        Self::raw("")
    }

    /// Answers with these bytes, whatever they are, and closes the connection.
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { status: None, raw: Some(bytes.into()), ..Self::new(0) }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Answers only after this time.
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    pub(super) fn is_accepting(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }

    /// Writes it; true if the connection stays open.
    pub(super) fn write(&self, writer: &mut impl Write) -> io::Result<bool> {
        let Some(status) = self.status else {
            writer.write_all(self.raw.as_deref().unwrap_or_default())?;
            writer.flush()?;
            return Ok(false);
        };
        let mut head = format!("HTTP/1.1 {status} Scripted\r\n");
        if status != 204 && status != 304 {
            head.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        writer.write_all(&[head.as_bytes(), self.body.as_slice()].concat())?;
        writer.flush()?;
        Ok(true)
    }
}

impl From<u16> for Answer {
    fn from(status: u16) -> Self {
        Self::new(status)
    }
}
