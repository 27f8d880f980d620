//! A journal's files, read by their documented format and not with the program.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// One record of a segment.
#[derive(Debug, Clone)]
pub struct DiskRecord {
    pub seq: u64,
    /// The payload, byte for byte.
    pub data: Vec<u8>,
    /// The whole line, without its line feed.
    pub line: Vec<u8>,
}

impl DiskRecord {
    #[track_caller]
    fn of(line: &[u8]) -> Self {
        let context = || String::from_utf8_lossy(line).into_owned();
        let covered = checked(line);
        let rest = covered.strip_prefix(b"{\"seq\":").unwrap_or_else(|| panic!("no seq: {}", context()));
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let seq = std::str::from_utf8(&rest[..digits]).unwrap().parse().unwrap();
        let rest =
            rest[digits..].strip_prefix(b",\"at\":\"").unwrap_or_else(|| panic!("no time: {}", context()));
        let data =
            rest[27..].strip_prefix(b"\",\"data\":").unwrap_or_else(|| panic!("no data: {}", context()));
        Self { seq, data: data.to_vec(), line: line.to_vec() }
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.data).unwrap()
    }
}

/// The bytes of a line before its checksum, which fits them.
#[track_caller]
fn checked(line: &[u8]) -> &[u8] {
    let context = || String::from_utf8_lossy(line).into_owned();
    let at = line.len().checked_sub(18).unwrap_or_else(|| panic!("too short: {}", context()));
    let (covered, trailer) = line.split_at(at);
    assert_eq!(
        String::from_utf8_lossy(trailer),
        format!(",\"crc\":\"{:08x}\"}}", crc32fast::hash(covered)),
        "{}",
        context()
    );
    covered
}

/// The segment files, oldest first.
pub fn segments(journal: &Path) -> Vec<PathBuf> {
    let is_segment = |path: &PathBuf| {
        let stem = path.file_stem().unwrap_or_default().as_encoded_bytes();
        path.extension().is_some_and(|it| it == "jsonl")
            && stem.len() == 20
            && stem.iter().all(u8::is_ascii_digit)
    };
    let mut paths: Vec<_> =
        fs::read_dir(journal).unwrap().map(|entry| entry.unwrap().path()).filter(is_segment).collect();
    paths.sort();
    paths
}

/// Every record on disk, in order, each with a checksum that fits and each segment named by its first seq.
#[track_caller]
pub fn records(journal: &Path) -> Vec<DiskRecord> {
    let mut all = Vec::new();
    for path in segments(journal) {
        let bytes = fs::read(&path).unwrap();
        assert!(bytes.is_empty() || bytes.ends_with(b"\n"), "{} ends within a record", path.display());
        let before = all.len();
        all.extend(
            bytes.split_inclusive(|&byte| byte == b'\n').map(|line| DiskRecord::of(&line[..line.len() - 1])),
        );
        if let Some(first) = all.get(before) {
            assert_eq!(path.file_stem().unwrap(), format!("{:020}", first.seq).as_str());
        }
    }
    all
}

/// The objects of a side file (rejected, dead-letter, damaged), each with a checksum that fits and a running number.
#[track_caller]
pub fn sealed_objects(path: &Path) -> Vec<Value> {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let objects: Vec<Value> = bytes
        .split_inclusive(|&byte| byte == b'\n')
        .map(|line| {
            line.strip_suffix(b"\n").unwrap_or_else(|| panic!("{} ends within a line", path.display()))
        })
        .map(|line| {
            checked(line);
            serde_json::from_slice(line).unwrap()
        })
        .collect();
    for (index, object) in objects.iter().enumerate() {
        assert_eq!(object["n"], index as u64 + 1, "{object}");
    }
    objects
}

/// Everything that there is to know of a directory: each name's mode, time of change, and bytes.
pub fn snapshot(directory: &Path) -> BTreeMap<PathBuf, (u32, i64, i64, Vec<u8>)> {
    let mut all = BTreeMap::new();
    let mut waiting = vec![directory.to_owned()];
    while let Some(path) = waiting.pop() {
        let metadata = fs::symlink_metadata(&path).unwrap();
        let bytes = if metadata.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
        if metadata.is_dir() {
            waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        all.insert(path, (metadata.mode(), metadata.mtime(), metadata.mtime_nsec(), bytes));
    }
    all
}

/// Copies a journal as `cp -r` does.
pub fn copy_directory(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    fs::set_permissions(to, fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
