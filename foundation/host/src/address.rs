//! Floating addresses: taken away, and it is verified that they are gone. How they come is in
//! [`raise`].

pub mod raise;

use std::net::IpAddr;

use crate::failure::Failure;
use crate::netlink::{Held, Netlink};

/// Removes `address` from every link and verifies that it is nowhere.
///
/// # Errors
/// Why it is still there.
pub fn remove(address: IpAddr) -> Result<(), Failure> {
    remove_with(&mut open()?, &[address])
}

/// Removes all of `addresses` over a socket that is already open.
///
/// # Errors
/// Why one of them is still there; the others are removed all the same.
pub fn remove_with(netlink: &mut Netlink, addresses: &[IpAddr]) -> Result<(), Failure> {
    let mut refused = None;
    for there in held_of(netlink, addresses)? {
        if let Err(error) = netlink.remove(there)
            && error.raw_os_error() != Some(libc::EADDRNOTAVAIL)
        {
            refused = Some(Failure::system("RTM_DELADDR", &error));
        }
    }
    match held_of(netlink, addresses)?.first() {
        None => Ok(()),
        Some(there) => Err(refused.unwrap_or_else(|| Failure::NoEffect {
            what: format!("{} is still there", there.address),
        })),
    }
}

fn open() -> Result<Netlink, Failure> {
    Netlink::open().map_err(|error| Failure::system("netlink socket", &error))
}

fn held_of(netlink: &mut Netlink, addresses: &[IpAddr]) -> Result<Vec<Held>, Failure> {
    let mut all = netlink.addresses().map_err(|e| Failure::system("RTM_GETADDR", &e))?;
    all.retain(|held| addresses.contains(&held.address));
    Ok(all)
}
