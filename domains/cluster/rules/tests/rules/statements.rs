//! Statements of the domain that the rules alone make true; more are shown by the stories.

use tsugi_cluster_rules::desk::Down;
use tsugi_cluster_rules::figures::{Compare, Compared, Figures};
use tsugi_cluster_rules::plan::{Chosen, Life, Settled, Stand, Waiting};
use tsugi_cluster_rules::planner;
use tsugi_cluster_rules::reason::{Cause, Rejected};
use tsugi_cluster_rules::record::{Answer, Draft, Happening, Ownership, Write};
use tsugi_cluster_rules::spec::{Failback, FailurePolicy, FenceDevice, WatchedFailure};
use tsugi_cluster_rules::timetable::{Days, OPEN, Timetable};
use tsugi_cluster_rules::watch::Recovery;
use tsugi_cluster_rules::whatif::{Hypothesis, whatif};
use tsugi_vocabulary::{BootId, ResourceName, Span, Wall};

use crate::world::{DAILY, World, cluster, group, node};

fn unwell(on: &str) -> Stand {
    Stand::Failed(Cause::MonitorFailed {
        node: node(on),
        resource: ResourceName::new("app").unwrap(),
        monitor: None,
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
fn cl_10_a_watched_programs_end_is_a_takeover_unless_the_group_says_restart() {
    let ended = |recovery| {
        let how = "exit 1".into();
        Stand::Failed(Cause::WatchedEnded { node: node("n1"), id: "AP".to_owned(), how, recovery })
    };
    for (watched, recovery, owner) in [
        (WatchedFailure::Takeover, Recovery::AsConfigured, "n2"),
        (WatchedFailure::Takeover, Recovery::TakeOver, "n2"),
        (WatchedFailure::Restart, Recovery::AsConfigured, "n1"),
        (WatchedFailure::Restart, Recovery::TakeOver, "n2"),
    ] {
        let mut spec = cluster("n1 n2 w=witness", &["G1: prefer n1 n2; restarts 3"]);
        spec.groups.get_mut(&group("G1")).unwrap().failure.watched = watched;
        let mut world = World::new(spec);
        world.run();
        world.desk("G1", ended(recovery));
        world.run();
        assert_eq!(world.owner("G1").as_deref(), Some(owner), "{watched:?} {recovery:?}");
    }
}

#[test]
fn cl_11_scripts_are_run_again_n_times_within_h_hours_and_then_the_group_moves() {
    let ended = |on: &str, id: &str, within: Option<Span>| {
        let (how, recovery) = ("exit 1".into(), Recovery::Scripts { times: 2, within });
        Stand::Failed(Cause::WatchedEnded { node: node(on), id: id.to_owned(), how, recovery })
    };
    let (hour, day) = (3_600_000, 86_400_000);
    // How long after the one before each end comes, for which id, and where the group is then.
    let two_hours = Some(Span::secs(7_200));
    type Ends<'a> = &'a [(u64, &'a str, &'a str)];
    let cases: [(Option<Span>, Ends<'_>); 4] = [
        (None, &[(0, "AP", "n1"), (day, "AP", "n1"), (day, "AP", "n2")]),
        // Longer than what counts of other failures of the group.
        (two_hours, &[(0, "AP", "n1"), (hour, "AP", "n1"), (hour / 2, "AP", "n2")]),
        (two_hours, &[(0, "AP", "n1"), (hour, "AP", "n1"), (hour, "AP", "n1")]),
        (
            None,
            &[(0, "AP", "n1"), (0, "BP", "n1"), (0, "AP", "n1"), (0, "BP", "n1"), (0, "AP", "n2")],
        ),
    ];
    for (within, ends) in cases {
        let mut world = World::new(cluster("n1 n2 w=witness", &["G1: prefer n1 n2; restarts 0"]));
        world.run();
        for (after, id, owner) in ends {
            world.at = Wall(world.at.0 + after);
            world.desk("G1", ended("n1", id, within));
            world.run();
            assert_eq!(world.owner("G1").as_deref(), Some(*owner), "{within:?} {ends:?}");
        }
        // There the count begins anew, also long after the takeover.
        if world.owner("G1").as_deref() == Some("n2") {
            world.desk("G1", ended("n2", "AP", within));
            world.run();
            assert_eq!(world.owner("G1").as_deref(), Some("n2"), "{within:?}");
        }
    }
}

#[test]
fn scripts_that_were_run_again_do_not_count_against_the_restarts_of_the_group() {
    let recovery = Recovery::Scripts { times: 9, within: None };
    let ended = Cause::WatchedEnded {
        node: node("n1"),
        id: "AP".to_owned(),
        how: "exit 1".into(),
        recovery,
    };
    let mut world = World::new(cluster("n1 n2 w=witness", &["G1: prefer n1 n2; restarts 1"]));
    world.run();
    for (stand, owner) in [
        (Stand::Failed(ended.clone()), "n1"),
        (unwell("n1"), "n1"),
        (Stand::Failed(ended), "n1"),
        (unwell("n1"), "n2"),
    ] {
        world.desk("G1", stand);
        world.run();
        assert_eq!(world.owner("G1").as_deref(), Some(owner));
    }
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
    let draft = planner::handed_over(
        &world.record,
        &group("G1"),
        (Down::orderly(), Some(BootId(2))),
        &node("n1"),
        world.at,
    );
    world.apply(&draft.unwrap());
    let entry = world.record.group(&group("G1")).unwrap();
    assert!(entry.epoch > before);
    let Ownership::Owned { node: owner, boot, .. } = &entry.ownership else { unreachable!() };
    assert_eq!(
        (owner, *boot),
        (&node("n2"), Some(BootId(2))),
        "a fence of another boot is not its"
    );
}

#[test]
fn an_owner_that_was_overtaken_has_nothing_to_report() {
    let mut world = World::new(cluster("n1 n2 w=witness", &["G1: prefer n1 n2"]));
    world.run();
    world.life("n1", Life::Silent { silence: Span::millis(600) });
    world.run();
    let (g, n1, at) = (group("G1"), node("n1"), world.at);
    assert_eq!(planner::handed_over(&world.record, &g, (Down::orderly(), None), &n1, at), None);
    let by = (&n1, BootId(1));
    assert_eq!(planner::report_running(&world.record, &g, Default::default(), by, at), None);
    assert_eq!(planner::wanted(&world.record, &g, &n1), None);
}

#[test]
fn what_the_owner_says_of_a_failure_and_what_the_plan_makes_of_it_agree() {
    let mut world = World::new(cluster("n1 n2 w=witness", &["G1: prefer n1 n2; restarts 0"]));
    world.run();
    let (g, n1) = (group("G1"), node("n1"));
    assert_eq!(
        planner::answer_to_failure(&world.record, &g, (&n1, world.at), &[]),
        Answer::TakenOver
    );
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

#[test]
fn ph_11_a_group_goes_back_never_at_once_or_when_its_timetable_says_so() {
    let groups = [
        "NEVER: prefer n1 n2; failback never",
        "NOW: prefer n1 n2; failback when-better",
        "NIGHT: prefer n1 n2; failback daily",
    ];
    let mut world = World::new(cluster("n1 n2 w=witness", &groups));
    // Midnight was an hour ago; the next one is a day less an hour ahead.
    let midnight = DAILY.next(world.at).unwrap();
    world.at = Wall(midnight.0 + 3_600_000);
    let next = DAILY.next(world.at).unwrap();
    world.run();
    world.life("n1", Life::Silent { silence: Span::millis(600) });
    world.run();
    world.life("n1", Life::Heard);
    world.run();
    let owners = |world: &World| ["NEVER", "NOW", "NIGHT"].map(|g| world.owner(g).unwrap());
    assert_eq!(owners(&world), ["n2", "n1", "n2"], "the hour has not come");
    let decided = planner::decide(&world.situation());
    let why = &decided[&group("NIGHT")].rejected[&node("n1")];
    assert_eq!(why, &Rejected::NotYet { until: next }, "and it is said when it comes");
    assert_eq!(planner::next_by_time(&world.record, world.at), Some(next));
    world.at = next;
    world.run();
    assert_eq!(owners(&world), ["n2", "n1", "n1"], "now it has");
}

#[test]
fn ph_11_a_node_that_returns_long_after_the_hour_waits_for_the_next_and_a_past_date_never_comes() {
    let mut spec = cluster("n1 n2 w=witness", &["NIGHT: prefer n1 n2; failback daily"]);
    let past = Timetable { on: Days::Once(1969, 12, 31), ..DAILY };
    let mut once = spec.groups[&group("NIGHT")].clone();
    once.failback = Failback::At(past);
    spec.groups.insert(group("ONCE"), once);
    let mut world = World::new(spec);
    world.run();
    world.life("n1", Life::Silent { silence: Span::millis(600) });
    world.run();
    world.at = Wall(DAILY.next(world.at).unwrap().0 + OPEN.as_millis());
    world.life("n1", Life::Heard);
    world.run();
    assert_eq!(world.owner("NIGHT").as_deref(), Some("n2"), "its hour is over");
    for _ in 0..400 {
        world.at = DAILY.next(world.at).unwrap();
        world.run();
    }
    assert_eq!(world.owner("NIGHT").as_deref(), Some("n1"));
    assert_eq!(world.owner("ONCE").as_deref(), Some("n2"), "a past date is ignored");
}

#[test]
fn cl_40_a_group_waits_until_the_one_before_it_is_ready_and_not_merely_given() {
    let groups = ["APP: prefer n1 n2; after DB", "DB: prefer n1 n2"];
    let mut world = World::new(cluster("n1 n2 w=witness", &groups));
    let first = world.plan();
    world.apply(&first.draft.unwrap());
    assert_eq!(world.owner("DB").as_deref(), Some("n1"), "given, and being started");
    assert_eq!(world.owner("APP"), None);
    let waits = |plan: &tsugi_cluster_rules::plan::Plan| {
        let on = Waiting::Group { group: group("DB") };
        plan.decisions[&group("APP")].chosen == Chosen::Wait { on }
    };
    assert!(waits(&first.plan), "{:?}", first.plan.decisions);
    assert!(waits(&world.plan().plan), "as long as it is not ready");
    world.run();
    assert_eq!(world.owner("APP").as_deref(), Some("n1"), "ready, so it follows");
    world.life("n1", Life::Silent { silence: Span::millis(600) });
    let taken = world.plan();
    assert!(waits(&taken.plan), "also when both are taken over");
    assert_eq!(tsugi_cluster_rules::check::check(&world.record, &taken), Vec::new());
    world.run();
    let owners = ["DB", "APP"].map(|g| world.owner(g).unwrap());
    assert_eq!(owners, ["n2", "n2"]);
}

#[test]
fn ph_20_what_is_only_observed_is_foretold_and_told_with_its_reason_and_nobody_acts() {
    let groups = ["SEEN: prefer n1 n2; takeover observe", "MOVED: prefer n1 n2"];
    let mut world = World::new(cluster("n1 n2 w=witness", &groups));
    world.run();
    let foretold = whatif(&world.situation(), &[Hypothesis::NodeDown(node("n1"))]).plan;
    world.life("n1", Life::Silent { silence: Span::millis(600) });
    let planned = world.plan();
    for decided in [&foretold, &planned.plan] {
        let seen = &decided.decisions[&group("SEEN")];
        assert_eq!(seen.chosen, Chosen::Wait { on: Waiting::Observed { to: node("n2") } });
        assert_eq!(seen.cause.as_ref().and_then(Cause::node), Some(&node("n1")));
        assert!(matches!(seen.rejected[&node("n1")], Rejected::Silent { .. }));
    }
    let told = planned.draft.as_ref().unwrap().writes.iter().any(|write| match write {
        Write::Event(event) => {
            let what = matches!(&event.what, Happening::Observed { to, .. } if *to == node("n2"));
            what && event.group == Some(group("SEEN"))
        }
        _ => false,
    });
    assert!(told, "it stands in the history");
    world.run();
    assert_eq!(world.owner("SEEN").as_deref(), Some("n1"));
    assert_eq!(world.owner("MOVED").as_deref(), Some("n2"));
    assert!(world.plan().draft.is_none(), "and is told once");
}

#[test]
fn nobody_is_switched_off_for_what_is_only_observed() {
    for (takeover, ordered) in [("automatic", true), ("observe", false)] {
        let text = format!("G1: prefer n1 n2; fence confirmed; takeover {takeover}");
        let mut spec = cluster("n1 n2 w=witness", &[&text]);
        spec.nodes.get_mut(&node("n1")).unwrap().fence = Some(device());
        let mut world = World::new(spec);
        world.run();
        world.life("n1", Life::Silent { silence: Span::millis(600) });
        world.run();
        let known = &world.record.nodes[&node("n1")].value;
        assert_eq!(known.fencing.is_some(), ordered, "{takeover}");
        assert_eq!(world.owner("G1").as_deref(), Some("n1"), "{takeover}");
    }
}

fn device() -> FenceDevice {
    FenceDevice {
        agent: "fence_one".to_owned(),
        options: std::collections::BTreeMap::new(),
        secret: None,
        limit: Span::secs(4),
        every: Span::secs(3600),
    }
}

fn free_memory(memory: u32) -> Figures {
    Figures { memory: Some(memory), ..Figures::default() }
}

#[test]
fn ph_10_the_node_with_the_most_of_what_the_group_prefers_by_takes_it_over() {
    let groups = ["G1: prefer n1 n2 n3 n4; prefer-by memory"];
    let mut world = World::new(cluster("n1 n2 n3 n4 w=witness", &groups));
    world.run();
    assert_eq!(world.owner("G1").as_deref(), Some("n1"), "a first start goes by the order");
    for (name, free) in [("n1", 5), ("n2", 12), ("n3", 61)] {
        world.figures(name, free_memory(free));
    }
    assert_eq!(world.plan().draft, None, "nothing that runs is moved for a figure");
    let then = whatif(&world.situation(), &[Hypothesis::NodeDown(node("n1"))]);
    world.life("n1", Life::Silent { silence: Span::secs(1) });
    let decision = world.plan().plan.decisions[&group("G1")].clone();
    assert_eq!(
        then.plan.decisions[&group("G1")].rejected[&node("n2")],
        decision.rejected[&node("n2")]
    );
    let less = |its| Rejected::LessPreferred {
        than: node("n3"),
        compared: Some(Box::new(Compared { by: Compare::Memory, its, best: 61 })),
    };
    assert_eq!(decision.rejected[&node("n2")], less(Some(12)));
    assert_eq!(decision.rejected[&node("n4")], less(None), "what was not told is not known");
    world.run();
    assert_eq!(world.owner("G1").as_deref(), Some("n3"));
    world.figures("n2", free_memory(99));
    assert_eq!(world.plan().draft, None, "nothing that runs is moved for a figure");
}

#[test]
fn ph_10_without_figures_and_where_they_are_the_same_the_next_in_order_takes_over() {
    for free in [None, Some(40)] {
        let groups = ["G1: prefer n1 n3 n2; prefer-by memory"];
        let mut world = World::new(cluster("n1 n2 n3 w=witness x=witness", &groups));
        world.run();
        for name in ["n2", "n3"] {
            world.figures(name, Figures { memory: free, ..Figures::default() });
        }
        world.life("n1", Life::Silent { silence: Span::secs(1) });
        world.run();
        assert_eq!(world.owner("G1").as_deref(), Some("n3"));
    }
}

#[test]
fn ph_10_an_operators_place_and_an_ordered_move_do_not_ask_for_figures() {
    let groups = ["G1: prefer n1 n2 n3; prefer-by memory"];
    let mut world = World::new(cluster("n1 n2 n3 w=witness x=witness", &groups));
    world.run();
    world.figures("n3", free_memory(90));
    let all = planner::obstacles(&world.situation(), &group("G1"));
    let order: Vec<&str> = all.iter().take(3).map(|(name, _)| name.as_str()).collect();
    assert_eq!(order, ["n1", "n2", "n3"], "a move without a node goes by the order");
    let drained = whatif(&world.situation(), &[Hypothesis::NodeDrain(node("n1"))]);
    let goes = Chosen::HandOver { from: node("n1"), to: node("n2") };
    assert_eq!(drained.plan.decisions[&group("G1")].chosen, goes, "a drain goes by the order");
    let mut put = world.record.group(&group("G1")).unwrap().clone();
    put.location = Some(node("n2"));
    world.apply(&Draft::default().write(Write::Group(group("G1"), put.into())));
    world.life("n1", Life::Silent { silence: Span::secs(1) });
    world.run();
    assert_eq!(world.owner("G1").as_deref(), Some("n2"), "a person's word stands before a figure");
}

#[test]
fn ph_10_where_figures_choose_only_the_first_node_is_gone_back_to() {
    let groups = ["G1: prefer n1 n2 n3; prefer-by cpu; failback when-better"];
    let mut world = World::new(cluster("n1 n2 n3 w=witness x=witness", &groups));
    world.run();
    world.figures("n3", Figures { cpu: Some(70), ..Figures::default() });
    world.life("n1", Life::Silent { silence: Span::secs(1) });
    world.run();
    assert_eq!(world.owner("G1").as_deref(), Some("n3"), "n2 stands before it and is left alone");
    world.life("n1", Life::Heard);
    world.run();
    assert_eq!(world.owner("G1").as_deref(), Some("n1"));
}

#[test]
fn ph_10_a_node_that_was_not_heard_yet_is_waited_for_where_figures_choose() {
    let groups = ["G1: prefer n1 n2 n3; prefer-by load"];
    let mut world = World::new(cluster("n1 n2 n3 w=witness x=witness", &groups));
    world.run();
    world.life("n1", Life::Silent { silence: Span::secs(1) });
    world.sights.remove(&node("n3"));
    world.settled = Settled::NotYet;
    let decision = world.plan().plan.decisions[&group("G1")].clone();
    assert_eq!(decision.chosen, Chosen::Wait { on: Waiting::Settling });
    world.settled = Settled::Yes;
    world.run();
    assert_eq!(world.owner("G1").as_deref(), Some("n2"));
}

#[test]
fn ph_10_a_member_of_a_parallel_group_is_offline_on_the_failed_node_only() {
    let groups = ["P_n1: prefer n1; member-of P", "P_n2: prefer n2; member-of P"];
    let mut world = World::new(cluster("n1 n2 w=witness", &groups));
    world.run();
    world.life("n1", Life::Silent { silence: Span::secs(1) });
    world.run();
    assert_eq!(world.owner("P_n2").as_deref(), Some("n2"));
    let lost = world.plan().plan.decisions[&group("P_n1")].chosen.clone();
    assert_eq!(lost, Chosen::NoPlace, "nobody else takes it");
}
