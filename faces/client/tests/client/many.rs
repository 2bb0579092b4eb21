//! Many calls at once from one client: each once, and none confirmed that has no answer.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tsugi_client::{Failure, Request, Settings, WINDOW, blocking};

use crate::false_server::{Does, Group};
use crate::{client, client_with, counter, late, request, settings};

/// All that may happen, in some order, `count` times.
fn troubles(count: usize) -> Vec<Does> {
    let all = [
        Does::Answers,
        Does::LosesTheAnswer,
        Does::Answers,
        Does::CutsTheAnswer,
        Does::Refuses(503, "elsewhere"),
        Does::MeetsItTwice,
        Does::ResetsBefore,
        Does::SaysPending,
        Does::AnswersAndHangsUp,
        Does::Says(500),
        Does::Answers,
        Does::IsSilentAfterwards,
        Does::Babbles,
        Does::Says(503),
        Does::IsSilent,
        Does::Refuses(429, "same-id"),
    ];
    // A step that has nothing in common with their number meets each beside each.
    (0..count).map(|at| all[at * 7 % all.len()].clone()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mf_10_many_calls_through_every_trouble_are_each_carried_out_once() {
    let group = Group::default();
    let (one, other) = (group.server(troubles(150)), group.server(troubles(150)));
    let client = client_with(Settings { at_once: 16, ..settings(&[&one, &other]) });
    let calls = 300;
    let asked: Vec<_> = (0..calls)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.call(&request(), late()).await })
        })
        .collect();
    let mut counters = BTreeSet::new();
    for one in asked {
        counters.insert(counter(&one.await.unwrap().unwrap().body));
    }
    assert_eq!(counters.len(), calls, "each has a reply of its own");
    assert_eq!(group.once_each(), calls);
    assert_eq!(client.lowest(), calls as u64 + 1);
}

#[tokio::test]
async fn a_call_without_an_answer_is_never_confirmed_by_others() {
    let group = Group::default();
    let server = group.server([Does::LosesTheAnswer, Does::Refuses(404, "never")]);
    let client = client(&[&server]);
    let Err(Failure::NotKnown(lost)) = client.call(&request(), late()).await else {
        panic!("its answer was lost");
    };
    for _ in 0..20 {
        client.call(&request(), late()).await.unwrap();
    }
    assert_eq!(client.lowest(), 1);
    assert_eq!(counter(&client.again(*lost, late()).await.unwrap().body), 1);
    assert_eq!(client.lowest(), 22);
    assert_eq!(group.once_each(), 21);
}

#[tokio::test]
async fn the_window_holds_new_calls_back_until_the_lowest_is_answered() {
    let group = Group::default();
    let server = group.server([Does::LosesTheAnswer, Does::Refuses(404, "never")]);
    let client = client(&[&server]);
    let Err(Failure::NotKnown(lost)) = client.call(&request(), late()).await else {
        panic!("its answer was lost");
    };
    for _ in 1..WINDOW {
        client.call(&request(), late()).await.unwrap();
    }
    let soon = Instant::now() + Duration::from_millis(50);
    assert!(matches!(client.call(&request(), soon).await, Err(Failure::NoRoom)));
    let waits = tokio::spawn({
        let client = client.clone();
        async move { client.call(&request(), late()).await }
    });
    tokio::task::yield_now().await;
    client.give_up(*lost);
    assert_eq!(counter(&waits.await.unwrap().unwrap().body), WINDOW + 1);
    assert_eq!(group.once_each(), WINDOW as usize + 1);
}

#[tokio::test]
async fn a_call_that_is_dropped_is_asked_on_until_its_end_is_known() {
    let group = Group::default();
    let server = group.server([Does::IsSilentAfterwards, Does::SaysPending]);
    let client = client(&[&server]);
    let call = tokio::time::timeout(Duration::from_millis(50), async {
        client.call(&request(), late()).await
    });
    assert!(call.await.is_err(), "it was dropped");
    assert_eq!(client.lowest(), 1, "nobody may say yet that it is answered");
    while client.lowest() == 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(counter(&client.call(&request(), late()).await.unwrap().body), 2);
    assert_eq!(group.once_each(), 2);
}

#[test]
fn threads_share_a_blocking_client() {
    let group = Group::default();
    let server = group.server(troubles(40));
    let client = Arc::new(blocking::Client::of(client(&[&server])).unwrap());
    let counters: BTreeSet<u64> = std::thread::scope(|scope| {
        let call = || {
            let client = Arc::clone(&client);
            scope.spawn(move || {
                let reply = || client.call(&Request::json("counter", "{}"), late()).unwrap();
                (0..10).map(|_| counter(&reply().body)).collect::<Vec<_>>()
            })
        };
        let threads: Vec<_> = (0..8).map(|_| call()).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(counters, (1..=80).collect());
    assert_eq!(group.once_each(), 80);
}
