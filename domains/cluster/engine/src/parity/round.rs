//! A round: this node looks, asks every other node to, and keeps what came of it. Every hour, and
//! whenever somebody asks.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tsugi_cluster_rules::parity::{Answered, Inventory, Verdict, verdicts};
use tsugi_cluster_rules::record::{AppliedConfig, GroupRecord};
use tsugi_cluster_rules::spec::ClusterSpec;
use tsugi_host::clock;
use tsugi_vocabulary::{NodeName, Span, Wall};

use super::exchange::{Answers, Ask, BUSY, Others, Say, understood};
use super::looks::Looks;
use super::machine::{Device, Machine, Own};
use crate::config;
use crate::records::{decode, encode};
use crate::standing::Standing;

/// How long after its start an agent looks for the first time.
const FIRST: Duration = Duration::from_secs(120);
/// How long after that, and again and again.
const EVERY: Duration = Duration::from_secs(3_600);
/// By how much the nodes of a cluster lie apart at most.
const SPREAD: Duration = Duration::from_secs(300);
/// How long another node may take to answer; it gives up looking a little earlier.
pub const ASKED: Duration = Duration::from_secs(5);
/// A round that is older than this was missed.
pub const STALE: Span = Span::secs(2 * 3_600 + 900);

/// What a round came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// When.
    pub at: Wall,
    /// The hash of the configuration that it was for.
    pub config: String,
    /// Which node could take which group.
    pub verdicts: Vec<Verdict>,
    /// What this node has itself.
    pub mine: Inventory,
}

/// What of a node stays as it is while its agent runs.
#[derive(Clone, Debug)]
pub struct Place {
    /// The fingerprint of the authority.
    pub authority: String,
    /// The version of this program.
    pub version: String,
    /// Where it keeps what must survive.
    pub data: PathBuf,
    /// Where the private folders of runs are.
    pub runs: PathBuf,
    /// The machine, as it is when it is looked at.
    pub machine: fn() -> Machine,
}

/// The rounds of one node.
pub struct Rounds {
    standing: watch::Receiver<Arc<Standing>>,
    others: Arc<dyn Others>,
    place: Place,
    looks: Looks,
    last: Mutex<Option<Arc<Outcome>>>,
}

impl Rounds {
    /// None was made yet.
    #[must_use]
    pub fn new(
        standing: watch::Receiver<Arc<Standing>>,
        others: Arc<dyn Others>,
        place: Place,
    ) -> Self {
        let (looks, last) = (Looks::new(place.machine), Mutex::default());
        Self { standing, others, place, looks, last }
    }

    /// What the last one came to.
    #[must_use]
    pub fn last(&self) -> Option<Arc<Outcome>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes a round every hour until it is dropped: one timer, and nothing between.
    pub async fn keep(self: Arc<Self>) {
        let me = self.standing.borrow().me.clone();
        let apart = spread(&me);
        self.keep_at(FIRST + apart / 10, EVERY + apart).await;
    }

    async fn keep_at(&self, first: Duration, every: Duration) {
        tokio::time::sleep(first).await;
        loop {
            let _told = self.round().await;
            tokio::time::sleep(every).await;
        }
    }

    /// Looks and asks now; nothing before there is a configuration.
    pub async fn round(&self) -> Option<Arc<Outcome>> {
        let config = self.standing.borrow().record.config.clone()?;
        let outcome = Arc::new(self.made(&config, &Ask::Look).await);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some(Arc::clone(&outcome));
        Some(outcome)
    }

    /// What a round would come to if this configuration were applied; not kept.
    pub async fn round_for(&self, config: &Arc<AppliedConfig>) -> Outcome {
        self.made(config, &Ask::LookFor { text: config.text.clone() }).await
    }

    async fn made(&self, config: &Arc<AppliedConfig>, ask: &Ask) -> Outcome {
        let standing = self.standing.borrow().clone();
        let listed = config.spec.groups.values().flat_map(|group| &group.prefer);
        let others: BTreeSet<NodeName> = listed.filter(|n| **n != standing.me).cloned().collect();
        let mut asked = JoinSet::new();
        for node in others {
            let answer = self.others.ask(&node, encode(ask));
            asked.spawn(async move {
                let sent = clock::wall();
                let late = |_| Err("no answer in time".to_owned());
                let answer = timeout(ASKED, answer).await.unwrap_or_else(late);
                let answered = understood(&node, answer, (sent, clock::wall()));
                (node, answered)
            });
        }
        let looked = self.looks.look(config, own(&standing, config, self.place.clone())).await;
        let own = match looked.clone() {
            Some(mine) => Answered::Told { inventory: Box::new(mine), ahead_ms: 0 },
            None => Answered::Silent { why: BUSY.to_owned() },
        };
        let mine = looked.unwrap_or_else(|| nothing(&standing.me, &config.hash));
        let mut answers = Answers::from([(standing.me.clone(), own)]);
        while let Some(done) = asked.join_next().await {
            // One that is missing is as good as one that did not answer.
            answers.extend(done.ok());
        }
        let owner = |group: &_| standing.record.group(group).and_then(GroupRecord::owner);
        let verdicts = verdicts((&config.spec, &config.hash), &answers, owner);
        let at = clock::wall();
        Outcome { at, config: config.hash.clone(), verdicts, mine }
    }

    /// What is answered to another node.
    pub async fn answer(&self, body: &[u8]) -> Vec<u8> {
        let standing = self.standing.borrow().clone();
        let config = match decode(body).ok() {
            None => return Vec::new(),
            Some(Ask::Look) => standing.record.config.clone().ok_or(Say::NotYet),
            Some(Ask::LookFor { text }) => proposed(&text).map(Arc::new).ok_or(Say::NotRead),
        };
        let config = match config {
            Ok(config) => config,
            Err(none) => return encode(&none),
        };
        let own = own(&standing, &config, self.place.clone());
        let began = clock::now();
        let looked = self.looks.look(&config, own).await;
        let said = looked.map_or(Say::Busy, |inventory| Say::Has {
            // Of its clock only the end of the look says something to who asked.
            inventory: Box::new(Inventory { at: Some(clock::wall()), ..inventory }),
            took_ms: clock::now().since(began).as_millis(),
        });
        encode(&said)
    }
}

/// A configuration that is not applied yet.
fn proposed(text: &str) -> Option<AppliedConfig> {
    let resolved = config::read(text).ok()?;
    let (text, spec, hash) = (text.to_owned(), resolved.spec, resolved.hash);
    Some(AppliedConfig { version: 0, hash, text, spec, unconfirmed: None })
}

/// What a node shows that has seen nothing in time.
fn nothing(me: &NodeName, config: &str) -> Inventory {
    Inventory {
        node: me.clone(),
        config: config.to_owned(),
        groups: BTreeMap::new(),
        facts: BTreeMap::new(),
        needed: BTreeSet::new(),
        at: None,
    }
}

/// What an agent knows of its node, as far as this configuration asks for it.
fn own(standing: &Standing, config: &AppliedConfig, place: Place) -> Own {
    let sight = standing.sights.get(&standing.me);
    let owned = standing.record.groups.iter();
    let owned = owned.filter(|(_, group)| group.value.owner() == Some(&standing.me));
    Own {
        me: standing.me.clone(),
        at: standing.at,
        links: sight.map(|sight| sight.links.clone()).unwrap_or_default(),
        devices: devices(standing, &config.spec),
        authority: place.authority,
        certificate_until: standing.certificate_until,
        self_fence: standing.self_fence.clone(),
        version: place.version,
        data: place.data,
        runs: place.runs,
        owns: owned.map(|(name, _)| name.clone()).collect(),
    }
}

/// How the fence devices of the other nodes answer from here.
fn devices(standing: &Standing, spec: &ClusterSpec) -> BTreeMap<NodeName, Device> {
    let others = spec.nodes.iter().filter(|(node, _)| **node != standing.me);
    let device = |(node, its): (&NodeName, &tsugi_cluster_rules::spec::NodeSpec)| {
        let every = its.fence.as_ref()?.every;
        // One test may have failed to be made; two in a row are too few.
        let most = every.as_millis().saturating_mul(2);
        let fresh = |at: &Wall| standing.at.0.saturating_sub(at.0) <= most;
        let last = standing.fence_tests.get(node).copied().flatten();
        let found = match (standing.fence_faults.get(node), last.filter(fresh)) {
            (Some(fault), _) => Device::Fails(fault.clone()),
            (None, Some(_)) => Device::Well,
            (None, None) => Device::Untested,
        };
        Some((node.clone(), found))
    };
    others.filter_map(device).collect()
}

/// A part of [`SPREAD`] that is another on every node.
fn spread(me: &NodeName) -> Duration {
    let mut hash = DefaultHasher::new();
    me.hash(&mut hash);
    SPREAD.mul_f64((hash.finish() & 0xffff) as f64 / f64::from(0x1_0000))
}

#[cfg(test)]
mod tests;
