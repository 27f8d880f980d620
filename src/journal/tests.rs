//! The journal as a whole, on a real disk.

use std::fs;
use std::path::PathBuf;

use super::test_support::{Fixture, append, block, seq};
use super::*;
use crate::sink::BodyFormat;

fn segment_path(fixture: &Fixture, first: u64) -> PathBuf {
    fixture.path.join(layout::segment_name(seq(first)))
}

/// What a reader finds: payload or damage.
fn read(journal: &Journal, from: u64) -> Vec<String> {
    let mut reader = journal.reader(seq(from)).unwrap();
    let mut found = Vec::new();
    while let Some(item) = reader.read().unwrap() {
        found.push(match item {
            Item::Entry(record) => String::from_utf8(record.payload.to_vec()).unwrap(),
            Item::Damaged(damage) => format!("damaged {}+{}", damage.first, damage.entries),
        });
    }
    found
}

fn numbers(range: std::ops::RangeInclusive<u64>) -> Vec<String> {
    range.map(|n| n.to_string()).collect()
}

fn small_segments() -> Settings {
    Settings { segment_bytes: Some(1024), max_bytes: Some(16 << 20), ..Settings::default() }
}

#[test]
fn what_is_appended_is_read_in_order_across_segments_and_openings() {
    let (fixture, journal) = Fixture::new(&small_segments());
    for commit in 0..20 {
        assert_eq!(append(&journal, commit * 10 + 1, 10), 10);
    }
    assert_eq!(read(&journal, 1), numbers(1..=200));
    assert_eq!(read(&Journal::open_read_only(&fixture.path).unwrap(), 137), numbers(137..=200));
    let stats = journal.stats().unwrap();
    assert_eq!((stats.written, stats.pending, stats.next_seq), (200, 200, 201));
    assert!(stats.segments > 10, "{stats:?}");
    for segment in segments::list(journal.store()).unwrap() {
        assert!(fs::metadata(segment_path(&fixture, segment.get())).unwrap().len() <= 1024);
    }
}

#[test]
fn two_appenders_take_turns_without_a_gap() {
    let (_fixture, journal) = Fixture::new(&small_segments());
    let mut appenders = [Appender::open(&journal).unwrap(), Appender::open(&journal).unwrap()];
    for n in 1..=60_u64 {
        let mut block = block([n.to_string()]);
        appenders[(n % 2) as usize].commit(&mut block, Durability::Sync).unwrap();
    }
    assert_eq!(read(&journal, 1), numbers(1..=60));
}

#[test]
fn a_torn_tail_is_cut_and_no_seq_is_skipped() {
    let (fixture, journal) = Fixture::new(&Settings::default());
    append(&journal, 1, 3);
    let path = segment_path(&fixture, 1);
    let whole = fs::read(&path).unwrap();
    for torn in [&b"{\"seq\":4,\"at\":"[..], b"garbage\n", b"\0\0\0\0\0\0", b"\n\n", &whole[..60]] {
        fs::write(&path, [&whole[..], torn].concat()).unwrap();
        assert_eq!(read(&journal, 1), numbers(1..=3));
        assert_eq!(journal.stats().unwrap().next_seq, 4);
        append(&journal, 4, 1);
        assert_eq!(read(&journal, 1), numbers(1..=4), "{torn:?}");
        fs::write(&path, &whole).unwrap();
        fs::remove_file(fixture.path.join("append.lock")).unwrap();
        append(&journal, 99, 0);
    }
}

#[test]
fn whole_records_of_a_commit_that_was_cut_off_are_kept() {
    let (fixture, journal) = Fixture::new(&Settings::default());
    append(&journal, 1, 2);
    let mut next = block(["3".to_owned(), "4".to_owned()]);
    next.renumber(seq(3));
    let path = segment_path(&fixture, 1);
    let bytes = [&fs::read(&path).unwrap(), &next.records(0, 2)[..next.len() - 5]].concat();
    fs::write(&path, bytes).unwrap();
    assert_eq!(journal.stats().unwrap().written, 3);
    append(&journal, 4, 1);
    assert_eq!(read(&journal, 1), numbers(1..=4));
}

#[test]
fn damage_costs_no_more_than_the_damaged_record() {
    for (marked, flip) in [(true, 1), (false, 1), (true, 2), (false, 2), (true, 0), (false, 0)] {
        let (fixture, journal) = Fixture::new(&Settings::default());
        append(&journal, 1, 4);
        let path = segment_path(&fixture, 1);
        let mut bytes = fs::read(&path).unwrap();
        let at = bytes.len() / 4 * flip + 40;
        bytes[at] ^= 4;
        fs::write(&path, &bytes).unwrap();
        if !marked {
            fs::remove_file(fixture.path.join("append.lock")).unwrap();
        }
        append(&journal, 5, 1);
        let mut expected = numbers(1..=5);
        expected[flip] = format!("damaged {}+1", flip + 1);
        assert_eq!(read(&journal, 1), expected);
    }
}

#[test]
fn damage_at_the_end_that_was_durable_is_not_cut_and_its_seq_is_not_given_again() {
    for at_from_end in [1, 40] {
        let (fixture, journal) = Fixture::new(&Settings::default());
        append(&journal, 1, 3);
        let path = segment_path(&fixture, 1);
        let mut bytes = fs::read(&path).unwrap();
        let at = bytes.len() - at_from_end;
        bytes[at] ^= 1;
        fs::write(&path, &bytes).unwrap();
        append(&journal, 4, 1);
        let mut expected = numbers(1..=4);
        expected[2] = "damaged 3+1".into();
        assert_eq!(read(&journal, 1), expected);
        assert!(fs::read(&path).unwrap().starts_with(&bytes));
    }
}

#[test]
fn a_missing_middle_segment_is_an_error_and_changes_nothing() {
    let (fixture, journal) = Fixture::new(&small_segments());
    append(&journal, 1, 60);
    let all = segments::list(journal.store()).unwrap();
    fs::remove_file(segment_path(&fixture, all[2].get())).unwrap();
    let mut reader = journal.reader(seq(1)).unwrap();
    let error = loop {
        match reader.read() {
            Ok(Some(Item::Entry(_))) => {}
            other => break other.unwrap_err(),
        }
    };
    assert!(matches!(error, Error::MissingSegment { first, .. } if first == all[2]), "{error}");
}

#[test]
fn compaction_unlinks_what_was_dealt_with_and_keeps_the_numbering() {
    let (fixture, journal) = Fixture::new(&small_segments());
    append(&journal, 1, 60);
    let cursor = CursorFile::open(journal.store(), Open::Write).unwrap();
    cursor.update(|state| state.evict_to(seq(30))).unwrap();
    let planned = journal.compact(true).unwrap();
    assert_eq!(read(&journal, 1), numbers(1..=60));
    assert_eq!(journal.compact(false).unwrap(), planned);
    assert_eq!(read(&journal, 30), numbers(30..=60));
    cursor.update(|state| state.evict_to(seq(61))).unwrap();
    journal.compact(false).unwrap();
    assert_eq!(segments::list(journal.store()).unwrap(), [seq(61)]);
    assert_eq!(journal.compact(false).unwrap(), Compaction::default());
    append(&Journal::open(&fixture.path).unwrap(), 61, 2);
    assert_eq!(read(&journal, 1), numbers(61..=62));
}

#[test]
fn the_limit_of_entries_drops_exactly_the_oldest() {
    let (_fixture, journal) = Fixture::new(&Settings { max_entries: Some(10), ..Settings::default() });
    append(&journal, 1, 25);
    let stats = journal.stats().unwrap();
    assert_eq!((stats.evicted, stats.pending, stats.cursor), (15, 10, 16));
    assert_eq!(append(&journal, 26, 1), 1);
    assert_eq!(journal.stats().unwrap().evicted, 16);
}

#[test]
fn the_limit_of_bytes_is_kept_by_dropping_the_oldest() {
    let (_fixture, journal) = Fixture::new(&Settings { max_bytes: Some(64 << 10), ..Settings::default() });
    let mut appender = Appender::open(&journal).unwrap();
    for n in 0..40_u64 {
        let mut block = block((0..100).map(|i| (n * 100 + i).to_string()));
        appender.commit(&mut block, Durability::Sync).unwrap();
        assert!(journal.stats().unwrap().bytes <= 64 << 10);
    }
    let stats = journal.stats().unwrap();
    assert_eq!(stats.evicted + stats.pending, 4000);
    assert!(stats.pending > 300, "{stats:?}");
    assert_eq!(read(&journal, stats.cursor), numbers(stats.cursor - 1..=3999));
}

#[test]
fn a_full_journal_that_rejects_takes_what_fits_and_no_more() {
    let settings = Settings { max_entries: Some(5), overflow: Some(Overflow::Reject), ..Settings::default() };
    let (_fixture, journal) = Fixture::new(&settings);
    assert_eq!(append(&journal, 1, 8), 5);
    assert_eq!(append(&journal, 9, 1), 0);
    CursorFile::open(journal.store(), Open::Write)
        .unwrap()
        .update(|state| {
            state.begin(InFlight { first: seq(1), last: seq(2), body: crate::sink::BodyFormat::Ndjson });
            state.delivered(seq(2));
        })
        .unwrap();
    assert_eq!(append(&journal, 6, 8), 2);
}

#[test]
fn changed_limits_reach_a_writer_that_is_running() {
    let (fixture, journal) = Fixture::new(&Settings::default());
    let mut appender = Appender::open(&journal).unwrap();
    appender.commit(&mut block(numbers(1..=5)), Durability::Sync).unwrap();
    Journal::open_or_create(&fixture.path, &Settings { max_entries: Some(2), ..Settings::default() })
        .unwrap();
    appender.commit(&mut block(numbers(6..=6)), Durability::Sync).unwrap();
    assert_eq!(journal.stats().unwrap().pending, 2);
}

#[test]
fn a_directory_with_other_things_in_it_does_not_become_a_journal() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("letter.txt"), "dear").unwrap();
    let error = Journal::open_or_create(directory.path(), &Settings::default()).unwrap_err();
    assert!(matches!(error, Error::NotAJournal { .. }), "{error}");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn a_creation_that_was_cut_off_is_taken_up_again() {
    let (fixture, journal) = Fixture::new(&Settings::default());
    drop(journal);
    fs::remove_file(fixture.path.join("journal.json")).unwrap();
    let journal = Journal::open_or_create(&fixture.path, &Settings::default()).unwrap();
    append(&journal, 1, 1);
    fs::remove_file(fixture.path.join("journal.json")).unwrap();
    assert!(Journal::open_or_create(&fixture.path, &Settings::default()).is_err(), "there is an entry in it");
}

#[test]
fn a_seq_is_not_given_twice_where_no_more_are_left() {
    let (fixture, journal) = Fixture::new(&Settings::default());
    let mut last = block(["1".to_owned()]);
    last.renumber(seq(u64::MAX - 1));
    fs::write(segment_path(&fixture, 1), last.records(0, 1)).unwrap();
    let mut appender = Appender::open(&journal).unwrap();
    for _ in 0..2 {
        let refused = appender.commit(&mut block(["2".to_owned()]), Durability::Sync).unwrap_err();
        assert!(matches!(refused, Error::Damaged { .. }), "{refused}");
    }
    assert_eq!(fs::read(segment_path(&fixture, 1)).unwrap(), last.records(0, 1));
}

#[test]
fn a_cursor_step_that_no_generation_is_left_for_is_refused_and_not_lost() {
    let (_fixture, journal) = Fixture::new(&Settings::default());
    let most = u64::MAX;
    let state = CursorState { generation: most, syncs: most, bytes_written: most, ..CursorState::new() };
    CursorFile::create(journal.store(), &state).unwrap();
    let cursor = CursorFile::open(journal.store(), Open::Write).unwrap();
    let refused = cursor.update(|state| state.evict_to(seq(2))).unwrap_err();
    assert!(matches!(refused, Error::Damaged { .. }), "{refused}");
    assert_eq!(cursor.load().unwrap(), state);
    append(&journal, 1, 1);
    assert_eq!(journal.stats().unwrap().syncs, most);
}

#[test]
fn a_cursor_beyond_the_end_is_an_error() {
    let (_fixture, journal) = Fixture::new(&Settings::default());
    append(&journal, 1, 3);
    CursorFile::open(journal.store(), Open::Write).unwrap().update(|state| state.evict_to(seq(9))).unwrap();
    assert!(matches!(journal.stats().unwrap_err(), Error::CursorBeyondEnd { .. }));
    assert!(matches!(Appender::open(&journal).err().unwrap(), Error::CursorBeyondEnd { .. }));
}

/// Copies a journal as `cp -r` does.
fn copy(fixture: &Fixture) -> PathBuf {
    let to = fixture.path.with_file_name("copy");
    fs::create_dir(&to).unwrap();
    for entry in fs::read_dir(&fixture.path).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
    to
}

#[test]
fn a_copy_gets_an_id_of_its_own_when_it_is_written_to_and_the_original_keeps_its_own() {
    let (fixture, journal) = Fixture::new(&Settings::default());
    append(&journal, 1, 3);
    let path = copy(&fixture);
    assert_eq!(Journal::open_read_only(&path).unwrap().id(), journal.id(), "looking changes nothing");
    let copied = Journal::open(&path).unwrap();
    assert_ne!(copied.id(), journal.id());
    assert_eq!(copied.former_id(), Some(journal.id()));
    append(&copied, 4, 1);
    assert_eq!(read(&copied, 1), numbers(1..=4));
    let again = Journal::open(&path).unwrap();
    assert_eq!((again.id(), again.former_id()), (copied.id(), None));
    let original = Journal::open(&fixture.path).unwrap();
    assert_eq!((original.id(), original.former_id()), (journal.id(), None));
}

#[test]
fn a_writer_under_whom_a_backup_is_restored_renews_the_journal_before_it_writes() {
    let (fixture, journal) = Fixture::new(&Settings::default());
    append(&journal, 1, 3);
    let backup = copy(&fixture);
    let mut appender = Appender::open(&journal).unwrap();
    appender.commit(&mut block(["4".into()]), Durability::Sync).unwrap();
    for entry in fs::read_dir(&backup).unwrap() {
        let entry = entry.unwrap();
        fs::write(fixture.path.join(entry.file_name()), fs::read(entry.path()).unwrap()).unwrap();
    }
    appender.commit(&mut block(["5".into()]), Durability::Sync).unwrap();
    let renewed = Journal::open(&fixture.path).unwrap();
    assert_ne!(renewed.id(), journal.id());
    let former = renewed.config().former.unwrap();
    assert_eq!((former.id, former.last), (journal.id(), Some(seq(3))));
    assert_eq!(read(&renewed, 1), ["1", "2", "3", "5"]);
}

/// As `rsync` does it: what differs is replaced, `journal.json` and `cursor` do not.
#[test]
fn a_writer_whose_files_a_restore_has_replaced_writes_to_the_new_ones() {
    let (fixture, journal) = Fixture::new(&Settings::default());
    append(&journal, 1, 3);
    let backup = copy(&fixture);
    let mut appender = Appender::open(&journal).unwrap();
    appender.commit(&mut block(["4".into()]), Durability::Sync).unwrap();
    for name in [layout::APPEND_LOCK, &layout::segment_name(seq(1))] {
        fs::copy(backup.join(name), fixture.path.join("new")).unwrap();
        fs::rename(fixture.path.join("new"), fixture.path.join(name)).unwrap();
    }
    appender.commit(&mut block(["5".into()]), Durability::Sync).unwrap();
    let renewed = Journal::open(&fixture.path).unwrap();
    assert_eq!(read(&renewed, 1), ["1", "2", "3", "5"]);
    assert_ne!(renewed.id(), journal.id());
}

#[test]
fn an_entry_that_does_not_fit_into_an_empty_journal_evicts_nothing() {
    let (fixture, journal) = Fixture::new(&Settings::default());
    let mut appender = Appender::open(&journal).unwrap();
    appender.commit(&mut block(numbers(1..=100)), Durability::Sync).unwrap();
    Journal::open_or_create(&fixture.path, &Settings { max_bytes: Some(64 << 10), ..Settings::default() })
        .unwrap();
    let large = format!("\"{}\"", "x".repeat(40_000));
    let committed =
        appender.commit(&mut block(["1".into(), large.clone(), "2".into()]), Durability::Sync).unwrap();
    assert_eq!(committed.taken, 1);
    assert!(matches!(committed.failure, Some(Error::EntryTooLarge { bytes: 40_000.., .. })));
    let refused = appender.commit(&mut block([large]), Durability::Sync);
    assert!(matches!(refused, Err(Error::EntryTooLarge { .. })));
    appender.commit(&mut block(["3".into()]), Durability::Sync).unwrap();
    assert_eq!(journal.stats().unwrap().pending, 102);
}

#[test]
fn a_wider_limit_is_not_narrowed_by_one_that_was_wider_when_it_was_read() {
    let (fixture, journal) = Fixture::new(&Settings { max_entries: Some(5), ..Settings::default() });
    let wider = |entries| Settings { max_entries: Some(entries), ..Settings::default() };
    let slow = Journal::open(&fixture.path).unwrap();
    let (_, ignored) = Journal::open_or_create_widening(&fixture.path, &wider(20)).unwrap();
    assert!(ignored.is_empty());
    let (_, ignored) = slow.adapted(|config| widen::widening_of(config, &wider(10))).unwrap();
    assert_eq!(ignored, [Limit::Entries(10)]);
    assert_eq!(journal.current_config().unwrap().limits.max_entries, Some(20));
}

#[test]
fn a_copy_whose_cursor_is_damaged_can_be_repaired() {
    let (fixture, journal) = Fixture::new(&Settings::default());
    append(&journal, 1, 3);
    let copied = copy(&fixture);
    fs::write(copied.join(layout::CURSOR), "oops").unwrap();
    let repaired = super::repair::repair(&copied, &mut |_| ()).unwrap();
    assert_eq!(repaired.stats().unwrap().pending, 3);
    assert_ne!(repaired.id(), journal.id());
}

#[test]
fn changed_limits_leave_the_id_and_a_new_one_is_given_on_demand() {
    let (fixture, journal) = Fixture::new(&Settings::default());
    let set = |settings: Settings| Journal::open_or_create(&fixture.path, &settings).unwrap().id();
    assert_eq!(set(Settings { max_entries: Some(9), ..Settings::default() }), journal.id());
    assert_eq!(Journal::open(&fixture.path).unwrap().id(), journal.id());
    assert_ne!(set(Settings { new_id: true, ..Settings::default() }), journal.id());
}

#[test]
fn a_new_id_is_not_given_while_a_run_delivers_under_the_old_one() {
    let (fixture, journal) = Fixture::new(&Settings::default());
    let _delivers = journal.lock_for_delivery().unwrap();
    let asked = Journal::open_or_create(&fixture.path, &Settings { new_id: true, ..Settings::default() });
    assert!(matches!(asked, Err(Error::Busy { .. })));
}

#[test]
fn an_alert_is_raised_each_time_the_lost_entries_pass_a_multiple_of_the_threshold() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("alerts");
    let settings = Settings {
        max_entries: Some(10),
        dead_letter_threshold: Some(5),
        alert_exec: Some(format!("cat >> {0}; echo >> {0}", log.display())),
        ..Settings::default()
    };
    let (_fixture, journal) = Fixture::new(&settings);
    let mut appender = Appender::open(&journal).unwrap();
    let mut raised = 0;
    for (n, lost) in (1..=22).map(|n: u64| (n, n.saturating_sub(10))) {
        appender.commit(&mut block([n.to_string()]), Durability::Sync).unwrap();
        if lost > 0 && lost % 5 == 0 {
            raised += 1;
            let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
            while fs::read_to_string(&log).unwrap_or_default().lines().count() < raised {
                assert!(std::time::Instant::now() < deadline, "no alert at {lost} lost entries");
                std::thread::yield_now();
            }
        }
    }
    let log = fs::read_to_string(&log).unwrap();
    let evicted: Vec<u64> = log
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["evicted"].as_u64().unwrap())
        .collect();
    assert_eq!(evicted, [5, 10]);
}

/// Repairs, and tells how many things were done.
fn repair(fixture: &Fixture) -> usize {
    let mut done = 0;
    Journal::repair(&fixture.path, &mut |_| done += 1).unwrap();
    done
}

fn findings(journal: &Journal) -> u64 {
    journal.verify(&mut |_| ()).unwrap().damaged_places
}

#[test]
fn a_repair_sets_damage_aside_and_leaves_every_segment_as_it_is() {
    let (fixture, journal) = Fixture::new(&small_segments());
    append(&journal, 1, 40);
    let path = segment_path(&fixture, 1);
    let mut bytes = fs::read(&path).unwrap();
    bytes[40] ^= 1;
    fs::write(&path, &bytes).unwrap();
    assert_eq!(findings(&journal), 1);
    assert_eq!((repair(&fixture), repair(&fixture)), (1, 0));
    assert_eq!(findings(&journal), 0);
    assert_eq!(fs::read(&path).unwrap(), bytes);
    assert!(fs::read_to_string(fixture.path.join("damaged.jsonl")).unwrap().contains("\"first\":1,"));
}

#[test]
fn after_a_repair_delivery_goes_on_past_a_missing_segment() {
    let (fixture, journal) = Fixture::new(&small_segments());
    append(&journal, 1, 60);
    let all = segments::list(journal.store()).unwrap();
    for gone in [2, 0] {
        fs::remove_file(segment_path(&fixture, all[gone].get())).unwrap();
        assert!(journal.verify(&mut |_| ()).is_err());
        assert_eq!(repair(&fixture), 1);
        assert_eq!(findings(&journal), 0);
    }
    let found = read(&journal, 1);
    let lost = |first: Seq, next: Seq| format!("damaged {first}+{}", next.since(first));
    assert_eq!(found[0], lost(seq(1), all[1]));
    assert!(found.contains(&lost(all[2], all[3])), "{found:?}");
    assert_eq!(found.last().unwrap(), "60");
}

#[test]
fn after_a_repair_a_journal_without_any_segment_goes_on_after_the_last_number_and_counts_what_is_gone() {
    let (fixture, journal) = Fixture::new(&small_segments());
    append(&journal, 1, 40);
    for segment in segments::list(journal.store()).unwrap() {
        fs::remove_file(segment_path(&fixture, segment.get())).unwrap();
    }
    assert!(repair(&fixture) > 0);
    let journal = Journal::open(&fixture.path).unwrap();
    assert_eq!(append(&journal, 41, 1), 1);
    assert_eq!(read(&journal, 41), ["41"]);
    let stats = journal.stats().unwrap();
    assert_eq!((stats.written, stats.pending), (41, 41), "delivery counts them as damaged");
}

#[test]
fn what_is_left_of_a_durable_segment_that_has_lost_its_end_is_kept() {
    let (fixture, journal) = Fixture::new(&Settings::default());
    append(&journal, 1, 5);
    let path = segment_path(&fixture, 1);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 5]).unwrap();
    assert_eq!(findings(&journal), 1);
    append(&journal, 6, 1);
    assert_eq!(fs::read(&path).unwrap(), &bytes[..bytes.len() - 5], "nothing is cut");
    assert_eq!(read(&journal, 4), ["4", "damaged 5+1", "6"]);
}

#[test]
fn after_a_repair_a_lost_cursor_makes_everything_pending() {
    let (fixture, journal) = Fixture::new(&small_segments());
    append(&journal, 1, 60);
    CursorFile::open(journal.store(), Open::Write).unwrap().update(|state| state.evict_to(seq(30))).unwrap();
    journal.compact(false).unwrap();
    let log_start = segments::list(journal.store()).unwrap()[0];
    fs::write(fixture.path.join("cursor"), "garbage").unwrap();
    assert!(matches!(journal.stats().unwrap_err(), Error::Damaged { .. }));
    assert_eq!(repair(&fixture), 1);
    let stats = journal.stats().unwrap();
    assert_eq!((stats.cursor, stats.skipped), (log_start.get(), log_start.get() - 1));
    assert_eq!(fs::read_to_string(fixture.path.join("cursor.bad-1")).unwrap(), "garbage");
    append(&Journal::open(&fixture.path).unwrap(), 61, 1);
}

#[test]
fn after_a_repair_a_journal_that_ended_before_its_cursor_gives_no_seq_twice() {
    let (fixture, journal) = Fixture::new(&Settings::default());
    append(&journal, 1, 3);
    CursorFile::open(journal.store(), Open::Write).unwrap().update(|state| state.evict_to(seq(9))).unwrap();
    assert_eq!(repair(&fixture), 1);
    append(&journal, 9, 1);
    assert_eq!(read(&journal, 9), numbers(9..=9));
    assert_eq!(findings(&journal), 0);
}

#[test]
fn after_a_repair_a_journal_without_a_readable_config_has_a_new_id() {
    let (fixture, journal) = Fixture::new(&Settings::default());
    append(&journal, 1, 3);
    fs::write(fixture.path.join("journal.json"), "{").unwrap();
    assert!(matches!(Journal::open(&fixture.path).unwrap_err(), Error::NotAJournal { .. }));
    assert_eq!(repair(&fixture), 1);
    let repaired = Journal::open(&fixture.path).unwrap();
    assert_ne!(repaired.id(), journal.id());
    assert_eq!(read(&repaired, 1), numbers(1..=3));
}

/// A process is killed while it changes names: after it has made the next segment, or removed the active one.
fn killed_while_it_makes_a_segment(journal: &Journal, next: u64) {
    let lock = journal.store().open(layout::APPEND_LOCK, Open::Write).unwrap();
    let mut mark = TailMark::read(&lock).unwrap();
    let names = tail_mark::NameChange::begin(&lock, mark.as_mut()).unwrap();
    names.create(journal.store(), seq(next)).unwrap();
}

#[test]
fn a_writer_follows_the_names_that_a_killed_process_has_changed() {
    let (fixture, journal) = Fixture::new(&Settings::default());
    let mut survivor = Appender::open(&journal).unwrap();
    survivor.commit(&mut block(numbers(1..=3)), Durability::Sync).unwrap();
    killed_while_it_makes_a_segment(&journal, 4);
    survivor.commit(&mut block(numbers(4..=6)), Durability::Sync).unwrap();
    // Whatever becomes of the mark, the next process counts on.
    fs::write(fixture.path.join(layout::APPEND_LOCK), b"").unwrap();
    append(&journal, 7, 3);
    assert_eq!(read(&journal, 1), numbers(1..=9));
}

#[test]
fn an_empty_segment_in_the_middle_of_the_numbers_does_not_make_them_begin_anew() {
    let (fixture, journal) = Fixture::new(&Settings::default());
    append(&journal, 1, 6);
    fs::write(segment_path(&fixture, 4), b"").unwrap();
    fs::write(fixture.path.join(layout::APPEND_LOCK), b"").unwrap();
    assert_eq!(journal.stats().unwrap().next_seq, 7);
    assert_eq!(read(&journal, 5), numbers(5..=6));
    append(&journal, 7, 3);
    assert_eq!(read(&journal, 1), numbers(1..=9));
    assert!(!segment_path(&fixture, 4).exists());
}

#[test]
fn a_number_that_was_given_twice_is_reported_and_not_passed_over() {
    let (fixture, journal) = Fixture::new(&Settings::default());
    append(&journal, 1, 6);
    let first = fs::read_to_string(segment_path(&fixture, 1)).unwrap();
    let again: String = first.split_inclusive('\n').skip(3).collect();
    fs::write(segment_path(&fixture, 4), again).unwrap();
    fs::write(fixture.path.join(layout::APPEND_LOCK), b"").unwrap();
    append(&journal, 7, 1);
    let mut expected = numbers(1..=6);
    expected.extend(["damaged 7+0".to_owned(), "7".to_owned()]);
    assert_eq!(read(&journal, 1), expected);
    let mut findings = Vec::new();
    let verified = journal.verify(&mut |finding| findings.push(finding.to_string())).unwrap();
    assert_eq!(verified.damaged_places, 1, "{findings:?}");
}

#[test]
fn a_number_that_was_given_twice_is_not_cut_at_the_end_either() {
    let (fixture, journal) = Fixture::new(&Settings::default());
    append(&journal, 1, 6);
    let path = segment_path(&fixture, 1);
    let mut text = fs::read_to_string(&path).unwrap();
    let length = text.len();
    text.push_str(&text.lines().nth(3).map(|line| format!("{line}\n")).unwrap());
    fs::write(&path, &text).unwrap();
    fs::write(fixture.path.join(layout::APPEND_LOCK), b"").unwrap();
    assert_eq!(findings(&journal), 1, "before the next append");
    append(&journal, 7, 1);
    assert!(
        fs::read_to_string(&path).unwrap().starts_with(&text),
        "{length} bytes are left of {}",
        text.len()
    );
    assert_eq!(findings(&journal), 1, "after it");
    assert_eq!(read(&journal, 6), ["6", "damaged 7+0", "7"]);
}

#[test]
fn a_writer_does_not_vouch_for_entries_that_a_killed_process_has_cut_off() {
    let (fixture, journal) = Fixture::new(&Settings::default());
    append(&journal, 1, 2);
    let durable = fs::metadata(segment_path(&fixture, 1)).unwrap().len();
    let mut survivor = Appender::open(&journal).unwrap();
    survivor.commit(&mut block(numbers(3..=5)), Durability::NoSync).unwrap();
    // Another's sync has failed; it was killed after it had cut the file, before it wrote its mark.
    fs::File::options().write(true).open(segment_path(&fixture, 1)).unwrap().set_len(durable).unwrap();
    assert!(matches!(survivor.sync(), Err(Error::Latched { .. })));
}

#[test]
fn a_path_of_no_letters_is_said_to_be_empty() {
    let path = std::path::Path::new("");
    let opened = [
        Journal::open(path),
        Journal::open_read_only(path),
        Journal::open_or_create(path, &Settings::default()),
        Journal::repair(path, &mut |_| ()),
    ];
    for error in opened.map(Result::unwrap_err) {
        assert!(matches!(error, Error::EmptyPath), "{error:?}");
        assert!(error.to_string().contains("path") && error.hint().is_some(), "{error}");
    }
}

#[test]
fn a_look_finds_what_is_pending_and_nothing_else() {
    let (fixture, journal) = Fixture::new(&small_segments());
    let settle = |state: &mut CursorState| {
        let end = journal.end().unwrap();
        state.damaged(state.cursor, end.since(state.cursor));
    };
    let cursor = CursorFile::open(journal.store(), Open::Write).unwrap();
    assert!(!journal.may_have_pending().unwrap(), "nothing was ever written");
    let mark = fs::read(fixture.path.join(layout::APPEND_LOCK)).unwrap();
    fs::write(fixture.path.join(layout::APPEND_LOCK), b"").unwrap();
    assert!(journal.may_have_pending().unwrap(), "without a mark nothing is known");
    fs::write(fixture.path.join(layout::APPEND_LOCK), mark).unwrap();
    append(&journal, 1, 1);
    assert!(journal.may_have_pending().unwrap());
    cursor.update(settle).unwrap();
    assert!(!journal.may_have_pending().unwrap());
    append(&journal, 2, 100);
    cursor.update(settle).unwrap();
    assert!(!journal.may_have_pending().unwrap(), "also in a later segment");
    // Sent, and evicted meanwhile: it is for the next run to say what became of it.
    let end = journal.end().unwrap();
    append(&journal, 102, 1);
    cursor.update(|state| state.begin(InFlight { first: end, last: end, body: BodyFormat::Ndjson })).unwrap();
    cursor.update(|state| state.evict_to(end.next())).unwrap();
    assert!(journal.may_have_pending().unwrap());
}

#[test]
fn a_look_finds_what_a_writer_left_that_was_killed_before_it_marked_the_end() {
    let (fixture, journal) = Fixture::new(&Settings::default());
    append(&journal, 1, 1);
    let mark = fs::read(fixture.path.join(layout::APPEND_LOCK)).unwrap();
    append(&journal, 2, 1);
    let cursor = CursorFile::open(journal.store(), Open::Write).unwrap();
    cursor.update(|state| state.damaged(seq(1), 1)).unwrap();
    let mut changing =
        TailMark::read(&journal.store().open(layout::APPEND_LOCK, Open::Read).unwrap()).unwrap().unwrap();
    let lock = journal.store().open(layout::APPEND_LOCK, Open::Write).unwrap();
    cursor.update(|state| state.damaged(seq(2), 1)).unwrap();
    assert!(!journal.may_have_pending().unwrap());
    changing.changing = true;
    changing.write(&lock).unwrap();
    assert!(journal.may_have_pending().unwrap(), "killed while it changed names");
    for mark in [&mark[..], b""] {
        fs::write(fixture.path.join(layout::APPEND_LOCK), mark).unwrap();
        assert!(journal.may_have_pending().unwrap());
    }
}
