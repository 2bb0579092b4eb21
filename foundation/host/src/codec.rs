//! The bytes of the local sockets: a version, then one value in postcard's compact form.
//!
//! A length is checked against the bytes that are there before anything is allocated, so a
//! message cannot cost more memory than it has bytes (SEC5). A choice is written as its place in
//! its type, a struct as its fields in their order: new ones are only added at the end of a type
//! that nothing follows, anything else is another version.

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The version of the format, the first byte of every message.
pub const VERSION: u8 = 2;

/// A message that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is of another version.
    #[error("the message has version {0}, this side reads {VERSION}")]
    Version(u8),
    /// It ends early or holds what this version does not know.
    #[error("the message cannot be read: {0}")]
    Damaged(#[from] postcard::Error),
    /// Something follows its end.
    #[error("the message has {0} bytes too many")]
    Long(usize),
}

/// A whole message: version, then `value`.
///
/// # Errors
/// It holds a path that is no text.
pub fn message<T: Serialize>(value: &T) -> io::Result<Vec<u8>> {
    postcard::to_extend(value, vec![VERSION])
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
}

/// Reads a whole message, with nothing left over.
///
/// # Errors
/// What is wrong with the bytes.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Unreadable> {
    let (version, rest) = bytes.split_first().ok_or(postcard::Error::DeserializeUnexpectedEnd)?;
    if *version != VERSION {
        return Err(Unreadable::Version(*version));
    }
    let (value, rest) = postcard::take_from_bytes(rest)?;
    if rest.is_empty() { Ok(value) } else { Err(Unreadable::Long(rest.len())) }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use tsugi_vocabulary::{Epoch, GroupName, ResourceName, Span};

    use super::*;
    use crate::guardian::message::Order;
    use crate::request::{Limits, Output, Program, Purpose, Request, Right};

    fn program() -> Request {
        let group = GroupName::new("pay").unwrap();
        Request::Spawn(Program {
            right: Right::Lease { group, epoch: Epoch { incarnation: 2, counter: 7 } },
            name: ResourceName::new("counter").unwrap(),
            purpose: Purpose::Monitor,
            argv: vec!["/bin/x".into(), "$(a) 'b'\n".into()],
            env: vec![("A".into(), "給与".into())],
            dir: Some(PathBuf::from("/tmp")),
            user: Some((1, 2)),
            limits: Limits { open_files: Some(3), ..Limits::default() },
            output: Output::Tail { keep: 9 },
            time_limit: Some(Span::secs(1)),
        })
    }

    #[test]
    fn a_request_arrives_as_it_was_sent() {
        let request = program();
        assert_eq!(read::<Request>(&message(&request).unwrap()), Ok(request));
    }

    #[test]
    fn a_damaged_message_is_refused_and_never_a_panic() {
        let whole = message(&program()).unwrap();
        for length in 0..whole.len() {
            assert!(read::<Request>(&whole[..length]).is_err(), "cut at {length}");
        }
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut damaged = whole.clone();
                damaged[at] ^= 1 << bit;
                let read = read::<Request>(&damaged);
                assert_ne!(read, Ok(program()), "bit {bit} of byte {at} is not read");
            }
        }
        let mut longer = whole.clone();
        longer.push(0);
        assert_eq!(read::<Request>(&longer), Err(Unreadable::Long(1)));
    }

    #[test]
    fn sec9_the_hands_take_twelve_requests_and_no_other() {
        let unknown = Err(Unreadable::Damaged(postcard::Error::SerdeDeCustom));
        for number in 0..=u16::MAX {
            let bytes = message(&u32::from(number)).unwrap();
            assert_eq!(read::<Request>(&bytes) == unknown, number >= 12, "{number}");
        }
    }

    #[test]
    fn a_message_of_another_version_is_refused_by_name() {
        let mut other = message(&Request::List).unwrap();
        other[0] = VERSION + 1;
        assert_eq!(read::<Request>(&other), Err(Unreadable::Version(VERSION + 1)));
    }

    #[test]
    fn a_choice_keeps_its_number_in_every_build() {
        let first = Request::Probe { link: "a".into(), address: [1; 4].into(), wait: Span(3) };
        assert_eq!(message(&first).unwrap(), [2, 2, 1, b'a', 0, 1, 1, 1, 1, 3]);
        assert_eq!(message(&Request::Watch).unwrap(), [2, 11]);
    }

    #[test]
    fn sec5_a_length_that_the_message_cannot_hold_allocates_nothing() {
        // Spawn, a lease, and a group name that claims 4 GiB; a killing of so many processes.
        let short = Unreadable::Damaged(postcard::Error::DeserializeUnexpectedEnd);
        let name = [VERSION, 6, 0, 0xff, 0xff, 0xff, 0xff, 0x0f];
        assert_eq!(read::<Request>(&name), Err(short.clone()));
        let pids = [VERSION, 0xff, 0xff, 0xff, 0xff, 0x0f];
        assert_eq!(read::<Vec<u64>>(&pids), Err(short));
    }

    #[test]
    fn random_bytes_are_refused_without_harm() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut bytes = [0_u8; 64];
        for _ in 0..20_000 {
            for byte in &mut bytes {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                *byte = (state >> 56) as u8;
            }
            bytes[0] = VERSION;
            bytes[1] %= 14;
            drop(read::<Request>(&bytes));
            drop(read::<Order>(&bytes));
        }
    }
}
