//! What the guardian is told, in which order, and what its notices mean to the rules.

use std::collections::BTreeSet;

use tsugi_cluster_rules::spec::{
    Failback, FailurePolicy, FencePolicy, Mode, Rehearsing, Startup, Takeover,
};
use tsugi_host::Gone;
use tsugi_host::request::Release;

use super::*;

const EPOCH: Epoch = Epoch { incarnation: 1, counter: 4 };

/// A guardian that writes down what it is told.
#[derive(Default)]
struct Listener(Vec<Order>);

impl Guard for Listener {
    fn tell(&mut self, order: &Order) -> Result<(), Gone> {
        self.0.push(order.clone());
        Ok(())
    }

    fn next_notice(&mut self) -> Result<Option<Notice>, Gone> {
        Ok(None)
    }
}

fn pay() -> GroupName {
    GroupName::new("PAY").unwrap()
}

fn spec() -> GroupSpec {
    GroupSpec {
        services: [].into(),
        mode: Mode::Single,
        prefer: Vec::new(),
        startup: Startup::Auto,
        failback: Failback::Manual,
        failure: FailurePolicy::default(),
        apart: BTreeSet::new(),
        together: BTreeSet::new(),
        after: BTreeSet::new(),
        stop_budget: None,
        drill_every: None,
        prefer_by: Default::default(),
        rehearsing: Rehearsing::default(),
        entitled: None,
        takeover: Takeover::default(),
        fence: FencePolicy::Lease,
        resources: Vec::new(),
    }
}

fn arm(armory: &mut Armory, guard: &mut Listener, epoch: Epoch, deadline: u64) {
    let terms = (&spec(), FencePolicy::Lease, Span::millis(100));
    armory.arm(guard, (pay(), epoch, Moment(deadline)), terms);
    armory.flush(guard);
}

fn armed(epoch: Epoch) -> Notice {
    Notice::Armed { group: pay(), epoch, deadline: Moment(1) }
}

fn released(release: Release) -> Notice {
    let none = Span::ZERO;
    Notice::Released { group: pay(), epoch: EPOCH, release, late: none, took: none }
}

#[test]
fn a_group_is_armed_whole_until_the_guardian_has_said_so_then_only_extended() {
    let (mut armory, mut guard) = (Armory::default(), Listener::default());
    arm(&mut armory, &mut guard, EPOCH, 1);
    arm(&mut armory, &mut guard, EPOCH, 2);
    assert!(matches!(guard.0[..], [Order::Arm(_), Order::Arm(_)]), "{:?}", guard.0);
    let event = armory.on_notice(armed(EPOCH));
    assert!(matches!(event, Some(Event::Armed { epoch: EPOCH, .. })));
    arm(&mut armory, &mut guard, EPOCH, 3);
    let Order::Extend(batch) = &guard.0[2] else { panic!("{:?}", guard.0) };
    assert_eq!((batch.len(), batch[0].deadline), (1, Moment(3)));
    let next = Epoch { counter: 5, ..EPOCH };
    arm(&mut armory, &mut guard, next, 4);
    assert!(matches!(&guard.0[3], Order::Arm(arm) if arm.epoch == next), "a new epoch, whole");
}

#[test]
fn a_group_that_is_disarmed_is_not_extended_by_what_was_still_waiting() {
    let (mut armory, mut guard) = (Armory::default(), Listener::default());
    arm(&mut armory, &mut guard, EPOCH, 2);
    armory.on_notice(armed(EPOCH));
    let terms = (spec(), FencePolicy::Lease, Span::millis(100));
    armory.arm(&mut guard, (pay(), EPOCH, Moment(3)), (&terms.0, terms.1, terms.2));
    armory.disarm(&mut guard, pay(), EPOCH);
    armory.flush(&mut guard);
    assert!(matches!(guard.0[..], [Order::Arm(_), Order::Disarm { .. }]), "{:?}", guard.0);
}

fn volumes_of(spec: &GroupSpec) -> Vec<Volume> {
    volumes(spec, spec.fence)
}

#[test]
fn a_group_whose_fence_is_another_from_now_on_is_armed_whole_once_more() {
    let (mut armory, mut guard) = (Armory::default(), Listener::default());
    let disk = "[cluster]\nname = \"c\"\n[node.a]\naddress = \"127.0.0.1\"\n[group.PAY]\n\
                [[group.PAY.resource]]\nname = \"disk\"\nkind = \"volume\"\n\
                source = \"/dev/sdb\"\nmount = \"/srv/pay\"\n";
    let spec = crate::config::read(disk).expect("it is right").spec.groups[&pay()].clone();
    for (fence, deadline) in [
        (FencePolicy::Confirmed, 1),
        (FencePolicy::Confirmed, 2),
        (FencePolicy::SelfFence, 3),
        (FencePolicy::SelfFence, 4),
    ] {
        let of = (pay(), EPOCH, Moment(deadline));
        armory.arm(&mut guard, of, (&spec, fence, Span::millis(100)));
        armory.flush(&mut guard);
        armory.on_notice(armed(EPOCH));
    }
    let kind = |order: &Order| match order {
        Order::Arm(arm) => Some(arm.volumes[0].kind),
        _ => None,
    };
    let told: Vec<Option<VolumeKind>> = guard.0.iter().map(kind).collect();
    assert_eq!(told, [Some(VolumeKind::FileSystem), None, Some(VolumeKind::Open), None]);
}

#[test]
fn what_only_a_reset_takes_away_is_told_to_the_guardian() {
    let text = "[cluster]\nname = \"c\"\n[node.a]\naddress = \"127.0.0.1\"\n\
                [[group.PAY.resource]]\nname = \"fs\"\nkind = \"ocf\"\n\
                agent = \"ocf:heartbeat:Filesystem\"\n";
    let told = |text: &str| {
        let resolved = crate::config::read(text).expect("it is right");
        volumes_of(&resolved.spec.groups[&pay()]).into_iter().map(|v| v.kind).collect::<Vec<_>>()
    };
    assert_eq!(told(text), [VolumeKind::BeyondReach]);
    assert_eq!(told(&format!("{text}undo = \"kill\"\n")), []);
}

#[test]
fn a_disk_that_nothing_keeps_from_its_former_owner_is_told_to_the_guardian_as_open() {
    let text = "[cluster]\nname = \"c\"\n[node.a]\naddress = \"127.0.0.1\"\n[group.PAY]\n";
    let volume = "[[group.PAY.resource]]\nname = \"disk\"\nkind = \"volume\"\n\
                  source = \"/dev/sdb\"\nmount = \"/srv/pay\"\n";
    let told = |group: &str, of_volume: &str| {
        let text = format!("{text}{group}{volume}{of_volume}");
        let resolved = crate::config::read(&text).expect("it is right");
        volumes_of(&resolved.spec.groups[&pay()]).into_iter().map(|v| v.kind).collect::<Vec<_>>()
    };
    assert_eq!(told("fence = \"self\"\n", ""), [VolumeKind::Open]);
    let reserved = "reservation = \"scsi\"\n";
    assert_eq!(
        told("", reserved),
        [VolumeKind::FileSystem],
        "its storage refuses the former owner"
    );
    assert_eq!(
        told("", ""),
        [VolumeKind::FileSystem],
        "taken from nobody who is not known to be off"
    );
}

#[test]
fn only_a_complete_release_is_told_as_one() {
    let mut armory = Armory::default();
    let whole = armory.on_notice(released(Release::Complete));
    assert!(matches!(whole, Some(Event::GuardianReleased { .. })));
    let part = armory.on_notice(released(Release::Incomplete));
    assert!(part.is_none(), "the machine is being reset; nothing is said of the group");
}

#[test]
fn a_new_guardian_is_armed_from_the_beginning() {
    let (mut armory, mut guard) = (Armory::default(), Listener::default());
    armory.on_notice(armed(EPOCH));
    armory.forget_all();
    arm(&mut armory, &mut guard, EPOCH, 5);
    assert!(matches!(guard.0[..], [Order::Arm(_)]), "{:?}", guard.0);
}
