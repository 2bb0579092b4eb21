//! What an engine on a server does beside its calls: what acts outside, what a worker remembers,
//! files, and a server that is slow, shut or following another.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::task::{JoinHandle, spawn_blocking};
use tsugi_service_engine::worker::pipe::{Package, Processes};
use tsugi_service_engine::worker::thread::Threads;
use tsugi_service_engine::{
    Answer, Asynchronous, Calls, Engine, Failover, Identity, Refused, SameBytes, Sessions, names,
};
use tsugi_service_rules::ground::Effects;
use tsugi_service_rules::id::{CallId, Serial};
use tsugi_service_rules::worker::pool;
use tsugi_store::{Claim, Ending, suite};
use tsugi_vocabulary::Span;

use crate::appfile::{PARAMETERS, counted, declared, initialize};
use crate::contained::processes_in;
use crate::outside::{kinds, outside};
use crate::programs::{cobol, ward};
use crate::records::{COUNTING, counting, records};
use crate::server::Server;
use crate::support::{
    Puppets, Runs, Stand, apart, ask, asked, call, done, id, in_parallel, life, reached, text,
    workers,
};
use crate::way::{Fate, way};

/// Asks for a call until the store is there and nobody is met.
async fn answered(calls: &Calls, id: CallId, body: &str) -> Answer {
    loop {
        match calls.call(asked(id, 1, body)).await {
            Answer::Refused(Refused::Busy(_) | Refused::StoreAway { .. }) => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            told => return told,
        }
    }
}

/// An engine of one kind of workers, by a way to its server.
fn engine_by(server: &str, runs: Runs) -> Engine {
    let start = runs.0.start;
    let sessions = apart(|| Sessions::postgres(server, &suite::claim(20, 1), start));
    in_parallel(sessions.expect("it opens"), 20, runs, |_| {}).0
}

#[tokio::test]
async fn a_worker_has_its_next_call_once_its_last_is_durable() {
    let stand = Stand::on_postgres();
    let database = stand.database.as_ref().unwrap();
    let gates = stand.gates.clone();
    let way = way(
        database.server.folder.path(),
        Arc::new(move |bytes: &[u8]| {
            if bytes.windows(7).any(|seven| seven == b"COMMIT\0") {
                gates.pass("commit");
            }
            Fate::Carried
        }),
    );
    let puppets = Puppets::default();
    let runs: Runs =
        (pool::Settings { most: 1, ..workers(1) }, Box::new(puppets.clone()), Arc::new(SameBytes));
    // Two sessions: the second call has a row of its own while the first is committed.
    let sessions =
        apart(|| Sessions::postgres(&database.address(way.path()), &suite::claim(20, 1), 2));
    let (engine, _last) = in_parallel(sessions.unwrap(), 20, runs, |_| {});
    let calls = engine.calls();
    let first = ask(&calls, 1);
    let own = puppets.clone();
    let (ear, begin) = spawn_blocking(move || own.begun()).await.unwrap();
    stand.gates.shut("commit");
    ear.hear(done(&begin));
    reached(&stand, "commit", 1).await;
    let second = ask(&calls, 2);
    while calls.fetch(id(2)).await != Answer::Pending {
        tokio::task::yield_now().await;
    }
    assert_eq!(puppets.many(), 0, "what it remembers is not durable");
    stand.gates.open("commit");
    assert_eq!(text(&first.await.unwrap()), "done");
    let (ear, begin) = spawn_blocking(move || puppets.begun()).await.unwrap();
    ear.hear(done(&begin));
    assert_eq!(text(&second.await.unwrap()), "done");
    engine.hand_over(Span::secs(1));
}

#[tokio::test]
async fn i29_what_acts_outside_runs_once_whatever_becomes_of_the_commit_that_says_so() {
    let stand = Stand::on_postgres();
    let database = stand.database.as_ref().unwrap();
    // Of the commits of three calls the first ones lose their way, their answers, or nothing.
    let commits = Arc::new(AtomicU64::new(0));
    let count = commits.clone();
    let way = way(
        database.server.folder.path(),
        Arc::new(move |bytes: &[u8]| {
            if !bytes.windows(7).any(|seven| seven == b"COMMIT\0") {
                return Fate::Carried;
            }
            match count.fetch_add(1, Ordering::SeqCst) {
                2 => Fate::Lost,
                3 => Fate::Unanswered,
                _ => Fate::Carried,
            }
        }),
    );
    let workers = pool::Settings { effects: Effects::Outside, ..workers(1) };
    let runs: Runs = (workers, Box::new(Threads(stand.program.clone())), Arc::new(SameBytes));
    let engine = engine_by(&database.address(way.path()), runs);
    let calls = engine.calls();
    let mut unknown = 0;
    for serial in 1..=4 {
        match answered(&calls, id(serial), "a").await {
            Answer::Reply(_) => {}
            Answer::Refused(Refused::Unknown) => unknown += 1,
            told => panic!("{told:?}"),
        }
        assert!(stand.runs() <= usize::try_from(serial).unwrap(), "{serial}: it ran again");
    }
    assert!(commits.load(Ordering::SeqCst) > 4 && unknown <= 1, "{unknown} are unknown");
    engine.hand_over(Span::secs(2));
}

#[tokio::test]
async fn what_acts_outside_is_his_who_has_started_it_until_he_opens_again() {
    let mut stand = Stand::on_postgres();
    let engine = outside(&mut stand);
    let calls = engine.calls();
    stand.gates.shut("begin");
    let held = ask(&calls, 1);
    reached(&stand, "begin", 1).await;
    assert_eq!(kinds(&stand), [1]);
    let over = spawn_blocking(move || engine.hand_over(Span::millis(10)));
    assert_eq!(held.await.unwrap(), Answer::Refused(Refused::Moving));
    over.await.unwrap();
    stand.gates.open("begin");
    let engine = outside(&mut stand);
    assert_eq!(kinds(&stand), [6], "the next owner knows that nobody knows");
    let told = call(&engine.calls(), 1, "a").await;
    assert_eq!((told, stand.runs()), (Answer::Refused(Refused::Unknown), 1));
    engine.hand_over(Span::secs(1));
}

#[tokio::test]
async fn a_key_is_forgotten_once_though_its_answer_was_lost() {
    let stand = Stand::on_postgres();
    let database = stand.database.as_ref().unwrap();
    let next = Arc::new(AtomicBool::new(false));
    let judge = next.clone();
    let way = way(
        database.server.folder.path(),
        Arc::new(move |bytes: &[u8]| {
            let commits = bytes.windows(7).any(|seven| seven == b"COMMIT\0");
            if commits && judge.swap(false, Ordering::SeqCst) {
                Fate::Unanswered
            } else {
                Fate::Carried
            }
        }),
    );
    let runs: Runs = (workers(1), Box::new(Threads(stand.program.clone())), Arc::new(SameBytes));
    let engine = engine_by(&database.address(way.path()), runs);
    let calls = engine.calls();
    let key = CallId::Keyed(names::key(&Identity("test".to_owned()), "once"));
    assert_eq!(text(&answered(&calls, key, "a").await), "1");
    next.store(true, Ordering::SeqCst);
    assert_eq!(calls.forget(key).await, Answer::Changed);
    assert!(!next.load(Ordering::SeqCst), "its commit was met");
    assert_eq!(text(&answered(&calls, key, "a").await), "2", "it is free, once");
    assert_eq!(text(&answered(&calls, key, "a").await), "2");
    engine.hand_over(Span::secs(1));
}

/// Whether a refusal says that the store is away.
fn is_away(told: &Answer) -> bool {
    matches!(told, Answer::Refused(Refused::StoreAway { .. }))
}

#[tokio::test]
async fn a_table_that_somebody_locks_refuses_and_lets_go_with_him() {
    let mut stand = Stand::on_postgres();
    let (engine, _last) = stand.engine(1);
    let calls = engine.calls();
    assert_eq!(text(&call(&calls, 1, "a").await), "1");
    let database = stand.database.as_ref().unwrap();
    let (server, name) = (database.server, database.name.clone());
    let lock = std::thread::spawn(move || {
        server.psql(&name, "BEGIN; LOCK TABLE tsugi_reply; SELECT pg_sleep(30)")
    });
    let locked = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted \
        AND relation = 'tsugi_reply'::regclass";
    while database.ask(locked) == "0" {
        tokio::task::yield_now().await;
    }
    let mut asked = asked(id(2), 1, "a");
    asked.patience = Some(Duration::from_millis(300));
    let told = calls.call(asked).await;
    let refused = is_away(&told) || matches!(told, Answer::Refused(_));
    assert!(refused || told == Answer::Pending, "{told:?}");
    assert_eq!(stand.runs(), 1, "its program has not run");
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
        WHERE query LIKE '%pg_sleep(30)%' AND pid <> pg_backend_pid()";
    assert_eq!(database.ask(end), "1");
    lock.join().unwrap();
    assert_eq!(text(&answered(&calls, id(2), "a").await), "2");
    assert_eq!(stand.value(), 2);
    engine.hand_over(Span::secs(1));
}

#[tokio::test]
async fn a_server_that_lets_nobody_in_or_takes_no_writes_refuses_and_loses_nothing() {
    let server: &'static Server = Box::leak(Box::new(Server::new()));
    let stand = Stand::in_database(server.database());
    let database = stand.database.as_ref().unwrap();
    let name = database.name.clone();
    // No superuser: for him no limit counts.
    database.ask(
        "CREATE ROLE one LOGIN; GRANT ALL ON SCHEMA public TO one; \
         GRANT ALL ON ALL TABLES IN SCHEMA public TO one",
    );
    let folder = server.folder.path().display();
    let runs: Runs = (workers(1), Box::new(Threads(stand.program.clone())), Arc::new(SameBytes));
    let engine = engine_by(&format!("host={folder} user=one dbname={name}"), runs);
    let calls = engine.calls();
    assert_eq!(text(&call(&calls, 1, "a").await), "1");
    // What is said holds for who comes in from then on; who is in is sent out.
    let says = |text: &str| {
        assert!(server.psql("postgres", text).status.success(), "{text}");
        let ends = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
            WHERE application_name LIKE 'tsugi:%'";
        assert!(server.psql("postgres", ends).status.success());
    };
    let reads =
        |on: &str| format!("ALTER DATABASE {name} SET default_transaction_read_only = {on}");
    let shut = [
        (
            "ALTER ROLE one CONNECTION LIMIT 0".to_owned(),
            "ALTER ROLE one CONNECTION LIMIT -1".to_owned(),
        ),
        (reads("on"), reads("off")),
    ];
    for (serial, (shuts, opens)) in (2..).zip(shut) {
        says(&shuts);
        let told = loop {
            match call(&calls, serial, "a").await {
                Answer::Refused(Refused::Busy(_)) => {}
                told => break told,
            }
        };
        assert!(is_away(&told), "{shuts}: {told:?}");
        assert!(is_away(&calls.fetch(id(1)).await), "{shuts}: what is stored cannot be read");
        says(&opens);
        assert_eq!(text(&answered(&calls, id(serial), "a").await), serial.to_string());
    }
    assert_eq!(text(&answered(&calls, id(1), "a").await), "1", "nothing is lost");
    engine.hand_over(Span::secs(1));
}

#[tokio::test]
async fn what_a_failover_of_the_database_would_cost_is_said() {
    let server: &'static Server = Box::leak(Box::new(Server::new()));
    let mut stand = Stand::in_database(server.database());
    let name = stand.database.as_ref().unwrap().name.clone();
    let text = format!("ALTER DATABASE {name} SET synchronous_commit = local");
    assert!(server.psql("postgres", &text).status.success());
    let (engine, _last) = stand.engine(1);
    let calls = engine.calls();
    let lost = Failover::MayLose(Asynchronous::Commits);
    while calls.figures().await.unwrap().failover != lost {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    engine.hand_over(Span::secs(1));
}

const CALLERS: u64 = 6;
const EACH: u64 = 4;

/// What callers are told, each a client of its own.
async fn many(calls: &Calls) -> Vec<(CallId, Answer)> {
    let all: Vec<_> = (1..=CALLERS)
        .map(|caller| {
            let calls = calls.clone();
            tokio::spawn(async move {
                let mut told = Vec::new();
                for serial in 1..=EACH {
                    let serial = Serial::new(serial).unwrap();
                    let id = CallId::Counted { life: life(caller + 1), serial };
                    told.push((id, answered(&calls, id, "{}").await));
                }
                told
            })
        })
        .collect();
    let mut told = Vec::new();
    for one in all {
        told.extend(one.await.unwrap());
    }
    told
}

/// Kills all workers again and again until it is told to end. How many were killed.
fn kills(stand: &Stand, ends: Arc<AtomicBool>) -> JoinHandle<u32> {
    let folder = stand.folder.path().to_owned();
    spawn_blocking(move || {
        let mut kills = 0;
        while !ends.load(Ordering::SeqCst) {
            for pid in processes_in(&folder) {
                // It may have ended as it was told.
                kills += u32::from(kill(Pid::from_raw(pid), Signal::SIGKILL).is_ok());
            }
            std::thread::sleep(Duration::from_millis(150));
        }
        kills
    })
}

/// The number that a call has taken; none of one whose worker was killed.
fn number(answer: &Answer) -> Option<u64> {
    match answer {
        Answer::Reply(reply) if reply.ending == Ending::Done => {
            let said = text(answer);
            let (_, number) = said.rsplit_once(':').unwrap();
            Some(number.trim_end_matches('}').parse().unwrap())
        }
        Answer::Reply(reply) if reply.ending == Ending::Abnormal => None,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn mf_17_the_reports_program_counts_through_several_workers_on_a_server() {
    let mut stand = Stand::on_postgres();
    stand.interface = Arc::new(records(counting()));
    let package = cobol(stand.folder.path(), COUNTING, ("CBLAPP01", &PARAMETERS));
    let package = Package { files: declared(), content_type: None, ..package };
    let own = Processes::new(ward(stand.folder.path()), package);
    let (running, _last) = stand.engine_with(workers(3), Box::new(own), |_| {});
    let calls = running.calls();
    // The file is not there: it is refused before a program finds nothing.
    let refused = Refused::NotDeployed { why: "missing files: APPFILE01".into() };
    assert_eq!(call(&calls, 1, "{}").await, Answer::Refused(refused));
    let mut store = apart(|| {
        let claim = Claim { member: "hand".to_owned(), ..suite::claim(5, 1) };
        let mut store = stand.database.as_ref().unwrap().session(&claim).unwrap();
        initialize(&mut store);
        store
    });
    // It was made past the engine, which looks again by itself.
    let mut first = call(&calls, 1, "{}").await;
    while let Answer::Refused(Refused::NotDeployed { .. }) = first {
        tokio::time::sleep(Duration::from_millis(20)).await;
        first = call(&calls, 1, "{}").await;
    }
    assert_eq!(number(&first), Some(0));
    let ends = Arc::new(AtomicBool::new(false));
    let killer = kills(&stand, ends.clone());
    let told = many(&calls).await;
    ends.store(true, Ordering::SeqCst);
    assert!(killer.await.unwrap() > 0);
    let mut numbers: Vec<u64> = told.iter().filter_map(|(_, told)| number(told)).collect();
    numbers.sort_unstable();
    let many = numbers.len() as u64;
    assert_eq!(numbers, (1..=many).collect::<Vec<_>>(), "each has counted once");
    for (id, answer) in &told {
        assert_eq!(answered(&calls, *id, "{}").await, *answer, "a retry is told the same");
    }
    running.hand_over(Span::secs(2));
    let all = apart(move || counted(&mut store));
    assert_eq!(all, many + 1);
}
