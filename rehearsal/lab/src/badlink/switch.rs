//! The switch itself: who is where, which frames wait, which way is cut. It reads no clock and
//! opens nothing, so that a test can hold a whole network in its hand.

use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use super::claim::Claim;
use super::faults::{Fate, Faults};
use super::frame::{self, Mac};

/// A socket of the switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortId {
    /// Whose.
    pub host: usize,
    /// Which of its links.
    pub link: usize,
}

/// A network: ports of one segment hear each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Segment {
    /// Both data networks; their switches are joined.
    Data,
    /// The management network.
    Management,
}

#[derive(Debug)]
struct Port {
    segment: Segment,
    faults: Faults,
    seed: u64,
    /// Frames from the host are dropped.
    cut_from: bool,
    /// Frames to the host are dropped.
    cut_to: bool,
    frames: u64,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Waiting {
    /// Negated order of time: the heap gives the earliest first.
    due: std::cmp::Reverse<(Duration, u64)>,
    from: PortId,
    bytes: Vec<u8>,
}

/// Ports, what is known of them, and what is on its way.
#[derive(Debug)]
pub struct Switch {
    ports: BTreeMap<PortId, Port>,
    places: BTreeMap<(Segment, Mac), PortId>,
    waiting: BinaryHeap<Waiting>,
    order: u64,
    claims: Vec<Claim>,
    tape: Option<Tape>,
}

/// What a port sent while it was recorded.
#[derive(Debug)]
struct Tape {
    of: PortId,
    frames: Vec<Vec<u8>>,
}

/// So many frames fit on a tape.
const TAPE: usize = 64;

impl Switch {
    /// A switch without ports.
    #[must_use]
    pub fn new() -> Self {
        Self {
            ports: BTreeMap::new(),
            places: BTreeMap::new(),
            waiting: BinaryHeap::new(),
            order: 0,
            claims: Vec::new(),
            tape: None,
        }
    }

    /// Plugs a port in, sound and open.
    pub fn plug(&mut self, id: PortId, segment: Segment) {
        let faults = Faults::default();
        let port = Port { segment, faults, seed: 0, cut_from: false, cut_to: false, frames: 0 };
        self.ports.insert(id, port);
    }

    /// Takes a port out.
    pub fn unplug(&mut self, id: PortId) {
        self.ports.remove(&id);
        self.places.retain(|_, place| *place != id);
    }

    /// Cuts or restores the two ways of a port.
    pub fn cut(&mut self, id: PortId, from_host: bool, to_host: bool) {
        if let Some(port) = self.ports.get_mut(&id) {
            (port.cut_from, port.cut_to) = (from_host, to_host);
        }
    }

    /// Makes a port as bad as said under `seed`, its frames counted from 0 again.
    pub fn spoil(&mut self, id: PortId, seed: u64, faults: Faults) {
        if let Some(port) = self.ports.get_mut(&id) {
            (port.faults, port.seed, port.frames) = (faults, seed, 0);
        }
    }

    /// Takes a frame that `from` sent; `out` is given what leaves at once.
    pub fn take(
        &mut self,
        now: Duration,
        from: PortId,
        bytes: &[u8],
        out: &mut dyn FnMut(PortId, &[u8]),
    ) {
        let Some(port) = self.ports.get_mut(&from) else { return };
        let Some((_, sender)) = frame::ends(bytes) else { return };
        port.frames += 1;
        if port.cut_from {
            return;
        }
        if let Some(tape) = self.tape.as_mut().filter(|t| t.of == from && t.frames.len() < TAPE)
            && frame::is_datagram(bytes)
        {
            tape.frames.push(bytes.to_vec());
        }
        let port_number = (from.host as u64) << 8 | from.link as u64;
        let fate = port.faults.fate(port.seed, port_number, port.frames);
        let segment = port.segment;
        let Fate::Arrives { after, copy_after } = fate else { return };
        self.places.insert((segment, sender), from);
        if let Some((address, kind)) = frame::claim(bytes) {
            self.claims.push(Claim { at: now, port: from, address, kind });
        }
        for wait in std::iter::once(after).chain(copy_after) {
            if wait.is_zero() {
                self.forward(from, bytes, out);
            } else {
                self.order += 1;
                let due = std::cmp::Reverse((now + wait, self.order));
                self.waiting.push(Waiting { due, from, bytes: bytes.to_vec() });
            }
        }
    }

    /// When the next waiting frame leaves.
    #[must_use]
    pub fn next_due(&self) -> Option<Duration> {
        self.waiting.peek().map(|waiting| waiting.due.0.0)
    }

    /// Lets the frames leave that are due.
    pub fn release(&mut self, now: Duration, out: &mut dyn FnMut(PortId, &[u8])) {
        while self.next_due().is_some_and(|due| due <= now) {
            let Some(waiting) = self.waiting.pop() else { break };
            // A host that lost its links or its power meanwhile: what is in the switch arrives.
            self.forward(waiting.from, &waiting.bytes, out);
        }
    }

    fn forward(&self, from: PortId, bytes: &[u8], out: &mut dyn FnMut(PortId, &[u8])) {
        let Some((receiver, _)) = frame::ends(bytes) else { return };
        let Some(segment) = self.ports.get(&from).map(|port| port.segment) else { return };
        let known = self.places.get(&(segment, receiver)).filter(|_| !frame::is_group(receiver));
        if let Some(to) = known {
            if *to != from && self.ports.get(to).is_some_and(|port| !port.cut_to) {
                out(*to, bytes);
            }
            return;
        }
        let others = self.ports.iter().filter(|(id, _)| **id != from);
        for (id, port) in others {
            if port.segment == segment && !port.cut_to {
                out(*id, bytes);
            }
        }
    }

    /// Records the datagrams that a port sends from now on.
    pub fn tape(&mut self, of: PortId) {
        self.tape = Some(Tape { of, frames: Vec::new() });
    }

    /// What was recorded.
    pub fn take_tape(&mut self) -> Vec<Vec<u8>> {
        self.tape.take().map(|tape| tape.frames).unwrap_or_default()
    }

    /// Every claim since `since`.
    #[must_use]
    pub fn claims_since(&self, since: Duration) -> Vec<Claim> {
        self.claims.iter().filter(|claim| claim.at >= since).copied().collect()
    }

    /// Forgets claims older than `before`.
    pub fn forget(&mut self, before: Duration) {
        self.claims.retain(|claim| claim.at >= before);
    }
}

#[cfg(test)]
#[path = "switch_tests.rs"]
mod tests;
