//! Where the ledger is kept: on every machine, or on a disk that two nodes share.

use std::collections::BTreeMap;
use std::ops::Range;

use tsugi_cluster_rules::spec::{LedgerPlace, Role};
use tsugi_vocabulary::NodeName;

use super::cluster::Machines;
use super::page::Page;
use super::problem::Wrong;

/// What `ledger` may say.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    OnNodes,
    OnDisk,
}

/// The key of the disk, in `[cluster]` for both nodes or in `[node.NAME]` for that one.
pub(super) const DISK: &str = "ledger_disk";
/// What it looks like. A name by id stays the same when disks are found in another order.
pub(super) const DISK_EXAMPLE: &str = "\"/dev/disk/by-id/scsi-3600a0b80…\"";

/// Reads it; what is wrong is noted. Without a disk two machines have no third vote.
pub(super) fn read(file: &Page<'_>, machines: &Machines) -> LedgerPlace {
    let page = file.page("cluster");
    let words = [("nodes", Kept::OnNodes), ("disk", Kept::OnDisk)];
    let kept = page.as_ref().and_then(|page| page.choice("ledger", &words));
    let shared = page.as_ref().and_then(|page| page.path(DISK, DISK_EXAMPLE));
    if let (Some(Kept::OnDisk), Some(page)) = (kept, &page) {
        return on_disk(page, machines, shared);
    }
    let of_cluster = page.as_ref().filter(|page| page.has(DISK)).map(|page| page.place_of(DISK));
    let of_nodes = machines.values().filter_map(|m| m.ledger_disk.as_ref()).map(|d| d.span.clone());
    for place in of_cluster.into_iter().chain(of_nodes) {
        let (key, other) = (DISK.to_owned(), "ledger = \"disk\"".to_owned());
        file.note(&place, Wrong::Needs(key, other));
    }
    if machines.len() == 2 {
        let last: Option<&Range<usize>> =
            machines.values().map(|m| &m.at.span).max_by_key(|s| s.start);
        file.note(&last.cloned().unwrap_or(0..0), Wrong::NoThirdVote);
    }
    LedgerPlace::OnNodes
}

fn on_disk(page: &Page<'_>, machines: &Machines, shared: Option<String>) -> LedgerPlace {
    let two = machines.len() == 2 && machines.values().all(|m| m.spec.role == Role::Node);
    if !two {
        page.note(&page.place_of("ledger"), Wrong::DiskOfTwo);
    }
    let own = |(name, machine): (&NodeName, &super::cluster::Machine)| {
        let own = machine.ledger_disk.as_ref().map(|given| given.value.clone());
        Some((name.clone(), own.or_else(|| shared.clone())?))
    };
    let paths: BTreeMap<NodeName, String> = machines.iter().filter_map(own).collect();
    if paths.len() < machines.len() && !page.has(DISK) {
        page.missing(DISK, &format!("{DISK} = {DISK_EXAMPLE}"));
    }
    LedgerPlace::OnDisk(paths)
}
