//! One repetition: a whole cluster, a fault at a random moment, what the client and the two
//! instruments saw, and a whole cluster again.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::Trouble;
use crate::badlink::PortId;
use crate::client::CallEnd;
use crate::host::{ALL_LINKS, DATA_LINKS, LINKS, Order, Process};
use crate::kernel::{now, set_real_time};
use crate::outage::{BEFORE, Outage};
use crate::overlap;
use crate::pattern::{After, Pattern};
use crate::product::{Part, first_cause};
use crate::recorder::Stall;
use crate::stage::Stage;

/// Service must have come back within this.
const LIMIT: Duration = Duration::from_secs(9);
/// And stay for this.
const SPAN: Duration = Duration::from_secs(1);
/// A fault that may have no effect is watched for this long: longer than any lease.
const WATCH: Duration = Duration::from_millis(1800);
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

/// What must be put right after the fault.
enum Repair {
    Nothing,
    Power,
    Links(Vec<usize>),
    Ways,
    GoOn(Vec<Process>),
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
    let owner = prepare(stage, pattern)?;
    let old = stage.site.hosts[owner].name.clone();
    let pause = 100 + stage.draw.below(400);
    thread::sleep(Duration::from_millis(pause));
    set_real_time(20)?;
    let injected = inject(stage, pattern, owner, number);
    set_real_time(0)?;
    let mut fault = injected?;
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
    let open = stage.client.settle(since, SETTLE);
    let calls = stage.client.calls_since(since);
    let all = Outage::of(&calls, fault.at, now(), open.len());
    let (holdings, claims) = {
        let shared = stage.site.wire.instruments();
        let mut claims = shared.switch.claims_since(since);
        claims.retain(|claim| claim.address == stage.address());
        (shared.addresses.of(stage.address()), claims)
    };
    let kernels = overlap::held_twice(&holdings, since, now());
    let wire = overlap::claimed_twice(&claims, &holdings);
    let stalls = stage.site.recorder.since(since);
    let mut repetition = Repetition {
        outage: Outage { lost: all.lost, doubled: all.doubled, ..seen },
        held_twice: kernels.max(wire),
        after_wake: fault.after_wake,
        stale: stale(&calls, &old, fault.at),
        wrong,
        causes: causes(stage, pattern),
        stalls,
        took: now() - begun,
    };
    stage.client.forget(since);
    stage.site.wire.instruments().switch.forget(since);
    if let Err(trouble) = whole {
        repetition.wrong.push(trouble.to_string());
        stage.start_over()?;
    }
    Ok(repetition)
}

/// What the nodes say was the first cause, where there was something to explain.
fn causes(stage: &mut Stage, pattern: Pattern) -> Vec<String> {
    let explained = pattern.after() == After::Another || pattern == Pattern::ProcessKill;
    if !explained {
        return Vec::new();
    }
    let told = stage.product.explanations(&mut stage.site);
    let distinct: BTreeSet<String> = told.iter().map(|(_, text)| first_cause(text)).collect();
    distinct.into_iter().collect()
}

/// A whole cluster with the owner where the pattern wants it.
fn prepare(stage: &mut Stage, pattern: Pattern) -> Result<usize, Trouble> {
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
    Ok(owner)
}

fn inject(
    stage: &mut Stage,
    pattern: Pattern,
    owner: usize,
    number: usize,
) -> Result<Fault, Trouble> {
    let mut refused = None;
    let (at, repair) = match pattern {
        Pattern::Move => {
            let at = now();
            // Named, because a group that never fails back does not go home unnamed.
            let next = stage.site.hosts[(owner + 1) % stage.site.hosts.len()].name.clone();
            let moved = stage.product.move_group(&stage.site.hosts[owner], Some(&next));
            refused = moved.err().map(|trouble| trouble.to_string());
            (at, Repair::Nothing)
        }
        Pattern::Power | Pattern::PowerLeader => {
            (stage.site.hosts[owner].power_off()?, Repair::Power)
        }
        Pattern::AllPower => (all_power(stage)?, Repair::Nothing),
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

/// Takes the power from every host at one instant and gives it back.
fn all_power(stage: &mut Stage) -> Result<Duration, Trouble> {
    let at = now();
    for host in &stage.site.hosts {
        stage.site.wire.isolate(host.index);
    }
    for host in &mut stage.site.hosts {
        host.power_off()?;
    }
    stage.boot_and_start()?;
    Ok(at)
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
        let held = stage.site.wire.instruments().addresses.holders(stage.address());
        let address = held.contains(&host.index);
        let time = now();
        let stays = address || old.iter().any(Process::runs) || host.has_volume();
        if !stays || time >= end {
            return time;
        }
        thread::sleep(Duration::from_micros(300));
    }
}

/// How many calls, begun after another node had answered, the old owner still answered.
fn stale(calls: &[crate::client::Call], old: &str, fault: Duration) -> usize {
    let by = |call: &crate::client::Call| match &call.end {
        CallEnd::Answered { node, .. } => Some(node.clone()),
        CallEnd::Failed(_) => None,
    };
    // A call that was asked again gets the reply it had, which names the node of that time.
    let calls = || calls.iter().filter(|call| !call.again);
    let later = calls().filter(|call| call.until > fault);
    let taken = later.filter(|call| by(call).is_some_and(|node| node != old));
    let Some(taken) = taken.map(|call| call.until).min() else { return 0 };
    let from_old = |call: &&crate::client::Call| by(call).is_some_and(|node| node == old);
    calls().filter(|call| call.from > taken).filter(from_old).count()
}
