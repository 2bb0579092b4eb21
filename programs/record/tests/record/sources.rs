//! Sources as people write them and as the compiler's preprocessor prints them.

use tsugi_record::dialect::Dialect;
use tsugi_record::field::{Kind, Layout};
use tsugi_record::refused::{Expected, Refused, Why};
use tsugi_record::source::{self, Form, Interface};

use super::places;

fn free(text: &str) -> Result<Interface, Refused> {
    source::read(text, Form::Free, Dialect::DEFAULT)
}

fn all(parameters: &[Layout]) -> Vec<String> {
    parameters.iter().flat_map(places).collect()
}

/// The counting sample of the report, as `cobc -E -free -std=mf` prints it.
const COUNTER: &str = "#line 1 \"CBLAPP01.cbl\"
FILE-CONTROL.
 SELECT APPFILE ASSIGN TO EXTERNAL APPFILE01
 FILE STATUS IS AP-STATUS.
DATA DIVISION.
FILE SECTION.
FD APPFILE.
01 AF-REC.
   05 RKEY PIC X(6).
   05 AF-COUNTER PIC 9(10).
WORKING-STORAGE SECTION.
01 AP-STATUS pic x(02).
LINKAGE SECTION.
01 LK-DATETIME PIC X(20).
01 LK-PGMNAME PIC X(10).
01 LK-HOSTNAME PIC X(20).
01 LK-COUNTER PIC 9(10).
PROCEDURE DIVISION USING LK-DATETIME LK-PGMNAME LK-HOSTNAME LK-COUNTER.
1.
    PERFORM GET-DATETIME.
    MOVE 'CBLAPP01 ' TO LK-PGMNAME.
";

#[test]
fn the_counting_sample_has_four_parameters() {
    let interface = source::read(COUNTER, Form::Free, Dialect::MF).unwrap();
    assert_eq!(interface.program, None);
    let expected = ["LK-DATETIME 0+20", "LK-PGMNAME 0+10", "LK-HOSTNAME 0+20", "LK-COUNTER 0+10"];
    assert_eq!(all(&interface.parameters), expected);
    let last = &interface.parameters[3].root;
    assert_eq!((last.at.file.as_str(), last.at.line), ("CBLAPP01.cbl", 16));
    assert!(matches!(last.kind, Kind::Number(_)));
}

#[test]
fn parameters_have_the_order_of_using_and_not_of_the_section() {
    let text = "PROGRAM-ID. P1. LINKAGE SECTION. 01 A PIC X. 77 B PIC 9(3). 01 C. 05 D PIC X(2).
        PROCEDURE DIVISION USING BY REFERENCE C, B.";
    let interface = free(text).unwrap();
    assert_eq!(interface.program.as_deref(), Some("P1"));
    assert_eq!(all(&interface.parameters), ["C 0+2", "D 0+2", "B 0+3"]);
}

#[test]
fn a_fixed_source_is_read_without_its_numbers_comments_and_columns_behind() {
    let lines = [
        "000100 IDENTIFICATION DIVISION.",
        "000200* 01 NOT PIC X.",
        "000300 PROGRAM-ID. CM.",
        "       LINKAGE SECTION.",
        "       01  A.",
        "      * inside",
        "           05  B-LO",
        "      -    NG   PIC X(3).",
        "           05  C PIC X(2) VALUE \"a",
        "      -    \"b\".",
        "      D    05  E PIC X(2).",
        "           05  F PIC X.",
        "       PROCEDURE DIVISION USING A.",
    ];
    let text: String = lines.iter().map(|line| format!("{line:<72}PIC X(9).\n")).collect();
    let text = text.replace("           05  F", "\t   05  F");
    let interface = source::read(&text, Form::Fixed, Dialect::DEFAULT).unwrap();
    assert_eq!(all(&interface.parameters), ["A 0+6", "B-LONG 0+3", "C 3+2", "F 5+1"]);
    let fields = match &interface.parameters[0].root.kind {
        Kind::Group(fields) => fields,
        other => panic!("{other:?}"),
    };
    assert_eq!(fields.iter().map(|field| field.at.line).collect::<Vec<_>>(), [7, 9, 12]);
}

#[test]
fn a_source_may_say_itself_how_its_lines_are_written() {
    let text = "      >>SOURCE FORMAT IS FREE
LINKAGE SECTION. *> comment
01 A PIC X(3). *> 01 B PIC X.
PROCEDURE DIVISION USING A.";
    let interface = source::read(text, Form::Fixed, Dialect::DEFAULT).unwrap();
    assert_eq!(all(&interface.parameters), ["A 0+3"]);
}

#[test]
fn lines_of_copybooks_keep_their_own_numbers() {
    let text = "#line 1 \"A.cbl\"\nLINKAGE SECTION.\n#line 1 \"B.cpy\"\n 01 B.\n 05 C PIC X COMP.
#line 4 \"A.cbl\"\nPROCEDURE DIVISION USING B.";
    let refused = free(text).unwrap_err();
    assert_eq!((refused.at.file.as_str(), refused.at.line), ("B.cpy", 2));
    assert_eq!(refused.item.as_deref(), Some("C"));
}

#[test]
fn constants_stand_for_their_numbers() {
    let text = "WORKING-STORAGE SECTION. 78 LONG VALUE 7. 01 MANY CONSTANT AS 3.
        LINKAGE SECTION. 78 MORE VALUE IS 2. 01 A. 05 B PIC X(LONG). 05 C PIC 9(MORE) OCCURS MANY.
        PROCEDURE DIVISION USING A.";
    assert_eq!(all(&free(text).unwrap().parameters), ["A 0+13", "B 0+7", "C 7+2"]);
    for constant in ["01 N CONSTANT AS 3 + 4", "78 N VALUE 3 + 4", "01 N CONSTANT AS LENGTH OF A"] {
        let text = format!(
            "LINKAGE SECTION. {constant}. 01 A. 05 B PIC X(N). PROCEDURE DIVISION USING A."
        );
        assert!(matches!(free(&text).unwrap_err().why, Why::Picture { .. }), "{constant}");
    }
}

#[test]
fn clauses_stand_in_any_order_and_names_need_not_be_there() {
    let text = "LINKAGE SECTION. 01 A. 05 B VALUE 'A.B' PIC X(3). 05 VALUE ZERO COMP-3 PIC S9(3).
        05 C SIGN IS TRAILING SEPARATE PICTURE IS S9(3) USAGE IS DISPLAY GLOBAL.
        05 D PIC 9(3).9. 05 E OCCURS 2 TIMES INDEXED BY I, J PIC X. 66 G RENAMES B THRU C.
        05 H VALUE ALL \"x\" & 'y' PIC X(4).
        PROCEDURE DIVISION USING A.";
    let expected = ["A 0+20", "B 0+3", "C 5+4", "D 9+5", "E 14+1", "H 16+4"];
    assert_eq!(all(&free(text).unwrap().parameters), expected);
}

#[test]
fn a_program_without_parameters_has_none() {
    for text in ["PROCEDURE DIVISION.", "LINKAGE SECTION. 01 A PIC X. PROCEDURE DIVISION."] {
        assert!(free(text).unwrap().parameters.is_empty());
    }
}

#[test]
fn what_is_not_understood_is_refused_where_it_stands() {
    let name = |name: &str| name.to_owned();
    let expected = |what, found: &str| Why::Expected { what, found: found.to_owned() };
    for (entry, line, why) in [
        ("05 B PIC X FOO.", 1, Why::Unknown { word: name("FOO") }),
        ("05 B\nPIC X\nFOO.", 3, Why::Unknown { word: name("FOO") }),
        ("05 B POINTER.", 1, Why::Usage { word: name("POINTER") }),
        ("05 B USAGE INDEX.", 1, Why::Usage { word: name("INDEX") }),
        ("05 B USAGE IS OBJECT REFERENCE.", 1, Why::Usage { word: name("OBJECT") }),
        ("05 B USAGE PROGRAM-POINTER.", 1, Why::Usage { word: name("PROGRAM-POINTER") }),
        ("05 B PIC 9(3)PP COMP-3.", 1, Why::ScaledPacked { picture: name("9(3)PP") }),
        ("05 B PIC VP9 COMP-6.", 1, Why::ScaledPacked { picture: name("VP9") }),
        ("05 B PIC X ANY LENGTH.", 1, Why::Clause { word: name("ANY") }),
        ("05 B PIC X EXTERNAL.", 1, Why::Clause { word: name("EXTERNAL") }),
        ("05 B PIC.", 1, expected(Expected::Picture, ".")),
        ("05 B PIC X USAGE.", 1, expected(Expected::Usage, ".")),
        ("05 B PIC S9 SIGN IS MIDDLE.", 1, expected(Expected::SignPlace, "MIDDLE")),
        ("05 B PIC X OCCURS MANY.", 1, expected(Expected::Number, "MANY")),
        ("05 B PIC X OCCURS -1.", 1, expected(Expected::Number, "-1")),
        ("05 B PIC X VALUE.", 1, expected(Expected::Value, ".")),
        ("05 B PIC X VALUE 'a.\n", 1, Why::Unfinished),
        ("B PIC X.", 1, expected(Expected::Level, "B")),
        ("50 B PIC X.", 1, expected(Expected::Level, "50")),
        ("05 B PIC X. 88 C.", 1, expected(Expected::Value, ".")),
        (
            "05 N PIC 9. 05 B PIC X OCCURS 1 TO 2 DEPENDING ON N OF OTHER.",
            1,
            Why::Depending { on: name("N") },
        ),
        (
            "05 G. 10 N PIC 9. 05 B PIC X OCCURS 1 TO 2 DEPENDING ON N OF A OF G.",
            1,
            Why::Depending { on: name("N") },
        ),
    ] {
        let text = format!("LINKAGE SECTION. 01 A. {entry} PROCEDURE DIVISION USING A.");
        let refused = free(&text).unwrap_err();
        assert_eq!((refused.at.line, &refused.why), (line, &why), "{entry}");
    }
}

#[test]
fn parameters_that_cannot_be_handed_over_are_refused() {
    let name = |name: &str| name.to_owned();
    for (header, why) in [
        ("USING B", Why::NoSuchParameter { name: name("B") }),
        ("USING A5", Why::NoSuchParameter { name: name("A5") }),
        ("USING A A", Why::SameParameter { name: name("A") }),
        ("USING BY VALUE A", Why::ByValue { word: name("VALUE") }),
        ("USING OPTIONAL A", Why::ByValue { word: name("OPTIONAL") }),
        ("USING A RETURNING C", Why::Clause { word: name("RETURNING") }),
        ("RETURNING A", Why::Clause { word: name("RETURNING") }),
        ("USING A D", Why::Clause { word: name("REDEFINES") }),
        ("CHAINING A", Why::Clause { word: name("CHAINING") }),
    ] {
        let text = format!(
            "LINKAGE SECTION. 01 A. 05 A5 PIC X. 01 C PIC X. 01 D REDEFINES A PIC X. \
             PROCEDURE DIVISION {header}."
        );
        assert_eq!(free(&text).unwrap_err().why, why, "{header}");
    }
    assert_eq!(free("LINKAGE SECTION. 01 A PIC X.").unwrap_err().why, Why::NoProcedure);
    assert_eq!(free("").unwrap_err().why, Why::NoProcedure);
}
