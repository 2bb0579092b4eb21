//! The whole table: every state with every stand of its group, and what bounds it.

use std::collections::BTreeMap;

use tsugi_vocabulary::{Epoch, NodeName, ResourceName, Span, Wall};

use super::{Back, Bounded, Bounds, Drill, Home, Leg, Level, Stand, State, Step, Verdict, next};
use crate::reason::Cause;
use crate::record::{Answer, Failure, GroupIntent, GroupRecord, Order, Ownership, Phase};
use crate::start_kind::{Ending, StartKind};

const LINE: Span = Span::secs(10);
const STANDS: [Stand; 8] = [
    Stand::Leaving,
    Stand::Rising,
    Stand::Up,
    Stand::Restarted,
    Stand::Dropped,
    Stand::Elsewhere,
    Stand::Taken,
    Stand::Failed,
];

fn node(name: &str) -> NodeName {
    NodeName::new(name).unwrap()
}

const fn epoch(counter: u64) -> Epoch {
    Epoch { incarnation: 1, counter }
}

fn leg(from: &str, to: &str, counter: u64) -> Leg {
    let (from, to, epoch) = (node(from), node(to), epoch(counter));
    let (stop, start) = (Vec::new(), Vec::new());
    Leg { from, to, epoch, at: Wall(1_000), gap: None, stop, start, took: None }
}

/// One that goes from a, epoch 4, to b, epoch 5, and comes back under epoch 6.
fn drill(state: State) -> Drill {
    let order = Order {
        by: "mika".to_owned(),
        reason: "quarterly".to_owned(),
        at: Wall(1_000),
        command: "c1".to_owned(),
    };
    let back = match state {
        State::Going | State::There => None,
        State::Returning { .. } | State::Ended { .. } => Some(leg("b", "a", 6)),
    };
    let mut there = leg("a", "b", 5);
    there.took = back.as_ref().map(|_| Span::secs(1));
    Drill {
        order,
        level: Level::Move,
        gap: LINE,
        window: Span::secs(120),
        state,
        there,
        back,
        places: BTreeMap::new(),
    }
}

const WELL: Bounds = Bounds { gap: Span::secs(1), window: Bounded::Open, home: Home::Open };
const SLOW: Bounds = Bounds { gap: Span::secs(11), ..WELL };
const OVER: Bounds = Bounds { window: Bounded::Closed, ..WELL };

fn row(state: State, bounds: Bounds) -> [Step; 8] {
    STANDS.map(|stand| next(&drill(state), stand, bounds))
}

#[test]
fn every_state_has_an_answer_to_every_stand() {
    use Step::{Arrive, TurnBack, Wait};
    let end = |verdict| Step::End(verdict);
    let (cut, failed) = (end(Verdict::Interrupted), TurnBack(Back::Failed));
    let broken = end(Verdict::Failed);
    let line = TurnBack(Back::StopLine);
    let home = State::Returning { because: Back::Window };
    // Leaving, rising, up, restarted, dropped, elsewhere, taken, failed.
    assert_eq!(row(State::Going, WELL), [Wait, Wait, Arrive, failed, cut, cut, cut, broken]);
    assert_eq!(row(State::Going, SLOW), [Wait, line, Arrive, failed, cut, cut, cut, broken]);
    assert_eq!(row(State::There, WELL), [cut, failed, Wait, failed, cut, cut, cut, broken]);
    let window = TurnBack(Back::Window);
    assert_eq!(row(State::There, OVER), [cut, failed, window, failed, cut, cut, cut, broken]);
    let (proven, stayed) = (end(Verdict::Proven), end(Verdict::Stayed));
    assert_eq!(row(home, WELL), [Wait, Wait, proven, broken, stayed, cut, cut, broken]);
    let beyond = end(Verdict::BeyondLine);
    assert_eq!(row(home, SLOW), [Wait, Wait, beyond, broken, stayed, cut, cut, broken]);
    let ended = State::Ended { at: Wall(2_000), verdict: Verdict::Proven };
    assert_eq!(row(ended, SLOW), [Wait; 8]);
}

#[test]
fn what_came_of_it_is_what_it_went_back_for() {
    let up = |because| next(&drill(State::Returning { because }), Stand::Up, WELL);
    assert_eq!(up(Back::Window), Step::End(Verdict::Proven));
    assert_eq!(up(Back::Ordered), Step::End(Verdict::Proven));
    assert_eq!(up(Back::StopLine), Step::End(Verdict::BeyondLine));
    assert_eq!(up(Back::Failed), Step::End(Verdict::Failed));
    let mut rising = drill(State::Returning { because: Back::Ordered });
    rising.there.took = None;
    let cut = Step::End(Verdict::Interrupted);
    assert_eq!(next(&rising, Stand::Up, WELL), cut, "it was called back before it was up");
}

#[test]
fn one_that_arrived_too_late_goes_back_before_its_window_ends() {
    let mut drill = drill(State::There);
    drill.there.gap = Some(LINE);
    assert_eq!(next(&drill, Stand::Up, WELL), Step::Wait, "on the line is within it");
    drill.there.gap = Some(LINE + Span::millis(1));
    assert_eq!(next(&drill, Stand::Up, WELL), Step::TurnBack(Back::StopLine));
}

#[test]
fn without_a_way_home_it_goes_on_rising_and_stays_where_it_is_up() {
    let closed = |bounds: Bounds| Bounds { home: Home::Closed, ..bounds };
    assert_eq!(next(&drill(State::Going), Stand::Rising, closed(SLOW)), Step::Wait);
    let stayed = Step::End(Verdict::Stayed);
    assert_eq!(next(&drill(State::There), Stand::Up, closed(OVER)), stayed);
    assert_eq!(next(&drill(State::There), Stand::Restarted, closed(WELL)), stayed);
    let back = drill(State::Returning { because: Back::Window });
    assert_eq!(next(&back, Stand::Leaving, closed(WELL)), Step::Wait);
}

#[test]
fn what_is_due_home_waits_for_what_passes_by_itself() {
    let awaited = |bounds: Bounds| Bounds { home: Home::Awaited, ..bounds };
    let there = drill(State::There);
    assert_eq!(next(&there, Stand::Up, awaited(OVER)), Step::AwaitHome);
    assert_eq!(next(&there, Stand::Restarted, awaited(WELL)), Step::AwaitHome);
    assert_eq!(next(&there, Stand::Up, awaited(WELL)), Step::Wait, "it is not due");
    assert_eq!(next(&drill(State::Going), Stand::Rising, awaited(SLOW)), Step::Wait);
}

fn owned(by: &str, counter: u64, phase: Phase, to: Option<&str>) -> GroupRecord {
    let ownership = Ownership::Owned {
        node: node(by),
        boot: None,
        start: StartKind::Normal,
        cause: Cause::ClusterStart,
        phase,
        handover: to.map(node),
    };
    GroupRecord { epoch: epoch(counter), ownership, ..GroupRecord::new(GroupIntent::Run) }
}

#[test]
fn how_a_group_stands_is_told_by_its_owner_and_the_epoch_of_the_order() {
    let going = |entry: &GroupRecord| drill(State::Going).stand(entry);
    let (up, rising) = (Phase::Running, Phase::Starting);
    assert_eq!(going(&owned("a", 4, up, Some("b"))), Stand::Leaving);
    assert_eq!(going(&owned("b", 5, rising, None)), Stand::Rising);
    assert_eq!(going(&owned("b", 5, up, None)), Stand::Up);
    let taken = |node: &str, counter| {
        let mut entry = owned("b", counter, up, None);
        if let Ownership::Owned { cause, .. } = &mut entry.ownership {
            *cause = Cause::PowerLost { node: self::node(node) };
        }
        entry
    };
    assert_eq!(going(&taken("b", 6)), Stand::Restarted);
    assert_eq!(going(&taken("a", 5)), Stand::Elsewhere, "a takeover, and not the drill");
    let failed = |owner: &str, at: &str| {
        let mut entry = owned(owner, 6, up, None);
        if let Ownership::Owned { cause, .. } = &mut entry.ownership {
            let resource = ResourceName::new("server").unwrap();
            *cause = Cause::StartFailed { node: node(at), resource, how: "exit 3".into() };
        }
        entry
    };
    assert_eq!(going(&failed("a", "b")), Stand::Failed, "taken over from where it had failed");
    assert_eq!(going(&failed("c", "a")), Stand::Elsewhere, "it failed before it went");
    let Ownership::Owned { cause, .. } = failed("a", "b").ownership else { panic!("owned") };
    let gave_up = GroupIntent::GaveUp { cause: cause.clone(), at: Wall(0) };
    assert_eq!(going(&GroupRecord::new(gave_up)), Stand::Failed);
    let mut nobody = GroupRecord::new(GroupIntent::Run);
    nobody.ended = Ending::Failure;
    nobody.failures =
        vec![Failure { at: Wall(0), node: node("b"), cause, answer: Answer::TakenOver }];
    assert_eq!(going(&nobody), Stand::Failed, "nobody has it yet");
    assert_eq!(going(&owned("b", 6, up, None)), Stand::Elsewhere, "moved by somebody else");
    assert_eq!(going(&owned("a", 4, up, None)), Stand::Dropped);
    assert_eq!(going(&owned("a", 4, up, Some("c"))), Stand::Elsewhere);
    assert_eq!(going(&owned("a", 6, up, Some("b"))), Stand::Elsewhere, "a later run of it");
    assert_eq!(going(&owned("b", 5, up, Some("c"))), Stand::Elsewhere);
    assert_eq!(going(&owned("c", 5, up, None)), Stand::Elsewhere);
    assert_eq!(going(&GroupRecord::new(GroupIntent::Run)), Stand::Elsewhere);
    let stopped = Order { at: Wall(0), ..drill(State::Going).order };
    let entry = GroupRecord { intent: GroupIntent::Stop(stopped), ..owned("b", 5, up, None) };
    assert_eq!(going(&entry), Stand::Taken);
    let back = drill(State::Returning { because: Back::Window });
    assert_eq!(back.stand(&owned("b", 5, up, Some("a"))), Stand::Leaving);
    assert_eq!(back.stand(&owned("a", 6, up, None)), Stand::Up);
}
