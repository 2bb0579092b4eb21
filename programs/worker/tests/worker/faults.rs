//! Programs that end in every way in which a program can: one call ends, and nothing else.

use std::fs;
use std::time::{Duration, Instant};

use tsugi_frames::{Class, Hash};
use tsugi_host::request::KillBy;
use tsugi_worker::{End, Filled, How, KEPT_LINES, Spawn};

use crate::engine::{Came, Engine, Talk, Why};
use crate::programs::{counter_py, library, python, room};

fn spawn(engine: &Engine) -> Spawn {
    let made = engine.compiled(&room().join("tests/worker/faults.c"), &[]);
    library(&made)
}

fn ready(engine: &mut Engine, spawn: &Spawn) -> Talk {
    engine.serving(spawn, &[("FAULTS", Hash([0; 32]))]).expect("it gets ready")
}

/// A call that ends its worker; then another worker answers, and the first keeps no process.
fn ends(body: &str, limit: Duration) -> (Why, End) {
    let mut engine = Engine::new();
    let spawn = spawn(&engine);
    let (mut talk, mut other) = (ready(&mut engine, &spawn), ready(&mut engine, &spawn));
    assert_eq!(engine.call(&mut other, "count").reply(), "1");
    let came = engine.call_within(&mut talk, body, limit).gone();
    assert_eq!(engine.call(&mut other, "count").reply(), "2", "the other goes on");
    let mut next = ready(&mut engine, &spawn);
    assert_eq!(engine.call(&mut next, "count").reply(), "1", "a new one begins anew");
    came
}

const LONG: Duration = crate::engine::PATIENCE;

#[test]
fn an_exit_ends_the_call_with_its_code_and_the_last_lines() {
    let (why, end) = ends("exit 3", LONG);
    assert_eq!(why, Why::Itself);
    assert!(matches!(end.how, How::Exited(3)), "{end:?}");
    assert_eq!(end.last, ["leaving", "for good"]);
    let (why, end) = ends("exit 0", LONG);
    assert_eq!(why, Why::Itself, "also an exit without an error is no answer");
    assert!(matches!(end.how, How::Exited(0)), "{end:?}");
}

#[test]
fn a_fatal_signal_ends_the_call_with_its_number() {
    for (body, signals) in [("segv", &[11][..]), ("raise 8", &[8]), ("raise 6", &[6])] {
        let (why, end) = ends(body, LONG);
        assert_eq!(why, Why::Itself, "{body}");
        let How::Signalled(signal) = end.how else { panic!("{body}: {end:?}") };
        assert!(signals.contains(&signal), "{body}: {signal}");
    }
    let (why, end) = ends("stack", LONG);
    assert_eq!(why, Why::Itself);
    assert!(matches!(end.how, How::Signalled(6 | 11)), "{end:?}");
}

#[test]
fn a_line_of_the_log_before_a_crash_is_kept() {
    let mut engine = Engine::new();
    let spawn = spawn(&engine);
    let mut talk = ready(&mut engine, &spawn);
    engine.call(&mut talk, "segv").gone();
    assert_eq!(talk.memory.log, [(3, "before the end".to_owned())]);
}

#[test]
fn an_endless_loop_is_killed_at_the_limit_of_its_call() {
    let (why, end) = ends("loop", Duration::from_millis(300));
    assert_eq!(why, Why::Late);
    assert!(matches!(end.how, How::Signalled(9)), "{end:?}");
}

#[test]
fn a_flood_ends_the_call_and_only_its_last_lines_are_kept() {
    let mut engine = Engine::new();
    let mut spawn = spawn(&engine);
    spawn.output_most = 100_000;
    let mut talk = ready(&mut engine, &spawn);
    let (why, end) = engine.call(&mut talk, "flood").gone();
    assert_eq!(why, Why::Flood);
    assert!((2..=KEPT_LINES).contains(&end.last.len()), "{end:?}");
    let told = &engine.printed[&talk.worker.number()];
    // What a pipe holds may be of an earlier call.
    assert_eq!(told.len(), 100_000 + 65_536, "what is beyond the limit is not told");
}

#[test]
fn what_is_printed_goes_to_the_log_of_the_worker_and_not_into_its_answer() {
    let mut engine = Engine::new();
    let spawn = spawn(&engine);
    let mut talk = ready(&mut engine, &spawn);
    for number in 1..=5 {
        assert_eq!(engine.call(&mut talk, "print").reply(), number.to_string());
    }
    engine.kill(&mut talk);
    assert_eq!(engine.told(&talk), "printed\nand said\n".repeat(5));
}

#[test]
fn what_calls_print_is_counted_for_each_and_all_of_them_is_no_flood() {
    let mut engine = Engine::new();
    let mut spawn = spawn(&engine);
    spawn.output_most = 20_000;
    let mut talk = ready(&mut engine, &spawn);
    // All together are more than one call may print and a pipe holds.
    for number in 1..=6 {
        assert_eq!(engine.call(&mut talk, "fill 20000").reply(), number.to_string());
        engine.until_told(&talk, 20_000 * number);
    }
    engine.kill(&mut talk);
}

#[test]
fn a_call_that_is_begun_ahead_gives_the_one_before_it_no_more_to_print() {
    let mut engine = Engine::new();
    let mut spawn = spawn(&engine);
    spawn.output_most = 1;
    let mut talk = ready(&mut engine, &spawn);
    let first = talk.begin(0, "hold 60000", LONG);
    engine.until_told(&talk, 60_000);
    talk.begin(0, "count", LONG);
    let folder = engine.path("run").join(talk.worker.number().0.to_string());
    fs::write(folder.join("go"), "").unwrap();
    let (why, _) = engine.answered(&mut talk, first, LONG).gone();
    assert_eq!(why, Why::Flood);
}

#[test]
fn what_is_printed_is_told_with_its_call_and_before_a_crash() {
    let mut engine = Engine::new();
    let spawn = spawn(&engine);
    let mut talk = ready(&mut engine, &spawn);
    engine.call(&mut talk, "half").reply();
    // The worker goes on, and has nothing that would make it print.
    engine.until_told(&talk, "half a line".len());
    let (_, end) = engine.call(&mut talk, "print-segv").gone();
    assert_eq!(end.last, ["half a linethe last line"]);
}

#[test]
fn a_library_that_forks_and_returns_twice_is_heard_once() {
    let mut engine = Engine::new();
    let spawn = spawn(&engine);
    for body in ["fork-return", "fork-log"] {
        let mut talk = ready(&mut engine, &spawn);
        assert_eq!(engine.call(&mut talk, body).reply(), "1");
        assert_eq!(engine.call(&mut talk, body).reply(), "2", "nothing was said between");
        assert!(talk.memory.log.is_empty(), "{body}: {:?}", talk.memory.log);
        engine.kill(&mut talk);
        assert_eq!(engine.told(&talk), "onceonce", "{body}");
    }
}

#[test]
fn what_a_program_has_forked_ends_with_its_worker_however_it_hides() {
    for (mut engine, by) in
        [(Engine::new(), KillBy::Cgroup), (Engine::by_descent(), KillBy::Descent)]
    {
        if engine.attendant.kill_by() != by {
            // There are no control groups for this user; the other way is the only one here.
            continue;
        }
        let spawn = spawn(&engine);
        let mut talk = ready(&mut engine, &spawn);
        let forked = engine.call(&mut talk, "fork").reply();
        assert!(runs(&forked), "{by:?}");
        engine.kill(&mut talk);
        assert!(!runs(&forked), "{by:?}");
        // It holds every stream open; the end of its parent is seen all the same.
        let mut talk = ready(&mut engine, &spawn);
        let (why, end) = engine.call(&mut talk, "fork-exit 4").gone();
        assert_eq!(why, Why::Itself);
        assert!(matches!(end.how, How::Exited(4)), "{by:?}: {end:?}");
    }
}

/// Whether a process is there and not only its end.
pub fn runs(pid: &str) -> bool {
    !matches!(state(pid), None | Some('Z' | 'X'))
}

/// What the kernel says that a process does.
fn state(pid: &str) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next())
}

#[test]
fn a_program_that_takes_too_much_memory_is_told_and_its_worker_goes_on() {
    let mut engine = Engine::new();
    let mut spawn = spawn(&engine);
    spawn.limits.memory_bytes = Some(512 << 20);
    let mut talk = ready(&mut engine, &spawn);
    assert_eq!(engine.call(&mut talk, "take 1000").reply(), "1");
    assert_eq!(engine.call(&mut talk, "take 600000000").reply(), "there is no more");
    assert_eq!(engine.call(&mut talk, "take 1000").reply(), "3");
}

#[test]
fn a_program_that_breaks_runs_nothing_more_and_waits_to_be_killed() {
    let mut engine = Engine::new();
    let made = engine.compiled(&crate::programs::counter_c(), &[]);
    for library in [library(&made), library(&crate::programs::counter_rs())] {
        let mut talk = engine.ready(&library);
        talk.memory.counters.insert("a".to_owned(), 0);
        let turn = talk.begin(0, "break it", LONG);
        talk.begin(0, "add a", LONG);
        let (class, _, _) = engine.answered(&mut talk, turn, LONG).failed();
        assert_eq!(class, Class::Panic);
        // It sleeps where it reads: to the end of its stream, or for an answer to what it asked.
        let pid = talk.hello.as_ref().expect("it has said hello").0.to_string();
        let until = Instant::now() + LONG;
        while state(&pid) != Some('S') {
            assert!(Instant::now() < until, "{:?}", state(&pid));
            engine.pass(Duration::from_millis(1));
        }
        assert_eq!(talk.worker.fill(), Filled::Taken);
        let said = talk.worker.frame();
        assert_eq!(said, Ok(None), "the call that was begun ahead is not run");
        engine.kill(&mut talk);
    }
}

#[test]
fn a_reply_that_no_frame_can_hold_breaks_its_call_and_not_the_engine() {
    let mut engine = Engine::new();
    let made = engine.compiled(&crate::programs::counter_c(), &[]);
    for body in ["long 2000000", "lost"] {
        let mut talk = engine.ready(&library(&made));
        let (class, _, text) = engine.call(&mut talk, body).failed();
        assert_eq!(class, Class::Overrun, "{body}: {text}");
    }
}

#[test]
fn an_unhandled_error_of_a_command_ends_the_call_with_its_trace() {
    let mut engine = Engine::new();
    let mut talk = engine.ready(&counter_py());
    let (why, end) = engine.call(&mut talk, "break for a reason").gone();
    assert_eq!(why, Why::Itself);
    assert!(matches!(end.how, How::Exited(1)), "{end:?}");
    assert_eq!(end.last.last().map(String::as_str), Some("RuntimeError: for a reason"));
}

#[test]
fn a_command_that_ends_by_a_signal_or_forks_ends_alone() {
    let mut engine = Engine::new();
    let dies = python("begin(); print('dying', file=sys.stderr); os.kill(os.getpid(), 15)");
    let mut talk = engine.ready(&dies);
    let (why, end) = engine.call(&mut talk, "").gone();
    assert_eq!((why, end.last), (Why::Itself, vec!["dying".to_owned()]));
    assert!(matches!(end.how, How::Signalled(15)));
    let forks = python(
        "turn = begin()['turn']; hidden = subprocess.Popen(['setsid', 'sleep', '100'])\n\
         done(turn, str(hidden.pid)); signal.pause()",
    );
    let mut talk = engine.ready(&forks);
    let hidden = match engine.call(&mut talk, "") {
        Came::Done(pid) => pid,
        other => panic!("{other:?}"),
    };
    assert!(runs(&hidden));
    engine.kill(&mut talk);
    assert!(!runs(&hidden));
}
