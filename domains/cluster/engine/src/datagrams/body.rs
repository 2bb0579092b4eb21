//! The bodies of beats and answers, in four forms.
//!
//! Form 1 is the whole message in JSON. Form 2 is what changes with every message as three numbers
//! of eight bytes, highest byte first, and then the rest in JSON with zeros in their place. From
//! one beat to the next the rest is the same, so it is written once and read once. Form 3 is form 2
//! with one more byte behind the first: 1 if the message waits for the reader's own next beat, 0
//! if it is to be read at once, as are messages of the other forms. Form 4 is form 3 with the
//! length of what follows in two bytes behind the haste, and behind that a second body of form 4,
//! or nothing: the answer to the reader that goes with a beat.

use serde::Serialize;
use serde::de::DeserializeOwned;
use tsugi_cluster_rules::lease::heartbeat::{Ack, Haste, Heartbeat};
use tsugi_vocabulary::{Index, Moment};

use crate::records::{FORMAT, decode, encode};

/// The form with the numbers before the rest.
const SPLIT: u8 = 2;
/// The form with the haste and the numbers before the rest.
const HASTY: u8 = 3;
/// The form with room for a second body.
const LADEN: u8 = 4;
const WAITS: u8 = 1;
/// How a body begins that waits to be read. One of form 3 that waits is read at once: it is of a
/// node that is a version behind.
pub const WAITING: [u8; 2] = [LADEN, WAITS];
const NUMBERS: usize = 3;
/// How long the numbers are.
const WIDTH: usize = 8 * NUMBERS;

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// Everything in JSON: what every version reads.
    Whole,
    /// Numbers first.
    Split,
    /// How soon it is to be read, and numbers.
    Hasty,
    /// The same, with room for a second body.
    Laden,
}

/// What a message says besides its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// The same as the last one written.
    Same,
    /// Something else.
    New,
}

/// A message as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read<'a, T> {
    /// The message.
    pub message: T,
    /// The form it was in.
    pub form: Form,
    /// How soon it was to be read.
    pub haste: Haste,
    /// The second body; empty if there is none.
    pub behind: &'a [u8],
}

/// A message whose numbers can be taken out and put back.
pub trait Body: Clone + PartialEq + Serialize + DeserializeOwned {
    /// Swaps the numbers that change with every message for `numbers`.
    fn swap(&mut self, numbers: [u64; NUMBERS]) -> [u64; NUMBERS];
}

impl Body for Heartbeat {
    fn swap(&mut self, [sequence, applied, sent]: [u64; NUMBERS]) -> [u64; NUMBERS] {
        [
            std::mem::replace(&mut self.sequence, sequence),
            std::mem::replace(&mut self.applied, Index(applied)).0,
            std::mem::replace(&mut self.sent, Moment(sent)).0,
        ]
    }
}

impl Body for Ack {
    fn swap(&mut self, [sequence, applied, _spare]: [u64; NUMBERS]) -> [u64; NUMBERS] {
        [
            std::mem::replace(&mut self.sequence, sequence),
            std::mem::replace(&mut self.applied, Index(applied)).0,
            0,
        ]
    }
}

/// The last rest that was written or read, and its bytes.
#[derive(Clone, Debug)]
pub struct Known<T> {
    last: Option<(T, Vec<u8>)>,
}

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self { last: None }
    }
}

impl<T: Body> Known<T> {
    /// The body of `message`, which is given back, and whether it says anything new. What does is
    /// to be read at once.
    pub fn write(&mut self, mut message: T, (form, haste): (Form, Haste)) -> (T, Vec<u8>, Rest) {
        if form == Form::Whole {
            let bytes = encode(&message);
            return (message, bytes, Rest::New);
        }
        let numbers = message.swap([0; NUMBERS]);
        let (rest, news) = self.rest_of(&message);
        let mut bytes = Vec::with_capacity(WAITING.len() + 2 + WIDTH + rest.len());
        let haste = match (haste, news) {
            (Haste::Waits, Rest::Same) => WAITS,
            (Haste::Waits, Rest::New) | (Haste::Now, Rest::Same | Rest::New) => 0,
        };
        match form {
            Form::Laden => {
                // One that is too long for a datagram is not sent, whatever its length says.
                let length = u16::try_from(WIDTH + rest.len()).unwrap_or(u16::MAX);
                bytes.extend_from_slice(&[LADEN, haste]);
                bytes.extend_from_slice(&length.to_be_bytes());
            }
            Form::Hasty => bytes.extend_from_slice(&[HASTY, haste]),
            Form::Split | Form::Whole => bytes.push(SPLIT),
        }
        numbers.iter().for_each(|number| bytes.extend_from_slice(&number.to_be_bytes()));
        bytes.extend_from_slice(rest);
        message.swap(numbers);
        (message, bytes, news)
    }

    /// The bytes of `message`, made anew only if it is another than the last.
    fn rest_of(&mut self, message: &T) -> (&[u8], Rest) {
        let mut news = Rest::Same;
        if self.last.as_ref().is_none_or(|(known, _)| known != message) {
            let rest = serde_json::to_vec(message).expect("beats and answers are plain data");
            self.last = Some((message.clone(), rest));
            news = Rest::New;
        }
        (self.last.as_ref().map_or(&[], |(_, rest)| rest), news)
    }

    /// The message in `body`; none if it is not one.
    pub fn read<'a>(&mut self, body: &'a [u8]) -> Option<Read<'a, T>> {
        let (message, form, haste, behind): (T, _, _, &[u8]) = match *body {
            [FORMAT, ..] => (decode(body).ok()?, Form::Whole, 0, &[]),
            [SPLIT, ref rest @ ..] => (self.read_split(rest)?, Form::Split, 0, &[]),
            [HASTY, haste, ref rest @ ..] => (self.read_split(rest)?, Form::Hasty, haste, &[]),
            [LADEN, haste, high, low, ref rest @ ..] => {
                let length = usize::from(u16::from_be_bytes([high, low]));
                let (rest, behind) = rest.split_at_checked(length)?;
                (self.read_split(rest)?, Form::Laden, haste, behind)
            }
            _ => return None,
        };
        let haste = if haste == WAITS { Haste::Waits } else { Haste::Now };
        Some(Read { message, form, haste, behind })
    }

    fn read_split(&mut self, behind: &[u8]) -> Option<T> {
        let (numbers, rest) = behind.split_at_checked(WIDTH)?;
        let mut message = match &self.last {
            Some((known, bytes)) if bytes == rest => known.clone(),
            Some(_) | None => {
                let read: T = serde_json::from_slice(rest).ok()?;
                self.last = Some((read.clone(), rest.to_vec()));
                read
            }
        };
        let (numbers, _) = numbers.as_chunks::<8>();
        let numbers: [[u8; 8]; NUMBERS] = numbers.try_into().ok()?;
        message.swap(numbers.map(u64::from_be_bytes));
        Some(message)
    }
}

#[cfg(test)]
mod tests;
