//! Taking a group's machine away from it: its processes, its addresses, its volumes.
//!
//! The same few steps whoever takes them: the guardian at a deadline, or the hands when the
//! guardian is dead. First everything that ends effects at once is done for every group, then it
//! is waited for and verified.

use std::net::IpAddr;
use std::path::Path;

use nix::errno::Errno;
use tsugi_vocabulary::{Moment, Span};

use super::message::{Arm, Release, VolumeKind};
use super::table::{Slot, Soundness, Table};
use crate::address;
use crate::cgroup::Tree;
use crate::clock;
use crate::failure::Failure;
use crate::netlink::Netlink;
use crate::process::{self, ProgramId};
use crate::{sys, volume};

/// How long to sleep between two looks at a group that is being killed.
const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_micros(500);

/// The ways of this node to kill a group and to free its addresses.
pub struct Means {
    /// The cgroups, where there are any.
    pub tree: Option<Tree>,
    /// An open netlink socket: at a deadline is no time to fail to open one.
    pub netlink: Option<Netlink>,
    /// The table with the programs.
    pub table: Table,
    /// Marks the programs of this node in their environment.
    pub node_mark: String,
}

/// How the marks of a group's programs begin.
#[must_use]
pub fn mark(node_mark: &str, group: &str) -> String {
    format!("{node_mark}.{group}.")
}

impl Means {
    /// Every process of a group that runs.
    #[must_use]
    pub fn processes(&self, group: &str) -> Vec<u32> {
        match &self.tree {
            Some(tree) => tree.processes(group),
            None => {
                let roots: Vec<ProgramId> = self.table.programs_of(group);
                process::members(&roots, &mark(&self.node_mark, group))
            }
        }
    }

    /// Sends SIGKILL to every process of a group.
    pub fn kill(&self, group: &str) {
        if let Some(tree) = &self.tree {
            // Whether it worked is seen by whether anything is left.
            drop(tree.kill(group));
            return;
        }
        for pid in self.processes(group) {
            drop(sys::kill(pid.cast_signed(), libc::SIGKILL));
        }
    }

    /// Kills a group until nothing of it is left or the moment `end` has come; what is left.
    #[must_use]
    pub fn kill_all(&self, group: &str, end: Moment) -> Vec<u32> {
        loop {
            let left = self.processes(group);
            if left.is_empty() || clock::now() >= end {
                return left;
            }
            self.kill(group);
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// Takes the machine away from the groups in `slots`; for each, whether anything is left.
    pub fn release(&mut self, slots: &[&Slot], began: Moment) -> Vec<Release> {
        // A place whose name is damaged has the empty name, and that is the whole node: rather
        // too much than too little.
        let arms: Vec<Option<Arm>> = slots.iter().map(|slot| slot.read()).collect();
        let name =
            |arm: &Option<Arm>| arm.as_ref().map_or_else(String::new, |arm| arm.group.to_string());
        for arm in &arms {
            self.kill(&name(arm));
        }
        let volumes = arms.iter().flatten().flat_map(|arm| &arm.volumes);
        for volume in volumes.filter(|volume| volume.kind == VolumeKind::FileSystem) {
            // A second try follows; here it only has to be quick.
            drop(volume::shut_down(&volume.dir));
        }
        let each = arms.iter().flatten();
        let addresses: Vec<IpAddr> = each.flat_map(|arm| arm.addresses.clone()).collect();
        let addresses = self.remove(&addresses);
        let left = slots.iter().zip(&arms).map(|(slot, arm)| {
            let allowed = arm.as_ref().map_or(Span::ZERO, |arm| arm.allowed);
            let left = self.kill_all(&name(arm), began + allowed);
            let volumes = arm.iter().flat_map(|arm| &arm.volumes);
            let torn = volumes.map(|v| tear_off(&v.dir, v.kind)).fold(addresses, worse);
            // What a damaged place does not name any more is still there.
            let named = slot.soundness() == Soundness::Sound;
            if left.is_empty() && named { torn } else { Release::Incomplete }
        });
        left.collect()
    }

    fn remove(&mut self, addresses: &[IpAddr]) -> Release {
        if addresses.is_empty() {
            return Release::Complete;
        }
        let removed = match &mut self.netlink {
            Some(netlink) => address::remove_with(netlink, addresses),
            None => addresses.iter().try_for_each(|address| address::remove(*address)),
        };
        match removed {
            Ok(()) => Release::Complete,
            Err(_) => Release::Incomplete,
        }
    }
}

fn tear_off(dir: &Path, kind: VolumeKind) -> Release {
    let dead = match kind {
        VolumeKind::FileSystem => volume::shut_down(dir),
        VolumeKind::Directory => Ok(()),
        VolumeKind::BeyondReach => return Release::Incomplete,
    };
    match (dead, volume::detach(dir)) {
        (Ok(()), Ok(())) => Release::Complete,
        // Without the right to mount nothing was mounted by us.
        (Ok(()), Err(Failure::System { errno, .. })) if errno == Errno::EPERM as i32 => {
            Release::Complete
        }
        (Ok(()) | Err(_), Ok(()) | Err(_)) => Release::Incomplete,
    }
}

const fn worse(a: Release, b: Release) -> Release {
    if matches!(a, Release::Complete) { b } else { a }
}
