//! Heartbeat datagrams: a fixed header, the sender, a body, and a MAC over all of it.
//!
//! ```text
//!  0  magic "TSGH"    4  version   5  key id   6  kind   7  length of the sender's name
//!  8  cluster id     24  number of the start  32  boot id  48  sequence
//! 56  sender's name, body, and in the last 16 bytes the MAC of everything before
//! ```
//!
//! Numbers have their highest byte first. Up to byte 56 and in its last 16 bytes the form is the
//! same in every version, so that a version that is not understood can still be refused by name.
//! Nothing behind the header is looked at before the MAC is proved.

use std::collections::BTreeMap;

use tsugi_vocabulary::{BootId, NodeName};

use crate::boot::Boot;
use crate::identity::ClusterId;
use crate::secret::{KeyId, Keyring, MAC_LENGTH, MacKey};
use crate::sequences::{Sequences, Stale};
use crate::version::{Protocol, Standing};

/// The first four bytes of each datagram.
pub const MAGIC: [u8; 4] = *b"TSGH";
/// The length of the header before the sender's name.
pub const HEADER: usize = 56;
/// Where the length of the sender's name stands.
pub(crate) const NAME_LENGTH_AT: usize = 7;
/// The largest datagram: above it IPv4 has no room.
pub const DATAGRAM_LIMIT: usize = 60_000;
/// The largest body that fits beside the longest name.
pub const BODY_LIMIT: usize = DATAGRAM_LIMIT - HEADER - 31 - MAC_LENGTH;

const PURPOSE: &str = "tsugi heartbeat";

/// What a datagram is about. The numbers are the engine's; these two are used from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind(pub u8);

impl Kind {
    /// A node says that it lives, and what it asks.
    pub const HEARTBEAT: Self = Self(1);
    /// A voter's answer to a heartbeat.
    pub const ACK: Self = Self(2);
}

/// Who speaks: everything in the header that stays the same for one start of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The cluster.
    pub cluster: ClusterId,
    /// The node.
    pub node: NodeName,
    /// Which start of it.
    pub boot: Boot,
}

/// The body does not fit into a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a body of {length} bytes does not fit into a datagram ({BODY_LIMIT} at most)")]
pub struct BodyTooLong {
    /// How long it is.
    pub length: usize,
}

fn derive(ring: &Keyring, cluster: ClusterId) -> BTreeMap<KeyId, MacKey> {
    ring.secrets().map(|(id, secret)| (id, secret.derive(PURPOSE, cluster.0))).collect()
}

/// Makes datagrams. Each gets the next number; copies for several networks and several voters
/// are the same bytes.
#[derive(Clone, Debug)]
pub struct Sealer {
    version: Protocol,
    origin: Origin,
    key_id: KeyId,
    key: MacKey,
    sequence: u64,
}

impl Sealer {
    /// A sealer with the key in use.
    #[must_use]
    pub fn new(origin: Origin, ring: &Keyring) -> Self {
        let keys = derive(ring, origin.cluster);
        let key = keys.get(&ring.current()).expect("the key in use is on the ring").clone();
        Self { version: Protocol::CURRENT, origin, key_id: ring.current(), key, sequence: 0 }
    }

    /// The same, speaking this version.
    #[must_use]
    pub fn speaking(mut self, version: Protocol) -> Self {
        self.version = version;
        self
    }

    /// Uses another key; the numbers go on.
    pub fn rekey(&mut self, ring: &Keyring) {
        let next = Self::new(self.origin.clone(), ring);
        self.key_id = next.key_id;
        self.key = next.key;
    }

    /// The number that the last datagram got; 0 before the first.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Makes one datagram.
    ///
    /// # Errors
    /// [`BodyTooLong`]; no number is used then.
    pub fn seal(&mut self, kind: Kind, body: &[u8]) -> Result<Vec<u8>, BodyTooLong> {
        if body.len() > BODY_LIMIT {
            return Err(BodyTooLong { length: body.len() });
        }
        self.sequence += 1;
        let name = self.origin.node.as_str().as_bytes();
        let mut bytes = Vec::with_capacity(HEADER + name.len() + body.len() + MAC_LENGTH);
        bytes.extend_from_slice(&MAGIC);
        bytes.push(self.version.0);
        bytes.push(self.key_id.0);
        bytes.push(kind.0);
        bytes.push(u8::try_from(name.len()).expect("a name has at most 31 characters"));
        bytes.extend_from_slice(&self.origin.cluster.0.to_be_bytes());
        bytes.extend_from_slice(&self.origin.boot.started.to_be_bytes());
        bytes.extend_from_slice(&self.origin.boot.id.0.to_be_bytes());
        bytes.extend_from_slice(&self.sequence.to_be_bytes());
        bytes.extend_from_slice(name);
        bytes.extend_from_slice(body);
        let mac = self.key.sign(&bytes);
        bytes.extend_from_slice(&mac);
        Ok(bytes)
    }
}

/// A datagram that was proved and is fresh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened<'a> {
    /// Who sent it.
    pub sender: NodeName,
    /// From which start.
    pub boot: Boot,
    /// Its number.
    pub sequence: u64,
    /// What it is about.
    pub kind: Kind,
    /// The version that both ends speak; the body may have been written by one newer.
    pub common: Protocol,
    /// The body.
    pub body: &'a [u8],
}

/// Why a datagram was dropped. Those with a sender were proved to be from that node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// It is none of ours: too short, too long, another magic, or a name that is none.
    Malformed,
    /// It belongs to another cluster.
    OtherCluster {
        /// Which.
        cluster: ClusterId,
    },
    /// Its key is not on our ring.
    UnknownKey {
        /// Which.
        key: KeyId,
    },
    /// Its MAC does not prove it.
    BadMac,
    /// Its version is more than one above ours.
    VersionTooNew {
        /// Who, if the MAC proved it.
        sender: Option<NodeName>,
        /// What it speaks.
        version: Protocol,
    },
    /// Its version is more than one below ours.
    VersionTooOld {
        /// Who, if the MAC proved it.
        sender: Option<NodeName>,
        /// What it speaks.
        version: Protocol,
    },
    /// It is our own, sent back to us.
    Own,
    /// It is of an earlier start of its sender.
    OldBoot {
        /// Who.
        sender: NodeName,
        /// Which start.
        boot: Boot,
    },
    /// Its number was seen: a copy over another network, or a replay.
    Seen {
        /// Who.
        sender: NodeName,
        /// Which number.
        sequence: u64,
    },
    /// There are more senders than a cluster can have.
    TooManySenders {
        /// Who.
        sender: NodeName,
    },
}

/// How many datagrams were dropped, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the count of the variant of `Dropped` of its name")]
pub struct Drops {
    pub malformed: u64,
    pub other_cluster: u64,
    pub unknown_key: u64,
    pub bad_mac: u64,
    pub version_too_new: u64,
    pub version_too_old: u64,
    pub own: u64,
    pub old_boot: u64,
    pub seen: u64,
    pub too_many_senders: u64,
}

impl Drops {
    fn count(&mut self, dropped: &Dropped) {
        *match dropped {
            Dropped::Malformed => &mut self.malformed,
            Dropped::OtherCluster { .. } => &mut self.other_cluster,
            Dropped::UnknownKey { .. } => &mut self.unknown_key,
            Dropped::BadMac => &mut self.bad_mac,
            Dropped::VersionTooNew { .. } => &mut self.version_too_new,
            Dropped::VersionTooOld { .. } => &mut self.version_too_old,
            Dropped::Own => &mut self.own,
            Dropped::OldBoot { .. } => &mut self.old_boot,
            Dropped::Seen { .. } => &mut self.seen,
            Dropped::TooManySenders { .. } => &mut self.too_many_senders,
        } += 1;
    }

    /// All counts with their names, for status and for metrics.
    #[must_use]
    pub fn by_reason(&self) -> [(&'static str, u64); 10] {
        [
            ("malformed", self.malformed),
            ("other_cluster", self.other_cluster),
            ("unknown_key", self.unknown_key),
            ("bad_mac", self.bad_mac),
            ("version_too_new", self.version_too_new),
            ("version_too_old", self.version_too_old),
            ("own", self.own),
            ("old_boot", self.old_boot),
            ("seen", self.seen),
            ("too_many_senders", self.too_many_senders),
        ]
    }
}

/// Proves datagrams, drops what is not for this node or not fresh, and counts what it dropped.
#[derive(Clone, Debug)]
pub struct Opener {
    version: Protocol,
    cluster: ClusterId,
    own: NodeName,
    keys: BTreeMap<KeyId, MacKey>,
    sequences: Sequences,
    drops: Drops,
}

struct Header {
    version: Protocol,
    key: KeyId,
    kind: Kind,
    name_length: usize,
    cluster: ClusterId,
    boot: Boot,
    sequence: u64,
}

fn take<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("the caller checked the length of the header")
}

fn header(bytes: &[u8]) -> Option<Header> {
    let least = HEADER + 1 + MAC_LENGTH;
    if bytes.len() < least || bytes.len() > DATAGRAM_LIMIT || bytes[..4] != MAGIC {
        return None;
    }
    Some(Header {
        version: Protocol(bytes[4]),
        key: KeyId(bytes[5]),
        kind: Kind(bytes[6]),
        name_length: usize::from(bytes[NAME_LENGTH_AT]),
        cluster: ClusterId(u128::from_be_bytes(take(bytes, 8))),
        boot: Boot {
            started: u64::from_be_bytes(take(bytes, 24)),
            id: BootId(u128::from_be_bytes(take(bytes, 32))),
        },
        sequence: u64::from_be_bytes(take(bytes, 48)),
    })
}

fn sender<'a>(header: &Header, signed: &'a [u8]) -> Option<(NodeName, &'a [u8])> {
    let (name, body) = signed[HEADER..].split_at_checked(header.name_length)?;
    let name = NodeName::new(std::str::from_utf8(name).ok()?).ok()?;
    Some((name, body))
}

impl Opener {
    /// An opener that has heard nobody.
    #[must_use]
    pub fn new(cluster: ClusterId, own: NodeName, ring: &Keyring) -> Self {
        Self {
            version: Protocol::CURRENT,
            cluster,
            own,
            keys: derive(ring, cluster),
            sequences: Sequences::new(),
            drops: Drops::default(),
        }
    }

    /// The same, speaking this version.
    #[must_use]
    pub fn speaking(mut self, version: Protocol) -> Self {
        self.version = version;
        self
    }

    /// Accepts the keys that are on `ring` now.
    pub fn rekey(&mut self, ring: &Keyring) {
        self.keys = derive(ring, self.cluster);
    }

    /// What was dropped so far.
    #[must_use]
    pub fn drops(&self) -> Drops {
        self.drops
    }

    /// What was seen so far.
    #[must_use]
    pub fn sequences(&mut self) -> &mut Sequences {
        &mut self.sequences
    }

    /// Proves one datagram.
    ///
    /// # Errors
    /// Why it is dropped; it is counted then.
    pub fn open<'a>(&mut self, bytes: &'a [u8]) -> Result<Opened<'a>, Dropped> {
        let opened = self.examine(bytes);
        if let Err(dropped) = &opened {
            self.drops.count(dropped);
        }
        opened
    }

    fn examine<'a>(&mut self, bytes: &'a [u8]) -> Result<Opened<'a>, Dropped> {
        let header = header(bytes).ok_or(Dropped::Malformed)?;
        if header.cluster != self.cluster {
            return Err(Dropped::OtherCluster { cluster: header.cluster });
        }
        let (signed, mac) = bytes.split_at(bytes.len() - MAC_LENGTH);
        let proof = self.prove(header.key, signed, mac);
        let common = match self.version.standing(header.version) {
            Standing::Understood { common } => common,
            unfit @ (Standing::TooNew | Standing::TooOld) => {
                let named = proof.ok().and_then(|()| sender(&header, signed));
                let (sender, version) = (named.map(|(name, _)| name), header.version);
                return Err(match unfit {
                    Standing::TooNew => Dropped::VersionTooNew { sender, version },
                    Standing::TooOld | Standing::Understood { .. } => {
                        Dropped::VersionTooOld { sender, version }
                    }
                });
            }
        };
        proof?;
        let (sender, body) = sender(&header, signed).ok_or(Dropped::Malformed)?;
        if sender == self.own {
            return Err(Dropped::Own);
        }
        let Header { boot, sequence, kind, .. } = header;
        match self.sequences.admit(&sender, boot, sequence) {
            Ok(()) => Ok(Opened { sender, boot, sequence, kind, common, body }),
            Err(Stale::OldBoot) => Err(Dropped::OldBoot { sender, boot }),
            Err(Stale::Seen) => Err(Dropped::Seen { sender, sequence }),
            Err(Stale::TooManySenders) => Err(Dropped::TooManySenders { sender }),
        }
    }

    fn prove(&self, id: KeyId, signed: &[u8], mac: &[u8]) -> Result<(), Dropped> {
        let key = self.keys.get(&id).ok_or(Dropped::UnknownKey { key: id })?;
        if key.proves(signed, mac) { Ok(()) } else { Err(Dropped::BadMac) }
    }
}

#[cfg(test)]
#[path = "datagram_tests.rs"]
mod tests;
