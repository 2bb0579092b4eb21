//! What the core tells the guardian, and what it hears from it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tsugi_cluster_rules::node::Event;
use tsugi_cluster_rules::spec::{FencePolicy, GroupSpec, ResourceKind, VolumeSource};
use tsugi_host::Guard;
use tsugi_host::guardian::message::{
    Arm, EXTENSIONS_MOST, Extension, Notice, Order, Volume, VolumeKind,
};
use tsugi_vocabulary::{Epoch, GroupName, Moment, Span};

/// The guardian as the core knows it: what it is armed for.
#[derive(Debug, Default)]
pub(super) struct Armory {
    armed: BTreeMap<GroupName, Epoch>,
    /// Under which policy each was told: another one makes other kinds of its volumes.
    told: BTreeMap<GroupName, FencePolicy>,
    /// What is to be told of each group; a deadline that moved twice is told once.
    extensions: BTreeMap<GroupName, Extension>,
}

impl Armory {
    /// Arms a group that was taken on under `spec`, or moves its deadline. Which `fence` it has is
    /// what the configuration in force says, as for who may take it over.
    pub(super) fn arm(
        &mut self,
        guard: &mut dyn Guard,
        (group, epoch, deadline): (GroupName, Epoch, Moment),
        (spec, fence, allowed): (&GroupSpec, FencePolicy, Span),
    ) {
        let same = self.told.get(&group) == Some(&fence);
        if same && self.armed.get(&group) == Some(&epoch) {
            let of = group.clone();
            self.extensions.insert(of, Extension { group, epoch, deadline });
            return;
        }
        self.told.insert(group.clone(), fence);
        let arm = Arm {
            group,
            epoch,
            deadline,
            allowed,
            addresses: addresses(spec),
            volumes: volumes(spec, fence),
        };
        // No guardian: no `Armed` comes, so nothing starts.
        let _no_guardian = guard.tell(&Order::Arm(arm));
    }

    /// Sends the deadlines that have moved, in one order.
    pub(super) fn flush(&mut self, guard: &mut dyn Guard) {
        let mut extensions = std::mem::take(&mut self.extensions).into_values();
        loop {
            let batch: Vec<Extension> = extensions.by_ref().take(EXTENSIONS_MOST).collect();
            if batch.is_empty() {
                return;
            }
            let _no_guardian = guard.tell(&Order::Extend(batch));
        }
    }

    pub(super) fn disarm(&mut self, guard: &mut dyn Guard, group: GroupName, epoch: Epoch) {
        self.extensions.remove(&group);
        self.armed.remove(&group);
        let _no_guardian = guard.tell(&Order::Disarm { group, epoch });
    }

    /// A new guardian is armed for nothing.
    pub(super) fn forget_all(&mut self) {
        self.armed.clear();
        self.told.clear();
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
            Notice::Disarmed { .. } | Notice::ThatIsAll | Notice::SheetTaken => None,
        }
    }
}

fn addresses(spec: &GroupSpec) -> Vec<std::net::IpAddr> {
    let address = |kind: &ResourceKind| match kind {
        ResourceKind::Address { address, links, .. } if !links.is_empty() => Some(*address),
        ResourceKind::Address { .. }
        | ResourceKind::Volume { .. }
        | ResourceKind::Process { .. }
        | ResourceKind::Ocf { .. }
        | ResourceKind::Unit { .. } => None,
    };
    spec.resources.iter().filter_map(|r| address(&r.kind)).collect()
}

fn volumes(spec: &GroupSpec, fence: FencePolicy) -> Vec<Volume> {
    let volume = |kind: &ResourceKind| match kind {
        ResourceKind::Volume { source: VolumeSource::Block(_), mount, .. } => {
            let kind = match fence {
                FencePolicy::SelfFence if kind.is_open_volume() => VolumeKind::Open,
                FencePolicy::SelfFence
                | FencePolicy::Lease
                | FencePolicy::Confirmed
                | FencePolicy::Mirror => VolumeKind::FileSystem,
            };
            Some(Volume { dir: PathBuf::from(mount), kind })
        }
        ResourceKind::Volume { .. }
        | ResourceKind::Address { .. }
        | ResourceKind::Process { .. }
        | ResourceKind::Ocf { .. }
        | ResourceKind::Unit { .. } => None,
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
