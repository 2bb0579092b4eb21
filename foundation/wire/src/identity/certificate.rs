//! What a certificate says: cluster, role and name, in one URI of its own form.

use std::fmt;

use rustls_pki_types::{CertificateDer, ServerName};
use tsugi_vocabulary::{NodeName, Wall};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::ClusterId;
use crate::secret;

const SCHEME: &str = "tsugi://";

/// What the holder of a certificate may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// A node of the cluster: the only role that can be connected to.
    Node,
    /// A program that calls services.
    Client,
    /// A person's workplace.
    Operator,
}

impl Role {
    /// The word in certificates and files.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Client => "client",
            Self::Operator => "operator",
        }
    }

    /// The role of that word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        [Self::Node, Self::Client, Self::Operator].into_iter().find(|role| role.word() == word)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// SHA-256 of a certificate.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// The fingerprint of `certificate`.
    #[must_use]
    pub fn of(certificate: &CertificateDer<'_>) -> Self {
        Self(secret::digest(certificate))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&secret::hex(&self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Who a certificate is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Of which cluster.
    pub cluster: ClusterId,
    /// As what.
    pub role: Role,
    /// Under which name.
    pub name: NodeName,
    /// Of exactly this certificate: a node that left and joined again has another one.
    pub fingerprint: Fingerprint,
    /// When it ends.
    pub until: Wall,
}

/// Why a certificate names nobody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubjectRefused {
    /// It is no certificate.
    #[error("this is no certificate")]
    NotACertificate,
    /// It does not carry exactly one name of our form.
    #[error("the certificate names {count} members of a tsugi cluster instead of one")]
    NotOneName {
        /// How many.
        count: usize,
    },
    /// Its name is of our form and says nothing that we know.
    #[error("the certificate is for {uri:?}, which names nobody")]
    Unknown {
        /// What it says.
        uri: String,
    },
}

/// The URI in the certificate of `name`.
pub(super) fn uri(cluster: ClusterId, role: Role, name: &NodeName) -> String {
    format!("{SCHEME}{cluster}/{role}/{name}")
}

/// The DNS name in the certificates of all nodes of a cluster: it binds a connection to the
/// cluster; the node is then found in the URI, which keeps upper and lower case apart.
pub(super) fn dns_name(cluster: ClusterId) -> String {
    format!("{cluster}.tsugi.invalid")
}

/// What a client expects of every server of the cluster.
pub(crate) fn server_name(cluster: ClusterId) -> ServerName<'static> {
    ServerName::try_from(dns_name(cluster)).expect("hexadecimal digits and two labels")
}

/// Reads who a certificate is for. Its signature is not looked at here.
pub(crate) fn read_subject(certificate: &CertificateDer<'_>) -> Result<Subject, SubjectRefused> {
    let (_, parsed) =
        X509Certificate::from_der(certificate).map_err(|_| SubjectRefused::NotACertificate)?;
    let names = parsed
        .subject_alternative_name()
        .map_err(|_| SubjectRefused::NotACertificate)?
        .map(|extension| extension.value.general_names.as_slice())
        .unwrap_or_default();
    let uris: Vec<&str> = names
        .iter()
        .filter_map(|name| match name {
            GeneralName::URI(uri) if uri.starts_with(SCHEME) => Some(*uri),
            _ => None,
        })
        .collect();
    let [uri] = uris[..] else {
        return Err(SubjectRefused::NotOneName { count: uris.len() });
    };
    let unknown = || SubjectRefused::Unknown { uri: uri.to_owned() };
    let (cluster, role, name) = split(uri).ok_or_else(unknown)?;
    let seconds = u64::try_from(parsed.validity().not_after.timestamp()).unwrap_or(0);
    let until = Wall(seconds.saturating_mul(1000));
    Ok(Subject { cluster, role, name, fingerprint: Fingerprint::of(certificate), until })
}

fn split(uri: &str) -> Option<(ClusterId, Role, NodeName)> {
    let mut parts = uri.strip_prefix(SCHEME)?.split('/');
    let cluster = ClusterId::try_from(parts.next()?.to_owned()).ok()?;
    let role = Role::of(parts.next()?)?;
    let name = NodeName::new(parts.next()?).ok()?;
    parts.next().is_none().then_some((cluster, role, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_in_a_certificate_is_read_back_exactly() {
        let name = NodeName::new("Node_1-").unwrap();
        let uri = uri(ClusterId(7), Role::Operator, &name);
        assert_eq!(split(&uri), Some((ClusterId(7), Role::Operator, name)));
        for bent in [format!("{uri}/x"), uri.replace("operator", "king"), uri.replace("000", "")] {
            assert_eq!(split(&bent), None, "{bent}");
        }
    }
}
