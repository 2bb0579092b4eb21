//! The situations that are rehearsed, each with what must hold afterwards.

use crate::product::Profile;

/// A situation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pattern {
    /// An operator moves the group (pattern 1 of the report).
    Move,
    /// The owner loses its power (pattern 2).
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

/// All of them, in the order in which they are run.
pub const ALL: [Pattern; 16] = [
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
        }
    }

    /// The pattern of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        ALL.into_iter().find(|pattern| pattern.name() == name)
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
            | Self::Freeze => After::Another,
            Self::ProcessKill | Self::OneLink | Self::AgentLost | Self::Rejoin => After::Same,
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
            Self::Move | Self::Shutdown => ms(50, 100),
            Self::ProcessKill => ms(30, 80),
            Self::Power
            | Self::BothLinks
            | Self::PowerLeader
            | Self::Isolated
            | Self::OneWay
            | Self::Freeze
            | Self::AgentStop
            | Self::AgentLost
            | Self::GuardianLost
            | Self::GuardianAgentStop => match profile {
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
            | Self::Rejoin => "not done",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_is_found_by_its_name() {
        for pattern in ALL {
            assert_eq!(Pattern::named(pattern.name()), Some(pattern));
        }
        assert_eq!(Pattern::named("power"), None);
    }
}
