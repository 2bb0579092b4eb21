//! What becomes of calls.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tsugi_service_engine::worker::thread::Threads;
use tsugi_service_engine::worker::{Gave, Given, Said};
use tsugi_service_engine::{
    Answer, Fatal, Identity, Interface, NoReply, Read, Refused, Resolved, SameBytes, names,
};
use tsugi_service_rules::id::{CallId, Content, InterfaceNumber, Serial, Watermark};
use tsugi_service_rules::refusal::{Expired, Malformed};
use tsugi_store::Ending;
use tsugi_vocabulary::Span;

use crate::support::{Stand, asked, call, id, life, text, workers};

on_both! {
    a_call_is_carried_out_once_and_every_retry_gets_the_same_bytes,
    a_duplicate_of_a_running_call_joins_it,
    an_end_that_is_not_in_order_is_stored_and_leaves_no_effects,
    what_cannot_be_taken_is_refused_by_its_name,
    a_move_waits_for_what_runs_and_then_rolls_it_back,
    what_is_confirmed_is_expired_with_all_below_and_never_runs,
    a_number_that_would_share_the_row_of_another_is_malformed,
    a_key_leaves_a_tombstone_until_it_is_forgotten,
    a_statement_without_end_costs_its_sitting_and_ends_its_call,
    a_retry_is_compared_by_what_it_says_and_by_the_interface_of_what_is_kept,
}

async fn a_call_is_carried_out_once_and_every_retry_gets_the_same_bytes(mut stand: Stand) {
    let (engine, _last) = stand.engine(1);
    let calls = engine.calls();
    let first = call(&calls, 1, "a").await;
    assert_eq!(text(&first), "1");
    let begins = stand.counts.begins.load(Ordering::SeqCst);
    let commits = stand.counts.commits.load(Ordering::SeqCst);
    assert_eq!(call(&calls, 1, "a").await, first, "a retry");
    assert_eq!(calls.fetch(id(1)).await, first, "and whoever fetches it");
    assert_eq!(call(&calls, 1, "b").await, Answer::Refused(Refused::OtherBody));
    assert_eq!(calls.fetch(id(2)).await, Answer::Refused(Refused::NotFound));
    // What is stored is told without a write.
    assert_eq!(stand.counts.begins.load(Ordering::SeqCst), begins);
    assert_eq!(stand.counts.commits.load(Ordering::SeqCst), commits);
    assert_eq!(text(&call(&calls, 2, "a").await), "2");
    engine.hand_over(Span::secs(1));
    let closed = call(&calls, 3, "a").await;
    assert_eq!(closed, Answer::Refused(Refused::NotOpenHere), "the store is handed over");
    let (engine, _last) = stand.engine(1);
    let calls = engine.calls();
    assert_eq!(call(&calls, 1, "a").await, first, "the next engine says the same");
    assert_eq!(text(&call(&calls, 3, "a").await), "3");
    assert_eq!((stand.runs(), stand.value()), (3, 3));
    engine.hand_over(Span::secs(1));
}

#[tokio::test]
async fn what_is_not_durable_is_not_told_and_a_duplicate_joins() {
    let mut stand = Stand::new();
    let (engine, _last) = stand.engine(1);
    let calls = engine.calls();
    stand.gates.shut("commit");
    let first = tokio::spawn({
        let calls = calls.clone();
        async move { call(&calls, 1, "a").await }
    });
    let gates = stand.gates.clone();
    tokio::task::spawn_blocking(move || gates.reached("commit", 1)).await.unwrap();
    // Its program has ended, its reply is inserted, and nobody is told.
    let second = tokio::spawn({
        let calls = calls.clone();
        async move { call(&calls, 1, "a").await }
    });
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert!(!first.is_finished() && !second.is_finished());
    stand.gates.open("commit");
    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    assert_eq!(text(&first), "1");
    assert_eq!(first, second);
    assert_eq!((stand.runs(), stand.value()), (1, 1));
    engine.hand_over(Span::secs(1));
}

async fn a_duplicate_of_a_running_call_joins_it(mut stand: Stand) {
    let (engine, _last) = stand.engine(2);
    let calls = engine.calls();
    stand.gates.shut("begin");
    let both: Vec<_> = (0..2)
        .map(|_| {
            let calls = calls.clone();
            tokio::spawn(async move { call(&calls, 1, "a").await })
        })
        .collect();
    let gates = stand.gates.clone();
    tokio::task::spawn_blocking(move || gates.reached("begin", 1)).await.unwrap();
    assert_eq!(calls.fetch(id(1)).await, Answer::Pending);
    assert_eq!(call(&calls, 1, "b").await, Answer::Refused(Refused::OtherBody));
    let early = Malformed::AnsweredWhilePending { serial: Serial::new(1) };
    assert_eq!(calls.confirm(id(1)).await, Answer::Refused(Refused::Malformed(early)));
    stand.gates.open("begin");
    for told in both {
        assert_eq!(text(&told.await.unwrap()), "1");
    }
    assert_eq!((stand.runs(), stand.value()), (1, 1));
    engine.hand_over(Span::secs(1));
}

#[tokio::test]
async fn many_calls_are_one_commit() {
    let mut stand = Stand::new();
    let (engine, _last) = stand.engine(1);
    let calls = engine.calls();
    // The first commit is held, so that the others come while it is under way.
    stand.gates.shut("commit");
    let ask = |n: u64| {
        let calls = calls.clone();
        tokio::spawn(async move { text(&call(&calls, n, "a").await) })
    };
    let first = ask(1);
    let gates = stand.gates.clone();
    tokio::task::spawn_blocking(move || gates.reached("commit", 1)).await.unwrap();
    let rest: Vec<_> = (2..=41).map(ask).collect();
    tokio::time::sleep(Duration::from_millis(20)).await;
    stand.gates.open("commit");
    assert_eq!(first.await.unwrap(), "1");
    let mut told = Vec::new();
    for one in rest {
        told.push(one.await.unwrap().parse::<i64>().unwrap());
    }
    told.sort_unstable();
    assert_eq!(told, (2..=41).collect::<Vec<_>>());
    let commits = stand.counts.commits.load(Ordering::SeqCst);
    assert!(commits < 30, "{commits} commits for 41 calls");
    engine.hand_over(Span::secs(1));
}

#[tokio::test]
async fn i17_after_a_failed_commit_nobody_is_told_anything_and_the_engine_is_over() {
    let mut stand = Stand::new();
    let (engine, last) = stand.engine(1);
    let calls = engine.calls();
    assert_eq!(text(&call(&calls, 1, "a").await), "1");
    let failing = stand.counts.commits.load(Ordering::SeqCst) + 1;
    stand.counts.failing.store(failing, Ordering::SeqCst);
    let told = tokio::spawn({
        let calls = calls.clone();
        async move { call(&calls, 2, "a").await }
    });
    let word = tokio::task::spawn_blocking(move || last.recv().expect("its last word")).await;
    assert!(matches!(word.unwrap(), Fatal::Broken(_)));
    let again = tokio::spawn(async move { call(&calls, 1, "a").await });
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert!(!told.is_finished() && !again.is_finished(), "not even what was durable before");
    drop(engine);
}

#[tokio::test]
async fn who_holds_up_calls_that_have_ended_is_turned_out_and_runs_again_alone() {
    let mut stand = Stand::new();
    let nursery = Box::new(Threads(stand.program.clone()));
    let (engine, _last) = stand.engine_with(workers(3), nursery, |settings| {
        settings.sitting.gather = Span::secs(1);
    });
    let calls = engine.calls();
    let ask = |n: u64, body: &'static str| {
        let calls = calls.clone();
        tokio::spawn(async move { text(&call(&calls, n, body).await) })
    };
    // Both have spoken before the next sitting begins: the second of it holds up the first.
    stand.gates.shut("commit");
    stand.gates.shut("hold");
    stand.gates.shut("late");
    let [mut one, mut other] = [ask(2, "hold at 3"), ask(3, "hold at 3")];
    let gates = stand.gates.clone();
    tokio::task::spawn_blocking(move || gates.reached("late", 2)).await.unwrap();
    let first = ask(1, "a");
    let gates = stand.gates.clone();
    tokio::task::spawn_blocking(move || gates.reached("commit", 1)).await.unwrap();
    stand.gates.open("late");
    while stand.program.asked.load(Ordering::SeqCst) < 3 {
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    stand.gates.open("commit");
    assert_eq!(first.await.unwrap(), "1");
    let gates = stand.gates.clone();
    tokio::task::spawn_blocking(move || gates.reached("hold", 1)).await.unwrap();
    let (told, held) = tokio::select! {
        told = &mut one => (told, other),
        told = &mut other => (told, one),
    };
    assert_eq!(told.unwrap(), "2");
    assert!(!held.is_finished());
    stand.gates.open("hold");
    assert_eq!(held.await.unwrap(), "3");
    assert_eq!(stand.value(), 3, "whoever ran twice has added once");
    assert_eq!(stand.runs(), 4, "and one ran twice");
    engine.hand_over(Span::secs(1));
}

async fn an_end_that_is_not_in_order_is_stored_and_leaves_no_effects(mut stand: Stand) {
    let (engine, _last) = stand.engine(1);
    let calls = engine.calls();
    for (serial, body, ending, status) in
        [(1, "panic", Ending::Abnormal, 500), (2, "refuse", Ending::Refused, 200)]
    {
        let first = call(&calls, serial, body).await;
        let Answer::Reply(reply) = &first else { panic!("{first:?}") };
        assert_eq!((reply.ending, reply.status), (ending, status));
        assert_eq!(call(&calls, serial, body).await, first, "it is final");
    }
    assert_eq!(stand.value(), 0);
    // A statement that is refused is the program's own matter.
    assert_eq!(text(&call(&calls, 3, "mistake").await), "1");
    assert_eq!(stand.runs(), 3);
    engine.hand_over(Span::secs(1));
}

async fn what_cannot_be_taken_is_refused_by_its_name(mut stand: Stand) {
    let nursery = Box::new(Threads(stand.program.clone()));
    let (engine, _last) = stand.engine_with(workers(1), nursery, |settings| {
        settings.calls.body = 8;
        settings.calls.queue = 1;
    });
    let calls = engine.calls();
    let large = call(&calls, 1, "123456789").await;
    assert_eq!(large, Answer::Refused(Refused::TooLarge { size: 9, most: 8 }));
    let mut other = asked(id(1), 1, "a");
    other.service = "no".to_owned();
    let none = Refused::NoSuchService { service: "no".to_owned() };
    assert_eq!(calls.call(other).await, Answer::Refused(none));
    let mut late = asked(id(1), 1, "a");
    late.patience = Some(Duration::ZERO);
    let late = calls.call(late).await;
    assert!(matches!(late, Answer::Refused(Refused::TooLate { .. })), "{late:?}");
    stand.gates.shut("begin");
    let running = tokio::spawn({
        let calls = calls.clone();
        async move { call(&calls, 1, "a").await }
    });
    let gates = stand.gates.clone();
    tokio::task::spawn_blocking(move || gates.reached("begin", 1)).await.unwrap();
    // One waits, the next finds the queue full, and one that waits with it loses patience. Who is
    // to be seen waiting is patient: another store answers only when it can.
    let waits = tokio::spawn({
        let calls = calls.clone();
        async move { call(&calls, 2, "a").await }
    });
    while calls.fetch(id(2)).await != Answer::Pending {
        tokio::task::yield_now().await;
    }
    let full = call(&calls, 3, "a").await;
    assert!(matches!(full, Answer::Refused(Refused::Full(_))), "{full:?}");
    let mut late = asked(id(2), 1, "a");
    late.patience = Some(Duration::from_millis(40));
    let late = calls.call(late).await;
    assert!(matches!(late, Answer::Refused(Refused::TooLate { .. })), "{late:?}");
    stand.gates.open("begin");
    assert_eq!(text(&running.await.unwrap()), "1");
    assert_eq!(text(&waits.await.unwrap()), "2", "its own patience had no end");
    assert_eq!(stand.value(), 2);
    engine.hand_over(Span::secs(1));
}

async fn a_move_waits_for_what_runs_and_then_rolls_it_back(mut stand: Stand) {
    let (engine, _last) = stand.engine(1);
    let calls = engine.calls();
    assert_eq!(text(&call(&calls, 1, "a").await), "1");
    stand.gates.shut("hold");
    let ask = |n: u64, body: &'static str| {
        let calls = calls.clone();
        tokio::spawn(async move { call(&calls, n, body).await })
    };
    let held = ask(2, "hold");
    let gates = stand.gates.clone();
    tokio::task::spawn_blocking(move || gates.reached("hold", 1)).await.unwrap();
    let waits = ask(3, "a");
    while calls.fetch(id(3)).await != Answer::Pending {
        tokio::task::yield_now().await;
    }
    let over = tokio::task::spawn_blocking(move || engine.hand_over(Span::millis(50)));
    assert_eq!(waits.await.unwrap(), Answer::Refused(Refused::Moving), "it has not begun");
    assert_eq!(held.await.unwrap(), Answer::Refused(Refused::Moving), "its grace is over");
    over.await.unwrap();
    assert_eq!(stand.value(), 1, "it is rolled back");
    stand.gates.open("hold");
    let (engine, _last) = stand.engine(1);
    let calls = engine.calls();
    assert_eq!(text(&call(&calls, 2, "hold").await), "2", "the next owner carries it out");
    engine.hand_over(Span::secs(1));
}

async fn what_is_confirmed_is_expired_with_all_below_and_never_runs(mut stand: Stand) {
    let (engine, _last) = stand.engine(1);
    let calls = engine.calls();
    for serial in [1, 2, 4] {
        call(&calls, serial, "a").await;
    }
    assert_eq!(calls.confirm(id(3)).await, Answer::Changed);
    assert_eq!(calls.confirm(id(3)).await, Answer::Changed, "it is done already");
    let expired = Answer::Refused(Refused::Expired(Expired::Watermark(Watermark(3))));
    for serial in 1..=3 {
        assert_eq!(call(&calls, serial, "a").await, expired, "{serial}");
        assert_eq!(calls.fetch(id(serial)).await, expired, "{serial}");
    }
    assert_eq!(text(&calls.fetch(id(4)).await), "3");
    // The lowest that a call tells confirms all below it.
    assert_eq!(text(&calls.call(asked(id(5), 5, "a")).await), "4");
    engine.hand_over(Span::secs(1));
    let (engine, _last) = stand.engine(1);
    let calls = engine.calls();
    let expired = Answer::Refused(Refused::Expired(Expired::Watermark(Watermark(4))));
    for serial in 1..=4 {
        assert_eq!(call(&calls, serial, "a").await, expired, "{serial}");
    }
    // What never came and was given up is not run when it does.
    let given_up = CallId::Counted { life: life(2), serial: Serial::FIRST };
    assert_eq!(calls.confirm(given_up).await, Answer::Changed);
    let expired = Answer::Refused(Refused::Expired(Expired::Watermark(Watermark(1))));
    assert_eq!(calls.call(asked(given_up, 1, "a")).await, expired);
    // One that could not have come yet would end the life of its client: it is refused by name.
    for (life, last) in [(life(1), 5), (life(3), 0)] {
        let most = 1_024;
        let counted = |serial| CallId::Counted { life, serial: Serial::new(serial).unwrap() };
        let lowest = Serial::new(last + 1).unwrap();
        let beyond = Answer::Refused(Refused::WindowFull { lowest, most });
        for serial in [i64::MAX as u64, last + 1 + most] {
            assert_eq!(calls.confirm(counted(serial)).await, beyond, "{serial}");
        }
        assert_eq!(text(&calls.call(asked(counted(last + 1), last + 1, "a")).await).len(), 1);
        assert_eq!(calls.confirm(counted(last + most)).await, Answer::Changed);
    }
    assert_eq!((stand.runs(), stand.value()), (6, 6));
    engine.hand_over(Span::secs(1));
}

async fn a_number_that_would_share_the_row_of_another_is_malformed(mut stand: Stand) {
    let (engine, _last) = stand.engine(1);
    let calls = engine.calls();
    let most = i64::MAX as u64;
    let of = |incarnation, serial| CallId::Counted {
        life: life(incarnation),
        serial: Serial::new(serial).unwrap(),
    };
    let malformed = Answer::Refused(Refused::Malformed(Malformed::Id));
    for id in [of(1, most + 1), of(1, u64::MAX), of(most + 1, 1), of(u64::MAX, 1)] {
        let lowest = id.counted().unwrap().1.get();
        assert_eq!(calls.call(asked(id, lowest, "a")).await, malformed, "{id:?}");
        assert_eq!(calls.fetch(id).await, malformed);
        assert_eq!(calls.confirm(id).await, malformed);
        assert_eq!(calls.forget(id).await, malformed);
        assert_eq!(calls.resolve(id, Resolved::NotCarriedOut).await, malformed);
    }
    // The largest that there are have rows of their own.
    assert_eq!(text(&calls.call(asked(of(1, most), most, "a")).await), "1");
    assert_eq!(text(&calls.call(asked(of(most, most), most, "a")).await), "2");
    engine.hand_over(Span::secs(1));
}

async fn a_key_leaves_a_tombstone_until_it_is_forgotten(mut stand: Stand) {
    let (engine, _last) = stand.engine(1);
    let calls = engine.calls();
    let made_up = CallId::Keyed(names::key(&Identity("test".to_owned()), "order 7"));
    let first = calls.call(asked(made_up, 1, "a")).await;
    assert_eq!(text(&first), "1");
    assert_eq!(calls.call(asked(made_up, 1, "a")).await, first);
    let other = CallId::Keyed(names::key(&Identity("other".to_owned()), "order 7"));
    assert_eq!(calls.fetch(other).await, Answer::Refused(Refused::NotFound), "another identity");
    assert_eq!(calls.confirm(made_up).await, Answer::Changed);
    let forgotten = Answer::Refused(Refused::Forgotten);
    assert_eq!(calls.call(asked(made_up, 1, "a")).await, forgotten);
    assert_eq!(calls.fetch(made_up).await, forgotten);
    assert_eq!(calls.forget(made_up).await, Answer::Changed);
    assert_eq!(text(&calls.call(asked(made_up, 1, "a")).await), "2", "an operator said so");
    engine.hand_over(Span::secs(1));
}

async fn a_statement_without_end_costs_its_sitting_and_ends_its_call(mut stand: Stand) {
    let mut settings = workers(1);
    settings.limits.call = Span::millis(200);
    let nursery = Box::new(Threads(stand.program.clone()));
    let (engine, _last) = stand.engine_with(settings, nursery, |_| {});
    let calls = engine.calls();
    let first = call(&calls, 1, "endless").await;
    let Answer::Reply(reply) = &first else { panic!("{first:?}") };
    // Where nobody else waits for the writer, its own time is over first.
    let ending = if stand.database.is_some() { Ending::TimeLimit } else { Ending::Abnormal };
    assert_eq!(reply.ending, ending, "{}", text(&first));
    assert_eq!(call(&calls, 1, "endless").await, first, "it is final");
    assert_eq!(text(&call(&calls, 2, "a").await), "1", "the engine goes on");
    assert_eq!(stand.value(), 1);
    engine.hand_over(Span::secs(1));
}

/// By its first interface a body is its bytes, by the second its letters without their case.
struct Cases(u32);

impl Interface for Cases {
    fn read(&self, service: &str, body: &Arc<[u8]>) -> Result<Read, Refused> {
        let content = self.former(service, body, InterfaceNumber(self.0))?;
        Ok(Read { content, given: Given::body(body.clone()), size: body.len() as u64 })
    }

    fn former(
        &self,
        service: &str,
        body: &[u8],
        interface: InterfaceNumber,
    ) -> Result<Content, Refused> {
        let canonical = match interface.0 {
            1 => body.to_vec(),
            _ => body.to_ascii_lowercase(),
        };
        Ok(names::content(service, interface, &canonical))
    }

    fn reply(&self, gave: Gave) -> Result<Said, NoReply> {
        SameBytes.reply(gave)
    }
}

async fn a_retry_is_compared_by_what_it_says_and_by_the_interface_of_what_is_kept(
    mut stand: Stand,
) {
    stand.interface = Arc::new(Cases(1));
    let (engine, _last) = stand.engine(1);
    let calls = engine.calls();
    let first = call(&calls, 1, "A").await;
    assert_eq!(call(&calls, 1, "a").await, Answer::Refused(Refused::OtherBody));
    engine.hand_over(Span::secs(1));
    stand.interface = Arc::new(Cases(2));
    let (engine, _last) = stand.engine(1);
    let calls = engine.calls();
    assert_eq!(call(&calls, 1, "A").await, first, "decoded by the former interface it is the same");
    assert_eq!(call(&calls, 1, "a").await, Answer::Refused(Refused::OtherBody));
    let second = call(&calls, 2, "A").await;
    assert_eq!(text(&second), "2");
    assert_eq!(call(&calls, 2, "a").await, second, "other bytes that say the same");
    assert_eq!(stand.runs(), 2);
    engine.hand_over(Span::secs(1));
}
