//! Records in the store's tables, on SQLite in memory: as the engine will ask for them.

use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, params};
use tsugi_files::records::{Entry, Held, Records, Seek};

const TABLES: &str = "
create table cobol_file (
  file integer primary key, name text not null unique, fileset text not null,
  organization integer not null, min integer not null, max integer not null, keys blob not null,
  data integer not null, locked_by text, changed integer not null);
create table cobol_record (
  data integer not null, key blob not null, record blob not null, primary key (data, key)
) without rowid;
create table cobol_alternate (
  data integer not null, number integer not null, key blob not null, place integer not null,
  primary_key blob not null, primary key (data, number, key, place)
) without rowid;
create unique index cobol_alternate_of on cobol_alternate (data, number, primary_key);
create table cobol_garbage (data integer primary key);
";

const RECORD: &str = "select record from cobol_record where data = ?1 and key = ?2";
const ENTRY_OF: &str = "select key, place, primary_key from cobol_alternate
    where data = ?1 and number = ?2 and primary_key = ?3";

/// The store, and which generation of records is looked at.
pub struct Sqlite {
    store: Connection,
    pub data: i64,
    pub quota: Option<u64>,
}

impl Sqlite {
    pub fn new() -> Self {
        let store = Connection::open_in_memory().expect("a store in memory");
        store.execute_batch(TABLES).expect("the tables");
        Self { store, data: 1, quota: None }
    }

    /// A generation without records becomes the file's; the other one is garbage.
    pub fn renew(&mut self) {
        let garbage = "insert into cobol_garbage values (?1)";
        self.store.execute(garbage, [self.data]).expect("garbage");
        self.data += 1;
    }

    /// All that this generation holds, to be compared.
    pub fn content(&self) -> (Vec<Held>, Vec<(usize, Entry)>) {
        let records = "select key, record from cobol_record where data = ?1 order by key";
        let mut records = self.store.prepare(records).expect("a statement");
        let records = records.query_map([self.data], held).expect("records");
        let entries = "select key, place, primary_key, number from cobol_alternate
            where data = ?1 order by number, key, place";
        let mut entries = self.store.prepare(entries).expect("a statement");
        let entries = entries
            .query_map([self.data], |row| Ok((usize::from(row.get::<_, u8>(3)?), entry(row)?)));
        (
            records.collect::<Result<_, _>>().expect("records"),
            entries.expect("entries").collect::<Result<_, _>>().expect("entries"),
        )
    }

    /// Each look-up, and how SQLite goes about it.
    pub fn plans(&self) -> Vec<(&'static str, Vec<String>)> {
        let (key, at): (&[u8], (&[u8], u64)) = (&[], (&[], 0));
        let mut texts = vec![RECORD, ENTRY_OF];
        texts.extend(each(key).map(|seek| record_query(seek).0));
        texts.extend(each(at).map(|seek| entry_query(seek).0));
        let plan = |text: &'static str| {
            let mut plan = self.store.prepare(&format!("explain query plan {text}"))?;
            let (mut rows, mut steps) = (plan.raw_query(), Vec::new());
            while let Some(row) = rows.next()? {
                steps.push(row.get(3)?);
            }
            Ok((text, steps))
        };
        let plans: rusqlite::Result<_> = texts.into_iter().map(plan).collect();
        plans.expect("plans")
    }

    fn statement(&self, text: &str) -> rusqlite::Result<CachedStatement<'_>> {
        self.store.prepare_cached(text)
    }
}

fn held(row: &Row<'_>) -> rusqlite::Result<Held> {
    Ok(Held { key: row.get(0)?, record: row.get(1)? })
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let place: i64 = row.get(1)?;
    let place = u64::try_from(place).expect("a place");
    Ok(Entry { key: row.get(0)?, place, primary: row.get(2)? })
}

fn each<K: Copy>(at: K) -> [Seek<K>; 6] {
    let (least, above) = (Seek::AtLeast(at), Seek::Above(at));
    [Seek::First, Seek::Last, least, above, Seek::Below(at), Seek::AtMost(at)]
}

/// A statement that finds one record, and what it compares with.
fn record_query(seek: Seek<&[u8]>) -> (&'static str, &[u8]) {
    macro_rules! text {
        ($condition:literal, $order:literal) => {
            concat!(
                "select key, record from cobol_record where data = ?1 and ",
                $condition,
                " order by key ",
                $order,
                " limit 1"
            )
        };
    }
    match seek {
        Seek::First => (text!("key >= ?2", "asc"), &[]),
        Seek::Last => (text!("?2 = ?2", "desc"), &[]),
        Seek::AtLeast(key) => (text!("key >= ?2", "asc"), key),
        Seek::Above(key) => (text!("key > ?2", "asc"), key),
        Seek::Below(key) => (text!("key < ?2", "desc"), key),
        Seek::AtMost(key) => (text!("key <= ?2", "desc"), key),
    }
}

fn entry_query(seek: Seek<(&[u8], u64)>) -> (&'static str, (&[u8], u64)) {
    macro_rules! text {
        ($condition:literal, $order:literal) => {
            concat!(
                "select key, place, primary_key from cobol_alternate
                 where data = ?1 and number = ?2 and ",
                $condition,
                " order by key ",
                $order,
                ", place ",
                $order,
                " limit 1"
            )
        };
    }
    match seek {
        Seek::First => (text!("(key, place) >= (?3, ?4)", "asc"), (&[], 0)),
        Seek::Last => (text!("?3 = ?3 and ?4 = ?4", "desc"), (&[], 0)),
        Seek::AtLeast(at) => (text!("(key, place) >= (?3, ?4)", "asc"), at),
        Seek::Above(at) => (text!("(key, place) > (?3, ?4)", "asc"), at),
        Seek::Below(at) => (text!("(key, place) < (?3, ?4)", "desc"), at),
        Seek::AtMost(at) => (text!("(key, place) <= (?3, ?4)", "desc"), at),
    }
}

impl Records for Sqlite {
    type Error = rusqlite::Error;

    fn record(&mut self, key: &[u8]) -> rusqlite::Result<Option<Vec<u8>>> {
        self.statement(RECORD)?.query_row(params![self.data, key], |row| row.get(0)).optional()
    }

    fn seek(&mut self, seek: Seek<&[u8]>) -> rusqlite::Result<Option<Held>> {
        let (text, key) = record_query(seek);
        self.statement(text)?.query_row(params![self.data, key], held).optional()
    }

    fn put(&mut self, key: &[u8], record: &[u8]) -> rusqlite::Result<()> {
        let text = "insert into cobol_record values (?1, ?2, ?3)
            on conflict (data, key) do update set record = excluded.record";
        self.statement(text)?.execute(params![self.data, key, record])?;
        Ok(())
    }

    fn remove(&mut self, key: &[u8]) -> rusqlite::Result<()> {
        let text = "delete from cobol_record where data = ?1 and key = ?2";
        self.statement(text)?.execute(params![self.data, key])?;
        Ok(())
    }

    fn seek_entry(
        &mut self,
        number: usize,
        seek: Seek<(&[u8], u64)>,
    ) -> rusqlite::Result<Option<Entry>> {
        let (text, (key, place)) = entry_query(seek);
        self.statement(text)?.query_row(params![self.data, number, key, place], entry).optional()
    }

    fn entry_of(&mut self, number: usize, primary: &[u8]) -> rusqlite::Result<Option<Entry>> {
        self.statement(ENTRY_OF)?.query_row(params![self.data, number, primary], entry).optional()
    }

    fn put_entry(&mut self, number: usize, entry: &Entry) -> rusqlite::Result<()> {
        let text = "insert into cobol_alternate values (?1, ?2, ?3, ?4, ?5)";
        let row = params![self.data, number, entry.key, entry.place, entry.primary];
        self.statement(text)?.execute(row)?;
        Ok(())
    }

    fn remove_entry(&mut self, number: usize, entry: &Entry) -> rusqlite::Result<()> {
        let text = "delete from cobol_alternate
            where data = ?1 and number = ?2 and key = ?3 and place = ?4";
        self.statement(text)?.execute(params![self.data, number, entry.key, entry.place])?;
        Ok(())
    }

    fn is_full(&mut self) -> rusqlite::Result<bool> {
        let Some(quota) = self.quota else { return Ok(false) };
        let text = "select count(*) from cobol_record where data = ?1";
        let count: u64 = self.statement(text)?.query_row([self.data], |row| row.get(0))?;
        Ok(count >= quota)
    }
}
