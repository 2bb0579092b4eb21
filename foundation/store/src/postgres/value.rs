//! Values as PostgreSQL writes and reads them.

use std::error::Error;

use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use crate::{Row, Value};

impl ToSql for Value {
    fn to_sql(
        &self,
        wanted: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Integer(number) => match *wanted {
                Type::INT2 => i16::try_from(*number)?.to_sql(wanted, out),
                Type::INT4 => i32::try_from(*number)?.to_sql(wanted, out),
                _ => number.to_sql(wanted, out),
            },
            Self::Real(number) => number.to_sql(wanted, out),
            Self::Text(text) => text.to_sql(wanted, out),
            Self::Blob(bytes) => bytes.to_sql(wanted, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// Whether a statement's parameters can be these values.
pub(super) fn fits(wanted: &[Type], values: &[Value]) -> Result<(), String> {
    if wanted.len() != values.len() {
        return Err(format!("{} parameters are wanted, {} given", wanted.len(), values.len()));
    }
    for (place, (wanted, value)) in wanted.iter().zip(values).enumerate() {
        let fits = match value {
            Value::Null => true,
            Value::Integer(number) => match *wanted {
                Type::INT2 => i16::try_from(*number).is_ok(),
                Type::INT4 => i32::try_from(*number).is_ok(),
                Type::INT8 => true,
                _ => false,
            },
            Value::Real(_) => *wanted == Type::FLOAT8,
            Value::Text(_) => [Type::TEXT, Type::VARCHAR, Type::BPCHAR, Type::NAME, Type::UNKNOWN]
                .contains(wanted),
            Value::Blob(_) => *wanted == Type::BYTEA,
        };
        if !fits {
            return Err(format!("parameter {} is to be {wanted}", place + 1));
        }
    }
    Ok(())
}

/// The values of a row.
pub(super) fn row_of(row: &tokio_postgres::Row) -> Result<Row, String> {
    (0..row.len()).map(|place| value_of(row, place)).collect()
}

fn value_of(row: &tokio_postgres::Row, place: usize) -> Result<Value, String> {
    let kind = row.columns()[place].type_();
    let read = match *kind {
        Type::INT8 => row.try_get(place).map(|value: Option<i64>| value.map(Value::Integer)),
        Type::INT4 => {
            row.try_get(place).map(|value: Option<i32>| value.map(|n| Value::Integer(n.into())))
        }
        Type::INT2 => {
            row.try_get(place).map(|value: Option<i16>| value.map(|n| Value::Integer(n.into())))
        }
        Type::BOOL => {
            row.try_get(place).map(|value: Option<bool>| value.map(|n| Value::Integer(n.into())))
        }
        Type::FLOAT8 => row.try_get(place).map(|value: Option<f64>| value.map(Value::Real)),
        Type::FLOAT4 => {
            row.try_get(place).map(|value: Option<f32>| value.map(|n| Value::Real(n.into())))
        }
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN => {
            row.try_get(place).map(|value: Option<String>| value.map(Value::Text))
        }
        Type::BYTEA => row.try_get(place).map(|value: Option<Vec<u8>>| value.map(Value::Blob)),
        // What a function gives that is asked for its effect alone.
        Type::VOID => Ok(None),
        _ => return Err(format!("column {} is {kind}, which is no value here", place + 1)),
    };
    read.map(|value| value.unwrap_or(Value::Null)).map_err(|error| error.to_string())
}
