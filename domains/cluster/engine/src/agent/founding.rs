//! What a node must know before it can reach the ledger: who the voters are and where.
//!
//! The file stands in the data directory from `init` or `node join` on. Once the ledger is
//! reached its record is what counts; the file is brought up to it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tsugi_cluster_rules::record::{
    AppliedConfig, AuditRecord, Draft, GroupIntent, GroupRecord, NodeRecord, Order, Record, Write,
};
use tsugi_cluster_rules::spec::{ClusterSpec, Startup};
use tsugi_ledger::View;
use tsugi_vocabulary::{NodeName, Wall};
use tsugi_wire::files::{self, FileFailure};
use tsugi_wire::identity::Fingerprint;

use super::{aside, shared_disk};
use crate::config;

/// The file's name in the data directory.
pub const FOUNDING_FILE: &str = "founding.json";

/// What stands in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Founding {
    /// The version of this file's form; 1.
    pub format: u8,
    /// The voters by number, and where each listens: one address a network.
    pub voters: BTreeMap<u64, (NodeName, Vec<SocketAddr>)>,
    /// The configuration the cluster was founded with.
    pub config: String,
    /// Whether this node brings the ledger into being when it is empty.
    pub part: Part,
    /// The founder's note: the certificates that the numbers of the founding were given to.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub taken: BTreeMap<NodeName, String>,
    /// The founder's note: who founded the cluster, for the audit's first line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub founded: Option<AuditRecord>,
}

/// A node's part in the founding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// It founded the cluster.
    Founder,
    /// It joined.
    Joiner,
}

/// Why the founding record cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FoundingFailure {
    /// The file could not be read or written.
    #[error(transparent)]
    File(#[from] FileFailure),
    /// It holds something else.
    #[error("{FOUNDING_FILE} cannot be read: {0}")]
    Damaged(String),
    /// There is none: neither `init` nor `node join` was run here.
    #[error("this node belongs to no cluster yet")]
    Missing,
    /// The configuration in it is not accepted.
    #[error("the configuration is not accepted: {0} problems")]
    Config(usize),
    /// The configuration does not name this node.
    #[error("the configuration names no node {0}")]
    NotNamed(NodeName),
}

impl Founding {
    /// The founding of a cluster with this configuration.
    #[must_use]
    pub fn of(spec: &ClusterSpec, text: &str, part: Part) -> Self {
        let numbered = spec.nodes.iter().zip(1..);
        let voters =
            numbered.map(|((name, node), id)| (id, (name.clone(), node.addresses.clone())));
        let (voters, config) = (voters.collect(), text.to_owned());
        Self { format: 1, voters, config, part, taken: BTreeMap::new(), founded: None }
    }

    /// The same as it stands now, for a node that joins: the voters, the nodes that have joined,
    /// and the applied configuration. A node that joined again stands under its newest number.
    ///
    /// # Errors
    /// No configuration is applied.
    pub fn of_record(view: &View, record: &Record) -> Result<Self, FoundingFailure> {
        let config = record.config.as_ref().ok_or(FoundingFailure::Missing)?;
        let newest: BTreeMap<NodeName, u64> =
            super::register::members(view, record).into_iter().map(|(id, n)| (n, id)).collect();
        let at = |node: &NodeName| {
            config.spec.nodes.get(node).map(|n| n.addresses.clone()).unwrap_or_default()
        };
        let voters = newest.into_iter().map(|(node, id)| (id, (node.clone(), at(&node))));
        Ok(Self {
            format: 1,
            voters: voters.collect(),
            config: config.text.clone(),
            part: Part::Joiner,
            taken: BTreeMap::new(),
            founded: None,
        })
    }

    /// This record brought up to what the ledger says; what it is not sure of stays.
    #[must_use]
    pub fn caught_up(&self, view: &View, record: &Record, me: &NodeName) -> Self {
        let Ok(now) = Self::of_record(view, record) else { return self.clone() };
        let own = now.addresses(me).is_some_and(|at| !at.is_empty());
        if !own || now.voter(me) != self.voter(me) {
            return self.clone();
        }
        Self { part: self.part, taken: self.taken.clone(), founded: self.founded.clone(), ..now }
    }

    /// The same for a node that does not found the cluster itself.
    #[must_use]
    pub fn for_joiner(&self) -> Self {
        Self { part: Part::Joiner, taken: BTreeMap::new(), founded: None, ..self.clone() }
    }

    /// Reads the file in `data_dir`.
    ///
    /// # Errors
    /// [`FoundingFailure`].
    pub fn read(data_dir: &Path) -> Result<Self, FoundingFailure> {
        let text = files::read_text_if_there(&data_dir.join(FOUNDING_FILE))?;
        let text = text.ok_or(FoundingFailure::Missing)?;
        serde_json::from_str(&text).map_err(|e| FoundingFailure::Damaged(e.to_string()))
    }

    /// Writes the file into `data_dir`.
    ///
    /// # Errors
    /// The system refused.
    pub fn write(&self, data_dir: &Path) -> Result<(), FoundingFailure> {
        let text = serde_json::to_string_pretty(self).expect("the founding is plain data");
        Ok(files::replace(&data_dir.join(FOUNDING_FILE), text.as_bytes())?)
    }

    /// The number of a node among the voters.
    #[must_use]
    pub fn voter(&self, node: &NodeName) -> Option<u64> {
        self.voters.iter().find(|(_, (name, _))| name == node).map(|(id, _)| *id)
    }

    /// Where a node listens.
    #[must_use]
    pub fn addresses(&self, node: &NodeName) -> Option<&[SocketAddr]> {
        self.voters.values().find(|(name, _)| name == node).map(|(_, at)| at.as_slice())
    }

    /// The first entry of the ledger: configuration, nodes, groups, and who founded it.
    ///
    /// # Errors
    /// The configuration is not accepted.
    pub fn first_entry(&self, at: Wall) -> Result<Draft, FoundingFailure> {
        let read = config::read(&self.config);
        let resolved = read.map_err(|problems| FoundingFailure::Config(problems.len()))?;
        let mut draft = Draft::default();
        for (id, (name, _)) in &self.voters {
            let certificate = self.taken.get(name).cloned();
            let node = NodeRecord { certificate, ..NodeRecord::new(*id) };
            draft = draft.write(Write::Node(name.clone(), node.into()));
        }
        for (name, spec) in &resolved.spec.groups {
            let intent = first_intent(spec.startup, at);
            draft = draft.write(Write::Group(name.clone(), GroupRecord::new(intent).into()));
        }
        let config = AppliedConfig {
            version: 1,
            hash: config::hash(&self.config),
            text: self.config.clone(),
            spec: resolved.spec,
            unconfirmed: None,
        };
        let draft = draft.write(Write::Config(config.into()));
        Ok(match &self.founded {
            Some(by) => draft.write(Write::Audit(by.clone())),
            None => draft,
        })
    }
}

fn first_intent(startup: Startup, at: Wall) -> GroupIntent {
    match startup {
        Startup::Auto => GroupIntent::Run,
        Startup::Manual => GroupIntent::Stop(Order {
            by: "startup = \"manual\"".to_owned(),
            reason: String::new(),
            at,
            command: "founding".to_owned(),
        }),
    }
}

/// Founds a cluster on this node: identity and founding record, all or nothing.
///
/// # Errors
/// The configuration, the identity or the file.
pub fn found(
    (data_dir, pki_dir): (&Path, &Path),
    text: &str,
    node: &NodeName,
    by: AuditRecord,
) -> Result<tsugi_wire::identity::ClusterIdentity, super::JoinFailure> {
    let read = config::read(text);
    let resolved = read.map_err(|problems| FoundingFailure::Config(problems.len()))?;
    if !resolved.spec.nodes.contains_key(node) {
        return Err(FoundingFailure::NotNamed(node.clone()).into());
    }
    let disk = shared_disk::path(&resolved.spec, node);
    if let Some(path) = disk {
        // What is not empty is refused before anything is made.
        shared_disk::look(path, &resolved.spec).map_err(super::JoinFailure::SharedDisk)?;
    }
    let now = tsugi_wire::join::wall_now();
    let name = &resolved.spec.name;
    let identity = tsugi_wire::identity::ClusterIdentity::found(pki_dir, name, node, now)?;
    if let Some(path) = disk {
        let cluster = tsugi_ledger::ClusterId(identity.cluster.id.0);
        let made = shared_disk::make_ready(path, cluster, &resolved.spec);
        if let Err(failure) = made {
            // Nobody has seen this cluster: another try founds another one.
            let _told_is_the_disk = aside::put(data_dir, &[pki_dir.to_path_buf()]);
            return Err(super::JoinFailure::SharedDisk(failure));
        }
    }
    let mut founding = Founding::of(&resolved.spec, text, Part::Founder);
    founding.taken.insert(node.clone(), own_certificate(&identity));
    founding.founded = Some(by);
    founding.write(data_dir)?;
    Ok(identity)
}

/// The fingerprint of a node's own certificate, as others see it.
pub(super) fn own_certificate(identity: &tsugi_wire::identity::ClusterIdentity) -> String {
    let chain = identity.chain();
    chain.first().map(|own| Fingerprint::of(own).to_string()).unwrap_or_default()
}
