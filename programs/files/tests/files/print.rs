//! WRITE … ADVANCING: what is read back, and the bytes that leave the store, as under GnuCOBOL.

use std::fs;

use tsugi_files::definition::{Access, Definition, Lengths, Organization};
use tsugi_files::open::Mode;
use tsugi_files::operation::{Operation, Placing};
use tsugi_files::outside::{Cut, Form, More, Written};
use tsugi_files::print::outside::{Out, is_printed, is_row, out, parts};
use tsugi_files::print::{Advancing, Control, End, Feed, Line as Row, Owed, Printed};

use super::chance::Chance;
use super::gnucobol::Oracle;
use super::memory::Memory;
use super::program::Program;
use super::schedule::Kind;
use super::script::{Line, Order, Shown};

const SEQUENCES: u64 = 200;
const LINES: usize = 30;

const LINE: Kind = Kind::of(Organization::LineSequential, Access::Sequential);
const SEQUENTIAL: Kind = Kind::of(Organization::Sequential, Access::Sequential);

/// Whether what was printed is read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reads {
    Yes,
    No,
}

fn order(chance: &mut Chance, mode: Option<Mode>, reads: Reads) -> Order {
    let print = [Order::Before, Order::After, Order::Before, Order::After];
    let page = [Order::BeforePage, Order::AfterPage, Order::Write];
    match (mode, reads) {
        (None, Reads::Yes) => chance.of(&[Order::OpenOutput, Order::OpenExtend, Order::OpenInput]),
        (None, Reads::No) => chance.of(&[Order::OpenOutput, Order::OpenExtend, Order::OpenExtend]),
        (Some(_), _) if chance.one_in(6) => Order::Close,
        (Some(Mode::Input), _) => Order::Next,
        (Some(_), _) if chance.one_in(3) => chance.of(&page),
        (Some(_), _) => chance.of(&print),
    }
}

/// A random script, what is answered to it, and the records that are left.
fn script(kind: Kind, seed: u64, reads: Reads) -> (Vec<Line>, Vec<Shown>, Memory) {
    let mut chance = Chance::new(seed);
    let mut program = Program::new(kind.declared(), Memory::default());
    let (mut lines, mut all) = (Vec::new(), Vec::new());
    while lines.len() < LINES {
        let order = order(&mut chance, program.front.mode(), reads);
        let length = chance.below(9);
        let line = Line {
            length: u32::try_from(chance.below(4)).expect("a few lines"),
            depending: u32::try_from(2 + chance.below(7)).expect("a length"),
            record: (0..length).map(|_| chance.letter("abc  d")).collect(),
            ..Line::of(order)
        };
        all.push(program.run(&line));
        lines.push(line);
    }
    (lines, all, program.records)
}

fn form(definition: &Definition) -> Form {
    match (definition.organization(), definition.lengths()) {
        (Organization::LineSequential, _) => Form::Lines,
        (_, lengths) if lengths.min == lengths.max => Form::Fixed(lengths.max),
        _ => Form::Varying,
    }
}

/// The bytes that leave the store.
pub fn exported(definition: &Definition, records: &Memory) -> Vec<u8> {
    let form = form(definition);
    let (mut written, mut bytes) = (Written::new(form), Vec::new());
    for (number, held) in (1..).zip(records.content().0) {
        assert!(is_row(definition, &held.record), "{held:?}");
        match out(definition, form, held.record).expect("a row") {
            Out::Record(record) => written.add(number, &record, &mut bytes).expect("it fits"),
            Out::Raw(raw) | Out::Piece(raw) => written.add_raw(number, &raw, &mut bytes),
        }
    }
    bytes
}

/// Every answer and every byte is the same.
fn same(kind: Kind, reads: Reads) {
    let oracle = Oracle::of(kind);
    let definition = kind.declared().definition;
    let ours: Vec<_> = (0..SEQUENCES).map(|seed| script(kind, seed, reads)).collect();
    let scripts: Vec<_> = ours.iter().map(|(lines, ..)| lines.clone()).collect();
    let theirs = oracle.run(0, &scripts);
    let (mut pages, mut returns, mut read) = (0, 0, 0);
    for (number, ((lines, ours, records), theirs)) in ours.iter().zip(&theirs).enumerate() {
        let told = || lines.iter().map(|line| format!("{line}\n")).collect::<String>();
        assert_eq!(ours, theirs, "{kind:?}\n{}", told());
        let theirs = fs::read(oracle.folder().join(format!("f{number}"))).unwrap_or_default();
        let ours = exported(&definition, records);
        let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert_eq!(shown(&ours), shown(&theirs), "{kind:?}\n{}", told());
        assert_eq!(ours, theirs, "{kind:?}\n{}", told());
        pages += usize::from(ours.contains(&0x0c));
        returns += usize::from(ours.contains(&b'\r'));
        read += usize::from(lines.iter().any(|line| line.order == Order::Next));
    }
    assert!(pages > 40 && returns > 40, "{pages} with pages, {returns} with carriage returns");
    assert_eq!(read > 40, reads == Reads::Yes, "{read} were read");
}

#[test]
fn lines_with_advancing_are_read_and_exported_as_under_gnucobol() {
    same(LINE, Reads::Yes);
}

#[test]
fn records_of_one_length_with_advancing_are_read_and_exported_as_under_gnucobol() {
    same(SEQUENTIAL, Reads::Yes);
}

/// GnuCOBOL takes a control for the length of a record, and reads beside its area.
#[test]
fn records_of_several_lengths_with_advancing_are_exported_as_under_gnucobol() {
    same(SEQUENTIAL.depending(), Reads::No);
}

#[test]
fn records_of_several_lengths_are_read_as_they_were_written() {
    let kind = SEQUENTIAL.depending();
    let mut program = Program::new(kind.declared(), Memory::default());
    let mut run = |order, record: &str, depending| {
        let record = record.to_owned();
        program.run(&Line { record, depending, length: 2, ..Line::of(order) })
    };
    run(Order::OpenOutput, "", 0);
    run(Order::After, "one", 3);
    run(Order::BeforePage, "twotwo", 6);
    run(Order::Close, "", 0);
    run(Order::OpenInput, "", 0);
    let mut next = || {
        let shown = run(Order::Next, "", 0);
        (shown.status, shown.depending, shown.record.trim_end().to_owned())
    };
    assert_eq!(next(), ("00".to_owned(), 3, "one".to_owned()));
    assert_eq!(next(), ("00".to_owned(), 6, "twotwo".to_owned()));
    assert_eq!(next().0, "10");
}

#[test]
fn a_line_that_is_printed_is_imported_as_it_leaves() {
    let definition = LINE.declared().definition;
    let printed = b"\x0ctitle\n\none\r___\n\n\x0cpage two\n".as_slice();
    let mut program = Program::new(LINE.declared(), Memory::default());
    program.run(&Line::of(Order::OpenOutput));
    let mut cursor = tsugi_files::answers::Cursor::new(&definition);
    let mut cut = Cut::new(Form::Lines);
    cut.give(printed);
    while let Some(piece) = cut.next(More::None).expect("a line") {
        assert_eq!(is_printed(&piece.record), parts(&piece.record).len() > 1);
        for (record, placing) in parts(&piece.record) {
            let write = Operation::Write { record, placing };
            let terms = tsugi_files::answers::Terms {
                definition: &definition,
                read_duplicates: tsugi_files::answers::ReadDuplicates::Untold,
            };
            let answer = cursor.answer(terms, &mut program.records, &write).expect("an answer");
            assert!(answer.status.is_done(), "{answer:?}");
        }
    }
    assert_eq!(exported(&definition, &program.records), printed);
}

#[test]
fn a_full_file_takes_nothing_of_what_is_printed() {
    // Where several rows are written, there is a place for the first of them.
    for (kind, places) in [(LINE, 1), (SEQUENTIAL, 1), (SEQUENTIAL.depending(), 0)] {
        let mut program = Program::new(kind.declared(), Memory::default());
        program.run(&Line::of(Order::OpenOutput));
        let full = Line {
            record: "abcdefgh".to_owned(),
            depending: 8,
            length: 9,
            ..Line::of(Order::After)
        };
        program.run(&Line { length: 1, ..full.clone() });
        let before = program.records.content();
        program.records.quota = Some(before.0.len() + places);
        assert_eq!(program.run(&full).status, "34", "{kind:?}");
        assert_eq!(program.records.content(), before, "{kind:?}");
        program.records.quota = None;
        assert_eq!(program.run(&full).status, "00", "{kind:?}");
    }
}

#[test]
fn bytes_that_are_no_control_and_no_row_are_refused() {
    let controls: [&[u8]; 7] = [
        b"",
        b"\0\0\0",
        b"\x04\0\0\0",
        b"\0\x03\0\0",
        b"\0\x01\x01\0",
        b"\0\0\0\0\0",
        b"\x04\0\0\0\0\0",
    ];
    for bytes in controls {
        assert_eq!(Control::of(bytes), None, "{bytes:?}");
    }
    assert_eq!(Row::of(b"aX ".to_vec()), None);
    assert_eq!(Row::of(b" ".to_vec()), None);
    assert_eq!(Printed::of(b"123456789".to_vec(), 8), None);
    let printed = Printed { record: b"12".to_vec(), before: b"\n".to_vec(), behind: Vec::new() };
    let mut row = printed.clone().row(8);
    assert_eq!(Printed::of(row.clone(), 8), Some(printed));
    row[8] = 9;
    assert_eq!(Printed::of(row, 8), None);
    let line = Row::new(b"a\r".to_vec(), End::Open);
    assert_eq!(Row::of(line.clone().row(8)), Some(line));
    let lengths = Lengths { min: 0, max: 2 };
    let definition =
        Definition::new(Organization::LineSequential, lengths, vec![]).expect("a file");
    assert!(!is_row(&definition, b"abc") && is_row(&definition, b"abcE "));
    let advancing = Advancing::After(Feed::Lines(7));
    let control = Control { advancing, owed: Owed::LineFeed };
    assert_eq!(Control::of(&control.bytes()), Some(control));
    let advancing = Advancing::Counted { before: 0x0102, behind: 0x0304 };
    let counted = Control { advancing, owed: Owed::Nothing };
    assert_eq!(Control::of(&counted.bytes()), Some(counted));
    assert_ne!(Placing::Printed(control), Placing::Append);
}
