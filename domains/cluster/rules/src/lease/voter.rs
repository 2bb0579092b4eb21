//! The promising side of the lease: to whom each group is promised, and until when.
//!
//! Invariants: a group is promised to one node at a time, for the asker's TTL from the moment its
//! beat was received; a promise is only ever ended early by its holder's own word, by the entry
//! that confirms its holder's fence, or not at all.

use std::collections::BTreeMap;

use tsugi_vocabulary::{BootId, Epoch, GroupName, Moment, NodeName, Span};

use super::heartbeat::{Ack, Heartbeat, NoPromise};
use crate::mutant::mutant;
use crate::record::Record;
use crate::timing::{LONGEST_TTL, SHORTEST_TTL, TTL_CAP};

/// Earlier boots of a sender that are still told from a new one.
const PAST_BOOTS: usize = 8;

/// The promising side of one node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Voter {
    me: NodeName,
    /// Its number among the voters; a list that names another is not about this one (L6).
    number: Option<u64>,
    boot: BootId,
    /// Until then a former life's promises may still run (L4).
    quiet_until: Moment,
    /// The longest TTL of any promise that may run; durable before its first use (L4).
    longest: Span,
    /// Until when promises of each longer TTL may run, those of a former life among them.
    long: BTreeMap<Span, Moment>,
    promises: BTreeMap<GroupName, Promise>,
    senders: BTreeMap<NodeName, Sender>,
    /// What each node has let go: nobody there starts it again under that epoch (L5).
    let_go: BTreeMap<NodeName, BTreeMap<GroupName, Epoch>>,
}

/// One promise: nobody else is acknowledged for the group until it has run out.
///
/// Boots of one node have no order that a voter could know: a beat of a former boot may come late,
/// after one of its successor. So each boot's part stands by itself, and what ends one part (its
/// release, its fence) leaves the others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Promise {
    /// To whom.
    pub to: NodeName,
    /// What each life of it was promised.
    parts: BTreeMap<BootId, Part>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Part {
    epoch: Epoch,
    until: Moment,
    /// The beat that it was last given for.
    sequence: u64,
}

impl Promise {
    /// Until when it runs, by this voter's clock.
    #[must_use]
    pub fn until(&self) -> Moment {
        self.parts.values().map(|p| p.until).max().unwrap_or_default()
    }

    /// The newest epoch that it was given for.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.parts.values().map(|p| p.epoch).max().unwrap_or(Epoch::NONE)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Sender {
    boot: BootId,
    sequence: u64,
    past: Vec<BootId>,
}

/// What a voter makes of a beat.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Voted {
    /// The longest TTL of any promise that may run is another: durable before the answer leaves
    /// (L4).
    pub longest: Option<Span>,
    /// The answer; none to a beat that is older than one already heard.
    pub ack: Option<Ack>,
}

impl Voter {
    /// A voter that starts at `at`. `longest` is the longest TTL of any promise of it that may
    /// run, from its own durable record; none only if the ledger has never issued an epoch.
    #[must_use]
    pub fn new(me: NodeName, boot: BootId, at: Moment, longest: Option<Span>) -> Self {
        let wait = if mutant("voter-forgets-at-start") { None } else { longest };
        let long = longest.filter(|span| *span > SHORTEST_TTL).map(|span| (span, at + span));
        // As if no TTL were longer than that of a profile.
        let stretch_forgotten = mutant("voter-forgets-the-stretch");
        let wait = wait.map(|span| if stretch_forgotten { span.min(LONGEST_TTL) } else { span });
        Self {
            me,
            number: None,
            boot,
            quiet_until: wait.map_or(Moment(0), |span| at + span),
            longest: longest.unwrap_or(Span::ZERO),
            long: long.into_iter().collect(),
            promises: BTreeMap::new(),
            senders: BTreeMap::new(),
            let_go: BTreeMap::new(),
        }
    }

    /// Promises nothing before `until`: what others promised under a former ledger may run so long.
    pub fn keep_quiet(&mut self, until: Moment) {
        self.quiet_until = self.quiet_until.max(until);
    }

    /// The same with its number among the voters, which its disk was given and nobody else has.
    #[must_use]
    pub fn numbered(self, number: Option<u64>) -> Self {
        Self { number, ..self }
    }

    /// Answers a beat of any node, this one among them.
    pub fn on_heartbeat(&mut self, now: Moment, beat: &Heartbeat, record: &Record) -> Voted {
        if !self.is_news(beat) {
            return Voted::default();
        }
        self.end_fenced(record);
        self.take_releases(beat, record);
        let ttl = beat.ttl.min(TTL_CAP);
        let ttl = if mutant("voter-takes-its-own-ttl") { Span(ttl.0 / 2) } else { ttl };
        let mut refused = Vec::new();
        let mut longest = None;
        for (group, epoch) in &beat.asked {
            match self.objection(now, (group, *epoch), beat, record) {
                Some(no) => refused.push((group.clone(), no)),
                None => {
                    self.promise(group, *epoch, beat, now + ttl);
                    self.note_long(now, ttl);
                    if ttl > self.longest {
                        self.longest = ttl;
                        longest = Some(ttl);
                    }
                }
            }
        }
        if let Some(less) = self.no_longer(now, record) {
            self.longest = less;
            longest = Some(less);
        }
        let ack = Ack {
            voter: self.me.clone(),
            voter_boot: self.boot,
            boot: beat.boot,
            sequence: beat.sequence,
            ttl: beat.ttl.min(TTL_CAP),
            applied: record.applied,
            membership: record.membership,
            refused,
        };
        Voted { longest, ack: Some(ack) }
    }

    /// Whether `beat` is not older than one already heard. Copies of it share its sequence.
    fn is_news(&mut self, beat: &Heartbeat) -> bool {
        if mutant("voter-takes-old-beats") {
            return true;
        }
        let Some(sender) = self.senders.get_mut(&beat.sender) else {
            let first = Sender { boot: beat.boot, sequence: beat.sequence, past: Vec::new() };
            self.senders.insert(beat.sender.clone(), first);
            return true;
        };
        if sender.boot == beat.boot {
            let news = beat.sequence >= sender.sequence;
            sender.sequence = sender.sequence.max(beat.sequence);
            return news;
        }
        if sender.past.contains(&beat.boot) {
            return false;
        }
        let former = std::mem::replace(&mut sender.boot, beat.boot);
        sender.past.push(former);
        if sender.past.len() > PAST_BOOTS {
            sender.past.remove(0);
        }
        sender.sequence = beat.sequence;
        true
    }

    /// Why `group` is not promised to the sender under `epoch`; none if it is.
    fn objection(
        &self,
        now: Moment,
        (group, epoch): (&GroupName, Epoch),
        beat: &Heartbeat,
        record: &Record,
    ) -> Option<NoPromise> {
        if super::former_majority_out_there(record) {
            return Some(NoPromise::JustStarted { rest: TTL_CAP });
        }
        if epoch.incarnation != record.incarnation && !mutant("voter-serves-other-incarnations") {
            let known = record.group(group).map_or(Epoch::NONE, |entry| entry.epoch);
            return Some(NoPromise::NotOwner { epoch: known });
        }
        if now < self.quiet_until {
            return Some(NoPromise::JustStarted { rest: self.quiet_until.since(now) });
        }
        let unchecked = mutant("voter-ignores-membership") || mutant("membership-unchecked");
        if beat.membership != record.membership && !unchecked {
            return Some(NoPromise::OtherMembership);
        }
        // Under this name the list may have another number still: that of a disk that was lost
        // with all it had promised. What it promised runs on; this one has no vote yet (L6).
        if !self.has_vote(record) && !mutant("voter-of-another-number") {
            return Some(NoPromise::OtherMembership);
        }
        if is_fenced(record, &beat.sender, beat.boot) && !mutant("voter-serves-the-fenced") {
            return Some(NoPromise::Fenced);
        }
        if let Some(no) = not_in_ledger((group, epoch), &beat.sender, record) {
            return Some(no);
        }
        let let_go = self.let_go.get(&beat.sender).and_then(|groups| groups.get(group));
        if let_go.is_some_and(|e| epoch <= *e) {
            return Some(NoPromise::Released);
        }
        let promise = self.promise_of(group, now)?;
        if promise.to != beat.sender && !mutant("voter-promises-twice") {
            let rest = promise.until().since(now);
            return Some(NoPromise::Promised { to: promise.to.clone(), rest });
        }
        (promise.to == beat.sender && epoch < promise.epoch())
            .then(|| NoPromise::NotOwner { epoch: promise.epoch() })
    }

    /// A promise of this TTL was given.
    fn note_long(&mut self, now: Moment, ttl: Span) {
        if ttl > SHORTEST_TTL {
            self.long.retain(|_, until| now < *until);
            let until = self.long.entry(ttl).or_insert(now + ttl);
            *until = (now + ttl).max(*until);
        }
    }

    /// The longest TTL of any promise that may still run, if that is less than what is durable:
    /// longer ones have run out, those of a former life among them, and none will be asked for.
    fn no_longer(&self, now: Moment, record: &Record) -> Option<Span> {
        let runs = |until: &Moment| now < *until && !mutant("promise-shortened-early");
        let running = self.long.iter().filter(|(_, until)| runs(until)).map(|(ttl, _)| *ttl).max();
        let needed = record.timing().ttl.max(running.unwrap_or(Span::ZERO));
        (needed < self.longest).then_some(needed)
    }

    fn has_vote(&self, record: &Record) -> bool {
        let listed = record.voters.get(&self.me).copied();
        record.voters.is_empty() || listed.is_some() && listed == self.number
    }

    fn promise(&mut self, group: &GroupName, epoch: Epoch, beat: &Heartbeat, until: Moment) {
        let fresh = || Promise { to: beat.sender.clone(), parts: BTreeMap::new() };
        let promise = self.promises.entry(group.clone()).or_insert_with(fresh);
        if promise.to != beat.sender {
            *promise = fresh();
        }
        let until = match promise.parts.get(&beat.boot) {
            // A late copy of a beat that was already answered gives no more time.
            Some(part) if part.sequence == beat.sequence => part.until,
            Some(part) => part.until.max(until),
            None => until,
        };
        let part = Part { epoch, until, sequence: beat.sequence };
        promise.parts.insert(beat.boot, part);
        if promise.parts.len() > PAST_BOOTS {
            let oldest = promise.parts.iter().min_by_key(|(_, part)| part.until);
            if let Some(boot) = oldest.map(|(boot, _)| *boot) {
                promise.parts.remove(&boot);
            }
        }
    }

    /// L5: the holder's own word ends a promise at once, and for good.
    fn take_releases(&mut self, beat: &Heartbeat, record: &Record) {
        let final_word = !mutant("voter-lets-the-released-return");
        if final_word && (!beat.released.is_empty() || self.let_go.contains_key(&beat.sender)) {
            let let_go = self.let_go.entry(beat.sender.clone()).or_default();
            for (group, epoch) in &beat.released {
                let newest = let_go.entry(group.clone()).or_insert(*epoch);
                *newest = (*newest).max(*epoch);
            }
            let stands = |group: &GroupName, epoch: Epoch| {
                record.group(group).is_none_or(|entry| entry.epoch <= epoch)
            };
            let_go.retain(|group, epoch| stands(group, *epoch));
        }
        for (group, epoch) in &beat.released {
            let anybody = mutant("voter-lets-anybody-release");
            let Some(promise) = self.promises.get_mut(group) else { continue };
            if promise.to == beat.sender || anybody {
                promise
                    .parts
                    .retain(|boot, part| (*boot != beat.boot || part.epoch != *epoch) && !anybody);
            }
        }
    }

    /// L7: a confirmed fence ends the promises to the boot that it names, and to no other.
    fn end_fenced(&mut self, record: &Record) {
        let any_boot = mutant("voter-ends-every-boot");
        for promise in self.promises.values_mut() {
            let Some(node) = record.nodes.get(&promise.to) else { continue };
            let Some(fenced) = node.value.fenced else { continue };
            promise.parts.retain(|boot, _| *boot != fenced && !any_boot);
        }
    }

    /// The running promise of `group`.
    #[must_use]
    pub fn promise_of(&self, group: &GroupName, now: Moment) -> Option<&Promise> {
        self.promises.get(group).filter(|p| now < p.until())
    }

    /// The longest TTL of any promise of this voter that may still run.
    #[must_use]
    pub fn longest(&self) -> Span {
        self.longest
    }

    /// Until when this voter stays silent after its start (L4).
    #[must_use]
    pub fn quiet_until(&self) -> Moment {
        self.quiet_until
    }

    /// Drops what has run out.
    pub fn forget_expired(&mut self, now: Moment) {
        for promise in self.promises.values_mut() {
            promise.parts.retain(|_, part| now < part.until);
        }
        self.promises.retain(|_, p| !p.parts.is_empty());
    }
}

pub(super) fn is_fenced(record: &Record, node: &NodeName, boot: BootId) -> bool {
    record.nodes.get(node).is_some_and(|n| n.value.fenced == Some(boot))
}

/// What the ledger, as this voter has applied it, has against the sender (L1, L9).
///
/// An epoch above the newest applied is promised: the voter lags, its answer says how far it has
/// applied, and the asker does not count it (L3).
pub(super) fn not_in_ledger(
    (group, epoch): (&GroupName, Epoch),
    sender: &NodeName,
    record: &Record,
) -> Option<NoPromise> {
    let entry = record.group(group)?;
    let older = epoch < entry.epoch;
    let other = epoch == entry.epoch && entry.owner() != Some(sender);
    if (older || other) && !mutant("voter-takes-old-epochs") {
        return Some(NoPromise::NotOwner { epoch: entry.epoch });
    }
    let pin = entry.pause.as_ref().and_then(|p| p.pinned.as_ref())?;
    (pin != sender && !mutant("voter-unpins-early"))
        .then(|| NoPromise::Pinned { node: pin.clone() })
}
