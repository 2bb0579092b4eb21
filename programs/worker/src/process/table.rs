//! The functions of the C table, over the host of one call.
//!
//! What a program gives against the rules of the header and can be noticed is answered *mistaken*.
#![expect(unsafe_code, reason = "functions that a program calls by the rules of the header")]

use std::borrow::Cow;
use std::ffi::{CString, c_char, c_void};
use std::mem::size_of;
use std::ptr;

use tsugi_frames::{Code, Grid, Operation, Outcome, Value, is_decimal};
use tsugi_program::table::{self, ABI, In, Out};
use tsugi_program::{DONE, Value as Given, library, reserved};

use super::host::Host;
use super::rows::{Cursor, Refused};

pub use super::rows::Slots;

/// What one call's table stands for.
pub struct Bound<'a, 'c> {
    /// None while a service starts: nothing can be asked for then.
    host: Option<&'a mut Host<'c>>,
    slots: &'a mut Slots,
    cursor: Cursor,
    /// The row that was given last: the program reads it where it lies.
    row: Vec<Value<'static>>,
    reply: Vec<u8>,
    said: CString,
    aborted: Option<String>,
}

/// A table, for as long as what it stands for is lent.
pub struct Table<'b>(pub table::Host, std::marker::PhantomData<&'b mut ()>);

impl<'a, 'c> Bound<'a, 'c> {
    /// While a service starts.
    pub fn at_start(slots: &'a mut Slots) -> Self {
        Self::new(None, slots)
    }

    /// While it answers a call.
    pub fn in_call(host: &'a mut Host<'c>, slots: &'a mut Slots) -> Self {
        Self::new(Some(host), slots)
    }

    fn new(host: Option<&'a mut Host<'c>>, slots: &'a mut Slots) -> Self {
        let (cursor, row, reply) = (Cursor::default(), Vec::new(), Vec::new());
        Self { host, slots, cursor, row, reply, said: CString::default(), aborted: None }
    }

    /// Why the program has marked its call as to be undone, if it has.
    pub fn aborted(&mut self) -> Option<String> {
        self.aborted.take()
    }

    /// The table that the program is given.
    pub fn table(&mut self) -> Table<'_> {
        let table = table::Host {
            abi: ABI,
            size: size_of::<table::Host>() as u32,
            own: ptr::from_mut(self).cast(),
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
        };
        Table(table, std::marker::PhantomData)
    }

    /// The number of how an operation ended; what there is to say about it is kept.
    fn answer<T>(&mut self, ended: Result<T, Refused>, give: impl FnOnce(T)) -> u16 {
        match ended {
            Ok(got) => {
                self.said = CString::default();
                give(got);
                DONE
            }
            Err((code, text)) => {
                let text = text.replace('\0', " ");
                self.said = CString::new(text).unwrap_or_default();
                code.number()
            }
        }
    }

    fn run(&mut self, text: &str, values: Vec<Value<'_>>) -> Result<u64, Refused> {
        let Some(host) = &mut self.host else { return Err(at_start()) };
        let most = host.limits().parameters;
        if values.len() > usize::from(most) {
            let says = format!("{} parameters, at most {most}", values.len());
            return Err((Code::TooLarge, says));
        }
        let rows = Grid::row(values).map_err(|wrong| (Code::TooLarge, wrong.to_string()))?;
        self.cursor.run(host, self.slots, text, rows)
    }

    fn next(&mut self, columns: usize) -> Result<(), Refused> {
        let Some(host) = &mut self.host else { return Err(at_start()) };
        self.row = self.cursor.next(host, columns)?;
        Ok(())
    }

    fn pass_on(&mut self, service: &str, body: &[u8]) -> Result<(), Refused> {
        let Some(host) = &mut self.host else { return Err(at_start()) };
        let operation = Operation::Call { service: service.into(), body: vec![body.into()] };
        self.reply = host.ask(0, operation, |outcome| match outcome {
            Outcome::Reply(reply) => match &reply.parameters[..] {
                [] => Ok(Vec::new()),
                [one] => Ok(one.to_vec()),
                more => {
                    let says = format!("the service answers {} parameters, not one", more.len());
                    Err((Code::Mistaken, says))
                }
            },
            Outcome::Trouble(trouble) => Err((trouble.code, trouble.text.into_owned())),
            Outcome::Rows(_) | Outcome::File(_) => {
                Err((Code::Mistaken, "the engine has answered something else".to_owned()))
            }
        })?;
        Ok(())
    }
}

fn at_start() -> Refused {
    (Code::NotAllowed, "while a service starts nothing is asked for".to_owned())
}

fn mistaken(says: &str) -> Refused {
    (Code::Mistaken, says.to_owned())
}

/// What `own` of a table stands for.
///
/// # Safety
/// It is that of a table whose start or call runs, on the thread that runs it.
unsafe fn bound<'b, 'a, 'c>(own: *mut c_void) -> &'b mut Bound<'a, 'c> {
    // SAFETY: the caller says so; no other function of the table runs meanwhile.
    unsafe { &mut *own.cast::<Bound<'a, 'c>>() }
}

/// # Safety
/// As in the header: it can be read where it has a length.
unsafe fn bytes<'b>(given: In) -> Result<&'b [u8], Refused> {
    if given.at.is_null() && given.len > 0 {
        return Err(mistaken("bytes that are nowhere"));
    }
    // SAFETY: the caller says so, and they are somewhere.
    Ok(unsafe { table::bytes(given.at, given.len) })
}

/// # Safety
/// As in the header: it can be read where it has a length.
unsafe fn text<'b>(given: In) -> Result<&'b str, Refused> {
    // SAFETY: the caller says so.
    let bytes = unsafe { bytes(given) }?;
    std::str::from_utf8(bytes).map_err(|_| mistaken("a text that is not UTF-8"))
}

/// # Safety
/// As in the header: the member that the kind names is set.
unsafe fn value<'b>(raw: &table::Value) -> Result<Value<'b>, Refused> {
    // SAFETY: the caller says so; only the member that the kind names is read.
    unsafe {
        Ok(match raw.kind {
            table::NULL => Value::Null,
            table::INTEGER => Value::Integer(raw.v.i),
            table::REAL => Value::Real(raw.v.f),
            table::TEXT => Value::Text(Cow::Borrowed(text(raw.v.b)?)),
            table::BYTES => Value::Bytes(Cow::Borrowed(bytes(raw.v.b)?)),
            table::DECIMAL => match text(raw.v.b)? {
                digits if is_decimal(digits) => Value::Decimal(Cow::Borrowed(digits)),
                _ => return Err(mistaken("a decimal that is none")),
            },
            _ => return Err(mistaken("a value of an unknown kind")),
        })
    }
}

// SAFETY: the program gives what the header says, as to all of these.
unsafe extern "C" fn sql(
    own: *mut c_void,
    statement: In,
    p: *const table::Value,
    np: u32,
    rows: *mut u64,
) -> u16 {
    // SAFETY: it is the table's own pointer.
    let bound = unsafe { bound(own) };
    let ran = (|| {
        if p.is_null() && np > 0 {
            return Err(mistaken("parameters that are nowhere"));
        }
        // SAFETY: the text can be read, and there are as many parameters as it says.
        let statement = unsafe { text(statement) }?;
        // SAFETY: as above.
        let values = (0..np as usize).map(|at| unsafe { value(&*p.add(at)) });
        bound.run(statement, values.collect::<Result<_, _>>()?)
    })();
    bound.answer(ran, |changed| {
        if !rows.is_null() {
            // SAFETY: not null, so there is room.
            unsafe { *rows = changed };
        }
    })
}

// SAFETY: as above.
unsafe extern "C" fn row(own: *mut c_void, out: *mut table::Value, n: u32) -> u16 {
    // SAFETY: it is the table's own pointer.
    let bound = unsafe { bound(own) };
    let next = if out.is_null() && n > 0 {
        Err(mistaken("room that is nowhere"))
    } else {
        bound.next(n as usize)
    };
    let number = bound.answer(next, |()| ());
    if number == DONE {
        for (at, value) in bound.row.iter().enumerate() {
            let given = match value {
                Value::Null => Given::Null,
                Value::Integer(number) => Given::Integer(*number),
                Value::Real(number) => Given::Real(*number),
                Value::Text(text) => Given::Text(text),
                Value::Bytes(bytes) => Given::Bytes(bytes),
                Value::Decimal(digits) => Given::Decimal(digits),
            };
            // SAFETY: there is room for n, and a row has n.
            unsafe { *out.add(at) = given.raw() };
        }
    }
    number
}

// SAFETY: as above.
unsafe extern "C" fn call(own: *mut c_void, service: In, body: In, reply: *mut Out) -> u16 {
    // SAFETY: it is the table's own pointer.
    let bound = unsafe { bound(own) };
    let called = (|| {
        if reply.is_null() {
            return Err(mistaken("no room for a reply"));
        }
        // SAFETY: both can be read.
        let (service, body) = unsafe { (text(service)?, bytes(body)?) };
        bound.pass_on(service, body)
    })();
    let number = bound.answer(called, |()| ());
    if number == DONE {
        let len = bound.reply.len() as u64;
        // SAFETY: not null, so it is an `Out`, whose room is as long as it says.
        unsafe {
            (*reply).len = len;
            if len > (*reply).cap {
                (*reply).at = bound.reply.as_mut_ptr();
            } else if len > 0 {
                (*reply).at.copy_from(bound.reply.as_ptr(), bound.reply.len());
            }
        }
    }
    number
}

// SAFETY: as above.
unsafe extern "C" fn log(own: *mut c_void, level: u8, line: In) {
    // SAFETY: it is the table's own pointer, and the line can be read.
    let (bound, line) = unsafe { (bound(own), bytes(line)) };
    let line = line.map(String::from_utf8_lossy).unwrap_or_default();
    match &mut bound.host {
        Some(host) => host.log(level, &line),
        // There is no call that it could belong to.
        None => eprintln!("{line}"),
    }
}

// SAFETY: as above.
unsafe extern "C" fn abort(own: *mut c_void, why: In) {
    // SAFETY: it is the table's own pointer, and the text can be read.
    let (bound, why) = unsafe { (bound(own), bytes(why)) };
    let why = why.map(String::from_utf8_lossy).unwrap_or_default();
    bound.aborted.get_or_insert(why.into_owned());
}

// SAFETY: as above.
unsafe extern "C" fn info(own: *mut c_void, out: *mut table::Info) -> u16 {
    // SAFETY: it is the table's own pointer.
    let bound = unsafe { bound(own) };
    let Some(host) = &bound.host else {
        return bound.answer::<()>(Err(at_start()), |()| ());
    };
    let (call, welcome) = (host.call(), host.welcome());
    let of = |text: &str| In::of(text.as_bytes());
    let info = table::Info {
        size: 0,
        attempt: call.attempt,
        epoch: call.epoch,
        id: of(&call.id),
        parent: of(&call.parent),
        client: of(&call.client),
        group: of(&welcome.group),
        node: of(&welcome.node),
        service: host.service().map_or(In::EMPTY, |service| of(&service.name)),
    };
    // SAFETY: it is null or what the program gave by the rules of the header.
    unsafe { library::tell(&info, out) }
}

// SAFETY: as above.
unsafe extern "C" fn left_ms(own: *mut c_void) -> u64 {
    // SAFETY: it is the table's own pointer.
    let bound = unsafe { bound(own) };
    let left = bound.host.as_ref().map(|host| host.left().as_millis());
    left.map_or(u64::MAX, |left| u64::try_from(left).unwrap_or(u64::MAX))
}

// SAFETY: as above.
unsafe extern "C" fn last(own: *mut c_void) -> *const c_char {
    // SAFETY: it is the table's own pointer.
    unsafe { bound(own) }.said.as_ptr()
}
