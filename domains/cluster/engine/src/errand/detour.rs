//! Another way for an address: the next of its links, or off the link that has it.
//!
//! An address lists its links. Which of them carries is seen best where it is added: what the
//! rules last saw may be older than the cut.

use tsugi_cluster_rules::desk::{Act, Probe};
use tsugi_cluster_rules::spec::{ResourceKind, ResourceSpec};
use tsugi_host::request::{Failure, Request};

use super::{Job, Step, recipe};

/// The steps by which a job gets its address up although it failed so, if there are any.
pub(super) fn around(job: &Job, failure: &Failure) -> Option<Vec<Step>> {
    let (name, wanted, probe) = match &job.what {
        Act::Start { resource, probe, .. } => (resource, None, *probe),
        Act::MoveAddress { resource, link } => (resource, Some(link), Probe::NotNeeded),
        Act::Stop(_) | Act::LetGo | Act::Ask(_) | Act::Adopt => return None,
    };
    let resource = job.spec.resources.iter().find(|r| r.name == *name)?;
    let ResourceKind::Address { address, links, .. } = &resource.kind else { return None };
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
        ResourceKind::Volume { .. } | ResourceKind::Process { .. } => 0,
    };
    // Each link once, and once off a link that nobody expected to have it.
    resource.iter().map(links).max().unwrap_or(0) + 1
}
