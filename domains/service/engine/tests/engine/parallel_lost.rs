//! Commits that lose their way, their answer, or the process of the server that carries them out,
//! under load, through an engine.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tsugi_service_engine::worker::thread::Threads;
use tsugi_service_engine::{Answer, Calls, Refused, SameBytes, Sessions};
use tsugi_service_rules::id::{CallId, Serial};
use tsugi_store::suite;
use tsugi_vocabulary::Span;

use crate::server::Server;
use crate::support::{Stand, apart, asked, in_parallel, life, text, workers};
use crate::way::{Fate, way};

/// How often a process of the server is killed as it commits.
fn kills() -> u64 {
    if std::env::var("TSUGI_FULL_COUNTS").is_ok_and(|full| full == "1") { 200 } else { 10 }
}

const CALLERS: u64 = 4;
/// Of so many commits one is lost, in one of three ways.
const EVERY: u64 = 6;

/// What a commit meets: every so often one of the three, in turn.
fn fate(nth: u64) -> Fate {
    if !nth.is_multiple_of(EVERY) {
        return Fate::Carried;
    }
    match nth / EVERY % 3 {
        0 => Fate::Unanswered,
        1 => Fate::Killed,
        _ => Fate::Lost,
    }
}

/// Asks until the call is answered; nothing else is told than that it is to come again.
async fn answered(calls: &Calls, id: CallId) -> String {
    loop {
        match calls.call(asked(id, 1, "a")).await {
            Answer::Refused(Refused::Busy(_) | Refused::StoreAway { .. }) => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            told => return text(&told),
        }
    }
}

#[tokio::test]
async fn i3_whatever_becomes_of_a_commit_each_call_is_applied_once_and_told_the_same() {
    let server: &'static Server = Box::leak(Box::new(Server::new()));
    let stand = Stand::in_database(server.database());
    let (commits, killed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (counts, kills_done) = (commits.clone(), killed.clone());
    let way = way(
        server.folder.path(),
        Arc::new(move |bytes: &[u8]| {
            if !bytes.windows(7).any(|seven| seven == b"COMMIT\0") {
                return Fate::Carried;
            }
            let fate = fate(counts.fetch_add(1, Ordering::SeqCst) + 1);
            kills_done.fetch_add(u64::from(fate == Fate::Killed), Ordering::SeqCst);
            fate
        }),
    );
    let address = stand.database.as_ref().unwrap().address(way.path());
    let sessions = apart(|| Sessions::postgres(&address, &suite::claim(7, 1), 3)).unwrap();
    let nursery = Box::new(Threads(stand.program.clone()));
    let runs: crate::support::Runs = (workers(3), nursery, Arc::new(SameBytes));
    let (engine, _last) = in_parallel(sessions, 7, runs, |_| {});
    let callers: Vec<_> = (1..=CALLERS)
        .map(|caller| {
            let (calls, killed) = (engine.calls(), killed.clone());
            tokio::spawn(async move {
                let mut told = BTreeMap::new();
                for serial in 1.. {
                    let serial = Serial::new(serial).unwrap();
                    let id = CallId::Counted { life: life(caller), serial };
                    told.insert(id, answered(&calls, id).await);
                    if killed.load(Ordering::SeqCst) >= kills() {
                        break;
                    }
                }
                told
            })
        })
        .collect();
    let mut told = BTreeMap::new();
    for caller in callers {
        told.extend(caller.await.unwrap());
    }
    let mut values: Vec<i64> = told.values().map(|value| value.parse().unwrap()).collect();
    values.sort_unstable();
    let all = i64::try_from(told.len()).unwrap();
    assert_eq!(values, (1..=all).collect::<Vec<_>>(), "every call has added one, once");
    server.answers();
    assert_eq!(stand.value(), all);
    let calls = engine.calls();
    for (id, value) in &told {
        assert_eq!(answered(&calls, *id).await, *value);
        assert_eq!(text(&calls.fetch(*id).await), *value);
    }
    let (commits, killed) = (commits.load(Ordering::SeqCst), killed.load(Ordering::SeqCst));
    assert!(killed >= kills() && commits >= EVERY * 3, "{killed} of {commits} were killed");
    engine.hand_over(Span::secs(2));
}
