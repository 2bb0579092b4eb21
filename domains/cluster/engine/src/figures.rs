//! What this node measures of itself, as far as some group chooses by it who takes it over: shares
//! of its processors and memory from `/proc`, and the numbers that scripts print.
//!
//! It never waits: the hands start the scripts, and their report says what was printed. Only a
//! node that could own a group measures for it, and where no group asks, nothing is measured.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use tsugi_cluster_rules::figures::{Figures, Measure, PreferBy, ScoreScript};
use tsugi_cluster_rules::spec::ClusterSpec;
use tsugi_host::Host;
use tsugi_host::request::{
    Answer, Ended, Event, HowEnded, Program, ProgramId, Report, Request, RequestId, TimeLimit,
};
use tsugi_vocabulary::{GroupName, Moment, Span};

use crate::errand::Surroundings;
use crate::errand::how::how_ended;

/// How soon after a start, or another configuration, something is measured.
const FIRST: Span = Span::secs(1);
/// How often what the kernel counts is read.
const EVERY: Span = Span::secs(10);
/// What is kept of the output of a script.
const KEEP: u32 = 1024;
/// The name that the hands know the scripts by; no group of a configuration is called so.
const GROUP: &str = "tsugi-figures";

/// What the kernel has counted of all processors since it started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ticks {
    idle: u64,
    all: u64,
}

/// A script, when it is run next, and what it printed last.
#[derive(Debug)]
struct Scored {
    script: ScoreScript,
    due: Moment,
    said: Option<Result<i64, String>>,
}

/// What is measured here.
#[derive(Debug)]
pub struct Meter {
    around: Surroundings,
    proc: PathBuf,
    measures: BTreeSet<Measure>,
    due: Moment,
    ticks: Option<Ticks>,
    shares: Figures,
    scored: BTreeMap<GroupName, Scored>,
    asked: BTreeMap<RequestId, GroupName>,
    running: BTreeMap<ProgramId, GroupName>,
    told: Figures,
}

impl Meter {
    /// Nothing is asked for yet.
    #[must_use]
    pub fn new(around: Surroundings) -> Self {
        Self::reading(around, PathBuf::from("/proc"))
    }

    fn reading(around: Surroundings, proc: PathBuf) -> Self {
        Self {
            around,
            proc,
            measures: BTreeSet::new(),
            due: Moment(0),
            ticks: None,
            shares: Figures::default(),
            scored: BTreeMap::new(),
            asked: BTreeMap::new(),
            running: BTreeMap::new(),
            told: Figures::default(),
        }
    }

    /// What the groups ask for that this node could own, as they are configured now. What is known
    /// of a script that stays as it was is kept.
    pub fn configured(&mut self, now: Moment, spec: Option<&ClusterSpec>) {
        let groups = spec.into_iter().flat_map(|spec| &spec.groups);
        let own = groups.filter(|(_, group)| {
            let mine = group.prefer.iter().any(|node| node.as_str() == self.around.node);
            // With one node there is nothing to choose.
            mine && group.prefer.len() > 1
        });
        let mut measures = BTreeSet::new();
        let mut former = std::mem::take(&mut self.scored);
        for (name, group) in own {
            match &group.prefer_by {
                PreferBy::Order => {}
                PreferBy::Measure(measure) => {
                    measures.insert(*measure);
                }
                PreferBy::Script(script) => {
                    let same = former.remove(name).filter(|scored| scored.script == *script);
                    let fresh = || Scored { script: script.clone(), due: now + FIRST, said: None };
                    self.scored.insert(name.clone(), same.unwrap_or_else(fresh));
                }
            }
        }
        if measures != self.measures {
            self.measures = measures;
            self.shares = Figures::default();
            self.ticks = None;
            self.due = now + FIRST;
        }
    }

    /// When something is due next; none if nothing is asked for.
    #[must_use]
    pub fn next_time(&self) -> Option<Moment> {
        let shares = (!self.measures.is_empty()).then_some(self.due);
        self.scored.values().map(|scored| scored.due).chain(shares).min()
    }

    /// Measures what is due.
    pub fn on_time(&mut self, now: Moment, host: &mut dyn Host) {
        if !self.measures.is_empty() && self.due <= now {
            // The first look at the processors only says where counting begins.
            let first = self.measures.contains(&Measure::Cpu) && self.ticks.is_none();
            self.due = now + if first { FIRST } else { EVERY };
            self.shares = self.read_shares();
        }
        let due = |(name, one): (&GroupName, &Scored)| (one.due <= now).then(|| name.clone());
        let due: Vec<GroupName> = self.scored.iter().filter_map(due).collect();
        for group in due {
            let under_way = self.asked.values().chain(self.running.values()).any(|g| *g == group);
            let Some(scored) = self.scored.get_mut(&group) else { continue };
            scored.due = now + scored.script.every;
            // One that runs still is ended at its limit.
            if under_way {
                continue;
            }
            let script = scored.script.clone();
            let program = self.program(&group, &script);
            if let Some(id) = program.and_then(|p| host.ask(&Request::Spawn(p)).ok()) {
                self.asked.insert(id, group);
            }
        }
    }

    fn program(&self, group: &GroupName, script: &ScoreScript) -> Option<Program> {
        let runs = (script.run.clone(), script.limit);
        let mut program = self.around.aside((GROUP, group.as_str()), runs, KEEP)?;
        let told = [("TSUGI_NODE", self.around.node.as_str()), ("TSUGI_SCORED", group.as_str())];
        program.env.extend(told.map(|(name, value)| (name.to_owned(), value.to_owned())));
        Some(program)
    }

    /// Takes a report of the hands.
    pub fn on_report(&mut self, report: &Report) {
        let (group, said) = match report {
            Report::Answer { id, outcome } => {
                let Some(group) = self.asked.remove(id) else { return };
                match outcome {
                    Ok(Answer::Spawned(program)) => {
                        self.running.insert(*program, group);
                        return;
                    }
                    Ok(_) => return,
                    Err(failure) => (group, Err(failure.to_string())),
                }
            }
            Report::Event(Event::Ended(ended)) => {
                let Some(group) = self.running.remove(&ended.program.id) else { return };
                (group, score(ended))
            }
            Report::Event(_) => return,
        };
        if let Some(scored) = self.scored.get_mut(&group) {
            scored.said = Some(said);
        }
    }

    /// The scripts that print no number here, and what they did instead.
    #[must_use]
    pub fn faults(&self) -> BTreeMap<GroupName, String> {
        let fault = |(group, scored): (&GroupName, &Scored)| {
            let why = scored.said.clone()?.err()?;
            Some((group.clone(), why))
        };
        self.scored.iter().filter_map(fault).collect()
    }

    /// What was measured, whenever that is another than was told.
    pub fn news(&mut self) -> Option<Figures> {
        let score = |(group, scored): (&GroupName, &Scored)| {
            let score = scored.said.clone()?.ok()?;
            Some((group.clone(), score))
        };
        let scores = self.scored.iter().filter_map(score).collect();
        let now = Figures { scores, ..self.shares.clone() };
        (now != self.told).then(|| {
            self.told = now.clone();
            now
        })
    }

    fn read_shares(&mut self) -> Figures {
        let wanted = |measure| self.measures.contains(&measure);
        let text = |name: &str| std::fs::read_to_string(Path::join(&self.proc, name)).ok();
        let memory = wanted(Measure::Memory).then(|| memory(&text("meminfo")?)).flatten();
        let stat = text("stat").unwrap_or_default();
        let load = wanted(Measure::Load).then(|| load(&text("loadavg")?, &stat)).flatten();
        let now = wanted(Measure::Cpu).then(|| ticks(&stat)).flatten();
        let cpu = idle(self.ticks, now);
        self.ticks = now;
        Figures { cpu, memory, load, ..Figures::default() }
    }
}

/// The number in the last line that says something.
fn score(ended: &Ended) -> Result<i64, String> {
    let well = ended.how == HowEnded::Exited(0) && ended.limit == TimeLimit::Kept;
    let text = String::from_utf8_lossy(&ended.tail);
    let last = text.lines().rev().map(str::trim).find(|line| !line.is_empty());
    let number = last.and_then(|line| line.parse().ok());
    number.filter(|_| well).ok_or_else(|| how_ended(ended).words)
}

/// The first line of `/proc/stat`: user, nice, system, idle, waiting for disks, and more.
fn ticks(stat: &str) -> Option<Ticks> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    // What guests use is in what users use.
    let counts: Vec<u64> =
        line.split_whitespace().take(8).map(|n| n.parse().ok()).collect::<Option<_>>()?;
    let idle = counts.get(3)? + counts.get(4).unwrap_or(&0);
    Some(Ticks { idle, all: counts.iter().sum() })
}

/// What was idle between two looks, in percent.
fn idle(before: Option<Ticks>, now: Option<Ticks>) -> Option<u32> {
    let (before, now) = (before?, now?);
    let all = now.all.checked_sub(before.all).filter(|all| *all > 0)?;
    let idle = now.idle.saturating_sub(before.idle).min(all);
    u32::try_from(idle * 100 / all).ok()
}

/// The memory that programs could have without swapping, in percent.
fn memory(meminfo: &str) -> Option<u32> {
    let of = |name: &str| -> Option<u64> {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_start_matches(':').split_whitespace().next()?.parse().ok()
    };
    let (all, free) = (of("MemTotal").filter(|all| *all > 0)?, of("MemAvailable")?);
    u32::try_from(free.min(all) * 100 / all).ok()
}

/// The load of the last minute for each processor, in hundredths.
fn load(loadavg: &str, stat: &str) -> Option<u32> {
    let (whole, part) = loadavg.split_whitespace().next()?.split_once('.')?;
    let hundredths = whole.parse::<u32>().ok()? * 100 + part.get(..2)?.parse::<u32>().ok()?;
    let one = |line: &&str| {
        let rest = line.strip_prefix("cpu").unwrap_or_default();
        rest.starts_with(|c: char| c.is_ascii_digit())
    };
    let processors = u32::try_from(stat.lines().filter(one).count()).ok()?.max(1);
    Some(hundredths / processors)
}

#[cfg(test)]
mod tests;
