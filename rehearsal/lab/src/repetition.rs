//! One repetition: a whole cluster, a fault at a random moment, what the client and the two
//! instruments saw, and a whole cluster again.

use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::Trouble;
use crate::client::Work;
use crate::expected::{self, Injected};
use crate::fenced;
use crate::host::{Host, LOG, Process};
use crate::inject::{Fault, inject, repair};
use crate::judged;
use crate::kernel::{now, set_real_time};
use crate::logs;
use crate::outage::{BEFORE, Outage};
use crate::packages;
use crate::paired;
use crate::pattern::{After, Pattern};
use crate::product::{Part, Status};
use crate::recorder::Stall;
use crate::report::ms;
use crate::stage::Stage;
use crate::warm;

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
    /// How many other nodes than the one that was hit lost their power by a fence device; none
    /// where there are no devices.
    pub healthy_shot: Option<usize>,
    /// Why it is not as it must be, apart from the times.
    pub wrong: Vec<String>,
    /// The first causes that the nodes name for it; one if they agree.
    pub causes: Vec<String>,
    /// Pauses of the machine itself: the repetition is void.
    pub stalls: Vec<Stall>,
    /// What the fault was to find and did not: the repetition is void as well.
    pub not_met: Option<String>,
    /// From the wish for a whole cluster to the next one.
    pub took: Duration,
}

impl Repetition {
    /// Whether something happened that must not happen on any machine, however slow: no pause
    /// makes it void.
    #[must_use]
    pub fn is_unsafe(&self) -> bool {
        let Outage { lost, doubled, .. } = self.outage;
        let shot = self.healthy_shot.is_some_and(|shot| shot > 0);
        lost + doubled > 0 || self.stale > 0 || !self.held_twice.is_zero() || shot
    }

    /// Why it shows nothing and is done again. What went wrong is no less wrong because the fault
    /// did not find all it was to find.
    #[must_use]
    pub fn void(&self) -> Option<String> {
        if self.is_unsafe() {
            return None;
        }
        if let Some(longest) = self.stalls.iter().map(|stall| stall.length).max() {
            return Some(format!("the machine stood still for {:.0} ms", ms(longest)));
        }
        self.not_met.clone().filter(|_| self.wrong.is_empty())
    }

    /// Both as one: the longer outage, and everything else of either.
    fn with(mut self, other: Self) -> Self {
        let (lost, doubled) = (self.outage.lost, self.outage.doubled);
        if other.outage.gap > self.outage.gap {
            self.outage = other.outage.clone();
        }
        self.outage.lost = lost + other.outage.lost;
        self.outage.doubled = doubled + other.outage.doubled;
        self.held_twice = self.held_twice.max(other.held_twice);
        self.after_wake = self.after_wake.max(other.after_wake);
        self.stale += other.stale;
        let shot = [self.healthy_shot, other.healthy_shot];
        self.healthy_shot = shot.into_iter().flatten().reduce(|one, more| one + more);
        self.wrong.extend(other.wrong);
        self.causes.extend(other.causes);
        self.stalls.extend(other.stalls);
        self.not_met = self.not_met.or(other.not_met);
        self.took += other.took;
        self
    }
}

/// How it stood before the fault.
#[derive(Debug)]
pub struct Before {
    /// Where in the list of hosts the owner is.
    pub owner: usize,
    /// What the cluster said.
    pub status: Status,
    /// The program of the group.
    pub programs: Vec<Process>,
    /// How much the owner's node had said.
    pub said: usize,
    /// What stood by on each host.
    pub standing_by: Vec<Vec<Process>>,
}

/// Runs `pattern` once. `number` counts the repetitions.
///
/// # Errors
/// A lab that could not do its part; a cluster that is not whole afterwards.
pub fn run(stage: &mut Stage, pattern: Pattern, number: usize) -> Result<Repetition, Trouble> {
    let mut whole = once(stage, pattern, number)?;
    // Groups that stand by for each other: the other one's turn.
    for next in 1..stage.count() {
        stage.turn_to(next);
        let other = once(stage, pattern, number);
        stage.turn_to(0);
        whole = whole.with(other?);
    }
    Ok(whole)
}

/// A fault that was just injected, and what was known before.
struct Struck {
    before: Before,
    injected: Injected,
    /// Who was to have the group afterwards.
    foretold: Option<String>,
    /// What the owner had logged.
    log: String,
    /// What was deployed.
    packages: Value,
    /// What was not as it must be even before.
    unready: Option<String>,
    fault: Fault,
}

fn strike(stage: &mut Stage, pattern: Pattern, number: usize) -> Result<Struck, Trouble> {
    let before = prepare(stage, pattern)?;
    let owner = before.owner;
    let injected = planned(stage, pattern, (owner, number));
    let foretold = expected::foretold(stage, pattern, owner)?;
    if pattern.has_work() {
        stage.client().set_work(Work::Pressed);
    }
    if pattern.has_java() {
        stage.client().start_java()?;
    }
    // Longer than any call takes.
    let pause = 200 + stage.draw.below(400);
    thread::sleep(Duration::from_millis(pause));
    let log = logs::read(stage, owner);
    let packages = match pattern {
        Pattern::Package => packages::listed(stage, owner)?,
        _ => Value::Null,
    };
    let unready = match pattern {
        Pattern::Warm => warm::not_bound(stage, owner),
        Pattern::FencedPower | Pattern::FencedIsolated => fenced::untested(stage, owner)?,
        _ => None,
    };
    set_real_time(20)?;
    let fault = inject(stage, &injected, owner, number);
    set_real_time(0)?;
    Ok(Struck { before, injected, foretold, log, packages, unready, fault: fault? })
}

fn once(stage: &mut Stage, pattern: Pattern, number: usize) -> Result<Repetition, Trouble> {
    let begun = now();
    let struck = strike(stage, pattern, number)?;
    let Struck { before, injected, foretold, log, packages, unready, fault } = struck;
    let (owner, old) = (before.owner, injected.node.clone());
    let mut wrong: Vec<String> = fault.refused.into_iter().chain(unready).collect();
    if wrong.is_empty() && !comes_back(stage, pattern, &old, fault.at) {
        wrong.push(format!("was not answered as it must be ({:?})", pattern.after()));
    }
    let after_wake = match pattern {
        Pattern::Freeze => Some(wake(stage, owner, fault.at)?),
        _ => None,
    };
    if pattern.after() != After::Another {
        thread::sleep((fault.at + WATCH).saturating_sub(now()));
    }
    let seen_until = now();
    wrong.extend(before_repair(stage, pattern, (&before, fault.at))?);
    stage.client().set_work(Work::Even);
    let since = fault.at.saturating_sub(BEFORE);
    let seen = Outage::of(&stage.client().calls_since(since), fault.at, seen_until, 0);
    repair(stage, owner, fault.repair)?;
    let whole = stage.wait_whole();
    if let Ok(after) = &whole {
        wrong.extend(judged::afterwards(stage, pattern, (&before, after), foretold.as_deref()));
        let lost = (pattern == Pattern::PgPower).then_some(old.as_str());
        wrong.extend(packages::unlike(stage, &packages, (owner, after)));
        wrong.extend(judged::untouched(stage, (&before.status, after), (since, lost)));
    }
    stage.client().await_java((&old, fault.at));
    wrong.extend(stage.client().end_java().err().map(|trouble| trouble.to_string()));
    let (open, settled) = stage.client().settle_all(since, SETTLE);
    wrong.extend(stage.client().told_last(&open));
    let calls = stage.client().calls_since(since);
    let all = Outage::of(&calls, fault.at, settled, open.len());
    let stalls = stage.site.recorder.since(since);
    let took = now() - begun;
    let told = whole.as_ref().map(|_| expected::ask(stage, &injected)).unwrap_or_default();
    wrong.extend(told.wrong.or_else(|| paired::hit(stage, pattern, &before, &told.causes)));
    wrong.extend(expected::recorded(stage, pattern));
    wrong.extend(judged::promised(pattern, &seen));
    wrong.extend(judged::announced(stage, pattern, fault.at, &old));
    wrong.extend(judged::of_calls(pattern, &calls, (&old, fault.at)));
    wrong.extend(stage.client().kept());
    if pattern == Pattern::Log {
        wrong.extend(logs::kept(stage, &log, &old));
    }
    let (held_twice, by) = judged::held_twice(stage, since);
    wrong.extend(by);
    let mut repetition = Repetition {
        outage: Outage { lost: all.lost, doubled: all.doubled, ..seen },
        held_twice,
        after_wake,
        stale: judged::stale_of_all(stage, pattern, &before.status, (since, fault.at)),
        healthy_shot: fenced::healthy_shot(stage, (&old, fault.at)),
        wrong,
        causes: told.causes,
        stalls,
        not_met: judged::not_met(pattern, &calls, (&old, fault.at)),
        took,
    };
    stage.forget(since);
    stage.site.wire.instruments().switch.forget(since);
    if let Err(trouble) = whole {
        repetition.wrong.push(trouble.to_string());
        stage.start_over()?;
    }
    Ok(repetition)
}

/// What is not as it must be before anything is put right.
fn before_repair(
    stage: &mut Stage,
    pattern: Pattern,
    (before, at): (&Before, Duration),
) -> Result<Vec<String>, Trouble> {
    let mut wrong = fenced::wrong(stage, pattern, (before.owner, at))?;
    wrong.extend(paired::wrong(stage, pattern, before));
    Ok(wrong)
}

/// Whether whoever must answer after the fault does, and goes on to.
fn comes_back(stage: &Stage, pattern: Pattern, old: &str, fault: Duration) -> bool {
    let approves = |node: &str| match pattern.after() {
        After::Another => node != old,
        After::Same => node == old,
        After::Anyone => true,
    };
    stage.wait_answered(fault + Duration::from_millis(200), SPAN, LIMIT, approves)
}

/// What will be done to whom.
fn planned(stage: &Stage, pattern: Pattern, (owner, number): (usize, usize)) -> Injected {
    let node = stage.site.hosts[owner].name.clone();
    let link = format!("eth{}", stage.link_of_address());
    let stepped = if number.is_multiple_of(2) { -HOUR } else { HOUR };
    Injected { pattern, group: stage.group(), node, link, stepped }
}

/// A whole cluster with the owner where the pattern wants it.
fn prepare(stage: &mut Stage, pattern: Pattern) -> Result<Before, Trouble> {
    let mut status = stage.wait_whole()?;
    if pattern == Pattern::PowerLeader {
        let leader = status.leader.clone().unwrap_or_default();
        let owner = stage.owner(&status)?;
        if stage.site.hosts[owner].name != leader {
            stage.product.move_group(&stage.site.hosts[owner], (stage.group(), &leader))?;
            status = stage.wait_whole()?;
        }
    }
    let owner = stage.owner(&status)?;
    if pattern == Pattern::Rejoin {
        let other = (owner + 1) % stage.site.hosts.len();
        stage.site.hosts[other].power_off()?;
        thread::sleep(BEFORE + Duration::from_millis(500));
    }
    let host = &stage.site.hosts[owner];
    let programs = programs(stage, host);
    let said = host.read(LOG).map_or(0, |log| log.len());
    let standing_by = warm::standing_by(stage);
    Ok(Before { owner, status, programs, said, standing_by })
}

/// The program of the group on a host, and what answers its callers.
pub fn programs(stage: &Stage, host: &Host) -> Vec<Process> {
    let both = [Part::Sample, Part::Server];
    let mut all: Vec<Process> = Vec::new();
    for process in both.map(|part| stage.product.processes_of(host, part, stage.served())).concat()
    {
        if !all.contains(&process) {
            all.push(process);
        }
    }
    all
}

/// Lets a frozen host go on and measures how long anything of the old epoch stays.
fn wake(stage: &mut Stage, at: usize, frozen: Duration) -> Result<Duration, Trouble> {
    let old = programs(stage, &stage.site.hosts[at]);
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
            let mut all = stage.served().addresses.iter();
            all.any(|address| shared.addresses.holders(*address).contains(&host.index))
        };
        let time = now();
        let stays =
            address || old.iter().any(Process::runs) || host.has_volume(stage.served().volume());
        if !stays || time >= end {
            return time;
        }
        thread::sleep(Duration::from_micros(300));
    }
}
