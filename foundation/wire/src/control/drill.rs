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
