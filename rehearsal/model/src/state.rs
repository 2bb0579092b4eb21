//! The model's state, and the properties that every state must have.

use std::collections::BTreeSet;
use std::sync::Arc;

use tsugi_cluster_rules::lease::disk_vote::DiskVote;
use tsugi_cluster_rules::lease::heartbeat::{Ack, Health, Heartbeat, NoPromise};
use tsugi_cluster_rules::lease::holder::Holder;
use tsugi_cluster_rules::lease::voter::Voter;
use tsugi_cluster_rules::mutant::plant;
use tsugi_cluster_rules::record::Record;
use tsugi_vocabulary::{BootId, Claims, Epoch, Generation, Index, Moment};

use crate::acts::Action;
use crate::ground::{
    CLOCKS, Entry, NODES, Place, TTL, TTL_AT_MOST, boot, clock, group, name, record,
};
use crate::scenes::Scene;

/// A scene with one rule taken away; the empty name takes none away.
#[derive(Clone, Debug)]
pub struct Model {
    /// What may happen.
    pub scene: Scene,
    /// The fault that is planted, in what ships or in the model around it.
    pub without: &'static str,
}

/// Everything at one instant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// Steps of true time.
    pub at: u8,
    /// How far each clock is off, in parts per million.
    pub rates: [i32; NODES],
    /// How many entries of the scene's script are committed.
    pub committed: usize,
    /// The nodes.
    pub nodes: [Agent; NODES],
    /// What is on its way, or was: a letter may be lost, late, or come twice.
    pub wire: BTreeSet<Letter>,
    /// The shared disk: what each node has claimed there, whole.
    pub disk: [Option<Claims>; NODES],
    /// The newest epoch that a run has begun under, and by whom.
    pub newest: (u64, Place),
    /// Whether a run has begun under an epoch older than one before it.
    pub went_back: Backwards,
    /// When a majority of the present voters had applied the present list.
    pub settled: Option<u8>,
    /// When the last list of voters was committed.
    pub listed: Option<u8>,
}

/// Whether epochs have gone backwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Backwards {
    /// They have.
    Yes,
    /// They have not.
    No,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Agent {
    /// Which life of it this is; none while it is off.
    pub life: Life,
    /// How many entries it has applied.
    pub applied: usize,
    /// Its asking side, as it ships.
    pub holder: Holder,
    /// Its promising side, as it ships.
    pub voter: Voter,
    /// Its side of the disk's vote, as it ships.
    pub disk: DiskVote,
    /// How far it is with its question to the disk.
    pub asking: Asking,
    /// A writing of a former life that the disk may still take.
    pub late: Option<Claims>,
    /// What it runs.
    pub run: Option<Run>,
    /// The epoch of which nothing is left here, verified.
    pub over: Option<u64>,
    /// The epoch whose deadline has passed here, and when it was first seen to have.
    pub lapsed: Option<(Epoch, u8)>,
    /// Its guardian.
    pub guardian: Guardian,
    /// How many beats it may still send.
    pub beats: u8,
    /// When it sent the last.
    pub beat_at: Option<u8>,
}

/// How far a node is with its question to the disk.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Asking {
    /// It has none.
    Nothing,
    /// This is to be written. Planted only: what it read before.
    Writes(Claims, Option<Claims>),
    /// The writing of this number is durable; what the other claims is to be read.
    Reads(u64, Option<Claims>),
}

/// Whether a node is up, and for the how manieth time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Life {
    /// Up.
    Up(u8),
    /// Its power is off; this was its last life.
    Off(u8),
}

/// A run of the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Run {
    /// Under which epoch.
    pub epoch: u64,
    /// When the guardian is done with it, by the node's clock: deadline, guard and stop budget.
    pub until: Moment,
}

/// What a guardian is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Guardian {
    /// Kill at the deadline.
    Armed,
    /// Leave the group alone: it is pinned (L9).
    Disarmed,
    /// Armed again, with a fresh lease, under a pin that is to end.
    Rearmed,
}

/// Something on the wire.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Letter {
    /// When it left.
    pub left: u8,
    /// From whom.
    pub from: Place,
    /// To whom.
    pub to: Place,
    /// What it says.
    pub says: Says,
}

/// What a letter says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Says {
    /// A beat.
    Beat {
        life: BootId,
        sequence: u64,
        list: Generation,
        sent: Moment,
        asked: Option<Epoch>,
        released: Option<Epoch>,
    },
    /// An answer.
    Ack { life: BootId, sequence: u64, applied: Index, list: Generation, yes: Answer },
}

/// Whether a voter promised the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Answer {
    /// It did.
    Yes,
    /// It did not.
    No,
}

impl Model {
    /// Whether the fault `name` is planted.
    pub fn is_without(&self, name: &str) -> bool {
        self.without == name
    }

    /// The entries of the ledger that are committed.
    pub fn ledger(&self, state: &State) -> &[Entry] {
        &self.scene.script[..state.committed]
    }

    /// The record as a node has applied it.
    pub fn record(&self, state: &State, place: Place) -> Arc<Record> {
        record(&self.scene.script[..state.nodes[place].applied])
    }

    fn start(&self, rates: [i32; NODES]) -> State {
        let nodes = [0, 1, 2].map(|place| Agent {
            life: Life::Up(1),
            applied: self.scene.known,
            holder: Holder::new(name(place).clone(), boot(place, 1)).with_clocks(CLOCKS),
            voter: Voter::new(name(place).clone(), boot(place, 1), clock(0, 0), None),
            disk: DiskVote::new(name(place).clone(), boot(place, 1), None),
            asking: Asking::Nothing,
            late: None,
            run: None,
            over: None,
            lapsed: None,
            guardian: Guardian::Armed,
            beats: self.scene.beats[place],
            beat_at: None,
        });
        State {
            at: 0,
            rates,
            committed: self.scene.known,
            nodes,
            wire: BTreeSet::new(),
            disk: [None, None, None],
            newest: (0, 0),
            went_back: Backwards::No,
            settled: None,
            listed: None,
        }
    }
}

impl State {
    /// What a node's clock shows.
    pub fn clock(&self, place: Place) -> Moment {
        clock(self.at, self.rates[place])
    }

    fn running(&self) -> usize {
        self.nodes.iter().filter(|n| n.run.is_some()).count()
    }

    /// A promise that stands long after its holder's deadline: nobody else could take over.
    fn promise_outlives(&self, delay: u8) -> bool {
        self.nodes.iter().enumerate().any(|(place, voter)| {
            let Some(promise) = voter.voter.promise_of(group(), self.clock(place)) else {
                return false;
            };
            self.nodes.iter().enumerate().any(|(holder, node)| {
                *name(holder) == promise.to
                    && node.lapsed.is_some_and(|(epoch, at)| {
                        epoch == promise.epoch() && self.at > at + delay + TTL_AT_MOST
                    })
            })
        })
    }
}

impl Letter {
    /// A beat as the wire carries it.
    pub fn beat(left: u8, (from, to): (Place, Place), beat: &Heartbeat) -> Self {
        let says = Says::Beat {
            life: beat.boot,
            sequence: beat.sequence,
            list: beat.membership,
            sent: beat.sent,
            asked: beat.asked.first().map(|(_, e)| *e),
            released: beat.released.first().map(|(_, e)| *e),
        };
        Self { left, from, to, says }
    }

    /// An answer as the wire carries it.
    pub fn ack(left: u8, (from, to): (Place, Place), ack: &Ack) -> Self {
        let says = Says::Ack {
            life: ack.boot,
            sequence: ack.sequence,
            applied: ack.applied,
            list: ack.membership,
            yes: if ack.refused.is_empty() { Answer::Yes } else { Answer::No },
        };
        Self { left, from, to, says }
    }
}

/// The beat that a letter carries.
pub fn beat_of(from: Place, says: &Says) -> Option<Heartbeat> {
    let Says::Beat { life, sequence, list, sent, asked, released } = says else { return None };
    let named = |e: &Option<Epoch>| e.iter().map(|e| (group().clone(), *e)).collect();
    Some(Heartbeat {
        sender: name(from).clone(),
        boot: *life,
        sequence: *sequence,
        membership: *list,
        applied: Index(0),
        sent: *sent,
        ttl: TTL,
        asked: named(asked),
        released: named(released),
        health: Health::default(),
    })
}

/// The answer that a letter carries.
pub fn ack_of(from: Place, says: &Says) -> Option<Ack> {
    let Says::Ack { life, sequence, applied, list, yes } = says else { return None };
    let refused = match yes {
        Answer::Yes => Vec::new(),
        Answer::No => vec![(group().clone(), NoPromise::Released)],
    };
    Some(Ack {
        voter: name(from).clone(),
        voter_boot: boot(from, 1),
        boot: *life,
        sequence: *sequence,
        ttl: TTL,
        applied: *applied,
        membership: *list,
        refused,
    })
}

impl stateright::Model for Model {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        self.scene.rates.iter().map(|rates| self.start(*rates)).collect()
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        plant(self.without);
        self.possible(state, actions);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        plant(self.without);
        let mut state = last.clone();
        self.carry_out(&mut state, action);
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<stateright::Property<Self>> {
        use stateright::Property;
        vec![
            Property::always("one runner", |_: &Self, s: &State| s.running() <= 1),
            Property::always("epochs rise", |_: &Self, s: &State| s.went_back == Backwards::No),
            Property::always("promises end", |m: &Self, s: &State| {
                !s.promise_outlives(m.scene.delay)
            }),
            Property::sometimes("it runs", |_: &Self, s: &State| s.newest.0 == 1),
            Property::sometimes("it is taken over", |_: &Self, s: &State| s.newest.0 == 2),
        ]
    }
}
