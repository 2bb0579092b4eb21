//! One frame of each sort, any frame, and a talk of several.

use std::borrow::Cow;

use proptest::collection::vec;
use proptest::prelude::*;

use tsugi_frames::{
    Access, Answer, Ask, Asked, Begin, Bytes, Call, Class, Code, Decoder, Done, Duplicates, Edge,
    Encoding, Failed, File, FileOperation, FileResult, Frame, Grid, Hash, Hello, Key, Leave,
    Limits, Meant, Mode, Open, Operation, Optional, Organization, Outcome, Part, Placing, Ready,
    Record, Relation, Reply, Rest, Rows, Runs, Service, Shape, Side, Stand, Trouble, Turn, Value,
    Versions, Waits, Welcome, Wrong,
};

pub const BOTH: [Encoding; 2] = [Encoding::Binary, Encoding::Lines];
pub const LIMITS: Limits = Limits::DEFAULT;

/// The bytes of a frame.
pub fn written(encoding: Encoding, frame: &Frame<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    encoding.write(frame, &LIMITS, &mut bytes).unwrap();
    bytes
}

/// Gives `bytes` to a decoder in pieces of `piece` and hands each frame to `with`.
pub fn fed(
    decoder: &mut Decoder,
    bytes: &[u8],
    piece: usize,
    mut with: impl FnMut(Frame<'_>),
) -> Result<(), Wrong> {
    for part in bytes.chunks(piece.max(1)) {
        let mut left = part;
        while !left.is_empty() {
            let taken = decoder.feed(left);
            left = &left[taken..];
            while let Some(frame) = decoder.frame()? {
                with(frame);
            }
        }
    }
    Ok(())
}

/// What a decoder makes of `bytes`: whether each of `expected` came out, and nothing else.
pub fn read(encoding: Encoding, says: Side, bytes: &[u8], expected: &[Frame<'_>]) {
    let mut decoder = Decoder::new(encoding, says, LIMITS);
    let mut left = expected.iter();
    fed(&mut decoder, bytes, bytes.len(), |frame| assert_eq!(Some(&frame), left.next())).unwrap();
    assert_eq!((left.len(), decoder.pending()), (0, 0));
}

/// The first thing that is wrong with `bytes`.
pub fn wrong(encoding: Encoding, says: Side, bytes: &[u8]) -> Wrong {
    let mut decoder = Decoder::new(encoding, says, LIMITS);
    fed(&mut decoder, bytes, bytes.len(), |_| {}).unwrap_err()
}

pub fn asked(operation: Operation<'_>) -> Asked<'_> {
    Asked { waits: Waits::Yes, slot: 0, operation }
}

pub fn ask(operation: Operation<'_>) -> Frame<'_> {
    Frame::Ask(Ask { turn: Turn(7), operations: vec![asked(operation)] })
}

pub fn begin(turn: u64) -> Frame<'static> {
    let call = Call {
        service: 0,
        id: "shop-1/1800000000123/339".into(),
        parent: "".into(),
        client: "shop-1".into(),
        epoch: 41,
        attempt: 2,
        left_ms: 2_990,
        catalogue: 3,
        parameters: vec!["APPFILE01 ".into(), vec![0xff, 0, 0x12, 0x3c].into()],
    };
    Frame::Begin(Begin { turn: Turn(turn), calls: vec![call] })
}

pub fn done(turn: u64) -> Frame<'static> {
    let reply = Reply { return_code: -4, parameters: vec!["0000000041".into()] };
    let open = Open { slot: 2, file: 1, mode: Mode::InputOutput };
    let last = Asked {
        waits: Waits::No,
        slot: 1,
        operation: Operation::File(FileOperation::Rewrite {
            meant: Meant::LastRead,
            place: "".into(),
            record: "000001 0000000041".into(),
        }),
    };
    let (operations, replies) = (vec![last], vec![reply]);
    Frame::Done(Done { turn: Turn(turn), operations, replies, open: vec![open] })
}

pub fn hello(versions: Versions) -> Frame<'static> {
    Frame::Hello(Hello {
        versions,
        pid: 4321,
        runs: Runs::Cobol,
        libcob: "3.1.2".into(),
        can: 0,
        modules: vec![Hash([0xab; 32])],
    })
}

fn primary(part: Part) -> Key {
    Key { duplicates: Duplicates::Refused, suppressed: None, parts: vec![part] }
}

pub fn welcome(group: &str, node: &str) -> Frame<'static> {
    let service = Service {
        index: 0,
        name: "CBLAPP01".into(),
        module: "modules/CBLAPP01.so".into(),
        entry: "CBLAPP01".into(),
        parameters: vec![20, 10, 20, 10],
        layout: Hash([0x5a; 32]),
    };
    let part = Part { offset: 0, length: 6 };
    let file = File {
        index: 1,
        name: "APPFILE01".into(),
        organization: Organization::Indexed,
        shortest: 16,
        longest: 16,
        keys: vec![
            primary(part),
            Key {
                duplicates: Duplicates::Allowed,
                suppressed: Some(b' '),
                parts: vec![part, Part { offset: 9, ..part }],
            },
        ],
    };
    Frame::Welcome(Welcome {
        versions: Versions::CURRENT,
        limits: LIMITS,
        group: group.to_owned().into(),
        node: node.to_owned().into(),
        code_page: "shift_jis".into(),
        time_zone: "Asia/Tokyo".into(),
        services: vec![service],
        files: vec![file],
    })
}

fn statements() -> Frame<'static> {
    let row = |n: i64| {
        vec![
            Value::Integer(n),
            Value::Null,
            Value::Real(1.5),
            Value::Text("給与 \"x\"".into()),
            Value::Bytes(Cow::Owned(vec![0xff, 0])),
            Value::Decimal("-12.30".into()),
        ]
    };
    let rows = Grid::new(6, [row(1), row(i64::MIN)].concat()).unwrap();
    let text = "insert into t values (?1, ?2, ?3, ?4, ?5, ?6)".into();
    let insert = Asked { waits: Waits::No, slot: 3, operation: Operation::Sql { text, rows } };
    let select = Operation::Sql { text: "select 1".into(), rows: Grid::once() };
    let call = Operation::Call { service: "CBLAPP02".into(), body: vec!["x".into(), "".into()] };
    let log = Operation::Log { level: 1, text: "one line\n".into() };
    let operations = vec![
        insert,
        asked(select),
        Asked { slot: 3, ..asked(Operation::More { rows: 10 }) },
        asked(call),
        Asked { waits: Waits::No, ..asked(log) },
        Asked { waits: Waits::No, ..asked(Operation::Abort { text: "no money".into() }) },
    ];
    Frame::Ask(Ask { turn: Turn(7), operations })
}

fn reserved() -> Frame<'static> {
    let name = || Cow::Borrowed("tonight");
    let operations = vec![
        asked(Operation::Put { queue: "out".into(), body: "b".into(), key: "k".into() }),
        asked(Operation::TimerSet {
            name: name(),
            at_ms: 1_800_000_000_000,
            service: "CBLAPP01".into(),
            body: "b".into(),
        }),
        asked(Operation::TimerCancel { name: name() }),
        asked(Operation::Data { out: None }),
        asked(Operation::Data { out: Some("datum".into()) }),
    ];
    Frame::Ask(Ask { turn: Turn(7), operations })
}

fn open(shape: Option<Shape>) -> FileOperation<'static> {
    FileOperation::Open {
        file: 3,
        mode: Mode::Extend,
        access: Access::Sequential,
        optional: Optional::Yes,
        shape,
    }
}

fn files() -> Frame<'static> {
    let shape = Shape {
        organization: Organization::Indexed,
        shortest: 16,
        longest: 20,
        keys: vec![primary(Part { offset: 0, length: 6 })],
    };
    let key = || Bytes::from("000001");
    let file = |file| Asked { slot: 1, ..asked(Operation::File(file)) };
    let operations = vec![
        file(FileOperation::Read { key: 0, value: key() }),
        file(FileOperation::Next {
            records: 64,
            stand: Stand::Opened,
            edge: Edge::Inside,
            largest: None,
        }),
        file(FileOperation::Previous {
            records: 1,
            stand: Stand::Passed,
            edge: Edge::End,
            largest: Some(9_999),
        }),
        file(FileOperation::Start { key: 1, relation: Relation::AtMost, value: key() }),
        file(FileOperation::Write { placing: Placing::Ascending, place: "".into(), record: key() }),
        file(FileOperation::Rewrite { meant: Meant::LastRead, place: "".into(), record: key() }),
        file(FileOperation::Delete { meant: Meant::ByKey, place: key() }),
        file(open(None)),
        file(open(Some(shape))),
        file(FileOperation::Remove {}),
    ];
    Frame::Ask(Ask { turn: Turn(7), operations })
}

fn answer() -> Frame<'static> {
    let rows = Grid::new(2, vec![Value::Integer(41), Value::Text("x".into())]).unwrap();
    let record = |number| Record { number, record: vec![0x20, 0xff].into() };
    let results = vec![
        Outcome::Rows(Rows { changed: 0, rest: Rest::More, rows }),
        Outcome::Rows(Rows { changed: 2, rest: Rest::None, rows: Grid::default() }),
        Outcome::Reply(Reply { return_code: 0, parameters: vec!["41".into()] }),
        Outcome::File(FileResult {
            status: 2,
            number: Some(1),
            records: vec![record(1), record(2)],
        }),
        Outcome::File(FileResult { status: 23, number: None, records: vec![] }),
        Outcome::Trouble(Trouble {
            code: Code::Duplicate,
            sqlstate: "23505".into(),
            message: "TSUG20511-E".into(),
            text: "t.id".into(),
        }),
    ];
    Frame::Answer(Answer { turn: Turn(7), results })
}

/// One of each sort, under the name of its file in the corpus.
pub fn samples() -> Vec<(&'static str, Frame<'static>)> {
    vec![
        ("hello", hello(Versions::CURRENT)),
        ("welcome", welcome("ESSRV01", "node1")),
        ("ready", Frame::Ready(Ready {})),
        ("begin", begin(7)),
        ("ask-statements", statements()),
        ("ask-reserved", reserved()),
        ("ask-files", files()),
        ("answer", answer()),
        ("done", done(7)),
        (
            "failed",
            Frame::Failed(Failed {
                turn: Turn(7),
                class: Class::RunTimeError,
                code: 1,
                text: "subscript of 'T' out of bounds: 11".into(),
            }),
        ),
        ("leave", Frame::Leave(Leave {})),
    ]
}

fn text(longest: usize) -> impl Strategy<Value = Cow<'static, str>> {
    vec(any::<char>(), 0..=longest / 4).prop_map(|chars| chars.into_iter().collect())
}

fn bytes() -> impl Strategy<Value = Bytes<'static>> {
    prop_oneof![
        vec(any::<u8>(), 0..100).prop_map(Bytes::from),
        text(100).prop_map(|text| Bytes::from(text.into_owned().into_bytes())),
    ]
}

fn value() -> impl Strategy<Value = Value<'static>> {
    prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::Integer),
        any::<f64>().prop_filter("equal to itself", |f| !f.is_nan()).prop_map(Value::Real),
        text(40).prop_map(Value::Text),
        vec(any::<u8>(), 0..40).prop_map(|bytes| Value::Bytes(Cow::Owned(bytes))),
        "-?[0-9]{1,20}(\\.[0-9]{1,20})?".prop_map(|text| Value::Decimal(text.into())),
    ]
}

fn grid() -> impl Strategy<Value = Grid<'static>> {
    let whole = |(columns, rows): (u16, u32)| {
        let many = usize::from(columns) * rows as usize;
        vec(value(), many).prop_map(move |values| Grid::new(columns, values).unwrap())
    };
    prop_oneof![Just(Grid::once()), (1_u16..5, 0_u32..5).prop_flat_map(whole)]
}

fn operation() -> impl Strategy<Value = Operation<'static>> {
    let file = prop_oneof![
        (any::<u16>(), bytes()).prop_map(|(key, value)| FileOperation::Read { key, value }),
        (0_u16..=64, 0..Stand::ALL.len(), 0..Edge::ALL.len(), proptest::option::of(any::<u64>()))
            .prop_map(|(records, stand, edge, largest)| FileOperation::Next {
                records,
                stand: Stand::ALL[stand],
                edge: Edge::ALL[edge],
                largest,
            }),
        (any::<u16>(), 0..Relation::ALL.len(), bytes()).prop_map(|(key, at, value)| {
            FileOperation::Start { key, relation: Relation::ALL[at], value }
        }),
        (0..Placing::ALL.len(), bytes(), bytes()).prop_map(|(at, place, record)| {
            FileOperation::Write { placing: Placing::ALL[at], place, record }
        }),
        (0..Meant::ALL.len(), bytes())
            .prop_map(|(at, place)| FileOperation::Delete { meant: Meant::ALL[at], place }),
        (0..Mode::ALL.len(), 0..Access::ALL.len()).prop_map(|(mode, access)| {
            let (mode, access) = (Mode::ALL[mode], Access::ALL[access]);
            FileOperation::Open { file: 1, mode, access, optional: Optional::No, shape: None }
        }),
    ];
    prop_oneof![
        (text(400), grid()).prop_map(|(text, rows)| Operation::Sql { text, rows }),
        (0_u32..=10_000).prop_map(|rows| Operation::More { rows }),
        (text(32), vec(bytes(), 0..4))
            .prop_map(|(service, body)| Operation::Call { service, body }),
        (0_u8..=3, text(400)).prop_map(|(level, text)| Operation::Log { level, text }),
        (text(32), bytes(), bytes()).prop_map(|(queue, body, key)| Operation::Put {
            queue,
            body,
            key
        }),
        proptest::option::of(bytes()).prop_map(|out| Operation::Data { out }),
        file.prop_map(Operation::File),
    ]
}

fn some_asked() -> impl Strategy<Value = Asked<'static>> {
    let waits = prop_oneof![Just(Waits::Yes), Just(Waits::No)];
    (waits, any::<u16>(), operation()).prop_map(|(waits, slot, operation)| Asked {
        waits,
        slot,
        operation,
    })
}

fn outcome() -> impl Strategy<Value = Outcome<'static>> {
    let rest = prop_oneof![Just(Rest::None), Just(Rest::More)];
    let record = (any::<u64>(), bytes()).prop_map(|(number, record)| Record { number, record });
    let code = (1..Code::ALL.len()).prop_map(|at| Code::ALL[at]);
    prop_oneof![
        (any::<u64>(), rest, grid()).prop_map(|(changed, rest, rows)| Outcome::Rows(Rows {
            changed,
            rest,
            rows
        })),
        (any::<i32>(), vec(bytes(), 0..4)).prop_map(|(return_code, parameters)| {
            Outcome::Reply(Reply { return_code, parameters })
        }),
        (0_u8..100, proptest::option::of(any::<u64>()), vec(record, 0..4)).prop_map(
            |(status, number, records)| Outcome::File(FileResult { status, number, records })
        ),
        (code, text(100)).prop_map(|(code, text)| {
            let (sqlstate, message) = ("".into(), "".into());
            Outcome::Trouble(Trouble { code, sqlstate, message, text })
        }),
    ]
}

/// Any frame of the kinds that hold something of a program.
pub fn any_frame() -> impl Strategy<Value = Frame<'static>> {
    let call = (text(64), text(64), any::<u64>(), any::<u32>(), vec(bytes(), 0..5));
    let begin = (1_u64.., call).prop_map(|(turn, (id, client, epoch, attempt, parameters))| {
        let call = Call {
            service: 9,
            id,
            parent: "".into(),
            client,
            epoch,
            attempt,
            left_ms: attempt,
            catalogue: attempt,
            parameters,
        };
        Frame::Begin(Begin { turn: Turn(turn), calls: vec![call] })
    });
    let operations = || vec(some_asked(), 1..6);
    let ask = (1_u64.., operations())
        .prop_map(|(turn, operations)| Frame::Ask(Ask { turn: Turn(turn), operations }));
    let answer = (1_u64.., vec(outcome(), 1..6))
        .prop_map(|(turn, results)| Frame::Answer(Answer { turn: Turn(turn), results }));
    let done = (1_u64.., operations(), any::<i32>(), vec(bytes(), 0..5)).prop_map(
        |(turn, operations, return_code, parameters)| {
            let replies = vec![Reply { return_code, parameters }];
            Frame::Done(Done { turn: Turn(turn), operations, replies, open: vec![] })
        },
    );
    let failed = (any::<u64>(), 0..Class::ALL.len(), any::<i32>(), text(400)).prop_map(
        |(turn, class, code, text)| {
            let class = Class::ALL[class];
            Frame::Failed(Failed { turn: Turn(turn), class, code, text })
        },
    );
    prop_oneof![begin, ask, answer, done, failed]
}
