//! What the agent tells the guardian and what the guardian tells the agent.

use serde::{Deserialize, Serialize};
use tsugi_vocabulary::{Epoch, GroupName, Moment, Span};

pub use super::environment::SOCKET;
pub use super::guarded::{
    ADDRESSES_MOST, Arm, GROUPS_MOST, PATH_LONGEST, Release, VOLUMES_MOST, Volume, VolumeKind,
};

/// The most extensions in one order.
pub const EXTENSIONS_MOST: usize = 64;

/// What the agent tells the guardian.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// Guard a group from now on; before anything of it starts. Answered by [`Notice::Armed`].
    /// Arming an armed group again with a higher epoch replaces what is released.
    Arm(Arm),
    /// The deadlines of groups have moved. Not answered; one of an epoch that is not armed is
    /// answered by [`Notice::Refused`]. A deadline never moves back by an extension.
    Extend(Vec<Extension>),
    /// The group is verified stopped, or pinned by a pause. Answered by [`Notice::Disarmed`].
    Disarm {
        /// The group.
        group: GroupName,
        /// Its epoch.
        epoch: Epoch,
    },
    /// What is armed? Answered by one [`Notice::Armed`] a group and then [`Notice::ThatIsAll`].
    Recall,
    /// The memory that comes with this order is a sheet: the guardian reads from it where deadlines
    /// have moved, before one passes that it knows of and before every other order. Answered by
    /// [`Notice::SheetTaken`]; what stands there of an epoch that is not armed is passed over. The
    /// sheet is read as long as this connection stands, which brings no other notice.
    Sheet,
}

/// A deadline that moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    /// The group.
    pub group: GroupName,
    /// The epoch it is armed for.
    pub epoch: Epoch,
    /// The new deadline.
    pub deadline: Moment,
}

/// What the guardian tells the agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Notice {
    /// The group is guarded: something of it may start now.
    Armed {
        /// The group.
        group: GroupName,
        /// Its epoch.
        epoch: Epoch,
        /// Its deadline.
        deadline: Moment,
    },
    /// The group is not guarded any more.
    Disarmed {
        /// The group.
        group: GroupName,
        /// Its epoch.
        epoch: Epoch,
    },
    /// The deadline passed and the group was released. Repeated to an agent that connects
    /// later, until that agent arms the group anew.
    Released {
        /// The group.
        group: GroupName,
        /// Its epoch.
        epoch: Epoch,
        /// Whether anything is left.
        release: Release,
        /// How late it began.
        late: Span,
        /// How long it took.
        took: Span,
    },
    /// The order could not be carried out; what was armed before still is.
    Refused {
        /// The group.
        group: GroupName,
        /// The epoch of the order.
        epoch: Epoch,
        /// Why.
        why: Refused,
    },
    /// The end of the answer to [`Order::Recall`].
    ThatIsAll,
    /// The sheet is read from now on.
    SheetTaken,
}

/// Why the guardian refuses an order, in the order in which it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refused {
    /// The group is armed for, or was released under, a newer epoch.
    OldEpoch,
    /// The group was released under this very epoch: it is final.
    AlreadyReleased,
    /// The group is not armed for this epoch.
    NotArmed,
    /// The deadline has passed, or the group is still being taken away under an older epoch.
    TooLate,
    /// The order names more addresses, volumes or longer paths than one group may have.
    TooMuch,
    /// There are [`GROUPS_MOST`] groups already.
    Full,
}
