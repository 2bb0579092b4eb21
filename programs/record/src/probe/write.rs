//! The text of the two programs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::samples::{From, Sample, samples};
use super::{Telling, What};
use crate::field::{Field, Kind, Layout, Occurs};
use crate::picture::BYTES_MAX;

/// What the program works with; the driver has the memory of it.
pub(super) const ITEMS: &str = "01 TSUGI-PROBE.
 05 TSUGI-P1 POINTER.
 05 TSUGI-A1 REDEFINES TSUGI-P1 PIC S9(18) COMP-5.
 05 TSUGI-P2 POINTER.
 05 TSUGI-A2 REDEFINES TSUGI-P2 PIC S9(18) COMP-5.
 05 TSUGI-D PIC S9(9) SIGN IS LEADING SEPARATE.
 05 TSUGI-L PIC 9(9).
 05 TSUGI-I PIC 9(9).
 05 TSUGI-O PIC 9(3).
 05 TSUGI-X PIC X(39).
 05 TSUGI-F REDEFINES TSUGI-X PIC S9(20)V9(18) SIGN IS LEADING SEPARATE.
 05 TSUGI-W REDEFINES TSUGI-X PIC S9(38) SIGN IS LEADING SEPARATE.
";

/// The bytes at an address.
pub(super) const BYTES: &str = "01 TSUGI-BYTES PIC X(1048576).\n";

/// What the procedure is asked again and again.
const PARAGRAPHS: &str = "EXIT PROGRAM.
TSUGI-PLACE.
 COMPUTE TSUGI-D = TSUGI-A2 - TSUGI-A1
 DISPLAY \"P\" TSUGI-D \" \" TSUGI-L.
TSUGI-DUMP.
 DISPLAY \"B\" NO ADVANCING
 PERFORM VARYING TSUGI-I FROM 1 BY 1 UNTIL TSUGI-I > TSUGI-L
 COMPUTE TSUGI-O = FUNCTION ORD(TSUGI-BYTES(TSUGI-I:1)) - 1
 DISPLAY TSUGI-O NO ADVANCING
 END-PERFORM
 DISPLAY \" \".
";

/// The driver: memory for every parameter, more of it than the layout says, should the compiler
/// say otherwise.
pub(super) fn driver(parameters: &[Layout], name: &str) -> String {
    let mut out = format!(
        "IDENTIFICATION DIVISION.\nPROGRAM-ID. TSUGIPROBE.\nDATA DIVISION.\n\
         WORKING-STORAGE SECTION.\n{ITEMS}"
    );
    for (at, layout) in parameters.iter().enumerate() {
        let bytes = layout.bytes().saturating_mul(2).saturating_add(4096).min(BYTES_MAX * 3);
        line(&mut out, &format!("01 TSUGI-R{at} PIC X({bytes})."));
    }
    line(&mut out, &format!("PROCEDURE DIVISION.\nCALL \"{name}\" USING TSUGI-PROBE"));
    for at in 0..parameters.len() {
        line(&mut out, &format!(" TSUGI-R{at}"));
    }
    out.push_str(" STOP RUN.\n");
    out
}

/// The procedure of the program, and what it tells.
pub(super) fn procedure(parameters: &[Layout]) -> (String, Vec<Telling>) {
    let mut writer =
        Writer { out: "PROCEDURE DIVISION USING TSUGI-PROBE\n".to_owned(), told: vec![] };
    for layout in parameters {
        writer.line(layout.root.name.as_deref().unwrap_or_default());
    }
    writer.line(".\nTSUGI-MAIN.");
    for layout in parameters {
        let name = layout.root.name.clone().unwrap_or_default();
        let items = named(items(&layout.root));
        let counters = counters(&layout.root, &items);
        writer.line(&counters);
        writer.line(&format!("SET TSUGI-P1 TO ADDRESS OF {name}"));
        for item in &items {
            writer.place(item);
        }
        for item in items.iter().filter(|item| item.subscripts.iter().all(|at| *at == 1)) {
            for sample in samples(item.field) {
                writer.sample(item, sample);
            }
            // It may have been the one that says how often a table occurs.
            writer.line(&counters);
        }
    }
    writer.out.push_str(PARAGRAPHS);
    (writer.out, writer.told)
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

/// An item as one reference of the program.
struct Item<'a> {
    field: &'a Field,
    /// Its name and those of the groups that it is in, the nearest first.
    names: Vec<&'a str>,
    subscripts: Vec<u32>,
    offset: u32,
}

impl Item<'_> {
    /// One name a line: the compiler has a longest line.
    fn reference(&self) -> String {
        let mut out = self.names.join("\nOF ");
        if !self.subscripts.is_empty() {
            let list: Vec<String> = self.subscripts.iter().map(u32::to_string).collect();
            write!(out, "\n({})", list.join(" ")).expect("a text takes what is written");
        }
        out
    }

    fn shown(&self) -> String {
        self.reference().replace('\n', " ")
    }
}

/// Every item of a record that has a name; of those in tables the first and the last occurrence.
fn items(root: &Field) -> Vec<Item<'_>> {
    fn enter<'a>(field: &'a Field, around: &Item<'a>, out: &mut Vec<Item<'a>>) {
        let most = field.occurs.most();
        let occurrences = if most > 1 { vec![0, most - 1] } else { vec![0] };
        for index in occurrences {
            let shift = around.offset + index * field.bytes;
            let mut subscripts = around.subscripts.clone();
            if field.occurs != Occurs::Once {
                subscripts.push(index + 1);
            }
            let own = field.name.as_deref();
            let names: Vec<&str> = own.into_iter().chain(around.names.iter().copied()).collect();
            let inside =
                Item { field, names: names.clone(), subscripts: subscripts.clone(), offset: shift };
            if own.is_some() {
                out.push(Item { field, names, subscripts, offset: field.offset + shift });
            }
            if let Kind::Group(fields) = &field.kind {
                fields.iter().for_each(|field| enter(field, &inside, out));
            }
        }
    }
    let mut out = Vec::new();
    enter(root, &Item { field: root, names: vec![], subscripts: vec![], offset: 0 }, &mut out);
    out
}

/// Those that a program can name: of two items of one name the outer cannot be told from the inner.
fn named(items: Vec<Item<'_>>) -> Vec<Item<'_>> {
    let mut chains: BTreeMap<&str, BTreeSet<Vec<&str>>> = BTreeMap::new();
    for item in &items {
        let own = item.names.first().copied().unwrap_or_default();
        chains.entry(own).or_default().insert(item.names.clone());
    }
    let alone = |item: &Item<'_>| {
        let own = item.names.first().copied().unwrap_or_default();
        let same = chains.get(own).into_iter().flatten();
        same.filter(|chain| goes_through(chain, &item.names)).count() == 1
    };
    items.into_iter().filter(alone).collect()
}

/// Whether all these names stand in a chain, in their order.
fn goes_through(chain: &[&str], names: &[&str]) -> bool {
    let mut rest = chain.iter();
    names.iter().all(|name| rest.any(|other| other == name))
}

/// Every table at its longest.
fn counters(root: &Field, items: &[Item<'_>]) -> String {
    let mut out = String::new();
    let mut open = vec![root];
    while let Some(field) = open.pop() {
        if let Occurs::Depending { most, on, .. } = &field.occurs {
            let counter = items.iter().find(|item| item.field.name.as_ref() == Some(on));
            if let Some(counter) = counter {
                line(&mut out, &format!("MOVE {most} TO {}", counter.reference()));
            }
        }
        if let Kind::Group(fields) = &field.kind {
            open.extend(fields);
        }
    }
    out
}

/// The procedure as it is being written.
struct Writer {
    out: String,
    told: Vec<Telling>,
}

impl Writer {
    fn line(&mut self, text: &str) {
        line(&mut self.out, text);
    }

    fn tell(&mut self, item: &Item<'_>, what: What) {
        let (item, at) = (item.shown(), item.field.at.clone());
        self.told.push(Telling { item, at, what });
    }

    fn place(&mut self, item: &Item<'_>) {
        let reference = item.reference();
        self.line(&format!(
            "SET TSUGI-P2 TO ADDRESS OF\n{reference}\nMOVE LENGTH OF\n{reference}\nTO TSUGI-L\n\
             PERFORM TSUGI-PLACE"
        ));
        self.tell(item, What::Place { offset: item.offset, bytes: item.field.bytes });
    }

    fn sample(&mut self, item: &Item<'_>, sample: Sample) {
        let reference = item.reference();
        let from = match &sample.from {
            From::Fraction(digits) => {
                self.line(&format!("MOVE \"{digits}\" TO TSUGI-X"));
                "TSUGI-F".to_owned()
            }
            From::Whole(digits) => {
                self.line(&format!("MOVE \"{digits}\" TO TSUGI-X"));
                "TSUGI-W".to_owned()
            }
            From::Text(text) => format!("\"{text}\""),
        };
        let bytes = sample.bytes.len();
        self.line(&format!(
            "MOVE {from} TO\n{reference}\nSET ADDRESS OF TSUGI-BYTES TO ADDRESS OF\n{reference}\n\
             MOVE {bytes} TO TSUGI-L\nPERFORM TSUGI-DUMP"
        ));
        self.tell(item, What::Bytes { value: sample.value, bytes: sample.bytes });
    }
}
