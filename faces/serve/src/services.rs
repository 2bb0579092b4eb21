//! The services of a volume: what is deployed there, looked at again before anything of it runs.
//! One that cannot run is closed under its name, and the others go on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use tsugi_frames::{Hash, Service as Held};
use tsugi_package::deployed::{Deployed, Ready, Runs};
use tsugi_package::shelf::Shelf;
use tsugi_package::{Digest, Trouble as Unloaded};
use tsugi_service_engine::worker::pipe::{Line, Package, Processes, Ward};
use tsugi_service_engine::worker::{Ear, Link, Nursery};
use tsugi_service_engine::{Refused, SameBytes, Service};
use tsugi_service_rules::ground::ServiceNumber;
use tsugi_store::{self as store, Sqlite, Stands, Trouble};
use tsugi_worker::Spawn;

use crate::around::Around;
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
    /// What answers it, or why nothing does.
    pub runs: Result<Ready, String>,
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
    let hash: [u8; 32] = Sha256::digest(name.as_bytes()).into();
    ServiceNumber(u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]) >> 1)
}

/// What is current on a volume, each package with the services that it has.
///
/// # Errors
/// The rows cannot be read.
pub fn find(store: &mut Sqlite, shelf: &Shelf) -> Result<Vec<Found>, Trouble> {
    let mut all = Vec::new();
    for package in store.packages()? {
        if package.stands == Stands::Current {
            all.extend(of(&package, shelf));
        }
    }
    close_what_is_there_twice(&mut all);
    Ok(all)
}

fn of(package: &store::Package, shelf: &Shelf) -> Vec<Found> {
    let id = Digest(package.id);
    let found =
        |name: &str, runs| Found { name: name.into(), package: id, of: package.name.clone(), runs };
    match Deployed::load(shelf, id) {
        Ok(deployed) => {
            let one = |ready: &Ready| {
                let runs = fits(&deployed, ready).map(|()| ready.clone());
                found(&ready.name, runs)
            };
            deployed.services.iter().map(one).collect()
        }
        Err(unloaded) => {
            let why = match &unloaded {
                Unloaded::Refused(refused) => refused.to_string(),
                Unloaded::Failed(failed) => failed.to_string(),
            };
            package.services.iter().map(|name| found(name, Err(why.clone()))).collect()
        }
    }
}

/// Whether all that a service needs is there.
fn fits(deployed: &Deployed, ready: &Ready) -> Result<(), String> {
    let missing = deployed.missing(&ready.name, &BTreeSet::new());
    if let Some(file) = missing.first() {
        return Err(format!("file {file} is not in the store"));
    }
    Ok(())
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

/// Makes the services of an engine; their workers are held by the ward.
#[must_use]
pub fn make(all: &[Found], around: &Around, (ward, log): (&Ward, &Log)) -> Made {
    let mut made = Made { services: Vec::new(), closed: BTreeMap::new() };
    for found in all {
        let number = number(&found.name);
        if made.services.iter().any(|service| service.number == number) {
            continue;
        }
        let nursery = found.runs.clone().and_then(|ready| package(&ready, around, log));
        let nursery: Box<dyn Nursery> = match nursery {
            Ok(package) => Box::new(Processes::new(ward.clone(), package)),
            Err(why) => {
                made.closed.insert(number, Refused::NotDeployed { why: why.clone() });
                Box::new(Barren(why))
            }
        };
        made.services.push(Service {
            number,
            name: found.name.clone(),
            workers: around.pool,
            equality: Arc::new(SameBytes),
            nursery,
        });
    }
    made
}

/// Bears nobody: for a service that cannot run.
struct Barren(String);

impl Nursery for Barren {
    fn bear(&mut self, _: Ear) -> Result<Box<dyn Link>, String> {
        Err(self.0.clone())
    }
}

/// What the workers of a service are.
fn package(ready: &Ready, around: &Around, log: &Log) -> Result<Package, String> {
    let environment = around.environment.clone();
    let held = |parameters: Vec<u32>| Held {
        index: 0,
        name: ready.name.clone().into(),
        module: "".into(),
        entry: ready.name.clone().into(),
        parameters,
        layout: Hash([0; 32]),
    };
    let package = match &ready.program {
        Runs::Library(path) => {
            let spawn = Spawn::library(around.worker.clone(), path, around.user, environment);
            Package { services: vec![held(vec![0])], ..Package::new(spawn, CONTENT) }
        }
        Runs::Command(path) => {
            let argv = vec![path.to_string_lossy().into_owned()];
            let spawn = Spawn::command(argv, around.user, environment);
            Package { services: vec![held(vec![0])], ..Package::new(spawn, CONTENT) }
        }
        Runs::Cobol { entry, .. } => return Err(format!("{entry} is COBOL")),
    };
    let (log, name) = (log.clone(), ready.name.clone());
    Ok(Package { log: Arc::new(move |line| note(&log, &name, line)), ..package })
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
    use super::*;

    fn found(name: &str, of: &str) -> Found {
        let program = Runs::Library("x.so".into());
        let ready = Ready { name: name.to_owned(), program, interface: None };
        Found { name: name.into(), package: Digest([0; 32]), of: of.to_owned(), runs: Ok(ready) }
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
}
