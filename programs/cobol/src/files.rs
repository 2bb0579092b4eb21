//! The files that a worker's programs have open: which slot each has, and what answers a statement.

use std::collections::BTreeMap;

use tsugi_files::definition::{Access, Definition, Flaw, Lengths, Organization};
use tsugi_files::front::{Closing, Front, Next, Select, Verb};
use tsugi_files::open::{Mode, Optional, Presence};
use tsugi_files::operation::Answer;
use tsugi_files::spoken::Request;
use tsugi_files::status::Status;

use crate::host::Host;

/// What a program says of a file where it opens it.
#[derive(Clone, Debug)]
pub struct Declared {
    pub name: String,
    pub select: Select,
    pub definition: Result<Definition, Flaw>,
    pub optional: Optional,
}

/// A file that stays open in its worker after a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StaysOpen {
    /// The slot that goes on meaning this open.
    pub slot: u16,
    /// Its index.
    pub file: u16,
    /// How it is open.
    pub mode: Mode,
}

impl From<StaysOpen> for tsugi_frames::Open {
    fn from(open: StaysOpen) -> Self {
        Self { slot: open.slot, file: open.file, mode: open.mode.into() }
    }
}

/// What becomes of a file that is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Afterwards {
    /// Its program may open it again.
    Kept,
    /// Its program is cancelled.
    Forgotten,
}

/// One file of one program: open, or closed WITH LOCK.
#[derive(Debug)]
struct Held {
    slot: u16,
    file: u16,
    front: Front,
    definition: Definition,
}

/// The files of a worker, by where libcob has them in memory.
#[derive(Debug, Default)]
pub struct Files {
    held: BTreeMap<usize, Held>,
}

/// What is said of a file that is closed; it counts for nothing.
const CLOSED: Select = Select {
    organization: Organization::Sequential,
    access: Access::Sequential,
    lengths: Lengths { min: 0, max: 1 },
    largest: None,
};

impl Files {
    /// OPEN.
    pub fn open(
        &mut self,
        host: &mut dyn Host,
        at: usize,
        declared: Declared,
        mode: Mode,
    ) -> Status {
        if let Some(held) = self.held.get_mut(&at)
            && let Next::Answered(status) = held.front.verb(Verb::Open(mode))
        {
            return status;
        }
        let Some(listed) = host.file(&declared.name) else { return Status::NoSuchName };
        let Ok(definition) = declared.definition else { return Status::OtherAttributes };
        let differs = match Presence::of(&definition, Some(&listed.definition)) {
            Presence::Fits => None,
            Presence::Missing | Presence::Differs => Some(definition.clone()),
        };
        let Some(slot) = self.free_slot() else { return Status::Excluded };
        let access = declared.select.access;
        let optional = declared.optional;
        let request = Request { file: listed.index, mode, access, optional, differs };
        let opening = host.open(slot, &request);
        let mut front = Front::new(declared.select);
        let status = front.opened(mode, opening);
        if front.mode().is_some() {
            self.held.insert(at, Held { slot, file: listed.index, front, definition });
        }
        status
    }

    /// CLOSE, and the close at CANCEL.
    pub fn close(&mut self, at: usize, closing: Closing, afterwards: Afterwards) -> Status {
        let Some(held) = self.held.get_mut(&at) else { return Status::NotOpen };
        let status = match held.front.verb(Verb::Close(closing)) {
            Next::Answered(status) => status,
            Next::Open(_) | Next::DeleteFile | Next::Ask(_) => Status::NotOpen,
        };
        // What was closed WITH LOCK is remembered for as long as its program is.
        let locked = closing == Closing::Lock || status == Status::NotOpen;
        let stays = held.front.mode().is_some() || locked;
        if !stays || afterwards == Afterwards::Forgotten {
            self.held.remove(&at);
        }
        status
    }

    /// DELETE FILE.
    pub fn delete_file(&mut self, host: &mut dyn Host, at: usize, name: &str) -> Status {
        if let Some(held) = self.held.get_mut(&at)
            && let Next::Answered(status) = held.front.verb(Verb::DeleteFile)
        {
            return status;
        }
        host.file(name).map_or(Status::NoSuchName, |listed| host.remove(listed.index))
    }

    /// Any other statement.
    pub fn verb(&mut self, host: &mut dyn Host, at: usize, verb: Verb<'_>) -> Answer {
        let mut closed = Front::new(CLOSED);
        let held = self.held.get_mut(&at);
        let slot = held.as_ref().map(|held| held.slot).unwrap_or_default();
        let front = held.map_or(&mut closed, |held| &mut held.front);
        match front.verb(verb) {
            Next::Answered(status) => Answer::of(status),
            Next::Ask(operation) => {
                let answer = host.operate(slot, &operation);
                front.answered(&operation, &answer);
                answer
            }
            // Neither OPEN nor DELETE FILE comes here.
            Next::Open(_) | Next::DeleteFile => Answer::of(Status::NotPermitted),
        }
    }

    /// What an open file is.
    pub fn definition(&self, at: usize) -> Option<&Definition> {
        self.held.get(&at).map(|held| &held.definition)
    }

    /// The value of a key in a record area; nothing where the file is not open.
    pub fn value(&self, at: usize, number: usize, area: &[u8]) -> Vec<u8> {
        let key = self.definition(at).and_then(|definition| definition.keys().get(number));
        key.map(|key| key.value(area)).unwrap_or_default()
    }

    /// Whether it is open.
    pub fn is_open(&self, at: usize) -> bool {
        self.held.get(&at).is_some_and(|held| held.front.mode().is_some())
    }

    /// The call has ended: which files stay open, without their positions.
    pub fn call_ended(&mut self) -> Vec<StaysOpen> {
        let open = self.held.values_mut().filter_map(|held| {
            let mode = held.front.mode()?;
            held.front.call_ended();
            Some(StaysOpen { slot: held.slot, file: held.file, mode })
        });
        open.collect()
    }

    fn free_slot(&self) -> Option<u16> {
        (1..u16::MAX).find(|slot| self.held.values().all(|held| held.slot != *slot))
    }
}
