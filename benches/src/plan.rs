//! A plan of 200 groups on three nodes: nothing to do, and after the loss of a node.

use std::collections::BTreeMap;
use std::time::Instant;

use tsugi_cluster_rules::figures::Figures;
use tsugi_cluster_rules::plan::{Life, Settled, Sight, Situation};
use tsugi_cluster_rules::planner;
use tsugi_cluster_rules::record::Record;
use tsugi_cluster_rules::spec::{Failback, FencePolicy};
use tsugi_cluster_rules::timing::Profile;
use tsugi_vocabulary::{BootId, Index, NodeName, Span, Wall};
use tsugi_world::{Devices, LedgerOn, Neighbours, Scene, SceneGroup};

use crate::Figure;

const GROUPS: usize = 200;
const ROUNDS: usize = 400;

/// Measures both.
pub fn run() -> Vec<Figure> {
    let group = |n: usize| SceneGroup {
        home: n % 3,
        failback: Failback::Never,
        restarts: 3,
        fence: FencePolicy::SelfFence,
    };
    let groups = (0..GROUPS).map(group).collect();
    let (neighbours, devices) = (Neighbours::Any, Devices::None);
    let (profile, ledger) = (Profile::Default, LedgerOn::Nodes);
    let scene = Scene { profile, members: 3, groups, neighbours, devices, ledger };
    let mut record = scene.record();
    let planned = planner::plan(&situation(&record, Life::Heard));
    if let Some(draft) = planned.draft {
        let index = Index(record.applied.0 + 1);
        record.apply(&draft, index);
    }
    let lost = Life::Silent { silence: Span::secs(1) };
    vec![
        measure("plan, nothing to do", &record, Life::Heard),
        measure("plan, a node is lost", &record, lost),
    ]
}

fn measure(name: &str, record: &Record, third: Life) -> Figure {
    let began = Instant::now();
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let at = Instant::now();
        let planned = planner::plan(&situation(record, third.clone()));
        std::hint::black_box(&planned);
        times.push(at.elapsed());
    }
    Figure::of(name, 1, times, began.elapsed())
}

fn situation(record: &Record, third: Life) -> Situation<'_> {
    let sight = |n: usize| Sight {
        life: if n == 2 { third.clone() } else { Life::Heard },
        boot: BootId(n as u128 + 1),
        config: 1,
        links: BTreeMap::new(),
        groups: BTreeMap::new(),
        figures: Figures::default(),
        ratio: Some(1),
        settings: 0,
        entries: Default::default(),
        beats: Default::default(),
    };
    let sights: BTreeMap<NodeName, Sight> = (0..3).map(|n| (Scene::node(n), sight(n))).collect();
    let settled = Settled::Yes;
    Situation { record, sights, by: Scene::node(0), at: Wall(1), settled }
}
