//! A volume that its storage keeps for one node: who may take it, in which order, and when it is
//! lost.
//!
//! The storage refuses the writes of every node that has no key registered with it (SCSI-3
//! persistent reservation, *write exclusive, registrants only*). The key is the epoch: the storage
//! itself holds the fencing token, and keeps it when the group is stopped. What each interruption
//! leaves is in `docs/decisions/0025-the-storage-holds-the-epoch.md`.

#[cfg(test)]
mod model;

use std::fmt;

use serde::{Deserialize, Serialize};
use tsugi_vocabulary::{Epoch, GroupName};

/// How the storage of a volume keeps the nodes off that do not own it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reservation {
    /// By a SCSI-3 persistent reservation of the whole disk.
    Scsi,
}

/// The type of the reservation, as SPC-4 numbers it: whoever is registered may write, and nobody
/// else. Of the types it is the one that a disk with several paths can have: each is registered.
pub const REGISTRANTS_WRITE: u8 = 5;

const TAG_BITS: u32 = 24;
const INCARNATION_BITS: u32 = 12;
const COUNTER_BITS: u32 = 64 - TAG_BITS - INCARNATION_BITS;

/// What a node registers with the storage: 24 bits that tell the group of the cluster, never 0,
/// and then the epoch, so that of two keys of one group the larger is the newer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(pub u64);

impl Key {
    /// The key of a group's epoch; none if the epoch is too large for it.
    #[must_use]
    pub fn of(cluster: u128, group: &GroupName, epoch: Epoch) -> Option<Self> {
        let fits = |number: u64, bits: u32| number < 1 << bits;
        if !fits(epoch.incarnation, INCARNATION_BITS) || !fits(epoch.counter, COUNTER_BITS) {
            return None;
        }
        let low = (epoch.incarnation << COUNTER_BITS) | epoch.counter;
        Some(Self((tag(cluster, group) << (64 - TAG_BITS)) | low))
    }

    /// Reads `0x1f…`, as it is shown.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        u64::from_str_radix(text.strip_prefix("0x")?, 16).ok().map(Self)
    }

    /// Whether it is of the same group of the same cluster.
    #[must_use]
    pub const fn is_akin(self, other: Self) -> bool {
        self.0 >> (64 - TAG_BITS) == other.0 >> (64 - TAG_BITS)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{:#018x}", self.0)
    }
}

/// Which group of which cluster: 24 bits of FNV-1a, which is the same in every build.
fn tag(cluster: u128, group: &GroupName) -> u64 {
    let bytes = cluster.to_be_bytes().into_iter().chain(group.as_str().bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let folded = (hash ^ (hash >> TAG_BITS) ^ (hash >> (2 * TAG_BITS))) & ((1 << TAG_BITS) - 1);
    folded.max(1)
}

/// What the storage says: every registered key, one for each path of each node, and who holds the
/// reservation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The registered keys.
    pub keys: Vec<Key>,
    /// The key of the holder and the type of the reservation.
    pub holder: Option<(Key, u8)>,
}

impl Seen {
    /// A key of somebody else, or a reservation of another type: nothing that may be taken.
    fn foreign(&self, own: Key) -> bool {
        let holder = self.holder.map(|(key, _)| key);
        let stranger = self.keys.iter().copied().chain(holder).any(|key| !key.is_akin(own));
        stranger || self.holder.is_some_and(|(_, kind)| kind != REGISTRANTS_WRITE)
    }

    /// A newer key, registered or only holding the reservation still.
    fn newer(&self, own: Key) -> bool {
        let holder = self.holder.map(|(key, _)| key);
        self.keys.iter().copied().chain(holder).any(|key| key > own)
    }
}

/// What a node has done so far in one run of taking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SoFar {
    /// Nothing: what the storage knows of this node is of an earlier run.
    Nothing,
    /// Its key is registered over the paths that there are now.
    Registered,
}

/// What follows where a node takes a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The volume is its own: nobody else is registered.
    Done,
    /// Register its key, whatever this node had registered before.
    Register,
    /// Reserve.
    Reserve,
    /// Take the registration from this older key, and the reservation if that has it; what its
    /// node still has under way is aborted.
    Preempt(Key),
    /// Take its own registration back, and leave the volume to whoever has it.
    Withdraw(Obstacle),
    /// Leave it.
    Refuse(Obstacle),
}

/// What keeps a node from a volume that its storage keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", from = "String")]
pub enum Obstacle {
    /// A key that is not of this group, or a reservation of another type.
    Foreign,
    /// A newer epoch of the group is registered.
    Newer,
    /// It has lost its own key, or the reservation is gone.
    Lost,
    /// The device has no persistent reservations.
    Unable,
    /// The source is not a whole disk: a partition, a logical volume, an image.
    NotWhole,
    /// Something on this machine has the disk open for itself.
    InUse,
    /// The disk could not be asked. What a later version names is this too.
    Failed,
}

impl From<String> for Obstacle {
    fn from(word: String) -> Self {
        match word.as_str() {
            "foreign" => Self::Foreign,
            "newer" => Self::Newer,
            "lost" => Self::Lost,
            "unable" => Self::Unable,
            "not-whole" => Self::NotWhole,
            "in-use" => Self::InUse,
            _ => Self::Failed,
        }
    }
}

/// What follows where the node of `own` takes a volume that stands like this. It is asked anew
/// after every command, whether that was done or refused: what is decided is decided by what the
/// storage says, and no command is decided by what was before the last one.
#[must_use]
pub fn next(own: Key, so_far: SoFar, seen: &Seen) -> Next {
    let older = |key: &&Key| **key < own;
    let left = |obstacle| match so_far {
        SoFar::Nothing => Next::Refuse(obstacle),
        SoFar::Registered if seen.keys.contains(&own) => Next::Withdraw(obstacle),
        SoFar::Registered => Next::Refuse(obstacle),
    };
    if seen.foreign(own) {
        return left(Obstacle::Foreign);
    }
    if seen.newer(own) {
        return left(Obstacle::Newer);
    }
    match (so_far, seen.holder) {
        (SoFar::Nothing, _) => Next::Register,
        // Whoever took it away is gone again, or a person cleared the disk meanwhile.
        (SoFar::Registered, _) if !seen.keys.contains(&own) => Next::Refuse(Obstacle::Lost),
        (SoFar::Registered, None) => Next::Reserve,
        (SoFar::Registered, Some((holder, _))) if holder < own => Next::Preempt(holder),
        // A newer one was refused above: it is its own.
        (SoFar::Registered, Some(_)) => match seen.keys.iter().find(older) {
            Some(key) => Next::Preempt(*key),
            None => Next::Done,
        },
    }
}

/// How a volume stands that a node has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// It is its own still.
    Ours,
    /// So it is; one with an older key came late, and may not write.
    OursBeside(Key),
    /// It is not: no write may follow.
    Lost,
}

/// Whether the node of `own` has its volume still. A key that is not of the group is left alone.
#[must_use]
pub fn held(own: Key, seen: &Seen) -> Held {
    let ours = seen.keys.contains(&own) && seen.holder == Some((own, REGISTRANTS_WRITE));
    let older = seen.keys.iter().find(|key| key.is_akin(own) && **key < own);
    match (ours, older) {
        (false, _) => Held::Lost,
        (true, Some(key)) => Held::OursBeside(*key),
        (true, None) => Held::Ours,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(incarnation: u64, counter: u64) -> Key {
        let group = GroupName::new("PAY").expect("a name");
        Key::of(7, &group, Epoch { incarnation, counter }).expect("it fits")
    }

    fn seen(keys: &[Key], holder: Option<Key>) -> Seen {
        Seen { keys: keys.to_vec(), holder: holder.map(|key| (key, REGISTRANTS_WRITE)) }
    }

    #[test]
    fn of_two_keys_of_a_group_the_larger_is_of_the_newer_epoch() {
        let rising = [key(1, 1), key(1, 2), key(1, 70_000), key(2, 1), key(2, 2)];
        assert!(rising.is_sorted());
        assert!(rising.iter().all(|one| one.is_akin(rising[0])));
        let shown = rising[2].to_string();
        assert!(shown.len() == 18 && Key::read(&shown) == Some(rising[2]), "{shown}");
        assert_eq!(Key::read("12"), None);
    }

    #[test]
    fn another_group_another_cluster_and_no_key_at_all_are_not_akin() {
        let (pay, log) = (GroupName::new("PAY").unwrap(), GroupName::new("LOG").unwrap());
        let epoch = Epoch { incarnation: 1, counter: 1 };
        let own = Key::of(7, &pay, epoch).unwrap();
        for other in [Key::of(8, &pay, epoch).unwrap(), Key::of(7, &log, epoch).unwrap(), Key(0)] {
            assert!(!own.is_akin(other), "{other}");
        }
        // The same in every build: it stands on disks.
        assert_eq!(own.to_string(), "0x0a91410010000001");
    }

    #[test]
    fn an_epoch_that_does_not_fit_has_no_key() {
        let group = GroupName::new("PAY").unwrap();
        let of = |incarnation, counter| Key::of(7, &group, Epoch { incarnation, counter });
        assert!(of(4095, (1 << 28) - 1).is_some());
        assert!(of(4096, 1).is_none() && of(1, 1 << 28).is_none());
    }

    #[test]
    fn a_disk_that_somebody_else_has_is_left_as_it_is() {
        let (own, other) = (key(1, 5), Key(0x1234_0000_0000_0001));
        for holder in [None, Some(other), Some(own)] {
            let found = seen(&[other, own], holder);
            assert_eq!(next(own, SoFar::Nothing, &found), Next::Refuse(Obstacle::Foreign));
            let back = Next::Withdraw(Obstacle::Foreign);
            assert_eq!(next(own, SoFar::Registered, &found), back);
        }
        let of_another_type = Seen { keys: vec![own], holder: Some((own, 1)) };
        let refused = Next::Refuse(Obstacle::Foreign);
        assert_eq!(next(own, SoFar::Nothing, &of_another_type), refused);
    }

    #[test]
    fn an_older_epoch_registers_nothing_where_a_newer_one_is_known() {
        let (old, new) = (key(1, 5), key(1, 6));
        for holder in [None, Some(new)] {
            let found = seen(&[new], holder);
            assert_eq!(next(old, SoFar::Nothing, &found), Next::Refuse(Obstacle::Newer));
        }
        let both = seen(&[old, new], Some(old));
        assert_eq!(next(old, SoFar::Registered, &both), Next::Withdraw(Obstacle::Newer));
        // Its path is gone, and the reservation is its own all the same.
        let holds = seen(&[old], Some(new));
        assert_eq!(next(old, SoFar::Registered, &holds), Next::Withdraw(Obstacle::Newer));
        let alone = seen(&[], Some(new));
        assert_eq!(next(old, SoFar::Nothing, &alone), Next::Refuse(Obstacle::Newer));
    }

    #[test]
    fn what_is_taken_is_ones_own_only_once_no_older_key_is_left() {
        let (own, old, older) = (key(2, 1), key(1, 6), key(1, 5));
        let at = |keys: &[Key], holder| next(own, SoFar::Registered, &seen(keys, holder));
        // Registered before, over paths that may not be those of now: once more.
        let earlier = seen(&[own], Some(own));
        assert_eq!(next(own, SoFar::Nothing, &earlier), Next::Register);
        assert_eq!(at(&[own], None), Next::Reserve);
        assert_eq!(at(&[older, own, old], Some(old)), Next::Preempt(old));
        assert_eq!(at(&[older, own], Some(own)), Next::Preempt(older));
        assert_eq!(at(&[own, own], Some(own)), Next::Done);
        assert_eq!(at(&[], None), Next::Refuse(Obstacle::Lost));
    }

    #[test]
    fn a_volume_is_held_as_long_as_its_key_has_the_reservation() {
        let (own, old, new) = (key(1, 6), key(1, 5), key(1, 7));
        assert_eq!(held(own, &seen(&[own, own], Some(own))), Held::Ours);
        assert_eq!(held(own, &seen(&[old, own], Some(own))), Held::OursBeside(old));
        // Whoever is about to take it says so by taking it.
        assert_eq!(held(own, &seen(&[own, new], Some(own))), Held::Ours);
        assert_eq!(held(own, &seen(&[own, Key(9)], Some(own))), Held::Ours);
        let gone: [(&[Key], _); 4] =
            [(&[], None), (&[own], None), (&[new], Some(new)), (&[own, new], Some(new))];
        for (keys, holder) in gone {
            assert_eq!(held(own, &seen(keys, holder)), Held::Lost, "{keys:?} {holder:?}");
        }
    }
}
