//! Whether a frame is within the limits: asked before it is written and after it was read.

use crate::bytes::Bytes;
use crate::file::FileResult;
use crate::frame::{
    Answer, Begin, Call, Done, Failed, Frame, Hello, Outcome, Reply, Rows, Trouble, Welcome,
};
use crate::limits::{ID, LEVEL, LISTED, Limits, MESSAGE, NAME, SQLSTATE, TEXT};
use crate::operation::{Asked, Operation};
use crate::value::{Value, is_decimal};
use crate::wrong::{Limit, TooLarge, Wrong};

/// Refuses a frame that passes a limit.
///
/// # Errors
/// The first limit that is passed, or a count that cannot be.
pub(crate) fn frame(frame: &Frame<'_>, limits: &Limits) -> Result<(), Wrong> {
    match frame {
        Frame::Welcome(welcome) => self::welcome(welcome),
        Frame::Begin(begin) => self::begin(begin, limits),
        Frame::Answer(answer) => self::answer(answer, limits),
        Frame::Leave(_) | Frame::Ready(_) => Ok(()),
        Frame::Hello(hello) => self::hello(hello),
        Frame::Ask(ask) => {
            some(ask.operations.len())?;
            operations(&ask.operations, limits)
        }
        Frame::Done(done) => self::done(done, limits),
        Frame::Failed(failed) => self::failed(failed),
    }
}

/// Puts what passes a limit of programs in the place of the operation that does.
pub(crate) fn set_aside(operations: &mut [Asked<'_>], limits: &Limits) {
    for asked in operations {
        if let Err(too_large) = asked.operation.check(limits) {
            asked.operation = Operation::TooLarge(asked.operation.number(), too_large);
        }
    }
}

fn some(many: usize) -> Result<(), Wrong> {
    if many == 0 { Err(Wrong::Shape) } else { Ok(()) }
}

fn text(limit: Limit, text: &str, most: u32) -> Result<(), Wrong> {
    Ok(TooLarge::length(limit, text.len(), most)?)
}

fn listed(many: usize) -> Result<(), Wrong> {
    Ok(TooLarge::length(Limit::Listed, many, LISTED.into())?)
}

fn welcome(welcome: &Welcome<'_>) -> Result<(), Wrong> {
    if !welcome.limits.hold() {
        return Err(Wrong::Shape);
    }
    text(Limit::Name, &welcome.group, NAME)?;
    text(Limit::Name, &welcome.node, NAME)?;
    text(Limit::Name, &welcome.code_page, NAME)?;
    text(Limit::Id, &welcome.time_zone, ID)?;
    listed(welcome.services.len())?;
    for service in &welcome.services {
        text(Limit::Name, &service.name, NAME)?;
        text(Limit::Text, &service.module, TEXT)?;
        text(Limit::Id, &service.entry, ID)?;
        let most = welcome.limits.parameters.into();
        TooLarge::length(Limit::Parameters, service.parameters.len(), most)?;
    }
    listed(welcome.files.len())?;
    for file in &welcome.files {
        text(Limit::Name, &file.name, NAME)?;
        crate::file::keys(&file.keys)?;
    }
    Ok(())
}

fn begin(begin: &Begin<'_>, limits: &Limits) -> Result<(), Wrong> {
    some(begin.calls.len())?;
    TooLarge::length(Limit::Calls, begin.calls.len(), limits.calls.into())?;
    begin.calls.iter().try_for_each(|call: &Call<'_>| {
        text(Limit::Id, &call.id, ID)?;
        text(Limit::Id, &call.parent, ID)?;
        text(Limit::Id, &call.client, ID)?;
        parameters(&call.parameters, limits)
    })
}

fn parameters(given: &[Bytes<'_>], limits: &Limits) -> Result<(), Wrong> {
    TooLarge::length(Limit::Parameters, given.len(), limits.parameters.into())?;
    given.iter().try_for_each(|one| record(one, limits))
}

fn record(bytes: &Bytes<'_>, limits: &Limits) -> Result<(), Wrong> {
    Ok(TooLarge::length(Limit::Record, bytes.len(), limits.record)?)
}

fn answer(answer: &Answer<'_>, limits: &Limits) -> Result<(), Wrong> {
    some(answer.results.len())?;
    TooLarge::length(Limit::Operations, answer.results.len(), limits.operations.into())?;
    answer.results.iter().try_for_each(|result| match result {
        Outcome::Rows(rows) => self::rows(rows, limits),
        Outcome::Reply(Reply { parameters: given, .. }) => parameters(given, limits),
        Outcome::File(FileResult { status, records, .. }) => {
            if *status > 99 {
                return Err(Wrong::Number((*status).into()));
            }
            TooLarge::length(Limit::Listed, records.len(), crate::limits::RECORDS.into())?;
            records.iter().try_for_each(|one| record(&one.record, limits))
        }
        Outcome::Trouble(trouble) => self::trouble(trouble),
    })
}

fn rows(rows: &Rows<'_>, limits: &Limits) -> Result<(), Wrong> {
    TooLarge::over(Limit::Rows, rows.rows.len(), limits.rows)?;
    TooLarge::length(Limit::Answer, rows.rows.size(), limits.answer)?;
    decimals(rows.rows.values())
}

fn decimals(values: &[Value<'_>]) -> Result<(), Wrong> {
    let wrong = |value: &Value<'_>| matches!(value, Value::Decimal(text) if !is_decimal(text));
    if values.iter().any(wrong) { Err(Wrong::Number(5)) } else { Ok(()) }
}

fn trouble(trouble: &Trouble<'_>) -> Result<(), Wrong> {
    if trouble.code == crate::code::Code::Done {
        return Err(Wrong::Number(0));
    }
    text(Limit::Text, &trouble.sqlstate, SQLSTATE)?;
    text(Limit::Text, &trouble.message, MESSAGE)?;
    text(Limit::Text, &trouble.text, TEXT)
}

fn hello(hello: &Hello<'_>) -> Result<(), Wrong> {
    text(Limit::Name, &hello.libcob, NAME)?;
    listed(hello.modules.len())
}

fn operations(asked: &[Asked<'_>], limits: &Limits) -> Result<(), Wrong> {
    TooLarge::length(Limit::Operations, asked.len(), limits.operations.into())?;
    let mut values = 0_usize;
    for one in asked {
        match &one.operation {
            Operation::TooLarge(..) => continue,
            Operation::Sql { rows, .. } => {
                values += rows.values().len();
                decimals(rows.values())?;
            }
            Operation::Log { level, .. } if *level > LEVEL => {
                return Err(Wrong::Number((*level).into()));
            }
            _ => {}
        }
        one.operation.check(limits)?;
    }
    Ok(TooLarge::length(Limit::Values, values, crate::limits::VALUES)?)
}

fn done(done: &Done<'_>, limits: &Limits) -> Result<(), Wrong> {
    operations(&done.operations, limits)?;
    some(done.replies.len())?;
    TooLarge::length(Limit::Calls, done.replies.len(), limits.calls.into())?;
    done.replies.iter().try_for_each(|reply| parameters(&reply.parameters, limits))?;
    listed(done.open.len())
}

fn failed(failed: &Failed<'_>) -> Result<(), Wrong> {
    text(Limit::Text, &failed.text, TEXT)
}

/// What can be read but not sent.
pub(crate) fn whole(frame: &Frame<'_>) -> Result<(), Wrong> {
    let asked = match frame {
        Frame::Ask(ask) => &ask.operations,
        Frame::Done(done) => &done.operations,
        _ => return Ok(()),
    };
    asked.iter().try_for_each(|one| match one.operation {
        Operation::TooLarge(_, too_large) => Err(too_large.into()),
        _ => Ok(()),
    })
}
