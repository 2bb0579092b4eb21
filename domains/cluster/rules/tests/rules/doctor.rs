//! What the doctor finds: each thing that can be wrong is planted alone, and named.

use std::collections::BTreeMap;

use tsugi_cluster_rules::doctor::{
    CERTIFICATE_DAYS, Finding, LimitOf, PROVEN_FOR, Proof, SelfFence, Vitals, drills_due, findings,
    settings,
};
use tsugi_cluster_rules::drill::{Level, Proven};
use tsugi_cluster_rules::reason::{Cause, How, Mishap};
use tsugi_cluster_rules::record::{
    Answer, AppliedConfig, Draft, EventRecord, FenceFault, Happening, Record, Write,
};
use tsugi_cluster_rules::reservation::Reservation;
use tsugi_cluster_rules::spec::{FenceDevice, ResourceKind, Takeover, VolumeSource};
use tsugi_cluster_rules::start_kind::Ending;
use tsugi_vocabulary::{NodeName, ResourceName, Span, Wall};

use crate::world::{World, cluster, group, node};

/// One thing that is made wrong.
type Plant<'a> = &'a dyn Fn(&mut Vitals<'_>);

const NOW: Wall = Wall(100 * 24 * 3_600_000);
const DAY: u64 = 24 * 3_600_000;

fn event(by: &str, at: Wall, what: Happening) -> EventRecord {
    EventRecord { at, by: node(by), group: Some(group("PAY")), epoch: None, what }
}

fn started(by: &str, at: Wall, millis: u64) -> EventRecord {
    let steps = vec![("app".to_owned(), millis)];
    event(by, at, Happening::Started { steps, took: Span::millis(millis) })
}

fn stopped(millis: u64) -> EventRecord {
    let steps = vec![("app".to_owned(), millis)];
    event("n1", NOW, Happening::Stopped { steps, ending: Ending::Orderly })
}

/// Two nodes with a device each, PAY seen to start on both and to stop once.
struct Well {
    record: Record,
    me: NodeName,
    events: Vec<EventRecord>,
}

impl Well {
    fn with(fence: &str) -> Self {
        let text = format!("PAY: prefer n1 n2; fence {fence}");
        let mut spec = cluster("n1 n2 w=witness", &[&text]);
        for name in ["n1", "n2"] {
            spec.nodes.get_mut(&node(name)).unwrap().fence = Some(FenceDevice {
                agent: "fence_one".to_owned(),
                options: BTreeMap::new(),
                secret: None,
                limit: Span::secs(4),
                every: Span::secs(3600),
            });
        }
        let events = vec![started("n1", NOW, 5), started("n2", NOW, 5), stopped(5)];
        Self { record: World::new(spec).record, me: node("n1"), events }
    }

    fn vitals(&self) -> Vitals<'_> {
        Vitals {
            at: NOW,
            me: &self.me,
            record: &self.record,
            events: self.events.iter().collect(),
            fence_tests: BTreeMap::from([(node("n2"), Some(NOW))]),
            fence_faults: BTreeMap::new(),
            self_fence: SelfFence::Able,
            certificate_until: Some(Wall(NOW.0 + 400 * DAY)),
            overran: BTreeMap::new(),
            clock_ppm: Some(30),
        }
    }
}

#[test]
fn a_cluster_of_which_everything_was_seen_needs_nothing_and_is_proven() {
    let well = Well::with("confirmed");
    assert_eq!(findings(&well.vitals()), []);
    let all = settings(&well.vitals());
    assert!(all.iter().all(|setting| setting.proof == Proof::Seen(NOW)), "{all:?}");
    assert_eq!(all.len(), 4, "the device, the fence and both nodes");
}

#[test]
fn each_thing_that_is_planted_is_found_alone() {
    let well = Well::with("confirmed");
    let (pay, n2) = (group("PAY"), node("n2"));
    let (took, budget) = (Span::millis(300), Span::millis(100));
    let until = Wall(NOW.0 + 13 * DAY);
    let old = Wall(NOW.0 - 3 * 3_600_000);
    let fault = FenceFault::Failed("exit 1".to_owned());
    let cases: [(Plant<'_>, Finding); 8] = [
        (&|v| v.self_fence = SelfFence::Unable, Finding::NoSelfFence),
        (&|v| v.clock_ppm = Some(-251), Finding::ClockRate { ppm: -251, most: 500 }),
        (&|v| v.certificate_until = Some(until), Finding::CertificateEnds { days: 14, until }),
        (&|v| v.certificate_until = Some(NOW), Finding::CertificateEnded { until: NOW }),
        (
            &|v| v.overran = BTreeMap::from([(group("PAY"), (took, budget))]),
            Finding::BudgetTooShort { group: pay.clone(), took, budget },
        ),
        (&|v| v.fence_tests = BTreeMap::new(), Finding::FenceUntested { node: n2.clone() }),
        (
            &|v| v.fence_faults = BTreeMap::from([(node("n2"), fault.clone())]),
            Finding::FenceFails { node: n2.clone(), fault: fault.clone() },
        ),
        (
            &|v| v.fence_tests = BTreeMap::from([(node("n2"), Some(old))]),
            Finding::FenceTestOld { node: n2.clone(), at: old },
        ),
    ];
    for (plant, finding) in cases {
        let mut vitals = well.vitals();
        plant(&mut vitals);
        assert_eq!(findings(&vitals), [finding]);
    }
}

#[test]
fn the_end_of_a_certificate_is_told_at_sixty_thirty_fourteen_seven_days_and_one() {
    let well = Well::with("lease");
    let days = |left: u64| {
        let mut vitals = well.vitals();
        vitals.certificate_until = Some(Wall(NOW.0 + left));
        findings(&vitals).into_iter().find_map(|finding| match finding {
            Finding::CertificateEnds { days, .. } => Some(days),
            _ => None,
        })
    };
    assert_eq!(days(61 * DAY), None);
    for step in CERTIFICATE_DAYS {
        assert_eq!(days(step * DAY), Some(step));
    }
    assert_eq!([days(59 * DAY), days(2 * DAY), days(1)], [Some(60), Some(7), Some(1)]);
}

#[test]
fn a_start_or_stop_that_uses_up_its_limit_and_a_node_never_tried_are_found() {
    let mut well = Well::with("confirmed");
    let resource = ResourceName::new("app").unwrap();
    let limit = Span::secs(10);
    for (slow, limit_of) in
        [(stopped(8_000), LimitOf::Stop), (started("n1", NOW, 8_000), LimitOf::Start)]
    {
        well.events.push(slow);
        let (group, resource, took) = (group("PAY"), resource.clone(), Span::secs(8));
        let finding = Finding::LimitTooShort { group, resource, limit_of, took, limit };
        assert_eq!(findings(&well.vitals()), [finding]);
        well.events.pop();
    }
    let at = Wall(NOW.0 - PROVEN_FOR.as_millis() - 1);
    well.events[1] = started("n2", at, 5);
    let (pay, n2) = (group("PAY"), node("n2"));
    let long_ago = Finding::RanLongAgo { group: pay.clone(), node: n2.clone(), at };
    assert_eq!(findings(&well.vitals()), [long_ago]);
    well.events.remove(1);
    assert_eq!(findings(&well.vitals()), [Finding::NeverRan { group: pay, node: n2 }]);
}

#[test]
fn what_waits_for_a_fence_that_no_device_can_confirm_is_found_and_what_was_accepted_is_unproven() {
    let mut well = Well::with("confirmed");
    let config = std::sync::Arc::make_mut(well.record.config.as_mut().unwrap());
    config.spec.nodes.get_mut(&node("n2")).unwrap().fence = None;
    let finding = Finding::NoDevice { group: group("PAY"), node: node("n2") };
    assert_eq!(findings(&well.vitals()), [finding]);
    let proof = |well: &Well| {
        let all = settings(&well.vitals());
        all.iter().find(|s| s.about == "PAY" && s.words.starts_with("fence")).unwrap().proof
    };
    assert_eq!(proof(&well), Proof::Unseen);
    assert_eq!(proof(&Well::with("self")), Proof::Accepted);
    assert_eq!(proof(&Well::with("confirmed")), Proof::Seen(NOW));
}

#[test]
fn a_volume_that_its_storage_keeps_is_proven_by_a_start_on_every_node_and_accepts_nothing() {
    let mut well = Well::with("self");
    let config = std::sync::Arc::make_mut(well.record.config.as_mut().unwrap());
    let volume = ResourceKind::Volume {
        source: VolumeSource::Block("/dev/mapper/mpatha".to_owned()),
        mount: "/data".to_owned(),
        check: Default::default(),
        retries: Default::default(),
        drbd: None,
        reservation: Some(Reservation::Scsi),
    };
    config.spec.groups.get_mut(&group("PAY")).unwrap().resources[0].kind = volume;
    let proofs = |well: &Well| {
        let all = settings(&well.vitals());
        let of = |word: &str| all.iter().find(|s| s.about == "PAY" && s.words.starts_with(word));
        (of("reservation").map(|s| s.proof), of("fence").map(|s| s.proof))
    };
    assert_eq!(proofs(&well), (Some(Proof::Seen(NOW)), None));
    well.events.remove(1);
    assert_eq!(proofs(&well), (Some(Proof::Unseen), None), "n2 never took the disk");
}

#[test]
fn a_device_is_proven_neither_by_an_old_test_nor_beside_a_present_fault() {
    let well = Well::with("confirmed");
    let unproven: [Plant<'_>; 2] = [
        &|v| {
            let old = Wall(NOW.0 - 2 * 3_600_000 - 1);
            v.fence_tests = BTreeMap::from([(node("n2"), Some(old))]);
        },
        &|v| v.fence_faults = BTreeMap::from([(node("n2"), FenceFault::Flooded)]),
    ];
    for plant in unproven {
        let mut vitals = well.vitals();
        plant(&mut vitals);
        let all = settings(&vitals);
        let rests: Vec<_> = all.iter().filter(|s| s.words.starts_with("fence")).collect();
        assert_eq!(rests.len(), 2, "the device, and the group that waits for it: {all:?}");
        assert!(rests.iter().all(|s| s.proof == Proof::Unseen), "{rests:?}");
    }
}

#[test]
fn a_start_or_stop_that_ran_into_its_limit_has_used_it_up_and_proves_nothing() {
    let resource = ResourceName::new("app").unwrap();
    let how = |mishap| How { words: "as it was".to_owned(), mishap };
    let stop = |mishap| Happening::StopFailed { resource: resource.clone(), how: how(mishap) };
    let start = |mishap| {
        let (node, resource) = (node("n1"), resource.clone());
        let cause = Cause::StartFailed { node, resource, how: how(mishap) };
        Happening::Failed { cause, answer: Answer::TakenOver }
    };
    let seen = |what: Happening| {
        let mut well = Well::with("confirmed");
        well.events.pop();
        well.events.push(event("n1", NOW, what));
        let unproven = |s: &tsugi_cluster_rules::doctor::Setting| s.words == "stop of app";
        assert!(settings(&well.vitals()).iter().any(unproven), "no stop has ended well");
        findings(&well.vitals())
    };
    let limit = Span::secs(10);
    for (what, limit_of) in
        [(stop(Mishap::TooLate), LimitOf::Stop), (start(Mishap::TooLate), LimitOf::Start)]
    {
        let (group, resource) = (group("PAY"), resource.clone());
        let finding = Finding::LimitTooShort { group, resource, limit_of, took: limit, limit };
        assert_eq!(seen(what), [finding]);
    }
    assert_eq!(seen(stop(Mishap::Signal)), []);
    assert_eq!(seen(start(Mishap::Signal)), []);
}

#[test]
fn a_proof_by_a_drill_that_is_missing_or_older_than_the_group_asks_for_is_told_for_each_node() {
    let mut spec = cluster("n1 n2 w=witness", &["PAY: prefer n1 n2", "LOG: prefer n1 n2"]);
    spec.groups.get_mut(&group("PAY")).unwrap().drill_every = Some(Span::secs(30 * 24 * 3600));
    let mut world = World::new(spec);
    world.run();
    let prove = |world: &mut World, days: u64| {
        let mut entry = world.record.group(&group("PAY")).unwrap().clone();
        let at = Wall(NOW.0 - days * DAY);
        let (from, to) = (node("n1"), node("n2"));
        let (level, gap) = (Level::Move, Span::millis(9));
        entry.drills.proven = vec![Proven { from, to, level, at, gap }];
        let write = Write::Group(group("PAY"), std::sync::Arc::new(entry));
        world.apply(&Draft::default().write(write));
    };
    let due = |to: &str, at| {
        let (group, node) = (group("PAY"), node(to));
        Finding::DrillDue { group, node, at }
    };
    assert_eq!(drills_due(&world.record, NOW), [due("n1", None), due("n2", None)]);
    prove(&mut world, 30);
    assert_eq!(drills_due(&world.record, NOW), [due("n1", None)]);
    prove(&mut world, 31);
    let at = Wall(NOW.0 - 31 * DAY);
    assert_eq!(drills_due(&world.record, NOW), [due("n1", None), due("n2", Some(at))]);
    let mut config = AppliedConfig::clone(world.record.config.as_ref().unwrap());
    config.spec.groups.get_mut(&group("PAY")).unwrap().takeover = Takeover::Observe;
    world.record.config = Some(std::sync::Arc::new(config));
    assert_eq!(drills_due(&world.record, NOW), [], "a drill of it is refused");
}
