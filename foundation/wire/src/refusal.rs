//! What one end tells the other when it does not carry out a request, or closes the door.

use crate::codec::{Malformed, Reader, Writer};
use crate::version::Protocol;

/// Why a request, or a connection, was refused. Nothing of the request was carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The versions are too far apart.
    #[error("versions {ours} and {theirs} do not understand each other")]
    Version {
        /// What the refusing end speaks.
        ours: Protocol,
        /// What the refused end speaks.
        theirs: Protocol,
    },
    /// The certificate is good, but not for this door.
    #[error("a certificate of this role is not admitted here")]
    Role,
    /// The answer was larger than a frame.
    #[error("the answer would have {length} bytes")]
    AnswerTooLong {
        /// How long it would have been.
        length: u64,
    },
    /// The answering function broke off. It may have begun.
    #[error("the request was begun and broke off")]
    BrokeOff,
    /// A reason that this version does not know.
    #[error("reason {number}, which this version does not know")]
    Newer {
        /// Its number.
        number: u8,
    },
}

impl Refusal {
    /// The body of the frame that tells it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Writer::new();
        match self {
            Self::Version { ours, theirs } => body.u8(1).u8(ours.0).u8(theirs.0),
            Self::Role => body.u8(2),
            Self::AnswerTooLong { length } => body.u8(3).u64(*length),
            Self::BrokeOff => body.u8(4),
            Self::Newer { number } => body.u8(*number),
        };
        body.finish()
    }

    /// Reads it back.
    ///
    /// # Errors
    /// The body is not complete.
    pub fn decode(body: &[u8]) -> Result<Self, Malformed> {
        let mut body = Reader::new(body);
        Ok(match body.u8()? {
            1 => Self::Version { ours: Protocol(body.u8()?), theirs: Protocol(body.u8()?) },
            2 => Self::Role,
            3 => Self::AnswerTooLong { length: body.u64()? },
            4 => Self::BrokeOff,
            number => Self::Newer { number },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_is_read_back() {
        for refusal in [
            Refusal::Version { ours: Protocol(1), theirs: Protocol(3) },
            Refusal::Role,
            Refusal::AnswerTooLong { length: 1 << 40 },
            Refusal::BrokeOff,
            Refusal::Newer { number: 200 },
        ] {
            assert_eq!(Refusal::decode(&refusal.encode()), Ok(refusal));
        }
        assert!(Refusal::decode(&[]).is_err());
        assert!(Refusal::decode(&[3]).is_err());
    }
}
