//! What one picture says after another.

use std::collections::BTreeMap;
use std::sync::Arc;

use tsugi_cluster_rules::lease::disk_vote::DiskSight;
use tsugi_cluster_rules::record::{Demand, Guard, Order};
use tsugi_cluster_rules::record::{Pause, Phase, Versioned};
use tsugi_cluster_rules::start_kind::StartKind;
use tsugi_vocabulary::{BootId, Epoch, Generation, Index, Span, Wall};

use super::*;
use crate::standing::SlowStop;

fn name(text: &str) -> NodeName {
    NodeName::new(text).expect("a good name")
}

fn pay() -> GroupName {
    GroupName::new("PAY").expect("a good name")
}

fn picture(group: GroupRecord) -> Standing {
    let mut record = Record::default();
    record.groups.insert(pay(), Versioned { version: Index(1), value: Arc::new(group) });
    Standing {
        at: Wall(0),
        me: name("node1"),
        boot: BootId::default(),
        record: Arc::new(record),
        newest: Index(0),
        settled: tsugi_cluster_rules::plan::Settled::Yes,
        sights: BTreeMap::new(),
        leader: None,
        membership: Generation::NONE,
        self_fence: String::new(),
        slow_stops: BTreeMap::new(),
        lost_logs: std::collections::BTreeSet::new(),
        fence_faults: BTreeMap::new(),
        fence_tests: BTreeMap::new(),
        score_faults: BTreeMap::new(),
        mirrors_in_use: BTreeMap::new(),
        clock_ppm: None,
        carried: std::collections::BTreeMap::new(),
        drops: Default::default(),
        disk: DiskSight::None,
        on_disk: None,
        other_file: None,
        certificate_until: None,
        watches: BTreeMap::new(),
        monitors: BTreeMap::new(),
        leases: BTreeMap::new(),
    }
}

fn owned(node: &str, counter: u64, cause: Cause) -> GroupRecord {
    GroupRecord {
        epoch: Epoch { incarnation: 1, counter },
        ownership: Ownership::Owned {
            node: name(node),
            boot: None,
            start: StartKind::Restart,
            cause,
            phase: Phase::Starting,
            handover: None,
        },
        ..GroupRecord::new(GroupIntent::Run)
    }
}

fn ids(before: GroupRecord, now: GroupRecord) -> Vec<&'static str> {
    let turned = messages(&picture(before), &picture(now), Language::En);
    turned.iter().map(Message::id).collect()
}

#[test]
fn a_new_owner_after_a_loss_is_a_takeover_and_after_an_order_a_move() {
    let first = owned("node1", 1, Cause::ClusterStart);
    let silent = Cause::NodeSilent { node: name("node1"), silence: Span::millis(600) };
    let taken = ids(first.clone(), owned("node2", 2, silent));
    assert_eq!(taken, ["TSUG10102-W"]);
    let order = Cause::Operator { by: "suzuki".to_owned(), reason: "patch".to_owned() };
    assert_eq!(ids(first, owned("node2", 2, order)), ["TSUG10106-I"]);
}

#[test]
fn the_same_picture_twice_says_nothing() {
    let one = owned("node1", 1, Cause::ClusterStart);
    assert!(ids(one.clone(), one).is_empty());
}

#[test]
fn strangers_old_boots_and_a_node_without_a_fence_have_their_own_messages() {
    let before = picture(owned("node1", 1, Cause::ClusterStart));
    let mut now = before.clone();
    now.drops[0] = ("other_cluster", 3);
    now.drops[1] = ("old_boot", 1);
    now.drops[2] = ("bad_mac", 2);
    now.drops[3] = ("seen", 900);
    now.self_fence = "none".to_owned();
    let turned = messages(&before, &now, Language::En);
    let ids: Vec<_> = turned.iter().map(Message::id).collect();
    assert_eq!(ids, ["TSUG10011-W", "TSUG70202-W", "TSUG70203-I", "TSUG70205-W"]);
    let at_start = messages(&untold(&now), &now, Language::En);
    assert_eq!(at_start.iter().map(Message::id).collect::<Vec<_>>(), ["TSUG10011-W"]);
}

#[test]
fn a_stop_that_outlasted_its_budget_is_told_once_and_again_when_it_gets_worse() {
    let before = picture(owned("node1", 1, Cause::ClusterStart));
    let slow = |took| {
        let mut now = before.clone();
        let stop = SlowStop { took: Span::millis(took), budget: Span::millis(60) };
        now.slow_stops.insert(pay(), stop);
        now
    };
    let ids = |a: &Standing, b: &Standing| -> Vec<&str> {
        messages(a, b, Language::En).iter().map(Message::id).collect()
    };
    assert_eq!(ids(&before, &slow(75)), ["TSUG10304-W"]);
    assert!(ids(&slow(75), &slow(75)).is_empty());
    assert_eq!(ids(&slow(75), &slow(90)), ["TSUG10304-W"]);
}

#[test]
fn a_log_that_is_lost_is_told_once() {
    let before = picture(owned("node1", 1, Cause::ClusterStart));
    let mut now = before.clone();
    now.lost_logs.insert("the disk is full at /var/log/pay.log".to_owned());
    let told = messages(&before, &now, Language::En);
    assert_eq!(told.iter().map(Message::id).collect::<Vec<_>>(), ["TSUG10230-W"]);
    assert!(messages(&now, &now, Language::En).is_empty());
}

#[test]
fn a_mirror_that_is_not_given_up_because_somebody_uses_it_is_told_once() {
    let before = picture(owned("node1", 1, Cause::ClusterStart));
    let used = |how: &str| {
        let mut now = before.clone();
        now.mirrors_in_use.insert((pay(), "r0".to_owned()), how.to_owned());
        now
    };
    let first = used("r0: Connected Primary/Secondary UpToDate/UpToDate");
    let told = messages(&before, &first, Language::En);
    assert_eq!(told.iter().map(Message::id).collect::<Vec<_>>(), ["TSUG10394-W"]);
    assert!(told[0].line(Language::En).contains("r0: Connected"));
    assert!(messages(&first, &used("r0: WFConnection"), Language::En).is_empty());
}

#[test]
fn the_end_of_this_life_that_stands_in_the_ledger_is_told_once_with_who_wants_it_and_why() {
    let before = picture(owned("node1", 1, Cause::ClusterStart));
    let demanded = |node: &str, life: u128| {
        let order = Order {
            by: "suzuki".to_owned(),
            reason: "it hangs".to_owned(),
            at: Wall(0),
            command: "c".to_owned(),
        };
        let demand = Some(Demand { boot: BootId(life), order });
        let value = Arc::new(NodeRecord { demanded: demand, ..NodeRecord::new(1) });
        let mut now = before.clone();
        let record = Arc::make_mut(&mut now.record);
        record.nodes.insert(name(node), Versioned { version: Index(41), value });
        now
    };
    let here = demanded("node1", 0);
    let told = messages(&before, &here, Language::En);
    assert_eq!(told.iter().map(Message::id).collect::<Vec<_>>(), ["TSUG10284-E"]);
    let line = told[0].line(Language::En);
    for part in ["node1", "41", "suzuki", "it hangs"] {
        assert!(line.contains(part), "{line}");
    }
    assert!(messages(&here, &here, Language::En).is_empty());
    for (node, life) in [("node2", 0), ("node1", 7)] {
        let told = messages(&before, &demanded(node, life), Language::En);
        assert!(told.is_empty(), "another's, or one of a former life: {told:?}");
    }
}

#[test]
fn a_pause_is_told_when_it_begins_and_when_it_ends() {
    let free = owned("node1", 1, Cause::ClusterStart);
    let order = Order {
        by: "suzuki".to_owned(),
        reason: "patch".to_owned(),
        at: Wall(0),
        command: "c".to_owned(),
    };
    let pause = Pause { order, until: None, pinned: None, guard: Guard::Disarmed };
    let paused = GroupRecord { pause: Some(pause), ..free.clone() };
    assert_eq!(ids(free.clone(), paused.clone()), ["TSUG10801-I"]);
    assert_eq!(ids(paused, free), ["TSUG10802-I"]);
}
