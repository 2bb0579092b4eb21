//! The writer's store: numbers, and the replies of the calls that counted them up.

use std::path::Path;

use rusqlite::{Connection, params};
use tsugi_frames::{Asked, Grid, Operation, Outcome, Rest, Rows, Value};

use super::callers::Call;

/// How many numbers there are.
pub const KEYS: u64 = 100_000;
/// What the program runs.
pub const STATEMENT: &str =
    "update counter set number = number + 1 where key = ?1 returning number";

/// A database on the disk, every commit synced.
pub struct Store {
    connection: Connection,
}

impl Store {
    /// A new one in `dir`.
    pub fn create(dir: &Path) -> Self {
        let connection = Connection::open(dir.join("store.db")).expect("the directory is ours");
        let made = connection.execute_batch(
            "pragma page_size = 4096;
             pragma journal_mode = wal;
             pragma synchronous = full;
             pragma wal_autocheckpoint = 2000;
             pragma cache_size = -32768;
             create table counter (key integer primary key, number integer not null) strict;
             create table reply (client integer not null, serial integer not null,
               digest blob not null, at integer not null, body blob not null,
               primary key (client, serial)) without rowid, strict;",
        );
        made.expect("the statements are right");
        let store = Self { connection };
        store.run("begin immediate");
        for key in 0..KEYS {
            let insert = "insert into counter values (?1, 0)";
            let mut insert = store.connection.prepare_cached(insert).expect("it is right");
            insert.execute([key]).expect("each key once");
        }
        store.run("commit");
        store
    }

    /// Runs a statement that brings nothing.
    pub fn run(&self, statement: &str) {
        let mut prepared = self.connection.prepare_cached(statement).expect("it is right");
        prepared.execute([]).expect("the disk works");
    }

    /// Counts a number up.
    pub fn count(&self, statement: &str, key: i64) -> i64 {
        let mut update = self.connection.prepare_cached(statement).expect("it is right");
        let mut rows = update.query([key]).expect("the disk works");
        let row = rows.next().expect("the disk works").expect("every key has a number");
        let number = row.get(0).expect("a number");
        assert!(rows.next().expect("the disk works").is_none(), "a key stands there once");
        number
    }

    /// Carries an operation of the program out.
    pub fn carry_out(&self, asked: &Asked<'_>) -> Outcome<'static> {
        let Operation::Sql { text, rows } = &asked.operation else {
            panic!("the program runs one statement: {asked:?}");
        };
        let [Value::Integer(key)] = rows.values() else { panic!("it has one parameter") };
        let text = if text.is_empty() { STATEMENT } else { &**text };
        let number = Value::Integer(self.count(text, *key));
        let rows = Grid::row(vec![number]).expect("one value fits");
        Outcome::Rows(Rows { changed: 1, rest: Rest::None, rows })
    }

    /// Keeps a reply.
    pub fn keep(&self, call: &Call, reply: &[u8]) {
        let insert = "insert into reply values (?1, ?2, ?3, 0, ?4)";
        let mut insert = self.connection.prepare_cached(insert).expect("it is right");
        let kept = insert.execute(params![call.caller, call.serial, [7_u8; 16], reply]);
        kept.expect("each serial once");
    }

    /// Every call was counted once, and its reply is there.
    pub fn check(&self, calls: usize) {
        let one = |query| {
            let count: rusqlite::Result<usize> = self.connection.query_row(query, [], |r| r.get(0));
            count.expect("the disk works")
        };
        assert_eq!(one("select sum(number) from counter"), calls, "lost or doubled");
        assert_eq!(one("select count(*) from reply"), calls, "replies lost or doubled");
    }
}
