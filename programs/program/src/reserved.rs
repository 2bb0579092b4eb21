//! What every host puts into the reserved places of its table: it answers *not in this version*.

use std::ffi::c_void;

use crate::code::Code;
use crate::table::{In, Out};

const ANSWER: u16 = Code::NotInThisVersion.number();

/// Would put something on a queue.
pub extern "C" fn put(_own: *mut c_void, _queue: In, _body: In, _key: In) -> u16 {
    ANSWER
}

/// Would set a timer.
pub extern "C" fn timer_set(
    _own: *mut c_void,
    _name: In,
    _at_ms: i64,
    _service: In,
    _body: In,
) -> u16 {
    ANSWER
}

/// Would cancel a timer.
pub extern "C" fn timer_cancel(_own: *mut c_void, _name: In) -> u16 {
    ANSWER
}

/// Would read the next datum.
pub extern "C" fn next(_own: *mut c_void, _datum: *mut Out) -> u16 {
    ANSWER
}

/// Would write a datum.
pub extern "C" fn out(_own: *mut c_void, _datum: In) -> u16 {
    ANSWER
}
