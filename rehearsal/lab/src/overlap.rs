//! How long two hosts held an address, from what their kernels said and from what they answered
//! on the wire. Two instruments: either alone must find it.

use std::time::Duration;

use crate::address_log::Holding;
use crate::badlink::Claim;

/// A kernel tells of an IPv6 address a moment after the host can use it. Longer than this it never
/// takes.
const TOLD_LATE: Duration = Duration::from_millis(20);

/// The holdings with their true beginnings: who claimed an address just before its kernel told of
/// it held it from that claim on.
#[must_use]
pub fn from_first_claim(holdings: &[Holding], claims: &[Claim]) -> Vec<Holding> {
    let began = |holding: &Holding| {
        let own = claims.iter().filter(|c| c.port.host == holding.host && c.at <= holding.from);
        let former = holdings.iter().filter(|h| h.host == holding.host && h.from < holding.from);
        let since = former.filter_map(|h| h.until).max().unwrap_or_default();
        let late = own.map(|c| c.at).filter(|at| *at >= since && *at + TOLD_LATE >= holding.from);
        late.min().unwrap_or(holding.from)
    };
    holdings.iter().map(|holding| Holding { from: began(holding), ..*holding }).collect()
}

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

/// What the two instruments noted, for whoever has to understand it.
#[must_use]
pub fn noted(claims: &[Claim], holdings: &[Holding], since: Duration) -> String {
    let recent = holdings.iter().filter(|h| h.until.is_none_or(|until| until >= since));
    let held = recent.map(|h| format!("host {} held it {:?} to {:?}", h.host, h.from, h.until));
    let said =
        claims.iter().map(|c| format!("host {} claimed it {:?} ({:?})", c.port.host, c.at, c.kind));
    held.chain(said).collect::<Vec<_>>().join("; ")
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
    fn a_host_holds_an_address_from_its_first_claim_when_its_kernel_tells_of_it_late() {
        let told = [holding(1, 0, Some(50)), holding(2, 61, None)];
        let claims = [claim(1, 40), claim(2, 60)];
        let held = from_first_claim(&told, &claims);
        assert_eq!(held, [told[0], Holding { from: ms(60), ..told[1] }]);
        assert_eq!(claimed_twice(&claims, &held), ms(0));
        let early = [claim(1, 40), claim(2, 45)];
        let held = from_first_claim(&told, &early);
        assert_eq!(held_twice(&held, ms(0), ms(90)), ms(5), "before the other had let go");
        let back = [holding(2, 0, Some(60)), holding(2, 61, None)];
        assert_eq!(from_first_claim(&back, &[claim(2, 59)]), back, "that was the former time");
    }

    #[test]
    fn two_links_of_one_host_are_one_holder() {
        let moved = [holding(1, 0, Some(80)), Holding { link: 3, ..holding(1, 70, None) }];
        assert_eq!(held_twice(&moved, ms(0), ms(90)), ms(0));
    }
}
