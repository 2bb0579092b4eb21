//! Input from anybody: an answer or a refusal, never a panic; what was written is read again.

use proptest::prelude::*;
use tsugi_record::code_page::CodePage;
use tsugi_record::conversion::{Control, Conversion, Missing, Nul};
use tsugi_record::dialect::Dialect;
use tsugi_record::field::Layout;
use tsugi_record::json::{DEPTH_MAX, Json, NameOrder, TEXT_MAX};
use tsugi_record::probe::Probe;
use tsugi_record::refused::Why;
use tsugi_record::source::{self, Form};
use tsugi_record::unfit::Misfit;
use tsugi_record::{canonical, canonical_of, from_json, to_json};

use super::read;

/// Every kind of item.
const ALL: &str = "
    05 A PIC X(6). 05 B PIC S9(3). 05 C PIC S9(5)V99 COMP-3. 05 D PIC 9(4) COMP.
    05 E PIC S9(9) COMP-5. 05 F PIC N(3). 05 G COMP-1. 05 H COMP-2. 05 I PIC X(4) JUST RIGHT.
    05 J PIC S9(3) SIGN LEADING SEPARATE. 05 K PIC 9(3) BLANK WHEN ZERO. 05 L PIC ZZ9.
    05 M PIC X(4). 05 M2 REDEFINES M PIC 9(4). 05 FILLER PIC X(3). 05 N PIC 9(2).
    05 T OCCURS 0 TO 4 DEPENDING ON N. 10 U PIC X(2). 10 V PIC S9(2) OCCURS 2.";

fn all() -> Layout {
    read(ALL, Dialect::MF).unwrap()
}

fn lenient() -> Conversion {
    let (control, missing) = (Control::Kept, Missing::Initial);
    Conversion { control, missing, nul: Nul::Keep, ..Conversion::of(CodePage::ShiftJis) }
}

fn words() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "LINKAGE",
        "SECTION.",
        "PROCEDURE",
        "DIVISION",
        "USING",
        "01",
        "05",
        "10",
        "77",
        "78",
        "88",
        "66",
        "A",
        "B",
        "FILLER",
        "PIC",
        "X(3)",
        "S9(4)V99",
        "9",
        "COMP",
        "COMP-3",
        "USAGE",
        "IS",
        "OCCURS",
        "1",
        "TO",
        "5",
        "DEPENDING",
        "ON",
        "REDEFINES",
        "SYNC",
        "SIGN",
        "LEADING",
        "SEPARATE",
        "VALUE",
        "'a'",
        "\"",
        ".",
        ".",
        ".",
        "(",
        ")",
        "\n",
        "\n",
        "*>",
        "JUST",
        "BLANK",
        "ZERO",
        "CONSTANT",
        "#line 7 \"x\"\n",
        "      -",
        "THRU",
        "\u{3042}",
        "X'00'",
    ]);
    prop::collection::vec(words, 0..60).prop_map(|words| words.join(" "))
}

proptest! {
    #[test]
    fn any_source_is_read_or_refused(text in "\\PC{0,200}", form in 0..2) {
        let form = if form == 0 { Form::Fixed } else { Form::Free };
        let _answer = source::read(&text, form, Dialect::DEFAULT);
    }

    #[test]
    fn any_order_of_words_is_read_or_refused(text in words(), form in 0..2) {
        let form = if form == 0 { Form::Fixed } else { Form::Free };
        let _answer = source::read(&text, form, Dialect::MF);
        let within = format!("LINKAGE SECTION. 01 R. {text} . PROCEDURE DIVISION USING R.");
        if let Ok(interface) = source::read(&within, form, Dialect::DEFAULT) {
            let probe = Probe::of(&within, &interface, "X");
            prop_assert!(probe.is_some() || form == Form::Fixed);
            let _answer = probe.map(|probe| probe.compare(&text));
            for layout in interface.parameters {
                // What is laid out can be converted.
                let record = from_json(&layout, b"{}", &lenient());
                if let Ok(record) = record {
                    let _json = to_json(&layout, &record, &lenient());
                }
            }
        }
    }

    #[test]
    fn anything_that_a_probe_prints_is_compared(printed in "[PB+0-9 x\\n-]{0,60}") {
        let text = "LINKAGE SECTION. 01 R PIC S9(3). PROCEDURE DIVISION USING R.";
        let interface = source::read(text, Form::Free, Dialect::DEFAULT).unwrap();
        let probe = Probe::of(text, &interface, "X").unwrap();
        prop_assert!(probe.compare(&printed).is_err());
    }

    #[test]
    fn any_text_is_json_or_refused(text in prop::collection::vec(any::<u8>(), 0..80)) {
        if let Ok(json) = Json::read(&text) {
            let written = json.written(NameOrder::Record);
            prop_assert_eq!(Json::read(written.as_bytes()), Ok(json));
        }
    }

    #[test]
    fn any_json_is_a_record_or_refused(text in "[\\[\\]{}\",:a-v0-9.eE+-]{0,60}") {
        let _answer = from_json(&all(), text.as_bytes(), &lenient());
    }

    #[test]
    fn what_is_read_from_any_bytes_is_written_as_the_same_values(
        record in prop::collection::vec(prop_oneof![
            30 => b'0'..=b'9', 1 => Just(b' '), 1 => any::<u8>()
        ], all().bytes() as usize)
    ) {
        let layout = all();
        let conversion = lenient();
        let mut record = record;
        // What is hardly ever drawn: a packed number, a separate sign, two bytes a character.
        record[9..13].copy_from_slice(b"\x00\x01\x23\x4d");
        record[19..25].copy_from_slice(b"\x8a\xbf    ");
        record[41] = b'-';
        record[58..60].copy_from_slice(b"02");
        if let Ok(json) = to_json(&layout, &record, &conversion) {
            // Its text that is only read is left out, as a caller would.
            let Ok(Json::Object(mut members)) = Json::read(json.as_bytes()) else { panic!() };
            members.retain(|(name, _)| name != "l");
            let text = Json::Object(members).written(NameOrder::Record);
            let back = from_json(&layout, text.as_bytes(), &conversion);
            let mut back = match back {
                Ok(back) => back,
                Err(error) => {
                    let known = matches!(error.why, Misfit::NotInCodePage { .. });
                    prop_assert!(known, "{:?}", error);
                    return Ok(());
                }
            };
            back[48..51].copy_from_slice(&record[48..51]);
            prop_assert_eq!(
                canonical_of(&layout, &back, &conversion),
                canonical_of(&layout, &record, &conversion)
            );
        }
    }

    #[test]
    fn what_is_written_is_read_again(
        a in "[A-Za-z0-9\u{3042}-\u{3093}]{0,3}",
        (b, c, d, e) in (-999..=999_i32, -9_999_999..=9_999_999_i64, 0..=65_535_u32, any::<i32>()),
        h in any::<f64>(),
        t in prop::collection::vec(-99..=99_i32, 0..=4),
    ) {
        prop_assume!(h.is_finite());
        let (layout, conversion) = (all(), Conversion::of(CodePage::ShiftJis));
        let row = |v: &i32| format!("{{\"u\":\"r{}\",\"v\":[{v},0]}}", v.rem_euclid(10));
        let rows: Vec<String> = t.iter().map(row).collect();
        let c = format!("{}{}.{:02}", if c < 0 { "-" } else { "" }, c.abs() / 100, c.abs() % 100);
        let h = serde_json::to_string(&h).unwrap();
        let numbers = format!("\"b\":{b},\"c\":{c},\"d\":{d},\"e\":{e},\"g\":0.5,\"h\":{h}");
        let text = format!(
            "{{\"a\":\"{a}\",{numbers},\"f\":\"漢\",\"i\":\"{}\",\"j\":{b},\"k\":7,\
             \"m\":\"m\",\"t\":[{}]}}",
            a.chars().take(2).collect::<String>(),
            rows.join(","),
        );
        let record = from_json(&layout, text.as_bytes(), &conversion).unwrap();
        let json = to_json(&layout, &record, &conversion).unwrap();
        let again = json.replace("\"l\":\"\",", "");
        prop_assert_eq!(from_json(&layout, again.as_bytes(), &conversion), Ok(record));
        prop_assert_eq!(
            canonical(&layout, again.as_bytes(), &conversion),
            canonical(&layout, text.as_bytes(), &conversion)
        );
        for part in [format!("\"b\":{b},"), format!("\"d\":{d},"), format!("\"e\":{e},")] {
            prop_assert!(json.contains(&part), "{} in {}", part, json);
        }
    }

    #[test]
    fn text_of_any_bytes_is_a_text_that_is_written_as_the_same(
        bytes in prop::collection::vec(any::<u8>(), 6), page in 0..4_usize
    ) {
        let page = [CodePage::ShiftJis, CodePage::EucJp, CodePage::Utf8, CodePage::Ascii][page];
        let layout = read("05 V PIC X(6).", Dialect::DEFAULT).unwrap();
        let conversion = Conversion { code_page: page, ..lenient() };
        if let Ok(json) = to_json(&layout, &bytes, &conversion) {
            match from_json(&layout, json.as_bytes(), &conversion) {
                Ok(back) => {
                    prop_assert_eq!(to_json(&layout, &back, &conversion), Ok(json));
                }
                // JIS X 0212, and two spellings of one character of which one is longer.
                Err(error) => {
                    let known = matches!(
                        error.why,
                        Misfit::NotInCodePage { .. } | Misfit::Long { .. }
                    );
                    prop_assert!(known, "{:?}", error);
                }
            }
        }
    }
}

#[test]
fn limits_hold_before_anything_is_built() {
    let nested = |deep: usize| "[".repeat(deep) + &"]".repeat(deep);
    assert!(Json::read(nested(DEPTH_MAX).as_bytes()).is_ok());
    for deep in [DEPTH_MAX + 1, TEXT_MAX / 2] {
        let refused = Json::read(nested(deep).as_bytes()).unwrap_err();
        assert_eq!(refused.why, Misfit::Deep { most: DEPTH_MAX });
    }
    let text = " ".repeat(TEXT_MAX - 1) + "1";
    assert!(Json::read(text.as_bytes()).is_ok());
    let refused = Json::read(format!(" {text}").as_bytes()).unwrap_err();
    assert_eq!(refused.why, Misfit::Large { bytes: TEXT_MAX + 1, most: TEXT_MAX });
    assert!(Json::read("9".repeat(TEXT_MAX).as_bytes()).is_ok());
    assert!(from_json(&all(), "9".repeat(TEXT_MAX).as_bytes(), &lenient()).is_err());
}

#[test]
fn a_source_of_any_length_is_read_or_refused() {
    for piece in [", ", "; ", ". ", "( ", "'a' ", "05 ", "A ", "\n", "PIC X. ", "#line 1 \"a\"\n"] {
        let many = piece.repeat(50_000);
        for text in [many.clone(), format!("LINKAGE SECTION. 01 R. {many} PROCEDURE DIVISION.")] {
            for form in [Form::Free, Form::Fixed] {
                let _answer = source::read(&text, form, Dialect::DEFAULT);
            }
        }
    }
    let long = " ".repeat(source::SOURCE_MAX + 1);
    let refused = source::read(&long, Form::Free, Dialect::DEFAULT).unwrap_err();
    assert_eq!(refused.why, Why::Long);
}

#[test]
fn json_is_as_strict_as_its_standard() {
    for text in [
        "",
        "01",
        "1.",
        ".5",
        "+1",
        "1e",
        "-",
        "[1,]",
        "{\"a\":1,}",
        "{a:1}",
        "'a'",
        "\"a",
        "\"\\x\"",
        "\"\\ud800\"",
        "\"\n\"",
        "nul",
        "truee",
        "[1 2]",
        "{\"a\" 1}",
        "1 1",
        "\u{feff}1",
        "NaN",
        "\"\\",
        "{\"a\":}",
        "[",
        "{",
        "{\"a\"",
    ] {
        let refused = Json::read(text.as_bytes()).unwrap_err();
        assert!(matches!(refused.why, Misfit::NotJson { .. }), "{text}");
    }
    assert_eq!(Json::read(b"\"\xff\"").unwrap_err().why, Misfit::NotJson { at: 1 });
    let twice = Json::read(br#"{"x":[{"a":1,"\u0061":2}]}"#).unwrap_err();
    assert_eq!(twice.path, "x[0]");
    assert_eq!(twice.why, Misfit::SameName { name: "a".to_owned() });
}
