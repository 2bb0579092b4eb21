//! Drills over the control socket: the newest one of a group, and what is proven.

use serde::{Deserialize, Serialize};

use super::{Utc, Words};

/// The drills of one group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drills {
    /// The group.
    pub group: String,
    /// The newest one: under way, or as it ended.
    pub newest: Option<Drill>,
    /// The directions in which a move was last seen to hold.
    pub proven: Vec<Proven>,
    /// The newest one beside the running group: under way, or as it ended. Versions before it do
    /// not tell it.
    #[serde(default)]
    pub rehearsal: Option<Rehearsal>,
    /// What those have shown last.
    #[serde(default)]
    pub rehearsed: Vec<Rehearsed>,
}

/// A level that leaves the group where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Beside {
    /// The node could read what the group needs.
    Read,
    /// It could start the group.
    Isolate,
}

/// One drill beside the running group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rehearsal {
    /// Its id: that of the command, as the audit has it.
    pub id: String,
    /// What it is to show: `read`, `isolate`.
    pub level: String,
    /// Who ordered it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When it began.
    pub began: Utc,
    /// Who ran the group meanwhile.
    pub from: String,
    /// Who was to show it.
    pub to: String,
    /// For how long it may take.
    pub limit_ms: u64,
    /// When it ended.
    pub ended: Option<Utc>,
    /// `proven`, `failed`, `interrupted`.
    pub verdict: Option<String>,
    /// The same in words, with what went wrong.
    pub outcome: Option<Words>,
    /// What was done, in order.
    pub parts: Vec<Part>,
    /// What went wrong, if anything.
    pub fault: Option<Fault>,
}

/// What went wrong in a drill beside the running group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The word of what was done.
    pub part: String,
    /// What was done, in words.
    pub at: Words,
    /// How it went wrong, in words.
    pub how: Words,
}

/// One thing that was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// `copy`, `check`, `mount`, `read`, `start`, `monitor`, `stop`, `drop`.
    pub part: String,
    /// The same in words, with the resource.
    pub what: Words,
    /// The resource.
    pub resource: String,
    /// How long it took.
    pub millis: u64,
}

/// A level that was shown beside the running group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rehearsed {
    /// Who ran the group meanwhile.
    pub from: String,
    /// Who has shown it.
    pub to: String,
    /// `read`, `isolate`.
    pub level: String,
    /// When.
    pub at: Utc,
    /// How long all of it took.
    pub took_ms: u64,
}

/// One drill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drill {
    /// Its id: that of the command, as the audit has it.
    pub id: String,
    /// How far it goes: `move`.
    pub level: String,
    /// Who ordered it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When it began.
    pub began: Utc,
    /// When the group goes back by itself.
    pub until: Utc,
    /// The stop line: for how long the group may be out of service in one direction.
    pub line_ms: u64,
    /// `going`, `there`, `returning`, `ended`.
    pub state: String,
    /// Why it goes back, once it does.
    pub because: Option<Words>,
    /// When it ended.
    pub ended: Option<Utc>,
    /// `proven`, `beyond-line`, `failed`, `stayed`, `interrupted`.
    pub verdict: Option<String>,
    /// The same in words.
    pub outcome: Option<Words>,
    /// There, and back once it goes back.
    pub ways: Vec<Way>,
}

/// One way of a drill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// From here.
    pub from: String,
    /// To here.
    pub to: String,
    /// When it was ordered.
    pub at: Utc,
    /// The epoch that it gave.
    pub epoch: String,
    /// For how long the group was out of service at most; none if it did not come up.
    pub gap_ms: Option<u64>,
    /// What was stopped, in order.
    pub stop: Vec<Phase>,
    /// What was started, in order.
    pub start: Vec<Phase>,
    /// From the entry that gave the group until all of it was up.
    pub start_ms: Option<u64>,
}

/// One part of a way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// The resource.
    pub resource: String,
    /// How long it took.
    pub millis: u64,
}

/// A direction in which a move was seen to hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proven {
    /// From here.
    pub from: String,
    /// To here.
    pub to: String,
    /// By which level.
    pub level: String,
    /// When.
    pub at: Utc,
    /// For how long the group was out of service at most.
    pub gap_ms: u64,
}

/// What is made to fail on purpose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fail", rename_all = "kebab-case")]
pub enum Failure {
    /// A group is moved, and comes back.
    GroupMove {
        /// The group.
        group: String,
        /// Where, if it is said.
        to: Option<String>,
    },
    /// A group is stopped, and started again.
    GroupStop {
        /// The group.
        group: String,
    },
    /// A node is drained, and takes its groups back.
    NodeDrain {
        /// The node.
        node: String,
    },
    /// Programs of a group are killed.
    ProcessKill {
        /// The group.
        group: String,
        /// That of this resource; every process of the group where none is named.
        resource: Option<String>,
    },
    /// The agent of a node kills itself.
    AgentKill {
        /// The node.
        node: String,
    },
}

/// One failure test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureTest {
    /// Its id: that of the command, as the audit has it.
    pub id: String,
    /// What was made to fail.
    pub failure: Failure,
    /// On which node.
    pub node: String,
    /// The groups that it put out of service.
    pub groups: Vec<String>,
    /// Who ordered it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When it began.
    pub began: Utc,
    /// How long what was to follow may have taken.
    pub within_ms: u64,
    /// When it was put right.
    pub back: Option<Utc>,
    /// When it ended.
    pub ended: Option<Utc>,
    /// `passed`, `late`, `stayed`, `interrupted`.
    pub verdict: Option<String>,
}
