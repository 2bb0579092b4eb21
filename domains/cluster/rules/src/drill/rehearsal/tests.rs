//! The whole table of what goes first, of what ends a rehearsal that says nothing, and of the
//! groups that cannot be rehearsed.

use std::collections::BTreeMap;

use tsugi_vocabulary::{Index, ResourceName};

use super::*;
use crate::plan::{Settled, Sight};
use crate::reason::Cause;
use crate::record::{Guard, Pause};
use crate::spec::{
    Failback, FailurePolicy, FencePolicy, Mode, Rehearsing, ResourceSpec, Startup, Takeover,
    VolumeCheck, VolumeCopy,
};
use crate::start_kind::StartKind;

const LIMIT: Span = Span::secs(120);
const BEGAN: Wall = Wall(1_000_000);
const BOOT: BootId = BootId(7);

fn node(name: &str) -> NodeName {
    NodeName::new(name).unwrap()
}

fn group(name: &str) -> GroupName {
    GroupName::new(name).unwrap()
}

const fn epoch(counter: u64) -> Epoch {
    Epoch { incarnation: 1, counter }
}

fn order() -> Order {
    let word = |text: &str| text.to_owned();
    Order { by: word("mika"), reason: word("monthly"), at: BEGAN, command: word("c1") }
}

/// The group runs on a under epoch 4, and b shows it.
fn rehearsal() -> Rehearsal {
    Rehearsal {
        order: order(),
        depth: Depth::Read,
        owner: node("a"),
        epoch: epoch(4),
        on: node("b"),
        on_boot: BOOT,
        limit: LIMIT,
        state: Beside::UnderWay,
        parts: Vec::new(),
        fault: None,
    }
}

fn owned(by: &str, counter: u64, phase: Phase, to: Option<&str>) -> GroupRecord {
    let ownership = Ownership::Owned {
        node: node(by),
        boot: None,
        start: StartKind::Normal,
        cause: Cause::ClusterStart,
        phase,
        handover: to.map(node),
    };
    GroupRecord { epoch: epoch(counter), ownership, ..GroupRecord::new(GroupIntent::Run) }
}

/// A record of the group, which is being rehearsed, and of another.
fn record(mut entry: GroupRecord, other: GroupRecord) -> Record {
    entry.drills.rehearsal = Some(Box::new(rehearsal()));
    let mut record = Record::default();
    let write = |name: &str, entry| Write::Group(group(name), Arc::new(entry));
    let draft = Draft::default().write(write("PAY", entry)).write(write("LOG", other));
    record.apply(&draft, Index(1));
    record
}

fn idle() -> GroupRecord {
    GroupRecord::new(GroupIntent::Run)
}

#[test]
fn whatever_becomes_of_the_group_goes_first_and_so_does_what_comes_to_the_node() {
    let up = Phase::Running;
    let of = |entry| rehearsal().is_disturbed(&record(entry, idle()), &group("PAY"));
    assert!(!of(owned("a", 4, up, None)), "it runs as it did");
    assert!(of(owned("a", 4, up, Some("c"))), "it is handed over");
    assert!(of(owned("a", 4, Phase::Starting, None)), "it is started anew");
    assert!(of(owned("a", 4, Phase::Failing, None)), "it has failed");
    assert!(of(owned("a", 5, up, None)), "a later run of it");
    assert!(of(owned("b", 5, up, None)), "it was taken over");
    assert!(of(idle()), "nobody has it");
    let (order, guard) = (order(), Guard::Disarmed);
    let pause = Some(Pause { order: order.clone(), until: None, pinned: None, guard });
    assert!(of(GroupRecord { pause, ..owned("a", 4, up, None) }), "it is paused");
    let intent = GroupIntent::Stop(order);
    assert!(of(GroupRecord { intent, ..owned("a", 4, up, None) }), "it is to stop");

    let beside =
        |other| rehearsal().is_disturbed(&record(owned("a", 4, up, None), other), &group("PAY"));
    assert!(!beside(owned("b", 2, up, None)), "it was there before");
    assert!(!beside(owned("a", 2, Phase::Starting, None)), "it comes to another node");
    assert!(!beside(owned("a", 2, up, Some("c"))));
    assert!(beside(owned("b", 2, Phase::Starting, None)));
    assert!(beside(owned("b", 2, Phase::Failing, None)));
    assert!(beside(owned("a", 2, up, Some("b"))));
    assert!(beside(owned("b", 2, up, Some("c"))), "it leaves, and its volume with it");
    let intent = GroupIntent::Stop(super::tests::order());
    assert!(beside(GroupRecord { intent, ..owned("b", 2, up, None) }), "it is to stop there");
}

fn sight(life: Life, boot: BootId) -> Sight {
    let (links, groups) = (BTreeMap::new(), BTreeMap::new());
    let (figures, ratio, entries) = (Default::default(), None, Default::default());
    let beats = Default::default();
    Sight { life, boot, config: 0, links, groups, figures, ratio, settings: 0, entries, beats }
}

#[test]
fn one_that_says_nothing_any_more_is_ended_by_who_leads() {
    let record = record(owned("a", 4, Phase::Running, None), idle());
    let lost = |by: &str, seen: Option<Sight>, after: Span| {
        let sights = seen.into_iter().map(|sight| (node("b"), sight)).collect();
        let at = Wall(BEGAN.0 + after.as_millis());
        let settled = Settled::Yes;
        let situation = Situation { record: &record, sights, by: node(by), at, settled };
        let ends = due(&situation).is_some();
        assert_eq!(ends, rehearsal().is_lost(&situation));
        ends
    };
    let soon = Span::secs(1);
    let silent = Life::Silent { silence: soon };
    assert!(!lost("a", Some(sight(Life::Heard, BOOT)), soon));
    assert!(!lost("a", Some(sight(Life::Deaf, BOOT)), soon));
    assert!(lost("a", Some(sight(silent, BOOT)), soon));
    assert!(lost("a", Some(sight(Life::Heard, BootId(8))), soon), "another life of it");
    assert!(lost("a", None, soon), "it was never heard");
    assert!(!lost("b", None, soon), "it leads itself");
    let just_before = LIMIT + AFTER - Span::millis(1);
    assert!(!lost("b", None, just_before));
    assert!(lost("b", None, LIMIT + AFTER));
    assert_eq!(next_bound(&record), Some(Wall(BEGAN.0 + (LIMIT + AFTER).as_millis())));
}

#[test]
fn what_it_came_to_is_written_once_and_only_a_proof_counts() {
    let record = record(owned("a", 4, Phase::Running, None), idle());
    let fault = Fault {
        part: Part::Read,
        resource: "disk".into(),
        kind: FaultKind::Slow,
        detail: "".into(),
    };
    let part = |millis| Done { part: Part::Read, resource: "disk".into(), millis };
    let parts = vec![part(30), part(12)];
    let (b, at) = (node("b"), Wall(2_000_000));
    for (showed, came) in [
        (Some(Showed { parts: parts.clone(), fault: None }), Came::Proven),
        (Some(Showed { parts: parts.clone(), fault: Some(fault) }), Came::Failed),
        (None, Came::Interrupted),
    ] {
        let draft = over(&record, (&group("PAY"), "c1"), showed.as_ref(), (&b, at)).unwrap();
        let mut after = record.clone();
        after.apply(&draft, Index(2));
        let drills = &after.group(&group("PAY")).unwrap().drills;
        let ended = drills.rehearsal.as_deref().unwrap();
        assert_eq!(ended.state, Beside::Ended { at, came });
        assert_eq!(ended.fault.is_some(), came == Came::Failed);
        let took = drills.rehearsed_on(&b).map(|shown| shown.took);
        assert_eq!(took, (came == Came::Proven).then_some(Span::millis(42)));
        assert_eq!(over(&after, (&group("PAY"), "c1"), showed.as_ref(), (&b, at)), None);
    }
    assert_eq!(over(&record, (&group("PAY"), "c2"), None, (&b, at)), None, "of another command");
}

#[test]
fn the_deepest_and_then_the_newest_proof_is_what_is_told() {
    let mut all = Vec::new();
    for (depth, at) in [(Depth::Isolate, 5), (Depth::Read, 9), (Depth::Isolate, 7)] {
        prove(&mut all, &Rehearsal { depth, ..rehearsal() }, Wall(at));
    }
    assert_eq!(all.len(), 2, "each depth once");
    let drills = super::super::Drills { rehearsed: all, ..Default::default() };
    let told = drills.rehearsed_on(&node("b")).map(|shown| (shown.depth, shown.at));
    assert_eq!(told, Some((Depth::Isolate, Wall(7))));
    assert_eq!(drills.rehearsed_on(&node("a")), None);
}

fn spec(kind: ResourceKind) -> GroupSpec {
    let resource = ResourceSpec {
        name: ResourceName::new("disk").unwrap(),
        kind,
        after: [].into(),
        start_limit: Span::secs(3),
        stop_limit: Span::secs(2),
    };
    GroupSpec {
        mode: Mode::Single,
        prefer: vec![node("a"), node("b")],
        startup: Startup::Auto,
        failback: Failback::Manual,
        failure: FailurePolicy::default(),
        apart: [].into(),
        together: [].into(),
        after: [].into(),
        stop_budget: None,
        drill_every: None,
        rehearsing: Rehearsing::default(),
        entitled: None,
        prefer_by: Default::default(),
        services: [].into(),
        takeover: Takeover::default(),
        fence: FencePolicy::Lease,
        resources: vec![resource],
    }
}

#[test]
fn a_block_volume_needs_a_way_to_a_copy_and_an_agent_of_its_own_is_never_alone() {
    let volume = |source| {
        let (mount, check) = ("/data".to_owned(), VolumeCheck::default());
        spec(ResourceKind::Volume {
            source,
            mount,
            check,
            retries: Default::default(),
            drbd: None,
            reservation: None,
        })
    };
    let both = |spec: &GroupSpec| [Depth::Read, Depth::Isolate].map(|depth| lacks(spec, depth));
    assert_eq!(both(&volume(VolumeSource::Directory)), [None, None]);
    let mut block = volume(VolumeSource::Block("/dev/pay".to_owned()));
    let lack = || Some(Lack::Copy("disk".to_owned()));
    assert_eq!(both(&block), [lack(), lack()]);
    let copy = VolumeCopy { copy: vec!["/opt/snap".to_owned()], drop: None };
    block.rehearsing.copies.insert(ResourceName::new("disk").unwrap(), copy);
    assert_eq!(both(&block), [None, None]);
    let agent = spec(ResourceKind::Ocf {
        agent: "ocf:heartbeat:Dummy".parse().unwrap(),
        parameters: [].into(),
        undo: crate::ocf::Undo::Kill,
        level: 0,
        monitor: crate::spec::Rhythm {
            every: Span::secs(10),
            limit: Span::secs(20),
            failures: 1,
            delay: None,
        },
    });
    assert_eq!(both(&agent), [None, Some(Lack::Alone("disk".to_owned()))]);
}
