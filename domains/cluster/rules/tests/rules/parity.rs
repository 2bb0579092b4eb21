//! Every kind of difference between two nodes is planted alone, and named.

use std::collections::{BTreeMap, BTreeSet};

use tsugi_cluster_rules::parity::{
    Fact, Gap, Inventory, Item, LEAST_FREE, Wrong, differences, items, not_compared, shortfalls,
};
use tsugi_cluster_rules::spec::{
    Check, FenceDevice, Monitor, OnRecover, ProcessHow, ResourceKind, VolumeCheck, VolumeSource,
};
use tsugi_vocabulary::Span;

use crate::world::{cluster, group, node, resource};

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn process(how: ProcessHow, monitor: Option<Monitor>) -> ResourceKind {
    let user = Some("pay".to_owned());
    ResourceKind::Process { how, environment: BTreeMap::new(), user, monitor }
}

/// What a group with one resource of each kind needs on `n1`.
fn wanted() -> BTreeSet<Item> {
    let mut spec = cluster("n1 n2 w=witness", &["PAY: prefer n1 n2; links lan1 lan2"]);
    spec.nodes.get_mut(&node("n2")).unwrap().fence = Some(FenceDevice {
        agent: "fence_site".to_owned(),
        options: BTreeMap::new(),
        secret: Some("/etc/tsugi/bmc".to_owned()),
        limit: Span::secs(4),
        every: Span::secs(3600),
    });
    let monitor = Monitor {
        check: Check::Run(words("/opt/ask /etc/ask.conf")),
        every: Span::secs(1),
        limit: Span::secs(1),
        failures: 1,
        delay: None,
    };
    let scripts = ProcessHow::Scripts {
        start: words("/opt/start -f /etc/table pay-app.service"),
        stop: words("/opt/stop"),
        running: Some(words("/opt/running")),
        on_recover: OnRecover::Skip,
    };
    let on_volume = ProcessHow::Program { run: words("/data/bin/server"), ready: None };
    let volume = |source, mount: &str| ResourceKind::Volume {
        source,
        mount: mount.to_owned(),
        check: VolumeCheck::default(),
    };
    let pay = spec.groups.get_mut(&group("PAY")).unwrap();
    pay.resources.extend([
        resource("disk", volume(VolumeSource::Block("/dev/vg1/pay".to_owned()), "/data")),
        resource("share", volume(VolumeSource::Directory, "/share")),
        resource("batch", process(scripts, Some(monitor))),
        resource("server", process(on_volume, None)),
    ]);
    items(&spec, &spec.groups[&group("PAY")], &node("n1"))
}

/// The inventory of a node that has everything.
fn whole(name: &str) -> Inventory {
    let wanted = wanted();
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

#[test]
fn every_difference_that_is_planted_is_named_and_nothing_else_is() {
    let (mine, theirs) = (whole("n1"), whole("n2"));
    assert_eq!((shortfalls(&mine), differences(&mine, &theirs)), (Vec::new(), Vec::new()));
    let mut planted = 0;
    for item in wanted() {
        let name = item.name();
        for fact in [
            Fact::Missing,
            Fact::NotExecutable,
            Fact::Unreadable { why: "permission denied".to_owned() },
            Fact::There { mark: "other".to_owned() },
        ] {
            let mut mine = whole("n1");
            mine.facts.insert(name.clone(), fact.clone());
            let found = differences(&mine, &theirs);
            let [Gap { item: named, what: Wrong::Differs { .. }, .. }] = found.as_slice() else {
                panic!("{name} {fact:?}: {found:?}")
            };
            assert_eq!(*named, name);
            let lacks: Vec<String> = shortfalls(&mine).into_iter().map(|gap| gap.item).collect();
            let lacking = item.is_needed() && !matches!(fact, Fact::There { .. });
            let expected: Vec<String> = lacking.then(|| name.clone()).into_iter().collect();
            assert_eq!(lacks, expected, "{fact:?}");
            planted += 1;
        }
    }
    assert!(planted >= 30, "only {planted}");
}

#[test]
fn what_a_group_needs_is_everything_its_resources_name_but_what_comes_with_its_volume() {
    let names: Vec<String> = wanted().iter().map(Item::name).collect();
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
    let (mut mine, theirs) = (whole("n1"), whole("n2"));
    mine.facts.insert("space:/share".to_owned(), Fact::Free { percent: LEAST_FREE });
    assert_eq!((shortfalls(&mine), differences(&mine, &theirs)), (Vec::new(), Vec::new()));
    mine.facts.insert("space:/share".to_owned(), Fact::Free { percent: LEAST_FREE - 1 });
    assert_eq!(shortfalls(&mine)[0].what, Wrong::Full(LEAST_FREE - 1));
}

#[test]
fn what_neither_node_could_look_at_is_not_the_same_on_both() {
    let (mut mine, mut theirs) = (whole("n1"), whole("n2"));
    let hidden = Fact::Unreadable { why: "permission denied".to_owned() };
    for name in ["file:/etc/table", "program:/opt/start (pay)"] {
        mine.facts.insert(name.to_owned(), hidden.clone());
        theirs.facts.insert(name.to_owned(), hidden.clone());
    }
    let what = Wrong::Unreadable("permission denied".to_owned());
    let gap = |item: &str| Gap { group: group("PAY"), item: item.to_owned(), what: what.clone() };
    assert_eq!(differences(&mine, &theirs), [gap("file:/etc/table")]);
    assert_eq!(shortfalls(&mine), [gap("program:/opt/start (pay)")], "each is told once");
}

#[test]
fn what_the_other_node_has_said_nothing_of_is_not_the_same() {
    let spec = cluster("n1 n2 n3 w=witness", &["PAY: prefer n1 n2"]);
    let (mine, mut theirs) = (whole("n1"), whole("n2"));
    assert_eq!(not_compared(&spec, &mine, &theirs), []);
    theirs.facts.remove("version:tsugi");
    assert_eq!(differences(&mine, &theirs)[0].item, "version:tsugi");
    theirs.groups.clear();
    let gap = Gap { group: group("PAY"), item: "group:PAY".to_owned(), what: Wrong::NotCompared };
    assert_eq!(not_compared(&spec, &mine, &theirs), [gap]);
    theirs.node = node("n3");
    assert_eq!(not_compared(&spec, &mine, &theirs), [], "it never runs it");
}
