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
pub const ALL: [Pattern; 21] = [
    Pattern::Move,
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
    Pattern::Hung,
    Pattern::ClockStep,
    Pattern::Ipv6,
    Pattern::NewerAgent,
];

impl Pattern {
    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Move => "1-move",
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
            Self::NewerAgent => "newer-agent",
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
            Self::Hung | Self::ClockStep | Self::Ipv6 | Self::NewerAgent => Shape::Wide,
            Self::Move
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
            | Self::Drain => Shape::Plain,
        }
    }

    /// Who must answer afterwards.
    #[must_use]
    pub fn after(self) -> After {
        match self {
            Self::Move
            | Self::Power
            | Self::BothLinks
            | Self::Shutdown
            | Self::PowerLeader
            | Self::Isolated
            | Self::OneWay
            | Self::Freeze
            | Self::Hung
            | Self::Ipv6
            | Self::Drain => After::Another,
            Self::ProcessKill
            | Self::OneLink
            | Self::AgentLost
            | Self::Rejoin
            | Self::ClockStep
            | Self::NewerAgent => After::Same,
            Self::AllPower | Self::AgentStop | Self::GuardianLost | Self::GuardianAgentStop => {
                After::Anyone
            }
        }
    }

    /// What is promised of the outage.
    #[must_use]
    pub fn limit(self, profile: Profile) -> Option<Limit> {
        let ms = |median_ms, worst_ms| Some(Limit { median_ms, worst_ms });
        match self {
            Self::Move | Self::Shutdown | Self::Drain => ms(50, 100),
            Self::ProcessKill | Self::ClockStep | Self::NewerAgent => ms(30, 80),
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
            | Self::Ipv6 => match profile {
                Profile::Default => ms(700, 1000),
                Profile::Fast => ms(280, 350),
            },
            Self::AllPower | Self::OneLink | Self::Rejoin => None,
        }
    }

    /// What the verification report measured, in its own words.
    #[must_use]
    pub fn reported(self) -> &'static str {
        match self {
            Self::Move => "no time given",
            Self::Power => "47,000-49,000 ms",
            Self::BothLinks => "97,000 ms, 1 lost",
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
            | Self::NewerAgent => "not done",
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
    fn every_pattern_is_found_by_its_name() {
        for pattern in ALL {
            assert_eq!(Pattern::named(pattern.name()), Some(pattern));
        }
        assert_eq!(Pattern::named("power"), None);
    }
}
