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
    let left = failures.iter().rposition(|f| f.answer != Answer::Restarted);
    // What a watch says of its own period goes before what the group's configuration says; since
    // the group was last taken over it counts anew.
    let counts = |(at, f): &(usize, &Failure)| match scripts_of(f) {
        Some((_, own)) => left.is_none_or(|left| *at > left) && own.is_none_or(|o| apart(f) < o),
        None => apart(f) < within,
    };
    failures.iter().enumerate().filter(counts).map(|(_, f)| f.clone()).collect()
}

/// The policy towards a failure of this cause: the end of a watched program is answered with a
/// takeover unless the group's configuration says otherwise (CL-10).
pub(super) fn towards(policy: FailurePolicy, cause: &Cause) -> FailurePolicy {
    let no_restart = FailurePolicy { restarts: 0, ..policy };
    match (cause, policy.watched) {
        (
            Cause::WatchedEnded { recovery: Recovery::TakeOver | Recovery::Scripts { .. }, .. },
            _,
        )
        | (Cause::WatchedEnded { .. }, WatchedFailure::Takeover) => no_restart,
        // Who has the volume now, or took the key away, is not found out by taking it again here.
        (Cause::ProcessDied { how, .. }, _) if how.mishap.is_lost_volume() => no_restart,
        _ => policy,
    }
}

/// What is done about a failure of this cause on `node`, after those in `recent`.
pub(super) fn answer_to(
    cause: &Cause,
    policy: FailurePolicy,
    (recent, node): (&[Failure], &NodeName),
) -> Answer {
    if let Cause::WatchedEnded { id, recovery: Recovery::Scripts { times, .. }, .. } = cause
        && scripts_again(recent, (node, id)) < *times
    {
        return Answer::Restarted;
    }
    answer(towards(policy, cause), recent, node)
}

/// How often the scripts of a group were run again on `node` because the program of this watch id
/// had ended, of the failures that count.
pub(super) fn scripts_again(recent: &[Failure], (node, id): (&NodeName, &str)) -> u32 {
    let by_it = |f: &&Failure| f.node == *node && scripts_of(f).is_some_and(|(of, _)| of == id);
    u32::try_from(recent.iter().filter(by_it).count()).unwrap_or(u32::MAX)
}

/// Of a failure that was answered by running the scripts again: for which watch id, and how long
/// it counts.
fn scripts_of(failure: &Failure) -> Option<(&str, Option<Span>)> {
    match (&failure.cause, failure.answer) {
        (
            Cause::WatchedEnded { id, recovery: Recovery::Scripts { within, .. }, .. },
            Answer::Restarted,
        ) => Some((id, *within)),
        _ => None,
    }
}

/// What is done about one more failure on `node`, after those in `recent`.
pub(super) fn answer(policy: FailurePolicy, recent: &[Failure], node: &NodeName) -> Answer {
    let count = |wanted: &dyn Fn(&Failure) -> bool| {
        u32::try_from(recent.iter().filter(|f| wanted(f)).count()).unwrap_or(u32::MAX)
    };
    // Scripts that were run again have a count of their own.
    let restarted = |f: &Failure| f.answer == Answer::Restarted && scripts_of(f).is_none();
    let restarts = count(&|f| f.node == *node && restarted(f));
    let takeovers = count(&|f| f.answer == Answer::TakenOver);
    if restarts < policy.restarts || mutant("retry-without-budget") {
        Answer::Restarted
    } else if takeovers < policy.takeovers {
        Answer::TakenOver
    } else {
        Answer::GaveUp
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(after: u64, answer: Answer) -> Failure {
        let node = NodeName::new("n1").unwrap();
        let (how, recovery) = ("exit 1".into(), Recovery::Scripts { times: 1, within: None });
        let cause = Cause::WatchedEnded { node: node.clone(), id: "AP".to_owned(), how, recovery };
        Failure { at: Wall(after), node, cause, answer }
    }

    #[test]
    fn cl_11_what_was_run_again_before_a_takeover_counts_no_more_however_old_the_takeover_is() {
        let hour = Span::secs(3_600);
        let failures = [ended(0, Answer::Restarted), ended(1, Answer::TakenOver)];
        let n1 = NodeName::new("n1").unwrap();
        for hours in [0, 2] {
            let now = Wall(hours * 3_600_000 + 2);
            let recent = recent(&failures, hour, now);
            assert_eq!(scripts_again(&recent, (&n1, "AP")), 0, "{hours} hours later");
        }
        let since = [&failures[..], &[ended(2, Answer::Restarted)]].concat();
        let recent = recent(&since, hour, Wall(7_200_000));
        assert_eq!(scripts_again(&recent, (&n1, "AP")), 1);
        assert_eq!(scripts_again(&recent, (&n1, "BP")), 0, "another id has its own count");
    }
}
