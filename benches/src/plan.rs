//! Plans for 200 groups on three nodes after the loss of one: what a takeover waits for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use tsugi_cluster_rules::plan::{Life, Settled, Sight, Situation};
use tsugi_cluster_rules::planner;
use tsugi_cluster_rules::record::{AppliedConfig, NodeIntent, NodeRecord, Record, Versioned};
use tsugi_cluster_rules::spec::{
    ClusterSpec, Failback, FailurePolicy, FencePolicy, GroupSpec, Mode, NodeSpec, ProcessHow,
    ResourceKind, ResourceSpec, Role, Startup,
};
use tsugi_cluster_rules::timing::Profile;
use tsugi_vocabulary::{BootId, GroupName, Index, NodeName, ResourceName, Span, Wall};

use crate::Trouble;
use crate::row::Row;

/// What a plan may take.
pub const LIMIT_MS: f64 = 10.0;
const GROUPS: usize = 200;
const PLANS: usize = 300;
const HASH: &str = "00000000000000070000000000000000";

/// The time of one plan, over many.
pub fn measure() -> Result<Row, Trouble> {
    let nodes: Vec<NodeName> =
        ["n1", "n2", "n3"].iter().map(|n| NodeName::new(n).expect("is a name")).collect();
    let mut record = record(&nodes);
    let mut sights: BTreeMap<NodeName, Sight> =
        nodes.iter().enumerate().map(|(at, name)| (name.clone(), sight(at))).collect();
    let at = Wall(1_000_000_000);
    let by = nodes[1].clone();
    let first =
        Situation { record: &record, sights: sights.clone(), by, at, settled: Settled::Yes };
    let draft = planner::plan(&first).draft;
    let draft = draft.ok_or_else(|| Trouble::Failed("nothing was planned".into()))?;
    record.apply(&draft, Index(2));
    sights
        .entry(nodes[0].clone())
        .and_modify(|sight| sight.life = Life::Silent { silence: Span::millis(600) });
    let by = nodes[1].clone();
    let lost = Situation { record: &record, sights, by, at, settled: Settled::Yes };
    let begun = Instant::now();
    let mut times = Vec::new();
    for _ in 0..PLANS {
        let from = Instant::now();
        let planned = planner::plan(std::hint::black_box(&lost));
        times.push(from.elapsed());
        let taken = planned.draft.map_or(0, |draft| draft.writes.len());
        if taken < GROUPS / nodes.len() {
            return Err(Trouble::Failed(format!("only {taken} entries were written")));
        }
    }
    Ok(Row::of("plan", 1, times, begun.elapsed()))
}

fn record(nodes: &[NodeName]) -> Record {
    let mut record = Record { incarnation: 1, applied: Index(1), ..Record::default() };
    for (at, name) in nodes.iter().enumerate() {
        let intent = NodeIntent::InService;
        let value = NodeRecord { voter: at as u64 + 1, intent, fenced: None };
        let value = Versioned { version: Index(1), value: Arc::new(value) };
        record.nodes.insert(name.clone(), value);
    }
    let machine = NodeSpec { addresses: Vec::new(), role: Role::Node };
    let spec = ClusterSpec {
        name: "bench".into(),
        timing: Profile::Default,
        language: None,
        nodes: nodes.iter().map(|name| (name.clone(), machine.clone())).collect(),
        groups: (0..GROUPS).map(|number| group(number, nodes)).collect(),
    };
    let (hash, text) = (HASH.to_owned(), String::new());
    record.config =
        Some(Arc::new(AppliedConfig { version: 1, hash, text, spec, unconfirmed: None }));
    record
}

fn sight(at: usize) -> Sight {
    Sight {
        life: Life::Heard,
        boot: BootId((at as u128 + 1) << 96),
        config: planner::config_mark(HASH),
        links: BTreeMap::new(),
        groups: BTreeMap::new(),
    }
}

fn group(number: usize, nodes: &[NodeName]) -> (GroupName, GroupSpec) {
    let mut prefer = nodes.to_vec();
    prefer.rotate_left(number % nodes.len());
    let spec = GroupSpec {
        mode: Mode::Single,
        prefer,
        startup: Startup::Auto,
        failback: Failback::Manual,
        failure: FailurePolicy::default(),
        apart: BTreeSet::new(),
        together: BTreeSet::new(),
        stop_budget: None,
        fence: FencePolicy::Lease,
        resources: resources(number),
    };
    (GroupName::new(&format!("g{number}")).expect("is a name"), spec)
}

fn resources(number: usize) -> Vec<ResourceSpec> {
    let address = std::net::IpAddr::from([10, 78, 0, u8::try_from(number % 250 + 1).unwrap_or(1)]);
    let links = vec!["eth0".to_owned()];
    let how = ProcessHow::Program { run: vec!["/bin/true".into()], ready: None };
    let environment = BTreeMap::new();
    let process = ResourceKind::Process { how, environment, user: None, monitor: None };
    [("address", ResourceKind::Address { address, prefix: 24, links }), ("program", process)]
        .map(|(name, kind)| ResourceSpec {
            name: ResourceName::new(name).expect("is a name"),
            kind,
            after: BTreeSet::new(),
            start_limit: Span::secs(60),
            stop_limit: Span::secs(10),
        })
        .to_vec()
}
