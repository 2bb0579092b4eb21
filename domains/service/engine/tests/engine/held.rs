//! What is held of a worker has a limit, whatever it says and whatever it leaves unread.

use std::fs;
use std::process::Command;
use std::time::Duration;

use tsugi_service_engine::worker::pipe::{Package, Processes};
use tsugi_service_engine::{Answer, Engine};
use tsugi_store::Ending;
use tsugi_vocabulary::Span;

use crate::programs::{Lines, python, ward};
use crate::support::{Stand, call, id, text, workers};

/// Whose memory is measured has a process of its own.
const ALONE: &str = "TSUGI_HELD_ALONE";
/// What an engine may take for workers that do what they can, in MiB: of each what is held of it,
/// the largest frame and its answer, once as it is and once as it is said.
const MOST: u64 = 36;

/// How much memory this process has taken at most, in MiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

/// Runs a test in a process of its own; whether this is that process.
fn alone(name: &str) -> bool {
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture"]).env(ALONE, "1");
    let came = command.output().unwrap();
    let said = String::from_utf8_lossy(&came.stdout);
    assert!(came.status.success() && said.contains("1 passed"), "{came:?}");
    false
}

/// An engine with a number of workers, whose calls may take so long.
fn engine(stand: &mut Stand, (start, limit): (usize, Span), package: Package) -> Engine {
    let processes = Processes::new(ward(stand.folder.path()), package);
    let mut settings = workers(start);
    settings.limits.call = limit;
    stand.engine_with(settings, Box::new(processes), |_| {}).0
}

#[tokio::test]
async fn a_program_that_asks_without_end_is_held_back_and_ends_by_its_time_limit() {
    if !alone("held::a_program_that_asks_without_end_is_held_back_and_ends_by_its_time_limit") {
        return;
    }
    let mut stand = Stand::new();
    let engine = engine(&mut stand, (2, Span::millis(2500)), python());
    let calls = engine.calls();
    assert_eq!(text(&call(&calls, 1, "a").await), "1");
    let before = peak();
    // One of them has the writer; the other asks as well and waits for it.
    let (one, other) = tokio::join!(call(&calls, 2, "loop"), call(&calls, 3, "asks"));
    for told in [one, other] {
        let Answer::Reply(reply) = &told else { panic!("{told:?}") };
        assert_eq!(reply.ending, Ending::TimeLimit, "{}", text(&told));
    }
    let taken = peak() - before;
    assert!(taken < MOST, "{taken} MiB");
    assert_eq!(text(&call(&calls, 4, "a").await), "2", "the engine goes on");
    engine.hand_over(Span::secs(2));
}

#[tokio::test]
async fn a_program_that_reads_no_answer_is_told_no_more_and_ends_by_its_time_limit() {
    if !alone("held::a_program_that_reads_no_answer_is_told_no_more_and_ends_by_its_time_limit") {
        return;
    }
    let mut stand = Stand::new();
    let engine = engine(&mut stand, (1, Span::millis(2500)), python());
    let calls = engine.calls();
    assert_eq!(text(&call(&calls, 1, "a").await), "1");
    let before = peak();
    let told = call(&calls, 2, "deaf").await;
    let Answer::Reply(reply) = &told else { panic!("{told:?}") };
    assert_eq!(reply.ending, Ending::TimeLimit, "{}", text(&told));
    let taken = peak() - before;
    assert!(taken < MOST, "{taken} MiB");
    assert_eq!(text(&call(&calls, 3, "a").await), "2", "the engine goes on");
    engine.hand_over(Span::secs(2));
}

#[tokio::test]
async fn what_a_worker_has_said_before_its_end_counts_also_where_it_was_held_back() {
    let mut stand = Stand::new();
    let lines = Lines::default();
    let engine = engine(&mut stand, (2, Span::millis(1500)), lines.of(python()));
    let calls = engine.calls();
    let holds = tokio::spawn({
        let calls = calls.clone();
        async move { call(&calls, 1, "stays").await }
    });
    // It has asked, and so it has the writer.
    while lines.all().is_empty() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let told = call(&calls, 2, "leaves").await;
    assert_eq!(text(&told), "left");
    assert_eq!(stand.value(), 1);
    assert!(text(&holds.await.unwrap()).contains("time-limit"));
    engine.hand_over(Span::secs(2));
}

#[tokio::test]
async fn what_one_question_brings_beyond_its_limit_is_refused_before_it_is_done() {
    let mut stand = Stand::new();
    let engine = engine(&mut stand, (1, Span::secs(30)), python());
    let calls = engine.calls();
    // Two megabytes each, and four fit: the third was done and does not fit, and behind it nothing
    // more is done.
    assert_eq!(text(&call(&calls, 1, "large").await), "rows rows 34 34 34 34");
    assert_eq!(stand.value(), 0);
    engine.hand_over(Span::secs(2));
}

#[tokio::test]
async fn lines_of_the_log_beyond_the_limit_of_a_call_are_counted_and_said() {
    let mut stand = Stand::new();
    let lines = Lines::default();
    let engine = engine(&mut stand, (1, Span::secs(30)), lines.of(python()));
    let calls = engine.calls();
    for serial in 1..=2 {
        assert_eq!(text(&call(&calls, serial, "talks").await), "talked");
    }
    let all = lines.all();
    for serial in 1..=2 {
        let call = id(serial).whole();
        let of: Vec<_> = all.iter().filter_map(|line| line.strip_prefix(&call)).collect();
        assert_eq!(of.len(), 201);
        assert_eq!((of[0], of[199]), (" 1 line 0", " 1 line 200"), "one of them was too long");
        assert_eq!(of[200], " 50 dropped");
    }
    engine.hand_over(Span::secs(2));
}
