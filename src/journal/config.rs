//! `journal.json`: a journal's identity and limits.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::layout;
use super::widen::Limit;
use crate::error::{Error, Result};
use crate::record::{Seq, Timestamp, seal_line, unseal_line};
use crate::sink::FormerJournal;
use crate::storage::{FileId, Identity, Open, Store, Volume};

/// The newest format that this version reads and the one that it writes.
const FORMAT: u64 = 1;
/// A `journal.json` is about 300 bytes.
const CONFIG_BYTES_MAX: usize = 64 << 10;
const MAX_BYTES_DEFAULT: u64 = 1 << 30;
const SEGMENT_BYTES_DEFAULT: u64 = 16 << 20;
const DEAD_LETTER_THRESHOLD_DEFAULT: u64 = 1000;
const MAX_BYTES_MIN: u64 = 64 << 10;
const SECOND_NS: i64 = 1_000_000_000;
const SEGMENT_BYTES_MIN: u64 = 1 << 10;
/// Offsets within a segment and within a block are kept in 32 bits here and there.
const SEGMENT_BYTES_MAX: u64 = 1 << 30;
/// A directory of more files than this is slow on many file systems, and in every tool that lists it.
const SEGMENTS_MAX: u64 = 16_384;

/// What a journal does when it is at its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Overflow {
    /// The oldest entries are evicted, and counted.
    #[default]
    DropOldest,
    /// New entries are not taken.
    Reject,
    /// The writer waits until there is room.
    Block,
}

impl fmt::Display for Overflow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::DropOldest => "drop-oldest",
            Self::Reject => "reject",
            Self::Block => "block",
        })
    }
}

impl FromStr for Overflow {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        [Self::DropOldest, Self::Reject, Self::Block]
            .into_iter()
            .find(|policy| policy.to_string() == text)
            .ok_or_else(|| Error::Invalid(format!("{text:?} is not one of drop-oldest, reject, block")))
    }
}

/// How much a journal may hold. The limits belong to the journal, so that all its writers agree.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Pending entries; none: no limit.
    pub max_entries: Option<u64>,
    /// Size of the journal's files together, in bytes.
    pub max_bytes: u64,
    /// Age of pending entries, counted while the machine is up, whatever the time of day; none: no limit.
    pub max_age: Option<Duration>,
    /// What happens at a limit of entries or bytes.
    pub overflow: Overflow,
    /// Each time the entries lost to eviction or dead-lettered pass a multiple of this, an alert is raised; 0: never.
    pub dead_letter_threshold: u64,
    /// The shell command that an alert runs, with the statistics as JSON on its standard input.
    pub alert_exec: Option<String>,
}

/// A journal's identity and limits.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Names the journal to receivers.
    pub id: Uuid,
    /// When it was created, RFC 3339.
    pub created: String,
    /// A segment is sealed before it grows beyond this many bytes.
    pub segment_bytes: u64,
    /// How much it may hold.
    pub limits: Limits,
    /// What the journal was before it got its present id: it was copied or restored then.
    pub former: Option<FormerJournal>,
    /// What `append.lock` showed then: no crash that brings it back shows another copy.
    pub(crate) lock_seen: Option<LockSeen>,
}

/// What of `append.lock` a renewal has gone by, as far as the file system keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LockSeen {
    /// When anything about it changed last.
    pub changed_ns: Option<i64>,
    /// The file in which its mark was written.
    pub mark_home: Option<FileId>,
}

/// Where `journal.json` was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "HomeOnDisk", into = "HomeOnDisk")]
pub(crate) struct Home {
    /// Which file it was; none where the file system numbers its files anew at each mount.
    pub file: Option<FileId>,
    /// In which file system or snapshot; none where that has no lasting number.
    pub volume: Option<u64>,
    /// Its time of modification (mtime), which was set to a whole second: whatever else writes the file, in place too, leaves
    /// another. None where the file system does not keep times.
    pub modified_ns: Option<i64>,
}

/// As version 0.1 wrote it, which knew no volume.
#[derive(Serialize, Deserialize)]
struct HomeOnDisk {
    inode: u64,
    born_ns: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    volume: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    modified_ns: Option<i64>,
}

impl From<HomeOnDisk> for Home {
    fn from(HomeOnDisk { inode, born_ns, volume, modified_ns }: HomeOnDisk) -> Self {
        let file = FileId { inode, born_ns };
        Self { file: Some(file).filter(|file| file.inode != 0 || file.born_ns != 0), volume, modified_ns }
    }
}

impl From<Home> for HomeOnDisk {
    fn from(home: Home) -> Self {
        let (inode, born_ns) = home.file.map_or((0, 0), |file| (file.inode, file.born_ns));
        Self { inode, born_ns, volume: home.volume, modified_ns: home.modified_ns }
    }
}

impl Home {
    fn of(identity: &Identity) -> Self {
        let modified_ns = identity.modified_ns.map(|ns| ns - ns.rem_euclid(SECOND_NS));
        Self { file: identity.file, volume: identity.volume, modified_ns }
    }

    /// Whether the file is the one that was written, for all that is known.
    pub fn is_where(&self, now: &Identity) -> bool {
        let same_file = match (self.file, now.file) {
            (Some(home), Some(now)) => home.is_same_file(&now),
            (None, None) => true,
            // It has come from one kind of file system to another.
            _ => false,
        };
        same_file
            && !matches!((self.volume, now.volume), (Some(home), Some(now)) if home != now)
            && !matches!((self.modified_ns, now.modified_ns), (Some(home), Some(now)) if home != now)
    }
}

/// Settings for a new journal, or changes for an existing one: what is `None` gets the default, or stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// Bytes, 1 KiB to 1 GiB; default 16 MiB. Where there is little room segments are smaller: an eighth of `max_bytes`, a
    /// sixteenth of the file system. `max_bytes` may not be more than 16,384 segments.
    pub segment_bytes: Option<u64>,
    /// Pending entries; 0: no limit, the default.
    pub max_entries: Option<u64>,
    /// Bytes, at least 64 KiB; default 1 GiB.
    pub max_bytes: Option<u64>,
    /// Zero: no limit, the default.
    pub max_age: Option<Duration>,
    /// Default: drop the oldest.
    pub overflow: Option<Overflow>,
    /// Entries; 0: no alert. Default 1000.
    pub dead_letter_threshold: Option<u64>,
    /// A shell command; empty: none, the default.
    pub alert_exec: Option<String>,
    /// Give the journal a new id, as a copy needs that is to be used beside its original, or a backup that cannot be
    /// told from one.
    pub new_id: bool,
}

impl Settings {
    pub(crate) fn check(&self) -> Result<()> {
        if let Some(bytes) = self.segment_bytes
            && !(SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&bytes)
        {
            return Err(Error::Invalid(format!("segment size {bytes}: use 1KiB to 1GiB")));
        }
        if let Some(bytes) = self.max_bytes
            && bytes < MAX_BYTES_MIN
        {
            return Err(Error::Invalid(format!("byte limit {bytes}: use 64KiB at least")));
        }
        Ok(())
    }
}

impl Config {
    /// A new journal's.
    pub(crate) fn new(settings: &Settings) -> Result<Self> {
        let config = Self {
            id: Uuid::new_v4(),
            created: Timestamp::now().to_string(),
            segment_bytes: SEGMENT_BYTES_DEFAULT,
            limits: Limits {
                max_entries: None,
                max_bytes: MAX_BYTES_DEFAULT,
                max_age: None,
                overflow: Overflow::DropOldest,
                dead_letter_threshold: DEAD_LETTER_THRESHOLD_DEFAULT,
                alert_exec: None,
            },
            former: None,
            lock_seen: None,
        };
        config.with(settings)
    }

    /// This configuration with the settings that are given.
    pub(crate) fn with(mut self, settings: &Settings) -> Result<Self> {
        settings.check()?;
        let before = (self.segment_bytes, self.limits.max_bytes);
        self.segment_bytes = settings.segment_bytes.unwrap_or(self.segment_bytes);
        let limits = &mut self.limits;
        limits.max_bytes = settings.max_bytes.unwrap_or(limits.max_bytes);
        limits.overflow = settings.overflow.unwrap_or(limits.overflow);
        limits.dead_letter_threshold = settings.dead_letter_threshold.unwrap_or(limits.dead_letter_threshold);
        if let Some(command) = &settings.alert_exec {
            limits.alert_exec = Some(command.clone()).filter(|command| !command.trim().is_empty());
        }
        if let Some(entries) = settings.max_entries {
            limits.max_entries = Some(entries).filter(|entries| *entries > 0);
        }
        if let Some(age) = settings.max_age {
            limits.max_age = Some(age).filter(|age| !age.is_zero());
        }
        // A journal from before there was this bound opens, and its other limits can be changed.
        if (self.segment_bytes, self.limits.max_bytes) != before {
            self.check_number_of_segments()?;
        }
        Ok(self)
    }

    fn check_number_of_segments(&self) -> Result<()> {
        let (segment, limit) = (self.segment_bytes, self.limits.max_bytes);
        let count = limit / self.segment_bytes_effective(None);
        if count <= SEGMENTS_MAX {
            return Ok(());
        }
        let least = limit.div_ceil(SEGMENTS_MAX).next_multiple_of(1024);
        let most = segment.saturating_mul(SEGMENTS_MAX) / 1024 * 1024;
        let [segment, limit, least, most] = [segment, limit, least, most].map(Limit::Bytes);
        Err(Error::Invalid(format!(
            "segments of {segment} within a limit of {limit} are {count} files, more than {SEGMENTS_MAX}: use \
             --segment-bytes {least} or more, or --max-bytes {most} or less"
        )))
    }

    /// The size at which segments are sealed: small enough that giving one back frees a small part of the limit, and of the
    /// file system that the journal is on.
    pub(crate) fn segment_bytes_effective(&self, volume: Option<Volume>) -> u64 {
        let bytes = self.segment_bytes.min(self.limits.max_bytes / 8);
        volume.map_or(bytes, |volume| bytes.min(volume.total_bytes / 16).max(SEGMENT_BYTES_MIN))
    }

    /// The same journal under a new id. `introduced` is the id under which a batch was accepted last; if this one's never was,
    /// the receiver knows it by a former one, if at all. Entries up to `last` are as they were. The alert command does
    /// not come along: it may be someone else's.
    pub(crate) fn renewed(mut self, introduced: Option<Uuid>, last: Option<Seq>) -> Self {
        if self.former.is_none() || introduced == Some(self.id) {
            self.former = Some(FormerJournal { id: self.id, last });
        }
        self.id = Uuid::new_v4();
        self.limits.alert_exec = None;
        self
    }

    /// Reads `journal.json`; none if there is no such file.
    pub(crate) fn load(store: &Store) -> Result<Option<Self>> {
        Ok(Self::load_with_origin(store)?.map(|(config, ..)| config))
    }

    /// The same, with what it says of where it was written, and which file it is.
    pub(crate) fn load_with_origin(store: &Store) -> Result<Option<(Self, Option<Home>, Identity)>> {
        let Some(file) = store.open_if_there(layout::CONFIG, Open::Read)? else { return Ok(None) };
        let mut bytes = vec![0; CONFIG_BYTES_MAX];
        let length = file.read_at(&mut bytes, 0)?;
        let identity = file.identity()?;
        parse(&bytes[..length]).map(|(config, home)| Some((config, home, identity))).map_err(|reason| {
            match reason {
                Unreadable::Newer(found) => {
                    Error::NewerFormat { path: file.path().to_owned(), found, known: FORMAT }
                }
                Unreadable::Invalid(reason) => Error::NotAJournal { path: file.path().to_owned(), reason },
            }
        })
    }

    /// Which file `journal.json` is now: another one once the settings have changed.
    pub(crate) fn identity(store: &Store) -> Result<Option<FileId>> {
        store.open_if_there(layout::CONFIG, Open::Read)?.map(|file| file.id()).transpose()
    }

    /// Writes `journal.json`, in one step and durably.
    pub(crate) fn store(&self, store: &Store) -> Result<()> {
        store.remove(layout::CONFIG_NEW)?;
        let file = store.open(layout::CONFIG_NEW, Open::CreateNew)?;
        let home = Home::of(&file.identity()?);
        let on_disk = OnDisk { home: Some(home), ..OnDisk::from(self) };
        let text = serde_json::to_vec(&on_disk).map_err(|error| Error::Invalid(error.to_string()))?;
        file.write_at(&seal_line(text), 0)?;
        home.modified_ns.map_or(Ok(()), |modified_ns| file.set_modified(modified_ns))?;
        file.sync_all()?;
        store.rename(layout::CONFIG_NEW, layout::CONFIG)?;
        store.sync_names()
    }
}

enum Unreadable {
    Newer(u64),
    Invalid(String),
}

fn parse(text: &[u8]) -> std::result::Result<(Config, Option<Home>), Unreadable> {
    let invalid = |error: serde_json::Error| Unreadable::Invalid(error.to_string());
    // A newer format may look different: its number is read first.
    let format: Format = serde_json::from_slice(text).map_err(invalid)?;
    if format.format > FORMAT {
        return Err(Unreadable::Newer(format.format));
    }
    // A spoilt digit would be another limit, or another journal to the receiver.
    if format.crc.is_some() && unseal_line(text).is_err() {
        return Err(Unreadable::Invalid("its checksum does not match".into()));
    }
    let on_disk: OnDisk = serde_json::from_slice(text).map_err(invalid)?;
    let home = on_disk.home;
    let config = Config::from(on_disk);
    let settings = Settings {
        segment_bytes: Some(config.segment_bytes),
        max_bytes: Some(config.limits.max_bytes),
        ..Settings::default()
    };
    settings.check().map_err(|error| Unreadable::Invalid(error.to_string()))?;
    Ok((config, home))
}

#[derive(Deserialize)]
struct Format {
    format: u64,
    /// None in a file that a person wrote.
    crc: Option<serde_json::Value>,
}

/// The layout of the file. Fields may be added; a change of meaning raises `format`.
#[derive(Serialize, Deserialize)]
struct OnDisk {
    format: u64,
    id: Uuid,
    created: String,
    segment_bytes: u64,
    limits: LimitsOnDisk,
    /// This very file, as it was made: a copy of it, or one from a backup, is another. Absent: not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    home: Option<Home>,
    /// See [`Config::former`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    former: Option<FormerJournal>,
    /// See [`Config::lock_seen`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lock_seen: Option<LockSeen>,
}

#[derive(Serialize, Deserialize)]
struct LimitsOnDisk {
    max_entries: Option<u64>,
    max_bytes: u64,
    max_age_ms: Option<u64>,
    overflow: Overflow,
    #[serde(default = "dead_letter_threshold_default")]
    dead_letter_threshold: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alert_exec: Option<String>,
}

fn dead_letter_threshold_default() -> u64 {
    DEAD_LETTER_THRESHOLD_DEFAULT
}

impl From<&Config> for OnDisk {
    fn from(config: &Config) -> Self {
        let limits = &config.limits;
        Self {
            format: FORMAT,
            id: config.id,
            created: config.created.clone(),
            segment_bytes: config.segment_bytes,
            limits: LimitsOnDisk {
                max_entries: limits.max_entries,
                max_bytes: limits.max_bytes,
                max_age_ms: limits.max_age.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
                overflow: limits.overflow,
                dead_letter_threshold: limits.dead_letter_threshold,
                alert_exec: limits.alert_exec.clone(),
            },
            home: None,
            former: config.former,
            lock_seen: config.lock_seen,
        }
    }
}

impl From<OnDisk> for Config {
    fn from(on_disk: OnDisk) -> Self {
        let limits = on_disk.limits;
        Self {
            id: on_disk.id,
            created: on_disk.created,
            segment_bytes: on_disk.segment_bytes,
            limits: Limits {
                max_entries: limits.max_entries,
                max_bytes: limits.max_bytes,
                max_age: limits.max_age_ms.map(Duration::from_millis),
                overflow: limits.overflow,
                dead_letter_threshold: limits.dead_letter_threshold,
                alert_exec: limits.alert_exec,
            },
            former: on_disk.former,
            lock_seen: on_disk.lock_seen,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_are_not_given_stay() {
        let config = Config::new(&Settings { max_entries: Some(7), ..Settings::default() }).unwrap();
        let changed =
            config.clone().with(&Settings { max_bytes: Some(1 << 20), ..Settings::default() }).unwrap();
        assert_eq!(changed.limits.max_entries, Some(7));
        assert_eq!(changed.limits.max_bytes, 1 << 20);
        assert_eq!(changed.segment_bytes_effective(None), 1 << 17);
        assert_eq!(changed.id, config.id);
    }

    #[test]
    fn more_segments_than_a_directory_takes_well_are_refused_and_an_older_journal_that_has_them_opens() {
        let settings = |segment, limit| Settings {
            segment_bytes: Some(segment),
            max_bytes: Some(limit),
            ..Settings::default()
        };
        assert!(Config::new(&settings(1 << 10, 16 << 20)).is_ok());
        let error = Config::new(&settings(1 << 10, (16 << 20) + 1024)).unwrap_err().to_string();
        assert!(error.contains("--segment-bytes 2KiB") && error.contains("--max-bytes 16MiB"), "{error}");
        let older = Config { segment_bytes: 1 << 10, ..Config::new(&Settings::default()).unwrap() };
        let same = settings(1 << 10, 1 << 30);
        assert_eq!(older.clone().with(&same).unwrap(), older);
        assert!(older.clone().with(&Settings { max_entries: Some(7), ..Settings::default() }).is_ok());
        assert!(older.with(&Settings { max_bytes: Some(2 << 30), ..Settings::default() }).is_err());
    }

    #[test]
    fn segments_follow_the_size_of_the_disk() {
        let config = Config::new(&Settings::default()).unwrap();
        let on =
            |total_bytes| config.segment_bytes_effective(Some(Volume { total_bytes, available_bytes: 0 }));
        assert_eq!(on(1 << 40), 16 << 20);
        assert_eq!(on(64 << 20), 4 << 20);
        assert_eq!(on(1 << 20), 64 << 10);
        assert_eq!(on(1 << 10), 1 << 10);
    }

    #[test]
    fn a_newer_format_is_told_apart_from_nonsense() {
        assert!(matches!(parse(br#"{"format":2,"shape":"new"}"#), Err(Unreadable::Newer(2))));
        for text in ["", "{}", "[]", r#"{"format":1}"#, r#"{"format":-1}"#, "\0\0"] {
            assert!(matches!(parse(text.as_bytes()), Err(Unreadable::Invalid(_))), "{text}");
        }
    }

    #[test]
    fn limits_that_cannot_work_are_refused() {
        for settings in [
            Settings { max_bytes: Some(1000), ..Settings::default() },
            Settings { segment_bytes: Some(0), ..Settings::default() },
            Settings { segment_bytes: Some(2 << 30), ..Settings::default() },
        ] {
            assert!(Config::new(&settings).is_err(), "{settings:?}");
        }
    }
}
