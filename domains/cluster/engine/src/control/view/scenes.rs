//! Records and pictures made by hand, for the tests of what is told about them.

use std::collections::BTreeMap;
use std::sync::Arc;

use tsugi_cluster_rules::lease::disk_vote::DiskSight;
use tsugi_cluster_rules::plan::{Life, Sight};
use tsugi_cluster_rules::planner::config_mark;
use tsugi_cluster_rules::reason::Cause;
use tsugi_cluster_rules::record::{
    AppliedConfig, GroupIntent, GroupRecord, NodeRecord, Order, Ownership, Phase, Record, Versioned,
};
use tsugi_cluster_rules::start_kind::StartKind;
use tsugi_messages::{Language, Recorded};
use tsugi_vocabulary::{BootId, Epoch, Generation, GroupName, Index, NodeName, Span, Wall};
use tsugi_wire::control::Words;

use crate::config;
use crate::standing::Standing;

/// When the pictures are made.
pub(crate) const NOW: Wall = Wall(1_795_237_119_123);

pub(crate) const FILE: &str = r#"
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
[[group.PAY.resource]]
name = "vip"
kind = "address"
address = "10.0.0.9/24"
on = ["eth0"]
"#;

pub(crate) fn node(name: &str) -> NodeName {
    NodeName::new(name).expect("the tests write names")
}

pub(crate) fn group(name: &str) -> GroupName {
    GroupName::new(name).expect("the tests write names")
}

pub(crate) fn epoch(counter: u64) -> Epoch {
    Epoch { incarnation: 1, counter }
}

pub(crate) fn order() -> Order {
    Order {
        by: "taro".to_owned(),
        reason: "disk replaced".to_owned(),
        at: NOW,
        command: "c-1".to_owned(),
    }
}

pub(crate) fn applied(text: &str) -> AppliedConfig {
    let resolved = config::read(text).expect("the file is right");
    AppliedConfig {
        version: 1,
        hash: resolved.hash,
        text: text.to_owned(),
        spec: resolved.spec,
        unconfirmed: None,
    }
}

fn versioned<T>(value: T) -> Versioned<T> {
    Versioned { version: Index(3), value: Arc::new(value) }
}

/// PAY runs on this node.
pub(crate) fn owned(by: &str) -> GroupRecord {
    GroupRecord {
        epoch: epoch(4),
        ownership: Ownership::Owned {
            node: node(by),
            boot: Some(BootId(7)),
            start: StartKind::Normal,
            cause: Cause::ClusterStart,
            phase: Phase::Running,
            handover: None,
        },
        ..GroupRecord::new(GroupIntent::Run)
    }
}

/// The record of the cluster of `FILE`, all of it well, PAY on node1.
pub(crate) fn record() -> Record {
    let joined = |voter| versioned(NodeRecord::new(voter));
    Record {
        incarnation: 1,
        applied: Index(40),
        membership: Generation(3),
        config: Some(Arc::new(applied(FILE))),
        nodes: BTreeMap::from([
            (node("node1"), joined(1)),
            (node("node2"), joined(2)),
            (node("witness"), joined(3)),
        ]),
        groups: BTreeMap::from([(group("PAY"), versioned(owned("node1")))]),
        ..Record::default()
    }
}

pub(crate) fn sight(life: Life) -> Sight {
    Sight {
        life,
        boot: BootId(7),
        config: config_mark(&config::hash(FILE)),
        links: BTreeMap::new(),
        groups: BTreeMap::new(),
        figures: Default::default(),
        ratio: Some(1),
        settings: tsugi_cluster_rules::spec::SETTINGS,
        entries: Default::default(),
        beats: Default::default(),
    }
}

/// A picture of a record, every node heard.
pub(crate) fn standing(record: Record) -> Standing {
    let names = ["node1", "node2", "witness"];
    Standing {
        at: NOW,
        me: node("node2"),
        boot: BootId(7),
        newest: record.applied,
        record: Arc::new(record),
        settled: tsugi_cluster_rules::plan::Settled::Yes,
        sights: names.map(|n| (node(n), sight(Life::Heard))).into(),
        leader: Some(node("node2")),
        membership: Generation(3),
        self_fence: "reboot".to_owned(),
        slow_stops: BTreeMap::new(),
        lost_logs: std::collections::BTreeSet::new(),
        fence_faults: BTreeMap::new(),
        fence_tests: BTreeMap::new(),
        score_faults: BTreeMap::new(),
        mirrors_in_use: BTreeMap::new(),
        clock_ppm: None,
        carried: BTreeMap::new(),
        drops: Default::default(),
        disk: DiskSight::None,
        on_disk: None,
        other_file: None,
        certificate_until: None,
        watches: BTreeMap::new(),
        monitors: BTreeMap::new(),
        leases: BTreeMap::new(),
    }
}

/// The same, these nodes silent for 7 s.
pub(crate) fn without(record: Record, silent: &[&str]) -> Standing {
    let mut standing = standing(record);
    for name in silent {
        let life = Life::Silent { silence: Span::secs(7) };
        standing.sights.insert(node(name), sight(life));
    }
    standing
}

/// A change to the record of PAY.
pub(crate) fn with_pay(change: impl FnOnce(&mut GroupRecord)) -> Record {
    let mut record = record();
    let mut pay = owned("node1");
    change(&mut pay);
    record.groups.insert(group("PAY"), versioned(pay));
    record
}

/// What a person reads, in English.
pub(crate) fn text(words: &Words) -> String {
    Recorded { id: words.id.clone(), values: words.values.clone() }.words(Language::En)
}
