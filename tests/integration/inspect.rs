//! `stats`, `cat`, `compact`, `dead list`, `verify`: looking changes nothing, and giving space back loses nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::harness::{Answer, Receiver, Sandbox, lines, readings, records, segments, snapshot};

/// The contract's names, in its order.
const KEYS: [&str; 24] = [
    "written",
    "delivered",
    "pending",
    "dead_lettered",
    "evicted",
    "damaged",
    "skipped",
    "rejected_lines",
    "sync_rate",
    "eviction_rate",
    "oldest_pending_age_s",
    "next_seq",
    "cursor",
    "segments",
    "bytes",
    "syncs",
    "bytes_written",
    "last_attempt",
    "last_success",
    "last_error",
    "last_error_at",
    "dead_letters_dropped",
    "rejected_lines_dropped",
    "damaged_pieces_dropped",
];

/// A journal in which something of everything has happened: delivered, refused, rejected, pending.
fn eventful() -> Sandbox {
    let sandbox = Sandbox::new();
    let mut payloads = readings(1_200, 200);
    payloads[10] = "\"bad\"".to_owned();
    let append = sandbox.edgesync(["append", "--segment-bytes", "64KiB"]);
    append.stdin(lines(&payloads[..1_000]) + "rejected\n").run().exits(5);
    let receiver = Receiver::with(|request| {
        let bad = String::from_utf8_lossy(&request.body).contains("bad");
        Answer::new(if bad { 422 } else { 204 })
    });
    sandbox.replay_to(&receiver).run().exits(5);
    sandbox.append(&payloads[1_000..]);
    sandbox
}

#[test]
fn stats_as_json_have_the_documented_keys_in_the_documented_order() {
    let sandbox = eventful();
    let text = sandbox.edgesync(["stats", "--format", "json"]).run().exits(0).stdout();
    let places: Vec<_> = KEYS
        .iter()
        .map(|key| text.find(&format!("\"{key}\":")).unwrap_or_else(|| panic!("{key} in {text}")))
        .collect();
    assert!(places.is_sorted(), "the order of the keys in {text}");
    let stats = sandbox.stats();
    let names: Vec<_> = stats.value().as_object().unwrap().keys().collect();
    assert_eq!(names.len(), KEYS.len(), "{names:?}");
    stats.shows([
        ("written", 1_200),
        ("delivered", 999),
        ("pending", 200),
        ("dead_lettered", 1),
        ("rejected_lines", 1),
    ]);
    stats.shows([("evicted", 0), ("damaged", 0), ("skipped", 0), ("next_seq", 1_201), ("cursor", 1_001)]);
    let on_disk: u64 = segments(&sandbox.journal()).iter().map(|path| path.metadata().unwrap().len()).sum();
    assert!(stats.count("bytes") >= on_disk, "{on_disk} bytes are in segments alone");
    stats.shows([("segments", segments(&sandbox.journal()).len() as u64)]);
    assert!(stats.count("syncs") > 0 && stats.count("bytes_written") >= on_disk, "{stats:?}");
    assert!(
        stats.value()["oldest_pending_age_s"].as_f64().is_some_and(|age| (0.0..600.0).contains(&age)),
        "{stats:?}"
    );
}

#[test]
fn a_fresh_journals_stats_are_all_zero() {
    let sandbox = Sandbox::new();
    sandbox.edgesync(["init"]).run().exits(0);
    let stats = sandbox.stats();
    stats.shows([("written", 0), ("delivered", 0), ("pending", 0), ("dead_lettered", 0), ("evicted", 0)]);
    stats.shows([("damaged", 0), ("skipped", 0), ("rejected_lines", 0), ("next_seq", 1), ("cursor", 1)]);
}

#[test]
fn stats_for_people_name_what_waits_and_what_was_set_aside() {
    let sandbox = eventful();
    let output = sandbox.edgesync(["stats"]).run();
    output.exits(0).says_nothing();
    for text in ["1200", "999", "200"] {
        let plain = output.stdout().replace([',', '_', '\u{202f}'], "");
        assert!(plain.contains(text), "{text} in\n{}", output.stdout());
    }
}

#[test]
fn stats_for_prometheus_can_be_scraped() {
    let sandbox = eventful();
    let text = sandbox.edgesync(["stats", "--format", "prometheus"]).run().exits(0).stdout();
    assert!(text.ends_with('\n'));
    let mut described = Vec::new();
    let mut samples = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.split(' ');
            let (kind, name) = (words.next().unwrap(), words.next().unwrap());
            assert!(["HELP", "TYPE"].contains(&kind) && words.next().is_some(), "{line}");
            described.push((kind.to_owned(), name.to_owned()));
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line}"));
        let name = series.split('{').next().unwrap();
        assert!(name.starts_with("edgesync_"), "{line}");
        assert!(
            name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'),
            "{line}"
        );
        assert!(value.parse::<f64>().is_ok(), "{line}");
        for kind in ["HELP", "TYPE"] {
            assert!(
                described.contains(&(kind.to_owned(), name.to_owned())),
                "{name} has no {kind} before it"
            );
        }
        samples.push((name.to_owned(), value.parse::<f64>().unwrap()));
    }
    for (term, expected) in
        [("written", 1_200.0), ("delivered", 999.0), ("pending", 200.0), ("dead_lettered", 1.0)]
    {
        let found =
            samples.iter().find(|(name, _)| name.contains(term)).unwrap_or_else(|| panic!("{term}\n{text}"));
        assert_eq!(found.1, expected, "{}", found.0);
    }
}

#[test]
fn cat_prints_what_is_asked_for() {
    let sandbox = Sandbox::new();
    sandbox.append(["1", "2", "3", "4", "5"]);
    let receiver = Receiver::answering([204, 403]);
    sandbox.replay_to(&receiver).args(["--batch-size", "2"]).run().exits(3);
    for (options, expected) in [
        (&[][..], &["1", "2", "3", "4", "5"][..]),
        (&["--pending"], &["3", "4", "5"]),
        (&["--from", "4"], &["4", "5"]),
        (&["--to", "2"], &["1", "2"]),
        (&["--from", "2", "--to", "4"], &["2", "3", "4"]),
        (&["-n", "2"], &["1", "2"]),
        (&["--pending", "-n", "1"], &["3"]),
        (&["--from", "2", "-n", "2"], &["2", "3"]),
        (&["--from", "6"], &[]),
        (&["--from", "99"], &[]),
    ] {
        assert_eq!(sandbox.cat_with(options), expected, "cat {options:?}");
    }
    let expected: Vec<_> =
        records(&sandbox.journal()).into_iter().map(|it| String::from_utf8(it.line).unwrap()).collect();
    assert_eq!(sandbox.cat_with(&["--records"]), expected);
}

#[test]
fn cat_follow_prints_what_is_appended_later() {
    let sandbox = Sandbox::new();
    sandbox.append(["1"]);
    let mut follower = sandbox.edgesync(["cat", "--follow"]).spawn();
    assert_eq!(follower.next_line(), "1");
    for payload in ["2", "3"] {
        sandbox.append([payload]);
        assert_eq!(follower.next_line(), payload);
    }
    follower.kill();
}

#[test]
fn a_reader_that_has_seen_enough_is_no_reason_to_complain() {
    let sandbox = Sandbox::new();
    sandbox.append_to_small_segments(readings(20_000, 100));
    let output = sandbox.shell(r#""$EDGESYNC" cat | head -n 1"#).run();
    output.exits(0).says_nothing();
    assert_eq!(output.lines().len(), 1);
    sandbox.shell(r#""$EDGESYNC" stats | true"#).run().exits(0).says_nothing();
    sandbox.shell(r#""$EDGESYNC" man | head -n 1"#).run().exits(0).says_nothing();
    sandbox.shell(r#""$EDGESYNC" --help | head -n 1"#).run().exits(0).says_nothing();
}

#[test]
fn dead_letters_can_be_listed() {
    let sandbox = eventful();
    sandbox.edgesync(["dead", "list"]).run().exits(0).prints("11").prints("422");
    let lines = sandbox.edgesync(["dead", "list", "--format", "json"]).run().exits(0).lines();
    assert_eq!(lines.len(), 1);
    let letter: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!((letter["seq"].as_u64(), &letter["data"]), (Some(11), &serde_json::json!("bad")));

    let empty = Sandbox::new();
    empty.append(["1"]);
    let output = empty.edgesync(["dead", "list", "--format", "json"]).run();
    output.exits(0);
    assert_eq!(output.lines(), Vec::<String>::new());
}

#[test]
fn a_sound_journal_verifies() {
    eventful().edgesync(["verify"]).run().exits(0);
}

/// Every command that only looks, and the code that it ends with.
const LOOKS: [&[&str]; 11] = [
    &["stats"],
    &["stats", "--format", "json"],
    &["stats", "--format", "prometheus"],
    &["cat"],
    &["cat", "--pending", "--records"],
    &["cat", "--from", "5", "--to", "700"],
    &["dead", "list"],
    &["dead", "list", "--format", "json"],
    &["verify"],
    &["compact", "--dry-run"],
    &["cat", "-n", "1"],
];

#[test]
fn looking_changes_no_byte() {
    let sandbox = eventful();
    let before = snapshot(&sandbox.journal());
    for words in LOOKS {
        sandbox.edgesync(words).run().exits(0);
        assert!(snapshot(&sandbox.journal()) == before, "{words:?} changed the journal");
    }
}

#[test]
fn looking_works_where_nothing_may_be_written() {
    let sandbox = eventful();
    // Now it belongs to whom the modes bind.
    sandbox.edgesync_unprivileged(["stats"]).run().exits(0);
    let set_modes = |directory: u32, file: u32| {
        for entry in fs::read_dir(sandbox.journal()).unwrap() {
            fs::set_permissions(entry.unwrap().path(), fs::Permissions::from_mode(file)).unwrap();
        }
        fs::set_permissions(sandbox.journal(), fs::Permissions::from_mode(directory)).unwrap();
    };
    set_modes(0o500, 0o400);
    let before = snapshot(&sandbox.journal());
    for words in LOOKS {
        sandbox.edgesync_unprivileged(words).run().exits(0);
    }
    sandbox.edgesync_unprivileged(["append"]).stdin("1\n").run().exits_with_one_of(&[1, 2, 6]);
    sandbox.edgesync_unprivileged(["replay", "--exec", "cat"]).run().exits_with_one_of(&[1, 2, 6]);
    assert!(snapshot(&sandbox.journal()) == before);
    set_modes(0o700, 0o600);
}

#[test]
fn looking_works_while_another_process_appends() {
    let sandbox = Sandbox::new();
    let payloads = readings(3_000, 100);
    let mut sensor = sandbox.edgesync(["append", "--segment-bytes", "64KiB"]).spawn();
    sensor.feed(&payloads[0]);
    crate::harness::until("the journal", || sandbox.journal().join("journal.json").exists().then_some(()));
    for piece in payloads[1..].chunks(300) {
        sensor.feed_bytes(lines(piece).as_bytes());
        sandbox.stats();
        let seen = sandbox.cat();
        assert!(seen == payloads[..seen.len()], "cat shows what is not, or not yet, an entry");
    }
    sensor.wait().exits(0);
    assert!(sandbox.cat() == payloads);
}

/// Delivers the first `count` entries and no more.
fn deliver_first(sandbox: &Sandbox, count: u64) {
    let receiver =
        Receiver::with(move |request| Answer::new(if request.last() <= count { 204 } else { 403 }));
    sandbox.replay_to(&receiver).args(["--batch-size", "100"]).run().exits(3);
}

fn first_names(journal: &Path) -> Vec<u64> {
    let number = |path: std::path::PathBuf| path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    segments(journal).into_iter().map(number).collect()
}

#[test]
fn compact_gives_back_segments_that_were_dealt_with_and_no_others() {
    let sandbox = Sandbox::new();
    let payloads = readings(2_000, 200);
    sandbox.append_to_small_segments(&payloads);
    let all = first_names(&sandbox.journal());
    assert!(all.len() >= 6, "{all:?}");
    deliver_first(&sandbox, 1_000);
    sandbox.edgesync(["compact", "--dry-run"]).run().exits(0);
    sandbox.edgesync(["compact"]).run().exits(0);

    let left = first_names(&sandbox.journal());
    let needed: Vec<_> = all.iter().copied().rev().collect();
    let first_needed = needed.iter().position(|&first| first <= 1_001).unwrap();
    assert_eq!(
        left,
        all[all.len() - 1 - first_needed..],
        "segments that begin after the cursor, and the one it is in"
    );
    assert!(sandbox.cat_with(&["--pending"]) == payloads[1_000..]);
    sandbox.stats().shows([("written", 2_000), ("delivered", 1_000), ("pending", 1_000)]);
    let (receiver, output) = sandbox.drain();
    output.exits(0);
    assert_eq!(receiver.entries().len(), 1_000);
}

#[test]
fn numbering_goes_on_after_everything_is_gone() {
    let sandbox = Sandbox::new();
    sandbox.append_to_small_segments(readings(2_000, 200));
    sandbox.drain().1.exits(0);
    sandbox.edgesync(["compact"]).run().exits(0);
    let left = segments(&sandbox.journal());
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(left[0].metadata().unwrap().len(), 0, "all of it was dealt with");
    sandbox.stats().shows([("written", 2_000), ("delivered", 2_000), ("pending", 0), ("next_seq", 2_001)]);
    assert_eq!(sandbox.cat(), Vec::<String>::new());

    sandbox.append(["\"next\""]);
    assert_eq!(records(&sandbox.journal())[0].seq, 2_001);
    sandbox.edgesync(["compact"]).run().exits(0);
    let (receiver, output) = sandbox.drain();
    output.exits(0);
    assert_eq!(receiver.entries(), [(2_001, b"\"next\"".to_vec())]);
}

/// A journal of small side files, whose receiver has refused so many entries: four of every five.
fn refused(count: usize) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.edgesync(["init", "--max-bytes", "1MiB"]).run().exits(0);
    sandbox.append(readings(count + (count - 1) / 4, 2_000));
    let receiver = Receiver::with(|request| Answer::new(if request.first() % 5 == 0 { 204 } else { 422 }));
    sandbox.replay_to(&receiver).args(["--batch-size", "1"]).run().exits(5);
    sandbox
}

#[test]
fn dead_letters_that_were_dropped_for_space_are_counted() {
    let sandbox = refused(63);
    for format in ["text", "json"] {
        let output = sandbox.edgesync(["dead", "list", "--format", format]).run();
        let listed = match format {
            "text" => output.lines().iter().filter(|line| line.starts_with("seq ")).count(),
            _ => output.lines().len(),
        };
        assert!((1..63).contains(&listed), "{listed}");
        output.exits(0).says(&format!("{} older dead letters were dropped for space", 63 - listed));
        sandbox.stats().shows([("dead_lettered", 63), ("dead_letters_dropped", 63 - listed as u64)]);
    }
    sandbox.edgesync(["stats"]).run().exits(0).prints("dropped for space");
    let few = refused(3);
    few.edgesync(["dead", "list"]).run().exits(0).says_nothing();
    few.stats().shows([("dead_letters_dropped", 0)]);
}

#[test]
fn rejected_lines_that_were_dropped_for_space_are_counted() {
    let sandbox = Sandbox::new();
    sandbox.edgesync(["init", "--max-bytes", "1MiB"]).run().exits(0);
    for _ in 0..7 {
        let garbage = format!("oops {}\n", "x".repeat(2_000)).repeat(9);
        sandbox.edgesync(["append"]).stdin(garbage).run().exits(5);
    }
    let kept: usize = ["rejected.jsonl", "rejected.old.jsonl"]
        .iter()
        .map(|name| fs::read_to_string(sandbox.journal().join(name)).unwrap_or_default().lines().count())
        .sum();
    assert!((1..63).contains(&kept), "{kept}");
    sandbox.stats().shows([("rejected_lines", 63), ("rejected_lines_dropped", 63 - kept as u64)]);
}

#[test]
fn a_new_id_on_demand_is_said_to_be_one_and_a_new_journal_has_no_former_one() {
    let sandbox = Sandbox::new();
    let created = sandbox.edgesync(["init", "--new-id"]).run();
    created.exits(0).says_nothing();
    let config = fs::read_to_string(sandbox.journal().join("journal.json")).unwrap();
    assert!(!config.contains("former"), "{config}");
    let id = |text: &str| text.lines().find_map(|line| line.strip_prefix("id       ")).unwrap().to_owned();
    let first = id(&created.stdout());
    let renewed = sandbox.edgesync(["init", "--new-id"]).run();
    let second = id(&renewed.exits(0).stdout());
    assert_ne!(first, second);
    let said = format!("{} has a new id: {second} (it was {first})\n", sandbox.journal().display());
    renewed.says(&said).does_not_say("copy").does_not_say("restored");
}
