//! Heartbeats and their answers on the networks: sealed once, sent over each.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};

use tsugi_cluster_rules::lease::heartbeat::{Ack, Heartbeat};
use tsugi_cluster_rules::node::{Event, Via};
use tsugi_vocabulary::NodeName;
use tsugi_wire::datagram::{DATAGRAM_LIMIT, Kind, Opener, Sealer};

use crate::records::{decode, encode};

/// The most datagrams taken from one network before the core looks elsewhere again.
const TAKE: usize = 64;

/// The node's ends of all its networks.
pub struct Networks {
    sockets: Vec<UdpSocket>,
    peers: BTreeMap<NodeName, Vec<SocketAddr>>,
    sealer: Sealer,
    opener: Opener,
    buffer: Vec<u8>,
}

impl Networks {
    /// Binds the node's own addresses, one a network.
    ///
    /// # Errors
    /// An address is not on this machine, or its port is taken: another agent may run.
    pub fn bind(own: &[SocketAddr], sealer: Sealer, opener: Opener) -> io::Result<Self> {
        let mut sockets = Vec::with_capacity(own.len());
        for address in own {
            let socket = UdpSocket::bind(address)?;
            socket.set_nonblocking(true)?;
            sockets.push(socket);
        }
        let buffer = vec![0; DATAGRAM_LIMIT];
        Ok(Self { sockets, peers: BTreeMap::new(), sealer, opener, buffer })
    }

    /// Who there is to speak to, as the applied configuration has it.
    pub fn meet(&mut self, peers: BTreeMap<NodeName, Vec<SocketAddr>>) {
        self.peers = peers;
    }

    /// What to wait on.
    pub fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.sockets.iter().map(AsFd::as_fd)
    }

    /// Sends a beat to every peer over every network.
    pub fn beat(&mut self, beat: &Heartbeat) {
        let bytes = self.sealer.seal(Kind::HEARTBEAT, &encode(beat));
        // A beat that does not fit is not sent; the lease then ends by itself, which is safe.
        let Ok(bytes) = bytes else { return };
        for addresses in self.peers.values() {
            self.send(&bytes, addresses);
        }
    }

    /// Answers a beat over every network: the way it came may be open in one direction only.
    pub fn answer(&mut self, to: &NodeName, ack: &Ack) {
        let Ok(bytes) = self.sealer.seal(Kind::ACK, &encode(ack)) else { return };
        if let Some(addresses) = self.peers.get(to) {
            self.send(&bytes, addresses);
        }
    }

    fn send(&self, bytes: &[u8], addresses: &[SocketAddr]) {
        for (socket, address) in self.sockets.iter().zip(addresses) {
            // A network that is down or full loses datagrams; that is what the others are for.
            let _lost = socket.send_to(bytes, address);
        }
    }

    /// Takes what has arrived: proved, fresh, and from a known peer.
    pub fn take(&mut self, out: &mut Vec<Event>) {
        for network in 0..self.sockets.len() {
            for _ in 0..TAKE {
                let Ok((length, from)) = self.sockets[network].recv_from(&mut self.buffer) else {
                    break;
                };
                let via = Via { network, from };
                if let Some(event) = open(&mut self.opener, &self.buffer[..length], via) {
                    out.push(event);
                }
            }
        }
    }

    /// How many datagrams were dropped, by reason.
    pub fn drops(&self) -> [(&'static str, u64); 10] {
        self.opener.drops().by_reason()
    }
}

fn open(opener: &mut Opener, bytes: &[u8], via: Via) -> Option<Event> {
    let opened = opener.open(bytes).ok()?;
    match opened.kind {
        Kind::HEARTBEAT => {
            let beat: Heartbeat = decode(opened.body).ok()?;
            let same = beat.sender == opened.sender && beat.boot == opened.boot.id;
            same.then_some(Event::Heard { via, beat })
        }
        Kind::ACK => {
            let ack: Ack = decode(opened.body).ok()?;
            let same = ack.voter == opened.sender && ack.voter_boot == opened.boot.id;
            same.then_some(Event::Acked(ack))
        }
        // A kind that came later: another version may speak it, this one has no use for it.
        Kind(_) => None,
    }
}

#[cfg(test)]
mod tests;
