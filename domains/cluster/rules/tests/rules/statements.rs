//! Statements of the domain that the rules alone make true; more are shown by the stories.

use tsugi_cluster_rules::plan::{Chosen, Life, Stand};
use tsugi_cluster_rules::planner;
use tsugi_cluster_rules::reason::Cause;
use tsugi_cluster_rules::record::{Answer, Ownership};
use tsugi_cluster_rules::spec::FailurePolicy;
use tsugi_vocabulary::{ResourceName, Span, Wall};

use crate::world::{World, cluster, group, node};

fn unwell(on: &str) -> Stand {
    Stand::Failed(Cause::MonitorFailed {
        node: node(on),
        resource: ResourceName::new("app").unwrap(),
        how: "exit 1".into(),
    })
}

#[test]
fn cl_10_the_end_of_a_watched_program_moves_the_group_at_once_or_as_configured() {
    let groups = ["NOW: prefer n1 n2; restarts 0", "AFTER: prefer n1 n2; restarts 1"];
    let mut world = World::new(cluster("n1 n2 w=witness", &groups));
    world.run();
    world.desk("NOW", unwell("n1"));
    world.desk("AFTER", unwell("n1"));
    world.run();
    assert_eq!(world.owner("NOW").as_deref(), Some("n2"));
    assert_eq!(world.owner("AFTER").as_deref(), Some("n1"));
}

#[test]
fn cl_21_by_default_three_restarts_then_one_takeover_then_rest() {
    let mut world = World::new(cluster("n1 n2 w=witness", &["G1: prefer n1 n2"]));
    assert_eq!((FailurePolicy::default().restarts, FailurePolicy::default().takeovers), (3, 1));
    world.run();
    let mut owners = Vec::new();
    for _ in 0..8 {
        let Some(owner) = world.owner("G1") else { break };
        world.desk("G1", unwell(&owner));
        world.run();
        owners.push(world.owner("G1").unwrap_or_default());
    }
    assert_eq!(owners, ["n1", "n1", "n1", "n2", "n2", "n2", "n2", ""]);
}

#[test]
fn cl_30_every_takeover_has_a_higher_epoch_also_after_a_restored_ledger() {
    let mut world = World::new(cluster("n1 n2 n3", &["G1: prefer n1 n2 n3"]));
    world.run();
    let mut epochs = vec![world.record.group(&group("G1")).unwrap().epoch];
    for (lost, back) in [("n1", "n1"), ("n2", "n2"), ("n1", "n1")] {
        world.life(lost, Life::Silent { silence: Span::millis(600) });
        world.run();
        world.life(back, Life::Heard);
        world.record.incarnation += 1;
        epochs.push(world.record.group(&group("G1")).unwrap().epoch);
    }
    assert!(epochs.windows(2).all(|pair| pair[0] < pair[1]), "{epochs:?}");
}

#[test]
fn ph_09_home_only_first_available_everywhere_and_one_a_node() {
    let groups = [
        "HOME: prefer n1",
        "FIRST: prefer n1 n2 n3",
        "ALL_n1: prefer n1; member-of ALL",
        "ALL_n2: prefer n2; member-of ALL",
        "ALL_n3: prefer n3; member-of ALL",
        "D1: prefer n1 n2 n3; apart D2 D3",
        "D2: prefer n1 n2 n3; apart D3",
        "D3: prefer n1 n2 n3",
    ];
    let mut world = World::new(cluster("n1 n2 n3", &groups));
    world.run();
    let owners: Vec<_> = ["D1", "D2", "D3"].iter().map(|g| world.owner(g).unwrap()).collect();
    assert_eq!(owners, ["n1", "n2", "n3"], "distribution: one a node");
    let all: Vec<_> = ["n1", "n2", "n3"].iter().map(|n| world.owner(&format!("ALL_{n}"))).collect();
    assert_eq!(all, ["n1", "n2", "n3"].map(|n| Some(n.to_owned())));
    world.life("n1", Life::Silent { silence: Span::millis(600) });
    let decisions = planner::decide(&world.situation());
    assert_eq!(decisions[&group("HOME")].chosen, Chosen::NoPlace);
    assert_eq!(decisions[&group("D1")].chosen, Chosen::NoPlace, "two nodes, three groups");
    assert!(matches!(&decisions[&group("FIRST")].chosen,
        Chosen::Give { node: to, .. } if *to == node("n2")));
}

#[test]
fn ph_06_a_planned_move_gives_nothing_before_the_source_has_let_go() {
    let mut world = World::new(cluster("n1 n2 w=witness", &["G1: prefer n1 n2; links lan1"]));
    world.run();
    world.link("n1", "lan1", tsugi_cluster_rules::record::LinkState::Down);
    let before = world.record.group(&group("G1")).unwrap().epoch;
    world.apply(&world.plan().draft.unwrap());
    let entry = world.record.group(&group("G1")).unwrap().clone();
    assert_eq!((entry.owner(), entry.epoch), (Some(&node("n1")), before));
    assert!(matches!(&entry.ownership, Ownership::Owned { handover: Some(to), .. }
        if *to == node("n2")));
    let draft = planner::handed_over(&world.record, &group("G1"), &node("n1"), world.at);
    world.apply(&draft.unwrap());
    let entry = world.record.group(&group("G1")).unwrap();
    assert_eq!(entry.owner(), Some(&node("n2")));
    assert!(entry.epoch > before);
}

#[test]
fn an_owner_that_was_overtaken_has_nothing_to_report() {
    let mut world = World::new(cluster("n1 n2 w=witness", &["G1: prefer n1 n2"]));
    world.run();
    world.life("n1", Life::Silent { silence: Span::millis(600) });
    world.run();
    let (g, n1, at) = (group("G1"), node("n1"), world.at);
    assert_eq!(planner::handed_over(&world.record, &g, &n1, at), None);
    assert_eq!(planner::report_running(&world.record, &g, Default::default(), &n1, at), None);
    assert_eq!(planner::wanted(&world.record, &g, &n1), None);
}

#[test]
fn what_the_owner_says_of_a_failure_and_what_the_plan_makes_of_it_agree() {
    let mut world = World::new(cluster("n1 n2 w=witness", &["G1: prefer n1 n2; restarts 0"]));
    world.run();
    let (g, n1) = (group("G1"), node("n1"));
    assert_eq!(planner::answer_to_failure(&world.record, &g, &n1, world.at), Answer::TakenOver);
    let Stand::Failed(cause) = unwell("n1") else { unreachable!() };
    let draft = planner::released_after_failure(&world.record, &g, cause, &n1, world.at);
    world.apply(&draft.unwrap());
    world.run();
    assert_eq!(world.owner("G1").as_deref(), Some("n2"));
}

#[test]
fn a_plan_that_only_time_changes_is_foretold() {
    let mut world = World::new(cluster("n1 n2 w=witness", &["G1: prefer n1 n2; within 600"]));
    world.run();
    assert_eq!(planner::next_by_time(&world.record, world.at), None);
    world.desk("G1", unwell("n1"));
    world.run();
    let due = Wall(world.at.0 + 600_000);
    assert_eq!(planner::next_by_time(&world.record, world.at), Some(due));
}
