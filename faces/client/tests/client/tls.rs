//! Over TLS: whom the client believes, and who it says it is.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tsugi_client::{Address, Failure, Settings, SoFar, Tls, TlsFailure};

use crate::false_server::{Does, Group, Server};
use crate::{client_with, counter, late, request, settings};

/// An authority whose certificate and whose members' stand in files of this folder.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn named(name: &str, folder: &Path) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("it was just made");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("it was just made");
        let authority = CertifiedIssuer::self_signed(params, key).expect("it was just made");
        std::fs::write(folder.join(format!("{name}.pem")), authority.pem())
            .expect("it was just made");
        Self(authority)
    }

    /// A member: its certificate in `NAME.pem`, its key in `NAME.key`.
    fn sign(&self, name: &str, folder: &Path) {
        let key = KeyPair::generate().expect("it was just made");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("it was just made");
        let signed = params.signed_by(&key, &self.0).expect("it was just made");
        std::fs::write(folder.join(format!("{name}.pem")), signed.pem()).expect("it was just made");
        std::fs::write(folder.join(format!("{name}.key")), key.serialize_pem())
            .expect("it was just made");
    }
}

/// A door of TLS before a server: asks for a certificate that the authority has signed.
async fn door(folder: &Path, server: &Server) -> Address {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(folder.join("ours.pem")).expect("it was just made"))
        .expect("it was just made");
    let asks = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let own = CertificateDer::from_pem_file(folder.join("service.pem")).expect("it was just made");
    let key = PrivateKeyDer::from_pem_file(folder.join("service.key")).expect("it was just made");
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("it was just made")
        .with_client_cert_verifier(asks.build().expect("it was just made"))
        .with_single_cert(vec![own], key)
        .expect("it was just made");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("it was just made");
    let at = listener.local_addr().expect("it was just made");
    let behind = server.address();
    tokio::spawn(async move {
        while let Ok((outer, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut outer = acceptor.accept(outer).await.ok()?;
                let mut inner = TcpStream::connect(behind).await.ok()?;
                tokio::io::copy_bidirectional(&mut outer, &mut inner).await.ok()
            });
        }
    });
    Address::read(&at.to_string()).expect("it was just made")
}

#[tokio::test]
async fn over_tls_both_sides_show_certificates_and_calls_are_carried_out_once() {
    let folder = tempfile::tempdir().expect("it was just made");
    let at = |name: &str| folder.path().join(name);
    let ours = Authority::named("ours", folder.path());
    let others = Authority::named("others", folder.path());
    ours.sign("service", folder.path());
    ours.sign("teller", folder.path());
    others.sign("thief", folder.path());
    let group = Group::default();
    let server = group.server([Does::LosesTheAnswer]);
    let address = door(folder.path(), &server).await;
    let way = |tls| Settings {
        addresses: vec![address.clone()],
        tls: Some(tls),
        dial: Duration::from_secs(5),
        ..settings(&[&server])
    };
    let files = |name: &str| (at(&format!("{name}.pem")), at(&format!("{name}.key")));
    let (certificate, key) = files("teller");
    let own = Some((certificate.as_path(), key.as_path()));
    let tls = |name| Tls::of(&at("ours.pem"), own, name).expect("it was just made");

    let reply = client_with(way(tls(Some("service"))))
        .call(&request(), late())
        .await
        .expect("it was just made");
    assert_eq!(counter(&reply.body), 1);

    let (foreign, foreign_key) = files("thief");
    let thief = Some((foreign.as_path(), foreign_key.as_path()));
    for refused in [
        // The host of the address is no name in the certificate.
        tls(None),
        Tls::of(&at("others.pem"), own, Some("service")).expect("it was just made"),
    ] {
        let soon = Instant::now() + Duration::from_millis(400);
        let result = client_with(way(refused)).call(&request(), soon).await;
        let Err(Failure::NotKnown(not_known)) = result else { panic!("{result:?}") };
        assert_eq!(not_known.so_far, SoFar::NotDone, "nothing was sent");
        assert!(
            not_known
                .course
                .waited_for
                .expect("it was just made")
                .error
                .expect("it was just made")
                .contains("ertificate")
        );
    }
    for refused in [None, thief] {
        let tls = Tls::of(&at("ours.pem"), refused, Some("service")).expect("it was just made");
        let soon = Instant::now() + Duration::from_millis(400);
        let result = client_with(way(tls)).call(&request(), soon).await;
        assert!(matches!(result, Err(Failure::NotKnown(_))), "{result:?}");
    }
    assert_eq!(group.once_each(), 1);
}

#[test]
fn files_without_certificates_are_refused_by_name() {
    let folder = tempfile::tempdir().expect("it was just made");
    let file = folder.path().join("empty.pem");
    std::fs::write(&file, "").expect("it was just made");
    for path in [&file, &folder.path().join("missing.pem")] {
        let refused = Tls::of(path, None, None);
        assert!(matches!(&refused, Err(TlsFailure::File(at, _)) if at == path), "{refused:?}");
    }
    let ours = Authority::named("ours", folder.path());
    drop(ours);
    let wrong = Tls::of(&folder.path().join("ours.pem"), None, Some("not a name"));
    assert!(matches!(wrong, Err(TlsFailure::Name(_))));
}
