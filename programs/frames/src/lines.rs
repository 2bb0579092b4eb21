//! The form for people and scripts: one JSON object a line, with the names of the binary form.
//!
//! `{"done":{"turn":7,"replies":[{"parameters":["41"]}]}}`. Bytes are a string where they are
//! UTF-8, else `{"base64":"…"}`. A bare number is a whole one; `{"real":"1.5"}` and
//! `{"decimal":"12.30"}` are text, so that no digit is lost on the way. A line ends in a line
//! feed; it is no longer than a frame.

mod base64;
mod json;

use serde::Deserialize;

use crate::check;
use crate::frame::{Frame, Side};
use crate::limits::{Limits, VALUES};
use crate::version::Versions;
use crate::wrong::{Limit, TooLarge, Wrong};

/// Writes a frame as a line behind what `out` holds.
pub(crate) fn write(frame: &Frame<'_>, limits: &Limits, out: &mut Vec<u8>) -> Result<(), Wrong> {
    let before = out.len();
    serde_json::to_writer(&mut *out, frame).map_err(|_| Wrong::Line(0))?;
    let line = out.get(before..).unwrap_or_default();
    TooLarge::length(Limit::Frame, line.len(), limits.frame)?;
    counted(line)?;
    out.push(b'\n');
    Ok(())
}

/// The versions of a *hello* or *welcome* of which nothing else may be known.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum First {
    Hello { versions: Versions },
    Welcome { versions: Versions },
}

/// Reads a line without its end.
pub(crate) fn read(line: &[u8], side: Side, limits: &Limits) -> Result<Frame<'static>, Wrong> {
    counted(line)?;
    let read = serde_json::from_slice::<Frame<'static>>(line);
    let theirs = match &read {
        Ok(Frame::Welcome(welcome)) => Some(welcome.versions),
        Ok(Frame::Hello(hello)) => Some(hello.versions),
        Ok(_) => None,
        Err(_) => match serde_json::from_slice(line) {
            Ok(First::Hello { versions } | First::Welcome { versions }) => Some(versions),
            Err(_) => None,
        },
    };
    if let Some(theirs) = theirs {
        Versions::CURRENT.common(theirs)?;
    }
    let mut frame = read.map_err(|error| Wrong::Line(error.column()))?;
    if frame.kind().side() != side {
        return Err(Wrong::Side(frame.kind().number()));
    }
    match &mut frame {
        Frame::Ask(ask) => check::set_aside(&mut ask.operations, limits),
        Frame::Done(done) => check::set_aside(&mut done.operations, limits),
        _ => {}
    }
    check::frame(&frame, limits)?;
    Ok(frame)
}

/// Counts what a line lists before memory is taken for it: two bytes of a line may take a hundred
/// once they are read.
fn counted(line: &[u8]) -> Result<(), Wrong> {
    let (mut inside, mut escaped, mut many) = (Inside::Structure, false, 0_usize);
    for byte in line {
        match (inside, byte) {
            (Inside::Text, _) if escaped => escaped = false,
            (Inside::Text, b'\\') => escaped = true,
            (Inside::Text, b'"') => inside = Inside::Structure,
            (Inside::Structure, b'"') => inside = Inside::Text,
            (Inside::Structure, b',' | b'[' | b'{') => many += 1,
            (Inside::Text | Inside::Structure, _) => {}
        }
    }
    Ok(TooLarge::length(Limit::Values, many, VALUES)?)
}

/// Where in a line a byte stands.
#[derive(Clone, Copy)]
enum Inside {
    Structure,
    Text,
}
