//! A scripted HTTP/1.1 server on the loopback: it answers as the test says and remembers every request.

use std::collections::BTreeMap;
use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::tls::{Authority, Guise};
use super::{Answer, Request};

/// A request, and whether its answer was a 2xx (false while there is none yet).
#[derive(Debug, Clone)]
struct Exchange {
    request: Request,
    accepted: bool,
}

type Script = Box<dyn Fn(&Request) -> Answer + Send + Sync>;

struct Shared {
    script: Script,
    guise: Guise,
    exchanges: Mutex<Vec<Exchange>>,
    /// Connections that are closed before a byte is read.
    hang_ups: AtomicUsize,
    connections: AtomicUsize,
    in_flight: AtomicUsize,
    in_flight_max: AtomicUsize,
    faults: Mutex<Vec<String>>,
    ended: AtomicBool,
}

/// Listens until it is dropped. One thread a connection; each request is read within bounds.
pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Receiver {
    /// Answers each request as this function says.
    pub fn with(script: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        Self::start(Box::new(script), Guise::Plain)
    }

    /// Takes everything.
    pub fn accepting() -> Self {
        Self::with(|_| Answer::new(204))
    }

    /// Gives these answers, one a request, then takes everything.
    pub fn answering<A: Into<Answer>>(answers: impl IntoIterator<Item = A>) -> Self {
        let answers: Mutex<Vec<Answer>> = Mutex::new(answers.into_iter().map(Into::into).collect());
        Self::with(move |_| {
            let mut left = answers.lock().unwrap();
            if left.is_empty() { Answer::new(204) } else { left.remove(0) }
        })
    }

    /// Gives this answer, whatever comes.
    pub fn always(answer: impl Into<Answer>) -> Self {
        let answer = answer.into();
        Self::with(move |_| answer.clone())
    }

    /// Closes this many connections before it reads anything, then takes everything.
    pub fn hanging_up(times: usize) -> Self {
        let receiver = Self::accepting();
        receiver.shared.hang_ups.store(times, Ordering::SeqCst);
        receiver
    }

    /// Takes everything, over TLS, with a certificate for `localhost` from this authority.
    pub fn accepting_tls(authority: &Authority) -> Self {
        Self::start(Box::new(|_| Answer::new(204)), authority.guise())
    }

    fn start(script: Script, guise: Guise) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on the loopback");
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            script,
            guise,
            exchanges: Mutex::default(),
            hang_ups: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            in_flight: AtomicUsize::new(0),
            in_flight_max: AtomicUsize::new(0),
            faults: Mutex::default(),
            ended: AtomicBool::new(false),
        });
        let theirs = Arc::clone(&shared);
        thread::spawn(move || listen(&listener, &theirs));
        Self { address, shared }
    }

    pub fn url(&self) -> String {
        match self.shared.guise {
            Guise::Plain => format!("http://127.0.0.1:{}/ingest", self.address.port()),
            Guise::Tls(_) => format!("https://localhost:{}/ingest", self.address.port()),
        }
    }

    /// Every request so far, in the order of arrival.
    pub fn requests(&self) -> Vec<Request> {
        self.exchanges().into_iter().map(|exchange| exchange.request).collect()
    }

    /// Every request that was answered with a 2xx.
    pub fn accepted(&self) -> Vec<Request> {
        self.exchanges()
            .into_iter()
            .filter(|exchange| exchange.accepted)
            .map(|exchange| exchange.request)
            .collect()
    }

    #[track_caller]
    fn exchanges(&self) -> Vec<Exchange> {
        let faults = self.shared.faults.lock().unwrap();
        assert!(faults.is_empty(), "requests that are not HTTP: {faults:?}");
        self.shared.exchanges.lock().unwrap().clone()
    }

    pub fn request_count(&self) -> usize {
        self.shared.exchanges.lock().unwrap().len()
    }

    /// How often somebody connected.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// The most requests that were under way at the same time.
    pub fn in_flight_max(&self) -> usize {
        self.shared.in_flight_max.load(Ordering::SeqCst)
    }

    /// The entries of all accepted requests, in the order of arrival, repetitions and all.
    #[track_caller]
    pub fn entries(&self) -> Vec<(u64, Vec<u8>)> {
        self.accepted().iter().flat_map(Request::entries).collect()
    }

    /// Exactly these payloads were taken, with seqs from 1 on, each once and in order.
    #[track_caller]
    pub fn assert_in_order_once<S: AsRef<str>>(&self, payloads: &[S]) {
        assert_numbered_from_one(&self.entries(), payloads);
    }

    /// Exactly these payloads were taken, with seqs from 1 on. Some came more than once, in the same batch with the same
    /// key and the same bytes; their first arrivals are in order.
    #[track_caller]
    pub fn assert_in_order_with_repetitions<S: AsRef<str>>(&self, payloads: &[S]) {
        self.assert_repetitions_are_identical();
        let mut next = 1;
        let mut once = Vec::new();
        for (seq, payload) in self.entries() {
            assert!(seq <= next, "entry {seq} came before entry {next}");
            if seq == next {
                once.push((seq, payload));
                next += 1;
            }
        }
        assert_numbered_from_one(&once, payloads);
    }

    /// Two requests, answered or not, that have an entry in common are the same in boundaries, key and bytes.
    #[track_caller]
    pub fn assert_repetitions_are_identical(&self) {
        let mut seen: BTreeMap<u64, Request> = BTreeMap::new();
        for request in self.requests() {
            let (first, last) = (request.first(), request.last());
            if let Some(earlier) = seen.get(&first) {
                assert_eq!(earlier.key(), request.key(), "the key of a batch that is sent again");
                assert_eq!(earlier.last(), last, "the end of a batch that is sent again");
                assert!(
                    earlier.body == request.body,
                    "the bytes of {} differ when it is sent again",
                    request.key()
                );
                continue;
            }
            let before = seen.range(..first).next_back().is_none_or(|(_, earlier)| earlier.last() < first);
            let after = seen.range(first..).next().is_none_or(|(later, _)| last < *later);
            assert!(before && after, "{} overlaps a batch that was sent before", request.key());
            seen.insert(first, request);
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // The listening thread looks at `ended` when somebody connects.
        let _ = TcpStream::connect(self.address);
    }
}

#[track_caller]
fn assert_numbered_from_one<S: AsRef<str>>(entries: &[(u64, Vec<u8>)], payloads: &[S]) {
    for (index, ((seq, payload), expected)) in entries.iter().zip(payloads).enumerate() {
        assert_eq!(*seq, index as u64 + 1, "the seq of entry {} in the order of arrival", index + 1);
        assert_eq!(String::from_utf8_lossy(payload), expected.as_ref(), "the payload of entry {seq}");
    }
    assert_eq!(entries.len(), payloads.len(), "the number of entries that arrived");
}

fn listen(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.ended.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        shared.connections.fetch_add(1, Ordering::SeqCst);
        let hangs_up = |left: usize| left.checked_sub(1);
        if shared.hang_ups.fetch_update(Ordering::SeqCst, Ordering::SeqCst, hangs_up).is_ok() {
            continue;
        }
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
            stream.set_nodelay(true).unwrap();
            match &shared.guise {
                Guise::Plain => converse(stream, &shared),
                // A handshake that fails is the client's good right: it may not trust us.
                Guise::Tls(config) => match rustls::ServerConnection::new(Arc::clone(config)) {
                    Ok(session) => converse(rustls::StreamOwned::new(session, stream), &shared),
                    Err(error) => shared.faults.lock().unwrap().push(error.to_string()),
                },
            }
        });
    }
}

/// Reads requests and answers them until either side has enough.
fn converse(stream: impl Read + Write, shared: &Shared) {
    let mut stream = BufReader::new(stream);
    loop {
        let request = match Request::read(&mut stream) {
            Ok(Some(request)) => request,
            Ok(None) => return,
            Err(error) => {
                // A killed sender breaks off anywhere; only what cannot come of that is a fault.
                if error.kind() == std::io::ErrorKind::Other {
                    shared.faults.lock().unwrap().push(error.to_string());
                }
                return;
            }
        };
        let under_way = shared.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        shared.in_flight_max.fetch_max(under_way, Ordering::SeqCst);
        let index = {
            let mut exchanges = shared.exchanges.lock().unwrap();
            exchanges.push(Exchange { request: request.clone(), accepted: false });
            exchanges.len() - 1
        };
        let answer = (shared.script)(&request);
        thread::sleep(answer.delay);
        shared.exchanges.lock().unwrap()[index].accepted = answer.is_accepting();
        shared.in_flight.fetch_sub(1, Ordering::SeqCst);
        if !answer.write(stream.get_mut()).unwrap_or(false) {
            return;
        }
    }
}
