//! What nodes measure of themselves, and by which of it a group chooses who takes it over (PH-10).
//!
//! Every figure is the higher the better. Which node has more counts only when a group falls:
//! nothing that runs is moved for a figure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tsugi_vocabulary::{GroupName, Span};

/// By what the next owner of a group that falls is chosen, among the nodes that could take it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PreferBy {
    /// By the order of its nodes alone.
    #[default]
    Order,
    /// By this, and by their order where it is the same or not known.
    Measure(Measure),
    /// The same by the number that a script prints on each node.
    Script(ScoreScript),
}

impl PreferBy {
    /// Whether the order of the nodes decides alone.
    #[must_use]
    pub const fn is_order(&self) -> bool {
        matches!(self, Self::Order)
    }
}

/// What each node measures of itself without being told how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// How much of its processors has been idle, in percent.
    Cpu,
    /// How much of its memory programs could still have, in percent.
    Memory,
    /// How few threads want to run for each processor.
    Load,
}

/// A script that says how well a node could take a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScoreScript {
    /// Absolute path and arguments. The last line of its output is the number.
    pub run: Vec<String>,
    /// How often it is run on each node that could take the group.
    pub every: Span,
    /// How long one run may take; longer says nothing.
    pub limit: Span,
}

/// What a node measured of itself last, as its heartbeats carry it: only what some group asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// Idle processors, 0 to 100 percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<u32>,
    /// Available memory, 0 to 100 percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u32>,
    /// Threads that want to run, for each processor, in hundredths.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<u32>,
    /// What the scripts of groups printed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub scores: BTreeMap<GroupName, i64>,
}

/// A smaller change of a share is not told: a beat that says something new is read at once.
const SHARE_STEP: u32 = 5;
/// The same for the load, in hundredths.
const LOAD_STEP: u32 = 25;

impl Figures {
    /// Whether nothing was measured.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// The figure that counts for a group; none if it was not measured. The higher the better.
    #[must_use]
    pub fn of(&self, group: &GroupName, by: &PreferBy) -> Option<i64> {
        match by {
            PreferBy::Order => None,
            PreferBy::Measure(Measure::Cpu) => self.cpu.map(i64::from),
            PreferBy::Measure(Measure::Memory) => self.memory.map(i64::from),
            PreferBy::Measure(Measure::Load) => self.load.map(|load| -i64::from(load)),
            PreferBy::Script(_) => self.scores.get(group).copied(),
        }
    }

    /// What is told after this was `measured`: what has hardly changed is told as before. The
    /// scripts say by themselves what is worth telling.
    #[must_use]
    pub fn told_after(&self, measured: &Self) -> Self {
        let kept = |told: Option<u32>, measured: Option<u32>, step| match (told, measured) {
            (Some(told), Some(measured)) if told.abs_diff(measured) < step => Some(told),
            _ => measured,
        };
        Self {
            cpu: kept(self.cpu, measured.cpu, SHARE_STEP),
            memory: kept(self.memory, measured.memory, SHARE_STEP),
            load: kept(self.load, measured.load, LOAD_STEP),
            scores: measured.scores.clone(),
        }
    }
}

/// By what one node was chosen over another: the two figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compared {
    /// What was compared.
    pub by: Compare,
    /// The figure of the node that was passed over; none if it has not told one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub its: Option<i64>,
    /// That of the chosen one.
    pub best: i64,
}

/// What two nodes were compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compare {
    /// Idle processors.
    Cpu,
    /// Available memory.
    Memory,
    /// Load for each processor, told as a number below zero.
    Load,
    /// The group's script.
    Script,
}

impl Compare {
    /// What a group's nodes are compared by; none if by their order alone.
    #[must_use]
    pub const fn of(by: &PreferBy) -> Option<Self> {
        match by {
            PreferBy::Order => None,
            PreferBy::Measure(Measure::Cpu) => Some(Self::Cpu),
            PreferBy::Measure(Measure::Memory) => Some(Self::Memory),
            PreferBy::Measure(Measure::Load) => Some(Self::Load),
            PreferBy::Script(_) => Some(Self::Script),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_hardly_changed_is_told_as_before() {
        let figures = |cpu, memory, load| Figures { cpu, memory, load, scores: BTreeMap::new() };
        let told = figures(Some(50), Some(60), Some(100));
        let little = figures(Some(54), Some(56), Some(124));
        assert_eq!(told.told_after(&little), told);
        let much = figures(Some(55), Some(55), Some(125));
        assert_eq!(told.told_after(&much), much);
        let gone = Figures::default();
        assert_eq!(told.told_after(&gone), gone, "an old figure is no figure");
    }
}
