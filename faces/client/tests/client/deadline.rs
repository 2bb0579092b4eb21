//! Nothing waits past its deadline, and then it is said what is known.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use tsugi_client::{Address, Failure, NotKnown, Settings, SoFar, Why};

use crate::false_server::{Does, Group};
use crate::{client, client_with, counter, late, request, settings};

/// How much later than its deadline a call may come back on a busy machine.
const LATE: Duration = Duration::from_secs(2);

fn not_known(result: Result<tsugi_client::Reply, Failure>) -> NotKnown {
    match result {
        Err(Failure::NotKnown(not_known)) => *not_known,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn at_its_deadline_a_call_is_not_known_and_can_be_asked_again() {
    for does in [Does::IsSilentAfterwards, Does::SaysPending, Does::LosesTheAnswer] {
        let group = Group::default();
        let server = group.server(std::iter::repeat_n(does.clone(), 10_000));
        let client = client(&[&server]);
        let began = Instant::now();
        let found = not_known(client.call(&request(), began + Duration::from_millis(400)).await);
        let took = began.elapsed();
        assert!(took < Duration::from_millis(400) + LATE, "{does:?} {took:?}");
        assert!(took >= Duration::from_millis(390), "{does:?} was given up after {took:?}");
        assert_eq!((found.so_far, found.why), (SoFar::MayBeDone, Why::Deadline), "{does:?}");
        assert!(found.course.tries > 1, "{does:?}");
        assert_eq!(client.lowest(), 1, "its serial is held");
        let other = group.server([]);
        let later = client_with(settings(&[&other]));
        assert_eq!(counter(&later.again(found, late()).await.unwrap().body), 1, "{does:?}");
        assert_eq!(group.once_each(), 1, "{does:?}");
    }
}

#[tokio::test]
async fn where_nobody_listens_nothing_was_carried_out() {
    // Bound and not listening: a connection is refused, and nobody else gets the port.
    let port = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = port.local_addr().unwrap();
    drop(port);
    let client = client_with(Settings::of(vec![Address::read(&at.to_string()).unwrap()]));
    let began = Instant::now();
    let found = not_known(client.call(&request(), began + Duration::from_millis(300)).await);
    assert!(began.elapsed() < Duration::from_millis(300) + LATE);
    assert_eq!(found.so_far, SoFar::NotDone);
    assert!(found.course.tries > 3, "it was asked again: {}", found.course.tries);
    let waited_for = found.course.waited_for.unwrap();
    assert_eq!(waited_for.at.to_string(), at.to_string());
    assert!(waited_for.error.unwrap().contains("refused"));
}

#[tokio::test]
async fn a_listener_that_takes_no_connection_in_is_given_up_in_time() {
    // Whoever listens and never accepts has the connection made and stays silent.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = Address::read(&silent.local_addr().unwrap().to_string()).unwrap();
    let group = Group::default();
    let server = group.server([]);
    let mut set = settings(&[&server]);
    set.addresses.insert(0, at);
    let reply = client_with(set).call(&request(), late()).await.unwrap();
    assert_eq!((counter(&reply.body), reply.course.tries), (1, 2));
}

#[tokio::test]
async fn a_deadline_that_is_over_asks_nothing() {
    let group = Group::default();
    let server = group.server([]);
    let client = client(&[&server]);
    let found = not_known(client.call(&request(), Instant::now()).await);
    assert_eq!((found.so_far, found.course.tries), (SoFar::NotDone, 0));
    assert_eq!(group.kept().heard.len(), 0);
    client.give_up(found);
    assert_eq!(client.lowest(), 2, "nobody ever heard of it");
}
