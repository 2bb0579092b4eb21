//! The agent's side of the control socket: who asks, what is answered, what is changed.
//!
//! Reading goes over the newest picture of the agent and the ledger's own copy; nothing here
//! touches the core. A change becomes a command of the rules, one ledger entry with its audit
//! line, and is told as done only when that entry is committed.

mod answer;
mod change;
mod goals;
mod mirrored;
mod person;
mod propose;
mod refusal;
mod remember;
mod serve;
mod undo;
mod verify;
pub mod view;
mod watched;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use tsugi_cluster_rules::node::Fate;
use tsugi_cluster_rules::record::{AppliedConfig, AuditRecord, Draft, Unconfirmed};
use tsugi_ledger::Ledger;
use tsugi_messages::Message;
use tsugi_vocabulary::{NodeName, Span};
use tsugi_wire::control::{Utc, report};
use tsugi_wire::heard::Heard;

pub use answer::LOOKS_WITHIN;
pub use person::Person;
pub use propose::Direct;
pub use remember::{Memo, recall, recall_doctor};
pub use serve::serve;
pub use undo::{Pace, keep_or_undo};

use crate::parity::Rounds;
use crate::standing::AgentView;

/// What the configuration file is called where no other is named.
pub const CONFIG_FILE: &str = "/etc/tsugi/tsugi.toml";

/// Where the socket of the agent of `run_dir` is: in the part that belongs to the agent's user.
#[must_use]
pub fn socket(run_dir: &Path) -> PathBuf {
    run_dir.join(tsugi_host::hands::AGENT_DIR).join("control.sock")
}

/// An answer that comes later.
pub type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Puts drafts to the ledger.
pub trait Proposer: Send + Sync {
    /// Puts one draft there, and says what became of it.
    fn propose(&self, draft: Draft) -> Later<Fate>;
}

/// What is told once a step of the membership is done; a secret is shown and kept nowhere.
#[derive(Clone, Debug)]
pub struct Made {
    /// What was made.
    pub what: Message,
    /// A token.
    pub secret: Option<String>,
}

/// Who belongs to the cluster: what needs identities and other nodes, beyond a ledger entry.
pub trait Membership: Send + Sync {
    /// Founds a cluster on this node with this configuration; the audit begins with `by`.
    fn init(&self, config: AppliedConfig, by: AuditRecord) -> Later<Result<Made, Message>>;
    /// What founding would write over on a disk that two nodes share; none if the ledger of this
    /// configuration is on no disk. The error says why it would be refused.
    fn disk(&self, config: AppliedConfig) -> Later<Result<Option<Message>, Message>>;
    /// Makes this node one of the cluster that the token is from.
    fn join(&self, token: String) -> Later<Result<Made, Message>>;
    /// Makes a one-time token for a node.
    fn token(&self, node: NodeName, good_for: Span) -> Later<Result<Made, Message>>;
}

/// What the control socket needs of a running agent.
#[derive(Clone)]
pub struct Services {
    /// The newest picture.
    pub view: AgentView,
    /// The ledger, once there is one.
    pub ledger: Arc<dyn Fn() -> Option<Arc<dyn Ledger>> + Send + Sync>,
    /// Where drafts go.
    pub proposer: Arc<dyn Proposer>,
    /// Who belongs to the cluster.
    pub membership: Arc<dyn Membership>,
    /// When the others were heard, once this node belongs to a cluster.
    pub heard: Arc<dyn Fn() -> Option<Arc<Heard>> + Send + Sync>,
    /// Which node could take which group, once this node belongs to a cluster.
    pub parity: Arc<dyn Fn() -> Option<Arc<Rounds>> + Send + Sync>,
}

/// A configuration without its text.
pub(crate) fn config_head(config: &AppliedConfig) -> report::ConfigHead {
    report::ConfigHead {
        version: config.version,
        hash: config.hash.clone(),
        unconfirmed_within_ms: config.unconfirmed.as_ref().map(|u| u.within.as_millis()),
        unconfirmed_since: config.unconfirmed.as_ref().and_then(|u| u.since).map(Utc),
        undone_at: config.unconfirmed.as_ref().and_then(Unconfirmed::undone_at).map(Utc),
        language: config.spec.language.clone(),
    }
}

#[cfg(test)]
mod tests;
