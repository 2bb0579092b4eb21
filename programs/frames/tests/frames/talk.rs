//! Turns: only the one under way is spoken of.

use tsugi_frames::{
    AHEAD, Answer, Class, Code, Failed, Frame, Leave, Operation, Outcome, Ready, Trouble, Turn,
    Turns, Versions, Wrong,
};

use crate::ground::{ask, begin, done, hello};

fn answer(turn: u64) -> Frame<'static> {
    let (sqlstate, message, text) = ("".into(), "".into(), "".into());
    let no = Outcome::Trouble(Trouble { code: Code::NoRow, sqlstate, message, text });
    Frame::Answer(Answer { turn: Turn(turn), results: vec![no] })
}

fn failed(turn: u64) -> Frame<'static> {
    let (class, text) = (Class::Signal, "".into());
    Frame::Failed(Failed { turn: Turn(turn), class, code: 11, text })
}

fn more(turn: u64) -> Frame<'static> {
    match ask(Operation::More { rows: 1 }) {
        Frame::Ask(ask) => Frame::Ask(tsugi_frames::Ask { turn: Turn(turn), ..ask }),
        other => other,
    }
}

fn wrong(turns: &mut Turns, frame: &Frame<'_>) -> (u64, u64) {
    match turns.take(frame) {
        Err(Wrong::Turn { expected, said }) => (expected.0, said.0),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_whole_talk_is_taken() {
    let mut turns = Turns::default();
    let talk = [
        hello(Versions::CURRENT),
        Frame::Ready(Ready {}),
        begin(1),
        more(1),
        answer(1),
        begin(2),
        done(1),
        more(2),
        answer(2),
        done(2),
        begin(9),
        Frame::Leave(Leave {}),
        done(9),
    ];
    for frame in &talk {
        turns.take(frame).unwrap();
    }
    assert_eq!((turns.under_way(), turns.begun()), (Turn::NONE, 0));
}

#[test]
fn a_late_frame_of_a_turn_that_ended_is_refused() {
    let mut turns = Turns::default();
    for frame in [begin(1), begin(2), done(1)] {
        turns.take(&frame).unwrap();
    }
    for late in [done(1), more(1), failed(1), answer(1), done(3), failed(0), more(0)] {
        assert_eq!(wrong(&mut turns, &late), (2, late.turn().0));
    }
    turns.take(&done(2)).unwrap();
    assert_eq!(wrong(&mut turns, &done(2)), (0, 2));
    assert_eq!(wrong(&mut turns, &done(0)), (0, 0));
    assert_eq!(wrong(&mut turns, &more(0)), (0, 0));
}

#[test]
fn a_turn_that_was_begun_ahead_may_not_be_spoken_of_before_its_own() {
    let mut turns = Turns::default();
    for frame in [begin(1), begin(2)] {
        turns.take(&frame).unwrap();
    }
    assert_eq!(wrong(&mut turns, &more(2)), (1, 2));
    assert_eq!(wrong(&mut turns, &done(2)), (1, 2));
}

#[test]
fn turns_only_rise() {
    let mut turns = Turns::default();
    turns.take(&begin(5)).unwrap();
    assert_eq!(wrong(&mut turns, &begin(5)), (6, 5));
    turns.take(&done(5)).unwrap();
    assert_eq!(wrong(&mut turns, &begin(5)), (6, 5));
    assert_eq!(wrong(&mut turns, &begin(0)), (6, 0));
    turns.take(&begin(6)).unwrap();
}

#[test]
fn so_many_may_be_begun_ahead_and_no_more() {
    let mut turns = Turns::default();
    let most = u64::try_from(AHEAD).unwrap() + 1;
    for turn in 1..=most {
        turns.take(&begin(turn)).unwrap();
    }
    assert_eq!(turns.take(&begin(most + 1)), Err(Wrong::Ahead));
}

#[test]
fn a_worker_that_cannot_start_fails_before_any_turn() {
    let mut turns = Turns::default();
    turns.take(&failed(0)).unwrap();
    assert_eq!(wrong(&mut turns, &failed(1)), (0, 1));
}
