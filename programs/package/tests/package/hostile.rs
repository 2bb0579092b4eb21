//! Packages that somebody has made or changed by hand: each is refused by its own name.

use std::fs;
use std::path::{Path, PathBuf};

use tar::{EntryType, Header};
use tempfile::TempDir;
use tsugi_package::manifest::{
    Commits, Dialect, MANIFEST, Manifest, Module, Part, PartPath, PathRefused,
};
use tsugi_package::refused::{Measure, Named};
use tsugi_package::{Digest, Refused};
use tsugi_record::code_page::CodePage;

use super::{draft, examined, refused};

/// An entry of an archive that is made by hand.
#[derive(Clone)]
struct Entry {
    path: Vec<u8>,
    kind: EntryType,
    mode: u32,
    bytes: Vec<u8>,
    /// Its length as its header has it, if that is not so.
    length: Option<u64>,
}

fn entry(path: &str, bytes: &[u8]) -> Entry {
    let (path, bytes) = (path.as_bytes().to_vec(), bytes.to_vec());
    let mode = if path.starts_with(b"commands") { 0o755 } else { 0o644 };
    Entry { path, kind: EntryType::Regular, mode, bytes, length: None }
}

fn archive(entries: &[Entry]) -> Vec<u8> {
    let mut out = Vec::new();
    for entry in entries {
        let mut header = Header::new_ustar();
        header.as_old_mut().name[..entry.path.len()].copy_from_slice(&entry.path);
        header.set_size(entry.length.unwrap_or(entry.bytes.len() as u64));
        header.set_mode(entry.mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_entry_type(entry.kind);
        header.set_cksum();
        out.extend_from_slice(header.as_bytes());
        out.extend_from_slice(&entry.bytes);
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out.resize(out.len() + 1024, 0);
    out
}

/// The package of `draft`, taken apart.
fn entries() -> Vec<Entry> {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("p");
    let manifest = draft().write(&to).unwrap().manifest;
    vec![
        entry(MANIFEST, manifest.written().as_bytes()),
        entry("commands/echo", b"#!/bin/sh\ncat\n"),
        entry("data/APPFILE01", &[b' '; 1600]),
        entry("libraries/count.so", b"a library"),
    ]
}

fn file(bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p");
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn why(bytes: &[u8]) -> Refused {
    let (_folder, path) = file(bytes);
    refused(&path)
}

fn why_of(change: impl FnOnce(&mut Vec<Entry>)) -> Refused {
    let mut entries = entries();
    change(&mut entries);
    why(&archive(&entries))
}

fn why_of_text(from: &str, to: &str) -> Refused {
    why_of(|entries| {
        let text = String::from_utf8(entries[0].bytes.clone()).unwrap();
        assert!(text.contains(from), "{text}");
        entries[0].bytes = text.replacen(from, to, 1).into_bytes();
    })
}

fn named(path: &str) -> String {
    path.to_owned()
}

#[test]
fn the_archive_by_hand_is_the_one_that_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("p");
    draft().write(&to).unwrap();
    assert_eq!(fs::read(&to).unwrap(), archive(&entries()));
    examined(&to).unwrap();
}

#[test]
fn paths_that_lead_elsewhere_are_refused() {
    for (path, expected) in [
        ("../etc/passwd", PathRefused::Parent),
        ("libraries/../../x", PathRefused::Parent),
        ("/etc/passwd", PathRefused::Absolute),
        ("libraries//x", PathRefused::Empty),
        ("./x", PathRefused::Empty),
        ("-x", PathRefused::Character),
        ("lib\u{e9}", PathRefused::Character),
        ("a\nb", PathRefused::Character),
        ("a/b/c/d/e/f", PathRefused::Deep),
    ] {
        let found = why_of(|entries| entries.push(entry(path, b"x")));
        assert_eq!(found, Refused::Path { path: named(path), why: expected });
        // And so are they in the manifest, before anything of the archive is looked at.
        let found = why_of_text("libraries/count.so", &path.replace('\n', "\\n"));
        assert!(matches!(found, Refused::Manifest { line: 7.., .. }), "{path:?}: {found:?}");
    }
    let long = format!("a/{}", "b".repeat(99));
    let found = why_of_text("libraries/count.so", &long);
    let Refused::Manifest { says, .. } = found else { panic!("{found:?}") };
    assert!(says.contains("Long"), "{says}");
}

#[test]
fn what_is_no_plain_file_is_refused() {
    for (kind, found) in [
        (EntryType::Symlink, '2'),
        (EntryType::Link, '1'),
        (EntryType::Directory, '5'),
        (EntryType::Char, '3'),
        (EntryType::Fifo, '6'),
        (EntryType::GNULongName, 'L'),
        (EntryType::XHeader, 'x'),
        (EntryType::XGlobalHeader, 'g'),
        (EntryType::GNUSparse, 'S'),
    ] {
        let path = named("libraries/count.so");
        assert_eq!(why_of(|all| all[3].kind = kind), Refused::Kind { path, found });
    }
    assert!(matches!(why_of(|all| all[0].kind = EntryType::Symlink), Refused::Kind { .. }));
}

#[test]
fn what_is_twice_too_much_or_missing_is_refused() {
    let path = named("libraries/count.so");
    let twice = why_of(|all| all.push(all[3].clone()));
    assert_eq!(twice, Refused::SamePath { path: path.clone() });
    let manifest_twice = why_of(|all| all.push(all[0].clone()));
    assert_eq!(manifest_twice, Refused::SamePath { path: named(MANIFEST) });
    let more = why_of(|all| all.push(entry("libraries/more.so", b"x")));
    assert_eq!(more, Refused::NotListed { path: named("libraries/more.so") });
    let before = why_of(|all| all.insert(1, entry("libraries/more.so", b"x")));
    assert_eq!(before, Refused::NotListed { path: named("libraries/more.so") });
    assert_eq!(why_of(|all| drop(all.remove(3))), Refused::NotThere { path });
    let middle = why_of(|all| drop(all.remove(2)));
    assert_eq!(middle, Refused::NotThere { path: named("data/APPFILE01") });
    assert_eq!(why_of(|all| drop(all.remove(0))), Refused::NoManifest);
    assert_eq!(why_of(|all| all.swap(2, 3)), Refused::NotThere { path: named("data/APPFILE01") });
}

#[test]
fn changed_bytes_lengths_and_headers_are_refused() {
    let path = named("libraries/count.so");
    let (listed, found) = (Digest::of(b"a library"), Digest::of(b"A library"));
    let changed = why_of(|all| all[3].bytes = b"A library".to_vec());
    assert_eq!(changed, Refused::Hash { path: path.clone(), listed, found });
    let longer = why_of(|all| all[3].bytes.push(b'!'));
    assert_eq!(longer, Refused::Length { path: path.clone(), listed: 9, found: 10 });
    assert_eq!(why_of(|all| all[3].mode = 0o4755), Refused::Header { path });
    let manifest = why_of(|all| all[0].mode = 0o600);
    assert_eq!(manifest, Refused::Header { path: named(MANIFEST) });
    // The manifest's own length, far more than there is: no memory is taken for it.
    let huge = why_of(|all| all[0].length = Some(7 << 30));
    let (what, most) = (Measure::Manifest, 1 << 20);
    assert_eq!(huge, Refused::TooLarge { what, found: 7 << 30, most });
}

#[test]
fn every_cut_is_refused_and_so_is_what_stands_behind() {
    let whole = archive(&entries());
    for length in (0..whole.len()).step_by(64) {
        let found = why(&whole[..length]);
        let cut = matches!(
            found,
            Refused::NoManifest | Refused::Damaged { .. } | Refused::NotThere { .. }
        );
        assert!(cut, "{length} of {}: {found:?}", whole.len());
    }
    let mut longer = whole.clone();
    longer.push(0);
    assert_eq!(why(&longer), Refused::Behind);
    assert_eq!(why(b"PK\x03\x04 something else"), Refused::NoManifest);
}

#[test]
fn every_changed_byte_is_refused_but_those_that_fill_a_block() {
    let (whole, all) = (archive(&entries()), entries());
    let (folder, path) = file(&whole);
    let id = examined(&path).unwrap().id;
    let mut at = 0;
    let mut filling = Vec::new();
    for entry in &all {
        let end = at + 512 + entry.bytes.len();
        filling.push(end..end.next_multiple_of(512));
        at = end.next_multiple_of(512);
    }
    for place in (0..whole.len() - 1024).step_by(7) {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x11;
        fs::write(&path, &bytes).unwrap();
        let fills = filling.iter().any(|range| range.contains(&place));
        // Another manifest may be a right one: then it is another package.
        let same = examined(&path).is_ok_and(|found| found.id == id);
        assert_eq!(same, fills, "byte {place}");
    }
    drop(folder);
}

#[test]
fn a_manifest_that_contradicts_itself_is_refused() {
    let cases = [
        ("format = 1", "format = 2", Refused::Format { found: 2 }),
        (
            "library = \"libraries/count.so\"",
            "library = \"libraries/other.so\"",
            Refused::NoSuchPart { by: named("COUNT"), path: named("libraries/other.so") },
        ),
        (
            "library = \"libraries/count.so\"",
            "library = \"commands/echo\"",
            Refused::Use { path: named("commands/echo") },
        ),
        (
            "file = \"APPFILE01\"",
            "file = \"APPFILE02\"",
            Refused::NoSuch { by: named("data/APPFILE01"), name: named("APPFILE02") },
        ),
        (
            "library = \"libraries/count.so\"",
            "cobol = \"COUNT\"",
            Refused::Use { path: named("libraries/count.so") },
        ),
        (
            "name = \"ECHO\"",
            "name = \"COUNT\"",
            Refused::Name { what: Named::Service, name: named("COUNT") },
        ),
        (
            "name = \"srv01\"",
            "name = \"../srv01\"",
            Refused::Name { what: Named::Package, name: named("../srv01") },
        ),
        (
            "bytes = 14",
            "bytes = 67108865",
            Refused::TooLarge { what: Measure::Part, found: (64 << 20) + 1, most: 64 << 20 },
        ),
    ];
    for (from, to, expected) in cases {
        assert_eq!(why_of_text(from, to), expected, "{to}");
    }
    for (from, to, at) in [
        ("format = 1", "format = 1\nnew = 2", 2),
        ("format = 1", "", 0),
        ("name = \"srv01\"", "name = \"srv01", 2),
        ("bytes = 14", "bytes = -14", 36),
        ("organization = \"indexed\"", "organization = \"heap\"", 18),
    ] {
        match why_of_text(from, to) {
            Refused::Manifest { line, .. } if at == 0 || line == at => {}
            other => panic!("{to}: {other:?}"),
        }
    }
}

#[test]
fn more_than_a_package_holds_is_refused() {
    let whole = Manifest::read(&entries()[0].bytes).unwrap();
    let refused = |change: &dyn Fn(&mut Manifest)| {
        let mut manifest = whole.clone();
        change(&mut manifest);
        match manifest.check() {
            Err(Refused::TooLarge { what, found, most }) => (what, found, most),
            other => panic!("{other:?}"),
        }
    };
    let parts = refused(&|manifest| manifest.parts = vec![manifest.parts[0].clone(); 1001]);
    assert_eq!(parts, (Measure::Parts, 1001, 1000));
    // What is parsed whole is as long as the longest source.
    let source = refused(&|manifest| {
        let source = PartPath::new("sources/P1.cbl").unwrap();
        let bytes = (16 << 20) + 1;
        manifest.parts.push(Part { path: source.clone(), bytes, sha256: Digest::of(b"") });
        manifest.modules.push(Module {
            entry: "P1".to_owned(),
            object: PartPath::new("modules/P1.so").unwrap(),
            source,
            code_page: CodePage::Utf8,
            dialect: Dialect::Mf,
            commits: Commits::Refused,
            needs: Vec::new(),
        });
    });
    assert_eq!(source, (Measure::Part, (16 << 20) + 1, 16 << 20));
    let services = refused(&|manifest| {
        manifest.services = vec![manifest.services[0].clone(); 201];
    });
    assert_eq!(services, (Measure::Named, 201, 200));
    let programs = refused(&|manifest| {
        manifest.parts = vec![manifest.parts[0].clone(); 5];
        manifest.parts.iter_mut().for_each(|part| part.bytes = 64 << 20);
    });
    assert_eq!(programs, (Measure::Programs, 5 * (64 << 20), 256 << 20));
    let data = refused(&|manifest| manifest.parts[1].bytes = (4 << 30) + 1);
    assert_eq!(data, (Measure::Part, (4 << 30) + 1, 4 << 30));
    let package = refused(&|manifest| {
        manifest.parts = vec![manifest.parts[1].clone(); 3];
        manifest.parts.iter_mut().for_each(|part| part.bytes = 4 << 30);
    });
    assert_eq!(package, (Measure::Package, 12 << 30, 8 << 30));
    let none = refused(&|manifest| manifest.parts[1].bytes = u64::MAX);
    assert_eq!(none.0, Measure::Part);
}

/// A text may be as deep as it is long.
#[test]
fn a_manifest_without_an_end_of_its_depth_is_refused() {
    for deep in ["[".repeat(500_000), "{a=".repeat(300_000), "a.".repeat(400_000)] {
        let text = format!("format = 1\nname = {deep}");
        let found = Manifest::read(text.as_bytes());
        assert!(matches!(found, Err(Refused::Manifest { .. })), "{:?}", found.is_ok());
        let header = format!("format = 1\n{deep}x = 1");
        let found = Manifest::read(header.as_bytes());
        assert!(matches!(found, Err(Refused::Manifest { .. })), "{:?}", found.is_ok());
    }
}

#[test]
fn a_path_that_is_both_a_part_and_a_folder_is_refused() {
    let mut manifest = Manifest::read(&entries()[0].bytes).unwrap();
    manifest.parts[0].path = super::path("data/APPFILE01/x");
    manifest.parts.swap(0, 1);
    let path = named("data/APPFILE01");
    assert_eq!(manifest.check(), Err(Refused::PartAndFolder { path }));
    let mut manifest = Manifest::read(&entries()[0].bytes).unwrap();
    manifest.parts.swap(0, 1);
    assert_eq!(manifest.check(), Err(Refused::Order { path: named("commands/echo") }));
    manifest.parts[0] = manifest.parts[1].clone();
    assert_eq!(manifest.check(), Err(Refused::SamePath { path: named("commands/echo") }));
    let mut manifest = Manifest::read(&entries()[0].bytes).unwrap();
    manifest.data.push(manifest.data[0].clone());
    let name = named("APPFILE01");
    assert_eq!(manifest.check(), Err(Refused::Name { what: Named::Data, name }));
}

#[test]
fn a_folder_or_a_file_that_cannot_be_read_is_no_refusal() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path(), &folder.path().join("nothing"), Path::new("/proc/self/mem")] {
        let found = examined(path);
        assert!(matches!(found, Err(tsugi_package::Trouble::Failed(_))), "{found:?}");
    }
}
