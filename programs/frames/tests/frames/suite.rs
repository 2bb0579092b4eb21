//! What both encodings do alike.

use proptest::prelude::*;

use tsugi_frames::{
    Asked, Code, Decoder, Frame, Operation, Side, Standing, Turn, Versions, Waits, Wrong,
};

use crate::ground::{
    BOTH, LIMITS, any_frame, ask, begin, done, fed, hello, read, samples, written, wrong,
};

/// Frames of one side, one after the other.
fn said_by(side: Side) -> Vec<Frame<'static>> {
    let all = samples().into_iter().map(|(_, frame)| frame);
    all.filter(|frame| frame.kind().side() == side).collect()
}

#[test]
fn frames_that_arrive_in_any_pieces_are_the_frames_that_were_sent() {
    for encoding in BOTH {
        for side in [Side::Engine, Side::Worker] {
            let said = said_by(side);
            let bytes: Vec<u8> = said.iter().flat_map(|frame| written(encoding, frame)).collect();
            for piece in [1, 2, 3, 7, 15, 16, 17, 64, 1000, bytes.len()] {
                let mut decoder = Decoder::new(encoding, side, LIMITS);
                let mut left = said.iter();
                let one = |frame: Frame<'_>| assert_eq!(Some(&frame), left.next());
                fed(&mut decoder, &bytes, piece, one).unwrap();
                assert_eq!((left.len(), decoder.pending()), (0, 0), "{encoding:?} by {piece}");
            }
        }
    }
}

#[test]
fn half_a_frame_is_no_frame_wherever_it_is_cut() {
    for encoding in BOTH {
        for (name, frame) in samples() {
            let bytes = written(encoding, &frame);
            for length in 0..bytes.len() {
                let mut decoder = Decoder::new(encoding, frame.kind().side(), LIMITS);
                let never = |_: Frame<'_>| panic!("{name} cut at {length}");
                fed(&mut decoder, &bytes[..length], 5, never).unwrap();
                assert_eq!(decoder.pending(), length, "{name}");
            }
        }
    }
}

#[test]
fn a_frame_that_is_written_into_a_used_buffer_stands_behind_what_was_there() {
    for encoding in BOTH {
        let mut out = written(encoding, &begin(1));
        encoding.write(&begin(2), &LIMITS, &mut out).unwrap();
        read(encoding, Side::Engine, &out, &[begin(1), begin(2)]);
    }
}

#[test]
fn what_an_engine_says_is_wrong_from_a_worker_and_the_other_way_round() {
    for encoding in BOTH {
        for (name, frame) in samples() {
            let (kind, bytes) = (frame.kind(), written(encoding, &frame));
            let other = match kind.side() {
                Side::Engine => Side::Worker,
                Side::Worker => Side::Engine,
            };
            assert_eq!(wrong(encoding, other, &bytes), Wrong::Side(kind.number()), "{name}");
        }
    }
}

#[test]
fn after_something_wrong_nothing_more_is_read() {
    for encoding in BOTH {
        let mut decoder = Decoder::new(encoding, Side::Engine, LIMITS);
        let bytes = [written(encoding, &done(1)), written(encoding, &begin(2))].concat();
        assert_eq!(decoder.feed(&bytes), bytes.len());
        assert!(matches!(decoder.frame(), Err(Wrong::Side(68))), "{encoding:?}");
        for _ in 0..3 {
            assert_eq!(decoder.frame().unwrap_err(), Wrong::Over);
        }
    }
}

#[test]
fn a_reserved_operation_is_read_whole_and_answered_not_in_this_version() {
    let (_, frame) = samples().into_iter().find(|(name, _)| *name == "ask-reserved").unwrap();
    for encoding in BOTH {
        let mut decoder = Decoder::new(encoding, Side::Worker, LIMITS);
        fed(&mut decoder, &written(encoding, &frame), 100, |read| {
            assert_eq!(read, frame);
            let Frame::Ask(ask) = read else { panic!() };
            for asked in &ask.operations {
                assert_eq!(asked.operation.number().standing(), Standing::Reserved);
                assert_eq!(asked.operation.refused(), Some(Code::NotInThisVersion));
            }
        })
        .unwrap();
    }
    let Frame::Ask(now) = ask(Operation::More { rows: 1 }) else { panic!() };
    assert_eq!(now.operations[0].operation.refused(), None);
}

#[test]
fn what_is_logged_or_aborted_is_never_answered_and_the_rest_as_it_asks() {
    let answered = |waits, operation| Asked { waits, slot: 0, operation }.is_answered();
    for waits in [Waits::Yes, Waits::No] {
        assert!(!answered(waits, Operation::Log { level: 1, text: "".into() }));
        assert!(!answered(waits, Operation::Abort { text: "".into() }));
        assert_eq!(answered(waits, Operation::More { rows: 1 }), waits == Waits::Yes);
    }
}

#[test]
fn ends_that_have_no_version_in_common_are_told_both_ranges() {
    let later = Versions { lowest: 2, highest: 3 };
    for encoding in BOTH {
        let bytes = written(encoding, &hello(later));
        let Wrong::Apart(apart) = wrong(encoding, Side::Worker, &bytes) else {
            panic!("{encoding:?}")
        };
        assert_eq!((apart.ours, apart.theirs), (Versions::CURRENT, later));
        let common = Versions { lowest: 1, highest: 3 };
        read(encoding, Side::Worker, &written(encoding, &hello(common)), &[hello(common)]);
    }
    let range = |lowest, highest| Versions { lowest, highest };
    assert_eq!(range(1, 4).common(range(3, 9)), Ok(4));
    assert_eq!(range(3, 9).common(range(1, 4)), Ok(4));
    assert!(range(3, 9).common(range(1, 2)).is_err());
    assert!(range(1, 9).common(range(4, 3)).is_err(), "a range that is none");
}

#[test]
fn a_hello_of_a_later_version_may_go_on_where_ours_ends() {
    let (ours, later) = (Versions::CURRENT, Versions { lowest: 1, highest: 2 });
    let longer = |versions| {
        let mut bytes = written(BOTH[0], &hello(versions));
        bytes.extend_from_slice(b"more");
        bytes[0] += 4;
        bytes
    };
    read(BOTH[0], Side::Worker, &longer(later), &[hello(later)]);
    assert_eq!(wrong(BOTH[0], Side::Worker, &longer(ours)), Wrong::Long);

    let longer = |versions| {
        let line = String::from_utf8(written(BOTH[1], &hello(versions))).unwrap();
        line.replacen("{\"hello\":{", "{\"hello\":{\"more\":[{\"a\":1}],", 1)
    };
    read(BOTH[1], Side::Worker, longer(later).as_bytes(), &[hello(later)]);
}

#[test]
fn what_follows_the_versions_of_who_is_too_far_apart_is_not_looked_at() {
    let later = Versions { lowest: 8, highest: 9 };
    let mut bytes = written(BOTH[0], &hello(later));
    bytes.truncate(20);
    bytes[0] = 4;
    assert!(matches!(wrong(BOTH[0], Side::Worker, &bytes), Wrong::Apart(_)));
    let line = b"{\"hello\":{\"versions\":{\"lowest\":8,\"highest\":9},\"pid\":\"new\"}}\n";
    assert!(matches!(wrong(BOTH[1], Side::Worker, line), Wrong::Apart(_)));
}

#[test]
fn a_frame_about_no_call_names_no_turn() {
    let mut bytes = written(BOTH[0], &hello(Versions::CURRENT));
    bytes[8] = 7;
    let expected = Wrong::Turn { expected: Turn::NONE, said: Turn(7) };
    assert_eq!(wrong(BOTH[0], Side::Worker, &bytes), expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn any_frame_arrives_as_it_was_sent(frame in any_frame(), piece in 1_usize..200) {
        for encoding in BOTH {
            let bytes = written(encoding, &frame);
            let mut decoder = Decoder::new(encoding, frame.kind().side(), LIMITS);
            let mut seen = 0;
            fed(&mut decoder, &bytes, piece, |read| {
                assert_eq!(read, frame);
                seen += 1;
            }).unwrap();
            prop_assert_eq!((seen, decoder.pending()), (1, 0));
        }
    }
}
