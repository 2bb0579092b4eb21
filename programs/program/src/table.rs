//! The header's types as they lie in memory, one for one; a test compares them with the header.
//!
//! What each member means stands in `include/tsugi_program.h`, once.
#![expect(unsafe_code, reason = "functions of C, and bytes that the other side has written")]

use std::ffi::{c_char, c_void};
use std::ptr;

/// The version of everything here.
pub const ABI: u32 = 1;
/// A service returns it: what was done is kept.
pub const KEEP: i32 = 0;
/// A service returns it: what was done is undone. So does any other number but the two.
pub const UNDO: i32 = 1;
/// A service returns it: it cannot go on, and the call ends abnormally.
pub const BROKEN: i32 = i32::MIN;
/// The name of the one exported symbol, as a loader wants it.
pub const SYMBOL: &[u8] = b"tsugi_service_at\0";

/// Kind of a value: none.
pub const NULL: u8 = 0;
/// Kind of a value: `v.i`.
pub const INTEGER: u8 = 1;
/// Kind of a value: `v.f`.
pub const REAL: u8 = 2;
/// Kind of a value: `v.b`, UTF-8.
pub const TEXT: u8 = 3;
/// Kind of a value: `v.b`.
pub const BYTES: u8 = 4;
/// Kind of a value: `v.b`, an exact number in digits.
pub const DECIMAL: u8 = 5;

/// Bytes to be read.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct In {
    /// Where; may be null where `len` is 0.
    pub at: *const u8,
    /// How many.
    pub len: u64,
}

impl In {
    /// No bytes.
    pub const EMPTY: Self = Self { at: ptr::null(), len: 0 };

    /// These bytes, for as long as they stand.
    #[must_use]
    pub const fn of(bytes: &[u8]) -> Self {
        Self { at: bytes.as_ptr(), len: bytes.len() as u64 }
    }
}

/// Where bytes are to be written.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Out {
    /// Where; whoever writes more than `cap` points it at memory of its own.
    pub at: *mut u8,
    /// How many fit.
    pub cap: u64,
    /// How many there are.
    pub len: u64,
}

/// What a value holds.
#[repr(C)]
#[derive(Clone, Copy)]
pub union Held {
    /// A whole number.
    pub i: i64,
    /// A number of IEEE 754.
    pub f: f64,
    /// Text, bytes, digits.
    pub b: In,
}

/// A value of SQL.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Value {
    /// Which member of `v` counts.
    pub kind: u8,
    /// Zeros.
    pub res: [u8; 7],
    /// What it holds.
    pub v: Held,
}

impl Value {
    /// No value.
    pub const NULL: Self = Self { kind: NULL, res: [0; 7], v: Held { b: In::EMPTY } };
}

/// What call this is.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Info {
    /// Set by the program to what it knows, by the host to what it has set.
    pub size: u32,
    /// From 1.
    pub attempt: u32,
    /// Of the group.
    pub epoch: u64,
    /// The same in every attempt.
    pub id: In,
    /// Empty for a client's call.
    pub parent: In,
    /// Who called.
    pub client: In,
    /// Whose service it is.
    pub group: In,
    /// Where it runs.
    pub node: In,
    /// What was called.
    pub service: In,
}

// SAFETY: each of these is called with the `self` of its table, while start or call runs; what the
// pointers point at lives until the function returns.
/// Runs a statement.
pub type Sql = unsafe extern "C" fn(*mut c_void, In, *const Value, u32, *mut u64) -> u16;
/// Gives the next row.
pub type Row = unsafe extern "C" fn(*mut c_void, *mut Value, u32) -> u16;
// SAFETY: as above.
/// Calls another service.
pub type Call = unsafe extern "C" fn(*mut c_void, In, In, *mut Out) -> u16;
/// Writes to the log.
pub type Log = unsafe extern "C" fn(*mut c_void, u8, In);
// SAFETY: as above.
/// Marks the call as to be undone.
pub type Abort = unsafe extern "C" fn(*mut c_void, In);
/// Says what call this is.
pub type AskInfo = unsafe extern "C" fn(*mut c_void, *mut Info) -> u16;
// SAFETY: as above.
/// Says how much time is left.
pub type LeftMs = unsafe extern "C" fn(*mut c_void) -> u64;
/// Says something about the last code.
pub type Last = unsafe extern "C" fn(*mut c_void) -> *const c_char;
// SAFETY: as above.
/// Puts something on a queue.
pub type Put = unsafe extern "C" fn(*mut c_void, In, In, In) -> u16;
/// Sets a timer.
pub type TimerSet = unsafe extern "C" fn(*mut c_void, In, i64, In, In) -> u16;
// SAFETY: as above.
/// Cancels a timer, or writes a datum.
pub type OneIn = unsafe extern "C" fn(*mut c_void, In) -> u16;
/// Reads a datum.
pub type Next = unsafe extern "C" fn(*mut c_void, *mut Out) -> u16;

/// What a program may ask for.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Host {
    /// [`ABI`].
    pub abi: u32,
    /// Of the table, in bytes: nothing behind it is there.
    pub size: u32,
    /// The first argument of every function. In the header: `self`.
    pub own: *mut c_void,
    /// Runs a statement.
    pub sql: Option<Sql>,
    /// Gives the next row.
    pub row: Option<Row>,
    /// Calls another service.
    pub call: Option<Call>,
    /// Writes to the log.
    pub log: Option<Log>,
    /// Marks the call as to be undone.
    pub abort: Option<Abort>,
    /// Says what call this is.
    pub info: Option<AskInfo>,
    /// Says how much time is left.
    pub left_ms: Option<LeftMs>,
    /// Says something about the last code.
    pub last: Option<Last>,
    /// Reserved.
    pub put: Option<Put>,
    /// Reserved.
    pub timer_set: Option<TimerSet>,
    /// Reserved.
    pub timer_cancel: Option<OneIn>,
    /// Reserved.
    pub next: Option<Next>,
    /// Reserved.
    pub out: Option<OneIn>,
}

// SAFETY: the host keeps the header's rules: a table that is valid while the function runs, the
// state that start has set, and only after a start that was kept.
/// Makes a service ready in a worker.
pub type Start = unsafe extern "C" fn(*const Host, *mut *mut c_void) -> i32;
// SAFETY: as above.
/// Answers one call.
pub type Answer = unsafe extern "C" fn(*const Host, *mut c_void, In, *mut Out) -> i32;
/// Ends what start has begun.
pub type Stop = unsafe extern "C" fn(*mut c_void);
// SAFETY: any numbers may be given; what it points at is constant while the library is loaded.
/// The one exported symbol.
pub type ServiceAt = unsafe extern "C" fn(u32, u32) -> *const Service;

/// One service of a library.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Service {
    /// [`ABI`].
    pub abi: u32,
    /// Of this, in bytes: nothing behind it is there.
    pub size: u32,
    /// UTF-8 with a zero at its end.
    pub name: *const c_char,
    /// Likewise, or null.
    pub interface_hash: *const c_char,
    /// Once a worker; may be null.
    pub start: Option<Start>,
    /// Answers one call.
    pub call: Option<Answer>,
    /// Before an orderly end; may be null.
    pub stop: Option<Stop>,
}

// SAFETY: what a service points at is constant while its library is loaded, and so is itself.
unsafe impl Sync for Service {}

/// The bytes of an `In`, or what was written to an `Out`.
///
/// # Panics
/// Where there are bytes and they lie nowhere: whoever said so breaks the rules of the header.
///
/// # Safety
/// `len` bytes at `at` can be read and do not change for `'a`; `at` may be null where `len` is 0.
pub unsafe fn bytes<'a>(at: *const u8, len: u64) -> &'a [u8] {
    if len == 0 {
        return &[];
    }
    assert!(!at.is_null(), "{len} bytes are nowhere");
    let len = usize::try_from(len).expect("what lies in memory can be counted");
    // SAFETY: the caller says so, and `at` is not null.
    unsafe { std::slice::from_raw_parts(at, len) }
}
