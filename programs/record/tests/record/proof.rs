//! The layouts of whole sources, proved by the compiler: what its preprocessor prints is read, and
//! a program made of it tells where its items are.
#![expect(clippy::disallowed_types, reason = "the compiler is asked, by a test only")]

use std::path::Path;
use std::process::Command;

use tsugi_record::code_page::CodePage;
use tsugi_record::dialect::Dialect;
use tsugi_record::field::Place;
use tsugi_record::probe::{Difference, Differs, Probe};
use tsugi_record::source::{self, Form, Interface};
use tsugi_record::{Conversion, from_json, to_json};

use super::compiler::{BY_HAND, DIALECTS, Draw, laid_out};
use super::places;

fn cobc(folder: &Path, arguments: &[&str]) -> String {
    let done = Command::new("cobc")
        .current_dir(folder)
        .arg("-w")
        .args(arguments)
        .output()
        .expect("this test needs cobc: apt-get install gnucobol3");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

/// What the preprocessor prints of a source.
fn expanded(folder: &Path, options: &[&str]) -> String {
    cobc(folder, &[&["-E", "SAMPLE.cbl"], options].concat())
}

/// Builds the probe of a source as it is read, and tells what it prints.
fn printed(folder: &Path, probe: &Probe, options: &[&str]) -> String {
    std::fs::write(folder.join("DRIVER.cbl"), &probe.driver).unwrap();
    let probed = folder.join("probed");
    std::fs::create_dir_all(&probed).unwrap();
    std::fs::write(probed.join("SAMPLE.cbl"), &probe.program).unwrap();
    let both = ["-x", "-free", "-o", "probe", "DRIVER.cbl", "probed/SAMPLE.cbl"];
    cobc(folder, &[&both, options].concat());
    let run = Command::new(folder.join("probe")).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    String::from_utf8(run.stdout).unwrap()
}

/// Reads a source under a dialect and has the compiler prove it.
fn proved(files: &[(&str, &str)], options: &[&str], dialect: Dialect) -> Interface {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let text = expanded(folder.path(), options);
    let interface = source::read(&text, Form::Free, dialect).unwrap_or_else(|e| panic!("{e:?}"));
    let probe = Probe::of(&text, &interface, "SAMPLE").unwrap();
    let options: Vec<&str> = options.iter().copied().filter(|option| *option != "-free").collect();
    let printed = printed(folder.path(), &probe, &options);
    assert_eq!(probe.compare(&printed), Ok(()), "{text}");
    interface
}

/// A program whose parameters are these records.
fn program(records: &[String]) -> String {
    let entries: String =
        records.iter().enumerate().map(|(at, r)| format!("01 R{at}.\n{r}\n")).collect();
    let names: Vec<String> = (0..records.len()).map(|at| format!("R{at}")).collect();
    format!(
        "IDENTIFICATION DIVISION.\nPROGRAM-ID. Sample.\nDATA DIVISION.\nLINKAGE SECTION.\n\
         {entries}\nPROCEDURE DIVISION USING\n{}.\nGOBACK.\n",
        names.join("\n")
    )
}

#[test]
fn layouts_of_every_kind_are_proved() {
    let records: Vec<String> = BY_HAND.iter().map(|(entries, _)| (*entries).to_owned()).collect();
    for (option, dialect) in DIALECTS {
        let files = [("SAMPLE.cbl", &*program(&records))];
        let interface = proved(&files, &["-free", option], dialect);
        assert_eq!(interface.parameters.len(), records.len());
        assert_eq!(interface.program.as_deref(), Some("Sample"));
    }
}

#[test]
fn drawn_layouts_are_proved() {
    let mut draw = Draw::of(77);
    let drawn: Vec<String> = (0..12).map(|_| draw.group(10).0).collect();
    for (option, dialect) in DIALECTS {
        let fits = |entries: &&String| laid_out(entries, dialect).is_some();
        let records: Vec<String> = drawn.iter().filter(fits).cloned().collect();
        proved(&[("SAMPLE.cbl", &*program(&records))], &["-free", option], dialect);
    }
}

const FIXED: &str = "000100 IDENTIFICATION DIVISION.
000200 PROGRAM-ID. SAMPLE.
000300* A comment: LINKAGE SECTION. 01 NOT PIC X.
000400 ENVIRONMENT DIVISION.
       CONFIGURATION SECTION.
       SPECIAL-NAMES. DECIMAL-POINT IS COMMA.
       DATA DIVISION.
       WORKING-STORAGE SECTION.
       78  LONG VALUE 7.
       01  W PIC X(60) VALUE \"PROCEDURE DIVISION USING A LITERAL THAT G
      -    \"OES ON. LINKAGE SECTION. 01 X PIC X.\".
       LINKAGE SECTION.
       77  COUNTED PIC S9(4)V9 COMP-3.
       01  REC.
           COPY CP REPLACING ==:PRE:== BY ==XX==.
           05 C PIC X(LONG).                                             COMMENT
      D    05 DEBUGGED PIC X.
           05 D PIC 9(4) VALUE IS 1,
              OCCURS 3 TIMES INDEXED BY IX.
             88  COND-A VALUES ARE 1, 2 THRU 4.
           05 G OCCURS 2.
             10 XX-A PIC S9(3) SIGN IS LEADING SEPARATE CHARACTER.
             10 E PIC ZZ9,99.
           05 H REDEFINES G PIC X(8).
       66  RENAMED RENAMES C.
       PROCEDURE DIVISION USING BY REFERENCE REC, COUNTED.
           GOBACK.
";

const COPYBOOK: &str = "           05 :PRE:-A     PIC X(3).
           05 :PRE:-B     PIC S9(4)
              COMP-3.
";

#[test]
fn a_fixed_source_with_a_copybook_is_read_as_the_compiler_reads_it() {
    let files = [("SAMPLE.cbl", FIXED), ("CP.cpy", COPYBOOK)];
    let interface = proved(&files, &["-std=default"], Dialect::DEFAULT);
    let expected = [
        "REC 0+45",
        "XX-A 0+3",
        "XX-B 3+3",
        "C 6+7",
        "D 13+4",
        "G 25+10",
        "XX-A 25+4",
        "E 29+6",
        "H 25+8",
    ];
    assert_eq!(places(&interface.parameters[0]), expected);
    assert_eq!(places(&interface.parameters[1]), ["COUNTED 0+3"]);
    let at = |line, file: &str| Place { file: file.to_owned(), line };
    assert_eq!(interface.parameters[0].root.at, at(14, "SAMPLE.cbl"));
}

/// The counting sample of the report: it has no PROGRAM-ID, and begins in the middle.
const COUNTER: &str = "FILE-CONTROL.
    SELECT APPFILE ASSIGN TO EXTERNAL APPFILE01
        ORGANIZATION INDEXED
        RECORD KEY RKEY
        ACCESS MODE RANDOM
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
01 LK-COUNTER PIC 9(10).
PROCEDURE DIVISION USING LK-DATETIME LK-COUNTER.
1.
    MOVE 1 TO LK-COUNTER.
    EXIT PROGRAM.
";

#[test]
fn the_counting_sample_is_proved_without_a_name_of_its_own() {
    let interface = proved(&[("SAMPLE.cbl", COUNTER)], &["-free", "-std=mf"], Dialect::MF);
    assert_eq!(interface.program, None);
}

#[test]
fn what_the_compiler_does_otherwise_is_told_by_item_and_line() {
    let text = program(&["05 A PIC X.\n05 B PIC S9(2) COMP.\n05 C PIC S9(2).".to_owned()]);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("SAMPLE.cbl"), &text).unwrap();
    let text = expanded(folder.path(), &["-free"]);
    let probe = |dialect| {
        let interface = source::read(&text, Form::Free, dialect).unwrap();
        Probe::of(&text, &interface, "SAMPLE").unwrap()
    };
    // Read as of one dialect, compiled as of another.
    let printed = |option| printed(folder.path(), &probe(Dialect::DEFAULT), &[option]);
    let told = printed("-std=ibm");
    let Differs { item, at, what } = *probe(Dialect::DEFAULT).compare(&told).unwrap_err();
    assert_eq!((item.as_str(), at.line), ("R0", 5));
    assert_eq!(what, Difference::Place { ours: (0, 4), theirs: (0, 5) });
    // The sign is said by an option and not by the source.
    let told = printed_with_sign(folder.path(), &probe(Dialect::DEFAULT));
    let Differs { item, at, what } = *probe(Dialect::DEFAULT).compare(&told).unwrap_err();
    assert_eq!((item.as_str(), at.line), ("C OF R0", 8));
    assert!(matches!(what, Difference::Bytes { .. }), "{what:?}");
    // A program that ends early, or prints more.
    let told = printed("-std=default");
    let half: String = told.lines().take(2).map(|line| format!("{line}\n")).collect();
    let silent = probe(Dialect::DEFAULT).compare(&half).unwrap_err();
    assert_eq!((silent.item.as_str(), silent.what), ("B OF R0", Difference::Silent));
    let more = probe(Dialect::DEFAULT).compare(&format!("{told}more\n")).unwrap_err();
    assert_eq!(more.what, Difference::Unread { line: "more".to_owned() });
    for line in ["", "P", "P1", "Px 1", "B", "B0", "B999", "B-01"] {
        assert!(probe(Dialect::DEFAULT).compare(line).is_err(), "{line}");
    }
}

fn printed_with_sign(folder: &Path, probe: &Probe) -> String {
    printed(folder, probe, &["-fsign=EBCDIC"])
}

#[test]
fn text_has_the_bytes_that_the_compiler_gives_it_in_each_code_page() {
    let entries = "05 A PIC N(4). 05 B PIC X(6). 05 C PIC X(6) JUST RIGHT.";
    let layout = super::layout(entries);
    for page in [CodePage::ShiftJis, CodePage::EucJp, CodePage::Utf8, CodePage::Ascii] {
        let (a, b) = if page == CodePage::Ascii { ("AB", "CD") } else { ("漢字", "表ｱ") };
        let text = format!(
            "IDENTIFICATION DIVISION.\nPROGRAM-ID. SAMPLE.\nDATA DIVISION.\n\
             WORKING-STORAGE SECTION.\n01 R.\n{entries}\nPROCEDURE DIVISION.\n\
             MOVE N\"{a}\" TO A\nMOVE \"{b}\" TO B\nMOVE \"{b}\" TO C\nDISPLAY R\nSTOP RUN.\n"
        );
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("SAMPLE.cbl"), page.encode(&text).unwrap()).unwrap();
        cobc(folder.path(), &["-x", "-free", "-o", "sample", "SAMPLE.cbl"]);
        let run = Command::new(folder.path().join("sample")).output().unwrap();
        let conversion = Conversion::of(page);
        let body = format!(r#"{{"a":"{a}","b":"{b}","c":"{b}"}}"#);
        let ours = from_json(&layout, body.as_bytes(), &conversion).unwrap();
        assert_eq!(ours, run.stdout[..ours.len()], "{page:?}");
        assert_eq!(to_json(&layout, &ours, &conversion), Ok(body));
    }
}

#[test]
fn tables_that_depend_on_an_item_are_proved_at_their_longest() {
    let records = [
        "05 N PIC 9(2) COMP. 05 T OCCURS 0 TO 9 DEPENDING ON N OF R0.
         10 A PIC X. 10 B PIC S9(9) COMP.",
        "05 G. 10 N PIC S9(3) COMP-3. 10 M PIC 9. 05 H. 10 A PIC X(3). 10 I. 15 B PIC X.
         15 T OCCURS 1 TO 4 DEPENDING ON N OF G IN R1.
         20 C PIC 9(2) OCCURS 3. 20 D PIC S9(4) COMP SYNC.",
        "05 N2 PIC 9(4) COMP-5. 05 FILLER PIC X(3).
         05 T PIC S9(5)V99 COMP-3 OCCURS 10 DEPENDING N2.",
    ];
    let records: Vec<String> = records.iter().map(|entries| (*entries).to_owned()).collect();
    for (option, dialect) in DIALECTS {
        proved(&[("SAMPLE.cbl", &*program(&records))], &["-free", option], dialect);
    }
}
