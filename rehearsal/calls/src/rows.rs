//! What a store keeps, and what may be written to it.

use std::collections::BTreeMap;

use tsugi_service_rules::call::{Change, Resolution};
use tsugi_service_rules::epoch::Owner;
use tsugi_service_rules::id::{CallId, Client, Content, Incarnation, Life, Serial, Watermark};
use tsugi_service_rules::stored::{Aged, ClientRow, LifeRow, Reply, Stored, at_open, over};

/// One thing that is written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Write {
    /// Whose the store is.
    Claim(Owner),
    /// What was started by anybody before is unknown.
    Open,
    /// That a call will act outside.
    Start(CallId, Content),
    /// What a program did in the store.
    Effect(CallId),
    /// An answer, with the lowest serial that its call told.
    Final(CallId, Content, Reply, Serial),
    /// That a call is unknown.
    Unknown(CallId),
    /// What somebody changes.
    Change(CallId, Change),
}

/// What a store keeps.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rows {
    /// Under each id.
    pub(crate) stored: BTreeMap<CallId, Stored>,
    lives: BTreeMap<Life, LifeRow>,
    floors: BTreeMap<Client, Incarnation>,
    /// Whose it is.
    pub(crate) owner: Option<Owner>,
    /// How often the program of a call did its work in the store.
    pub(crate) effects: BTreeMap<CallId, u32>,
}

impl Rows {
    pub(crate) fn stored(&self, id: CallId) -> Stored {
        self.stored.get(&id).copied().unwrap_or(Stored::Nothing)
    }

    pub(crate) fn row(&self, id: CallId) -> ClientRow {
        let Some((life, _)) = id.counted() else { return ClientRow::default() };
        ClientRow {
            life: self.lives.get(&life).copied(),
            floor: self.floors.get(&life.client).copied(),
            clients: self.lives.len() as u64,
        }
    }

    /// Whether a call that is not stored can never be run any more. Not asked of the rules: they
    /// are what is on trial.
    pub(crate) fn is_over(&self, id: CallId) -> bool {
        let Some((life, serial)) = id.counted() else { return false };
        let mark = self.lives.get(&life).is_some_and(|row| row.watermark.is_over(serial));
        mark || self.floors.get(&life.client).is_some_and(|floor| life.incarnation <= *floor)
    }

    /// Whether the answer of a call can be inserted: nothing but its own start is there.
    pub(crate) fn takes(&self, id: CallId, content: Content) -> bool {
        match self.stored(id) {
            Stored::Nothing => !self.is_over(id),
            Stored::Started(of) => of == content,
            Stored::Unknown(_) | Stored::Final(..) | Stored::Tombstone => false,
        }
    }

    /// The watermark of each life.
    pub(crate) fn watermarks(&self) -> impl Iterator<Item = (Life, Watermark)> {
        self.lives.iter().map(|(life, row)| (*life, row.watermark))
    }

    /// The calls that wait for a decision.
    pub(crate) fn unknown(&self) -> Option<CallId> {
        let is = |stored: &Stored| matches!(stored, Stored::Unknown(_));
        self.stored.iter().find(|(_, stored)| is(stored)).map(|(id, _)| *id)
    }

    /// Writes; says what is wrong with it.
    pub(crate) fn apply(&mut self, write: Write) -> Result<(), String> {
        match write {
            Write::Claim(owner) => {
                if self.owner.is_some_and(|former| former.epoch > owner.epoch) {
                    return Err(format!("{:?} takes the store of {:?}", owner, self.owner));
                }
                self.owner = Some(owner);
            }
            Write::Open => {
                for stored in self.stored.values_mut() {
                    *stored = at_open(*stored);
                }
                self.stored.retain(|_, stored| *stored != Stored::Nothing);
            }
            Write::Start(id, content) => {
                if self.stored(id) != Stored::Nothing || self.is_over(id) {
                    return Err(format!("{id} is started and {:?} is there", self.stored(id)));
                }
                self.put(id, Stored::Started(content));
            }
            Write::Effect(id) => *self.effects.entry(id).or_default() += 1,
            Write::Final(id, content, reply, lowest) => {
                if !self.takes(id, content) {
                    return Err(format!("{id} is inserted and {:?} is there", self.stored(id)));
                }
                self.put(id, Stored::Final(content, reply));
                if let Some((life, _)) = id.counted() {
                    self.rise(life, Watermark::told_by(lowest));
                }
            }
            Write::Unknown(id) => match self.stored(id) {
                Stored::Started(content) => self.put(id, Stored::Unknown(content)),
                stored => return Err(format!("{id} becomes unknown and {stored:?} is there")),
            },
            Write::Change(id, change) => return self.change(id, change),
        }
        Ok(())
    }

    fn change(&mut self, id: CallId, change: Change) -> Result<(), String> {
        match (change, self.stored(id)) {
            (Change::Confirm, Stored::Final(..)) => self.age(id, over(id)),
            (Change::Confirm, Stored::Nothing) => {
                if let Some((life, serial)) = id.counted() {
                    self.rise(life, Watermark(serial.get()));
                }
            }
            (Change::Confirm | Change::Forget, Stored::Tombstone) => {}
            (Change::Resolve(Resolution::Answered(reply)), Stored::Unknown(content)) => {
                self.put(id, Stored::Final(content, reply));
            }
            (Change::Resolve(Resolution::NotCarriedOut), Stored::Unknown(_)) => {
                self.stored.remove(&id);
            }
            (change, stored) => return Err(format!("{id}: {change:?} of {stored:?}")),
        }
        Ok(())
    }

    fn age(&mut self, id: CallId, aged: Aged) {
        match aged {
            Aged::Stays => {}
            Aged::Deleted { watermark } => {
                self.stored.remove(&id);
                if let Some((life, _)) = id.counted() {
                    self.rise(life, watermark);
                }
            }
            Aged::Tombstone => self.put(id, Stored::Tombstone),
        }
    }

    fn put(&mut self, id: CallId, stored: Stored) {
        self.stored.insert(id, stored);
        if let Some((life, serial)) = id.counted() {
            let row = self.lives.entry(life).or_default();
            row.highest = row.highest.max(serial.get());
        }
    }

    /// What is confirmed is deleted, unless it is not decided.
    fn rise(&mut self, life: Life, watermark: Watermark) {
        let row = self.lives.entry(life).or_default();
        row.watermark = row.watermark.max(watermark);
        row.highest = row.highest.max(row.watermark.0);
        let mark = row.watermark;
        let open = |stored: &Stored| matches!(stored, Stored::Started(_) | Stored::Unknown(_));
        let kept = |id: &CallId| {
            id.counted().is_none_or(|(of, serial)| of != life || !mark.is_over(serial))
        };
        self.stored.retain(|id, stored| kept(id) || open(stored));
    }
}
