//! A unit of work as operations are carried out in it: that of a call, or one within it.

use tsugi_frames::Code;
use tsugi_service_rules::ground::Effects;
use tsugi_store::file::{OnFile, OnFiles};
use tsugi_store::{Nested, Op, Outcome, Row, Trouble, Work};

use super::operated::CarriesOut;
use crate::files::Asking;
use crate::worker::Answered;

/// A unit of work, whose ever it is.
pub(super) struct Unit<'a, 'w> {
    of: Of<'a, 'w>,
    may: May,
    ended: u64,
}

enum Of<'a, 'w> {
    Call(&'a mut (dyn Work + 'w)),
    Nested(&'a mut (dyn Nested + 'w)),
}

/// What may be done in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum May {
    Write,
    Read,
}

impl<'a, 'w> Unit<'a, 'w> {
    /// That of a call.
    pub(super) fn of(work: &'a mut (dyn Work + 'w)) -> Self {
        Self { of: Of::Call(work), may: May::Write, ended: 0 }
    }

    /// One within another, of a service that acts so.
    pub(super) fn nested(nested: &'a mut (dyn Nested + 'w), effects: Effects) -> Self {
        let may = match effects {
            Effects::None => May::Read,
            Effects::Store | Effects::Outside => May::Write,
        };
        Self { of: Of::Nested(nested), may, ended: 0 }
    }

    /// Begins one within it.
    pub(super) fn begin(&mut self) -> Result<Box<dyn Nested + '_>, Trouble> {
        match &mut self.of {
            Of::Call(work) => work.nested(),
            Of::Nested(nested) => nested.nested(),
        }
    }

    fn run(&mut self, op: Op) -> Result<Outcome, Trouble> {
        let mut outcomes = match &mut self.of {
            Of::Call(work) => work.run(&[op])?,
            Of::Nested(nested) => nested.run(&[op])?,
        };
        Ok(outcomes.pop().unwrap_or_default())
    }

    /// So many calls of other services have ended in it.
    pub(super) fn knows(&mut self, ended: u64) {
        self.ended = ended;
    }
}

impl CarriesOut for Unit<'_, '_> {
    fn store(&mut self, op: Op) -> Result<Outcome, Trouble> {
        self.run(match (self.may, op) {
            (May::Read, Op::Sql { text, rows }) => Op::Read { text, rows },
            (May::Read | May::Write, op) => op,
        })
    }

    fn file(&mut self, asking: Asking) -> Result<Result<Answered, String>, Trouble> {
        match self.may {
            // As where it stands beside the writer: a file is opened by a unit that writes.
            May::Read => Ok(Ok(Answered::Code(Code::NotAllowed.number()))),
            May::Write => {
                let ended = self.ended;
                Ok(asking.carry_out(self, ended)?.map(Answered::File))
            }
        }
    }
}

impl OnFiles for Unit<'_, '_> {
    fn on_file(&mut self, what: &OnFile) -> Result<Vec<Row>, Trouble> {
        match &mut self.of {
            Of::Call(work) => work.on_file(what),
            Of::Nested(nested) => nested.on_file(what),
        }
    }
}
