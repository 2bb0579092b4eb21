//! Random clusters on random walks: what holds for every plan.

use std::collections::BTreeMap;
use std::sync::Arc;

use tsugi_cluster_rules::check::check;
use tsugi_cluster_rules::command::{self, Before, Command, Issued, Vouch};
use tsugi_cluster_rules::plan::{Chosen, Decision, Life, Resting, Settled, Stand};
use tsugi_cluster_rules::planner::{self, Planned};
use tsugi_cluster_rules::reason::{Cause, Rejected};
use tsugi_cluster_rules::record::{GroupIntent, LinkState};
use tsugi_cluster_rules::spec::{ClusterSpec, Takeover};
use tsugi_cluster_rules::start_kind::StartOption;
use tsugi_cluster_rules::whatif::{Hypothesis, whatif};
use tsugi_vocabulary::{BootId, GroupName, NodeName, ResourceName, Span, Wall};

use crate::world::{World, cluster, group, node};

/// Chance from a seed.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    pub fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).unwrap()
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

fn random_cluster(chance: &mut Chance) -> ClusterSpec {
    let names: Vec<String> = (1..=2 + chance.below(3)).map(|i| format!("n{i}")).collect();
    let witness = names.len() == 2 || chance.one_in(2);
    let nodes = names.join(" ") + if witness { " w=witness" } else { "" };
    let count = 1 + chance.below(6);
    let mut groups = Vec::new();
    for i in 0..count {
        let mut prefer = names.clone();
        for j in (1..prefer.len()).rev() {
            prefer.swap(j, chance.below(j + 1));
        }
        prefer.truncate(1 + chance.below(prefer.len()));
        let mut text = format!("G{i}: prefer {}", prefer.join(" "));
        text += &format!("; failback {}", chance.pick(&["never", "manual", "when-better"]));
        text += &format!("; restarts {}; takeovers {}", chance.below(3), chance.below(3));
        text += &format!("; startup {}", chance.pick(&["auto", "auto", "auto", "manual"]));
        text += &format!("; fence {}", chance.pick(&["lease", "lease", "self", "confirmed"]));
        if i % 3 == 2 {
            text += "; takeover observe";
        }
        if chance.one_in(2) {
            text += "; links lan1 lan2";
        }
        if i > 0 && chance.one_in(4) {
            let other = chance.below(i);
            text += &format!("; {} G{other}", chance.pick(&["apart", "together"]));
        }
        groups.push(text);
    }
    let texts: Vec<&str> = groups.iter().map(String::as_str).collect();
    cluster(&nodes, &texts)
}

fn names(world: &World) -> (Vec<NodeName>, Vec<GroupName>) {
    let spec = world.record.spec().unwrap();
    (spec.nodes.keys().cloned().collect(), spec.groups.keys().cloned().collect())
}

pub fn issued(world: &World, command: Command) -> Issued {
    Issued {
        command,
        words: "told".to_owned(),
        person: "yamada".to_owned(),
        origin: "n1 tty1".to_owned(),
        command_id: "c1".to_owned(),
        decided_on: world.record.generation(),
        reason: "maintenance".to_owned(),
        at: world.at,
        before: Before::New,
    }
}

fn random_command(chance: &mut Chance, world: &World) -> Command {
    let (nodes, groups) = names(world);
    let (group, node) = (chance.pick(&groups).clone(), chance.pick(&nodes).clone());
    let some = |chance: &mut Chance| chance.one_in(2).then(|| node.clone());
    match chance.below(11) {
        0 => Command::GroupStart { group, option: StartOption::None, node: some(chance) },
        1 => Command::GroupStop { group },
        2 | 3 => Command::GroupMove { group, to: some(chance) },
        4 => {
            let until = chance.one_in(2).then(|| Wall(world.at.0 + 5_000));
            Command::GroupPause { group, until }
        }
        5 => Command::GroupResume { group, vouch: Vouch::OwnerIsOff },
        6 => Command::GroupClear { group },
        7 => Command::NodeDrain { node },
        8 => Command::NodeLeave { node },
        9 => Command::NodeConfirmOff { node },
        _ => Command::NodeUndrain { node },
    }
}

/// One thing happens in the world.
fn random_event(chance: &mut Chance, world: &mut World) {
    let (nodes, groups) = names(world);
    let at = chance.pick(&nodes).to_string();
    match chance.below(10) {
        0 => world.life(&at, Life::Silent { silence: Span::millis(600) }),
        1 => world.life(&at, Life::Deaf),
        2..=4 => world.life(&at, Life::Heard),
        5 => {
            let sight = world.sights.get_mut(&node(&at)).unwrap();
            sight.life = Life::Heard;
            sight.boot = BootId(sight.boot.0 + 1);
            let owned = |g: &&GroupName| {
                world.record.group(g).is_some_and(|r| r.owner() == Some(&node(&at)))
            };
            let owned: Vec<GroupName> = groups.iter().filter(owned).cloned().collect();
            for g in owned {
                world.desk(g.as_str(), Stand::Failed(Cause::AgentLost { node: node(&at) }));
            }
        }
        6 | 7 => {
            let g = chance.pick(&groups).clone();
            let owner = world.record.group(&g).and_then(|r| r.owner().cloned());
            if let Some(owner) = owner.filter(|o| world.sights.contains_key(o)) {
                let resource = ResourceName::new("app").unwrap();
                let how = "exit 3".into();
                let cause = Cause::ProcessDied { node: owner, resource, how };
                let stand = if chance.one_in(6) { Stand::Stuck } else { Stand::Failed(cause) };
                world.desk(g.as_str(), stand);
            }
        }
        8 => {
            let state = *chance.pick(&[LinkState::Up, LinkState::Down]);
            let link = *chance.pick(&["lan1", "lan2"]);
            world.link(&at, link, state);
        }
        _ => world.at = Wall(world.at.0 + 1_000 * chance.below(4_000) as u64),
    }
    world.settled = if chance.one_in(8) { Settled::NotYet } else { Settled::Yes };
}

/// What holds for every plan; the plan.
fn good_plan(world: &World, seed: u64) -> Planned {
    let planned = world.plan();
    assert_eq!(planned, world.plan(), "seed {seed}: the same situation, another plan");
    let faults = check(&world.record, &planned);
    assert_eq!(faults, Vec::new(), "seed {seed}: {planned:#?}");
    if let Some(draft) = &planned.draft {
        let mut after = world.clone();
        after.apply(draft);
        let again = after.plan();
        assert_eq!(again.draft, None, "seed {seed}: {:#?} then {again:#?}", planned.plan);
    }
    planned
}

fn walk(seed: u64, steps: usize) -> World {
    let mut chance = Chance::new(seed);
    let mut world = World::new(random_cluster(&mut chance));
    for _ in 0..steps {
        if chance.one_in(3) {
            let issued = issued(&world, random_command(&mut chance, &world));
            if let Ok(planned) = command::planned(&world.situation(), &issued) {
                assert_eq!(check(&world.record, &planned), Vec::new(), "seed {seed} {issued:?}");
                world.apply(&planned.draft.unwrap());
            }
        } else {
            random_event(&mut chance, &mut world);
        }
        let planned = good_plan(&world, seed);
        if let Some(draft) = planned.draft {
            world.apply(&draft);
        }
        if chance.one_in(2) {
            world.owners_act();
        }
    }
    world
}

/// Walks of these seeds, each plan examined.
pub fn walks(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        walk(seed, 40);
    }
}

#[test]
fn on_every_random_walk_every_plan_is_sound_repeatable_and_final() {
    walks(0..600);
}

#[test]
fn after_the_faults_every_group_that_is_to_run_runs() {
    let mut ran = 0;
    for seed in 30_000..30_200 {
        let mut world = walk(seed, 30);
        for sight in world.sights.values_mut() {
            sight.groups.clear();
            // A machine that was fenced or shut down has restarted.
            sight.boot.0 += 1 << 64;
        }
        let (nodes, groups) = names(&world);
        for group in &groups {
            if world.record.group(group).is_some_and(|g| g.pause.is_some()) {
                world.unpin(group.as_str());
            }
        }
        let config = world.record.config.as_mut().unwrap();
        for spec in Arc::make_mut(config).spec.groups.values_mut() {
            spec.takeover = Takeover::Automatic;
        }
        // Nothing is counted any more, and no machine is out of service.
        world.at = Wall(world.at.0 + 10_000_000);
        heal(&mut world);
        for node in nodes {
            let undrain = issued(&world, Command::NodeUndrain { node });
            if let Ok(draft) = command::decide(&world.situation(), &undrain) {
                world.apply(&draft);
            }
        }
        heal(&mut world);
        for (group, decision) in planner::decide(&world.situation()) {
            let entry = world.record.group(&group).unwrap();
            match &decision.chosen {
                Chosen::Stay { node } => {
                    assert_eq!(entry.owner(), Some(node));
                    ran += 1;
                }
                Chosen::Rest { because } => {
                    let manual = *because == Resting::Manual;
                    assert!(manual || entry.intent != GroupIntent::Run, "seed {seed} {group}");
                }
                Chosen::NoPlace => {
                    let company = |r: &Rejected| {
                        matches!(r, Rejected::Apart { .. } | Rejected::Together { .. })
                    };
                    assert!(decision.rejected.values().any(company), "seed {seed} {decision:?}");
                }
                open => panic!("seed {seed}: {group} still {open:?}"),
            }
        }
    }
    assert!(ran > 300, "only {ran} groups run");
}

/// The cause names who asked; the rest must be the same.
fn outcome(decision: &Decision) -> Decision {
    let mut decision = planner::timeless(decision);
    decision.cause = None;
    decision
}

/// Every node is heard again and everything comes to rest.
fn heal(world: &mut World) {
    for sight in world.sights.values_mut() {
        sight.life = Life::Heard;
        sight.links.clear();
    }
    world.settled = Settled::Yes;
    world.run();
}

fn random_hypothesis(chance: &mut Chance, world: &World) -> Hypothesis {
    let (nodes, groups) = names(world);
    let group = chance.pick(&groups).clone();
    let owner = world.record.group(&group).and_then(|g| g.owner().cloned());
    let node = owner.filter(|_| chance.one_in(2)).unwrap_or(chance.pick(&nodes).clone());
    match chance.below(5) {
        0 => Hypothesis::NodeDown(node),
        1 => Hypothesis::LinkDown(node, "lan1".to_owned()),
        2 => Hypothesis::GroupStop(group),
        3 => Hypothesis::GroupMove(group, node),
        _ => Hypothesis::NodeDrain(node),
    }
}

/// The same for real; none if it was refused.
fn really(world: &mut World, what: &Hypothesis) -> Option<BTreeMap<GroupName, Decision>> {
    let command = match what.clone() {
        Hypothesis::NodeDown(node) => {
            world.life(node.as_str(), Life::Silent { silence: Span::millis(777) });
            None
        }
        Hypothesis::LinkDown(node, link) => {
            world.link(node.as_str(), &link, LinkState::Down);
            None
        }
        Hypothesis::GroupStop(group) => Some(Command::GroupStop { group }),
        Hypothesis::GroupMove(group, to) => Some(Command::GroupMove { group, to: Some(to) }),
        Hypothesis::NodeDrain(node) => Some(Command::NodeDrain { node }),
    };
    let situation = world.situation();
    let planned = match command {
        None => planner::plan(&situation),
        Some(command) => command::planned(&situation, &issued(world, command)).ok()?,
    };
    if let Some(draft) = &planned.draft {
        world.apply(draft);
    }
    // A group that the plan leaves out stays or rests.
    let mut real = planner::decide(&world.situation());
    real.extend(planned.plan.decisions);
    Some(real)
}

#[test]
fn ph_20_what_is_foretold_for_a_thousand_clusters_is_what_then_happens() {
    let (mut compared, mut moved) = (0, 0);
    for seed in 10_000..11_000 {
        let mut world = walk(seed, 4);
        world.settled = Settled::Yes;
        let mut chance = Chance::new(seed);
        if chance.one_in(2) {
            heal(&mut world);
        }
        let what = random_hypothesis(&mut chance, &world);
        let foretold = whatif(&world.situation(), std::slice::from_ref(&what)).plan;
        let Some(real) = really(&mut world, &what) else { continue };
        for (group, decision) in &foretold.decisions {
            if let Chosen::Give { node, .. } | Chosen::Stay { node } = &decision.chosen {
                assert_eq!(world.owner(group.as_str()), Some(node.to_string()), "seed {seed}");
            }
            let (foretold, real) = (outcome(decision), real.get(group).map(outcome));
            assert_eq!(Some(&foretold), real.as_ref(), "seed {seed} {what:?} {group}");
            moved += usize::from(matches!(
                foretold.chosen,
                Chosen::Give { .. } | Chosen::HandOver { .. }
            ));
        }
        compared += 1;
    }
    assert!(compared > 700, "only {compared} were carried out");
    assert!(moved > 150, "only {moved} groups moved");
}

#[test]
fn several_losses_at_once_are_foretold_too() {
    for seed in 20_000..20_200 {
        let mut world = walk(seed, 5);
        world.settled = Settled::Yes;
        let (nodes, groups) = names(&world);
        let mut chance = Chance::new(seed);
        let gone = chance.pick(&nodes).clone();
        let cut = chance.pick(&nodes).clone();
        let what = [
            Hypothesis::NodeDown(gone.clone()),
            Hypothesis::LinkDown(cut.clone(), "lan1".to_owned()),
            Hypothesis::LinkDown(cut.clone(), "lan2".to_owned()),
        ];
        let foretold = whatif(&world.situation(), &what).plan.decisions;
        world.life(gone.as_str(), Life::Silent { silence: Span::millis(600) });
        world.link(cut.as_str(), "lan1", LinkState::Down);
        world.link(cut.as_str(), "lan2", LinkState::Down);
        let real = planner::decide(&world.situation());
        for g in groups {
            assert_eq!(outcome(&foretold[&g]), outcome(&real[&g]), "seed {seed} {g}");
        }
    }
}

#[test]
fn two_hundred_groups_are_planned_without_comparing_each_with_each() {
    let mut texts: Vec<String> = Vec::new();
    for i in 0..200 {
        let order = ["n1 n2 n3", "n2 n3 n1", "n3 n1 n2"][i % 3];
        texts.push(format!("G{i:03}: prefer {order}; links lan1"));
    }
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let mut world = World::new(cluster("n1 n2 n3", &texts));
    world.run();
    world.life("n1", Life::Silent { silence: Span::millis(600) });
    let planned = world.plan();
    assert_eq!(check(&world.record, &planned), Vec::new());
    assert_eq!(planned.plan.decisions.len(), 67, "only what moves is in the plan");
    assert!(world.record.group(&group("G000")).is_some());
}
