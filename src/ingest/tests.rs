//! The whole way from a pipe to commits, with a journal that only remembers.

use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use uuid::Uuid;

use super::*;
use crate::journal::{Committed, Durability, Evicted, Overflow, RejectedLine, Renewal};
use crate::record::{Block, Seq, decode};
use crate::stop::Stopper;

/// What a fake journal was asked to do, in order.
#[derive(Debug, Clone, PartialEq)]
enum Event {
    Committed(Vec<String>, Durability),
    Synced,
    Kept(Vec<u64>),
    Passed(String),
}

/// A journal that remembers, with room for so many entries.
struct Fake {
    events: Arc<Mutex<Vec<Event>>>,
    committed: Sender<usize>,
    next: u64,
    room: Arc<Mutex<usize>>,
    overflow: Overflow,
    fails_at: Option<u64>,
    /// What comes before that in the same commit is taken.
    fails_in_part: bool,
    sync_fails: bool,
}

impl Committer for Fake {
    fn next_seq(&self) -> Seq {
        Seq::new(self.next).unwrap()
    }

    fn commit(&mut self, block: &mut Block, durability: Durability) -> Result<Committed> {
        assert!(!block.is_empty());
        block.renumber(self.next_seq());
        let mut room = self.room.lock().unwrap();
        let taken = block.count().min(*room);
        *room -= taken;
        let mut taken = taken;
        let mut failure = None;
        if let Some(seq) = self.fails_at
            && seq < self.next + taken as u64
        {
            let error = Error::Invalid("the disk is gone".into());
            taken = (seq - self.next) as usize;
            if taken == 0 || !self.fails_in_part {
                return Err(error);
            }
            failure = Some(error);
        }
        for (index, line) in block.records(0, taken).split_inclusive(|byte| *byte == b'\n').enumerate() {
            let record = decode(line).unwrap();
            assert_eq!((record.seq.get(), record.payload), (self.next + index as u64, block.payload(index)));
        }
        self.next += taken as u64;
        let payload = |index| String::from_utf8(block.payload(index).to_vec()).unwrap();
        if taken > 0 {
            self.events.lock().unwrap().push(Event::Committed((0..taken).map(payload).collect(), durability));
        }
        let _ = self.committed.send(taken);
        Ok(Committed { taken, failure })
    }

    fn overflow(&self) -> Overflow {
        self.overflow
    }

    fn take_renewed(&mut self) -> Option<(Uuid, Renewal)> {
        None
    }

    fn take_evicted(&mut self) -> Evicted {
        Evicted::default()
    }

    fn sync(&mut self) -> Result<()> {
        if self.sync_fails {
            return Err(Error::Invalid("the disk is gone".into()));
        }
        self.events.lock().unwrap().push(Event::Synced);
        Ok(())
    }

    fn reject(&mut self, lines: &[RejectedLine]) -> Result<()> {
        self.events.lock().unwrap().push(Event::Kept(lines.iter().map(|line| line.line).collect()));
        Ok(())
    }
}

/// A reader of what is passed on, which may be gone.
struct Downstream {
    events: Arc<Mutex<Vec<Event>>>,
    gone: bool,
}

impl Write for Downstream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.gone {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.events.lock().unwrap().push(Event::Passed(String::from_utf8(bytes.to_vec()).unwrap()));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A run that is set up, fed and looked at.
struct Run {
    journal: Fake,
    options: IngestOptions,
    tee: Option<Downstream>,
    stopper: Stopper,
    stop: Stop,
    commits: Receiver<usize>,
    told: Vec<String>,
}

impl Run {
    fn new() -> Self {
        let (committed, commits) = channel();
        let journal = Fake {
            events: Arc::default(),
            committed,
            next: 1,
            room: Arc::new(Mutex::new(usize::MAX)),
            overflow: Overflow::DropOldest,
            fails_at: None,
            fails_in_part: false,
            sync_fails: false,
        };
        let (stopper, stop) = Stop::pair().unwrap();
        Self {
            journal,
            options: IngestOptions::default(),
            tee: None,
            stopper,
            stop,
            commits,
            told: Vec::new(),
        }
    }

    fn full_after(mut self, room: usize, overflow: Overflow) -> Self {
        *self.journal.room.lock().unwrap() = room;
        self.journal.overflow = overflow;
        self
    }

    fn sync(mut self, sync: SyncPolicy) -> Self {
        self.options.sync = sync;
        self
    }

    fn tee(mut self, gone: bool) -> Self {
        self.tee = Some(Downstream { events: self.journal.events.clone(), gone });
        self
    }

    /// Runs while `feed` feeds it, and looks at the commits and may ask to stop. A pipe that `feed` returns stays open
    /// until the run has ended.
    fn fed<T: Send>(
        &mut self,
        feed: impl FnOnce(PipeWriter, &Receiver<usize>, &Stopper) -> T + Send,
    ) -> Result<IngestReport> {
        let (input, pipe): (PipeReader, PipeWriter) = io::pipe().unwrap();
        let Self { journal, options, tee, stopper, stop, commits, told } = self;
        let commits = Mutex::new(commits);
        std::thread::scope(|scope| {
            let _feeding = scope.spawn(|| feed(pipe, &commits.lock().unwrap(), stopper));
            let tee = tee.as_mut().map(|tee| tee as &mut (dyn Write + Send));
            let mut notice = |notice: Notice| told.push(notice.to_string());
            run(journal, input, tee, options, MAX_LINE_MAX, stop, &mut notice)
        })
    }

    fn fed_bytes(&mut self, bytes: &[u8]) -> Result<IngestReport> {
        self.fed(|mut pipe, _, _| {
            let _ = pipe.write_all(bytes);
        })
    }

    fn events(&self) -> Vec<Event> {
        self.journal.events.lock().unwrap().clone()
    }

    fn payloads(&self) -> Vec<String> {
        let commits = self.events().into_iter().filter_map(|event| match event {
            Event::Committed(payloads, _) => Some(payloads),
            _ => None,
        });
        commits.flatten().collect()
    }
}

fn report(accepted: u64, rejected: u64, not_taken: u64, stopped: bool) -> IngestReport {
    IngestReport { accepted, rejected, not_taken, evicted: 0, stopped }
}

#[test]
fn good_lines_are_taken_in_order_and_bad_ones_are_named() {
    let mut run = Run::new();
    let input = b"\xef\xbb\xbf{\"a\":1}\r\n\nnope\n[2]\n 3";
    assert_eq!(run.fed_bytes(input).unwrap(), report(3, 1, 0, false));
    assert_eq!(run.payloads(), ["{\"a\":1}", "[2]", "3"]);
    assert_eq!(run.told, ["line 3: not one JSON value: expected ident at column 2 (kept in rejected.jsonl)"]);
}

#[test]
fn an_empty_input_commits_nothing() {
    let mut run = Run::new();
    assert_eq!(run.fed_bytes(b"").unwrap(), report(0, 0, 0, false));
    assert_eq!(run.fed_bytes(b" \n\r\n\n").unwrap(), report(0, 0, 0, false));
    assert_eq!(run.events(), []);
}

#[test]
fn a_slow_sensor_is_durable_line_by_line() {
    let mut run = Run::new();
    let fed = run.fed(|mut pipe, commits, _| {
        for line in 0..50 {
            writeln!(pipe, "{line}").unwrap();
            assert_eq!(commits.recv().unwrap(), 1);
        }
    });
    assert_eq!(fed.unwrap(), report(50, 0, 0, false));
    assert_eq!(run.events()[49], Event::Committed(vec!["49".into()], Durability::Sync));
}

#[test]
fn every_line_of_a_bulk_load_arrives_once_and_in_order() {
    let mut run = Run::new();
    let lines: Vec<String> =
        (0..100_000).map(|line| format!("{{\"n\":{line},\"pad\":\"{:>40}\"}}", "")).collect();
    assert_eq!(run.fed_bytes(lines.join("\n").as_bytes()).unwrap(), report(100_000, 0, 0, false));
    assert_eq!(run.payloads(), lines);
    assert!(run.events().len() < 50_000, "{} commits", run.events().len());
}

#[test]
fn a_regular_file_and_the_null_device_are_inputs_too() {
    let mut run = Run::new();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let text = std::fs::read_to_string(path).unwrap();
    run.options.text = true;
    let mut take = |path| {
        super::run(
            &mut run.journal,
            File::open(path).unwrap(),
            None,
            &run.options,
            MAX_LINE_MAX,
            &run.stop,
            &mut |_| {},
        )
        .unwrap()
    };
    assert_eq!(take(path).accepted, text.lines().filter(|line| !line.trim().is_empty()).count() as u64);
    assert_eq!(take("/dev/null"), report(0, 0, 0, false));
}

#[test]
fn a_failed_read_is_an_error_that_names_the_input() {
    let mut run = Run::new();
    let directory = File::open(env!("CARGO_MANIFEST_DIR")).unwrap();
    let error =
        super::run(&mut run.journal, directory, None, &run.options, MAX_LINE_MAX, &run.stop, &mut |_| {})
            .unwrap_err();
    assert!(error.to_string().starts_with("cannot read standard input: "), "{error}");
}

#[test]
fn an_overlong_line_is_rejected_with_its_length_and_the_next_is_taken() {
    let mut run = Run::new();
    let input = [&b"1\n"[..], &vec![b'x'; 5 << 20], b"\n2\n"].concat();
    assert_eq!(run.fed_bytes(&input).unwrap(), report(2, 1, 0, false));
    assert_eq!(run.payloads(), ["1", "2"]);
    assert_eq!(
        run.told,
        ["line 2: longer than a line may be: 5242880 bytes, at most 1048576 (kept in rejected.jsonl)"]
    );
}

#[test]
fn a_flood_of_bad_lines_is_kept_and_named_whole() {
    let mut run = Run::new();
    assert_eq!(run.fed_bytes(&b"x\n".repeat(50_000)).unwrap(), report(0, 50_000, 0, false));
    assert_eq!(run.told.len(), 50_000);
}

#[test]
fn a_stop_keeps_whole_lines_and_names_the_rest() {
    let mut run = Run::new();
    let fed = run.fed(|mut pipe, commits, stop| {
        pipe.write_all(b"1\n2\n{\"half").unwrap();
        let mut committed = 0;
        while committed < 2 {
            committed += commits.recv().unwrap();
        }
        stop.stop();
        pipe
    });
    assert_eq!(fed.unwrap(), report(2, 0, 0, true));
    assert_eq!(run.payloads(), ["1", "2"]);
    assert_eq!(run.told, ["the last line had no end when the signal came and was not taken (6 bytes)"]);
}

#[test]
fn a_line_is_passed_on_only_after_its_commit_and_bad_lines_are_kept_before() {
    let mut run = Run::new().tee(false);
    run.fed_bytes(b"1\nbad\n 2 \n").unwrap();
    let events = run.events();
    let place = |wanted: &Event| events.iter().position(|event| event == wanted).unwrap();
    assert!(place(&Event::Kept(vec![2])) < place(&Event::Passed("1\n2\n".into())));
    assert_eq!(events.last(), Some(&Event::Passed("1\n2\n".into())));
}

#[test]
fn when_nobody_reads_what_is_passed_on_journaling_goes_on_and_that_is_told_once() {
    let mut run = Run::new().tee(true);
    let fed = run.fed(|mut pipe, commits, _| {
        for line in 0..3 {
            writeln!(pipe, "{line}").unwrap();
            commits.recv().unwrap();
        }
    });
    assert_eq!(fed.unwrap(), report(3, 0, 0, false));
    assert_eq!(run.told, ["stdout closed; --tee disabled, still writing to the journal"]);
}

#[test]
fn with_an_interval_lines_are_passed_on_after_the_sync_that_covers_them() {
    let mut run = Run::new().sync(SyncPolicy::Interval(Duration::from_secs(3600))).tee(false);
    run.fed_bytes(b"1\n2\n").unwrap();
    assert_eq!(
        run.events(),
        [
            Event::Committed(vec!["1".into(), "2".into()], Durability::NoSync),
            Event::Synced,
            Event::Passed("1\n2\n".into())
        ]
    );
}

#[test]
fn an_interval_passes_while_the_input_is_idle() {
    let mut run = Run::new().sync(SyncPolicy::Interval(Duration::from_millis(1))).tee(false);
    let events = run.journal.events.clone();
    run.fed(|mut pipe, _, _| {
        pipe.write_all(b"1\n").unwrap();
        while !events.lock().unwrap().contains(&Event::Passed("1\n".into())) {
            std::thread::yield_now();
        }
    })
    .unwrap();
    assert_eq!(run.events().iter().filter(|event| **event == Event::Synced).count(), 1);
}

#[test]
fn with_an_interval_what_is_held_back_is_bounded() {
    let mut run = Run::new().sync(SyncPolicy::Interval(Duration::from_secs(3600))).tee(false);
    let line = format!("\"{}\"\n", "x".repeat(1 << 19));
    run.fed_bytes(line.repeat(10).as_bytes()).unwrap();
    let passed = run.events().into_iter().filter_map(|event| match event {
        Event::Passed(text) => Some(text.len()),
        _ => None,
    });
    assert!(passed.max().unwrap() <= 4 << 19);
}

#[test]
fn without_syncs_there_is_none() {
    let mut run = Run::new().sync(SyncPolicy::Never).tee(false);
    run.fed_bytes(b"1\n").unwrap();
    let commit = Event::Committed(vec!["1".into()], Durability::NoSync);
    assert_eq!(run.events(), [commit, Event::Passed("1\n".into())]);
}

#[test]
fn under_reject_what_was_not_taken_is_named_and_room_is_used_when_there_is_some() {
    let mut run = Run::new().full_after(2, Overflow::Reject).tee(false);
    let room = run.journal.room.clone();
    let fed = run.fed(|mut pipe, commits, _| {
        pipe.write_all(b"1\n2\n3\n\n4\n").unwrap();
        let mut seen = 0;
        while seen < 2 {
            seen += commits.recv().unwrap();
        }
        // A line that does not fit shows that all before it have been dealt with.
        pipe.write_all(b"5\n").unwrap();
        commits.recv().unwrap();
        *room.lock().unwrap() = 1;
        pipe.write_all(b"6\n7\n").unwrap();
    });
    assert_eq!(fed.unwrap(), report(3, 0, 4, false));
    assert_eq!(run.payloads(), ["1", "2", "6"]);
    assert_eq!(run.told[0], "full: line 3 and those after it are not taken until there is room");
    assert_eq!(run.told[1..], ["full: 4 lines (3 to 6, 8) were not taken"]);
    let passed = run.events().into_iter().filter(|event| matches!(event, Event::Passed(_))).count();
    assert_eq!(passed, 2);
}

#[test]
fn under_block_entries_wait_for_room_and_none_is_lost() {
    let mut run = Run::new().full_after(1, Overflow::Block);
    let room = run.journal.room.clone();
    let fed = run.fed(|mut pipe, commits, _| {
        pipe.write_all(b"1\n2\n3\n").unwrap();
        while commits.recv().unwrap() != 0 {}
        *room.lock().unwrap() = 9;
    });
    assert_eq!(fed.unwrap(), report(3, 0, 0, false));
    assert_eq!(run.payloads(), ["1", "2", "3"]);
    assert_eq!(run.told.len(), 1);
}

#[test]
fn a_stop_ends_the_wait_for_room_and_nothing_overtakes() {
    let mut run = Run::new().full_after(1, Overflow::Block);
    let fed = run.fed(|mut pipe, commits, stop| {
        pipe.write_all(b"1\n2\n3\n").unwrap();
        while commits.recv().unwrap() != 0 {}
        stop.stop();
        pipe
    });
    assert_eq!(fed.unwrap(), report(1, 0, 2, true));
    assert_eq!(run.told.last().unwrap(), "full: 2 lines (2 to 3) were not taken");
}

#[test]
fn a_failed_commit_ends_the_run_at_once_and_names_the_first_line_that_is_not_safe() {
    let mut run = Run::new();
    run.journal.fails_at = Some(2);
    let fed = run.fed(|mut pipe, commits, _| {
        pipe.write_all(b"1\n").unwrap();
        commits.recv().unwrap();
        pipe.write_all(b"\n2\n").unwrap();
        // The pipe stays open: a silent sensor must not keep a failed run alive.
        pipe
    });
    assert_eq!(fed.unwrap_err().to_string(), "the disk is gone");
    assert_eq!(run.told, ["line 3 and those after it were not taken"]);
}

#[test]
fn what_a_failing_commit_has_taken_is_acknowledged_and_the_next_line_named() {
    let mut run = Run::new().tee(false);
    run.journal.fails_at = Some(3);
    run.journal.fails_in_part = true;
    let fed = run.fed(|mut pipe, _, _| {
        pipe.write_all(b"1\n2\n3\n4\n").unwrap();
        pipe
    });
    assert_eq!(fed.unwrap_err().to_string(), "the disk is gone");
    let passed: String = run
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::Passed(lines) => Some(lines),
            _ => None,
        })
        .collect();
    assert_eq!(passed, "1\n2\n");
    assert_eq!(run.told, ["line 3 and those after it were not taken"]);
}

#[test]
fn when_a_commit_fails_what_was_written_before_is_still_synced() {
    let mut run = Run::new().sync(SyncPolicy::Interval(Duration::from_secs(3600))).tee(false);
    run.journal.fails_at = Some(2);
    let fed = run.fed(|mut pipe, commits, _| {
        pipe.write_all(b"1\n").unwrap();
        commits.recv().unwrap();
        pipe.write_all(b"2\n").unwrap();
        pipe
    });
    assert!(fed.is_err());
    assert_eq!(run.events()[1..], [Event::Synced, Event::Passed("1\n".into())]);
    assert_eq!(run.told, ["line 2 and those after it were not taken"]);
}

#[test]
fn a_failed_sync_names_the_first_line_since_the_last_one() {
    let mut run = Run::new().sync(SyncPolicy::Interval(Duration::from_secs(3600)));
    run.journal.sync_fails = true;
    assert!(run.fed_bytes(b"\n1\n2\n").is_err());
    assert_eq!(run.told, ["line 2 and those after it were not taken"]);
}

#[test]
fn seqs_that_another_process_took_in_between_are_not_given_again() {
    let mut run = Run::new();
    run.journal.next = 900;
    run.fed_bytes(b"1\n2\n").unwrap();
    assert_eq!((run.payloads().len(), run.journal.next), (2, 902));
}

#[test]
fn a_limit_out_of_range_is_refused() {
    for max_line in [0, MAX_LINE_MAX + 1] {
        let mut run = Run::new();
        run.options.max_line = max_line;
        assert!(matches!(run.fed_bytes(b"1\n"), Err(Error::Invalid(_))));
    }
}
