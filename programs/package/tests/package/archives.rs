//! What is written is read again, and equal contents make equal bytes.

use std::fs;
use std::process::Command;

use tsugi_package::archive::{Content, identify};
use tsugi_package::manifest::Role;
use tsugi_package::{Digest, Refused, Trouble};

use super::{draft, examined, path};

#[test]
fn what_is_written_is_read_again_with_every_hash_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("srv01.package");
    let written = draft().write(&to).unwrap();
    let examined = examined(&to).unwrap();
    assert_eq!(examined.manifest, written.manifest);
    assert_eq!(examined.id, written.id);
    assert_eq!(identify(&to).unwrap(), (written.id, written.manifest.clone()));
    let data = written.manifest.part(&path("data/APPFILE01")).unwrap();
    assert_eq!((data.bytes, data.sha256), (1600, Digest::of(&[b' '; 1600])));
    let at = usize::try_from(examined.places[1]).unwrap();
    assert_eq!(fs::read(&to).unwrap()[at..at + 1600], [b' '; 1600]);
    // Nothing but the package is left in its folder.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn equal_contents_make_equal_bytes_from_files_and_from_memory() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    let source = folder.path().join("data");
    fs::write(&source, [b' '; 1600]).unwrap();
    draft().write(&one).unwrap();
    let mut second = draft();
    second.contents.insert(path("data/APPFILE01"), Content::File(source));
    second.write(&two).unwrap();
    assert_eq!(fs::read(&one).unwrap(), fs::read(&two).unwrap());
    // One byte more is another package.
    second.contents.insert(path("data/APPFILE01"), Content::Bytes(vec![b' '; 1616]));
    let other = second.write(&two).unwrap();
    assert_ne!(identify(&one).unwrap().0, other.id);
}

#[test]
fn any_tar_can_look_into_a_package() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("srv01.package");
    draft().write(&to).unwrap();
    let listed = Command::new("tar").arg("-tvf").arg(&to).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let entry = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        format!("{} {}", words[0], words[words.len() - 1])
    };
    let entries: Vec<String> = listed.lines().map(entry).collect();
    let expected = [
        "-rw-r--r-- manifest.toml",
        "-rwxr-xr-x commands/echo",
        "-rw-r--r-- data/APPFILE01",
        "-rw-r--r-- libraries/count.so",
    ];
    assert_eq!(entries, expected);
}

#[test]
fn a_package_that_is_refused_or_cannot_be_written_leaves_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("srv01.package");
    let before = draft().write(&to).unwrap();
    let mut without = draft();
    without.contents.remove(&path("commands/echo"));
    let Err(Trouble::Refused(why)) = without.write(&to) else { panic!("it was written") };
    let expected = Refused::NoSuchPart { by: "ECHO".to_owned(), path: "commands/echo".to_owned() };
    assert_eq!(why, expected);
    let mut gone = draft();
    gone.contents.insert(path("commands/echo"), Content::File(folder.path().join("nothing")));
    assert!(matches!(gone.write(&to), Err(Trouble::Failed(_))));
    assert_eq!(identify(&to).unwrap().0, before.id);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn parts_that_are_no_data_are_given_to_who_looks_and_it_may_refuse() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("srv01.package");
    draft().write(&to).unwrap();
    let mut seen = Vec::new();
    let done = tsugi_package::archive::examine(&to, &mut |_, part, role, bytes| {
        seen.push((part.path.to_string(), role, bytes.len()));
        if role == Role::Library { Err(Refused::NoService) } else { Ok(()) }
    });
    assert!(matches!(done, Err(Trouble::Refused(Refused::NoService))));
    let expected = [
        ("commands/echo".to_owned(), Role::Command, 14),
        ("libraries/count.so".to_owned(), Role::Library, 9),
    ];
    assert_eq!(seen, expected);
}
