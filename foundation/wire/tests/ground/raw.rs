//! A member that speaks TLS as it should and then says what it likes.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tsugi_wire::frame::{Channel, Frame, What};
use tsugi_wire::identity::ClusterIdentity;
use tsugi_wire::join::wall_now;
use tsugi_wire::version::Protocol;

use super::{Cluster, node};

/// The other end of a door, by hand.
pub struct Raw(Mutex<TlsStream<TcpStream>>);

fn certificates(path: &std::path::Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(path).unwrap()
}

/// What a TLS library needs to connect with the files of a member, or without any of its own.
pub fn config(identity: &ClusterIdentity, dir: &std::path::Path, shown: Shown) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(certificates(&dir.join("ca.pem"))).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(rustls::ALL_VERSIONS)
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match shown {
        Shown::Nothing => builder.with_no_client_auth(),
        Shown::Own => builder
            .with_client_auth_cert(
                identity.chain(),
                PrivateKeyDer::from_pem_file(dir.join("node.key")).unwrap(),
            )
            .unwrap(),
    };
    config.alpn_protocols = vec![b"tsugi/1".to_vec()];
    config
}

/// What is shown in the handshake.
#[derive(Clone, Copy)]
pub enum Shown {
    Own,
    Nothing,
}

pub async fn handshake(
    cluster: &Cluster,
    config: ClientConfig,
    address: SocketAddr,
) -> std::io::Result<TlsStream<TcpStream>> {
    let name = format!("{}.tsugi.invalid", cluster.founder.cluster.id);
    let tcp = TcpStream::connect(address).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(name).unwrap(), tcp).await
}

pub async fn connect(cluster: &Cluster, name: &str, address: SocketAddr) -> Raw {
    let dir = cluster.path(name);
    let identity = cluster.founder.found_beside(&dir, &node(name), wall_now()).unwrap();
    let config = config(&identity, &dir, Shown::Own);
    Raw(Mutex::new(handshake(cluster, config, address).await.unwrap()))
}

impl Raw {
    pub async fn say(&self, bytes: &[u8]) {
        let mut stream = self.0.lock().await;
        stream.write_all(bytes).await.unwrap();
        stream.flush().await.unwrap();
    }

    pub async fn say_version(&self, version: Protocol) {
        let greeting =
            Frame { version, channel: Channel(0), what: What::Greeting, id: 0, body: Vec::new() };
        self.say(&greeting.encode().unwrap()).await;
    }

    /// Reads until the door closes; says how many bytes came.
    pub async fn until_closed(&self) -> usize {
        let mut bytes = Vec::new();
        // An end without farewell is an end as well.
        drop(self.0.lock().await.read_to_end(&mut bytes).await);
        bytes.len()
    }
}
