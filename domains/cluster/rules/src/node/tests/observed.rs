//! A node whose group is only observed: it looks and tells, and does nothing about a failure.

use super::*;
use crate::plan::Stand;
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
        if let ResourceKind::Process { monitor, .. } = &mut resource.kind {
            *monitor = Some(Monitor {
                check: Check::Run(vec!["/bin/ask".to_owned()]),
                every: Span::millis(100),
                limit: Span::millis(50),
                failures: 1,
                delay: None,
            });
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
