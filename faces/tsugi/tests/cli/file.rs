//! Files of COBOL programs by command, in a store that the test has made.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;
use tsugi_files::definition::{Definition, Duplicates, Key, Lengths, Organization, Part};
use tsugi_files::outside::{Form, Written};
use tsugi_service_engine::files::moving::{Existing, import};
use tsugi_store::{Claim, Sqlite, Store as _, file};
use tsugi_vocabulary::Epoch;

use crate::agent::nobody;
use crate::schema::check;
use crate::{Ran, tsugi, tsugi_ja};

/// Number, region (several may have one), and a mark that only one may have.
const SALES: [&str; 3] = ["0001ea11 one", "0002ea22 two", "0003we33 three"];

/// A volume with a store, and a folder for what comes out of it.
struct Place(TempDir);

impl Place {
    /// With the files LOG and SALES.
    fn new() -> Self {
        let place = Self(TempDir::new().expect("a folder"));
        fs::create_dir(place.at("u01")).expect("made");
        let mut store = place.store();
        let mut put = |name: &str, definition: &Definition, form, bytes: &[u8]| {
            let mut from = bytes;
            let from = (form, &mut from as &mut dyn std::io::Read);
            import(&mut store, (name, Existing::Refused), definition, from, 1).expect("it fits");
        };
        put("LOG", &log(), Form::Lines, b"first\nsecond\n");
        put("SALES", &sales(), Form::Varying, &varying(&SALES));
        drop(store);
        place.unlocked();
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn word(&self, name: &str) -> String {
        self.at(name).display().to_string()
    }

    fn store(&self) -> Sqlite {
        let claim = Claim {
            group: "ESSRV01".parse().expect("a name"),
            member: String::new(),
            epoch: Epoch { incarnation: 0, counter: 7 },
            run: 1,
            node: "n1".parse().expect("a name"),
            at: 1,
        };
        Sqlite::open(&self.at("u01/store"), &claim).expect("it opens")
    }

    /// Comes back once nobody has the store: what another test has just started holds what was
    /// open here until it is another program.
    fn unlocked(&self) {
        let lock = fs::File::open(self.at("u01/store/engine.lock")).expect("it is there");
        while lock.try_lock().is_err() {
            std::thread::yield_now();
        }
        lock.unlock().expect("it was locked");
    }

    fn file(&self, words: &[&str]) -> Ran {
        let volume = self.word("u01");
        tsugi(nobody().path(), &[&["file"], words, &["--volume", &volume]].concat())
    }
}

impl Place {
    /// Compiles a program in free form and runs it here.
    fn make(&self, name: &str, text: &str) {
        let source = self.at(&format!("{name}.cbl"));
        fs::write(&source, text).expect("written");
        let mut compiler = std::process::Command::new("cobc");
        compiler.args(["-x", "-free", "-w", "-o"]).arg(self.at(name)).arg(&source);
        let made = compiler.current_dir(self.0.path()).output().expect("cobc is installed");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let ran = std::process::Command::new(self.at(name)).current_dir(self.0.path()).output();
        let ran = ran.expect("it runs");
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    }
}

fn key(offset: u32, length: u32, duplicates: Duplicates) -> Key {
    Key { parts: vec![Part { offset, length }], duplicates, suppressed: None }
}

fn sales() -> Definition {
    let keys = vec![
        key(0, 4, Duplicates::Refused),
        key(4, 2, Duplicates::Allowed),
        key(6, 2, Duplicates::Refused),
    ];
    Definition::new(Organization::Indexed, Lengths { min: 8, max: 16 }, keys).expect("a file")
}

fn log() -> Definition {
    let lengths = Lengths { min: 8, max: 8 };
    Definition::new(Organization::Sequential, lengths, Vec::new()).expect("a file")
}

fn varying(records: &[&str]) -> Vec<u8> {
    let (mut written, mut bytes) = (Written::new(Form::Varying), Vec::new());
    for (number, record) in (1..).zip(records) {
        written.add(number, record.as_bytes(), &mut bytes).expect("it has a place");
    }
    bytes
}

#[test]
fn the_files_of_a_store_are_listed_with_what_they_are() {
    let place = Place::new();
    let listed = place.file(&["list"]);
    listed.ended(0, "LOG: sequential, records of 8 bytes, 2 of them");
    listed.ended(0, "SALES: indexed, records of 8-16 bytes, 3 of them, keys 1+4, 5+2 with dup");
    let json = place.file(&["list", "--json"]);
    assert_eq!((json.code, check(&json.out).as_str()), (0, "tsugi.files"), "{json:?}");
    let value: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(value["group"], "ESSRV01");
    let sales = &value["files"][1];
    assert_eq!((&sales["name"], &sales["records"]), (&"SALES".into(), &3.into()));
    assert_eq!(sales["keys"][1]["duplicates"], true);
    assert_eq!(sales["keys"][2]["parts"][0]["offset"], 6);
    // Nothing was taken over: who owned the store owns it still.
    drop(place.store());
}

#[test]
fn what_contradicts_itself_in_a_file_is_found_and_told() {
    let place = Place::new();
    place.file(&["check"]).ended(0, "SALES: 3 records, nothing is wrong").ended(0, "TSUG20804-I");
    let json = place.file(&["check", "SALES", "--json"]);
    assert_eq!((json.code, check(&json.out).as_str()), (0, "tsugi.checked"), "{json:?}");
    place.file(&["check", "NO"]).ended(4, "TSUG20802-E");

    let mut store = place.store();
    let mut unit = store.aside().unwrap();
    let mut files = file::Files::of(&mut *unit);
    let found = files.find("SALES").unwrap().unwrap();
    let mut rows = files.records(&found);
    let own = rows.entry_of(2, b"0002").unwrap().unwrap();
    rows.remove_entry(2, &own).unwrap();
    unit.keep().unwrap();
    store.commit().unwrap();
    drop(store);
    place.unlocked();
    let ran = place.file(&["check"]);
    ran.ended(6, "SALES: 1 findings").ended(6, "alternate key 2 of record \"0002\"");
    ran.ended(6, "TSUG20805-E").ended(6, "LOG: 2 records, nothing is wrong");
    place.file(&["check", "LOG"]).ended(0, "TSUG20804-I");
    let json = place.file(&["check", "--json"]);
    assert_eq!((json.code, check(&json.out).as_str()), (6, "tsugi.checked"), "{json:?}");
    let value: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(
        (&value["sound"], &value["files"][1]["findings"][0]["key"]),
        (&false.into(), &2.into())
    );
}

#[test]
fn a_store_that_is_in_use_or_not_there_is_refused_by_name() {
    let place = Place::new();
    let lock = fs::File::open(place.at("u01/store/engine.lock")).unwrap();
    lock.try_lock().unwrap();
    for words in [&["list"][..], &["check"]] {
        let ran = place.file(words);
        ran.ended(3, "TSUG20406-E").ended(3, "next: tsugi group stop ESSRV01");
    }
    lock.unlock().unwrap();
    place.file(&["list"]).ended(0, "LOG");
    let ran = tsugi(nobody().path(), &["file", "list", "--volume", "/no/such/volume"]);
    ran.ended(4, "TSUG20403-E");
    fs::create_dir(place.at("u02")).unwrap();
    let empty = place.word("u02");
    let words = ["file", "check", "--volume", &empty];
    tsugi(nobody().path(), &words).ended(4, "TSUG20801-E");
    tsugi_ja(nobody().path(), &words).ended(4, "ストアがありません");
    assert_eq!(fs::read_dir(place.at("u02")).unwrap().count(), 0, "nothing was made");
}

#[test]
fn records_go_out_and_come_in_again_in_each_form() {
    let place = Place::new();
    for (name, form) in [
        ("SALES", "sequential"),
        ("SALES", "line-sequential"),
        ("SALES", "relative"),
        ("LOG", "sequential"),
        ("SALES", "indexed"),
    ] {
        let out = place.word(&format!("{name}.{form}"));
        let words = ["export", name, "--to", &out, "--form", form];
        place.file(&words).ended(0, "TSUG20806-I");
        place.file(&words).ended(3, "TSUG20813-E");
        let words = ["import", name, "--from", &out, "--form", form];
        place.file(&[&words[..], &["--dry-run"]].concat()).ended(0, "TSUG20808-I");
        let json = place.file(&[&words[..], &["--json"]].concat());
        assert_eq!((json.code, check(&json.out).as_str()), (0, "tsugi.moved"), "{json:?}");
        place.file(&["check"]).ended(0, "SALES: 3 records").ended(0, "LOG: 2 records");
    }
    // They are made as any file of a person is, and not for their maker's eyes alone.
    let mode = |path: &str| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let usual = place.word("usual");
    fs::write(&usual, "").unwrap();
    assert_eq!(mode(&place.word("LOG.sequential")), mode(&usual));
    assert_eq!(mode(&place.word("SALES.indexed")), mode(&usual));
    let lines = fs::read_to_string(place.at("SALES.line-sequential")).unwrap();
    assert_eq!(lines.lines().collect::<Vec<_>>(), SALES);
    let words = ["export", "LOG", "--to", &place.word("no"), "--form", "indexed"];
    place.file(&words).ended(3, "TSUG20812-E");
    assert!(!place.at("no").exists());
}

/// Writes an indexed file whose records of one region came in this order.
const REGIONS: &str = "identification division.
program-id. REGIONS.
environment division.
input-output section.
file-control.
    select F assign to \"SOLD\" organization indexed access dynamic record key K
    alternate record key R with duplicates alternate record key M.
data division.
file section.
fd F record is varying in size from 8 to 16 depending on L.
01 F-REC.
   05 K pic x(4).
   05 R pic x(2).
   05 M pic x(2).
   05 filler pic x(8).
working-storage section.
01 L pic 9(9) comp-5 value 8.
procedure division.
    open output F
    move \"0003ea33\" to F-REC write F-REC
    move \"0001ea11\" to F-REC write F-REC
    move \"0004we44\" to F-REC write F-REC
    move \"0002ea22\" to F-REC write F-REC
    move \"0000we00\" to F-REC write F-REC
    close F
    goback.
";

#[test]
fn records_of_one_alternate_key_come_in_in_the_order_in_which_the_source_has_them() {
    let place = Place::new();
    place.make("REGIONS", REGIONS);
    let words = ["import", "SALES", "--from", &place.word("SOLD"), "--form", "indexed"];
    place.file(&words).ended(0, "TSUG20807-I");
    place.file(&["check"]).ended(0, "SALES: 5 records, nothing is wrong");
    let mut store = place.store();
    let mut unit = store.aside().unwrap();
    let mut files = file::Files::of(&mut *unit);
    let found = files.find("SALES").unwrap().unwrap();
    let mut rows = files.records(&found);
    let mut all = Vec::new();
    let mut next = rows.seek_entry(1, file::Seek::First).unwrap();
    while let Some(entry) = next {
        next = rows.seek_entry(1, file::Seek::Above((&entry.key, entry.place))).unwrap();
        all.push(String::from_utf8(entry.of).unwrap());
    }
    assert_eq!(all, ["0003", "0001", "0002", "0004", "0000"]);
}

#[test]
fn an_import_says_beforehand_which_keys_clash_and_changes_nothing() {
    let place = Place::new();
    let clashing = [SALES[0], "0001no44 again", "0005no11 mark", "0006no66"];
    fs::write(place.at("in"), varying(&clashing)).unwrap();
    let from = place.word("in");
    let words = ["import", "SALES", "--from", &from, "--form", "sequential"];
    let dry = place.file(&[&words[..], &["--dry-run"]].concat());
    dry.ended(3, "record 2: value \"0001\" of key 0").ended(3, "record 3: value \"11\" of key 2");
    dry.ended(3, "only 2 records");
    let json = place.file(&[&words[..], &["--dry-run", "--json"]].concat());
    assert_eq!((json.code, check(&json.out).as_str()), (3, "tsugi.moved"), "{json:?}");
    place.file(&words).ended(3, "TSUG20810-E").ended(3, "record 2 of");
    fs::write(place.at("in"), varying(&["0001ea11 far too long a record"])).unwrap();
    place.file(&words).ended(3, "TSUG20811-E").ended(3, "not 8 to 16");
    place.file(&["list"]).ended(0, "3 of them");
    let words = ["import", "SALES", "--from", "/no/such", "--form", "indexed"];
    place.file(&words).ended(4, "TSUG20814-E");
}
