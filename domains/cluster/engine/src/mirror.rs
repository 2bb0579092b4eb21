//! Volumes that DRBD mirrors: how each stands on this machine, as the kernel's DRBD (8.4) shows it
//! to everybody in `/proc/drbd`. What makes one primary is a process of its own ([`step`]); what is
//! seen to between a start and a stop is the keeper's ([`keeper`]).

mod configured;
mod fence_peer;
pub mod keeper;
mod say;
pub mod step;

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use tsugi_cluster_rules::mirror::{Begun, Io, Mirror};
use tsugi_cluster_rules::record::Record;
use tsugi_cluster_rules::spec::{GroupSpec, ResourceKind, ResourceSpec, VolumeSource};
use tsugi_vocabulary::{GroupName, NodeName};

use crate::mounts::mounts;

/// The major number of DRBD's devices.
const MAJOR: u64 = 147;

/// A mirrored volume of a group that this node may run, and how it stands here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirrored {
    /// The group.
    pub group: GroupName,
    /// DRBD's name of the resource.
    pub name: String,
    /// How it stands; none if DRBD has it not up here.
    pub mirror: Option<Mirror>,
}

/// Those of all groups that this node may run.
#[must_use]
pub fn here(root: &Path, record: &Record, me: &NodeName) -> Vec<Mirrored> {
    let groups = record.spec().into_iter().flat_map(|spec| &spec.groups);
    let ours = groups.filter(|(_, group)| group.prefer.contains(me));
    let all = |(name, group): (&GroupName, &GroupSpec)| {
        let each = of(group);
        let one = |(drbd, device): (&str, &str)| Mirrored {
            group: name.clone(),
            name: drbd.to_owned(),
            mirror: look(root, Path::new(device)),
        };
        each.map(one).collect::<Vec<_>>()
    };
    ours.flat_map(all).collect()
}

/// The mirrored volumes of a group, each with the name that DRBD has for it and its device.
pub fn of(group: &GroupSpec) -> impl Iterator<Item = (&str, &str)> {
    group.resources.iter().filter_map(drbd)
}

/// The name and the device of a volume that is mirrored.
pub(crate) fn drbd(resource: &ResourceSpec) -> Option<(&str, &str)> {
    match &resource.kind {
        ResourceKind::Volume { source: VolumeSource::Block(device), drbd: Some(name), .. } => {
            Some((name, device))
        }
        ResourceKind::Volume { .. }
        | ResourceKind::Address { .. }
        | ResourceKind::Process { .. }
        | ResourceKind::Ocf { .. }
        | ResourceKind::Unit { .. } => None,
    }
}

/// How the mirror behind a device stands; none if it is no device of a DRBD that is up.
fn look(root: &Path, device: &Path) -> Option<Mirror> {
    look_at(root, minor(device)?)
}

/// The same of the device with this minor number.
fn look_at(root: &Path, minor: u64) -> Option<Mirror> {
    read(&fs::read_to_string(root.join("proc/drbd")).ok()?, minor)
}

/// The minor number of a device of DRBD.
fn minor(device: &Path) -> Option<u64> {
    let about = fs::metadata(device).ok().filter(|about| about.file_type().is_block_device())?;
    let (major, minor) = (nix::sys::stat::major(about.rdev()), nix::sys::stat::minor(about.rdev()));
    (major == MAJOR).then_some(minor)
}

/// Where it stands that somebody here has begun to let go of a mirror. Only root writes there, and
/// like the state of DRBD it does not outlive the machine.
fn mark(run_dir: &Path, name: &str) -> PathBuf {
    run_dir.join(format!("mirror-{name}"))
}

/// Whether somebody here has begun to, and has not ended it.
fn begun(run_dir: &Path, name: &str) -> Begun {
    // What cannot be seen is taken for nothing: whoever would go on must have begun for sure.
    match fs::symlink_metadata(mark(run_dir, name)) {
        Ok(about) if about.is_file() => Begun::Yes,
        Ok(_) | Err(_) => Begun::No,
    }
}

/// A file that grows by a byte with each start of a mirror here, and by the lock of which a start
/// and a give-up take turns. Only root writes there.
fn turns(run_dir: &Path, name: &str) -> PathBuf {
    // No name of a resource makes this the mark of another one.
    run_dir.join(format!("mirrored-{name}"))
}

/// How many starts of it there have been here since the machine began.
fn starts(run_dir: &Path, name: &str) -> u64 {
    fs::symlink_metadata(turns(run_dir, name)).map_or(0, |about| about.len())
}

/// Whether it is mounted anywhere that is seen from here.
fn is_mounted(device: &Path) -> bool {
    let number = minor(device).map(|minor| format!("{MAJOR}:{minor}"));
    // What cannot be seen is taken for mounted.
    mounts(Path::new("/"))
        .map_or(true, |all| all.iter().any(|m| Some(&m.number) == number.as_ref()))
}

/// What `/proc/drbd` says of one device: `0: cs:Connected ro:Primary/Secondary ds:…/… C r-----`, of
/// which the last is its flags, `s-----` where it is suspended, and in the line after it `oos:` in
/// KiB.
fn read(text: &str, minor: u64) -> Option<Mirror> {
    let begin = format!("{minor}:");
    let mut lines = text.lines().skip_while(|line| line.split_whitespace().next() != Some(&begin));
    let (first, second) = (lines.next()?, lines.next().unwrap_or_default());
    let of = |line: &str, key: &str| {
        line.split_whitespace().find_map(|word| word.strip_prefix(key).map(str::to_owned))
    };
    let (role, peer_role) = two(&of(first, "ro:")?)?;
    let (disk, peer_disk) = two(&of(first, "ds:")?)?;
    let kib: u64 = of(second, "oos:").and_then(|kib| kib.parse().ok()).unwrap_or(0);
    let (connection, out_of_sync) = (of(first, "cs:")?, kib.saturating_mul(1024));
    let flags = first.split_whitespace().next_back().unwrap_or_default();
    let io = if flags.starts_with('s') { Io::Frozen } else { Io::Flows };
    Some(Mirror { connection, role, peer_role, disk, peer_disk, out_of_sync, io })
}

fn two(text: &str) -> Option<(String, String)> {
    text.split_once('/').map(|(here, there)| (here.to_owned(), there.to_owned()))
}

/// As the side of a mirror stands that writes, with nothing amiss.
#[cfg(test)]
pub(crate) fn whole() -> Mirror {
    Mirror {
        connection: "Connected".to_owned(),
        role: "Primary".to_owned(),
        peer_role: "Secondary".to_owned(),
        disk: "UpToDate".to_owned(),
        peer_disk: "UpToDate".to_owned(),
        out_of_sync: 0,
        io: Io::Flows,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Linux 6.1 has shown it.
    const SHOWN: &str = "version: 8.4.11 (api:1/proto:86-101)
srcversion: F73C670A7EC572DB9CF3E5B 
 0: cs:SyncTarget ro:Secondary/Primary ds:Inconsistent/UpToDate C r-----
    ns:0 nr:27520 dw:27520 dr:0 al:8 bm:0 lo:0 pe:8 ua:0 ap:0 ep:1 wo:f oos:21592
\t[==========>.........] sync'ed: 58.4% (21592/49112)K
\tfinish: 0:00:02 speed: 9,172 (9,172) want: 0 K/sec
 1: cs:Unconfigured
10: cs:WFConnection ro:Primary/Unknown ds:UpToDate/DUnknown C r-----
    ns:0 nr:0 dw:0 dr:0 al:8 bm:0 lo:0 pe:0 ua:0 ap:0 ep:1 wo:f oos:49112
";

    #[test]
    fn a_mirror_is_read_as_the_kernel_shows_it() {
        let first = read(SHOWN, 0).expect("it is up");
        assert_eq!((first.connection.as_str(), first.out_of_sync), ("SyncTarget", 21592 * 1024));
        assert_eq!((first.role.as_str(), first.peer_role.as_str()), ("Secondary", "Primary"));
        assert_eq!((first.disk.as_str(), first.peer_disk.as_str()), ("Inconsistent", "UpToDate"));
        let tenth = read(SHOWN, 10).expect("it is up");
        assert_eq!((first.io, tenth.io), (Io::Flows, Io::Flows));
        let frozen = " 0: cs:StandAlone ro:Primary/Unknown ds:UpToDate/DUnknown   s-----\n";
        assert_eq!(read(frozen, 0).expect("it is up").io, Io::Frozen);
        assert_eq!((tenth.connection.as_str(), tenth.out_of_sync), ("WFConnection", 49112 * 1024));
    }

    #[test]
    fn what_somebody_has_begun_to_let_go_of_is_known_by_a_file_of_its_own() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(begun(folder.path(), "r0"), Begun::No);
        fs::write(mark(folder.path(), "r0"), "").expect("written");
        assert_eq!(begun(folder.path(), "r0"), Begun::Yes);
        assert_eq!(begun(folder.path(), "r1"), Begun::No);
        fs::create_dir(mark(folder.path(), "r1")).expect("made");
        assert_eq!(begun(folder.path(), "r1"), Begun::No);
    }

    #[test]
    fn what_drbd_has_not_up_has_no_state() {
        for minor in [1, 2, 100] {
            assert_eq!(read(SHOWN, minor), None, "{minor}");
        }
        assert_eq!(read("version: 9.2.4 (api:2/proto:86-122)\n", 0), None);
        assert_eq!(look(Path::new("/"), Path::new("/dev/null")), None);
    }
}
