//! The connection under HTTP and TLS: ureq's own TCP transport does not do, for five reasons.
//!
//! - A receiver may answer before it has read the body, and close: 413, 401 and 503 often come so. The write then fails,
//!   but the answer lies in the receive buffer; here it is read. Otherwise "too large" would look like a broken link, and
//!   the batch would be sent again for ever instead of being halved.
//! - The other way round, a success that comes before the receiver has the request is none. So it is noted what had left this
//!   machine when the answer was read: a peer that has read everything acknowledges everything, in the segment of its answer
//!   or before, so that the send queue is empty then; there is no need to look twice. What cannot be told: a request that
//!   fits the peer's receive buffer is acknowledged by the peer's kernel, whether anything reads it or not.
//! - A time-out on each write is none on all of them: a receiver that drains slowly could hold a request for many times
//!   its limit. Here all waiting is `poll` against one deadline.
//! - Waiting ends early when the run is to stop.
//! - ureq resolves the name (on a thread of its own) before each request, even one that goes over an open connection: that is
//!   a question to the name server for each batch. Here a name is resolved when a connection is opened.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::RecvFlags;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::time::Duration as Budget;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport,
};
use ureq::{Error, Timeout};

use super::send_queue::SendQueue;
use crate::stop::Stop;

/// How long a request may still take once somebody has asked to stop: most are answered by then, and need no repetition.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// How often it is looked, during an attempt to connect, whether somebody has asked.
const STOP_POLL: Duration = Duration::from_millis(20);

/// An address gets this long at least, however many there are.
const CONNECT_TIMEOUT_MIN: Duration = Duration::from_millis(100);

/// Opens [`Wire`]s.
#[derive(Debug)]
pub(super) struct WireConnector {
    stop: Stop,
    departure: Departures,
}

/// How much of a request had left this machine when its answer was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Departure {
    /// All of it, as far as the system tells.
    Whole,
    /// So many bytes had not been acknowledged by the peer's system.
    Early(u32),
    /// The connection broke while it was being written, or was reset before it is known to have been acknowledged.
    Broken,
}

/// What the wire notes for the sink, of the request under way.
#[derive(Debug, Clone, Default)]
pub(super) struct Departures(Arc<Mutex<Option<Departure>>>);

impl Departures {
    pub(super) fn note(&self, departure: Departure) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(departure);
    }

    /// Of the request that was just answered. If nothing was noted, nothing can be vouched for.
    pub fn take(&self) -> Departure {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or(Departure::Broken)
    }
}

/// Stands in for a resolver, since [`WireConnector`] resolves for itself: gives an address that nobody uses.
#[derive(Debug)]
pub(super) struct Unresolved;

/// A TCP connection, non-blocking underneath.
#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    buffers: LazyBuffers,
    stop: Stop,
    /// Why the receiver takes no more. Once set, what is left of the request is dropped and only the answer counts.
    write_error: Option<io::Error>,
    /// Something of the request could not be written.
    cut_short: bool,
    /// All that was written is known to have been acknowledged.
    acknowledged: bool,
    departure: Departures,
}

/// While the answer is waited for the send queue is looked at after this long, then after twice as long, and so on: where the
/// peer resets the connection right after its answer, it may be too late to look afterwards.
const FIRST_LOOK: Duration = Duration::from_millis(1);

/// The end of the time that an operation has, and what ureq calls it.
#[derive(Debug, Clone, Copy)]
struct Deadline {
    at: Option<Instant>,
    reason: Timeout,
}

impl WireConnector {
    pub fn new(stop: Stop, departure: Departures) -> Self {
        Self { stop, departure }
    }
}

impl<In: Transport> Connector<In> for WireConnector {
    type Out = Either<In, Wire>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        // What is there already is the tunnel through a proxy.
        if let Some(tunnel) = chained {
            return Ok(Some(Either::A(tunnel)));
        }
        let stream = connect_unless_stopped(details, &self.stop)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let config = details.config;
        let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
        Ok(Some(Either::B(Wire {
            stream,
            buffers,
            stop: self.stop.clone(),
            write_error: None,
            cut_short: false,
            acknowledged: true,
            departure: self.departure.clone(),
        })))
    }
}

impl Resolver for Unresolved {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let mut placeholder = self.empty();
        placeholder.push(SocketAddr::from(([0, 0, 0, 0], 0)));
        Ok(placeholder)
    }
}

/// Resolves the name and connects, on a thread that is left behind if somebody asks to stop: neither can be called off, and
/// nothing has been sent yet that would be worth a grace.
fn connect_unless_stopped(details: &ConnectionDetails<'_>, stop: &Stop) -> Result<TcpStream, Error> {
    if stop.as_fd().is_none() {
        return connect(details.uri, details.config, details.timeout);
    }
    let (uri, config, timeout) = (details.uri.clone(), details.config.clone(), details.timeout);
    let (answer, answered) = sync_channel(1);
    let work = move || drop(answer.send(connect(&uri, &config, timeout)));
    std::thread::Builder::new().name("connect".into()).spawn(work)?;
    while !stop.is_stopped() {
        match answered.recv_timeout(STOP_POLL) {
            Ok(connected) => return connected,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(Error::ConnectionFailed),
        }
    }
    Err(Error::Timeout(timeout.reason))
}

/// Tries the addresses in turn. Each but the last has half of the time that is left, so that one that does not answer,
/// such as an IPv6 address without a route, leaves time for the next.
fn connect(uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<TcpStream, Error> {
    let deadline = Deadline::new(timeout);
    let mut last_error = Error::ConnectionFailed;
    let addresses = DefaultResolver::default().resolve(uri, config, timeout)?;
    let mut remaining = addresses.len();
    for address in &addresses {
        remaining -= 1;
        let connected = match deadline.left() {
            None => TcpStream::connect(address),
            Some(left) if left.is_zero() => break,
            Some(left) => {
                let share = if remaining == 0 { left } else { left / 2 };
                TcpStream::connect_timeout(address, share.max(CONNECT_TIMEOUT_MIN))
            }
        };
        match connected {
            Ok(stream) => return Ok(stream),
            Err(error) if error.kind() == ErrorKind::TimedOut => last_error = Error::Timeout(deadline.reason),
            Err(error) => last_error = error.into(),
        }
    }
    Err(last_error)
}

impl Wire {
    /// Waits until the connection is ready for `what`, or possibly for less: the caller tries again either way. Waits no longer
    /// than `cap`, whose end is no time-out.
    fn wait_for(&self, what: PollFlags, deadline: Deadline, cap: Option<Duration>) -> Result<(), Error> {
        let deadline = deadline.or_stopped(&self.stop);
        let left = deadline.left();
        if left.is_some_and(|left| left.is_zero()) {
            return Err(Error::Timeout(deadline.reason));
        }
        let wait = left.into_iter().chain(cap).min();
        let timeout = wait.and_then(|wait| Timespec::try_from(wait).ok());
        let stream = PollFd::new(&self.stream, what);
        // Once stopped its descriptor is always ready, and would end every wait at once.
        let polled = match self.stop.as_fd().filter(|_| !self.stop.is_stopped()) {
            Some(stop) => {
                poll(&mut [stream, PollFd::from_borrowed_fd(stop, PollFlags::IN)], timeout.as_ref())
            }
            None => poll(&mut [stream], timeout.as_ref()),
        };
        match polled {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(io::Error::from(error).into()),
        }
    }
}

impl Wire {
    fn write_all(&mut self, amount: usize, deadline: Deadline) -> Result<(), Error> {
        let mut sent = 0;
        while sent < amount && self.write_error.is_none() {
            match (&self.stream).write(&self.buffers.output()[sent..amount]) {
                Ok(count) => sent += count,
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => self.wait_for(PollFlags::OUT, deadline, None)?,
                    ErrorKind::Interrupted => {}
                    ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => {
                        self.write_error = Some(error);
                    }
                    _ => return Err(error.into()),
                },
            }
        }
        Ok(())
    }

    /// Waits for input; looks at the send queue now and then, until all that was written is acknowledged.
    fn wait_for_input(&mut self, deadline: Deadline, look_after: &mut Duration) -> Result<(), Error> {
        if self.acknowledged {
            return self.wait_for(PollFlags::IN, deadline, None);
        }
        self.wait_for(PollFlags::IN, deadline, Some(*look_after))?;
        self.acknowledged = SendQueue::of(&self.stream) == SendQueue::Bytes(0);
        *look_after = look_after.saturating_mul(2);
        Ok(())
    }

    /// Notes what had left when something was read: of an answer's header, the end counts.
    fn note_departure(&self) {
        self.departure.note(if self.cut_short {
            Departure::Broken
        } else if self.acknowledged {
            Departure::Whole
        } else {
            match SendQueue::of(&self.stream) {
                SendQueue::Bytes(0) | SendQueue::Unknown => Departure::Whole,
                SendQueue::Bytes(count) => Departure::Early(count),
                SendQueue::Gone => Departure::Broken,
            }
        });
    }
}

impl Transport for Wire {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.acknowledged = false;
        let written = self.write_all(amount, Deadline::new(timeout.for_write()));
        self.cut_short |= written.is_err() || self.write_error.is_some();
        written
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let deadline = Deadline::new(timeout.for_read());
        let mut look_after = FIRST_LOOK;
        loop {
            let result = (&self.stream).read(self.buffers.input_append_buf());
            match result {
                Ok(0) => return self.write_error.take().map_or(Ok(false), |error| Err(error.into())),
                Ok(count) => {
                    self.note_departure();
                    self.buffers.input_appended(count);
                    return Ok(true);
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => self.wait_for_input(deadline, &mut look_after)?,
                    ErrorKind::Interrupted => {}
                    _ => return Err(error.into()),
                },
            }
        }
    }

    /// An idle connection has nothing to be read: neither an end nor bytes that nobody asked for.
    fn is_open(&mut self) -> bool {
        let peeked = retry_on_intr(|| rustix::net::recv(&self.stream, &mut [0], RecvFlags::PEEK).map(drop));
        let quiet = matches!(peeked, Err(Errno::WOULDBLOCK));
        quiet && !self.cut_short
    }
}

impl Deadline {
    fn new(timeout: NextTimeout) -> Self {
        let at = match timeout.after {
            Budget::Exact(left) => Instant::now().checked_add(left),
            Budget::NotHappening => None,
        };
        Self { at, reason: timeout.reason }
    }

    /// The sooner one, if somebody has asked to stop.
    fn or_stopped(self, stop: &Stop) -> Self {
        let stopped = stop.stopped_at().map(|since| since + STOP_GRACE);
        Self { at: self.at.into_iter().chain(stopped).min(), ..self }
    }

    fn left(self) -> Option<Duration> {
        self.at.map(|at| at.saturating_duration_since(Instant::now()))
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_look_at_the_send_queue_that_comes_late_is_no_time_out() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut wire = Wire {
            stream,
            buffers: LazyBuffers::new(64, 64),
            stop: Stop::never(),
            write_error: None,
            cut_short: false,
            acknowledged: false,
            departure: Departures::default(),
        };
        let deadline =
            Deadline { at: Some(Instant::now() + Duration::from_secs(60)), reason: Timeout::Global };
        // The interval is over before the thread gets to wait: it was not scheduled meanwhile.
        let mut look_after = Duration::ZERO;
        wire.wait_for_input(deadline, &mut look_after).unwrap();
    }
}
