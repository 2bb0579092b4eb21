//! Values and failures, between frames and the store.

use tsugi_frames::{Code, Outcome, Trouble, Value};
use tsugi_store::{self as store, SqlError};

/// A value that a program hands over, as the store takes it.
pub(super) fn given(value: &Value<'_>) -> store::Value {
    match value {
        Value::Null => store::Value::Null,
        Value::Integer(number) => store::Value::Integer(*number),
        Value::Real(number) => store::Value::Real(*number),
        Value::Text(text) | Value::Decimal(text) => store::Value::Text(text.to_string()),
        Value::Bytes(bytes) => store::Value::Blob(bytes.to_vec()),
    }
}

/// A value of the store, as a program is told it.
pub(super) fn brought(value: &store::Value) -> Value<'static> {
    match value {
        store::Value::Null => Value::Null,
        store::Value::Integer(number) => Value::Integer(*number),
        store::Value::Real(number) => Value::Real(*number),
        store::Value::Text(text) => Value::Text(text.clone().into()),
        store::Value::Blob(bytes) => Value::Bytes(bytes.clone().into()),
    }
}

/// What the store has against a statement. SQLite's codes are numbers, whose lowest byte is the
/// kind; PostgreSQL's have five characters, whose first two are.
pub(super) fn code(error: &SqlError) -> Code {
    match (error.code.as_str(), error.code.parse::<i32>()) {
        ("23505", _) => Code::Duplicate,
        (code, _) if code.len() == 5 && code.starts_with("23") => Code::Constraint,
        (code, _) if code.len() == 5 => Code::Mistaken,
        (_, Ok(1555 | 2067)) => Code::Duplicate,
        (_, Ok(number)) => match number & 0xff {
            19 => Code::Constraint,
            18 => Code::TooLarge,
            23 => Code::NotAllowed,
            // Refused before SQLite was asked.
            0 => Code::NotAllowed,
            _ => Code::Mistaken,
        },
        (_, Err(_)) => Code::Mistaken,
    }
}

/// An operation that was not carried out, as a program is told it.
pub(super) fn trouble(code: Code, sqlstate: &str, text: &str) -> Outcome<'static> {
    let sqlstate = if sqlstate.len() == 5 { sqlstate } else { "" };
    let most = tsugi_frames::limits::TEXT as usize;
    let text: String = text.chars().take(most / 4).collect();
    let (sqlstate, text) = (sqlstate.to_owned().into(), text.into());
    Outcome::Trouble(Trouble { code, sqlstate, message: "".into(), text })
}
