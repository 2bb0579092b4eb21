//! Calls that act outside the store, calls in order, and a disk that is full.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tsugi_service_engine::worker::thread::Threads;
use tsugi_service_engine::{Answer, Calls, Engine, Refused, Resolved};
use tsugi_service_rules::ground::Effects;
use tsugi_service_rules::id::OrderKey;
use tsugi_service_rules::worker::pool;
use tsugi_store::{Ending, suite};
use tsugi_vocabulary::Span;

use crate::support::{Puppets, Stand, asked, call, done, id, reached, text, workers};

on_both! {
    calls_of_one_order_key_run_one_after_the_other,
    a_caller_that_is_gone_leaves_its_call_and_its_answer_for_the_retry,
    nothing_is_told_after_the_last_moment,
    what_acts_outside_is_kept_before_it_runs_and_is_unknown_after_an_interruption,
    an_unknown_call_is_answered_as_somebody_has_decided,
}

/// An engine whose service acts outside the store.
pub fn outside(stand: &mut Stand) -> Engine {
    let settings = pool::Settings { effects: Effects::Outside, ..workers(1) };
    stand.engine_with(settings, Box::new(Threads(stand.program.clone())), |_| {}).0
}

pub fn kinds(stand: &Stand) -> Vec<i64> {
    if let Some(database) = &stand.database {
        let kinds = "SELECT string_agg(kind::text, ' ' ORDER BY serial) FROM tsugi_reply";
        let kinds = database.ask(kinds);
        return kinds.split_whitespace().map(|kind| kind.parse().unwrap()).collect();
    }
    let path = stand.folder.path().join("store.db");
    let reader = rusqlite::Connection::open(path).expect("it opens");
    let mut kinds = reader.prepare("SELECT kind FROM tsugi_reply ORDER BY serial").unwrap();
    kinds.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

fn asks(calls: &Calls, serial: u64, body: &'static str) -> tokio::task::JoinHandle<Answer> {
    let calls = calls.clone();
    tokio::spawn(async move { call(&calls, serial, body).await })
}

async fn what_acts_outside_is_kept_before_it_runs_and_is_unknown_after_an_interruption(
    mut stand: Stand,
) {
    let engine = outside(&mut stand);
    let calls = engine.calls();
    assert_eq!(text(&call(&calls, 1, "a").await), "1");
    assert_eq!(call(&calls, 1, "a").await, call(&calls, 1, "a").await);
    // What its program says of its own end is an end like any other.
    let Answer::Reply(panicked) = call(&calls, 2, "panic").await else { panic!("no reply") };
    assert_eq!(panicked.ending, Ending::Abnormal);
    assert_eq!(kinds(&stand), [2, 4]);
    stand.gates.shut("begin");
    let held = asks(&calls, 3, "a");
    reached(&stand, "begin", 1).await;
    assert_eq!(kinds(&stand), [2, 4, 1], "it is durable before its program runs");
    let over = tokio::task::spawn_blocking(move || engine.hand_over(Span::millis(20)));
    assert_eq!(held.await.unwrap(), Answer::Refused(Refused::Moving));
    over.await.unwrap();
    stand.gates.open("begin");
    let engine = outside(&mut stand);
    let calls = engine.calls();
    assert_eq!(kinds(&stand), [2, 4, 6]);
    let runs = stand.runs();
    let unknown = Answer::Refused(Refused::Unknown);
    assert_eq!(call(&calls, 3, "a").await, unknown);
    assert_eq!(calls.fetch(id(3)).await, unknown);
    assert_eq!(calls.confirm(id(3)).await, unknown, "nobody has its answer");
    assert_eq!(call(&calls, 3, "b").await, Answer::Refused(Refused::OtherBody));
    assert_eq!(stand.runs(), runs, "it is never run again by itself");
    assert_eq!(calls.resolve(id(3), Resolved::NotCarriedOut).await, Answer::Changed);
    assert_eq!(text(&call(&calls, 3, "a").await), "2");
    engine.hand_over(Span::secs(1));
}

/// An engine whose service acts outside the store; the test says the words of its workers.
fn outside_by_puppets(stand: &mut Stand, start: usize) -> (Engine, Puppets) {
    let puppets = Puppets::default();
    let settings = pool::Settings { effects: Effects::Outside, ..workers(start) };
    (stand.engine_with(settings, Box::new(puppets.clone()), |_| {}).0, puppets)
}

#[tokio::test]
async fn a_worker_is_told_to_act_outside_after_the_commit_that_says_so() {
    let mut stand = Stand::new();
    let (engine, puppets) = outside_by_puppets(&mut stand, 1);
    stand.gates.shut("commit");
    let told = asks(&engine.calls(), 1, "a");
    reached(&stand, "commit", 1).await;
    assert_eq!((puppets.many(), kinds(&stand)), (0, vec![]), "it is told before it is durable");
    stand.gates.open("commit");
    let (ear, begin) = tokio::task::spawn_blocking(move || puppets.begun()).await.unwrap();
    assert_eq!(kinds(&stand), [1]);
    ear.hear(done(&begin));
    assert_eq!(text(&told.await.unwrap()), "done");
    assert_eq!(kinds(&stand), [2]);
    engine.hand_over(Span::secs(1));
}

#[tokio::test]
async fn what_was_told_to_come_again_elsewhere_before_it_was_started_is_not_kept_as_started() {
    let mut stand = Stand::new();
    let (engine, _puppets) = outside_by_puppets(&mut stand, 2);
    let calls = engine.calls();
    stand.gates.shut("commit");
    let first = asks(&calls, 1, "a");
    reached(&stand, "commit", 1).await;
    // While the first is made durable a second comes, and the group begins to move.
    let second = asks(&calls, 2, "a");
    tokio::task::yield_now().await;
    engine.begin_move(Span::ZERO);
    stand.gates.open("commit");
    tokio::task::spawn_blocking(move || engine.hand_over(Span::ZERO)).await.unwrap();
    let moving = Answer::Refused(Refused::Moving);
    assert_eq!((first.await.unwrap(), second.await.unwrap()), (moving.clone(), moving));
    assert_eq!(kinds(&stand), [1]);
    let engine = outside(&mut stand);
    let calls = engine.calls();
    assert_eq!(call(&calls, 1, "a").await, Answer::Refused(Refused::Unknown));
    assert_eq!(text(&call(&calls, 2, "a").await), "1");
    engine.hand_over(Span::secs(1));
}

#[tokio::test]
async fn i29_a_store_that_stays_full_is_let_go_at_the_end_of_the_grace() {
    let mut stand = Stand::new();
    let (engine, _last) = stand.engine(1);
    let calls = engine.calls();
    assert_eq!(text(&call(&calls, 1, "a").await), "1");
    stand.counts.full.store(usize::MAX, Ordering::SeqCst);
    let confirmed = tokio::spawn(async move { calls.confirm(id(1)).await });
    tokio::task::yield_now().await;
    let over = tokio::task::spawn_blocking(move || engine.hand_over(Span::millis(20)));
    let over = tokio::time::timeout(Duration::from_secs(10), over).await;
    over.expect("it returns").unwrap();
    let told = confirmed.await.unwrap();
    let full = matches!(told, Answer::Refused(Refused::StoreAway { .. }));
    assert!(full || told == Answer::Refused(Refused::Moving), "{told:?}");
    stand.counts.full.store(0, Ordering::SeqCst);
    let (engine, _last) = stand.engine(1);
    let calls = engine.calls();
    assert_eq!(text(&calls.fetch(id(1)).await), "1", "what was told is not lost");
    assert_eq!(calls.confirm(id(1)).await, Answer::Changed);
    engine.hand_over(Span::secs(1));
}

#[tokio::test]
async fn i29_what_acted_outside_and_finds_no_room_for_its_end_is_unknown_to_the_next_owner() {
    let mut stand = Stand::new();
    let (engine, puppets) = outside_by_puppets(&mut stand, 1);
    let told = asks(&engine.calls(), 1, "a");
    let (ear, begin) = tokio::task::spawn_blocking(move || puppets.begun()).await.unwrap();
    stand.counts.full.store(usize::MAX, Ordering::SeqCst);
    ear.hear(done(&begin));
    let over = tokio::task::spawn_blocking(move || engine.hand_over(Span::millis(20)));
    let over = tokio::time::timeout(Duration::from_secs(10), over).await;
    over.expect("it returns").unwrap();
    assert_eq!(told.await.unwrap(), Answer::Refused(Refused::Moving));
    stand.counts.full.store(0, Ordering::SeqCst);
    let engine = outside(&mut stand);
    assert_eq!(kinds(&stand), [6]);
    let calls = engine.calls();
    assert_eq!(call(&calls, 1, "a").await, Answer::Refused(Refused::Unknown));
    engine.hand_over(Span::secs(1));
}

async fn an_unknown_call_is_answered_as_somebody_has_decided(mut stand: Stand) {
    let engine = outside(&mut stand);
    let calls = engine.calls();
    stand.gates.shut("begin");
    let held = asks(&calls, 1, "a");
    reached(&stand, "begin", 1).await;
    let over = tokio::task::spawn_blocking(move || engine.hand_over(Span::ZERO));
    held.await.unwrap();
    over.await.unwrap();
    stand.gates.open("begin");
    let engine = outside(&mut stand);
    let calls = engine.calls();
    let said = Box::new(tsugi_store::Reply { interface: 9, ..suite::reply("17", 5) });
    assert_eq!(calls.resolve(id(1), Resolved::Answered(said.clone())).await, Answer::Changed);
    let told = call(&calls, 1, "a").await;
    let Answer::Reply(told) = &told else { panic!("{told:?}") };
    assert_eq!((&*told.body, told.interface), (&b"17"[..], 1), "of the call's own interface");
    let again = calls.resolve(id(1), Resolved::Answered(said)).await;
    assert_eq!(again, Answer::Refused(Refused::Decided));
    assert_eq!(calls.figures().await.unwrap().held, 0, "what was refused is not held");
    assert_eq!((stand.runs(), stand.value()), (1, 0));
    engine.hand_over(Span::secs(1));
}

async fn calls_of_one_order_key_run_one_after_the_other(mut stand: Stand) {
    let (engine, _last) = stand.engine(3);
    let calls = engine.calls();
    stand.gates.shut("begin");
    let ask = |serial: u64, key: u8| {
        let mut asked = asked(id(serial), 1, "a");
        asked.order = Some(OrderKey([key; 16]));
        let calls = calls.clone();
        tokio::spawn(async move { text(&calls.call(asked).await) })
    };
    let first = ask(1, 1);
    reached(&stand, "begin", 1).await;
    let second = ask(2, 1);
    while calls.fetch(id(2)).await != Answer::Pending {
        tokio::task::yield_now().await;
    }
    // One of another key passes it.
    let other = ask(3, 2);
    reached(&stand, "begin", 2).await;
    assert_eq!(stand.runs(), 2, "there is a worker, and it waits all the same");
    stand.gates.open("begin");
    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    assert!(first.parse::<i64>().unwrap() < second.parse().unwrap(), "{first} {second}");
    other.await.unwrap();
    // Two that meet on one number beside each other are run again by one of them.
    assert!(stand.runs() == 3 || stand.database.is_some(), "{}", stand.runs());
    assert_eq!(stand.value(), 3);
    engine.hand_over(Span::secs(1));
}

#[tokio::test]
async fn i29_a_full_disk_refuses_the_calls_of_a_sitting_and_the_engine_goes_on() {
    let mut stand = Stand::new();
    let (engine, _last) = stand.engine(1);
    let calls = engine.calls();
    assert_eq!(text(&call(&calls, 1, "a").await), "1");
    stand.counts.full.store(1, Ordering::SeqCst);
    let full = call(&calls, 2, "a").await;
    assert!(matches!(full, Answer::Refused(Refused::StoreAway { .. })), "{full:?}");
    assert_eq!(stand.value(), 1, "nothing of it is kept");
    assert_eq!(text(&calls.fetch(id(1)).await), "1", "what is stored is told");
    assert_eq!(text(&call(&calls, 2, "a").await), "2", "there is room again");
    // Whoever wants to change what is kept is told so, too, and asks again.
    stand.counts.full.store(1, Ordering::SeqCst);
    let full = calls.confirm(id(2)).await;
    assert!(matches!(full, Answer::Refused(Refused::StoreAway { .. })), "{full:?}");
    assert_eq!(calls.confirm(id(2)).await, Answer::Changed);
    engine.hand_over(Span::secs(1));
}

async fn a_caller_that_is_gone_leaves_its_call_and_its_answer_for_the_retry(mut stand: Stand) {
    let (engine, _last) = stand.engine(1);
    let calls = engine.calls();
    stand.gates.shut("begin");
    let gone = asks(&calls, 1, "a");
    reached(&stand, "begin", 1).await;
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    let retry = asks(&calls, 1, "a");
    stand.gates.open("begin");
    assert_eq!(text(&retry.await.unwrap()), "1");
    assert_eq!(stand.runs(), 1);
    engine.hand_over(Span::secs(1));
}

async fn nothing_is_told_after_the_last_moment(mut stand: Stand) {
    let nursery = Box::new(Threads(stand.program.clone()));
    let mut lease = None;
    let (engine, last) =
        stand.engine_with(workers(1), nursery, |settings| lease = Some(settings.last.clone()));
    let calls = engine.calls();
    assert_eq!(text(&call(&calls, 1, "a").await), "1");
    stand.gates.shut("begin");
    let running = asks(&calls, 2, "a");
    reached(&stand, "begin", 1).await;
    lease.unwrap().store(1, Ordering::SeqCst);
    stand.gates.open("begin");
    let word = tokio::task::spawn_blocking(move || last.recv().unwrap()).await.unwrap();
    assert_eq!(word, tsugi_service_engine::Fatal::LastMoment);
    assert!(!running.is_finished());
    drop(engine);
}
