//! Operators' commands: what refuses them, in which order, and what one entry holds.

use std::sync::Arc;

use tsugi_cluster_rules::check::{Fault, check};
use tsugi_cluster_rules::command::{self, Before, Command, Vouch};
use tsugi_cluster_rules::lease::{former_majority_out_there, lost_voters_out_there};
use tsugi_cluster_rules::monitors::MonitorId;
use tsugi_cluster_rules::plan::{Beats, Chosen, Life, Settled, Stand, Waiting};
use tsugi_cluster_rules::planner;
use tsugi_cluster_rules::reason::{Cause, Rejected};
use tsugi_cluster_rules::record::{
    AppliedConfig, Draft, EntryName, GroupIntent, Guard, NodeIntent, Unconfirmed, Write,
};
use tsugi_cluster_rules::refusal::Refusal;
use tsugi_cluster_rules::restore::{self, Keeper};
use tsugi_cluster_rules::spec::{Check, LedgerPlace, Monitor, ResourceKind};
use tsugi_cluster_rules::start_kind::StartOption;
use tsugi_vocabulary::{Generation, Span, Wall};

use crate::random::issued;
use crate::world::{World, cluster, group, node};

fn three() -> World {
    let mut world = World::new(cluster("n1 n2 n3", &["G1: prefer n1 n2", "G2: prefer n2 n1"]));
    world.run();
    world
}

fn config(spec: tsugi_cluster_rules::spec::ClusterSpec) -> Box<AppliedConfig> {
    let hash = "00000000000000080000000000000000".to_owned();
    Box::new(AppliedConfig { version: 0, hash, text: String::new(), spec, unconfirmed: None })
}

#[test]
fn of_all_rules_that_refuse_the_lowest_number_answers() {
    let world = three();
    let mut all = issued(&world, Command::GroupMove { group: group("G1"), to: Some(node("n3")) });
    // Repeated, stale, without a reason, and to a node that is not listed.
    all.before = Before::CarriedOut;
    all.decided_on = Generation(0);
    all.reason.clear();
    let answer = |i: &_| command::decide(&world.situation(), i).unwrap_err().number();
    assert_eq!(answer(&all), 1);
    all.before = Before::New;
    assert_eq!(answer(&all), 2);
    all.decided_on = world.record.generation();
    assert_eq!(answer(&all), 5);
    all.reason = "because".to_owned();
    assert_eq!(answer(&all), 9);
}

/// A command decided on an older plan than the newest is refused, whatever changed since.
pub fn stale_views_are_refused() {
    let mut world = three();
    let stop = issued(&world, Command::GroupStop { group: group("G1") });
    let clear = issued(&world, Command::NodeDrain { node: node("n3") });
    let draft = command::decide(&world.situation(), &clear).unwrap();
    world.apply(&draft);
    let refusal = command::decide(&world.situation(), &stop).unwrap_err();
    assert_eq!(refusal.number(), 2, "{refusal:?}");
}

#[test]
fn a_command_decided_on_a_stale_view_is_refused() {
    stale_views_are_refused();
}

#[test]
fn effect_plan_and_audit_of_a_command_are_one_entry() {
    let world = three();
    let stop = issued(&world, Command::GroupStop { group: group("G1") });
    let draft = command::decide(&world.situation(), &stop).unwrap();
    let is_effect = |w: &Write| {
        matches!(w, Write::Group(g, r) if *g == group("G1")
            && matches!(r.intent, GroupIntent::Stop(_)))
    };
    let is_audit = |w: &Write| {
        matches!(w, Write::Audit(a) if a.person == "yamada" && a.outcome == "accepted"
            && a.reason == "maintenance")
    };
    assert!(draft.writes.iter().any(is_effect));
    assert!(draft.writes.iter().any(is_audit));
    assert!(draft.writes.iter().any(|w| matches!(w, Write::Plan(_))));
    assert!(draft.conditions.iter().any(|(n, _)| *n == EntryName::Plan));
}

#[test]
fn a_refused_command_leaves_a_line_in_the_audit_and_nothing_else() {
    let world = three();
    let stop = issued(&world, Command::GroupStop { group: group("G9") });
    let refusal = command::decide(&world.situation(), &stop).unwrap_err();
    let draft = command::refused(&stop, &refusal);
    assert!(matches!(draft.writes.as_slice(),
        [Write::Audit(a)] if a.outcome == "refused 3: no-such-group"));
}

#[test]
fn a_reason_is_asked_for_only_where_service_is_interrupted() {
    let mut world = three();
    let without = |world: &World, command| {
        let mut issued = issued(world, command);
        issued.reason.clear();
        command::decide(&world.situation(), &issued).map_err(|r| r.number())
    };
    assert_eq!(without(&world, Command::GroupStop { group: group("G1") }), Err(5));
    assert_eq!(without(&world, Command::NodeDrain { node: node("n1") }), Err(5));
    assert!(without(&world, Command::NodeDrain { node: node("n3") }).is_ok());
    let stop = issued(&world, Command::GroupStop { group: group("G1") });
    let draft = command::decide(&world.situation(), &stop).unwrap();
    world.apply(&draft);
    world.run();
    let start = Command::GroupStart { group: group("G1"), option: StartOption::None, node: None };
    assert!(without(&world, start).is_ok());
}

#[test]
fn commands_that_name_a_parallel_group_are_for_all_its_members() {
    let members = ["P_n1: prefer n1; member-of P", "P_n2: prefer n2; member-of P"];
    let mut world = World::new(cluster("n1 n2 w=witness", &members));
    world.run();
    let stop = issued(&world, Command::GroupStop { group: group("P") });
    let draft = command::decide(&world.situation(), &stop).unwrap();
    world.apply(&draft);
    world.run();
    assert_eq!((world.owner("P_n1"), world.owner("P_n2")), (None, None));
}

#[test]
fn a_pause_pins_the_group_and_its_resume_arms_the_guardian_first() {
    let mut world = three();
    let pause = issued(&world, Command::GroupPause { group: group("G1"), until: None });
    world.apply(&command::decide(&world.situation(), &pause).unwrap());
    let pin = |w: &World| w.record.group(&group("G1")).unwrap().pause.clone().unwrap();
    assert_eq!((pin(&world).pinned, pin(&world).guard), (Some(node("n1")), Guard::Disarmed));
    world.life("n1", Life::Silent { silence: Span::millis(600) });
    let planned = world.plan();
    let wait = Chosen::Wait { on: Waiting::Pinned { node: node("n1") } };
    assert_eq!(planned.plan.decisions[&group("G1")].chosen, wait);
    world.life("n1", Life::Heard);
    let (lost, vouch) = (group("G1"), Vouch::Nothing);
    let resume = issued(&world, Command::GroupResume { group: lost, vouch });
    world.apply(&command::decide(&world.situation(), &resume).unwrap());
    assert_eq!(pin(&world).guard, Guard::Rearming, "the owner lifts the pin, not the command");
}

#[test]
fn an_operators_resume_stands_for_an_owner_that_is_lost() {
    let mut world = three();
    let pause = issued(&world, Command::GroupPause { group: group("G1"), until: None });
    world.apply(&command::decide(&world.situation(), &pause).unwrap());
    world.life("n1", Life::Silent { silence: Span::millis(600) });
    world.run();
    let resume = |vouch| Command::GroupResume { group: group("G1"), vouch };
    let silent = issued(&world, resume(Vouch::Nothing));
    let refusal = command::decide(&world.situation(), &silent).unwrap_err();
    assert_eq!(refusal.number(), 18, "its guardian is disarmed: it may run the group still");
    let mut vouched = world.clone();
    let off = issued(&vouched, resume(Vouch::OwnerIsOff));
    vouched.apply(&command::decide(&vouched.situation(), &off).unwrap());
    assert_eq!(vouched.owner("G1").as_deref(), Some("n2"));
    let confirm = issued(&world, Command::NodeConfirmOff { node: node("n1") });
    world.apply(&command::decide(&world.situation(), &confirm).unwrap());
    assert_eq!(world.owner("G1").as_deref(), Some("n2"), "a confirmed fence ends the pause");
}

/// A configuration is written with everything that follows from it, or not at all.
pub fn configuration_is_whole() {
    let mut world = three();
    let spec = cluster("n1 n2 n3", &["G1: prefer n1 n2", "G3: prefer n3"]);
    let apply = issued(&world, Command::ConfigApply { config: config(spec) });
    let planned = command::planned(&world.situation(), &apply).unwrap();
    assert_eq!(check(&world.record, &planned), Vec::<Fault>::new());
    world.apply(&planned.draft.unwrap());
    let record = &world.record;
    assert_eq!(record.config.as_ref().map(|c| c.version), Some(2));
    assert!(record.group(&group("G3")).is_some(), "a new group is there at once");
    let stopped = planner::wanted(record, &group("G2"), &node("n2"));
    assert_eq!(stopped, Some(planner::Wanted::Stop), "a group that is gone is stopped");
    world.run();
    assert!(world.record.group(&group("G2")).is_none(), "and leaves the record when it is down");
}

#[test]
fn a_configuration_is_applied_with_all_that_follows_from_it() {
    configuration_is_whole();
}

#[test]
fn i19_a_node_that_runs_another_configuration_takes_nothing_over() {
    let mut world = three();
    world.sights.get_mut(&node("n2")).unwrap().config = 1;
    world.life("n1", Life::Silent { silence: Span::millis(600) });
    let planned = world.plan();
    assert_eq!(planned.plan.decisions[&group("G1")].chosen, Chosen::NoPlace);
}

#[test]
fn two_nodes_without_a_third_vote_are_refused() {
    let world = three();
    let spec = cluster("n1 n2", &["G1: prefer n1 n2"]);
    let apply = issued(&world, Command::ConfigApply { config: config(spec) });
    let refusal = command::decide(&world.situation(), &apply).unwrap_err();
    assert_eq!(refusal, Refusal::NoThirdVote);
}

#[test]
fn two_nodes_and_a_disk_are_three_votes_and_the_ledger_of_a_cluster_stays_where_it_is() {
    let mut world = three();
    let mut spec = cluster("n1 n2", &["G1: prefer n1 n2"]);
    spec.ledger = LedgerPlace::OnDisk(Default::default());
    let apply = issued(&world, Command::ConfigApply { config: config(spec.clone()) });
    let refusal = command::decide(&world.situation(), &apply).unwrap_err();
    assert_eq!(refusal, Refusal::LedgerStays);
    let mut now = (**world.record.config.as_ref().unwrap()).clone();
    now.spec.ledger = spec.ledger.clone();
    world.record.config = Some(Arc::new(now));
    let apply = issued(&world, Command::ConfigApply { config: config(spec) });
    assert!(command::decide(&world.situation(), &apply).is_ok());
}

#[test]
fn an_unconfirmed_configuration_is_confirmed_or_undone_once() {
    let mut world = three();
    let old = Box::new((**world.record.config.as_ref().unwrap()).clone());
    let mut next = config(cluster("n1 n2 n3", &["G1: prefer n1 n2", "G2: prefer n2 n1 n3"]));
    let (back_to, within) = (String::new(), Span::secs(300));
    next.unconfirmed = Some(Unconfirmed { back_to, within, since: None });
    let apply = issued(&world, Command::ConfigApply { config: next });
    world.apply(&command::decide(&world.situation(), &apply).unwrap());
    let mut confirmed = world.clone();
    let confirm = issued(&world, Command::ConfigConfirm);
    confirmed.apply(&command::decide(&confirmed.situation(), &confirm).unwrap());
    assert!(confirmed.record.config.as_ref().unwrap().unconfirmed.is_none());
    let undo = issued(&world, Command::ConfigUndo { config: old.clone() });
    world.apply(&command::decide(&world.situation(), &undo).unwrap());
    let now = Arc::clone(world.record.config.as_ref().unwrap());
    assert_eq!((now.version, &now.hash), (3, &old.hash));
    let again = issued(&world, Command::ConfigUndo { config: old });
    assert_eq!(command::decide(&world.situation(), &again).unwrap_err().number(), 8);
}

#[test]
fn a_shutdown_is_over_when_the_node_is_heard_with_another_boot() {
    let mut world = three();
    let leave = issued(&world, Command::NodeLeave { node: node("n1") });
    world.apply(&command::decide(&world.situation(), &leave).unwrap());
    world.run();
    assert_eq!(world.owner("G1").as_deref(), Some("n2"));
    assert!(planner::is_out_of_service(&world.record, &node("n1")));
    world.sights.get_mut(&node("n1")).unwrap().boot.0 += 1;
    world.run();
    let known = &world.record.nodes[&node("n1")].value;
    assert_eq!(known.intent, NodeIntent::InService);
}

#[test]
fn a_drain_outlives_a_restart_of_the_node() {
    let mut world = three();
    let drain = issued(&world, Command::NodeDrain { node: node("n1") });
    world.apply(&command::decide(&world.situation(), &drain).unwrap());
    world.sights.get_mut(&node("n1")).unwrap().boot.0 += 1;
    world.run();
    assert!(planner::is_out_of_service(&world.record, &node("n1")));
}

#[test]
fn a_start_that_nobody_can_carry_out_says_why_for_every_node() {
    let mut world = three();
    let stop = issued(&world, Command::GroupStop { group: group("G1") });
    world.apply(&command::decide(&world.situation(), &stop).unwrap());
    world.run();
    for n in ["n1", "n2"] {
        let drain = issued(&world, Command::NodeDrain { node: node(n) });
        world.apply(&command::decide(&world.situation(), &drain).unwrap());
    }
    world.settled = Settled::Yes;
    let (group, option) = (group("G1"), StartOption::None);
    let start = issued(&world, Command::GroupStart { group, option, node: None });
    match command::decide(&world.situation(), &start).unwrap_err() {
        Refusal::NobodyCanTake { why, .. } => assert_eq!(why.len(), 3),
        other => panic!("{other:?}"),
    }
}

#[test]
fn cl_34_while_the_cluster_is_suspended_groups_run_on_and_nothing_moves_whatever_happens() {
    let groups = ["G1: prefer n1 n2", "G2: prefer n2 n1", "G3: prefer n1 n2; failback when-better"];
    let mut world = World::new(cluster("n1 n2 w=witness", &groups));
    world.run();
    let owners = |w: &World| ["G1", "G2", "G3"].map(|g| w.owner(g).unwrap());
    let before = owners(&world);
    let suspend = issued(&world, Command::AllPause { until: None });
    world.apply(&command::decide(&world.situation(), &suspend).unwrap());
    world.life("n1", Life::Silent { silence: Span::millis(600) });
    world.run();
    assert_eq!(owners(&world), before, "no takeover");
    world.life("n1", Life::Heard);
    // The agent of n1 is replaced, as in a rolling upgrade; the new one finds nothing.
    world.desk("G1", Stand::Failed(Cause::AgentLost { node: node("n1") }));
    world.run();
    assert_eq!(owners(&world), before, "nor after a restart of an agent");
    let again = issued(&world, Command::AllPause { until: None });
    let refusal = command::decide(&world.situation(), &again).unwrap_err();
    assert_eq!(refusal.number(), 8, "it is suspended already");
    let go_on = issued(&world, Command::AllResume { vouch: Vouch::Nothing });
    world.apply(&command::decide(&world.situation(), &go_on).unwrap());
    for g in ["G1", "G2", "G3"] {
        world.unpin(g);
    }
    world.life("n1", Life::Silent { silence: Span::millis(600) });
    world.run();
    assert_eq!(owners(&world), ["n2", "n2", "n2"], "resumed: the loss is answered");
}

fn carry_out(world: &mut World, what: Command) {
    let first = issued(world, what);
    let draft = command::decide(&world.situation(), &first).unwrap();
    world.apply(&draft);
}

fn refusal(world: &World, what: Command) -> Refusal {
    command::decide(&world.situation(), &issued(world, what)).unwrap_err()
}

#[test]
fn a_command_that_is_repeated_is_so_already() {
    let g1 = || group("G1");
    let to = |n| Command::GroupMove { group: g1(), to: Some(node(n)) };
    let pause = |until| Command::GroupPause { group: g1(), until };
    let resume = || Command::GroupResume { group: g1(), vouch: Vouch::Nothing };
    let start = |node| Command::GroupStart { group: g1(), option: StartOption::None, node };
    let mut world = three();
    assert!(refusal(&world, start(None)).is_so_already());
    assert!(refusal(&world, start(Some(node("n1")))).is_so_already());
    assert!(refusal(&world, to("n1")).is_so_already());
    assert!(refusal(&world, resume()).is_so_already());
    assert!(refusal(&world, Command::NodeUndrain { node: node("n3") }).is_so_already());
    assert!(refusal(&world, Command::GroupClear { group: group("G2") }).is_so_already());
    for what in [
        to("n2"),
        Command::NodeDrain { node: node("n3") },
        Command::GroupStop { group: group("G2") },
    ] {
        carry_out(&mut world, what.clone());
        assert!(refusal(&world, what.clone()).is_so_already(), "{what:?}, under way");
        world.run();
        assert!(refusal(&world, what.clone()).is_so_already(), "{what:?}");
    }
    let until = |span| Some(Wall(world.at.0 + span));
    let (sooner, end) = (until(40_000), until(50_000));
    carry_out(&mut world, pause(end));
    assert!(refusal(&world, pause(end)).is_so_already());
    assert!(refusal(&world, pause(sooner)).is_so_already());
    carry_out(&mut world, resume());
    assert!(refusal(&world, resume()).is_so_already(), "its guardian is being armed");
}

#[test]
fn what_looks_like_a_repeat_and_asks_for_more_is_refused() {
    let mut world = three();
    let g1 = || group("G1");
    let start =
        Command::GroupStart { group: g1(), option: StartOption::None, node: Some(node("n2")) };
    let elsewhere = refusal(&world, start);
    assert!(matches!(&elsewhere, Refusal::CannotTake { why: Rejected::StaysPut { .. }, .. }));
    carry_out(&mut world, Command::GroupMove { group: g1(), to: Some(node("n2")) });
    let back = Command::GroupMove { group: g1(), to: Some(node("n1")) };
    assert_eq!(refusal(&world, back).number(), 12, "it is leaving n1");
    world.run();
    let pause = |until| Command::GroupPause { group: g1(), until };
    let (end, later) = (Wall(world.at.0 + 50_000), Wall(world.at.0 + 50_001));
    carry_out(&mut world, pause(Some(end)));
    assert_eq!(refusal(&world, pause(Some(later))).number(), 6, "it would end before");
    assert_eq!(refusal(&world, pause(None)).number(), 6);
    carry_out(&mut world, Command::GroupResume { group: g1(), vouch: Vouch::Nothing });
    assert_eq!(refusal(&world, pause(Some(end))).number(), 6, "that pause is ending");
}

#[test]
fn a_cluster_is_suspended_whole_or_not_at_all() {
    let mut world =
        World::new(cluster("n1 n2 w=witness", &["G1: prefer n1 n2", "G2: prefer n2 n1"]));
    world.run();
    world.life("n1", Life::Silent { silence: Span::millis(600) });
    let suspend = issued(&world, Command::AllPause { until: None });
    assert!(
        command::decide(&world.situation(), &suspend).is_err(),
        "a lost owner cannot be pinned"
    );
    assert!(world.record.groups.values().all(|g| g.value.pause.is_none()));
}

/// n1 alone, after n2 and n3 were named lost; neither is heard.
fn recovered() -> World {
    let mut world = three();
    let (me, lost) = (node("n1"), [node("n2"), node("n3")].into());
    let keeper = Keeper { node: &me, voter: 4, certificate: "its own" };
    let draft: Draft = restore::recovered(&world.record, &lost, keeper);
    world.apply(&draft);
    world.record.incarnation = 2;
    world.record.voters = [(me, 4)].into();
    world.record.highest_voter = 4;
    world.life("n2", Life::Silent { silence: Span::secs(60) });
    world.sights.remove(&node("n3"));
    world
}

#[test]
fn a_lost_node_is_taken_out_by_the_word_that_it_is_off_and_not_while_it_is_heard() {
    let mut world = recovered();
    let off = |world: &World, name| issued(world, Command::NodeConfirmOff { node: node(name) });
    world.life("n2", Life::Heard);
    let refusal = command::decide(&world.situation(), &off(&world, "n2")).unwrap_err();
    assert_eq!(refusal, Refusal::NodeIsUp { node: node("n2") });
    world.life("n2", Life::Silent { silence: Span::secs(60) });
    for name in ["n2", "n3"] {
        assert!(former_majority_out_there(&world.record), "{name} may still own a group");
        world.apply(&command::decide(&world.situation(), &off(&world, name)).unwrap());
        assert!(world.record.gone.contains_key(&node(name)), "its certificate is refused");
    }
    assert!(!former_majority_out_there(&world.record));
    let refusal = command::decide(&world.situation(), &off(&world, "n2")).unwrap_err();
    assert_eq!(refusal.number(), Refusal::NoSuchNode { node: String::new() }.number());
}

#[test]
fn a_lost_node_that_comes_back_and_puts_its_copy_aside_is_waited_for_no_more() {
    let mut world = recovered();
    let aside = |world: &World, name| {
        let certificate = "shown".to_owned();
        issued(world, Command::NodeStoodAside { node: node(name), certificate })
    };
    let own = command::decide(&world.situation(), &aside(&world, "n1")).unwrap_err();
    assert_eq!(own, Refusal::NoSuchNode { node: "n1".to_owned() }, "nobody waits for it");
    world.life("n2", Life::Heard);
    world.apply(&command::decide(&world.situation(), &aside(&world, "n2")).unwrap());
    assert_eq!(lost_voters_out_there(&world.record), [&node("n2"), &node("n3")], "noted first");
    world.apply(&command::decide(&world.situation(), &aside(&world, "n2")).unwrap());
    assert_eq!(world.record.gone[&node("n2")].certificate.as_deref(), Some("shown"));
    assert_eq!(lost_voters_out_there(&world.record), [&node("n3")]);
}

/// A cluster whose group G1 has the monitor `port` on its resource.
fn monitored() -> World {
    let mut spec = cluster("n1 n2 n3", &["G1: prefer n1 n2"]);
    let resource = &mut spec.groups.get_mut(&group("G1")).unwrap().resources[0];
    let ResourceKind::Process { monitors, .. } = &mut resource.kind else { unreachable!() };
    let check = Check::Link("eth0".to_owned());
    monitors.push(Monitor { name: "port".parse().ok(), ..Monitor::new(check, Span::secs(1)) });
    let mut world = World::new(spec);
    world.run();
    world
}

#[test]
fn ph_14_one_monitor_is_suspended_with_owner_reason_and_end_and_that_ends_by_itself() {
    let mut world = monitored();
    let id = MonitorId::new("app".parse().unwrap(), "port".parse().ok());
    let until = Some(Wall(world.at.0 + 60_000));
    let suspend = Command::MonitorSuspend { group: group("G1"), id: id.clone(), until };
    let mut unexplained = issued(&world, suspend.clone());
    unexplained.reason.clear();
    let refused = |world: &World, command: &Command| {
        command::decide(&world.situation(), &issued(world, command.clone())).unwrap_err()
    };
    let refusal = command::decide(&world.situation(), &unexplained).unwrap_err();
    assert_eq!(refusal, Refusal::ReasonRequired);
    let resume = Command::MonitorResume { group: group("G1"), id: id.clone() };
    assert!(matches!(refused(&world, &resume), Refusal::AlreadySo { .. }));

    let draft = command::decide(&world.situation(), &issued(&world, suspend.clone())).unwrap();
    assert!(draft.writes.iter().any(|w| matches!(w, Write::Audit(a) if a.person == "yamada")));
    world.apply(&draft);
    let entry = world.record.group(&group("G1")).unwrap().clone();
    let stands: Vec<_> = entry.suspended_at(world.at).collect();
    assert_eq!(stands.len(), 1);
    assert_eq!((&stands[0].id, stands[0].order.by.as_str()), (&id, "yamada"));
    assert_eq!(stands[0].order.reason, "maintenance");
    assert_eq!(entry.suspended_at(Wall(world.at.0 + 60_000)).count(), 0, "it ends by itself");
    assert!(matches!(refused(&world, &suspend), Refusal::AlreadySo { .. }));
    assert_eq!(world.owner("G1").as_deref(), Some("n1"), "nothing else is changed");

    let draft = command::decide(&world.situation(), &issued(&world, resume)).unwrap();
    world.apply(&draft);
    assert!(world.record.group(&group("G1")).unwrap().suspended.is_empty());
}

#[test]
fn ph_14_a_monitor_that_is_not_there_is_refused_with_those_that_are() {
    let world = monitored();
    for name in [None, "prot".parse().ok()] {
        let id = MonitorId::new("app".parse().unwrap(), name);
        let group = group("G1");
        for command in [
            Command::MonitorSuspend { group: group.clone(), id: id.clone(), until: None },
            Command::MonitorResume { group, id },
        ] {
            let issued = issued(&world, command);
            let refusal = command::decide(&world.situation(), &issued).unwrap_err();
            let Refusal::NoSuchMonitor { known, .. } = refusal else { panic!("{refusal:?}") };
            assert_eq!(known, ["G1/app/port"]);
        }
    }
}

#[test]
fn a_setting_that_data_depend_on_is_refused_while_a_node_runs_a_version_that_does_not_know_it() {
    let asks = ["G1: prefer n1 n2; fence mirror"];
    let refused = |world: &World, lines: &[&str]| {
        let apply =
            issued(world, Command::ConfigApply { config: config(cluster("n1 n2 n3", lines)) });
        command::decide(&world.situation(), &apply).err()
    };
    for older in ["n2", "n3"] {
        let mut world = World::new(cluster("n1 n2 n3", &["G1: prefer n1 n2; fence self"]));
        world.sights.get_mut(&node(older)).unwrap().settings = 0;
        assert_eq!(refused(&world, &asks), Some(Refusal::OlderNode { node: node(older) }));
        // What it knows is not refused for it.
        assert_eq!(refused(&world, &["G1: prefer n1; fence self"]), None);
    }
    // Of one that is only seen on a disk nobody knows which version it runs.
    let mut world = World::new(cluster("n1 n2 n3", &["G1: prefer n1 n2; fence self"]));
    let sight = world.sights.get_mut(&node("n2")).unwrap();
    (sight.settings, sight.beats) = (0, Beats::Unheard);
    let unknown = refused(&world, &asks).unwrap();
    assert_eq!(unknown, Refusal::UnknownVersion { node: node("n2") });
    assert_eq!((unknown.number(), unknown.word()), (47, "unknown-version"));
    let world = World::new(cluster("n1 n2 n3", &["G1: prefer n1 n2; fence self"]));
    assert_eq!(refused(&world, &asks), None, "all know it");
    // One that came back older keeps nobody from changing something else.
    let mut world = World::new(cluster("n1 n2 n3", &asks));
    world.sights.get_mut(&node("n2")).unwrap().settings = 0;
    assert_eq!(refused(&world, &["G1: prefer n2 n1; fence mirror"]), None);
}
