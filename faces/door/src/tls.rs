//! TLS of a door: its own certificate, and who may prove themselves by theirs.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tsugi_service_engine::Identity;
use x509_parser::parse_x509_certificate;

use crate::stream::Stream;
use crate::who::Proved;

/// Why a certificate and a key cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("TLS: {0}")]
pub struct TlsRefused(String);

/// How a door speaks TLS: by this chain and key. Who shows a certificate of one of these
/// authorities is known by its name; who shows none needs a token. Who shows another is refused.
///
/// # Errors
/// Chain and key do not belong together, or an authority cannot be read.
pub fn tls(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    authorities: &[CertificateDer<'static>],
) -> Result<Arc<ServerConfig>, TlsRefused> {
    let refused = |why: &dyn std::fmt::Display| TlsRefused(why.to_string());
    let provider: Arc<CryptoProvider> = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|why| refused(&why))?;
    let builder = if authorities.is_empty() {
        builder.with_no_client_auth()
    } else {
        let mut roots = RootCertStore::empty();
        for authority in authorities {
            roots.add(authority.clone()).map_err(|why| refused(&why))?;
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider)
            .allow_unauthenticated()
            .build()
            .map_err(|why| refused(&why))?;
        builder.with_client_cert_verifier(verifier)
    };
    let mut config = builder.with_single_cert(chain, key).map_err(|why| refused(&why))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// A connection after its handshake, and what it proved; none where it failed. The door cuts one
/// that takes too long.
pub(crate) async fn proved(
    config: &Arc<ServerConfig>,
    stream: Stream,
) -> Option<(TlsStream<Stream>, Proved)> {
    let stream = TlsAcceptor::from(config.clone()).accept(stream).await.ok()?;
    let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let proved = match shown {
        None => Proved::Nothing,
        Some(certificate) => {
            Proved::Certificate(Identity(format!("certificate:{}", name(certificate)?)))
        }
    };
    Some((stream, proved))
}

/// The one common name of a certificate.
fn name(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, certificate) = parse_x509_certificate(certificate).ok()?;
    let mut names = certificate.subject().iter_common_name();
    let (first, second) = (names.next()?, names.next());
    let name = first.as_str().ok()?;
    (second.is_none() && !name.is_empty()).then(|| name.to_owned())
}
