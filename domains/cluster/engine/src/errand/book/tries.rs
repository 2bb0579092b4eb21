//! Tries: how long one may take, and whether another follows.

use tsugi_cluster_rules::desk::Act;
use tsugi_host::request::{Failure, Request};
use tsugi_vocabulary::{GroupName, Moment, ResourceName, Span};

use super::super::{ANSWER_LIMIT, Job, Step, again};
use super::{CUT_SHORT, Errand, Errands, Finished, Wait, seen};

/// Whether there is time to try again what may be better a moment later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    Patient,
    /// The node was told to end: its hands wait for nobody for long.
    Hurried,
}

impl Errands {
    /// What waits for its next try has it now, and it is the last one.
    pub(super) fn hurry(&mut self, now: Moment) {
        self.pace = Pace::Hurried;
        for errand in self.open.values_mut() {
            if let Wait::Rest { until } = &mut errand.wait {
                *until = now;
            }
        }
    }

    /// Whether an errand whose step failed so has other steps now: the same once more.
    pub(super) fn tries_again(
        &mut self,
        number: u64,
        failure: &Failure,
        out: &mut Vec<Finished>,
    ) -> bool {
        let Some(errand) = self.open.get_mut(&number) else { return false };
        let Some(step) = errand.steps.front() else { return false };
        if errand.detours == CUT_SHORT {
            return false;
        }
        let so_far = match self.pace {
            Pace::Patient => errand.again,
            Pace::Hurried => u32::MAX,
        };
        let place = (&errand.job, &self.around);
        let Some((steps, told)) = again::steps(place, step, (failure, so_far)) else {
            return false;
        };
        errand.again += 1;
        // What comes after it still does, as the role of a mirror after its release.
        let after = errand.steps.split_off(1);
        errand.steps = steps.into();
        errand.steps.extend(after);
        out.extend(told.map(|what| seen(&errand.job, what)));
        true
    }

    /// The stops of a group that wait for their next try. None of its stops has one any more: its
    /// group is let go of, and what they could not release goes with the rest.
    pub(super) fn stops_that_wait(&mut self, group: &GroupName) -> Vec<u64> {
        let stops = |e: &Errand| matches!(e.job.what, Act::Stop { .. }) && e.job.group == *group;
        let mut waiting = Vec::new();
        for (number, errand) in self.open.iter_mut().filter(|(_, e)| stops(e)) {
            errand.detours = CUT_SHORT;
            if matches!(errand.wait, Wait::Rest { .. }) {
                waiting.push(*number);
            }
        }
        waiting
    }
}

/// A mount may have a journal to replay, and a release much to write out: one try may take as long
/// as its resource's start or stop.
pub(super) fn answer_limit(job: &Job, step: &Step) -> Span {
    let its = |name: &ResourceName| job.spec.resources.iter().find(|r| r.name == *name);
    let limit = match (step, &job.what) {
        (Step::Ask(Request::Mount { .. }), Act::Start { resource, .. }) => {
            its(resource).map(|r| r.start_limit)
        }
        (Step::Ask(Request::Unmount { .. }), Act::Stop { resource, .. }) => {
            its(resource).map(|r| r.stop_limit)
        }
        _ => None,
    };
    limit.unwrap_or(ANSWER_LIMIT).max(ANSWER_LIMIT)
}
