//! A store as far as the rules can tell: what is durable, and what it finds wrong.

use std::collections::BTreeMap;

use tsugi_service_rules::call::{Attempt, Change, Resolution, Work};
use tsugi_service_rules::id::{CallId, Client, Content, Incarnation, Life, Serial, Watermark};
use tsugi_service_rules::stored::{
    Aged, ClientRow, Ending, LifeRow, Reply, Stored, aged, at_open, floor, over,
};
use tsugi_vocabulary::Span;

/// An answer that is inserted and not durable.
#[derive(Clone, Copy, Debug)]
pub struct Inserted {
    pub id: CallId,
    pub attempt: Attempt,
    pub content: Content,
    pub reply: Reply,
    pub work: Work,
    pub lowest: Serial,
}

/// What is durable.
#[derive(Clone, Debug, Default)]
pub struct Store {
    pub rows: BTreeMap<CallId, Stored>,
    pub lives: BTreeMap<Life, LifeRow>,
    pub floors: BTreeMap<Client, Incarnation>,
    /// How often the effects of a call were kept, since it was last said not to have been.
    pub applied: BTreeMap<CallId, u32>,
    /// Every answer that was ever durable, since its key was last forgotten.
    pub kept: BTreeMap<CallId, (Content, Reply)>,
}

impl Store {
    pub fn stored(&self, id: CallId) -> Stored {
        self.rows.get(&id).copied().unwrap_or(Stored::Nothing)
    }

    pub fn row(&self, id: CallId) -> ClientRow {
        let Some((life, _)) = id.counted() else { return ClientRow::default() };
        ClientRow {
            life: self.lives.get(&life).copied(),
            floor: self.floors.get(&life.client).copied(),
            clients: self.lives.len() as u64,
        }
    }

    /// Why a call can never be run any more, durably.
    pub fn is_over(&self, id: CallId) -> bool {
        let Some((life, serial)) = id.counted() else { return false };
        let mark = self.lives.get(&life).is_some_and(|row| row.watermark.is_over(serial));
        let floor = self.floors.get(&life.client).is_some_and(|f| life.incarnation <= *f);
        mark || floor
    }

    fn rise(&mut self, life: Life, watermark: Watermark) {
        let row = self.lives.entry(life).or_default();
        row.watermark = row.watermark.max(watermark);
        row.highest = row.highest.max(row.watermark.0);
        let kept = |stored: &Stored| matches!(stored, Stored::Started(_) | Stored::Unknown(_));
        let mark = row.watermark;
        self.rows.retain(|id, stored| match id.counted() {
            Some((of, serial)) if of == life && mark.is_over(serial) => kept(stored),
            Some(_) | None => true,
        });
    }

    fn put(&mut self, id: CallId, stored: Stored) {
        self.rows.insert(id, stored);
        if let Some((life, serial)) = id.counted() {
            let row = self.lives.entry(life).or_default();
            row.highest = row.highest.max(serial.get());
        }
    }

    pub fn start(&mut self, id: CallId, content: Content) {
        assert_eq!(self.stored(id), Stored::Nothing, "{id} is started twice");
        self.put(id, Stored::Started(content));
    }

    pub fn commit(&mut self, inserted: &Inserted) {
        let Inserted { id, content, reply, work, lowest, .. } = *inserted;
        match self.stored(id) {
            Stored::Nothing => {}
            Stored::Started(of) => assert_eq!(of, content, "{id} is replaced by another content"),
            stored => panic!("{id} is inserted although {stored:?} is there"),
        }
        let is_done = reply.ending == Ending::Done;
        assert_eq!(work == Work::Kept, is_done, "{id}: effects are kept when it was done only");
        if work == Work::Kept {
            *self.applied.entry(id).or_default() += 1;
            assert_eq!(self.applied[&id], 1, "{id} is applied twice");
        }
        self.put(id, Stored::Final(content, reply));
        self.kept.insert(id, (content, reply));
        if let Some((life, serial)) = id.counted() {
            assert!(lowest <= serial, "{id} would delete its own answer");
            self.rise(life, Watermark::told_by(lowest));
        }
    }

    pub fn unknown(&mut self, id: CallId) {
        match self.stored(id) {
            Stored::Started(content) => self.put(id, Stored::Unknown(content)),
            stored => panic!("{id} becomes unknown although {stored:?} is there"),
        }
    }

    pub fn change(&mut self, id: CallId, change: Change) {
        match (change, self.stored(id)) {
            (Change::Confirm, Stored::Final(..)) => match over(id) {
                Aged::Deleted { watermark } => {
                    let (life, _) = id.counted().unwrap();
                    self.rows.remove(&id);
                    self.rise(life, watermark);
                }
                Aged::Tombstone => self.put(id, Stored::Tombstone),
                Aged::Stays => panic!("{id} was confirmed and stays"),
            },
            (Change::Confirm, Stored::Tombstone) => {}
            (Change::Confirm, Stored::Nothing) => {
                let (life, serial) = id.counted().unwrap();
                self.rise(life, Watermark(serial.get()));
            }
            (Change::Forget, Stored::Final(..) | Stored::Tombstone) => {
                self.rows.remove(&id);
                self.applied.remove(&id);
                self.kept.remove(&id);
            }
            (Change::Resolve(Resolution::Answered(reply)), Stored::Unknown(content)) => {
                self.put(id, Stored::Final(content, reply));
                self.kept.insert(id, (content, reply));
            }
            (Change::Resolve(Resolution::NotCarriedOut), Stored::Unknown(_)) => {
                self.rows.remove(&id);
            }
            (change, stored) => panic!("{id}: {change:?} of {stored:?}"),
        }
    }

    /// The retention of a row is over. Whether anything was done.
    pub fn purge(&mut self, id: CallId) -> Option<Watermark> {
        match aged(id, self.stored(id), Span::secs(8), Span::secs(7)) {
            Aged::Stays => None,
            Aged::Deleted { watermark } => {
                let (life, _) = id.counted()?;
                self.rows.remove(&id);
                self.rise(life, watermark);
                Some(watermark)
            }
            Aged::Tombstone => {
                self.put(id, Stored::Tombstone);
                None
            }
        }
    }

    /// Says that a life of a client is over for good, if it has nothing left.
    pub fn bury(&mut self, life: Life) -> bool {
        let of = |id: &&CallId| id.counted().is_some_and(|(l, _)| l == life);
        let stored = self.rows.keys().filter(of).count();
        let Some(over) = floor(life, stored, Span::secs(7), Span::secs(7)) else { return false };
        self.lives.remove(&life);
        let floor = self.floors.entry(life.client).or_insert(over);
        *floor = (*floor).max(over);
        true
    }

    /// Another run of an engine opens the store.
    pub fn open(&mut self) {
        for stored in self.rows.values_mut() {
            *stored = at_open(*stored);
        }
        self.rows.retain(|_, stored| *stored != Stored::Nothing);
    }
}
