//! Services of another group, as programs call them: two engines, each with a store of its own.

use std::sync::{Arc, Mutex};

use tokio::runtime::Handle;
use tsugi_service_engine::names::{self, Identity};
use tsugi_service_engine::{
    Answer, Asked, CallOut, Calls, CameBack, Engine, OtherGroups, Refused, Resolved, TellCaller,
};
use tsugi_service_rules::ground::Effects;
use tsugi_service_rules::id::CallId;
use tsugi_store::Ending;
use tsugi_vocabulary::Span;

use crate::nested::{actor, actor_that};
use crate::support::{Stand, asked, id, reached, text};

/// The way to one engine, as the group `pay`.
#[derive(Debug, Clone)]
struct Pay {
    handle: Handle,
    confirmed: Arc<Mutex<Vec<CallId>>>,
    asked: Arc<Mutex<Vec<CallId>>>,
    calls: There,
}

#[derive(Clone)]
struct There(Calls);

impl std::fmt::Debug for There {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("there")
    }
}

fn key(of: CallId) -> CallId {
    CallId::Keyed(names::key(&Identity("callers".to_owned()), &of.whole()))
}

impl OtherGroups for Pay {
    fn knows(&self, group: &str) -> bool {
        group == "pay"
    }

    fn call(&self, call: CallOut, tell: TellCaller) {
        self.asked.lock().unwrap().push(call.id);
        let calls = self.calls.0.clone();
        let body = String::from_utf8(call.body).unwrap();
        let asked = Asked { service: call.service, ..asked(key(call.id), 1, &body) };
        self.handle.spawn(async move {
            tell(match calls.call(asked).await {
                Answer::Reply(reply) if reply.ending == Ending::Done => {
                    CameBack::Reply(reply.body.to_vec())
                }
                Answer::Reply(reply) => CameBack::Ended(format!("{:?}", reply.ending)),
                Answer::Refused(refused) if refused.word() == "other-body" => {
                    CameBack::NotKnown(refused.word().to_owned())
                }
                Answer::Refused(refused) => CameBack::Refused(refused.word().to_owned()),
                other => CameBack::NotKnown(format!("{other:?}")),
            });
        });
    }

    fn confirm(&self, _: &str, id: CallId) {
        self.confirmed.lock().unwrap().push(id);
    }
}

/// An engine whose group is `pay`, and one on a stand whose programs may call it.
struct Both {
    pay: Stand,
    there: Engine,
    way: Pay,
}

impl Both {
    fn new() -> Self {
        let mut pay = Stand::new();
        let services = vec![actor(&pay, 20, "takes")];
        let there = pay.engine_beside(services, |_| {}).0;
        let calls = There(there.calls());
        let handle = Handle::current();
        let way = Pay { handle, confirmed: Arc::default(), asked: Arc::default(), calls };
        Self { pay, there, way }
    }

    fn engine(&self, stand: &mut Stand, effects: Effects) -> Engine {
        let services = vec![actor_that(stand, 10, "a", effects), actor(stand, 11, "b")];
        let way: Arc<dyn OtherGroups> = Arc::new(self.way.clone());
        stand.engine_beside(services, |settings| settings.groups = Some(way)).0
    }
}

async fn told(calls: &Calls, serial: u64, body: &str) -> Answer {
    calls.call(Asked { service: "a".to_owned(), ..asked(id(serial), 1, body) }).await
}

#[tokio::test]
async fn a_program_that_holds_no_writer_calls_another_groups_service_once() {
    let mut stand = Stand::on_postgres();
    let both = Both::new();
    let engine = both.engine(&mut stand, Effects::Store);
    let calls = engine.calls();
    let body = "add;call pay/takes add;call b call pay/takes add;add";
    assert_eq!(text(&told(&calls, 1, body).await), "1 [1] [[2]] 2");
    assert_eq!(text(&told(&calls, 1, body).await), "1 [1] [[2]] 2", "it is stored");
    assert_eq!((stand.value(), both.pay.value()), (2, 2));
    let mut asked = both.way.asked.lock().unwrap().clone();
    let mut confirmed = both.way.confirmed.lock().unwrap().clone();
    asked.sort();
    confirmed.sort();
    assert_eq!(asked.len(), 2, "each once, under its own id");
    assert_eq!(asked, confirmed, "its replies need not be kept once the caller is durable");
    assert!(asked.contains(&names::child(&id(1).whole(), 1)));
    let none = text(&told(&calls, 2, "call pay/nobody add;call none/x add;add").await);
    let away = r#"60 store-away: {"why":"no way to another group's store"}"#;
    assert_eq!(none, format!("60 no-such-service {away} 3"));
    let fails = text(&told(&calls, 3, "call pay/takes add,refuse;add").await);
    assert_eq!(fails, "61 Refused 4", "its caller goes on");
    assert_eq!(both.pay.value(), 2);
    engine.hand_over(Span::secs(1));
    both.there.hand_over(Span::secs(1));
}

#[tokio::test]
async fn a_caller_that_runs_again_is_told_what_is_stored_there() {
    let mut stand = Stand::on_postgres();
    let both = Both::new();
    let engine = both.engine(&mut stand, Effects::Store);
    let calls = engine.calls();
    stand.gates.shut("hold");
    let first =
        tokio::spawn(async move { told(&calls, 1, "add;call pay/takes add;pass hold").await });
    let gates = stand.gates.clone();
    tokio::task::spawn_blocking(move || gates.reached("hold", 1)).await.unwrap();
    // The other has done it; this one's engine goes before its own commit.
    assert_eq!(both.pay.value(), 1);
    tokio::task::spawn_blocking(move || engine.hand_over(Span::millis(50))).await.unwrap();
    assert!(matches!(first.await.unwrap(), Answer::Refused(_)));
    stand.gates.open("hold");
    assert_eq!(stand.value(), 0);
    assert!(both.way.confirmed.lock().unwrap().is_empty(), "its reply is needed yet");
    let engine = both.engine(&mut stand, Effects::Store);
    let again = told(&engine.calls(), 1, "add;call pay/takes add;pass hold").await;
    assert_eq!(text(&again).trim(), "1 [1]");
    assert_eq!((stand.value(), both.pay.value()), (1, 1), "it ran once there");
    let asked = both.way.asked.lock().unwrap().clone();
    assert_eq!(asked[0], asked[1], "under one id");
    assert_eq!(*both.way.confirmed.lock().unwrap(), asked[..1]);
    engine.hand_over(Span::secs(1));
    both.there.hand_over(Span::secs(1));
}

#[tokio::test]
async fn a_caller_that_asks_for_something_else_when_it_runs_again_ends_abnormally() {
    let mut stand = Stand::on_postgres();
    let both = Both::new();
    let child = names::child(&id(1).whole(), 1);
    let before = Asked { service: "takes".to_owned(), ..asked(key(child), 1, "add") };
    assert_eq!(text(&both.there.calls().call(before).await), "1");
    let engine = both.engine(&mut stand, Effects::Store);
    let answer = told(&engine.calls(), 1, "add;call pay/takes see").await;
    let Answer::Reply(reply) = answer else { panic!("{answer:?}") };
    assert_eq!(reply.ending, Ending::Abnormal);
    assert!(String::from_utf8_lossy(&reply.body).contains("other-body"));
    assert_eq!((stand.value(), both.pay.value()), (0, 1));
    engine.hand_over(Span::secs(1));
    both.there.hand_over(Span::secs(1));
}

#[tokio::test]
async fn what_only_reads_calls_another_groups_service_also_beside_a_writer() {
    let mut stand = Stand::new();
    let both = Both::new();
    let engine = both.engine(&mut stand, Effects::None);
    let calls = engine.calls();
    assert_eq!(text(&told(&calls, 1, "see;call pay/takes add;see").await), "0 [1] 0");
    assert_eq!(text(&told(&calls, 1, "see;call pay/takes add;see").await), "0 [1] 0");
    assert_eq!(both.pay.value(), 1, "it reads again, and is told what is stored there");
    assert!(both.way.confirmed.lock().unwrap().is_empty());
    engine.hand_over(Span::secs(1));
    both.there.hand_over(Span::secs(1));
}

const HELD: &str = "64 holds-writer: enqueue it";

#[tokio::test]
async fn beside_a_writer_another_group_is_called_before_the_first_operation_and_not_after_it() {
    for effects in [Effects::Store, Effects::Outside] {
        let mut stand = Stand::new();
        let both = Both::new();
        let engine = both.engine(&mut stand, effects);
        let calls = engine.calls();
        let body = "call pay/takes add;call pay/takes add;add;call pay/takes add;call b add";
        let once = format!("[1] [2] 1 {HELD} [2]");
        assert_eq!(text(&told(&calls, 1, body).await), once, "{effects:?}");
        assert_eq!(text(&told(&calls, 1, body).await), once, "it is stored");
        assert_eq!((stand.value(), both.pay.value()), (2, 2));
        let asked = both.way.asked.lock().unwrap().clone();
        let children = [1, 2].map(|number| names::child(&id(1).whole(), number));
        assert_eq!(asked, children, "each once, by its number");
        assert_eq!(*both.way.confirmed.lock().unwrap(), children);
        // Whom its callee calls is called with the writer, and what is refused keeps its number.
        let within = text(&told(&calls, 2, "call b call pay/takes add;add").await);
        assert_eq!(within, format!("[{HELD}] 3"));
        let none = text(&told(&calls, 3, "call none/x add;call pay/takes refuse;add").await);
        let away = r#"60 store-away: {"why":"no way to another group's store"}"#;
        assert_eq!(none, format!("{away} 61 Refused 4"));
        let asked = both.way.asked.lock().unwrap().clone();
        assert_eq!(asked.last(), Some(&names::child(&id(3).whole(), 2)));
        engine.hand_over(Span::secs(1));
        both.there.hand_over(Span::secs(1));
    }
}

#[tokio::test]
async fn whoever_waits_for_another_group_holds_up_nobody() {
    let mut stand = Stand::new();
    let both = Both::new();
    let engine = both.engine(&mut stand, Effects::Store);
    let calls = engine.calls();
    both.pay.gates.shut("there");
    let waits = calls.clone();
    let waits =
        tokio::spawn(async move { told(&waits, 1, "call pay/takes pass there,add;add").await });
    reached(&both.pay, "there", 1).await;
    let other = Asked { service: "b".to_owned(), ..asked(id(2), 1, "add") };
    assert_eq!(text(&calls.call(other).await), "1", "the writer is free");
    both.pay.gates.open("there");
    assert_eq!(text(&waits.await.unwrap()), "[1] 2");
    engine.hand_over(Span::secs(1));
    both.there.hand_over(Span::secs(1));
}

#[tokio::test]
async fn a_caller_that_acts_outside_and_is_interrupted_is_unknown_and_its_replies_are_kept() {
    let mut stand = Stand::new();
    let both = Both::new();
    let engine = both.engine(&mut stand, Effects::Outside);
    let calls = engine.calls();
    stand.gates.shut("hold");
    let body = "call pay/takes add;pass hold;add";
    let first = tokio::spawn(async move { told(&calls, 1, body).await });
    reached(&stand, "hold", 1).await;
    assert_eq!(both.pay.value(), 1, "the other has done it");
    tokio::task::spawn_blocking(move || engine.hand_over(Span::millis(50))).await.unwrap();
    assert!(matches!(first.await.unwrap(), Answer::Refused(_)));
    stand.gates.open("hold");
    let engine = both.engine(&mut stand, Effects::Outside);
    let calls = engine.calls();
    assert_eq!(told(&calls, 1, body).await, Answer::Refused(Refused::Unknown));
    assert_eq!(both.way.asked.lock().unwrap().len(), 1, "it does not run again by itself");
    assert!(both.way.confirmed.lock().unwrap().is_empty(), "its reply may be needed yet");
    assert_eq!(calls.resolve(id(1), Resolved::NotCarriedOut).await, Answer::Changed);
    assert_eq!(text(&told(&calls, 1, body).await), "[1] 1");
    assert_eq!((stand.value(), both.pay.value()), (1, 1), "it was carried out once there");
    let asked = both.way.asked.lock().unwrap().clone();
    assert_eq!(asked[0], asked[1], "under one id");
    assert_eq!(*both.way.confirmed.lock().unwrap(), asked[..1]);
    engine.hand_over(Span::secs(1));
    both.there.hand_over(Span::secs(1));
}

#[tokio::test]
async fn beside_a_writer_a_reply_that_nobody_can_tell_ends_the_caller_and_nothing_is_kept() {
    let mut stand = Stand::new();
    let both = Both::new();
    let child = names::child(&id(1).whole(), 1);
    let before = Asked { service: "takes".to_owned(), ..asked(key(child), 1, "add") };
    assert_eq!(text(&both.there.calls().call(before).await), "1");
    let engine = both.engine(&mut stand, Effects::Outside);
    let answer = told(&engine.calls(), 1, "call pay/takes see;add").await;
    let Answer::Reply(reply) = answer else { panic!("{answer:?}") };
    assert_eq!(reply.ending, Ending::Abnormal);
    assert!(String::from_utf8_lossy(&reply.body).contains("other-body"));
    assert_eq!((stand.value(), both.pay.value()), (0, 1));
    engine.hand_over(Span::secs(1));
    both.there.hand_over(Span::secs(1));
}

#[tokio::test]
async fn the_limit_of_a_caller_ends_its_wait_for_another_group() {
    let mut stand = Stand::new();
    let both = Both::new();
    let mut services = vec![actor_that(&stand, 10, "a", Effects::Outside)];
    services[0].workers.limits.call = Span::millis(300);
    let way: Arc<dyn OtherGroups> = Arc::new(both.way.clone());
    let engine = stand.engine_beside(services, |settings| settings.groups = Some(way)).0;
    both.pay.gates.shut("there");
    let answer = told(&engine.calls(), 1, "call pay/takes pass there,add;add").await;
    let Answer::Reply(reply) = answer else { panic!("{answer:?}") };
    assert_eq!((reply.ending, stand.value()), (Ending::TimeLimit, 0));
    both.pay.gates.open("there");
    assert_eq!(text(&told(&engine.calls(), 2, "call pay/takes see;add").await), "[1] 1");
    engine.hand_over(Span::secs(1));
    both.there.hand_over(Span::secs(1));
}
