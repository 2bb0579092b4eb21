//! What the other machines on a link are asked and told: ARP, and neighbour discovery of IPv6.
//!
//! Frames are built and read here and go over a packet socket bound to the link, so that no
//! privilege over IP sockets is needed and the kernel's own tables are not touched.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A link-layer address.
pub type Mac = [u8; 6];

const BROADCAST: Mac = [0xff; 6];
const ETHERTYPE_ARP: u16 = 0x0806;
const ETHERTYPE_IPV6: u16 = 0x86dd;
const ARP_REQUEST: u16 = 1;
const ARP_REPLY: u16 = 2;
const ICMPV6: u8 = 58;
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
const OVERRIDE: u8 = 0x20;

/// The ethertype on which answers about `address` come.
#[must_use]
pub const fn ethertype(address: IpAddr) -> u16 {
    match address {
        IpAddr::V4(_) => ETHERTYPE_ARP,
        IpAddr::V6(_) => ETHERTYPE_IPV6,
    }
}

/// The frame that asks once who has `address`, with no claim to it (RFC 5227, RFC 4862).
#[must_use]
pub fn probe(mac: Mac, address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(target) => arp(ARP_REQUEST, mac, Ipv4Addr::UNSPECIFIED, target),
        IpAddr::V6(target) => solicitation(mac, target),
    }
}

/// The frames that tell everyone that `address` is at `mac` now.
#[must_use]
pub fn announcement(mac: Mac, address: IpAddr) -> Vec<Vec<u8>> {
    match address {
        // Some stacks take a gratuitous request only, some a reply only.
        IpAddr::V4(own) => vec![arp(ARP_REQUEST, mac, own, own), arp(ARP_REPLY, mac, own, own)],
        IpAddr::V6(own) => vec![advertisement(mac, own)],
    }
}

/// The machine other than `own` that this frame shows to have, or to be probing for, `address`.
#[must_use]
pub fn conflict(frame: &[u8], own: Mac, address: IpAddr) -> Option<Mac> {
    let mac = match address {
        IpAddr::V4(address) => arp_conflict(frame, address),
        IpAddr::V6(address) => nd_conflict(frame, address),
    }?;
    (mac != own).then_some(mac)
}

fn ethernet(to: Mac, from: Mac, ethertype: u16) -> Vec<u8> {
    let mut frame = Vec::with_capacity(86);
    frame.extend_from_slice(&to);
    frame.extend_from_slice(&from);
    frame.extend_from_slice(&ethertype.to_be_bytes());
    frame
}

fn arp(operation: u16, mac: Mac, sender: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    let mut frame = ethernet(BROADCAST, mac, ETHERTYPE_ARP);
    frame.extend_from_slice(&[0, 1, 0x08, 0, 6, 4]);
    frame.extend_from_slice(&operation.to_be_bytes());
    frame.extend_from_slice(&mac);
    frame.extend_from_slice(&sender.octets());
    frame.extend_from_slice(if operation == ARP_REPLY { &BROADCAST } else { &[0; 6] });
    frame.extend_from_slice(&target.octets());
    frame
}

fn arp_conflict(frame: &[u8], address: Ipv4Addr) -> Option<Mac> {
    let body = body_of(frame, ETHERTYPE_ARP)?;
    if body.get(..6)? != [0, 1, 0x08, 0, 6, 4] {
        return None;
    }
    let mac: Mac = body.get(8..14)?.try_into().ok()?;
    let sender = body.get(14..18)?;
    let target = body.get(24..28)?;
    let has = sender == address.octets();
    // Someone else probes for the same address at the same time.
    let probes = sender == [0; 4] && target == address.octets();
    (has || probes).then_some(mac)
}

fn body_of(frame: &[u8], ethertype: u16) -> Option<&[u8]> {
    (frame.get(12..14)? == ethertype.to_be_bytes()).then(|| &frame[14..])
}

fn solicitation(mac: Mac, target: Ipv6Addr) -> Vec<u8> {
    let octets = target.octets();
    let group = Ipv6Addr::from([
        0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, octets[13], octets[14], octets[15],
    ]);
    let to = [0x33, 0x33, 0xff, octets[13], octets[14], octets[15]];
    let mut body = vec![SOLICITATION, 0, 0, 0, 0, 0, 0, 0];
    body.extend_from_slice(&octets);
    icmpv6(ethernet(to, mac, ETHERTYPE_IPV6), (Ipv6Addr::UNSPECIFIED, group), body)
}

fn advertisement(mac: Mac, own: Ipv6Addr) -> Vec<u8> {
    let all_nodes = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    let to = [0x33, 0x33, 0, 0, 0, 1];
    let mut body = vec![ADVERTISEMENT, 0, 0, 0, OVERRIDE, 0, 0, 0];
    body.extend_from_slice(&own.octets());
    body.extend_from_slice(&[2, 1]);
    body.extend_from_slice(&mac);
    icmpv6(ethernet(to, mac, ETHERTYPE_IPV6), (own, all_nodes), body)
}

fn icmpv6(mut frame: Vec<u8>, between: (Ipv6Addr, Ipv6Addr), mut body: Vec<u8>) -> Vec<u8> {
    let sum = checksum(between, &body);
    body[2..4].copy_from_slice(&sum.to_be_bytes());
    frame.extend_from_slice(&[0x60, 0, 0, 0]);
    frame.extend_from_slice(&(body.len() as u16).to_be_bytes());
    frame.extend_from_slice(&[ICMPV6, 255]);
    frame.extend_from_slice(&between.0.octets());
    frame.extend_from_slice(&between.1.octets());
    frame.extend_from_slice(&body);
    frame
}

fn checksum((from, to): (Ipv6Addr, Ipv6Addr), body: &[u8]) -> u16 {
    let words = |bytes: &[u8]| -> u32 {
        bytes
            .chunks(2)
            .map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)))
            .sum()
    };
    let mut sum = words(&from.octets())
        + words(&to.octets())
        + body.len() as u32
        + u32::from(ICMPV6)
        + words(body);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

fn nd_conflict(frame: &[u8], address: Ipv6Addr) -> Option<Mac> {
    let packet = body_of(frame, ETHERTYPE_IPV6)?;
    if *packet.get(6)? != ICMPV6 {
        return None;
    }
    let from = packet.get(8..24)?;
    let body = packet.get(40..)?;
    if body.get(8..24)? != address.octets() {
        return None;
    }
    let has = body[0] == ADVERTISEMENT;
    let probes = body[0] == SOLICITATION && from == Ipv6Addr::UNSPECIFIED.octets();
    let mac = frame.get(6..12)?.try_into().ok()?;
    (has || probes).then_some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Mac = [2, 0, 0, 0, 0, 1];
    const OTHER: Mac = [2, 0, 0, 0, 0, 2];

    #[test]
    fn an_answer_and_another_probe_are_conflicts_and_our_own_frames_are_not() {
        for address in ["10.1.2.3", "fd00::1:2"] {
            let address: IpAddr = address.parse().unwrap();
            for frame in announcement(OTHER, address) {
                assert_eq!(conflict(&frame, OWN, address), Some(OTHER));
                assert_eq!(conflict(&frame, OTHER, address), None, "our own");
            }
            assert_eq!(conflict(&probe(OTHER, address), OWN, address), Some(OTHER));
            let elsewhere: IpAddr =
                if address.is_ipv4() { "10.1.2.4" } else { "fd00::1:3" }.parse().unwrap();
            assert_eq!(conflict(&probe(OTHER, elsewhere), OWN, address), None);
        }
    }

    #[test]
    fn a_frame_cut_anywhere_is_no_conflict_or_the_same_one() {
        for address in ["10.1.2.3", "fd00::1:2"] {
            let address: IpAddr = address.parse().unwrap();
            for frame in announcement(OTHER, address) {
                for length in 0..frame.len() {
                    let found = conflict(&frame[..length], OWN, address);
                    assert!(found.is_none_or(|mac| mac == OTHER));
                }
            }
        }
    }

    #[test]
    fn the_checksum_of_icmpv6_is_that_of_rfc_4443() {
        let frame = advertisement(OWN, "fd00::1:2".parse().unwrap());
        let between = ("fd00::1:2".parse().unwrap(), "ff02::1".parse().unwrap());
        assert_eq!(checksum(between, &frame[54..]), 0, "a right checksum sums to zero");
        assert_eq!(frame.len(), 86);
    }
}
