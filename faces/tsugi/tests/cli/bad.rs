//! Packages and volumes that are wrong: each is refused by its number, and nothing is half done.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::service::{Place, package, service};

/// The length of a block of an archive, and where in a head its checksum and its size stand.
const BLOCK: usize = 512;
const CHECKSUM: std::ops::Range<usize> = 148..156;
const SIZE: std::ops::Range<usize> = 124..135;

/// An archive with one name in place of another of its length, and heads that belong to that.
fn renamed(archive: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = archive.to_vec();
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(from.len()).position(|part| part == from) {
        bytes[at + found..at + found + to.len()].copy_from_slice(to);
        at += found + to.len();
    }
    let mut head = 0;
    while bytes[head] != 0 {
        let size = String::from_utf8_lossy(&bytes[head..][SIZE]).into_owned();
        let size = usize::from_str_radix(&size, 8).expect("octal digits");
        let block = &mut bytes[head..head + BLOCK];
        block[CHECKSUM].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[CHECKSUM].copy_from_slice(format!("{sum:07o}\0").as_bytes());
        head += BLOCK + size.next_multiple_of(BLOCK);
    }
    bytes
}

#[test]
fn a_package_whose_parts_lead_out_of_it_is_refused_and_writes_nothing() {
    let place = Place::new();
    let good = fs::read(package(&place, "one")).expect("it is there");
    fs::create_dir(place.at("u01")).expect("made");
    let volume = place.word("u01");
    let named = b"commands/SAY";
    // As it is, to show that the heads are right.
    for (to, name) in [(&b"commands/SAX"[..], None), (b"../../../SAY", Some("../../../SAY"))] {
        let path = place.at("other.tsugi");
        fs::write(&path, renamed(&good, named, to)).expect("written");
        let path = path.display().to_string();
        let ran = service(&["deploy", &path, "--volume", &volume, "--group", "G1", "--dry-run"]);
        match name {
            None => drop(ran.ended(0, "TSUG20411-I")),
            Some(name) => drop(ran.ended(3, "TSUG20313-E").ended(3, name)),
        }
    }
    let path = place.word("other.tsugi");
    let words = ["deploy", &path, "--volume", &volume, "--group", "G1"];
    service(&words).ended(3, "TSUG20313-E");
    assert_eq!(fs::read_dir(&volume).expect("it is there").count(), 0, "nothing was touched");
    assert!(!place.at("SAY").exists() && !Path::new("/SAY").exists());
}

/// Mounts a small file system on a folder, where only this thread and what it starts see it. Root
/// alone can.
fn small_disk(folder: &Path) -> bool {
    if !nix::unistd::geteuid().is_root() {
        return false;
    }
    let none: Option<&str> = None;
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).expect("a view of its own");
    mount(none, "/", none, MsFlags::MS_PRIVATE | MsFlags::MS_REC, none).expect("it is private");
    let size = Some("size=12m,mode=755");
    mount(Some("small"), folder, Some("tmpfs"), MsFlags::empty(), size).expect("it is mounted");
    true
}

/// Takes all room of a folder's file system but so many bytes.
fn fill(folder: &Path, but: u64) {
    let path = folder.join("rest");
    let mut file = fs::File::create(&path).expect("made");
    for piece in [1 << 16, 1 << 12, 1] {
        while file.write(&vec![b'x'; piece]).is_ok() {}
    }
    let long = file.metadata().expect("it is there").len();
    file.set_len(long.saturating_sub(but)).expect("cut");
}

#[test]
fn i29_a_volume_without_room_or_that_takes_no_writes_is_not_deployed_on_and_keeps_what_it_had() {
    let place = Place::new();
    fs::create_dir(place.at("u01")).expect("made");
    if !small_disk(&place.at("u01")) {
        return;
    }
    let (volume, rest) = (place.word("u01"), place.at("u01/rest"));
    let small = package(&place, "one");
    let on =
        |package: &str| service(&["deploy", package, "--volume", &volume, "--group", "ESSRV01"]);
    fill(&place.at("u01"), 0);
    on(&small).ended(3, "TSUG20407-E").ended(3, "full");
    fs::remove_file(&rest).expect("it is there");
    on(&small).ended(0, "TSUG20409-I");

    // There is room for the store, and none for all of the next package.
    let script = format!("#!/bin/sh\n#{}\n", "x".repeat(4 << 20));
    let (script, large) = (place.file("two", &script), place.word("two.tsugi"));
    let words = [&*script, "--command", "--service", "SAY", "--name", "srv01", "--out", &large];
    place.import(&words).ended(0, "TSUG20315-I");
    fill(&place.at("u01"), 2 << 20);
    let ran = on(&large);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.err.contains("TSUG204") && ran.err.contains("No space left"), "{ran:?}");
    let listed = service(&["packages", "--volume", &volume]);
    listed.ended(0, "current: SAY");
    assert!(!listed.out.contains("former"), "{listed:?}");
    fs::remove_file(&rest).expect("it is there");

    let may_be_written = |may: bool| {
        let only = if may { MsFlags::empty() } else { MsFlags::MS_RDONLY };
        let none: Option<&str> = None;
        mount(none, Path::new(&volume), none, MsFlags::MS_REMOUNT | only, none).expect("it is");
    };
    may_be_written(false);
    on(&large).ended(3, "TSUG20407-E").ended(3, "Read-only");
    service(&["packages", "--volume", &volume]).ended(0, "current: SAY");
    may_be_written(true);
    on(&large).ended(0, "TSUG20409-I");
    service(&["packages", "--volume", &volume]).ended(0, "former: SAY");
    umount2(Path::new(&volume), MntFlags::MNT_DETACH).expect("it was mounted");
}
