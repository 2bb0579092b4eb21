//! Which call, and with which content.
//!
//! `domains/service/rules/src/id.rs` has the same words: rules know no store and decide by digests,
//! here is what stands in the columns.

use std::fmt;

/// Who calls: a name under an authenticated identity, in one life of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Client {
    /// The first 16 bytes of a digest over its identity and the name that it gives itself: the
    /// store knows neither.
    pub digest: [u8; 16],
    /// The life of the client; only rises.
    pub incarnation: i64,
}

/// A call that its client counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Serial {
    client: Client,
    serial: i64,
    lowest: i64,
}

/// A key that the caller made up: the first 16 bytes of SHA-256 over identity, 0 and key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub [u8; 16]);

/// What a call is known by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Id {
    /// Counted by its client, which tells what it still waits for.
    Serial(Serial),
    /// A key; leaves a tombstone.
    Key(Key),
}

/// Why there is no such call id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdRefused {
    /// A client counts from 1.
    #[error("a serial and the lowest one without an answer are 1 or more")]
    Zero,
    /// What is called now has no answer yet.
    #[error("the lowest serial without an answer, {lowest}, is above the call's own, {serial}")]
    LowestAbove {
        /// The call's own serial.
        serial: i64,
        /// What was told as the lowest without an answer.
        lowest: i64,
    },
}

/// What identifies the content of a call: 16 bytes of a hash over service and canonical values.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Content(pub [u8; 16]);

impl Serial {
    /// Call `serial` of `client`, which has the answers of all below `lowest`.
    ///
    /// # Errors
    /// Numbers that no client counts.
    pub fn new(client: Client, serial: i64, lowest: i64) -> Result<Self, IdRefused> {
        if serial < 1 || lowest < 1 {
            return Err(IdRefused::Zero);
        }
        if lowest > serial {
            return Err(IdRefused::LowestAbove { serial, lowest });
        }
        Ok(Self { client, serial, lowest })
    }

    /// Who calls.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The call's number, from 1.
    #[must_use]
    pub fn serial(&self) -> i64 {
        self.serial
    }

    /// The lowest serial that its client has no answer to; at most [`Serial::serial`].
    #[must_use]
    pub fn lowest(&self) -> i64 {
        self.lowest
    }
}

impl Id {
    /// Whether both name one call. What else a client tells with it does not count.
    #[must_use]
    pub fn names_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Serial(one), Self::Serial(two)) => {
                one.serial == two.serial && one.client == two.client
            }
            (Self::Key(one), Self::Key(two)) => one == two,
            (Self::Serial(_), Self::Key(_)) | (Self::Key(_), Self::Serial(_)) => false,
        }
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Content({:032x})", u128::from_be_bytes(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_client_counts_is_no_id() {
        let client = Client { digest: [1; 16], incarnation: 1 };
        let made = |serial, lowest| Serial::new(client, serial, lowest).map(drop);
        assert_eq!(made(2, 2), Ok(()));
        assert_eq!(made(0, 0), Err(IdRefused::Zero));
        assert_eq!(made(1, 0), Err(IdRefused::Zero));
        assert_eq!(made(1, 2), Err(IdRefused::LowestAbove { serial: 1, lowest: 2 }));
    }
}
