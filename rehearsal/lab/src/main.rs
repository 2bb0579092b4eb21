//! Real processes on real networks: power loss, cut links, bad links, and a client that measures.

mod address_log;
mod badlink;
mod bare;
mod beside;
mod client;
mod drilled;
mod expected;
mod faults;
mod fence;
mod fenced;
mod host;
mod idle;
mod inject;
mod judged;
mod kernel;
mod logs;
mod many_groups;
mod outage;
mod overlap;
mod packages;
mod paired;
mod pairs;
mod pattern;
mod patterns;
mod planted;
mod product;
mod quiet;
mod recorder;
mod repetition;
mod report;
mod rows;
mod self_test;
mod site;
mod stage;
mod trouble;
mod warm;

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use clap::{Parser, Subcommand};

pub use trouble::Trouble;

/// Real processes on real networks: power loss, cut links, bad links.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Every situation, so many times, with what is promised of it.
    Patterns(patterns::PatternsArgs),
    /// Two faults that overlap, so many takeovers; nothing of a group may be left elsewhere.
    Pairs(pairs::PairsArgs),
    /// Nothing happens, for so long, under load; nothing may be taken over.
    Quiet(quiet::QuietArgs),
    /// Systems with a planted fault, which must be caught.
    Unsafe(planted::UnsafeArgs),
    /// What a node costs while nothing happens.
    Idle(idle::IdleArgs),
    /// A node with many groups loses its power.
    ManyGroups(many_groups::ManyArgs),
    /// A cluster to look around in, until standard input ends.
    Stand {
        /// The timing profile of the cluster.
        #[arg(long, value_enum, default_value_t)]
        timing: product::Profile,
        /// What it has.
        #[arg(long, value_enum, default_value_t)]
        shape: product::Shape,
    },
    /// Shows that the lab itself tells the truth.
    SelfTest,
    /// Bad input and broken disks: each has its own message and leaves nothing half owned.
    Faults(faults::FaultsArgs),
    /// Asks a sample and what is beside it whether they answer, for as long as it takes.
    #[command(hide = true)]
    Ask { at: Vec<std::net::SocketAddr> },
    /// A service beside a group, which answers.
    #[command(hide = true)]
    Beside { at: std::net::SocketAddr },
    /// The fence agent of the lab's device.
    #[command(hide = true)]
    FenceDevice,
    /// What an idle node sends and receives, without the node.
    #[command(hide = true)]
    Bare(bare::BareArgs),
    /// A program of the load.
    #[command(hide = true)]
    Load { what: String },
    /// The outer process of a host.
    #[command(hide = true)]
    HostEnter {
        #[arg(long)]
        cgroup: PathBuf,
    },
    /// The first process of a host.
    #[command(hide = true)]
    HostInit,
    /// A program in a host.
    #[command(hide = true)]
    HostExec {
        #[arg(long)]
        pid: i32,
        #[arg(long)]
        cgroup: PathBuf,
        #[arg(last = true)]
        argv: Vec<String>,
    },
    /// The sample, for the self-test.
    #[command(hide = true, subcommand)]
    Sample(tsugi_counter::Sample),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        What::Patterns(args) => patterns::run(&args),
        What::Pairs(args) => pairs::run(&args),
        What::Quiet(args) => quiet::run(&args),
        What::Unsafe(args) => planted::run(&args),
        What::Idle(args) => idle::run(&args),
        What::ManyGroups(args) => many_groups::run(&args),
        What::Stand { timing, shape } => {
            let serves = product::Serves::Report;
            let plan = product::Plan { profile: timing, shape, serves, ..product::Plan::default() };
            stage::Stage::stand(plan).map(|()| ExitCode::SUCCESS)
        }
        What::Faults(args) => faults::run(&args),
        What::Ask { at } => beside::ask(&at),
        What::Beside { at } => beside::run(at),
        What::FenceDevice => fence::run(),
        What::Bare(args) => bare::run(&args),
        What::Load { what } => quiet::load(&what),
        What::SelfTest => self_test::run(),
        What::HostEnter { cgroup } => host::enter(&cgroup),
        What::HostInit => host::init(),
        What::HostExec { pid, cgroup, argv } => host::exec(pid, &cgroup, &argv),
        What::Sample(sample) => Ok(tsugi_counter::run(&sample)),
    };
    done.unwrap_or_else(|trouble| {
        eprintln!("lab: {trouble}");
        ExitCode::FAILURE
    })
}

/// The running program's own file, also when a newer build has replaced it.
fn own_program() -> Result<PathBuf, Trouble> {
    Ok(PathBuf::from("/proc/self/exe"))
}

/// Runs `ip` with many commands in the network namespace of the caller.
fn ip_batch(script: &str) -> Result<(), Trouble> {
    let mut ip = Command::new("ip")
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| Trouble::Missing(format!("ip: {error}")))?;
    ip.stdin.take().expect("was asked for").write_all(script.as_bytes())?;
    let done = ip.wait_with_output()?;
    if done.status.success() {
        return Ok(());
    }
    Err(Trouble::Failed(format!("ip: {}", String::from_utf8_lossy(&done.stderr).trim())))
}
