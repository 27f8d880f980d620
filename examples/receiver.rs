//! A receiver for `edgesync replay`: takes entries over HTTP, each once and in order, and notices what is missing.
//!
//! ```text
//! receiver [ADDRESS] [--output FILE | --count-only] [--entries N] [--idle SECONDS]
//! ```
//!
//! It listens on ADDRESS (127.0.0.1:8080; with port 0 on a free port), prints where as its first line on stdout, and then
//! writes each entry as `seq<TAB>payload` to FILE or stdout, or keeps none of them. It ends by itself after N entries, or
//! when no request has come for so many seconds, and tells on stderr what it saw.
//!
//! What to take from it for a receiver of your own is in [`Stream::take`]. What it leaves out: it remembers where each
//! journal stood in memory only, and does not sync its file. A receiver that must survive a crash keeps
//! `(journal, last seq)` in the same transaction as the entries, and answers after the commit.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

const BODY_BYTES_MAX: usize = 64 << 20;
/// Small: what is left of a body is read to where it belongs.
const HEAD_BUFFER_BYTES: usize = 8 << 10;
const HEAD_BYTES_MAX: u64 = 64 << 10;

/// How far one journal has come.
#[derive(Default)]
struct Stream {
    /// The last seq that was taken; 0 if none was.
    last: u64,
    /// The key of the last request.
    key: String,
}

/// What all connections share.
struct Desk {
    streams: HashMap<String, Stream>,
    /// None where entries are only counted.
    output: Option<Box<dyn Write + Send>>,
    tally: Tally,
    /// After so many entries the program ends.
    enough: u64,
    /// When the latest request was answered.
    latest: Instant,
}

/// How many entries came to what.
#[derive(Default)]
struct Tally {
    taken: u64,
    repeated: u64,
    dropped: u64,
    lost: u64,
}

/// The headers of one request, as far as they matter here.
#[derive(Default)]
struct Head {
    post: bool,
    journal: String,
    /// What a copied or restored journal was before, and the last seq whose entry is the one that the former journal had.
    former: Option<String>,
    former_last: u64,
    key: String,
    first: u64,
    last: u64,
    previous: u64,
    length: usize,
}

impl Stream {
    /// How many of a batch's first lines to leave out, because they were taken before.
    ///
    /// Delivery is at least once: when an answer was lost on the way back, the batch comes again, with the same key and
    /// the same bytes. Seqs only ever grow, so the last one taken is all that a receiver has to remember.
    fn take(&mut self, head: &Head, tally: &mut Tally) -> u64 {
        let count = head.last - head.first + 1;
        if head.key == self.key || head.last <= self.last {
            tally.repeated += count;
            return count;
        }
        let again = (self.last + 1).saturating_sub(head.first);
        tally.repeated += again;
        tally.taken += count - again;
        // `previous` is the last seq that the sender knows as delivered. What lies between it and this batch was dropped
        // on the record (evicted, dead-lettered, damaged, skipped) and will not come. What was delivered but never got
        // here is lost, unless this receiver has only just begun to listen.
        if self.last > 0 && head.previous > self.last {
            tally.lost += head.previous - self.last;
        }
        tally.dropped += head.first.saturating_sub(head.previous.max(self.last) + 1);
        self.last = head.last;
        self.key.clone_from(&head.key);
        again
    }
}

impl Desk {
    /// Writes a batch's new entries, and hands them to the system before the answer is given.
    fn take(&mut self, head: &Head, body: &[u8]) -> io::Result<u16> {
        let lines = memchr::memchr_iter(b'\n', body).count() as u64;
        if head.first == 0 || head.last < head.first || lines != head.last - head.first + 1 {
            return Ok(400);
        }
        // A renewed journal begins with what its former one has in common with it: later seqs are other entries now.
        let former = head.former.as_ref().and_then(|former| self.streams.get(former));
        let adopted = former.map_or(0, |former| former.last.min(head.former_last));
        let stream = match self.streams.entry(head.journal.clone()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(Stream { last: adopted, key: String::new() }),
        };
        let known = stream.take(head, &mut self.tally);
        let Some(output) = &mut self.output else { return Ok(204) };
        let mut start = 0;
        for (seq, end) in (head.first..).zip(memchr::memchr_iter(b'\n', body)) {
            if seq >= head.first + known {
                write!(output, "{seq}\t")?;
                output.write_all(&body[start..=end])?;
            }
            start = end + 1;
        }
        output.flush()?;
        Ok(204)
    }
}

/// Reads the head of the next request; none when the sender has hung up.
fn read_head(stream: &mut BufReader<TcpStream>, line: &mut String) -> io::Result<Option<Head>> {
    let mut limited = stream.take(HEAD_BYTES_MAX);
    let mut head = Head::default();
    line.clear();
    if limited.read_line(line)? == 0 {
        return Ok(None);
    }
    head.post = line.starts_with("POST ");
    loop {
        line.clear();
        if limited.read_line(line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let Some((name, value)) = line.trim_end().split_once(':') else { return Ok(Some(head)) };
        let value = value.trim();
        let number = || value.parse().map_err(|_| io::Error::other(format!("{name}: {value}")));
        match name.to_ascii_lowercase().as_str() {
            "content-length" => head.length = number()? as usize,
            "edgesync-journal" => head.journal = value.to_owned(),
            "edgesync-first-seq" => head.first = number()?,
            "edgesync-last-seq" => head.last = number()?,
            "edgesync-prev-seq" => head.previous = number()?,
            "edgesync-former-journal" => head.former = Some(value.to_owned()),
            "edgesync-former-last-seq" => head.former_last = number()?,
            "idempotency-key" => head.key = value.to_owned(),
            _ => {}
        }
    }
}

/// Serves one connection, request by request, until the sender hangs up.
fn converse(stream: TcpStream, shared: &(Mutex<Desk>, Condvar)) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::with_capacity(HEAD_BUFFER_BYTES, stream);
    let (mut line, mut body) = (String::new(), Vec::new());
    while let Some(head) = read_head(&mut stream, &mut line)? {
        if head.length > BODY_BYTES_MAX {
            return stream.get_mut().write_all(b"HTTP/1.1 413 Too Large\r\nConnection: close\r\n\r\n");
        }
        body.resize(head.length, 0);
        stream.read_exact(&mut body)?;
        let mut desk = shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        let status = match head.post {
            true => desk.take(&head, &body)?,
            false => 405,
        };
        let answer: &[u8] = match status {
            204 => b"HTTP/1.1 204 No Content\r\n\r\n",
            405 => b"HTTP/1.1 405 Method Not Allowed\r\nAllow: POST\r\nContent-Length: 0\r\n\r\n",
            _ => b"HTTP/1.1 400 Bad Request\r\nContent-Length: 24\r\n\r\nseqs and lines disagree\n",
        };
        stream.get_mut().write_all(answer)?;
        desk.latest = Instant::now();
        if desk.tally.taken >= desk.enough {
            shared.1.notify_all();
        }
    }
    Ok(())
}

struct Options {
    address: String,
    output: Option<String>,
    count_only: bool,
    entries: u64,
    idle: Duration,
}

fn options() -> Result<Options, String> {
    let mut options = Options {
        address: "127.0.0.1:8080".into(),
        output: None,
        count_only: false,
        entries: u64::MAX,
        idle: Duration::MAX,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "--output" => options.output = Some(value()?),
            "--count-only" => options.count_only = true,
            "--entries" => options.entries = value()?.parse().map_err(|_| "--entries needs a number")?,
            "--idle" => {
                options.idle = Duration::from_secs(value()?.parse().map_err(|_| "--idle needs seconds")?);
            }
            address if !address.starts_with('-') => options.address = address.to_owned(),
            other => return Err(format!("{other} is not an option of this example")),
        }
    }
    Ok(options)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = options()?;
    let sink: Box<dyn Write + Send> = match &options.output {
        Some(path) => Box::new(File::options().create(true).append(true).open(path)?),
        None => Box::new(io::stdout()),
    };
    let output: Option<Box<dyn Write + Send>> = match options.count_only {
        true => None,
        false => Some(Box::new(BufWriter::with_capacity(256 * 1024, sink))),
    };
    let listener =
        TcpListener::bind(&options.address).map_err(|error| format!("{}: {error}", options.address))?;
    writeln!(io::stdout(), "http://{}/", listener.local_addr()?)?;
    let (streams, latest) = (HashMap::new(), Instant::now());
    let desk = Desk { streams, output, tally: Tally::default(), enough: options.entries, latest };
    let shared = Arc::new((Mutex::new(desk), Condvar::new()));

    let theirs = Arc::clone(&shared);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let shared = Arc::clone(&theirs);
            std::thread::spawn(move || {
                if let Err(error) = converse(stream, &shared) {
                    drop(writeln!(io::stderr(), "receiver: a connection broke off: {error}"));
                }
            });
        }
    });

    let mut desk = shared.0.lock().unwrap_or_else(PoisonError::into_inner);
    while desk.tally.taken < desk.enough && desk.latest.elapsed() < options.idle {
        let pause = options.idle.saturating_sub(desk.latest.elapsed()).min(Duration::from_secs(3600));
        desk = shared.1.wait_timeout(desk, pause).unwrap_or_else(PoisonError::into_inner).0;
    }
    let Tally { taken, repeated, dropped, lost } = desk.tally;
    writeln!(
        io::stderr(),
        "receiver: {taken} entries taken, {repeated} repeated, {dropped} dropped on the record, {lost} lost"
    )?;
    Ok(())
}
