//! What a call is known by: the counted calls of a client, or a key that was made up for one.

use std::fmt;
use std::str::FromStr;

/// The most bytes of a client's name.
const NAME_MOST: usize = 64;
/// The most bytes of a key.
const KEY_MOST: usize = 255;
/// The highest incarnation and serial: a store's column holds no more.
pub(crate) const HIGHEST: u64 = i64::MAX as u64;

/// Why a text is no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdRefused {
    /// A name of a client is 1 to 64 letters, digits, dots, underscores and hyphens.
    #[error("a client's name is 1 to 64 of A-Z a-z 0-9 . _ -")]
    Name,
    /// A key is 1 to 255 visible characters of ASCII.
    #[error("a key is 1 to 255 visible characters of ASCII")]
    Key,
    /// An id is `key:TEXT` or `NAME:INCARNATION.SERIAL`.
    #[error("an id is key:TEXT or NAME:INCARNATION.SERIAL")]
    Form,
    /// An incarnation and a serial are whole numbers from 1 to 2^63-1.
    #[error("an incarnation and a serial are whole numbers from 1 to 2^63-1")]
    Number,
}

/// The name of a client, under the identity that it shows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientName(String);

impl ClientName {
    /// # Errors
    /// [`IdRefused::Name`].
    pub fn new(text: impl Into<String>) -> Result<Self, IdRefused> {
        let text = text.into();
        let may = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        match (1..=NAME_MOST).contains(&text.len()) && text.bytes().all(may) {
            true => Ok(Self(text)),
            false => Err(IdRefused::Name),
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a caller has made up for one call, and uses for no other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

impl Key {
    /// # Errors
    /// [`IdRefused::Key`].
    pub fn new(text: impl Into<String>) -> Result<Self, IdRefused> {
        let text = text.into();
        let fits = (1..=KEY_MOST).contains(&text.len());
        match fits && text.bytes().all(|b| b.is_ascii_graphic()) {
            true => Ok(Self(text)),
            false => Err(IdRefused::Key),
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What one call is known by, in every try.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallId {
    /// One of the counted calls of a client.
    Counted {
        /// Whose.
        client: ClientName,
        /// In which of its lives.
        incarnation: u64,
        /// Which, from 1.
        serial: u64,
    },
    /// A call under a key of its own.
    Keyed(Key),
}

impl CallId {
    /// As it stands in a path: every byte that is not plain is written as `%XX`.
    #[must_use]
    pub(crate) fn in_path(&self) -> String {
        escaped(&self.to_string())
    }
}

/// Letters, digits and `-._~:` as they are; all others as `%XX`.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'-' | b'.' | b'_' | b'~' | b':' => out.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Counted { client, incarnation, serial } => {
                f.write_str(client.as_str())?;
                f.write_str(":")?;
                incarnation.fmt(f)?;
                f.write_str(".")?;
                serial.fmt(f)
            }
            Self::Keyed(key) => {
                f.write_str("key:")?;
                f.write_str(key.as_str())
            }
        }
    }
}

impl FromStr for CallId {
    type Err = IdRefused;

    fn from_str(text: &str) -> Result<Self, IdRefused> {
        let (first, rest) = text.split_once(':').ok_or(IdRefused::Form)?;
        // No dot and number after it: `key` may be the name of a client as well.
        let counted = rest.split_once('.').map(|(a, b)| (number(a), number(b)));
        match (first, counted) {
            ("key", _) => Key::new(rest).map(Self::Keyed),
            (name, Some((incarnation, serial))) => Ok(Self::Counted {
                client: ClientName::new(name)?,
                incarnation: incarnation?,
                serial: serial?,
            }),
            (_, None) => Err(IdRefused::Form),
        }
    }
}

fn number(text: &str) -> Result<u64, IdRefused> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let number = text.parse().ok().filter(|n| plain && (1..=HIGHEST).contains(n));
    number.ok_or(IdRefused::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(name: &str, incarnation: u64, serial: u64) -> CallId {
        let client = ClientName::new(name).unwrap();
        CallId::Counted { client, incarnation, serial }
    }

    #[test]
    fn an_id_is_read_back_as_it_was_written() {
        let ids = [counted("a.b-c_1", 3, 9), CallId::Keyed(Key::new("k/1:2.3 ".trim()).unwrap())];
        for id in ids {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        assert_eq!("t:1.2".parse(), Ok(counted("t", 1, 2)));
    }

    #[test]
    fn what_is_no_id_is_refused_by_what_is_wrong() {
        for (text, why) in [
            ("t", IdRefused::Form),
            ("t:1", IdRefused::Form),
            ("t:0.1", IdRefused::Number),
            ("t:1.0", IdRefused::Number),
            ("t:1.+2", IdRefused::Number),
            ("t:1.9223372036854775808", IdRefused::Number),
            ("t t:1.2", IdRefused::Name),
            ("key:", IdRefused::Key),
            ("key:a b", IdRefused::Key),
        ] {
            assert_eq!(text.parse::<CallId>(), Err(why), "{text}");
        }
        assert_eq!(ClientName::new("a".repeat(65)), Err(IdRefused::Name));
        assert_eq!(Key::new("k".repeat(256)), Err(IdRefused::Key));
        assert!(ClientName::new("a".repeat(64)).is_ok() && Key::new("k".repeat(255)).is_ok());
    }

    #[test]
    fn nothing_of_a_key_leaves_its_place_in_a_path() {
        let id = CallId::Keyed(Key::new("a/../b?c#d%e").unwrap());
        assert_eq!(id.in_path(), "key:a%2F..%2Fb%3Fc%23d%25e");
    }
}
