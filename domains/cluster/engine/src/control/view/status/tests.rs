//! What status says about hand-made records.

use std::sync::Arc;

use super::super::scenes::{
    NOW, group, node, order, record, sight, standing, text, with_pay, without,
};
use super::super::{Of, why, why_node};
use super::*;
use crate::standing::OtherFile;
use tsugi_cluster_rules::lease::disk_vote::DiskSight;
use tsugi_cluster_rules::monitors::MonitorId;
use tsugi_cluster_rules::plan::{DeskSight, Entries};
use tsugi_cluster_rules::plan::{RunsAs, Stand};
use tsugi_cluster_rules::reason::{Cause, How, Mishap};
use tsugi_cluster_rules::record::{
    AppliedConfig, FenceFault, Guard, NodeRecord, Unconfirmed, Versioned,
};
use tsugi_cluster_rules::reservation::Reservation;
use tsugi_cluster_rules::spec::{FenceDevice, LedgerPlace, ResourceKind, VolumeSource};
use tsugi_vocabulary::{BootId, Index};

fn ids(status: &report::Status) -> Vec<&str> {
    status.needs.iter().map(|n| n.what.id.as_str()).collect()
}

fn next(status: &report::Status) -> Vec<&str> {
    status.needs.iter().filter_map(|n| n.next.as_deref()).collect()
}

#[test]
fn when_all_is_well_nothing_needs_a_person() {
    let status = status(&standing(record()));
    assert!(status.needs.is_empty(), "{:?}", status.needs);
    assert_eq!(status.groups[0].state, "running");
    assert_eq!(status.groups[0].owner.as_deref(), Some("node1"));
    assert_eq!((status.votes.heard, status.votes.needed, status.votes.of), (3, 2, 3));
}

#[test]
fn before_init_the_next_command_is_init() {
    let status = status(&standing(Record::default()));
    assert_eq!(next(&status), ["tsugi init"]);
}

#[test]
fn a_member_that_has_not_received_the_record_is_not_told_to_found_a_cluster() {
    let mut coming_in = standing(Record::default());
    coming_in.certificate_until = Some(coming_in.at);
    assert_eq!(ids(&status(&coming_in)), ["TSUG10022-W"]);
}

#[test]
fn l12_with_one_voter_lost_status_says_one_more_loss_stops_the_groups() {
    let status = status(&without(record(), &["witness"]));
    assert!(ids(&status).contains(&"TSUG10704-W"), "{:?}", ids(&status));
    let need = status.needs.iter().find(|n| n.what.id == "TSUG10704-W").unwrap();
    assert_eq!(need.what.values["groups"], "PAY");
    assert_eq!(status.nodes.iter().find(|n| n.name == "witness").unwrap().state, "missing");
}

#[test]
fn l12_a_disk_that_one_node_does_not_see_is_named_with_what_one_more_loss_stops() {
    let mut record = record();
    let config = Arc::make_mut(record.config.as_mut().unwrap());
    config.spec.nodes.remove(&node("witness"));
    let paths = [(node("node1"), "/dev/one".to_owned()), (node("node2"), "/dev/two".to_owned())];
    config.spec.ledger = LedgerPlace::OnDisk(paths.into());
    record.voters = [(node("node1"), 1), (node("node2"), 2)].into();
    let picture = standing(record);
    let with = |disk| status(&Standing { disk, ..picture.clone() });
    let seen = with(DiskSight::Seen);
    assert_eq!((seen.votes.of, seen.votes.heard, seen.votes.needed), (3, 3, 2));
    assert!(!ids(&seen).contains(&"TSUG80108-W"), "{:?}", ids(&seen));
    let blind = with(DiskSight::NotSeen);
    assert_eq!((blind.votes.of, blind.votes.heard), (3, 2));
    let other = with(DiskSight::OnlyHere);
    let me = picture.me.clone();
    for (status, mine) in [(blind, true), (other, false)] {
        let need = status.needs.iter().find(|n| n.what.id == "TSUG80108-W").unwrap();
        assert_eq!(need.what.values["groups"], "PAY");
        assert_eq!(need.about == me.as_str(), mine);
    }
}

#[test]
fn ph_19_the_shared_disk_is_one_way_on_which_the_other_node_is_heard() {
    let mut record = record();
    let config = Arc::make_mut(record.config.as_mut().unwrap());
    config.spec.nodes.remove(&node("witness"));
    let paths = [(node("node1"), "/dev/one".to_owned()), (node("node2"), "/dev/two".to_owned())];
    config.spec.ledger = LedgerPlace::OnDisk(paths.into());
    let me = standing(record);
    let other = if me.me == node("node1") { ("node2", "/dev/two") } else { ("node1", "/dev/one") };
    let ways = |disk, on_disk| {
        let listing = status(&Standing { disk, on_disk, ..me.clone() }).listing;
        let of = listing.heartbeats.into_iter().filter(|way| way.address.starts_with("/dev"));
        let ways: Vec<_> = of.map(|way| (way.node, way.address, way.status)).collect();
        let row = listing.nodes.into_iter().find(|row| row.name == other.0).unwrap();
        (ways, row.status == StatusWord::Caution)
    };
    let one = |status| vec![(other.0.to_owned(), other.1.to_owned(), status)];
    let ms = |n| Some(Span::millis(n));
    let (seen, lost) = (DiskSight::Seen, DiskSight::NotSeen);
    assert_eq!(ways(seen, ms(300)).0, one(StatusWord::Normal));
    assert_eq!(ways(seen, None).0, one(StatusWord::Unknown));
    assert_eq!(ways(seen, ms(60_000)), (one(StatusWord::Error), true), "one path less");
    assert_eq!(ways(lost, ms(300)), (one(StatusWord::Error), true));
    assert_eq!(ways(DiskSight::OnlyHere, ms(300)).0, one(StatusWord::Error));
}

#[test]
fn l12_a_node_that_was_taken_out_for_good_is_missed_like_one_that_is_silent() {
    let mut record = record();
    record.voters = [(node("node1"), 1), (node("node2"), 2)].into();
    let status = status(&standing(record));
    assert_eq!(ids(&status), ["TSUG10704-W"]);
    assert_eq!(status.needs[0].what.values["node"], "witness");
}

#[test]
fn without_a_majority_that_is_what_needs_a_person_first() {
    let status = status(&without(record(), &["witness", "node1"]));
    assert_eq!(status.needs[0].what.id, "TSUG10702-E");
    assert_eq!(status.needs[0].severity, "E");
    assert_eq!(status.votes.heard, 1);
}

#[test]
fn a_lost_owner_makes_its_group_move_and_the_node_is_named() {
    let status = status(&without(record(), &["node1"]));
    assert_eq!(status.groups[0].state, "moving");
    let lost: Vec<_> = status.needs.iter().map(|n| n.about.as_str()).collect();
    assert!(lost.contains(&"node1"));
}

#[test]
fn a_group_that_was_given_up_stands_first_with_its_cause_and_clear_as_next() {
    let cause = Cause::ProcessDied {
        node: node("node1"),
        resource: "server".parse().unwrap(),
        how: How::of(Mishap::Signal, "signal 9"),
    };
    let record = with_pay(|pay| {
        pay.ownership = Ownership::Nobody;
        pay.intent = GroupIntent::GaveUp { cause, at: super::super::scenes::NOW };
    });
    let status = status(&standing(record));
    assert_eq!(status.groups[0].state, "given-up");
    assert_eq!(next(&status)[0], "tsugi group clear PAY");
    let because = status.needs[0].because.as_ref().map(text).unwrap();
    assert!(because.contains("server") && because.contains("killed"), "{because}");
}

#[test]
fn a_group_stopped_by_a_person_needs_nobody() {
    let record = with_pay(|pay| {
        pay.ownership = Ownership::Nobody;
        pay.intent = GroupIntent::Stop(order());
    });
    let standing = standing(record);
    let status = status(&standing);
    assert!(status.needs.is_empty(), "{:?}", status.needs);
    assert_eq!(status.groups[0].state, "stopped");
    let why = why(&standing, &Of::All);
    let stands: Vec<String> = why.groups[0].stands.iter().map(text).collect();
    assert!(stands.iter().any(|s| s.contains("taro") && s.contains("disk replaced")), "{stands:?}");
    assert_eq!(why.groups[0].next.as_deref(), Some("tsugi group start PAY"));
}

#[test]
fn a_pause_is_a_note_and_a_lost_pinned_group_needs_its_owner_confirmed_off() {
    let pause = |pay: &mut GroupRecord| {
        pay.pause = Some(Pause {
            order: order(),
            until: None,
            pinned: Some(node("node1")),
            guard: Guard::Disarmed,
        });
    };
    let calm = status(&standing(with_pay(pause)));
    assert!(calm.needs.is_empty() && calm.groups[0].paused);
    assert!(calm.notes.iter().any(|n| text(n).contains("taro")), "{:?}", calm.notes);
    let lost = status(&without(with_pay(pause), &["node1"]));
    assert!(next(&lost).contains(&"tsugi node confirm-off node1"), "{:?}", lost.needs);
    assert_eq!(ids(&lost)[0], "TSUG10804-W", "what stands still comes first");
    let told = why(&without(with_pay(pause), &["node1"]), &Of::All);
    assert_eq!(
        text(&told.groups[0].stands[0]),
        "PAY belongs to node1, which is not heard (epoch e1.4)"
    );
    assert_eq!(lost.groups[0].state, "waiting");
}

#[test]
fn a_group_that_no_node_can_take_is_down_and_why_names_each_node_and_its_reason() {
    let mut record = with_pay(|pay| pay.ownership = Ownership::Nobody);
    for name in ["node1", "node2"] {
        let value = NodeRecord { intent: NodeIntent::Drained(order()), ..NodeRecord::new(1) };
        let version = tsugi_vocabulary::Index(3);
        record.nodes.insert(node(name), Versioned { version, value: Arc::new(value) });
    }
    let standing = standing(record);
    let status = status(&standing);
    assert_eq!(status.groups[0].state, "down");
    assert_eq!(next(&status), ["tsugi why PAY"]);
    let why = why(&standing, &Of::Groups(vec![group("PAY")]));
    let reasons: Vec<String> = why.groups[0].rejected.iter().map(text).collect();
    assert!(reasons.contains(&"node1: drained".to_owned()), "{reasons:?}");
    assert!(reasons.contains(&"witness: not in prefer".to_owned()), "{reasons:?}");
}

#[test]
fn an_unconfirmed_configuration_and_another_file_need_a_person() {
    let mut record = record();
    let (since, within) = (Some(super::super::scenes::NOW), Span::secs(300));
    let unconfirmed = Some(Unconfirmed { back_to: String::new(), within, since });
    let config: AppliedConfig = (**record.config.as_ref().unwrap()).clone();
    record.config = Some(Arc::new(AppliedConfig { unconfirmed, ..config }));
    let mut standing = standing(record);
    let path = "/etc/tsugi/tsugi.toml".into();
    standing.other_file = Some(OtherFile { path, hash: "x".to_owned() });
    let seen = status(&standing);
    assert_eq!(ids(&seen), ["TSUG10612-W", "TSUG10611-W"]);
    assert_eq!(next(&seen), ["tsugi confirm", "tsugi config diff /etc/tsugi/tsugi.toml"]);
    let waits = &seen.needs[0].what.values;
    assert_eq!(waits["moment"], "2026-11-21T04:58:39.123Z", "when it was applied");
    assert_eq!(waits["until"], "2026-11-21T05:03:39.123Z", "when it is undone");
    let head = seen.config.unwrap();
    assert_eq!(head.unconfirmed_within_ms, Some(300_000));
    assert_eq!(head.undone_at.unwrap().to_string(), waits["until"]);
    let hash = standing.record.config.as_ref().unwrap().hash.clone();
    standing.other_file.as_mut().unwrap().hash = hash;
    assert_eq!(ids(&status(&standing)), ["TSUG10612-W"], "it has been applied since");
}

#[test]
fn a_certificate_that_ends_within_90_days_needs_a_person() {
    let mut standing = standing(record());
    let days = |n: u64| Wall(standing.at.0 + n * 24 * 3_600_000);
    let (far, near, gone) = (days(91), days(89), Wall(standing.at.0));
    standing.certificate_until = Some(far);
    assert!(status(&standing).needs.is_empty());
    standing.certificate_until = Some(near);
    assert_eq!(ids(&status(&standing)), ["TSUG70140-W"]);
    standing.certificate_until = Some(gone);
    assert_eq!(ids(&status(&standing)), ["TSUG70141-E"]);
}

#[test]
fn what_cannot_be_removed_needs_a_person() {
    let mut standing = standing(record());
    let sight = standing.sights.get_mut(&node("node1")).unwrap();
    let stuck = DeskSight {
        epoch: super::super::scenes::epoch(4),
        stand: Stand::Stuck,
        runs_as: RunsAs::Applied,
        failing: None,
    };
    sight.groups.insert(group("PAY"), stuck);
    let status = status(&standing);
    assert_eq!(ids(&status), ["TSUG10122-E"], "{:?}", status.groups);
}

#[test]
fn a_volume_that_only_its_own_node_fences_is_unproven_and_one_that_its_storage_keeps_is_not() {
    let unproven = |reservation| {
        let mut record = record();
        let mut config = (**record.config.as_ref().unwrap()).clone();
        let pay = config.spec.groups.get_mut(&group("PAY")).unwrap();
        pay.fence = FencePolicy::SelfFence;
        pay.resources[0].kind = ResourceKind::Volume {
            source: VolumeSource::Block("/dev/mapper/mpatha".to_owned()),
            mount: "/data".to_owned(),
            check: Default::default(),
            retries: Default::default(),
            drbd: None,
            reservation,
        };
        record.config = Some(Arc::new(config));
        let notes: Vec<String> = status(&standing(record)).notes.iter().map(text).collect();
        notes.iter().any(|note| note.contains("unproven"))
    };
    assert!(unproven(None));
    assert!(!unproven(Some(Reservation::Scsi)));
}

#[test]
fn a_node_that_cannot_be_sure_to_stop_itself_says_so() {
    let mut standing = standing(record());
    standing.self_fence = "none".to_owned();
    let notes: Vec<String> = status(&standing).notes.iter().map(text).collect();
    assert!(notes.iter().any(|n| n.contains("no watchdog")), "{notes:?}");
}

/// A record in which node1 has a fence device.
fn with_device() -> Record {
    let mut record = record();
    let mut config = (**record.config.as_ref().unwrap()).clone();
    config.spec.nodes.get_mut(&node("node1")).unwrap().fence = Some(FenceDevice {
        agent: "fence_rack".to_owned(),
        options: BTreeMap::new(),
        secret: None,
        limit: Span::secs(20),
        every: Span::secs(3600),
    });
    record.config = Some(Arc::new(config));
    record
}

#[test]
fn cl_29_a_fence_device_that_failed_its_test_needs_a_person_before_it_is_needed() {
    let mut standing = standing(with_device());
    let fault = FenceFault::Failed("login failed".to_owned());
    standing.fence_faults.insert(node("node1"), fault);
    let status = status(&standing);
    assert_eq!(ids(&status), ["TSUG10322-E"], "{:?}", status.needs);
    let said = text(&status.needs[0].what);
    assert!(said.contains("node1") && said.contains("login failed"), "{said}");
}

#[test]
fn cl_29_what_another_node_found_of_a_fence_device_is_told_here_as_well() {
    let mut record = with_device();
    let entry = record.nodes.get_mut(&node("witness")).unwrap();
    let mut known = (*entry.value).clone();
    known.unable.insert(node("node1"), FenceFault::Flooded);
    entry.value = Arc::new(known);
    let told = status(&standing(record.clone()));
    assert_eq!(ids(&told), ["TSUG10324-E"], "{:?}", told.needs);
    assert!(text(&told.needs[0].what).contains("witness"), "who found it");
    let away = status(&without(record, &["witness"]));
    assert!(!ids(&away).contains(&"TSUG10324-E"), "one that is lost switches nobody off anyway");
}

#[test]
fn a_fence_that_failed_or_whose_asker_is_lost_needs_a_person_until_the_node_is_back() {
    let ordered = |failed| {
        let mut record = record();
        let entry = record.nodes.get_mut(&node("node1")).unwrap();
        let mut known = (*entry.value).clone();
        let (by, by_boot, at) = (node("witness"), BootId(7), Wall(0));
        known.fencing = Some(FenceOrder { boot: BootId(7), by, by_boot, at, order: None, failed });
        entry.value = Arc::new(known);
        record
    };
    let about = |standing: &Standing, id: &str| {
        let its = |need: &&report::Need| need.what.id == id;
        status(standing).needs.iter().filter(its).map(|need| text(&need.what)).next()
    };
    let failed = without(ordered(Some((Wall(1), FenceFault::Lied))), &["node1"]);
    assert!(about(&failed, "TSUG10328-E").unwrap().contains("told node witness"));
    let under_way = without(ordered(None), &["node1"]);
    assert_eq!(about(&under_way, "TSUG10332-E"), None, "it may end well yet");
    let mut asker_lost = without(ordered(None), &["node1", "witness"]);
    assert!(about(&asker_lost, "TSUG10332-E").unwrap().contains("node witness"));
    let back = Sight { boot: BootId(8), ..sight(Life::Heard) };
    asker_lost.sights.insert(node("node1"), back);
    assert_eq!(about(&asker_lost, "TSUG10332-E"), None, "another life of it is here");
}

#[test]
fn a_node_that_no_entry_of_the_ledger_reaches_is_isolated_though_it_is_heard() {
    let mut standing = standing(record());
    let entries = Entries::Missed { down: [].into() };
    standing.sights.insert(node("witness"), Sight { entries, ..sight(Life::Heard) });
    let status = status(&standing);
    assert_eq!(status.nodes.iter().find(|n| n.name == "witness").unwrap().state, "isolated");
    let told = why_node(&standing, &node("witness"));
    let told: Vec<String> = told.stands.iter().map(text).collect();
    assert!(told.join("; ").contains("no entry of the ledger reaches it"), "{told:?}");
}

#[test]
fn a_group_that_goes_on_as_it_was_started_is_told_until_its_next_start() {
    let mut standing = standing(record());
    let told = |s: &Standing| status(s).notes.iter().map(text).collect::<Vec<_>>();
    assert!(told(&standing).is_empty());
    let of = |counter| DeskSight {
        epoch: super::super::scenes::epoch(counter),
        stand: Stand::Running,
        runs_as: RunsAs::Started,
        failing: None,
    };
    let desks = &mut standing.sights.get_mut(&node("node1")).unwrap().groups;
    desks.insert(group("PAY"), of(4));
    assert!(told(&standing)[0].contains("PAY goes on at node1 as it was started"));
    standing.sights.get_mut(&node("node1")).unwrap().groups.insert(group("PAY"), of(3));
    assert!(told(&standing).is_empty(), "that was an earlier run of it");
}

#[test]
fn a_node_that_is_back_and_has_told_is_not_waited_for_any_more() {
    let silent = Cause::NodeSilent { node: node("node2"), silence: Span::millis(600) };
    let of = |standing: &Standing| {
        let told = why(standing, &Of::All).groups[0].cause.clone().unwrap();
        let listed = status(standing).groups[0].cause.clone().unwrap();
        assert_eq!(told, listed);
        text(&told)
    };
    let taken = with_pay(|g| {
        if let Ownership::Owned { cause, .. } = &mut g.ownership {
            *cause = silent.clone();
        }
    });
    assert!(of(&without(taken.clone(), &["node2"])).contains("its return will tell"));
    let back = of(&standing(taken));
    assert!(back.contains("it is back; tsugi explain tells"), "{back}");
}

#[test]
fn why_a_node_is_as_it_is_tells_its_part_its_orders_what_it_has_and_what_it_cannot_take() {
    let told = |standing: &Standing, name: &str| {
        let why = why_node(standing, &node(name));
        let stands: Vec<String> = why.stands.iter().map(text).collect();
        let not: Vec<String> =
            why.cannot_take.iter().map(|c| format!("{}: {}", c.group, text(&c.why))).collect();
        (stands.join("; "), not.join("; "), why.next)
    };
    let well = standing(record());
    let owner = told(&well, "node1").0;
    assert_eq!(owner, "node1 votes; node1 is heard; node1 has PAY");
    let leader = told(&well, "node2").0;
    assert_eq!(leader, "node2 votes and leads the ledger; node2 is heard; node2 has no group");
    assert!(told(&well, "witness").0.starts_with("witness is the witness: it only votes"));
    let mut drained = record();
    let known = NodeRecord { intent: NodeIntent::Drained(order()), ..NodeRecord::new(2) };
    let versioned = Versioned { version: Index(5), value: Arc::new(known) };
    drained.nodes.insert(node("node2"), versioned);
    let (stands, not, next) = told(&standing(drained.clone()), "node2");
    assert!(stands.contains("node2 was drained by taro"), "{stands}");
    assert!(stands.contains("(disk replaced)"), "{stands}");
    assert_eq!(not, "PAY: node2: drained");
    assert_eq!(next.as_deref(), Some("tsugi node undrain node2"));
    let (stands, not, _) = told(&without(record(), &["node2"]), "node2");
    assert!(stands.contains("node2 has been silent for 7 s"), "{stands}");
    assert_eq!(not, "PAY: node2: not up");
    let mut other = standing(record());
    other.sights.get_mut(&node("node2")).unwrap().config = 1;
    assert!(told(&other, "node2").0.contains("another configuration than number 1"));
}

#[test]
fn what_is_only_observed_says_so_and_where_it_would_go() {
    let mut record = record();
    let config = Arc::make_mut(record.config.as_mut().unwrap());
    config.spec.groups.get_mut(&group("PAY")).unwrap().takeover = Takeover::Observe;
    let mut standing = standing(record.clone());
    let shown = status(&standing);
    assert_eq!(shown.groups[0].state, "running");
    assert!(text(&shown.notes[0]).starts_with("takeovers of PAY are only observed"));
    let cause = Cause::ProcessDied {
        node: node("node1"),
        resource: tsugi_vocabulary::ResourceName::new("server").unwrap(),
        how: "exit 3".into(),
    };
    let epoch = super::super::scenes::epoch(4);
    let unwell =
        DeskSight { epoch, stand: Stand::Unwell(cause), runs_as: RunsAs::Applied, failing: None };
    standing.sights.get_mut(&node("node1")).unwrap().groups.insert(group("PAY"), unwell);
    let shown = status(&standing);
    assert_eq!((shown.groups[0].state.as_str(), ids(&shown)), ("failed", vec!["TSUG10131-W"]));
    let lost = without(record, &["node1"]);
    assert_eq!(status(&lost).groups[0].state, "waiting");
    let why = &why(&lost, &Of::All).groups[0];
    let stands: Vec<String> = why.stands.iter().map(text).collect();
    assert!(stands.iter().any(|s| s.contains("node2 was chosen")), "{stands:?}");
    assert_eq!(why.next.as_deref(), Some("tsugi group move PAY node2"));
}

#[test]
fn a_group_whose_stop_for_a_failure_takes_long_is_not_shown_as_running_meanwhile() {
    let shown = |stand, epoch| {
        let mut standing = standing(record());
        let desk = DeskSight { epoch, stand, runs_as: RunsAs::Applied, failing: None };
        standing.sights.get_mut(&node("node1")).unwrap().groups.insert(group("PAY"), desk);
        status(&standing).groups[0].state.clone()
    };
    let [former, now] = [3, 4].map(super::super::scenes::epoch);
    assert_eq!(shown(Stand::Running, now), "running");
    assert_eq!(shown(Stand::Stopping, now), "stopping");
    assert_eq!(shown(Stand::Stopping, former), "running", "of a run that is over");
    assert_eq!(shown(Stand::Stuck, now), "waiting", "for what cannot be taken away");
}

#[test]
fn ph_14_a_monitor_that_only_tells_needs_a_person_and_a_suspended_one_is_a_note() {
    let mut standing = standing(record());
    let epoch = super::super::scenes::epoch(4);
    let id = MonitorId::new("server".parse().unwrap(), "port".parse().ok());
    let (stand, runs_as) = (Stand::Running, RunsAs::Applied);
    let desk = DeskSight { epoch, stand, runs_as, failing: Some(id.clone()) };
    standing.sights.get_mut(&node("node1")).unwrap().groups.insert(group("PAY"), desk);
    let told = status(&standing);
    assert_eq!(ids(&told), ["TSUG10229-W"], "{:?}", told.needs);
    assert_eq!(told.groups[0].state, "running", "the group is left as it is");

    let mut record = record();
    let entry = record.groups.get_mut(&group("PAY")).unwrap();
    let mut next = (*entry.value).clone();
    let until = Some(Wall(NOW.0 + 60_000));
    next.suspended = vec![Suspension { id, order: order(), until }];
    entry.value = next.into();
    let mut suspended = super::super::scenes::standing(record);
    let notes = |s: &Standing| status(s).notes.iter().map(text).collect::<Vec<_>>().join("\n");
    assert!(notes(&suspended).contains("server/port of PAY is suspended"));
    suspended.at = Wall(NOW.0 + 60_000);
    assert!(!notes(&suspended).contains("is suspended"), "it has ended by itself");
}
