//! TLS of a client: whom it believes, and who it says it is.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::TlsConnector;

/// Why certificates are of no use.
#[derive(Debug, thiserror::Error)]
pub enum TlsFailure {
    /// A file cannot be read, or holds nothing of the kind.
    #[error("{}: {}", .0.display(), .1)]
    File(PathBuf, String),
    /// What is in it is refused.
    #[error("the certificates cannot be used")]
    Refused(#[from] rustls::Error),
    /// The name to look for in the service's certificate is no name.
    #[error("{0:?} is no name of a server")]
    Name(String),
}

/// Whom a client believes, and who it says it is.
#[derive(Clone)]
pub struct Tls {
    connector: TlsConnector,
    name: Option<ServerName<'static>>,
}

impl Tls {
    /// Believes what these authorities have signed (PEM), and shows the certificate and key of the
    /// second pair of files, where there is one. `name` is looked for in the certificate of the
    /// service instead of the host of its address.
    ///
    /// # Errors
    /// [`TlsFailure`].
    pub fn of(
        authorities: &Path,
        own: Option<(&Path, &Path)>,
        name: Option<&str>,
    ) -> Result<Self, TlsFailure> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(authorities)? {
            roots.add(certificate)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let mut config = match own {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let failed = |error: rustls_pki_types::pem::Error| {
                    TlsFailure::File(key.to_owned(), error.to_string())
                };
                let secret = PrivateKeyDer::from_pem_file(key).map_err(failed)?;
                builder.with_client_auth_cert(certificates(certificate)?, secret)?
            }
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let named = |name: &str| {
            let known = ServerName::try_from(name.to_owned());
            known.map_err(|_| TlsFailure::Name(name.to_owned()))
        };
        let name = name.map(named).transpose()?;
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), name })
    }

    pub(crate) const fn connector(&self) -> &TlsConnector {
        &self.connector
    }

    /// Whose certificate is looked for at this host.
    pub(crate) fn server(&self, host: &str) -> Option<ServerName<'static>> {
        match &self.name {
            Some(name) => Some(name.clone()),
            None => ServerName::try_from(host.to_owned()).ok(),
        }
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("name", &self.name).finish_non_exhaustive()
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFailure> {
    let failed = |error: String| TlsFailure::File(file.to_owned(), error);
    let found: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(file).map_err(|e| failed(e.to_string()))?.collect();
    let found = found.map_err(|e| failed(e.to_string()))?;
    match found.is_empty() {
        true => Err(failed("no certificate".to_owned())),
        false => Ok(found),
    }
}
