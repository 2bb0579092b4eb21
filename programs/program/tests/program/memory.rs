//! A host in memory: counters, rows that were asked for, and what a program said.
#![expect(unsafe_code, reason = "the functions of the table")]

use std::collections::{BTreeMap, VecDeque};
use std::ffi::{CString, c_char, c_void};
use std::mem::size_of;

use tsugi_program::table::{self, ABI, In, Out};
use tsugi_program::{Code, DONE, Value, library, reserved};

/// A value that is kept.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    Bytes(Vec<u8>),
    Decimal(String),
}

impl Cell {
    fn of(value: &Value<'_>) -> Self {
        match *value {
            Value::Null => Self::Null,
            Value::Integer(i) => Self::Integer(i),
            Value::Real(f) => Self::Real(f),
            Value::Text(text) => Self::Text(text.to_owned()),
            Value::Bytes(bytes) => Self::Bytes(bytes.to_owned()),
            Value::Decimal(digits) => Self::Decimal(digits.to_owned()),
        }
    }

    fn value(&self) -> Value<'_> {
        match self {
            Self::Null => Value::Null,
            Self::Integer(i) => Value::Integer(*i),
            Self::Real(f) => Value::Real(*f),
            Self::Text(text) => Value::Text(text),
            Self::Bytes(bytes) => Value::Bytes(bytes),
            Self::Decimal(digits) => Value::Decimal(digits),
        }
    }
}

/// The host.
#[derive(Default)]
pub struct Memory {
    pub counters: BTreeMap<String, i64>,
    pub bound: Vec<Cell>,
    pub log: Vec<(u8, String)>,
    pub aborted: Option<String>,
    rows: VecDeque<Vec<Cell>>,
    given: Vec<Cell>,
    reply: Vec<u8>,
    last: CString,
}

impl Memory {
    /// With one counter.
    pub fn with(name: &str, value: i64) -> Self {
        Self { counters: BTreeMap::from([(name.to_owned(), value)]), ..Self::default() }
    }

    /// Its table, for as long as it stands where it is.
    pub fn table(&mut self) -> table::Host {
        table::Host {
            abi: ABI,
            size: size_of::<table::Host>() as u32,
            own: (&raw mut *self).cast(),
            sql: Some(sql),
            row: Some(row),
            call: Some(call),
            log: Some(log),
            abort: Some(abort),
            info: Some(info),
            left_ms: Some(left_ms),
            last: Some(last),
            put: Some(reserved::put),
            timer_set: Some(reserved::timer_set),
            timer_cancel: Some(reserved::timer_cancel),
            next: Some(reserved::next),
            out: Some(reserved::out),
        }
    }

    fn answers(&mut self, code: Code, text: &str) -> u16 {
        self.last = CString::new(text).expect("no zero inside");
        code.number()
    }

    fn run(&mut self, text: &str) -> Result<u64, (Code, &'static str)> {
        self.rows.clear();
        match (text, self.bound.as_slice()) {
            ("three", []) => {
                self.rows.extend((1..=3).map(|i| vec![Cell::Integer(i)]));
                Ok(0)
            }
            ("values", all) => {
                self.rows.push_back(all.to_vec());
                Ok(0)
            }
            (update, [Cell::Integer(more), Cell::Text(name)]) if update.starts_with("update") => {
                let Some(value) = self.counters.get_mut(name) else { return Ok(0) };
                *value += more;
                self.rows.push_back(vec![Cell::Integer(*value)]);
                Ok(1)
            }
            _ => Err((Code::Mistaken, "no such statement")),
        }
    }
}

/// # Safety
/// `own` is that of a table of this file, and nobody else has it now.
unsafe fn at<'a>(own: *mut c_void) -> &'a mut Memory {
    // SAFETY: the caller says so.
    unsafe { &mut *own.cast::<Memory>() }
}

/// # Safety
/// It is a program's, while its function runs.
unsafe fn text<'a>(given: In) -> &'a str {
    // SAFETY: the caller says so.
    let bytes = unsafe { table::bytes(given.at, given.len) };
    std::str::from_utf8(bytes).expect("the program's text is UTF-8")
}

// SAFETY: all of these are called by a program that keeps the rules of the header.
unsafe extern "C" fn sql(
    own: *mut c_void,
    statement: In,
    p: *const table::Value,
    np: u32,
    rows: *mut u64,
) -> u16 {
    // SAFETY: as above; there are as many parameters as it says.
    let (memory, statement) = unsafe { (at(own), text(statement)) };
    // SAFETY: as above.
    let value = |i: u32| unsafe { Cell::of(&Value::of(&*p.add(i as usize))) };
    memory.bound = (0..np).map(value).collect();
    match memory.run(statement) {
        Ok(changed) => {
            if !rows.is_null() {
                // SAFETY: not null, so there is room.
                unsafe { *rows = changed };
            }
            DONE
        }
        Err((code, why)) => memory.answers(code, why),
    }
}

// SAFETY: as above.
unsafe extern "C" fn row(own: *mut c_void, out: *mut table::Value, n: u32) -> u16 {
    // SAFETY: as above.
    let memory = unsafe { at(own) };
    let Some(next) = memory.rows.pop_front() else { return memory.answers(Code::NoRow, "") };
    if next.len() != n as usize {
        return memory.answers(Code::Mistaken, "another number of columns");
    }
    memory.given = next;
    for (i, cell) in memory.given.iter().enumerate() {
        // SAFETY: there is room for n.
        unsafe { *out.add(i) = cell.value().raw() };
    }
    DONE
}

// SAFETY: as above.
unsafe extern "C" fn call(own: *mut c_void, service: In, body: In, reply: *mut Out) -> u16 {
    // SAFETY: as above.
    let (memory, service, body) = unsafe { (at(own), text(service), text(body)) };
    if service != "GREETER" {
        return memory.answers(Code::CalleeRefused, "no such service");
    }
    memory.reply = format!("{body} to you").into_bytes();
    // SAFETY: as above; the buffer is as long as it says.
    unsafe {
        (*reply).len = memory.reply.len() as u64;
        if (*reply).len > (*reply).cap {
            (*reply).at = memory.reply.as_mut_ptr();
        } else {
            (*reply).at.copy_from(memory.reply.as_ptr(), memory.reply.len());
        }
    }
    DONE
}

// SAFETY: as above.
unsafe extern "C" fn log(own: *mut c_void, level: u8, line: In) {
    // SAFETY: as above.
    let (memory, line) = unsafe { (at(own), text(line)) };
    memory.log.push((level, line.to_owned()));
}

// SAFETY: as above.
unsafe extern "C" fn abort(own: *mut c_void, why: In) {
    // SAFETY: as above.
    let (memory, why) = unsafe { (at(own), text(why)) };
    memory.aborted = Some(why.to_owned());
}

/// What call it is.
pub fn info_now() -> table::Info {
    table::Info {
        size: 0,
        attempt: 2,
        epoch: 7,
        id: In::of(b"id"),
        parent: In::EMPTY,
        client: In::of(b"client"),
        group: In::of(b"group"),
        node: In::of(b"node"),
        service: In::of(b"COUNTER"),
    }
}

// SAFETY: as above.
unsafe extern "C" fn info(_own: *mut c_void, out: *mut table::Info) -> u16 {
    // SAFETY: as above.
    unsafe { library::tell(&info_now(), out) }
}

// SAFETY: as above.
unsafe extern "C" fn left_ms(_own: *mut c_void) -> u64 {
    2999
}

// SAFETY: as above.
unsafe extern "C" fn last(own: *mut c_void) -> *const c_char {
    // SAFETY: as above.
    unsafe { at(own) }.last.as_ptr()
}
