//! What goes wrong, when: a list of decisions that can be shortened and replayed.
#![expect(missing_docs, reason = "nodes and groups by number, times in milliseconds")]

use std::fmt;

use crate::chance::Chance;
use crate::scene::LedgerOn;

/// One thing that goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// When, in milliseconds from the start.
    pub at_ms: u64,
    /// What.
    pub kind: FaultKind,
}

/// The kinds of faults. Nodes are numbers: the last is the witness, if there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// F5 The node loses power for so long: everything on it is gone, its disk stays.
    Power { node: usize, for_ms: u64 },
    /// F5 All nodes lose power at once.
    AllPower { for_ms: u64 },
    /// F3 Everything on the node stands still, then goes on.
    Freeze { node: usize, for_ms: u64 },
    /// F7 No network of the node carries anything.
    Isolate { node: usize, for_ms: u64 },
    /// F8 The node is not heard by another, but hears it.
    OneWay { from: usize, to: usize, for_ms: u64 },
    /// F9 Datagrams are lost and late, some by seconds (F10).
    BadWire { loss_per_mille: u64, late_ms: u64, for_ms: u64 },
    /// F1 The agent dies and is restarted after so long; programs go on.
    Agent { node: usize, for_ms: u64 },
    /// F1 The guardian dies; hands let go of what was armed.
    Guardian { node: usize },
    /// F1 A program of a group dies wherever it runs.
    Program { group: usize },
    /// F26 A program of a group hangs wherever it runs, until it is stopped.
    Hang { group: usize },
    /// F27 The next start of a resource of the group fails.
    StartFails { group: usize },
    /// F4 The next start of the group's program takes so long until it is ready.
    StartSlow { group: usize, for_ms: u64 },
    /// F27 The next stop of the group hangs until it is killed.
    StopHangs { group: usize },
    /// F27 The next stop of a resource of the group leaves it where it was.
    StopFails { group: usize },
    /// F13 The wall clock of the node steps.
    ClockStep { node: usize, by_ms: i64 },
    /// F25 An operator moves a group.
    Move { group: usize, to: usize },
    /// F25 An operator drills a takeover of a group: it is back after so long.
    Drill { group: usize, for_ms: u64 },
    /// F25 An operator stops a group, and starts it again after so long.
    StopStart { group: usize, for_ms: u64 },
    /// F25 An operator takes a node out, and back after so long.
    Drain { node: usize, for_ms: u64 },
    /// F25 An operator pauses a group for so long.
    Pause { group: usize, for_ms: u64 },
    /// F23 An operator applies another configuration.
    Apply { group: usize },
    /// The machine is shut down in an orderly way, and starts again.
    Shutdown { node: usize },
    /// F5 The machine loses its disk, and comes back after so long with an empty one.
    Wipe { node: usize, for_ms: u64 },
    /// F25 An operator takes a node out for good; after so long its machine joins again, wiped.
    TakeOut { node: usize, for_ms: u64 },
    /// F18 The node's disk is slow: what is committed is applied only when that is over.
    Lag { node: usize, for_ms: u64 },
    /// F25 An operator stretches the time-outs for so long.
    Stretch { ratio: u32, for_ms: u64 },
    /// F6 The data networks of the node are cut; the management network stays.
    DataLinks { node: usize, for_ms: u64 },
    /// The node's way to the shared disk answers nothing for so long.
    DiskHangs { node: usize, for_ms: u64 },
    /// The shared disk answers nobody.
    DiskStandsStill { for_ms: u64 },
    /// The node does not see the shared disk: reads and writes fail.
    DiskLost { node: usize, for_ms: u64 },
    /// Nobody sees it.
    DiskGone { for_ms: u64 },
    /// The node's reads there fail.
    DiskUnread { node: usize, for_ms: u64 },
    /// Its writes fail: some stand all the same, or in part, or come later.
    DiskUnwritten { node: usize, for_ms: u64 },
    /// Everything there takes longer.
    DiskSlow { late_ms: u64, for_ms: u64 },
    /// No network carries anything between two nodes; each is reached by callers.
    Split { for_ms: u64 },
    /// F25 An operator has the node's life ended over the disk.
    Demand { node: usize },
    /// The node loses every network and the shared disk.
    CutOff { node: usize, for_ms: u64 },
    /// F3 The node stands still in the middle of its next write to the shared disk.
    FreezeAtWrite { node: usize, for_ms: u64 },
    /// F5 The node loses power in the middle of its next write to the shared disk.
    PowerAtWrite { node: usize, for_ms: u64 },
}

/// What faults may happen to.
#[derive(Clone, Copy, Debug)]
pub struct Cast {
    /// How many nodes there are.
    pub nodes: usize,
    /// How many of them run groups.
    pub members: usize,
    /// How many groups there are.
    pub groups: usize,
    /// The kinds that are never drawn.
    pub without: &'static [&'static str],
    /// The kinds to draw from; none named is a random subset of all (swarm).
    pub kinds: &'static [&'static str],
    /// Where the ledger is: a disk has faults of its own.
    pub ledger: LedgerOn,
}

impl FaultKind {
    /// The names of the kinds that every cluster has.
    pub const NAMES: [&'static str; 27] = [
        "power",
        "all-power",
        "freeze",
        "isolate",
        "one-way",
        "bad-wire",
        "agent",
        "guardian",
        "program",
        "hang",
        "start-fails",
        "start-slow",
        "stop-hangs",
        "stop-fails",
        "clock-step",
        "move",
        "stop-start",
        "drain",
        "pause",
        "apply",
        "shutdown",
        "data-links",
        "wipe",
        "take-out",
        "lag",
        "drill",
        "stretch",
    ];

    /// The names of those that only a shared disk, or two nodes with one, have.
    pub const OF_DISK: [&'static str; 12] = [
        "disk-hangs",
        "disk-stands-still",
        "disk-lost",
        "disk-gone",
        "disk-unread",
        "disk-unwritten",
        "disk-slow",
        "split",
        "cut-off",
        "freeze-at-write",
        "power-at-write",
        "demand",
    ];

    /// The kinds after which another list of voters is in force.
    pub const MEMBERSHIP: [&'static str; 2] = ["wipe", "take-out"];

    /// Its name and its numbers.
    #[must_use]
    pub fn parts(&self) -> (&'static str, Vec<i64>) {
        let n = |n: usize| i64::try_from(n).unwrap_or(0);
        let t = |t: u64| i64::try_from(t).unwrap_or(0);
        match *self {
            Self::Power { node, for_ms } => ("power", vec![n(node), t(for_ms)]),
            Self::AllPower { for_ms } => ("all-power", vec![t(for_ms)]),
            Self::Freeze { node, for_ms } => ("freeze", vec![n(node), t(for_ms)]),
            Self::Isolate { node, for_ms } => ("isolate", vec![n(node), t(for_ms)]),
            Self::OneWay { from, to, for_ms } => ("one-way", vec![n(from), n(to), t(for_ms)]),
            Self::BadWire { loss_per_mille, late_ms, for_ms } => {
                ("bad-wire", vec![t(loss_per_mille), t(late_ms), t(for_ms)])
            }
            Self::Agent { node, for_ms } => ("agent", vec![n(node), t(for_ms)]),
            Self::Guardian { node } => ("guardian", vec![n(node)]),
            Self::Program { group } => ("program", vec![n(group)]),
            Self::Hang { group } => ("hang", vec![n(group)]),
            Self::StartFails { group } => ("start-fails", vec![n(group)]),
            Self::StartSlow { group, for_ms } => ("start-slow", vec![n(group), t(for_ms)]),
            Self::StopHangs { group } => ("stop-hangs", vec![n(group)]),
            Self::StopFails { group } => ("stop-fails", vec![n(group)]),
            Self::ClockStep { node, by_ms } => ("clock-step", vec![n(node), by_ms]),
            Self::Move { group, to } => ("move", vec![n(group), n(to)]),
            Self::Drill { group, for_ms } => ("drill", vec![n(group), t(for_ms)]),
            Self::StopStart { group, for_ms } => ("stop-start", vec![n(group), t(for_ms)]),
            Self::Drain { node, for_ms } => ("drain", vec![n(node), t(for_ms)]),
            Self::Pause { group, for_ms } => ("pause", vec![n(group), t(for_ms)]),
            Self::Apply { group } => ("apply", vec![n(group)]),
            Self::Shutdown { node } => ("shutdown", vec![n(node)]),
            Self::Wipe { node, for_ms } => ("wipe", vec![n(node), t(for_ms)]),
            Self::TakeOut { node, for_ms } => ("take-out", vec![n(node), t(for_ms)]),
            Self::Lag { node, for_ms } => ("lag", vec![n(node), t(for_ms)]),
            Self::Stretch { ratio, for_ms } => ("stretch", vec![i64::from(ratio), t(for_ms)]),
            Self::DataLinks { node, for_ms } => ("data-links", vec![n(node), t(for_ms)]),
            Self::DiskHangs { node, for_ms } => ("disk-hangs", vec![n(node), t(for_ms)]),
            Self::DiskStandsStill { for_ms } => ("disk-stands-still", vec![t(for_ms)]),
            Self::DiskLost { node, for_ms } => ("disk-lost", vec![n(node), t(for_ms)]),
            Self::DiskGone { for_ms } => ("disk-gone", vec![t(for_ms)]),
            Self::DiskUnread { node, for_ms } => ("disk-unread", vec![n(node), t(for_ms)]),
            Self::DiskUnwritten { node, for_ms } => ("disk-unwritten", vec![n(node), t(for_ms)]),
            Self::DiskSlow { late_ms, for_ms } => ("disk-slow", vec![t(late_ms), t(for_ms)]),
            Self::Split { for_ms } => ("split", vec![t(for_ms)]),
            Self::Demand { node } => ("demand", vec![n(node)]),
            Self::CutOff { node, for_ms } => ("cut-off", vec![n(node), t(for_ms)]),
            Self::FreezeAtWrite { node, for_ms } => ("freeze-at-write", vec![n(node), t(for_ms)]),
            Self::PowerAtWrite { node, for_ms } => ("power-at-write", vec![n(node), t(for_ms)]),
        }
    }

    fn of_parts(name: &str, numbers: &[i64]) -> Option<Self> {
        let n = |i: usize| usize::try_from(*numbers.get(i)?).ok();
        let t = |i: usize| u64::try_from(*numbers.get(i)?).ok();
        Some(match name {
            "power" => Self::Power { node: n(0)?, for_ms: t(1)? },
            "all-power" => Self::AllPower { for_ms: t(0)? },
            "freeze" => Self::Freeze { node: n(0)?, for_ms: t(1)? },
            "isolate" => Self::Isolate { node: n(0)?, for_ms: t(1)? },
            "one-way" => Self::OneWay { from: n(0)?, to: n(1)?, for_ms: t(2)? },
            "bad-wire" => Self::BadWire { loss_per_mille: t(0)?, late_ms: t(1)?, for_ms: t(2)? },
            "agent" => Self::Agent { node: n(0)?, for_ms: t(1)? },
            "guardian" => Self::Guardian { node: n(0)? },
            "program" => Self::Program { group: n(0)? },
            "hang" => Self::Hang { group: n(0)? },
            "start-fails" => Self::StartFails { group: n(0)? },
            "start-slow" => Self::StartSlow { group: n(0)?, for_ms: t(1)? },
            "stop-hangs" => Self::StopHangs { group: n(0)? },
            "stop-fails" => Self::StopFails { group: n(0)? },
            "clock-step" => Self::ClockStep { node: n(0)?, by_ms: *numbers.get(1)? },
            "move" => Self::Move { group: n(0)?, to: n(1)? },
            "drill" => Self::Drill { group: n(0)?, for_ms: t(1)? },
            "stop-start" => Self::StopStart { group: n(0)?, for_ms: t(1)? },
            "drain" => Self::Drain { node: n(0)?, for_ms: t(1)? },
            "pause" => Self::Pause { group: n(0)?, for_ms: t(1)? },
            "apply" => Self::Apply { group: n(0)? },
            "shutdown" => Self::Shutdown { node: n(0)? },
            "wipe" => Self::Wipe { node: n(0)?, for_ms: t(1)? },
            "take-out" => Self::TakeOut { node: n(0)?, for_ms: t(1)? },
            "lag" => Self::Lag { node: n(0)?, for_ms: t(1)? },
            "stretch" => {
                Self::Stretch { ratio: u32::try_from(*numbers.first()?).ok()?, for_ms: t(1)? }
            }
            "data-links" => Self::DataLinks { node: n(0)?, for_ms: t(1)? },
            "disk-hangs" => Self::DiskHangs { node: n(0)?, for_ms: t(1)? },
            "disk-stands-still" => Self::DiskStandsStill { for_ms: t(0)? },
            "disk-lost" => Self::DiskLost { node: n(0)?, for_ms: t(1)? },
            "disk-gone" => Self::DiskGone { for_ms: t(0)? },
            "disk-unread" => Self::DiskUnread { node: n(0)?, for_ms: t(1)? },
            "disk-unwritten" => Self::DiskUnwritten { node: n(0)?, for_ms: t(1)? },
            "disk-slow" => Self::DiskSlow { late_ms: t(0)?, for_ms: t(1)? },
            "split" => Self::Split { for_ms: t(0)? },
            "demand" => Self::Demand { node: n(0)? },
            "cut-off" => Self::CutOff { node: n(0)?, for_ms: t(1)? },
            "freeze-at-write" => Self::FreezeAtWrite { node: n(0)?, for_ms: t(1)? },
            "power-at-write" => Self::PowerAtWrite { node: n(0)?, for_ms: t(1)? },
            _ => return None,
        })
    }
}

impl Fault {
    /// The fault as a line of a list has it: time, name, numbers.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let at_ms = words.next()?.parse().ok()?;
        let name = words.next()?;
        let numbers: Option<Vec<i64>> = words.map(|w| w.parse().ok()).collect();
        Some(Self { at_ms, kind: FaultKind::of_parts(name, &numbers?)? })
    }

    /// The same with every time in it halved; none if nothing gets shorter.
    #[must_use]
    pub fn shorter(&self) -> Option<Self> {
        let (name, mut numbers) = self.kind.parts();
        let place = match name {
            "all-power" | "disk-stands-still" | "disk-gone" | "split" => 0,
            "power" | "freeze" | "isolate" | "agent" | "start-slow" | "stop-start" | "drain"
            | "pause" | "data-links" | "wipe" | "take-out" | "lag" | "stretch" | "disk-hangs"
            | "disk-lost" | "disk-unread" | "disk-unwritten" | "disk-slow" | "cut-off"
            | "freeze-at-write" | "power-at-write" => 1,
            "one-way" | "bad-wire" => 2,
            _ => return None,
        };
        if numbers[place] < 50 {
            return None;
        }
        numbers[place] /= 2;
        Some(Self { at_ms: self.at_ms, kind: FaultKind::of_parts(name, &numbers)? })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, numbers) = self.kind.parts();
        write!(f, "{:>7} {name}", self.at_ms)?;
        numbers.iter().try_for_each(|n| write!(f, " {n}"))
    }
}

/// Draws the faults of one run. A run draws from a random subset of the kinds (swarm): all of
/// them at once hide each other.
#[must_use]
pub fn draw_faults(seed: u64, cast: Cast, run_ms: u64) -> Vec<Fault> {
    let mut chance = Chance::new(seed, 2);
    let subset = chance.draw() | 1 << chance.below(FaultKind::NAMES.len() as u64);
    let swarm = FaultKind::NAMES.iter().enumerate().filter(|(n, _)| subset >> n & 1 == 1);
    let mut kinds: Vec<&str> = swarm.map(|(_, name)| *name).collect();
    if cast.ledger == LedgerOn::Disk {
        // What a person orders there is drawn beside the rest (`demands`).
        let faults = || FaultKind::OF_DISK.iter().filter(|name| **name != DEMAND);
        let subset = chance.draw() | 1 << chance.below(faults().count() as u64);
        let swarm = faults().enumerate().filter(|(n, _)| subset >> n & 1 == 1);
        kinds.extend(swarm.map(|(_, name)| *name));
    }
    if !cast.kinds.is_empty() {
        kinds = cast.kinds.to_vec();
    }
    kinds.retain(|name| !cast.without.contains(name));
    let mut faults = Vec::new();
    let mut at_ms = 1_500;
    while at_ms + 12_000 < run_ms {
        if let Some(name) = chance.pick(&kinds).copied() {
            faults.push(Fault { at_ms, kind: draw(&mut chance, name, cast) });
        }
        // Often the next comes while the last is still being recovered from (F35).
        at_ms +=
            if chance.happens(450) { chance.between(1, 900) } else { chance.between(900, 2_800) };
    }
    if cast.ledger == LedgerOn::Disk && cast.kinds.is_empty() && !cast.without.contains(&DEMAND) {
        faults.extend(demands(seed, cast, run_ms));
        faults.sort_by_key(|fault| fault.at_ms);
    }
    faults
}

const DEMAND: &str = "demand";

/// Now and then an operator has a life ended over the disk. By a chance of its own: the other
/// faults of a run stay what they are.
fn demands(seed: u64, cast: Cast, run_ms: u64) -> Vec<Fault> {
    let mut chance = Chance::new(seed, 12);
    let count = chance.below(4).saturating_sub(1);
    let one = |_| {
        let at_ms = 1_500 + chance.below(run_ms.saturating_sub(13_500).max(1));
        let node = usize::try_from(chance.below(cast.members as u64)).unwrap_or(0);
        Fault { at_ms, kind: FaultKind::Demand { node } }
    };
    (0..count).map(one).collect()
}

fn draw(chance: &mut Chance, name: &str, cast: Cast) -> FaultKind {
    let mut below = |n: usize| usize::try_from(chance.below(n as u64)).unwrap_or(0);
    let (node, member, group) = (below(cast.nodes), below(cast.members), below(cast.groups));
    let other = (node + 1 + below(cast.nodes - 1)) % cast.nodes;
    let for_ms = match chance.below(4) {
        0 => chance.between(50, 600),
        1 | 2 => chance.between(600, 2_500),
        _ => chance.between(2_500, 8_000),
    };
    match name {
        "power" => FaultKind::Power { node: member, for_ms },
        "all-power" => FaultKind::AllPower { for_ms },
        "freeze" => FaultKind::Freeze { node: member, for_ms },
        "isolate" => FaultKind::Isolate { node, for_ms },
        "one-way" => FaultKind::OneWay { from: node, to: other, for_ms },
        "bad-wire" => FaultKind::BadWire {
            loss_per_mille: chance.between(0, 300),
            late_ms: chance.between(0, 120),
            for_ms,
        },
        "agent" => FaultKind::Agent { node, for_ms: for_ms % 900 },
        "guardian" => FaultKind::Guardian { node: member },
        "program" => FaultKind::Program { group },
        "hang" => FaultKind::Hang { group },
        "start-fails" => FaultKind::StartFails { group },
        "start-slow" => FaultKind::StartSlow { group, for_ms },
        "stop-hangs" => FaultKind::StopHangs { group },
        "stop-fails" => FaultKind::StopFails { group },
        "clock-step" => {
            let by_ms = i64::try_from(chance.between(0, 7_200_000)).unwrap_or(0) - 3_600_000;
            FaultKind::ClockStep { node, by_ms }
        }
        "move" => FaultKind::Move { group, to: member },
        "drill" => FaultKind::Drill { group, for_ms },
        "stop-start" => FaultKind::StopStart { group, for_ms },
        "drain" => FaultKind::Drain { node: member, for_ms },
        "pause" => FaultKind::Pause { group, for_ms },
        "apply" => FaultKind::Apply { group },
        "shutdown" => FaultKind::Shutdown { node: member },
        "wipe" => FaultKind::Wipe { node, for_ms },
        "take-out" => FaultKind::TakeOut { node, for_ms },
        "lag" => FaultKind::Lag { node, for_ms },
        "stretch" => {
            let ratio = u32::try_from(chance.between(2, 6)).unwrap_or(2);
            FaultKind::Stretch { ratio, for_ms }
        }
        "data-links" => FaultKind::DataLinks { node: member, for_ms },
        name => draw_of_disk(chance, name, (member, for_ms)),
    }
}

fn draw_of_disk(chance: &mut Chance, name: &str, (node, for_ms): (usize, u64)) -> FaultKind {
    match name {
        "disk-hangs" => FaultKind::DiskHangs { node, for_ms },
        "disk-stands-still" => FaultKind::DiskStandsStill { for_ms },
        "disk-lost" => FaultKind::DiskLost { node, for_ms },
        "disk-gone" => FaultKind::DiskGone { for_ms },
        "disk-unread" => FaultKind::DiskUnread { node, for_ms },
        "disk-unwritten" => FaultKind::DiskUnwritten { node, for_ms },
        "disk-slow" => FaultKind::DiskSlow { late_ms: chance.between(1, 120), for_ms },
        "split" => FaultKind::Split { for_ms },
        "demand" => FaultKind::Demand { node },
        "cut-off" => FaultKind::CutOff { node, for_ms },
        "freeze-at-write" => FaultKind::FreezeAtWrite { node, for_ms },
        _ => FaultKind::PowerAtWrite { node, for_ms },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_fault_can_be_written_down_and_read_again() {
        let all: [(LedgerOn, &[&str]); 2] =
            [(LedgerOn::Nodes, &FaultKind::NAMES), (LedgerOn::Disk, &FaultKind::OF_DISK)];
        for (ledger, kinds) in all {
            let cast = Cast { nodes: 3, members: 2, groups: 2, without: &[], kinds, ledger };
            let mut names = std::collections::BTreeSet::new();
            for fault in draw_faults(1, cast, 900_000) {
                names.insert(fault.kind.parts().0);
                assert_eq!(Fault::parse(&fault.to_string()), Some(fault));
            }
            assert_eq!(names.len(), kinds.len(), "not every kind is drawn");
        }
    }
}
