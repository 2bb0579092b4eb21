//! What a node does about a resource that failed.

use super::*;
use crate::desk::Probe;
use crate::plan::Stand;
use crate::reason::{How, Mishap};
use crate::record::Answer;
use crate::start_kind::Ending;

#[test]
fn cl_10_a_programs_end_is_mended_in_place_as_often_as_configured_then_given_away() {
    let mut bench = Bench::running(record());
    bench.dies("server");
    assert_eq!(bench.done, ["stop server", "start server"], "only what failed");
    assert_eq!(bench.desk(), &State::Running { epoch: epoch(1) }, "under the same epoch");
    let counted: Vec<Answer> = bench.group().failures.iter().map(|f| f.answer).collect();
    assert_eq!(counted, [Answer::Restarted], "and it counts");
    bench.done.clear();
    bench.dies("server");
    bench.pass(Span::millis(200));
    let up = |w: &String| w.starts_with("start");
    assert!(!bench.done.iter().any(up), "not here again: {:?}", bench.done);
    assert_eq!(bench.done[..2], ["stop server", "stop vip"]);
    assert!(matches!(bench.desk(), State::Released { .. } | State::Clear), "{:?}", bench.desk());
}

#[test]
fn cl_10_a_restart_that_its_own_view_does_not_show_yet_counts_all_the_same() {
    for ledger in [Ledger::Unseen, Ledger::Silent] {
        let mut bench = Bench::running(record());
        bench.ledger = ledger;
        bench.dies("server");
        bench.pass(Span::millis(500));
        assert_eq!(bench.done, ["stop server", "start server"], "{ledger:?}");
        bench.done.clear();
        bench.dies("server");
        bench.pass(Span::millis(200));
        assert_eq!(bench.done[..2], ["stop server", "stop vip"], "{ledger:?}: not here again");
    }
}

#[test]
fn what_an_operator_takes_out_of_the_record_counts_no_more() {
    let mut bench = Bench::running(record());
    bench.dies("server");
    bench.change(|group| group.failures.clear());
    bench.done.clear();
    bench.dies("server");
    assert_eq!(bench.done, ["stop server", "start server"]);
}

#[test]
fn a_group_that_was_given_away_is_told_as_failed_and_asked_for_no_more() {
    let mut bench = Bench::running(record());
    bench.ledger = Ledger::Silent;
    bench.dies("server");
    bench.pass(Span::millis(500));
    let failures = |bench: &Bench| {
        let beat = bench.beats.last().unwrap();
        let sight = beat.health.groups.get(&pay()).cloned();
        (beat.asked.clone(), sight.map(|s| s.stand))
    };
    assert_eq!(failures(&bench).1, Some(Stand::Running), "mended although nobody took it down");
    bench.change(|g| {
        let node = name("a");
        let (resource, how) = (resource_name("server"), "exit 3".into());
        let cause = Cause::ProcessDied { node: node.clone(), resource, how };
        let at = Wall(bench_wall());
        g.failures.push(crate::record::Failure { at, node, cause, answer: Answer::Restarted });
    });
    bench.dies("server");
    bench.pass(Span::millis(200));
    let (asked, stand) = failures(&bench);
    assert!(matches!(stand, Some(Stand::Failed(Cause::ProcessDied { .. }))), "{stand:?}");
    assert_eq!(asked, [], "a released epoch is not asked for");
    assert_eq!(bench.beats.last().unwrap().released, [(pay(), epoch(1))]);
}

/// The wall clock of the bench when it begins, in milliseconds.
fn bench_wall() -> u64 {
    10_000
}

#[test]
fn the_end_of_a_program_of_another_epoch_is_no_failure_of_this_one() {
    let mut bench = Bench::running(record());
    let (group, resource, how) = (pay(), resource_name("server"), "exit 3".into());
    bench.tell(Event::Died { group, epoch: epoch(7), resource, how });
    assert_eq!(bench.done, [""; 0]);
    assert_eq!(bench.desk(), &State::Running { epoch: epoch(1) });
}

#[test]
fn ph_08_an_address_whose_link_is_lost_moves_to_the_next_link_and_the_group_stays() {
    let mut bench = Bench::running(record());
    for link in ["eth0", "eth1"] {
        bench.tell(Event::Link { link: link.to_owned(), state: crate::record::LinkState::Up });
    }
    let state = crate::record::LinkState::Down;
    bench.tell(Event::Link { link: "eth0".to_owned(), state });
    bench.pass(Span::secs(1));
    assert_eq!(bench.done, ["move vip to eth1"]);
    assert_eq!(bench.desk(), &State::Running { epoch: epoch(1) });
    assert_eq!(bench.group().epoch, epoch(1), "no takeover");
}

#[test]
fn a_guardian_that_was_lost_has_let_go_and_nothing_more_is_stopped_here() {
    let mut bench = Bench::running(record());
    bench.tell(Event::GuardianLost);
    let acts: Vec<&String> = bench.done.iter().filter(|w| *w != "disarm").collect();
    assert!(acts.iter().all(|w| !w.starts_with("stop") && *w != "let go"), "{acts:?}");
    let beat = bench.beats.last().unwrap();
    assert!(beat.asked.is_empty(), "its lease is not asked for again");
}

#[test]
fn an_address_that_somebody_had_is_asked_for_more_than_once_before_it_is_taken() {
    let failed = |how: Cause| {
        let mut group = owned(2, "a");
        group.ended = Ending::Failure;
        if let Ownership::Owned { cause, .. } = &mut group.ownership {
            *cause = how;
        }
        let mut bench = Bench::new(record());
        bench.write(group);
        bench.node.terms(&pay()).probe
    };
    let (node, resource, how) = (name("b"), resource_name("vip"), "no such link".into());
    let start = |how| Cause::StartFailed { node: node.clone(), resource: resource.clone(), how };
    assert_eq!(failed(start(how)), Probe::Once, "somebody else may have it");
    let holder = "02:00:00:00:00:af".to_owned();
    let in_use = How::of(Mishap::AddressInUse { holder }, "in use");
    assert_eq!(failed(start(in_use)), Probe::Insistent, "somebody had it when it was last wanted");
    let died = Cause::ProcessDied { node, resource, how: "exit 3".into() };
    assert_eq!(failed(died), Probe::NotNeeded, "the address was ours until the release");
}

/// The storage keeps a volume of the group for this node no more.
fn loses(bench: &mut Bench, resource: &str) {
    let obstacle = crate::reservation::Obstacle::Lost;
    let how = How::of(Mishap::Reservation { obstacle }, "keys -; reservation -");
    let (group, epoch, resource) = (pay(), epoch(1), resource_name(resource));
    bench.tell(Event::Died { group, epoch, resource, how });
}

#[test]
fn a_group_whose_disk_was_taken_away_is_let_go_of_at_once_and_not_taken_again_here() {
    let mut bench = Bench::running(record());
    loses(&mut bench, "vip");
    assert_eq!(bench.done, ["let go", "disarm"], "no stop in order: nothing may be written");
    bench.pass(Span::millis(500));
    let counted: Vec<Answer> = bench.group().failures.iter().map(|f| f.answer).collect();
    assert!(!counted.contains(&Answer::Restarted), "{counted:?}");
    assert!(!bench.done.iter().any(|what| what.starts_with("start")), "{:?}", bench.done);
}

#[test]
fn neither_a_pause_nor_mere_observing_keeps_a_group_whose_disk_was_taken_away() {
    let mut observed = record();
    let config = Arc::make_mut(observed.config.as_mut().unwrap());
    config.spec.groups.get_mut(&pay()).unwrap().takeover = crate::spec::Takeover::Observe;
    let mut bench = Bench::running(observed);
    loses(&mut bench, "vip");
    assert_eq!(bench.done, ["let go", "disarm"]);
    let mut bench = Bench::running(record());
    let order = crate::record::Order {
        by: "mika".to_owned(),
        reason: "maintenance".to_owned(),
        at: Wall(0),
        command: "c-1".to_owned(),
    };
    let guard = crate::record::Guard::Disarmed;
    let pause = crate::record::Pause { order, until: None, pinned: Some(name("a")), guard };
    bench.change(|group| group.pause = Some(pause));
    bench.done.clear();
    loses(&mut bench, "vip");
    assert_eq!(bench.done, ["let go", "disarm"]);
}
