//! Frames out of a stream of bytes that arrives in pieces, and into a buffer that is used again.

use crate::binary::{self, HEAD};
use crate::check;
use crate::frame::{Frame, Side};
use crate::limits::Limits;
use crate::lines;
use crate::wrong::{Limit, TooLarge, Wrong};

/// How much is taken at first; memory grows with what has arrived, not with what is announced.
const FIRST: usize = 16 * 1024;
/// How much is kept once all of it was read.
const KEPT: usize = 256 * 1024;

/// How frames are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// For programs.
    Binary,
    /// One JSON object a line, for commands.
    Lines,
}

impl Encoding {
    /// Writes `frame` behind what `out` holds.
    ///
    /// # Errors
    /// It passes a limit; `out` is as it was.
    pub fn write(self, frame: &Frame<'_>, limits: &Limits, out: &mut Vec<u8>) -> Result<(), Wrong> {
        check::frame(frame, limits)?;
        check::whole(frame)?;
        let before = out.len();
        let written = match self {
            Self::Binary => binary::write(frame, limits, out),
            Self::Lines => lines::write(frame, limits, out),
        };
        if written.is_err() {
            out.truncate(before);
        }
        written
    }
}

/// Takes bytes as they arrive and gives frames. After something wrong nothing more is read.
#[derive(Debug)]
pub struct Decoder {
    encoding: Encoding,
    says: Side,
    limits: Limits,
    /// What has arrived stands from `start` to `end`; the rest is room.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Up to where no end of a line was found.
    looked: usize,
    over: bool,
}

/// What stands at the front of the buffer.
enum Front {
    /// Not all of a frame yet.
    Part,
    Binary(binary::Head),
    /// A line of this length, without its end.
    Line(usize),
}

impl Decoder {
    /// Reads what `says` says. Takes no memory yet.
    #[must_use]
    pub const fn new(encoding: Encoding, says: Side, limits: Limits) -> Self {
        Self {
            encoding,
            says,
            limits,
            buffer: Vec::new(),
            start: 0,
            end: 0,
            looked: 0,
            over: false,
        }
    }

    /// Takes other limits, as *welcome* tells them.
    ///
    /// # Errors
    /// This build cannot hold them.
    pub fn adopt(&mut self, limits: Limits) -> Result<(), Wrong> {
        if !limits.hold() {
            return Err(Wrong::Shape);
        }
        self.limits = limits;
        Ok(())
    }

    /// Room for what arrives next; [`Self::filled`] tells how much did. Empty only while
    /// [`Self::frame`] has a frame to give.
    pub fn room(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.looked = self.looked.saturating_sub(self.start);
            self.start = 0;
        }
        if self.end == 0 && self.buffer.len() > KEPT {
            self.buffer.truncate(FIRST);
            self.buffer.shrink_to_fit();
        }
        if self.end == self.buffer.len() {
            let most = self.most();
            let more = (self.end * 2).clamp(FIRST, most);
            self.buffer.reserve_exact(more.saturating_sub(self.buffer.len()));
            self.buffer.resize(more.max(self.buffer.len()), 0);
        }
        &mut self.buffer[self.end..]
    }

    /// So much of the room has been filled.
    pub fn filled(&mut self, length: usize) {
        self.end = self.buffer.len().min(self.end + length);
    }

    /// Takes bytes that stand elsewhere; how many of them found room.
    pub fn feed(&mut self, bytes: &[u8]) -> usize {
        let room = self.room();
        let taken = room.len().min(bytes.len());
        room[..taken].copy_from_slice(&bytes[..taken]);
        self.filled(taken);
        taken
    }

    /// How many bytes have arrived of what is not yet a whole frame, or not yet read. When the
    /// stream ends they are nothing: half a frame is never believed.
    #[must_use]
    pub const fn pending(&self) -> usize {
        self.end - self.start
    }

    /// How much memory is held.
    #[must_use]
    pub fn held(&self) -> usize {
        self.buffer.capacity()
    }

    /// The next frame, if all of it has arrived. It lends what stands in the buffer.
    ///
    /// # Errors
    /// What arrived is no frame. From then on, [`Wrong::Over`].
    pub fn frame(&mut self) -> Result<Option<Frame<'_>>, Wrong> {
        if self.over {
            return Err(Wrong::Over);
        }
        let front = match self.front() {
            Ok(front) => front,
            Err(wrong) => {
                self.over = true;
                return Err(wrong);
            }
        };
        let Self { buffer, start, over, limits, says, .. } = self;
        let read = match front {
            Front::Part => return Ok(None),
            Front::Binary(head) => {
                let from = *start + HEAD;
                *start = from + head.length;
                binary::body(head, &buffer[from..*start], limits)
            }
            Front::Line(length) => {
                let from = *start;
                *start = from + length + 1;
                lines::read(&buffer[from..from + length], *says, limits)
            }
        };
        match read {
            Ok(frame) => Ok(Some(frame)),
            Err(wrong) => {
                *over = true;
                Err(wrong)
            }
        }
    }

    fn front(&mut self) -> Result<Front, Wrong> {
        let arrived = &self.buffer[self.start..self.end];
        match self.encoding {
            Encoding::Binary => {
                let Some(head) = arrived.first_chunk::<HEAD>() else { return Ok(Front::Part) };
                let head = binary::head(head, self.says, &self.limits)?;
                let whole = arrived.len() - HEAD >= head.length;
                Ok(if whole { Front::Binary(head) } else { Front::Part })
            }
            Encoding::Lines => {
                let looked = self.looked.max(self.start) - self.start;
                let end = arrived[looked..].iter().position(|byte| *byte == b'\n');
                let length = end.map_or(arrived.len(), |end| looked + end);
                TooLarge::length(Limit::Frame, length, self.limits.frame)?;
                if end.is_none() {
                    self.looked = self.end;
                    return Ok(Front::Part);
                }
                Ok(Front::Line(length))
            }
        }
    }

    /// The most that is ever held: the largest frame and the beginning of the next.
    fn most(&self) -> usize {
        usize::try_from(self.limits.frame).unwrap_or(usize::MAX - FIRST - HEAD) + HEAD + FIRST
    }
}
