//! Why a frame is not one, and what does not fit into one. Numbers and values; sentences are
//! made by whoever speaks with people.

use std::fmt;

use crate::turn::Turn;
use crate::version::Apart;

/// What has a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the limit of its name")]
pub enum Limit {
    Frame,
    Record,
    Operations,
    Calls,
    SqlText,
    Parameters,
    Rows,
    Answer,
    Values,
    LogLine,
    Listed,
    Name,
    Id,
    Key,
    Text,
}

/// A limit that is passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge {
    /// Which.
    pub limit: Limit,
    /// How much it is.
    pub size: u32,
    /// How much would fit.
    pub most: u32,
}

impl TooLarge {
    /// Refuses a `size` above `most`.
    ///
    /// # Errors
    /// It is above.
    pub const fn over(limit: Limit, size: u32, most: u32) -> Result<(), Self> {
        if size > most { Err(Self { limit, size, most }) } else { Ok(()) }
    }

    /// Refuses a length in memory above `most`.
    pub(crate) fn length(limit: Limit, length: usize, most: u32) -> Result<(), Self> {
        Self::over(limit, u32::try_from(length).unwrap_or(u32::MAX), most)
    }
}

/// Why bytes are no frame here and now. Whoever sent them broke the protocol: nothing that comes
/// after is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// Something is larger than it may be.
    TooLarge(TooLarge),
    /// The other end speaks no version of ours.
    Apart(Apart),
    /// No frame has this kind.
    Kind(u8),
    /// This kind is not said by this end.
    Side(u8),
    /// Bits that no version has given a meaning.
    Flags(u8),
    /// No operation has this number, or it is not asked in a frame.
    Operation(u8),
    /// A number stands for nothing: a value's kind, a code, a class, a relation.
    Number(u16),
    /// A length or a count reaches past the end of what holds it.
    Short,
    /// Bytes are left over.
    Long,
    /// Text is not UTF-8.
    Utf8,
    /// Rows and columns do not make up the values; or a count is not that of the head.
    Shape,
    /// A frame of one turn while another is under way; 0 is none.
    Turn {
        /// The one under way.
        expected: Turn,
        /// What was said.
        said: Turn,
    },
    /// More calls were begun ahead than may be.
    Ahead,
    /// A line is no JSON object of a frame; where in the line.
    Line(usize),
    /// Something was already wrong; nothing more is read.
    Over,
}

impl From<TooLarge> for Wrong {
    fn from(too_large: TooLarge) -> Self {
        Self::TooLarge(too_large)
    }
}

impl From<Apart> for Wrong {
    fn from(apart: Apart) -> Self {
        Self::Apart(apart)
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, out)
    }
}

impl std::error::Error for Wrong {}
