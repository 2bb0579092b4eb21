//! What is done to a cluster in each situation, and what puts it right afterwards.

use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::Trouble;
use crate::badlink::PortId;
use crate::drilled;
use crate::expected::Injected;
use crate::fenced;
use crate::host::{ALL_LINKS, DATA_LINKS, LINKS, Order, Process};
use crate::kernel::now;
use crate::paired;
use crate::pattern::Pattern;
use crate::product::{Build, Part, move_wall};
use crate::stage::Stage;

/// A voter that has just begun promises nothing for the longest lease, which a majority must not
/// do at once: whoever updates a cluster waits so long before the next node.
const VOTES_AGAIN: Duration = Duration::from_secs(1);
/// How long what was replaced may take to be there again.
const LIMIT: Duration = Duration::from_secs(9);
/// What serves the callers of a group.
const SERVER: &[Part] = &[Part::Server];

/// What must be put right after the fault.
pub enum Repair {
    /// Nothing: it was an order, or is over.
    Nothing,
    /// Whoever has no power gets it.
    Power,
    /// These links are plugged in.
    Links(Vec<usize>),
    /// What the switch kept back is let through.
    Ways,
    /// What was stopped goes on.
    GoOn(Vec<Process>),
    /// The clock on the wall is set right.
    Clock,
    /// The node takes groups again.
    Undrain,
    /// The owner's agent is of the former build again.
    FormerBuild,
    /// Every agent is.
    FormerBuilds,
    /// The service beside the group runs again.
    Beside,
    /// Whoever was switched off gets its power; if it was not, its links.
    PowerOrLinks,
    /// The networks between the two nodes are there again.
    Between,
    /// The ledger disk takes the owner's writes again.
    LedgerDisk,
}

/// What was done.
pub struct Fault {
    /// When.
    pub at: Duration,
    /// What puts it right.
    pub repair: Repair,
    /// What the product said when it refused to do its part.
    pub refused: Option<String>,
}

/// Does to the owner what the situation asks for. `number` counts the repetitions.
///
/// # Errors
/// A lab that could not do its part.
pub fn inject(
    stage: &mut Stage,
    injected: &Injected,
    owner: usize,
    number: usize,
) -> Result<Fault, Trouble> {
    let mut refused = None;
    let (at, repair) = match injected.pattern {
        Pattern::Move
        | Pattern::Package
        | Pattern::PgMove
        | Pattern::PairMove
        | Pattern::FullMove => (move_away(stage, owner, &mut refused), Repair::Nothing),
        Pattern::DrillMove | Pattern::DrillIsolate => {
            (drilled::drill(stage, injected.pattern, (owner, &mut refused))?, Repair::Nothing)
        }
        Pattern::Power
        | Pattern::PowerLeader
        | Pattern::Ipv6
        | Pattern::Warm
        | Pattern::PgPower
        | Pattern::FencedPower
        | Pattern::PairPower
        | Pattern::FullPower => (stage.site.hosts[owner].power_off()?, Repair::Power),
        Pattern::PairCut => paired::cut_between(stage, owner, number),
        Pattern::PairDiskLost => paired::lose_disk(stage, owner)?,
        Pattern::AllPower | Pattern::PairBothPower => (stage.all_power()?, Repair::Nothing),
        Pattern::Shutdown => (shut_down(stage, owner)?, Repair::Power),
        Pattern::BothLinks | Pattern::RunningLinks => cut(stage, owner, &DATA_LINKS),
        Pattern::Isolated | Pattern::FullIsolated => cut(stage, owner, &ALL_LINKS),
        Pattern::FencedIsolated => {
            let (at, _) = cut(stage, owner, &ALL_LINKS);
            refused = fenced::does_not_reach(stage, owner);
            (at, Repair::PowerOrLinks)
        }
        Pattern::OneLink => cut(stage, owner, &[stage.link_of_address()]),
        Pattern::OneWay => one_way(stage, owner, number),
        Pattern::Freeze => (stage.site.hosts[owner].freeze()?, Repair::Nothing),
        Pattern::ProcessKill | Pattern::FullKill => hit(stage, owner, SERVER, Signal::SIGKILL)?,
        Pattern::AgentLost => hit(stage, owner, &[Part::Agent], Signal::SIGKILL)?,
        Pattern::GuardianLost => hit(stage, owner, &[Part::Guardian], Signal::SIGKILL)?,
        Pattern::AgentStop => hit(stage, owner, &[Part::Agent], Signal::SIGSTOP)?,
        Pattern::GuardianAgentStop => {
            hit(stage, owner, &[Part::Guardian, Part::Agent], Signal::SIGSTOP)?
        }
        Pattern::Rejoin => {
            let at = now();
            stage.boot_and_start()?;
            (at, Repair::Nothing)
        }
        Pattern::Hung => hit(stage, owner, SERVER, Signal::SIGSTOP)?,
        Pattern::ClockStep => {
            let at = now();
            move_wall(&stage.site.hosts[owner], injected.stepped)?;
            (at, Repair::Clock)
        }
        Pattern::Drain => {
            let (at, host) = (now(), &stage.site.hosts[owner]);
            let drained = stage.product.drain(host, "drain", &host.name);
            refused = drained.err().map(|trouble| trouble.to_string());
            (at, Repair::Undrain)
        }
        Pattern::NewerAgent => (replace_agent(stage, owner, Build::Next)?, Repair::FormerBuild),
        Pattern::AgentReplace => (replace_agents(stage, owner, Build::Next)?, Repair::FormerBuilds),
        Pattern::Monitor | Pattern::Log | Pattern::RunningMonitor | Pattern::Mutual => {
            (hit(stage, owner, &[Part::Beside], Signal::SIGKILL)?.0, Repair::Beside)
        }
    };
    Ok(Fault { at, repair, refused })
}

/// Moves the group to the next node: named, because a group that never fails back does not go home
/// unnamed.
fn move_away(stage: &Stage, owner: usize, refused: &mut Option<String>) -> Duration {
    let (at, hosts) = (now(), &stage.site.hosts);
    let next = &hosts[(owner + 1) % hosts.len()].name;
    let moved = stage.product.move_group(&hosts[owner], (stage.group(), next));
    *refused = moved.err().map(|trouble| trouble.to_string());
    at
}

/// Ends a host in an orderly way, as its own power button does.
fn shut_down(stage: &mut Stage, at: usize) -> Result<Duration, Trouble> {
    let (time, host) = (now(), &mut stage.site.hosts[at]);
    host.order(&Order::Stop)?;
    host.power_off()?;
    Ok(time)
}

/// Cuts links of a host.
fn cut(stage: &Stage, at: usize, links: &[usize]) -> (Duration, Repair) {
    let time = now();
    stage.site.hosts[at].cut(links, true);
    (time, Repair::Links(links.to_vec()))
}

/// Makes a host deaf, or dumb, in turn.
fn one_way(stage: &Stage, at: usize, number: usize) -> (Duration, Repair) {
    let (time, deaf) = (now(), number.is_multiple_of(2));
    set_ways(stage, at, !deaf, deaf);
    (time, Repair::Ways)
}

/// Sends a signal to parts of a node, one right after the other.
fn hit(
    stage: &Stage,
    owner: usize,
    parts: &[Part],
    signal: Signal,
) -> Result<(Duration, Repair), Trouble> {
    let mut found = Vec::new();
    for part in parts {
        let host = &stage.site.hosts[owner];
        let processes = stage.product.processes_of(host, *part, stage.served());
        if processes.is_empty() {
            return Err(Trouble::Failed(format!("found no {part:?} to hit")));
        }
        found.extend(processes);
    }
    let at = now();
    found.iter().try_for_each(|process| process.signal(signal))?;
    Ok((at, Repair::GoOn(found)))
}

/// Installs another build and ends the agent; the next one is of that build.
fn replace_agent(stage: &Stage, owner: usize, build: Build) -> Result<Duration, Trouble> {
    let host = &stage.site.hosts[owner];
    let former = stage.product.processes(host, Part::Agent);
    stage.product.install(host, build)?;
    let at = now();
    former.iter().try_for_each(|process| process.signal(Signal::SIGKILL))?;
    let end = at + LIMIT;
    while now() < end {
        let here = stage.product.processes(host, Part::Agent);
        if let Some(next) = here.iter().find(|process| !former.contains(process)) {
            return match next.runs_file(stage.product.file(build)) {
                true => Ok(at),
                false => Err(Trouble::Failed(format!("the agent is not of the {build:?} build"))),
            };
        }
        thread::sleep(Duration::from_millis(1));
    }
    Err(Trouble::Failed("no agent came after the one that was ended".into()))
}

/// Does so on every node, the owner last, as an update of a cluster does: each agent has found its
/// place before the next one is ended.
fn replace_agents(stage: &Stage, owner: usize, build: Build) -> Result<Duration, Trouble> {
    let count = stage.site.hosts.len();
    let mut begun = None;
    for at in (1..=count).map(|step| (owner + step) % count) {
        let replaced = replace_agent(stage, at, build)?;
        let end = replaced + LIMIT;
        while !stage.product.status_of(&stage.site.hosts[at]).is_ok_and(|s| s.is_whole(count)) {
            if now() >= end {
                let name = &stage.site.hosts[at].name;
                return Err(Trouble::Failed(format!("the new agent of {name} found no cluster")));
            }
            thread::sleep(Duration::from_millis(20));
        }
        thread::sleep(VOTES_AGAIN);
        begun.get_or_insert(replaced);
    }
    Ok(begun.unwrap_or_else(now))
}

/// Cuts the ways from and to a host on all links, without its cables showing it.
pub fn set_ways(stage: &Stage, at: usize, from: bool, to: bool) {
    let host = stage.site.hosts[at].index;
    let mut shared = stage.site.wire.instruments();
    for link in 0..LINKS.len() {
        shared.switch.cut(PortId { host, link }, from, to);
    }
}

/// Puts it right.
///
/// # Errors
/// A lab that could not.
pub fn repair(stage: &mut Stage, owner: usize, repair: Repair) -> Result<(), Trouble> {
    match repair {
        Repair::Nothing => Ok(()),
        Repair::Power => stage.boot_and_start(),
        Repair::PowerOrLinks => {
            stage.site.hosts[owner].cut(&ALL_LINKS, false);
            stage.boot_and_start()
        }
        Repair::Links(links) => {
            stage.site.hosts[owner].cut(&links, false);
            Ok(())
        }
        Repair::Ways => {
            set_ways(stage, owner, false, false);
            Ok(())
        }
        Repair::Between => {
            paired::join_between(stage, owner);
            Ok(())
        }
        Repair::LedgerDisk => paired::give_disk(stage, owner),
        Repair::Clock => move_wall(&stage.site.hosts[owner], 0),
        Repair::Undrain => {
            let host = &stage.site.hosts[owner];
            stage.product.drain(host, "undrain", &host.name)
        }
        Repair::FormerBuild => replace_agent(stage, owner, Build::Current).map(drop),
        Repair::FormerBuilds => replace_agents(stage, owner, Build::Current).map(drop),
        Repair::Beside => stage.product.start_beside(&stage.site.hosts[owner]),
        Repair::GoOn(stopped) => {
            // Whoever was replaced meanwhile is gone.
            for process in stopped.iter().filter(|process| process.runs()) {
                process.signal(Signal::SIGCONT)?;
            }
            Ok(())
        }
    }
}
