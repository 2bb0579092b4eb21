//! Three voters, one group, and a record in which anything can be set.

use std::collections::BTreeMap;
use std::sync::Arc;

use tsugi_vocabulary::{BootId, Epoch, Generation, GroupName, Index, Moment, NodeName, Span, Wall};

use crate::lease::heartbeat::{Ack, Health, Heartbeat, NoPromise};
use crate::lease::holder::Holder;
use crate::lease::voter::Voter;
use crate::reason::Cause;
use crate::record::{
    AppliedConfig, GroupIntent, GroupRecord, Guard, NodeRecord, Order, Ownership, Pause, Phase,
    Record, Stretch, Versioned,
};
use crate::spec::{ClusterSpec, LedgerPlace, NodeSpec, Role};
use crate::start_kind::StartKind;
use crate::timing::{Profile, Timing};

pub const TTL: Span = Timing::of(Profile::Default).ttl;
pub const STOP: Span = Timing::of(Profile::Default).stop;

pub fn name(text: &str) -> NodeName {
    NodeName::new(text).unwrap()
}

pub fn group() -> GroupName {
    GroupName::new("bank").unwrap()
}

pub fn epoch(counter: u64) -> Epoch {
    Epoch { incarnation: 1, counter }
}

pub fn ms(n: u64) -> Moment {
    Moment(0) + Span::millis(n)
}

/// A record with the voters a, b and c; the group is owned by `owner` under `counter`, by the
/// entry at `entry`, which is the last one applied.
pub fn owned(owner: &str, counter: u64, entry: u64) -> Record {
    let nodes = ["a", "b", "c"].map(|n| {
        let role = if n == "c" { Role::Witness } else { Role::Node };
        (name(n), NodeSpec { addresses: Vec::new(), role, fence: None })
    });
    let spec = ClusterSpec {
        name: "t".into(),
        timing: Profile::Default,
        language: None,
        nodes: BTreeMap::from(nodes),
        groups: BTreeMap::new(),
        ledger: LedgerPlace::OnNodes,
        environment: Default::default(),
    };
    let config = AppliedConfig {
        version: 1,
        hash: String::new(),
        text: String::new(),
        spec,
        unconfirmed: None,
    };
    let mut value = GroupRecord::new(GroupIntent::Run);
    value.epoch = epoch(counter);
    value.ownership = Ownership::Owned {
        node: name(owner),
        boot: None,
        start: StartKind::Normal,
        cause: Cause::ClusterStart,
        phase: Phase::Starting,
        handover: None,
    };
    let mut record = Record {
        incarnation: 1,
        applied: Index(entry),
        membership: Generation(1),
        config: Some(Arc::new(config)),
        ..Record::default()
    };
    record.groups.insert(group(), Versioned { version: Index(entry), value: Arc::new(value) });
    record
}

/// The same record with the group changed.
pub fn with(mut record: Record, change: impl FnOnce(&mut GroupRecord)) -> Record {
    let entry = record.groups.get_mut(&group()).unwrap();
    change(Arc::make_mut(&mut entry.value));
    record
}

/// The same record with one voter more, one generation later.
pub fn with_a_fourth(mut record: Record) -> Record {
    record.membership = record.membership.next();
    let config = Arc::make_mut(record.config.as_mut().unwrap());
    config
        .spec
        .nodes
        .insert(name("d"), NodeSpec { addresses: Vec::new(), role: Role::Node, fence: None });
    record
}

pub fn fenced(mut record: Record, node: &str, boot: BootId) -> Record {
    let value = NodeRecord { fenced: Some(boot), ..NodeRecord::new(1) };
    record.nodes.insert(name(node), Versioned { version: record.applied, value: Arc::new(value) });
    record
}

pub fn pinned_to(node: &str) -> Pause {
    let order =
        Order { by: String::new(), reason: String::new(), at: Wall(0), command: String::new() };
    Pause { order, until: None, pinned: Some(name(node)), guard: Guard::Disarmed }
}

pub fn holder(me: &str) -> Holder {
    Holder::new(name(me), boot_of(me))
}

pub fn boot_of(node: &str) -> BootId {
    BootId(u128::from(node.as_bytes()[0]))
}

/// A voter that never promised anything before.
pub fn voter(me: &str) -> Voter {
    Voter::new(name(me), boot_of(me), ms(0), None)
}

/// A holder that wants the group as `record` gives it.
pub fn wanting(me: &str, record: &Record) -> Holder {
    let mut holder = holder(me);
    want(&mut holder, record);
    holder
}

pub fn want(holder: &mut Holder, record: &Record) {
    let entry = &record.groups[&group()];
    holder.want(&group(), entry.value.epoch, entry.version, STOP);
}

pub fn beat(holder: &mut Holder, now: Moment, record: &Record) -> Heartbeat {
    holder.compose(now, TTL, record, Health::default())
}

/// A beat of `from` with sequence `sequence` that asks for the group under `counter`.
pub fn asks(from: &str, sequence: u64, counter: u64) -> Heartbeat {
    Heartbeat {
        sender: name(from),
        boot: boot_of(from),
        sequence,
        membership: Generation(1),
        applied: Index(0),
        sent: ms(0),
        ttl: TTL,
        asked: vec![(group(), epoch(counter))],
        released: Vec::new(),
        health: Health::default(),
    }
}

/// A beat that asks for nothing and says that `counter` was released.
pub fn releases(from: &str, sequence: u64, counter: u64) -> Heartbeat {
    let asked = Vec::new();
    Heartbeat { asked, released: vec![(group(), epoch(counter))], ..asks(from, sequence, counter) }
}

/// The answer of a voter that has nothing against `beat`.
pub fn yes(voter: &str, beat: &Heartbeat, applied: u64) -> Ack {
    Ack {
        voter: name(voter),
        voter_boot: boot_of(voter),
        boot: beat.boot,
        sequence: beat.sequence,
        ttl: beat.ttl,
        applied: Index(applied),
        membership: Generation(1),
        refused: Vec::new(),
    }
}

/// What `voter` has against the beat; none if it promises the group.
pub fn refusal(
    voter: &mut Voter,
    now: Moment,
    beat: &Heartbeat,
    record: &Record,
) -> Option<NoPromise> {
    let ack = voter.on_heartbeat(now, beat, record).ack.expect("the beat is news");
    ack.refused.first().map(|(_, no)| no.clone())
}

pub fn promises(voter: &mut Voter, now: Moment, beat: &Heartbeat, record: &Record) -> bool {
    refusal(voter, now, beat, record).is_none()
}

/// The same while every time-out is `ratio` times as long.
pub fn stretched(mut record: Record, ratio: u32) -> Record {
    let (by, reason) = ("mika".to_owned(), "storage move".to_owned());
    let order = Order { by, reason, at: Wall(0), command: "c-1".to_owned() };
    let within = Span::secs(3_600);
    record.stretch = Some(Arc::new(Stretch { ratio, order, within, over: None }));
    record
}
