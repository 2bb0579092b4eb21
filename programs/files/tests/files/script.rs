//! A statement of a script, as the COBOL programs of the oracle read it.

use std::fmt;

use tsugi_files::operation::Relation;

/// What a line orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    OpenInput,
    OpenOutput,
    OpenBoth,
    OpenExtend,
    Close,
    CloseLock,
    CloseNoRewind,
    CloseUnit,
    Next,
    Previous,
    Read,
    Start(Relation, Length),
    Write,
    /// WRITE … ADVANCING so many lines as `length` says, or a page.
    Before,
    After,
    BeforePage,
    AfterPage,
    Rewrite,
    Delete,
    Unlock,
    DeleteFile,
}

/// START with LENGTH or without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    Whole,
    Leading,
}

/// One line: an order, and what stands in the program's fields before it is carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub order: Order,
    /// Which key READ and START go by.
    pub key: usize,
    /// What WITH LENGTH says.
    pub length: u32,
    /// The RELATIVE KEY.
    pub number: u32,
    /// The DEPENDING ON field.
    pub depending: u32,
    /// The record area; `~` is a line feed, `^` a carriage return, `!` and `?` bytes of zeros and
    /// of ones.
    pub record: String,
}

impl Line {
    /// An order with empty fields.
    pub fn of(order: Order) -> Self {
        Self { order, key: 0, length: 0, number: 0, depending: 0, record: String::new() }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (verb, relation, length) = match self.order {
            Order::OpenInput => ("OI", "--", "00"),
            Order::OpenOutput => ("OO", "--", "00"),
            Order::OpenBoth => ("OB", "--", "00"),
            Order::OpenExtend => ("OE", "--", "00"),
            Order::Close => ("CL", "--", "00"),
            Order::CloseLock => ("CK", "--", "00"),
            Order::CloseNoRewind => ("CN", "--", "00"),
            Order::CloseUnit => ("CU", "--", "00"),
            Order::Next => ("RN", "--", "00"),
            Order::Previous => ("RP", "--", "00"),
            Order::Read => ("RK", "--", "00"),
            Order::Write => ("WR", "--", "00"),
            Order::Before => ("WB", "--", "00"),
            Order::After => ("WA", "--", "00"),
            Order::BeforePage => ("WP", "--", "00"),
            Order::AfterPage => ("WQ", "--", "00"),
            Order::Rewrite => ("RW", "--", "00"),
            Order::Delete => ("DE", "--", "00"),
            Order::Unlock => ("UN", "--", "00"),
            Order::DeleteFile => ("DF", "--", "00"),
            Order::Start(relation, length) => {
                let length = match length {
                    Length::Whole => "00",
                    Length::Leading => "LL",
                };
                ("ST", characters(relation), length)
            }
        };
        let (key, record) = (self.key, &self.record);
        write!(to, "{verb} {key} {relation} {length} {:04} ", self.length)?;
        write!(to, "{:04} {:04} {record}", self.number, self.depending)
    }
}

const fn characters(relation: Relation) -> &'static str {
    match relation {
        Relation::Equal => "EQ",
        Relation::Greater => "GT",
        Relation::AtLeast => "GE",
        Relation::Less => "LT",
        Relation::AtMost => "LE",
        Relation::First => "FI",
        Relation::Last => "LA",
    }
}

/// What the program's fields hold after a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    pub status: String,
    pub number: u32,
    pub depending: u32,
    pub record: String,
}

impl Shown {
    /// As the programs of the oracle print it.
    pub fn parse(line: &str) -> Self {
        let field = |from: usize, to: usize| line.get(from..to).unwrap_or_default();
        let number = |from, to| field(from, to).trim().parse().unwrap_or_default();
        Self {
            status: field(0, 2).to_owned(),
            number: number(3, 7),
            depending: number(8, 12),
            record: line.get(13..).unwrap_or_default().to_owned(),
        }
    }
}
