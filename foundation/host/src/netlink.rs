//! Links and addresses over one netlink socket: asked and answered on the spot, no runtime.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send,
    setsockopt, socket, sockopt,
};

use crate::link::Link;

/// The longest answer that is read at once; the kernel sends at most 32 KiB.
const BUFFER: usize = 64 * 1024;
const HEADER: usize = 16;

/// An address of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The number of the link.
    pub link: u32,
    /// The address.
    pub address: IpAddr,
    /// The length of its prefix.
    pub prefix: u8,
    /// The kernel's flags of it (`IFA_F_…`).
    pub flags: u32,
}

/// Something changed on this node's network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A link is as told now.
    Link(Link),
    /// A link is gone.
    LinkGone(Link),
    /// An address was added or is as told now.
    Added(Held),
    /// An address was removed.
    Removed(Held),
    /// Changes were lost; everything must be looked at again.
    Lost,
}

/// A netlink socket.
#[derive(Debug)]
pub struct Netlink {
    socket: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

impl AsFd for Netlink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Which of the kernel's multicast groups a socket hears.
const GROUPS_OF_CHANGES: i32 =
    libc::RTMGRP_LINK | libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV6_IFADDR;

impl Netlink {
    /// A socket to ask with.
    ///
    /// # Errors
    /// The call that failed.
    pub fn open() -> io::Result<Self> {
        Self::new(SockFlag::empty(), 0)
    }

    /// A socket that hears changes; it never waits.
    ///
    /// # Errors
    /// The call that failed.
    pub fn listen() -> io::Result<Self> {
        Self::new(SockFlag::SOCK_NONBLOCK, GROUPS_OF_CHANGES as u32)
    }

    fn new(flags: SockFlag, groups: u32) -> io::Result<Self> {
        let flags = flags | SockFlag::SOCK_CLOEXEC;
        let route = SockProtocol::NetlinkRoute;
        let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, route)?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
        if groups == 0 {
            // A kernel that does not answer must not hold up a release.
            let limit = nix::sys::time::TimeVal::new(1, 0);
            setsockopt(&socket, sockopt::ReceiveTimeout, &limit)?;
        }
        Ok(Self { socket, sequence: 0, buffer: vec![0; BUFFER] })
    }

    /// Every link.
    ///
    /// # Errors
    /// The call that failed.
    pub fn links(&mut self) -> io::Result<Vec<Link>> {
        let mut links = Vec::new();
        let body = link_body(0);
        self.dump(libc::RTM_GETLINK, &body, |kind, body| {
            if kind == libc::RTM_NEWLINK {
                links.extend(read_link(body));
            }
        })?;
        Ok(links)
    }

    /// The link of this number as it is at this moment; none if it is gone.
    ///
    /// # Errors
    /// The call that failed.
    pub fn link_at(&mut self, index: u32) -> io::Result<Option<Link>> {
        let mut found = None;
        let asked = self.ask(
            (libc::RTM_GETLINK, libc::NLM_F_REQUEST as u16),
            &link_body(index),
            |kind, body| {
                if kind == libc::RTM_NEWLINK {
                    found = read_link(body);
                }
                Heard::TheEnd
            },
        );
        match asked {
            Ok(()) => Ok(found),
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The link of this name.
    ///
    /// # Errors
    /// The call that failed.
    pub fn link(&mut self, name: &str) -> io::Result<Option<Link>> {
        Ok(self.links()?.into_iter().find(|link| link.name == name))
    }

    /// Every address of every link.
    ///
    /// # Errors
    /// The call that failed.
    pub fn addresses(&mut self) -> io::Result<Vec<Held>> {
        let mut all = Vec::new();
        let body = [0; 8];
        self.dump(libc::RTM_GETADDR, &body, |kind, body| {
            if kind == libc::RTM_NEWADDR {
                all.extend(read_address(body));
            }
        })?;
        Ok(all)
    }

    /// Adds an address to a link, without duplicate detection by the kernel (it would keep an
    /// IPv6 address from answering for a second).
    ///
    /// # Errors
    /// The call that failed.
    pub fn add(&mut self, held: Held) -> io::Result<()> {
        let flags = (libc::NLM_F_CREATE | libc::NLM_F_EXCL) as u16;
        self.change(libc::RTM_NEWADDR, flags, &address_body(held))
    }

    /// Removes an address from a link.
    ///
    /// # Errors
    /// The call that failed.
    pub fn remove(&mut self, held: Held) -> io::Result<()> {
        self.change(libc::RTM_DELADDR, 0, &address_body(held))
    }

    /// The next change, on a socket that listens.
    ///
    /// # Errors
    /// The call that failed.
    pub fn changes(&mut self) -> io::Result<Option<Vec<Change>>> {
        let length = match recv(self.socket.as_raw_fd(), &mut self.buffer, MsgFlags::empty()) {
            Ok(length) => length,
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(None),
            Err(Errno::ENOBUFS) => return Ok(Some(vec![Change::Lost])),
            Err(error) => return Err(error.into()),
        };
        let mut changes = Vec::new();
        for message in messages(&self.buffer[..length]) {
            let body = message.body;
            changes.extend(match message.kind {
                libc::RTM_NEWLINK => read_link(body).map(Change::Link),
                libc::RTM_DELLINK => read_link(body).map(Change::LinkGone),
                libc::RTM_NEWADDR => read_address(body).map(Change::Added),
                libc::RTM_DELADDR => read_address(body).map(Change::Removed),
                _ => None,
            });
        }
        Ok(Some(changes))
    }

    fn change(&mut self, kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
        self.send(kind, flags | (libc::NLM_F_REQUEST | libc::NLM_F_ACK) as u16, body)?;
        loop {
            let length = recv(self.socket.as_raw_fd(), &mut self.buffer, MsgFlags::empty())?;
            for message in messages(&self.buffer[..length]) {
                if message.sequence == self.sequence && i32::from(message.kind) == libc::NLMSG_ERROR
                {
                    return read_error(message.body);
                }
            }
        }
    }

    fn dump(&mut self, kind: u16, body: &[u8], mut each: impl FnMut(u16, &[u8])) -> io::Result<()> {
        let flags = (libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16;
        self.ask((kind, flags), body, |kind, body| {
            each(kind, body);
            Heard::More
        })
    }

    fn ask(
        &mut self,
        (kind, flags): (u16, u16),
        body: &[u8],
        mut each: impl FnMut(u16, &[u8]) -> Heard,
    ) -> io::Result<()> {
        self.send(kind, flags, body)?;
        loop {
            let length = recv(self.socket.as_raw_fd(), &mut self.buffer, MsgFlags::empty())?;
            for message in messages(&self.buffer[..length]) {
                if message.sequence != self.sequence {
                    continue;
                }
                match i32::from(message.kind) {
                    libc::NLMSG_DONE => return Ok(()),
                    libc::NLMSG_ERROR => return read_error(message.body),
                    _ => match each(message.kind, message.body) {
                        Heard::More => {}
                        Heard::TheEnd => return Ok(()),
                    },
                }
            }
        }
    }

    fn send(&mut self, kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let length = HEADER + body.len();
        let mut bytes = Vec::with_capacity(length);
        bytes.extend_from_slice(&(length as u32).to_ne_bytes());
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&flags.to_ne_bytes());
        bytes.extend_from_slice(&self.sequence.to_ne_bytes());
        bytes.extend_from_slice(&0_u32.to_ne_bytes());
        bytes.extend_from_slice(body);
        send(self.socket.as_raw_fd(), &bytes, MsgFlags::empty())?;
        Ok(())
    }
}

/// Whether an answer goes on after a message of it.
enum Heard {
    More,
    TheEnd,
}

struct Message<'a> {
    kind: u16,
    sequence: u32,
    body: &'a [u8],
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let length = u32_at(bytes, 0)? as usize;
        let kind = u16_at(bytes, 4)?;
        let sequence = u32_at(bytes, 8)?;
        let body = bytes.get(HEADER..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        Some(Message { kind, sequence, body })
    })
}

fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(bytes, 0)?);
        let kind = u16_at(bytes, 2)?;
        let value = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        Some((kind, value))
    })
}

fn read_error(body: &[u8]) -> io::Result<()> {
    match u32_at(body, 0).map(u32::cast_signed) {
        Some(0) => Ok(()),
        Some(error) => Err(io::Error::from_raw_os_error(-error)),
        None => Err(io::ErrorKind::InvalidData.into()),
    }
}

fn read_link(body: &[u8]) -> Option<Link> {
    let mut link =
        Link { index: u32_at(body, 4)?, name: String::new(), mac: None, flags: u32_at(body, 8)? };
    for (kind, value) in attributes(body.get(16..)?) {
        match kind {
            libc::IFLA_IFNAME => {
                let text = value.split(|byte| *byte == 0).next()?;
                link.name = String::from_utf8_lossy(text).into_owned();
            }
            libc::IFLA_ADDRESS => link.mac = value.try_into().ok(),
            _ => {}
        }
    }
    Some(link)
}

fn read_address(body: &[u8]) -> Option<Held> {
    let mut address = None;
    let mut local = None;
    let mut flags = u32::from(*body.get(2)?);
    for (kind, value) in attributes(body.get(8..)?) {
        match kind {
            libc::IFA_ADDRESS => address = read_ip(value),
            libc::IFA_LOCAL => local = read_ip(value),
            libc::IFA_FLAGS => flags = u32_at(value, 0)?,
            _ => {}
        }
    }
    // On a point-to-point link ADDRESS is the other end; LOCAL is ours where it is told.
    let address = local.or(address)?;
    Some(Held { link: u32_at(body, 4)?, address, prefix: *body.get(1)?, flags })
}

fn read_ip(value: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(value) {
        return Some(IpAddr::V4(Ipv4Addr::from(octets)));
    }
    <[u8; 16]>::try_from(value).ok().map(|octets| IpAddr::V6(Ipv6Addr::from(octets)))
}

fn put_attribute(to: &mut Vec<u8>, kind: u16, value: &[u8]) {
    to.extend_from_slice(&((4 + value.len()) as u16).to_ne_bytes());
    to.extend_from_slice(&kind.to_ne_bytes());
    to.extend_from_slice(value);
    to.resize(to.len().next_multiple_of(4), 0);
}

/// Asks for a link, or for all of them with 0, without the counters that nobody reads here.
fn link_body(index: u32) -> Vec<u8> {
    const SKIP_STATISTICS: u32 = 1 << 3;
    let mut body = vec![0; 16];
    body[4..8].copy_from_slice(&index.to_ne_bytes());
    put_attribute(&mut body, libc::IFLA_EXT_MASK, &SKIP_STATISTICS.to_ne_bytes());
    body
}

fn address_body(held: Held) -> Vec<u8> {
    let (family, octets) = match held.address {
        IpAddr::V4(address) => (libc::AF_INET, address.octets().to_vec()),
        IpAddr::V6(address) => (libc::AF_INET6, address.octets().to_vec()),
    };
    let mut body = vec![family as u8, held.prefix, 0, libc::RT_SCOPE_UNIVERSE];
    body.extend_from_slice(&held.link.to_ne_bytes());
    put_attribute(&mut body, libc::IFA_LOCAL, &octets);
    put_attribute(&mut body, libc::IFA_ADDRESS, &octets);
    if let (IpAddr::V4(address), 1..=30) = (held.address, held.prefix) {
        let broadcast = address.to_bits() | (u32::MAX >> held.prefix);
        put_attribute(&mut body, libc::IFA_BROADCAST, &broadcast.to_be_bytes());
    }
    if held.flags != 0 {
        put_attribute(&mut body, libc::IFA_FLAGS, &held.flags.to_ne_bytes());
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_found_with_its_address() {
        let mut netlink = Netlink::open().unwrap();
        let lo = netlink.link("lo").unwrap().expect("every machine has lo");
        let all = netlink.addresses().unwrap();
        let has = all.iter().any(|h| h.link == lo.index && h.address == Ipv4Addr::LOCALHOST);
        assert!(has || !lo.carries(), "{all:?}");
        assert_eq!(netlink.link("no-such-link").unwrap(), None);
        assert_eq!(netlink.link_at(lo.index).unwrap(), Some(lo));
        assert_eq!(netlink.link_at(u32::MAX / 2).unwrap(), None);
        assert_eq!(netlink.link("lo").unwrap().map(|l| l.name).as_deref(), Some("lo"));
    }

    #[test]
    fn damaged_answers_of_the_kernel_are_left_out_without_a_panic() {
        let held =
            Held { link: 3, address: IpAddr::V4(Ipv4Addr::new(10, 1, 2, 3)), prefix: 24, flags: 0 };
        let body = address_body(held);
        assert_eq!(read_address(&body), Some(held));
        for length in 0..body.len() {
            assert!(read_address(&body[..length]).is_none_or(|h| h.link == 3));
            drop(read_link(&body[..length]));
            assert!(messages(&body[..length]).count() <= length);
        }
    }
}
