//! What scripts are told of the run that they belong to: the contract of CLUSTERPRO's scripts, in
//! values. The words for them are the engine's.

use tsugi_vocabulary::NodeName;

use super::{Probe, Why};
use crate::mirror::Promotion;
use crate::reason::{Cause, Nature};
use crate::start_kind::{Ending, StartKind};

/// What a script is told (CL-03, CL-05).
///
/// Start scripts and monitors are told of the start; a stop script is told the start of the run
/// that it ends, and why it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// How the group started.
    pub kind: StartKind,
    /// START, FAILOVER or RECOVER.
    pub event: ScriptEvent,
    /// Whether the group's volumes came up.
    pub disk: Disk,
    /// Why it starts, or why it stops, in one word.
    pub reason: &'static str,
    /// How the run ended that this start follows, or that this stop is the end of.
    pub before: Before,
    /// On what terms mirrored volumes are made primary.
    pub promotion: Promotion,
}

/// How a run of a group ended, as far as what it may have left goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Before {
    /// In order.
    #[default]
    Orderly,
    /// It failed, had to be forced, or nobody saw its end.
    Unclean,
}

impl Before {
    /// Of the end of a group's last run.
    #[must_use]
    pub const fn of(ending: Ending) -> Self {
        match ending {
            Ending::Orderly => Self::Orderly,
            Ending::Forced | Ending::Failure | Ending::Unknown => Self::Unclean,
        }
    }
}

/// Why scripts run (CL-03).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScriptEvent {
    /// Cluster start, operator start, move, restart on the same node.
    Start,
    /// A failure elsewhere.
    Failover,
    /// A failed server has come back.
    Recover,
}

/// Whether the volumes of a group came up in this run (CL-05).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Disk {
    /// None of them has failed to.
    #[default]
    Success,
    /// The start of one has failed.
    Failure,
}

/// How a group is started under its epoch, as far as the record knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// What the start inherits.
    pub kind: StartKind,
    /// START or FAILOVER.
    pub event: ScriptEvent,
    /// The cause of the ownership in one word.
    pub reason: &'static str,
    /// Whether the network is asked before an address is taken.
    pub probe: Probe,
    /// How its last run ended.
    pub before: Before,
    /// On what terms mirrored volumes are made primary.
    pub promotion: Promotion,
}

impl Terms {
    /// What a script of such a run is told while nothing has failed.
    #[must_use]
    pub const fn told(&self) -> Told {
        let Self { kind, event, reason, before, promotion, .. } = *self;
        Told { kind, event, disk: Disk::Success, reason, before, promotion }
    }
}

impl ScriptEvent {
    /// Why a start on `here` is one: a failure elsewhere makes it a failover; what failed here and
    /// is started here again is an ordinary start. A start is never told as a return of a node:
    /// scripts skip their body then.
    #[must_use]
    pub fn of(cause: &Cause, here: &NodeName) -> Self {
        match (cause.nature(), cause.node()) {
            (Nature::Wanted, _) => Self::Start,
            (Nature::OwnFailure | Nature::Loss, Some(node)) if node == here => Self::Start,
            (Nature::OwnFailure | Nature::Loss, _) => Self::Failover,
        }
    }
}

impl Why {
    /// Why a run ends, in the word that scripts are told.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Ordered => "stop",
            Self::HandOver(_) => "move",
            Self::Failure(cause) => cause.word(),
            Self::Mend(_) => "restart",
            Self::Lapsed => "lease-ran-out",
            Self::Superseded => "superseded",
        }
    }
}
