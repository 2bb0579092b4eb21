//! What a volume refused is asked for again: a mount that failed, and a release that found it in
//! use. How often, and what follows then, the rules say.

use tsugi_cluster_rules::desk::Act;
use tsugi_cluster_rules::reason::How;
use tsugi_cluster_rules::record::Happening;
use tsugi_cluster_rules::spec::{ResourceKind, VolumeCheck, VolumeSource};
use tsugi_cluster_rules::volume::{self, Next};
use tsugi_host::request::{Failure, Request, Unmounting};

use super::how::how_failed;
use super::{Job, Step, Surroundings};

/// The steps by which a job tries once more, after `again` further tries, and what is to be told
/// of it; none if nothing is tried again.
pub(super) fn steps(
    (job, around): (&Job, &Surroundings),
    step: &Step,
    (failure, again): (&Failure, u32),
) -> Option<(Vec<Step>, Option<Happening>)> {
    let (Act::Start { resource: name, .. } | Act::Stop { resource: name, .. }) = &job.what else {
        return None;
    };
    let resource = job.spec.resources.iter().find(|r| r.name == *name)?;
    let ResourceKind::Volume { source: VolumeSource::Block(_), retries, check, .. } =
        &resource.kind
    else {
        return None;
    };
    let same = || vec![step.clone()];
    let (next, once_more) = match (step, failure) {
        (
            Step::Ask(Request::Unmount { how: Unmounting::Gentle, .. }),
            Failure::StillThere { .. },
        ) => (volume::in_use(*retries, again), same()),
        (Step::Ask(Request::Mount { .. }), failure) if may_pass(failure) => {
            let steps = match check {
                VolumeCheck::Always => super::volume::checked_mount(job, around, resource),
                VolumeCheck::Failed | VolumeCheck::Never => same(),
            };
            (volume::not_mounted(*retries, again), steps)
        }
        _ => return None,
    };
    match (next, step) {
        (Next::Again { after }, _) => {
            let how: How = how_failed(failure);
            let told = Happening::VolumeAgain { resource: name.clone(), how, after };
            let mut steps = vec![Step::Rest { time: after }];
            steps.extend(once_more);
            Some((steps, Some(told)))
        }
        (Next::Kill, Step::Ask(Request::Unmount { dir, .. })) => {
            let (dir, how) = (dir.clone(), Unmounting::Orderly);
            Some((vec![Step::Ask(Request::Unmount { dir, how })], None))
        }
        (Next::Kill | Next::GiveUp, _) => None,
    }
}

/// Whether a mount that failed so may be better a moment later: a device that comes late, or a
/// path to it that is lost for a while.
const fn may_pass(failure: &Failure) -> bool {
    match failure {
        Failure::Source { .. }
        | Failure::Busy
        | Failure::DiskFails { .. }
        | Failure::System { .. } => true,
        Failure::NotArmed { .. }
        | Failure::NoLink { .. }
        | Failure::LinkDown { .. }
        | Failure::OnOtherLink { .. }
        | Failure::MountedElsewhere { .. }
        | Failure::PlaceTaken { .. }
        | Failure::StillThere { .. }
        | Failure::NoProgram
        | Failure::NotStarted { .. }
        | Failure::NeedsRoot
        | Failure::Malformed { .. }
        | Failure::DiskFull { .. }
        | Failure::NoEffect { .. } => false,
    }
}
