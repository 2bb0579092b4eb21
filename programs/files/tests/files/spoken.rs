//! What is said in frames is heard as it was meant.

use tsugi_files::definition::{self, Access, Definition, Duplicates, Key, Lengths};
use tsugi_files::definition::{Organization, Part};
use tsugi_files::open::{Mode, Opened, Opening, Optional};
use tsugi_files::operation::{
    Answer, Deleted, Direction, Edge, Operation, Placing, Relation, Replaced, Stand, Wanted,
};
use tsugi_files::print::{Advancing, Control, Feed, Owed};
use tsugi_files::spoken::{self, Request, Unheard};
use tsugi_files::status::Status;
use tsugi_frames::{FileOperation, limits};

use super::fuzz::RELATIONS;

fn keyed() -> Vec<Operation<'static>> {
    let wanted = Wanted::Key { number: 2, value: b"12" };
    let mut all = vec![
        Operation::Read(wanted),
        Operation::Write { record: b"1", placing: Placing::AscendingFromEmpty },
        Operation::Write { record: b"2", placing: Placing::Ascending },
        Operation::Write { record: b"3", placing: Placing::ByKey },
        Operation::Rewrite { record: b"4", replaced: Replaced::SameKey },
        Operation::Rewrite { record: b"5", replaced: Replaced::LastRead },
        Operation::Delete(Deleted::LastRead),
        Operation::Delete(Deleted::Key(b"6")),
    ];
    all.extend(RELATIONS.map(|relation| Operation::Start { relation, wanted }));
    for direction in [Direction::Next, Direction::Previous] {
        for stand in [Stand::Opened, Stand::Started, Stand::Passed] {
            for edge in [Edge::Inside, Edge::End, Edge::Beginning, Edge::Both] {
                all.push(Operation::Step { direction, stand, edge, largest: None });
                all.push(Operation::Step { direction, stand, edge, largest: Some(9_999) });
            }
        }
    }
    all
}

const LINES: Feed = Feed::Lines(0x1234);

const fn printed(advancing: Advancing, owed: Owed) -> Placing {
    Placing::Printed(Control { advancing, owed })
}

fn numbered() -> Vec<Operation<'static>> {
    let wanted = Wanted::Number(u64::MAX);
    vec![
        Operation::Read(wanted),
        Operation::Start { relation: Relation::AtMost, wanted: Wanted::Number(0) },
        Operation::Write { record: b"", placing: Placing::Number(7) },
        Operation::Write { record: b"1", placing: Placing::Append },
        Operation::Write {
            record: b"2",
            placing: printed(Advancing::Before(Feed::Page), Owed::Nothing),
        },
        Operation::Write {
            record: b"3",
            placing: printed(Advancing::After(LINES), Owed::LineFeed),
        },
        Operation::Write {
            record: b"4",
            placing: printed(Advancing::After(Feed::Nothing), Owed::Nothing),
        },
        Operation::Write {
            record: b"5",
            placing: printed(Advancing::Counted { before: 0, behind: 0x102 }, Owed::Nothing),
        },
        Operation::Rewrite { record: b"2", replaced: Replaced::Number(8) },
        Operation::Delete(Deleted::Number(9)),
    ]
}

#[test]
fn every_operation_is_heard_as_it_was_meant() {
    for (organization, all) in
        [(Organization::Indexed, keyed()), (Organization::Relative, numbered())]
    {
        for meant in all {
            let said = spoken::operation_said(&meant);
            assert_eq!(spoken::operation_heard(&said, organization), Ok(meant), "{said:?}");
        }
    }
}

#[test]
fn a_number_that_is_none_and_an_open_are_no_operation_on_records() {
    let short = FileOperation::Read { key: 0, value: "seven".into() };
    let heard = spoken::operation_heard(&short, Organization::Relative);
    assert_eq!(heard, Err(Unheard::Number));
    let remove = FileOperation::Remove {};
    let heard = spoken::operation_heard(&remove, Organization::Indexed);
    assert_eq!(heard, Err(Unheard::OfTheFile));
    assert_eq!(Request::heard(&remove), None);
}

#[test]
fn every_answer_is_heard_as_it_was_meant() {
    for status in Status::ALL {
        for record in [None, Some(vec![]), Some(b"record".to_vec())] {
            for number in [None, Some(0), Some(12)] {
                let answer = Answer { status, record: record.clone(), number };
                assert_eq!(spoken::answer_heard(&spoken::answer_said(&answer)), Ok(answer));
            }
        }
    }
    let none = tsugi_frames::FileResult { status: 98, number: None, records: vec![] };
    assert_eq!(spoken::answer_heard(&none), Err(Unheard::Status(98)));
}

#[test]
fn an_open_and_what_the_program_says_of_its_file_are_heard_as_they_were_meant() {
    let parts = vec![Part { offset: 0, length: 4 }, Part { offset: 6, length: 2 }];
    let key = |parts, duplicates, suppressed| Key { parts, duplicates, suppressed };
    let keys = vec![
        key(vec![Part { offset: 0, length: 6 }], Duplicates::Refused, None),
        key(parts, Duplicates::Allowed, Some(b' ')),
    ];
    let lengths = Lengths { min: 8, max: 20 };
    let differs = Definition::new(Organization::Indexed, lengths, keys).unwrap();
    let tsugi_frames::Shape { organization, shortest, longest, keys } = spoken::shape(&differs);
    let name = "F".into();
    let file = tsugi_frames::File { index: 0, name, organization, shortest, longest, keys };
    assert_eq!(spoken::listed(&file), Ok(differs.clone()));
    for mode in [Mode::Input, Mode::Output, Mode::InputOutput, Mode::Extend] {
        for differs in [None, Some(differs.clone())] {
            let (access, optional) = (Access::Dynamic, Optional::Yes);
            let asked = Request { file: 3, mode, access, optional, differs };
            assert_eq!(Request::heard(&asked.said()), Some(Ok(asked.clone())));
        }
    }
}

#[test]
fn what_open_came_to_follows_from_its_status() {
    use Opened::{Absent, Kept, Made};
    let done = Opening::Done;
    for (mode, opening) in [
        (Mode::Input, done(Status::Done, Kept)),
        (Mode::Input, done(Status::OptionalMissing, Absent)),
        (Mode::Output, done(Status::Done, Made)),
        (Mode::Output, done(Status::OptionalMissing, Made)),
        (Mode::InputOutput, done(Status::Done, Kept)),
        (Mode::InputOutput, done(Status::OptionalMissing, Made)),
        (Mode::Extend, done(Status::Done, Kept)),
        (Mode::Extend, done(Status::OptionalMissing, Made)),
        (Mode::Extend, Opening::Refused(Status::Missing)),
    ] {
        let said = spoken::opening_said(opening);
        let status = spoken::status_heard(&said).unwrap();
        assert_eq!(spoken::opening_heard(status, mode), opening, "{mode:?}");
    }
}

#[test]
fn frames_hold_what_files_may_have() {
    assert_eq!(definition::RECORD_MAX, limits::RECORD_MAX);
    assert_eq!(definition::KEYS_MAX, usize::from(limits::KEYS));
    assert_eq!(definition::PARTS_MAX, usize::from(limits::PARTS));
}
