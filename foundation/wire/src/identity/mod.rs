//! Who a node is: the cluster's authority, the node's certificate, and the cluster's secrets.
//!
//! `found` makes a cluster, `load` reads the directory again and checks owner and modes, and
//! [`crate::join`] brings in the others. The directory holds:
//!
//! ```text
//! ca.pem ca.key      the authority; a node that an earlier version let in has no key
//! node.pem node.key  this node
//! cluster.json       name and id of the cluster, secrets of the heartbeats
//! tokens.json        hashes of one-time join tokens that are still open
//! ```

mod authority;
mod certificate;
mod token;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};
use tsugi_vocabulary::{NameRefused, NodeName, Wall};

pub use authority::{Authority, Issued, NODE_CERTIFICATE_DAYS, Validity};
pub use certificate::{Fingerprint, Role, Subject, SubjectRefused};
pub use token::{
    Redeemed, TOKENS_LIMIT, Token, TokenFailure, TokenMalformed, TokenRefused, Tokens, Wanted,
};

use crate::files::{self, FileFailure};
use crate::secret::{self, KeyId, Keyring, Secret};

pub(crate) use certificate::{read_subject, server_name};

const CA_CERTIFICATE: &str = "ca.pem";
const CA_KEY: &str = "ca.key";
const NODE_CERTIFICATE: &str = "node.pem";
const NODE_KEY: &str = "node.key";
const CLUSTER: &str = "cluster.json";
const TOKENS: &str = "tokens.json";

/// A cluster: 128 random bits, drawn by `init`. Two clusters of the same name are two clusters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClusterId(pub u128);

impl ClusterId {
    /// Draws a new one.
    #[must_use]
    pub fn draw() -> Self {
        Self(u128::from_be_bytes(secret::random()))
    }
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl From<ClusterId> for String {
    fn from(id: ClusterId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for ClusterId {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        secret::unhex(&text)
            .map(|bytes| Self(u128::from_be_bytes(bytes)))
            .ok_or("a cluster id is 32 hexadecimal digits")
    }
}

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityFailure {
    /// A file could not be read or written, or others may read it.
    #[error(transparent)]
    File(#[from] FileFailure),
    /// The directory already holds an identity; it is never overwritten.
    #[error("{path} already holds the identity of a node")]
    AlreadyThere {
        /// Which directory.
        path: PathBuf,
    },
    /// The cluster's name is no name.
    #[error("the name of the cluster: {0}")]
    ClusterName(#[from] NameRefused),
    /// A file does not hold what it must.
    #[error("{path}: {why}")]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A certificate could not be made.
    #[error("a certificate could not be made: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The tokens could not be read.
    #[error(transparent)]
    Token(#[from] TokenFailure),
}

/// What all nodes of a cluster know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Its id.
    pub id: ClusterId,
    /// Its name, for people.
    pub name: String,
    /// The secrets of the heartbeats.
    pub keyring: Keyring,
}

/// The form of `cluster.json`, also sent to a node that joins.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClusterRecord {
    format: u8,
    id: ClusterId,
    name: String,
    current_key: u8,
    keys: BTreeMap<u8, String>,
}

impl From<&Cluster> for ClusterRecord {
    fn from(cluster: &Cluster) -> Self {
        let ring = &cluster.keyring;
        Self {
            format: 1,
            id: cluster.id,
            name: cluster.name.clone(),
            current_key: ring.current().0,
            keys: ring.secrets().map(|(id, key)| (id.0, secret::hex(key.reveal()))).collect(),
        }
    }
}

impl TryFrom<ClusterRecord> for Cluster {
    type Error = String;
    fn try_from(record: ClusterRecord) -> Result<Self, String> {
        if record.format != 1 {
            return Err(format!("format {} is not known here", record.format));
        }
        let current = KeyId(record.current_key);
        let mut keys = BTreeMap::new();
        for (id, text) in record.keys {
            let bytes = secret::unhex(&text).ok_or("a key is not 64 hexadecimal digits")?;
            keys.insert(KeyId(id), Secret::new(bytes));
        }
        let in_use = keys.remove(&current).ok_or("the key in use is missing")?;
        let mut keyring = Keyring::new(current, in_use);
        keys.into_iter().for_each(|(id, key)| keyring.accept(id, key));
        Ok(Self { id: record.id, name: record.name, keyring })
    }
}

/// Everything a node needs to prove who it is and to know who others are.
pub struct ClusterIdentity {
    /// The cluster.
    pub cluster: Cluster,
    /// Who this is, as its certificate says.
    pub subject: Subject,
    /// The authority, on a node that has its key.
    pub authority: Option<Authority>,
    directory: PathBuf,
    ca: CertificateDer<'static>,
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

impl fmt::Debug for ClusterIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClusterIdentity({} of {})", self.subject.name, self.cluster.id)
    }
}

impl ClusterIdentity {
    /// Makes a cluster with `node` as its first node, and keeps everything in `directory`, which
    /// it creates with mode 0700.
    ///
    /// # Errors
    /// An [`IdentityFailure`]; [`IdentityFailure::AlreadyThere`] leaves everything as it was.
    pub fn found(
        directory: &Path,
        cluster_name: &str,
        node: &NodeName,
        now: Wall,
    ) -> Result<Self, IdentityFailure> {
        NodeName::new(cluster_name)?;
        let cluster = Cluster {
            id: ClusterId::draw(),
            name: cluster_name.to_owned(),
            keyring: Keyring::new(KeyId(1), Secret::draw()),
        };
        let authority = Authority::found(&cluster, now)?;
        let issued = authority.issue_with_key(node, Role::Node, Validity::usual(now))?;
        Self::store(directory, &cluster, &issued, Some(&authority))?;
        Self::load(directory)
    }

    /// Makes the identity of another node in `directory`: for nodes that one machine holds, or
    /// that are set up by hand.
    ///
    /// # Errors
    /// As [`Self::found`]; [`IdentityFailure::Damaged`] when this node has no authority.
    pub fn found_beside(
        &self,
        directory: &Path,
        node: &NodeName,
        now: Wall,
    ) -> Result<Self, IdentityFailure> {
        let authority = self.authority.as_ref().ok_or_else(|| IdentityFailure::Damaged {
            path: self.directory.join(CA_KEY),
            why: "it is needed to make other nodes".to_owned(),
        })?;
        let issued = authority.issue_with_key(node, Role::Node, Validity::usual(now))?;
        Self::store(directory, &self.cluster, &issued, Some(authority))?;
        Self::load(directory)
    }

    /// Writes an identity into `directory`. The certificate of the node is written last: without
    /// it nothing was there.
    pub(crate) fn store(
        directory: &Path,
        cluster: &Cluster,
        issued: &Issued,
        authority: Option<&Authority>,
    ) -> Result<(), IdentityFailure> {
        files::make_private_directory(directory)?;
        if directory.join(NODE_CERTIFICATE).exists() {
            return Err(IdentityFailure::AlreadyThere { path: directory.to_path_buf() });
        }
        let write = |name: &str, text: &str| files::replace(&directory.join(name), text.as_bytes());
        if let Some(authority) = authority {
            write(CA_KEY, &authority.key_pem())?;
        }
        write(CA_CERTIFICATE, &issued.authority_pem)?;
        write(CLUSTER, &cluster_text(cluster))?;
        write(NODE_KEY, &issued.key_pem)?;
        write(NODE_CERTIFICATE, &issued.certificate_pem)?;
        Ok(())
    }

    /// Whether `directory` holds an identity.
    #[must_use]
    pub fn is_in(directory: &Path) -> bool {
        directory.join(NODE_CERTIFICATE).exists()
    }

    /// Reads the identity in `directory`, and refuses it if anybody else could have read it.
    ///
    /// # Errors
    /// An [`IdentityFailure`] that names the file and what is wrong with it.
    pub fn load(directory: &Path) -> Result<Self, IdentityFailure> {
        files::check_directory(directory)?;
        let path = |name: &str| directory.join(name);
        let cluster = read_cluster(&path(CLUSTER))?;
        let ca = read_certificate(&path(CA_CERTIFICATE))?;
        let certificate = read_certificate(&path(NODE_CERTIFICATE))?;
        let subject = read_subject(&certificate)
            .map_err(|refused| damaged(&path(NODE_CERTIFICATE), &refused))?;
        if subject.cluster != cluster.id {
            let why = format!("it is of cluster {}", subject.cluster);
            return Err(damaged(&path(NODE_CERTIFICATE), &why));
        }
        let key = PrivateKeyDer::from_pem_slice(files::read_private(&path(NODE_KEY))?.as_bytes())
            .map_err(|error| damaged(&path(NODE_KEY), &error))?;
        let authority = if path(CA_KEY).exists() {
            let pem = files::read_private(&path(CA_KEY))?;
            let read = Authority::read(&ca, &pem, cluster.id);
            Some(read.map_err(|error| damaged(&path(CA_KEY), &error))?)
        } else {
            None
        };
        let directory = directory.to_path_buf();
        Ok(Self { cluster, subject, authority, directory, ca, certificate, key })
    }

    /// Makes a new set of secrets durable: a step of a rotation.
    ///
    /// # Errors
    /// What the system refused; the old ones stand then.
    pub fn keep_keyring(&mut self, keyring: Keyring) -> Result<(), IdentityFailure> {
        let cluster = Cluster { keyring, ..self.cluster.clone() };
        files::replace(&self.directory.join(CLUSTER), cluster_text(&cluster).as_bytes())?;
        self.cluster = cluster;
        Ok(())
    }

    /// The open join tokens of this node.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn tokens(&self) -> Result<Tokens, IdentityFailure> {
        Ok(Tokens::open(&self.directory.join(TOKENS))?)
    }

    /// The fingerprint of the authority, which a join token carries.
    #[must_use]
    pub fn authority_fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.ca)
    }

    /// This node's certificate and then the authority's, as they are shown in a handshake.
    #[must_use]
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![self.certificate.clone(), self.ca.clone()]
    }

    pub(crate) fn ca(&self) -> &CertificateDer<'static> {
        &self.ca
    }

    pub(crate) fn key(&self) -> PrivateKeyDer<'static> {
        self.key.clone_key()
    }
}

fn cluster_text(cluster: &Cluster) -> String {
    let record = ClusterRecord::from(cluster);
    serde_json::to_string_pretty(&record).expect("a record of numbers and texts is JSON") + "\n"
}

fn damaged(path: &Path, why: &dyn fmt::Display) -> IdentityFailure {
    IdentityFailure::Damaged { path: path.to_path_buf(), why: why.to_string() }
}

fn read_cluster(path: &Path) -> Result<Cluster, IdentityFailure> {
    let text = files::read_private(path)?;
    let record: ClusterRecord =
        serde_json::from_str(&text).map_err(|error| damaged(path, &error))?;
    Cluster::try_from(record).map_err(|why| damaged(path, &why))
}

fn read_certificate(path: &Path) -> Result<CertificateDer<'static>, IdentityFailure> {
    CertificateDer::from_pem_slice(files::read_private(path)?.as_bytes())
        .map_err(|error| damaged(path, &error))
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
