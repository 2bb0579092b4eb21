//! Every kind of difference between two nodes is planted alone, and named.

use std::collections::{BTreeMap, BTreeSet};

use tsugi_cluster_rules::parity::{
    Answered, Could, Fact, Gap, Inventory, Item, LEAST_FREE, Verdict, Wrong, could, items,
    new_ones, outside, verdicts,
};
use tsugi_cluster_rules::spec::{
    Check, ClusterSpec, FenceDevice, Monitor, OnRecover, ProcessHow, ResourceKind, VolumeCheck,
    VolumeSource,
};
use tsugi_cluster_rules::volume::Retries;
use tsugi_vocabulary::Span;

use crate::world::{cluster, group, node, resource};

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn process(how: ProcessHow, monitor: Option<Monitor>) -> ResourceKind {
    let user = Some("pay".to_owned());
    let (monitors, cleanup) = (monitor.into_iter().collect(), None);
    ResourceKind::Process { how, environment: BTreeMap::new(), user, monitors, cleanup }
}

/// A group with one resource of each kind.
fn spec() -> ClusterSpec {
    let mut spec = cluster("n1 n2 n3 w=witness", &["PAY: prefer n1 n2; links lan1 lan2"]);
    for name in ["n1", "n2"] {
        spec.nodes.get_mut(&node(name)).unwrap().fence = Some(FenceDevice {
            agent: "fence_site".to_owned(),
            options: BTreeMap::new(),
            secret: Some("/etc/tsugi/bmc".to_owned()),
            limit: Span::secs(4),
            every: Span::secs(3600),
        });
    }
    let check = Check::Run(words("/opt/ask /etc/ask.conf"));
    let monitor = Monitor::new(check, Span::secs(1));
    let scripts = ProcessHow::Scripts {
        start: words("/opt/start -f /etc/table pay-app.service"),
        stop: words("/opt/stop"),
        running: Some(words("/opt/running")),
        on_recover: OnRecover::Skip,
        restart: None,
    };
    let on_volume = ProcessHow::Program { run: words("/data/bin/server"), ready: None };
    let volume = |source, mount: &str| ResourceKind::Volume {
        source,
        mount: mount.to_owned(),
        check: VolumeCheck::default(),
        retries: Retries::default(),
        drbd: None,
        reservation: None,
    };
    let pay = spec.groups.get_mut(&group("PAY")).unwrap();
    pay.resources.extend([
        resource("disk", volume(VolumeSource::Block("/dev/vg1/pay".to_owned()), "/data")),
        resource("share", volume(VolumeSource::Directory, "/share")),
        resource("batch", process(scripts, Some(monitor))),
        resource("server", process(on_volume, None)),
    ]);
    spec
}

/// What that needs on a node.
fn wanted(name: &str) -> BTreeSet<Item> {
    let spec = spec();
    items(&spec, &spec.groups[&group("PAY")], &node(name))
}

/// The inventory of a node that has everything.
fn whole(name: &str) -> Inventory {
    let wanted = wanted(name);
    let fact = |item: &Item| match item {
        Item::Space(_) => Fact::Free { percent: 60 },
        _ => Fact::There { mark: "same".to_owned() },
    };
    let needed = wanted.iter().filter(|item| item.is_needed()).map(Item::name);
    Inventory {
        node: node(name),
        config: "h".to_owned(),
        groups: BTreeMap::from([(group("PAY"), wanted.iter().map(Item::name).collect())]),
        facts: wanted.iter().map(|item| (item.name(), fact(item))).collect(),
        needed: needed.collect(),
        at: None,
    }
}

/// What a node has told whose clock is so far ahead.
fn told(inventory: &Inventory, ahead_ms: i64) -> Answered {
    Answered::Told { inventory: Box::new(inventory.clone()), ahead_ms }
}

/// What is made of the answers of `n1` and `n2`.
fn judged([one, two]: [Answered; 2], owner: Option<&str>) -> [Verdict; 2] {
    let answers = BTreeMap::from([(node("n1"), one), (node("n2"), two)]);
    let owner = owner.map(node);
    let all = verdicts((&spec(), "h"), &answers, |_| owner.as_ref());
    all.try_into().expect("one for each node")
}

/// What speaks against `n1` and `n2`, where `n1` runs the group.
fn gaps(one: &Inventory, two: &Inventory) -> [Vec<Gap>; 2] {
    judged([told(one, 0), told(two, 0)], Some("n1")).map(|verdict| verdict.gaps)
}

fn gap(item: &str, what: Wrong) -> Gap {
    Gap { group: group("PAY"), item: item.to_owned(), what }
}

fn not_compared(silent: &str) -> Vec<Gap> {
    vec![gap("group:PAY", Wrong::NotCompared(node(silent)))]
}

fn hidden() -> Fact {
    Fact::Unreadable { why: "permission denied".to_owned() }
}

fn other() -> Fact {
    Fact::There { mark: "other".to_owned() }
}

#[test]
fn every_difference_that_is_planted_is_named_where_it_is_and_nothing_else_is() {
    assert_eq!(gaps(&whole("n1"), &whole("n2")), [Vec::new(), Vec::new()]);
    let mut planted = 0;
    for item in wanted("n2") {
        let (name, both) = (item.name(), wanted("n1").contains(&item));
        for fact in [Fact::Missing, Fact::NotExecutable, hidden(), other()] {
            let mut two = whole("n2");
            two.facts.insert(name.clone(), fact.clone());
            let [owner, standby] = gaps(&whole("n1"), &two);
            assert_eq!(owner, [], "{name} {fact:?}: nothing is wrong with the owner");
            let named: Vec<&str> = standby.iter().map(|gap| gap.item.as_str()).collect();
            // How the device of the other node answers is nothing that both could see.
            let expected = if both || fact != other() { vec![name.as_str()] } else { vec![] };
            assert_eq!(named, expected, "{fact:?}");
            let wanted = match (named.is_empty(), &fact) {
                (true, _) => Could::Yes,
                (false, Fact::Unreadable { .. }) => Could::Unknown,
                (false, _) => Could::No,
            };
            assert_eq!(could(&standby), wanted, "{name} {fact:?}");
            planted += 1;
        }
    }
    assert!(planted >= 30, "only {planted}");
}

#[test]
fn what_the_owner_lacks_is_the_owners_and_not_that_of_who_would_take_over() {
    for item in wanted("n1") {
        let (name, both) = (item.name(), wanted("n2").contains(&item));
        for fact in [Fact::Missing, Fact::NotExecutable, Fact::NoCarrier, hidden(), other()] {
            let mut one = whole("n1");
            one.facts.insert(name.clone(), fact.clone());
            let [owner, standby] = gaps(&one, &whole("n2"));
            let here: Vec<&str> = owner.iter().map(|gap| gap.item.as_str()).collect();
            let named = fact != other() && (both || item.is_needed());
            assert_eq!(here, if named { vec![name.as_str()] } else { vec![] }, "{fact:?}");
            let there = match (&fact, both) {
                (_, false) => Could::Yes,
                // Nobody knows whether it is the same.
                (Fact::Unreadable { .. }, true) => Could::Unknown,
                (Fact::There { .. }, true) => Could::No,
                (_, true) => Could::Yes,
            };
            assert_eq!(could(&standby), there, "{name} {fact:?}: {standby:?}");
        }
    }
}

#[test]
fn what_is_only_compared_may_be_missing_everywhere() {
    let (mut one, mut two) = (whole("n1"), whole("n2"));
    for its in [&mut one, &mut two] {
        its.facts.insert("tool:/sbin/e2fsck".to_owned(), Fact::Missing);
    }
    assert_eq!(gaps(&one, &two), [Vec::new(), Vec::new()]);
}

#[test]
fn where_the_owner_says_nothing_of_use_nobody_is_compared_with_anybody_else() {
    let silent = || Answered::Silent { why: "no route".to_owned() };
    let mut elsewhere = whole("n1");
    elsewhere.config = "another".to_owned();
    let mut nothing = whole("n1");
    nothing.groups.clear();
    for useless in [silent(), told(&elsewhere, 0), told(&nothing, 0)] {
        for owner in [Some("n1"), None] {
            let [one, two] = judged([useless.clone(), told(&whole("n2"), 0)], owner);
            assert_eq!((could(&one.gaps), could(&two.gaps)), (Could::Unknown, Could::Unknown));
            assert_eq!((two.gaps, two.against), (not_compared("n1"), None));
        }
    }
    let both = || [told(&whole("n1"), 0), told(&whole("n2"), 0)];
    let [one, two] = judged(both(), Some("n3"));
    assert_eq!([one.gaps, two.gaps], [not_compared("n3"), not_compared("n3")], "it never runs it");
    let [one, two] = judged(both(), Some("n2"));
    assert_eq!([one.against, two.against], [Some(node("n2")), None]);
    let [one, two] = judged(both(), None);
    assert_eq!([one.against, two.against], [None, Some(node("n1"))], "the first is the measure");
    let mut short = whole("n2");
    short.facts.insert("user:pay".to_owned(), Fact::Missing);
    let [_, two] = judged([silent(), told(&short, 0)], Some("n1"));
    assert_eq!(could(&two.gaps), Could::No, "what it lacks needs no measure");
}

#[test]
fn a_clock_is_off_by_what_it_is_apart_from_the_owners_whoever_asked() {
    let apart = |one, two| {
        let [owner, standby] =
            judged([told(&whole("n1"), one), told(&whole("n2"), two)], Some("n1"));
        assert_eq!(owner.gaps, []);
        standby.gaps
    };
    assert_eq!(apart(3_600_000, 3_600_000), [], "who asked is off");
    assert_eq!(apart(0, 1_000), []);
    assert_eq!(apart(0, 1_001), [gap("clock:time", Wrong::Apart(1_001))]);
    assert_eq!(apart(700, -700), [gap("clock:time", Wrong::Apart(-1_400))]);
    let silent = Answered::Silent { why: String::new() };
    let [_, alone] = judged([silent, told(&whole("n2"), 5_000)], Some("n1"));
    assert_eq!(could(&alone.gaps), Could::Unknown);
}

#[test]
fn what_a_group_needs_is_everything_its_resources_name_but_what_comes_with_its_volume() {
    let names: Vec<String> = wanted("n1").iter().map(Item::name).collect();
    for name in [
        "program:/opt/start (pay)",
        "program:/opt/stop (pay)",
        "program:/opt/running (pay)",
        "program:/opt/ask (pay)",
        "file:/etc/table",
        "file:/etc/ask.conf",
        "fence:fence_site",
        "secret:/etc/tsugi/bmc",
        "user:pay",
        "device:/dev/vg1/pay",
        "mount:/data",
        "shared:/share",
        "space:/share",
        "space:tsugi-data",
        "space:tsugi-runs",
        "tool:/sbin/e2fsck",
        "package:xfsprogs",
        "package:fence-agents",
        "fence-device:n2",
        "unit:pay-app.service",
        "certificate:authority",
        "certificate:node",
        "clock:synchronised",
        "kernel:cgroup2",
        "limit:rtprio",
        "self-fence:node",
        "link:lan1",
        "link:lan2",
        "limit:nofile",
        "version:tsugi",
    ] {
        assert!(names.iter().any(|n| n == name), "{name} in {names:?}");
    }
    assert!(!names.iter().any(|n| n.contains("/data/bin")), "{names:?}");
}

#[test]
fn a_file_system_that_is_almost_full_is_named_and_one_that_is_less_full_than_another_is_not() {
    let (one, mut two) = (whole("n1"), whole("n2"));
    two.facts.insert("space:/share".to_owned(), Fact::Free { percent: LEAST_FREE });
    assert_eq!(gaps(&one, &two), [Vec::new(), Vec::new()]);
    two.facts.insert("space:/share".to_owned(), Fact::Free { percent: LEAST_FREE - 1 });
    assert_eq!(gaps(&one, &two)[1], [gap("space:/share", Wrong::Full(LEAST_FREE - 1))]);
}

#[test]
fn what_neither_node_could_look_at_is_not_the_same_on_both() {
    let (mut one, mut two) = (whole("n1"), whole("n2"));
    for name in ["file:/etc/table", "program:/opt/start (pay)"] {
        one.facts.insert(name.to_owned(), hidden());
        two.facts.insert(name.to_owned(), hidden());
    }
    let what = Wrong::Unreadable("permission denied".to_owned());
    let [_, mut standby] = gaps(&one, &two);
    standby.sort();
    let all = ["file:/etc/table", "program:/opt/start (pay)"].map(|item| gap(item, what.clone()));
    assert_eq!(standby, all, "each is told once");
}

#[test]
fn what_a_node_needs_is_what_the_configuration_says_whatever_the_node_says() {
    let mut two = whole("n2");
    two.needed.clear();
    two.groups.insert(group("PAY"), BTreeSet::new());
    assert_eq!(gaps(&whole("n1"), &two)[1], [], "every fact is there");
    two.facts.insert("user:pay".to_owned(), Fact::Missing);
    assert_eq!(gaps(&whole("n1"), &two)[1], [gap("user:pay", Wrong::Missing)]);
}

#[test]
fn what_either_node_has_said_nothing_of_is_not_the_same() {
    let without = |name: &str, item: &str| {
        let mut its = whole(name);
        its.facts.remove(item).expect("it was there");
        its.groups.get_mut(&group("PAY")).expect("it is one").remove(item);
        its
    };
    for item in ["version:tsugi", "user:pay"] {
        let of = |silent: &str| vec![gap(item, Wrong::NotCompared(node(silent)))];
        let [owner, standby] = gaps(&whole("n1"), &without("n2", item));
        assert_eq!((owner, standby), (Vec::new(), of("n2")));
        let [owner, standby] = gaps(&without("n1", item), &whole("n2"));
        assert_eq!((owner, standby), (of("n1"), of("n1")));
    }
}

/// What of a program that is run like this, and asked like that, is outside of its group. PAY has
/// 10.0.0.50, LOG has 10.0.0.60.
fn outside_of(run: &str, environment: &[(&str, &str)], check: Option<Check>) -> Vec<String> {
    let mut spec = cluster("n1 n2 n3", &["PAY: prefer n1 n2", "LOG: prefer n1 n2"]);
    for (name, address) in [("PAY", "10.0.0.50"), ("LOG", "10.0.0.60")] {
        let (address, prefix) = (address.parse().unwrap(), 24);
        let vip = ResourceKind::Address { address, prefix, links: vec!["lan1".to_owned()] };
        spec.groups.get_mut(&group(name)).unwrap().resources = vec![resource("vip", vip)];
    }
    let every = Span::secs(1);
    let monitors = check.map(|check| Monitor::new(check, every)).into_iter().collect();
    let pairs = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let server = ResourceKind::Process {
        how: ProcessHow::Program { run: words(run), ready: None },
        environment: pairs.collect(),
        user: None,
        monitors,
        cleanup: None,
    };
    let pay = spec.groups.get_mut(&group("PAY")).unwrap();
    pay.resources.push(resource("server", server));
    let found = outside(&spec, &spec.groups[&group("PAY")]);
    let answers = ["n1", "n2"].map(|n| (node(n), Answered::Silent { why: "no route".to_owned() }));
    for verdict in verdicts((&spec, "h"), &answers.into(), |_| None) {
        if verdict.group == group("PAY") {
            let listeners = verdict.gaps.iter().filter(|gap| gap.what == Wrong::NotOfGroup);
            assert_eq!(listeners.count(), found.len(), "it is told of every node");
        }
    }
    found.into_iter().map(|address| address.to_string()).collect()
}

#[test]
fn ph_16_a_listener_at_an_address_that_does_not_come_with_its_group_is_named() {
    let own = [
        "/opt/server --listen=10.0.0.50:80",
        "/opt/server --bind 127.0.0.1",
        "/usr/bin/tsugi listen 0.0.0.0:80 /opt/server",
        "/opt/server --database 10.0.0.60:5432",
        "/opt/listen/server 10.0.0.60",
        "/opt/server --listen eth0",
    ];
    for run in own {
        assert!(outside_of(run, &[], None).is_empty(), "{run}");
    }
    for run in [
        "/opt/server --listen=10.0.0.60:80",
        "/opt/server --bind-address 10.0.0.60",
        "/usr/bin/tsugi listen 10.0.0.60:80 /opt/server",
    ] {
        assert_eq!(outside_of(run, &[], None), ["10.0.0.60"], "{run}");
    }
    let v6 = outside_of("/opt/server --listen [fd00::1]:80", &[], None);
    assert_eq!(v6, ["fd00::1"]);
    let told = [("LISTEN_ADDRESS", "10.9.9.9"), ("PGHOST", "10.0.0.60")];
    assert_eq!(outside_of("/opt/server", &told, None), ["10.9.9.9"]);
    let asks = |check| outside_of("/opt/server", &[], Some(check));
    assert_eq!(asks(Check::Tcp("10.0.0.60:80".to_owned())), ["10.0.0.60"]);
    assert_eq!(asks(Check::Http("http://10.0.0.60/ok".to_owned())), ["10.0.0.60"]);
    assert!(asks(Check::Tcp("10.0.0.50:80".to_owned())).is_empty());
    assert!(asks(Check::Tcp("10.77.0.1:80".to_owned())).is_empty(), "nobody here has it");
}

#[test]
fn ph_16_only_what_was_not_wrong_before_speaks_against_a_change() {
    let missing = |name: &str| {
        let mut two = whole("n2");
        two.facts.insert(name.to_owned(), Fact::Missing);
        two
    };
    let all = |two: &Inventory| judged([told(&whole("n1"), 0), told(two, 0)], Some("n1"));
    let before = all(&missing("program:/opt/stop (pay)"));
    assert!(new_ones(&before, &before).is_empty());
    let mut two = missing("program:/opt/stop (pay)");
    two.facts.insert("user:pay".to_owned(), Fact::Missing);
    let new = new_ones(&before, &all(&two));
    assert_eq!(new.len(), 1);
    assert_eq!((&new[0].node, new[0].gaps.len()), (&node("n2"), 1));
    assert_eq!(new[0].gaps[0], gap("user:pay", Wrong::Missing));
}
