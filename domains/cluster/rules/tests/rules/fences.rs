//! Who is switched off, on whose order, and what follows from how it went (L7).

use std::sync::Arc;

use tsugi_cluster_rules::command::{self, Command};
use tsugi_cluster_rules::mirror::Says;
use tsugi_cluster_rules::plan::{Chosen, Life, Situation, Waiting};
use tsugi_cluster_rules::planner;
use tsugi_cluster_rules::reason::Cause;
use tsugi_cluster_rules::record::{Draft, EventRecord, FenceFault, FenceOrder, Happening, Write};
use tsugi_cluster_rules::spec::{ClusterSpec, FenceDevice, FencePolicy};
use tsugi_vocabulary::{BootId, Span};

use crate::random::issued;
use crate::world::{World, cluster, group, node};

const SILENT: Life = Life::Silent { silence: Span::millis(600) };

/// Every node has a device.
fn with_devices(nodes: &str, groups: &[&str]) -> ClusterSpec {
    let mut spec = cluster(nodes, groups);
    for node in spec.nodes.values_mut() {
        node.fence = Some(FenceDevice {
            agent: "fence_rack".to_owned(),
            options: [].into(),
            secret: None,
            limit: Span::secs(20),
            every: Span::secs(3600),
        });
    }
    spec
}

/// G1 runs on n1, whose volume asks for a confirmed fence; n1 then falls silent.
fn lost() -> World {
    let groups = ["G1: prefer n1 n2; fence confirmed", "G2: prefer n2"];
    let mut world = World::new(with_devices("n1 n2 n3", &groups));
    world.run();
    assert_eq!(world.owner("G1").as_deref(), Some("n1"));
    world.life("n1", SILENT);
    world
}

fn order(world: &World, name: &str) -> Option<FenceOrder> {
    world.record.nodes[&node(name)].value.fencing.clone()
}

fn ends(world: &mut World, name: &str, outcome: Result<(), FenceFault>) {
    let order = order(world, name).unwrap();
    let ended = (&order, outcome);
    let draft = planner::fence_ended(&world.record, &node(name), ended, world.at).unwrap();
    world.apply(&draft);
}

fn waits(world: &World) -> bool {
    let decided = world.plan().plan.decisions;
    let wait = Chosen::Wait { on: Waiting::Fence { node: node("n1") } };
    decided.get(&group("G1")).is_some_and(|d| d.chosen == wait)
}

#[test]
fn cl_28_before_a_takeover_from_a_lost_node_its_fence_must_be_confirmed() {
    let mut world = lost();
    world.run();
    let order = order(&world, "n1").unwrap();
    assert_eq!((order.by.as_str(), order.failed.clone()), ("n2", None), "who decides has it done");
    assert_eq!(order.boot, world.sights[&node("n1")].boot);
    assert_eq!(order.by_boot, world.sights[&node("n2")].boot);
    assert_eq!(world.owner("G1").as_deref(), Some("n1"), "the entry alone takes nothing");
    assert!(waits(&world));
    ends(&mut world, "n1", Ok(()));
    let known = &world.record.nodes[&node("n1")].value;
    assert_eq!((known.fenced, &known.fencing), (Some(order.boot), &None), "that boot, no other");
    let decided = world.plan().plan.decisions;
    let cause = decided.get(&group("G1")).and_then(|decision| decision.cause.clone());
    let silence = Span::millis(600);
    assert_eq!(cause, Some(Cause::NodeSilent { node: node("n1"), silence }), "as it was silent");
    world.run();
    assert_eq!(world.owner("G1").as_deref(), Some("n2"));
}

/// A fence that failed confirms nothing: the group waits on.
pub fn a_failed_fence_confirms_nothing() {
    let mut world = lost();
    world.run();
    ends(&mut world, "n1", Err(FenceFault::Lied));
    world.run();
    assert_eq!(world.record.nodes[&node("n1")].value.fenced, None);
    assert_eq!(world.owner("G1").as_deref(), Some("n1"));
    assert!(waits(&world));
}

#[test]
fn cl_28_when_the_fence_fails_the_group_waits_and_another_node_tries_after_a_while() {
    a_failed_fence_confirms_nothing();
    let mut world = lost();
    world.run();
    ends(&mut world, "n1", Err(FenceFault::Flooded));
    world.run();
    assert!(order(&world, "n1").unwrap().failed.is_some(), "not again at once");
    let next = planner::next_by_time(&world.record, world.at).unwrap();
    assert_eq!(next.0 - world.at.0, 20_000);
    world.at = next;
    world.run();
    let again = order(&world, "n1").unwrap();
    assert_eq!((again.by.as_str(), again.failed), ("n3", None));
    ends(&mut world, "n1", Ok(()));
    world.run();
    assert_eq!(world.owner("G1").as_deref(), Some("n2"));
}

#[test]
fn what_is_taken_under_a_lease_is_taken_beside_the_fence_and_not_after_it() {
    let mut world = World::new(with_devices("n1 n2 n3", &["G1: prefer n1 n2"]));
    world.run();
    world.life("n1", SILENT);
    let draft = world.plan().draft.unwrap();
    let writes = |what: fn(&Write) -> bool| draft.writes.iter().filter(|w| what(w)).count();
    assert_eq!(writes(|w| matches!(w, Write::Node(..))), 1);
    assert_eq!(writes(|w| matches!(w, Write::Group(..))), 1, "in one entry");
    let told = |e: &EventRecord| matches!(e.what, Happening::FenceOrdered { .. });
    let events = draft.writes.iter().filter(|w| matches!(w, Write::Event(e) if told(e)));
    assert_eq!(events.count(), 1);
    world.run();
    assert_eq!(world.owner("G1").as_deref(), Some("n2"));
    ends(&mut world, "n1", Err(FenceFault::Slow(Span::secs(20))));
    world.at.0 += 60_000;
    world.run();
    assert!(order(&world, "n1").unwrap().failed.is_some(), "the lease has ended it since");
}

#[test]
fn a_node_is_not_switched_off_without_a_majority_a_device_or_a_group_that_needs_it() {
    let mut alone = lost();
    alone.life("n3", SILENT);
    assert!(alone.plan().draft.is_none(), "who is cut off shoots nobody");
    let groups = ["G1: prefer n1 n2; fence confirmed"];
    let mut without = World::new(cluster("n1 n2 n3", &groups));
    without.run();
    without.life("n1", SILENT);
    without.run();
    assert_eq!(order(&without, "n1"), None);
    let mut idle = World::new(with_devices("n1 n2 n3", &groups));
    idle.run();
    idle.life("n3", SILENT);
    idle.run();
    assert_eq!(order(&idle, "n3"), None, "nothing runs there");
    let mut deaf = World::new(with_devices("n1 n2 n3", &groups));
    deaf.run();
    deaf.life("n1", Life::Deaf);
    deaf.run();
    assert_eq!(order(&deaf, "n1"), None, "it says by itself when it has let go");
    let mut paused = World::new(with_devices("n1 n2 n3", &groups));
    paused.run();
    let pause = issued(&paused, Command::GroupPause { group: group("G1"), until: None });
    paused.apply(&command::decide(&paused.situation(), &pause).unwrap());
    paused.life("n1", SILENT);
    paused.run();
    assert_eq!(order(&paused, "n1"), None, "a paused group is left alone");
}

#[test]
fn when_the_one_who_was_to_do_it_is_lost_nobody_is_switched_off_until_he_is_back() {
    let groups = ["G1: prefer n1 n2; fence confirmed", "G2: prefer n2 n3; fence confirmed"];
    let mut world = World::new(with_devices("n1 n2 n3 n4 n5", &groups));
    world.run();
    world.life("n1", SILENT);
    world.run();
    assert_eq!(order(&world, "n1").unwrap().by, node("n2"));
    // The device of n1 has switched off n2.
    world.life("n2", SILENT);
    world.run();
    assert_eq!(order(&world, "n2"), None, "its device may be wrong in the same way");
    assert_eq!(order(&world, "n1").unwrap().by, node("n2"));
    world.life("n2", Life::Heard);
    world.sights.get_mut(&node("n2")).unwrap().boot = BootId(99);
    world.run();
    let again = order(&world, "n1").unwrap();
    assert_eq!(again.by_boot, world.sights[&again.by].boot, "he has forgotten what he was to do");
    ends(&mut world, "n1", Ok(()));
    world.run();
    assert_ne!(world.owner("G1").as_deref(), Some("n1"));
}

#[test]
fn a_person_may_have_a_node_switched_off_that_lives_but_not_the_majority() {
    let mut world = World::new(with_devices("n1 n2 n3", &["G1: prefer n1 n2"]));
    world.run();
    let fence = |name: &str| Command::NodeFence { node: node(name) };
    let decide = |world: &World, name: &str| {
        command::decide(&world.situation(), &issued(world, fence(name)))
    };
    let mut silent = issued(&world, fence("n1"));
    silent.reason.clear();
    assert_eq!(command::decide(&world.situation(), &silent).unwrap_err().number(), 5);
    assert_eq!(decide(&world, "n9").unwrap_err().number(), 4);
    let bare = World::new(cluster("n1 n2 n3", &["G1: prefer n1 n2"]));
    assert_eq!(decide(&bare, "n1").unwrap_err().number(), 24);
    let mut few = world.clone();
    few.life("n3", SILENT);
    assert_eq!(decide(&few, "n1").unwrap_err().number(), 13);
    let draft = decide(&world, "n1").unwrap();
    world.apply(&draft);
    let order = order(&world, "n1").unwrap();
    assert_eq!(order.by, node("n2"), "nobody switches himself off");
    assert!(order.order.is_some());
    assert_eq!(decide(&world, "n1").unwrap_err().number(), 8, "it is under way");
    assert_eq!(world.owner("G1").as_deref(), Some("n1"));
    ends(&mut world, "n1", Ok(()));
    world.run();
    assert_eq!(world.owner("G1").as_deref(), Some("n2"), "although it is still heard");
}

#[test]
fn whoever_could_not_ask_a_device_lately_is_asked_only_where_there_is_nobody_else() {
    let unable = |world: &mut World, name: &str| {
        let mut known = (*world.record.nodes[&node(name)].value).clone();
        known.unable.insert(node("n1"), FenceFault::Flooded);
        let write = Write::Node(node(name), std::sync::Arc::new(known));
        world.apply(&Draft::default().write(write));
    };
    let mut world = lost();
    unable(&mut world, "n2");
    let mut nobody = world.clone();
    world.run();
    assert_eq!(order(&world, "n1").unwrap().by, node("n3"));
    unable(&mut nobody, "n3");
    nobody.run();
    assert_eq!(order(&nobody, "n1").unwrap().by, node("n2"), "it may be well by now");
}

#[test]
fn a_group_whose_mirror_freezes_is_taken_from_a_silent_owner_without_a_fence_and_no_other_is() {
    let mut world = World::new(cluster("n1 n2 n3", &["G1: prefer n1 n2; fence mirror"]));
    world.run();
    let entry = world.record.group(&group("G1")).unwrap();
    assert_eq!(entry.copies.fenced, Some(entry.epoch), "its owner is told to look at DRBD");
    world.life("n1", SILENT);
    world.run();
    assert_eq!(world.owner("G1").as_deref(), Some("n2"));
    let entry = world.record.group(&group("G1")).unwrap();
    assert_eq!(entry.copies.fenced, Some(entry.epoch), "and so is the next one");

    // It began under another fence: nobody has looked at the DRBD of its owner.
    let mut world = World::new(cluster("n1 n2 n3", &["G1: prefer n1 n2; fence self"]));
    world.run();
    let config = world.record.config.as_mut().map(Arc::make_mut).unwrap();
    config.spec.groups.get_mut(&group("G1")).unwrap().fence = FencePolicy::Mirror;
    world.life("n1", SILENT);
    world.run();
    assert!(waits(&world), "{:?}", world.plan().plan.decisions);
    assert_eq!(world.owner("G1").as_deref(), Some("n1"));
}

#[test]
fn of_a_claim_to_write_alone_and_a_takeover_the_ledger_takes_only_the_first() {
    let says = |world: &World, by: &str, says| {
        let command = Command::MirrorSays { group: group("G1"), says };
        let situation = Situation { by: node(by), ..world.situation() };
        command::decide(&situation, &issued(world, command)).map_err(|refusal| refusal.number())
    };
    let lost = |claims: bool| {
        let mut world = World::new(cluster("n1 n2 n3", &["G1: prefer n1 n2; fence mirror"]));
        world.run();
        if claims {
            let draft = says(&world, "n1", Says::Alone).unwrap();
            world.apply(&draft);
        }
        world.life("n1", SILENT);
        world.run();
        assert_eq!(world.owner("G1").as_deref(), Some("n2"));
        world
    };
    let claimed = lost(true);
    assert_eq!(claimed.record.group(&group("G1")).unwrap().copies.newest, Some(node("n1")));
    assert_eq!(says(&claimed, "n2", Says::Alone).unwrap_err(), 45, "n1 wrote what n2 has not");
    let taken = lost(false);
    assert_eq!(says(&taken, "n1", Says::Alone).unwrap_err(), 22, "it is n2's by now");
    assert_eq!(says(&taken, "n2", Says::Alike { mark: 9 }).unwrap_err(), 46);
    assert!(says(&taken, "n2", Says::Alone).is_ok());
}
