//! The situations that are rehearsed, each with what must hold afterwards.

use crate::product::{Profile, Shape};

/// A situation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pattern {
    /// An operator moves the group (pattern 1 of the report).
    // statement: PH-01
    Move,
    /// The owner loses its power (pattern 2).
    // statement: CL-01, CL-42, MF-09, MF-10
    Power,
    /// The same, and the package was deployed once, on the volume (pattern 8).
    // statement: MF-13
    Package,
    /// Both data links of the owner are cut; the management network stays (pattern 3).
    BothLinks,
    /// The program is killed.
    ProcessKill,
    /// The owner is shut down in an orderly way.
    Shutdown,
    /// The owner, which also leads the ledger, loses its power.
    PowerLeader,
    /// Every node loses its power at once, and gets it back.
    AllPower,
    /// All links of the owner are cut.
    Isolated,
    /// The link that has the address is cut.
    OneLink,
    /// The owner is heard but hears nothing, or hears but is not heard.
    OneWay,
    /// All processes of the owner stand still, and go on after the takeover.
    Freeze,
    /// The owner's agent is stopped.
    AgentStop,
    /// The owner's agent is killed.
    AgentLost,
    /// The owner's guardian is killed.
    GuardianLost,
    /// The owner's guardian and agent are stopped.
    GuardianAgentStop,
    /// A node that had lost its power comes back.
    Rejoin,
    /// A drill takes the group to another node and back again.
    DrillMove,
    /// A drill starts the group's programs on another node, cut off, beside the running group.
    DrillIsolate,
    /// The program stands still: it lives and answers nothing.
    // statement: MF-08, MF-21
    Hung,
    /// The owner's clock on the wall steps by an hour.
    ClockStep,
    /// The owner of a group that is called over IPv6 loses its power.
    Ipv6,
    /// The owner is drained by an operator.
    Drain,
    /// The owner's agent is replaced by a newer build, and that one by the former again.
    NewerAgent,
    /// The agents of all nodes are replaced by a newer build, one after the other, and back.
    AgentReplace,
    /// The monitor fails because a service beside the program has ended (pattern 4).
    // statement: PH-07, MF-08, MF-21
    Monitor,
    /// The same, with the program's log on the volume (pattern 9).
    // statement: MF-14
    Log,
    /// Calls are being carried out as both data links of the owner are cut: pattern 5 as the
    /// report's text has it.
    // statement: MF-07, MF-09, MF-10
    RunningLinks,
    /// Calls are being carried out as the monitor fails: pattern 5 as the report's result has it.
    // statement: MF-08, MF-09, MF-10
    RunningMonitor,
    /// Two groups that stand by for each other: first one fails on its node, then the other on
    /// the node that has both (pattern 7).
    // statement: PH-03, PH-05, MF-12
    Mutual,
    /// The owner loses its power while the program stands by on every node, started and bound
    /// before the address is there (pattern 6, which the report could not do).
    Warm,
    /// An operator moves a group with PostgreSQL, while rows are committed; once by its resource
    /// agent, once by scripts.
    PgMove,
    /// The owner of a group with PostgreSQL loses its power; the same two ways.
    PgPower,
    /// The owner loses its power, and the group waits until its fence device says that it is off.
    // statement: CL-28
    FencedPower,
    /// All links of the owner are cut and it reaches the fence devices still: it is switched off,
    /// and switches nobody off.
    FencedIsolated,
    /// Of two nodes that share a ledger disk, an operator moves the group to the other.
    PairMove,
    /// Of two such nodes the owner loses its power.
    PairPower,
    /// Between two such nodes every network is cut, and both see the disk.
    // statement: PH-19
    PairCut,
    /// The ledger disk takes no write of the owner any more.
    PairDiskLost,
    /// Both such nodes lose their power at once, and get it back.
    PairBothPower,
    /// An operator moves a group that has resources of every kind.
    FullMove,
    /// The owner of such a group loses its power.
    FullPower,
    /// All links of its owner are cut.
    FullIsolated,
    /// Of such a group the program that is called is killed.
    FullKill,
}

/// Who must answer after the fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// Another node than before.
    Another,
    /// The same node.
    Same,
    /// Whoever it is.
    Anyone,
}

/// The outage that is allowed, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// For the median.
    pub median_ms: u64,
    /// For the worst.
    pub worst_ms: u64,
}

/// All of them, in the order in which they are run: those of one cluster one after the other.
pub const ALL: [Pattern; 44] = [
    Pattern::Move,
    Pattern::Package,
    Pattern::Power,
    Pattern::BothLinks,
    Pattern::ProcessKill,
    Pattern::Shutdown,
    Pattern::PowerLeader,
    Pattern::AllPower,
    Pattern::Isolated,
    Pattern::OneLink,
    Pattern::OneWay,
    Pattern::Freeze,
    Pattern::AgentStop,
    Pattern::AgentLost,
    Pattern::GuardianLost,
    Pattern::GuardianAgentStop,
    Pattern::Rejoin,
    Pattern::Drain,
    Pattern::DrillMove,
    Pattern::DrillIsolate,
    Pattern::Hung,
    Pattern::ClockStep,
    Pattern::Ipv6,
    Pattern::NewerAgent,
    Pattern::AgentReplace,
    Pattern::Monitor,
    Pattern::Log,
    Pattern::RunningLinks,
    Pattern::RunningMonitor,
    Pattern::Mutual,
    Pattern::Warm,
    Pattern::PgMove,
    Pattern::PgPower,
    Pattern::FencedPower,
    Pattern::FencedIsolated,
    Pattern::PairMove,
    Pattern::PairPower,
    Pattern::PairCut,
    Pattern::PairDiskLost,
    Pattern::PairBothPower,
    Pattern::FullMove,
    Pattern::FullPower,
    Pattern::FullIsolated,
    Pattern::FullKill,
];

impl Pattern {
    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Move => "1-move",
            Self::Package => "8-package",
            Self::Power => "2-power",
            Self::BothLinks => "3-both-links",
            Self::ProcessKill => "process-kill",
            Self::Shutdown => "shutdown",
            Self::PowerLeader => "power-leader",
            Self::AllPower => "all-power",
            Self::Isolated => "isolated",
            Self::OneLink => "one-link",
            Self::OneWay => "one-way",
            Self::Freeze => "freeze",
            Self::AgentStop => "agent-stop",
            Self::AgentLost => "agent-lost",
            Self::GuardianLost => "guardian-lost",
            Self::GuardianAgentStop => "guardian-agent-stop",
            Self::Rejoin => "rejoin",
            Self::Hung => "hung",
            Self::ClockStep => "clock-step",
            Self::Ipv6 => "ipv6",
            Self::Drain => "drain",
            Self::DrillMove => "drill-move",
            Self::DrillIsolate => "drill-isolate",
            Self::NewerAgent => "newer-agent",
            Self::AgentReplace => "agent-replace",
            Self::Monitor => "4-monitor",
            Self::Log => "9-log",
            Self::RunningLinks => "5-running-links",
            Self::RunningMonitor => "5-running-monitor",
            Self::Mutual => "7-mutual",
            Self::Warm => "6-warm",
            Self::PgMove => "pg-move",
            Self::PgPower => "pg-power",
            Self::FencedPower => "fenced-power",
            Self::FencedIsolated => "fenced-isolated",
            Self::PairMove => "pair-move",
            Self::PairPower => "pair-power",
            Self::PairCut => "pair-cut",
            Self::PairDiskLost => "pair-disk-lost",
            Self::PairBothPower => "pair-both-power",
            Self::FullMove => "full-move",
            Self::FullPower => "full-power",
            Self::FullIsolated => "full-isolated",
            Self::FullKill => "full-kill",
        }
    }

    /// The pattern of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        ALL.into_iter().find(|pattern| pattern.name() == name)
    }

    /// The cluster in which it is rehearsed.
    #[must_use]
    pub fn shape(self) -> Shape {
        match self {
            Self::Hung
            | Self::ClockStep
            | Self::Ipv6
            | Self::NewerAgent
            | Self::AgentReplace
            | Self::Monitor
            | Self::Log
            | Self::RunningLinks
            | Self::RunningMonitor => Shape::Wide,
            Self::Mutual => Shape::Mutual,
            Self::Warm => Shape::Warm,
            Self::PgMove | Self::PgPower => Shape::Database,
            Self::FencedPower | Self::FencedIsolated => Shape::Fenced,
            Self::PairMove
            | Self::PairPower
            | Self::PairCut
            | Self::PairDiskLost
            | Self::PairBothPower => Shape::Pair,
            Self::FullMove | Self::FullPower | Self::FullIsolated | Self::FullKill => Shape::Full,
            Self::Move
            | Self::Package
            | Self::Power
            | Self::BothLinks
            | Self::ProcessKill
            | Self::Shutdown
            | Self::PowerLeader
            | Self::AllPower
            | Self::Isolated
            | Self::OneLink
            | Self::OneWay
            | Self::Freeze
            | Self::AgentStop
            | Self::AgentLost
            | Self::GuardianLost
            | Self::GuardianAgentStop
            | Self::Rejoin
            | Self::Drain
            | Self::DrillMove => Shape::Plain,
            Self::DrillIsolate => Shape::Alone,
        }
    }

    /// Who must answer afterwards.
    #[must_use]
    pub fn after(self) -> After {
        match self {
            Self::Move
            | Self::Package
            | Self::Power
            | Self::BothLinks
            | Self::Shutdown
            | Self::PowerLeader
            | Self::Isolated
            | Self::OneWay
            | Self::Freeze
            | Self::Hung
            | Self::Ipv6
            | Self::Monitor
            | Self::Log
            | Self::RunningLinks
            | Self::RunningMonitor
            | Self::Mutual
            | Self::Warm
            | Self::PgMove
            | Self::PgPower
            | Self::FencedPower
            | Self::FencedIsolated
            | Self::PairMove
            | Self::PairPower
            | Self::FullMove
            | Self::FullPower
            | Self::FullIsolated
            | Self::Drain => After::Another,
            Self::ProcessKill
            | Self::FullKill
            | Self::OneLink
            | Self::AgentLost
            | Self::Rejoin
            | Self::DrillMove
            | Self::DrillIsolate
            | Self::ClockStep
            | Self::NewerAgent
            | Self::PairCut
            | Self::PairDiskLost
            | Self::AgentReplace => After::Same,
            Self::AllPower
            | Self::AgentStop
            | Self::GuardianLost
            | Self::GuardianAgentStop
            | Self::PairBothPower => After::Anyone,
        }
    }

    /// Whether the owner is switched off by its fence device.
    #[must_use]
    pub fn is_fenced(self) -> bool {
        matches!(self, Self::FencedPower | Self::FencedIsolated)
    }

    /// Whether calls take their time in it, so that the fault finds some under way.
    #[must_use]
    pub fn has_work(self) -> bool {
        matches!(self, Self::RunningLinks | Self::RunningMonitor)
    }

    /// Whether the caller in Java calls in it too.
    #[must_use]
    pub fn has_java(self) -> bool {
        self == Self::RunningLinks
    }

    /// What is promised of the outage.
    #[must_use]
    pub fn limit(self, profile: Profile) -> Option<Limit> {
        let ms = |median_ms, worst_ms| Some(Limit { median_ms, worst_ms });
        match self {
            // There and back: the longer of two moves.
            Self::Move
            | Self::Package
            | Self::Shutdown
            | Self::Drain
            | Self::DrillMove
            | Self::PairMove
            | Self::FullMove => ms(50, 100),
            // What is tried beside it costs no call, but it is the same machine that does it.
            Self::DrillIsolate => ms(30, 80),
            // The program serves until it is stopped, so that finding the failure is not in it:
            // what is seen is a move.
            Self::Monitor | Self::Log | Self::Mutual => ms(50, 100),
            // Of the calls a third is answered at once; the stop waits 20 ms for the others.
            Self::RunningMonitor => ms(100, 200),
            Self::ProcessKill
            | Self::FullKill
            | Self::ClockStep
            | Self::NewerAgent
            | Self::AgentReplace
            | Self::PairCut
            | Self::PairDiskLost => ms(30, 80),
            // The database stops, writes out what it has, and reads it again elsewhere.
            Self::PgMove => ms(1500, 1500),
            Self::PgPower => ms(3000, 3000),
            // A monitor every 300 ms that may take 300 ms, and the start.
            Self::Hung => ms(1000, 1500),
            Self::Power
            | Self::BothLinks
            | Self::PowerLeader
            | Self::Isolated
            | Self::OneWay
            | Self::Freeze
            | Self::AgentStop
            | Self::AgentLost
            | Self::GuardianLost
            | Self::GuardianAgentStop
            | Self::RunningLinks
            | Self::Warm
            | Self::Ipv6
            | Self::PairPower
            | Self::FullPower
            | Self::FullIsolated
            | Self::FencedIsolated => match profile {
                Profile::Default => ms(700, 1000),
                Profile::Fast => ms(280, 350),
            },
            // What the device does at once is the proof that the lease would have to wait for.
            Self::FencedPower => match profile {
                Profile::Default => ms(400, 600),
                Profile::Fast => ms(280, 350),
            },
            Self::AllPower | Self::OneLink | Self::Rejoin | Self::PairBothPower => None,
        }
    }

    /// What the verification report measured, in its own words.
    #[must_use]
    pub fn reported(self) -> &'static str {
        match self {
            Self::Move
            | Self::Package
            | Self::Power
            | Self::BothLinks
            | Self::Monitor
            | Self::Log => "no time given",
            Self::RunningLinks | Self::RunningMonitor => "96,500 ms, 1 lost",
            Self::Warm => "could not be done",
            Self::Mutual => "47,400-49,400 ms",
            Self::ProcessKill
            | Self::Shutdown
            | Self::PowerLeader
            | Self::AllPower
            | Self::Isolated
            | Self::OneLink
            | Self::OneWay
            | Self::Freeze
            | Self::AgentStop
            | Self::AgentLost
            | Self::GuardianLost
            | Self::GuardianAgentStop
            | Self::Rejoin
            | Self::Hung
            | Self::ClockStep
            | Self::Ipv6
            | Self::Drain
            | Self::DrillMove
            | Self::DrillIsolate
            | Self::NewerAgent
            | Self::AgentReplace
            | Self::PgMove
            | Self::PgPower
            | Self::FencedPower
            | Self::FencedIsolated
            | Self::PairMove
            | Self::PairPower
            | Self::PairCut
            | Self::PairDiskLost
            | Self::PairBothPower
            | Self::FullMove
            | Self::FullPower
            | Self::FullIsolated
            | Self::FullKill => "not done",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_patterns_of_one_cluster_stand_together() {
        let shapes: Vec<Shape> = ALL.iter().map(|pattern| pattern.shape()).collect();
        assert!(shapes.is_sorted());
    }

    #[test]
    fn a_monitor_that_fails_costs_no_more_than_a_move() {
        for profile in [Profile::Default, Profile::Fast] {
            let planned = Pattern::Move.limit(profile);
            assert!(planned.is_some());
            for pattern in [Pattern::Monitor, Pattern::Log, Pattern::Mutual] {
                assert_eq!(pattern.limit(profile), planned, "{}", pattern.name());
            }
        }
    }

    #[test]
    fn every_pattern_is_found_by_its_name() {
        for pattern in ALL {
            assert_eq!(Pattern::named(pattern.name()), Some(pattern));
        }
        assert_eq!(Pattern::named("power"), None);
    }
}
