//! Records as they stand in a file outside of the store, cut out of its bytes and written.
//!
//! The forms are those of GnuCOBOL 3.1.2 on a 64-bit little-endian machine; its indexed files are
//! a database's, and come and go by a program of its own: [`crate::unload`].

use std::fmt;

use crate::definition::RECORD_MAX;

/// How records stand in a file outside of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One after the other, all of this length.
    Fixed(u32),
    /// Each behind four bytes: its length in two, most significant first, and two zeros.
    Varying,
    /// Lines, each ended by a line feed; a carriage return before it does not count.
    Lines,
    /// A relative file: places of this length, each behind the length of the record that it holds
    /// in eight bytes, least significant first. An empty one has length 0.
    Places(u32),
}

/// What is wrong with bytes that were to be records, or with a record that was to be bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misshapen {
    /// Which record, from 1.
    pub record: u64,
    /// Where it begins, in bytes from 0; of one that was to be written 0.
    pub at: u64,
    /// What is wrong.
    pub what: What,
}

/// What is wrong with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The file ends within it.
    Ended,
    /// Its length is none that it can have: this.
    Length(u64),
    /// A line feed or carriage return stands in it: a line would end there.
    LineEnd,
}

impl fmt::Display for Misshapen {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "record {} (at byte {}): ", self.record, self.at)?;
        match self.what {
            What::Ended => to.write_str("the file ends within it"),
            What::Length(length) => write!(to, "{length} bytes are no length of it"),
            What::LineEnd => to.write_str("a line end stands in it"),
        }
    }
}

/// One record that was cut out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Which, from 1: of a relative file its number.
    pub number: u64,
    /// Its bytes.
    pub record: Vec<u8>,
}

/// Cuts a file into its records, as its bytes come.
#[derive(Debug)]
pub struct Cut {
    form: Form,
    /// What has come and was not cut yet begins at `from`.
    held: Vec<u8>,
    from: usize,
    /// Where in the file that is.
    at: u64,
    /// Which record, or place, that is.
    number: u64,
}

/// Whether more bytes can come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum More {
    /// They can.
    Perhaps,
    /// All were given.
    None,
}

impl Cut {
    /// Of a file in this form.
    #[must_use]
    pub const fn new(form: Form) -> Self {
        Self { form, held: Vec::new(), from: 0, at: 0, number: 1 }
    }

    /// Takes the next bytes of the file.
    pub fn give(&mut self, bytes: &[u8]) {
        self.held.drain(..self.from);
        self.from = 0;
        self.held.extend_from_slice(bytes);
    }

    /// The next record. `None`: it is not there yet, or there is none any more.
    ///
    /// # Errors
    /// It is no record.
    pub fn next(&mut self, more: More) -> Result<Option<Piece>, Misshapen> {
        loop {
            let rest = self.held.get(self.from..).unwrap_or_default();
            if rest.is_empty() {
                return Ok(None);
            }
            let (head, length, size) = match measure(self.form, rest, more) {
                Ok(Some(measured)) => measured,
                Ok(None) if more == More::Perhaps => return Ok(None),
                Ok(None) => return Err(self.wrong(What::Ended)),
                Err(what) => return Err(self.wrong(what)),
            };
            let Some(record) = rest.get(head..head + length).filter(|_| rest.len() >= size) else {
                match more {
                    More::Perhaps => return Ok(None),
                    More::None => return Err(self.wrong(What::Ended)),
                }
            };
            let empty = matches!(self.form, Form::Places(_)) && length == 0;
            let piece = Piece { number: self.number, record: record.to_vec() };
            self.from += size;
            self.at += size as u64;
            self.number += 1;
            if !empty {
                return Ok(Some(piece));
            }
        }
    }

    const fn wrong(&self, what: What) -> Misshapen {
        Misshapen { record: self.number, at: self.at, what }
    }
}

/// How many bytes stand before a record, how many it has, and how many it takes with all around
/// it. `None`: that cannot be said yet.
fn measure(form: Form, rest: &[u8], more: More) -> Result<Option<(usize, usize, usize)>, What> {
    match form {
        Form::Fixed(length) => {
            let length = length as usize;
            Ok(Some((0, length, length)))
        }
        Form::Varying => {
            let Some(&[high, low, zero, zeros]) = rest.first_chunk() else { return Ok(None) };
            let length = usize::from(u16::from_be_bytes([high, low]));
            if (zero, zeros) != (0, 0) {
                return Err(What::Length(u32::from_be_bytes([high, low, zero, zeros]).into()));
            }
            Ok(Some((4, length, 4 + length)))
        }
        Form::Lines => {
            let end = rest.iter().position(|byte| *byte == b'\n');
            let (line, size) = match (end, more) {
                (Some(end), _) => (end, end + 1),
                // The last line may lack its end.
                (None, More::None) => (rest.len(), rest.len()),
                (None, More::Perhaps) if rest.len() > RECORD_MAX as usize => {
                    return Err(What::Length(rest.len() as u64));
                }
                (None, More::Perhaps) => return Ok(None),
            };
            let returned = rest.get(..line).is_some_and(|line| line.ends_with(b"\r"));
            Ok(Some((0, line - usize::from(returned), size)))
        }
        Form::Places(place) => {
            let Some(length) = rest.first_chunk().map(|bytes| u64::from_le_bytes(*bytes)) else {
                return Ok(None);
            };
            if length > u64::from(place) {
                return Err(What::Length(length));
            }
            let length = usize::try_from(length).map_err(|_| What::Length(length))?;
            Ok(Some((8, length, 8 + place as usize)))
        }
    }
}

/// Writes records in a form.
#[derive(Debug)]
pub struct Written {
    form: Form,
    /// The number that the next one has at least.
    number: u64,
}

impl Written {
    /// In this form.
    #[must_use]
    pub const fn new(form: Form) -> Self {
        Self { form, number: 1 }
    }

    /// Adds bytes that are in this form already, as what was printed is.
    pub fn add_raw(&mut self, number: u64, bytes: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(bytes);
        self.number = number.saturating_add(1);
    }

    /// Adds a record. Of a relative file its number is greater than that of the one before; other
    /// forms have no place for one.
    ///
    /// # Errors
    /// It has no place in this form; nothing was written.
    pub fn add(&mut self, number: u64, record: &[u8], out: &mut Vec<u8>) -> Result<(), Misshapen> {
        let wrong = |what| Misshapen { record: number, at: 0, what };
        let length = wrong(What::Length(record.len() as u64));
        match self.form {
            Form::Fixed(fixed) if record.len() == fixed as usize => out.extend_from_slice(record),
            Form::Fixed(_) => return Err(length),
            Form::Varying => {
                let size = u16::try_from(record.len()).map_err(|_| length)?;
                out.extend(size.to_be_bytes());
                out.extend([0, 0]);
                out.extend_from_slice(record);
            }
            Form::Lines => {
                if record.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
                    return Err(wrong(What::LineEnd));
                }
                out.extend_from_slice(record);
                out.push(b'\n');
            }
            Form::Places(place) => {
                let place = place as usize;
                // An empty one would be none.
                if record.is_empty() || record.len() > place {
                    return Err(length);
                }
                let empty = number.saturating_sub(self.number);
                for _ in 0..empty {
                    out.resize(out.len() + 8 + place, 0);
                }
                out.extend((record.len() as u64).to_le_bytes());
                out.extend_from_slice(record);
                out.resize(out.len() + place - record.len(), 0);
            }
        }
        self.number = number.saturating_add(1);
        Ok(())
    }
}
