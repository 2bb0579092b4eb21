//! Whichever message to the server is lost, and commits without an answer.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tsugi_store::suite;
use tsugi_store::{
    Begun, Call, Cursor, Id, Look, OpenRefused, Portion, Postgres, Reply, Store, Stored, Trouble,
};

use crate::server::{Database, Server};
use crate::way::{Fate, way};

/// Asks again while the server is away; it comes back from a crash.
fn there<T>(mut ask: impl FnMut() -> Result<T, Trouble>) -> T {
    let begun = Instant::now();
    loop {
        match ask() {
            Ok(done) => return done,
            Err(Trouble::Away(_) | Trouble::Again) if begun.elapsed() < Duration::from_secs(60) => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(other) => panic!("{other}"),
        }
    }
}

/// Carries a call out that adds one, or says what it was answered.
fn carry_out(store: &mut dyn Store, call: &Call) -> Result<Reply, Trouble> {
    let mut work = match store.begin(call)? {
        Begun::New(work) => work,
        Begun::Stored(Stored { reply, .. }) => return Ok(reply),
        Begun::Running => return Err(Trouble::Again),
        other => panic!("{call:?}: {other:?}"),
    };
    let outcome = work.run(&[suite::add(1)])?.remove(0);
    let mut nested = work.nested()?;
    nested.run(&[suite::add(10)])?;
    drop(nested);
    let reply = suite::reply(format!("{:?}", outcome.rows[0][0]), 1);
    work.finish(&reply)?;
    Ok(reply)
}

/// As an engine does it: what is not known is looked up, what is not there is run again.
fn done(store: &mut Postgres, call: &Call) -> Reply {
    loop {
        match carry_out(store, call) {
            Ok(reply) => return reply,
            Err(Trouble::Unknown(look)) => {
                if let Some(stored) = there(|| store.look(&look)) {
                    return stored.reply;
                }
            }
            Err(Trouble::Again | Trouble::Away(_) | Trouble::Gone(_)) => {
                std::thread::sleep(Duration::from_millis(2));
            }
            Err(other) => panic!("{other}"),
        }
    }
}

/// How often a commit gets no answer; `TSUGI_FULL_COUNTS=1` for all of them.
fn rounds() -> i64 {
    if std::env::var_os("TSUGI_FULL_COUNTS").is_some() { 400 } else { 24 }
}

/// What the next commit meets.
fn fate(round: i64) -> Fate {
    match round % 6 {
        0 | 2 => Fate::Unanswered,
        1 | 3 => Fate::Lost,
        4 => Fate::Killed,
        _ => Fate::Carried,
    }
}

#[test]
fn i3_a_commit_without_an_answer_is_looked_up_once_its_session_is_gone() {
    let server = Server::new();
    let mut stand = server.database();
    drop(suite::founded(&mut stand));
    let next = Arc::new(Mutex::new(Fate::Carried));
    let judge = next.clone();
    let way = way(
        server.folder.path(),
        Arc::new(move |bytes: &[u8]| {
            let commits = bytes.windows(7).any(|seven| seven == b"COMMIT\0");
            if commits {
                std::mem::replace(&mut *judge.lock().unwrap(), Fate::Carried)
            } else {
                Fate::Carried
            }
        }),
    );
    let mut store = Postgres::open(&stand.address(way.path()), &suite::claim(5, 51)).unwrap();
    let (mut kept, mut lost) = (0, 0);
    for round in 1..=rounds() {
        let call = suite::call(suite::serial(round, round), 1);
        *next.lock().unwrap() = fate(round);
        let told = loop {
            match carry_out(&mut store, &call) {
                Err(Trouble::Away(_) | Trouble::Again) => {}
                other => break other,
            }
        };
        assert_eq!(*next.lock().unwrap(), Fate::Carried, "the commit was met");
        match told {
            Ok(_) => assert_eq!(fate(round), Fate::Carried, "round {round}"),
            Err(Trouble::Unknown(look)) => {
                let found = looked_up(&mut store, &look);
                assert!(found.is_none() || fate(round) != Fate::Lost, "round {round}");
                kept += i64::from(found.is_some());
                lost += i64::from(found.is_none());
            }
            Err(other) => panic!("round {round}: {other}"),
        }
        let before = round - i64::from(there(|| store.find(&call.id)).is_none());
        assert_eq!(value(&mut store), before, "round {round}");
        done(&mut store, &call);
        assert_eq!(value(&mut store), round);
    }
    assert!(kept > 0 && lost > 0, "{kept} were kept, {lost} lost");
}

fn looked_up(store: &mut Postgres, look: &Look) -> Option<Stored> {
    there(|| store.look(look))
}

/// What the number is, on a server that may have just been killed.
fn value(store: &mut Postgres) -> i64 {
    let call = suite::call(suite::key(254), 0);
    let rows = there(|| match store.begin(&call)? {
        Begun::New(mut work) => work.run(&[suite::add(0)]),
        other => panic!("{other:?}"),
    });
    match rows[0].rows[0][0] {
        tsugi_store::Value::Integer(value) => value,
        ref other => panic!("{other:?}"),
    }
}

/// How many calls the schedule has.
const CALLS: i64 = 3;

fn id(life: i64, n: i64) -> Id {
    suite::serial_of(life, n, (n - 1).max(1))
}

/// Plays a schedule from an engine's start to its end.
fn engine(address: &str, life: i64) -> BTreeMap<i64, Reply> {
    let mut store = (0..)
        .find_map(|_| match Postgres::open(address, &suite::claim(5, 100 + life)) {
            Ok(store) => Some(store),
            Err(OpenRefused::Failed { .. }) => None,
            Err(other) => panic!("{other}"),
        })
        .expect("it opens");
    let mut told = BTreeMap::new();
    for n in 1..=CALLS {
        told.insert(n, done(&mut store, &suite::call(id(life, n), 1)));
        assert_eq!(
            there(|| store.find(&id(life, n))).map(|stored| stored.reply).as_ref(),
            told.get(&n)
        );
    }
    let portion = Portion { from: Cursor::Start, before: 0, rows: 9 };
    there(|| store.purge(&portion));
    changed(&mut store, |store| store.confirm(&id(life, CALLS), 9));
    told
}

/// As an engine does it: a change of whose commit nothing came back is looked for, and is made
/// again only where it was not made.
fn changed(
    store: &mut Postgres,
    what: impl Fn(&mut Postgres) -> Result<bool, Trouble>,
) -> Option<bool> {
    loop {
        match what(store) {
            Ok(changed) => return Some(changed),
            Err(Trouble::Unknown(look)) if there(|| store.committed(&look)) => return None,
            Err(Trouble::Unknown(_) | Trouble::Again | Trouble::Away(_)) => {
                std::thread::sleep(Duration::from_millis(2));
            }
            Err(other) => panic!("{other}"),
        }
    }
}

/// Whether the message was met when everything was said.
fn met(stand: &Database<'_>, life: i64, (nth, fate): (i64, Fate)) -> bool {
    let left = Arc::new(AtomicI64::new(nth));
    let judge = left.clone();
    let way = way(
        stand.server.folder.path(),
        Arc::new(
            move |_: &[u8]| {
                if judge.fetch_sub(1, Ordering::SeqCst) == 0 { fate } else { Fate::Carried }
            },
        ),
    );
    let told = engine(&stand.address(way.path()), life);
    let words = format!("message {nth} is {fate:?}");
    let bodies: Vec<_> = told.values().map(|reply| reply.body.clone()).collect();
    let expected = (1..=CALLS).map(|n| format!("Integer({})", (life - 1) * CALLS + n).into_bytes());
    assert_eq!(bodies, expected.collect::<Vec<_>>(), "{words}");
    assert_eq!(stand.ask("SELECT value FROM counter"), (life * CALLS).to_string(), "{words}");
    let rows = format!(
        "SELECT string_agg(serial || ':' || kind, ' ' ORDER BY serial) FROM tsugi_reply r \
         JOIN tsugi_client c ON c.no = r.client WHERE c.incarnation = {life}"
    );
    assert_eq!(stand.ask(&rows), "", "{words}: all are confirmed");
    left.load(Ordering::SeqCst) < 0
}

#[test]
fn i3_whichever_message_is_lost_nothing_is_lost_or_doubled() {
    let server = Server::new();
    let mut stand = server.database();
    drop(suite::founded(&mut stand));
    let mut life = 0;
    for fate in [Fate::Lost, Fate::Unanswered] {
        let messages = (0..)
            .take_while(|nth| {
                life += 1;
                met(&stand, life, (*nth, fate))
            })
            .count();
        assert!(messages > 30, "{messages}");
    }
}

#[test]
fn i3_what_is_carried_out_and_confirmed_between_look_and_claim_is_not_run_again() {
    let server = Server::new();
    let mut stand = server.database();
    drop(suite::founded(&mut stand));
    let claim = suite::claim(5, 51);
    let mut store = stand.session(&claim).unwrap();
    // Its client is known before.
    done(&mut store, &suite::call(suite::serial(1, 1), 1));
    // When the claim comes by, the other session carries the call out, and the next one, too,
    // with which it is confirmed.
    let other = Mutex::new(Some(store));
    let way = way(
        server.folder.path(),
        Arc::new(move |bytes: &[u8]| {
            if bytes.windows(12).any(|part| part == b"SERIALIZABLE")
                && let Some(mut other) = other.lock().unwrap().take()
            {
                for (serial, lowest) in [(2, 1), (3, 3)] {
                    done(&mut other, &suite::call(suite::serial(serial, lowest), 1));
                }
            }
            Fate::Carried
        }),
    );
    let mut late = Postgres::another(&stand.address(way.path()), &claim).unwrap();
    let call = suite::call(suite::serial(2, 1), 1);
    assert!(matches!(late.begin(&call), Ok(Begun::Expired)), "it was carried out");
    assert_eq!(value(&mut late), 3);
    assert_eq!(stand.ask("SELECT string_agg(serial::text, ' ') FROM tsugi_reply"), "3");
}

/// A way on which the next commit meets this.
fn commits_meet(server: &Server, next: &Arc<Mutex<Fate>>) -> tempfile::TempDir {
    let judge = next.clone();
    way(
        server.folder.path(),
        Arc::new(move |bytes: &[u8]| {
            if bytes.windows(7).any(|seven| seven == b"COMMIT\0") {
                std::mem::replace(&mut *judge.lock().unwrap(), Fate::Carried)
            } else {
                Fate::Carried
            }
        }),
    )
}

#[test]
fn i3_a_key_whose_forgetting_has_no_answer_is_not_forgotten_again_with_a_newer_reply() {
    let server = Server::new();
    let mut stand = server.database();
    drop(suite::founded(&mut stand));
    let next = Arc::new(Mutex::new(Fate::Carried));
    let way = commits_meet(&server, &next);
    let claim = suite::claim(5, 51);
    let mut store = Postgres::open(&stand.address(way.path()), &claim).unwrap();
    let mut other = stand.another(&claim);
    let (id, tsugi_store::Key(key)) = (suite::key(7), tsugi_store::Key([7; 16]));
    let call = suite::call(id.clone(), 1);
    for (round, fate) in [Fate::Unanswered, Fate::Lost, Fate::Killed].into_iter().enumerate() {
        let first = done(&mut store, &call);
        *next.lock().unwrap() = fate;
        let look = match store.forget(&tsugi_store::Key(key)) {
            Err(Trouble::Unknown(look)) => look,
            told => panic!("{fate:?}: {told:?}"),
        };
        // Whoever hears of the key now finds it free, or used, and never both.
        let second = done(&mut other, &call);
        let forgotten = there(|| store.committed(&look));
        assert_eq!(forgotten, first != second, "{round}: {fate:?}");
        assert!(forgotten || fate != Fate::Unanswered, "{fate:?}");
        assert!(!forgotten || fate != Fate::Lost, "{fate:?}");
        assert_eq!(done(&mut store, &call), second, "{fate:?}: the newer one is kept");
        if !forgotten {
            assert_eq!(
                changed(&mut store, |store| store.forget(&tsugi_store::Key(key))),
                Some(true)
            );
        } else {
            assert!(other.forget(&tsugi_store::Key(key)).unwrap());
        }
    }
}

#[test]
fn what_was_started_is_kept_once_whatever_becomes_of_its_commit() {
    let server = Server::new();
    let mut stand = server.database();
    drop(suite::founded(&mut stand));
    let next = Arc::new(Mutex::new(Fate::Carried));
    let way = commits_meet(&server, &next);
    let mut store = Postgres::open(&stand.address(way.path()), &suite::claim(5, 51)).unwrap();
    for (n, fate) in [(1, Fate::Unanswered), (2, Fate::Lost), (3, Fate::Carried)] {
        let call = suite::call(suite::serial(n, 1), 1);
        *next.lock().unwrap() = fate;
        let answered = changed(&mut store, |store| store.start(&call, &suite::request(10)));
        assert_eq!(answered.is_none(), fate == Fate::Unanswered, "{fate:?}");
        assert!(!there(|| store.start(&call, &suite::request(10))), "it is started");
        done(&mut store, &call);
        assert_eq!(value(&mut store), n);
    }
}
