//! How a node comes into the cluster: it trusts exactly the authority of its token, proves the
//! token, and gets a certificate for a key that never leaves it.

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{CertificateParams, KeyPair};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tsugi_vocabulary::{NodeName, Wall};

use crate::frame::{self, Channel, Frame, FrameFailure, Reading, What};
use crate::identity::{
    Authority, Cluster, ClusterIdentity, ClusterRecord, Fingerprint, IdentityFailure, Issued,
    Redeemed, Role, Token, TokenFailure, TokenRefused, Tokens, Validity, Wanted, read_subject,
};
use crate::secret;
use crate::sockets;
use crate::tls::{TlsFailure, pinned};
use crate::version::Protocol;

/// The largest message of a join: a request or a certificate with its chain.
pub const MESSAGE_LIMIT: usize = 16 * 1024;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plea {
    pub(crate) token: String,
    pub(crate) name: NodeName,
    /// The signing request in DER, as hexadecimal digits.
    pub(crate) request: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Decision {
    Admitted {
        certificate: String,
        authority: String,
        cluster: ClusterRecord,
        /// The authority's key, for a node; who gives out none is of an earlier version.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        authority_key: Option<String>,
    },
    Refused(JoinRefused),
}

/// Why a node does not come in. The order is the order of the checks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JoinRefused {
    /// The token does not open the door.
    #[error(transparent)]
    Token(TokenRefused),
    /// The cluster does not take this node.
    #[error("the cluster does not admit this node: {why}")]
    NotAdmitted {
        /// The cluster's reason.
        why: String,
    },
    /// The signing request is malformed.
    #[error("the signing request is malformed")]
    Request,
    /// The reception could not keep its record; the token is still good, or its answer says not.
    #[error("the node that gave out the token could not carry this out: {why}")]
    Reception {
        /// What failed.
        why: String,
    },
}

/// Somebody who wants to come in and has proved a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applicant {
    /// Under which name.
    pub name: NodeName,
    /// As what: decided when the token was given out.
    pub role: Role,
    /// From where.
    pub addr: SocketAddr,
}

/// What came of an attempt that did not end with a certificate.
#[derive(Debug)]
pub enum Turned {
    /// The attempt did not keep to the form, or broke off.
    Form(FrameFailure),
    /// It was refused.
    Refused {
        /// The name that was asked for.
        name: NodeName,
        /// Why.
        why: JoinRefused,
    },
}

/// What `admit` gives: in the end, the cluster's reason when it does not take the applicant.
pub type Admission = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;
type Admit = dyn Fn(Applicant) -> Admission + Send + Sync;

/// The reception of a node that has the authority's key: gives out tokens, and certificates for
/// them.
pub struct Reception {
    authority: Authority,
    fingerprint: Fingerprint,
    cluster: Mutex<Cluster>,
    tokens: Mutex<Tokens>,
    admit: Box<Admit>,
}

impl std::fmt::Debug for Reception {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reception({:?})", self.authority)
    }
}

/// The wall clock: for the ends of tokens and certificates only.
#[must_use]
pub fn wall_now() -> Wall {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Wall(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

impl Reception {
    /// The reception of the node `identity`, which gives its authority away to it. `admit`
    /// is asked for each applicant whose token is good; its refusal gives the token back.
    ///
    /// # Errors
    /// The node has no authority's key, or its tokens cannot be read.
    pub fn open(
        identity: &mut ClusterIdentity,
        admit: impl Fn(Applicant) -> Admission + Send + Sync + 'static,
    ) -> Result<Option<Self>, IdentityFailure> {
        let tokens = identity.tokens()?;
        let fingerprint = identity.authority_fingerprint();
        Ok(identity.authority.take().map(|authority| Self {
            authority,
            fingerprint,
            cluster: Mutex::new(identity.cluster.clone()),
            tokens: Mutex::new(tokens),
            admit: Box::new(admit),
        }))
    }

    fn tokens(&self) -> std::sync::MutexGuard<'_, Tokens> {
        // Every change of the list is made on disk first and then in memory, in one step.
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives out a token that holds for `lifetime`.
    ///
    /// # Errors
    /// Too many are open, or the list cannot be kept.
    pub fn token(
        &self,
        role: Role,
        name: Option<NodeName>,
        lifetime: Duration,
    ) -> Result<Token, TokenFailure> {
        let now = wall_now();
        let span = u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX);
        let wanted = Wanted { role, name, until: Wall(now.0.saturating_add(span)) };
        self.tokens().issue(self.fingerprint, wanted, now)
    }

    /// Hands out these secrets from now on: a step of a rotation.
    pub fn renew_cluster(&self, cluster: &Cluster) {
        *self.cluster.lock().unwrap_or_else(PoisonError::into_inner) = cluster.clone();
    }

    /// Whether any token is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.tokens().any_open(wall_now())
    }

    /// Hears one applicant and answers.
    pub(crate) async fn receive(
        &self,
        mut stream: tokio_rustls::server::TlsStream<TcpStream>,
        ours: Protocol,
    ) -> Result<(), Turned> {
        let addr = stream.get_ref().0.peer_addr().map_err(|e| Turned::Form(e.into()))?;
        let plea: Plea = receive(&mut stream, ours).await.map_err(Turned::Form)?;
        let name = plea.name.clone();
        let (decision, refused) = match self.decide(plea, addr).await {
            Ok(admitted) => (admitted, None),
            Err(why) => (Decision::Refused(why.clone()), Some(why)),
        };
        send(&mut stream, ours, (What::Answer, &decision)).await.map_err(Turned::Form)?;
        stream.shutdown().await.map_err(|error| Turned::Form(error.into()))?;
        match refused {
            None => Ok(()),
            Some(why) => Err(Turned::Refused { name, why }),
        }
    }

    async fn decide(&self, plea: Plea, addr: SocketAddr) -> Result<Decision, JoinRefused> {
        let secret: [u8; 16] =
            secret::unhex(&plea.token).ok_or(JoinRefused::Token(TokenRefused::Unknown))?;
        let failed = |failure: TokenFailure| JoinRefused::Reception { why: failure.to_string() };
        let redeemed = self
            .tokens()
            .redeem(&secret, &plea.name, wall_now())
            .map_err(failed)?
            .map_err(JoinRefused::Token)?;
        match self.issue(&plea, &redeemed, addr).await {
            Ok(issued) => {
                let cluster = self.cluster.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(Decision::Admitted {
                    certificate: issued.certificate_pem,
                    authority: issued.authority_pem,
                    cluster: ClusterRecord::from(&*cluster),
                    // A node lets others in as well: the loss of none may close the cluster.
                    authority_key: match redeemed.role {
                        Role::Node => Some(self.authority.key_pem()),
                        Role::Client | Role::Operator => None,
                    },
                })
            }
            Err(why) => {
                self.tokens().put_back(redeemed).map_err(failed)?;
                Err(why)
            }
        }
    }

    async fn issue(
        &self,
        plea: &Plea,
        redeemed: &Redeemed,
        addr: SocketAddr,
    ) -> Result<Issued, JoinRefused> {
        let request = unhex_all(&plea.request).ok_or(JoinRefused::Request)?;
        let (name, role) = (plea.name.clone(), redeemed.role);
        let issued = self
            .authority
            .issue_for_request(&request, &name, role, Validity::usual(wall_now()))
            .map_err(|_| JoinRefused::Request)?;
        (self.admit)(Applicant { name, role, addr })
            .await
            .map_err(|why| JoinRefused::NotAdmitted { why })?;
        Ok(issued)
    }
}

fn unhex_all(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| secret::unhex::<1>(std::str::from_utf8(pair).ok()?).map(|[b]| b)).collect()
}

fn reading(ours: Protocol) -> Reading {
    Reading { ours, limit: MESSAGE_LIMIT, time: Duration::from_secs(10) }
}

async fn receive<T: for<'a> Deserialize<'a>>(
    from: &mut (impl AsyncRead + Unpin),
    ours: Protocol,
) -> Result<T, FrameFailure> {
    let frame = frame::read(from, reading(ours)).await?;
    serde_json::from_slice(&frame.body)
        .map_err(|error| FrameFailure::Connection(std::io::Error::other(error)))
}

async fn send<T: Serialize>(
    to: &mut (impl AsyncWrite + Unpin),
    ours: Protocol,
    (what, message): (What, &T),
) -> Result<(), FrameFailure> {
    let body = serde_json::to_vec(message).expect("texts and numbers are JSON");
    let frame = Frame { version: ours, channel: Channel(0), what, id: 1, body };
    let bytes = frame.encode().map_err(std::io::Error::other)?;
    to.write_all(&bytes).await?;
    Ok(to.flush().await?)
}

/// Why a node did not come in.
#[derive(Debug, thiserror::Error)]
pub enum JoinFailure {
    /// None of the addresses answers.
    #[error("{address} does not answer: {source}")]
    Unreachable {
        /// The last one tried.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// What answers is no node of the cluster that the token is for, or has no open token.
    #[error("{address} is not a node of the token's cluster, or has no open token: {source}")]
    NotTheCluster {
        /// Which address.
        address: SocketAddr,
        /// What the handshake said.
        source: std::io::Error,
    },
    /// It took too long.
    #[error("{address} did not decide within {limit:?}")]
    TooSlow {
        /// Which address.
        address: SocketAddr,
        /// How long was waited.
        limit: Duration,
    },
    /// The talk broke off. Whether the token was used is not known.
    #[error("the talk with {address} broke off: {source}")]
    BrokeOff {
        /// With whom.
        address: SocketAddr,
        /// Why.
        source: FrameFailure,
    },
    /// The cluster said no.
    #[error(transparent)]
    Refused(#[from] JoinRefused),
    /// What was handed out does not fit what was asked.
    #[error("what {address} handed out does not fit: {why}")]
    Unfit {
        /// Who.
        address: SocketAddr,
        /// What does not fit.
        why: String,
    },
    /// This node could not keep its identity.
    #[error(transparent)]
    Identity(#[from] IdentityFailure),
    /// The TLS library refused.
    #[error(transparent)]
    Tls(#[from] TlsFailure),
}

/// Joins as `name` through the first of `addresses` that answers, speaking `ours`, and keeps the
/// identity in `directory`.
///
/// # Errors
/// A [`JoinFailure`]; `directory` holds no identity then.
pub async fn enter(
    directory: &Path,
    addresses: &[SocketAddr],
    (token, name): (&Token, &NodeName),
    ours: Protocol,
    limit: Duration,
) -> Result<ClusterIdentity, JoinFailure> {
    if ClusterIdentity::is_in(directory) {
        let path = directory.to_path_buf();
        return Err(IdentityFailure::AlreadyThere { path }.into());
    }
    let no_address = || std::io::Error::from(std::io::ErrorKind::AddrNotAvailable);
    let mut last = JoinFailure::Unreachable {
        address: SocketAddr::from(([0, 0, 0, 0], 0)),
        source: no_address(),
    };
    for &address in addresses {
        let attempt = plead(directory, address, (token, name), ours);
        match tokio::time::timeout(limit, attempt).await {
            Ok(Err(unheard @ JoinFailure::Unreachable { .. })) => last = unheard,
            Ok(Err(unheard @ JoinFailure::NotTheCluster { .. })) => last = unheard,
            Ok(decided) => return decided,
            Err(_) => last = JoinFailure::TooSlow { address, limit },
        }
    }
    Err(last)
}

async fn plead(
    directory: &Path,
    address: SocketAddr,
    (token, name): (&Token, &NodeName),
    ours: Protocol,
) -> Result<ClusterIdentity, JoinFailure> {
    let unreachable = |source| JoinFailure::Unreachable { address, source };
    let tcp = TcpStream::connect(address).await.map_err(unreachable)?;
    sockets::prepare(&tcp).map_err(unreachable)?;
    let connector = tokio_rustls::TlsConnector::from(pinned(token.authority)?);
    let any = ServerName::try_from("join.tsugi.invalid").expect("three plain labels");
    let mut stream = connector
        .connect(any, tcp)
        .await
        .map_err(|source| JoinFailure::NotTheCluster { address, source })?;

    let made = |error: rcgen::Error| JoinFailure::Identity(error.into());
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(made)?;
    let request = CertificateParams::default().serialize_request(&key).map_err(made)?;
    let plea = Plea {
        token: secret::hex(token.secret()),
        name: name.clone(),
        request: secret::hex(request.der()),
    };
    let broke_off = |source| JoinFailure::BrokeOff { address, source };
    send(&mut stream, ours, (What::Request, &plea)).await.map_err(broke_off)?;
    match receive(&mut stream, ours).await.map_err(broke_off)? {
        Decision::Refused(why) => Err(why.into()),
        Decision::Admitted { certificate, authority, cluster, authority_key } => {
            let issued = Issued {
                certificate_pem: certificate,
                key_pem: key.serialize_pem(),
                authority_pem: authority,
            };
            let unfit = |why| JoinFailure::Unfit { address, why };
            let cluster = check(&issued, cluster, token, name).map_err(unfit)?;
            let read = |key: String| issued.authority(&key, cluster.id);
            let authority = authority_key.map(read).transpose().map_err(unfit)?;
            ClusterIdentity::store(directory, &cluster, &issued, authority.as_ref())?;
            Ok(ClusterIdentity::load(directory)?)
        }
    }
}

fn check(
    issued: &Issued,
    cluster: ClusterRecord,
    token: &Token,
    name: &NodeName,
) -> Result<Cluster, String> {
    let cluster = Cluster::try_from(cluster)?;
    let read = |pem: &str| {
        CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|error| error.to_string())
    };
    if Fingerprint::of(&read(&issued.authority_pem)?) != token.authority {
        return Err("the authority is not that of the token".to_owned());
    }
    let subject =
        read_subject(&read(&issued.certificate_pem)?).map_err(|refused| refused.to_string())?;
    if subject.name != *name || subject.cluster != cluster.id {
        return Err(format!("the certificate is for {} of {}", subject.name, subject.cluster));
    }
    Ok(cluster)
}
