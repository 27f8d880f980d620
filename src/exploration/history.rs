//! What the program has promised, as the outside world saw it; and the promises that can be checked as it happens.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex};

use uuid::Uuid;

use crate::storage::sim::Sim;

pub(super) type Bytes = Arc<[u8]>;

/// Something that happened, in order.
#[derive(Debug, Clone)]
pub(super) enum Event {
    /// The journal was made.
    Created,
    /// A payload was about to be appended.
    Tried(Bytes),
    /// An entry was acknowledged.
    Acked { seq: u64, payload: Bytes },
    /// An entry was there when the machine had run for so long.
    WasThere { seq: u64, ran_ms: u64 },
    /// A batch came to the sink.
    Handed { first: u64, payloads: Vec<Bytes> },
    /// The sink was about to say that it has taken these.
    Confirmed { first: u64, last: u64 },
    /// A line was kept that is no entry.
    Rejected,
    /// So many entries were about to be skipped, at most.
    Skipping(u64),
    /// A run ended well with the cursor there.
    CursorAt(u64),
    /// An entry was damaged on the disk.
    Ruined(u64),
    /// A file without which a journal does not open was damaged on the disk.
    Spoilt,
    /// The journal was repaired.
    Repaired,
    /// A writer has opened the journal, which had this id then.
    Opened(Uuid),
    /// A backup was made.
    BackedUp,
    /// The backup has come back; it does not show if nothing has that an append or a new id has changed since.
    Restored { shows: bool },
}

/// What follows from the events so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// No batch is ever split or passed by in this run: what overlaps must be the same.
    pub strict: bool,
    pub created: bool,
    pub tried: HashSet<Bytes>,
    pub acked: BTreeMap<u64, Bytes>,
    pub there_since: BTreeMap<u64, u64>,
    pub handed: BTreeMap<u64, Bytes>,
    pub confirmed: BTreeSet<u64>,
    pub cursor: u64,
    pub rejected: u64,
    pub ruined: BTreeSet<u64>,
    /// The journal does not open before it is repaired.
    pub spoilt: bool,
    /// At some time it was so: what it knew of earlier runs may be gone.
    pub was_spoilt: bool,
    /// No more entries than this can count as skipped.
    pub skipped_max: u64,
    seq_of: HashMap<Bytes, u64>,
    batches: BTreeMap<(u64, u64), Vec<Bytes>>,
    /// The id, once a writer has opened the journal; and all ids that it had.
    id: Option<Uuid>,
    ids: HashSet<Uuid>,
    /// The next writer finds a copy.
    shows: bool,
    /// What held when the backup was made.
    backup: Option<Box<Self>>,
}

impl Facts {
    pub fn new(strict: bool) -> Self {
        Self { strict, ..Self::default() }
    }

    /// Takes an event in. An error if it must not happen.
    pub fn learn(&mut self, event: &Event) -> Result<(), String> {
        match event {
            Event::Created => self.created = true,
            Event::Tried(payload) => {
                self.tried.insert(Arc::clone(payload));
            }
            Event::Acked { seq, payload } => {
                self.created = true;
                self.same_bytes(*seq, payload)?;
                self.acked.insert(*seq, Arc::clone(payload));
            }
            Event::WasThere { seq, ran_ms } => {
                self.there_since.entry(*seq).or_insert(*ran_ms);
            }
            Event::Handed { first, payloads } => return self.handed(*first, payloads),
            Event::Rejected => {
                self.created = true;
                self.rejected += 1;
            }
            Event::Confirmed { first, last } => self.confirmed.extend(*first..=*last),
            Event::CursorAt(seq) => self.cursor = self.cursor.max(*seq),
            Event::Skipping(count) => self.skipped_max += count,
            Event::Ruined(seq) => {
                self.ruined.insert(*seq);
            }
            Event::Spoilt => {
                self.spoilt = true;
                // With journal.json the id may be gone.
                self.id = None;
                self.was_spoilt = true;
                // A cursor that is gone begins anew: everything that is there is delivered again.
                self.cursor = 0;
                self.batches.clear();
            }
            Event::Repaired => self.spoilt = false,
            Event::Opened(id) => return self.opened(*id),
            Event::BackedUp => self.backup = Some(Box::new(Self { backup: None, ..self.clone() })),
            Event::Restored { shows } => self.restored(*shows),
        }
        Ok(())
    }

    /// A copy gets an id that the journal never had, an original keeps its own.
    fn opened(&mut self, id: Uuid) -> Result<(), String> {
        if self.shows && self.ids.contains(&id) {
            return Err("what was restored has kept its id".into());
        }
        if !self.shows && self.id.is_some_and(|known| known != id) {
            return Err("the id was renewed, and nothing was copied".into());
        }
        self.ids.insert(id);
        self.id = Some(id);
        self.shows = false;
        Ok(())
    }

    /// Two histories with the same one ask the same of a state.
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (&self.acked, &self.handed, &self.confirmed, &self.ruined, &self.batches).hash(&mut hasher);
        (self.created, self.cursor, self.rejected, self.spoilt, self.tried.len()).hash(&mut hasher);
        (self.shows, self.id.is_some(), self.ids.len()).hash(&mut hasher);
        (self.was_spoilt, self.skipped_max, &self.there_since).hash(&mut hasher);
        hasher.finish()
    }

    /// The same for a copy of the journal, made now.
    pub fn of_a_copy(self) -> Self {
        Self { shows: true, ..self }
    }

    fn restored(&mut self, shows: bool) {
        let Some(backup) = self.backup.clone() else { return };
        let (tried, ids) = (std::mem::take(&mut self.tried), std::mem::take(&mut self.ids));
        let shows = shows || self.shows;
        *self = Self { tried, ids, shows, backup: Some(backup.clone()), ..*backup };
    }

    fn handed(&mut self, first: u64, payloads: &[Bytes]) -> Result<(), String> {
        let last = first + payloads.len() as u64 - 1;
        if self.batches.get(&(first, last)).is_some_and(|before| before != payloads) {
            return Err(format!("batch {first}-{last} came again with other bytes"));
        }
        let torn_up =
            |(from, to): &&(u64, u64)| *from <= last && first <= *to && (*from, *to) != (first, last);
        if self.strict
            && let Some((from, to)) = self.batches.keys().find(torn_up)
        {
            return Err(format!("batch {from}-{to} came again as {first}-{last}"));
        }
        self.batches.insert((first, last), payloads.to_vec());
        for (seq, payload) in (first..).zip(payloads) {
            self.same_bytes(seq, payload)?;
            if !self.tried.contains(payload) {
                return Err(format!("seq {seq} is nothing that was ever appended: {}", text(payload)));
            }
            if *self.seq_of.entry(Arc::clone(payload)).or_insert(seq) != seq {
                return Err(format!("seq {seq} was sent under another seq before: {}", text(payload)));
            }
            self.handed.insert(seq, Arc::clone(payload));
        }
        Ok(())
    }

    fn same_bytes(&self, seq: u64, payload: &Bytes) -> Result<(), String> {
        for (what, known) in [("handed out", &self.handed), ("acknowledged", &self.acked)] {
            if let Some(before) = known.get(&seq).filter(|before| *before != payload) {
                return Err(format!("seq {seq} was {what} as {}, now {}", text(before), text(payload)));
            }
        }
        Ok(())
    }
}

pub(super) fn text(payload: &[u8]) -> String {
    String::from_utf8_lossy(&payload[..payload.len().min(24)]).into_owned()
}

/// The events of a run. Clones share them.
#[derive(Clone)]
pub(super) struct History {
    sim: Sim,
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    events: Vec<Event>,
    facts: Facts,
    wrong: Vec<String>,
}

impl History {
    pub fn new(sim: &Sim, facts: Facts) -> Self {
        let inner = Inner { events: Vec::new(), facts, wrong: Vec::new() };
        Self { sim: sim.clone(), inner: Arc::new(Mutex::new(inner)) }
    }

    pub fn note(&self, event: Event) {
        let mut inner = self.inner.lock().unwrap();
        if let Err(wrong) = inner.facts.learn(&event) {
            inner.wrong.push(wrong);
        }
        inner.events.push(event);
        self.sim.set_moment(inner.events.len());
    }

    /// Remembers that a promise was broken.
    pub fn wrong(&self, what: String) {
        self.inner.lock().unwrap().wrong.push(what);
    }

    pub fn events(&self) -> Vec<Event> {
        self.inner.lock().unwrap().events.clone()
    }

    pub fn facts(&self) -> Facts {
        self.inner.lock().unwrap().facts.clone()
    }

    pub fn with<T>(&self, look: impl FnOnce(&Facts) -> T) -> T {
        look(&self.inner.lock().unwrap().facts)
    }

    pub fn verdict(&self) -> Result<(), String> {
        let inner = self.inner.lock().unwrap();
        if inner.wrong.is_empty() { Ok(()) } else { Err(inner.wrong.join("; ")) }
    }
}
