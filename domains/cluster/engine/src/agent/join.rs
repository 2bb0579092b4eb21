//! How a node joins: a certificate for a token, then the founding record over that certificate.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tsugi_ledger::{ClusterId, StorageFailure};
use tsugi_vocabulary::NodeName;
use tsugi_wire::client::{Client, RequestFailure};
use tsugi_wire::dial::DialFailure;
use tsugi_wire::identity::{ClusterIdentity, IdentityFailure, Token};
use tsugi_wire::tls::{Tls, TlsFailure};
use tsugi_wire::version::Protocol;

use super::entry::{Answer, Ask, Kept, WhyNot, to_bytes};
use super::founding::{Founding, FoundingFailure, Part};
use super::shared_disk;
use super::start::FOUNDING_CHANNEL;
use crate::config;

/// Why a node could not be founded or joined. Nothing is left half done: without the founding
/// record a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum JoinFailure {
    /// The identity.
    #[error(transparent)]
    Identity(#[from] IdentityFailure),
    /// The founding record.
    #[error(transparent)]
    Founding(#[from] FoundingFailure),
    /// The token was not taken, or nobody answered.
    #[error(transparent)]
    Enter(#[from] tsugi_wire::join::JoinFailure),
    /// The disk that the ledger is to be on, or is.
    #[error("the disk of the ledger cannot be used: {0}")]
    SharedDisk(StorageFailure),
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsFailure),
    /// The founding record could not be fetched.
    #[error(transparent)]
    Request(#[from] RequestFailure),
    /// The cluster gives no number out now.
    #[error(transparent)]
    No(WhyNot),
    /// This certificate was taken out of the cluster.
    #[error("node {0} was taken out of the cluster; it needs a new token")]
    Removed(NodeName),
}

/// How long each step of joining may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Joins the cluster whose token this is, as `node` that speaks `ours`, by one of `addresses`.
///
/// # Errors
/// [`JoinFailure`].
pub async fn join(
    (data_dir, pki_dir): (&Path, &Path),
    addresses: &[SocketAddr],
    (token, node): (&Token, &NodeName),
    ours: Protocol,
) -> Result<ClusterIdentity, JoinFailure> {
    let identity = if ClusterIdentity::is_in(pki_dir) {
        // A former attempt got the certificate and lost the rest.
        ClusterIdentity::load(pki_dir)?
    } else {
        tsugi_wire::join::enter(pki_dir, addresses, (token, node), ours, LIMIT).await?
    };
    let tls = Arc::new(Tls::new(&identity, ours)?);
    let founding = number(&tls, addresses, (node, None)).await?;
    see_disk(&founding, &identity)?;
    founding.write(data_dir)?;
    Ok(identity)
}

/// Whether this node finds the disk that the ledger is on, if it is on one: one that does not would
/// join and never start.
fn see_disk(founding: &Founding, identity: &ClusterIdentity) -> Result<(), JoinFailure> {
    let read = config::read(&founding.config);
    let spec = read.map_err(|problems| FoundingFailure::Config(problems.len()))?.spec;
    let node = &identity.subject.name;
    let Some(path) = shared_disk::path(&spec, node) else { return Ok(()) };
    let cluster = ClusterId(identity.cluster.id.0);
    shared_disk::check(path, cluster, node).map_err(JoinFailure::SharedDisk)
}

/// Asks for this node's number: given to its certificate, so an answer that was lost is simply
/// asked for again.
pub(super) async fn number(
    tls: &Arc<Tls>,
    addresses: &[SocketAddr],
    (node, kept): (&NodeName, Option<Kept>),
) -> Result<Founding, JoinFailure> {
    let body = ask_anybody(tls, addresses, &to_bytes(&Ask::Number { kept })).await?;
    match serde_json::from_slice(&body) {
        Ok(Answer::Number { founding }) if founding.voter(node).is_none() => {
            Err(FoundingFailure::NotNamed(node.clone()).into())
        }
        Ok(Answer::Number { founding }) => Ok(Founding { part: Part::Joiner, ..*founding }),
        Ok(Answer::No { why }) => Err(JoinFailure::No(why)),
        Ok(Answer::Removed { .. }) => Err(JoinFailure::Removed(node.clone())),
        Ok(Answer::Stands { .. }) => Err(JoinFailure::No(WhyNot::Unreadable)),
        Err(error) => Err(FoundingFailure::Damaged(error.to_string()).into()),
    }
}

/// Asks whoever listens there: the certificate proves that it belongs to the cluster, and its
/// name is learned from it.
async fn ask_anybody(
    tls: &Arc<Tls>,
    addresses: &[SocketAddr],
    body: &[u8],
) -> Result<Vec<u8>, RequestFailure> {
    let ask = |node: NodeName| {
        let client = Client::new(Arc::clone(tls), node, addresses.to_vec());
        let body = body.to_vec();
        async move { client.request(FOUNDING_CHANNEL, body, LIMIT).await }
    };
    let nobody = NodeName::new("unknown").expect("a plain word");
    match ask(nobody).await {
        Err(RequestFailure::Unreachable { node, tried }) => {
            let found = tried.iter().find_map(|(_, failure)| match failure {
                DialFailure::WrongNode { found } => Some(found.clone()),
                _ => None,
            });
            match found {
                Some(found) => ask(found).await,
                None => Err(RequestFailure::Unreachable { node, tried }),
            }
        }
        answer => answer,
    }
}
