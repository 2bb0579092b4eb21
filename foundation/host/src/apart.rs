//! A network namespace of its own: no link but the loopback, and what is put on it.
//!
//! Neither the hands nor the guardian use this: it is for a process that has cut itself off.

use std::io;
use std::net::IpAddr;
use std::os::fd::AsRawFd;

use nix::sys::socket::{MsgFlags, SockFlag, recv, send};

use crate::netlink::{BUFFER, Held, Netlink, bound, messages};

/// Brings the loopback link of the calling process's network up and puts addresses on it, so that
/// programs can bind them.
///
/// # Errors
/// The call that failed.
pub fn raise_loopback(addresses: &[(IpAddr, u8)]) -> io::Result<()> {
    let mut netlink = Netlink::open()?;
    let lo = netlink.link("lo")?.ok_or(io::ErrorKind::NotFound)?;
    set_up(lo.index)?;
    let held = netlink.addresses()?;
    for (address, prefix) in addresses {
        if !held.iter().any(|held| held.address == *address) {
            netlink.add(Held { link: lo.index, address: *address, prefix: *prefix, flags: 0 })?;
        }
    }
    Ok(())
}

/// `ip link set … up`.
fn set_up(link: u32) -> io::Result<()> {
    const LENGTH: u32 = 32;
    let socket = bound(SockFlag::empty(), 0)?;
    let up = (libc::IFF_UP as u32).to_ne_bytes();
    let mut message = LENGTH.to_ne_bytes().to_vec();
    message.extend(libc::RTM_NEWLINK.to_ne_bytes());
    message.extend(((libc::NLM_F_REQUEST | libc::NLM_F_ACK) as u16).to_ne_bytes());
    // Its number, and none of a sender.
    message.extend([1, 0, 0, 0, 0, 0, 0, 0]);
    message.extend([0; 4]);
    message.extend(link.to_ne_bytes());
    message.extend(up);
    message.extend(up);
    send(socket.as_raw_fd(), &message, MsgFlags::empty())?;
    let mut buffer = vec![0; BUFFER];
    let length = recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
    let error = messages(&buffer[..length])
        .next()
        .and_then(|answer| Some(i32::from_ne_bytes(answer.body.get(..4)?.try_into().ok()?)));
    match error {
        Some(0) => Ok(()),
        Some(error) => Err(io::Error::from_raw_os_error(-error)),
        None => Err(io::ErrorKind::InvalidData.into()),
    }
}
