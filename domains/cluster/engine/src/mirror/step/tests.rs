//! The steps against a DRBD that does as it is told.

use std::cell::RefCell;
use std::rc::Rc;

use super::*;
use crate::mirror::whole;

#[test]
fn what_it_is_told_it_reads_again_and_nothing_else() {
    let device = Path::new("/dev/drbd0");
    let peers = [Peer::Lost, Peer::Awaited, Peer::Older, Peer::Newer];
    let kinds = [Fencing::AsItIs, Fencing::Demanded];
    let promote = |peer| kinds.map(|fencing| Action::Promote(peer, fencing));
    let frozen = [Action::Thaw, Action::Sever, Action::Resume];
    let given_up =
        [IfMounted::Left, IfMounted::GivenUp].map(|mounted| Action::GiveUp { mounted, starts: 3 });
    let others = [Action::Demote, Action::Connect].into_iter().chain(frozen).chain(given_up);
    let promotions = peers.into_iter().flat_map(promote);
    for action in promotions.chain(others) {
        let words = words(action, ("r0", device), Span::secs(9));
        let words: Vec<OsString> = words.into_iter().map(OsString::from).collect();
        let step = read(&words).expect("its own words");
        assert_eq!((step.action, step.name.as_str()), (action, "r0"));
        assert_eq!(step.device, device);
        assert!(read(&words[1..]).is_none());
        assert!(read(&[&words[..], &["more".into()]].concat()).is_none());
    }
    for words in [
        &["promote", "r0"][..],
        &["demote", "r0", "/dev/drbd0", "-", "9", "fenced"],
        // Without what it was decided on nobody can tell whether it still holds.
        &["give-up", "r0", "/dev/drbd0", "-", "9"],
        &["give-up", "r0", "/dev/drbd0", "left", "9"],
    ] {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        assert_eq!(run(&words).0, NONSENSE);
    }
}

/// A DRBD that has one resource and does as it is told.
#[derive(Default)]
struct Told {
    stands: Option<Mirror>,
    mounted: bool,
    done: Vec<String>,
    /// What else happens as soon as it is told this.
    meanwhile: Option<(&'static str, Meanwhile)>,
}

enum Meanwhile {
    /// A start comes, and waits for its turn.
    Start(PathBuf),
    /// Somebody mounts it.
    Mount,
}

#[derive(Clone, Default)]
struct StandIn(Rc<RefCell<Told>>);

impl Drbd for StandIn {
    fn look(&self, _: &Path) -> Option<Mirror> {
        self.0.borrow().stands.clone()
    }

    fn is_mounted(&self, _: &Path) -> bool {
        self.0.borrow().mounted
    }

    fn adm(&self, words: &[&str]) -> Result<String, String> {
        let mut told = self.0.borrow_mut();
        told.done.push(words[0].to_owned());
        match told.meanwhile.take_if(|(word, _)| *word == words[0]) {
            Some((_, Meanwhile::Start(run_dir))) => {
                fs::write(turns(&run_dir, "r0"), ".").unwrap();
            }
            Some((_, Meanwhile::Mount)) => told.mounted = true,
            None => {}
        }
        let mirror = told.stands.as_mut().expect("it is up");
        match words[0] {
            "primary" => mirror.role = "Primary".to_owned(),
            "secondary" => mirror.role = "Secondary".to_owned(),
            "disconnect" => mirror.connection = "StandAlone".to_owned(),
            "detach" => mirror.disk = "Diskless".to_owned(),
            "resume-io" => mirror.io = Io::Flows,
            "adjust" => {
                mirror.connection = "Connected".to_owned();
                mirror.disk = "UpToDate".to_owned();
            }
            "sh-dev" => {}
            other => panic!("{other}"),
        }
        Ok(DEVICE.to_owned())
    }
}

/// Any path will do that is the same device to both.
const DEVICE: &str = "/dev/null";

struct Scene {
    run_dir: tempfile::TempDir,
    drbd: StandIn,
}

impl Scene {
    /// It is primary, and somebody has begun to let go of it.
    fn begun() -> Self {
        let scene = Self { run_dir: tempfile::tempdir().unwrap(), drbd: StandIn::default() };
        scene.drbd.0.borrow_mut().stands = Some(whole());
        fs::write(mark(scene.run_dir.path(), "r0"), "").unwrap();
        scene
    }

    fn step(&self, action: Action, within: Duration) -> Step {
        Step {
            action,
            name: "r0".to_owned(),
            device: DEVICE.into(),
            until: Instant::now() + within,
            run_dir: self.run_dir.path().to_owned(),
            drbd: Box::new(self.drbd.clone()),
        }
    }

    /// By one that was decided on after so many starts.
    fn give_up(&self, mounted: IfMounted, starts: u64) -> Came {
        self.step(Action::GiveUp { mounted, starts }, LONG).give_up(mounted, starts)
    }

    fn promote(&self, within: Duration) -> Came {
        let (peer, fencing) = (Peer::Awaited, Fencing::AsItIs);
        self.step(Action::Promote(peer, fencing), within).promote(peer, fencing)
    }

    fn is_begun(&self) -> bool {
        begun(self.run_dir.path(), "r0") == Begun::Yes
    }

    /// What it was told since this was asked last.
    fn done(&self) -> Vec<String> {
        std::mem::take(&mut self.drbd.0.borrow_mut().done)
    }

    fn is_mounted(&self, mounted: bool) {
        self.drbd.0.borrow_mut().mounted = mounted;
    }

    fn once(&self, word: &'static str, meanwhile: Meanwhile) {
        self.drbd.0.borrow_mut().meanwhile = Some((word, meanwhile));
    }

    fn starts_once(&self, word: &'static str) {
        self.once(word, Meanwhile::Start(self.run_dir.path().to_owned()));
    }
}

const LONG: Duration = Duration::from_secs(60);
const HELD: Came = Err((Obstacle::HeldOpen, String::new()));

#[test]
fn what_a_person_has_mounted_of_a_group_that_is_nobodys_keeps_link_disk_and_role() {
    let scene = Scene::begun();
    scene.is_mounted(true);
    assert_eq!(scene.give_up(IfMounted::Left, 0), HELD);
    assert!(scene.done().is_empty() && scene.is_begun());
    scene.is_mounted(false);
    assert_eq!(scene.give_up(IfMounted::Left, 0), Ok(()));
    assert_eq!(scene.done(), ["disconnect", "detach", "secondary", "adjust"]);
    assert!(!scene.is_begun());
    // Mounted between two steps.
    let scene = Scene::begun();
    scene.once("disconnect", Meanwhile::Mount);
    assert_eq!(scene.give_up(IfMounted::Left, 0), HELD);
    assert_eq!(scene.done(), ["disconnect"]);
}

#[test]
fn of_a_group_that_is_anothers_its_own_mount_does_not_keep_what_was_begun_from_its_end() {
    let scene = Scene::begun();
    scene.is_mounted(true);
    assert_eq!(scene.give_up(IfMounted::GivenUp, 0), Ok(()));
    assert_eq!(scene.done(), ["disconnect", "detach", "secondary", "adjust"]);
}

#[test]
fn a_start_that_begins_while_a_role_is_given_up_has_it_in_the_end() {
    for word in ["disconnect", "detach", "secondary"] {
        let scene = Scene::begun();
        scene.starts_once(word);
        assert_eq!(scene.give_up(IfMounted::GivenUp, 0), Ok(()));
        assert_eq!(scene.done().last().map(String::as_str), Some(word), "nothing after it");
        assert!(scene.is_begun(), "the start ends what was begun");
        assert_eq!(scene.promote(LONG), Ok(()));
        assert_eq!(scene.done().last().map(String::as_str), Some("primary"));
        assert!(!scene.is_begun());
        // One that was decided on before, and comes late.
        assert_eq!(scene.give_up(IfMounted::GivenUp, 0), Ok(()));
        assert!(scene.done().is_empty());
        let primary = scene.drbd.0.borrow().stands.as_ref().is_some_and(Mirror::is_primary);
        assert!(primary, "{word}");
    }
}

#[test]
fn a_start_says_so_and_does_nothing_before_its_turn() {
    let scene = Scene::begun();
    let other = scene.step(Action::Demote, LONG).turns(b"").unwrap();
    other.lock().unwrap();
    let Err((Obstacle::Refused, said)) = scene.promote(Duration::ZERO) else { panic!("refused") };
    assert!(said.contains("mirrored-r0"), "{said}");
    assert!(scene.done().is_empty());
    assert_eq!(starts(scene.run_dir.path(), "r0"), 1);
    // One that waits for its turn and has nothing to do any more holds up nobody.
    assert_eq!(scene.give_up(IfMounted::GivenUp, 0), Ok(()));
    drop(other);
    assert_eq!(scene.promote(LONG), Ok(()));
    assert_eq!(starts(scene.run_dir.path(), "r0"), 2);
}
