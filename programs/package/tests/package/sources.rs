//! What is found in sources: lines that are refused, what reaches beyond the store, and files.

use tsugi_package::import::{Bypass, Declares, Effect, NotImported, Other, Request, import};
use tsugi_package::manifest::{Commits, Duplicates, File, Key, Organization, Piece};

use super::compiled::{imported, program, request, written};

const FILES: &str = " SELECT F1 ASSIGN TO \"ONE\" ORGANIZATION SEQUENTIAL.
 SELECT F2 ASSIGN TO \"TWO\" ORGANIZATION SEQUENTIAL.
 SELECT S1 ASSIGN TO \"WORK\".
DATA DIVISION.
FILE SECTION.
FD F1.
01 R1 PIC X(10).
FD F2.
01 R2 PIC X(10).
SD S1.
01 RS PIC X(10).
WORKING-STORAGE SECTION.
01 WN PIC X(20).";
/// The line of the first statement behind them.
const FIRST: u32 = 20;

/// What is refused, with its lines counted from the first statement.
fn refused(statements: &str, change: impl FnOnce(&mut Request<'_>)) -> Vec<(u32, Bypass)> {
    let source = written("P1.cbl", program(FILES, statements));
    let mut request = request(&source.path);
    change(&mut request);
    match import(&request) {
        Err(NotImported::Bypasses(found)) => {
            found.into_iter().map(|found| (found.at.line - FIRST, found.what)).collect()
        }
        Ok(_) => Vec::new(),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn what_goes_past_the_file_handler_is_refused_each_by_its_line() {
    let found = refused(
        " SORT S1 ON ASCENDING KEY RS USING F1 GIVING F2.
 DELETE FILE F1.
 OPEN I-O F1
 UNLOCK F1
 IF WN = SPACES COMMIT ELSE
   ROLLBACK
 END-IF.
 CANCEL \"ELSEWHERE\".
 CANCEL WN.
 CANCEL \"P1\".
 CALL \"CBL_DELETE_FILE\" USING WN.
 CALL 'cbl_open_file' USING WN.
 CALL \"SYSTEM\" USING WN.
 CALL \"EXTFH\" USING WN WN.
 MERGE S1 ON ASCENDING KEY RS
   USING F1 F2 OUTPUT PROCEDURE IS OUT-1.
 GOBACK.
OUT-1.
 EXIT.",
        |_| {},
    );
    let calls = |name: &str| Bypass::CallsFiles { name: name.to_owned() };
    let cancels = |target: &str| Bypass::Cancels { target: target.to_owned() };
    let expected = [
        (0, Bypass::SortsFiles { verb: "SORT".to_owned() }),
        (1, Bypass::DeletesFile),
        (3, Bypass::Unlocks),
        (4, Bypass::Commits),
        (5, Bypass::RollsBack),
        (7, cancels("ELSEWHERE")),
        (8, cancels("WN")),
        (9, cancels("P1")),
        (10, calls("CBL_DELETE_FILE")),
        (11, calls("cbl_open_file")),
        (12, Bypass::CallsSystem { name: "SYSTEM".to_owned() }),
        (13, calls("EXTFH")),
        (14, Bypass::SortsFiles { verb: "MERGE".to_owned() }),
    ];
    assert_eq!(found, expected);
    let sql = refused(" EXEC SQL\n  UPDATE T SET A = 1\n END-EXEC.\n GOBACK.", |_| {});
    assert_eq!(sql, [(0, Bypass::Embeds { language: "SQL".to_owned() })]);
}

#[test]
fn a_file_of_pages_is_one_of_lines_whatever_is_selected() {
    let lines = " SELECT F1 ASSIGN TO \"ONE\" ORGANIZATION LINE SEQUENTIAL.
 SELECT F2 ASSIGN TO \"TWO\" ORGANIZATION SEQUENTIAL.
 SELECT F3 ASSIGN TO \"THREE\".
 SELECT F4 ASSIGN TO \"FOUR\".
DATA DIVISION.
FILE SECTION.
FD F1
  LINAGE IS 60 LINES WITH FOOTING AT 55.
01 R1 PIC X(10).
FD F2 LINAGE W1 LINES AT TOP 2 LINES AT BOTTOM 3.
01 R2 PIC X(10).
FD F3 RECORD CONTAINS 10 CHARACTERS LINAGE 5.
01 R3 PIC X(10).
FD F4.
01 R4 PIC X(10).
WORKING-STORAGE SECTION.
01 W1 PIC 99 VALUE 50.";
    let statements = " OPEN OUTPUT F1 F2 F3 F4.
 WRITE R1 AFTER ADVANCING 2 LINES END-OF-PAGE DISPLAY LINAGE-COUNTER IN F1 END-WRITE.
 GOBACK.";
    let imported = super::compiled::imported(&program(lines, statements)).unwrap();
    let files: Vec<_> = imported
        .files
        .iter()
        .map(|file| (file.name.as_str(), file.organization, file.shortest, file.longest))
        .collect();
    let lines = Organization::LineSequential;
    let expected = [
        ("ONE", lines, 0, 10),
        ("TWO", lines, 0, 10),
        ("THREE", lines, 0, 10),
        ("FOUR", Organization::Sequential, 10, 10),
    ];
    assert_eq!(files, expected);
    assert_eq!(imported.effects, []);
}

#[test]
fn a_printer_without_a_name_is_a_file_of_lines() {
    let lines = " SELECT F1 ASSIGN TO PRINTER.
 SELECT F2 ASSIGN TO PRINTER \"TWO\".
 SELECT F3 ASSIGN TO LINE ADVANCING FILE \"THREE\".
DATA DIVISION.
FILE SECTION.
FD F1.
01 R1 PIC X(10).
FD F2.
01 R2 PIC X(10).
FD F3.
01 R3 PIC X(10).";
    let statements = " OPEN OUTPUT F1 F2 F3.\n WRITE R1 AFTER ADVANCING PAGE.\n GOBACK.";
    let imported = super::compiled::imported(&program(lines, statements)).unwrap();
    let files: Vec<_> =
        imported.files.iter().map(|file| (file.name.as_str(), file.organization)).collect();
    let expected = [
        ("PRINTER", Organization::LineSequential),
        ("TWO", Organization::Sequential),
        ("THREE", Organization::LineSequential),
    ];
    assert_eq!(files, expected);
    assert_eq!(imported.effects, []);
}

/// One SELECT of each word for a device: what the compiler makes of it, in each dialect.
#[test]
fn only_keyboard_and_display_without_a_name_are_devices() {
    let lines = Organization::LineSequential;
    let records = Organization::Sequential;
    let own = Some(("F1", lines));
    let table = [
        ("CARD-READER", own, lines),
        ("CARD-PUNCH", own, lines),
        ("CASSETTE", own, lines),
        ("MAGNETIC-TAPE", own, lines),
        ("PRINTER", Some(("PRINTER", lines)), records),
        ("PRINTER-1", Some(("PRINTER-1", lines)), records),
        ("PRINT", Some(("LPT1", lines)), records),
        ("DISK", Some(("F1", records)), records),
        ("DISC", Some(("F1", records)), records),
        ("TAPE", Some(("F1", records)), records),
        ("RANDOM", Some(("F1", records)), records),
        ("DISPLAY", None, records),
        ("KEYBOARD", None, records),
    ];
    for (word, bare, named) in table {
        let imported = |assigned: &str| {
            let select = format!(
                " SELECT F1 ASSIGN TO {assigned}.\nDATA DIVISION.\nFILE SECTION.\nFD F1.\n\
                 01 R1 PIC X(4)."
            );
            super::compiled::imported(&program(&select, " OPEN OUTPUT F1.\n GOBACK.")).unwrap()
        };
        let is = |assigned: &str| {
            let imported = imported(assigned);
            let file = imported.files.first().map(|file| (file.name.clone(), file.organization));
            let devices = [Effect::Device { file: "F1".to_owned(), device: word.to_owned() }];
            let found: Vec<_> = imported.effects.into_iter().map(|seen| seen.what).collect();
            assert_eq!(found == devices, file.is_none(), "{assigned}: {found:?}");
            file
        };
        let file = |name: &str, organization| Some((name.to_owned(), organization));
        assert_eq!(is(word), bare.and_then(|(name, is)| file(name, is)), "{word}");
        let said = bare.and_then(|(name, _)| file(name, records));
        assert_eq!(is(&format!("{word} ORGANIZATION SEQUENTIAL")), said, "{word}");
        let access = bare.and_then(|(name, is)| file(name, is));
        assert_eq!(is(&format!("{word} ACCESS MODE IS SEQUENTIAL")), access, "{word}");
        assert_eq!(is(&format!("{word} NEW-NAME")), file("NEW-NAME", named), "{word}");
        assert_eq!(is(&format!("{word} \"lit\"")), file("lit", named), "{word}");
    }
}

#[test]
fn what_only_looks_like_it_is_not_refused() {
    let statements = " OPEN INPUT F1
 READ F1 AT END CONTINUE END-READ
 CLOSE F1
 SORT S1 ON ASCENDING KEY RS INPUT PROCEDURE IN-1 OUTPUT PROCEDURE OUT-1
 DISPLAY \"DELETE FILE F1. COMMIT\"
 MOVE \"SORT S1 USING F1\" TO WN *> ROLLBACK
 CALL \"WITHOUT\" USING WN
 CANCEL \"WITHOUT\"
 GOBACK.
IN-1.
 RELEASE RS FROM WN.
OUT-1.
 RETURN S1 AT END CONTINUE.";
    let without = Other { entry: "WITHOUT".to_owned(), files: Declares::None };
    let with = Other { entry: "WITHOUT".to_owned(), files: Declares::Files };
    let others = [without];
    let source = written("P1.cbl", program(FILES, statements));
    let mut asked = request(&source.path);
    asked.others = &others;
    let imported = import(&asked).unwrap();
    assert_eq!(imported.effects, []);
    let others = [with];
    asked.others = &others;
    let Err(NotImported::Bypasses(found)) = import(&asked) else { panic!("it has files") };
    assert_eq!(found[0].what, Bypass::Cancels { target: "WITHOUT".to_owned() });
}

#[test]
fn a_commit_does_nothing_where_the_package_says_so() {
    let source = written("P1.cbl", program(FILES, " COMMIT.\n ROLLBACK.\n GOBACK."));
    let mut asked = request(&source.path);
    asked.commits = Commits::Nothing;
    let imported = import(&asked).unwrap();
    assert_eq!(imported.module.commits, Commits::Nothing);
    let seen: Vec<_> = imported.effects.iter().map(|seen| (seen.at.line, &seen.what)).collect();
    let nothing = |verb: &str| Effect::DoesNothing { verb: verb.to_owned() };
    let expected = [(FIRST, &nothing("COMMIT")), (FIRST + 1, &nothing("ROLLBACK"))];
    assert_eq!(seen, expected);
}

#[test]
fn what_reaches_beyond_the_store_is_listed_with_its_lines() {
    let files = " SELECT FK ASSIGN TO KEYBOARD ORGANIZATION LINE SEQUENTIAL.
 SELECT FI ASSIGN TO DYNAMIC WN.
DATA DIVISION.
FILE SECTION.
FD FK.
01 RK PIC X(10).
FD FI.
01 RI PIC X(10).
WORKING-STORAGE SECTION.
01 WN PIC X(20).";
    let statements = " ACCEPT WN FROM DATE.
 ACCEPT WN FROM ENVIRONMENT \"HOME\".
 ACCEPT WN.
 DISPLAY WN.
 DISPLAY WN UPON CONSOLE.
 DISPLAY \"A\" UPON ENVIRONMENT-NAME.
 CALL \"gethostname\" USING WN BY VALUE 20.
 CALL WN.
 CALL \"CBL_OC_NANOSLEEP\" USING WN.
 CALL STATIC \"puts\" USING WN.
 SET ENVIRONMENT \"DD_X\" TO WN.
 IF WN = SPACES STOP RUN.
 GOBACK.";
    let imported = imported(&program(files, statements)).unwrap();
    let seen: Vec<(u32, Effect)> =
        imported.effects.into_iter().map(|seen| (seen.at.line, seen.what)).collect();
    let text = str::to_owned;
    let expected = [
        (6, Effect::Device { file: text("FK"), device: text("KEYBOARD") }),
        (7, Effect::FileByItem { file: text("FI"), item: text("WN") }),
        (17, Effect::Accepts { from: text("DATE") }),
        (18, Effect::Accepts { from: text("ENVIRONMENT") }),
        (19, Effect::Accepts { from: text("TERMINAL") }),
        (22, Effect::Displays { upon: text("ENVIRONMENT-NAME") }),
        (23, Effect::Calls { name: text("gethostname") }),
        (24, Effect::CallsByItem { item: text("WN") }),
        (25, Effect::CallsFunction { name: text("CBL_OC_NANOSLEEP") }),
        (26, Effect::Calls { name: text("puts") }),
        (27, Effect::SetsEnvironment),
        (28, Effect::Stops),
    ];
    assert_eq!(seen, expected);
    assert_eq!(imported.files, []);
}

#[test]
fn files_are_declared_as_they_are_written() {
    let files = " SELECT F1 ASSIGN TO EXTERNAL UT-S-App1 ORGANIZATION IS INDEXED
   ACCESS IS DYNAMIC RECORD KEY IS K1 ALTERNATE RECORD KEY K2 WITH DUPLICATES
   FILE STATUS IS WN LOCK MODE IS AUTOMATIC.
 SELECT OPTIONAL F2 ASSIGN TO DISK \"TWO\" RELATIVE RELATIVE KEY IS WK.
 SELECT F3 ASSIGN three ORGANIZATION LINE SEQUENTIAL.
 SELECT F4 ASSIGN TO \"FOUR\".
 SELECT F5 ASSIGN TO \"TWO\" ORGANIZATION RECORD SEQUENTIAL.
DATA DIVISION.
FILE SECTION.
FD F1.
01 R1. 05 K1 PIC X(10). 05 K2 PIC X(2).
FD F2.
01 R2 PIC X(10).
FD F3.
01 R3 PIC X(10).
FD F4.
01 R4 PIC X(10).
FD F5.
01 R5 PIC X(10).
WORKING-STORAGE SECTION.
01 WN PIC X(2).
01 WK PIC 9(4).";
    let Err(NotImported::File { file, at }) = imported(&program(files, " GOBACK.")) else {
        panic!("F2 and F5 are one file")
    };
    assert_eq!((file.as_str(), at.line), ("TWO", 12));
    let files = files.replace("F5 ASSIGN TO \"TWO\"", "F5 ASSIGN TO \"FIVE\"");
    let imported = imported(&program(
        &files,
        " OPEN INPUT F1 F4 OUTPUT F3 EXTEND F1. OPEN OUTPUT F5.\n GOBACK.",
    ))
    .unwrap();
    let file = |name: &str, organization, (shortest, longest), keys: &[Key]| File {
        name: name.to_owned(),
        organization,
        shortest,
        longest,
        most: None,
        keys: keys.to_vec(),
    };
    let second = Key { duplicates: Duplicates::Allowed, ..super::key("K2", 10, 2) };
    let of_both = [super::key("K1", 0, 10), second];
    let expected = [
        file("App1", Organization::Indexed, (12, 12), &of_both),
        file("TWO", Organization::Relative, (10, 10), &[]),
        file("THREE", Organization::LineSequential, (0, 10), &[]),
        file("FOUR", Organization::Sequential, (10, 10), &[]),
        file("FIVE", Organization::Sequential, (10, 10), &[]),
    ];
    assert_eq!(imported.files, expected);
    assert_eq!(imported.module.needs, ["App1", "FOUR"]);
}

/// What the compiler makes of the same lines is `record_min`, `record_max`, `offset` and
/// `tf_suppress` in the C that `cobc -C` writes.
#[test]
fn records_and_keys_are_where_the_compiler_has_them() {
    let files = " SELECT A ASSIGN \"A\" ORGANIZATION INDEXED ACCESS DYNAMIC
   RECORD KEY IS K1 OF RA
   ALTERNATE RECORD KEY IS K2 WITH DUPLICATES
   ALTERNATE RECORD KEY K3 = K3A K3B
   ALTERNATE RECORD KEY K4 SUPPRESS WHEN SPACES.
 SELECT C ASSIGN \"C\" SEQUENTIAL.
 SELECT E ASSIGN \"E\" SEQUENTIAL.
 SELECT F ASSIGN \"F\" SEQUENTIAL.
 SELECT G ASSIGN \"G\" ORGANIZATION RELATIVE.
 SELECT H ASSIGN \"H\" SEQUENTIAL.
 SELECT K ASSIGN \"K\" SEQUENTIAL.
DATA DIVISION.
FILE SECTION.
FD A.
01 RA. 05 K1 PIC X(6). 05 K2 PIC 9(4) COMP. 05 K3A PIC X(3). 05 FILLER PIC X.
  05 K3B PIC X(2). 05 K4 PIC X(5).
01 RA2. 05 K1 PIC X(2). 05 FILLER PIC X(48).
FD C.
01 RC PIC X(80).
01 RC2 PIC X(20).
FD E RECORD CONTAINS 5 TO 30 CHARACTERS.
01 RE PIC X(30).
FD F RECORD IS VARYING IN SIZE FROM 3 TO 40 DEPENDING ON N.
01 XF PIC X(40).
FD G.
01 RG. 05 GN PIC 9(2). 05 GT PIC X(3) OCCURS 1 TO 9 DEPENDING GN.
FD H RECORD VARYING DEPENDING ON N.
01 XH PIC X(40).
01 RH2 PIC X(7).
FD K RECORD CONTAINS 40 BLOCK CONTAINS 0 RECORDS LABEL RECORD STANDARD.
01 RK PIC X(20).
WORKING-STORAGE SECTION.
01 N PIC 9(4).";
    let imported = imported(&program(files, " GOBACK.")).unwrap();
    let lengths: Vec<_> = imported
        .files
        .iter()
        .map(|file| (file.name.as_str(), file.shortest, file.longest))
        .collect();
    let expected = [
        ("A", 19, 50),
        ("C", 20, 80),
        ("E", 5, 30),
        ("F", 3, 40),
        ("G", 5, 29),
        ("H", 7, 40),
        ("K", 20, 40),
    ];
    assert_eq!(lengths, expected);
    let keys = &imported.files[0].keys;
    let parts = vec![Piece { offset: 8, length: 3 }, Piece { offset: 12, length: 2 }];
    let expected = [
        super::key("K1", 0, 6),
        Key { duplicates: Duplicates::Allowed, ..super::key("K2", 6, 2) },
        Key { parts, ..super::key("K3", 0, 0) },
        Key { suppressed: Some(b' '), ..super::key("K4", 14, 5) },
    ];
    assert_eq!(keys[..], expected);
}

#[test]
fn a_file_whose_records_make_none_is_refused_at_its_select() {
    let files = " SELECT A ASSIGN \"A\" ORGANIZATION INDEXED RECORD KEY K1
   ALTERNATE RECORD KEY K2 SUPPRESS WHEN \"AB\".
DATA DIVISION.
FILE SECTION.
FD A.
01 RA. 05 K1 PIC X(6). 05 K2 PIC X(4).";
    let refused = imported(&program(files, " GOBACK."));
    let Err(NotImported::Records { file, at, says }) = refused else { panic!("{refused:?}") };
    assert_eq!((file.as_str(), at.line, says.as_str()), ("A", 6, "SUPPRESS WHEN AB"));
}
