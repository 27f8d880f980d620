//! Whatever future is dropped, and whenever: nothing is lost, and nothing overtakes.

use std::future::{self, Future};
use std::pin::pin;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};

use super::support::*;
use crate::{Buffer, BufferOptions, Error, RunEnd, UploadBatch, UploadResult};

#[test]
fn a_completion_that_is_dropped_unpolled_or_half_way_changes_nothing() {
    let endpoint = Endpoint::accepting();
    let buffer = endpoint.buffer(BufferOptions::default().batch_size(1));
    write(&buffer, 1..=10);
    drop(buffer.connectivity_restored());
    {
        let mut polled = pin!(buffer.connectivity_restored());
        let _ = polled.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    }
    write(&buffer, 11..=20);
    assert!(endpoint.wait_for(20).into_iter().eq(1..=20));
    drop(buffer.close());
    assert!(matches!(buffer.close().wait(), Ok(())));
}

/// Says that a batch has come, and on being dropped that its upload was broken off; never answers.
fn hanging(came: Sender<UploadBatch<Event>>, broken_off: Sender<()>) -> Buffer<Event> {
    struct OnDrop(Sender<()>);
    impl Drop for OnDrop {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }
    let upload = async move |batch: UploadBatch<Event>| {
        let _told = OnDrop(broken_off.clone());
        came.send(batch).unwrap();
        future::pending::<UploadResult>().await
    };
    Buffer::with_upload(BufferOptions::default().batch_size(2), upload).unwrap()
}

#[test]
fn an_upload_that_is_broken_off_comes_again_as_it_was() {
    let (came, batches) = channel();
    let (broken_off, ends) = channel();
    let buffer = hanging(came, broken_off);
    write(&buffer, 1..=2);
    let restored = buffer.connectivity_restored();
    let first = batches.recv_timeout(PATIENCE).unwrap();
    write(&buffer, 3..=4);
    buffer.connectivity_lost();
    ends.recv_timeout(PATIENCE).unwrap();
    let report = restored.wait().unwrap();
    assert_eq!((report.remaining, report.end), (2, RunEnd::Stopped), "two were pending when the run began");
    assert_eq!(pending(&buffer), [1, 2, 3, 4]);
    drop(buffer.connectivity_restored());
    assert_eq!(batches.recv_timeout(PATIENCE).unwrap(), first, "the same boundaries, items and key");
}

#[test]
fn closing_does_not_wait_for_an_upload_that_never_ends() {
    let (came, batches) = channel();
    let (broken_off, ends) = channel();
    let buffer = hanging(came, broken_off);
    write(&buffer, 1..=2);
    let restored = buffer.connectivity_restored();
    batches.recv_timeout(PATIENCE).unwrap();
    buffer.close().wait().unwrap();
    ends.recv_timeout(PATIENCE).unwrap();
    let report = restored.wait().unwrap();
    assert_eq!((report.remaining, report.end), (2, RunEnd::Stopped));
    assert!(matches!(buffer.write(event(3)).unwrap_err().error(), Error::Closed));
    assert!(matches!(buffer.connectivity_restored().wait(), Err(Error::Closed)));
    assert_eq!(pending(&buffer), [1, 2], "what waits can still be read");
}

#[test]
fn a_loss_that_is_told_while_a_run_fails_is_not_overruled_by_a_new_connection_and_the_other_way_round() {
    let slot: Arc<Mutex<Option<Arc<Buffer<Event>>>>> = Arc::default();
    let endpoint = Endpoint::accepting();
    let inside = Arc::clone(&slot);
    let mut first = true;
    endpoint.answers(move |_| {
        if std::mem::take(&mut first) {
            // The program hears of a new connection while the old one fails.
            drop(inside.lock().unwrap().as_ref().unwrap().connectivity_restored());
            return UploadResult::later("the old connection");
        }
        UploadResult::Delivered
    });
    let buffer = Arc::new(endpoint.buffer(BufferOptions::default()));
    *slot.lock().unwrap() = Some(Arc::clone(&buffer));
    write(&buffer, 1..=3);
    assert!(matches!(drain(&buffer).end, RunEnd::Later { .. }));
    assert_eq!(endpoint.wait_for(3), [1, 2, 3]);
    assert!(buffer.is_online());
    slot.lock().unwrap().take();
}
