//! A program that is running: fed line by line, signalled, waited for with a bound, and never left behind.

use std::io::{self, Read, Write};
use std::process::{Child, ChildStdin};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::Output;

pub struct Live {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Option<Collector>,
    stderr: Option<Collector>,
    words: String,
    limit: Duration,
    lines_taken: usize,
}

impl Live {
    pub(super) fn new(mut child: Child, words: String, limit: Duration) -> Self {
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().map(Collector::new);
        let stderr = child.stderr.take().map(Collector::new);
        Self { child, stdin, stdout, stderr, words, limit, lines_taken: 0 }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Writes one line to the program's stdin.
    #[track_caller]
    pub fn feed(&mut self, line: &str) {
        self.feed_bytes(format!("{line}\n").as_bytes());
    }

    /// Writes these bytes to the program's stdin, a whole line or not.
    #[track_caller]
    pub fn feed_bytes(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().expect("stdin is still open");
        stdin.write_all(bytes).unwrap_or_else(|error| panic!("{} does not read: {error}", self.words));
    }

    /// Writes one line to the program's stdin; false if it does not read any more.
    pub fn try_feed(&mut self, line: &str) -> bool {
        let stdin = self.stdin.as_mut().expect("stdin is still open");
        stdin.write_all(format!("{line}\n").as_bytes()).is_ok()
    }

    /// Takes the program's stdin away, to be fed from another thread.
    pub fn take_stdin(&mut self) -> ChildStdin {
        self.stdin.take().expect("stdin is still open")
    }

    /// Writes all of this and closes stdin, without waiting for it to be read.
    pub fn feed_in_background(&mut self, input: Vec<u8>) {
        if let Some(mut stdin) = self.stdin.take() {
            // A program that does not want its input may end before it has read it.
            thread::spawn(move || drop(stdin.write_all(&input)));
        }
    }

    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// The next line on the program's stdout.
    #[track_caller]
    pub fn next_line(&mut self) -> String {
        let stdout = self.stdout.as_ref().expect("stdout is ours");
        let line = stdout.line(self.lines_taken, Instant::now() + self.limit);
        self.lines_taken += 1;
        line.unwrap_or_else(|| panic!("{} printed no line {}", self.words, self.lines_taken))
    }

    /// The next line on the program's stdout; none if stdout ends before.
    pub fn next_line_if_any(&mut self) -> Option<String> {
        let stdout = self.stdout.as_ref().expect("stdout is ours");
        let line = stdout.line(self.lines_taken, Instant::now() + self.limit);
        self.lines_taken += usize::from(line.is_some());
        line
    }

    /// Sends a signal to this one process.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal)
            .expect("the process is ours and not yet waited for");
    }

    /// True once the program has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child of ours").is_some()
    }

    /// The most memory that the program has held so far, in KiB.
    pub fn peak_memory_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .expect("a running process has memory");
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Ends the program at once, as a power cut would, and returns what it had printed.
    pub fn kill(mut self) -> Output {
        // It may just have ended by itself: that is as good.
        let _ = self.child.kill();
        self.wait()
    }

    /// Ends the program at once and does not wait for what it has started, which may hold its pipes.
    pub fn kill_alone(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Closes stdin and waits for the program's end.
    #[track_caller]
    pub fn wait(mut self) -> Output {
        self.stdin = None;
        let end = Instant::now() + self.limit;
        let mut pause = Duration::from_micros(200);
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child of ours") {
                break status;
            }
            assert!(Instant::now() < end, "{} is still running after {:?}", self.words, self.limit);
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(5));
        };
        // A grandchild may hold the pipes longer than the program lives; so this wait has an end, too.
        let stdout = self.stdout.as_ref().map(|collector| collector.all(end)).unwrap_or_default();
        let stderr = self.stderr.as_ref().map(|collector| collector.all(end)).unwrap_or_default();
        Output::new(std::mem::take(&mut self.words), status, stdout, stderr)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads a pipe to its end in a thread of its own, so that nobody has to wait for anybody.
struct Collector {
    shared: Arc<(Mutex<Collected>, Condvar)>,
}

#[derive(Default)]
struct Collected {
    bytes: Vec<u8>,
    ended: bool,
}

impl Collector {
    fn new(mut pipe: impl Read + Send + 'static) -> Self {
        let shared = Arc::new((Mutex::new(Collected::default()), Condvar::new()));
        let theirs = Arc::clone(&shared);
        thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            loop {
                let read = match pipe.read(&mut buffer) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    result => result.unwrap_or(0),
                };
                let mut collected = theirs.0.lock().unwrap();
                collected.bytes.extend_from_slice(&buffer[..read]);
                collected.ended = read == 0;
                theirs.1.notify_all();
                if read == 0 {
                    return;
                }
            }
        });
        Self { shared }
    }

    /// Line `index`, once it is there; none if the pipe ends or the time is over before.
    fn line(&self, index: usize, end: Instant) -> Option<String> {
        let (mutex, changed) = &*self.shared;
        let mut collected = mutex.lock().unwrap();
        loop {
            let whole =
                collected.bytes.split_inclusive(|&byte| byte == b'\n').filter(|line| line.ends_with(b"\n"));
            if let Some(line) = whole.skip(index).map(|line| &line[..line.len() - 1]).next() {
                return Some(String::from_utf8_lossy(line).into_owned());
            }
            let left = end.saturating_duration_since(Instant::now());
            if collected.ended || left.is_zero() {
                return None;
            }
            collected = changed.wait_timeout(collected, left).unwrap().0;
        }
    }

    /// Everything up to the pipe's end, or up to now when the time is over.
    fn all(&self, end: Instant) -> Vec<u8> {
        let (mutex, changed) = &*self.shared;
        let left = end.saturating_duration_since(Instant::now()).max(Duration::from_millis(100));
        let collected = mutex.lock().unwrap();
        let (mut collected, _) =
            changed.wait_timeout_while(collected, left, |collected| !collected.ended).unwrap();
        std::mem::take(&mut collected.bytes)
    }
}
