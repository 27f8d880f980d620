//! An async service: it writes from its tasks, uploads with tokio, and ends in order.
//!
//! `cargo run --example async_service`
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use edgesync::{Buffer, BufferOptions, UploadBatch, UploadResult};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Measurement {
    task: u32,
    value: u32,
}

/// Stands for a request with an async client. A time-out of its own keeps a dead link from holding things up.
async fn upload(batch: UploadBatch<Measurement>) -> UploadResult {
    let request = tokio::time::sleep(Duration::from_millis(1));
    match tokio::time::timeout(Duration::from_secs(30), request).await {
        Ok(()) => {
            println!("{} measurements, {} to {}", batch.items.len(), batch.first, batch.last);
            UploadResult::Delivered
        }
        Err(elapsed) => UploadResult::later(elapsed.to_string()),
    }
}

/// Runs the example.
#[tokio::main(flavor = "current_thread")]
pub async fn main() -> Result<(), Box<dyn Error>> {
    // In memory: fast, and gone with the program. `BufferOptions::with_persistence` keeps it.
    let buffer = Arc::new(Buffer::with_upload(BufferOptions::default(), upload)?);
    drop(buffer.connectivity_restored());

    let tasks = (1..=3).map(|task| {
        let buffer = Arc::clone(&buffer);
        tokio::spawn(async move {
            for value in 0..10 {
                // In memory a write is no more than a copy. On disk it waits for the disk: there, where
                // that is too long for a task, use `spawn_blocking`.
                if let Err(failed) = buffer.write(Measurement { task, value }) {
                    println!("task {}: {failed}", failed.item().task);
                }
                tokio::task::yield_now().await;
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await?;
    }

    let report = buffer.connectivity_restored().await?;
    println!("{} were left to deliver, {} wait", report.delivered, report.remaining);
    assert_eq!(buffer.stats()?.journal.delivered, 30);
    buffer.close().await?;
    Ok(())
}
