//! The one thread: how it ends where it cannot go on, and whose turn it is.

use std::sync::atomic::Ordering;

use tokio::task::{JoinHandle, spawn_blocking, yield_now};
use tsugi_service_engine::worker::thread::Threads;
use tsugi_service_engine::{Answer, Calls, Fatal, Refused, Settings};
use tsugi_service_rules::id::{CallId, Serial};
use tsugi_store::{Block, Ending};
use tsugi_vocabulary::Span;

use crate::support::{Puppets, SERVICE, Stand, call, counts, done, id, life, text, workers};

/// Asks for a call; the engine has its letter.
async fn ask(calls: &Calls, serial: u64) -> JoinHandle<Answer> {
    let calls = calls.clone();
    let told = tokio::spawn(async move { call(&calls, serial, "a").await });
    yield_now().await;
    told
}

#[tokio::test]
async fn a_panic_of_the_core_is_its_last_word_and_nobody_is_told_anything() {
    let mut stand = Stand::new();
    let (engine, last) = stand.engine(1);
    let calls = engine.calls();
    assert_eq!(text(&call(&calls, 1, "a").await), "1");
    let panicking = stand.counts.commits.load(Ordering::SeqCst) + 1;
    stand.counts.panicking.store(panicking, Ordering::SeqCst);
    let told = ask(&calls, 2).await;
    let word = spawn_blocking(move || last.recv().expect("its last word")).await.unwrap();
    assert_eq!(word, Fatal::Impossible("told to panic".to_owned()));
    let again = ask(&calls, 1).await;
    tokio::time::sleep(std::time::Duration::from_millis(30)).await;
    assert!(!told.is_finished() && !again.is_finished());
    drop(engine);
}

#[tokio::test]
async fn what_is_small_and_who_has_spoken_take_turns() {
    let mut stand = Stand::new();
    let puppets = Puppets::default();
    let (engine, _last) = stand.engine_with(workers(1), Box::new(puppets.clone()), |_| {});
    let calls = engine.calls();
    let told = ask(&calls, 1).await;
    let (ear, begin) = spawn_blocking(move || puppets.begun()).await.unwrap();
    let confirm = |incarnation: u64| {
        let calls = calls.clone();
        let id = CallId::Counted { life: life(incarnation), serial: Serial::FIRST };
        tokio::spawn(async move { calls.confirm(id).await })
    };
    // While one is written another comes, and a worker speaks.
    stand.gates.shut("confirm");
    let first = confirm(2);
    let gates = stand.gates.clone();
    spawn_blocking(move || gates.reached("confirm", 1)).await.unwrap();
    let second = confirm(3);
    yield_now().await;
    ear.hear(counts(&begin));
    ear.hear(done(&begin));
    stand.gates.open("confirm");
    assert_eq!(first.await.unwrap(), Answer::Changed);
    assert_eq!(second.await.unwrap(), Answer::Changed);
    assert_eq!(text(&told.await.unwrap()), "done");
    assert_eq!(*stand.counts.log.lock().unwrap(), ["confirm", "begin", "confirm"]);
    assert_eq!(text(&calls.fetch(id(1)).await), "done");
    engine.hand_over(Span::secs(1));
}

#[tokio::test]
async fn a_call_that_loops_takes_nothing_of_the_time_of_those_that_wait_for_the_writer() {
    let mut stand = Stand::new();
    let puppets = Puppets::default();
    let mut settings = workers(3);
    settings.limits.call = Span::millis(700);
    let (engine, _last) = stand.engine_with(settings, Box::new(puppets.clone()), |settings| {
        settings.sitting.calls = 1;
    });
    let calls = engine.calls();
    let mut all = Vec::new();
    for serial in 1..=3 {
        let told = ask(&calls, serial).await;
        let puppets = puppets.clone();
        let (ear, begin) = spawn_blocking(move || puppets.begun()).await.unwrap();
        ear.hear(counts(&begin));
        all.push((told, ear, begin));
    }
    let (waits, ear, begin) = all.pop().unwrap();
    for (loops, ..) in all {
        let Answer::Reply(ended) = loops.await.unwrap() else { panic!("no reply") };
        assert_eq!(ended.ending, Ending::TimeLimit);
    }
    // It has waited for twice the time that a call may take, and has its own left.
    ear.hear(done(&begin));
    assert_eq!(text(&waits.await.unwrap()), "done");
    assert_eq!(stand.value(), 1);
    engine.hand_over(Span::secs(1));
}

#[tokio::test]
async fn a_service_that_cannot_run_starts_nothing_and_tells_what_it_has() {
    let mut stand = Stand::new();
    let (engine, _last) = stand.engine(1);
    let first = call(&engine.calls(), 1, "a").await;
    engine.hand_over(Span::secs(1));
    let why = Refused::NotDeployed { why: "its module is gone".into() };
    let (closed, nursery) = (why.clone(), Box::new(Threads(stand.program.clone())));
    let change = move |settings: &mut Settings| drop(settings.closed.insert(SERVICE, closed));
    let (engine, _last) = stand.engine_with(workers(1), nursery, change);
    let calls = engine.calls();
    assert_eq!(call(&calls, 1, "a").await, first);
    assert_eq!(call(&calls, 2, "a").await, Answer::Refused(why.clone()));
    let of = calls.figures().await.unwrap().services.remove(0);
    assert_eq!((of.open, of.ready, of.starting), (Err(why), 0, 0));
    calls.set_open(SERVICE, Ok(()));
    assert_eq!(text(&call(&calls, 2, "a").await), "2");
    let figures = calls.figures().await.unwrap();
    let of = &figures.services[0];
    assert_eq!((figures.pending, &*of.name, of.open.is_ok(), of.ready), (0, "counter", true, 1));
    engine.hand_over(Span::secs(1));
    assert_eq!(calls.figures().await, None);
}

async fn what_an_operator_has_blocked_stays_so_until_he_opens_it(mut stand: Stand) {
    let (engine, _last) = stand.engine(1);
    let calls = engine.calls();
    assert_eq!(text(&call(&calls, 1, "a").await), "1");
    let block = Block { who: "tanaka".to_owned(), why: "month end".to_owned(), at: 7 };
    let refused = Refused::Blocked { by: "tanaka".to_owned(), reason: "month end".to_owned() };
    assert_eq!(calls.block(SERVICE, Some(block)).await, Answer::Changed);
    assert_eq!(call(&calls, 2, "a").await, Answer::Refused(refused.clone()));
    engine.hand_over(Span::secs(1));
    let (engine, _last) = stand.engine(1);
    let calls = engine.calls();
    assert_eq!(text(&call(&calls, 1, "a").await), "1", "what is stored is told");
    // That it could run is no word of the operator's.
    calls.set_open(SERVICE, Ok(()));
    assert_eq!(call(&calls, 2, "a").await, Answer::Refused(refused.clone()));
    let of = calls.figures().await.unwrap().services.remove(0);
    assert_eq!(of.open, Err(refused));
    assert_eq!(calls.block(SERVICE, None).await, Answer::Changed);
    assert_eq!(text(&call(&calls, 2, "a").await), "2");
    engine.hand_over(Span::secs(1));
    let (engine, _last) = stand.engine(1);
    assert_eq!(text(&call(&engine.calls(), 3, "a").await), "3");
    engine.hand_over(Span::secs(1));
    let nobody = calls.block(SERVICE, None).await;
    assert_eq!(nobody, Answer::Refused(Refused::NotOpenHere));
}

on_both!(what_an_operator_has_blocked_stays_so_until_he_opens_it);
