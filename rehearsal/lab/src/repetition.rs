//! One repetition: a whole cluster, a fault at a random moment, what the client and the two
//! instruments saw, and a whole cluster again.

use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::Trouble;
use crate::badlink::PortId;
use crate::expected::{self, Injected, Told};
use crate::host::{ALL_LINKS, DATA_LINKS, LINKS, Order, Process};
use crate::judged;
use crate::kernel::{now, set_real_time};
use crate::outage::{BEFORE, Outage};
use crate::pattern::{After, Pattern};
use crate::product::{Build, Part, Status, move_wall};
use crate::recorder::Stall;
use crate::stage::Stage;

/// Service must have come back within this.
const LIMIT: Duration = Duration::from_secs(9);
/// And stay for this.
const SPAN: Duration = Duration::from_secs(1);
/// A fault that may have no effect is watched for this long: longer than any lease.
const WATCH: Duration = Duration::from_millis(1800);
/// In seconds: what somebody gets wrong who sets a clock by hand.
const HOUR: i64 = 3600;
/// Unanswered calls are asked again for this long.
const SETTLE: Duration = Duration::from_secs(3);

/// What came of one repetition.
#[derive(Clone, Debug)]
pub struct Repetition {
    /// What the client saw.
    pub outage: Outage,
    /// How long two hosts held the address, by the kernels and by the wire; the longer.
    pub held_twice: Duration,
    /// For a frozen host: from its wake-up until everything of the old epoch was gone.
    pub after_wake: Option<Duration>,
    /// Answers of the old owner to calls that were begun after the new owner had answered.
    pub stale: usize,
    /// Why it is not as it must be, apart from the times.
    pub wrong: Vec<String>,
    /// The first causes that the nodes name for it; one if they agree.
    pub causes: Vec<String>,
    /// Pauses of the machine itself: the repetition is void.
    pub stalls: Vec<Stall>,
    /// From the wish for a whole cluster to the next one.
    pub took: Duration,
}

impl Repetition {
    /// Whether something happened that must not happen on any machine, however slow: no pause
    /// makes it void.
    #[must_use]
    pub fn is_unsafe(&self) -> bool {
        let Outage { lost, doubled, .. } = self.outage;
        lost + doubled > 0 || self.stale > 0 || !self.held_twice.is_zero()
    }
}

/// What must be put right after the fault.
enum Repair {
    Nothing,
    Power,
    Links(Vec<usize>),
    Ways,
    GoOn(Vec<Process>),
    Clock,
    Undrain,
    FormerBuild,
}

struct Fault {
    at: Duration,
    repair: Repair,
    after_wake: Option<Duration>,
    /// What the product said when it refused to do its part.
    refused: Option<String>,
}

/// Runs `pattern` once. `number` counts the repetitions.
///
/// # Errors
/// A lab that could not do its part; a cluster that is not whole afterwards.
pub fn run(stage: &mut Stage, pattern: Pattern, number: usize) -> Result<Repetition, Trouble> {
    let begun = now();
    let (owner, before) = prepare(stage, pattern)?;
    let injected = planned(stage, pattern, (owner, number));
    let old = injected.node.clone();
    let foretold = expected::foretold(stage, pattern, owner)?;
    let pause = 100 + stage.draw.below(400);
    thread::sleep(Duration::from_millis(pause));
    set_real_time(20)?;
    let fault = inject(stage, &injected, owner, number);
    set_real_time(0)?;
    let mut fault = fault?;
    let approves = |node: &str| match pattern.after() {
        After::Another => node != old,
        After::Same => node == old,
        After::Anyone => true,
    };
    let seen_from = fault.at + Duration::from_millis(200);
    let mut wrong = Vec::new();
    wrong.extend(fault.refused.take());
    if wrong.is_empty() && !stage.wait_answered(seen_from, SPAN, LIMIT, approves) {
        wrong.push(format!("was not answered as it must be ({:?})", pattern.after()));
    }
    if pattern == Pattern::Freeze {
        fault.after_wake = Some(wake(stage, owner, fault.at)?);
    }
    if pattern.after() != After::Another {
        thread::sleep((fault.at + WATCH).saturating_sub(now()));
    }
    let seen_until = now();
    let since = fault.at.saturating_sub(BEFORE);
    let seen = Outage::of(&stage.client.calls_since(since), fault.at, seen_until, 0);
    repair(stage, owner, fault.repair)?;
    let whole = stage.wait_whole();
    if let Ok(after) = &whole {
        let statuses = (&before, after);
        wrong.extend(judged::afterwards(stage, pattern, statuses, foretold.as_deref()));
    }
    let open = stage.client.settle(since, SETTLE);
    let calls = stage.client.calls_since(since);
    let all = Outage::of(&calls, fault.at, now(), open.len());
    let stalls = stage.site.recorder.since(since);
    let took = now() - begun;
    let mut told = Told { causes: Vec::new(), wrong: None };
    if whole.is_ok() {
        told = expected::ask(stage, &injected);
    }
    wrong.extend(told.wrong);
    wrong.extend(expected::recorded(stage, pattern));
    wrong.extend(judged::promised(pattern, &seen));
    wrong.extend(judged::announced(stage, pattern, fault.at, &old));
    let mut repetition = Repetition {
        outage: Outage { lost: all.lost, doubled: all.doubled, ..seen },
        held_twice: judged::held_twice(stage, since),
        after_wake: fault.after_wake,
        stale: judged::stale(&calls, &old, fault.at),
        wrong,
        causes: told.causes,
        stalls,
        took,
    };
    stage.client.forget(since);
    stage.site.wire.instruments().switch.forget(since);
    if let Err(trouble) = whole {
        repetition.wrong.push(trouble.to_string());
        stage.start_over()?;
    }
    Ok(repetition)
}

/// What will be done to whom.
fn planned(stage: &Stage, pattern: Pattern, (owner, number): (usize, usize)) -> Injected {
    let node = stage.site.hosts[owner].name.clone();
    let link = format!("eth{}", stage.link_of_address());
    let stepped = if number.is_multiple_of(2) { -HOUR } else { HOUR };
    Injected { pattern, node, link, stepped }
}

/// A whole cluster with the owner where the pattern wants it.
fn prepare(stage: &mut Stage, pattern: Pattern) -> Result<(usize, Status), Trouble> {
    let mut status = stage.wait_whole()?;
    if pattern == Pattern::PowerLeader {
        let leader = status.leader.clone().unwrap_or_default();
        let owner = stage.owner(&status)?;
        if stage.site.hosts[owner].name != leader {
            stage.product.move_group(&stage.site.hosts[owner], Some(&leader))?;
            status = stage.wait_whole()?;
        }
    }
    let owner = stage.owner(&status)?;
    if pattern == Pattern::Rejoin {
        let other = (owner + 1) % stage.site.hosts.len();
        stage.site.hosts[other].power_off()?;
        thread::sleep(BEFORE + Duration::from_millis(500));
    }
    Ok((owner, status))
}

fn inject(
    stage: &mut Stage,
    injected: &Injected,
    owner: usize,
    number: usize,
) -> Result<Fault, Trouble> {
    let mut refused = None;
    let (at, repair) = match injected.pattern {
        Pattern::Move => {
            let at = now();
            // Named, because a group that never fails back does not go home unnamed.
            let next = stage.site.hosts[(owner + 1) % stage.site.hosts.len()].name.clone();
            let moved = stage.product.move_group(&stage.site.hosts[owner], Some(&next));
            refused = moved.err().map(|trouble| trouble.to_string());
            (at, Repair::Nothing)
        }
        Pattern::Power | Pattern::PowerLeader | Pattern::Ipv6 => {
            (stage.site.hosts[owner].power_off()?, Repair::Power)
        }
        Pattern::AllPower => (stage.all_power()?, Repair::Nothing),
        Pattern::Shutdown => {
            let at = now();
            stage.site.hosts[owner].order(&Order::Stop)?;
            stage.site.hosts[owner].power_off()?;
            (at, Repair::Power)
        }
        Pattern::BothLinks => cut(stage, owner, &DATA_LINKS),
        Pattern::Isolated => cut(stage, owner, &ALL_LINKS),
        Pattern::OneLink => cut(stage, owner, &[stage.link_of_address()]),
        Pattern::OneWay => {
            let (at, deaf) = (now(), number.is_multiple_of(2));
            set_ways(stage, owner, !deaf, deaf);
            (at, Repair::Ways)
        }
        Pattern::Freeze => (stage.site.hosts[owner].freeze()?, Repair::Nothing),
        Pattern::ProcessKill => hit(stage, owner, &[Part::Sample], Signal::SIGKILL)?,
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
        Pattern::Hung => hit(stage, owner, &[Part::Sample], Signal::SIGSTOP)?,
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
    };
    Ok(Fault { at, repair, after_wake: None, refused })
}

/// Cuts links of a host.
fn cut(stage: &Stage, at: usize, links: &[usize]) -> (Duration, Repair) {
    let time = now();
    stage.site.hosts[at].cut(links, true);
    (time, Repair::Links(links.to_vec()))
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
        let processes = stage.product.processes(&stage.site.hosts[owner], *part);
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

/// Cuts the ways from and to a host on all links, without its cables showing it.
fn set_ways(stage: &Stage, at: usize, from: bool, to: bool) {
    let host = stage.site.hosts[at].index;
    let mut shared = stage.site.wire.instruments();
    for link in 0..LINKS.len() {
        shared.switch.cut(PortId { host, link }, from, to);
    }
}

fn repair(stage: &mut Stage, owner: usize, repair: Repair) -> Result<(), Trouble> {
    match repair {
        Repair::Nothing => Ok(()),
        Repair::Power => stage.boot_and_start(),
        Repair::Links(links) => {
            stage.site.hosts[owner].cut(&links, false);
            Ok(())
        }
        Repair::Ways => {
            set_ways(stage, owner, false, false);
            Ok(())
        }
        Repair::Clock => move_wall(&stage.site.hosts[owner], 0),
        Repair::Undrain => {
            let host = &stage.site.hosts[owner];
            stage.product.drain(host, "undrain", &host.name)
        }
        Repair::FormerBuild => replace_agent(stage, owner, Build::Current).map(drop),
        Repair::GoOn(stopped) => {
            // Whoever was replaced meanwhile is gone.
            for process in stopped.iter().filter(|process| process.runs()) {
                process.signal(Signal::SIGCONT)?;
            }
            Ok(())
        }
    }
}

/// Lets a frozen host go on and measures how long anything of the old epoch stays.
fn wake(stage: &mut Stage, at: usize, frozen: Duration) -> Result<Duration, Trouble> {
    let old = stage.product.processes(&stage.site.hosts[at], Part::Sample);
    set_real_time(20)?;
    let woken = stage.site.hosts[at].thaw(frozen);
    let gone = woken.map(|woken| until_gone(stage, at, &old, woken) - woken);
    set_real_time(0)?;
    gone
}

fn until_gone(stage: &Stage, at: usize, old: &[Process], woken: Duration) -> Duration {
    let host = &stage.site.hosts[at];
    let end = woken + Duration::from_secs(3);
    loop {
        let address = {
            let shared = stage.site.wire.instruments();
            let mut all = stage.product.plan.addresses().into_iter();
            all.any(|address| shared.addresses.holders(address).contains(&host.index))
        };
        let time = now();
        let stays = address || old.iter().any(Process::runs) || host.has_volume();
        if !stays || time >= end {
            return time;
        }
        thread::sleep(Duration::from_micros(300));
    }
}
