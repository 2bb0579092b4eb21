//! The store on SQLite passes the suite, and what only it can meet.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::atomic::Ordering;

use rusqlite::Connection;
use tempfile::TempDir;
use tsugi_store::suite::{self, Stand};
use tsugi_store::{Begun, Claim, Finished, Op, OpenRefused, Sqlite, Store, Trouble, Value};

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().expect("a folder"))
    }

    /// Another way to the file, past the engine's lock.
    fn behind(&self) -> Connection {
        Connection::open(self.0.path().join("store.db")).expect("it opens")
    }

    fn sqlite(&self, counter: u64) -> Sqlite {
        Sqlite::open(self.0.path(), &suite::claim(counter, 1)).expect("it opens")
    }
}

impl Stand for Folder {
    fn open(&mut self, claim: &Claim) -> Result<Box<dyn Store>, OpenRefused> {
        Ok(Box::new(Sqlite::open(self.0.path(), claim)?))
    }

    fn bytes(&self) -> &'static str {
        "BLOB"
    }

    fn taken_over(&mut self, claim: &Claim) {
        let counter = i64::try_from(claim.epoch.counter).unwrap();
        let text = "UPDATE tsugi_epoch SET counter = ?1, run = ?2";
        assert_eq!(self.behind().execute(text, (counter, claim.run)).unwrap(), 1);
    }
}

#[test]
fn i3_the_store_on_sqlite_passes_the_suite() {
    suite::all(Folder::new);
}

#[test]
fn i3_random_schedules_end_as_the_model_says() {
    for seed in 2..8 {
        let folder = TempDir::new_in("/dev/shm").expect("a folder in memory");
        suite::schedules(&mut Folder(folder), seed, 80);
    }
}

#[test]
fn each_look_up_in_a_file_walks_an_index_and_sorts_nothing() {
    let stand = Folder::new();
    suite::filled(&mut stand.sqlite(5), 100);
    for (text, _) in suite::look_ups() {
        let reader = stand.behind();
        let mut plan = reader.prepare(&format!("EXPLAIN QUERY PLAN {text}")).unwrap();
        let (mut rows, mut steps) = (plan.raw_query(), Vec::<String>::new());
        while let Some(row) = rows.next().unwrap() {
            steps.push(row.get(3).unwrap());
        }
        // Of what is swept nothing is looked for by a value: the first of its own index is taken.
        let garbage = "SCAN tsugi_generation USING COVERING INDEX tsugi_generation_over";
        let searches = |step: &String| step.starts_with("SEARCH ") || step == garbage;
        assert!(!steps.is_empty() && steps.iter().all(searches), "{text}\n{steps:?}");
    }
}

/// How many bytes this thread has read from files so far.
fn read_so_far() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/io").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap();
    line.parse().unwrap()
}

/// A store with so many replies, as an engine that was killed leaves it: its last commits in the
/// log. How many bytes the next open reads.
fn read_by_an_open(replies: u32) -> u64 {
    let stand = Folder::new();
    let mut store = stand.sqlite(5);
    let first = suite::call(suite::serial(1, 1), 1);
    suite::begun(&mut store, &first).finish(&suite::reply("a", 1)).unwrap();
    store.commit().unwrap();
    let fill = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT ?1) \
        INSERT INTO tsugi_reply SELECT 1 + i / 1000, 10 + i % 1000, 2, 1, 3, 1, zeroblob(16), 1, \
        10, 200, zeroblob(200), NULL, NULL, NULL FROM n";
    stand.behind().execute(fill, [replies]).unwrap();
    store.checkpoints().unwrap().run().unwrap();
    for n in 2..10 {
        let call = suite::call(suite::serial(n, 1), 1);
        suite::begun(&mut store, &call).finish(&suite::reply("a", n)).unwrap();
        store.commit().unwrap();
    }
    let after = Folder::new();
    for file in ["store.db", "store.db-wal"] {
        std::fs::copy(stand.0.path().join(file), after.0.path().join(file)).unwrap();
    }
    let before = read_so_far();
    let next = after.sqlite(6);
    let read = read_so_far() - before;
    drop(next);
    read
}

#[test]
fn an_open_reads_no_more_where_more_replies_are_stored() {
    let (few, many) = (read_by_an_open(1_000), read_by_an_open(60_000));
    // Pages of 4 KiB: a tree of many rows is a level or two higher.
    assert!(many < few + 16 * 4_096, "{few} bytes of few, {many} of many");
}

/// A sitting that is given up takes its clients with it, and a purge takes away what is silent.
#[test]
fn how_many_clients_there_are_is_kept_with_them() {
    let stand = Folder::new();
    let mut store = stand.sqlite(5);
    let unheard = suite::serial_of(99, 1, 1);
    let kept = |store: &Sqlite| store.reader().unwrap().seen(&unheard).unwrap().clients;
    let counted = || -> u64 {
        let text = "SELECT count(*) FROM tsugi_client";
        stand.behind().query_row(text, [], |row| row.get(0)).unwrap()
    };
    for life in 1..=5 {
        let mut work = suite::begun(&mut store, &suite::call(suite::serial_of(life, 1, 1), 1));
        work.run(&[Op::sql("SELECT 1", vec![])]).unwrap();
        work.finish(&suite::reply("a", 10 * life)).unwrap();
        match life {
            5 => store.abandon().unwrap(),
            _ => store.commit().unwrap(),
        }
    }
    store.confirm(&suite::serial_of(7, 3, 1), 100).unwrap();
    store.commit().unwrap();
    assert_eq!((kept(&store), counted()), (5, 5));
    assert!(suite::purged(&mut store, 25) > 0);
    store.abandon().unwrap();
    assert_eq!((kept(&store), counted()), (5, 5));
    suite::purged(&mut store, 25);
    store.commit().unwrap();
    assert_eq!((kept(&store), counted()), (3, 3));
}

#[test]
fn a_second_engine_is_refused_while_the_first_one_lives() {
    let stand = Folder::new();
    let first = stand.sqlite(5);
    let second = Sqlite::open(stand.0.path(), &suite::claim(6, 2)).map(drop);
    assert_eq!(second, Err(OpenRefused::InUse(stand.0.path().display().to_string())));
    drop(first);
    drop(stand.sqlite(6));
}

#[test]
fn a_store_of_another_group_or_a_later_build_is_refused_unchanged() {
    let stand = Folder::new();
    drop(stand.sqlite(5));
    let mut foreign = suite::claim(6, 1);
    foreign.group = "billing".parse().unwrap();
    let refused = Sqlite::open(stand.0.path(), &foreign).map(drop);
    assert_eq!(refused, Err(OpenRefused::Foreign("orders".to_owned())));
    let highest = "SELECT max(number) FROM tsugi_step";
    let known: i64 = stand.behind().query_row(highest, [], |row| row.get(0)).unwrap();
    let later = "INSERT INTO tsugi_step (number, hash, at) VALUES (?1, x'00', 0)";
    stand.behind().execute(later, [known + 1]).unwrap();
    let refused = Sqlite::open(stand.0.path(), &suite::claim(6, 1)).map(drop);
    assert_eq!(refused, Err(OpenRefused::TooNew { found: known + 1, known }));
    let epoch: i64 =
        stand.behind().query_row("SELECT counter FROM tsugi_epoch", [], |row| row.get(0)).unwrap();
    assert_eq!(epoch, 5, "who is refused has changed nothing");
    stand.behind().execute("DELETE FROM tsugi_step WHERE number > ?1", [known]).unwrap();
    stand.behind().execute("UPDATE tsugi_step SET hash = x'00'", []).unwrap();
    let refused = Sqlite::open(stand.0.path(), &suite::claim(6, 1)).map(drop);
    assert_eq!(refused, Err(OpenRefused::OtherStep(1)));
}

#[test]
fn a_statement_that_ends_the_whole_transaction_ends_the_sitting() {
    let mut stand = Folder::new();
    drop(suite::founded(&mut stand));
    let trigger = "CREATE TRIGGER no BEFORE UPDATE ON counter WHEN new.value > 10 \
        BEGIN SELECT RAISE(ROLLBACK, 'too much'); END";
    stand.behind().execute_batch(trigger).unwrap();
    let mut store = stand.sqlite(5);
    let first = suite::call(suite::serial(1, 1), 1);
    let mut work = suite::begun(&mut store, &first);
    suite::added(&mut *work, 1);
    assert!(matches!(work.finish(&suite::reply("1", 1)), Ok(Finished::InSitting(_))));
    let mut work = suite::begun(&mut store, &suite::call(suite::serial(2, 1), 1));
    assert!(matches!(suite::trouble(work.run(&[suite::add(100)])), Trouble::Gone(_)));
    // Whoever goes on in it is told the same, until the caller has said that it knows.
    assert!(matches!(suite::trouble(work.run(&[suite::add(1)])), Trouble::Gone(_)));
    assert!(matches!(suite::trouble(work.undo()), Trouble::Gone(_)));
    assert!(matches!(suite::trouble(work.finish(&suite::reply("", 1))), Trouble::Gone(_)));
    assert!(matches!(suite::trouble(store.begin(&first)), Trouble::Gone(_)));
    assert!(matches!(suite::trouble(store.commit()), Trouble::Gone(_)));
    store.abandon().unwrap();
    assert_eq!(store.find(&first.id).unwrap(), None);
    suite::counted(&mut store, &first, 1);
    assert_eq!(suite::value(&mut store), 1);
}

#[test]
fn a_statement_without_end_is_ended_and_the_store_goes_on() {
    let stand = Folder::new();
    let mut store = stand.sqlite(5);
    let interrupt = store.interrupt();
    let ended = std::sync::atomic::AtomicBool::new(false);
    let endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) \
        SELECT count(*) FROM n";
    let endless = Op::sql(endless, vec![]);
    // Also when it is asked for at any moment, again and again.
    let (mut kept, mut gone) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(std::sync::atomic::Ordering::SeqCst) {
                interrupt.now();
                std::thread::sleep(std::time::Duration::from_micros(50));
            }
        });
        for n in 1..=300 {
            let call = suite::call(suite::serial(n, n), 1);
            let done = match store.begin(&call) {
                Ok(Begun::New(mut work)) if n % 3 == 0 => {
                    let told = work.run(std::slice::from_ref(&endless));
                    assert!(matches!(told, Err(Trouble::Gone(_))), "{told:?}");
                    Err(Trouble::Gone(String::new()))
                }
                Ok(Begun::New(work)) => work.finish(&suite::reply("1", 1)).map(drop),
                Ok(other) => panic!("{other:?}"),
                Err(trouble) => Err(trouble),
            };
            let done = done.and_then(|()| store.commit());
            let is_kept = done.is_ok();
            match done {
                Ok(()) => kept += 1,
                Err(Trouble::Gone(_)) => gone += 1,
                Err(other) => panic!("{other}"),
            }
            store.abandon().unwrap();
            assert_eq!(store.find(&call.id).unwrap().is_some(), is_kept);
        }
        ended.store(true, std::sync::atomic::Ordering::SeqCst);
    });
    assert!(kept > 0 && gone >= 100, "{kept} {gone}");
}

#[test]
fn a_constraint_never_waits_for_the_commit() {
    let mut stand = Folder::new();
    let mut store = suite::founded(&mut stand);
    let text =
        "CREATE TABLE part (name TEXT REFERENCES counter (name) DEFERRABLE INITIALLY DEFERRED)";
    let mut work = suite::begun(&mut *store, &suite::call(suite::serial(1, 1), 1));
    let told = suite::trouble(work.run(&[Op::Define { text: text.to_owned() }]));
    assert!(matches!(told, Trouble::Refused(_)), "{told:?}");
    drop(work);
    drop(store);
    // One that was made elsewhere costs the sitting, not the engine.
    stand.behind().execute_batch(text).unwrap();
    let mut store = stand.sqlite(5);
    let id = suite::call(suite::serial(1, 1), 1);
    let mut work = suite::begun(&mut store, &id);
    work.run(&[Op::sql("INSERT INTO part (name) VALUES ('nobody')", vec![])]).unwrap();
    work.finish(&suite::reply("", 1)).unwrap();
    assert!(matches!(suite::trouble(store.commit()), Trouble::Gone(_)));
    store.abandon().unwrap();
    suite::counted(&mut store, &id, 1);
}

#[test]
fn i17_what_a_former_engine_wrote_is_synced_before_it_is_read() {
    let stand = Folder::new();
    drop(stand.sqlite(5));
    for file in ["store.db-wal", "store.db"] {
        // What cannot be synced stands in for a sync that fails.
        let path = stand.0.path().join(file);
        let kept = stand.0.path().join("kept");
        std::fs::rename(&path, &kept).unwrap();
        std::os::unix::fs::symlink("/dev/null", &path).unwrap();
        match Sqlite::open(stand.0.path(), &suite::claim(6, 2)).map(drop) {
            Err(OpenRefused::Failed { place, what }) => {
                assert_eq!(place, stand.0.path().display().to_string());
                assert!(what.contains("Invalid argument"), "{file}: {what}");
            }
            other => panic!("{file}: {other:?}"),
        }
        std::fs::remove_file(&path).unwrap();
        std::fs::rename(&kept, &path).unwrap();
    }
    drop(stand.sqlite(6));
}

#[test]
fn what_a_deploy_was_given_is_no_programs_in_the_same_words() {
    let mut store = suite::founded(&mut Folder::new());
    let text = "REINDEX counter";
    let mut work = suite::begun(&mut *store, &suite::call(suite::serial(1, 1), 1));
    work.run(&[Op::Define { text: text.to_owned() }]).unwrap();
    let told = suite::trouble(work.run(&[Op::sql(text, vec![])]));
    assert!(matches!(told, Trouble::Refused(_)), "{told:?}");
}

#[test]
fn somebody_who_writes_beside_the_engine_costs_a_try_and_nothing_else() {
    let mut stand = Folder::new();
    let mut store = suite::founded(&mut stand);
    let behind = stand.behind();
    behind.execute_batch("BEGIN IMMEDIATE").unwrap();
    let call = suite::call(suite::serial(1, 1), 1);
    assert_eq!(suite::trouble(store.begin(&call)), Trouble::Again);
    behind.execute_batch("COMMIT").unwrap();
    suite::counted(&mut *store, &call, 1);
}

#[test]
fn i29_a_full_disk_costs_the_sitting_and_the_store_goes_on() {
    let stand = Folder::new();
    let mut store = stand.sqlite(5);
    let first = suite::call(suite::serial(1, 1), 1);
    suite::begun(&mut store, &first).finish(&suite::reply("kept", 1)).unwrap();
    store.commit().unwrap();
    store.limit_pages(1).unwrap();
    let large = suite::call(suite::serial(3, 1), 1);
    suite::begun(&mut store, &suite::call(suite::serial(2, 1), 1))
        .finish(&suite::reply("with it", 1))
        .unwrap();
    let told = suite::begun(&mut store, &large).finish(&suite::reply(vec![0; 1 << 20], 1));
    assert_eq!(suite::trouble(told), Trouble::Full);
    assert!(matches!(suite::trouble(store.commit()), Trouble::Gone(_)), "nobody is told");
    store.abandon().unwrap();
    assert_eq!(store.find(&suite::serial(2, 1)).unwrap(), None);
    assert!(store.find(&first.id).unwrap().is_some());
    store.limit_pages(1_073_741_823).unwrap();
    suite::begun(&mut store, &large).finish(&suite::reply(vec![0; 1 << 20], 1)).unwrap();
    store.commit().unwrap();
    assert!(matches!(store.begin(&large), Ok(Begun::Stored(_))));
}

#[test]
fn a_reader_sees_what_is_committed_and_writes_nothing() {
    let mut stand = Folder::new();
    drop(suite::founded(&mut stand));
    let mut store = stand.sqlite(5);
    let reader = store.reader().unwrap();
    let ask = |text: &str| reader.query(text, &[]);
    let mut work = suite::begun(&mut store, &suite::call(suite::serial(1, 1), 1));
    suite::added(&mut *work, 1);
    work.finish(&suite::reply("1", 1)).unwrap();
    assert_eq!(ask("SELECT value FROM counter").unwrap(), [[Value::Integer(0)]]);
    assert_eq!(reader.find(&suite::serial(1, 1)).unwrap(), None);
    store.commit().unwrap();
    assert_eq!(ask("SELECT value FROM counter").unwrap(), [[Value::Integer(1)]]);
    assert!(reader.find(&suite::serial(1, 1)).unwrap().is_some());
    for text in ["UPDATE counter SET value = 9", "BEGIN", "PRAGMA query_only = 0", "SELECT"] {
        assert!(matches!(suite::trouble(ask(text)), Trouble::Refused(_)), "{text}");
    }
}

#[test]
fn a_view_sees_one_moment_and_writes_nothing() {
    let mut stand = Folder::new();
    drop(suite::founded(&mut stand));
    let mut store = stand.sqlite(5);
    let reader = store.readers().open().unwrap();
    let value = Op::sql("SELECT value FROM counter", vec![]);
    let sees = || reader.view(&value).unwrap().rows[0][0].clone();
    assert_eq!(sees(), Value::Integer(0));
    suite::counted(&mut store, &suite::call(suite::serial(1, 1), 1), 1);
    assert_eq!(sees(), Value::Integer(0), "it is the same moment");
    reader.release().unwrap();
    reader.release().unwrap();
    assert_eq!(sees(), Value::Integer(1));
    for text in ["UPDATE counter SET value = 9", "WITH n AS (SELECT 1) DELETE FROM counter"] {
        let Err(Trouble::Refused(error)) = reader.view(&Op::sql(text, vec![])) else {
            panic!("{text} is carried out")
        };
        assert_eq!(error.text, "a service that only reads may not write");
    }
    for text in ["COMMIT", "/*tsugi*/ COMMIT", "DROP TABLE counter"] {
        let done = reader.view(&Op::sql(text, vec![]));
        assert!(matches!(done, Err(Trouble::Refused(_))), "{text}");
    }
    let define = Op::Define { text: "CREATE TABLE other (n BIGINT)".to_owned() };
    assert!(matches!(reader.view(&define), Err(Trouble::Refused(_))));
    assert_eq!(sees(), Value::Integer(1), "the view goes on");
}

#[test]
fn the_log_is_copied_beside_the_writer_and_begins_anew() {
    let mut stand = Folder::new();
    drop(suite::founded(&mut stand));
    let mut store = stand.sqlite(5);
    let checkpoints = store.checkpoints().unwrap();
    let (logged, mut longest) = (store.logged(), 0);
    for n in 1..=40 {
        suite::counted(&mut store, &suite::call(suite::serial(n, 1), 1), n);
        let done = checkpoints.run().unwrap();
        assert_eq!(done.pages, done.copied);
        assert_eq!(logged.load(Ordering::Relaxed), u64::try_from(done.pages).unwrap());
        longest = longest.max(log(stand.0.path()));
    }
    assert!(longest < 200_000, "{longest}");
    assert_eq!(suite::value(&mut store), 40);
}

fn log(folder: &Path) -> u64 {
    std::fs::metadata(folder.join("store.db-wal")).map_or(0, |log| log.len())
}

/// A small disk with a file system, mounted where only this thread sees it. Root alone can.
fn small_disk(folder: &Path) -> bool {
    use nix::mount::{MsFlags, mount};
    if !nix::unistd::geteuid().is_root() {
        return false;
    }
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).expect("a view of its own");
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_PRIVATE | MsFlags::MS_REC, none).expect("it is private");
    let image = folder.join("image");
    std::fs::File::create(&image).and_then(|file| file.set_len(16 << 20)).expect("an image");
    let volume = folder.join("volume");
    std::fs::create_dir(&volume).expect("a folder");
    for line in [["mkfs.ext4", "-q", "-F"], ["mount", "-o", "loop"]] {
        let mut tool = std::process::Command::new(line[0]);
        tool.args(&line[1..]).arg(&image);
        if line[0] == "mount" {
            tool.arg(&volume);
        }
        assert!(tool.status().expect("it runs").success(), "{line:?}");
    }
    true
}

#[test]
fn i29_on_a_disk_that_is_full_calls_are_refused_and_what_was_told_is_kept() {
    let folder = TempDir::new().unwrap();
    if !small_disk(folder.path()) {
        return;
    }
    let volume = folder.path().join("volume");
    let reserve = volume.join("reserve");
    std::fs::write(&reserve, vec![1; 2 << 20]).unwrap();
    let store_folder = volume.join("store");
    let mut store = Sqlite::open(&store_folder, &suite::claim(5, 1)).unwrap();
    let body = |n: i64| vec![u8::try_from(n % 251).unwrap(); 300_000];
    let mut told = 0;
    let trouble = loop {
        let call = suite::call(suite::serial(told + 1, 1), 1);
        let work = suite::begun(&mut store, &call);
        match work.finish(&suite::reply(body(told + 1), 1)).and_then(|_| store.commit()) {
            Ok(()) => told += 1,
            Err(trouble) => break trouble,
        }
    };
    assert_eq!(trouble, Trouble::Full, "after {told}");
    assert!(told > 10, "{told}");
    store.abandon().unwrap();
    let kept = |store: &mut Sqlite| {
        for n in 1..=told {
            let stored = store.find(&suite::serial(n, 1)).unwrap().expect("it was told");
            assert_eq!(stored.reply.body, body(n), "call {n}");
        }
        assert_eq!(store.find(&suite::serial(told + 1, 1)).unwrap(), None, "it was refused");
    };
    kept(&mut store);
    // With what was held back for this it goes on, and so does the next owner.
    std::fs::remove_file(&reserve).unwrap();
    let small = suite::call(suite::serial(told + 2, 1), 1);
    suite::begun(&mut store, &small).finish(&suite::reply("room", 1)).unwrap();
    store.commit().unwrap();
    drop(store);
    let mut store = Sqlite::open(&store_folder, &suite::claim(6, 2)).unwrap();
    kept(&mut store);
    assert!(matches!(store.begin(&small), Ok(Begun::Stored(_))));
    drop(store);
    nix::mount::umount(&volume).unwrap();
}
