//! Numbers, text, bytes, values and lists in the binary form.

use std::borrow::Cow;

use crate::bytes::Bytes;
use crate::code::Code;
use crate::few::Listed;
use crate::file::{Access, Edge, Meant, Mode, Optional, Placing, Relation, Stand};
use crate::frame::{Class, Duplicates, Hash, Organization, Runs};
use crate::turn::Turn;
use crate::value::{Grid, Value};
use crate::wrong::{Limit, TooLarge, Wrong};

use super::read::Reader;

/// What has a place in a frame.
pub(super) trait Field<'a>: Sized {
    fn write(&self, out: &mut Vec<u8>);
    fn read(from: &mut Reader<'a>) -> Result<Self, Wrong>;
}

macro_rules! numbers {
    ($($type:ty)*) => { $(
        impl Field<'_> for $type {
            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
            fn read(from: &mut Reader<'_>) -> Result<Self, Wrong> {
                from.array().map(Self::from_le_bytes)
            }
        }
    )* };
}

numbers!(u8 u16 u32 u64 i32 i64 f64);

macro_rules! places {
    ($($type:ty)*) => { $(
        impl Field<'_> for $type {
            fn write(&self, out: &mut Vec<u8>) {
                out.push(*self as u8);
            }
            fn read(from: &mut Reader<'_>) -> Result<Self, Wrong> {
                let place = u8::read(from)?;
                let one = Self::ALL.get(usize::from(place));
                one.copied().ok_or(Wrong::Number(place.into()))
            }
        }
    )* };
}

places!(Relation Mode Access Optional Stand Edge Placing Meant Organization Duplicates Runs);

impl Field<'_> for Class {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(*self as u8 + 1);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Wrong> {
        let number = u8::read(from)?;
        let place = usize::from(number).checked_sub(1);
        let one = place.and_then(|place| Self::ALL.get(place));
        one.copied().ok_or(Wrong::Number(number.into()))
    }
}

impl Field<'_> for Code {
    fn write(&self, out: &mut Vec<u8>) {
        self.number().write(out);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Wrong> {
        let number = u16::read(from)?;
        Self::of(number).ok_or(Wrong::Number(number))
    }
}

impl Field<'_> for Turn {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Wrong> {
        u64::read(from).map(Self)
    }
}

impl Field<'_> for Hash {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Wrong> {
        from.array().map(Self)
    }
}

fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    // What is above four gigabytes is above the limit of a frame, which is looked at behind it.
    u32::try_from(bytes.len()).unwrap_or(u32::MAX).write(out);
    out.extend_from_slice(bytes);
}

fn read_bytes<'a>(from: &mut Reader<'a>) -> Result<&'a [u8], Wrong> {
    let length = u32::read(from)?;
    from.take(usize::try_from(length).map_err(|_| Wrong::Short)?)
}

impl<'a> Field<'a> for Bytes<'a> {
    fn write(&self, out: &mut Vec<u8>) {
        write_bytes(self, out);
    }

    fn read(from: &mut Reader<'a>) -> Result<Self, Wrong> {
        read_bytes(from).map(Self::from)
    }
}

impl<'a> Field<'a> for Cow<'a, str> {
    fn write(&self, out: &mut Vec<u8>) {
        write_bytes(self.as_bytes(), out);
    }

    fn read(from: &mut Reader<'a>) -> Result<Self, Wrong> {
        let text = std::str::from_utf8(read_bytes(from)?).map_err(|_| Wrong::Utf8)?;
        Ok(Cow::Borrowed(text))
    }
}

impl<'a, T: Field<'a>> Field<'a> for Option<T> {
    fn write(&self, out: &mut Vec<u8>) {
        u8::from(self.is_some()).write(out);
        if let Some(one) = self {
            one.write(out);
        }
    }

    fn read(from: &mut Reader<'a>) -> Result<Self, Wrong> {
        match u8::read(from)? {
            0 => Ok(None),
            1 => T::read(from).map(Some),
            other => Err(Wrong::Number(other.into())),
        }
    }
}

impl<'a, T: Field<'a> + Listed> Field<'a> for Vec<T> {
    fn write(&self, out: &mut Vec<u8>) {
        // More than a list may have are refused before anything is written.
        u16::try_from(self.len()).unwrap_or(u16::MAX).write(out);
        self.iter().for_each(|one| one.write(out));
    }

    fn read(from: &mut Reader<'a>) -> Result<Self, Wrong> {
        let many = u16::read(from)?;
        each(many, from)
    }
}

/// So many of something.
pub(super) fn each<'a, T>(many: u16, from: &mut Reader<'a>) -> Result<Vec<T>, Wrong>
where
    T: Field<'a> + Listed,
{
    TooLarge::over(Limit::Listed, many.into(), T::MOST.into())?;
    let many = from.values(many.into())?;
    let mut list = Vec::with_capacity(many);
    for _ in 0..many {
        list.push(T::read(from)?);
    }
    Ok(list)
}

impl<'a> Field<'a> for Value<'a> {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => 0_u8.write(out),
            Self::Integer(number) => {
                1_u8.write(out);
                number.write(out);
            }
            Self::Real(number) => {
                2_u8.write(out);
                number.write(out);
            }
            Self::Text(text) => {
                3_u8.write(out);
                text.write(out);
            }
            Self::Bytes(bytes) => {
                4_u8.write(out);
                write_bytes(bytes, out);
            }
            Self::Decimal(text) => {
                5_u8.write(out);
                text.write(out);
            }
        }
    }

    fn read(from: &mut Reader<'a>) -> Result<Self, Wrong> {
        match u8::read(from)? {
            0 => Ok(Self::Null),
            1 => i64::read(from).map(Self::Integer),
            2 => f64::read(from).map(Self::Real),
            3 => Cow::read(from).map(Self::Text),
            4 => read_bytes(from).map(|bytes| Self::Bytes(Cow::Borrowed(bytes))),
            5 => Cow::read(from).map(Self::Decimal),
            other => Err(Wrong::Number(other.into())),
        }
    }
}

impl<'a> Field<'a> for Grid<'a> {
    fn write(&self, out: &mut Vec<u8>) {
        self.columns().write(out);
        self.len().write(out);
        self.values().iter().for_each(|value| value.write(out));
    }

    fn read(from: &mut Reader<'a>) -> Result<Self, Wrong> {
        let (columns, rows) = (u16::read(from)?, u32::read(from)?);
        let many = from.values(u64::from(columns) * u64::from(rows))?;
        let mut values = Vec::with_capacity(many);
        for _ in 0..many {
            values.push(Value::read(from)?);
        }
        Self::told(columns, rows, values)
    }
}
