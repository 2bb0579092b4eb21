//! Another configuration is applied while a group runs, and its agent comes back.

use super::*;
use crate::plan::RunsAs;

/// The record after a configuration in which the group is `configured` so, or is no more.
fn applied(configured: Option<GroupSpec>) -> Record {
    let mut record = record();
    let mut group = owned(1, "a");
    if let Ownership::Owned { phase, .. } = &mut group.ownership {
        *phase = Phase::Running;
    }
    let mut config = AppliedConfig::clone(record.config.as_deref().unwrap());
    config.version = 2;
    config.spec.groups = configured.map(|spec| (pay(), spec)).into_iter().collect();
    let draft = Draft::default().write(Write::Config(Arc::new(config)));
    record.apply(&draft.write(Write::Group(pay(), Arc::new(group))), Index(2));
    record
}

/// The group with another address.
fn moved() -> GroupSpec {
    let mut spec = group_spec();
    if let ResourceKind::Address { address, .. } = &mut spec.resources[0].kind {
        *address = "10.0.0.10".parse().unwrap();
    }
    spec
}

/// A new agent that finds everything up, of a group that was taken on under this epoch.
fn second_agent(configured: Option<GroupSpec>, under: Epoch) -> Bench {
    let found = ["vip", "server"].map(resource_name).to_vec();
    let taken = Taken { epoch: under, spec: Arc::new(group_spec()), machine: Some(super::MACHINE) };
    let taken_on = BTreeMap::from([(pay(), taken)]);
    let mut bench = Bench::knowing(applied(configured), found, taken_on);
    bench.pass(Span::secs(1));
    bench
}

#[test]
fn what_a_former_agent_started_is_run_and_stopped_as_it_was_configured_then() {
    let mut bench = second_agent(Some(moved()), epoch(1));
    assert_eq!(bench.desk(), &State::Running { epoch: epoch(1) }, "{:?}", bench.done);
    assert_eq!(*bench.node.spec_of(&pay()).unwrap(), group_spec());
    bench.change(|g| g.intent = GroupIntent::Stop(order()));
    bench.pass(Span::secs(1));
    assert_eq!(bench.done[1..3], ["stop server", "stop vip"]);
}

#[test]
fn what_a_former_agent_started_is_let_go_of_when_it_is_configured_no_more() {
    let bench = second_agent(None, epoch(1));
    assert!(bench.done.contains(&"let go".to_owned()), "{:?}", bench.done);
    assert_eq!(bench.desk(), &State::Clear);
}

#[test]
fn a_node_says_that_a_group_goes_on_as_it_was_started_until_its_next_start() {
    let said = |bench: &Bench| {
        let health = &bench.beats.last().unwrap().health;
        health.groups.get(&pay()).map(|sight| sight.runs_as)
    };
    let same = second_agent(Some(group_spec()), epoch(1));
    assert_eq!(said(&same), Some(RunsAs::Applied));
    let mut bench = second_agent(Some(moved()), epoch(1));
    assert_eq!(said(&bench), Some(RunsAs::Started));
    bench.change(|g| *g = GroupRecord { epoch: epoch(2), ..owned(2, "b") });
    bench.pass(Span::secs(1));
    bench.write(owned(3, "a"));
    bench.pass(Span::secs(1));
    assert_eq!(said(&bench), Some(RunsAs::Applied), "{:?}", bench.done);
}

#[test]
fn what_was_written_down_for_another_epoch_is_not_believed() {
    let bench = second_agent(Some(moved()), epoch(7));
    assert_eq!(*bench.node.spec_of(&pay()).unwrap(), moved());
}

#[test]
fn the_next_start_is_as_configured_now() {
    let mut bench = second_agent(Some(moved()), epoch(1));
    bench.change(|g| *g = GroupRecord { epoch: epoch(2), ..owned(2, "b") });
    bench.pass(Span::secs(1));
    assert_eq!(bench.desk(), &State::Clear);
    bench.write(owned(3, "a"));
    assert_eq!(*bench.node.spec_of(&pay()).unwrap(), moved());
}

fn order() -> crate::record::Order {
    crate::record::Order {
        by: "taro".to_owned(),
        reason: String::new(),
        at: Wall(1),
        command: String::new(),
    }
}
