//! Every bit of a small journal flipped, every file cut at every byte: no panic, no silence, no more lost than the record that
//! was hit, and never another payload under a seq.
//!
//! The thousands of cases go through the library in this process, on one journal that is damaged in place and put back (a
//! copy would have no valid tail mark); a sample goes through the program.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use edgesync::{
    Batch, Error, IngestOptions, Item, Journal, Outcome, ReplayOptions, ReplayReport, Replayer, Seq,
    Settings, Sink, Stop, ingest,
};

use crate::harness::{Sandbox, random, tally};

const SEGMENT: &str = "00000000000000000001.jsonl";
const FRESH: &str = "\"fresh\"";
const PAYLOADS: [&str; 4] = ["{\"t\":21.5}", "[1,2,3]", "\"three\"", "4.0e0"];
/// The journal was left with these pending, and in flight.
const PENDING: [u64; 2] = [3, 4];

/// Entries with their seqs, as a sink took them.
type Taken = Vec<(u64, Vec<u8>)>;

/// Takes everything from its first batch on, or only so many batches.
struct Record {
    taken: Arc<Mutex<Taken>>,
    batches_max: usize,
}

impl Sink for Record {
    fn send(&mut self, batch: &Batch, _attempt: u32) -> Outcome {
        if self.batches_max == 0 {
            return Outcome::Later { reason: "not now".into(), retry_after: None };
        }
        self.batches_max -= 1;
        let lines =
            batch.body.split_inclusive(|&byte| byte == b'\n').map(|line| line[..line.len() - 1].to_vec());
        self.taken.lock().unwrap().extend((batch.first.get()..).zip(lines));
        Outcome::Delivered { through: None }
    }
}

fn append(journal: &Journal, lines: &[&str]) -> edgesync::Result<u64> {
    let (input, mut feed) = std::io::pipe().unwrap();
    std::io::Write::write_all(&mut feed, (lines.join("\n") + "\n").as_bytes()).unwrap();
    drop(feed);
    let report = ingest(journal, input, None, &IngestOptions::default(), &Stop::never(), &mut |_| ())?;
    Ok(report.accepted)
}

fn replay(journal: &Journal, batches_max: usize) -> (edgesync::Result<ReplayReport>, Taken) {
    let taken = Arc::default();
    let options =
        ReplayOptions { batch_size: 2, retries: 0, backoff: Duration::ZERO, ..ReplayOptions::default() };
    let report = loop {
        let sink = Record { taken: Arc::clone(&taken), batches_max };
        match Replayer::new(journal, sink, &options) {
            // A child that another test is just starting still has our lock open, until it becomes its program.
            Err(Error::Busy { .. }) => thread::yield_now(),
            replayer => break replayer.and_then(|it| it.run(&Stop::never(), &mut |_| ())),
        }
    };
    let taken = taken.lock().unwrap().clone();
    (report, taken)
}

/// A journal of four entries, two delivered and two in flight, and its files as they are.
struct Patient {
    sandbox: Sandbox,
    files: BTreeMap<PathBuf, Vec<u8>>,
}

/// What became of a damaged journal.
#[derive(Debug, Default)]
struct Seen {
    verify: Option<(u64, usize)>,
    readable: Option<BTreeSet<u64>>,
    /// `damaged` after the replay.
    damaged: Option<u64>,
    appended: bool,
    delivered: Taken,
    replayed: bool,
    errors: Vec<String>,
}

impl Patient {
    fn new() -> Self {
        let sandbox = Sandbox::in_memory();
        let path = sandbox.journal();
        let journal = Journal::open_or_create(&path, &Settings::default()).unwrap();
        append(&journal, &PAYLOADS).unwrap();
        replay(&journal, 1).0.unwrap();
        let paths = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path());
        let files = paths.map(|path| (path.clone(), fs::read(&path).unwrap())).collect();
        assert_eq!(journal.stats().unwrap().cursor, 3);
        Self { sandbox, files }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.sandbox.journal().join(name)
    }

    fn bytes(&self, name: &str) -> &[u8] {
        &self.files[&self.path(name)]
    }

    /// Puts everything back as it was, in the same files.
    fn restore(&self) {
        for entry in fs::read_dir(self.sandbox.journal()).unwrap() {
            let path = entry.unwrap().path();
            if !self.files.contains_key(&path) {
                fs::remove_file(path).unwrap();
            }
        }
        for (path, bytes) in &self.files {
            overwrite(path, bytes);
        }
    }

    /// Goes through all that one does with a journal.
    fn examine(&self) -> Seen {
        let mut seen = Seen::default();
        let path = self.sandbox.journal();
        let mut note = |what: &str, error: edgesync::Error| seen.errors.push(format!("{what}: {error}"));
        match Journal::open_read_only(&path) {
            Err(error) => note("open", error),
            Ok(journal) => {
                let mut findings = 0;
                match journal.verify(&mut |_| findings += 1) {
                    Ok(verified) => seen.verify = Some((verified.damaged_entries, findings)),
                    Err(error) => note("verify", error),
                }
                match readable(&journal) {
                    Ok(seqs) => seen.readable = Some(seqs),
                    Err(error) => note("cat", error),
                }
                if let Err(error) = journal.stats() {
                    note("stats", error);
                }
            }
        }
        match Journal::open(&path) {
            Err(error) => note("open", error),
            Ok(journal) => {
                match append(&journal, &[FRESH]) {
                    Ok(count) => seen.appended = count == 1,
                    Err(error) => note("append", error),
                }
                let (report, delivered) = replay(&journal, usize::MAX);
                seen.delivered = delivered;
                match report {
                    Ok(report) => seen.replayed = report.remaining == 0,
                    Err(error) => note("replay", error),
                }
                if let Ok(stats) = journal.stats() {
                    let terms =
                        [stats.delivered, stats.pending, stats.dead_lettered, stats.evicted, stats.skipped];
                    assert_eq!(stats.written, terms.iter().sum::<u64>() + stats.damaged, "{stats:?}");
                    seen.damaged = Some(stats.damaged);
                }
            }
        }
        seen
    }
}

/// The seqs of the entries that can be read, each of which must be what it was.
fn readable(journal: &Journal) -> edgesync::Result<BTreeSet<u64>> {
    let mut seqs = BTreeSet::new();
    let mut reader = journal.reader(Seq::FIRST)?;
    while let Some(item) = reader.read()? {
        if let Item::Entry(record) = item {
            assert_eq!(record.payload, PAYLOADS[record.seq.get() as usize - 1].as_bytes());
            seqs.insert(record.seq.get());
        }
    }
    Ok(seqs)
}

fn overwrite(path: &Path, bytes: &[u8]) {
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(path).unwrap();
    file.set_len(bytes.len() as u64).unwrap();
    file.write_all_at(bytes, 0).unwrap();
}

/// What holds whatever was damaged: order, no other payload under a seq, nothing lost in silence.
#[track_caller]
fn check(case: &str, seen: &Seen) {
    let context = || format!("{case}: {seen:?}");
    let mut highest = 0;
    for (seq, payload) in &seen.delivered {
        assert!(*seq > highest, "out of order in {}", context());
        highest = *seq;
        match PAYLOADS.get(*seq as usize - 1) {
            Some(expected) => assert!(payload == expected.as_bytes(), "another payload in {}", context()),
            None => assert!(payload == FRESH.as_bytes(), "another payload in {}", context()),
        }
    }
    let delivered: BTreeSet<_> = seen.delivered.iter().map(|(seq, _)| *seq).collect();
    let missing = PENDING.iter().filter(|seq| !delivered.contains(seq)).count() as u64;
    if seen.replayed && missing > 0 {
        assert!(seen.damaged.is_some_and(|damaged| damaged >= missing), "lost in silence in {}", context());
    }
    if missing > 0 || !seen.replayed {
        let told = seen.verify.is_some_and(|(_, findings)| findings > 0) || !seen.errors.is_empty();
        assert!(told, "verify is silent in {}", context());
    }
    if seen.appended && seen.replayed {
        assert!(
            seen.delivered.iter().any(|(_, payload)| payload == FRESH.as_bytes()),
            "not fresh in {}",
            context()
        );
    }
}

/// Damages a file in place, looks what comes of it, and puts it back.
fn case(patient: &Patient, name: &str, what: &str, damaged: &[u8]) -> Seen {
    overwrite(&patient.path(name), damaged);
    let seen = patient.examine();
    check(&format!("{name} {what}"), &seen);
    patient.restore();
    seen
}

fn flipped(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[bit / 8] ^= 1 << (bit % 8);
    bytes
}

/// The seq of the line in which the byte at `at` lies.
fn entry_at(segment: &[u8], at: usize) -> u64 {
    segment[..at].iter().filter(|&&byte| byte == b'\n').count() as u64 + 1
}

#[test]
fn a_flipped_bit_in_a_segment_costs_the_record_that_it_touches_and_no_other() {
    let patient = Patient::new();
    let segment = patient.bytes(SEGMENT).to_vec();
    for bit in 0..segment.len() * 8 {
        let seen = case(&patient, SEGMENT, &format!("bit {bit}"), &flipped(&segment, bit));
        let hit = entry_at(&segment, bit / 8);
        let readable = seen.readable.as_ref().unwrap_or_else(|| panic!("bit {bit}: {seen:?}"));
        let kept = (1..=4).filter(|seq| *seq != hit);
        assert!(kept.clone().all(|seq| readable.contains(&seq)), "bit {bit}: {seen:?}");
        assert!(seen.replayed && seen.appended, "bit {bit}: {seen:?}");
        for seq in kept.filter(|seq| PENDING.contains(seq)) {
            assert!(seen.delivered.iter().any(|(it, _)| *it == seq), "bit {bit}: {seen:?}");
        }
        assert!(seen.verify.is_some_and(|(entries, findings)| findings > 0 && entries <= 1));
    }
    tally("bits flipped in a segment", segment.len() * 8);
}

#[test]
fn a_segment_cut_at_any_byte_costs_what_was_cut_and_says_so() {
    let patient = Patient::new();
    let segment = patient.bytes(SEGMENT).to_vec();
    for length in 0..segment.len() {
        let seen = case(&patient, SEGMENT, &format!("cut at {length}"), &segment[..length]);
        let whole = segment[..length].iter().filter(|&&byte| byte == b'\n').count() as u64;
        assert!(seen.replayed && seen.appended, "cut at {length}: {seen:?}");
        let delivered: Vec<_> = seen.delivered.iter().map(|(seq, _)| *seq).collect();
        let expected: Vec<_> = (3..=whole).chain([5]).collect();
        assert_eq!(delivered, expected, "cut at {length}: no seq is given twice, none is lost that is whole");
    }
    tally("cuts of a segment", segment.len());
}

/// The other files hold no entries: whatever befalls one, entries are delivered as they were, or an error says why not.
fn no_entry_is_lost(name: &str, every_bit_of: impl Fn(&[u8]) -> Vec<usize>) {
    let patient = Patient::new();
    let good = patient.bytes(name).to_vec();
    let bits = every_bit_of(&good);
    let mut refused = 0;
    let mut look = |what: String, damaged: &[u8]| {
        let seen = case(&patient, name, &what, damaged);
        if seen.errors.is_empty() {
            for seq in PENDING {
                assert!(seen.delivered.iter().any(|(it, _)| *it == seq), "{name} {what}: {seen:?}");
            }
            assert!(seen.appended && seen.replayed && seen.damaged == Some(0), "{name} {what}: {seen:?}");
        } else {
            refused += 1;
            assert!(seen.delivered.is_empty(), "{name} {what}: {seen:?}");
        }
    };
    for bit in &bits {
        look(format!("bit {bit}"), &flipped(&good, *bit));
    }
    for length in 0..good.len() {
        look(format!("cut at {length}"), &good[..length]);
    }
    tally(&format!("bits flipped in {name}"), bits.len());
    tally(&format!("cuts of {name}"), good.len());
    tally(&format!("damaged copies of {name} that were refused"), refused);
}

#[test]
fn no_damage_to_the_tail_mark_loses_an_entry() {
    no_entry_is_lost("append.lock", |bytes| (0..bytes.len() * 8).collect());
}

#[test]
fn damage_to_the_identity_and_the_limits_is_an_error_and_not_another_identity_or_limit() {
    no_entry_is_lost("journal.json", |bytes| (0..bytes.len() * 8).collect());
    let patient = Patient::new();
    let good = patient.bytes("journal.json").to_vec();
    let before = Journal::open(&patient.sandbox.journal()).unwrap().config().clone();
    for bit in 0..good.len() * 8 {
        overwrite(&patient.path("journal.json"), &flipped(&good, bit));
        if let Ok(journal) = Journal::open(&patient.sandbox.journal()) {
            // Whoever writes over it makes the journal a copy: that gives it an id that no other journal has, and says so.
            let (now, former) = (journal.config(), journal.former_id().unwrap_or(journal.id()));
            let same = now.limits == before.limits && now.segment_bytes == before.segment_bytes;
            assert!(
                same && former == before.id,
                "bit {bit} changes what the journal is, in silence: {now:?}"
            );
        }
    }
}

#[test]
fn damage_to_one_slot_of_the_cursor_is_made_good_by_the_other() {
    // Of the padding one bit in each byte; of what is written, every bit.
    no_entry_is_lost("cursor", |bytes| {
        (0..bytes.len() * 8).filter(|bit| bytes[bit / 8] != b' ' || bit % 8 == bit / 8 % 8).collect()
    });
}

#[test]
fn a_cursor_from_earlier_sends_again_what_was_sent_and_nothing_else() {
    let patient = Patient::new();
    let early = patient.bytes("cursor").to_vec();
    let journal = Journal::open(&patient.sandbox.journal()).unwrap();
    replay(&journal, usize::MAX).0.unwrap();
    overwrite(&patient.path("cursor"), &early);
    let seen = patient.examine();
    check("an earlier cursor", &seen);
    assert_eq!(seen.delivered.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), [3, 4, 5]);
}

#[test]
fn the_program_never_panics_over_a_damaged_journal_and_never_calls_it_sound() {
    let patient = Patient::new();
    let mut random = random();
    let names: Vec<_> =
        patient.files.keys().filter(|path| !patient.files[*path].is_empty()).cloned().collect();
    let sandbox = &patient.sandbox;
    let cases = 60;
    for number in 0..cases {
        let path = &names[number % names.len()];
        let good = &patient.files[path];
        let place = random.usize(0..good.len().min(900));
        let damaged = match random.u8(0..3) {
            0 => flipped(good, place * 8 + random.usize(0..8)),
            1 => good[..place].to_vec(),
            _ => {
                let mut bytes = good.clone();
                let end = bytes.len().min(place + 64);
                bytes[place..end].iter_mut().for_each(|byte| *byte = random.u8(..));
                bytes
            }
        };
        overwrite(path, &damaged);
        let verified = sandbox.edgesync(["verify"]).run();
        verified.exits_with_one_of(&[0, 6]);
        for words in [&["stats"][..], &["stats", "--format", "json"], &["cat", "-n", "9"], &["dead", "list"]]
        {
            sandbox.edgesync(words).run().exits_with_one_of(&[0, 5, 6]);
        }
        sandbox.edgesync(["append"]).stdin("5\n").run().exits_with_one_of(&[0, 6]);
        let replayed = sandbox.edgesync(["replay", "--exec", "cat"]).run();
        replayed.exits_with_one_of(&[0, 5, 6]);
        sandbox.edgesync(["compact"]).run().exits_with_one_of(&[0, 6]);
        let printed = replayed.stdout();
        for payload in [PAYLOADS[2], PAYLOADS[3]] {
            let there = printed.lines().any(|line| line == payload);
            assert!(there || replayed.code() != Some(0), "{payload} is lost and the run calls it done");
        }
        if replayed.code() == Some(5) {
            verified.exits(6);
        }
        patient.restore();
    }
    tally("damaged journals given to the program", cases);
}
