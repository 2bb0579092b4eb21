//! The program interface, as COBOL spells it.

use tsugi_cobol::OPTIONS;

use crate::child::{Bench, Came};

fn source(statements: &str) -> String {
    format!(
        "identification division.\nprogram-id. ASKS.\ndata division.\n\
         working-storage section.\ncopy \"TSUGI.cpy\".\n01 I pic s9(9) comp-5 value 7.\n\
         01 J pic s9(5)v99 comp-3 value -12.30.\n01 D comp-2 value 1.5.\n01 T pic x(10) value \
         \"te\".\n\
         01 SMALL pic 9 value 0.\n01 SHORT pic x value space.\n01 MS pic 9(9).\nlinkage section.\n\
         01 A pic x(80).\nprocedure division using A.\nmain.\n{statements}\n    goback.\n"
    )
}

fn ran(statements: &str) -> Came {
    let mut bench = Bench::new();
    bench.compile("ASKS", &source(statements));
    bench.load("ASKS").call(&[&[b' '; 80]]).run()
}

fn told(statements: &str) -> String {
    let came = ran(statements);
    let (code, mut parameters) = came.returned().pop().unwrap_or_else(|| panic!("{came:?}"));
    assert_eq!(code, 0);
    String::from_utf8(parameters.remove(0)).unwrap().trim_end().to_owned()
}

#[test]
fn a_statement_takes_parameters_of_every_kind_and_gives_rows_to_every_kind() {
    let told = told(
        "    call \"TSUGISQL\" using TSUGI-RESULT \"create table t (i, j, d, t)\"\n    \
         call \"TSUGISQL\" using TSUGI-RESULT \"insert into t values (?1, ?2, ?3, ?4)\" I J D \
         T\n    \
         move TSUGI-CODE to A(1:2)\n    move TSUGI-RESULT(20:19) to A(4:19)\n    move 0 to I J \
         D\n    \
         move spaces to T\n    call \"TSUGISQL\" using TSUGI-RESULT \"select i, j, d, t from \
         t\"\n    \
         call \"TSUGIROW\" using TSUGI-RESULT I J D T\n    move TSUGI-CODE to A(24:2)\n    \
         if I = 7 and J = -12.30 and D = 1.5 and T = \"te\" move \"all\" to A(27:3) end-if\n    \
         call \"TSUGIROW\" using TSUGI-RESULT I J D T\n    move TSUGI-CODE to A(31:2)",
    );
    assert_eq!(told, "00 +000000000000000001 00 all 10");
}

#[test]
fn what_does_not_fit_is_not_cut_and_what_is_mistaken_says_why() {
    let told = told(
        "    call \"TSUGISQL\" using TSUGI-RESULT \"select 12\"\n    \
         call \"TSUGIROW\" using TSUGI-RESULT SMALL\n    move TSUGI-CODE to A(1:2)\n    \
         call \"TSUGISQL\" using TSUGI-RESULT \"select 'abc'\"\n    \
         call \"TSUGIROW\" using TSUGI-RESULT SHORT\n    move TSUGI-CODE to A(4:2)\n    \
         call \"TSUGISQL\" using TSUGI-RESULT \"select 1, 2\"\n    \
         call \"TSUGIROW\" using TSUGI-RESULT I\n    move TSUGI-CODE to A(7:2)\n    \
         call \"TSUGISQL\" using TSUGI-RESULT \"selekt\"\n    move TSUGI-CODE to A(10:2)\n    \
         move TSUGI-TEXT to A(13:28)",
    );
    assert_eq!(told, "34 34 42 42 near \"selekt\": syntax error");
}

#[test]
fn a_duplicate_is_told_and_the_call_goes_on() {
    let told = told(
        "    call \"TSUGISQL\" using TSUGI-RESULT \"create table t (i primary key)\"\n    \
         call \"TSUGISQL\" using SHORT \"insert into t values (1)\"\n    \
         call \"TSUGISQL\" using TSUGI-CODE \"insert into t values (1)\"\n    \
         if TSUGI-DUPLICATE move \"twice\" to A end-if",
    );
    assert_eq!(told, "twice");
}

#[test]
fn text_is_in_the_code_page_of_the_cluster() {
    let mut bench = Bench::new();
    // 給与 in Shift_JIS, from the caller to the store and back.
    let statements = "    call \"TSUGISQL\" using TSUGI-RESULT \"select ?1, length(?1)\" \
    A(1:10)\n    \
                      move spaces to A\n    call \"TSUGIROW\" using TSUGI-RESULT A I\n    \
                      if I = 2 move \"two\" to A(20:3) end-if";
    bench.compile("ASKS", &source(statements));
    bench.line("shift_jis").load("ASKS");
    let mut given = b"\x8b\x8b\x97\x5e".to_vec();
    given.resize(80, b' ');
    let mut expected = given.clone();
    expected[19..22].copy_from_slice(b"two");
    let came = bench.call(&[&given]).run();
    assert_eq!(came.returned(), [(0, vec![expected])], "{came:?}");
}

#[test]
fn a_service_is_called_with_parameters_and_its_reply_stands_in_them() {
    let told = told(
        "    call \"TSUGICALL\" using TSUGI-RESULT \"TWICE\" T\n    move T to A(1:10)\n    \
         move TSUGI-CODE to A(11:2)\n    move TSUGI-RESULT(20:19) to A(14:19)\n    \
         call \"TSUGICALL\" using TSUGI-RESULT \"NONE\" T\n    move TSUGI-CODE to A(34:2)\n    \
         call \"TSUGICALL\" using TSUGI-RESULT \"LONG\" T\n    move TSUGI-CODE to A(37:2)\n    \
         move T to A(40:10)",
    );
    assert_eq!(told, "TE        00 -000000000000000007 60 34 TE");
}

#[test]
fn log_abort_info_and_left_are_what_they_are_in_c() {
    let came = ran(
        "    call \"TSUGILOG\" using 2 \"a line   \"\n    call \"TSUGIINFO\" using TSUGI-INFO\n    \
         move TSUGI-ATTEMPT to A(1:9)\n    move TSUGI-EPOCH to A(11:18)\n    \
         move TSUGI-CALL-ID to A(30:12)\n    move TSUGI-CLIENT to A(43:6)\n    \
         move TSUGI-SERVICE to A(50:8)\n    call \"TSUGILEFT\" using MS\n    \
         move MS to A(59:9)\n    move TSUGI-GROUP to A(71:7)\n    \
         call \"TSUGILEFT\" using SMALL\n    move SMALL to A(69:1)\n    \
         call \"TSUGIABORT\" using \"no money\"",
    );
    assert_eq!(came.said[0], "log 2 a line");
    assert_eq!(came.said[1], "abort no money");
    let (_, parameters) = came.returned().pop().unwrap();
    let told = String::from_utf8_lossy(&parameters[0]).into_owned();
    let expected = "000000002 000000000000000042 0123-4567-1  till-7 CBLAPP01 000004321 9 ESSRV01";
    assert_eq!(told.trim_end(), expected);
}

#[test]
fn what_is_reserved_is_answered_not_in_this_version() {
    for name in ["TSUGIPUT", "TSUGITIMER", "TSUGICANCEL", "TSUGINEXT", "TSUGIOUT"] {
        let statements = format!(
            "    call \"{name}\" using TSUGI-RESULT T T\n    \
             if TSUGI-NOT-IN-THIS-VERSION move TSUGI-CODE to A end-if"
        );
        assert_eq!(told(&statements), "74", "{name}");
    }
}

#[test]
fn a_parameter_that_is_missing_ends_the_call() {
    let came = ran("    call \"TSUGISQL\" using TSUGI-RESULT");
    assert_eq!(came.only(), "ended RunTimeError 1 CALL \"TSUGISQL\": parameter 2 is missing");
}

#[test]
fn the_copybook_and_the_frames_have_the_same_codes() {
    let copybook = include_str!("../../copybooks/TSUGI.cpy");
    for code in tsugi_frames::Code::ALL {
        let characters = code.characters();
        let value = format!("VALUE \"{}\"", String::from_utf8_lossy(&characters));
        // What the store says is never told to a program.
        let told = code != tsugi_frames::Code::Store;
        assert_eq!(copybook.contains(&value), told, "{code:?}");
    }
}

#[test]
fn a_panic_of_the_worker_ends_the_call_as_what_it_is() {
    let came = ran("    call \"TSUGICALL\" using TSUGI-RESULT \"PANIC\" T");
    assert_eq!(came.only(), "ended Panic 0 the host is wrong");
}

#[test]
fn the_sample_counts_and_undoes_what_it_cannot_do() {
    let mut bench = Bench::new();
    let tables = source(
        "    call \"TSUGISQL\" using TSUGI-RESULT \"create table counter (name, value)\"\n    \
         call \"TSUGISQL\" using TSUGI-RESULT \"insert into counter values ('a', 41)\"",
    );
    bench.compile("TABLES", &tables.replace("ASKS", "TABLES"));
    bench.compile_with("COUNTER", include_str!("../../samples/COUNTER.cbl"), &OPTIONS);
    let name = |name: &[u8]| [name, &[b' '; 20][name.len()..]].concat();
    bench.load("TABLES").call(&[&[b' '; 80]]).load("COUNTER");
    bench.call(&[&name(b"a"), b"0000000000"]).call(&[&name(b"b"), b"0000000000"]);
    let came = bench.run();
    let values = came.returned().into_iter().filter_map(|(_, given)| given.get(1).cloned());
    let values: Vec<_> = values.collect();
    assert_eq!(values, [b"0000000042", b"0000000000"], "{came:?}");
    assert!(came.said.contains(&"abort there is no such counter".to_owned()), "{came:?}");
}
