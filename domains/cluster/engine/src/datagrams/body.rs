//! The bodies of beats and answers, in two forms.
//!
//! Form 1 is the whole message in JSON. Form 2 is what changes with every message as three numbers
//! of eight bytes, highest byte first, and then the rest in JSON with zeros in their place. From
//! one beat to the next the rest is the same, so it is written once and read once.

use serde::Serialize;
use serde::de::DeserializeOwned;
use tsugi_cluster_rules::lease::heartbeat::{Ack, Heartbeat};
use tsugi_vocabulary::{Index, Moment};

use crate::records::{FORMAT, decode, encode};

/// The form with the numbers before the rest.
const SPLIT: u8 = 2;
const NUMBERS: usize = 3;
/// Where the rest begins in a body of form 2.
const REST: usize = 1 + 8 * NUMBERS;

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// Everything in JSON: what every version reads.
    Whole,
    /// Numbers first.
    Split,
}

/// What a message says besides its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// The same as the last one written.
    Same,
    /// Something else.
    New,
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
    /// The body of `message`, which is given back, and whether it says anything new.
    pub fn write(&mut self, mut message: T, form: Form) -> (T, Vec<u8>, Rest) {
        if form == Form::Whole {
            let bytes = encode(&message);
            return (message, bytes, Rest::New);
        }
        let numbers = message.swap([0; NUMBERS]);
        let (rest, news) = self.rest_of(&message);
        let mut bytes = Vec::with_capacity(REST + rest.len());
        bytes.push(SPLIT);
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

    /// The message in `body`, and the form it was in.
    pub fn read(&mut self, body: &[u8]) -> Option<(T, Form)> {
        match *body.first()? {
            FORMAT => Some((decode(body).ok()?, Form::Whole)),
            SPLIT => Some((self.read_split(body)?, Form::Split)),
            _ => None,
        }
    }

    fn read_split(&mut self, body: &[u8]) -> Option<T> {
        let (numbers, rest) = body.split_at_checked(REST)?;
        let mut message = match &self.last {
            Some((known, bytes)) if bytes == rest => known.clone(),
            Some(_) | None => {
                let read: T = serde_json::from_slice(rest).ok()?;
                self.last = Some((read.clone(), rest.to_vec()));
                read
            }
        };
        let (numbers, _) = numbers[1..].as_chunks::<8>();
        let numbers: [[u8; 8]; NUMBERS] = numbers.try_into().ok()?;
        message.swap(numbers.map(u64::from_be_bytes));
        Some(message)
    }
}

#[cfg(test)]
mod tests;
