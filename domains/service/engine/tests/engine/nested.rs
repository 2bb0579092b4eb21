//! Services that call services: one unit of work, a worker each, and whoever waits is told.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use tokio::task::JoinHandle;
use tsugi_service_engine::files::Files;
use tsugi_service_engine::worker::thread::{Desk, Program, Threads, Undo};
use tsugi_service_engine::worker::{Begin, Said};
use tsugi_service_engine::{Answer, Asked, Calls, Engine, Refused, SameBytes, Service};
use tsugi_service_rules::ground::{Effects, ServiceNumber};
use tsugi_service_rules::worker::pool;
use tsugi_store::{Ending, Op, Value, suite};
use tsugi_vocabulary::Span;

use crate::support::{Gates, Stand, asked, id, reached, text, workers};

/// Does what its body says, step by step: `add`, `call NAME BODY`, `chain N`, `who`, `pass GATE`,
/// `held N` at that number, `refuse`, `panic`. The steps of whom it calls are parted by commas.
/// What came of each is told.
#[derive(Default)]
struct Actor {
    gates: Arc<Gates>,
    /// Which threads have run it.
    threads: Mutex<Vec<String>>,
}

impl Actor {
    fn step(&self, step: &str, begin: &Begin, desk: &mut Desk<'_>) -> Result<String, Undo> {
        let (word, rest) = step.split_once(' ').unwrap_or((step, ""));
        Ok(match word {
            "add" => match desk.run(suite::add(1))? {
                Ok(outcome) => number(&outcome.rows[0][0]),
                Err(why) => format!("<{why}>"),
            },
            "see" => {
                let op = Op::sql("SELECT value FROM counter WHERE name = 'n'", vec![]);
                number(&desk.run(op)?.map_err(Undo::Failed)?.rows[0][0])
            }
            "call" => {
                let (name, body) = rest.split_once(' ').unwrap_or((rest, ""));
                call(desk, name, &body.replace(',', ";"))?
            }
            "ways" => {
                let records = vec![format!("{rest:10}").into_bytes(), b"0000".to_vec()];
                match desk.call("ways", records)? {
                    Ok(returned) => format!("[{}]", String::from_utf8_lossy(&returned.records[1])),
                    Err(not) => format!("{} {}", not.code, not.text),
                }
            }
            "app" => {
                let records = crate::appfile::PARAMETERS.map(|length| vec![b' '; length as usize]);
                match desk.call("srv01", records.to_vec())? {
                    Ok(returned) => format!("[{}]", returned.return_code),
                    Err(not) => format!("{} {}", not.code, not.text),
                }
            }
            "long" => "x".repeat(rest.parse().expect("a number")),
            "chain" => {
                let next = rest.parse::<u32>().expect("a number") + 1;
                call(desk, &format!("s{next}"), &format!("add;chain {next}"))?
            }
            "who" => {
                let Begin { id, parent, client, attempt, .. } = begin;
                format!("{id}|{parent}|{client}|{attempt}")
            }
            "held" => {
                let see = Op::sql("SELECT value FROM counter WHERE name = 'n'", vec![]);
                let value = number(&desk.run(see)?.map_err(Undo::Failed)?.rows[0][0]);
                if value == rest && begin.attempt == 1 {
                    self.gates.pass("hold");
                }
                String::new()
            }
            "left" => begin.left_ms.to_string(),
            "pass" => {
                self.gates.pass(rest);
                String::new()
            }
            "refuse" => return Err(Undo::Refused("no".to_owned())),
            "panic" => panic!("as it was told to"),
            other => panic!("{other}"),
        })
    }
}

fn number(value: &Value) -> String {
    let Value::Integer(number) = value else { panic!("{value:?}") };
    number.to_string()
}

fn call(desk: &mut Desk<'_>, name: &str, body: &str) -> Result<String, Undo> {
    Ok(match desk.call(name, vec![body.as_bytes().to_vec()])? {
        Ok(returned) => format!("[{}]", String::from_utf8_lossy(&returned.records[0])),
        Err(not) => format!("{} {}", not.code, not.text),
    })
}

impl Program for Actor {
    /// The first worker is not ready before its gate is passed.
    fn files(&self) -> Files {
        if std::thread::current().name() == Some("program-1") {
            self.gates.pass("first");
        }
        Files::default()
    }

    fn run(&self, begin: &Begin, desk: &mut Desk<'_>) -> Result<Said, Undo> {
        let name = std::thread::current().name().unwrap_or_default().to_owned();
        self.threads.lock().unwrap().push(name);
        let body = String::from_utf8_lossy(begin.given.first()).into_owned();
        let told = body.split(';').map(|step| self.step(step, begin, desk));
        let mut told = told.collect::<Result<Vec<_>, _>>()?;
        told.retain(|told| !told.is_empty());
        let told = told.join(" ");
        Ok(Said { content_type: "text/plain".to_owned(), body: told.into() })
    }
}

/// A service of one of them.
pub fn actor(stand: &Stand, number: u32, name: &'static str) -> Service {
    actor_that(stand, number, name, Effects::Store)
}

/// The same, where it acts so.
pub fn actor_that(stand: &Stand, number: u32, name: &'static str, effects: Effects) -> Service {
    let mut cast = Cast::new().with(stand, name, |settings| settings.effects = effects);
    let service = cast.services.pop().expect("it is there");
    Service { number: ServiceNumber(number), ..service }
}

/// Services of actors.
struct Cast {
    actors: BTreeMap<&'static str, Arc<Actor>>,
    services: Vec<Service>,
}

impl Cast {
    fn new() -> Self {
        Self { actors: BTreeMap::new(), services: Vec::new() }
    }

    /// One more, with a worker that is left for callers; what it is like may be changed.
    fn with(
        mut self,
        stand: &Stand,
        name: &'static str,
        change: impl FnOnce(&mut pool::Settings),
    ) -> Self {
        let mut settings = pool::Settings { spare: 1, ..workers(1) };
        change(&mut settings);
        let actor = Arc::new(Actor { gates: stand.gates.clone(), ..Actor::default() });
        self.actors.insert(name, actor.clone());
        self.services.push(Service {
            number: ServiceNumber(10 + u32::try_from(self.services.len()).unwrap()),
            name: name.into(),
            workers: settings,
            interface: Arc::new(SameBytes),
            nursery: Box::new(Threads(actor)),
        });
        self
    }

    fn threads(&self, name: &str) -> Vec<String> {
        self.actors[name].threads.lock().unwrap().clone()
    }

    fn start(&mut self, stand: &mut Stand) -> Engine {
        stand.engine_beside(std::mem::take(&mut self.services), |_| {}).0
    }
}

/// Two services, `a` and `b`.
fn two(stand: &mut Stand) -> (Engine, Cast) {
    let mut cast = Cast::new().with(stand, "a", |_| {}).with(stand, "b", |_| {});
    (cast.start(stand), cast)
}

fn of(service: &str, serial: u64, body: &str) -> Asked {
    Asked { service: service.to_owned(), ..asked(id(serial), 1, body) }
}

on_both!(
    a_caller_and_whom_it_calls_commit_together,
    a_caller_that_is_undone_leaves_nothing_of_whom_it_called_and_no_worker_that_remembers,
    a_callee_that_fails_is_undone_alone_and_its_caller_is_told_how_and_goes_on,
    whom_a_failed_callee_has_called_is_undone_with_it,
    a_callers_limit_ends_whom_it_waits_for,
    who_is_called_has_an_id_of_its_own_that_follows_from_its_callers,
    cycles_depths_and_what_cannot_be_called_are_refused_by_name,
    what_only_reads_sees_its_callers_unit_and_writes_nothing,
    a_group_that_moves_takes_a_call_back_with_whom_it_has_called,
    what_only_reads_calls_what_only_reads_in_its_own_moment,
);

async fn told(calls: &Calls, service: &str, serial: u64, body: &str) -> String {
    let answer = calls.call(of(service, serial, body)).await;
    let again = calls.call(of(service, serial, body)).await;
    assert_eq!(answer, again, "{body}: it is stored");
    text(&answer)
}

pub async fn a_caller_and_whom_it_calls_commit_together(mut stand: Stand) {
    let (engine, _cast) = two(&mut stand);
    let calls = engine.calls();
    assert_eq!(told(&calls, "a", 1, "add;call b add,add;add").await, "1 [2 3] 4");
    assert_eq!(stand.value(), 4);
    if stand.database.is_none() {
        assert_eq!(stand.counts.begins.load(Ordering::SeqCst), 1, "one row, one unit of work");
    }
    assert_eq!(told(&calls, "a", 2, "call b add;call b add").await, "[5] [6]");
    engine.hand_over(Span::secs(1));
}

#[tokio::test]
async fn who_calls_a_service_again_finds_the_worker_that_remembers_the_first_time() {
    let mut stand = Stand::new();
    stand.gates.shut("first");
    stand.gates.shut("between");
    let (engine, cast) = two(&mut stand);
    let calls = engine.calls();
    let asks = calls.clone();
    let body = "call b add;call b chain 8;pass between;call b add;call b panic;call b add";
    let asking = tokio::spawn(async move { told(&asks, "a", 1, body).await });
    reached(&stand, "between", 1).await;
    stand.gates.open("first");
    loop {
        let figures = calls.figures().await.expect("it serves");
        if figures.services.iter().any(|of| &*of.name == "b" && of.ready == 2) {
            break;
        }
        tokio::task::yield_now().await;
    }
    stand.gates.open("between");
    assert!(asking.await.unwrap().starts_with("[1] "));
    let threads = cast.threads("b");
    assert_eq!(threads[..4], ["program-2", "program-2", "program-2", "program-2"]);
    assert_eq!(threads[4], "program-1", "who remembered is gone, and another one takes its place");
    engine.hand_over(Span::secs(1));
}

pub async fn a_caller_that_is_undone_leaves_nothing_of_whom_it_called_and_no_worker_that_remembers(
    mut stand: Stand,
) {
    let (engine, cast) = two(&mut stand);
    let calls = engine.calls();
    for (serial, end) in [(1, "refuse"), (2, "panic")] {
        let answer = calls.call(of("a", serial, &format!("add;call b add;{end}"))).await;
        let Answer::Reply(reply) = answer else { panic!("{answer:?}") };
        assert_ne!(reply.ending, Ending::Done, "{end}");
        assert_eq!(stand.value(), 0, "{end}: nothing of either");
    }
    assert_eq!(told(&calls, "a", 3, "call b add").await, "[1]");
    assert_eq!(told(&calls, "a", 4, "call b add").await, "[2]");
    let threads = cast.threads("b");
    assert!(threads[0] != threads[1] && threads[1] != threads[2], "{threads:?}");
    assert_eq!(threads[2], threads[3], "what is durable may be remembered");
    engine.hand_over(Span::secs(1));
}

pub async fn a_callee_that_fails_is_undone_alone_and_its_caller_is_told_how_and_goes_on(
    mut stand: Stand,
) {
    let mut cast = Cast::new().with(&stand, "a", |_| {});
    cast = cast.with(&stand, "b", |_| {});
    cast = cast.with(&stand, "late", |settings| settings.limits.call = Span::millis(300));
    let engine = cast.start(&mut stand);
    let calls = engine.calls();
    let ends = told(&calls, "a", 1, "add;call b add,refuse;add").await;
    assert_eq!(ends, "1 61 refused: no 2");
    let ends = told(&calls, "a", 2, "add;call b add,panic;add").await;
    assert_eq!(ends, r#"3 61 abnormal {"failed":"crash"}: it panicked 4"#);
    stand.gates.shut("endless");
    let ends = told(&calls, "a", 3, "add;call late add,pass endless;add").await;
    assert_eq!(ends, "5 61 time-limit 6");
    stand.gates.open("endless");
    assert_eq!(stand.value(), 6);
    assert_eq!(told(&calls, "a", 4, "call b add").await, "[7]", "and it is called again");
    let threads = cast.threads("b");
    let mut all = threads.clone();
    all.dedup();
    assert_eq!(all, threads, "a new worker after each end");
    engine.hand_over(Span::secs(1));
}

pub async fn whom_a_failed_callee_has_called_is_undone_with_it(mut stand: Stand) {
    let mut cast = Cast::new().with(&stand, "s1", |_| {}).with(&stand, "s2", |_| {});
    cast = cast.with(&stand, "s3", |_| {});
    let engine = cast.start(&mut stand);
    let calls = engine.calls();
    // s1 calls s2, which calls s3 and is done; then s2 calls s3 and refuses.
    assert_eq!(told(&calls, "s1", 1, "add;call s2 add,call s3 add").await, "1 [2 [3]]");
    let ends = told(&calls, "s1", 2, "add;call s2 call s3 add,refuse;add").await;
    assert_eq!(ends, "4 61 refused: no 5");
    assert_eq!(stand.value(), 5);
    assert_eq!(told(&calls, "s3", 3, "add").await, "6");
    let threads = cast.threads("s3");
    assert_ne!(threads[1], threads[2], "it remembers what never was");
    engine.hand_over(Span::secs(1));
}

pub async fn a_callers_limit_ends_whom_it_waits_for(mut stand: Stand) {
    let limit = |settings: &mut pool::Settings| settings.limits.call = Span::millis(400);
    let mut cast = Cast::new().with(&stand, "a", limit).with(&stand, "b", |_| {});
    let engine = cast.start(&mut stand);
    let calls = engine.calls();
    let left = told(&calls, "a", 1, "call b left").await;
    let left: u64 = left.trim_matches(['[', ']']).parse().unwrap();
    assert!(left <= 400, "{left}: no longer than its caller has");
    stand.gates.shut("endless");
    let answer = calls.call(of("a", 2, "add;call b add,pass endless")).await;
    let Answer::Reply(reply) = answer else { panic!("{answer:?}") };
    assert_eq!(reply.ending, Ending::TimeLimit);
    stand.gates.open("endless");
    assert_eq!(stand.value(), 0);
    assert_eq!(told(&calls, "a", 3, "add;call b add").await, "1 [2]");
    let threads = cast.threads("b");
    assert_ne!(threads[1], threads[2], "who was waited for is not used any more");
    engine.hand_over(Span::secs(1));
}

pub async fn who_is_called_has_an_id_of_its_own_that_follows_from_its_callers(mut stand: Stand) {
    let (engine, _cast) = two(&mut stand);
    let calls = engine.calls();
    let both = told(&calls, "a", 1, "who;call b who;call b who").await;
    let all: Vec<Vec<&str>> =
        both.split(' ').map(|who| who.trim_matches(['[', ']']).split('|').collect()).collect();
    let [own, first, second] = &all[..] else { panic!("{both}") };
    assert_eq!((own[0], own[1]), (&*id(1).whole(), ""));
    assert_ne!(first[0], second[0], "each has its own");
    for child in [first, second] {
        assert_eq!((child[1], child[2], child[3]), (own[0], own[2], "1"));
    }
    let child = tsugi_service_engine::names::child(own[0], 2);
    assert_eq!(second[0], child.whole(), "the same whenever its caller runs");
    engine.hand_over(Span::secs(1));
}

pub async fn cycles_depths_and_what_cannot_be_called_are_refused_by_name(mut stand: Stand) {
    let names = ["s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9"];
    let mut cast = Cast::new();
    for name in names {
        cast = cast.with(&stand, name, |_| {});
    }
    let outside = |settings: &mut pool::Settings| settings.effects = Effects::Outside;
    cast = cast.with(&stand, "outside", outside);
    let engine = cast.start(&mut stand);
    let calls = engine.calls();
    let cycle = told(&calls, "s1", 1, "call s1 add;call s2 call s1 add").await;
    assert_eq!(cycle, r#"62 cycle: {"service":"s1"} [62 cycle: {"service":"s1"}]"#);
    let deep = told(&calls, "s1", 2, "chain 1").await;
    assert_eq!(deep, r#"[1 [2 [3 [4 [5 [6 [7 63 too-deep: {"most":8}]]]]]]]"#);
    assert_eq!(stand.value(), 7);
    let none = told(&calls, "s1", 3, "call nobody add").await;
    assert_eq!(none, r#"60 no-such-service: {"service":"nobody"}"#);
    let other = told(&calls, "s1", 4, "call other/s2 add;add;call other/s2 add").await;
    let away = r#"60 store-away: {"why":"no way to another group's store"}"#;
    // Where there is one writer its call has it from its first operation on.
    let held = match stand.database {
        None => "64 holds-writer: enqueue it",
        Some(_) => away,
    };
    assert_eq!(other, format!("{away} 8 {held}"));
    let acts = told(&calls, "s1", 5, "call outside add").await;
    assert_eq!(acts, r#"37 acts-outside: {"service":"outside"}"#);
    let (by, reason) = ("yamada".to_owned(), "month's end".to_owned());
    calls.set_open(ServiceNumber(11), Err(Refused::Blocked { by, reason }));
    let blocked = told(&calls, "s1", 6, "call s2 add").await;
    assert_eq!(blocked, r#"60 blocked: {"by":"yamada","reason":"month's end"}"#);
    engine.hand_over(Span::secs(1));
}

#[tokio::test]
async fn a_worker_is_left_for_callers_where_all_others_wait_for_the_writer() {
    let mut stand = Stand::new();
    let mut cast = Cast::new().with(&stand, "a", |_| {}).with(&stand, "b", |_| {});
    cast = cast.with(&stand, "c", |settings| settings.spare = 0);
    let engine = cast.start(&mut stand);
    let calls = engine.calls();
    stand.gates.shut("hold");
    stand.gates.shut("asks");
    let ask = |service: &str, serial: u64, body: &str| {
        let (calls, asked) = (calls.clone(), of(service, serial, body));
        tokio::spawn(async move { text(&calls.call(asked).await) })
    };
    let holds = ask("a", 1, "add;pass hold;call b add;call c add;add");
    reached(&stand, "hold", 1).await;
    // Their workers have calls of clients, which wait for the writer.
    let both = [ask("b", 2, "pass asks;add"), ask("c", 3, "pass asks;add")];
    reached(&stand, "asks", 2).await;
    stand.gates.open("asks");
    stand.gates.open("hold");
    let busy = r#"60 no-worker: {"why":{"found":"all of its workers have calls"}}"#;
    assert_eq!(holds.await.unwrap(), format!("1 [2] {busy} 3"));
    for waits in both {
        let value: i64 = waits.await.unwrap().trim().parse().unwrap();
        assert!((4..=5).contains(&value));
    }
    // One that is being born is waited for.
    let born = told(&calls, "a", 4, "call c panic;call c add").await;
    assert_eq!(born, r#"61 abnormal {"failed":"crash"}: it panicked [6]"#);
    engine.hand_over(Span::secs(1));
}

pub async fn what_only_reads_sees_its_callers_unit_and_writes_nothing(mut stand: Stand) {
    let reads = |settings: &mut pool::Settings| settings.effects = Effects::None;
    let mut cast = Cast::new().with(&stand, "a", |_| {}).with(&stand, "b", |_| {});
    cast = cast.with(&stand, "r", reads).with(&stand, "q", reads);
    let engine = cast.start(&mut stand);
    let calls = engine.calls();
    let sees = told(&calls, "a", 1, "add;call r see;call r add").await;
    assert_eq!(sees, "1 [1] [<a service that only reads may not write (0)>]");
    let writes = told(&calls, "a", 2, "call r call b add").await;
    assert_eq!(writes, r#"[37 only-reads: {"service":"b"}]"#);
    let sees = told(&calls, "a", 3, "add;call r call q see").await;
    assert_eq!(sees, "2 [[2]]", "and calls who only reads");
    let alone = text(&calls.call(of("r", 4, "call b add;call r see;call q see")).await);
    let cycle = r#"62 cycle: {"service":"r"}"#;
    assert_eq!(alone, format!(r#"37 only-reads: {{"service":"b"}} {cycle} [2]"#));
    assert_eq!(stand.value(), 2);
    engine.hand_over(Span::secs(1));
}

pub async fn a_group_that_moves_takes_a_call_back_with_whom_it_has_called(mut stand: Stand) {
    let (engine, _cast) = two(&mut stand);
    let calls = engine.calls();
    stand.gates.shut("hold");
    let (own, asked) = (calls.clone(), of("a", 1, "add;call b add,pass hold,add"));
    let held = tokio::spawn(async move { own.call(asked).await });
    reached(&stand, "hold", 1).await;
    tokio::task::spawn_blocking(move || engine.hand_over(Span::millis(50))).await.unwrap();
    assert_eq!(held.await.unwrap(), Answer::Refused(Refused::Moving));
    stand.gates.open("hold");
    assert_eq!(stand.value(), 0);
    let (engine, _cast) = two(&mut stand);
    assert_eq!(told(&engine.calls(), "a", 1, "add;call b add").await, "1 [2]");
    engine.hand_over(Span::secs(1));
}

#[tokio::test]
async fn a_call_that_is_turned_out_calls_again_in_other_workers() {
    let mut stand = Stand::new();
    let mut cast = Cast::new().with(&stand, "a", |_| {}).with(&stand, "b", |_| {});
    cast = cast.with(&stand, "c", |_| {});
    let services = std::mem::take(&mut cast.services);
    let (engine, _last) = stand.engine_beside(services, |settings| {
        settings.sitting.gather = Span::secs(1);
    });
    let calls = engine.calls();
    let ask = |service: &str, serial: u64, body: &str| {
        let (calls, asked) = (calls.clone(), of(service, serial, body));
        tokio::spawn(async move { text(&calls.call(asked).await) })
    };
    // Both have spoken before the next sitting begins: the second of it holds up the first.
    stand.gates.shut("go");
    let steps = "pass go;add;call b add,held 5,who";
    let both = [ask("a", 2, steps), ask("c", 3, steps)];
    reached(&stand, "go", 2).await;
    stand.gates.shut("commit");
    let first = ask("counter", 1, "a");
    reached(&stand, "commit", 1).await;
    stand.gates.shut("hold");
    stand.gates.open("go");
    stand.gates.open("commit");
    assert_eq!(first.await.unwrap(), "1");
    reached(&stand, "hold", 1).await;
    let mut told = Vec::new();
    for one in both {
        told.push(one.await.unwrap().trim().to_owned());
    }
    told.sort();
    assert!(told[0].starts_with("2 [3 ") && told[0].ends_with("|1]"), "{told:?}");
    assert!(told[1].starts_with("4 [5 ") && told[1].ends_with("|2]"), "it ran twice: {told:?}");
    stand.gates.open("hold");
    assert_eq!(stand.value(), 5, "and what it did first is not there");
    let threads = cast.threads("b");
    assert_eq!(threads.len(), 3);
    assert_ne!(threads[1], threads[2], "its worker remembers what never was");
    engine.hand_over(Span::secs(1));
}

/// Three services, each with workers for callers only as is said.
fn with_spare(stand: &mut Stand, spare: usize) -> (Engine, Cast) {
    let few = |settings: &mut pool::Settings| settings.spare = spare;
    let mut cast = Cast::new().with(stand, "a", few).with(stand, "b", few).with(stand, "c", few);
    (cast.start(stand), cast)
}

fn ask(calls: &Calls, service: &str, serial: u64, body: &str) -> JoinHandle<String> {
    let (calls, asked) = (calls.clone(), of(service, serial, body));
    tokio::spawn(async move { text(&calls.call(asked).await) })
}

#[tokio::test]
async fn on_postgresql_a_caller_waits_for_a_worker_that_another_call_has() {
    let mut stand = Stand::on_postgres();
    let (engine, cast) = with_spare(&mut stand, 0);
    let calls = engine.calls();
    stand.gates.shut("hold");
    let first = ask(&calls, "a", 1, "call b pass hold");
    reached(&stand, "hold", 1).await;
    let second = ask(&calls, "c", 2, "call b see");
    // It has asked, and waits for the one worker.
    let until = std::time::Instant::now() + std::time::Duration::from_secs(5);
    while cast.threads("c").is_empty() && std::time::Instant::now() < until {
        tokio::task::yield_now().await;
    }
    stand.gates.open("hold");
    assert_eq!(first.await.unwrap(), "[]");
    assert_eq!(second.await.unwrap(), "[0]");
    engine.hand_over(Span::secs(1));
}

#[tokio::test]
async fn on_postgresql_callers_that_would_wait_for_each_others_workers_are_told_so() {
    let mut stand = Stand::on_postgres();
    let (engine, _cast) = with_spare(&mut stand, 0);
    let calls = engine.calls();
    stand.gates.shut("both");
    let a = ask(&calls, "a", 1, "pass both;call b see");
    let b = ask(&calls, "b", 2, "pass both;call a see");
    reached(&stand, "both", 2).await;
    stand.gates.open("both");
    let mut told = [a.await.unwrap(), b.await.unwrap()];
    told.sort();
    let busy = r#" 60 no-worker: {"why":{"found":"all of its workers have calls"}}"#;
    assert_eq!(told.map(|told| told.trim().to_owned()), [busy.trim().to_owned(), "[0]".to_owned()]);
    engine.hand_over(Span::secs(1));
}

#[tokio::test]
async fn on_postgresql_a_callee_whose_work_meets_anothers_has_the_whole_call_run_again() {
    let mut stand = Stand::on_postgres();
    let (engine, cast) = with_spare(&mut stand, 1);
    let calls = engine.calls();
    stand.gates.shut("hold");
    let meets = ask(&calls, "a", 1, "see;call b pass hold,add");
    reached(&stand, "hold", 1).await;
    assert_eq!(told(&calls, "c", 2, "add").await, "1");
    stand.gates.open("hold");
    assert_eq!(meets.await.unwrap(), "1 [2]", "it has seen what it met");
    assert_eq!(stand.value(), 2);
    let threads = cast.threads("b");
    assert_eq!(threads.len(), 2);
    assert_ne!(threads[0], threads[1], "its worker remembers what never was");
    engine.hand_over(Span::secs(1));
}

#[tokio::test]
async fn on_postgresql_whom_a_call_has_called_is_not_called_by_another_before_it_is_durable() {
    let mut stand = Stand::on_postgres();
    let (engine, cast) = with_spare(&mut stand, 1);
    let calls = engine.calls();
    stand.gates.shut("hold");
    let first = ask(&calls, "a", 1, "call b see;call b see;call b see;pass hold");
    reached(&stand, "hold", 1).await;
    assert_eq!(told(&calls, "c", 2, "call b see").await, "[0]");
    stand.gates.open("hold");
    assert_eq!(first.await.unwrap().trim(), "[0] [0] [0]");
    let threads = cast.threads("b");
    assert_eq!(threads[0], threads[1], "its own may remember");
    assert_eq!(threads[1], threads[2]);
    assert_ne!(threads[2], threads[3], "another one's may not");
    engine.hand_over(Span::secs(1));
}

/// What reads calls what reads, in the moment of the first.
pub async fn what_only_reads_calls_what_only_reads_in_its_own_moment(mut stand: Stand) {
    let reads = |settings: &mut pool::Settings| settings.effects = Effects::None;
    let mut cast = Cast::new().with(&stand, "a", |_| {});
    cast = cast.with(&stand, "r", reads).with(&stand, "q", reads).with(&stand, "p", reads);
    let engine = cast.start(&mut stand);
    let calls = engine.calls();
    stand.gates.shut("hold");
    let reader = ask(&calls, "r", 1, "see;pass hold;call q see,call p see;see");
    reached(&stand, "hold", 1).await;
    assert_eq!(told(&calls, "a", 2, "add").await, "1");
    stand.gates.open("hold");
    assert_eq!(reader.await.unwrap(), "0 [0 [0]] 0", "all of one moment");
    let fails = text(&calls.call(of("r", 3, "call q see,refuse;call q add;see")).await);
    assert_eq!(fails, "61 refused: no [<a service that only reads may not write (0)>] 1");
    let fails = text(&calls.call(of("r", 4, "call q panic;call q see")).await);
    assert_eq!(fails, r#"61 abnormal {"failed":"crash"}: it panicked [1]"#);
    engine.hand_over(Span::secs(1));
}
