//! The vote of a disk that two nodes share.
//!
//! The disk decides nothing. Each node writes what it claims into blocks that only it writes, and
//! *then* reads what the other claims. Claims of two nodes cross on the disk in one order, so one
//! of the two sees the other's: the lower epoch has no vote from there on, and the higher one waits
//! until what the other was last given has run out.
//!
//! Invariants: the vote of a claim is counted from before it was written; no writing names a lower
//! epoch than the one before, nor a time that ends before that of any writing before it could end,
//! so that no new life of a node takes back what a former one was given.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tsugi_vocabulary::{
    BootId, Claim, Claims, Epoch, Generation, GroupName, Held, Moment, NodeName, Span,
};

use super::heartbeat::{Ack, Heartbeat, NoPromise};
use super::voter::{is_fenced, not_in_ledger};
use crate::mutant::mutant;
use crate::record::Record;
use crate::timing::{LONGEST_TTL, TTL_CAP};

/// One node's side of the disk's vote.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DiskVote {
    me: NodeName,
    boot: BootId,
    /// When this life asked first: every former one had ended before.
    began: Option<Moment>,
    /// What was written last, or is being written.
    own: Claims,
    /// Until when an earlier claim of a group may stand for a longer time than is asked for now.
    longer: BTreeMap<GroupName, Moment>,
    question: Option<Question>,
    /// Whether it has let go of something that no writing says yet.
    unsaid: Unsaid,
    /// Since when each claim of the other has stood as it stands.
    seen: BTreeMap<GroupName, Seen>,
    /// How long is waited for what the other was given before this node's claim stood.
    waits: BTreeMap<GroupName, Wait>,
    /// The number of the other's writing that was read last, and when that was.
    other: Option<(u64, Moment)>,
    /// When the other lived: it has written since then.
    lived: Option<Moment>,
}

/// What is being written and read, for which beat.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Question {
    number: u64,
    sequence: u64,
    ttl: Span,
    membership: Generation,
    asks: Asks,
    asked: Vec<(GroupName, Epoch)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Unsaid {
    Something,
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Seen {
    boot: BootId,
    renewed: u64,
    since: Moment,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Wait {
    /// For which claim of this node.
    epoch: Epoch,
    until: Moment,
}

/// Whether a node sees the disk that has a vote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DiskSight {
    /// No disk has a vote.
    #[default]
    None,
    /// It wrote and read it within its TTL, or has just begun.
    Seen,
    /// It did, and the other node, which is heard, writes nothing there.
    OnlyHere,
    /// It did not.
    NotSeen,
}

/// What a claim asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Asks {
    /// The disk's vote for every group that the beat asks for.
    ForVotes,
    /// Nothing: it shows that this node lives, and what it has let go.
    ForNothing,
}

impl DiskVote {
    /// A node at its start. `found` is what former lives of it have written; none if none did.
    #[must_use]
    pub fn new(me: NodeName, boot: BootId, found: Option<Claims>) -> Self {
        let mut own = found.unwrap_or_default();
        if mutant("disk-forgets-at-start") {
            own.groups.clear();
        }
        // A writing that a former life left under way has the next number, at most.
        own.number += 1;
        own.boot = boot;
        let (seen, waits, longer) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let (question, unsaid, other, lived) = (None, Unsaid::Nothing, None, None);
        let began = None;
        Self { me, boot, began, own, longer, question, unsaid, seen, waits, other, lived }
    }

    /// What this node has written last, or is writing.
    #[must_use]
    pub fn own(&self) -> &Claims {
        &self.own
    }

    /// What to write for `beat`, which was composed `now`, before the other's claims are read; none
    /// while an earlier writing has no answer yet.
    pub fn ask(
        &mut self,
        now: Moment,
        beat: &Heartbeat,
        asks: Asks,
        record: &Record,
    ) -> Option<Claims> {
        if self.question.is_some() {
            return None;
        }
        self.unsaid = Unsaid::Nothing;
        self.own.number += 1;
        self.own.membership = self.own.membership.max(record.membership);
        let ttl = beat.ttl.min(TTL_CAP);
        let claimed = match asks {
            Asks::ForVotes => beat.asked.as_slice(),
            Asks::ForNothing => &[],
        };
        for (group, epoch) in claimed {
            self.claim(now, (group, *epoch), ttl);
        }
        for (group, epoch) in &beat.released {
            // What another life claims is not this one's to let go.
            let boot = self.boot;
            let claim = self.own.groups.get_mut(group);
            if let Some(claim) = claim.filter(|c| c.epoch == *epoch && c.boot == boot) {
                claim.held = Held::LetGo;
            }
        }
        self.let_former_go(now, record);
        let is_there = |group: &GroupName| record.groups.contains_key(group);
        self.own.groups.retain(|group, claim| claim.held == Held::Yes || is_there(group));
        let (number, sequence) = (self.own.number, beat.sequence);
        let membership = beat.membership;
        let asked = beat.asked.clone();
        self.question = Some(Question { number, sequence, ttl, membership, asks, asked });
        Some(self.own.clone())
    }

    /// Lets go of what former lives of this node claim of a group that the ledger has given anew
    /// since, once nothing of it can run. Else it would stand for ever, and each new life of the
    /// other, which finds it for the first time, would wait for it.
    fn let_former_go(&mut self, now: Moment, record: &Record) {
        let began = *self.began.get_or_insert(now);
        let boot = self.boot;
        for (group, claim) in &mut self.own.groups {
            let over = record.group(group).is_none_or(|entry| entry.epoch > claim.epoch);
            let has_run_out = now >= began + claim.ttl || mutant("disk-lets-former-go-at-once");
            if claim.boot != boot && over && has_run_out {
                claim.held = Held::LetGo;
            }
        }
    }

    /// Lets go of every claim of this life on a group of which nothing is left here, whether or not
    /// a beat says so: the ledger may have given it to the other before this node let it go.
    pub fn let_go(&mut self, is_left: impl Fn(&GroupName) -> bool) {
        for (group, claim) in &mut self.own.groups {
            if claim.boot == self.boot && claim.held == Held::Yes && !is_left(group) {
                claim.held = Held::LetGo;
                self.unsaid = Unsaid::Something;
            }
        }
    }

    /// Whether `beat`, or this node already, lets go of something that it claims on the disk.
    #[must_use]
    pub fn owes(&self, beat: &Heartbeat) -> bool {
        let mut released = beat.released.iter();
        let owed = released.any(|(group, epoch)| {
            let claim = self.own.groups.get(group);
            claim.is_some_and(|c| c.epoch == *epoch && c.boot == self.boot && c.held == Held::Yes)
        });
        owed || self.unsaid == Unsaid::Something
    }

    /// Whether this life claims nothing more on the disk, and the last writing was answered.
    #[must_use]
    pub fn claims_nothing(&self) -> bool {
        let claimed = |claim: &Claim| claim.boot == self.boot && claim.held == Held::Yes;
        let said = self.question.is_none() && self.unsaid == Unsaid::Nothing;
        said && !self.own.groups.values().any(claimed)
    }

    fn claim(&mut self, now: Moment, (group, epoch): (&GroupName, Epoch), ttl: Span) {
        let (boot, renewed) = (self.boot, self.own.number);
        let before = self.own.groups.get(group);
        if before.is_some_and(|c| c.epoch > epoch || c.epoch == epoch && c.held == Held::LetGo) {
            return;
        }
        let stands = before.filter(|c| c.held == Held::Yes).map(|c| c.ttl);
        let ttl = self.no_sooner_over(now, group, (stands, ttl));
        let ttl = if mutant("disk-claim-names-another-ttl") { Span(ttl.0 / 2) } else { ttl };
        let claim = Claim { boot, epoch, ttl, renewed, held: Held::Yes };
        self.own.groups.insert(group.clone(), claim);
    }

    /// The time that a claim names where `asked` is asked for and the one before it named `stands`:
    /// what that gave may run until it would have run out had it been given now.
    fn no_sooner_over(
        &mut self,
        now: Moment,
        group: &GroupName,
        (stands, asked): (Option<Span>, Span),
    ) -> Span {
        let Some(stands) = stands.filter(|ttl| *ttl > asked) else {
            self.longer.remove(group);
            return asked;
        };
        let until = *self.longer.entry(group.clone()).or_insert(now + stands);
        let rest = until.since(now);
        if rest <= asked {
            self.longer.remove(group);
        }
        rest.max(asked)
    }

    /// What the disk answers to the writing of that number, which is durable; `other` was read
    /// after it, and is none if the other node never wrote. None if it is no answer to what was
    /// asked last.
    ///
    /// `now` is read after the reading.
    pub fn on_read(
        &mut self,
        now: Moment,
        (number, other): (u64, Option<&Claims>),
        record: &Record,
    ) -> Option<Ack> {
        let question = self.question.take_if(|question| question.number == number)?;
        let nothing = Claims::default();
        let other = other.unwrap_or(&nothing);
        self.see(now, other);
        let mut refused = Vec::new();
        for (group, epoch) in &question.asked {
            let no = match question.asks {
                Asks::ForVotes => self.objection(now, (group, *epoch), other, record),
                Asks::ForNothing if mutant("disk-votes-unasked") => None,
                // What is not claimed has no more of a vote than what was let go.
                Asks::ForNothing => Some(NoPromise::Released),
            };
            refused.extend(no.map(|no| (group.clone(), no)));
        }
        Some(Ack {
            voter: self.me.clone(),
            voter_boot: self.boot,
            boot: self.boot,
            sequence: question.sequence,
            ttl: question.ttl,
            applied: record.applied,
            membership: question.membership,
            refused,
        })
    }

    /// The writing of that number or the reading after it came to nothing. It may stand on the disk
    /// all the same.
    pub fn on_unread(&mut self, number: u64) {
        let failed = self.question.take_if(|question| question.number == number).is_some();
        let lets_go = |claim: &Claim| claim.boot == self.boot && claim.held == Held::LetGo;
        if failed && self.own.groups.values().any(lets_go) {
            self.unsaid = Unsaid::Something;
        }
    }

    /// A moment at which the other lived: it has written since then. None if it was not seen to.
    #[must_use]
    pub fn other_lived(&self) -> Option<Moment> {
        self.lived
    }

    fn see(&mut self, now: Moment, other: &Claims) {
        if let Some((number, at)) = self.other.replace((other.number, now))
            && number != other.number
        {
            self.lived = Some(at);
        }
        self.seen.retain(|group, _| other.groups.contains_key(group));
        for (group, claim) in &other.groups {
            let fresh = Seen { boot: claim.boot, renewed: claim.renewed, since: now };
            let seen = self.seen.entry(group.clone()).or_insert(fresh);
            let same = (seen.boot, seen.renewed) == (claim.boot, claim.renewed);
            if !same && !mutant("disk-counts-from-an-older-claim") {
                *seen = fresh;
            }
        }
    }

    /// Why the disk has no vote for this node; none if it has.
    fn objection(
        &mut self,
        now: Moment,
        (group, epoch): (&GroupName, Epoch),
        other: &Claims,
        record: &Record,
    ) -> Option<NoPromise> {
        if super::former_majority_out_there(record) {
            return Some(NoPromise::JustStarted { rest: LONGEST_TTL });
        }
        let mine = self.own.groups.get(group);
        if !mine.is_some_and(|c| c.epoch == epoch && c.boot == self.boot && c.held == Held::Yes) {
            return Some(NoPromise::Released);
        }
        if other.membership > self.own.membership && !mutant("disk-ignores-membership") {
            return Some(NoPromise::OtherMembership);
        }
        if is_fenced(record, &self.me, self.boot) {
            return Some(NoPromise::Fenced);
        }
        if let Some(no) = not_in_ledger((group, epoch), &self.me, record) {
            return Some(no);
        }
        let theirs = *other.groups.get(group)?;
        if theirs.epoch >= epoch && !mutant("disk-counts-lower-epochs") {
            return Some(NoPromise::NotOwner { epoch: theirs.epoch });
        }
        let Some(to) = other_node(record, &self.me) else {
            return Some(NoPromise::OtherMembership);
        };
        if theirs.held == Held::LetGo || is_over(record, &to, theirs.boot) {
            return None;
        }
        let until = self.wait_for((group, epoch), theirs);
        let runs = now < until && !mutant("disk-waits-for-nobody");
        runs.then(|| NoPromise::Promised { to, rest: until.since(now) })
    }

    /// Until when the other may count on what it was given. What it writes while this node's claim
    /// of a higher epoch stands gives it nothing, so the wait does not begin again.
    fn wait_for(&mut self, (group, epoch): (&GroupName, Epoch), theirs: Claim) -> Moment {
        let since = self.seen.get(group).map_or(Moment(u64::MAX), |seen| seen.since);
        let until = Moment(since.0.saturating_add(theirs.ttl.min(TTL_CAP).0));
        let fresh = Wait { epoch, until };
        let wait = self.waits.entry(group.clone()).or_insert(fresh);
        if wait.epoch != epoch {
            *wait = fresh;
        }
        wait.until
    }
}

/// The other of the two nodes; one that comes in again has no vote for a while.
fn other_node(record: &Record, me: &NodeName) -> Option<NodeName> {
    record.spec()?.nodes.keys().find(|name| *name != me).cloned()
}

/// L7: a confirmed fence ends what that life was given, and nothing of another. That its end was
/// demanded ends nothing.
fn is_over(record: &Record, node: &NodeName, boot: BootId) -> bool {
    let known = record.nodes.get(node);
    let demanded = known.and_then(|known| known.value.demanded.as_ref());
    if demanded.is_some_and(|demand| demand.boot == boot) && mutant("disk-ends-the-demanded") {
        return true;
    }
    let fenced = record.nodes.get(node).and_then(|known| known.value.fenced);
    fenced.is_some_and(|fenced| fenced == boot || mutant("disk-ends-every-boot"))
}
