//! Which volume is meant, and what the store on it says.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
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

/// Finds it: a folder that is named, or the volume of a group of the applied configuration, where
/// that is mounted now.
pub(in crate::run) fn find(
    agents: &Agents,
    (volume, group): (&Option<PathBuf>, &Option<GroupName>),
) -> Result<Found, No> {
    let volume = match (volume, group) {
        (Some(volume), _) => there(volume.clone())?,
        (None, Some(group)) => mounted(there(of_group(agents, group)?)?, group)?,
        (None, None) => return Err(No::whole(messages::volume_not_named())),
    };
    let looked = looked(&volume)?;
    let kept: Option<GroupName> = looked.as_ref().and_then(|looked| looked.group.parse().ok());
    match (kept, group) {
        (Some(kept), Some(group)) if kept != *group => {
            Err(No::whole(messages::volume_of_another(volume.display(), kept, group)))
        }
        (kept, group) => Ok((volume, kept.or_else(|| group.clone()), looked)),
    }
}

fn there(volume: PathBuf) -> Result<PathBuf, No> {
    if volume.is_dir() {
        return Ok(volume);
    }
    let message = messages::volume_not_there(volume.display());
    Err(No { exit: Exit::NotFound, problems: vec![(0, message)] })
}

/// The folder stays when its volume is unmounted: what were put into it then would be on the disk
/// of the node, and hidden as soon as the volume is mounted over it.
fn mounted(volume: PathBuf, group: &GroupName) -> Result<PathBuf, No> {
    let unknown = |why| No::whole(messages::store_not_opened(volume.display(), why));
    let at = volume.canonicalize().map_err(unknown)?;
    let table = fs::read(MOUNTS).map_err(unknown)?;
    if is_mounted(&table, &at) {
        return Ok(volume);
    }
    let message = messages::volume_not_mounted(volume.display(), group);
    Err(No { exit: Exit::NotFound, problems: vec![(0, message)] })
}

/// What is mounted where, as this process sees it.
const MOUNTS: &str = "/proc/self/mountinfo";

/// Whether a line of the table has this as its mount point, the fifth word. What would end a word
/// or a line there is written as `\` with three octal digits.
fn is_mounted(table: &[u8], at: &Path) -> bool {
    let mut word = Vec::new();
    for byte in at.as_os_str().as_bytes() {
        match byte {
            b' ' | b'\t' | b'\n' | b'\\' | b'#' => {
                word.extend_from_slice(format!("\\{byte:03o}").as_bytes());
            }
            _ => word.push(*byte),
        }
    }
    let mut lines = table.split(|byte| *byte == b'\n');
    lines.any(|line| line.split(|byte| *byte == b' ').nth(4) == Some(&word[..]))
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

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[u8] = b"22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n\
        36 22 8:17 / /u01 rw,noatime shared:7 - xfs /dev/sdb1 rw\n\
        37 22 8:33 /sub /mnt/a\\040b\\134c rw - xfs /dev/sdc1 rw\n";

    #[test]
    fn only_a_mount_point_itself_is_mounted() {
        for at in ["/", "/u01", "/mnt/a b\\c"] {
            assert!(is_mounted(TABLE, Path::new(at)), "{at}");
        }
        for at in ["/u0", "/u01/store", "/mnt", "/sub", "/mnt/a", "/dev/sdb1"] {
            assert!(!is_mounted(TABLE, Path::new(at)), "{at}");
        }
    }
}
