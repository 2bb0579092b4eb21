//! Ids: whose call it is, which one, and what it says.
//!
//! Nothing is hashed here. A client, a key and a content come as the first 16 bytes of a digest
//! that the engine has made, over the authenticated identity among others: the same name under
//! another identity is another client, and its calls are found by nobody else.

use std::fmt;
use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};

use crate::refusal::{Malformed, Refusal};

/// The highest serial, and the highest life of a client: a store's column holds no more.
pub const HIGHEST: u64 = i64::MAX as u64;

/// Who calls: a digest over the authenticated identity and the name that it gave itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Client(pub [u8; 16]);

/// A key that a caller made up for one call: a digest over its identity and that key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key(pub [u8; 16]);

/// Which interface of its service a body was decoded by; only rises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InterfaceNumber(pub u32);

/// What a call asks for. Two bodies of other bytes that decode to the same record have the same
/// content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Content {
    /// By which interface the body was decoded.
    pub interface: InterfaceNumber,
    /// A digest over the service and the decoded values of the fields that go in.
    pub digest: [u8; 16],
}

/// Whether two calls ask for the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Same {
    /// They do.
    Yes,
    /// They do not.
    No,
    /// They were decoded by other interfaces: nobody can say before one is decoded again.
    NotYet,
}

impl Content {
    /// Whether another call asks for the same.
    #[must_use]
    pub fn same(self, other: Self) -> Same {
        if self == other {
            Same::Yes
        } else if self.interface == other.interface {
            Same::No
        } else {
            Same::NotYet
        }
    }
}

/// What calls of a service are kept in order by, where it asks for it: a digest of that field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OrderKey(pub [u8; 16]);

/// One life of a client; only rises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Incarnation(pub u64);

/// Counts the calls of a client in one incarnation, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Serial(NonZeroU64);

impl Serial {
    /// The first call of an incarnation.
    pub const FIRST: Self = Self(NonZeroU64::MIN);

    /// This number as a serial; none for 0.
    #[must_use]
    pub const fn new(number: u64) -> Option<Self> {
        match NonZeroU64::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// Its number, at least 1.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0.get()
    }
}

/// How far a client has all its answers: a serial at or under it that is not stored is expired.
/// Zero is the watermark of a client that has confirmed nothing. Only rises.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Watermark(pub u64);

impl Watermark {
    /// The watermark that a client tells by its lowest serial without an answer.
    #[must_use]
    pub const fn told_by(lowest: Serial) -> Self {
        Self(lowest.get() - 1)
    }

    /// Whether a call of this serial was answered and confirmed, or never will be run.
    #[must_use]
    pub const fn is_over(self, serial: Serial) -> bool {
        serial.get() <= self.0
    }
}

/// The calls of one life of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Life {
    /// Who.
    pub client: Client,
    /// In which life.
    pub incarnation: Incarnation,
}

/// What one call is known by, for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallId {
    /// One of the counted calls of a client.
    Counted {
        /// Whose.
        life: Life,
        /// Which.
        serial: Serial,
    },
    /// A call under a key of its own; it is in no order with others and has no watermark.
    Keyed(Key),
}

impl CallId {
    /// Comes before every other.
    pub(crate) const LEAST: Self = Self::Counted {
        life: Life { client: Client([0; 16]), incarnation: Incarnation(0) },
        serial: Serial::FIRST,
    };

    /// Whose counted call it is; none of one under a key.
    #[must_use]
    pub const fn counted(self) -> Option<(Life, Serial)> {
        match self {
            Self::Counted { life, serial } => Some((life, serial)),
            Self::Keyed(_) => None,
        }
    }

    /// Whether a store can tell it from every other id; asked before anything else is.
    ///
    /// # Errors
    /// [`Malformed::Id`] where a number is above [`HIGHEST`].
    pub const fn admitted(self) -> Result<(), Refusal> {
        match self {
            Self::Counted { life, serial }
                if life.incarnation.0 > HIGHEST || serial.get() > HIGHEST =>
            {
                Err(Refusal::Malformed(Malformed::Id))
            }
            Self::Counted { .. } | Self::Keyed(_) => Ok(()),
        }
    }

    /// All of it, as text of at most 64 bytes: programs give it to partners as the key of what they
    /// ask, so no two ids have the same. Digests are in hexadecimal digits, numbers in base 36.
    #[must_use]
    pub fn whole(self) -> String {
        match self {
            Self::Counted { life, serial } => {
                let (incarnation, serial) = (base_36(life.incarnation.0), base_36(serial.get()));
                format!("{}.{incarnation}.{serial}", self.client())
            }
            Self::Keyed(_) => self.client(),
        }
    }

    /// Reads what [`CallId::whole`] has written.
    #[must_use]
    pub fn read(whole: &str) -> Option<Self> {
        let mut parts = whole.split('.');
        let digest = |text: &str| {
            let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            digits.then(|| u128::from_str_radix(text, 16).ok()).flatten().map(u128::to_be_bytes)
        };
        let number = |text: Option<&str>| {
            let text = text.filter(|text| text.bytes().all(|byte| byte.is_ascii_alphanumeric()))?;
            u64::from_str_radix(text, 36).ok()
        };
        let who = parts.next()?;
        let id = if let Some(text) = who.strip_prefix('k') {
            Self::Keyed(Key(digest(text)?))
        } else {
            let client = Client(digest(who.strip_prefix('c')?)?);
            let incarnation = Incarnation(number(parts.next())?);
            let serial = Serial::new(number(parts.next())?)?;
            Self::Counted { life: Life { client, incarnation }, serial }
        };
        (parts.next().is_none() && id.whole() == whole).then_some(id)
    }

    /// The part of [`CallId::whole`] that all calls of its client have; under a key, all of it.
    #[must_use]
    pub fn client(self) -> String {
        match self {
            Self::Counted { life, .. } => format!("c{:032x}", u128::from_be_bytes(life.client.0)),
            Self::Keyed(key) => format!("k{:032x}", u128::from_be_bytes(key.0)),
        }
    }
}

/// A number of 64 bits in at most 13 digits.
fn base_36(mut number: u64) -> String {
    let mut digits = Vec::with_capacity(13);
    while number > 0 || digits.is_empty() {
        digits.push(b"0123456789abcdefghijklmnopqrstuvwxyz"[(number % 36) as usize]);
        number /= 36;
    }
    digits.iter().rev().map(|digit| char::from(*digit)).collect()
}

/// In short, for people: ids that differ may look the same ([`CallId::whole`]).
impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (prefix, digest) = match self {
            Self::Counted { life, .. } => ("c", life.client.0),
            Self::Keyed(key) => ("k", key.0),
        };
        write!(f, "{prefix}")?;
        for byte in digest.iter().take(4) {
            write!(f, "{byte:02x}")?;
        }
        match self {
            Self::Counted { life, serial } => {
                write!(f, ".{}.{}", life.incarnation.0, serial.get())
            }
            Self::Keyed(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_confirmed_is_under_the_lowest() {
        let five = Serial::new(5).unwrap();
        let mark = Watermark::told_by(five);
        assert!(!mark.is_over(five), "the lowest itself has no answer yet");
        assert!(mark.is_over(Serial::new(4).unwrap()));
        assert!(!Watermark::told_by(Serial::FIRST).is_over(Serial::FIRST));
        assert_eq!(Serial::new(0), None);
    }

    #[test]
    fn an_id_is_short_in_print() {
        let life = Life { client: Client([0xab; 16]), incarnation: Incarnation(7) };
        let id = CallId::Counted { life, serial: Serial::FIRST };
        assert_eq!(id.to_string(), "cabababab.7.1");
        assert_eq!(CallId::Keyed(Key([1; 16])).to_string(), "k01010101");
    }

    #[test]
    fn an_id_is_read_from_its_whole_text_and_from_no_other() {
        let life = Life { client: Client([0xab; 16]), incarnation: Incarnation(7) };
        let counted = CallId::Counted { life, serial: Serial::new(1_000).unwrap() };
        for id in [counted, CallId::Keyed(Key([1; 16]))] {
            assert_eq!(CallId::read(&id.whole()), Some(id));
        }
        let whole = counted.whole();
        let digest = &whole[..33];
        let other = [
            "",
            "k",
            "c",
            "k01",
            "k+1010101010101010101010101010101",
            digest,
            &format!("{digest}.7"),
            &format!("{digest}.7.0"),
            &format!("{digest}.07.rs"),
            &format!("{digest}.7.rs.1"),
            &format!("{digest}.7.+rs"),
            &format!("{digest}.7.RS"),
            &whole.to_uppercase(),
            &format!("k{}.7.rs", &digest[1..]),
        ];
        for text in other {
            assert_eq!(CallId::read(text), None, "{text}");
        }
    }

    #[test]
    fn ids_that_differ_in_any_byte_are_whole_texts_that_differ_and_the_largest_fits() {
        let counted = |client: [u8; 16], incarnation, serial| CallId::Counted {
            life: Life { client: Client(client), incarnation: Incarnation(incarnation) },
            serial: Serial::new(serial).unwrap(),
        };
        let mut other = [0xab; 16];
        other[15] = 0xac;
        let ids = [
            counted([0xab; 16], 7, 36),
            counted(other, 7, 36),
            counted([0xab; 16], 36, 7),
            CallId::Keyed(Key([0xab; 16])),
            CallId::Keyed(Key(other)),
        ];
        let texts: std::collections::BTreeSet<_> = ids.iter().map(|id| id.whole()).collect();
        assert_eq!(texts.len(), ids.len(), "{texts:?}");
        assert_eq!(ids[0].whole(), "cabababababababababababababababab.7.10");
        let largest = counted([0xff; 16], u64::MAX, u64::MAX).whole();
        assert_eq!(largest, format!("c{}.3w5e11264sgsf.3w5e11264sgsf", "f".repeat(32)));
        assert!(largest.len() <= 64);
    }

    #[test]
    fn a_number_that_no_column_holds_is_malformed() {
        let counted = |incarnation, serial| CallId::Counted {
            life: Life { client: Client([1; 16]), incarnation: Incarnation(incarnation) },
            serial: Serial::new(serial).unwrap(),
        };
        assert_eq!(counted(HIGHEST, HIGHEST).admitted(), Ok(()));
        let malformed = Err(Refusal::Malformed(Malformed::Id));
        assert_eq!(counted(HIGHEST + 1, 1).admitted(), malformed);
        assert_eq!(counted(1, HIGHEST + 1).admitted(), malformed);
    }
}
