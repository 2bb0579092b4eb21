//! The network links of this node and what happens to them.

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
}

impl Link {
    /// Whether other machines are on it that ask for addresses.
    #[must_use]
    pub const fn has_neighbours(&self) -> bool {
        let none = (libc::IFF_LOOPBACK | libc::IFF_NOARP | libc::IFF_POINTOPOINT) as u32;
        self.flags & none == 0 && self.mac.is_some()
    }
}
