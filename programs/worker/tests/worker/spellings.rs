//! One suite that the counter passes in every spelling: the C table, in C and in Rust, and lines in
//! Python.

use tsugi_frames::Class;
use tsugi_worker::{How, Spawn};

use crate::engine::{Came, Engine, Talk};
use crate::programs::{counter_c, counter_py, counter_rs, library};

/// The counter in each spelling, ready.
fn each(mut test: impl FnMut(&str, &mut Engine, &mut Talk)) {
    let mut engine = Engine::new();
    let made = engine.compiled(&counter_c(), &[]);
    let all: [(&str, Spawn); 3] =
        [("C", library(&made)), ("Rust", library(&counter_rs())), ("Python", counter_py())];
    for (name, spawn) in all {
        let mut talk = engine.ready(&spawn);
        talk.memory.counters.insert("a".to_owned(), 41);
        test(name, &mut engine, &mut talk);
        let end = engine.leave(&mut talk);
        assert!(matches!(end.how, How::Exited(0)), "{name}: {end:?}");
    }
}

#[track_caller]
fn aborted(came: Came, why: &str) {
    let (class, _, text) = came.failed();
    assert_eq!((class, text.as_str()), (Class::Abort, why));
}

#[test]
fn a_statement_binds_its_rows_come_back_and_its_text_is_sent_once() {
    each(|name, engine, talk| {
        for value in 42..50 {
            assert_eq!(engine.call(talk, "add a").reply(), value.to_string(), "{name}");
        }
        assert_eq!(talk.memory.log[0], (1, "a is 42, 1 changed".to_owned()), "{name}");
        assert_eq!(talk.memory.log.len(), 8, "{name}");
        let most = if name == "Python" { 8 } else { 1 };
        assert_eq!(talk.memory.texts.len(), most, "{name}: {:?}", talk.memory.texts);
        aborted(engine.call(talk, "add b"), "there is no such counter");
        assert_eq!(engine.call(talk, "add a").reply(), "50", "{name}");
    });
}

#[test]
fn every_kind_of_value_goes_there_and_back() {
    each(|name, engine, talk| assert_eq!(engine.call(talk, "kinds").reply(), "same", "{name}"));
}

#[test]
fn rows_that_did_not_fit_are_asked_for() {
    each(|name, engine, talk| {
        let sum = engine.call(talk, "rows").reply();
        assert_eq!(sum.split(' ').next(), Some("6"), "{name}: 1, then 2, then 3");
    });
}

#[test]
fn another_service_answers_or_refuses() {
    each(|name, engine, talk| {
        assert_eq!(engine.call(talk, "call GREETER").reply(), "hello to you", "{name}");
        aborted(engine.call(talk, "call NOBODY"), "60 no such service");
    });
}

#[test]
fn a_program_is_told_what_call_it_is_where_and_how_long_it_has() {
    each(|name, engine, talk| {
        let who = "shop-1/1800000000123/339||shop-1|ESSRV01|node1|COUNTER|41|2";
        assert_eq!(engine.call(talk, "who").reply(), who, "{name}");
        let left: u64 = engine.call(talk, "left").reply().parse().unwrap();
        assert!((1..=30_000).contains(&left), "{name}: {left}");
    });
}

#[test]
fn an_abort_says_why_and_the_same_worker_answers_the_next_call() {
    each(|name, engine, talk| {
        aborted(engine.call(talk, "abort not today"), "not today");
        aborted(engine.call(talk, "mistaken"), "42 no such statement");
        assert_eq!(engine.call(talk, "add a").reply(), "42", "{name}");
    });
}

#[test]
fn a_reserved_operation_is_answered_not_in_this_version() {
    each(|name, engine, talk| match name {
        // A service in Rust cannot ask for them.
        "Rust" => aborted(engine.call(talk, "reserved"), "no such word"),
        _ => assert_eq!(engine.call(talk, "reserved").reply(), "74 74 74 74 74", "{name}"),
    });
}

#[test]
fn a_reply_of_a_megabyte_arrives_whole() {
    each(|name, engine, talk| {
        for length in [0, 1, 65_536, 65_537, 1_000_000, 3] {
            let reply = engine.call(talk, &format!("long {length}")).reply();
            assert_eq!(reply, "x".repeat(length), "{name}");
        }
    });
}

#[test]
fn calls_begin_ahead_and_are_answered_in_their_order() {
    each(|name, engine, talk| {
        let limit = crate::engine::PATIENCE;
        let turns: Vec<_> = (0..9).map(|_| talk.begin(0, "add a", limit)).collect();
        assert_eq!(talk.worker.begun(), 9);
        for (at, turn) in turns.into_iter().enumerate() {
            let reply = engine.answered(talk, turn, limit).reply();
            assert_eq!(reply, (42 + at).to_string(), "{name}");
        }
        assert_eq!(talk.worker.begun(), 0);
    });
}

#[test]
fn who_is_told_to_leave_ends_what_was_begun_first() {
    let mut engine = Engine::new();
    let made = engine.compiled(&counter_c(), &[]);
    for spawn in [library(&made), counter_py()] {
        let mut talk = engine.ready(&spawn);
        talk.memory.counters.insert("a".to_owned(), 0);
        let limit = crate::engine::PATIENCE;
        let turns = [talk.begin(0, "add a", limit), talk.begin(0, "add a", limit)];
        talk.say(&tsugi_frames::Frame::Leave(tsugi_frames::Leave {}));
        assert_eq!(engine.answered(&mut talk, turns[0], limit).reply(), "1");
        assert_eq!(engine.answered(&mut talk, turns[1], limit).reply(), "2");
        let end = engine.swept(talk.worker.number());
        assert!(matches!(end.how, How::Exited(0)), "{end:?}");
    }
}

#[test]
fn a_service_in_shell_answers_call_by_call() {
    let mut engine = Engine::new();
    let path = crate::programs::room().join("examples/counter.sh");
    let spawn = crate::programs::command(&["sh", path.to_str().expect("a path of this tree")]);
    let mut talk = engine.ready(&spawn);
    talk.memory.counters.insert("a".to_owned(), -2);
    for value in ["-1", "0", "1"] {
        assert_eq!(engine.call(&mut talk, "a").reply(), value);
    }
    aborted(engine.call(&mut talk, "b"), "there is no such counter");
    aborted(engine.call(&mut talk, "a 'b'"), "a name has letters and digits");
    let limit = crate::engine::PATIENCE;
    let turns = [(); 3].map(|()| talk.begin(0, "a", limit));
    talk.say(&tsugi_frames::Frame::Leave(tsugi_frames::Leave {}));
    for (turn, value) in turns.into_iter().zip(["2", "3", "4"]) {
        assert_eq!(engine.answered(&mut talk, turn, limit).reply(), value);
    }
    let end = engine.swept(talk.worker.number());
    assert!(matches!(end.how, How::Exited(0)) && end.last.is_empty(), "{end:?}");
}
