//! What the agent tells the guardian and what the guardian tells the agent.

use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tsugi_vocabulary::{Epoch, GroupName, Moment, Span};

/// The name of the guardian's socket in the run directory.
pub const SOCKET: &str = "guardian.sock";
/// The most addresses of one group.
pub const ADDRESSES_MOST: usize = 8;
/// The most volumes of one group.
pub const VOLUMES_MOST: usize = 4;
/// The longest path of a volume in bytes.
pub const PATH_LONGEST: usize = 120;
/// The most groups that one guardian guards.
pub const GROUPS_MOST: usize = 512;
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

/// A group to guard, and what there is to take from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arm {
    /// The group; its processes are those that the hands started for it.
    pub group: GroupName,
    /// Its epoch.
    pub epoch: Epoch,
    /// When the release starts.
    pub deadline: Moment,
    /// How long the release may take before the fence does it (S of L3).
    pub allowed: Span,
    /// Its addresses, removed from whatever link has them.
    pub addresses: Vec<IpAddr>,
    /// Its volumes.
    pub volumes: Vec<Volume>,
}

/// A volume to take from a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Where it is mounted.
    pub dir: PathBuf,
    /// What is there.
    pub kind: VolumeKind,
}

/// What a volume is, as far as releasing it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum VolumeKind {
    /// A file system of its own: shut down, then unmounted.
    FileSystem,
    /// A directory: only the processes are killed and a binding is undone; the file system it
    /// is on belongs to others.
    Directory,
    /// What a resource agent has made, an address or a mount, wherever it is: nothing here takes
    /// it away, so the release of its group ends the machine.
    BeyondReach,
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

/// Whether a release left something behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Release {
    /// Nothing of the group is left here.
    Complete,
    /// Something is left and a fence was asked for.
    Incomplete,
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
    /// The deadline has passed.
    TooLate,
    /// The order names more addresses, volumes or longer paths than one group may have.
    TooMuch,
    /// There are [`GROUPS_MOST`] groups already.
    Full,
}
