//! The loop: wait, look, step, act.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tsugi_cluster_rules::lease::voter_list::VoterChange;
use tsugi_cluster_rules::node::{Event, Node, Now};
use tsugi_cluster_rules::record::{Draft, LinkState};
use tsugi_host::Host;
use tsugi_host::clock;
use tsugi_host::clock_step::StepWatch;
use tsugi_host::guardian::Guardian;
use tsugi_host::hands::Hands;
use tsugi_host::link::Watcher;
use tsugi_host::request::Request;
use tsugi_ledger::disk::Claimant;
use tsugi_vocabulary::{BootId, Generation, Moment, NodeName, Span};

use super::guard::Armory;
use super::mailbox::Mailbox;
use super::pulse::Pulse;
use super::rate::ClockRate;
use super::ready::{Ready, Source, Wakes};
use super::stops::Stops;
use super::taken_on::Notebook;
use crate::agent::{Ear, Founding};
use crate::datagrams::Networks;
use crate::errand::Errands;
use crate::fence::{Came, Fenced, Fences};
use crate::figures::Meter;
use crate::mirror::keeper::Keeper;
use crate::rehearsal::{Rehearsals, Rehearsed};
use crate::standing::Standing;

mod carry;
mod look;
mod picture;

/// A draft on its way to the ledger.
#[derive(Debug)]
pub struct Proposal {
    /// The rules' number for it.
    pub number: u64,
    /// What.
    pub draft: Draft,
}

/// What a core is made of.
pub struct CoreParts {
    /// The rules of this node.
    pub node: Node,
    /// Its networks.
    pub networks: Networks,
    /// Its hands.
    pub hands: Hands,
    /// Where its guardian listens.
    pub run_dir: PathBuf,
    /// The file that keeps the longest promise (L4).
    pub promise_file: PathBuf,
    /// As what it has taken its groups on.
    pub notebook: Notebook,
    /// Its errands.
    pub errands: Errands,
    /// The fence devices of the other nodes.
    pub fences: Fences,
    /// What it sees to at mirrored volumes.
    pub keeper: Keeper,
    /// What it measures of itself.
    pub meter: Meter,
    /// What this node shows beside a running group.
    pub rehearsals: Rehearsals,
    /// Its mailbox.
    pub mailbox: Mailbox,
    /// Where drafts go.
    pub proposals: mpsc::UnboundedSender<Proposal>,
    /// Where changes of the voters go.
    pub voter_changes: mpsc::UnboundedSender<(VoterChange, Generation)>,
    /// Where it goes whose end is demanded, if the ledger is on a disk that two nodes share.
    pub demands: mpsc::UnboundedSender<(NodeName, Option<BootId>)>,
    /// The ledger's ear for beats and answers.
    pub ear: Ear,
    /// Where claims go, if the ledger is on a disk that two nodes share.
    pub claimant: Option<Claimant>,
    /// Where pictures of the core go.
    pub standing: watch::Sender<Arc<Standing>>,
    /// Where the voters are until the record says it.
    pub founding: Founding,
    /// The links of this machine.
    pub links: Watcher,
}

/// The core of an agent.
pub struct Core {
    parts: CoreParts,
    wakes: Wakes,
    guardian: Option<Guardian>,
    guardian_retry: Moment,
    armory: Armory,
    clock_steps: StepWatch,
    clock_rate: ClockRate,
    wake: Moment,
    shown: Moment,
    links_due: Moment,
    /// When what runs have left is looked for next.
    tidy_due: Moment,
    /// The links that are asked for their carrier at every beat.
    in_use: BTreeSet<String>,
    /// When everything is looked at, ready or not.
    all_due: Moment,
    /// When something of the ledger is due, as of the last wait, and when it was last told so.
    ledger_due: Moment,
    ledger_told: Moment,
    told: Moment,
    ended: Option<Ended>,
    self_fence: &'static str,
    stops: Stops,
    lost_logs: BTreeSet<String>,
}

/// How a core ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Everything was handed over or stopped.
    Left,
    /// Another agent takes over; the groups go on, unless the end of this life was demanded.
    SteppedAside,
    /// This node was taken out of the cluster.
    Removed,
    /// The hands are gone: the node is ending.
    NoHands,
    /// A promise could not be made durable (L4): the node must not answer any more.
    CannotWrite,
}

/// A jump of the wall clock that is worth a word.
const CLOCK_STEP: Span = Span::millis(500);
/// How long the ledger may take to look at what is due before it is told again.
const LEDGER_LOOKS: Span = Span::millis(5);

impl Core {
    /// A core that has not looked yet.
    ///
    /// # Errors
    /// The system has no descriptor left.
    pub fn new(parts: CoreParts) -> io::Result<Self> {
        let now = clock::now();
        let wakes = Wakes::new()?;
        for (network, fd) in parts.networks.fds().enumerate() {
            wakes.watch(Source::Network(network), fd)?;
        }
        wakes.watch(Source::Mailbox, parts.mailbox.fd())?;
        wakes.watch(Source::Hands, parts.hands.as_fd())?;
        wakes.watch(Source::Links, parts.links.as_fd())?;
        Ok(Self {
            parts,
            wakes,
            guardian: None,
            guardian_retry: now,
            armory: Armory::default(),
            clock_steps: StepWatch::new(CLOCK_STEP, now, clock::wall()),
            clock_rate: ClockRate::begin(),
            wake: now,
            shown: Moment(0),
            links_due: now,
            tidy_due: now,
            in_use: BTreeSet::new(),
            all_due: now,
            ledger_due: now,
            ledger_told: Moment(0),
            told: Moment(0),
            ended: None,
            self_fence: "",
            stops: Stops::default(),
            lost_logs: BTreeSet::new(),
        })
    }

    /// Runs until the node leaves or is replaced.
    pub fn run(&mut self) -> Ended {
        let _unwatched = self.parts.hands.ask(&Request::Watch);
        // What the hands can do here comes with the listing.
        let _unlisted = self.parts.hands.ask(&Request::List);
        self.parts.rehearsals.clear_up(&mut self.parts.hands);
        self.meet();
        self.parts.meter.configured(clock::now(), self.parts.node.record().spec());
        let mut events = vec![Event::Tick];
        for link in self.parts.links.links() {
            let state = if link.carries() { LinkState::Up } else { LinkState::Down };
            events.push(Event::Link { link: link.name, state });
        }
        let mut pulse = Pulse::default();
        loop {
            pulse.beat(clock::now());
            self.step_all(&mut events);
            if let Some(ended) = self.ended {
                return ended;
            }
            let ready = self.wait();
            self.look(ready, &mut events);
        }
    }

    fn step_all(&mut self, events: &mut Vec<Event>) {
        // A copy that was dropped, or a descriptor without news, is nothing to think about.
        if events.is_empty() && self.wake <= clock::now() {
            events.push(Event::Tick);
        }
        // What the networks bring is taken together, so that it is thought about once.
        let of_networks = |e: &Event| matches!(e, Event::Heard { .. } | Event::Acked(_));
        let heard = events.iter().take_while(|event| of_networks(event)).count();
        let heard: Vec<Event> = events.drain(..heard).collect();
        if !heard.is_empty() {
            self.step(heard);
        }
        let mut changed = false;
        for event in events.drain(..) {
            changed |= !matches!(event, Event::Tick | Event::Heard { .. } | Event::Acked(_));
            self.step([event]);
        }
        if let Some(guardian) = &mut self.guardian {
            self.armory.flush(guardian);
        }
        self.show(changed);
    }

    /// Who there is to speak to: as the record has it, before that as the founding had it.
    fn meet(&mut self) {
        let node = &self.parts.node;
        let peers: BTreeMap<_, _> = match node.record().spec() {
            Some(spec) => {
                let known = spec.nodes.iter();
                known.map(|(name, n)| (name.clone(), n.addresses.clone())).collect()
            }
            None => self.parts.founding.voters.values().cloned().collect(),
        };
        let me = node.name().clone();
        self.parts.networks.expect_beats_every(node.timing().beat);
        self.parts.networks.meet(peers.into_iter().filter(|(name, _)| *name != me).collect());
    }

    fn step<E: AsRef<[Event]> + IntoIterator<Item = Event>>(&mut self, events: E) {
        let applied = events.as_ref().iter().any(|event| matches!(event, Event::Applied(_)));
        let now = Now { lease: clock::now(), wall: clock::wall() };
        let mut orders = Vec::new();
        self.parts.node.step_all(now, events, &mut orders);
        if applied {
            self.meet();
            self.parts.ear.leases_run_for(self.parts.node.timing().ttl);
            let spec = self.parts.node.record().spec();
            self.parts.meter.configured(now.lease, spec);
            let nodes = spec.into_iter().flat_map(|spec| &spec.nodes);
            let devices = nodes.filter_map(|(name, node)| Some((name, node.fence.as_ref()?)));
            self.parts.fences.configured(now.lease, devices);
        }
        for order in orders {
            // After an answer could not be made safe, nothing more leaves.
            if self.ended == Some(Ended::CannotWrite) {
                return;
            }
            self.carry_out(now.lease, order);
        }
        self.parts.networks.flush();
    }

    /// Waits for a descriptor or for the moment the rules asked to be woken at.
    fn wait(&mut self) -> Ready {
        let mut until = self.wake;
        let parts = &self.parts;
        let times = [parts.errands.next_time(), parts.fences.next_time(), parts.meter.next_time()];
        until = times.into_iter().flatten().fold(until, Moment::min);
        if self.guardian.is_none() {
            until = until.min(self.guardian_retry);
        }
        let now = clock::now();
        self.ledger_due = self.ledger_due(now);
        until = until.min(self.ledger_due);
        let ready = self.wakes.wait(until.since(now));
        if clock::now() < self.all_due { ready } else { Ready::ALL }
    }

    /// When the ledger is to be told that it has something to do: its own timers would wake it for
    /// nothing, because all that is heard puts off what is due.
    fn ledger_due(&self, now: Moment) -> Moment {
        (now + self.parts.ear.due_in()).max(self.ledger_told + LEDGER_LOOKS)
    }
}

/// What came of a run of a fence agent, as the rules are told it.
fn of_device(came: Came) -> Event {
    match came {
        Came::Fenced(Fenced { node, boot, outcome }) => Event::Fenced { node, boot, outcome },
        Came::Tested(node, says, took) => Event::DeviceTested { node, says, took },
        Came::State(node, says) => Event::DeviceSaid { node, says },
    }
}

fn rehearsed(Rehearsed { command, showed }: Rehearsed) -> Event {
    Event::Rehearsed { command, showed }
}
