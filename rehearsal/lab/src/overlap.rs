//! How long two hosts held an address, from what their kernels said and from what they answered
//! on the wire. Two instruments: either alone must find it.

use std::time::Duration;

use crate::address_log::Holding;
use crate::badlink::Claim;

/// The longest time in which two hosts held one address, by their own kernels, since `since`.
#[must_use]
pub fn held_twice(holdings: &[Holding], since: Duration, now: Duration) -> Duration {
    let mut longest = Duration::ZERO;
    for (at, one) in holdings.iter().enumerate() {
        for other in &holdings[at + 1..] {
            if one.host == other.host || one.waking || other.waking {
                continue;
            }
            let from = one.from.max(other.from).max(since);
            let until = one.until.unwrap_or(now).min(other.until.unwrap_or(now));
            longest = longest.max(until.saturating_sub(from));
        }
    }
    longest
}

/// The longest time after a host's first claim at which another host still claimed the address.
/// A host that gave the address back and got it again begins anew.
#[must_use]
pub fn claimed_twice(claims: &[Claim], holdings: &[Holding]) -> Duration {
    let mut longest = Duration::ZERO;
    for claim in claims {
        for first in claims {
            let later = claim.at.saturating_sub(first.at);
            if first.port.host == claim.port.host || later.is_zero() {
                continue;
            }
            // Rightful is who came to hold it after the other's claim.
            let came_after = holdings
                .iter()
                .any(|h| h.host == claim.port.host && h.from >= first.at && h.from <= claim.at);
            let waking = holdings.iter().any(|h| {
                let lasted = h.until.is_none_or(|until| claim.at <= until);
                h.waking && h.host == claim.port.host && h.from <= claim.at && lasted
            });
            if !came_after && !waking {
                longest = longest.max(later);
            }
        }
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::badlink::{ClaimKind, PortId};
    use std::net::IpAddr;

    const ADDRESS: [u8; 4] = [10, 77, 1, 100];

    fn ms(value: u64) -> Duration {
        Duration::from_millis(value)
    }

    fn holding(host: usize, from: u64, until: Option<u64>) -> Holding {
        let (address, until) = (IpAddr::from(ADDRESS), until.map(ms));
        Holding { host, link: 2, address, from: ms(from), until, waking: false }
    }

    fn claim(host: usize, at: u64) -> Claim {
        let port = PortId { host, link: 0 };
        Claim { at: ms(at), port, address: IpAddr::from(ADDRESS), kind: ClaimKind::Answer }
    }

    #[test]
    fn an_address_that_is_given_on_is_held_once() {
        let clean = [holding(1, 0, Some(50)), holding(2, 50, None)];
        assert_eq!(held_twice(&clean, ms(0), ms(90)), ms(0));
        assert_eq!(claimed_twice(&[claim(1, 40), claim(2, 51), claim(2, 70)], &clean), ms(0));
        let back = [holding(1, 0, Some(50)), holding(2, 50, Some(60)), holding(1, 61, None)];
        let claims = [claim(1, 40), claim(2, 51), claim(1, 62), claim(1, 80)];
        assert_eq!(claimed_twice(&claims, &back), ms(0));
    }

    #[test]
    fn an_address_of_two_hosts_is_found_by_either_instrument() {
        let both = [holding(1, 0, Some(80)), holding(2, 50, None)];
        assert_eq!(held_twice(&both, ms(0), ms(90)), ms(30));
        assert_eq!(held_twice(&both, ms(70), ms(90)), ms(10));
        assert_eq!(claimed_twice(&[claim(1, 40), claim(2, 51), claim(1, 75)], &both), ms(24));
    }

    #[test]
    fn two_links_of_one_host_are_one_holder() {
        let moved = [holding(1, 0, Some(80)), Holding { link: 3, ..holding(1, 70, None) }];
        assert_eq!(held_twice(&moved, ms(0), ms(90)), ms(0));
    }
}
