//! A small, bounded way to write numbers, bytes and texts into a body and to read them back.
//!
//! Numbers are LEB128 (7 bits a byte, lowest first, shortest form only); bytes and texts have
//! their length before them. The reader never panics, never allocates more than it was given,
//! and has no defaults: what it does not know is a [`Malformed`].

/// Why bytes could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The bytes end inside a value.
    #[error("the bytes end after {at}, inside a value")]
    Ends {
        /// How many bytes had been read.
        at: usize,
    },
    /// A number is not in its shortest form, or is above 2^64 − 1.
    #[error("the number at byte {at} is not in its only form")]
    Number {
        /// Where the number begins.
        at: usize,
    },
    /// A length or count is above what the reader allows.
    #[error("{found} at byte {at} is above the limit of {limit}")]
    AboveLimit {
        /// Where the length stands.
        at: usize,
        /// What it says.
        found: u64,
        /// What is allowed.
        limit: u64,
    },
    /// A text is not UTF-8.
    #[error("the text at byte {at} is not UTF-8")]
    NotText {
        /// Where the text begins.
        at: usize,
    },
    /// A value is none of those that the format knows.
    #[error("{found} at byte {at} is none of the values known here")]
    Unknown {
        /// Where the value stands.
        at: usize,
        /// What it is.
        found: u64,
    },
    /// There is more than the format knows.
    #[error("{left} bytes are left over")]
    LeftOver {
        /// How many.
        left: usize,
    },
}

/// Appends values to a body.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// An empty body.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Continues `bytes`: lets a caller reuse one allocation for each heartbeat.
    #[must_use]
    pub fn after(bytes: Vec<u8>) -> Self {
        Self { bytes }
    }

    /// Appends one byte.
    pub fn u8(&mut self, value: u8) -> &mut Self {
        self.bytes.push(value);
        self
    }

    /// Appends a number in 1–10 bytes.
    pub fn u64(&mut self, mut value: u64) -> &mut Self {
        while value >= 0x80 {
            self.bytes.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
        self
    }

    /// Appends 16 bytes, highest first: identifiers drawn at random gain nothing from LEB128.
    pub fn u128(&mut self, value: u128) -> &mut Self {
        self.bytes.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// Appends a length and the bytes.
    pub fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.u64(value.len() as u64);
        self.bytes.extend_from_slice(value);
        self
    }

    /// Appends a length and the text as UTF-8.
    pub fn str(&mut self, value: &str) -> &mut Self {
        self.bytes(value.as_bytes())
    }

    /// Appends bytes without a length: the reader must know it.
    pub fn raw(&mut self, value: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(value);
        self
    }

    /// The body.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// Reads values from a body in the order in which they were written.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Begins at the first byte.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How many bytes have been read.
    #[must_use]
    pub fn at(&self) -> usize {
        self.at
    }

    /// How many bytes are left.
    #[must_use]
    pub fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// Takes `count` bytes.
    ///
    /// # Errors
    /// [`Malformed::Ends`] if there are fewer.
    pub fn raw(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let rest = &self.bytes[self.at..];
        let taken = rest.get(..count).ok_or(Malformed::Ends { at: self.at })?;
        self.at += count;
        Ok(taken)
    }

    /// Takes one byte.
    ///
    /// # Errors
    /// [`Malformed::Ends`] if none is left.
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(self.raw(1)?[0])
    }

    /// Takes a number.
    ///
    /// # Errors
    /// [`Malformed::Ends`] or [`Malformed::Number`]: each number has exactly one form, so that
    /// equal values have equal bytes.
    pub fn u64(&mut self) -> Result<u64, Malformed> {
        let begun = self.at;
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(Malformed::Number { at: begun });
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                if byte == 0 && shift != 0 {
                    return Err(Malformed::Number { at: begun });
                }
                return Ok(value);
            }
        }
        Err(Malformed::Number { at: begun })
    }

    /// Takes a number that may be at most `limit`: a count of things to follow.
    ///
    /// # Errors
    /// As [`Reader::u64`], and [`Malformed::AboveLimit`].
    pub fn count(&mut self, limit: usize) -> Result<usize, Malformed> {
        let at = self.at;
        let found = self.u64()?;
        match usize::try_from(found) {
            Ok(count) if count <= limit => Ok(count),
            Ok(_) | Err(_) => Err(Malformed::AboveLimit { at, found, limit: limit as u64 }),
        }
    }

    /// Takes 16 bytes as one number.
    ///
    /// # Errors
    /// [`Malformed::Ends`] if there are fewer.
    pub fn u128(&mut self) -> Result<u128, Malformed> {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(self.raw(16)?);
        Ok(u128::from_be_bytes(bytes))
    }

    /// Takes a length and so many bytes, at most `limit`.
    ///
    /// # Errors
    /// As [`Reader::count`] and [`Reader::raw`].
    pub fn bytes(&mut self, limit: usize) -> Result<&'a [u8], Malformed> {
        let count = self.count(limit)?;
        self.raw(count)
    }

    /// Takes a length and a text of so many bytes, at most `limit`.
    ///
    /// # Errors
    /// As [`Reader::bytes`], and [`Malformed::NotText`].
    pub fn str(&mut self, limit: usize) -> Result<&'a str, Malformed> {
        let at = self.at;
        std::str::from_utf8(self.bytes(limit)?).map_err(|_| Malformed::NotText { at })
    }

    /// A refusal of a value just read at `at` that the format does not know.
    #[must_use]
    pub fn unknown(at: usize, found: impl Into<u64>) -> Malformed {
        Malformed::Unknown { at, found: found.into() }
    }

    /// Ends the reading: nothing may be left over.
    ///
    /// # Errors
    /// [`Malformed::LeftOver`].
    pub fn finish(self) -> Result<(), Malformed> {
        match self.left() {
            0 => Ok(()),
            left => Err(Malformed::LeftOver { left }),
        }
    }

    /// Ends the reading of a body that a newer version wrote: it may carry fields after those
    /// known here. Returns how many bytes were not understood.
    #[must_use]
    pub fn finish_newer(self) -> usize {
        self.left()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read_anything(choices: &[u8], bytes: &[u8]) -> usize {
        let mut reader = Reader::new(bytes);
        for choice in choices {
            let before = reader.at();
            let failed = match choice % 7 {
                0 => reader.u8().is_err(),
                1 => reader.u64().is_err(),
                2 => reader.u128().is_err(),
                3 => reader.bytes(1 << 20).is_err(),
                4 => reader.str(1 << 20).is_err(),
                5 => reader.count(16).is_err(),
                _ => reader.raw(usize::from(*choice)).is_err(),
            };
            assert!(reader.at() >= before && reader.at() <= bytes.len());
            if failed {
                break;
            }
        }
        reader.finish_newer()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 100_000, ..ProptestConfig::default() })]

        #[test]
        fn random_bytes_are_read_or_refused_and_never_panic(
            choices in proptest::collection::vec(any::<u8>(), 1..8),
            bytes in proptest::collection::vec(any::<u8>(), 0..64),
        ) {
            prop_assert!(read_anything(&choices, &bytes) <= bytes.len());
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_back(
            number in any::<u64>(), id in any::<u128>(), text in ".{0,40}",
            blob in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let mut writer = Writer::new();
            writer.u64(number).u128(id).str(&text).bytes(&blob).u8(7);
            let body = writer.finish();
            let mut reader = Reader::new(&body);
            prop_assert_eq!(reader.u64().unwrap(), number);
            prop_assert_eq!(reader.u128().unwrap(), id);
            prop_assert_eq!(reader.str(200).unwrap(), text.as_str());
            prop_assert_eq!(reader.bytes(300).unwrap(), &blob[..]);
            prop_assert_eq!(reader.u8().unwrap(), 7);
            prop_assert!(reader.finish().is_ok());
        }
    }

    #[test]
    fn a_number_has_exactly_one_form() {
        assert_eq!(Reader::new(&[0x80, 0x00]).u64(), Err(Malformed::Number { at: 0 }));
        let mut writer = Writer::new();
        writer.u64(u64::MAX);
        let mut longest = writer.finish();
        assert_eq!(longest.len(), 10);
        assert_eq!(Reader::new(&longest).u64(), Ok(u64::MAX));
        longest[9] = 2;
        assert_eq!(Reader::new(&longest).u64(), Err(Malformed::Number { at: 0 }));
        assert_eq!(Reader::new(&[0xff; 11]).u64(), Err(Malformed::Number { at: 0 }));
    }

    #[test]
    fn a_length_above_the_limit_is_refused_before_it_is_read() {
        let mut writer = Writer::new();
        writer.u64(1 << 30);
        let body = writer.finish();
        assert_eq!(
            Reader::new(&body).bytes(4096),
            Err(Malformed::AboveLimit { at: 0, found: 1 << 30, limit: 4096 })
        );
        assert!(matches!(Reader::new(&body).bytes(1 << 31), Err(Malformed::Ends { .. })));
    }

    #[test]
    fn bytes_left_over_are_refused() {
        assert_eq!(Reader::new(b"x").finish(), Err(Malformed::LeftOver { left: 1 }));
    }
}
