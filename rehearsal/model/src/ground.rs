//! What the model stands on: names, times, clocks, and the ledger's entries as a record.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};

use tsugi_cluster_rules::lease::holder::ClockBound;
use tsugi_cluster_rules::reason::Cause;
use tsugi_cluster_rules::record::{
    AppliedConfig, GroupIntent, GroupRecord, Guard, NodeRecord, Order, Ownership, Pause, Phase,
    Record, Versioned,
};
use tsugi_cluster_rules::spec::{ClusterSpec, LedgerPlace, NodeSpec, Role};
use tsugi_cluster_rules::start_kind::StartKind;
use tsugi_cluster_rules::timing::Profile;
use tsugi_vocabulary::{BootId, Epoch, Generation, GroupName, Index, Moment, NodeName, Span, Wall};

/// A node by its place: 0 and 1 run groups, 2 is the witness.
pub type Place = usize;

/// How many nodes there are.
pub const NODES: usize = 3;
/// The model's step of time.
const TICK: u64 = 10_000_000;
/// The TTL every node asks for: five steps.
pub const TTL: Span = Span(5 * TICK);
/// The stop budget S: half a step.
pub const STOP: Span = Span(TICK / 2);
/// The guard G and the bound ρ. ρ is large, so that few steps show what it does.
pub const CLOCKS: ClockBound = ClockBound { guard: Span(TICK / 2), rho_ppm: 100_000 };
/// The longest that a TTL takes, in steps, by the slowest clock: 5 / 0.9, rounded up.
pub const TTL_AT_MOST: u8 = 6;

static NAMES: LazyLock<[NodeName; NODES]> =
    LazyLock::new(|| ["a", "b", "c"].map(|n| NodeName::new(n).expect("a letter is a name")));
static GROUP: LazyLock<GroupName> =
    LazyLock::new(|| GroupName::new("g").expect("a letter is a name"));

/// The name of the node at `place`.
pub fn name(place: Place) -> &'static NodeName {
    &NAMES[place]
}

/// The one group.
pub fn group() -> &'static GroupName {
    &GROUP
}

/// The epoch of that number.
pub const fn epoch(counter: u64) -> Epoch {
    Epoch { incarnation: 1, counter }
}

/// The boot id of one life of one node.
pub const fn boot(place: Place, life: u8) -> BootId {
    BootId((place as u128 + 1) * 256 + life as u128)
}

/// What a clock whose rate is off by `rate` parts per million shows after `ticks` steps.
pub fn clock(ticks: u8, rate: i32) -> Moment {
    let rate = u64::try_from(1_000_000 + i64::from(rate)).expect("a clock runs forward");
    Moment(1_000_000_000 + u64::from(ticks) * TICK / 1_000_000 * rate)
}

/// One entry of the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entry {
    /// The ledger is on a disk that the nodes 0 and 1 share, and nobody else votes.
    OnDisk,
    /// The group goes to a node under an epoch.
    Give(Place, u64),
    /// The voters are, from now on, these.
    Voters(&'static [Place]),
    /// The fence of that life of a node is confirmed.
    Fenced(Place, u8),
    /// The group is pinned to its owner.
    Pin,
    /// The pin ends.
    Unpin,
}

thread_local! {
    static RECORDS: RefCell<HashMap<Vec<Entry>, Arc<Record>>> = RefCell::new(HashMap::new());
}

/// The record of a node that has applied `entries`.
pub fn record(entries: &[Entry]) -> Arc<Record> {
    RECORDS.with_borrow_mut(|known| {
        if let Some(record) = known.get(entries) {
            return Arc::clone(record);
        }
        let record = Arc::new(build(entries));
        known.insert(entries.to_vec(), Arc::clone(&record));
        record
    })
}

fn build(entries: &[Entry]) -> Record {
    let mut voters: &[Place] = &[0, 1, 2];
    let mut ledger = LedgerPlace::OnNodes;
    let mut record = Record { incarnation: 1, membership: Generation(1), ..Record::default() };
    let mut state = GroupRecord::new(GroupIntent::Run);
    for (at, entry) in entries.iter().enumerate() {
        record.applied = Index(at as u64 + 1);
        match entry {
            Entry::OnDisk => {
                voters = &[0, 1];
                ledger = LedgerPlace::OnDisk(BTreeMap::new());
            }
            Entry::Give(to, counter) => {
                state.epoch = epoch(*counter);
                state.ownership = owned_by(*to);
            }
            Entry::Voters(list) => {
                voters = list;
                record.membership = record.membership.next();
            }
            Entry::Fenced(who, life) => {
                let fenced = Some(boot(*who, *life));
                let value = NodeRecord { fenced, ..NodeRecord::new(1) };
                let version = record.applied;
                let value = Versioned { version, value: Arc::new(value) };
                record.nodes.insert(name(*who).clone(), value);
            }
            Entry::Pin => {
                let pinned = state.owner().cloned();
                state.pause =
                    Some(Pause { order: order(), until: None, pinned, guard: Guard::Disarmed });
            }
            Entry::Unpin => state.pause = None,
        }
        match entry {
            Entry::Give(..) | Entry::Pin | Entry::Unpin => {
                let value = Arc::new(state.clone());
                let value = Versioned { version: record.applied, value };
                record.groups.insert(group().clone(), value);
            }
            Entry::OnDisk | Entry::Voters(_) | Entry::Fenced(..) => {}
        }
    }
    record.config = Some(Arc::new(config(voters, ledger)));
    record
}

fn owned_by(place: Place) -> Ownership {
    Ownership::Owned {
        node: name(place).clone(),
        boot: None,
        start: StartKind::Normal,
        cause: Cause::ClusterStart,
        phase: Phase::Starting,
        handover: None,
    }
}

fn order() -> Order {
    Order { by: String::new(), reason: String::new(), at: Wall(0), command: String::new() }
}

fn config(voters: &[Place], ledger: LedgerPlace) -> AppliedConfig {
    let node = |place: &Place| {
        (name(*place).clone(), NodeSpec { addresses: Vec::new(), role: Role::Node, fence: None })
    };
    let spec = ClusterSpec {
        name: String::from("model"),
        timing: Profile::Default,
        language: None,
        nodes: voters.iter().map(node).collect(),
        groups: BTreeMap::new(),
        ledger,
        environment: Default::default(),
    };
    AppliedConfig { version: 1, hash: String::new(), text: String::new(), spec, unconfirmed: None }
}
