//! Files outside of the store: what GnuCOBOL writes is cut into records, and it reads what is
//! written here.
#![expect(clippy::disallowed_types, reason = "what is tried are programs with files")]

use std::fs;
use std::path::Path;
use std::process::Command;

use tsugi_files::definition::{Access, Definition, Organization};
use tsugi_files::outside::{Cut, Form, Misshapen, More, Piece, What, Written};
use tsugi_files::unload::{INDEXED, NAME, ORDER, SEQUENTIAL, Way, ordered, source};

use super::chance::Chance;
use super::schedule::Kind;

/// All records of a file, given so many bytes at a time.
fn cut(form: Form, bytes: &[u8], at_once: usize) -> Result<Vec<Piece>, Misshapen> {
    let (mut cut, mut pieces) = (Cut::new(form), Vec::new());
    for some in bytes.chunks(at_once) {
        cut.give(some);
        while let Some(piece) = cut.next(More::Perhaps)? {
            pieces.push(piece);
        }
    }
    while let Some(piece) = cut.next(More::None)? {
        pieces.push(piece);
    }
    Ok(pieces)
}

fn written(form: Form, pieces: &[Piece]) -> Result<Vec<u8>, Misshapen> {
    let (mut written, mut bytes) = (Written::new(form), Vec::new());
    for piece in pieces {
        written.add(piece.number, &piece.record, &mut bytes)?;
    }
    Ok(bytes)
}

fn piece(number: u64, record: &[u8]) -> Piece {
    Piece { number, record: record.to_vec() }
}

#[test]
fn what_is_written_is_cut_into_the_same_records() {
    let mut chance = Chance::new(3);
    for form in [Form::Fixed(5), Form::Varying, Form::Lines, Form::Places(5)] {
        for _ in 0..200 {
            let (mut number, mut pieces) = (0, Vec::new());
            for _ in 0..chance.below(6) {
                let (least, gap) = match form {
                    Form::Fixed(_) => (5, 1),
                    Form::Varying | Form::Lines => (0, 1),
                    Form::Places(_) => (1, 1 + chance.below(3)),
                };
                let length = least + chance.below(6 - least);
                number += gap;
                let byte = |chance: &mut Chance| match form {
                    Form::Lines => chance.letter("ab ~") as u8,
                    Form::Fixed(_) | Form::Varying | Form::Places(_) => chance.below(256) as u8,
                };
                let record: Vec<u8> = (0..length).map(|_| byte(&mut chance)).collect();
                pieces.push(piece(number, &record));
            }
            let bytes = written(form, &pieces).expect("it has a place");
            for at_once in [1, 3, 64] {
                assert_eq!(cut(form, &bytes, at_once).as_ref(), Ok(&pieces), "{form:?}");
            }
        }
    }
}

#[test]
fn lines_end_as_on_both_systems_and_the_last_may_lack_its_end() {
    let pieces = cut(Form::Lines, b"one\r\n\ntwo ", 2);
    assert_eq!(pieces, Ok(vec![piece(1, b"one"), piece(2, b""), piece(3, b"two ")]));
}

#[test]
fn what_is_no_record_is_told_by_its_place() {
    let wrong = |record, at, what| Err(Misshapen { record, at, what });
    assert_eq!(cut(Form::Fixed(4), b"abcdab", 8), wrong(2, 4, What::Ended));
    assert_eq!(cut(Form::Varying, b"\0\x01\0\0a\0\x05\0\0a", 8), wrong(2, 5, What::Ended));
    assert_eq!(cut(Form::Varying, b"\0\x01\0", 8), wrong(1, 0, What::Ended));
    assert_eq!(cut(Form::Varying, b"\0\x01\0\x01a", 8), wrong(1, 0, What::Length(0x1_0001)));
    let long = [9, 0, 0, 0, 0, 0, 0, 0, b'a', b'b'];
    assert_eq!(cut(Form::Places(2), &long, 8), wrong(1, 0, What::Length(9)));
    let written = |form, record: &[u8]| written(form, &[piece(1, record)]);
    let none = |what| Err(Misshapen { record: 1, at: 0, what });
    assert_eq!(written(Form::Fixed(4), b"abc"), none(What::Length(3)));
    assert_eq!(written(Form::Lines, b"a\nb"), none(What::LineEnd));
    assert_eq!(written(Form::Places(2), b""), none(What::Length(0)));
    assert_eq!(written(Form::Varying, &[0; 65_536]), none(What::Length(65_536)));
}

/// Compiles a program and runs it in its folder.
fn run(folder: &Path, name: &str, text: &str, variables: &[(&str, &str)]) -> (i32, String) {
    fs::write(folder.join(format!("{name}.cbl")), text).expect("it is written");
    let cobc = |arguments: &[&str]| {
        let done = Command::new("cobc").args(arguments).current_dir(folder).output();
        let done = done.expect("cobc is needed: apt-get install gnucobol3");
        assert!(done.status.success(), "{text}\n{}", String::from_utf8_lossy(&done.stderr));
    };
    cobc(&["-x", "-free", "-o", name, &format!("{name}.cbl")]);
    let mut program = Command::new(folder.join(name));
    program.current_dir(folder).envs(variables.iter().copied());
    let ended = program.output().expect("it runs");
    (ended.status.code().unwrap_or(-1), String::from_utf8_lossy(&ended.stderr).into_owned())
}

/// A program that writes three records, of which the second is short, under numbers 1, 2 and 4.
fn writer(organization: &str, varying: &str, key: &str) -> String {
    format!(
        "identification division.\nprogram-id. W.\nenvironment division.\ninput-output section.\n\
         file-control.\n    select F assign to \"OUT\" organization {organization}{key}.\n\
         data division.\nfile section.\nfd F{varying}.\n01 R pic x(8).\n\
         working-storage section.\n01 LEN pic 9(4) comp-5 value 8.\n01 K pic 9(4) value 1.\n\
         procedure division.\n    open output F\n    write R from \"one\"\n    \
         move 2 to K\n    move 5 to LEN\n    write R from \"two\"\n    move 4 to K\n    \
         move 8 to LEN\n    write R from \"three\"\n    close F\n    goback.\n"
    )
}

#[test]
fn what_gnucobol_writes_is_cut_into_its_records() {
    let varying = " record is varying in size from 2 to 8 depending on LEN";
    let relative = " access random relative key K";
    let all = [
        ("sequential", "", "", Form::Fixed(8), [(1, "one     "), (2, "two     "), (3, "three   ")]),
        (
            "sequential",
            varying,
            "",
            Form::Varying,
            [(1, "one     "), (2, "two  "), (3, "three   ")],
        ),
        ("line sequential", "", "", Form::Lines, [(1, "one"), (2, "two"), (3, "three")]),
        (
            "relative",
            varying,
            relative,
            Form::Places(8),
            [(1, "one     "), (2, "two  "), (4, "three   ")],
        ),
    ];
    for (organization, varying, key, form, expected) in all {
        let folder = tempfile::tempdir().expect("a folder");
        let (code, said) = run(folder.path(), "W", &writer(organization, varying, key), &[]);
        assert_eq!(code, 0, "{said}");
        let bytes = fs::read(folder.path().join("OUT")).expect("it was written");
        let pieces = cut(form, &bytes, 7).expect("its records");
        let expected = expected.map(|(number, record)| piece(number, record.as_bytes()));
        assert_eq!(pieces, expected, "{organization}{varying}");
        let again = written(form, &pieces).expect("it has a place");
        assert_eq!(cut(form, &again, 7), Ok(pieces), "{organization}{varying}");
        // What lies behind a short record in its place is nobody's.
        if !matches!(form, Form::Places(_)) {
            assert_eq!(again, bytes, "{organization}{varying}");
        }
    }
}

fn indexed() -> Definition {
    Kind::of(Organization::Indexed, Access::Dynamic).duplicates().declared().definition
}

#[test]
fn an_indexed_file_of_gnucobol_goes_out_and_in_by_a_program_of_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let records = ["ka11xx1s", "kb22xx2 rest", "la11yx1sxxxxxxxx"];
    let pieces: Vec<_> =
        (1..).zip(records).map(|(number, one)| piece(number, one.as_bytes())).collect();
    let bytes = written(Form::Varying, &pieces).expect("it has a place");
    fs::write(folder.path().join("IN"), bytes).expect("it is written");
    let into = source(&indexed(), Way::In).expect("it is indexed");
    let numbers: Vec<usize> = ordered(&indexed()).collect();
    assert_eq!(numbers, [1, 2, 3]);
    let order = |number: &usize| (format!("{ORDER}{number}"), format!("ORDER{number}"));
    let orders: Vec<(String, String)> = numbers.iter().map(order).collect();
    let files = |name| {
        let orders = orders.iter().map(|(variable, file)| (variable.as_str(), file.as_str()));
        [(INDEXED, "INDEX"), (SEQUENTIAL, name)].into_iter().chain(orders).collect::<Vec<_>>()
    };
    let (code, said) = run(folder.path(), NAME, &into, &files("IN"));
    assert_eq!(code, 0, "{into}\n{said}");
    let out = source(&indexed(), Way::Out).expect("it is indexed");
    let (code, said) = run(folder.path(), NAME, &out, &files("OUT"));
    assert_eq!(code, 0, "{said}");
    let bytes = fs::read(folder.path().join("OUT")).expect("it was written");
    assert_eq!(cut(Form::Varying, &bytes, 64), Ok(pieces));
    for (_, file) in &orders {
        let primaries = fs::read(folder.path().join(file)).expect("it was written");
        assert_eq!(String::from_utf8_lossy(&primaries), "kalakb", "{file}");
    }
    // A file that is not there is told, and so is a key that is there twice.
    let (code, said) = run(folder.path(), NAME, &out, &[(INDEXED, "NO"), (SEQUENTIAL, "OUT")]);
    assert_eq!((code, said.trim()), (1, "OPEN INPUT 35"));
    let twice = written(Form::Varying, &[piece(1, b"ka11xx1s"), piece(2, b"ka22xx2s")]);
    fs::write(folder.path().join("IN"), twice.expect("it has a place")).expect("it is written");
    let (code, said) = run(folder.path(), NAME, &into, &files("IN"));
    assert_eq!((code, said.trim()), (1, "WRITE 21"));
}

#[test]
fn only_an_indexed_file_needs_a_program() {
    let sequential = Kind::of(Organization::Sequential, Access::Sequential).declared().definition;
    assert_eq!(source(&sequential, Way::Out), None);
}
