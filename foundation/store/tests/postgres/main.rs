//! The store on PostgreSQL passes the suite, and what only it can meet. Each test has a server of
//! its own, as Debian has it, on a socket in a temporary folder.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod lost;
mod members;
mod reading;
mod server;
mod way;

use std::sync::atomic::{AtomicI64, Ordering};

use server::{Database, Server};
use tsugi_store::suite::{self, Stand};
use tsugi_store::{Begun, Claim, Cursor, Op, OpenRefused, Portion, Postgres, Store, Trouble};

impl Stand for Database<'_> {
    fn open(&mut self, claim: &Claim) -> Result<Box<dyn Store>, OpenRefused> {
        Ok(Box::new(self.session(claim)?))
    }

    fn bytes(&self) -> &'static str {
        "BYTEA"
    }

    fn taken_over(&mut self, claim: &Claim) {
        let (counter, run) = (claim.epoch.counter, claim.run);
        self.ask(&format!("UPDATE tsugi_epoch SET counter = {counter}, run = {run}"));
    }
}

#[test]
fn i3_the_store_on_postgresql_passes_the_suite() {
    let server = Server::new();
    suite::all(|| server.database());
}

#[test]
fn each_look_up_in_a_file_walks_an_index_and_sorts_nothing() {
    let server = Server::new();
    let mut stand = server.database();
    let mut store = suite::founded(&mut stand);
    suite::filled(&mut *store, 3_000);
    stand.ask("ANALYZE");
    for (text, count) in suite::look_ups().into_iter().filter(|(_, count)| *count > 0) {
        let values = ["NULL"].repeat(count).join(", ");
        let plan = stand.ask(&format!(
            "SET plan_cache_mode = force_generic_plan; PREPARE one AS {}; \
             EXPLAIN EXECUTE one ({values})",
            tsugi_store::dollars(text)
        ));
        let walks = plan.contains("Index Cond") || plan.contains("Index Scan");
        let sifts = plan.contains("Sort") || plan.contains("Filter") || plan.contains("Seq");
        assert!(walks && !sifts, "{text}\n{plan}");
    }
}

#[test]
fn i15_no_session_of_an_older_run_is_left_when_the_next_begins() {
    let server = Server::new();
    let mut stand = server.database();
    let mut old = suite::founded(&mut stand);
    let call = suite::call(suite::serial(1, 1), 1);
    let mut work = suite::begun(&mut *old, &call);
    suite::added(&mut *work, 1);
    // Runs are told apart within an epoch; the next may count from the same number.
    let mut new = stand.session(&suite::claim(6, 50)).expect("it waits for the old one's end");
    let left = "SELECT count(DISTINCT application_name) FROM pg_stat_activity \
        WHERE application_name LIKE 'tsugi:%'";
    assert_eq!(stand.ask(left), "1", "of one run");
    suite::counted(&mut new, &call, 1);
    // The old one had its unit of work open all the time.
    let told = suite::trouble(work.finish(&suite::reply("late", 1)));
    assert!(matches!(told, Trouble::Away(_)), "{told:?}");
    let found = suite::claim(6, 60).epoch;
    let told = suite::trouble(old.begin(&call));
    assert!(matches!(told, Trouble::Away(_)), "what it looked with was ended, too: {told:?}");
    for _ in 0..2 {
        assert_eq!(suite::trouble(old.begin(&call)), Trouble::Superseded { found });
    }
    assert_eq!(suite::value(&mut new), 1);
}

#[test]
fn i15_without_the_right_to_end_older_sessions_nothing_is_opened() {
    let server = Server::new();
    let stand = server.database();
    stand.ask(
        "CREATE ROLE one LOGIN; CREATE ROLE two LOGIN; GRANT ALL ON SCHEMA public TO one, two",
    );
    let address =
        |user| format!("host={} user={user} dbname={}", server.folder.path().display(), stand.name);
    let mut old = Postgres::open(&address("one"), &suite::claim(5, 50)).expect("it opens");
    stand.ask("GRANT ALL ON ALL TABLES IN SCHEMA public TO two");
    match Postgres::open(&address("two"), &suite::claim(6, 60)).map(drop) {
        Err(OpenRefused::Failed { what, .. }) => assert!(what.contains("terminat"), "{what}"),
        other => panic!("{other:?}"),
    }
    stand.ask("GRANT pg_signal_backend TO two");
    drop(Postgres::open(&address("two"), &suite::claim(6, 61)).expect("it may now"));
    let told = suite::trouble(old.begin(&suite::call(suite::serial(1, 1), 1)));
    assert!(matches!(told, Trouble::Away(_)), "{told:?}");
    let found = suite::claim(6, 61).epoch;
    let told = suite::trouble(old.begin(&suite::call(suite::serial(1, 1), 1)));
    assert_eq!(told, Trouble::Superseded { found });
}

#[test]
fn a_program_changes_its_session_for_nobody_else() {
    let server = Server::new();
    let mut stand = server.database();
    drop(suite::founded(&mut stand));
    stand.ask(
        "CREATE FUNCTION turn(name TEXT, value TEXT) RETURNS TEXT LANGUAGE sql AS \
        'SELECT set_config(name, value, false)'",
    );
    let mut store = stand.session(&suite::claim(5, 51)).unwrap();
    let call = suite::call(suite::serial(1, 1), 1);
    for (name, value) in
        [("synchronous_commit", "off"), ("application_name", "nobody"), ("search_path", "nowhere")]
    {
        let mut work = suite::begun(&mut store, &call);
        suite::added(&mut *work, 1);
        let own = Op::sql(format!("SELECT set_config('{name}', '{value}', false)"), vec![]);
        assert!(matches!(suite::trouble(work.run(&[own])), Trouble::Refused(_)), "{name}");
        work.run(&[Op::sql(format!("SELECT turn('{name}', '{value}')"), vec![])]).unwrap();
        let told = suite::trouble(work.finish(&suite::reply("1", 1)));
        assert!(matches!(told, Trouble::Gone(_)), "{name}: {told:?}");
        assert_eq!(suite::value(&mut store), 0, "{name}");
    }
    // What harms no commit is taken back before the next unit of work.
    let mut work = suite::begun(&mut store, &call);
    work.run(&[Op::sql("SELECT turn('lock_timeout', '77s')", vec![])]).unwrap();
    work.finish(&suite::reply("1", 1)).unwrap();
    let mut work = suite::begun(&mut store, &suite::call(suite::serial(2, 1), 1));
    let asked = work.run(&[Op::sql("SELECT current_setting('lock_timeout')", vec![])]).unwrap();
    assert_eq!(asked[0].rows, [["2s".into()]]);
}

#[test]
fn calls_that_have_nothing_in_common_are_hardly_ever_run_again() {
    const SESSIONS: i64 = 6;
    const CALLS: i64 = 40;
    let server = Server::new();
    let mut stand = server.database();
    let mut store = suite::founded(&mut stand);
    let mut work = suite::begun(&mut *store, &suite::call(suite::key(1), 0));
    for session in 0..SESSIONS {
        let text = format!("INSERT INTO counter (name, value) VALUES ('c{session}', 0)");
        work.run(&[Op::sql(text, vec![])]).unwrap();
    }
    work.finish(&suite::reply("", 1)).unwrap();
    drop(store);
    let claim = suite::claim(5, 51);
    let mut first = stand.session(&claim).unwrap();
    let sessions: Vec<Postgres> = (0..SESSIONS).map(|_| stand.another(&claim)).collect();
    // All are of one client, too, which confirms as it goes on.
    let under_way: Vec<_> = (1..=SESSIONS).map(AtomicI64::new).collect();
    let under_way = &under_way;
    let again: i64 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..)
            .zip(sessions)
            .map(|(session, mut store)| {
                scope.spawn(move || {
                    let text =
                        format!("UPDATE counter SET value = value + 1 WHERE name = 'c{session}'");
                    let own = &under_way[usize::try_from(session).unwrap()];
                    let mut again = 0;
                    for n in 0..CALLS {
                        let serial = 1 + n * SESSIONS + session;
                        own.store(serial, Ordering::SeqCst);
                        let others = under_way.iter().map(|one| one.load(Ordering::SeqCst));
                        let id = suite::serial(serial, others.min().unwrap());
                        while !carried_out(&mut store, &suite::call(id.clone(), 1), &text) {
                            again += 1;
                        }
                    }
                    own.store(i64::MAX, Ordering::SeqCst);
                    again
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("it ends")).sum()
    });
    assert!(again < SESSIONS * CALLS / 5, "{again}");
    assert!(matches!(first.begin(&suite::call(suite::serial(1, 1), 1)), Ok(Begun::Expired)));
    let sum = stand.ask("SELECT sum(value) FROM counter");
    assert_eq!(sum, (SESSIONS * CALLS).to_string());
}

#[test]
fn a_duplicate_on_another_session_waits_before_its_program_runs() {
    let server = Server::new();
    let mut stand = server.database();
    drop(suite::founded(&mut stand));
    let claim = suite::claim(5, 51);
    let mut one = stand.session(&claim).unwrap();
    let mut two = stand.another(&claim);
    for id in [suite::key(1), suite::serial(1, 1)] {
        let call = suite::call(id, 1);
        let work = suite::begun(&mut one, &call);
        assert!(matches!(two.begin(&call), Ok(Begun::Running)), "it is under way");
        drop(work);
        drop(suite::begun(&mut two, &call));
        suite::counted(&mut one, &call, 1);
        assert!(matches!(two.begin(&call), Ok(Begun::Stored(_))));
    }
}

#[test]
fn what_was_read_before_another_changed_it_is_not_written_over() {
    let server = Server::new();
    let mut stand = server.database();
    drop(suite::founded(&mut stand));
    let claim = suite::claim(5, 51);
    let mut one = stand.session(&claim).unwrap();
    let mut two = stand.another(&claim);
    let read = Op::sql("SELECT value FROM counter WHERE name = 'n'", vec![]);
    let write = Op::sql("UPDATE counter SET value = ?1 WHERE name = 'n'", vec![1.into()]);
    let (first, second) = (suite::call(suite::key(1), 1), suite::call(suite::key(2), 1));
    let mut late = suite::begun(&mut two, &second);
    late.run(std::slice::from_ref(&read)).unwrap();
    let mut work = suite::begun(&mut one, &first);
    work.run(&[read, write.clone()]).unwrap();
    work.finish(&suite::reply("1", 1)).unwrap();
    assert_eq!(suite::trouble(late.run(&[write])), Trouble::Again);
    drop(late);
    assert!(counted(&mut two, &second), "it is run again");
    assert_eq!(suite::value(&mut one), 2);
}

#[test]
fn a_clients_row_does_not_go_while_a_call_of_it_is_under_way() {
    let server = Server::new();
    let mut stand = server.database();
    let mut one = suite::founded(&mut stand);
    let mut two = stand.another(&suite::claim(5, 50));
    suite::counted(&mut *one, &suite::call(suite::serial(1, 1), 1), 10);
    let old = Portion { from: Cursor::Start, before: 100, rows: 9 };
    assert_eq!(two.purge(&old).unwrap().rows, 1);
    let call = suite::call(suite::serial(2, 1), 1);
    let mut work = suite::begun(&mut *one, &call);
    suite::added(&mut *work, 1);
    let clients = Portion { from: Cursor::Clients(i64::MIN), ..old };
    let purged = two.purge(&clients).map(|purged| purged.rows);
    let told = work.finish(&suite::reply("2", 200)).map(drop);
    // One of them has seen nothing of the other, and so is not done.
    match (purged, told) {
        (Ok(1), Err(Trouble::Again)) => {
            assert!(matches!(one.begin(&call), Ok(Begun::Expired)));
            assert_eq!(suite::value(&mut *one), 1);
        }
        (Ok(0) | Err(Trouble::Again), Ok(())) => {
            assert!(matches!(one.begin(&call), Ok(Begun::Stored(_))));
            assert_eq!(suite::value(&mut *one), 2);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn two_units_that_meet_are_run_again_and_no_count_is_lost() {
    let server = Server::new();
    let mut stand = server.database();
    drop(suite::founded(&mut stand));
    let claim = suite::claim(5, 51);
    let mut first = stand.session(&claim).unwrap();
    let workers: Vec<Postgres> = (0..2).map(|_| stand.another(&claim)).collect();
    std::thread::scope(|scope| {
        for (worker, mut session) in (1..).zip(workers) {
            scope.spawn(move || {
                for n in 1..=20 {
                    let call = suite::call(suite::serial_of(worker, n, 1), 1);
                    while !counted(&mut session, &call) {}
                }
            });
        }
    });
    assert_eq!(suite::value(&mut first), 40);
    assert_eq!(suite::rows_of(&mut first, "reply"), 40);
}

/// Whether the call is carried out now: what met another is run again.
fn counted(session: &mut Postgres, call: &tsugi_store::Call) -> bool {
    carried_out(session, call, "UPDATE counter SET value = value + 1 WHERE name = 'n'")
}

fn carried_out(session: &mut Postgres, call: &tsugi_store::Call, text: &str) -> bool {
    match carry_out(session, call, text) {
        Ok(()) => true,
        Err(Trouble::Again) => false,
        Err(other) => panic!("{other}"),
    }
}

fn carry_out(session: &mut Postgres, call: &tsugi_store::Call, text: &str) -> Result<(), Trouble> {
    match session.begin(call)? {
        Begun::New(mut work) => {
            work.run(&[Op::sql(text, vec![])])?;
            work.finish(&suite::reply("1", 1)).map(drop)
        }
        Begun::Stored(_) | Begun::Expired => Ok(()),
        Begun::Running => Err(Trouble::Again),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_only_reads_sees_what_is_committed_and_writes_nothing() {
    let server = Server::new();
    let mut stand = server.database();
    let mut store = suite::founded(&mut stand);
    let claim = suite::claim(5, 50);
    let mut reader = stand.another(&claim);
    let mut work = suite::begun(&mut *store, &suite::call(suite::serial(1, 1), 1));
    suite::added(&mut *work, 1);
    let asked = reader.query("SELECT value + ?1 FROM counter", &[10.into()]).unwrap();
    assert_eq!(asked, [[10.into()]]);
    work.finish(&suite::reply("1", 1)).unwrap();
    assert_eq!(reader.query("SELECT value FROM counter", &[]).unwrap(), [[1.into()]]);
    stand.ask(
        "CREATE FUNCTION sly() RETURNS BIGINT LANGUAGE sql AS \
        'UPDATE counter SET value = 9 RETURNING value'",
    );
    for text in ["UPDATE counter SET value = 9", "SELECT sly()", "BEGIN", "SELECT nothing"] {
        let told = suite::trouble(reader.query(text, &[]));
        assert!(matches!(told, Trouble::Refused(_)), "{text}: {told:?}");
    }
    assert_eq!(suite::value(&mut *store), 1);
}

#[test]
fn a_commit_that_the_server_makes_a_rollback_is_not_told() {
    let server = Server::new();
    let mut stand = server.database();
    drop(suite::founded(&mut stand));
    let second = "CREATE FUNCTION second(n BIGINT) RETURNS BIGINT LANGUAGE plpgsql AS \
        'BEGIN IF n = 2 THEN RAISE EXCEPTION ''the second''; END IF; RETURN n; END'";
    stand.ask(second);
    let mut store = stand.session(&suite::claim(5, 51)).unwrap();
    let call = suite::call(suite::serial(1, 1), 1);
    // An error in the middle of an answer is seen, and only its operation is without effect.
    let mut work = suite::begun(&mut store, &call);
    suite::added(&mut *work, 1);
    let fails = Op::sql("SELECT second(n) FROM generate_series(1, 3) n", vec![]);
    assert!(matches!(suite::trouble(work.run(&[fails])), Trouble::Refused(_)));
    work.finish(&suite::reply("1", 1)).unwrap();
    assert_eq!(suite::value(&mut store), 1);
    // A constraint that waits for the commit, made elsewhere.
    stand.ask(
        "CREATE TABLE part (name TEXT REFERENCES counter (name) DEFERRABLE INITIALLY DEFERRED)",
    );
    let call = suite::call(suite::serial(2, 1), 1);
    let mut work = suite::begun(&mut store, &call);
    suite::added(&mut *work, 1);
    work.run(&[Op::sql("INSERT INTO part (name) VALUES ('nobody')", vec![])]).unwrap();
    let told = suite::trouble(work.finish(&suite::reply("2", 1)));
    assert!(matches!(told, Trouble::Gone(_)), "{told:?}");
    assert_eq!(store.find(&call.id).unwrap(), None);
    assert_eq!(suite::value(&mut store), 1);
}

#[test]
fn a_server_that_cannot_keep_its_promise_is_refused() {
    let server = Server::new();
    let stand = server.database();
    for (name, value) in [("synchronous_commit", "off"), ("default_transaction_read_only", "on")] {
        let database = &stand.name;
        let set = |value: &str| {
            let text = format!("ALTER DATABASE {database} SET {name} = {value}");
            assert!(server.psql("postgres", &text).status.success());
        };
        set(value);
        match stand.session(&suite::claim(5, 1)).map(drop) {
            Err(OpenRefused::Setting { name: found, .. }) => assert!(found.contains(name)),
            other => panic!("{name}: {other:?}"),
        }
        set("DEFAULT");
    }
    assert!(stand.session(&suite::claim(5, 1)).is_ok());
}

#[test]
fn a_standby_is_refused_by_its_name() {
    let server = Server::standby();
    let stand = Database { server: &server, name: "postgres".to_owned() };
    match stand.session(&suite::claim(5, 1)).map(drop) {
        Err(OpenRefused::Setting { name, .. }) => assert!(name.contains("pg_is_in_recovery")),
        other => panic!("{other:?}"),
    }
}

/// An engine of another member of the group.
fn member(name: &str, counter: u64) -> Claim {
    Claim { member: name.to_owned(), ..suite::claim(counter, 50) }
}

#[test]
fn what_another_member_has_started_is_his_and_is_not_unknown_by_somebodys_opening() {
    let server = Server::new();
    let mut stand = server.database();
    drop(suite::founded(&mut stand));
    let mut one = stand.session(&member("one", 5)).unwrap();
    let call = suite::call(suite::serial(1, 1), 1);
    assert!(one.start(&call, &suite::request(10)).unwrap());
    let mut two = stand.session(&member("two", 5)).unwrap();
    assert!(matches!(two.begin(&call), Ok(Begun::Running)), "another is at it");
    assert!(!two.start(&call, &suite::request(10)).unwrap());
    assert!(!two.interrupted(&call.id).unwrap(), "it is not his");
    suite::counted(&mut one, &call, 20);
    assert!(matches!(two.begin(&call), Ok(Begun::Stored(_))));
    // A member that starts again was interrupted; nobody else was.
    let (left, other) = (suite::call(suite::key(1), 1), suite::call(suite::key(2), 1));
    assert!(
        one.start(&left, &suite::request(10)).unwrap()
            && two.start(&other, &suite::request(10)).unwrap()
    );
    drop(one);
    let mut one = stand.session(&member("one", 6)).unwrap();
    assert!(matches!(one.begin(&left), Ok(Begun::Unknown)));
    assert!(matches!(one.begin(&other), Ok(Begun::Running)));
    suite::counted(&mut two, &other, 20);
}

#[test]
fn units_that_act_outside_and_have_nothing_in_common_do_not_fail_each_other() {
    let server = Server::new();
    let mut stand = server.database();
    drop(suite::founded(&mut stand));
    let claim = suite::claim(5, 51);
    let mut all = vec![stand.session(&claim).unwrap()];
    all.extend((1..4).map(|_| stand.another(&claim)));
    for round in 0..5 {
        let calls: Vec<_> = (1..=4)
            .map(|n| suite::call(suite::serial_of(n, round + 1, 1), 1))
            .chain((1..=4_u8).map(|n| suite::call(suite::key(n * 16 + round as u8), 1)))
            .collect();
        for calls in calls.chunks(4) {
            for (session, call) in all.iter_mut().zip(calls) {
                assert!(session.start(call, &suite::request(10)).unwrap());
            }
            let works: Vec<_> =
                all.iter_mut().zip(calls).map(|(all, call)| suite::begun(all, call)).collect();
            for work in works {
                work.finish(&suite::reply("done", 20)).expect("it met nobody");
            }
        }
    }
}

#[test]
fn a_client_lives_as_long_as_it_is_heard_of() {
    let server = Server::new();
    let mut stand = server.database();
    let mut store = suite::founded(&mut stand);
    suite::counted(&mut *store, &suite::call(suite::serial(1, 1), 1), 10);
    store.confirm(&suite::serial(1, 1), 500).unwrap();
    assert_eq!(suite::rows_of(&mut *store, "reply"), 0);
    // It was made long ago, has nothing, and was heard of just now.
    assert_eq!(suite::purged(&mut *store, 400), 1, "the key of the founding");
    suite::counted(&mut *store, &suite::call(suite::serial(2, 1), 1), 600);
    // Its last answer goes for its age, and its life is no older than that.
    suite::counted(&mut *store, &suite::call(suite::serial(3, 1), 1), 700);
    assert_eq!(suite::purged(&mut *store, 650), 1);
    assert!(matches!(store.begin(&suite::call(suite::serial(3, 1), 1)), Ok(Begun::Stored(_))));
    assert_eq!(suite::purged(&mut *store, 701), 2, "the answer and the client");
    let late = suite::call(suite::serial(4, 1), 1);
    assert!(matches!(store.begin(&late), Ok(Begun::Expired)), "its life is over");
    // One that is about to act outside was heard of, too.
    let outside = suite::call(suite::serial_of(2, 1, 1), 1);
    assert!(store.start(&outside, &suite::request(800)).unwrap());
    assert!(store.resolve(&outside.id, None).is_ok_and(|was| !was));
    assert_eq!(suite::purged(&mut *store, 9_000), 0, "what is started stays, and its client");
    suite::counted(&mut *store, &outside, 900);
}
