//! What is logged, and how loudly.

use std::fmt::Write as _;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, OnceLock};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::support::{self, *};
use crate::{Buffer, BufferOptions, RunEnd, UploadBatch, UploadResult};

/// Keeps every event, with the thread that it came from.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(Level, String)>>>);

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let _ = write!(self.0, "{field}={value:?} ");
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("edgesync")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        self.0.lock().unwrap().push((*event.metadata().level(), text.0));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// For all threads of this process: other tests' events are among them.
fn log() -> Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(|| {
        let log = Log::default();
        tracing::subscriber::set_global_default(log.clone()).unwrap();
        log
    })
    .clone()
}

#[test]
fn what_the_program_stops_is_not_logged_as_a_failure() {
    let log = log();
    for close in [false, true] {
        let (came, comes) = channel();
        let upload = async move |_: UploadBatch<support::Event>| {
            came.send(()).unwrap();
            std::future::pending::<UploadResult>().await
        };
        let buffer = Buffer::with_upload(BufferOptions::default(), upload).unwrap();
        write(&buffer, 1..=3);
        let run = buffer.connectivity_restored();
        comes.recv_timeout(PATIENCE).unwrap();
        if close {
            buffer.close().wait().unwrap()
        } else {
            buffer.connectivity_lost()
        }
        assert_eq!(run.wait().unwrap().end, RunEnd::Stopped);
    }
    let log = log.0.lock().unwrap();
    let stopped = |line: &str| line.contains("broken off");
    assert!(!log.iter().any(|(level, line)| *level <= Level::WARN && stopped(line)));
}

#[test]
fn what_happens_is_logged_at_its_level() {
    let log = log();
    let options = BufferOptions::default().max_capacity(2).dead_letter_threshold(1);
    let endpoint = Endpoint::new(|_| UploadResult::later("the mast is down"));
    let buffer = endpoint.buffer(options);
    write(&buffer, 1..=3);
    drain(&buffer);
    endpoint.answers(|_| UploadResult::Delivered);
    drain(&buffer);
    buffer.connectivity_lost();
    buffer.close().wait().unwrap();
    let log = log.0.lock().unwrap();
    for (level, text) in [
        (Level::TRACE, "written"),
        (Level::DEBUG, "buffer opened"),
        (Level::DEBUG, "a run ended"),
        (Level::INFO, "connectivity restored"),
        (Level::INFO, "connectivity lost"),
        (Level::WARN, "the mast is down"),
        (Level::WARN, "entries were lost"),
    ] {
        let found = log.iter().any(|(logged, line)| *logged == level && line.contains(text));
        assert!(found, "{level} {text}");
    }
}
