//! Two sockets at one address: what is to be read at once wakes the reader, the rest waits for it.
//!
//! The kernel lays a datagram into the one or the other by how its body begins; it looks only at
//! bytes, and what it takes for one that waits is proved like every other when it is read.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::libc;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, bind, setsockopt, socket, sockopt,
};

use crate::datagram::{HEADER, NAME_LENGTH_AT};

/// The sockets of one network.
#[derive(Debug)]
pub struct Lanes {
    /// What wakes its reader; everything is sent from here.
    pub now: UdpSocket,
    /// What waits; none where the kernel does not tell the two apart.
    pub waits: Option<UdpSocket>,
}

impl Lanes {
    /// Binds `address`. A body that begins with `waiting` goes to [`Lanes::waits`].
    ///
    /// # Errors
    /// The address is not on this machine, or its port is taken.
    pub fn bind(address: SocketAddr, waiting: [u8; 2]) -> io::Result<Self> {
        // Sockets that share their port do not see each other; one that shares nothing does.
        let alone = UdpSocket::bind(address)?;
        alone.set_nonblocking(true)?;
        let address = alone.local_addr()?;
        drop(alone);
        match Self::both(address, waiting) {
            Ok(lanes) => Ok(lanes),
            Err(_) => {
                let now = UdpSocket::bind(address)?;
                now.set_nonblocking(true)?;
                Ok(Self { now, waits: None })
            }
        }
    }

    fn both(address: SocketAddr, waiting: [u8; 2]) -> io::Result<Self> {
        // The filter counts them in the order in which they were bound.
        let (now, waits) = (shared(address)?, shared(address)?);
        let mut program = program(waiting);
        let length = u16::try_from(program.len()).expect("the program is short");
        let program = libc::sock_fprog { len: length, filter: program.as_mut_ptr() };
        setsockopt(&now, sockopt::AttachReusePortCbpf, &program)?;
        Ok(Self { now: now.into(), waits: Some(waits.into()) })
    }
}

fn shared(address: SocketAddr) -> io::Result<OwnedFd> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::Inet,
        SocketAddr::V6(_) => AddressFamily::Inet6,
    };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(family, SockType::Datagram, flags, None)?;
    setsockopt(&socket, sockopt::ReusePort, &true)?;
    bind(socket.as_raw_fd(), &SockaddrStorage::from(address))?;
    Ok(socket)
}

/// Which socket takes a datagram: 1 if its body, behind the sender's name, begins with `waiting`,
/// else 0. A datagram that is too short for a question goes to 0 as well.
fn program([first, second]: [u8; 2]) -> [libc::sock_filter; 8] {
    const LOAD_BYTE: u16 = 0x30;
    const LOAD_BYTE_AT_X: u16 = 0x50;
    const TO_X: u16 = 0x07;
    const IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    let (name_length, body) = (NAME_LENGTH_AT as u32, HEADER as u32);
    let step = |code, k| libc::sock_filter { code, jt: 0, jf: 0, k };
    let unless = |k: u8, jf| libc::sock_filter { code: IF_EQUAL, jt: 0, jf, k: u32::from(k) };
    [
        step(LOAD_BYTE, name_length),
        step(TO_X, 0),
        step(LOAD_BYTE_AT_X, body),
        unless(first, 3),
        step(LOAD_BYTE_AT_X, body + 1),
        unless(second, 1),
        step(RETURN, 1),
        step(RETURN, 0),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAITING: [u8; 2] = [3, 1];

    fn datagram(name: &str, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER];
        bytes[NAME_LENGTH_AT] = u8::try_from(name.len()).unwrap();
        [&bytes, name.as_bytes(), body].concat()
    }

    fn comes(socket: &UdpSocket) -> bool {
        socket.recv_from(&mut [0; 256]).is_ok()
    }

    #[test]
    fn what_says_that_it_waits_does_not_wake_and_everything_else_does() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(lanes) = Lanes::bind(address.parse().unwrap(), WAITING) else { continue };
            let waits = lanes.waits.as_ref().expect("the kernel tells them apart");
            let to = lanes.now.local_addr().unwrap();
            let send = |bytes: &[u8]| lanes.now.send_to(bytes, to).unwrap();
            for name in ["n", "a-name-of-thirty-one-characters"] {
                send(&datagram(name, &[3, 1, 7]));
                assert!(comes(waits) && !comes(&lanes.now), "{name}");
                for body in [&[3, 0, 7][..], &[2, 1, 7], &[1], &[3]] {
                    send(&datagram(name, body));
                    assert!(comes(&lanes.now) && !comes(waits), "{name} {body:?}");
                }
            }
            send(b"x");
            assert!(comes(&lanes.now), "what is too short to be asked");
        }
    }

    #[test]
    fn an_address_that_somebody_has_is_not_shared_with_a_second() {
        let lanes = Lanes::bind("127.0.0.1:0".parse().unwrap(), WAITING).unwrap();
        let taken = lanes.now.local_addr().unwrap();
        let second = Lanes::bind(taken, WAITING).unwrap_err();
        assert_eq!(second.kind(), io::ErrorKind::AddrInUse);
    }
}
