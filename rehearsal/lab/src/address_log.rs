//! Who held which address from when to when, as each host's own kernel said.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, setsockopt,
    socket, sockopt,
};

const NEW_ADDRESS: u16 = 20;
const DELETED_ADDRESS: u16 = 21;
const ATTRIBUTE_ADDRESS: u16 = 1;
const ATTRIBUTE_LOCAL: u16 = 2;
/// `RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR`.
const GROUPS: u32 = 0x10 | 0x100;
const FAMILY_IPV4: u8 = 2;

/// A change of one address of one host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The address.
    pub address: IpAddr,
    /// The link it is on, by number.
    pub link: u32,
    /// Whether it is held from now on.
    pub held: bool,
}

/// A socket that hears of every change in one network namespace.
#[derive(Debug)]
pub struct Watch(OwnedFd);

impl Watch {
    /// Listens in the network namespace of the calling thread.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn open() -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let family = AddressFamily::Netlink;
        let fd = socket(family, SockType::Raw, flags, SockProtocol::NetlinkRoute)?;
        setsockopt(&fd, sockopt::RcvBuf, &(1 << 20))?;
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, GROUPS))?;
        Ok(Self(fd))
    }

    /// The descriptor to wait on.
    #[must_use]
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// What has changed since the last time.
    pub fn changes(&mut self) -> Vec<Change> {
        let mut buffer = [0; 16_384];
        let mut changes = Vec::new();
        while let Ok(length) = recv(self.0.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
            changes.extend(parse(&buffer[..length]));
        }
        changes
    }
}

/// Reads netlink messages about addresses.
fn parse(mut bytes: &[u8]) -> Vec<Change> {
    let mut changes = Vec::new();
    while let Some(head) = bytes.get(..16) {
        let length = u32::from_ne_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let kind = u16::from_ne_bytes([head[4], head[5]]);
        let Some(body) = bytes.get(16..length.max(16)) else { break };
        if kind == NEW_ADDRESS || kind == DELETED_ADDRESS {
            changes.extend(parse_address(body, kind == NEW_ADDRESS));
        }
        let Some(rest) = bytes.get(length.next_multiple_of(4).max(16)..) else { break };
        bytes = rest;
    }
    changes
}

fn parse_address(body: &[u8], held: bool) -> Option<Change> {
    let (family, link) = (*body.first()?, u32::from_ne_bytes(body.get(4..8)?.try_into().ok()?));
    let mut found: BTreeMap<u16, IpAddr> = BTreeMap::new();
    let mut rest = body.get(8..)?;
    while let Some(head) = rest.get(..4) {
        let length = u16::from_ne_bytes([head[0], head[1]]) as usize;
        let kind = u16::from_ne_bytes([head[2], head[3]]);
        let value = rest.get(4..length.max(4))?;
        if kind == ATTRIBUTE_ADDRESS || kind == ATTRIBUTE_LOCAL {
            found.insert(kind, address_of(family, value)?);
        }
        rest = rest.get(length.next_multiple_of(4).max(4)..).unwrap_or_default();
    }
    let address = found.get(&ATTRIBUTE_LOCAL).or_else(|| found.get(&ATTRIBUTE_ADDRESS))?;
    Some(Change { address: *address, link, held })
}

fn address_of(family: u8, value: &[u8]) -> Option<IpAddr> {
    if family == FAMILY_IPV4 {
        <[u8; 4]>::try_from(value).ok().map(IpAddr::from)
    } else {
        <[u8; 16]>::try_from(value).ok().map(IpAddr::from)
    }
}

/// One stretch of time in which a host held an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holding {
    /// Which host.
    pub host: usize,
    /// On which link, by number.
    pub link: u32,
    /// The address.
    pub address: IpAddr,
    /// From.
    pub from: Duration,
    /// Until; still held without it.
    pub until: Option<Duration>,
    /// Whether this is what a frozen host still had when it woke up: that time is measured apart.
    pub waking: bool,
}

/// Everything that was ever held.
#[derive(Debug, Default)]
pub struct AddressLog {
    holdings: Vec<Holding>,
}

impl AddressLog {
    /// Writes down a change.
    pub fn note(&mut self, at: Duration, host: usize, change: Change) {
        let Change { address, link, held } = change;
        let open = self.holdings.iter_mut().rev().find(|h| {
            h.host == host && h.link == link && h.address == address && h.until.is_none()
        });
        match (open, held) {
            (Some(_), true) | (None, false) => {}
            (Some(holding), false) => holding.until = Some(at),
            (None, true) => {
                self.holdings.push(Holding {
                    host,
                    link,
                    address,
                    from: at,
                    until: None,
                    waking: false,
                });
            }
        }
    }

    /// Writes down that `host` holds nothing any more: it has no power, or does nothing at all.
    pub fn end(&mut self, at: Duration, host: usize) {
        for holding in self.holdings.iter_mut().filter(|h| h.host == host) {
            holding.until.get_or_insert(at);
        }
    }

    /// Opens again what `end` had closed at `ended`: a frozen host has woken up.
    pub fn resume(&mut self, ended: Duration, at: Duration, host: usize) {
        let again: Vec<Holding> = self
            .holdings
            .iter()
            .filter(|h| h.host == host && h.until == Some(ended))
            .map(|h| Holding { from: at, until: None, waking: true, ..*h })
            .collect();
        self.holdings.extend(again);
    }

    /// Who holds `address` now.
    #[must_use]
    pub fn holders(&self, address: IpAddr) -> Vec<usize> {
        let held = self.holdings.iter().filter(|h| h.address == address && h.until.is_none());
        held.map(|h| h.host).collect()
    }

    /// Every holding of `address`.
    #[must_use]
    pub fn of(&self, address: IpAddr) -> Vec<Holding> {
        self.holdings.iter().filter(|h| h.address == address).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_added_address_is_read_from_the_kernels_message() {
        let mut message = vec![0; 16];
        message.extend([2, 24, 0, 0]);
        message.extend(3_u32.to_ne_bytes());
        for kind in [ATTRIBUTE_ADDRESS, ATTRIBUTE_LOCAL] {
            message.extend(8_u16.to_ne_bytes());
            message.extend(kind.to_ne_bytes());
            message.extend([10, 77, 1, 100]);
        }
        let length = u32::try_from(message.len()).unwrap();
        message[..4].copy_from_slice(&length.to_ne_bytes());
        message[4..6].copy_from_slice(&NEW_ADDRESS.to_ne_bytes());
        let address = IpAddr::from([10, 77, 1, 100]);
        assert_eq!(parse(&message), [Change { address, link: 3, held: true }]);
        assert_eq!(parse(&message[..20]), []);
    }

    #[test]
    fn a_host_without_power_holds_nothing() {
        let (ms, address) = (Duration::from_millis, IpAddr::from([10, 77, 1, 100]));
        let mut log = AddressLog::default();
        log.note(ms(1), 1, Change { address, link: 2, held: true });
        assert_eq!(log.holders(address), [1]);
        log.end(ms(5), 1);
        assert!(log.holders(address).is_empty());
        log.resume(ms(5), ms(9), 1);
        assert_eq!(log.holders(address), [1]);
        assert_eq!(log.of(address).len(), 2);
    }
}
