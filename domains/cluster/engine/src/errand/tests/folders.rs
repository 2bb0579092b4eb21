//! The private folder of a run: made before its first program, gone after its last stop.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::*;

/// What the newest program is told.
fn told(scene: &Scene) -> PathBuf {
    PathBuf::from(&scene.environment()["TSUGI_RUN"])
}

fn mode(folder: &Path) -> u32 {
    std::fs::metadata(folder).unwrap().permissions().mode() & 0o777
}

/// The group's start script has ended well.
fn started() -> (Scene, PathBuf) {
    let mut scene = Scene::new(vec![batch()]);
    start(&mut scene);
    let folder = told(&scene);
    (scene, folder)
}

/// Carries a start out up to its script, which ends well.
fn start(scene: &mut Scene) {
    scene.start("batch");
    ends(scene, Purpose::Start);
}

/// The newest program ends well.
fn ends(scene: &mut Scene, purpose: Purpose) {
    assert_eq!(scene.program().purpose, purpose, "{:?}", scene.program());
    let program = running(scene.hands.pids, "batch", purpose, scene.epoch);
    let (how, limit) = (HowEnded::Exited(0), TimeLimit::Kept);
    scene.ended(Ended { program, how, limit, tail: Vec::new(), dropped: 0 });
}

/// What the newest program is, with the paths of the scene cut off.
fn words(scene: &Scene) -> String {
    let runs = scene.dir.path().join("run/agent/runs/");
    scene.program().argv.join(" ").replace(runs.to_str().unwrap(), "")
}

#[test]
fn every_program_of_a_run_is_told_the_one_folder_that_is_its_users_alone() {
    let (mut scene, folder) = started();
    assert_eq!(scene.asked(), ["start script"], "it takes no program to make it");
    assert_eq!(mode(&folder), 0o700);
    let uid = std::fs::metadata(&folder).unwrap().uid();
    assert_eq!(uid, nix::unistd::geteuid().as_raw());
    for above in folder.ancestors().skip(1).take(2) {
        assert_eq!(mode(above), 0o711, "others pass and see nothing: {}", above.display());
    }
    std::fs::write(folder.join("pid"), "17").unwrap();
    scene.ask("batch");
    assert_eq!(told(&scene), folder);
    // A restart in place, by an agent that knows nothing.
    let mut again = Scene::new(vec![batch()]);
    again.dir = scene.dir;
    again.errands = Errands::new(around(&again.dir, 0));
    start(&mut again);
    assert_eq!(told(&again), folder, "it is the same run");
    assert_eq!(std::fs::read_to_string(folder.join("pid")).unwrap(), "17");
}

fn around(dir: &TempDir, more: u32) -> Surroundings {
    let own = nix::unistd::geteuid().as_raw();
    Scene::around(dir, own + more)
}

#[test]
fn the_folder_goes_with_the_last_stop_before_the_group_is_proved_down() {
    let (mut scene, folder) = started();
    scene.hands.asked.clear();
    scene.stop("batch");
    assert_eq!(told(&scene), folder);
    ends(&mut scene, Purpose::Stop);
    assert_eq!(scene.asked(), ["stop script", "kill group"], "an empty one needs no program");
    assert!(!folder.exists());

    let (mut scene, folder) = started();
    std::fs::write(folder.join("state"), "x").unwrap();
    scene.hands.asked.clear();
    scene.out.clear();
    scene.stop("batch");
    ends(&mut scene, Purpose::Stop);
    assert_eq!(scene.asked(), ["stop script", "stop script"], "the second is the removal");
    assert_eq!(words(&scene), "/bin/rm -rf --one-file-system -- PAY/e1.4-".to_owned() + &uid(0));
    carry_out(&scene);
    assert!(!folder.exists());
    // That it could not be removed is no failure of the stop.
    let program = running(scene.hands.pids, "batch", Purpose::Stop, EPOCH);
    let (how, limit) = (HowEnded::Exited(1), TimeLimit::Exceeded);
    scene.ended(Ended { program, how, limit, tail: Vec::new(), dropped: 0 });
    assert_eq!(scene.asked()[2..], ["kill group"]);
    assert!(matches!(scene.outcome(), Outcome::Fine { .. }));
}

fn uid(more: u32) -> String {
    (nix::unistd::geteuid().as_raw() + more).to_string()
}

/// Does what the newest program would do, if the test's user may.
fn carry_out(scene: &Scene) {
    let argv = &scene.program().argv;
    let status = std::process::Command::new(&argv[0]).args(&argv[1..]).env_clear().status();
    assert!(status.unwrap().success(), "{argv:?}");
}

#[test]
fn what_an_emergency_release_left_goes_with_the_next_start() {
    let (mut scene, folder) = started();
    std::fs::write(folder.join("state"), "x").unwrap();
    scene.act(Act::LetGo);
    assert!(folder.exists(), "nothing stands in the way of the release");
    scene.epoch = Epoch { counter: 5, ..EPOCH };
    scene.hands.asked.clear();
    scene.out.clear();
    scene.start("batch");
    assert_eq!(scene.asked(), ["start script"], "nothing stands in the way of the start either");
    let own = told(&scene);
    assert_ne!(own, folder);
    ends(&mut scene, Purpose::Start);
    assert!(matches!(scene.outcome(), Outcome::Fine { .. }), "and nobody waits for the removal");
    assert_eq!(words(&scene), "/bin/rm -rf --one-file-system -- PAY/e1.4-".to_owned() + &uid(0));
    carry_out(&scene);
    assert!(!folder.exists());
    assert!(own.is_dir(), "the new run has its own");
}

#[test]
fn i25_what_an_emergency_release_left_goes_once_the_group_is_elsewhere_for_certain() {
    let (mut scene, folder) = started();
    let tidy = |scene: &mut Scene, is_gone: bool| {
        let spec = scene.spec.clone();
        scene.errands.tidy(&mut scene.hands, |_| is_gone.then(|| spec.clone()));
    };
    scene.act(Act::LetGo);
    tidy(&mut scene, false);
    assert!(folder.exists(), "it may be here still");
    scene.hands.asked.clear();
    tidy(&mut scene, true);
    assert!(!folder.exists());
    assert_eq!(scene.asked(), [""; 0], "an empty one needs no program");

    let (mut scene, folder) = started();
    std::fs::write(folder.join("state"), "x").unwrap();
    scene.act(Act::LetGo);
    scene.hands.asked.clear();
    tidy(&mut scene, true);
    tidy(&mut scene, true);
    assert_eq!(scene.asked(), ["monitor"], "it is asked for once");
    assert_eq!(words(&scene), "/bin/rm -rf --one-file-system -- PAY/e1.4-".to_owned() + &uid(0));
    carry_out(&scene);
    assert!(!folder.exists());
}

#[test]
fn a_folder_of_another_users_is_made_by_the_hands() {
    let mut scene = Scene::with_hands_of(nix::unistd::geteuid().as_raw() + 1, vec![batch()]);
    scene.start("batch");
    assert_eq!(words(&scene), "/usr/bin/install -d -m 0700 -- PAY/e1.4-".to_owned() + &uid(1));
    assert!(!scene.program().env.iter().any(|(name, _)| name != "PATH"));
    carry_out(&scene);
    let folder = PathBuf::from(scene.program().argv.last().unwrap());
    assert_eq!(mode(&folder), 0o700);
    ends(&mut scene, Purpose::Start);
    assert_eq!(scene.asked(), ["start script", "start script"], "then the start itself");
    assert_eq!(told(&scene), folder);
}

#[test]
fn a_folder_is_asked_for_when_the_group_begins_and_not_again_once_it_is_there() {
    let other = nix::unistd::geteuid().as_raw() + 1;
    let after =
        |of: ResourceSpec, what: &str| ResourceSpec { after: [resource_name(what)].into(), ..of };
    let resources = vec![address("vip"), volume("disk"), after(batch(), "disk")];
    let mut scene = Scene::with_hands_of(other, resources);
    scene.start("vip");
    assert_eq!(scene.asked(), ["start script", "probe", "add", "announce"], "beside the address");
    assert!(words(&scene).starts_with("/usr/bin/install"), "{}", words(&scene));
    assert!(matches!(scene.outcome(), Outcome::Fine { .. }), "and nobody waits for it");
    scene.start("disk");
    assert_eq!(scene.asked()[4..], ["mount"], "once a run");
    let folder = words(&scene).split_once("PAY/").unwrap().1.to_owned();
    // As if it had been made, by the user that the scene takes for the hands'.
    let place = scene.dir.path().join("run/agent/runs/PAY").join(folder);
    std::fs::create_dir(&place).unwrap();
    std::fs::set_permissions(&place, std::fs::Permissions::from_mode(0o700)).unwrap();
    let made = nix::unistd::geteuid().is_root();
    if made {
        std::os::unix::fs::chown(&place, Some(other), None).unwrap();
    }
    scene.start("batch");
    let again = if made { 0 } else { 1 };
    assert_eq!(scene.asked().len(), 6, "{:?}", scene.asked());
    assert_eq!(usize::from(words(&scene).starts_with("/usr/bin/install")), again);
}

#[test]
fn a_folder_for_a_named_user_is_given_to_it() {
    let mut resource = batch();
    let ResourceKind::Process { user, .. } = &mut resource.kind else { unreachable!() };
    *user = Some("daemon".to_owned());
    let daemon = nix::unistd::User::from_name("daemon").unwrap().unwrap();
    let mut scene = Scene::new(vec![resource]);
    scene.start("batch");
    let (uid, gid) = (daemon.uid, daemon.gid);
    let made = format!("/usr/bin/install -d -m 0700 -o {uid} -g {gid} -- PAY/e1.4-{uid}");
    assert_eq!(words(&scene), made);
    assert_eq!(scene.program().user, None, "the hands' own user may give it away");
}

#[test]
fn a_folder_that_cannot_be_made_fails_the_start_and_nothing_is_started() {
    let mut scene = Scene::new(vec![batch()]);
    std::fs::remove_dir_all(scene.dir.path().join("run")).unwrap();
    scene.start("batch");
    assert_eq!(scene.asked(), [""; 0]);
    assert!(scene.failure().contains("No such file"), "{}", scene.failure());
}
