//! Clusters of real processes on loopback addresses. Who belongs: a cluster grows, shrinks, and
//! comes back from a backup.

#[path = "members/config.rs"]
mod config;
#[path = "members/drills.rs"]
mod drills;
#[path = "members/drills_beside.rs"]
mod drills_beside;
#[path = "members/failure_tests.rs"]
mod failure_tests;
#[path = "members/fencing.rs"]
mod fencing;
#[path = "members/figures.rs"]
mod figures;
#[path = "members/guides.rs"]
mod guides;
#[path = "members/majority.rs"]
mod majority;
#[path = "members/manager.rs"]
mod manager;
#[path = "members/monitors.rs"]
mod monitors;
#[path = "members/ocf.rs"]
mod ocf;
#[path = "members/regions.rs"]
mod regions;
#[path = "members/scripts.rs"]
mod scripts;
#[path = "members/shared_disk.rs"]
mod shared_disk;
#[path = "members/shares.rs"]
mod shares;
#[path = "members/site.rs"]
mod site;
#[path = "members/stretch.rs"]
mod stretch;
#[path = "members/watched.rs"]
mod watched;

use site::Site;

#[test]
fn a_cluster_grows_to_four_voters_and_shrinks_to_three_again() {
    let mut site = Site::founded();
    let epoch = site.group("a").2;
    let file = site.configure(&["a", "b", "c", "d"]);
    site.tsugi("a", &["apply", file.to_str().unwrap()]);
    site.start("d");
    // Not by the node that founded the cluster, which may be gone for good.
    site.join("d", "b");
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
    assert!(audit.contains("\"words\": \"tsugi init"), "it begins with the founding: {audit}");
    assert!(audit.contains("node join") && audit.contains("node leave"), "{audit}");
}

#[test]
fn who_has_just_founded_a_cluster_is_given_a_token_at_once_and_nobody_is_before() {
    let mut site = Site::new();
    let file = site.configure(&["a", "b", "c"]);
    site.start("a");
    let (code, _, err) = site.ask("a", &["node", "token", "b"]);
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("TSUG10020-W"), "there is no cluster to join: {err}");
    site.tsugi("a", &["init", file.to_str().expect("plain")]);
    site.tsugi("a", &["node", "token", "b"]);
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
    let leader = site.leader("a");
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

const REASON: [&str; 2] = ["--reason", "the ledger was spoiled"];

/// A founded site with a backup, after which the group has gone on under a later epoch; all
/// stopped. The last epoch is told.
fn with_a_backup_and_stopped() -> (Site, (u64, u64)) {
    let mut site = Site::founded();
    let backup = site.path("backup");
    site.tsugi("a", &["backup", backup.to_str().expect("plain")]);
    site.tsugi("a", &["group", "move", "WORK", "b", "--reason", "after the backup"]);
    let moved = |site: &Site| {
        let (state, owner, _) = site.group("c");
        (state.as_str(), owner.as_str()) == ("running", "b")
    };
    site.until("b runs it", moved);
    let last = site.group("c").2;
    let (code, said) = site.restore("a", &REASON);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("TSUG"), "its own agent runs: {said}");
    site.stop("a");
    let (code, said) = site.restore("a", &REASON);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("TSUG80305-E") && said.contains("b, c"), "{said}");
    site.stop("b");
    site.stop("c");
    (site, last)
}

#[test]
fn a_restored_ledger_gives_out_no_epoch_that_was_seen_and_its_voters_come_in_again() {
    let (mut site, last) = with_a_backup_and_stopped();
    let (code, said) = site.restore("a", &["--dry-run"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("TSUG80303-I"), "{said}");
    assert!(!site.path("a").join("data/aside").exists(), "nothing was changed");

    // A restore that was interrupted after it had put the old copy aside.
    let data = site.path("a").join("data");
    std::fs::create_dir_all(data.join("aside/1")).unwrap();
    std::fs::rename(data.join("ledger"), data.join("aside/1/ledger")).unwrap();
    let (code, said) = site.restore("a", &REASON);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("TSUG80304-W") && said.contains("b, c"), "{said}");

    site.start("a");
    site.until("a keeps it alone", |site| site.votes("a") == (1, 1));
    site.until("it waits", |site| site.needs("a").iter().any(|id| id.contains("TSUG80308")));
    assert_ne!(site.group("a").0, "running", "nothing starts while b and c may go on");

    site.start("b");
    site.until("b has come in", |site| site.votes("b") == (2, 2));
    site.until("the group runs", |site| site.group("b").0 == "running");
    assert!(site.group("b").2 > last, "{:?} after {last:?}", site.group("b").2);
    assert!(site.log("b").contains("TSUG80302-W"), "{}", site.log("b"));
    assert!(site.path("b").join("data/aside/1/ledger/ledger.db").exists(), "nothing is deleted");

    site.start("c");
    // Of the former ledger, too, it knows three voters and hears them, until it puts it aside.
    site.until("c has come in", |site| {
        site.log("c").contains("TSUG80302-W") && site.votes("c") == (3, 3)
    });
    assert!(site.needs("c").is_empty(), "{:?}", site.needs("c"));
    site.tsugi("c", &["audit", "verify"]);
    let audit = site.tsugi("c", &["audit", "list", "--json"]);
    assert!(audit.contains("tsugi restore") && audit.contains("the ledger was spoiled"), "{audit}");
}

#[test]
fn a_restored_ledger_starts_nothing_while_the_former_one_is_alive() {
    let (mut site, last) = with_a_backup_and_stopped();
    let (code, said) = site.restore("a", &REASON);
    assert_eq!(code, Some(0), "{said}");

    // The others are started before it: two of three go on under the ledger they have.
    site.start("b");
    site.start("c");
    site.until("the former ledger is alive", |site| site.group("c").0 == "running");
    let alive = site.group("c").2;
    assert_eq!(alive.0, last.0, "of the same life");
    site.start("a");
    site.until("a waits", |site| site.needs("a").iter().any(|id| id.contains("TSUG80308")));
    assert_ne!(site.group("a").0, "running");
    assert_eq!(site.group("c").2, alive, "the others go on");

    // At its next start b finds the later life, and c, then alone, does too.
    site.stop("b");
    site.start("b");
    site.until("all have come in", |site| site.votes("a") == (3, 3));
    site.until("the group runs", |site| site.group("c").0 == "running");
    assert!(site.group("c").2 > alive, "{:?}", site.group("c").2);
}

#[test]
fn a_lost_machine_is_taken_out_of_a_restored_ledger_and_refused_when_it_returns() {
    let (mut site, last) = with_a_backup_and_stopped();
    let (code, said) = site.restore("a", &REASON);
    assert_eq!(code, Some(0), "{said}");
    site.start("a");
    site.until("it waits", |site| site.needs("a").iter().any(|id| id.contains("TSUG80308")));
    site.at_last("a", &["node", "leave", "b", "--reason", "its machine is scrap"]);
    site.until("the group runs", |site| site.group("a").0 == "running");
    assert!(site.group("a").2 > last, "{:?}", site.group("a").2);

    site.spawn("b");
    site.ended("b");
    assert!(site.log("b").contains("TSUG10016-E"), "{}", site.log("b"));
    assert!(site.path("b").join("data/aside/1/ledger/ledger.db").exists(), "nothing is deleted");
    assert_eq!(site.votes("a"), (1, 1), "and has no vote");
}
