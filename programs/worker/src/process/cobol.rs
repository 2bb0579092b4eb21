//! Modules of GnuCOBOL as a program.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use sha2::{Digest, Sha256};
use tsugi_cobol::{Ending, Info, Listed, Opened, Refused as NotRun, Runtime, Settings, UnitOfWork};
use tsugi_files::open::Opening;
use tsugi_files::operation::{Answer, Operation as OnRecords};
use tsugi_files::spoken::{self, Request, Unheard};
use tsugi_files::status::Status;
use tsugi_frames::{
    Bytes, Class, Code, FileOperation, FileResult, Grid, Hash, Operation, Outcome, Reply, Runs,
    Trouble, Turn, Value, Welcome, Wrong,
};
use tsugi_record::code_page::CodePage;

use super::host::Host;
use super::link::{LastWord, Over};
use super::program::{Ended, Introduction, Kind, Program, Unopened};
use super::rows::{Cursor, Refused, Slots};

/// The modules of a folder, not loaded.
#[derive(Clone, Debug)]
pub struct Modules {
    folder: PathBuf,
    unit_of_work: UnitOfWork,
    /// What the engine is told of them, looked at once; or why they cannot be read.
    hashes: Result<BTreeMap<PathBuf, Hash>, String>,
}

impl Modules {
    /// Those of this folder, and what COMMIT and ROLLBACK do in them.
    #[must_use]
    pub fn new(folder: PathBuf, unit_of_work: UnitOfWork) -> Self {
        let hashes = hashes(&folder);
        Self { folder, unit_of_work, hashes }
    }

    /// Opens a module, which is the one that the engine was told of.
    fn opened(&self, module: &str) -> Result<Opened, Unopened> {
        let path = place(&self.folder, module)?;
        let told = self.hashes.as_ref().map_err(Unopened::start)?;
        let opened = Opened::open(&path).map_err(|why| unopened(&why))?;
        if told.get(&path) == Some(&hash(&opened)) {
            return Ok(opened);
        }
        let says = format!("{}: it was changed since the worker has told its hash", path.display());
        Err(Unopened::start(says))
    }

    fn settings(&self, welcome: &Welcome<'_>) -> Result<Settings, Unopened> {
        let code_page = match welcome.code_page.replace('_', "-").as_str() {
            "ascii" => CodePage::Ascii,
            "shift-jis" => CodePage::ShiftJis,
            "euc-jp" => CodePage::EucJp,
            "utf-8" | "utf8" => CodePage::Utf8,
            other => return Err(Unopened::start(format!("code page {other}"))),
        };
        Ok(Settings {
            modules: self.folder.clone(),
            code_page,
            node: welcome.node.to_string(),
            time_zone: welcome.time_zone.to_string(),
            locale: "C.UTF-8".to_owned(),
            unit_of_work: self.unit_of_work,
        })
    }
}

/// The modules of a folder with their hashes, in the order of their names.
fn hashes(folder: &Path) -> Result<BTreeMap<PathBuf, Hash>, String> {
    let unread = |why: io::Error| format!("{}: {why}", folder.display());
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(unread)? {
        let path = entry.map_err(unread)?.path();
        if path.extension().is_some_and(|end| end == "so") {
            let opened = Opened::open(&path).map_err(|why| why.to_string())?;
            all.insert(path, hash(&opened));
        }
    }
    Ok(all)
}

fn hash(opened: &Opened) -> Hash {
    Hash(Sha256::digest(opened.bytes()).into())
}

fn unopened(why: &NotRun) -> Unopened {
    let class = match why {
        NotRun::Name(_) => Class::Interposition,
        _ => Class::Start,
    };
    Unopened { class, text: why.to_string() }
}

/// Where a module is: in the folder and not above it.
fn place(folder: &Path, module: &str) -> Result<PathBuf, Unopened> {
    let name = Path::new(module).file_name();
    let name = name.ok_or_else(|| Unopened::start(format!("{module}: no module")))?;
    Ok(folder.join(name))
}

impl Kind for Modules {
    fn introduction(&self) -> Introduction {
        // Where one cannot be read, none is told of and none is opened.
        let modules = self.hashes.iter().flat_map(BTreeMap::values).copied().collect();
        Introduction { runs: Runs::Cobol, libcob: tsugi_cobol::VERSION.to_owned(), modules }
    }

    fn open(
        self: Box<Self>,
        welcome: &Welcome<'_>,
        last_word: LastWord,
    ) -> Result<Box<dyn Program>, Unopened> {
        self.hashes.as_ref().map_err(Unopened::start)?;
        let settings = self.settings(welcome)?;
        let ends = move |ending: &Ending| {
            let failed = ending.failed(Turn::NONE);
            last_word.say(failed.class, failed.code, &failed.text)
        };
        let mut runtime = Runtime::open(&settings, Rc::new(ends)).map_err(|why| unopened(&why))?;
        let mut services = BTreeMap::new();
        for service in &welcome.services {
            let opened = self.opened(&service.module)?;
            let program = runtime.load(opened, &service.entry).map_err(|why| unopened(&why))?;
            let lengths = service.parameters.clone();
            services.insert(service.index, Callable { program, lengths });
        }
        let mut files = BTreeMap::new();
        for file in &welcome.files {
            let flaw = |flaw| Unopened::start(format!("file {}: {flaw:?}", file.name));
            let definition = spoken::listed(file).map_err(flaw)?;
            files.insert(file.name.to_string(), Listed { index: file.index, definition });
        }
        Ok(Box::new(Loaded { runtime, services, files, slots: Slots::default() }))
    }
}

/// A service, and how long its parameters are.
struct Callable {
    program: tsugi_cobol::Program,
    lengths: Vec<u32>,
}

/// Modules that are loaded.
struct Loaded {
    runtime: Runtime,
    services: BTreeMap<u16, Callable>,
    files: BTreeMap<String, Listed>,
    slots: Slots,
}

impl Program for Loaded {
    fn call(&mut self, host: &mut Host<'_>) -> Ended {
        let call = host.call();
        let Some(service) = self.services.get(&call.service) else {
            return broken(format!("no service {}", call.service));
        };
        let given: Vec<Vec<u8>> = call.parameters.iter().map(|one| one.to_vec()).collect();
        // A program takes what it was compiled for, whatever is there.
        let fit = given.len() == service.lengths.len()
            && given.iter().zip(&service.lengths).all(|(one, length)| {
                usize::try_from(*length).is_ok_and(|length| length == one.len())
            });
        if !fit || given.len() > tsugi_cobol::PARAMETERS_MAX {
            let lengths: Vec<_> = given.iter().map(Vec::len).collect();
            return broken(format!("parameters {lengths:?}, not {:?}", service.lengths));
        }
        let (files, slots) = (&self.files, &mut self.slots);
        let mut asks = Asks { host, files, slots, rows: Cursor::default(), aborted: None };
        let returned = self.runtime.call(&mut asks, &service.program, given);
        if let Some(why) = asks.aborted {
            return Ended::Aborted { code: returned.return_code, why };
        }
        let parameters = returned.parameters.into_iter().map(Bytes::from).collect();
        let open = returned.open.into_iter().map(Into::into).collect();
        Ended::Done { reply: Reply { return_code: returned.return_code, parameters }, open }
    }
}

fn broken(text: String) -> Ended {
    Ended::Broken { class: Class::Start, code: 0, text }
}

/// What the program of one call asks, as frames.
struct Asks<'a, 'c> {
    host: &'a mut Host<'c>,
    files: &'a BTreeMap<String, Listed>,
    slots: &'a mut Slots,
    rows: Cursor,
    aborted: Option<String>,
}

impl Asks<'_, '_> {
    /// Asks for an operation on a file. What is no answer of a file comes from no engine.
    fn file<T>(
        &mut self,
        slot: u16,
        operation: FileOperation<'_>,
        hear: impl FnOnce(&FileResult<'_>) -> Result<T, Unheard>,
    ) -> T {
        let heard = self.host.ask(slot, Operation::File(operation), |outcome| match outcome {
            Outcome::File(result) => hear(&result).ok(),
            Outcome::Rows(_) | Outcome::Reply(_) | Outcome::Trouble(_) => None,
        });
        heard.unwrap_or_else(|| self.host.end(Over::Wrong(Wrong::Shape)))
    }
}

fn trouble((code, text): Refused) -> Trouble<'static> {
    Trouble { code, sqlstate: "".into(), message: "".into(), text: text.into() }
}

impl tsugi_cobol::Host for Asks<'_, '_> {
    fn file(&mut self, name: &str) -> Option<Listed> {
        self.files.get(name).cloned()
    }

    fn open(&mut self, slot: u16, request: &Request) -> Opening {
        let mode = request.mode;
        let status = self.file(slot, request.said(), spoken::status_heard);
        spoken::opening_heard(status, mode)
    }

    fn remove(&mut self, file: u16) -> Status {
        self.file(file, FileOperation::Remove {}, spoken::status_heard)
    }

    fn operate(&mut self, slot: u16, operation: &OnRecords<'_>) -> Answer {
        self.file(slot, spoken::operation_said(operation), spoken::answer_heard)
    }

    fn sql(&mut self, text: &str, parameters: &[Value<'_>]) -> Result<u64, Trouble<'static>> {
        let grid = match parameters {
            [] => Grid::once(),
            parameters => Grid::row(parameters.to_vec())
                .map_err(|wrong| trouble((Code::TooLarge, format!("{wrong:?}"))))?,
        };
        self.rows.run(self.host, self.slots, text, grid).map_err(trouble)
    }

    fn row(&mut self, columns: usize) -> Result<Vec<Value<'static>>, Trouble<'static>> {
        self.rows.next(self.host, columns).map_err(trouble)
    }

    fn call(
        &mut self,
        service: &str,
        body: Vec<Bytes<'_>>,
    ) -> Result<Reply<'static>, Trouble<'static>> {
        let operation = Operation::Call { service: service.into(), body };
        self.host.ask(0, operation, |outcome| match outcome {
            Outcome::Reply(Reply { return_code, parameters }) => {
                let parameters = parameters.iter().map(|one| one.to_vec().into()).collect();
                Ok(Reply { return_code, parameters })
            }
            Outcome::Trouble(told) => Err(trouble((told.code, told.text.into_owned()))),
            Outcome::Rows(_) | Outcome::File(_) => {
                Err(trouble((Code::Mistaken, "the engine has answered something else".into())))
            }
        })
    }

    fn log(&mut self, level: u8, text: &str) {
        self.host.log(level, text);
    }

    fn abort(&mut self, why: &str) {
        self.aborted.get_or_insert_with(|| why.to_owned());
    }

    fn info(&mut self) -> Info {
        let (call, welcome) = (self.host.call(), self.host.welcome());
        Info {
            id: call.id.to_string(),
            parent: call.parent.to_string(),
            client: call.client.to_string(),
            service: self.host.service().map(|one| one.name.to_string()).unwrap_or_default(),
            group: welcome.group.to_string(),
            node: welcome.node.to_string(),
            epoch: call.epoch,
            attempt: call.attempt,
        }
    }

    fn left_ms(&mut self) -> u64 {
        u64::try_from(self.host.left().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn told(modules: &Modules) -> usize {
        modules.introduction().modules.len()
    }

    #[test]
    fn what_is_loaded_is_what_the_engine_was_told_of() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::write(at("A.so"), "one").expect("written");
        let modules = Modules::new(folder.path().to_owned(), UnitOfWork::Refuse);
        assert_eq!(told(&modules), 1);
        let opened = modules.opened("modules/A.so").expect("it is the same");
        assert_eq!(opened.bytes(), b"one");
        fs::write(at("A.so"), "two").expect("written");
        fs::write(at("B.so"), "new").expect("written");
        for name in ["A.so", "B.so"] {
            let why = modules.opened(name).expect_err("it was not told of");
            assert!(why.text.contains(&format!("{name}: it was changed")), "{why:?}");
        }
    }

    #[test]
    fn where_one_module_cannot_be_read_none_is_opened() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("A.so"), "one").expect("written");
        symlink("A.so", folder.path().join("LINK.so")).expect("a link");
        for folder in [folder.path().to_owned(), folder.path().join("nowhere")] {
            let modules = Modules::new(folder, UnitOfWork::Refuse);
            assert_eq!(told(&modules), 0);
            let why = modules.opened("A.so").expect_err("it cannot be vouched for");
            assert!(why.text.contains("LINK.so: ") || why.text.contains("nowhere: "), "{why:?}");
        }
    }
}
