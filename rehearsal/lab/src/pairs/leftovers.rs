//! What is on a host that should not be there: a sweep of its processes, control groups, mounts,
//! loop devices, addresses, links, sockets, run folders and files, against what status says.

mod files;
mod kernel_tables;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::thread;
use std::time::Duration;

use crate::Trouble;
use crate::host::{Host, Seen, data, directories, everywhere};
use crate::kernel::now;
use crate::product::{Served, Status};
use crate::stage::Stage;

/// What nobody waits for may be there for so long after the cluster is whole: the end of a monitor
/// that was under way, or the folder of a former run.
const PATIENCE: Duration = Duration::from_secs(3);

/// Where fence agents run, which belong to no group: an empty place there is nothing of a group's.
const FENCING: &str = "tsugi-fencing";

/// What kind of thing is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// A process that nothing accounts for.
    Process,
    /// A namespace that is not the host's own.
    Namespace,
    /// A control group of a group that is not there.
    Cgroup,
    /// A mount.
    Mount,
    /// A loop device.
    Loop,
    /// An address.
    Address,
    /// A link.
    Link,
    /// A socket that a group listens on, or one with a name in the file system.
    Socket,
    /// The private folder of a run.
    RunFolder,
    /// A file of the product's, or a temporary one.
    File,
    /// Something of the group that its owner must have and has not.
    Missing,
}

/// One thing that is left.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Left {
    /// On which host.
    pub host: String,
    /// What kind of thing.
    pub what: What,
    /// Which one.
    pub name: String,
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.what {
            What::Process => "process",
            What::Namespace => "namespace",
            What::Cgroup => "cgroup",
            What::Mount => "mount",
            What::Loop => "loop device",
            What::Address => "address",
            What::Link => "link",
            What::Socket => "socket",
            What::RunFolder => "run folder",
            What::File => "file",
            What::Missing => "missing",
        };
        write!(f, "{}: {word} {}", self.host, self.name)
    }
}

/// What a host has of each kind, by name; the same name twice is two.
pub type Things = BTreeMap<What, Vec<String>>;

/// What hosts have that own nothing, as the cluster stood before the first fault.
#[derive(Debug)]
pub struct Sweep {
    /// Of each host by itself.
    usual: BTreeMap<String, Things>,
    loops: BTreeSet<String>,
}

impl Sweep {
    /// Looks at a whole cluster in which nothing has happened yet.
    ///
    /// # Errors
    /// A host that cannot be looked at.
    pub fn of_whole(stage: &mut Stage) -> Result<Self, Trouble> {
        let status = stage.wait_whole()?;
        let mut usual = BTreeMap::new();
        for host in &stage.site.hosts {
            let mut things = things(host)?;
            for served in owned(stage, host, &status) {
                for (what, names) in &mut things {
                    names.retain(|name| !is_of(served, *what, name));
                }
            }
            usual.insert(host.name.clone(), things);
        }
        Ok(Self { usual, loops: kernel_tables::loops()? })
    }

    /// What is left on the hosts of a whole cluster, once whatever may take a moment had it.
    ///
    /// # Errors
    /// A host that cannot be looked at.
    pub fn left(&self, stage: &mut Stage) -> Result<Vec<Left>, Trouble> {
        let end = now() + PATIENCE;
        loop {
            let status = stage.product.status(&mut stage.site);
            match status.and_then(|status| self.look(stage, &status)) {
                Ok(left) if left.is_empty() || now() >= end => return Ok(left),
                // Whoever is asked, or looked at, may have no time for a moment.
                Err(trouble) if now() >= end => return Err(trouble),
                Ok(_) | Err(_) => thread::sleep(Duration::from_millis(100)),
            }
        }
    }

    fn look(&self, stage: &Stage, status: &Status) -> Result<Vec<Left>, Trouble> {
        let mut left = Vec::new();
        let running = everywhere();
        let nothing = Things::new();
        for host in &stage.site.hosts {
            let owned = owned(stage, host, status);
            let usual = self.usual.get(&host.name).unwrap_or(&nothing);
            let has = things(host)?;
            let mut found = beyond(&has, usual, |what, name| {
                owned.iter().filter(|served| is_of(served, what, name)).count()
            });
            found.extend(owned.iter().flat_map(|served| missing(host, &has, served)));
            found.extend(odd_processes(host, &running, &owned)?);
            let epoch =
                |served: &&Served| Some((served.group, status.group(served.group)?.epoch.as_str()));
            let epochs: Vec<(&str, &str)> = owned.iter().filter_map(epoch).collect();
            let folders = files::run_folders(host, &epochs)?.into_iter();
            found.extend(folders.map(|name| (What::RunFolder, name)));
            let on_host = |(what, name)| Left { host: host.name.clone(), what, name };
            left.extend(found.into_iter().map(on_host));
        }
        let own = kernel_tables::loops_of(&stage.site.hosts)?;
        let of_machine = |name: &String| Left {
            host: "the machine".into(),
            what: What::Loop,
            name: name.clone(),
        };
        left.extend(own.difference(&self.loops).map(of_machine));
        left.sort();
        Ok(left)
    }
}

/// The groups that a host owns.
fn owned<'a>(stage: &'a Stage, host: &Host, status: &Status) -> Vec<&'a Served> {
    let owner = |served: &&Served| {
        let owner = status.group(served.group).and_then(|group| group.owner.as_deref());
        owner == Some(host.name.as_str())
    };
    stage.groups().map(|(served, _)| served).filter(owner).collect()
}

/// What a host has, of the kinds that are compared with what it had.
fn things(host: &Host) -> Result<Things, Trouble> {
    let mut things = Things::new();
    things.insert(What::Mount, kernel_tables::mounts(host)?);
    let (links, addresses) = kernel_tables::links_and_addresses(host)?;
    things.insert(What::Link, links);
    things.insert(What::Address, addresses);
    things.insert(What::Socket, kernel_tables::sockets(host)?);
    things.insert(What::File, files::files(host)?);
    Ok(things)
}

/// What is there beyond the usual, and beyond as many as are rightful of a name.
fn beyond(
    found: &Things,
    usual: &Things,
    rightful: impl Fn(What, &str) -> usize,
) -> Vec<(What, String)> {
    let mut more = Vec::new();
    for (what, names) in found {
        let mut count: BTreeMap<&str, usize> = BTreeMap::new();
        for name in names {
            *count.entry(name).or_default() += 1;
        }
        let known = usual.get(what);
        for (name, there) in count {
            let usual = known.map_or(0, |known| known.iter().filter(|one| *one == name).count());
            let over = there.saturating_sub(usual + rightful(*what, name));
            more.extend((0..over).map(|_| (*what, name.to_owned())));
        }
    }
    more
}

/// Whether it is what a group has on its owner, once.
fn is_of(served: &Served, what: What, name: &str) -> bool {
    let mut words = name.split(' ');
    match what {
        What::Mount => words.next() == Some(data(served.volume()).as_str()),
        What::Address => {
            let held = words.nth(1).and_then(|held| held.split('/').next());
            held.and_then(|held| held.parse().ok())
                .is_some_and(|held| served.addresses.contains(&held))
        }
        What::Socket => name.ends_with(&format!(":{}", served.port)),
        What::Process
        | What::Namespace
        | What::Cgroup
        | What::Loop
        | What::Link
        | What::RunFolder
        | What::Missing => false,
        What::File => files::is_output(name),
    }
}

/// What the owner of a group must have, and has not.
fn missing(host: &Host, has: &Things, served: &Served) -> Vec<(What, String)> {
    let addresses = has.get(&What::Address).map_or(&[][..], Vec::as_slice);
    let held = |wanted: &&std::net::IpAddr| {
        let within = format!(" {wanted}/");
        addresses.iter().any(|held| held.contains(&within))
    };
    let gone = served.addresses.iter().filter(|address| !held(address));
    let volume = (!host.has_volume(served.volume())).then(|| format!("volume {}", served.volume()));
    let all = gone.map(|address| format!("address {address}")).chain(volume);
    all.map(|name| (What::Missing, name)).collect()
}

/// Processes and control groups of a host that nothing accounts for.
fn odd_processes(
    host: &Host,
    running: &[Seen],
    owned: &[&Served],
) -> Result<Vec<(What, String)>, Trouble> {
    let first = Seen::of(host.pid()?).ok_or_else(|| Trouble::off(&host.name))?;
    let top = format!("/{}", host.cgroup().file_name().unwrap_or_default().to_string_lossy());
    let rightful = |group: &str| owned.iter().any(|served| served.group == group);
    let mut odd = Vec::new();
    for seen in running {
        let inside = seen.cgroup == top || seen.cgroup.starts_with(&format!("{top}/"));
        let here = seen.namespace("pid") == first.namespace("pid");
        if !inside && !here {
            continue;
        }
        let told = format!("{} {:?} in {}", seen.pid, seen.argv.join(" "), seen.cgroup);
        let accounted = match group_of(&seen.cgroup, &top) {
            Some(Place::Top) => is_of_the_host(&seen.argv, here),
            Some(Place::Group(group)) => here && rightful(group),
            None => false,
        };
        if !accounted {
            odd.push((What::Process, told.clone()));
        }
        let foreign = first
            .namespaces
            .iter()
            .find(|(kind, space)| here && seen.namespace(kind).is_some_and(|own| own != space));
        odd.extend(foreign.map(|(kind, _)| (What::Namespace, format!("{kind} of process {told}"))));
    }
    let root = host.cgroup();
    for dir in directories(root) {
        let path = format!("{top}/{}", dir.strip_prefix(root).unwrap_or(&dir).display());
        let used = running
            .iter()
            .any(|seen| seen.cgroup == path || seen.cgroup.starts_with(&format!("{path}/")));
        let accounted = match group_of(&path, &top) {
            // The product's own places, and what is in the one of a group that is there.
            Some(Place::Top) => true,
            Some(Place::Group(FENCING)) => !used,
            Some(Place::Group(group)) => rightful(group) && used,
            None => false,
        };
        if !accounted {
            odd.push((What::Cgroup, path));
        }
    }
    Ok(odd)
}

enum Place<'a> {
    /// The host's own, or the product's own in it.
    Top,
    /// The one of a group, or in it.
    Group(&'a str),
}

/// Where a control group of a host is; none where it is not the product's.
fn group_of<'a>(cgroup: &'a str, top: &str) -> Option<Place<'a>> {
    let below = cgroup.strip_prefix(top)?;
    let mut parts = below.split('/').filter(|part| !part.is_empty());
    match (parts.next(), parts.next()) {
        (None, _) => Some(Place::Top),
        (Some(place), None) if place.starts_with("tsugi-") => Some(Place::Top),
        (Some(place), Some(group)) if place.starts_with("tsugi-") => Some(Place::Group(group)),
        (Some(_), _) => None,
    }
}

/// The host's first process and the one that waits for it, the daemons of its node, and the
/// service beside its groups, which belongs to no group.
fn is_of_the_host(argv: &[String], here: bool) -> bool {
    let word = |at: usize| argv.get(at).map_or("", String::as_str);
    match word(1) {
        "host-enter" => !here,
        "host-init" | "agent" | "guardian" | "beside" => here,
        "node" => here && word(2) == "run",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::product::{Serves, Shape};

    #[test]
    fn a_process_is_accounted_for_by_its_place_and_by_who_owns_the_group() {
        let at = |cgroup| match group_of(cgroup, "/tsl-n1") {
            Some(Place::Top) => "top".to_owned(),
            Some(Place::Group(group)) => group.to_owned(),
            None => "nowhere".to_owned(),
        };
        assert_eq!(at("/tsl-n1"), "top");
        assert_eq!(at("/tsl-n1/tsugi-1-2"), "top");
        assert_eq!(at("/tsl-n1/tsugi-1-2/counter/p7"), "counter");
        assert_eq!(at("/tsl-n1/else"), "nowhere");
        assert_eq!(at("/"), "nowhere");
        let argv = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert!(is_of_the_host(&argv("/run/bin/tsugi node run --name n1"), true));
        assert!(!is_of_the_host(&argv("/run/bin/tsugi node run --name n1"), false));
        assert!(!is_of_the_host(&argv("/run/bin/tsugi sample counter"), true));
        assert!(!is_of_the_host(&argv("sleep 1000"), true));
        assert!(!is_of_the_host(&[], true), "it has ended and nobody waited for it");
    }

    #[test]
    fn what_is_there_more_often_than_it_may_be_is_left() {
        let things = |mounts: &[&str]| {
            let mounts = mounts.iter().map(|mount| (*mount).to_owned()).collect();
            Things::from([(What::Mount, mounts)])
        };
        let usual = things(&["/ overlay"]);
        let owner = |_: What, name: &str| usize::from(name.starts_with("/var/lib/counter "));
        let nobody = |_: What, _: &str| 0;
        let volume = "/var/lib/counter ext4";
        assert!(beyond(&things(&["/ overlay", volume]), &usual, owner).is_empty());
        assert_eq!(beyond(&things(&["/ overlay", volume]), &usual, nobody).len(), 1);
        assert_eq!(beyond(&things(&[volume, volume]), &usual, owner).len(), 1, "mounted twice");
        assert_eq!(beyond(&things(&["/mnt tmpfs"]), &usual, owner)[0].1, "/mnt tmpfs");
    }

    #[test]
    fn what_a_group_has_on_its_owner_is_known_by_name() {
        let served = &Served::of(Shape::Wide, Serves::Counter)[0];
        for (what, name) in [
            (What::Mount, "/var/lib/counter ext4"),
            (What::Address, "eth0 10.77.1.100/24"),
            (What::Address, "eth1 fd77:1::100/64"),
            (What::Socket, "tcp6 fd77:1::100:9003"),
            (What::File, "/run/tsugi/agent/148-14857618842723-2.pipe"),
        ] {
            assert!(is_of(served, what, name), "{name}");
        }
        for (what, name) in [
            (What::Mount, "/var/lib/counter2 ext4"),
            (What::Address, "eth0 10.77.1.1/24"),
            (What::File, "/tmp/left"),
            (What::File, "/run/tsugi/agent/left.pipe"),
        ] {
            assert!(!is_of(served, what, name), "{name}");
        }
    }
}
