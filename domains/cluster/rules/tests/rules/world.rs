//! A cluster told as text: what is configured, what is seen, and what the owners do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tsugi_cluster_rules::desk::Down;
use tsugi_cluster_rules::figures::{Figures, Measure, PreferBy};
use tsugi_cluster_rules::plan::{DeskSight, Life, Settled, Sight, Situation, Stand};
use tsugi_cluster_rules::planner::{self, Planned, Wanted};
use tsugi_cluster_rules::record::{
    AppliedConfig, Draft, LinkState, NodeIntent, NodeRecord, Ownership, Phase, Record, Versioned,
    Write,
};
use tsugi_cluster_rules::spec::{
    ClusterSpec, Failback, FailurePolicy, FencePolicy, GroupSpec, LedgerPlace, Mode, NodeSpec,
    Rehearsing, ResourceKind, ResourceSpec, Role, Startup, Takeover,
};
use tsugi_cluster_rules::start_kind::StartKind;
use tsugi_cluster_rules::timetable::{Days, Timetable};
use tsugi_cluster_rules::timing::Profile;
use tsugi_vocabulary::{BootId, GroupName, Index, NodeName, ResourceName, Span, Wall};

/// The hash of the configuration that every node of a told cluster runs.
pub const HASH: &str = "00000000000000070000000000000000";

/// Every day at midnight, UTC.
pub const DAILY: Timetable = Timetable { on: Days::Daily, minute: 0, ahead: 0 };

pub fn node(name: &str) -> NodeName {
    NodeName::new(name).unwrap()
}

pub fn group(name: &str) -> GroupName {
    GroupName::new(name).unwrap()
}

/// A cluster as one node sees it, and the owners that do what the record asks.
#[derive(Clone)]
pub struct World {
    pub record: Record,
    pub sights: BTreeMap<NodeName, Sight>,
    pub at: Wall,
    pub settled: Settled,
}

impl World {
    /// All nodes are heard and nothing has run yet.
    pub fn new(spec: ClusterSpec) -> Self {
        let mut record = Record { incarnation: 1, ..Record::default() };
        let mut sights = BTreeMap::new();
        for (i, name) in spec.nodes.keys().enumerate() {
            let intent = NodeIntent::InService;
            let value = NodeRecord { intent, ..NodeRecord::new(i as u64 + 1) };
            let value = Versioned { version: Index(1), value: Arc::new(value) };
            record.nodes.insert(name.clone(), value);
            let sight = Sight {
                life: Life::Heard,
                boot: BootId(((i as u128) + 1) << 96),
                config: planner::config_mark(HASH),
                links: BTreeMap::new(),
                groups: BTreeMap::new(),
                figures: Figures::default(),
                ratio: Some(1),
                settings: tsugi_cluster_rules::spec::SETTINGS,
                entries: Default::default(),
                beats: Default::default(),
            };
            sights.insert(name.clone(), sight);
        }
        record.config = Some(Arc::new(AppliedConfig {
            version: 1,
            hash: HASH.to_owned(),
            text: String::new(),
            spec,
            unconfirmed: None,
        }));
        record.applied = Index(1);
        Self { record, sights, at: Wall(1_000_000_000), settled: Settled::Yes }
    }

    /// The first node that is heard leads.
    pub fn leader(&self) -> NodeName {
        let heard = self.sights.iter().find(|(_, s)| s.life == Life::Heard);
        heard.map_or_else(|| node("nobody"), |(name, _)| name.clone())
    }

    pub fn situation(&self) -> Situation<'_> {
        Situation {
            record: &self.record,
            sights: self.sights.clone(),
            by: self.leader(),
            at: self.at,
            settled: self.settled,
        }
    }

    pub fn plan(&self) -> Planned {
        planner::plan(&self.situation())
    }

    /// Puts a draft to the ledger; the versions it was decided on must still stand.
    pub fn apply(&mut self, draft: &Draft) {
        assert!(self.record.admits(draft), "decided on something else: {draft:?}");
        self.record.apply(draft, Index(self.record.applied.0 + 1));
    }

    fn is_heard(&self, name: &NodeName) -> bool {
        self.sights.get(name).is_some_and(|s| s.life == Life::Heard)
    }

    /// Every owner that is heard takes one step of what the record asks of it; what they did.
    pub fn owners_act(&mut self) -> Vec<String> {
        let mut done = Vec::new();
        for name in self.record.groups.keys().cloned().collect::<Vec<_>>() {
            let Some(entry) = self.record.group(&name).cloned() else { continue };
            let Ownership::Owned { node: owner, phase, start, .. } = &entry.ownership else {
                continue;
            };
            if !self.is_heard(owner) || self.spoken(&name, owner) {
                continue;
            }
            let (record, at) = (self.record.clone(), self.at);
            let draft = match (planner::wanted(&record, &name, owner), phase) {
                (Some(Wanted::Run), Phase::Starting) => {
                    let start = match start {
                        StartKind::Normal => "normal",
                        StartKind::Restart => "restart",
                        StartKind::ForcedNormal => "forced normal",
                    };
                    done.push(format!("{name} is up on {owner} {}, {start}", entry.epoch));
                    planner::report_running(
                        &record,
                        &name,
                        Default::default(),
                        (owner, self.sights[owner].boot),
                        at,
                    )
                }
                (Some(Wanted::HandOver(to)), _) => {
                    done.push(format!("{name} is down on {owner} and goes to {to}"));
                    planner::handed_over(&record, &name, (Down::orderly(), None), owner, at)
                }
                (Some(Wanted::Stop), _) => {
                    done.push(format!("{name} is down on {owner}"));
                    planner::handed_over(&record, &name, (Down::orderly(), None), owner, at)
                }
                (Some(Wanted::Run), Phase::Running | Phase::Failing) | (None, _) => None,
            };
            if let Some(draft) = draft {
                self.apply(&draft);
            }
        }
        done
    }

    /// Whether the owner's desk has said something of this epoch.
    fn spoken(&self, name: &GroupName, owner: &NodeName) -> bool {
        let epoch = self.record.group(name).map(|g| g.epoch);
        let desk = self.sights.get(owner).and_then(|s| s.groups.get(name));
        desk.is_some_and(|d| Some(d.epoch) == epoch)
    }

    /// Plans and acts until nothing changes any more.
    pub fn run(&mut self) {
        for _ in 0..50 {
            let planned = self.plan();
            let acted = match &planned.draft {
                Some(draft) => {
                    self.apply(draft);
                    true
                }
                None => false,
            };
            if self.owners_act().is_empty() && !acted {
                return;
            }
        }
        panic!("the cluster does not come to rest");
    }

    pub fn life(&mut self, name: &str, life: Life) {
        self.sights.get_mut(&node(name)).unwrap().life = life;
    }

    /// A node misses beats, and its device says that it is off.
    pub fn found_off(&mut self, name: &str) {
        let silence = Span::millis(281);
        self.life(name, Life::Silent { silence });
        let (name, by) = (node(name), self.situation().by);
        let boot = self.sights[&name].boot;
        let draft = planner::found_off(&self.record, (&name, boot), silence, (&by, self.at));
        self.apply(&draft.unwrap());
    }

    pub fn link(&mut self, name: &str, link: &str, state: LinkState) {
        self.sights.get_mut(&node(name)).unwrap().links.insert(link.to_owned(), state);
    }

    /// What a node has measured of itself.
    pub fn figures(&mut self, name: &str, figures: Figures) {
        self.sights.get_mut(&node(name)).unwrap().figures = figures;
    }

    /// The owner's desk says where it stands with the epoch in the record.
    pub fn desk(&mut self, name: &str, stand: Stand) {
        let name = group(name);
        let entry = self.record.group(&name).unwrap();
        let (epoch, owner) = (entry.epoch, entry.owner().unwrap().clone());
        let sight = self.sights.get_mut(&owner).unwrap();
        sight.groups.insert(
            name,
            DeskSight {
                epoch,
                stand,
                runs_as: tsugi_cluster_rules::plan::RunsAs::Applied,
                failing: None,
            },
        );
    }

    /// The owner has armed its guardian again and lifts the pin.
    pub fn unpin(&mut self, g: &str) {
        let mut next = self.record.group(&group(g)).unwrap().clone();
        next.pause = None;
        let write = Write::Group(group(g), Arc::new(next));
        let draft = Draft::default().write(write);
        self.apply(&draft);
    }

    pub fn owner(&self, name: &str) -> Option<String> {
        self.record.group(&group(name))?.owner().map(ToString::to_string)
    }
}

/// `node1 node2 w=witness`.
pub fn nodes(text: &str) -> BTreeMap<NodeName, NodeSpec> {
    let one = |word: &str| {
        let (name, role) = match word.split_once('=') {
            Some((name, "witness")) => (name, Role::Witness),
            Some((_, other)) => panic!("no role {other}"),
            None => (word, Role::Node),
        };
        (node(name), NodeSpec { addresses: Vec::new(), role, fence: None })
    };
    text.split_whitespace().map(one).collect()
}

/// `prefer node1 node2; failback when-better; links lan1 lan2; apart G2; restarts 1`.
pub fn group_spec(text: &str) -> GroupSpec {
    let mut spec = GroupSpec {
        services: [].into(),
        mode: Mode::Single,
        prefer: Vec::new(),
        prefer_by: PreferBy::Order,
        startup: Startup::Auto,
        failback: Failback::Manual,
        failure: FailurePolicy::default(),
        apart: BTreeSet::new(),
        together: BTreeSet::new(),
        after: BTreeSet::new(),
        stop_budget: None,
        drill_every: None,
        rehearsing: Rehearsing::default(),
        entitled: None,
        takeover: Takeover::default(),
        fence: FencePolicy::Lease,
        resources: vec![resource("app", process())],
    };
    for part in text.split(';') {
        let (key, value) = part.trim().split_once(' ').unwrap_or((part.trim(), ""));
        let words = || value.split_whitespace();
        match (key, value) {
            ("prefer", _) => spec.prefer = words().map(node).collect(),
            ("apart", _) => spec.apart = words().map(group).collect(),
            ("together", _) => spec.together = words().map(group).collect(),
            ("after", _) => spec.after = words().map(group).collect(),
            ("links", _) => {
                let links: Vec<String> = words().map(str::to_owned).collect();
                let address = "10.0.0.1".parse().unwrap();
                let kind = ResourceKind::Address { address, prefix: 24, links };
                spec.resources.insert(0, resource("ip", kind));
            }
            ("prefer-by", "cpu") => spec.prefer_by = PreferBy::Measure(Measure::Cpu),
            ("prefer-by", "memory") => spec.prefer_by = PreferBy::Measure(Measure::Memory),
            ("prefer-by", "load") => spec.prefer_by = PreferBy::Measure(Measure::Load),
            ("failback", "never") => spec.failback = Failback::Never,
            ("failback", "manual") => spec.failback = Failback::Manual,
            ("failback", "when-better") => spec.failback = Failback::WhenBetter,
            ("failback", "daily") => spec.failback = Failback::At(DAILY),
            ("startup", "auto") => spec.startup = Startup::Auto,
            ("startup", "manual") => spec.startup = Startup::Manual,
            ("takeover", "observe") => spec.takeover = Takeover::Observe,
            ("takeover", "automatic") => spec.takeover = Takeover::Automatic,
            ("fence", "lease") => spec.fence = FencePolicy::Lease,
            ("fence", "self") => spec.fence = FencePolicy::SelfFence,
            ("fence", "mirror") => spec.fence = FencePolicy::Mirror,
            ("fence", "confirmed") => spec.fence = FencePolicy::Confirmed,
            ("restarts", n) => spec.failure.restarts = n.parse().unwrap(),
            ("takeovers", n) => spec.failure.takeovers = n.parse().unwrap(),
            ("within", n) => spec.failure.within = Span::secs(n.parse().unwrap()),
            ("member-of", g) => spec.mode = Mode::MemberOf(group(g)),
            other => panic!("no such part of a group: {other:?}"),
        }
    }
    spec
}

fn process() -> ResourceKind {
    ResourceKind::Process {
        how: tsugi_cluster_rules::spec::ProcessHow::Program {
            run: vec!["/bin/app".to_owned()],
            ready: None,
        },
        environment: BTreeMap::new(),
        user: None,
        monitors: Vec::new(),
        cleanup: None,
    }
}

pub fn resource(name: &str, kind: ResourceKind) -> ResourceSpec {
    ResourceSpec {
        name: ResourceName::new(name).unwrap(),
        kind,
        after: BTreeSet::new(),
        start_limit: Span::secs(10),
        stop_limit: Span::secs(10),
    }
}

/// A cluster: its nodes, and its groups as `name: parts`.
pub fn cluster(node_text: &str, groups: &[&str]) -> ClusterSpec {
    let groups = groups.iter().map(|g| {
        let (name, parts) = g.split_once(':').unwrap();
        (group(name.trim()), group_spec(parts.trim()))
    });
    ClusterSpec {
        name: "told".to_owned(),
        timing: Profile::Default,
        language: None,
        nodes: nodes(node_text),
        groups: groups.collect(),
        ledger: LedgerPlace::OnNodes,
        environment: Default::default(),
    }
}

#[test]
fn ph_03_mutual_standby_each_node_takes_the_others_group() {
    let spec =
        cluster("host1 host2 w=witness", &["G1: prefer host1 host2", "G2: prefer host2 host1"]);
    let mut world = World::new(spec);
    world.run();
    assert_eq!(
        (world.owner("G1"), world.owner("G2")),
        (Some("host1".into()), Some("host2".into()))
    );
    world.life("host1", Life::Silent { silence: Span::millis(600) });
    let planned = world.plan();
    assert_eq!(tsugi_cluster_rules::check::check(&world.record, &planned), Vec::new());
    world.run();
    assert_eq!(
        (world.owner("G1"), world.owner("G2")),
        (Some("host2".into()), Some("host2".into()))
    );
}
