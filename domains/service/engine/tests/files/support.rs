//! An engine on SQLite whose program has one file, in this process.

use std::convert::Infallible;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tsugi_files::open::{Mode, Opening};
use tsugi_files::operation::{Answer, Operation};
use tsugi_files::spoken::{Request, answer_heard, opening_heard, operation_said, status_heard};
use tsugi_files::status::Status;
use tsugi_frames::{FileOperation, FileResult};
use tsugi_service_engine::files::{Declared, Files};
use tsugi_service_engine::worker::thread::{Desk, Program, Threads, Undo};
use tsugi_service_engine::worker::{Begin, Nursery, Said};
use tsugi_service_engine::{
    Asked, Calls, Engine, Fatal, Identity, Interface, Opened, SameBytes, Service, Settings, names,
};
use tsugi_service_rules::ground::ServiceNumber;
use tsugi_service_rules::id::{CallId, Incarnation, Life, Serial};
use tsugi_service_rules::worker::pool;
use tsugi_store::{Claim, OpenRefused, Sqlite, suite};
use tsugi_vocabulary::{Epoch, Span};

use crate::model::program::{self, Behind};

/// The slot that the program's one open has.
pub const SLOT: u16 = 7;

/// A service with one file.
pub type Body = dyn Fn(&Begin, &mut Desk<'_>) -> Result<Said, Undo> + Send + Sync;

/// A program that is a function.
pub struct Function {
    pub files: Files,
    pub run: Box<Body>,
}

impl Program for Function {
    fn files(&self) -> Files {
        self.files.clone()
    }

    fn run(&self, call: &Begin, desk: &mut Desk<'_>) -> Result<Said, Undo> {
        (self.run)(call, desk)
    }
}

/// The file of a program, kept by the engine.
pub struct AtEngine<'a, 'd> {
    pub desk: &'a mut Desk<'d>,
    pub declared: &'a program::Declared,
    pub index: u16,
    /// Why there is no answer.
    pub left: Option<Undo>,
}

impl<'a, 'd> AtEngine<'a, 'd> {
    pub fn new(desk: &'a mut Desk<'d>, declared: &'a program::Declared) -> Self {
        Self { desk, declared, index: 0, left: None }
    }

    fn ask<T>(
        &mut self,
        slot: u16,
        operation: FileOperation<'_>,
        none: T,
        hear: impl FnOnce(&FileResult<'_>) -> T,
    ) -> T {
        match self.desk.file(slot, operation.into_owned()) {
            Ok(result) => hear(&result),
            Err(left) => {
                self.left = Some(left);
                none
            }
        }
    }
}

impl Behind for AtEngine<'_, '_> {
    fn open(&mut self, mode: Mode) -> Opening {
        let (file, optional) = (self.index, self.declared.optional);
        let access = self.declared.select.access;
        let request = Request { file, mode, access, optional, differs: None };
        let none = Opening::Refused(Status::NoSuchName);
        self.ask(SLOT, request.said(), none, |result| {
            opening_heard(status_heard(result).unwrap(), mode)
        })
    }

    fn delete_file(&mut self) -> Status {
        let hear = |result: &FileResult<'_>| status_heard(result).unwrap();
        self.ask(self.index, FileOperation::Remove {}, Status::NoSuchName, hear)
    }

    fn answer(&mut self, operation: &Operation<'_>) -> Answer {
        let hear = |result: &FileResult<'_>| answer_heard(result).unwrap();
        self.ask(SLOT, operation_said(operation), Answer::of(Status::NoSuchName), hear)
    }
}

pub fn said(body: impl Into<Vec<u8>>) -> Said {
    Said { content_type: "text/plain".to_owned(), body: body.into() }
}

/// A store, and engines on it, one after the other.
pub struct Stand {
    pub folder: TempDir,
    epoch: u64,
}

pub const SERVICE: ServiceNumber = ServiceNumber(3);

impl Stand {
    pub fn new() -> Self {
        let folder = TempDir::new_in("/dev/shm").unwrap();
        Self { folder, epoch: 5 }
    }

    /// The next engine, with one worker.
    pub fn engine(&mut self, program: Function) -> (Engine, Receiver<Fatal>) {
        self.epoch += 1;
        engine(opened(self.folder.path(), self.epoch), self.epoch, program)
    }

    /// A higher epoch than any before.
    pub const fn next_epoch(&mut self) -> u64 {
        self.epoch += 1;
        self.epoch
    }

    /// The store alone.
    pub fn store(&mut self) -> Sqlite {
        self.epoch += 1;
        opened(self.folder.path(), self.epoch)
    }
}

/// A process that another test has just forked may have its lock until it is another program.
pub fn opened(folder: &Path, epoch: u64) -> Sqlite {
    let claim: Claim = suite::claim(epoch, 1);
    loop {
        match Sqlite::open(folder, &claim) {
            Err(OpenRefused::InUse(_)) => std::thread::yield_now(),
            opened => return opened.unwrap(),
        }
    }
}

/// An engine on a store that is open, whose program is a function.
pub fn engine(store: Sqlite, epoch: u64, program: Function) -> (Engine, Receiver<Fatal>) {
    engine_of(store, epoch, (Box::new(Threads(Arc::new(program))), Arc::new(SameBytes)))
}

/// An engine on a store that is open.
pub fn engine_of(
    store: Sqlite,
    epoch: u64,
    (nursery, interface): (Box<dyn Nursery>, Arc<dyn Interface>),
) -> (Engine, Receiver<Fatal>) {
    let mut workers = pool::Settings { start: 1, spare: 0, most: 2, ..pool::Settings::default() };
    workers.limits.call = Span::secs(60);
    let service = Service { number: SERVICE, name: "files".into(), workers, interface, nursery };
    let settings = Settings::alone(Epoch { incarnation: 1, counter: epoch });
    let (tell, told) = channel();
    let word = Box::new(move |fatal| -> Infallible {
        tell.send(fatal).unwrap();
        loop {
            std::thread::park();
        }
    });
    let engine = Engine::start(Opened::sqlite(store).unwrap(), vec![service], settings, word);
    (engine.unwrap(), told)
}

/// Calls in a life of the client: nothing is confirmed, and a life has so many serials.
const LIFE: u64 = 1_000;

pub fn id(serial: u64) -> CallId {
    let client = names::client(&Identity("test".to_owned()), "caller");
    let life = Life { client, incarnation: Incarnation(serial.div_ceil(LIFE)) };
    CallId::Counted { life, serial: Serial::new((serial - 1) % LIFE + 1).unwrap() }
}

pub fn asked(serial: u64, body: &str) -> Asked {
    Asked {
        id: id(serial),
        lowest: Serial::new(1).unwrap(),
        service: "files".to_owned(),
        order: None,
        body: body.as_bytes().into(),
        patience: Some(Duration::from_secs(60)),
    }
}

/// Calls, and waits for the answer.
pub fn call(calls: &Calls, serial: u64, body: &str) -> tsugi_service_engine::Answer {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(calls.call(asked(serial, body)))
}

/// What is shared with a program's thread.
pub fn shared<T>(value: T) -> Arc<Mutex<T>> {
    Arc::new(Mutex::new(value))
}

/// One file that programs may make.
pub fn one(name: &str, declared: &program::Declared) -> Files {
    Files::new([Declared::new(name, declared.definition.clone()).made_by_programs()])
}
