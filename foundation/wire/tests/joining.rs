//! A node joins with a one-time token, and nobody without one does.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod ground;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ground::raw::{self, Shown};
use ground::{Cluster, Door, LONG, client, node, open_with, own};
use tokio::io::AsyncReadExt;
use tsugi_wire::frame::Channel;
use tsugi_wire::identity::{ClusterIdentity, IdentityFailure, Role, Token, TokenRefused};
use tsugi_wire::join::{Applicant, JoinFailure, JoinRefused, Reception, Turned, enter};
use tsugi_wire::listener::{Limits, TurnedAway};
use tsugi_wire::tls::Tls;
use tsugi_wire::version::Protocol;

const HOUR: Duration = Duration::from_secs(3600);

struct Founder {
    cluster: Cluster,
    tls: Arc<Tls>,
    reception: Arc<Reception>,
    door: Door,
}

async fn founder() -> Founder {
    founder_with(Limits::USUAL).await
}

async fn founder_with(limits: Limits) -> Founder {
    let mut cluster = Cluster::found();
    let tls = cluster.founder();
    let reception = Reception::open(&mut cluster.founder, |applicant: Applicant| {
        Box::pin(async move {
            match applicant.name.as_str() {
                "unwanted" => Err("the configuration has no such node".to_owned()),
                _ => Ok(()),
            }
        })
    });
    let reception = Arc::new(reception.unwrap().unwrap());
    let at_door = Arc::clone(&reception);
    let door =
        open_with(Arc::clone(&tls), |door| door.with_reception(at_door).limited(limits)).await;
    Founder { cluster, tls, reception, door }
}

impl Founder {
    fn token(&self, lifetime: Duration) -> Token {
        self.reception.token(Role::Node, None, lifetime).unwrap()
    }

    async fn enter(&self, token: &Token, name: &str) -> Result<ClusterIdentity, JoinFailure> {
        let path = self.path(name);
        enter(&path, &[self.door.address], (token, &node(name)), Protocol::CURRENT, LONG).await
    }

    fn path(&self, name: &str) -> PathBuf {
        self.cluster.path(&format!("joined-{name}"))
    }
}

fn refusal(entered: Result<ClusterIdentity, JoinFailure>) -> JoinRefused {
    match entered {
        Err(JoinFailure::Refused(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_node_with_a_token_comes_in_and_speaks_with_the_others() {
    let founder = founder().await;
    let token = founder.token(HOUR);
    let carried: Token = token.reveal().parse().unwrap();
    let joined = founder.enter(&carried, "b").await.unwrap();
    assert_eq!(joined.cluster, founder.cluster.founder.cluster, "also the heartbeats' secret");
    assert_eq!((&joined.subject.name, joined.subject.role), (&node("b"), Role::Node));
    let tls = Arc::new(
        Tls::new(&ClusterIdentity::load(&founder.path("b")).unwrap(), Protocol::CURRENT).unwrap(),
    );
    let asks = client(Arc::clone(&tls), "a", &[founder.door.address]);
    assert_eq!(asks.request(Channel(1), b"!".to_vec(), LONG).await.unwrap(), b"b/1:!");
    let its_door = ground::open(tls, Limits::USUAL).await;
    let asked = client(Arc::clone(&founder.tls), "b", &[its_door.address]);
    assert!(asked.request(Channel(1), vec![], LONG).await.is_ok());
}

#[tokio::test]
async fn a_node_that_was_let_in_lets_others_in_when_its_founder_is_gone() {
    let founder = founder().await;
    let mut b = founder.enter(&founder.token(HOUR), "b").await.unwrap();
    let tls = Arc::new(Tls::new(&b, Protocol::CURRENT).unwrap());
    let reception = Reception::open(&mut b, |_| Box::pin(async { Ok(()) })).unwrap();
    let reception = Arc::new(reception.expect("it has the authority's key"));
    let (path, root) = (founder.path("c"), founder.cluster.founder.authority_fingerprint());
    let gone = founder.cluster;
    drop((founder.reception, founder.door, founder.tls));
    let at_door = Arc::clone(&reception);
    let door = open_with(Arc::clone(&tls), |door| door.with_reception(at_door)).await;
    let token = reception.token(Role::Node, None, HOUR).unwrap();
    let third = (&token, &node("c"));
    let c = enter(&path, &[door.address], third, Protocol::CURRENT, LONG).await.unwrap();
    assert_eq!(c.authority_fingerprint(), root, "of the same authority");
    let tls = Arc::new(Tls::new(&c, Protocol::CURRENT).unwrap());
    let asks = client(tls, "b", &[door.address]);
    assert!(asks.request(Channel(1), vec![], LONG).await.is_ok(), "and is one of the cluster");
    drop(gone);
}

#[tokio::test]
async fn who_is_no_node_gets_no_key_of_the_authority() {
    let founder = founder().await;
    for role in [Role::Client, Role::Operator] {
        let token = founder.reception.token(role, None, HOUR).unwrap();
        let joined = founder.enter(&token, role.word()).await.unwrap();
        assert!(joined.authority.is_none(), "{role}");
        assert!(!founder.path(role.word()).join("ca.key").exists(), "{role}");
    }
}

#[tokio::test]
async fn a_token_is_used_once_and_a_forged_or_late_one_never() {
    let founder = founder().await;
    let token = founder.token(HOUR);
    // Keeps the reception open while the others are tried.
    let other = founder.token(HOUR);
    founder.enter(&token, "b").await.unwrap();
    let again = refusal(founder.enter(&token, "c").await);
    assert_eq!(again, JoinRefused::Token(TokenRefused::Unknown));
    assert!(matches!(
        founder.door.turned_away().await,
        TurnedAway::Join(Turned::Refused { why: JoinRefused::Token(TokenRefused::Unknown), .. })
    ));
    let stranger = Cluster::found();
    let mut foreign = stranger.founder.tokens().unwrap();
    let wanted = tsugi_wire::identity::Wanted {
        role: Role::Node,
        name: None,
        until: tsugi_vocabulary::Wall(u64::MAX),
    };
    let forged = foreign.issue(other.authority, wanted, tsugi_wire::join::wall_now()).unwrap();
    let refused = refusal(founder.enter(&forged, "c").await);
    assert_eq!(refused, JoinRefused::Token(TokenRefused::Unknown));
    let late = founder.token(Duration::ZERO);
    let refused = refusal(founder.enter(&late, "c").await);
    assert!(matches!(refused, JoinRefused::Token(TokenRefused::Expired | TokenRefused::Unknown)));
    assert!(!ClusterIdentity::is_in(&founder.path("c")));
    founder.enter(&other, "c").await.unwrap();
}

#[tokio::test]
async fn two_at_once_with_one_token_and_one_comes_in() {
    let founder = founder().await;
    let token = founder.token(HOUR);
    let (b, c) = tokio::join!(founder.enter(&token, "b"), founder.enter(&token, "c"));
    assert!(b.is_ok() != c.is_ok(), "{b:?} {c:?}");
}

#[tokio::test]
async fn sec1_while_no_token_is_open_the_desk_does_not_exist() {
    let founder = founder().await;
    let token = founder.token(HOUR);
    founder.enter(&token, "b").await.unwrap();
    match founder.enter(&token, "c").await {
        Err(JoinFailure::NotTheCluster { .. } | JoinFailure::BrokeOff { .. }) => {}
        other => panic!("{other:?}"),
    }
    assert!(matches!(founder.door.turned_away().await, TurnedAway::Handshake(_)));
}

#[tokio::test]
async fn a_node_that_the_cluster_does_not_want_leaves_the_token_open() {
    let founder = founder().await;
    let token = founder.token(HOUR);
    match refusal(founder.enter(&token, "unwanted").await) {
        JoinRefused::NotAdmitted { why } => assert!(why.contains("no such node"), "{why}"),
        other => panic!("{other:?}"),
    }
    founder.enter(&token, "b").await.unwrap();
}

#[tokio::test]
async fn a_token_for_one_name_and_role_gives_no_other() {
    let founder = founder().await;
    let token = founder.reception.token(Role::Operator, Some(node("hana")), HOUR).unwrap();
    let refused = refusal(founder.enter(&token, "b").await);
    assert_eq!(refused, JoinRefused::Token(TokenRefused::OtherName));
    let joined = founder.enter(&token, "hana").await.unwrap();
    assert_eq!(joined.subject.role, Role::Operator);
}

#[tokio::test]
async fn a_joining_node_trusts_only_the_authority_of_its_token() {
    let (founder, impostor) = (founder().await, founder().await);
    let token = founder.token(HOUR);
    let _open = impostor.token(HOUR);
    let path = founder.path("b");
    match enter(&path, &[impostor.door.address], (&token, &node("b")), Protocol::CURRENT, LONG)
        .await
    {
        Err(JoinFailure::NotTheCluster { .. }) => {}
        other => panic!("{other:?}"),
    }
    assert!(founder.reception.is_open(), "the token's secret was not told");
    // The impostor's address first costs nothing: the next is tried.
    let both = [impostor.door.address, founder.door.address];
    enter(&path, &both, (&token, &node("b")), Protocol::CURRENT, LONG).await.unwrap();
}

#[tokio::test]
async fn a_node_that_has_an_identity_does_not_join_over_it() {
    let founder = founder().await;
    let token = founder.token(HOUR);
    founder.enter(&token, "b").await.unwrap();
    let second = founder.token(HOUR);
    match founder.enter(&second, "b").await {
        Err(JoinFailure::Identity(IdentityFailure::AlreadyThere { .. })) => {}
        other => panic!("{other:?}"),
    }
    assert!(founder.reception.is_open(), "the token was not used");
}

#[tokio::test]
async fn sec1_whoever_says_nothing_at_the_desk_hears_nothing_and_is_cut() {
    // Long enough for a handshake on a busy machine.
    let limits = Limits { handshake: Duration::from_secs(3), ..Limits::USUAL };
    let founder = founder_with(limits).await;
    let _open = founder.token(HOUR);
    let dir = founder.cluster.path("a");
    let mut config = raw::config(&founder.cluster.founder, &dir, Shown::Nothing);
    config.alpn_protocols = vec![b"tsugi-join/1".to_vec()];
    let address: SocketAddr = founder.door.address;
    let mut stream = raw::handshake(&founder.cluster, config, address).await.unwrap();
    let mut heard = Vec::new();
    // An end without farewell is an end as well.
    drop(tokio::time::timeout(LONG, stream.read_to_end(&mut heard)).await.unwrap());
    assert!(heard.is_empty());
    assert!(matches!(founder.door.turned_away().await, TurnedAway::TooSlow));
}

#[tokio::test]
async fn a_node_of_the_next_version_comes_in_and_one_further_does_not() {
    let founder = founder().await;
    let (near, far) = (founder.token(HOUR), founder.token(HOUR));
    let later = |steps| Protocol(Protocol::CURRENT.0 + steps);
    let door = [founder.door.address];
    enter(&founder.path("b"), &door, (&near, &node("b")), later(1), LONG).await.unwrap();
    match enter(&founder.path("c"), &door, (&far, &node("c")), later(2), LONG).await {
        Err(JoinFailure::BrokeOff { .. }) => {}
        other => panic!("{other:?}"),
    }
    assert!(founder.reception.is_open(), "the token was not used");
}

#[tokio::test]
async fn nobody_there_is_told_apart_from_no() {
    let founder = founder().await;
    let token = founder.token(HOUR);
    let free = tokio::net::TcpListener::bind(own()).await.unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    match enter(&founder.path("b"), &[address], (&token, &node("b")), Protocol::CURRENT, LONG).await
    {
        Err(JoinFailure::Unreachable { address: tried, .. }) => assert_eq!(tried, address),
        other => panic!("{other:?}"),
    }
}
