//! SIGKILL of `compact`, `replay` and short-lived `append` at random moments, beside an appender that lives all the time,
//! in small segments: what it has passed on is never lost, no seq is given twice, and it goes on.
//!
//! `EDGESYNC_TEST_KILLS` says how often (100 times), `EDGESYNC_TEST_SEED` repeats a run.

use std::collections::HashMap;
use std::thread;
use std::time::Duration;

use crate::harness::{Live, Receiver, Sandbox, random, tally};

/// After so many kills another journal is begun.
const KILLS_PER_JOURNAL: usize = 40;

/// Who is killed.
#[derive(Debug, Clone, Copy)]
enum Victim {
    Compact,
    Replay,
    Append,
}

const VICTIMS: [Victim; 4] = [Victim::Compact, Victim::Compact, Victim::Replay, Victim::Append];

/// One journal with its long-lived appender.
struct Drill {
    sandbox: Sandbox,
    receiver: Receiver,
    appender: Live,
    /// Lines that were passed on, by whomever.
    acknowledged: Vec<String>,
    fed: usize,
    /// How long a victim may live, in microseconds: about as long as it takes.
    windows: [u64; 3],
    cut_off: usize,
}

impl Drill {
    fn begin() -> Self {
        let sandbox = Sandbox::new();
        let appender =
            sandbox.edgesync(["append", "--tee", "--segment-bytes", "1KiB", "--max-bytes", "16MiB"]).spawn();
        let receiver = Receiver::accepting();
        Self {
            sandbox,
            receiver,
            appender,
            acknowledged: Vec::new(),
            fed: 0,
            windows: [10_000; 3],
            cut_off: 0,
        }
    }

    fn line(&mut self, random: &mut fastrand::Rng) -> String {
        self.fed += 1;
        format!("{{\"line\":{},\"pad\":\"{}\"}}", self.fed, "x".repeat(random.usize(0..400)))
    }

    /// The long-lived appender takes these, and passes them on in order: it checks that.
    fn append(&mut self, count: usize, random: &mut fastrand::Rng) {
        for _ in 0..count {
            let line = self.line(random);
            assert!(self.appender.try_feed(&line), "the surviving appender has ended");
            let passed_on = self.appender.next_line_if_any();
            assert_eq!(
                passed_on.as_deref(),
                Some(&*line),
                "the surviving appender passes on what it was given"
            );
            self.acknowledged.push(line);
        }
    }

    /// Starts a victim, lets it live for a moment in which the appender goes on, and kills it.
    fn kill_one(&mut self, random: &mut fastrand::Rng) {
        let victim = VICTIMS[random.usize(..VICTIMS.len())];
        if matches!(victim, Victim::Compact) && random.u8(..3) > 0 {
            // So that it has something to seal and to unlink.
            self.sandbox.replay_to(&self.receiver).run().exits(0);
        }
        let mut input = Vec::new();
        let mut running = match victim {
            Victim::Compact => self.sandbox.edgesync(["compact"]).spawn(),
            Victim::Replay => self.sandbox.replay_to(&self.receiver).args(["--batch-size", "3"]).spawn(),
            Victim::Append => {
                input = (0..random.usize(1..30)).map(|_| self.line(random) + "\n").collect();
                self.sandbox.edgesync(["append", "--tee"]).spawn()
            }
        };
        running.feed_in_background(input.concat().into_bytes());
        if random.bool() {
            self.append(1, random);
        }
        let window = &mut self.windows[victim as usize];
        thread::sleep(Duration::from_micros(random.u64(*window / 4..*window + *window / 2)));
        let ended = running.has_ended();
        *window = if ended { *window * 9 / 10 } else { *window * 10 / 9 }.max(200);
        self.cut_off += usize::from(!ended);
        let passed_on = running.kill().whole_lines();
        if matches!(victim, Victim::Append) {
            self.acknowledged.extend(passed_on);
        }
        let more = random.usize(1..6);
        self.append(more, random);
    }

    /// Everybody ends, everything is delivered, and everything that was passed on has arrived. How many have not.
    fn end(self) -> usize {
        self.appender.wait().exits(0);
        self.sandbox.edgesync(["verify"]).run().exits(0);
        self.sandbox.replay_to(&self.receiver).run().exits(0);
        self.sandbox.stats().shows([("pending", 0), ("damaged", 0), ("evicted", 0), ("dead_lettered", 0)]);
        self.receiver.assert_repetitions_are_identical();
        let mut arrived: HashMap<Vec<u8>, u64> = HashMap::new();
        let mut given: HashMap<u64, Vec<u8>> = HashMap::new();
        // A batch comes again when its sender was killed; then it is the same.
        for (seq, payload) in self.receiver.entries() {
            let before = given.entry(seq).or_insert_with(|| payload.clone());
            assert!(*before == payload, "seq {seq} was given twice");
            assert_eq!(*arrived.entry(payload).or_insert(seq), seq, "one line under two seqs");
        }
        self.acknowledged.iter().filter(|line| !arrived.contains_key(line.as_bytes())).count()
    }
}

fn kills() -> usize {
    std::env::var("EDGESYNC_TEST_KILLS")
        .map_or(100, |text| text.parse().expect("EDGESYNC_TEST_KILLS is a number"))
}

#[test]
fn an_appender_loses_nothing_when_others_are_killed_beside_it() {
    let mut random = random();
    let (mut lost, mut acknowledged, mut cut_off) = (0, 0, 0);
    let mut left = kills();
    while left > 0 {
        let here = left.min(KILLS_PER_JOURNAL);
        left -= here;
        let mut drill = Drill::begin();
        drill.append(3, &mut random);
        (0..here).for_each(|_| drill.kill_one(&mut random));
        acknowledged += drill.acknowledged.len();
        cut_off += drill.cut_off;
        lost += drill.end();
    }
    tally("processes killed beside an appender", format!("{} ({cut_off} in time)", kills()));
    assert_eq!(lost, 0, "of {acknowledged} acknowledged lines {lost} are lost");
    assert!(cut_off * 4 > kills(), "only {cut_off} of {} were still going when they were killed", kills());
}
