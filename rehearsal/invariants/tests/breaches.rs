//! Each promise is broken once by hand, with nothing else wrong: its checker notices it, and says
//! which promise it was.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use tsugi_cluster_rules::plan::{Chosen, Decision, Plan};
use tsugi_cluster_rules::reason::Cause;
use tsugi_cluster_rules::record::{
    AuditRecord, Demand, Draft, GroupIntent, GroupRecord, NodeRecord, Order, Ownership, Phase,
    Record, Stretch, Versioned, Write,
};
use tsugi_cluster_rules::spec::{Failback, FencePolicy, Takeover};
use tsugi_cluster_rules::start_kind::StartKind;
use tsugi_cluster_rules::timing::{LONGEST_TTL, Profile, TTL_CAP};
use tsugi_invariants::{Invariant, Watch};
use tsugi_vocabulary::{
    BootId, Epoch, Generation, GroupName, Index, NodeName, ResourceName, Span, Wall,
};
use tsugi_world::{
    Accepted, Asked, Devices, Entitled, LedgerOn, Neighbours, Promised, Scene, SceneGroup, Seen,
    Witness,
};

const GRACE: u64 = 50_000_000;
/// An agent that began at the beginning.
const ASKED: Asked = Asked { node: 0, began: 0, at: 4 };

fn group() -> GroupName {
    GroupName::new("G1").unwrap()
}

fn resource(name: &str) -> ResourceName {
    ResourceName::new(name).unwrap()
}

fn node(name: &str) -> NodeName {
    NodeName::new(name).unwrap()
}

const fn epoch(counter: u64) -> Epoch {
    Epoch { incarnation: 1, counter }
}

/// The promise that was broken by what was seen, if one was.
fn broken(seen: &[Seen<'_>]) -> Option<&'static str> {
    let mut watch = Watch::new(GRACE);
    seen.iter().for_each(|s| watch.see(s));
    watch.broken.map(|violation| violation.invariant)
}

fn owned(counter: u64, by: &str) -> GroupRecord {
    let ownership = Ownership::Owned {
        node: node(by),
        boot: None,
        start: StartKind::Restart,
        cause: Cause::ClusterStart,
        phase: Phase::Running,
        handover: None,
    };
    GroupRecord { epoch: epoch(counter), ownership, ..GroupRecord::new(GroupIntent::Run) }
}

fn record(entry: GroupRecord) -> Record {
    let mut record = Record { applied: Index(1), membership: Generation(1), ..Record::default() };
    record.voters = [("n1", 1), ("n2", 2), ("n3", 3)].map(|(n, v)| (node(n), v)).into();
    record.groups.insert(group(), Versioned { version: Index(1), value: Arc::new(entry) });
    record
}

/// What the watch makes of one entry on this record.
fn committed(before: &Record, draft: &Draft) -> Option<&'static str> {
    let mut after = before.clone();
    after.apply(draft, Index(before.applied.0 + 1));
    broken(&[Seen::Committed { at: 5, asked: ASKED, before, after: &after, draft }])
}

fn command(id: &str, words: &str, decided_on: u64) -> Write {
    Write::Audit(AuditRecord {
        at: Wall(0),
        command: id.to_owned(),
        person: "yamada".to_owned(),
        origin: "host1".to_owned(),
        words: words.to_owned(),
        reason: String::new(),
        decided_on: Generation(decided_on),
        outcome: "accepted".to_owned(),
    })
}

#[test]
fn i1_two_nodes_with_the_same_group_or_an_epoch_that_falls() {
    let (g, r) = (group(), resource("volume"));
    let up =
        |at, node, counter| Seen::Up { at, node, group: &g, epoch: epoch(counter), resource: &r };
    assert_eq!(broken(&[up(1, 0, 1), up(2, 1, 2)]), Some("I1"));
    let down = Seen::Down { at: 2, node: 0, group: &g };
    assert_eq!(broken(&[up(1, 0, 2), down.clone(), up(3, 1, 1)]), Some("I1"));
    assert_eq!(broken(&[up(1, 0, 1), down, up(3, 1, 2)]), None);
}

/// The record of two groups that must be apart; `G2` is owned by this life of this node.
fn apart(owner: &str, boot: BootId) -> Record {
    let at_home = |home| SceneGroup {
        home,
        failback: Failback::Never,
        restarts: 1,
        fence: FencePolicy::Lease,
    };
    let mut record = Scene {
        profile: Profile::Default,
        members: 3,
        groups: vec![at_home(0), at_home(1)],
        neighbours: Neighbours::Apart,
        devices: Devices::None,
        ledger: LedgerOn::Nodes,
    }
    .record();
    let entry = Versioned { version: Index(1), value: Arc::new(lived(owned(3, owner), boot)) };
    record.groups.insert(GroupName::new("G2").unwrap(), entry);
    record
}

fn lived(mut entry: GroupRecord, life: BootId) -> GroupRecord {
    let Ownership::Owned { boot, .. } = &mut entry.ownership else { unreachable!() };
    *boot = Some(life);
    entry
}

#[test]
fn an_owner_that_is_called_lost_by_an_agent_that_never_listened_for_it() {
    let cause = || Some(Cause::NodeSilent { node: node("n2"), silence: Span::ZERO });
    let lost = |by: &str, generation: u64| {
        let decision = Decision { chosen: Chosen::NoPlace, cause: cause(), rejected: [].into() };
        Arc::new(Plan {
            generation: Generation(generation),
            parent: Generation(generation - 1),
            by: node(by),
            at: Wall(0),
            decisions: [(group(), decision)].into(),
            steps: Vec::new(),
        })
    };
    let says = |before: &Record, asked: Asked, plan: &Arc<Plan>| {
        let draft = Draft::default().write(Write::Plan(Arc::clone(plan)));
        let mut after = before.clone();
        after.apply(&draft, Index(before.applied.0 + 1));
        let began = Seen::Began { at: 4_999_000_000, node: asked.node };
        let at = 5_000_000_000;
        broken(&[began, Seen::Committed { at, asked, before, after: &after, draft: &draft }])
    };
    let mut before = record(owned(1, "n2"));
    let just_begun = Asked { node: 0, began: 4_900_000_000, at: 4_990_000_000 };
    assert_eq!(says(&before, just_begun, &lost("n1", 1)), Some("patience"));
    let listened = Asked { began: 3_000_000_000, ..just_begun };
    assert_eq!(says(&before, listened, &lost("n1", 1)), None, "its next life began meanwhile");
    // Whatever life of it owned the group: nobody listens for one whose end a person demanded.
    let mut demanded = before.clone();
    let order = Order {
        by: "ops".to_owned(),
        reason: "it hangs".to_owned(),
        at: Wall(0),
        command: "1".to_owned(),
    };
    let known =
        NodeRecord { demanded: Some(Demand { boot: BootId(99), order }), ..NodeRecord::new(2) };
    let entry = Versioned { version: Index(1), value: Arc::new(known) };
    demanded.nodes.insert(node("n2"), entry);
    assert_eq!(says(&demanded, just_begun, &lost("n1", 1)), None, "it is to end");
    before.plan = Some(lost("n1", 1));
    assert_eq!(says(&before, just_begun, &lost("n1", 2)), None, "it was said before");
}

#[test]
fn groups_that_must_be_apart_and_meet() {
    let (g2, r) = (GroupName::new("G2").unwrap(), resource("volume"));
    let given = |before: &Record, life, seen: &[Seen<'_>]| {
        let entry = Arc::new(lived(owned(1, "n1"), BootId(life)));
        let draft = Draft::default().write(Write::Group(group(), entry));
        let mut after = before.clone();
        after.apply(&draft, Index(before.applied.0 + 1));
        let last = Seen::Committed { at: 5, asked: ASKED, before, after: &after, draft: &draft };
        broken(&seen.iter().cloned().chain([last]).collect::<Vec<_>>())
    };
    let (here, there) = (apart("n1", BootId(7)), apart("n2", BootId(7)));
    assert_eq!(given(&here, 7, &[]), Some("apart"));
    assert_eq!(given(&there, 7, &[]), None);
    assert_eq!(given(&here, 8, &[]), None, "a former life had it, and nothing of it is there");
    let up = Seen::Up { at: 1, node: 0, group: &g2, epoch: epoch(3), resource: &r };
    assert_eq!(given(&here, 8, &[up]), Some("apart"), "something of it is there");
    // Given anew to the node that has it already.
    let mut again = here;
    let entry = Versioned { version: Index(1), value: Arc::new(lived(owned(0, "n1"), BootId(7))) };
    again.groups.insert(group(), entry);
    assert_eq!(given(&again, 7, &[]), Some("apart"));
}

/// G1 on n1, its takeovers only observed or not.
fn watched(takeover: Takeover) -> Record {
    let mut record = apart("n3", BootId(7));
    let config = Arc::make_mut(record.config.as_mut().unwrap());
    let spec = config.spec.groups.get_mut(&group()).unwrap();
    (spec.takeover, spec.fence) = (takeover, FencePolicy::SelfFence);
    let entry = Versioned { version: Index(1), value: Arc::new(owned(1, "n1")) };
    record.groups.insert(group(), entry);
    record
}

#[test]
fn what_is_only_observed_and_goes_somewhere_that_nobody_has_ordered() {
    let moved = Draft::default().write(Write::Group(group(), Arc::new(owned(2, "n2"))));
    assert_eq!(committed(&watched(Takeover::Observe), &moved), Some("observe"));
    assert_eq!(committed(&watched(Takeover::Automatic), &moved), None);
    let mut sent = owned(1, "n1");
    if let Ownership::Owned { handover, .. } = &mut sent.ownership {
        *handover = Some(node("n2"));
    }
    let sent = Draft::default().write(Write::Group(group(), Arc::new(sent)));
    assert_eq!(committed(&watched(Takeover::Observe), &sent), Some("observe"));
    let ordered = moved.write(command("c1", "group move G1", 0));
    assert_ne!(committed(&watched(Takeover::Observe), &ordered), Some("observe"));
}

#[test]
fn i1_a_lease_that_outlives_its_promises_and_a_start_without_a_guardian() {
    let g = group();
    let armed =
        |gone_by, kept_until| Seen::Armed { at: 1, node: 0, group: &g, gone_by, kept_until };
    assert_eq!(broken(&[armed(10, 9)]), Some("I1"));
    assert_eq!(broken(&[armed(10, 10)]), None);
    let unarmed = Seen::Unarmed { at: 1, node: 0, group: &g, epoch: epoch(1) };
    assert_eq!(broken(&[unarmed]), Some("I1"));
}

#[test]
fn i1_a_voter_that_promises_twice_or_what_its_ledger_denies() {
    let g = group();
    let promised = |at, to, ledger| {
        let promise = Promised { epoch: epoch(1), until: 900_000_000, ledger };
        Seen::Promised { at, voter: 2, to, group: &g, promise }
    };
    assert_eq!(broken(&[promised(1, 0, Entitled::Yes), promised(2, 1, Entitled::Yes)]), Some("I1"));
    assert_eq!(broken(&[promised(1, 0, Entitled::No)]), Some("I1"));
    let released = Seen::HeardRelease { voter: 2, from: 0, group: &g, epoch: epoch(1) };
    let ended = [promised(1, 0, Entitled::Yes), released, promised(2, 1, Entitled::Yes)];
    assert_eq!(broken(&ended), None);
    let off = |at, node| Seen::SwitchedOff { at, node };
    let given = |at, to| promised(at, to, Entitled::Yes);
    assert_eq!(broken(&[given(1, 0), off(2, 0), given(3, 1)]), None, "its holder is off");
    assert_eq!(broken(&[given(1, 0), off(2, 1), given(3, 1)]), Some("I1"), "another is");
    let back = Seen::Began { at: 3, node: 0 };
    assert_eq!(broken(&[off(2, 0), back, given(4, 0), given(5, 1)]), Some("I1"), "it is back");
}

#[test]
fn i2_an_address_that_two_nodes_answer_for() {
    let (g, r) = (group(), resource("address"));
    let up =
        |at, node, counter| [Seen::Up { at, node, group: &g, epoch: epoch(counter), resource: &r }];
    let mut address = tsugi_invariants::one_address(GRACE);
    let mut look = |seen: &[Seen<'_>]| seen.iter().find_map(|s| address.look(s).err());
    assert_eq!(look(&up(1, 0, 1)), None);
    assert_eq!(look(&[Seen::Froze { at: 2, node: 0 }]), None);
    assert_eq!(look(&up(3, 1, 2)), None, "a node that stands still answers nobody");
    assert_eq!(look(&[Seen::Woke { at: 4, node: 0 }]), None);
    assert_eq!(look(&up(4 + GRACE, 1, 2)), None, "it has a little time");
    let found = look(&up(5 + GRACE, 1, 2)).unwrap();
    assert_eq!(found.invariant, "I2");
}

#[test]
fn i6_an_owner_that_changes_without_a_new_epoch() {
    let before = record(owned(4, "n1"));
    let to = |counter, by: &str| {
        Draft::default().write(Write::Group(group(), Arc::new(owned(counter, by))))
    };
    assert_eq!(committed(&before, &to(4, "n2")), Some("I6"));
    assert_eq!(committed(&before, &to(3, "n2")), Some("I6"));
    assert_eq!(committed(&before, &to(5, "n2")), None);
}

#[test]
fn i15_an_effect_of_an_old_epoch_that_is_accepted() {
    let g = group();
    let effect = |node, counter, accepted| Seen::Effect {
        at: 1,
        node,
        group: &g,
        epoch: epoch(counter),
        accepted,
    };
    let (newer, older) = (effect(1, 2, Accepted::Yes), effect(0, 1, Accepted::Yes));
    assert_eq!(broken(&[newer.clone(), older]), Some("I15"));
    assert_eq!(broken(&[newer, effect(0, 1, Accepted::StaleEpoch)]), None);
}

#[test]
fn i16_a_number_that_is_lost_or_doubled() {
    let g = group();
    let told = |serial, number| Seen::Replied { at: 1, group: &g, serial, number };
    assert_eq!(broken(&[told(1, 1), told(2, 3)]), Some("I16"));
    assert_eq!(broken(&[told(1, 1), told(2, 1)]), Some("I16"));
    assert_eq!(broken(&[told(1, 1), told(2, 2)]), None);
}

#[test]
fn i19_a_configuration_that_was_accepted_and_is_not_applied() {
    let before = record(owned(4, "n1"));
    let draft = Draft::default().write(command("c1", "config apply 00ff", 0));
    assert_eq!(committed(&before, &draft), Some("I19"));
}

#[test]
fn i21_a_command_on_a_stale_view_or_carried_out_twice() {
    let before = record(owned(4, "n1"));
    let stale = Draft::default().write(command("c1", "group move", 7));
    assert_eq!(committed(&before, &stale), Some("I21"));
    let once = Draft::default().write(command("c1", "group move", 0));
    assert_eq!(committed(&before, &once), None);
    let seen =
        || Seen::Committed { at: 5, asked: ASKED, before: &before, after: &before, draft: &once };
    assert_eq!(broken(&[seen(), seen()]), Some("I21"));
}

#[test]
fn i25_a_group_that_is_stopped_by_the_ledger_and_still_there() {
    let (g, r) = (group(), resource("program"));
    let before = record(owned(4, "n1"));
    let nobody = GroupRecord { ownership: Ownership::Nobody, ..owned(4, "n1") };
    let draft = Draft::default().write(Write::Group(g.clone(), Arc::new(nobody)));
    let mut after = before.clone();
    after.apply(&draft, Index(2));
    let up = Seen::Up { at: 1, node: 0, group: &g, epoch: epoch(4), resource: &r };
    let stopped =
        Seen::Committed { at: 5, asked: ASKED, before: &before, after: &after, draft: &draft };
    assert_eq!(broken(&[up.clone(), stopped.clone()]), Some("I25"));
    let down = Seen::Down { at: 4, node: 0, group: &g };
    assert_eq!(broken(&[up, down, stopped]), None);
}

#[test]
fn i27_a_node_that_says_running_of_what_is_not_whole_or_hangs() {
    let g = group();
    let at = 9_000_000_000;
    let says =
        |up, hangs_since| Seen::SaysRunning { at, node: 0, group: &g, up, of: 3, hangs_since };
    assert_eq!(broken(&[says(2, None)]), Some("I27"));
    assert_eq!(broken(&[says(3, Some(1_000_000_000))]), Some("I27"));
    assert_eq!(broken(&[says(3, Some(8_000_000_000))]), None);
}

#[test]
fn l6_voters_that_change_two_at_once_or_too_soon() {
    let before = record(owned(4, "n1"));
    let without = |from: &Record, gone: &[&str]| {
        let mut next = Record { membership: from.membership.next(), ..from.clone() };
        next.voters.retain(|name, _| !gone.contains(&name.as_str()));
        next
    };
    let two = without(&before, &["n2", "n3"]);
    let at_once = Seen::VotersChanged { at: 5, before: &before, after: &two };
    assert_eq!(broken(&[at_once]), Some("L6"));
    let first = without(&before, &["n3"]);
    let second = without(&first, &["n2"]);
    let goes_by = |at, node| Seen::GoesBy { at, node, list: first.membership };
    let one = || Seen::VotersChanged { at: 5, before: &before, after: &first };
    let other = |at| Seen::VotersChanged { at, before: &first, after: &second };
    let told = |at| broken(&[one(), goes_by(6, 0), goes_by(7, 1), other(at)]);
    assert_eq!(told(LONGEST_TTL.0 / 2), Some("L6"));
    assert_eq!(told(LONGEST_TTL.0 + 8), None);
    let unheard = [one(), goes_by(6, 0), other(u64::MAX)];
    assert_eq!(broken(&unheard), Some("L6"), "one of two goes by it");
}

/// The record while time-outs are longer.
fn stretched(record: &Record) -> Record {
    let order =
        Order { by: String::new(), reason: String::new(), at: Wall(0), command: "c".into() };
    let stretch = Stretch { ratio: 2, order, within: Span::secs(60), over: None };
    Record { stretch: Some(Arc::new(stretch)), ..record.clone() }
}

#[test]
fn l6_voters_that_change_too_soon_after_a_change_that_came_under_a_stretch() {
    let plain = record(owned(4, "n1"));
    let without = |from: &Record, gone: &str| {
        let mut next = Record { membership: from.membership.next(), ..from.clone() };
        next.voters.retain(|name, _| name.as_str() != gone);
        next
    };
    let told = |before: &Record, between: fn(&Record) -> Record, at| {
        let first = without(before, "n3");
        let then = between(&first);
        let second = without(&then, "n2");
        let goes_by = |at, node| Seen::GoesBy { at, node, list: first.membership };
        let one = Seen::VotersChanged { at: 5, before, after: &first };
        let other = Seen::VotersChanged { at, before: &then, after: &second };
        broken(&[one, goes_by(6, 0), goes_by(7, 1), other])
    };
    let under = stretched(&plain);
    assert_eq!(told(&under, Record::clone, LONGEST_TTL.0 + 8), Some("L6"));
    assert_eq!(told(&under, Record::clone, TTL_CAP.0 + 8), None);
    assert_eq!(told(&plain, stretched, LONGEST_TTL.0 + 8), None, "nobody asked long before it");
}
