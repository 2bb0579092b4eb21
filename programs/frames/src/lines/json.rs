//! Values, rows, bytes and hashes as they stand in a line.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use crate::bytes::Bytes;
use crate::frame::Hash;
use crate::value::{Grid, Value, is_decimal};

use super::base64;

fn one<S: Serializer>(to: S, key: &str, text: &str) -> Result<S::Ok, S::Error> {
    let mut map = to.serialize_map(Some(1))?;
    map.serialize_entry(key, text)?;
    map.end()
}

/// The only entry of an object.
fn entry<'de, A: MapAccess<'de>>(mut from: A) -> Result<(String, String), A::Error> {
    let entry = from.next_entry()?.ok_or_else(|| A::Error::custom("empty"))?;
    match from.next_key::<String>()? {
        None => Ok(entry),
        Some(_) => Err(A::Error::custom("two keys")),
    }
}

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        // A control character would take six bytes of the line; base64 never takes twice as many.
        let control = |byte: &u8| byte.is_ascii_control() && !b"\t\n\r".contains(byte);
        match std::str::from_utf8(self) {
            Ok(text) if !self.iter().any(control) => to.serialize_str(text),
            Ok(_) | Err(_) => one(to, "base64", &base64::encode(self)),
        }
    }
}

impl<'de> Deserialize<'de> for Bytes<'_> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Told;

        impl<'de> Visitor<'de> for Told {
            type Value = Vec<u8>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("bytes")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Vec<u8>, E> {
                Ok(text.as_bytes().to_vec())
            }

            fn visit_map<A: MapAccess<'de>>(self, from: A) -> Result<Vec<u8>, A::Error> {
                let (key, text) = entry(from)?;
                let bytes = if key == "base64" { base64::decode(&text) } else { None };
                bytes.ok_or_else(|| A::Error::custom("base64"))
            }
        }

        from.deserialize_any(Told).map(Self::from)
    }
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => to.serialize_unit(),
            Self::Integer(number) => to.serialize_i64(*number),
            Self::Real(number) => one(to, "real", &number.to_string()),
            Self::Text(text) => to.serialize_str(text),
            Self::Bytes(bytes) => one(to, "base64", &base64::encode(bytes)),
            Self::Decimal(text) => one(to, "decimal", text),
        }
    }
}

impl<'de> Deserialize<'de> for Value<'_> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Told;

        impl<'de> Visitor<'de> for Told {
            type Value = Value<'static>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a value")
            }

            fn visit_unit<E: Error>(self) -> Result<Value<'static>, E> {
                Ok(Value::Null)
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Value<'static>, E> {
                Ok(Value::Integer(number))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Value<'static>, E> {
                i64::try_from(number).map(Value::Integer).map_err(E::custom)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Value<'static>, E> {
                Ok(Value::Text(Cow::Owned(text.to_owned())))
            }

            fn visit_map<A: MapAccess<'de>>(self, from: A) -> Result<Value<'static>, A::Error> {
                let (key, text) = entry(from)?;
                let value = match key.as_str() {
                    "real" => text.parse().ok().map(Value::Real),
                    "decimal" if is_decimal(&text) => Some(Value::Decimal(Cow::Owned(text))),
                    "base64" => base64::decode(&text).map(|bytes| Value::Bytes(Cow::Owned(bytes))),
                    _ => None,
                };
                value.ok_or_else(|| A::Error::custom("real, decimal or base64"))
            }
        }

        from.deserialize_any(Told)
    }
}

impl Serialize for Grid<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut rows = to.serialize_seq(None)?;
        for row in self.rows() {
            rows.serialize_element(row)?;
        }
        rows.end()
    }
}

/// The values of one row.
struct Row;

impl<'de> serde::de::DeserializeSeed<'de> for Row {
    type Value = Vec<Value<'static>>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Vec<Value<'static>>, D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Row {
    type Value = Vec<Value<'static>>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("values")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Vec<Value<'static>>, A::Error> {
        let mut row = Vec::new();
        while let Some(value) = from.next_element()? {
            row.push(value);
        }
        Ok(row)
    }
}

impl<'de> Deserialize<'de> for Grid<'_> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Told;

        impl<'de> Visitor<'de> for Told {
            type Value = Grid<'static>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("rows of equally many values")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Grid<'static>, A::Error> {
                let (mut values, mut rows, mut columns) = (Vec::new(), 0_u32, 0_usize);
                while let Some(row) = from.next_element_seed(Row)? {
                    let first = rows == 0;
                    if first {
                        columns = row.len();
                    }
                    if row.len() != columns || columns == 0 && !first {
                        return Err(A::Error::custom(columns));
                    }
                    rows += 1;
                    values.extend(row);
                }
                let columns = u16::try_from(columns).map_err(A::Error::custom)?;
                Grid::told(columns, rows, values).map_err(A::Error::custom)
            }
        }

        from.deserialize_seq(Told)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let mut hash = [0; 32];
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return Err(D::Error::custom("64 digits"));
        }
        for (byte, two) in hash.iter_mut().zip(digits.chunks(2)) {
            let two = std::str::from_utf8(two).map_err(D::Error::custom)?;
            if !two.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(D::Error::custom("hexadecimal digits"));
            }
            *byte = u8::from_str_radix(two, 16).map_err(D::Error::custom)?;
        }
        Ok(Self(hash))
    }
}
