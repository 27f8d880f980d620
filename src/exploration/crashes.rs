//! The ways in which a crash may go, and telling apart what it leaves.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, LazyLock};

use memchr::memmem::Finder;

use crate::storage::sim::{Fate, Pending, World};

/// With so few pending operations every subset is tried.
const SUBSETS_MAX: usize = 4;

/// What each pending operation may come to, in many combinations: nothing, all, every prefix, each alone missing and alone
/// there, all subsets of a few, each write torn and with holes, names without bytes and bytes without names. `tears` is
/// how many places each write is torn at.
pub(super) fn ways(pending: &[Pending], tears: usize) -> Vec<Vec<Fate>> {
    let count = pending.len();
    let kept_where = |keep: &dyn Fn(usize) -> bool| -> Vec<Fate> {
        (0..count).map(|index| if keep(index) { Fate::Kept } else { Fate::Lost }).collect()
    };
    let mut ways: Vec<Vec<Fate>> = (0..=count).map(|prefix| kept_where(&|index| index < prefix)).collect();
    for one in 0..count {
        ways.push(kept_where(&|index| index != one));
        ways.push(kept_where(&|index| index == one));
    }
    if count <= SUBSETS_MAX {
        ways.extend((0..1_usize << count).map(|set| kept_where(&|index| set >> index & 1 == 1)));
    }
    ways.push(kept_where(&|index| pending[index].is_name()));
    ways.push(kept_where(&|index| !pending[index].is_name()));
    for (index, op) in pending.iter().enumerate() {
        let Pending::Write { bytes, .. } = op else { continue };
        for fate in damaged_writes(bytes.len(), tears) {
            for mut way in [kept_where(&|other| other < index), kept_where(&|_| true)] {
                way[index] = fate;
                ways.push(way);
            }
        }
    }
    ways
}

fn damaged_writes(length: usize, tears: usize) -> Vec<Fate> {
    let mut fates =
        vec![Fate::Hole(0, length), Fate::Hole(0, length / 2), Fate::Hole(length / 3, length / 2)];
    fates.extend([1, length.saturating_sub(1)].map(Fate::Torn));
    fates.extend((1..=tears).map(|tear| Fate::Torn(length * tear / (tears + 1))));
    fates
}

/// Random fates, for long runs.
pub(super) fn random_way(pending: &[Pending], random: &mut fastrand::Rng) -> Vec<Fate> {
    let all = random.u8(..3);
    let fate = |op: &Pending| match (op, random.u8(..8)) {
        (Pending::Write { bytes, .. }, 0) => Fate::Torn(random.usize(..=bytes.len())),
        (Pending::Write { bytes, .. }, 1) => {
            let from = random.usize(..=bytes.len());
            Fate::Hole(from, random.usize(from..=bytes.len()))
        }
        (_, dice) if dice < 2 + 2 * all => Fate::Lost,
        _ => Fate::Kept,
    };
    pending.iter().map(fate).collect()
}

/// What differs from run to run: what it follows, and its length.
static VARYING: LazyLock<[(Finder<'static>, usize); 6]> = LazyLock::new(|| {
    let everywhere = [("at\":\"", 27), ("crc\":\"", 8), ("\"series\":\"", 8), ("\"journal\":\"", 36)];
    let in_config = [("\"id\":\"", 36), ("created\":\"", 27)];
    [everywhere[0], everywhere[1], everywhere[2], everywhere[3], in_config[0], in_config[1]]
        .map(|(key, length)| (Finder::new(key), length))
});

/// Fingerprints of files. Most files of a state are those of the state before, unchanged and at the same place in memory,
/// where they stay while they are held here.
#[derive(Default)]
pub(super) struct Prints(HashMap<*const Vec<u8>, (Arc<Vec<u8>>, u64)>);

/// So many files are held at most.
const PRINTS_MAX: usize = 2000;

impl Prints {
    /// A fingerprint of what is in the directory, but for times, checksums and the journal's id.
    pub fn of(&mut self, world: &World) -> u64 {
        if self.0.len() > PRINTS_MAX {
            self.0.clear();
        }
        let mut hasher = DefaultHasher::new();
        for (name, bytes) in world.shared_files() {
            let print = || (Arc::clone(bytes), of_file(name, bytes));
            let (_, print) = self.0.entry(Arc::as_ptr(bytes)).or_insert_with(print);
            (name, bytes.len(), *print).hash(&mut hasher);
            if name == "journal.json" {
                world.inode(name).map(|inode| world.times(inode)).hash(&mut hasher);
            }
        }
        world.attributes().for_each(|attribute| attribute.hash(&mut hasher));
        hasher.finish()
    }
}

fn of_file(name: &str, bytes: &[u8]) -> u64 {
    let mut bytes = bytes.to_vec();
    // The journal's id and the time of its creation are in `journal.json` only.
    let varying = if name.starts_with("journal.json") { &VARYING[..] } else { &VARYING[..4] };
    for (key, length) in varying {
        let mut from = 0;
        while let Some(place) = key.find(&bytes[from..]) {
            let start = from + place + key.needle().len();
            let end = (start + length).min(bytes.len());
            bytes[start..end].fill(b'?');
            from = end;
        }
    }
    u64::from(crc32fast::hash(&bytes))
}
