//! SEC1: without a good certificate there is the TLS alert and nothing else, and noise before
//! the handshake changes nothing and costs nothing.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod ground;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ground::raw::{self, Shown};
use ground::{Cluster, Door, LONG, client, node, open, open_with, resident, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tsugi_vocabulary::Wall;
use tsugi_wire::client::RequestFailure;
use tsugi_wire::dial::DialFailure;
use tsugi_wire::frame::{Channel, FrameFailure};
use tsugi_wire::identity::{Role, Validity};
use tsugi_wire::join::wall_now;
use tsugi_wire::listener::{Counts, Limits, TurnedAway};
use tsugi_wire::secret::random;

/// How many random byte strings SEC1 names.
const NOISE_FULL: usize = 1_000_000;
/// How many of them a run of the tests sends; `TSUGI_FULL_COUNTS=1` sends all.
const NOISE_USUAL: usize = 50_000;
/// How many before memory is measured: what a door needs at all is allocated by then.
const NOISE_BEFORE: usize = 2_000;

const DAY_MS: u64 = 86_400_000;

/// The first byte of a TLS record that carries an alert.
const TLS_ALERT: u8 = 21;

fn noise_count() -> usize {
    if std::env::var_os("TSUGI_FULL_COUNTS").is_some() { NOISE_FULL } else { NOISE_USUAL }
}

/// Connects from one of many loopback addresses, says `said`, and hears until the door closes.
async fn speak(to: SocketAddr, number: usize, said: &[u8]) -> Vec<u8> {
    let socket = TcpSocket::new_v4().unwrap();
    let last = u8::try_from(number % 200 + 1).unwrap();
    socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 7, last), 0))).unwrap();
    let mut stream = socket.connect(to).await.unwrap();
    let mut heard = Vec::new();
    // A door that closes while it is spoken to resets the connection: that is an end as well.
    if stream.write_all(said).await.is_ok() && stream.shutdown().await.is_ok() {
        let reading = stream.read_to_end(&mut heard);
        drop(tokio::time::timeout(LONG, reading).await.expect("the door closes"));
    }
    heard
}

fn noise(number: usize) -> Vec<u8> {
    let mut bytes = random::<96>().to_vec();
    match number % 4 {
        // Pure noise, as it would come from a scanner.
        0 => {}
        // A TLS record with a hello in it that is none.
        1 => bytes[..6].copy_from_slice(&[22, 3, 1, 0, 90, 1]),
        // A record that announces more than it brings.
        2 => bytes[..5].copy_from_slice(&[22, 3, 3, 0x40, 0]),
        // A frame of ours in clear.
        _ => bytes[..8].copy_from_slice(&[0, 0, 0, 80, 1, 1, 1, 0]),
    }
    bytes.truncate(1 + number % 96);
    bytes
}

async fn make_noise(door: &Door, count: usize) {
    const AT_ONCE: usize = 16;
    let mut speaking = tokio::task::JoinSet::new();
    for number in 0..count {
        if speaking.len() >= AT_ONCE {
            speaking.join_next().await.unwrap().unwrap();
        }
        let address = door.address;
        speaking.spawn(async move {
            let heard = speak(address, number, &noise(number)).await;
            assert!(heard.first().is_none_or(|first| *first == TLS_ALERT), "{heard:?}");
            assert!(heard.len() <= 7, "an alert and nothing else: {heard:?}");
        });
    }
    while let Some(spoke) = speaking.join_next().await {
        spoke.unwrap();
    }
    until("all handshakes have ended", || door.server.counts().handshakes == 0).await;
}

#[tokio::test]
async fn sec1_noise_before_the_handshake_changes_nothing_and_costs_no_memory() {
    let cluster = Cluster::found();
    // Whom it turned away is counted here and not kept: a list of them would be what grows.
    let door = open_with(cluster.founder(), |door| door.telling(|_, _| {})).await;
    make_noise(&door, NOISE_BEFORE).await;
    let before = resident();
    let count = noise_count();
    make_noise(&door, count).await;
    let grown = resident().saturating_sub(before);
    assert!(grown < 1 << 20, "{grown} bytes more after {count} strings");
    let all = (count + NOISE_BEFORE) as u64;
    assert_eq!(
        door.server.counts(),
        Counts { accepted: all, admitted: 0, turned_away: all, handshakes: 0, connected: 0 }
    );
    let member = client(cluster.member("b"), "a", &[door.address]);
    assert!(member.request(Channel(0), vec![], LONG).await.is_ok());
}

#[tokio::test]
async fn sec1_without_a_client_certificate_there_is_only_the_tls_alert() {
    let cluster = Cluster::found();
    let door = open(cluster.founder(), Limits::USUAL).await;
    let config = raw::config(&cluster.founder, &cluster.path("a"), Shown::Nothing);
    let mut stream = raw::handshake(&cluster, config, door.address).await.unwrap();
    // Something to answer, if anybody were listening.
    drop(stream.write_all(b"\0\0\0\x0b\x01\0\x01\0\0\0\0\0\0\0\x01").await);
    let mut heard = Vec::new();
    let ended = tokio::time::timeout(LONG, stream.read_to_end(&mut heard)).await.unwrap();
    assert!(heard.is_empty(), "no byte of ours was heard");
    let alert = ended.unwrap_err().to_string();
    assert!(alert.contains("CertificateRequired"), "{alert}");
    assert!(matches!(door.turned_away().await, TurnedAway::Handshake(_)));
    assert_eq!(door.server.counts().admitted, 0);
}

#[tokio::test]
async fn sec1_tls_1_2_is_refused() {
    let cluster = Cluster::found();
    let door = open(cluster.founder(), Limits::USUAL).await;
    let mut hello = vec![22, 3, 1, 0, 47, 1, 0, 0, 43, 3, 3];
    hello.extend_from_slice(&[9; 32]);
    hello.extend_from_slice(&[0, 0, 4, 0xc0, 0x2b, 0xc0, 0x2f, 1, 0]);
    let heard = speak(door.address, 0, &hello).await;
    assert_eq!(heard.first(), Some(&TLS_ALERT), "{heard:?}");
    assert_eq!(door.server.counts().admitted, 0);
}

async fn handshake_refused(tried: Result<Vec<u8>, RequestFailure>) -> String {
    match tried {
        Err(failure @ RequestFailure::Unreachable { .. }) => {
            assert!(!failure.may_have_happened());
            let RequestFailure::Unreachable { tried, .. } = &failure else { unreachable!() };
            assert!(matches!(tried[0].1, DialFailure::Handshake(_)), "{tried:?}");
            failure.to_string()
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn sec1_a_node_of_another_cluster_is_refused_by_both_ends() {
    let (ours, theirs) = (Cluster::found(), Cluster::found());
    let door = open(ours.founder(), Limits::USUAL).await;
    // A stranger with their own certificate, who does not even mind who answers.
    let stranger = theirs.founder.found_beside(&theirs.path("b"), &node("b"), wall_now()).unwrap();
    std::fs::copy(ours.path("a").join("ca.pem"), theirs.path("b").join("ca.pem")).unwrap();
    let config = raw::config(&stranger, &theirs.path("b"), Shown::Own);
    let mut stream = raw::handshake(&ours, config, door.address).await.unwrap();
    let mut heard = Vec::new();
    let alert = stream.read_to_end(&mut heard).await.unwrap_err().to_string();
    assert!(heard.is_empty() && alert.contains("UnknownCA"), "{alert}");
    assert!(matches!(door.turned_away().await, TurnedAway::Handshake(_)));
    // And one of theirs that looks who answers.
    let member = client(theirs.member("c"), "a", &[door.address]);
    let why = handshake_refused(member.request(Channel(0), vec![], LONG).await).await;
    assert!(why.contains("UnknownIssuer"), "{why}");
}

#[tokio::test]
async fn sec1_a_certificate_that_has_ended_or_not_begun_is_refused_by_both_ends() {
    let cluster = Cluster::found();
    let door = open(cluster.founder(), Limits::USUAL).await;
    let now = wall_now().0;
    let days = |from: u64, until: u64| Validity {
        from: Wall(now - 10 * DAY_MS + from * DAY_MS),
        until: Wall(now - 10 * DAY_MS + until * DAY_MS),
    };
    for (name, validity) in [("ended", days(0, 9)), ("early", days(11, 20))] {
        let tls = cluster.member_with(name, Role::Node, validity);
        let asking = client(Arc::clone(&tls), "a", &[door.address]);
        let why = handshake_refused(asking.request(Channel(0), vec![], LONG).await).await;
        assert!(why.contains("alert"), "{why}");
        let theirs = open(tls, Limits::USUAL).await;
        let member = cluster.member(&format!("{name}-peer"));
        let asked = client(member, name, &[theirs.address]);
        let why = handshake_refused(asked.request(Channel(0), vec![], LONG).await).await;
        assert!(why.contains("expired") || why.contains("not valid yet"), "{why}");
    }
    assert_eq!(door.server.counts().admitted, 0);
}

#[tokio::test]
async fn sec1_a_client_or_an_operator_cannot_pose_as_a_node() {
    let cluster = Cluster::found();
    for role in [Role::Client, Role::Operator] {
        let tls = cluster.member_with(role.word(), role, Validity::usual(wall_now()));
        let door = open(tls, Limits::USUAL).await;
        let member = cluster.member(&format!("asks-{role}"));
        let asking = client(member, role.word(), &[door.address]);
        let why = handshake_refused(asking.request(Channel(0), vec![], LONG).await).await;
        assert!(why.contains("server authentication"), "{why}");
    }
}

#[tokio::test]
async fn a_handshake_that_drips_is_cut_and_half_open_ones_block_nobody() {
    let cluster = Cluster::found();
    // Long enough for a member on a busy machine.
    let limits = Limits { handshake: Duration::from_secs(3), ..Limits::USUAL };
    let door = open(cluster.founder(), limits).await;
    let mut half_open = Vec::new();
    for _ in 0..300 {
        half_open.push(TcpStream::connect(door.address).await.unwrap());
    }
    let member = client(cluster.member("b"), "a", &[door.address]);
    assert!(member.request(Channel(0), vec![], LONG).await.is_ok(), "others come in meanwhile");
    // One byte at a time of a hello that could be good, until the door has enough of it.
    let mut drip = TcpStream::connect(door.address).await.unwrap();
    let begun = std::time::Instant::now();
    for byte in [22u8, 3, 1, 0x10, 0].into_iter().chain(std::iter::repeat(1)) {
        if drip.write_all(&[byte]).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(begun.elapsed() < LONG, "the drip was never cut");
    }
    until("all half-open ones are gone", || door.server.counts().handshakes == 0).await;
    let seen = door.seen.lock().unwrap();
    assert!(seen.iter().any(|why| matches!(why, TurnedAway::TooSlow)), "{seen:?}");
    assert_eq!(door.server.counts().connected, 1);
}

#[tokio::test]
async fn a_gibibyte_announced_by_a_member_costs_nothing() {
    let cluster = Cluster::found();
    let door = open(cluster.founder(), Limits::USUAL).await;
    let mut announced = vec![0x40, 0, 0, 0, 1, 1, 1];
    announced.extend_from_slice(&[0; 8]);
    let warm = raw::connect(&cluster, "warm", door.address).await;
    warm.say(&announced).await;
    warm.until_closed().await;
    let before = resident();
    let raw = raw::connect(&cluster, "raw", door.address).await;
    raw.say(&announced).await;
    raw.until_closed().await;
    assert!(resident().saturating_sub(before) < 1 << 20);
    match door.turned_away().await {
        TurnedAway::Frame { peer, failure: FrameFailure::Length { length, .. } } => {
            assert_eq!((peer.node, length), (node("raw"), 1 << 30));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_frame_that_drips_is_cut() {
    let cluster = Cluster::found();
    let limits = Limits { frame: Duration::from_millis(200), ..Limits::USUAL };
    let door = open(cluster.founder(), limits).await;
    let raw = raw::connect(&cluster, "raw", door.address).await;
    raw.say(&[0, 0]).await;
    raw.until_closed().await;
    match door.turned_away().await {
        TurnedAway::Frame { peer, failure: FrameFailure::Slow { .. } } => {
            assert_eq!(peer.node, node("raw"));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn one_member_cannot_take_all_places() {
    let cluster = Cluster::found();
    let limits = Limits { connections: 6, connections_of_one: 3, ..Limits::USUAL };
    let door = open(cluster.founder(), limits).await;
    let greedy = cluster.founder.found_beside(&cluster.path("b"), &node("b"), wall_now()).unwrap();
    let mut held = Vec::new();
    for _ in 0..10 {
        let config = raw::config(&greedy, &cluster.path("b"), Shown::Own);
        let mut stream = raw::handshake(&cluster, config, door.address).await.unwrap();
        // The greeting says that the place was taken.
        stream.read_u8().await.unwrap();
        held.push(stream);
    }
    until("the oldest were cut", || door.server.counts().connected == 3).await;
    let other = client(cluster.member("c"), "a", &[door.address]);
    assert!(other.request(Channel(0), vec![], LONG).await.is_ok());
}
