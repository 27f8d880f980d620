//! A segment file: reading, verifying, recovering and going on after any bytes.

use std::ops::Range;

use super::{get, journal, put};
use crate::journal::{Appender, Damage, Durability, Finding, Item, Journal, Reader, segment_name};
use crate::record::{Block, Record, Seq, Timestamp, decode, record_within};
use crate::storage::Open;

/// Reads, verifies and recovers a journal whose only segment is these bytes: without a tail mark, with one that says
/// that nothing is durable, and with one that says so of the first half.
pub fn segment(bytes: &[u8]) {
    let unmarked = journal();
    put(unmarked.store(), &name(), bytes);
    recover(&unmarked, None, Seq::FIRST);

    let marked = journal();
    open_appender(&marked);
    put(marked.store(), &name(), bytes);
    recover(&marked, Some(0), Seq::FIRST);

    let (first, second) = bytes.split_at(bytes.len() / 2);
    let half = journal();
    put(half.store(), &name(), first);
    let next = open_appender(&half).next_seq();
    let durable = get(half.store(), &name()).len();
    let file = half.store().open(&name(), Open::Write).expect("it is there");
    file.write_at(second, durable as u64).expect("memory does not fail");
    recover(&half, Some(durable), next);
}

fn name() -> String {
    segment_name(Seq::FIRST)
}

fn open_appender(journal: &Journal) -> Appender {
    Appender::open(journal).expect("any bytes can be recovered")
}

/// What a reader has come upon, in order.
struct Seen {
    entries: Vec<(Seq, Range<usize>)>,
    damage: Vec<Damage>,
    /// Where the last of both ended.
    end: usize,
    next: Seq,
}

/// Reads `bytes`, which are the journal's segment. Each item must begin where the one before ended, and each seq be in
/// one of them.
fn read(journal: &Journal, bytes: &[u8], from: Seq, at: usize) -> Seen {
    let mut reader = Reader::open_tolerant(journal.store(), from, None).expect("the segment is there");
    let mut seen = Seen { entries: Vec::new(), damage: Vec::new(), end: at, next: from };
    while let Some(item) = reader.read().expect("no file is missing") {
        match item {
            Item::Entry(record) => {
                assert_eq!(record.seq, seen.next);
                assert_eq!(decode(record.line), Ok(record));
                assert!(bytes[seen.end..].starts_with(record.line), "{record:?} is not at {}", seen.end);
                let start = seen.end;
                seen.end += record.line.len();
                seen.entries.push((record.seq, start..seen.end));
                assert!(record.seq < record.seq.next(), "nothing can follow {}", record.seq);
                seen.next = record.seq.next();
            }
            Item::Damaged(damage) => {
                assert!(damage.entries > 0 || damage.length > 0, "{damage:?}");
                assert_eq!((damage.first, damage.offset as usize), (seen.next, seen.end));
                seen.end += damage.length as usize;
                seen.next = seen.next.plus(damage.entries);
                seen.damage.push(damage);
            }
        }
        // Two items of no length in a row would go on for ever.
        assert!(seen.damage.len() <= seen.entries.len() + 1 && seen.end <= bytes.len());
    }
    let rest = bytes[seen.end..].split_inclusive(|byte| *byte == b'\n');
    let unread = rest.filter_map(|line| decode(line).ok()).find(|record| record.seq >= seen.next);
    assert_eq!(unread, None, "an entry was not handed out");
    seen
}

/// Reading from an entry in the middle comes upon the same as reading all, from there on. Of damage before the first
/// entry nobody can say whose it was: who reads from the first is told of it.
fn read_from_the_middle(journal: &Journal, bytes: &[u8], all: &Seen) {
    let middle = all.entries.len() / 2;
    let Some((from, place)) = all.entries.get(middle).filter(|(seq, _)| *seq > Seq::FIRST) else { return };
    let part = read(journal, bytes, *from, place.start);
    assert_eq!(part.entries, all.entries[middle..]);
    assert!(all.damage.ends_with(&part.damage));
}

/// The record that a line is, or that it ends with.
fn record_of(line: &[u8]) -> Option<Record<'_>> {
    decode(&line[record_within(line).unwrap_or(0)..]).ok()
}

/// What recovery keeps.
struct Kept {
    /// Where the last entry ends, or else what the tail mark vouches for.
    entries: usize,
    /// Where what is behind it ends that is kept as damage, and how many lines of it were records once.
    end: usize,
    spoilt: u64,
    /// The seq behind all of them.
    next: Seq,
}

/// What recovery must keep. `durable` is what the tail mark vouches for.
fn kept(bytes: &[u8], seen: &Seen, durable: Option<usize>) -> Kept {
    let durable = durable.unwrap_or(0);
    // A line with a zero in it is where a crash has cut off a write, unless somebody has given it a checksum.
    let lines = bytes.split_inclusive(|byte| *byte == b'\n').scan(0, |end, line| {
        let start = *end;
        *end += line.len();
        Some((start, line))
    });
    let mut holes =
        lines.filter(|(start, line)| *start >= durable && line.contains(&0) && decode(line).is_err());
    let stop = holes.next().map_or(bytes.len(), |(start, _)| start);
    let last = seen.entries.iter().map(|(_, place)| place.end).take_while(|end| *end <= stop).last();
    let next = seen
        .entries
        .iter()
        .rfind(|(_, place)| Some(place.end) == last)
        .map_or(Seq::FIRST, |(seq, _)| seq.next());
    let (mut end, mut spoilt, mut line_end) = (last.unwrap_or(0), 0, last.unwrap_or(0));
    for line in bytes[end..stop].split_inclusive(|byte| *byte == b'\n') {
        let is_next = line_end == end;
        line_end += line.len();
        if record_of(line).is_some() {
            // A number that was given before.
            end = line_end;
        } else if is_next
            && line.starts_with(b"{\"seq\":")
            && line.ends_with(b"\"}\n")
            && next.plus(spoilt) < Seq::END
        {
            end = line_end;
            spoilt += 1;
        }
    }
    Kept { entries: last.unwrap_or(0), end: end.max(durable), spoilt, next: next.plus(spoilt) }
}

/// `verify` accounts for every byte: up to where recovery will cut as the reader does, and the rest as a torn tail.
fn verify(journal: &Journal, seen: &Seen, kept: &Kept, length: usize) {
    let mut found = Vec::new();
    let verification =
        journal.verify(&mut |finding| found.push(finding.clone())).expect("no file is missing");
    let entries: Vec<_> = seen.entries.iter().filter(|(_, place)| place.end <= kept.entries).collect();
    assert_eq!(verification.entries, entries.len() as u64);
    let damage = seen.damage.iter().filter(|damage| (damage.offset as usize) < kept.entries);
    let mut expected: Vec<_> = damage.cloned().map(Finding::Damaged).collect();
    if kept.end > kept.entries {
        expected.push(Finding::Damaged(Damage {
            first: entries.last().map_or(Seq::FIRST, |(seq, _)| seq.next()),
            entries: kept.spoilt,
            file: journal.path().join(name()),
            offset: kept.entries as u64,
            length: (kept.end - kept.entries) as u64,
        }));
    }
    assert_eq!(verification.damaged_places, expected.len() as u64);
    if kept.end < length {
        expected.push(Finding::TornTail {
            file: journal.path().join(name()),
            offset: kept.end as u64,
            length: (length - kept.end) as u64,
        });
    }
    assert_eq!(found, expected);
}

/// Whether an entry has a number that was given before it, to lines that are spoilt by now. Nobody writes such entries.
/// `next` is what the tail mark says comes next.
fn gives_a_number_twice(seen: &Seen, kept: &Kept, durable: usize, next: Seq) -> bool {
    seen.entries.iter().any(|(seq, place)| {
        (place.start >= durable && *seq < next) || (place.start >= kept.end && *seq < kept.next)
    })
}

/// Recovers a journal, and appends an entry.
fn recover(journal: &Journal, durable: Option<usize>, next: Seq) {
    let bytes = get(journal.store(), &name());
    let before = read(journal, &bytes, Seq::FIRST, 0);
    read_from_the_middle(journal, &bytes, &before);
    let kept = kept(&bytes, &before, durable);
    if gives_a_number_twice(&before, &kept, durable.unwrap_or(0), next) {
        // Recovery need only end well.
        open_appender(journal);
        return;
    }
    verify(journal, &before, &kept, bytes.len());

    let mut appender = open_appender(journal);
    let recovered = get(journal.store(), &name());
    assert_eq!(recovered, bytes[..kept.end]);
    let after = read(journal, &recovered, Seq::FIRST, 0);
    assert_eq!(after.entries, before.entries[..after.entries.len()]);
    verify(journal, &after, &kept, kept.end);
    let next = after.next.plus(kept.spoilt);
    assert_eq!(appender.next_seq(), next);

    let mut block = Block::new();
    block.restart(Seq::FIRST, Timestamp::now());
    block.push(b"\"new\"", 1);
    let taken = appender.commit(&mut block, Durability::Sync);
    if next == Seq::END {
        assert!(taken.is_err() && get(journal.store(), &name()) == recovered);
        return;
    }
    assert_eq!(taken.expect("there is room").taken, 1);
    let grown = get(journal.store(), &name());
    assert_eq!(grown[..kept.end], recovered);
    let last = read(journal, &grown, Seq::FIRST, 0);
    assert_eq!(last.entries[..after.entries.len()], after.entries);
    assert_eq!(last.entries[after.entries.len()..], [(next, kept.end..grown.len())]);
}
