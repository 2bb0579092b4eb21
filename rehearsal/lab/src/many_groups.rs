//! `lab many-groups`: a node with 200 groups loses its power; how long until the last is back.

use std::net::IpAddr;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use crate::Trouble;
use crate::kernel::now;
use crate::product::{GROUP, Plan, Profile, small_address};
use crate::report::ms;
use crate::stage::Stage;

const LIMIT: Duration = Duration::from_secs(3);
const GIVE_UP: Duration = Duration::from_secs(20);

/// A node with many groups loses its power.
#[derive(Clone, Debug, clap::Args)]
pub struct ManyArgs {
    /// How many groups.
    #[arg(long, default_value_t = 200)]
    pub groups: usize,
    /// The timing profile of the cluster.
    #[arg(long, value_enum, default_value_t)]
    pub timing: Profile,
    /// Fail also when it takes longer than promised.
    #[arg(long)]
    pub strict: bool,
}

/// Runs it once.
///
/// # Errors
/// A lab that cannot run.
pub fn run(args: &ManyArgs) -> Result<ExitCode, Trouble> {
    let plan = Plan { profile: args.timing, more_groups: args.groups, ..Plan::default() };
    let mut stage = Stage::set(plan, 1)?;
    let status = stage.wait_whole()?;
    let owner = stage.owner(&status)?;
    let name = stage.site.hosts[owner].name.clone();
    let owned = |group: &&crate::product::GroupStatus| group.owner.as_deref() == Some(&name);
    let owned: Vec<String> = status.groups.iter().filter(owned).map(|g| g.name.clone()).collect();
    let numbers = owned.iter().filter_map(|group| group.strip_prefix('g')?.parse().ok());
    let addresses: Vec<IpAddr> = numbers
        .map(small_address)
        .chain(owned.iter().any(|group| group == GROUP).then(|| stage.address()))
        .collect();
    thread::sleep(Duration::from_millis(500));
    let fault = stage.site.hosts[owner].power_off()?;
    let mut last = None;
    while last.is_none() && now() < fault + GIVE_UP {
        thread::sleep(Duration::from_millis(20));
        last = last_taken(&stage, &addresses, fault);
    }
    let held = last.is_some_and(|last| last - fault <= LIMIT);
    println!(
        "groups on {name} {}  last taken over after {} ms  limit {} ms {}",
        addresses.len(),
        last.map_or_else(|| "never".into(), |last| format!("{:.0}", ms(last - fault))),
        LIMIT.as_millis(),
        if held { "held" } else { "OVER" },
    );
    let whole = last.is_some() && addresses.len() >= args.groups;
    Ok(if whole && (held || !args.strict) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// When the last of the addresses was held by another host; none while one is missing.
fn last_taken(stage: &Stage, addresses: &[IpAddr], fault: Duration) -> Option<Duration> {
    let shared = stage.site.wire.instruments();
    let taken = |address: &IpAddr| {
        let holdings = shared.addresses.of(*address);
        holdings.iter().filter(|holding| holding.from > fault).map(|holding| holding.from).min()
    };
    addresses.iter().map(taken).try_fold(fault, |last, taken| Some(last.max(taken?)))
}
