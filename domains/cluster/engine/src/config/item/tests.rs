//! What of a file changes with one item, and what stays.

use super::*;
use crate::config;

const FILE: &str = r#"# The payments of two halls.

[cluster]
name = "kessai" # as in the contract

# Hall 1.
[node.n1]
address = ["10.0.1.1"]

[group.PAY]
# Never by night.
failback = "manual"   # asked for by the bank
restarts = 1

# The address of the bank.
[[group.PAY.resource]]
name = "vip"
kind = "address"
address = "10.0.0.1/24"
on = ["eth0"]
"#;

fn changed(key: &str, value: &str) -> String {
    let text = set(FILE, key, value).unwrap();
    config::read(&text).unwrap_or_else(|wrong| panic!("{key} {value}: {wrong:?}\n{text}"));
    text
}

#[test]
fn cl_41_one_item_is_set_and_nothing_else_of_the_file_is_touched() {
    let cases = [
        ("cluster.name", "tenpo", r#""kessai" #"#, r#""tenpo" #"#),
        ("node.n1.address", "10.0.1.9", r#"["10.0.1.1"]"#, r#""10.0.1.9""#),
        ("group.PAY.failback", "never", r#""manual"  "#, r#""never"  "#),
        ("group.PAY.failback", "2027-01-31 03:00", r#""manual"  "#, r#""2027-01-31 03:00"  "#),
        ("group.PAY.restarts", "2", "restarts = 1", "restarts = 2"),
        ("group.PAY.drill_every", "90d", "restarts = 1\n", "restarts = 1\ndrill_every = \"90d\"\n"),
        ("group.PAY.resource.vip.on", "[\"eth0\", \"eth1\"]", "[\"eth0\"]", "[\"eth0\", \"eth1\"]"),
        (
            "group.PAY.resource.vip.stop_limit",
            "3s",
            "[\"eth0\"]\n",
            "[\"eth0\"]\nstop_limit = \"3s\"\n",
        ),
    ];
    for (key, value, old, new) in cases {
        assert_eq!(changed(key, value), FILE.replacen(old, new, 1), "{key} {value}");
    }
}

#[test]
fn cl_41_an_item_that_is_set_to_what_it_is_leaves_the_file_as_it_is() {
    for (key, value) in [("cluster.name", "kessai"), ("group.PAY.resource.vip.on", "[\"eth0\"]")] {
        assert_eq!(set(FILE, key, value).unwrap(), FILE, "{key}");
    }
}

#[test]
fn cl_41_a_new_node_group_or_resource_is_given_as_a_table() {
    let text = set(FILE, "node.n2", r#"{ address = "10.0.1.2" }"#).unwrap();
    let text = set(&text, "witness.address", "10.0.9.9").unwrap();
    let new = r#"{ kind = "process", run = ["/opt/pay/server"], after = ["vip"] }"#;
    let text = set(&text, "group.PAY.resource.server", new).unwrap();
    let spec = config::read(&text).unwrap_or_else(|wrong| panic!("{wrong:?}\n{text}")).spec;
    assert_eq!(spec.nodes.len(), 3, "{text}");
    let resources = &spec.groups.values().next().unwrap().resources;
    assert_eq!(resources.iter().map(|r| r.name.as_str()).collect::<Vec<_>>(), ["vip", "server"]);
    for stays in FILE.lines() {
        assert!(text.lines().any(|line| line == stays), "{stays:?} is gone:\n{text}");
    }
    let away = ["group.PAY.resource.server", "witness", "node.n2"];
    let back = away.iter().fold(text, |text, key| unset(&text, key).unwrap());
    assert_eq!(config::differences(FILE, &back), []);
}

#[test]
fn cl_41_what_is_taken_away_goes_with_the_comment_right_above_it_and_no_other() {
    let without =
        FILE.replace("# Never by night.\nfailback = \"manual\"   # asked for by the bank\n", "");
    assert_eq!(unset(FILE, "group.PAY.failback").unwrap(), without);
    let parted = FILE.replace("# Never by night.", "# What was agreed:\n\n# Never by night.");
    let text = unset(&parted, "group.PAY.failback").unwrap();
    assert!(text.contains("# What was agreed:") && !text.contains("by night"), "{text}");
    let text = unset(FILE, "group.PAY.resource.vip").unwrap();
    assert!(!text.contains("bank.") && !text.contains("vip"), "{text}");
    let apart =
        FILE.replace("# The address of", "# All below is the network's.\n\n# The address of");
    let text = unset(&apart, "group.PAY.resource.vip").unwrap();
    assert!(text.ends_with("# All below is the network's.\n\n"), "{text}");
}

#[test]
fn cl_41_a_list_that_stands_in_one_value_is_changed_by_name_as_well() {
    let text = "[group.G]\nresource = [{ name = \"a\", kind = \"process\" }, { name = \"b\" }]\n";
    let set_ = set(text, "group.G.resource.a.kind", "ocf").unwrap();
    assert_eq!(set_, text.replace("process", "ocf"));
    let new = set(text, "group.G.resource.c", "{ kind = \"ocf\" }").unwrap();
    assert!(config::differences(text, &new).len() == 2, "{new}");
    let gone = unset(text, "group.G.resource.b").unwrap();
    assert_eq!(config::differences(text, &gone).len(), 1, "{gone}");
}

#[test]
fn cl_41_what_has_no_place_in_the_file_is_refused() {
    let cases = [
        (set(FILE, "cluster.name.first", "x"), NoItem::NoPlace),
        (set(FILE, "group.PAY.resource.vip", "x"), NoItem::NoPlace),
        (set(FILE, "", "x"), NoItem::NoKey),
        (set(FILE, "group..x", "x"), NoItem::NoKey),
        (set("[cluster", "cluster.name", "x"), NoItem::Unreadable),
        (unset(FILE, "group.PAY.after"), NoItem::NoPlace),
        (unset(FILE, "group.PAY.resource.db"), NoItem::NoPlace),
        (unset(FILE, "cluster.name.first"), NoItem::NoPlace),
    ];
    for (number, (said, why)) in cases.into_iter().enumerate() {
        assert_eq!(said, Err(why), "case {number}");
    }
}

#[test]
fn ph_14_a_monitor_of_a_list_is_set_by_its_name_and_taken_away() {
    let server = "{ kind = \"process\", run = [\"/opt/server\"] }";
    let text = changed("group.PAY.resource.server", server);
    let set = |text: &str, key: &str, value: &str| {
        let text = set(text, key, value).unwrap();
        config::read(&text).unwrap_or_else(|wrong| panic!("{key} {value}: {wrong:?}\n{text}"));
        text
    };
    let port = "group.PAY.resource.server.monitor.port";
    let text = set(&text, port, "{ check = { tcp = \"127.0.0.1:80\" } }");
    let text = set(&text, &format!("{port}.every"), "2s");
    let heading = "[[group.PAY.resource.monitor]]\nname = \"port\"\n";
    assert!(text.contains(heading) && text.contains("every = \"2s\""), "{text}");
    let page = "group.PAY.resource.server.monitor.page";
    let both = set(&text, page, "{ check = [\"/opt/ok\"], action = \"notify\" }");
    let one = unset(&both, page).unwrap();
    assert_eq!(config::read(&one).unwrap().spec, config::read(&text).unwrap().spec);
    let short = changed("group.PAY.resource.server", server);
    let short = set(&short, "group.PAY.resource.server.monitor.tcp", "127.0.0.1:80");
    assert!(!short.contains("[[group.PAY.resource.monitor]]"), "{short}");
}
