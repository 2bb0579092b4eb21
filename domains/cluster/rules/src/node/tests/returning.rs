//! A node that was lost and has come back, told events by hand.

use super::*;
use crate::desk::{ScriptEvent, Told};
use crate::reason::How;
use crate::record::{Guard, Happening, Order as Ordered, Pause};
use crate::spec::OnRecover;

const TOLD: &str = "tell of a return";

/// The record of a group of scripts that runs on b since this cause.
fn elsewhere(cause: Cause, on_recover: OnRecover) -> Record {
    let mut record = record();
    let mut config = (**record.config.as_ref().unwrap()).clone();
    let group = config.spec.groups.get_mut(&pay()).unwrap();
    let ResourceKind::Process { how, .. } = &mut group.resources[1].kind else { unreachable!() };
    let (start, stop) = (vec!["/opt/start".to_owned()], vec!["/opt/stop".to_owned()]);
    *how = ProcessHow::Scripts { start, stop, running: None, on_recover, restart: None };
    let draft = Draft::default()
        .write(Write::Config(Arc::new(config)))
        .write(Write::Group(pay(), Arc::new(taken_over(2, cause))));
    record.apply(&draft, Index(2));
    record
}

/// The group as b runs it since this cause.
fn taken_over(counter: u64, why: Cause) -> GroupRecord {
    let mut group = owned(counter, "b");
    if let Ownership::Owned { cause, phase, start, .. } = &mut group.ownership {
        (*cause, *phase, *start) = (why, Phase::Running, StartKind::Restart);
    }
    group
}

fn silent(node: &str) -> Cause {
    Cause::NodeSilent { node: name(node), silence: Span::millis(600) }
}

/// How often scripts were told, of an agent that lived on for a while.
fn times(mut bench: Bench) -> usize {
    bench.pass(Span::secs(3));
    let times = bench.done.iter().filter(|word| *word == TOLD).count();
    assert_eq!(times, bench.done.len(), "and nothing else is done: {:?}", bench.done);
    times
}

#[test]
fn cl_03_when_a_failed_node_has_come_back_its_scripts_are_told_recover_once() {
    let mut bench = Bench::new(elsewhere(silent("a"), OnRecover::Run));
    bench.pass(Span::secs(3));
    assert_eq!(bench.done, [TOLD]);
    let told = bench.told.unwrap();
    let (kind, event, reason) = (StartKind::Restart, ScriptEvent::Recover, "node-silent");
    assert_eq!(told, Told { kind, event, reason, ..told });
    assert_eq!(bench.desk(), &State::Clear, "nothing of the group begins here");
    let noted = |d: &Draft| {
        let what = |w: &Write| {
            matches!(w, Write::Event(e)
            if e.what == Happening::Recovered { failed: None } && e.group == Some(pay()))
        };
        d.writes.iter().any(what)
    };
    assert_eq!(bench.taken.iter().filter(|d| noted(d)).count(), 1, "{:?}", bench.taken);
    // The record goes on; what was told is told.
    bench.write(taken_over(2, silent("a")));
    bench.pass(Span::secs(1));
    assert_eq!(bench.done, [TOLD]);
    // Lost again, and back.
    bench.write(taken_over(4, silent("a")));
    bench.pass(Span::secs(1));
    assert_eq!(bench.done, [TOLD, TOLD]);
}

#[test]
fn cl_06_scripts_that_are_not_configured_for_it_do_nothing_at_a_return() {
    assert_eq!(times(Bench::new(elsewhere(silent("a"), OnRecover::Skip))), 0);
    assert_eq!(OnRecover::default(), OnRecover::Skip, "a guard that works without being spelled");
    assert_eq!(times(Bench::new(elsewhere(silent("a"), OnRecover::Run))), 1);
}

#[test]
fn a_return_is_told_only_of_what_ran_here_until_this_node_was_lost() {
    let told = |cause| times(Bench::new(elsewhere(cause, OnRecover::Run)));
    let (a, resource) = (name("a"), resource_name("server"));
    let moved = Cause::Operator { by: "mika".to_owned(), reason: "new disk".to_owned() };
    let died = Cause::ProcessDied { node: a.clone(), resource, how: How::from("exit 3") };
    for cause in [silent("b"), moved, died, Cause::Drain { node: a.clone() }] {
        assert_eq!(told(cause.clone()), 0, "{cause:?}");
    }
    let links = vec!["eth0".to_owned()];
    assert_eq!(told(Cause::LinksDown { node: a.clone(), links }), 0, "it was never away");
    for cause in [Cause::AgentLost { node: a.clone() }, Cause::PowerLost { node: a }] {
        assert_eq!(told(cause.clone()), 1, "{cause:?}");
    }
}

#[test]
fn a_return_is_told_when_the_node_is_back_and_the_group_runs() {
    // Nobody answers: it hears no majority.
    let mut bench = Bench::new(elsewhere(silent("a"), OnRecover::Run));
    bench.voters.clear();
    bench.pass(Span::secs(3));
    bench.done.clear();
    bench.write(taken_over(4, silent("a")));
    bench.pass(Span::secs(3));
    assert_eq!(bench.done, [""; 0], "it is not back yet");
    bench.voters = vec![name("b"), name("c")];
    bench.pass(Span::secs(1));
    assert_eq!(bench.done, [TOLD]);

    let mut bench = Bench::new(elsewhere(silent("a"), OnRecover::Run));
    bench.pass(Span::secs(3));
    bench.done.clear();
    let mut starting = taken_over(4, silent("a"));
    if let Ownership::Owned { phase, .. } = &mut starting.ownership {
        *phase = Phase::Starting;
    }
    bench.write(starting);
    bench.pass(Span::secs(1));
    assert_eq!(bench.done, [""; 0], "it may yet come here");
    bench.write(taken_over(4, silent("a")));
    bench.pass(Span::secs(1));
    assert_eq!(bench.done, [TOLD]);
}

#[test]
fn a_paused_group_is_left_alone_at_a_return_too() {
    let mut bench = Bench::new(elsewhere(Cause::ClusterStart, OnRecover::Run));
    let order = Ordered {
        by: "mika".to_owned(),
        reason: "new disk".to_owned(),
        at: Wall(0),
        command: "c-1".to_owned(),
    };
    let pinned = Some(name("b"));
    let pause = Some(Pause { order, until: None, pinned, guard: Guard::Disarmed });
    bench.write(GroupRecord { pause, ..taken_over(4, silent("a")) });
    bench.pass(Span::secs(3));
    assert_eq!(bench.done, [""; 0]);
    bench.change(|group| group.pause = None);
    bench.pass(Span::secs(1));
    assert_eq!(bench.done, [TOLD]);
}

#[test]
fn scripts_that_fail_at_a_return_are_written_down_and_nothing_follows() {
    let mut bench = Bench::new(elsewhere(Cause::ClusterStart, OnRecover::Run));
    bench.failing = Some(TOLD);
    bench.write(taken_over(4, silent("a")));
    bench.pass(Span::secs(3));
    assert_eq!(bench.done, [TOLD], "it is not tried again");
    let failed = Happening::Recovered { failed: Some(How::from("exit 3")) };
    let noted = |w: &Write| matches!(w, Write::Event(e) if e.what == failed);
    assert!(bench.taken.iter().flat_map(|d| &d.writes).any(noted), "{:?}", bench.taken);
}

#[test]
fn a_group_is_gone_from_a_node_when_it_is_elsewhere_and_nothing_of_it_is_here_for_certain() {
    let is_gone = |bench: &Bench| bench.node.is_gone(bench.now, &pay());
    let mut bench = Bench::new(elsewhere(silent("a"), OnRecover::Skip));
    assert!(!is_gone(&bench), "it has just come, and may know an older record");
    bench.pass(Span::secs(3));
    assert!(is_gone(&bench));
    bench.voters.clear();
    bench.pass(Span::secs(3));
    assert!(!is_gone(&bench), "it hears no majority");

    let mut bench = Bench::new(record());
    bench.write(owned(2, "a"));
    bench.pass(Span::secs(3));
    assert!(!is_gone(&bench), "it is its own");
}
