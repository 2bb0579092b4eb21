//! The rows of packages in a group's store that no engine has open.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use tsugi_package::Digest;
use tsugi_package::deploy::{Rows, RowsFailed, Whole};
use tsugi_package::manifest::Manifest;
use tsugi_service_rules::package::{Data, Row};
use tsugi_store::{Claim, Looked, OpenRefused, Package, Sqlite, Stands, Trouble};
use tsugi_vocabulary::{Epoch, GroupName, NodeName};

/// Where the store of a volume is.
pub(super) fn store(volume: &Path) -> PathBuf {
    volume.join("store")
}

/// Where the packages of a volume lie.
pub(super) fn shelf(volume: &Path) -> PathBuf {
    volume.join("packages")
}

/// Opens the store of a volume under the ownership that it has seen last: who deploys takes nothing
/// over. A store that is new is of this group.
pub(super) fn open(
    volume: &Path,
    (looked, group): (Option<&Looked>, &GroupName),
) -> Result<Sqlite, OpenRefused> {
    let none = Epoch { incarnation: 0, counter: 0 };
    let host = nix::unistd::gethostname().ok().and_then(|host| host.into_string().ok());
    let node: Option<NodeName> = host.and_then(|host| host.parse().ok());
    let claim = Claim {
        group: group.clone(),
        member: looked.map(|looked| looked.member.clone()).unwrap_or_default(),
        epoch: looked.map_or(none, |looked| looked.epoch),
        run: run(),
        node: node.unwrap_or_else(|| "localhost".parse().expect("it is a name")),
        at: wall_ms(),
    };
    Sqlite::open(&store(volume), &claim)
}

/// 63 bits that another run does not have.
fn run() -> i64 {
    let mut bytes = [0; 8];
    let drawn =
        std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    match drawn {
        Ok(()) => i64::from_be_bytes(bytes) & i64::MAX,
        Err(_) => wall_ms(),
    }
}

/// Now, in milliseconds of Unix time; only written down.
fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// What a row says.
pub(super) fn row(stands: Option<Stands>) -> Row {
    match stands {
        None => Row::None,
        Some(Stands::Kept) => Row::Kept,
        Some(Stands::Current) => Row::Current,
        Some(Stands::Former) => Row::Former,
    }
}

/// The rows of packages in a store.
pub(super) struct InStore<'a>(pub &'a mut Sqlite);

fn failed(trouble: &Trouble) -> RowsFailed {
    RowsFailed { says: trouble.to_string() }
}

impl Rows for InStore<'_> {
    fn row(&mut self, id: Digest) -> Result<Row, RowsFailed> {
        let all = self.0.packages().map_err(|trouble| failed(&trouble))?;
        Ok(row(all.into_iter().find(|package| package.id == id.0).map(|package| package.stands)))
    }

    fn keep(&mut self, id: Digest, manifest: &Manifest) -> Result<(), RowsFailed> {
        let services = manifest.services.iter().map(|service| service.name.clone()).collect();
        let name = manifest.name.clone();
        let (stands, at) = (Stands::Kept, wall_ms());
        let package = Package { id: id.0, name, services, stands, at };
        self.0.keep_package(&package).map_err(|trouble| failed(&trouble))
    }

    fn make(&mut self, id: Digest, _: Whole<'_>, _: Data) -> Result<(), RowsFailed> {
        let made = self.0.make_package_current(&id.0, wall_ms(), |_| Ok(()));
        made.map_err(|trouble| failed(&trouble))
    }

    fn delete(&mut self, id: Digest) -> Result<(), RowsFailed> {
        self.0.delete_package(&id.0).map_err(|trouble| failed(&trouble))
    }
}
