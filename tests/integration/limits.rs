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
