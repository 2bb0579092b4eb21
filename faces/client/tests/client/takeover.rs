//! The service goes elsewhere: to another address, or the address to another machine.

use std::time::{Duration, Instant};

use crate::false_server::{Does, Group};
use crate::{client, counter, late, request};

#[tokio::test]
async fn the_next_address_is_asked_where_one_does_not_have_the_store() {
    let group = Group::default();
    let standby = group.server(std::iter::repeat_n(Does::Refuses(503, "elsewhere"), 10_000));
    let owner = group.server([]);
    let client = client(&[&standby, &owner]);
    for wanted in 1..=20 {
        assert_eq!(counter(&client.call(&request(), late()).await.unwrap().body), wanted);
    }
    let at_standby =
        group.kept().heard.iter().filter(|h| h.port == standby.address().port()).count();
    assert_eq!(at_standby, 1, "what was learned is kept");
    assert_eq!(group.once_each(), 20);
}

#[tokio::test]
async fn a_call_goes_on_at_the_address_that_has_moved() {
    let group = Group::default();
    let first = group.server([Does::Answers, Does::LosesTheAnswer]);
    let address = first.address();
    let client = client(&[&first]);
    assert_eq!(counter(&client.call(&request(), late()).await.unwrap().body), 1);
    let asked = tokio::spawn({
        let client = client.clone();
        async move { client.call(&request(), late()).await }
    });
    // It has done what was asked, and dies.
    while group.kept().runs.len() < 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    first.dies();
    let second = loop {
        match group.server_at(address, []) {
            Ok(second) => break second,
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    };
    assert_eq!(counter(&asked.await.unwrap().unwrap().body), 2);
    assert_eq!(counter(&client.call(&request(), late()).await.unwrap().body), 3);
    assert_eq!(group.once_each(), 3);
    drop(second);
}

#[tokio::test]
async fn a_silent_owner_is_left_for_the_next_within_a_try() {
    let group = Group::default();
    let silent = group.server([Does::Answers, Does::IsSilentAfterwards]);
    let next = group.server([]);
    let client = client(&[&silent, &next]);
    client.call(&request(), late()).await.unwrap();
    let began = Instant::now();
    let reply = client.call(&request(), late()).await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(240), "it was waited for");
    assert_eq!((counter(&reply.body), reply.course.tries), (2, 2));
    assert_eq!(group.kept().heard.last().map(|h| h.port), Some(next.address().port()));
    assert_eq!(group.once_each(), 2);
}
