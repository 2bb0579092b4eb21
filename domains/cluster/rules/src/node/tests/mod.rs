//! One node told events by hand: what it orders, and what it never orders.

mod coming_and_going;
mod disk;
mod drills;
mod ending;
mod failing;
mod failures;
mod fencing;
mod haste;
mod noting;
mod observed;
mod pair;
mod rehearsals;
mod returning;
mod silence;
mod stretching;
mod suspects;
mod taken_on;
mod voters;
mod watches;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tsugi_vocabulary::{
    BootId, Claims, Epoch, Generation, GroupName, Index, Moment, NodeName, ResourceName, Span, Wall,
};

use super::{Birth, Event, Fate, Node, Now, Order, Shows, Taken, TakenOn, Via};
use crate::desk::{Act, Outcome, State, Told};
use crate::lease::heartbeat::{Ack, Haste, Heartbeat};
use crate::lease::voter_list::VoterChange;
use crate::reason::Cause;
use crate::record::{
    AppliedConfig, Draft, GroupIntent, GroupRecord, NodeRecord, Ownership, Phase, Record, Write,
};
use crate::spec::{
    ClusterSpec, Failback, FailurePolicy, FencePolicy, GroupSpec, LedgerPlace, Mode, NodeSpec,
    ProcessHow, Rehearsing, ResourceKind, ResourceSpec, Role, Startup, Takeover,
};
use crate::start_kind::StartKind;
use crate::timing::Profile;

const BOOT: BootId = BootId(0xa);
const MACHINE: BootId = BootId(0xaa);

/// What stands around the node: a ledger that takes what it may, hands that do what they are
/// told, a guardian that hears, and voters that answer as long as they are named.
struct Bench {
    node: Node,
    now: Moment,
    record: Record,
    voters: Vec<NodeName>,
    ledger: Ledger,
    /// What was done, in words.
    done: Vec<String>,
    /// What the ledger took, in order.
    taken: Vec<Draft>,
    beats: Vec<Heartbeat>,
    /// How soon each of them was to be read.
    hastes: Vec<Haste>,
    deadlines: Vec<(Moment, Moment)>,
    found: Vec<ResourceName>,
    /// The resource whose start fails.
    failing: Option<&'static str>,
    left: bool,
    /// What scripts were last told of a return.
    told: Option<Told>,
    stops: Stops,
    voter_changes: Vec<(VoterChange, Generation)>,
    /// What was made durable of the node's own promises, in order.
    kept: Vec<Span>,
    /// What was to be written on the shared disk.
    claims: Vec<Claims>,
    /// What it shows then; it hangs if that is nothing.
    disk: Option<Shows>,
    orders: VecDeque<Order>,
}

/// How programs that are stopped end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stops {
    ByThemselves,
    Killed,
    /// What is to be stopped hangs, and is there still when all was let go of.
    Hang,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ledger {
    Answers,
    Silent,
    /// It has moved on, and this node's view has not.
    Ahead,
    /// It takes what is put to it, and this node's view does not follow for a while.
    Unseen,
}

impl Bench {
    /// The node `a` of a, b and the witness c with this record; it has run for a while already.
    fn new(record: Record) -> Self {
        Self::finding(record, Vec::new())
    }

    /// The same on a machine where this is found running.
    fn finding(record: Record, found: Vec<ResourceName>) -> Self {
        Self::knowing(record, found, BTreeMap::new())
    }

    /// The same where an earlier agent wrote down as what it took its groups on.
    fn knowing(record: Record, found: Vec<ResourceName>, taken_on: TakenOn) -> Self {
        let now = Moment(0) + Span::secs(10);
        let birth = Birth {
            name: name("a"),
            voter: record.voters.get(&name("a")).copied().or(Some(1)),
            boot: BOOT,
            machine: MACHINE,
            at: now,
            longest_promise: None,
            claimed: None,
            record: Arc::new(record.clone()),
            taken_on,
        };
        let mut bench = Self {
            node: Node::new(birth),
            now,
            record,
            voters: vec![name("b"), name("c")],
            ledger: Ledger::Answers,
            done: Vec::new(),
            taken: Vec::new(),
            beats: Vec::new(),
            hastes: Vec::new(),
            deadlines: Vec::new(),
            found,
            failing: None,
            left: false,
            told: None,
            stops: Stops::ByThemselves,
            voter_changes: Vec::new(),
            kept: Vec::new(),
            claims: Vec::new(),
            disk: Some(Shows::Claims(None)),
            orders: VecDeque::new(),
        };
        bench.tell(Event::Leader { term: 1, leader: Some(name("b")) });
        bench
    }

    /// A node that was given the group after its start, and runs it.
    fn running(record: Record) -> Self {
        let mut bench = Self::new(record);
        bench.give(|_| ());
        bench.pass(Span::secs(1));
        assert_eq!(bench.desk(), &State::Running { epoch: epoch(1) }, "{:?}", bench.done);
        bench.done.clear();
        bench.taken.clear();
        bench
    }

    /// The ledger gives the group to the node, under epoch 1.
    fn give(&mut self, also: impl Fn(&mut GroupRecord)) {
        let mut group = owned(1, "a");
        also(&mut group);
        self.write(group);
    }

    /// Somebody writes the group's entry.
    fn write(&mut self, group: GroupRecord) {
        let write = Write::Group(pay(), Arc::new(group));
        self.record.apply(&Draft::default().write(write), Index(self.record.applied.0 + 1));
        self.tell(Event::Applied(Arc::new(self.record.clone())));
    }

    /// Changes the group's entry.
    fn change(&mut self, how: impl FnOnce(&mut GroupRecord)) {
        let mut group = self.group().clone();
        how(&mut group);
        self.write(group);
    }

    /// For how long the node promised nothing after its start.
    fn quiet_for(&self) -> Option<Span> {
        let until = self.node.voter.quiet_until();
        (until > Moment(0)).then(|| until.since(Moment(0) + Span::secs(10)))
    }

    fn group(&self) -> &GroupRecord {
        self.record.group(&pay()).expect("the group is in the record")
    }

    fn desk(&self) -> &State {
        self.node.desk(&pay()).unwrap_or(&State::Clear)
    }

    /// Tells one event, then carries out what follows from it.
    fn tell(&mut self, event: Event) {
        self.step(event);
        while let Some(order) = self.orders.pop_front() {
            self.carry_out(order);
        }
    }

    fn step(&mut self, event: Event) {
        let now = Now { lease: self.now, wall: Wall(self.now.0 / 1_000_000) };
        let mut out = Vec::new();
        self.node.step(now, event, &mut out);
        self.orders.extend(out);
    }

    /// How what is ordered ends here.
    fn outcome_of(&self, what: &Act) -> Outcome {
        match what {
            Act::Adopt => Outcome::Adopted(self.found.clone()),
            Act::Stop { .. } if self.stops == Stops::Killed => {
                Outcome::Forced { took: Span::millis(2_000) }
            }
            Act::Stop { .. } | Act::LetGo if self.stops == Stops::Hang => {
                Outcome::Stuck { left: "share: no end within its limit".into() }
            }
            Act::Load { slot, .. } if self.failing == Some(slot.as_str()) => {
                Outcome::Failed { how: "no such file".into() }
            }
            Act::Start { resource, .. } if self.failing == Some(resource.as_str()) => {
                Outcome::Failed { how: "exit 3".into() }
            }
            Act::Ask { .. } if self.failing == Some("ask server") => {
                Outcome::Failed { how: "exit 3".into() }
            }
            Act::Recover { .. } if self.failing == Some("tell of a return") => {
                Outcome::Failed { how: "exit 3".into() }
            }
            Act::Start { .. }
            | Act::Stop { .. }
            | Act::LetGo
            | Act::Restart { .. }
            | Act::Notify { .. }
            | Act::Ask { .. }
            | Act::Recover { .. }
            | Act::Load { .. }
            | Act::End { .. }
            | Act::MoveAddress { .. } => Outcome::Fine { took: Span::millis(1) },
        }
    }

    fn carry_out(&mut self, order: Order) {
        match order {
            Order::Beat(beat, haste) => {
                self.hastes.push(haste);
                for voter in self.voters.clone() {
                    let ack = promise(&beat, voter, &self.record);
                    self.step(Event::Acked(ack));
                }
                self.beats.push(beat);
            }
            Order::Arm { group, epoch, deadline } => {
                self.deadlines.push((self.now, deadline));
                self.step(Event::Armed { group, epoch });
            }
            Order::Disarm { .. } => self.done.push("disarm".to_owned()),
            Order::Do { group, epoch, act, what } => {
                let outcome = self.outcome_of(&what);
                if let Act::Recover { told } = &what {
                    self.told = Some(*told);
                }
                self.done.push(word(&what));
                self.step(Event::Done { group, epoch, act, outcome });
            }
            Order::Propose { proposal, draft } => self.put(proposal, draft),
            Order::Fence { node, .. } => self.done.push(format!("fence {node}")),
            Order::AskState { node, .. } => self.done.push(format!("ask {node}")),
            Order::Rehearse { group, depth, .. } => {
                self.done.push(format!("rehearse {group} {}", depth.word()));
            }
            Order::KillProcess { group, .. } => self.done.push(format!("kill {group}")),
            Order::KillAgent => self.done.push("kill the agent".to_owned()),
            Order::Demand { .. } => self.done.push("demand an end".to_owned()),
            Order::EndLife => self.done.push("end this life".to_owned()),
            Order::EndRehearsal => self.done.push("end rehearsal".to_owned()),
            Order::ChangeVoters { change, known } => self.voter_changes.push((change, known)),
            Order::Left => self.left = true,
            Order::KeepPromise(span) => self.kept.push(span),
            Order::AskDisk(claims) => self.answer_for_disk(claims),
            Order::Answer { .. } | Order::WakeAt(_) => {}
        }
    }

    fn answer_for_disk(&mut self, claims: Claims) {
        let number = claims.number;
        self.claims.push(claims);
        if let Some(shows) = self.disk.clone() {
            self.step(Event::Disk { number, shows });
        }
    }

    fn put(&mut self, proposal: u64, draft: Draft) {
        let fate = match self.ledger {
            Ledger::Silent => Fate::Unknown,
            Ledger::Ahead => Fate::Overtaken,
            Ledger::Answers | Ledger::Unseen if !self.record.admits(&draft) => Fate::Overtaken,
            Ledger::Answers | Ledger::Unseen => {
                let index = Index(self.record.applied.0 + 1);
                self.record.apply(&draft, index);
                if self.ledger == Ledger::Answers {
                    self.step(Event::Applied(Arc::new(self.record.clone())));
                }
                self.taken.push(draft);
                Fate::Taken(index)
            }
        };
        self.step(Event::Proposed { proposal, fate });
    }

    /// Time passes, beat by beat.
    fn pass(&mut self, time: Span) {
        let end = self.now + time;
        while self.now < end {
            self.now = (self.now + Span::millis(5)).min(end);
            self.tell(Event::Tick);
        }
    }

    fn dies(&mut self, resource: &str) {
        let (group, resource) = (pay(), resource_name(resource));
        let epoch = epoch(1);
        self.tell(Event::Died { group, epoch, resource, how: "exit 3".into() });
    }

    /// The group entries that the ledger took from this node.
    fn entries(&self) -> Vec<&GroupRecord> {
        let mut entries = Vec::new();
        for write in self.taken.iter().flat_map(|d| &d.writes) {
            if let Write::Group(_, record) = write {
                entries.push(&**record);
            }
        }
        entries
    }
}

/// A voter's answer that promises what was asked.
fn promise(beat: &Heartbeat, voter: NodeName, record: &Record) -> Ack {
    Ack {
        voter_boot: BootId(u128::from(voter.as_str().as_bytes()[0])),
        voter,
        boot: beat.boot,
        sequence: beat.sequence,
        ttl: beat.ttl,
        applied: record.applied,
        membership: record.membership,
        refused: Vec::new(),
    }
}

/// A beat of another node that is well and runs nothing.
fn beat_of(sender: &str, sequence: u64, record: &Record) -> Heartbeat {
    let hash = record.config.as_ref().map_or("", |c| &c.hash);
    let health = crate::lease::heartbeat::Health {
        config: crate::planner::config_mark(hash),
        machine: BootId(77),
        ..Default::default()
    };
    Heartbeat {
        sender: name(sender),
        boot: BootId(u128::from(sender.as_bytes()[0])),
        sequence,
        membership: record.membership,
        applied: record.applied,
        sent: Moment(sequence),
        ttl: Span::millis(560),
        asked: Vec::new(),
        released: Vec::new(),
        health,
    }
}

fn via(network: usize) -> Via {
    Via { network, from: "127.0.0.1:7400".parse().unwrap() }
}

fn word(what: &Act) -> String {
    match what {
        Act::Start { resource, .. } => format!("start {resource}"),
        Act::Stop { resource, .. } => format!("stop {resource}"),
        Act::LetGo => "let go".to_owned(),
        Act::Recover { .. } => "tell of a return".to_owned(),
        Act::Ask { id, .. } => format!("ask {id}"),
        Act::Notify { notice, .. } => format!("notify of {}", notice.id),
        Act::Restart { resource, .. } => format!("restart {resource}"),
        Act::MoveAddress { resource, link } => format!("move {resource} to {link}"),
        Act::Load { slot, .. } => format!("load {slot}"),
        Act::End { slot, .. } => format!("end {slot}"),
        Act::Adopt => "look what runs".to_owned(),
    }
}

fn name(text: &str) -> NodeName {
    NodeName::new(text).unwrap()
}

fn resource_name(text: &str) -> ResourceName {
    ResourceName::new(text).unwrap()
}

fn pay() -> GroupName {
    GroupName::new("PAY").unwrap()
}

const fn epoch(counter: u64) -> Epoch {
    Epoch { incarnation: 1, counter }
}

fn owned(counter: u64, owner: &str) -> GroupRecord {
    let ownership = Ownership::Owned {
        node: name(owner),
        boot: None,
        start: StartKind::Normal,
        cause: Cause::ClusterStart,
        phase: Phase::Starting,
        handover: None,
    };
    GroupRecord { epoch: epoch(counter), ownership, ..GroupRecord::new(GroupIntent::Run) }
}

/// Nodes a and b and the witness c; the group has an address and a server on it, and may be
/// restarted once in place.
fn record() -> Record {
    let role = |name: &str| if name == "c" { Role::Witness } else { Role::Node };
    let node = |n: &str| (name(n), NodeSpec { addresses: Vec::new(), role: role(n), fence: None });
    let spec = ClusterSpec {
        name: "kessai".to_owned(),
        timing: Profile::Default,
        language: None,
        nodes: ["a", "b", "c"].iter().map(|n| node(n)).collect(),
        groups: BTreeMap::from([(pay(), group_spec())]),
        ledger: LedgerPlace::OnNodes,
        environment: Default::default(),
    };
    let hash = "0123456789abcdef".repeat(4);
    let config = AppliedConfig { version: 1, hash, text: String::new(), spec, unconfirmed: None };
    let mut record = Record { incarnation: 1, membership: Generation(1), ..Record::default() };
    let mut draft = Draft::default().write(Write::Config(Arc::new(config)));
    for (voter, n) in (1..).zip(["a", "b", "c"]) {
        let node = NodeRecord::new(voter);
        draft = draft.write(Write::Node(name(n), Arc::new(node)));
    }
    let group = GroupRecord::new(GroupIntent::Run);
    draft = draft.write(Write::Group(pay(), Arc::new(group)));
    record.apply(&draft, Index(1));
    record
}

fn group_spec() -> GroupSpec {
    let one = |text: &str, kind, after: &[&str]| ResourceSpec {
        name: resource_name(text),
        kind,
        after: after.iter().map(|a| resource_name(a)).collect(),
        start_limit: Span::secs(3),
        stop_limit: Span::secs(2),
    };
    let address = "10.0.0.9".parse().unwrap();
    let links = vec!["eth0".to_owned(), "eth1".to_owned()];
    let vip = ResourceKind::Address { address, prefix: 24, links };
    let how = ProcessHow::Program { run: vec!["/opt/server".to_owned()], ready: None };
    let environment = BTreeMap::new();
    let server =
        ResourceKind::Process { how, environment, user: None, monitors: Vec::new(), cleanup: None };
    GroupSpec {
        services: [].into(),
        mode: Mode::Single,
        prefer: vec![name("a"), name("b")],
        startup: Startup::Auto,
        failback: Failback::Manual,
        failure: FailurePolicy { restarts: 1, ..FailurePolicy::default() },
        apart: [].into(),
        together: [].into(),
        after: [].into(),
        stop_budget: None,
        drill_every: None,
        prefer_by: Default::default(),
        rehearsing: Rehearsing::default(),
        entitled: None,
        takeover: Takeover::default(),
        fence: FencePolicy::Lease,
        resources: vec![one("vip", vip, &[]), one("server", server, &["vip"])],
    }
}
