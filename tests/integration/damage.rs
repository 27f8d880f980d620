//! Damage: what the disk has spoilt is stepped over, set aside and counted; what is missing is an error.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::harness::{Output, Receiver, Sandbox, readings, records, sealed_objects, segments, snapshot};

/// Changes the bytes of one line of a file, counted from 0.
fn spoil_line(path: &Path, index: usize, change: impl FnOnce(&mut [u8])) {
    let bytes = fs::read(path).unwrap();
    let mut lines: Vec<Vec<u8>> = bytes.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
    change(&mut lines[index]);
    fs::write(path, lines.concat()).unwrap();
}

fn flip_a_digit_of_the_payload(line: &mut [u8]) {
    let place = line.windows(10).position(|window| window == b"\"reading\":").unwrap() + 10;
    line[place] ^= 1;
}

/// A journal of 20 entries in one segment, and that segment.
fn one_segment() -> (Sandbox, Vec<String>, PathBuf) {
    let sandbox = Sandbox::new();
    let payloads = readings(20, 80);
    sandbox.append(&payloads);
    let path = segments(&sandbox.journal()).remove(0);
    (sandbox, payloads, path)
}

fn damaged(sandbox: &Sandbox) -> Vec<serde_json::Value> {
    sealed_objects(&sandbox.journal().join("damaged.jsonl"))
}

/// All entries but these arrive, each once and in order.
#[track_caller]
fn all_arrive_but(missing: &[u64], sandbox: &Sandbox, payloads: &[String]) -> (Receiver, Output) {
    let (receiver, output) = sandbox.drain();
    let kept = (1..).zip(payloads).filter(|(seq, _)| !missing.contains(seq));
    let expected: Vec<_> = kept.map(|(seq, payload)| (seq, payload.clone().into_bytes())).collect();
    assert_eq!(receiver.entries(), expected);
    (receiver, output)
}

#[test]
fn replay_steps_over_a_flipped_byte_and_keeps_and_counts_what_it_spoilt() {
    let (sandbox, payloads, path) = one_segment();
    spoil_line(&path, 9, flip_a_digit_of_the_payload);
    let spoilt = fs::read(&path).unwrap();
    let (receiver, output) = all_arrive_but(&[10], &sandbox, &payloads);
    output.exits(5).says("damaged");
    sandbox.stats().shows([("delivered", 19), ("damaged", 1), ("pending", 0)]);

    let aside = damaged(&sandbox);
    assert_eq!(aside.len(), 1);
    let line = spoilt.split_inclusive(|&byte| byte == b'\n').nth(9).unwrap();
    let text = String::from_utf8_lossy(line);
    let kept = aside[0]["text"].as_str().unwrap_or_else(|| panic!("no text in {}", aside[0]));
    assert_eq!(kept.trim_end(), text.trim_end());

    let after =
        receiver.requests().into_iter().find(|request| request.first() == 11).expect("a batch from 11 on");
    assert_eq!(after.previous(), 9, "the receiver is told that 10 will not come");
    sandbox.replay_to(&receiver).run().exits(0);
    sandbox.append(["\"afterwards\""]);
    sandbox.stats().shows([("written", 21)]);
}

#[test]
fn damage_before_the_entry_where_reading_begins_is_not_told_again() {
    let (sandbox, payloads, path) = one_segment();
    spoil_line(&path, 9, flip_a_digit_of_the_payload);
    let output = sandbox.edgesync(["cat", "--from", "11"]).run();
    output.exits(0).says_nothing();
    assert_eq!(output.lines(), payloads[10..]);
    sandbox.edgesync(["cat", "--from", "10"]).run().exits_with_one_of(&[5, 6]).says("10");
}

#[test]
fn a_lost_line_end_or_an_extra_one_costs_no_more_than_the_entry_it_belongs_to() {
    let (sandbox, payloads, path) = one_segment();
    spoil_line(&path, 4, |line| *line.last_mut().unwrap() = b' ');
    all_arrive_but(&[5], &sandbox, &payloads).1.exits(5);
    sandbox.stats().shows([("delivered", 19), ("damaged", 1)]);

    let (sandbox, payloads, path) = one_segment();
    spoil_line(&path, 4, |line| line[40] = b'\n');
    all_arrive_but(&[5], &sandbox, &payloads).1.exits(5);
    sandbox.stats().shows([("delivered", 19), ("damaged", 1)]);
}

#[test]
fn damage_past_what_the_tail_mark_knows_costs_one_entry_and_no_seq_is_given_twice() {
    // As after a power cut: the mark on the disk is older than what was acknowledged.
    for (spoilt, mark) in [(7, true), (12, true), (7, false), (12, false)] {
        let sandbox = Sandbox::new();
        let payloads = readings(12, 80);
        let lock = sandbox.journal().join("append.lock");
        sandbox.append(&payloads[..5]);
        let old = fs::read(&lock).unwrap();
        sandbox.append(&payloads[5..]);
        overwrite(&lock, if mark { &old } else { b"" });
        let path = segments(&sandbox.journal()).remove(0);
        spoil_line(&path, spoilt - 1, flip_a_digit_of_the_payload);
        sandbox.append(["\"afterwards\""]);
        let mut all = payloads.clone();
        all.push("\"afterwards\"".into());
        all_arrive_but(&[spoilt as u64], &sandbox, &all).1.exits(5);
        sandbox.stats().shows([("written", 13), ("delivered", 12), ("damaged", 1), ("pending", 0)]);
    }
}

/// Gives a file other bytes; it stays the same file.
fn overwrite(path: &Path, bytes: &[u8]) {
    let mut file = OpenOptions::new().write(true).truncate(true).open(path).unwrap();
    file.write_all(bytes).unwrap();
}

#[test]
fn without_its_tail_mark_a_spoilt_line_feed_before_the_last_entry_costs_one_entry() {
    let (sandbox, mut payloads, path) = one_segment();
    spoil_line(&path, 18, |line| *line.last_mut().unwrap() = b' ');
    overwrite(&sandbox.journal().join("append.lock"), b"");
    payloads.push("\"afterwards\"".into());
    sandbox.append(["\"afterwards\""]);
    all_arrive_but(&[19], &sandbox, &payloads).1.exits(5);
    sandbox.stats().shows([("written", 21), ("damaged", 1), ("pending", 0)]);
}

#[test]
fn a_page_of_zeros_costs_no_more_than_the_entries_it_touches() {
    let sandbox = Sandbox::new();
    let payloads = readings(500, 100);
    sandbox.append(&payloads);
    let path = segments(&sandbox.journal()).remove(0);
    let mut bytes = fs::read(&path).unwrap();
    let line_of =
        |place: usize, bytes: &[u8]| bytes[..place].iter().filter(|&&byte| byte == b'\n').count() as u64 + 1;
    let (first, last) = (line_of(8_192, &bytes), line_of(12_287, &bytes));
    bytes[8_192..12_288].fill(0);
    fs::write(&path, bytes).unwrap();
    let missing: Vec<_> = (first..=last).collect();
    all_arrive_but(&missing, &sandbox, &payloads).1.exits(5);
    sandbox.stats().shows([("damaged", last - first + 1), ("pending", 0)]);
}

#[test]
fn inspection_reports_damage_and_changes_nothing() {
    let (sandbox, payloads, path) = one_segment();
    spoil_line(&path, 9, flip_a_digit_of_the_payload);
    let before = snapshot(&sandbox.journal());
    let name = "00000000000000000001.jsonl";
    sandbox.edgesync(["verify"]).run().exits(6).says_or_prints(name).says_or_prints("10");
    let output = sandbox.edgesync(["cat"]).run();
    output.exits_with_one_of(&[5, 6]).says(name);
    let expected: Vec<_> = payloads[..9].iter().chain(&payloads[10..]).cloned().collect();
    assert_eq!(output.lines(), expected);
    sandbox.stats();
    assert!(snapshot(&sandbox.journal()) == before);
}

#[test]
fn a_torn_tail_is_cut_off_by_the_next_append_and_by_nobody_else() {
    for torn in ["{\"seq\":21,\"at\":\"2026-11-22T18:1", "{", "\0\0\0\0\0\0", "{\"seq\":21}\n{\"seq\":22"] {
        let (sandbox, mut payloads, path) = one_segment();
        OpenOptions::new().append(true).open(&path).unwrap().write_all(torn.as_bytes()).unwrap();
        let before = snapshot(&sandbox.journal());
        assert_eq!(sandbox.cat(), payloads);
        sandbox.stats().shows([("written", 20), ("pending", 20)]);
        assert!(snapshot(&sandbox.journal()) == before);

        sandbox.append(["\"afterwards\""]);
        payloads.push("\"afterwards\"".to_owned());
        assert_eq!(records(&sandbox.journal()).last().unwrap().seq, 21);
        let (receiver, output) = sandbox.drain();
        output.exits(0);
        receiver.assert_in_order_once(&payloads);
        sandbox.stats().shows([("damaged", 0), ("delivered", 21)]);
    }
}

#[test]
fn a_missing_segment_in_the_middle_is_an_error_that_names_what_is_missing() {
    let sandbox = Sandbox::new();
    let payloads = readings(2_000, 200);
    sandbox.append_to_small_segments(&payloads);
    let all = segments(&sandbox.journal());
    let seq_of = |index: usize| all[index].file_stem().unwrap().to_str().unwrap().parse::<u64>().unwrap();
    let (first, last) = (seq_of(2), seq_of(3) - 1);
    let aside = sandbox.path("aside.jsonl");
    fs::rename(&all[2], &aside).unwrap();

    let before = snapshot(&sandbox.journal());
    sandbox.edgesync(["cat"]).run().exits(6).says(&first.to_string()).says(&last.to_string());
    sandbox.edgesync(["verify"]).run().exits(6).says_or_prints(&first.to_string());
    assert!(snapshot(&sandbox.journal()) == before);
    let (receiver, output) = sandbox.drain();
    output.exits(6).says(&first.to_string());
    assert!(receiver.entries().iter().all(|(seq, _)| *seq < first), "nothing overtakes what is missing");
    sandbox.stats().shows([("damaged", 0), ("written", 2_000)]);

    // It was only elsewhere: put back, everything is as if nothing had been.
    fs::rename(&aside, &all[2]).unwrap();
    let (rest, output) = sandbox.drain();
    output.exits(0);
    let mut entries = receiver.entries();
    entries.extend(rest.entries());
    assert!(entries.into_iter().map(|(_, payload)| payload).eq(payloads.iter().map(|it| it.as_bytes())));
}

#[test]
fn a_cursor_file_that_holds_garbage_is_an_error_and_not_a_new_beginning() {
    for garbage in [&b"garbage"[..], &[0; 8192], &[b' '; 8192], b""] {
        let (sandbox, _, _) = one_segment();
        sandbox.drain().1.exits(0);
        fs::write(sandbox.journal().join("cursor"), garbage).unwrap();
        let before = snapshot(&sandbox.journal());
        let receiver = Receiver::accepting();
        sandbox.replay_to(&receiver).run().exits(6).says("cursor");
        assert_eq!(receiver.connections(), 0);
        sandbox.edgesync(["stats"]).run().exits(6).says("cursor");
        assert!(snapshot(&sandbox.journal()) == before);
    }
}

#[test]
fn one_torn_slot_of_the_cursor_is_made_good_by_the_other() {
    for slot in [0, 4096] {
        let (sandbox, payloads, _) = one_segment();
        let receiver = Receiver::accepting();
        sandbox.replay_to(&receiver).args(["--batch-size", "4"]).run().exits(0);
        let path = sandbox.journal().join("cursor");
        let mut bytes = fs::read(&path).unwrap();
        bytes[slot + 10..slot + 40].fill(b'#');
        fs::write(&path, bytes).unwrap();
        sandbox.replay_to(&receiver).args(["--batch-size", "4"]).run().exits(0);
        receiver.assert_in_order_with_repetitions(&payloads);
        sandbox.stats().shows([("delivered", 20), ("pending", 0)]);
    }
}

#[test]
fn a_cursor_beyond_the_end_of_the_journal_is_an_error_that_names_it() {
    let sandbox = Sandbox::new();
    sandbox.append_to_small_segments(readings(2_000, 200));
    crate::harness::copy_directory(&sandbox.journal(), &sandbox.path("backup"));
    sandbox.drain().1.exits(0);
    for path in segments(&sandbox.journal()) {
        fs::remove_file(path).unwrap();
    }
    let oldest = &segments(&sandbox.path("backup"))[0];
    fs::copy(oldest, sandbox.journal().join(oldest.file_name().unwrap())).unwrap();
    fs::remove_file(sandbox.journal().join("append.lock")).unwrap();
    let before = snapshot(&sandbox.journal());
    for words in [&["append"][..], &["replay", "--exec", "cat"], &["stats"]] {
        sandbox.edgesync(words).stdin("1\n").run().exits(6).says("cursor");
    }
    let after = snapshot(&sandbox.journal());
    let differs = |path: &&PathBuf| {
        before.get(*path) != after.get(*path) && path.extension().is_none_or(|it| it != "lock")
    };
    let changed: Vec<_> = after.keys().filter(differs).filter(|path| **path != sandbox.journal()).collect();
    assert!(changed.is_empty(), "{changed:?}");
}

#[test]
fn a_dead_letter_that_cannot_be_read_is_not_passed_over_without_a_word() {
    let sandbox = Sandbox::new();
    sandbox.append(["1", "2", "3"]);
    sandbox.replay_exec("exit 65").args(["--refusals-max", "0"]).run().exits(5);
    let path = sandbox.journal().join("dead-letter.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("\"seq\":2", "\"seq\":7")).unwrap();
    let list = sandbox.edgesync(["dead", "list"]).run();
    list.exits(5).prints("seq 1").prints("seq 3").says("1 line of dead-letter.jsonl cannot be read");
    sandbox.edgesync(["verify"]).run().exits(0).prints("dead-letter.jsonl: 1 line fails its checksum");
}
