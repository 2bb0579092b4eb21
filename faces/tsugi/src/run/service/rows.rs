//! The store of a group that no engine has open, and what its rows say of packages.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use tsugi_service_rules::package::Row;
use tsugi_store::{Claim, Looked, OpenRefused, Postgres, Sqlite, Stands};
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
pub(in crate::run) fn open(
    volume: &Path,
    (looked, group): (Option<&Looked>, &GroupName),
) -> Result<Sqlite, OpenRefused> {
    let member = looked.map(|looked| looked.member.clone()).unwrap_or_default();
    let claim = claim(group, member);
    let epoch = looked.map_or(claim.epoch, |looked| looked.epoch);
    Sqlite::open(&store(volume), &Claim { epoch, ..claim })
}

/// Opens the store of a group on a server beside its members, as one that answers no calls. No
/// member has its name.
pub(super) fn join(server: &str, group: &GroupName) -> Result<Postgres, OpenRefused> {
    Postgres::open(server, &claim(group, DEPLOYS.to_owned()))
}

/// What whoever deploys is called among members.
const DEPLOYS: &str = "(deploy)";

fn claim(group: &GroupName, member: String) -> Claim {
    let host = nix::unistd::gethostname().ok().and_then(|host| host.into_string().ok());
    let node: Option<NodeName> = host.and_then(|host| host.parse().ok());
    Claim {
        group: group.clone(),
        member,
        epoch: Epoch { incarnation: 0, counter: 0 },
        run: run(),
        node: node.unwrap_or_else(|| "localhost".parse().expect("it is a name")),
        at: wall_ms(),
    }
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
pub(in crate::run) fn wall_ms() -> i64 {
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
