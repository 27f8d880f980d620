//! What the program ends itself is not a failure, and the report says what still waits.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::support::*;
use crate::{Buffer, BufferOptions, RunEnd, UploadBatch, UploadResult};

/// Says when a batch has come, and holds its thread until it may answer.
fn blocking(options: BufferOptions) -> (Buffer<Event>, Receiver<()>, Sender<UploadResult>) {
    let (came, comes) = channel();
    let (answer, answers) = channel();
    let answers = Mutex::new(answers);
    let upload = async move |_: UploadBatch<Event>| {
        came.send(()).unwrap();
        answers.lock().unwrap().recv().unwrap_or(UploadResult::Delivered)
    };
    (Buffer::with_upload(options, upload).unwrap(), comes, answer)
}

#[test]
fn a_request_that_is_stopped_before_its_run_reports_what_waits() {
    let place = Place::new();
    for options in [BufferOptions::default(), place.options()] {
        let (buffer, comes, answer) = blocking(options);
        write(&buffer, 1..=3);
        let running = buffer.connectivity_restored();
        comes.recv_timeout(PATIENCE).unwrap();
        write(&buffer, 4..=5);
        let waiting = buffer.connectivity_restored();
        buffer.connectivity_lost();
        let report = waiting.wait().unwrap();
        assert_eq!((report.delivered, report.remaining, report.end), (0, 5, RunEnd::Stopped));
        answer.send(UploadResult::Delivered).unwrap();
        assert_eq!(running.wait().unwrap().delivered, 3);
        assert_eq!(buffer.stats().unwrap().journal.pending, 2);
    }
}

#[test]
fn a_request_that_close_stops_before_its_run_reports_what_waits() {
    let (buffer, comes, answer) = blocking(BufferOptions::default());
    write(&buffer, 1..=3);
    let running = buffer.connectivity_restored();
    comes.recv_timeout(PATIENCE).unwrap();
    let waiting = buffer.connectivity_restored();
    let closed = buffer.close();
    let report = waiting.wait().unwrap();
    assert_eq!((report.delivered, report.remaining, report.end), (0, 3, RunEnd::Stopped));
    answer.send(UploadResult::Delivered).unwrap();
    closed.wait().unwrap();
    let report = running.wait().unwrap();
    assert_eq!((report.delivered, report.remaining, report.end), (3, 0, RunEnd::Drained));
}

#[test]
fn an_upload_that_fails_while_the_program_stops_it_is_stopped_not_failed() {
    for close in [false, true] {
        let (buffer, comes, answer) = blocking(BufferOptions::default());
        write(&buffer, 1..=3);
        let running = buffer.connectivity_restored();
        comes.recv_timeout(PATIENCE).unwrap();
        if close {
            drop(buffer.close())
        } else {
            buffer.connectivity_lost()
        }
        answer.send(UploadResult::later("connection reset, since the program has cut it")).unwrap();
        let report = running.wait().unwrap();
        assert_eq!((report.remaining, report.end), (3, RunEnd::Stopped));
    }
}
