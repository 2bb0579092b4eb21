//! Another way for what failed: for an address the next of its links, or off the link that has
//! it; for a damaged volume a check of its file system.
//!
//! An address lists its links. Which of them carries is seen best where it is added: what the
//! rules last saw may be older than the cut.

use tsugi_cluster_rules::desk::{Act, Probe};
use tsugi_cluster_rules::spec::{ResourceKind, ResourceSpec, VolumeCheck};
use tsugi_host::request::{Failure, Request};

use super::{Job, Step, Surroundings, recipe, volume};

/// The steps by which a job gets on although a step failed so, if there are any; `taken` is how
/// many detours it has behind it.
pub(super) fn around(
    (job, around): (&Job, &Surroundings),
    failure: &Failure,
    taken: usize,
) -> Option<Vec<Step>> {
    let (name, wanted, probe) = match &job.what {
        Act::Start { resource, probe, .. } => (resource, None, *probe),
        Act::MoveAddress { resource, link } => (resource, Some(link), Probe::NotNeeded),
        Act::Stop { .. }
        | Act::LetGo
        | Act::Restart { .. }
        | Act::Notify { .. }
        | Act::Ask { .. }
        | Act::Recover { .. }
        | Act::Load { .. }
        | Act::End { .. }
        | Act::Adopt => return None,
    };
    let resource = job.spec.resources.iter().find(|r| r.name == *name)?;
    let (address, links) = match &resource.kind {
        ResourceKind::Address { address, links, .. } => (address, links),
        ResourceKind::Volume { check, .. } => {
            let damaged = matches!(failure, Failure::DiskFails { .. });
            let worth = damaged && *check == VolumeCheck::Failed && taken == 0;
            let steps = || {
                let mut steps = volume::checked_mount(job, around, resource);
                steps.extend(volume::watched((job, around, resource)).ok().flatten());
                steps
            };
            return worth.then(steps);
        }
        ResourceKind::Process { .. } | ResourceKind::Ocf { .. } | ResourceKind::Unit { .. } => {
            return None;
        }
    };
    let link = match failure {
        Failure::OnOtherLink { .. } => wanted.or(links.first())?,
        Failure::LinkDown { link } | Failure::NoLink { link } => next(links, link)?,
        _ => return None,
    };
    let address = *address;
    let mut steps = vec![Step::Ask(Request::RemoveAddress { address })];
    steps.extend(recipe::add(job, resource, (link, probe)));
    Some(steps)
}

fn next<'a>(links: &'a [String], failed: &str) -> Option<&'a String> {
    let at = links.iter().position(|link| link == failed)?;
    links.get(at + 1)
}

/// How many detours a job may take at most.
pub(super) fn most(resource: &[ResourceSpec]) -> usize {
    let links = |r: &ResourceSpec| match &r.kind {
        ResourceKind::Address { links, .. } => links.len(),
        ResourceKind::Volume { .. }
        | ResourceKind::Process { .. }
        | ResourceKind::Ocf { .. }
        | ResourceKind::Unit { .. } => 0,
    };
    // Each link once, and once off a link that nobody expected to have it.
    resource.iter().map(links).max().unwrap_or(0) + 1
}
