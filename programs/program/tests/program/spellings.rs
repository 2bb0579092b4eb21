//! One suite that the sample passes in every spelling.

use crate::loaded::{C99, CPP11, End, Sample, Turned};
use crate::memory::{Cell, Memory};

fn kept(text: &str) -> End {
    End::Kept(text.to_owned())
}

#[test]
fn a_library_lists_its_services_by_name() {
    for sample in Sample::all() {
        let listed = sample.services();
        let names: Vec<_> = listed.iter().map(|s| s.name.as_str()).collect();
        assert_eq!(names, ["COUNTER", "ECHO"], "{}", sample.name);
        let hashes: Vec<_> = listed.iter().map(|s| s.interface_hash.as_deref()).collect();
        assert_eq!(hashes, [Some("0123456789abcdef"), None], "{}", sample.name);
    }
}

#[test]
fn a_statement_binds_and_its_rows_come_back() {
    for sample in Sample::all() {
        let (mut counter, mut memory) = (sample.counter(), Memory::with("a", 41));
        assert_eq!(counter.call(&mut memory, "add a"), kept("42"), "{}", sample.name);
        assert_eq!(memory.bound, [Cell::Integer(1), Cell::Text("a".to_owned())]);
        assert_eq!(memory.log, [(1, "a is 42, 1 changed".to_owned())], "{}", sample.name);
        assert_eq!(counter.call(&mut memory, "rows"), kept("6 42"), "{}", sample.name);
        assert_eq!(memory.aborted, None);
    }
}

#[test]
fn every_kind_of_value_goes_there_and_back() {
    for sample in Sample::all() {
        let (mut counter, mut memory) = (sample.counter(), Memory::default());
        assert_eq!(counter.call(&mut memory, "kinds"), kept("same"), "{}", sample.name);
        let text = |text: &str| text.to_owned();
        let expected = [
            Cell::Null,
            Cell::Integer(-7),
            Cell::Real(0.5),
            Cell::Text(text("継ぎ")),
            Cell::Bytes(vec![0, 255]),
            Cell::Decimal(text("-12.30")),
        ];
        assert_eq!(memory.bound, expected, "{}", sample.name);
    }
}

#[test]
fn another_service_answers_also_more_than_the_programs_buffer() {
    for sample in Sample::all() {
        let (mut counter, mut memory) = (sample.counter(), Memory::default());
        let end = counter.call(&mut memory, "call GREETER");
        assert_eq!(end, kept("hello to you"), "{}", sample.name);
        assert_eq!(counter.call(&mut memory, "call NOBODY"), End::Undone, "{}", sample.name);
        assert_eq!(memory.aborted.as_deref(), Some("60 no such service"), "{}", sample.name);
    }
}

#[test]
fn a_program_is_told_what_call_it_is_and_how_long_it_has() {
    for sample in Sample::all() {
        let (mut counter, mut memory) = (sample.counter(), Memory::default());
        let who = kept("id||client|group|node|COUNTER|7|2");
        assert_eq!(counter.call(&mut memory, "who"), who, "{}", sample.name);
        assert_eq!(counter.call(&mut memory, "left"), kept("2999"), "{}", sample.name);
    }
}

#[test]
fn an_abort_is_marked_with_its_reason_and_the_next_call_is_answered() {
    for sample in Sample::all() {
        let (mut counter, mut memory) = (sample.counter(), Memory::with("a", 0));
        assert_eq!(counter.call(&mut memory, "abort not today"), End::Undone, "{}", sample.name);
        assert_eq!(memory.aborted.take().as_deref(), Some("not today"), "{}", sample.name);
        assert_eq!(counter.call(&mut memory, "mistaken"), End::Undone, "{}", sample.name);
        let why = memory.aborted.take();
        assert_eq!(why.as_deref(), Some("42 no such statement"), "{}", sample.name);
        assert_eq!(counter.call(&mut memory, "add b"), End::Undone, "{}", sample.name);
        assert_eq!(memory.aborted.take().as_deref(), Some("there is no such counter"));
        assert_eq!(counter.call(&mut memory, "add a"), kept("1"), "{}", sample.name);
        assert_eq!(memory.aborted, None);
    }
}

#[test]
fn a_program_that_breaks_ends_its_call_and_not_its_process() {
    for sample in Sample::all() {
        let (mut counter, mut memory) = (sample.counter(), Memory::with("a", 0));
        assert_eq!(counter.call(&mut memory, "break it"), End::Broken, "{}", sample.name);
        assert_eq!(memory.aborted, None, "a break is not an abort: {}", sample.name);
        assert_eq!(counter.call(&mut memory, "add a"), kept("1"), "{}", sample.name);
    }
}

#[test]
fn a_reply_larger_than_its_buffer_lies_in_memory_of_the_program() {
    for sample in Sample::all() {
        let (mut counter, mut memory) = (sample.counter(), Memory::default());
        let host = memory.table();
        for len in [0, 1, 64, 65, 5_000, 3] {
            let body = format!("long {len}");
            let end = counter.call_with(&raw const host, &body, 64, 5_000);
            assert_eq!(end, kept(&"x".repeat(len)), "{}", sample.name);
        }
        let end = counter.call_with(&raw const host, "long 5001", 64, 5_000);
        assert_eq!(end, End::TooLarge(5_001), "{}", sample.name);
        let end = counter.call_with(&raw const host, "long 60", 64, 50);
        assert_eq!(end, End::TooLarge(60), "{}", sample.name);
    }
}

#[test]
fn a_reply_that_neither_fits_nor_lies_elsewhere_is_never_read() {
    for (name, compiler) in [("C99", C99), ("C++11", CPP11)] {
        let sample = Sample::c(name, compiler);
        let (mut counter, mut memory) = (sample.counter(), Memory::default());
        let host = memory.table();
        let end = counter.call_with(&raw const host, "lost", 64, 5_000);
        assert_eq!(end, End::TooLarge(65), "{name}");
    }
}

#[test]
fn the_reserved_operations_are_there_and_answer_not_in_this_version() {
    for (name, compiler) in [("C99", C99), ("C++11", CPP11)] {
        let sample = Sample::c(name, compiler);
        let (mut counter, mut memory) = (sample.counter(), Memory::default());
        let end = counter.call(&mut memory, "reserved");
        assert_eq!(end, kept("74 74 74 74 74"), "{name}");
    }
}

#[test]
fn a_service_without_start_and_stop_is_called() {
    for sample in Sample::all() {
        let mut echo = Turned::start(sample.services().swap_remove(1));
        let mut memory = Memory::default();
        assert_eq!(echo.call(&mut memory, "there"), kept("there"), "{}", sample.name);
        assert_eq!(echo.call(&mut memory, ""), kept(""), "{}", sample.name);
    }
}
