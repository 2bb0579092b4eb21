//! The asking side of the lease: which groups this node may run, and until when.
//!
//! ```text
//! Asking ──its deadline passed──▶ Lapsed ──┐
//!    │                                     ├──verified stop──▶ Released ──ledger shows it──▶ gone
//!    └──something could not be removed──▶ GivenUp ─┘
//! ```
//!
//! Invariants: a deadline never goes back; only an asking claim gains one; an epoch that was
//! released or that lapsed is never asked for again (L5).

use std::collections::{BTreeMap, VecDeque};

use tsugi_vocabulary::{BootId, Epoch, Generation, GroupName, Index, Moment, NodeName, Span};

use super::heartbeat::{Ack, Health, Hearing, Heartbeat, NoPromise};
use super::{has_disk, is_voter, majority, voters};
use crate::mutant::mutant;
use crate::record::Record;
use crate::timing::TTL_CAP;

/// Answers to older beats than this are of no use to anybody.
const REMEMBERED: usize = 128;

/// How soon a voter is asked again whose ledger had not reached the entry yet.
const BEHIND: Span = Span::millis(2);
/// So many beats of an asker may come early for voters that are behind.
const CATCH_UP: u64 = 16;

/// The asking side of one node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Holder {
    me: NodeName,
    boot: BootId,
    sequence: u64,
    /// When each of the last beats was sent, and under which list of voters; the newest last.
    sent: VecDeque<(Moment, Generation)>,
    /// The newest beat that each voter has answered, by its send time.
    answered: BTreeMap<Voice, Moment>,
    began: Option<Moment>,
    membership: Generation,
    claims: BTreeMap<GroupName, Claim>,
    /// The newest epoch that this node has let go, for each group (L5).
    over: BTreeMap<GroupName, Epoch>,
    clocks: Option<ClockBound>,
}

/// What may be assumed of clocks and schedulers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClockBound {
    /// The guard G.
    pub guard: Span,
    /// The bound ρ in parts per million.
    pub rho_ppm: u64,
}

/// One group that the ledger gives to this node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Claim {
    epoch: Epoch,
    /// The ledger entry that gave it.
    entry: Index,
    stop: Span,
    /// The first beat that asked for it.
    first: Option<u64>,
    stage: Stage,
    pinned: Pinned,
    deadline: Option<Moment>,
    /// Until when each voter's promise runs at least, by this node's clock.
    votes: BTreeMap<Voice, Moment>,
}

/// Whose vote it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Voice {
    Node(NodeName),
    Disk,
}

impl Voice {
    fn has_vote(&self, record: &Record) -> bool {
        match self {
            Self::Node(name) => is_voter(record, name),
            Self::Disk => has_disk(record),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Stage {
    Asking,
    /// Its deadline has passed: a node that went on asking would keep the others from it (L5).
    Lapsed,
    /// Something of it could not be removed here; neither asked for nor released.
    GivenUp,
    /// Nothing of it is left here; final.
    Released,
}

/// Whether the ledger pins the group to this node: then its lease may pass and be renewed (L9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Pinned {
    Here,
    No,
}

impl Holder {
    /// A node that asks for nothing yet.
    #[must_use]
    pub fn new(me: NodeName, boot: BootId) -> Self {
        Self {
            me,
            boot,
            sequence: 0,
            sent: VecDeque::new(),
            answered: BTreeMap::new(),
            began: None,
            membership: Generation::NONE,
            claims: BTreeMap::new(),
            over: BTreeMap::new(),
            clocks: None,
        }
    }

    /// The same with another bound than that of the configured times.
    #[must_use]
    pub fn with_clocks(mut self, clocks: ClockBound) -> Self {
        self.clocks = Some(clocks);
        self
    }

    /// The ledger gives `group` to this node under `epoch` by the entry at `entry`; `stop` is its
    /// stop budget S. Said again at every step; an epoch that was let go stays so.
    pub fn want(&mut self, group: &GroupName, epoch: Epoch, entry: Index, stop: Span) {
        let over = self.over.get(group).is_some_and(|o| epoch <= *o);
        if over && !mutant("lease-asked-after-release") {
            return;
        }
        if let Some(claim) = self.claims.get_mut(group) {
            if epoch < claim.epoch {
                return;
            }
            if epoch == claim.epoch && claim.stage != Stage::Released {
                claim.stop = stop;
                return;
            }
        }
        let claim = Claim {
            epoch,
            entry,
            stop,
            first: None,
            stage: Stage::Asking,
            pinned: Pinned::No,
            deadline: None,
            votes: BTreeMap::new(),
        };
        self.claims.insert(group.clone(), claim);
    }

    /// The group is not this node's any more and nothing of it is here.
    pub fn forget(&mut self, group: &GroupName) {
        self.claims.remove(group);
    }

    /// A verified stop: every beat says so until the ledger shows it. Final for this epoch (L5).
    pub fn released(&mut self, group: &GroupName, epoch: Epoch) {
        let over = self.over.entry(group.clone()).or_insert(epoch);
        *over = epoch.max(*over);
        if let Some(claim) = self.claims.get_mut(group).filter(|c| c.epoch == epoch) {
            claim.stage = Stage::Released;
            claim.votes.clear();
        }
    }

    /// This life of the node ends: nothing is asked for any more, as after a deadline.
    pub fn ask_no_more(&mut self) {
        for claim in self.claims.values_mut().filter(|c| c.stage == Stage::Asking) {
            claim.stage = Stage::Lapsed;
            claim.votes.clear();
        }
    }

    /// Something of the group cannot be removed: it is neither asked for nor released; what the
    /// guardian knows of its deadline stands.
    pub fn give_up(&mut self, group: &GroupName) {
        let claim = self.claims.get_mut(group);
        if let Some(claim) = claim.filter(|c| c.stage != Stage::Released) {
            claim.stage = Stage::GivenUp;
            claim.votes.clear();
        }
    }

    /// The beat of this moment. `now` is read before the first copy leaves (L3).
    pub fn compose(
        &mut self,
        now: Moment,
        ttl: Span,
        record: &Record,
        health: Health,
    ) -> Heartbeat {
        self.follow(record);
        self.began.get_or_insert(now);
        self.lapse(now);
        self.sequence += 1;
        self.sent.push_back((now, record.membership));
        if self.sent.len() > REMEMBERED {
            self.sent.pop_front();
        }
        let sequence = self.sequence;
        let mut asked = Vec::new();
        let mut released = Vec::new();
        for (group, claim) in &mut self.claims {
            match claim.stage {
                Stage::Asking => {
                    claim.first.get_or_insert(sequence);
                    asked.push((group.clone(), claim.epoch));
                }
                Stage::Lapsed | Stage::GivenUp => {}
                Stage::Released => released.push((group.clone(), claim.epoch)),
            }
        }
        Heartbeat {
            sender: self.me.clone(),
            boot: self.boot,
            sequence,
            membership: record.membership,
            applied: record.applied,
            sent: now,
            ttl: ttl.min(TTL_CAP),
            asked,
            released,
            health,
        }
    }

    /// Takes a voter's answer; the groups whose deadline moved on, each with its new deadline.
    pub fn on_ack(
        &mut self,
        now: Moment,
        ack: &Ack,
        record: &Record,
    ) -> Vec<(GroupName, Epoch, Moment)> {
        self.count(now, Voice::Node(ack.voter.clone()), ack, record)
    }

    /// The same for the vote of the disk, as [`super::disk_vote::DiskVote`] has made it of what
    /// this node wrote there and then read.
    pub fn on_disk(
        &mut self,
        now: Moment,
        ack: &Ack,
        record: &Record,
    ) -> Vec<(GroupName, Epoch, Moment)> {
        self.count(now, Voice::Disk, ack, record)
    }

    fn count(
        &mut self,
        now: Moment,
        voice: Voice,
        ack: &Ack,
        record: &Record,
    ) -> Vec<(GroupName, Epoch, Moment)> {
        self.follow(record);
        self.lapse(now);
        let Some(sent) = self.counts_from(now, &voice, ack, record) else { return Vec::new() };
        let clocks = self.clocks.unwrap_or_else(|| clocks_of(record));
        let of_disk = voice == Voice::Disk;
        let ignored = mutant("lease-drift-ignored") || of_disk && mutant("disk-drift-ignored");
        let drift = if ignored { Span::ZERO } else { ack.ttl.ppm(2 * clocks.rho_ppm) };
        let promised = sent + ack.ttl.saturating_sub(drift);
        let need = majority(voters(record));
        let mut moved = Vec::new();
        for (group, claim) in &mut self.claims {
            if !claim.takes(group, ack) {
                continue;
            }
            let vote = claim.votes.entry(voice.clone()).or_insert(promised);
            *vote = promised.max(*vote);
            let Some(until) = claim.majority_until(need) else { continue };
            let kill = if mutant("lease-guard-ignored") {
                until
            } else {
                until.saturating_sub(claim.stop).saturating_sub(clocks.guard)
            };
            if kill > now && claim.deadline.is_none_or(|d| kill > d) {
                claim.deadline = Some(kill);
                moved.push((group.clone(), claim.epoch, kill));
            }
        }
        moved
    }

    /// How long until the voter of `ack` could promise what it has just not promised: another's
    /// promise runs for so long, it is silent after its start, or its ledger is a little behind.
    /// None if nothing is waited for. An asker that waited for its next beat instead would lose
    /// most of a beat in every takeover.
    #[must_use]
    pub fn ask_again(&self, ack: &Ack) -> Option<Span> {
        if ack.boot != self.boot {
            return None;
        }
        let waits = |(group, claim): (&GroupName, &Claim)| {
            let first = claim.first.filter(|first| ack.sequence >= *first)?;
            if claim.stage != Stage::Asking || claim.deadline.is_some() {
                return None;
            }
            match ack.refused.iter().find(|(g, _)| g == group) {
                Some((_, NoPromise::Promised { rest, .. } | NoPromise::JustStarted { rest })) => {
                    Some(*rest)
                }
                Some((
                    _,
                    NoPromise::NotOwner { .. }
                    | NoPromise::Pinned { .. }
                    | NoPromise::Released
                    | NoPromise::Fenced
                    | NoPromise::OtherMembership,
                )) => None,
                None => {
                    let behind = ack.applied < claim.entry && ack.sequence - first < CATCH_UP;
                    behind.then_some(BEHIND)
                }
            }
        };
        self.claims.iter().filter_map(waits).min()
    }

    /// The send time of the beat that `ack` answers, if the answer may count at all.
    fn counts_from(
        &mut self,
        now: Moment,
        voice: &Voice,
        ack: &Ack,
        record: &Record,
    ) -> Option<Moment> {
        if ack.boot != self.boot || !voice.has_vote(record) {
            return None;
        }
        let (sent, generation) = self.sent_at(ack.sequence)?;
        let newest = self.answered.entry(voice.clone()).or_insert(sent);
        *newest = sent.max(*newest);
        let same = ack.membership == record.membership && generation == record.membership;
        let unchecked = mutant("lease-membership-ignored") || mutant("membership-unchecked");
        if !same && !unchecked {
            return None;
        }
        let of_disk = *voice == Voice::Disk;
        let late =
            mutant("lease-from-reply-time") || of_disk && mutant("disk-counted-from-reading");
        Some(if late { now } else { sent })
    }

    /// When a beat was sent, and under which list of voters; none if it is too old.
    fn sent_at(&self, sequence: u64) -> Option<(Moment, Generation)> {
        let newer = usize::try_from(self.sequence.checked_sub(sequence)?).ok()?;
        self.sent.get(self.sent.len().checked_sub(newer + 1)?).copied()
    }

    /// Takes over what the record says of voters and pins, and drops what it shows as over.
    fn follow(&mut self, record: &Record) {
        if self.membership != record.membership {
            // Promises of another list of voters may not be counted together with this one's.
            self.membership = record.membership;
            for claim in self.claims.values_mut() {
                claim.votes.clear();
            }
            self.answered.retain(|voice, _| voice.has_vote(record));
        }
        let me = &self.me;
        self.claims.retain(|group, claim| {
            let Some(entry) = record.group(group) else {
                return claim.stage != Stage::Released;
            };
            let pin = entry.pause.as_ref().and_then(|p| p.pinned.as_ref());
            claim.pinned = if pin == Some(me) { Pinned::Here } else { Pinned::No };
            let shown = entry.epoch > claim.epoch
                || (entry.epoch == claim.epoch && entry.owner() != Some(me));
            !(shown && claim.stage == Stage::Released)
        });
    }

    /// Marks what has passed its deadline.
    fn lapse(&mut self, now: Moment) {
        if mutant("lease-asked-after-deadline") {
            return;
        }
        for claim in self.claims.values_mut() {
            let passed = claim.deadline.is_some_and(|d| d <= now);
            if passed && claim.stage == Stage::Asking && claim.pinned == Pinned::No {
                claim.stage = Stage::Lapsed;
                claim.votes.clear();
            }
        }
    }

    /// Until when this node may run `group`: the start of the kill.
    #[must_use]
    pub fn deadline(&self, group: &GroupName) -> Option<Moment> {
        self.claims.get(group).and_then(|c| c.deadline)
    }

    /// The groups whose deadline has passed and that are not released yet, at every call.
    pub fn lapsed(&mut self, now: Moment) -> Vec<GroupName> {
        self.lapse(now);
        let lapsed = |(_, c): &(&GroupName, &Claim)| match c.stage {
            Stage::Lapsed => true,
            // Only where a fault keeps it asking.
            Stage::Asking => c.pinned == Pinned::No && c.deadline.is_some_and(|d| d <= now),
            Stage::GivenUp | Stage::Released => false,
        };
        self.claims.iter().filter(lapsed).map(|(group, _)| group.clone()).collect()
    }

    /// The next deadline that will pass unless it is renewed.
    #[must_use]
    pub fn next_lapse(&self) -> Option<Moment> {
        let asking = |c: &&Claim| c.stage == Stage::Asking && c.pinned == Pinned::No;
        self.claims.values().filter(asking).filter_map(|c| c.deadline).min()
    }

    /// Whether a group is asked for that has no deadline yet.
    #[must_use]
    pub fn waits_for_first(&self) -> bool {
        self.claims.values().any(|c| c.stage == Stage::Asking && c.deadline.is_none())
    }

    /// Whether one of the voters that are `there` has answered no beat of the last `span`.
    #[must_use]
    pub fn misses(&self, now: Moment, span: Span, there: impl Fn(&NodeName) -> bool) -> bool {
        self.answered.iter().any(|(voice, sent)| match voice {
            Voice::Node(name) => now.since(*sent) >= span && there(name),
            Voice::Disk => false,
        })
    }

    /// Whether another node has answered a beat of the last `span`: then no vote of the disk is
    /// needed.
    #[must_use]
    pub fn is_answered_by_a_node(&self, now: Moment, span: Span) -> bool {
        self.answered.iter().any(|(voice, sent)| match voice {
            Voice::Node(name) => *name != self.me && now.since(*sent) < span,
            Voice::Disk => false,
        })
    }

    /// Whether a group is asked for that no other node promises for `span` from now on. An answer
    /// alone promises nothing: who has just begun, or does not have the entry that gave the group,
    /// answers too.
    #[must_use]
    pub fn lacks_a_node(&self, now: Moment, span: Span) -> bool {
        let promises = |(voice, until): (&Voice, &Moment)| match voice {
            Voice::Node(name) => *name != self.me && *until >= now + span,
            Voice::Disk => false,
        };
        let mut asking = self.claims.values().filter(|claim| claim.stage == Stage::Asking);
        asking.any(|claim| !claim.votes.iter().any(promises))
    }

    /// Whether the disk was written and read for a beat of the last `span`.
    #[must_use]
    pub fn is_answered_by_the_disk(&self, now: Moment, span: Span) -> bool {
        self.answered.get(&Voice::Disk).is_some_and(|sent| now.since(*sent) < span)
    }

    /// Whether a majority of `voters` has answered a beat of the last `ttl`. A node that has just
    /// begun is given that time.
    #[must_use]
    pub fn hearing(&self, now: Moment, ttl: Span, voters: usize) -> Hearing {
        let young = self.began.is_none_or(|b| now.since(b) < ttl);
        if young || self.heard(now, ttl) >= majority(voters) {
            Hearing::Majority
        } else {
            Hearing::Minority
        }
    }

    /// How many voters, this node among them, have answered a beat of the last `ttl` (L12).
    #[must_use]
    pub fn heard(&self, now: Moment, ttl: Span) -> usize {
        self.answered.values().filter(|sent| now.since(**sent) < ttl).count()
    }
}

impl Claim {
    /// Whether `ack` is a promise for this claim (L3).
    fn takes(&self, group: &GroupName, ack: &Ack) -> bool {
        let asked = self.first.is_some_and(|first| ack.sequence >= first);
        let applied = ack.applied >= self.entry || mutant("lease-ack-without-entry");
        let refused = ack.refused.iter().any(|(g, _)| g == group);
        self.stage == Stage::Asking && asked && applied && !refused
    }

    /// Until when a majority's promises run: the `need`-th newest.
    fn majority_until(&self, need: usize) -> Option<Moment> {
        let ends = || self.votes.values().copied();
        if mutant("lease-any-vote-counts") || need == 0 {
            return ends().max();
        }
        let as_late = |end: Moment| ends().filter(|other| *other >= end).count();
        let until = ends().filter(|end| as_late(*end) >= need).max()?;
        if mutant("lease-newest-vote-counts") {
            return ends().max();
        }
        Some(until)
    }
}

fn clocks_of(record: &Record) -> ClockBound {
    let timing = record.timing();
    ClockBound { guard: timing.guard, rho_ppm: timing.rho_ppm }
}
