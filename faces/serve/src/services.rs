//! The services of a volume: what is deployed there, looked at again before anything of it runs.
//! One that cannot run is closed under its name, and the others go on.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use tsugi_frames::{Hash, Service as Held};
use tsugi_package::deployed::{self, Deployed, Ready, Runs};
use tsugi_package::interface::{Handed, Interface};
use tsugi_package::manifest::{Commits, Effects, Manifest, Order, Quotas};
use tsugi_package::shelf::Shelf;
use tsugi_package::{Digest, Trouble as Unloaded};
use tsugi_service_engine::files::Files;
use tsugi_service_engine::worker::pipe::{Line, Package, Processes};
use tsugi_service_engine::worker::{Ear, Link, Nursery};
use tsugi_service_engine::{Interface as Spoken, Records, Refused, SameBytes, Service};
use tsugi_service_rules::ground::{self, ServiceNumber};
use tsugi_service_rules::id::InterfaceNumber;
use tsugi_service_rules::worker::{life, pool};
use tsugi_store::{self as store, Packages, Stands, Trouble};
use tsugi_vocabulary::Span;
use tsugi_worker::{Spawn, UnitOfWork};

use crate::around::Around;
use crate::files;
use crate::group::Staff;
use crate::log::Log;

/// A service of the volume.
#[derive(Clone, Debug)]
pub struct Found {
    /// What callers call it.
    pub name: Arc<str>,
    /// The package that it is of.
    pub package: Digest,
    /// What people call that package.
    pub of: String,
    /// Where it acts, and whether its calls are kept in order; of a package that cannot be read,
    /// what is usual.
    pub acts: (Effects, Order),
    /// The service that says what became of its unknown calls, where its package names one.
    pub resolve: Option<String>,
    /// What answers it, or why nothing does.
    pub runs: Result<Runner, String>,
    /// How its bodies are read, also where nothing answers it: none as they are.
    pub reads: Option<(InterfaceNumber, Interface)>,
    /// How bodies were read that may be kept.
    pub former: Reads,
}

/// Interfaces, each as it is known in the store.
pub type Reads = BTreeMap<InterfaceNumber, Interface>;

impl Found {
    /// What its package says of how much it may use, as far as it can be told.
    #[must_use]
    pub fn quotas(&self) -> Quotas {
        self.runs.as_ref().map(|runner| runner.ready.quotas).unwrap_or_default()
    }
}

/// What answers a service.
#[derive(Clone, Debug)]
pub struct Runner {
    /// Its program, and how its calls become records.
    pub ready: Ready,
    /// What COMMIT and ROLLBACK of its modules do.
    pub commits: Commits,
    /// What its modules may open, and which of it has to be there.
    pub files: Files,
    /// The hash of its interface; zeros where it has none. A library may say for which it was
    /// written.
    pub layout: Hash,
}

/// What an engine is started with.
pub struct Made {
    /// Its services.
    pub services: Vec<Service>,
    /// Those that cannot run, and why.
    pub closed: BTreeMap<ServiceNumber, Refused>,
}

/// The store's number of a service, of its name alone: it is the same on every node and after every
/// deployment.
#[must_use]
pub fn number(name: &str) -> ServiceNumber {
    ServiceNumber(first_bits(&Sha256::digest(name.as_bytes()).into()))
}

/// The first 31 bits of a hash: every column has room for them.
fn first_bits(hash: &[u8; 32]) -> u32 {
    u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]) >> 1
}

/// What is current on a volume, each package with the services that it has.
///
/// # Errors
/// The rows cannot be read.
pub fn find(store: &mut impl Packages, shelf: &Shelf) -> Result<Vec<Found>, Trouble> {
    let mut all = Vec::new();
    let mut former: BTreeMap<String, Reads> = BTreeMap::new();
    let mut before: Vec<Manifest> = Vec::new();
    for package in store.packages()? {
        let read = read(&package, shelf);
        let ran = package.stands == Stands::Former;
        before.extend(ran.then(|| deployed::manifest(shelf, Digest(package.id)).ok()).flatten());
        if package.stands == Stands::Current {
            all.extend(of(&package, (shelf, &read)));
        }
        for (service, (number, interface)) in read {
            former.entry(service).or_default().insert(number, interface);
        }
    }
    for found in &mut all {
        found.former = former.get(&*found.name).cloned().unwrap_or_default();
    }
    close_what_is_there_twice(&mut all);
    close_what_reads_now(&mut all, &before);
    Ok(all)
}

/// How the bodies of a package's services are read. What cannot be told is not known: a body that
/// is kept of it is then compared with none.
fn read(package: &store::Package, shelf: &Shelf) -> BTreeMap<String, (InterfaceNumber, Interface)> {
    let all = deployed::interfaces(shelf, Digest(package.id)).unwrap_or_default();
    // Of its text alone: the same on every node, and by every version of this program.
    let numbered = |hash: Digest| InterfaceNumber(first_bits(&hash.0));
    all.into_iter().map(|(name, hash, read)| (name, (numbered(hash), read))).collect()
}

fn of(
    package: &store::Package,
    (shelf, read): (&Shelf, &BTreeMap<String, (InterfaceNumber, Interface)>),
) -> Vec<Found> {
    let id = Digest(package.id);
    let found = |name: &str, acts, runs| {
        let reads = read.get(name).cloned();
        let (name, of) = (name.into(), package.name.clone());
        Found { name, package: id, of, acts, resolve: None, runs, reads, former: Reads::new() }
    };
    match Deployed::load(shelf, id) {
        Ok(deployed) => {
            let one = |ready: &Ready| {
                let acts = (ready.effects, ready.order);
                let resolve = deployed.resolver(&ready.name).map(str::to_owned);
                Found { resolve, ..found(&ready.name, acts, runner(&deployed, ready)) }
            };
            deployed.services.iter().map(one).collect()
        }
        Err(unloaded) => {
            let why = match &unloaded {
                Unloaded::Refused(refused) => refused.to_string(),
                Unloaded::Failed(failed) => failed.to_string(),
            };
            let usual = (Effects::default(), Order::default());
            let one = |name: &String| found(name, usual, Err(why.clone()));
            package.services.iter().map(one).collect()
        }
    }
}

pub(crate) fn runner(deployed: &Deployed, ready: &Ready) -> Result<Runner, String> {
    let manifest = &deployed.manifest;
    let refused = manifest.modules.iter().any(|module| module.commits == Commits::Refused);
    Ok(Runner {
        ready: ready.clone(),
        commits: if refused { Commits::Refused } else { Commits::Nothing },
        files: files::declared(deployed, &ready.name)?,
        layout: Hash(deployed.interface(&ready.name).map_or([0; 32], |digest| digest.0)),
    })
}

/// Of two services of one name, or of one number, none is run: nobody could say which was meant.
fn close_what_is_there_twice(all: &mut [Found]) {
    let mut numbers: BTreeMap<ServiceNumber, Vec<usize>> = BTreeMap::new();
    for (at, found) in all.iter().enumerate() {
        numbers.entry(number(&found.name)).or_default().push(at);
    }
    for same in numbers.into_values().filter(|same| same.len() > 1) {
        let others: Vec<String> =
            same.iter().map(|at| format!("{} ({})", all[*at].name, all[*at].of)).collect();
        for at in same {
            all[at].runs = Err(format!("it is there more than once: {}", others.join(", ")));
        }
    }
}

/// What only reads looks nothing up of what is kept. Where a package before acted under its name, a
/// retry of that one's calls would be told something else, and one of unknown outcome an answer.
fn close_what_reads_now(all: &mut [Found], before: &[Manifest]) {
    for found in all.iter_mut().filter(|found| found.acts.0 == Effects::Reads) {
        let why = before.iter().find_map(|before| before.acted(&found.name));
        if let Some(why) = why.filter(|_| found.runs.is_ok()) {
            found.runs = Err(why.to_string());
        }
    }
}

/// Where a service acts, in the words of the rules.
pub(crate) const fn effects(said: Effects) -> ground::Effects {
    match said {
        Effects::Store => ground::Effects::Store,
        Effects::Outside => ground::Effects::Outside,
        Effects::Reads => ground::Effects::None,
    }
}

/// Makes the services of an engine; their workers are held by the ward.
#[must_use]
pub fn make(all: &[Found], around: &Around, staff: Staff<'_>) -> Made {
    let mut made = Made { services: Vec::new(), closed: BTreeMap::new() };
    for found in all {
        let number = number(&found.name);
        if made.services.iter().any(|service| service.number == number) {
            continue;
        }
        let interface = interface(found);
        let nursery = found.runs.as_ref().map_err(Clone::clone);
        let logged = |one| package(one, around).map(|package| logged(package, found, staff.log));
        let nursery: Box<dyn Nursery> = match nursery.and_then(logged) {
            Ok(package) => {
                let early = staff.reserve.take(found);
                Box::new(Processes::new(staff.ward.clone(), package).after(early))
            }
            Err(why) => {
                made.closed.insert(number, Refused::NotDeployed { why: why.clone().into() });
                Box::new(Barren(why))
            }
        };
        made.services.push(Service {
            number,
            name: found.name.clone(),
            workers: pool::Settings {
                effects: effects(found.acts.0),
                ..Quota::of(found.quotas(), around).pool(around)
            },
            interface,
            nursery,
        });
    }
    made
}

/// The services that name one that says what became of their unknown calls.
#[must_use]
pub fn resolvers(all: &[Found]) -> BTreeMap<ServiceNumber, Arc<str>> {
    let named = |found: &Found| Some((number(&found.name), Arc::from(found.resolve.as_deref()?)));
    all.iter().filter_map(named).collect()
}

/// How much a service may use: what its package says, else what its group does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Calls at a time.
    pub workers: usize,
    /// Milliseconds of a call.
    pub call_ms: u64,
    /// Memory that a worker may hold, in MiB.
    pub memory_mib: u64,
}

impl Quota {
    /// That of a service whose package says so much.
    #[must_use]
    pub fn of(said: Quotas, around: &Around) -> Self {
        let workers = said.workers.and_then(|workers| usize::try_from(workers).ok());
        Self {
            workers: workers.unwrap_or(around.pool.start),
            call_ms: said.call_ms.unwrap_or(around.pool.limits.call.as_millis()),
            memory_mib: said.memory_mib.unwrap_or(around.memory_mib),
        }
    }

    pub(crate) fn pool(self, around: &Around) -> pool::Settings {
        let limits = life::Limits { call: Span::millis(self.call_ms), ..around.pool.limits };
        let most = around.pool.most - around.pool.start + self.workers;
        pool::Settings { start: self.workers, most, limits, ..around.pool }
    }
}

/// Bears nobody: for a service that cannot run.
struct Barren(String);

impl Nursery for Barren {
    fn bear(&mut self, _: Ear) -> Result<Box<dyn Link>, String> {
        Err(self.0.clone())
    }
}

/// What the callers of a service say and are told.
fn interface(found: &Found) -> Arc<dyn Spoken> {
    match &found.reads {
        Some((number, now)) => {
            let former = found.former.iter();
            let former = former.map(|(number, read)| (*number, read.parameters.clone()));
            let records = Records::new((*number, now.parameters.clone()), former.collect());
            match now.handed {
                Handed::Apart => Arc::new(records),
                Handed::Together => Arc::new(records.together()),
            }
        }
        None => Arc::new(SameBytes),
    }
}

/// What the workers of a service are.
pub(crate) fn package(runner: &Runner, around: &Around) -> Result<Package, String> {
    let (ready, environment) = (&runner.ready, around.environment.clone());
    let held = |module: String, entry: &str, parameters: Vec<u32>| Held {
        index: 0,
        name: ready.name.clone().into(),
        module: module.into(),
        entry: entry.to_owned().into(),
        parameters,
        layout: Hash([0; 32]),
    };
    let native = |spawn| {
        let content = Package::new(spawn, CONTENT);
        let record = ready.interface.as_ref().map_or(0, |of| of.lengths().iter().sum());
        let layout = runner.layout;
        let held = held(String::new(), &ready.name, vec![record]);
        let services = vec![Held { layout, ..held }];
        match &ready.interface {
            Some(_) => Package { services, content_type: None, ..content },
            None => Package { services, ..content },
        }
    };
    let package = match &ready.program {
        Runs::Library(path) => {
            native(Spawn::library(around.worker.clone(), path, around.user, environment))
        }
        Runs::Command(path) => {
            let argv = vec![path.to_string_lossy().into_owned()];
            native(Spawn::command(argv, around.user, environment))
        }
        Runs::Cobol { entry, object } => {
            let (Some(folder), Some(interface)) = (object.parent(), &ready.interface) else {
                return Err(format!("{entry} has no interface"));
            };
            let works = match runner.commits {
                Commits::Refused => UnitOfWork::Refuse,
                Commits::Nothing => UnitOfWork::Ignore,
            };
            let worker = around.worker.clone();
            let spawn = Spawn::cobol(worker, (folder, works), around.user, environment);
            let module = object.to_string_lossy().into_owned();
            let services = vec![held(module, entry, interface.lengths())];
            let files = runner.files.clone();
            Package { services, files, content_type: None, ..Package::new(spawn, CONTENT) }
        }
    };
    let memory_most = Quota::of(ready.quotas, around).memory_mib << 20;
    let spawn = Spawn { memory_most, ..package.spawn };
    Ok(Package { spawn, ..package })
}

/// The same, its lines in this log.
fn logged(package: Package, found: &Found, log: &Log) -> Package {
    let (log, name) = (log.clone(), found.name.clone());
    Package { log: Arc::new(move |line| note(&log, &name, line)), ..package }
}

/// What a native program gives back, as the door requires it of a body: JSON.
const CONTENT: &str = "application/json";

fn note(log: &Log, service: &str, line: Line<'_>) {
    match line {
        Line::Said { call, level, text } => {
            log.note(&format!("{service} {call} {} {text}", letter(level)));
        }
        Line::Printed(bytes) => {
            for line in String::from_utf8_lossy(bytes).lines() {
                log.note(&format!("{service} {line}"));
            }
        }
        Line::Dropped { call, lines } => log.note(&format!("{service} {call} -{lines}")),
        Line::FolderStays(folder, why) => {
            log.note(&format!("{service} {}: {why}", folder.display()));
        }
    }
}

/// How a line of a program is marked.
const fn letter(level: u8) -> char {
    match level {
        0 => 'D',
        1 => 'I',
        2 => 'W',
        _ => 'E',
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::fs;
    use std::path::Path;

    use tsugi_package::assembly::{Answered, Assembly, By};
    use tsugi_package::import::{Imported, LIMIT, Proof, Request, import};
    use tsugi_package::manifest::Dialect;
    use tsugi_record::Conversion;
    use tsugi_record::code_page::CodePage;
    use tsugi_record::source::Form;
    use tsugi_service_rules::refusal::Busy;
    use tsugi_store::{Claim, Sqlite};
    use tsugi_vocabulary::Epoch;

    use super::*;
    use crate::shelf;

    fn found(name: &str, of: &str) -> Found {
        let program = Runs::Library("x.so".into());
        let (effects, order, quotas) = Default::default();
        let ready =
            Ready { name: name.to_owned(), program, interface: None, effects, order, quotas };
        let (commits, files, layout) = (Commits::Refused, Files::default(), Hash([0; 32]));
        let runs = Ok(Runner { ready, commits, files, layout });
        let (name, package, of) = (name.into(), Digest([0; 32]), of.to_owned());
        let (acts, resolve) = ((effects, order), None);
        Found { name, package, of, acts, resolve, runs, reads: None, former: Reads::new() }
    }

    #[test]
    fn a_number_is_of_the_name_alone_and_fits_every_column() {
        assert_eq!(number("CBLAPP01"), number("CBLAPP01"));
        assert_ne!(number("CBLAPP01"), number("CBLAPP02"));
        assert!((0..1_000).all(|n| number(&format!("S{n}")).0 <= i32::MAX as u32));
    }

    #[test]
    fn of_two_services_of_one_name_none_is_run_and_the_others_are() {
        let mut all = [found("ONE", "a"), found("TWO", "a"), found("ONE", "b")];
        close_what_is_there_twice(&mut all);
        let open: Vec<bool> = all.iter().map(|found| found.runs.is_ok()).collect();
        assert_eq!(open, [false, true, false]);
        let why = all[0].runs.as_ref().expect_err("it is closed");
        assert!(why.contains("ONE (a), ONE (b)"), "{why}");
    }

    const SOURCE: &str = "IDENTIFICATION DIVISION.\nPROGRAM-ID. P1.\nDATA DIVISION.\n\
        LINKAGE SECTION.\n01 A PIC X(4).\nPROCEDURE DIVISION USING A.\nGOBACK.\n";

    fn compiled(folder: &Path) -> Imported {
        let source = folder.join("P1.cbl");
        fs::write(&source, SOURCE).unwrap();
        import(&Request {
            source: &source,
            name: None,
            form: Form::Free,
            code_page: CodePage::Utf8,
            dialect: Dialect::Mf,
            copybooks: &[],
            commits: Commits::Refused,
            others: &[],
            proof: Proof::None,
            path: OsStr::new("/usr/bin:/bin"),
            limit: LIMIT,
        })
        .unwrap()
    }

    /// What a call was kept by is known after another interface was deployed, and also where the
    /// package of now is damaged; what nobody knows any more is told to be that.
    #[test]
    fn a_retry_is_compared_by_the_interface_of_a_former_package_whatever_runs_now() {
        let folder = tempfile::TempDir::new().unwrap();
        let claim = Claim {
            group: "pay".parse().unwrap(),
            member: String::new(),
            epoch: Epoch { incarnation: 1, counter: 0 },
            run: 1,
            node: "n1".parse().unwrap(),
            at: 1,
        };
        let mut store = Sqlite::open(&folder.path().join("store"), &claim).unwrap();
        let shelf = shelf::open(folder.path(), &mut store).unwrap();
        let modules = [compiled(folder.path())];
        let conversion = Conversion::of(CodePage::Utf8);
        let text = tsugi_package::interface::written("P1", &modules[0].interface, &conversion);
        let mut deploy = |text: &str| {
            let by = By::Cobol { entry: "P1", interface: text };
            let (effects, order, quotas) = Default::default();
            let services = [Answered { name: "ONE", by, effects, order, quotas }];
            let (name, data) = ("srv01", &[]);
            let (modules, services) = (&modules, &services);
            let assembly = Assembly { name, modules, services, data, tables: None };
            let to = folder.path().join("package");
            let id = assembly.draft().unwrap().write(&to).unwrap().id;
            shelf::deploy(&shelf, &mut store, &to).unwrap();
            (id, find(&mut store, &shelf).unwrap())
        };
        let body: Arc<[u8]> = (*br#"{"a":"x"}"#).into();
        let (_, found) = deploy(&text);
        let kept = interface(&found[0]).read("ONE", &body).unwrap().content;
        assert!(found[0].runs.is_ok(), "{found:?}");

        let (id, found) = deploy(&format!("# Read by auditors.\n{text}"));
        let again = |found: &Found, by| interface(found).former("ONE", &body, by);
        assert_ne!(interface(&found[0]).read("ONE", &body).unwrap().content, kept);
        assert_eq!(again(&found[0], kept.interface), Ok(kept));

        let broken = |part: &str| fs::write(shelf.place(id).join(part), "broken").unwrap();
        broken("modules/P1.so");
        let found = find(&mut store, &shelf).unwrap();
        assert!(found[0].runs.is_err(), "{found:?}");
        assert_eq!(again(&found[0], kept.interface), Ok(kept));
        broken("manifest.toml");
        let found = find(&mut store, &shelf).unwrap();
        let unread = Err(Refused::Busy(Busy::NotComparable));
        assert_eq!(again(&found[0], kept.interface), unread);
    }
}
