//! Every block that any version wrote stays readable: `corpus/v1/disk-*` holds one of each.

use std::fmt::Debug;
use std::path::PathBuf;

use tsugi_vocabulary::{
    BootId, Claim, Claims, Epoch, Generation, GroupName, Held, Index, NodeName, Span,
};

use super::claims::{claims_from_bytes, claims_to_bytes};
use super::frame::{Entry, Frame, blocks, record};
use super::layout::{Layout, Made, Title, Whose};
use super::store::BLOCK;
use super::vow::{Term, Vow};
use super::word::{Answer, Petition, Reply, Word};
use crate::format::Unreadable;
use crate::{Change, ClusterId, Command, Key, Outcome, Voter, VoterId, VotersRefused};

const WHOSE: Whose = Whose {
    cluster: ClusterId(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff),
    disk: BootId(0xd15c_0000_0000_0000_0000_0000_0000_0001),
};
const SEAT: usize = 1;

type Understood = Box<dyn Fn(&[u8]) -> bool>;

struct Specimen {
    name: &'static str,
    bytes: Vec<u8>,
    understood: Understood,
}

fn specimen<T: Debug + 'static>(
    name: &'static str,
    bytes: Vec<u8>,
    value: &T,
    read: impl Fn(&[u8]) -> Result<T, Unreadable> + 'static,
) -> Specimen {
    let printed = format!("{value:?}");
    let understood =
        move |bytes: &[u8]| read(bytes).is_ok_and(|found| format!("{found:?}") == printed);
    Specimen { name, bytes, understood: Box::new(understood) }
}

fn node(name: &str) -> NodeName {
    NodeName::new(name).unwrap()
}

fn title() -> Title {
    let layout = Layout { seats: 2, petition_box: 5 << 20, area: 10 << 20 };
    Title { made: Made::Whole, whose: WHOSE, layout, nodes: vec![node("node1"), node("node2")] }
}

fn entries() -> Vec<Entry> {
    let key = |text: &str| Key::new(text).unwrap();
    let change = Change::new()
        .when(key("owner/PAY"), Index(41))
        .write(key("owner/PAY"), &b"\x01{\"epoch\":[1,8]}"[..])
        .remove(key("released/PAY"));
    vec![
        Entry::Command(Command::Change(change)),
        Entry::Command(Command::RaiseLevel { level: 3 }),
        Entry::Add(Voter { id: VoterId(3), node: node("node3") }, Generation(4)),
        Entry::Remove(VoterId(2), Generation(5)),
    ]
}

fn word() -> Word {
    let life = BootId(7);
    let petition = Petition { number: 5, term: Term(17), length: 4711, sum: 0xdead_beef };
    let reply = |number, answer| Some(Reply { life, number, answer });
    let refused = Answer::Refused(VotersRefused::Busy);
    Word {
        life,
        beat: 99,
        leads: Some(Term(17)),
        committed: Index(42),
        petition: Some(petition),
        replies: vec![
            None,
            reply(1, Answer::Outcome(Outcome::Committed(Index(40)))),
            reply(2, Answer::Voters(Index(41))),
            reply(3, refused),
            reply(4, Answer::TooLarge(123)),
        ],
        pills: vec![Some(BootId(8)), None, None, None, None],
    }
}

fn claims() -> Claims {
    let claim = |counter, held| Claim {
        boot: BootId(7),
        epoch: Epoch { incarnation: 1, counter },
        ttl: Span::millis(560),
        renewed: 98,
        held,
    };
    let group = |name: &str| GroupName::new(name).unwrap();
    Claims {
        boot: BootId(8),
        number: 99,
        membership: Generation(4),
        groups: [(group("BOOK"), claim(11, Held::LetGo)), (group("PAY"), claim(12, Held::Yes))]
            .into(),
    }
}

fn specimens() -> Vec<Specimen> {
    let vow = Vow {
        number: 9,
        life: BootId(7),
        promised: Term(24),
        accepted: Term(17),
        generation: 6,
        begun: 7,
        snapshot: 8192,
    };
    let frame = Frame { term: Term(17), generation: 6, first: Index(43), entries: entries() };
    let petition = entries().remove(0);
    vec![
        specimen("disk-title", title().to_bytes(), &Some(title()), Title::from_bytes),
        specimen("disk-vow", vow.to_bytes(WHOSE, SEAT), &vow, |bytes| {
            Vow::from_bytes(bytes, WHOSE, SEAT)
        }),
        specimen("disk-word", word().to_bytes(WHOSE, SEAT), &word(), |bytes| {
            Word::from_bytes(bytes, WHOSE, SEAT)
        }),
        specimen("disk-claims", claims_to_bytes(&claims(), WHOSE, SEAT), &claims(), |bytes| {
            claims_from_bytes(bytes, WHOSE, SEAT)
        }),
        specimen("disk-petition", petition.to_bytes(), &petition, Entry::from_bytes),
        specimen("disk-frame", frame.to_blocks(WHOSE, SEAT), &frame, |bytes| {
            Frame::from_blocks(bytes, WHOSE, SEAT)
        }),
    ]
}

fn corpus() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus/v1")
}

#[test]
fn every_block_of_a_shared_disk_that_was_ever_written_is_still_understood() {
    for specimen in specimens() {
        let kept = std::fs::read(corpus().join(specimen.name));
        let kept = kept.unwrap_or_else(|_| panic!("{} is kept", specimen.name));
        assert!((specimen.understood)(&kept), "{} means something else now", specimen.name);
        assert_eq!(kept, specimen.bytes, "{} changed without a new version", specimen.name);
    }
}

#[test]
fn no_block_with_a_byte_changed_is_taken_for_another() {
    for specimen in specimens() {
        for place in 0..specimen.bytes.len().min(600) {
            let mut changed = specimen.bytes.clone();
            changed[place] ^= 0x10;
            let padding = specimen.name == "disk-frame" && place >= record_end(&specimen.bytes);
            let same = (specimen.understood)(&changed);
            assert_eq!(same, padding, "{}, byte {place}", specimen.name);
        }
    }
}

fn record_end(bytes: &[u8]) -> usize {
    8 + record(bytes).unwrap().len()
}

#[test]
fn a_block_of_another_seat_or_of_an_earlier_ledger_means_nothing() {
    let vow = Vow::default();
    let earlier = Whose { disk: BootId(1), ..WHOSE };
    assert!(Vow::from_bytes(&vow.to_bytes(WHOSE, 0), WHOSE, 1).is_err());
    assert!(Vow::from_bytes(&vow.to_bytes(earlier, 0), WHOSE, 0).is_err());
}

#[test]
fn the_fullest_word_fits_into_its_block() {
    let key = Key::new(&"k".repeat(crate::LONGEST_KEY)).unwrap();
    let outcome = Outcome::Refused { key, expected: Index(1), found: Index(2) };
    let reply = Reply { life: BootId(1), number: 1, answer: Answer::Outcome(outcome) };
    let word = Word {
        replies: vec![Some(reply); super::layout::MOST_SEATS],
        pills: vec![Some(BootId(2)); super::layout::MOST_SEATS],
        ..word()
    };
    assert_eq!(blocks(&word.to_bytes(WHOSE, SEAT)).len(), BLOCK);
}

/// Run by hand when a new kind of block is added. It never writes over a file.
#[test]
#[ignore = "adds to the corpus"]
fn add_new_blocks_to_the_corpus() {
    for specimen in specimens() {
        let file = corpus().join(specimen.name);
        if !file.exists() {
            std::fs::write(file, specimen.bytes).unwrap();
        }
    }
}
