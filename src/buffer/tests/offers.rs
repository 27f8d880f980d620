//! What the ancestor offers, row by row.

use std::collections::HashMap;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::support::*;
use crate::journal::test_support::seq;
use crate::{
    Batch, Buffer, BufferOptions, Error, Journal, Outcome, RunEnd, Settings, Sink, UploadBatch, UploadResult,
};

#[test]
fn a_timestamp_in_the_item_never_changes_the_order() {
    let endpoint = Endpoint::accepting();
    let buffer = endpoint.buffer(BufferOptions::default());
    // Each is taken before the one that was written before it.
    write(&buffer, 1..=5);
    drain(&buffer);
    let times: Vec<_> = endpoint.batches()[0].items.iter().map(|event| event.taken_at).collect();
    assert!(times.is_sorted_by(|first, second| first > second));
    assert_eq!(endpoint.taken(), [1, 2, 3, 4, 5]);
}

#[test]
fn any_type_that_serde_knows_is_an_item() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Shape {
        Unit,
        Tuple(u8, String),
        Struct { text: Option<String> },
    }
    let buffer =
        Buffer::with_upload(BufferOptions::default(), async |_: UploadBatch<Shape>| UploadResult::Delivered);
    let buffer = buffer.unwrap();
    let shapes = || [Shape::Unit, Shape::Tuple(1, "\n\u{0}é".into()), Shape::Struct { text: None }];
    for shape in shapes() {
        buffer.write(shape).unwrap();
    }
    assert!(buffer.read_buffered().unwrap().map(|entry| entry.unwrap().item).eq(shapes()));
}

#[test]
fn raw_json_may_have_line_feeds_between_its_tokens() {
    let (sent, bodies) = channel();
    let buffer = Buffer::with_sink(
        BufferOptions::default(),
        SinkFn(move |batch: &Batch| {
            sent.send(batch.body.clone()).unwrap();
            Outcome::Delivered { through: None }
        }),
    );
    let buffer = buffer.unwrap();
    buffer.write(RawValue::from_string("{\n \"a\": 1.50\n}".into()).unwrap()).unwrap();
    buffer.connectivity_restored().wait().unwrap();
    assert_eq!(bodies.recv_timeout(PATIENCE).unwrap(), b"{  \"a\": 1.50 }\n");
}

impl<F: FnMut(&Batch) -> Outcome + Send> Sink for SinkFn<F> {
    fn send(&mut self, batch: &Batch, _attempt: u32) -> Outcome {
        (self.0)(batch)
    }
}

struct SinkFn<F>(F);

#[test]
fn an_item_that_is_no_json_comes_back() {
    let buffer = Buffer::with_sink(BufferOptions::default(), SinkFn(|_: &Batch| unreachable!())).unwrap();
    let item = HashMap::from([(vec![1], 2)]);
    let failed = buffer.write(item.clone()).unwrap_err();
    assert!(matches!(failed.error(), Error::Invalid(_)), "{failed}");
    assert_eq!(failed.into_parts().0, item);
}

#[test]
fn the_options_have_the_ancestors_defaults() {
    for options in [BufferOptions::default(), BufferOptions::with_persistence("x")] {
        assert_eq!((options.max_capacity, options.batch_size), (None, 500));
        assert_eq!(options.dead_letter_threshold, 1_000);
    }
    assert!(BufferOptions::default().persist_path.is_none());
    assert!(Endpoint::accepting().buffer(BufferOptions::default()).path().is_none());
    let place = Place::new();
    assert_eq!(Endpoint::accepting().buffer(place.options()).path(), Some(place.path().as_path()));
}

#[test]
fn a_capacity_that_nobody_has_asked_for_is_for_a_new_journal_only() {
    let place = Place::new();
    let limit = |path: &std::path::Path| Journal::open(path).unwrap().config().limits.max_entries;
    drop(Endpoint::accepting().buffer(place.options()));
    assert_eq!(limit(&place.path()), Some(100_000));
    for most in [Some(1_000_000), None] {
        let place = Place::new();
        Journal::open_or_create(&place.path(), &Settings { max_entries: most, ..Settings::default() })
            .unwrap();
        drop(Endpoint::accepting().buffer(place.options()));
        assert_eq!(limit(&place.path()), most, "it is others' journal too");
        drop(Endpoint::accepting().buffer(place.options().max_capacity(7)));
        assert_eq!(limit(&place.path()), Some(7));
    }
}

#[test]
fn options_that_cannot_work_are_refused() {
    for options in [BufferOptions::default().max_capacity(0), BufferOptions::default().batch_size(0)] {
        let opened = Buffer::<Event>::with_upload(options, async |_| UploadResult::Delivered);
        assert!(matches!(opened, Err(Error::Invalid(_))));
    }
    let unnamed =
        Buffer::<Event>::with_upload(BufferOptions::with_persistence(""), async |_| UploadResult::Delivered);
    let error = unnamed.unwrap_err();
    assert!(matches!(error, Error::EmptyPath) && error.to_string().contains("empty"), "{error}");
    let nowhere = BufferOptions::with_persistence("/nonexistent/journal");
    let opened = Buffer::<Event>::with_upload(nowhere, async |_| UploadResult::Delivered);
    assert!(matches!(opened, Err(Error::MissingParent { .. })));
}

#[test]
fn a_panic_or_an_error_in_the_upload_is_try_later_and_loses_nothing() {
    let mut call = 0;
    let (seen, items) = channel();
    let upload = async move |batch: UploadBatch<Event>| -> Result<(), String> {
        call += 1;
        match call {
            1 => panic!("no such host"),
            2 => Err("timed out".to_owned()),
            _ => seen.send(batch.items).map_err(|error| error.to_string()),
        }
    };
    let buffer = Buffer::with_upload(BufferOptions::default(), upload).unwrap();
    write(&buffer, 1..=3);
    for reason in ["no such host", "timed out"] {
        let report = drain(&buffer);
        assert!(matches!(&report.end, RunEnd::Later { reason: told } if told.contains(reason)), "{report:?}");
        assert!(!buffer.is_online(), "a failed upload goes offline by itself");
        assert_eq!(pending(&buffer), [1, 2, 3]);
    }
    assert_eq!(drain(&buffer).delivered, 3);
    assert!(buffer.is_online());
    assert!(items.recv_timeout(PATIENCE).unwrap().into_iter().eq((1..=3).map(event)));
}

#[test]
fn a_panicking_sink_is_try_later() {
    let buffer = Buffer::with_sink(BufferOptions::default(), SinkFn(|_: &Batch| panic!("oh"))).unwrap();
    buffer.write(event(1)).unwrap();
    assert!(matches!(drain(&buffer).end, RunEnd::Later { .. }));
}

/// A receiver with a name, which names the last entry that it took only in its first answer.
struct Forgetful {
    acknowledges: bool,
}

impl Sink for Forgetful {
    fn send(&mut self, batch: &Batch, _attempt: u32) -> Outcome {
        let acknowledges = std::mem::take(&mut self.acknowledges);
        Outcome::Delivered { through: acknowledges.then(|| batch.last.get()) }
    }

    fn receiver(&self) -> Option<String> {
        Some("https://example.com/ingest".into())
    }
}

#[test]
fn a_receiver_that_has_once_acknowledged_must_go_on_to_for_a_buffer_too() {
    let buffer = Buffer::with_sink(BufferOptions::default(), Forgetful { acknowledges: true }).unwrap();
    write(&buffer, 1..=3);
    assert_eq!(drain(&buffer).delivered, 3);
    write(&buffer, 4..=5);
    let report = drain(&buffer);
    assert!(matches!(report.end, RunEnd::Unacknowledged { .. }), "{report:?}");
    assert_eq!((report.delivered, report.remaining), (0, 2));
    assert!(!buffer.is_online());
}

#[test]
fn what_is_refused_becomes_a_dead_letter_and_the_rest_is_delivered() {
    let place = Place::new();
    let endpoint = Endpoint::new(|batch| {
        if batch.items.iter().any(|event| event.number == 6) {
            return UploadResult::refused("not a six");
        }
        UploadResult::Delivered
    });
    let buffer = endpoint.buffer(place.options());
    write(&buffer, 1..=10);
    let report = drain(&buffer);
    assert_eq!((report.delivered, report.dead_lettered, report.end), (9, 1, RunEnd::Drained));
    assert_eq!(endpoint.taken(), [1, 2, 3, 4, 5, 7, 8, 9, 10]);
    let journal = Journal::open_read_only(&place.path()).unwrap();
    let (letter, _) = journal.dead_letters().unwrap().next().unwrap().unwrap();
    assert_eq!((letter.seq, letter.reason.as_str()), (seq(6), "not a six"));
}

#[test]
fn what_is_not_of_the_buffers_type_becomes_a_dead_letter() {
    let place = Place::new();
    let journal = Journal::open_or_create(&place.path(), &Settings::default()).unwrap();
    crate::journal::test_support::append(&journal, 77, 1);
    let endpoint = Endpoint::accepting();
    let buffer = endpoint.buffer(place.options());
    write(&buffer, 2..=3);
    let read: Vec<_> = buffer.read_buffered().unwrap().collect();
    assert!(matches!(&read[0], Err(Error::Invalid(text)) if text.contains("seq 1")) && read.len() == 3);
    assert_eq!(drain(&buffer).dead_lettered, 1);
    assert_eq!(endpoint.taken(), [2, 3]);
}

#[test]
fn a_write_while_online_is_delivered_at_once() {
    let endpoint = Endpoint::accepting();
    let buffer = endpoint.buffer(BufferOptions::default());
    assert!(!buffer.is_online(), "a buffer begins offline");
    drain(&buffer);
    assert!(buffer.is_online());
    for number in 1..=3 {
        assert_eq!(buffer.write(event(number)).unwrap(), seq(number));
        assert_eq!(endpoint.wait_for(1), [number]);
    }
    drain(&buffer);
    buffer.connectivity_lost();
    assert!(!buffer.is_online());
    write(&buffer, 4..=4);
    assert_eq!(pending(&buffer), [4]);
}

#[test]
fn an_upload_may_use_the_runtime_in_which_the_buffer_was_made() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let report = runtime.block_on(async {
        let upload = async |_: UploadBatch<Event>| {
            tokio::time::sleep(Duration::from_millis(1)).await;
            UploadResult::Delivered
        };
        let buffer = Buffer::with_upload(BufferOptions::default(), upload).unwrap();
        write(&buffer, 1..=2);
        let report = buffer.connectivity_restored().await.unwrap();
        buffer.close().await.unwrap();
        report
    });
    assert_eq!(report.delivered, 2);
}

#[test]
fn the_counters_outlive_the_program_where_they_are_on_disk() {
    let place = Place::new();
    let options = || place.options().max_capacity(5);
    let buffer = Endpoint::accepting().buffer(options());
    write(&buffer, 1..=6);
    drain(&buffer);
    buffer.connectivity_lost();
    write(&buffer, 7..=8);
    let before = buffer.stats().unwrap();
    buffer.close().wait().unwrap();
    let after = Endpoint::accepting().buffer(options()).stats().unwrap().journal;
    let numbers = |stats: &crate::Stats| (stats.written, stats.delivered, stats.evicted, stats.pending);
    assert_eq!((numbers(&before.journal), numbers(&after)), ((8, 5, 1, 2), (8, 5, 1, 2)));
}

#[test]
fn a_threshold_of_zero_turns_the_callback_off() {
    let options = BufferOptions::default().max_capacity(1).dead_letter_threshold(0);
    let buffer =
        Endpoint::accepting().buffer(options.on_dead_letter_threshold(|_| panic!("not to be called")));
    write(&buffer, 1..=5_000);
    assert_eq!(buffer.stats().unwrap().journal.evicted, 4_999);
}

#[test]
fn refused_entries_count_towards_the_threshold() {
    let (told, calls) = channel();
    let options = BufferOptions::default().dead_letter_threshold(2);
    let options =
        options.on_dead_letter_threshold(move |stats| told.send(stats.journal.dead_lettered).unwrap());
    let endpoint = Endpoint::new(|_| UploadResult::refused("no"));
    let buffer = endpoint.buffer(options);
    write(&buffer, 1..=2);
    drain(&buffer);
    assert_eq!(calls.recv_timeout(PATIENCE), Ok(2));
}

#[test]
fn a_callback_that_blocks_or_panics_holds_up_no_write_and_no_delivery() {
    let (go_on, wait) = channel::<()>();
    let (told, calls) = channel();
    let options = BufferOptions::default().max_capacity(1).dead_letter_threshold(1);
    let options = options.on_dead_letter_threshold(move |_| {
        told.send(()).unwrap();
        wait.recv().unwrap();
        panic!("the callback's own affair");
    });
    let endpoint = Endpoint::accepting();
    let buffer = endpoint.buffer(options);
    write(&buffer, 1..=2);
    calls.recv_timeout(PATIENCE).unwrap();
    // It is called, and has not returned.
    write(&buffer, 3..=500);
    assert_eq!(drain(&buffer).delivered, 1);
    go_on.send(()).unwrap();
    calls.recv_timeout(PATIENCE).expect("called again after a panic");
    write(&buffer, 501..=501);
    drop(go_on);
}

#[test]
fn writing_after_close_is_a_typed_error_and_hands_the_item_back() {
    let buffer = Endpoint::accepting().buffer(BufferOptions::default());
    write(&buffer, 1..=1);
    buffer.close().wait().unwrap();
    let (item, error) = buffer.write(event(2)).unwrap_err().into_parts();
    assert!(matches!(error, Error::Closed));
    assert_eq!(item, event(2));
    assert_eq!(error.hint().as_deref(), Some("open a buffer again; what it held on disk is still there"));
}

#[test]
fn a_serializer_that_writes_to_the_buffer_itself_or_panics_harms_nobody() {
    use std::cell::RefCell;
    thread_local!(static BUFFER: RefCell<Option<&'static Buffer<Nested>>> = const { RefCell::new(None) });
    struct Nested(u8);
    impl Serialize for Nested {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            match self.0 {
                0 => panic!("cannot be serialised"),
                1 => drop(BUFFER.with_borrow(|buffer| buffer.unwrap().write(Nested(2)))),
                _ => {}
            }
            serializer.serialize_u8(self.0)
        }
    }
    let sink = SinkFn(|_: &Batch| Outcome::Delivered { through: None });
    let buffer: &'static Buffer<Nested> =
        Box::leak(Box::new(Buffer::with_sink(BufferOptions::default(), sink).unwrap()));
    BUFFER.set(Some(buffer));
    assert_eq!(buffer.write(Nested(1)).unwrap(), seq(2));
    assert!(thread::spawn(|| buffer.write(Nested(0))).join().is_err());
    assert_eq!(buffer.write(Nested(3)).unwrap(), seq(3));
}

#[test]
fn two_buffers_may_write_to_one_journal_and_one_of_them_delivers() {
    let place = Place::new();
    let (go_on, wait) = channel::<()>();
    let (begun, begins) = channel();
    let first_endpoint = Endpoint::new(move |_| {
        begun.send(()).unwrap();
        wait.recv().unwrap();
        UploadResult::Delivered
    });
    let first = first_endpoint.buffer(place.options());
    let second = Endpoint::accepting().buffer(place.options());
    assert_eq!(first.write(event(1)).unwrap(), seq(1));
    assert_eq!(second.write(event(2)).unwrap(), seq(2));
    assert_eq!(first.write(event(3)).unwrap(), seq(3));
    let delivering = first.connectivity_restored();
    begins.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(second.connectivity_restored().wait(), Err(Error::Busy { .. })));
    assert!(second.is_online(), "it is not the connection that fails");
    go_on.send(()).unwrap();
    assert_eq!(delivering.wait().unwrap().delivered, 3);
}
