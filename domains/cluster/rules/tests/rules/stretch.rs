//! The time-out ratio by command: what refuses it, and what its entry holds (CL-35).

use tsugi_cluster_rules::command::{self, Command};
use tsugi_cluster_rules::record::{LONGEST_STRETCH, Record, Write};
use tsugi_cluster_rules::refusal::Refusal;
use tsugi_cluster_rules::timing::{Profile, TTL_CAP, Timing};
use tsugi_vocabulary::{Index, Span, Wall};

use crate::random::issued;
use crate::world::{World, cluster, node};

fn three() -> World {
    let mut world = World::new(cluster("n1 n2 n3", &["G1: prefer n1 n2"]));
    world.run();
    world
}

fn stretch(ratio: u32, within: Span) -> Command {
    Command::Stretch { ratio, within }
}

fn refused(world: &World, command: Command) -> Refusal {
    command::decide(&world.situation(), &issued(world, command)).unwrap_err()
}

#[test]
fn cl_35_every_time_out_of_the_lease_follows_the_ratio_and_nothing_else_does() {
    for profile in [Profile::Default, Profile::Fast] {
        let (plain, five) = (Timing::of(profile), Timing::of(profile).stretched(5));
        assert_eq!(five.ttl, Span(plain.ttl.0 * 5));
        assert_eq!(five.silent_after(), Span(plain.ttl.0 * 5 - plain.stop.0));
        assert_eq!(five.election_after(), Span(plain.ttl.0 * 5 / 3));
        assert_eq!(five.settled_after(), Span(plain.ttl.0 * 10));
        let rest = |t: Timing| (t.beat, t.stop, t.guard, t.rho_ppm);
        assert_eq!(rest(five), rest(plain));
        let most = plain.largest_ratio();
        assert!(plain.ttl.0 * u64::from(most) <= TTL_CAP.0);
        assert!(plain.ttl.0 * u64::from(most + 1) > TTL_CAP.0);
        assert_eq!(plain.stretched(most + 1).ttl, TTL_CAP, "no voter promises more");
    }
}

#[test]
fn cl_35_a_stretch_is_one_entry_with_person_reason_and_end_and_so_is_its_end() {
    let mut world = three();
    let begin = issued(&world, stretch(5, Span::secs(60)));
    let draft = command::decide(&world.situation(), &begin).unwrap();
    assert!(draft.writes.iter().any(|w| matches!(w, Write::Audit(_))));
    assert!(!draft.writes.iter().any(|w| matches!(w, Write::Group(..))), "no group is touched");
    world.apply(&draft);
    let stands = world.record.stretched().unwrap();
    assert_eq!((stands.ratio, stands.order.by.as_str()), (5, "yamada"));
    assert_eq!(stands.order.reason, "maintenance");
    assert_eq!(stands.ends_at(), Wall(begin.at.0 + 60_000));
    assert_eq!(world.record.timing().ttl, Span::millis(2_800));

    let draft = command::decide(&world.situation(), &issued(&world, Command::StretchEnd)).unwrap();
    world.apply(&draft);
    assert!(world.record.stretched().is_none());
    let times = (world.record.timing().ttl, world.record.longest_ttl());
    assert_eq!(times, (Span::millis(560), TTL_CAP));
    assert!(refused(&world, Command::StretchEnd).is_so_already());
}

#[test]
fn cl_35_a_stretch_beyond_what_voters_promise_is_refused_with_the_bound() {
    let world = three();
    for ratio in [0, 1, 18, u32::MAX] {
        let said = refused(&world, stretch(ratio, Span::secs(60)));
        assert_eq!(said, Refusal::NoSuchRatio { ratio, most: 17 });
    }
    for within in [Span::ZERO, LONGEST_STRETCH + Span(1)] {
        let said = refused(&world, stretch(2, within));
        assert_eq!(said.number(), 31, "{said:?}");
    }
    let mut bare = issued(&world, stretch(2, Span::secs(60)));
    bare.reason.clear();
    let said = command::decide(&world.situation(), &bare).unwrap_err();
    assert_eq!(said, Refusal::ReasonRequired);
}

#[test]
fn cl_35_a_node_whose_version_knows_of_no_stretch_keeps_it_from_being_ordered() {
    let mut world = three();
    world.sights.get_mut(&node("n2")).unwrap().ratio = None;
    let said = refused(&world, stretch(2, Span::secs(60)));
    assert_eq!(said, Refusal::OlderNode { node: node("n2") });
    world.sights.get_mut(&node("n2")).unwrap().beats = tsugi_cluster_rules::plan::Beats::Unheard;
    let said = refused(&world, stretch(2, Span::secs(60)));
    assert_eq!(said, Refusal::UnknownVersion { node: node("n2") });
}

#[test]
fn cl_35_a_monitor_may_take_longer_and_is_asked_as_often() {
    use tsugi_cluster_rules::monitors::OnFailure;
    use tsugi_cluster_rules::spec::{Check, Monitor, ProcessHow, ResourceKind};
    let mut spec = cluster("n1 n2 n3", &["G1: prefer n1 n2"]).groups.into_values().next().unwrap();
    let monitor = Monitor {
        name: None,
        check: Check::Link("eth0".to_owned()),
        every: Span::secs(5),
        limit: Span::secs(3),
        failures: 2,
        delay: None,
        action: OnFailure::Fallover,
        notify: None,
    };
    let process = ResourceKind::Process {
        how: ProcessHow::Program { run: vec!["/opt/server".to_owned()], ready: None },
        environment: [].into(),
        user: None,
        monitors: vec![monitor.clone(), monitor.clone()],
        cleanup: None,
    };
    let resource = tsugi_cluster_rules::spec::ResourceSpec {
        name: tsugi_vocabulary::ResourceName::new("server").unwrap(),
        kind: process,
        after: [].into(),
        start_limit: Span::secs(30),
        stop_limit: Span::secs(20),
    };
    spec.resources = vec![resource.clone()];
    let longer = spec.with_monitors_stretched(4);
    let ResourceKind::Process { monitors, .. } = &longer.resources[0].kind else {
        panic!("{longer:?}");
    };
    let its = Monitor { limit: Span::secs(12), ..monitor };
    assert_eq!(*monitors, [its.clone(), its], "each of them");
    let limits = |r: &tsugi_cluster_rules::spec::ResourceSpec| (r.start_limit, r.stop_limit);
    assert_eq!(limits(&longer.resources[0]), limits(&resource), "those of starts and stops stay");
}

#[test]
fn cl_35_a_record_without_a_stretch_has_the_times_of_its_profile() {
    let record = Record { applied: Index(1), ..Record::default() };
    assert_eq!((record.ratio(), record.timing()), (1, Timing::of(Profile::Default)));
}
