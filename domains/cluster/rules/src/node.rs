//! One node of the cluster as a pure machine: an event in, orders out.
//!
//! Look, decide, record, act: events carry what was looked at, [`crate::planner`] decides on the
//! node that leads the ledger, orders of the kind [`Order::Propose`] record, and orders of the
//! kind [`Order::Do`] act, each only on what has come back as applied.

mod desks;
mod disk;
mod drills;
mod ending;
mod failures;
mod fencing;
mod ledgerwork;
mod machine;
mod notes;
mod peers;
mod rehearsals;
mod returning;
mod stretching;
mod suspects;
mod unheard;
mod uptake;
mod voters;
mod watches;

pub use machine::{Birth, Node, Taken, TakenOn};

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use tsugi_vocabulary::{
    BootId, Claims, Epoch, Generation, GroupName, Moment, NodeName, ResourceName, Span, Wall,
};

use crate::desk::{Act, Outcome};
use crate::drill::Depth;
use crate::drill::rehearsal::Showed;
use crate::figures::Figures;
use crate::lease::heartbeat::{Ack, Haste, Heartbeat};
use crate::lease::voter_list::VoterChange;
use crate::reason::How;
use crate::record::{Draft, FenceFault, Happening, LinkState, Record};
use crate::spec::{FenceDevice, GroupSpec};

/// What time it is, by both clocks of the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The lease clock: everything that keeps a promise.
    pub lease: Moment,
    /// The wall clock: records and people.
    pub wall: Wall,
}

/// What a node is told.
#[derive(Clone, Debug)]
pub enum Event {
    /// The moment it asked to be woken at has come, or something else woke it.
    Tick,
    /// A beat of another node arrived; authenticated, not a replay.
    Heard {
        /// The network it came by, to answer on the same.
        via: Via,
        /// The beat.
        beat: Arc<Heartbeat>,
    },
    /// A voter's answer arrived.
    Acked(Ack),
    /// What the disk that two nodes share shows after a writing of this node.
    Disk {
        /// The number of the writing.
        number: u64,
        /// What came of it.
        shows: Shows,
    },
    /// The ledger applied entries on this node: the record as it stands now.
    Applied(Arc<Record>),
    /// Who leads the ledger, as this node knows.
    Leader {
        /// The leader's term.
        term: u64,
        /// The leader.
        leader: Option<NodeName>,
    },
    /// What became of a proposal.
    Proposed {
        /// Its number.
        proposal: u64,
        /// Whether it was taken. If it was, `Applied` with it has come or will come.
        fate: Fate,
    },
    /// What became of an act.
    Done {
        /// The group.
        group: GroupName,
        /// The epoch it was done under.
        epoch: Epoch,
        /// Its number.
        act: u64,
        /// The outcome.
        outcome: Outcome,
    },
    /// A supervised program ended by itself.
    Died {
        /// The group.
        group: GroupName,
        /// Under which epoch it ran.
        epoch: Epoch,
        /// Which.
        resource: ResourceName,
        /// `exit 3`, `signal 9`.
        how: How,
    },
    /// Something to write down that was seen while an act was done; it decides nothing.
    Seen {
        /// The group.
        group: GroupName,
        /// The epoch it was done under.
        epoch: Epoch,
        /// What.
        what: Happening,
    },
    /// The guardian knows the deadline.
    Armed {
        /// The group.
        group: GroupName,
        /// The epoch.
        epoch: Epoch,
    },
    /// The guardian let go of a group at its deadline; nothing of it is left here.
    GuardianReleased {
        /// The group.
        group: GroupName,
        /// The epoch.
        epoch: Epoch,
    },
    /// The guardian died and was replaced; hands let go of every armed group.
    GuardianLost,
    /// An interface changed.
    Link {
        /// Which.
        link: String,
        /// How it stands now.
        state: LinkState,
    },
    /// What became of a fence: off is confirmed, or why it is not.
    Fenced {
        /// The node.
        node: NodeName,
        /// The life of it that the order named.
        boot: BootId,
        /// What came of it.
        outcome: Result<(), FenceFault>,
    },
    /// Every fence device was asked: the nodes that could not be switched off from here, and why.
    DevicesAsked(BTreeMap<NodeName, FenceFault>),
    /// A fence device was tested.
    DeviceTested {
        /// Whose it is.
        node: NodeName,
        /// What it said.
        says: Power,
        /// How long the run of its agent took.
        took: Span,
    },
    /// A fence device was asked for the state, as it was ordered.
    DeviceSaid {
        /// Whose it is.
        node: NodeName,
        /// What it said.
        says: Power,
    },
    /// Another node demands on the shared disk that this life of this node ends.
    EndDemanded(BootId),
    /// What this node has measured of itself, all that is asked for.
    Measured(Figures),
    /// What the rehearsal of this command came to here; everything of it is gone.
    Rehearsed {
        /// The command.
        command: String,
        /// What it came to.
        showed: Showed,
    },
    /// The wall clock stepped against the lease clock.
    ClockStepped {
        /// By how many milliseconds.
        by_ms: i64,
    },
    /// The machine shuts down, or the operator stops this node: hand everything over, then end.
    Leave,
}

/// What a fence device says of the machine that it switches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// It has power.
    On,
    /// It has none.
    Off,
    /// Nothing that means anything, or nothing in its time.
    Unknown,
}

/// What the shared disk shows after a writing of this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shows {
    /// The writing is durable, and this is what the other node claims; none if it never wrote.
    Claims(Option<Claims>),
    /// The writing or the reading after it failed. The writing may stand all the same.
    Nothing,
}

/// What became of a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is entry so-and-so.
    Taken(tsugi_vocabulary::Index),
    /// Something it was decided on had changed.
    Overtaken,
    /// No leader, or no answer: it may or may not be in the ledger.
    Unknown,
}

/// The network and address a datagram came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Via {
    /// The node's own network, by its place in the node's list of addresses.
    pub network: usize,
    /// The sender's address.
    pub from: SocketAddr,
}

/// What a node wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    /// Send this to every other voter over every network, now, to be read as soon as it says.
    Beat(Heartbeat, Haste),
    /// Write this on the disk that two nodes share, durably, and read what the other claims only
    /// then; answer with `Disk`. Nothing waits for it.
    AskDisk(Claims),
    /// Answer on the network that the beat came by.
    Answer {
        /// Where.
        via: Via,
        /// To whom.
        to: NodeName,
        /// What.
        ack: Ack,
    },
    /// Put this to the ledger; answer with `Proposed`.
    Propose {
        /// Its number.
        proposal: u64,
        /// What.
        draft: Draft,
    },
    /// Tell the guardian: let go of the group at `deadline` unless told a later one. The first
    /// for an epoch is answered with `Armed`.
    Arm {
        /// The group.
        group: GroupName,
        /// The epoch.
        epoch: Epoch,
        /// The start of the kill, by the lease clock.
        deadline: Moment,
    },
    /// Tell the guardian: this group is not yours to kill any more (released, or pinned).
    Disarm {
        /// The group.
        group: GroupName,
        /// The epoch.
        epoch: Epoch,
    },
    /// Do one thing with one resource; answer with `Done`.
    Do {
        /// The group.
        group: GroupName,
        /// The epoch it is done under.
        epoch: Epoch,
        /// Its number.
        act: u64,
        /// What.
        what: Act,
    },
    /// Have a node switched off; answer with `Fenced`.
    Fence {
        /// Which.
        node: NodeName,
        /// The life of it that is to end.
        boot: BootId,
        /// By what.
        device: Box<FenceDevice>,
    },
    /// Demand on the shared disk that this life of a node ends, in place of what was demanded of
    /// the node before; of none, that nothing is demanded of it any more. There is no answer.
    Demand {
        /// Of which node.
        node: NodeName,
        /// Which of its lives.
        life: Option<BootId>,
    },
    /// Ask a fence device for the state of its machine, once; answer with `DeviceSaid`. It does
    /// nothing to anybody.
    AskState {
        /// Whose it is.
        node: NodeName,
        /// The device.
        device: Box<FenceDevice>,
    },
    /// Show on a copy what this node could do; answer with `Rehearsed`.
    Rehearse {
        /// The command that ordered it.
        command: String,
        /// The group.
        group: GroupName,
        /// What is to be shown.
        depth: Depth,
        /// The epoch that programs of it are told: that of a takeover now.
        epoch: Epoch,
        /// For how long it may take.
        limit: Span,
        /// The group as it is configured.
        spec: Arc<GroupSpec>,
    },
    /// Kill programs of a group that runs here, as a failure would; there is no answer but what
    /// follows from it.
    KillProcess {
        /// The group.
        group: GroupName,
        /// Of this resource; every process of the group where none is named.
        resource: Option<ResourceName>,
    },
    /// This agent dies on the spot.
    KillAgent,
    /// End what is being shown at once: something else goes first. There is no answer.
    EndRehearsal,
    /// Have the ledger change who keeps it, if the list of voters is still that of `known` (L6);
    /// what comes of it shows in the record, and what is still due is ordered again.
    ChangeVoters {
        /// The one change.
        change: VoterChange,
        /// The list it was decided on.
        known: Generation,
    },
    /// Keep the longest TTL of any promise that may run durable before the next order (L4).
    KeepPromise(Span),
    /// Wake me at this moment at the latest; replaces the former wish.
    WakeAt(Moment),
    /// The last order after `Leave`: everything is handed over or stopped.
    Left,
    /// The last order after `EndDemanded`: this life ends, and another one begins.
    EndLife,
}

#[cfg(test)]
mod tests;
