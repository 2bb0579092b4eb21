//! Which word stands for what, on hand-made records.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::scenes::{
    applied, epoch, group, node, order, owned, record, sight, standing, with_pay, without,
};
use super::super::status;
use super::*;
use StatusWord as W;
use tsugi_cluster_rules::plan::{DeskSight, RunsAs};
use tsugi_cluster_rules::reason::{How, Mishap};
use tsugi_cluster_rules::record::{Guard, NodeRecord, Pause, Record, Versioned};
use tsugi_vocabulary::Index;

const FILE: &str = r#"
[cluster]
name = "kessai"
[node.node1]
address = ["10.0.0.1", "10.1.0.1", "10.2.0.1"]
[node.node2]
address = ["10.0.0.2", "10.1.0.2"]
[node.node3]
address = ["10.0.0.4", "10.1.0.4"]
[witness]
address = "10.0.0.3"
[group.PAY]
prefer = ["node1", "node2"]
[[group.PAY.resource]]
name = "vip"
kind = "address"
address = "10.0.0.9/24"
on = ["eth0"]
[[group.PAY.resource]]
name = "disk"
kind = "volume"
mount = "/data"
[[group.PAY.resource]]
name = "server"
kind = "process"
run = ["/opt/server"]
[[group.PAY.resource]]
name = "batch"
kind = "process"
start = ["/opt/start"]
stop = ["/opt/stop"]
monitor = { tcp = "127.0.0.1:80" }
"#;

/// A picture on node2 of PAY on node1, whose desk says this.
fn picture(stand: Stand) -> Standing {
    let mut record = record();
    record.config = Some(Arc::new(applied(FILE)));
    let mut standing = standing(record);
    standing.sights.insert(node("node3"), sight(Life::Heard));
    let desk = DeskSight { epoch: epoch(4), stand, runs_as: RunsAs::Applied, failing: None };
    let its = standing.sights.get_mut(&node("node1")).unwrap();
    its.groups = BTreeMap::from([(group("PAY"), desk)]);
    let all = |count: usize| (0..count).collect();
    standing.carried =
        [(node("node1"), all(2)), (node("node3"), all(2)), (node("witness"), all(1))].into();
    standing
}

fn on(rows: &[PartRow], at: &str) -> Vec<(String, String, W)> {
    let rows = rows.iter().filter(|row| row.node == at);
    rows.map(|row| (row.name.clone(), row.kind.clone(), row.status)).collect()
}

fn rows(names: [(&str, &str); 4], words: [W; 4]) -> Vec<(String, String, W)> {
    let row = |((name, kind), word): ((&str, &str), W)| (name.to_owned(), kind.to_owned(), word);
    names.into_iter().zip(words).map(row).collect()
}

const PARTS: [(&str, &str); 4] =
    [("vip", "address"), ("disk", "volume"), ("server", "process"), ("batch", "process")];

#[test]
fn cl_36_everything_is_listed_and_well_where_all_is_well() {
    let listing = status(&picture(Stand::Running)).listing;
    assert_eq!(listing.cluster, W::Normal);
    let nodes: Vec<_> = listing.nodes.iter().map(|n| (n.name.as_str(), n.status)).collect();
    let online = |name| (name, W::Online);
    assert_eq!(nodes, ["node1", "node2", "node3", "witness"].map(online));
    let ways: Vec<_> = listing.heartbeats.iter().map(|w| (w.address.as_str(), w.status)).collect();
    assert_eq!(
        ways,
        [
            ("10.0.0.1:7400", W::Normal),
            ("10.1.0.1:7400", W::Normal),
            // node2 has two addresses only, so nobody speaks there.
            ("10.2.0.1:7400", W::Unused),
            ("10.0.0.4:7400", W::Normal),
            ("10.1.0.4:7400", W::Normal),
            ("10.0.0.3:7400", W::Normal),
        ]
    );
    let pay = &listing.groups[0];
    assert_eq!((pay.node.as_deref(), pay.status), (Some("node1"), W::Online));
    assert_eq!(on(&listing.resources, "node1"), rows(PARTS, [W::Online; 4]));
    assert_eq!(on(&listing.resources, "node2"), rows(PARTS, [W::Offline; 4]));
    assert_eq!(on(&listing.resources, "node3"), rows(PARTS, [W::Unused; 4]));
    assert!(on(&listing.resources, "witness").is_empty(), "it runs no groups");
    let asks = |word: W| {
        [("vip", "link"), ("server", "process"), ("batch", "tcp")]
            .map(|(name, kind)| (name.to_owned(), kind.to_owned(), word))
            .to_vec()
    };
    assert_eq!(on(&listing.monitors, "node1"), asks(W::Normal));
    assert_eq!(on(&listing.monitors, "node2"), asks(W::Offline));
    assert_eq!(on(&listing.monitors, "node3"), asks(W::Unused));
}

#[test]
fn cl_36_what_a_node_says_of_its_group_is_told_of_each_of_its_resources() {
    let failed = || Cause::MonitorFailed {
        node: node("node1"),
        resource: "batch".parse().unwrap(),
        monitor: None,
        how: How::of(Mishap::Plain, "exit 1"),
    };
    let (up, off) = (W::Online, W::Offline);
    let cases = [
        (Stand::Clear, [off; 4], [off; 3]),
        (Stand::Starting, [W::OnlinePending; 4], [off; 3]),
        (Stand::Stopping, [W::OfflinePending; 4], [off; 3]),
        (Stand::Stuck, [W::OfflineFailure; 4], [off; 3]),
        (Stand::Unwell(failed()), [up, up, up, W::OnlineFailure], [W::Normal, W::Normal, W::Error]),
        (Stand::Failed(failed()), [off, off, off, W::OnlineFailure], [off, off, W::Error]),
    ];
    for (stand, resources, monitors) in cases {
        let listing = status(&picture(stand.clone())).listing;
        assert_eq!(on(&listing.resources, "node1"), rows(PARTS, resources), "{stand:?}");
        let words: Vec<_> = on(&listing.monitors, "node1").into_iter().map(|m| m.2).collect();
        assert_eq!(words, monitors, "{stand:?}");
    }
    let stuck = status(&picture(Stand::Stuck)).listing.groups[0].status;
    assert_eq!(stuck, W::OfflineFailure);
    let unwell = status(&picture(Stand::Unwell(failed()))).listing.groups[0].status;
    assert_eq!(unwell, W::OnlineFailure);
}

#[test]
fn cl_36_what_nobody_can_see_is_unknown_and_never_well() {
    let mut picture = picture(Stand::Running);
    let silent = Life::Silent { silence: tsugi_vocabulary::Span::secs(7) };
    picture.sights.insert(node("node1"), sight(silent));
    picture.carried = [(node("node1"), [].into()), (node("node3"), [1].into())].into();
    let listing = status(&picture).listing;
    assert_eq!(on(&listing.resources, "node1"), rows(PARTS, [W::Unknown; 4]));
    assert!(on(&listing.monitors, "node1").iter().all(|m| m.2 == W::Unknown));
    let ways: Vec<_> = listing.heartbeats.iter().map(|w| w.status).collect();
    let (lost, unheard) = (W::Error, W::Unknown);
    assert_eq!(ways, [lost, lost, W::Unused, lost, W::Normal, unheard]);
    let nodes: Vec<_> = listing.nodes.iter().map(|n| n.status).collect();
    assert_eq!(nodes, [W::Offline, W::Online, W::Caution, W::Online], "one way of node3 is dead");
    assert_ne!(listing.cluster, W::Normal);
}

#[test]
fn cl_36_a_link_that_is_down_is_a_caution_where_a_group_could_need_it() {
    let mut picture = picture(Stand::Running);
    let links = |link: &str| BTreeMap::from([(link.to_owned(), LinkState::Down)]);
    let nodes = |picture: &Standing| -> Vec<W> {
        status(picture).listing.nodes.iter().map(|n| n.status).collect()
    };
    for (at, link) in [("node1", "eth0"), ("node2", "ifb0"), ("node3", "eth0")] {
        picture.sights.get_mut(&node(at)).unwrap().links = links(link);
    }
    assert_eq!(nodes(&picture), [W::Caution, W::Online, W::Online, W::Online]);
}

#[test]
fn cl_36_what_a_person_has_ordered_is_told_as_such() {
    let pause =
        Pause { order: order(), until: None, pinned: Some(node("node1")), guard: Guard::Disarmed };
    let listing = status(&standing(with_pay(|pay| pay.pause = Some(pause)))).listing;
    assert_eq!(listing.cluster, W::Suspend, "every group is paused");
    let mut record = record();
    let drained = NodeRecord { intent: NodeIntent::Drained(order()), ..NodeRecord::new(1) };
    let drained = Versioned { version: Index(9), value: Arc::new(drained) };
    record.nodes.insert(node("node1"), drained);
    let listing = status(&standing(record)).listing;
    assert_eq!(listing.nodes[0].status, W::Suspend);
    assert_eq!(status(&standing(Record::default())).listing.cluster, W::Unused);
    assert_eq!(status(&without(with_pay(|_| {}), &["node1"])).listing.nodes[0].status, W::Offline);
    assert!(owned("node1").pause.is_none());
}
