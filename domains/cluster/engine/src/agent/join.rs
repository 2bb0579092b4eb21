//! How a node joins: a certificate for a token, then the founding record over that certificate.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tsugi_vocabulary::NodeName;
use tsugi_wire::client::{Client, RequestFailure};
use tsugi_wire::dial::DialFailure;
use tsugi_wire::identity::{ClusterIdentity, IdentityFailure, Token};
use tsugi_wire::tls::{Tls, TlsFailure};

use super::founding::{Founding, FoundingFailure, Part};
use super::start::FOUNDING_CHANNEL;

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
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsFailure),
    /// The founding record could not be fetched.
    #[error(transparent)]
    Request(#[from] RequestFailure),
}

/// How long each step of joining may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Joins the cluster whose token this is, as `node`, by one of `addresses`.
///
/// # Errors
/// [`JoinFailure`].
pub async fn join(
    (data_dir, pki_dir): (&Path, &Path),
    addresses: &[SocketAddr],
    token: &Token,
    node: &NodeName,
) -> Result<ClusterIdentity, JoinFailure> {
    let identity = if ClusterIdentity::is_in(pki_dir) {
        // A former attempt got the certificate and lost the rest.
        ClusterIdentity::load(pki_dir)?
    } else {
        tsugi_wire::join::enter(pki_dir, addresses, token, node, LIMIT).await?
    };
    let tls = Arc::new(Tls::new(&identity)?);
    let body = fetch_founding(&tls, addresses).await?;
    let mut founding: Founding =
        serde_json::from_slice(&body).map_err(|e| FoundingFailure::Damaged(e.to_string()))?;
    founding.part = Part::Joiner;
    if founding.voter(node).is_none() {
        return Err(FoundingFailure::NotNamed(node.clone()).into());
    }
    founding.write(data_dir)?;
    Ok(identity)
}

/// Asks whoever listens there: the certificate proves that it belongs to the cluster, and its
/// name is learned from it.
async fn fetch_founding(
    tls: &Arc<Tls>,
    addresses: &[SocketAddr],
) -> Result<Vec<u8>, RequestFailure> {
    let ask = |node: NodeName| {
        let client = Client::new(Arc::clone(tls), node, addresses.to_vec());
        async move { client.request(FOUNDING_CHANNEL, Vec::new(), LIMIT).await }
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
