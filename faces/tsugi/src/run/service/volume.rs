//! Which volume is meant, and what the store on it says.

use std::path::{Path, PathBuf};

use tsugi_cluster_engine::config;
use tsugi_cluster_rules::spec::ResourceKind;
use tsugi_messages as messages;
use tsugi_store::{Looked, Sqlite};
use tsugi_vocabulary::GroupName;
use tsugi_wire::control::{Reply, Request};

use super::refused::No;
use super::rows;
use crate::ask::Agents;
use crate::exit::Exit;

/// The volume, the group whose work it keeps, and what its store says.
pub(in crate::run) type Found = (PathBuf, Option<GroupName>, Option<Looked>);

/// Finds it: a folder that is named, or the volume of a group of the applied configuration.
pub(in crate::run) fn find(
    agents: &Agents,
    (volume, group): (&Option<PathBuf>, &Option<GroupName>),
) -> Result<Found, No> {
    let volume = match (volume, group) {
        (Some(volume), _) => volume.clone(),
        (None, Some(group)) => of_group(agents, group)?,
        (None, None) => return Err(No::whole(messages::volume_not_named())),
    };
    if !volume.is_dir() {
        let message = messages::volume_not_there(volume.display());
        return Err(No { exit: Exit::NotFound, problems: vec![(0, message)] });
    }
    let looked = looked(&volume)?;
    let kept: Option<GroupName> = looked.as_ref().and_then(|looked| looked.group.parse().ok());
    match (kept, group) {
        (Some(kept), Some(group)) if kept != *group => {
            Err(No::whole(messages::volume_of_another(volume.display(), kept, group)))
        }
        (kept, group) => Ok((volume, kept.or_else(|| group.clone()), looked)),
    }
}

fn looked(volume: &Path) -> Result<Option<Looked>, No> {
    let looked = Sqlite::look(&rows::store(volume));
    looked.map_err(|why| No::whole(messages::store_not_opened(volume.display(), why)))
}

/// Where the one volume of a group is mounted.
pub(super) fn of_group(agents: &Agents, group: &GroupName) -> Result<PathBuf, No> {
    let none = || No::whole(messages::group_volume_unknown(group));
    let answer = agents.ask(&Request::ConfigShow).map_err(|_| none())?;
    let Reply::Config(applied) = answer.reply else { return Err(none()) };
    let resolved = config::read(&applied.text).map_err(|_| none())?;
    let spec = resolved.spec.groups.get(group).ok_or_else(none)?;
    let mounts = spec.resources.iter().filter_map(|resource| match &resource.kind {
        ResourceKind::Volume { mount, .. } => Some(PathBuf::from(mount)),
        _ => None,
    });
    match &mounts.collect::<Vec<_>>()[..] {
        [mount] => Ok(mount.clone()),
        _ => Err(none()),
    }
}
