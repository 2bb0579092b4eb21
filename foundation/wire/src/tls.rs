//! TLS 1.3 between nodes: both ends show a certificate of the cluster's authority, or nothing
//! is said at all.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig,
    SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tsugi_vocabulary::NodeName;

use crate::identity::{
    ClusterId, ClusterIdentity, Fingerprint, Role, Subject, SubjectRefused, read_subject,
    server_name,
};
use crate::version::Protocol;

/// The protocol's name in the handshake of members.
pub(crate) const MEMBERS: &[u8] = b"tsugi/1";
/// The protocol's name in the handshake of a node that wants to join.
pub(crate) const JOINING: &[u8] = b"tsugi-join/1";

/// Why no TLS configuration could be made.
#[derive(Debug, thiserror::Error)]
#[error("the certificate and the key of this node cannot be used: {0}")]
pub struct TlsFailure(String);

impl TlsFailure {
    fn because(why: impl std::fmt::Display) -> Self {
        Self(why.to_string())
    }
}

/// How this node shows itself and what it demands of others.
pub struct Tls {
    pub(crate) cluster: ClusterId,
    pub(crate) own: NodeName,
    pub(crate) protocol: Protocol,
    pub(crate) server: Arc<ServerConfig>,
    pub(crate) joining: Arc<ServerConfig>,
    pub(crate) client: Arc<ClientConfig>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tls({} of {})", self.own, self.cluster)
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn roots(ca: &CertificateDer<'static>) -> Result<Arc<RootCertStore>, TlsFailure> {
    let mut roots = RootCertStore::empty();
    roots.add(ca.clone()).map_err(TlsFailure::because)?;
    Ok(Arc::new(roots))
}

/// A session is never resumed: each connection proves both ends again, and there is nothing to
/// keep or to steal.
fn without_resumption(mut config: ServerConfig, protocol: &[u8]) -> Arc<ServerConfig> {
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.alpn_protocols = vec![protocol.to_vec()];
    Arc::new(config)
}

impl Tls {
    /// Reads keys and certificates of `identity` into what the connections use, and has them
    /// speak `protocol`.
    ///
    /// # Errors
    /// Key and certificate do not belong together.
    pub fn new(identity: &ClusterIdentity, protocol: Protocol) -> Result<Self, TlsFailure> {
        let roots = roots(identity.ca())?;
        let versions = &[&rustls::version::TLS13];
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), provider())
            .build()
            .map_err(TlsFailure::because)?;
        let server = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)
            .and_then(|builder| {
                builder
                    .with_client_cert_verifier(verifier)
                    .with_single_cert(identity.chain(), identity.key())
            })
            .map_err(TlsFailure::because)?;
        let joining = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)
            .and_then(|builder| {
                builder.with_no_client_auth().with_single_cert(identity.chain(), identity.key())
            })
            .map_err(TlsFailure::because)?;
        let mut client = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)
            .and_then(|builder| {
                builder
                    .with_root_certificates(roots)
                    .with_client_auth_cert(identity.chain(), identity.key())
            })
            .map_err(TlsFailure::because)?;
        client.resumption = Resumption::disabled();
        client.alpn_protocols = vec![MEMBERS.to_vec()];
        Ok(Self {
            cluster: identity.cluster.id,
            own: identity.subject.name.clone(),
            protocol,
            server: without_resumption(server, MEMBERS),
            joining: without_resumption(joining, JOINING),
            client: Arc::new(client),
        })
    }
}

/// Who the other end is, from the chain that the handshake proved.
pub(crate) fn subject_of(chain: Option<&[CertificateDer<'_>]>) -> Result<Subject, SubjectRefused> {
    let first = chain.and_then(<[_]>::first).ok_or(SubjectRefused::NotACertificate)?;
    read_subject(first)
}

/// The configuration of a node that knows nothing of the cluster but its authority's
/// fingerprint.
pub(crate) fn pinned(authority: Fingerprint) -> Result<Arc<ClientConfig>, TlsFailure> {
    let verifier = Arc::new(PinnedAuthority { authority, provider: provider() });
    let mut client = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(TlsFailure::because)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    client.resumption = Resumption::disabled();
    client.alpn_protocols = vec![JOINING.to_vec()];
    Ok(Arc::new(client))
}

/// Accepts a node whose certificate was signed by exactly the authority of the token. The
/// authority's certificate comes with the chain and is recognised by its fingerprint.
#[derive(Debug)]
struct PinnedAuthority {
    authority: Fingerprint,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for PinnedAuthority {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let authority = intermediates
            .iter()
            .find(|shown| Fingerprint::of(shown) == self.authority)
            .ok_or(CertificateError::UnknownIssuer)?;
        let subject = read_subject(end_entity).map_err(|_| CertificateError::NotValidForName)?;
        if subject.role != Role::Node {
            return Err(CertificateError::NotValidForName.into());
        }
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone().into_owned())?;
        let provider = Arc::clone(&self.provider);
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|_| CertificateError::UnknownIssuer)?
            .verify_server_cert(end_entity, &[], &server_name(subject.cluster), ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2 is not spoken here".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
