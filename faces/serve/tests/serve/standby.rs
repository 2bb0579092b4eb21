//! A daemon that stands by, and what hands it a volume.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tsugi_serve::control::{self, Asked, Told};

use crate::daemon::{
    BOUND, Caller, call_until_answered, command, ended, outcome, own_address, terminate, workers,
};
use crate::volume::{GROUP, Volume};

/// A process of a warm standby; killed when it is dropped.
pub struct Part(pub Child);

impl Part {
    /// One that has said that it is ready.
    pub fn ready(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self(child)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _killed = self.0.kill();
        let _gone = self.0.wait();
    }
}

pub struct Place {
    pub folder: TempDir,
    pub address: SocketAddr,
}

impl Place {
    pub fn new() -> Self {
        Self { folder: TempDir::new_in("/dev/shm").unwrap(), address: own_address() }
    }

    pub fn control(&self) -> PathBuf {
        self.folder.path().join("standby.sock")
    }

    fn stand_by(&self) -> Part {
        Part::ready(self.standby(&self.control()))
    }

    pub fn standby(&self, control: &Path) -> Command {
        let mut command = command(&["standby", "--group", GROUP, "--node", "n1"]);
        command.arg("--control").arg(control);
        let workers = workers(self.folder.path()).join(control.file_name().unwrap());
        command.arg("--workers").arg(workers);
        command.args(["--listen", &self.address.to_string()]);
        // What hangs in these tests does so for longer than they wait.
        command.args(["--call-limit", "120000", "--grace", "120000"]);
        command
    }

    pub fn activate(&self, volume: &Volume, epoch: &str) -> Command {
        Self::activate_at(&self.control(), volume, epoch)
    }

    fn activate_at(control: &Path, volume: &Volume, epoch: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tsugi-serve"));
        command.args(["activate", "--epoch", epoch]).env("LANG", "C.UTF-8");
        command.arg("--control").arg(control).arg("--volume").arg(volume.path());
        command
    }

    fn refused(&self) -> bool {
        let answer = Caller::connect(self.address).unwrap().call("COUNTER", 99, "add a").unwrap();
        answer.status == 503 && answer.body.contains("TSUG20107")
    }
}

#[test]
fn a_volume_is_served_while_it_is_handed_over_and_callers_are_refused_at_once_else() {
    let (place, volume) = (Place::new(), Volume::new());
    let standby = place.stand_by();
    assert!(place.refused(), "it listens, and nothing is open");
    let status = control::ask(&place.control(), &Asked::Status {}, BOUND).unwrap();
    assert_eq!(status, Told::NotOpen);
    let mut first = Part::ready(place.activate(&volume, "e1.4"));
    let answer = call_until_answered(place.address, 1, "add a");
    assert_eq!((answer.status, &*answer.body), (200, "1"));
    let status = control::ask(&place.control(), &Asked::Status {}, BOUND).unwrap();
    assert!(matches!(status, Told::Status(status) if status.epoch == "e1.4"));
    terminate(&first.0);
    assert_eq!(ended(&mut first.0).code(), Some(0), "it was given back");
    assert!(place.refused(), "between two owners");
    let older = outcome(&mut place.activate(&volume, "e1.3"));
    let said = String::from_utf8_lossy(&older.stderr).into_owned();
    assert_eq!(older.status.code(), Some(1), "{said}");
    assert!(said.contains("TSUG20604") && older.stdout.is_empty(), "{said}");
    let second = Part::ready(place.activate(&volume, "e1.5"));
    assert_eq!(call_until_answered(place.address, 1, "add a").body, answer.body);
    assert_eq!(call_until_answered(place.address, 2, "add a").body, "2");
    drop((second, standby));
    assert_eq!(volume.value(), 2);
}

/// As on the nodes of a trial, which share the addresses of one machine.
/// The processes of this machine that have something of a folder open or mapped.
pub fn users_of(folder: &Path) -> Vec<PathBuf> {
    let text = folder.display().to_string();
    let uses = |process: &PathBuf| {
        let maps = std::fs::read_to_string(process.join("maps")).unwrap_or_default();
        let open = std::fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
        let mut open = open.filter_map(|one| std::fs::read_link(one.path()).ok());
        maps.contains(&text) || open.any(|to| to.starts_with(folder))
    };
    let all = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    all.filter(uses).collect()
}

#[test]
fn a_volume_that_was_given_back_is_in_use_by_nobody() {
    let (place, volume) = (Place::new(), Volume::new());
    let standby = place.stand_by();
    for round in 1..=8 {
        let mut owner = Part::ready(place.activate(&volume, &format!("e1.{round}")));
        assert_eq!(call_until_answered(place.address, round, "add a").status, 200);
        assert!(!users_of(volume.path()).is_empty(), "its store, its log and its workers");
        terminate(&owner.0);
        assert_eq!(ended(&mut owner.0).code(), Some(0));
        assert_eq!(users_of(volume.path()), Vec::<PathBuf>::new(), "round {round}");
    }
    drop(standby);
}

#[test]
fn of_two_that_listen_late_only_who_has_the_volume_is_there() {
    let (place, volume) = (Place::new(), Volume::new());
    let late = |control: &Path| {
        std::fs::create_dir_all(workers(place.folder.path())).unwrap();
        let mut command = place.standby(control);
        command.arg("--listen-late");
        Part::ready(command)
    };
    let (one, other) = (place.control(), place.folder.path().join("other.sock"));
    let _standbys = [late(&one), late(&other)];
    assert!(Caller::connect(place.address).is_err(), "nobody listens");
    for (round, control) in [&one, &other, &one].into_iter().enumerate() {
        let epoch = format!("e1.{}", round + 1);
        let mut owner = Part::ready(Place::activate_at(control, &volume, &epoch));
        let serial = u64::try_from(round).unwrap() + 1;
        let answer = call_until_answered(place.address, serial, "add a");
        assert_eq!(answer.body, serial.to_string());
        terminate(&owner.0);
        assert_eq!(ended(&mut owner.0).code(), Some(0), "it was given back");
        assert!(Caller::connect(place.address).is_err(), "nobody listens any more");
    }
}

#[test]
fn who_is_killed_with_the_volume_takes_every_answer_with_him() {
    let (place, volume) = (Place::new(), Volume::new());
    let mut standby = place.stand_by();
    let mut owner = Part::ready(place.activate(&volume, "e1.4"));
    let mut caller = Caller::connect(place.address).unwrap();
    assert_eq!(caller.call("COUNTER", 1, "add a").unwrap().body, "1");
    owner.0.kill().unwrap();
    assert_eq!(ended(&mut standby.0).code(), Some(70));
    assert!(caller.call("COUNTER", 2, "add a").is_err(), "nobody is told anything");
    // The next one is started, and serves who has the volume then.
    let _next = place.stand_by();
    let _owner = Part::ready(place.activate(&volume, "e1.5"));
    assert_eq!(call_until_answered(place.address, 1, "add a").body, "1");
    assert_eq!(call_until_answered(place.address, 2, "add a").body, "2");
}

#[test]
fn a_volume_that_is_held_is_handed_over_to_nobody_else() {
    let (place, volume) = (Place::new(), Volume::new());
    let _standby = place.stand_by();
    let _owner = Part::ready(place.activate(&volume, "e1.4"));
    let second = outcome(&mut place.activate(&volume, "e1.5"));
    assert_eq!(second.status.code(), Some(1));
    assert_eq!(call_until_answered(place.address, 1, "add a").body, "1");
}

/// Calls what never ends, and waits until it runs.
fn hang(place: &Place) {
    let to = place.address;
    std::thread::spawn(move || Caller::connect(to).unwrap().call("COUNTER", 7, "add slow"));
    let begun = Instant::now();
    let quick = |serial| {
        assert!(begun.elapsed() < BOUND, "it has an end");
        let mut caller = Caller::connect(to).unwrap();
        caller.wait_at_most(Duration::from_millis(200));
        caller.call("COUNTER", serial, "add a").is_ok()
    };
    assert!((100..).find(|serial| !quick(*serial)).is_some());
}

/// An owner who says what he likes.
fn says(owner: &mut BufReader<UnixStream>, said: &str) -> String {
    owner.get_mut().write_all(said.as_bytes()).unwrap();
    let mut line = String::new();
    owner.read_line(&mut line).unwrap();
    line
}

fn owner(place: &Place, volume: &Volume, epoch: &str) -> BufReader<UnixStream> {
    let mut owner = BufReader::new(UnixStream::connect(place.control()).unwrap());
    let order = format!("open\t{}\t{epoch}\n", volume.path().display());
    assert_eq!(says(&mut owner, &order), "opened\n");
    owner
}

#[test]
fn who_is_killed_while_his_volume_is_closed_ends_all_at_once() {
    let (place, volume) = (Place::new(), Volume::new());
    volume.hang_on_slow();
    let mut standby = place.stand_by();
    let mut owner = owner(&place, &volume, "e1.4");
    hang(&place);
    owner.get_mut().write_all(b"close\n").unwrap();
    drop(owner);
    assert_eq!(ended(&mut standby.0).code(), Some(70));
}

#[test]
fn who_is_killed_while_somebody_asks_of_a_disk_that_hangs_ends_all_at_once() {
    let (place, volume) = (Place::new(), Volume::new());
    volume.hang_on_slow();
    let mut standby = place.stand_by();
    let mut owner = Part::ready(place.activate(&volume, "e1.4"));
    hang(&place);
    let asked = control::ask(&place.control(), &Asked::Status {}, BOUND);
    assert!(asked.is_err(), "it has an end without an answer: {asked:?}");
    let control = place.control();
    std::thread::spawn(move || control::ask(&control, &Asked::Status {}, BOUND));
    owner.0.kill().unwrap();
    assert_eq!(ended(&mut standby.0).code(), Some(70));
}

#[test]
fn what_a_former_owner_says_late_is_not_taken_for_the_next_ones() {
    let (place, volume) = (Place::new(), Volume::new());
    let mut standby = place.stand_by();
    let mut former = owner(&place, &volume, "e1.4");
    assert_eq!(says(&mut former, "close\n"), "closed\n");
    let _owner = Part::ready(place.activate(&volume, "e1.5"));
    former.get_mut().write_all(b"close\n").unwrap();
    drop(former);
    assert_eq!(call_until_answered(place.address, 1, "add a").body, "1");
    let status = control::ask(&place.control(), &Asked::Status {}, BOUND).unwrap();
    assert!(matches!(status, Told::Status(status) if status.epoch == "e1.5"));
    assert!(standby.0.try_wait().unwrap().is_none());
}
