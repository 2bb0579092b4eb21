//! Interfaces: what is made of three sources, what may be edited, and what may not.

use std::path::PathBuf;

use tsugi_package::interface::{self, Unfit, Why};
use tsugi_record::Conversion;
use tsugi_record::code_page::CodePage;
use tsugi_record::dialect::Dialect;
use tsugi_record::parameters::{Direction, Improper};
use tsugi_record::source::{self, Form};

use super::compiled::of_report;

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/package").join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(file(name)).unwrap()
}

/// The source with its copybook in it.
fn source(name: &str) -> source::Interface {
    let form = if name == "ORDER" { Form::Fixed } else { Form::Free };
    let copied = text("sources/CUSTOMER.cpy");
    let text = match name {
        "CBLAPP01" | "CBLAPP02" => {
            std::fs::read_to_string(of_report(&format!("{name}.cbl"))).unwrap()
        }
        name => text(&format!("sources/{name}.cbl")).replace("COPY CUSTOMER.", &copied),
    };
    source::read(&text, form, Dialect::MF).unwrap()
}

/// Compares with what is kept; `TSUGI_GOLDEN=1` writes it anew.
pub fn golden(name: &str, found: &str) {
    let path = file(&format!("golden/{name}"));
    if std::env::var_os("TSUGI_GOLDEN").is_some() {
        std::fs::write(&path, found).unwrap();
    }
    assert_eq!(found, std::fs::read_to_string(&path).unwrap_or_default(), "{name}");
}

fn written(name: &str, entry: &str) -> String {
    interface::written(entry, &source(name), &Conversion::of(CodePage::ShiftJis))
}

#[test]
fn the_interfaces_of_three_sources_are_as_they_were() {
    for (name, entry) in
        [("CBLAPP01", "CBLAPP01"), ("ORDER", "ORDER1"), ("ADDRESS", "address-check")]
    {
        let text = written(name, entry);
        golden(&format!("{name}.toml"), &text);
        let read = interface::read(&text, entry, &source(name)).unwrap();
        assert_eq!(read.entry, entry);
        let all = read.parameters.list().iter();
        assert!(all.clone().all(|parameter| parameter.direction == Direction::InOut));
        let names: Vec<_> = all.map(|parameter| parameter.json.as_str()).collect();
        let own = source(name).parameters;
        let own: Vec<_> = own.iter().map(|layout| layout.root.json.as_str()).collect();
        assert_eq!(names, own);
    }
}

/// The counting service of the report: what its engineers changed by hand.
#[test]
fn the_counting_service_answers_by_the_names_that_were_edited() {
    let edited = written("CBLAPP01", "CBLAPP01")
        .replace("direction = \"io\"", "direction = \"out\"")
        .replace("json = \"lk_counter\"", "json = \"counter\"")
        .replace("json = \"lk_hostname\"", "json = \"host name\"");
    let read = interface::read(&edited, "CBLAPP01", &source("CBLAPP01")).unwrap();
    let mut records = read.parameters.records(b"{}").unwrap();
    assert_eq!(records.iter().map(Vec::len).collect::<Vec<_>>(), [20, 10, 20, 10]);
    assert_eq!(records[3], b"0000000000");
    records[3] = b"0000000339".to_vec();
    records[2] = b"host2\0              ".to_vec();
    let answer = read.parameters.answer(&records).unwrap();
    let expected = r#"{"lk_datetime":"","lk_pgmname":"","host name":"host2","counter":339}"#;
    assert_eq!(answer, expected);
    assert!(read.parameters.records(br#"{"counter":1}"#).is_err());
}

/// The two services that the report deploys, as they lie in the samples.
#[test]
fn the_samples_interfaces_are_the_made_ones_with_every_direction_edited_to_out() {
    for (service, file) in [("CBLAPP01", "APPFILE01"), ("CBLAPP02", "APPFILE02")] {
        let kept = std::fs::read_to_string(of_report(&format!("{service}.toml"))).unwrap();
        let made = written(service, service);
        assert_ne!(kept, made);
        assert_eq!(kept, made.replace("direction = \"io\"", "direction = \"out\""));
        let read = interface::read(&kept, service, &source(service)).unwrap();
        let all = read.parameters.list();
        assert!(all.iter().all(|parameter| parameter.direction == Direction::Out), "{service}");
        let data = std::fs::read(of_report(&format!("{file}.dat"))).unwrap();
        assert_eq!(data, b"      0000000000");
    }
    let of = |name: &str| std::fs::read_to_string(of_report(name)).unwrap();
    let second =
        of("CBLAPP01.cbl").replace("CBLAPP01", "CBLAPP02").replace("APPFILE01", "APPFILE02");
    assert_eq!(of("CBLAPP02.cbl"), second, "the same content under another name");
}

#[test]
fn fields_of_groups_have_the_names_that_were_edited() {
    let edited = written("ORDER", "ORDER1")
        .replace("json = \"lk_price\"", "json = \"price\"")
        .replace("json = \"lk_line\"", "json = \"lines\"")
        .replace("json = \"lk_body\"\ndirection = \"io\"", "json = \"body\"\ndirection = \"out\"");
    let read = interface::read(&edited, "ORDER1", &source("ORDER")).unwrap();
    let body = &read.parameters.list()[1];
    assert_eq!((body.json.as_str(), body.direction), ("body", Direction::Out));
    let mut record = vec![1, 0];
    record.extend_from_slice(b"BOLT    \x00\x01\x23\x45\x6d+00012");
    record.resize(usize::try_from(body.layout.bytes()).unwrap(), b' ');
    let json = tsugi_record::to_json(&body.layout, &record, &Conversion::of(CodePage::ShiftJis));
    let expected =
        r#"{"lk_count":1,"lines":[{"lk_item":"BOLT","price":-1234.56,"lk_quantity":12}]}"#;
    assert_eq!(json.unwrap(), expected);
}

fn unfit(name: &str, entry: &str, from: &str, to: &str) -> Unfit {
    let text = written(name, entry);
    assert!(text.contains(from), "{text}");
    let edited = text.replacen(from, to, 1);
    interface::read(&edited, entry, &source(name)).expect_err(to)
}

#[test]
fn what_is_not_as_the_source_says_is_refused_with_the_item_and_its_lines() {
    let order = |from, to| unfit("ORDER", "ORDER1", from, to);
    let found = order("is = \"S9(7)V9(2) COMP-3\"", "is = \"S9(9)V9(2) COMP-3\"");
    assert_eq!(found.item.as_deref(), Some("LK-LINE.LK-PRICE"));
    let line = |from: &str| {
        written("ORDER", "ORDER1").lines().position(|line| line.contains(from)).unwrap() + 1
    };
    assert_eq!(found.line, line("LK-PRICE"));
    // In the source, with its copybook in it: line 35.
    assert_eq!(found.described.unwrap().line, 35);
    let expected = "S9(7)V9(2) COMP-3".to_owned();
    assert_eq!(found.why, Why::Differs { expected, found: "S9(9)V9(2) COMP-3".to_owned() });

    let place = order("place = \"10+5\"", "place = \"11+5\"");
    assert!(matches!(place.why, Why::Differs { .. }), "{place:?}");
    let times = order("OCCURS 1 TO 20", "OCCURS 1 TO 30");
    assert_eq!(times.item.as_deref(), Some("LK-LINE"));
    let whole = order("place = \"0+382\"", "place = \"0+383\"");
    assert_eq!(whole.item.as_deref(), Some("LK-BODY"));
    let (expected, found) = ("0+382".to_owned(), "0+383".to_owned());
    assert_eq!(whole.why, Why::Differs { expected, found });
    let total = order("edited, 10 characters", "X(10)");
    assert_eq!(total.item.as_deref(), Some("LK-TOTAL"));
    let name = order("item = \"LK-BODY\"", "item = \"LK-BODIES\"");
    assert_eq!((name.item.as_deref(), name.why), (Some("LK-BODIES"), Why::Unknown));
    let field = order("item = \"LK-DAY\"", "item = \"LK-DATE\"");
    assert_eq!((field.item.as_deref(), field.why), (Some("LK-DATE"), Why::Unknown));
    let entry = order("entry = \"ORDER1\"", "entry = \"ORDER2\"");
    let (expected, found) = ("ORDER1".to_owned(), "ORDER2".to_owned());
    assert_eq!((entry.line, entry.why), (6, Why::Entry { expected, found }));
}

#[test]
fn an_item_that_is_missing_or_twice_is_refused() {
    let text = written("ORDER", "ORDER1");
    let lines: Vec<&str> = text.lines().collect();
    let of = |item: &str| lines.iter().position(|line| line.contains(item)).unwrap();
    let read = |lines: &[&str]| {
        let text = lines.join("\n");
        interface::read(&text, "ORDER1", &source("ORDER")).unwrap_err()
    };
    let mut without = lines.clone();
    without.remove(of("LK-YEAR"));
    let found = read(&without);
    let expected = "LK-DAY-PARTS.LK-YEAR".to_owned();
    assert_eq!((found.line, found.why), (of("LK-YEAR") + 1, Why::Missing { expected }));
    let mut twice = lines.clone();
    twice.insert(of("LK-YEAR"), lines[of("LK-YEAR")]);
    let found = read(&twice);
    assert_eq!(found.line, of("LK-YEAR") + 2);
    assert!(matches!(found.why, Why::Missing { .. }), "{found:?}");
    let mut last = lines.clone();
    last.remove(of("LK-LINES"));
    let found = read(&last);
    assert_eq!(found.why, Why::Missing { expected: "LK-LINES".to_owned() });
    let total = of("LK-TOTAL") - 1;
    let found = read(&lines[..total]);
    assert_eq!(found.why, Why::Missing { expected: "LK-TOTAL".to_owned() });
    let mut more = lines.clone();
    let again: Vec<&str> = lines[total..].to_vec();
    more.extend(again);
    assert_eq!(read(&more).why, Why::Unknown);
}

#[test]
fn names_that_are_none_or_are_there_twice_are_refused() {
    let order = |from, to| unfit("ORDER", "ORDER1", from, to);
    let found = order("json = \"lk_item\"", "json = \"lk_price\"");
    assert_eq!(found.item.as_deref(), Some("LK-LINE.LK-PRICE"));
    assert_eq!(found.why, Why::SameName { name: "lk_price".to_owned() });
    // A group without a name has its items beside the others.
    let beside = unfit("ADDRESS", "address-check", "json = \"street\"", "json = \"city\"");
    assert_eq!(beside.why, Why::SameName { name: "city".to_owned() });
    let found = order("json = \"lk_body\"", "json = \"lk_head\"");
    let name = "lk_head".to_owned();
    assert_eq!(found.why, Why::Improper(Improper::SameName { name }));
    for name in ["", "a\\nb", &"x".repeat(101)] {
        let to = format!("json = \"{name}\"");
        let found = unfit("ORDER", "ORDER1", "json = \"lk_item\"", &to);
        assert!(matches!(found.why, Why::Name { .. }), "{found:?}");
    }
}

#[test]
fn a_text_that_cannot_be_read_is_refused_with_its_line() {
    let order = |from, to| unfit("ORDER", "ORDER1", from, to);
    for (from, to, line) in [
        ("format = 1", "format = one", 5),
        ("entry = \"ORDER1\"", "entry = \"ORDER1", 6),
        ("nul = \"cut\"", "nul = \"burn\"", 11),
        ("direction = \"io\"", "direction = \"both\"", 26),
        ("direction = \"io\"", "direction = \"io\"\nmode = \"rw\"", 27),
        ("fields = [", "fields = [{", 28),
    ] {
        let found = order(from, to);
        assert!(matches!(found.why, Why::Unread { .. }), "{to}: {found:?}");
        assert_eq!(found.line, line, "{to}: {found:?}");
    }
    assert_eq!(order("format = 1", "format = 2\nnew = 1").why, Why::Format { found: 2 });
    let found = interface::read("", "ORDER1", &source("ORDER")).unwrap_err();
    assert!(matches!(found.why, Why::Unread { .. }), "{found:?}");
    let long = " ".repeat(interface::BYTES_MOST + 1);
    let found = interface::read(&long, "ORDER1", &source("ORDER")).unwrap_err();
    assert_eq!(found.why, Why::Long);
    let chosen = order("chosen = []", "chosen = [\"LK-DAY-PART\"]");
    let name = "LK-DAY-PART".to_owned();
    assert_eq!(chosen.why, Why::Improper(Improper::NotChosen { name }));
}

/// Whoever edits a text breaks it in ways that nobody thinks of.
#[test]
fn a_text_with_any_byte_changed_is_read_or_refused() {
    let (text, source) = (written("ORDER", "ORDER1"), source("ORDER"));
    let mut fits = 0;
    for at in 0..text.len() {
        for byte in [b'"', b'[', b'\n', b'x', b'='] {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = byte;
            let changed = String::from_utf8(bytes).unwrap();
            if let Ok(read) = interface::read(&changed, "ORDER1", &source) {
                fits += 1;
                // What it is was not changed, only how it is called.
                let layouts = read.parameters.list().iter().map(|one| one.layout.bytes());
                assert_eq!(layouts.collect::<Vec<_>>(), [37, 382, 10], "byte {at}");
            }
        }
    }
    assert!(fits > text.len() / 4, "{fits} of {}", text.len());
}

const BY_HAND: &str = r#"
format = 1
entry = "PAY"

[[parameter]]
item = "ORDER"
is = "group"
json = "order"
direction = "in"
fields = [
  { item = "NUMBER-OF", is = "9(4) COMP-5", json = "number" },
  { item = "LINE", is = "group OCCURS 2", json = "lines" },
  { item = "LINE.PRICE", is = "S9(5)V99 COMP-3", place = "2+4", json = "price" },
  { item = "LINE.WHAT", is = "XXX", json = "what" },
]

[[parameter]]
item = "TOTAL"
is = "S9(7)V99 SIGN TRAILING SEPARATE"
json = "total"
direction = "out"
"#;

/// The items of a program of any language are described as a source of COBOL would, and have the
/// same bytes.
#[test]
fn an_interface_that_is_written_by_hand_says_where_every_item_stands() {
    let own = interface::own(BY_HAND, "PAY").unwrap();
    assert_eq!(own.handed, interface::Handed::Together);
    let lengths: Vec<_> =
        own.parameters.list().iter().map(|parameter| parameter.layout.bytes()).collect();
    assert_eq!(lengths, [16, 10]);
    let body = br#"{"order":{"number":258,"lines":[{"price":1.5,"what":"ab"},
        {"price":-2,"what":"c"}]}}"#;
    let records = own.parameters.records(body).unwrap();
    assert_eq!(&records[0][..2], 258_u16.to_ne_bytes());
    assert_eq!(&records[0][2..], b"\x00\x00\x15\x0cab \x00\x00\x20\x0dc  ");
    assert_eq!(records[1], b"000000000+");
    let answer = own.parameters.answer(&[&records[0][..], b"000012345-"]).unwrap();
    assert_eq!(answer, r#"{"total":-123.45}"#);
}

#[test]
fn what_no_item_is_described_by_is_refused_with_its_line() {
    for (from, to, line) in [
        ("\"S9(5)V99 COMP-3\"", "\"S9(5)V99 COMP-3. 01 X\"", 13),
        ("\"S9(5)V99 COMP-3\"", "\"S9(5)V99 COMP, all of its bytes\"", 13),
        ("\"S9(5)V99 COMP-3\"", "\"S9(5)V99 COMP-7\"", 13),
        ("\"S9(5)V99 COMP-3\"", "\"edited, 7 characters\"", 13),
        ("\"S9(5)V99 COMP-3\"", "\"group\"", 13),
        ("place = \"2+4\"", "place = \"3+4\"", 13),
        ("LINE.PRICE", "LINE.PRI CE", 13),
        ("LINE.PRICE", "LINE.FILLER", 13),
        ("LINE.PRICE", "LINES.PRICE", 13),
        ("json = \"what\"", "json = \"price\"", 14),
    ] {
        let text = BY_HAND.replace(from, to);
        assert_ne!(text, BY_HAND);
        let unfit = interface::own(&text, "PAY").unwrap_err();
        assert_eq!(unfit.line, line, "{to}: {unfit:?}");
    }
    let deep = BY_HAND.replace("LINE.WHAT", &format!("LINE{}", ".A".repeat(60)));
    assert!(matches!(interface::own(&deep, "PAY").unwrap_err().why, Why::Unread { .. }));
    let other = interface::own(BY_HAND, "PAID").unwrap_err();
    assert!(matches!(other.why, Why::Entry { .. }), "{other:?}");
}

/// A group with no item of its own must not swallow what stands behind it.
#[test]
fn a_source_needs_the_places_that_an_interface_by_hand_may_leave_out() {
    let text = written("CBLAPP01", "CBLAPP01");
    let without = text.replacen("place = \"0+20\"\n", "", 1);
    assert_ne!(text, without);
    let unfit = interface::read(&without, "CBLAPP01", &source("CBLAPP01")).unwrap_err();
    let (expected, found) = ("0+20".to_owned(), String::new());
    assert_eq!(unfit.why, Why::Differs { expected, found });
    let own = interface::own(&without, "CBLAPP01").unwrap();
    let read = interface::read(&text, "CBLAPP01", &source("CBLAPP01")).unwrap();
    let bytes = |all: &interface::Interface| {
        all.parameters.list().iter().map(|one| one.layout.bytes()).collect::<Vec<_>>()
    };
    assert_eq!(bytes(&own), bytes(&read));
}
