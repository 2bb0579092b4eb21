//! The table of statuses as text: `golden/statuses.txt`.
//!
//! `TSUGI_GOLDEN=write cargo test -p tsugi-files golden` writes it anew.

use std::fmt::Write;
use std::path::Path;

use tsugi_files::definition::{Access, Lengths, Organization};
use tsugi_files::front::{Area, Closing, Front, Next, Select, Verb};
use tsugi_files::open::{
    Known, Mode, Named, Opened, Opening, Optional, Others, Presence, Recreate, Rights, delete_file,
    open,
};
use tsugi_files::operation::{Answer, Direction, Operation, Relation, Wanted};
use tsugi_files::status::Status;

const ORGANIZATIONS: [Organization; 4] = [
    Organization::LineSequential,
    Organization::Sequential,
    Organization::Indexed,
    Organization::Relative,
];
const MODES: [Mode; 4] = [Mode::Input, Mode::Output, Mode::InputOutput, Mode::Extend];
const ACCESSES: [Access; 3] = [Access::Sequential, Access::Random, Access::Dynamic];
const RECORD: &[u8] = b"abcdefgh";

#[test]
fn the_table_of_statuses_is_as_it_was_agreed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files/golden/statuses.txt");
    let table = [statuses(), opening(), deleting(), front(), positions()].join("\n");
    if std::env::var_os("TSUGI_GOLDEN").is_some() {
        std::fs::write(&path, &table).expect("the table is written");
    }
    let agreed = std::fs::read_to_string(&path).unwrap_or_default();
    for (number, (now, then)) in table.lines().zip(agreed.lines()).enumerate() {
        assert_eq!(now, then, "line {} of {}", number + 1, path.display());
    }
    assert_eq!(table.len(), agreed.len(), "{} is of another length", path.display());
}

#[test]
fn each_status_has_characters_of_its_own() {
    for (at, status) in Status::ALL.into_iter().enumerate() {
        assert_eq!(Status::of(status.characters()), Some(status));
        let before = Status::ALL.into_iter().take(at);
        assert!(before.map(Status::characters).all(|other| other < status.characters()));
    }
    assert_eq!(Status::of("99"), None);
}

fn statuses() -> String {
    let mut out = String::from("# statuses\n");
    for status in Status::ALL {
        let done = if status.is_done() { "done" } else { "not done" };
        writeln!(out, "{} {status:?}: {done}", status.characters()).expect("a string");
    }
    out
}

/// What is known of a file, in all ways.
fn named() -> Vec<(String, Named)> {
    let mut out = vec![("in no file set".to_owned(), Named::Nowhere)];
    for presence in [Presence::Missing, Presence::Fits, Presence::Differs] {
        for rights in [Rights::Change, Rights::Read] {
            for recreate in [Recreate::Refused, Recreate::Allowed] {
                for others in [Others::Share, Others::Exclude] {
                    let known = Known { presence, rights, recreate, others };
                    let name = format!("{presence:?} {rights:?} {recreate:?} {others:?}");
                    out.push((name, Named::In(known)));
                }
            }
        }
    }
    out
}

fn opening() -> String {
    let mut out = String::from("# OPEN INPUT, OUTPUT, I-O, EXTEND\n");
    for organization in ORGANIZATIONS {
        for optional in [Optional::No, Optional::Yes] {
            for (name, named) in named() {
                let each = MODES.map(|mode| match open(organization, mode, optional, named) {
                    Opening::Refused(status) => status.characters().to_owned(),
                    Opening::Done(status, opened) => format!("{} {opened:?}", status.characters()),
                });
                writeln!(out, "{organization:?} optional={optional:?} {name}: {}", each.join(", "))
                    .expect("a string");
            }
        }
    }
    out
}

fn deleting() -> String {
    let mut out = String::from("# DELETE FILE of a closed file\n");
    for (name, named) in named() {
        writeln!(out, "{name}: {}", delete_file(named).characters()).expect("a string");
    }
    out
}

fn select(organization: Organization, access: Access) -> Select {
    let lengths = Lengths { min: 8, max: 8 };
    Select { organization, access, lengths, largest: None }
}

fn verbs(organization: Organization) -> Vec<(&'static str, Verb<'static>)> {
    let wanted = match organization {
        Organization::Indexed => Wanted::Key { number: 0, value: b"ab" },
        Organization::LineSequential | Organization::Sequential | Organization::Relative => {
            Wanted::Number(1)
        }
    };
    let area = Area { bytes: RECORD, depending: None, number: 1 };
    let longer = Area { bytes: b"too long a record", depending: None, number: 1 };
    vec![
        ("OPEN", Verb::Open(Mode::Input)),
        ("READ NEXT", Verb::Step(Direction::Next)),
        ("READ PREVIOUS", Verb::Step(Direction::Previous)),
        ("READ key", Verb::Read(wanted)),
        ("START", Verb::Start(Relation::Equal, wanted, None)),
        ("START LENGTH 0", Verb::Start(Relation::Equal, wanted, Some(0))),
        ("WRITE", Verb::Write(area)),
        ("WRITE too long", Verb::Write(longer)),
        ("REWRITE", Verb::Rewrite(area)),
        ("REWRITE too long", Verb::Rewrite(longer)),
        ("DELETE", Verb::Delete(wanted)),
        ("UNLOCK", Verb::Unlock),
        ("CLOSE", Verb::Close(Closing::Plain)),
        ("CLOSE LOCK", Verb::Close(Closing::Lock)),
        ("CLOSE NO REWIND", Verb::Close(Closing::NoRewind)),
        ("CLOSE UNIT", Verb::Close(Closing::Unit)),
        ("DELETE FILE", Verb::DeleteFile),
    ]
}

fn opened(select: Select, mode: Mode) -> Front {
    let mut front = Front::new(select);
    front.opened(mode, Opening::Done(Status::Done, Opened::Kept));
    front
}

/// The same file after READ NEXT has given a record.
fn after_read(mut front: Front) -> Front {
    if let Next::Ask(operation) = front.verb(Verb::Step(Direction::Next)) {
        front.answered(&operation, &Answer::record(Status::Done, RECORD.to_vec()));
    }
    front
}

fn said(next: Next<'_>) -> String {
    match next {
        Next::Answered(status) => status.characters().to_owned(),
        Next::Open(mode) => format!("opens {mode:?}"),
        Next::DeleteFile => "deletes".to_owned(),
        Next::Ask(operation) => match operation {
            Operation::Read(_) => "asks".to_owned(),
            Operation::Step { direction, stand, edge, .. } => {
                format!("asks {direction:?} {stand:?} {edge:?}")
            }
            Operation::Start { relation, .. } => format!("asks {relation:?}"),
            Operation::Write { placing, .. } => format!("asks {placing:?}"),
            Operation::Rewrite { replaced, .. } => format!("asks {replaced:?}"),
            Operation::Delete(deleted) => format!("asks {deleted:?}"),
        },
    }
}

fn front() -> String {
    let mut out = String::from(
        "# closed, locked, INPUT, OUTPUT, I-O, EXTEND, I-O after READ, I-O in a later call\n",
    );
    for organization in ORGANIZATIONS {
        for access in ACCESSES {
            let select = select(organization, access);
            let mut locked = opened(select, Mode::Input);
            locked.verb(Verb::Close(Closing::Lock));
            let mut later = after_read(opened(select, Mode::InputOutput));
            later.call_ended();
            let fronts = [
                Front::new(select),
                locked,
                opened(select, Mode::Input),
                opened(select, Mode::Output),
                opened(select, Mode::InputOutput),
                opened(select, Mode::Extend),
                after_read(opened(select, Mode::InputOutput)),
                later,
            ];
            for (name, verb) in verbs(organization) {
                let each = fronts.map(|mut front| said(front.verb(verb))).join(", ");
                writeln!(out, "{organization:?} {access:?} {name}: {each}").expect("a string");
            }
        }
    }
    out
}

/// Its name, how the file was opened, and the statements with what the engine answers.
type Before<'a> = (&'static str, Opened, Vec<(Verb<'a>, Answer)>);

/// What READ NEXT and READ PREVIOUS go by after each other statement, of an indexed file.
fn positions() -> String {
    let mut out = String::from("# READ NEXT, READ PREVIOUS after\n");
    let select = select(Organization::Indexed, Access::Dynamic);
    let wanted = Wanted::Key { number: 0, value: b"ab" };
    let (next, previous) = (Verb::Step(Direction::Next), Verb::Step(Direction::Previous));
    let start = Verb::Start(Relation::Equal, wanted, None);
    let area = Area { bytes: RECORD, depending: None, number: 1 };
    let found = || Answer::record(Status::Done, RECORD.to_vec());
    let befores: Vec<Before<'_>> = vec![
        ("OPEN", Opened::Kept, vec![]),
        ("OPEN of an OPTIONAL file", Opened::Absent, vec![]),
        ("READ NEXT 00", Opened::Kept, vec![(next, found())]),
        ("READ NEXT 10", Opened::Kept, vec![(next, Answer::of(Status::AtEnd))]),
        ("READ PREVIOUS 10", Opened::Kept, vec![(previous, Answer::of(Status::AtEnd))]),
        (
            "READ NEXT 10, READ PREVIOUS 10",
            Opened::Kept,
            vec![(next, Answer::of(Status::AtEnd)), (previous, Answer::of(Status::AtEnd))],
        ),
        ("READ key 00", Opened::Kept, vec![(Verb::Read(wanted), found())]),
        ("READ key 23", Opened::Kept, vec![(Verb::Read(wanted), Answer::of(Status::NotFound))]),
        ("READ key of an OPTIONAL file", Opened::Absent, vec![(Verb::Read(wanted), found())]),
        ("START 00", Opened::Kept, vec![(start, Answer::of(Status::Done))]),
        ("START 23", Opened::Kept, vec![(start, Answer::of(Status::NotFound))]),
        ("START of an OPTIONAL file", Opened::Absent, vec![(start, found())]),
        (
            "START LENGTH 0",
            Opened::Kept,
            vec![(Verb::Start(Relation::Equal, wanted, Some(0)), found())],
        ),
        ("WRITE 00", Opened::Kept, vec![(Verb::Write(area), Answer::of(Status::Done))]),
        ("REWRITE 00", Opened::Kept, vec![(Verb::Rewrite(area), Answer::of(Status::Done))]),
        ("DELETE 00", Opened::Kept, vec![(Verb::Delete(wanted), Answer::of(Status::Done))]),
    ];
    for (name, opened, statements) in befores {
        let mut front = Front::new(select);
        let mode = if opened == Opened::Absent { Mode::Input } else { Mode::InputOutput };
        front.opened(mode, Opening::Done(Status::Done, opened));
        let mut said_before = String::new();
        for (verb, answer) in statements {
            match front.verb(verb) {
                Next::Ask(operation) => front.answered(&operation, &answer),
                answered => said_before = format!(" ({})", said(answered)),
            }
        }
        let mut later = front;
        later.call_ended();
        let each = [front, later].map(|mut front| {
            let other = &mut front.clone();
            format!("{}, {}", said(front.verb(next)), said(other.verb(previous)))
        });
        writeln!(out, "{name}{said_before}: {}; in a later call {}", each[0], each[1])
            .expect("a string");
    }
    out
}
