//! What a buffer's `write` costs, as ratios of what is measured beside it in the same run.
//!
//! `cargo bench --bench buffer`; `EDGESYNC_BENCH_DIR` names a directory on the disk in question. Each figure is the median
//! of several rounds that take turns.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark is not shipped"
)]

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use edgesync::{Buffer, BufferOptions, UploadBatch, UploadResult};
use serde::{Deserialize, Serialize};

const ROUNDS: usize = 5;

#[derive(Clone, Serialize, Deserialize)]
struct Event {
    camera: String,
    what: String,
    frame: u64,
    score: f64,
    taken_at: String,
}

fn event(frame: u64) -> Event {
    Event {
        camera: "camera-0017".into(),
        what: "motion in zone 3".into(),
        frame,
        score: 0.875,
        taken_at: "2026-11-22T18:10:00.123456Z".into(),
    }
}

fn buffer(options: BufferOptions) -> Buffer<Event> {
    Buffer::with_upload(options, async |_: UploadBatch<Event>| UploadResult::Delivered).unwrap()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Runs two things in turn, and returns the median time of each.
fn beside(mut first: impl FnMut() -> Duration, mut second: impl FnMut() -> Duration) -> (Duration, Duration) {
    let rounds: Vec<_> = (0..ROUNDS).map(|_| (first(), second())).collect();
    let (first, second) = rounds.into_iter().unzip();
    (median(first), median(second))
}

fn show(what: &str, count: u32, (ours, other): (Duration, Duration), name: &str) {
    let ratio = ours.as_secs_f64() / other.as_secs_f64();
    println!("{what:<44} {:>10.2?} a write; {name} {:>10.2?}; ratio {ratio:.2}", ours / count, other / count);
}

fn push_all(count: u32, threads: u32, push: impl Fn(Event) + Sync) -> Duration {
    let per_thread = count / threads;
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| (0..per_thread).for_each(|frame| push(event(u64::from(frame)))));
        }
    });
    start.elapsed()
}

fn in_memory(name: &str, count: u32, threads: u32, capacity: u64) {
    let ours = || {
        let buffer = buffer(BufferOptions::default().max_capacity(capacity).dead_letter_threshold(0));
        push_all(count, threads, |event| {
            buffer.write(event).unwrap();
        })
    };
    let plain = || {
        let queue = Mutex::new(VecDeque::new());
        push_all(count, threads, |event| {
            let bytes = serde_json::to_vec(&event).unwrap();
            let mut queue = queue.lock().unwrap();
            if queue.len() as u64 == capacity {
                queue.pop_front();
            }
            queue.push_back(bytes);
        })
    };
    show(name, count, beside(ours, plain), "Mutex<VecDeque>");
}

/// `batch` threads write one entry after another, and so about as many share a sync.
fn on_disk_buffer(path: &Path, batch: u32, rounds: u32) -> Duration {
    let directory = tempfile::tempdir_in(path).unwrap();
    let buffer = buffer(BufferOptions::with_persistence(directory.path().join("journal")));
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..batch {
            scope.spawn(|| {
                for frame in 0..rounds {
                    buffer.write(event(u64::from(frame))).unwrap();
                }
            });
        }
    });
    start.elapsed()
}

/// `edgesync append` gets `batch` lines at a time, and passes them on once they are durable.
fn on_disk_append(path: &Path, batch: u32, rounds: u32) -> Duration {
    let directory = tempfile::tempdir_in(path).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_edgesync"))
        .args(["append", "--tee", "-q", "-j"])
        .arg(directory.path().join("journal"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = serde_json::to_vec(&event(7)).unwrap();
    line.push(b'\n');
    let lines = line.repeat(batch as usize);
    let mut echo = String::new();
    let mut pass = || {
        input.write_all(&lines).unwrap();
        for _ in 0..batch {
            echo.clear();
            assert!(output.read_line(&mut echo).unwrap() > 0);
        }
    };
    pass();
    let start = Instant::now();
    (1..rounds).for_each(|_| pass());
    let time = start.elapsed() * rounds / (rounds - 1);
    drop(input);
    assert!(child.wait().unwrap().success());
    time
}

fn main() {
    if !std::env::args().any(|argument| argument == "--bench") {
        // `cargo test --benches` only wants to know that it builds.
        return;
    }
    let place =
        std::env::var("EDGESYNC_BENCH_DIR").unwrap_or_else(|_| std::env::temp_dir().display().to_string());
    let path = Path::new(&place);
    in_memory("in memory, 1 thread", 200_000, 1, 1_000_000);
    in_memory("in memory, 2 threads", 200_000, 2, 1_000_000);
    in_memory("in memory, 1 thread, at capacity", 200_000, 1, 1_000);
    for (batch, rounds) in [(1, 300), (8, 150), (64, 40)] {
        let times = beside(|| on_disk_buffer(path, batch, rounds), || on_disk_append(path, batch, rounds));
        show(&format!("on disk, {batch} at a time"), batch * rounds, times, "edgesync append");
    }
}
