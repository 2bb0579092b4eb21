//! Every frame that version 1 writes, kept for ever: later versions must read it, and as long as
//! they say they write version 1 they must write the same bytes.
//!
//! `TSUGI_WRITE_CORPUS=1` adds files that are missing. It never changes one that is there.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use tsugi_frames::{Encoding, Frame, Kind, Number, Operation, Outcome, Standing};

use crate::ground::{read, samples, written};

/// The text of a file; written first when it is missing and that is asked for.
fn kept(name: &str, now: String) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus/v1").join(name);
    if !path.exists() && std::env::var_os("TSUGI_WRITE_CORPUS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, now).unwrap();
    }
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn digits(bytes: &[u8]) -> String {
    let mut text = String::new();
    for line in bytes.chunks(32) {
        for byte in line {
            write!(text, "{byte:02x}").unwrap();
        }
        text.push('\n');
    }
    text
}

fn bytes(digits: &str) -> Vec<u8> {
    let digits: String = digits.split_whitespace().collect();
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

#[test]
fn every_frame_of_version_1_is_read_and_still_written_the_same() {
    for (name, frame) in samples() {
        let says = frame.kind().side();
        let now = written(Encoding::Binary, &frame);
        let was = bytes(&kept(&format!("{name}.hex"), digits(&now)));
        assert_eq!(digits(&now), digits(&was), "{name}");
        read(Encoding::Binary, says, &was, std::slice::from_ref(&frame));

        let now = String::from_utf8(written(Encoding::Lines, &frame)).unwrap();
        let was = kept(&format!("{name}.json"), now.clone());
        assert_eq!(now, was, "{name}");
        read(Encoding::Lines, says, was.as_bytes(), &[frame]);
    }
}

#[test]
fn the_corpus_has_every_kind_every_operation_and_every_outcome() {
    let (mut kinds, mut numbers, mut outcomes) = (BTreeSet::new(), BTreeSet::new(), [false; 4]);
    for (_, frame) in samples() {
        kinds.insert(frame.kind());
        match frame {
            Frame::Ask(ask) => {
                numbers.extend(ask.operations.iter().map(|asked| asked.operation.number()));
            }
            Frame::Answer(answer) => {
                for outcome in answer.results {
                    outcomes[match outcome {
                        Outcome::Rows(_) => 0,
                        Outcome::Reply(_) => 1,
                        Outcome::File(_) => 2,
                        Outcome::Trouble(_) => 3,
                    }] = true;
                }
            }
            _ => {}
        }
    }
    assert!(kinds.into_iter().eq(Kind::ALL));
    let asked = Number::TABLE.into_iter().filter(|row| row.3 != Standing::InBegin);
    assert!(numbers.into_iter().eq(asked.map(|row| row.0)));
    assert_eq!(outcomes, [true; 4]);
}

#[test]
fn numbers_and_names_of_operations_are_those_of_the_program_interface() {
    let mut text = String::new();
    for (at, (number, wire, name, standing)) in Number::TABLE.into_iter().enumerate() {
        assert_eq!(number as usize, at, "the table is in the order of the operations");
        let known = Number::of(wire);
        assert_eq!(known, (standing != Standing::InBegin).then_some(number), "{name}");
        writeln!(text, "{wire} {name} {standing:?}").unwrap();
    }
    assert_eq!(text, kept("operations.txt", text.clone()));
}

#[test]
fn lines_name_an_operation_as_the_table_does() {
    for (_, frame) in samples() {
        let Frame::Ask(ask) = frame else { continue };
        for asked in ask.operations {
            let name = format!("\"{}\"", asked.operation.number().name());
            let is_file = matches!(asked.operation, Operation::File(_));
            let one = Frame::Ask(tsugi_frames::Ask { turn: ask.turn, operations: vec![asked] });
            let line = String::from_utf8(written(Encoding::Lines, &one)).unwrap();
            let before = if is_file { "\"do\":{\"file\":{" } else { "\"do\":{" };
            assert!(line.contains(&format!("{before}{name}")), "{name} in {line}");
        }
    }
}
