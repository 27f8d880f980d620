//! `append` among other processes: pipes that close, signals that come, writers beside it.

use std::fs::File;
use std::io::{PipeReader, Read, Write, pipe};
use std::thread;

use rustix::process::Signal;

use crate::harness::{Live, Sandbox, lines, random, readings, records, until};

#[test]
fn tee_passes_each_line_on_once_it_is_durable() {
    let sandbox = Sandbox::new();
    let mut sensor = sandbox.edgesync(["append", "--tee"]).spawn();
    for (index, payload) in [r#"{"a":1}"#, "2", "\"three\""].into_iter().enumerate() {
        sensor.feed(payload);
        assert_eq!(sensor.next_line(), payload);
        let on_disk = records(&sandbox.journal());
        assert_eq!((on_disk.len(), on_disk[index].text()), (index + 1, payload));
        sandbox.stats().shows([("written", index as u64 + 1)]);
    }
    sensor.wait().exits(0);
}

#[test]
fn tee_passes_on_a_bulk_in_order_and_leaves_out_what_was_rejected() {
    let sandbox = Sandbox::new();
    let payloads = readings(20_000, 120);
    let mut input = payloads.clone();
    input.insert(10_000, "not json".to_owned());
    let output = sandbox.edgesync(["append", "--tee"]).stdin(lines(&input)).run();
    output.exits(5).says("line 10001");
    assert!(output.lines() == payloads, "what was passed on is not what was taken");
    assert!(sandbox.cat() == payloads, "what was journaled is not what was taken");
}

#[test]
fn journaling_goes_on_when_tees_reader_goes_away() {
    let sandbox = Sandbox::new();
    let (reader, writer) = pipe().unwrap();
    let mut sensor = sandbox.edgesync(["append", "--tee"]).stdout_to(writer).spawn();
    drop(reader);
    let payloads = readings(5_000, 120);
    for piece in payloads.chunks(1_000) {
        sensor.feed_bytes(lines(piece).as_bytes());
    }
    sensor.wait().exits(0);
    assert!(sandbox.cat() == payloads, "lines are missing");
}

#[test]
fn a_closed_stdout_does_not_concern_a_plain_append() {
    let sandbox = Sandbox::new();
    sandbox.shell(r#"printf '1\n2\n' | "$EDGESYNC" append >&-"#).run().exits(0);
    assert_eq!(sandbox.cat(), ["1", "2"]);
}

#[test]
fn a_tee_reader_that_does_not_read_holds_the_writer_up_but_loses_nothing() {
    let sandbox = Sandbox::new();
    let (mut reader, writer) = pipe().unwrap();
    let payloads = readings(20_000, 120);
    let mut sensor = sandbox.edgesync(["append", "--tee"]).stdout_to(writer).spawn();
    sensor.feed_in_background(lines(&payloads).into_bytes());
    until("the first lines to be passed on", || {
        (rustix::io::ioctl_fionread(&reader).unwrap() > 0).then_some(())
    });
    let mut passed_on = String::new();
    reader.read_to_string(&mut passed_on).unwrap();
    sensor.wait().exits(0);
    assert!(passed_on == lines(&payloads), "what was passed on is not what was taken");
}

/// An append that reads from a pipe of which the test keeps the reading end, too: so it can see what was left unread.
fn append_with_shared_pipe(sandbox: &Sandbox, words: &[&str]) -> (Live, PipeReader, std::io::PipeWriter) {
    let (reader, writer) = pipe().unwrap();
    let ours = reader.try_clone().unwrap();
    (sandbox.edgesync(["append"]).args(words).stdin_from(reader).spawn(), ours, writer)
}

/// Feeds a few lines and half a line, sends the signal while they are being read, and compares the journal with what
/// was taken out of the pipe.
fn every_whole_line_that_was_read_is_durable_after(signal: Signal) {
    let sandbox = Sandbox::new();
    let (mut sensor, mut ours, mut writer) = append_with_shared_pipe(&sandbox, &["--tee"]);
    writer.write_all(b"\"first\"\n").unwrap();
    assert_eq!(sensor.next_line(), "\"first\"");

    let payloads = readings(400, 100);
    let input = lines(&payloads) + "12";
    writer.write_all(input.as_bytes()).unwrap();
    sensor.signal(signal);
    let output = sensor.wait();
    drop(writer);
    let mut unread = Vec::new();
    ours.read_to_end(&mut unread).unwrap();

    let read = &input[..input.len() - unread.len()];
    let whole = read[..read.rfind('\n').map_or(0, |end| end + 1)].lines();
    let expected: Vec<_> = std::iter::once("\"first\"").chain(whole).collect();
    assert_eq!(sandbox.cat(), expected, "after {signal:?}, {} bytes unread", unread.len());
    assert_eq!(output.whole_lines(), expected, "what was passed on");
    sandbox.append(["\"afterwards\""]);
    sandbox.stats().shows([("written", expected.len() as u64 + 1)]);
}

#[test]
fn every_whole_line_that_was_read_is_durable_after_sigint() {
    every_whole_line_that_was_read_is_durable_after(Signal::INT);
}

#[test]
fn every_whole_line_that_was_read_is_durable_after_sigterm() {
    every_whole_line_that_was_read_is_durable_after(Signal::TERM);
}

#[test]
fn every_whole_line_that_was_read_is_durable_after_sighup() {
    every_whole_line_that_was_read_is_durable_after(Signal::HUP);
}

#[test]
fn a_signal_makes_durable_what_a_lazy_sync_mode_has_not_synced_yet() {
    for mode in ["interval=1h", "never"] {
        let sandbox = Sandbox::new();
        let (sensor, ours, mut writer) = append_with_shared_pipe(&sandbox, &["--sync", mode]);
        writer.write_all(b"1\n2\n3").unwrap();
        until("everything to be read", || (rustix::io::ioctl_fionread(&ours).unwrap() == 0).then_some(()));
        sensor.signal(Signal::TERM);
        sensor.wait();
        let (receiver, output) = sandbox.drain();
        output.exits(0);
        receiver.assert_in_order_once(&["1", "2"]);
    }
}

#[test]
fn four_processes_at_once_number_without_a_gap_and_keep_each_writers_order() {
    const EACH: usize = 25_000;
    let sandbox = Sandbox::new();
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let mut process = sandbox.edgesync(["append", "--segment-bytes", "1MiB"]).spawn();
            let mut stdin = process.take_stdin();
            let mut random = random();
            let feeder = thread::spawn(move || {
                let input: String = (0..EACH).map(|number| format!("[{writer},{number}]\n")).collect();
                let mut rest = input.as_bytes();
                while !rest.is_empty() {
                    let (piece, left) = rest.split_at(random.usize(1..20_000).min(rest.len()));
                    stdin.write_all(piece).unwrap();
                    rest = left;
                }
            });
            (process, feeder)
        })
        .collect();
    for (process, feeder) in writers {
        feeder.join().unwrap();
        process.wait().exits(0);
    }

    let mut next = [0; 4];
    let on_disk = records(&sandbox.journal());
    for (index, record) in on_disk.iter().enumerate() {
        assert_eq!(record.seq, index as u64 + 1);
        let (writer, number): (usize, usize) = serde_json::from_slice(&record.data).unwrap();
        assert_eq!(number, next[writer], "writer {writer} is out of order at entry {}", record.seq);
        next[writer] += 1;
    }
    assert_eq!(next, [EACH; 4]);
    sandbox.stats().shows([("written", 4 * EACH as u64), ("pending", 4 * EACH as u64)]);
}

#[test]
fn one_may_append_while_another_delivers() {
    let sandbox = Sandbox::new();
    let payloads = readings(3_000, 60);
    sandbox.append(&payloads[..1]);
    let mut sensor = sandbox.edgesync(["append"]).spawn();
    let (receiver, _) = sandbox.drain();
    for piece in payloads[1..].chunks(100) {
        sensor.feed_bytes(lines(piece).as_bytes());
        sandbox.replay_to(&receiver).run().exits(0);
    }
    sensor.wait().exits(0);
    sandbox.replay_to(&receiver).run().exits(0);
    receiver.assert_in_order_once(&payloads);
    sandbox.stats().shows([("delivered", 3_000), ("pending", 0)]);
}

#[test]
fn input_may_come_from_a_file() {
    let sandbox = Sandbox::new();
    let payloads = readings(10_000, 190);
    let path = sandbox.path("readings.jsonl");
    std::fs::write(&path, lines(&payloads)).unwrap();
    sandbox.edgesync(["append"]).stdin_from(File::open(&path).unwrap()).run().exits(0);
    assert!(sandbox.cat() == payloads, "what was journaled is not what was in the file");
}
