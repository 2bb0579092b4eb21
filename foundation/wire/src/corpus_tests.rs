//! Everything that version 1 writes on the wire or on disk, kept for ever: later versions must
//! read it, and as long as they say they write version 1 they must write the same bytes.
//!
//! `TSUGI_WRITE_CORPUS=1` adds files that are missing. It never changes one that is there.

use std::fs;
use std::path::PathBuf;

use tsugi_vocabulary::{BootId, NodeName, Wall};

use crate::boot::Boot;
use crate::codec::{Reader, Writer};
use crate::datagram::{Kind, Opener, Origin, Sealer};
use crate::frame::{Channel, Frame, HEADER, What, decode_header};
use crate::identity::{Cluster, ClusterId, ClusterIdentity, ClusterRecord, Role, Token, Tokens};
use crate::join::{Decision, JoinRefused, Plea};
use crate::refusal::Refusal;
use crate::secret::{KeyId, Keyring, Secret, hex};
use crate::version::Protocol;

const CLUSTER: ClusterId = ClusterId(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
const BOOT: Boot = Boot { started: 1_800_000_000_123, id: BootId(0xb007 << 100) };
const V1: Protocol = Protocol(1);

fn corpus(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus/v1").join(name)
}

fn node(name: &str) -> NodeName {
    NodeName::new(name).unwrap()
}

fn ring() -> Keyring {
    let mut ring = Keyring::new(KeyId(3), Secret::new([0x33; 32]));
    ring.accept(KeyId(4), Secret::new([0x44; 32]));
    ring
}

/// The text of a file; written first when it is missing and that is asked for.
fn kept(name: &str, now: impl FnOnce() -> String) -> String {
    let path = corpus(name);
    if !path.exists() && std::env::var_os("TSUGI_WRITE_CORPUS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, now()).unwrap();
    }
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The bytes of a file of hexadecimal digits, in lines.
fn kept_bytes(name: &str, now: &[u8]) -> Vec<u8> {
    let lines =
        |bytes: &[u8]| bytes.chunks(32).fold(String::new(), |text, line| text + &hex(line) + "\n");
    let text: String = kept(name, || lines(now)).split_whitespace().collect();
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

#[test]
fn heartbeats_and_acks_of_version_1_are_opened_and_still_written_the_same() {
    let origin = Origin { cluster: CLUSTER, node: node("Node_1"), boot: BOOT };
    let mut sealer = Sealer::new(origin, &ring()).speaking(V1);
    let mut opener = Opener::new(CLUSTER, node("b"), &ring());
    for (number, (name, kind, body)) in [
        ("heartbeat.hex", Kind::HEARTBEAT, b"the body of a heartbeat".as_slice()),
        ("ack.hex", Kind::ACK, b"".as_slice()),
    ]
    .into_iter()
    .enumerate()
    {
        let now = sealer.seal(kind, body).unwrap();
        let bytes = kept_bytes(name, &now);
        assert_eq!(now, bytes, "{name}");
        let opened = opener.open(&bytes).unwrap();
        assert_eq!((opened.sender, opened.boot, opened.kind), (node("Node_1"), BOOT, kind));
        assert_eq!((opened.sequence, opened.common), (number as u64 + 1, V1));
        assert_eq!(opened.body, body);
    }
}

#[test]
fn frames_of_version_1_are_read_and_still_written_the_same() {
    for (name, what, id, body) in [
        ("frame-greeting.hex", What::Greeting, 0, b"".to_vec()),
        ("frame-request.hex", What::Request, 0x0102_0304, b"what is asked".to_vec()),
        ("frame-answer.hex", What::Answer, 0x0102_0304, b"the answer".to_vec()),
        ("frame-item.hex", What::Item, 9, b"{\"part\":1}".to_vec()),
        ("frame-probe.hex", What::Probe, 0, b"".to_vec()),
        ("frame-alive.hex", What::Alive, 0, b"".to_vec()),
        ("frame-refusal.hex", What::Refusal, 5, Refusal::BrokeOff.encode()),
    ] {
        let frame = Frame { version: V1, channel: Channel(7), what, id, body };
        let now = frame.encode().unwrap();
        let bytes = kept_bytes(name, &now);
        assert_eq!(now, bytes, "{name}");
        let header: &[u8; HEADER] = bytes[..HEADER].try_into().unwrap();
        let (mut read, length) = decode_header(header, V1, 1000).unwrap();
        read.body = bytes[HEADER..].to_vec();
        assert_eq!((read, length), (frame, bytes.len() - HEADER), "{name}");
    }
}

#[test]
fn refusals_of_version_1_are_read_and_still_written_the_same() {
    for (name, refusal) in [
        ("refusal-version.hex", Refusal::Version { ours: V1, theirs: Protocol(3) }),
        ("refusal-role.hex", Refusal::Role),
        ("refusal-answer-too-long.hex", Refusal::AnswerTooLong { length: 5_000_000 }),
        ("refusal-broke-off.hex", Refusal::BrokeOff),
    ] {
        let bytes = kept_bytes(name, &refusal.encode());
        assert_eq!(refusal.encode(), bytes, "{name}");
        assert_eq!(Refusal::decode(&bytes), Ok(refusal), "{name}");
    }
}

#[test]
fn bodies_of_version_1_are_read_and_still_written_the_same() {
    let mut writer = Writer::new();
    writer.u64(0).u64(127).u64(128).u64(u64::MAX).u8(200).u128(CLUSTER.0);
    writer.str("給与").bytes(&[1, 2, 3]).raw(b"end");
    let now = writer.finish();
    let bytes = kept_bytes("codec.hex", &now);
    assert_eq!(now, bytes);
    let mut reader = Reader::new(&bytes);
    for number in [0, 127, 128, u64::MAX] {
        assert_eq!(reader.u64(), Ok(number));
    }
    assert_eq!((reader.u8(), reader.u128()), (Ok(200), Ok(CLUSTER.0)));
    assert_eq!((reader.str(9), reader.bytes(3)), (Ok("給与"), Ok([1, 2, 3].as_slice())));
    assert_eq!(reader.raw(3), Ok(b"end".as_slice()));
    assert_eq!(reader.finish(), Ok(()));
}

#[test]
fn the_texts_of_a_join_of_version_1_are_read() {
    let token = "tsugi1-".to_owned() + &"0a".repeat(48);
    let whole = kept("join-token.txt", || {
        let body: Vec<u8> = vec![0x0a; 48];
        format!("{token}{}\n", hex(&crate::secret::digest(&body)[..4]))
    });
    let read: Token = whole.parse().unwrap();
    assert_eq!((read.authority.0, read.secret()), ([0x0a; 32], &[0x0a; 16]));
    assert_eq!(read.reveal(), whole.trim());

    let plea: Plea = serde_json::from_str(&kept("join-plea.json", || {
        let (token, name, request) = ("0a".repeat(16), node("b"), "3082".to_owned());
        serde_json::to_string(&Plea { token, name, request }).unwrap()
    }))
    .unwrap();
    assert_eq!((plea.name, plea.request.as_str()), (node("b"), "3082"));

    let cluster = Cluster { id: CLUSTER, name: "bank".to_owned(), keyring: ring() };
    for (name, key) in [
        ("join-admitted.json", None),
        ("join-admitted-with-key.json", Some("the PEM of the authority's key".to_owned())),
    ] {
        let admitted = kept(name, || {
            let (certificate, authority) = ("its PEM".to_owned(), "its PEM as well".to_owned());
            let (cluster, authority_key) = (ClusterRecord::from(&cluster), key.clone());
            let said = Decision::Admitted { certificate, authority, cluster, authority_key };
            serde_json::to_string(&said).unwrap()
        });
        match serde_json::from_str(&admitted).unwrap() {
            Decision::Admitted { cluster: record, certificate, authority_key, .. } => {
                assert_eq!(Cluster::try_from(record).as_ref(), Ok(&cluster), "{name}");
                assert_eq!((certificate.as_str(), authority_key), ("its PEM", key), "{name}");
            }
            Decision::Refused(why) => panic!("{name}: {why}"),
        }
    }
    for (name, why) in [
        ("join-refused-token.json", JoinRefused::Token(crate::identity::TokenRefused::Expired)),
        ("join-refused-name.json", JoinRefused::NotAdmitted { why: "no such node".to_owned() }),
    ] {
        let text = kept(name, || serde_json::to_string(&Decision::Refused(why.clone())).unwrap());
        match serde_json::from_str(&text).unwrap() {
            Decision::Refused(read) => assert_eq!(read, why, "{name}"),
            Decision::Admitted { .. } => panic!("{name}"),
        }
    }
}

#[test]
fn the_directory_of_an_identity_of_version_1_is_loaded() {
    let began = Wall(1_795_000_000_000);
    if !corpus("pki").exists() && std::env::var_os("TSUGI_WRITE_CORPUS").is_some() {
        fs::create_dir_all(corpus("")).unwrap();
        let made = ClusterIdentity::found(&corpus("pki"), "bank", &node("a"), began).unwrap();
        let wanted = crate::identity::Wanted {
            role: Role::Node,
            name: Some(node("b")),
            until: Wall(u64::MAX / 2),
        };
        made.tokens().unwrap().issue(made.authority_fingerprint(), wanted, began).unwrap();
    }
    // The modes of files are not kept in a repository.
    let dir = tempfile::tempdir().unwrap();
    let pki = dir.path().join("pki");
    crate::files::make_private_directory(&pki).unwrap();
    for entry in fs::read_dir(corpus("pki")).unwrap() {
        let entry = entry.unwrap();
        crate::files::replace(&pki.join(entry.file_name()), &fs::read(entry.path()).unwrap())
            .unwrap();
    }
    let identity = ClusterIdentity::load(&pki).unwrap();
    assert_eq!((identity.cluster.name.as_str(), &identity.subject.name), ("bank", &node("a")));
    assert!(identity.authority.is_some());
    assert!(crate::tls::Tls::new(&identity, V1).is_ok());
    assert!(Tokens::open(&pki.join("tokens.json")).unwrap().any_open(began));
}

#[test]
fn the_number_of_the_last_start_of_version_1_is_read() {
    let text = kept("boot", || "1800000000123\n".to_owned());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("boot");
    fs::write(&path, text).unwrap();
    assert_eq!(Boot::begin(&path, Wall(0)).unwrap().started, BOOT.started + 1);
}

#[test]
fn every_file_of_the_corpus_is_read_by_a_test() {
    let source = include_str!("corpus_tests.rs");
    let mut count = 0;
    for entry in fs::read_dir(corpus("")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(source.contains(&format!("\"{name}\"")), "nobody reads {name}");
        count += 1;
    }
    assert_eq!(count, 22);
}
