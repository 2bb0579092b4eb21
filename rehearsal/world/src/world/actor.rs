//! One machine of the false world, with its agent and its clocks.

use std::collections::BTreeMap;
use std::sync::Arc;

use tsugi_cluster_rules::node::Node;
use tsugi_cluster_rules::record::Record;
use tsugi_vocabulary::{GroupName, Moment, NodeName, Span};

use super::Ev;
use super::queue::Wish;
use super::shared_disk::AtWrite;
use crate::chance::Chance;
use crate::host::Machine;
use crate::scene::Scene;

const MILLION: i64 = 1_000_000;

fn signed(nanoseconds: u64) -> i64 {
    i64::try_from(nanoseconds).expect("a world lasts for minutes")
}

/// Whether an agent still uses a disk that its node shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DiskUse {
    Works,
    /// A write failed.
    Failed,
}

/// One machine with its agent and its clocks.
pub(crate) struct Actor {
    pub name: NodeName,
    pub node: Option<Box<Node>>,
    pub machine: Machine,
    pub lives: u64,
    pub boots: u64,
    /// When its agent began.
    pub began: u64,
    pub rate_ppm: i64,
    /// How much the clock of the guardian's timer is slewed against the lease clock (L10).
    pub timer_ppm: i64,
    pub offset: u64,
    pub wall_ms: i64,
    pub frozen: bool,
    pub deferred: Vec<Ev>,
    /// When the node wishes to be woken.
    pub wake: Wish,
    pub longest: Option<Span>,
    pub record: Arc<Record>,
    /// The number that its disk was given among the voters; none before it has joined.
    pub number: Option<u64>,
    /// How many disks it has lost.
    pub disks: u64,
    /// Its disk is slow: what is committed is applied only when that is over.
    pub lags: Option<Option<Arc<Record>>>,
    pub isolated: bool,
    pub data_cut: bool,
    pub seen_seq: BTreeMap<usize, (u64, u64)>,
    /// Whether this life of its agent uses the shared disk.
    pub disk_use: DiskUse,
    /// The number that this life of its agent wrote there last.
    pub disk_written: Option<u64>,
    /// The highest number that this life has read of the other.
    pub disk_heard: u64,
    /// Where its next writing there begins.
    pub disk_begins: usize,
    /// When it last read there who leads.
    pub sign_at: u64,
    /// What befalls it at its next write there.
    pub at_write: Option<AtWrite>,
}

impl Actor {
    pub(super) fn new(n: usize, chance: &mut Chance, record: &Record) -> Self {
        Self {
            name: Scene::node(n),
            node: None,
            machine: Machine::default(),
            lives: 0,
            boots: 0,
            began: 0,
            rate_ppm: i64::try_from(chance.below(999)).unwrap_or(0) - 499,
            timer_ppm: i64::try_from(chance.below(200_001)).unwrap_or(0) - 100_000,
            offset: chance.below(1 << 40),
            wall_ms: i64::try_from(chance.below(2000)).unwrap_or(0) - 1000,
            frozen: false,
            deferred: Vec::new(),
            wake: Wish::default(),
            longest: None,
            record: Arc::new(record.clone()),
            number: Some(n as u64 + 1),
            disks: 0,
            lags: None,
            isolated: false,
            data_cut: false,
            seen_seq: BTreeMap::new(),
            disk_use: DiskUse::Works,
            disk_written: None,
            disk_heard: 0,
            disk_begins: 0,
            sign_at: 0,
            at_write: None,
        }
    }

    /// The node's lease clock at a moment of the world.
    pub(crate) fn local(&self, at: u64) -> Moment {
        let (since, offset) = (signed(at), signed(self.offset));
        Moment(u64::try_from(offset + since + since * self.rate_ppm / MILLION).unwrap_or(0))
    }

    /// The first moment of the world at which the node's lease clock shows `moment`.
    pub(crate) fn global(&self, moment: Moment) -> u64 {
        let rest = signed(moment.0) - signed(self.offset);
        let rate = MILLION + self.rate_ppm;
        // `rest * MILLION / rate`, which has no room for the product.
        let at = rest / rate * MILLION + rest % rate * MILLION / rate;
        u64::try_from(at + 1).unwrap_or(0)
    }

    /// Until when this voter keeps others away from a group that it promised to a node.
    pub(super) fn keeps(&self, group: &GroupName, to: &NodeName) -> u64 {
        // A voter without an agent is silent after its start for as long as it ever promised.
        let Some(node) = &self.node else {
            return if self.longest.is_some() { u64::MAX } else { 0 };
        };
        self.global(node.keeps_until(group, to))
    }

    /// Whether the machine has power.
    pub(crate) fn powered(&self) -> bool {
        self.lives % 2 == 1
    }
}
