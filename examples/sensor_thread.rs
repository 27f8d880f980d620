//! Sensors on threads, without async: many threads write, and share one flush of the disk.
//!
//! `cargo run --example sensor_thread`
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use edgesync::{Batch, Buffer, BufferOptions, Outcome, Sink};
use serde::Serialize;

#[derive(Serialize)]
struct Reading {
    sensor: u32,
    celsius: f64,
}

/// A sink is plain blocking code; this one only counts what it gets.
struct Gateway;

static RECEIVED: AtomicU64 = AtomicU64::new(0);

impl Sink for Gateway {
    fn send(&mut self, batch: &Batch, _attempt: u32) -> Outcome {
        RECEIVED.fetch_add(batch.count(), Ordering::SeqCst);
        Outcome::Delivered { through: None }
    }
}

/// Runs the example.
pub fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let options = BufferOptions::with_persistence(directory.path().join("sensors.journal"))
        .dead_letter_threshold(100)
        .on_dead_letter_threshold(|stats| println!("{} readings were dropped", stats.journal.evicted));
    let buffer = Buffer::with_sink(options, Gateway)?;

    thread::scope(|scope| {
        for sensor in 1..=4 {
            let buffer = &buffer;
            scope.spawn(move || {
                for step in 0..25 {
                    let reading = Reading { sensor, celsius: 20.0 + f64::from(step) / 10.0 };
                    if let Err(failed) = buffer.write(reading) {
                        // The item is in the error: keep it, sound the alarm, or give up on it knowingly.
                        println!("sensor {}: {failed}", failed.item().sensor);
                    }
                }
            });
        }
    });

    let stats = buffer.stats()?.journal;
    println!("{} readings are on disk, after {} flushes", stats.written, stats.syncs);
    let report = buffer.connectivity_restored().wait()?;
    println!("{} readings were delivered", report.delivered);
    assert_eq!(RECEIVED.load(Ordering::SeqCst), 100);
    buffer.close().wait()?;
    Ok(())
}
