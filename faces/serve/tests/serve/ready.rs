//! Workers that stand ready on a node before the volume comes, by copies of its packages.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tsugi_package::Digest;
use tsugi_package::manifest::Quotas;

use crate::daemon::{BOUND, call_until_answered, ended, terminate};
use crate::standby::{Part, Place, users_of};
use crate::volume::Volume;

/// What is mapped of a package: the library of its one service.
const LIBRARY: &str = "libraries/COUNTER.so";
/// Workers of a service: one that answers, one to spare.
const WORKERS: usize = 2;

fn copies(place: &Place) -> PathBuf {
    place.folder.path().join("copies")
}

/// A daemon that stands by, with copies; what it says is in a file.
fn stand_by(place: &Place) -> Part {
    let mut command = place.standby(&place.control());
    command.arg("--copies").arg(copies(place));
    let said = fs::OpenOptions::new().append(true).create(true).open(said_in(place)).unwrap();
    command.stderr(Stdio::from(said));
    Part::ready(command)
}

fn said_in(place: &Place) -> PathBuf {
    place.folder.path().join("said")
}

fn said(place: &Place) -> String {
    fs::read_to_string(said_in(place)).unwrap()
}

/// The processes that have something of a folder mapped or open, of those that run.
fn mapped(folder: &Path) -> BTreeSet<i32> {
    let number = |process: PathBuf| process.file_name()?.to_string_lossy().parse().ok();
    users_of(folder).into_iter().filter_map(number).collect()
}

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(begun.elapsed() < BOUND, "{what}");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// The workers that stand ready for a package.
fn ready(place: &Place, id: Digest) -> BTreeSet<i32> {
    let folder = copies(place).join(id.to_string());
    let marks = || said(place).matches("TSUG20619").count();
    until("they stand ready", || {
        let all = mapped(&folder);
        (all.len() == WORKERS && marks() > 0).then_some(all)
    })
}

/// Has the volume here until the package is copied.
fn visit(place: &Place, volume: &Volume, (id, epoch): (Digest, &str)) {
    let mut owner = Part::ready(place.activate(volume, epoch));
    let folder = copies(place).join(id.to_string());
    until("it is copied", || folder.exists().then_some(()));
    give_back(&mut owner);
}

fn give_back(owner: &mut Part) {
    terminate(&owner.0);
    assert_eq!(ended(&mut owner.0).code(), Some(0), "it was given back");
}

/// A node on which a volume has been that has this package.
fn visited() -> (Place, Volume, Digest) {
    let (place, volume) = (Place::new(), Volume::new());
    let id = volume.deploy("srv01", &["COUNTER"]);
    let standby = stand_by(&place);
    visit(&place, &volume, (id, "e1.1"));
    drop(standby);
    fs::write(said_in(&place), "").unwrap();
    (place, volume, id)
}

#[test]
fn workers_that_stood_ready_before_the_volume_came_answer_its_calls() {
    let (place, volume, id) = visited();
    let _standby = stand_by(&place);
    let stood = ready(&place, id);
    assert_eq!(mapped(volume.path()), BTreeSet::new(), "nothing of the volume is in use");
    let owner = Part::ready(place.activate(&volume, "e1.2"));
    for serial in 1..=20 {
        let answer = call_until_answered(place.address, serial, "add a");
        assert_eq!(answer.body, serial.to_string());
    }
    let runs = |at: PathBuf| mapped(&at);
    assert_eq!(runs(copies(&place).join(id.to_string())), stood, "the same processes");
    assert_eq!(runs(volume.part(id, LIBRARY)), BTreeSet::new(), "and no other ones");
    drop(owner);
}

#[test]
fn a_volume_that_went_away_finds_workers_ready_when_it_comes_back() {
    let (place, volume, id) = visited();
    let _standby = stand_by(&place);
    let mut before = BTreeSet::new();
    for round in 2..=4 {
        let stood = ready(&place, id);
        assert!(stood.is_disjoint(&before), "those that had the volume have ended");
        let mut owner = Part::ready(place.activate(&volume, &format!("e1.{round}")));
        assert_eq!(call_until_answered(place.address, round, "add a").status, 200);
        assert_eq!(mapped(&volume.part(id, LIBRARY)), BTreeSet::new());
        give_back(&mut owner);
        assert_eq!(mapped(volume.path()), BTreeSet::new());
        (before, _) = (stood, fs::write(said_in(&place), "").unwrap());
    }
}

#[test]
fn a_package_that_was_deployed_elsewhere_is_run_and_not_the_one_that_stands_ready() {
    let (place, volume, former) = visited();
    let _standby = stand_by(&place);
    ready(&place, former);
    let quotas = Quotas { call_ms: Some(100_000), ..Quotas::default() };
    let now = volume.deploy_within("srv01", &["COUNTER"], quotas);
    assert_ne!(now, former);
    let mut owner = Part::ready(place.activate(&volume, "e1.2"));
    assert_eq!(call_until_answered(place.address, 1, "add a").status, 200);
    assert!(!mapped(&volume.part(now, LIBRARY)).is_empty(), "who answers is of the volume");
    let folder = |id: Digest| copies(&place).join(id.to_string());
    until("the former ones end", || mapped(&folder(former)).is_empty().then_some(()));
    until("what is deployed is copied", || folder(now).exists().then_some(()));
    assert!(!folder(former).exists(), "the former copy goes");
    assert!(said(&place).contains("TSUG20622"), "{}", said(&place));
    give_back(&mut owner);
    ready(&place, now);
}

#[test]
fn a_copy_that_was_damaged_runs_nowhere() {
    let (place, volume, id) = visited();
    let library = copies(&place).join(id.to_string()).join(LIBRARY);
    let mut bytes = fs::read(&library).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    fs::write(&library, bytes).unwrap();
    let _standby = stand_by(&place);
    until("it is said", || said(&place).contains("TSUG20620").then_some(()));
    until("it is removed", || (!library.exists()).then_some(()));
    assert_eq!(mapped(&copies(&place).join(id.to_string())), BTreeSet::new());
    visit(&place, &volume, (id, "e1.2"));
    ready(&place, id);
}

#[test]
fn half_a_copy_is_no_copy() {
    let (place, volume, id) = visited();
    let folder = copies(&place);
    let half = folder.join(format!("{id}.coming"));
    fs::rename(folder.join(id.to_string()), &half).unwrap();
    fs::remove_file(half.join("manifest.toml")).unwrap();
    let _standby = stand_by(&place);
    until("it is removed", || (!half.exists()).then_some(()));
    assert_eq!(said(&place), "", "nothing was promised, so nothing is said");
    visit(&place, &volume, (id, "e1.2"));
    ready(&place, id);
}

#[test]
fn one_that_ends_while_it_stands_ready_is_replaced() {
    let (place, volume, id) = visited();
    let _standby = stand_by(&place);
    let stood = ready(&place, id);
    let lost = *stood.first().unwrap();
    kill(Pid::from_raw(lost), Signal::SIGKILL).unwrap();
    let folder = copies(&place).join(id.to_string());
    until("another one stands ready", || {
        let all = mapped(&folder);
        (all.len() == WORKERS && !all.contains(&lost)).then_some(())
    });
    let _owner = Part::ready(place.activate(&volume, "e1.2"));
    assert_eq!(call_until_answered(place.address, 1, "add a").body, "1");
}

#[test]
fn those_that_end_again_and_again_are_given_up_until_a_volume_was_here() {
    let (place, volume, id) = visited();
    let _standby = stand_by(&place);
    let folder = copies(&place).join(id.to_string());
    until("they are given up", || {
        for pid in mapped(&folder) {
            // It may have ended by now.
            kill(Pid::from_raw(pid), Signal::SIGKILL).ok();
        }
        said(&place).contains("TSUG20623").then_some(())
    });
    until("none is left", || mapped(&folder).is_empty().then_some(()));
    let mut owner = Part::ready(place.activate(&volume, "e1.2"));
    assert_eq!(call_until_answered(place.address, 1, "add a").body, "1", "no pool has counted it");
    give_back(&mut owner);
    fs::write(said_in(&place), "").unwrap();
    ready(&place, id);
}

#[test]
fn a_folder_in_which_others_write_or_that_another_daemon_has_is_not_used() {
    let (place, volume, id) = visited();
    fs::set_permissions(copies(&place), fs::Permissions::from_mode(0o777)).unwrap();
    let standby = stand_by(&place);
    let refused = || said(&place).matches("TSUG20621").count();
    until("it is said", || (refused() == 1).then_some(()));
    drop(standby);
    fs::set_permissions(copies(&place), fs::Permissions::from_mode(0o755)).unwrap();
    let had = fs::File::open(copies(&place)).unwrap();
    had.try_lock().unwrap();
    let _standby = stand_by(&place);
    until("it is said again", || (refused() == 2).then_some(()));
    assert_eq!(mapped(&copies(&place).join(id.to_string())), BTreeSet::new());
    let _owner = Part::ready(place.activate(&volume, "e1.2"));
    assert_eq!(call_until_answered(place.address, 1, "add a").body, "1", "it serves all the same");
}
