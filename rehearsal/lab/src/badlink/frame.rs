//! What the switch must know of a frame: the two hardware addresses, and answers for addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::claim::ClaimKind;

/// A hardware address.
pub(super) type Mac = [u8; 6];

const ARP: [u8; 2] = [0x08, 0x06];
const IPV6: [u8; 2] = [0x86, 0xdd];
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
const ICMPV6: u8 = 58;

/// To whom a frame goes and from whom it comes; `None` for what is no frame.
pub(super) fn ends(frame: &[u8]) -> Option<(Mac, Mac)> {
    let to = frame.get(..6)?.try_into().ok()?;
    let from = frame.get(6..12)?.try_into().ok()?;
    Some((to, from))
}

/// Whether a hardware address means more than one.
pub(super) fn is_group(mac: Mac) -> bool {
    mac[0] & 1 == 1
}

/// Whether a frame carries a UDP datagram over IPv4.
pub(super) fn is_datagram(frame: &[u8]) -> bool {
    frame.get(12..14) == Some(&[0x08, 0x00]) && frame.get(23) == Some(&17)
}

/// The address a frame says its sender holds.
pub(super) fn claim(frame: &[u8]) -> Option<(IpAddr, ClaimKind)> {
    let kind: [u8; 2] = frame.get(12..14)?.try_into().ok()?;
    match kind {
        ARP => arp(frame.get(14..42)?),
        IPV6 => advertisement(frame.get(14..)?),
        _ => None,
    }
}

fn arp(body: &[u8]) -> Option<(IpAddr, ClaimKind)> {
    let sender = Ipv4Addr::from(<[u8; 4]>::try_from(body.get(14..18)?).ok()?);
    let target = Ipv4Addr::from(<[u8; 4]>::try_from(body.get(24..28)?).ok()?);
    let reply = body.get(6..8)? == [0, 2];
    match (reply, sender == target) {
        (true, _) => Some((sender.into(), ClaimKind::Answer)),
        (false, true) => Some((sender.into(), ClaimKind::Announcement)),
        (false, false) => None,
    }
}

fn advertisement(body: &[u8]) -> Option<(IpAddr, ClaimKind)> {
    let is_one = body.get(6) == Some(&ICMPV6) && body.get(40) == Some(&NEIGHBOUR_ADVERTISEMENT);
    if !is_one {
        return None;
    }
    let solicited = body.get(44)? & 0x40 != 0;
    let target = Ipv6Addr::from(<[u8; 16]>::try_from(body.get(48..64)?).ok()?);
    let kind = if solicited { ClaimKind::Answer } else { ClaimKind::Announcement };
    Some((target.into(), kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arp_frame(operation: u8, sender: [u8; 4], target: [u8; 4]) -> Vec<u8> {
        let mut frame = vec![0xff; 6];
        frame.extend([2, 0, 0, 0, 0, 1]);
        frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, operation, 2, 0, 0, 0, 0, 1]);
        frame.extend(sender);
        frame.extend([0; 6]);
        frame.extend(target);
        frame
    }

    #[test]
    fn an_answer_and_an_announcement_claim_an_address_and_a_question_does_not() {
        let held = IpAddr::from([10, 77, 1, 100]);
        let (mine, theirs) = ([10, 77, 1, 100], [10, 77, 1, 200]);
        assert_eq!(claim(&arp_frame(2, mine, theirs)), Some((held, ClaimKind::Answer)));
        assert_eq!(claim(&arp_frame(1, mine, mine)), Some((held, ClaimKind::Announcement)));
        assert_eq!(claim(&arp_frame(1, theirs, mine)), None);
        assert_eq!(claim(&arp_frame(1, [0; 4], mine)), None, "a probe claims nothing");
        assert_eq!(claim(&[0; 10]), None);
    }

    #[test]
    fn a_neighbour_advertisement_claims_its_target() {
        let target = Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 1);
        let mut frame = vec![0; 12];
        frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 32, 58, 255]);
        frame.extend([0; 32]);
        frame.extend([136, 0, 0, 0, 0x20, 0, 0, 0]);
        frame.extend(target.octets());
        assert_eq!(claim(&frame), Some((target.into(), ClaimKind::Announcement)));
    }
}
