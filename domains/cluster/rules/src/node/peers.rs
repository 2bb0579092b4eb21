//! What a node sees of the others, and what it tells them of itself.

use std::collections::BTreeMap;

use tsugi_vocabulary::{BootId, Epoch, GroupName, Index, Moment, NodeName, Span};

use super::machine::{APART, BeatDue, LATELY, Node};
use super::uptake::Uptake;
use super::{Now, Order, Via};
use crate::desk::{Desk, State, Why};
use crate::figures::Figures;
use crate::lease::has_disk;
use crate::lease::heartbeat::{Ack, Health, Hearing, Heartbeat};
use crate::monitors::{MonitorId, Word};
use crate::plan::{Beats, DeskSight, Entries, Life, RunsAs, Settled, Sight, Stand};
use crate::planner::config_mark;
use crate::reason::{Cause, Way};
use crate::record::LinkState;
use crate::timing::{TTL_CAP, Timing};

/// Another voter, as it was last heard.
#[derive(Clone, Debug, Default)]
pub(super) struct Peer {
    heard: Option<Moment>,
    /// When a beat of it was last heard: what it says of itself is as old as that.
    told: Option<Moment>,
    boot: BootId,
    health: Health,
    /// The TTL that it last asked for: its lease may run so long (L2).
    ttl: Span,
    /// It had been silent for a whole TTL: its next beat tells what that was.
    missed: Option<Moment>,
    /// The newest entry that this node had applied when there was last a sign of it.
    seen_at: Index,
    /// The newest entry that it told to have applied.
    pub(super) applied: Index,
    /// The newest entry that this node had applied when it was last told something by it.
    pub(super) told_at: Index,
    pub(super) uptake: Uptake,
}

impl Peer {
    /// When it was last heard.
    pub(super) fn heard(&self) -> Option<Moment> {
        self.heard
    }

    /// After how long without a beat it is called silent, where these times are in force. Who
    /// learns of the end of a stretch before it does waits for as long as it has asked for.
    fn silent_after(&self, timing: Timing) -> Span {
        Timing { ttl: self.ttl.max(timing.ttl), ..timing }.silent_after()
    }

    /// Whether beats of it are heard, and not a sign on the disk alone.
    pub(super) fn tells(&self, now: Moment, timing: Timing) -> bool {
        self.told.is_some_and(|at| now.since(at) < self.silent_after(timing))
    }

    /// The TTL that it last asked for.
    pub(super) fn ttl(&self) -> Span {
        self.ttl
    }

    /// The start of it that was heard last.
    pub(super) fn boot(&self) -> BootId {
        self.boot
    }

    /// Whether it told of a group under this epoch.
    pub(super) fn told_of(&self, group: &GroupName, epoch: Epoch) -> bool {
        self.health.groups.get(group).is_some_and(|desk| desk.epoch == epoch)
    }

    /// The links that it told of last.
    pub(super) fn links_told(&self) -> Option<&BTreeMap<String, LinkState>> {
        self.told.map(|_| &self.health.links)
    }
}

/// When this node last heard another one, and whether it had a majority all the while.
#[derive(Clone, Copy, Debug)]
pub(super) struct Contact {
    heard: Moment,
    /// The longest time without hearing anybody while it last had no majority.
    deaf: Span,
    /// When it last had no majority.
    alone: Option<Moment>,
}

impl Contact {
    pub(super) fn new(at: Moment) -> Self {
        Self { heard: at, deaf: Span::ZERO, alone: None }
    }

    fn on_heard(&mut self, now: Moment) {
        self.deaf = self.deaf.max(now.since(self.heard));
        self.heard = now;
    }

    /// Notes how the node hears now; what lies long back is forgotten.
    pub(super) fn look(&mut self, now: Moment, hearing: Hearing) {
        if hearing == Hearing::Minority {
            // How deaf it was an earlier time says nothing of this one.
            if self.alone.is_none_or(|at| now.since(at) > APART) {
                self.deaf = Span::ZERO;
            }
            self.alone = Some(now);
        } else if self.alone.is_none_or(|at| now.since(at) > LATELY) {
            (self.alone, self.deaf) = (None, Span::ZERO);
        }
    }

    fn deaf_lately(&self, now: Moment) -> Option<Span> {
        self.alone.map(|_| self.deaf.max(now.since(self.heard)))
    }
}

impl Node {
    /// Every node of the configuration that has joined has a peer entry; one that left has none.
    pub(super) fn meet_peers(&mut self) {
        let Some(spec) = self.record.spec() else { return };
        let nodes = &self.record.nodes;
        let is_one = |name: &NodeName| {
            spec.nodes.contains_key(name) && (nodes.is_empty() || nodes.contains_key(name))
        };
        let me = &self.me;
        self.peers.retain(|name, _| is_one(name));
        for name in spec.nodes.keys().filter(|n| *n != me && is_one(n)) {
            self.peers.entry(name.clone()).or_default();
        }
    }

    pub(super) fn on_heard(&mut self, now: Now, via: Via, beat: &Heartbeat, out: &mut Vec<Order>) {
        let to = beat.sender.clone();
        self.spread.tell(now.lease, &self.record, (&to, beat.membership));
        self.note_outgoing(now.lease, &to);
        self.look_at(now, beat);
        self.vote(now, beat, out, |_, _, ack, out| {
            out.push(Order::Answer { via, to, ack });
        });
    }

    fn look_at(&mut self, now: Now, beat: &Heartbeat) {
        self.clear_of_doubt(now.lease, (&beat.sender, beat.boot));
        let at = self.record.applied;
        let Some(peer) = self.peers.get_mut(&beat.sender) else { return };
        let seen_at = std::mem::replace(&mut peer.seen_at, at);
        (peer.applied, peer.told_at) = (beat.applied, at);
        self.contact.on_heard(now.lease);
        self.newest = self.newest.max(beat.applied);
        peer.ttl = beat.ttl.min(TTL_CAP);
        peer.told = Some(now.lease);
        let same = peer.boot == beat.boot && peer.health == beat.health;
        if same && peer.heard.is_some() && peer.missed.is_none() {
            peer.heard = Some(now.lease);
            return;
        }
        let before = std::mem::replace(&mut peer.health, beat.health.clone());
        let old_boot = std::mem::replace(&mut peer.boot, beat.boot);
        if old_boot != beat.boot {
            peer.uptake = Uptake::default();
        }
        let missed = peer.missed.take();
        peer.heard = Some(now.lease);
        let silence = missed.map(|heard| now.lease.since(heard));
        let mine = silence.is_some_and(|silence| self.missed_it_myself(now.lease, silence));
        let cause = silence.map(|silence| what_it_was(beat, old_boot, (&before, silence)));
        let cause = cause.filter(|cause| !(mine && is_of_the_way(cause)));
        self.paperwork.plan_again();
        if let Some(cause) = cause {
            self.note_return(now, &beat.sender, (cause, seen_at));
        }
    }

    /// The other node wrote on the disk that both share: it is not silent, though no network may
    /// lead to it.
    pub(super) fn note_sign_on_disk(&mut self, lived: Moment, boot: BootId) {
        let at = self.record.applied;
        let others: Vec<NodeName> = self.peers.keys().cloned().collect();
        for other in &others {
            self.clear_of_doubt(lived, (other, boot));
        }
        for peer in self.peers.values_mut() {
            if peer.heard.is_some_and(|heard| heard >= lived) {
                continue;
            }
            peer.seen_at = at;
            // Another life of it: nothing that the former one said of itself is so any more.
            let another = peer.boot != boot;
            if another {
                (peer.boot, peer.health) = (boot, Health::default());
                (peer.told, peer.uptake) = (None, Uptake::default());
            }
            if peer.heard.replace(lived).is_none() || peer.missed.take().is_some() || another {
                self.paperwork.plan_again();
            }
        }
    }

    /// Whether this node stood still, or heard nobody at all, for about as long as it missed
    /// another one: then it cannot say that it was the other that was cut off. What it was like
    /// before it missed the other is no part of that.
    fn missed_it_myself(&self, now: Moment, silence: Span) -> bool {
        let since = now.saturating_sub(silence);
        let deaf = match self.contact.alone {
            Some(at) if at >= since => self.contact.deaf_lately(now).unwrap_or(Span::ZERO),
            Some(_) | None => Span::ZERO,
        };
        let still = if self.stood_still_at >= since { self.stood_still } else { Span::ZERO };
        let away = deaf.max(still);
        away + away >= silence
    }

    /// Votes on a beat, and keeps a longer promise durable before the answer leaves (L4).
    pub(super) fn vote(
        &mut self,
        now: Now,
        beat: &Heartbeat,
        out: &mut Vec<Order>,
        answer: impl FnOnce(&mut Self, Now, Ack, &mut Vec<Order>),
    ) {
        let voted = self.voter.on_heartbeat(now.lease, beat, &self.record);
        if let Some(span) = voted.longest {
            out.push(Order::KeepPromise(span));
        }
        if let Some(ack) = voted.ack {
            answer(self, now, ack, out);
        }
    }

    pub(super) fn on_acked(&mut self, now: Now, ack: &Ack, out: &mut Vec<Order>) {
        if ack.voter != self.me && has_disk(&self.record) {
            let within = (now.lease, self.timing.beat);
            self.links_told.look(within, &self.links, self.record.applied);
        }
        let moved = self.holder.on_ack(now.lease, ack, &self.record);
        self.on_answered(now, ack, moved, out);
    }

    /// An answer was counted; the deadlines in `moved` are later for it.
    pub(super) fn on_answered(
        &mut self,
        now: Now,
        ack: &Ack,
        moved: Vec<(GroupName, Epoch, Moment)>,
        out: &mut Vec<Order>,
    ) {
        for (group, epoch, deadline) in moved {
            if self.pinned.contains(&group) {
                continue;
            }
            self.on_leased(now, &group, (epoch, deadline), out);
        }
        if let Some(rest) = self.holder.ask_again(ack) {
            self.next_beat = self.next_beat.min(now.lease + rest);
        }
    }

    /// Until when this node, as a voter, keeps others away from a group that is `to`'s: its
    /// promise runs, or it is silent after its start (L1, L4). Zero if it does not.
    #[must_use]
    pub fn keeps_until(&self, group: &GroupName, to: &NodeName) -> Moment {
        let promise = self.voter.promise_of(group, Moment(0)).filter(|p| p.to == *to);
        promise.map_or(Moment(0), |p| p.until()).max(self.voter.quiet_until())
    }

    /// Whether a node was not heard for so long that it is called silent, or not at all.
    pub(super) fn is_silent(&self, now: Moment, node: &NodeName) -> bool {
        let Some(peer) = self.peers.get(node) else { return true };
        peer.heard().is_none_or(|at| now.since(at) >= self.silent_after(peer))
    }

    /// What this node sees of every node, itself among them.
    #[must_use]
    pub fn sights(&self, now: Moment) -> BTreeMap<NodeName, Sight> {
        let mut sights = BTreeMap::new();
        for (name, peer) in &self.peers {
            let Some(heard) = peer.heard else { continue };
            let silence = now.since(heard);
            // One that is off by the ledger's word is silent as soon as it misses beats.
            let known = self.record.nodes.get(name);
            let over = known.is_some_and(|known| known.value.fenced == Some(peer.boot));
            let doubtful = over && silence >= self.timing.suspect_after();
            let life = if doubtful || silence >= self.silent_after(peer) {
                Life::Silent { silence }
            } else {
                match peer.health.hearing {
                    Hearing::Majority => Life::Heard,
                    Hearing::Minority => Life::Deaf,
                }
            };
            let mut seen = sight(life, peer.boot, &peer.health);
            if peer.told.is_none() {
                seen.beats = Beats::Unheard;
            }
            if has_disk(&self.record) {
                seen.entries = peer.uptake.entries();
                if !peer.tells(now, self.timing) {
                    seen.links = self.links_untold(name, peer);
                }
            }
            sights.insert(name.clone(), seen);
        }
        let own = self.health(now);
        sights.insert(self.me.clone(), sight(Life::Heard, self.boot, &own));
        sights
    }

    /// The newest entry of the ledger that this node has applied or heard of.
    #[must_use]
    pub fn newest(&self) -> Index {
        self.newest.max(self.record.applied)
    }

    /// Whether this node has looked for long enough to call another lost.
    #[must_use]
    pub fn settled(&self, now: Moment) -> Settled {
        let all = || self.peers.values().all(|p| p.heard.is_some());
        if now.since(self.born) >= self.timing.settled_after() || all() {
            Settled::Yes
        } else {
            Settled::NotYet
        }
    }

    /// After how long without a beat a peer is called silent: by its own TTL as far as it is known,
    /// and not sooner than by that of this node (L2).
    pub(super) fn silent_after(&self, peer: &Peer) -> Span {
        peer.silent_after(self.timing)
    }

    /// What this node did not hear while it stood still itself is no silence of the others.
    pub(super) fn excuse_silence(&mut self, gap: Span) {
        for peer in self.peers.values_mut() {
            for at in [&mut peer.heard, &mut peer.told].into_iter().flatten() {
                *at += gap;
            }
            peer.uptake.excuse(gap);
        }
    }

    /// Marks the peers that have become silent; the next moment at which one will.
    pub(super) fn mark_silent(&mut self, now: Moment) {
        let timing = self.timing;
        // From then on a node that was never heard is lost.
        let settled = self.settled(now);
        let mut changed = std::mem::replace(&mut self.was_settled, settled) != settled;
        for peer in self.peers.values_mut() {
            let Some(heard) = peer.heard else { continue };
            let silent = now.since(heard) >= peer.silent_after(timing);
            if peer.missed.is_none() && silent {
                peer.missed = Some(heard);
                changed = true;
            } else if peer.missed.is_some() && !silent {
                // Time-outs were stretched since: it counts as heard, and will be missed anew.
                peer.missed = None;
                changed = true;
            }
        }
        if changed {
            self.paperwork.plan_again();
        }
    }

    pub(super) fn next_silence(&self, now: Moment) -> Option<Moment> {
        let due = self.peers.values().filter(|p| p.missed.is_none());
        let next = due.filter_map(|p| Some(p.heard? + self.silent_after(p))).min();
        let settle = self.born + self.timing.settled_after();
        if self.settled(now) == Settled::NotYet {
            return Some(next.map_or(settle, |n| n.min(settle)));
        }
        next
    }

    /// What this node says of itself.
    pub(super) fn health(&self, now: Moment) -> Health {
        let desks = self.desks.iter();
        let groups: BTreeMap<GroupName, DeskSight> = desks
            .filter_map(|(group, desk)| {
                let epoch = desk.epoch()?;
                let (stand, runs_as) = (self.stand(desk), self.runs_as(group));
                let failing = desk.failing().cloned();
                Some((group.clone(), DeskSight { epoch, stand, runs_as, failing }))
            })
            .collect();
        let down = self.links.iter().filter(|(_, s)| **s == LinkState::Down);
        Health {
            hearing: self.hearing(now),
            config: self.record.config.as_ref().map_or(0, |c| config_mark(&c.hash)),
            machine: self.machine,
            stood_still: self.stood_still,
            deaf_lately: self.contact.deaf_lately(now),
            links: down.map(|(l, s)| (l.clone(), *s)).collect(),
            groups,
            leader: self.leader.clone().map(|l| (l, self.term)),
            figures: self.figures.clone(),
            ratio: Some(self.record.ratio()),
            settings: crate::spec::SETTINGS,
        }
    }

    /// How each monitor stands of the groups that run here.
    #[must_use]
    pub fn monitor_words(&self) -> BTreeMap<(GroupName, MonitorId), Word> {
        let of = |(group, desk): (&GroupName, &Desk)| {
            let words = desk.words().map(|(id, word)| ((group.clone(), id.clone()), word.clone()));
            words.collect::<Vec<_>>()
        };
        self.desks.iter().flat_map(of).collect()
    }

    /// What this node says of a group: nothing of one that it does not have.
    #[must_use]
    pub fn stand_of(&self, group: &GroupName) -> Option<Stand> {
        self.desks.get(group).map(|desk| self.stand(desk))
    }

    fn runs_as(&self, group: &GroupName) -> RunsAs {
        if self.as_started.contains(group) { RunsAs::Started } else { RunsAs::Applied }
    }

    /// What this node says of one desk.
    pub(super) fn stand(&self, desk: &Desk) -> Stand {
        match &desk.state {
            State::Clear | State::Waiting { .. } | State::Arming { .. } => Stand::Clear,
            State::Adopting { .. } | State::Starting { .. } | State::Mending { .. } => {
                Stand::Starting
            }
            State::Running { .. } => {
                desk.unwell().map_or(Stand::Running, |cause| Stand::Unwell(cause.clone()))
            }
            State::Stopping { .. } | State::LettingGo { .. } => Stand::Stopping,
            State::Released { why, .. } => match why {
                Why::Failure(cause) => Stand::Failed(cause.clone()),
                Why::Lapsed => Stand::Failed(Cause::LeaseRanOut { node: self.me.clone() }),
                Why::Ordered | Why::HandOver(_) | Why::Mend(_) | Why::Superseded => Stand::Clear,
            },
            State::Stuck { .. } => Stand::Stuck,
        }
    }

    /// What this node has measured is told with its next beat, where it is news.
    pub(super) fn on_measured(&mut self, measured: &Figures) {
        let told = self.figures.told_after(measured);
        if told != self.figures {
            self.figures = told;
            self.paperwork.plan_again();
        }
    }

    /// Says something new at once instead of at the next beat.
    pub(super) fn beat_now(&mut self) {
        self.beat_due = BeatDue::Now;
    }
}

fn sight(life: Life, boot: BootId, health: &Health) -> Sight {
    Sight {
        life,
        boot,
        config: health.config,
        links: health.links.clone(),
        groups: health.groups.clone(),
        figures: health.figures.clone(),
        ratio: health.ratio,
        settings: health.settings,
        entries: Entries::ReachIt,
        beats: Beats::Heard,
    }
}

/// Whether it was the way between the two, of which each end sees the same.
const fn is_of_the_way(cause: &Cause) -> bool {
    matches!(cause, Cause::WasCutOff { .. } | Cause::OneWay { .. })
}

/// What a silence turns out to have been, told by the first beat after it.
fn what_it_was(beat: &Heartbeat, old_boot: BootId, (before, silence): (&Health, Span)) -> Cause {
    let node = beat.sender.clone();
    if beat.health.machine != before.machine {
        return Cause::PowerLost { node };
    }
    if beat.boot != old_boot {
        return Cause::AgentLost { node };
    }
    // A pause that it had told of before is another story, and a short one was not all of it.
    let pause = beat.health.stood_still;
    if pause != before.stood_still && pause + pause >= silence {
        return Cause::Frozen { node, pause };
    }
    // Nobody heard it, and it heard others for most of that time.
    if beat.health.deaf_lately.is_some_and(|deaf| deaf + deaf < silence) {
        return Cause::OneWay { node, way: Way::FromIt };
    }
    Cause::WasCutOff { node }
}
