//! All parameters of a program as one body, and what the body says in sixteen bytes.

use proptest::prelude::*;
use tsugi_record::Conversion;
use tsugi_record::code_page::{CodePage, Wave};
use tsugi_record::conversion::{Missing, Numbers};
use tsugi_record::dialect::Dialect;
use tsugi_record::json::Shape;
use tsugi_record::parameters::{
    BYTES_MAX, Content, Direction, Improper, PARAMETERS_MAX, Parameter, Parameters,
};
use tsugi_record::source::{self, Form};
use tsugi_record::unfit::Misfit;

use super::sjis;

const PROGRAM: &str = "LINKAGE SECTION.
    77 KEY-NO PIC X(4).
    01 ORDER-REC.
       05 QTY PIC S9(3) COMP-3.
       05 RATE COMP-2.
       05 TEXT PIC X(6).
       05 BOTH REDEFINES TEXT. 10 ONE PIC 9(3). 10 TWO PIC 9(3).
    01 RESULT. 05 N PIC 9. 05 T PIC X(2) OCCURS 1 TO 3 DEPENDING ON N.
    PROCEDURE DIVISION USING KEY-NO ORDER-REC RESULT.";

fn list(text: &str) -> Vec<Parameter> {
    let interface = source::read(text, Form::Free, Dialect::DEFAULT).unwrap();
    interface.parameters.into_iter().map(Parameter::of).collect()
}

fn parameters(conversion: Conversion) -> Parameters {
    let mut list = list(PROGRAM);
    list[0].direction = Direction::In;
    list[2].direction = Direction::Out;
    Parameters::new(list, conversion).unwrap()
}

const BODY: &str = r#"{"key_no":"K1","order_rec":{"qty":-12,"rate":0.5,"text":"ab"}}"#;

fn content(body: &str) -> Content {
    let parameters = parameters(sjis());
    let records = parameters.records(body.as_bytes()).unwrap();
    parameters.content("ORDERS", &records).unwrap()
}

#[test]
fn a_body_is_a_record_for_each_parameter_and_the_answer_is_those_that_are_filled() {
    let parameters = parameters(sjis());
    let mut records = parameters.records(BODY.as_bytes()).unwrap();
    let order = [&b"\x01\x2d"[..], &0.5_f64.to_le_bytes(), b"ab    "].concat();
    assert_eq!(records, [b"K1  ".to_vec(), order, b"1      ".to_vec()]);
    records[1][2..10].copy_from_slice(&1.25_f64.to_le_bytes());
    records[2] = b"2xxyyzz".to_vec();
    let answer =
        r#"{"order_rec":{"qty":-12,"rate":1.25,"text":"ab"},"result":{"n":2,"t":["xx","yy"]}}"#;
    assert_eq!(parameters.answer(&records), Ok(answer.to_owned()));
    records[2][0] = b'9';
    assert_eq!(parameters.answer(&records).unwrap_err().path, "result.t");
    records.pop();
    let missing = parameters.answer(&records).unwrap_err();
    assert_eq!((missing.path.as_str(), missing.why), ("result", Misfit::Missing));
}

#[test]
fn what_does_not_fit_a_body_is_named_by_its_path() {
    let parameters = parameters(sjis());
    let with = |from: &str, to: &str| BODY.replace(from, to);
    for (body, path, why) in [
        (with("\"K1\"", "\"K1234\""), "key_no", Misfit::Long { bytes: 5, most: 4 }),
        (
            with("-12", "-1200"),
            "order_rec.qty",
            Misfit::Digits { value: "-1200".to_owned(), digits: 3, scale: 0 },
        ),
        (with("\"key_no\":\"K1\",", ""), "key_no", Misfit::Missing),
        (
            with("\"key_no\"", "\"no\":1,\"key_no\""),
            "no",
            Misfit::Unknown { name: "no".to_owned() },
        ),
        (with("\"key_no\"", "\"result\":{},\"key_no\""), "result", Misfit::OnlyAnswered),
        ("7".to_owned(), "", Misfit::Kind { expected: Shape::Object, found: Shape::Number }),
    ] {
        let refused = parameters.records(body.as_bytes()).unwrap_err();
        assert_eq!((refused.path.as_str(), refused.why), (path, why), "{body}");
    }
}

#[test]
fn a_parameter_that_is_missing_may_be_spaces_and_zeros() {
    let initial = parameters(Conversion { missing: Missing::Initial, ..sjis() });
    let records = initial.records(b"{}").unwrap();
    assert_eq!(records[0], b"    ");
    assert_eq!(records[1][..2], [0x00, 0x0c]);
}

#[test]
fn parameters_that_would_make_a_body_ambiguous_are_refused() {
    let name = |name: &str| name.to_owned();
    let same = || {
        let mut list = list(PROGRAM);
        list[1].json = name("key_no");
        list
    };
    let nameless = || {
        let mut list = list(PROGRAM);
        list[1].json = String::new();
        list
    };
    let choose = |names: &[&str]| Conversion {
        chosen: names.iter().map(|name| (*name).to_owned()).collect(),
        ..sjis()
    };
    let long = "LINKAGE SECTION. 01 A PIC X(1048576). PROCEDURE DIVISION USING A.";
    let large = || {
        let at = |at| Parameter { json: format!("a{at}"), ..list(long).remove(0) };
        (0..5).map(at).collect::<Vec<_>>()
    };
    let one = list(PROGRAM).remove(0);
    let at = |at| Parameter { json: format!("a{at}"), ..one.clone() };
    let many: Vec<_> = (0..=PARAMETERS_MAX).map(at).collect();
    for (list, conversion, why) in [
        (same(), sjis(), Improper::SameName { name: name("key_no") }),
        (nameless(), sjis(), Improper::NoName),
        (list(PROGRAM), choose(&["ONE"]), Improper::NotChosen { name: name("ONE") }),
        (list(PROGRAM), choose(&["both"]), Improper::NotChosen { name: name("both") }),
        (list(PROGRAM), choose(&["BOTH", "TEXT"]), Improper::BothChosen { name: name("BOTH") }),
        (large(), sjis(), Improper::Large { bytes: 5 << 20 }),
        (many, sjis(), Improper::Many),
    ] {
        assert_eq!(Parameters::new(list, conversion).unwrap_err(), why);
    }
    assert!(Parameters::new(large().split_off(1), sjis()).is_ok(), "{BYTES_MAX}");
    let chosen = Parameters::new(list(PROGRAM), choose(&["BOTH"])).unwrap();
    let records =
        [b"    ".to_vec(), b"\x00\x0c\0\0\0\0\0\0\0\x00001002".to_vec(), b"1      ".to_vec()];
    let answer = chosen.answer(&records).unwrap();
    assert!(answer.contains(r#""both":{"one":1,"two":2}"#), "{answer}");
}

#[test]
fn bodies_that_say_the_same_have_the_same_content_and_others_have_not() {
    let one = content(BODY);
    for same in [
        BODY.replace("-12", "\"-012.0\""),
        BODY.replace("\"K1\"", "\"K1  \""),
        BODY.replace("0.5", "5e-1"),
        r#"{ "order_rec": {"text":"ab", "rate":0.50, "qty":-12}, "key_no":"\u004b1" }"#.to_owned(),
    ] {
        assert_eq!(content(&same), one, "{same}");
    }
    for other in [
        BODY.replace("-12", "12"),
        BODY.replace("K1", "k1"),
        BODY.replace("0.5", "0.25"),
        BODY.replace("\"ab\"", "\" ab\""),
    ] {
        assert_ne!(content(&other), one, "{other}");
    }
    let zero = |sign: &str| content(&BODY.replace("0.5", &format!("{sign}0.0")));
    assert_eq!(zero("-"), zero(""));
    let parameters = parameters(sjis());
    let records = parameters.records(BODY.as_bytes()).unwrap();
    assert_ne!(parameters.content("ORDER", &records), Ok(one));
    // What only the program fills is no part of it.
    let mut answered = records.clone();
    answered[2] = b"2xxyyzz".to_vec();
    assert_eq!(parameters.content("ORDERS", &answered), Ok(one));
}

#[test]
fn what_a_body_says_does_not_depend_on_how_answers_are_written() {
    let body = BODY.replace("\"ab\"", "\"～\"");
    let of = |conversion| {
        let parameters = parameters(conversion);
        let records = parameters.records(body.as_bytes()).unwrap();
        parameters.content("ORDERS", &records).unwrap()
    };
    let one = of(sjis());
    assert_eq!(of(Conversion { wave: Wave::Jis, ..sjis() }), one);
    assert_eq!(of(Conversion { numbers: Numbers::Texts, ..sjis() }), one);
    assert_eq!(of(Conversion::of(CodePage::EucJp)), one);
}

#[test]
fn the_digest_is_made_as_its_version_says() {
    // sha256 of the version and of each part behind its length, its first half.
    let expected = "3c81f40f50630cd0653dd989c0d69d8d";
    let hex: String = content(BODY).0.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, expected);
}

proptest! {
    /// A body that is taken always has a content, and its own answer has the same.
    #[test]
    fn what_is_taken_has_a_content(
        key in "[ -~\u{3042}-\u{3093}\u{ff61}-\u{ff9f}]{0,4}",
        qty in -999..=999_i32,
        rate in any::<f64>(),
    ) {
        prop_assume!(rate.is_finite());
        let list = list(PROGRAM);
        let parameters = Parameters::new(list[..2].to_vec(), sjis()).unwrap();
        let key = serde_json::to_string(&key).unwrap();
        let rate = serde_json::to_string(&rate).unwrap();
        let order = format!(r#"{{"qty":{qty},"rate":{rate},"text":""}}"#);
        let body = format!(r#"{{"key_no":{key},"order_rec":{order}}}"#);
        if let Ok(records) = parameters.records(body.as_bytes()) {
            let content = parameters.content("S", &records);
            prop_assert!(content.is_ok());
            let answer = parameters.answer(&records).unwrap();
            let again = parameters.records(answer.as_bytes()).unwrap();
            prop_assert_eq!(parameters.content("S", &again), content);
        }
    }

    #[test]
    fn any_body_and_any_records_are_taken_or_refused(
        body in "[\\[\\]{}\",:a-z_0-9.eE+-]{0,60}",
        bytes in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let parameters = parameters(sjis());
        let _records = parameters.records(body.as_bytes());
        for at in 0..3 {
            let long = usize::try_from(parameters.list()[at].layout.bytes()).unwrap();
            let mut record = bytes.clone();
            record.resize(long, 0x31);
            let mut records = vec![Vec::new(); at];
            records.push(record);
            let _answer = parameters.answer(&records);
            let _content = parameters.content("S", &records);
        }
    }
}
