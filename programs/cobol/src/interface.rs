//! The program interface as COBOL spells it: `CALL "TSUGISQL"` and the like.
//!
//! What each means is told where the header tells it (`programs/program/include/tsugi_program.h`);
//! the records are in `copybooks/TSUGI.cpy`. All but LOG, ABORT, INFO and LEFT have a result first.
#![expect(unsafe_code, reason = "functions that modules call, with fields of theirs")]

use std::borrow::Cow;
use std::ffi::{CStr, CString, c_char, c_int, c_void};

use tsugi_frames::{Bytes, Code, Trouble, Value};
use tsugi_record::code_page::Wave;

use crate::ending::Ending;
use crate::host::{Host, Info};
use crate::libcob::{Field, kind};
use crate::number;
use crate::stage::{self, Stage};

/// How long TSUGI-TEXT is.
const TEXT: usize = 200;
/// Room for any number that is shown.
const SHOWN: usize = 128;

/// A call of one of the functions.
struct Called<'a> {
    stage: &'a Stage,
    name: &'static CStr,
}

/// A parameter that it was given.
#[derive(Clone, Copy)]
struct Given {
    at: *mut Field,
    kind: u16,
    scale: i16,
}

/// Why something was not done, as it is told.
type NotDone = Trouble<'static>;

fn trouble(code: Code, text: impl Into<Cow<'static, str>>) -> NotDone {
    Trouble { code, sqlstate: "".into(), message: "".into(), text: text.into() }
}

impl Given {
    fn bytes<'a>(self) -> &'a [u8] {
        // SAFETY: a parameter of a call has a place, and stays there until the call returns.
        unsafe { std::slice::from_raw_parts((*self.at).data, (*self.at).size) }
    }

    fn bytes_mut<'a>(self) -> &'a mut [u8] {
        // SAFETY: as above; nothing else of it is looked at meanwhile.
        unsafe { std::slice::from_raw_parts_mut((*self.at).data, (*self.at).size) }
    }

    /// Fills it with bytes, and with spaces behind them; what does not fit is not there.
    fn fill(self, bytes: &[u8]) {
        let to = self.bytes_mut();
        let length = bytes.len().min(to.len());
        to[..length].copy_from_slice(&bytes[..length]);
        to[length..].fill(b' ');
    }

    fn is_numeric(self) -> bool {
        self.kind & kind::NUMERIC != 0
    }
}

impl Called<'_> {
    fn count(&self) -> c_int {
        // SAFETY: libcob is set up, so it has its global.
        unsafe { (*(self.stage.libcob.global)()).parameters }
    }

    /// A parameter, from 1; without one the program cannot go on.
    fn parameter(&self, number: c_int) -> Given {
        let missing = || {
            let name = self.name.to_string_lossy();
            let text = format!("CALL \"{name}\": parameter {number} is missing");
            stage::end(&Ending::RunTimeError { text })
        };
        if number > self.count() {
            missing();
        }
        // SAFETY: there are as many parameters, and the name ends with a zero.
        let at = unsafe { (self.stage.libcob.parameter)(number, self.name.as_ptr()) };
        // SAFETY: it is null, or a field with attributes.
        let attributes = unsafe { at.as_ref().and_then(|field| field.attributes.as_ref()) };
        let Some(attributes) = attributes else { missing() };
        // SAFETY: it is a field.
        if unsafe { (*at).data.is_null() } {
            missing();
        }
        Given { at, kind: attributes.kind, scale: attributes.scale }
    }

    /// A text of the program: without the spaces behind it.
    fn text(&self, number: c_int) -> Result<String, NotDone> {
        self.text_in(self.parameter(number))
            .map_err(|text| trouble(Code::Mistaken, format!("parameter {number}: {text}")))
    }

    fn text_in(&self, given: Given) -> Result<String, &'static str> {
        let bytes = given.bytes();
        let end = bytes.iter().rposition(|byte| !matches!(byte, b' ' | 0)).map_or(0, |at| at + 1);
        let text = self.stage.code_page.decode(&bytes[..end], Wave::Microsoft);
        text.map_err(|_| "its bytes are no text in the code page of the cluster")
    }

    /// What a number shows.
    fn shown(&self, given: Given) -> Option<String> {
        let mut buffer = [0; SHOWN];
        let at = buffer.as_mut_ptr().cast::<c_char>();
        // SAFETY: there is as much room as is said, and the last byte stays zero.
        unsafe { (self.stage.libcob.text_of)(given.at, at, SHOWN - 1) };
        let shown = CStr::from_bytes_until_nul(&buffer).ok()?.to_str().ok()?;
        number::plain(shown)
    }

    /// A parameter of a statement.
    fn value(&self, number: c_int) -> Result<Value<'static>, NotDone> {
        let given = self.parameter(number);
        let wrong = |what| trouble(Code::Mistaken, format!("parameter {number}: {what}"));
        match (given.kind, given.bytes()) {
            (kind::FLOAT, &[a, b, c, d]) => {
                Ok(Value::Real(f32::from_ne_bytes([a, b, c, d]).into()))
            }
            (kind::DOUBLE, &[a, b, c, d, e, f, g, h]) => {
                Ok(Value::Real(f64::from_ne_bytes([a, b, c, d, e, f, g, h])))
            }
            _ if given.is_numeric() => {
                let digits = self.shown(given).ok_or_else(|| wrong("it holds no number"))?;
                match digits.parse() {
                    Ok(whole) if given.scale <= 0 => Ok(Value::Integer(whole)),
                    Ok(_) | Err(_) => Ok(Value::Decimal(digits.into())),
                }
            }
            _ if given.kind & kind::NATIONAL != 0 => Err(wrong("PIC N is not taken here")),
            _ => self.text_in(given).map(|text| Value::Text(text.into())).map_err(wrong),
        }
    }

    /// Puts a column where the program wants it.
    fn put(&self, number: c_int, value: &Value<'_>) -> Result<(), NotDone> {
        let given = self.parameter(number);
        let too_large = || trouble(Code::TooLarge, format!("parameter {number} is too short"));
        let text = match value {
            Value::Null if given.is_numeric() => Cow::Borrowed("0"),
            Value::Null => Cow::Borrowed(""),
            Value::Integer(whole) => Cow::Owned(whole.to_string()),
            Value::Real(real) => Cow::Owned(real.to_string()),
            Value::Text(text) | Value::Decimal(text) => Cow::Borrowed(text.as_ref()),
            Value::Bytes(bytes) => {
                if given.is_numeric() {
                    return Err(trouble(Code::Mistaken, "bytes are no number"));
                }
                if bytes.len() > given.bytes().len() {
                    return Err(too_large());
                }
                given.fill(bytes);
                return Ok(());
            }
        };
        if given.is_numeric() {
            return self.put_number(given, &text).ok_or_else(too_large);
        }
        let unknown = |_| trouble(Code::Mistaken, format!("parameter {number}: code page"));
        let bytes = self.stage.code_page.encode(&text).map_err(unknown)?;
        if bytes.len() > given.bytes().len() {
            return Err(too_large());
        }
        given.fill(&bytes);
        Ok(())
    }

    /// Puts a number into a field; none where the field cannot hold it.
    fn put_number(&self, given: Given, text: &str) -> Option<()> {
        let real = || text.trim().parse::<f64>().ok();
        match given.kind {
            kind::FLOAT => {
                #[expect(clippy::cast_possible_truncation, reason = "the nearest that it holds")]
                given.fill(&(real()? as f32).to_ne_bytes());
                Some(())
            }
            kind::DOUBLE => {
                given.fill(&real()?.to_ne_bytes());
                Some(())
            }
            _ => {
                let digits = CString::new(text).ok()?;
                // SAFETY: a field of the program, and a text that ends with a zero.
                let done = unsafe { (self.stage.libcob.put_text)(given.at, digits.as_ptr()) };
                let holds = self.shown(given)?;
                (done == 0 && number::is_same(&holds, text)).then_some(())
            }
        }
    }

    /// Tells how it ended, in the first parameter.
    fn tell(&self, came: Result<i64, NotDone>) {
        let (rows, trouble) = match came {
            Ok(rows) => (rows, trouble(Code::Done, "")),
            Err(trouble) => (0, trouble),
        };
        let mut record = trouble.code.characters().to_vec();
        record.extend(format!("{:5.5}{:12.12}", trouble.sqlstate, trouble.message).into_bytes());
        let most = 999_999_999_999_999_999;
        record.extend(format!("{:+019}", rows.clamp(-most, most)).into_bytes());
        let text = &trouble.text[..trouble.text.floor_char_boundary(TEXT)];
        // What the code page does not have is told as question marks.
        let ascii = || text.replace(|one: char| !one.is_ascii(), "?").into_bytes();
        record.extend(self.stage.code_page.encode(text).unwrap_or_else(|_| ascii()));
        self.parameter(1).fill(&record);
    }
}

/// What a function does, and that RETURN-CODE is 0 behind it.
fn called(name: &'static CStr, act: impl FnOnce(&Called<'_>, &mut dyn Host)) -> c_int {
    stage::on((), |stage, host| act(&Called { stage, name }, host));
    0
}

// SAFETY: here and below: no other function of the executable has the name; a module gives what it
// gives by the fields that libcob tells of.
#[unsafe(no_mangle)]
extern "C" fn TSUGISQL() -> c_int {
    called(c"TSUGISQL", |called, host| {
        let asked = called.text(2).and_then(|text| {
            let values: Result<Vec<_>, _> = (3..=called.count()).map(|n| called.value(n)).collect();
            host.sql(&text, &values?).map(|rows| i64::try_from(rows).unwrap_or(i64::MAX))
        });
        called.tell(asked);
    })
}

// SAFETY: as above.
#[unsafe(no_mangle)]
extern "C" fn TSUGIROW() -> c_int {
    called(c"TSUGIROW", |called, host| {
        let columns = usize::try_from(called.count() - 1).unwrap_or_default();
        let put = |row: Vec<Value<'_>>| {
            (2..).zip(&row).try_for_each(|(number, value)| called.put(number, value)).map(|()| 0)
        };
        called.tell(host.row(columns).and_then(put));
    })
}

// SAFETY: as above.
#[unsafe(no_mangle)]
extern "C" fn TSUGICALL() -> c_int {
    called(c"TSUGICALL", |called, host| {
        let given: Vec<_> = (3..=called.count()).map(|n| called.parameter(n)).collect();
        let body = given.iter().map(|given| Bytes::from(given.bytes().to_vec())).collect();
        let reply = called.text(2).and_then(|service| host.call(&service, body));
        called.tell(reply.and_then(|reply| {
            let mut pairs = given.iter().zip(&reply.parameters);
            if pairs.clone().any(|(given, bytes)| bytes.len() > given.bytes().len()) {
                return Err(trouble(Code::TooLarge, "a parameter is shorter than the reply's"));
            }
            pairs.by_ref().for_each(|(given, bytes)| given.fill(bytes));
            Ok(reply.return_code.into())
        }));
    })
}

// SAFETY: as above.
#[unsafe(no_mangle)]
extern "C" fn TSUGILOG() -> c_int {
    called(c"TSUGILOG", |called, host| {
        let level = called.shown(called.parameter(1)).and_then(|level| level.parse().ok());
        let level = level.unwrap_or(tsugi_frames::limits::LEVEL).min(tsugi_frames::limits::LEVEL);
        let given = called.parameter(2);
        let bare = |_| String::from_utf8_lossy(given.bytes()).trim_end().to_owned();
        host.log(level, &called.text_in(given).unwrap_or_else(bare));
    })
}

// SAFETY: as above.
#[unsafe(no_mangle)]
extern "C" fn TSUGIABORT() -> c_int {
    called(c"TSUGIABORT", |called, host| {
        let given = called.parameter(1);
        let bare = |_| String::from_utf8_lossy(given.bytes()).trim_end().to_owned();
        host.abort(&called.text_in(given).unwrap_or_else(bare));
    })
}

// SAFETY: as above.
#[unsafe(no_mangle)]
extern "C" fn TSUGIINFO() -> c_int {
    called(c"TSUGIINFO", |called, host| {
        let Info { id, parent, client, service, group, node, epoch, attempt } = host.info();
        let record = format!(
            "{attempt:09}{:018}{id:64.64}{parent:64.64}{client:64.64}\
             {service:32.32}{group:64.64}{node:64.64}",
            epoch.min(999_999_999_999_999_999)
        );
        called.parameter(1).fill(record.as_bytes());
    })
}

// SAFETY: as above.
#[unsafe(no_mangle)]
extern "C" fn TSUGILEFT() -> c_int {
    called(c"TSUGILEFT", |called, host| {
        let left = host.left_ms();
        let given = called.parameter(1);
        // What the field does not hold is as much as it holds.
        let nines = || "9".repeat(given.bytes().len().min(18));
        if called.put_number(given, &left.to_string()).is_none() {
            called.put_number(given, &nines());
        }
    })
}

/// Operations that are only reserved: answered *not in this version*.
macro_rules! reserved {
    ($($function:ident $name:literal)*) => { $(
        // SAFETY: as above.
        #[unsafe(no_mangle)]
        extern "C" fn $function() -> c_int {
            called($name, |called, _| called.tell(Err(trouble(Code::NotInThisVersion, ""))))
        }
    )* };
}

reserved! {
    TSUGIPUT c"TSUGIPUT"
    TSUGITIMER c"TSUGITIMER"
    TSUGICANCEL c"TSUGICANCEL"
    TSUGINEXT c"TSUGINEXT"
    TSUGIOUT c"TSUGIOUT"
}

/// The names that have to lead here, and where they lead.
pub fn names() -> Vec<(&'static str, *const c_void)> {
    macro_rules! named {
        ($($function:ident)*) => { vec![$((stringify!($function), $function as *const c_void),)*] };
    }
    named! {
        TSUGISQL TSUGIROW TSUGICALL TSUGILOG TSUGIABORT TSUGIINFO TSUGILEFT
        TSUGIPUT TSUGITIMER TSUGICANCEL TSUGINEXT TSUGIOUT
    }
}
