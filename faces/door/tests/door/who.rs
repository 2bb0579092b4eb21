//! Who calls: certificates, tokens, this machine; and that nobody meets another's calls.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use sha2::{Digest as _, Sha256};
use tsugi_door::{Door, Loopback, OpenRefused, Tokens, Transport, tls};

use crate::support::{Caller, Stand, Stream, bound, call, get, keyed, settings};

/// An authority of a test.
struct Authority(Issuer<'static, KeyPair>, CertificateDer<'static>);

/// A certificate and its key.
struct Shown(CertificateDer<'static>, PrivateKeyDer<'static>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).expect("names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("it signs").der().clone();
        Self(Issuer::new(params, key), certificate)
    }

    fn issue(&self, name: &str) -> Shown {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("names");
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("it signs").der().clone();
        Shown(certificate, PrivateKeyDer::Pkcs8(key.serialize_der().into()))
    }
}

/// A caller by TLS, who trusts this authority and may show something.
fn caller(door: &Door, authority: &Authority, shown: Option<Shown>) -> Caller {
    let mut roots = RootCertStore::empty();
    roots.add(authority.1.clone()).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots);
    let config = match shown {
        Some(Shown(certificate, key)) => {
            builder.with_client_auth_cert(vec![certificate], key).expect("a pair")
        }
        None => builder.with_no_client_auth(),
    };
    let name = ServerName::try_from("localhost").expect("a name");
    let tls = ClientConnection::new(Arc::new(config), name).expect("it begins");
    let tcp = std::net::TcpStream::connect(door.address()).expect("it is let in");
    tcp.set_read_timeout(Some(std::time::Duration::from_secs(30))).expect("it is a socket");
    Caller::over(Stream::Tls(Box::new(StreamOwned::new(tls, tcp))))
}

fn tokens(all: &[(&str, &str)]) -> Tokens {
    let line = |(name, token): &(&str, &str)| {
        let hash: String = Sha256::digest(token).iter().map(|b| format!("{b:02x}")).collect();
        format!("{name} {hash}\n")
    };
    Tokens::read(&all.iter().map(line).collect::<String>()).expect("a list")
}

fn with_token(token: &str, key: &str, body: &str) -> String {
    call(&format!("Authorization: Bearer {token}\r\nIdempotency-Key: {key}\r\n"), body)
}

#[test]
fn the_calls_of_another_identity_are_not_there() {
    let mut stand = Stand::new();
    let known = tokens(&[("ann", "a-secret"), ("bob", "b-secret")]);
    let (_engine, door) = stand.door_with(|settings| settings.tokens = known);
    let mut caller = Caller::new(door.address());
    assert_eq!(caller.ask(with_token("a-secret", "k", "1")).status, 200);
    assert_eq!(caller.ask(keyed("k", "1")).status, 200, "another call, of another identity");
    assert_eq!(stand.value(), 2);
    let fetch = |token: &str| {
        format!("GET /call/key:k HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n")
    };
    assert!(caller.ask(fetch("a-secret")).text().contains(r#""count":1"#));
    assert!(caller.ask(get("/call/key:k")).text().contains(r#""count":2"#));
    let none = caller.ask(fetch("b-secret"));
    assert_eq!(none.problem(), (404, "TSUG20109-E".to_owned(), "never".to_owned()));
    let confirm = fetch("b-secret").replace("GET /call/key:k", "POST /call/key:k/confirm");
    assert_eq!(caller.ask(confirm).problem().0, 404);
    assert!(caller.ask(fetch("a-secret")).text().contains(r#""count":1"#), "it is still there");
    // Who shows a wrong token is nobody, also on this machine.
    let wrong = caller.ask(with_token("c-secret", "k", "1"));
    assert_eq!(wrong.problem(), (401, "TSUG20203-E".to_owned(), "never".to_owned()));
    assert_eq!(wrong.header("www-authenticate"), Some("Bearer"));
    door.know(tokens(&[("ann", "new")]));
    assert_eq!(caller.ask(with_token("a-secret", "k", "1")).problem().0, 401);
    let again = caller.ask(with_token("new", "k", "1"));
    assert!(again.text().contains(r#""count":1"#), "the name counts, not the token");
}

#[test]
fn this_machine_is_an_identity_only_where_that_is_said() {
    let mut stand = Stand::new();
    let (_engine, door) = stand.door_with(|settings| settings.loopback = Loopback::Unknown);
    let mut caller = Caller::new(door.address());
    let nobody = caller.ask(keyed("a", "1"));
    assert_eq!(nobody.problem(), (401, "TSUG20202-E".to_owned(), "never".to_owned()));
    assert_eq!(caller.ask(get("/openapi.json")).problem().0, 401);
    assert_eq!(caller.ask(get("/ready")).status, 200, "a load balancer has no identity");
    assert_eq!(stand.runs(), 0);
}

#[test]
fn plain_http_stands_on_loopback_unless_somebody_says_so() {
    let outside = || std::net::TcpListener::bind("0.0.0.0:0").expect("a port");
    let refused = Door::open(outside(), &settings());
    assert!(matches!(refused, Err(OpenRefused::PlainOutside(_))), "{refused:?}");
    let mut anywhere = settings();
    anywhere.transport = Transport::PlainAnywhere;
    assert!(Door::open(outside(), &anywhere).is_ok());
    assert!(Door::open(bound(), &settings()).is_ok());
}

#[test]
fn by_tls_a_certificate_is_who_calls() {
    let mut stand = Stand::new();
    let (own, clients, strangers) = (Authority::new(), Authority::new(), Authority::new());
    let Shown(certificate, key) = own.issue("door");
    let config = tls(vec![certificate], key, std::slice::from_ref(&clients.1)).expect("a pair");
    let (_engine, door) = stand.door_with(|settings| {
        settings.transport = Transport::Tls(config);
        settings.tokens = tokens(&[("ann", "secret")]);
    });
    let mut ann = caller(&door, &own, Some(clients.issue("ann")));
    assert!(ann.ask(keyed("k", "1")).text().contains(r#""count":1"#));
    // Another certificate of the same name is the same client, a token of that name is not.
    let mut again = caller(&door, &own, Some(clients.issue("ann")));
    assert!(again.ask(get("/call/key:k")).text().contains(r#""count":1"#));
    let mut token = caller(&door, &own, None);
    assert!(token.ask(with_token("secret", "k", "1")).text().contains(r#""count":2"#));
    assert_eq!(token.ask(keyed("k", "1")).problem().0, 401, "over TLS nobody is loopback");
    let mut bob = caller(&door, &own, Some(clients.issue("bob")));
    assert_eq!(bob.ask(get("/call/key:k")).problem().0, 404);
    let mut stranger = caller(&door, &own, Some(strangers.issue("ann")));
    assert!(stranger.try_write(get("/ready")).is_err() || stranger.read().is_none());
    let mut plain = Caller::new(door.address());
    plain.write(get("/ready"));
    assert!(!plain.rest().starts_with(b"HTTP"), "nothing but an alert is said without TLS");
    assert_eq!(stand.value(), 2);
}
