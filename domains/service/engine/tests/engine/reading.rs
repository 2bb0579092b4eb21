//! Services that only read: beside the writer, many at once, with nothing kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tsugi_service_engine::worker::thread::{Desk, Program, Threads, Undo};
use tsugi_service_engine::worker::{Begin, Said};
use tsugi_service_engine::{
    Answer, Asked, Beside, Calls, Engine, Fatal, Halt, Looks, Opened, Refused, SameBytes, Service,
    Upkeep,
};
use tsugi_service_rules::ground::{Effects, ServiceNumber};
use tsugi_service_rules::worker::pool;
use tsugi_store::{Ending, Op, Outcome, Trouble, Value, suite};
use tsugi_vocabulary::Span;

use crate::support::{Gates, Stand, asked, call, id, opened, reached, start_opened, text, workers};

/// Tells the number. What the body says may hold it or let it do something else.
struct Look {
    gates: Arc<Gates>,
    runs: AtomicUsize,
}

impl Look {
    fn value(desk: &mut Desk<'_>) -> Result<String, Undo> {
        let op = Op::sql("SELECT value FROM counter", vec![]);
        let outcome = desk.run(op)?.map_err(Undo::Failed)?;
        let Value::Integer(value) = outcome.rows[0][0] else { panic!("{outcome:?}") };
        Ok(value.to_string())
    }
}

impl Program for Look {
    fn run(&self, call: &Begin, desk: &mut Desk<'_>) -> Result<Said, Undo> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        let said = match &*String::from_utf8_lossy(call.given.first()) {
            "write" => desk.run(suite::add(1))?.expect_err("it is written"),
            "endless" => {
                let text = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) \
                    SELECT count(*) FROM n";
                format!("{:?}", desk.run(Op::sql(text, vec![]))?)
            }
            "twice" => {
                let first = Self::value(desk)?;
                self.gates.pass("between");
                format!("{first} {}", Self::value(desk)?)
            }
            _ => Self::value(desk)?,
        };
        Ok(Said { content_type: "text/plain".to_owned(), body: said.into() })
    }
}

fn looking(look: Arc<Look>, limit: Span) -> Service {
    let mut workers = pool::Settings { effects: Effects::None, ..workers(3) };
    workers.limits.call = limit;
    Service {
        number: ServiceNumber(4),
        name: "look".into(),
        workers,
        interface: Arc::new(SameBytes),
        nursery: Box::new(Threads(look)),
    }
}

fn engine(stand: &mut Stand, limit: Span, upkeep: Upkeep) -> (Engine, Arc<Look>) {
    let look = Arc::new(Look { gates: stand.gates.clone(), runs: AtomicUsize::new(0) });
    let service = looking(look.clone(), limit);
    let change = |settings: &mut tsugi_service_engine::Settings| settings.upkeep = upkeep;
    (stand.engine_beside(vec![service], change).0, look)
}

fn looks(serial: u64, body: &str) -> Asked {
    Asked { service: "look".to_owned(), ..asked(id(serial), 1, body) }
}

fn ask(calls: &Calls, serial: u64, body: &str) -> tokio::task::JoinHandle<Answer> {
    let (calls, asked) = (calls.clone(), looks(serial, body));
    tokio::spawn(async move { calls.call(asked).await })
}

on_both! {
    what_only_reads_is_not_stored_and_reads_again,
    many_read_at_once_beside_the_writer_and_each_sees_one_moment,
    what_reads_without_end_is_ended_and_the_next_reads,
    what_reads_ends_with_the_grace_of_a_move_and_what_waits_is_sent_elsewhere,
}

async fn what_only_reads_is_not_stored_and_reads_again(mut stand: Stand) {
    let (engine, look) = engine(&mut stand, Span::secs(30), Upkeep::default());
    let calls = engine.calls();
    assert_eq!(text(&calls.call(looks(1, "a")).await), "0");
    assert_eq!(text(&call(&calls, 2, "a").await), "1");
    assert_eq!(text(&calls.call(looks(1, "a")).await), "1", "a retry sees what is there now");
    assert_eq!(look.runs.load(Ordering::SeqCst), 2);
    assert_eq!(calls.fetch(id(1)).await, Answer::Refused(Refused::NotFound));
    let begins = stand.counts.begins.load(Ordering::SeqCst);
    assert!(begins == 1 || stand.database.is_some(), "the writer was not asked: {begins}");
    let Answer::Reply(refused) = calls.call(looks(3, "write")).await else { panic!("no reply") };
    let said = String::from_utf8_lossy(&refused.body).into_owned();
    assert!(said.contains("a service that only reads may not write"), "{said}");
    assert_eq!(stand.value(), 1);
    engine.hand_over(Span::secs(1));
}

async fn many_read_at_once_beside_the_writer_and_each_sees_one_moment(mut stand: Stand) {
    let (engine, _look) = engine(&mut stand, Span::secs(30), Upkeep::default());
    let calls = engine.calls();
    stand.gates.shut("between");
    let held: Vec<_> = (1..=3).map(|serial| ask(&calls, serial, "twice")).collect();
    reached(&stand, "between", 3).await;
    assert_eq!(text(&call(&calls, 9, "a").await), "1", "the writer waits for none of them");
    stand.gates.open("between");
    for held in held {
        assert_eq!(text(&held.await.unwrap()), "0 0");
    }
    assert_eq!(text(&calls.call(looks(4, "twice")).await), "1 1");
    engine.hand_over(Span::secs(1));
}

async fn what_reads_without_end_is_ended_and_the_next_reads(mut stand: Stand) {
    let (engine, _look) = engine(&mut stand, Span::millis(300), Upkeep::default());
    let calls = engine.calls();
    for serial in 1..=12 {
        let Answer::Reply(ended) = calls.call(looks(serial, "endless")).await else {
            panic!("no reply")
        };
        let ends = [Ending::TimeLimit, Ending::Done];
        assert!(ends.contains(&ended.ending), "{ended:?}");
    }
    assert_eq!(text(&calls.call(looks(20, "a")).await), "0");
    engine.hand_over(Span::secs(1));
}

async fn what_reads_ends_with_the_grace_of_a_move_and_what_waits_is_sent_elsewhere(
    mut stand: Stand,
) {
    let (engine, look) = engine(&mut stand, Span::secs(30), Upkeep::default());
    let calls = engine.calls();
    stand.gates.shut("between");
    let held: Vec<_> = (1..=4).map(|serial| ask(&calls, serial, "twice")).collect();
    reached(&stand, "between", 3).await;
    engine.begin_move(Span::millis(50));
    let over = tokio::task::spawn_blocking(move || engine.hand_over(Span::ZERO));
    for held in held {
        assert_eq!(held.await.unwrap(), Answer::Refused(Refused::Moving));
    }
    let over = tokio::time::timeout(Duration::from_secs(10), over).await;
    over.expect("it returns").unwrap();
    assert_eq!(look.runs.load(Ordering::SeqCst), 3, "the fourth has not begun");
    stand.gates.open("between");
    let next = calls.call(looks(5, "a")).await;
    assert_eq!(next, Answer::Refused(Refused::NotOpenHere));
}

#[tokio::test]
async fn who_reads_does_not_keep_the_log_from_beginning_anew_for_ever() {
    let mut stand = Stand::new();
    let upkeep = Upkeep { log: 16, ..Upkeep::default() };
    let (engine, look) = engine(&mut stand, Span::secs(30), upkeep);
    let calls = engine.calls();
    stand.gates.shut("between");
    let held = ask(&calls, 1, "twice");
    reached(&stand, "between", 1).await;
    let log = || std::fs::metadata(stand.folder.path().join("store.db-wal")).unwrap().len();
    let mut serial = 10;
    while log() < 4_120 * 200 {
        serial += 1;
        text(&call(&calls, serial, "a").await);
    }
    // Another that began now would see the log as it is, and so on without end.
    let next = ask(&calls, 2, "a");
    tokio::task::yield_now().await;
    text(&call(&calls, serial + 1, "a").await);
    assert_eq!(look.runs.load(Ordering::SeqCst), 1, "it waits");
    stand.gates.open("between");
    assert_eq!(text(&held.await.unwrap()), "0 0");
    assert!(text(&next.await.unwrap()).parse::<u64>().unwrap() > 10);
    let longest = log();
    for more in 2..100 {
        text(&call(&calls, serial + more, "a").await);
    }
    // Each call takes two pages, and one copy may have come before the view was given back.
    assert!(log() < longest + 4_120 * 60, "it has begun anew: {longest}, {}", log());
    engine.hand_over(Span::secs(1));
}

/// Reads nothing any more.
struct Broken;

impl Looks for Broken {
    fn view(&mut self, _: &Op) -> Result<Outcome, Trouble> {
        panic!("as it was told to")
    }

    fn release(&mut self) -> Result<(), Trouble> {
        Ok(())
    }

    fn halt(&self) -> Halt {
        Box::new(|| ())
    }
}

#[tokio::test]
async fn a_panic_of_who_reads_ends_the_process_and_nobody_waits_for_ever() {
    let stand = Stand::new();
    let store = opened(stand.folder.path(), 9);
    let interrupt = store.interrupt();
    let beside = Beside {
        opens: Some(Box::new(|| Ok(Box::new(Broken)))),
        ..Beside::of(&store).expect("it opens")
    };
    let halt = Box::new(move || interrupt.now());
    let opened = Opened { store: Box::new(store), beside, halt };
    let gates = stand.gates.clone();
    let look = Arc::new(Look { gates, runs: AtomicUsize::new(0) });
    let service = looking(look, Span::secs(30));
    let (engine, last) = start_opened(opened, 9, vec![service]);
    let told = ask(&engine.calls(), 1, "a");
    let last = tokio::task::spawn_blocking(move || last.recv()).await.unwrap().unwrap();
    assert_eq!(last, Fatal::Impossible("as it was told to".to_owned()));
    assert!(!told.is_finished(), "nothing is told after it");
}
