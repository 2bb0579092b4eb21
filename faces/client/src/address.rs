//! Where a service may be: hosts and ports, tried one after the other.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Why a text is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an address is HOST:PORT")]
pub struct AddressRefused;

/// A host, by name or number, and a port. A name is resolved at each new connection, so that it
/// may come to mean another machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    host: String,
    port: u16,
}

impl Address {
    /// Reads `HOST:PORT` or `[IPv6]:PORT`.
    ///
    /// # Errors
    /// [`AddressRefused`] where it is neither.
    pub fn read(text: &str) -> Result<Self, AddressRefused> {
        let (host, port) = text.rsplit_once(':').ok_or(AddressRefused)?;
        let inner = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        let may = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        let fits = match inner {
            Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
            None => !host.is_empty() && host.bytes().all(may),
        };
        match (fits, port.parse()) {
            (true, Ok(port)) => Ok(Self { host: inner.unwrap_or(host).to_owned(), port }),
            _ => Err(AddressRefused),
        }
    }

    /// The host, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = !self.host.contains(':');
        f.write_str(if plain { "" } else { "[" })?;
        f.write_str(&self.host)?;
        f.write_str(if plain { ":" } else { "]:" })?;
        self.port.fmt(f)
    }
}

/// The addresses, and which of them answered last.
#[derive(Debug)]
pub(crate) struct Addresses {
    all: Vec<Address>,
    at: AtomicUsize,
}

impl Addresses {
    /// None if there is no address.
    pub(crate) fn of(all: Vec<Address>) -> Option<Self> {
        (!all.is_empty()).then_some(Self { all, at: AtomicUsize::new(0) })
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.all.len()
    }

    /// The one to ask now, by its place.
    pub(crate) fn now(&self) -> usize {
        self.at.load(Ordering::Relaxed)
    }

    /// The address at a place that [`Self::now`] gave.
    pub(crate) fn get(&self, place: usize) -> &Address {
        &self.all[place % self.all.len()]
    }

    /// The one at this place is not it: the next. Of many callers who found the same, one moves on.
    pub(crate) fn leave(&self, place: usize) {
        let next = (place + 1) % self.all.len();
        // Another has moved on already.
        let _moved = self.at.compare_exchange(place, next, Ordering::Relaxed, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_back_as_it_was_written() {
        for text in ["10.0.0.1:9003", "db-1.example:80", "[::1]:65535"] {
            assert_eq!(Address::read(text).map(|a| a.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "host", "host:", ":80", "host:65536", "::1:80", "[host]:80", "a b:1"] {
            assert_eq!(Address::read(text), Err(AddressRefused), "{text}");
        }
    }

    #[test]
    fn of_many_who_leave_the_same_address_one_moves_on() {
        let all = ["a:1", "b:1", "c:1"].map(|text| Address::read(text).unwrap()).to_vec();
        let addresses = Addresses::of(all).unwrap();
        let was = addresses.now();
        for _ in 0..64 {
            addresses.leave(was);
        }
        assert_eq!(addresses.get(addresses.now()).host(), "b");
        addresses.leave(1);
        addresses.leave(2);
        assert_eq!(addresses.now(), 0, "after the last comes the first");
    }
}
