//! Whole records as JSON, and when two of them are the same.

use tsugi_record::code_page::CodePage;
use tsugi_record::conversion::{Control, Conversion, Edited, Missing, Numbers};
use tsugi_record::dialect::Dialect;
use tsugi_record::field::Layout;
use tsugi_record::json::Shape;
use tsugi_record::unfit::Misfit;
use tsugi_record::{canonical, canonical_of, from_json, to_json};

use super::{layout, sjis};

const ORDER: &str = "
    05 ORDER-NO   PIC X(6).
    05 FILLER     PIC X(2).
    05 N-LINES    PIC 9(2).
    05 FILLER.
       10 CUSTOMER PIC X(4).
    05 TOTAL      PIC S9(5)V99 COMP-3.
    05 SHOWN      PIC ZZ9.99.
    05 LINES-T OCCURS 1 TO 3 DEPENDING ON N-LINES.
       10 ITEM    PIC X(3).
       10 QTY     PIC 9(2) OCCURS 2.";

const BODY: &str = r#"{"order_no":"A1","customer":"C9","total":-1.5,"lines_t":[
    {"item":"x","qty":[1,2]},{"item":"y","qty":[3,4]}]}"#;

fn refused(layout: &Layout, text: &str) -> (String, Misfit) {
    let error = from_json(layout, text.as_bytes(), &sjis()).unwrap_err();
    (error.path, error.why)
}

#[test]
fn a_record_is_an_object_and_its_tables_are_arrays() {
    let layout = layout(ORDER);
    let record = from_json(&layout, BODY.as_bytes(), &sjis()).unwrap();
    let expected = b"A1      02C9  \x00\x00\x15\x0d      x  0102y  0304   0000";
    assert_eq!(record, expected, "{}", String::from_utf8_lossy(&record));
    let json = to_json(&layout, &record, &sjis()).unwrap();
    assert_eq!(
        json,
        r#"{"order_no":"A1","n_lines":2,"customer":"C9","total":-1.5,"shown":"","lines_t":"#
            .to_owned()
            + r#"[{"item":"x","qty":[1,2]},{"item":"y","qty":[3,4]}]}"#
    );
}

#[test]
fn what_does_not_fit_is_named_by_its_path() {
    let layout = layout(ORDER);
    let with = |from: &str, to: &str| BODY.replace(from, to);
    let kind = |expected, found| Misfit::Kind { expected, found };
    for (text, path, why) in [
        (with("\"y\"", "\"yyyy\""), "lines_t[1].item", Misfit::Long { bytes: 4, most: 3 }),
        (
            with("[3,4]", "[3,\"b\"]"),
            "lines_t[1].qty[1]",
            Misfit::NotANumber { value: "b".to_owned() },
        ),
        (
            with("[3,4]", "[3]"),
            "lines_t[1].qty",
            Misfit::Occurrences { given: 1, least: 2, most: 2 },
        ),
        (with("\"item\":\"y\",", ""), "lines_t[1].item", Misfit::Missing),
        (with("\"item\":\"y\"", "\"item\":7"), "lines_t[1].item", kind(Shape::Text, Shape::Number)),
        (with("-1.5", "null"), "total", kind(Shape::Number, Shape::Null)),
        (with("\"total\":-1.5,", ""), "total", Misfit::Missing),
        (with("\"total\"", "\"totals\""), "totals", Misfit::Unknown { name: "totals".to_owned() }),
        (
            with("\"total\"", "\"filler\":1,\"total\""),
            "filler",
            Misfit::Unknown { name: "filler".to_owned() },
        ),
        (
            with("\"total\"", "\"total\":1,\"total\""),
            "",
            Misfit::SameName { name: "total".to_owned() },
        ),
        (with("\"total\"", "\"shown\":\"1.00\",\"total\""), "shown", Misfit::OnlyRead),
        (
            with("\"total\"", "\"n_lines\":3,\"total\""),
            "n_lines",
            Misfit::Count { on: "N-LINES".to_owned(), given: 2 },
        ),
        ("[]".to_owned(), "", kind(Shape::Object, Shape::Array)),
        (BODY.replace("[\n", "{\"a\":[\n"), "lines_t", Misfit::NotJson { at: 0 }),
    ] {
        let (seen, because) = refused(&layout, &text);
        if let Misfit::NotJson { .. } = why {
            assert!(matches!(because, Misfit::NotJson { .. }), "{text}");
        } else {
            assert_eq!((seen.as_str(), because), (path, why), "{text}");
        }
    }
    for given in [0, 4] {
        let lines = vec![r#"{"item":"x","qty":[1,2]}"#; given].join(",");
        let text = format!(r#"{{"order_no":"","customer":"","total":0,"lines_t":[{lines}]}}"#);
        let expected = ("lines_t".to_owned(), Misfit::Occurrences { given, least: 1, most: 3 });
        assert_eq!(refused(&layout, &text), expected);
    }
}

#[test]
fn a_count_that_agrees_may_be_given() {
    let layout = layout(ORDER);
    let text = BODY.replace("\"total\"", "\"n_lines\":2.0,\"total\"");
    assert_eq!(
        from_json(&layout, text.as_bytes(), &sjis()),
        from_json(&layout, BODY.as_bytes(), &sjis())
    );
}

#[test]
fn a_count_that_no_table_can_have_is_named() {
    let layout = layout(ORDER);
    let mut record = from_json(&layout, BODY.as_bytes(), &sjis()).unwrap();
    for (digits, value) in [(b"00", "0"), (b"04", "4")] {
        record[8..10].copy_from_slice(digits);
        let error = to_json(&layout, &record, &sjis()).unwrap_err();
        let (on, value) = ("N-LINES".to_owned(), value.to_owned());
        assert_eq!(
            (error.path.as_str(), error.why),
            ("lines_t", Misfit::CountOutside { on, value })
        );
    }
    record[8..10].copy_from_slice(b"  ");
    assert_eq!(to_json(&layout, &record, &sjis()).unwrap_err().path, "n_lines");
    let error = to_json(&layout, &record[1..], &sjis()).unwrap_err();
    let bytes = record.len() - 1;
    let expected = u32::try_from(record.len()).unwrap();
    assert_eq!(error.why, Misfit::RecordLength { bytes, expected });
}

#[test]
fn what_is_missing_may_stand_for_spaces_and_zeros() {
    let layout = layout(ORDER);
    let initial = Conversion { missing: Missing::Initial, ..sjis() };
    let record = from_json(&layout, b"{}", &initial).unwrap();
    let json = to_json(&layout, &record, &initial).unwrap();
    assert!(json.contains(r#""n_lines":1,"customer":"","total":0"#), "{json}");
    let text = br#"{"lines_t":[{"qty":[7]}]}"#;
    let json = to_json(&layout, &from_json(&layout, text, &initial).unwrap(), &initial).unwrap();
    assert!(json.ends_with(r#""lines_t":[{"item":"","qty":[7,0]}]}"#), "{json}");
}

#[test]
fn edited_text_is_taken_where_that_is_said() {
    let text = Conversion { edited: Edited::Text, ..sjis() };
    let layout = layout("05 E PIC ZZ9.");
    assert_eq!(from_json(&layout, br#"{"e":"  7"}"#, &text), Ok(b"  7".to_vec()));
    assert_eq!(from_json(&layout, b"{}", &text).unwrap_err().why, Misfit::Missing);
}

#[test]
fn of_items_over_the_same_bytes_one_is_shown() {
    let layout =
        layout("05 A PIC X(4). 05 B REDEFINES A. 10 Y PIC 9(2). 10 Z PIC 9(2). 05 C PIC X.");
    let first = sjis();
    let json = to_json(&layout, b"1234c", &first);
    assert_eq!(json, Ok(r#"{"a":"1234","c":"c"}"#.to_owned()));
    let error = from_json(&layout, br#"{"b":{"y":1,"z":2},"c":""}"#, &first).unwrap_err();
    let chosen = "a".to_owned();
    assert_eq!((error.path.as_str(), error.why), ("b", Misfit::OtherName { chosen }));
    let second = Conversion { chosen: ["B".to_owned()].into(), ..sjis() };
    let body = r#"{"b":{"y":12,"z":34},"c":"c"}"#;
    assert_eq!(to_json(&layout, b"1234c", &second), Ok(body.to_owned()));
    assert_eq!(from_json(&layout, body.as_bytes(), &second), Ok(b"1234c".to_vec()));
}

#[test]
fn what_is_longer_than_the_item_that_is_shown_is_filled_up() {
    let entries = "05 A PIC X(6). 05 B REDEFINES A PIC 9(4). 05 C PIC 9(2).";
    let second = Conversion { chosen: ["B".to_owned()].into(), ..sjis() };
    let record = from_json(&layout(entries), br#"{"b":12,"c":3}"#, &second);
    assert_eq!(record, Ok(b"0012  03".to_vec()));
    let longer = "05 A PIC 9(2). 05 B REDEFINES A PIC X(6). 05 C PIC 9(2).";
    let longer = super::read(longer, Dialect::MF).unwrap();
    assert_eq!(from_json(&longer, br#"{"a":12,"c":3}"#, &sjis()), Ok(b"12    03".to_vec()));
}

#[test]
fn numbers_are_written_as_the_service_says() {
    let layout = layout("05 A PIC 9(3). 05 B PIC 9(16).");
    let record = b"0079007199254740993";
    for (numbers, json) in [
        (Numbers::ByDigits, r#"{"a":7,"b":"9007199254740993"}"#),
        (Numbers::Numbers, r#"{"a":7,"b":9007199254740993}"#),
        (Numbers::Texts, r#"{"a":"7","b":"9007199254740993"}"#),
    ] {
        let conversion = Conversion { numbers, ..sjis() };
        assert_eq!(to_json(&layout, record, &conversion), Ok(json.to_owned()));
        // What was written is read again, digit for digit.
        assert_eq!(from_json(&layout, json.as_bytes(), &conversion), Ok(record.to_vec()));
    }
}

#[test]
fn bodies_are_the_same_when_their_records_say_the_same() {
    let layout = layout(ORDER);
    let of = |text: &str| canonical(&layout, text.as_bytes(), &sjis()).unwrap();
    let one = of(BODY);
    for other in [
        BODY.replace("-1.5", "\"-1.50\""),
        BODY.replace("-1.5", "-15e-1"),
        BODY.replace("\"A1\"", "\"A1   \""),
        BODY.replace("\"A1\"", "\"\\u00411\""),
        BODY.replace("\"total\"", "\"n_lines\":2,\"total\""),
        r#" { "lines_t" : [{"qty":[1,2],"item":"x"},{"qty":[3,4],"item":"y"}],
            "total":-1.5, "customer":"C9", "order_no":"A1" } "#
            .to_owned(),
    ] {
        assert_eq!(of(&other), one, "{other}");
    }
    for other in [BODY.replace("-1.5", "1.5"), BODY.replace("A1", "a1"), BODY.replace("3,4", "4,3")]
    {
        assert_ne!(of(&other), one, "{other}");
    }
    assert!(
        one.starts_with(r#"{"customer":"C9","lines_t":[{"item":"x","qty":["1","2"]}"#),
        "{one}"
    );
}

#[test]
fn what_is_behind_a_nul_is_part_of_what_is_said() {
    let conversion = Conversion { control: Control::Kept, ..sjis() };
    let of = |text: &str| {
        let layout = layout("05 V PIC X(3).");
        canonical(&layout, format!("{{\"v\":\"{text}\"}}").as_bytes(), &conversion).unwrap()
    };
    assert_ne!(of("a\\u0000b"), of("a"));
}

#[test]
fn what_fills_a_record_up_says_nothing() {
    let layout = layout(ORDER);
    let record = from_json(&layout, BODY.as_bytes(), &sjis()).unwrap();
    let mut other = record.clone();
    other[6..8].copy_from_slice(b"??");
    let from = other.len() - 7;
    other[from..].fill(0xff);
    let of = |record: &[u8]| canonical_of(&layout, record, &sjis()).unwrap();
    assert_eq!(of(&record), of(&other));
}

#[test]
fn the_same_text_in_another_code_page_is_the_same_value() {
    let layout = layout("05 V PIC X(9).");
    let body = "{\"v\":\"漢字\"}".as_bytes();
    let of = |page| canonical(&layout, body, &Conversion::of(page)).unwrap();
    assert_eq!(of(CodePage::ShiftJis), of(CodePage::EucJp));
    assert_eq!(of(CodePage::ShiftJis), of(CodePage::Utf8));
}
