//! Most voters are lost: one that is left keeps the ledger alone, and those that were named lost
//! are refused when they come back.

use std::fs;

use crate::site::Site;

const LOST: [&str; 4] = ["--lost", "b", "--lost", "c"];
const REASON: [&str; 2] = ["--reason", "the other building burnt"];

/// Three nodes; b owns the group, and each of its starts is written down. The last epoch is told.
fn with_b_as_owner() -> (Site, (u64, u64)) {
    let site = Site::new();
    let note = site.path("started");
    let program = format!("echo $TSUGI_NODE >> {}; exec sleep 100000", note.display());
    let group = format!(
        "[[group.WORK.resource]]\nname = \"sleeper\"\nkind = \"process\"\n\
         run = [\"/bin/sh\", \"-c\", \"{program}\"]\n"
    );
    let file = site.configure_group(&["a", "b", "c"], &group);
    let site = site.found(&file);
    site.tsugi("a", &["group", "move", "WORK", "b", "--reason", "b is the larger one"]);
    let moved = |site: &Site| {
        let (state, owner, _) = site.group("a");
        (state.as_str(), owner.as_str()) == ("running", "b")
    };
    site.until("b runs it", moved);
    let last = site.group("a").2;
    (site, last)
}

/// Where the group was started, one node after the other. When the second voter comes it may be
/// started once more where it is: both must promise then, and the new one waits.
fn started(site: &Site) -> Vec<String> {
    let text = fs::read_to_string(site.path("started")).unwrap_or_default();
    let mut nodes: Vec<String> = text.lines().map(str::to_owned).collect();
    nodes.dedup();
    nodes
}

fn needs(site: &Site, by: &str, number: &str) -> bool {
    site.needs(by).iter().any(|id| id.contains(number))
}

/// b and c are gone without a word, and a has stopped.
fn with_a_left(site: &mut Site) {
    site.cut_power("b");
    site.cut_power("c");
    site.stop("a");
}

/// Recovers a without b and c and starts it: it keeps the ledger alone, and waits.
fn recovered(site: &mut Site) {
    let (code, said) = site.recover("a", &[&LOST[..], &REASON[..]].concat());
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("TSUG80310-W") && said.contains("b, c"), "{said}");
    site.start("a");
    site.until("a keeps it alone", |site| site.votes("a") == (1, 1));
    site.until("it waits", |site| needs(site, "a", "TSUG80317"));
    assert_ne!(site.group("a").0, "running", "nothing starts while b and c may go on");
}

/// They end by themselves, are told why, and nothing that they kept is deleted.
fn refused(site: &mut Site) {
    for node in ["b", "c"] {
        site.ended(node);
        assert!(site.log(node).contains("TSUG10016-E"), "{}", site.log(node));
        let kept = fs::read_dir(site.path(node).join("data/aside")).expect("a folder");
        let kept = kept.flatten().any(|folder| folder.path().join("ledger/ledger.db").exists());
        assert!(kept, "nothing is deleted");
        assert!(!site.path(node).join("data/ledger").exists(), "its copy votes no more");
    }
    assert_eq!(site.votes("a"), (1, 1), "they have no vote");
}

fn joined_anew(site: &mut Site) {
    for node in ["b", "c"] {
        site.start(node);
        site.join(node, "a");
    }
    site.until("all are members again", |site| {
        ["a", "b", "c"].iter().all(|node| site.votes(node) == (3, 3))
    });
}

#[test]
fn the_node_that_is_left_takes_the_work_over_once_each_lost_one_is_known_to_be_off() {
    let (mut site, last) = with_b_as_owner();
    let (code, said) = site.recover("a", &LOST);
    assert_eq!(code, Some(3), "without a reason: {said}");
    let (code, said) = site.recover("a", &[&LOST[..], &REASON[..]].concat());
    assert_eq!(code, Some(3), "its own agent runs: {said}");
    with_a_left(&mut site);
    let (code, said) = site.recover("a", &[&LOST[..], &["--dry-run"]].concat());
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("TSUG80309-I") && said.contains("copy of node a"), "{said}");
    assert!(said.contains("last heard at") && said.contains("group WORK: with b"), "{said}");
    let data = site.path("a").join("data");
    assert!(!data.join("aside").exists(), "nothing was changed");

    // One that was interrupted after it had put the old copy aside: the node does not start.
    fs::create_dir_all(data.join("aside/1")).expect("a folder");
    fs::create_dir_all(data.join("ledger.restoring")).expect("a folder");
    fs::rename(data.join("ledger"), data.join("aside/1/ledger")).expect("it is there");
    site.spawn("a");
    site.until("it says so", |site| site.log("a").contains("TSUG80318-E"));
    site.cut_power("a");
    recovered(&mut site);

    let (code, said) = site.confirm_off("a", "b", "c");
    assert!(code == Some(3) && said.contains("TSUG10586-E"), "{said}");
    let (code, said) = site.confirm_off("a", "b", "b");
    assert_eq!(code, Some(0), "{said}");
    assert!(needs(&site, "a", "TSUG80317"), "c may run it");
    assert_ne!(site.group("a").0, "running");
    let (code, said) = site.confirm_off("a", "c", "c");
    assert_eq!(code, Some(0), "{said}");
    site.until("the group runs", |site| site.group("a").0 == "running");
    let now = site.group("a").2;
    assert!(now > last, "{now:?} after {last:?}");

    // Both come back with what they had.
    site.spawn("b");
    site.spawn("c");
    refused(&mut site);
    joined_anew(&mut site);
    site.until("the group runs where it did", |site| {
        let (state, owner, epoch) = site.group("c");
        (state.as_str(), owner.as_str()) == ("running", "a") && epoch >= now
    });
    assert_eq!(started(&site), ["a", "b", "a"], "never twice");
    site.tsugi("c", &["audit", "verify"]);
    let audit = site.tsugi("c", &["audit", "list", "--json"]);
    assert!(audit.contains("recover-majority") && audit.contains(REASON[1]), "{audit}");
}

#[test]
fn lost_nodes_that_come_back_first_put_their_copies_aside_and_the_work_goes_on() {
    let (mut site, last) = with_b_as_owner();
    with_a_left(&mut site);
    recovered(&mut site);
    // Nobody has said that they are off. Together they were a majority.
    site.spawn("b");
    site.spawn("c");
    refused(&mut site);
    site.until("the group runs", |site| site.group("a").0 == "running");
    assert!(site.group("a").2 > last, "{:?} after {last:?}", site.group("a").2);
    joined_anew(&mut site);
    assert_eq!(started(&site), ["a", "b", "a"], "never twice");
}

#[test]
fn a_recovered_ledger_waits_while_the_lost_are_alive_and_nobody_can_say_that_they_are_off() {
    let (mut site, last) = with_b_as_owner();
    with_a_left(&mut site);
    let (code, said) = site.recover("a", &[&LOST[..], &REASON[..]].concat());
    assert_eq!(code, Some(0), "{said}");

    // They were only cut off: two of three go on under the ledger they have.
    site.start("b");
    site.start("c");
    site.until("the former ledger is alive", |site| site.group("c").0 == "running");
    site.start("a");
    site.until("a waits", |site| needs(site, "a", "TSUG80317"));
    site.until("a hears them", |site| {
        let nodes = site.status("a")["nodes"].as_array().cloned().unwrap_or_default();
        nodes.iter().filter(|node| node["state"] == "up").count() == 3
    });
    let (code, said) = site.confirm_off("a", "b", "b");
    assert_eq!(code, Some(3), "it is heard: {said}");
    assert_ne!(site.group("a").0, "running");
    site.until("the others go on in their life", |site| {
        let (state, _, epoch) = site.group("c");
        (state.as_str(), epoch.0) == ("running", last.0)
    });
    let alive = site.group("c").2;

    // One that is started again finds the later life, and the other, then alone, does too.
    site.stop("b");
    site.spawn("b");
    refused(&mut site);
    site.until("the group runs", |site| {
        let (state, owner, _) = site.group("a");
        (state.as_str(), owner.as_str()) == ("running", "a")
    });
    assert!(site.group("a").2 > alive, "{:?}", site.group("a").2);
}

#[test]
fn nothing_is_recovered_while_a_majority_is_there_or_one_that_was_named_answers() {
    let (mut site, last) = with_b_as_owner();
    site.cut_power("c");
    site.stop("a");
    let refused_with = |site: &Site, words: &[&str], number: &str, names: &str| {
        let (code, said) = site.recover("a", &[words, &REASON[..]].concat());
        assert_eq!(code, Some(3), "{said}");
        assert!(said.contains(number) && said.contains(names), "{said}");
    };
    refused_with(&site, &LOST, "TSUG80311-E", "named lost answer: b");
    refused_with(&site, &["--lost", "c"], "TSUG80313-E", "a, b");
    refused_with(&site, &["--lost", "x", "--lost", "c"], "TSUG80314-E", ": x");
    refused_with(&site, &["--lost", "a", "--lost", "c"], "TSUG80314-E", ": a");
    assert!(!site.path("a").join("data/aside").exists(), "nothing was changed");
    site.start("a");
    site.until("two of three go on", |site| site.votes("a") == (3, 2));
    site.until("the group runs", |site| site.group("a").0 == "running");
    assert_eq!(site.group("a").2.0, last.0, "in the same life of the ledger");
}
