//! The network links of this node and what happens to them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, SockFlag, recv};

use crate::link_state;
pub use crate::netlink::links::Link;
use crate::netlink::links::{link_body, read_link};
use crate::netlink::{BUFFER, Netlink, bound, messages};

impl Netlink {
    /// The link of this number as it is at this moment; none if it is gone.
    ///
    /// # Errors
    /// The call that failed.
    pub fn link_at(&mut self, index: u32) -> io::Result<Option<Link>> {
        match self.ask((libc::RTM_GETLINK, libc::NLM_F_ACK), &link_body(index), read_link) {
            Ok(found) => Ok(found.into_iter().next()),
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Whether a link carries frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// It does.
    Up,
    /// It is there but has no carrier or is set down.
    Down,
    /// There is no such link any more.
    Gone,
}

impl Carrier {
    const fn of(link: &Link) -> Self {
        if link.carries() { Self::Up } else { Self::Down }
    }
}

enum Change {
    /// A link is as told now.
    Link(Link),
    /// A link is gone.
    Gone(Link),
    /// Changes were lost; everything must be looked at again.
    Lost,
}

/// Watches the links without polling; it needs no privilege.
#[derive(Debug)]
pub struct Watcher {
    heard: OwnedFd,
    buffer: Vec<u8>,
    asker: Netlink,
    known: BTreeMap<u32, Link>,
}

impl AsFd for Watcher {
    /// Readable when something may have changed.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.heard.as_fd()
    }
}

impl Watcher {
    /// Starts to watch; the links as they are now are in [`Watcher::links`].
    ///
    /// # Errors
    /// The call that failed.
    pub fn open() -> io::Result<Self> {
        // In this order nothing is missed in between.
        let heard = bound(SockFlag::SOCK_NONBLOCK, libc::RTMGRP_LINK as u32)?;
        let (buffer, asker) = (vec![0; BUFFER], Netlink::open()?);
        let mut watcher = Self { heard, buffer, asker, known: BTreeMap::new() };
        watcher.look_at_all()?;
        Ok(watcher)
    }

    /// The links as last seen.
    #[must_use]
    pub fn links(&self) -> Vec<Link> {
        self.known.values().cloned().collect()
    }

    /// Which links changed since the last look, by name; never waits.
    ///
    /// # Errors
    /// The call that failed.
    pub fn look(&mut self) -> io::Result<Vec<(String, Carrier)>> {
        let mut changed = Vec::new();
        while let Some(changes) = self.changes()? {
            for change in changes {
                match change {
                    Change::Link(link) => changed.extend(self.see(link)),
                    Change::Gone(link) => {
                        self.known.remove(&link.index);
                        changed.push((link.name, Carrier::Gone));
                    }
                    Change::Lost => changed.extend(self.look_at_all()?),
                }
            }
        }
        Ok(changed)
    }

    fn changes(&mut self) -> io::Result<Option<Vec<Change>>> {
        let length = match recv(self.heard.as_raw_fd(), &mut self.buffer, MsgFlags::empty()) {
            Ok(length) => length,
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(None),
            Err(Errno::ENOBUFS) => return Ok(Some(vec![Change::Lost])),
            Err(error) => return Err(error.into()),
        };
        let told = messages(&self.buffer[..length]).filter_map(|message| match message.kind {
            libc::RTM_NEWLINK => read_link(message.body).map(Change::Link),
            libc::RTM_DELLINK => read_link(message.body).map(Change::Gone),
            _ => None,
        });
        Ok(Some(told.collect()))
    }

    /// Asks how the links of these names stand at this moment, and tells those that changed. The
    /// kernel gathers losses of carrier and may tell of one a whole second late. A link that its
    /// driver says is as it was known costs one short call; only another answer, or none, is
    /// followed by the long question with all that the kernel knows of a link.
    ///
    /// # Errors
    /// The call that failed.
    pub fn look_at(&mut self, names: &BTreeSet<String>) -> io::Result<Vec<(String, Carrier)>> {
        let asked = self.heard.as_fd();
        let as_known = |link: &Link| link_state::carries(asked, &link.name) == Ok(link.carries());
        let wanted = self.known.values().filter(|link| names.contains(&link.name));
        let wanted = wanted.filter(|link| !as_known(link));
        let indexes: Vec<u32> = wanted.map(|link| link.index).collect();
        let mut changed = Vec::new();
        for index in indexes {
            // One that is gone is told of at once.
            if let Some(link) = self.asker.link_at(index)? {
                changed.extend(self.see(link));
            }
        }
        Ok(changed)
    }

    /// How the links stand, as last seen, that hold these addresses; gone if no link holds it.
    ///
    /// # Errors
    /// The call that failed.
    pub fn carry(&mut self, addresses: &[IpAddr]) -> io::Result<Vec<Carrier>> {
        let all = self.asker.addresses()?;
        let link = |address: &IpAddr| {
            let held = all.iter().find(|held| held.address == *address)?;
            self.known.get(&held.link)
        };
        Ok(addresses.iter().map(|a| link(a).map_or(Carrier::Gone, Carrier::of)).collect())
    }

    fn see(&mut self, link: Link) -> Option<(String, Carrier)> {
        let (name, now) = (link.name.clone(), Carrier::of(&link));
        let before = self.known.insert(link.index, link);
        let same = before.is_some_and(|before| before.name == name && Carrier::of(&before) == now);
        (!same).then_some((name, now))
    }

    fn look_at_all(&mut self) -> io::Result<Vec<(String, Carrier)>> {
        let before = std::mem::take(&mut self.known);
        let mut changed = Vec::new();
        for link in self.asker.links()? {
            if let Some(old) = before.get(&link.index) {
                self.known.insert(old.index, old.clone());
            }
            changed.extend(self.see(link));
        }
        let gone = before.values().filter(|link| !self.known.contains_key(&link.index));
        changed.extend(gone.map(|link| (link.name.clone(), Carrier::Gone)));
        Ok(changed)
    }
}
