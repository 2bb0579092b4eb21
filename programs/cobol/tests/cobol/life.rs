//! A program's life: called, returned, stopped, wrong, and worse.

use std::fs;
use std::process::Command;

use crate::child::{Bench, Came};

/// A program with one parameter of ten characters and these statements.
fn source(statements: &str) -> String {
    format!(
        "identification division.\nprogram-id. LIFE.\nenvironment division.\n\
         configuration section.\nspecial-names.\n    sysin is the-input.\ndata division.\n\
         working-storage section.\n01 W pic 9(4) value 0.\n01 T.\n   05 E pic x occurs 3.\n\
         01 N pic 99 value 7.\n01 P usage pointer.\n01 B pic x based.\nlinkage section.\n\
         01 A pic x(10).\n01 LONGER pic x(20).\nprocedure division using A.\nmain.\n\
         {statements}\n    goback.\n"
    )
}

fn ran(statements: &str) -> Came {
    let mut bench = Bench::new();
    bench.compile_with("LIFE", &source(statements), &["-m", "-free", "-debug"]);
    bench.load("LIFE").call(&[b"0123456789"]).run()
}

#[test]
fn parameters_are_given_by_reference_and_return_code_is_told() {
    let came = ran("    move \"ok\" to A(3:2)\n    move 12 to return-code");
    assert_eq!(came.returned(), [(12, vec![b"01ok456789".to_vec()])], "{came:?}");
}

#[test]
fn working_storage_stays_from_call_to_call_in_one_worker() {
    let mut bench = Bench::new();
    bench.compile("LIFE", &source("    add 1 to W\n    move W to A"));
    let came = bench.load("LIFE").call(&[b"0123456789"]).call(&[b"0123456789"]).run();
    let values: Vec<_> = came.returned().into_iter().map(|(_, mut p)| p.remove(0)).collect();
    assert_eq!(values, [b"0001      ".to_vec(), b"0002      ".to_vec()]);
}

#[test]
fn stop_run_ends_the_call_with_its_code_and_not_as_an_error() {
    let came = ran("    move 3 to return-code\n    stop run");
    assert_eq!(came.only(), "ended StopRun 3 STOP RUN 3");
}

#[test]
fn a_run_time_error_is_told_with_its_line_and_what_is_wrong() {
    let came = ran("    move \"x\" to E(N)");
    let said = came.only();
    assert!(said.starts_with("ended RunTimeError 1 LIFE.cbl:"), "{said}");
    assert!(said.contains("subscript of 'E' out of bounds: 7"), "{said}");
}

#[test]
fn a_program_that_is_not_there_is_a_run_time_error() {
    let came = ran("    call \"NOWHERE\" using A");
    let said = came.only();
    assert!(said.contains("ended RunTimeError 1"), "{said}");
    assert!(said.contains("'NOWHERE' not found"), "{said}");
}

#[test]
fn exit_in_a_c_function_is_told_and_a_signal_ends_the_process_at_once() {
    let came = ran("    call \"exit\" using by value 5");
    assert_eq!(came.only(), "ended StopRun 5 exit 5");
    let came = ran("    call \"raise\" using by value 11");
    assert_eq!((came.said.len(), came.code), (0, None), "{came:?}");
}

#[test]
fn who_writes_beside_a_parameter_is_told_which() {
    let statements = "    set address of LONGER to address of A\n    move all \"x\" to LONGER";
    let said = ran(statements);
    assert_eq!(said.only(), "ended Overrun 0 parameter 1");
}

#[test]
fn accept_reads_the_end_of_the_input_and_display_is_shown_line_by_line() {
    let came = ran("    display \"before\"\n    accept A\n    display \"after\"\n    stop run");
    assert_eq!(came.shown, "before\nafter\n");
    assert_eq!(came.only(), "ended StopRun 0 STOP RUN 0");
}

/// The last word may end the process at once.
#[test]
fn what_was_shown_without_the_end_of_its_line_is_shown_before_the_last_word() {
    let mut bench = Bench::new();
    let statements = "    display \"no end\" with no advancing\n    stop run";
    bench.compile("LIFE", &source(statements));
    let came = bench.line("at once").load("LIFE").call(&[b"0123456789"]).run();
    assert_eq!((came.shown.as_str(), came.code), ("no end", None), "{came:?}");
    assert_eq!(came.only(), "ended StopRun 0 STOP RUN 0");
}

/// libcob would find the C library's function first, and call it with the record.
#[test]
fn an_entry_is_the_modules_own_whatever_else_has_its_name() {
    for name in ["getpid", "a-b", "1ST"] {
        let mut bench = Bench::new();
        let text = source("    move \"own\" to A\n    move 7 to return-code");
        let text = text.replace("program-id. LIFE", &format!("program-id. \"{name}\""));
        bench.compile("LIFE", &text);
        bench.line(&format!("load LIFE.so {name}")).call(&[b"0123456789"]);
        let came = bench.run();
        assert_eq!(came.returned(), [(7, vec![b"own       ".to_vec()])], "{name} {came:?}");
    }
}

/// A module without the entry has none, though the C library has.
#[test]
fn an_entry_of_another_library_is_none_of_the_module() {
    let mut bench = Bench::new();
    bench.compile("LIFE", &source("    continue"));
    let came = bench.line("load LIFE.so getpid").run();
    assert!(came.only().ends_with("LIFE.so: it has no entry getpid"), "{came:?}");
}

/// What is loaded is what was examined: the same descriptor, and no other file by its number.
#[test]
fn a_module_is_a_plain_file_and_two_are_two() {
    let mut bench = Bench::new();
    for name in ["LIFE", "OTHER"] {
        let text = source(&format!("    move \"{name}\" to A"));
        bench.compile(name, &text.replace("program-id. LIFE", &format!("program-id. {name}")));
    }
    std::os::unix::fs::symlink("LIFE.so", bench.folder().join("LINK.so")).unwrap();
    let fifo = Command::new("mkfifo").arg(bench.folder().join("FIFO.so")).status();
    assert!(fifo.unwrap().success());
    bench.line("load LINK.so LIFE").line("load FIFO.so LIFE");
    bench.load("LIFE").call(&[b"0123456789"]).load("OTHER").call(&[b"0123456789"]);
    let came = bench.run();
    assert!(came.said[0].contains("LINK.so: Too many levels of symbolic links"), "{came:?}");
    assert!(came.said[1].ends_with("FIFO.so: it is no plain file"), "{came:?}");
    let values: Vec<_> = came.returned().into_iter().map(|(_, mut p)| p.remove(0)).collect();
    assert_eq!(values, [b"LIFE      ".to_vec(), b"OTHER     ".to_vec()]);
}

#[test]
fn the_time_zone_is_the_clusters_and_the_environment_is_not_the_nodes() {
    let came = ran("    accept A from environment \"TZ\"\n    display A\n    \
         move spaces to A\n    accept A from environment \"COB_FILE_PATH\"\n    \
         display \"[\" A \"]\"");
    assert_eq!(came.shown, "Asia/Tokyo\n[          ]\n");
}

#[test]
fn a_module_called_by_name_is_found_in_the_package() {
    let mut bench = Bench::new();
    bench.compile("LIFE", &source("    call \"OTHER\" using A"));
    let other = source("    move \"other\" to A").replace("program-id. LIFE", "program-id. OTHER");
    bench.compile("OTHER", &other);
    let came = bench.load("LIFE").call(&[b"0123456789"]).run();
    assert_eq!(came.returned(), [(0, vec![b"other     ".to_vec()])], "{came:?}");
}

#[test]
fn what_cannot_be_loaded_is_refused_with_what_is_missing() {
    let mut bench = Bench::new();
    bench.compile("LIFE", &source("    continue"));
    bench.line("load LIFE.so NOENTRY").line("load GONE.so GONE");
    let said = bench.run().said;
    assert!(said[0].ends_with("LIFE.so: it has no entry NOENTRY"), "{said:?}");
    assert!(said[1].contains("GONE.so: No such file"), "{said:?}");
}

#[test]
fn a_machine_without_gnucobol_or_with_another_version_is_told_what_to_install() {
    let mut bench = Bench::new();
    let path = bench.folder().join("libcob.so.4");
    fs::write(&path, "").unwrap();
    bench.load("LIFE");
    let came = bench.run();
    let said = came.only();
    assert!(said.starts_with("refused libcob.so.4 cannot be loaded: "), "{said}");
    assert!(said.ends_with("; install GnuCOBOL 3.1.x (package gnucobol3)"), "{said}");

    fs::write(
        bench.folder().join("other.c"),
        "const char *libcob_version(void){return \"3.2.0\";}",
    )
    .unwrap();
    let made = Command::new("cc")
        .args(["-shared", "-fPIC", "-o", "libcob.so.4", "other.c"])
        .current_dir(bench.folder())
        .status();
    assert!(made.unwrap().success());
    let came = bench.run();
    let said = came.only();
    assert!(said.starts_with("refused libcob is version 3.2.0, and its structures are"), "{said}");
}

#[test]
fn gethostname_is_the_name_of_the_node() {
    let came = ran("    call \"gethostname\" using A by value 10");
    assert_eq!(came.returned(), [(0, vec![b"node-1\x00789".to_vec()])], "{came:?}");
}

#[test]
fn a_program_that_has_forked_is_heard_once() {
    let came = ran("    call \"fork\" returning W\n    \
         if W not = 0 call \"wait\" using by value 0 end-if\n    \
         call \"TSUGILOG\" using 1 \"heard\"");
    assert_eq!(came.said.iter().filter(|line| *line == "log 1 heard").count(), 1, "{came:?}");
    assert_eq!(came.returned().len(), 1, "{came:?}");
    let stopped = ran("    call \"fork\" returning W\n    \
         if W = 0 stop run else call \"wait\" using by value 0 end-if");
    assert_eq!(stopped.said.len(), 1, "{stopped:?}");
    assert_eq!(stopped.returned().len(), 1, "{stopped:?}");
}
