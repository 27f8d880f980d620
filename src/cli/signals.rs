//! SIGINT, SIGTERM and SIGHUP, heard on a thread of their own; and SIGXFSZ, which must not end the process.

use std::io;
use std::os::unix::net::UnixStream;
use std::thread;

use anyhow::Context as _;
use rustix::process::Signal as Number;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Calls `on_signal` with 1 for the first signal, 2 for the second, and so on.
///
/// When this returns the signals are already caught, so that none ends the process any more.
pub fn watch(on_signal: impl FnMut(u32) + Send + 'static) -> anyhow::Result<()> {
    let start = || {
        probe_descriptors()?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let signals = {
            let _context = runtime.enter();
            catch_file_limit()?;
            [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal)
        };
        let [interrupt, terminate, hangup] = signals;
        let signals = [interrupt?, terminate?, hangup?];
        thread::Builder::new().name("signals".into()).spawn(move || listen(&runtime, signals, on_signal))
    };
    start().map(drop).context("cannot listen for signals")
}

/// Has a write at a limit on the size of files (`ulimit -f`) fail like any other, for commands that hear no other signal.
pub fn outlive_file_limit() -> anyhow::Result<()> {
    let start = || {
        probe_descriptors()?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let _context = runtime.enter();
        catch_file_limit()
    };
    start().context("cannot listen for signals")
}

/// Once caught it stays so. A signal that is caught, not ignored, is back at its default in the commands that we run.
fn catch_file_limit() -> io::Result<()> {
    signal(SignalKind::from_raw(Number::XFSZ.as_raw())).map(drop)
}

/// tokio panics where it finds no descriptors for its signal pipe: too few are found out before.
fn probe_descriptors() -> io::Result<()> {
    let pairs: io::Result<Vec<_>> = (0..4).map(|_| UnixStream::pair()).collect();
    pairs.map(drop)
}

fn listen(runtime: &Runtime, signals: [Signal; 3], mut on_signal: impl FnMut(u32)) {
    let [mut interrupt, mut terminate, mut hangup] = signals;
    runtime.block_on(async {
        for count in 1.. {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
            on_signal(count);
        }
    });
}
