//! What an item is, in the words of its source: a picture, a usage, how often it stands there.

use std::fmt::Write as _;

use tsugi_record::dialect::Sign;
use tsugi_record::field::{
    Field, Form, Justified, Kind, Limit, Number, Occurs, Order, SignAt, Zero,
};

/// What an item is: two that are not the same have different texts, or stand elsewhere.
pub(super) fn is(field: &Field) -> String {
    let mut out = match &field.kind {
        Kind::Group(_) => "group".to_owned(),
        Kind::Text(Justified::Left) => format!("X({})", field.bytes),
        Kind::Text(Justified::Right) => format!("X({}) JUSTIFIED", field.bytes),
        Kind::National => format!("N({})", field.bytes / 2),
        Kind::Edited => format!("edited, {} characters", field.bytes),
        Kind::Number(number) => of_number(*number),
        Kind::Single => "COMP-1".to_owned(),
        Kind::Double => "COMP-2".to_owned(),
    };
    let more = match &field.occurs {
        Occurs::Once => String::new(),
        Occurs::Times(times) => format!(" OCCURS {times}"),
        Occurs::Depending { least, most, on } => {
            format!(" OCCURS {least} TO {most} DEPENDING ON {on}")
        }
    };
    out.push_str(&more);
    if let Some(target) = &field.redefines {
        write!(out, " REDEFINES {target}").expect("a text takes what is written");
    }
    out
}

/// Where it stands: its offset and the bytes of one occurrence.
pub(super) fn place(field: &Field) -> String {
    format!("{}+{}", field.offset, field.bytes)
}

fn of_number(number: Number) -> String {
    let sign = match number.sign {
        Sign::Signed => "S",
        Sign::Unsigned => "",
    };
    let (digits, scale) = (i32::from(number.digits), i32::from(number.scale));
    let nines = |count: i32| if count > 0 { format!("9({count})") } else { String::new() };
    let places = |count: i32| if count > 0 { format!("P({count})") } else { String::new() };
    let picture = if scale == 0 {
        nines(digits)
    } else if scale < 0 {
        format!("{}{}", nines(digits), places(-scale))
    } else if scale > digits {
        format!("V{}{}", places(scale - digits), nines(digits))
    } else {
        format!("{}V{}", nines(digits - scale), nines(scale))
    };
    format!("{sign}{picture}{}", form(number))
}

fn form(number: Number) -> &'static str {
    match number.form {
        Form::Display { sign, zero } => match (sign, zero) {
            _ if number.sign == Sign::Unsigned && zero == Zero::Digits => "",
            (_, Zero::Spaces) => " BLANK WHEN ZERO",
            (SignAt::Trailing, Zero::Digits) => "",
            (SignAt::Leading, Zero::Digits) => " SIGN LEADING",
            (SignAt::TrailingSeparate, Zero::Digits) => " SIGN TRAILING SEPARATE",
            (SignAt::LeadingSeparate, Zero::Digits) => " SIGN LEADING SEPARATE",
        },
        Form::Packed => " COMP-3",
        Form::PackedUnsigned => " COMP-6",
        Form::Binary { order: Order::HighFirst, limit: Limit::Digits } => " COMP",
        Form::Binary { order: Order::HighFirst, limit: Limit::Bytes } => " COMP, all of its bytes",
        Form::Binary { order: Order::LowFirst, limit: Limit::Bytes } => " COMP-5",
        Form::Binary { order: Order::LowFirst, limit: Limit::Digits } => " COMP-5, its digits",
    }
}
