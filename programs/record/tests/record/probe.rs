//! A program that tells where a compiler has put the items of records, and what it moves there.
#![expect(clippy::disallowed_types, reason = "the compiler is asked, by a test only")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;

use tsugi_record::field::{Field, Kind, Layout, Occurs};
use tsugi_record::json::Json;

/// A record: its name, its entries from level 05 on, and a value of it.
pub struct Record {
    pub name: String,
    pub entries: String,
    pub json: String,
}

/// An item as one reference of the program: its name with subscripts, and where it stands.
pub struct Item<'a> {
    pub reference: String,
    pub field: &'a Field,
    pub offset: u32,
}

/// What the program has told of one record.
#[derive(Default)]
pub struct Told {
    /// Offset and bytes of each reference.
    pub places: BTreeMap<String, (u32, u32)>,
    /// The record's bytes once its values were moved there.
    pub record: Vec<u8>,
}

/// The record, which the program has under this name, and every item of it that has a name; of
/// those in tables the first and the last occurrence.
pub fn items<'a>(layout: &'a Layout, name: &str) -> Vec<Item<'a>> {
    fn enter<'a>(field: &'a Field, at: (&[u32], u32), out: &mut Vec<Item<'a>>) {
        let most = field.occurs.most();
        let table = field.occurs != Occurs::Once;
        let occurrences = if most > 1 { vec![0, most - 1] } else { vec![0] };
        for index in occurrences {
            let mut subscripts = at.0.to_vec();
            if table {
                subscripts.push(index + 1);
            }
            let shift = at.1 + index * field.bytes;
            if let Some(name) = &field.name {
                let reference = referred(name, &subscripts);
                out.push(Item { reference, field, offset: field.offset + shift });
            }
            if let Kind::Group(fields) = &field.kind {
                fields.iter().for_each(|field| enter(field, (&subscripts, shift), out));
            }
        }
    }
    let mut out = Vec::new();
    enter(&layout.root, (&[], 0), &mut out);
    out[0].reference = name.to_owned();
    out
}

fn referred(name: &str, subscripts: &[u32]) -> String {
    if subscripts.is_empty() {
        return name.to_owned();
    }
    let list: Vec<String> = subscripts.iter().map(u32::to_string).collect();
    format!("{name}({})", list.join(" "))
}

/// The statements that move a value into its item.
fn moves(field: &Field, value: &Json, subscripts: &[u32], out: &mut String) {
    if let (Json::Array(values), true) = (value, field.occurs != Occurs::Once) {
        for (index, value) in (1..).zip(values) {
            one(field, value, &[subscripts, &[index]].concat(), out);
        }
    } else {
        one(field, value, subscripts, out);
    }
}

fn one(field: &Field, value: &Json, subscripts: &[u32], out: &mut String) {
    if let (Kind::Group(fields), Json::Object(members)) = (&field.kind, value) {
        for inner in fields {
            if inner.is_transparent() {
                one(inner, value, subscripts, out);
            }
            if let Some((_, value)) = members.iter().find(|(name, _)| *name == inner.json) {
                moves(inner, value, subscripts, out);
            }
        }
    }
    let Some(name) = &field.name else { return };
    let reference = referred(name, subscripts);
    match value {
        Json::Number(text) => writeln!(out, "MOVE {text} TO {reference}").unwrap(),
        Json::Text(text) if matches!(field.kind, Kind::Number(_)) => {
            writeln!(out, "MOVE {text} TO {reference}").unwrap();
        }
        Json::Text(text) if !text.is_empty() => {
            writeln!(out, "MOVE \"{text}\" TO {reference}").unwrap();
        }
        // INITIALIZE leaves PIC N as it was.
        Json::Text(_) if field.kind == Kind::National => {
            writeln!(out, "MOVE SPACES TO {reference}").unwrap();
        }
        _ => {}
    }
}

fn counters(field: &Field, out: &mut String) {
    if let Occurs::Depending { most, on, .. } = &field.occurs {
        writeln!(out, "MOVE {most} TO {on}").unwrap();
    }
    if let Kind::Group(fields) = &field.kind {
        fields.iter().for_each(|field| counters(field, out));
    }
}

fn program(records: &[(&Record, &Layout)]) -> String {
    let mut out = String::from(
        "IDENTIFICATION DIVISION.\nPROGRAM-ID. PROBE.\nDATA DIVISION.\nWORKING-STORAGE SECTION.\n\
         01 ZP1 POINTER.\n01 ZN1 REDEFINES ZP1 PIC S9(18) COMP-5.\n\
         01 ZP2 POINTER.\n01 ZN2 REDEFINES ZP2 PIC S9(18) COMP-5.\n\
         01 ZD PIC 9(9).\n01 ZL PIC 9(9).\n01 ZI PIC 9(9).\n01 ZO PIC 9(3).\n",
    );
    for (record, _) in records {
        writeln!(out, "01 {}.\n{}", record.name, record.entries).unwrap();
    }
    out.push_str("PROCEDURE DIVISION.\nMAIN.\n");
    for (record, layout) in records {
        let name = &record.name;
        counters(&layout.root, &mut out);
        writeln!(out, "SET ZP1 TO ADDRESS OF {name}").unwrap();
        for Item { reference, .. } in items(layout, name) {
            writeln!(
                out,
                "SET ZP2 TO ADDRESS OF {reference}\nCOMPUTE ZD = ZN2 - ZN1\n\
                 MOVE LENGTH OF {reference} TO ZL\n\
                 DISPLAY \"P {name} {reference}:\" ZD \" \" ZL"
            )
            .unwrap();
        }
        writeln!(out, "INITIALIZE {name}").unwrap();
        moves(&layout.root, &Json::read(record.json.as_bytes()).unwrap(), &[], &mut out);
        writeln!(
            out,
            "DISPLAY \"R {name}:\" NO ADVANCING\n\
             PERFORM VARYING ZI FROM 1 BY 1 UNTIL ZI > {}\n\
             COMPUTE ZO = FUNCTION ORD({name}(ZI:1)) - 1\nDISPLAY ZO \" \" NO ADVANCING\n\
             END-PERFORM\nDISPLAY \" \"",
            layout.bytes()
        )
        .unwrap();
    }
    out.push_str("STOP RUN.\n");
    out
}

/// Compiles the program, runs it, and reads what it tells.
pub fn ask(records: &[(&Record, &Layout)], options: &[&str]) -> BTreeMap<String, Told> {
    let folder = tempfile::tempdir().unwrap();
    let text = program(records);
    let (source, probe) = (folder.path().join("PROBE.cbl"), folder.path().join("probe"));
    std::fs::write(&source, &text).unwrap();
    let compiled = Command::new("cobc")
        .args(["-x", "-free", "-w", "-o"])
        .arg(&probe)
        .args(options)
        .arg(&source)
        .output()
        .expect("this test needs cobc: apt-get install gnucobol3");
    let said = String::from_utf8_lossy(&compiled.stderr);
    assert!(compiled.status.success(), "{said}\n{text}");
    let run = Command::new(&probe).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    told(&String::from_utf8(run.stdout).unwrap())
}

fn told(text: &str) -> BTreeMap<String, Told> {
    let mut out: BTreeMap<String, Told> = BTreeMap::new();
    for line in text.lines() {
        let (front, values) = line.split_once(':').unwrap();
        let mut words = front.splitn(3, ' ');
        let (kind, record) = (words.next().unwrap(), words.next().unwrap());
        let told = out.entry(record.to_owned()).or_default();
        let mut values = values.split_whitespace().map(|value| value.parse::<u32>().unwrap());
        if kind == "P" {
            let place = (values.next().unwrap(), values.next().unwrap());
            told.places.insert(words.next().unwrap().to_owned(), place);
        } else {
            told.record = values.map(|value| u8::try_from(value).unwrap()).collect();
        }
    }
    out
}
