//! One caller alone: nothing between the arrival of a call and its commit waits for a timer, and an
//! engine that has nothing to do does nothing.

use std::fs;
use std::process::Command;
use std::time::Duration;

use tsugi_service_engine::worker::pipe::Processes;
use tsugi_vocabulary::Span;

use crate::ahead::counting;
use crate::support::{Stand, call, text, workers};

/// In a process of its own there is one engine, whose thread is found by its name.
const OWN: &str = "TSUGI_TEST_ALONE";
const NAME: &str =
    "alone::a_call_of_one_caller_wakes_the_core_for_what_happens_and_for_nothing_else";

/// How often the core has waited.
fn waits() -> u64 {
    let tasks = fs::read_dir("/proc/self/task").expect("it is there").flatten();
    let is = |task: &fs::DirEntry| {
        fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.trim() == "calls")
    };
    let core = tasks.into_iter().find(is).expect("the core runs");
    let status = fs::read_to_string(core.path().join("status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.and_then(|count| count.trim().parse().ok()).expect("a count")
}

#[tokio::test]
async fn a_call_of_one_caller_wakes_the_core_for_what_happens_and_for_nothing_else() {
    if std::env::var_os(OWN).is_none() {
        let mut own = Command::new(std::env::current_exe().expect("it has a path"));
        own.args([NAME, "--exact", "--nocapture"]).env(OWN, "1");
        let done = own.output().expect("it runs");
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success(), "{said}{}", String::from_utf8_lossy(&done.stdout));
        return;
    }
    let mut stand = Stand::new();
    let processes: Box<Processes> = Box::new(counting(&stand));
    let (engine, _last) = stand.engine_with(workers(1), processes, |_| {});
    let calls = engine.calls();
    text(&call(&calls, 1, "add n").await);
    let many = 200;
    let before = waits();
    for serial in 2..=1 + many {
        text(&call(&calls, serial, "add n").await);
    }
    // Its letter, its question, its end: three waits, none of which a timer ends.
    let each = (waits() - before) as f64 / many as f64;
    eprintln!("{each} waits a call");
    assert!(each <= 4.0, "{each} waits a call");
    let before = waits();
    tokio::time::sleep(Duration::from_millis(400)).await;
    let idle = waits() - before;
    assert!(idle <= 2, "{idle} waits while nothing happens");
    engine.hand_over(Span::secs(2));
}
