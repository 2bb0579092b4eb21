//! A node whose group is only observed: it looks and tells, and does nothing about a failure.

use super::*;
use crate::plan::Stand;
use crate::record::Pause;
use crate::spec::{Check, Monitor};

/// A group that runs here, its takeovers only observed, its program asked every 100 ms.
fn observed() -> Bench {
    let mut bench = Bench::running(with(Takeover::Observe));
    bench.done.clear();
    bench
}

fn with(takeover: Takeover) -> Record {
    let mut record = record();
    let config = Arc::make_mut(record.config.as_mut().expect("a configuration"));
    let spec = config.spec.groups.get_mut(&pay()).expect("the group");
    spec.takeover = takeover;
    spec.failure.restarts = 0;
    for resource in &mut spec.resources {
        if let ResourceKind::Process { monitors, .. } = &mut resource.kind {
            let check = Check::Run(vec!["/bin/ask".to_owned()]);
            let limit = Span::millis(50);
            monitors.push(Monitor { limit, ..Monitor::new(check, Span::millis(100)) });
        }
    }
    record
}

fn stand(bench: &Bench) -> Stand {
    bench.beats.last().unwrap().health.groups[&pay()].stand.clone()
}

fn done(bench: &Bench) -> Vec<&String> {
    bench.done.iter().filter(|w| !w.starts_with("ask")).collect()
}

#[test]
fn a_program_that_ends_is_told_and_the_group_is_left_as_it_is() {
    let mut bench = observed();
    bench.dies("server");
    bench.pass(Span::secs(1));
    assert_eq!(done(&bench), [""; 0], "nothing is stopped and nothing restarted");
    assert_eq!(bench.desk(), &State::Running { epoch: epoch(1) });
    assert!(matches!(stand(&bench), Stand::Unwell(Cause::ProcessDied { .. })), "and not as well");
}

#[test]
fn a_monitor_that_fails_stops_nothing_and_the_group_is_well_again_once_it_answers() {
    let mut bench = observed();
    bench.failing = Some("ask server");
    bench.pass(Span::secs(1));
    assert!(matches!(stand(&bench), Stand::Unwell(Cause::MonitorFailed { .. })));
    bench.failing = None;
    bench.pass(Span::secs(1));
    assert_eq!(stand(&bench), Stand::Running);
    assert_eq!(done(&bench), [""; 0]);
}

#[test]
fn what_ended_while_it_was_observed_is_a_failure_once_it_is_not_observed_any_more() {
    let mut bench = observed();
    bench.dies("server");
    bench.pass(Span::secs(1));
    assert_eq!(done(&bench), [""; 0]);
    bench.record.config = with(Takeover::Automatic).config;
    bench.change(|_| {});
    bench.pass(Span::secs(1));
    assert!(bench.done.iter().any(|w| w == "stop vip"), "{:?}", bench.done);
}

#[test]
fn what_ended_while_it_was_paused_is_told_once_it_is_only_observed_again() {
    let mut bench = observed();
    let order = crate::record::Order {
        by: "mika".to_owned(),
        reason: "new disk".to_owned(),
        at: Wall(0),
        command: "c-1".to_owned(),
    };
    let guard = crate::record::Guard::Disarmed;
    let pause = Pause { order, until: None, pinned: Some(name("a")), guard };
    bench.change(|g| g.pause = Some(pause));
    bench.dies("server");
    bench.pass(Span::millis(200));
    assert_eq!(stand(&bench), Stand::Running, "it is left alone");
    bench.change(|g| g.pause = None);
    bench.pass(Span::millis(200));
    assert!(matches!(stand(&bench), Stand::Unwell(Cause::ProcessDied { .. })));
    assert!(!bench.done.iter().any(|w| w.starts_with("st")), "{:?}", bench.done);
}

/// An agent that begins where another one left an observed group, with this of it still up.
fn adopts(up: &[&str], told: Option<Cause>) -> Bench {
    let mut record = with(Takeover::Observe);
    let mut group = owned(1, "a");
    if let Ownership::Owned { phase, .. } = &mut group.ownership {
        *phase = Phase::Running;
    }
    record.apply(&Draft::default().write(Write::Group(pay(), Arc::new(group))), Index(1));
    let chosen = crate::plan::Chosen::Stay { node: name("a") };
    let decision = crate::plan::Decision { chosen, cause: told, rejected: BTreeMap::new() };
    let plan = crate::plan::Plan {
        generation: Generation(1),
        parent: Generation::NONE,
        by: name("b"),
        at: Wall(0),
        decisions: BTreeMap::from([(pay(), decision)]),
        steps: Vec::new(),
    };
    record.plan = Some(Arc::new(plan));
    let found = up.iter().map(|resource| resource_name(resource)).collect();
    let mut bench = Bench::finding(record, found);
    bench.pass(Span::millis(200));
    bench
}

#[test]
fn the_next_agent_leaves_what_a_former_one_left_as_it_was() {
    let mut bench = adopts(&["vip"], None);
    assert_eq!(bench.desk(), &State::Running { epoch: epoch(1) }, "{:?}", bench.done);
    assert!(matches!(stand(&bench), Stand::Unwell(Cause::AgentLost { .. })));
    bench.pass(Span::secs(1));
    assert_eq!(done(&bench), ["look what runs"], "the address stays up");
    bench.record.config = with(Takeover::Automatic).config;
    bench.change(|_| {});
    bench.pass(Span::secs(1));
    assert!(bench.done.iter().any(|w| w == "stop vip"), "{:?}", bench.done);
}

#[test]
fn the_next_agent_goes_on_to_tell_what_was_told_of_the_group() {
    let (node, resource) = (name("a"), resource_name("server"));
    let died = Cause::ProcessDied { node, resource, how: "exit 3".into() };
    let bench = adopts(&["vip", "server"], Some(died.clone()));
    assert_eq!(stand(&bench), Stand::Unwell(died));
    assert_eq!(stand(&adopts(&["vip", "server"], None)), Stand::Running);
}

#[test]
fn a_group_that_was_mended_in_place_is_well_when_it_is_observed_again() {
    let mut bench = observed();
    bench.dies("server");
    bench.pass(Span::millis(200));
    let mut automatic = with(Takeover::Automatic);
    let config = Arc::make_mut(automatic.config.as_mut().expect("a configuration"));
    config.spec.groups.get_mut(&pay()).expect("the group").failure.restarts = 1;
    bench.record.config = automatic.config;
    bench.change(|_| {});
    bench.pass(Span::secs(1));
    assert!(bench.done.iter().any(|w| w == "start server"), "{:?}", bench.done);
    assert_eq!(stand(&bench), Stand::Running);
}
