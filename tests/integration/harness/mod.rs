//! Tools for tests that read like sentences.
//!
//! ```text
//! let sandbox = Sandbox::new();
//! sandbox.append(["1", "2"]);
//! let receiver = Receiver::answering([503]);
//! sandbox.replay_to(&receiver).run().exits(0);
//! receiver.assert_in_order_once(&["1", "2"]);
//! ```
//!
//! Nothing here knows the program's inside: files are read by their documented format, requests by theirs.

mod answer;
mod check;
mod dead_mount;
mod disk;
mod faults;
mod invocation;
mod live;
mod output;
mod receiver;
mod request;
mod sandbox;
mod stats;
mod story;
mod tls;
mod volume;

pub use self::answer::Answer;
pub use self::dead_mount::DeadMount;
pub use self::disk::{copy_directory, records, sealed_objects, segments, snapshot};
pub use self::faults::{Fault, demand, demand_root, tally};
pub use self::invocation::Invocation;
pub use self::live::Live;
pub use self::output::Output;
pub use self::receiver::Receiver;
pub use self::request::Request;
pub use self::sandbox::{Sandbox, UNREACHABLE};
pub use self::stats::Stats;
pub use self::story::Story;
pub use self::tls::Authority;
pub use self::volume::{Volume, run};

use std::time::{Duration, Instant};

/// Asks until the answer is there, for at most 20 seconds.
#[track_caller]
pub fn until<T>(what: &str, mut question: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(answer) = question() {
            return answer;
        }
        assert!(Instant::now() < end, "waited 20 s in vain for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// No such process, or one that only waits for its parent to look.
pub fn is_gone(id: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    status.rsplit(") ").next().is_none_or(|rest| rest.is_empty() || rest.starts_with('Z'))
}

/// A test's random numbers: another seed each time, printed, and given with `EDGESYNC_TEST_SEED` to repeat a run.
pub fn random() -> fastrand::Rng {
    let seed = std::env::var("EDGESYNC_TEST_SEED")
        .ok()
        .map_or_else(|| fastrand::u64(..), |text| text.parse().expect("EDGESYNC_TEST_SEED is a number"));
    eprintln!("to repeat: EDGESYNC_TEST_SEED={seed}");
    fastrand::Rng::with_seed(seed)
}

/// `{"reading":1,…}` and so on: payloads that all differ, about `size` bytes each.
pub fn readings(count: usize, size: usize) -> Vec<String> {
    (1..=count)
        .map(|number| {
            let head = format!("{{\"reading\":{number},\"pad\":\"");
            let pad = "x".repeat(size.saturating_sub(head.len() + 2));
            format!("{head}{pad}\"}}")
        })
        .collect()
}

/// Lines as stdin has them: each with its line feed.
pub fn lines<S: AsRef<str>>(payloads: impl IntoIterator<Item = S>) -> String {
    payloads.into_iter().fold(String::new(), |text, payload| text + payload.as_ref() + "\n")
}
