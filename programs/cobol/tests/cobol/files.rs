//! Files: what a program is told of them here is what it is told under GnuCOBOL.

use std::fs;
use std::process::Command;

use tsugi_files::definition::Access;
use tsugi_files::definition::{Definition, Duplicates, Key, Lengths, Organization, Part};

use crate::child::Bench;
use crate::model::chance::Chance;
use crate::model::memory::Memory;
use crate::model::program::{Depending, Program};
use crate::model::schedule::{Kind, Situation, line};
use crate::model::script::{Line, Order, Shown};
use crate::model::source;

/// How many sequences of each kind of file, and how long.
const SEQUENCES: u64 = 60;
const LINES: usize = 40;

/// The file of the report.
pub fn appfile() -> Definition {
    let parts = vec![Part { offset: 0, length: 6 }];
    let key = Key { parts, duplicates: Duplicates::Refused, suppressed: None };
    let lengths = Lengths { min: 16, max: 16 };
    Definition::new(Organization::Indexed, lengths, vec![key]).unwrap()
}

/// A random script, and what the tables say to each line.
fn script(kind: Kind, seed: u64) -> (Vec<Line>, Vec<Shown>) {
    let mut chance = Chance::new(seed);
    let mut program = Program::new(kind.declared(), Memory::default());
    let (mut lines, mut all) = (Vec::new(), Vec::new());
    let mut read = Shown::parse("");
    while lines.len() < LINES {
        let mode = program.front.mode();
        let line = line(&mut chance, &Situation { kind, mode, read: &read });
        let shown = program.run(&line);
        if matches!(line.order, Order::Next | Order::Previous | Order::Read) {
            read = shown.clone();
        }
        lines.push(line);
        all.push(shown);
    }
    (lines, all)
}

/// Runs the oracle's program as a module, over the same scripts.
fn compared(kind: Kind) {
    let mut bench = Bench::new();
    let copied = include_str!("../../../files/tests/files/oracle/script.cpy");
    fs::write(bench.folder().join("script.cpy"), copied).unwrap();
    bench.compile("ORACLE", &source::source(kind));
    let shape = tsugi_files::spoken::shape(&kind.declared().definition);
    bench.line(&format!("others f {}", serde_json::to_string(&shape).unwrap()));
    bench.load("ORACLE").call(&[]);
    // What is closed WITH LOCK stays so while the program runs: such scripts come last, one each.
    let scripts: Vec<_> = (0..SEQUENCES).map(|seed| script(kind, seed)).collect();
    let (locked, free): (Vec<_>, Vec<_>) = scripts.into_iter().partition(|(l, _)| source::locks(l));
    let mut runs = vec![free];
    runs.extend(locked.into_iter().take(3).map(|one| vec![one]));
    for run in runs {
        let mut text = String::from("unnamed\n");
        for (number, (lines, _)) in run.iter().enumerate() {
            text.push_str(&format!("NM 0 -- 00 0000 0000 0000 f{number}\n"));
            lines.iter().for_each(|line| text.push_str(&format!("{line}\n")));
            text.push_str("CL 0 -- 00 0000 0000 0000 \n");
        }
        text.push_str("ZZ\n");
        let came = bench.input(&text).run();
        assert_eq!(came.only(), "ended StopRun 0 STOP RUN 0", "{}", came.errors);
        let mut shown = came.shown.lines().map(Shown::parse);
        for (lines, expected) in &run {
            shown.next().expect("a name");
            for (at, expected) in expected.iter().enumerate() {
                let so_far = || {
                    let lines = lines.iter().take(at + 1);
                    lines.map(|line| format!("{line}\n")).collect::<String>()
                };
                assert_eq!(shown.next().as_ref(), Some(expected), "{kind:?}\n{}", so_far());
            }
            shown.next().expect("a close");
        }
    }
}

#[test]
fn indexed_files_answer_as_the_tables() {
    let of = |access| Kind::of(Organization::Indexed, access);
    compared(of(Access::Dynamic));
    compared(of(Access::Dynamic).optional());
    compared(of(Access::Random));
    compared(of(Access::Sequential));
    compared(of(Access::Sequential).duplicates().optional());
}

#[test]
fn relative_files_answer_as_the_tables() {
    let of = |access| Kind::of(Organization::Relative, access);
    compared(of(Access::Dynamic));
    compared(of(Access::Dynamic).depending().optional());
    compared(of(Access::Random));
    compared(of(Access::Sequential));
    assert_eq!(of(Access::Random).depending, Depending::No);
}

#[test]
fn sequential_files_answer_as_the_tables() {
    let sequential = Kind::of(Organization::Sequential, Access::Sequential);
    compared(sequential);
    compared(sequential.depending());
    compared(sequential.optional());
}

#[test]
fn line_sequential_files_answer_as_the_tables() {
    let line = Kind::of(Organization::LineSequential, Access::Sequential);
    compared(line);
    compared(line.optional());
}

/// Prints in each way there is, then shows what is read of it.
const PRINTS: &str = "
identification division.
program-id. PRINTS.
environment division.
configuration section.
special-names.
    C01 is TOP-OF-FORM.
input-output section.
file-control.
    select F assign to \"lines.prt\" organization line sequential file status S.
    select G assign to \"records.prt\" organization sequential file status S.
    select A assign to line advancing file \"after.prt\" organization line sequential
        file status S.
data division.
file section.
fd F.
01 R pic x(20).
fd G.
01 GR pic x(20).
fd A.
01 AR pic x(20).
working-storage section.
01 S pic xx.
01 N pic 9(5) value 3.
procedure division.
main.
    open output F G A.
    write R from \"plain\".
    write R from \"title\" after advancing page.
    write R from \"three lines\" after advancing N lines.
    write R from \"ended\" before advancing 1 line.
    move 0 to N.
    write R from \"under\" before advancing N lines.
    write R from \"   ____\" before advancing 1 line.
    write R from \"channel\" after advancing TOP-OF-FORM.
    move 99999 to N.
    write R from \"many\" before advancing N lines.
    write R from \"last\" before advancing page.
    write GR from \"first\" after advancing 2 lines.
    write GR from \"plain\".
    write GR from \"page\" before advancing page.
    write GR from \"last\" after advancing 1 line.
    write AR from \"after\".
    write AR from \"and after\".
    close F G A.
    open extend F G A.
    write R from \"on the same line\".
    write GR from \"behind\" before advancing 1 line.
    write AR from \"extended\".
    close F G A.
    open input F G A.
    perform until S(1:1) = \"1\"
        read F
        inspect R replacing all x\"0C\" by \"@\"
        display \"F \" S \" \" R
    end-perform.
    move spaces to S.
    perform until S(1:1) = \"1\"
        move spaces to GR
        read G
        inspect GR replacing all x\"0C\" by \"@\" all x\"0A\" by \"~\"
        display \"G \" S \" \" GR
    end-perform.
    move spaces to S.
    perform until S(1:1) = \"1\"
        read A
        display \"A \" S \" \" AR
    end-perform.
    close F G A.
    goback.
";

#[test]
fn what_is_printed_is_read_as_under_gnucobol() {
    let of = |organization, min| {
        Definition::new(organization, Lengths { min, max: 20 }, vec![]).unwrap()
    };
    let files = [
        ("lines.prt", of(Organization::LineSequential, 0)),
        ("records.prt", of(Organization::Sequential, 20)),
        ("after.prt", of(Organization::LineSequential, 0)),
    ];
    let (ours, theirs) = both("PRINTS", PRINTS, &files);
    assert_eq!(ours, theirs);
    assert!(theirs.contains("F 00 under   ____"), "{theirs}");
    assert!(theirs.contains("F 00 @channel") && theirs.contains("G 04 "), "{theirs}");
}

/// Calls the report's program three times and shows what it gives.
const DRIVER: &str = "
       identification division.
       program-id. DRIVER.
       data division.
       working-storage section.
       01 WHEN-IT pic x(20).
       01 WHO pic x(10).
       01 WHERE-IT pic x(20).
       01 HOW-MANY pic 9(10).
       procedure division.
           perform 3 times
             call \"CBLAPP01\" using WHEN-IT WHO WHERE-IT HOW-MANY
             display WHO \" \" HOW-MANY
           end-perform.
           goback.
";

#[test]
fn the_reports_program_gives_the_same_under_gnucobol_and_here() {
    let options = |more: &'static str| vec!["-m", "-free", "-std=mf", more];
    let source = include_str!("../../../../samples/report/CBLAPP01.cbl");
    let init =
        include_str!("../../../../samples/report/INITFILE1.cbl").replace("STOP RUN", "GOBACK");

    let plain = Bench::new();
    plain.compile_with("CBLAPP01", source, &options("-O0"));
    plain.compile_with("INITFILE1", &init, &options("-O0"));
    plain.compile_with("DRIVER", DRIVER, &options("-O0"));
    let run = |name: &str| {
        let ended = Command::new("cobcrun").arg(name).current_dir(plain.folder()).output().unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        String::from_utf8_lossy(&ended.stdout).into_owned()
    };
    run("INITFILE1");
    let theirs = run("DRIVER");

    let mut bench = Bench::new();
    bench.compile_with("CBLAPP01", source, &options("-fcallfh=tsugi_file_handler"));
    bench.compile_with("INITFILE1", &init, &options("-fcallfh=tsugi_file_handler"));
    bench.compile_with("DRIVER", DRIVER, &options("-fcallfh=tsugi_file_handler"));
    bench.file("APPFILE01", &appfile());
    let came = bench.load("INITFILE1").call(&[]).load("DRIVER").call(&[]).run();
    assert_eq!(came.returned().len(), 2, "{came:?}");
    assert_eq!(came.shown, theirs);
    assert_eq!(theirs.lines().last(), Some("CBLAPP01   0000000002"));
    assert!(!bench.folder().join("APPFILE01").exists(), "a real file was made");
}

/// A program with one relative file, its statements, and the status in its parameter.
fn with_file(statements: &str) -> String {
    format!(
        "identification division.\nprogram-id. KEEPS.\nenvironment division.\n\
         input-output section.\nfile-control.\n    select F assign to \"NUMBERS\"\n    \
         organization relative access dynamic relative key K file status S.\n    \
         select G assign to \"UNKNOWN\" organization sequential file status S.\n    \
         select H assign to \"READONLY\" organization sequential file status S.\ndata division.\n\
         file section.\nfd F.\n01 R pic x(8).\nfd G.\n01 GR pic x(8).\nfd H.\n01 HR pic x(8).\n\
         working-storage section.\n01 K pic 9(4) value 0.\n01 TURN pic 9 value 0.\n\
         01 S pic xx.\n01 CODES pic x(20) value spaces.\nlinkage section.\n01 A pic x(20).\n\
         procedure division using A.\nmain.\n    add 1 to TURN.\n    move spaces to CODES.\n\
         {statements}\n    goback.\n"
    )
}

fn numbers(max: u32) -> Definition {
    Definition::new(Organization::Relative, Lengths { min: max, max }, vec![]).unwrap()
}

#[test]
fn a_file_left_open_stays_open_in_its_worker_without_its_position() {
    let mut bench = Bench::new();
    bench.compile(
        "KEEPS",
        &with_file(
            "    if TURN = 1\n        open output F\n        move 1 to K\n        \
             write R from \"one\"\n        close F\n        open i-o F\n    end-if.\n    \
             read F next.\n    move S to A(1:2).\n    move 1 to K.\n    read F.\n    \
             move S to A(4:2).\n    move R to A(7:8).",
        ),
    );
    let file = numbers(8);
    bench.file("NUMBERS", &file).load("KEEPS");
    let came = bench.call(&[&[b' '; 20]]).call(&[&[b' '; 20]]).run();
    let said: Vec<_> = came.returned().into_iter().map(|(_, mut p)| p.remove(0)).collect();
    assert_eq!(said[0], b"00 00 one           ", "{came:?}");
    assert_eq!(said[1], b"46 00 one           ", "{came:?}");
    assert!(came.said[1].contains("open [StaysOpen { slot: 1, file: 0, mode: InputOutput }]"));
}

#[test]
fn names_rights_and_attributes_are_told_by_status_as_the_tables_have_them() {
    let mut bench = Bench::new();
    let statements = "    open input G.\n    move S to A(1:2).\n    open output H.\n    \
                      move S to A(4:2).\n    open input H.\n    move S to A(7:2).\n    \
                      open output F.\n    move S to A(10:2).\n    close F.\n    delete file \
                      F.\n    \
                      move S to A(13:2).\n    open input F.\n    move S to A(16:2).";
    bench.compile("KEEPS", &with_file(statements));
    let sequential =
        Definition::new(Organization::Sequential, Lengths { min: 8, max: 8 }, vec![]).unwrap();
    bench.file("NUMBERS", &numbers(8)).file("READONLY", &sequential).load("KEEPS");
    let came = bench.call(&[&[b' '; 20]]).run();
    assert_eq!(came.returned()[0].1[0], b"31 37 35 00 00 35   ", "{came:?}");
}

#[test]
fn an_error_without_a_file_status_ends_the_call_with_the_files_name() {
    let mut bench = Bench::new();
    let source = with_file("    open input F.").replace(" file status S", "");
    bench.compile("KEEPS", &source);
    bench.file("NUMBERS", &numbers(8));
    let came = bench.load("KEEPS").call(&[&[b' '; 20]]).run();
    let said = came.only();
    assert!(said.starts_with("ended RunTimeError 1 KEEPS.cbl:"), "{said}");
    assert!(said.contains("file does not exist (status = 35) for file F ('NUMBERS')"), "{said}");
}

/// Runs a source as a program of GnuCOBOL with real files, and here: what each shows.
pub fn both(name: &str, source: &str, files: &[(&str, Definition)]) -> (String, String) {
    let plain = Bench::new();
    plain.compile_with(name, source, &["-m", "-free"]);
    let ended = Command::new("cobcrun").arg(name).current_dir(plain.folder()).output().unwrap();
    let theirs = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let mut bench = Bench::new();
    bench.compile(name, source);
    files.iter().for_each(|(name, definition)| {
        bench.file(name, definition);
    });
    let came = bench.load(name).call(&[]).run();
    assert_eq!(came.returned().len(), 1, "{came:?}");
    (came.shown, theirs)
}

#[test]
fn handlers_declaratives_and_external_files_behave_as_under_gnucobol() {
    let part = |offset, length| Part { offset, length };
    let key = |parts, duplicates| Key { parts, duplicates, suppressed: None };
    let keys = vec![
        key(vec![part(0, 4)], Duplicates::Refused),
        key(vec![part(4, 6)], Duplicates::Allowed),
    ];
    let lengths = Lengths { min: 20, max: 20 };
    let orders = Definition::new(Organization::Indexed, lengths, keys).unwrap();
    let lengths = Lengths { min: 4, max: 30 };
    let notes = Definition::new(Organization::Sequential, lengths, vec![]).unwrap();
    let files = [("orders.dat", orders), ("notes.dat", notes)];
    let (ours, theirs) = both("WIDE", include_str!("WIDE.cbl"), &files);
    assert_eq!(ours, theirs);
    assert!(theirs.lines().count() > 25, "{theirs}");
}
