//! SEC14: what is not from this cluster, this boot and fresh is dropped and counted.

use super::*;
use crate::secret::Secret;
use proptest::prelude::*;

const CLUSTER: ClusterId = ClusterId(0x1111_2222);

fn ring() -> Keyring {
    Keyring::new(KeyId(1), Secret::new([9; 32]))
}

fn node(name: &str) -> NodeName {
    NodeName::new(name).unwrap()
}

fn boot(started: u64) -> Boot {
    Boot { started, id: BootId(u128::from(started) << 64) }
}

fn sealer(name: &str, started: u64) -> Sealer {
    Sealer::new(Origin { cluster: CLUSTER, node: node(name), boot: boot(started) }, &ring())
}

fn opener() -> Opener {
    Opener::new(CLUSTER, node("b"), &ring())
}

#[test]
fn a_sealed_body_is_opened_once_with_its_sender_and_number() {
    let bytes = sealer("a", 7).seal(Kind::HEARTBEAT, b"body").unwrap();
    let mut opener = opener();
    let opened = opener.open(&bytes).unwrap();
    assert_eq!(opened.sender, node("a"));
    assert_eq!((opened.boot, opened.sequence, opened.kind), (boot(7), 1, Kind::HEARTBEAT));
    assert_eq!(opened.body, b"body");
    assert_eq!(
        opener.open(&bytes),
        Err(Dropped::Seen { sender: node("a"), sequence: 1 }),
        "the copy over the second network"
    );
    assert_eq!(opener.drops(), Drops { seen: 1, ..Drops::default() });
}

#[test]
fn sec14_a_message_of_another_cluster_is_dropped_and_counted() {
    let origin = Origin { cluster: ClusterId(5), node: node("a"), boot: boot(1) };
    let bytes = Sealer::new(origin, &ring()).seal(Kind::HEARTBEAT, b"").unwrap();
    let mut opener = opener();
    assert_eq!(opener.open(&bytes), Err(Dropped::OtherCluster { cluster: ClusterId(5) }));
    let mut renamed = bytes;
    renamed[8..24].copy_from_slice(&CLUSTER.0.to_be_bytes());
    assert_eq!(opener.open(&renamed), Err(Dropped::BadMac), "the key belongs to its cluster");
    assert_eq!(opener.drops(), Drops { other_cluster: 1, bad_mac: 1, ..Drops::default() });
}

#[test]
fn sec14_a_message_of_an_old_boot_is_dropped_and_counted() {
    let (mut old, mut new, mut opener) = (sealer("a", 7), sealer("a", 8), opener());
    opener.open(&old.seal(Kind::HEARTBEAT, b"").unwrap()).unwrap();
    opener.open(&new.seal(Kind::HEARTBEAT, b"").unwrap()).unwrap();
    let late = old.seal(Kind::HEARTBEAT, b"").unwrap();
    assert_eq!(opener.open(&late), Err(Dropped::OldBoot { sender: node("a"), boot: boot(7) }));
    assert_eq!(opener.drops().old_boot, 1);
}

#[test]
fn sec14_a_message_of_our_own_sent_back_is_dropped_and_counted() {
    let mut opener = opener();
    let bytes = sealer("b", 1).seal(Kind::HEARTBEAT, b"").unwrap();
    assert_eq!(opener.open(&bytes), Err(Dropped::Own));
    assert_eq!(opener.drops().own, 1);
}

#[test]
fn sec14_every_bit_flipped_in_every_byte_is_refused() {
    let bytes = sealer("a", 7).seal(Kind::HEARTBEAT, b"the body of a heartbeat").unwrap();
    let mut opener = opener();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut bent = bytes.clone();
            bent[at] ^= 1 << bit;
            assert!(opener.open(&bent).is_err(), "bit {bit} of byte {at}");
        }
    }
    assert!(opener.open(&bytes).is_ok(), "none of them changed what was seen");
    let total: u64 = opener.drops().by_reason().iter().map(|(_, count)| count).sum();
    assert_eq!(total, bytes.len() as u64 * 8);
}

#[test]
fn sec14_a_datagram_cut_short_or_made_longer_is_refused() {
    let bytes = sealer("a", 7).seal(Kind::ACK, b"body").unwrap();
    let mut opener = opener();
    for length in 0..bytes.len() {
        assert!(opener.open(&bytes[..length]).is_err(), "{length} bytes");
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert_eq!(opener.open(&longer), Err(Dropped::BadMac));
    assert_eq!(opener.open(&vec![0; DATAGRAM_LIMIT + 1]), Err(Dropped::Malformed));
}

#[test]
fn neighbouring_versions_are_opened_and_one_further_is_refused_by_name() {
    let versions = |ours: u8, theirs: u8| {
        let mut sealer = sealer("a", 1).speaking(Protocol(theirs));
        let bytes = sealer.seal(Kind::HEARTBEAT, b"").unwrap();
        let mut opener = opener().speaking(Protocol(ours));
        opener.open(&bytes).map(|opened| opened.common)
    };
    assert_eq!(versions(4, 5), Ok(Protocol(4)));
    assert_eq!(versions(5, 4), Ok(Protocol(4)));
    let sender = Some(node("a"));
    let version = Protocol(6);
    assert_eq!(versions(4, 6), Err(Dropped::VersionTooNew { sender: sender.clone(), version }));
    let version = Protocol(4);
    assert_eq!(versions(6, 4), Err(Dropped::VersionTooOld { sender, version }));
}

#[test]
fn a_version_that_is_not_understood_and_not_proved_names_nobody() {
    let mut bytes = sealer("a", 1).speaking(Protocol(9)).seal(Kind::ACK, b"").unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    assert_eq!(
        opener().open(&bytes),
        Err(Dropped::VersionTooNew { sender: None, version: Protocol(9) })
    );
}

#[test]
fn a_key_is_exchanged_without_a_message_lost() {
    let (mut sealer, mut opener, mut keys) = (sealer("a", 1), opener(), ring());
    keys.accept(KeyId(2), Secret::new([4; 32]));
    opener.rekey(&keys);
    opener.open(&sealer.seal(Kind::HEARTBEAT, b"").unwrap()).unwrap();
    assert!(keys.switch_to(KeyId(2)));
    sealer.rekey(&keys);
    let renewed = sealer.seal(Kind::HEARTBEAT, b"").unwrap();
    assert_eq!(opener.open(&renewed).unwrap().sequence, 2);
    keys.retire_old();
    opener.rekey(&keys);
    let old =
        super::Sealer::new(Origin { cluster: CLUSTER, node: node("c"), boot: boot(1) }, &ring())
            .seal(Kind::HEARTBEAT, b"")
            .unwrap();
    assert_eq!(opener.open(&old), Err(Dropped::UnknownKey { key: KeyId(1) }));
}

#[test]
fn a_body_that_does_not_fit_is_refused_and_uses_no_number() {
    let mut sealer = sealer("a", 1);
    let length = BODY_LIMIT + 1;
    assert_eq!(sealer.seal(Kind::ACK, &vec![0; length]), Err(BodyTooLong { length }));
    assert_eq!(sealer.sequence(), 0);
    let whole = sealer.seal(Kind::ACK, &vec![0; BODY_LIMIT]).unwrap();
    assert!(opener().open(&whole).is_ok());
}

proptest! {
    #[test]
    fn sec14_bytes_changed_anywhere_are_refused(
        body in proptest::collection::vec(any::<u8>(), 0..200),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), 1u8..), 1..6),
    ) {
        let bytes = sealer("a", 7).seal(Kind::HEARTBEAT, &body).unwrap();
        let mut bent = bytes.clone();
        for (at, by) in changes {
            let at = at.index(bent.len());
            bent[at] ^= by;
        }
        let mut opener = opener();
        prop_assert_eq!(opener.open(&bent).is_ok(), bent == bytes);
    }

    #[test]
    fn sec14_random_bytes_behind_the_magic_are_refused(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut opener = opener();
        prop_assert!(opener.open(&bytes).is_err());
        let mut ours = MAGIC.to_vec();
        ours.extend_from_slice(&[Protocol::CURRENT.0, 1, 1, 1]);
        ours.extend_from_slice(&CLUSTER.0.to_be_bytes());
        ours.extend_from_slice(&bytes);
        prop_assert!(opener.open(&ours).is_err());
    }
}
