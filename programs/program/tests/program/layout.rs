//! The header and the Rust definitions are the same in memory and in numbers.

use std::fmt::Write;
use std::mem::{offset_of, size_of};
use std::process::Command;

use tsugi_program::table::{
    ABI, BROKEN, BYTES, DECIMAL, Held, Host, INTEGER, In, Info, KEEP, NULL, Out, REAL, Service,
    TEXT, UNDO, Value,
};
use tsugi_program::{Code, DONE, Level};

use crate::loaded::{C99, CPP11, compile};

/// The size of what a member holds.
fn held<T, F>(_: fn(&T) -> &F) -> usize {
    size_of::<F>()
}

macro_rules! lines {
    ($out:expr, $name:literal, $type:ty: $($member:ident $as:literal),+) => {
        writeln!($out, "{} {}", $name, size_of::<$type>()).expect("a text takes all");
        $(
            let size = held(|t: &$type| &t.$member);
            let offset = offset_of!($type, $member);
            writeln!($out, "{}.{} {offset} {size}", $name, $as).expect("a text takes all");
        )+
    };
}

fn types() -> String {
    let mut out = String::new();
    lines!(out, "tsugi_in", In: at "at", len "len");
    lines!(out, "tsugi_out", Out: at "at", cap "cap", len "len");
    lines!(out, "tsugi_value", Value: kind "kind", res "res", v "v");
    let v = offset_of!(Value, v);
    let inside = [("i", offset_of!(Held, i), size_of::<i64>())];
    let inside = inside.into_iter().chain([
        ("f", offset_of!(Held, f), size_of::<f64>()),
        ("b", offset_of!(Held, b), size_of::<In>()),
    ]);
    for (name, offset, size) in inside {
        writeln!(out, "tsugi_value.v.{name} {} {size}", v + offset).expect("a text takes all");
    }
    lines!(out, "tsugi_info", Info: size "size", attempt "attempt", epoch "epoch", id "id",
        parent "parent", client "client", group "group", node "node", service "service");
    lines!(out, "tsugi_host", Host: abi "abi", size "size", own "self", sql "sql", row "row",
        call "call", log "log", abort "abort", info "info", left_ms "left_ms", last "last",
        put "put", timer_set "timer_set", timer_cancel "timer_cancel", next "next", out "out");
    lines!(out, "tsugi_service", Service: abi "abi", size "size", name "name",
        interface_hash "interface_hash", start "start", call "call", stop "stop");
    out
}

fn numbers() -> String {
    let mut numbers = vec![
        ("ABI", i64::from(ABI)),
        ("KEEP", i64::from(KEEP)),
        ("UNDO", i64::from(UNDO)),
        ("BROKEN", i64::from(BROKEN)),
        ("DEBUG", Level::Debug.number().into()),
        ("INFORMATION", Level::Information.number().into()),
        ("WARNING", Level::Warning.number().into()),
        ("ERROR", Level::Error.number().into()),
    ];
    let kinds = [NULL, INTEGER, REAL, TEXT, BYTES, DECIMAL].map(i64::from);
    numbers.extend(["NULL", "INTEGER", "REAL", "TEXT", "BYTES", "DECIMAL"].into_iter().zip(kinds));
    numbers.push(("DONE", DONE.into()));
    numbers.extend(Code::ALL.map(|code| (named(code), i64::from(code.number()))));
    numbers
        .iter()
        .fold(String::new(), |out, (name, number)| out + &format!("TSUGI_{name} {number}\n"))
}

/// How the header names it.
fn named(code: Code) -> &'static str {
    match code {
        Code::NoRow => "NO_ROW",
        Code::Duplicate => "DUPLICATE",
        Code::Constraint => "CONSTRAINT",
        Code::TooLarge => "TOO_LARGE",
        Code::NotAllowed => "NOT_ALLOWED",
        Code::Mistaken => "MISTAKEN",
        Code::CalleeRefused => "CALLEE_REFUSED",
        Code::CalleeFailed => "CALLEE_FAILED",
        Code::Cycle => "CYCLE",
        Code::TooDeep => "TOO_DEEP",
        Code::WriterHeld => "WRITER_HELD",
        Code::Late => "LATE",
        Code::NotInThisVersion => "NOT_IN_THIS_VERSION",
        Code::Store => "STORE",
        Code::Other(_) => "OTHER",
    }
}

/// What a compiler makes of the header.
fn printed(compiler: &[&str]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("layout");
    compile(compiler, "layout.c", &[], &program);
    let out = Command::new(program).output().expect("it runs");
    String::from_utf8(out.stdout).expect("it prints names and numbers")
}

#[test]
fn every_offset_size_and_number_of_the_header_is_that_of_the_crate() {
    let ours = types() + &numbers();
    for compiler in [C99, CPP11] {
        assert_eq!(printed(compiler), ours, "{compiler:?}");
    }
}

#[test]
fn a_code_has_the_same_number_in_frames() {
    let ours = Code::ALL.map(|code| (format!("{code:?}"), code.number()));
    let frames = tsugi_frames::Code::ALL.map(|code| (format!("{code:?}"), code.number()));
    let done = ("Done".to_owned(), DONE);
    assert!(std::iter::once(&done).chain(&ours).eq(&frames), "{ours:?} {frames:?}");
}

#[test]
fn the_table_has_the_order_of_the_first_version() {
    let mut end = None;
    for line in types().lines().filter(|line| !line.contains(".v.")) {
        let words: Vec<_> = line.split(' ').collect();
        let number = |at: usize| words[at].parse::<usize>().expect("a number");
        if words.len() == 2 {
            assert_eq!(end.unwrap_or((0, 0)).0, end.unwrap_or((0, 0)).1, "before {line}");
            end = Some((0, number(1)));
        } else {
            // No gap in which a member could be that is not listed here.
            let (at, whole) = end.expect("a type");
            assert_eq!(number(1), at, "{line}");
            end = Some((at + number(2), whole));
        }
    }
    assert_eq!(size_of::<Host>(), 16 + 13 * 8, "the first version; longer only at its end");
    assert_eq!(size_of::<Service>(), 48);
    assert_eq!(size_of::<Info>(), 112);
}

#[test]
fn a_code_that_nobody_knows_is_kept_as_its_number() {
    assert_eq!(Code::of(DONE), None);
    assert_eq!(Code::of(75), Some(Code::Other(75)));
    for code in Code::ALL {
        assert_eq!(Code::of(code.number()), Some(code));
    }
}
