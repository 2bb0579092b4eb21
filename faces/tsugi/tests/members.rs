//! Who belongs to a cluster, with real processes on loopback addresses: it grows, shrinks, and
//! comes back from a backup.

#[path = "members/site.rs"]
mod site;

use site::Site;

#[test]
fn a_cluster_grows_to_four_voters_and_shrinks_to_three_again() {
    let mut site = Site::founded();
    let epoch = site.group("a").2;
    let file = site.configure(&["a", "b", "c", "d"]);
    site.tsugi("a", &["apply", file.to_str().unwrap()]);
    site.start("d");
    site.join("d", "a");
    site.until("four voters, as d sees it", |site| site.votes("d") == (4, 4));
    site.until("four voters, as c sees it", |site| site.votes("c") == (4, 4));

    site.tsugi("b", &["node", "leave", "d", "--reason", "it goes elsewhere"]);
    site.until("three voters", |site| site.votes("b") == (3, 3));
    site.ended("d");
    assert!(site.log("d").contains("TSUG10016-E"), "{}", site.log("d"));
    assert!(site.path("d").join("data/aside/1/ledger/ledger.db").exists(), "nothing is deleted");

    let (state, _, now) = site.group("a");
    assert_eq!((state.as_str(), now), ("running", epoch), "the group never noticed");
    let audit = site.tsugi("a", &["audit", "list", "--json"]);
    assert!(audit.contains("node join") && audit.contains("node leave"), "{audit}");
}

#[test]
fn a_node_that_dies_at_every_step_of_joining_becomes_a_voter_all_the_same() {
    let mut site = Site::founded();
    let file = site.configure(&["a", "b", "c", "d"]);
    site.tsugi("a", &["apply", file.to_str().unwrap()]);
    let token = site.token("d", "a");
    site.start("d");
    site.cut_power("d");

    site.start("d");
    site.at_last("d", &["node", "join", "--token-file", &token]);
    site.cut_power("d");

    // It has its number. The leader goes while it catches up.
    site.start("d");
    let leader = site.leader("a").expect("there is one");
    site.cut_power(&leader);
    let other = if leader == "b" { "c" } else { "b" };
    site.until("three of four are heard", |site| site.votes(other) == (4, 3));
    site.start(&leader);
    site.until("all four are heard", |site| site.votes("d") == (4, 4));

    // Once it is a voter it is one after a restart as well.
    site.cut_power("d");
    site.start("d");
    site.until("all four are heard again", |site| site.votes("d") == (4, 4));
    site.until("the group runs", |site| site.group("d").0 == "running");
}
