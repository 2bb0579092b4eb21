//! The failure policy: restart in place n times within a period, then take over, then give up.

use tsugi_vocabulary::{NodeName, Span, Wall};

use crate::mutant::mutant;
use crate::reason::Cause;
use crate::record::{Answer, Failure};
use crate::spec::{FailurePolicy, WatchedFailure};
use crate::watch::Recovery;

/// How long `then` is before `now` on the wall; zero if the clock was set back.
pub(super) fn ago(then: Wall, now: Wall) -> Span {
    Span::millis(now.0.saturating_sub(then.0))
}

/// The failures that still count, oldest first. A wall clock may have stepped since: one that
/// seems to lie a whole period ahead is as old as nobody knows, and no longer counts.
pub(super) fn recent(failures: &[Failure], within: Span, now: Wall) -> Vec<Failure> {
    let apart = |f: &Failure| Span::millis(f.at.0.abs_diff(now.0));
    failures.iter().filter(|f| apart(f) < within).cloned().collect()
}

/// The policy towards a failure of this cause: the end of a watched program is answered with a
/// takeover unless the group's configuration says otherwise (CL-10).
pub(super) fn towards(policy: FailurePolicy, cause: &Cause) -> FailurePolicy {
    let no_restart = FailurePolicy { restarts: 0, ..policy };
    match (cause, policy.watched) {
        (Cause::WatchedEnded { recovery: Recovery::TakeOver, .. }, _)
        | (Cause::WatchedEnded { .. }, WatchedFailure::Takeover) => no_restart,
        _ => policy,
    }
}

/// What is done about one more failure on `node`, after those in `recent`.
pub(super) fn answer(policy: FailurePolicy, recent: &[Failure], node: &NodeName) -> Answer {
    let count = |wanted: &dyn Fn(&Failure) -> bool| {
        u32::try_from(recent.iter().filter(|f| wanted(f)).count()).unwrap_or(u32::MAX)
    };
    let restarts = count(&|f| f.node == *node && f.answer == Answer::Restarted);
    let takeovers = count(&|f| f.answer == Answer::TakenOver);
    if restarts < policy.restarts || mutant("retry-without-budget") {
        Answer::Restarted
    } else if takeovers < policy.takeovers {
        Answer::TakenOver
    } else {
        Answer::GaveUp
    }
}
