//! `lab faults`: bad input and broken disks. Each has a message of its own and leaves nothing
//! half owned.

mod disk;
mod fence;
mod network;
mod start;

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use crate::Trouble;
use crate::host::LOG;
use crate::kernel::now;
use crate::product::{DeviceTests, GROUP, Plan, Profile, Shape};
use crate::stage::{Stage, show_logs};

/// A message that a fault must bring.
const SAYS: Duration = Duration::from_secs(10);

/// Bad input and broken disks.
#[derive(Clone, Debug, clap::Args)]
pub struct FaultsArgs {
    /// Only these.
    #[arg(long)]
    pub only: Vec<String>,
    /// The timing profile of the cluster.
    #[arg(long, value_enum, default_value_t)]
    pub timing: Profile,
}

type Rehearse = fn(&mut Stage) -> Result<Vec<String>, Trouble>;

/// Every fault with its name and the cluster that it is rehearsed in.
const ALL: [(&str, Shape, Rehearse); 14] = [
    ("address-in-use", Shape::Plain, network::address_in_use),
    ("disk-full", Shape::Plain, disk::full),
    ("sync-fails", Shape::Plain, disk::sync_fails),
    ("ledger-damaged", Shape::Plain, disk::ledger_damaged),
    ("second-agent", Shape::Plain, start::second_agent),
    ("other-cluster", Shape::Plain, network::other_cluster),
    ("old-boot", Shape::Plain, network::old_boot),
    ("no-fence", Shape::Plain, start::no_fence),
    ("fence-slow", Shape::Fenced, fence::slow),
    ("fence-absent", Shape::Fenced, fence::absent),
    // Before all others that lie: whose device was caught once is not believed early again.
    ("fence-lies-early", Shape::Fenced, fence::lies_early),
    ("fence-lies", Shape::Fenced, fence::lies),
    ("fence-lies-throughout", Shape::Fenced, fence::lies_throughout),
    ("fence-shoots-asker", Shape::Fenced, fence::shoots_the_asker),
];

/// Runs them one after the other, those of one kind of cluster in one that must be whole again
/// after each.
///
/// # Errors
/// A lab that cannot run; a cluster that does not become whole again.
pub fn run(args: &FaultsArgs) -> Result<ExitCode, Trouble> {
    let names: BTreeSet<&str> = args.only.iter().flat_map(|list| list.split(',')).collect();
    if let Some(odd) = names.iter().find(|name| ALL.iter().all(|(known, ..)| known != *name)) {
        return Err(Trouble::Failed(format!("no fault {odd:?}")));
    }
    let wanted: Vec<_> =
        ALL.into_iter().filter(|(name, ..)| names.is_empty() || names.contains(name)).collect();
    let mut failed = 0;
    for of_one_cluster in wanted.chunk_by(|(_, one, _), (_, next, _)| one == next) {
        let shape = of_one_cluster.first().map(|(_, shape, _)| *shape).unwrap_or_default();
        let device_tests = DeviceTests::Often;
        let plan = Plan { profile: args.timing, shape, device_tests, ..Plan::default() };
        let mut stage = Stage::set(plan, 1)?;
        for (name, _, rehearse) in of_one_cluster {
            failed += usize::from(!holds(&mut stage, (*name, *rehearse))?);
        }
    }
    println!("faults that were not as they must be {failed}");
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Rehearses one; whether all was as it must be.
fn holds(stage: &mut Stage, (name, rehearse): (&str, Rehearse)) -> Result<bool, Trouble> {
    let begun = now();
    stage.wait_whole()?;
    let wrong = rehearse(stage)?;
    if !wrong.is_empty() {
        show_logs(&stage.site);
    }
    stage.wait_whole()?;
    let verdict = if wrong.is_empty() { "ok    " } else { "FAILED" };
    println!("{verdict} {name} in {:.1} s", (now() - begun).as_secs_f64());
    wrong.iter().for_each(|why| println!("    {why}"));
    Ok(wrong.is_empty())
}

/// How long the log of a host is: what comes later was said later.
fn mark(stage: &Stage, at: usize) -> usize {
    stage.site.hosts[at].read(LOG).map_or(0, |log| log.len())
}

/// Waits until a host has said `id` behind `from`; what is wrong if it does not.
fn says(stage: &Stage, at: usize, from: usize, id: &str) -> Option<String> {
    let host = &stage.site.hosts[at];
    let said = || {
        let log = host.read(LOG).unwrap_or_default();
        log.get(from..).unwrap_or_default().contains(id)
    };
    (!until(SAYS, said)).then(|| format!("{} never said {id}", host.name))
}

/// Waits for something, for a bounded time.
fn until(limit: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let end = now() + limit;
    while now() < end {
        if holds() {
            return true;
        }
        thread::sleep(Duration::from_millis(20));
    }
    false
}

/// Waits until the group is wholly on one host: the address in its kernel, the volume mounted and
/// the program running there and nowhere else. What is wrong if it does not come to that.
fn not_wholly_owned(stage: &mut Stage) -> Option<String> {
    let whole = until(SAYS, || stage.whole_owner().is_some());
    (!whole).then(|| format!("addresses, volume, program: {:?}", stage.parts()))
}

/// The owner and the two others, in this order.
fn roles(stage: &mut Stage) -> Result<[usize; 3], Trouble> {
    let status = stage.product.status(&mut stage.site)?;
    let owner = stage.owner(&status)?;
    let count = stage.site.hosts.len();
    Ok([owner, (owner + 1) % count, (owner + 2) % count])
}

/// Has the ledger take an entry that changes nothing of the group: `idle`, which does not own it,
/// is drained and undrained.
fn write_entries(stage: &Stage, ask: usize, idle: usize) {
    let host = &stage.site.hosts[ask];
    for word in ["drain", "undrain"] {
        // While a node is being replaced a command may find no majority; the next one does.
        let _refused = stage.product.drain(host, word, &stage.site.hosts[idle].name);
    }
}

/// The epoch under which the group runs.
fn epoch(stage: &mut Stage) -> Result<Option<String>, Trouble> {
    let status = stage.product.status(&mut stage.site)?;
    Ok(status.group(GROUP).map(|group| group.epoch.clone()))
}
