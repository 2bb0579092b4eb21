//! Layouts and bytes beside those of the compiler itself.

use tsugi_record::decimal::Decimal;
use tsugi_record::dialect::Dialect;
use tsugi_record::field::{Kind, Layout};
use tsugi_record::json::{Json, NameOrder};
use tsugi_record::layout::json_name;
use tsugi_record::refused::Why;
use tsugi_record::{from_json, to_json};

use super::probe::{Record, ask, items};
use super::{read, sjis};

/// Entries and a value, of every kind of item and of what is easily got wrong.
pub const BY_HAND: [(&str, &str); 15] = [
    (
        "05 A1 PIC X(6). 05 B1 PIC S9(3). 05 C1 PIC S9(3) SIGN LEADING. 05 D1 PIC 9(3).
         05 E1 PIC S9(3) SIGN LEADING SEPARATE. 05 F1 PIC S9(3) SIGN TRAILING SEPARATE.",
        r#"{"a1":"AB","b1":-120,"c1":-12,"d1":7,"e1":-12,"f1":12}"#,
    ),
    (
        "05 A2 PIC S9(3)V99 COMP-3. 05 B2 PIC 9(4) COMP-3. 05 C2 PIC S9(4) COMP-3.
         05 D2 PIC 9(5) COMP-6. 05 E2 PIC S9(18) COMP-3. 05 F2 PIC 9(31) COMP-3.",
        r#"{"a2":-1.25,"b2":12,"c2":9999,"d2":12345,"e2":"-999999999999999999",
            "f2":"1234567890123456789012345678901"}"#,
    ),
    (
        "05 A3 PIC S9(2) COMP. 05 B3 PIC S9(4) COMP. 05 C3 PIC S9(6) COMP. 05 D3 PIC 9(7) COMP.
         05 E3 PIC S9(9) BINARY. 05 F3 PIC S9(12) COMP. 05 G3 PIC S9(18) COMP-4.",
        r#"{"a3":-99,"b3":-2,"c3":-999999,"d3":9999999,"e3":1,"f3":-1,"g3":"-999999999999999999"}"#,
    ),
    (
        "05 A4 PIC S9(4) COMP-5. 05 B4 PIC 9(7) COMP-5. 05 C4 PIC S9(5)V99 COMP-5.
         05 D4 PIC X(2) COMP-5. 05 E4 PIC X(3) COMP-X. 05 F4 PIC 9(5) COMP-X. 05 G4 BINARY-CHAR.
         05 H4 BINARY-SHORT UNSIGNED. 05 I4 BINARY-LONG. 05 J4 BINARY-DOUBLE.",
        r#"{"a4":-123,"b4":70000,"c4":-0.01,"d4":258,"e4":70000,"f4":12345,"g4":-128,"h4":65535,
            "i4":-2147483648,"j4":"-5"}"#,
    ),
    (
        "05 A5 COMP-1. 05 B5 COMP-2. 05 C5 PIC N(3). 05 D5 PIC 9(3)PP. 05 E5 PIC VPP99.
         05 F5 PIC S9(3)PP COMP. 05 G5 PIC X(5) JUST RIGHT. 05 H5 PIC 9(3) BLANK WHEN ZERO.
         05 I5 PIC 9(3) BLANK ZERO. 05 J5 PIC ZZ9.99. 05 K5 PIC A(4).",
        r#"{"a5":1.5,"b5":-0.25,"c5":"","d5":12300,"e5":0.0012,"f5":-12300,"g5":"AB","h5":0,
            "i5":7,"k5":"z"}"#,
    ),
    (
        "05 A6 PIC X. 05 B6 PIC S9(4) COMP SYNC. 05 C6 PIC X. 05 D6 PIC S9(9) COMP SYNC.
         05 E6 PIC X. 05 F6 COMP-2 SYNC. 05 G6 PIC X. 05 H6 PIC S9(5) COMP-5 SYNC. 05 I6 PIC X.
         05 J6 COMP-1 SYNC. 05 K6 PIC S9(3) COMP-3 SYNC. 05 L6 PIC 9(18) COMP SYNC.",
        r#"{"a6":"a","b6":1,"c6":"c","d6":-1,"e6":"e","f6":1,"g6":"g","h6":-5,"i6":"i","j6":2,
            "k6":-3,"l6":"18"}"#,
    ),
    (
        "05 A7 PIC X. 05 T7 OCCURS 3. 10 B7 PIC X. 10 C7 PIC S9(9) COMP SYNC. 10 D7 PIC X.",
        r#"{"a7":"a","t7":[{"b7":"1","c7":1,"d7":"x"},{"b7":"2","c7":2,"d7":"y"},
            {"b7":"3","c7":3,"d7":"z"}]}"#,
    ),
    (
        "05 T8 OCCURS 3. 10 B8 PIC X. 10 C8 PIC S9(9) COMP SYNC. 10 G8. 15 D8 PIC X. 15 E8 PIC XX.",
        r#"{"t8":[{"b8":"1","c8":1,"g8":{"d8":"x","e8":"p"}},{"b8":"2","c8":2,"g8":{"d8":"y",
            "e8":"q"}},{"b8":"3","c8":3,"g8":{"d8":"z","e8":"r"}}]}"#,
    ),
    (
        "05 A9 COMP. 10 B9 PIC 9(4). 10 C9 PIC S9(9). 05 D9 SIGN LEADING SEPARATE.
         10 E9 PIC S9(3). 10 F9 PIC 9(3). 10 G9 PIC S9(3) SIGN TRAILING.",
        r#"{"a9":{"b9":4,"c9":-9},"d9":{"e9":-3,"f9":3,"g9":-7}}"#,
    ),
    (
        "05 A10 PIC X(6). 05 B10 REDEFINES A10 PIC 9(4). 05 C10 REDEFINES A10. 10 D10 PIC X.
         10 E10 PIC X(5). 05 F10 PIC X. 05 G10. 10 H10 PIC S9(4) COMP SYNC.",
        r#"{"a10":"abcdef","f10":"f","g10":{"h10":-2}}"#,
    ),
    (
        "05 N11 PIC 9(2). 05 T11 OCCURS 1 TO 5 DEPENDING ON N11. 10 U11 PIC X(3).
         10 V11 PIC 9(2) OCCURS 2.",
        r#"{"n11":2,"t11":[{"u11":"a","v11":[1,2]},{"u11":"b","v11":[3,4]}]}"#,
    ),
    (
        "05 FILLER PIC X(3). 05 FILLER. 10 A12 PIC X. 10 FILLER PIC 9(2) COMP. 05 B12 PIC X.",
        r#"{"a12":"a","b12":"b"}"#,
    ),
    ("05 A13 PIC 9(4) COMP-5. 05 B13 BINARY-CHAR UNSIGNED.", r#"{"a13":65535,"b13":255}"#),
    (
        "05 A15 SIGNED-SHORT. 05 B15 UNSIGNED-SHORT. 05 C15 SIGNED-INT. 05 D15 UNSIGNED-INT.
         05 E15 SIGNED-LONG. 05 F15 UNSIGNED-LONG.
         05 I15 BINARY-C-LONG. 05 J15 FLOAT-SHORT. 05 K15 USAGE IS FLOAT-LONG.
         05 L15 PIC S9(4) USAGE IS COMPUTATIONAL-3. 05 M15 PIC 9(4) COMPUTATIONAL.
         05 N15 PIC S9(9) COMPUTATIONAL-5 SYNCHRONIZED RIGHT. 05 O15 PIC S9(5) PACKED-DECIMAL.",
        r#"{"a15":-7,"b15":7,"c15":-70000,"d15":70000,"e15":"-7","f15":"7",
            "i15":"-10","j15":0.5,"k15":-0.25,"l15":-1234,"m15":1234,"n15":-123456789,
            "o15":-54321}"#,
    ),
    (
        "05 A14 PIC S9(38). 05 B14 PIC 9(10)V9(8).",
        r#"{"a14":"-1234567890123456789012345678901234567",
        "b14":"1.00000001"}"#,
    ),
];

pub const DIALECTS: [(&str, Dialect); 3] =
    [("-std=default", Dialect::DEFAULT), ("-std=mf", Dialect::MF), ("-std=ibm", Dialect::IBM)];

fn compared(records: &[Record]) {
    for (option, dialect) in DIALECTS {
        let layouts: Vec<Option<Layout>> =
            records.iter().map(|record| laid_out(&record.entries, dialect)).collect();
        let asked: Vec<(&Record, &Layout)> = records
            .iter()
            .zip(&layouts)
            .filter_map(|(record, layout)| Some((record, layout.as_ref()?)))
            .collect();
        let told = ask(&asked, &[option]);
        for (record, layout) in asked {
            let told = &told[&record.name];
            let about = || format!("{option} {} {}", record.name, record.entries);
            let ours = from_json(layout, record.json.as_bytes(), &sjis())
                .unwrap_or_else(|error| panic!("{error:?} {}", about()));
            for item in items(layout, &record.name) {
                let name = &item.reference;
                let place = (item.offset, item.field.bytes);
                assert_eq!(Some(&place), told.places.get(name), "{name} {}", about());
                if matches!(item.field.kind, Kind::Group(_) | Kind::Edited) {
                    continue;
                }
                let from = usize::try_from(item.offset).unwrap();
                let range = from..from + usize::try_from(item.field.bytes).unwrap();
                let (mine, theirs) = (&ours[range.clone()], &told.record[range]);
                if item.field.redefines.is_none() {
                    assert_eq!(mine, theirs, "{name} {}", about());
                }
            }
            read_back(record, layout, &told.record, &about());
        }
    }
}

/// A layout; none where the compiler itself lays items over each other.
pub fn laid_out(entries: &str, dialect: Dialect) -> Option<Layout> {
    match read(entries, dialect) {
        Ok(layout) => Some(layout),
        Err(refused) if refused.why == Why::Overlap => None,
        Err(refused) => panic!("{refused:?}\n{entries}"),
    }
}

/// What the compiler has moved there is read as the values that were moved.
fn read_back(record: &Record, layout: &Layout, theirs: &[u8], about: &str) {
    let json = to_json(layout, theirs, &sjis()).unwrap_or_else(|e| panic!("{e:?} {about}"));
    let Json::Object(mut seen) = Json::read(json.as_bytes()).unwrap() else { panic!() };
    let Json::Object(given) = Json::read(record.json.as_bytes()).unwrap() else { panic!() };
    seen.retain(|(name, _)| given.iter().any(|(other, _)| other == name));
    let written = |members| plain(&Json::Object(members)).written(NameOrder::Sorted);
    assert_eq!(written(seen), written(given), "{about}");
}

/// With numbers in one form: which of them are texts differs from dialect to dialect.
fn plain(value: &Json) -> Json {
    match value {
        Json::Number(text) | Json::Text(text) => {
            Json::Text(Decimal::read(text).map_or(text.clone(), |number| number.to_string()))
        }
        Json::Array(values) => Json::Array(values.iter().map(plain).collect()),
        Json::Object(members) => {
            Json::Object(members.iter().map(|(name, value)| (name.clone(), plain(value))).collect())
        }
        Json::Null | Json::Truth(_) => value.clone(),
    }
}

#[test]
fn offsets_sizes_and_bytes_are_those_of_the_compiler() {
    let named = |(at, (entries, json)): (usize, &(&str, &str))| Record {
        name: format!("R{at}"),
        entries: (*entries).to_owned(),
        json: (*json).to_owned(),
    };
    compared(&BY_HAND.iter().enumerate().map(named).collect::<Vec<_>>());
}

/// Draws records: the same ones every time.
pub struct Draw {
    state: u64,
    names: u32,
}

/// Entries without name and period, and a value.
const LEAVES: [(&str, &str); 36] = [
    ("PIC X(3)", "\"ab\""),
    ("PIC X", "\"x\""),
    ("PIC A(5)", "\"abc\""),
    ("PIC 9(5)", "99999"),
    ("PIC S9(4)", "-1230"),
    ("PIC S9(4)V9 SIGN LEADING", "-12.5"),
    ("PIC S9(2) SIGN LEADING SEPARATE", "99"),
    ("PIC S9(7) COMP-3", "-7654321"),
    ("PIC 9(6)V99 COMP-3", "123456.78"),
    ("PIC 9(3) COMP-6", "987"),
    ("PIC S9(2) COMP SYNC", "-99"),
    ("PIC S9(4) COMP SYNC", "-1234"),
    ("PIC 9(4) COMP", "1234"),
    ("PIC S9(7) COMP SYNC", "-7654321"),
    ("PIC 9(9) COMP SYNC", "123456789"),
    ("PIC S9(11) COMP", "-12345678901"),
    ("PIC 9(15) COMP SYNC", "123456789012345"),
    ("PIC S9(4) COMP-5 SYNC", "-1234"),
    ("PIC 9(6) COMP-5", "123456"),
    ("PIC X(2) COMP-X", "513"),
    ("COMP-1 SYNC", "1.5"),
    ("COMP-2 SYNC", "-2.25"),
    ("BINARY-LONG SYNC", "-100000"),
    ("PIC X(4) JUST RIGHT", "\"ab\""),
    ("PIC N(2)", "\"\""),
    ("PIC S9(3) SIGN TRAILING SEPARATE", "-7"),
    ("PIC 9(3)PP", "12300"),
    ("PIC VPP9(3)", "0.00123"),
    ("PIC 9(3) BLANK WHEN ZERO", "0"),
    ("PIC S9(3)PP COMP SYNC", "-12300"),
    ("PIC 9(18) COMP-5 SYNC", "\"123456789012345678\""),
    ("PIC X(3) COMP-X SYNC", "70000"),
    ("PIC 9(12) COMP-X SYNC", "123456789012"),
    ("BINARY-DOUBLE SYNC", "\"-5\""),
    ("BINARY-SHORT UNSIGNED SYNC", "65535"),
    ("PIC S9 COMP-5 SYNC", "-9"),
];

impl Draw {
    /// Draws by this seed.
    pub fn of(state: u64) -> Self {
        Self { state, names: 0 }
    }

    /// A number below this one.
    pub fn below(&mut self, most: u64) -> u64 {
        // A linear congruential generator; its upper half is good enough for this.
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
        (self.state >> 33) % most
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("F{}", self.names)
    }

    /// The items of a group, and the members of its value.
    pub fn group(&mut self, level: u32) -> (String, String) {
        let (mut entries, mut members) = (String::new(), Vec::new());
        for _ in 0..2 + self.below(4) {
            let name = self.name();
            let (entry, value) = if level < 20 && self.below(4) == 0 {
                let (inside, value) = self.group(level + 5);
                (format!(".\n{inside}"), value)
            } else {
                let (entry, value) = LEAVES[self.below(LEAVES.len() as u64) as usize];
                (format!(" {entry}.\n"), value.to_owned())
            };
            if self.below(4) == 0 {
                let times = 2 + self.below(2) as usize;
                entries += &format!("{level} {name} OCCURS {times}{entry}");
                members.push((name, format!("[{}]", vec![value; times].join(","))));
            } else {
                entries += &format!("{level} {name}{entry}");
                let again = self.name();
                match self.below(8) {
                    0 => entries += &format!("{level} {again} REDEFINES {name} PIC X.\n"),
                    1 => {
                        let inner = level + 5;
                        let inside = format!("{inner} {} PIC X.\n", self.name());
                        entries += &format!("{level} {again} REDEFINES {name}.\n{inside}");
                    }
                    2 => entries += &format!("{level} FILLER PIC X(3).\n"),
                    3 => entries += &format!("{level} FILLER PIC S9(9) COMP SYNC.\n"),
                    _ => {}
                }
                members.push((name, value));
            }
        }
        let members: Vec<String> = members
            .into_iter()
            .map(|(name, value)| format!("\"{}\":{value}", json_name(&name)))
            .collect();
        (entries, format!("{{{}}}", members.join(",")))
    }
}

#[test]
fn drawn_layouts_are_laid_out_as_the_compiler_does() {
    let mut draw = Draw::of(20_261_123);
    let records: Vec<Record> = (0..60)
        .map(|at| {
            let (entries, json) = draw.group(10);
            Record { name: format!("R{at}"), entries, json }
        })
        .collect();
    compared(&records);
}
