//! What nodes tell each other at every beat (L2).

use serde::{Deserialize, Serialize};
use tsugi_vocabulary::{BootId, Epoch, Generation, GroupName, Index, Moment, NodeName, Span};

use std::collections::BTreeMap;

use crate::figures::Figures;
use crate::plan::DeskSight;
use crate::record::LinkState;

/// A node's beat, to every voter: over every network, or over each in turn if it only renews what
/// is known. Sender, boot, sequence and the cluster are also in the authenticated header of the
/// datagram.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// Who.
    pub sender: NodeName,
    /// Which life of it.
    pub boot: BootId,
    /// Rises with every beat of this boot; the copies over several networks share it.
    pub sequence: u64,
    /// The list of voters it knows (L3, L6).
    pub membership: Generation,
    /// The newest epoch incarnation and entry it has applied.
    pub applied: Index,
    /// Its lease clock before the first copy left (L3). Only the sender reads it back.
    pub sent: Moment,
    /// The TTL it asks for.
    pub ttl: Span,
    /// The groups it asks a promise for.
    pub asked: Vec<(GroupName, Epoch)>,
    /// The groups it has let go, until the ledger shows it (L5).
    pub released: Vec<(GroupName, Epoch)>,
    /// What it says of itself.
    pub health: Health,
}

/// How soon a beat or an answer is to be read. Reading is a wake of the reader, and most of what an
/// idle node costs is waking up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Haste {
    /// With the reader's own next beat: it renews what is known.
    Waits,
    /// At once: something is new, or somebody waits for the answer.
    Now,
}

/// What a node says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Whether it has heard a majority within its TTL.
    pub hearing: Hearing,
    /// First eight bytes of the hash of the configuration it runs.
    pub config: u64,
    /// One life of the machine, longer than that of the agent: tells a restarted agent from a
    /// machine that lost power.
    pub machine: BootId,
    /// The longest time that it stood still lately, by its own lease clock; zero if it did not.
    pub stood_still: Span,
    /// If it had no majority lately: the longest time since in which it heard no other node. Tells
    /// a node that nobody heard from one that was cut off; not said by versions before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deaf_lately: Option<Span>,
    /// Its interfaces that are down.
    pub links: BTreeMap<String, LinkState>,
    /// Its desks that are not clear.
    pub groups: BTreeMap<GroupName, DeskSight>,
    /// Whom it takes for the ledger's leader, and that leader's term; itself if it leads.
    pub leader: Option<(NodeName, u64)>,
    /// What it has measured of itself that some group asks for.
    #[serde(default, skip_serializing_if = "Figures::is_none")]
    pub figures: Figures,
    /// By what its time-outs are multiplied: 1 if they are not. Not said by versions that know of
    /// no stretch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ratio: Option<u32>,
    /// What settings its version understands, see [`crate::spec::SETTINGS`]; zero of versions that
    /// do not say.
    #[serde(default, skip_serializing_if = "is_unsaid")]
    pub settings: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_unsaid(settings: &u32) -> bool {
    *settings == 0
}

/// Whether a node hears a majority of the voters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hearing {
    /// It does.
    #[default]
    Majority,
    /// It has not for a whole TTL.
    Minority,
}

/// A voter's answer to one beat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// Who answers.
    pub voter: NodeName,
    /// Which life of it.
    pub voter_boot: BootId,
    /// The boot of the beat.
    pub boot: BootId,
    /// The sequence of the beat.
    pub sequence: u64,
    /// The TTL of the promise: that of the beat, at most the cap.
    pub ttl: Span,
    /// The last ledger entry the voter has applied.
    pub applied: Index,
    /// The list of voters it knows.
    pub membership: Generation,
    /// The asked groups it makes no promise for.
    pub refused: Vec<(GroupName, NoPromise)>,
}

/// Why a voter makes no promise for a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "no", rename_all = "kebab-case")]
pub enum NoPromise {
    /// It has just started and may have promised before (L4).
    JustStarted {
        /// How long it will go on saying so.
        rest: Span,
    },
    /// Its promise to another node still runs (L1).
    Promised {
        /// To whom.
        to: NodeName,
        /// How long it runs.
        rest: Span,
    },
    /// The ledger as it has applied it names another owner or a newer epoch (L1).
    NotOwner {
        /// The epoch it knows.
        epoch: Epoch,
    },
    /// The group is pinned to another node (L9).
    Pinned {
        /// The node.
        node: NodeName,
    },
    /// The asker said that it has released this epoch (L5).
    Released,
    /// The asker's boot was fenced (L7).
    Fenced,
    /// The asker knows another list of voters (L6).
    OtherMembership,
}
