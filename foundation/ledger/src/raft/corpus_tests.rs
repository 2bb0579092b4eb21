//! Every record, message and file that any version wrote stays readable: `corpus/v1` holds one of
//! each. A change of a form is a new version beside the old one, never an edit of these files.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::path::PathBuf;

use openraft::error::SnapshotMismatch;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, VoteRequest, VoteResponse,
};
use openraft::{EntryPayload, SnapshotSegmentId};
use tsugi_vocabulary::{Generation, Index, NodeName, Span};

use super::file::Owner;
use super::log::{entry_record, place_record, vote_record};
use super::machine::State;
use super::records::{read_entry, read_log_id, read_vote};
use super::rpc::{Letter, Refusal, Reply, Request};
use super::types::{Batch, Entry, LogId, Member, Membership, SnapshotMeta, StoredMembership, Vote};
use crate::format::{Reader, Unreadable, seal, unseal};
use crate::gate::{Hearsay, LogPlace};
use crate::{
    Backup, Change, ClusterId, Command, Key, Outcome, View, Voter, VoterId, VotersRefused,
};

const CLUSTER: ClusterId = ClusterId(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff);

type Understood = Box<dyn Fn(&[u8]) -> bool>;

/// One file of the corpus: its name, its bytes, and whether those bytes mean what they meant.
struct Specimen {
    name: String,
    bytes: Vec<u8>,
    understood: Understood,
}

fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

fn place(index: u64) -> LogId {
    LogId::new(openraft::CommittedLeaderId::new(7, 2), index)
}

fn change() -> Change {
    Change::new()
        .when(key("owner/PAY"), Index(41))
        .when_absent(key("pin/PAY"))
        .write(key("owner/PAY"), &b"\x01{\"epoch\":[1,8]}"[..])
        .remove(key("released/PAY"))
}

fn membership(configs: &[&[u64]]) -> Membership {
    let configs: Vec<BTreeSet<u64>> =
        configs.iter().map(|ids| ids.iter().copied().collect()).collect();
    let node = |id: u64| (id, Member { node: format!("node-{id}") });
    let nodes: std::collections::BTreeMap<_, _> = (1..=4).map(node).collect();
    Membership::new(configs, nodes)
}

fn entries() -> Vec<(&'static str, Entry)> {
    let normal = |commands| EntryPayload::Normal(Batch(commands));
    let raise = Command::RaiseLevel { level: 2 };
    let payloads = [
        ("blank", EntryPayload::Blank),
        ("change", normal(vec![Command::Change(change())])),
        ("several", normal(vec![Command::Change(change()), raise])),
        ("membership", EntryPayload::Membership(membership(&[&[1, 2, 3]]))),
        ("joint", EntryPayload::Membership(membership(&[&[1, 2, 3], &[1, 2, 3, 4]]))),
    ];
    payloads.into_iter().map(|(n, payload)| (n, Entry { log_id: place(42), payload })).collect()
}

fn view() -> View {
    let mut view = View::founded(1_795_000_000);
    let list = [(1, "a"), (2, "b"), (3, "witness")];
    let list = list.map(|(id, node)| (VoterId(id), NodeName::new(node).unwrap()));
    view.voters.become_list(Index(3), list.into());
    let first = Change::new().write(key("owner/PAY"), &b"\x01{}"[..]).write(key("x"), vec![1]);
    view.apply(Index(42), &Command::Change(first));
    view
}

fn state() -> State {
    let membership = StoredMembership::new(Some(place(3)), membership(&[&[1, 2, 3]]));
    State { view: view(), applied: Some(place(42)), membership }
}

fn requests() -> Vec<(&'static str, Request)> {
    let meta = SnapshotMeta {
        last_log_id: Some(place(42)),
        last_membership: state().membership,
        snapshot_id: "T7-N2-42".to_owned(),
    };
    let append = AppendEntriesRequest {
        vote: Vote::new_committed(7, 2),
        prev_log_id: Some(place(41)),
        entries: entries().into_iter().map(|(_, entry)| entry).collect(),
        leader_commit: Some(place(40)),
    };
    let piece = InstallSnapshotRequest {
        vote: Vote::new_committed(7, 2),
        meta,
        offset: 512,
        data: b"piece".to_vec(),
        done: true,
    };
    let voter = Voter { id: VoterId(4), node: NodeName::new("d").unwrap() };
    vec![
        ("append", Request::Append(append)),
        ("vote", Request::Vote(VoteRequest::new(Vote::new(8, 3), None))),
        ("snapshot", Request::Snapshot(piece)),
        ("hear", Request::Hear),
        ("commit", Request::Commit(Command::Change(change()))),
        ("raise-level", Request::Commit(Command::RaiseLevel { level: 3 })),
        ("barrier", Request::Barrier),
        ("add-voter", Request::Add(voter.clone(), None)),
        ("remove-voter", Request::Remove(VoterId(4), None)),
        ("add-voter-known", Request::Add(voter, Some(Generation(7)))),
        ("remove-voter-known", Request::Remove(VoterId(4), Some(Generation(7)))),
    ]
}

fn replies() -> Vec<(&'static str, Reply)> {
    let says = Hearsay {
        silent_for: Span::millis(77),
        leader: Some(VoterId(2)),
        term: 7,
        stands: true,
        log: LogPlace { term: 7, index: 42 },
    };
    let segment = |offset| SnapshotSegmentId { id: "T7-N2-42".to_owned(), offset };
    let refused = |expected, found| Outcome::Refused { key: key("owner/PAY"), expected, found };
    let voters = Reply::VotersRefused;
    let id = VoterId(4);
    vec![
        ("append-success", Reply::Append(AppendEntriesResponse::Success)),
        ("append-partial", Reply::Append(AppendEntriesResponse::PartialSuccess(Some(place(9))))),
        ("append-conflict", Reply::Append(AppendEntriesResponse::Conflict)),
        ("append-higher", Reply::Append(AppendEntriesResponse::HigherVote(Vote::new(9, 1)))),
        ("vote", Reply::Vote(VoteResponse::new(Vote::new(8, 3), Some(place(42)), true))),
        ("snapshot", Reply::Snapshot(Vote::new_committed(7, 2))),
        (
            "snapshot-mismatch",
            Reply::SnapshotMismatch(SnapshotMismatch { expect: segment(0), got: segment(512) }),
        ),
        ("hear", Reply::Hear(says)),
        ("hear-nobody", Reply::Hear(Hearsay { leader: None, stands: false, ..says })),
        ("committed", Reply::Outcome(Outcome::Committed(Index(43)))),
        ("refused", Reply::Outcome(refused(Index(41), Index(42)))),
        ("too-new", Reply::Outcome(Outcome::TooNew { key: key("x"), format: 2, level: 1 })),
        ("at", Reply::At(Index(44))),
        ("voter-used", voters(VotersRefused::Used { id, next: VoterId(5) })),
        ("node-has-voter", voters(VotersRefused::NodeHasVoter { node: "d".to_owned(), id })),
        ("voter-unknown", voters(VotersRefused::Unknown { id })),
        ("voter-last", voters(VotersRefused::Last { id })),
        ("voters-busy", voters(VotersRefused::Busy)),
        ("voters-changed", voters(VotersRefused::Changed { now: Generation(8) })),
        ("voter-behind", voters(VotersRefused::Behind { id })),
        ("not-leader", Reply::NotLeader),
        ("unknown", Reply::Unknown),
        ("version", Reply::Refused(Refusal::Version(1))),
        ("unreadable", Reply::Refused(Refusal::Unreadable)),
        ("other-cluster", Reply::Refused(Refusal::OtherCluster)),
        ("other-voter", Reply::Refused(Refusal::OtherVoter)),
        ("stopped", Reply::Refused(Refusal::Stopped)),
    ]
}

/// A specimen that is read to something printed as `value` is.
fn specimen<T: Debug>(
    name: String,
    bytes: Vec<u8>,
    value: &T,
    read: impl Fn(&[u8]) -> Result<T, Unreadable> + 'static,
) -> Specimen {
    let printed = format!("{value:?}");
    let understood =
        move |bytes: &[u8]| read(bytes).is_ok_and(|found| format!("{found:?}") == printed);
    Specimen { name, bytes, understood: Box::new(understood) }
}

fn specimens() -> Vec<Specimen> {
    let mut all = Vec::new();
    for (name, entry) in entries() {
        let bytes = entry_record(&entry);
        all.push(specimen(format!("record-log-{name}"), bytes, &entry, |bytes| {
            read_entry(&mut Reader::new(unseal(&42_u64.to_le_bytes(), bytes)?))
        }));
    }
    let vote = Vote::new_committed(7, 2);
    all.push(specimen("record-vote".to_owned(), vote_record(&vote), &vote, |bytes| {
        read_vote(&mut Reader::new(unseal(b"vote", bytes)?))
    }));
    for name in ["committed", "purged"] {
        let bytes = place_record(name, &place(42));
        all.push(specimen(format!("record-{name}"), bytes, &place(42), move |bytes| {
            read_log_id(&mut Reader::new(unseal(name.as_bytes(), bytes)?))
        }));
    }
    let seen = seal(b"seen", &42_u64.to_le_bytes());
    all.push(specimen("record-seen".to_owned(), seen, &42, |bytes| {
        Reader::new(unseal(b"seen", bytes)?).u64()
    }));
    let bytes = state().to_bytes();
    all.push(specimen("file-snapshot".to_owned(), bytes, &state(), State::from_bytes));
    let backup = Backup { cluster: CLUSTER, view: view() };
    all.push(specimen("file-backup".to_owned(), backup.to_bytes(), &backup, |bytes| {
        Backup::from_bytes(bytes).map_err(|_| Unreadable::Short)
    }));
    for (name, request) in requests() {
        let to = Owner { cluster: CLUSTER, voter: VoterId(1) };
        let letter = Letter { from: VoterId(2), to, request };
        let bytes = letter.to_bytes();
        all.push(specimen(format!("request-{name}"), bytes, &letter, Letter::from_bytes));
    }
    for (name, reply) in replies() {
        let bytes = reply.to_bytes();
        all.push(specimen(format!("reply-{name}"), bytes, &reply, Reply::from_bytes));
    }
    all
}

fn corpus() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus/v1")
}

#[test]
fn everything_that_was_ever_written_is_still_understood() {
    let mut names = BTreeSet::new();
    for specimen in specimens() {
        let file = corpus().join(&specimen.name);
        let kept = std::fs::read(&file).unwrap_or_else(|_| panic!("{} is kept", specimen.name));
        assert!((specimen.understood)(&kept), "{} means something else now", specimen.name);
        names.insert(specimen.name);
    }
    for file in std::fs::read_dir(corpus()).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        // What begins so is read by the tests of the shared disk.
        let elsewhere = name == "ledger.db" || name.starts_with("disk-");
        assert!(names.contains(&name) || elsewhere, "no test reads {name}");
    }
}

#[test]
fn what_is_written_now_is_what_version_1_reads() {
    for specimen in specimens() {
        let kept = std::fs::read(corpus().join(&specimen.name)).unwrap();
        assert_eq!(kept, specimen.bytes, "{} changed without a new version", specimen.name);
    }
}

#[test]
fn no_message_or_record_that_was_cut_is_taken_for_another() {
    for specimen in specimens() {
        for length in 0..specimen.bytes.len() {
            assert!(!(specimen.understood)(&specimen.bytes[..length]), "{}", specimen.name);
        }
    }
}

#[test]
fn a_message_of_a_version_that_is_not_known_is_refused_by_its_number() {
    for (_, request) in requests() {
        let to = Owner { cluster: CLUSTER, voter: VoterId(1) };
        let mut bytes = Letter { from: VoterId(2), to, request }.to_bytes();
        bytes[0] = crate::FORMAT + 1;
        let expected = Unreadable::TooNew { found: crate::FORMAT + 1, known: crate::FORMAT };
        assert_eq!(Letter::from_bytes(&bytes).unwrap_err(), expected);
    }
}

#[test]
fn the_whole_file_of_a_voter_is_still_understood() {
    let directory = tempfile::TempDir::new().unwrap();
    std::fs::copy(corpus().join("ledger.db"), directory.path().join("ledger.db")).unwrap();
    let owner = Owner { cluster: CLUSTER, voter: VoterId(2) };
    let file = super::file::File::open(directory.path(), owner).unwrap();
    let (_, found) = super::machine::load(&file).unwrap();
    assert_eq!(found, state());
    assert!(super::log::Loaded::from(&file).is_ok());
}

/// Run by hand when a new kind of record or message is added. It never writes over a file.
#[test]
#[ignore = "adds to the corpus"]
fn add_what_is_new_to_the_corpus() {
    std::fs::create_dir_all(corpus()).unwrap();
    for specimen in specimens() {
        let file = corpus().join(&specimen.name);
        if !file.exists() {
            std::fs::write(file, specimen.bytes).unwrap();
        }
    }
    if corpus().join("ledger.db").exists() {
        return;
    }
    let directory = tempfile::TempDir::new().unwrap();
    let owner = Owner { cluster: CLUSTER, voter: VoterId(2) };
    let mut file = super::file::File::create(&directory.path().join("ledger"), owner).unwrap();
    let mut writes = super::machine::first_snapshot(&state());
    let mut entry = entries().remove(1).1;
    entry.log_id = place(43);
    writes.push(super::store::Write::Purge(42, place_record("purged", &place(42))));
    writes.push(super::store::Write::Log(vec![(43, entry_record(&entry))]));
    writes.push(super::store::Write::Note("vote", vote_record(&Vote::new_committed(7, 2))));
    writes.push(super::store::Write::Note("committed", place_record("committed", &place(42))));
    super::store::at_once(&mut file, writes).unwrap();
    drop(file);
    std::fs::copy(directory.path().join("ledger/ledger.db"), corpus().join("ledger.db")).unwrap();
    assert_eq!(Generation(1), state().view.voters.generation);
}
