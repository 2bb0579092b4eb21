//! Which network a request takes, where a node listens on several.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod ground;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ground::tube::tube;
use ground::{Cluster, LONG, node, open, until};
use tsugi_vocabulary::BootId;
use tsugi_wire::frame::Channel;
use tsugi_wire::heard::{Came, Heard};
use tsugi_wire::listener::Limits;
use tsugi_wire::ways::Ways;

/// Something of `a` with this number has come over these networks.
fn came(heard: &Heard, sequence: u64, networks: impl IntoIterator<Item = usize>) {
    let came = Came { boot: Some(BootId(1)), sequence };
    networks.into_iter().for_each(|network| heard.note(&node("a"), network, came));
}

/// What is heard, where only what comes decides, however slow the machine is.
fn patient() -> Arc<Heard> {
    let heard = Arc::new(Heard::default());
    heard.patience(Duration::from_secs(3600));
    heard
}

#[tokio::test]
async fn a_connection_is_open_on_every_network_before_it_is_needed() {
    let cluster = Cluster::found();
    let door = open(cluster.founder(), Limits::USUAL).await;
    let (first, second) = (tube(door.address).await, tube(door.address).await);
    let addresses = vec![first.address, second.address];
    let heard = patient();
    let ways = Ways::new(cluster.member("b"), node("a"), addresses, Arc::clone(&heard));
    ways.warm();
    assert_eq!(ways.next(), None, "a node that nobody hears is not looked for");
    until("both are connected", || {
        came(&heard, 1, 0..2);
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
    let heard = patient();
    let addresses = vec![first.address, second.address];
    let ways = Ways::new(cluster.member("b"), node("a"), addresses, Arc::clone(&heard));
    until("both are connected", || {
        came(&heard, 1, 0..2);
        ways.warm();
        door.server.counts().connected == 2
    })
    .await;
    until("the first is the one to take", || ways.next() == Some(first.address)).await;
    // The first network is cut without a word; datagrams still come over the second.
    first.swallow.store(true, Ordering::SeqCst);
    came(&heard, 2, [1]);
    assert_eq!(ways.next(), Some(first.address), "it may have been the turn of the second");
    heard.went_everywhere(&node("a"), 2);
    assert_eq!(ways.next(), Some(second.address));
    let soon = Duration::from_secs(5);
    assert_eq!(ways.request(Channel(0), vec![7], soon).await.unwrap(), b"b/0:\x07");
    first.swallow.store(false, Ordering::SeqCst);
    came(&heard, 3, [0]);
    until("the first is taken again", || ways.next() == Some(first.address)).await;
    ways.request(Channel(0), vec![], LONG).await.unwrap();
}
