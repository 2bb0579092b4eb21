//! Programs that are called with records: JSON outside, bytes inside.

use std::collections::BTreeMap;
use std::sync::Arc;

use tsugi_record::Conversion;
use tsugi_record::code_page::CodePage;
use tsugi_record::conversion::Missing;
use tsugi_record::dialect::Dialect;
use tsugi_record::parameters::{Direction, Parameter, Parameters};
use tsugi_record::source::{self, Form};
use tsugi_service_engine::worker::{Gave, Heard, Said};
use tsugi_service_engine::{Answer, Engine, Fatal, Interface, Records, Refused, SameBytes};
use tsugi_service_rules::id::InterfaceNumber;
use tsugi_service_rules::refusal::Busy;
use tsugi_store::Ending;
use tsugi_vocabulary::Span;

use super::support::{Puppets, Stand, call, counts, text, workers};

/// The service of the verification report.
pub const COUNTING: &str = include_str!("../../../../../samples/report/CBLAPP01.cbl");

/// A parameter of each direction, with an item of every usage in the one that is given.
const EVERY: &str = "LINKAGE SECTION.
    01 ASKED.
       05 T PIC X(6).
       05 R PIC X(4) JUSTIFIED RIGHT.
       05 N PIC N(3).
       05 D PIC S9(3)V9.
       05 L PIC S9(3) SIGN LEADING SEPARATE.
       05 C PIC S9(4) COMP.
       05 C3 PIC S9(5)V99 COMP-3.
       05 C5 PIC S9(4) COMP-5.
       05 CX PIC 99 COMP-X.
       05 C6 PIC 9(3) COMP-6.
       05 F1 COMP-1.
       05 F2 COMP-2.
       05 BC BINARY-CHAR UNSIGNED.
       05 BD BINARY-DOUBLE.
       05 ROW OCCURS 2. 10 Q PIC 9(3).
    01 KEPT.
       05 SUM-OF PIC S9(7)V99 COMP-3.
    01 TOLD PIC 9(10).
    PROCEDURE DIVISION USING ASKED KEPT TOLD.";

const ASKED: &str = r#"{"asked":{"t":"abc","r":"xy","n":"継ぎ手","d":-1.5,"l":-12,"c":-300,
    "c3":12.34,"c5":7,"cx":200,"c6":45,"f1":0.5,"f2":-0.25,"bc":255,"bd":-9,
    "row":[{"q":1},{"q":2}]},"kept":{"sum_of":1.5}}"#;

/// The bytes that a program is given for it, as GnuCOBOL has them.
const GIVEN: &[u8] = b"abc     xy\x8c\x70\x82\xac\x8e\xe8001u-012\xfe\xd4\x00\x01\x23\x4c\x07\x00\
    \xc8\x00\x45\x00\x00\x00\x3f\x00\x00\x00\x00\x00\x00\xd0\xbf\xff\xf7\xff\xff\xff\xff\xff\xff\
    \xff001002";

fn parameters(text: &str, directions: &[Direction], conversion: Conversion) -> Parameters {
    let form = if text == COUNTING { Form::Fixed } else { Form::Free };
    let interface = source::read(text, form, Dialect::MF).unwrap();
    let list = interface.parameters.into_iter().map(Parameter::of).zip(directions);
    let list = list.map(|(parameter, direction)| Parameter { direction: *direction, ..parameter });
    Parameters::new(list.collect(), conversion).unwrap()
}

fn shift_jis() -> Conversion {
    Conversion::of(CodePage::ShiftJis)
}

pub fn counting() -> Parameters {
    parameters(COUNTING, &[Direction::Out; 4], shift_jis())
}

fn every(conversion: Conversion) -> Parameters {
    let directions = [Direction::In, Direction::InOut, Direction::Out];
    parameters(EVERY, &directions, conversion)
}

pub fn records(parameters: Parameters) -> Records {
    Records::new((InterfaceNumber(1), parameters), BTreeMap::new())
}

fn read(of: &Records, body: &str) -> Result<tsugi_service_engine::Read, Refused> {
    of.read("orders", &body.as_bytes().into())
}

/// Carries out the next call that is begun: counts, and gives these parameters back.
fn played(puppets: &Puppets, gives: &[&[u8]]) -> Vec<Vec<u8>> {
    let (ear, begin) = puppets.begun();
    ear.hear(counts(&begin));
    let gave = Gave::Parameters(gives.iter().map(|one| one.to_vec()).collect::<Vec<_>>().into());
    ear.hear(Heard::Done(begin.turn, Vec::new().into(), gave));
    begin.given.parameters().iter().map(|one| one.to_vec()).collect()
}

struct Played {
    stand: Stand,
    puppets: Puppets,
    engine: Engine,
    _last: std::sync::mpsc::Receiver<Fatal>,
}

fn with(records: Records) -> Played {
    let mut stand = Stand::new();
    stand.interface = Arc::new(records);
    let puppets = Puppets::default();
    let (engine, last) = stand.engine_with(workers(1), Box::new(puppets.clone()), |_| {});
    Played { stand, puppets, engine, _last: last }
}

/// As a shared library has it, which has one body.
#[tokio::test]
async fn a_program_with_one_body_is_given_its_records_one_behind_the_other() {
    let Played { stand, puppets, engine, _last } = with(records(counting()).together());
    let calls = engine.calls();
    let program = std::thread::spawn(move || {
        let left = b"06/08/03 13:09:25.66CBLAPP01  host2\0              0000000339";
        [&left[..], &left[1..]].map(|left| played(&puppets, &[left]))
    });
    let first = call(&calls, 1, "{}").await;
    let body = text(&first);
    assert!(body.ends_with(r#""lk_hostname":"host2","lk_counter":339}"#), "{body}");
    // A record of another length is none, and nothing of its call stays.
    let second = call(&calls, 2, "{}").await;
    assert!(text(&second).contains("a record of 59 bytes in place of 60"), "{second:?}");
    let record = [&[b' '; 50][..], b"0000000000"].concat();
    assert_eq!(program.join().unwrap(), [[record.clone()], [record]]);
    assert_eq!(stand.value(), 1);
    engine.hand_over(Span::secs(1));
}

/// Another program calls both with a record for each parameter, and is told so many again.
#[test]
fn a_program_with_one_body_is_called_by_another_like_one_with_four_parameters() {
    let four: Vec<_> = [20, 10, 20, 10].map(|length| vec![b'1'; length]).into();
    let (apart, together) = (records(counting()), records(counting()).together());
    let given = |of: &Records| of.called(four.clone()).unwrap().parameters().len();
    assert_eq!([given(&apart), given(&together)], [4, 1]);
    assert_eq!(together.called(four.clone()).unwrap().first(), [b'1'; 60]);
    let told = |of: &Records, left: Vec<Vec<u8>>| of.returned(left.into());
    assert_eq!(told(&apart, four.clone()), Ok(four.clone().into()));
    assert_eq!(told(&together, vec![four.concat()]), Ok(four.clone().into()));
    let short = told(&together, vec![vec![b'1'; 59]]).unwrap_err();
    assert_eq!(short.why, "a record of 59 bytes in place of 60");
    let short = [&four[..3], &[vec![b'1'; 9]]].concat();
    for of in [apart, together] {
        let Err(Refused::DoesNotFit { field, .. }) = of.called(short.clone()) else {
            panic!("it fits")
        };
        assert_eq!(field, "lk_counter");
    }
}

#[tokio::test]
async fn the_reports_program_is_given_four_records_and_its_caller_json() {
    let Played { stand, puppets, engine, _last } = with(records(counting()));
    let calls = engine.calls();
    let program = std::thread::spawn(move || {
        let left: [&[u8]; 4] =
            [b"06/08/03 13:09:25.66", b"CBLAPP01  ", b"host2\0              ", b"0000000339"];
        played(&puppets, &left)
    });
    let first = call(&calls, 1, "{}").await;
    let given = program.join().unwrap();
    assert_eq!(given, [vec![b' '; 20], vec![b' '; 10], vec![b' '; 20], b"0000000000".to_vec()]);
    let expected = concat!(
        r#"{"lk_datetime":"06/08/03 13:09:25.66","lk_pgmname":"CBLAPP01","#,
        r#""lk_hostname":"host2","lk_counter":339}"#
    );
    let Answer::Reply(reply) = &first else { panic!("{first:?}") };
    assert_eq!(
        (text(&first).as_str(), reply.content_type.as_str()),
        (expected, "application/json")
    );
    assert_eq!(call(&calls, 1, " { } ").await, first, "the same, in other bytes");
    let refused = call(&calls, 2, r#"{"lk_counter":7}"#).await;
    let why = r#"{"refused":"only-answered"}"#.to_owned();
    assert_eq!(
        refused,
        Answer::Refused(Refused::DoesNotFit { field: "lk_counter".to_owned(), why })
    );
    assert_eq!(stand.value(), 1);
    engine.hand_over(Span::secs(1));
}

/// What a reply says is made before it is stored: no later interface changes it.
#[tokio::test]
async fn a_retry_is_told_the_same_bytes_by_a_later_interface() {
    let now = |named: &str| {
        let mut list = counting().list().to_vec();
        list[3].json = named.to_owned();
        Parameters::new(list, shift_jis()).unwrap()
    };
    let Played { mut stand, puppets, engine, _last } = with(records(now("counter")));
    let left: [&[u8]; 4] = [&[b' '; 20], b"CBLAPP01  ", &[b' '; 20], b"0000000001"];
    let (of, calls) = (puppets.clone(), engine.calls());
    let program = std::thread::spawn(move || played(&of, &left));
    let first = call(&calls, 1, "{}").await;
    program.join().unwrap();
    assert!(text(&first).ends_with(r#""counter":1}"#), "{first:?}");
    engine.hand_over(Span::secs(1));

    let former = BTreeMap::from([(InterfaceNumber(1), now("counter"))]);
    stand.interface = Arc::new(Records::new((InterfaceNumber(2), now("number")), former));
    let (engine, _last) = stand.engine_with(workers(1), Box::new(puppets.clone()), |_| {});
    let calls = engine.calls();
    assert_eq!(call(&calls, 1, "{}").await, first);
    let program = std::thread::spawn(move || played(&puppets, &left));
    let second = call(&calls, 2, "{}").await;
    program.join().unwrap();
    assert!(text(&second).ends_with(r#""number":1}"#), "{second:?}");
    assert_eq!(stand.value(), 2);
    engine.hand_over(Span::secs(1));
}

/// A former body is compared by the interface that read it, and nothing is guessed where that is
/// not known any more.
#[test]
fn a_former_interface_says_what_a_body_said_to_it() {
    let former = parameters(EVERY, &[Direction::In, Direction::In, Direction::In], shift_jis());
    let of_former = records(former.clone());
    let body = ASKED.replace("\"kept\"", "\"told\":1,\"kept\"");
    let said = read(&of_former, &body).unwrap().content;
    let known = BTreeMap::from([(InterfaceNumber(1), former)]);
    let later = Records::new((InterfaceNumber(2), every(shift_jis())), known);
    let by = |body: &str, number| later.former("orders", body.as_bytes(), InterfaceNumber(number));
    assert_eq!(by(&body, 1), Ok(said));
    assert_ne!(by(&body.replace("\"told\":1", "\"told\":2"), 1), Ok(said));
    assert_eq!(by(ASKED, 1), Err(Refused::OtherBody), "it was not taken by that one");
    assert_eq!(by(ASKED, 2), Ok(read(&later, ASKED).unwrap().content));
    let unread = Err(Refused::Busy(Busy::NotComparable));
    assert_eq!(by(ASKED, 3), unread, "nobody knows it, so that nobody may say it is another");
    assert_eq!(SameBytes.former("orders", b"{}", InterfaceNumber(3)), unread);
}

#[test]
fn every_usage_is_handed_over_and_told_as_the_program_has_it() {
    let records = records(every(shift_jis()));
    let read = read(&records, ASKED).unwrap();
    let given: Vec<_> = read.given.parameters().iter().map(|one| one.to_vec()).collect();
    assert_eq!(given, [GIVEN.to_vec(), b"\x00\x00\x00\x15\x0c".to_vec(), b"0000000000".to_vec()]);
    let left = [GIVEN, b"\x00\x00\x12\x34\x5d", b"0000000042"];
    let gave = Gave::Parameters(left.iter().map(|one| one.to_vec()).collect::<Vec<_>>().into());
    let said = records.reply(gave).unwrap();
    let expected = r#"{"kept":{"sum_of":-123.45},"told":42}"#;
    assert_eq!(String::from_utf8(said.body).unwrap(), expected, "what is only given is not told");
}

#[test]
fn bodies_that_say_the_same_in_other_words_are_the_same_call() {
    let conversion = Conversion { missing: Missing::Initial, ..shift_jis() };
    let records = records(every(conversion));
    let content = |body: &str| read(&records, body).unwrap().content;
    let said = content(ASKED);
    for (from, to) in [
        (r#""d":-1.5"#, r#""d":-1.50"#),
        (r#""l":-12"#, r#""l":"-12""#),
        (r#""c":-300"#, r#""c":-3e2"#),
        (r#""t":"abc","r":"xy""#, r#""r":"xy","t":"abc""#),
        (r#""t":"abc""#, r#""t":"ab\u0063""#),
        (r#""t":"abc""#, r#""t":"abc  ""#),
        (r#""f1":0.5"#, r#""f1":5e-1"#),
        ("\n", " "),
    ] {
        assert!(ASKED.contains(from), "{from}");
        assert_eq!(content(&ASKED.replace(from, to)), said, "{to}");
    }
    let without = |from: &str, named: &str| {
        assert_eq!(
            content(&ASKED.replace(from, named)),
            content(&ASKED.replace(from, "")),
            "{named}"
        );
    };
    without(r#""l":-12,"#, r#""l":0,"#);
    without(r#""t":"abc","#, r#""t":"","#);
    without(r#","kept":{"sum_of":1.5}"#, r#","kept":{}"#);
    for (from, to) in [
        (r#""l":-12"#, r#""l":12"#),
        (r#""c6":45"#, r#""c6":46"#),
        (r#"{"q":1},{"q":2}"#, r#"{"q":2},{"q":1}"#),
        (r#""sum_of":1.5"#, r#""sum_of":1.51"#),
    ] {
        assert_ne!(content(&ASKED.replace(from, to)), said, "{to}");
    }
    let other = records.read("others", &ASKED.as_bytes().into()).unwrap().content;
    assert_ne!(other, said, "of another service");
}

#[test]
fn what_does_not_fit_is_named_by_its_path_and_nothing_is_run() {
    let records = records(every(shift_jis()));
    for (from, to, field, why) in [
        (
            r#"{"q":2}"#,
            r#"{"q":1000}"#,
            "asked.row[1].q",
            r#"{"refused":"digits","detail":{"value":"1000","digits":3,"scale":0}}"#,
        ),
        (r#""l":-12,"#, "", "asked.l", r#"{"refused":"missing"}"#),
        (
            r#""t":"abc""#,
            r#""t":"abcdefg""#,
            "asked.t",
            r#"{"refused":"long","detail":{"bytes":7,"most":6}}"#,
        ),
        (r#""kept":{"#, r#""told":1,"kept":{"#, "told", r#"{"refused":"only-answered"}"#),
        (
            r#""c5":7"#,
            r#""c5":true"#,
            "asked.c5",
            r#"{"refused":"kind","detail":{"expected":"number","found":"truth"}}"#,
        ),
    ] {
        let refused = read(&records, &ASKED.replace(from, to)).unwrap_err();
        let (field, why) = (field.to_owned(), why.to_owned());
        assert_eq!(refused, Refused::DoesNotFit { field, why }, "{to}");
    }
    let large = format!("{{\"t\":\"{}\"}}", "x".repeat(1 << 20));
    let (size, most) = (large.len() as u64, 1 << 20);
    assert_eq!(read(&records, &large).unwrap_err(), Refused::TooLarge { size, most });
}

/// A program that leaves no number where one is due: told in part it would be a lie.
#[tokio::test]
async fn what_a_program_gives_back_and_is_no_answer_undoes_its_call() {
    let Played { stand, puppets, engine, _last } = with(records(counting()));
    let (of, calls) = (puppets.clone(), engine.calls());
    let left: [&[u8]; 4] = [&[b' '; 20], b"CBLAPP01  ", &[b' '; 20], b"00000003\x009"];
    let program = std::thread::spawn(move || played(&of, &left));
    let first = call(&calls, 1, "{}").await;
    program.join().unwrap();
    let Answer::Reply(reply) = &first else { panic!("{first:?}") };
    assert_eq!(reply.ending, Ending::Abnormal);
    assert!(text(&first).contains("lk_counter"), "{}", text(&first));
    assert_eq!(stand.value(), 0, "nothing of it is kept");
    assert_eq!(call(&calls, 1, "{}").await, first, "it is final");
    let program = std::thread::spawn(move || {
        let left: [&[u8]; 4] = [&[b' '; 20], b"CBLAPP01  ", &[b' '; 20], b"0000000339"];
        played(&puppets, &left)
    });
    assert!(text(&call(&calls, 2, "{}").await).contains("339"), "another worker goes on");
    program.join().unwrap();
    engine.hand_over(Span::secs(1));
}

/// A body in place of records is none, and records are none where nothing is known of them.
#[test]
fn what_comes_in_another_form_is_no_answer() {
    let records = records(counting());
    let said = Said { content_type: "text/plain".to_owned(), body: Vec::new() };
    assert!(records.reply(Gave::Body(said.clone())).is_err());
    assert!(records.reply(Gave::Parameters(vec![Vec::new()].into())).is_err());
    let same = tsugi_service_engine::SameBytes;
    assert_eq!(same.reply(Gave::Body(said.clone())), Ok(said));
    assert!(same.reply(Gave::Parameters(Vec::new().into())).is_err());
}
