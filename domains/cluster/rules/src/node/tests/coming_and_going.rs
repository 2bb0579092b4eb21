//! Groups that are handed over, nodes that leave, agents that come back.

use super::*;
use crate::record::{EventRecord, Happening, NodeIntent};
use crate::start_kind::Ending;

#[test]
fn nothing_starts_before_a_majority_has_promised_and_the_guardian_knows() {
    let mut bench = Bench::new(record());
    bench.voters.clear();
    bench.give(|_| ());
    bench.pass(Span::secs(2));
    assert_eq!(bench.done, [""; 0], "the entry alone starts nothing");
    assert_eq!(bench.desk(), &State::Waiting { epoch: epoch(1) });
    bench.voters = vec![name("b")];
    bench.pass(Span::millis(100));
    assert_eq!(bench.done, ["start vip", "start server"]);
    let (armed, deadline) = bench.deadlines[0];
    assert!(armed < deadline, "the guardian had the deadline first");
}

#[test]
fn cl_02_ph_06_a_hand_over_stops_in_reverse_and_is_one_entry_that_names_the_target() {
    let mut bench = Bench::running(record());
    bench.change(|g| {
        if let Ownership::Owned { handover, .. } = &mut g.ownership {
            *handover = Some(name("b"));
        }
    });
    assert_eq!(bench.done[..3], ["stop server", "stop vip", "disarm"]);
    let entries = bench.entries();
    assert_eq!(entries.len(), 1, "released and given in one entry");
    assert_eq!(entries[0].owner(), Some(&name("b")));
    assert_eq!(entries[0].epoch, epoch(2));
    bench.pass(Span::secs(2));
    assert_eq!(bench.done.len(), 3, "and nothing of it comes up here again");
    assert_eq!(bench.desk(), &State::Clear);
}

#[test]
fn a_node_that_leaves_says_so_and_goes_when_its_groups_are_elsewhere() {
    let mut bench = Bench::running(record());
    bench.tell(Event::Leave);
    let intent = |b: &Bench| b.record.nodes[&name("a")].value.intent.clone();
    assert_eq!(intent(&bench), NodeIntent::Leaving(BOOT));
    bench.pass(Span::secs(1));
    assert!(!bench.left, "it still owns a group");
    bench.change(|g| {
        if let Ownership::Owned { handover, .. } = &mut g.ownership {
            *handover = Some(name("b"));
        }
    });
    bench.pass(Span::millis(100));
    assert_eq!(bench.group().owner(), Some(&name("b")));
    bench.change(|g| {
        if let Ownership::Owned { phase, .. } = &mut g.ownership {
            *phase = Phase::Running;
        }
    });
    assert!(bench.left, "the target serves");
    let beats = bench.beats.len();
    bench.pass(Span::secs(1));
    assert_eq!(bench.beats.len(), beats, "who has left is silent");
}

#[test]
fn a_node_that_nobody_relieves_stops_its_groups_in_order_and_goes() {
    let mut bench = Bench::running(record());
    bench.ledger = Ledger::Silent;
    bench.tell(Event::Leave);
    bench.pass(Span::secs(7));
    assert!(!bench.left, "it waits for a while");
    bench.pass(Span::secs(3));
    assert!(bench.left);
    assert_eq!(bench.done[..2], ["stop server", "stop vip"]);
}

/// A new agent on a machine where an earlier one had said that the group runs, and what is found.
fn second_agent(found: &[&str]) -> Bench {
    after_an_agent_that_said(Phase::Running, found)
}

fn after_an_agent_that_said(said: Phase, found: &[&str]) -> Bench {
    let taken =
        Taken { epoch: epoch(1), spec: Arc::new(group_spec()), machine: Some(super::MACHINE) };
    after_an_agent_that_wrote(said, found, Some(taken))
}

fn after_an_agent_that_wrote(said: Phase, found: &[&str], taken: Option<Taken>) -> Bench {
    let mut record = record();
    let mut group = owned(1, "a");
    if let Ownership::Owned { phase, .. } = &mut group.ownership {
        *phase = said;
    }
    let write = Write::Group(pay(), Arc::new(group));
    record.apply(&Draft::default().write(write), Index(2));
    let found = found.iter().map(|f| resource_name(f)).collect();
    Bench::knowing(record, found, taken.map(|taken| (pay(), taken)).into_iter().collect())
}

/// Why the group had to be let go of, as the node said it.
fn let_go_because(bench: &mut Bench) -> Option<Cause> {
    bench.pass(Span::secs(1));
    let of_beat = |b: &Heartbeat| match b.health.groups.get(&pay()).map(|s| &s.stand) {
        Some(crate::plan::Stand::Failed(cause)) => Some(cause.clone()),
        _ => None,
    };
    let of_write = |write: &Write| match write {
        Write::Event(EventRecord { what: Happening::Failed { cause, .. }, .. }) => {
            Some(cause.clone())
        }
        _ => None,
    };
    let written = bench.taken.iter().flat_map(|d| &d.writes).find_map(of_write);
    written.or_else(|| bench.beats.iter().find_map(of_beat))
}

#[test]
fn what_a_machine_that_is_new_cannot_find_was_lost_with_the_machine() {
    let of = |machine| Taken { epoch: epoch(1), spec: Arc::new(group_spec()), machine };
    let (agent, power) =
        (Cause::AgentLost { node: name("a") }, Cause::PowerLost { node: name("a") });
    let another = Some(BootId(super::MACHINE.0 + 1));
    for (said, found, taken, cause) in [
        (Phase::Running, &[][..], Some(of(Some(super::MACHINE))), &agent),
        (Phase::Running, &[][..], Some(of(another)), &power),
        (Phase::Starting, &[][..], Some(of(another)), &power),
        // The page of a version that did not say, and one that went with the machine.
        (Phase::Running, &[][..], Some(of(None)), &agent),
        (Phase::Running, &[][..], None, &power),
        (Phase::Starting, &[][..], None, &agent),
        (Phase::Running, &["vip"][..], None, &agent),
    ] {
        let mut bench = after_an_agent_that_wrote(said, found, taken.clone());
        let told = let_go_because(&mut bench);
        assert_eq!(told.as_ref(), Some(cause), "{said:?} {found:?} {taken:?}");
    }
}

#[test]
fn an_agent_that_comes_back_to_less_than_the_group_lets_go_and_says_why() {
    for found in [&[][..], &["vip"][..]] {
        let mut bench = second_agent(found);
        bench.pass(Span::secs(1));
        assert_eq!(bench.done[..2], ["look what runs", "let go"]);
        assert!(!bench.done.iter().any(|w| w.starts_with("start")), "{:?}", bench.done);
        let told = |b: &Heartbeat| match b.health.groups.get(&pay()).map(|s| &s.stand) {
            Some(crate::plan::Stand::Failed(cause)) => matches!(cause, Cause::AgentLost { .. }),
            _ => false,
        };
        let written = bench.taken.iter().flat_map(|d| &d.writes).any(agent_lost);
        assert!(written || bench.beats.iter().any(told));
    }
}

fn agent_lost(write: &Write) -> bool {
    let Write::Event(event) = write else { return false };
    matches!(&event.what, Happening::Failed { cause: Cause::AgentLost { .. }, .. })
}

#[test]
fn an_agent_that_comes_back_takes_over_what_runs_and_starts_nothing() {
    let mut bench = second_agent(&["vip", "server"]);
    bench.pass(Span::secs(1));
    assert_eq!(bench.done, ["look what runs"]);
    assert_eq!(bench.desk(), &State::Running { epoch: epoch(1) });
    assert!(bench.deadlines.len() > 1, "the guardian keeps hearing of new deadlines");
}

#[test]
fn what_a_former_agent_was_still_starting_is_let_go_of_although_all_of_it_is_found() {
    let mut bench = after_an_agent_that_said(Phase::Starting, &["vip", "server"]);
    bench.pass(Span::secs(1));
    assert_eq!(bench.done[..2], ["look what runs", "let go"]);
    let written = bench.taken.iter().flat_map(|d| &d.writes).any(agent_lost);
    let told = bench.beats.iter().any(|b| !b.released.is_empty());
    assert!(written || told, "and says so");
}

fn hand_over_to_b(bench: &mut Bench) {
    bench.change(|g| {
        if let Ownership::Owned { handover, cause, .. } = &mut g.ownership {
            *handover = Some(name("b"));
            *cause = Cause::Operator { by: "yamada".to_owned(), reason: String::new() };
        }
    });
}

/// How the ledger was told that the group went down: each step, and the ending.
fn told_stop(bench: &Bench) -> Option<(Vec<(String, u64)>, Ending)> {
    let told = |write: &Write| match write {
        Write::Event(EventRecord { what: Happening::Stopped { steps, ending }, .. }) => {
            Some((steps.clone(), *ending))
        }
        _ => None,
    };
    bench.taken.iter().flat_map(|d| &d.writes).find_map(told)
}

#[test]
fn a_stop_is_told_with_its_steps_and_an_operators_move_after_it_inherits_nothing() {
    let mut bench = Bench::running(record());
    hand_over_to_b(&mut bench);
    let steps = vec![("server".to_owned(), 1), ("vip".to_owned(), 1)];
    assert_eq!(told_stop(&bench), Some((steps, Ending::Orderly)));
    let Ownership::Owned { start, .. } = &bench.group().ownership else {
        panic!("it has an owner")
    };
    assert_eq!((bench.group().ended, *start), (Ending::Orderly, StartKind::Normal));
}

#[test]
fn cl_18_what_cannot_be_released_is_written_down_once_while_its_lease_runs_out() {
    let mut bench = Bench::running(record());
    bench.stops = Stops::Hang;
    hand_over_to_b(&mut bench);
    bench.pass(Span::secs(5));
    let written = |write: &Write| match write {
        Write::Event(EventRecord { what: Happening::Unreleased { left }, .. }) => {
            Some(left.clone())
        }
        _ => None,
    };
    let all = bench.taken.iter().flat_map(|d| &d.writes).filter_map(written);
    assert_eq!(all.collect::<Vec<_>>(), ["share: no end within its limit"]);
    let renewed = bench.deadlines.iter().filter(|(_, deadline)| *deadline > bench.now);
    assert_eq!(renewed.count(), 0, "its lease is not renewed");
    assert!(matches!(bench.group().ownership, Ownership::Owned { .. }), "and it is still its own");
}

#[test]
fn a_stop_that_had_to_kill_is_told_as_forced_and_what_runs_next_carries_on() {
    let mut bench = Bench::running(record());
    bench.stops = Stops::Killed;
    hand_over_to_b(&mut bench);
    let steps = vec![("server".to_owned(), 2_000), ("vip".to_owned(), 2_000)];
    assert_eq!(told_stop(&bench), Some((steps, Ending::Forced)));
    let Ownership::Owned { start, .. } = &bench.group().ownership else {
        panic!("it has an owner")
    };
    assert_eq!((bench.group().ended, *start), (Ending::Forced, StartKind::Restart));
}

#[test]
fn what_was_given_to_another_life_of_this_node_is_looked_for_before_it_is_asked_for() {
    let mut bench = Bench::new(record());
    bench.give(|g| {
        if let Ownership::Owned { boot, phase, .. } = &mut g.ownership {
            (*boot, *phase) = (Some(BootId(7)), Phase::Running);
        }
    });
    bench.pass(Span::secs(1));
    assert_eq!(bench.done[..2], ["look what runs", "let go"]);
    assert!(!bench.done.iter().any(|w| w.starts_with("start")), "{:?}", bench.done);
    let mut bench = Bench::new(record());
    bench.give(|g| {
        if let Ownership::Owned { boot, .. } = &mut g.ownership {
            *boot = Some(BOOT);
        }
    });
    bench.pass(Span::secs(1));
    assert_eq!(bench.done, ["start vip", "start server"], "this life was meant");
}
