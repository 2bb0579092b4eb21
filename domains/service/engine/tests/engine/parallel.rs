//! Units of work beside each other, on a server: what meets, what is away, and who else is there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use tokio::task::{JoinHandle, spawn_blocking};
use tsugi_service_engine::worker::Begin;
use tsugi_service_engine::worker::Said;
use tsugi_service_engine::worker::thread::{Desk, Program, Threads, Undo};
use tsugi_service_engine::{Answer, Calls, Engine, Fatal, Refused, SameBytes, Sessions};
use tsugi_service_rules::id::{CallId, Serial};
use tsugi_service_rules::refusal::Busy;
use tsugi_store::{Claim, Op, Value, suite};
use tsugi_vocabulary::Span;

use crate::support::{
    Stand, apart, ask, asked, call, id, in_parallel, life, reached, text, workers,
};
use crate::way::{Fate, way};

/// Counts in the row that the body names.
#[derive(Default)]
struct Rows(AtomicUsize);

impl Program for Rows {
    fn run(&self, call: &Begin, desk: &mut Desk<'_>) -> Result<Said, Undo> {
        self.0.fetch_add(1, Ordering::SeqCst);
        let name = String::from_utf8_lossy(call.given.first()).into_owned();
        let text = "UPDATE counter SET value = value + 1 WHERE name = ?1 RETURNING value";
        let op = Op::sql(text, vec![Value::Text(name)]);
        let outcome = desk.run(op)?.map_err(Undo::Failed)?;
        let Value::Integer(value) = outcome.rows[0][0] else { panic!("{outcome:?}") };
        Ok(Said { content_type: "text/plain".to_owned(), body: value.to_string().into() })
    }
}

/// Asks for a call until it is answered.
async fn answered(calls: &Calls, id: CallId, body: &str) -> String {
    loop {
        match calls.call(asked(id, 1, body)).await {
            Answer::Refused(Refused::Busy(_)) => tokio::time::sleep(Duration::from_millis(2)).await,
            told => return text(&told),
        }
    }
}

const CALLERS: u64 = 64;
const EACH: u64 = 3;

/// Each caller is a client of its own, and counts in the row that it is given.
async fn many(row: fn(u64) -> String) -> (BTreeMap<String, Vec<i64>>, Stand, usize) {
    let mut stand = Stand::on_postgres();
    let database = stand.database.as_ref().unwrap();
    database.ask("INSERT INTO counter SELECT 'c' || n, 0 FROM generate_series(1, 64) n");
    let program = Arc::new(Rows::default());
    let (engine, _last) = stand.engine_with(workers(8), Box::new(Threads(program.clone())), |_| {});
    let all: Vec<JoinHandle<_>> = (1..=CALLERS)
        .map(|caller| {
            let calls = engine.calls();
            tokio::spawn(async move {
                let mut told = Vec::new();
                for serial in 1..=EACH {
                    let serial = Serial::new(serial).unwrap();
                    let id = CallId::Counted { life: life(caller), serial };
                    let value = answered(&calls, id, &row(caller)).await;
                    assert_eq!(text(&calls.fetch(id).await), value);
                    told.push((row(caller), value.parse::<i64>().unwrap()));
                }
                told
            })
        })
        .collect();
    let mut values = BTreeMap::<String, Vec<i64>>::new();
    for one in all {
        for (row, value) in one.await.unwrap() {
            values.entry(row).or_default().push(value);
        }
    }
    values.values_mut().for_each(|of| of.sort_unstable());
    engine.hand_over(Span::secs(1));
    (values, stand, program.0.load(Ordering::SeqCst))
}

#[tokio::test]
async fn calls_of_many_rows_stand_beside_each_other_and_each_is_applied_once() {
    let (values, stand, runs) = many(|caller| format!("c{caller}")).await;
    assert_eq!(values.len(), 64);
    assert!(values.values().all(|of| *of == [1, 2, 3]), "{values:?}");
    let sum = stand.database.as_ref().unwrap().ask("SELECT sum(value) FROM counter");
    assert_eq!(sum, (CALLERS * EACH).to_string());
    assert!(runs < 2 * 192, "{runs} runs of 192 calls that have nothing in common");
}

#[tokio::test]
async fn calls_of_one_row_run_again_until_each_is_applied_once() {
    let (values, stand, _) = many(|_| "n".to_owned()).await;
    let all = i64::try_from(CALLERS * EACH).unwrap();
    assert_eq!(values["n"], (1..=all).collect::<Vec<_>>());
    assert_eq!(stand.value(), all);
}

/// An engine of a member of the group, by a way to its server.
fn member(stand: &Stand, name: &str, epoch: u64, server: &str) -> (Engine, Receiver<Fatal>) {
    let claim = Claim { member: name.to_owned(), ..suite::claim(epoch, 1) };
    let sessions = apart(|| Sessions::postgres(server, &claim, 2)).expect("it opens");
    let runs: crate::support::Runs =
        (workers(2), Box::new(Threads(stand.program.clone())), Arc::new(SameBytes));
    in_parallel(sessions, epoch, runs, |_| {})
}

fn address(stand: &Stand) -> String {
    let database = stand.database.as_ref().unwrap();
    database.address(database.server.folder.path())
}

#[tokio::test]
async fn a_duplicate_at_another_member_waits_and_is_told_that_it_runs() {
    let stand = Stand::on_postgres();
    let (one, _last) = member(&stand, "one", 5, &address(&stand));
    let (two, _last) = member(&stand, "two", 5, &address(&stand));
    let (first, second) = (one.calls(), two.calls());
    // A call of this client is known to both, so that nothing is asked beforehand.
    assert_eq!(text(&call(&first, 1, "a").await), "1");
    assert_eq!(text(&call(&second, 1, "a").await), "1", "it was carried out at the other");
    stand.gates.shut("begin");
    let runs = ask(&first, 2);
    reached(&stand, "begin", 1).await;
    let elsewhere = Answer::Refused(Refused::Busy(Busy::Elsewhere));
    assert_eq!(call(&second, 2, "a").await, elsewhere);
    assert_eq!(stand.runs(), 2, "its program has not run there");
    stand.gates.open("begin");
    let told = runs.await.unwrap();
    assert_eq!(text(&told), "2");
    assert_eq!(call(&second, 2, "a").await, told, "the same bytes at the other");
    // Both carry calls out at once.
    let all: Vec<_> = (3..=22).flat_map(|n| [(n, ask(&first, n)), (n, ask(&second, n))]).collect();
    let mut told = BTreeMap::<u64, Answer>::new();
    for (n, one) in all {
        let mut answer = one.await.unwrap();
        while let Answer::Refused(Refused::Busy(_)) = answer {
            answer = call(&first, n, "a").await;
        }
        assert_eq!(told.entry(n).or_insert_with(|| answer.clone()), &answer, "{n}");
    }
    assert_eq!(stand.value(), 22);
    one.hand_over(Span::secs(1));
    assert_eq!(text(&call(&second, 23, "a").await), "23", "one member's end is not the other's");
    two.hand_over(Span::secs(1));
}

#[tokio::test]
async fn i15_an_engine_whose_epoch_is_over_ends_and_tells_nothing() {
    let stand = Stand::on_postgres();
    let (old, last) = member(&stand, "one", 5, &address(&stand));
    let calls = old.calls();
    assert_eq!(text(&call(&calls, 1, "a").await), "1");
    stand.gates.shut("begin");
    let held = ask(&calls, 2);
    reached(&stand, "begin", 1).await;
    let (new, _last) = member(&stand, "one", 6, &address(&stand));
    stand.gates.open("begin");
    assert_eq!(text(&call(&new.calls(), 2, "a").await), "2", "nothing of it was left");
    let late = ask(&calls, 3);
    let word = spawn_blocking(move || last.recv().expect("its last word")).await.unwrap();
    assert_eq!(word, Fatal::Superseded(suite::claim(6, 1).epoch));
    for one in [held, late] {
        if one.is_finished() {
            let told = one.await.unwrap();
            assert!(matches!(told, Answer::Refused(Refused::StoreAway { .. })), "{told:?}");
        }
    }
    assert_eq!(stand.value(), 2);
    new.hand_over(Span::secs(1));
}

#[tokio::test]
async fn a_server_that_is_away_refuses_by_its_name_and_comes_back_by_itself() {
    let stand = Stand::on_postgres();
    let (away, server) = (Arc::new(AtomicBool::new(false)), address(&stand));
    let judge = away.clone();
    let folder = stand.database.as_ref().unwrap().server.folder.path();
    let way = way(
        folder,
        Arc::new(
            move |_: &[u8]| {
                if judge.load(Ordering::SeqCst) { Fate::Lost } else { Fate::Carried }
            },
        ),
    );
    let by = server.replace(&*folder.to_string_lossy(), &way.path().to_string_lossy());
    let (engine, _last) = member(&stand, "one", 5, &by);
    let calls = engine.calls();
    assert_eq!(text(&call(&calls, 1, "a").await), "1");
    stand.gates.shut("hold");
    let held = {
        let calls = calls.clone();
        tokio::spawn(async move { call(&calls, 2, "hold").await })
    };
    reached(&stand, "hold", 1).await;
    away.store(true, Ordering::SeqCst);
    stand.gates.open("hold");
    let refused = |told: &Answer| matches!(told, Answer::Refused(Refused::StoreAway { .. }));
    let told = held.await.unwrap();
    assert!(refused(&told), "{told:?}");
    for told in [call(&calls, 3, "a").await, call(&calls, 1, "a").await, calls.fetch(id(1)).await] {
        assert!(refused(&told), "{told:?}");
    }
    assert_eq!(stand.value(), 1, "nothing is half done");
    away.store(false, Ordering::SeqCst);
    let mut told = call(&calls, 2, "hold").await;
    while refused(&told) {
        tokio::time::sleep(Duration::from_millis(5)).await;
        told = call(&calls, 2, "hold").await;
    }
    assert_eq!(text(&told), "2");
    assert_eq!(text(&calls.fetch(id(1)).await), "1", "nothing is lost");
    engine.hand_over(Span::secs(1));
}

#[tokio::test]
async fn a_move_rolls_back_what_runs_and_leaves_no_session() {
    let mut stand = Stand::on_postgres();
    let (engine, _last) = stand.engine(2);
    let calls = engine.calls();
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
        AND application_name LIKE 'tsugi:%'";
    let database = stand.database.as_ref().unwrap();
    assert_ne!(database.ask(sessions), "0");
    // One waits in its program, one in the server, for the row of the first.
    stand.gates.shut("hold");
    let begin = |serial, body| {
        let calls = calls.clone();
        tokio::spawn(async move { call(&calls, serial, body).await })
    };
    let first = begin(1, "hold");
    reached(&stand, "hold", 1).await;
    let second = begin(2, "a");
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
        AND wait_event_type = 'Lock'";
    while database.ask(waits) == "0" {
        tokio::task::yield_now().await;
    }
    let over = spawn_blocking(move || engine.hand_over(Span::millis(100)));
    for one in [first, second] {
        assert_eq!(one.await.unwrap(), Answer::Refused(Refused::Moving));
    }
    over.await.unwrap();
    // The server sees the end of a connection a moment after it.
    while database.ask(sessions) != "0" {}
    assert_eq!(stand.value(), 0);
    stand.gates.open("hold");
}
