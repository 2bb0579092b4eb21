//! What goes wrong, when: a list of decisions that can be shortened and replayed.
#![expect(missing_docs, reason = "nodes and groups by number, times in milliseconds")]

use crate::chance::Chance;

/// One thing that goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// When, in milliseconds from the start.
    pub at_ms: u64,
    /// What.
    pub kind: FaultKind,
}

/// The kinds of faults. Nodes are numbers: 0 and 1 run groups, the last is the witness.
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
    /// F9 Datagrams are lost and late.
    BadWire { loss_per_mille: u64, late_ms: u64, for_ms: u64 },
    /// F1 The agent dies and is restarted after so long; programs go on.
    Agent { node: usize, for_ms: u64 },
    /// F1 The guardian dies; hands let go of what was armed.
    Guardian { node: usize },
    /// F1 A program of a group dies wherever it runs.
    Program { group: usize },
    /// F27 The next start of a resource of the group fails.
    StartFails { group: usize },
    /// F27 The next stop of the group hangs until it is killed.
    StopHangs { group: usize },
    /// F13 The wall clock of the node steps.
    ClockStep { node: usize, by_ms: i64 },
    /// F25 An operator moves a group.
    Move { group: usize, to: usize },
    /// F25 An operator stops a group, and starts it again after so long.
    StopStart { group: usize, for_ms: u64 },
    /// F25 An operator takes a node out, and back after so long.
    Drain { node: usize, for_ms: u64 },
    /// F25 An operator pauses a group for so long.
    Pause { group: usize, for_ms: u64 },
    /// The machine is shut down in an orderly way, and starts again.
    Shutdown { node: usize, for_ms: u64 },
    /// F7 The data networks of the node are cut; the management network stays.
    DataLinks { node: usize, for_ms: u64 },
}

/// Draws the faults of one run. A run draws from a random subset of the kinds (swarm): all of
/// them at once hide each other.
#[must_use]
pub fn draw_faults(seed: u64, nodes: usize, groups: usize, run_ms: u64) -> Vec<Fault> {
    let mut chance = Chance::new(seed, 2);
    let kinds = chance.next() | 1 << chance.below(18);
    let mut faults = Vec::new();
    let mut at_ms = 3_000;
    while at_ms + 12_000 < run_ms {
        let kind = (0..40).find_map(|_| {
            let n = chance.below(18);
            (kinds >> n & 1 == 1).then(|| draw(&mut chance, n, nodes, groups))
        });
        if let Some(kind) = kind {
            faults.push(Fault { at_ms, kind });
        }
        // Often the next comes while the last is still being recovered from (F35).
        at_ms +=
            if chance.happens(300) { chance.between(1, 900) } else { chance.between(1_500, 5_000) };
    }
    faults
}

fn draw(chance: &mut Chance, kind: u64, nodes: usize, groups: usize) -> FaultKind {
    let node = usize::try_from(chance.below(nodes as u64)).unwrap_or(0);
    let member = usize::try_from(chance.below(nodes as u64 - 1)).unwrap_or(0);
    let group = usize::try_from(chance.below(groups as u64)).unwrap_or(0);
    let for_ms = match chance.below(3) {
        0 => chance.between(50, 600),
        1 => chance.between(600, 2_500),
        _ => chance.between(2_500, 8_000),
    };
    match kind {
        0 | 1 => FaultKind::Power { node: member, for_ms },
        2 => FaultKind::AllPower { for_ms },
        3 => FaultKind::Freeze { node: member, for_ms },
        4 => FaultKind::Isolate { node, for_ms },
        5 => FaultKind::OneWay { from: node, to: (node + 1) % nodes, for_ms },
        6 => FaultKind::BadWire {
            loss_per_mille: chance.between(0, 300),
            late_ms: chance.between(0, 120),
            for_ms,
        },
        7 => FaultKind::Agent { node: member, for_ms: for_ms % 900 },
        8 => FaultKind::Guardian { node: member },
        9 => FaultKind::Program { group },
        10 => FaultKind::StartFails { group },
        11 => FaultKind::StopHangs { group },
        12 => {
            let by_ms = i64::try_from(chance.between(0, 7_200_000)).unwrap_or(0) - 3_600_000;
            FaultKind::ClockStep { node, by_ms }
        }
        13 => FaultKind::Move { group, to: member },
        14 => FaultKind::StopStart { group, for_ms },
        15 => FaultKind::Drain { node: member, for_ms },
        16 => FaultKind::Pause { group, for_ms },
        _ => {
            if chance.happens(500) {
                FaultKind::Shutdown { node: member, for_ms }
            } else {
                FaultKind::DataLinks { node: member, for_ms }
            }
        }
    }
}
