//! What nobody should send: refused without harm, wherever it stands.

use proptest::collection::vec;
use proptest::prelude::*;

use tsugi_frames::{
    Answer, Code, Decoder, Encoding, FileResult, Frame, Grid, Limit, Operation, Outcome, Side,
    TooLarge, Trouble, Turn, Value, Versions, Wrong,
};

use crate::ground::{
    BOTH, LIMITS, any_frame, ask, begin, done, fed, hello, samples, written, wrong,
};

/// The most that is held for what may be sent: twice what has arrived, and a beginning.
fn harmless(encoding: Encoding, side: Side, bytes: &[u8]) {
    let mut decoder = Decoder::new(encoding, side, LIMITS);
    let read = fed(&mut decoder, bytes, 4096, |frame| {
        // What was read can be said again, but for what was set aside.
        let mut out = Vec::new();
        match encoding.write(&frame, &LIMITS, &mut out) {
            Ok(()) => assert!(!out.is_empty()),
            Err(Wrong::TooLarge(_)) => assert!(out.is_empty()),
            Err(other) => panic!("{other}"),
        }
    });
    assert!(decoder.held() <= 2 * bytes.len() + 32 * 1024);
    if read.is_err() {
        assert_eq!(decoder.frame().unwrap_err(), Wrong::Over);
    }
}

#[test]
fn a_frame_with_any_one_bit_turned_is_refused_or_another_frame() {
    for encoding in BOTH {
        for (name, frame) in samples() {
            let whole = written(encoding, &frame);
            for at in 0..whole.len() {
                for bit in 0..8 {
                    let mut damaged = whole.clone();
                    damaged[at] ^= 1 << bit;
                    let side = frame.kind().side();
                    let mut decoder = Decoder::new(encoding, side, LIMITS);
                    drop(fed(&mut decoder, &damaged, damaged.len(), |read| {
                        let same = read == frame && encoding == Encoding::Binary;
                        assert!(!same, "bit {bit} of byte {at} of {name} is not read");
                    }));
                    harmless(encoding, side, &damaged);
                }
            }
        }
    }
}

#[test]
fn a_count_or_length_inside_that_reaches_past_the_end_is_refused() {
    for (name, frame) in samples() {
        let whole = written(Encoding::Binary, &frame);
        for at in 16..whole.len().saturating_sub(3) {
            let mut damaged = whole.clone();
            damaged[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
            harmless(Encoding::Binary, frame.kind().side(), &damaged);
            let mut longer = whole.clone();
            longer[0] = longer[0].wrapping_add(1);
            longer.push(0);
            let later = wrong(Encoding::Binary, frame.kind().side(), &longer);
            assert!(matches!(later, Wrong::Long | Wrong::Short), "{name}: {later}");
        }
    }
}

#[test]
fn heads_that_mean_nothing_are_refused_by_what_is_wrong_with_them() {
    let of = |at: usize, byte: u8| {
        let mut bytes = written(Encoding::Binary, &done(1));
        bytes[at] = byte;
        wrong(Encoding::Binary, Side::Worker, &bytes)
    };
    assert_eq!(of(4, 0), Wrong::Kind(0));
    assert_eq!(of(4, 70), Wrong::Kind(70));
    assert_eq!(of(4, 2), Wrong::Side(2));
    assert_eq!(of(5, 1), Wrong::Flags(1));
    assert_eq!(of(7, 0xff), TooLarge { limit: Limit::Operations, size: 0xff01, most: 4096 }.into());
    let mut bytes = written(Encoding::Binary, &hello(Versions::CURRENT));
    bytes[6] = 1;
    let expected = TooLarge { limit: Limit::Operations, size: 1, most: 0 };
    assert_eq!(wrong(Encoding::Binary, Side::Worker, &bytes), expected.into());
}

#[test]
fn an_operation_that_nobody_knows_or_that_stands_in_begin_is_refused() {
    for number in 0..=u8::MAX {
        let mut bytes = written(Encoding::Binary, &ask(Operation::More { rows: 1 }));
        bytes[16] = number;
        let known = matches!(number, 1..=5 | 8..=11 | 32..=40);
        let mut decoder = Decoder::new(Encoding::Binary, Side::Worker, LIMITS);
        let refused = fed(&mut decoder, &bytes, 100, |_| {}).err();
        assert_eq!(refused == Some(Wrong::Operation(number)), !known, "{number}");
    }
    for name in ["info", "left", "f_read", "commit"] {
        let line =
            format!("{{\"ask\":{{\"turn\":1,\"operations\":[{{\"do\":{{\"{name}\":{{}}}}}}]}}}}\n");
        assert!(matches!(wrong(Encoding::Lines, Side::Worker, line.as_bytes()), Wrong::Line(_)));
    }
}

#[test]
fn an_operation_that_is_longer_than_its_parameters_is_refused() {
    let mut bytes = written(Encoding::Binary, &ask(Operation::More { rows: 1 }));
    bytes.push(0);
    bytes[0] += 1;
    bytes[20] += 1;
    assert_eq!(wrong(Encoding::Binary, Side::Worker, &bytes), Wrong::Long);
}

#[test]
fn lines_that_are_no_frame_are_refused() {
    for line in [
        "",
        " ",
        "{}",
        "null",
        "[]",
        "\"ready\"",
        "{\"ready\":{}} {}",
        "{\"ready\":{},\"ready\":{}}",
        "{\"ready\":{\"a\":1}}",
        "{\"Ready\":{}}",
        "{\"done\":{\"turn\":1}}",
        "{\"done\":{\"turn\":-1,\"replies\":[{\"parameters\":[]}]}}",
        "{\"done\":{\"turn\":1,\"turn\":1,\"replies\":[{\"parameters\":[]}]}}",
        "{\"done\":{\"turn\":1,\"replies\":[{\"parameters\":[{\"base64\":\"Z\"}]}]}}",
        "{\"done\":{\"turn\":1,\"replies\":[{\"parameters\":[{\"hex\":\"00\"}]}]}}",
        "{\"done\":{\"turn\":1,\"replies\":[{\"parameters\":[1]}]}}",
        "{\"done\":{\"turn\":1,\"replies\":[{\"parameters\":[\"\u{1}\"]}]}}",
        "{\"done\":{\"turn\":1,\"replies\":[{\"parameters\":[\"\\ud800\"]}]}}",
    ] {
        let refused = wrong(Encoding::Lines, Side::Worker, format!("{line}\n").as_bytes());
        assert!(matches!(refused, Wrong::Line(_)), "{line}: {refused}");
    }
    let mut bytes = written(Encoding::Lines, &done(1));
    bytes[10] = 0xff;
    assert!(matches!(wrong(Encoding::Lines, Side::Worker, &bytes), Wrong::Line(_)));
    let deep = format!("{{\"ask\":{}\n", "[".repeat(100_000));
    assert!(matches!(wrong(Encoding::Lines, Side::Worker, deep.as_bytes()), Wrong::Line(_)));
    let wide = format!("{{\"ask\":[{}]}}\n", "0,".repeat(300_000));
    let refused = wrong(Encoding::Lines, Side::Worker, wide.as_bytes());
    assert!(matches!(refused, Wrong::TooLarge(TooLarge { limit: Limit::Values, .. })));
}

#[test]
fn a_number_loses_no_digit_on_a_line() {
    let line = |value: &str| {
        let rows = format!("\"rows\":[[{value}]]");
        format!("{{\"ask\":{{\"turn\":1,\"operations\":[{{\"do\":{{\"sql\":{{{rows}}}}}}}]}}}}\n")
    };
    for good in ["9223372036854775807", "-9223372036854775808", "{\"decimal\":\"0.10\"}"] {
        let mut decoder = Decoder::new(Encoding::Lines, Side::Worker, LIMITS);
        assert_eq!(fed(&mut decoder, line(good).as_bytes(), 1000, |_| {}), Ok(()), "{good}");
    }
    for bad in [
        "9223372036854775808",
        "18446744073709551616",
        "1.5",
        "1e3",
        "true",
        "[1]",
        "{\"decimal\":\"1,5\"}",
        "{\"decimal\":\"１２\"}",
        "{\"decimal\":1}",
        "1,2],[3],[4,5,6",
        "{\"real\":\"one\"}",
        "{\"real\":\"1\",\"decimal\":\"1\"}",
        "{}",
    ] {
        let refused = wrong(Encoding::Lines, Side::Worker, line(bad).as_bytes());
        assert!(matches!(refused, Wrong::Line(_)), "{bad}: {refused}");
    }
}

#[test]
fn text_that_is_not_utf8_and_decimals_that_are_none_are_refused() {
    let operation = Operation::Abort { text: "why".into() };
    let mut bytes = written(Encoding::Binary, &ask(operation));
    *bytes.last_mut().unwrap() = 0xff;
    assert_eq!(wrong(Encoding::Binary, Side::Worker, &bytes), Wrong::Utf8);
    for text in ["", "-", "1.", ".5", "1e3", "+1", " 1", "1.2.3"] {
        assert!(!tsugi_frames::is_decimal(text), "{text}");
    }
}

#[test]
fn numbers_that_stand_for_nothing_are_neither_written_nor_read() {
    let trouble = |code| {
        let (sqlstate, message, text) = ("".into(), "".into(), "".into());
        Outcome::Trouble(Trouble { code, sqlstate, message, text })
    };
    let answer = |result| Frame::Answer(Answer { turn: Turn(1), results: vec![result] });
    let file = |status| answer(Outcome::File(FileResult { status, number: None, records: vec![] }));
    let log = |level| ask(Operation::Log { level, text: "x".into() });
    let sql = |text: &'static str| {
        let rows = Grid::row(vec![Value::Decimal(text.into())]).unwrap();
        ask(Operation::Sql { text: "".into(), rows })
    };
    for encoding in BOTH {
        for (frame, number) in
            [(answer(trouble(Code::Done)), 0), (file(100), 100), (log(4), 4), (sql("1e3"), 5)]
        {
            let refused = encoding.write(&frame, &LIMITS, &mut Vec::new());
            assert_eq!(refused, Err(Wrong::Number(number)));
        }
    }
    // Where it stands in the frame: 16 bytes of head and 8 of the operation or result come first.
    for (frame, at, byte, number) in [
        (answer(trouble(Code::Store)), 18, 0, 0),
        (answer(trouble(Code::Store)), 18, 1, 1),
        (file(99), 16, 4, 4),
        (file(99), 18, 22, 22),
        (file(99), 24, 100, 100),
        (log(3), 24, 4, 4),
        (sql("155"), 24 + 4 + 6, 6, 6),
    ] {
        let mut bytes = written(Encoding::Binary, &frame);
        bytes[at] = byte;
        assert_eq!(wrong(Encoding::Binary, frame.kind().side(), &bytes), Wrong::Number(number));
    }
    let mut bytes = written(Encoding::Binary, &sql("155"));
    *bytes.last_mut().unwrap() = b'e';
    assert_eq!(wrong(Encoding::Binary, Side::Worker, &bytes), Wrong::Number(5));
    let line = String::from_utf8(written(Encoding::Lines, &log(3))).unwrap();
    let line = line.replace("\"level\":3", "\"level\":4");
    assert_eq!(wrong(Encoding::Lines, Side::Worker, line.as_bytes()), Wrong::Number(4));
}

#[test]
fn a_frame_of_the_other_encoding_is_refused() {
    let lines = written(Encoding::Lines, &begin(1));
    assert!(matches!(wrong(Encoding::Binary, Side::Engine, &lines), Wrong::TooLarge(_)));
    let mut bytes = written(Encoding::Binary, &begin(1));
    bytes.push(b'\n');
    assert!(matches!(wrong(Encoding::Lines, Side::Engine, &bytes), Wrong::Line(_)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes_are_refused_without_harm(bytes in vec(any::<u8>(), 0..400)) {
        for side in [Side::Engine, Side::Worker] {
            for encoding in BOTH {
                harmless(encoding, side, &bytes);
            }
        }
    }

    /// Behind a head that is right, so that what it announces is looked at.
    #[test]
    fn any_bytes_behind_a_good_head_are_refused_without_harm(
        kind in prop_oneof![1_u8..=4, 65_u8..=69],
        count in 0_u16..5,
        bytes in vec(prop_oneof![3 => 0_u8..6, 1 => any::<u8>()], 0..200),
    ) {
        let side = if kind < 64 { Side::Engine } else { Side::Worker };
        let mut frame = u32::try_from(bytes.len()).unwrap().to_le_bytes().to_vec();
        frame.extend_from_slice(&[kind, 0]);
        frame.extend_from_slice(&count.to_le_bytes());
        frame.extend_from_slice(&1_u64.to_le_bytes());
        frame.extend_from_slice(&bytes);
        harmless(Encoding::Binary, side, &frame);
    }

    #[test]
    fn any_frame_that_is_damaged_somewhere_does_no_harm(
        frame in any_frame(),
        at in any::<prop::sample::Index>(),
        with in vec(any::<u8>(), 0..8),
    ) {
        for encoding in BOTH {
            let mut bytes = written(encoding, &frame);
            let at = at.index(bytes.len());
            let end = bytes.len().min(at + with.len());
            bytes.splice(at..end, with.iter().copied());
            harmless(encoding, frame.kind().side(), &bytes);
        }
    }
}
