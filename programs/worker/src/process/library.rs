//! A shared library with the C table of `programs/program`, as a program.
#![expect(unsafe_code, reason = "loads a library and calls what it has given")]

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::io::{self, Read};
use std::mem;
use std::path::PathBuf;

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use sha2::{Digest, Sha256};
use tsugi_frames::{Class, Hash, Reply, Runs, Service, Welcome};
use tsugi_program::library::{self, Ended as Answered, Listed, Room, State};
use tsugi_program::table::{SYMBOL, ServiceAt};

use super::host::Host;
use super::link::LastWord;
use super::program::{Ended, Introduction, Kind, Program, Unopened};
use super::table::{Bound, Slots};

/// How much a program may fill before its reply lies in memory of its own, in bytes.
const BUFFER: usize = 64 * 1024;
/// The shortest hash of an interface that is compared, in digits.
const HASH_SHORTEST: usize = 16;

/// A shared library that is not loaded.
#[derive(Clone, Debug)]
pub struct SharedLibrary {
    path: PathBuf,
}

impl SharedLibrary {
    /// The library of this file.
    #[must_use]
    pub const fn new(path: PathBuf) -> Self {
        Self { path }
    }

    fn hash(&self) -> io::Result<Hash> {
        let (mut file, mut hash) = (File::open(&self.path)?, Sha256::new());
        let mut piece = [0; 16 * 1024];
        loop {
            match file.read(&mut piece)? {
                0 => return Ok(Hash(hash.finalize().into())),
                length => hash.update(&piece[..length]),
            }
        }
    }

    /// What it lists. It stays loaded until the process ends: what it has given is used until then.
    fn load(&self) -> Result<Vec<Listed>, Unopened> {
        let named = |what: String| Unopened::start(format!("{}: {what}", self.path.display()));
        // SAFETY: what its initialisers do is done in this process, which exists for that.
        let library = unsafe { Library::open(Some(&self.path), RTLD_NOW | RTLD_LOCAL) };
        let library = library.map_err(|error| named(said(&error)))?;
        // SAFETY: a symbol of this name has the header's type.
        let symbol = unsafe { library.get::<ServiceAt>(SYMBOL) };
        let symbol: ServiceAt = match symbol {
            Ok(symbol) => *symbol,
            Err(error) => return Err(named(said(&error))),
        };
        mem::forget(library);
        // SAFETY: it is the symbol of a library that stays loaded.
        unsafe { library::services(symbol) }.map_err(|unfit| named(unfit.to_string()))
    }
}

impl Kind for SharedLibrary {
    fn introduction(&self) -> Introduction {
        // A file that cannot be read is told by name when it is opened.
        let modules = self.hash().into_iter().collect();
        Introduction { runs: Runs::Library, libcob: String::new(), modules }
    }

    fn open(
        self: Box<Self>,
        welcome: &Welcome<'_>,
        _last_word: LastWord,
    ) -> Result<Box<dyn Program>, Unopened> {
        let mut listed = self.load()?;
        let mut started = BTreeMap::new();
        let mut slots = Slots::default();
        for service in &welcome.services {
            let found = listed.iter().position(|one| one.name == service.entry);
            let Some(found) = found else {
                let (path, entry) = (self.path.display(), &service.entry);
                return Err(Unopened::start(format!("{path}: no service {entry}")));
            };
            let one = listed.swap_remove(found);
            fits(&one, service)?;
            let mut bound = Bound::at_start(&mut slots);
            let table = bound.table();
            // SAFETY: the table stands while this runs.
            let state = unsafe { one.start(&raw const table.0) };
            let state = state.map_err(|answer| {
                Unopened::start(format!("{}: its start has answered {answer}", one.name))
            })?;
            started.insert(service.index, (one, state));
        }
        Ok(Box::new(Loaded { started, slots, buffer: vec![0; BUFFER] }))
    }
}

/// What the loader says; the error itself only says which of its functions failed.
fn said(error: &libloading::Error) -> String {
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}

/// Whether a service is the one that was deployed.
fn fits(listed: &Listed, service: &Service<'_>) -> Result<(), Unopened> {
    let name = &listed.name;
    if service.parameters.len() > 1 {
        let many = service.parameters.len();
        let says = format!("{name}: a service of a library has one parameter, not {many}");
        return Err(Unopened::start(says));
    }
    let Some(hash) = &listed.interface_hash else { return Ok(()) };
    let whole = service.layout.to_string();
    if hash.len() < HASH_SHORTEST || !whole.starts_with(&hash.to_ascii_lowercase()) {
        let says = format!("{name}: written for interface {hash}, deployed is {whole}");
        return Err(Unopened::start(says));
    }
    Ok(())
}

/// A library that is loaded, with its services started.
struct Loaded {
    started: BTreeMap<u16, (Listed, State)>,
    slots: Slots,
    buffer: Vec<u8>,
}

impl Program for Loaded {
    fn call(&mut self, host: &mut Host<'_>) -> Ended {
        let most = host.limits().record.into();
        let call = host.call();
        let Some((service, state)) = self.started.get_mut(&call.service) else {
            return broken(Class::Start, format!("no service {}", call.service));
        };
        let body: &[u8] = match &call.parameters[..] {
            [] => &[],
            [body] => body,
            more => return broken(Class::Start, format!("{} parameters, not one", more.len())),
        };
        let mut bound = Bound::in_call(host, &mut self.slots);
        let room = Room { buffer: &mut self.buffer, most };
        let table = bound.table();
        // SAFETY: the table stands while this runs, and the state is this service's.
        let answered = unsafe { service.call(&raw const table.0, state, body, room) };
        let aborted = bound.aborted();
        match (answered, aborted) {
            (Answered::Broken, why) => {
                let why = why.unwrap_or_else(|| "the program cannot go on".to_owned());
                broken(Class::Panic, why)
            }
            (_, Some(why)) => Ended::Aborted { code: 1, why },
            (Answered::Undone, None) => {
                let why = "the program has undone the call and does not say why".to_owned();
                Ended::Aborted { code: 1, why }
            }
            (Answered::TooLarge { len }, None) => broken(
                Class::Overrun,
                format!("a reply of {len} bytes, at most {most} or its room"),
            ),
            (Answered::Kept(reply), None) => {
                let parameters = vec![reply.to_vec().into()];
                Ended::Done { reply: Reply { return_code: 0, parameters }, open: Vec::new() }
            }
        }
    }

    fn leave(&mut self) {
        for (service, state) in mem::take(&mut self.started).into_values() {
            // SAFETY: it is this service's, and nobody uses it any more.
            unsafe { service.stop(state) }
        }
    }
}

fn broken(class: Class, text: String) -> Ended {
    Ended::Broken { class, code: 0, text }
}
