//! A takeover tried on the live system: the group goes to another node and back again, by itself.
//!
//! ```text
//!            up there           the window ends, or the stop line
//!   Going ─────────────▶ There ────────────────────────────────────▶ Returning ──home──▶ Ended
//!     │ stop line                                                        ▲                  ▲
//!     └──────────────────────────────────────────────────────────────────┘                  │
//!   anything else that takes the group: whoever did goes on, and the drill only ends ───────┘
//! ```
//!
//! A drill stands in the record of its group, so whoever leads carries it on. It moves the group by
//! ordinary hand-overs, as an operator would, and never but by them: at every step the group is
//! owned, leased and taken over as always, whatever becomes of the drill. Which run of the group is
//! the drill's is told by the epoch that its order was to give, and by why it was given.

pub mod failure;
pub mod rehearsal;
mod steps;
mod table;

pub use rehearsal::{Depth, Rehearsal, Rehearsed};
pub use steps::{Due, GRACE, Seen, arrived, ended};
pub use table::{Bounded, Bounds, Home, Step, next};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tsugi_vocabulary::{Epoch, GroupName, NodeName, Span, Wall};

use crate::reason::{Cause, Nature};
use crate::record::{GroupIntent, GroupRecord, Order, Ownership, Phase};
use crate::start_kind::Ending;

/// What a group's record keeps of drills.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drills {
    /// The newest one: under way, or as it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<Box<Drill>>,
    /// The directions in which a move was last seen to hold, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proven: Vec<Proven>,
    /// The newest one beside the running group: under way, or as it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rehearsal: Option<Box<Rehearsal>>,
    /// What those have shown last, for each direction and depth once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rehearsed: Vec<Rehearsed>,
}

/// One drill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drill {
    /// Who ordered it, when and why; the command's id is the drill's.
    pub order: Order,
    /// How far it goes.
    pub level: Level,
    /// The stop line: for how long the group may be out of service in one direction.
    pub gap: Span,
    /// For how long after the order, before the group goes back by itself.
    pub window: Span,
    /// Where it stands.
    pub state: State,
    /// The way there.
    pub there: Leg,
    /// The way back, once it was ordered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back: Option<Leg>,
    /// Where an operator had put the group, and those that go with it, before the drill did.
    pub places: BTreeMap<GroupName, Option<NodeName>>,
}

/// How far a drill goes that moves its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The group is moved, and comes back.
    Move,
}

/// Where a drill stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum State {
    /// The group is being handed over to the other node.
    Going,
    /// It runs there.
    There,
    /// It is being handed back.
    Returning {
        /// Why.
        because: Back,
    },
    /// It is over.
    Ended {
        /// When.
        at: Wall,
        /// What came of it.
        verdict: Verdict,
    },
}

/// Why a group is handed back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Back {
    /// The window has ended.
    Window,
    /// It was out of service for longer than the stop line allows.
    StopLine,
    /// Something of it failed there.
    Failed,
    /// A person has ordered it.
    Ordered,
}

/// What came of a drill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It went there and back, each time within the stop line.
    Proven,
    /// In one direction it was out of service for longer.
    BeyondLine,
    /// Something of it failed, there or on its return.
    Failed,
    /// It stays where it went: the node that it came from could not take it back.
    Stayed,
    /// Something else took the group: an operator, or a takeover.
    Interrupted,
}

/// One way of a drill: a hand-over from one node to the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leg {
    /// From here.
    pub from: NodeName,
    /// To here.
    pub to: NodeName,
    /// The epoch that the hand-over gives.
    pub epoch: Epoch,
    /// When it was ordered.
    pub at: Wall,
    /// For how long the group was out of service at most; none before it is up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap: Option<Span>,
    /// Each resource that was stopped and its milliseconds, in the order of the stop.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<(String, u64)>,
    /// Each resource that was started and its milliseconds, in the order of the start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub start: Vec<(String, u64)>,
    /// How long all of the start took, from the entry that gave the group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took: Option<Span>,
}

/// A direction in which a move was seen to hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proven {
    /// From here.
    pub from: NodeName,
    /// To here.
    pub to: NodeName,
    /// By which level.
    pub level: Level,
    /// When.
    pub at: Wall,
    /// For how long the group was out of service at most.
    pub gap: Span,
}

/// How a group stands to the way that its drill takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stand {
    /// It has not left yet: its owner stops it for the hand-over.
    Leaving,
    /// It is being started where it goes.
    Rising,
    /// It is up there.
    Up,
    /// It failed there, and is begun anew there.
    Restarted,
    /// It has not left, and the hand-over was dropped: where it goes, it could not be taken.
    Dropped,
    /// It failed where the drill had put it, and is not begun anew there.
    Failed,
    /// Somebody else has it, or is to have it.
    Elsewhere,
    /// It is not to run, or is left alone.
    Taken,
}

impl Drills {
    /// Whether there was none.
    #[must_use]
    pub fn is_new(&self) -> bool {
        let beside = self.rehearsal.is_none() && self.rehearsed.is_empty();
        self.newest.is_none() && self.proven.is_empty() && beside
    }

    /// The one beside the running group that is under way.
    #[must_use]
    pub fn rehearsing(&self) -> Option<&Rehearsal> {
        self.rehearsal.as_deref().filter(|rehearsal| rehearsal.is_under_way())
    }

    /// Who has ordered what is under way, of either kind.
    #[must_use]
    pub fn ordered_by(&self) -> Option<&str> {
        let moved = self.under_way().map(|drill| &drill.order);
        let order = moved.or_else(|| self.rehearsing().map(|rehearsal| &rehearsal.order))?;
        Some(&order.by)
    }

    /// What was last shown on this node without moving the group, the deepest of it.
    #[must_use]
    pub fn rehearsed_on(&self, to: &NodeName) -> Option<&Rehearsed> {
        let here = self.rehearsed.iter().filter(|shown| shown.to == *to);
        here.max_by_key(|shown| (shown.depth, shown.at))
    }

    /// The one that is under way.
    #[must_use]
    pub fn under_way(&self) -> Option<&Drill> {
        self.newest.as_deref().filter(|drill| match drill.state {
            State::Going | State::There | State::Returning { .. } => true,
            State::Ended { .. } => false,
        })
    }

    /// The way of the drill under way that gives this epoch.
    fn leg_to(&mut self, epoch: Epoch) -> Option<&mut Leg> {
        self.under_way()?;
        let drill = self.newest.as_deref_mut()?;
        let legs = [Some(&mut drill.there), drill.back.as_mut()];
        legs.into_iter().flatten().find(|leg| leg.epoch == epoch)
    }

    /// The owner has let go of the group for the run under this epoch.
    pub(crate) fn stopped(&mut self, epoch: Epoch, steps: &[(String, u64)]) {
        if let Some(leg) = self.leg_to(epoch) {
            leg.stop = steps.to_vec();
        }
    }

    /// The group is up under this epoch.
    pub(crate) fn started(&mut self, epoch: Epoch, steps: &[(String, u64)], took: Span) {
        // What is mended in place comes up once more: that is no part of the way.
        if let Some(leg) = self.leg_to(epoch).filter(|leg| leg.took.is_none()) {
            leg.start = steps.to_vec();
            leg.took = Some(took);
        }
    }

    /// When this direction was last proven.
    #[must_use]
    pub fn proven(&self, from: &NodeName, to: &NodeName) -> Option<&Proven> {
        self.proven.iter().find(|proven| proven.from == *from && proven.to == *to)
    }

    /// When a move to this node was last proven, from whichever.
    #[must_use]
    pub fn proven_to(&self, to: &NodeName) -> Option<Wall> {
        self.proven.iter().filter(|proven| proven.to == *to).map(|proven| proven.at).max()
    }
}

impl Drill {
    /// When the group goes back by itself, by the wall.
    #[must_use]
    pub const fn until(&self) -> Wall {
        Wall(self.order.at.0.saturating_add(self.window.as_millis()))
    }

    /// The way that it takes now, or took last.
    #[must_use]
    pub fn leg(&self) -> &Leg {
        match self.state {
            State::Going | State::There => &self.there,
            State::Returning { .. } | State::Ended { .. } => {
                self.back.as_ref().unwrap_or(&self.there)
            }
        }
    }

    /// How its group stands to that way.
    #[must_use]
    pub fn stand(&self, group: &GroupRecord) -> Stand {
        match self.stand_of_way(group) {
            Stand::Elsewhere | Stand::Taken if self.failed(group) => Stand::Failed,
            stand => stand,
        }
    }

    /// Whether what took its group from it is a failure of the group where it had put it.
    fn failed(&self, group: &GroupRecord) -> bool {
        let by_itself = |cause: &Cause| {
            let of = |leg: &Leg| cause.node() == Some(&leg.to);
            cause.nature() == Nature::OwnFailure
                && (of(&self.there) || self.back.as_ref().is_some_and(of))
        };
        let last = || group.failures.last().filter(|_| group.ended == Ending::Failure);
        match (&group.intent, &group.ownership) {
            (GroupIntent::GaveUp { cause, .. }, _) => by_itself(cause),
            (GroupIntent::Stop(_), _) => false,
            (GroupIntent::Run, _) if group.pause.is_some() => false,
            (GroupIntent::Run, Ownership::Owned { cause, .. }) => by_itself(cause),
            (GroupIntent::Run, Ownership::Nobody) => {
                last().is_some_and(|failure| by_itself(&failure.cause))
            }
        }
    }

    fn stand_of_way(&self, group: &GroupRecord) -> Stand {
        let leg = self.leg();
        if group.intent != GroupIntent::Run || group.pause.is_some() {
            return Stand::Taken;
        }
        let Ownership::Owned { node, cause, phase, handover, .. } = &group.ownership else {
            return Stand::Elsewhere;
        };
        if *node == leg.to && handover.is_none() {
            // A takeover while it was leaving gives the same epoch, for another reason.
            let handed = group.epoch == leg.epoch && cause.nature() == Nature::Wanted;
            return match (handed, phase) {
                (true, Phase::Running) => Stand::Up,
                (true, Phase::Starting | Phase::Failing) => Stand::Rising,
                (false, _) if cause.node() == Some(&leg.to) => Stand::Restarted,
                (false, _) => Stand::Elsewhere,
            };
        }
        match handover {
            None if *node == leg.from && group.epoch < leg.epoch => Stand::Dropped,
            Some(to) if *node == leg.from && group.epoch < leg.epoch && *to == leg.to => {
                Stand::Leaving
            }
            None | Some(_) => Stand::Elsewhere,
        }
    }
}

impl Leg {
    /// What the nodes themselves have measured of it, each by its own clock.
    #[must_use]
    pub fn measured(&self) -> Span {
        let stop: u64 = self.stop.iter().map(|(_, millis)| millis).sum();
        Span::millis(stop) + self.took.unwrap_or(Span::ZERO)
    }
}

impl Verdict {
    /// Its word, as JSON has it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::BeyondLine => "beyond-line",
            Self::Failed => "failed",
            Self::Stayed => "stayed",
            Self::Interrupted => "interrupted",
        }
    }
}

#[cfg(test)]
mod tests;
