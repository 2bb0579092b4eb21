//! Requests and answers between nodes that have proved who they are.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod ground;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ground::tube::{Tube, tube};
use ground::{Cluster, LONG, client, echo, loopback, node, open, open_with, own, patient, until};
use tokio::net::TcpListener;
use tsugi_wire::client::{Client, RequestFailure};
use tsugi_wire::dial::{DialFailure, Times};
use tsugi_wire::frame::{BODY_LIMIT, Channel};
use tsugi_wire::identity::Role;
use tsugi_wire::listener::{Limits, Listener, Peer, TurnedAway, serve};
use tsugi_wire::refusal::Refusal;
use tsugi_wire::version::Protocol;

#[tokio::test]
async fn a_request_is_answered_and_the_answering_node_knows_who_asks() {
    let cluster = Cluster::found();
    let door = open(cluster.founder(), Limits::USUAL).await;
    let client = client(cluster.member("b"), "a", &[door.address]);
    let answer = client.request(Channel(7), b"hello".to_vec(), LONG).await.unwrap();
    assert_eq!(answer, b"b/7:hello");
    assert_eq!(client.connected(), Some((door.address, Protocol::CURRENT)));
}

#[tokio::test]
async fn many_requests_share_one_connection_and_each_gets_its_own_answer() {
    let cluster = Cluster::found();
    let door = open(cluster.founder(), Limits::USUAL).await;
    let client = patient(client(cluster.member("b"), "a", &[door.address]));
    let mut asked = tokio::task::JoinSet::new();
    for number in 0..200u32 {
        let client = client.clone();
        asked.spawn(async move {
            let body = vec![number as u8; number as usize * 50];
            let answer = client.request(Channel(1), body.clone(), LONG).await.unwrap();
            assert_eq!(answer, [b"b/1:".as_slice(), &body].concat());
        });
    }
    while let Some(done) = asked.join_next().await {
        done.unwrap();
    }
    assert_eq!(door.server.counts().accepted, 1);
}

#[tokio::test]
async fn the_largest_body_passes_and_one_byte_more_is_refused_before_it_is_sent() {
    let cluster = Cluster::found();
    let listener = Listener::bind(cluster.founder(), &[loopback()]).await.unwrap();
    let address = listener.addresses().unwrap()[0];
    let _server = serve(listener, |_: Arc<Peer>, channel: Channel, mut body: Vec<u8>| async move {
        body.resize(body.len() + usize::from(channel.0), 0);
        body
    });
    let client = client(cluster.member("b"), "a", &[address]);
    let whole = client.request(Channel(0), vec![1; BODY_LIMIT], LONG).await.unwrap();
    assert_eq!(whole.len(), BODY_LIMIT);
    let length = BODY_LIMIT + 1;
    let refused = client.request(Channel(0), vec![1; length], LONG).await;
    assert!(matches!(refused, Err(RequestFailure::TooLong { .. })));
    match client.request(Channel(1), vec![1; BODY_LIMIT], LONG).await {
        Err(RequestFailure::Refused {
            refusal: Refusal::AnswerTooLong { length: told }, ..
        }) => {
            assert_eq!(told, length as u64);
        }
        other => panic!("{other:?}"),
    }
    assert!(client.request(Channel(0), vec![], LONG).await.is_ok(), "the connection goes on");
}

#[tokio::test]
async fn a_node_that_was_restarted_is_asked_again_without_help() {
    let cluster = Cluster::found();
    let tls = cluster.founder();
    let first = Listener::bind(Arc::clone(&tls), &[own()]).await.unwrap();
    let address = first.addresses().unwrap()[0];
    let server = serve(first, echo);
    let client = client(cluster.member("b"), "a", &[address]);
    client.request(Channel(0), vec![], LONG).await.unwrap();
    drop(server);
    until("the end of the connection is seen", || client.connected().is_none()).await;
    match client.request(Channel(0), vec![], LONG).await {
        Err(failure @ RequestFailure::Unreachable { .. }) => {
            assert!(!failure.may_have_happened());
        }
        other => panic!("{other:?}"),
    }
    let again = Listener::bind(tls, &[address]).await.unwrap();
    let _server = serve(again, echo);
    assert!(client.request(Channel(0), vec![], LONG).await.is_ok());
}

#[tokio::test]
async fn a_request_whose_connection_is_lost_may_have_happened() {
    let cluster = Cluster::found();
    let listener = Listener::bind(cluster.founder(), &[loopback()]).await.unwrap();
    let address = listener.addresses().unwrap()[0];
    let began = Arc::new(AtomicU64::new(0));
    let noted = Arc::clone(&began);
    let server = serve(listener, move |_: Arc<Peer>, _: Channel, _: Vec<u8>| {
        noted.fetch_add(1, Ordering::SeqCst);
        std::future::pending::<Vec<u8>>()
    });
    let client = client(cluster.member("b"), "a", &[address]);
    let asked = tokio::spawn(async move { client.request(Channel(0), vec![], LONG).await });
    until("the request arrived", || began.load(Ordering::SeqCst) == 1).await;
    drop(server);
    match asked.await.unwrap() {
        Err(failure @ RequestFailure::Lost { .. }) => assert!(failure.may_have_happened()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_answering_function_that_breaks_off_is_told_and_hurts_nobody_else() {
    let cluster = Cluster::found();
    let listener = Listener::bind(cluster.founder(), &[loopback()]).await.unwrap();
    let address = listener.addresses().unwrap()[0];
    let _server = serve(listener, |_: Arc<Peer>, channel: Channel, body: Vec<u8>| async move {
        assert_ne!(channel, Channel(13), "this is what breaks off");
        body
    });
    let client = client(cluster.member("b"), "a", &[address]);
    match client.request(Channel(13), vec![], LONG).await {
        Err(failure @ RequestFailure::Refused { refusal: Refusal::BrokeOff, .. }) => {
            assert!(failure.may_have_happened());
        }
        other => panic!("{other:?}"),
    }
    assert!(client.request(Channel(1), vec![], LONG).await.is_ok());
}

#[tokio::test]
async fn a_dead_first_address_costs_one_stagger_and_then_the_good_one_comes_first() {
    let cluster = Cluster::found();
    let door = open(cluster.founder(), Limits::USUAL).await;
    let silent = TcpListener::bind(loopback()).await.unwrap();
    let addresses = [silent.local_addr().unwrap(), door.address];
    let client = client(cluster.member("b"), "a", &addresses);
    assert!(client.request(Channel(0), vec![], LONG).await.is_ok());
    assert_eq!(client.connected().unwrap().0, door.address);
}

/// The two in the order in which the client took them: on a slow machine the one that was begun
/// later may be open sooner.
fn taken_first(client: &Client, one: Tube, other: Tube) -> (Tube, Tube) {
    let taken = client.connected().expect("it was just answered").0;
    if taken == one.address { (one, other) } else { (other, one) }
}

#[tokio::test]
async fn a_dead_pooled_connection_starves_nobody() {
    let cluster = Cluster::found();
    let door = open(cluster.founder(), Limits::USUAL).await;
    let (first, second) = (tube(door.address).await, tube(door.address).await);
    let client = client(cluster.member("b"), "a", &[first.address, second.address]);
    client.request(Channel(0), vec![], LONG).await.unwrap();
    let (first, second) = taken_first(&client, first, second);
    // The network of the first address is cut: nothing arrives, nothing is refused.
    first.swallow.store(true, Ordering::SeqCst);
    let waiting = client.clone();
    let starved = tokio::spawn(async move { waiting.request(Channel(0), vec![], LONG).await });
    until("a second connection is made beside the silent one", || {
        client.connected().is_some_and(|(address, _)| address == second.address)
    })
    .await;
    assert!(client.request(Channel(0), vec![], LONG).await.is_ok());
    assert!(!starved.is_finished(), "the first request still waits for its own answer");
    starved.abort();
}

#[tokio::test]
async fn a_slow_answer_on_a_living_connection_makes_no_second_one() {
    let cluster = Cluster::found();
    let listener = Listener::bind(cluster.founder(), &[loopback()]).await.unwrap();
    let address = listener.addresses().unwrap()[0];
    let server = serve(listener, |_: Arc<Peer>, _: Channel, body: Vec<u8>| async move {
        tokio::time::sleep(Duration::from_millis(2_000)).await;
        body
    });
    let silence = Duration::from_millis(300);
    let client = client(cluster.member("b"), "a", &[address]);
    let client = client.timed(Times { silence, ..Times::USUAL });
    assert_eq!(client.request(Channel(0), vec![9], LONG).await.unwrap(), [9]);
    assert_eq!(server.counts().accepted, 1);
}

#[tokio::test]
async fn a_node_of_another_name_at_the_address_is_not_asked() {
    let cluster = Cluster::found();
    let door = open(cluster.founder(), Limits::USUAL).await;
    for wrong in ["c", "A"] {
        let client = client(cluster.member(&format!("m{wrong}")), wrong, &[door.address]);
        match client.request(Channel(0), vec![], LONG).await {
            Err(RequestFailure::Unreachable { tried, .. }) => {
                let found = node("a");
                assert!(
                    matches!(&tried[0].1, DialFailure::WrongNode { found: f } if *f == found),
                    "{tried:?}"
                );
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn versions_n_and_n_plus_1_interoperate_and_n_plus_2_is_refused_by_name() {
    let cluster = Cluster::found();
    for (door_speaks, client_speaks) in [(4, 4), (4, 5), (5, 4)] {
        let door = open(cluster.founder_speaking(Protocol(door_speaks)), Limits::USUAL).await;
        let name = format!("n{door_speaks}{client_speaks}");
        let tls = cluster.member_speaking(&name, Protocol(client_speaks));
        let client = client(tls, "a", &[door.address]);
        assert!(client.request(Channel(0), vec![], LONG).await.is_ok());
        assert_eq!(client.connected().unwrap().1, Protocol(door_speaks));
    }
    let door = open(cluster.founder_speaking(Protocol(4)), Limits::USUAL).await;
    let client = client(cluster.member_speaking("new", Protocol(6)), "a", &[door.address]);
    let refused = client.request(Channel(0), vec![], LONG).await.unwrap_err();
    let RequestFailure::Unreachable { tried, .. } = &refused else { panic!("{refused:?}") };
    match &tried[0].1 {
        DialFailure::Version { node: named, ours, theirs } => {
            assert_eq!((named, *ours, *theirs), (&node("a"), Protocol(6), Protocol(4)));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_door_names_a_member_whose_version_is_too_far() {
    // A client that does not look at the version itself: it greets with its own and waits.
    let cluster = Cluster::found();
    let door = open(cluster.founder_speaking(Protocol(5)), Limits::USUAL).await;
    let client = client(cluster.member_speaking("new", Protocol(6)), "a", &[door.address]);
    client.request(Channel(0), vec![], LONG).await.unwrap();
    let far = open(cluster.founder_speaking(Protocol(4)), Limits::USUAL).await;
    let raw = ground::raw::connect(&cluster, "raw", far.address).await;
    raw.say_version(Protocol(6)).await;
    match far.turned_away().await {
        TurnedAway::Version { peer, theirs } => {
            assert_eq!((peer.node, theirs), (node("raw"), Protocol(6)));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_client_or_an_operator_is_not_admitted_where_only_nodes_are() {
    let cluster = Cluster::found();
    let door = open(cluster.founder(), Limits::USUAL).await;
    let usual = tsugi_wire::identity::Validity::usual(tsugi_wire::join::wall_now());
    let tls = cluster.member_with("op", Role::Operator, usual);
    let operator = client(Arc::clone(&tls), "a", &[door.address]);
    let refused = operator.request(Channel(0), vec![], LONG).await.unwrap_err();
    let RequestFailure::Unreachable { tried, .. } = &refused else { panic!("{refused:?}") };
    assert!(matches!(tried[0].1, DialFailure::Refused(Refusal::Role)), "{tried:?}");
    assert!(
        matches!(door.turned_away().await, TurnedAway::Role(peer) if peer.role == Role::Operator)
    );
    let open_to_both =
        open_with(cluster.founder(), |door| door.admitting(&[Role::Node, Role::Operator])).await;
    let operator = client(tls, "a", &[open_to_both.address]);
    assert!(operator.request(Channel(0), vec![], LONG).await.is_ok());
}

#[tokio::test]
async fn an_expelled_node_is_cut_and_does_not_come_back() {
    let cluster = Cluster::found();
    let door = open(cluster.founder(), Limits::USUAL).await;
    let made =
        cluster.founder.found_beside(&cluster.path("b"), &node("b"), tsugi_wire::join::wall_now());
    let made = made.unwrap();
    let tls = Arc::new(tsugi_wire::tls::Tls::new(&made, Protocol::CURRENT).unwrap());
    let client = client(tls, "a", &[door.address]);
    client.request(Channel(0), vec![], LONG).await.unwrap();
    assert_eq!(door.server.expel(&node("b"), made.subject.fingerprint), 1);
    until("the connection is cut", || client.connected().is_none()).await;
    let refused = client.request(Channel(0), vec![], LONG).await;
    assert!(matches!(refused, Err(RequestFailure::Unreachable { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_member_that_is_dropped_leaves_no_connection_behind() {
    let cluster = Cluster::found();
    let door = open(cluster.founder(), Limits::USUAL).await;
    let client = client(cluster.member("b"), "a", &[door.address]);
    client.request(Channel(0), vec![], LONG).await.unwrap();
    assert_eq!(door.server.counts().connected, 1);
    drop(client);
    until("the door sees the end", || door.server.counts().connected == 0).await;
}

#[tokio::test]
async fn a_connection_that_takes_nothing_more_starves_nobody_either() {
    let cluster = Cluster::found();
    let door = open(cluster.founder(), Limits::USUAL).await;
    let (first, second) = (tube(door.address).await, tube(door.address).await);
    let client = client(cluster.member("b"), "a", &[first.address, second.address]);
    client.request(Channel(0), vec![], LONG).await.unwrap();
    let (first, second) = taken_first(&client, first, second);
    first.stop.store(true, Ordering::SeqCst);
    // More than the system buffers: the later ones wait before they are sent, and they give up
    // before the system finds out that the connection is dead.
    let soon = Duration::from_millis(2_500);
    let mut asked = tokio::task::JoinSet::new();
    for number in 0..40 {
        let client = client.clone();
        let asking = async move { client.request(Channel(number), vec![0; 1 << 20], soon).await };
        asked.spawn(asking);
    }
    until("one of those that waited is answered over the second network", || {
        asked.try_join_next().is_some_and(|done| done.unwrap().is_ok())
    })
    .await;
    until("the second network is the one in use", || {
        client.connected().is_some_and(|(address, _)| address == second.address)
    })
    .await;
}

#[tokio::test]
async fn requests_that_are_given_up_early_find_a_dead_connection_all_the_same() {
    let cluster = Cluster::found();
    let door = open(cluster.founder(), Limits::USUAL).await;
    let (first, second) = (tube(door.address).await, tube(door.address).await);
    let client = client(cluster.member("b"), "a", &[first.address, second.address]);
    client.request(Channel(0), vec![], LONG).await.unwrap();
    let (first, second) = taken_first(&client, first, second);
    first.swallow.store(true, Ordering::SeqCst);
    let begun = std::time::Instant::now();
    // Each waits for less than a silence.
    while client.request(Channel(0), vec![], Duration::from_millis(20)).await.is_err() {
        assert!(begun.elapsed() < LONG, "the dead connection is used for ever");
    }
    until("the second network is the one in use", || {
        client.connected().is_some_and(|(address, _)| address == second.address)
    })
    .await;
}
