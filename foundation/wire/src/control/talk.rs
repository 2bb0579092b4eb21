//! How a request and its answer stand on the socket: four bytes of length, then JSON.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Answer, Ask, VERSION};

/// The longest answer.
pub const LONGEST: usize = 64 * 1024 * 1024;
/// The longest request: a configuration file and some words.
pub const LONGEST_REQUEST: usize = 4 * 1024 * 1024;

/// The bytes of a request or an answer.
///
/// # Errors
/// It is longer than [`LONGEST`].
pub fn encode<T: Serialize>(value: &T) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, value)?;
    let length = bytes.len() - 4;
    if length > LONGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "longer than an answer may be"));
    }
    bytes[..4].copy_from_slice(&u32::try_from(length).expect("below the limit").to_be_bytes());
    Ok(bytes)
}

/// How many bytes follow these four.
///
/// # Errors
/// More than may follow.
pub fn length(head: [u8; 4]) -> io::Result<usize> {
    let length = usize::try_from(u32::from_be_bytes(head)).unwrap_or(usize::MAX);
    if length > LONGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "longer than a request may be"));
    }
    Ok(length)
}

/// Reads what follows the length.
///
/// # Errors
/// It is not what it should be.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> io::Result<T> {
    serde_json::from_slice(bytes).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
}

/// The other end speaks a version that is no neighbour of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("control version {theirs} is no neighbour of {VERSION}")]
pub struct OtherVersion {
    /// What it speaks.
    pub theirs: u16,
}

/// What every version of a request or an answer begins with.
#[derive(Deserialize)]
struct Head {
    version: u16,
}

/// Whether a request or an answer is of this version or of a neighbour; fields are only added, so
/// that these are understood. What has no version is left to [`decode`].
///
/// # Errors
/// [`OtherVersion`].
pub fn neighbour(bytes: &[u8]) -> Result<(), OtherVersion> {
    match serde_json::from_slice::<Head>(bytes) {
        Ok(Head { version: theirs }) if theirs.abs_diff(VERSION) > 1 => {
            Err(OtherVersion { theirs })
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Asks the agent that listens at `socket`, and waits at most `patience` for each part.
///
/// # Errors
/// Nobody listens there, this user may not ask, or no answer came; [`OtherVersion`] as
/// [`io::ErrorKind::Unsupported`].
pub fn ask(socket: &Path, ask: &Ask, patience: Duration) -> io::Result<Answer> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    stream.write_all(&encode(ask)?)?;
    let mut head = [0; 4];
    stream.read_exact(&mut head)?;
    let mut body = Vec::new();
    let expected = length(head)?;
    stream.take(expected as u64).read_to_end(&mut body)?;
    if body.len() < expected {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    neighbour(&body).map_err(|other| io::Error::new(io::ErrorKind::Unsupported, other))?;
    decode(&body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{Request, VERSION};

    #[test]
    fn what_was_written_is_read_back() {
        let ask = Ask { version: VERSION, request: Request::Status };
        let bytes = encode(&ask).unwrap();
        let expected = length([bytes[0], bytes[1], bytes[2], bytes[3]]).unwrap();
        assert_eq!(expected, bytes.len() - 4);
        assert_eq!(decode::<Ask>(&bytes[4..]).unwrap(), ask);
    }

    #[test]
    fn a_length_above_the_limit_is_refused_before_anything_is_read() {
        assert!(length([0xff; 4]).is_err());
    }

    #[test]
    fn a_request_that_only_a_later_version_knows_is_refused_and_never_a_panic() {
        let later = br#"{"version":2,"request":{"ask":"levitate"}}"#;
        assert!(decode::<Ask>(later).is_err());
    }

    #[test]
    fn neighbouring_versions_are_understood_and_any_further_is_named() {
        let of = |version| format!("{{\"version\":{version},\"later\":{{\"field\":1}}}}");
        for version in [VERSION - 1, VERSION, VERSION + 1] {
            assert_eq!(neighbour(of(version).as_bytes()), Ok(()));
        }
        let theirs = VERSION + 2;
        assert_eq!(neighbour(of(theirs).as_bytes()), Err(OtherVersion { theirs }));
        let later = r#"{"version":2,"request":{"ask":"status","since":7},"tone":"polite"}"#;
        assert_eq!(decode::<Ask>(later.as_bytes()).unwrap().request, Request::Status);
    }
}
