//! What the slots of a worker mean, and how an operation on one is carried out.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tsugi_files::answers::{Cursor, ReadDuplicates, Terms};
use tsugi_files::definition::Definition;
use tsugi_files::open::{Known, Mode, Named, Opened, Opening, Others, Presence, delete_file, open};
use tsugi_files::operation::{Failure, Operation};
use tsugi_files::spoken::{Request, answer_said, opening_said, operation_heard, status_said};
use tsugi_files::status::Status;
use tsugi_frames::{FileOperation, FileResult, Mode as Said, Optional as SaidOptional};
use tsugi_store::file::{File, OnFiles, Was};
use tsugi_store::{Trouble, file};

use super::{Declared, Files, InStore, Unkept, definition, fits, shape};
use crate::clock;
use crate::worker::Turn;

/// The files that one worker has open. They end with it: a CLOSE is told by nobody.
#[derive(Clone)]
pub struct Opens(Arc<Mutex<Table>>);

/// An operation on a file, of one worker in one of its calls.
#[derive(Clone, Debug, PartialEq)]
pub struct Asking {
    opens: Opens,
    turn: Turn,
    slot: u16,
    operation: FileOperation<'static>,
}

struct Table {
    files: Files,
    slots: BTreeMap<u16, Slot>,
    /// The call that the following was found in. In another one it is looked for again: it is
    /// another unit of work.
    turn: Turn,
    /// How many calls of other services had ended in that unit of work: they may have made files,
    /// or taken some away.
    nested: u64,
    /// What the store has under the names, by their index.
    there: BTreeMap<u16, Option<File>>,
}

/// One open of a file.
struct Slot {
    file: u16,
    mode: Mode,
    definition: Definition,
    opened: Opened,
    /// Where it stands in this call.
    cursor: Option<Cursor>,
}

/// Why there is no answer.
enum Unanswered {
    /// The unit of work is gone.
    Trouble(Trouble),
    /// The call is ended for this reason.
    Ended(String),
}

impl From<Trouble> for Unanswered {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl From<Unkept> for Unanswered {
    fn from(unkept: Unkept) -> Self {
        match unkept {
            Unkept::Trouble(trouble) => Self::Trouble(trouble),
            Unkept::Damaged => Self::Ended("its rows contradict each other".to_owned()),
        }
    }
}

impl Opens {
    /// Those of a worker that has just been born.
    #[must_use]
    pub fn new(files: Files) -> Self {
        let (slots, there) = (BTreeMap::new(), BTreeMap::new());
        Self(Arc::new(Mutex::new(Table { files, slots, turn: Turn(0), nested: 0, there })))
    }

    /// What the worker asks for in this call, of this slot.
    #[must_use]
    pub fn ask(&self, turn: Turn, slot: u16, operation: FileOperation<'static>) -> Asking {
        Asking { opens: self.clone(), turn, slot, operation }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Whoever died with it has ended the call, and its worker with it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PartialEq for Opens {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Opens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opens")
    }
}

impl Asking {
    /// How many bytes of a program it bears.
    pub(crate) fn size(&self) -> usize {
        match &self.operation {
            FileOperation::Write { record, .. } | FileOperation::Rewrite { record, .. } => {
                record.len()
            }
            _ => 0,
        }
    }

    /// Whether there may be another file, or one less, when it was carried out.
    pub(crate) fn may_make_files(&self) -> bool {
        match &self.operation {
            FileOperation::Open { mode, optional, .. } => match (mode, optional) {
                (Said::Output, _) | (Said::InputOutput | Said::Extend, SaidOptional::Yes) => true,
                (Said::Input, _) | (Said::InputOutput | Said::Extend, SaidOptional::No) => false,
            },
            FileOperation::Remove {} => true,
            _ => false,
        }
    }

    /// Carries it out in the call's unit of work, in which so many calls of other services have
    /// ended: they may have made files, or taken some away. The inner error is why the call is
    /// ended.
    ///
    /// # Errors
    /// The unit of work is gone.
    pub fn carry_out(
        &self,
        work: &mut dyn OnFiles,
        nested: u64,
    ) -> Result<Result<FileResult<'static>, String>, Trouble> {
        let mut table = self.opens.table();
        table.begin((self.turn, nested));
        match table.answer(work, self.slot, &self.operation) {
            Ok(result) => Ok(Ok(result)),
            Err(Unanswered::Trouble(trouble)) => Err(trouble),
            Err(Unanswered::Ended(why)) => {
                let file = table.name(self.slot, &self.operation);
                Ok(Err(format!("file {file}: {why}")))
            }
        }
    }
}

impl Table {
    /// Positions end with the call.
    fn begin(&mut self, (turn, nested): (Turn, u64)) {
        if self.nested != nested {
            self.nested = nested;
            self.there.clear();
        }
        if self.turn == turn {
            return;
        }
        self.turn = turn;
        self.there.clear();
        self.slots.values_mut().for_each(|slot| slot.cursor = None);
    }

    /// What a file is called in what is said of it.
    fn name(&self, slot: u16, operation: &FileOperation<'_>) -> String {
        let index = match operation {
            FileOperation::Open { file, .. } => Some(*file),
            FileOperation::Remove {} => Some(slot),
            _ => self.slots.get(&slot).map(|slot| slot.file),
        };
        let declared = index.and_then(|index| self.files.get(index));
        declared.map_or_else(|| format!("of slot {slot}"), |declared| declared.name.to_string())
    }

    fn answer(
        &mut self,
        work: &mut dyn OnFiles,
        slot: u16,
        operation: &FileOperation<'_>,
    ) -> Result<FileResult<'static>, Unanswered> {
        match (Request::heard(operation), operation) {
            (Some(Ok(request)), _) => {
                let opening = self.open(work, slot, request)?;
                Ok(opening_said(opening))
            }
            (Some(Err(flaw)), _) => Err(Unanswered::Ended(format!("there is none: {flaw:?}"))),
            (None, FileOperation::Remove {}) => Ok(status_said(self.remove(work, slot)?)),
            (None, operation) => self.operate(work, slot, operation),
        }
    }

    fn declared(&self, index: u16) -> Result<Declared, Unanswered> {
        let declared = self.files.get(index).cloned();
        declared.ok_or_else(|| Unanswered::Ended(format!("no file has index {index}")))
    }

    /// What the store has under the name of a file.
    fn there(&mut self, work: &mut dyn OnFiles, index: u16) -> Result<Option<File>, Unanswered> {
        if let Some(there) = self.there.get(&index) {
            return Ok(there.clone());
        }
        let name = self.declared(index)?.name;
        let there = file::Files::of(work).find(&name)?;
        self.there.insert(index, there.clone());
        Ok(there)
    }

    /// What is known of a file, to a program that says this of it.
    fn known(
        &mut self,
        work: &mut dyn OnFiles,
        index: u16,
        program: &Definition,
    ) -> Result<(Named, Option<File>), Unanswered> {
        let Declared { rights, recreate, .. } = self.declared(index)?;
        let there = self.there(work, index)?;
        let catalogue = there.as_ref().map(definition).transpose();
        let catalogue = catalogue.map_err(|flaw| Unanswered::Ended(format!("{flaw:?}")))?;
        let presence = Presence::of(program, catalogue.as_ref());
        // The worker knows which of its programs have a file open, and nobody tells of a CLOSE.
        let others = Others::Share;
        Ok((Named::In(Known { presence, rights, recreate, others }), there))
    }

    fn open(
        &mut self,
        work: &mut dyn OnFiles,
        slot: u16,
        request: Request,
    ) -> Result<Opening, Unanswered> {
        // What the slot meant before is closed, whatever comes of this.
        self.slots.remove(&slot);
        let Request { file, mode, optional, differs, .. } = request;
        let declared = self.declared(file)?;
        let definition = differs.unwrap_or(declared.definition);
        let (named, there) = self.known(work, file, &definition)?;
        let opening = open(definition.organization(), mode, optional, named);
        let Opening::Done(_, opened) = opening else { return Ok(opening) };
        match opened {
            Opened::Kept | Opened::Absent => {}
            Opened::Made => {
                fits(&definition).map_err(|too_long| Unanswered::Ended(too_long.to_string()))?;
                let named = (file, &*declared.name, declared.most);
                self.make(work, named, there, &definition)?;
            }
        }
        self.slots.insert(slot, Slot { file, mode, definition, opened, cursor: None });
        Ok(opening)
    }

    /// Makes a file, or makes it anew.
    fn make(
        &mut self,
        work: &mut dyn OnFiles,
        (index, name, most): (u16, &str, Option<i64>),
        there: Option<File>,
        definition: &Definition,
    ) -> Result<(), Unanswered> {
        let (shape, at) = (shape(definition), clock::wall_ms());
        let made = match there {
            Some(file) => Some(file::Files::of(work).renew(&file, &shape, at)?),
            None => match file::Files::of(work).make(name, &shape, at)? {
                Was::Missing => {
                    if most.is_some()
                        && let Some(new) = file::Files::of(work).find(name)?
                    {
                        file::Files::of(work).limit(&new, most)?;
                    }
                    None
                }
                Was::There => return Err(Unkept::Damaged.into()),
            },
        };
        self.there.remove(&index);
        if made.is_some() {
            self.there.insert(index, made);
        }
        Ok(())
    }

    fn remove(&mut self, work: &mut dyn OnFiles, index: u16) -> Result<Status, Unanswered> {
        let program = self.declared(index)?.definition;
        let (named, there) = self.known(work, index, &program)?;
        let status = delete_file(named);
        if let (Status::Done, Some(file)) = (status, there) {
            file::Files::of(work).remove(&file)?;
            self.there.insert(index, None);
        }
        Ok(status)
    }

    fn operate(
        &mut self,
        work: &mut dyn OnFiles,
        number: u16,
        said: &FileOperation<'_>,
    ) -> Result<FileResult<'static>, Unanswered> {
        let ended = |why: &str| Err(Unanswered::Ended(why.to_owned()));
        let Some(slot) = self.slots.get(&number) else { return ended("it is not open") };
        let (index, mode, opened) = (slot.file, slot.mode, slot.opened);
        let organization = slot.definition.organization();
        let operation = operation_heard(said, organization);
        let operation = operation.map_err(|not| Unanswered::Ended(format!("{not:?}")))?;
        if changes(&operation) && mode == Mode::Input {
            return ended("it is open to be read only");
        }
        let there = match opened {
            Opened::Kept | Opened::Made => self.there(work, index)?,
            Opened::Absent => None,
        };
        let declared = self.declared(index)?;
        let Some(slot) = self.slots.get_mut(&number) else { return ended("it is not open") };
        // One that stayed open may have gone since, by another worker's call.
        let Some(file) = there.filter(|file| is_of(file, &slot.definition)) else {
            return ended("it is not there any more");
        };
        let terms = terms(&slot.definition, declared.read_duplicates);
        let cursor = slot.cursor.get_or_insert_with(|| Cursor::new(&slot.definition));
        let mut records = InStore(file::Files::of(work).records(&file));
        match cursor.answer(terms, &mut records, &operation) {
            Ok(answer) => Ok(answer_said(&answer).into_owned()),
            Err(Failure::Store(unkept)) => Err(unkept.into()),
            Err(Failure::Inconsistent) => Err(Unkept::Damaged.into()),
            Err(Failure::Malformed(why)) => ended(&format!("{why:?}")),
        }
    }
}

const fn terms(definition: &Definition, read_duplicates: ReadDuplicates) -> Terms<'_> {
    Terms { definition, read_duplicates }
}

/// Whether the store's file is still what a program has opened.
fn is_of(file: &File, opened: &Definition) -> bool {
    let opened = shape(opened);
    let own = &file.shape;
    (own.kind, own.longest, &own.keys) == (opened.kind, opened.longest, &opened.keys)
}

const fn changes(operation: &Operation<'_>) -> bool {
    match operation {
        Operation::Write { .. } | Operation::Rewrite { .. } | Operation::Delete(_) => true,
        Operation::Read(_) | Operation::Step { .. } | Operation::Start { .. } => false,
    }
}
