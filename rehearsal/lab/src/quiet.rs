//! `lab quiet`: nothing happens, on a machine that has much else to do; nothing must be taken over.

use std::fs::File;
use std::io::{Seek, Write};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use crate::Trouble;
use crate::kernel::now;
use crate::product::{GROUP, Plan, Profile, Status};
use crate::report::ms;
use crate::site;
use crate::stage::{Stage, show_logs};

/// Hogs a processor.
const HOGS_A_CORE: usize = 2;
/// So many runs may be void because the machine itself stood still.
const MOST_VOID: usize = 2;
/// The time to watch is made of runs of this length at most: a pause voids one of them.
const RUN: Duration = Duration::from_secs(60);

/// Nothing happens, for so long, under load.
#[derive(Clone, Debug, clap::Args)]
pub struct QuietArgs {
    /// How long.
    #[arg(long, default_value_t = 10.0)]
    pub minutes: f64,
    /// The timing profile of the cluster.
    #[arg(long, value_enum, default_value_t)]
    pub timing: Profile,
}

/// Programs that only take time; ended when dropped.
struct Load(Vec<Child>);

impl Load {
    fn start() -> Result<Self, Trouble> {
        let cores = thread::available_parallelism()?.get();
        let start = |what: &str| {
            let mut command = Command::new(crate::own_program()?);
            command.args(["load", what]).stdin(Stdio::piped()).spawn().map_err(Trouble::from)
        };
        let mut load = Self(Vec::new());
        for _ in 0..cores * HOGS_A_CORE {
            load.0.push(start("processor")?);
        }
        load.0.push(start("disk")?);
        Ok(load)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _gone = child.kill();
            let _ended = child.wait();
        }
    }
}

/// One program of the load; it ends with the lab.
///
/// # Errors
/// A full disk.
pub fn load(what: &str) -> Result<ExitCode, Trouble> {
    thread::spawn(|| {
        // The other end is held by the lab alone.
        let mut rest = String::new();
        let _closed = std::io::stdin().read_line(&mut rest);
        std::process::exit(0);
    });
    if what == "disk" {
        let mut file = File::create(format!("{}/load", site::DIR))?;
        let block = vec![7; 1 << 16];
        loop {
            file.rewind()?;
            for _ in 0..16 {
                file.write_all(&block)?;
                file.sync_data()?;
            }
        }
    }
    let mut value = 1_u64;
    loop {
        value = std::hint::black_box(value.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    }
}

/// What was seen in one run.
struct Seen {
    takeovers: usize,
    lost_epoch: bool,
    stalls: usize,
}

/// Watches a cluster under load and counts takeovers.
///
/// # Errors
/// A lab that cannot run.
pub fn run(args: &QuietArgs) -> Result<ExitCode, Trouble> {
    let mut stage = Stage::set(Plan { profile: args.timing, ..Plan::default() }, 1)?;
    let mut left = Duration::from_secs_f64(args.minutes * 60.0);
    let (mut runs, mut void, mut bad) = (0, 0, 0);
    while !left.is_zero() && void <= MOST_VOID && bad == 0 {
        let span = left.min(RUN);
        let seen = watch(&mut stage, span)?;
        if seen.stalls > 0 {
            void += 1;
            println!("void: the machine itself stood still {} times", seen.stalls);
            continue;
        }
        left -= span;
        runs += 1;
        bad += seen.takeovers.max(usize::from(seen.lost_epoch));
    }
    println!(
        "timing {}  minutes {}  runs {runs}  void {void}  takeovers {bad}  longest pause {:.1} ms",
        args.timing.word(),
        args.minutes,
        ms(stage.site.recorder.latest()),
    );
    let good = bad == 0 && void <= MOST_VOID;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One run: whole before it and after it, the load only in between.
fn watch(stage: &mut Stage, span: Duration) -> Result<Seen, Trouble> {
    let before = stage.wait_whole()?;
    let load = Load::start()?;
    let begun = now();
    let end = begun + span;
    while now() < end {
        thread::sleep(Duration::from_millis(500).min(end.saturating_sub(now())));
        stage.forget(now().saturating_sub(Duration::from_secs(2)));
    }
    let stalls = stage.site.recorder.since(begun).len();
    let holdings = stage.site.wire.instruments().addresses.of(stage.address());
    drop(load);
    let after = stage.wait_whole()?;
    let epoch = |status: &Status| status.group(GROUP).map(|group| group.epoch.clone());
    let seen = Seen {
        takeovers: holdings.iter().filter(|holding| holding.from >= begun).count(),
        lost_epoch: epoch(&before) != epoch(&after),
        stalls,
    };
    if seen.takeovers > 0 || seen.lost_epoch {
        stage.tell_why(GROUP);
        show_logs(&stage.site);
    }
    Ok(seen)
}
