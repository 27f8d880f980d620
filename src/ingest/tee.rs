//! Passing on what is durable.

use std::io::{self, Write};

/// Lines wait here for the sync that covers them.
pub(super) struct Tee<'a> {
    to: Option<&'a mut (dyn Write + Send)>,
    held: Vec<u8>,
}

/// With so much held back, a sync is due.
const HELD_BYTES_MAX: usize = 1 << 20;

impl<'a> Tee<'a> {
    pub fn new(to: Option<&'a mut (dyn Write + Send)>) -> Self {
        Self { to, held: Vec::new() }
    }

    /// Holds a line back.
    pub fn hold(&mut self, payload: &[u8]) {
        if self.to.is_some() {
            self.held.extend_from_slice(payload);
            self.held.push(b'\n');
        }
    }

    pub fn is_full(&self) -> bool {
        self.held.len() >= HELD_BYTES_MAX
    }

    /// Passes on all that is held back. After an error nothing is held back or passed on any more.
    pub fn pass_on(&mut self) -> io::Result<()> {
        if self.held.is_empty() {
            return Ok(());
        }
        let Some(to) = &mut self.to else { return Ok(()) };
        let passed = to.write_all(&self.held).and_then(|()| to.flush());
        self.held.clear();
        self.held.shrink_to(2 * HELD_BYTES_MAX);
        if passed.is_err() {
            self.to = None;
            self.held = Vec::new();
        }
        passed
    }
}
