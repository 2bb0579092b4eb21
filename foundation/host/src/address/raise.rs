//! Floating addresses: probed for, added and announced, and each of it verified.

use std::io;
use std::net::IpAddr;

use tsugi_vocabulary::Span;

use super::{held_of, open};
use crate::clock;
use crate::failure::Failure;
use crate::neighbour::{self, Mac};
use crate::netlink::links::Link;
use crate::netlink::{Held, Netlink};
use crate::packet::Packets;
use crate::request::PROBE_LONGEST;

/// When an address is announced after it was added: at once for those who listen, again for
/// those who lost the first, late for a switch that was still learning.
pub const ANNOUNCE_AFTER: [Span; 5] =
    [Span::ZERO, Span::millis(50), Span::millis(200), Span::millis(700), Span::millis(2000)];

/// The longest prefix that makes sense for the family of `address`.
#[must_use]
pub const fn longest_prefix(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// Adds `address` to the link `name` and verifies that it is there.
///
/// # Errors
/// Why it is not there.
pub fn add(name: &str, address: IpAddr, prefix: u8) -> Result<(), Failure> {
    if prefix == 0 || prefix > longest_prefix(address) {
        return Err(Failure::Malformed { why: format!("a prefix of {prefix} bits") });
    }
    let mut netlink = open()?;
    let links = netlink.links().map_err(|e| Failure::system("RTM_GETLINK", &e))?;
    let Some(link) = links.iter().find(|link| link.name == name) else {
        return Err(Failure::NoLink { link: name.to_owned() });
    };
    if !link.carries() {
        return Err(Failure::LinkDown { link: name.to_owned() });
    }
    let others = held(&mut netlink, address)?;
    if let Some(other) = others.iter().find(|h| h.link != link.index) {
        let name = links.iter().find(|l| l.index == other.link).map(|l| l.name.clone());
        return Err(Failure::OnOtherLink { link: name.unwrap_or_default() });
    }
    if !others.is_empty() {
        return Ok(());
    }
    keep_neighbours_of_removed_addresses(name, address);
    let flags = if address.is_ipv6() { libc::IFA_F_NODAD } else { 0 };
    let wanted = Held { link: link.index, address, prefix, flags };
    match netlink.add(wanted) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(libc::EEXIST) => {}
        Err(error) => return Err(Failure::system("RTM_NEWADDR", &error)),
    }
    let useless = libc::IFA_F_TENTATIVE | libc::IFA_F_DADFAILED;
    match held(&mut netlink, address)?.first() {
        Some(there) if there.flags & useless == 0 => Ok(()),
        _ => Err(Failure::NoEffect { what: format!("{address} does not answer on {name}") }),
    }
}

/// Without this, removing the first address of a network removes the others of that network.
fn keep_neighbours_of_removed_addresses(link: &str, address: IpAddr) {
    if address.is_ipv4() && !link.contains('/') {
        let setting = format!("/proc/sys/net/ipv4/conf/{link}/promote_secondaries");
        // Where it cannot be set (a read-only /proc) addresses of other networks still work.
        drop(std::fs::write(setting, "1"));
    }
}

/// Asks the network once whether another machine has `address`, listening for `wait`.
///
/// # Errors
/// It could not be asked.
pub fn probe(name: &str, address: IpAddr, wait: Span) -> Result<Option<Mac>, Failure> {
    if wait > PROBE_LONGEST {
        return Err(Failure::Malformed { why: format!("a probe of {wait}") });
    }
    let Some((link, mac)) = neighbourly(name)? else { return Ok(None) };
    let failed = |error: io::Error| Failure::system("conflict probe", &error);
    let packets = Packets::open(link.index, neighbour::ethertype(address)).map_err(failed)?;
    packets.send(&neighbour::probe(mac, address)).map_err(failed)?;
    let end = clock::now() + wait;
    let mut buffer = [0; 256];
    loop {
        // In this order what came in time is read, however late that is.
        let left = end.since(clock::now());
        while let Some(frame) = packets.receive(&mut buffer).map_err(failed)? {
            if let Some(other) = neighbour::conflict(frame, mac, address) {
                return Ok(Some(other));
            }
        }
        if left == Span::ZERO {
            return Ok(None);
        }
        let left_ms = left.0.div_ceil(1_000_000);
        packets.wait(i32::try_from(left_ms).unwrap_or(i32::MAX)).map_err(failed)?;
    }
}

/// Tells the network once that `address` is here, if it is.
///
/// # Errors
/// It is not here, or it could not be told.
pub fn announce(name: &str, address: IpAddr) -> Result<(), Failure> {
    let Some((link, mac)) = neighbourly(name)? else { return Ok(()) };
    if !held(&mut open()?, address)?.iter().any(|held| held.link == link.index) {
        return Err(Failure::NoEffect { what: format!("{address} is not on {name}") });
    }
    let failed = |error: io::Error| Failure::system("announcement", &error);
    let packets = Packets::open(link.index, neighbour::ethertype(address)).map_err(failed)?;
    for frame in neighbour::announcement(mac, address) {
        packets.send(&frame).map_err(failed)?;
    }
    Ok(())
}

/// The link, if there are other machines on it to talk to.
fn neighbourly(name: &str) -> Result<Option<(Link, Mac)>, Failure> {
    let link = open()?.link(name).map_err(|e| Failure::system("RTM_GETLINK", &e))?;
    let Some(link) = link else { return Err(Failure::NoLink { link: name.to_owned() }) };
    if !link.carries() {
        return Err(Failure::LinkDown { link: name.to_owned() });
    }
    Ok(match link.mac {
        Some(mac) if link.has_neighbours() => Some((link, mac)),
        Some(_) | None => None,
    })
}

fn held(netlink: &mut Netlink, address: IpAddr) -> Result<Vec<Held>, Failure> {
    held_of(netlink, &[address])
}
