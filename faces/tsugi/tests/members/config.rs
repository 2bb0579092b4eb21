//! The configuration on real nodes: changed item by item, applied on all of them or on none, and
//! not before they have looked. And what all of them show of how everything stands.

use serde_json::Value;

use crate::site::Site;

/// Version, hash and text of the configuration that a node shows.
fn applied(site: &Site, node: &str) -> (u64, String, String) {
    let shown = site.tsugi(node, &["config", "show", "--json"]);
    let shown: Value = serde_json::from_str(&shown).expect("it is JSON");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let version = shown["head"]["version"].as_u64().expect("a number");
    (version, text(&shown["head"]["hash"]), text(&shown["text"]))
}

fn set(site: &Site, key: &str, value: &str) -> String {
    let file = site.path("tsugi.toml");
    let file = file.to_str().expect("plain").to_owned();
    site.tsugi("a", &["config", "set", key, value, "--file", &file]);
    file
}

#[test]
fn cl_41_an_item_that_is_set_by_command_is_applied_on_all_nodes_or_on_none() {
    let mut site = Site::founded();
    let file = set(&site, "group.WORK.restarts", "2");
    assert_eq!(applied(&site, "a").0, 1, "a file is only a proposal");
    site.tsugi("b", &["apply", &file]);
    let now = applied(&site, "b");
    assert_eq!(now.0, 2);
    assert!(now.2.contains("restarts = 2"), "{}", now.2);
    site.until("all nodes have it", |site| {
        ["a", "b", "c"].iter().all(|node| applied(site, node) == now)
    });

    // A node that is alone cannot apply anything, also not on itself.
    site.cut_power("b");
    site.cut_power("c");
    site.until("a is alone", |site| site.votes("a").1 == 1);
    set(&site, "group.WORK.restarts", "3");
    let (code, _, said) = site.ask("a", &["apply", &file]);
    assert_eq!(code, Some(7), "{said}");
    site.start("b");
    site.until("b is back", |site| site.votes("a").1 == 2 && site.votes("b").1 == 2);
    for node in ["a", "b"] {
        assert_eq!(applied(&site, node), now, "{node}");
    }
}

#[test]
fn ph_16_the_nodes_look_before_a_configuration_is_applied() {
    let site = Site::founded();
    let file = set(&site, "group.WORK.resource.sleeper.run", "[\"/nonexistent/sleep\"]");
    let (code, _, said) = site.ask("a", &["apply", &file]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("TSUG10646-E"), "{said}");
    for node in ["a", "b"] {
        let missing = format!("node {node} could not take group WORK");
        assert!(said.contains(&missing) && said.contains("/nonexistent/sleep"), "{said}");
    }
    assert_eq!(applied(&site, "a").0, 1);
    let (code, _, said) = site.ask("a", &["apply", &file, "--unverified"]);
    assert_eq!(code, Some(3), "a reason is missing: {said}");
    site.tsugi("a", &["apply", &file, "--unverified", "--reason", "it comes tonight"]);
    assert_eq!(applied(&site, "a").0, 2);
}

#[test]
fn cl_36_every_node_lists_everything_and_a_way_that_is_dead_is_told() {
    let mut site = Site::founded();
    let listing = |site: &Site, node: &str| site.status(node)["listing"].clone();
    let words = |rows: &Value| -> Vec<String> {
        let rows = rows.as_array().cloned().unwrap_or_default();
        rows.iter().map(|row| row["status"].as_str().unwrap_or_default().to_owned()).collect()
    };
    site.until("all is well as all see it", |site| {
        ["a", "b", "c"].iter().all(|node| {
            let seen = listing(site, node);
            words(&seen["heartbeats"]) == ["normal", "normal"]
                && words(&seen["nodes"]) == ["online", "online", "online"]
                && words(&seen["groups"]) == ["online"]
                && words(&seen["resources"]) == ["online", "offline", "unused"]
                && words(&seen["monitors"]) == ["normal", "offline", "unused"]
        })
    });
    site.cut_power("c");
    site.until("nothing of c comes any more", |site| {
        let seen = listing(site, "a");
        words(&seen["heartbeats"]) == ["normal", "error"]
            && words(&seen["nodes"]) == ["online", "online", "offline"]
            && words(&seen["resources"])[..2] == ["online", "offline"]
    });
    let long = site.ask("a", &["status", "--long"]).1;
    assert!(long.contains("Offline") && long.contains("heartbeat of"), "{long}");
}
