//! A failure that is made on purpose, watched, and put right by the cluster itself (PH-17).
//!
//! ```text
//!        what it was to show is there, or its time is over       at home
//!   Out ──────────────────────────────────────────────────▶ Back ───────▶ Ended
//!    │ somebody else has changed it                            │ home cannot take it: stayed
//!    └─────────────────────────────────────────────────────────┴──────────▶ Ended
//! ```
//!
//! One at most is under way in a cluster. It is an entry of the ledger that names the node it is
//! made on and the life of it, so whoever leads carries it on, and who ordered it may be gone.
//!
//! | who dies, when | what follows |
//! | --- | --- |
//! | whoever ordered it, at any moment | the leader puts it right and ends it |
//! | the leader | the next one has the entry, and goes on from it |
//! | the node it is made on | its groups are taken over as ever; the test turns back, or stays |
//! | that node, before it has carried it out | no later life of it does; its time runs out |
//! | all at once | the group that was stopped is wanted to run again by the first that leads |

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tsugi_vocabulary::{BootId, Epoch, GroupName, NodeName, ResourceName, Span, Wall};

use super::GRACE;
use crate::plan::{Life, Situation, Stand};
use crate::record::{GroupIntent, GroupRecord, NodeIntent, Order, Ownership, Phase, Record};

/// What is made to fail, or is put out of service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fail", rename_all = "kebab-case")]
pub enum Failure {
    /// The group is stopped, and started again once that is verified.
    GroupStop {
        /// Which.
        group: GroupName,
    },
    /// The node is drained, and takes its groups back once they run elsewhere.
    NodeDrain {
        /// Which.
        node: NodeName,
    },
    /// Programs of the group are killed where it runs.
    ProcessKill {
        /// Whose.
        group: GroupName,
        /// That of this resource; every process of the group where none is named.
        resource: Option<ResourceName>,
    },
    /// The agent of a node kills itself.
    AgentKill {
        /// Which.
        node: NodeName,
    },
}

/// One failure test: under way, or as it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureTest {
    /// Who ordered it, when and why; the command's id is its own.
    pub order: Order,
    /// What is made to fail.
    pub failure: Failure,
    /// On which node; its groups come back to it.
    pub node: NodeName,
    /// In which of its lives: no later one carries it out.
    pub boot: BootId,
    /// The groups that it puts out of service, as they were.
    pub groups: BTreeMap<GroupName, Was>,
    /// How long after the order all that it was to show has to be there.
    pub within: Span,
    /// Where it stands.
    pub state: State,
}

/// A group as it was before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Was {
    /// Under which epoch it ran.
    pub epoch: Epoch,
    /// Where an operator had put it.
    pub place: Option<NodeName>,
    /// When the newest of its failures was that still counted.
    pub failed: Option<Wall>,
}

/// Where a failure test stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum State {
    /// It is made, and what follows is awaited.
    Out,
    /// It is put right: the groups come back.
    Back {
        /// Since when.
        at: Wall,
        /// What came of it so far.
        verdict: Verdict,
    },
    /// It is over.
    Ended {
        /// Since when it was put right.
        back: Wall,
        /// When.
        at: Wall,
        /// What came of it.
        verdict: Verdict,
    },
}

/// What came of a failure test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// What was to follow has followed in time, and all is as it was.
    Passed,
    /// What was to follow has not followed in time.
    Late,
    /// A group stays where it went: its node did not get it back.
    Stayed,
    /// Somebody else has changed what it was about.
    Interrupted,
}

/// What whoever leads does next about a failure test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing yet.
    Wait,
    /// It is put right, with this verdict so far.
    TurnBack(Verdict),
    /// It is over.
    End(Verdict),
}

impl FailureTest {
    /// Whether it is not over.
    #[must_use]
    pub const fn is_under_way(&self) -> bool {
        match self.state {
            State::Out | State::Back { .. } => true,
            State::Ended { .. } => false,
        }
    }

    /// Until when what it was to show has to be there, by the wall.
    #[must_use]
    pub const fn until(&self) -> Wall {
        Wall(self.order.at.0.saturating_add(self.within.as_millis()))
    }

    /// From when on nobody waits any more for what may keep its node from taking groups back.
    #[must_use]
    pub const fn given_up_at(&self) -> Wall {
        let since = match self.state {
            State::Out => self.until(),
            State::Back { at, .. } => Wall(at.0.saturating_add(self.within.as_millis())),
            State::Ended { at, .. } => at,
        };
        Wall(since.0.saturating_add(GRACE.as_millis()))
    }

    /// When it is looked at again, if nothing happens until then.
    #[must_use]
    pub fn next_bound(&self, now: Wall) -> Option<Wall> {
        let bounds = [self.until(), self.given_up_at()];
        bounds.into_iter().filter(|bound| self.is_under_way() && *bound > now).min()
    }

    /// Whether this entry of a group or node is still what its order made of it.
    fn is_ours(&self, order: &Order) -> bool {
        order.command == self.order.command
    }

    /// What is to be done about it now.
    #[must_use]
    pub fn next(&self, situation: &Situation<'_>) -> Step {
        let record = situation.record;
        match self.state {
            State::Ended { .. } => Step::Wait,
            State::Out if self.was_changed(record) => Step::End(Verdict::Interrupted),
            State::Out if self.is_shown(situation) => {
                let late = situation.at > self.until();
                Step::TurnBack(if late { Verdict::Late } else { Verdict::Passed })
            }
            State::Out if situation.at < self.until() => Step::Wait,
            // A start would overtake the stop: until that is through, nothing turns back.
            State::Out if self.is_being_stopped(record) => Step::Wait,
            State::Out => Step::TurnBack(Verdict::Late),
            State::Back { verdict, .. } if self.is_home(situation) => Step::End(verdict),
            State::Back { .. } if self.serves_at_all(situation) => Step::End(Verdict::Stayed),
            State::Back { .. } if situation.at < self.given_up_at() => Step::Wait,
            State::Back { .. } => Step::End(Verdict::Stayed),
        }
    }

    fn of_groups<'r>(
        &self,
        record: &'r Record,
    ) -> impl Iterator<Item = (&GroupName, &Was, Option<&'r GroupRecord>)> {
        self.groups.iter().map(|(name, was)| (name, was, record.group(name)))
    }

    /// Whether somebody else has changed what it has put out of service.
    fn was_changed(&self, record: &Record) -> bool {
        match &self.failure {
            Failure::GroupStop { .. } => {
                let ours = |entry: &GroupRecord| match &entry.intent {
                    GroupIntent::Stop(order) => self.is_ours(order),
                    GroupIntent::Run | GroupIntent::GaveUp { .. } => false,
                };
                !self.of_groups(record).all(|(_, _, entry)| entry.is_some_and(ours))
            }
            Failure::NodeDrain { node } => {
                let intent = record.nodes.get(node).map(|known| &known.value.intent);
                !matches!(intent, Some(NodeIntent::Drained(order)) if self.is_ours(order))
            }
            Failure::ProcessKill { .. } | Failure::AgentKill { .. } => {
                self.of_groups(record).any(|(_, _, entry)| {
                    entry.is_none_or(|entry| {
                        entry.pause.is_some() || matches!(entry.intent, GroupIntent::Stop(_))
                    })
                })
            }
        }
    }

    /// Whether a group is still being stopped, for good or to go elsewhere.
    fn is_being_stopped(&self, record: &Record) -> bool {
        let stops = matches!(self.failure, Failure::GroupStop { .. });
        self.of_groups(record).any(|(_, _, entry)| match entry.map(|entry| &entry.ownership) {
            Some(Ownership::Owned { handover, .. }) => stops || handover.is_some(),
            Some(Ownership::Nobody) | None => false,
        })
    }

    /// Whether all has followed that was to follow.
    fn is_shown(&self, situation: &Situation<'_>) -> bool {
        let record = situation.record;
        let node = |entry: &GroupRecord| entry.owner() == Some(&self.node);
        let mut groups = self.of_groups(record);
        match &self.failure {
            Failure::GroupStop { .. } => groups.all(|(_, _, entry)| {
                entry.is_some_and(|entry| entry.ownership == Ownership::Nobody)
            }),
            Failure::NodeDrain { .. } => groups.all(|(name, _, entry)| {
                entry.is_some_and(|entry| match self.may_go_elsewhere(record, name) {
                    Elsewhere::Yes => is_up(entry) && !node(entry),
                    // It stays as it is: there is nothing to be seen of it.
                    Elsewhere::No => true,
                })
            }),
            Failure::ProcessKill { group, .. } => groups.all(|(name, was, entry)| {
                entry.is_some_and(|entry| {
                    let newest = entry.failures.last().map(|failure| failure.at);
                    // Those that must be together with it may stay as they are.
                    let noticed = name != group
                        || entry.epoch > was.epoch
                        || (newest.is_some() && newest != was.failed);
                    noticed && serves(situation, name, entry)
                })
            }),
            Failure::AgentKill { node } => {
                let again = situation
                    .sights
                    .get(node)
                    .is_some_and(|sight| sight.boot != self.boot && sight.life == Life::Heard);
                again
                    && groups.all(|(name, _, entry)| {
                        entry.is_some_and(|entry| serves(situation, name, entry))
                    })
            }
        }
    }

    /// Whether a group may run on another node: a member of a parallel group may not.
    fn may_go_elsewhere(&self, record: &Record, name: &GroupName) -> Elsewhere {
        let spec = record.spec().and_then(|spec| spec.groups.get(name));
        let others = spec.into_iter().flat_map(|spec| &spec.prefer).any(|n| *n != self.node);
        if others { Elsewhere::Yes } else { Elsewhere::No }
    }

    /// Whether every group of it runs, and is on its way nowhere.
    fn serves_at_all(&self, situation: &Situation<'_>) -> bool {
        self.of_groups(situation.record)
            .all(|(name, _, entry)| entry.is_some_and(|entry| serves(situation, name, entry)))
    }

    /// Whether every group of it runs where it ran before.
    fn is_home(&self, situation: &Situation<'_>) -> bool {
        self.of_groups(situation.record).all(|(name, _, entry)| {
            entry.is_some_and(|entry| {
                entry.owner() == Some(&self.node) && serves(situation, name, entry)
            })
        })
    }
}

/// Whether there is another node for a group.
enum Elsewhere {
    Yes,
    No,
}

fn is_up(entry: &GroupRecord) -> bool {
    let up =
        matches!(entry.ownership, Ownership::Owned { phase: Phase::Running, handover: None, .. });
    up && entry.intent == GroupIntent::Run
}

/// Whether a group is up by the record, and by what its owner says of it.
fn serves(situation: &Situation<'_>, name: &GroupName, entry: &GroupRecord) -> bool {
    let said = entry.owner().and_then(|owner| situation.sights.get(owner)?.groups.get(name));
    is_up(entry)
        && said.is_some_and(|said| said.epoch == entry.epoch && said.stand == Stand::Running)
}

impl Failure {
    /// Its word, as a plan of tests has it.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::GroupStop { .. } => "group-stop",
            Self::NodeDrain { .. } => "node-drain",
            Self::ProcessKill { .. } => "process-kill",
            Self::AgentKill { .. } => "agent-kill",
        }
    }
}

impl Verdict {
    /// Its word, as JSON has it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Late => "late",
            Self::Stayed => "stayed",
            Self::Interrupted => "interrupted",
        }
    }
}

impl Record {
    /// The failure test that is under way.
    #[must_use]
    pub fn failure_under_way(&self) -> Option<&FailureTest> {
        self.failure_test.as_deref().filter(|test| test.is_under_way())
    }
}
