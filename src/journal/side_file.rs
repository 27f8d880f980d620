//! Side files: what could not go the usual way is kept here, one JSON object a line, each with a running number `n`.
//!
//! A line is durable before anything is counted on the strength of it. Like the newest segment, a side file may end torn
//! after a crash; the next writer cuts that. A side file that has grown to its share of the journal's limit (`budget`) becomes
//! the *old* one, in the place of the one before: what is kept is bounded, what is counted is not. The two together never
//! have more than two shares, whatever is added: of many lines at once only the last are kept, and one line that is longer than
//! a share has the place of both. Only what no file of a share holds is longer than both (see `budget`).

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::budget;
use super::config::Limits;
use super::layout;
use super::lines::Lines;
use crate::error::{Error, Result};
use crate::record::{seal_line, unseal_line};
use crate::storage::{File, Open, Store};

const READ_BYTES: u64 = 64 << 10;

/// An open side file of one kind of line.
pub(crate) struct SideFile {
    store: Store,
    name: &'static str,
    file: File,
    end: u64,
    bytes_max: u64,
    last: Option<Vec<u8>>,
}

#[derive(serde::Deserialize)]
struct Numbered {
    n: u64,
}

#[derive(Serialize)]
struct Line<'a, T> {
    n: u64,
    #[serde(flatten)]
    object: &'a T,
}

impl SideFile {
    /// Opens it for writing, under the lock that goes with it; makes it if need be.
    pub fn open(store: &Store, name: &'static str, limits: &Limits) -> Result<Self> {
        let file = match store.open_if_there(name, Open::Write)? {
            Some(file) => file,
            None => store.open(name, Open::Create)?,
        };
        let length = file.len()?;
        let (end, last) = last_line(&file, length)?;
        if end < length {
            file.set_len(end)?;
        }
        if end == 0 {
            // New, or left by a process that was cut off before its name was durable.
            store.sync_names()?;
        }
        let last = match last {
            Some(last) => Some(last),
            None => last_of_old(store, name)?,
        };
        let disk_bytes = store.volume().map_or(u64::MAX, |volume| volume.total_bytes);
        let bytes_max = budget::side_file_bytes_max(name, limits.max_bytes.min(disk_bytes));
        Ok(Self { store: store.clone(), name, file, end, bytes_max, last })
    }

    /// The last line, if it is of this kind.
    pub fn last<T: DeserializeOwned>(&self) -> Option<T> {
        parse(self.last.as_ref()?)
    }

    /// How many lines there have been: the number of the last one.
    fn count(&self) -> u64 {
        self.last::<Numbered>().map_or(0, |line| line.n)
    }

    /// Makes the last line durable: whoever wrote it may have been cut off before its sync, or that may have failed.
    pub fn confirm_last(&self) -> Result<()> {
        if let (_, Some((offset, line))) = find_last(&self.file, self.end)? {
            self.file.write_at(&line, offset)?;
            self.file.sync_data()?;
        }
        Ok(())
    }

    /// A line has at most so many bytes if it is to leave room for others.
    pub fn line_bytes_max(&self) -> usize {
        usize::try_from(self.bytes_max).unwrap_or(usize::MAX)
    }

    /// Appends objects, one a line, with one write and one sync for each file that they fill. Returns the bytes written.
    pub fn append<T: Serialize>(&mut self, objects: &[T]) -> Result<u64> {
        let mut lines = Vec::with_capacity(objects.len());
        for (n, object) in (self.count() + 1..).zip(objects) {
            let text = serde_json::to_vec(&Line { n, object })
                .map_err(|error| Error::Invalid(format!("cannot encode a line: {error}")))?;
            lines.push(seal_line(text));
        }
        let runs = runs_of(&lines, self.end, self.bytes_max);
        let skipped = runs.len().saturating_sub(2);
        if skipped > 0 && self.end > 0 {
            // What stays has no gap in its numbers.
            self.begin_anew()?;
        }
        let mut written = 0;
        for run in &runs[skipped..] {
            written += self.write(run)?;
        }
        Ok(written)
    }

    /// Adds lines that fit into one file, or a single one.
    fn write(&mut self, lines: &[Vec<u8>]) -> Result<u64> {
        let bytes = lines.concat();
        let written = bytes.len() as u64;
        if self.end > 0 && self.end + written > self.bytes_max {
            self.begin_anew()?;
        }
        let result = self.file.write_at(&bytes, self.end).and_then(|()| self.file.sync_data());
        if let Err(error) = result {
            // Best effort: what stays is cut by the next writer, or was never counted.
            let _ = self.file.set_len(self.end);
            return Err(error);
        }
        self.end += written;
        self.last = lines.last().cloned();
        let old = layout::old_name(self.name);
        if self.end + self.store.size(&old)? > 2 * self.bytes_max {
            // Only now: until the new line is durable the old ones keep the numbering.
            self.store.remove(&old)?;
        }
        Ok(written)
    }

    /// What has been kept so far is old.
    fn begin_anew(&mut self) -> Result<()> {
        self.store.rename(self.name, &layout::old_name(self.name))?;
        // Before a new file takes the name: a crash must not keep that and undo the renaming.
        self.store.sync_names()?;
        self.file = self.store.open(self.name, Open::Create)?;
        self.store.sync_names()?;
        self.end = 0;
        Ok(())
    }
}

/// Lines in runs that each fit into one file, of which `end` bytes are taken. (Of more than two runs all but the last two would
/// be dropped again at once: they are not written.)
fn runs_of(lines: &[Vec<u8>], end: u64, bytes_max: u64) -> Vec<&[Vec<u8>]> {
    let mut runs = Vec::new();
    let (mut from, mut bytes) = (0, end);
    for (index, line) in lines.iter().enumerate() {
        if index > from && bytes + line.len() as u64 > bytes_max {
            runs.push(&lines[from..index]);
            (from, bytes) = (index, 0);
        } else if index == from && bytes + line.len() as u64 > bytes_max {
            // It begins a file.
            bytes = 0;
        }
        bytes += line.len() as u64;
    }
    if from < lines.len() {
        runs.push(&lines[from..]);
    }
    runs
}

fn last_of_old(store: &Store, name: &str) -> Result<Option<Vec<u8>>> {
    let Some(file) = store.open_if_there(&layout::old_name(name), Open::Read)? else { return Ok(None) };
    let length = file.len()?;
    Ok(last_line(&file, length)?.1)
}

/// How many lines a side file has had; read-only.
pub(crate) fn count(store: &Store, name: &str) -> Result<u64> {
    let last = match store.open_if_there(name, Open::Read)? {
        Some(file) => last_line(&file, file.len()?)?.1,
        None => None,
    };
    let last = match last {
        Some(last) => Some(last),
        None => last_of_old(store, name)?,
    };
    Ok(last.and_then(|line| parse::<Numbered>(&line)).map_or(0, |line| line.n))
}

/// How many lines a side file has had that are no longer kept; read-only. Reads the beginning only.
pub(crate) fn dropped(store: &Store, name: &str) -> Result<u64> {
    let mut lines = SideLines::open(store, name)?;
    lines.next()?;
    Ok(lines.dropped())
}

/// A side file's valid lines, the old ones first.
pub(crate) struct SideLines {
    /// The oldest last.
    files: Vec<Lines>,
    /// The number of the first valid line; none until it was read.
    first: Option<u64>,
    unreadable: u64,
}

impl SideLines {
    pub fn open(store: &Store, name: &str) -> Result<Self> {
        let mut files = Vec::new();
        // The newer one is opened first: if the two change places meanwhile, lines come twice and none is missed.
        for name in [name, &layout::old_name(name)] {
            let file = store.open_if_there(name, Open::Read)?;
            files.extend(file.map(|file| Lines::new(file, 0, READ_BYTES as usize)));
        }
        Ok(Self { files, first: None, unreadable: 0 })
    }

    /// How many lines were dropped to make room for these; known once one was read.
    pub fn dropped(&self) -> u64 {
        self.first.map_or(0, |first| first.saturating_sub(1))
    }

    /// How many whole lines so far fail their checksum: damaged, or what a crash has left of an unfinished one.
    pub fn unreadable(&self) -> u64 {
        self.unreadable
    }

    /// The next line with a valid checksum, as it stands.
    pub fn next(&mut self) -> Result<Option<Vec<u8>>> {
        while let Some(lines) = self.files.last_mut() {
            while let Some((_, line)) = lines.next()? {
                if unseal_line(line).is_ok() {
                    if self.first.is_none() {
                        self.first = parse::<Numbered>(line).map(|line| line.n);
                    }
                    return Ok(Some(line.to_vec()));
                }
                self.unreadable += 1;
            }
            self.files.pop();
        }
        Ok(None)
    }
}

/// A line as a value; none if its checksum or its layout is wrong.
pub(crate) fn parse<T: DeserializeOwned>(line: &[u8]) -> Option<T> {
    let mut object = unseal_line(line).ok()?.to_vec();
    object.push(b'}');
    serde_json::from_slice(&object).ok()
}

/// Where a line begins, and its bytes.
type LineAt = (u64, Vec<u8>);

/// The last valid line of a file of this length, and where the last whole line ends.
fn last_line(file: &File, length: u64) -> Result<(u64, Option<Vec<u8>>)> {
    let (end, found) = find_last(file, length)?;
    Ok((end, found.map(|(_, line)| line)))
}

/// The same with the place of the line. Reads backwards, from the end only. A line that is not valid is what a crash has
/// left of an unfinished one, or damage: it is passed over.
fn find_last(file: &File, length: u64) -> Result<(u64, Option<LineAt>)> {
    let mut window = READ_BYTES;
    loop {
        let start = length.saturating_sub(window);
        let mut bytes = vec![0; (length - start) as usize];
        let count = file.read_at(&mut bytes, start)?;
        bytes.truncate(count);
        let whole = memchr::memrchr(b'\n', &bytes).map_or(0, |last| last + 1);
        let mut end = whole;
        while end > 0 {
            let before = memchr::memrchr(b'\n', &bytes[..end - 1]).map(|found| found + 1);
            let Some(first) = before.or((start == 0).then_some(0)) else { break };
            if unseal_line(&bytes[first..end]).is_ok() {
                let line = bytes[first..end].to_vec();
                return Ok((start + whole as u64, Some((start + first as u64, line))));
            }
            end = first;
        }
        if start == 0 {
            return Ok((whole as u64, None));
        }
        window *= 2;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::config::{Config, Settings};
    use super::super::test_support::Scratch;
    use super::*;

    fn limits() -> Limits {
        Config::new(&Settings { max_bytes: Some(16 << 20), ..Settings::default() }).unwrap().limits
    }

    #[test]
    fn what_is_kept_is_bounded_and_what_is_counted_is_not() {
        let scratch = Scratch::new();
        let name = "rejected.jsonl";
        for n in 0..30 {
            let mut side = SideFile::open(&scratch.store, name, &limits()).unwrap();
            side.append(&[json!({"a": n, "b": "x".repeat(50_000)})]).unwrap();
            assert!(scratch.store.size(name).unwrap() <= 256 << 10);
        }
        assert_eq!(count(&scratch.store, name).unwrap(), 30);
        let mut lines = SideLines::open(&scratch.store, name).unwrap();
        let mut kept = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            kept.push(parse::<Numbered>(&line).unwrap().n);
        }
        assert!(kept.is_sorted() && kept.len() >= 6 && kept.last() == Some(&30), "{kept:?}");
        assert_eq!(kept.len() as u64 + dropped(&scratch.store, name).unwrap(), 30, "{kept:?}");
    }

    /// A side file of two lines, and the file itself.
    fn two_lines(name: &'static str) -> (Scratch, File) {
        let scratch = Scratch::new();
        let mut side = SideFile::open(&scratch.store, name, &limits()).unwrap();
        side.append(&[json!({"a": 1}), json!({"a": 2})]).unwrap();
        let file = scratch.store.open(name, Open::Write).unwrap();
        (scratch, file)
    }

    #[test]
    fn lines_are_numbered_across_openings_and_a_torn_end_is_cut() {
        let name = "rejected.jsonl";
        let (scratch, file) = two_lines(name);
        let length = file.len().unwrap();
        file.write_at(b"{\"n\":3,\"a", length).unwrap();
        let mut side = SideFile::open(&scratch.store, name, &limits()).unwrap();
        assert_eq!(side.count(), 2);
        assert_eq!(file.len().unwrap(), length);
        side.append(&[json!({"a": "x".repeat(200_000)})]).unwrap();
        assert_eq!(count(&scratch.store, name).unwrap(), 3);
        let mut lines = SideLines::open(&scratch.store, name).unwrap();
        let mut found = 0;
        while lines.next().unwrap().is_some() {
            found += 1;
        }
        assert_eq!(found, 3);
    }

    #[test]
    fn a_hole_in_the_last_line_does_not_start_the_numbers_anew() {
        let name = "rejected.jsonl";
        let (scratch, file) = two_lines(name);
        file.write_at(b"\0\0\0\0\0\0\0\0c\":\"00000000\"}\n", file.len().unwrap()).unwrap();
        assert_eq!(count(&scratch.store, name).unwrap(), 2);
        SideFile::open(&scratch.store, name, &limits()).unwrap().append(&[json!({"a": 3})]).unwrap();
        assert_eq!(count(&scratch.store, name).unwrap(), 3);
    }

    #[test]
    fn whatever_is_added_both_files_stay_within_their_two_shares() {
        let small =
            Config::new(&Settings { max_bytes: Some(64 << 10), ..Settings::default() }).unwrap().limits;
        for name in [layout::REJECTED, layout::DEAD_LETTER] {
            let scratch = Scratch::new();
            let share = budget::side_file_bytes_max(name, small.max_bytes);
            let mut count_so_far = 0;
            let mut dice = fastrand::Rng::with_seed(7);
            for _ in 0..60 {
                // Many small ones, or a single one of almost both shares.
                let lines = if dice.bool() { dice.usize(1..400) } else { 1 };
                let length =
                    if lines > 1 { dice.usize(0..100) } else { dice.usize(0..2 * share as usize - 100) };
                let objects: Vec<_> = (0..lines).map(|_| json!({"a": "x".repeat(length)})).collect();
                SideFile::open(&scratch.store, name, &small).unwrap().append(&objects).unwrap();
                count_so_far += lines as u64;
                let size = |name: &str| scratch.store.size(name).unwrap();
                assert!(size(name) + size(&layout::old_name(name)) <= 2 * share);
                assert_eq!(count(&scratch.store, name).unwrap(), count_so_far);
                let mut kept = SideLines::open(&scratch.store, name).unwrap();
                let mut next = dropped(&scratch.store, name).unwrap() + 1;
                while let Some(line) = kept.next().unwrap() {
                    assert_eq!(parse::<Numbered>(&line).unwrap().n, next);
                    next += 1;
                }
            }
        }
    }

    #[test]
    fn a_file_that_is_not_there_has_no_lines() {
        let scratch = Scratch::new();
        assert_eq!(count(&scratch.store, "rejected.jsonl").unwrap(), 0);
        assert_eq!(dropped(&scratch.store, "rejected.jsonl").unwrap(), 0);
        assert!(SideLines::open(&scratch.store, "rejected.jsonl").unwrap().next().unwrap().is_none());
    }
}
