//! The loop of the false world: the next event, to whom, and what it does.
#![expect(missing_docs, reason = "times in nanoseconds from the start, nodes by number")]

mod actor;
mod acts;
mod disk_ledger;
mod ev;
mod faults;
mod fence;
mod members;
mod net;
mod operator;
mod queue;
mod record_keeping;
mod shared_disk;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tsugi_cluster_rules::desk::{Act, Outcome};
use tsugi_cluster_rules::figures::Figures;
use tsugi_cluster_rules::lease::heartbeat::{Ack, Haste};
use tsugi_cluster_rules::node::{Birth, Event, Node, Now, Order, Taken};
use tsugi_cluster_rules::record::{Draft, GroupRecord, Record, Versioned};
use tsugi_vocabulary::{BootId, Epoch, Generation, GroupName, Moment, ResourceName, Span, Wall};

use self::actor::Actor;
pub(crate) use self::ev::Undo;
use self::ev::{Ev, concerned};
use self::queue::Queue;
use crate::chance::Chance;
use crate::disk::SharedDisk;
use crate::fault::Fault;
use crate::ledger::Truth;
use crate::scene::{Devices, Scene};

/// What can be seen from outside, in order of time (nanoseconds from the start).
#[derive(Clone, Debug)]
pub enum Seen<'a> {
    /// A resource came up on a node.
    Up { at: u64, node: usize, group: &'a GroupName, epoch: Epoch, resource: &'a ResourceName },
    /// Everything of a group is gone from a node.
    Down { at: u64, node: usize, group: &'a GroupName },
    /// A device has switched a node off, or found it off.
    SwitchedOff { at: u64, node: usize },
    /// An agent began.
    Began { at: u64, node: usize },
    /// A node stands still.
    Froze { at: u64, node: usize },
    /// It goes on.
    Woke { at: u64, node: usize },
    /// An entry was committed.
    Committed { at: u64, asked: Asked, before: &'a Record, after: &'a Record, draft: &'a Draft },
    /// A program of a group tries an effect under an epoch; whether it was accepted.
    Effect { at: u64, node: usize, group: &'a GroupName, epoch: Epoch, accepted: Accepted },
    /// A caller was told a number for its call.
    Replied { at: u64, group: &'a GroupName, serial: u64, number: u64 },
    /// A desk says that a group runs here; since when its program hangs, if it does.
    SaysRunning {
        at: u64,
        node: usize,
        group: &'a GroupName,
        up: usize,
        of: usize,
        hangs_since: Option<u64>,
    },
    /// The guardian was told a deadline: by when all of the group is gone at the latest, and
    /// until when a majority of the voters keeps others away.
    Armed { at: u64, node: usize, group: &'a GroupName, gone_by: u64, kept_until: u64 },
    /// The hands were asked to start something that the guardian was never armed for.
    Unarmed { at: u64, node: usize, group: &'a GroupName, epoch: Epoch },
    /// A voter promised a group.
    Promised { at: u64, voter: usize, to: usize, group: &'a GroupName, promise: Promised },
    /// The ledger changed who keeps it.
    VotersChanged { at: u64, before: &'a Record, after: &'a Record },
    /// A voter has applied the ledger as far as this list of voters.
    GoesBy { at: u64, node: usize, list: Generation },
    /// A voter heard that a node has let a group go.
    HeardRelease { voter: usize, from: usize, group: &'a GroupName, epoch: Epoch },
}

/// Who put an entry to the ledger. It may be carried out when another life of the node has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The node.
    pub node: usize,
    /// When the agent that decided on it had begun.
    pub began: u64,
    /// When it decided.
    pub at: u64,
}

/// A promise as it left the voter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promised {
    /// The epoch it was asked for.
    pub epoch: Epoch,
    /// Until when it runs, as the asker may count on.
    pub until: u64,
    /// What the voter's own copy of the ledger says to it.
    pub ledger: Entitled,
}

/// Whether a ledger entitles a node to a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entitled {
    /// It names the node, or is behind.
    Yes,
    /// It names another, or a newer epoch, or pins the group elsewhere.
    No,
}

/// Whether a receiver took an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It did.
    Yes,
    /// It had seen a newer epoch.
    StaleEpoch,
}

/// The number under which a shared disk is seen among the voters.
pub const DISK: usize = usize::MAX;

/// Who watches the world.
pub trait Witness {
    /// Something was seen.
    fn see(&mut self, seen: &Seen<'_>);
}

/// What a run counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Ownerships given away because of a loss or a failure.
    pub takeovers: u64,
    /// Calls that were answered.
    pub calls: u64,
    /// Effects of old epochs that were refused.
    pub stale: u64,
    /// Events of the queue.
    pub events: u64,
    /// Hash of everything that happened, in order.
    pub trace: u64,
    /// How often each fault and each rare state was met.
    pub met: BTreeMap<&'static str, u64>,
}

/// What the shared volume of one group holds, and its caller.
#[derive(Clone, Debug, Default)]
pub(crate) struct Store {
    pub epoch: Epoch,
    pub number: u64,
    pub last: (u64, u64),
    pub serial: u64,
}

/// A false world.
pub struct World<'w> {
    pub(crate) now: u64,
    queue: Queue,
    /// The list that orders are collected in, kept for its memory.
    given: Vec<Order>,
    pub(crate) actors: Vec<Actor>,
    pub(crate) truth: Truth,
    pub(crate) scene: Scene,
    /// The groups by number.
    pub(crate) names: Vec<GroupName>,
    pub(crate) stores: Vec<Store>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) chance: Chance,
    pub(crate) deaf: BTreeSet<(usize, usize)>,
    pub(crate) loss_per_mille: u64,
    pub(crate) late_ms: u64,
    pub(crate) leader_lost_at: Option<u64>,
    /// The commands that were carried out, as the audit has them.
    pub(crate) carried_out: BTreeSet<String>,
    pub(crate) commands: u64,
    /// The answer to the beat that is being taken.
    pub(crate) answer: Option<Ack>,
    /// How soon that answer is read: as the beat was.
    pub(crate) answers: Haste,
    /// What tells the state of each machine, by number; none where there are no devices.
    pub(crate) devices: Vec<fence::Device>,
    /// What devices draw from: whatever they are asked disturbs nothing else.
    pub(crate) device_chance: Chance,
    /// The disk that two machines share, if the ledger is on one.
    pub(crate) disk: SharedDisk,
    /// What was counted so far.
    pub counts: Counts,
    witness: &'w mut dyn Witness,
}

impl<'w> World<'w> {
    /// A world at its start: every machine has power and its agent begins.
    pub fn new(seed: u64, scene: Scene, faults: Vec<Fault>, witness: &'w mut dyn Witness) -> Self {
        let record = scene.record();
        let mut chance = Chance::new(seed, 1);
        let voters = scene.voters();
        let actors = (0..voters).map(|n| Actor::new(n, &mut chance, &record)).collect();
        let groups = scene.groups.len();
        let mut device_chance = Chance::new(seed, 11);
        let devices = match scene.devices {
            Devices::None => Vec::new(),
            Devices::Each => (0..voters).map(|_| fence::Device::new(&mut device_chance)).collect(),
        };
        let mut world = Self {
            now: 0,
            queue: Queue::default(),
            given: Vec::new(),
            actors,
            truth: Truth::new(record),
            scene,
            names: (0..groups).map(Scene::group).collect(),
            stores: vec![Store::default(); groups],
            faults,
            chance,
            deaf: BTreeSet::new(),
            loss_per_mille: 0,
            late_ms: 0,
            leader_lost_at: Some(0),
            carried_out: BTreeSet::new(),
            commands: 0,
            answer: None,
            answers: Haste::Now,
            devices,
            device_chance,
            disk: SharedDisk::default(),
            counts: Counts::default(),
            witness,
        };
        for n in 0..voters {
            world.power_on(n);
        }
        for i in 0..world.faults.len() {
            let at = world.faults[i].at_ms * 1_000_000;
            world.at(at, Ev::Fault(i));
        }
        for group in 0..groups {
            world.at(1_000_000 * (500 + group as u64), Ev::Call { group });
        }
        for n in 0..world.devices.len() {
            world.at(1_000_000 * (300 + n as u64), Ev::Devices { n });
        }
        world.at(1_000_000, Ev::Elect);
        world.at(5_000_000, Ev::CatchUp);
        world
    }

    /// Runs until `until_ms`.
    pub fn run(&mut self, until_ms: u64) {
        let until = until_ms * 1_000_000;
        while let Some((at, ev)) = self.queue.next(until, |n| self.actors[n].wake) {
            self.now = at;
            self.counts.events += 1;
            self.take(ev);
        }
    }

    /// Runs on until every group serves, at three looks a second apart, or until `until_ms`;
    /// whether they do. No fault may be left.
    pub fn heal(&mut self, until_ms: u64) -> bool {
        let mut looks = 0;
        while looks < 3 && self.now < until_ms * 1_000_000 {
            self.order_automatic();
            let next = (self.now / 1_000_000 + 1_000).min(until_ms);
            self.run(next);
            self.now = next * 1_000_000;
            looks = if self.all_serve() { looks + 1 } else { 0 };
        }
        looks == 3
    }

    /// Whether every group that is to run is running somewhere (the liveness half of a run), and
    /// none is away for a drill that does not end.
    #[must_use]
    pub fn all_serve(&self) -> bool {
        let drills = |group: &Versioned<GroupRecord>| group.value.drills.under_way().is_some();
        let all = self.truth.head.groups.values();
        (0..self.scene.groups.len()).all(|g| self.server_of(g).is_some())
            && !all.into_iter().any(drills)
    }

    /// What is wrong at the end of a run that should have healed, for people.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut text = format!("leader {:?} term {}\n", self.truth.leader, self.truth.term);
        let head = &self.truth.head;
        text += &format!("at {:?}, {:?} {:?}\n", head.applied, head.membership, head.voters);
        for (name, node) in &head.nodes {
            text += &format!("{name} joined as {}: {:?}\n", node.value.voter, node.value.intent);
        }
        for (name, g) in &self.truth.head.groups {
            let g = &*g.value;
            let (epoch, owned, pause) = (g.epoch, &g.ownership, &g.pause);
            text += &format!("{name}: {epoch} {owned:?} {:?} {pause:?}\n", g.intent);
            text += &format!("{name}: {:?}\n", g.drills);
        }
        if let Some(plan) = &self.truth.head.plan {
            text += &format!("{:?} by {}: {:?}\n", plan.generation, plan.by, plan.decisions);
        }
        for actor in &self.actors {
            let desks = self.truth.head.groups.keys().map(|g| {
                let desk = actor.node.as_ref().and_then(|n| n.desk(g).cloned());
                format!("{g}={desk:?}")
            });
            let desks: Vec<String> = desks.collect();
            let up = actor.machine.held.keys().count();
            let (number, at) = (actor.number, actor.record.applied);
            let who = format!("{} {number:?} at {at:?}", actor.name);
            text += &format!("{who}: up {up} {}\n", desks.join(" "));
        }
        text
    }

    pub(crate) fn at(&mut self, at: u64, ev: Ev) {
        self.queue.put(at.max(self.now), ev);
    }

    pub(crate) fn after_us(&mut self, us: u64, ev: Ev) {
        self.at(self.now + us * 1_000, ev);
    }

    pub(crate) fn see(&mut self, seen: &Seen<'_>) {
        self.witness.see(seen);
    }

    /// Counts a fault or a rare state.
    pub(crate) fn meet(&mut self, what: &'static str) {
        *self.counts.met.entry(what).or_insert(0) += 1;
    }

    /// Mixes something that happened into the trace.
    pub(crate) fn trace(&mut self, what: u64) {
        let mixed = self.counts.trace ^ what ^ self.now.rotate_left(17);
        self.counts.trace = mixed.wrapping_mul(0x0000_0100_0000_01B3).rotate_left(5);
    }

    fn take(&mut self, ev: Ev) {
        // A machine that stands still takes nothing; it all happens at once when it goes on.
        if let Some(n) = concerned(&ev)
            && self.actors[n].frozen
        {
            self.actors[n].deferred.push(ev);
            return;
        }
        match ev {
            Ev::Wake { n, token } => {
                if self.actors[n].wake.token == token {
                    self.step(n, Event::Tick);
                }
            }
            Ev::Beat { to, from, beat, haste } => self.on_beat((to, from), beat, haste),
            Ev::Ack { to, ack } => self.step(to, Event::Acked(*ack)),
            Ev::Applied { n, record } => self.on_applied(n, record),
            Ev::Leader { n } => self.tell_leader(n),
            Ev::Propose { asked, boot, number, draft } => {
                self.on_propose(asked, (boot, number), draft);
            }
            Ev::Fate { n, boot, number, fate } => {
                if self.actors[n].boots == boot {
                    self.step(n, Event::Proposed { proposal: number, fate });
                }
            }
            Ev::Act { n, life, job } => self.on_act(n, life, *job),
            Ev::Armed { n, boot, group, epoch } => {
                if self.actors[n].boots == boot {
                    self.step(n, Event::Armed { group, epoch });
                }
            }
            Ev::Fire { n, life, group } => self.on_fire(n, life, &group),
            Ev::Fired { n, life, group, epoch } => self.on_fired(n, life, group, epoch),
            Ev::Shot { n, life, shot } => self.on_shot(n, life, *shot),
            Ev::Devices { n } => self.on_test_of_devices(n),
            Ev::State { n, boot, node } => self.on_state(n, boot, node),
            Ev::Voters { n, term, change, known } => self.on_voters((n, term), &change, known),
            Ev::Disk { n, boot, step } => self.on_disk_step(n, boot, step),
            Ev::Petition(asked) => self.on_petition(*asked),
            Ev::Fault(i) => self.on_fault(i),
            Ev::Undo(undo) => self.on_undo(undo),
            Ev::Elect => self.on_elect(),
            Ev::CatchUp => self.on_catch_up(),
            Ev::Command(issued) => self.on_command(&issued),
            Ev::Call { group } => self.on_call(group),
            Ev::Answer { group, serial, number, n, life } => {
                self.on_answer(group, (serial, number), (n, life));
            }
        }
    }

    pub(crate) fn local(&self, n: usize) -> Moment {
        self.actors[n].local(self.now)
    }

    /// Gives one event to a node and carries out what it orders.
    pub(crate) fn step(&mut self, n: usize, event: Event) {
        let now = self.now_at(n);
        let Some(mut node) = self.actors[n].node.take() else { return };
        let mut orders = std::mem::take(&mut self.given);
        node.step(now, event, &mut orders);
        self.actors[n].node = Some(node);
        for order in orders.drain(..) {
            self.carry_out(n, order);
        }
        self.given = orders;
    }

    fn now_at(&self, n: usize) -> Now {
        let wall = self.wall().0.saturating_add_signed(self.actors[n].wall_ms);
        Now { lease: self.local(n), wall: Wall(wall) }
    }

    /// What a wall clock says that is right.
    pub(crate) fn wall(&self) -> Wall {
        Wall(1_700_000_000_000 + self.now / 1_000_000)
    }

    fn carry_out(&mut self, n: usize, order: Order) {
        match order {
            Order::Beat(beat, haste) => self.send_beat(n, beat, haste),
            Order::Answer { to, ack, .. } => {
                self.answer = Some(ack.clone());
                self.send_ack(n, &to, ack);
            }
            Order::Propose { proposal, draft } => {
                let boot = self.actors[n].boots;
                let delay = self.chance.between(100, 900);
                let (asked, draft) = (self.asked_by(n), Box::new(draft));
                self.after_us(delay, Ev::Propose { asked, boot, number: proposal, draft });
            }
            Order::Arm { group, epoch, deadline } => self.arm(n, group, epoch, deadline),
            Order::Disarm { group, epoch } => {
                let armed = self.actors[n].machine.armed.get(&group).map(|(e, _)| *e);
                if armed == Some(epoch) {
                    self.actors[n].machine.armed.remove(&group);
                }
            }
            Order::Do { group, epoch, act, what } => {
                if what == Act::Adopt {
                    self.meet("state adopting");
                }
                if matches!(what, Act::Start { .. }) {
                    self.write_down(n, &group, epoch);
                }
                self.begin_act(n, (group, epoch, act), what);
            }
            Order::Fence { node, boot, .. } => self.begin_fence(n, node, boot),
            Order::AskState { node, .. } => self.begin_state(n, node),
            // Nobody orders one here.
            Order::Rehearse { .. }
            | Order::EndRehearsal
            | Order::KillProcess { .. }
            | Order::KillAgent => {}
            Order::ChangeVoters { change, known } => self.begin_voters(n, change, known),
            Order::KeepPromise(span) => self.actors[n].longest = Some(span),
            Order::WakeAt(moment) => {
                let at = self.actors[n].global(moment).max(self.now);
                self.queue.wish(n, &mut self.actors[n].wake, at);
            }
            Order::AskDisk(claims) => self.ask_disk(n, claims),
            Order::Demand { life, .. } => self.begin_demand(n, life),
            Order::EndLife => self.life_ended(n),
            Order::Left => self.agent_left(n),
        }
    }

    /// As what the agent has taken a group on, for the one after it.
    fn write_down(&mut self, n: usize, group: &GroupName, epoch: Epoch) {
        let actor = &mut self.actors[n];
        if let Some(spec) = actor.node.as_ref().and_then(|node| node.spec_of(group)) {
            let machine = Some(life_of_machine(n, actor.lives));
            actor.machine.taken_on.insert(group.clone(), Taken { epoch, spec, machine });
        }
    }

    /// Starts the agent of a machine that has power. One that has not joined waits for that.
    pub(crate) fn start_agent(&mut self, n: usize) {
        if self.actors[n].number.is_none() {
            return;
        }
        let claimed = if self.is_on_disk() {
            let Some(claimed) = self.takes_seat(n) else { return };
            claimed
        } else {
            None
        };
        let actor = &mut self.actors[n];
        actor.boots += 1;
        let boot = BootId((n as u128) << 64 | u128::from(actor.boots));
        let birth = Birth {
            name: actor.name.clone(),
            voter: actor.number,
            boot,
            machine: life_of_machine(n, actor.lives),
            at: actor.local(self.now),
            longest_promise: actor.longest,
            claimed,
            record: Arc::clone(&actor.record),
            taken_on: actor.machine.taken_on.clone(),
        };
        actor.seen_seq.clear();
        let at = self.now;
        // It asks its monitors anew, at once; what is only observed hangs for longer than that.
        for since in actor.machine.hangs.values_mut() {
            *since = at;
        }
        let boots = actor.boots;
        actor.began = at;
        actor.node = Some(Box::new(Node::new(birth)));
        self.see(&Seen::Began { at, node: n });
        self.step(n, Event::Tick);
        // Every life of every node has another share of its memory free.
        let memory = Some((n as u32 * 37 + boots as u32 * 29) % 101);
        self.step(n, Event::Measured(Figures { memory, ..Figures::default() }));
        self.after_us(300, Ev::Leader { n });
    }
}

fn life_of_machine(n: usize, lives: u64) -> BootId {
    BootId((n as u128) << 64 | 1 << 63 | u128::from(lives))
}

/// What an act came to, before it is told.
pub(crate) fn fine(ns: u64) -> Outcome {
    Outcome::Fine { took: Span(ns) }
}
