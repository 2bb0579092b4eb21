//! Files of a store from and to files outside, listed and checked.

use tsugi_files::definition::{Access, Definition, Organization};
use tsugi_files::outside::{Form, Written};
use tsugi_service_engine::files::moving::{
    Existing, Finding, Listed, Unmoved, check, export, form, import, list,
};
use tsugi_store::{Sqlite, Store, file};

use crate::model::chance::Chance;
use crate::model::program::Program;
use crate::model::schedule::{Kind, Situation, line};
use crate::model::script::{Order, Shown};
use crate::support::Stand;

fn indexed() -> Definition {
    Kind::of(Organization::Indexed, Access::Dynamic).duplicates().declared().definition
}

fn put(
    store: &mut Sqlite,
    definition: &Definition,
    (form, bytes): (Form, &[u8]),
) -> Result<u64, Unmoved> {
    let mut from = bytes;
    import(store, ("F", Existing::Replaced), definition, (form, &mut from), 1)
}

fn got(store: &mut Sqlite, form: Form) -> Result<Vec<u8>, Unmoved> {
    let mut bytes = Vec::new();
    export(store, "F", (form, &mut bytes)).map(|_| bytes)
}

fn varying(records: &[&str]) -> Vec<u8> {
    let (mut written, mut bytes) = (Written::new(Form::Varying), Vec::new());
    for (number, record) in (1..).zip(records) {
        written.add(number, record.as_bytes(), &mut bytes).unwrap();
    }
    bytes
}

/// What a random program leaves in a file of this kind, in its own form.
fn left(kind: Kind, seed: u64) -> Vec<u8> {
    let mut chance = Chance::new(seed);
    let mut program = Program::new(kind.declared(), crate::model::memory::Memory::default());
    let mut read = Shown::parse("");
    for _ in 0..80 {
        let mode = program.front.mode();
        let line = line(&mut chance, &Situation { kind, mode, read: &read });
        let shown = program.run(&line);
        if matches!(line.order, Order::Next | Order::Previous | Order::Read) {
            read = shown;
        }
    }
    let mut written = Written::new(form(&program.declared.definition));
    let mut bytes = Vec::new();
    for (place, held) in (1..).zip(program.records.content().0) {
        let number = match kind.organization {
            Organization::Relative => tsugi_files::records::number_of(&held.key).unwrap(),
            _ => place,
        };
        // A line that has its end within has no place among lines.
        if written.add(number, &held.record, &mut bytes).is_err() {
            assert_eq!(kind.organization, Organization::LineSequential);
        }
    }
    bytes
}

#[test]
fn what_goes_in_comes_out_and_its_keys_are_whole() {
    let mut store = Stand::new().store();
    let mut moved = 0;
    for kind in Kind::all() {
        let definition = kind.declared().definition;
        for seed in 0..12 {
            let bytes = left(kind, seed);
            let count = put(&mut store, &definition, (form(&definition), &bytes)).unwrap();
            let out = got(&mut store, form(&definition)).unwrap();
            assert_eq!(out, bytes, "{kind:?}, seed {seed}");
            assert_eq!(check(&mut store, "F").unwrap(), (count, Vec::new()), "{kind:?}");
            moved += count;
        }
    }
    assert!(moved > 100, "{moved}");
}

#[test]
fn lines_become_records_and_records_lines() {
    let mut store = Stand::new().store();
    let fixed = Kind::of(Organization::Sequential, Access::Sequential).declared().definition;
    assert_eq!(put(&mut store, &fixed, (Form::Lines, b"one\ntwo\r\n")).unwrap(), 2);
    assert_eq!(got(&mut store, Form::Fixed(8)).unwrap(), b"one     two     ");
    let lines = Kind::of(Organization::LineSequential, Access::Sequential).declared().definition;
    assert_eq!(put(&mut store, &lines, (Form::Fixed(8), b"one     two     ")).unwrap(), 2);
    assert_eq!(got(&mut store, Form::Lines).unwrap(), b"one\ntwo\n");
    assert_eq!(got(&mut store, Form::Fixed(8)).unwrap(), b"one     two     ");
}

#[test]
fn what_cannot_be_moved_changes_nothing_and_is_told_by_its_record() {
    let mut store = Stand::new().store();
    let there = varying(&["ka11xx1s", "la11xx1s"]);
    assert_eq!(put(&mut store, &indexed(), (Form::Varying, &there)).unwrap(), 2);
    let wrong = [
        (varying(&["ma11xx1s", "ma22yy2s"]), "record 2: file status 22"),
        (varying(&["ma11xx1s", "m"]), "record 2 has 1 bytes, not 7 to 16"),
        (b"\0\x08\0\0ma11xx1s\0\x08\0".to_vec(), "record 2 (at byte 12): the file ends within it"),
    ];
    for (bytes, why) in wrong {
        let told = put(&mut store, &indexed(), (Form::Varying, &bytes)).unwrap_err();
        assert_eq!(told.to_string(), why);
        assert_eq!(got(&mut store, Form::Varying).unwrap(), there, "{why}");
    }
    let mut from = there.as_slice();
    let again = ("F", Existing::Refused);
    let told = import(&mut store, again, &indexed(), (Form::Varying, &mut from), 1);
    assert!(matches!(told, Err(Unmoved::There(_))), "{told:?}");
    let told = export(&mut store, "NO", (Form::Varying, &mut Vec::new()));
    assert!(matches!(told, Err(Unmoved::Missing(_))), "{told:?}");
    // Numbers have no place in lines.
    let relative = Kind::of(Organization::Relative, Access::Dynamic).declared().definition;
    let (mut written, mut bytes) = (Written::new(Form::Places(8)), Vec::new());
    written.add(3, b"record 3", &mut bytes).unwrap();
    put(&mut store, &relative, (Form::Places(8), &bytes)).unwrap();
    assert!(matches!(got(&mut store, Form::Lines), Err(Unmoved::Gap(3))));
}

#[test]
fn what_was_printed_goes_in_and_out_byte_for_byte() {
    let mut store = Stand::new().store();
    let lines = Kind::of(Organization::LineSequential, Access::Sequential).declared().definition;
    let printed = b"\x0ctitle678\n\none\r_______\n\n\x0cpage two\n".as_slice();
    assert_eq!(put(&mut store, &lines, (Form::Lines, printed)).unwrap(), 5);
    assert_eq!(got(&mut store, Form::Lines).unwrap(), printed);
    assert_eq!(check(&mut store, "F").unwrap(), (5, vec![]));
    // What READ gives of a line is a record elsewhere: no carriage return, whole.
    let fixed = got(&mut store, Form::Varying).unwrap();
    assert!(fixed.ends_with(b"\0\x09\0\0\x0cpage two"), "{fixed:?}");
    // A piece between two controls is a record of the program.
    let long = b"\x0cnine bytes\n".as_slice();
    let told = put(&mut store, &lines, (Form::Lines, long)).unwrap_err();
    assert_eq!(told.to_string(), "record 1 has 10 bytes, not 0 to 8");
    assert_eq!(got(&mut store, Form::Lines).unwrap(), printed);
    // A row that was marked otherwise is found.
    let mut unit = store.aside().unwrap();
    let mut files = file::Files::of(&mut *unit);
    let file = files.find("F").unwrap().unwrap();
    files.records(&file).put(&1_u64.to_be_bytes(), b"titleX ").unwrap();
    unit.keep().unwrap();
    store.commit().unwrap();
    let found = check(&mut store, "F").unwrap().1;
    assert_eq!(found, [Finding::Record(1_u64.to_be_bytes().to_vec())]);
    assert!(matches!(got(&mut store, Form::Lines), Err(Unmoved::Damaged)));
}

#[test]
fn files_are_listed_with_their_records() {
    let mut store = Stand::new().store();
    assert_eq!(list(&mut store).unwrap(), []);
    put(&mut store, &indexed(), (Form::Varying, &varying(&["ka11xx1s"]))).unwrap();
    let listed = Listed { name: "F".to_owned(), definition: Ok(indexed()), records: 1, most: None };
    assert_eq!(list(&mut store).unwrap(), [listed]);
}

#[test]
fn rows_that_contradict_each_other_are_found() {
    let mut store = Stand::new().store();
    let bytes = varying(&["ka11xx1s", "la22yy2s"]);
    put(&mut store, &indexed(), (Form::Varying, &bytes)).unwrap();
    let mut change = |what: &dyn Fn(&mut file::Records<'_>)| {
        let mut unit = store.aside().unwrap();
        let mut files = file::Files::of(&mut *unit);
        let file = files.find("F").unwrap().unwrap();
        what(&mut files.records(&file));
        unit.keep().unwrap();
        store.commit().unwrap();
        check(&mut store, "F").unwrap().1
    };
    let stray = file::Entry { key: b"zz".to_vec(), place: 1, of: b"zz".to_vec() };
    let added = stray.clone();
    let found = change(&|rows| assert_eq!(rows.put_entry(1, &added).unwrap(), file::Was::Missing));
    assert_eq!(found, [Finding::Stray(1, stray.clone())]);
    let found = change(&|rows| {
        rows.remove_entry(1, &stray).unwrap();
        let own = rows.entry_of(2, b"la").unwrap().unwrap();
        rows.remove_entry(2, &own).unwrap();
    });
    assert_eq!(found, [Finding::Entry(2, b"la".to_vec())]);
    let found = change(&|rows| rows.put(b"xx", b"ka11xx1s").unwrap());
    assert!(found.contains(&Finding::Record(b"xx".to_vec())), "{found:?}");
}

#[test]
fn an_import_of_more_records_than_a_file_may_have_changes_nothing() {
    let mut store = Stand::new().store();
    let lines = Kind::of(Organization::LineSequential, Access::Sequential).declared().definition;
    let two = b"one\ntwo\n".as_slice();
    assert_eq!(put(&mut store, &lines, (Form::Lines, two)).unwrap(), 2);
    let mut unit = store.aside().unwrap();
    let file = file::Files::of(&mut *unit).find("F").unwrap().unwrap();
    file::Files::of(&mut *unit).limit(&file, Some(3)).unwrap();
    unit.keep().unwrap();
    store.commit().unwrap();
    let four = b"1\n2\n3\n4\n".as_slice();
    let full = put(&mut store, &lines, (Form::Lines, four));
    assert!(matches!(full, Err(Unmoved::Full { record: 4, most: 3 })), "{full:?}");
    assert_eq!(got(&mut store, Form::Lines).unwrap(), two);
    let three = b"1\n2\n3\n".as_slice();
    assert_eq!(put(&mut store, &lines, (Form::Lines, three)).unwrap(), 3);
    assert_eq!(list(&mut store).unwrap()[0].most, Some(3), "its quota stays");
}
