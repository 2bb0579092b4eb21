//! Any input: no panic, and what is refused changes nothing.

use tsugi_files::answers::{Cursor, ReadDuplicates, Terms};
use tsugi_files::definition::{
    Access, Definition, Duplicates, Flaw, Key, Lengths, Organization, PARTS_MAX, Part, RECORD_MAX,
};
use tsugi_files::front::{Area, Closing, Front, Next, Verb};
use tsugi_files::open::{Mode, Opened, Opening};
use tsugi_files::operation::{
    Answer, Deleted, Direction, Edge, Failure, Malformed, Operation, Placing, Relation, Replaced,
    Stand, Wanted,
};
use tsugi_files::print::{Advancing, Control, Feed, Owed};
use tsugi_files::records::{Entry, Records};
use tsugi_files::status::Status;

use super::chance::Chance;
use super::memory::Memory;
use super::schedule::Kind;

/// Every relation that START may name.
pub const RELATIONS: [Relation; 7] = [
    Relation::Equal,
    Relation::Greater,
    Relation::AtLeast,
    Relation::Less,
    Relation::AtMost,
    Relation::First,
    Relation::Last,
];

fn bytes(chance: &mut Chance, longest: u64) -> Vec<u8> {
    let length = chance.below(longest + 1);
    (0..length).map(|_| chance.of(&[0, b' ', b'a', b'b', 0xfe, 0xff])).collect()
}

fn number(chance: &mut Chance) -> u64 {
    chance.of(&[0, 1, 2, 3, i32::MAX as u64, i32::MAX as u64 + 1, i64::MAX as u64, u64::MAX])
}

fn wanted<'a>(chance: &mut Chance, value: &'a [u8]) -> Wanted<'a> {
    match chance.below(4) {
        0 => Wanted::Number(number(chance)),
        _ => Wanted::Key { number: usize::try_from(chance.below(6)).expect("small"), value },
    }
}

/// Any operation at all, fitting the file or not.
fn operation<'a>(chance: &mut Chance, bytes: &'a [u8]) -> Operation<'a> {
    let number = number(chance);
    match chance.below(6) {
        0 => Operation::Read(wanted(chance, bytes)),
        1 => Operation::Step {
            direction: chance.of(&[Direction::Next, Direction::Previous]),
            stand: chance.of(&[Stand::Opened, Stand::Started, Stand::Passed]),
            edge: chance.of(&[Edge::Inside, Edge::End, Edge::Beginning, Edge::Both]),
            largest: chance.of(&[None, Some(0), Some(2)]),
        },
        2 => Operation::Start { relation: chance.of(&RELATIONS), wanted: wanted(chance, bytes) },
        3 => {
            let ascending = [Placing::AscendingFromEmpty, Placing::Ascending];
            let feed = chance.of(&[Feed::Lines(0), Feed::Lines(2), Feed::Page, Feed::Nothing]);
            let advancing = chance.of(&[Advancing::Before(feed), Advancing::After(feed)]);
            let owed = chance.of(&[Owed::Nothing, Owed::LineFeed]);
            let printed = Placing::Printed(Control { advancing, owed });
            let other = [Placing::ByKey, Placing::Number(number), Placing::Append, printed];
            let placing = if chance.one_in(4) { chance.of(&ascending) } else { chance.of(&other) };
            Operation::Write { record: bytes, placing }
        }
        4 => {
            let replaced = [Replaced::LastRead, Replaced::SameKey, Replaced::Number(number)];
            Operation::Rewrite { record: bytes, replaced: chance.of(&replaced) }
        }
        _ => {
            let deleted = [Deleted::LastRead, Deleted::Key(bytes), Deleted::Number(number)];
            Operation::Delete(chance.of(&deleted))
        }
    }
}

#[test]
fn the_engines_side_answers_any_operation_and_one_without_success_changes_nothing() {
    for kind in Kind::all() {
        let definition = kind.declared().definition;
        for seed in 0..30 {
            let mut chance = Chance::new(seed);
            let mut records = Memory::default();
            let mut cursor = Cursor::new(&definition);
            for _ in 0..200 {
                let bytes = bytes(&mut chance, 17);
                let operation = operation(&mut chance, &bytes);
                let before = records.clone();
                let told = chance.of(&[ReadDuplicates::Told, ReadDuplicates::Untold]);
                let terms = Terms { definition: &definition, read_duplicates: told };
                let answer = cursor.answer(terms, &mut records, &operation);
                let done = answer.as_ref().is_ok_and(|answer| answer.status.is_done());
                assert!(done || records == before, "{kind:?} {operation:?}: {answer:?}");
                assert!(!matches!(answer, Err(Failure::Inconsistent)), "{kind:?} {operation:?}");
            }
        }
    }
}

#[test]
fn the_workers_side_answers_any_statement_after_any_answer() {
    for kind in Kind::all() {
        let select = kind.declared().select;
        for seed in 0..30 {
            let mut chance = Chance::new(seed);
            let mut front = Front::new(select);
            for _ in 0..300 {
                let bytes = bytes(&mut chance, 17);
                let depending =
                    chance.of(&[None, Some(i64::MIN), Some(-1), Some(3), Some(1 << 40)]);
                let area = Area { bytes: &bytes, depending, number: number(&mut chance) };
                let wanted = wanted(&mut chance, &bytes);
                let mode = [Mode::Input, Mode::Output, Mode::InputOutput, Mode::Extend];
                let relation = chance.of(&RELATIONS);
                let verb = match chance.below(11) {
                    0 => Verb::Open(chance.of(&mode)),
                    1 => Verb::Close(chance.of(&[Closing::Plain, Closing::Unit])),
                    2 => Verb::Step(chance.of(&[Direction::Next, Direction::Previous])),
                    3 => Verb::Read(wanted),
                    4 => Verb::Start(relation, wanted, depending),
                    5 => Verb::Write(area),
                    6 => Verb::Rewrite(area),
                    7 => Verb::Delete(wanted),
                    8 => Verb::Unlock,
                    9 => Verb::DeleteFile,
                    _ => {
                        front.call_ended();
                        Verb::Unlock
                    }
                };
                answered(&mut chance, &mut front, verb);
            }
        }
    }
}

fn answered(chance: &mut Chance, front: &mut Front, verb: Verb<'_>) {
    match front.verb(verb) {
        Next::Answered(_) | Next::DeleteFile => {}
        Next::Open(mode) => {
            let opened = chance.of(&[Opened::Kept, Opened::Made, Opened::Absent]);
            front.opened(mode, Opening::Done(Status::Done, opened));
            assert_eq!(front.mode(), Some(mode));
        }
        Next::Ask(operation) => {
            let status = chance.of(&Status::ALL);
            let record = chance.one_in(2).then(|| bytes(chance, 40));
            front.answered(&operation, &Answer { status, record, number: None });
        }
    }
}

#[test]
fn keys_read_back_as_they_were_written_and_other_bytes_are_refused() {
    let lengths = Lengths { min: 7, max: 16 };
    let declared = Kind::of(Organization::Indexed, Access::Dynamic).declared();
    let written = declared.definition.key_bytes();
    let read = Definition::from_catalogue(2, lengths, &written);
    assert_eq!(read.as_ref(), Ok(&declared.definition));
    for end in 0..written.len() {
        assert!(Definition::from_catalogue(2, lengths, &written[..end]).is_err(), "{end} bytes");
    }
    let longer = [written.as_slice(), &[0]].concat();
    assert_eq!(Definition::from_catalogue(2, lengths, &longer), Err(Flaw::Bytes));
    assert_eq!(Definition::from_catalogue(9, lengths, &written), Err(Flaw::Bytes));
    let mut chance = Chance::new(1);
    for _ in 0..20_000 {
        let mut changed = written.clone();
        let at = usize::try_from(chance.below(changed.len() as u64)).expect("an index");
        changed[at] = u8::try_from(chance.below(256)).expect("a byte");
        if let Ok(other) = Definition::from_catalogue(2, lengths, &changed) {
            assert_eq!(other.key_bytes(), changed, "two files, one form");
        }
    }
}

#[test]
fn what_can_be_no_file_is_refused() {
    let part = |offset, length| Part { offset, length };
    let key = |parts: Vec<Part>| Key { parts, duplicates: Duplicates::Refused, suppressed: None };
    let file = |organization, min, max, keys| {
        Definition::new(organization, Lengths { min, max }, keys).map(|_| ())
    };
    let indexed = Organization::Indexed;
    let one = || vec![key(vec![part(0, 4)])];
    assert_eq!(file(indexed, 4, RECORD_MAX, one()), Ok(()));
    assert_eq!(file(indexed, 4, RECORD_MAX + 1, one()), Err(Flaw::Record));
    assert_eq!(file(Organization::Relative, 0, 0, vec![]), Err(Flaw::Record));
    assert_eq!(file(indexed, 9, 8, one()), Err(Flaw::Lengths));
    assert_eq!(file(indexed, 4, 8, vec![]), Err(Flaw::Keys));
    assert_eq!(file(indexed, 4, 8, vec![key(vec![part(0, 1)]); 256]), Err(Flaw::Keys));
    assert_eq!(file(Organization::Sequential, 4, 8, one()), Err(Flaw::Keys));
    assert_eq!(file(indexed, 4, 8, vec![key(vec![])]), Err(Flaw::Parts(0)));
    assert_eq!(file(indexed, 4, 8, vec![key(vec![part(0, 0)])]), Err(Flaw::Parts(0)));
    let many = vec![part(0, 1); PARTS_MAX + 1];
    assert_eq!(file(indexed, 4, 8, vec![key(many)]), Err(Flaw::Parts(0)));
    assert_eq!(file(indexed, 4, 8, vec![key(vec![part(1, 4)])]), Err(Flaw::Outside(0)));
    let far = vec![key(vec![part(u32::MAX, 4)])];
    assert_eq!(file(indexed, 4, 8, far), Err(Flaw::Outside(0)));
    let double = Key { duplicates: Duplicates::Allowed, ..key(vec![part(0, 4)]) };
    assert_eq!(file(indexed, 4, 8, vec![double]), Err(Flaw::Primary));
}

#[test]
fn rows_that_contradict_each_other_are_told_and_never_answered() {
    let definition = Kind::of(Organization::Indexed, Access::Dynamic).declared().definition;
    let terms = Terms { definition: &definition, read_duplicates: ReadDuplicates::Untold };
    let mut records = Memory::default();
    let entry = Entry { key: b"xx".to_vec(), place: 1, primary: b"ka".to_vec() };
    records.put_entry(1, &entry).expect("memory");
    let mut cursor = Cursor::new(&definition);
    let read = Operation::Read(Wanted::Key { number: 1, value: b"xx" });
    assert_eq!(cursor.answer(terms, &mut records, &read), Err(Failure::Inconsistent));
    records.put(b"kb", b"kb1xx1s").expect("memory");
    let delete = Operation::Delete(Deleted::Key(b"kb"));
    assert_eq!(cursor.answer(terms, &mut records, &delete), Err(Failure::Inconsistent));
    for record in [b"short".as_slice(), b"longer than sixteen"] {
        let write = Operation::Write { record, placing: Placing::ByKey };
        let told = Err(Failure::Malformed(Malformed::RecordLength));
        assert_eq!(cursor.answer(terms, &mut records, &write), told);
    }
    let nothing = Operation::Delete(Deleted::LastRead);
    let told = Err(Failure::Malformed(Malformed::NothingRead));
    assert_eq!(cursor.answer(terms, &mut records, &nothing), told);
}
