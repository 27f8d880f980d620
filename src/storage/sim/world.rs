//! What is on the simulated disk: as it is seen, as it would be after a power cut, and what lies between.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use crate::storage::{FileId, Identity};

/// An operation that no sync has covered.
#[derive(Debug, Clone)]
pub(crate) enum Pending {
    Write {
        inode: u64,
        offset: usize,
        bytes: Arc<[u8]>,
        times: Times,
    },
    /// What is left of a write whose sync failed: its length.
    Extend {
        inode: u64,
        length: usize,
    },
    SetLen {
        inode: u64,
        length: usize,
        times: Times,
    },
    /// A file's attribute; never torn.
    Attribute {
        inode: u64,
        value: Arc<[u8]>,
    },
    Link {
        name: String,
        inode: u64,
    },
    /// The time of a file's last change, without a change of its bytes: that of a rename. Only a sync of all that there is
    /// to the file makes it durable by itself.
    Change {
        inode: u64,
        times: Times,
    },
    Rename {
        from: String,
        to: String,
        inode: u64,
    },
    Unlink {
        name: String,
        inode: u64,
    },
}

/// What becomes of a pending operation in a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Kept,
    Lost,
    /// Of a write, only so many bytes.
    Torn(usize),
    /// Of a write, the bytes from here to there are zeros, unless something was there before.
    Hole(usize, usize),
}

/// When a file was changed (ctime), and when its bytes were (mtime).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Times {
    changed: u64,
    modified: u64,
}

#[derive(Debug, Clone, Default)]
struct Inode {
    live: Arc<Vec<u8>>,
    durable: Arc<Vec<u8>>,
    attribute: Arc<[u8]>,
    durable_attribute: Arc<[u8]>,
    times: Times,
    durable_times: Times,
}

/// How a backup comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Restore {
    /// Each file is written over, and gets the time that it had: `cp -a`.
    InPlace,
    /// The same without the times: `cp -r`.
    InPlaceUntimed,
    /// Each file that has another time than its backup is replaced by a new one: `rsync -a`.
    Replaced,
    /// All files are new ones: a copy somewhere else.
    Copied,
}

/// A directory.
#[derive(Debug, Clone, Default)]
pub(crate) struct World {
    inodes: BTreeMap<u64, Inode>,
    names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    pending: Vec<Pending>,
    last_inode: u64,
    /// Grows with every change.
    clock: u64,
    boot: u64,
    /// Milliseconds since the boot, and those that the machine was up for altogether.
    uptime_ms: u64,
    ran_ms: u64,
}

impl Pending {
    fn is_of(&self, file: u64) -> bool {
        match self {
            Self::Write { inode, .. }
            | Self::Extend { inode, .. }
            | Self::SetLen { inode, .. }
            | Self::Attribute { inode, .. } => *inode == file,
            Self::Change { .. } | Self::Link { .. } | Self::Rename { .. } | Self::Unlink { .. } => false,
        }
    }

    pub fn is_name(&self) -> bool {
        matches!(self, Self::Link { .. } | Self::Rename { .. } | Self::Unlink { .. })
    }
}

impl World {
    pub fn names(&self) -> Vec<String> {
        self.names.keys().cloned().collect()
    }

    pub fn inode(&self, name: &str) -> Option<u64> {
        self.names.get(name).copied()
    }

    pub fn is_linked(&self, inode: u64) -> bool {
        self.names.values().any(|linked| *linked == inode)
    }

    pub fn live(&self, inode: u64) -> &[u8] {
        self.inodes.get(&inode).map_or(&[], |inode| &inode.live)
    }

    pub fn attribute(&self, inode: u64) -> &[u8] {
        self.inodes.get(&inode).map_or(&[], |inode| &inode.attribute)
    }

    pub fn set_attribute(&mut self, inode: u64, value: &[u8]) {
        self.inodes.entry(inode).or_default().attribute = value.into();
        self.pending.push(Pending::Attribute { inode, value: value.into() });
    }

    /// The files as they are seen.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.names.iter().map(|(name, inode)| (name.as_str(), self.live(*inode)))
    }

    /// The same, shared: one allocation has one content for as long as it is held.
    pub fn shared_files(&self) -> impl Iterator<Item = (&str, &Arc<Vec<u8>>)> {
        self.names.iter().filter_map(|(name, inode)| Some((name.as_str(), &self.inodes.get(inode)?.live)))
    }

    /// The attributes as they are seen, by the names of their files.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.names.iter().map(|(name, inode)| (name.as_str(), self.attribute(*inode)))
    }

    pub fn pending(&self) -> &[Pending] {
        &self.pending
    }

    pub fn boot(&self) -> u64 {
        self.boot
    }

    pub fn uptime_ms(&self) -> u64 {
        self.uptime_ms
    }

    pub fn ran_ms(&self) -> u64 {
        self.ran_ms
    }

    pub fn wait(&mut self, ms: u64) {
        self.uptime_ms += ms;
        self.ran_ms += ms;
    }

    pub fn file_id(&self, inode: u64) -> FileId {
        FileId { inode, born_ns: inode as i64 }
    }

    pub fn identity(&self, inode: u64) -> Identity {
        let times = self.times(inode);
        Identity {
            file: Some(self.file_id(inode)),
            volume: Some(1),
            changed_ns: Some(times.changed as i64),
            modified_ns: Some(times.modified as i64),
        }
    }

    pub fn times(&self, inode: u64) -> Times {
        self.inodes.get(&inode).map(|inode| inode.times).unwrap_or_default()
    }

    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    /// The bytes of a file have changed now.
    fn touch(&mut self, inode: u64) -> Times {
        let now = self.tick();
        let times = Times { changed: now, modified: now };
        self.inodes.entry(inode).or_default().times = times;
        times
    }

    pub fn set_modified(&mut self, inode: u64, modified: u64) {
        let times = Times { changed: self.tick(), modified };
        self.inodes.entry(inode).or_default().times = times;
        self.pending.push(Pending::Change { inode, times });
    }

    pub fn create(&mut self, name: &str) -> u64 {
        self.last_inode += 1;
        let inode = self.last_inode;
        self.inodes.insert(inode, Inode::default());
        let times = self.touch(inode);
        self.inodes.entry(inode).or_default().durable_times = times;
        self.names.insert(name.to_owned(), inode);
        self.pending.push(Pending::Link { name: name.to_owned(), inode });
        inode
    }

    pub fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let inode = self.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        self.names.insert(to.to_owned(), inode);
        self.pending.push(Pending::Rename { from: from.to_owned(), to: to.to_owned(), inode });
        let times = Times { changed: self.tick(), ..self.times(inode) };
        self.inodes.entry(inode).or_default().times = times;
        self.pending.push(Pending::Change { inode, times });
        Ok(())
    }

    pub fn remove(&mut self, name: &str) -> io::Result<()> {
        let inode = self.names.remove(name).ok_or(io::ErrorKind::NotFound)?;
        self.pending.push(Pending::Unlink { name: name.to_owned(), inode });
        Ok(())
    }

    pub fn write(&mut self, inode: u64, offset: usize, bytes: &[u8]) {
        overwrite(self.live_mut(inode), offset, bytes);
        let times = self.touch(inode);
        self.pending.push(Pending::Write { inode, offset, bytes: bytes.into(), times });
    }

    pub fn set_len(&mut self, inode: u64, length: usize) {
        self.live_mut(inode).resize(length, 0);
        let times = self.touch(inode);
        self.pending.push(Pending::SetLen { inode, length, times });
    }

    /// Not `durable = live`: bytes that a failed sync has lost stay lost.
    pub fn sync(&mut self, inode: u64) {
        let (own, others) = std::mem::take(&mut self.pending).into_iter().partition(|op| op.is_of(inode));
        self.pending = others;
        for op in own {
            self.apply(op, Fate::Kept);
        }
    }

    /// The same for all that there is to a file.
    pub fn sync_all(&mut self, file: u64) {
        self.sync(file);
        self.pending.retain(|op| !matches!(op, Pending::Change { inode, .. } if *inode == file));
        if let Some(file) = self.inodes.get_mut(&file) {
            file.durable_times = file.times;
        }
    }

    pub fn sync_names(&mut self) {
        let (names, others) = std::mem::take(&mut self.pending).into_iter().partition(Pending::is_name);
        self.pending = others;
        for op in names {
            self.apply(op, Fate::Kept);
        }
    }

    /// A sync of this file failed.
    pub fn lose_unsynced(&mut self, file: u64) {
        self.pending.retain(|op| !matches!(op, Pending::Attribute { inode, .. } if *inode == file));
        for op in &mut self.pending {
            if let Pending::Write { inode, offset, bytes, .. } = op
                && *inode == file
            {
                *op = Pending::Extend { inode: file, length: *offset + bytes.len() };
            }
        }
    }

    /// A person puts back what was there in `backup`, while no process runs, and syncs all of it. Returns the names that were
    /// put back: what has not changed since may be left alone.
    pub fn restore(&mut self, backup: &Self, how: Restore) -> Vec<String> {
        let mut names = BTreeMap::new();
        let mut put_back = Vec::new();
        for (name, old) in &backup.names {
            let (bytes, modified) = (Arc::clone(&backup.inodes[old].live), backup.times(*old).modified);
            let there = self.inode(name).filter(|_| how != Restore::Copied);
            let unchanged = there.is_some_and(|inode| self.times(inode).modified == modified);
            let inode = match there {
                Some(inode) if how != Restore::Replaced || unchanged => inode,
                _ => self.create(name),
            };
            names.insert(name.clone(), inode);
            if how == Restore::Replaced && unchanged {
                continue;
            }
            put_back.push(name.clone());
            let now = self.tick();
            let keeps_times = matches!(how, Restore::InPlace | Restore::Replaced);
            let times = Times { changed: now, modified: if keeps_times { modified } else { now } };
            let file = Inode {
                live: Arc::clone(&bytes),
                durable: bytes,
                times,
                durable_times: times,
                ..Inode::default()
            };
            self.inodes.insert(inode, file);
        }
        self.pending.clear();
        (self.names, self.durable_names) = (names.clone(), names);
        for file in self.inodes.values_mut() {
            file.durable = Arc::clone(&file.live);
            file.durable_times = file.times;
        }
        put_back
    }

    /// Changes a byte behind everybody's back, on the disk itself.
    pub fn damage(&mut self, name: &str, offset: usize) {
        if let Some(inode) = self.inode(name)
            && let Some(file) = self.inodes.get_mut(&inode)
        {
            for bytes in [Arc::make_mut(&mut file.live), Arc::make_mut(&mut file.durable)] {
                if let Some(byte) = bytes.get_mut(offset) {
                    *byte ^= 1;
                }
            }
        }
    }

    /// Replaces what a file holds, behind everybody's back and on the disk itself; nothing if it is not there.
    pub fn put(&mut self, name: &str, bytes: &[u8]) {
        if let Some(inode) = self.inode(name) {
            self.pending.retain(|op| !op.is_of(inode));
            let times = self.touch(inode);
            let bytes = Arc::new(bytes.to_vec());
            let before = self.inodes.remove(&inode).unwrap_or_default();
            let file =
                Inode { live: Arc::clone(&bytes), durable: bytes, times, durable_times: times, ..before };
            self.inodes.insert(inode, file);
        }
    }

    /// A copy of the directory as it is seen, of other files, in the same boot.
    pub fn copied(&self) -> Self {
        let mut copy = self.clone();
        copy.restore(self, Restore::Copied);
        copy
    }

    /// The world after a power cut, given the fate of each pending operation; those without one are lost.
    pub fn crash(&self, fates: &[Fate]) -> Self {
        let mut after = self.clone();
        for (op, fate) in std::mem::take(&mut after.pending).into_iter().zip(fates) {
            after.apply(op, *fate);
        }
        after.boot += 1;
        after.uptime_ms = 0;
        after.names = after.durable_names.clone();
        let named = &after.names;
        after.inodes.retain(|inode, _| named.values().any(|used| used == inode));
        for inode in after.inodes.values_mut() {
            inode.live = Arc::clone(&inode.durable);
            inode.attribute = Arc::clone(&inode.durable_attribute);
            inode.times = inode.durable_times;
        }
        after
    }

    fn apply(&mut self, op: Pending, fate: Fate) {
        match op {
            _ if fate == Fate::Lost => {}
            Pending::Write { inode, offset, bytes, times } => {
                let Some(file) = self.inodes.get_mut(&inode) else { return };
                file.durable_times = times;
                let file = Arc::make_mut(&mut file.durable);
                match fate {
                    Fate::Torn(count) => overwrite(file, offset, &bytes[..count.min(bytes.len())]),
                    Fate::Hole(from, to) => {
                        let (from, to) = (from.min(bytes.len()), to.min(bytes.len()));
                        if file.len() < offset + bytes.len() {
                            file.resize(offset + bytes.len(), 0);
                        }
                        overwrite(file, offset, &bytes[..from]);
                        overwrite(file, offset + to, &bytes[to..]);
                    }
                    Fate::Kept | Fate::Lost => overwrite(file, offset, &bytes),
                }
            }
            Pending::Extend { inode, length } => {
                let Some(file) = self.inodes.get_mut(&inode) else { return };
                if file.durable.len() < length {
                    Arc::make_mut(&mut file.durable).resize(length, 0);
                }
            }
            Pending::Change { inode, times } => {
                if let Some(file) = self.inodes.get_mut(&inode)
                    && file.durable_times.changed < times.changed
                {
                    file.durable_times = times;
                }
            }
            Pending::SetLen { inode, length, times } => {
                if let Some(file) = self.inodes.get_mut(&inode) {
                    file.durable_times = times;
                    Arc::make_mut(&mut file.durable).resize(length, 0);
                }
            }
            Pending::Attribute { inode, value } => {
                if let Some(file) = self.inodes.get_mut(&inode) {
                    file.durable_attribute = value;
                }
            }
            Pending::Link { name, inode } => {
                self.durable_names.insert(name, inode);
            }
            Pending::Rename { from, to, inode } => {
                if self.durable_names.get(&from) == Some(&inode) {
                    self.durable_names.remove(&from);
                }
                self.durable_names.insert(to, inode);
            }
            Pending::Unlink { name, inode } => {
                if self.durable_names.get(&name) == Some(&inode) {
                    self.durable_names.remove(&name);
                }
            }
        }
    }

    fn live_mut(&mut self, inode: u64) -> &mut Vec<u8> {
        Arc::make_mut(&mut self.inodes.entry(inode).or_default().live)
    }
}

fn overwrite(file: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    let end = offset + bytes.len();
    if file.len() < end {
        file.resize(end, 0);
    }
    file[offset..end].copy_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_keeps_what_was_synced_and_what_it_is_told_to() {
        let mut world = World::default();
        let inode = world.create("a");
        world.write(inode, 0, b"one");
        world.sync(inode);
        world.sync_names();
        world.write(inode, 3, b"two");
        world.remove("a").unwrap();
        for (fates, left) in [
            (vec![], Some(&b"one"[..])),
            (vec![Fate::Kept], Some(b"onetwo")),
            (vec![Fate::Torn(1)], Some(b"onet")),
            (vec![Fate::Hole(0, 2)], Some(b"one\0\0o")),
            (vec![Fate::Lost, Fate::Kept], None),
        ] {
            let after = world.crash(&fates);
            assert_eq!(after.inode("a").map(|inode| after.live(inode)), left, "{fates:?}");
        }
    }

    #[test]
    fn a_name_without_a_sync_of_the_directory_is_gone() {
        let mut world = World::default();
        let inode = world.create("a");
        world.write(inode, 0, b"one");
        world.sync(inode);
        assert!(world.crash(&[]).names().is_empty());
    }

    #[test]
    fn no_later_sync_brings_back_what_a_failed_one_lost() {
        let mut world = World::default();
        let inode = world.create("a");
        world.sync_names();
        world.write(inode, 0, b"one");
        world.lose_unsynced(inode);
        world.sync(inode);
        assert_eq!(world.live(inode), b"one");
        let after = world.crash(&[]);
        assert_eq!(after.live(inode), b"\0\0\0");
        world.write(inode, 0, b"one");
        world.sync(inode);
        assert_eq!(world.crash(&[]).live(inode), b"one");
    }
}
