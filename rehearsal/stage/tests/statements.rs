//! Statements that show only in a whole cluster over time: played in the false world.

use std::collections::{BTreeMap, BTreeSet};

use tsugi_cluster_rules::mutant::plant;
use tsugi_cluster_rules::spec::{Failback, FencePolicy};
use tsugi_cluster_rules::timing::Profile;
use tsugi_vocabulary::{GroupName, Span};
use tsugi_world::{
    Accepted, Devices, Fault, FaultKind, LedgerOn, Neighbours, Scene, SceneGroup, Seen, Witness,
    World,
};

/// The numbers that callers were told, and who gave them when.
#[derive(Default)]
struct Log {
    told: BTreeMap<GroupName, Vec<u64>>,
    served: BTreeMap<GroupName, Vec<(u64, usize)>>,
}

impl Witness for Log {
    fn see(&mut self, seen: &Seen<'_>) {
        match seen {
            Seen::Replied { group, number, .. } => {
                self.told.entry((*group).clone()).or_default().push(*number);
            }
            Seen::Effect { at, node, group, accepted: Accepted::Yes, .. } => {
                self.served.entry((*group).clone()).or_default().push((*at, *node));
            }
            _ => {}
        }
    }
}

impl Log {
    /// The nodes that served a group, in order, each once a turn.
    fn owners(&self, group: usize) -> Vec<usize> {
        let mut owners: Vec<usize> =
            self.served[&Scene::group(group)].iter().map(|(_, node)| *node).collect();
        owners.dedup();
        owners
    }

    /// The longest time in which nobody served the group after `from`, until `node` did.
    fn until_served_by(&self, group: usize, (node, from): (usize, u64)) -> Option<Span> {
        let served = self.served.get(&Scene::group(group))?;
        let (at, _) = served.iter().find(|(at, n)| *at > from && *n == node)?;
        Some(Span(at - from))
    }
}

fn group(home: usize, failback: Failback) -> SceneGroup {
    SceneGroup { home, failback, restarts: 0, fence: FencePolicy::SelfFence }
}

fn played(groups: Vec<SceneGroup>, faults: Vec<Fault>, until_ms: u64) -> Log {
    let (profile, neighbours) = (Profile::Default, Neighbours::Any);
    let (devices, ledger) = (Devices::None, LedgerOn::Nodes);
    let scene = Scene { profile, members: 2, groups, neighbours, devices, ledger };
    let mut log = Log::default();
    World::new(7, scene, faults, &mut log).run(until_ms);
    log
}

fn fault(at_ms: u64, kind: FaultKind) -> Fault {
    Fault { at_ms, kind }
}

#[test]
fn mf_12_two_regions_take_over_from_each_other_both_ways_and_both_counters_are_unbroken() {
    let back = Failback::WhenBetter;
    let faults = vec![
        fault(10_000, FaultKind::Power { node: 0, for_ms: 10_000 }),
        fault(40_000, FaultKind::Power { node: 1, for_ms: 10_000 }),
    ];
    let log = played(vec![group(0, back), group(1, back)], faults, 80_000);
    assert_eq!(log.owners(0), [0, 1, 0], "node 2 takes the first region over and gives it back");
    assert_eq!(log.owners(1), [1, 0, 1], "and the other way round");
    for number in 0..2 {
        let told = &log.told[&Scene::group(number)];
        assert!(told.len() > 100, "{} answers", told.len());
        let distinct: BTreeSet<&u64> = told.iter().collect();
        assert_eq!(distinct.len(), told.len(), "no number was given twice");
        assert!(told.windows(2).all(|w| w[1] == w[0] + 1), "none was left out, none goes back");
    }
}

/// From the loss of a program of the only group until the other node serves it.
fn taken_over_after(kind: FaultKind) -> Option<Span> {
    let log = played(vec![group(0, Failback::Never)], vec![fault(10_000, kind)], 40_000);
    log.until_served_by(0, (1, 10_000_000_000))
}

#[test]
fn mf_08_the_end_of_the_directory_leads_to_takeover_within_interval_times_retries_and_a_start() {
    // The scene asks every 700 ms, waits 300 ms for an answer, and two failures are one too many;
    // a stop may take 500 ms and a start 5 s.
    let bound = Span::millis(700 * 3 + 300 + 500 + 5_000);
    let dead = taken_over_after(FaultKind::Program { group: 0 }).expect("it is taken over");
    let hung = taken_over_after(FaultKind::Hang { group: 0 }).expect("it is taken over");
    assert!(dead <= bound && hung <= bound, "{dead:?} and {hung:?} against {bound:?}");
    assert!(dead < hung, "an end is seen at once, a program that hangs by its monitor");
    plant("monitor-timeout-is-fine");
    let unseen = taken_over_after(FaultKind::Hang { group: 0 });
    plant("");
    assert_eq!(unseen, None, "without the monitor nobody would know");
}
