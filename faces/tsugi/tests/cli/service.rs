//! Packages by command: made of a source, with the interface that people edit.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::agent::nobody;
use crate::schema::check;
use crate::{Ran, tsugi, tsugi_ja};

fn sample(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../samples/report").join(name);
    path.display().to_string()
}

/// A folder, and what is in it as words of a command.
pub struct Place(TempDir);

impl Place {
    pub fn new() -> Self {
        Self(TempDir::new().expect("a folder"))
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn word(&self, name: &str) -> String {
        self.at(name).display().to_string()
    }

    pub fn file(&self, name: &str, text: &str) -> String {
        fs::write(self.at(name), text).expect("written");
        self.word(name)
    }

    pub fn import(&self, words: &[&str]) -> Ran {
        let all = [&["service", "import"], words].concat();
        tsugi(nobody().path(), &all)
    }

    fn names(&self) -> Vec<String> {
        let all = fs::read_dir(self.0.path()).expect("it is there");
        let mut names: Vec<_> = all
            .map(|one| one.expect("it is there").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

/// What a tar shows of a package.
fn parts(package: &Path) -> Vec<String> {
    let listed = Command::new("tar").arg("tf").arg(package).output().expect("tar is there");
    assert!(listed.status.success(), "{listed:?}");
    String::from_utf8_lossy(&listed.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn the_reports_service_is_imported_edited_and_imported_again() {
    let place = Place::new();
    let (source, out) = (sample("CBLAPP01.cbl"), place.word("srv01.tsugi"));
    let data = format!("APPFILE01={}", sample("APPFILE01.dat"));
    let words = [&*source, "--name", "srv01", "--data", &data, "--out", &out];
    let ran = place.import(&words);
    ran.ended(0, "TSUG20315-I").ended(0, "service CBLAPP01: COBOL program CBLAPP01");
    ran.ended(0, "file APPFILE01: it has to be there before the first call");
    ran.ended(0, "CBLAPP01.cbl:25: outside of the store: calls gethostname");
    ran.ended(0, "data of file APPFILE01: 16 bytes");
    assert_eq!(place.names(), ["CBLAPP01.toml", "srv01.tsugi"]);
    let made = fs::read_to_string(place.at("CBLAPP01.toml")).unwrap();
    assert_eq!(made.matches("direction = \"io\"").count(), 4);
    let first = parts(&place.at("srv01.tsugi"));
    let expected = [
        "manifest.toml",
        "data/APPFILE01",
        "interfaces/CBLAPP01.toml",
        "modules/CBLAPP01.so",
        "sources/CBLAPP01.cbl",
    ];
    assert_eq!(first, expected);

    // By hand, as the report says; what was edited is used and not written over.
    let edited = made.replace("direction = \"io\"", "direction = \"out\"");
    assert_eq!(edited, fs::read_to_string(sample("CBLAPP01.toml")).unwrap());
    fs::write(place.at("CBLAPP01.toml"), &edited).unwrap();
    place.import(&words).ended(0, "was used as it is");
    assert_eq!(fs::read_to_string(place.at("CBLAPP01.toml")).unwrap(), edited);
    let kept = sample("CBLAPP01.toml");
    let json = place.import(&[&words[..], &["--interface", &kept, "--json"]].concat());
    assert_eq!((json.code, check(&json.out).as_str()), (0, "tsugi.package"), "{json:?}");
    let value: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(value["services"][0]["program"], "cobol:CBLAPP01");
    assert_eq!(value["interface"]["is"], "edited");
    assert_eq!(value["files"][0]["needed"], true);
    assert_eq!(value["effects"].as_array().unwrap().len(), 3);
}

#[test]
fn a_dry_run_compiles_and_compares_and_writes_nothing() {
    let place = Place::new();
    let (source, out) = (sample("CBLAPP01.cbl"), place.word("srv01.tsugi"));
    let words = [&*source, "--out", &out, "--dry-run"];
    place.import(&words).ended(0, "TSUG20316-I").ended(0, "CBLAPP01.toml is not there yet");
    assert!(place.names().is_empty());
    let json = place.import(&[&words[..], &["--json"]].concat());
    assert_eq!(check(&json.out), "tsugi.package");
    let wrong = place.file("WRONG.cbl", "       IDENTIFICATION DIVISION.\n       PROGRAM-IT.\n");
    place.import(&[&wrong, "--dry-run"]).ended(3, "TSUG20306-E");
}

#[test]
fn each_line_that_is_refused_is_told_with_its_number_in_both_languages() {
    let place = Place::new();
    let head = "       IDENTIFICATION DIVISION.\n       PROGRAM-ID. P1.\n";
    let sorts = format!(
        "{head}       PROCEDURE DIVISION.\n           CALL \"SYSTEM\" USING \"ls\".\n\
         \x20          COMMIT.\n           GOBACK.\n"
    );
    let index = format!(
        "{head}       DATA DIVISION.\n       LINKAGE SECTION.\n       01 A USAGE INDEX.\n\
         \x20      PROCEDURE DIVISION USING A.\n           GOBACK.\n"
    );
    let broken = format!("{head}       PROCEDURE DIVISION.\n           MOVE NOTHING TO NOWHERE.\n");
    for (name, text, id, said) in [
        ("SORTS.cbl", &sorts, "TSUG20307-E", "SORTS.cbl:4: CALL \"SYSTEM\" runs commands"),
        ("SORTS.cbl", &sorts, "TSUG20307-E", "SORTS.cbl:5: COMMIT; it could not"),
        ("INDEX.cbl", &index, "TSUG20306-E", "INDEX.cbl:5: its parameters cannot"),
        ("BROKEN.cbl", &broken, "TSUG20304-E", "BROKEN.cbl:4: cobc refuses it"),
    ] {
        let source = place.file(name, text);
        place.import(&[&source]).ended(3, id).ended(3, said);
        let words = ["service", "import", &source];
        let ja = tsugi_ja(nobody().path(), &words);
        ja.ended(3, id);
        assert!(!ja.err.contains("could not") && !ja.err.contains("cannot be"), "{}", ja.err);
        let json = place.import(&[&source, "--json"]);
        assert_eq!((json.code, check(&json.out).as_str()), (3, "tsugi.validation"));
    }
    let json = place.import(&[&place.word("SORTS.cbl"), "--json"]);
    let value: Value = serde_json::from_str(&json.out).unwrap();
    let lines: Vec<_> = value["problems"].as_array().unwrap().iter().map(|p| &p["line"]).collect();
    assert_eq!(lines, [4, 5]);
    assert_eq!(place.names(), ["BROKEN.cbl", "INDEX.cbl", "SORTS.cbl"], "nothing was made");
}

#[test]
fn an_interface_that_was_edited_wrongly_is_refused_at_its_line() {
    let place = Place::new();
    let edited = fs::read_to_string(sample("CBLAPP01.toml")).unwrap();
    let wrong = edited.replace("is = \"9(10)\"", "is = \"9(9)\"");
    let line = wrong.lines().position(|line| line.contains("9(9)")).unwrap() + 1;
    let (toml, out) = (place.file("I.toml", &wrong), place.word("p.tsugi"));
    let ran = place.import(&[&sample("CBLAPP01.cbl"), "--interface", &toml, "--out", &out]);
    ran.ended(3, "TSUG20314-E").ended(3, &format!("I.toml:{line}: ")).ended(3, "LK-COUNTER");
    assert_eq!(place.names(), ["I.toml"]);
}

#[test]
fn without_a_compiler_it_is_said_what_to_install() {
    let place = Place::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tsugi"));
    command.args(["--lang", "en", "service", "import", &sample("CBLAPP01.cbl")]);
    let ran = command.env("PATH", "/nonexistent").current_dir(place.0.path()).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert_eq!(ran.status.code(), Some(4), "{said}");
    assert!(said.contains("TSUG20301-E") && said.contains("cobc is not installed"), "{said}");
    let help = tsugi(nobody().path(), &["message", "TSUG20301-E"]);
    help.ended(0, "gnucobol3");
    place.import(&["/no/such/source.cbl"]).ended(4, "TSUG20312-E");
    assert!(place.names().is_empty());
}

#[test]
fn a_command_and_a_library_are_packages_too() {
    let place = Place::new();
    let script = place.file("pay.py", "#!/usr/bin/env python3\nprint('no')\n");
    let out = place.word("pay.tsugi");
    let ran = place.import(&[&script, "--command", "--service", "PAY", "--out", &out]);
    ran.ended(0, "service PAY: command");
    assert_eq!(parts(&place.at("pay.tsugi")), ["manifest.toml", "commands/PAY"]);
    // What is no shared object is found when it is deployed; its name is enough to make it.
    let again = fs::read(place.at("pay.tsugi")).unwrap();
    place.import(&[&script, "--command", "--service", "PAY", "--out", &out]).ended(0, "PAY");
    assert_eq!(fs::read(place.at("pay.tsugi")).unwrap(), again, "equal contents, equal bytes");
    place.import(&[&script, "--command", "--service", "../PAY"]).ended(3, "TSUG20313-E");
    place.import(&[&sample("CBLAPP01.cbl"), "--data", "APPFILE01"]).ended(3, "TSUG20317-E");
}

/// A package of one command, imported.
pub fn package(place: &Place, says: &str) -> String {
    let script = place.file(says, &format!("#!/bin/sh\necho {says}\n"));
    let out = place.word(&format!("{says}.tsugi"));
    let words = [&*script, "--command", "--service", "SAY", "--name", "srv01", "--out", &out];
    place.import(&words).ended(0, "TSUG20315-I");
    out
}

pub fn service(words: &[&str]) -> Ran {
    tsugi(nobody().path(), &[&["service"], words].concat())
}

#[test]
fn mf_13_a_package_is_deployed_on_a_volume_once_and_every_node_finds_it_there() {
    let place = Place::new();
    let (first, second) = (package(&place, "one"), package(&place, "two"));
    fs::create_dir(place.at("u01")).unwrap();
    let volume = place.word("u01");
    service(&["deploy", &first, "--volume", &volume]).ended(3, "TSUG20404-E");
    assert_eq!(fs::read_dir(place.at("u01")).unwrap().count(), 0, "nothing was touched");

    let words = ["deploy", &first, "--volume", &volume, "--group", "ESSRV01"];
    let dry = service(&[&words[..], &["--dry-run"]].concat());
    dry.ended(0, "TSUG20411-I").ended(0, "copies it to the shelf");
    dry.ended(0, "makes it the current package of srv01");
    assert_eq!(fs::read_dir(place.at("u01")).unwrap().count(), 0, "nothing was touched");
    service(&words).ended(0, "TSUG20409-I");
    service(&words).ended(0, "TSUG20410-I");

    // From now on the store knows its group.
    let words = ["deploy", &second, "--volume", &volume];
    let dry = service(&[&words[..], &["--dry-run", "--json"]].concat());
    assert_eq!(check(&dry.out), "tsugi.deployment");
    let value: Value = serde_json::from_str(&dry.out).unwrap();
    let steps = value["steps"].as_array().unwrap();
    assert!(steps.iter().any(|step| step.as_str().unwrap().contains("is kept to return to")));
    let json = service(&[&words[..], &["--json"]].concat());
    assert_eq!((json.code, check(&json.out).as_str()), (0, "tsugi.deployment"));
    let other = ["deploy", &second, "--volume", &volume, "--group", "ESSRV02"];
    service(&other).ended(3, "TSUG20405-E").ended(3, "ESSRV01, not of ESSRV02");

    // As another node sees it, which has the volume now.
    let moved = place.at("u01-elsewhere");
    fs::rename(place.at("u01"), &moved).unwrap();
    let there = moved.display().to_string();
    let listed = service(&["packages", "--volume", &there]);
    listed.ended(0, " current: SAY").ended(0, " former: SAY");
    let json = service(&["packages", "--volume", &there, "--json"]);
    assert_eq!(check(&json.out), "tsugi.packages");
    let value: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(
        (&value["group"], value["packages"].as_array().unwrap().len()),
        (&"ESSRV01".into(), 2)
    );
    // What somebody has changed since is told, and deploying it again puts it back.
    let id = value["packages"].as_array().unwrap().iter().find(|one| one["stands"] == "current");
    let id = id.unwrap()["id"].as_str().unwrap().to_owned();
    let program = moved.join("packages").join(id).join("commands/SAY");
    fs::write(&program, "changed").unwrap();
    service(&["packages", "--volume", &there]).ended(6, "is not as it was deployed");
    service(&["deploy", &second, "--volume", &there]).ended(0, "TSUG20410-I");
    assert!(fs::read_to_string(&program).unwrap().contains("echo two"));
    service(&["packages", "--volume", &there]).ended(0, "current");
}

#[test]
fn what_cannot_be_deployed_is_refused_and_changes_nothing() {
    let place = Place::new();
    let package = package(&place, "one");
    service(&["deploy", &package]).ended(3, "TSUG20402-E");
    service(&["deploy", &package, "--volume", "/no/such/volume"]).ended(4, "TSUG20403-E");
    service(&["deploy", &package, "--group", "ESSRV01"]).ended(3, "TSUG20412-E");
    fs::create_dir(place.at("u01")).unwrap();
    let volume = place.word("u01");
    let on = ["--volume", &volume, "--group", "ESSRV01"];
    let no = place.file("no.tsugi", "no package");
    service(&[&["deploy", &no][..], &on].concat()).ended(3, "TSUG20313-E");
    let mut torn = fs::read(&package).unwrap();
    let at = torn.windows(8).position(|bytes| bytes == b"echo one").unwrap();
    torn[at + 5] = b'X';
    fs::write(place.at("torn.tsugi"), torn).unwrap();
    let torn = place.word("torn.tsugi");
    let ran = service(&[&["deploy", &torn][..], &on].concat());
    ran.ended(3, "TSUG20313-E").ended(3, "commands/SAY has the hash");
    // Data that are no records of their file make no package.
    let data = format!("APPFILE01={}", place.file("data", "      000000000"));
    let (source, with) = (sample("CBLAPP01.cbl"), place.word("data.tsugi"));
    let kept = sample("CBLAPP01.toml");
    let words = [&*source, "--data", &data, "--interface", &kept, "--out", &with];
    place.import(&words).ended(3, "TSUG20313-E").ended(3, "the file APPFILE01: data/APPFILE01");
    assert!(!place.at("data.tsugi").exists());
    assert_eq!(fs::read_dir(place.at("u01")).unwrap().count(), 0, "nothing was touched");
    service(&["packages", "--volume", &volume]).ended(0, "there is no package on");

    service(&[&["deploy", &package][..], &on].concat()).ended(0, "TSUG20409-I");
    // As an engine has it.
    let lock = fs::File::open(place.at("u01/store/engine.lock")).unwrap();
    lock.try_lock().unwrap();
    let ran = service(&["deploy", &package, "--volume", &volume]);
    ran.ended(3, "TSUG20406-E").ended(3, "next: tsugi group stop ESSRV01");
    service(&["packages", "--volume", &volume]).ended(0, "current");
    drop(lock);
    service(&["deploy", &package, "--volume", &volume]).ended(0, "TSUG20410-I");
}

#[test]
fn a_package_says_where_its_service_acts_and_what_has_acted_does_not_only_read_later() {
    let place = Place::new();
    let (script, out) = (place.file("say", "#!/bin/sh\n"), place.word("say.tsugi"));
    let words = [&*script, "--command", "--service", "SAY", "--name", "srv01", "--out", &out];
    let import = |says: &[&str]| place.import(&[&words[..], says].concat());
    import(&["--effects", "sometimes"]).ended(2, "outside");
    import(&["--order", "by-name"]).ended(2, "told");
    import(&["--effects", "reads", "--order", "told"]).ended(3, "TSUG20313-E").ended(3, "31 SAY");
    assert!(!place.at("say.tsugi").exists());
    let outside = ["--effects", "outside", "--order", "told"];
    import(&outside).ended(0, "acts outside").ended(0, "calls of one Tsugi-Order");
    let json = import(&[&outside[..], &["--json"]].concat());
    assert_eq!((json.code, check(&json.out).as_str()), (0, "tsugi.package"), "{json:?}");
    let value: Value = serde_json::from_str(&json.out).unwrap();
    let says = &value["services"][0];
    assert_eq!((&says["effects"], &says["order"]), (&"outside".into(), &"told".into()));

    fs::create_dir(place.at("u01")).unwrap();
    let volume = place.word("u01");
    let deploy = ["deploy", &out, "--volume", &volume, "--group", "ESSRV01"];
    service(&deploy).ended(0, "TSUG20409-I");
    service(&["packages", "--volume", &volume]).ended(0, "SAY (outside)");
    let json = service(&["packages", "--volume", &volume, "--json"]);
    assert_eq!(check(&json.out), "tsugi.packages");
    let value: Value = serde_json::from_str(&json.out).unwrap();
    let expected = serde_json::json!([{"name": "SAY", "effects": "outside", "order": "told"}]);
    assert_eq!(value["packages"][0]["acts"], expected);
    // Its replies and its calls of unknown outcome are kept, and what reads looks at none of them.
    import(&["--effects", "reads"]).ended(0, "TSUG20315-I");
    for also in [&["--dry-run"][..], &[]] {
        service(&[&deploy[..], also].concat()).ended(3, "TSUG20313-E").ended(3, "32 SAY");
    }
    service(&["packages", "--volume", &volume]).ended(0, "SAY (outside)");
    import(&["--effects", "store"]).ended(0, "TSUG20315-I");
    service(&deploy).ended(0, "TSUG20409-I");
}

#[test]
fn a_service_that_another_current_package_has_is_refused_and_keeps_running() {
    let place = Place::new();
    let first = package(&place, "one");
    fs::create_dir(place.at("u01")).unwrap();
    let volume = place.word("u01");
    let on = ["--volume", &volume, "--group", "ESSRV01"];
    service(&[&["deploy", &first][..], &on].concat()).ended(0, "TSUG20409-I");
    let (script, out) = (place.file("two", "#!/bin/sh\n"), place.word("two.tsugi"));
    let import = |of: &str| {
        let words = [&*script, "--command", "--service", of, "--name", "srv02", "--out", &out];
        place.import(&words).ended(0, "TSUG20315-I");
    };
    import("SAY");
    for also in [&["--dry-run"][..], &[]] {
        let ran = service(&[&["deploy", &out][..], &on, also].concat());
        ran.ended(3, "TSUG20414-E").ended(3, "service SAY of package srv01");
    }
    let listed = service(&["packages", "--volume", &volume, "--json"]);
    let value: Value = serde_json::from_str(&listed.out).unwrap();
    let all = value["packages"].as_array().unwrap();
    assert_eq!((all.len(), &all[0]["stands"]), (1, &"current".into()));
    // By another name it is no other's; and one's own services are those that are replaced.
    import("TELL");
    service(&[&["deploy", &out][..], &on].concat()).ended(0, "TSUG20409-I");
    let again = package(&place, "again");
    service(&[&["deploy", &again][..], &on].concat()).ended(0, "TSUG20409-I");
}
