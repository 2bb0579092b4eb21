//! Whose turn it is among the requests that take time, where one would undo the other.
//!
//! At one place (an address, a mount point, the processes of a group) what brings up waits for
//! all that was asked before it, and what takes down waits for what is being brought up. What
//! still waits to come up is refused when its place is to go down. So what an agent asks for last
//! is what stands, although an earlier one died in the middle of its own requests; and a stop
//! that was ordered for an older epoch never touches what is started after it.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use tsugi_vocabulary::GroupName;

use crate::request::Request;

/// Where a request acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// An address, on whichever link.
    Address(IpAddr),
    /// A mount point.
    Dir(PathBuf),
    /// The processes of a group.
    Group(GroupName),
}

/// What a request does there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It brings something up.
    Up,
    /// It takes something down.
    Down,
}

/// What a request does where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aim {
    /// Where.
    pub place: Place,
    /// What.
    pub way: Way,
}

impl Aim {
    /// What a request does where; none if it changes nothing that lasts.
    #[must_use]
    pub fn of(request: &Request) -> Option<Self> {
        let (place, way) = match request {
            Request::AddAddress { address, .. } => (Place::Address(*address), Way::Up),
            Request::RemoveAddress { address } => (Place::Address(*address), Way::Down),
            Request::Mount { dir, .. } => (Place::Dir(dir.clone()), Way::Up),
            Request::Unmount { dir, .. } => (Place::Dir(dir.clone()), Way::Down),
            Request::KillGroup { group } => (Place::Group(group.clone()), Way::Down),
            Request::Probe { .. }
            | Request::Announce { .. }
            | Request::Spawn(_)
            | Request::Signal { .. }
            | Request::List
            | Request::Reset { .. }
            | Request::Watch => return None,
        };
        Some(Self { place, way })
    }

    /// Whether this one has to wait for an earlier one.
    #[must_use]
    pub fn waits_for(&self, earlier: &Self) -> bool {
        let apart = (self.way, earlier.way) == (Way::Down, Way::Down);
        self.place == earlier.place && !apart
    }

    /// Whether this one takes back a later word: an earlier one that has not begun.
    #[must_use]
    pub fn takes_back(&self, waiting: &Self) -> bool {
        self.place == waiting.place && (self.way, waiting.way) == (Way::Down, Way::Up)
    }
}

/// The places at which something goes on or is about to.
#[derive(Debug, Default)]
pub struct Unsettled(pub Vec<Aim>);

impl Unsettled {
    /// Whether a mount point may be named as mounted.
    #[must_use]
    pub fn spares_dir(&self, dir: &Path) -> bool {
        !self.0.iter().any(|aim| matches!(&aim.place, Place::Dir(at) if at == dir))
    }

    /// Whether an address may be named as held.
    #[must_use]
    pub fn spares_address(&self, address: IpAddr) -> bool {
        !self.0.iter().any(|aim| aim.place == Place::Address(address))
    }

    /// Whether the processes of a group may be named as running, and new ones started.
    #[must_use]
    pub fn spares_group(&self, group: &GroupName) -> bool {
        !self.0.iter().any(|aim| matches!(&aim.place, Place::Group(at) if at == group))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aim(dir: &str, way: Way) -> Aim {
        Aim { place: Place::Dir(dir.into()), way }
    }

    #[test]
    fn what_comes_up_waits_for_all_before_it_and_what_goes_down_only_for_what_comes_up() {
        let waits = |way, earlier| aim("/a", way).waits_for(&aim("/a", earlier));
        assert!(waits(Way::Up, Way::Up));
        assert!(waits(Way::Up, Way::Down));
        assert!(waits(Way::Down, Way::Up));
        assert!(!waits(Way::Down, Way::Down), "an emergency does not wait for a slow disk");
        assert!(!aim("/a", Way::Up).waits_for(&aim("/b", Way::Down)));
    }

    #[test]
    fn only_what_goes_down_takes_back_what_waits_to_come_up() {
        let takes_back = |way, waiting| aim("/a", way).takes_back(&aim("/a", waiting));
        assert!(takes_back(Way::Down, Way::Up));
        assert!(!takes_back(Way::Up, Way::Up));
        assert!(!takes_back(Way::Up, Way::Down));
        assert!(!takes_back(Way::Down, Way::Down));
        assert!(!aim("/a", Way::Down).takes_back(&aim("/b", Way::Up)));
    }
}
