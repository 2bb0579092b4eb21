//! From the report's source to what the other node runs, and what is refused there.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::process::Command;

use tsugi_package::deploy::{Go, Next, Told, Unended};
use tsugi_package::deployed::{Deployed, Runs};
use tsugi_package::module::NoModule;
use tsugi_package::shelf::Step;
use tsugi_package::{Digest, Refused, Trouble};
use tsugi_record::parameters::Direction;
use tsugi_service_rules::package::State;

use super::compiled::{counting, edited, report};
use super::volume::Volume;

/// The report's service on a shelf.
fn deployed() -> (Volume, Digest) {
    let mut volume = Volume::new();
    let module = counting();
    let source = volume.folder.path().join("srv01");
    report(std::slice::from_ref(&module), &edited(&module)).write(&source).unwrap();
    let (id, ended) = volume.deploy(&source).unwrap();
    assert_eq!(ended.state, State::Current);
    assert!(matches!(ended.told.as_slice(), [Told::Replace]), "{:?}", ended.told);
    (volume, id)
}

#[test]
fn the_service_of_the_report_is_deployed_once_and_run_by_both_nodes() {
    let (mut volume, id) = deployed();
    for _node in ["host1", "host2"] {
        // Each opens the store of the volume, and finds what is current there.
        assert_eq!(volume.reopen()[&id], State::Current);
        let deployed = Deployed::load(&volume.shelf, id).unwrap();
        assert_eq!(deployed.manifest.name, "srv01");
        let service = deployed.service("CBLAPP01").unwrap();
        let object = volume.shelf.place(id).join("modules/CBLAPP01.so");
        let entry = "CBLAPP01".to_owned();
        assert_eq!(service.program, Runs::Cobol { entry, object: object.clone() });
        assert_eq!(deployed.modules().collect::<Vec<_>>(), [("CBLAPP01", object)]);
        let interface = service.interface.as_ref().unwrap();
        let directions: Vec<_> =
            interface.parameters.list().iter().map(|parameter| parameter.direction).collect();
        assert_eq!(directions, [Direction::Out; 4]);
        let mut records = interface.parameters.records(b"{}").unwrap();
        records[3] = b"0000000339".to_vec();
        let answer = interface.parameters.answer(&records).unwrap();
        assert!(answer.contains("\"lk_counter\":339"), "{answer}");
        let mut data = String::new();
        let file = deployed.data(&deployed.manifest.data[0]);
        file.unwrap().read_to_string(&mut data).unwrap();
        assert_eq!(data, "      0000000000");
        assert!(deployed.service("CBLAPP02").is_none());
    }
    assert_eq!(volume.table.loaded[&id], 1);
}

/// The report's program goes on with NULs in its counter when its file is not there.
#[test]
fn a_file_that_has_to_be_there_is_known_before_the_first_call() {
    let (volume, id) = deployed();
    let deployed = Deployed::load(&volume.shelf, id).unwrap();
    assert_eq!(deployed.needs("CBLAPP01"), ["APPFILE01"]);
    assert!(deployed.needs("CBLAPP02").is_empty());
}

/// What was lost or changed is put back by deploying the same file again: no row is written, and no
/// data are loaded.
#[test]
fn what_was_lost_or_changed_on_the_shelf_is_put_back() {
    let (mut volume, id) = deployed();
    let source = volume.folder.path().join("srv01");
    let place = volume.shelf.place(id);
    let changes: [fn(&std::path::Path); 3] = [
        |place| fs::remove_dir_all(place).unwrap(),
        |place| fs::write(place.join("modules/CBLAPP01.so"), "x").unwrap(),
        |place| fs::write(place.join("modules/EVIL.so"), "x").unwrap(),
    ];
    for change in changes {
        change(&place);
        // Dying anywhere on the way leaves what can be put back again.
        for steps in 0.. {
            let mut left: usize = steps;
            let done = volume.deploy_while(&source, &mut |next| {
                assert!(!matches!(next, Next::Rows(_)), "no row is written");
                let go = if left == 0 { Go::Stop } else { Go::On };
                left = left.saturating_sub(1);
                go
            });
            match done {
                Ok((_, ended)) => {
                    assert_eq!(ended.state, State::Current);
                    let told = ended.told.as_slice();
                    // Stopped after the rename it is whole already.
                    let known = matches!(told, [Told::Replace, Told::Current] | [Told::Current]);
                    assert!(known, "{told:?}");
                    break;
                }
                Err(Unended::Stopped) => {}
                Err(other) => panic!("{other}"),
            }
        }
        Deployed::load(&volume.shelf, id).unwrap();
        assert_eq!(volume.reopen()[&id], State::Current);
    }
    assert_eq!(volume.table.loaded[&id], 1);
    // Without a right file what lies there stays, and is told.
    fs::write(place.join("modules/EVIL.so"), "x").unwrap();
    let done = volume.deploy_while(&source, &mut |next| {
        if let Next::Step(Step::Copy { from, .. }) = next {
            fs::write(from, "nothing").unwrap();
        }
        Go::On
    });
    let (_, ended) = done.unwrap();
    assert_eq!(ended.state, State::Current);
    let told = ended.told.as_slice();
    assert!(matches!(told, [Told::Unfit(Refused::NoManifest)]), "{told:?}");
    assert!(place.join("modules/CBLAPP01.so").exists());
    fs::remove_file(place.join("modules/EVIL.so")).unwrap();
    Deployed::load(&volume.shelf, id).unwrap();
    let names = fs::read_dir(place.parent().unwrap()).unwrap().count();
    assert_eq!(names, 1, "something is left on the shelf");
}

/// Changes what lies on the shelf and tells why it is not run.
fn why(change: impl FnOnce(PathBuf)) -> Refused {
    let (volume, id) = deployed();
    change(volume.shelf.place(id));
    match Deployed::load(&volume.shelf, id) {
        Err(Trouble::Refused(refused)) => refused,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_program_that_somebody_has_changed_is_not_run() {
    let path = |text: &str| text.to_owned();
    let module = "modules/CBLAPP01.so";
    let changed = why(|place| {
        let at = place.join(module);
        let mut bytes = fs::read(&at).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(at, bytes).unwrap();
    });
    assert!(matches!(changed, Refused::Hash { path, .. } if path == module));
    let longer = why(|place| {
        let at = place.join(module);
        let mut bytes = fs::read(&at).unwrap();
        bytes.push(0);
        fs::write(at, bytes).unwrap();
    });
    assert!(matches!(longer, Refused::Length { .. }), "{longer:?}");
    let gone = why(|place| fs::remove_file(place.join(module)).unwrap());
    assert_eq!(gone, Refused::NotThere { path: path(module) });
    let more = why(|place| fs::write(place.join("modules/EVIL.so"), "x").unwrap());
    assert_eq!(more, Refused::NotListed { path: path("modules/EVIL.so") });
    let folder = why(|place| fs::create_dir(place.join("more")).unwrap());
    assert_eq!(folder, Refused::NotListed { path: path("more") });
    let link = why(|place| {
        let at = place.join(module);
        fs::rename(&at, place.parent().unwrap().join("elsewhere")).unwrap();
        symlink(place.parent().unwrap().join("elsewhere"), at).unwrap();
    });
    assert_eq!(link, Refused::Kind { path: path(module), found: '2' });
    // Opened without a limit it would wait for somebody who writes to it.
    let pipe = why(|place| {
        fs::remove_file(place.join(module)).unwrap();
        assert!(Command::new("mkfifo").arg(place.join(module)).status().unwrap().success());
    });
    assert_eq!(pipe, Refused::Kind { path: path(module), found: '6' });
    let linked = why(|place| {
        let elsewhere = place.parent().unwrap().join("elsewhere");
        fs::rename(place.join("modules"), &elsewhere).unwrap();
        symlink(elsewhere, place.join("modules")).unwrap();
    });
    assert_eq!(linked, Refused::NotListed { path: path("modules") });
    let mode = why(|place| {
        fs::set_permissions(place.join(module), fs::Permissions::from_mode(0o4755)).unwrap();
    });
    assert_eq!(mode, Refused::Header { path: path(module) });
    let interface = why(|place| {
        let at = place.join("interfaces/CBLAPP01.toml");
        let text = fs::read_to_string(&at).unwrap().replace("\"out\"", "\"io\" ");
        fs::write(at, text).unwrap();
    });
    assert!(matches!(interface, Refused::Hash { .. }), "{interface:?}");
}

#[test]
fn a_manifest_that_somebody_has_changed_is_not_believed() {
    let (volume, id) = deployed();
    let at = volume.shelf.place(id).join("manifest.toml");
    let text = fs::read_to_string(&at).unwrap().replace("srv01", "srv02");
    fs::write(&at, &text).unwrap();
    let found = Deployed::load(&volume.shelf, id);
    let Err(Trouble::Refused(Refused::OtherPackage { expected, found })) = found else {
        panic!("{found:?}")
    };
    assert_eq!((expected, found), (id, Digest::of(text.as_bytes())));
    fs::remove_file(at).unwrap();
    let found = Deployed::load(&volume.shelf, id);
    assert!(matches!(found, Err(Trouble::Refused(Refused::NotThere { .. }))), "{found:?}");
    let nothing = Deployed::load(&volume.shelf, Digest::of(b"nothing"));
    assert!(matches!(nothing, Err(Trouble::Refused(Refused::NotThere { .. }))), "{nothing:?}");
}

#[test]
fn data_that_somebody_has_changed_are_not_loaded() {
    let (volume, id) = deployed();
    let deployed = Deployed::load(&volume.shelf, id).unwrap();
    fs::write(volume.shelf.place(id).join("data/APPFILE01"), "      0000000339").unwrap();
    // What runs needs no data: it is not held up by them.
    Deployed::load(&volume.shelf, id).unwrap();
    let found = deployed.data(&deployed.manifest.data[0]);
    assert!(matches!(found, Err(Trouble::Refused(Refused::Hash { .. }))), "{found:?}");
}

#[test]
fn a_package_whose_module_was_made_elsewhere_is_not_deployed() {
    let mut volume = Volume::new();
    let mut module = counting();
    let text = String::from_utf8(module.source.clone()).unwrap();
    module.object = super::compiled::elsewhere("CBLAPP01", &text, &[]);
    let source = volume.folder.path().join("srv01");
    report(std::slice::from_ref(&module), &edited(&module)).write(&source).unwrap();
    let (_, ended) = volume.deploy(&source).unwrap();
    assert_eq!(ended.state, State::Absent);
    let [Told::Unfit(Refused::Module { why, .. })] = ended.told.as_slice() else {
        panic!("{:?}", ended.told)
    };
    assert!(matches!(why, NoModule::WithoutHandler { .. }), "{why:?}");
    assert!(volume.shelf.ids().unwrap().is_empty());
}
