//! What is on the simulated disk: as it is seen, as it would be after a power cut, and what lies between.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use crate::storage::FileId;

/// An operation that no sync has covered.
#[derive(Debug, Clone)]
pub(crate) enum Pending {
    Write {
        inode: u64,
        offset: usize,
        bytes: Arc<[u8]>,
    },
    /// What is left of a write whose sync failed: its length.
    Extend {
        inode: u64,
        length: usize,
    },
    SetLen {
        inode: u64,
        length: usize,
    },
    Link {
        name: String,
        inode: u64,
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

#[derive(Debug, Clone, Default)]
struct Inode {
    live: Arc<Vec<u8>>,
    durable: Arc<Vec<u8>>,
}

/// A directory.
#[derive(Debug, Clone, Default)]
pub(crate) struct World {
    inodes: BTreeMap<u64, Inode>,
    names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    pending: Vec<Pending>,
    last_inode: u64,
    boot: u64,
    /// Milliseconds since the boot, and those that the machine was up for altogether.
    uptime_ms: u64,
    ran_ms: u64,
}

impl Pending {
    fn is_of(&self, file: u64) -> bool {
        match self {
            Self::Write { inode, .. } | Self::Extend { inode, .. } | Self::SetLen { inode, .. } => {
                *inode == file
            }
            Self::Link { .. } | Self::Rename { .. } | Self::Unlink { .. } => false,
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

    pub fn live(&self, inode: u64) -> &[u8] {
        self.inodes.get(&inode).map_or(&[], |inode| &inode.live)
    }

    /// The files as they are seen.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.names.iter().map(|(name, inode)| (name.as_str(), self.live(*inode)))
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

    pub fn create(&mut self, name: &str) -> u64 {
        self.last_inode += 1;
        let inode = self.last_inode;
        self.inodes.insert(inode, Inode::default());
        self.names.insert(name.to_owned(), inode);
        self.pending.push(Pending::Link { name: name.to_owned(), inode });
        inode
    }

    pub fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let inode = self.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        self.names.insert(to.to_owned(), inode);
        self.pending.push(Pending::Rename { from: from.to_owned(), to: to.to_owned(), inode });
        Ok(())
    }

    pub fn remove(&mut self, name: &str) -> io::Result<()> {
        let inode = self.names.remove(name).ok_or(io::ErrorKind::NotFound)?;
        self.pending.push(Pending::Unlink { name: name.to_owned(), inode });
        Ok(())
    }

    pub fn write(&mut self, inode: u64, offset: usize, bytes: &[u8]) {
        overwrite(self.live_mut(inode), offset, bytes);
        self.pending.push(Pending::Write { inode, offset, bytes: bytes.into() });
    }

    pub fn set_len(&mut self, inode: u64, length: usize) {
        self.live_mut(inode).resize(length, 0);
        self.pending.push(Pending::SetLen { inode, length });
    }

    /// Not `durable = live`: bytes that a failed sync has lost stay lost.
    pub fn sync(&mut self, inode: u64) {
        let (own, others) = std::mem::take(&mut self.pending).into_iter().partition(|op| op.is_of(inode));
        self.pending = others;
        for op in own {
            self.apply(op, Fate::Kept);
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
        for op in &mut self.pending {
            if let Pending::Write { inode, offset, bytes } = op
                && *inode == file
            {
                *op = Pending::Extend { inode: file, length: *offset + bytes.len() };
            }
        }
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
        }
        after
    }

    fn apply(&mut self, op: Pending, fate: Fate) {
        match op {
            _ if fate == Fate::Lost => {}
            Pending::Write { inode, offset, bytes } => {
                let Some(file) = self.inodes.get_mut(&inode) else { return };
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
            Pending::SetLen { inode, length } => {
                if let Some(file) = self.inodes.get_mut(&inode) {
                    Arc::make_mut(&mut file.durable).resize(length, 0);
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
