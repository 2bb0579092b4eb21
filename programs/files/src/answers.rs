//! The engine's side of a file: what an operation finds and changes, decided over look-ups.
//!
//! A position is kept as values, not as a cursor of the store: the next record is the first one
//! behind them, whatever was written or deleted meanwhile.

mod indexed;
mod relative;
mod sequential;

use crate::definition::{Definition, Organization};
use crate::operation::{Answer, Failure, Malformed, Operation};
use crate::records::Records;

/// Whether READ tells, by 02, that the next record has the same value of an alternate key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ReadDuplicates {
    /// 00, as GnuCOBOL.
    #[default]
    Untold,
    /// 02, as the standard and Micro Focus.
    Told,
}

/// What an open file's operations go by, beside its records.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// What the file is.
    pub definition: &'a Definition,
    /// What READ tells of duplicates.
    pub read_duplicates: ReadDuplicates,
}

/// Where one open of a file stands, in one call; made at its first operation in the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Indexed(indexed::Cursor),
    Relative(relative::Cursor),
    Sequential(sequential::Cursor),
}

impl Cursor {
    /// That of a file just opened, or left open by an earlier call.
    #[must_use]
    pub fn new(definition: &Definition) -> Self {
        Self(match definition.organization() {
            Organization::Indexed => Kind::Indexed(indexed::Cursor::new(definition)),
            Organization::Relative => Kind::Relative(relative::Cursor::new()),
            Organization::LineSequential | Organization::Sequential => {
                Kind::Sequential(sequential::Cursor::new())
            }
        })
    }

    /// Carries an operation out. What is not answered with success has changed no record.
    ///
    /// # Errors
    ///
    /// When the store fails, when no worker that keeps to the rules asks so, and when the store's
    /// rows contradict each other. The call is then undone whole.
    pub fn answer<R: Records>(
        &mut self,
        terms: Terms<'_>,
        records: &mut R,
        operation: &Operation<'_>,
    ) -> Result<Answer, Failure<R::Error>> {
        let lengths = terms.definition.lengths();
        match operation {
            Operation::Write { record, .. } | Operation::Rewrite { record, .. } => {
                let allowed = lengths.min as usize..=lengths.max as usize;
                if !allowed.contains(&record.len()) {
                    return Err(Failure::Malformed(Malformed::RecordLength));
                }
            }
            Operation::Read(_)
            | Operation::Step { .. }
            | Operation::Start { .. }
            | Operation::Delete(_) => {}
        }
        match &mut self.0 {
            Kind::Indexed(cursor) => indexed::File { terms, records, cursor }.answer(operation),
            Kind::Relative(cursor) => relative::File { records, cursor }.answer(operation),
            Kind::Sequential(cursor) => {
                sequential::File { definition: terms.definition, records, cursor }.answer(operation)
            }
        }
    }
}
