//! What is mounted on a machine, and which of its file systems are slow to be mounted after a loss
//! of power.

use std::fs;
use std::io;
use std::path::Path;

use tsugi_cluster_rules::record::{Ownership, Record};
use tsugi_cluster_rules::spec::{GroupSpec, ResourceKind, VolumeSource};
use tsugi_host::unescape;
use tsugi_vocabulary::{GroupName, NodeName};

/// How much of its name a thread of an older kernel shows.
const SHOWN: usize = 15;

/// Something that is mounted.
#[derive(Debug)]
pub(crate) struct Mounted {
    /// Its device as `major:minor`; major 0 for what has no block device of its own.
    pub number: String,
    /// Where.
    pub at: String,
    /// The kind of file system.
    pub kind: String,
    /// What it was mounted from.
    pub source: String,
}

/// All that is mounted on the machine whose files are below `root`, in the order of mounting.
pub(crate) fn mounts(root: &Path) -> io::Result<Vec<Mounted>> {
    let table = fs::read(root.join("proc/self/mountinfo"))?;
    Ok(String::from_utf8_lossy(&table).lines().filter_map(mounted).collect())
}

/// A line of that list.
fn mounted(line: &str) -> Option<Mounted> {
    let (place, what) = line.split_once(" - ")?;
    let mut what = what.split(' ');
    Some(Mounted {
        number: place.split(' ').nth(2)?.to_owned(),
        at: unescape(place.split(' ').nth(4)?),
        kind: what.next()?.to_owned(),
        source: unescape(what.next()?),
    })
}

/// Where the volumes of a group are mounted whose ext4 has multiple mount protection (MMP): after
/// a loss of power its next mount waits to see that nobody else writes, ten seconds at least.
///
/// Nobody but root reads that from the device; the thread of the kernel that keeps the protection
/// up is seen by everybody, and only while the file system is mounted.
pub(crate) fn protected(root: &Path, group: &GroupSpec) -> Vec<String> {
    let volumes = group.resources.iter().filter_map(|resource| match &resource.kind {
        ResourceKind::Volume { source: VolumeSource::Block(_), mount, .. } => Some(mount),
        ResourceKind::Volume { source: VolumeSource::Directory, .. }
        | ResourceKind::Address { .. }
        | ResourceKind::Process { .. }
        | ResourceKind::Ocf { .. }
        | ResourceKind::Unit { .. } => None,
    });
    let volumes: Vec<&String> = volumes.collect();
    if volumes.is_empty() {
        return Vec::new();
    }
    let Ok(mounts) = mounts(root) else { return Vec::new() };
    let threads = keepers(root);
    let is_kept = |mount: &&&String| {
        let here = mounts.iter().rfind(|mounted| mounted.at == ***mount);
        let name = here.and_then(|mounted| device(root, &mounted.number));
        name.is_some_and(|name| threads.iter().any(|thread| is_cut_from(thread, &name)))
    };
    volumes.iter().filter(is_kept).map(|mount| (*mount).clone()).collect()
}

/// The same of the groups that this node owns.
pub(crate) fn protected_here(
    root: &Path,
    record: &Record,
    me: &NodeName,
) -> Vec<(GroupName, String)> {
    let owned = |name: &GroupName| match record.group(name).map(|entry| &entry.ownership) {
        Some(Ownership::Owned { node, .. }) => node == me,
        Some(Ownership::Nobody) | None => false,
    };
    let groups = record.spec().into_iter().flat_map(|spec| &spec.groups);
    let of = |(name, group): (&GroupName, &GroupSpec)| {
        let mounts = protected(root, group).into_iter();
        mounts.map(|mount| (name.clone(), mount)).collect::<Vec<_>>()
    };
    groups.filter(|(name, _)| owned(name)).flat_map(of).collect()
}

/// The kernel's name of a device.
fn device(root: &Path, number: &str) -> Option<String> {
    let link = fs::read_link(root.join("sys/dev/block").join(number)).ok()?;
    Some(link.file_name()?.to_str()?.to_owned())
}

/// The names of the threads that keep protections up.
fn keepers(root: &Path) -> Vec<String> {
    let entries = fs::read_dir(root.join("proc")).into_iter().flatten().flatten();
    let name = |entry: fs::DirEntry| {
        let name = fs::read_to_string(entry.path().join("comm")).ok()?;
        Some(name.trim_end().strip_prefix("kmmpd-")?.to_owned())
    };
    entries.filter_map(name).collect()
}

/// Whether a thread with this end of its name is that of the device; older kernels cut the name.
fn is_cut_from(thread: &str, device: &str) -> bool {
    thread == device || thread.len() + "kmmpd-".len() == SHOWN && device.starts_with(thread)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const SPEC: &str = "[cluster]\nname = \"c\"\n[node.node1]\naddress = \"127.0.0.1\"\n\
                        [[group.PAY.resource]]\nname = \"data\"\nkind = \"volume\"\n\
                        source = \"/dev/vg1/pay\"\nmount = \"/data/pay\"\n";

    /// A machine on which that volume is mounted, and a thread with this name runs.
    fn machine(thread: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("there is room for a folder");
        let root = dir.path();
        for folder in ["proc/self", "proc/77", "sys/dev/block"] {
            fs::create_dir_all(root.join(folder)).expect("it is new");
        }
        let table = "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
                     40 21 253:4 / /data/pay rw - ext4 /dev/mapper/vg1-pay rw\n";
        fs::write(root.join("proc/self/mountinfo"), table).expect("it is new");
        fs::write(root.join("proc/77/comm"), format!("{thread}\n")).expect("it is new");
        let place = "../../devices/virtual/block/dm-4";
        symlink(place, root.join("sys/dev/block/253:4")).expect("it is new");
        symlink("../../devices/sda/sda1", root.join("sys/dev/block/8:1")).expect("it is new");
        dir
    }

    #[test]
    fn a_volume_whose_file_system_keeps_others_off_is_found_by_the_thread_of_its_device() {
        let spec = crate::config::read(SPEC).expect("it is right").spec;
        let pay = &spec.groups[&GroupName::new("PAY").expect("it is a name")];
        let found = |thread: &str| protected(machine(thread).path(), pay);
        assert_eq!(found("kmmpd-dm-4"), ["/data/pay"]);
        for another in ["kmmpd-dm-40", "kmmpd-dm-", "kmmpd-sda1", "kworker/dm-4"] {
            assert_eq!(found(another), [""; 0], "{another}");
        }
    }

    #[test]
    fn on_this_machine_the_kernel_shows_which_volume_has_it() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let dir = tempfile::tempdir().expect("there is room for a folder");
        let (image, place) = (dir.path().join("pay.img"), dir.path().join("pay"));
        fs::create_dir(&place).expect("it is new");
        let file = fs::File::create(&image).expect("it is new");
        file.set_len(16 << 20).expect("there is room");
        let run = |words: &[&str]| {
            let ended = std::process::Command::new(words[0]).args(&words[1..]).output();
            let ended = ended.expect("it is installed");
            assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        };
        let (image, at) = (image.display().to_string(), place.display().to_string());
        let spec = SPEC.replace("/data/pay", &at).replace("/dev/vg1/pay", &image);
        let spec = crate::config::read(&spec).expect("it is right").spec;
        let pay = &spec.groups[&GroupName::new("PAY").expect("it is a name")];
        let mut seen = Vec::new();
        for features in ["mmp", "^mmp"] {
            run(&["mkfs.ext4", "-q", "-F", "-O", features, &image]);
            run(&["mount", "-o", "loop", &image, &at]);
            seen.push(protected(Path::new("/"), pay));
            run(&["umount", &at]);
        }
        assert_eq!(seen, [vec![at], Vec::new()]);
    }

    #[test]
    fn the_name_that_an_older_kernel_cuts_off_is_still_its_devices() {
        assert!(is_cut_from("nvme12n1p", "nvme12n1p3"));
        assert!(!is_cut_from("nvme12n1", "nvme12n1p3"));
    }
}
