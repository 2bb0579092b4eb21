//! A host with its files in memory and its tables in SQLite: worker and engine in one.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs::File;
use std::io::Write as _;

use rusqlite::Connection;
use rusqlite::types::{Value as Held, ValueRef};
use tsugi_cobol::{Host, Info, Listed};
use tsugi_files::answers::{Cursor, ReadDuplicates, Terms};
use tsugi_files::definition::Definition;
use tsugi_files::open::{
    Known, Named, Opened, Opening, Others, Presence, Recreate, Rights, delete_file, open,
};
use tsugi_files::operation::{Answer, Operation};
use tsugi_files::spoken::{self, Request};
use tsugi_files::status::Status;
use tsugi_frames::{Bytes, Code, Reply, Trouble, Value};

use crate::model::memory::Memory;

struct Stored {
    name: String,
    definition: Definition,
    presence: Presence,
    records: Memory,
}

/// The host of one child.
pub struct Desk {
    files: Vec<Stored>,
    /// What any other name is, if it is a file.
    pub others: Option<Definition>,
    /// By slot: which file, and where it stands.
    opens: BTreeMap<u16, (usize, Option<Cursor>)>,
    tables: Connection,
    rows: Vec<Vec<Value<'static>>>,
    said: File,
}

fn trouble(code: Code, text: &str) -> Trouble<'static> {
    let (sqlstate, message) = ("".into(), "".into());
    Trouble { code, sqlstate, message, text: text.to_owned().into() }
}

impl Desk {
    pub fn new(said: File) -> Self {
        let tables = Connection::open_in_memory().unwrap();
        let (files, opens, rows) = (Vec::new(), BTreeMap::new(), Vec::new());
        Self { files, others: None, opens, tables, rows, said }
    }

    /// A file of the service, not made yet.
    pub fn add(&mut self, name: &str, definition: Definition) {
        let (name, presence) = (name.to_owned(), Presence::Missing);
        self.files.push(Stored { name, definition, presence, records: Memory::default() });
    }

    /// A line of what came of all this.
    pub fn say(&mut self, line: &str) {
        writeln!(self.said, "{line}").unwrap();
    }

    /// Positions end with the call.
    pub fn call_ended(&mut self) {
        self.opens.values_mut().for_each(|(_, cursor)| *cursor = None);
    }

    fn named(stored: &Stored, presence: Presence) -> Named {
        let rights = if stored.name.starts_with("READ") { Rights::Read } else { Rights::Change };
        let (recreate, others) = (Recreate::Refused, Others::Share);
        Named::In(Known { presence, rights, recreate, others })
    }
}

impl Host for Desk {
    fn file(&mut self, name: &str) -> Option<Listed> {
        if !self.files.iter().any(|stored| stored.name == name) {
            let others = self.others.clone()?;
            self.add(name, others);
        }
        let index = self.files.iter().position(|stored| stored.name == name)?;
        let definition = self.files[index].definition.clone();
        Some(Listed { index: u16::try_from(index).unwrap(), definition })
    }

    fn open(&mut self, slot: u16, request: &Request) -> Opening {
        // As it would arrive.
        let request = Request::heard(&request.said()).unwrap().unwrap();
        let at = usize::from(request.file);
        let stored = &mut self.files[at];
        let presence = match (stored.presence, &request.differs) {
            (Presence::Missing, _) => Presence::Missing,
            (_, None) => Presence::Fits,
            (_, Some(_)) => Presence::Differs,
        };
        let named = Self::named(stored, presence);
        let organization = match &request.differs {
            Some(differs) => differs.organization(),
            None => stored.definition.organization(),
        };
        let opening = open(organization, request.mode, request.optional, named);
        if let Opening::Done(_, opened) = opening {
            if opened == Opened::Made {
                stored.records = Memory::default();
                stored.presence = Presence::Fits;
                stored.definition = request.differs.unwrap_or_else(|| stored.definition.clone());
            }
            self.opens.insert(slot, (at, None));
        }
        let said = spoken::opening_said(opening);
        spoken::opening_heard(spoken::status_heard(&said).unwrap(), request.mode)
    }

    fn remove(&mut self, file: u16) -> Status {
        let stored = &mut self.files[usize::from(file)];
        let status = delete_file(Self::named(stored, stored.presence));
        if status == Status::Done {
            stored.records = Memory::default();
            stored.presence = Presence::Missing;
        }
        status
    }

    fn operate(&mut self, slot: u16, operation: &Operation<'_>) -> Answer {
        let (at, cursor) = self.opens.get_mut(&slot).expect("an open file");
        let stored = &mut self.files[*at];
        let said = spoken::operation_said(operation);
        let organization = stored.definition.organization();
        let operation = spoken::operation_heard(&said, organization).unwrap();
        let cursor = cursor.get_or_insert_with(|| Cursor::new(&stored.definition));
        let read_duplicates = ReadDuplicates::Untold;
        let terms = Terms { definition: &stored.definition, read_duplicates };
        let answer: Result<_, tsugi_files::operation::Failure<Infallible>> =
            cursor.answer(terms, &mut stored.records, &operation);
        let answer = answer.expect("an answer");
        spoken::answer_heard(&spoken::answer_said(&answer)).unwrap()
    }

    fn sql(&mut self, text: &str, parameters: &[Value<'_>]) -> Result<u64, Trouble<'static>> {
        self.rows.clear();
        let wrong = |error: rusqlite::Error| match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::ConstraintViolation) => {
                trouble(Code::Duplicate, "it is there already")
            }
            _ => trouble(Code::Mistaken, &error.to_string()),
        };
        let held = parameters.iter().map(|value| match value {
            Value::Null => Held::Null,
            Value::Integer(whole) => Held::Integer(*whole),
            Value::Real(real) => Held::Real(*real),
            Value::Text(text) | Value::Decimal(text) => Held::Text(text.to_string()),
            Value::Bytes(bytes) => Held::Blob(bytes.to_vec()),
        });
        let mut statement = self.tables.prepare(text).map_err(wrong)?;
        let columns = statement.column_count();
        let mut rows =
            statement.query(rusqlite::params_from_iter(held.collect::<Vec<_>>())).map_err(wrong)?;
        while let Some(row) = rows.next().map_err(wrong)? {
            let value = |at| match row.get_ref(at).unwrap() {
                ValueRef::Null => Value::Null,
                ValueRef::Integer(whole) => Value::Integer(whole),
                ValueRef::Real(real) => Value::Real(real),
                ValueRef::Text(text) => {
                    Value::Text(String::from_utf8(text.to_vec()).unwrap().into())
                }
                ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec().into()),
            };
            self.rows.push((0..columns).map(value).collect());
        }
        self.rows.reverse();
        drop(rows);
        drop(statement);
        Ok(self.tables.changes())
    }

    fn row(&mut self, columns: usize) -> Result<Vec<Value<'static>>, Trouble<'static>> {
        if self.rows.last().is_some_and(|row| row.len() != columns) {
            return Err(trouble(Code::Mistaken, "another number of columns"));
        }
        self.rows.pop().ok_or_else(|| trouble(Code::NoRow, ""))
    }

    fn call(
        &mut self,
        service: &str,
        body: Vec<Bytes<'_>>,
    ) -> Result<Reply<'static>, Trouble<'static>> {
        match service {
            "TWICE" => {
                let twice = |bytes: &Bytes<'_>| Bytes::from(bytes.to_ascii_uppercase());
                Ok(Reply { return_code: -7, parameters: body.iter().map(twice).collect() })
            }
            "PANIC" => panic!("the host is wrong"),
            "LONG" => Ok(Reply { return_code: 0, parameters: vec![vec![b'x'; 100].into()] }),
            _ => Err(trouble(Code::CalleeRefused, "no such service")),
        }
    }

    fn log(&mut self, level: u8, text: &str) {
        self.say(&format!("log {level} {text}"));
    }

    fn abort(&mut self, why: &str) {
        self.say(&format!("abort {why}"));
    }

    fn info(&mut self) -> Info {
        Info {
            id: "0123-4567-1".to_owned(),
            parent: String::new(),
            client: "till-7".to_owned(),
            service: "CBLAPP01".to_owned(),
            group: "ESSRV01".to_owned(),
            node: "node-1".to_owned(),
            epoch: 42,
            attempt: 2,
        }
    }

    fn left_ms(&mut self) -> u64 {
        4_321
    }
}
