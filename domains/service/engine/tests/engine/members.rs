//! What several members of a group on one server have in common: what an operator says to one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tsugi_service_engine::worker::thread::Threads;
use tsugi_service_engine::{Answer, Calls, Engine, Refused, Resolved, SameBytes, Sessions};
use tsugi_service_rules::ground::Effects;
use tsugi_service_rules::worker::pool;
use tsugi_store::{Block, Claim, suite};
use tsugi_vocabulary::Span;

use crate::outside::kinds;
use crate::support::{
    Puppets, Runs, SERVICE, Stand, apart, call, done, id, in_parallel, text, workers,
};

/// A member of the group, by its name.
fn member(stand: &Stand, name: &str, runs: Runs) -> Engine {
    let database = stand.database.as_ref().unwrap();
    let claim = Claim { member: name.to_owned(), ..suite::claim(20, 1) };
    let address = database.address(database.server.folder.path());
    let sessions = apart(|| Sessions::postgres(&address, &claim, 2)).expect("it opens");
    in_parallel(sessions, 20, runs, |_| {}).0
}

fn counts(stand: &Stand, effects: Effects) -> Runs {
    let workers = pool::Settings { effects, ..workers(1) };
    (workers, Box::new(Threads(stand.program.clone())), Arc::new(SameBytes))
}

fn block(why: &str) -> Option<Block> {
    Some(Block { who: "yamada".to_owned(), why: why.to_owned(), at: 1 })
}

fn blocked(why: &str) -> Answer {
    Answer::Refused(Refused::Blocked { by: "yamada".to_owned(), reason: why.to_owned() })
}

/// Calls again and again until the service is open there.
async fn opened(calls: &Calls, serial: u64) -> Answer {
    let since = Instant::now();
    loop {
        match call(calls, serial, "a").await {
            Answer::Refused(Refused::Blocked { .. }) => {
                assert!(since.elapsed() < Duration::from_secs(20), "it stays blocked");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            answer => return answer,
        }
    }
}

#[tokio::test]
async fn a_block_holds_at_every_member_from_the_moment_that_it_is_told() {
    for effects in [Effects::Store, Effects::Outside] {
        let stand = Stand::on_postgres();
        let one = member(&stand, "one", counts(&stand, effects));
        let two = member(&stand, "two", counts(&stand, effects));
        let (one_calls, two_calls) = (one.calls(), two.calls());
        assert_eq!(text(&call(&two_calls, 1, "a").await), "1");
        for (round, why) in ["first", "second", "third"].into_iter().enumerate() {
            let serial = 10 * (round as u64 + 1);
            assert_eq!(one_calls.block(SERVICE, block(why)).await, Answer::Changed);
            assert_eq!(call(&two_calls, serial, "a").await, blocked(why), "{effects:?}");
            assert_eq!(call(&one_calls, serial + 1, "a").await, blocked(why));
            let kept = kinds(&stand);
            assert!(kept.iter().all(|kind| *kind == 2), "nothing was begun: {kept:?}");
            assert_eq!(one_calls.block(SERVICE, None).await, Answer::Changed);
            let told = opened(&two_calls, serial).await;
            assert_eq!(text(&told), (round + 2).to_string(), "it is open there, too");
        }
        assert_eq!((stand.runs(), stand.value()), (4, 4));
        one.hand_over(Span::secs(1));
        two.hand_over(Span::secs(1));
    }
}

#[tokio::test]
async fn what_one_member_is_told_of_an_unknown_call_every_member_tells() {
    let stand = Stand::on_postgres();
    let puppets = Puppets::default();
    let outside = pool::Settings { effects: Effects::Outside, ..workers(1) };
    let runs: Runs = (outside, Box::new(puppets.clone()), Arc::new(SameBytes));
    let one = member(&stand, "one", runs);
    let two = member(&stand, "two", counts(&stand, Effects::Outside));
    let two_calls = two.calls();
    assert_eq!(text(&call(&two_calls, 1, "a").await), "1");
    // What the second member knows of this client ends at its first call.
    for serial in [2, 3] {
        let calls = one.calls();
        let held = tokio::spawn(async move { call(&calls, serial, "a").await });
        let puppets = puppets.clone();
        let (ear, begin) = tokio::task::spawn_blocking(move || puppets.begun()).await.unwrap();
        if serial == 2 {
            ear.hear(done(&begin));
            assert_eq!(text(&held.await.unwrap()), "done");
        }
    }
    tokio::task::spawn_blocking(move || one.hand_over(Span::ZERO)).await.unwrap();
    let one = member(&stand, "one", counts(&stand, Effects::Outside));
    let unknown = Answer::Refused(Refused::Unknown);
    assert_eq!(call(&two_calls, 3, "a").await, unknown);
    let said = Resolved::Answered(Box::new(suite::reply("17", 5)));
    assert_eq!(one.calls().resolve(id(3), said).await, Answer::Changed);
    assert_eq!(text(&call(&two_calls, 3, "a").await), "17");
    assert_eq!(text(&two_calls.fetch(id(3)).await), "17");
    one.hand_over(Span::secs(1));
    two.hand_over(Span::secs(1));
}
