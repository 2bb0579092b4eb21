//! Two nodes that keep their ledger on a disk which both see, and no third machine.

use std::fs;
use std::path::PathBuf;

use nix::sys::signal::{Signal, kill};

use crate::site::Site;

/// Enough for the ledger of two nodes.
const DISK: u64 = 96 << 20;

/// Nodes a and b with one group, and an empty disk.
fn two_and_a_disk() -> (Site, PathBuf, PathBuf) {
    let site = Site::new();
    let disk = site.path("disk");
    fs::File::create(&disk).and_then(|image| image.set_len(DISK)).expect("an image");
    let file = site.configure(&["a", "b"]);
    let text = fs::read_to_string(&file).expect("it was just written");
    let on_disk = format!("[cluster]\nledger = \"disk\"\nledger_disk = \"{}\"\n", disk.display());
    fs::write(&file, text.replace("[cluster]\n", &on_disk)).expect("a file");
    (site, file, disk)
}

fn runs_at(site: &Site, by: &str, owner: &str) -> bool {
    let (state, at, _) = site.group(by);
    (state.as_str(), at.as_str()) == ("running", owner)
}

fn all_there(site: &Site) {
    site.until("both nodes and the disk", |site| {
        ["a", "b"].iter().all(|node| site.votes(node) == (3, 3))
    });
}

/// Two nodes and their disk, the group running on a.
fn running() -> Site {
    let (mut site, file, _) = two_and_a_disk();
    site.start("a");
    site.start("b");
    site.tsugi("a", &["init", file.to_str().expect("plain")]);
    site.join("b", "a");
    all_there(&site);
    site.until("a runs it", |site| runs_at(site, "b", "a"));
    site
}

#[test]
fn a_disk_with_anything_on_it_is_refused_and_nothing_of_it_is_written_over() {
    let (mut site, file, disk) = two_and_a_disk();
    let mut before = vec![0; DISK as usize];
    before[40_000] = 7;
    fs::write(&disk, &before).expect("an image");
    site.start("a");
    let (code, out, err) = site.ask("a", &["init", file.to_str().expect("plain")]);
    assert_ne!(code, Some(0), "{out}{err}");
    assert!(err.contains("TSUG80105-E"), "{out}{err}");
    assert_eq!(fs::read(&disk).expect("an image"), before);
    fs::write(&disk, vec![0; DISK as usize]).expect("an image");
    let dry = ["init", file.to_str().expect("plain"), "--dry-run"];
    let (code, out, err) = site.ask("a", &dry);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(format!("{out}{err}").contains("would be overwritten"), "{out}{err}");
    assert!(fs::read(&disk).expect("an image").iter().all(|byte| *byte == 0));
    site.tsugi("a", &["init", file.to_str().expect("plain")]);
}

#[test]
fn with_a_shared_disk_one_of_two_nodes_takes_over_from_the_other_and_both_come_back() {
    let mut site = running();
    let first = site.group("b").2;

    site.cut_power("a");
    site.until("b runs it", |site| runs_at(site, "b", "b"));
    let second = site.group("b").2;
    assert!(second > first, "{second:?} after {first:?}");
    assert_eq!(site.votes("b"), (3, 2));
    assert!(site.needs("b").iter().any(|id| id.contains("TSUG10704-W")), "{:?}", site.needs("b"));
    site.tsugi("b", &["group", "pause", "WORK", "--reason", "to commit something"]);
    site.tsugi("b", &["group", "resume", "WORK"]);

    site.start("a");
    all_there(&site);
    site.tsugi("a", &["group", "move", "WORK", "a", "--reason", "it is well again"]);
    site.until("a runs it", |site| runs_at(site, "b", "a"));
    let third = site.group("a").2;

    site.cut_power("b");
    site.cut_power("a");
    site.start("b");
    site.until("b takes it over alone", |site| runs_at(site, "b", "b"));
    let fourth = site.group("b").2;
    assert!(fourth > third, "{fourth:?} after {third:?}");
    site.start("a");
    all_there(&site);
    assert_eq!(site.group("a").2, fourth, "who comes back takes nothing");
}

#[test]
fn a_ledger_on_a_disk_is_backed_up_and_never_made_anew_on_a_node() {
    let (mut site, file, _) = two_and_a_disk();
    site.start("a");
    site.tsugi("a", &["init", file.to_str().expect("plain")]);
    site.until("a runs it with the disk alone", |site| runs_at(site, "a", "a"));
    let backup = site.path("backup");
    site.at_last("a", &["backup", backup.to_str().expect("plain")]);
    site.stop("a");
    let reason = ["--reason", "the disk is lost"];
    let (code, said) = site.restore("a", &reason);
    assert!(code == Some(3) && said.contains("TSUG80107-E"), "{code:?} {said}");
    let (code, said) = site.recover("a", &[&["--lost", "b"][..], &reason].concat());
    assert!(code == Some(3) && said.contains("TSUG80107-E"), "{code:?} {said}");
    assert!(!site.path("a").join("data/ledger").exists(), "it has no copy of its own");
}

/// How often a node has said that it cannot use the disk.
fn complaints(site: &Site, node: &str) -> usize {
    site.log(node).matches("TSUG80106-E").count()
}

#[test]
fn a_disk_that_can_be_read_and_takes_no_writes_is_told_once_and_gone_without() {
    let site = running();
    let epoch = site.group("b").2;
    let agent = site.agent("a");
    // What stands at the beginning of the disk can still be written, and what changes cannot.
    site.let_write("a", "65536");
    let pause = ["group", "pause", "WORK", "--reason", "to write something"];
    let (code, ..) = site.ask("a", &pause);
    assert_ne!(code, Some(0), "nothing could be written");
    site.until("a says so", |site| complaints(site, "a") == 1);
    site.until("b leads", |site| site.status("b")["votes"]["leader"] == "b");
    site.until("a does not see the disk", |site| {
        site.needs("a").iter().any(|id| id.contains("TSUG80108-W"))
    });
    assert_eq!(site.agent("a"), agent, "it goes on without a ledger");
    assert_eq!(site.group("b"), ("running".to_owned(), "a".to_owned(), epoch));
    site.let_write("a", "unlimited");
    site.until("a began anew", |site| site.began_anew("a", agent));
    all_there(&site);
    site.tsugi("a", &["group", "pause", "WORK", "--reason", "to write something"]);
    assert_eq!(complaints(&site, "a"), 1, "{}", site.log("a"));
    assert_eq!(site.group("b").2, epoch, "it ran all the while");
}

#[test]
fn a_node_that_starts_without_its_disk_says_so_once_and_waits_for_it() {
    let (mut site, file, disk) = two_and_a_disk();
    site.start("a");
    site.tsugi("a", &["init", file.to_str().expect("plain")]);
    site.until("a runs it with the disk alone", |site| runs_at(site, "a", "a"));
    site.stop("a");
    let away = site.path("away");
    fs::rename(&disk, &away).expect("a file");
    site.spawn("a");
    site.until("a says so", |site| complaints(site, "a") == 1);
    let agent = site.agent("a");
    fs::rename(&away, &disk).expect("a file");
    site.until("a runs it again", |site| runs_at(site, "a", "a"));
    assert_eq!((site.agent("a"), complaints(&site, "a")), (agent, 1), "{}", site.log("a"));
}

/// Whether something of this number needs a person, as a node says.
fn needs(site: &Site, node: &str, number: &str) -> bool {
    site.needs(node).iter().any(|id| id.contains(number))
}

#[test]
fn a_node_whose_end_is_demanded_over_the_disk_ends_its_life_once_and_the_other_takes_over() {
    let site = running();
    let (epoch, agent) = (site.group("b").2, site.agent("a"));
    site.tsugi("b", &["node", "fence", "a", "--reason", "it answers nobody"]);
    site.until("b runs it", |site| runs_at(site, "b", "b"));
    assert!(site.group("b").2 > epoch);
    site.until("a begins anew", |site| site.log("a").contains("TSUG10282-E"));
    site.until("it is over", |site| !needs(site, "b", "TSUG10281-W"));
    all_there(&site);
    let next = site.agent("a");
    assert_ne!(next, agent);
    // The life that came after is meant by nobody.
    site.tsugi("b", &["group", "move", "WORK", "a", "--reason", "it is well again"]);
    site.until("a runs it", |site| runs_at(site, "b", "a"));
    assert_eq!(site.agent("a"), next);
    assert_eq!(site.log("a").matches("TSUG10282-E").count(), 1, "{}", site.log("a"));
}

#[test]
fn an_agent_that_stands_still_wakes_to_its_demanded_end_and_until_then_status_says_so() {
    let site = running();
    let agent = site.agent("a");
    kill(agent, Signal::SIGSTOP).expect("it runs");
    site.at_last("b", &["node", "fence", "a", "--reason", "it hangs"]);
    assert!(needs(&site, "b", "TSUG10281-W"), "{:?}", site.needs("b"));
    let told = site.status("b").to_string();
    assert!(told.contains("it hangs"), "who reads this at night learns why: {told}");
    let both = site.ask("b", &["node", "fence", "b", "--reason", "it too"]);
    assert_ne!(both.0, Some(0), "{both:?}");
    site.until("b runs it", |site| runs_at(site, "b", "b"));
    assert!(needs(&site, "b", "TSUG10281-W"), "nobody knows yet that it has ended");
    kill(agent, Signal::SIGCONT).expect("it is there");
    site.until("a begins anew", |site| site.log("a").contains("TSUG10282-E"));
    all_there(&site);
    site.until("it is over", |site| !needs(site, "b", "TSUG10281-W"));
    assert_ne!(site.agent("a"), agent);
    assert!(runs_at(&site, "b", "b"));
}

/// Up to where the disk of two nodes takes writes here: what the first of them petitions fits
/// below, and none of the areas of its region.
const BELOW_THE_AREAS: &str = "5537792";

#[test]
fn a_disk_of_which_only_a_part_can_be_written_does_not_have_an_agent_begin_anew_again_and_again() {
    let mut site = running();
    site.cut_power("b");
    site.until("a leads alone", |site| site.status("a")["votes"]["leader"] == "a");
    let first = site.agent("a");
    site.let_write("a", BELOW_THE_AREAS);
    let pause = ["group", "pause", "WORK", "--reason", "to write something"];
    let (code, ..) = site.ask("a", &pause);
    assert_ne!(code, Some(0), "nothing could be written");
    // What it was writing stands in an area that is used no more by the next life. That one fails
    // at another, and finds by itself that it cannot be written.
    site.until("the next life fails too", |site| complaints(site, "a") == 2);
    let second = site.agent("a");
    assert_ne!(second, first);
    site.start("b");
    site.until("b leads", |site| site.status("b")["votes"]["leader"] == "b");
    assert_eq!((site.agent("a"), complaints(&site, "a")), (second, 2), "{}", site.log("a"));
    site.let_write("a", "unlimited");
    site.until("a began anew", |site| site.began_anew("a", second));
    all_there(&site);
    assert_eq!(complaints(&site, "a"), 2, "{}", site.log("a"));
}
