//! Programs of each kind in processes that are held: whatever one does ends one call, what it has
//! started ends with it, and what it remembers is forgotten with what was undone.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tsugi_host::enclosed::Fold;
use tsugi_service_engine::worker::pipe::{Package, Processes, Ward};
use tsugi_service_engine::{Answer, Calls, Engine, Refused};
use tsugi_store::Ending;
use tsugi_vocabulary::Span;
use tsugi_worker::Attendant;

use crate::programs::{Cut, Lines, cobol, library, python, ward};
use crate::support::{Stand, call, text, workers};

const FAULTS: &str = "../../../programs/worker/tests/worker/faults.c";
const COUNTER_C: &str = "../../../programs/program/tests/program/counter.c";
const COUNTER: &str = include_str!("../../../../../programs/cobol/samples/COUNTER.cbl");
/// Counts its calls in its memory and in the store, then ends in the way it is told.
const WAYS: &str = include_str!("WAYS.cbl");
/// How long anything may take that is not meant to take long.
const PATIENCE: Duration = Duration::from_secs(20);

/// An engine whose calls may take so long.
fn engine(stand: &mut Stand, package: Package, limit: Span) -> Engine {
    let processes = Processes::new(ward(stand.folder.path()), package);
    let mut settings = workers(1);
    settings.limits.call = limit;
    stand.engine_with(settings, Box::new(processes), |_| {}).0
}

/// The processes whose own folder is in this one.
pub fn processes_in(folder: &Path) -> Vec<i32> {
    let home = format!("HOME={}/workers/", folder.display());
    let all = fs::read_dir("/proc").expect("it is there").flatten();
    let held = |pid: &i32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let mut all = environment.split(|byte| *byte == 0);
        all.any(|one| String::from_utf8_lossy(one).starts_with(&home))
    };
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(held).collect()
}

fn kill(pid: i32) {
    let pid = nix::unistd::Pid::from_raw(pid);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).expect("it runs");
}

/// Waits until something is so.
async fn until(what: &str, so: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < end, "{what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// An abnormal end, which is the same at every retry.
async fn ends(calls: &Calls, (serial, body): (u64, &str), how: (Ending, &str)) -> String {
    let first = call(calls, serial, body).await;
    let Answer::Reply(reply) = &first else { panic!("{body}: {first:?}") };
    let told = text(&first);
    assert_eq!(reply.ending, how.0, "{body}: {told}");
    assert!(told.contains(how.1), "{body}: {told}");
    assert_eq!(call(calls, serial, body).await, first, "{body}: it is final");
    told
}

#[tokio::test]
async fn a_library_counts_in_the_store_and_its_reply_is_kept() {
    let mut stand = Stand::new();
    let mut package = library(stand.folder.path(), COUNTER_C, "COUNTER");
    package.services[0].layout.0[..8]
        .copy_from_slice(&[0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef]);
    let engine = engine(&mut stand, package, Span::secs(30));
    let calls = engine.calls();
    for serial in 1..=5 {
        let first = call(&calls, serial, "add n").await;
        assert_eq!(text(&first), serial.to_string());
        assert_eq!(call(&calls, serial, "add n").await, first);
    }
    assert_eq!(stand.value(), 5);
    engine.hand_over(Span::secs(2));
    assert!(processes_in(stand.folder.path()).is_empty(), "nothing of it is left");
    assert!(!stand.folder.path().join("workers").exists());
}

#[tokio::test]
async fn whatever_a_library_does_one_call_ends_by_its_name() {
    let mut stand = Stand::new();
    let package = library(stand.folder.path(), FAULTS, "FAULTS");
    let engine = engine(&mut stand, package, Span::millis(1500));
    let calls = engine.calls();
    let abnormal = |how| (Ending::Abnormal, how);
    let told = ends(&calls, (1, "exit 3"), abnormal(r#"{"ended":{"code":3}}"#)).await;
    assert!(told.contains(r"leaving\nfor good"), "{told}");
    ends(&calls, (2, "segv 0"), abnormal(r#"{"ended":{"signal":11}}"#)).await;
    ends(&calls, (3, "loop"), (Ending::TimeLimit, r#""time-limit""#)).await;
    ends(&calls, (4, "flood"), abnormal(r#""flood""#)).await;
    ends(&calls, (5, "corrupt"), abnormal(r#""broke-protocol""#)).await;
    assert_eq!(text(&call(&calls, 6, "count").await), "1", "a new worker each time");
    assert_eq!(text(&call(&calls, 7, "count").await), "2", "and one that is well is kept");
    engine.hand_over(Span::secs(2));
}

#[tokio::test]
async fn a_call_whose_worker_holds_too_much_memory_ends_by_that_name() {
    let mut stand = Stand::new();
    let mut package = library(stand.folder.path(), FAULTS, "FAULTS");
    package.spawn.memory_most = 256 << 20;
    let engine = engine(&mut stand, package, Span::secs(30));
    let calls = engine.calls();
    assert_eq!(text(&call(&calls, 1, "take 1000000").await), "1", "it may hold so much");
    ends(&calls, (2, "keep 400000000"), (Ending::Abnormal, r#""abnormal":"memory""#)).await;
    assert_eq!(text(&call(&calls, 3, "count").await), "1", "in a new worker");
    engine.hand_over(Span::secs(2));
}

#[tokio::test]
async fn what_a_program_has_started_and_hidden_ends_with_its_worker() {
    let mut stand = Stand::new();
    let package = library(stand.folder.path(), FAULTS, "FAULTS");
    let engine = engine(&mut stand, package, Span::secs(30));
    let calls = engine.calls();
    let hidden: i32 = text(&call(&calls, 1, "fork").await).parse().unwrap();
    assert!(processes_in(stand.folder.path()).contains(&hidden), "it outlives its call");
    ends(&calls, (2, "exit 0"), (Ending::Abnormal, r#"{"ended":{"code":0}}"#)).await;
    let folder = stand.folder.path().to_owned();
    until("what it has hidden goes on", || !processes_in(&folder).contains(&hidden)).await;
    assert_eq!(text(&call(&calls, 3, "count").await), "1");
    engine.hand_over(Span::secs(2));
}

/// Kills the worker of a call that is in its middle, and looks at what is kept of it.
async fn killed_in_the_middle(package: Package, (middle, plain): (&'static str, &str)) {
    let mut stand = Stand::new();
    killed(&mut stand, package, (middle, plain)).await;
}

async fn killed(stand: &mut Stand, package: Package, (middle, plain): (&'static str, &str)) {
    let lines = Lines::default();
    let engine = engine(stand, lines.of(package), Span::secs(30));
    let calls = engine.calls();
    let before = text(&call(&calls, 1, plain).await);
    let running = tokio::spawn({
        let calls = calls.clone();
        async move { call(&calls, 2, middle).await }
    });
    let in_the_middle =
        || lines.all().iter().any(|line| line.trim_end().ends_with("in the middle"));
    until("it is never in the middle", in_the_middle).await;
    let folder = stand.folder.path().to_owned();
    processes_in(&folder).into_iter().for_each(kill);
    let told = running.await.unwrap();
    let Answer::Reply(reply) = &told else { panic!("{told:?}") };
    assert_eq!(reply.ending, Ending::Abnormal);
    assert!(text(&told).contains(r#"{"ended":{"signal":9}}"#), "{}", text(&told));
    assert_eq!(call(&calls, 2, middle).await, told, "it is kept");
    assert_eq!(stand.value(), 1, "and has no effect");
    let after = text(&call(&calls, 3, plain).await);
    assert_eq!(stand.value(), 2, "{before:?}, then {after:?}");
    engine.hand_over(Span::secs(2));
}

#[tokio::test]
async fn a_command_that_is_killed_in_the_middle_ends_one_call() {
    killed_in_the_middle(python(), ("stays", "a")).await;
}

#[tokio::test]
async fn a_module_that_is_killed_in_the_middle_ends_one_call() {
    let mut stand = Stand::new();
    let package = ways(&mut stand);
    killed(&mut stand, package, ("stays     0000", "count     0000")).await;
}

fn ways(stand: &mut Stand) -> Package {
    stand.interface = Arc::new(Cut(&[10, 4]));
    cobol(stand.folder.path(), WAYS, ("WAYS", &[10, 4]))
}

#[tokio::test]
async fn a_module_counts_in_the_store_by_sql_and_its_reply_is_kept() {
    let mut stand = Stand::new();
    stand.interface = Arc::new(Cut(&[20, 10]));
    let package = cobol(stand.folder.path(), COUNTER, ("COUNTER", &[20, 10]));
    let engine = engine(&mut stand, package, Span::secs(30));
    let calls = engine.calls();
    let body = format!("{:20}{:010}", "n", 0);
    for serial in 1..=3 {
        let first = call(&calls, serial, &body).await;
        assert_eq!(text(&first), format!("{:20}{serial:010}", "n"));
        assert_eq!(call(&calls, serial, &body).await, first);
    }
    assert_eq!(stand.value(), 3);
    engine.hand_over(Span::secs(2));
}

#[tokio::test]
async fn whatever_a_module_does_one_call_ends_and_what_it_remembers_goes_with_it() {
    let mut stand = Stand::new();
    let package = ways(&mut stand);
    let engine = engine(&mut stand, package, Span::millis(2500));
    let calls = engine.calls();
    let abnormal = |how| (Ending::Abnormal, how);
    let ends_in = [
        ("stop", abnormal(r#"{"failed":"stop-run"}"#)),
        ("crash", abnormal("")),
        ("loop", (Ending::TimeLimit, r#""time-limit""#)),
        ("flood", abnormal(r#""flood""#)),
        ("abort", (Ending::Refused, "no money")),
    ];
    let mut serial = 0;
    let mut value = 0;
    for (way, how) in ends_in {
        for remembered in 1..=2 {
            serial += 1;
            value += 1;
            let told = text(&call(&calls, serial, "count     0000").await);
            assert_eq!(told, format!("count     {remembered:04}"), "before {way}");
        }
        serial += 1;
        ends(&calls, (serial, &format!("{way:10}0000")), how).await;
        assert_eq!(stand.value(), value, "{way} has no effect");
    }
    assert_eq!(text(&call(&calls, serial + 1, "count     0000").await), "count     0001");
    engine.hand_over(Span::secs(2));
}

#[tokio::test]
async fn a_module_that_is_not_there_is_told_by_its_name_before_the_first_call() {
    let mut stand = Stand::new();
    let mut package = ways(&mut stand);
    package.services[0].module = "modules/NOWHERE.so".into();
    let engine = engine(&mut stand, package, Span::secs(30));
    let told = call(&engine.calls(), 1, "count     0000").await;
    let Answer::Refused(Refused::NotDeployed { why }) = told else { panic!("{told:?}") };
    assert!(why.to_string().contains("NOWHERE.so"), "{why}");
    engine.hand_over(Span::secs(2));
}

#[tokio::test]
async fn a_call_that_was_turned_out_runs_again_in_a_worker_that_knows_nothing_of_it() {
    let mut stand = Stand::new();
    let folder = stand.folder.path().to_owned();
    let processes = Processes::new(ward(&folder), python());
    let (engine, _last) = stand.engine_with(workers(3), Box::new(processes), |settings| {
        settings.sitting.gather = Span::secs(1);
    });
    let calls = engine.calls();
    let ask = |serial: u64, body: String| {
        let calls = calls.clone();
        tokio::spawn(async move { text(&call(&calls, serial, &body).await) })
    };
    // Both have spoken before the next sitting begins: the second of it holds up the first.
    let turned = format!("turned {}", folder.join("go").display());
    let both = [ask(2, turned.clone()), ask(3, turned)];
    stand.gates.shut("commit");
    let first = ask(1, "a".to_owned());
    let gates = stand.gates.clone();
    tokio::task::spawn_blocking(move || gates.reached("commit", 1)).await.unwrap();
    fs::write(folder.join("go"), "").unwrap();
    let asked = || -> Vec<String> {
        let own = fs::read_dir(folder.join("workers")).expect("it is there").flatten();
        let pid = |own: fs::DirEntry| fs::read_to_string(own.path().join("asked")).ok();
        own.filter_map(pid).filter(|pid| !pid.is_empty()).collect()
    };
    until("they have not asked", || asked().len() == 2).await;
    let before = asked();
    stand.gates.open("commit");
    assert_eq!(first.await.unwrap(), "1");
    let mut told = Vec::new();
    for one in both {
        told.push(one.await.unwrap());
    }
    told.sort();
    let words: Vec<Vec<&str>> = told.iter().map(|told| told.split(' ').collect()).collect();
    assert_eq!((words[0][0], words[0][1]), ("2", "1"));
    assert_eq!((words[1][0], words[1][1]), ("3", "2"), "it ran twice and has added once");
    assert!(before.iter().any(|pid| pid == words[0][2]), "{told:?} of {before:?}");
    let discarded = before.iter().find(|pid| *pid != words[0][2]).unwrap();
    assert_ne!(words[1][2], discarded, "what was undone is remembered there");
    assert_eq!(stand.value(), 3);
    let discarded = discarded.parse().unwrap();
    until("it was not discarded", || !processes_in(&folder).contains(&discarded)).await;
    engine.hand_over(Span::secs(2));
}

const FOLDER: &str = "TSUGI_CONTAINED_FOLDER";
const NAME: &str =
    "contained::an_engine_that_is_not_root_and_has_no_control_groups_holds_its_workers";

#[tokio::test]
async fn an_engine_that_is_not_root_and_has_no_control_groups_holds_its_workers() {
    if nix::unistd::geteuid().is_root() {
        let folder = TempDir::new_in("/dev/shm").unwrap();
        chown(folder.path(), Some(61_236), Some(61_236)).unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.uid(61_236).gid(61_236).env(FOLDER, folder.path());
        command.args(["--exact", NAME, "--nocapture"]);
        let came = command.output().unwrap();
        let said = String::from_utf8_lossy(&came.stdout);
        assert!(came.status.success() && said.contains("1 passed"), "{came:?}");
        return;
    }
    let own = std::env::var_os(FOLDER)
        .map_or_else(|| TempDir::new_in("/dev/shm").unwrap(), |of| TempDir::new_in(of).unwrap());
    let mut stand = Stand::in_folder(own);
    let folder = stand.folder.path().to_owned();
    let package = library(&folder, FAULTS, "FAULTS");
    let place = folder.join("workers");
    let name = format!("engine-test-d{}", std::process::id());
    let held = Ward::with(|tell| Attendant::over(Fold::claim(&name, place)?.by_descent(), tell));
    let own = Processes::new(held.unwrap(), package);
    let engine = stand.engine_with(workers(1), Box::new(own), |_| {}).0;
    let calls = engine.calls();
    let hidden: i32 = text(&call(&calls, 1, "fork").await).parse().unwrap();
    assert!(processes_in(&folder).contains(&hidden));
    ends(&calls, (2, "exit 4"), (Ending::Abnormal, r#"{"ended":{"code":4}}"#)).await;
    until("what it has hidden goes on", || !processes_in(&folder).contains(&hidden)).await;
    assert_eq!(text(&call(&calls, 3, "count").await), "1");
    engine.hand_over(Span::secs(2));
    assert!(processes_in(&folder).is_empty());
}
