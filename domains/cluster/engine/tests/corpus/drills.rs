//! Drills, as a group's record and its events keep them.

use std::collections::BTreeMap;

use tsugi_cluster_rules::drill::failure::{self, Failure, FailureTest, Was};
use tsugi_cluster_rules::drill::rehearsal::{Beside, Came, Done, Fault, FaultKind, Part};
use tsugi_cluster_rules::drill::{
    Back, Depth, Drill, Drills, Leg, Level, Proven, Rehearsal, Rehearsed, State, Verdict,
};
use tsugi_cluster_rules::record::{DrillTurn, Happening};
use tsugi_vocabulary::{BootId, Epoch, Span, Wall};

use crate::ledger::{AT, order};
use crate::{every, group, keeps, node, resource};

fn steps(millis: u64) -> Vec<(String, u64)> {
    vec![("disk".to_owned(), millis), ("server".to_owned(), 10 * millis)]
}

fn leg(from: &str, to: &str, epoch: Epoch) -> Leg {
    Leg {
        from: node(from),
        to: node(to),
        epoch,
        at: AT,
        gap: Some(Span::millis(410)),
        stop: steps(3),
        start: steps(30),
        took: Some(Span::millis(335)),
    }
}

fn drill(epoch: Epoch, state: State) -> Box<Drill> {
    Box::new(Drill {
        order: order(),
        level: Level::Move,
        gap: Span::secs(10),
        window: Span::secs(120),
        state,
        there: leg("a", "b", epoch),
        back: Some(leg("b", "a", epoch.next(1))),
        places: BTreeMap::from([(group("PAY"), None), (group("LOG"), Some(node("a")))]),
    })
}

/// One that goes, of a group of which nothing is proven yet.
pub fn under_way(epoch: Epoch) -> Drills {
    let mut drill = drill(epoch, State::Going);
    drill.back = None;
    drill.there =
        Leg { gap: None, stop: Vec::new(), start: Vec::new(), took: None, ..drill.there.clone() };
    Drills { newest: Some(drill), ..Drills::default() }
}

/// One that is over, and what it has proven.
pub fn over(epoch: Epoch) -> Drills {
    let state = State::Ended { at: Wall(AT.0 + 130_000), verdict: Verdict::Proven };
    let gap = Span::millis(410);
    let proven =
        |from, to| Proven { from: node(from), to: node(to), level: Level::Move, at: AT, gap };
    let proven = vec![proven("a", "b"), proven("b", "a")];
    Drills { newest: Some(drill(epoch, state)), proven, ..Drills::default() }
}

/// One beside the running group that is over, with all that it can keep.
fn rehearsal(depth: Depth, state: Beside, (part, kind): (Part, FaultKind)) -> Rehearsal {
    let resource = || "disk".to_owned();
    Rehearsal {
        order: order(),
        depth,
        owner: node("a"),
        epoch: Epoch { incarnation: 1, counter: 4 },
        on: node("b"),
        on_boot: BootId(17),
        limit: Span::secs(120),
        state,
        parts: vec![Done { part, resource: resource(), millis: 12 }],
        fault: Some(Fault { part, resource: resource(), kind, detail: "exit 3".to_owned() }),
    }
}

/// What a group keeps of those.
pub fn beside(epoch: Epoch) -> Drills {
    let under_way = rehearsal(Depth::Isolate, Beside::UnderWay, (Part::Copy, FaultKind::Slow));
    let rehearsal = Rehearsal { epoch, parts: Vec::new(), fault: None, ..under_way };
    let (from, to, took) = (node("a"), node("b"), Span::millis(90));
    let rehearsed = vec![Rehearsed { from, to, depth: Depth::Read, at: AT, took }];
    Drills { rehearsal: Some(Box::new(rehearsal)), rehearsed, ..Drills::default() }
}

pub fn turn(turn: DrillTurn) -> Happening {
    Happening::Drill { by: "mika".to_owned(), turn }
}

pub fn arrived() -> DrillTurn {
    DrillTurn::Arrived { node: node("b"), gap: Span::millis(410) }
}

#[test]
fn a_drill_of_version_1_is_kept_in_every_state_and_with_every_end() {
    let epoch = Epoch { incarnation: 1, counter: 4 };
    let ended = |verdict| State::Ended { at: AT, verdict };
    let back = |because| State::Returning { because };
    let all = [
        ("going", State::Going),
        ("there", State::There),
        ("back-at-the-end", back(Back::Window)),
        ("back-at-the-line", back(Back::StopLine)),
        ("back-after-a-failure", back(Back::Failed)),
        ("back-by-order", back(Back::Ordered)),
        ("proven", ended(Verdict::Proven)),
        ("beyond-its-line", ended(Verdict::BeyondLine)),
        ("failed", ended(Verdict::Failed)),
        ("stayed", ended(Verdict::Stayed)),
        ("interrupted", ended(Verdict::Interrupted)),
    ];
    for (name, state) in all {
        keeps(&format!("drill-{name}"), &*drill(epoch, state));
    }
    every!(
        all.map(|(_, state)| state),
        State::Going,
        State::There,
        State::Returning { because: Back::Window },
        State::Returning { because: Back::StopLine },
        State::Returning { because: Back::Failed },
        State::Returning { because: Back::Ordered },
        State::Ended { verdict: Verdict::Proven, .. },
        State::Ended { verdict: Verdict::BeyondLine, .. },
        State::Ended { verdict: Verdict::Failed, .. },
        State::Ended { verdict: Verdict::Stayed, .. },
        State::Ended { verdict: Verdict::Interrupted, .. },
    );
    every!([Level::Move], Level::Move);
}

#[test]
fn a_drill_beside_the_running_group_of_version_1_is_kept_with_every_end_and_fault() {
    let over = |came| Beside::Ended { at: AT, came };
    let states = [
        ("under-way", Beside::UnderWay),
        ("proven", over(Came::Proven)),
        ("failed", over(Came::Failed)),
        ("interrupted", over(Came::Interrupted)),
    ];
    for (name, state) in states {
        let kept = rehearsal(Depth::Read, state, (Part::Read, FaultKind::Failed));
        keeps(&format!("rehearsal-{name}"), &kept);
    }
    every!(
        states.map(|(_, state)| state),
        Beside::UnderWay,
        Beside::Ended { came: Came::Proven, .. },
        Beside::Ended { came: Came::Failed, .. },
        Beside::Ended { came: Came::Interrupted, .. },
    );
    use Part::{Check, Copy, Drop, Monitor, Mount, Read, Start, Stop};
    let parts = [Copy, Check, Mount, Read, Start, Monitor, Stop, Drop];
    let kinds = [FaultKind::Failed, FaultKind::Slow, FaultKind::Room, FaultKind::Unable];
    for (part, kind) in parts.into_iter().zip(kinds.into_iter().cycle()) {
        let kept = rehearsal(Depth::Isolate, over(Came::Failed), (part, kind));
        keeps(&format!("rehearsal-at-{}", part.word()), &kept);
    }
    let original = rehearsal(Depth::Read, over(Came::Failed), (Copy, FaultKind::Original));
    keeps("rehearsal-of-the-original", &original);
    let kinds = [&kinds[..], &[FaultKind::Original]].concat();
    every!(parts, Copy, Check, Mount, Read, Start, Monitor, Stop, Drop);
    every!(
        kinds,
        FaultKind::Failed,
        FaultKind::Slow,
        FaultKind::Room,
        FaultKind::Unable,
        FaultKind::Original
    );
    every!([Depth::Read, Depth::Isolate], Depth::Read, Depth::Isolate);
}

fn failure_test(failure: Failure, state: failure::State) -> FailureTest {
    let was = |place, failed| Was { epoch: Epoch { incarnation: 1, counter: 7 }, place, failed };
    FailureTest {
        order: order(),
        failure,
        node: node("a"),
        boot: BootId(0xb007 << 100),
        groups: BTreeMap::from([
            (group("PAY"), was(None, Some(AT))),
            (group("LOG"), was(Some(node("a")), None)),
        ]),
        within: Span::secs(60),
        state,
    }
}

#[test]
fn a_failure_test_is_kept_whatever_fails_and_wherever_it_stands() {
    let resource = Some(resource("server"));
    let named = [
        ("group-stop", Failure::GroupStop { group: group("PAY") }),
        ("node-drain", Failure::NodeDrain { node: node("a") }),
        ("process-kill", Failure::ProcessKill { group: group("PAY"), resource }),
        ("agent-kill", Failure::AgentKill { node: node("a") }),
    ];
    for (name, failure) in &named {
        let out = failure_test(failure.clone(), failure::State::Out);
        keeps(&format!("failure-test-{name}"), &out);
    }
    every!(
        named.map(|(_, failure)| failure),
        Failure::GroupStop { .. },
        Failure::NodeDrain { .. },
        Failure::ProcessKill { .. },
        Failure::AgentKill { .. },
    );
    let whole = Failure::ProcessKill { group: group("PAY"), resource: None };
    let verdicts = [
        failure::Verdict::Passed,
        failure::Verdict::Late,
        failure::Verdict::Stayed,
        failure::Verdict::Interrupted,
    ];
    for verdict in verdicts {
        let word = verdict.word();
        let back = failure::State::Back { at: AT, verdict };
        keeps(&format!("failure-test-back-{word}"), &failure_test(whole.clone(), back));
        let ended = failure::State::Ended { back: AT, at: Wall(AT.0 + 900), verdict };
        keeps(&format!("failure-test-ended-{word}"), &failure_test(whole.clone(), ended));
    }
    every!(
        verdicts,
        failure::Verdict::Passed,
        failure::Verdict::Late,
        failure::Verdict::Stayed,
        failure::Verdict::Interrupted,
    );
}
