//! Whether a link carries, as its driver says it: one call without a message of the kernel.
#![expect(unsafe_code, reason = "an ioctl of the network links")]

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::libc;

/// `ETHTOOL_GLINK` of the kernel's list of questions to a driver.
const GET_LINK: u32 = 0x0a;

/// A question to a driver and its answer (`struct ethtool_value`).
#[repr(C)]
struct Value {
    question: u32,
    answer: u32,
}

/// Whether the link is set up and has a carrier. Any socket will do to ask by.
///
/// # Errors
/// There is no such link, or its driver does not answer.
pub(crate) fn carries(socket: BorrowedFd<'_>, name: &str) -> Result<bool, Errno> {
    let mut value = Value { question: GET_LINK, answer: 0 };
    let mut asked = libc::ifreq {
        ifr_name: [0; libc::IFNAMSIZ],
        ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_data: (&raw mut value).cast() },
    };
    if name.len() >= asked.ifr_name.len() {
        return Err(Errno::ENODEV);
    }
    for (to, from) in asked.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    // SAFETY: the kernel reads the request and its name, which ends with a zero, and reads and
    // writes one `Value`; both live for the call.
    let called = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL, &raw mut asked) };
    Errno::result(called)?;
    Ok(value.answer != 0)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use nix::sys::socket::SockFlag;

    use super::*;
    use crate::netlink::{Netlink, bound};

    #[test]
    fn a_driver_says_of_every_link_what_the_long_question_says() {
        let socket = bound(SockFlag::empty(), 0).unwrap();
        let says = |name: &str| carries(socket.as_fd(), name);
        for link in Netlink::open().unwrap().links().unwrap() {
            let answer = says(&link.name);
            let has_driver = answer != Err(Errno::EOPNOTSUPP);
            assert!(!has_driver || answer == Ok(link.carries()), "{link:?}: {answer:?}");
        }
        assert!(says("lo").is_ok(), "the loopback link has a driver that answers");
        assert_eq!(says("no-such-link"), Err(Errno::ENODEV));
        assert_eq!(says("a-name-that-no-link-can-have"), Err(Errno::ENODEV));
    }
}
