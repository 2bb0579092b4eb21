//! The loop: wait, look, step, act.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tsugi_cluster_rules::desk::{Act, Outcome};
use tsugi_cluster_rules::lease::voter_list::VoterChange;
use tsugi_cluster_rules::node::{Event, Node, Now, Order};
use tsugi_cluster_rules::plan::Life;
use tsugi_cluster_rules::record::{Draft, LinkState};
use tsugi_host::clock;
use tsugi_host::clock_step::StepWatch;
use tsugi_host::fence::Capability;
use tsugi_host::guardian::Guardian;
use tsugi_host::guardian::message::Notice;
use tsugi_host::hands::Hands;
use tsugi_host::link::{Carrier, Watcher};
use tsugi_host::request::{Answer, Event as HostEvent, Report, Request};
use tsugi_host::{Guard, Host};
use tsugi_vocabulary::{Generation, GroupName, Moment, NodeName, Span, Wall};

use super::guard::Armory;
use super::mailbox::{Letter, Mailbox};
use super::rate::ClockRate;
use super::ready::{Ready, Source, Wakes};
use super::stops::Stops;
use super::taken_on::Notebook;
use crate::agent::{Ear, Founding, Heard};
use crate::datagrams::Networks;
use crate::errand::{Errands, Finished, Job};
use crate::fence::{Fenced, Fences};
use crate::standing::{SlowStop, Standing};

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
    /// Its mailbox.
    pub mailbox: Mailbox,
    /// Where drafts go.
    pub proposals: mpsc::UnboundedSender<Proposal>,
    /// Where changes of the voters go.
    pub voter_changes: mpsc::UnboundedSender<(VoterChange, Generation)>,
    /// The ledger's ear for beats and answers.
    pub ear: Ear,
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
    /// Another agent takes over; the groups go on.
    SteppedAside,
    /// This node was taken out of the cluster.
    Removed,
    /// The hands are gone: the node is ending.
    NoHands,
    /// A promise could not be made durable (L4): the node must not answer any more.
    CannotWrite,
}

/// How often a picture is shown when nothing happens.
const SHOW: Span = Span::millis(500);
/// How often everything is looked at, whether or not it is ready.
const LOOK_AT_ALL: Span = Span::millis(500);
/// How often a driver is asked for its carrier at most: at every beat of the default profile, at
/// every second one of the fast.
const LINKS_EVERY: Span = Span::millis(40);
/// How often those who wait for a picture are told of one without news.
const TELL: Span = Span::secs(2);
/// A jump of the wall clock that is worth a word.
const CLOCK_STEP: Span = Span::millis(500);
/// How long the ledger may take to look at what is due before it is told again.
const LEDGER_LOOKS: Span = Span::millis(5);
/// How often a missing guardian is looked for.
const GUARDIAN_RETRY: Span = Span::millis(5);

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
        self.meet();
        let mut events = vec![Event::Tick];
        for link in self.parts.links.links() {
            let state = if link.carries() { LinkState::Up } else { LinkState::Down };
            events.push(Event::Link { link: link.name, state });
        }
        loop {
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
            let spec = self.parts.node.record().spec();
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

    fn carry_out(&mut self, now: Moment, order: Order) {
        match order {
            Order::Beat(beat, haste) => {
                self.parts.ear.sent(&beat);
                self.parts.networks.beat(beat, haste);
            }
            Order::Answer { to, ack, .. } => self.parts.networks.answer(&to, ack),
            Order::Propose { proposal, draft } => {
                // A ledger that has ended answers nothing; the core is being ended then.
                let _ended = self.parts.proposals.send(Proposal { number: proposal, draft });
            }
            Order::Arm { group, epoch, deadline } => {
                let Some(spec) = self.parts.node.spec_of(&group) else { return };
                let allowed = spec.stop_budget.unwrap_or(self.parts.node.timing().stop);
                if let Some(guardian) = &mut self.guardian {
                    self.armory.arm(guardian, (group, epoch, deadline), (&spec, allowed));
                }
            }
            Order::Disarm { group, epoch } => {
                if let Some(guardian) = &mut self.guardian {
                    self.armory.disarm(guardian, group, epoch);
                }
            }
            Order::Do { group, epoch, act, what } => {
                let Some(spec) = self.parts.node.spec_of(&group) else { return };
                let mut done = Vec::new();
                let starts = matches!(what, Act::Start { .. });
                match if starts { self.parts.notebook.write(&group, epoch, &spec) } else { Ok(()) }
                {
                    Ok(()) => {
                        let job = Job { group, epoch, act, what, spec };
                        self.parts.errands.begin(now, job, &mut self.parts.hands, &mut done);
                    }
                    // What could not be taken down as it went up does not go up.
                    Err(failed) => {
                        let outcome = Outcome::Failed { how: failed.to_string().as_str().into() };
                        done.push(Finished::Act { group, epoch, act, outcome });
                    }
                }
                self.deliver(done);
            }
            Order::Fence { node, boot, device } => {
                let hands = &mut self.parts.hands;
                if let Some(ended) = self.parts.fences.shoot((node, boot), *device, hands) {
                    self.step([fenced(ended)]);
                }
            }
            Order::ChangeVoters { change, known } => {
                // As with drafts: a ledger that has ended changes nothing.
                let _ended = self.parts.voter_changes.send((change, known));
            }
            Order::KeepPromise(span) => {
                let text = format!("{}\n", span.0);
                // An answer must not leave before this is durable; a node that cannot write ends.
                if tsugi_wire::files::replace(&self.parts.promise_file, text.as_bytes()).is_err() {
                    self.ended = Some(Ended::CannotWrite);
                }
            }
            Order::WakeAt(moment) => self.wake = moment,
            Order::Left => self.ended = Some(Ended::Left),
        }
    }

    /// Gives what errands finished back to the rules, at once.
    fn deliver(&mut self, done: Vec<Finished>) {
        for finished in done {
            let event = match finished {
                Finished::Act { group, epoch, act, outcome } => {
                    Event::Done { group, epoch, act, outcome }
                }
                Finished::Seen { group, epoch, what } => Event::Seen { group, epoch, what },
                Finished::Died { group, epoch, resource, how } => {
                    Event::Died { group, epoch, resource, how }
                }
            };
            self.step([event]);
        }
        for (group, took) in self.parts.errands.take_let_go() {
            self.measured(&group, took);
        }
    }

    fn measured(&mut self, group: &GroupName, took: Span) {
        let budget = self.parts.node.spec_of(group).and_then(|spec| spec.stop_budget);
        let budget = budget.unwrap_or(self.parts.node.timing().stop);
        self.stops.measured(group, SlowStop { took, budget });
    }

    /// Waits for a descriptor or for the moment the rules asked to be woken at.
    fn wait(&mut self) -> Ready {
        let mut until = self.wake;
        let times = [self.parts.errands.next_time(), self.parts.fences.next_time()];
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

    fn look(&mut self, ready: Ready, events: &mut Vec<Event>) {
        let now = clock::now();
        if self.all_due <= now {
            self.all_due = now + LOOK_AT_ALL;
        }
        self.look_at_networks(now, ready, events);
        // What was just heard may have put it off.
        if self.ledger_due <= now && self.ledger_due(now) <= now {
            self.ledger_told = now;
            self.parts.ear.look();
        }
        if ready.has(Source::Mailbox) {
            for letter in self.parts.mailbox.take() {
                match letter {
                    Letter::Event(event) => events.push(*event),
                    Letter::StepAside => self.ended = Some(Ended::SteppedAside),
                    Letter::Removed => self.ended = Some(Ended::Removed),
                }
            }
        }
        if self.guardian.is_none() || ready.has(Source::Guardian) {
            self.look_at_guardian(now, events);
        }
        if ready.has(Source::Hands) {
            self.look_at_hands(events);
        }
        let mut done = Vec::new();
        self.parts.errands.on_time(now, &mut self.parts.hands, &mut done);
        self.parts.fences.on_time(now, &mut self.parts.hands);
        self.deliver(done);
        if ready.has(Source::Links) {
            // A watcher that broke says nothing more; a link that is down is then found by its use.
            let told = self.parts.links.look().unwrap_or_default();
            self.on_links(told, events);
        }
        if self.links_due <= now {
            self.links_due = now + LINKS_EVERY;
            let asked = self.parts.links.look_at(&self.in_use).unwrap_or_default();
            self.on_links(asked, events);
        }
        if let Some(step) = self.clock_steps.look(now, clock::wall()) {
            events.push(Event::ClockStepped { by_ms: step.by_ms });
        }
    }

    fn look_at_networks(&mut self, now: Moment, ready: Ready, events: &mut Vec<Event>) {
        let due = self.wake.min(self.ledger_due) <= now;
        let parts = &mut self.parts;
        let networks = parts.networks.fds().len();
        let hasty = (0..networks).any(|network| ready.has(Source::Network(network)));
        // What waits is the older: behind what is in haste it would be old news, and stay without
        // the answer that says that nothing of it was lost.
        if due || hasty {
            parts.networks.take_waiting(events);
        }
        for network in 0..networks {
            if ready.has(Source::Network(network)) {
                parts.networks.take(network, events);
            }
        }
        for event in events.iter() {
            if let Event::Heard { beat, .. } = event {
                parts.ear.heard(beat);
            }
            if let Event::Acked(ack) = event {
                let whole = parts.networks.whole(&ack.voter);
                parts.ear.answered(ack, now, if whole { Heard::Whole } else { Heard::InPart });
            }
        }
    }

    fn look_at_guardian(&mut self, now: Moment, events: &mut Vec<Event>) {
        if self.guardian.is_none() && self.guardian_retry <= now {
            self.guardian_retry = now + GUARDIAN_RETRY;
            let found = Guardian::connect(&self.parts.run_dir).ok();
            let watched = |g: &Guardian| self.wakes.watch(Source::Guardian, g.as_fd()).is_ok();
            self.guardian = found.filter(watched);
            self.armory.forget_all();
        }
        let Some(guardian) = &mut self.guardian else { return };
        let mut released = Vec::new();
        loop {
            match guardian.next_notice() {
                Ok(Some(notice)) => {
                    if let Notice::Released { group, took, .. } = &notice {
                        released.push((group.clone(), *took));
                    }
                    events.extend(self.armory.on_notice(notice));
                }
                Ok(None) => break,
                Err(_gone) => {
                    self.wakes.forget(guardian.as_fd());
                    self.guardian = None;
                    self.armory.forget_all();
                    break;
                }
            }
        }
        for (group, took) in released {
            self.measured(&group, took);
        }
    }

    fn look_at_hands(&mut self, events: &mut Vec<Event>) {
        loop {
            let report = match self.parts.hands.next_report() {
                Ok(Some(report)) => report,
                Ok(None) => break,
                Err(_gone) => {
                    self.ended = Some(Ended::NoHands);
                    return;
                }
            };
            let now = clock::now();
            let mut done = Vec::new();
            self.parts.errands.on_report(now, &report, &mut self.parts.hands, &mut done);
            self.deliver(done);
            let node = &self.parts.node;
            let life = |name: &NodeName| node.sights(now).get(name).map(|s| s.life.clone());
            let heard = |name: &NodeName| life(name) == Some(Life::Heard);
            let hands = &mut self.parts.hands;
            let ended = self.parts.fences.on_report(now, &report, heard, hands);
            events.extend(ended.map(fenced));
            events.extend(self.parts.fences.news().map(Event::DevicesAsked));
            if let Report::Answer { outcome: Ok(Answer::Listing(listing)), .. } = &report {
                self.self_fence = self_fence(listing.powers.fence);
            }
            if let Report::Event(event) = report {
                match event {
                    HostEvent::GuardianLost { .. } => events.push(Event::GuardianLost),
                    HostEvent::GuardianReady => self.guardian_retry = now,
                    HostEvent::LogLost(failure) => {
                        self.lost_logs.insert(failure.to_string());
                    }
                    HostEvent::Stopping => events.push(Event::Leave),
                    HostEvent::Ended(_) => {}
                }
            }
        }
    }

    fn on_links(&mut self, changed: Vec<(String, Carrier)>, events: &mut Vec<Event>) {
        if changed.iter().any(|(_, carrier)| *carrier != Carrier::Up) {
            self.forget_lost_networks();
        }
        for (link, carrier) in changed {
            let state = match carrier {
                Carrier::Up => LinkState::Up,
                Carrier::Down | Carrier::Gone => LinkState::Down,
            };
            events.push(Event::Link { link, state });
        }
    }

    /// What is asked next must not take a network whose link here has just gone down.
    fn forget_lost_networks(&mut self) {
        let own: Vec<_> = self.parts.networks.own().collect();
        // What the kernel does not say is found by the silence over that network.
        let Ok(carry) = self.parts.links.carry(&own) else { return };
        for (network, carrier) in carry.into_iter().enumerate() {
            if carrier != Carrier::Up {
                self.parts.networks.lost(network);
            }
        }
    }

    /// Shows a picture of what is known, when something changed or the last is old.
    fn show(&mut self, changed: bool) {
        let now = clock::now();
        if !changed && now.since(self.shown) < SHOW {
            return;
        }
        self.shown = now;
        let node = &self.parts.node;
        self.in_use = node.links_in_use().into_iter().map(str::to_owned).collect();
        let lease = |g: &GroupName| node.deadline(g).map(|d| (g.clone(), d.since(now)));
        let leases: BTreeMap<GroupName, Span> =
            node.record().groups.keys().filter_map(lease).collect();
        // Who waits for news is not woken by the age of old ones, but now and then.
        let told = changed || now.since(self.told) >= TELL;
        let told = self.parts.standing.send_if_modified(|standing| {
            let mut next = Standing::clone(standing);
            next.at = clock::wall();
            next.record = Arc::clone(node.record());
            next.newest = node.newest();
            next.settled = node.settled(now);
            next.sights = node.sights(now);
            next.leader = node.leader().1.cloned();
            next.membership = node.record().membership;
            next.leases = leases;
            next.watches = node.watch_states();
            self.self_fence.clone_into(&mut next.self_fence);
            next.lost_logs.clone_from(&self.lost_logs);
            next.fence_faults = self.parts.fences.faults();
            let wall = |at: Moment| Wall(next.at.0.saturating_sub(now.since(at).as_millis()));
            let tests = self.parts.fences.tested_well().into_iter();
            next.fence_tests = tests.map(|(node, at)| (node, at.map(wall))).collect();
            next.clock_ppm = self.clock_rate.ppm();
            next.slow_stops.clone_from(self.stops.too_slow());
            next.drops = self.parts.networks.drops();
            let news = next.settled != standing.settled
                || next.newest != standing.newest
                || next.sights != standing.sights
                || next.watches != standing.watches
                || next.self_fence != standing.self_fence
                || next.slow_stops != standing.slow_stops
                || next.fence_faults != standing.fence_faults
                || next.lost_logs != standing.lost_logs;
            *standing = Arc::new(next);
            told || news
        });
        if told {
            self.told = now;
        }
    }
}

fn fenced(Fenced { node, boot, outcome }: Fenced) -> Event {
    Event::Fenced { node, boot, outcome }
}

/// What a node can do to itself when it cannot let go of a group, in one word.
const fn self_fence(capability: Capability) -> &'static str {
    match capability {
        Capability::Watchdog => "watchdog",
        Capability::Reboot => "reboot",
        Capability::BrokenWatchdog => "broken-watchdog",
        Capability::None => "none",
    }
}
