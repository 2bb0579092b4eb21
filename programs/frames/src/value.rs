//! What statements are given and what they bring: values, in rows.

use std::borrow::Cow;

use crate::wrong::{Limit, TooLarge, Wrong};

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// None.
    Null,
    /// A whole number.
    Integer(i64),
    /// A number of IEEE 754.
    Real(f64),
    /// Text.
    Text(Cow<'a, str>),
    /// Bytes.
    Bytes(Cow<'a, [u8]>),
    /// A decimal number as text, exact: `-12.30`.
    Decimal(Cow<'a, str>),
}

impl Value<'_> {
    /// How many bytes of text or data it has.
    #[must_use]
    pub fn held(&self) -> usize {
        match self {
            Self::Null | Self::Integer(_) | Self::Real(_) => 0,
            Self::Text(text) | Self::Decimal(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }

    /// How many bytes it takes in the binary form.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::Null => 1,
            Self::Integer(_) | Self::Real(_) => 9,
            Self::Text(_) | Self::Decimal(_) | Self::Bytes(_) => 5 + self.held(),
        }
    }
}

/// Whether `text` is a decimal number: a sign or none, digits, and digits behind a point or none.
#[must_use]
pub fn is_decimal(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    match text.split_once('.') {
        Some((whole, part)) => digits(whole) && digits(part),
        None => digits(text),
    }
}

/// Rows of equally many values each: the parameters of a statement that is run once a row, or
/// what it brought.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grid<'a> {
    columns: u16,
    rows: u32,
    values: Vec<Value<'a>>,
}

impl<'a> Grid<'a> {
    /// Rows of `columns` values each, one row after the other.
    ///
    /// # Errors
    /// Too many values for a frame, or not as many as whole rows have.
    pub fn new(columns: u16, values: Vec<Value<'a>>) -> Result<Self, Wrong> {
        let many = u32::try_from(values.len()).unwrap_or(u32::MAX);
        TooLarge::over(Limit::Values, many, crate::limits::VALUES)?;
        let rows = many.checked_div(columns.into()).unwrap_or(0);
        if rows * u32::from(columns) != many {
            return Err(Wrong::Shape);
        }
        let columns = if rows == 0 { 0 } else { columns };
        Ok(Self { columns, rows, values })
    }

    /// One row.
    ///
    /// # Errors
    /// More values than a row can have.
    pub fn row(values: Vec<Value<'a>>) -> Result<Self, Wrong> {
        match u16::try_from(values.len()) {
            Ok(0) => Ok(Self::once()),
            Ok(columns) => Self::new(columns, values),
            Err(_) => Err(Wrong::Shape),
        }
    }

    /// One row without a value: a statement without parameters is run once.
    #[must_use]
    pub const fn once() -> Self {
        Self { columns: 0, rows: 1, values: Vec::new() }
    }

    /// A grid as it was told. Where there is no column there is no row or one, and where there is
    /// no row there is no column: so a count of rows is never larger than what is there.
    pub(crate) fn told(columns: u16, rows: u32, values: Vec<Value<'a>>) -> Result<Self, Wrong> {
        let many = u64::from(columns) * u64::from(rows);
        let shaped = (columns > 0) == (rows > 0) || (columns, rows) == (0, 1);
        if shaped && u64::try_from(values.len()) == Ok(many) {
            Ok(Self { columns, rows, values })
        } else {
            Err(Wrong::Shape)
        }
    }

    /// Values in a row.
    #[must_use]
    pub const fn columns(&self) -> u16 {
        self.columns
    }

    /// How many rows there are.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.rows
    }

    /// Whether there is no row.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Every value, row after row.
    #[must_use]
    pub fn values(&self) -> &[Value<'a>] {
        &self.values
    }

    /// How many bytes its values take in the binary form.
    #[must_use]
    pub fn size(&self) -> usize {
        self.values.iter().map(Value::size).sum()
    }

    /// One row after the other.
    pub fn rows(&self) -> impl Iterator<Item = &[Value<'a>]> {
        let columns = usize::from(self.columns);
        (0..self.rows as usize).map(move |row| &self.values[row * columns..(row + 1) * columns])
    }
}
