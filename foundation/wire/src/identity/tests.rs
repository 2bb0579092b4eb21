//! Identities on disk: founded once, read back, refused when others could read them.

use super::*;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use crate::version::Protocol;

const NOW: Wall = Wall(1_800_000_000_000);

fn node(name: &str) -> NodeName {
    NodeName::new(name).unwrap()
}

fn founded() -> (tempfile::TempDir, ClusterIdentity) {
    let dir = tempfile::tempdir().unwrap();
    let identity =
        ClusterIdentity::found(&dir.path().join("pki"), "bank", &node("a"), NOW).unwrap();
    (dir, identity)
}

#[test]
fn a_founded_identity_is_read_back_and_only_its_owner_can_read_it() {
    let (dir, identity) = founded();
    let pki = dir.path().join("pki");
    assert_eq!(fs::metadata(&pki).unwrap().mode() & 0o7777, 0o700);
    for entry in fs::read_dir(&pki).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().mode() & 0o7777, 0o600, "{:?}", entry.path());
    }
    let again = ClusterIdentity::load(&pki).unwrap();
    assert_eq!(again.cluster, identity.cluster);
    assert_eq!(again.subject, identity.subject);
    assert_eq!(again.subject.name, node("a"));
    assert_eq!(again.subject.role, Role::Node);
    assert!(again.authority.is_some());
    assert!(again.subject.until > NOW);
}

#[test]
fn an_identity_is_never_overwritten() {
    let (dir, identity) = founded();
    let pki = dir.path().join("pki");
    let refused = ClusterIdentity::found(&pki, "bank", &node("a"), NOW);
    assert!(matches!(refused, Err(IdentityFailure::AlreadyThere { .. })));
    assert_eq!(ClusterIdentity::load(&pki).unwrap().cluster.id, identity.cluster.id);
}

#[test]
fn an_identity_that_others_may_read_is_refused_by_file() {
    let (dir, _) = founded();
    let pki = dir.path().join("pki");
    for name in [CA_CERTIFICATE, CA_KEY, NODE_CERTIFICATE, NODE_KEY, CLUSTER] {
        let file = pki.join(name);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        match ClusterIdentity::load(&pki) {
            Err(IdentityFailure::File(FileFailure::Mode { path, found: 0o644, .. })) => {
                assert_eq!(path, file);
            }
            other => panic!("{name}: {other:?}"),
        }
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    }
    fs::set_permissions(&pki, fs::Permissions::from_mode(0o750)).unwrap();
    assert!(matches!(
        ClusterIdentity::load(&pki),
        Err(IdentityFailure::File(FileFailure::Mode { found: 0o750, wanted: 0o700, .. }))
    ));
}

#[test]
fn a_damaged_file_is_named_with_what_is_wrong() {
    let (dir, _) = founded();
    let pki = dir.path().join("pki");
    for name in [CA_CERTIFICATE, CA_KEY, NODE_CERTIFICATE, NODE_KEY, CLUSTER] {
        let kept = fs::read(pki.join(name)).unwrap();
        fs::write(pki.join(name), b"{}").unwrap();
        match ClusterIdentity::load(&pki) {
            Err(IdentityFailure::Damaged { path, .. }) => assert_eq!(path, pki.join(name)),
            other => panic!("{name}: {other:?}"),
        }
        fs::write(pki.join(name), kept).unwrap();
    }
    assert!(ClusterIdentity::load(&pki).is_ok());
}

#[test]
fn a_certificate_of_another_cluster_is_refused_at_load() {
    let (dir, _) = founded();
    let (other, _) = founded();
    let of = |dir: &tempfile::TempDir| dir.path().join("pki").join(NODE_CERTIFICATE);
    fs::write(of(&dir), fs::read(of(&other)).unwrap()).unwrap();
    let refused = ClusterIdentity::load(&dir.path().join("pki"));
    assert!(matches!(refused, Err(IdentityFailure::Damaged { .. })), "{refused:?}");
}

#[test]
fn a_key_that_does_not_belong_to_its_certificate_is_refused() {
    let (dir, _) = founded();
    let (other, _) = founded();
    for name in [CA_KEY, NODE_KEY] {
        let of = |dir: &tempfile::TempDir| dir.path().join("pki").join(name);
        let kept = fs::read(of(&dir)).unwrap();
        fs::write(of(&dir), fs::read(of(&other)).unwrap()).unwrap();
        let loaded = ClusterIdentity::load(&dir.path().join("pki"));
        match loaded {
            Err(IdentityFailure::Damaged { path, .. }) => assert_eq!(path, of(&dir)),
            Ok(identity) => {
                assert!(crate::tls::Tls::new(&identity, Protocol::CURRENT).is_err(), "{name}")
            }
            other => panic!("{name}: {other:?}"),
        }
        fs::write(of(&dir), kept).unwrap();
    }
}

#[test]
fn a_founding_node_makes_others_of_the_same_cluster() {
    let (dir, first) = founded();
    let second = first.found_beside(&dir.path().join("b"), &node("b"), NOW).unwrap();
    assert_eq!(second.cluster, first.cluster);
    assert_eq!(second.subject.name, node("b"));
    assert_ne!(second.subject.fingerprint, first.subject.fingerprint);
    assert_eq!(second.authority_fingerprint(), first.authority_fingerprint());
}

#[test]
fn a_rotated_key_is_durable() {
    let (dir, mut identity) = founded();
    let mut ring = identity.cluster.keyring.clone();
    ring.accept(KeyId(2), Secret::draw());
    assert!(ring.switch_to(KeyId(2)));
    identity.keep_keyring(ring.clone()).unwrap();
    let again = ClusterIdentity::load(&dir.path().join("pki")).unwrap();
    assert_eq!(again.cluster.keyring, ring);
}
