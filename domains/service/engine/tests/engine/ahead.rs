//! Calls that are begun in a worker while it has another.

use tokio::task::{JoinHandle, spawn_blocking, yield_now};
use tsugi_service_engine::worker::pipe::Processes;
use tsugi_service_engine::worker::{Begin, Ear, Heard};
use tsugi_service_engine::{Answer, Calls};
use tsugi_service_rules::worker::life::Exit;
use tsugi_store::Ending;
use tsugi_vocabulary::Span;

use crate::programs::{library, ward};
use crate::support::{Puppets, Stand, call, counts, done, text, workers};

async fn ask(calls: &Calls, serial: u64) -> JoinHandle<Answer> {
    let calls = calls.clone();
    let told = tokio::spawn(async move { call(&calls, serial, "a").await });
    yield_now().await;
    told
}

async fn begun(puppets: &Puppets) -> (Ear, Begin) {
    let puppets = puppets.clone();
    spawn_blocking(move || puppets.begun()).await.unwrap()
}

#[tokio::test]
async fn the_next_call_is_begun_with_the_answer_to_the_one_that_has_the_writer() {
    let mut stand = Stand::new();
    let puppets = Puppets::default();
    let (engine, _last) = stand.engine_with(workers(1), Box::new(puppets.clone()), |_| {});
    let calls = engine.calls();
    let (first, second, third) = (ask(&calls, 1).await, ask(&calls, 2).await, ask(&calls, 3).await);
    let (ear, begin) = begun(&puppets).await;
    ear.hear(counts(&begin));
    // It is begun although the first is not done, in the same worker, and no further one is.
    let (same, ahead) = begun(&puppets).await;
    assert_eq!((same.worker(), ahead.attempt), (ear.worker(), 1));
    assert!(ahead.turn > begin.turn);
    assert_eq!(puppets.many(), 0);
    ear.hear(done(&begin));
    ear.hear(counts(&ahead));
    let (_, last) = begun(&puppets).await;
    ear.hear(done(&ahead));
    ear.hear(counts(&last));
    ear.hear(done(&last));
    for told in [first, second, third] {
        assert_eq!(text(&told.await.unwrap()), "done");
    }
    assert_eq!(stand.value(), 3);
    engine.hand_over(Span::secs(1));
}

#[tokio::test]
async fn what_was_begun_ahead_in_a_worker_that_ends_runs_again_elsewhere() {
    let mut stand = Stand::new();
    let puppets = Puppets::default();
    let (engine, _last) = stand.engine_with(workers(1), Box::new(puppets.clone()), |_| {});
    let calls = engine.calls();
    let (first, second) = (ask(&calls, 1).await, ask(&calls, 2).await);
    let (ear, begin) = begun(&puppets).await;
    ear.hear(counts(&begin));
    let (same, _) = begun(&puppets).await;
    assert_eq!(same.worker(), ear.worker());
    ear.hear(Heard::Ended(Exit::Signal(11), "a signal".to_owned()));
    let Answer::Reply(ended) = first.await.unwrap() else { panic!("no reply") };
    assert_eq!(ended.ending, Ending::Abnormal);
    let (other, again) = begun(&puppets).await;
    assert_ne!(other.worker(), ear.worker());
    assert_eq!(again.attempt, 2);
    other.hear(counts(&again));
    other.hear(done(&again));
    assert_eq!(text(&second.await.unwrap()), "done");
    assert_eq!(stand.value(), 1, "of the first nothing is kept");
    engine.hand_over(Span::secs(1));
}

#[tokio::test]
async fn what_is_heard_of_a_worker_is_no_end_of_a_call_that_was_begun_ahead_and_is_silent() {
    let late = [Heard::Flood, Heard::Memory, Heard::Ended(Exit::Code(3), "late".to_owned())];
    for (n, heard) in (1..).zip(late) {
        let mut stand = Stand::new();
        let puppets = Puppets::default();
        let (engine, _last) = stand.engine_with(workers(1), Box::new(puppets.clone()), |_| {});
        let calls = engine.calls();
        let (first, second) = (ask(&calls, 2 * n).await, ask(&calls, 2 * n + 1).await);
        let (ear, begin) = begun(&puppets).await;
        ear.hear(counts(&begin));
        let (same, _) = begun(&puppets).await;
        assert_eq!(same.worker(), ear.worker());
        ear.hear(done(&begin));
        assert_eq!(text(&first.await.unwrap()), "done");
        ear.hear(heard.clone());
        let (other, again) = begun(&puppets).await;
        assert_ne!(other.worker(), ear.worker());
        assert_eq!(again.attempt, 2, "{heard:?}");
        other.hear(counts(&again));
        other.hear(done(&again));
        assert_eq!(text(&second.await.unwrap()), "done", "{heard:?}");
        assert_eq!(stand.value(), 2);
        engine.hand_over(Span::secs(1));
    }
}

/// The C library that counts, in a process of its own.
pub fn counting(stand: &Stand) -> Processes {
    let source = "../../../programs/program/tests/program/counter.c";
    let mut package = library(stand.folder.path(), source, "COUNTER");
    package.services[0].layout.0[..8]
        .copy_from_slice(&[0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef]);
    Processes::new(ward(stand.folder.path()), package)
}

#[tokio::test]
async fn a_library_goes_on_from_call_to_call_and_each_is_carried_out_once() {
    let mut stand = Stand::new();
    let processes = Box::new(counting(&stand));
    let (engine, _last) = stand.engine_with(workers(1), processes, |settings| {
        // On a machine that is busy none is turned out.
        settings.sitting.hold = Span::secs(10);
    });
    let calls = engine.calls();
    let many = 60;
    let mut told = Vec::new();
    for serial in 1..=many {
        let calls = calls.clone();
        told.push(tokio::spawn(async move { call(&calls, serial, "add n").await }));
    }
    let mut values = Vec::new();
    for told in told {
        let Answer::Reply(reply) = told.await.unwrap() else { panic!("no reply") };
        assert_eq!(reply.attempt, 1, "{reply:?}");
        values.push(String::from_utf8_lossy(&reply.body).parse::<u64>().unwrap());
    }
    values.sort_unstable();
    assert_eq!(values, (1..=many).collect::<Vec<_>>());
    assert_eq!(stand.value(), 60);
    engine.hand_over(Span::secs(2));
}

#[tokio::test]
async fn an_engine_waits_awake_for_the_words_of_a_call_and_never_while_there_is_none() {
    let mut stand = Stand::new();
    let processes = Box::new(counting(&stand));
    let (engine, _last) = stand.engine_with(workers(1), processes, |_| {});
    let calls = engine.calls();
    for serial in 1..=5 {
        let Answer::Reply(reply) = call(&calls, serial, "add n").await else { panic!("no reply") };
        assert_eq!(reply.body, serial.to_string().into_bytes());
    }
    let awake = calls.figures().await.unwrap().awake;
    let many = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) > 1;
    assert_eq!(awake > 0, many, "{awake} times");
    // Each of these wakes the core, and it waits again.
    for _ in 0..100 {
        assert_eq!(calls.figures().await.unwrap().awake, awake);
    }
    engine.hand_over(Span::secs(1));
}
