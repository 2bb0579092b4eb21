//! What is to be done in a drill beside the running group, as a file of the node's own folder:
//! its process reads it, and whoever comes after a death takes away by it what is left.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tsugi_cluster_rules::desk::{Before, Disk, ScriptEvent, Told};
use tsugi_cluster_rules::drill::Depth;
use tsugi_cluster_rules::mirror::Promotion;
use tsugi_cluster_rules::spec::{
    ClusterSpec, GroupSpec, Monitor, ProcessHow, ResourceKind, ResourceSpec, VolumeCopy,
    VolumeSource,
};
use tsugi_cluster_rules::start_kind::StartKind;
use tsugi_vocabulary::{Epoch, GroupName, Span};

use super::Rehearse;
use crate::errand::{Surroundings, of_a_rehearsal};
use crate::records::{decode, encode};

/// The folder of it below the node's own.
const FOLDER: &str = "drill";

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brief {
    /// The command that ordered it.
    pub command: String,
    /// The node.
    pub node: String,
    /// The group.
    pub group: String,
    /// What is to be shown.
    pub depth: Depth,
    /// For how long it may take.
    pub limit: Span,
    /// What is made for it stands here and goes with it.
    pub folder: PathBuf,
    /// Where the agent of this node is asked: nothing of the drill reaches it.
    pub run_dir: PathBuf,
    /// `PATH` of what makes copies.
    pub path: String,
    /// Where groups have what may be mounted elsewhere next: none of it is held here, or it would
    /// stay mounted when its group lets go of it.
    pub held_off: Vec<PathBuf>,
    /// The volumes, in start order.
    pub volumes: Vec<Volume>,
    /// The floating addresses.
    pub addresses: Vec<(IpAddr, u8)>,
    /// The programs, in start order.
    pub programs: Vec<Program>,
}

/// A volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Its name.
    pub name: String,
    /// Where programs look for it.
    pub mount: PathBuf,
    /// What is mounted there where the group runs; none is the directory itself.
    pub source: Option<PathBuf>,
    /// How its copy is made; none is a plain copy of the directory.
    pub copy: Option<VolumeCopy>,
}

/// A program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Its name.
    pub name: String,
    /// Whose rights it has; none are those of the hands.
    pub user: Option<(u32, u32)>,
    /// Its whole environment.
    pub environment: Vec<(String, String)>,
    /// What reads the copy as a proof.
    pub proof: Option<Vec<String>>,
    /// How it is run.
    pub how: ProcessHow,
    /// How long its start may take.
    pub start_limit: Span,
    /// How long its stop may take.
    pub stop_limit: Span,
    /// What says whether it is well: all of them have to.
    pub monitors: Vec<Asked>,
}

/// A monitor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Path and arguments.
    pub argv: Vec<String>,
    /// How long one run may take.
    pub limit: Span,
    /// How many failures in a row are one.
    pub failures: u32,
    /// How often it is asked.
    pub every: Span,
}

/// Where the folder is, below the node's own.
#[must_use]
pub fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join(FOLDER)
}

/// Where the brief stands in it.
#[must_use]
pub fn file(folder: &Path) -> PathBuf {
    folder.join("brief")
}

/// The file that the agent keeps locked for as long as it lives.
#[must_use]
pub fn lifeline(folder: &Path) -> PathBuf {
    folder.join("agent")
}

/// Where the groups of a cluster have volumes of their own, and what the agent `Filesystem` mounts.
#[must_use]
pub fn held_off(spec: &ClusterSpec) -> Vec<PathBuf> {
    let of = |resource: &ResourceSpec| match &resource.kind {
        ResourceKind::Volume { mount, source: VolumeSource::Block(_), .. } => Some(mount.clone()),
        ResourceKind::Ocf { parameters, .. } => parameters.get("directory").cloned(),
        ResourceKind::Volume { source: VolumeSource::Directory, .. }
        | ResourceKind::Address { .. }
        | ResourceKind::Unit { .. }
        | ResourceKind::Process { .. } => None,
    };
    let resources = spec.groups.values().flat_map(|group| &group.resources);
    resources.filter_map(of).map(PathBuf::from).collect()
}

impl Brief {
    /// What is to be done with a group on this node.
    ///
    /// # Errors
    /// What this node lacks for it: the resource, and a word of it.
    pub fn of(around: &Surroundings, asked: &Rehearse) -> Result<Self, (String, String)> {
        let Rehearse { command, group, depth, epoch, limit, spec, held_off } = asked;
        let mut brief = Self {
            command: command.clone(),
            node: around.node.clone(),
            group: group.to_string(),
            depth: *depth,
            limit: *limit,
            folder: folder(&around.data_dir),
            run_dir: around.run_dir.clone(),
            path: around.path.clone(),
            held_off: held_off.clone(),
            volumes: Vec::new(),
            addresses: Vec::new(),
            programs: Vec::new(),
        };
        for resource in spec.start_order() {
            match &resource.kind {
                ResourceKind::Address { address, prefix, .. } => {
                    brief.addresses.push((*address, *prefix));
                }
                ResourceKind::Volume { mount, source, .. } => {
                    let copy = spec.rehearsing.copies.get(&resource.name).cloned();
                    // The rules have refused what has no way to a copy.
                    debug_assert!(copy.is_some() || *source == VolumeSource::Directory);
                    let (name, mount) = (resource.name.to_string(), PathBuf::from(mount));
                    let source = match source {
                        VolumeSource::Block(device) => Some(PathBuf::from(device)),
                        VolumeSource::Directory => None,
                    };
                    brief.volumes.push(Volume { name, mount, source, copy });
                }
                ResourceKind::Process { .. } => {
                    let program = program(around, (group, *epoch, spec), resource);
                    let program = program.map_err(|why| (resource.name.to_string(), why))?;
                    brief.programs.extend(program);
                }
                ResourceKind::Ocf { .. } | ResourceKind::Unit { .. } => {}
            }
        }
        Ok(brief)
    }

    /// Reads the brief of a folder; none if there is none.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(folder: &Path) -> Result<Option<Self>, String> {
        match std::fs::read(file(folder)) {
            Ok(bytes) => decode(&bytes).map(Some),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Writes it down, durably: what it makes is taken away by it also after a loss of power.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn write(&self) -> Result<(), String> {
        use std::os::unix::fs::DirBuilderExt as _;
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder);
        made.map_err(|error| error.to_string())?;
        tsugi_wire::files::replace(&file(&self.folder), &encode(self))
            .map_err(|error| error.to_string())
    }
}

fn program(
    around: &Surroundings,
    (group, epoch, spec): (&GroupName, Epoch, &GroupSpec),
    resource: &ResourceSpec,
) -> Result<Option<Program>, String> {
    let ResourceKind::Process { how, environment, user, monitors, .. } = &resource.kind else {
        return Ok(None);
    };
    let told = Told {
        kind: StartKind::Restart,
        event: ScriptEvent::Failover,
        disk: Disk::Success,
        reason: "drill",
        before: Before::Orderly,
        promotion: Promotion::default(),
    };
    let (user, mut all) = of_a_rehearsal((around, group, epoch, spec), user.as_deref(), told)?;
    all.extend(environment.iter().map(|(name, value)| (name.clone(), value.clone())));
    all.push(("TSUGI_GROUP".to_owned(), group.to_string()));
    all.push(("TSUGI_EPOCH".to_owned(), epoch.to_string()));
    Ok(Some(Program {
        name: resource.name.to_string(),
        user,
        environment: all,
        proof: spec.rehearsing.proofs.get(&resource.name).cloned(),
        how: how.clone(),
        start_limit: resource.start_limit,
        stop_limit: resource.stop_limit,
        monitors: monitors.iter().map(|monitor| asked(monitor, around)).collect(),
    }))
}

fn asked(monitor: &Monitor, around: &Surroundings) -> Asked {
    let argv = crate::errand::asking(&monitor.check, around, monitor.limit);
    let Monitor { limit, failures, every, .. } = monitor;
    Asked { argv, limit: *limit, failures: *failures, every: *every }
}
