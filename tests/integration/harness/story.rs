//! What a journal has been through, and the one question that is asked after every fault: is every promise kept?

use super::{Invocation, Live, Output, Receiver, Sandbox, lines, records};

/// Small, so that a few lines go across segments.
const SEGMENT_BYTES: &str = "4KiB";

/// A journal, its receiver, and every entry that the journal must hold or have delivered, in order.
pub struct Story {
    pub sandbox: Sandbox,
    pub receiver: Receiver,
    pub entries: Vec<String>,
    told: usize,
    pad_bytes: usize,
}

impl Story {
    /// Begins with no journal. Lines are about this long.
    pub fn new(pad_bytes: usize, receiver: Receiver) -> Self {
        Self { sandbox: Sandbox::in_memory(), receiver, entries: Vec::new(), told: 0, pad_bytes }
    }

    /// Lines that no other call returns.
    pub fn new_lines(&mut self, count: usize) -> Vec<String> {
        let numbers = self.told + 1..=self.told + count;
        self.told += count;
        let pad = self.pad_bytes;
        numbers
            .map(|number| format!("{{\"number\":{number},\"pad\":\"{}\"}}", "x".repeat(pad + number % 7)))
            .collect()
    }

    /// Appends this many lines, with no fault.
    #[track_caller]
    pub fn append(&mut self, count: usize) {
        let new = self.new_lines(count);
        self.sandbox
            .edgesync(["append", "--segment-bytes", SEGMENT_BYTES, "--max-bytes", "64MiB"])
            .stdin(lines(&new))
            .run()
            .exits(0);
        self.entries.extend(new);
    }

    /// Gives the program one line after the other, each once the one before has been passed on, until it takes no more.
    /// Returns how many were passed on.
    #[track_caller]
    pub fn feed(append: Invocation, new: &[String]) -> (usize, Output) {
        let mut live: Live = append.spawn();
        let mut acknowledged = 0;
        for line in new {
            if !live.try_feed(line) {
                break;
            }
            let Some(passed_on) = live.next_line_if_any() else { break };
            assert!(passed_on == *line, "what --tee passes on is what came in");
            acknowledged += 1;
        }
        (acknowledged, live.wait())
    }

    /// After a fault: of `new` at least the first `acknowledged` are there, in order and byte for byte, before them
    /// everything that was there before, and nothing else. The journal is sound, takes a fresh line, and adds up.
    #[track_caller]
    pub fn check_appended(&mut self, new: &[String], acknowledged: usize) {
        self.check_sound();
        let fresh = self.new_lines(1).remove(0);
        self.sandbox
            .edgesync(["append", "--segment-bytes", SEGMENT_BYTES, "--max-bytes", "64MiB"])
            .stdin(lines([&fresh]))
            .run()
            .exits(0);
        let on_disk = records(&self.sandbox.journal());
        for pair in on_disk.windows(2) {
            assert_eq!(pair[1].seq, pair[0].seq + 1, "no seq twice and none left out");
        }
        let before = self.entries.len() as u64;
        let added: Vec<_> = on_disk.iter().filter(|record| record.seq > before).map(|it| it.text()).collect();
        let kept = added.len().checked_sub(1).expect("at least the fresh line is there");
        assert!(kept >= acknowledged, "{acknowledged} lines were acknowledged, {kept} are there");
        assert!(kept <= new.len(), "{kept} lines are there, {} came in", new.len());
        assert!(added[..kept].iter().eq(&new[..kept]), "in order and byte for byte");
        assert_eq!(added[kept], fresh);
        for record in on_disk.iter().filter(|record| record.seq <= before) {
            assert!(
                record.text() == self.entries[record.seq as usize - 1],
                "seq {} is another entry now",
                record.seq
            );
        }
        self.entries.extend_from_slice(&new[..kept]);
        self.entries.push(fresh);
        self.sandbox.stats().shows([("written", self.entries.len() as u64), ("damaged", 0), ("evicted", 0)]);
    }

    /// `verify` finds nothing, and promise 4's sum holds; where there is a journal yet.
    #[track_caller]
    pub fn check_sound(&self) {
        if self.sandbox.journal().join("journal.json").exists() {
            self.sandbox.edgesync(["verify"]).run().exits(0);
            self.sandbox.stats();
        }
    }

    /// Nothing is left to deliver.
    #[track_caller]
    pub fn drain(&self) {
        self.sandbox.replay_to(&self.receiver).run().exits(0);
        let count = self.entries.len() as u64;
        self.sandbox.stats().shows([
            ("written", count),
            ("delivered", count),
            ("pending", 0),
            ("damaged", 0),
        ]);
    }

    /// Everything arrives, in order, and what came twice came with the same boundaries, key and bytes.
    #[track_caller]
    pub fn check_delivered(&self) {
        self.drain();
        self.receiver.assert_in_order_with_repetitions(&self.entries);
    }
}
