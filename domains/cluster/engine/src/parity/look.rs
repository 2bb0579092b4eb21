//! One look at a machine: how each item of its groups is there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use nix::sys::stat;
use sha2::{Digest as _, Sha256};
use tsugi_cluster_rules::parity::{DATA, Fact, Inventory, Item, RUNS, items};
use tsugi_cluster_rules::record::LinkState;
use tsugi_cluster_rules::spec::ClusterSpec;
use tsugi_cluster_rules::unit::UnitName;
use tsugi_host::discipline::Discipline;
use tsugi_vocabulary::NodeName;

use super::content::{Hashes, content, program, rights, text, there};
use super::entitlement;
use super::machine::{Account, Device, Machine, Own};
use super::unit_names::names;
use crate::config::hex;
use crate::errand::{OCF_ROOT, PATH};
use crate::mounts::{Mounted, mounts};

const DAY_MS: u64 = 24 * 3_600_000;
/// What a look finds at most: a longer inventory would not fit where it is sent.
const MOST_FACTS: usize = 4_096;
/// How long what is said of one item may be.
const LONGEST_MARK: usize = 512;
/// Where a block device says which one it is, below its place in `/sys`.
const IDENTITIES: [&str; 6] =
    ["dm/uuid", "device/wwid", "wwid", "md/uuid", "device/serial", "serial"];
/// Where systemd shows which units are up.
const RUNS_OF_UNITS: &str = "run/systemd/units";
/// Where units of systemd are, the first that has one wins.
const UNIT_FOLDERS: [&str; 4] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];
/// Where generators put what they make of other files.
const GENERATED: [&str; 3] =
    ["/run/systemd/generator.early", "/run/systemd/generator", "/run/systemd/generator.late"];
/// What the folders of units end with that another unit starts.
const WANTS: [&str; 3] = [".wants", ".requires", ".upholds"];
/// The packages of the system.
const PACKAGES: &str = "/var/lib/dpkg/status";

/// What this node has of what its groups need.
#[must_use]
pub fn look(
    (spec, config): (&ClusterSpec, &str),
    machine: &Machine,
    own: &Own,
    hashes: &mut Hashes,
) -> Inventory {
    hashes.turn();
    let mut inventory = Inventory {
        node: own.me.clone(),
        config: config.to_owned(),
        groups: BTreeMap::new(),
        facts: BTreeMap::new(),
        needed: BTreeSet::new(),
        at: Some(own.at),
    };
    let mut eyes = Eyes { machine, own, hashes, mounts: None, packages: None };
    for (name, group) in &spec.groups {
        let all = items(spec, group, &own.me);
        let fresh = all.iter().filter(|item| !inventory.facts.contains_key(&item.name())).count();
        // What does not fit is not looked at, and so not known.
        if all.is_empty() || inventory.facts.len() + fresh > MOST_FACTS {
            continue;
        }
        inventory.groups.insert(name.clone(), all.iter().map(Item::name).collect());
        let owned = own.owns.contains(name);
        for item in all {
            let key = item.name();
            if item.is_needed() {
                inventory.needed.insert(key.clone());
            }
            let owned = if owned { Owned::Here } else { Owned::No };
            inventory.facts.entry(key).or_insert_with(|| bounded(eyes.fact(&item, owned)));
        }
    }
    inventory
}

/// Whether the group of an item runs here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owned {
    Here,
    No,
}

/// A fact of which no word is longer than it may be.
fn bounded(fact: Fact) -> Fact {
    match fact {
        Fact::There { mark } => Fact::There { mark: short(mark) },
        Fact::Unreadable { why } => Fact::Unreadable { why: short(why) },
        Fact::InUse { at } => Fact::InUse { at: short(at) },
        Fact::Missing
        | Fact::NotExecutable
        | Fact::Free { .. }
        | Fact::NotEmpty
        | Fact::NoCarrier
        | Fact::Untested
        | Fact::Fails { .. }
        | Fact::Masked
        | Fact::Active
        | Fact::Lasts { .. } => fact,
        Fact::Enabled { by } => Fact::Enabled { by: short(by) },
        Fact::NotEntitled { why } => Fact::NotEntitled { why: short(why) },
    }
}

/// A text as it is, or the beginning of a long one with the hash of all of it: two that differ only
/// in the rest are told apart.
fn short(text: String) -> String {
    if text.chars().count() <= LONGEST_MARK {
        return text;
    }
    let hash = hex(Sha256::digest(&text));
    let begin: String = text.chars().take(LONGEST_MARK - hash.len() - 1).collect();
    format!("{begin} {hash}")
}

/// What looks, with what is read once a look.
struct Eyes<'a> {
    machine: &'a Machine,
    own: &'a Own,
    hashes: &'a mut Hashes,
    mounts: Option<Vec<Mounted>>,
    packages: Option<BTreeMap<String, String>>,
}

impl Eyes<'_> {
    fn fact(&mut self, item: &Item, owned: Owned) -> Fact {
        let found = match item {
            Item::Program { path, user } => self.program(Path::new(path), user.as_deref()),
            Item::File(path) | Item::Tool(path) => content(self.hashes, &self.machine.at(path)),
            Item::Agent(agent) => {
                let folder = Path::new(OCF_ROOT).join("resource.d");
                self.program(&folder.join(agent.provider()).join(agent.kind()), None)
            }
            Item::Fence(agent) => self.fence(agent),
            // A password is not read, not even for its hash.
            Item::Secret(path) => {
                fs::metadata(self.machine.at(path)).map(|found| there(rights(&found)))
            }
            Item::User(name) => self.user(name),
            Item::Device(path) => self.device(path),
            Item::Shared(path) => self.directory(path),
            Item::Mount { path, device } => self.mount((path, device), owned),
            Item::Space(path) => self.space(path),
            Item::Link(name) => self.link(name),
            Item::Limit(name) => self.limit(name),
            Item::Package(name) => self.package(name),
            Item::Unit(name) => self.unit(name),
            Item::OwnUnit(name) => self.own_unit(name, owned),
            Item::Reach(node) => Ok(self.reach(node)),
            Item::Authority => Ok(there(&self.own.authority)),
            Item::Certificate => Ok(self.certificate()),
            Item::Clock => (self.machine.discipline)(&self.machine.root).map(|found| match found {
                Discipline::Synchronised => there("synchronised"),
                Discipline::Free => there("not synchronised"),
            }),
            Item::Cgroups => self.cgroups(),
            Item::Kernel => {
                let release = self.machine.at("/proc/sys/kernel/osrelease");
                text(release).map(|text| there(text.trim()))
            }
            Item::SelfFence => Ok(there(&self.own.self_fence)),
            Item::Version => Ok(there(&self.own.version)),
            Item::Entitlement(run) => Ok(entitlement::ask(&self.machine.root, run)),
            Item::Zone => content(self.hashes, &self.machine.at("/etc/localtime")),
        };
        found.unwrap_or_else(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Fact::Missing,
            _ => Fact::Unreadable { why: error.to_string() },
        })
    }

    fn account(&self, name: &str) -> io::Result<Option<Account>> {
        (self.machine.user)(&self.machine.root, name)
    }

    fn program(&mut self, path: &Path, user: Option<&str>) -> io::Result<Fact> {
        // A user that is not there is named as itself.
        let user = user.map(|name| self.account(name)).transpose()?.flatten();
        program(self.hashes, &self.machine.at(path), user.as_ref())
    }

    fn fence(&mut self, agent: &str) -> io::Result<Fact> {
        let places = PATH.split(':').map(|folder| Path::new(folder).join(agent));
        let whole = agent.starts_with('/').then(|| PathBuf::from(agent));
        let mut all = whole.into_iter().chain(places);
        let found = all.find(|path| self.machine.at(path).exists());
        found.map_or(Ok(Fact::Missing), |path| self.program(&path, None))
    }

    fn user(&self, name: &str) -> io::Result<Fact> {
        Ok(match self.account(name)? {
            Some(Account { uid, gid, group }) => {
                there(format_args!("{uid}:{gid} {}", group.unwrap_or_default()))
            }
            None => Fact::Missing,
        })
    }

    /// A link that no applied configuration names is not watched yet, and so looked up.
    fn link(&self, name: &str) -> io::Result<Fact> {
        let state = match self.own.links.get(name) {
            Some(state) => *state,
            None => {
                let folder = self.machine.at("/sys/class/net").join(name);
                fs::metadata(&folder)?;
                // One that is set down says nothing at all.
                match text(folder.join("carrier")).is_ok_and(|says| says.trim() == "1") {
                    true => LinkState::Up,
                    false => LinkState::Down,
                }
            }
        };
        Ok(match state {
            LinkState::Up => there("carries"),
            LinkState::Down => Fact::NoCarrier,
        })
    }

    /// What tells a disk from every other, if it says so: the same wherever it is shared.
    fn identity(&self, number: &str) -> String {
        let device = self.machine.at("/sys/dev/block").join(number);
        let is_part = text(device.join("partition"));
        let (whole, part) = match &is_part {
            Ok(part) => (device.join(".."), format!(" part {}", part.trim())),
            Err(_) => (device, String::new()),
        };
        let says = |name: &&str| text(whole.join(name)).ok().filter(|text| !text.trim().is_empty());
        let said = IDENTITIES.iter().find_map(says);
        said.map_or_else(String::new, |said| format!(", {}{part}", said.trim()))
    }

    /// The same of what a file is on: its disk, or the server that it is from.
    fn under(&mut self, path: &str) -> String {
        let holds = |m: &&Mounted| Path::new(path).starts_with(&m.at);
        let deepest = |m: &&Mounted| m.at.len();
        // The last that was mounted at a place is the one that is seen.
        let mounts = self.mounts().unwrap_or_default();
        let found = mounts.iter().filter(holds).max_by_key(deepest);
        let Some((number, source)) = found.map(|m| (m.number.clone(), m.source.clone())) else {
            return String::new();
        };
        // What has no block device of its own is told by what it was mounted from.
        match number.starts_with("0:") {
            true => format!(", on {source}"),
            false => self.identity(&number),
        }
    }

    fn device(&mut self, path: &str) -> io::Result<Fact> {
        let found = fs::metadata(self.machine.at(path))?;
        let kind = found.file_type();
        if kind.is_block_device() {
            let (major, minor) = (stat::major(found.rdev()), stat::minor(found.rdev()));
            let number = format!("{major}:{minor}");
            let sectors = text(self.machine.at("/sys/dev/block").join(&number).join("size"))?;
            let identity = self.identity(&number);
            return Ok(there(format_args!("block device of {} sectors{identity}", sectors.trim())));
        }
        let identity = self.under(path);
        Ok(match kind.is_file() {
            true => there(format_args!("file of {} bytes{identity}", found.len())),
            false => Fact::Unreadable { why: "neither a device nor a file".to_owned() },
        })
    }

    fn directory(&self, path: &str) -> io::Result<Fact> {
        let found = fs::metadata(self.machine.at(path))?;
        Ok(match found.is_dir() {
            true => there("directory"),
            false => Fact::Unreadable { why: "not a directory".to_owned() },
        })
    }

    /// Whether a volume could be mounted there now, or is mounted there by who may.
    fn mount(&mut self, (path, device): (&str, &str), owned: Owned) -> io::Result<Fact> {
        let directory = self.directory(path)?;
        if owned == Owned::Here || matches!(directory, Fact::Unreadable { .. }) {
            return Ok(directory);
        }
        let machine = self.machine;
        let of = |mounted: &Mounted| mounted.at == path || is_of(machine, mounted, device);
        if let Some(mounted) = self.mounts()?.iter().find(|mounted| of(mounted)) {
            return Ok(Fact::InUse { at: mounted.at.clone() });
        }
        let is_empty = fs::read_dir(self.machine.at(path))?.next().is_none();
        Ok(if is_empty { directory } else { Fact::NotEmpty })
    }

    fn mounts(&mut self) -> io::Result<&[Mounted]> {
        if self.mounts.is_none() {
            self.mounts = Some(mounts(&self.machine.root)?);
        }
        Ok(self.mounts.as_deref().unwrap_or_default())
    }

    fn space(&self, path: &str) -> io::Result<Fact> {
        let place = match path {
            DATA => self.own.data.clone(),
            RUNS => self.own.runs.clone(),
            path => PathBuf::from(path),
        };
        (self.machine.free)(&self.machine.at(place)).map(|percent| Fact::Free { percent })
    }

    /// The limit that programs inherit from who starts them.
    fn limit(&self, name: &str) -> io::Result<Fact> {
        let title = match name {
            "nofile" => "Max open files",
            "nproc" => "Max processes",
            "memlock" => "Max locked memory",
            "rtprio" => "Max realtime priority",
            _ => "Max stack size",
        };
        let file = self.machine.at("/proc").join(self.machine.hands.to_string()).join("limits");
        let text = text(file)?;
        let values = text.lines().find_map(|line| line.strip_prefix(title));
        let mut values = values.unwrap_or_default().split_whitespace();
        Ok(match (values.next(), values.next()) {
            (Some(soft), Some(hard)) => there(format_args!("{soft}:{hard}")),
            _ => Fact::Missing,
        })
    }

    /// The versions of a package and of those that are named after it.
    fn package(&mut self, name: &str) -> io::Result<Fact> {
        if self.packages.is_none() {
            let text = text(self.machine.at(PACKAGES))?;
            self.packages = Some(installed(&text));
        }
        let parts = format!("{name}-");
        let all = self.packages.iter().flatten();
        let wanted = all.filter(|(its, _)| *its == name || its.starts_with(&parts));
        let found: Vec<String> = wanted.map(|(its, v)| format!("{its} {v}")).collect();
        Ok(if found.is_empty() { Fact::Missing } else { there(found.join(", ")) })
    }

    fn unit(&mut self, name: &str) -> io::Result<Fact> {
        let mut places = UNIT_FOLDERS.iter().map(|folder| Path::new(folder).join(name));
        let found = places.find(|path| self.machine.at(path).exists());
        found.map_or(Ok(Fact::Missing), |path| content(self.hashes, &self.machine.at(path)))
    }

    /// A unit that is a resource: what it is, unless others start or run it, or nobody may.
    fn own_unit(&mut self, unit: &UnitName, owned: Owned) -> io::Result<Fact> {
        let Some(file) = self.file_of(unit) else { return Ok(Fact::Missing) };
        let names = names(&self.machine.root, unit_folders(), unit);
        let mut others = names.iter().skip(1).filter_map(|name| self.file_of(name));
        if is_masked(&file)? || others.any(|other| is_masked(&other).unwrap_or(false)) {
            return Ok(Fact::Masked);
        }
        let active = || names.iter().any(|name| is_active(&self.machine.root, name));
        match starters_of(&self.machine.root, &names).into_iter().next() {
            Some(by) => Ok(Fact::Enabled { by }),
            None if owned == Owned::No && active() => Ok(Fact::Active),
            None => content(self.hashes, &file),
        }
    }

    /// The file of a unit, or of the template that it is an instance of.
    fn file_of(&self, unit: &UnitName) -> Option<PathBuf> {
        let names = [Some(unit.to_string()), unit.template()];
        let mut places = names.iter().flatten().flat_map(|name| {
            unit_folders().map(move |folder| self.machine.at(Path::new(folder).join(name)))
        });
        places.find(|path| fs::symlink_metadata(path).is_ok())
    }

    fn reach(&self, node: &NodeName) -> Fact {
        match self.own.devices.get(node) {
            None => Fact::Missing,
            Some(Device::Well) => there("answers"),
            Some(Device::Untested) => Fact::Untested,
            Some(Device::Fails(fault)) => Fact::Fails { fault: fault.clone() },
        }
    }

    fn certificate(&self) -> Fact {
        match self.own.certificate_until {
            None => Fact::Missing,
            Some(until) => Fact::Lasts { days: until.0.saturating_sub(self.own.at.0) / DAY_MS },
        }
    }

    fn cgroups(&mut self) -> io::Result<Fact> {
        let is_one = |mounted: &Mounted| mounted.kind == "cgroup2";
        Ok(if self.mounts()?.iter().any(is_one) { there("mounted") } else { Fact::Missing })
    }
}

/// A unit that is a link to nothing, or a file of nothing, is masked.
fn is_masked(file: &Path) -> io::Result<bool> {
    if fs::read_link(file).is_ok_and(|to| to == Path::new("/dev/null")) {
        return Ok(true);
    }
    fs::metadata(file).map(|found| found.is_file() && found.len() == 0)
}

/// Whether a unit is up, as systemd shows it to everybody: from its start until it is inactive or
/// has failed there is a link that names the run.
fn is_active(root: &Path, unit: &UnitName) -> bool {
    fs::symlink_metadata(root.join(RUNS_OF_UNITS).join(format!("invocation:{unit}"))).is_ok()
}

/// Where files of units are, the first that has one wins.
fn unit_folders() -> impl Iterator<Item = &'static str> {
    UNIT_FOLDERS.into_iter().chain(GENERATED)
}

/// The links by which systemd starts a unit by itself, as when the machine starts or something
/// connects to its socket, under whichever of its names: below the root `root`.
pub(crate) fn starters(root: &Path, unit: &UnitName) -> Vec<String> {
    starters_of(root, &names(root, unit_folders(), unit))
}

fn starters_of(root: &Path, units: &[UnitName]) -> Vec<String> {
    let mut found = Vec::new();
    for folder in unit_folders() {
        let below = root.join(folder.trim_start_matches('/'));
        let Ok(entries) = fs::read_dir(&below) else { continue };
        let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
        let wants = names.filter(|name| WANTS.iter().any(|kind| name.ends_with(kind)));
        let starters = |name: &str| {
            let all = units.iter().flat_map(UnitName::starters);
            all.map(|starter| format!("{folder}/{name}/{starter}")).collect::<Vec<_>>()
        };
        let links = wants.flat_map(|name| starters(&name));
        found.extend(
            links.filter(|link| {
                fs::symlink_metadata(root.join(link.trim_start_matches('/'))).is_ok()
            }),
        );
    }
    found.sort();
    found
}

/// Whether what is mounted is this device, or the image of this path.
fn is_of(machine: &Machine, mounted: &Mounted, device: &str) -> bool {
    if mounted.source == device {
        return true;
    }
    let Some(name) = mounted.source.strip_prefix("/dev/") else { return false };
    let loops = machine.at("/sys/block").join(name).join("loop/backing_file");
    if text(loops).is_ok_and(|image| image.trim_end() == device) {
        return true;
    }
    let real = |path: &str| fs::canonicalize(machine.at(path)).ok();
    real(device).is_some_and(|real_one| real(&mounted.source) == Some(real_one))
}

/// The packages that are installed, and their versions.
fn installed(status: &str) -> BTreeMap<String, String> {
    let package = |part: &str| {
        let field = |name: &str| part.lines().find_map(|line| line.strip_prefix(name));
        let is_installed = field("Status: ").is_some_and(|s| s.ends_with(" installed"));
        let (name, version) = (field("Package: ")?, field("Version: ")?);
        is_installed.then(|| (name.to_owned(), version.to_owned()))
    };
    status.split("\n\n").filter_map(package).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_marks_that_differ_only_at_their_end_are_told_apart() {
        let package = |last: &str| short(format!("{}{last}", "postgresql 15.14, ".repeat(100)));
        let (mine, theirs) = (package("plperl 15.14"), package("plperl 15.13"));
        assert_ne!(mine, theirs);
        assert_eq!(mine, package("plperl 15.14"));
        assert_eq!(mine.chars().count(), LONGEST_MARK);
        assert_eq!(short("0.1.0".to_owned()), "0.1.0");
    }
}
