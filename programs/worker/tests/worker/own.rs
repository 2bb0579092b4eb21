//! The seam for other kinds of programs, by a worker that has one of its own.

use tsugi_frames::{Class, Encoding};
use tsugi_worker::{How, Spawn};

use crate::engine::{Came, Engine, PATIENCE, Talk};
use crate::programs::{command, counter_c, example};

/// The example of this room.
fn own(words: &[&str]) -> Spawn {
    let path = example("own");
    let argv: Vec<&str> =
        [path.to_str().expect("a path of this tree")].into_iter().chain(words.to_vec()).collect();
    Spawn { encoding: Encoding::Binary, ..command(&argv) }
}

fn ready(engine: &mut Engine) -> Talk {
    let mut talk = engine.ready(&own(&["own"]));
    talk.memory.counters.insert("a".to_owned(), 0);
    talk
}

#[test]
fn a_program_that_ends_its_process_in_a_call_says_so_first() {
    let mut engine = Engine::new();
    let mut talk = ready(&mut engine);
    assert_eq!(engine.call(&mut talk, "large 1").reply(), "Mistaken");
    let (class, code, text) = engine.call(&mut talk, "stop 3").failed();
    assert_eq!((class, code, text.as_str()), (Class::StopRun, 3, "it stops"));
    let end = engine.swept(talk.worker.number());
    assert!(matches!(end.how, How::Exited(3)), "{end:?}");
}

#[test]
fn what_nobody_waits_for_goes_with_what_is_waited_for_or_with_the_end() {
    let mut engine = Engine::new();
    let mut talk = ready(&mut engine);
    assert_eq!(engine.call(&mut talk, "later 5").reply(), "[Integer(5)]");
    assert_eq!(talk.asked, [6], "in one frame");
    assert_eq!(engine.call(&mut talk, "last 4").reply(), "");
    assert_eq!(talk.asked, [6, 4], "with the end");
    assert_eq!(talk.memory.counters["a"], 9);
}

#[test]
fn more_operations_than_a_frame_may_have_go_in_several_and_in_order() {
    let mut engine = Engine::new();
    let mut talk = ready(&mut engine);
    assert_eq!(engine.call(&mut talk, "later 10000").reply(), "[Integer(10000)]");
    assert_eq!(talk.asked.iter().sum::<usize>(), 10_001);
    assert!(
        talk.asked.len() > 2 && talk.asked.iter().all(|many| *many <= 4096),
        "{:?}",
        talk.asked
    );
}

#[test]
fn what_passes_a_limit_is_answered_in_the_worker_and_the_call_goes_on() {
    let mut engine = Engine::new();
    let mut talk = ready(&mut engine);
    assert_eq!(engine.call(&mut talk, "large 65537").reply(), "TooLarge");
    assert_eq!(talk.asked, [0_usize; 0], "nothing was sent");
    assert_eq!(engine.call(&mut talk, "large 65536").reply(), "Mistaken", "the statement is none");
}

#[test]
fn a_call_has_so_many_lines_of_the_log_of_so_many_bytes() {
    let mut engine = Engine::new();
    let mut talk = ready(&mut engine);
    for call in 1..=2 {
        assert_eq!(engine.call(&mut talk, "log 300").reply(), "");
        assert_eq!(talk.memory.log.len(), call * 200, "each call has as many");
    }
    let (level, line) = &talk.memory.log[0];
    assert_eq!((*level, line.len(), line.ends_with('\u{e9}')), (3, 4096, true));
}

#[test]
fn a_worker_holds_the_kinds_that_were_put_into_it() {
    let mut engine = Engine::new();
    let made = engine.compiled(&counter_c(), &[]);
    let mut talk = engine.ready(&own(&["library", made.to_str().expect("a path")]));
    assert_eq!(engine.call_within(&mut talk, "kinds", PATIENCE).reply(), "same");
    match engine.serving(&own(&["own", "more"]), &[]) {
        Err(Came::Failed(Class::Start, _, text)) => assert_eq!(text, "own takes no words"),
        _ => panic!("it is refused"),
    }
    match engine.serving(&own(&["own"]), &[]) {
        Err(Came::Failed(Class::Start, _, text)) => assert_eq!(text, "there is no service"),
        _ => panic!("it is refused"),
    }
}
