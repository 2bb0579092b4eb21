//! Calls over HTTP: once, the same bytes for every retry, and no one else's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tsugi_vocabulary::Span;

use crate::support::{Caller, Stand, call, door_with, get, keyed, post};

#[test]
fn a_retry_gets_the_same_bytes_and_nothing_is_carried_out_twice() {
    let mut stand = Stand::new();
    let (engine, door) = stand.door();
    let mut caller = Caller::new(door.address());
    let first = caller.ask(keyed("a", "1"));
    assert_eq!((first.status, first.text().as_str()), (200, r#"{"count":1,"more":""}"#));
    assert_eq!(first.header("tsugi-node"), Some("alpha"));
    assert_eq!(first.header("tsugi-epoch"), Some("11"));
    assert_eq!(first.header("tsugi-final"), None);
    let again = Caller::new(door.address()).ask(keyed("a", "1"));
    assert_eq!(again.body, first.body);
    assert_eq!(caller.ask(get("/call/key:a")).body, first.body);
    assert_eq!(stand.runs(), 1);
    let other = caller.ask(keyed("a", "2"));
    assert_eq!(other.problem(), (422, "TSUG20113-E".to_owned(), "never".to_owned()));
    drop(door);
    engine.hand_over(Span::ZERO);
    // The next engine tells the same.
    let (_engine, door) = stand.door();
    let after = Caller::new(door.address()).ask(keyed("a", "1"));
    assert_eq!((after.status, &after.body), (200, &first.body));
    assert_eq!(after.header("tsugi-epoch"), Some("12"));
    assert_eq!((stand.runs(), stand.value()), (1, 1));
}

#[test]
fn counted_calls_confirm_what_is_below_their_lowest() {
    let mut stand = Stand::new();
    let (_engine, door) = stand.door();
    let mut caller = Caller::new(door.address());
    let counted = |serial: u64, lowest: u64| {
        let id = format!("Tsugi-Client: till\r\nTsugi-Call: 1.{serial}\r\n");
        call(&format!("{id}Tsugi-Lowest: {lowest}\r\n"), "0")
    };
    assert!(caller.ask(counted(1, 1)).text().contains(r#""count":1"#));
    assert!(caller.ask(counted(2, 1)).text().contains(r#""count":2"#));
    assert_eq!(caller.ask(get("/call/till:1.1")).status, 200);
    assert!(caller.ask(counted(3, 3)).text().contains(r#""count":3"#));
    let over = caller.ask(counted(1, 1));
    assert_eq!(over.problem(), (410, "TSUG20112-E".to_owned(), "never".to_owned()));
    assert_eq!(caller.ask(get("/call/till:1.3")).status, 200);
    assert_eq!(caller.ask(post("/call/till:1.3/confirm")).status, 204);
    assert_ne!(caller.ask(get("/call/till:1.3")).status, 200, "it was confirmed");
    assert_eq!(stand.value(), 3);
}

#[test]
fn an_end_that_is_no_reply_is_stored_and_told_in_the_same_bytes() {
    let mut stand = Stand::new();
    let (_engine, door) = stand.door();
    let mut caller = Caller::new(door.address());
    let ended = caller.ask(keyed("a", "\"panic\""));
    assert_eq!((ended.status, ended.header("tsugi-final")), (500, Some("abnormal-end")));
    let again = caller.ask(keyed("a", "\"panic\""));
    assert_eq!((again.status, &again.body), (500, &ended.body));
    assert_eq!(again.header("tsugi-final"), Some("abnormal-end"));
    let refused = caller.ask(keyed("b", "\"refuse\""));
    assert_eq!((refused.status, refused.header("tsugi-final")), (200, Some("refused")));
    assert_eq!(caller.ask(keyed("b", "\"refuse\"")).body, refused.body);
    assert_eq!((stand.runs(), stand.value()), (2, 0));
}

#[test]
fn a_call_that_took_too_long_has_ended_for_good() {
    let mut stand = Stand::new();
    stand.limit = Span::millis(50);
    let (_engine, door) = stand.door();
    stand.program.gate.shut();
    let mut caller = Caller::new(door.address());
    let ended = caller.ask(keyed("a", "\"hold\""));
    assert_eq!((ended.status, ended.header("tsugi-final")), (500, Some("time-limit")));
    stand.program.gate.open();
    let again = caller.ask(keyed("a", "\"hold\""));
    assert_eq!((again.status, &again.body), (500, &ended.body));
    assert_eq!((stand.runs(), stand.value()), (1, 0));
}

#[test]
fn a_call_that_is_still_running_when_patience_ends_is_pending_and_runs_on() {
    let mut stand = Stand::new();
    let (_engine, door) = stand.door();
    stand.program.gate.shut();
    let mut caller = Caller::new(door.address());
    let request = call("Idempotency-Key: a\r\nTsugi-Patience: 30\r\n", "\"hold\"");
    let pending = caller.ask(&request);
    assert_eq!(pending.problem(), (202, "TSUG20201-I".to_owned(), "same-id".to_owned()));
    assert_eq!(pending.header("retry-after"), Some("1"));
    stand.program.gate.open();
    let reply = caller.ask(keyed("a", "\"hold\""));
    assert_eq!((reply.status, stand.runs()), (200, 1));
}

#[test]
fn an_engine_that_says_nothing_keeps_nobody_beyond_his_patience() {
    let mut stand = Stand::new();
    stand.program.birth.shut();
    let patience = Duration::from_millis(10);
    let (_engine, door) = stand.door_with(|settings| settings.limits.patience = patience);
    stand.program.birth.reached(1);
    let mut caller = Caller::new(door.address());
    let request = call("Idempotency-Key: a\r\nTsugi-Patience: 10\r\n", "1");
    assert_eq!(caller.ask(&request).problem().0, 202);
    // Nor who asks for what was, and cannot say how long he waits.
    assert_eq!(caller.ask(get("/call/key:b")).problem().0, 202);
    assert_eq!(caller.ask(post("/call/key:b/confirm")).problem().0, 202);
    stand.program.birth.open();
    assert_eq!(caller.ask(keyed("a", "1")).status, 200);
    assert_eq!((stand.runs(), stand.value()), (1, 1));
}

#[test]
fn a_caller_who_goes_away_loses_nothing() {
    let mut stand = Stand::new();
    let (_engine, door) = stand.door();
    stand.program.gate.shut();
    let mut caller = Caller::new(door.address());
    caller.write(keyed("a", "\"hold\""));
    stand.program.gate.reached(1);
    caller.leave();
    while door.connections() > 0 {
        std::thread::yield_now();
    }
    stand.program.gate.open();
    let reply = Caller::new(door.address()).ask(keyed("a", "\"hold\""));
    assert_eq!((reply.status, stand.runs(), stand.value()), (200, 1, 1));
}

#[test]
fn nothing_open_is_refused_at_once_and_what_is_opened_answers() {
    let mut stand = Stand::new();
    let door = door_with(|_| {});
    let mut caller = Caller::new(door.address());
    let refused = caller.ask(keyed("a", "1"));
    assert_eq!(refused.problem(), (503, "TSUG20107-E".to_owned(), "elsewhere".to_owned()));
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(caller.ask(get("/ready")).status, 503);
    let (engine, open) = stand.engine(|_| {});
    door.sign().open(open);
    assert_eq!(caller.ask(keyed("a", "1")).status, 200, "on the same connection");
    let ready = caller.ask(get("/ready"));
    assert_eq!((ready.status, ready.json()["node"].as_str()), (200, Some("alpha")));
    // Whoever waits is told, and then looks for the next owner.
    stand.program.gate.shut();
    caller.write(keyed("b", "\"hold\""));
    stand.program.gate.reached(1);
    door.sign().close();
    stand.program.gate.open();
    assert_eq!(caller.read().map(|came| came.status), Some(200));
    assert!(caller.is_ended());
    let refused = Caller::new(door.address()).ask(keyed("a", "1"));
    assert_eq!(refused.problem().0, 503);
    drop(engine);
}

#[test]
fn a_reply_that_would_be_late_is_not_sent() {
    let mut stand = Stand::new();
    let last = Arc::new(AtomicU64::new(u64::MAX));
    let own = last.clone();
    // The engine is asked to answer for ever: only the door knows that it is too late.
    let (engine, _) = stand.engine(|_| {});
    let mut settings = tsugi_service_engine::Settings::alone(tsugi_vocabulary::Epoch {
        incarnation: 1,
        counter: 11,
    });
    settings.last = own;
    let door = door_with(|_| {});
    door.sign().open(tsugi_door::Open::new(engine.calls(), &settings, vec![]));
    let mut caller = Caller::new(door.address());
    assert_eq!(caller.ask(keyed("a", "1")).status, 200);
    stand.program.gate.shut();
    caller.write(keyed("b", "\"hold\""));
    stand.program.gate.reached(1);
    last.store(1, Ordering::SeqCst);
    stand.program.gate.open();
    assert_eq!(caller.read(), None, "the connection is cut");
    let mut caller = Caller::new(door.address());
    assert_eq!(caller.ask(get("/ready")).status, 503);
    caller.write(keyed("a", "1"));
    assert_eq!(caller.read(), None, "what is stored is not told either");
    // It can be renewed.
    last.store(u64::MAX, Ordering::SeqCst);
    assert_eq!(Caller::new(door.address()).ask(keyed("b", "\"hold\"")).status, 200);
    assert_eq!(stand.value(), 2);
}

#[test]
fn a_call_without_an_id_or_of_nothing_is_refused_by_name() {
    let mut stand = Stand::new();
    let (_engine, door) = stand.door();
    let mut caller = Caller::new(door.address());
    let mut refused = |request: String| {
        let (status, id, retry) = caller.ask(request).problem();
        assert_eq!(retry, "never");
        (status, id)
    };
    let told = |status, id: &str| (status, id.to_owned());
    assert_eq!(refused(call("", "1")), told(400, "TSUG20101-E"));
    assert_eq!(refused(call("Tsugi-Client: a\r\n", "1")), told(400, "TSUG20101-E"));
    assert_eq!(refused(call("Idempotency-Key: a b\r\n", "1")), told(400, "TSUG20102-E"));
    let patience = call("Idempotency-Key: a\r\nTsugi-Patience: soon\r\n", "1");
    assert_eq!(refused(patience), told(400, "TSUG20102-E"));
    let text = keyed("a", "1").replace("application/json", "text/plain");
    assert_eq!(refused(text), told(415, "TSUG20206-E"));
    let other = keyed("a", "1").replace("/call/counter", "/call/other");
    assert_eq!(refused(other), told(404, "TSUG20108-E"));
    assert_eq!(refused(get("/call/till:1.1")), told(404, "TSUG20109-E"));
    assert_eq!(refused(get("/call/nothing")), told(400, "TSUG20103-E"));
    assert_eq!(refused(get("/")), told(404, "TSUG20204-E"));
    assert_eq!(refused(post("/ready")), told(405, "TSUG20205-E"));
    assert_eq!(stand.runs(), 0);
}
