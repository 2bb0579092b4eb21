//! One echo request and its answer (RFC 792, RFC 4443).

use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::time::{Duration, Instant};

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage, recv, sendmsg,
    setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;

use super::Unwell;

/// The type of a request and of its answer, for either family.
const TYPES_V4: (u8, u8) = (8, 0);
const TYPES_V6: (u8, u8) = (128, 129);
/// Where the answer begins in what a raw IPv4 socket hands over.
const V4_HEADER: usize = 20;

/// Whether what is received begins with the network's own header.
#[derive(Clone, Copy)]
enum Header {
    Kept,
    TakenOff,
}

/// Asks one host once.
pub(super) fn ask(host: IpAddr, within: Duration) -> Result<(), Unwell> {
    let end = Instant::now() + within;
    let (socket, header) = open(host).map_err(io::Error::from)?;
    // The kernel sets the identifier of an unprivileged socket itself; the mark tells ours apart.
    let mark = (u64::from(std::process::id()) << 32) ^ u64::from(instant_bits(end));
    let request = request(host, mark);
    let to = SockaddrStorage::from(SocketAddr::new(host, 0));
    let flags = MsgFlags::empty();
    sendmsg(socket.as_raw_fd(), &[IoSlice::new(&request)], &[], flags, Some(&to))
        .map_err(io::Error::from)?;
    let mut answer = [0_u8; 1500];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Unwell::Silent(within));
        }
        wait_at_most(&socket, left)?;
        match recv(socket.as_raw_fd(), &mut answer, flags) {
            Ok(length) if is_answer(host, header, answer.get(..length), mark) => return Ok(()),
            Ok(_) | Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(Unwell::Failed(errno.into())),
        }
    }
}

/// A socket for echoes alone, where the kernel gives one to this user; a raw one otherwise.
fn open(host: IpAddr) -> nix::Result<(OwnedFd, Header)> {
    let (family, protocol, raw) = match host {
        IpAddr::V4(_) => (AddressFamily::Inet, SockProtocol::Icmp, Header::Kept),
        IpAddr::V6(_) => (AddressFamily::Inet6, SockProtocol::IcmpV6, Header::TakenOff),
    };
    match socket(family, SockType::Datagram, SockFlag::SOCK_CLOEXEC, protocol) {
        Ok(fd) => Ok((fd, Header::TakenOff)),
        Err(_) => {
            socket(family, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol).map(|fd| (fd, raw))
        }
    }
}

fn instant_bits(end: Instant) -> u32 {
    end.saturating_duration_since(Instant::now()).subsec_nanos()
}

fn wait_at_most(socket: &OwnedFd, left: Duration) -> io::Result<()> {
    let micros = i64::try_from(left.as_micros()).unwrap_or(i64::MAX).max(1);
    let time = TimeVal::new(micros / 1_000_000, micros % 1_000_000);
    Ok(setsockopt(socket, sockopt::ReceiveTimeout, &time)?)
}

fn request(host: IpAddr, mark: u64) -> Vec<u8> {
    let (kind, _) = types(host);
    let mut message = vec![kind, 0, 0, 0, 0, 0, 0, 1];
    message.extend(mark.to_be_bytes());
    // For IPv6 the kernel sums; the sum covers addresses that are not known here.
    if host.is_ipv4() {
        let sum = checksum(&message);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
    }
    message
}

fn types(host: IpAddr) -> (u8, u8) {
    if host.is_ipv4() { TYPES_V4 } else { TYPES_V6 }
}

fn is_answer(host: IpAddr, header: Header, bytes: Option<&[u8]>, mark: u64) -> bool {
    let from = match header {
        Header::Kept => V4_HEADER,
        Header::TakenOff => 0,
    };
    let Some(message) = bytes.and_then(|b| b.get(from..)) else { return false };
    message.first() == Some(&types(host).1) && message.get(8..16) == Some(&mark.to_be_bytes()[..])
}

/// The sum of RFC 1071.
fn checksum(message: &[u8]) -> u16 {
    let pairs = message.chunks(2).map(|pair| match pair {
        [high, low] => u32::from(u16::from_be_bytes([*high, *low])),
        [high] => u32::from(*high) << 8,
        _ => 0,
    });
    let mut sum: u32 = pairs.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}
