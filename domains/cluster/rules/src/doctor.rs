//! What is wrong with a cluster before anything fails, and which of its settings are proven: pure,
//! from the record, what happened as far as it is kept, and what this node has measured.
//!
//! A setting is proven by something that was seen: a start there, a device that answered. What
//! nobody has seen is unproven, however likely it is.

use std::collections::{BTreeMap, BTreeSet};

use tsugi_vocabulary::{GroupName, NodeName, ResourceName, Span, Wall};

use crate::reason::{Cause, How, Mishap};
use crate::record::{EventRecord, FenceFault, Happening, Record};
use crate::spec::{ClusterSpec, FencePolicy, GroupSpec, Role, Takeover};

const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;

/// The days before its end at which a certificate is told of once more.
pub const CERTIFICATE_DAYS: [u64; 5] = [60, 30, 14, 7, 1];

/// A start that was seen longer ago proves nothing any more.
pub const PROVEN_FOR: Span = Span::secs(90 * 24 * 3600);

/// How many percent of its limit a stop or start may take before that is told.
const NEAR: u64 = 80;

/// What is looked at.
#[derive(Clone, Debug)]
pub struct Vitals<'a> {
    /// The time on the wall.
    pub at: Wall,
    /// The node that looks.
    pub me: &'a NodeName,
    /// The record.
    pub record: &'a Record,
    /// What happened, oldest first, as far as it is kept.
    pub events: Vec<&'a EventRecord>,
    /// When the fence device of each other node last answered well from here; none if it never
    /// did.
    pub fence_tests: BTreeMap<NodeName, Option<Wall>>,
    /// What is wrong now with the fence devices of other nodes, as seen from here.
    pub fence_faults: BTreeMap<NodeName, FenceFault>,
    /// Whether this node can stop itself.
    pub self_fence: SelfFence,
    /// When this node's certificate ends.
    pub certificate_until: Option<Wall>,
    /// Releases that took longer than their stop budget: how long, and the budget.
    pub overran: BTreeMap<GroupName, (Span, Span)>,
    /// By how many parts in a million this node's lease clock differs from the steered one; none
    /// before it was measured.
    pub clock_ppm: Option<i64>,
}

/// What a node can do to itself when it cannot let go of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelfFence {
    /// A watchdog or a reboot ends it; or that is not known yet.
    Able,
    /// Nothing does.
    Unable,
}

/// Something that should be mended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// A release took longer than the stop budget S of its group.
    BudgetTooShort {
        /// The group.
        group: GroupName,
        /// How long it took.
        took: Span,
        /// Its budget.
        budget: Span,
    },
    /// A stop or start was seen that used up most of its limit, or more.
    LimitTooShort {
        /// The group.
        group: GroupName,
        /// The resource.
        resource: ResourceName,
        /// Which of its limits.
        limit_of: LimitOf,
        /// The longest that was seen.
        took: Span,
        /// The limit.
        limit: Span,
    },
    /// A volume waits for a confirmed fence of a node that has no fence device.
    NoDevice {
        /// The group.
        group: GroupName,
        /// The node.
        node: NodeName,
    },
    /// The fence device of a node fails what is asked of it from here now.
    FenceFails {
        /// The node.
        node: NodeName,
        /// How.
        fault: FenceFault,
    },
    /// The fence device of a node has not answered well from here since this agent started.
    FenceUntested {
        /// The node.
        node: NodeName,
    },
    /// It last did so long ago.
    FenceTestOld {
        /// The node.
        node: NodeName,
        /// When.
        at: Wall,
    },
    /// This node's lease clock runs faster or slower than leases allow for.
    ClockRate {
        /// By how many parts in a million.
        ppm: i64,
        /// The bound.
        most: u64,
    },
    /// This node's certificate ends within so many days.
    CertificateEnds {
        /// The step that it has come to, of [`CERTIFICATE_DAYS`].
        days: u64,
        /// When.
        until: Wall,
    },
    /// It has ended.
    CertificateEnded {
        /// When.
        until: Wall,
    },
    /// Nothing stops this node if it cannot let go of a group.
    NoSelfFence,
    /// A group was never seen to start on a node that may have to take it.
    NeverRan {
        /// The group.
        group: GroupName,
        /// The node.
        node: NodeName,
    },
    /// It was, but so long ago that it proves nothing any more.
    RanLongAgo {
        /// The group.
        group: GroupName,
        /// The node.
        node: NodeName,
        /// When.
        at: Wall,
    },
    /// A move of a group to a node was not proven by a drill for longer than it asks for.
    DrillDue {
        /// The group.
        group: GroupName,
        /// The node.
        node: NodeName,
        /// When it last was; none if it never was.
        at: Option<Wall>,
    },
}

/// Which limit of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LimitOf {
    /// That of its start.
    Start,
    /// That of its stop.
    Stop,
}

/// One setting, and whether anything has shown that it does what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The group or node it is of.
    pub about: String,
    /// Its key and value, as they are written in the file.
    pub words: String,
    /// What shows it.
    pub proof: Proof,
}

/// What shows that a setting does what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// It was seen then.
    Seen(Wall),
    /// The rules alone make it true; nothing of this cluster has to be seen.
    ByRules,
    /// It was accepted by name without proof.
    Accepted,
    /// Nothing was seen, or too long ago.
    Unseen,
}

/// Everything that should be mended, in the order of the groups and nodes.
#[must_use]
pub fn findings(vitals: &Vitals<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    own(vitals, &mut found);
    let Some(spec) = vitals.record.spec() else { return found };
    let most = crate::timing::Timing::of(spec.timing).rho_ppm;
    // Half of what leases allow for is told: beyond it all they would not hold.
    if let Some(ppm) = vitals.clock_ppm.filter(|ppm| ppm.unsigned_abs() > most / 2) {
        found.push(Finding::ClockRate { ppm, most });
    }
    devices(vitals, spec, &mut found);
    let (slowest, used_up, starts) = (slowest(vitals), used_up(vitals), starts(vitals));
    for (name, group) in &spec.groups {
        if let Some((took, budget)) = vitals.overran.get(name) {
            let (group, took, budget) = (name.clone(), *took, *budget);
            found.push(Finding::BudgetTooShort { group, took, budget });
        }
        limits((name, group), (&slowest, &used_up), &mut found);
        for node in group.prefer.iter().filter(|_| group.fence == FencePolicy::Confirmed) {
            if spec.nodes.get(node).is_some_and(|n| n.fence.is_none()) {
                found.push(Finding::NoDevice { group: name.clone(), node: node.clone() });
            }
        }
        for node in &group.prefer {
            let (group, node) = (name.clone(), node.clone());
            match starts.get(&(&group, &node)) {
                None => found.push(Finding::NeverRan { group, node }),
                Some(at) if is_old(vitals.at, *at, PROVEN_FOR) => {
                    let at = *at;
                    found.push(Finding::RanLongAgo { group, node, at });
                }
                Some(_) => {}
            }
        }
    }
    found.extend(drills_due(vitals.record, vitals.at));
    found
}

/// The moves that were not proven by a drill for longer than their groups ask for.
#[must_use]
pub fn drills_due(record: &Record, now: Wall) -> Vec<Finding> {
    let groups = record.spec().into_iter().flat_map(|spec| &spec.groups);
    let of = |(name, spec): (&GroupName, &GroupSpec)| {
        let drills = record.group(name).map(|entry| &entry.drills);
        let due = |node: &NodeName, every: Span| {
            let at = drills.and_then(|drills| drills.proven_to(node));
            let (group, node) = (name.clone(), node.clone());
            let old = at.is_none_or(|at| is_old(now, at, every));
            old.then_some(Finding::DrillDue { group, node, at })
        };
        // What runs on one node only goes nowhere, and a drill of what is only observed is refused.
        let goes = spec.prefer.len() > 1 && spec.takeover == Takeover::Automatic;
        let every = spec.drill_every.filter(|_| goes);
        let found = every.map(|every| spec.prefer.iter().filter_map(|n| due(n, every)).collect());
        found.unwrap_or_else(Vec::new)
    };
    groups.flat_map(of).collect()
}

/// What this node knows of itself.
fn own(vitals: &Vitals<'_>, found: &mut Vec<Finding>) {
    let role = vitals.record.spec().and_then(|s| s.nodes.get(vitals.me)).map(|n| n.role);
    if vitals.self_fence == SelfFence::Unable && role == Some(Role::Node) {
        found.push(Finding::NoSelfFence);
    }
    let Some(until) = vitals.certificate_until else { return };
    if until.0 <= vitals.at.0 {
        return found.push(Finding::CertificateEnded { until });
    }
    let left = until.0 - vitals.at.0;
    if let Some(days) = CERTIFICATE_DAYS.into_iter().rev().find(|days| left <= days * DAY) {
        found.push(Finding::CertificateEnds { days, until });
    }
}

/// The fence devices of the other nodes, as they answered from here.
fn devices(vitals: &Vitals<'_>, spec: &ClusterSpec, found: &mut Vec<Finding>) {
    for name in spec.nodes.keys().filter(|node| *node != vitals.me) {
        let node = name.clone();
        match answers(vitals, spec, name) {
            Some(Answers::Badly(fault)) => found.push(Finding::FenceFails { node, fault }),
            Some(Answers::Untested) => found.push(Finding::FenceUntested { node }),
            Some(Answers::LongAgo(at)) => found.push(Finding::FenceTestOld { node, at }),
            Some(Answers::Well(_)) | None => {}
        }
    }
}

/// How a fence device answers what is asked of it from here.
enum Answers {
    /// It fails now.
    Badly(FenceFault),
    /// It has not answered since this agent started.
    Untested,
    /// It last answered well so long ago that this proves nothing any more.
    LongAgo(Wall),
    /// It last did then.
    Well(Wall),
}

/// How the fence device of a node answers, if it has one.
fn answers(vitals: &Vitals<'_>, spec: &ClusterSpec, node: &NodeName) -> Option<Answers> {
    let device = spec.nodes.get(node)?.fence.as_ref()?;
    if let Some(fault) = vitals.fence_faults.get(node) {
        return Some(Answers::Badly(fault.clone()));
    }
    // One test may have failed to be made; two in a row are too few.
    let most = Span(device.every.0.saturating_mul(2));
    Some(match vitals.fence_tests.get(node).copied().flatten() {
        None => Answers::Untested,
        Some(at) if is_old(vitals.at, at, most) => Answers::LongAgo(at),
        Some(at) => Answers::Well(at),
    })
}

/// When the fence device of a node was last seen to work, if nothing says otherwise since.
fn tested(vitals: &Vitals<'_>, spec: &ClusterSpec, node: &NodeName) -> Option<Wall> {
    match answers(vitals, spec, node)? {
        Answers::Well(at) => Some(at),
        Answers::Badly(_) | Answers::Untested | Answers::LongAgo(_) => None,
    }
}

fn is_old(now: Wall, at: Wall, most: Span) -> bool {
    now.0.saturating_sub(at.0) > most.as_millis()
}

type Slowest<'a> = BTreeMap<(&'a GroupName, &'a str, LimitOf), u64>;

/// The longest start and stop of each resource, in milliseconds.
fn slowest<'a>(vitals: &Vitals<'a>) -> Slowest<'a> {
    let mut slowest = Slowest::new();
    for event in &vitals.events {
        let (steps, of) = match &event.what {
            Happening::Started { steps, .. } => (steps, LimitOf::Start),
            Happening::Stopped { steps, .. } => (steps, LimitOf::Stop),
            _ => continue,
        };
        let Some(group) = &event.group else { continue };
        for (resource, millis) in steps {
            let known = slowest.entry((group, resource, of)).or_default();
            *known = (*known).max(*millis);
        }
    }
    slowest
}

type UsedUp<'a> = BTreeSet<(&'a GroupName, &'a str, LimitOf)>;

/// What was seen to run into its limit: no duration is written down of it, as it never ended.
fn used_up<'a>(vitals: &Vitals<'a>) -> UsedUp<'a> {
    let mut used_up = UsedUp::new();
    for event in &vitals.events {
        let (resource, how, of) = match &event.what {
            Happening::StopFailed { resource, how } => (resource, how, LimitOf::Stop),
            Happening::Failed { cause: Cause::StartFailed { resource, how, .. }, .. } => {
                (resource, how, LimitOf::Start)
            }
            _ => continue,
        };
        if let (Some(group), How { mishap: Mishap::TooLate, .. }) = (&event.group, how) {
            used_up.insert((group, resource.as_str(), of));
        }
    }
    used_up
}

fn limits(
    (name, group): (&GroupName, &GroupSpec),
    (slowest, used_up): (&Slowest<'_>, &UsedUp<'_>),
    found: &mut Vec<Finding>,
) {
    for resource in &group.resources {
        let each = [(LimitOf::Start, resource.start_limit), (LimitOf::Stop, resource.stop_limit)];
        for (limit_of, limit) in each {
            let key = (name, resource.name.as_str(), limit_of);
            let all = used_up.contains(&key).then(|| limit.as_millis());
            let Some(millis) = all.max(slowest.get(&key).copied()) else { continue };
            if millis.saturating_mul(100) >= limit.as_millis().saturating_mul(NEAR) {
                let (group, resource) = (name.clone(), resource.name.clone());
                let took = Span::millis(millis);
                found.push(Finding::LimitTooShort { group, resource, limit_of, took, limit });
            }
        }
    }
}

/// When each group last started on each node.
fn starts<'a>(vitals: &Vitals<'a>) -> BTreeMap<(&'a GroupName, &'a NodeName), Wall> {
    let mut starts = BTreeMap::new();
    for event in &vitals.events {
        if let (Happening::Started { .. }, Some(group)) = (&event.what, &event.group) {
            let at = starts.entry((group, &event.by)).or_insert(event.at);
            *at = (*at).max(event.at);
        }
    }
    starts
}

/// Every setting on which a takeover rests, and what shows that it holds.
#[must_use]
pub fn settings(vitals: &Vitals<'_>) -> Vec<Setting> {
    let Some(spec) = vitals.record.spec() else { return Vec::new() };
    let (starts, slowest) = (starts(vitals), slowest(vitals));
    let mut all = Vec::new();
    for (node, its) in &spec.nodes {
        let Some(device) = its.fence.as_ref().filter(|_| node != vitals.me) else { continue };
        let seen = tested(vitals, spec, node);
        let words = format!("fence = {{ agent = \"{}\" }}", device.agent);
        all.push(setting(node.as_str(), words, seen.map_or(Proof::Unseen, Proof::Seen)));
    }
    for (name, group) in &spec.groups {
        let about = name.as_str();
        if let Some(proof) = fence(vitals, spec, group) {
            let word = match group.fence {
                FencePolicy::SelfFence => "self",
                FencePolicy::Mirror => "mirror",
                FencePolicy::Confirmed | FencePolicy::Lease => "confirmed",
            };
            all.push(setting(about, format!("fence = \"{word}\""), proof));
        }
        if group.has_reserved_volume() {
            // A start is the proof: it takes the disk from whoever had it, and sees nobody left.
            let each = group.prefer.iter().map(|node| {
                let at = starts.get(&(name, node)).copied();
                at.filter(|at| !is_old(vitals.at, *at, PROVEN_FOR))
            });
            let all_of_them: Option<Vec<Wall>> = each.collect();
            let seen = all_of_them.and_then(|all| all.into_iter().min());
            let proof = seen.map_or(Proof::Unseen, Proof::Seen);
            all.push(setting(about, "reservation = \"scsi\"".to_owned(), proof));
        }
        if group.takeover == Takeover::Observe {
            all.push(setting(about, "takeover = \"observe\"".to_owned(), Proof::ByRules));
        }
        for node in &group.prefer {
            let seen = starts.get(&(name, node)).copied();
            let seen = seen.filter(|at| !is_old(vitals.at, *at, PROVEN_FOR));
            let proof = seen.map_or(Proof::Unseen, Proof::Seen);
            all.push(setting(about, format!("prefer = \"{node}\""), proof));
        }
        let stopped: BTreeSet<&str> =
            slowest.keys().filter(|k| k.0 == name && k.2 == LimitOf::Stop).map(|k| k.1).collect();
        for resource in group.resources.iter().filter(|r| !stopped.contains(r.name.as_str())) {
            let words = format!("stop of {}", resource.name);
            all.push(setting(about, words, Proof::Unseen));
        }
    }
    all
}

fn setting(about: &str, words: String, proof: Proof) -> Setting {
    Setting { about: about.to_owned(), words, proof }
}

/// What shows that the volume of a group is taken safely; none if it has nothing to take.
fn fence(vitals: &Vitals<'_>, spec: &ClusterSpec, group: &GroupSpec) -> Option<Proof> {
    match group.fence {
        FencePolicy::Lease => None,
        // What was accepted is not needed where every volume is kept by its storage.
        FencePolicy::SelfFence if group.has_reserved_volume() && !group.rests_on_the_owner() => {
            None
        }
        FencePolicy::SelfFence => Some(Proof::Accepted),
        // Each start looks whether DRBD is configured so, or does not come about.
        FencePolicy::Mirror => Some(Proof::ByRules),
        FencePolicy::Confirmed => {
            let others = group.prefer.iter().filter(|node| *node != vitals.me);
            // As good as its oldest test.
            let all: Option<Vec<Wall>> = others.map(|node| tested(vitals, spec, node)).collect();
            Some(all.and_then(|all| all.into_iter().min()).map_or(Proof::Unseen, Proof::Seen))
        }
    }
}
