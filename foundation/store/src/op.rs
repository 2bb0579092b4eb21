//! What a program asks of the store within its unit of work.

/// Why a statement is refused where only reading is done.
pub(crate) const ONLY_READS: &str = "a service that only reads may not write";

/// A value of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// SQL's NULL.
    Null,
    /// INTEGER, BIGINT and shorter.
    Integer(i64),
    /// REAL, DOUBLE PRECISION.
    Real(f64),
    /// TEXT.
    Text(String),
    /// BLOB, BYTEA.
    Blob(Vec<u8>),
}

/// The values of one row, or the parameters of one run of a statement.
pub type Row = Vec<Value>;

/// One operation.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// A statement that reads or changes rows, run once for each of `rows`. Parameters are `?1`,
    /// `?2` … in both back ends.
    Sql {
        /// One statement.
        text: String,
        /// The parameters of each run.
        rows: Vec<Row>,
    },
    /// The same of a service that only reads, which stands in the unit of one that writes: what
    /// changes anything is refused.
    Read {
        /// One statement.
        text: String,
        /// The parameters of each run.
        rows: Vec<Row>,
    },
    /// A statement that makes, alters or drops a table, an index or a view: what a deploy asks.
    Define {
        /// One statement.
        text: String,
    },
}

/// What came of one operation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// How many rows were changed, by all runs together.
    pub changed: u64,
    /// What the statement gave back, by all runs together.
    pub rows: Vec<Row>,
}

/// How many bytes one operation may give back. A program that reads more is refused.
pub const LARGEST_OUTCOME: usize = 16 << 20;

impl Op {
    /// A statement that is run once.
    pub fn sql(text: impl Into<String>, row: impl Into<Row>) -> Self {
        Self::Sql { text: text.into(), rows: vec![row.into()] }
    }
}

/// Whether a text names a table of the record. A definition may not: what hangs on our tables
/// would keep their rows from going.
pub(crate) fn of_the_record(text: &str) -> bool {
    text.to_ascii_lowercase().contains("tsugi_")
}

/// Whether a definition has a constraint that is looked at when the sitting is committed: it would
/// fail for all.
pub(crate) fn waits_for_the_commit(text: &str) -> bool {
    text.to_ascii_lowercase().contains("deferr")
}

impl Value {
    /// About how much memory it takes, in bytes.
    pub(crate) fn size(&self) -> usize {
        16 + match self {
            Self::Null | Self::Integer(_) | Self::Real(_) => 0,
            Self::Text(text) => text.len(),
            Self::Blob(bytes) => bytes.len(),
        }
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}
