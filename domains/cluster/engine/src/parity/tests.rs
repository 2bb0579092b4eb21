//! What is looked up on a real file system.

use std::os::unix::fs::PermissionsExt as _;

use tsugi_cluster_rules::parity::{Wrong, differences, shortfalls};

use super::*;

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
        let known = |item: &&String| item.ends_with(&format!("/site/{name}"));
        assert!(mine.facts.keys().any(|k| known(&k)), "{name}: {:?}", mine.facts.keys());
    }
}

#[test]
fn what_is_planted_on_one_node_is_named_there_and_as_a_difference() {
    type Plant = fn(&Machine);
    let plants: [(Plant, &str, Option<Wrong>); 7] = [
        (
            |m| fs::remove_file(m.path("start")).unwrap(),
            "program:/site/start",
            Some(Wrong::Missing),
        ),
        (
            |m| m.write("stop", "#!/bin/sh\n", 0o644),
            "program:/site/stop",
            Some(Wrong::NotExecutable),
        ),
        (|m| m.write("ask", "#!/bin/sh\nexit 0\n", 0o755), "program:/site/ask", None),
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
