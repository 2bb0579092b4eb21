//! Who belongs to the cluster: founding it, joining it, and giving tokens out.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{SetOnce, mpsc};
use tsugi_cluster_rules::record::{AppliedConfig, AuditRecord};
use tsugi_ledger::Ledger;
use tsugi_messages::{self as messages, Message};
use tsugi_vocabulary::{NodeName, Span};
use tsugi_wire::heard::Heard;
use tsugi_wire::identity::{ClusterIdentity, Role, Token};
use tsugi_wire::join::Reception;

use super::founding::{self, Founding, FoundingFailure};
use super::join::JoinFailure;
use super::start::AgentConfig;
use super::{belonging, join, shared_disk};
use crate::control::{Later, Made, Membership};
use crate::parity::Rounds;

/// What the control socket and the running agent share.
#[derive(Clone)]
pub(super) struct Shared {
    /// Where the agent lives.
    pub config: Arc<AgentConfig>,
    /// Told once the node was founded or has joined.
    pub founded: mpsc::UnboundedSender<()>,
    /// The running agent, once there is one.
    pub running: Arc<SetOnce<Running>>,
}

/// A running agent, as far as membership needs it.
#[derive(Clone)]
pub(super) struct Running {
    pub ledger: Arc<dyn Ledger>,
    /// When the others were heard.
    pub heard: Arc<Heard>,
    pub reception: Option<Arc<Reception>>,
    pub parity: Arc<Rounds>,
}

/// How long a node that has just been founded or has just joined may take to begin its work.
const BEGINS_WITHIN: Duration = Duration::from_secs(5);
/// What stands between a token and the addresses it is to be used at.
const AT: char = '@';

impl Shared {
    fn failed(&self, why: impl std::fmt::Display) -> Message {
        messages::internal_failure("membership", why.to_string())
    }

    fn name(&self) -> Result<NodeName, Message> {
        super::start::own_name(&self.config).map_err(|e| self.failed(e))
    }

    fn found(&self, config: &AppliedConfig, by: AuditRecord) -> Result<Made, Message> {
        let node = self.name()?;
        let dirs = (self.config.data_dir.as_path(), self.config.pki_dir.as_path());
        if ClusterIdentity::is_in(dirs.1) {
            return Err(messages::cluster_exists_here(dirs.1.display(), &config.spec.name));
        }
        let identity = founding::found(dirs, &config.text, &node, by)
            .map_err(|e| not_entered(e, &node, |e| self.failed(e)))?;
        // The agent waits for this; if it is gone, so is the node.
        let _gone = self.founded.send(());
        let what = messages::cluster_created(&identity.cluster.name, dirs.1.display());
        Ok(Made { what, secret: None })
    }

    async fn enter(&self, text: &str) -> Result<Made, Message> {
        let node = self.name()?;
        let (token, at) = text.trim().split_once(AT).unwrap_or((text.trim(), ""));
        let token: Token = token.parse().map_err(|e| self.failed(e))?;
        let addresses: Vec<SocketAddr> = at.split(',').filter_map(|a| a.parse().ok()).collect();
        let dirs = (self.config.data_dir.as_path(), self.config.pki_dir.as_path());
        if !ClusterIdentity::is_in(dirs.1) {
            belonging::clear_leftovers(dirs.0).map_err(|e| self.failed(e))?;
        }
        let identity = join::join(dirs, &addresses, (&token, &node), self.config.build.protocol)
            .await
            .map_err(|e| not_entered(e, &node, |e| messages::token_refused(&node, e)))?;
        let _gone = self.founded.send(());
        Ok(Made {
            what: messages::node_joined(&node, &identity.cluster.name, "token"),
            secret: None,
        })
    }

    async fn give_token(&self, node: &NodeName, good_for: Span) -> Result<Made, Message> {
        let me = self.name()?;
        if !ClusterIdentity::is_in(&self.config.pki_dir) {
            return Err(messages::no_cluster_yet(&me));
        }
        // Who has founded a cluster asks at once, while its agent still begins.
        let running = tokio::time::timeout(BEGINS_WITHIN, self.running.wait()).await;
        let running = running.map_err(|_| messages::record_awaited(&me))?;
        let reception = running.reception.clone().ok_or_else(|| messages::token_not_here(&me))?;
        let founding = Founding::read(&self.config.data_dir).map_err(|e| self.failed(e))?;
        // Once there is a record, who asks has found the node in it.
        let recorded = running.ledger.view().get("config").is_some();
        if !recorded && founding.voter(node).is_none() {
            return Err(self.failed(FoundingFailure::NotNamed(node.clone())));
        }
        let lifetime = Duration::from_nanos(good_for.0);
        let token = reception
            .token(Role::Node, Some(node.clone()), lifetime)
            .map_err(|e| self.failed(e))?;
        let own = founding.addresses(&me).unwrap_or_default();
        let at: Vec<String> = own.iter().map(ToString::to_string).collect();
        let secret = format!("{}{AT}{}", token.reveal(), at.join(","));
        Ok(Made {
            what: messages::token_made(node, good_for.as_millis() / 1000),
            secret: Some(secret),
        })
    }
}

/// Why a node is in no cluster now. What is wrong with the disk of a ledger has words of its own.
fn not_entered(
    why: JoinFailure,
    node: &NodeName,
    otherwise: impl FnOnce(JoinFailure) -> Message,
) -> Message {
    match why {
        JoinFailure::SharedDisk(disk) => shared_disk::unusable(&disk, node.as_str()),
        why => otherwise(why),
    }
}

impl Membership for Shared {
    fn init(&self, config: AppliedConfig, by: AuditRecord) -> Later<Result<Made, Message>> {
        let shared = self.clone();
        Box::pin(async move { shared.found(&config, by) })
    }

    fn disk(&self, config: AppliedConfig) -> Later<Result<Option<Message>, Message>> {
        let shared = self.clone();
        Box::pin(async move {
            let node = shared.name()?;
            let Some(path) = shared_disk::path(&config.spec, &node) else { return Ok(None) };
            let bytes = shared_disk::look(path, &config.spec);
            let bytes = bytes.map_err(|disk| shared_disk::unusable(&disk, node.as_str()))?;
            let mebibytes = bytes.div_ceil(1 << 20);
            Ok(Some(messages::ledger_disk_would_be_made(path.display(), mebibytes)))
        })
    }

    fn join(&self, token: String) -> Later<Result<Made, Message>> {
        let shared = self.clone();
        Box::pin(async move { shared.enter(&token).await })
    }

    fn token(&self, node: NodeName, good_for: Span) -> Later<Result<Made, Message>> {
        let shared = self.clone();
        Box::pin(async move { shared.give_token(&node, good_for).await })
    }
}
