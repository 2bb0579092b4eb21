//! `lab idle`: what a node costs while nothing happens. What it uses of the processor depends on
//! who else runs on the machine, so alone it is a failure only if that is asked for; beside it
//! stands what a bare process that makes the same sends and receipts costs at the same time.

use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use crate::product::{Plan, Profile};
use crate::stage::Stage;
use crate::{Trouble, bare};

/// Resident memory of the daemons of a node.
const MOST_MIB: f64 = 40.0;
/// What a start leaves to be done is done by then.
const SETTLED: Duration = Duration::from_secs(5);

/// What a node costs while nothing happens.
#[derive(Clone, Debug, clap::Args)]
pub struct IdleArgs {
    /// How long to look.
    #[arg(long, default_value_t = 30)]
    pub seconds: u64,
    /// The timing profile of the cluster.
    #[arg(long, value_enum, default_value_t)]
    pub timing: Profile,
    /// Fail also when more of the processor is used than promised.
    #[arg(long)]
    pub strict: bool,
}

/// Measures and prints a line a node.
///
/// # Errors
/// A lab that cannot run.
pub fn run(args: &IdleArgs) -> Result<ExitCode, Trouble> {
    let mut stage = Stage::set(Plan { profile: args.timing, ..Plan::default() }, 1)?;
    let status = stage.wait_whole()?;
    let (most_percent, beat) = match args.timing {
        Profile::Default => (0.5, Duration::from_millis(80)),
        Profile::Fast => (1.0, Duration::from_micros(29_900)),
    };
    // An address is announced again for two seconds after it came up, and nodes find their step.
    thread::sleep(SETTLED);
    let span = Duration::from_secs(args.seconds);
    let daemons: Vec<_> = stage.site.hosts.iter().map(|host| stage.product.daemons(host)).collect();
    let cpu = |list: &[crate::host::Process]| list.iter().map(crate::host::Process::cpu).sum();
    let before: Vec<Duration> = daemons.iter().map(|list| cpu(list)).collect();
    let begun = Instant::now();
    let floors = bare::in_all(&stage.site.hosts, (beat, span))?;
    let looked = begun.elapsed().as_secs_f64();
    let (mut small, mut calm) = (true, true);
    let measured = stage.site.hosts.iter().zip(&daemons).zip(before).zip(floors);
    for (((host, list), before), floor) in measured {
        let used: Duration = cpu(list);
        let percent = (used - before).as_secs_f64() / looked * 100.0;
        let mib = list.iter().map(|one| one.resident_kib()).sum::<u64>() as f64 / 1024.0;
        let role = if status.leader.as_deref() == Some(&host.name) { "leader" } else { "" };
        small &= mib <= MOST_MIB;
        calm &= percent <= most_percent;
        println!(
            "{}  daemons {}  resident {mib:.1} MiB  processor {percent:.2} %  \
             bare process {floor:.2} %  times {:.2}  {role}",
            host.name,
            list.len(),
            percent / floor,
        );
        for one in list {
            let name = one.argv.iter().take(3).cloned().collect::<Vec<_>>().join(" ");
            println!("    {:>7.1} MiB  {name}", one.resident_kib() as f64 / 1024.0);
        }
    }
    let told = |held: bool| if held { "held" } else { "OVER" };
    println!("limits {MOST_MIB} MiB {}, {most_percent} % {}", told(small), told(calm));
    Ok(if small && (calm || !args.strict) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
