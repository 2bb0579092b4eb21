//! What is answered otherwise than by GnuCOBOL, on purpose: each met by a script of its own.

use tsugi_files::definition::{Access, Definition, Duplicates, Key, Lengths, Organization, Part};
use tsugi_files::open::{Mode, Named, Opening, Optional, Presence, open};
use tsugi_files::operation::Relation;
use tsugi_files::records::{Records, number_key};
use tsugi_files::status::Status;

use super::gnucobol::Oracle;
use super::memory::Memory;
use super::program::Program;
use super::schedule::Kind;
use super::script::{Length, Line, Order, Shown};

const INDEXED: Organization = Organization::Indexed;
const RELATIVE: Organization = Organization::Relative;

fn line(order: Order) -> Line {
    Line { depending: 16, ..Line::of(order) }
}

fn with(order: Order, record: &str) -> Line {
    Line { record: record.to_owned(), ..line(order) }
}

fn at(order: Order, number: u32) -> Line {
    Line { number, record: format!("record {number}"), ..line(order) }
}

/// What the tables and what GnuCOBOL answers to a script.
fn both(kind: Kind, script: &[Line]) -> (Vec<Shown>, Vec<Shown>) {
    let mut program = Program::new(kind.declared(), Memory::default());
    let ours = script.iter().map(|line| program.run(line)).collect();
    let mut theirs = Oracle::of(kind).run(0, &[script.to_vec()]);
    (ours, theirs.pop().expect("one script"))
}

fn statuses(shown: &[Shown]) -> String {
    shown.iter().map(|shown| shown.status.as_str()).collect::<Vec<_>>().join(" ")
}

/// Status, and the record as far as it is one that was read.
fn read(shown: &Shown) -> (&str, &str) {
    (&shown.status, shown.record.trim_end())
}

#[test]
fn a_name_that_no_file_set_has_is_31_and_gnucobol_opens_any_path() {
    for mode in [Mode::Input, Mode::Output, Mode::InputOutput, Mode::Extend] {
        let opening = open(INDEXED, mode, Optional::Yes, Named::Nowhere);
        assert_eq!(opening, Opening::Refused(Status::NoSuchName));
    }
    let kind = Kind::of(INDEXED, Access::Dynamic);
    let theirs = Oracle::of(kind).run(0, &[vec![line(Order::OpenOutput)]]);
    assert_eq!(statuses(&theirs[0]), "00");
}

#[test]
fn fewer_keys_are_39_at_open_and_gnucobol_says_00() {
    let kind = Kind::of(INDEXED, Access::Dynamic);
    let mut program = Program::new(kind.declared(), Memory::default());
    let catalogue = kind.declared().definition;
    let keys = catalogue.keys().iter().take(1).cloned().collect();
    let of = |organization, min, max, keys| {
        Definition::new(organization, Lengths { min, max }, keys).expect("a file")
    };
    let fewer = of(INDEXED, 7, 16, keys);
    let longer = of(INDEXED, 7, 17, catalogue.keys().to_vec());
    let shortest = of(INDEXED, 8, 16, catalogue.keys().to_vec());
    let other = of(RELATIVE, 7, 16, Vec::new());
    for differs in [&fewer, &longer, &other] {
        assert_eq!(Presence::of(differs, Some(&catalogue)), Presence::Differs, "{differs:?}");
    }
    assert_eq!(Presence::of(&shortest, Some(&catalogue)), Presence::Fits);
    assert_eq!(Presence::of(&fewer, None), Presence::Missing);
    program.presence = Presence::of(&fewer, Some(&catalogue));
    assert_eq!(program.run(&line(Order::OpenInput)).status, "39");
    let oracle = Oracle::of(kind);
    oracle.run(0, &[vec![line(Order::OpenOutput), with(Order::Write, "ka1xx1s")]]);
    let source = include_str!("oracle/indexed.cbl")
        .replace("@ACCESS@", "dynamic")
        .replace("@OPTIONAL@", "")
        .replace("    alternate record key is A with duplicates\n", "")
        .replace("    alternate record key is U source is U1 U2 @U@\n", "")
        .replace("    alternate record key is S with duplicates suppress when space\n", "");
    let other = Oracle::compile(&without_alternates(&source));
    std::fs::copy(oracle.folder().join("f0"), other.folder().join("f0")).expect("the file");
    assert_eq!(statuses(&other.run(0, &[vec![line(Order::OpenInput)]])[0]), "00");
}

#[test]
fn of_two_keys_at_the_same_byte_that_asked_for_is_read_and_gnucobol_reads_the_first() {
    let kind = Kind::of(INDEXED, Access::Dynamic);
    let mut declared = kind.declared();
    let part = |length| vec![Part { offset: 0, length }];
    let key = |length, duplicates| Key { parts: part(length), duplicates, suppressed: None };
    let keys = vec![key(2, Duplicates::Refused), key(1, Duplicates::Allowed)];
    declared.definition =
        Definition::new(INDEXED, Lengths { min: 7, max: 16 }, keys).expect("a file");
    let script = [
        line(Order::OpenOutput),
        with(Order::Write, "kb second by key, first written"),
        with(Order::Write, "ka"),
        line(Order::Close),
        line(Order::OpenInput),
        Line { key: 1, ..with(Order::Read, "k") },
    ];
    let mut program = Program::new(declared, Memory::default());
    let ours: Vec<_> = script.iter().map(|line| program.run(line)).collect();
    assert_eq!(statuses(&ours), "00 00 02 00 00 00");
    assert!(ours[5].record.starts_with("kb"), "{:?}", ours[5]);
    let source = include_str!("oracle/indexed.cbl")
        .replace("@ACCESS@", "dynamic")
        .replace("@OPTIONAL@", "")
        .replace("   05 K pic xx.", "   05 K.\n      10 B pic x.\n      10 filler pic x.")
        .replace("alternate record key is A", "alternate record key is B")
        .replace("alternate record key is U source is U1 U2 @U@", "")
        .replace("    alternate record key is S with duplicates suppress when space\n", "")
        .replace("read F key is A", "read F key is B");
    let source = source.replace("    when 1 read", "    when 9 read");
    let source = without_alternates(&source).replace("    when 9 read", "    when 1 read");
    let theirs = Oracle::compile(&source).run(0, &[script.to_vec()]);
    assert_eq!(statuses(&theirs[0]), "00 00 02 00 00 00");
    assert!(theirs[0][5].record.starts_with("ka"), "{:?}", theirs[0][5]);
}

#[test]
fn a_file_closed_with_lock_is_not_closed_again_and_gnucobol_unlocks_it_so() {
    let script = [Order::OpenOutput, Order::CloseLock, Order::OpenInput, Order::Close];
    let mut script: Vec<_> = script.map(line).to_vec();
    script.push(line(Order::OpenInput));
    let (ours, theirs) = both(Kind::of(RELATIVE, Access::Dynamic), &script);
    assert_eq!(statuses(&ours), "00 00 38 42 38");
    assert_eq!(statuses(&theirs), "00 00 38 00 00");
}

#[test]
fn a_changed_primary_key_is_21_in_sequential_access_and_gnucobol_writes_another_record() {
    let kind = Kind::of(INDEXED, Access::Sequential).duplicates();
    let script = [
        line(Order::OpenOutput),
        with(Order::Write, "ka1xx1s"),
        line(Order::Close),
        line(Order::OpenBoth),
        line(Order::Next),
        with(Order::Rewrite, "kb1xx1s"),
        line(Order::Close),
        line(Order::OpenInput),
        line(Order::Next),
    ];
    let (ours, theirs) = both(kind, &script);
    assert_eq!(statuses(&ours), "00 00 00 00 00 21 00 00 00");
    assert_eq!(statuses(&theirs), "00 00 00 00 00 00 00 00 00");
    assert_eq!(read(&ours[8]).1, "ka1xx1s");
    assert_eq!(read(&theirs[8]).1, "kb1xx1s");
}

#[test]
fn a_unique_alternate_can_be_rewritten_in_sequential_access_and_gnucobol_always_says_22() {
    let script = [
        line(Order::OpenOutput),
        with(Order::Write, "ka1xx1s"),
        line(Order::Close),
        line(Order::OpenBoth),
        line(Order::Next),
        with(Order::Rewrite, "ka1xx1s otherwise"),
    ];
    let (ours, theirs) = both(Kind::of(INDEXED, Access::Sequential), &script);
    assert_eq!(statuses(&ours), "00 00 00 00 00 00");
    assert_eq!(statuses(&theirs), "00 00 00 00 00 22");
}

#[test]
fn start_goes_by_the_leading_bytes_of_a_split_key_and_gnucobol_says_23() {
    let leading =
        Line { length: 1, key: 2, ..with(Order::Start(Relation::Equal, Length::Leading), "ka1") };
    let script = [
        line(Order::OpenOutput),
        with(Order::Write, "ka1xx1s"),
        line(Order::Close),
        line(Order::OpenInput),
        leading,
    ];
    let (ours, theirs) = both(Kind::of(INDEXED, Access::Dynamic), &script);
    assert_eq!(statuses(&ours), "00 00 00 00 00");
    assert_eq!(statuses(&theirs), "00 00 00 00 23");
}

/// The program without the statements that go by an alternate key.
fn without_alternates(source: &str) -> String {
    let dropped = ["\"1 ", "\"2 ", "\"3 ", "1 read", "2 read", "3 read"];
    let kept = |line: &&str| !dropped.iter().any(|what| line.contains(&format!("when {what}")));
    source.lines().filter(kept).collect::<Vec<_>>().join("\n")
}

/// A relative file with these numbers, and then this.
fn relative(numbers: &[u32], then: &[Line]) -> Vec<Line> {
    let mut script = vec![line(Order::OpenOutput)];
    script.extend(numbers.iter().map(|number| at(Order::Write, *number)));
    script.push(line(Order::Close));
    script.extend_from_slice(then);
    script
}

#[test]
fn read_previous_of_a_relative_file_gives_each_record_and_gnucobol_skips_some() {
    let mut then = vec![line(Order::OpenBoth), at(Order::Read, 5)];
    then.extend(std::iter::repeat_n(line(Order::Previous), 3));
    let script = relative(&[1, 2, 3, 4, 5], &then);
    let (ours, theirs) = both(Kind::of(RELATIVE, Access::Dynamic), &script);
    let numbers = |shown: &[Shown]| shown[9..].iter().map(|shown| shown.number).collect::<Vec<_>>();
    assert_eq!(numbers(&ours), [4, 3, 2]);
    assert_eq!(numbers(&theirs), [4, 1, 0]);
}

#[test]
fn read_previous_of_a_relative_file_goes_as_in_an_indexed_one() {
    let start = at(Order::Start(Relation::AtMost, Length::Whole), 3);
    let then = [
        line(Order::OpenInput),
        line(Order::Previous),
        line(Order::Next),
        start,
        line(Order::Previous),
        line(Order::Previous),
        line(Order::Previous),
        line(Order::Next),
        at(Order::Read, 5),
        line(Order::Next),
        line(Order::Previous),
    ];
    let mut program =
        Program::new(Kind::of(RELATIVE, Access::Dynamic).declared(), Memory::default());
    let ours: Vec<_> = relative(&[1, 2, 5], &then).iter().map(|line| program.run(line)).collect();
    assert_eq!(statuses(&ours[5..]), "00 10 00 00 00 00 10 00 00 10 00");
    let numbers: Vec<_> = ours[7..].iter().map(|shown| shown.number).collect();
    assert_eq!(numbers, [1, 3, 2, 1, 0, 1, 5, 0, 5]);
}

#[test]
fn a_number_without_record_is_23_and_gnucobol_says_00_below_the_greatest() {
    let then = [line(Order::OpenBoth), at(Order::Rewrite, 2), at(Order::Delete, 2)];
    let read = at(Order::Read, 2);
    let script = relative(&[1, 3], &[then.as_slice(), &[read]].concat());
    let (ours, theirs) = both(Kind::of(RELATIVE, Access::Dynamic), &script);
    assert_eq!(statuses(&ours[5..]), "23 23 23");
    assert_eq!(statuses(&theirs[5..]), "00 00 23");
}

#[test]
fn a_write_that_is_refused_leaves_the_position_and_gnucobol_reads_half_a_record() {
    let then = [line(Order::OpenBoth), at(Order::Read, 2), at(Order::Write, 1), line(Order::Next)];
    let (ours, theirs) = both(Kind::of(RELATIVE, Access::Dynamic), &relative(&[1, 2, 3, 4], &then));
    assert_eq!(statuses(&ours[6..]), "00 00 22 00");
    assert_eq!(read(&ours[9]), ("00", "record 3"));
    assert_ne!(read(&theirs[9]).1, "record 3");
}

#[test]
fn a_rewritten_relative_record_has_its_new_length_and_gnucobol_keeps_the_old_one() {
    let kind = Kind::of(RELATIVE, Access::Dynamic).depending();
    let of = |order, depending| Line { depending, ..at(order, 1) };
    let script = [
        line(Order::OpenOutput),
        of(Order::Write, 3),
        line(Order::Close),
        line(Order::OpenBoth),
        of(Order::Rewrite, 5),
        of(Order::Read, 8),
    ];
    let (ours, theirs) = both(kind, &script);
    assert_eq!(statuses(&ours), statuses(&theirs));
    assert_eq!((ours[5].depending, theirs[5].depending), (5, 3));
}

#[test]
fn extend_goes_on_behind_the_last_record_and_gnucobol_behind_the_greatest_number() {
    let kind = Kind::of(RELATIVE, Access::Sequential);
    let then = [
        line(Order::OpenBoth),
        line(Order::Next),
        line(Order::Next),
        at(Order::Delete, 2),
        line(Order::Close),
        line(Order::OpenExtend),
        at(Order::Write, 0),
    ];
    let (ours, theirs) = both(kind, &relative(&[1, 2], &then));
    assert_eq!(statuses(&ours), statuses(&theirs));
    let last = |shown: &[Shown]| shown.last().map(|shown| shown.number);
    assert_eq!((last(&ours), last(&theirs)), (Some(2), Some(3)));
}

#[test]
fn delete_in_sequential_access_takes_the_record_read_and_gnucobol_that_of_the_relative_key() {
    let kind = Kind::of(RELATIVE, Access::Sequential);
    let then = [line(Order::OpenBoth), line(Order::Next), at(Order::Delete, 2), line(Order::Next)];
    let (ours, theirs) = both(kind, &relative(&[1, 2, 3], &then));
    assert_eq!(statuses(&ours), statuses(&theirs));
    let last = |shown: &[Shown]| shown.last().map(|shown| shown.number);
    assert_eq!((last(&ours), last(&theirs)), (Some(2), Some(3)));
}

#[test]
fn a_line_feed_within_a_line_is_read_back_and_gnucobol_reads_two_lines() {
    let kind = Kind::of(Organization::LineSequential, Access::Sequential);
    let script = [
        line(Order::OpenOutput),
        with(Order::Write, "a~b^c"),
        line(Order::Close),
        line(Order::OpenInput),
        line(Order::Next),
        line(Order::Next),
    ];
    let (ours, theirs) = both(kind, &script);
    assert_eq!([read(&ours[4]), read(&ours[5])], [("00", "a~b^c"), ("10", "")]);
    assert_eq!([read(&theirs[4]), read(&theirs[5])], [("00", "a"), ("00", "bc")]);
}

// ---- the same, where random sequences do not come ----

#[test]
fn a_record_that_breaks_off_at_the_files_end_is_04_under_both() {
    let kind = Kind::of(Organization::Sequential, Access::Sequential);
    let script = [Order::OpenBoth, Order::Next, Order::Next, Order::Rewrite, Order::Next].map(line);
    let oracle = Oracle::of(kind);
    std::fs::write(oracle.folder().join("f0"), "abcdefghxyz").expect("a file");
    let theirs = oracle.run(0, &[script.to_vec()]);
    let mut program = Program::new(kind.declared(), Memory::default());
    program.presence = Presence::Fits;
    for (number, record) in [(1, "abcdefgh"), (2, "xyz")] {
        program.records.put(&number_key(number), record.as_bytes()).expect("memory");
    }
    let ours: Vec<_> = script.iter().map(|line| program.run(line)).collect();
    assert_eq!(statuses(&ours), "00 00 04 43 10");
    assert_eq!(ours, theirs[0]);
}

#[test]
fn a_number_that_does_not_fit_the_relative_key_is_14_under_both() {
    let kind = Kind::of(RELATIVE, Access::Sequential);
    let mut script = vec![line(Order::OpenOutput)];
    script.extend(std::iter::repeat_n(with(Order::Write, "a record"), 11));
    script.extend([line(Order::Close), line(Order::OpenInput)]);
    script.extend(std::iter::repeat_n(line(Order::Next), 12));
    let source = include_str!("oracle/relative.cbl")
        .replace("@ACCESS@", "sequential")
        .replace("@OPTIONAL@", "")
        .replace("@SIZE@", "")
        .replace("relative key is RK", "relative key is SHORT")
        .replace("key is = RK", "key is = SHORT")
        .replace("key is > RK", "key is > SHORT")
        .replace("key is >= RK", "key is >= SHORT")
        .replace("key is < RK", "key is < SHORT")
        .replace("key is <= RK", "key is <= SHORT")
        .replace("copy ", "01 SHORT pic 9.\ncopy ");
    let theirs = Oracle::compile(&source).run(0, &[script.clone()]);
    let mut declared = kind.declared();
    declared.select.largest = Some(9);
    let mut program = Program::new(declared, Memory::default());
    let ours: Vec<_> = script.iter().map(|line| program.run(line)).collect();
    assert_eq!(statuses(&ours), statuses(&theirs[0]));
    assert!(statuses(&ours).ends_with("00 14 14 14"), "{}", statuses(&ours));
}

#[test]
fn a_line_longer_than_the_area_is_cut_under_both() {
    let kind = Kind::of(Organization::LineSequential, Access::Sequential);
    let script = [Order::OpenInput, Order::Next, Order::Next, Order::Next].map(line);
    let oracle = Oracle::of(kind);
    std::fs::write(oracle.folder().join("f0"), "0123456789ABC\nab\n").expect("a file");
    let theirs = oracle.run(0, &[script.to_vec()]);
    let mut program = Program::new(kind.declared(), Memory::default());
    program.presence = Presence::Fits;
    for (number, record) in [(1, "0123456789ABC"), (2, "ab")] {
        program.records.put(&number_key(number), record.as_bytes()).expect("memory");
    }
    let ours: Vec<_> = script.iter().map(|line| program.run(line)).collect();
    assert_eq!(ours, theirs[0]);
    assert_eq!(read(&ours[1]), ("00", "01234567"));
}
