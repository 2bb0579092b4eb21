//! Floating addresses: which link takes one, when it is announced, and on which it is.

use std::net::IpAddr;

use tsugi_vocabulary::Span;

use crate::link::Link;

/// When an address is announced after it was added: at once for those who listen, again for
/// those who lost the first, late for a switch that was still learning.
pub const ANNOUNCE_AFTER: [Span; 5] =
    [Span::ZERO, Span::millis(50), Span::millis(200), Span::millis(700), Span::millis(2000)];

/// The first of `wanted` that is up, skipping `except` (the link that just failed).
///
/// An address lists its links; when one loses its carrier the address moves to the next link of
/// the same node without a takeover.
#[must_use]
pub fn choose<'a>(wanted: &'a [String], links: &[Link], except: Option<&str>) -> Option<&'a str> {
    wanted
        .iter()
        .map(String::as_str)
        .filter(|name| Some(*name) != except)
        .find(|name| links.iter().any(|link| link.name == *name && link.carries()))
}

/// The longest prefix that makes sense for the family of `address`.
#[must_use]
pub const fn longest_prefix(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}
