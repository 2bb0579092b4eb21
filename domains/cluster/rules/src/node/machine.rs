//! The machine itself: what a node keeps between two events, and where each event goes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tsugi_vocabulary::{
    BootId, Claims, Epoch, GroupName, Index, Moment, NodeName, ResourceName, Span,
};

use super::drills::{Drills, Orders};
use super::fencing::Fences;
use super::ledgerwork::Paperwork;
use super::notes::Unsaid;
use super::peers::{Contact, Peer};
use super::rehearsals::Rehearsals;
use super::returning::Returns;
use super::stretching::Stretched;
use super::suspects::Suspects;
use super::unheard::LinksTold;
use super::watches::Watches;
use super::{Event, Now, Order};
use crate::desk::{Desk, Ended, Input, Why};
use crate::figures::Figures;
use crate::lease::disk_vote::DiskVote;
use crate::lease::heartbeat::{Haste, Hearing, Heartbeat};
use crate::lease::holder::Holder;
use crate::lease::voter::Voter;
use crate::lease::voter_list::Spread;
use crate::plan::Settled;
use crate::reason::How;
use crate::record::{LinkState, Ownership, Phase, Record};
use crate::spec::{FencePolicy, GroupSpec};
use crate::timing::Timing;

/// What a node is born with.
#[derive(Clone, Debug)]
pub struct Birth {
    /// Its name.
    pub name: NodeName,
    /// The number among the voters that its disk was given; none before it has joined.
    pub voter: Option<u64>,
    /// This life of its agent.
    pub boot: BootId,
    /// This life of its machine.
    pub machine: BootId,
    /// When this agent started.
    pub at: Moment,
    /// The longest TTL of any promise of this voter that may run; none if it never promised (L4).
    pub longest_promise: Option<Span>,
    /// What former lives of it have claimed on the disk that two nodes share; none if they never
    /// wrote there.
    pub claimed: Option<Claims>,
    /// The record that it starts from.
    pub record: Arc<Record>,
    /// The groups that an earlier agent of this machine took on: under which epoch, and as they
    /// were configured then.
    pub taken_on: TakenOn,
}

/// What an agent has written down of every group that it took on.
pub type TakenOn = BTreeMap<GroupName, Taken>;

/// A group as a node took it on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Under which epoch.
    pub epoch: Epoch,
    /// As it was configured then.
    pub spec: Arc<GroupSpec>,
    /// In which life of the machine; not said by versions before it.
    pub machine: Option<BootId>,
}

/// One node of the cluster.
#[derive(Clone)]
pub struct Node {
    pub(super) me: NodeName,
    pub(super) boot: BootId,
    pub(super) machine: BootId,
    pub(super) born: Moment,
    pub(super) record: Arc<Record>,
    pub(super) timing: Timing,
    pub(super) holder: Holder,
    pub(super) voter: Voter,
    pub(super) disk: DiskVote,
    /// When the disk is written again if no vote of it is needed.
    pub(super) next_disk: Moment,
    pub(super) spread: Spread,
    /// When no lease of the ledger before a restored one runs any more, as far as this node knows.
    pub(super) former_over: Option<Moment>,
    /// Voters that are no nodes of the cluster any more, and when each was last heard: their votes
    /// count until they are taken away.
    pub(super) outgoing: BTreeMap<NodeName, Moment>,
    pub(super) next_look_at_voters: Moment,
    pub(super) desks: BTreeMap<GroupName, Desk>,
    pub(super) specs: BTreeMap<GroupName, Arc<GroupSpec>>,
    /// Groups that run here otherwise than they are configured now.
    pub(super) as_started: BTreeSet<GroupName>,
    /// Groups of an earlier agent here, and what has ended since it took them on.
    pub(super) ended: BTreeMap<GroupName, Ended>,
    pub(super) peers: BTreeMap<NodeName, Peer>,
    pub(super) links: BTreeMap<String, LinkState>,
    pub(super) links_told: LinksTold,
    pub(super) leader: Option<NodeName>,
    pub(super) term: u64,
    pub(super) paperwork: Paperwork,
    /// Returns of other nodes that whoever leads next tells.
    pub(super) unsaid: BTreeMap<NodeName, Unsaid>,
    pub(super) next_beat: Moment,
    pub(super) beat_due: BeatDue,
    /// The newest entry that a beat of this node has told.
    pub(super) told: Index,
    pub(super) last_step: Moment,
    pub(super) stood_still: Span,
    pub(super) stood_still_at: Moment,
    pub(super) contact: Contact,
    /// Whether it had settled when it last looked.
    pub(super) was_settled: Settled,
    /// The newest entry that another node said to have applied.
    pub(super) newest: Index,
    pub(super) pinned: BTreeSet<GroupName>,
    /// What the guardian has confirmed to guard, and was not told to leave since.
    pub(super) armed: BTreeMap<GroupName, Epoch>,
    /// Programs that ended while their group was left alone: pinned here, or only observed.
    pub(super) died_alone: BTreeMap<GroupName, (Epoch, ResourceName, How)>,
    pub(super) from_before: BTreeMap<GroupName, Epoch>,
    /// As what a former agent took them on.
    pub(super) taken_on: TakenOn,
    /// Groups of a former agent that are being looked at, and those that were found running.
    pub(super) adopting: BTreeSet<GroupName>,
    pub(super) adopted: Vec<GroupName>,
    pub(super) stay: Stay,
    pub(super) watches: Watches,
    pub(super) returns: Returns,
    pub(super) fences: Fences,
    pub(super) suspects: Suspects,
    pub(super) drills: Drills,
    /// What this node has measured of itself, as it is told.
    pub(super) figures: Figures,
    pub(super) stretch: Stretched,
    pub(super) rehearsals: Rehearsals,
    /// The command of the failure that this life has made.
    pub(super) made: Option<String>,
    /// Whose end this life demands on the shared disk, as it was ordered last.
    pub(super) demands: BTreeMap<NodeName, BootId>,
    /// Since when it has read in the ledger that the end of this life is demanded.
    pub(super) told_to_end: Option<Moment>,
}

/// Whether the voters that are heard have answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answers {
    There,
    /// One of them owes an answer for longer than one and a half beats.
    Missing,
}

/// Whether something new must be told at once instead of at the next beat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BeatDue {
    /// The next beat is soon enough.
    OnTime,
    /// Now: a lease is asked for or released, or a failure is to be decided on.
    Now,
}

/// Whether the node is here to stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stay {
    /// It is.
    Here,
    /// It hands everything over and ends.
    Leaving {
        /// Since when.
        since: Moment,
    },
    /// Its end is demanded: it lets go of everything by force and ends.
    Ending {
        /// Since when.
        since: Moment,
    },
    /// It has said `Left`, or that this life ends.
    Gone,
}

/// How long a node goes on saying what it was like while it was not itself.
pub(super) const LATELY: Span = Span::secs(30);
/// After being well for longer than this, what happens next is another story.
pub(super) const APART: Span = Span::secs(1);

/// A node that leaves and is not relieved of its groups in this time stops them and goes.
const LEAVE_LIMIT: Span = Span::secs(8);

impl Node {
    /// A node at its start. Its first event should be a `Tick`.
    #[must_use]
    pub fn new(birth: Birth) -> Self {
        let timing = birth.record.timing();
        let before = owned_by(&birth.record, &birth.name);
        let mut node = Self {
            holder: Holder::new(birth.name.clone(), birth.boot),
            voter: Voter::new(birth.name.clone(), birth.boot, birth.at, birth.longest_promise)
                .numbered(birth.voter),
            disk: DiskVote::new(birth.name.clone(), birth.boot, birth.claimed),
            next_disk: birth.at,
            spread: Spread::default(),
            former_over: None,
            outgoing: BTreeMap::new(),
            next_look_at_voters: birth.at,
            me: birth.name,
            boot: birth.boot,
            machine: birth.machine,
            born: birth.at,
            record: birth.record,
            timing,
            desks: BTreeMap::new(),
            specs: BTreeMap::new(),
            peers: BTreeMap::new(),
            links: BTreeMap::new(),
            links_told: LinksTold::default(),
            leader: None,
            term: 0,
            paperwork: Paperwork::default(),
            unsaid: BTreeMap::new(),
            next_beat: birth.at,
            beat_due: BeatDue::Now,
            told: Index(0),
            last_step: birth.at,
            stood_still: Span::ZERO,
            stood_still_at: birth.at,
            contact: Contact::new(birth.at),
            was_settled: Settled::NotYet,
            newest: Index(0),
            pinned: BTreeSet::new(),
            armed: BTreeMap::new(),
            died_alone: BTreeMap::new(),
            from_before: before,
            taken_on: birth.taken_on,
            as_started: BTreeSet::new(),
            ended: BTreeMap::new(),
            adopting: BTreeSet::new(),
            adopted: Vec::new(),
            stay: Stay::Here,
            watches: Watches::default(),
            returns: Returns::default(),
            fences: Fences::default(),
            suspects: Suspects::default(),
            drills: Drills::default(),
            figures: Figures::default(),
            stretch: Stretched::default(),
            rehearsals: Rehearsals::default(),
            made: None,
            demands: BTreeMap::new(),
            told_to_end: None,
        };
        node.drills.look(&node.record, birth.at, Orders::Found);
        node.stretch.look(&node.record, birth.at, Orders::Found);
        node.keep_quiet_for_former_leases(birth.at);
        node.meet_peers();
        node
    }

    /// Takes one event and says what is to be done.
    pub fn step(&mut self, now: Now, event: Event, out: &mut Vec<Order>) {
        self.step_all(now, [event], out);
    }

    /// Takes events that came together: what follows from them is done once, after the last.
    pub fn step_all(
        &mut self,
        now: Now,
        events: impl IntoIterator<Item = Event>,
        out: &mut Vec<Order>,
    ) {
        self.notice_standstill(now.lease);
        for event in events {
            self.take(now, event, out);
        }
        self.settle(now, out);
    }

    fn take(&mut self, now: Now, event: Event, out: &mut Vec<Order>) {
        match event {
            Event::Tick => {}
            Event::Heard { via, beat } => self.on_heard(now, via, &beat, out),
            Event::Acked(ack) => self.on_acked(now, &ack, out),
            Event::Disk { number, shows } => self.on_disk(now, number, shows, out),
            Event::Applied(record) => self.on_applied(now, record),
            Event::Leader { term, leader } => self.on_leader(now.lease, term, leader),
            Event::Proposed { proposal, fate } => self.on_proposed(now, proposal, fate),
            Event::Done { group, epoch, act, outcome } => {
                self.on_done(now, (group, epoch), (act, outcome), out);
            }
            Event::Died { group, epoch, resource, how } => {
                self.on_died(now, (&group, epoch), resource, how, out);
            }
            Event::Armed { group, epoch } => {
                self.armed.insert(group.clone(), epoch);
                self.tell_desk(now, &group, Input::Armed(epoch), out);
            }
            Event::Seen { group, epoch, what } => self.note(now, Some((group, epoch)), what),
            Event::GuardianReleased { group, epoch } => {
                self.note_guardian_acted(now, (&group, epoch));
                self.tell_desk(now, &group, Input::GuardianReleased(epoch), out);
            }
            Event::GuardianLost => self.on_guardian_lost(now, out),
            Event::Link { link, state } => self.on_link(now, link, state, out),
            Event::Fenced { node, boot, outcome } => self.on_fenced(now, (&node, boot), outcome),
            Event::DevicesAsked(unable) => self.on_devices_asked(unable),
            Event::DeviceTested { node, says, took } => {
                self.on_device_tested(now.lease, node, (says, took));
            }
            Event::DeviceSaid { node, says } => self.on_device_said(now.lease, &node, says, out),
            Event::EndDemanded(life) => self.on_end_demanded(now, life),
            Event::Measured(figures) => self.on_measured(&figures),
            Event::Rehearsed { command, showed } => self.on_rehearsed(&command, showed),
            Event::ClockStepped { by_ms } => self.note_clock_step(now, by_ms),
            Event::Leave => {
                if self.stay == Stay::Here {
                    self.stay = Stay::Leaving { since: now.lease };
                }
            }
        }
    }

    /// What follows from the state, whatever the event was. Each pass is idempotent.
    fn settle(&mut self, now: Now, out: &mut Vec<Order>) {
        // No pass changes it.
        let record = Arc::clone(&self.record);
        self.drop_lapsed(now, out);
        self.heed_the_ledger(now, &record);
        if let Stay::Ending { .. } = self.stay {
            self.let_go_of_all(now, out);
            self.beat(now, out);
            self.end_life_if_done(now, out);
            return out.push(Order::WakeAt(self.wake_at(now.lease)));
        }
        self.reconcile(now, &record, out);
        self.tend_watches(now, &record, out);
        self.tell_return(now, out);
        self.ask_of_suspects(now.lease, &record, out);
        self.carry_out_fences(now, &record, out);
        self.demand_ends(&record, out);
        self.tend_rehearsal(&record, out);
        self.make_failure(&record, out);
        self.ask_monitors(now, out);
        self.note_adoptions(now);
        self.do_paperwork(now, out);
        self.change_voters(now.lease, out);
        self.leave_if_done(now, out);
        self.beat(now, out);
        out.push(Order::WakeAt(self.wake_at(now.lease)));
    }

    fn notice_standstill(&mut self, now: Moment) {
        // The core is woken for every beat; a gap of several beats is a machine that stood still.
        let gap = now.since(self.last_step);
        if gap > self.timing.beat + self.timing.beat + self.timing.beat {
            // The others were not silent meanwhile: their beats wait to be taken.
            self.excuse_silence(gap);
            // A machine may wake in several steps; one that stood still again is another story.
            let again = self.last_step.since(self.stood_still_at) > APART;
            if again || gap > self.stood_still {
                self.stood_still = gap;
                self.stood_still_at = now;
            }
        }
        if now.since(self.stood_still_at) > LATELY {
            self.stood_still = Span::ZERO;
        }
        self.last_step = now;
    }

    /// Sends a beat if one is due.
    fn beat(&mut self, now: Now, out: &mut Vec<Order>) {
        if self.stay == Stay::Gone {
            return;
        }
        if now.lease < self.next_beat && self.beat_due == BeatDue::OnTime {
            return;
        }
        let beat = self.compose(now.lease);
        let answers = self.answers(now.lease);
        let haste = self.haste(&beat, answers);
        self.next_beat = match answers {
            Answers::There => self.in_step(now.lease),
            Answers::Missing => now.lease + self.out_of_step(),
        };
        self.beat_due = BeatDue::OnTime;
        // The node is a voter too: its own vote takes the same road, without the network. What
        // follows from it comes after the beat.
        let at = out.len();
        self.vote(now, &beat, out, |node, now, ack, out| node.on_acked(now, &ack, out));
        self.ask_disk(now.lease, &beat, out);
        out.insert(at, Order::Beat(beat, haste));
    }

    /// When the beat after one of this moment is due. A wake that comes a little late puts off no
    /// later beat: nodes that wake one after the other go on to do so, and none drifts to where
    /// the answers of another just miss its own beats.
    fn in_step(&self, now: Moment) -> Moment {
        let beat = self.timing.beat;
        let on_time = now >= self.next_beat && now.since(self.next_beat) < Span(beat.0 / 2);
        if on_time { self.next_beat + beat } else { now + beat }
    }

    /// How soon the next beat follows one for which an answer is missing. Whose answers just miss
    /// its own beat would ask for them again and again: it falls out of step with the voter that
    /// is a hair behind it. That one misses its answers as well, so each node steps as far as its
    /// place among all says, and they do not fall into step again.
    pub(super) fn out_of_step(&self) -> Span {
        let place = self.peers.keys().filter(|name| **name < self.me).count() as u64;
        Span(self.timing.beat.0 / 8 * (6 - place % 3))
    }

    /// How soon the others are to read a beat. Answers to beats that wait come one beat later; an
    /// answer that is missing then is asked for at once.
    fn haste(&mut self, beat: &Heartbeat, answers: Answers) -> Haste {
        let told = std::mem::replace(&mut self.told, beat.applied);
        let waited_for = self.holder.waits_for_first() || answers == Answers::Missing;
        if self.beat_due == BeatDue::Now || told != beat.applied || waited_for {
            Haste::Now
        } else {
            Haste::Waits
        }
    }

    /// Whether every voter that is heard has answered of late.
    fn answers(&self, now: Moment) -> Answers {
        let late = Span(self.timing.beat.0 / 2 * 3);
        let there = |name: &NodeName| !self.is_silent(now, name);
        if self.holder.misses(now, late, there) { Answers::Missing } else { Answers::There }
    }

    fn compose(&mut self, now: Moment) -> Heartbeat {
        let hearing = self.hearing(now);
        self.contact.look(now, hearing);
        let health = self.health(now);
        self.holder.compose(now, self.timing.ttl, &self.record, health)
    }

    /// Whether this node hears a majority.
    pub(super) fn hearing(&self, now: Moment) -> Hearing {
        self.holder.hearing(now, self.timing.ttl, self.voters())
    }

    /// How many voters there are; at least this node.
    pub(super) fn voters(&self) -> usize {
        crate::lease::voters(&self.record).max(1)
    }

    fn on_applied(&mut self, now: Now, record: Arc<Record>) {
        if record.applied < self.record.applied {
            return;
        }
        let before = std::mem::replace(&mut self.record, record);
        self.wait_for_former_leases(now.lease, &before);
        self.timing = self.record.timing();
        self.meet_peers();
        self.compare_with_applied();
        self.drills.look(&self.record, now.lease, Orders::Given(now.wall));
        self.stretch.look(&self.record, now.lease, Orders::Given(now.wall));
        self.paperwork.look_for_unseen(&self.record);
        self.paperwork.plan_again();
        // What was refused for the promise to a node that is off now is asked again at once.
        let fenced = |record: &Record, node: &NodeName| {
            record.nodes.get(node).and_then(|known| known.value.fenced)
        };
        let nodes = self.record.nodes.keys();
        if nodes.into_iter().any(|n| fenced(&self.record, n) != fenced(&before, n)) {
            self.beat_now();
        }
    }

    fn on_leader(&mut self, now: Moment, term: u64, leader: Option<NodeName>) {
        if term >= self.term && (term, &leader) != (self.term, &self.leader) {
            self.term = term;
            self.leader = leader;
            self.say_unsaid(now);
            self.paperwork.plan_again();
        }
    }

    fn leave_if_done(&mut self, now: Now, out: &mut Vec<Order>) {
        let Stay::Leaving { since } = self.stay else { return };
        let owns = !owned_by(&self.record, &self.me).is_empty();
        if now.lease.since(since) >= LEAVE_LIMIT {
            let held: Vec<GroupName> = self.desks.keys().cloned().collect();
            for group in held {
                self.tell_desk(now, &group, Input::Stop(Why::Ordered), out);
            }
        }
        let idle = self.desks.values().all(|d| {
            matches!(d.state, crate::desk::State::Clear | crate::desk::State::Released { .. })
        });
        let late = now.lease.since(since) >= LEAVE_LIMIT;
        let alone = self.record.spec().is_none();
        // Whoever takes over needs this node's vote, and its ledger if it leads, until it serves.
        let taken = self.record.groups.values().all(|g| !is_starting(&g.value.ownership));
        let done = !owns && taken && (self.paperwork.leave_recorded() || alone);
        if idle && (done || late) {
            self.stay = Stay::Gone;
            out.push(Order::Left);
        }
    }

    fn wake_at(&self, now: Moment) -> Moment {
        let mut at = self.next_beat;
        let mut sooner = |moment: Option<Moment>| {
            if let Some(moment) = moment {
                at = at.min(moment);
            }
        };
        sooner(self.holder.next_lapse());
        sooner(self.desks.values().filter_map(Desk::next_ask).min());
        sooner(self.watches.next_look());
        sooner(self.paperwork.retry_at());
        sooner(self.next_silence(now));
        sooner(self.next_doubt(now));
        at.max(now + Span::micros(100))
    }

    /// What the desk of a group is doing here, for people and for tests.
    #[must_use]
    pub fn desk(&self, group: &GroupName) -> Option<&crate::desk::State> {
        self.desks.get(group).map(|d| &d.state)
    }

    /// The configuration under which a group was taken on here, or the one in force.
    #[must_use]
    pub fn spec_of(&self, group: &GroupName) -> Option<Arc<GroupSpec>> {
        let applied = || self.record.spec().and_then(|s| s.groups.get(group)).cloned();
        self.specs.get(group).cloned().or_else(|| applied().map(Arc::new))
    }

    /// On what proof a group may be taken from its owner: as the configuration in force says.
    #[must_use]
    pub fn fence_of(&self, group: &GroupName) -> Option<FencePolicy> {
        self.record.spec().and_then(|spec| spec.groups.get(group)).map(|group| group.fence)
    }

    /// Until when this node may run a group.
    #[must_use]
    pub fn deadline(&self, group: &GroupName) -> Option<Moment> {
        self.holder.deadline(group)
    }

    /// The record as this node has applied it.
    #[must_use]
    pub fn record(&self) -> &Arc<Record> {
        &self.record
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &NodeName {
        &self.me
    }

    /// The times in force.
    #[must_use]
    pub fn timing(&self) -> Timing {
        self.timing
    }

    /// Whom this node takes for the ledger's leader, and the term.
    #[must_use]
    pub fn leader(&self) -> (u64, Option<&NodeName>) {
        (self.term, self.leader.as_ref())
    }
}

fn is_starting(ownership: &Ownership) -> bool {
    match ownership {
        Ownership::Nobody => false,
        Ownership::Owned { phase, .. } => *phase == Phase::Starting,
    }
}

fn owned_by(record: &Record, me: &NodeName) -> BTreeMap<GroupName, Epoch> {
    let mine = record.groups.iter().filter(|(_, g)| g.value.owner() == Some(me));
    mine.map(|(name, g)| (name.clone(), g.value.epoch)).collect()
}
