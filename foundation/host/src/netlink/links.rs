//! The links of this node, and what is added to them.

use std::io;

use super::{Held, Netlink, address_body, attributes, put_attribute, u32_at};

/// A network link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The kernel's number of it.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its link-layer address, if it has one of six bytes.
    pub mac: Option<[u8; 6]>,
    /// The kernel's flags of it (`IFF_…`).
    pub flags: u32,
}

impl Link {
    /// Whether it is set up and has a carrier.
    #[must_use]
    pub const fn carries(&self) -> bool {
        let both = (libc::IFF_UP | libc::IFF_LOWER_UP) as u32;
        self.flags & both == both
    }

    /// Whether other machines are on it that ask for addresses.
    #[must_use]
    pub const fn has_neighbours(&self) -> bool {
        let none = (libc::IFF_LOOPBACK | libc::IFF_NOARP | libc::IFF_POINTOPOINT) as u32;
        self.flags & none == 0 && self.mac.is_some()
    }
}

impl Netlink {
    /// Every link.
    ///
    /// # Errors
    /// The call that failed.
    pub fn links(&mut self) -> io::Result<Vec<Link>> {
        self.ask((libc::RTM_GETLINK, libc::NLM_F_DUMP), &link_body(0), read_link)
    }

    /// The link of this name.
    ///
    /// # Errors
    /// The call that failed.
    pub fn link(&mut self, name: &str) -> io::Result<Option<Link>> {
        Ok(self.links()?.into_iter().find(|link| link.name == name))
    }

    /// Adds an address to a link, without duplicate detection by the kernel (it would keep an
    /// IPv6 address from answering for a second).
    ///
    /// # Errors
    /// The call that failed.
    pub fn add(&mut self, held: Held) -> io::Result<()> {
        let flags = libc::NLM_F_CREATE | libc::NLM_F_EXCL | libc::NLM_F_ACK;
        self.ask((libc::RTM_NEWADDR, flags), &address_body(held), |_| None::<()>).map(drop)
    }
}

/// The link that a message tells of.
pub(crate) fn read_link(body: &[u8]) -> Option<Link> {
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

/// Asks for a link, or for all of them with 0, without the counters that nobody reads here.
pub(crate) fn link_body(index: u32) -> Vec<u8> {
    const SKIP_STATISTICS: u32 = 1 << 3;
    let mut body = vec![0; 16];
    body[4..8].copy_from_slice(&index.to_ne_bytes());
    put_attribute(&mut body, libc::IFLA_EXT_MASK, &SKIP_STATISTICS.to_ne_bytes());
    body
}
