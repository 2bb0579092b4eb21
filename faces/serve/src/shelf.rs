//! The packages of a group's volume: the rows that its store has of them, and what is carried out
//! on its shelf between two engines.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use tsugi_package::deploy::{Deployment, Ended, Go, Problem, Rows, RowsFailed, Unended, Whole};
use tsugi_package::manifest::Manifest;
use tsugi_package::shelf::Shelf;
use tsugi_package::{Digest, Failed};
use tsugi_service_rules::package::{Data, Row};
use tsugi_store::{Nested, Package, Packages, Stands, Trouble};

use crate::files;

/// Where the packages of a volume lie.
#[must_use]
pub fn folder(volume: &Path) -> PathBuf {
    volume.join("packages")
}

/// The rows of packages in a store that no engine has open.
pub struct InStore<'a, S>(pub &'a mut S);

/// Now, in milliseconds of Unix time; only written down.
pub(crate) fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn failed(trouble: &Trouble) -> RowsFailed {
    RowsFailed { says: trouble.to_string() }
}

impl<S: Packages> Rows for InStore<'_, S> {
    fn row(&mut self, id: Digest) -> Result<Row, RowsFailed> {
        let all = self.0.packages().map_err(|trouble| failed(&trouble))?;
        let one = all.into_iter().find(|package| package.id == id.0);
        Ok(one.map_or(Row::None, |package| match package.stands {
            Stands::Kept => Row::Kept,
            Stands::Current => Row::Current,
            Stands::Former => Row::Former,
        }))
    }

    fn keep(&mut self, id: Digest, manifest: &Manifest) -> Result<(), RowsFailed> {
        let services = manifest.services.iter().map(|service| service.name.clone()).collect();
        let name = manifest.name.clone();
        let (stands, at) = (Stands::Kept, wall_ms());
        let package = Package { id: id.0, name, services, stands, at };
        self.0.keep_package(&package).map_err(|trouble| failed(&trouble))
    }

    fn make(&mut self, id: Digest, whole: Whole<'_>, data: Data) -> Result<(), RowsFailed> {
        let at = wall_ms();
        let with = |unit: &mut dyn Nested| files::make(unit, &whole, (data, at));
        let made = self.0.make_package_current(&id.0, at, with);
        made.map_err(|not_made| RowsFailed { says: not_made.to_string() })
    }

    fn delete(&mut self, id: Digest) -> Result<(), RowsFailed> {
        self.0.delete_package(&id.0).map_err(|trouble| failed(&trouble))
    }
}

/// Opens the shelf of a volume, and cleans up what was broken off on it.
///
/// # Errors
/// It is not known what is there.
pub fn open(volume: &Path, store: &mut impl Packages) -> Result<Shelf, Problem> {
    let shelf = Shelf::open(&folder(volume))?;
    let mut ids = shelf.ids()?;
    let rows = store.packages().map_err(|trouble| failed(&trouble))?;
    ids.extend(rows.iter().map(|package| Digest(package.id)));
    ids.sort_unstable();
    ids.dedup();
    for id in ids {
        let mut rows = InStore(store);
        let mut deployment = Deployment { shelf: &shelf, rows: &mut rows, go: &mut |_| Go::On };
        match deployment.open(id) {
            // What is missing is told by whoever loads it.
            Ok(Ended { .. }) => {}
            Err(Unended::Unknown(problem)) => return Err(problem),
            // Neither a stop nor a source is here.
            Err(Unended::Stopped | Unended::NoPackage(_)) => {}
        }
    }
    Ok(shelf)
}

/// Opens a member's shelf, where the store is shared: what others have is not looked for here, and
/// nothing is done about a row. What lies here and has no row is cleared.
///
/// # Errors
/// It is not known what is there.
pub fn join(volume: &Path, store: &mut impl Packages) -> Result<Shelf, Problem> {
    let shelf = Shelf::open(&folder(volume))?;
    let rows = store.packages().map_err(|trouble| failed(&trouble))?;
    for id in shelf.ids()? {
        if rows.iter().any(|package| package.id == id.0) {
            continue;
        }
        let mut rows = InStore(store);
        let mut deployment = Deployment { shelf: &shelf, rows: &mut rows, go: &mut |_| Go::On };
        match deployment.open(id) {
            Err(Unended::Unknown(problem)) => return Err(problem),
            Ok(Ended { .. }) | Err(Unended::Stopped | Unended::NoPackage(_)) => {}
        }
    }
    Ok(shelf)
}

/// Takes a volume whose store is elsewhere and cannot hold it: for a member that is open, or for a
/// deploy. None where somebody has it; it is given back when what is returned is dropped.
///
/// # Errors
/// There is no such folder.
pub fn take(volume: &Path) -> io::Result<Option<File>> {
    let folder = File::open(volume)?;
    match folder.try_lock() {
        Ok(()) => Ok(Some(folder)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(why)) => Err(why),
    }
}

/// Deploys the package of a file on the shelf of a store that no engine has open.
///
/// # Errors
/// The file is no package, or it is not known what there is of it.
pub fn deploy(
    shelf: &Shelf,
    store: &mut impl Packages,
    source: &Path,
) -> Result<(Digest, Ended), Unended> {
    let mut rows = InStore(store);
    Deployment { shelf, rows: &mut rows, go: &mut |_| Go::On }.deploy(source)
}

/// What a shelf could not do, as whoever opened it is told.
#[must_use]
pub fn why(problem: &Problem) -> String {
    match problem {
        Problem::Shelf(failed) => shelf_failed(failed),
        Problem::Rows(failed) => failed.to_string(),
        Problem::Changed(refused) => refused.to_string(),
    }
}

fn shelf_failed(failed: &Failed) -> String {
    failed.to_string()
}
