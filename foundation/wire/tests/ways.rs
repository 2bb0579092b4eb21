//! Which network a request takes, where a node listens on several.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod ground;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ground::tube::tube;
use ground::{Cluster, LONG, node, open, until};
use tsugi_wire::frame::Channel;
use tsugi_wire::listener::Limits;
use tsugi_wire::ways::{Heard, Ways};

#[tokio::test]
async fn a_connection_is_open_on_every_network_before_it_is_needed() {
    let cluster = Cluster::found();
    let door = open(cluster.founder(), Limits::USUAL).await;
    let (first, second) = (tube(door.address).await, tube(door.address).await);
    let addresses = vec![first.address, second.address];
    let heard = Arc::new(Heard::default());
    let ways = Ways::new(cluster.member("b"), node("a"), addresses, Arc::clone(&heard));
    ways.warm();
    assert_eq!(ways.next(), None, "a node that nobody hears is not looked for");
    until("both are connected", || {
        (0..2).for_each(|network| heard.note(&node("a"), network));
        ways.warm();
        door.server.counts().connected == 2
    })
    .await;
    until("the first is the one to take", || ways.next() == Some(first.address)).await;
}

#[tokio::test]
async fn a_request_takes_the_network_on_which_the_node_is_heard() {
    let cluster = Cluster::found();
    let door = open(cluster.founder(), Limits::USUAL).await;
    let (first, second) = (tube(door.address).await, tube(door.address).await);
    let heard = Arc::new(Heard::default());
    let addresses = vec![first.address, second.address];
    let ways = Ways::new(cluster.member("b"), node("a"), addresses, Arc::clone(&heard));
    until("both are connected", || {
        (0..2).for_each(|network| heard.note(&node("a"), network));
        ways.warm();
        door.server.counts().connected == 2
    })
    .await;
    until("the first is the one to take", || ways.next() == Some(first.address)).await;
    // The first network is cut without a word; datagrams still come over the second.
    first.swallow.store(true, Ordering::SeqCst);
    until("the second is taken", || {
        heard.note(&node("a"), 1);
        ways.next() == Some(second.address)
    })
    .await;
    let soon = Duration::from_secs(5);
    assert_eq!(ways.request(Channel(0), vec![7], soon).await.unwrap(), b"b/0:\x07");
    first.swallow.store(false, Ordering::SeqCst);
    heard.note(&node("a"), 1);
    heard.note(&node("a"), 0);
    until("the first is taken again", || ways.next() == Some(first.address)).await;
    ways.request(Channel(0), vec![], LONG).await.unwrap();
}
