//! Heartbeats and their answers on the networks: sealed once, sent over each.
//!
//! Those that only renew what is known wait in a socket of their own until the reader's next beat:
//! one wake a beat takes them all. Everything else wakes the reader at once.

pub mod body;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use tsugi_cluster_rules::lease::heartbeat::{Ack, Haste, Heartbeat};
use tsugi_cluster_rules::node::{Event, Via};
use tsugi_vocabulary::{BootId, Index, NodeName, Span};
use tsugi_wire::datagram::{DATAGRAM_LIMIT, Dropped, Kind, Opened, Opener, Sealer};
use tsugi_wire::heard::{Came, Heard};
use tsugi_wire::lanes::Lanes;

use body::{Form, Known, Read, Rest, WAITING};

/// The most datagrams taken from one network before the core looks elsewhere again.
const TAKE: usize = 64;
/// The longest datagram that takes an answer with it: what every path carries in one piece
/// (RFC 8200, 5: 1,280 bytes with the headers). Each alone may be longer.
const TOGETHER: usize = 1_232;
/// After a beat that was to be read at once everything goes over every network for so many beats,
/// to a peer that has not answered the last one that went over one: what goes over that may be
/// lost without a word. An answer to it that was only late ends this.
const CAREFUL_BEATS: u8 = 20;

/// The node's ends of all its networks.
pub struct Networks {
    lanes: Vec<Lanes>,
    peers: BTreeMap<NodeName, Peer>,
    /// Stands for every member that the configuration does not name yet.
    stranger: Peer,
    beats: Known<Heartbeat>,
    sealer: Sealer,
    opener: Opener,
    heard: Arc<Heard>,
    buffer: Vec<u8>,
}

/// Another node: where it is, what was heard of it, and how it is spoken to.
#[derive(Debug, Default)]
struct Peer {
    addresses: Vec<SocketAddr>,
    /// The newest form in which this boot of it was heard.
    form: Option<(BootId, Form)>,
    beats: Known<Heartbeat>,
    acks: Known<Ack>,
    answers: Known<Ack>,
    /// The ledger's entry in the last answer to it.
    answered: Index,
    /// Its newest beat: what waited is read after what was to be read at once, and is old news.
    newest: Option<(BootId, u64)>,
    /// The newest beat of it that was to be read at once: its answer is as well.
    hasty: Option<u64>,
    /// For how many beats it is still sent everything over every network.
    careful: u8,
    /// The last beat that went over one network, as long as it is not answered.
    unanswered: Option<(BootId, u64)>,
    /// An answer that goes with the next beat.
    with_beat: Option<Vec<u8>>,
    /// The network of the last datagram that needed only one.
    turn: usize,
}

impl Peer {
    /// A boot that was heard only in an old form may not know the new one.
    fn form(&self) -> Form {
        self.form.map_or(Form::Laden, |(_, form)| form)
    }

    /// Whether a beat of it is its newest; takes note of it.
    fn is_newest(&mut self, beat: &Heartbeat) -> bool {
        let older = |(boot, newest): (BootId, u64)| boot == beat.boot && beat.sequence < newest;
        if self.newest.is_some_and(older) {
            return false;
        }
        self.newest = Some((beat.boot, beat.sequence));
        true
    }

    /// It answered a beat. If that one went over one network, nothing is lost on the way there and
    /// back.
    fn has_answered(&mut self, boot: BootId, sequence: u64) {
        if self.unanswered.take_if(|beat| *beat == (boot, sequence)).is_some() {
            self.careful = 0;
        }
    }

    fn spoke(&mut self, boot: BootId, form: Form) {
        let before = self.form.filter(|(known, _)| *known == boot);
        self.form = Some((boot, before.map_or(form, |(_, known)| known.max(form))));
    }
}

impl Networks {
    /// Binds the node's own addresses, one a network.
    ///
    /// # Errors
    /// An address is not on this machine, or its port is taken: another agent may run.
    pub fn bind(own: &[SocketAddr], sealer: Sealer, opener: Opener) -> io::Result<Self> {
        let lanes = own.iter().map(|address| Lanes::bind(*address, WAITING));
        Ok(Self {
            lanes: lanes.collect::<io::Result<_>>()?,
            peers: BTreeMap::new(),
            stranger: Peer::default(),
            beats: Known::default(),
            sealer,
            opener,
            heard: Arc::default(),
            buffer: vec![0; DATAGRAM_LIMIT],
        })
    }

    /// Who there is to speak to, as the applied configuration has it.
    pub fn meet(&mut self, peers: BTreeMap<NodeName, Vec<SocketAddr>>) {
        self.peers.retain(|name, _| peers.contains_key(name));
        for (name, addresses) in peers {
            let peer = self.peers.entry(name).or_default();
            peer.addresses = addresses;
        }
    }

    /// When each node was last heard on each network, kept up to date from here.
    #[must_use]
    pub fn heard(&self) -> Arc<Heard> {
        Arc::clone(&self.heard)
    }

    /// What to wait on: what is to be read at once.
    pub fn fds(&self) -> impl ExactSizeIterator<Item = BorrowedFd<'_>> {
        self.lanes.iter().map(|lanes| lanes.now.as_fd())
    }

    /// Sends a beat to every peer: over every network, but one that waits and says nothing new over
    /// each in turn to a peer that is heard over all of them, with the answer that goes with it.
    pub fn beat(&mut self, mut beat: Heartbeat, mut haste: Haste) {
        for form in [Form::Laden, Form::Hasty, Form::Split, Form::Whole] {
            if !self.peers.values().any(|peer| peer.form() == form) {
                continue;
            }
            let (given_back, body, rest) = self.beats.write(beat, (form, haste));
            beat = given_back;
            if rest == Rest::New {
                // What is new in one form is new in every other.
                haste = Haste::Now;
            }
            // A beat that does not fit is not sent; the lease then ends by itself, which is safe.
            let Ok(bytes) = self.sealer.seal(Kind::HEARTBEAT, &body) else { continue };
            let at_form = self.peers.iter_mut().filter(|(_, peer)| peer.form() == form);
            for (name, peer) in at_form {
                let whole = self.heard.on_all(name, ways(&self.lanes, peer));
                let careful = peer.careful > 0;
                peer.careful = match haste {
                    Haste::Now if peer.unanswered.is_some() => CAREFUL_BEATS,
                    Haste::Now | Haste::Waits => peer.careful.saturating_sub(1),
                };
                // An older version knows only of copies over all networks.
                let renews = form == Form::Laden && haste == Haste::Waits;
                if !renews || !whole || careful {
                    send(&self.lanes, &bytes, &peer.addresses);
                    continue;
                }
                peer.unanswered = Some((beat.boot, beat.sequence));
                let fits = |answer: &mut Vec<u8>| bytes.len() + answer.len() <= TOGETHER;
                let answer = peer.with_beat.take_if(fits);
                let both = answer.map(|answer| [&body[..], &answer].concat());
                let both = both.and_then(|both| self.sealer.seal(Kind::HEARTBEAT, &both).ok());
                let bytes = both.as_deref().unwrap_or(&bytes);
                send_one(&self.lanes, bytes, (&peer.addresses, &mut peer.turn));
            }
        }
    }

    /// Answers a beat over every network: the way it came may be open in one direction only. An
    /// answer that waits and says nothing new to a peer that is heard over all of them goes over
    /// one, each in turn, and with the next beat if there is one before [`Networks::flush`]: a
    /// lease outlives several answers, and most of what an idle node costs is what it sends.
    pub fn answer(&mut self, to: &NodeName, ack: Ack) {
        let Some(peer) = self.peers.get_mut(to) else { return };
        // What is asked for the first time follows from an entry that was new.
        let moved = std::mem::replace(&mut peer.answered, ack.applied) != ack.applied;
        let asked = peer.hasty.is_some_and(|sequence| ack.sequence <= sequence);
        let haste = if moved || asked { Haste::Now } else { Haste::Waits };
        let form = peer.form();
        let (_, body, rest) = peer.answers.write(ack, (form, haste));
        let renews = haste == Haste::Waits && rest == Rest::Same;
        let whole = self.heard.on_all(to, ways(&self.lanes, peer));
        let one = renews && whole && peer.careful == 0;
        if one && form == Form::Laden {
            // One that waits already says the same of an older beat.
            peer.with_beat = Some(body);
            return;
        }
        let Ok(bytes) = self.sealer.seal(Kind::ACK, &body) else { return };
        if one {
            send_one(&self.lanes, &bytes, (&peer.addresses, &mut peer.turn));
        } else {
            send(&self.lanes, &bytes, &peer.addresses);
        }
    }

    /// Sends the answers that no beat took with it.
    pub fn flush(&mut self) {
        for peer in self.peers.values_mut() {
            let Some(body) = peer.with_beat.take() else { continue };
            let Ok(bytes) = self.sealer.seal(Kind::ACK, &body) else { continue };
            send_one(&self.lanes, &bytes, (&peer.addresses, &mut peer.turn));
        }
    }

    /// Takes what has arrived on `network` to be read at once: proved, fresh, and of a member.
    pub fn take(&mut self, network: usize, out: &mut Vec<Event>) {
        self.drain((network, Haste::Now), out);
    }

    /// Takes what waits on every network.
    pub fn take_waiting(&mut self, out: &mut Vec<Event>) {
        for network in 0..self.lanes.len() {
            self.drain((network, Haste::Waits), out);
        }
    }

    fn drain(&mut self, (network, lane): (usize, Haste), out: &mut Vec<Event>) {
        for _ in 0..TAKE {
            let socket = match lane {
                Haste::Now => Some(&self.lanes[network].now),
                Haste::Waits => self.lanes[network].waits.as_ref(),
            };
            let Some(Ok((length, from))) = socket.map(|s| s.recv_from(&mut self.buffer)) else {
                return;
            };
            let opened = self.opener.open(&self.buffer[..length]);
            // A copy of what came over another network says that this one works as well.
            let (sender, came) = match &opened {
                Ok(o) => (&o.sender, Came { boot: Some(o.boot.id), sequence: o.sequence }),
                Err(Dropped::Seen { sender, sequence }) => {
                    (sender, Came { boot: None, sequence: *sequence })
                }
                Err(_) => continue,
            };
            self.heard.note(sender, network, came);
            let Ok(opened) = &opened else { continue };
            let peer = self.peers.get_mut(sender).unwrap_or(&mut self.stranger);
            if read(peer, opened, Via { network, from }, out) == Some(Spread::Everywhere) {
                self.heard.went_everywhere(sender, came.sequence);
            }
        }
    }

    /// Whether `peer` is heard now over every network that both are on.
    #[must_use]
    pub fn whole(&self, peer: &NodeName) -> bool {
        self.peers.get(peer).is_some_and(|known| self.heard.on_all(peer, ways(&self.lanes, known)))
    }

    /// Peers send something every `beat`: what waits goes over each network in turn, and is read a
    /// beat later, so a network may be silent for so many beats before it counts as such.
    pub fn expect_beats_every(&self, beat: Span) {
        self.heard.patience(Span(beat.0 * (self.lanes.len() as u64 + 2)).to_std());
    }

    /// Where this node listens, one address a network.
    pub fn own(&self) -> impl Iterator<Item = IpAddr> {
        self.lanes.iter().filter_map(|lanes| Some(lanes.now.local_addr().ok()?.ip()))
    }

    /// The link of one of this node's own addresses is lost.
    pub fn lost(&self, network: usize) {
        self.heard.lost(network);
    }

    /// How many datagrams were dropped, by reason.
    pub fn drops(&self) -> [(&'static str, u64); 10] {
        self.opener.drops().by_reason()
    }
}

fn send(lanes: &[Lanes], bytes: &[u8], addresses: &[SocketAddr]) {
    for (lanes, address) in lanes.iter().zip(addresses) {
        // A network that is down or full loses datagrams; that is what the others are for.
        let _lost = lanes.now.send_to(bytes, address);
    }
}

/// Sends `bytes` over the network after that of the last `turn`.
fn send_one(lanes: &[Lanes], bytes: &[u8], (addresses, turn): (&[SocketAddr], &mut usize)) {
    *turn = (*turn + 1) % lanes.len().min(addresses.len()).max(1);
    let one = *turn..=*turn;
    if let (Some(lanes), Some(addresses)) = (lanes.get(one.clone()), addresses.get(one)) {
        send(lanes, bytes, addresses);
    }
}

/// Over how many networks this node and `peer` reach each other, if none is down.
fn ways(lanes: &[Lanes], peer: &Peer) -> usize {
    lanes.len().min(peer.addresses.len())
}

/// How a datagram was sent, as far as it tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spread {
    Everywhere,
    PerhapsOnce,
}

/// What is to be read at once goes over every network. Older forms do not tell: whoever speaks
/// them also sends answers of this kind over one.
const fn spread(form: Form, haste: Haste) -> Spread {
    match (form, haste) {
        (Form::Laden, Haste::Now) => Spread::Everywhere,
        (Form::Laden, Haste::Waits)
        | (Form::Hasty | Form::Split | Form::Whole, Haste::Now | Haste::Waits) => {
            Spread::PerhapsOnce
        }
    }
}

/// What a datagram of `peer` says goes to `out`; none if it is not a beat or an answer of it.
fn read(peer: &mut Peer, opened: &Opened<'_>, via: Via, out: &mut Vec<Event>) -> Option<Spread> {
    let (form, haste) = match opened.kind {
        Kind::HEARTBEAT => {
            let Read { message: beat, form, haste, behind } = peer.beats.read(opened.body)?;
            if beat.sender != opened.sender || beat.boot != opened.boot.id {
                return None;
            }
            if haste == Haste::Now {
                peer.hasty = Some(beat.sequence);
            }
            // An answer counts from its own beat, so one that comes late is still worth reading.
            if !behind.is_empty() {
                out.extend(read_answer(peer, opened, behind).map(|(ack, _, _)| ack));
            }
            if peer.is_newest(&beat) {
                out.push(Event::Heard { via, beat: Arc::new(beat) });
            }
            (form, haste)
        }
        Kind::ACK => {
            let (ack, form, haste) = read_answer(peer, opened, opened.body)?;
            out.push(ack);
            (form, haste)
        }
        // A kind that came later: another version may speak it, this one has no use for it.
        Kind(_) => return None,
    };
    peer.spoke(opened.boot.id, form);
    Some(spread(form, haste))
}

fn read_answer(peer: &mut Peer, opened: &Opened<'_>, body: &[u8]) -> Option<(Event, Form, Haste)> {
    let Read { message: ack, form, haste, .. } = peer.acks.read(body)?;
    if ack.voter != opened.sender || ack.voter_boot != opened.boot.id {
        return None;
    }
    peer.has_answered(ack.boot, ack.sequence);
    Some((Event::Acked(ack), form, haste))
}

#[cfg(test)]
mod tests;
