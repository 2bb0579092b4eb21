//! Why: the causes that start a change, and the reasons for which a node was passed over.

use serde::{Deserialize, Serialize};
use tsugi_vocabulary::{Epoch, GroupName, NodeName, ResourceName, Span, Wall};

use crate::figures::Compared;
use crate::mirror::Obstacle;
use crate::reservation;
use crate::watch::Recovery;

/// The first cause of a change of ownership, as `explain` names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "kebab-case")]
pub enum Cause {
    /// The cluster started and the group is to run.
    ClusterStart,
    /// An operator's command.
    Operator {
        /// The person.
        by: String,
        /// The reason given.
        reason: String,
    },
    /// A node is being taken out of service.
    Drain {
        /// The node.
        node: NodeName,
    },
    /// A node shuts down.
    Shutdown {
        /// The node.
        node: NodeName,
    },
    /// A better node is back and the group goes home.
    Failback {
        /// The node it goes to.
        to: NodeName,
    },
    /// A supervised program ended by itself.
    ProcessDied {
        /// Where.
        node: NodeName,
        /// Which.
        resource: ResourceName,
        /// How it ended: `exit 3`, `signal 9`.
        #[serde(flatten)]
        how: How,
    },
    /// A monitor said no, or did not answer within its limit.
    MonitorFailed {
        /// Where.
        node: NodeName,
        /// Which.
        resource: ResourceName,
        /// Which of its monitors, if that has a name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        monitor: Option<ResourceName>,
        /// Its exit code, or that it hung or flooded.
        #[serde(flatten)]
        how: How,
    },
    /// A step of a start failed.
    StartFailed {
        /// Where.
        node: NodeName,
        /// Which.
        resource: ResourceName,
        /// What happened.
        #[serde(flatten)]
        how: How,
    },
    /// A watched program ended that nobody had told to end, and its watch says that the group has
    /// failed.
    WatchedEnded {
        /// Where.
        node: NodeName,
        /// The watch id.
        id: String,
        /// How it ended.
        #[serde(flatten)]
        how: How,
        /// What is done about it.
        #[serde(default)]
        recovery: Recovery,
    },
    /// No network of a node carries the group's address any more; the node itself is heard.
    LinksDown {
        /// The node.
        node: NodeName,
        /// The interfaces.
        links: Vec<String>,
    },
    /// A node is heard by nobody, on no network. Its return tells which: power, freeze or cut.
    NodeSilent {
        /// The node.
        node: NodeName,
        /// How long it had not been heard.
        silence: Span,
    },
    /// A node is heard, but says that it hears no majority; or it was not heard, and says on its
    /// return that it had heard the others all the while.
    OneWay {
        /// The node.
        node: NodeName,
        /// Which way lost everything.
        #[serde(default, skip_serializing_if = "Way::is_to_it")]
        way: Way,
    },
    /// A node was silent because it had lost power or was reset: it returned with another boot.
    PowerLost {
        /// The node.
        node: NodeName,
    },
    /// A node was silent because it stood still: it returned with the same boot.
    Frozen {
        /// The node.
        node: NodeName,
        /// How long it stood still by its own clocks.
        pause: Span,
    },
    /// A node was silent because its networks were cut: it returned with the same boot, having
    /// run all the while.
    WasCutOff {
        /// The node.
        node: NodeName,
    },
    /// The agent of a node ended; the machine lives.
    AgentLost {
        /// The node.
        node: NodeName,
    },
    /// The guardian released a group at its deadline.
    LeaseRanOut {
        /// The node.
        node: NodeName,
    },
    /// A group that must share its node moved.
    Together {
        /// The group it follows.
        with: GroupName,
    },
    /// The configuration changed.
    Configuration {
        /// The version that did it.
        version: u64,
    },
}

/// A direction between a node and all others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// From the others to the node.
    #[default]
    ToIt,
    /// From the node to the others.
    FromIt,
}

impl Way {
    fn is_to_it(&self) -> bool {
        *self == Self::ToIt
    }
}

/// How something went wrong: one line for people, and what kind of thing it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct How {
    /// The line: `exit 3: no licence`.
    #[serde(rename = "how")]
    pub words: String,
    /// What kind of thing it was: decisions and messages go by this and never by the words.
    #[serde(default, skip_serializing_if = "Mishap::is_plain")]
    pub mishap: Mishap,
}

/// What kind of thing went wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Mishap {
    /// A signal ended it.
    Signal,
    /// It did not end within its limit, or did not say that it is ready.
    TooLate,
    /// It wrote more than anybody reads.
    Flooded,
    /// Somebody else on the network has the address.
    AddressInUse {
        /// The link-layer address of who has it.
        holder: String,
    },
    /// It was done, and what was wanted is not so: something is still there.
    StillThere,
    /// A resource agent's monitor answered that it cannot run here (5 or 6): taken as a failure
    /// like any other.
    TakenAsFailed {
        /// The exit code.
        code: i32,
    },
    /// A resource agent answered with a code that its contract does not have for this.
    Nonsense {
        /// The exit code.
        code: i32,
    },
    /// DRBD's resource of a volume could not be made primary, or secondary.
    Mirror {
        /// What keeps it from that.
        obstacle: Obstacle,
    },
    /// A volume that its storage keeps could not be taken, or was lost.
    Reservation {
        /// What keeps the node from it.
        obstacle: reservation::Obstacle,
    },
    /// It said no: nothing more is known than the words. What a later version names is this too.
    #[default]
    #[serde(other)]
    Plain,
}

impl How {
    /// What went wrong, and what kind of thing it was.
    #[must_use]
    pub fn of(mishap: Mishap, words: impl Into<String>) -> Self {
        Self { words: words.into(), mishap }
    }
}

impl Mishap {
    /// Whether a volume was lost that its storage kept for its owner: no write may follow.
    #[must_use]
    pub const fn is_lost_volume(&self) -> bool {
        matches!(self, Self::Reservation { obstacle: reservation::Obstacle::Lost })
    }

    fn is_plain(&self) -> bool {
        *self == Self::Plain
    }
}

impl From<&str> for How {
    fn from(words: &str) -> Self {
        Self::of(Mishap::Plain, words)
    }
}

impl From<String> for How {
    fn from(words: String) -> Self {
        Self::of(Mishap::Plain, words)
    }
}

impl std::fmt::Display for How {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.write_str(&self.words)
    }
}

/// What a cause is: wanted by somebody, the group's own failure, or a loss around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    /// Somebody or something wanted it: nothing had gone wrong.
    Wanted,
    /// The group failed by itself: it counts against its policy.
    OwnFailure,
    /// The machine, its networks or its agent were lost, which is no fault of the group.
    Loss,
}

impl Cause {
    /// What this cause is.
    #[must_use]
    pub const fn nature(&self) -> Nature {
        match self {
            Self::ProcessDied { .. }
            | Self::MonitorFailed { .. }
            | Self::StartFailed { .. }
            | Self::WatchedEnded { .. } => Nature::OwnFailure,
            Self::LinksDown { .. }
            | Self::NodeSilent { .. }
            | Self::OneWay { .. }
            | Self::PowerLost { .. }
            | Self::Frozen { .. }
            | Self::WasCutOff { .. }
            | Self::AgentLost { .. }
            | Self::LeaseRanOut { .. } => Nature::Loss,
            Self::ClusterStart
            | Self::Operator { .. }
            | Self::Drain { .. }
            | Self::Shutdown { .. }
            | Self::Failback { .. }
            | Self::Together { .. }
            | Self::Configuration { .. } => Nature::Wanted,
        }
    }

    /// Whether a person has ordered what this leads to: a machine that is shut down is; what the
    /// configuration wishes for a group that runs is not.
    #[must_use]
    pub const fn is_ordered(&self) -> bool {
        matches!(self.nature(), Nature::Wanted)
            && !matches!(self, Self::Failback { .. } | Self::Together { .. })
    }

    /// The node that had gone, as far as others could tell: not the one whose links were cut or
    /// whose program failed.
    #[must_use]
    pub const fn lost_node(&self) -> Option<&NodeName> {
        match self {
            Self::NodeSilent { node, .. }
            | Self::OneWay { node, .. }
            | Self::PowerLost { node }
            | Self::Frozen { node, .. }
            | Self::WasCutOff { node }
            | Self::AgentLost { node }
            | Self::LeaseRanOut { node } => Some(node),
            Self::ClusterStart
            | Self::Operator { .. }
            | Self::Drain { .. }
            | Self::Shutdown { .. }
            | Self::Failback { .. }
            | Self::ProcessDied { .. }
            | Self::MonitorFailed { .. }
            | Self::StartFailed { .. }
            | Self::WatchedEnded { .. }
            | Self::LinksDown { .. }
            | Self::Together { .. }
            | Self::Configuration { .. } => None,
        }
    }

    /// Its name, as the record and scripts have it.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::ClusterStart => "cluster-start",
            Self::Operator { .. } => "operator",
            Self::Drain { .. } => "drain",
            Self::Shutdown { .. } => "shutdown",
            Self::Failback { .. } => "failback",
            Self::ProcessDied { .. } => "process-died",
            Self::MonitorFailed { .. } => "monitor-failed",
            Self::StartFailed { .. } => "start-failed",
            Self::WatchedEnded { .. } => "watched-ended",
            Self::LinksDown { .. } => "links-down",
            Self::NodeSilent { .. } => "node-silent",
            Self::OneWay { .. } => "one-way",
            Self::PowerLost { .. } => "power-lost",
            Self::Frozen { .. } => "frozen",
            Self::WasCutOff { .. } => "was-cut-off",
            Self::AgentLost { .. } => "agent-lost",
            Self::LeaseRanOut { .. } => "lease-ran-out",
            Self::Together { .. } => "together",
            Self::Configuration { .. } => "configuration",
        }
    }

    /// The node that it happened on, or that it is about.
    #[must_use]
    pub const fn node(&self) -> Option<&NodeName> {
        match self {
            Self::Drain { node }
            | Self::Shutdown { node }
            | Self::ProcessDied { node, .. }
            | Self::MonitorFailed { node, .. }
            | Self::StartFailed { node, .. }
            | Self::WatchedEnded { node, .. }
            | Self::LinksDown { node, .. }
            | Self::NodeSilent { node, .. }
            | Self::OneWay { node, .. }
            | Self::PowerLost { node }
            | Self::Frozen { node, .. }
            | Self::WasCutOff { node }
            | Self::AgentLost { node }
            | Self::LeaseRanOut { node } => Some(node),
            Self::ClusterStart
            | Self::Operator { .. }
            | Self::Failback { .. }
            | Self::Together { .. }
            | Self::Configuration { .. } => None,
        }
    }
}

/// Why a node was not chosen. Ordered by precedence: the first that holds is the one named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "because", rename_all = "kebab-case")]
pub enum Rejected {
    /// R1 It is not in the group's list.
    NotListed,
    /// R2 It only votes.
    Witness,
    /// R3 It is not heard.
    Silent {
        /// For how long.
        silence: Span,
    },
    /// R4 It does not hear a majority itself.
    Isolated,
    /// R5 An operator has taken it out, or it shuts down.
    Drained,
    /// R6 It runs another configuration.
    OtherConfiguration,
    /// R7 The group failed there within the period of its policy.
    FailedThere {
        /// How long ago.
        ago: Span,
    },
    /// R8 None of the interfaces that the group needs carries there.
    NoLink {
        /// The interfaces.
        links: Vec<String>,
    },
    /// R9 A group that must be apart from this one is there.
    Apart {
        /// The group.
        from: GroupName,
    },
    /// R10 A group that must be together with this one is elsewhere and cannot move there.
    Together {
        /// The group.
        with: GroupName,
    },
    /// R11 It was a candidate; the chosen one stands before it.
    LessPreferred {
        /// The chosen node.
        than: NodeName,
        /// The figures, where the group chooses by them; records of before this was kept, and
        /// groups that choose by their order alone, have none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        compared: Option<Box<Compared>>,
    },
    /// R12 The group stays where it runs.
    StaysPut {
        /// Where it runs.
        on: NodeName,
        /// Its epoch there.
        epoch: Epoch,
    },
    /// R13 It is better, and the group goes there by itself when its timetable says so.
    NotYet {
        /// The next time.
        until: Wall,
    },
}
