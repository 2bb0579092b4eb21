//! Each limit at its last value and one above.

use tsugi_frames::limits::{KEY, NAME, RECORD_MAX, TEXT, VALUES};
use tsugi_frames::{
    Answer, Ask, Asked, Bytes, Code, Decoder, Encoding, FileOperation, Frame, Grid, Limit, Limits,
    Number, Operation, Outcome, Placing, Rest, Rows, Side, TooLarge, Turn, Value, Waits, Welcome,
    Wrong,
};

use crate::ground::{BOTH, LIMITS, asked, begin, fed, written};

/// Limits under which whoever sends does not look.
const LENIENT: Limits = Limits {
    frame: u32::MAX,
    record: u32::MAX,
    sql_text: u32::MAX,
    parameters: u16::MAX,
    rows: u32::MAX,
    log_line: u32::MAX,
    ..Limits::DEFAULT
};

fn letters(many: u32) -> String {
    "x".repeat(many as usize)
}

fn record(many: u32) -> Bytes<'static> {
    letters(many).into_bytes().into()
}

/// An operation of a size.
type OfSize = Box<dyn Fn(u32) -> Operation<'static>>;

/// What one above each limit of programs is, with the limit and its last value.
fn above() -> Vec<(Limit, u32, OfSize)> {
    let row = |many: u32| Grid::row(vec![Value::Null; many as usize]).unwrap();
    let rows = |many: u32| Grid::new(1, vec![Value::Null; many as usize]).unwrap();
    vec![
        (
            Limit::SqlText,
            64 * 1024,
            Box::new(|n| Operation::Sql { text: letters(n).into(), rows: Grid::once() }),
        ),
        (
            Limit::Parameters,
            256,
            Box::new(move |n| Operation::Sql { text: "".into(), rows: row(n) }),
        ),
        (Limit::Rows, 10_000, Box::new(move |n| Operation::Sql { text: "".into(), rows: rows(n) })),
        (Limit::Rows, 10_000, Box::new(|rows| Operation::More { rows })),
        (Limit::LogLine, 4096, Box::new(|n| Operation::Log { level: 1, text: letters(n).into() })),
        (
            Limit::Record,
            1024 * 1024,
            Box::new(|n| Operation::Call { service: "s".into(), body: vec![record(n)] }),
        ),
        (
            Limit::Record,
            1024 * 1024,
            Box::new(move |n| {
                let rows = Grid::row(vec![Value::Text(letters(n).into())]).unwrap();
                Operation::Sql { text: "".into(), rows }
            }),
        ),
        (
            Limit::Record,
            1024 * 1024,
            Box::new(|n| {
                Operation::File(FileOperation::Write {
                    placing: Placing::ByKey,
                    place: "".into(),
                    record: record(n),
                })
            }),
        ),
    ]
}

#[test]
fn a_program_that_asks_for_too_much_is_told_which_limit_and_goes_on() {
    for encoding in BOTH {
        for (limit, most, operation) in above() {
            for size in [most, most + 1] {
                let first = operation(size);
                let operations = vec![asked(first.clone()), asked(Operation::More { rows: 1 })];
                let frame = Frame::Ask(Ask { turn: Turn(1), operations });
                let mut bytes = Vec::new();
                encoding.write(&frame, &LENIENT, &mut bytes).unwrap();
                let mut decoder = Decoder::new(encoding, Side::Worker, LIMITS);
                fed(&mut decoder, &bytes, 1 << 16, |read| {
                    let Frame::Ask(ask) = read else { panic!() };
                    let read = &ask.operations[0].operation;
                    if size == most {
                        assert!(*read == first, "{limit:?}");
                    } else {
                        let too_large = TooLarge { limit, size, most };
                        assert_eq!(*read, Operation::TooLarge(first.number(), too_large));
                        assert_eq!(read.refused(), Some(Code::TooLarge));
                    }
                    assert_eq!(ask.operations[1], asked(Operation::More { rows: 1 }));
                })
                .unwrap();
                assert_eq!(decoder.pending(), 0, "{limit:?}");
                let told = first.check(&LIMITS);
                assert_eq!(told.is_err(), size > most, "{limit:?}: the worker knows it before");
            }
        }
    }
}

#[test]
fn what_passes_a_limit_is_not_written() {
    for encoding in BOTH {
        for (limit, most, operation) in above() {
            let operations = vec![asked(operation(most + 1))];
            let mut out = b"before".to_vec();
            let frame = Frame::Ask(Ask { turn: Turn(1), operations });
            let refused = encoding.write(&frame, &LIMITS, &mut out).unwrap_err();
            assert_eq!(refused, Wrong::TooLarge(TooLarge { limit, size: most + 1, most }));
            assert_eq!(out, b"before");
        }
        let set_aside = TooLarge { limit: Limit::Rows, size: 2, most: 1 };
        let operations = vec![asked(Operation::TooLarge(Number::Sql, set_aside))];
        let frame = Frame::Ask(Ask { turn: Turn(1), operations });
        let refused = encoding.write(&frame, &LIMITS, &mut Vec::new());
        assert_eq!(refused, Err(Wrong::TooLarge(set_aside)));
    }
}

#[test]
fn rows_of_an_answer_have_a_limit_of_bytes() {
    let most = LIMITS.answer as usize;
    let rows = |size: usize| {
        // Three texts with five bytes before each, and one that fills up.
        let text = |length: usize| Value::Text("x".repeat(length).into());
        let values = vec![text(1_000_000), text(1_000_000), text(1_000_000)];
        let filled: usize = values.iter().map(Value::size).sum();
        let values = [values, vec![text(size - filled - 5)]].concat();
        let rows = Rows { changed: 0, rest: Rest::None, rows: Grid::new(1, values).unwrap() };
        Frame::Answer(Answer { turn: Turn(1), results: vec![Outcome::Rows(rows)] })
    };
    for encoding in BOTH {
        let wide = Limits { answer: u32::MAX, ..LENIENT };
        let mut whole = Vec::new();
        assert_eq!(encoding.write(&rows(most), &LIMITS, &mut whole), Ok(()));
        crate::ground::read(encoding, Side::Engine, &whole, &[rows(most)]);
        assert!(encoding.write(&rows(most + 1), &LIMITS, &mut Vec::new()).is_err());
        let mut larger = Vec::new();
        encoding.write(&rows(most + 1), &wide, &mut larger).unwrap();
        let refused = crate::ground::wrong(encoding, Side::Engine, &larger);
        assert!(matches!(refused, Wrong::TooLarge(TooLarge { limit: Limit::Answer, .. })));
    }
}

#[test]
fn a_frame_that_is_too_large_as_a_whole_is_not_written() {
    let body = vec![record(1024 * 1024); 8];
    let frame = crate::ground::ask(Operation::Call { service: "s".into(), body });
    for encoding in BOTH {
        let mut out = b"before".to_vec();
        let refused = encoding.write(&frame, &LIMITS, &mut out).unwrap_err();
        assert!(matches!(refused, Wrong::TooLarge(TooLarge { limit: Limit::Frame, .. })));
        assert_eq!(out, b"before");
    }
}

#[test]
fn a_line_that_its_reader_would_refuse_is_not_written() {
    // A row of one value is told of twice in a line: by its bracket and by the comma before it.
    let rows = || Grid::new(1, vec![Value::Null; 8192]).unwrap();
    let sql = || asked(Operation::Sql { text: "".into(), rows: rows() });
    let frame = Frame::Ask(Ask { turn: Turn(1), operations: (0..20).map(|_| sql()).collect() });
    crate::ground::read(
        Encoding::Binary,
        Side::Worker,
        &written(Encoding::Binary, &frame),
        std::slice::from_ref(&frame),
    );
    let mut out = b"before".to_vec();
    let refused = Encoding::Lines.write(&frame, &LIMITS, &mut out).unwrap_err();
    assert!(matches!(refused, Wrong::TooLarge(TooLarge { limit: Limit::Values, .. })));
    assert_eq!(out, b"before");
}

#[test]
fn a_welcome_tells_no_limit_that_this_build_cannot_hold() {
    let (_, frame) = crate::ground::samples().into_iter().find(|(n, _)| *n == "welcome").unwrap();
    let Frame::Welcome(welcome) = frame else { panic!() };
    let limits = Limits { record: RECORD_MAX + 1, ..LIMITS };
    for encoding in BOTH {
        let told = Frame::Welcome(Welcome { limits, ..welcome.clone() });
        assert_eq!(encoding.write(&told, &LIMITS, &mut Vec::new()), Err(Wrong::Shape));
    }
    let mut bytes = written(Encoding::Binary, &Frame::Welcome(welcome));
    // Behind the head and the versions stands the limit of a frame, then that of a record.
    bytes[24..28].copy_from_slice(&(RECORD_MAX + 1).to_le_bytes());
    assert_eq!(crate::ground::wrong(Encoding::Binary, Side::Engine, &bytes), Wrong::Shape);
}

#[test]
fn a_line_is_never_twice_as_long_as_the_bytes_that_it_tells() {
    for byte in [0_u8, 1, 0x1f, 0x7f, b'\n', b'"', b'\\', b'x', 0xff] {
        let body = vec![vec![byte; 10_000].into()];
        let frame = crate::ground::ask(Operation::Call { service: "s".into(), body });
        let line = written(Encoding::Lines, &frame);
        assert!(line.len() <= 2 * 10_000 + 200, "{byte}: {}", line.len());
        crate::ground::read(Encoding::Lines, Side::Worker, &line, &[frame]);
    }
}

#[test]
fn names_keys_and_texts_have_limits_too() {
    let name = |n: u32| Operation::Call { service: letters(n).into(), body: vec![] };
    let key = |n: u32| Operation::File(FileOperation::Read { key: 0, value: record(n) });
    let text = |n: u32| Operation::Abort { text: letters(n).into() };
    let timer = |n: u32| Operation::TimerCancel { name: letters(n).into() };
    let cases: [(u32, &dyn Fn(u32) -> Operation<'static>); 4] =
        [(NAME, &name), (KEY, &key), (TEXT, &text), (NAME, &timer)];
    for (most, operation) in cases {
        assert_eq!(operation(most).check(&LIMITS), Ok(()));
        let refused = operation(most + 1).check(&LIMITS).unwrap_err();
        assert_eq!((refused.size, refused.most), (most + 1, most));
    }
}

#[test]
fn the_names_that_a_welcome_tells_have_the_limit_of_names() {
    for encoding in BOTH {
        let write = |group: u32, node: u32| {
            let frame = crate::ground::welcome(&letters(group), &letters(node));
            encoding.write(&frame, &LIMITS, &mut Vec::new())
        };
        assert_eq!(write(NAME, NAME), Ok(()));
        let most = TooLarge { limit: Limit::Name, size: NAME + 1, most: NAME };
        assert_eq!(write(NAME + 1, 1), Err(most.into()));
        assert_eq!(write(1, NAME + 1), Err(most.into()));
    }
}

#[test]
fn more_operations_or_calls_than_a_frame_may_have_are_wrong() {
    let many = |n: usize| {
        let one = || Asked { waits: Waits::No, ..asked(Operation::More { rows: 1 }) };
        Frame::Ask(Ask { turn: Turn(1), operations: (0..n).map(|_| one()).collect() })
    };
    for encoding in BOTH {
        crate::ground::read(encoding, Side::Worker, &written(encoding, &many(4096)), &[many(4096)]);
        assert!(encoding.write(&many(4097), &LIMITS, &mut Vec::new()).is_err());
        assert_eq!(encoding.write(&many(0), &LIMITS, &mut Vec::new()), Err(Wrong::Shape));
    }
    let mut bytes = written(Encoding::Binary, &many(4096));
    bytes[6..8].copy_from_slice(&4097_u16.to_le_bytes());
    let expected = TooLarge { limit: Limit::Operations, size: 4097, most: 4096 };
    let wrong = crate::ground::wrong;
    assert_eq!(wrong(Encoding::Binary, Side::Worker, &bytes), expected.into());

    let Frame::Begin(mut two) = begin(1) else { panic!() };
    two.calls.push(two.calls[0].clone());
    let frame = Frame::Begin(two);
    for encoding in BOTH {
        let refused = encoding.write(&frame, &LIMITS, &mut Vec::new()).unwrap_err();
        assert!(matches!(refused, Wrong::TooLarge(TooLarge { limit: Limit::Calls, .. })));
    }
    let mut bytes = written(Encoding::Binary, &begin(1));
    bytes[6] = 2;
    let expected = TooLarge { limit: Limit::Calls, size: 2, most: 1 };
    assert_eq!(wrong(Encoding::Binary, Side::Engine, &bytes), expected.into());
}

#[test]
fn a_length_above_the_limit_is_refused_with_its_head_and_takes_no_memory() {
    for length in [LIMITS.frame + 1, u32::MAX] {
        let mut head = length.to_le_bytes().to_vec();
        head.extend_from_slice(&[67, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
        let mut decoder = Decoder::new(Encoding::Binary, Side::Worker, LIMITS);
        assert_eq!(decoder.feed(&head), 16);
        let most = LIMITS.frame;
        let expected = TooLarge { limit: Limit::Frame, size: length, most };
        assert_eq!(decoder.frame().unwrap_err(), expected.into());
        assert!(decoder.held() <= 64 * 1024);
    }
}

#[test]
fn memory_grows_with_what_arrives_and_not_with_what_is_announced() {
    let mut head = LIMITS.frame.to_le_bytes().to_vec();
    head.extend_from_slice(&[67, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    let mut decoder = Decoder::new(Encoding::Binary, Side::Worker, LIMITS);
    fed(&mut decoder, &head, 16, |_| panic!()).unwrap();
    for arrived in [20_000_usize, 100_000, 1_000_000] {
        let more = vec![0; arrived - decoder.pending()];
        fed(&mut decoder, &more, 4096, |_| panic!()).unwrap();
        assert!(decoder.held() <= 2 * arrived + 16 * 1024, "{} of {arrived}", decoder.held());
    }
}

#[test]
fn a_line_without_an_end_is_refused_at_the_limit() {
    let mut decoder = Decoder::new(Encoding::Lines, Side::Worker, LIMITS);
    let most = LIMITS.frame as usize;
    fed(&mut decoder, &vec![b' '; most], 1 << 16, |_| panic!()).unwrap();
    let refused = fed(&mut decoder, b" ", 1, |_| panic!()).unwrap_err();
    assert!(matches!(refused, Wrong::TooLarge(TooLarge { limit: Limit::Frame, .. })));
    assert!(decoder.held() <= most + 32 * 1024, "{}", decoder.held());
}

#[test]
fn what_was_needed_for_a_large_frame_is_given_back() {
    for encoding in BOTH {
        let operation = Operation::Call { service: "s".into(), body: vec![record(1024 * 1024)] };
        let bytes = written(encoding, &crate::ground::ask(operation));
        let mut decoder = Decoder::new(encoding, Side::Worker, LIMITS);
        fed(&mut decoder, &bytes, 1 << 16, |_| {}).unwrap();
        assert!(decoder.held() >= bytes.len());
        assert!(!decoder.room().is_empty());
        assert!(decoder.held() <= 256 * 1024, "{}", decoder.held());
    }
}

#[test]
fn so_many_values_stand_in_a_frame_and_no_more() {
    let half = VALUES / 2;
    let wide = Limits { rows: u32::MAX, ..LIMITS };
    let sql = |rows: u32| Operation::Sql {
        text: "".into(),
        rows: Grid::new(16, vec![Value::Null; rows as usize]).unwrap(),
    };
    for encoding in BOTH {
        let frame = |more: u32| {
            let operations = vec![asked(sql(half)), asked(sql(half / 2 + more))];
            Frame::Ask(Ask { turn: Turn(1), operations })
        };
        assert_eq!(encoding.write(&frame(0), &wide, &mut Vec::new()), Ok(()), "{encoding:?}");
        let refused = encoding.write(&frame(half), &wide, &mut Vec::new()).unwrap_err();
        assert!(matches!(refused, Wrong::TooLarge(TooLarge { limit: Limit::Values, .. })));
    }
    assert!(Grid::new(1, vec![Value::Null; VALUES as usize + 1]).is_err());
}

#[test]
fn values_are_counted_over_the_operations_of_a_frame_before_memory_is_taken() {
    let rows = Grid::new(16, vec![Value::Null; VALUES as usize / 2]).unwrap();
    let one = crate::ground::ask(Operation::Sql { text: "".into(), rows });
    let mut bytes = written(Encoding::Binary, &one);
    let operation = bytes[16..].to_vec();
    bytes.extend_from_slice(&operation);
    bytes.extend_from_slice(&operation);
    let length = u32::try_from(bytes.len() - 16).unwrap();
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    bytes[6] = 3;
    let refused = crate::ground::wrong(Encoding::Binary, Side::Worker, &bytes);
    // The three operations count too, so the second grid finds three less than half.
    let (size, most) = (VALUES / 2, VALUES / 2 - 3);
    assert_eq!(refused, TooLarge { limit: Limit::Values, size, most }.into());
}

#[test]
fn a_grid_that_announces_more_than_is_there_takes_no_memory() {
    let cases = [(u16::MAX, u32::MAX, Limit::Values), (1, VALUES + 1, Limit::Values)];
    for (columns, rows, limit) in cases {
        let refused = told(columns, rows).unwrap_err();
        assert!(matches!(refused, Wrong::TooLarge(one) if one.limit == limit), "{refused:?}");
    }
    assert_eq!(told(1, 1000), Err(Wrong::Short));
    assert_eq!(told(0, 2), Err(Wrong::Shape), "rows without columns are none or one");
    assert_eq!(told(0, u32::MAX), Err(Wrong::Shape));
    assert_eq!(told(3, 0), Err(Wrong::Shape));
    assert_eq!(told(0, 1), Ok(()));
    assert_eq!(told(0, 0), Ok(()));
}

/// A statement whose grid announces this and has nothing.
fn told(columns: u16, rows: u32) -> Result<(), Wrong> {
    let operation = Operation::Sql { text: "".into(), rows: Grid::default() };
    let mut bytes = written(Encoding::Binary, &crate::ground::ask(operation));
    let at = bytes.len() - 6;
    bytes[at..at + 2].copy_from_slice(&columns.to_le_bytes());
    bytes[at + 2..].copy_from_slice(&rows.to_le_bytes());
    let mut decoder = Decoder::new(Encoding::Binary, Side::Worker, LIMITS);
    fed(&mut decoder, &bytes, 1000, |_| {})
}

#[test]
fn a_package_may_ask_for_larger_records_up_to_a_limit() {
    assert_eq!(Limits::with_record(1), Some(LIMITS));
    let largest = Limits::with_record(RECORD_MAX).unwrap();
    assert_eq!((largest.record, largest.frame), (RECORD_MAX, RECORD_MAX + 7 * 1024 * 1024));
    assert!(largest.hold() && LIMITS.hold());
    assert_eq!(Limits::with_record(RECORD_MAX + 1), None);
    for wrong in [
        Limits { record: RECORD_MAX + 1, ..largest },
        Limits { frame: u32::MAX, ..largest },
        Limits { operations: 4097, ..LIMITS },
        Limits { depth: 0, ..LIMITS },
        Limits { calls: 2, ..LIMITS },
        Limits { frame: 1024, ..LIMITS },
    ] {
        assert!(!wrong.hold(), "{wrong:?}");
        let mut decoder = Decoder::new(Encoding::Binary, Side::Engine, LIMITS);
        assert_eq!(decoder.adopt(wrong), Err(Wrong::Shape));
    }
    let mut decoder = Decoder::new(Encoding::Binary, Side::Worker, LIMITS);
    decoder.adopt(largest).unwrap();
    let operation = Operation::Call { service: "s".into(), body: vec![record(RECORD_MAX)] };
    let mut bytes = Vec::new();
    Encoding::Binary.write(&crate::ground::ask(operation), &largest, &mut bytes).unwrap();
    let mut seen = 0;
    fed(&mut decoder, &bytes, 1 << 20, |_| seen += 1).unwrap();
    assert_eq!(seen, 1);
}

#[test]
fn each_code_has_its_number_and_its_two_characters() {
    for code in Code::ALL {
        assert_eq!(Code::of(code.number()), Some(code));
        let text = format!("{:02}", code.number());
        assert_eq!(text.as_bytes(), code.characters());
    }
    assert_eq!(Code::NotInThisVersion.number(), 74);
    assert_eq!(Code::of(1), None);
}
