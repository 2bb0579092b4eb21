//! Programs are imported from their sources by the real compiler, and refused with its words.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use tsugi_package::Digest;
use tsugi_package::import::{Effect, NotImported, Phase, Proof, import};
use tsugi_package::interface;
use tsugi_package::manifest::{Dialect, File, Organization};
use tsugi_package::module::{NoModule, Object, seal};
use tsugi_record::Conversion;
use tsugi_record::code_page::{CodePage, Wave};
use tsugi_record::refused::Why;
use tsugi_record::source::Form;

use super::compiled::{
    counting, elsewhere, imported, of_report, program, request, sources, written,
};
use super::interfaces::golden;

#[test]
fn the_counting_service_of_the_report_is_imported_unchanged() {
    let imported = counting();
    assert_eq!(imported.module.entry, "CBLAPP01");
    let file = File {
        name: "APPFILE01".to_owned(),
        organization: Organization::Indexed,
        shortest: 16,
        longest: 16,
        most: None,
        keys: vec![super::key("RKEY", 0, 6)],
    };
    assert_eq!(imported.files, [file]);
    assert_eq!(imported.module.needs, ["APPFILE01"]);
    let effects: Vec<_> =
        imported.effects.iter().map(|seen| (seen.at.line, seen.what.clone())).collect();
    let accepts = |from: &str| Effect::Accepts { from: from.to_owned() };
    let calls = Effect::Calls { name: "gethostname".to_owned() };
    assert_eq!(effects, [(25, calls), (35, accepts("DATE")), (36, accepts("TIME"))]);
    assert!(imported.warnings.contains("PROGRAM-ID header missing"), "{}", imported.warnings);
    assert!(imported.source.starts_with(b"#line 1 \"CBLAPP01.cbl\"\n"));
    let conversion = Conversion::of(CodePage::ShiftJis);
    let interface = interface::written("CBLAPP01", &imported.interface, &conversion);
    golden("CBLAPP01.toml", &interface);
    let object = Object::read(&imported.object).unwrap();
    object.reaches_only_the_handler("CBLAPP01").unwrap();
    object.is_sealed(&imported.module, Digest::of(&imported.source)).unwrap();
    assert!(object.imports().iter().any(|name| name == "tsugi_file_handler"));
}

/// The report's other program makes the file: it does not need it.
#[test]
fn the_program_that_makes_the_file_of_the_report_needs_none() {
    let imported = import(&request(&of_report("INITFILE1.cbl"))).unwrap();
    assert_eq!(imported.files[0].name, "APPFILE01");
    assert!(imported.module.needs.is_empty());
    assert!(imported.interface.parameters.is_empty());
    assert_eq!(imported.effects.len(), 1);
    assert_eq!(imported.effects[0].what, Effect::Stops);
    let conversion = Conversion::of(CodePage::ShiftJis);
    let text = interface::written("INITFILE1", &imported.interface, &conversion);
    let read = interface::read(&text, "INITFILE1", &imported.interface).unwrap();
    assert!(read.parameters.records(b"{}").unwrap().is_empty());
}

/// The report's file has its name in lower case, and its callers ask for CBLAPP01.
#[test]
fn a_program_without_a_name_gets_that_of_its_file_or_the_one_that_is_asked_for() {
    let text = fs::read_to_string(of_report("CBLAPP01.cbl")).unwrap();
    let source = written("cblapp01.cbl", text);
    let mut asked = request(&source.path);
    assert_eq!(import(&asked).unwrap().module.entry, "cblapp01");
    asked.name = Some("CBLAPP01");
    asked.proof = Proof::Probed;
    let imported = import(&asked).unwrap();
    assert_eq!(imported.module.entry, "CBLAPP01");
    assert!(Object::read(&imported.object).unwrap().has("CBLAPP01"));
    asked.name = Some("../CBLAPP01");
    assert!(matches!(import(&asked), Err(NotImported::Name { .. })));
}

#[test]
fn the_same_source_gives_the_same_text_wherever_it_lies() {
    let text = fs::read_to_string(of_report("CBLAPP01.cbl")).unwrap();
    let there = written("CBLAPP01.cbl", text);
    let (one, two) = (counting(), import(&request(&there.path)).unwrap());
    assert_eq!(one.source, two.source);
    let hash = Digest::of(&one.source);
    assert_eq!(seal(&one.module, hash), seal(&two.module, hash));
}

/// The compiler is asked where it has put every item, tables and redefinitions included.
#[test]
fn copybooks_are_found_in_folders_and_items_keep_their_places() {
    let order = written("ORDER.cbl", fs::read_to_string(sources().join("ORDER.cbl")).unwrap());
    let mut asked = request(&order.path);
    asked.form = Form::Fixed;
    asked.proof = Proof::Probed;
    let Err(NotImported::Refused { phase: Phase::Expand, says }) = import(&asked) else {
        panic!("there is no copybook")
    };
    assert!(says.contains("CUSTOMER") && says.contains("ORDER.cbl:19"), "{says}");
    let folders = [sources()];
    asked.copybooks = &folders;
    let imported = import(&asked).unwrap();
    assert_eq!(imported.module.entry, "ORDER1");
    let head = &imported.interface.parameters[0].root;
    let tsugi_record::field::Kind::Group(fields) = &head.kind else { panic!("{head:?}") };
    assert_eq!((fields[0].at.file.as_str(), fields[0].at.line), ("CUSTOMER.cpy", 1));
    assert_eq!(imported.files[0].organization, Organization::Relative);
    assert!(imported.module.needs.is_empty(), "it is OPTIONAL");
}

#[test]
fn every_dialect_and_a_name_in_quotes_are_proved_by_the_compiler() {
    for dialect in [Dialect::Default, Dialect::Mf, Dialect::Ibm] {
        let path = sources().join("ADDRESS.cbl");
        let mut asked = request(&path);
        asked.dialect = dialect;
        asked.proof = Proof::Probed;
        let imported = import(&asked).unwrap();
        assert_eq!(imported.module.entry, "address-check");
        assert_eq!(imported.module.object.as_str(), "modules/address__check.so");
        assert_eq!(imported.module.dialect, dialect);
        assert_eq!(imported.files, []);
    }
}

/// What is compiled is the expanded source: a literal that goes on in the next line, what stands
/// behind column 72, a copybook with other names and a text in Shift_JIS stay what they are.
#[test]
fn what_was_imported_does_what_its_source_does() {
    let text = "       IDENTIFICATION DIVISION.
       PROGRAM-ID. P1.
       DATA DIVISION.
       WORKING-STORAGE SECTION.
           COPY PIECE REPLACING ==:X:== BY ==WN==.
       PROCEDURE DIVISION.
           MOVE \"A LITERAL THAT GOES ON IN THE NEXT LINE, WITH SPACES     BEHIND\"
           TO WN-TEXT.
           DISPLAY \"[\" WN-TEXT \"]\".                                      COMMENT
           DISPLAY \"CONTINUED HERE AND ON THE FOLLOWING LINE, UP TO ITS
      -    \"OWN END\".
           DISPLAY \"\u{8868}\u{793a}\" WN-NUMBER.
           GOBACK.
";
    let text = text.replace("SPACES     BEHIND", "ONE");
    let source = written("P1.cbl", CodePage::ShiftJis.encode(&text).unwrap());
    let folder = source.path.parent().unwrap().to_owned();
    let piece = "       01 :X:-TEXT PIC X(60).\n       01 :X:-NUMBER PIC 9(3) VALUE 42.\n";
    fs::write(folder.join("PIECE.cpy"), piece).unwrap();
    let mut asked = request(&source.path);
    asked.form = Form::Fixed;
    let imported = import(&asked).unwrap();
    let run = |folder: &std::path::Path| {
        let mut command = Command::new("cobcrun");
        let run = command.arg("P1").env("COB_LIBRARY_PATH", folder).output().unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        run.stdout
    };
    let mut plain = Command::new("cobc");
    plain.args(["-m", "-fixed", "-std=mf", "-w", "P1.cbl"]).current_dir(&folder);
    assert!(plain.status().unwrap().success());
    let expected = run(&folder);
    let ours = tempfile::tempdir().unwrap();
    fs::write(ours.path().join("P1.so"), &imported.object).unwrap();
    assert_eq!(run(ours.path()), expected);
    let expected = CodePage::ShiftJis.decode(&expected, Wave::Microsoft).unwrap();
    assert!(expected.contains("\u{8868}\u{793a}042"), "{expected}");
}

/// Names and texts in Japanese: the compiler gets the bytes that somebody has typed.
#[test]
fn a_source_in_shift_jis_or_euc_keeps_its_bytes_and_its_names() {
    let text = "IDENTIFICATION DIVISION.\nPROGRAM-ID. P1.\nDATA DIVISION.\nLINKAGE SECTION.\n\
                01 LK-A.\n 05 \u{9867}\u{5ba2}\u{540d} PIC X(20).\n 05 LK-B PIC N(4).\n\
                PROCEDURE DIVISION USING LK-A.\n MOVE \"\u{8868}\u{793a}\" TO LK-A. GOBACK.\n";
    for page in [CodePage::ShiftJis, CodePage::EucJp, CodePage::Utf8] {
        let source = written("P1.cbl", page.encode(text).unwrap());
        let mut asked = request(&source.path);
        asked.code_page = page;
        asked.proof = Proof::Probed;
        let imported = import(&asked).unwrap();
        let literal = page.encode("\u{8868}\u{793a}").unwrap();
        assert!(imported.source.windows(literal.len()).any(|bytes| bytes == literal), "{page:?}");
        let written = interface::written("P1", &imported.interface, &Conversion::of(page));
        assert!(written.contains("json = \"\u{9867}\u{5ba2}\u{540d}\""), "{written}");
        let other = if page == CodePage::Utf8 { CodePage::EucJp } else { CodePage::Utf8 };
        asked.code_page = other;
        let Err(NotImported::CodePage { page, at }) = import(&asked) else { panic!("{other:?}") };
        assert_eq!((page, at.file.as_str(), at.line), (other, "P1.cbl", 6));
    }
}

#[test]
fn what_the_compiler_says_of_a_source_is_told() {
    let Err(NotImported::Refused { phase: Phase::Compile, says }) =
        imported(&program("DATA DIVISION.", " MOVE 1 TO NOTHING."))
    else {
        panic!("it does not compile")
    };
    assert!(says.contains("P1.cbl:8: error:"), "{says}");
    // Fixed lines that are read as free ones, and the other way round.
    for (name, form) in [("ORDER.cbl", Form::Free), ("CBLAPP01.cbl", Form::Fixed)] {
        let path = sources().join(name);
        let mut asked = request(&path);
        asked.form = form;
        let found = import(&asked);
        assert!(found.is_err(), "{name} as {form:?}");
    }
}

#[test]
fn an_interface_that_is_not_understood_is_refused_with_its_line() {
    let text = "IDENTIFICATION DIVISION.\nPROGRAM-ID. P1.\nDATA DIVISION.\nLINKAGE SECTION.\n\
                01 A.\n 05 B POINTER.\nPROCEDURE DIVISION USING A.\n GOBACK.\n";
    let Err(NotImported::Interface(refused)) = imported(text) else { panic!("a pointer") };
    assert_eq!((refused.at.line, refused.item.as_deref()), (6, Some("B")));
    assert_eq!(refused.why, Why::Usage { word: "POINTER".to_owned() });
}

#[test]
fn a_source_or_a_program_whose_name_is_none_is_refused() {
    let text = program("DATA DIVISION.", " GOBACK.");
    for name in ["a b.cbl", "-x.cbl"] {
        let source = written(name, &text);
        assert!(matches!(import(&request(&source.path)), Err(NotImported::Name { .. })));
    }
    let quoted = text.replace("PROGRAM-ID. P1.", "PROGRAM-ID. \"../P1\".");
    assert!(matches!(
        imported(&quoted),
        Err(NotImported::Name { .. } | NotImported::Refused { .. })
    ));
    let missing = sources().join("NOTHING.cbl");
    assert!(matches!(import(&request(&missing)), Err(NotImported::Failed(_))));
}

/// A folder with something that is called as the compiler is.
fn instead(script: &str) -> (tempfile::TempDir, std::ffi::OsString) {
    let folder = tempfile::tempdir().unwrap();
    let cobc = folder.path().join("cobc");
    fs::write(&cobc, script).unwrap();
    fs::set_permissions(&cobc, fs::Permissions::from_mode(0o755)).unwrap();
    let folders = [folder.path().to_owned(), PathBuf::from("/usr/bin"), PathBuf::from("/bin")];
    let path = std::env::join_paths(folders).unwrap();
    (folder, path)
}

#[test]
fn without_the_compiler_or_with_another_one_nothing_is_imported() {
    let source = of_report("CBLAPP01.cbl");
    let mut asked = request(&source);
    let nowhere = tempfile::tempdir().unwrap();
    asked.path = nowhere.path().as_os_str();
    assert!(matches!(import(&asked), Err(NotImported::NoCompiler)));
    let (_folder, path) = instead("#!/bin/sh\necho 'cobc (GnuCOBOL) 4.0-early-dev.0'\n");
    asked.path = &path;
    let Err(NotImported::Compiler { found }) = import(&asked) else { panic!("another one") };
    assert_eq!(found, "cobc (GnuCOBOL) 4.0-early-dev.0");
}

#[test]
fn a_compiler_that_does_not_end_is_ended() {
    // That it is slow to say what it is does not count.
    let script = "#!/bin/sh\ncase $1 in --version) sleep 2; echo 'cobc (GnuCOBOL) 3.1.2.0';; \
                  *) exec sleep 1000;; esac\n";
    let (_folder, path) = instead(script);
    let source = of_report("CBLAPP01.cbl");
    let mut asked = request(&source);
    asked.path = &path;
    asked.limit = Duration::from_secs(1);
    let found = import(&asked);
    assert!(matches!(found, Err(NotImported::TooLong { phase: Phase::Expand })), "{found:?}");
    // What `timeout` answers when it has ended a run.
    let (_folder, path) = instead("#!/bin/sh\nexit 124\n");
    asked.path = &path;
    let found = import(&asked);
    assert!(matches!(found, Err(NotImported::TooLong { phase: Phase::Identify })), "{found:?}");
}

/// What is deployed is compiled as what runs it expects: an error names the line of the source.
#[test]
fn a_run_time_error_of_an_imported_module_tells_its_line() {
    let text = program("DATA DIVISION.", " DISPLAY \"BEGUN\".\n CALL \"NOWHERE\".\n GOBACK.");
    let line = text.lines().position(|line| line.contains("NOWHERE")).unwrap() + 1;
    let imported = imported(&text).unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("P1.so"), &imported.object).unwrap();
    let mut command = Command::new("cobcrun");
    let said = command.arg("P1").env("COB_LIBRARY_PATH", folder.path()).output().unwrap();
    let errors = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(errors.contains(&format!("P1.cbl:{line}: ")), "{errors}");
    assert!(errors.contains("'NOWHERE' not found"), "{errors}");
}

/// Whoever sets options for the compiler in the environment does not change a module.
#[test]
fn the_compiler_sees_nothing_of_our_environment() {
    let script = "#!/bin/sh\ncase $1 in --version) echo 'cobc (GnuCOBOL) 3.1.2.0';; \
         *) env | cut -d= -f1 | sort >&2; exit 1;; esac\n";
    let (_folder, path) = instead(script);
    let source = of_report("CBLAPP01.cbl");
    let mut asked = request(&source);
    asked.path = &path;
    let Err(NotImported::Refused { says, .. }) = import(&asked) else { panic!("exit 1") };
    let names: Vec<_> = says.lines().filter(|name| !["PWD", "SHLVL", "_"].contains(name)).collect();
    assert_eq!(names, ["HOME", "LC_ALL", "PATH", "TMPDIR"]);
}

#[test]
fn a_module_that_was_made_elsewhere_is_refused_by_what_it_needs() {
    let text = fs::read_to_string(of_report("CBLAPP01.cbl")).unwrap();
    let check = |bytes: &[u8], entry: &str| {
        Object::read(bytes).and_then(|object| object.reaches_only_the_handler(entry))
    };
    let name = str::to_owned;
    let without = elsewhere("CBLAPP01", &text, &[]);
    let found = check(&without, "CBLAPP01");
    let Err(NoModule::WithoutHandler { name: needed }) = found else { panic!("{found:?}") };
    assert!(needed == "cob_open" || needed == "cob_read", "{needed}");
    let other = elsewhere("CBLAPP01", &text, &["-fcallfh=other"]);
    let found = check(&other, "CBLAPP01");
    assert!(matches!(found, Err(NoModule::OtherHandler { .. })), "{found:?}");
    let handled = elsewhere("CBLAPP01", &text, &["-fcallfh=tsugi_file_handler"]);
    assert_eq!(check(&handled, "CBLAPP01"), Ok(()));
    assert_eq!(check(&handled, "CBLAPP02"), Err(NoModule::NoEntry { entry: name("CBLAPP02") }));
    // It has every name right, and still we have not compiled it.
    let module = counting().module;
    let sealed = Object::read(&handled).unwrap().is_sealed(&module, Digest::of(text.as_bytes()));
    assert!(matches!(sealed, Err(NoModule::OtherSource { .. })), "{sealed:?}");
    for (statement, import) in [
        ("CALL \"CBL_DELETE_FILE\" USING \"X\"", "cob_sys_delete_file"),
        ("CALL \"SYSTEM\" USING \"true\"", "cob_sys_system"),
    ] {
        let text = program("DATA DIVISION.", &format!(" {statement}.\n GOBACK."));
        let bytes = elsewhere("P1", &text, &["-fcallfh=tsugi_file_handler"]);
        assert_eq!(check(&bytes, "P1"), Err(NoModule::Bypass { name: name(import) }));
    }
    let own = fs::read("/proc/self/exe").unwrap();
    let found = check(&own, "main");
    assert!(matches!(found, Err(NoModule::NotCobol | NoModule::NoObject { .. })), "{found:?}");
    for bytes in [&b""[..], b"\x7fELF", &handled[..64], b"not a module at all"] {
        let found = check(bytes, "CBLAPP01");
        assert!(matches!(found, Err(NoModule::NoObject { .. })), "{found:?}");
    }
}

#[test]
fn a_damaged_object_is_refused_or_read_and_never_more() {
    let handled = counting().object;
    for cut in (0..handled.len()).step_by(97) {
        if let Ok(object) = Object::read(&handled[..cut]) {
            assert!(object.reaches_only_the_handler("CBLAPP01").is_err() || cut > 1000);
        }
    }
    for at in (0..2048).step_by(3) {
        let mut bytes = handled.clone();
        bytes[at] ^= 0xff;
        drop(Object::read(&bytes).map(|object| object.has("CBLAPP01")));
    }
}
