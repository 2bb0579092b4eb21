//! A region as it is read: a snapshot and the frames behind it.

use tsugi_vocabulary::Index;

use super::frame::{self, Frame};
use super::layout::Title;
use super::store::{BLOCK, Store};
use super::trouble::Trouble;
use super::vow::{Vow, context};
use crate::format::{Reader, Unreadable, Writer, read_view, seal, unseal, write_view};
use crate::mutant::mutant;
use crate::{Applied, StorageFailure, View};

/// How far a region was read, or written: where the next frame begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) seat: usize,
    /// The vow under which it was read.
    pub(crate) vow: Vow,
    pub(crate) at: u64,
}

impl Place {
    /// Whether the region still holds what was read.
    pub(crate) fn is_of(&self, seat: usize, vow: &Vow) -> bool {
        let same = (self.vow.generation, self.vow.accepted) == (vow.generation, vow.accepted);
        self.seat == seat && same
    }
}

/// What the reading of a region brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// These changes, one by one.
    Changes(Vec<Applied>),
    /// A view that was not reached change by change.
    Whole,
}

/// The snapshot of `view` as it stands at the beginning of an area.
pub(crate) fn snapshot(view: &View, vow: &Vow, title: &Title, seat: usize) -> Vec<u8> {
    let mut to = Writer::new();
    to.u64(vow.accepted.0).u64(vow.generation);
    write_view(&mut to, view);
    frame::blocks(&seal(&context(b"snapshot", title.whose, seat), &to.done()))
}

/// The region of `seat` as `vow` describes it; none if it holds something else by now.
pub(crate) fn whole(
    store: &mut impl Store,
    title: &Title,
    seat: usize,
    vow: Vow,
) -> Result<Option<(View, Place)>, Trouble> {
    let begin = title.layout.area(seat, vow.generation);
    if vow.snapshot > title.layout.area || !vow.snapshot.is_multiple_of(BLOCK as u64) {
        let what = format!("the vow of seat {seat} names a snapshot of {} bytes", vow.snapshot);
        return Err(Trouble::damaged(store, &what));
    }
    let mut bytes = vec![0; vow.snapshot as usize];
    store.read(begin, &mut bytes).map_err(|error| Trouble::unread(store, &error))?;
    let view = match read_snapshot(&bytes, &vow, title, seat) {
        Ok(view) => view,
        Err(Unreadable::TooNew { found, known }) => {
            let file = store.name();
            return Err(Trouble::Broken(StorageFailure::TooNew { file, found, known }));
        }
        Err(_) => return Ok(None),
    };
    let mut view = view;
    let mut place = Place { seat, vow, at: begin + vow.snapshot };
    further(store, title, &mut place, &mut view)?;
    Ok(Some((view, place)))
}

fn read_snapshot(bytes: &[u8], vow: &Vow, title: &Title, seat: usize) -> Result<View, Unreadable> {
    let context = context(b"snapshot", title.whose, seat);
    let mut from = Reader::new(unseal(&context, frame::record(bytes)?)?);
    if (from.u64()?, from.u64()?) != (vow.accepted.0, vow.generation) {
        return Err(Unreadable::Text { what: "snapshot" });
    }
    let view = read_view(&mut from)?;
    from.end()?;
    Ok(view)
}

/// Carries out on `view` the frames from `place` on, and moves it to their end.
pub(crate) fn further(
    store: &mut impl Store,
    title: &Title,
    place: &mut Place,
    view: &mut View,
) -> Result<Vec<Applied>, Trouble> {
    let mut applied = Vec::new();
    while let Some((frame, length)) = next(store, title, place, view.applied)? {
        for entry in &frame.entries {
            let at = Index(view.applied.0 + 1);
            applied.push(entry.apply(view, at).1);
        }
        place.at += length;
    }
    Ok(applied)
}

/// The frame at `place`, if one stands there. What does not carry on what is before it is an older
/// writing of the same area, or a frame that is being written.
fn next(
    store: &mut impl Store,
    title: &Title,
    place: &Place,
    applied: Index,
) -> Result<Option<(Frame, u64)>, Trouble> {
    let end = title.layout.area(place.seat, place.vow.generation) + title.layout.area;
    if place.at + BLOCK as u64 > end {
        return Ok(None);
    }
    let mut bytes = vec![0; BLOCK];
    store.read(place.at, &mut bytes).map_err(|error| Trouble::unread(store, &error))?;
    let length = match frame::length_of(&bytes) {
        Ok(length) if place.at + length as u64 <= end => length,
        Ok(_) | Err(_) => return Ok(None),
    };
    if length > BLOCK {
        bytes.resize(length, 0);
        let rest = &mut bytes[BLOCK..];
        let read = store.read(place.at + BLOCK as u64, rest);
        read.map_err(|error| Trouble::unread(store, &error))?;
    }
    match Frame::from_blocks(&bytes, title.whose, place.seat) {
        Ok(frame) => {
            let (vow, first) = (&place.vow, Index(applied.0 + 1));
            let carries_on = (frame.term, frame.generation, frame.first)
                == (vow.accepted, vow.generation, first)
                || mutant("older-frames");
            Ok(carries_on.then_some((frame, length as u64)))
        }
        Err(Unreadable::TooNew { found, known }) => {
            let file = store.name();
            Err(Trouble::Broken(StorageFailure::TooNew { file, found, known }))
        }
        Err(_) => Ok(None),
    }
}
