//! What a service in Rust may ask for while it answers a call.
#![expect(unsafe_code, reason = "functions that the host has given")]

use std::ffi::{CStr, c_void};
use std::marker::PhantomData;
use std::mem::{offset_of, size_of};
use std::ptr;
use std::time::Duration;

use crate::code::{Code, NotDone};
use crate::edge::Abort;
use crate::table::{self, In, Out};
use crate::value::Value;

/// The table of one call. All that is done through it belongs to one unit of work, which is kept
/// together with the reply or undone together with it.
#[derive(Debug)]
pub struct Host<'c> {
    at: *const table::Host,
    size: usize,
    own: *mut c_void,
    call: PhantomData<&'c mut table::Host>,
}

/// How urgent a line of the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// For whoever mends the program.
    Debug,
    /// Something happened that is as it should be.
    Information,
    /// Something may become an error.
    Warning,
    /// Something went wrong.
    Error,
}

impl Level {
    /// Its number in the table.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Debug => 0,
            Self::Information => 1,
            Self::Warning => 2,
            Self::Error => 3,
        }
    }
}

/// What call this is; its texts live until the call returns. What the host is too old to tell is
/// empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info<'c> {
    /// The same in every attempt.
    pub id: &'c str,
    /// The call that made this one; empty for a client's call.
    pub parent: &'c str,
    /// Who called.
    pub client: &'c str,
    /// Whose service it is.
    pub group: &'c str,
    /// Where it runs.
    pub node: &'c str,
    /// What was called.
    pub service: &'c str,
    /// Of the group: it only rises, from owner to owner.
    pub epoch: u64,
    /// 1; more where the call was undone, not by its own fault, and runs again.
    pub attempt: u32,
}

/// A function of the table: none where the table ends before it, or has null there.
macro_rules! function {
    ($host:expr, $name:ident) => {{
        let end = offset_of!(table::Host, $name) + size_of::<*const c_void>();
        // SAFETY: the table of this call stands, and the member is inside of the size it says.
        if $host.size < end { None } else { unsafe { (*$host.at).$name } }
    }};
}

impl<'c> Host<'c> {
    /// The table that a host has given; none where it is of another ABI or shorter than its head.
    ///
    /// # Safety
    /// `at` is null, or a table by the rules of the header that is valid for the lifetime that the
    /// caller gives to what it gets.
    pub(crate) unsafe fn over(at: *const table::Host) -> Option<Self> {
        if at.is_null() {
            return None;
        }
        // SAFETY: `abi` and `size` are in every table of every version.
        let (abi, size) = unsafe { ((*at).abi, (*at).size as usize) };
        if abi != table::ABI || size < offset_of!(table::Host, sql) {
            return None;
        }
        // SAFETY: the head is inside of the size.
        let own = unsafe { (*at).own };
        Some(Self { at, size, own, call: PhantomData })
    }

    /// Runs a statement; `?1` is the first parameter. How many rows it changed.
    ///
    /// # Errors
    /// What the store says, a limit, or a statement that a service may not run. The statement
    /// alone is undone.
    pub fn sql(&mut self, text: &str, parameters: &[Value<'_>]) -> Result<u64, NotDone> {
        let sql = function!(self, sql).ok_or_else(missing)?;
        let raw: Vec<_> = parameters.iter().map(Value::raw).collect();
        let count = u32::try_from(raw.len()).map_err(|_| too_large())?;
        let mut rows = 0;
        let text = In::of(text.as_bytes());
        // SAFETY: text and parameters stand until the function returns.
        let number = unsafe { sql(self.own, text, raw.as_ptr(), count, &raw mut rows) };
        self.done(number).map(|()| rows)
    }

    /// The next row of the last statement, with all its `N` columns; none after the last.
    ///
    /// # Errors
    /// Another number of columns, or what the store says.
    ///
    /// # Panics
    /// Where the host breaks the rules of the header.
    pub fn row<const N: usize>(&mut self) -> Result<Option<[Value<'_>; N]>, NotDone> {
        let row = function!(self, row).ok_or_else(missing)?;
        let count = u32::try_from(N).map_err(|_| too_large())?;
        let mut raw = [table::Value::NULL; N];
        // SAFETY: there is room for as many values as it says.
        let number = unsafe { row(self.own, raw.as_mut_ptr(), count) };
        match self.done(number) {
            // SAFETY: the values live until the next row or statement, which borrows the host.
            Ok(()) => Ok(Some(raw.map(|value| unsafe { Value::of(&value) }))),
            Err(end) if end.code == Code::NoRow => Ok(None),
            Err(not_done) => Err(not_done),
        }
    }

    /// Calls another service in the same unit of work; its reply.
    ///
    /// # Errors
    /// The service is unknown, refuses, failed, or may not be called from here.
    ///
    /// # Panics
    /// Where the host breaks the rules of the header.
    pub fn call(&mut self, service: &str, body: &[u8]) -> Result<Vec<u8>, NotDone> {
        let call = function!(self, call).ok_or_else(missing)?;
        // No buffer: the host has the reply in its memory anyway, and it is copied once.
        let mut reply = Out { at: ptr::null_mut(), cap: 0, len: 0 };
        let (service, body) = (In::of(service.as_bytes()), In::of(body));
        // SAFETY: service and body stand until the function returns.
        let number = unsafe { call(self.own, service, body, &raw mut reply) };
        self.done(number)?;
        // SAFETY: the host has pointed it at its own memory, which stands until the next call.
        Ok(unsafe { table::bytes(reply.at, reply.len) }.to_vec())
    }

    /// Writes a line to the log, which is kept whatever becomes of the call.
    pub fn log(&self, level: Level, text: &str) {
        if let Some(log) = function!(self, log) {
            // SAFETY: the text stands until the function returns.
            unsafe { log(self.own, level.number(), In::of(text.as_bytes())) }
        }
    }

    /// Marks the call as to be undone, whatever it returns; what it then returns as its error.
    #[must_use = "a call that is to be undone returns"]
    pub fn abort(&mut self, why: &str) -> Abort {
        if let Some(abort) = function!(self, abort) {
            // SAFETY: the text stands until the function returns.
            unsafe { abort(self.own, In::of(why.as_bytes())) }
        }
        Abort::new(why)
    }

    /// What call this is.
    ///
    /// # Errors
    /// The host does not tell.
    ///
    /// # Panics
    /// Where the host breaks the rules of the header.
    pub fn info(&self) -> Result<Info<'c>, NotDone> {
        let info = function!(self, info).ok_or_else(missing)?;
        let none = In::EMPTY;
        let size = size_of::<table::Info>() as u32;
        let mut raw = table::Info {
            size,
            attempt: 0,
            epoch: 0,
            id: none,
            parent: none,
            client: none,
            group: none,
            node: none,
            service: none,
        };
        // SAFETY: there is room for as much as `size` says.
        let number = unsafe { info(self.own, &raw mut raw) };
        self.done(number)?;
        Ok(Info {
            id: Self::text(raw.id),
            parent: Self::text(raw.parent),
            client: Self::text(raw.client),
            group: Self::text(raw.group),
            node: Self::text(raw.node),
            service: Self::text(raw.service),
            epoch: raw.epoch,
            attempt: raw.attempt,
        })
    }

    /// How long until the deadline; then the worker is killed.
    ///
    /// # Errors
    /// The host does not tell.
    pub fn left(&self) -> Result<Duration, NotDone> {
        let left = function!(self, left_ms).ok_or_else(missing)?;
        // SAFETY: it takes nothing but the table's own pointer.
        Ok(Duration::from_millis(unsafe { left(self.own) }))
    }

    /// A text that lives until the call returns, longer than this borrow of its host.
    fn text(raw: In) -> &'c str {
        // SAFETY: the host says that it lives so long.
        let bytes = unsafe { table::bytes(raw.at, raw.len) };
        std::str::from_utf8(bytes).expect("the host's text is UTF-8")
    }

    fn done(&self, number: u16) -> Result<(), NotDone> {
        let Some(code) = Code::of(number) else { return Ok(()) };
        let said = function!(self, last).map_or(ptr::null(), |last| {
            // SAFETY: it takes nothing but the table's own pointer.
            unsafe { last(self.own) }
        });
        if said.is_null() {
            return Err(NotDone { code, text: String::new() });
        }
        // SAFETY: not null, so it ends with a zero and lives until the next operation.
        let text = unsafe { CStr::from_ptr(said) }.to_string_lossy().into_owned();
        Err(NotDone { code, text })
    }
}

/// Where the table ends before a function its host is older than this crate.
fn missing() -> NotDone {
    NotDone { code: Code::NotInThisVersion, text: String::new() }
}

fn too_large() -> NotDone {
    NotDone { code: Code::TooLarge, text: String::new() }
}
