//! Two machines made of files: every difference is planted alone, and named.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tsugi_cluster_rules::parity::{Answered, Could, Verdict, could, verdicts};
use tsugi_cluster_rules::record::{FenceFault, LinkState};
use tsugi_cluster_rules::spec::ClusterSpec;
use tsugi_host::discipline::Discipline;
use tsugi_vocabulary::{GroupName, Wall};

use super::*;
use crate::config;

mod plants;
mod regions;

const DAY_MS: u64 = 24 * 3_600_000;
const AT: Wall = Wall(1_795_237_119_123);

const FILE: &str = r#"
[cluster]
name = "kessai"
[node.node1]
address = "10.0.0.1"
fence = { agent = "fence_site", ip = "10.1.0.1", secret = "file:/etc/bmc" }
[node.node2]
address = "10.0.0.2"
fence = { agent = "fence_site", ip = "10.1.0.2", secret = "file:/etc/bmc" }
[witness]
address = "10.0.0.3"
[group.PAY]
prefer = ["node1", "node2"]
[[group.PAY.resource]]
name = "vip"
kind = "address"
address = "10.0.0.9/24"
on = ["eth0"]
[[group.PAY.resource]]
name = "disk"
kind = "volume"
source = "/srv/pay.img"
mount = "/data"
[[group.PAY.resource]]
name = "share"
kind = "volume"
mount = "/share"
[[group.PAY.resource]]
name = "batch"
kind = "process"
start = ["/opt/start", "/etc/table", "pay.service"]
stop = ["/opt/stop"]
user = "pay"
monitor = ["/opt/ask"]
[[group.PAY.resource]]
name = "db"
kind = "ocf"
agent = "ocf:heartbeat:pgsql"
[[group.PAY.resource]]
name = "queue"
kind = "unit"
unit = "queue@1.service"
"#;

/// What is on every machine: path, text, mode.
const FILES: [(&str, &str, u32); 22] = [
    ("/opt/start", "#!/bin/sh\n", 0o755),
    ("/opt/stop", "#!/bin/sh\n", 0o755),
    ("/opt/ask", "#!/bin/sh\n", 0o755),
    ("/etc/table", "1,2,3\n", 0o644),
    ("/etc/bmc", "secret", 0o600),
    ("/etc/passwd", "pay 500 600 payers\n", 0o644),
    ("/etc/localtime", "JST-9", 0o644),
    ("/etc/on-time", "", 0o644),
    ("/etc/systemd/system/pay.service", "[Service]\n", 0o644),
    ("/usr/lib/systemd/system/queue@.service", "[Service]\n", 0o644),
    ("/usr/lib/ocf/resource.d/heartbeat/pgsql", "#!/bin/sh\n", 0o755),
    ("/usr/sbin/fence_site", "#!/bin/sh\n", 0o755),
    ("/sbin/e2fsck", "1.47", 0o755),
    ("/sbin/xfs_repair", "6.1", 0o755),
    ("/srv/pay.img", "0000", 0o600),
    ("/share/free", "60", 0o644),
    ("/sys/dev/block/8:1/device/wwid", "naa.5001\n", 0o444),
    ("/var/lib/tsugi/free", "60", 0o644),
    ("/run/tsugi/free", "60", 0o644),
    ("/proc/sys/kernel/osrelease", "6.1.0-20-amd64\n", 0o644),
    ("/proc/self/mountinfo", MOUNTS, 0o644),
    ("/proc/7/limits", LIMITS, 0o644),
];

const MOUNTS: &str = "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
    32 21 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";

const LIMITS: &str = "Limit                     Soft Limit           Hard Limit           Units\n\
    Max stack size            8388608              unlimited            bytes\n\
    Max processes             31000                31000                processes\n\
    Max open files            1024                 524288               files\n\
    Max locked memory         8388608              8388608              bytes\n\
    Max realtime priority     50                   50\n";

const PACKAGES: [(&str, &str); 4] = [
    ("e2fsprogs", "1.47.0-2"),
    ("xfsprogs", "6.1.0-1"),
    ("resource-agents", "1:4.12.0-2"),
    ("fence-agents", "4.12.1-2"),
];

/// A machine whose files are in a folder of their own, and what the agent of its node knows.
struct Site {
    folder: tempfile::TempDir,
    own: Own,
    ahead_ms: i64,
}

fn node(name: &str) -> NodeName {
    NodeName::new(name).unwrap()
}

fn pay() -> GroupName {
    GroupName::new("PAY").unwrap()
}

fn spec() -> ClusterSpec {
    config::read(FILE).expect("the file is right").spec
}

impl Site {
    fn new(me: &str, other: &str) -> Self {
        let own = Own {
            me: node(me),
            at: AT,
            links: BTreeMap::from([("eth0".to_owned(), LinkState::Up)]),
            devices: BTreeMap::from([(node(other), Device::Well)]),
            authority: "ab12".to_owned(),
            certificate_until: Some(Wall(AT.0 + 300 * DAY_MS)),
            self_fence: "watchdog".to_owned(),
            version: "0.1.0 x86_64".to_owned(),
            data: "/var/lib/tsugi".into(),
            runs: "/run/tsugi".into(),
            owns: (me == "node1").then(pay).into_iter().collect(),
        };
        let site = Self { folder: tempfile::tempdir().unwrap(), own, ahead_ms: 0 };
        for (path, text, mode) in FILES {
            site.write(path, text, mode);
        }
        site.packages(&PACKAGES);
        fs::create_dir(site.path("/data")).unwrap();
        site
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.folder.path().join(path.strip_prefix('/').unwrap())
    }

    fn write(&self, path: &str, text: &str, mode: u32) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn link(&self, to: &str, path: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(to, path).unwrap();
    }

    fn remove(&self, path: &str) {
        fs::remove_file(self.path(path)).unwrap();
    }

    fn packages(&self, all: &[(&str, &str)]) {
        let part = |(name, version): &(&str, &str)| {
            format!("Package: {name}\nStatus: install ok installed\nVersion: {version}\n")
        };
        let parts: Vec<String> = all.iter().map(part).collect();
        self.write("/var/lib/dpkg/status", &parts.join("\n"), 0o644);
    }

    fn package(&self, name: &str, version: Option<&str>) {
        let its = |(known, usual): &(&'static str, &'static str)| match *known == name {
            true => version.map(|version| (*known, version.to_owned())),
            false => Some((*known, (*usual).to_owned())),
        };
        let all: Vec<(&str, String)> = PACKAGES.iter().filter_map(its).collect();
        let all: Vec<(&str, &str)> = all.iter().map(|(n, v)| (*n, v.as_str())).collect();
        self.packages(&all);
    }

    fn limit(&self, from: &str, to: &str) {
        assert!(LIMITS.contains(from), "{from}");
        self.write("/proc/7/limits", &LIMITS.replace(from, to), 0o644);
    }

    fn mounted(&self, line: &str) {
        self.write("/proc/self/mountinfo", &format!("{MOUNTS}{line}\n"), 0o644);
    }

    fn machine(&self) -> Machine {
        Machine {
            root: self.folder.path().to_path_buf(),
            hands: 7,
            user: |root, name| account(root, name),
            free: |path| {
                if !path.is_dir() {
                    return Ok(60);
                }
                let text = fs::read_to_string(path.join("free"))?;
                text.parse().map_err(io::Error::other)
            },
            discipline: |root| match root.join("etc/on-time").exists() {
                true => Ok(Discipline::Synchronised),
                false => Ok(Discipline::Free),
            },
        }
    }

    fn look(&self) -> tsugi_cluster_rules::parity::Inventory {
        look((&spec(), "h"), &self.machine(), &self.own, &mut Hashes::default())
    }

    fn answered(&self) -> Answered {
        Answered::Told { inventory: Box::new(self.look()), ahead_ms: self.ahead_ms }
    }
}

fn account(root: &Path, name: &str) -> io::Result<Option<Account>> {
    let text = fs::read_to_string(root.join("etc/passwd"))?;
    let mut words = text.split_whitespace();
    if words.next() != Some(name) {
        return Ok(None);
    }
    let mut number = || words.next().and_then(|word| word.parse().ok()).expect("a number");
    let (uid, gid) = (number(), number());
    Ok(Some(Account { uid, gid, group: words.next().map(str::to_owned) }))
}

/// What is made of two machines, where node1 runs the group.
fn judged(one: &Site, two: &Site) -> [Verdict; 2] {
    let answers = [one, two].map(|site| (site.own.me.clone(), site.answered()));
    let owner = node("node1");
    let all = verdicts((&spec(), "h"), &answers.into(), |_| Some(&owner));
    all.try_into().expect("one for each node")
}

fn pair() -> (Site, Site) {
    (Site::new("node1", "node2"), Site::new("node2", "node1"))
}

#[test]
fn two_nodes_that_have_the_same_could_both_take_the_group_and_nothing_is_named() {
    let (one, two) = pair();
    for verdict in judged(&one, &two) {
        assert_eq!(verdict.gaps, [], "{}", verdict.node);
        assert_eq!(could(&verdict.gaps), Could::Yes);
    }
    let looked = one.look();
    let unreadable = looked
        .facts
        .iter()
        .filter(|(_, fact)| matches!(fact, tsugi_cluster_rules::parity::Fact::Unreadable { .. }));
    assert_eq!(unreadable.count(), 0, "{:?}", looked.facts);
}

#[test]
fn a_volume_that_its_owner_has_mounted_is_where_it_should_be() {
    let (one, two) = pair();
    one.mounted("40 21 7:0 / /data rw - ext4 /dev/loop0 rw");
    one.write("/sys/block/loop0/loop/backing_file", "/srv/pay.img\n", 0o444);
    one.write("/data/rows", "1", 0o600);
    assert!(judged(&one, &two).iter().all(|verdict| verdict.gaps.is_empty()));
}

#[test]
fn no_word_of_a_file_that_not_everybody_may_read_is_in_an_inventory() {
    let (one, _) = pair();
    one.write("/etc/table", "top secret", 0o640);
    let first = serde_json::to_string(&one.look()).unwrap();
    one.write("/etc/table", "TOP SECRET", 0o640);
    let second = serde_json::to_string(&one.look()).unwrap();
    assert!(first == second, "its content is in nothing that is told");
    assert!(first.contains("not read: 10 bytes 0640"), "{first}");
}

#[test]
fn a_file_is_read_again_only_when_it_was_written_since() {
    let (one, _) = pair();
    let (spec, mut hashes) = (spec(), Hashes::default());
    let mut marks = || {
        let looked = look((&spec, "h"), &one.machine(), &one.own, &mut hashes);
        looked.facts["file:/etc/table"].clone()
    };
    let first = marks();
    assert_eq!(marks(), first);
    one.write("/etc/table", "1,2,4\n", 0o644);
    assert_ne!(marks(), first, "as long as before, and written since");
}

#[test]
fn a_program_that_its_own_user_may_not_run_is_not_executable() {
    use super::content::program;
    use tsugi_cluster_rules::parity::Fact;
    let (one, _) = pair();
    let account = |uid| Account { uid, gid: uid, group: None };
    let whose = |mode| {
        one.write("/opt/start", "#!/bin/sh\n", mode);
        let path = one.path("/opt/start");
        let run = |uid| program(&mut Hashes::default(), &path, Some(&account(uid))).unwrap();
        [run(0), run(65_534)]
    };
    let runs = |fact: &Fact| matches!(fact, Fact::There { .. });
    assert!(whose(0o755).iter().all(runs));
    let [root, nobody] = whose(0o744);
    assert!(runs(&root), "{root:?}");
    assert_eq!(nobody, Fact::NotExecutable);
    assert_eq!(whose(0o644), [Fact::NotExecutable, Fact::NotExecutable]);
}

#[test]
fn a_pipe_in_the_place_of_a_file_is_not_waited_for() {
    use tsugi_cluster_rules::parity::Fact;
    let (one, _) = pair();
    for path in ["/var/lib/dpkg/status", "/etc/table"] {
        one.remove(path);
        nix::unistd::mkfifo(&one.path(path), nix::sys::stat::Mode::from_bits_truncate(0o644))
            .unwrap();
    }
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let looked = one.look();
        // The test does not wait for this thread, only for what it says: its folder goes before.
        drop(one);
        let _unheard = tell.send(looked);
    });
    let looked = told.recv_timeout(std::time::Duration::from_secs(60)).expect("it ends");
    let unread = &looked.facts["package:fence-agents"];
    assert!(matches!(unread, Fact::Unreadable { .. }), "{unread:?}");
}

#[test]
fn this_machine_is_looked_at_where_it_is() {
    let (one, _) = pair();
    let machine = Machine { hands: std::process::id(), ..Machine::here() };
    let looked = look((&spec(), "h"), &machine, &one.own, &mut Hashes::default());
    let there = |item: &str| {
        let fact = &looked.facts[item];
        assert!(matches!(fact, tsugi_cluster_rules::parity::Fact::There { .. }), "{item} {fact:?}");
    };
    ["limit:nofile", "limit:stack", "kernel:release", "clock:synchronised"]
        .into_iter()
        .for_each(there);
}

#[test]
fn ph_16_a_disk_that_is_not_the_same_on_both_nodes_is_named() {
    let (one, two) = pair();
    for site in [&one, &two] {
        site.mounted("41 21 0:44 / /srv rw - nfs4 files:/export rw");
    }
    assert!(judged(&one, &two).iter().all(|verdict| verdict.gaps.is_empty()), "it is shared");
    two.mounted("41 21 8:16 / /srv rw - ext4 /dev/sdb rw");
    two.write("/sys/dev/block/8:16/serial", "QM0001\n", 0o444);
    let [_, standby] = judged(&one, &two);
    let told = message(&standby.gaps[0], (&standby.node, &node("node1")));
    let text = told.line(tsugi_messages::Language::En);
    assert!(text.contains("QM0001") && text.contains("files:/export"), "{text}");
    assert_eq!(could(&standby.gaps), Could::No);
}

#[test]
fn ph_16_a_link_that_no_configuration_has_named_yet_is_looked_up() {
    use tsugi_cluster_rules::parity::Fact;
    let (mut one, _) = pair();
    one.own.links.clear();
    let fact = |site: &Site| site.look().facts["link:eth0"].clone();
    assert_eq!(fact(&one), Fact::Missing);
    one.write("/sys/class/net/eth0/carrier", "1\n", 0o444);
    assert_eq!(fact(&one), Fact::There { mark: "carries".to_owned() });
    one.remove("/sys/class/net/eth0/carrier");
    assert_eq!(fact(&one), Fact::NoCarrier, "it is set down");
}
