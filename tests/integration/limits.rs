//! A journal at its limit: what is dropped is counted, what is refused is named, who waits is let in.

use crate::harness::{Receiver, Sandbox, lines, readings, segments};

#[test]
fn drop_oldest_keeps_the_newest_and_counts_the_rest() {
    let sandbox = Sandbox::new();
    let payloads = readings(100, 60);
    sandbox.edgesync(["append", "--max-entries", "10"]).stdin(lines(&payloads)).run().exits(0);
    sandbox.stats().shows([
        ("written", 100),
        ("evicted", 90),
        ("pending", 10),
        ("cursor", 91),
        ("next_seq", 101),
    ]);
    assert_eq!(sandbox.cat_with(&["--pending"]), payloads[90..]);

    let receiver = Receiver::accepting();
    sandbox.replay_to(&receiver).run().exits(0);
    let request = &receiver.requests()[0];
    assert_eq!((request.first(), request.last(), request.previous()), (91, 100, 0));
    sandbox.stats().shows([("delivered", 10), ("evicted", 90), ("pending", 0)]);
}

#[test]
fn bytes_on_disk_stay_within_the_limit() {
    let sandbox = Sandbox::new();
    let limits = ["append", "--max-bytes", "512KiB", "--segment-bytes", "64KiB"];
    let payloads = readings(10_000, 200);
    sandbox.edgesync(limits).stdin(lines(&payloads)).run().exits(0);
    let on_disk: u64 = segments(&sandbox.journal()).iter().map(|path| path.metadata().unwrap().len()).sum();
    assert!(on_disk <= 512 * 1024, "{on_disk} bytes are more than the limit");
    let stats = sandbox.stats();
    assert!(stats.count("evicted") > 0 && stats.count("pending") > 500, "{stats:?}");
    let pending = sandbox.cat_with(&["--pending"]);
    assert!(
        pending == payloads[payloads.len() - pending.len()..],
        "the newest entries are the ones that stay"
    );
}

#[test]
fn reject_takes_what_fits_and_names_what_it_did_not_take() {
    let sandbox = Sandbox::new();
    let limits = ["append", "--max-entries", "3", "--overflow", "reject"];
    let output = sandbox.edgesync(limits).stdin(lines(["1", "2", "3", "4", "5"])).run();
    output.exits(8).says("line 4");
    assert_eq!(sandbox.cat(), ["1", "2", "3"]);
    sandbox.stats().shows([("written", 3), ("pending", 3), ("evicted", 0)]);

    sandbox.drain().1.exits(0);
    sandbox.edgesync(["append"]).stdin("4\n").run().exits(0);
    sandbox.stats().shows([("written", 4), ("pending", 1)]);
}

#[test]
fn block_waits_until_there_is_room() {
    let sandbox = Sandbox::new();
    let payloads = readings(50, 60);
    let mut sensor = sandbox.edgesync(["append", "--max-entries", "20", "--overflow", "block"]).spawn();
    sensor.feed_bytes(lines(&payloads).as_bytes());
    sensor.close_stdin();
    let receiver = Receiver::accepting();
    crate::harness::until("everything to pass through", || {
        if sandbox.journal().join("journal.json").exists() {
            assert!(sandbox.stats().count("pending") <= 20);
            sandbox.replay_to(&receiver).run().exits(0);
        }
        (receiver.entries().len() == payloads.len()).then_some(())
    });
    sensor.wait().exits(0);
    receiver.assert_in_order_once(&payloads);
    sandbox.stats().shows([("evicted", 0), ("delivered", 50)]);
}

#[test]
fn limits_belong_to_the_journal_and_hold_for_later_writers() {
    let sandbox = Sandbox::new();
    sandbox.edgesync(["init", "--max-entries", "5"]).run().exits(0);
    sandbox.append(readings(8, 60));
    sandbox.stats().shows([("pending", 5), ("evicted", 3)]);
    sandbox.edgesync(["init", "--max-entries", "7"]).run().exits(0);
    sandbox.append(readings(8, 60));
    sandbox.stats().shows([("pending", 7), ("evicted", 9)]);
}

/// Everything in the journal's directory, in bytes.
fn disk_use(sandbox: &Sandbox) -> u64 {
    let files = std::fs::read_dir(sandbox.journal()).unwrap();
    files.map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

#[test]
fn garbage_never_evicts_an_entry_and_never_outgrows_the_limit() {
    for overflow in ["drop-oldest", "reject"] {
        let sandbox = Sandbox::new();
        sandbox.edgesync(["init", "--max-bytes", "64KiB", "--overflow", overflow]).run().exits(0);
        sandbox.append(readings(50, 60));
        let garbage = format!("{}\n", "x".repeat(300_000)).repeat(30);
        for _ in 0..2 {
            sandbox.edgesync(["append"]).stdin(garbage.as_str()).run().exits(5);
            assert!(disk_use(&sandbox) <= 64 << 10, "{overflow}: {}", disk_use(&sandbox));
        }
        sandbox.stats().shows([("pending", 50), ("evicted", 0), ("rejected_lines", 60)]);
        sandbox.append(["1"]);
        assert_eq!(sandbox.cat().len(), 51);
    }
}

#[test]
fn a_journal_stays_within_its_limit_whatever_comes() {
    for (limit, bytes) in [("64KiB", 64_u64 << 10), ("100KiB", 100 << 10), ("1MiB", 1 << 20)] {
        for overflow in ["drop-oldest", "reject"] {
            let sandbox = Sandbox::new();
            sandbox.edgesync(["init", "--max-bytes", limit, "--overflow", overflow]).run().exits(0);
            for length in [10_u64, 700, 5000, bytes / 8 - 600, bytes / 8, bytes * 2] {
                let good = format!("\"{}\"\n", "y".repeat(length as usize)).repeat(6);
                let bad = format!("{}\n", "\u{1}é".repeat(length as usize / 2 + 1)).repeat(40);
                sandbox.edgesync(["append"]).stdin(good + &bad).run();
                assert!(disk_use(&sandbox) <= bytes, "{limit} {overflow} {length}: {}", disk_use(&sandbox));
                let refuse = sandbox.edgesync(["replay", "--exec", "exit 65", "--limit", "2"]).run();
                assert!(disk_use(&sandbox) <= bytes, "{limit} {overflow} {length}: {}", refuse.stderr());
            }
            sandbox.edgesync(["verify"]).run().exits(0);
            sandbox.drain().1.exits(0);
            sandbox.edgesync(["append"]).stdin("1\n").run().exits(0);
            assert_eq!(sandbox.cat_with(&["--pending"]), ["1"]);
        }
    }
}

#[test]
fn an_entry_that_the_journal_can_never_hold_is_set_aside_and_stops_nothing() {
    let sandbox = Sandbox::new();
    let line = format!("\"{}\"", "y".repeat(9000));
    let append = sandbox.edgesync(["append", "--max-bytes", "64KiB"]).stdin(format!("1\n{line}\n2\n"));
    append.run().exits(5).says("line 2");
    assert_eq!(sandbox.cat(), ["1", "2"]);
}

#[test]
fn append_says_once_how_many_entries_it_dropped_and_why() {
    let sandbox = Sandbox::new();
    let payloads = readings(300, 60);
    let output = sandbox.edgesync(["append", "--max-entries", "100"]).stdin(lines(&payloads)).run();
    output.exits(0).says("200 oldest entries dropped: the journal is limited to 100 entries");
    assert_eq!(output.stderr().lines().count(), 1, "{}", output.stderr());
    sandbox.edgesync(["append", "-q"]).stdin("1\n2\n").run().exits(0).says_nothing();
    sandbox.stats().shows([("evicted", 202)]);
}

#[test]
fn a_limit_that_append_brings_along_never_drops_what_is_there() {
    let sandbox = Sandbox::new();
    let payloads = readings(3000, 60);
    sandbox.append(&payloads);
    let append = sandbox.edgesync(["append", "--max-entries", "5", "--overflow", "reject"]);
    let stray = append.env("EDGESYNC_MAX_BYTES", "64KiB").env("EDGESYNC_MAX_AGE", "5ms");
    let output = stray.stdin("1\n").run();
    output.exits(0).says("edgesync init").says("--max-bytes 64KiB").says("--max-entries 5");
    output.says("--max-age 5ms").says("--overflow reject");
    assert_eq!(output.stderr().lines().count(), 1, "{}", output.stderr());
    sandbox.stats().shows([("pending", 3001), ("evicted", 0)]);
    let limits = sandbox.edgesync(["init"]).run();
    limits.exits(0).prints("limits   1.0 GiB, drop-oldest\n");
}

#[test]
fn append_widens_a_limit_for_all_writers() {
    let sandbox = Sandbox::new();
    sandbox.edgesync(["init", "--max-entries", "5", "--max-bytes", "1MiB", "--max-age", "1d"]).run().exits(0);
    let wider = ["append", "--max-entries", "9", "--max-bytes", "2MiB", "--max-age", "2d"];
    sandbox.edgesync(wider).stdin("1\n").run().exits(0).says_nothing();
    sandbox.edgesync(["init"]).run().exits(0).prints("limits   2.0 MiB, 9 entries, 2d, drop-oldest\n");
    sandbox
        .edgesync(["append", "--max-entries", "0", "--max-age", "0"])
        .stdin("1\n")
        .run()
        .exits(0)
        .says_nothing();
    sandbox.edgesync(["init"]).run().exits(0).prints("limits   2.0 MiB, drop-oldest\n");
}

#[test]
fn wall_time_expires_nothing() {
    crate::harness::demand("faketime", "faketime");
    let sandbox = Sandbox::new();
    sandbox.edgesync(["init", "--max-age", "1h"]).run().exits(0);
    for (index, time) in
        ["1970-01-02 00:00:00", "2038-06-01 00:00:00", "2026-11-25 00:00:00"].iter().enumerate()
    {
        let program =
            sandbox.program("faketime").args(["-f", time, env!("CARGO_BIN_EXE_edgesync"), "append"]);
        program.stdin("1\n2\n").run().exits(0).says_nothing();
        sandbox.stats().shows([("pending", 2 * index as u64 + 2), ("evicted", 0)]);
    }
    let text = std::fs::read_to_string(&segments(&sandbox.journal())[0]).unwrap();
    assert!(text.contains("\"at\":\"1970-01-02T") && text.contains("\"at\":\"2038-"), "{text}");
    // What the wall clock says of the oldest is no age.
    assert!(sandbox.stats().value()["oldest_pending_age_s"].is_null());
}

#[test]
fn a_line_that_the_narrowed_limit_cannot_hold_is_rejected_and_evicts_nothing() {
    let sandbox = Sandbox::new();
    let mut sensor = sandbox.edgesync(["append", "--tee"]).spawn();
    for number in 1..=100 {
        sensor.feed(&number.to_string());
        sensor.next_line();
    }
    sandbox.edgesync(["init", "--max-bytes", "64KiB"]).run().exits(0);
    sensor.feed(&format!("\"{}\"", "x".repeat(40_000)));
    sensor.feed("101");
    assert_eq!(sensor.next_line(), "101");
    sensor.close_stdin();
    sensor.wait().exits(5).says("line 101: an entry of 400");
    sandbox.stats().shows([("pending", 101), ("evicted", 0), ("rejected_lines", 1)]);
}

#[test]
fn init_shows_the_size_that_segments_have_in_truth() {
    let sandbox = Sandbox::new();
    let init = sandbox.edgesync(["init", "--max-bytes", "64KiB"]).run();
    init.exits(0).prints("segments 8.0 KiB\n");
    sandbox.append(readings(1_000, 100));
    let largest =
        segments(&sandbox.journal()).iter().map(|path| path.metadata().unwrap().len()).max().unwrap();
    assert!((7 << 10..=8 << 10).contains(&largest), "a segment of {largest} bytes");
}

#[test]
fn init_and_stats_show_the_alert_on_a_line_of_its_own() {
    let sandbox = Sandbox::new();
    let alert = ["init", "--dead-letter-threshold", "5", "--alert-exec", "true"];
    let init = sandbox.edgesync(alert).run();
    init.exits(0).prints("limits   1.0 GiB, drop-oldest\n").prints("alert    `true`, each 5 entries lost\n");
    sandbox.edgesync(["stats"]).run().exits(0).prints("alert            `true`, each 5 entries lost\n");
    let each = sandbox.edgesync(["init", "--dead-letter-threshold", "1"]).run();
    each.exits(0).prints("alert    `true`, each entry lost\n");
    let none = sandbox.edgesync(["init", "--dead-letter-threshold", "0"]).run();
    assert!(!none.exits(0).stdout().contains("alert"), "{}", none.stdout());
}

#[test]
fn lines_for_which_there_is_no_room_are_counted_and_named() {
    for (input, said) in [
        ("1\n2\n3\n4\n", "full: line 4 was not taken\n"),
        ("1\n2\n3\n4\n5\n", "full: 2 lines (4 to 5) were not taken\n"),
    ] {
        let sandbox = Sandbox::new();
        let append = sandbox.edgesync(["append", "--max-entries", "3", "--overflow", "reject"]);
        append.stdin(input).run().exits(8).says(said);
    }
}

#[test]
fn a_line_that_is_too_long_is_told_whose_limit_it_is_over() {
    let sandbox = Sandbox::new();
    let long = format!("\"{}\"\n", "x".repeat(9_000));
    let caller = sandbox.edgesync(["append", "--max-line", "7KiB"]).stdin(&*long).run();
    caller.exits(5).says("longer than a line may be: 9002 bytes, at most 7168");
    sandbox.edgesync(["init", "--max-bytes", "64KiB"]).run().exits(0);
    let journal = sandbox.edgesync(["append"]).stdin(&*long).run();
    journal.exits(5).says("longer than this journal takes: 9002 bytes, at most 7680");
}
