//! Drills: what refuses one, what its order holds, and what it leaves behind.

use std::sync::Arc;

use tsugi_cluster_rules::check::check;
use tsugi_cluster_rules::command::{self, Command, Lines};
use tsugi_cluster_rules::drill::{self, Back, Depth, Due, Seen, State, Step, Verdict};
use tsugi_cluster_rules::plan::Life;
use tsugi_cluster_rules::record::{
    AppliedConfig, Draft, DrillTurn, Happening, Ownership, Phase, Unconfirmed, Write,
};
use tsugi_vocabulary::{Span, Wall};

use crate::random::issued;
use crate::world::{World, cluster, group, node};

const LINES: Lines = Lines { gap: Span::secs(10), window: Span::secs(120) };

fn drill(name: &str, to: Option<&str>) -> Command {
    Command::GroupDrill { group: group(name), to: to.map(node), lines: LINES }
}

fn world(groups: &[&str]) -> World {
    let mut world = World::new(cluster("n1 n2 n3", groups));
    world.run();
    world
}

fn two_groups() -> World {
    world(&["G1: prefer n1 n2 n3", "G2: prefer n2 n1; takeover observe"])
}

fn refusal(world: &World, command: Command) -> u16 {
    command::decide(&world.situation(), &issued(world, command)).map_or_else(|r| r.number(), |_| 0)
}

fn order(world: &mut World, command: Command) {
    let draft = command::decide(&world.situation(), &issued(world, command)).unwrap();
    world.apply(&draft);
}

/// One step of the drill of a group, as its leader would take it; whether there was one.
fn step(world: &mut World, name: &str, seen: Seen) -> bool {
    let (name, by) = (group(name), node("n1"));
    let situation = world.situation();
    let Some(due) = Due::of(&situation, &name, seen) else { return false };
    let draft = match drill::next(due.drill, due.drill.stand(due.entry), due.bounds) {
        Step::Wait | Step::AwaitHome => return false,
        Step::Arrive => drill::arrived(&due, situation.record, (&by, world.at)),
        Step::End(verdict) => drill::ended(&due, verdict, situation.record, (&by, world.at)),
        Step::TurnBack(because) => {
            let back = Command::DrillBack { group: name.clone(), because, gap: Some(seen.gap) };
            command::decide(&situation, &issued(world, back)).unwrap()
        }
    };
    world.apply(&draft);
    true
}

const WELL: Seen = Seen { whole: Span::secs(1), gap: Span::millis(200), waits: Span::ZERO };
const OVER: Seen = Seen { whole: Span::secs(120), ..WELL };

fn state(world: &World, name: &str) -> State {
    world.record.group(&group(name)).unwrap().drills.newest.as_deref().unwrap().state
}

#[test]
fn a_drill_goes_there_and_back_and_leaves_the_group_placed_as_it_was() {
    let mut world =
        world(&["G1: prefer n1 n2; failback when-better; together G2", "G2: prefer n1 n2"]);
    order(&mut world, drill("G1", None));
    world.run();
    assert_eq!(world.owner("G1"), Some("n2".into()));
    assert_eq!(world.owner("G2"), Some("n2".into()), "what must be together goes along");
    assert!(step(&mut world, "G1", WELL), "it has arrived");
    world.run();
    assert_eq!(world.owner("G1"), Some("n2".into()), "it stays though n1 is better");
    assert!(!step(&mut world, "G1", WELL));
    assert!(step(&mut world, "G1", OVER));
    world.run();
    assert_eq!(world.owner("G1"), Some("n1".into()));
    assert!(step(&mut world, "G1", OVER));
    assert!(matches!(state(&world, "G1"), State::Ended { verdict: Verdict::Proven, .. }));
    let entry = world.record.group(&group("G1")).unwrap();
    let gap = |from, to| entry.drills.proven(&node(from), &node(to)).map(|p| p.gap);
    assert_eq!((gap("n1", "n2"), gap("n2", "n1")), (Some(WELL.gap), Some(WELL.gap)));
    assert_eq!(entry.location, None);
    assert_eq!(world.record.group(&group("G2")).unwrap().location, None);
    assert!(!step(&mut world, "G1", OVER), "it is over");
}

#[test]
fn one_entry_holds_the_order_its_drill_its_plan_and_its_line_in_the_audit() {
    let world = two_groups();
    let issued = issued(&world, drill("G1", Some("n3")));
    let planned = command::planned(&world.situation(), &issued).unwrap();
    assert_eq!(check(&world.record, &planned), Vec::new());
    let writes = planned.draft.unwrap().writes;
    let entry = writes.iter().find_map(|w| match w {
        Write::Group(name, entry) if *name == group("G1") => Some(Arc::clone(entry)),
        _ => None,
    });
    let entry = entry.unwrap();
    let drill = entry.drills.newest.as_deref().unwrap();
    assert_eq!((drill.state, &drill.there.to), (State::Going, &node("n3")));
    assert_eq!(drill.order.command, issued.command_id);
    assert!(
        matches!(&entry.ownership, Ownership::Owned { handover: Some(to), .. } if *to == node("n3"))
    );
    let began = |w: &Write| match w {
        Write::Event(e) => {
            matches!(&e.what, Happening::Drill { turn: DrillTurn::Began { .. }, .. })
        }
        _ => false,
    };
    assert!(writes.iter().any(began));
    assert!(writes.iter().any(|w| matches!(w, Write::Plan(_))));
    assert!(writes.iter().any(|w| matches!(w, Write::Audit(_))));
}

#[test]
fn each_thing_that_speaks_against_a_drill_has_its_number_and_changes_nothing() {
    let calm = two_groups();
    assert_eq!(refusal(&calm, drill("G1", None)), 0);
    assert_eq!(refusal(&calm, drill("G7", None)), 3);
    assert_eq!(refusal(&calm, drill("G1", Some("n7"))), 4);
    assert_eq!(refusal(&calm, drill("G1", Some("n1"))), 9, "it is there");
    assert_eq!(refusal(&calm, drill("G2", None)), 25, "only observed");
    let back = |because| Command::DrillBack { group: group("G1"), because, gap: None };
    assert_eq!(refusal(&calm, back(Back::Ordered)), 28);

    let mut without = issued(&calm, drill("G1", None));
    without.reason.clear();
    assert_eq!(command::decide(&calm.situation(), &without).unwrap_err().number(), 5);

    let mut paused = calm.clone();
    order(&mut paused, Command::GroupPause { group: group("G1"), until: None });
    assert_eq!(refusal(&paused, drill("G1", None)), 6);

    let mut stopped = calm.clone();
    order(&mut stopped, Command::GroupStop { group: group("G1") });
    stopped.run();
    assert_eq!(refusal(&stopped, drill("G1", None)), 17);

    let mut alone = calm.clone();
    alone.life("n2", Life::Deaf);
    alone.life("n3", Life::Deaf);
    assert_ne!(refusal(&alone, drill("G1", None)), 0);
}

#[test]
fn a_drill_that_begins_during_a_takeover_is_refused_by_its_number_and_nothing_is_half_done() {
    let calm = world(&["G1: prefer n1 n2 n3", "G2: prefer n2 n1 n3"]);
    // G2's owner is gone, and nobody has decided yet.
    let mut lost = calm.clone();
    lost.life("n2", Life::Silent { silence: Span::secs(1) });
    assert_eq!(refusal(&lost, drill("G1", Some("n3"))), 27);
    // It was given away and is not up yet.
    let planned = lost.plan().draft.unwrap();
    lost.apply(&planned);
    assert_eq!(refusal(&lost, drill("G1", Some("n3"))), 27);
    assert_eq!(refusal(&lost, drill("G2", Some("n3"))), 12, "its own takeover");
    lost.run();
    assert_eq!(refusal(&lost, drill("G1", Some("n3"))), 0, "once it is over");

    let mut moving = calm.clone();
    let to = Some(node("n2"));
    order(&mut moving, Command::GroupMove { group: group("G1"), to });
    assert_eq!(refusal(&moving, drill("G1", None)), 12);

    let mut drilled = calm.clone();
    order(&mut drilled, drill("G1", Some("n3")));
    drilled.run();
    assert!(step(&mut drilled, "G1", WELL));
    assert_eq!(refusal(&drilled, drill("G1", None)), 26, "one drill of a group");
    assert_eq!(refusal(&drilled, drill("G2", None)), 27, "and one of all");

    let mut unsure = calm.clone();
    let mut config = AppliedConfig::clone(unsure.record.config.as_ref().unwrap());
    let (back_to, within) = (String::new(), Span::secs(60));
    config.unconfirmed = Some(Unconfirmed { back_to, within, since: Some(Wall(0)) });
    unsure.record.config = Some(Arc::new(config));
    assert_eq!(refusal(&unsure, drill("G1", None)), 27);
}

#[test]
fn an_operator_who_takes_the_group_ends_the_drill_and_the_group_stays_as_he_said() {
    let mut world = world(&["G1: prefer n1 n2 n3"]);
    order(&mut world, drill("G1", Some("n2")));
    world.run();
    assert!(step(&mut world, "G1", WELL));
    order(&mut world, Command::GroupMove { group: group("G1"), to: Some(node("n3")) });
    world.run();
    assert!(step(&mut world, "G1", WELL));
    assert!(matches!(state(&world, "G1"), State::Ended { verdict: Verdict::Interrupted, .. }));
    assert_eq!(world.owner("G1"), Some("n3".into()));
    assert_eq!(world.record.group(&group("G1")).unwrap().location, Some(node("n3")));
}

#[test]
fn one_that_cannot_come_home_stays_and_says_so() {
    let mut world = world(&["G1: prefer n1 n2 n3"]);
    order(&mut world, drill("G1", Some("n2")));
    world.run();
    assert!(step(&mut world, "G1", WELL));
    order(&mut world, Command::NodeDrain { node: node("n1") });
    world.run();
    assert!(step(&mut world, "G1", OVER));
    assert!(matches!(state(&world, "G1"), State::Ended { verdict: Verdict::Stayed, .. }));
    world.run();
    assert_eq!(world.owner("G1"), Some("n2".into()));
}

#[test]
fn one_whose_home_is_not_heard_for_a_moment_waits_and_then_goes_home() {
    let mut world = world(&["G1: prefer n2 n3"]);
    order(&mut world, drill("G1", Some("n3")));
    world.run();
    assert!(step(&mut world, "G1", WELL));
    world.life("n2", Life::Silent { silence: Span::secs(1) });
    assert!(!step(&mut world, "G1", OVER), "n2 may only be booting");
    let waited = |waits| Seen { waits, ..OVER };
    let nearly = Span(drill::GRACE.0 - 1);
    assert!(!step(&mut world, "G1", waited(nearly)));
    let mut gone = world.clone();
    assert!(step(&mut gone, "G1", waited(drill::GRACE)));
    assert!(matches!(state(&gone, "G1"), State::Ended { verdict: Verdict::Stayed, .. }));
    world.life("n2", Life::Heard);
    assert!(step(&mut world, "G1", waited(nearly)));
    world.run();
    assert_eq!(world.owner("G1"), Some("n2".into()));
}

#[test]
fn while_its_owner_is_lost_a_drill_does_not_end_as_one_that_home_cannot_take() {
    let mut world = world(&["G1: prefer n2 n3"]);
    order(&mut world, drill("G1", Some("n3")));
    world.run();
    assert!(step(&mut world, "G1", WELL));
    world.life("n2", Life::Silent { silence: Span::secs(1) });
    world.life("n3", Life::Silent { silence: Span::secs(1) });
    let long = Seen { waits: Span::secs(3_600), ..OVER };
    assert!(!step(&mut world, "G1", long), "a takeover is pending");
}

#[test]
fn an_operator_can_have_it_back_before_its_window_ends() {
    let mut world = world(&["G1: prefer n1 n2"]);
    order(&mut world, drill("G1", None));
    let back = || Command::DrillBack { group: group("G1"), because: Back::Ordered, gap: None };
    assert_eq!(refusal(&world, back()), 12, "it is being stopped for the way there");
    world.run();
    assert!(step(&mut world, "G1", WELL));
    let mut without = issued(&world, back());
    without.reason.clear();
    assert_eq!(command::decide(&world.situation(), &without).unwrap_err().number(), 5);
    order(&mut world, back());
    assert_eq!(refusal(&world, back()), 8);
    world.run();
    assert!(step(&mut world, "G1", WELL));
    assert_eq!(world.owner("G1"), Some("n1".into()));
    assert!(matches!(state(&world, "G1"), State::Ended { verdict: Verdict::Proven, .. }));
}

#[test]
fn the_way_back_of_a_group_that_never_came_up_proves_nothing_and_its_gap_is_kept() {
    let mut world = world(&["G1: prefer n1 n2"]);
    order(&mut world, drill("G1", None));
    world.run();
    // As it stood while it was being started on n2.
    let mut entry = world.record.group(&group("G1")).unwrap().clone();
    if let Ownership::Owned { phase, .. } = &mut entry.ownership {
        *phase = Phase::Starting;
    }
    entry.drills.newest.as_mut().unwrap().there.took = None;
    world.apply(&Draft::default().write(Write::Group(group("G1"), Arc::new(entry))));
    let slow = Seen { gap: LINES.gap + Span::millis(1), ..WELL };
    assert!(step(&mut world, "G1", slow));
    assert_eq!(state(&world, "G1"), State::Returning { because: Back::StopLine });
    world.run();
    assert!(step(&mut world, "G1", WELL));
    let drills = &world.record.group(&group("G1")).unwrap().drills;
    assert_eq!(drills.proven, Vec::new());
    assert_eq!(drills.newest.as_ref().unwrap().there.gap, Some(slow.gap));
    assert!(matches!(state(&world, "G1"), State::Ended { verdict: Verdict::BeyondLine, .. }));
}

#[test]
fn a_mate_that_nobody_had_at_the_return_is_placed_as_it_was() {
    let mut world = world(&["G1: prefer n1 n2; together G2", "G2: prefer n1 n2"]);
    order(&mut world, drill("G1", None));
    world.run();
    assert!(step(&mut world, "G1", WELL));
    order(&mut world, Command::GroupStop { group: group("G2") });
    world.run();
    assert_eq!(world.record.group(&group("G2")).unwrap().location, Some(node("n2")));
    assert!(step(&mut world, "G1", OVER));
    world.run();
    assert!(step(&mut world, "G1", OVER));
    assert!(matches!(state(&world, "G1"), State::Ended { .. }));
    assert_eq!(world.record.group(&group("G2")).unwrap().location, None);
}

fn beside(name: &str, on: Option<&str>, depth: Depth) -> Command {
    Command::GroupRehearse { group: group(name), on: on.map(node), depth, limit: Span::secs(60) }
}

#[test]
fn a_drill_beside_the_running_group_is_refused_where_one_that_moves_it_is() {
    let mut world = two_groups();
    let read = |on| beside("G1", on, Depth::Read);
    assert_eq!(refusal(&world, read(None)), 0);
    assert_eq!(refusal(&world, beside("G3", None, Depth::Read)), 3);
    assert_eq!(refusal(&world, read(Some("n9"))), 4);
    let mut without = issued(&world, read(None));
    without.reason.clear();
    assert_eq!(command::decide(&world.situation(), &without).unwrap_err().number(), 5);
    assert_eq!(refusal(&world, read(Some("n1"))), 9, "there it runs");
    assert_eq!(refusal(&world, beside("G2", None, Depth::Read)), 25, "only observed");

    let before = world.record.group(&group("G1")).unwrap().clone();
    order(&mut world, read(None));
    let after = world.record.group(&group("G1")).unwrap().clone();
    assert_eq!((&after.ownership, after.epoch), (&before.ownership, before.epoch));
    assert_eq!(after.location, before.location, "nothing of the group is touched");
    let rehearsal = after.drills.rehearsing().expect("it is under way");
    assert_eq!((&rehearsal.owner, &rehearsal.on), (&node("n1"), &node("n2")));
    assert_eq!(refusal(&world, read(None)), 26, "one at a time");
    assert_eq!(refusal(&world, drill("G1", None)), 26, "also of those that move it");

    let mut world = two_groups();
    order(&mut world, drill("G1", None));
    assert_eq!(refusal(&world, read(None)), 12, "it is being moved");
    world.run();
    assert_eq!(refusal(&world, read(None)), 26);

    let mut world = two_groups();
    order(&mut world, Command::GroupPause { group: group("G1"), until: None });
    assert_eq!(refusal(&world, read(None)), 6);
    order(&mut world, Command::GroupStop { group: group("G2") });
    world.run();
    assert_eq!(refusal(&world, beside("G2", None, Depth::Isolate)), 17);
}
