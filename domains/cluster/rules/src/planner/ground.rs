//! What the passes may look at: the situation, made quick to ask.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tsugi_vocabulary::{BootId, GroupName, NodeName, Span, Wall};

use super::policy;
use crate::mutant::mutant;
use crate::plan::{DeskSight, Life, Plan, Settled, Sight, Situation};
use crate::reason::Cause;
use crate::record::{
    Failure, GroupIntent, GroupRecord, NodeIntent, NodeRecord, Ownership, Phase, Record,
};
use crate::spec::{ClusterSpec, GroupSpec};
use crate::start_kind::StartOption;

/// What an operator's command asks for one group, beyond what it changed in the record.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The command as a cause.
    pub cause: Cause,
    /// Whether the group is to be started, and what it is to inherit.
    pub start: Option<StartOption>,
}

/// The situation, made quick to ask.
pub(super) struct Ground<'a> {
    pub record: &'a Record,
    pub spec: &'a ClusterSpec,
    pub sights: &'a BTreeMap<NodeName, Sight>,
    pub by: &'a NodeName,
    pub at: Wall,
    pub settled: Settled,
    pub asked: &'a BTreeMap<GroupName, Asked>,
    /// The mark of the applied configuration.
    pub config: u64,
    apart: BTreeMap<&'a GroupName, BTreeSet<&'a GroupName>>,
}

/// One group as the passes see it.
pub(super) struct View<'a> {
    pub name: &'a GroupName,
    /// None if it left the configuration.
    pub spec: Option<&'a GroupSpec>,
    pub record: Arc<GroupRecord>,
    /// The failures that still count.
    pub recent: Vec<Failure>,
    pub asked: Option<&'a Asked>,
}

/// The owner's side of a group's record.
#[derive(Clone, Copy)]
pub(super) struct Owner<'a> {
    pub node: &'a NodeName,
    pub boot: Option<BootId>,
    pub phase: Phase,
    pub cause: &'a Cause,
    pub handover: Option<&'a NodeName>,
}

/// How a node is seen.
#[derive(Clone, Copy)]
pub(super) enum Seen<'a> {
    /// It is heard, or is the deciding node itself.
    Heard(Option<&'a Sight>),
    /// It is heard and hears no majority.
    Deaf(&'a Sight),
    /// It is lost.
    Silent(Span),
    /// It was not heard yet, and it is too early to call it lost.
    Unheard,
}

impl<'a> Ground<'a> {
    pub fn new(
        situation: &'a Situation<'a>,
        spec: &'a ClusterSpec,
        asked: &'a BTreeMap<GroupName, Asked>,
    ) -> Self {
        let mut apart: BTreeMap<&GroupName, BTreeSet<&GroupName>> = BTreeMap::new();
        for (group, its) in &spec.groups {
            for other in &its.apart {
                apart.entry(group).or_default().insert(other);
                apart.entry(other).or_default().insert(group);
            }
        }
        let hash = situation.record.config.as_ref().map_or("", |c| c.hash.as_str());
        Self {
            record: situation.record,
            spec,
            sights: &situation.sights,
            by: &situation.by,
            at: situation.at,
            settled: settled(situation, spec),
            asked,
            config: config_mark(hash),
            apart,
        }
    }

    /// Every group of the configuration and of the record, in the order of names.
    pub fn views(&self) -> Vec<View<'a>> {
        let names: BTreeSet<&GroupName> =
            self.spec.groups.keys().chain(self.record.groups.keys()).collect();
        names.into_iter().map(|name| self.view(name)).collect()
    }

    fn view(&self, name: &'a GroupName) -> View<'a> {
        let spec = self.spec.groups.get(name);
        let record = match self.record.groups.get(name) {
            Some(known) => Arc::clone(&known.value),
            None => Arc::new(GroupRecord::new(GroupIntent::Run)),
        };
        let recent = match spec {
            Some(spec) => policy::recent(&record.failures, spec.failure.within, self.at),
            None => Vec::new(),
        };
        View { name, spec, record, recent, asked: self.asked.get(name) }
    }

    /// How a node is seen.
    pub fn seen(&self, node: &NodeName) -> Seen<'a> {
        match self.sights.get(node) {
            // A boot that was fenced is over by the ledger's word: no voter promises it anything.
            // One whose end is demanded loses its groups like a silent one, and they are waited for
            // like those of a silent one.
            Some(sight) if self.is_over(node, sight) || self.is_to_end(node, sight) => {
                Seen::Silent(match sight.life {
                    Life::Silent { silence } => silence,
                    Life::Heard | Life::Deaf => Span::ZERO,
                })
            }
            Some(sight) => match sight.life {
                Life::Heard => Seen::Heard(Some(sight)),
                Life::Deaf => Seen::Deaf(sight),
                Life::Silent { silence } => Seen::Silent(silence),
            },
            None if node == self.by => Seen::Heard(None),
            None => match self.settled {
                Settled::Yes => Seen::Silent(Span::ZERO),
                Settled::NotYet if mutant("settle-ignored") => Seen::Silent(Span::ZERO),
                Settled::NotYet => Seen::Unheard,
            },
        }
    }

    fn is_over(&self, node: &NodeName, sight: &Sight) -> bool {
        self.record.nodes.get(node).is_some_and(|n| n.value.fenced == Some(sight.boot))
    }

    fn is_to_end(&self, node: &NodeName, sight: &Sight) -> bool {
        let known = self.record.nodes.get(node);
        let demand = known.and_then(|known| known.value.demanded.as_ref());
        demand.is_some_and(|demand| demand.boot == sight.boot)
    }

    /// Whether the end that was demanded of a life of this node has come: another life of it is
    /// seen, or that one is off.
    fn has_ended(&self, node: &NodeName, known: &NodeRecord) -> bool {
        let Some(demand) = &known.demanded else { return false };
        let another = match self.seen(node) {
            Seen::Heard(Some(sight)) | Seen::Deaf(sight) => sight.boot != demand.boot,
            Seen::Heard(None) | Seen::Silent(_) | Seen::Unheard => false,
        };
        another || known.fenced == Some(demand.boot)
    }

    /// What a node that is heard says of a group under the epoch that the record names.
    pub fn desk(&self, view: &View<'_>, node: &NodeName) -> Option<&'a DeskSight> {
        match self.seen(node) {
            Seen::Heard(Some(sight)) | Seen::Deaf(sight) => {
                sight.groups.get(view.name).filter(|d| d.epoch == view.record.epoch)
            }
            Seen::Heard(None) | Seen::Silent(_) | Seen::Unheard => None,
        }
    }

    /// Whether a node belongs to the cluster now.
    pub fn has_joined(&self, node: &NodeName) -> bool {
        self.record.nodes.contains_key(node)
    }

    /// Whether a node may own groups, as it is now: a shutdown is over once it has another boot.
    pub fn intent(&self, node: &NodeName) -> NodeIntent {
        let Some(known) = self.record.nodes.get(node) else { return NodeIntent::InService };
        match (&known.value.intent, self.seen(node)) {
            (NodeIntent::Leaving(boot), Seen::Heard(Some(sight))) if sight.boot != *boot => {
                NodeIntent::InService
            }
            (intent, _) => intent.clone(),
        }
    }

    /// The nodes whose shutdown is over, and those of which a life has ended as it was demanded, as
    /// they are to be written.
    pub fn begun_anew(&self) -> Vec<(NodeName, NodeRecord)> {
        let over = |(name, known): (&NodeName, &crate::record::Versioned<NodeRecord>)| {
            let back = self.intent(name) != known.value.intent;
            let ended = self.has_ended(name, &known.value);
            (back || ended).then(|| {
                let mut value = (*known.value).clone();
                if back {
                    value.intent = NodeIntent::InService;
                }
                if ended {
                    value.demanded = None;
                }
                (name.clone(), value)
            })
        };
        self.record.nodes.iter().filter_map(over).collect()
    }

    /// How many voters are heard and hear; how many make a majority.
    pub fn majority(&self) -> (usize, usize) {
        let hears = |n: &&NodeName| match self.sights.get(*n) {
            Some(sight) => sight.life == Life::Heard,
            None => *n == self.by,
        };
        let needed = crate::lease::majority(crate::lease::voters(self.record));
        // Who decides leads the ledger: of one that is on a disk, it has just read the disk.
        let disk = usize::from(crate::lease::has_disk(self.record));
        let voters = crate::lease::voter_names(self.record);
        (voters.into_iter().filter(hears).count() + disk, needed)
    }

    /// Whether the newest known boot of the owner was ended by a confirmed fence (L7), and is the
    /// one that the group was given to: whoever decides may have heard only a former boot, and not
    /// the next one, which runs the group.
    pub fn fenced(&self, owner: &Owner<'_>) -> bool {
        let boot = self.sights.get(owner.node).map(|s| s.boot).or(owner.boot);
        let fenced = self.record.nodes.get(owner.node).and_then(|n| n.value.fenced);
        let given_to_it = owner.boot.is_none() || owner.boot == fenced;
        fenced.is_some() && fenced == boot && given_to_it
    }

    /// The groups that must be apart from this one.
    pub fn apart_from(&self, group: &GroupName) -> impl Iterator<Item = &'a GroupName> {
        self.apart.get(group).into_iter().flatten().copied()
    }

    /// The boot of a node, if it is seen.
    pub fn boot(&self, node: &NodeName) -> Option<BootId> {
        self.sights.get(node).map(|s| s.boot)
    }

    /// The newest plan.
    pub fn parent(&self) -> Option<&'a Plan> {
        self.record.plan.as_deref()
    }
}

impl View<'_> {
    /// The owner, if there is one.
    pub fn owner(&self) -> Option<Owner<'_>> {
        match &self.record.ownership {
            Ownership::Nobody => None,
            Ownership::Owned { node, boot, phase, cause, handover, start: _ } => {
                Some(Owner { node, boot: *boot, phase: *phase, cause, handover: handover.as_ref() })
            }
        }
    }
}

/// There is nothing to wait for once every node was heard.
fn settled(situation: &Situation<'_>, spec: &ClusterSpec) -> Settled {
    let known = |n: &NodeName| *n == situation.by || situation.sights.contains_key(n);
    if spec.nodes.keys().all(known) { Settled::Yes } else { situation.settled }
}

/// The first eight bytes of a configuration's hash, as heartbeats carry it.
#[must_use]
pub fn config_mark(hash: &str) -> u64 {
    hash.get(..16).and_then(|head| u64::from_str_radix(head, 16).ok()).unwrap_or(0)
}
