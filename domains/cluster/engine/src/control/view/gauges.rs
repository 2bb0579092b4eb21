//! Times and counts of one node for a monitoring system.

use std::time::Duration;

use tsugi_cluster_rules::mirror::Mirror;
use tsugi_vocabulary::NodeName;
use tsugi_wire::control::Utc;
use tsugi_wire::control::gauges::{
    Differences, FenceTest, Gauges, HeardOver, MirrorState, SeenOnDisk,
};

use crate::logbook;
use crate::mirror::Mirrored;
use crate::parity::Outcome;
use crate::standing::Standing;

/// How long ago a node was heard over the network of this place.
pub type HeardAgo = (NodeName, usize, Duration);

/// What this node can tell a monitoring system beside its status.
#[must_use]
pub fn gauges(
    standing: &Standing,
    last: Option<&Outcome>,
    (heard, mirrored): (&[HeardAgo], Vec<Mirrored>),
) -> Gauges {
    let of_now = last.filter(|last| super::parity::is_of_now(standing, last));
    let verdicts = of_now.into_iter().flat_map(|last| &last.verdicts);
    // One that was taken out for good is not missed.
    let is_one = |node: &NodeName| standing.record.nodes.contains_key(node);
    Gauges {
        certificate_until: standing.certificate_until.map(Utc),
        fence_tests: fence_tests(standing),
        differences: verdicts
            .map(|verdict| Differences {
                group: verdict.group.to_string(),
                node: verdict.node.to_string(),
                count: verdict.gaps.len() as u64,
            })
            .collect(),
        heard: heard
            .iter()
            .filter(|(node, _, _)| is_one(node))
            .map(|(node, network, ago)| HeardOver {
                node: node.to_string(),
                network: *network as u64,
                ago_us: u64::try_from(ago.as_micros()).unwrap_or(u64::MAX),
            })
            .collect(),
        on_disk: on_disk(standing),
        mirrors: mirrored.into_iter().map(mirror_state).collect(),
        messages: logbook::counts().into_iter().map(|(id, n)| (id.to_owned(), n)).collect(),
    }
}

/// The other of two nodes that share a disk, if it was seen there.
fn on_disk(standing: &Standing) -> Option<SeenOnDisk> {
    let ago = standing.on_disk?;
    let node = standing.record.spec()?.nodes.keys().find(|node| **node != standing.me)?;
    Some(SeenOnDisk { node: node.to_string(), ago_us: ago.0 / 1_000 })
}

/// What is not up has DRBD's own words for that.
fn mirror_state(one: Mirrored) -> MirrorState {
    let (group, name) = (one.group.to_string(), one.name);
    match one.mirror {
        Some(Mirror { connection, role, disk, peer_disk, out_of_sync, .. }) => {
            let out_of_sync = Some(out_of_sync);
            MirrorState { group, name, connection, role, disk, peer_disk, out_of_sync }
        }
        None => MirrorState {
            group,
            name,
            connection: "Unconfigured".to_owned(),
            role: "Unknown".to_owned(),
            disk: "DUnknown".to_owned(),
            peer_disk: "DUnknown".to_owned(),
            out_of_sync: None,
        },
    }
}

/// The devices of the other nodes: one that this node never tested well is among them.
fn fence_tests(standing: &Standing) -> Vec<FenceTest> {
    let nodes = standing.record.spec().into_iter().flat_map(|spec| &spec.nodes);
    let others = nodes.filter(|(name, node)| **name != standing.me && node.fence.is_some());
    let test = |name: &NodeName| FenceTest {
        node: name.to_string(),
        at: standing.fence_tests.get(name).copied().flatten().map(Utc),
    };
    others.map(|(name, _)| test(name)).collect()
}
