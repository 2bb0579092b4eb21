//! What a group needs: the answer of the first pass that has one.

use tsugi_vocabulary::NodeName;

use crate::plan::{Resting, Waiting};
use crate::reason::Cause;
use crate::record::Failure;
use crate::start_kind::Ending;

/// What a group needs.
#[derive(Clone, Debug)]
pub(super) enum Need {
    /// Nothing: it is stopped and stays so.
    Rest(Resting),
    /// It waits for what the plan may not decide.
    Wait(Waiting),
    /// Nothing: it is pinned to its owner, which lives.
    Hold {
        /// The owner.
        node: NodeName,
    },
    /// Its owner is to stop it.
    Stop {
        /// The owner.
        from: NodeName,
        /// Why.
        cause: Cause,
    },
    /// It is to stay stopped and its former owner has nothing of it any more.
    LetGo {
        /// How it ended.
        ended: Ending,
        /// Why it stays stopped.
        because: Resting,
    },
    /// It failed too often.
    GiveUp(Failure),
    /// Its owner is handing it over.
    UnderWay {
        /// The owner.
        from: NodeName,
        /// Where it goes.
        to: NodeName,
        /// Why.
        cause: Cause,
    },
    /// Its owner lives and is to hand it over to whoever can take it.
    Leave {
        /// The owner.
        from: NodeName,
        /// Why.
        cause: Cause,
    },
    /// It needs an owner under a new epoch.
    Place(Place),
    /// What it would need, which is only told.
    Observed(super::observe::Observed),
    /// Nothing: its owner is fine.
    Stay {
        /// The owner.
        node: NodeName,
    },
}

/// How a group that needs an owner comes to need one.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Why.
    pub cause: Cause,
    /// How its last run ended.
    pub ended: Ending,
    /// The node that takes it if it can, whatever the order: it restarts in place.
    pub home: Option<NodeName>,
    /// The failure that is counted with this decision.
    pub failure: Option<Failure>,
    /// What became of the former owner.
    pub former: Former,
}

/// What became of the former owner of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Former {
    /// There is none in the record.
    None,
    /// It is lost: it may come back with the group.
    Lost(NodeName),
    /// It has let go of the group, verified.
    Released,
}
