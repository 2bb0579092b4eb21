//! Failure tests: what refuses them, and how the cluster puts right what they change (PH-17).

use std::sync::Arc;

use tsugi_cluster_rules::command::{self, Command, Lines};
use tsugi_cluster_rules::drill::failure::{Failure, State, Step, Verdict};
use tsugi_cluster_rules::plan::{Life, Stand};
use tsugi_cluster_rules::reason::{Cause, How, Mishap};
use tsugi_cluster_rules::record::{
    Answer, Draft, Failure as Failed, GroupIntent, NodeIntent, Ownership, Phase, Write,
};
use tsugi_cluster_rules::refusal::Refusal;
use tsugi_cluster_rules::spec::Environment;
use tsugi_cluster_rules::start_kind::StartOption;
use tsugi_vocabulary::{ResourceName, Span, Wall};

use crate::random::issued;
use crate::world::{World, cluster, group, node};

const WITHIN: Span = Span::secs(60);

fn three() -> World {
    let groups = ["G1: prefer n1 n2; restarts 0", "G2: prefer n1 n3"];
    let mut spec = cluster("n1 n2 n3 w=witness", &groups);
    spec.environment = Environment::Test;
    let mut world = World::new(spec);
    settle(&mut world);
    world
}

/// Everything that is decided is done, and every owner says so.
fn settle(world: &mut World) {
    world.sights.values_mut().for_each(|sight| sight.groups.clear());
    world.run();
    say_so(world);
}

fn say_so(world: &mut World) {
    let up =
        |ownership: &Ownership| matches!(ownership, Ownership::Owned { phase: Phase::Running, .. });
    let names: Vec<String> = world
        .record
        .groups
        .iter()
        .filter(|(_, g)| up(&g.value.ownership))
        .map(|(name, _)| name.to_string())
        .collect();
    names.iter().for_each(|name| world.desk(name, Stand::Running));
}

fn stop() -> Failure {
    Failure::GroupStop { group: group("G1") }
}

fn drain() -> Failure {
    Failure::NodeDrain { node: node("n1") }
}

fn kill() -> Failure {
    Failure::ProcessKill { group: group("G1"), resource: None }
}

fn order(world: &World, failure: Failure) -> Result<Draft, Refusal> {
    let command = Command::FailureTest { failure, within: WITHIN };
    command::decide(&world.situation(), &issued(world, command))
}

fn begin(world: &mut World, failure: Failure) {
    let draft = order(world, failure).unwrap();
    world.apply(&draft);
}

/// What whoever leads does next, done.
fn step(world: &mut World) -> Step {
    let test = world.record.failure_under_way().expect("one is under way").clone();
    let next = test.next(&world.situation());
    let command = match next {
        Step::Wait => return next,
        Step::TurnBack(verdict) => Command::FailureTestBack { verdict },
        Step::End(verdict) => Command::FailureTestEnd { verdict },
    };
    let draft = command::decide(&world.situation(), &issued(world, command)).unwrap();
    assert!(draft.writes.iter().any(|write| matches!(write, Write::Audit(_))), "{draft:?}");
    world.apply(&draft);
    next
}

fn verdict(world: &World) -> Option<Verdict> {
    match world.record.failure_test.as_ref().unwrap().state {
        State::Ended { verdict, .. } => Some(verdict),
        State::Out | State::Back { .. } => None,
    }
}

fn place(world: &World, name: &str) -> Option<String> {
    let entry = world.record.group(&group(name)).unwrap();
    entry.location.as_ref().map(ToString::to_string)
}

fn owners(world: &World) -> [Option<String>; 2] {
    [world.owner("G1"), world.owner("G2")]
}

const HOME: &str = "n1";

fn at_home(world: &World) {
    assert_eq!(owners(world), [Some(HOME.to_owned()), Some(HOME.to_owned())]);
    assert_eq!(
        [place(world, "G1"), place(world, "G2")],
        [None, None],
        "no operator put them there"
    );
}

#[test]
fn ph_17_in_production_nothing_is_made_to_fail_and_what_does_not_say_it_is_production() {
    let mut world = World::new(cluster("n1 n2 n3", &["G1: prefer n1 n2"]));
    settle(&mut world);
    let lines = Lines { gap: WITHIN, window: Span::secs(1) };
    for command in [
        Command::FailureTest { failure: stop(), within: WITHIN },
        Command::FailureTest { failure: drain(), within: WITHIN },
        Command::FailureTest { failure: kill(), within: WITHIN },
        Command::FailureTest { failure: Failure::AgentKill { node: node("n2") }, within: WITHIN },
        Command::TestMove { group: group("G1"), to: None, lines },
    ] {
        let issued = issued(&world, command);
        let said = command::decide(&world.situation(), &issued).unwrap_err();
        assert_eq!(said, Refusal::InProduction);
    }
    assert_eq!(Refusal::InProduction.number(), 37);
}

#[test]
fn ph_17_a_group_is_stopped_verified_and_runs_again_where_it_ran() {
    let mut world = three();
    let before = world.record.group(&group("G1")).unwrap().epoch;
    begin(&mut world, stop());
    assert_eq!(step(&mut world), Step::Wait, "it is being stopped");
    settle(&mut world);
    assert_eq!(world.owner("G1"), None);
    assert_eq!(step(&mut world), Step::TurnBack(Verdict::Passed));
    settle(&mut world);
    assert_eq!(step(&mut world), Step::End(Verdict::Passed));
    at_home(&world);
    assert!(world.record.group(&group("G1")).unwrap().epoch > before);
    assert!(world.record.failure_under_way().is_none());
    assert!(world.plan().draft.is_none(), "nothing is left to be done");
}

#[test]
fn ph_17_a_node_is_drained_and_takes_back_what_it_ran() {
    let mut world = three();
    begin(&mut world, drain());
    assert_eq!(step(&mut world), Step::Wait);
    settle(&mut world);
    assert_eq!(owners(&world), [Some("n2".to_owned()), Some("n3".to_owned())]);
    assert_eq!(step(&mut world), Step::TurnBack(Verdict::Passed));
    assert_eq!(world.record.nodes[&node("n1")].value.intent, NodeIntent::InService);
    assert_eq!(step(&mut world), Step::Wait, "they are on their way");
    settle(&mut world);
    assert_eq!(step(&mut world), Step::End(Verdict::Passed));
    at_home(&world);
}

fn died() -> Cause {
    Cause::ProcessDied {
        node: node("n1"),
        resource: ResourceName::new("app").unwrap(),
        how: How::of(Mishap::Signal, "9"),
    }
}

#[test]
fn ph_17_what_a_killed_process_leads_to_is_awaited_and_does_not_count_against_its_node() {
    let mut world = three();
    begin(&mut world, kill());
    settle(&mut world);
    assert_eq!(step(&mut world), Step::Wait, "nobody has noticed anything");
    world.desk("G1", Stand::Failed(died()));
    world.run();
    assert_eq!(world.owner("G1").as_deref(), Some("n2"), "it was taken over");
    assert_eq!(step(&mut world), Step::Wait, "it is not up there");
    say_so(&mut world);
    assert_eq!(step(&mut world), Step::TurnBack(Verdict::Passed));
    settle(&mut world);
    assert_eq!(step(&mut world), Step::End(Verdict::Passed));
    at_home(&world);
    assert!(world.record.group(&group("G1")).unwrap().failures.is_empty());
}

#[test]
fn ph_17_an_agent_that_was_killed_has_to_come_back_and_its_groups_to_run() {
    let mut world = three();
    begin(&mut world, Failure::AgentKill { node: node("n2") });
    assert_eq!(step(&mut world), Step::Wait, "it is the life that was to end");
    world.life("n2", Life::Silent { silence: Span::millis(600) });
    assert_eq!(step(&mut world), Step::Wait);
    let sight = world.sights.get_mut(&node("n2")).unwrap();
    sight.boot = tsugi_vocabulary::BootId(99 << 96);
    assert_eq!(step(&mut world), Step::Wait, "it is not heard");
    world.life("n2", Life::Heard);
    assert_eq!(step(&mut world), Step::TurnBack(Verdict::Passed));
    assert_eq!(step(&mut world), Step::End(Verdict::Passed));
    at_home(&world);
}

#[test]
fn ph_17_what_is_not_noticed_in_time_is_late_and_put_right_all_the_same() {
    for failure in [kill(), drain()] {
        let mut world = three();
        begin(&mut world, failure.clone());
        world.at = Wall(world.at.0 + WITHIN.as_millis() + 1);
        if failure == drain() {
            assert_eq!(step(&mut world), Step::Wait, "they are on their way");
            settle(&mut world);
        }
        assert_eq!(step(&mut world), Step::TurnBack(Verdict::Late), "{failure:?}");
        settle(&mut world);
        assert_eq!(step(&mut world), Step::End(Verdict::Late));
        at_home(&world);
        assert_eq!(world.record.nodes[&node("n1")].value.intent, NodeIntent::InService);
    }
    // A start would overtake the stop: a group that does not stop is not started again.
    let mut world = three();
    begin(&mut world, stop());
    world.at = Wall(world.at.0 + 2 * WITHIN.as_millis());
    assert_eq!(step(&mut world), Step::Wait);
    settle(&mut world);
    assert_eq!(step(&mut world), Step::TurnBack(Verdict::Late));
    settle(&mut world);
    assert_eq!(step(&mut world), Step::End(Verdict::Late));
    at_home(&world);
}

#[test]
fn ph_17_a_group_that_was_given_up_for_the_failure_is_run_again() {
    let mut world = three();
    begin(&mut world, kill());
    let mut next = world.record.group(&group("G1")).unwrap().clone();
    next.intent = GroupIntent::GaveUp { cause: died(), at: world.at };
    next.ownership = Ownership::Nobody;
    let write = Write::Group(group("G1"), Arc::new(next));
    world.apply(&Draft::default().write(write));
    assert_eq!(step(&mut world), Step::Wait);
    world.at = Wall(world.at.0 + WITHIN.as_millis());
    assert_eq!(step(&mut world), Step::TurnBack(Verdict::Late));
    settle(&mut world);
    assert_eq!(step(&mut world), Step::End(Verdict::Late));
    at_home(&world);
}

#[test]
fn ph_17_whoever_changes_it_meanwhile_goes_first_and_is_not_undone() {
    let mut world = three();
    begin(&mut world, stop());
    settle(&mut world);
    let start = Command::GroupStart {
        group: group("G1"),
        option: StartOption::None,
        node: Some(node("n2")),
    };
    let draft = command::decide(&world.situation(), &issued(&world, start)).unwrap();
    world.apply(&draft);
    assert_eq!(step(&mut world), Step::End(Verdict::Interrupted));
    settle(&mut world);
    assert_eq!(world.owner("G1").as_deref(), Some("n2"));
    assert_eq!(place(&world, "G1").as_deref(), Some("n2"), "where a person has put it");

    let mut world = three();
    begin(&mut world, drain());
    let undrain = Command::NodeUndrain { node: node("n1") };
    let draft = command::decide(&world.situation(), &issued(&world, undrain)).unwrap();
    world.apply(&draft);
    assert_eq!(step(&mut world), Step::End(Verdict::Interrupted));
}

#[test]
fn ph_17_what_somebody_else_starts_meanwhile_leaves_no_other_group_of_the_test_stopped() {
    let groups = ["G1: prefer n1 n2; together G2", "G2: prefer n1 n2; together G1"];
    let mut spec = cluster("n1 n2 w=witness", &groups);
    spec.environment = Environment::Test;
    let mut world = World::new(spec);
    settle(&mut world);
    begin(&mut world, stop());
    settle(&mut world);
    let start = Command::GroupStart { group: group("G1"), option: StartOption::None, node: None };
    let draft = command::decide(&world.situation(), &issued(&world, start)).unwrap();
    world.apply(&draft);
    assert_eq!(step(&mut world), Step::End(Verdict::Interrupted));
    settle(&mut world);
    for name in ["G1", "G2"] {
        assert_eq!(world.owner(name).as_deref(), Some("n1"), "{name}");
    }
}

#[test]
fn ph_17_where_its_node_is_lost_meanwhile_its_groups_stay_and_nothing_stays_drained() {
    let mut world = three();
    begin(&mut world, drain());
    settle(&mut world);
    assert_eq!(step(&mut world), Step::TurnBack(Verdict::Passed));
    world.life("n1", Life::Silent { silence: Span::secs(5) });
    settle(&mut world);
    assert_eq!(step(&mut world), Step::End(Verdict::Stayed), "nothing brings them home");
    assert_eq!(verdict(&world), Some(Verdict::Stayed));
    assert_eq!(world.record.nodes[&node("n1")].value.intent, NodeIntent::InService);
    settle(&mut world);
    assert_eq!(owners(&world), [Some("n2".to_owned()), Some("n3".to_owned())]);
}

#[test]
fn ph_17_a_group_that_comes_up_nowhere_holds_a_test_up_for_a_limited_time() {
    let mut world = three();
    begin(&mut world, stop());
    settle(&mut world);
    assert_eq!(step(&mut world), Step::TurnBack(Verdict::Passed));
    assert_eq!(step(&mut world), Step::Wait, "it is being started");
    world.at = Wall(world.at.0 + 10 * WITHIN.as_millis());
    assert_eq!(step(&mut world), Step::End(Verdict::Stayed));
    let entry = world.record.group(&group("G1")).unwrap();
    assert_eq!(entry.intent, GroupIntent::Run, "it is wanted to run all the same");
}

#[test]
fn ph_17_what_cannot_be_put_right_now_is_not_begun() {
    let mut world = three();
    let refused = |world: &World, failure| order(world, failure).unwrap_err().word();
    let resource = Some(ResourceName::new("nothing").unwrap());
    let nothing = Failure::ProcessKill { group: group("G1"), resource };
    assert_eq!(refused(&world, nothing), "no-such-process");
    assert_eq!(refused(&world, Failure::GroupStop { group: group("G9") }), "no-such-group");
    assert_eq!(refused(&world, Failure::AgentKill { node: node("n9") }), "no-such-node");
    let command = Command::FailureTest { failure: stop(), within: WITHIN };
    let unreasoned =
        tsugi_cluster_rules::command::Issued { reason: String::new(), ..issued(&world, command) };
    let said = command::decide(&world.situation(), &unreasoned).unwrap_err();
    assert_eq!(said, Refusal::ReasonRequired);
    let mut lonely = world.clone();
    lonely.life("n3", Life::Silent { silence: Span::secs(5) });
    lonely.life("w", Life::Silent { silence: Span::secs(5) });
    assert_eq!(refused(&lonely, Failure::AgentKill { node: node("n2") }), "last-majority");
    begin(&mut world, stop());
    let of_idle = Failure::AgentKill { node: node("n2") };
    assert_eq!(refused(&world, of_idle), "busy", "it would take the place of what is under way");
    assert_eq!(
        refused(&world, Failure::ProcessKill { group: group("G2"), resource: None }),
        "busy"
    );
    let lines = Lines { gap: WITHIN, window: Span::secs(1) };
    let drill = Command::GroupDrill { group: group("G2"), to: None, lines };
    let said = command::decide(&world.situation(), &issued(&world, drill)).unwrap_err();
    assert_eq!(said.word(), "busy");
}

#[test]
fn ph_17_of_groups_that_must_be_together_only_the_one_that_failed_has_to_be_noticed() {
    let groups = ["G1: prefer n1 n2; together G2", "G2: prefer n1 n2; together G1"];
    let mut spec = cluster("n1 n2 n3", &groups);
    spec.environment = Environment::Test;
    let mut world = World::new(spec);
    settle(&mut world);
    begin(&mut world, kill());
    assert_eq!(world.record.failure_under_way().unwrap().groups.len(), 2);
    assert_eq!(step(&mut world), Step::Wait);
    let mut next = world.record.group(&group("G1")).unwrap().clone();
    next.failures.push(Failed {
        at: world.at,
        node: node("n1"),
        cause: died(),
        answer: Answer::Restarted,
    });
    let write = Write::Group(group("G1"), Arc::new(next));
    world.apply(&Draft::default().write(write));
    assert_eq!(step(&mut world), Step::TurnBack(Verdict::Passed));
    assert_eq!(step(&mut world), Step::End(Verdict::Passed));
    at_home(&world);
    assert!(world.record.group(&group("G1")).unwrap().failures.is_empty(), "it was on purpose");
}

#[test]
fn ph_17_groups_that_must_be_together_come_home_together_after_a_takeover() {
    let groups =
        ["G1: prefer n1 n2; together G2; restarts 0", "G2: prefer n1 n2; together G1; restarts 0"];
    let mut spec = cluster("n1 n2 n3", &groups);
    spec.environment = Environment::Test;
    let mut world = World::new(spec);
    settle(&mut world);
    begin(&mut world, kill());
    world.desk("G1", Stand::Failed(died()));
    for _ in 0..3 {
        world.sights.get_mut(&node("n2")).unwrap().groups.clear();
        world.run();
        world.sights.get_mut(&node("n1")).unwrap().groups.clear();
    }
    assert_eq!(owners(&world), [Some("n2".to_owned()), Some("n2".to_owned())]);
    say_so(&mut world);
    assert_eq!(step(&mut world), Step::TurnBack(Verdict::Passed));
    settle(&mut world);
    assert_eq!(step(&mut world), Step::End(Verdict::Passed));
    at_home(&world);
}

#[test]
fn ph_17_what_has_one_node_only_stays_where_it_is_and_a_drain_does_not_wait_for_it() {
    let mut spec = cluster("n1 n2 n3", &["G1: prefer n1", "G2: prefer n1 n2"]);
    spec.environment = Environment::Test;
    let mut world = World::new(spec);
    settle(&mut world);
    begin(&mut world, drain());
    settle(&mut world);
    assert_eq!(owners(&world), [Some("n1".to_owned()), Some("n2".to_owned())]);
    let again = Failure::AgentKill { node: node("n1") };
    assert_eq!(order(&world, again).unwrap_err().word(), "busy", "it is drained");
    assert_eq!(step(&mut world), Step::TurnBack(Verdict::Passed));
    settle(&mut world);
    assert_eq!(step(&mut world), Step::End(Verdict::Passed));
    at_home(&world);
}

#[test]
fn ph_17_a_node_whose_version_knows_of_no_failure_test_keeps_it_from_being_ordered() {
    for failure in [stop(), drain(), kill(), Failure::AgentKill { node: node("n2") }] {
        let mut world = three();
        world.sights.get_mut(&node("n3")).unwrap().ratio = None;
        let said = order(&world, failure.clone()).unwrap_err();
        assert_eq!(said, Refusal::OlderNode { node: node("n3") }, "{failure:?}");
        world.sights.get_mut(&node("n3")).unwrap().ratio = Some(1);
        assert!(order(&world, failure).is_ok());
    }
}
