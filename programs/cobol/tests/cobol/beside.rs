//! What reaches beside the handler: led to the store, or refused.

use tsugi_files::definition::{Definition, Lengths, Organization};

use crate::child::{Bench, Came};

fn source(statements: &str) -> String {
    format!(
        "identification division.\nprogram-id. BESIDE.\nenvironment division.\n\
         input-output section.\nfile-control.\n    select F assign to \"IN\"\n    \
         organization sequential file status S.\n    select G assign to \"OUT\"\n    \
         organization line sequential file status S.\n    select W assign to \"work\".\n\
         data division.\nfile section.\nfd F.\n01 R pic x(4).\nfd G.\n01 GR pic x(4).\nsd W.\n\
         01 WR pic x(4).\nworking-storage section.\n01 S pic xx value spaces.\n\
         01 P pic x(20) value \"IN\".\nlinkage section.\n01 A pic x(20).\n\
         procedure division using A.\nmain.\n{statements}\n    goback.\n"
    )
}

fn bench(statements: &str, options: &[&str]) -> Bench {
    let mut bench = Bench::new();
    bench.compile_with("BESIDE", &source(statements), options);
    let lengths = Lengths { min: 4, max: 4 };
    let file = Definition::new(Organization::Sequential, lengths, vec![]).unwrap();
    let lines = Lengths { min: 0, max: 4 };
    let lines = Definition::new(Organization::LineSequential, lines, vec![]).unwrap();
    bench.file("IN", &file).file("OUT", &lines);
    bench
}

const OURS: [&str; 3] = ["-m", "-free", "-fcallfh=tsugi_file_handler"];

fn ran(statements: &str) -> Came {
    bench(statements, &OURS).load("BESIDE").call(&[&[b' '; 20]]).run()
}

const FILLED: &str = "    open output F.\n    write R from \"cccc\".\n    write R from \
\"aaaa\".\n    \
                      write R from \"bbbb\".\n    close F.\n";

#[test]
fn sort_using_and_giving_reads_and_writes_the_store() {
    let came = ran(&format!(
        "{FILLED}    sort W on ascending key WR using F giving G.\n    open input G.\n    \
         read G.\n    move GR to A(1:4).\n    read G.\n    move GR to A(6:4).\n    read G.\n    \
         move GR to A(11:4).\n    close G."
    ));
    assert_eq!(came.returned()[0].1[0], b"aaaa bbbb cccc      ", "{came:?}");
}

#[test]
fn delete_file_unlock_and_cancel_lead_to_the_store() {
    let came = ran(&format!(
        "{FILLED}    open input F.\n    unlock F.\n    move S to A(1:2).\n    close F.\n    \
         delete file F.\n    move S to A(4:2).\n    open input F.\n    move S to A(7:2)."
    ));
    assert_eq!(came.returned()[0].1[0], b"00 00 35            ", "{came:?}");
}

#[test]
fn a_program_that_is_cancelled_has_its_files_closed() {
    let mut bench = bench(&format!("{FILLED}    open input F.\n    move S to A."), &OURS);
    let driver = "identification division.\nprogram-id. DRIVER.\ndata division.\n\
                  linkage section.\n01 A pic x(20).\nprocedure division using A.\nmain.\n    \
                  call \"BESIDE\" using A.\n    cancel \"BESIDE\".\n    call \"BESIDE\" using \
                  A.\n    \
                  goback.\n";
    bench.compile("DRIVER", driver);
    let came = bench.load("DRIVER").call(&[&[b' '; 20]]).run();
    // Were it still open, OPEN OUTPUT would be 41 and READ of an earlier open would go on.
    assert_eq!(came.returned()[0].1[0], b"00                  ", "{came:?}");
    assert_eq!(came.only().matches("StaysOpen").count(), 1, "{came:?}");
}

#[test]
fn commit_and_rollback_are_refused_unless_they_are_to_be_ignored() {
    for statement in ["COMMIT", "ROLLBACK"] {
        let came = ran(&format!("    {statement}."));
        let said = came.only();
        assert!(said == format!("ended Forbidden 0 {statement}"), "{said}");
    }
    let mut bench = bench("    commit.\n    rollback.\n    move \"on\" to A.", &OURS);
    let came = bench.line("ignore").load("BESIDE").call(&[&[b' '; 20]]).run();
    assert_eq!(came.returned()[0].1[0], b"on                  ", "{came:?}");
}

#[test]
fn routines_that_reach_beside_the_store_are_refused_by_name() {
    for (statement, name) in [
        ("call \"SYSTEM\" using P", "SYSTEM"),
        ("call \"CBL_DELETE_FILE\" using P", "CBL_DELETE_FILE"),
        ("call \"CBL_COPY_FILE\" using P P", "CBL_COPY_FILE"),
        ("call \"CBL_CHECK_FILE_EXIST\" using P A", "CBL_CHECK_FILE_EXIST"),
        ("call \"C$DELETE\" using P S", "C$DELETE"),
        ("move \"CBL_RENAME_FILE\" to P\n    call P using P P", "CBL_RENAME_FILE"),
        ("move \"CBL_GC_FORK\" to P\n    call P", "CBL_GC_FORK"),
    ] {
        let came = ran(&format!("    {statement}."));
        let said = came.only();
        assert_eq!(said, format!("ended Forbidden 0 CALL \"{name}\""));
    }
}

#[test]
fn a_module_without_the_handler_is_refused_by_the_name_that_it_imports() {
    let came = bench(FILLED, &["-m", "-free"]).load("BESIDE").run();
    assert!(came.only().contains("it imports cob_open: it was compiled without"), "{came:?}");
    let came = bench(FILLED, &["-m", "-free", "-fcallfh=EXTFH"]).load("BESIDE").run();
    assert!(came.only().contains("it imports cob_extfh_"), "{came:?}");
}

#[test]
fn a_module_without_the_handler_that_is_called_by_name_writes_to_the_store_too() {
    let mut bench = bench(FILLED, &["-m", "-free"]);
    let driver = "identification division.\nprogram-id. DRIVER.\ndata division.\n\
                  linkage section.\n01 A pic x(20).\nprocedure division using A.\nmain.\n    \
                  call \"BESIDE\" using A.\n    goback.\n";
    bench.compile("DRIVER", driver);
    let came = bench.load("DRIVER").call(&[&[b' '; 20]]).run();
    assert_eq!(came.returned().len(), 1, "{came:?}");
    assert!(!bench.folder().join("IN").exists(), "a real file was made");
}
