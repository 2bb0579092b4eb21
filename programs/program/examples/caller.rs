//! A service that calls another one, in Rust; `caller.c` beside it is the same in C.
//!
//! It adds one to the counter `n`, calls the service that the body names with the rest of the body,
//! and replies the code of that and what it has answered. What the other one does is part of this
//! call: kept with it or undone with it. Where it fails, what it did is undone alone, and this one
//! goes on.

#![forbid(unsafe_code)]

use tsugi_program::{Abort, Host};

const ADD: &str = "update counter set value = value + 1 where name = 'n'";

fn caller(host: &mut Host<'_>, body: &[u8]) -> Result<Vec<u8>, Abort> {
    host.sql(ADD, &[])?;
    let body = std::str::from_utf8(body).map_err(|_| host.abort("the body is not UTF-8"))?;
    let (service, rest) = body.split_once(' ').unwrap_or((body, ""));
    Ok(match host.call(service, rest.as_bytes()) {
        Ok(reply) => [b"00 ".as_slice(), &reply].concat(),
        Err(not) => format!("{:02} {}", not.code.number(), not.text).into_bytes(),
    })
}

tsugi_program::services! { "CALLER" => caller }
