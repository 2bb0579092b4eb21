//! What each interruption leaves: a call that fails, one after the other, and a process that is
//! killed.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use tsugi_store::suite;
use tsugi_store::{
    Begun, Claim, Faults, Finished, Id, Moment, Op, OpenRefused, Plan, Portion, Reply, Sqlite,
    Store, Stored, Trouble,
};

const FULL: i32 = 13;
const NO_MEMORY: i32 = 7;
const BUSY: i32 = 5;
const INTERRUPTED: i32 = 9;
const FSYNC: i32 = 10 | 4 << 8;

/// In which ways each call fails. What cannot happen to one of them must still harm nothing.
const PLANS: [Plan; 8] = [
    Plan { moment: Moment::Before, code: FSYNC },
    Plan { moment: Moment::After, code: FSYNC },
    Plan { moment: Moment::Before, code: FULL },
    Plan { moment: Moment::After, code: FULL },
    Plan { moment: Moment::Whole, code: FULL },
    Plan { moment: Moment::Whole, code: NO_MEMORY },
    Plan { moment: Moment::Before, code: BUSY },
    Plan { moment: Moment::Before, code: INTERRUPTED },
];

/// How many calls the schedule has, in sittings of three.
const CALLS: i64 = 7;

struct Founded<'a>(&'a Path);

/// A folder in memory: what fails here is told to fail, and a sync would only take time.
fn in_memory() -> TempDir {
    TempDir::new_in("/dev/shm").expect("a folder")
}

impl suite::Stand for Founded<'_> {
    fn open(&mut self, claim: &Claim) -> Result<Box<dyn Store>, OpenRefused> {
        Ok(Box::new(Sqlite::open(self.0, claim)?))
    }

    fn bytes(&self) -> &'static str {
        "BLOB"
    }

    fn taken_over(&mut self, _: &Claim) {
        unreachable!("nobody takes it over");
    }
}

/// What callers were told: durable from then on.
type Told = BTreeMap<i64, Reply>;

fn id(n: i64) -> Id {
    suite::serial(n, 1)
}

/// Carries a call out in the sitting, or says that it was.
fn carried_out(store: &mut Sqlite, n: i64) -> Result<Reply, Trouble> {
    let call = suite::call(id(n), 1);
    let mut work = match store.begin(&call)? {
        Begun::New(work) => work,
        Begun::Stored(Stored { reply, .. }) => return Ok(reply),
        other => panic!("call {n}: {other:?}"),
    };
    let outcome = work.run(&[suite::add(1), Op::sql("SELECT 1", vec![])])?.remove(0);
    let mut nested = work.nested()?;
    nested.run(&[suite::add(10)])?;
    drop(nested);
    let length = usize::try_from(n % 3).expect("small") * 400;
    let tsugi_store::Value::Integer(value) = outcome.rows[0][0] else { panic!("{outcome:?}") };
    let reply = suite::reply(format!("{value:0>length$}"), n);
    let Finished::InSitting(_) = work.finish(&reply)? else { panic!("committed alone") };
    Ok(reply)
}

/// One sitting: nothing of it is told before its commit.
fn sitting(store: &mut Sqlite, calls: &[i64]) -> Result<Told, Trouble> {
    let replies: Result<Told, Trouble> =
        calls.iter().map(|n| Ok((*n, carried_out(store, *n)?))).collect();
    let replies = replies?;
    store.commit()?;
    // Who asks again is answered, and no transaction is left open by that.
    let again = suite::call(id(calls[0]), 1);
    match store.begin(&again)? {
        Begun::Stored(stored) => assert_eq!(Some(&stored.reply), replies.get(&calls[0])),
        other => panic!("{other:?}"),
    }
    Ok(replies)
}

/// Plays the schedule as an engine would, until its end or a fault that ends the process.
fn engine(folder: &Path, run: i64, faults: Faults) -> Told {
    let mut told = Told::new();
    let Ok(mut store) = Sqlite::open_with(folder, &suite::claim(5, run), faults) else {
        return told;
    };
    let calls: Vec<i64> = (1..=CALLS).collect();
    for calls in calls.chunks(3) {
        let replies = loop {
            match sitting(&mut store, calls) {
                Ok(replies) => break replies,
                Err(Trouble::Broken(_)) => return told,
                Err(Trouble::Full | Trouble::Again | Trouble::Gone(_)) => {}
                Err(other) => panic!("{other:?}"),
            }
            match store.abandon() {
                Ok(()) => {}
                Err(Trouble::Broken(_)) => return told,
                Err(other) => panic!("{other:?}"),
            }
        };
        told.extend(replies);
        let portion = Portion { from: tsugi_store::Cursor::Start, before: 0, rows: 9 };
        if store.purge(&portion).and_then(|_| store.commit()).is_err() && store.abandon().is_err() {
            return told;
        }
    }
    told
}

/// Every call once, in one chain; what was told is what is stored.
fn check(folder: &Path, told: &Told, words: &str) {
    let again = engine(folder, 99, Faults::none());
    assert_eq!(again.len(), usize::try_from(CALLS).expect("small"), "{words}");
    for (n, reply) in told {
        assert_eq!(again.get(n), Some(reply), "call {n}: {words}");
    }
    let mut store = Sqlite::open(folder, &suite::claim(6, 1)).expect(words);
    assert_eq!(suite::value(&mut store), CALLS, "{words}");
    for (n, reply) in &again {
        let number: i64 = String::from_utf8_lossy(&reply.body).parse().expect("a number");
        assert_eq!(number, *n, "{words}");
        assert_eq!(store.find(&id(*n)).expect(words).expect(words).reply, *reply, "{words}");
    }
    assert_eq!(suite::rows_of(&mut store, "body"), 2, "{words}");
}

#[test]
fn i17_whichever_call_fails_nothing_is_lost_doubled_or_told_too_early() {
    let mut met = 0;
    for plan in PLANS {
        for nth in 0.. {
            let folder = in_memory();
            drop(suite::founded(&mut Founded(folder.path())));
            let faults = Faults::nth(nth, plan);
            let told = engine(folder.path(), 51, faults.clone());
            if !faults.met() {
                assert_eq!(told.len(), usize::try_from(CALLS).expect("small"));
                break;
            }
            met += 1;
            // An interrupt costs a sitting, at most, and never the engine once it is open.
            let all = told.len() == usize::try_from(CALLS).expect("small");
            assert!(plan.code != INTERRUPTED || told.is_empty() || all, "call {nth}");
            check(folder.path(), &told, &format!("call {nth} fails as {plan:?}"));
        }
    }
    assert!(met > 150 * PLANS.len(), "{met}");
}

#[test]
fn i17_after_a_commit_that_failed_nothing_is_told_any_more() {
    for moment in [Moment::Before, Moment::After] {
        let plan = Plan { moment, code: FSYNC };
        let ended = (0..400).any(|nth| {
            let folder = in_memory();
            drop(suite::founded(&mut Founded(folder.path())));
            let faults = Faults::nth(nth, plan);
            let opened = Sqlite::open_with(folder.path(), &suite::claim(5, 51), faults.clone());
            let Ok(mut store) = opened else { return false };
            let Ok(_) = carried_out(&mut store, 1) else { return false };
            if faults.met() {
                return false;
            }
            let Err(told) = store.commit() else { return false };
            assert!(matches!(told, Trouble::Broken(_)), "{told:?}");
            let call = suite::call(id(1), 1);
            assert!(matches!(suite::trouble(store.begin(&call)), Trouble::Broken(_)));
            assert!(matches!(suite::trouble(store.find(&call.id)), Trouble::Broken(_)));
            assert!(matches!(suite::trouble(store.commit()), Trouble::Broken(_)));
            assert!(matches!(suite::trouble(store.abandon()), Trouble::Broken(_)));
            true
        });
        assert!(ended, "the commit was met");
    }
}

const FOLDER: &str = "TSUGI_STORE_OF_A_CHILD";
const FROM: &str = "TSUGI_FIRST_CALL_OF_A_CHILD";

/// How often a process is killed; `TSUGI_FULL_COUNTS=1` for all of them.
fn rounds() -> usize {
    if std::env::var_os("TSUGI_FULL_COUNTS").is_some() { 1_000 } else { 36 }
}

/// What the killed process runs; alone it does nothing.
#[test]
fn a_child_that_is_killed() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let run = i64::from(std::process::id());
    let mut store = Sqlite::open(folder.as_ref(), &suite::claim(5, run)).expect("it opens");
    let stored = |store: &mut Sqlite, n| store.find(&id(n)).expect("it reads").is_some();
    let mut first: i64 = std::env::var(FROM).expect("it is told").parse().expect("a number");
    while stored(&mut store, first) {
        first += 1;
    }
    loop {
        let mut lines = String::new();
        let next = first + 1 + first % 4;
        for n in first..next {
            let reply = carried_out(&mut store, n).expect("it is carried out");
            lines += &format!("\ntold {n} {}\n", String::from_utf8_lossy(&reply.body));
        }
        first = next;
        store.commit().expect("it commits");
        let mut out = std::io::stdout().lock();
        out.write_all(lines.as_bytes()).and_then(|()| out.flush()).expect("somebody reads");
    }
}

fn child(folder: &Path, from: i64) -> Child {
    let own = std::env::current_exe().expect("a program");
    let mut command = Command::new(own);
    command.args(["--exact", "a_child_that_is_killed", "--nocapture"]);
    command.env(FOLDER, folder).env(FROM, from.to_string());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command.spawn().expect("it starts")
}

#[test]
fn i3_a_killed_engine_leaves_every_told_call_once() {
    let folder = TempDir::new().expect("a folder");
    drop(suite::founded(&mut Founded(folder.path())));
    let mut told: BTreeMap<i64, String> = BTreeMap::new();
    let mut stored = 0;
    for round in 0..rounds() {
        let mut child = child(folder.path(), stored + 1);
        let out = child.stdout.take().expect("it was asked for");
        // Killed after a number of answers that differs each time; what it had under way is
        // wherever it then is.
        let mut left = round * 7 % 23 + round % 60 / 3;
        for line in BufReader::new(out).lines() {
            let line = line.expect("text");
            let mut words = line.split(' ');
            let (Some("told"), Some(n), Some(body)) = (words.next(), words.next(), words.next())
            else {
                continue;
            };
            let n = n.parse().expect("a number");
            let before = told.insert(n, body.to_owned());
            assert!(before.is_none_or(|before| before == body), "call {n} is told otherwise");
            if left == 0 {
                child.kill().expect("it is a child");
            }
            left = left.saturating_sub(1);
        }
        child.wait().expect("it ends");
        let mut store = Sqlite::open(folder.path(), &suite::claim(5, 1)).expect("it opens");
        // What was committed and not told is there with its effects, too.
        let former = stored;
        while store.find(&id(stored + 1)).expect("it reads").is_some() {
            stored += 1;
        }
        assert!(stored >= *told.keys().last().expect("something was told"));
        assert_eq!(suite::value(&mut store), stored, "round {round}");
        assert_eq!(suite::rows_of(&mut store, "reply"), stored, "round {round}");
        // The whole is looked through once, at the end.
        let from = if round + 1 == rounds() { 1 } else { former + 1 };
        for (n, body) in told.range(from..) {
            let stored = store.find(&id(*n)).expect("it reads").expect("it was told");
            assert_eq!(stored.reply.body, body.as_bytes(), "call {n}");
        }
    }
}
