//! What the ledger is told of beats and answers, so that it need not ask for itself.
//!
//! A beat of the ledger's leader says that it leads. A beat of another voter says whom that one
//! follows, and its answer to a beat of this node says when it was heard last. A voter that is
//! not heard over every network is not passed on: the ledger's own connection to it may have died
//! with the network, and only the ledger's use of it finds that out.

use std::collections::{BTreeMap, VecDeque};

use tsugi_cluster_rules::lease::heartbeat::{Ack, Heartbeat};
use tsugi_ledger::disk::DiskLedger;
use tsugi_ledger::{Following, Ledger, RaftLedger, VoterId};
use tsugi_vocabulary::{Moment, NodeName, Span};

/// Answers to older beats than this are of no use to anybody.
const REMEMBERED: usize = 16;
/// A ledger that needs no ear has nothing to look at.
const NEVER: Span = Span::secs(3600);

/// How a voter was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Over every network that it shares with this node.
    Whole,
    /// Not over every network lately.
    InPart,
}

/// The ledger's ear for datagrams.
pub struct Ear {
    me: NodeName,
    /// None where the ledger is on a disk, which needs no ear.
    ledger: Option<RaftLedger>,
    /// The ledger on a disk: of all that is heard it has to know how long leases run.
    disk: Option<DiskLedger>,
    sent: VecDeque<(u64, Moment)>,
    /// The terms in which others said that they follow this node.
    followers: BTreeMap<NodeName, u64>,
}

impl Ear {
    /// An ear that has heard nobody.
    #[must_use]
    pub fn new(me: NodeName, ledger: impl Into<Option<RaftLedger>>) -> Self {
        let (sent, followers) = (VecDeque::new(), BTreeMap::new());
        Self { me, ledger: ledger.into(), disk: None, sent, followers }
    }

    /// The same where the ledger is on a disk.
    #[must_use]
    pub fn of_disk(me: NodeName, ledger: DiskLedger) -> Self {
        Self { disk: Some(ledger), ..Self::new(me, None) }
    }

    fn tell(&self, what: impl FnOnce(&RaftLedger)) {
        if let Some(ledger) = &self.ledger {
            what(ledger);
        }
    }

    fn voter(&self, node: &NodeName) -> Option<VoterId> {
        self.ledger.as_ref()?.view().voters.of(node)
    }

    /// How long until the ledger has something to do by itself, as far as it has heard.
    #[must_use]
    pub fn due_in(&self) -> Span {
        self.ledger.as_ref().map_or(NEVER, RaftLedger::due_in)
    }

    /// Leases run for so long now, and the ledger waits for its leader accordingly (CL-35).
    pub fn leases_run_for(&self, ttl: Span) {
        self.tell(|ledger| ledger.leases_run_for(ttl));
        if let Some(disk) = &self.disk {
            disk.leases_run_for(ttl);
        }
    }

    /// Has the ledger look at what is due.
    pub fn look(&self) {
        self.tell(RaftLedger::look);
    }

    /// A beat of this node leaves.
    pub fn sent(&mut self, beat: &Heartbeat) {
        self.sent.push_back((beat.sequence, beat.sent));
        if self.sent.len() > REMEMBERED {
            self.sent.pop_front();
        }
    }

    /// A beat came.
    pub fn heard(&mut self, beat: &Heartbeat) {
        let following = beat.health.leader.as_ref().filter(|(leader, _)| *leader == self.me);
        match following {
            Some((_, term)) => {
                if let Some(known) = self.followers.get_mut(&beat.sender) {
                    *known = *term;
                } else {
                    self.followers.insert(beat.sender.clone(), *term);
                }
            }
            None => drop(self.followers.remove(&beat.sender)),
        }
        // Heartbeats carry who leads the ledger, so its own are not needed to notice a loss.
        if let Some((leader, term)) = &beat.health.leader
            && *leader == beat.sender
            && let Some(id) = self.voter(leader)
        {
            self.tell(|ledger| ledger.heard_leader(id, *term));
        }
    }

    /// An answer to a beat of this node came.
    pub fn answered(&self, ack: &Ack, now: Moment, heard: Heard) {
        let Some(term) = self.followers.get(&ack.voter).copied() else { return };
        let of_it = |(sequence, _): &&(u64, Moment)| *sequence == ack.sequence;
        let Some((_, sent)) = self.sent.iter().rev().find(of_it) else { return };
        if heard == Heard::Whole
            && let Some(id) = self.voter(&ack.voter)
        {
            let says = Following { term, applied: ack.applied, ago: now.since(*sent) };
            self.tell(|ledger| ledger.heard_follower(id, says));
        }
    }
}
