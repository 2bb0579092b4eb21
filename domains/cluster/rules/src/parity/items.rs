//! What a group needs on a node, by the names of its resources.

use std::collections::BTreeSet;

use tsugi_vocabulary::NodeName;

use super::{DATA, Item, RUNS};
use crate::figures::PreferBy;
use crate::spec::{
    Check, ClusterSpec, GroupSpec, Monitor, ProcessHow, ResourceKind, Role, VolumeSource,
};

/// The limits that programs inherit.
const LIMITS: [&str; 5] = ["memlock", "nofile", "nproc", "rtprio", "stack"];
/// What mends the file systems of volumes.
const TOOLS: [&str; 2] = ["/sbin/e2fsck", "/sbin/xfs_repair"];
/// What these are from.
const PACKAGES: [&str; 2] = ["e2fsprogs", "xfsprogs"];
/// What the name of a unit ends with where a program is told to start one.
const UNIT: &str = ".service";

/// What a group needs on this node, if it may run there at all.
#[must_use]
pub fn items(spec: &ClusterSpec, group: &GroupSpec, me: &NodeName) -> BTreeSet<Item> {
    let mut items = BTreeSet::new();
    if !group.prefer.contains(me) {
        return items;
    }
    of_node(&mut items);
    for resource in &group.resources {
        of_resource(&resource.kind, &mut items);
    }
    if let PreferBy::Script(script) = &group.prefer_by {
        command(&script.run, &None, &mut items);
    }
    if let Some(run) = &group.entitled {
        command(run, &None, &mut items);
        items.insert(Item::Entitlement(run.clone()));
    }
    for run in group.services.values() {
        command(run, &None, &mut items);
    }
    // What is on a volume comes with it, and is seen by its owner only.
    let carried = |path: &str| {
        group.resources.iter().any(|r| match &r.kind {
            ResourceKind::Volume { source: VolumeSource::Block(_), mount, .. } => {
                path.strip_prefix(mount.as_str()).is_some_and(|rest| rest.starts_with('/'))
            }
            _ => false,
        })
    };
    items.retain(|item| match item {
        Item::Program { path, .. } | Item::File(path) => !carried(path),
        _ => true,
    });
    let others = spec.nodes.iter().filter(|(name, n)| *name != me && n.role == Role::Node);
    for (name, node) in others {
        let Some(device) = &node.fence else { continue };
        items.insert(Item::Fence(device.agent.clone()));
        items.insert(Item::Package("fence-agents".to_owned()));
        items.extend(device.secret.clone().map(Item::Secret));
        // A device of a node that never runs the group is never asked for its sake.
        let taken_from = group.prefer.contains(name);
        items.extend(taken_from.then(|| Item::Reach(name.clone())));
    }
    items
}

/// What every group needs of the node itself.
fn of_node(items: &mut BTreeSet<Item>) {
    items.extend([
        Item::Version,
        Item::Zone,
        Item::Authority,
        Item::Certificate,
        Item::Clock,
        Item::Cgroups,
        Item::Kernel,
        Item::SelfFence,
    ]);
    items.extend([DATA, RUNS].map(|place| Item::Space(place.to_owned())));
    items.extend(LIMITS.map(|limit| Item::Limit(limit.to_owned())));
}

fn of_resource(kind: &ResourceKind, items: &mut BTreeSet<Item>) {
    match kind {
        ResourceKind::Address { links, .. } => {
            items.extend(links.iter().cloned().map(Item::Link));
        }
        ResourceKind::Volume { source, mount, drbd, .. } => match source {
            VolumeSource::Block(device) => {
                if drbd.is_some() {
                    items.insert(Item::Tool("/sbin/drbdadm".to_owned()));
                    items.insert(Item::Package("drbd-utils".to_owned()));
                }
                let (path, device) = (mount.clone(), device.clone());
                items.insert(Item::Device(device.clone()));
                items.insert(Item::Mount { path, device });
                items.extend(TOOLS.map(|tool| Item::Tool(tool.to_owned())));
                items.extend(PACKAGES.map(|package| Item::Package(package.to_owned())));
            }
            VolumeSource::Directory => {
                items.insert(Item::Shared(mount.clone()));
                items.insert(Item::Space(mount.clone()));
            }
        },
        ResourceKind::Process { how, user, monitors, cleanup, .. } => {
            command(cleanup.as_deref().unwrap_or_default(), user, items);
            match how {
                ProcessHow::Program { run, .. } => command(run, user, items),
                ProcessHow::Scripts { start, stop, running, restart, .. } => {
                    command(restart.as_deref().unwrap_or_default(), user, items);
                    command(start, user, items);
                    command(stop, user, items);
                    command(running.as_deref().unwrap_or_default(), user, items);
                }
            }
            for Monitor { check, notify, .. } in monitors {
                if let Check::Run(run) = check {
                    command(run, user, items);
                }
                command(notify.as_ref().map(|n| &*n.run).unwrap_or_default(), user, items);
            }
            items.extend(user.clone().map(Item::User));
        }
        ResourceKind::Ocf { agent, .. } => {
            items.insert(Item::Agent(agent.clone()));
            items.insert(Item::Package("resource-agents".to_owned()));
        }
        ResourceKind::Unit { unit, .. } => {
            items.insert(Item::OwnUnit(unit.clone()));
        }
    }
}

/// The program of a command, and the files and units that it is given by their whole names.
fn command(words: &[String], user: &Option<String>, items: &mut BTreeSet<Item>) {
    let Some((program, given)) = words.split_first() else { return };
    items.insert(Item::Program { path: program.clone(), user: user.clone() });
    let files = given.iter().filter(|word| word.starts_with('/'));
    items.extend(files.cloned().map(Item::File));
    let units = given.iter().filter(|word| word.ends_with(UNIT) && !word.contains('/'));
    items.extend(units.cloned().map(Item::Unit));
}
