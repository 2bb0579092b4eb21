//! Watched programs on the node that runs their group.

use super::*;
use crate::plan::Stand;
use crate::reason::How;
use crate::watch::table::{self, EndedBy};
use crate::watch::{AtEnd, Load, Recovery, WatchId, Watchlist};

fn id(text: &str) -> WatchId {
    WatchId::new(text).unwrap()
}

fn put(list: &mut Watchlist, text: &str, at_end: AtEnd) {
    let load =
        Load { service: None, run: vec![format!("/opt/{text}")], dir: None, user: None, at_end };
    list.put(epoch(1), id(text), load, |_| false);
}

const FOV: AtEnd = AtEnd::Recover { how: Recovery::TakeOver };

/// A group that runs here and has loaded one program.
fn loaded(at_end: AtEnd) -> Bench {
    let mut bench = Bench::running(record());
    bench.change(|g| put(&mut g.watched, "AP", at_end));
    assert_eq!(bench.done, ["load watch-1"]);
    bench.done.clear();
    bench
}

fn dies(bench: &mut Bench, slot: &str, under: u64) {
    let (resource, how) = (resource_name(slot), How::from("exit 3"));
    bench.tell(Event::Died { group: pay(), epoch: epoch(under), resource, how });
}

fn state(bench: &Bench, slot: &str) -> Option<table::State> {
    bench.node.watch_states().remove(&(pay(), resource_name(slot)))
}

fn stand(bench: &Bench) -> Stand {
    bench.beats.last().unwrap().health.groups[&pay()].stand.clone()
}

#[test]
fn cl_07_what_is_put_on_the_list_is_started_once_and_only_with_its_group() {
    let mut bench = loaded(FOV);
    bench.pass(Span::secs(1));
    assert_eq!(bench.done, [""; 0], "once");
    assert_eq!(state(&bench, "watch-1"), Some(table::State::Up));
    bench.change(|g| put(&mut g.watched, "B", AtEnd::Log));
    assert_eq!(bench.done, ["load watch-2"]);
    // A list of another epoch is void.
    let mut other = Bench::running(record());
    other.change(|g| {
        put(&mut g.watched, "AP", FOV);
        g.watched.epoch = epoch(7);
    });
    assert_eq!(other.done, [""; 0]);
}

#[test]
fn cl_10_with_m_and_fov_the_end_of_a_program_takes_the_group_down_for_another_node() {
    let mut bench = loaded(FOV);
    dies(&mut bench, "watch-1", 1);
    assert_eq!(bench.done[..2], ["stop server", "stop vip"], "with no restart in place");
    bench.pass(Span::millis(200));
    let Stand::Failed(Cause::WatchedEnded { id, recovery, .. }) = stand(&bench) else {
        panic!("{:?}", stand(&bench));
    };
    assert_eq!((id.as_str(), recovery), ("AP", Recovery::TakeOver));
}

#[test]
fn what_ends_while_its_group_is_only_observed_is_acted_on_when_that_ends() {
    let mut bench = loaded(FOV);
    let observe = |bench: &mut Bench, takeover: Takeover| {
        let config = Arc::make_mut(bench.record.config.as_mut().expect("a configuration"));
        config.spec.groups.get_mut(&pay()).expect("the group").takeover = takeover;
        bench.change(|_| {});
    };
    observe(&mut bench, Takeover::Observe);
    dies(&mut bench, "watch-1", 1);
    bench.pass(Span::millis(200));
    assert_eq!(bench.done, [""; 0]);
    assert!(matches!(stand(&bench), Stand::Unwell(Cause::WatchedEnded { .. })));
    observe(&mut bench, Takeover::Automatic);
    bench.pass(Span::millis(200));
    assert_eq!(bench.done[..2], ["stop server", "stop vip"], "{:?}", bench.done);
    assert!(matches!(stand(&bench), Stand::Failed(Cause::WatchedEnded { .. })));
}

#[test]
fn cl_09_the_end_of_a_program_without_m_takes_nothing_down() {
    let mut bench = loaded(AtEnd::Log);
    dies(&mut bench, "watch-1", 1);
    bench.pass(Span::secs(1));
    assert_eq!(bench.done, [""; 0]);
    assert_eq!(bench.desk(), &State::Running { epoch: epoch(1) });
    let noted = bench.taken.iter().flat_map(|draft| &draft.writes).any(|write| {
        matches!(write, Write::Event(event)
            if matches!(event.what, crate::record::Happening::WatchedEnded { .. }))
    });
    assert!(noted, "it is written down");
}

#[test]
fn the_end_of_a_program_of_another_run_is_nothing_to_this_one() {
    let mut bench = loaded(FOV);
    dies(&mut bench, "watch-1", 7);
    assert_eq!(bench.done, [""; 0]);
    assert_eq!(state(&bench, "watch-1"), Some(table::State::Up));
}

#[test]
fn cl_13_a_program_that_is_taken_off_the_list_is_ended_and_the_group_runs_on() {
    let mut bench = loaded(FOV);
    let kill = |g: &mut GroupRecord| {
        g.watched.programs.get_mut(&id("AP")).unwrap().ending = Some(Span::secs(100));
    };
    bench.change(kill);
    bench.pass(Span::secs(1));
    assert_eq!(bench.done, ["end watch-1"]);
    let over = table::State::Over { end: EndedBy::Itself };
    assert_eq!(state(&bench, "watch-1"), Some(over));
    assert_eq!(bench.desk(), &State::Running { epoch: epoch(1) });
}

#[test]
fn cl_07_a_program_that_cannot_be_started_is_told_so_and_takes_nothing_down() {
    let mut bench = Bench::running(record());
    bench.failing = Some("watch-1");
    bench.change(|g| put(&mut g.watched, "AP", FOV));
    bench.pass(Span::secs(1));
    assert!(matches!(state(&bench, "watch-1"), Some(table::State::Refused { .. })));
    assert_eq!(bench.desk(), &State::Running { epoch: epoch(1) });
}

#[test]
fn a_resource_of_a_group_that_has_loaded_programs_is_not_mended_by_itself() {
    let mut bench = loaded(AtEnd::Log);
    bench.dies("server");
    assert_eq!(bench.done[..2], ["stop server", "stop vip"], "{:?}", bench.done);
    assert!(matches!(bench.desk(), State::Released { .. }), "begun anew under another epoch");
}

#[test]
fn cl_17_a_group_that_is_stopped_ends_its_programs_and_nothing_of_it_is_a_failure() {
    let mut bench = loaded(FOV);
    bench.change(|g| g.intent = GroupIntent::Stop(order()));
    dies(&mut bench, "watch-1", 1);
    bench.pass(Span::millis(200));
    let failed = bench.beats.iter().any(|beat| {
        let stand = beat.health.groups.get(&pay()).map(|sight| &sight.stand);
        matches!(stand, Some(Stand::Failed(_)))
    });
    assert!(!failed, "nobody hears of a failure");
    assert_eq!(bench.node.watch_states(), BTreeMap::new());
}

fn order() -> crate::record::Order {
    let (by, reason, command) = ("mika".to_owned(), "disk".to_owned(), "c-1".to_owned());
    crate::record::Order { by, reason, at: Wall(0), command }
}

/// A record whose group an earlier agent of node a has run, with two programs loaded.
fn left_running() -> Record {
    let mut record = record();
    let mut group = owned(1, "a");
    if let Ownership::Owned { phase, .. } = &mut group.ownership {
        *phase = Phase::Running;
    }
    put(&mut group.watched, "AP", FOV);
    put(&mut group.watched, "LOGGER", AtEnd::Log);
    let write = Write::Group(pay(), Arc::new(group));
    record.apply(&Draft::default().write(write), Index(2));
    record
}

#[test]
fn a_new_agent_watches_what_it_finds_and_starts_nothing_twice() {
    let found = ["vip", "server", "watch-1", "watch-2"].map(resource_name);
    let mut bench = Bench::finding(left_running(), found.to_vec());
    bench.pass(Span::secs(3));
    assert_eq!(bench.done, ["look what runs"]);
    assert_eq!(state(&bench, "watch-1"), Some(table::State::Up));
    assert_eq!(state(&bench, "watch-2"), Some(table::State::Up));
    dies(&mut bench, "watch-1", 1);
    assert_eq!(bench.done[1..3], ["stop server", "stop vip"], "it is watched on");
}

#[test]
fn what_ended_while_no_agent_looked_is_an_end_like_any_other() {
    let found = ["vip", "server", "watch-1"].map(resource_name);
    let mut bench = Bench::finding(left_running(), found.to_vec());
    bench.pass(Span::secs(3));
    assert!(matches!(state(&bench, "watch-2"), Some(table::State::Ended { .. })));
    let found = ["vip", "server", "watch-2"].map(resource_name);
    let mut bench = Bench::finding(left_running(), found.to_vec());
    bench.pass(Span::secs(3));
    assert!(bench.done.contains(&"stop server".to_owned()), "{:?}", bench.done);
}

#[test]
fn what_runs_and_was_taken_off_the_list_is_ended_and_what_the_list_does_not_know_yet_is_left() {
    let mut record = left_running();
    let mut group = record.group(&pay()).unwrap().clone();
    group.watched.programs.remove(&id("AP"));
    let write = Write::Group(pay(), Arc::new(group));
    record.apply(&Draft::default().write(write), Index(3));
    let found = ["vip", "server", "watch-1", "watch-2", "watch-3"].map(resource_name);
    let mut bench = Bench::finding(record, found.to_vec());
    bench.pass(Span::secs(3));
    assert_eq!(bench.done, ["look what runs", "end watch-1"]);
}
