//! What is looked up on a real file system.

use std::os::unix::fs::PermissionsExt as _;

use tsugi_cluster_rules::parity::{Wrong, differences, shortfalls};

use super::*;
use crate::config;

/// A node whose files are in a folder of their own.
struct Machine(tempfile::TempDir);

const PLACES: [&str; 6] = ["start", "stop", "ask", "table", "image", "data"];

impl Machine {
    fn new() -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        for name in ["start", "stop", "ask"] {
            machine.write(name, "#!/bin/sh\n", 0o755);
        }
        machine.write("table", "1,2,3\n", 0o644);
        machine.write("image", "0000", 0o600);
        fs::create_dir(machine.path("data")).unwrap();
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str, mode: u32) {
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Its inventory, its folder called `/site` as on every node.
    fn inventory(&self, me: &str) -> Inventory {
        let folder = self.0.path().display().to_string();
        let text = format!(
            r#"
[cluster]
name = "kessai"
[node.node1]
address = "10.0.0.1"
[node.node2]
address = "10.0.0.2"
[witness]
address = "10.0.0.3"
[group.PAY]
prefer = ["node1", "node2"]
fence = "self"
[[group.PAY.resource]]
name = "disk"
kind = "volume"
source = "{folder}/image"
mount = "{folder}/data"
[[group.PAY.resource]]
name = "batch"
kind = "process"
start = ["{folder}/start", "{folder}/table"]
stop = ["{folder}/stop"]
user = "root"
monitor = ["{folder}/ask"]
"#
        );
        let read = config::read(&text).expect("the file is right");
        let me = NodeName::new(me).unwrap();
        let looked = look((&read.spec, "h"), &me, |_| Asked::Yes);
        let json = serde_json::to_string(&looked).unwrap().replace(&folder, "/site");
        serde_json::from_str(&json).unwrap()
    }
}

#[test]
fn two_nodes_that_have_the_same_lack_nothing_and_differ_in_nothing() {
    let (mine, theirs) = (Machine::new().inventory("node1"), Machine::new().inventory("node2"));
    assert_eq!(shortfalls(&mine), []);
    assert_eq!(differences(&mine, &theirs), []);
    for name in PLACES {
        let known = |item: &&String| {
            let item = item.strip_suffix(" (root)").unwrap_or(item);
            item.ends_with(&format!("/site/{name}"))
        };
        assert!(mine.facts.keys().any(|k| known(&k)), "{name}: {:?}", mine.facts.keys());
    }
}

#[test]
fn what_is_planted_on_one_node_is_named_there_and_as_a_difference() {
    type Plant = fn(&Machine);
    let plants: [(Plant, &str, Option<Wrong>); 7] = [
        (
            |m| fs::remove_file(m.path("start")).unwrap(),
            "program:/site/start (root)",
            Some(Wrong::Missing),
        ),
        (
            |m| m.write("stop", "#!/bin/sh\n", 0o644),
            "program:/site/stop (root)",
            Some(Wrong::NotExecutable),
        ),
        (|m| m.write("ask", "#!/bin/sh\nexit 0\n", 0o755), "program:/site/ask (root)", None),
        (|m| m.write("table", "1,2,4\n", 0o644), "file:/site/table", None),
        (|m| fs::remove_file(m.path("image")).unwrap(), "device:/site/image", Some(Wrong::Missing)),
        (|m| m.write("image", "00000000", 0o600), "device:/site/image", None),
        (|m| fs::remove_dir(m.path("data")).unwrap(), "mount:/site/data", Some(Wrong::Missing)),
    ];
    let good = Machine::new().inventory("node2");
    for (plant, item, lacks) in plants {
        let machine = Machine::new();
        plant(&machine);
        let mine = machine.inventory("node1");
        let found: Vec<(String, Wrong)> =
            shortfalls(&mine).into_iter().map(|gap| (gap.item, gap.what)).collect();
        assert_eq!(
            found,
            lacks.map(|what| (item.to_owned(), what)).into_iter().collect::<Vec<_>>()
        );
        let differ: Vec<String> =
            differences(&mine, &good).into_iter().map(|gap| gap.item).collect();
        assert_eq!(differ, [item]);
    }
}

#[test]
fn a_file_that_not_everybody_may_read_and_one_that_is_large_are_told_without_their_content() {
    let mark = |machine: &Machine, name: &str| match content(&machine.path(name)).unwrap() {
        Fact::There { mark } => mark,
        other => panic!("{other:?}"),
    };
    let machine = Machine::new();
    assert_eq!(mark(&machine, "table").len(), 64);
    machine.write("table", "secret", 0o640);
    let of_secret = mark(&machine, "table");
    assert!(of_secret.starts_with("not read: 6 bytes, "), "{of_secret}");
    assert!(of_secret.ends_with(", 0640"), "{of_secret}");
    machine.write("table", "SECRET", 0o640);
    assert_eq!(mark(&machine, "table"), of_secret, "the content is in nothing that is printed");
    let large = File::create(machine.path("large")).unwrap();
    fs::set_permissions(machine.path("large"), fs::Permissions::from_mode(0o644)).unwrap();
    large.set_len(MOST_READ).unwrap();
    assert_eq!(mark(&machine, "large").len(), 64);
    large.set_len(MOST_READ + 1).unwrap();
    let of_large = mark(&machine, "large");
    assert!(of_large.contains(&format!("{} bytes, modified ", MOST_READ + 1)), "{of_large}");
}

#[test]
fn a_fence_agent_is_looked_for_where_a_fence_looks_for_it() {
    let places: Vec<&str> = PATH.split(':').collect();
    let name = places.iter().find_map(|place| {
        let mut all = fs::read_dir(place).ok()?.flatten();
        all.find_map(|entry| match program(&entry.path(), None) {
            Ok(Fact::There { .. }) => entry.file_name().into_string().ok(),
            _ => None,
        })
    });
    let name = name.expect("some program is on the path");
    assert!(matches!(fence(&name), Ok(Fact::There { .. })), "{name}");
    assert_eq!(fence("no-such-fence-agent").unwrap(), Fact::Missing);
}

#[test]
fn a_program_that_its_own_user_may_not_run_is_not_executable() {
    let machine = Machine::new();
    let start = machine.path("start");
    let whose = |mode| {
        machine.write("start", "#!/bin/sh\n", mode);
        ["root", "nobody"].map(|user| program(&start, Some(user)).unwrap())
    };
    let runs = |fact: &Fact| matches!(fact, Fact::There { .. });
    assert!(whose(0o755).iter().all(runs));
    // The owner may, and nobody is not the owner.
    let [root, nobody] = whose(0o744);
    assert!(runs(&root), "{root:?}");
    assert_eq!(nobody, Fact::NotExecutable);
    assert_eq!(whose(0o644), [Fact::NotExecutable, Fact::NotExecutable]);
}
