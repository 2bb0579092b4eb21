//! What lies on a shelf, and what is told of it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use tsugi_package::Refused;
use tsugi_package::archive::identify;
use tsugi_package::deploy::{Go, Next, Problem, Told, Unended};
use tsugi_package::shelf::{Shelf, Step};
use tsugi_service_rules::package::{File, State};

use super::draft;
use super::volume::{Volume, files};

#[test]
fn a_package_is_deployed_once_and_told_current_by_the_other_node() {
    let mut volume = Volume::new();
    let source = volume.source("one");
    let (id, ended) = volume.deploy(&source).unwrap();
    assert!(matches!(ended.told.as_slice(), [Told::Replace]), "{:?}", ended.told);
    let command = volume.shelf.place(id).join("commands/echo");
    assert_eq!(fs::read(&command).unwrap(), b"#!/bin/sh\necho one\n");
    assert_eq!(fs::metadata(&command).unwrap().permissions().mode() & 0o7777, 0o755);
    let data = volume.shelf.place(id).join("data/APPFILE01");
    assert_eq!(fs::metadata(&data).unwrap().permissions().mode() & 0o7777, 0o644);
    for folder in [volume.shelf.place(id), data.parent().unwrap().to_owned()] {
        assert_eq!(fs::metadata(folder).unwrap().permissions().mode() & 0o7777, 0o755);
    }
    // The other node has the volume now: nothing is written again.
    let mut steps = 0;
    let again = volume.deploy_while(&source, &mut |_| {
        steps += 1;
        Go::On
    });
    let (same, ended) = again.unwrap();
    assert_eq!((same, ended.state, steps), (id, State::Current, 0));
    assert!(matches!(ended.told.as_slice(), [Told::Current]), "{:?}", ended.told);
    assert_eq!(volume.table.loaded[&id], 1);
}

#[test]
fn what_does_not_fit_is_told_before_anything_is_unpacked() {
    let mut volume = Volume::new();
    let source = volume.folder.path().join("unfit");
    draft().write(&source).unwrap();
    let mut unpacked = 0;
    let done = volume.deploy_while(&source, &mut |next| {
        unpacked += usize::from(matches!(next, Next::Step(Step::Unpack { .. })));
        Go::On
    });
    let (id, ended) = done.unwrap();
    assert_eq!(ended.state, State::Absent);
    let [Told::Unfit(why)] = ended.told.as_slice() else { panic!("{:?}", ended.told) };
    assert!(matches!(why, Refused::Library { service, .. } if service == "COUNT"), "{why:?}");
    assert_eq!(unpacked, 0);
    assert_eq!(volume.shelf.found(id).unwrap(), File::None);
    assert!(volume.shelf.ids().unwrap().is_empty());
}

#[test]
fn what_changes_under_its_deployment_is_found_and_taken_away() {
    // Between copying and examining, and between examining and unpacking.
    for unpacking in [0, 2] {
        let mut volume = Volume::new();
        let source = volume.source("one");
        let mut unpacks = 0;
        let done = volume.deploy_while(&source, &mut |next| {
            let changes = match next {
                Next::Step(Step::Sync(folder)) if unpacking == 0 => {
                    Some(folder.join("package.tar")).filter(|path| path.exists())
                }
                Next::Step(Step::Unpack { from, .. }) => {
                    unpacks += 1;
                    (unpacks == unpacking).then(|| from.clone())
                }
                _ => None,
            };
            if let Some(path) = changes {
                let text = fs::read(&path).unwrap();
                let text: Vec<u8> =
                    text.iter().map(|byte| if *byte == b' ' { b'_' } else { *byte }).collect();
                fs::write(&path, text).unwrap();
            }
            Go::On
        });
        let (id, ended) = done.unwrap();
        assert_eq!(ended.state, State::Absent);
        match ended.told.as_slice() {
            [Told::Unfit(_)] if unpacking == 0 => {}
            [Told::Failed(Problem::Changed(Refused::Hash { path, .. }))] if unpacking == 2 => {
                assert_eq!(path, "commands/echo");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(volume.shelf.found(id).unwrap(), File::None);
    }
}

/// Another package takes the place of the file behind our back.
#[test]
fn a_file_that_is_exchanged_before_it_is_copied_is_not_deployed_as_the_other() {
    let mut volume = Volume::new();
    let (source, other) = (volume.source("one"), volume.source("two"));
    let done = volume.deploy_while(&source, &mut |next| {
        if let Next::Step(Step::Copy { from, .. }) = next {
            fs::copy(&other, from).unwrap();
        }
        Go::On
    });
    let (id, ended) = done.unwrap();
    let [Told::Unfit(Refused::OtherPackage { expected, found })] = ended.told.as_slice() else {
        panic!("{:?}", ended.told)
    };
    assert_eq!(*expected, id);
    assert_eq!(*found, identify(&other).unwrap().0);
    assert!(volume.shelf.ids().unwrap().is_empty());
}

#[test]
fn a_current_package_whose_folder_is_gone_is_told_missing_and_its_row_stays() {
    let mut volume = Volume::new();
    let source = volume.source("one");
    let (id, _) = volume.deploy(&source).unwrap();
    fs::remove_dir_all(volume.shelf.place(id)).unwrap();
    let ended = volume.deployment(&mut |_| Go::On).open(id).unwrap();
    assert_eq!(ended.state, State::Current);
    assert!(matches!(ended.told.as_slice(), [Told::Missing]), "{:?}", ended.told);
}

#[test]
fn a_file_that_is_no_package_or_is_not_there_changes_nothing() {
    let mut volume = Volume::new();
    let source = volume.folder.path().join("none");
    assert!(matches!(volume.deploy(&source), Err(Unended::NoPackage(_))));
    fs::write(&source, "nothing").unwrap();
    assert!(matches!(volume.deploy(&source), Err(Unended::NoPackage(_))));
    assert!(volume.shelf.ids().unwrap().is_empty());
}

#[test]
fn what_else_lies_on_a_shelf_is_left_alone() {
    let mut volume = Volume::new();
    let shelf = volume.folder.path().join("packages");
    fs::write(shelf.join("notes.txt"), "mine").unwrap();
    fs::create_dir(shelf.join("lost+found")).unwrap();
    let source = volume.source("one");
    volume.deploy(&source).unwrap();
    assert_eq!(volume.shelf.ids().unwrap().len(), 1);
    assert!(files(&shelf).contains(&shelf.join("notes.txt")));
    // Opened again, a shelf is what it was; one whose own folder is not there is an error.
    assert_eq!(Shelf::open(&shelf).unwrap().ids().unwrap().len(), 1);
    assert!(Shelf::open(&shelf.join("a/b")).is_err());
    assert!(Shelf::open(&shelf.join("notes.txt")).is_err());
}
