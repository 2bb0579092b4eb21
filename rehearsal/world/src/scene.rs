//! The cluster that a run starts from.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use tsugi_cluster_rules::figures::{Measure, PreferBy};
use tsugi_cluster_rules::record::{
    AppliedConfig, GroupIntent, GroupRecord, NodeRecord, Record, Versioned,
};
use tsugi_cluster_rules::spec::{
    Check, ClusterSpec, Failback, FailurePolicy, FenceDevice, FencePolicy, GroupSpec, LedgerPlace,
    Mode, Monitor, NodeSpec, ProcessHow, Rehearsing, ResourceKind, ResourceSpec, Role, Startup,
    Takeover, VolumeCheck, VolumeSource,
};
use tsugi_cluster_rules::timing::Profile;
use tsugi_cluster_rules::volume::Retries;
use tsugi_vocabulary::{Generation, GroupName, Index, NodeName, ResourceName, Span};

/// What a run starts from.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The times.
    pub profile: Profile,
    /// How many nodes run groups; where the ledger is on them, one witness comes on top if that
    /// makes the number odd. Two where it is on a disk.
    pub members: usize,
    /// The groups.
    pub groups: Vec<SceneGroup>,
    /// Whether the groups may meet.
    pub neighbours: Neighbours,
    /// Whether there is something that switches a node off.
    pub devices: Devices,
    /// Where the ledger is, and so who has the third vote.
    pub ledger: LedgerOn,
}

/// Where the ledger is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LedgerOn {
    /// On the voters, an odd number of them.
    Nodes,
    /// On a disk that two members share.
    Disk,
}

/// Whether the nodes have fence devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Devices {
    /// They have none.
    None,
    /// Each has one.
    Each,
}

/// Whether groups may share a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Neighbours {
    /// They may.
    Any,
    /// They must be apart.
    Apart,
}

/// One group of a scene.
#[derive(Clone, Debug)]
pub struct SceneGroup {
    /// Its home, by number.
    pub home: usize,
    /// When it goes back.
    pub failback: Failback,
    /// Restarts in place before it is taken over.
    pub restarts: u32,
    /// What a takeover of its volume waits for.
    pub fence: FencePolicy,
}

impl Scene {
    /// The name of a node by number: `n1` and up, the witness last.
    #[must_use]
    pub fn node(number: usize) -> NodeName {
        NodeName::new(&format!("n{}", number + 1)).expect("a letter and a number")
    }

    /// The name of a group by number.
    #[must_use]
    pub fn group(number: usize) -> GroupName {
        GroupName::new(&format!("G{}", number + 1)).expect("a letter and a number")
    }

    /// How many voters there are, but for a disk.
    #[must_use]
    pub fn voters(&self) -> usize {
        match self.ledger {
            LedgerOn::Nodes => self.members + usize::from(self.members.is_multiple_of(2)),
            LedgerOn::Disk => self.members,
        }
    }

    /// The record right after the cluster was founded.
    #[must_use]
    pub fn record(&self) -> Record {
        let spec = self.spec();
        let node = |n: usize| {
            let entry = NodeRecord::new(n as u64 + 1);
            (Self::node(n), Versioned { version: Index(1), value: Arc::new(entry) })
        };
        let group = |name: &GroupName| {
            let entry = GroupRecord::new(GroupIntent::Run);
            (name.clone(), Versioned { version: Index(1), value: Arc::new(entry) })
        };
        Record {
            incarnation: 1,
            applied: Index(1),
            membership: Generation(1),
            voters: (0..self.voters()).map(|n| (Self::node(n), n as u64 + 1)).collect(),
            highest_voter: self.voters() as u64,
            nodes: (0..self.voters()).map(node).collect(),
            groups: spec.groups.keys().map(group).collect(),
            config: Some(Arc::new(AppliedConfig {
                version: 1,
                hash: "0000000000000001".repeat(4),
                text: String::new(),
                spec,
                unconfirmed: None,
            })),
            ..Record::default()
        }
    }

    fn spec(&self) -> ClusterSpec {
        let nodes = (0..self.voters()).map(|n| {
            let role = if n < self.members { Role::Node } else { Role::Witness };
            let address = |network: u8| {
                SocketAddr::from(([10, 0, network, u8::try_from(n + 1).unwrap_or(1)], 7400))
            };
            (
                Self::node(n),
                NodeSpec { addresses: (1..=3).map(address).collect(), role, fence: self.device() },
            )
        });
        let groups = self.groups.iter().enumerate();
        ClusterSpec {
            name: "stage".to_owned(),
            timing: self.profile,
            language: None,
            nodes: nodes.collect(),
            groups: groups.map(|(n, g)| (Self::group(n), self.group_spec(n, g))).collect(),
            environment: Default::default(),
            ledger: self.place(),
        }
    }

    fn place(&self) -> LedgerPlace {
        let path = |n: usize| (Self::node(n), "/dev/shared".to_owned());
        match self.ledger {
            LedgerOn::Nodes => LedgerPlace::OnNodes,
            LedgerOn::Disk => LedgerPlace::OnDisk((0..self.members).map(path).collect()),
        }
    }

    fn device(&self) -> Option<FenceDevice> {
        let device = FenceDevice {
            agent: "fence_rehearsal".to_owned(),
            options: BTreeMap::new(),
            secret: None,
            limit: Span::secs(4),
            every: Span::secs(3600),
        };
        match self.devices {
            Devices::None => None,
            Devices::Each => Some(device),
        }
    }

    fn group_spec(&self, number: usize, group: &SceneGroup) -> GroupSpec {
        let home = Self::node(group.home);
        let others = (0..self.members).map(Self::node).filter(|n| *n != home);
        let others_of = |apart: Neighbours| match apart {
            Neighbours::Any => 0..0,
            Neighbours::Apart => 0..self.groups.len(),
        };
        let apart = others_of(self.neighbours).filter(|n| *n != number).map(Self::group).collect();
        GroupSpec {
            services: [].into(),
            mode: Mode::Single,
            prefer: std::iter::once(home.clone()).chain(others).collect(),
            prefer_by: if number % 3 == 1 {
                PreferBy::Measure(Measure::Memory)
            } else {
                PreferBy::Order
            },
            startup: Startup::Auto,
            failback: group.failback,
            failure: FailurePolicy {
                restarts: group.restarts,
                takeovers: 1_000_000,
                within: Span::secs(8),
                ..FailurePolicy::default()
            },
            apart,
            together: BTreeSet::new(),
            after: BTreeSet::new(),
            stop_budget: None,
            drill_every: None,
            rehearsing: Rehearsing::default(),
            entitled: None,
            takeover: Takeover::default(),
            fence: group.fence,
            resources: resources(number),
        }
    }
}

fn resources(number: usize) -> Vec<ResourceSpec> {
    let name = |text: &str| ResourceName::new(text).expect("a plain word");
    let resource = |text: &str, after: &[&str], kind| ResourceSpec {
        name: name(text),
        kind,
        after: after.iter().map(|a| name(a)).collect(),
        start_limit: Span::secs(5),
        stop_limit: Span::millis(500),
    };
    let last = u8::try_from(100 + number % 100).unwrap_or(100);
    let program = ProcessHow::Program { run: vec!["/bin/counter".to_owned()], ready: None };
    vec![
        resource(
            "volume",
            &[],
            ResourceKind::Volume {
                check: VolumeCheck::default(),
                retries: Retries::default(),
                drbd: None,
                reservation: None,
                source: VolumeSource::Block("image".to_owned()),
                mount: "/data".to_owned(),
            },
        ),
        resource(
            "address",
            &["volume"],
            ResourceKind::Address {
                address: std::net::IpAddr::from([10, 0, 1, last]),
                prefix: 24,
                links: vec!["eth0".to_owned(), "eth1".to_owned()],
            },
        ),
        resource(
            "program",
            &["volume", "address"],
            ResourceKind::Process {
                how: program,
                environment: BTreeMap::new(),
                user: None,
                monitors: vec![Monitor {
                    limit: Span::millis(300),
                    failures: 2,
                    ..Monitor::new(Check::Run(vec!["/bin/ask".to_owned()]), Span::millis(700))
                }],
                cleanup: None,
            },
        ),
    ]
}
