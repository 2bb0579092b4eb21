//! The same schedules over records in memory and over the store's tables: the same answers.

use tsugi_files::answers::{Cursor, ReadDuplicates, Terms};
use tsugi_files::definition::{Access, Organization};
use tsugi_files::operation::{Operation, Placing, Wanted};
use tsugi_files::records::Records;
use tsugi_files::status::Status;

use super::chance::Chance;
use super::memory::Memory;
use super::program::Program;
use super::schedule::{Kind, Situation, line};
use super::script::{Line, Order, Shown};
use super::sqlite::Sqlite;

#[test]
fn memory_and_the_stores_tables_give_the_same_answers_to_the_same_schedule() {
    for kind in Kind::all() {
        for seed in 0..40 {
            same(kind, seed);
        }
    }
}

fn same(kind: Kind, seed: u64) {
    let mut chance = Chance::new(seed);
    let mut one = Program::new(kind.declared(), Memory::default());
    let mut other = Program::new(kind.declared(), Sqlite::new());
    if chance.one_in(4) {
        one.records.quota = Some(3);
        other.records.quota = Some(3);
    }
    let mut read = Shown::parse("");
    for step in 0..120 {
        let line = line(&mut chance, &Situation { kind, mode: one.front.mode(), read: &read });
        let (left, right) = (one.run(&line), other.run(&line));
        assert_eq!(left, right, "{kind:?}, seed {seed}, step {step}: {line}");
        assert_eq!(one.records.content(), other.records.content(), "{kind:?}, seed {seed}: {line}");
        checked(kind, &mut one.records);
        if matches!(line.order, Order::Next | Order::Previous | Order::Read) {
            read = left;
        }
    }
}

/// Each record has its rows and no others; places rise with the order of writing.
fn checked(kind: Kind, records: &mut Memory) {
    let declared = kind.declared();
    let (held, entries) = records.content();
    let mut expected = 0;
    for one in &held {
        for (number, key) in declared.definition.keys().iter().enumerate().skip(1) {
            let value = key.value(&one.record);
            let entry = records.entry_of(number, &one.key).expect("memory does not fail");
            let there = entry.map(|entry| entry.key);
            assert_eq!(there, key.is_indexed(&value).then_some(value));
            expected += usize::from(there.is_some());
        }
    }
    assert_eq!(entries.len(), expected, "rows without a record");
}

#[test]
fn a_quota_that_is_used_up_is_34_of_sequential_and_24_of_keyed_files() {
    for (organization, status) in [
        (Organization::Sequential, "34"),
        (Organization::LineSequential, "34"),
        (Organization::Relative, "24"),
        (Organization::Indexed, "24"),
    ] {
        let kind = Kind::of(organization, Access::Sequential);
        let mut program = Program::new(kind.declared(), Memory::default());
        program.records.quota = Some(1);
        program.run(&Line::of(Order::OpenOutput));
        let write = |record: &str| Line {
            record: record.to_owned(),
            depending: 16,
            ..Line::of(Order::Write)
        };
        assert_eq!(program.run(&write("a11xx1s")).status, "00", "{organization:?}");
        assert_eq!(program.run(&write("b22yy2s")).status, status, "{organization:?}");
        assert_eq!(program.records.content().0.len(), 1, "nothing is written");
    }
}

#[test]
fn duplicates_are_told_by_read_where_that_is_set() {
    let declared = Kind::of(Organization::Indexed, Access::Dynamic).declared();
    let mut records = Memory::default();
    let mut cursor = Cursor::new(&declared.definition);
    let mut ask = |read_duplicates, operation| {
        let terms = Terms { definition: &declared.definition, read_duplicates };
        cursor.answer(terms, &mut records, &operation).expect("an answer").status
    };
    for record in [b"ka1xx1s", b"kb2xx2s"] {
        let placing = Placing::ByKey;
        ask(ReadDuplicates::Untold, Operation::Write { record, placing });
    }
    let read = Operation::Read(Wanted::Key { number: 1, value: b"xx" });
    assert_eq!(ask(ReadDuplicates::Untold, read), Status::Done);
    assert_eq!(ask(ReadDuplicates::Told, read), Status::Duplicate);
    let primary = Operation::Read(Wanted::Key { number: 0, value: b"ka" });
    assert_eq!(ask(ReadDuplicates::Told, primary), Status::Done);
}

#[test]
fn each_look_up_walks_an_index_and_sorts_nothing() {
    for (statement, plan) in Sqlite::new().plans() {
        let searches = plan.iter().all(|step| step.starts_with("SEARCH "));
        assert!(searches, "{statement}\n{plan:?}");
    }
}
