//! What the listing of the hands and the output of programs show to be up.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use tsugi_cluster_rules::spec::{ProcessHow, ResourceKind, ResourceSpec, VolumeSource};
use tsugi_host::request::{Listing, Purpose, Running};
use tsugi_vocabulary::{Epoch, ResourceName};

use super::{FLOOD, Job};

/// The resources of a job's group that are up by `listing`, or that their agents have `answered`
/// for, and its watched programs.
pub(super) fn found(
    job: &Job,
    listing: &Listing,
    answered: &BTreeSet<ResourceName>,
) -> Vec<ResourceName> {
    let ours = |p: &&Running| p.group == job.group;
    let programs: Vec<&Running> = listing.programs.iter().filter(ours).collect();
    // Neither a script that runs nor what looks after a volume is what scripts have started.
    let looks_after = |p: &Running| {
        let its = |r: &&ResourceSpec| r.name == p.name && r.kind.reservation().is_some();
        p.purpose == Purpose::Service && job.spec.resources.iter().any(|r| its(&r))
    };
    let script = |pid: &u32| {
        let no_script = |p: &Running| p.purpose == Purpose::Service && !looks_after(p);
        programs.iter().any(|p| p.id.pid == *pid && !no_script(p))
    };
    // A start or a stop that is under way is neither up nor down.
    let between = |name: &ResourceName| {
        programs.iter().any(|p| match p.purpose {
            Purpose::Start | Purpose::Stop => p.name == *name,
            Purpose::Service | Purpose::Monitor => false,
        })
    };
    let up = |kind: &ResourceKind, name: &ResourceName| match kind {
        ResourceKind::Address { links, .. } if links.is_empty() => true,
        ResourceKind::Address { address, .. } => {
            listing.addresses.iter().any(|(_, a)| a == address)
        }
        ResourceKind::Volume { source: VolumeSource::Directory, .. } => true,
        ResourceKind::Volume { mount, reservation, .. } => {
            let watched = |p: &&Running| {
                p.purpose == Purpose::Service && p.name == *name && p.epoch == job.epoch
            };
            let kept = reservation.is_none() || programs.iter().any(watched);
            kept && listing.mounts.iter().any(|m| m == Path::new(mount))
        }
        ResourceKind::Process { how: ProcessHow::Program { .. }, .. } => {
            let same = |p: &&&Running| {
                p.purpose == Purpose::Service && p.name == *name && p.epoch == job.epoch
            };
            programs.iter().any(|p| same(&p))
        }
        ResourceKind::Process { how: ProcessHow::Scripts { .. }, .. } => {
            let left = |pids: &Vec<u32>| pids.iter().any(|pid| !script(pid));
            let there = listing.processes.iter().any(|(g, p)| *g == job.group && left(p));
            there && !recovers(job, listing)
        }
        ResourceKind::Ocf { .. } | ResourceKind::Unit { .. } => answered.contains(name),
    };
    let resources = job.spec.resources.iter().filter(|r| !between(&r.name));
    let resources = resources.filter(|r| up(&r.kind, &r.name)).map(|r| r.name.clone());
    let configured = |p: &Running| job.spec.resources.iter().any(|r| r.name == p.name);
    let watched = programs
        .iter()
        .filter(|p| p.purpose == Purpose::Service && p.epoch == job.epoch && !configured(p));
    resources.chain(watched.map(|p| p.name.clone())).collect()
}

/// Whether a script of the group runs that is told of a return: what there is of it is that.
pub(super) fn recovers(job: &Job, listing: &Listing) -> bool {
    listing.programs.iter().any(|p| p.group == job.group && p.epoch == Epoch::NONE)
}

pub(super) fn has_line(file: &Path, line: &str, from: u64) -> bool {
    let Ok(mut file) = File::open(file) else { return false };
    // A log that was renamed since begins anew.
    let from = if file.metadata().is_ok_and(|m| m.len() < from) { 0 } else { from };
    if file.seek(SeekFrom::Start(from)).is_err() {
        return false;
    }
    let mut bytes = Vec::new();
    if file.take(FLOOD).read_to_end(&mut bytes).is_err() {
        return false;
    }
    String::from_utf8_lossy(&bytes).lines().any(|l| l.trim_end() == line)
}
