//! What is kept too long goes, and the log of the store stays short, while calls come.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tsugi_service_engine::worker::thread::Threads;
use tsugi_service_engine::{Answer, Calls, Engine, Identity, Refused, Upkeep, names};
use tsugi_service_rules::id::{CallId, Serial};
use tsugi_vocabulary::Span;

use crate::support::{Puppets, Stand, asked, call, counts, done, id, life, text, workers};

fn engine(stand: &mut Stand, start: usize, upkeep: Upkeep) -> Engine {
    let nursery = Box::new(Threads(stand.program.clone()));
    let change = |settings: &mut tsugi_service_engine::Settings| settings.upkeep = upkeep;
    stand.engine_with(workers(start), nursery, change).0
}

/// What is kept until it is looked at, and looked at again and again.
fn never() -> Upkeep {
    Upkeep { every: Span::secs(3_600), ..Upkeep::default() }
}

/// Asks until no reply is told any more.
async fn gone(calls: &Calls, id: CallId) -> Answer {
    let asks = async {
        loop {
            match calls.fetch(id).await {
                Answer::Reply(_) => tokio::task::yield_now().await,
                told => return told,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), asks).await.expect("it goes")
}

on_both! {
    what_is_too_old_goes_and_is_never_carried_out_again,
}

async fn what_is_too_old_goes_and_is_never_carried_out_again(mut stand: Stand) {
    let keyed = CallId::Keyed(names::key(&Identity("test".to_owned()), "once"));
    let asks = |keyed| asked(keyed, 1, "a");
    let before = engine(&mut stand, 1, never());
    let calls = before.calls();
    assert_eq!(text(&call(&calls, 7, "a").await), "1");
    assert_eq!(text(&calls.call(asks(keyed)).await), "2");
    assert_eq!(text(&calls.fetch(id(7)).await), "1");
    before.hand_over(Span::secs(1));
    let upkeep = Upkeep { replies: Span::millis(1), every: Span::millis(1), ..never() };
    let after = engine(&mut stand, 1, upkeep);
    let calls = after.calls();
    let expired = |told: &Answer| matches!(told, Answer::Refused(Refused::Expired(_)));
    let told = gone(&calls, id(7)).await;
    assert!(expired(&told), "{told:?}");
    let told = call(&calls, 7, "a").await;
    assert!(expired(&told), "{told:?}");
    // Of a key it is kept for ever that it was used, until an operator says otherwise.
    assert_eq!(gone(&calls, keyed).await, Answer::Refused(Refused::Forgotten));
    assert_eq!(calls.call(asks(keyed)).await, Answer::Refused(Refused::Forgotten));
    assert_eq!((stand.runs(), stand.value()), (2, 2), "nothing was carried out again");
    assert_eq!(calls.forget(keyed).await, Answer::Changed);
    assert_eq!(text(&calls.call(asks(keyed)).await), "3");
    after.hand_over(Span::secs(1));
}

#[tokio::test]
async fn a_call_waits_for_one_portion_of_the_purge_and_not_for_the_walk() {
    let mut stand = Stand::new();
    let before = engine(&mut stand, 1, never());
    let calls = before.calls();
    for serial in 1..=200 {
        text(&call(&calls, serial, "a").await);
    }
    before.hand_over(Span::secs(1));
    let puppets = Puppets::default();
    let (after, _last) = stand.engine_with(workers(1), Box::new(puppets.clone()), |settings| {
        settings.upkeep = Upkeep { replies: Span::millis(1), every: Span::millis(1), ..never() };
    });
    let calls = after.calls();
    let other = CallId::Counted { life: life(2), serial: Serial::FIRST };
    let asks = calls.clone();
    let told = tokio::spawn(async move { asks.call(asked(other, 1, "a")).await });
    let (ear, begin) = tokio::task::spawn_blocking(move || puppets.begun()).await.unwrap();
    stand.gates.shut("purge");
    let gates = stand.gates.clone();
    tokio::task::spawn_blocking(move || gates.reached("purge", 1)).await.unwrap();
    stand.counts.log.lock().unwrap().clear();
    ear.hear(counts(&begin));
    ear.hear(done(&begin));
    stand.gates.open("purge");
    assert_eq!(text(&told.await.unwrap()), "done");
    let log = stand.counts.log.lock().unwrap().clone();
    assert_eq!(log.first(), Some(&"begin"), "{log:?}");
    let told = gone(&calls, id(200)).await;
    assert!(matches!(told, Answer::Refused(Refused::Expired(_))), "{told:?}");
    after.hand_over(Span::secs(1));
}

/// Reads beside the engine, again and again, each time for a moment.
fn reads(stand: &Stand, ends: Arc<AtomicBool>) -> std::thread::JoinHandle<u64> {
    let path = stand.folder.path().join("store.db");
    std::thread::spawn(move || {
        let reader = rusqlite::Connection::open(path).expect("it opens");
        let mut read = 0;
        while !ends.load(Ordering::SeqCst) {
            reader.execute_batch("BEGIN; SELECT value FROM counter; COMMIT").expect("it reads");
            read += 1;
        }
        read
    })
}

#[tokio::test]
async fn the_log_stays_short_while_calls_come_and_somebody_reads_beside() {
    let mut stand = Stand::new();
    let engine = engine(&mut stand, 4, Upkeep { log: 64, ..never() });
    let ends = Arc::new(AtomicBool::new(false));
    let reader = reads(&stand, ends.clone());
    let many = 300;
    let callers = (1..=4).map(|client| {
        let calls = engine.calls();
        tokio::spawn(async move {
            for serial in 1..=many {
                let serial = Serial::new(serial).unwrap();
                let id = CallId::Counted { life: life(client), serial };
                text(&calls.call(asked(id, serial.get(), "a")).await);
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    ends.store(true, Ordering::SeqCst);
    assert!(reader.join().unwrap() > 0);
    let log = std::fs::metadata(stand.folder.path().join("store.db-wal")).unwrap().len() / 4_120;
    let commits = stand.counts.commits.load(Ordering::SeqCst);
    assert!(commits >= 300, "{commits}");
    assert!(log < 400, "{log} pages by {commits} commits");
    engine.hand_over(Span::secs(1));
}
