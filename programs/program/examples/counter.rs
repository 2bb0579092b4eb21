//! A service in Rust as its author writes it: no `unsafe`, one line that lists it.
//!
//! The body is a word and what belongs to it; `tests/program/counter.c` is the same in C.

#![forbid(unsafe_code)]

use tsugi_program::{Abort, Host, Level, Value};

const ADD: &str = "update counter set value = value + ?1 where name = ?2 returning value";

fn counter(host: &mut Host<'_>, body: &[u8]) -> Result<Vec<u8>, Abort> {
    let body = std::str::from_utf8(body).map_err(|_| host.abort("the body is not UTF-8"))?;
    let (word, rest) = body.split_once(' ').unwrap_or((body, ""));
    match word {
        "add" => add(host, rest),
        "kinds" => kinds(host),
        "rows" => rows(host),
        "call" => host.call(rest, b"hello").map_err(Abort::from),
        "who" => who(host),
        "left" => Ok(host.left()?.as_millis().to_string().into_bytes()),
        "long" => Ok(vec![b'x'; rest.parse().unwrap_or(0)]),
        "abort" => Err(host.abort(rest)),
        "break" => panic!("{rest}"),
        "mistaken" => host.sql("selekt", &[]).map(|_| Vec::new()).map_err(Abort::from),
        _ => Err(host.abort("no such word")),
    }
}

fn add(host: &mut Host<'_>, name: &str) -> Result<Vec<u8>, Abort> {
    let changed = host.sql(ADD, &[Value::Integer(1), Value::Text(name)])?;
    let Some([Value::Integer(value)]) = host.row()? else {
        return Err(host.abort("there is no such counter"));
    };
    let line = format!("{name} is {value}, {changed} changed");
    host.log(Level::Information, &line);
    Ok(value.to_string().into_bytes())
}

/// One value of each kind there and back.
fn kinds(host: &mut Host<'_>) -> Result<Vec<u8>, Abort> {
    let sent = [
        Value::Null,
        Value::Integer(-7),
        Value::Real(0.5),
        Value::Text("\u{7d99}\u{304e}"),
        Value::Bytes(&[0, 255]),
        Value::Decimal("-12.30"),
    ];
    host.sql("values", &sent)?;
    let same = host.row::<6>()? == Some(sent) && host.row::<6>()?.is_none();
    Ok(if same { b"same".to_vec() } else { b"other".to_vec() })
}

/// Every row of three, and a wrong number of columns on the way.
fn rows(host: &mut Host<'_>) -> Result<Vec<u8>, Abort> {
    host.sql("three", &[])?;
    let mut sum = 0;
    while let Some(row) = host.row()? {
        if let [Value::Integer(value)] = row {
            sum += value;
        }
    }
    host.sql("three", &[])?;
    let wrong = host.row::<2>().expect_err("it has one column");
    Ok(format!("{sum} {}", wrong.code.number()).into_bytes())
}

fn who(host: &mut Host<'_>) -> Result<Vec<u8>, Abort> {
    let i = host.info()?;
    // What it tells outlives what the host is asked next.
    host.sql("three", &[])?;
    let texts = [i.id, i.parent, i.client, i.group, i.node, i.service].join("|");
    Ok(format!("{texts}|{}|{}", i.epoch, i.attempt).into_bytes())
}

fn echo(_host: &mut Host<'_>, body: &[u8]) -> Result<Vec<u8>, Abort> {
    Ok(body.to_vec())
}

tsugi_program::services! {
    "COUNTER" (interface "0123456789abcdef") => counter,
    "ECHO" => echo,
}
