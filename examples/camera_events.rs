//! A camera's events: the link goes away and comes back, and the receiver has every event once, in order.
//!
//! `cargo run --example camera_events`
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use edgesync::{Buffer, BufferOptions, RunEnd, UploadBatch};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct CameraEvent {
    camera: String,
    what: String,
    frame: u64,
}

fn event(frame: u64) -> CameraEvent {
    CameraEvent { camera: "yard".into(), what: "motion".into(), frame }
}

/// Runs the example.
pub fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let mast_is_up = Arc::new(AtomicBool::new(false));
    let received = Arc::new(Mutex::new(Vec::new()));

    // Where a real program would send the batch, with its key, to a server.
    let (mast, receiver) = (Arc::clone(&mast_is_up), Arc::clone(&received));
    let upload = async move |batch: UploadBatch<CameraEvent>| -> Result<(), String> {
        if !mast.load(Ordering::SeqCst) {
            return Err("no route to host".into());
        }
        println!("  uploaded {} to {} as {}", batch.first, batch.last, batch.idempotency_key);
        let frames = batch.items.into_iter().map(|event| event.frame);
        receiver.lock().map_err(|error| error.to_string())?.extend(frames);
        Ok(())
    };
    let options = BufferOptions::with_persistence(directory.path().join("camera.journal")).batch_size(4);
    let buffer = Buffer::with_upload(options, upload)?;

    println!("offline: events are written to disk and wait");
    for frame in 1..=6 {
        buffer.write(event(frame))?;
    }
    println!("  {} wait", buffer.stats()?.journal.pending);

    println!("a connection that does not hold: nothing is lost, and the buffer is offline again");
    let report = buffer.connectivity_restored().wait()?;
    assert!(matches!(report.end, RunEnd::Later { .. }) && !buffer.is_online());
    buffer.write(event(7))?;

    println!("restored: what waits goes first, in order");
    mast_is_up.store(true, Ordering::SeqCst);
    let report = buffer.connectivity_restored().wait()?;
    println!("  {} delivered, {} wait", report.delivered, report.remaining);

    println!("online: what is written now goes at once");
    for frame in 8..=9 {
        buffer.write(event(frame))?;
    }
    // Only so that the example does not end before.
    buffer.connectivity_restored().wait()?;

    let received = received.lock().map_err(|error| error.to_string())?;
    assert_eq!(*received, (1..=9).collect::<Vec<_>>());
    println!("the receiver has frames {received:?}");
    buffer.close().wait()?;
    Ok(())
}
