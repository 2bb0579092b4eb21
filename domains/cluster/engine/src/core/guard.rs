//! What the core tells the guardian, and what it hears from it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tsugi_cluster_rules::node::Event;
use tsugi_cluster_rules::spec::{GroupSpec, ResourceKind, VolumeSource};
use tsugi_host::Guard;
use tsugi_host::guardian::message::{Arm, Extension, Notice, Order, Volume, VolumeKind};
use tsugi_vocabulary::{Epoch, GroupName, Moment, Span};

/// The guardian as the core knows it: what it is armed for.
#[derive(Debug, Default)]
pub(super) struct Armory {
    armed: BTreeMap<GroupName, Epoch>,
    extensions: Vec<Extension>,
}

impl Armory {
    /// Arms a group, or moves its deadline.
    pub(super) fn arm(
        &mut self,
        guard: &mut dyn Guard,
        (group, epoch, deadline): (GroupName, Epoch, Moment),
        (spec, allowed): (&GroupSpec, Span),
    ) {
        if self.armed.get(&group) == Some(&epoch) {
            self.extensions.push(Extension { group, epoch, deadline });
            return;
        }
        let arm = Arm {
            group,
            epoch,
            deadline,
            allowed,
            addresses: addresses(spec),
            volumes: volumes(spec),
        };
        // No guardian: no `Armed` comes, so nothing starts.
        let _no_guardian = guard.tell(&Order::Arm(arm));
    }

    /// Sends the deadlines that have moved, in one order.
    pub(super) fn flush(&mut self, guard: &mut dyn Guard) {
        while !self.extensions.is_empty() {
            let most = tsugi_host::guardian::message::EXTENSIONS_MOST.min(self.extensions.len());
            let batch: Vec<Extension> = self.extensions.drain(..most).collect();
            let _no_guardian = guard.tell(&Order::Extend(batch));
        }
    }

    pub(super) fn disarm(&mut self, guard: &mut dyn Guard, group: GroupName, epoch: Epoch) {
        self.extensions.retain(|e| e.group != group);
        self.armed.remove(&group);
        let _no_guardian = guard.tell(&Order::Disarm { group, epoch });
    }

    /// A new guardian is armed for nothing.
    pub(super) fn forget_all(&mut self) {
        self.armed.clear();
        self.extensions.clear();
    }

    /// Takes a notice of the guardian.
    pub(super) fn on_notice(&mut self, notice: Notice) -> Option<Event> {
        match notice {
            Notice::Armed { group, epoch, .. } => {
                self.armed.insert(group.clone(), epoch);
                Some(Event::Armed { group, epoch })
            }
            Notice::Released { group, epoch, release, .. } => {
                self.armed.remove(&group);
                match release {
                    tsugi_host::request::Release::Complete => {
                        Some(Event::GuardianReleased { group, epoch })
                    }
                    // The machine is being reset; nothing may be said of the group any more.
                    tsugi_host::request::Release::Incomplete => None,
                }
            }
            Notice::Refused { group, .. } => {
                self.armed.remove(&group);
                None
            }
            Notice::Disarmed { .. } | Notice::ThatIsAll => None,
        }
    }
}

fn addresses(spec: &GroupSpec) -> Vec<std::net::IpAddr> {
    let address = |kind: &ResourceKind| match kind {
        ResourceKind::Address { address, links, .. } if !links.is_empty() => Some(*address),
        ResourceKind::Address { .. }
        | ResourceKind::Volume { .. }
        | ResourceKind::Process { .. }
        | ResourceKind::Ocf { .. } => None,
    };
    spec.resources.iter().filter_map(|r| address(&r.kind)).collect()
}

fn volumes(spec: &GroupSpec) -> Vec<Volume> {
    let volume = |kind: &ResourceKind| match kind {
        ResourceKind::Volume { source: VolumeSource::Block(_), mount, .. } => {
            Some(Volume { dir: PathBuf::from(mount), kind: VolumeKind::FileSystem })
        }
        ResourceKind::Volume { .. }
        | ResourceKind::Address { .. }
        | ResourceKind::Process { .. }
        | ResourceKind::Ocf { .. } => None,
    };
    let beyond = spec.beyond_reach().next().map(|_| Volume {
        // It has no place that anybody here knows.
        dir: PathBuf::new(),
        kind: VolumeKind::BeyondReach,
    });
    spec.resources.iter().filter_map(|r| volume(&r.kind)).chain(beyond).collect()
}

#[cfg(test)]
mod tests;
