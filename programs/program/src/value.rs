//! A value of SQL, as a program holds it; as bytes between processes it is a frame's.
#![expect(unsafe_code, reason = "a union of C")]

use crate::table::{self, Held, In};

/// A value of SQL.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// None.
    Null,
    /// A whole number.
    Integer(i64),
    /// A number of IEEE 754.
    Real(f64),
    /// Text.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
    /// An exact number in digits: `-12.30`.
    Decimal(&'a str),
}

impl<'a> Value<'a> {
    /// The same as the table has it, for as long as what it borrows stands.
    #[must_use]
    pub fn raw(&self) -> table::Value {
        let (kind, v) = match *self {
            Self::Null => return table::Value::NULL,
            Self::Integer(i) => (table::INTEGER, Held { i }),
            Self::Real(f) => (table::REAL, Held { f }),
            Self::Text(text) => (table::TEXT, Held { b: In::of(text.as_bytes()) }),
            Self::Bytes(bytes) => (table::BYTES, Held { b: In::of(bytes) }),
            Self::Decimal(digits) => (table::DECIMAL, Held { b: In::of(digits.as_bytes()) }),
        };
        table::Value { kind, res: [0; 7], v }
    }

    /// What the table's value is.
    ///
    /// # Panics
    /// At a kind that ABI 1 does not have, and at text that is not UTF-8: the other side breaks
    /// the rules of the header.
    ///
    /// # Safety
    /// `raw` was set by its `kind`, and what it points at does not change for `'a`.
    #[must_use]
    pub unsafe fn of(raw: &table::Value) -> Self {
        let text = |bytes| std::str::from_utf8(bytes).expect("the other side's text is UTF-8");
        // SAFETY: only the member that the kind names is read, and its bytes stand for `'a`.
        unsafe {
            match raw.kind {
                table::NULL => Self::Null,
                table::INTEGER => Self::Integer(raw.v.i),
                table::REAL => Self::Real(raw.v.f),
                table::TEXT => Self::Text(text(table::bytes(raw.v.b.at, raw.v.b.len))),
                table::BYTES => Self::Bytes(table::bytes(raw.v.b.at, raw.v.b.len)),
                table::DECIMAL => Self::Decimal(text(table::bytes(raw.v.b.at, raw.v.b.len))),
                kind => panic!("ABI {} has no value of kind {kind}", table::ABI),
            }
        }
    }
}
