//! Workers that break the protocol, close their streams, or speak when nobody listens any more.

use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tsugi_frames::{Begin, Call, Frame, Hash, Kind, Leave, Limit, TooLarge, Turn, Wrong};
use tsugi_worker::{Broke, Filled, Flushed, How};

use crate::engine::{Came, Engine, PATIENCE, Why};
use crate::programs::{counter_py, library, python, room};

/// What ends a worker that runs this text once it has a call.
fn ended_by(text: &str) -> (Why, How) {
    let mut engine = Engine::new();
    let mut talk = engine.ready(&python(text));
    let (why, end) = engine.call(&mut talk, "x").gone();
    let mut next = engine.ready(&counter_py());
    assert!(matches!(engine.call(&mut next, "kinds"), Came::Done(_)), "the engine goes on");
    (why, end.how)
}

fn broke(text: &str) -> Broke {
    match ended_by(text) {
        (Why::Broke(broke), How::Signalled(9)) => broke,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn nonsense_ends_the_call_and_its_worker() {
    let line = |broke| matches!(broke, Broke::Wrong(Wrong::Line(_)));
    assert!(line(broke("begin(); os.write(1, b'nonsense\\n'); signal.pause()")));
    assert!(line(broke("begin(); say({'done': {}}); signal.pause()")));
    assert!(line(broke("begin(); say({'welcome': {}}); signal.pause()")));
    let other = "begin(); say({'leave': {}}); signal.pause()";
    assert_eq!(broke(other), Broke::Wrong(Wrong::Side(Kind::Leave.number())));
}

#[test]
fn what_is_of_another_turn_ends_the_call_and_its_worker() {
    let other = |said| Broke::Wrong(Wrong::Turn { expected: Turn(1), said: Turn(said) });
    assert_eq!(broke("begin(); done(2, 'x'); signal.pause()"), other(2));
    assert_eq!(broke("begin(); done(0, 'x'); signal.pause()"), other(0));
    let twice = "turn = begin()['turn']; done(turn, 'x'); done(turn, 'x'); signal.pause()";
    let mut engine = Engine::new();
    let mut talk = engine.ready(&python(twice));
    assert_eq!(engine.call(&mut talk, "").reply(), "x");
    let again = engine.call(&mut talk, "").gone().0;
    // Whichever comes first: the second answer, or the call that it is not of.
    let late = |expected| Broke::Wrong(Wrong::Turn { expected: Turn(expected), said: Turn(1) });
    assert!([Why::Broke(late(2)), Why::Broke(late(0))].contains(&again), "{again:?}");
}

#[test]
fn what_comes_after_something_wrong_is_not_looked_at() {
    let mut engine = Engine::new();
    let turns = "turn = begin()['turn']; done(turn + 1, 'x'); done(turn, 'y'); signal.pause()";
    let order = "begin(); say({'ready': {}}); done(1, 'y'); signal.pause()";
    let line = "begin(); os.write(1, b'nonsense\\n'); done(1, 'y'); signal.pause()";
    for text in [turns, order, line] {
        let mut talk = engine.ready(&python(text));
        talk.begin(0, "", PATIENCE);
        let until = std::time::Instant::now() + PATIENCE;
        let first = loop {
            let mut polled = [PollFd::new(talk.worker.hears(), PollFlags::POLLIN)];
            poll(&mut polled, PollTimeout::try_from(PATIENCE).unwrap()).unwrap();
            talk.worker.fill();
            match talk.worker.frame() {
                Ok(None) => assert!(std::time::Instant::now() < until, "{text}"),
                Ok(Some(frame)) => panic!("{text}: {frame:?}"),
                Err(broke) => break broke,
            }
        };
        // The rest has come by now, or comes while it is looked for.
        engine.pass(Duration::from_millis(50));
        assert_eq!(talk.worker.fill(), Filled::Closed, "{text}: {first:?}");
        assert_eq!(talk.worker.frame(), Ok(None), "{text}: {first:?}");
        engine.kill(&mut talk);
    }
}

#[test]
fn a_library_that_writes_into_its_own_frames_ends_its_call() {
    let mut engine = Engine::new();
    let made = engine.compiled(&room().join("tests/worker/faults.c"), &[]);
    let faults = [("FAULTS", Hash([0; 32]))];
    let mut talk = engine.serving(&library(&made), &faults).expect("it gets ready");
    let (why, end) = engine.call(&mut talk, "corrupt").gone();
    assert!(matches!(why, Why::Broke(Broke::Wrong(_))), "{why:?}");
    assert!(matches!(end.how, How::Signalled(9)), "{end:?}");
    let mut talk = engine.serving(&library(&made), &faults).expect("it gets ready");
    assert_eq!(engine.call(&mut talk, "close").gone().0, Why::Closed);
}

#[test]
fn who_closes_its_stream_and_lives_on_is_killed() {
    let (why, how) = ended_by("begin(); os.close(1); signal.pause()");
    assert_eq!(why, Why::Closed);
    assert!(matches!(how, How::Signalled(9)));
}

#[test]
fn half_a_frame_is_never_believed() {
    let half = "begin(); os.write(1, b'{\"done\":{\"turn\":1,\"replies\":[{}'); sys.exit(5)";
    let (why, how) = ended_by(half);
    assert_eq!(why, Why::Itself);
    assert!(matches!(how, How::Exited(5)));
}

#[test]
fn a_line_that_does_not_end_is_refused_at_the_limit_of_a_frame() {
    let most = tsugi_frames::Limits::DEFAULT.frame;
    let text = "begin()\nwhile True: os.write(1, b'x' * 65536)";
    let Broke::Wrong(Wrong::TooLarge(TooLarge { limit, size, .. })) = broke(text) else {
        panic!("a limit")
    };
    assert_eq!(limit, Limit::Frame);
    assert!(size > most && size < most + (1 << 20), "{size}");
}

/// What a worker of this text comes to before it is ready.
fn starting(text: &str) -> Came {
    let mut engine = Engine::new();
    match engine.serving(&python(text), &[("COUNTER", Hash([0; 32]))]) {
        Ok(_) => panic!("{text}: it got ready"),
        Err(came) => came,
    }
}

#[test]
fn what_is_said_before_its_time_is_not_taken() {
    let early = |text: &str, kind| {
        let (why, _) = starting(text).gone();
        assert_eq!(why, Why::Broke(Broke::Order(kind)), "{text}");
    };
    early("say({'ready': {}}); signal.pause()", Kind::Ready);
    early("done(1, 'x'); signal.pause()", Kind::Done);
    early("hello(); hello(); signal.pause()", Kind::Hello);
    early("hello(); hear(); done(1, 'x'); signal.pause()", Kind::Done);
    let versions = "say({'hello': {'versions': {'lowest': 7, 'highest': 9}, 'pid': 1, \
                    'runs': 'command'}}); signal.pause()";
    let (why, _) = starting(versions).gone();
    assert!(matches!(why, Why::Broke(Broke::Wrong(Wrong::Apart(_)))), "{why:?}");
}

#[test]
fn who_cannot_start_says_why_and_who_ends_at_its_start_is_told() {
    let says = "say({'failed': {'class': 'start', 'text': 'no module'}}); signal.pause()";
    assert_eq!(starting(says).failed().2, "no module");
    let (why, end) = starting("sys.exit('no configuration')").gone();
    assert_eq!((why, end.last), (Why::Itself, vec!["no configuration".to_owned()]));
    assert!(matches!(end.how, How::Exited(1)));
}

#[test]
fn what_has_been_said_when_it_is_killed_is_not_taken() {
    let mut engine = Engine::new();
    let text = "turn = begin()['turn']; done(turn, 'too late'); signal.pause()";
    let mut talk = engine.ready(&python(text));
    talk.begin(0, "", PATIENCE);
    let mut polled = [PollFd::new(talk.worker.hears(), PollFlags::POLLIN)];
    poll(&mut polled, PollTimeout::try_from(PATIENCE).unwrap()).unwrap();
    assert_eq!(talk.worker.fill(), Filled::Taken, "the answer has come");
    // The call is cancelled before the engine looks at it.
    let end = engine.kill(&mut talk);
    assert!(matches!(end.how, How::Signalled(9)), "{end:?}");
    assert_eq!(talk.worker.frame(), Ok(None));
    assert_eq!(talk.worker.fill(), Filled::Closed);
    assert!(talk.worker.say(&Frame::Leave(Leave {})).is_err(), "nothing is said to it any more");
}

#[test]
fn who_does_not_read_keeps_nobody_waiting() {
    let mut engine = Engine::new();
    let mut talk = engine.ready(&python("begin(); signal.pause()"));
    talk.begin(0, "x", PATIENCE);
    let body = vec![b'x'; 500_000];
    let call = |turn| {
        let call = Call {
            service: 0,
            id: "1".into(),
            parent: "".into(),
            client: "".into(),
            epoch: 1,
            attempt: 1,
            left_ms: 1,
            catalogue: 0,
            parameters: vec![body.as_slice().into()],
        };
        Frame::Begin(Begin { turn: Turn(turn), calls: vec![call] })
    };
    let Ok(Flushed::Waits(bytes)) = talk.worker.say(&call(2)) else { panic!("it reads") };
    assert!(bytes > 300_000 && talk.worker.unsent() == bytes, "{bytes}");
    assert!(matches!(talk.worker.say(&call(3)), Ok(Flushed::Waits(more)) if more > bytes));
    let came = engine.answered(&mut talk, Turn(1), Duration::from_millis(100));
    assert_eq!(came.gone().0, Why::Late);
    assert_eq!(talk.worker.unsent(), 0);
}

#[test]
fn what_an_engine_may_not_say_now_is_not_said() {
    let mut engine = Engine::new();
    let mut talk = engine.bear(&python("signal.pause()"));
    let early = talk.worker.say(&Frame::Leave(Leave {}));
    assert_eq!(early, Err(Wrong::Side(Kind::Leave.number())));
    assert_eq!((talk.worker.unsent(), talk.worker.begun()), (0, 0));
    engine.kill(&mut talk);
    let mut talk = engine.ready(&counter_py());
    talk.begin(0, "kinds", PATIENCE);
    let again = Frame::Begin(Begin { turn: Turn(1), calls: vec![] });
    assert!(talk.worker.say(&again).is_err(), "turns only rise");
    assert_eq!(talk.worker.begun(), 1);
    assert_eq!(engine.answered(&mut talk, Turn(1), PATIENCE).reply(), "same");
}
