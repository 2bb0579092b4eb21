//! Engines that are killed, and workers that are killed at any moment: nothing is left.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tsugi_frames::Hash;
use tsugi_host::enclosed::Fold;
use tsugi_worker::How;

use crate::engine::{Engine, PATIENCE};
use crate::faults::runs;
use crate::programs::{library, room};

const PLACE: &str = "TSUGI_TEST_WORKER_PLACE";

/// The engine that is killed: this test, run by the one below.
#[test]
fn an_engine_of_another_test() {
    let Some(place) = std::env::var_os(PLACE) else { return };
    let name = std::env::var("TSUGI_TEST_WORKER_NAME").expect("a name");
    let fold = Fold::claim(&name, Path::new(&place).join("run")).expect("a place");
    let fold = if name.ends_with('d') { fold.by_descent() } else { fold };
    let mut engine = Engine::over(fold);
    let made = engine.compiled(&room().join("tests/worker/faults.c"), &[]);
    let faults = [("FAULTS", Hash([0; 32]))];
    let mut talk = engine.serving(&library(&made), &faults).expect("it gets ready");
    let hidden = engine.call(&mut talk, "fork").reply();
    let (pid, _) = talk.hello.as_ref().expect("it has said hello");
    eprintln!("started {pid} {hidden}");
    let came = engine.call_within(&mut talk, "loop", 10 * PATIENCE);
    panic!("nobody has killed this engine: {came:?}");
}

#[test]
fn when_an_engine_is_killed_its_workers_end_and_its_next_life_ends_what_hid() {
    for kind in ['c', 'd'] {
        let dir = tempfile::tempdir().expect("a folder");
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(dir.path(), open).expect("it is ours");
        let name = format!("worker-crash-{}-{kind}", std::process::id());
        let mut engine = Command::new(std::env::current_exe().expect("the test has a path"))
            .args(["--exact", "crash::an_engine_of_another_test", "--nocapture"])
            .env(PLACE, dir.path())
            // What it makes and cannot remove any more.
            .env("TMPDIR", dir.path())
            .env("TSUGI_TEST_WORKER_NAME", &name)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let said = BufReader::new(engine.stderr.take().expect("a pipe"));
        let mut lines = said.lines().map_while(Result::ok);
        let line = lines.find(|line| line.starts_with("started ")).expect("it has started");
        let pids: Vec<&str> = line.split(' ').skip(1).collect();
        assert!(pids.iter().all(|pid| runs(pid)), "{line}");
        engine.kill().expect("it runs");
        engine.wait().expect("it ends");
        let until = Instant::now() + PATIENCE;
        while runs(pids[0]) {
            assert!(Instant::now() < until, "its worker goes on without it");
            std::thread::yield_now();
        }
        assert!(fs::read_dir(dir.path().join("run")).expect("it is there").count() > 0);
        let fold = Fold::claim(&name, dir.path().join("run")).expect("a place");
        let until = Instant::now() + PATIENCE;
        while runs(pids[1]) {
            assert!(Instant::now() < until, "{kind}: what hid goes on");
            std::thread::yield_now();
        }
        assert_eq!(fs::read_dir(dir.path().join("run")).expect("it is there").count(), 0);
        drop(fold);
    }
}

/// Where in its life a worker is killed.
const MOMENTS: u64 = 6;

#[test]
fn workers_that_are_killed_at_any_moment_leave_nothing() {
    let full = std::env::var_os("TSUGI_FULL_COUNTS").is_some();
    let rounds = if full { 1000 } else { 24 };
    let mut engine = Engine::new();
    let made = engine.compiled(&room().join("tests/worker/faults.c"), &[]);
    let (spawn, faults) = (library(&made), [("FAULTS", Hash([0; 32]))]);
    for round in 0..rounds {
        let mut hidden = None;
        let mut talk = if round % MOMENTS < 2 {
            engine.bear(&spawn)
        } else {
            engine.serving(&spawn, &faults).expect("it gets ready")
        };
        match round % MOMENTS {
            0 => {}
            // Between its first moment and its first word.
            1 => engine.pass(Duration::from_micros(round * 37 % 5000)),
            2 => hidden = Some(engine.call(&mut talk, "fork").reply()),
            3 => drop(talk.begin(0, "loop", PATIENCE)),
            4 => drop(talk.begin(0, "exit 1", PATIENCE)),
            _ => {
                talk.begin(0, "flood", PATIENCE);
                engine.pass(Duration::from_micros(round * 53 % 5000));
            }
        }
        let end = engine.kill(&mut talk);
        let itself = round % MOMENTS == 4 && matches!(end.how, How::Exited(1));
        assert!(itself || matches!(end.how, How::Signalled(9)), "{round}: {end:?}");
        assert!(hidden.is_none_or(|pid| !runs(&pid)), "{round}");
        assert_eq!(fs::read_dir(engine.path("run")).expect("it is there").count(), 0, "{round}");
    }
}
