//! Reading from bytes that are there, never past their end.

use crate::limits::VALUES;
use crate::wrong::{Limit, TooLarge, Wrong};

/// What is left of a frame.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    values: u32,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, values: VALUES }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], Wrong> {
        let (taken, rest) = self.bytes.split_at_checked(length).ok_or(Wrong::Short)?;
        self.bytes = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Wrong> {
        self.take(N)?.try_into().map_err(|_| Wrong::Short)
    }

    /// The next `length` bytes as something to read of its own.
    pub(super) fn part(&mut self, length: usize) -> Result<Self, Wrong> {
        Ok(Self { bytes: self.take(length)?, values: self.values })
    }

    /// Ends a part: nothing of it is left over, and its values count for the whole.
    pub(super) fn end(&mut self, part: &Self) -> Result<(), Wrong> {
        self.values = part.values;
        if part.is_empty() { Ok(()) } else { Err(Wrong::Long) }
    }

    /// Room in memory for so many things, of which each has a byte at least. They are counted
    /// over the whole frame: what a byte announces may take a hundred once it is read.
    pub(super) fn values(&mut self, many: u64) -> Result<usize, Wrong> {
        let many = u32::try_from(many).unwrap_or(u32::MAX);
        TooLarge::over(Limit::Values, many, self.values)?;
        let held = usize::try_from(many).map_err(|_| Wrong::Short)?;
        if held > self.bytes.len() {
            return Err(Wrong::Short);
        }
        self.values -= many;
        Ok(held)
    }
}
