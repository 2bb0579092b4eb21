//! Addresses over a netlink socket: asked and answered on the spot, no runtime. What they are added
//! to is in [`links`].

pub mod links;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send,
    setsockopt, socket, sockopt,
};

/// The longest answer that is read at once; the kernel sends at most 32 KiB.
pub(crate) const BUFFER: usize = 64 * 1024;
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

/// A netlink socket.
#[derive(Debug)]
pub struct Netlink {
    socket: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Netlink {
    /// A socket to ask with.
    ///
    /// # Errors
    /// The call that failed.
    pub fn open() -> io::Result<Self> {
        let socket = bound(SockFlag::empty(), 0)?;
        // A kernel that does not answer must not hold up a release.
        let limit = nix::sys::time::TimeVal::new(1, 0);
        setsockopt(&socket, sockopt::ReceiveTimeout, &limit)?;
        Ok(Self { socket, sequence: 0, buffer: vec![0; BUFFER] })
    }

    /// Every address of every link.
    ///
    /// # Errors
    /// The call that failed.
    pub fn addresses(&mut self) -> io::Result<Vec<Held>> {
        self.ask((libc::RTM_GETADDR, libc::NLM_F_DUMP), &[0; 8], read_address)
    }

    /// Removes an address from a link.
    ///
    /// # Errors
    /// The call that failed.
    pub fn remove(&mut self, held: Held) -> io::Result<()> {
        let asked = (libc::RTM_DELADDR, libc::NLM_F_ACK);
        self.ask(asked, &address_body(held), |_| None::<()>).map(drop)
    }

    /// Asks, and reads what comes until the kernel says that this was all.
    pub(crate) fn ask<T>(
        &mut self,
        (kind, flags): (u16, i32),
        body: &[u8],
        read: impl Fn(&[u8]) -> Option<T>,
    ) -> io::Result<Vec<T>> {
        self.send(kind, (flags | libc::NLM_F_REQUEST) as u16, body)?;
        let mut answers = Vec::new();
        loop {
            let length = recv(self.socket.as_raw_fd(), &mut self.buffer, MsgFlags::empty())?;
            for message in messages(&self.buffer[..length]) {
                match i32::from(message.kind) {
                    _ if message.sequence != self.sequence => {}
                    libc::NLMSG_DONE => return Ok(answers),
                    libc::NLMSG_ERROR => return read_error(message.body).map(|()| answers),
                    _ => answers.extend(read(message.body)),
                }
            }
        }
    }

    fn send(&mut self, kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let length = ((HEADER + body.len()) as u32).to_ne_bytes();
        let kind = [kind, flags].map(u16::to_ne_bytes);
        let sequence = [self.sequence, 0].map(u32::to_ne_bytes);
        let bytes = [&length[..], kind.as_flattened(), sequence.as_flattened(), body].concat();
        send(self.socket.as_raw_fd(), &bytes, MsgFlags::empty())?;
        Ok(())
    }
}

/// A socket of the kernel's routing that hears these multicast groups.
///
/// # Errors
/// The call that failed.
pub(crate) fn bound(flags: SockFlag, groups: u32) -> io::Result<OwnedFd> {
    let flags = flags | SockFlag::SOCK_CLOEXEC;
    let route = SockProtocol::NetlinkRoute;
    let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, route)?;
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
    Ok(socket)
}

/// One message of the kernel.
pub(crate) struct Message<'a> {
    /// What it is (`RTM_…`).
    pub kind: u16,
    sequence: u32,
    /// What follows its header.
    pub body: &'a [u8],
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// The messages in what was received.
pub(crate) fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Message<'_>> {
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
    use super::links::read_link;
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
