//! The binary form: a head of 16 bytes and what it announces, little-endian and without padding.
//!
//! ```text
//! frame = u32 length of what follows the head | u8 kind | u8 flags | u16 count | u64 turn | …
//! op    = u8 number | u8 flags (1: nobody waits) | u16 slot | u32 length | parameters
//! result= u8 what | u8 flags | u16 code | u32 length | what came of it
//! bytes = u32 length | data     value = u8 kind | data     list = u16 count | each
//! ```
//!
//! `count` is the number of calls of a *begin*, of results of an *answer*, of operations of an
//! *ask* or a *done*; else 0.

mod field;
mod fields;
mod read;

use crate::check;
use crate::frame::{Frame, Kind, Side};
use crate::limits::Limits;
use crate::turn::Turn;
use crate::version::Versions;
use crate::wrong::{Limit, TooLarge, Wrong};

use field::Field;
use read::Reader;

/// The bytes of a frame before what it announces.
pub const HEAD: usize = 16;

/// What stands before a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) length: usize,
    kind: Kind,
    count: u16,
    turn: Turn,
}

/// Reads a head and compares it with what may be.
pub(crate) fn head(bytes: &[u8; HEAD], side: Side, limits: &Limits) -> Result<Head, Wrong> {
    let mut from = Reader::new(bytes);
    let length = u32::read(&mut from)?;
    TooLarge::over(Limit::Frame, length, limits.frame)?;
    let number = u8::read(&mut from)?;
    let kind = Kind::of(number).ok_or(Wrong::Kind(number))?;
    if kind.side() != side {
        return Err(Wrong::Side(number));
    }
    match u8::read(&mut from)? {
        0 => {}
        flags => return Err(Wrong::Flags(flags)),
    }
    let count = u16::read(&mut from)?;
    let turn = Turn(u64::read(&mut from)?);
    let (most, limit) = match kind {
        Kind::Begin => (limits.calls, Limit::Calls),
        Kind::Answer | Kind::Ask | Kind::Done => (limits.operations, Limit::Operations),
        Kind::Welcome | Kind::Leave | Kind::Hello | Kind::Ready | Kind::Failed => {
            (0, Limit::Operations)
        }
    };
    TooLarge::over(limit, count.into(), most.into())?;
    let length = usize::try_from(length).map_err(|_| Wrong::Short)?;
    Ok(Head { length, kind, count, turn })
}

/// Reads what a head announced, all of it.
pub(crate) fn body<'a>(head: Head, bytes: &'a [u8], limits: &Limits) -> Result<Frame<'a>, Wrong> {
    let mut from = Reader::new(bytes);
    let mut frame = fields::read(head.kind, head.turn, head.count, &mut from)?;
    if !from.is_empty() && !later(&frame) {
        return Err(Wrong::Long);
    }
    match &mut frame {
        Frame::Ask(ask) => check::set_aside(&mut ask.operations, limits),
        Frame::Done(done) => check::set_aside(&mut done.operations, limits),
        _ => {}
    }
    if frame.turn() != head.turn {
        return Err(Wrong::Turn { expected: frame.turn(), said: head.turn });
    }
    check::frame(&frame, limits)?;
    Ok(frame)
}

/// *hello* and *welcome* of a later version may go on where ours end.
fn later(frame: &Frame<'_>) -> bool {
    let theirs = match frame {
        Frame::Welcome(welcome) => welcome.versions,
        Frame::Hello(hello) => hello.versions,
        _ => return false,
    };
    theirs.highest > Versions::CURRENT.highest
}

/// Writes a frame behind what `out` holds. What it lends is copied once, to there.
pub(crate) fn write(frame: &Frame<'_>, limits: &Limits, out: &mut Vec<u8>) -> Result<(), Wrong> {
    let before = out.len();
    0_u32.write(out);
    frame.kind().number().write(out);
    0_u8.write(out);
    count(frame)?.write(out);
    frame.turn().0.write(out);
    fields::write(frame, out);
    let length = u32::try_from(out.len() - before - HEAD).unwrap_or(u32::MAX);
    TooLarge::over(Limit::Frame, length, limits.frame)?;
    out[before..before + 4].copy_from_slice(&length.to_le_bytes());
    Ok(())
}

fn count(frame: &Frame<'_>) -> Result<u16, Wrong> {
    let many = match frame {
        Frame::Begin(begin) => begin.calls.len(),
        Frame::Answer(answer) => answer.results.len(),
        Frame::Ask(ask) => ask.operations.len(),
        Frame::Done(done) => done.operations.len(),
        Frame::Welcome(_)
        | Frame::Leave(_)
        | Frame::Hello(_)
        | Frame::Ready(_)
        | Frame::Failed(_) => 0,
    };
    u16::try_from(many).map_err(|_| Wrong::Shape)
}
