//! Resource agents: what they are called, and what their exit codes mean.
//!
//! A resource agent is a program of somebody else that starts, stops and looks after one resource,
//! by the Open Cluster Framework's contract (OCF 1.1). It is called with one word, the action, and
//! answers with an exit code. What each code of each action means is the one table here.

pub mod contract;
pub mod description;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// `ocf:PROVIDER:TYPE`: which agent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AgentName {
    provider: String,
    kind: String,
}

impl AgentName {
    /// Who it is from.
    #[must_use]
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// What it looks after.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }
}

/// The text names no agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoAgentName;

impl fmt::Display for NoAgentName {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("an agent is named ocf:PROVIDER:TYPE")
    }
}

impl std::error::Error for NoAgentName {}

impl FromStr for AgentName {
    type Err = NoAgentName;

    fn from_str(text: &str) -> Result<Self, NoAgentName> {
        // Each part is one file name below the agents' directory and leads nowhere else.
        let part = |text: &str| {
            let fine = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            let named = !text.is_empty() && text.len() <= 64 && !text.starts_with(['.', '-']);
            (named && text.chars().all(fine)).then(|| text.to_owned())
        };
        match text.split(':').collect::<Vec<_>>()[..] {
            ["ocf", provider, kind] => {
                let provider = part(provider).ok_or(NoAgentName)?;
                Ok(Self { provider, kind: part(kind).ok_or(NoAgentName)? })
            }
            _ => Err(NoAgentName),
        }
    }
}

impl TryFrom<String> for AgentName {
    type Error = NoAgentName;

    fn try_from(text: String) -> Result<Self, NoAgentName> {
        text.parse()
    }
}

impl From<AgentName> for String {
    fn from(name: AgentName) -> Self {
        name.to_string()
    }
}

impl fmt::Display for AgentName {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "ocf:{}:{}", self.provider, self.kind)
    }
}

/// What takes away what a resource agent has made, where the agent itself is not asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Undo {
    /// A kill of its processes: it makes nothing else that another node must not have.
    Kill,
    /// Only a reset of the machine, as of an address or a mount that an agent has made. What is
    /// not known to be less is this.
    #[default]
    Reset,
}

/// What a parameter of an agent may be called: `OCF_RESKEY_` and this is a variable.
#[must_use]
pub fn is_parameter_name(text: &str) -> bool {
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let reserved = text.starts_with("CRM_meta_");
    begins && !reserved && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// What an agent is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Bring the resource up; back when it is up.
    Start,
    /// Take it down; back when nothing of it is left.
    Stop,
    /// Say whether it runs.
    Monitor,
    /// Describe the agent.
    MetaData,
    /// Say whether the parameters make sense here.
    ValidateAll,
}

impl Action {
    /// The word the agent is called with.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Monitor => "monitor",
            Self::MetaData => "meta-data",
            Self::ValidateAll => "validate-all",
        }
    }
}

/// An exit code, as the contract names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    /// 0: done, or it runs.
    Success,
    /// 1: failed in a way that has no other number.
    Generic,
    /// 2: the parameters make no sense.
    Arguments,
    /// 3: the agent does not know the action.
    Unimplemented,
    /// 4: it may not.
    Permission,
    /// 5: what it looks after is not installed here.
    NotInstalled,
    /// 6: what it looks after is not configured.
    NotConfigured,
    /// 7: it does not run, and left nothing behind.
    NotRunning,
    /// 8: it runs, as the one that leads its copies.
    Promoted,
    /// 9: it leads its copies and has failed.
    FailedPromoted,
    /// 190: it runs, and less well than it should.
    Degraded,
    /// 191: the same, as the one that leads.
    DegradedPromoted,
    /// No code of the contract.
    Unknown(i32),
}

impl Code {
    /// What this exit code is called.
    #[must_use]
    pub const fn of(number: i32) -> Self {
        match number {
            0 => Self::Success,
            1 => Self::Generic,
            2 => Self::Arguments,
            3 => Self::Unimplemented,
            4 => Self::Permission,
            5 => Self::NotInstalled,
            6 => Self::NotConfigured,
            7 => Self::NotRunning,
            8 => Self::Promoted,
            9 => Self::FailedPromoted,
            190 => Self::Degraded,
            191 => Self::DegradedPromoted,
            other => Self::Unknown(other),
        }
    }
}

/// What a code means for what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Done, or it runs.
    Well,
    /// It does not run.
    Down,
    /// It failed.
    Failed,
    /// The monitor says that it *cannot* run here. Taken at its word that moves a group away for
    /// ever because a file was missing for a moment: it is a failure like any other, and said.
    TakenAsFailed,
    /// The contract has no such answer to this action: a failure, and said.
    Nonsense,
}

/// The table: every code, as the answer to every action.
#[must_use]
pub const fn meaning(action: Action, code: Code) -> Meaning {
    match (action, code) {
        (_, Code::Success) => Meaning::Well,
        (_, Code::Unknown(_)) => Meaning::Nonsense,
        (_, Code::Generic | Code::Arguments | Code::Unimplemented | Code::Permission) => {
            Meaning::Failed
        }
        (Action::Monitor, Code::NotInstalled | Code::NotConfigured) => Meaning::TakenAsFailed,
        (
            Action::Start | Action::Stop | Action::MetaData | Action::ValidateAll,
            Code::NotInstalled | Code::NotConfigured,
        ) => Meaning::Failed,
        // Not what a good stop answers; whether it is true, the monitor after it says.
        (Action::Stop | Action::Monitor, Code::NotRunning) => Meaning::Down,
        (Action::Start, Code::NotRunning) => Meaning::Failed,
        (Action::MetaData | Action::ValidateAll, Code::NotRunning) => Meaning::Nonsense,
        (Action::Monitor, Code::Promoted | Code::Degraded | Code::DegradedPromoted) => {
            Meaning::Well
        }
        (Action::Monitor, Code::FailedPromoted) => Meaning::Failed,
        (
            Action::Start | Action::Stop | Action::MetaData | Action::ValidateAll,
            Code::Promoted | Code::FailedPromoted | Code::Degraded | Code::DegradedPromoted,
        ) => Meaning::Nonsense,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACTIONS: [Action; 5] =
        [Action::Start, Action::Stop, Action::Monitor, Action::MetaData, Action::ValidateAll];

    #[test]
    fn every_code_of_every_action_has_its_meaning() {
        // One letter a meaning; the columns are start, stop, monitor, meta-data, validate-all.
        let table = [
            (0, "wwwww"),
            (1, "fffff"),
            (2, "fffff"),
            (3, "fffff"),
            (4, "fffff"),
            (5, "fftff"),
            (6, "fftff"),
            (7, "fddnn"),
            (8, "nnwnn"),
            (9, "nnfnn"),
            (10, "nnnnn"),
            (127, "nnnnn"),
            (190, "nnwnn"),
            (191, "nnwnn"),
            (255, "nnnnn"),
        ];
        for (number, letters) in table {
            let code = Code::of(number);
            let found: String = ACTIONS
                .iter()
                .map(|action| match meaning(*action, code) {
                    Meaning::Well => 'w',
                    Meaning::Down => 'd',
                    Meaning::Failed => 'f',
                    Meaning::TakenAsFailed => 't',
                    Meaning::Nonsense => 'n',
                })
                .collect();
            assert_eq!(found, letters, "exit {number}");
        }
    }

    #[test]
    fn the_name_of_an_agent_leads_to_no_other_place() {
        let name: AgentName = "ocf:heartbeat:Dummy".parse().unwrap();
        assert_eq!((name.provider(), name.kind()), ("heartbeat", "Dummy"));
        assert_eq!(name.to_string(), "ocf:heartbeat:Dummy");
        for text in [
            "Dummy",
            "ocf:Dummy",
            "lsb:heartbeat:Dummy",
            "ocf:heartbeat:",
            "ocf::Dummy",
            "ocf:..:Dummy",
            "ocf:heartbeat:../../bin/sh",
            "ocf:heartbeat:Dummy:x",
            "ocf:heartbeat:a b",
        ] {
            assert_eq!(text.parse::<AgentName>(), Err(NoAgentName), "{text}");
        }
    }

    #[test]
    fn a_parameter_is_a_variable_and_none_of_the_cluster_managers_own() {
        assert!(is_parameter_name("cidr_netmask") && is_parameter_name("_x9"));
        for text in ["", "9x", "a-b", "a b", "CRM_meta_timeout", "a=b"] {
            assert!(!is_parameter_name(text), "{text}");
        }
    }
}
