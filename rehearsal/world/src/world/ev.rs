//! What happens in the false world, in order of time.

use std::sync::Arc;

use tsugi_cluster_rules::command::Issued;
use tsugi_cluster_rules::lease::heartbeat::{Ack, Haste, Heartbeat};
use tsugi_cluster_rules::lease::voter_list::VoterChange;
use tsugi_cluster_rules::node::Fate;
use tsugi_cluster_rules::record::{Draft, Record};
use tsugi_vocabulary::{Epoch, Generation, GroupName, NodeName};

use super::{Asked, acts, disk_ledger, fence, shared_disk};
use crate::disk::Ill;

/// An event of the world. `life` drops what belongs to a machine or an agent that is gone.
#[derive(Clone, Debug)]
pub(crate) enum Ev {
    Wake {
        n: usize,
        token: u64,
    },
    Beat {
        to: usize,
        from: usize,
        beat: Arc<Heartbeat>,
        haste: Haste,
    },
    Ack {
        to: usize,
        ack: Box<Ack>,
    },
    Applied {
        n: usize,
        record: Arc<Record>,
    },
    Leader {
        n: usize,
    },
    Propose {
        asked: Asked,
        boot: u64,
        number: u64,
        draft: Box<Draft>,
    },
    Fate {
        n: usize,
        boot: u64,
        number: u64,
        fate: Fate,
    },
    Act {
        n: usize,
        life: u64,
        job: Box<acts::SimJob>,
    },
    Armed {
        n: usize,
        boot: u64,
        group: GroupName,
        epoch: Epoch,
    },
    Fire {
        n: usize,
        life: u64,
        group: GroupName,
    },
    Fired {
        n: usize,
        life: u64,
        group: GroupName,
        epoch: Epoch,
    },
    /// A fence device has done what it does.
    Shot {
        n: usize,
        life: u64,
        shot: Box<fence::Shot>,
    },
    /// An agent tests the fence devices of the others.
    Devices {
        n: usize,
    },
    /// A fence device that was asked for the state answers.
    State {
        n: usize,
        boot: u64,
        node: NodeName,
    },
    /// The ledger changes its voters, if the one who ordered it still leads.
    Voters {
        n: usize,
        term: u64,
        change: Box<VoterChange>,
        known: Generation,
    },
    /// Something happens between a node and the disk that it shares.
    Disk {
        n: usize,
        boot: u64,
        step: shared_disk::Step,
    },
    /// What was put to a ledger on a disk goes on.
    Petition(Box<disk_ledger::Petition>),
    Fault(usize),
    Undo(Undo),
    Elect,
    CatchUp,
    /// An operator's command reaches the agent it was given to.
    Command(Box<Issued>),
    Call {
        group: usize,
    },
    Answer {
        group: usize,
        serial: u64,
        number: u64,
        n: usize,
        life: u64,
    },
}

/// The end of a fault.
#[derive(Clone, Debug)]
pub(crate) enum Undo {
    PowerOn(usize),
    Thaw(usize),
    Reconnect(usize),
    Hear(usize, usize),
    GoodWire,
    AgentBack(usize),
    Start(usize),
    Undrain(usize),
    Resume(usize),
    LinksBack(usize),
    Remove { n: usize, for_ms: u64, tries: u8 },
    Rejoin(usize),
    Follow(usize),
    DiskRecovers(usize, Ill),
    DiskQuick,
    PowerFails(usize, u64),
}

/// The machine that an event happens on.
pub(crate) fn concerned(ev: &Ev) -> Option<usize> {
    match ev {
        Ev::Wake { n, .. }
        | Ev::Applied { n, .. }
        | Ev::Leader { n }
        | Ev::Fate { n, .. }
        | Ev::Act { n, .. }
        | Ev::Armed { n, .. }
        | Ev::Fire { n, .. }
        | Ev::Fired { n, .. }
        | Ev::Shot { n, .. }
        | Ev::Devices { n }
        | Ev::State { n, .. } => Some(*n),
        Ev::Beat { to, .. } | Ev::Ack { to, .. } => Some(*to),
        Ev::Disk { n, step, .. } => match step {
            // These happen at the disk.
            shared_disk::Step::Lands { .. }
            | shared_disk::Step::LandsLate { .. }
            | shared_disk::Step::Reads { .. } => None,
            shared_disk::Step::Writes { .. }
            | shared_disk::Step::Wrote { .. }
            | shared_disk::Step::WriteFailed { .. }
            | shared_disk::Step::Read { .. }
            | shared_disk::Step::Demands { .. }
            | shared_disk::Step::Looks => Some(*n),
        },
        Ev::Propose { .. }
        | Ev::Petition(_)
        | Ev::Voters { .. }
        | Ev::Fault(_)
        | Ev::Undo(_)
        | Ev::Elect
        | Ev::CatchUp
        | Ev::Command(_)
        | Ev::Call { .. }
        | Ev::Answer { .. } => None,
    }
}
