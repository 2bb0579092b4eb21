//! The first cause that explain names, for each of the causes that are injected.

use std::collections::BTreeMap;
use std::sync::Arc;

use tsugi_cluster_rules::reason::{How, Mishap, Rejected, Way};
use tsugi_cluster_rules::record::{HowOff, LinkState};
use tsugi_cluster_rules::start_kind::Ending;

use super::super::scenes::{NOW, epoch, group, node, text};
use super::*;

fn at(millis: u64) -> Wall {
    Wall(NOW.0 + millis)
}

fn event(millis: u64, by: &str, counter: u64, what: Happening) -> Versioned<EventRecord> {
    let value = EventRecord {
        at: at(millis),
        by: node(by),
        group: Some(group("PAY")),
        epoch: Some(epoch(counter)),
        what,
    };
    written(millis, value)
}

/// The entry of that moment, unless a test says otherwise.
fn written<T>(entry: u64, value: T) -> Versioned<T> {
    Versioned { version: Index(entry), value: Arc::new(value) }
}

fn plan(millis: u64, generation: u64, decision: Decision) -> Versioned<Plan> {
    let value = Plan {
        generation: Generation(generation),
        parent: Generation(generation - 1),
        by: node("node2"),
        at: at(millis),
        decisions: BTreeMap::from([(group("PAY"), decision)]),
        steps: Vec::new(),
    };
    written(millis, value)
}

fn give(to: &str, counter: u64, cause: Cause) -> Decision {
    Decision {
        chosen: Chosen::Give { node: node(to), epoch: epoch(counter) },
        cause: Some(cause),
        rejected: BTreeMap::from([(node("witness"), Rejected::Witness)]),
    }
}

#[test]
fn cl_42_each_takeover_is_one_record_of_cause_detector_times_fencing_and_readiness() {
    let silent = Cause::NodeSilent { node: node("node1"), silence: Span::millis(560) };
    let died = Cause::ProcessDied {
        node: node("node1"),
        resource: tsugi_vocabulary::ResourceName::new("server").unwrap(),
        how: How::of(Mishap::Signal, "signal 9"),
    };
    for (first, named, fencing) in [
        (silent, "node1 was silent", "waited for the lease of node1 to end"),
        (died, "server", "node1 had let go of everything and verified that nothing was left"),
    ] {
        let story = explain(&taken_over(first), None, 0).story.expect("it is recorded");
        assert!(text(&story.cause).contains(named), "{}", text(&story.cause));
        assert_eq!(story.decision.by, "node2", "who saw it and decided");
        assert!(story.steps.iter().any(|step| text(&step.what) == fencing), "{:?}", story.steps);
        let times: Vec<u64> = story.steps.iter().map(|step| step.at.0.0).collect();
        assert!(times.iter().all(|at| *at >= NOW.0), "in milliseconds: {times:?}");
        assert!(story.without_service_ms.is_some_and(|millis| millis > 0), "time to ready");
        assert!(!story.effects.is_empty(), "ready again, and when");
    }
    let mut twice = taken_over(Cause::AgentLost { node: node("node1") });
    let back = Cause::Operator { by: "suzuki".to_owned(), reason: "repaired".to_owned() };
    twice.plans.push(plan(20_000, 9, give("node1", 9, back)));
    let told = |back| explain(&twice, Some(&group("PAY")), back).story.map(|story| story.to);
    assert_eq!(told(0), Some(Some("node1".to_owned())), "the list is asked one by one");
    assert_eq!(told(1), Some(Some("node2".to_owned())));
    assert_eq!(told(2), None, "and it ends");
}

fn started(millis: u64, by: &str, counter: u64) -> Versioned<EventRecord> {
    let steps = vec![("vip".to_owned(), 3), ("server".to_owned(), 9)];
    event(millis, by, counter, Happening::Started { steps, took: Span::millis(12) })
}

/// PAY was on node1 since the start of the cluster; then it went to node2 for this cause.
fn taken_over(cause: Cause) -> Chronicle {
    Chronicle {
        plans: vec![
            plan(0, 1, give("node1", 1, Cause::ClusterStart)),
            plan(10_000, 2, give("node2", 2, cause)),
        ],
        events: vec![started(20, "node1", 1), started(10_030, "node2", 2)],
    }
}

fn story(chronicle: &Chronicle) -> report::Story {
    explain(chronicle, None, 0).story.expect("something moved")
}

fn silent() -> Cause {
    Cause::NodeSilent { node: node("node1"), silence: Span::millis(560) }
}

/// Something of a node, which no group's record is about.
fn of_node(millis: u64, by: &str, what: Happening) -> Versioned<EventRecord> {
    let value = EventRecord { at: at(millis), by: node(by), group: None, epoch: None, what };
    written(millis, value)
}

fn returned(cause: Cause) -> Versioned<EventRecord> {
    let (node, last_seen) = (node("node1"), None);
    of_node(60_000, "node2", Happening::Returned { node, cause, last_seen })
}

#[test]
fn before_anything_moved_there_is_no_story() {
    let first = Chronicle {
        plans: vec![plan(0, 1, give("node1", 1, Cause::ClusterStart))],
        events: vec![started(20, "node1", 1)],
    };
    assert_eq!(explain(&first, None, 0).story, None);
}

#[test]
fn a_takeover_is_told_with_from_to_epoch_reasons_steps_and_time() {
    let story = story(&taken_over(silent()));
    assert_eq!(story.from.as_deref(), Some("node1"));
    assert_eq!(story.to.as_deref(), Some("node2"));
    assert_eq!((story.epoch, story.generation), (epoch(2).to_string(), 2));
    assert_eq!(story.without_service_ms, Some(590), "560 ms of silence and 30 ms of takeover");
    assert_eq!(story.rejected.iter().map(text).collect::<Vec<_>>(), ["witness: only votes"]);
    let steps: Vec<String> = story.steps.iter().map(|m| text(&m.what)).collect();
    assert_eq!(steps[1], "waited for the lease of node1 to end");
    assert!(steps[2].contains("vip") && steps[3].contains("server"), "{steps:?}");
    assert!(text(&story.effects[0].what).contains("node2"));
}

#[test]
fn while_a_node_is_silent_the_cause_is_its_silence_and_its_return_tells_which() {
    let mut chronicle = taken_over(silent());
    let said = text(&story(&chronicle).cause);
    assert!(said.contains("silent") && said.contains("power"), "{said}");
    let pause = Span::millis(3_000);
    let cases = [
        (Cause::PowerLost { node: node("node1") }, "power off"),
        (Cause::Frozen { node: node("node1"), pause }, "node1 froze for 3000 ms"),
        (Cause::WasCutOff { node: node("node1") }, "cut off on every network"),
        (Cause::OneWay { node: node("node1"), way: Way::FromIt }, "(one-way loss)"),
    ];
    for (cause, said) in cases {
        chronicle.events.truncate(2);
        chronicle.events.push(returned(cause));
        let story = story(&chronicle);
        assert!(text(&story.cause).contains(said), "{}", text(&story.cause));
        assert_eq!(story.effects.len(), 2, "its return is among the effects");
    }
}

#[test]
fn cl_42_a_return_from_an_absence_that_began_after_the_decision_is_no_part_of_its_story() {
    let decided = taken_over(silent()).plans[1].version;
    let told = |last_seen: Option<Index>| {
        let mut chronicle = taken_over(silent());
        let (node, cause) = (node("node1"), Cause::PowerLost { node: node("node1") });
        let back = Happening::Returned { node, cause, last_seen };
        chronicle.events.push(of_node(60_000, "node3", back));
        let story = story(&chronicle);
        (text(&story.cause).contains("power off"), story.effects.len())
    };
    assert_eq!(told(Some(Index(decided.0 - 1))), (true, 2), "missed when it was decided");
    assert_eq!(told(Some(decided)), (false, 1), "there when it was decided already: missed anew");
    assert_eq!(told(None), (true, 2), "told by a version that does not say");
    // Nobody told of the first return: a later one is not taken for it, the one of it is.
    let mut chronicle = taken_over(silent());
    for (at, last_seen, cause) in [
        (40_000, Index(decided.0 + 9), Cause::PowerLost { node: node("node1") }),
        (60_000, Index(decided.0 - 1), Cause::WasCutOff { node: node("node1") }),
    ] {
        let (node, last_seen) = (node("node1"), Some(last_seen));
        chronicle.events.push(of_node(at, "node3", Happening::Returned { node, cause, last_seen }));
    }
    let cause = text(&story(&chronicle).cause);
    assert!(cause.contains("cut off") && !cause.contains("power"), "{cause}");
}

#[test]
fn one_way_loss_links_hangs_and_failed_starts_are_named() {
    let resource = || "server".parse().unwrap();
    let on = || node("node1");
    let how = |how: &str| how.to_owned();
    let asked = |mishap, words: &str| {
        let how = How::of(mishap, words);
        Cause::MonitorFailed { node: on(), resource: resource(), monitor: None, how }
    };
    let cases = [
        (
            asked(Mishap::TakenAsFailed { code: 5 }, "exit 5"),
            "cannot run there, a failure (exit 5)",
        ),
        (asked(Mishap::Nonsense { code: 77 }, "exit 77"), "OCF does not have (exit 77)"),
        (Cause::OneWay { node: on(), way: Way::ToIt }, "one-way loss"),
        (Cause::LinksDown { node: on(), links: vec![how("eth0")] }, "link eth0 of node1 went down"),
        (Cause::LinksDown { node: on(), links: vec![how("eth0"), how("eth1")] }, "eth0, eth1"),
        (
            Cause::MonitorFailed {
                node: on(),
                resource: resource(),
                monitor: None,
                how: How::of(Mishap::TooLate, "no end within its limit"),
            },
            "hung",
        ),
        (
            Cause::MonitorFailed {
                node: on(),
                resource: resource(),
                monitor: None,
                how: "exit 1".into(),
            },
            "reported a failure (exit 1)",
        ),
        (
            Cause::ProcessDied {
                node: on(),
                resource: resource(),
                how: How::of(Mishap::Signal, "signal 9"),
            },
            "was killed (signal 9)",
        ),
        (
            Cause::ProcessDied { node: on(), resource: resource(), how: "exit 3".into() },
            "ended by itself (exit 3)",
        ),
        (Cause::Shutdown { node: on() }, "shut down"),
    ];
    for (cause, said) in cases {
        let told = text(&story(&taken_over(cause)).cause);
        assert!(told.contains(said), "{told}");
    }
}

#[test]
fn a_killed_process_restarted_in_place_is_a_story_of_its_own() {
    let cause = Cause::ProcessDied {
        node: node("node2"),
        resource: "server".parse().unwrap(),
        how: How::of(Mishap::Signal, "signal 9"),
    };
    let mut chronicle = taken_over(silent());
    let failed = Happening::Failed { cause, answer: Answer::Restarted };
    chronicle.events.push(event(20_000, "node2", 2, failed));
    chronicle.events.push(started(20_012, "node2", 2));
    let story = story(&chronicle);
    assert_eq!((story.from, story.to), (Some("node2".to_owned()), Some("node2".to_owned())));
    assert!(text(&story.cause).contains("server on node2 was killed"));
    assert_eq!(story.without_service_ms, Some(12));
    let before = explain(&chronicle, None, 1).story.expect("the takeover before it");
    assert_eq!(before.generation, 2);
}

#[test]
fn an_operators_move_names_the_person_and_the_reason() {
    let cause = Cause::Operator { by: "taro".to_owned(), reason: "disk".to_owned() };
    let chosen = Chosen::HandOver { from: node("node1"), to: node("node2") };
    let decision = Decision { chosen, cause: Some(cause), rejected: BTreeMap::new() };
    let stopped = Happening::Stopped { steps: Vec::new(), ending: Ending::Orderly };
    let chronicle = Chronicle {
        plans: vec![plan(0, 1, give("node1", 1, Cause::ClusterStart)), plan(10_000, 2, decision)],
        events: vec![
            started(20, "node1", 1),
            event(10_015, "node1", 1, stopped),
            started(10_040, "node2", 2),
        ],
    };
    let story = story(&chronicle);
    assert_eq!(text(&story.cause), "taro asked for the move (disk)");
    assert!(text(&story.decision.what).contains("chosen by taro"));
    assert_eq!(story.without_service_ms, Some(40));
    assert!(text(&story.steps[0].what).contains("stopped on node1"));
    assert_eq!(story.epoch, epoch(2).to_string());
}

#[test]
fn a_clock_step_is_named_and_moved_nothing() {
    let mut chronicle = taken_over(silent());
    let what = Happening::ClockStepped { node: node("node1"), by_ms: -30_000 };
    chronicle.events.push(of_node(30_000, "node1", what));
    let story = story(&chronicle);
    assert!(text(&story.cause).contains("clock of node1 stepped by -30000 ms"));
    assert_eq!(story.without_service_ms, Some(0));
    assert!(text(&story.decision.what).contains("leases do not depend"));
}

#[test]
fn a_clock_that_stepped_back_does_not_change_what_came_first() {
    let mut chronicle = taken_over(silent());
    chronicle.events.push(returned(Cause::PowerLost { node: node("node1") }));
    // node2 wrote all of this; an hour back on its clock, a minute later in the ledger.
    let cause = Cause::Operator { by: "taro".to_owned(), reason: "disk".to_owned() };
    let chosen = Chosen::HandOver { from: node("node2"), to: node("node1") };
    let decision = Decision { chosen, cause: Some(cause), rejected: BTreeMap::new() };
    let mut moved = plan(0, 3, decision);
    let mut stop =
        event(5, "node2", 2, Happening::Stopped { steps: Vec::new(), ending: Ending::Orderly });
    let mut start = started(9, "node1", 3);
    (moved.version, stop.version, start.version) = (Index(70_000), Index(70_001), Index(70_002));
    chronicle.plans.push(moved);
    chronicle.events.extend([stop, start]);
    let last = story(&chronicle);
    assert_eq!((last.generation, last.epoch), (3, epoch(3).to_string()));
    assert!(text(&last.steps[0].what).contains("stopped on node2"));
    let before = explain(&chronicle, None, 1).story.expect("the takeover before it");
    assert!(text(&before.cause).contains("power off"), "{}", text(&before.cause));
    assert_eq!(before.epoch, epoch(2).to_string());
}

#[test]
fn what_a_node_that_was_cut_off_tells_later_does_not_become_the_newest_story() {
    let mut chronicle = taken_over(silent());
    let address = "10.0.0.9".parse().unwrap();
    let moved =
        Happening::AddressMoved { address, from: "eth0".to_owned(), link: "eth1".to_owned() };
    let mut late = event(9_990, "node1", 1, moved);
    late.version = Index(12_000);
    chronicle.events.push(late);
    assert_eq!(story(&chronicle).epoch, epoch(2).to_string(), "the takeover is the newest");
    let before = explain(&chronicle, None, 1).story.expect("the address had moved before");
    assert_eq!(text(&before.cause), "link eth0 of node1 went down");
}

#[test]
fn what_happens_later_is_no_part_of_a_story_that_has_ended() {
    let address = "10.0.0.9".parse().unwrap();
    let moved =
        Happening::AddressMoved { address, from: "eth0".to_owned(), link: "eth1".to_owned() };
    let one_way = Cause::OneWay { node: node("node1"), way: Way::ToIt };
    for cause in [silent(), one_way] {
        let mut chronicle = taken_over(cause);
        chronicle.events.push(event(12_000, "node2", 2, moved.clone()));
        let before = [0, 1].map(|back| explain(&chronicle, None, back).story);
        assert!(before.iter().all(Option::is_some));
        let lost = Happening::Lost { node: node("node1"), cause: silent() };
        chronicle.events.push(of_node(50_000, "node2", lost));
        chronicle.events.push(returned(Cause::PowerLost { node: node("node1") }));
        let stopped = Happening::Stopped { steps: Vec::new(), ending: Ending::Orderly };
        chronicle.events.push(event(70_000, "node2", 2, stopped));
        assert_eq!([0, 1].map(|back| explain(&chronicle, None, back).story), before);
    }
}

#[test]
fn a_group_that_waited_for_a_fence_is_told_it_as_what_kept_the_former_owner_off() {
    let fenced = |at, took| {
        let (node, took) = (node("node1"), Span::millis(took));
        of_node(at, "node2", Happening::Fenced { node, took, how: HowOff::Switched })
    };
    let words = |chronicle: &Chronicle| -> (Vec<String>, Vec<String>) {
        let story = story(chronicle);
        let all = |moments: &[report::Moment]| moments.iter().map(|m| text(&m.what)).collect();
        (all(&story.steps), all(&story.sightings))
    };
    let is_fence = |word: &&String| word.contains("was switched off from");
    // Before the decision, as where a group waits for it; and beside it.
    for at in [9_980, 10_010] {
        let mut chronicle = taken_over(silent());
        chronicle.events.insert(1, fenced(at, 45));
        let (steps, sightings) = words(&chronicle);
        assert_eq!(steps.iter().filter(is_fence).count(), 1, "{at}: {steps:?}");
        assert!(!steps.iter().any(|step| step.contains("waited for the lease")), "{steps:?}");
        assert_eq!(sightings.iter().filter(is_fence).count(), 0, "once is enough");
    }
    // It came back since: that was another loss.
    let mut chronicle = taken_over(silent());
    chronicle.events.insert(1, fenced(5_000, 45));
    let back = Happening::Returned {
        node: node("node1"),
        cause: Cause::PowerLost { node: node("node1") },
        last_seen: None,
    };
    chronicle.events.insert(2, of_node(6_000, "node2", back));
    let (steps, _) = words(&chronicle);
    assert_eq!(steps.iter().filter(is_fence).count(), 0, "{steps:?}");
    assert!(steps.iter().any(|step| step.contains("waited for the lease")), "{steps:?}");
}

#[test]
fn what_a_node_had_been_that_was_switched_off_is_not_told_as_a_loss_of_power() {
    let switched = |at| {
        let (node, took) = (node("node1"), Span::millis(45));
        of_node(at, "node2", Happening::Fenced { node, took, how: HowOff::Switched })
    };
    for at in [9_980, 10_010] {
        let mut chronicle = taken_over(silent());
        chronicle.events.insert(1, switched(at));
        for back in [None, Some(Cause::PowerLost { node: node("node1") })] {
            chronicle.events.extend(back.map(returned));
            let said = text(&story(&chronicle).cause);
            assert!(said.contains("was then switched off") && !said.contains("power"), "{said}");
        }
    }
    // A person had it switched off after it was back: that was another time.
    let mut chronicle = taken_over(silent());
    chronicle.events.push(returned(Cause::PowerLost { node: node("node1") }));
    chronicle.events.push(switched(70_000));
    assert!(text(&story(&chronicle).cause).contains("power off"));
}

#[test]
fn a_takeover_from_a_node_whose_device_says_off_is_told_so_and_waited_for_no_lease() {
    let mut chronicle = taken_over(silent());
    let (of, took) = (node("node1"), Span::millis(281));
    let found = Happening::Fenced { node: of, took, how: HowOff::Found };
    chronicle.events.insert(1, of_node(9_990, "node2", found));
    let told = story(&chronicle);
    let steps: Vec<String> = told.steps.iter().map(|step| text(&step.what)).collect();
    let says = "the device says that node1 is off (asked by node2, 281 ms after it was last heard)";
    assert_eq!(steps.iter().filter(|step| *step == says).count(), 1, "{steps:?}");
    assert!(!steps.iter().any(|step| step.contains("switched off")), "{steps:?}");
    assert!(!steps.iter().any(|step| step.contains("waited for the lease")), "{steps:?}");
    assert!(text(&told.cause).contains("node1 was silent"), "{}", text(&told.cause));
    chronicle.events.push(returned(Cause::PowerLost { node: node("node1") }));
    assert!(text(&story(&chronicle).cause).contains("power off"));
}

#[test]
fn a_link_that_is_lost_without_a_takeover_is_named_when_the_address_moves() {
    let mut chronicle = taken_over(silent());
    let down = Happening::Link { node: node("node2"), link: "eth0".into(), state: LinkState::Down };
    let address = "10.0.0.9".parse().unwrap();
    let moved =
        Happening::AddressMoved { address, from: "eth0".to_owned(), link: "eth1".to_owned() };
    chronicle.events.push(of_node(30_000, "node2", down));
    chronicle.events.push(event(30_002, "node2", 2, moved));
    let story = story(&chronicle);
    assert_eq!(text(&story.cause), "link eth0 of node2 went down");
    assert!(text(&story.decision.what).contains("eth1"));
}

#[test]
fn an_address_that_moved_in_the_entry_that_also_gave_the_group_away_is_the_earlier_story() {
    let links = vec!["eth0".to_owned(), "eth1".to_owned()];
    let mut both = taken_over(Cause::LinksDown { node: node("node1"), links });
    let address = "10.0.0.9".parse().unwrap();
    let what =
        Happening::AddressMoved { address, from: "eth0".to_owned(), link: "eth1".to_owned() };
    // The owner leads the ledger: what it saw and what it decided go into one entry.
    both.events.push(event(10_000, "node1", 1, what));
    both.events.sort_by_key(|event| event.version);
    assert!(text(&story(&both).cause).contains("all data links of node1"), "{:?}", story(&both));
    let earlier = explain(&both, None, 1).story.expect("it is told as well");
    assert!(text(&earlier.cause).contains("link eth0 of node1"), "{earlier:?}");
}

#[test]
fn only_the_stories_of_the_group_asked_for_are_told() {
    let chronicle = taken_over(silent());
    assert!(explain(&chronicle, Some(&group("PAY")), 0).story.is_some());
    assert!(explain(&chronicle, Some(&group("BATCH")), 0).story.is_none());
    assert!(explain(&chronicle, None, 1).story.is_none());
}
