//! Two nodes that keep their ledger on a disk they share, and no third machine: what is cut between
//! them, and what one of them loses.

use std::thread;
use std::time::Duration;

use crate::Trouble;
use crate::host::{ALL_LINKS, LEDGER, LOG, Writes};
use crate::inject::{Repair, set_ways};
use crate::judged::same_epoch;
use crate::kernel::now;
use crate::pattern::Pattern;
use crate::product::Part;
use crate::repetition::Before;
use crate::stage::Stage;

/// What a node says that cannot use the disk of the ledger.
const UNUSABLE: &str = "TSUG80106-E";
/// How long a node may take to come back to its disk: it looks ever later.
const BACK: Duration = Duration::from_secs(14);
/// Where it leaves to its next life how often the disk failed of late: each time it rests longer.
const FAILED: &str = "/var/lib/tsugi/shared-disk-failed";

/// The node of the two that does not own the group.
fn other(stage: &Stage, owner: usize) -> usize {
    (owner + 1) % stage.site.hosts.len()
}

/// Cuts every network between the two, so that callers reach the owner still: in turn the ways
/// through the network, which no cable shows, and the cables of the other node.
pub fn cut_between(stage: &Stage, owner: usize, number: usize) -> (Duration, Repair) {
    let (at, other) = (now(), other(stage, owner));
    if number.is_multiple_of(2) {
        set_ways(stage, other, true, true);
    } else {
        stage.site.hosts[other].cut(&ALL_LINKS, true);
    }
    (at, Repair::Between)
}

/// Joins what [`cut_between`] has cut.
pub fn join_between(stage: &Stage, owner: usize) {
    let other = other(stage, owner);
    set_ways(stage, other, false, false);
    stage.site.hosts[other].cut(&ALL_LINKS, false);
}

/// The disk of the ledger takes no write of the owner any more, as if it never had failed before.
///
/// # Errors
/// What the system refused.
pub fn lose_disk(stage: &Stage, owner: usize) -> Result<(Duration, Repair), Trouble> {
    let host = &stage.site.hosts[owner];
    // Of former repetitions there may be none.
    let _none = std::fs::remove_file(host.place(FAILED)?);
    let at = now();
    host.set_writes(LEDGER, Writes::Refused)?;
    Ok((at, Repair::LedgerDisk))
}

/// It takes them again; waits until the node has come back to it, with another agent.
///
/// # Errors
/// When the node does not.
pub fn give_disk(stage: &Stage, owner: usize) -> Result<(), Trouble> {
    let host = &stage.site.hosts[owner];
    let former = stage.product.processes(host, Part::Agent);
    host.set_writes(LEDGER, Writes::Taken)?;
    let end = now() + BACK;
    while now() < end {
        let here = stage.product.processes(host, Part::Agent);
        if here.iter().any(|agent| !former.contains(agent)) {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(20));
    }
    Err(Trouble::Failed(format!("{} did not come back to its ledger disk", host.name)))
}

/// What is not as it must be before anything is put right: a node that lost the disk says so, once.
#[must_use]
pub fn wrong(stage: &Stage, pattern: Pattern, before: &Before) -> Option<String> {
    if pattern != Pattern::PairDiskLost {
        return None;
    }
    let host = &stage.site.hosts[before.owner];
    let log = host.read(LOG).unwrap_or_default();
    let told = log.get(before.said..).unwrap_or_default().matches(UNUSABLE).count();
    (told != 1).then(|| format!("{} said {UNUSABLE} {told} times", host.name))
}

/// What befell the group of a node that came back to the disk, as it stands at the end: a lease
/// that the next life of the agent does not renew runs out after all was whole again.
#[must_use]
pub fn hit(
    stage: &mut Stage,
    pattern: Pattern,
    before: &Before,
    causes: &[String],
) -> Option<String> {
    if pattern != Pattern::PairDiskLost {
        return None;
    }
    let what = match stage.wait_whole() {
        Ok(after) => same_epoch(stage.group(), &before.status, &after)?,
        Err(trouble) => trouble.to_string(),
    };
    Some(format!("the group did not go on: {what}; {causes:?}"))
}
