//! Who said on the wire that it holds an address, and when.

use std::net::IpAddr;
use std::time::Duration;

use super::switch::PortId;

/// In what way an address was claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimKind {
    /// Somebody asked.
    Answer,
    /// Nobody asked (gratuitous ARP, unsolicited advertisement).
    Announcement,
}

/// One frame by which a port claimed an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// When it passed the switch.
    pub at: Duration,
    /// Where it came from.
    pub port: PortId,
    /// The address.
    pub address: IpAddr,
    /// In what way.
    pub kind: ClaimKind,
}
